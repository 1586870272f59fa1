//! Which implicit rules a dump has written out.

use std::collections::BTreeSet;

use crate::net::{Family, IcmpType, Ports};
use crate::resolve::policy::Part;
use crate::ruleset::{Chain, ChainPolicy, Rule, Ruleset, TableName, Target};

use super::Dumps;
use super::reading::{Standing, statement};
use super::statement::{Statement, Verb};

/// An implicit rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Loopback,
    Established,
    Invalid,
    NeighbourDiscovery,
    Dhcpv6Client,
}

impl Kind {
    pub const ALL: [Kind; 5] = [
        Kind::Loopback,
        Kind::Established,
        Kind::Invalid,
        Kind::NeighbourDiscovery,
        Kind::Dhcpv6Client,
    ];

    /// As the language calls it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Loopback => "loopback",
            Kind::Established => "established",
            Kind::Invalid => "invalid",
            Kind::NeighbourDiscovery => "neighbour-discovery",
            Kind::Dhcpv6Client => "dhcpv6-client",
        }
    }

    /// Whether the chain has it, as far as it is about packets of this family.
    fn is_in(self, chain: &str, family: Family) -> bool {
        match self {
            Kind::Loopback => chain != "FORWARD",
            Kind::Established => true,
            Kind::Invalid => chain != "OUTPUT",
            Kind::NeighbourDiscovery => chain != "FORWARD" && family == Family::V6,
            Kind::Dhcpv6Client => chain == "INPUT" && family == Family::V6,
        }
    }
}

/// The implicit rules of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Implicits(pub BTreeSet<Kind>);

/// Types of ICMPv6 that neighbour discovery and MLD have (RFC 4861, 2710, 3810).
const DISCOVERY: [u8; 8] = [130, 131, 132, 133, 134, 135, 136, 143];

/// What policies may have for implicit rules, the one that says most last.
pub(super) fn candidates(dumps: &Dumps<'_>) -> Vec<Implicits> {
    let rulesets: Vec<&Ruleset> = [dumps.v4, dumps.v6].into_iter().flatten().collect();
    let mut all: BTreeSet<Kind> = Kind::ALL.into_iter().collect();
    for ruleset in &rulesets {
        for name in ["INPUT", "FORWARD", "OUTPUT"] {
            let chain = ruleset.table(TableName::Filter).and_then(|table| table.chain(name));
            let found: BTreeSet<Kind> =
                chain.map(|chain| found(chain, ruleset.family)).unwrap_or_default();
            if chain.is_none_or(|chain| !needs(chain)) && name != "INPUT" {
                continue;
            }
            all.retain(|kind| !kind.is_in(name, ruleset.family) || found.contains(kind));
        }
    }
    // Of the other family nothing is known; what IPv6 cannot do without does nothing in IPv4.
    let least: BTreeSet<Kind> = match dumps.v6 {
        Some(_) => BTreeSet::new(),
        None => [Kind::NeighbourDiscovery, Kind::Dhcpv6Client].into(),
    };
    let mut candidates = vec![Implicits(least.clone())];
    for kind in all.iter().filter(|kind| !least.contains(kind)) {
        let fewer = all.iter().copied().filter(|other| other != kind).collect();
        candidates.push(Implicits(fewer));
    }
    candidates.push(Implicits(all));
    candidates.dedup();
    candidates
}

/// Whether implicit rules would stand in a chain of rules like these.
fn needs(chain: &Chain) -> bool {
    let refuses = |rule: &Rule| !matches!(rule.target, Target::Accept | Target::Log { .. });
    match &*chain.name {
        "OUTPUT" => chain.policy == Some(ChainPolicy::Drop) || chain.rules.iter().any(refuses),
        _ => {
            let refuses = chain.policy == Some(ChainPolicy::Drop)
                || chain.rules.last().is_some_and(is_default);
            !refuses || !chain.rules.iter().all(is_default)
        }
    }
}

/// Whether a rule may be a part of the chain's default.
fn is_default(rule: &Rule) -> bool {
    rule.matches.is_empty() && matches!(rule.target, Target::Drop | Target::Reject(_))
        || matches!(rule.target, Target::Log { .. })
}

/// The implicit rules at the head of a chain: before them is nothing but what accepts.
fn found(chain: &Chain, family: Family) -> BTreeSet<Kind> {
    let mut found = BTreeSet::new();
    let mut discovery = BTreeSet::new();
    for rule in &chain.rules {
        match kind(rule, family, &chain.name) {
            Some((kind, None)) => {
                found.insert(kind);
            }
            Some((_, Some(icmp))) => {
                discovery.insert(icmp);
            }
            None if rule.target == Target::Accept => {}
            None => break,
        }
    }
    if DISCOVERY.iter().all(|kind| discovery.contains(kind)) {
        found.insert(Kind::NeighbourDiscovery);
    }
    found
}

/// How many rules at the head of a chain say what these implicit rules say. They stand in any order
/// there; whether that matters, the proof tells.
pub(super) fn said_by(
    rules: &[Rule],
    family: Family,
    chain: &str,
    implicit: &Implicits,
) -> Vec<bool> {
    let mut at_head = true;
    rules
        .iter()
        .map(|rule| {
            let kind = kind(rule, family, chain).map(|(kind, _)| kind);
            at_head &= kind.is_some() || rule.target == Target::Accept;
            at_head && kind.is_some_and(|kind| implicit.0.contains(&kind))
        })
        .collect()
}

/// The implicit rule that a rule is; of neighbour discovery one type.
fn kind(rule: &Rule, family: Family, chain: &str) -> Option<(Kind, Option<u8>)> {
    let said = statement(rule, family, Standing::Filter)?;
    if said.comment.is_some() || !said.limits.is_empty() || !said.unless.is_empty() {
        return None;
    }
    let asks = |clause: &str| said.clauses == [clause];
    let whole = Kind::ALL.into_iter().find(|kind| match kind {
        Kind::Loopback => said.verb == Verb::Allow && is_loopback(&said, chain),
        Kind::Established => {
            said.verb == Verb::Allow
                && asks("state established, related")
                && is_else_about_all(&said)
        }
        Kind::Invalid => {
            said.verb == Verb::Drop && asks("state invalid") && is_else_about_all(&said)
        }
        Kind::NeighbourDiscovery => false,
        Kind::Dhcpv6Client => said.verb == Verb::Allow && is_dhcpv6_answer(&said),
    });
    if let Some(kind) = whole {
        return Some((kind, None));
    }
    let [Part::Icmp(IcmpType { family: Family::V6, kind, code: None })] = said.parts[..] else {
        return None;
    };
    let alone = Statement { parts: Vec::new(), ..said.clone() };
    let is_one = said.verb == Verb::Allow && DISCOVERY.contains(&kind) && alone.is_about_all();
    is_one.then_some((Kind::NeighbourDiscovery, Some(kind)))
}

fn is_loopback(said: &Statement, chain: &str) -> bool {
    let is_lo = |interfaces: &[crate::net::Interface]| matches!(interfaces, [one] if *one == crate::net::Interface::loopback());
    let mut rest = said.clone();
    let asked = match chain {
        "INPUT" => std::mem::take(&mut rest.incoming),
        "OUTPUT" => std::mem::take(&mut rest.outgoing),
        _ => return false,
    };
    is_lo(&asked) && rest.is_about_all()
}

fn is_else_about_all(said: &Statement) -> bool {
    Statement { clauses: Vec::new(), ..said.clone() }.is_about_all()
}

fn is_dhcpv6_answer(said: &Statement) -> bool {
    let from: Vec<String> = said.from.these.iter().map(ToString::to_string).collect();
    let [Part::Ports { protocol: crate::net::PortProtocol::Udp, source, destination }] =
        &said.parts[..]
    else {
        return false;
    };
    let rest =
        Statement { parts: Vec::new(), from: super::statement::Ends::default(), ..said.clone() };
    from == ["fe80::/10"]
        && *source == Ports::single(547)
        && *destination == Ports::single(546)
        && rest.is_about_all()
}
