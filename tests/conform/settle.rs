//! Rules whose limits have room for every packet, or for none: what they count is the past, and a probe
//! has none.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use palisade::meaning::{Effect, Entry, List, Meaning};
use palisade::packet::opaque;

use crate::generate::{ALWAYS, NEVER};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    Everywhere,
    Nowhere,
}

/// What no packet matches.
const NO_ROOM: &str = " -m statistic --mode random --probability 0.0";

/// The same rules where limits are left out, or never have room.
pub fn settled(text: &str, room: Room) -> String {
    text.lines().map(|line| settled_line(line, room) + "\n").collect()
}

fn settled_line(line: &str, room: Room) -> String {
    let mut out = line.to_owned();
    for name in ["limit", "hashlimit", "connlimit"] {
        let words = format!(" -m {name} ");
        while let Some(start) = out.find(&words) {
            let options = &out[start + words.len()..];
            let length = length_of_options(options, name);
            // What counts what is over, or is turned round, is left as it is.
            if options[..length].contains("above") || options.starts_with('!') {
                break;
            }
            let end = start + words.len() + length;
            let instead = match room {
                Room::Everywhere => "",
                Room::Nowhere => NO_ROOM,
            };
            out.replace_range(start..end, &format!("{instead} "));
        }
    }
    out
}

/// The same rules where what they log goes into the diary, with its level: the kernel's own log is one for
/// all namespaces.
pub fn noted(text: &str) -> String {
    text.lines().map(|line| noted_line(line) + "\n").collect()
}

fn noted_line(line: &str) -> String {
    let Some((before, after)) =
        line.split_once(" -j LOG").filter(|(_, after)| after.is_empty() || after.starts_with(' '))
    else {
        return line.to_owned();
    };
    let (before, after) = (before.to_owned(), after.trim());
    if ["--log-tcp", "--log-ip", "--log-uid", "--log-mac"].iter().any(|it| after.contains(it)) {
        return line.to_owned();
    }
    let (rest, level) = match after.rsplit_once("--log-level ") {
        Some((rest, level)) if !level.ends_with('"') => (rest.trim(), level),
        Some(_) | None => (after, "4"),
    };
    let prefix = rest.strip_prefix("--log-prefix ").unwrap_or("\"\"");
    let prefix = match prefix.strip_prefix('"') {
        Some(quoted) => format!("\"{level}:{quoted}"),
        None => format!("{level}:{prefix}"),
    };
    format!("{before} -j NFLOG --nflog-group 0 --nflog-prefix {prefix}")
}

/// The names of levels in the words of nft, by their numbers.
const LEVELS: [&str; 8] = ["emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"];

/// The same of rules in the words of nft.
pub fn noted_by_nft(text: &str) -> String {
    text.lines().map(|line| noted_line_by_nft(line) + "\n").collect()
}

fn noted_line_by_nft(line: &str) -> String {
    for (number, level) in LEVELS.iter().enumerate() {
        let plain = format!(" level {level}");
        let Some(start) = line.find("log ").filter(|_| line.contains(&plain)) else { continue };
        let end = line.rfind(&plain).expect("it is there");
        let prefix =
            line[start..end].strip_prefix("log prefix \"").map(|it| it.trim_end_matches('"'));
        let (prefix, rest) = (prefix.unwrap_or(""), &line[end + plain.len()..]);
        return format!("{}log prefix \"{number}:{prefix}\" group 0{rest}", &line[..start]);
    }
    line.to_owned()
}

#[test]
fn what_is_logged_is_noted() {
    let noted = |line: &str| noted_line(line);
    let to = "-A X -j NFLOG --nflog-group 0 --nflog-prefix";
    assert_eq!(noted("-A X -j LOG"), format!("{to} \"4:\""));
    assert_eq!(noted("-A X -j LOG --log-level 7"), format!("{to} \"7:\""));
    assert_eq!(noted("-A X -j LOG --log-prefix \"a b \""), format!("{to} \"4:a b \""));
    assert_eq!(noted("-A X -j LOG --log-prefix tel --log-level 6"), format!("{to} 6:tel"));
    assert_eq!(noted("-A X -j LOGGING"), "-A X -j LOGGING");
    let by_nft = |line: &str| noted_line_by_nft(line);
    assert_eq!(
        by_nft("  ip daddr x log prefix \"a \" level warn"),
        "  ip daddr x log prefix \"4:a \" group 0"
    );
    assert_eq!(by_nft("log level info"), "log prefix \"6:\" group 0");
}

/// How long the options of a match are.
fn length_of_options(text: &str, name: &str) -> usize {
    let prefix = format!("--{name}");
    let mut at = 0;
    while text[at..].starts_with(&prefix) {
        let flag = &text[at..];
        let word = flag.find(' ').map_or(flag.len(), |end| end + 1);
        let has_value =
            !flag.starts_with("--connlimit-saddr") && !flag.starts_with("--connlimit-daddr");
        let value = &flag[word..];
        let value = if has_value { value.find(' ').map_or(value.len(), |end| end + 1) } else { 0 };
        at += word + value;
    }
    at
}

/// The same meaning without limits: an entry that has one takes what it speaks of, or nothing.
pub fn settled_meaning(meaning: &Meaning, room: Room) -> Meaning {
    let (mut v4, mut v6, _) = meaning.clone().into_lists();
    let settle = |list: &mut List| match room {
        Room::Everywhere => {
            list.entries.iter_mut().for_each(|entry| entry.limits = [].into());
        }
        Room::Nowhere => list.entries.retain(|entry| entry.limits.is_empty()),
    };
    for family in [&mut v4, &mut v6] {
        family.bases.values_mut().for_each(settle);
        family.chains.iter_mut().for_each(settle);
    }
    Meaning::of_lists(v4, v6, BTreeMap::new())
}

/// Whether packets put their sources into sets: then one is not the same for all entries.
pub fn fills_sets(meaning: &Meaning) -> bool {
    entries(meaning).iter().any(|entry| matches!(entry.effect, Effect::Add { .. }))
}

/// The conditions of which nobody here knows whether they hold of a packet. (None here came by ipsec, and
/// who is in sets is known.)
pub fn unknown_facts(meaning: &Meaning) -> BTreeSet<Arc<str>> {
    let entries = entries(meaning);
    let mut facts: BTreeSet<Arc<str>> =
        entries.iter().flat_map(|entry| entry.set.facts().cloned()).collect();
    let ipsec = [false, true].map(opaque::through_ipsec);
    facts.retain(|text| {
        let is_chance = **text == *ALWAYS || **text == *NEVER;
        !is_chance && !opaque::is_of_membership(text) && !ipsec.contains(text)
    });
    facts
}

fn entries(meaning: &Meaning) -> Vec<Entry> {
    let (v4, v6, _) = meaning.clone().into_lists();
    let lists = [v4, v6].into_iter().flat_map(|one| one.bases.into_values().chain(one.chains));
    lists.flat_map(|list| list.entries).collect()
}

#[test]
fn limits_are_left_out() {
    let line = "-A pal-INPUT -p tcp -m hashlimit --hashlimit-upto 10/sec --hashlimit-burst 20 \
                --hashlimit-mode srcip --hashlimit-name a-1 -m comment --comment \"x\" -j ACCEPT";
    let open = "-A pal-INPUT -p tcp -m comment --comment \"x\" -j ACCEPT";
    assert_eq!(settled_line(line, Room::Everywhere), open);
    let shut = format!("-A pal-INPUT -p tcp{NO_ROOM} -m comment --comment \"x\" -j ACCEPT");
    assert_eq!(settled_line(line, Room::Nowhere), shut);
    let line = "-A X -m limit --limit 5/min --limit-burst 3 -m connlimit --connlimit-upto 3 \
                --connlimit-mask 32 --connlimit-saddr -j LOG";
    assert_eq!(settled_line(line, Room::Everywhere), "-A X -j LOG");
    let over = "-A X -m connlimit --connlimit-above 3 -j DROP";
    assert_eq!(settled_line(over, Room::Everywhere), over);
}
