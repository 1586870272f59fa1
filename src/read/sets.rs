//! The sets that rules name: what a dump of them says is in them, and what rules do to them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::net::Family;
use crate::ruleset::{
    KernelSet, MAX_SET_NAME, Match, MatchKind, Origin, Rule, SetContent, SetSide, Table, Target,
};
use crate::source::Span;

/// The sets of a file of rules, while it is read.
pub(super) struct KnownSets {
    list: Vec<Arc<KernelSet>>,
    by_name: HashMap<Arc<str>, usize>,
    /// The line that is being read.
    pub line: Span,
    /// Sets that rules add to in the way that the model knows.
    filled: HashSet<String>,
    /// Sets that rules change in other ways.
    disturbed: HashSet<String>,
}

impl KnownSets {
    pub fn new(given: &[Arc<KernelSet>], family: Family, line: Span) -> Self {
        let (list, by_name) = (Vec::new(), HashMap::new());
        let (filled, disturbed) = (HashSet::new(), HashSet::new());
        let mut sets = KnownSets { list, by_name, line, filled, disturbed };
        for set in given.iter().filter(|set| set.family == family) {
            sets.add(Arc::clone(set));
        }
        sets
    }

    fn add(&mut self, set: Arc<KernelSet>) {
        self.by_name.insert(Arc::clone(&set.name), self.list.len());
        self.list.push(set);
    }

    /// The set of a name, which nobody may have spoken of yet; `None` when no set can be called so.
    pub fn get(&mut self, name: &str, family: Family) -> Option<Arc<KernelSet>> {
        if let Some(at) = self.by_name.get(name) {
            return Some(Arc::clone(&self.list[*at]));
        }
        if name.is_empty() || name.len() > MAX_SET_NAME {
            return None;
        }
        let origin = Origin::Read(self.line);
        let content = SetContent::Unknown;
        let set = Arc::new(KernelSet { name: name.into(), family, content, origin });
        self.add(Arc::clone(&set));
        Some(set)
    }

    pub fn fill(&mut self, name: &str) {
        self.filled.insert(name.to_owned());
    }

    pub fn disturb(&mut self, name: &str) {
        self.disturbed.insert(name.to_owned());
    }

    /// Gives the sets out, and takes back of the rules what was said of sets that rules change.
    pub fn settle(mut self, tables: &mut [Table]) -> Vec<Arc<KernelSet>> {
        if self.filled.is_empty() && self.disturbed.is_empty() {
            return self.list;
        }
        for set in &mut self.list {
            let changes = self.filled.contains(&*set.name) || self.disturbed.contains(&*set.name);
            if changes && !set.is_dynamic() {
                // What a dump of it has is what was in it at the time.
                let content = SetContent::Unknown;
                let (name, family, origin) = (Arc::clone(&set.name), set.family, set.origin);
                *set = Arc::new(KernelSet { name, family, content, origin });
            }
        }
        let rules = tables.iter_mut().flat_map(|table| &mut table.chains);
        for rule in rules.flat_map(|chain| &mut chain.rules) {
            self.settle_rule(rule);
        }
        self.list
    }

    fn settle_rule(&self, rule: &mut Rule) {
        for found in &mut rule.matches {
            if let MatchKind::Set { set, side } = &mut found.kind {
                if self.disturbed.contains(&*set.name) {
                    *found = words_of(found.negated, &set.name, *side);
                } else {
                    *set = self.now(set);
                }
            } else if let MatchKind::Opaque(text) = &found.kind
                && self.asks_changing(text)
            {
                found.kind = MatchKind::OpaqueHistory(Arc::clone(text));
            }
        }
        if let Target::AddSource { set, .. } = &mut rule.target {
            *set = self.now(set);
        }
    }

    fn now(&self, set: &Arc<KernelSet>) -> Arc<KernelSet> {
        Arc::clone(self.by_name.get(&set.name).map_or(set, |at| &self.list[*at]))
    }

    /// Whether the words of a match ask a set that rules change.
    fn asks_changing(&self, text: &str) -> bool {
        let mut words = text.strip_prefix("-m set ").unwrap_or_default().split(' ');
        let named = words.find(|word| word.ends_with("-set")).and_then(|_| words.next());
        named.is_some_and(|name| self.filled.contains(name) || self.disturbed.contains(name))
    }
}

/// A match whose truth may change with each packet, by its words.
fn words_of(negated: bool, name: &str, side: SetSide) -> Match {
    let not = if negated { "! " } else { "" };
    let side = match side {
        SetSide::Source => "src",
        SetSide::Destination => "dst",
    };
    MatchKind::OpaqueHistory(format!("-m set {not}--match-set {name} {side}").into()).into()
}
