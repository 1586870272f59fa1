//! What translation and the filter say against each other, and translations against translations.
//!
//! The nat chains have no user's chains and no limits, so a list of theirs is exact. Where a question
//! goes from the one table to the other, only what both see alike is compared (`sees_alike`).

mod filter;
mod messages;
mod untracked;

use std::collections::BTreeSet;

use super::list::{EffectNumber, ListedRule, RuleList};
use super::places::met;
use super::work::Work;
use crate::diagnostic::{Finding, catalogue as lint};
use crate::meaning::{BaseChain, Decision, Effect, Entry, Meaning, Reason, Translation, view};
use crate::net::Family;
use crate::packet::{
    Among, Field, Index, Packet, PacketSet, Question, Region, RuleNumber, Space, Verdict,
};
use crate::resolve::Policy;
use crate::resolve::policy::{Item, NatKind, Origin};

/// The findings about translations, in no order.
pub(super) fn findings(policy: &Policy, meaning: &Meaning, work: &Work) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut told = BTreeSet::new();
    for family in Family::BOTH {
        for base in BaseChain::ALL.into_iter().filter(|base| base.is_nat()) {
            for (earlier, later, finding) in conflicts(policy, meaning, family, base, work) {
                if told.insert((earlier, later)) {
                    findings.push(finding);
                }
            }
        }
    }
    findings.extend(filter::findings(policy, meaning, work));
    findings
}

/// An entry of a nat chain that a statement brought, with what it does.
struct Translator<'m> {
    entry: &'m Entry,
    origin: Origin,
    translation: &'m Translation,
}

/// The translations of a nat chain, in order; what leaves packets as they are is among them. `None`
/// when raw rules of the chain do something else, of which nothing is known.
fn translators(meaning: &Meaning, family: Family, base: BaseChain) -> Option<Vec<Translator<'_>>> {
    let entries = &meaning.base(family, base)?.entries;
    entries.iter().map(translator).collect()
}

fn translator(entry: &Entry) -> Option<Translator<'_>> {
    let Effect::Decide(Decision::Translate(translation)) = &entry.effect else { return None };
    let Reason::Written(origin) = entry.reason else { return None };
    Some(Translator { entry, origin, translation })
}

/// Pairs of translations of which neither is an exception to the other, each later one once.
fn conflicts(
    policy: &Policy,
    meaning: &Meaning,
    family: Family,
    base: BaseChain,
    work: &Work,
) -> Vec<(Origin, Origin, Finding)> {
    let all = translators(meaning, family, base).unwrap_or_default();
    let mut found = Vec::new();
    if all.len() < 2 {
        return found;
    }
    let rules: Vec<ListedRule<'_>> = all
        .iter()
        .map(|one| ListedRule {
            may: &one.entry.set,
            hides: Some(&one.entry.set),
            effect: EffectNumber(0),
        })
        .collect();
    let list = RuleList::of(family, Some(view(base)), &rules, work.budget);
    let numbered = |number: RuleNumber| all.get(number.0 as usize);
    let hairpins: BTreeSet<Origin> = forwards(policy).collect();
    // The masquerade of a hairpin is about what its own statement translated: an exception, too.
    let is_exempt = |one: &Translator<'_>| {
        matches!(one.translation, Translation::Exempt)
            || base == BaseChain::NatPostrouting && hairpins.contains(&one.origin)
    };
    for (number, later) in (0..).map(RuleNumber).zip(&all).filter(|(_, one)| !is_exempt(one)) {
        let region = list.may(number);
        for earlier_number in list.matching().meeting(&region, Among::before(number)) {
            let Some(earlier) = numbered(earlier_number) else { continue };
            let is_same =
                earlier.origin == later.origin || earlier.translation == later.translation;
            if is_same || is_exempt(earlier) || !may_be_compared(earlier, later) {
                continue;
            }
            let both = list.space.intersection(&region, &list.may(earlier_number));
            let question = Question {
                region: &both,
                among: Among::before(earlier_number),
                seed: 0,
                budget: list.budget,
            };
            let point = match list.hiding.witness(&question) {
                Verdict::Uncovered(point) => point,
                Verdict::Covered => continue,
                Verdict::Incomplete => {
                    work.was_too_much(&lint::NAT_CONFLICT);
                    continue;
                }
            };
            let kinds = [&earlier.entry.set, &later.entry.set];
            if is_exception(family, base, kinds, &list.space.packet(&point), work) {
                continue;
            }
            let packet =
                met(&list.space.packet(&point), base, messages::becomes(earlier.translation));
            let finding = messages::conflict(
                policy,
                [earlier.origin, later.origin],
                later.translation,
                packet,
            );
            found.push((earlier.origin, later.origin, finding));
            break;
        }
    }
    found
}

/// Whether of two sets with a packet in common one is an exception to the other there: the kind of
/// packets that it belongs to in the one is all in the other. (A hairpin is another kind.)
fn is_exception(
    family: Family,
    base: BaseChain,
    [a, b]: [&PacketSet; 2],
    packet: &Packet,
    work: &Work,
) -> bool {
    let kinds = |set: &PacketSet| -> Vec<PacketSet> {
        let own = set.products().iter().filter(|kind| kind.contains(packet));
        own.map(|kind| PacketSet::of(family, [kind.clone()])).collect()
    };
    let within = |inner: &PacketSet, outer: &PacketSet| {
        kinds(inner).iter().any(|kind| is_within(family, base, kind, outer, work))
    };
    within(a, b) || within(b, a)
}

/// The statements that translate destinations.
fn forwards(policy: &Policy) -> impl Iterator<Item = Origin> {
    policy.items.iter().filter_map(|item| match item {
        Item::Nat(nat) => match nat.kind {
            NatKind::Forward(_) => Some(nat.origin),
            NatKind::Source { .. } | NatKind::Redirect(_) | NatKind::Netmap { .. } => None,
        },
        Item::Rule(_) | Item::Alter(_) | Item::Raw(_) => None,
    })
}

/// Whether it is known that two translations overlap where their conditions do: of one about this
/// machine's own addresses, which are not known, and one about addresses that are named, it is not.
fn may_be_compared(a: &Translator<'_>, b: &Translator<'_>) -> bool {
    let speaks = |one: &Translator<'_>, of: Field| one.entry.set.speaks_of(|field| field == of);
    let apart = |own: &Translator<'_>, named: &Translator<'_>| {
        speaks(own, Field::ToLocal)
            && !speaks(named, Field::ToLocal)
            && speaks(named, Field::Destination)
    };
    !apart(a, b) && !apart(b, a)
}

/// Whether all packets of a set are in another, or might be: which addresses this machine has is not
/// known, so any may be one. What is not found out counts as within.
fn is_within(
    family: Family,
    base: BaseChain,
    inner: &PacketSet,
    outer: &PacketSet,
    work: &Work,
) -> bool {
    let outer = outer.widened(|field| field != Field::ToLocal);
    let (space, regions) = Space::of(family, Some(view(base)), &[inner, &outer]);
    let [inner, outer]: &[Region; 2] = match regions.first_chunk() {
        Some(regions) => regions,
        None => return true,
    };
    let index = Index::of(&space, [(RuleNumber(0), outer)]);
    let question = Question { region: inner, among: Among::ALL, seed: 0, budget: work.budget };
    match index.witness(&question) {
        Verdict::Uncovered(_) => false,
        Verdict::Covered => true,
        Verdict::Incomplete => {
            work.was_too_much(&lint::NAT_CONFLICT);
            true
        }
    }
}
