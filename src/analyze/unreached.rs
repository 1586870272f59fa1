//! Chains of the user that packets never come to, although they are named or have rules.

use std::collections::{BTreeMap, BTreeSet};

use super::dead::Life;
use super::flat::{Cut, Role};
use super::judge::Judgement;
use super::text::{Dump, Text};
use crate::diagnostic::{Finding, catalogue};
use crate::meaning::{Effect, Reason};
use crate::resolve::Policy;
use crate::resolve::policy::{Action, ChainId, Item, Rule};
use crate::ruleset::{DOCKER_USER, TableName};
use crate::source::Span;

/// A finding for each chain that is named by rules none of which a packet reaches; in a dump also for
/// chains with rules that nothing names. Nothing is said where not all ways are walked.
pub fn chains(text: Text<'_>, judgement: &Judgement<'_>) -> Vec<Finding> {
    if judgement.chains.iter().any(|judged| judged.flat.cut == Some(Cut::Ways)) {
        return Vec::new();
    }
    let entered = entered(judgement);
    match text {
        Text::Policy(policy) => in_policy(policy, &entered),
        Text::Dump(dump) => in_dump(dump, &entered),
    }
}

/// The chains that packets come to, as far as is known.
fn entered(judgement: &Judgement<'_>) -> BTreeSet<ChainId> {
    let mut entered = BTreeSet::new();
    for judged in &judgement.chains {
        for (step, life) in judged.flat.steps.iter().zip(&judged.lives) {
            if let (Effect::Call(chain) | Effect::Goto(chain), Role::Said) =
                (&step.entry.effect, step.role)
                && matches!(life, Life::Live(_) | Life::Unknown)
                && matches!(step.entry.reason, Reason::Written(_))
            {
                entered.insert(*chain);
            }
        }
    }
    entered
}

fn in_policy(policy: &Policy, entered: &BTreeSet<ChainId>) -> Vec<Finding> {
    let mut callers: BTreeMap<ChainId, Vec<Span>> = BTreeMap::new();
    for rule in rules(policy) {
        if let Action::Jump(chain) | Action::Goto(chain) = rule.action {
            callers.entry(chain).or_default().push(rule.origin.span);
        }
    }
    callers.retain(|chain, _| !entered.contains(chain));
    let unreached = callers.into_iter().filter_map(|(id, calls)| {
        let chain = policy.chains.get(id.0 as usize)?;
        let finding = unreached(&chain.name, chain.span, calls);
        Some(finding.help("mend the rules that lead here, or delete the chain with them"))
    });
    unreached.collect()
}

fn unreached(name: &str, span: Span, calls: Vec<Span>) -> Finding {
    let message = format!("no packet reaches the chain `{name}`");
    let finding = Finding::new(&catalogue::UNREACHABLE_CHAIN, span, message)
        .label("nothing here ever matches");
    calls
        .into_iter()
        .fold(finding, |finding, call| finding.related(call, "no packet takes this way"))
}

/// The chains with rules. Of those that only other unreached chains lead to nothing is said: that
/// follows.
fn in_dump(dump: &Dump, entered: &BTreeSet<ChainId>) -> Vec<Finding> {
    let ids: BTreeMap<(TableName, &str), ChainId> = (0..)
        .map(ChainId)
        .zip(dump.chains())
        .map(|(id, (table, name))| ((*table, &**name), id))
        .collect();
    let is_unreached = |table, name: &str| {
        let id = ids.get(&(table, name));
        id.is_some_and(|id| !entered.contains(id))
            && (table, name) != (TableName::Filter, DOCKER_USER)
    };
    let mut first: BTreeMap<ChainId, Span> = BTreeMap::new();
    // Of each chain the rules that lead to it, and whether packets come where they stand.
    let mut callers: BTreeMap<ChainId, Vec<(Span, bool)>> = BTreeMap::new();
    for (table, chain, line, rule) in dump.rules() {
        if let Some(id) = ids.get(&(table, &**chain)) {
            first.entry(*id).or_insert(line);
        }
        if let Some(to) = rule.target.chain()
            && let Some(id) = ids.get(&(table, &**to))
        {
            callers.entry(*id).or_default().push((line, !is_unreached(table, chain)));
        }
    }
    let found = (0..).map(ChainId).zip(dump.chains()).filter_map(|(id, (table, name))| {
        let first = first.get(&id).filter(|_| is_unreached(*table, name))?;
        let span = dump.declared(*table, name).unwrap_or(*first);
        let calls = callers.remove(&id).unwrap_or_default();
        if calls.is_empty() {
            let finding = unreached(name, span, Vec::new()).note("no rule jumps to it");
            return Some(finding.help("jump to it, or delete it with its rules"));
        }
        let calls: Vec<Span> =
            calls.into_iter().filter(|(_, is)| *is).map(|(line, _)| line).collect();
        let finding = (!calls.is_empty()).then(|| unreached(name, span, calls))?;
        Some(finding.help("mend the rules that lead here, or delete the chain with them"))
    });
    found.collect()
}

fn rules(policy: &Policy) -> impl Iterator<Item = &Rule> {
    let items = policy.items.iter().filter_map(|item| match item {
        Item::Rule(rule) => Some(rule),
        Item::Nat(_) | Item::Alter(_) | Item::Raw(_) => None,
    });
    items.chain(policy.chains.iter().flat_map(|chain| &chain.rules))
}
