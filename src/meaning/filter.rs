//! The filter: implicit rules, rules and defaults as entries.

use std::sync::Arc;

use crate::net::{
    Addresses, CtState, Family, IcmpType, Interface, PortProtocol, Ports, Prefix, Protocol,
};
use crate::packet::{Constraint, Factor, FieldBox, PacketSet, Product};
use crate::resolve::Policy;
use crate::resolve::policy::{Action, Hook, HookDefault, RejectWith, Rule, Scope, Verdict};

use super::needs::needs_implicit;
use super::sets::Sets;
use super::{BaseChain, Decision, Effect, Entry, Implied, Reason, Translation};

/// The implicit rules of a chain, in their order.
pub(super) fn implicit(policy: &Policy, hook: Hook, sets: &mut Sets<'_>, entries: &mut Vec<Entry>) {
    if !needs_implicit(policy, hook) {
        return;
    }
    let wanted = policy.implicit;
    let order = [
        (wanted.loopback, Implied::Loopback),
        (wanted.established, Implied::Established),
        (wanted.invalid, Implied::Invalid),
        (wanted.neighbour_discovery, Implied::NeighbourDiscovery),
        (wanted.dhcpv6_client, Implied::Dhcpv6Client),
    ];
    for (_, implied) in order.into_iter().filter(|(wanted, _)| *wanted) {
        let Some(factor) = implied_packets(implied, hook, sets.family) else { continue };
        entries.push(Entry {
            set: PacketSet::of(sets.family, Product::of([factor])),
            limits: [].into(),
            log: None,
            effect: Effect::Decide(match implied {
                Implied::Invalid => Decision::Drop,
                Implied::Loopback
                | Implied::Established
                | Implied::NeighbourDiscovery
                | Implied::Dhcpv6Client => Decision::Accept,
            }),
            reason: Reason::Implicit(implied),
        });
    }
}

/// See [`super::implied_packets`].
pub(super) fn implied_set(
    policy: &Policy,
    implied: Implied,
    hook: Hook,
    family: Family,
) -> Option<PacketSet> {
    let factor = implied_packets(implied, hook, family)?;
    needs_implicit(policy, hook).then(|| PacketSet::of(family, Product::of([factor])))
}

/// The packets of an implicit rule; `None` where the chain does not have it.
fn implied_packets(implied: Implied, hook: Hook, family: Family) -> Option<Factor> {
    let state = |states: &[CtState]| {
        Some(Factor::all([Constraint::state(states.iter().copied().collect())]))
    };
    let loopback = [Interface::loopback()];
    match (implied, hook) {
        (Implied::Loopback, Hook::Input) => Some(Factor::all([Constraint::incoming(&loopback)])),
        (Implied::Loopback, Hook::Output) => Some(Factor::all([Constraint::outgoing(&loopback)])),
        (Implied::Established, Hook::Input | Hook::Forward | Hook::Output) => {
            state(&[CtState::Established, CtState::Related])
        }
        (Implied::Invalid, Hook::Input | Hook::Forward) => state(&[CtState::Invalid]),
        (Implied::NeighbourDiscovery, Hook::Input | Hook::Output) => match family {
            Family::V4 => None,
            Family::V6 => Some(neighbour_discovery()),
        },
        (Implied::Dhcpv6Client, Hook::Input) => match family {
            Family::V4 => None,
            Family::V6 => Some(dhcpv6_answers()),
        },
        (Implied::Loopback | Implied::NeighbourDiscovery, Hook::Forward)
        | (Implied::Invalid, Hook::Output)
        | (Implied::Dhcpv6Client, Hook::Forward | Hook::Output) => None,
    }
}

/// MLD query, report and done (RFC 2710), router solicitation and advertisement, neighbour
/// solicitation and advertisement (RFC 4861), MLDv2 report (RFC 3810).
const NEIGHBOUR_DISCOVERY: [u8; 8] = [130, 131, 132, 133, 134, 135, 136, 143];

fn neighbour_discovery() -> Factor {
    let one = |kind| {
        let icmp = Constraint::icmp(IcmpType::new(Family::V6, kind));
        FieldBox::of([Constraint::protocol(Protocol::ICMPV6), icmp])
    };
    Factor::of(NEIGHBOUR_DISCOVERY.into_iter().filter_map(one))
}

/// Answers of DHCPv6 servers and relays on the link (RFC 8415): they go from the link-local
/// address and server port 547 to the client's port 546.
fn dhcpv6_answers() -> Factor {
    let link_local = std::net::Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0);
    let servers =
        Prefix::containing(link_local.into(), 10).map_or_else(Addresses::empty, Into::into);
    Factor::all([
        Constraint::source(Family::V6, &servers),
        Constraint::protocol(PortProtocol::Udp.protocol()),
        Constraint::source_port(&Ports::single(547)),
        Constraint::destination_port(&Ports::single(546)),
    ])
}

/// What a rule says in one base chain; `None` when it says nothing there in this family.
pub(super) fn rule_on<'p>(rule: &'p Rule, hook: Hook, sets: &mut Sets<'p>) -> Option<Entry> {
    rule_in(rule, Scope::Hook(hook), sets)
}

/// What a rule of a user's chain says.
pub(super) fn rule_in_chain<'p>(rule: &'p Rule, sets: &mut Sets<'p>) -> Option<Entry> {
    rule_in(rule, Scope::Chain, sets)
}

pub(super) fn rule_in<'p>(rule: &'p Rule, scope: Scope, sets: &mut Sets<'p>) -> Option<Entry> {
    let flows = rule.flows.iter().filter(|flow| flow.scope == scope);
    let set = sets.flows(flows, &rule.conditions)?;
    let effect = match rule.action {
        Action::Allow => Effect::Decide(Decision::Accept),
        Action::Drop => Effect::Decide(Decision::Drop),
        Action::Reject(with) => Effect::Decide(Decision::Reject(answer_in(sets.family, with))),
        Action::Log => Effect::Continue,
        Action::Return => Effect::Return,
        Action::Jump(chain) => Effect::Call(chain),
        Action::Goto(chain) => Effect::Goto(chain),
        Action::Add(addition) => sets.addition(addition),
    };
    Some(Entry {
        set,
        limits: rule.limits.iter().map(|limit| limit.id).collect(),
        log: rule.log.clone().map(Arc::new),
        effect,
        reason: Reason::Written(rule.origin),
    })
}

/// The answer that is sent in a family: IPv6 has one word for all prohibitions.
pub(super) fn answer_in(family: Family, with: RejectWith) -> RejectWith {
    match (with, family) {
        (RejectWith::NetProhibited | RejectWith::HostProhibited, Family::V6) => {
            RejectWith::AdminProhibited
        }
        (
            RejectWith::NetProhibited
            | RejectWith::HostProhibited
            | RejectWith::PortUnreachable
            | RejectWith::NetUnreachable
            | RejectWith::HostUnreachable
            | RejectWith::ProtoUnreachable
            | RejectWith::AdminProhibited
            | RejectWith::TcpReset
            | RejectWith::PolicyFail
            | RejectWith::RejectRoute,
            Family::V4 | Family::V6,
        ) => with,
    }
}

/// What becomes of packets that no entry of a base chain decides.
pub(super) fn default_of(policy: &Policy, family: Family, base: BaseChain) -> Entry {
    let (decision, log) = match base {
        BaseChain::FilterInput => default_decision(&policy.defaults.input, family),
        BaseChain::FilterForward => default_decision(&policy.defaults.forward, family),
        BaseChain::FilterOutput => default_decision(&policy.defaults.output, family),
        BaseChain::NatPrerouting
        | BaseChain::NatInput
        | BaseChain::NatOutput
        | BaseChain::NatPostrouting => (Decision::Translate(Arc::new(Translation::Exempt)), None),
        BaseChain::DockerUser => (Decision::LeaveToDocker, None),
        BaseChain::ManglePrerouting
        | BaseChain::MangleInput
        | BaseChain::MangleForward
        | BaseChain::MangleOutput
        | BaseChain::ManglePostrouting
        | BaseChain::RawPrerouting
        | BaseChain::RawOutput
        | BaseChain::SecurityInput
        | BaseChain::SecurityForward
        | BaseChain::SecurityOutput => (Decision::Accept, None),
    };
    Entry {
        set: PacketSet::everything(family),
        limits: [].into(),
        log,
        effect: Effect::Decide(decision),
        reason: Reason::Default(base),
    }
}

type Logged = (Decision, Option<Arc<crate::resolve::policy::Log>>);

fn default_decision(default: &HookDefault, family: Family) -> Logged {
    let decision = match default.verdict {
        Verdict::Allow => Decision::Accept,
        Verdict::Drop => Decision::Drop,
        Verdict::Reject(with) => Decision::Reject(answer_in(family, with)),
    };
    (decision, default.log.clone().map(Arc::new))
}
