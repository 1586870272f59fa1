//! What every chain gets without a word: the implicit rules at its top, its default at its end.

use std::net::Ipv6Addr;

use crate::net::{CtState, Family, IcmpType, Interface, Prefix, Protocol};
use crate::resolve::Policy;
use crate::resolve::policy::{
    Action, ChainId, Hook, HookDefault, Item, KernelChain, NatKind, Raw, RawTable, RawTarget,
    RejectWith, Rule as PolicyRule, Scope, Verdict,
};
use crate::ruleset::{ChainPolicy, Conntrack, Match, MatchKind, Origin, Rule, Target};

use super::filter::log_ending;
use super::reject::reject_ending;
use super::set::in_order;

/// RFC 4861 (133 to 136) and MLD, RFC 2710 and 3810 (130 to 132, 143): conntrack does not track
/// them, so no rule on states lets them through.
const NEIGHBOUR_DISCOVERY: [u8; 8] = [133, 134, 135, 136, 130, 131, 132, 143];

/// The implicit rules at the top of a chain.
pub(super) fn implicit_rules(policy: &Policy, hook: Hook, family: Family) -> Vec<Rule> {
    let implicit = policy.implicit;
    let (any, invalid, dhcp) = match hook {
        Hook::Input => (true, true, true),
        Hook::Forward => (forwards(policy), true, false),
        Hook::Output => (filters_output(policy), false, false),
    };
    let mut rules = Vec::new();
    if !any {
        return rules;
    }
    let lo = match hook {
        Hook::Input => Some(MatchKind::In(Interface::loopback())),
        Hook::Output => Some(MatchKind::Out(Interface::loopback())),
        Hook::Forward => None,
    };
    if let Some(lo) = lo.filter(|_| implicit.loopback) {
        rules.push(rule("loopback", vec![lo.into()], Target::Accept));
    }
    if implicit.established {
        let known = state(&[CtState::Related, CtState::Established]);
        rules.push(rule("established", vec![known], Target::Accept));
    }
    if invalid && implicit.invalid {
        rules.push(rule("invalid", vec![state(&[CtState::Invalid])], Target::Drop));
    }
    if family == Family::V6 && hook != Hook::Forward && implicit.neighbour_discovery {
        rules.extend(NEIGHBOUR_DISCOVERY.map(|kind| {
            let icmp = MatchKind::Icmp(IcmpType::new(Family::V6, kind));
            let matches = vec![MatchKind::Protocol(Protocol::ICMPV6).into(), icmp.into()];
            rule("neighbour-discovery", matches, Target::Accept)
        }));
    }
    if family == Family::V6 && dhcp && implicit.dhcpv6_client {
        rules.push(dhcpv6_answer());
    }
    rules
}

fn dhcpv6_answer() -> Rule {
    let link_local = Prefix::containing(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0).into(), 10);
    let matches = link_local
        .map(|prefix| MatchKind::Source(prefix).into())
        .into_iter()
        .chain([
            MatchKind::Protocol(Protocol::UDP).into(),
            MatchKind::SourcePort(547, 547).into(),
            MatchKind::DestinationPort(546, 546).into(),
        ])
        .collect();
    rule("dhcpv6-client", matches, Target::Accept)
}

fn rule(name: &'static str, matches: Vec<Match>, target: Target) -> Rule {
    Rule { matches: in_order(matches), target, origin: Origin::Implicit(name) }
}

fn state(states: &[CtState]) -> Match {
    let states = states.iter().copied().collect();
    MatchKind::Conntrack(Conntrack { states, ..Conntrack::default() }).into()
}

/// The policy of a built-in filter chain.
pub(super) fn chain_policy(default: &HookDefault) -> ChainPolicy {
    match default.verdict {
        Verdict::Allow => ChainPolicy::Accept,
        Verdict::Drop | Verdict::Reject(_) => ChainPolicy::Drop,
    }
}

/// The rules for what nothing else decided: a log line, an answer. The policy does the rest.
pub(super) fn default_rules(default: &HookDefault, family: Family) -> Vec<Rule> {
    let reject = |with: RejectWith| reject_ending(with, family);
    let answer = match default.verdict {
        Verdict::Allow | Verdict::Drop => None,
        Verdict::Reject(with) => Some(reject(with)),
    };
    let endings = default.log.as_ref().map(log_ending).into_iter().chain(answer);
    let origin = Origin::Default(default.span);
    endings.map(|e| Rule { matches: in_order(e.matches), target: e.target, origin }).collect()
}

/// Whether anything is said about forwarded packets; else a chain that drops all needs no rules.
fn forwards(policy: &Policy) -> bool {
    let says_so = |item: &Item| match item {
        Item::Rule(rule) => is_on(rule, Hook::Forward),
        Item::Raw(raw) => stands_in(raw, KernelChain::Forward),
        Item::Nat(nat) => match nat.kind {
            NatKind::Forward(_) => true,
            NatKind::Source { .. } | NatKind::Redirect(_) | NatKind::Netmap { .. } => false,
        },
        Item::Alter(_) => false,
    };
    policy.defaults.forward.verdict == Verdict::Allow || policy.items.iter().any(says_so)
}

/// Whether anything that this machine sends can be refused.
fn filters_output(policy: &Policy) -> bool {
    let mut seen = vec![false; policy.chains.len()];
    let mut waiting: Vec<Way> = policy
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Rule(rule) if is_on(rule, Hook::Output) => Some(Way::of(rule)),
            Item::Raw(raw) if stands_in(raw, KernelChain::Output) => Some(Way::of_raw(raw)),
            Item::Rule(_) | Item::Raw(_) | Item::Nat(_) | Item::Alter(_) => None,
        })
        .collect();
    if policy.defaults.output.verdict != Verdict::Allow {
        return true;
    }
    while let Some(way) = waiting.pop() {
        match way {
            Way::Refused => return true,
            Way::Through(ChainId(id)) => {
                let index = id as usize;
                if let (Some(seen), Some(chain)) = (seen.get_mut(index), policy.chains.get(index))
                    && !std::mem::replace(seen, true)
                {
                    waiting.extend(chain.rules.iter().map(Way::of));
                    waiting.extend(chain.raws.iter().map(Way::of_raw));
                }
            }
            Way::On => {}
        }
    }
    false
}

/// Where a rule leads, as far as it matters whether something is refused there.
enum Way {
    Refused,
    Through(ChainId),
    On,
}

impl Way {
    fn of(rule: &PolicyRule) -> Self {
        match rule.action {
            Action::Drop | Action::Reject(_) => Way::Refused,
            Action::Jump(chain) | Action::Goto(chain) => Way::Through(chain),
            Action::Allow | Action::Log | Action::Return | Action::Add(_) => Way::On,
        }
    }

    /// What is decided in words that are not known may be a refusal.
    fn of_raw(raw: &Raw) -> Self {
        match raw.target {
            RawTarget::Drop | RawTarget::Reject(_) | RawTarget::Decides(_) => Way::Refused,
            RawTarget::Jump(chain) | RawTarget::Goto(chain) => Way::Through(chain),
            RawTarget::Accept | RawTarget::Return | RawTarget::GoesOn(_) => Way::On,
        }
    }
}

fn stands_in(raw: &Raw, chain: KernelChain) -> bool {
    raw.table == RawTable::Filter && raw.chain == Some(chain)
}

fn is_on(rule: &PolicyRule, hook: Hook) -> bool {
    rule.flows.iter().any(|flow| flow.scope == Scope::Hook(hook))
}
