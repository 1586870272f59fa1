//! Which base chains of the filter get implicit rules at all.

use crate::resolve::Policy;
use crate::resolve::policy::{Action, ChainId, Hook, Item, NatKind, Rule, Scope, Verdict};

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
    let mut waiting: Vec<&Rule> = policy
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Rule(rule) => stands_on(rule, Hook::Output).then_some(rule),
            Item::Nat(_) | Item::Alter(_) => None,
        })
        .collect();
    while let Some(rule) = waiting.pop() {
        match rule.action {
            Action::Drop | Action::Reject(_) => return true,
            Action::Jump(chain) | Action::Goto(chain) => {
                if let Some(rules) = first_visit(policy, &mut seen, chain) {
                    waiting.extend(rules);
                }
            }
            Action::Allow | Action::Log | Action::Return | Action::Add(_) => {}
        }
    }
    false
}

fn first_visit<'p>(policy: &'p Policy, seen: &mut [bool], id: ChainId) -> Option<&'p [Rule]> {
    let index = usize::try_from(id.0).ok()?;
    let seen = seen.get_mut(index).filter(|seen| !**seen)?;
    *seen = true;
    policy.chains.get(index).map(|chain| chain.rules.as_slice())
}
