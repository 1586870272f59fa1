//! Raw conditions, of which nothing is known but their words.

use std::collections::BTreeSet;

use super::messages;
use crate::diagnostic::Finding;
use crate::resolve::Policy;
use crate::resolve::policy::{Item, Raw};

/// A finding for the first raw rule of each kind of condition.
pub(super) fn findings(policy: &Policy) -> Vec<Finding> {
    let items = policy.items.iter().filter_map(|item| match item {
        Item::Raw(raw) => Some(raw),
        Item::Rule(_) | Item::Nat(_) | Item::Alter(_) => None,
    });
    let raws = items.chain(policy.chains.iter().flat_map(|chain| &chain.raws));
    let mut told = BTreeSet::new();
    let asking = raws.filter(|raw: &&Raw| !raw.matches.is_empty());
    let kinds = asking.map(|raw| (raw.origin, kind(&raw.matches)));
    let first = kinds.filter(|(_, kind)| told.insert(*kind));
    first.map(|(origin, kind)| messages::unmodelled(policy, origin, kind)).collect()
}

/// The first extension that a condition loads: the word behind `-m`. `None` where it loads none.
fn kind(matches: &str) -> Option<&str> {
    let mut words = matches.split_whitespace();
    words.find(|word| ["-m", "--match"].contains(word))?;
    words.next()
}
