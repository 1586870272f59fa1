//! Sets of the kernel that are lists of the policy: of which is told what is in them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::net::Interface;
use crate::ruleset::{KernelSet, MatchKind, Rule, Ruleset, SetContent};
use crate::syntax::is_name;

use super::names::Taken;
use super::own::OwnSets;
use super::reading::{Standing, statement};

/// So many networks are written in a list.
const MAX_LIST: usize = 10_000;

/// The rules of both families with what is known of sets: those that are a policy's by their names, and as
/// lists those of which is told what is in them for good: which no rule changes. Others stay the kernel's, and so
/// do those of rules that the language has no words for.
#[must_use]
pub fn with_sets(rulesets: [Option<&Ruleset>; 2], told: &[Arc<KernelSet>]) -> [Option<Ruleset>; 2] {
    let own = OwnSets::of(&rulesets.into_iter().flatten().collect::<Vec<_>>());
    rulesets.map(|ruleset| {
        let mut ruleset = ruleset?.clone();
        own.tell(&mut ruleset);
        Some(with_lists(&ruleset, told))
    })
}

fn with_lists(ruleset: &Ruleset, told: &[Arc<KernelSet>]) -> Ruleset {
    let mut lists: BTreeMap<Arc<str>, Arc<KernelSet>> = told
        .iter()
        .filter(|set| is_list(set))
        .map(|set| (Arc::clone(&set.name), Arc::clone(set)))
        .collect();
    let all = asking(ruleset, &lists);
    for table in &all.tables {
        for chain in &table.chains {
            let standing = Standing::of(table.name, &chain.name);
            let has_words = |rule: &&Rule| {
                standing.is_some_and(|standing| statement(rule, all.family, standing).is_some())
            };
            for rule in chain.rules.iter().filter(|rule| !has_words(rule)) {
                for found in &rule.matches {
                    if let MatchKind::Set { set, .. } = &found.kind {
                        lists.remove(&set.name);
                    }
                }
            }
        }
    }
    asking(ruleset, &lists)
}

/// The rules with what is in these sets.
fn asking(ruleset: &Ruleset, lists: &BTreeMap<Arc<str>, Arc<KernelSet>>) -> Ruleset {
    let mut ruleset = ruleset.clone();
    let chains = ruleset.tables.iter_mut().flat_map(|table| &mut table.chains);
    let matches = chains.flat_map(|chain| &mut chain.rules).flat_map(|rule| &mut rule.matches);
    for found in matches {
        if let MatchKind::Set { set, .. } = &mut found.kind
            && set.content == SetContent::Unknown
            && let Some(known) = lists.get(&set.name)
        {
            *set = Arc::clone(known);
        }
    }
    ruleset
}

fn is_list(set: &KernelSet) -> bool {
    let is_static = matches!(set.content, SetContent::Static(_));
    is_static && (1..=MAX_LIST).contains(&set.networks().take(MAX_LIST + 1).count())
}

/// What sets are called of which is known what is in them: like in the kernel, as far as the language
/// takes that and no zone or other set has the name.
pub(super) fn set_names(
    sets: &[Arc<KernelSet>],
    zones: &BTreeMap<Interface, String>,
    own: &OwnSets,
) -> BTreeMap<Arc<str>, String> {
    let own = own.iter().map(|(name, _)| name.to_string());
    let mut taken: Taken = zones.values().cloned().chain(own).collect();
    let mut names = BTreeMap::new();
    for set in sets {
        let fits = |c: char| if c.is_ascii_alphanumeric() || "_-.".contains(c) { c } else { '-' };
        let stem: String = set.name.chars().map(fits).collect();
        let stem = stem.trim_matches(['-', '.', '_']);
        let stem = if is_name(stem) { stem.to_owned() } else { format!("set-{stem}") };
        names.insert(Arc::clone(&set.name), taken.free(&stem));
    }
    names
}

/// The sets that rules ask for of which is known what is in them.
pub(super) fn known_sets(rulesets: &[&Ruleset]) -> Vec<Arc<KernelSet>> {
    let mut known: BTreeMap<Arc<str>, Arc<KernelSet>> = BTreeMap::new();
    for ruleset in rulesets {
        let chains = ruleset.tables.iter().flat_map(|table| &table.chains);
        let matches = chains.flat_map(|chain| &chain.rules).flat_map(|rule| &rule.matches);
        for found in matches {
            if let MatchKind::Set { set, .. } = &found.kind
                && matches!(set.content, SetContent::Static(_))
            {
                known.insert(Arc::clone(&set.name), Arc::clone(set));
            }
        }
    }
    known.into_values().collect()
}
