//! The rules of one family, and what of them does something.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::ruleset::{Chain, DOCKER_USER, MatchKind, Rule, Ruleset, Table, TableName, Target};

/// The rules of one family, and what of them is used.
pub(super) struct Side<'a> {
    pub ruleset: &'a Ruleset,
    /// The chains of each table that something jumps to and that do something, in the order declared.
    pub used: Vec<Called>,
    /// Every chain by its table and its name; only looked up in.
    chains: HashMap<(TableName, &'a str), Known<'a>>,
    /// How many rules of each chain that is not the kernel's do something: none behind does, as at the end
    /// all return.
    kept: BTreeMap<Called, usize>,
    pub idle: usize,
    /// Tables of `hashlimit` that more than one rule asks: what the language limits is not shared.
    shared_tables: BTreeSet<Arc<str>>,
}

struct Known<'a> {
    chain: &'a Chain,
    is_reached: bool,
}

/// A chain by its table and its name there.
pub(super) type Called = (TableName, Arc<str>);

impl<'a> Side<'a> {
    pub fn of(ruleset: &'a Ruleset) -> Self {
        let (used, kept, shared_tables) = (Vec::new(), BTreeMap::new(), shared_tables(ruleset));
        let chains = HashMap::new();
        let mut side = Side { ruleset, used, chains, kept, idle: 0, shared_tables };
        for table in &ruleset.tables {
            // Of those of one name, the first is meant.
            for chain in &table.chains {
                let known = Known { chain, is_reached: false };
                side.chains.entry((table.name, &*chain.name)).or_insert(known);
            }
        }
        for table in &ruleset.tables {
            side.find_kept(table);
            side.find_used(table);
        }
        side
    }

    fn find_used(&mut self, table: &'a Table) {
        // Docker's own rules jump there.
        let is_entered = |chain: &&Chain| {
            let of_docker = table.name == TableName::Filter && &*chain.name == DOCKER_USER;
            chain.policy.is_some() || of_docker && !self.does_nothing(table.name, &chain.name)
        };
        let mut waiting: Vec<&Chain> = table.chains.iter().filter(is_entered).collect();
        while let Some(chain) = waiting.pop() {
            let known = self.chains.get_mut(&(table.name, &*chain.name));
            if known.is_none_or(|known| std::mem::replace(&mut known.is_reached, true)) {
                continue;
            }
            // Who goes to an empty chain is written to return.
            let next = self.rules(table.name, chain).filter_map(|rule| rule.target.chain());
            let next = next.filter(|name| !self.does_nothing(table.name, name));
            waiting.extend(next.filter_map(|name| self.chain(table.name, name)));
        }
        for chain in &table.chains {
            let is_used = self.is_reached(table.name, chain);
            let said = if is_used { self.rules(table.name, chain).count() } else { 0 };
            self.idle += chain.rules.len() - said;
            if is_used && chain.policy.is_none() {
                self.used.push((table.name, Arc::clone(&chain.name)));
            }
        }
    }

    /// Until no chain is found to do less: one that does nothing lets those who call it do less.
    fn find_kept(&mut self, table: &'a Table) {
        let users = || table.chains.iter().filter(|chain| chain.policy.is_none());
        let mut callers: HashMap<&str, Vec<&Chain>> = HashMap::new();
        for chain in users() {
            self.kept.insert((table.name, Arc::clone(&chain.name)), chain.rules.len());
            for name in chain.rules.iter().filter_map(|rule| rule.target.chain()) {
                callers.entry(&**name).or_default().push(chain);
            }
        }
        let mut waiting: Vec<&Chain> = users().collect();
        while let Some(chain) = waiting.pop() {
            let called = (table.name, Arc::clone(&chain.name));
            let known = self.kept.get(&called).copied().unwrap_or_default();
            let acts = |rule: &Rule| !self.returns(table.name, rule);
            let kept = chain.rules[..known].iter().rposition(acts).map_or(0, |last| last + 1);
            self.kept.insert(called, kept);
            if kept == 0 {
                waiting.extend(callers.remove(&*chain.name).unwrap_or_default());
            }
        }
    }

    /// The rules of a chain that do something.
    pub fn rules<'s>(
        &'s self,
        table: TableName,
        chain: &'s Chain,
    ) -> impl Iterator<Item = &'s Rule> + use<'s, 'a> {
        let kept = self.kept(table, chain);
        chain.rules[..kept].iter().filter(move |rule| !self.is_idle(table, rule))
    }

    /// How many rules of a chain count: behind them are none that do something.
    pub fn kept(&self, table: TableName, chain: &Chain) -> usize {
        let kept = self.kept.get(&(table, Arc::clone(&chain.name))).copied();
        kept.unwrap_or(chain.rules.len())
    }

    pub fn does_nothing(&self, table: TableName, chain: &Arc<str>) -> bool {
        self.kept.get(&(table, Arc::clone(chain))) == Some(&0)
    }

    /// Whether a rule jumps to a chain that does nothing.
    pub fn is_idle(&self, table: TableName, rule: &Rule) -> bool {
        matches!(&rule.target, Target::Jump(name) if self.does_nothing(table, name))
            && !rule.matches.iter().any(|found| found.kind.depends_on_history())
    }

    /// Whether at the end of a chain a rule does nothing.
    fn returns(&self, table: TableName, rule: &Rule) -> bool {
        let to = rule.target.chain();
        let comes_back =
            rule.target == Target::Return || to.is_some_and(|to| self.does_nothing(table, to));
        comes_back && !rule.matches.iter().any(|found| found.kind.depends_on_history())
    }

    /// Whether a rule counts by a table that another counts by too.
    pub fn counts_with_others(&self, rule: &Rule) -> bool {
        tables(rule).any(|name| self.shared_tables.contains(name))
    }

    /// Whether packets come to a chain.
    pub fn uses(&self, table: TableName, chain: &Chain) -> bool {
        chain.policy.is_some() || self.is_reached(table, chain)
    }

    fn is_reached(&self, table: TableName, chain: &Chain) -> bool {
        self.chains.get(&(table, &*chain.name)).is_some_and(|known| known.is_reached)
    }

    pub fn chain(&self, table: TableName, name: &str) -> Option<&'a Chain> {
        self.chains.get(&(table, name)).map(|known| known.chain)
    }

    pub fn filter(&self, name: &str) -> Option<&'a Chain> {
        self.chain(TableName::Filter, name)
    }
}

fn shared_tables(ruleset: &Ruleset) -> BTreeSet<Arc<str>> {
    let chains = ruleset.tables.iter().flat_map(|table| &table.chains);
    let (mut once, mut shared) = (BTreeSet::new(), BTreeSet::new());
    for name in chains.flat_map(|chain| &chain.rules).flat_map(tables) {
        if !once.insert(name) {
            shared.insert(Arc::clone(name));
        }
    }
    shared
}

/// The tables of `hashlimit` that a rule asks, by name.
fn tables(rule: &Rule) -> impl Iterator<Item = &Arc<str>> {
    rule.matches.iter().filter_map(|found| {
        let MatchKind::Hashlimit(table) = &found.kind else { return None };
        Some(&table.name)
    })
}
