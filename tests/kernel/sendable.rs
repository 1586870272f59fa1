//! Packets that a meaning is asked about, as they can come from a wire.

use palisade::meaning::BaseChain;
use palisade::net::{CtState, TcpFlags};
use palisade::packet::{Packet, Payload, Random};

use crate::craft::{self, Marks};
use crate::generate::WINDOWS;
use crate::ground::{LINKS, MAC, class, is_local};

/// The chains that meet packets from outside before the filter has judged them.
pub const CHAINS: [BaseChain; 7] = [
    BaseChain::RawPrerouting,
    BaseChain::NatPrerouting,
    BaseChain::FilterInput,
    BaseChain::FilterForward,
    BaseChain::ManglePrerouting,
    BaseChain::MangleInput,
    BaseChain::MangleForward,
];

const SYN: u8 = 0x02;

/// The flags that most probes have and that no connection begins with: a reset, an answer.
const NEVER_FIRST: [u8; 2] = [0x04, 0x12];

/// A probe as it can come from a wire, before anything translated it.
pub fn sendable(mut packet: Packet, chain: BaseChain, random: &mut Random) -> Option<Packet> {
    // A single packet is never part of a connection.
    if matches!(packet.state, CtState::Established | CtState::Related) {
        return None;
    }
    let is_wire = |name: &str| LINKS.iter().any(|(link, _)| *link == name);
    let mut any = || LINKS[random.index(LINKS.len())];
    if !packet.incoming.as_deref().is_some_and(is_wire) {
        packet.incoming = Some(any().0.into());
    }
    packet.outgoing = packet.outgoing.filter(|name| is_wire(name));
    let arrives = matches!(chain, BaseChain::FilterInput | BaseChain::MangleInput);
    let mut local = packet.to_local || arrives;
    if let Some(original) = packet.original.take() {
        packet.destination = original.destination;
        set_port(&mut packet, original.port.unwrap_or_default());
        // What is published is as often an address of the router as it is not.
        local = packet.ttl.is_multiple_of(2);
    }
    if local && !is_local(packet.destination) {
        let [v4, v6, _] = any().1;
        let text = if packet.destination.is_ipv6() { v6 } else { v4 };
        packet.destination = text.parse().expect("an address");
    }
    packet.to_local = is_local(packet.destination);
    if let Payload::Tcp { flags, .. } = &mut packet.payload
        && NEVER_FIRST.contains(&flags.bits())
    {
        *flags = TcpFlags::from_bits(SYN);
    }
    // In IPv6 these are no protocols but further headers.
    let header = [0, 43, 44, 51, 59, 60, 135, 139, 140].contains(&packet.protocol().number());
    if packet.destination.is_ipv6() && header {
        return None;
    }
    let (user, group) = (None, None);
    let dscp = class(packet.outgoing.as_deref()) >> 2;
    let state = CtState::New;
    let (mark, connection_mark, mac) = (0, 0, Some(MAC));
    let mut packet = Packet { state, mac, mark, connection_mark, dscp, user, group, ..packet };
    let bytes = craft::bytes(&packet, Marks { cookie: 0, class: 0 });
    packet.length = u16::try_from(bytes.len()).expect("a packet fits a wire");
    Some(packet)
}

/// A policy without what the clock decides, which is judged by `windows`.
pub fn timeless(text: String) -> String {
    WINDOWS.iter().fold(text, |text, window| text.replace(&format!(" {window}"), ""))
}

/// Gives a packet that has ports another destination port.
pub fn set_port(packet: &mut Packet, port: u16) {
    match &mut packet.payload {
        Payload::Tcp { destination, .. }
        | Payload::Udp { destination, .. }
        | Payload::Sctp { destination, .. } => *destination = port,
        Payload::Icmp { .. } | Payload::Other(_) => {}
    }
}
