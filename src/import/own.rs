//! Sets of the kernel that are dynamic sets of a policy, whose names say all that they are made with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::net::Family;
use crate::resolve::policy::{Dynamic, SourceLengths};
use crate::ruleset::{KernelSet, MatchKind, Rule, Ruleset, SetContent, Target};
use crate::syntax::is_name;

/// The dynamic sets of a policy by their names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct OwnSets(BTreeMap<Arc<str>, Dynamic>);

impl OwnSets {
    /// Those that rules name and that one policy can have: a name stands for one set in both families.
    pub fn of(rulesets: &[&Ruleset]) -> Self {
        Self::among(rulesets, |_| true)
    }

    /// Those of which the rules have been told what their names say.
    pub fn told(rulesets: &[&Ruleset]) -> Self {
        Self::among(rulesets, is_told)
    }

    fn among(rulesets: &[&Ruleset], takes: fn(&KernelSet) -> bool) -> Self {
        let mut own = OwnSets::default();
        let mut unclear: BTreeSet<Arc<str>> = BTreeSet::new();
        for ruleset in rulesets {
            let family = ruleset.family;
            let mut in_family: BTreeMap<Arc<str>, &Arc<str>> = BTreeMap::new();
            for set in rules(ruleset).flat_map(sets_of).filter(|set| takes(set)) {
                let Some((name, dynamic)) = read(set, family) else { continue };
                let is_one = *in_family.entry(Arc::clone(&name)).or_insert(&set.name) == &set.name;
                let known = own.0.entry(Arc::clone(&name)).or_insert(dynamic);
                match family {
                    Family::V4 => known.lengths.v4 = dynamic.lengths.v4,
                    Family::V6 => known.lengths.v6 = dynamic.lengths.v6,
                }
                if !is_one || (known.timeout, known.size) != (dynamic.timeout, dynamic.size) {
                    unclear.insert(name);
                }
            }
        }
        // Of what size networks are is said where they are added.
        let rules = rulesets.iter().flat_map(|ruleset| rules(ruleset));
        let added: BTreeSet<Arc<str>> = rules
            .filter_map(|rule| {
                let Target::AddSource { set, .. } = &rule.target else { return None };
                read(set, set.family).map(|(name, _)| name)
            })
            .collect();
        let is_said = |name: &Arc<str>, set: &Dynamic| set.lengths == WHOLE || added.contains(name);
        own.0.retain(|name, set| !unclear.contains(name) && is_said(name, set));
        own
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Dynamic)> {
        self.0.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// `source`, or `source/24,/64` where networks are added to a set.
    pub fn key(&self, name: &str) -> String {
        match self.0.get(name).map(|dynamic| dynamic.lengths) {
            None | Some(WHOLE) => "source".to_owned(),
            Some(SourceLengths { v4, v6 }) => format!("source/{v4},/{v6}"),
        }
    }

    /// The rules with what the names of these sets say.
    pub fn tell(&self, ruleset: &mut Ruleset) {
        let family = ruleset.family;
        let chains = ruleset.tables.iter_mut().flat_map(|table| &mut table.chains);
        for rule in chains.flat_map(|chain| &mut chain.rules) {
            let asked = rule.matches.iter_mut().filter_map(|found| {
                let MatchKind::Set { set, .. } = &mut found.kind else { return None };
                Some(set)
            });
            let mut sets: Vec<&mut Arc<KernelSet>> = asked.collect();
            if let Target::AddSource { set, .. } = &mut rule.target {
                sets.push(set);
            }
            for set in sets {
                let Some((name, dynamic)) = read(set, family) else { continue };
                if self.has(&name) {
                    let content = SetContent::Dynamic(dynamic.in_kernel(family));
                    *set = Arc::new(KernelSet { content, ..(**set).clone() });
                }
            }
        }
    }
}

/// Whole addresses.
const WHOLE: SourceLengths = SourceLengths { v4: 32, v6: 128 };

fn rules(ruleset: &Ruleset) -> impl Iterator<Item = &Rule> {
    let chains = ruleset.tables.iter().flat_map(|table| &table.chains);
    chains.flat_map(|chain| &chain.rules)
}

/// The sets that a rule asks, and the one that it fills.
fn sets_of(rule: &Rule) -> impl Iterator<Item = &Arc<KernelSet>> {
    let asked = rule.matches.iter().filter_map(|found| {
        let MatchKind::Set { set, .. } = &found.kind else { return None };
        Some(set)
    });
    let added = std::iter::once(&rule.target).filter_map(|target| {
        let Target::AddSource { set, .. } = target else { return None };
        Some(set)
    });
    asked.chain(added)
}

/// What the set of a policy is called that rules know by its name alone.
pub(super) fn name(set: &KernelSet) -> Option<Arc<str>> {
    is_told(set).then(|| read(set, set.family)).flatten().map(|(name, _)| name)
}

fn is_told(set: &KernelSet) -> bool {
    match set.content {
        SetContent::Dynamic(_) => true,
        SetContent::Static(_) | SetContent::Unknown => false,
    }
}

/// The name in the policy of a set that is a policy's by its own, and what it is made with.
fn read(set: &KernelSet, family: Family) -> Option<(Arc<str>, Dynamic)> {
    Dynamic::of_kernel_name(&set.name, family).filter(|(name, _)| is_name(name))
}
