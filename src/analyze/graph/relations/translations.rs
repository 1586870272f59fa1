//! Which rules live on a translation: the accept of a `forward`, the masquerade of its hairpin.

use std::collections::BTreeMap;

use super::super::{ChainKey, Kind, Place, Relation};
use super::{include, place};
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
        | BaseChain::NatInput
        | BaseChain::ManglePostrouting
        | BaseChain::SecurityInput
        | BaseChain::SecurityForward
        | BaseChain::SecurityOutput
        // Docker's own rules do.
        | BaseChain::DockerUser => None,
    }
}

/// For each statement that translates destinations, its other rules depend on that translation.
pub(super) fn dependences(meaning: &Meaning) -> Vec<Relation> {
    let mut found: BTreeMap<(Place, Place), Families> = BTreeMap::new();
    for base in BaseChain::ALL {
        let Some(translated) = translated_in(base) else { continue };
        for family in Family::BOTH {
            let entries =
                |base| meaning.base(family, base).into_iter().flat_map(|list| &list.entries);
            let first: BTreeMap<Reason, Place> = entries(translated)
                .filter(|entry| has_new_destination(entry))
                .map(|entry| (entry.reason, place(ChainKey::Base(translated), entry)))
                .collect();
            for entry in entries(base) {
                if let Some(to) = first.get(&entry.reason) {
                    let families = found.entry((place(ChainKey::Base(base), entry), *to));
                    include(families.or_insert(Families::NONE), family);
                }
            }
        }
    }
    let relation = |((from, to), families)| Relation { from, to, kind: Kind::DependsOn, families };
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
