//! What can be reached from outside: too little, or too much.

use std::collections::BTreeSet;

use super::{messages, new_packets, rules, set_of};
use crate::analyze::flat::passing::{Found, Passing};
use crate::analyze::work::Work;
use crate::diagnostic::{Finding, catalogue as lint};
use crate::meaning::{BaseChain, Implied, Meaning, Reason};
use crate::net::address::to_number;
use crate::net::{Addresses, Family, Interface, PortProtocol, Ports, Prefix, Protocol};
use crate::packet::{Constraint, Factor, Field, FieldBox, Packet, PacketSet};
use crate::resolve::Policy;
use crate::resolve::policy::{Guarded, Item, Origin, Part, PromiseKind};

/// Where ssh is served (RFC 4253).
const SSH: u16 = 22;

/// That nobody from outside can log in by ssh, and the policy promises to keep nothing open.
pub(super) fn no_remote_access(policy: &Policy, meaning: &Meaning, work: &Work) -> Option<Finding> {
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
        let base = BaseChain::FilterInput;
        let passing = Passing::of(meaning, family, base, &[ssh, inside], work.budget)?;
        let outside = passing.list().space().difference(&passing.asked(0), &passing.asked(1));
        let found = passing.decided(&outside, 0, |step| {
            step.passes() && step.reason != Reason::Implicit(Implied::Loopback)
        });
        match found {
            Found::Nothing => {}
            Found::Packet(..) => return None,
            Found::Unknown => {
                work.was_too_much(&lint::NO_REMOTE_ACCESS);
                return None;
            }
        }
    }
    Some(messages::no_remote_access(policy.defaults.input.span))
}

/// A service that is not for everybody, in a statement that may accept it.
struct Open<'p> {
    origin: Origin,
    service: &'p Guarded,
    /// Whether its ports are those before the destination was translated.
    is_translated: bool,
}

/// Services that are not for everybody and that a statement accepts from any public address.
pub(super) fn open_to_world(policy: &Policy, meaning: &Meaning, work: &Work) -> Vec<Finding> {
    let open: Vec<Open<'_>> = guarded(policy);
    let mut told = BTreeSet::new();
    let mut found = Vec::new();
    let bases = [BaseChain::FilterInput, BaseChain::FilterForward, BaseChain::DockerUser];
    for (family, base) in Family::BOTH.into_iter().flat_map(|f| bases.map(|base| (f, base))) {
        for (one, packet) in reached(meaning, family, base, &open, work) {
            if told.insert((one.origin, &one.service.name)) {
                let Open { origin, service, .. } = one;
                found.push(messages::open_to_world(policy, *origin, service, &packet, base));
            }
        }
    }
    found
}

fn guarded(policy: &Policy) -> Vec<Open<'_>> {
    let in_chains = policy.chains.iter().flat_map(|chain| &chain.rules);
    let rules = rules(policy).map(|(_, rule)| rule).chain(in_chains);
    let rules = rules.map(|rule| (rule.origin, &rule.remarks, false));
    let in_docker = policy.docker.iter().flat_map(|docker| &docker.rules);
    let in_docker = in_docker.map(|rule| (rule.origin, &rule.remarks, true));
    let nat = policy.items.iter().filter_map(|item| match item {
        Item::Nat(nat) => Some((nat.origin, &nat.remarks, true)),
        Item::Rule(_) | Item::Alter(_) | Item::Raw(_) => None,
    });
    let all = rules.chain(in_docker).chain(nat);
    all.flat_map(|(origin, remarks, is_translated)| {
        remarks.guarded.iter().map(move |service| Open { origin, service, is_translated })
    })
    .collect()
}

/// Those of which a statement, with nothing said of the source, accepts a new packet from a public
/// address.
fn reached<'o, 'p>(
    meaning: &Meaning,
    family: Family,
    base: BaseChain,
    open: &'o [Open<'p>],
    work: &Work,
) -> Vec<(&'o Open<'p>, Packet)> {
    if open.is_empty() || meaning.base(family, base).is_none() {
        return Vec::new();
    }
    let source = Constraint::source(family, &not_public());
    let mut asked = vec![set_of(family, Factor::all([source]))];
    let traffic = |one: &Open<'_>| set_of(family, traffic(family, one));
    asked.extend(open.iter().map(|one| traffic(one).intersection(&new_packets(family))));
    let Some(passing) = Passing::of(meaning, family, base, &asked, work.budget) else {
        return Vec::new();
    };
    let space = passing.list().space();
    let mut found = Vec::new();
    for (number, one) in open.iter().enumerate() {
        let public = space.difference(&passing.asked(number + 1), &passing.asked(0));
        let fits = |step: usize| {
            let said = &passing.steps[step];
            said.is_of(one.origin) && said.passes() && is_from_any(passing.set(step))
        };
        match passing.decided_at(&public, fits) {
            Found::Packet(point, _) => found.push((one, space.packet(&point))),
            Found::Nothing => {}
            Found::Unknown => work.was_too_much(&lint::OPEN_TO_WORLD),
        }
    }
    found
}

/// Whether a set has packets of one kind from any source.
fn is_from_any(set: &PacketSet) -> bool {
    set.products().iter().any(|product| {
        let kind = PacketSet::of(set.family(), [product.clone()]);
        !kind.speaks_of(|field| matches!(field, Field::Source | Field::Incoming | Field::Opaque))
    })
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

/// Packets of a service.
fn traffic(family: Family, open: &Open<'_>) -> Factor {
    let parts = open.service.parts.iter().filter(|part| part.families().contains(family));
    Factor::of(parts.filter_map(|part| FieldBox::of(constraints(part, open.is_translated))))
}

fn constraints(part: &Part, is_translated: bool) -> Vec<Constraint> {
    match part {
        Part::Any => Vec::new(),
        Part::Icmp(icmp) => {
            vec![Constraint::protocol(Protocol::icmp(icmp.family)), Constraint::icmp(*icmp)]
        }
        Part::Protocol(protocol) => vec![Constraint::protocol(*protocol)],
        Part::Ports { protocol, source, destination } => vec![
            Constraint::protocol(protocol.protocol()),
            Constraint::source_port(source),
            if is_translated {
                Constraint::original_port(destination)
            } else {
                Constraint::destination_port(destination)
            },
        ],
    }
}
