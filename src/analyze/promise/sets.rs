//! The packets that a claim is about.

use std::sync::OnceLock;

use super::seen::{Whom, seen};
use crate::analyze::passage::{GROUPS, networks};
use crate::meaning::meant_packets;
use crate::net::{CtState, Family, FlagMatch, IcmpType, Interface, MarkMatch, TcpFlags};
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
    let which = if claim.accepts { Which::Opening } else { Which::Unasked };
    // No connection is opened to a group, but where that is what is meant.
    let (to_groups, others): (Vec<Flow>, Vec<Flow>) =
        flows.iter().cloned().partition(|flow| !claim.accepts || is_to_group(flow));
    let sent = |flows: &[Flow], whom| {
        let meant = meant_packets(policy, flows, &claim.conditions, hook, family)?;
        let untranslated = Factor::all([Constraint::untranslated()]);
        let factors = [first_packets(family, which), seen(hook, family, whom), untranslated];
        Some(and(&meant, factors))
    };
    match (sent(&to_groups, Whom::All), sent(&others, Whom::Hosts)) {
        (Some(one), Some(other)) => {
            let products = one.products().iter().chain(other.products());
            Some(PacketSet::of(family, products.cloned()))
        }
        (one, other) => one.or(other),
    }
}

/// Whether a flow goes to groups alone.
fn is_to_group(flow: &Flow) -> bool {
    let groups = networks(&GROUPS);
    let is_group = |place: &Place| place.addresses.difference(&groups).is_empty();
    !flow.destination.is_empty() && flow.destination.iter().all(is_group)
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
    Some(and(&meant, [ordinary_answers(), seen(back, family, Whom::Hosts)]))
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
