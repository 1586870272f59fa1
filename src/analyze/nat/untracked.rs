//! Translations of packets that conntrack is told not to see: nothing is translated then.

use std::collections::{BTreeMap, BTreeSet};

use super::filter::sees_alike;
use super::{messages, only_translators};
use crate::analyze::flat::Flat;
use crate::analyze::list::{EffectNumber, ListedRule, RuleList};
use crate::analyze::text::Text;
use crate::analyze::witness::met;
use crate::analyze::work::Work;
use crate::diagnostic::{Finding, catalogue as lint};
use crate::meaning::{BaseChain, Change, Effect, Entry, Meaning, Translation, view};
use crate::net::Family;
use crate::packet::{Among, Answer, Cover, Question, RuleNumber};
use crate::resolve::policy::Origin;
use crate::source::Span;

/// The statements that give packets a new destination, all of which a `notrack` takes.
pub(super) fn findings(
    text: Text<'_>,
    meaning: &Meaning,
    family: Family,
    work: &Work,
) -> Vec<(Origin, Finding)> {
    let Some(untracked) = untracked(meaning, family) else { return Vec::new() };
    let Some(flat) = Flat::of(meaning, family, BaseChain::NatPrerouting) else { return Vec::new() };
    let nat = only_translators(&flat).unwrap_or_default();
    let moving = nat.iter().filter(|one| !matches!(one.translation, Translation::Exempt));
    let moving: Vec<_> = moving.collect();
    let untracks = untracked.iter().map(|entry| (&entry.set, Some(&entry.set)));
    let sets = untracks.chain(moving.iter().map(|one| (one.set, None)));
    let effect = EffectNumber::NONE;
    let rules: Vec<ListedRule<'_>> =
        sets.map(|(may, hides)| ListedRule { may, hides, effect }).collect();
    let view = view(BaseChain::NatPrerouting);
    let list = RuleList::of(family, Some(view), &rules, work.budget);
    // Of each statement what takes one kind of its packets; `None` where some are translated.
    let mut taken: BTreeMap<Origin, Option<Cover>> = BTreeMap::new();
    for (number, one) in (untracked.len()..).zip(&moving) {
        let number = RuleNumber(u32::try_from(number).unwrap_or(u32::MAX));
        let region = list.may(number);
        let budget = work.budget;
        let question = Question { region: &region, among: Among::before(number), seed: 0, budget };
        let cover = match list.hiding.uncovered(&question) {
            Answer::Covered(cover) => Some(cover),
            Answer::Uncovered(_) => None,
            Answer::Incomplete => {
                work.was_too_much(&lint::NAT_TARGET_DROPPED);
                None
            }
        };
        let all = taken.entry(one.origin).or_insert_with(|| cover.clone());
        *all = all.take().filter(|_| cover.is_some());
    }
    let found = taken.into_iter().filter_map(|(origin, cover)| {
        let cover = cover?;
        let point = cover.members.iter().find_map(|member| member.alone.as_ref())?;
        let packet = list.space().packet(point);
        let packet = met(&packet, BaseChain::NatPrerouting, "left as it is, for it is not tracked");
        let by = cover.members.iter().filter_map(|one| untracked.get(one.rule.0 as usize));
        let by: BTreeSet<Span> = by.filter_map(|entry| text.span_of(entry.reason)).collect();
        Some((origin, messages::target_untracked(text, origin, &by, packet)))
    });
    found.collect()
}

/// The entries that keep packets from conntrack, of which the rules of nat see the same fields; `None`
/// where raw rules have a say, or nothing is kept from it.
fn untracked(meaning: &Meaning, family: Family) -> Option<Vec<&Entry>> {
    let entries = &meaning.base(family, BaseChain::RawPrerouting)?.entries;
    if !entries.iter().all(|entry| matches!(entry.effect, Effect::Change(_))) {
        return None;
    }
    let untracks = |entry: &&Entry| entry.effect == Effect::Change(Change::Untracked);
    let all = entries.iter().filter(untracks);
    let all: Vec<&Entry> =
        all.filter(|entry| !entry.set.speaks_of(|field| !sees_alike(field))).collect();
    Some(all).filter(|all| !all.is_empty())
}
