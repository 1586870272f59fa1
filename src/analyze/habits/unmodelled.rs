//! Conditions of which nothing is known but their words.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::messages;
use crate::analyze::text::{Dump, Text};
use crate::diagnostic::Finding;
use crate::resolve::Policy;
use crate::resolve::policy::{Item, Origin, Raw};
use crate::ruleset::MatchKind;

/// A finding for the first rule of each kind of condition.
pub(super) fn findings(text: Text<'_>) -> Vec<Finding> {
    let asking: Vec<(Origin, Option<Arc<str>>)> = match text {
        Text::Policy(policy) => in_policy(policy),
        Text::Dump(dump) => in_dump(dump),
    };
    let mut told = BTreeSet::new();
    let first = asking.into_iter().filter(|(_, kind)| told.insert(kind.clone()));
    first.map(|(origin, kind)| messages::unmodelled(text, origin, kind.as_deref())).collect()
}

fn in_policy(policy: &Policy) -> Vec<(Origin, Option<Arc<str>>)> {
    let items = policy.items.iter().filter_map(|item| match item {
        Item::Raw(raw) => Some(raw),
        Item::Rule(_) | Item::Nat(_) | Item::Alter(_) => None,
    });
    let raws = items.chain(policy.chains.iter().flat_map(|chain| &chain.raws));
    let asking = raws.filter(|raw: &&Raw| !raw.matches.is_empty());
    asking.map(|raw| (raw.origin, kind(&raw.matches).map(Arc::from))).collect()
}

/// The words of rules that the model does not say, by the extension that reads them.
fn in_dump(dump: &Dump) -> Vec<(Origin, Option<Arc<str>>)> {
    let rules = dump.rules().flat_map(|(_, _, line, rule)| {
        rule.matches.iter().filter_map(move |found| match &found.kind {
            MatchKind::Opaque(text) | MatchKind::OpaqueHistory(text) => {
                Some((Origin { span: line, call: None }, kind(text).map(Arc::from)))
            }
            _ => None,
        })
    });
    rules.collect()
}

/// The first extension that a condition loads: the word behind `-m`. `None` where it loads none.
fn kind(matches: &str) -> Option<&str> {
    let mut words = matches.split_whitespace();
    words.find(|word| ["-m", "--match"].contains(word))?;
    words.next()
}
