//! The raw rules of a policy as what their words say.
//!
//! Where the words of a condition can be read, its entry is about those packets, as if it were said in the
//! language; else it stays a fact that is known by its words.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::early::before_conntrack;
use super::{Limits, Reading};
use crate::diagnostic::{Finding, catalogue};
use crate::meaning::{Effect, Entry, Meaning, Reason, meaning};
use crate::net::Family;
use crate::read::{self, read_rules};
use crate::resolve::Policy;
use crate::resolve::policy::{self, Item, Raw, RawTable, RawTarget};
use crate::ruleset::{Extension, KernelSet, Origin, Rule, TableName, Target};
use crate::source::Span;

/// The meaning of a policy, with its raw rules as what their words say, as far as they can be read.
#[must_use]
pub fn understood(policy: &Policy) -> Meaning {
    let words = words(policy);
    let known: HashMap<(policy::Origin, Family), (&Raw, &read::Words)> = raws(policy)
        .filter_map(|raw| {
            let at = (raw.origin, raw.family);
            Some((at, (raw, words.get(&at)?)))
        })
        .collect();
    let meaning = meaning(policy);
    if known.is_empty() {
        return meaning;
    }
    let (v4, v6, kinds) = meaning.into_lists();
    let mut limits = Limits { kinds, tables: HashMap::new() };
    let ids = HashMap::new();
    let [v4, v6] = [(v4, Family::V4), (v6, Family::V6)].map(|(mut lists, family)| {
        let mut reading = Reading { family, ids: &ids, limits: &mut limits };
        for list in lists.bases.values_mut().chain(&mut lists.chains) {
            let entries = std::mem::take(&mut list.entries).into_iter();
            let read = entries.flat_map(|entry| {
                let Reason::Written(origin) = entry.reason else { return vec![entry] };
                match known.get(&(origin, family)) {
                    Some((raw, words)) => reading.raw(&entry, raw, words),
                    None => vec![entry],
                }
            });
            list.entries = read.collect();
        }
        before_conntrack(&mut lists, family, &mut limits);
        lists
    });
    Meaning::of_lists(v4, v6, limits.kinds)
}

/// All raw rules of a policy.
pub fn raws(policy: &Policy) -> impl Iterator<Item = &Raw> {
    let items = policy.items.iter().filter_map(|item| match item {
        Item::Raw(raw) => Some(raw),
        Item::Rule(_) | Item::Nat(_) | Item::Alter(_) => None,
    });
    items.chain(policy.chains.iter().flat_map(|chain| &chain.raws))
}

/// What the words of a policy's raw rules say, by where each stands: its chains and sets are known. Words that
/// cannot be read are left out.
pub fn words(policy: &Policy) -> HashMap<(policy::Origin, Family), read::Words> {
    let chains: BTreeSet<&str> = policy.chains.iter().map(|chain| &*chain.name).collect();
    let is_chain = |name: &str| chains.contains(name);
    let read = Family::BOTH.into_iter().flat_map(|family| read_raws(policy, family, &is_chain));
    read.filter_map(|(raw, read)| Some(((raw.origin, raw.family), read.ok()?))).collect()
}

/// The raw rules that the tools would refuse, also if what they go to that is not known were a chain of
/// somebody else's.
#[must_use]
pub fn refused(policy: &Policy) -> Vec<Finding> {
    let refused = Family::BOTH.into_iter().flat_map(|family| {
        let known = read_raws(policy, family, &|_| false);
        let as_chain = read_raws(policy, family, &|name| Extension::known(name).is_none());
        known.into_iter().zip(as_chain).filter_map(|((raw, known), (_, as_chain))| {
            as_chain.err()?;
            let Finding { message, label, notes, help, .. } = *known.err()?;
            let finding = Finding::new(&catalogue::BAD_RAW, raw.origin.span, message).label(label);
            Some(Finding { notes, help, ..finding })
        })
    });
    refused.collect()
}

/// The raw rules of a family, each as it is read.
fn read_raws<'p>(
    policy: &'p Policy,
    family: Family,
    is_chain: &dyn Fn(&str) -> bool,
) -> Vec<(&'p Raw, Result<read::Words, Box<Finding>>)> {
    let raws: Vec<&Raw> = raws(policy).filter(|raw| raw.family == family).collect();
    if raws.is_empty() {
        return Vec::new();
    }
    let sets = policy.sets.iter().map(|set| Arc::new(set.kernel_set(family)));
    let sets: Vec<Arc<KernelSet>> = sets.collect();
    let texts: Vec<String> = raws.iter().map(|raw| text(raw)).collect();
    let rules: Vec<(Span, &str)> =
        raws.iter().zip(&texts).map(|(raw, text)| (raw.origin.span, &**text)).collect();
    let read = read_rules(&rules, family, &sets, is_chain);
    raws.into_iter().zip(read).collect()
}

/// The words of a raw rule that the language has no words for.
fn text(raw: &Raw) -> String {
    match &raw.target {
        RawTarget::GoesOn(target) | RawTarget::Decides(target) if !target.is_empty() => {
            format!("{} {target}", raw.matches)
        }
        RawTarget::GoesOn(_)
        | RawTarget::Decides(_)
        | RawTarget::Accept
        | RawTarget::Drop
        | RawTarget::Return
        | RawTarget::Reject(_)
        | RawTarget::Jump(_)
        | RawTarget::Goto(_) => raw.matches.to_string(),
    }
}

impl Reading<'_> {
    /// The rules that the words of a raw rule are, instead of its entry. What it does with packets where
    /// the language has words for it is known already.
    fn raw(&mut self, entry: &Entry, raw: &Raw, words: &read::Words) -> Vec<Entry> {
        let table = match raw.table {
            RawTable::Filter => TableName::Filter,
            RawTable::Nat => TableName::Nat,
            RawTable::Mangle => TableName::Mangle,
            RawTable::Raw => TableName::Raw,
            RawTable::Security => TableName::Security,
        };
        let is_known = match raw.target {
            RawTarget::GoesOn(_) | RawTarget::Decides(_) => false,
            RawTarget::Accept
            | RawTarget::Drop
            | RawTarget::Return
            | RawTarget::Reject(_)
            | RawTarget::Jump(_)
            | RawTarget::Goto(_) => true,
        };
        let origin = Origin::Statement { span: raw.origin.span, call: None };
        let read = words.matches.iter().flat_map(|matches| {
            let target = if is_known { Target::Return } else { words.target.clone() };
            self.rule(table, &Rule { matches: matches.clone(), target, origin })
        });
        let effect = |read: Entry| {
            let is_placeholder = is_known && read.effect == Effect::Return;
            let effect = if is_placeholder { entry.effect.clone() } else { read.effect };
            Entry {
                set: read.set,
                limits: read.limits,
                log: read.log,
                effect,
                reason: entry.reason,
            }
        };
        read.map(effect).collect()
    }
}
