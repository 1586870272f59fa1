//! The plan: what will be loaded, in order, with the reason for every rule, for people to read.
//!
//! Rules of both families stand side by side where they are the same. One [`Plan`] is built from
//! the two rulesets and written as text ([`plan`]) or as JSON ([`plan_json`]).

mod json;
mod sets;
mod spread;
mod text;

use std::collections::HashMap;

use crate::net::{Families, Family};
use crate::ruleset::{Chain, ChainPolicy, Origin, Rule, Ruleset, TableName};

use super::rule::rule_text;

pub use json::plan_json;
pub use text::plan;

/// Both rulesets, merged.
struct Plan {
    tables: Vec<PlanTable>,
}

struct PlanTable {
    name: TableName,
    chains: Vec<PlanChain>,
}

struct PlanChain {
    name: String,
    /// Of IPv4 and IPv6; `None` for a chain that is not built in or not there.
    policies: [Option<ChainPolicy>; 2],
    rows: Vec<Row>,
}

/// A rule of one family, or of both where text and origin are equal.
struct Row {
    families: Families,
    text: String,
    origin: Origin,
}

impl Plan {
    fn new(rulesets: [&Ruleset; 2]) -> Self {
        let table = |name| PlanTable { name, chains: chains(name, rulesets) };
        let mut tables: Vec<PlanTable> = TableName::ALL.into_iter().map(table).collect();
        tables.retain(|table| !table.chains.iter().all(PlanChain::is_idle));
        for table in &mut tables {
            // In filter also a chain that lets everything through is worth knowing.
            let filter = table.name == TableName::Filter;
            table.chains.retain(|chain| filter || !chain.is_idle());
        }
        Plan { tables }
    }
}

impl PlanChain {
    /// Whether the chain changes nothing for any packet.
    fn is_idle(&self) -> bool {
        let drops = self.policies.contains(&Some(ChainPolicy::Drop));
        self.rows.is_empty() && !drops
    }

    /// The policies with the families that have them: one where both agree.
    fn policy_rows(&self) -> Vec<(Families, ChainPolicy)> {
        match self.policies {
            [Some(v4), Some(v6)] if v4 == v6 => vec![(Families::BOTH, v4)],
            [v4, v6] => {
                let v4 = v4.map(|policy| (Families::only(Family::V4), policy));
                let v6 = v6.map(|policy| (Families::only(Family::V6), policy));
                v4.into_iter().chain(v6).collect()
            }
        }
    }
}

/// How the language says a policy.
fn policy_text(policy: ChainPolicy) -> &'static str {
    match policy {
        ChainPolicy::Accept => "allow",
        ChainPolicy::Drop => "drop",
    }
}

fn chains(table: TableName, rulesets: [&Ruleset; 2]) -> Vec<PlanChain> {
    let of = |ruleset: &'_ Ruleset| -> Vec<String> {
        let chains = ruleset.table(table).map(|table| table.chains.as_slice()).unwrap_or_default();
        chains.iter().map(|chain| chain.name.to_string()).collect()
    };
    let [v4, v6] = rulesets;
    let names = merged(&of(v4), &of(v6));
    let by_name = [by_name(v4, table), by_name(v6, table)];
    let chain = |(name, _): (String, Families)| {
        let [v4, v6] = [0, 1].map(|at| by_name[at].get(name.as_str()).copied());
        let rows = rows(v4, v6);
        let policies = [v4, v6].map(|chain| chain.and_then(|chain| chain.policy));
        PlanChain { name, policies, rows }
    };
    names.into_iter().map(chain).collect()
}

fn by_name(ruleset: &Ruleset, table: TableName) -> HashMap<&str, &Chain> {
    let chains = ruleset.table(table).map(|table| table.chains.as_slice()).unwrap_or_default();
    chains.iter().map(|chain| (&*chain.name, chain)).collect()
}

/// The rules of both families, what one statement became in either standing together.
fn rows(v4: Option<&Chain>, v6: Option<&Chain>) -> Vec<Row> {
    let mut groups = [v4, v6].map(|chain| by_origin(chain).into_iter());
    let origins = groups.clone().map(|groups| groups.map(|(origin, _)| origin).collect::<Vec<_>>());
    let mut rows = Vec::new();
    for (origin, families) in merged(&origins[0], &origins[1]) {
        let mut said = |family: Family| -> Vec<String> {
            let groups = &mut groups[usize::from(family == Family::V6)];
            let group = families.contains(family).then(|| groups.next()).flatten();
            let rules = group.map_or(&[][..], |(_, rules)| rules);
            rules.iter().map(|rule| rule_text(rule, family)).collect()
        };
        let texts = merged(&said(Family::V4), &said(Family::V6));
        rows.extend(texts.into_iter().map(|(text, families)| Row { families, text, origin }));
    }
    rows
}

/// The rules of a chain in runs of one origin.
fn by_origin(chain: Option<&Chain>) -> Vec<(Origin, &[Rule])> {
    let rules = chain.map(|chain| chain.rules.as_slice()).unwrap_or_default();
    let runs = rules.chunk_by(|rule, next| rule.origin == next.origin);
    runs.map(|run| (run[0].origin, run)).collect()
}

/// Two lists as one that keeps the order of both; what is equal, and can be, stands once.
/// Linear: each entry is paired with the next equal one of the other list.
fn merged<T: Clone + Eq + std::hash::Hash>(v4: &[T], v6: &[T]) -> Vec<(T, Families)> {
    let mut places: HashMap<&T, Vec<usize>> = HashMap::new();
    for (at, entry) in v6.iter().enumerate().rev() {
        places.entry(entry).or_default().push(at);
    }
    let only_v6 = |entry: &T| (entry.clone(), Families::only(Family::V6));
    let mut out = Vec::with_capacity(v4.len().max(v6.len()));
    let mut next = 0;
    for entry in v4 {
        let places = places.entry(entry).or_default();
        while places.last().is_some_and(|place| *place < next) {
            places.pop();
        }
        match places.pop() {
            Some(place) => {
                out.extend(v6[next..place].iter().map(only_v6));
                out.push((entry.clone(), Families::BOTH));
                next = place + 1;
            }
            None => out.push((entry.clone(), Families::only(Family::V4))),
        }
    }
    out.extend(v6[next..].iter().map(only_v6));
    out
}

#[cfg(test)]
mod tests;
