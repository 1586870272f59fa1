//! What chains and interfaces are called in the policy.

use crate::net::Interface;
use crate::ruleset::{MAX_CHAIN_NAME, MatchKind, Rule, Ruleset, TableName, Target};
use crate::syntax::is_name;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::side::Called;

/// The chains that need another name, with it: the language does not take theirs, or another table has a
/// chain of this name. And all names that are taken then.
pub(super) fn chain_names<'n>(
    all: impl Iterator<Item = &'n Called>,
) -> (BTreeMap<Called, String>, Taken) {
    let all: BTreeSet<&Called> = all.collect();
    let mut taken: Taken = all.iter().map(|(_, name)| name.to_string()).collect();
    let mut names = BTreeMap::new();
    let mut kept: BTreeSet<&str> = BTreeSet::new();
    for called in all {
        let (table, name) = called;
        if is_name(name) {
            // In the order of tables, so that the filter keeps its names.
            if !kept.insert(name) {
                names.insert(called.clone(), taken.free(&format!("{name}-{table}")));
            }
            continue;
        }
        let kept: String = name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || "_-.".contains(c) { c } else { '-' })
            .collect();
        let kept = kept.trim_matches(['-', '.', '_']);
        let stem = if kept.starts_with(|c: char| c.is_ascii_alphabetic()) {
            format!("{kept}-chain")
        } else {
            format!("chain-{kept}").trim_end_matches('-').to_owned()
        };
        names.insert(called.clone(), taken.free(&stem));
    }
    (names, taken)
}

/// Names that are taken.
#[derive(Default)]
pub(super) struct Taken {
    names: BTreeSet<String>,
    /// The number that is to be tried next behind each beginning.
    next: BTreeMap<String, u32>,
}

impl Taken {
    /// A name like this that is not taken, and then is.
    pub fn free(&mut self, stem: &str) -> String {
        let parts = |number: u32| {
            let tail = if number == 1 { String::new() } else { format!("-{number}") };
            let kept: String = stem.chars().take(MAX_CHAIN_NAME - tail.len()).collect();
            (kept.trim_end_matches(['-', '.']).to_owned(), tail)
        };
        let mut number = 1;
        // Ends: there are fewer names than numbers.
        loop {
            let next = self.next.entry(parts(number).0).or_insert(number);
            number = number.max(*next);
            *next = number + 1;
            let (kept, tail) = parts(number);
            let name = kept + &tail;
            if self.names.insert(name.clone()) {
                return name;
            }
            number += 1;
        }
    }
}

impl FromIterator<String> for Taken {
    fn from_iter<I: IntoIterator<Item = String>>(names: I) -> Self {
        Taken { names: names.into_iter().collect(), next: BTreeMap::new() }
    }
}

/// Zones that interfaces can be taken for: what leaves by one interface is masqueraded, and there is
/// one other.
pub(super) fn zones(rulesets: &[&Ruleset]) -> BTreeMap<Interface, String> {
    let mut outside = BTreeSet::new();
    let mut others = BTreeSet::new();
    for ruleset in rulesets {
        for table in &ruleset.tables {
            let rules = table.chains.iter().flat_map(|chain| &chain.rules);
            let is_new_source =
                |rule: &Rule| matches!(rule.target, Target::Masquerade | Target::Snat(..));
            let lead_there = table
                .chains
                .iter()
                .filter(|chain| chain.rules.iter().all(is_new_source) && !chain.rules.is_empty());
            let lead_there: BTreeSet<&Arc<str>> = lead_there.map(|chain| &chain.name).collect();
            let leads_there =
                |rule: &Rule| rule.target.chain().is_some_and(|name| lead_there.contains(name));
            for rule in rules {
                let translates =
                    table.name == TableName::Nat && (is_new_source(rule) || leads_there(rule));
                for found in rule.matches.iter().filter(|found| !found.negated) {
                    match &found.kind {
                        MatchKind::Out(interface) if translates => {
                            outside.insert(interface.clone())
                        }
                        MatchKind::In(interface) | MatchKind::Out(interface)
                            if table.name == TableName::Filter =>
                        {
                            others.insert(interface.clone())
                        }
                        _ => continue,
                    };
                }
            }
        }
    }
    let mut zones = BTreeMap::new();
    let Some(wan) = outside.pop_first().filter(|_| outside.is_empty()) else { return zones };
    others.retain(|other| *other != wan && *other != Interface::loopback());
    let is_tunnel = |interface: &Interface| {
        ["wg", "tun", "tap", "ppp", "ipsec"].iter().any(|kind| interface.stem().starts_with(kind))
    };
    let (tunnels, inside): (Vec<Interface>, Vec<Interface>) =
        others.into_iter().partition(is_tunnel);
    if let [lan] = &inside[..] {
        zones.insert(lan.clone(), "lan".to_owned());
    }
    if let [vpn] = &tunnels[..] {
        zones.insert(vpn.clone(), "vpn".to_owned());
    }
    zones.insert(wan, "wan".to_owned());
    zones
}

/// The interface behind which hosts are, where rules let packets to them leave by one alone.
pub(super) fn hosts(rulesets: &[&Ruleset]) -> BTreeMap<IpAddr, Interface> {
    let mut found: BTreeMap<IpAddr, BTreeSet<Interface>> = BTreeMap::new();
    let tables = rulesets.iter().flat_map(|ruleset| &ruleset.tables);
    let chains =
        tables.filter(|table| table.name == TableName::Filter).flat_map(|table| &table.chains);
    for rule in chains.flat_map(|chain| &chain.rules) {
        let asked = || rule.matches.iter().filter(|found| !found.negated);
        let out = asked().find_map(|found| {
            let MatchKind::Out(interface) = &found.kind else { return None };
            Some(interface)
        });
        let host = asked().find_map(|found| {
            let MatchKind::Destination(net) = found.kind else { return None };
            (net.length() == net.family().bits()).then(|| net.address())
        });
        if let (Target::Accept, Some(host), Some(out)) = (&rule.target, host, out) {
            found.entry(host).or_default().insert(out.clone());
        }
    }
    let one = |(host, mut interfaces): (IpAddr, BTreeSet<Interface>)| {
        let first = interfaces.pop_first()?;
        interfaces.is_empty().then_some((host, first))
    };
    found.into_iter().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_alike_are_numbered() {
        let mut taken: Taken = ["web".to_owned()].into_iter().collect();
        let three = [(); 3].map(|()| taken.free("web"));
        assert_eq!(three, ["web-2", "web-3", "web-4"]);
        assert_eq!([taken.free("db"), taken.free("db")], ["db", "db-2"]);
    }

    /// Names of one length that only their ends tell apart, which numbers take the place of.
    #[test]
    fn long_names_are_cut_and_numbered() {
        let stem = |number: usize| format!("{}{number:06}", "n".repeat(MAX_CHAIN_NAME - 6));
        let mut taken: Taken = (0..20_000).map(stem).collect();
        let names: BTreeSet<String> = (0..20_000).map(|number| taken.free(&stem(number))).collect();
        assert_eq!(names.len(), 20_000);
        assert!(names.iter().all(|name| name.len() <= MAX_CHAIN_NAME));
    }
}
