//! Which packets the kernel can ever show to a chain.
//!
//! The facts were measured on a kernel with its usual settings: which addresses are dropped before
//! any chain is asked, and in which state conntrack sees a first packet by its protocol and flags.
//! Whether a rule is dead is judged without them; they choose the packet that is shown.

use std::net::IpAddr;

use crate::meaning::BaseChain;
use crate::net::{CtState, Protocol, TcpFlags};
use crate::packet::{Packet, Payload};

/// Whether a chain can see such a packet.
#[must_use]
pub fn is_deliverable(packet: &Packet, base: BaseChain) -> bool {
    let came_in = packet.incoming.is_some();
    let is_looped = [&packet.incoming, &packet.outgoing]
        .into_iter()
        .any(|interface| interface.as_deref() == Some("lo"));
    let addresses_fit = is_looped || !came_in || !is_martian(packet.source, packet.destination);
    let is_forwarded = match base {
        BaseChain::FilterForward
        | BaseChain::MangleForward
        | BaseChain::SecurityForward
        | BaseChain::DockerUser => true,
        BaseChain::NatPrerouting
        | BaseChain::NatOutput
        | BaseChain::NatPostrouting
        | BaseChain::FilterInput
        | BaseChain::FilterOutput
        | BaseChain::ManglePrerouting
        | BaseChain::MangleInput
        | BaseChain::MangleOutput
        | BaseChain::RawPrerouting
        | BaseChain::RawOutput
        | BaseChain::NatInput
        | BaseChain::ManglePostrouting
        | BaseChain::SecurityInput
        | BaseChain::SecurityOutput => false,
    };
    // A router answers what has no hops left, and sends nothing on to these.
    let is_sent_on = !is_forwarded
        || (packet.ttl > 1 && !is_looped && !stays_on_link(packet.source, packet.destination));
    addresses_fit
        && is_sent_on
        && (packet.ttl > 0 || came_in)
        && packet.length >= least(packet)
        && state_fits(packet)
}

/// How little there is to wonder about a packet.
#[must_use]
pub fn ordinariness(packet: &Packet, base: BaseChain) -> (bool, [bool; 4]) {
    let is_new = packet.state == CtState::New;
    let is_syn = packet.flags().is_none_or(|flags| flags == TcpFlags::SYN);
    let loopback = Some("lo");
    let is_from_outside =
        packet.incoming.as_deref() != loopback && packet.outgoing.as_deref() != loopback;
    let is_plain = packet.opaque.is_empty() && packet.original.is_none();
    (is_deliverable(packet, base), [is_from_outside, is_new, is_syn, is_plain])
}

/// Nothing to wonder about.
pub const MOST_ORDINARY: (bool, [bool; 4]) = (true, [true; 4]);

/// Whether the kernel drops what comes in from the wire with such addresses, whatever rules say. Who has no
/// address yet is heard all the same: by all, on the link, and in IPv6 by everybody.
#[must_use]
pub fn is_martian(source: IpAddr, destination: IpAddr) -> bool {
    if source.is_loopback() || destination.is_loopback() {
        return true;
    }
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let is_heard = destination.is_broadcast() || destination.octets()[..3] == [224, 0, 0];
            source.is_multicast()
                || source.is_broadcast()
                || source.is_unspecified() && !is_heard
                || destination.is_unspecified()
        }
        (source, destination) => source.is_multicast() || destination.is_unspecified(),
    }
}

/// Whether no router sends on what has such addresses. Packets to groups are sent on where a multicast route
/// says so.
#[must_use]
pub fn stays_on_link(source: IpAddr, destination: IpAddr) -> bool {
    let is_loopback = source.is_loopback() || destination.is_loopback();
    let is_nobody = |address: IpAddr| match address {
        IpAddr::V4(address) => address.is_unspecified(),
        IpAddr::V6(address) => address.is_unspecified() || address.is_unicast_link_local(),
    };
    let is_of_link = match destination {
        IpAddr::V4(address) => address.is_broadcast() || address.octets()[..3] == [224, 0, 0],
        // The scope of a group (RFC 4291, section 2.7): reserved, of the interface, of the link.
        IpAddr::V6(address) => address.is_multicast() && address.octets()[1] & 0xf <= 2,
    };
    is_loopback
        || is_nobody(source)
        || is_nobody(destination)
        || source.is_multicast()
        || is_of_link
}

/// Whether an address is that of many, which the machine itself listens to.
#[must_use]
pub fn is_of_group(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_multicast() || address.is_broadcast(),
        IpAddr::V6(address) => address.is_multicast(),
    }
}

/// The least bytes that such a packet has: the headers of IP and of what it carries.
fn least(packet: &Packet) -> u16 {
    let header = if packet.destination.is_ipv4() { 20 } else { 40 };
    header
        + match packet.payload {
            Payload::Tcp { .. } => 20,
            Payload::Udp { .. } | Payload::Icmp { .. } => 8,
            Payload::Sctp { .. } => 12,
            Payload::Other(_) => 0,
        }
}

/// Whether conntrack can see such a packet in its state.
fn state_fits(packet: &Packet) -> bool {
    match packet.state {
        CtState::New => opens(packet),
        // Of a flow that there is, or about one.
        CtState::Established | CtState::Related => match packet.payload {
            Payload::Tcp { flags, .. } => is_ordinary(flags),
            Payload::Icmp { .. } => !is_untracked(packet),
            Payload::Udp { .. } | Payload::Sctp { .. } | Payload::Other(_) => true,
        },
        CtState::Invalid => match packet.payload {
            Payload::Tcp { flags, .. } => !opens_with(flags),
            Payload::Icmp { .. } => !opens(packet) && !is_untracked(packet),
            Payload::Udp { .. } => false,
            Payload::Other(protocol) => is_icmp(protocol),
            Payload::Sctp { .. } => true,
        },
        // What `notrack` says is asked of nobody here: only what the kernel itself never tracks.
        CtState::Untracked => is_untracked(packet),
    }
}

/// In which state conntrack sees a packet that no other went before.
#[must_use]
pub fn first_state(packet: &Packet) -> CtState {
    if is_untracked(packet) {
        CtState::Untracked
    } else if opens(packet) {
        CtState::New
    } else {
        CtState::Invalid
    }
}

/// Whether it opens a flow.
fn opens(packet: &Packet) -> bool {
    match packet.payload {
        Payload::Tcp { flags, .. } => opens_with(flags),
        Payload::Icmp { kind, .. } if packet.destination.is_ipv4() => {
            matches!(kind, 8 | 13 | 15 | 17)
        }
        // Echo request, and the two kinds of node information query (RFC 4620).
        Payload::Icmp { kind, .. } => matches!(kind, 128 | 139),
        Payload::Other(protocol) => !is_icmp(protocol),
        Payload::Udp { .. } | Payload::Sctp { .. } => true,
    }
}

/// Whether it is ICMP: that of the other family opens nothing, whatever is in it.
fn is_icmp(protocol: Protocol) -> bool {
    protocol == Protocol::ICMP || protocol == Protocol::ICMPV6
}

/// SYN, or an ACK in the middle of a connection, which conntrack takes up unless told otherwise. Beside
/// them PSH and URG are nothing to it.
fn opens_with(flags: TcpFlags) -> bool {
    let looked_at = flags.bits() & !(TcpFlags::PSH.bits() | TcpFlags::URG.bits());
    looked_at == TcpFlags::SYN.bits() || looked_at == TcpFlags::ACK.bits()
}

/// What a connection has in it: no SYN with FIN or RST, and always something.
fn is_ordinary(flags: TcpFlags) -> bool {
    let has = |one: TcpFlags| flags.bits() & one.bits() != 0;
    let main = [TcpFlags::SYN, TcpFlags::FIN, TcpFlags::RST].into_iter().filter(|one| has(*one));
    main.count() <= 1 && (has(TcpFlags::ACK) || has(TcpFlags::SYN) || has(TcpFlags::RST))
}

/// Multicast listeners and routers and neighbours on IPv6, which conntrack leaves alone
/// (`nf_conntrack_proto_icmpv6.c`).
fn is_untracked(packet: &Packet) -> bool {
    let Payload::Icmp { kind, .. } = packet.payload else { return false };
    packet.destination.is_ipv6() && matches!(kind, 130..=136 | 143 | 151 | 152)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Family;
    use crate::packet::{PacketSet, Space};

    /// A packet in the middle of everything.
    fn ordinary(family: Family) -> Packet {
        let everything = PacketSet::everything(family);
        let (space, _) = Space::of(family, None, &[&everything]);
        let point = crate::packet::Index::of(&space, []).sample(space.possible(), 1, 0).next();
        space.packet(&point.expect("a point"))
    }

    fn tcp(flags: TcpFlags) -> Payload {
        Payload::Tcp { source: 40_000, destination: 22, flags }
    }

    #[test]
    fn martians_do_not_arrive() {
        let base = BaseChain::FilterInput;
        let mut packet = ordinary(Family::V4);
        assert!(is_deliverable(&packet, base));
        for source in ["127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255"] {
            packet.source = source.parse().unwrap();
            assert!(!is_deliverable(&packet, base), "{source}");
        }
        packet.source = "240.0.0.1".parse().unwrap();
        assert!(is_deliverable(&packet, base));
        packet.source = "127.0.0.1".parse().unwrap();
        packet.incoming = Some("lo".into());
        assert!(is_deliverable(&packet, base));
    }

    #[test]
    fn states_go_with_flags() {
        let base = BaseChain::FilterInput;
        let mut packet = ordinary(Family::V4);
        for (flags, is_new) in [
            (TcpFlags::SYN, true),
            (TcpFlags::ACK, true),
            (TcpFlags::FIN, false),
            (TcpFlags::SYN.union(TcpFlags::ACK), false),
        ] {
            packet.payload = tcp(flags);
            packet.state = CtState::New;
            assert_eq!(is_deliverable(&packet, base), is_new, "{flags:?}");
            packet.state = CtState::Invalid;
            assert_eq!(is_deliverable(&packet, base), !is_new, "{flags:?}");
        }
        let mut packet = ordinary(Family::V6);
        packet.payload = Payload::Icmp { kind: 135, code: 0 };
        assert!(!is_deliverable(&packet, base));
        packet.state = CtState::Untracked;
        assert!(is_deliverable(&packet, base));
    }

    #[test]
    fn what_has_no_hop_left_is_not_forwarded() {
        let mut packet = ordinary(Family::V4);
        packet.ttl = 1;
        assert!(is_deliverable(&packet, BaseChain::FilterInput));
        assert!(!is_deliverable(&packet, BaseChain::FilterForward));
    }
}
