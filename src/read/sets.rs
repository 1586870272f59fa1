//! The sets that rules name: what a dump of them says is in them, and what rules do to them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::diagnostic::Finding;
use crate::net::Family;
use crate::ruleset::{
    KernelSet, MAX_SET_NAME, Match, MatchKind, Origin, SetContent, Table, Target,
};
use crate::source::Span;

use super::{Words, messages};

/// The sets of a file of rules, while it is read.
pub(super) struct KnownSets {
    list: Vec<Arc<KernelSet>>,
    by_name: HashMap<Arc<str>, usize>,
    /// The line that is being read.
    pub line: Span,
    /// Sets that rules change.
    changed: BTreeSet<String>,
}

impl KnownSets {
    pub fn new(given: &[Arc<KernelSet>], family: Family, line: Span) -> Self {
        let (list, by_name) = (Vec::new(), HashMap::new());
        let mut sets = KnownSets { list, by_name, line, changed: BTreeSet::new() };
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

    /// Notes that a rule changes what is in a set.
    pub fn change(&mut self, name: &str) {
        self.changed.insert(name.to_owned());
    }

    /// Gives the sets out, and the names of those that rules change: of these it takes back of the rules what
    /// was said of them, and tells where it was known what is in them.
    pub fn settle(
        mut self,
        tables: &mut [Table],
        findings: &mut Vec<Finding>,
    ) -> (Vec<Arc<KernelSet>>, BTreeSet<String>) {
        for set in self.forget() {
            if let Origin::Read(span) = set.origin {
                findings.push(messages::filled_set(span, &set.name));
            }
        }
        if self.changes_any() {
            let chains = tables.iter_mut().flat_map(|table| &mut table.chains);
            for rule in chains.flat_map(|chain| &mut chain.rules) {
                self.settle_rule(&mut rule.matches, &mut rule.target);
            }
        }
        (self.list, self.changed)
    }

    /// The same of single rules.
    pub fn settle_words<'w>(mut self, rules: impl Iterator<Item = &'w mut Words>) {
        self.forget();
        for rule in rules {
            for matches in &mut rule.matches {
                self.settle_rule(matches, &mut rule.target);
            }
        }
    }

    fn changes_any(&self) -> bool {
        !self.changed.is_empty() || self.list.iter().any(|set| set.is_dynamic())
    }

    /// What a dump of a set has is what was in it at the time: of those that rules change it is not known
    /// any more. Those of which it was.
    fn forget(&mut self) -> Vec<Arc<KernelSet>> {
        let mut forgotten = Vec::new();
        for set in &mut self.list {
            if self.changed.contains(&*set.name) && matches!(set.content, SetContent::Static(_)) {
                let content = SetContent::Unknown;
                let (name, family, origin) = (Arc::clone(&set.name), set.family, set.origin);
                let unknown = Arc::new(KernelSet { name, family, content, origin });
                forgotten.push(std::mem::replace(set, unknown));
            }
        }
        forgotten
    }

    fn settle_rule(&self, matches: &mut [Match], target: &mut Target) {
        for found in matches {
            if let MatchKind::Set { set, .. } = &mut found.kind {
                *set = self.now(set);
            } else if let MatchKind::Opaque(text) = &found.kind
                && self.asks_changing(text)
            {
                found.kind = MatchKind::OpaqueHistory(Arc::clone(text));
            }
        }
        if let Target::AddSource { set, .. } = target {
            *set = self.now(set);
        }
    }

    fn now(&self, set: &Arc<KernelSet>) -> Arc<KernelSet> {
        Arc::clone(self.by_name.get(&set.name).map_or(set, |at| &self.list[*at]))
    }

    /// Whether the words of a match ask a set that changes while packets come by.
    fn asks_changing(&self, text: &str) -> bool {
        let mut words = text.strip_prefix("-m set ").unwrap_or_default().split(' ');
        let named = words.find(|word| word.ends_with("-set")).and_then(|_| words.next());
        let is_dynamic =
            |name: &str| self.by_name.get(name).is_some_and(|at| self.list[*at].is_dynamic());
        named.is_some_and(|name| self.changed.contains(name) || is_dynamic(name))
    }
}
