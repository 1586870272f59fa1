//! Rules files into the kernel and out of it, by the tools an administrator uses.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::netns::{Namespace, output};

/// Which of the two implementations behind the name `iptables`.
#[derive(Clone, Copy, Debug)]
pub enum Variant {
    Legacy,
    Nft,
}

impl Variant {
    pub const ALL: [Self; 2] = [Self::Legacy, Self::Nft];
}

#[derive(Clone, Copy, Debug)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];
}

/// A policy as the kernel's tools read it: one file a family.
pub struct Rules {
    pub v4: String,
    pub v6: String,
}

impl Rules {
    pub fn of(&self, family: Family) -> &str {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }
}

/// Loads a rules file as a boot would, or says what the tool said against it.
pub fn restore(
    namespace: &Namespace,
    variant: Variant,
    family: Family,
    rules: &str,
) -> Result<(), String> {
    let mut command = namespace.command(&program(variant, family, "restore"));
    // The lock of the legacy tools is one for all namespaces, and tests run side by side.
    output(command.arg("--wait"), rules).map(drop)
}

/// What the kernel has now, as the tool prints it.
pub fn save(namespace: &Namespace, variant: Variant, family: Family) -> String {
    let program = program(variant, family, "save");
    output(&mut namespace.command(&program), "")
        .unwrap_or_else(|error| panic!("{program} failed: {error}"))
}

/// A rules file without what may differ between two that say the same.
///
/// - Lines that begin with `#` and empty lines go: `save` prints the date there, we the origin.
/// - Counters behind a chain's policy go: traffic changes them.
/// - Tables are sorted: a kernel prints them in the order in which they were first used.
/// - Chains are sorted within their table, and rules stand behind their chain: `save` sorts the
///   user chains by name. The order of the rules of one chain is kept; that of rules of different
///   chains means nothing.
///
/// Everything else stays as it is, to the letter; a line that no rules file should have is kept at
/// the end of its table, where it makes a difference.
pub fn normalise(rules: &str) -> String {
    let mut tables: BTreeMap<&str, Table> = BTreeMap::new();
    let mut table = "";
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

fn first_word(text: &str) -> &str {
    text.split_once(' ').map_or(text, |(word, _rest)| word)
}

fn program(variant: Variant, family: Family, action: &str) -> String {
    let family = match family {
        Family::V4 => "iptables",
        Family::V6 => "ip6tables",
    };
    let variant = match variant {
        Variant::Legacy => "legacy",
        Variant::Nft => "nft",
    };
    format!("{family}-{variant}-{action}")
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
