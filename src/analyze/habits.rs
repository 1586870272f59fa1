//! Customs of firewalls that a policy departs from: each is a question about its base chains.

mod exposure;
mod implicit;
mod messages;
mod unmodelled;

use std::collections::{BTreeMap, BTreeSet};

use super::flat::passing::{Found, Passing, Step};
use super::places::span_of;
use super::work::Work;
use crate::diagnostic::{Finding, catalogue as lint};
use crate::meaning::{BaseChain, Meaning, Reason};
use crate::net::{CtState, Family};
use crate::packet::{Among, Constraint, Factor, Field, PacketSet, Product, Verdict};
use crate::resolve::Policy;
use crate::resolve::policy::{Action, Hook, Item, Origin, Part, Rule, Scope};

/// The findings about customs, in no order.
pub(super) fn findings(policy: &Policy, meaning: &Meaning, work: &Work) -> Vec<Finding> {
    let mut findings = implicit::findings(policy, meaning, work);
    findings.extend(exposure::no_remote_access(policy, meaning, work));
    findings.extend(exposure::open_to_world(policy, meaning, work));
    findings.extend(limits_bypassed(policy, meaning, work));
    findings.extend(dropped_to_here_only(policy, meaning, work));
    findings.extend(unmodelled::findings(policy));
    findings
}

/// The packets of a factor.
fn set_of(family: Family, factor: Factor) -> PacketSet {
    PacketSet::of(family, Product::of([factor]))
}

/// The first packets of connections.
fn new_packets(family: Family) -> PacketSet {
    let new = Constraint::state([CtState::New].into_iter().collect());
    set_of(family, Factor::all([new]))
}

/// The rules of the top level, with their places among the items.
fn rules(policy: &Policy) -> impl Iterator<Item = (usize, &Rule)> {
    policy.items.iter().enumerate().filter_map(|(at, item)| match item {
        Item::Rule(rule) => Some((at, rule)),
        Item::Nat(_) | Item::Alter(_) | Item::Raw(_) => None,
    })
}

/// Rules that accept up to a limit what later rules, or the default, accept without: wherever packets
/// come to them, all that is over the limit passes.
fn limits_bypassed(policy: &Policy, meaning: &Meaning, work: &Work) -> Vec<Finding> {
    let all = rules(policy).map(|(_, rule)| rule);
    let all = all.chain(policy.chains.iter().flat_map(|chain| &chain.rules));
    let limited = all.filter(|rule| rule.action == Action::Allow && !rule.limits.is_empty());
    let limited: BTreeSet<Origin> = limited.map(|rule| rule.origin).collect();
    if limited.is_empty() {
        return Vec::new();
    }
    // Who accepts the rest; None where something of it is not accepted.
    let mut rests: BTreeMap<Origin, Option<Reason>> = BTreeMap::new();
    for (family, hook) in Family::BOTH.into_iter().flat_map(|f| Hook::ALL.map(|hook| (f, hook))) {
        let Some(passing) = Passing::of(meaning, family, hook.into(), &[], work.budget) else {
            return Vec::new();
        };
        for (number, step) in passing.steps.iter().enumerate() {
            let Reason::Written(origin) = step.reason else { continue };
            if step.decision.is_none()
                || !limited.contains(&origin)
                || rests.get(&origin) == Some(&None)
            {
                continue;
            }
            let region = passing.region(number);
            let before = Among::before(passing.number(number));
            match passing.left(&region, before) {
                Verdict::Uncovered(_) => {}
                Verdict::Covered => continue,
                Verdict::Incomplete => {
                    work.was_too_much(&lint::LIMIT_BYPASSED);
                    rests.insert(origin, None);
                    continue;
                }
            }
            let refused = passing.decided(&region, number + 1, Step::refuses);
            let accepted = passing.decided(&region, number + 1, |step| step.is_unlimited);
            if refused == Found::Unknown {
                work.was_too_much(&lint::LIMIT_BYPASSED);
            }
            let rest = match (refused, accepted) {
                (Found::Nothing, Found::Packet(_, by)) => Some(passing.steps[by].reason),
                (Found::Nothing | Found::Packet(..) | Found::Unknown, _) => None,
            };
            rests.insert(origin, rest);
        }
    }
    let bypassed = rests.into_iter().filter_map(|(origin, rest)| Some((origin, rest?)));
    bypassed
        .map(|(origin, by)| messages::limit_bypassed(policy, origin, span_of(policy, by)))
        .collect()
}

/// Rules that drop all from some source, to this machine since nothing else is said, where a later
/// rule forwards packets of that source.
fn dropped_to_here_only(policy: &Policy, meaning: &Meaning, work: &Work) -> Vec<Finding> {
    let origin = |item: &Item| match item {
        Item::Rule(rule) => rule.origin,
        Item::Nat(nat) => nat.origin,
        Item::Alter(alteration) => alteration.origin,
        Item::Raw(raw) => raw.origin,
    };
    let places: BTreeMap<Origin, usize> =
        policy.items.iter().map(origin).enumerate().map(|(at, origin)| (origin, at)).collect();
    let droppers: Vec<(usize, &Rule)> =
        rules(policy).filter(|(_, rule)| drops_source(rule)).collect();
    let mut told: BTreeMap<Origin, Finding> = BTreeMap::new();
    for family in Family::BOTH.into_iter().filter(|_| !droppers.is_empty()) {
        let Some(input) = meaning.base(family, BaseChain::FilterInput) else { continue };
        let mut asked = Vec::new();
        let mut owners = Vec::new();
        for (at, rule) in &droppers {
            let own = |entry: &&crate::meaning::Entry| entry.reason == Reason::Written(rule.origin);
            if let Some(entry) = input.entries.iter().find(own) {
                let source = entry.set.widened(is_of_source);
                // In this family it may be about everything.
                if source.speaks_of(|field| field != Field::Incoming) {
                    asked.push(source.intersection(&new_packets(family)));
                    owners.push((*at, rule.origin));
                }
            }
        }
        let base = BaseChain::FilterForward;
        let Some(passing) = Passing::of(meaning, family, base, &asked, work.budget) else {
            continue;
        };
        for (number, (at, origin)) in owners.into_iter().enumerate() {
            let is_later = |reason| match reason {
                Reason::Written(origin) => places.get(&origin).is_some_and(|place| *place > at),
                Reason::Implicit(_) | Reason::Restored | Reason::Default(_) => false,
            };
            let found = passing
                .decided(&passing.asked(number), 0, |step| step.passes() && is_later(step.reason));
            if found == Found::Unknown {
                work.was_too_much(&lint::DROP_INPUT_ONLY);
            }
            if let Found::Packet(point, step) = found {
                let packet = passing.list().space().packet(&point);
                let forwards = span_of(policy, passing.steps[step].reason);
                told.entry(origin).or_insert_with(|| {
                    messages::drop_input_only(policy, origin, forwards, &packet)
                });
            }
        }
    }
    told.into_values().collect()
}

/// Whether a rule refuses everything from some addresses, and does not say to whom.
fn drops_source(rule: &Rule) -> bool {
    let refuses = match rule.action {
        Action::Drop | Action::Reject(_) => true,
        Action::Allow
        | Action::Log
        | Action::Return
        | Action::Jump(_)
        | Action::Goto(_)
        | Action::Add(_) => false,
    };
    let is_plain = rule.conditions.is_empty() && rule.limits.is_empty();
    let of_all = |part: &Part| *part == Part::Any;
    refuses
        && is_plain
        && rule.remarks.aims_nowhere
        && rule
            .flows
            .iter()
            .all(|flow| flow.scope == Scope::Hook(Hook::Input) && flow.parts.iter().any(of_all))
}

/// Whether a field says where a packet comes from. (An opaque one of a rule without conditions is
/// membership of the source in a set.)
fn is_of_source(field: Field) -> bool {
    match field {
        Field::Incoming | Field::Source | Field::Opaque => true,
        Field::Outgoing
        | Field::Destination
        | Field::Protocol
        | Field::SourcePort
        | Field::DestinationPort
        | Field::Icmp
        | Field::Flags
        | Field::State
        | Field::Translated
        | Field::OriginalDestination
        | Field::OriginalPort
        | Field::ToLocal
        | Field::Mac
        | Field::Mark
        | Field::ConnectionMark
        | Field::User
        | Field::Group
        | Field::Length
        | Field::Ttl
        | Field::Dscp => false,
    }
}
