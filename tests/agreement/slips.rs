//! One change to the text of a rules file, as a slip of a hand or a fault of a compiler would make it.

use palisade::packet::Random;

/// What is slipped into in half of the cases: one word of one rule.
const OF_WORDS: usize = 8;

/// Changes one thing: what it was, and the text then. `None` when there is nothing of the kind that was
/// drawn.
pub fn slip(text: &str, random: &mut Random) -> Option<(String, String)> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let those = |lines: &[String], begin: &str| -> Vec<usize> {
        (0..lines.len()).filter(|at| lines[*at].starts_with(begin)).collect()
    };
    let rules = those(&lines, "-A ");
    let chosen = random.index(rules.len().max(1));
    let rule = rules.get(chosen).copied();
    let what = match random.index(6 + OF_WORDS) {
        0 => {
            let chains = those(&lines, ":");
            let line = &mut lines[*random.pick(&chains)?];
            let (from, to) = if line.contains(" DROP ") {
                (" DROP ", " ACCEPT ")
            } else {
                (" ACCEPT ", " DROP ")
            };
            *line = line.contains(from).then(|| line.replacen(from, to, 1))?;
            format!("policy: {line}")
        }
        1 => format!("missing: {}", lines.remove(rule?)),
        2 => {
            let (one, other) = (rule?, *rules.get(chosen + 1)?);
            lines.swap(one, other);
            format!("order: {} before {}", lines[one], lines[other])
        }
        3 => {
            let line = lines[rule?].clone();
            let chains = those(&lines, ":");
            let other =
                lines[*random.pick(&chains)?].split(' ').next()?.strip_prefix(':')?.to_owned();
            let chain = line.split(' ').nth(1)?;
            (other != chain).then_some(())?;
            lines[rule?] = line.replacen(chain, &other, 1);
            format!("chain {chain}: {}", lines[rule?])
        }
        4 => {
            let again = lines[rule?].clone();
            let at = *random.pick(&rules)?;
            let what = format!("again: {again} before {}", lines[at]);
            lines.insert(at, again);
            what
        }
        5 => {
            let (from, to) = (rule?, *random.pick(&rules)?);
            let line = lines.remove(from);
            lines.insert(to.min(lines.len()), line.clone());
            format!("moved: {line}")
        }
        _ => {
            let line = &mut lines[rule?];
            let before = line.clone();
            let mut words = words(line);
            change(&mut words, random)?;
            *line = words.join(" ");
            (*line != before).then_some(())?;
            format!("{before}\n => {line}")
        }
    };
    Some((what, lines.join("\n") + "\n"))
}

/// The words of a line; one in quotes is one.
fn words(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut is_open = false;
    for word in line.split(' ') {
        match words.last_mut().filter(|_| is_open) {
            Some(last) => *last = format!("{last} {word}"),
            None => words.push(word.to_owned()),
        }
        is_open ^= word.matches('"').count() % 2 == 1;
    }
    words
}

/// Options that a `!` may stand before.
const TURNED: [&str; 22] = [
    "-s",
    "-d",
    "-i",
    "-o",
    "-p",
    "--dport",
    "--sport",
    "--dports",
    "--sports",
    "--ctstate",
    "--ctorigdstport",
    "--ctorigdst",
    "--mark",
    "--icmp-type",
    "--icmpv6-type",
    "--match-set",
    "--mac-source",
    "--tcp-flags",
    "--dscp",
    "--length",
    "--uid-owner",
    "--dst-type",
];

/// Changes one option of a rule.
fn change(words: &mut Vec<String>, random: &mut Random) -> Option<()> {
    let options: Vec<usize> = (2..words.len())
        .filter(|at| words[*at].starts_with('-') && words[*at] != "-m" && words[*at] != "--exist")
        .collect();
    let at = *random.pick(&options)?;
    let option = words[at].clone();
    let is_turned = words[at - 1] == "!";
    match random.index(4) {
        0 if TURNED.contains(&&*option) && is_turned => {
            words.remove(at - 1);
        }
        0 if TURNED.contains(&&*option) => words.insert(at, "!".to_owned()),
        1 if option != "-j" && option != "-g" => {
            let end = (at + 1..words.len())
                .find(|at| words[*at].starts_with('-') || words[*at] == "!")
                .unwrap_or(words.len());
            words.drain(at - usize::from(is_turned)..end);
        }
        _ => {
            let value = words.get(at + 1)?.clone();
            words[at + 1] = match &*option {
                "-j" | "-g" if random.one_in(3) && !is_target(&value) => {
                    words[at].replace_range(.., if option == "-j" { "-g" } else { "-j" });
                    value
                }
                "-j" | "-g" => {
                    words.truncate(at + 2);
                    other_of(&["ACCEPT", "DROP", "RETURN", "REJECT", "LOG"], &value, random)?
                }
                "-i" | "-o" => other_of(&["eth0", "eth1", "eth2", "lo", "wlan+"], &value, random)?,
                "-p" => other_of(&["tcp", "udp", "icmp", "47"], &value, random)?,
                "--ctstate" | "--state" => states(&value, random),
                "--reject-with" => other_of(&REJECTS, &value, random)?,
                "--hashlimit-mode" => {
                    other_of(&["srcip", "dstip", "srcip,dstport"], &value, random)?
                }
                "--match-set" => {
                    let side = words.get_mut(at + 2)?;
                    let other = if side == "src" { "dst" } else { "src" };
                    side.replace_range(.., other);
                    value
                }
                "--log-prefix" | "--comment" => changed_text(&value),
                _ => changed_number(&value, random)?,
            };
        }
    }
    Some(())
}

const REJECTS: [&str; 6] = [
    "tcp-reset",
    "icmp-host-prohibited",
    "icmp-port-unreachable",
    "icmp-net-unreachable",
    "icmp6-addr-unreachable",
    "icmp6-adm-prohibited",
];

fn is_target(name: &str) -> bool {
    !name.contains(|c: char| c.is_ascii_lowercase()) && !name.contains('-')
}

fn other_of(all: &[&str], value: &str, random: &mut Random) -> Option<String> {
    let other = *random.pick(all)?;
    (other != value).then(|| other.to_owned())
}

/// A state less or one more.
fn states(value: &str, random: &mut Random) -> String {
    let mut states: Vec<&str> = value.split(',').collect();
    let one = *random.pick(&["NEW", "RELATED", "ESTABLISHED", "INVALID"]).unwrap_or(&"NEW");
    match states.iter().position(|state| *state == one) {
        Some(at) if states.len() > 1 => {
            states.remove(at);
        }
        Some(_) | None => states.push(one),
    }
    states.join(",")
}

/// Another letter at the start of a text, within its quotes.
fn changed_text(value: &str) -> String {
    match value.strip_prefix('"') {
        Some(rest) => format!("\"x{rest}"),
        None => format!("x{value}"),
    }
}

/// One of the numbers of a value, one more or one less. Of an address with a mask it is as often that.
fn changed_number(value: &str, random: &mut Random) -> Option<String> {
    let bytes = value.as_bytes();
    let is_start =
        |at: usize| bytes[at].is_ascii_digit() && (at == 0 || !bytes[at - 1].is_ascii_digit());
    let mut starts: Vec<usize> = (0..bytes.len()).filter(|at| is_start(*at)).collect();
    // The zero of `0x10` is none.
    starts.retain(|at| !value[*at..].starts_with("0x"));
    let at = if value.contains('/') && random.one_in(2) {
        *starts.last()?
    } else {
        *random.pick(&starts)?
    };
    let length = value[at..].bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = value[at..at + length].parse().ok()?;
    let number = if random.one_in(2) { number.checked_sub(1)? } else { number + 1 };
    Some(format!("{}{number}{}", &value[..at], &value[at + length..]))
}
