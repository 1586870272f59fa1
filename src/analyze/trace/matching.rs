//! Whether one packet fulfils one match, as the kernel's own code decides it.
//!
//! A field that the packet does not have fulfils neither a match nor its opposite, with three
//! exceptions that the kernel makes: interfaces, the sender's account, and connections of packets
//! that have none.

use crate::net::Family;
use crate::packet::opaque::{self, SetSide};
use crate::packet::{Packet, Payload};
use crate::ruleset::{Conntrack, KernelSet, Match, MatchKind, Rule, SetContent};

/// Whether all matches hold, asked in order until one does not.
pub fn matches_rule(rule: &Rule, packet: &Packet, oracle: &mut dyn FnMut(&Match) -> bool) -> bool {
    rule.matches.iter().all(|found| matches(found, packet, oracle))
}

/// Whether one match holds, negation included.
pub fn matches(found: &Match, packet: &Packet, oracle: &mut dyn FnMut(&Match) -> bool) -> bool {
    if found.kind.depends_on_history() {
        return oracle(found);
    }
    if let MatchKind::Conntrack(asked) = &found.kind {
        return conntrack(asked, found.negated, packet);
    }
    holds(&found.kind, packet).is_some_and(|holds| holds != found.negated)
}

/// `None` when the packet does not have what is asked about.
fn holds(kind: &MatchKind, packet: &Packet) -> Option<bool> {
    let within = |low: u16, high: u16, value: u16| (low..=high).contains(&value);
    let one_of =
        |list: &[(u16, u16)], value: u16| list.iter().any(|(low, high)| within(*low, *high, value));
    let source_port = packet.ports().map(|(source, _)| source);
    let destination_port = packet.ports().map(|(_, destination)| destination);
    Some(match kind {
        MatchKind::Source(prefix) => prefix.contains(packet.source),
        MatchKind::Destination(prefix) => prefix.contains(packet.destination),
        // The kernel compares with an empty name where there is no interface.
        MatchKind::In(interface) => {
            packet.incoming.as_deref().is_some_and(|name| interface.matches(name))
        }
        MatchKind::Out(interface) => {
            packet.outgoing.as_deref().is_some_and(|name| interface.matches(name))
        }
        MatchKind::Protocol(protocol) => packet.protocol() == *protocol,
        MatchKind::SourcePort(low, high) => within(*low, *high, source_port?),
        MatchKind::DestinationPort(low, high) => within(*low, *high, destination_port?),
        MatchKind::SourcePorts(list) => one_of(list, source_port?),
        MatchKind::DestinationPorts(list) => one_of(list, destination_port?),
        MatchKind::TcpFlags(wanted) => match packet.payload {
            Payload::Tcp { flags, .. } => wanted.matches(flags),
            Payload::Udp { .. }
            | Payload::Sctp { .. }
            | Payload::Icmp { .. }
            | Payload::Other(_) => return None,
        },
        MatchKind::Icmp(wanted) => match packet.payload {
            Payload::Icmp { kind, code } if wanted.family == packet.family() => {
                wanted.matches(kind, code)
            }
            Payload::Icmp { .. }
            | Payload::Tcp { .. }
            | Payload::Udp { .. }
            | Payload::Sctp { .. }
            | Payload::Other(_) => return None,
        },
        MatchKind::AnyIcmp => match packet.payload {
            Payload::Icmp { .. } => packet.family() == Family::V4,
            Payload::Tcp { .. }
            | Payload::Udp { .. }
            | Payload::Sctp { .. }
            | Payload::Other(_) => return None,
        },
        MatchKind::State(states) => states.contains(packet.state),
        MatchKind::SourceRange(low, high) => (low..=high).contains(&&packet.source),
        MatchKind::DestinationRange(low, high) => (low..=high).contains(&&packet.destination),
        MatchKind::Set { set, side } => in_set(set, *side, packet),
        MatchKind::DestinationLocal => packet.to_local,
        MatchKind::Multicast(SetSide::Source) => packet.source.is_multicast(),
        MatchKind::Multicast(SetSide::Destination) => packet.destination.is_multicast(),
        MatchKind::Mac(mac) => packet.mac? == *mac,
        MatchKind::Mark(mark) => mark.matches(packet.mark),
        MatchKind::Connmark(_) if !packet.is_tracked() => return None,
        MatchKind::Connmark(mark) => mark.matches(packet.connection_mark),
        // A packet that no process sent is not of any account, so of every other one (`xt_owner.c`).
        MatchKind::User(account) => packet.user.as_ref() == Some(account),
        MatchKind::Group(account) => packet.group.as_ref() == Some(account),
        MatchKind::Length(low, high) => within(*low, *high, packet.length),
        MatchKind::Ttl(ttl) => packet.ttl == *ttl,
        MatchKind::Dscp(dscp) => packet.dscp == dscp.code(),
        MatchKind::Time(window) => packet.opaque.contains(&opaque::now_within(window)),
        MatchKind::Ipsec { outgoing } => packet.opaque.contains(&opaque::through_ipsec(*outgoing)),
        MatchKind::Opaque(text) => packet.opaque.contains(text),
        MatchKind::Comment(_) => true,
        // Decided by the caller.
        MatchKind::Conntrack(_)
        | MatchKind::OpaqueHistory(_)
        | MatchKind::Limit { .. }
        | MatchKind::Hashlimit(_)
        | MatchKind::Connlimit { .. } => return None,
    })
}

/// A set of the other family has no address of the packet's.
fn in_set(set: &KernelSet, side: SetSide, packet: &Packet) -> bool {
    let address = match side {
        SetSide::Source => packet.source,
        SetSide::Destination => packet.destination,
    };
    set.family == packet.family()
        && match &set.content {
            SetContent::Static(addresses) => addresses.contains(address),
            SetContent::Dynamic(_) | SetContent::Unknown => {
                packet.opaque.contains(&opaque::member(side, &set.name))
            }
        }
}

/// As `xt_conntrack.c`: a packet without a connection (invalid, untracked) is judged by its state
/// alone when the state is asked for, whatever else is; when it is not asked for, the packet
/// fulfils neither the match nor its opposite.
fn conntrack(asked: &Conntrack, negated: bool, packet: &Packet) -> bool {
    let tracked = packet.is_tracked();
    let in_state =
        asked.states.contains(packet.state) || asked.dnat && tracked && packet.original.is_some();
    let asks_state = !asked.states.is_empty() || asked.dnat;
    if !tracked {
        let asks =
            asks_state || asked.original_destination.is_some() || asked.original_port.is_some();
        return if asks { asks_state && in_state != negated } else { !negated };
    }
    let destination = asked
        .original_destination
        .is_none_or(|prefix| prefix.contains(packet.original_destination()));
    let port = match asked.original_port {
        Some((low, high)) => match packet.original_port() {
            Some(port) => (low..=high).contains(&port),
            None => return false,
        },
        None => true,
    };
    let all = (!asks_state || in_state) && destination && port;
    all != negated
}
