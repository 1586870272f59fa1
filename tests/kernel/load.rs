//! Rules files into the kernel and out of it, by the tools an administrator uses.

use palisade::net::Family;

use crate::netns::Namespace;

/// Which of the two implementations behind the name `iptables`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    Legacy,
    Nft,
}

impl Variant {
    pub const ALL: [Self; 2] = [Self::Legacy, Self::Nft];
}

/// A policy as the kernel's tools read it: its sets, and one file of rules a family.
pub struct Rules {
    pub sets: String,
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

/// Loads the sets of a policy as a boot would, or says what the tool said against them.
pub fn restore_sets(namespace: &Namespace, sets: &str) -> Result<(), String> {
    namespace.output("ipset", &["restore", "-exist"], sets).map(drop)
}

/// What is in a set, as the tool prints it: the members, sorted, without the times that they stay.
pub fn members(namespace: &Namespace, set: &str) -> Vec<String> {
    let listed = namespace.output("ipset", &["list", set], "");
    let listed = listed.unwrap_or_else(|error| panic!("no set {set}: {error}"));
    let (_, members) = listed.split_once("Members:\n").expect("ipset lists members");
    let first = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    let mut members: Vec<String> = members.lines().map(first).collect();
    members.sort();
    members
}

/// Loads a rules file as a boot would, or says what the tool said against it.
pub fn restore(
    namespace: &Namespace,
    variant: Variant,
    family: Family,
    rules: &str,
) -> Result<(), String> {
    let program = program(variant, family, "restore");
    // The lock of the legacy tools is one for all namespaces, and tests run side by side.
    namespace.output(&program, &["--wait"], rules).map(drop)
}

/// Adds rules to those that are there, with the counters that they carry.
pub fn add_with_counters(
    namespace: &Namespace,
    variant: Variant,
    family: Family,
    rules: &str,
) -> Result<(), String> {
    let program = program(variant, family, "restore");
    namespace.output(&program, &["--wait", "--noflush", "--counters"], rules).map(drop)
}

/// What the kernel has now, as the tool prints it.
pub fn save(namespace: &Namespace, variant: Variant, family: Family) -> String {
    saved(namespace, variant, family, &[])
}

/// The same, each rule with how many packets and bytes met it.
pub fn save_with_counters(namespace: &Namespace, variant: Variant, family: Family) -> String {
    saved(namespace, variant, family, &["--counters"])
}

fn saved(namespace: &Namespace, variant: Variant, family: Family, how: &[&str]) -> String {
    let program = program(variant, family, "save");
    let saved = namespace.output(&program, how, "");
    saved.unwrap_or_else(|error| panic!("{program} failed: {error}"))
}

/// Loads a file of native nft rules, both families in one.
pub fn nft(namespace: &Namespace, rules: &str) -> Result<(), String> {
    namespace.output("nft", &["-f", "-"], rules).map(drop)
}

/// What nft says the kernel has now, in its JSON.
pub fn nft_listed(namespace: &Namespace) -> serde_json::Value {
    let listed = namespace.output("nft", &["--json", "list", "ruleset"], "");
    let listed = listed.unwrap_or_else(|error| panic!("nft lists nothing: {error}"));
    serde_json::from_str(&listed).expect("nft writes JSON")
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
