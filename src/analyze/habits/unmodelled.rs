//! Conditions of which nothing is known but their words.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::messages;
use crate::analyze::ruled::{raws, words};
use crate::analyze::text::{Dump, Text};
use crate::diagnostic::Finding;
use crate::resolve::Policy;
use crate::resolve::policy::Origin;
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

/// The raw rules with words that the model does not say; of those whose words cannot be read, all.
fn in_policy(policy: &Policy) -> Vec<(Origin, Option<Arc<str>>)> {
    let words = words(policy);
    let asking = raws(policy).flat_map(|raw| match words.get(&(raw.origin, raw.family)) {
        Some(words) => {
            let matches = words.matches.iter().flatten();
            matches.filter_map(|found| Some((raw.origin, unknown(&found.kind)?))).collect()
        }
        None if raw.matches.is_empty() => Vec::new(),
        None => vec![(raw.origin, kind(&raw.matches).map(Arc::from))],
    });
    asking.collect()
}

/// The words of rules that the model does not say, by the extension that reads them.
fn in_dump(dump: &Dump) -> Vec<(Origin, Option<Arc<str>>)> {
    let rules = dump.rules().flat_map(|(_, _, line, rule)| {
        let origin = Origin { span: line, call: None };
        rule.matches.iter().filter_map(move |found| Some((origin, unknown(&found.kind)?)))
    });
    rules.collect()
}

/// The extension that reads a condition which is known by its words only, as far as it is said; `None` when
/// more is known.
#[allow(clippy::option_option)]
fn unknown(kind_of_match: &MatchKind) -> Option<Option<Arc<str>>> {
    match kind_of_match {
        MatchKind::Opaque(text) | MatchKind::OpaqueHistory(text) => Some(kind(text).map(Arc::from)),
        _ => None,
    }
}

/// The first extension that a condition loads: the word behind `-m`. `None` where it loads none.
fn kind(matches: &str) -> Option<&str> {
    let mut words = matches.split_whitespace();
    words.find(|word| ["-m", "--match"].contains(word))?;
    words.next()
}
