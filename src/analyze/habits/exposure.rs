//! What can be reached from outside: too little, or too much.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use super::{messages, new_packets, rules, set_of};
use crate::analyze::flat::asking::Asking;
use crate::analyze::flat::passing::{Found, Passing, is_never};
use crate::analyze::text::{Dump, Text};
use crate::analyze::work::Work;
use crate::diagnostic::{Finding, catalogue as lint};
use crate::meaning::{BaseChain, Implied, Reason};
use crate::net::address::to_number;
use crate::net::{Addresses, Family, Interface, PortProtocol, Ports, Prefix, Protocol};
use crate::packet::{Constraint, Factor, Field, FieldBox, Packet, PacketSet};
use crate::resolve::policy::{Guarded, Item, Origin, Part, PromiseKind};
use crate::resolve::{Policy, services_not_for_all};
use crate::ruleset::{MatchKind, Rule, TableName, Target};

/// Where ssh is served (RFC 4253).
const SSH: u16 = 22;

/// That nobody from outside can log in by ssh, and the policy promises to keep nothing open.
pub(super) fn no_remote_access<'a, 'w>(
    text: Text<'a>,
    asking: &mut Asking<'a>,
    work: &'w Work,
) -> impl FnOnce(&Asking<'a>) -> Option<Finding> + use<'a, 'w> {
    let families = Family::BOTH.into_iter().filter(|_| asks_for_remote_access(text));
    let families = families.filter(|one| text.families().contains(*one));
    let asked: Vec<(Family, Range<usize>)> = families
        .map(|family| {
            let ssh = Factor::all([
                Constraint::protocol(PortProtocol::Tcp.protocol()),
                Constraint::destination_port(&Ports::single(SSH)),
            ]);
            let ssh = set_of(family, ssh).intersection(&new_packets(family));
            let inside = Constraint::incoming(&[Interface::loopback()]);
            let inside = set_of(family, Factor::all([inside]));
            (family, asking.ask(family, BaseChain::FilterInput, vec![ssh, inside]))
        })
        .collect();
    move |asking| {
        let mut is_found = !asked.is_empty();
        for (family, numbers) in asked {
            let passing = asking.passing(family, BaseChain::FilterInput)?;
            let [ssh, inside] = [numbers.start, numbers.start + 1].map(|one| passing.asked(one));
            let outside = passing.list().space().difference(&ssh, &inside);
            let found = passing.decided(&outside, 0, |step| {
                step.passes() && step.reason != Reason::Implicit(Implied::Loopback)
            });
            is_found = is_never(&found, &lint::NO_REMOTE_ACCESS, work);
            if !is_found {
                break;
            }
        }
        let refuses = match text {
            Text::Policy(policy) => policy.defaults.input.span,
            Text::Dump(dump) => dump.refusal(BaseChain::FilterInput).flatten(),
        };
        is_found.then(|| messages::no_remote_access(text, refuses))
    }
}

/// Whether it is asked who can log in.
fn asks_for_remote_access(text: Text<'_>) -> bool {
    match text {
        Text::Policy(policy) => {
            let protects = policy
                .promises
                .iter()
                .any(|promise| matches!(promise.kind, PromiseKind::Protect(_)));
            // A policy without a rule is not finished; what other programs accept is not known.
            !protects && policy.preserve.is_none() && rules(policy).next().is_some()
        }
        // Who has IPv6 as well mostly logs in by either.
        Text::Dump(dump) => {
            dump.ruleset.family == Family::V4 && dump.has_rules(BaseChain::FilterInput)
        }
    }
}

/// A service that is not for everybody, in a statement that may accept it.
struct Open<'p> {
    origin: Origin,
    service: Cow<'p, Guarded>,
    /// Whether its ports are those before the destination was translated.
    is_translated: bool,
}

/// Services that are not for everybody and that a statement accepts from any public address.
pub(super) fn open_to_world<'a, 'w>(
    text: Text<'a>,
    asking: &mut Asking<'a>,
    work: &'w Work,
) -> impl FnOnce(&Asking<'a>) -> Vec<Finding> + use<'a, 'w> {
    let open: Vec<Open<'_>> = match text {
        Text::Policy(policy) => guarded(policy),
        Text::Dump(dump) => served(dump),
    };
    let bases = [BaseChain::FilterInput, BaseChain::FilterForward, BaseChain::DockerUser];
    let pairs = Family::BOTH.into_iter().flat_map(|f| bases.map(|base| (f, base)));
    let pairs = pairs
        .filter(|(family, base)| !open.is_empty() && asking.meaning.base(*family, *base).is_some());
    let pairs: Vec<(Family, BaseChain)> = pairs.collect();
    let asked = pairs.into_iter().map(|(family, base)| {
        let source = Constraint::source(family, &not_public());
        let mut sets = vec![set_of(family, Factor::all([source]))];
        let traffic = |one: &Open<'_>| set_of(family, traffic(family, one));
        sets.extend(open.iter().map(|one| traffic(one).intersection(&new_packets(family))));
        (family, base, asking.ask(family, base, sets))
    });
    let asked: Vec<(Family, BaseChain, Range<usize>)> = asked.collect();
    move |asking| {
        let mut told = BTreeSet::new();
        let mut found = Vec::new();
        for (family, base, numbers) in asked {
            let Some(passing) = asking.passing(family, base) else { continue };
            for (one, packet) in reached(passing, numbers, &open, work) {
                if told.insert((one.origin, &one.service.name)) {
                    let Open { origin, service, .. } = one;
                    found.push(messages::open_to_world(text, *origin, service, &packet, base));
                }
            }
        }
        found
    }
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
        let service = remarks.guarded.iter().map(Cow::Borrowed);
        service.map(move |service| Open { origin, service, is_translated })
    })
    .collect()
}

/// The services of the library that rules accept by a port of theirs, named alone: who opens a range
/// opens it for something else.
fn served(dump: &Dump) -> Vec<Open<'static>> {
    let library = services_not_for_all();
    let mut open = Vec::new();
    for (table, _, line, rule) in dump.rules() {
        if table != TableName::Filter || rule.target != Target::Accept {
            continue;
        }
        for (protocol, port) in named_ports(rule) {
            let is_part = |part: &Part| match part {
                Part::Ports { protocol: own, destination, .. } => {
                    *own == protocol && destination.contains(port)
                }
                Part::Any | Part::Protocol(_) | Part::Icmp(_) => false,
            };
            let Some(service) = library.iter().find(|one| one.parts.iter().any(is_part)) else {
                continue;
            };
            let destination = Ports::single(port);
            let part = Part::Ports { protocol, source: Ports::full(), destination };
            let service = Guarded { span: line, parts: vec![part], ..service.clone() };
            let origin = Origin { span: line, call: None };
            open.push(Open { origin, service: Cow::Owned(service), is_translated: false });
        }
    }
    open
}

/// The destination ports that a rule names one by one.
fn named_ports(rule: &Rule) -> Vec<(PortProtocol, u16)> {
    let matches = || rule.matches.iter().filter(|found| !found.negated).map(|found| &found.kind);
    let protocol = matches().find_map(|kind| match kind {
        MatchKind::Protocol(protocol) => {
            PortProtocol::ALL.into_iter().find(|one| one.protocol() == *protocol)
        }
        _ => None,
    });
    let ports = matches().flat_map(|kind| match kind {
        MatchKind::DestinationPort(low, high) => vec![(*low, *high)],
        MatchKind::DestinationPorts(ports) => ports.clone(),
        _ => Vec::new(),
    });
    let single = ports.filter(|(low, high)| low == high).map(|(port, _)| port);
    protocol.map(|protocol| single.map(|port| (protocol, port)).collect()).unwrap_or_default()
}

/// Those of which a statement, with nothing said of the source, accepts a new packet from a public
/// address. The first set asked about has the addresses that are not public.
fn reached<'o, 'p>(
    passing: &Passing<'_>,
    mut numbers: Range<usize>,
    open: &'o [Open<'p>],
    work: &Work,
) -> Vec<(&'o Open<'p>, Packet)> {
    let space = passing.list().space();
    let own = passing.by_statement();
    let inside = numbers.next().map(|number| passing.asked(number)).unwrap_or_default();
    let mut found = Vec::new();
    for (number, one) in numbers.zip(open) {
        let public = space.difference(&passing.asked(number), &inside);
        let fits = |step: &usize| passing.steps[*step].passes() && is_from_any(passing.set(*step));
        let own = own.get(&one.origin).into_iter().flatten().copied();
        match passing.decided_by(&public, own.filter(fits)) {
            Found::Packet(point, _) => found.push((one, space.packet(&point))),
            Found::Nothing => {}
            Found::Unknown => work.was_too_much(&lint::OPEN_TO_WORLD),
        }
    }
    found
}

/// Whether a set has packets of one kind from any source.
pub(super) fn is_from_any(set: &PacketSet) -> bool {
    set.products().iter().any(|product| {
        let kind = PacketSet::of(set.family(), [product.clone()]);
        !kind.speaks_of(|field| matches!(field, Field::Source | Field::Incoming | Field::Opaque))
    })
}

/// What does not come from the Internet: private, local and multicast addresses (RFC 6890), and of IPv6
/// all but what is given out for it (2000::/3, RFC 4291).
pub(super) fn not_public() -> Addresses {
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

pub(super) fn constraints(part: &Part, is_translated: bool) -> Vec<Constraint> {
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
