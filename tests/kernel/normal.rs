//! What two rules files have in common that say the same.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::sync::LazyLock;

use nix::unistd::{Group, User};

/// A rules file without what may differ between two that say the same.
///
/// - Lines that begin with `#` and empty lines go: `save` prints the date there, we the origin.
/// - Counters behind a chain's policy go: traffic changes them.
/// - Tables are sorted: a kernel prints them in the order in which they were first used.
/// - Chains are sorted within their table, and rules stand behind their chain: `save` sorts the
///   user chains by name. The order of the rules of one chain is kept; that of rules of different
///   chains means nothing.
///
/// - The end of the kernel's time goes: `save` adds it to every time window without a last day.
/// - Accounts are numbers: a file may name them, `save` never does.
/// - Protocols are numbers: `save` names those that stand in `/etc/protocols`, on machines that
///   have it.
///
/// Everything else stays as it is, to the letter; a line that no rules file should have is kept at
/// the end of its table, where it makes a difference.
pub fn normalise(rules: &str) -> String {
    let mut tables: BTreeMap<&str, Table> = BTreeMap::new();
    let mut table = "";
    let rules = by_number(&rules.replace(" --datestop 2038-01-19T03:14:07", ""));
    for line in rules.lines() {
        if let Some(name) = line.strip_prefix('*') {
            table = name;
            tables.entry(name).or_default();
        } else if !line.is_empty() && !line.starts_with('#') {
            tables.entry(table).or_default().add(line);
        }
    }
    let mut text = String::new();
    for (name, table) in tables {
        writeln!(text, "*{name}").expect("a string can grow");
        let chains = table.chains.into_values().flatten();
        for line in chains.chain(table.rest) {
            writeln!(text, "{line}").expect("a string can grow");
        }
    }
    text
}

/// The lines of one table.
#[derive(Default)]
struct Table<'a> {
    /// Of each chain its declaration and its rules, in the order of the file.
    chains: BTreeMap<&'a str, Vec<&'a str>>,
    /// `COMMIT`, and what is neither declaration nor rule.
    rest: Vec<&'a str>,
}

impl<'a> Table<'a> {
    fn add(&mut self, line: &'a str) {
        if let Some(declaration) = line.strip_prefix(':') {
            let line = line.rsplit_once(" [").map_or(line, |(kept, _counters)| kept);
            self.chains.entry(first_word(declaration)).or_default().push(line);
        } else if let Some(rule) = line.strip_prefix("-A ") {
            self.chains.entry(first_word(rule)).or_default().push(line);
        } else {
            self.rest.push(line);
        }
    }
}

/// Puts the number in place of a name of an account or protocol of this machine.
fn by_number(rules: &str) -> String {
    let number = |flag: &str, name: &str| -> Option<u32> {
        match flag {
            "--uid-owner" => Some(User::from_name(name).ok()??.uid.as_raw()),
            "--gid-owner" => Some(Group::from_name(name).ok()??.gid.as_raw()),
            "-p" => protocols().get(name).copied(),
            _ => None,
        }
    };
    let mut before = "";
    let mut text = String::with_capacity(rules.len());
    for piece in rules.split_inclusive([' ', '\n']) {
        let word = piece.trim_end_matches([' ', '\n']);
        match number(before, word) {
            Some(number) => text.push_str(&piece.replacen(word, &number.to_string(), 1)),
            None => text.push_str(piece),
        }
        before = word;
    }
    text
}

fn protocols() -> &'static BTreeMap<String, u32> {
    static PROTOCOLS: LazyLock<BTreeMap<String, u32>> = LazyLock::new(|| {
        let text = fs::read_to_string("/etc/protocols").unwrap_or_default();
        let entry = |line: &str| {
            let mut words = line.split_whitespace();
            Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
        };
        text.lines().filter_map(entry).collect()
    });
    &PROTOCOLS
}

fn first_word(text: &str) -> &str {
    text.split_once(' ').map_or(text, |(word, _rest)| word)
}

#[test]
fn protocols_are_numbers() {
    let rules = |protocol: &str| format!("*filter\n-A INPUT -p {protocol} -j DROP\n");
    let known = protocols().iter().next();
    assert!(known.is_none_or(|(name, number)| {
        normalise(&rules(name)) == normalise(&rules(&number.to_string()))
    }));
    assert_ne!(normalise(&rules("tcp")), normalise(&rules("17")));
    assert_ne!(normalise(&rules("47")), normalise(&rules("50")));
}

#[test]
fn accounts_are_numbers() {
    let rules = |user: &str| format!("*filter\n-A OUTPUT -m owner --uid-owner {user} -j DROP\n");
    assert_eq!(normalise(&rules("root")), normalise(&rules("0")));
    assert_ne!(normalise(&rules("root")), normalise(&rules("1")));
    assert_ne!(normalise(&rules("nobody-here")), normalise(&rules("0")));
}

#[test]
fn normal_form_forgets_only_what_means_nothing() {
    let written = "# a date\n*nat\n:B - [0:0]\n:A - [0:0]\n-A B -j A\n-A A -j ACCEPT\nCOMMIT\n\n\
                   *filter\n:INPUT DROP [0:0]\n-A INPUT -j A\n-A INPUT -j B\nCOMMIT\n";
    let saved = "*filter\n:INPUT DROP [7:420]\n-A INPUT -j A\n-A INPUT -j B\nCOMMIT\n# another\n\
                 *nat\n:A - [0:0]\n:B - [0:0]\n-A A -j ACCEPT\n-A B -j A\nCOMMIT\n";
    assert_eq!(normalise(written), normalise(saved));
    for (from, to) in [
        ("-A INPUT -j A\n-A INPUT -j B\n", "-A INPUT -j B\n-A INPUT -j A\n"),
        ("INPUT DROP", "INPUT ACCEPT"),
        (":A - [0:0]\n", ""),
        ("-A A -j ACCEPT\n", ""),
        ("-A B -j A\n", "-A B  -j A\n"),
        ("*nat", "*mangle"),
        ("COMMIT\n", ""),
        ("-A A -j ACCEPT\n", "-A A -j ACCEPT\n-X A\n"),
    ] {
        assert!(saved.contains(from), "{from:?} is not in the text");
        let other = saved.replacen(from, to, 1);
        assert_ne!(normalise(written), normalise(&other), "{from:?} for {to:?}");
    }
}
