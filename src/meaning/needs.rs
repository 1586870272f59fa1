//! Which base chains of the filter get implicit rules at all.

use crate::resolve::Policy;
use crate::resolve::policy::{
    Action, Chain, ChainId, Hook, Item, KernelChain, NatKind, Raw, RawTable, RawTarget, Rule,
    Scope, Verdict,
};

/// Whether the implicit rules of a chain are there.
///
/// Input always has them. Forward has them when its default is allow or the policy forwards
/// something: otherwise nothing passes, and there is nothing whose answers would be let through.
/// Output has them when its default is not allow or a rule there can drop or reject.
pub(super) fn needs_implicit(policy: &Policy, hook: Hook) -> bool {
    let allowed = matches!(policy.defaults.of(hook).verdict, Verdict::Allow);
    match hook {
        Hook::Input => true,
        Hook::Forward => allowed || policy.items.iter().any(forwards),
        Hook::Output => !allowed || can_refuse_output(policy),
    }
}

fn forwards(item: &Item) -> bool {
    match item {
        Item::Rule(rule) => stands_on(rule, Hook::Forward),
        Item::Raw(raw) => (raw.table, raw.chain) == (RawTable::Filter, Some(KernelChain::Forward)),
        Item::Nat(nat) => match nat.kind {
            NatKind::Forward(_) => true,
            NatKind::Source { .. } | NatKind::Redirect(_) | NatKind::Netmap { .. } => false,
        },
        Item::Alter(_) => false,
    }
}

fn stands_on(rule: &Rule, hook: Hook) -> bool {
    rule.flows.iter().any(|flow| flow.scope == Scope::Hook(hook))
}

/// Whether a rule on output drops or rejects, or goes to a chain in which one does.
fn can_refuse_output(policy: &Policy) -> bool {
    let mut seen = vec![false; policy.chains.len()];
    let mut waiting = Vec::new();
    for item in &policy.items {
        let refuses = match item {
            Item::Rule(rule) if stands_on(rule, Hook::Output) => refuses(rule, &mut waiting),
            Item::Raw(raw)
                if (raw.table, raw.chain) == (RawTable::Filter, Some(KernelChain::Output)) =>
            {
                raw_refuses(raw, &mut waiting)
            }
            Item::Rule(_) | Item::Raw(_) | Item::Nat(_) | Item::Alter(_) => false,
        };
        if refuses {
            return true;
        }
    }
    while let Some(id) = waiting.pop() {
        let Some(chain) = first_visit(policy, &mut seen, id) else { continue };
        let by_rule = chain.rules.iter().any(|rule| refuses(rule, &mut waiting));
        if by_rule || chain.raws.iter().any(|raw| raw_refuses(raw, &mut waiting)) {
            return true;
        }
    }
    false
}

/// Whether a rule drops or rejects; a chain that it leads to is put with the others.
fn refuses(rule: &Rule, chains: &mut Vec<ChainId>) -> bool {
    match rule.action {
        Action::Drop | Action::Reject(_) => true,
        Action::Jump(chain) | Action::Goto(chain) => {
            chains.push(chain);
            false
        }
        Action::Allow | Action::Log | Action::Return | Action::Add(_) => false,
    }
}

/// The same of a raw rule; who knows what another target decides.
fn raw_refuses(raw: &Raw, chains: &mut Vec<ChainId>) -> bool {
    match raw.target {
        RawTarget::Drop | RawTarget::Reject(_) | RawTarget::Decides(_) => true,
        RawTarget::Jump(chain) | RawTarget::Goto(chain) => {
            chains.push(chain);
            false
        }
        RawTarget::Accept | RawTarget::Return | RawTarget::GoesOn(_) => false,
    }
}

fn first_visit<'p>(policy: &'p Policy, seen: &mut [bool], id: ChainId) -> Option<&'p Chain> {
    let index = usize::try_from(id.0).ok()?;
    let seen = seen.get_mut(index).filter(|seen| !**seen)?;
    *seen = true;
    policy.chains.get(index)
}
