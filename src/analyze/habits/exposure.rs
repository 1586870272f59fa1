//! What can be reached from outside: too little, or too much.

use super::{messages, new_packets, rules, set_of};
use crate::analyze::passing::{Found, Passing};
use crate::diagnostic::Finding;
use crate::meaning::{BaseChain, Implied, Meaning, Reason};
use crate::net::address::to_number;
use crate::net::{Addresses, Family, Interface, PortProtocol, Ports, Prefix, Protocol};
use crate::packet::{Constraint, Factor, FieldBox};
use crate::resolve::Policy;
use crate::resolve::policy::{Guarded, Hook, Origin, Part, PromiseKind, Scope};

/// Where ssh is served (RFC 4253).
const SSH: u16 = 22;

/// That nobody from outside can log in by ssh, and the policy promises to keep nothing open.
pub(super) fn no_remote_access(policy: &Policy, meaning: &Meaning) -> Option<Finding> {
    let protects =
        policy.promises.iter().any(|promise| matches!(promise.kind, PromiseKind::Protect(_)));
    // A policy without a rule is not finished; what other programs accept is not known.
    if protects || policy.preserve.is_some() || rules(policy).next().is_none() {
        return None;
    }
    for family in Family::BOTH {
        let ssh = Factor::all([
            Constraint::protocol(PortProtocol::Tcp.protocol()),
            Constraint::destination_port(&Ports::single(SSH)),
        ]);
        let ssh = set_of(family, ssh).intersection(&new_packets(family));
        let inside = set_of(family, Factor::all([Constraint::incoming(&[Interface::loopback()])]));
        let passing = Passing::of(meaning, family, BaseChain::FilterInput, &[ssh, inside])?;
        let outside = passing.list().space().difference(&passing.asked(0), &passing.asked(1));
        let found = passing.decided(&outside, 0, |step| {
            step.passes() && step.reason != Reason::Implicit(Implied::Loopback)
        });
        if found != Found::Nothing {
            return None;
        }
    }
    Some(messages::no_remote_access(policy.defaults.input.span))
}

/// Services that are not for everybody and that a rule accepts from any public address.
pub(super) fn open_to_world(policy: &Policy, meaning: &Meaning) -> Vec<Finding> {
    let mut found: Vec<(Origin, Finding)> = Vec::new();
    for family in Family::BOTH {
        for hook in [Hook::Input, Hook::Forward] {
            let mut guarded: Vec<(Origin, &Guarded)> = Vec::new();
            for (_, rule) in rules(policy) {
                let from_any = rule.flows.iter().any(|flow| {
                    flow.scope == Scope::Hook(hook)
                        && flow.families.contains(family)
                        && flow.source.iter().any(|place| place.is_anywhere_in(family))
                });
                if from_any {
                    guarded.extend(rule.remarks.guarded.iter().map(|one| (rule.origin, one)));
                }
            }
            let told = |origin: Origin, one: &Guarded| {
                let here = |(told, finding): &(Origin, Finding)| {
                    *told == origin && finding.message.contains(&format!("`{}`", one.name))
                };
                found.iter().any(here)
            };
            guarded.retain(|(origin, one)| !told(*origin, one));
            found.extend(reached(policy, meaning, family, hook.into(), &guarded));
        }
    }
    found.into_iter().map(|(_, finding)| finding).collect()
}

/// Those of which a rule accepts a new packet from a public address.
fn reached(
    policy: &Policy,
    meaning: &Meaning,
    family: Family,
    base: BaseChain,
    guarded: &[(Origin, &Guarded)],
) -> Vec<(Origin, Finding)> {
    if guarded.is_empty() {
        return Vec::new();
    }
    let source = Constraint::source(family, &not_public());
    let mut asked = vec![set_of(family, Factor::all([source]))];
    let traffic = |one: &Guarded| set_of(family, traffic(family, &one.parts));
    asked.extend(guarded.iter().map(|(_, one)| traffic(one).intersection(&new_packets(family))));
    let Some(passing) = Passing::of(meaning, family, base, &asked) else { return Vec::new() };
    let space = passing.list().space();
    let mut found = Vec::new();
    for (number, (origin, one)) in guarded.iter().enumerate() {
        let public = space.difference(&passing.asked(number + 1), &passing.asked(0));
        let by_rule = passing.decided(&public, 0, |step| step.reason == Reason::Written(*origin));
        if let Found::Packet(point, _) = by_rule {
            let packet = space.packet(&point);
            found.push((*origin, messages::open_to_world(policy, *origin, one, &packet, base)));
        }
    }
    found
}

/// What does not come from the Internet: private, local and multicast addresses (RFC 6890), and of IPv6
/// all but what is given out for it (2000::/3, RFC 4291).
fn not_public() -> Addresses {
    let v4 = [
        ([0, 0, 0, 0], 8),
        ([10, 0, 0, 0], 8),
        ([100, 64, 0, 0], 10),
        ([127, 0, 0, 0], 8),
        ([169, 254, 0, 0], 16),
        ([172, 16, 0, 0], 12),
        ([192, 168, 0, 0], 16),
        ([224, 0, 0, 0], 3),
    ];
    let v4 = v4.into_iter().filter_map(|(net, length)| Prefix::containing(net.into(), length));
    let v4: Vec<Addresses> = v4.map(Addresses::from).collect();
    let given = |first: u16| to_number(std::net::Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, 0).into());
    let below = Addresses::range(Family::V6, 0, given(0x2000) - 1);
    let above = Addresses::range(Family::V6, given(0x4000), u128::MAX);
    Addresses::union_all(v4.iter().chain([&below, &above]))
}

/// Packets of any of the parts.
fn traffic(family: Family, parts: &[Part]) -> Factor {
    let occurring = parts.iter().filter(|part| part.families().contains(family));
    Factor::of(occurring.filter_map(|part| FieldBox::of(constraints(part))))
}

fn constraints(part: &Part) -> Vec<Constraint> {
    match part {
        Part::Any => Vec::new(),
        Part::Icmp(icmp) => {
            vec![Constraint::protocol(Protocol::icmp(icmp.family)), Constraint::icmp(*icmp)]
        }
        Part::Protocol(protocol) => vec![Constraint::protocol(*protocol)],
        Part::Ports { protocol, source, destination } => vec![
            Constraint::protocol(protocol.protocol()),
            Constraint::source_port(source),
            Constraint::destination_port(destination),
        ],
    }
}
