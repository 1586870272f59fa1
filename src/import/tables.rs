//! Tables beside the filter. Their statements stand at the top level, so a chain of theirs whose rules all
//! have words is said where it is called.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::net::Family;
use crate::resolve::policy::KernelChain;
use crate::ruleset::{ChainPolicy, Rule, TableName, Target};
use crate::source::Span;

use super::draft::{Drafting, line_of};
use super::merge::{self, Piece, RawRule};
use super::reading::Standing;
use super::side::Side;
use super::write::Place;

/// So many rules are said at one call at the most.
const MAX_CALLED: usize = 100;

/// So many rules are said at all calls of a chain of the kernel at the most: a policy many times as long as
/// the dump is no help to who reads it.
const MAX_CALLED_IN_ALL: usize = 5_000;

/// Chains that jump on more often than this are said in the words of the dump.
const DEEPEST_CALL: usize = 8;

impl Drafting<'_> {
    pub(super) fn other_table(&mut self, table: TableName) {
        let start = self.writer.text.len();
        let mut called = BTreeSet::new();
        let said = match table {
            TableName::Raw => {
                let mut said = self.notracks();
                said.append(&mut self.said_by_services());
                said
            }
            TableName::Filter | TableName::Nat | TableName::Mangle | TableName::Security => {
                BTreeSet::new()
            }
        };
        let bases: Vec<(&str, Vec<Piece>)> = table
            .built_in_chains()
            .iter()
            .map(|chain| (*chain, self.kernel_chain(table, chain, &said, &mut called)))
            .collect();
        let mut chains = self.chains_of(table);
        chains.retain(|chain| called.contains(&chain.name));
        self.chains(table, chains);
        for (chain, pieces) in bases {
            let kernel = KernelChain::ALL.into_iter().find(|one| one.name() == chain);
            let place = match kernel {
                Some(chain) if table == TableName::Mangle => Place::Mangle(chain),
                Some(_) | None => Place::Nat,
            };
            for piece in pieces {
                self.put(&piece, place, self.given, "");
            }
        }
        if self.writer.text.len() > start {
            self.line("");
        }
    }

    /// The rules of a chain of the kernel, of both families, but for what is said already. Notes the chains that are called.
    fn kernel_chain(
        &self,
        table: TableName,
        name: &str,
        said: &BTreeSet<Span>,
        called: &mut BTreeSet<Arc<str>>,
    ) -> Vec<Piece> {
        let standing = Standing::of(table, name);
        let mut lists = [Vec::new(), Vec::new()];
        for side in &self.sides {
            let family = side.ruleset.family;
            let Some(chain) = side.chain(table, name) else { continue };
            let pieces = &mut lists[usize::from(family == Family::V6)];
            // Chains of one name call others in each family.
            let mut called_here = BTreeSet::new();
            let mut left = MAX_CALLED_IN_ALL;
            let is_said = |rule: &&Rule| line_of(rule).is_some_and(|line| said.contains(&line));
            for rule in side.rules(table, chain).filter(|rule| !is_said(rule)) {
                let most = MAX_CALLED.min(left);
                let inside =
                    standing.and_then(|standing| self.inside(side, (table, standing), rule, most));
                match inside {
                    Some(rules) => {
                        left = left.saturating_sub(rules.len());
                        let lines = line_of(rule);
                        for rule in rules {
                            let mut piece = self.said(side, &rule, (table, name), standing);
                            piece.lines.extend(lines);
                            pieces.push(piece);
                        }
                    }
                    None => {
                        note_called(side, table, rule, &mut called_here);
                        pieces.push(self.said(side, rule, (table, name), standing));
                    }
                }
            }
            called.append(&mut called_here);
            if chain.policy == Some(ChainPolicy::Drop) {
                let raw = RawRule::of_all(family, (table, name.into()), "-j DROP");
                pieces.push(Piece::raw(vec![raw], Vec::new()));
            }
        }
        let [v4, v6] = lists;
        merge::lists(merge::together(v4, v6))
    }

    /// The rules of a chain as rules of the one that calls it, when the language has words for each and there
    /// are no more than so many.
    fn inside(
        &self,
        side: &Side<'_>,
        (table, standing): (TableName, Standing),
        rule: &Rule,
        most: usize,
    ) -> Option<Vec<Rule>> {
        let Target::Jump(_) = rule.target else { return None };
        let mut rules = Vec::new();
        flat((side, table), rule, &mut rules, most, DEEPEST_CALL)?;
        let has_words = |rule: &Rule| self.words(side, rule, standing).is_some();
        rules.iter().all(has_words).then_some(rules)
    }
}

/// What a rule says, with the chain that it jumps to as rules of its own; `None` where a rule leaves that
/// chain, where chains jump on more than so often, or where that is more rules.
fn flat(
    (side, table): (&Side<'_>, TableName),
    rule: &Rule,
    rules: &mut Vec<Rule>,
    most: usize,
    deeper: usize,
) -> Option<()> {
    let Target::Jump(name) = &rule.target else {
        let leaves = matches!(rule.target, Target::Return | Target::Goto(_));
        if leaves || rules.len() == most {
            return None;
        }
        rules.push(rule.clone());
        return Some(());
    };
    if rule.matches.iter().any(|found| found.kind.depends_on_history()) {
        return None;
    }
    let chain = side.chain(table, name)?;
    for inner in side.rules(table, chain) {
        let asked = inner.matches.iter().filter(|found| !rule.matches.contains(found));
        let matches = rule.matches.iter().chain(asked).cloned().collect();
        // What goes to a chain at the end of this one comes back to the same place.
        let target = match &inner.target {
            Target::Goto(to) if side.rules(table, chain).last() == Some(inner) => {
                Target::Jump(Arc::clone(to))
            }
            other => other.clone(),
        };
        let inner = Rule { matches, target, origin: inner.origin };
        flat((side, table), &inner, rules, most, deeper.checked_sub(1)?)?;
    }
    Some(())
}

/// Notes the chain that a rule calls, and those that this one calls.
fn note_called(side: &Side<'_>, table: TableName, rule: &Rule, called: &mut BTreeSet<Arc<str>>) {
    let mut waiting: Vec<&Arc<str>> = rule.target.chain().into_iter().collect();
    while let Some(name) = waiting.pop() {
        if side.does_nothing(table, name) {
            continue;
        }
        let Some(chain) = side.chain(table, name) else { continue };
        if called.insert(Arc::clone(name)) {
            let names = side.rules(table, chain).filter_map(|rule| rule.target.chain());
            waiting.extend(names.filter(|name| !called.contains(*name)));
        }
    }
}
