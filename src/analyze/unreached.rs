//! Chains of the user that packets never come to, although rules name them.

use std::collections::BTreeMap;

use super::dead::Life;
use super::flat::Role;
use super::judge::Judgement;
use crate::diagnostic::{Finding, catalogue};
use crate::meaning::{Effect, Reason};
use crate::resolve::Policy;
use crate::resolve::policy::{Action, ChainId, Item, Rule};
use crate::source::Span;

/// A finding for each chain that is named by rules none of which a packet reaches.
pub fn chains(policy: &Policy, judgement: &Judgement<'_>) -> Vec<Finding> {
    let mut callers: BTreeMap<ChainId, Vec<Span>> = BTreeMap::new();
    for rule in rules(policy) {
        if let Action::Jump(chain) | Action::Goto(chain) = rule.action {
            callers.entry(chain).or_default().push(rule.origin.span);
        }
    }
    for judged in &judgement.chains {
        for (step, life) in judged.flat.steps.iter().zip(&judged.lives) {
            if let (Effect::Call(chain) | Effect::Goto(chain), Role::Said) =
                (&step.entry.effect, step.role)
                && matches!(life, Life::Live(_) | Life::Unknown)
                && matches!(step.entry.reason, Reason::Written(_))
            {
                callers.remove(chain);
            }
        }
    }
    let unreached = callers.into_iter().filter_map(|(id, calls)| {
        let chain = policy.chains.get(id.0 as usize)?;
        let message = format!("no packet reaches the chain `{}`", chain.name);
        let finding = Finding::new(&catalogue::UNREACHABLE_CHAIN, chain.span, message)
            .label("nothing here ever matches");
        let finding = calls
            .into_iter()
            .fold(finding, |finding, call| finding.related(call, "no packet takes this way"));
        Some(finding.help("mend the rules that lead here, or delete the chain with them"))
    });
    unreached.collect()
}

fn rules(policy: &Policy) -> impl Iterator<Item = &Rule> {
    let items = policy.items.iter().filter_map(|item| match item {
        Item::Rule(rule) => Some(rule),
        Item::Nat(_) | Item::Alter(_) | Item::Raw(_) => None,
    });
    items.chain(policy.chains.iter().flat_map(|chain| &chain.rules))
}
