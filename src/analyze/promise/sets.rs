//! The packets that a claim is about.

use std::sync::OnceLock;

use crate::analyze::passage::GROUPS;
use crate::meaning::meant_packets;
use crate::net::{Addresses, CtState, Family, FlagMatch, IcmpType, Interface, MarkMatch, TcpFlags};
use crate::packet::{Constraint, Factor, FieldBox, PacketSet, Product};
use crate::resolve::Policy;
use crate::resolve::policy::{Claim, Flow, Hook, Part, Place, Scope};

/// Which packets of connections are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// The first ones.
    Opening,
    /// All that might be let in without belonging to a connection.
    Unasked,
}

/// The packets of a claim in one chain of the filter, as they are sent; `None` when it is not about it.
pub(super) fn sent(
    policy: &Policy,
    claim: &Claim,
    flows: &[Flow],
    hook: Hook,
    family: Family,
) -> Option<PacketSet> {
    let meant = meant_packets(policy, flows, &claim.conditions, hook, family)?;
    let which = if claim.accepts { Which::Opening } else { Which::Unasked };
    let factors = [first_packets(family, which), possible(hook, family, claim.accepts)];
    let untranslated = Factor::all([Constraint::untranslated()]);
    Some(and(&meant, factors.into_iter().chain([untranslated])))
}

/// The flows of a claim in a chain that this machine has with itself, or the others. What `any` means is
/// never this machine.
pub(super) fn flows_of(claim: &Claim, hook: Hook, is_looped: bool) -> Vec<Flow> {
    let lo = [Interface::loopback()];
    let by_loopback =
        |places: &[Place]| places.iter().all(|place| place.interfaces.as_deref() == Some(&lo));
    let is_so = |flow: &Flow| match hook {
        Hook::Input => by_loopback(&flow.source),
        Hook::Output => by_loopback(&flow.destination),
        Hook::Forward => false,
    };
    let on_hook = claim.flows.iter().filter(|flow| flow.scope == Scope::Hook(hook));
    on_hook.filter(|flow| is_so(flow) == is_looped).cloned().collect()
}

/// The same to whatever destination.
pub(super) fn to_anywhere(flows: &[Flow], any_part: bool) -> Vec<Flow> {
    let open = |flow: &Flow| Flow {
        destination: vec![Place::anywhere()],
        parts: if any_part { vec![Part::Any] } else { flow.parts.clone() },
        ..flow.clone()
    };
    flows.iter().map(open).collect()
}

/// Whoever is at the destinations of a claim, whatever is sent to them. What this machine sends keeps the
/// interface of its first route, so that says nothing.
pub(super) fn at_destination(
    policy: &Policy,
    flows: &[Flow],
    hook: Hook,
    family: Family,
) -> Option<PacketSet> {
    let placed = |place: &Place| match hook {
        Hook::Output => Place { interfaces: None, ..place.clone() },
        Hook::Input | Hook::Forward => place.clone(),
    };
    let flows: Vec<Flow> = flows
        .iter()
        .map(|flow| Flow {
            source: vec![Place::anywhere()],
            destination: flow.destination.iter().map(placed).collect(),
            parts: vec![Part::Any],
            ..flow.clone()
        })
        .collect();
    meant_packets(policy, &flows, &[], hook, family)
}

/// The packets of a claim as the filter sees them, whatever they were before.
pub(super) fn at_filter(
    policy: &Policy,
    claim: &Claim,
    flows: &[Flow],
    hook: Hook,
    family: Family,
) -> Option<PacketSet> {
    meant_packets(policy, flows, &claim.conditions, hook, family)
}

/// The chain that answers meet to what meets a chain.
pub(super) fn back(hook: Hook) -> Hook {
    match hook {
        Hook::Input => Hook::Output,
        Hook::Forward => Hook::Forward,
        Hook::Output => Hook::Input,
    }
}

/// The answers in the connections of a claim, as the chain sees them that they meet.
pub(super) fn answers(
    policy: &Policy,
    flows: &[Flow],
    hook: Hook,
    family: Family,
) -> Option<PacketSet> {
    let back = back(hook);
    // The interface of this machine's own end is none.
    let own = |places: &[Place]| -> Vec<Place> {
        places.iter().map(|place| Place { interfaces: None, ..place.clone() }).collect()
    };
    let flows: Vec<Flow> = flows
        .iter()
        .map(|flow| {
            let (source, destination) = match hook {
                Hook::Input => (own(&flow.destination), flow.source.clone()),
                Hook::Forward => (flow.destination.clone(), flow.source.clone()),
                Hook::Output => (flow.destination.clone(), own(&flow.source)),
            };
            let parts = flow.parts.iter().map(answered).collect();
            Flow { scope: Scope::Hook(back), source, destination, parts, ..flow.clone() }
        })
        .collect();
    let meant = meant_packets(policy, &flows, &[], back, family)?;
    Some(and(&meant, [ordinary_answers(), possible(back, family, true)]))
}

/// What answers to a kind of traffic.
fn answered(part: &Part) -> Part {
    match part {
        Part::Any | Part::Protocol(_) => part.clone(),
        Part::Icmp(icmp) => Part::Protocol(crate::net::Protocol::icmp(icmp.family)),
        Part::Ports { protocol, source, destination } => Part::Ports {
            protocol: *protocol,
            source: destination.clone(),
            destination: source.clone(),
        },
    }
}

/// Packets of a known connection: of tcp those with ACK, and at most one of SYN, FIN and RST.
fn ordinary_answers() -> Factor {
    let looked_at = [TcpFlags::SYN, TcpFlags::ACK, TcpFlags::RST, TcpFlags::FIN];
    let mask = looked_at.into_iter().fold(TcpFlags::NONE, TcpFlags::union);
    let sets = [TcpFlags::NONE, TcpFlags::SYN, TcpFlags::RST, TcpFlags::FIN];
    let tcp = sets.into_iter().filter_map(|set| FlagMatch::new(set.union(TcpFlags::ACK), mask));
    let tcp = tcp.filter_map(|flags| FieldBox::of([of_protocol(6), Constraint::flags(flags)]));
    let others = FieldBox::of([Constraint::protocols([(1, 5), (7, 255)])]);
    Factor::of(tcp.chain(others))
}

/// Packets of a state.
pub(super) fn in_state(states: impl IntoIterator<Item = CtState>) -> Constraint {
    Constraint::state(states.into_iter().collect())
}

/// The packets that are in a set and in all factors.
pub(super) fn and(set: &PacketSet, factors: impl IntoIterator<Item = Factor>) -> PacketSet {
    let factors: Vec<Factor> = factors.into_iter().collect();
    let products = set
        .products()
        .iter()
        .filter_map(|product| Product::of(product.factors().iter().chain(&factors).cloned()));
    PacketSet::of(set.family(), products)
}

fn of_protocol(number: u8) -> Constraint {
    Constraint::protocols([(number, number)])
}

/// The first packets of connections, as conntrack sees them without a look at `notrack`.
fn first_packets(family: Family, which: Which) -> Factor {
    static KNOWN: [OnceLock<Factor>; 4] = [const { OnceLock::new() }; 4];
    let place = usize::from(family == Family::V6) + 2 * usize::from(which == Which::Unasked);
    KNOWN[place].get_or_init(|| opening_packets(family, which)).clone()
}

fn opening_packets(family: Family, which: Which) -> Factor {
    let mut boxes: Vec<FieldBox> = Vec::new();
    let new = [in_state([CtState::New]), no_mark_of_connection()];
    let mut open = |one: Vec<Constraint>| {
        boxes.extend(FieldBox::of(one.into_iter().chain(new.clone())));
    };
    let icmp = match family {
        Family::V4 => 1,
        Family::V6 => 58,
    };
    for flags in opening_flags(which) {
        open(vec![of_protocol(6), Constraint::flags(flags)]);
    }
    for kind in opening_types(family) {
        open(vec![of_protocol(icmp), Constraint::icmp(IcmpType::new(family, *kind))]);
    }
    // Of the other family's ICMP nothing opens a connection.
    let others = (1..=255).filter(|number| ![1, 6, 58].contains(number));
    open(vec![Constraint::protocols(others.map(|number| (number, number)))]);
    if which == Which::Unasked {
        // What opens nothing is invalid, unless it is not tracked; what is on a link never is.
        boxes.extend(FieldBox::of([in_state([CtState::Invalid])]));
        let on_link = [(130, 136), (143, 143), (151, 152)].into_iter();
        let kinds = on_link.filter(|_| family == Family::V6).flat_map(|(low, high)| low..=high);
        for kind in kinds {
            let kind = Constraint::icmp(IcmpType::new(family, kind));
            let all = [of_protocol(icmp), kind, in_state([CtState::Untracked])];
            boxes.extend(FieldBox::of(all));
        }
    }
    Factor::of(boxes)
}

/// A connection that begins has no mark.
fn no_mark_of_connection() -> Constraint {
    let none = MarkMatch::new(0, u32::MAX);
    none.map_or_else(Constraint::untranslated, Constraint::connection_mark)
}

/// The flags of tcp with which a connection begins; also those of one that conntrack takes up midway
/// (`tcp_loose`), where nothing may be let in.
fn opening_flags(which: Which) -> Vec<FlagMatch> {
    let looked_at = [TcpFlags::SYN, TcpFlags::ACK, TcpFlags::RST, TcpFlags::FIN];
    let mask = looked_at.into_iter().fold(TcpFlags::NONE, TcpFlags::union);
    let syn = FlagMatch::new(TcpFlags::SYN, mask);
    let ack = FlagMatch::new(TcpFlags::ACK, mask).filter(|_| which == Which::Unasked);
    syn.into_iter().chain(ack).collect()
}

/// The types of ICMP that open a flow.
pub fn opening_types(family: Family) -> &'static [u8] {
    match family {
        Family::V4 => &[8, 13, 15, 17],
        // Echo request, and node information query (RFC 4620).
        Family::V6 => &[128, 139],
    }
}

/// Packets that the kernel shows to a chain of the filter, as far as addresses say; those that come in have
/// no mark yet.
fn possible(hook: Hook, family: Family, accepts: bool) -> Factor {
    static KNOWN: [OnceLock<Factor>; 12] = [const { OnceLock::new() }; 12];
    let chain = match hook {
        Hook::Input => 0,
        Hook::Forward => 1,
        Hook::Output => 2,
    };
    let place = 4 * chain + 2 * usize::from(family == Family::V6) + usize::from(accepts);
    KNOWN[place].get_or_init(|| seen(hook, family, accepts)).clone()
}

fn seen(hook: Hook, family: Family, accepts: bool) -> Factor {
    let full = Addresses::full();
    let all_but = |nets: &[&str]| {
        let nets: Vec<Addresses> = nets.iter().filter_map(|net| read(net)).collect();
        full.difference(&Addresses::union_all(nets.iter()))
    };
    let loopback = Addresses::union_all(
        ["127.0.0.0/8", "::1/128"].iter().filter_map(|net| read(net)).collect::<Vec<_>>().iter(),
    );
    let lo = [Interface::loopback()];
    let source = |addresses: &Addresses| Constraint::source(family, addresses);
    let to = |addresses: &Addresses| Constraint::destination(family, addresses);
    let boxes: Vec<Option<FieldBox>> = match hook {
        Hook::Input => {
            let sources = all_but(&MARTIANS);
            // A group is nobody's address, and no connection is opened to one.
            let own = all_but(&MARTIANS);
            let mut boxes = vec![
                FieldBox::of([source(&sources), to(&own), Constraint::to_local()]),
                FieldBox::of([
                    source(&loopback),
                    to(&loopback),
                    Constraint::to_local(),
                    Constraint::incoming(&lo),
                ]),
            ];
            if !accepts {
                let groups = full.difference(&all_but(&GROUPS));
                boxes.push(FieldBox::of([
                    source(&sources),
                    to(&groups),
                    Constraint::not_to_local(),
                ]));
            }
            boxes
        }
        Hook::Forward => {
            let sources = all_but(&[&MARTIANS[..], &["fe80::/10"]].concat());
            let routed = all_but(&[&MARTIANS[..], &["fe80::/10"]].concat());
            vec![FieldBox::of([source(&sources), to(&routed), Constraint::not_to_local()])]
        }
        Hook::Output => {
            let looped = FieldBox::of([Constraint::outgoing(&lo), Constraint::to_local()]);
            vec![looped, FieldBox::of([Constraint::not_to_local()])]
        }
    };
    let boxes = boxes.into_iter().flatten();
    if hook == Hook::Output {
        return Factor::of(boxes);
    }
    let alive = Constraint::ttl_from(1);
    let unmarked = MarkMatch::new(0, u32::MAX).map(Constraint::mark);
    let unmarked = |one: FieldBox| {
        FieldBox::of(
            one.constraints().iter().cloned().chain(unmarked.clone()).chain([alive.clone()]),
        )
    };
    Factor::of(boxes.filter_map(unmarked))
}

/// Packets to an address that a machine may have.
pub(super) fn to_somebody(family: Family) -> Factor {
    let nets: Vec<Addresses> = MARTIANS.iter().filter_map(|net| read(net)).collect();
    let somebody = Addresses::full().difference(&Addresses::union_all(nets.iter()));
    Factor::all([Constraint::destination(family, &somebody)])
}

/// Sources that the kernel drops on arrival, and where it sends nothing on to (measured).
const MARTIANS: [&str; 7] = [
    "0.0.0.0/8",
    "127.0.0.0/8",
    "224.0.0.0/4",
    "255.255.255.255/32",
    "::/128",
    "::1/128",
    "ff00::/8",
];

fn read(net: &str) -> Option<Addresses> {
    crate::net::address::parse_addresses(net).ok().map(|parsed| parsed.addresses)
}
