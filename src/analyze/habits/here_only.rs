//! Sources that are refused to this machine only, although others get their packets.

use std::collections::{BTreeMap, HashMap};

use super::{messages, new_packets, rules};
use crate::analyze::deliverable::is_deliverable;
use crate::analyze::flat::Flat;
use crate::analyze::flat::asking::Asking;
use crate::analyze::flat::passing::{Found, Passing};
use crate::analyze::text::{Dump, Text};
use crate::analyze::work::Work;
use crate::diagnostic::{Finding, catalogue as lint};
use crate::meaning::{BaseChain, Decision, Effect, Entry, Reason};
use crate::net::Family;
use crate::packet::Field;
use crate::resolve::Policy;
use crate::resolve::policy::{Action, Hook, Item, Origin, Part, Rule, Scope};

/// Rules that drop all from some source, to this machine since nothing else is said, where a later
/// rule forwards packets of that source.
pub(super) fn in_policy<'a, 'w>(
    policy: &'a Policy,
    asking: &mut Asking<'a>,
    work: &'w Work,
) -> impl FnOnce(&Asking<'a>) -> Vec<Finding> + use<'a, 'w> {
    let text = Text::Policy(policy);
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
    let mut all = Vec::new();
    for family in Family::BOTH.into_iter().filter(|_| !droppers.is_empty()) {
        let Some(input) = asking.meaning.base(family, BaseChain::FilterInput) else { continue };
        let mut asked = Vec::new();
        let mut owners = Vec::new();
        // The first of each rule.
        let entries = input.entries.iter().rev().map(|entry| (entry.reason, entry));
        let entries: HashMap<Reason, &Entry> = entries.collect();
        for (at, rule) in &droppers {
            if let Some(entry) = entries.get(&Reason::Written(rule.origin)) {
                let source = entry.set.widened(is_of_source);
                // In this family it may be about everything.
                if source.speaks_of(|field| field != Field::Incoming) {
                    asked.push(source.intersection(&new_packets(family)));
                    owners.push((*at, rule.origin));
                }
            }
        }
        let numbers = asking.ask(family, BaseChain::FilterForward, asked);
        all.push((family, numbers.zip(owners)));
    }
    move |asking| {
        let mut told: BTreeMap<Origin, Finding> = BTreeMap::new();
        for (family, asked) in all {
            let Some(passing) = asking.passing(family, BaseChain::FilterForward) else { continue };
            for (number, (at, origin)) in asked {
                let is_later = |reason| match reason {
                    Reason::Written(origin) => places.get(&origin).is_some_and(|place| *place > at),
                    Reason::Implicit(_) | Reason::Restored | Reason::Default(_) => false,
                };
                let region = passing.asked(number);
                let found =
                    passing.decided(&region, 0, |step| step.passes() && is_later(step.reason));
                if found == Found::Unknown {
                    work.was_too_much(&lint::DROP_INPUT_ONLY);
                }
                if let Found::Packet(point, step) = found {
                    let packet = passing.list().space().packet(&point);
                    let forwards = text.span_of(passing.steps[step].reason);
                    let finding = || messages::drop_input_only(text, origin, forwards, &packet);
                    told.entry(origin).or_insert_with(finding);
                }
            }
        }
        told.into_values().collect()
    }
}

/// The same of a dump: rules of INPUT that refuse sources, of which a rule of FORWARD accepts packets.
pub(super) fn in_dump(dump: &Dump, work: &Work) -> Vec<Finding> {
    let (text, meaning, family) = (Text::Dump(dump), dump.meaning(), dump.ruleset.family);
    let flat = Flat::of(meaning, family, BaseChain::FilterInput).filter(Flat::is_whole);
    let Some(flat) = flat else { return Vec::new() };
    let mut asked = Vec::new();
    let mut owners = Vec::new();
    for step in &flat.steps {
        let Reason::Written(origin) = step.entry.reason else { continue };
        let refuses = match &step.entry.effect {
            Effect::Decide(Decision::Drop | Decision::Reject(_)) => step.takes,
            _ => false,
        };
        let is_about_sources = step.may.speaks_of(|field| field == Field::Source)
            && !step.may.speaks_of(|field| !is_of_source(field));
        if refuses && is_about_sources {
            asked.push(step.may.intersection(&new_packets(family)));
            owners.push(origin);
        }
    }
    let base = BaseChain::FilterForward;
    if owners.is_empty() {
        return Vec::new();
    }
    let Some(passing) = Passing::of(meaning, family, base, &asked, work.budget) else {
        return Vec::new();
    };
    let mut told: BTreeMap<Origin, Finding> = BTreeMap::new();
    for (number, origin) in owners.into_iter().enumerate() {
        let is_written = |reason| matches!(reason, Reason::Written(_));
        let found = passing
            .decided(&passing.asked(number), 0, |step| step.passes() && is_written(step.reason));
        if found == Found::Unknown {
            work.was_too_much(&lint::DROP_INPUT_ONLY);
        }
        if let Found::Packet(point, step) = found {
            let packet = passing.list().space().packet(&point);
            // What comes from nowhere is refused by the kernel itself.
            if is_deliverable(&packet, base) {
                let forwards = text.span_of(passing.steps[step].reason);
                told.entry(origin)
                    .or_insert_with(|| messages::drop_input_only(text, origin, forwards, &packet));
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
