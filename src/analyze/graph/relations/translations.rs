//! Which rules live on a translation: the accept of a `forward`, the masquerade of its hairpin.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{ChainKey, Kind, Place, Relation};
use super::include;
use crate::meaning::{BaseChain, Decision, Effect, Entry, Meaning, Reason, Translation};
use crate::net::{Families, Family};

/// Where a chain's packets were translated, if they were.
fn translated_in(base: BaseChain) -> Option<BaseChain> {
    match base {
        BaseChain::FilterInput | BaseChain::FilterForward | BaseChain::NatPostrouting => {
            Some(BaseChain::NatPrerouting)
        }
        BaseChain::FilterOutput => Some(BaseChain::NatOutput),
        // What changes packets asks for no translation.
        BaseChain::NatPrerouting
        | BaseChain::NatOutput
        | BaseChain::ManglePrerouting
        | BaseChain::MangleInput
        | BaseChain::MangleForward
        | BaseChain::MangleOutput
        | BaseChain::RawPrerouting
        | BaseChain::RawOutput
        | BaseChain::DockerUser => None,
    }
}

/// For each statement that translates destinations, its other rules depend on that translation.
pub(super) fn dependences(meaning: &Meaning) -> Vec<Relation> {
    let mut found: BTreeMap<(BaseChain, BaseChain, Reason), Families> = BTreeMap::new();
    for base in BaseChain::ALL {
        let Some(translated) = translated_in(base) else { continue };
        for family in Family::BOTH {
            let list = |base| meaning.base(family, base).into_iter();
            let first = list(translated).flat_map(|list| &list.entries);
            let first: BTreeSet<Reason> = first
                .filter(|entry| has_new_destination(entry))
                .map(|entry| entry.reason)
                .collect();
            let reasons = list(base).flat_map(|list| &list.entries).map(|entry| entry.reason);
            for reason in reasons.filter(|reason| first.contains(reason)) {
                let families = found.entry((base, translated, reason));
                include(families.or_insert(Families::NONE), family);
            }
        }
    }
    let relation = |((base, translated, reason), families)| {
        let place = |base| Place { chain: ChainKey::Base(base), reason };
        Relation { from: place(base), to: place(translated), kind: Kind::DependsOn, families }
    };
    found.into_iter().map(relation).collect()
}

fn has_new_destination(entry: &Entry) -> bool {
    let Effect::Decide(Decision::Translate(translation)) = &entry.effect else { return false };
    match **translation {
        Translation::Destination { .. } | Translation::Redirect { .. } => true,
        Translation::Exempt
        | Translation::Masquerade
        | Translation::Source { .. }
        | Translation::Netmap { .. } => false,
    }
}
