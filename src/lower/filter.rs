//! Filter rules of a policy → rules of the filter table.

use crate::resolve::policy::{self, Action, Allowance, Hook, LimitKind, Scope};
use crate::ruleset::{Match, MatchKind, Target};

use super::Lowering;
use super::body::{Body, Fork};
use super::condition::Conditions;
use super::generated::Owner;
use super::layout::{Caller, Ending, Layout};
use super::reject::reject_ending;
use super::set::Set;

/// Whether packets are met again after a rule acted on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// Never: a verdict.
    Decided,
    /// Behind the rule: a log, an addition to a set, a user's chain.
    GoesOn,
    /// Not in this chain: `return`, `goto`.
    Leaves,
}

/// What a rule does, without its limits.
struct Act {
    /// A log line and what follows, or just one of them.
    // INVARIANT: never empty.
    endings: Vec<Ending>,
    after: After,
}

/// Beyond so many rules more than with chains, a `return` is not multiplied out.
const MAX_RULES_MORE: usize = 16;

/// So many forks in one chain, one behind the other: nft refuses more than 15 chains deep.
const MAX_FORKS: usize = 3;

impl Lowering<'_> {
    /// Appends what a rule says in one scope and this family.
    pub(super) fn filter_rule(&mut self, body: &mut Body, rule: &policy::Rule, scope: Scope) {
        let leaves = scope == Scope::Hook(Hook::Output);
        let Some(conditions) = Conditions::of(&rule.conditions, leaves) else { return };
        let Some(set) = self.packets_of(&rule.flows, &conditions, scope) else { return };
        let comment = super::comment(&rule.remarks);
        // A chain that the rules of several statements enter has the comment of none of them.
        let at_entry =
            !rule.limits.is_empty() && rule.limits.iter().all(|limit| self.limits.is_shared(limit));
        let (entry, inside) = if at_entry { (comment, None) } else { (None, comment) };
        let set = Set::all(entry.map(|comment| Set::one(vec![comment])).into_iter().chain([set]));
        let Some(act) = self.act(rule, scope, inside) else { return };
        match act.after {
            After::Leaves => self.leave(body, rule, set, &act),
            After::Decided | After::GoesOn if rule.limits.is_empty() => {
                self.unlimited(body, rule, set, &act);
            }
            After::Decided | After::GoesOn => self.limited(body, rule, set, &act),
        }
    }

    /// `None` when nothing is to be done (a jump to a chain that is not there, a log without one).
    fn act(&self, rule: &policy::Rule, scope: Scope, comment: Option<Match>) -> Option<Act> {
        let chain = |id: policy::ChainId| {
            self.policy.chains.get(id.0 as usize).map(|chain| chain.name.clone())
        };
        let (target, after): (Option<Ending>, After) = match rule.action {
            // Docker's own rules follow.
            Action::Allow if scope == Scope::Docker => (Some(Target::Return.into()), After::Leaves),
            Action::Allow => (Some(Target::Accept.into()), After::Decided),
            Action::Drop => (Some(Target::Drop.into()), After::Decided),
            Action::Reject(with) => (Some(reject_ending(with, self.family)), After::Decided),
            Action::Log => (None, After::GoesOn),
            Action::Add(addition) => (Some(self.addition(addition).into()), After::GoesOn),
            Action::Return => (Some(Target::Return.into()), After::Leaves),
            Action::Jump(id) => (Some(Target::Jump(chain(id)?).into()), After::GoesOn),
            Action::Goto(id) => (Some(Target::Goto(chain(id)?).into()), After::Leaves),
        };
        let mut endings: Vec<Ending> =
            rule.log.as_ref().map(log_ending).into_iter().chain(target).collect();
        endings.last_mut()?.matches.extend(comment);
        Some(Act { endings, after })
    }

    fn unlimited(&mut self, body: &mut Body, rule: &policy::Rule, set: Set, act: &Act) {
        let mut layout = self.layout(rule.origin);
        if let Some(matches) = set.only() {
            let rules = act.endings.iter().map(|ending| layout.rule(matches.clone(), ending));
            body.rules.extend(rules);
            return;
        }
        let ending = match &act.endings[..] {
            [ending] if !ending.is_counted() => ending.clone(),
            endings => {
                let owner = Owner::Statement(rule.origin);
                Target::Jump(layout.chain("log", owner, endings)).into()
            }
        };
        match act.after {
            // Who is in a set is in it no more for being added again.
            After::GoesOn if matches!(ending.target, Target::AddSource { .. }) => {
                layout.terminal(&mut body.rules, set, &ending, Caller::Any);
            }
            After::Decided => layout.terminal(&mut body.rules, set, &ending, Caller::Any),
            After::GoesOn | After::Leaves => layout.once(&mut body.rules, set, &ending),
        }
    }

    fn limited(&mut self, body: &mut Body, rule: &policy::Rule, set: Set, act: &Act) {
        let limits = self.limits.matches(&rule.limits, self.family, false);
        let in_a_chain = rule.limits.iter().any(|limit| self.limits.needs_a_chain(limit));
        let mut layout = self.layout(rule.origin);
        let inner = one_ending(&mut layout, rule, act, Target::Jump);
        let counted = behind_limits(limits, inner);
        if let Some(matches) = set.only().filter(|_| !in_a_chain) {
            body.rules.push(layout.rule(matches.clone(), &counted));
            return;
        }
        let owner = owner_of_limits(rule);
        let chain = layout.chain("limit", owner, &[counted]);
        layout.once(&mut body.rules, set, &Target::Jump(chain).into());
    }

    /// `return` and `goto`: the final rule must stand in the chain itself, or be reached from there
    /// by nothing but `goto`.
    fn leave(&mut self, body: &mut Body, rule: &policy::Rule, set: Set, act: &Act) {
        body.leaves = true;
        let alone = set.only().is_some();
        let connections =
            rule.limits.iter().any(|limit| matches!(limit.kind, LimitKind::Connections { .. }));
        let too_long = set.size() > set.cost() + MAX_RULES_MORE && body.forks.len() < MAX_FORKS;
        let fork = !alone && (connections || too_long);
        // Rates in several places (also in other hooks) are one allowance by the name of a table.
        let spread = !fork && (!alone || rule.limits.iter().any(|l| self.limits.needs_a_chain(l)));
        let limits = self.limits.matches(&rule.limits, self.family, spread);
        let mut layout = self.layout(rule.origin);
        if alone && limits.is_empty() {
            let matches = set.only().cloned().unwrap_or_default();
            let rules = act.endings.iter().map(|ending| layout.rule(matches.clone(), ending));
            return body.rules.extend(rules);
        }
        let inner = one_ending(&mut layout, rule, act, Target::Goto);
        let ending = behind_limits(limits, inner);
        if !fork {
            let product = set.into_alternatives().into_iter();
            return body.rules.extend(product.map(|matches| layout.rule(matches, &ending)));
        }
        let owner = (!rule.limits.is_empty()).then(|| owner_of_limits(rule));
        let origin = layout.origin;
        body.fork(Fork { set, ending, owner, origin });
    }
}

/// What follows a match: the one ending, or a chain of both.
fn one_ending(
    layout: &mut Layout<'_>,
    rule: &policy::Rule,
    act: &Act,
    enter: fn(std::sync::Arc<str>) -> Target,
) -> Ending {
    match &act.endings[..] {
        [ending] => ending.clone(),
        endings => enter(layout.chain("log", Owner::Statement(rule.origin), endings)).into(),
    }
}

fn behind_limits(limits: Vec<Match>, mut ending: Ending) -> Ending {
    ending.matches.splice(0..0, limits);
    ending
}

fn owner_of_limits(rule: &policy::Rule) -> Owner {
    Owner::Limits(rule.limits.iter().map(|limit| limit.id).collect())
}

/// A log line within its own allowance.
pub(super) fn log_ending(log: &policy::Log) -> Ending {
    let limit = log.allowance.map(|Allowance { rate, burst }| MatchKind::Limit { rate, burst });
    Ending {
        matches: limit.into_iter().map(Into::into).collect(),
        target: Target::Log { prefix: log.prefix.clone(), level: log.level.0 },
    }
}
