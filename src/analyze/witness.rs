//! A packet of the packet space as a finding shows it.

use std::sync::Arc;

use crate::diagnostic::witness::{self, Witness};
use crate::meaning::BaseChain;
use crate::net::{Account, TcpFlags};
use crate::packet::{Packet, Payload};

use super::deliverable::is_deliverable;
use super::flat::FIRST_FRAGMENT;
use super::ruled::place;

/// What a chain is called.
#[must_use]
pub fn chain_name(base: BaseChain) -> &'static str {
    place(base).1
}

/// What the table of a chain is called.
#[must_use]
pub fn table_name(base: BaseChain) -> &'static str {
    place(base).0.name()
}

/// A packet that a chain sees. What every ordinary packet has is left out: of tcp a plain SYN, no mark,
/// 60 bytes, a ttl of 64.
#[must_use]
pub fn witness_of(packet: &Packet, base: BaseChain) -> Witness {
    let owned = |name: &Option<Arc<str>>| name.as_deref().map(str::to_owned);
    let ports =
        packet.ports().map(|(source, destination)| witness::Payload::Ports { source, destination });
    let icmp = packet.icmp().map(|(kind, code)| witness::Payload::Icmp { kind, code });
    let protocol = match packet.payload {
        Payload::Tcp { .. } => "tcp".to_owned(),
        Payload::Udp { .. } => "udp".to_owned(),
        Payload::Sctp { .. } => "sctp".to_owned(),
        Payload::Icmp { .. } if packet.destination.is_ipv4() => "icmp".to_owned(),
        Payload::Icmp { .. } => "icmpv6".to_owned(),
        Payload::Other(protocol) => {
            protocol.name().map_or_else(|| protocol.number().to_string(), str::to_owned)
        }
    };
    let payload = ports.or(icmp).unwrap_or(witness::Payload::Other);
    let mut shown =
        Witness::new(chain_name(base), packet.source, packet.destination, protocol, payload);
    shown.incoming = owned(&packet.incoming);
    shown.outgoing = owned(&packet.outgoing);
    shown.flags = packet.flags().filter(|flags| *flags != TcpFlags::SYN).map(flags_of);
    shown.state = Some(packet.state.name().to_owned());
    shown.mark = Some(packet.mark).filter(|mark| *mark != 0);
    shown.mac = packet.mac.filter(|mac| mac.0 != USUAL_MAC).map(|mac| mac.to_string());
    shown.user = packet.user.as_ref().map(Account::to_string);
    shown.group = packet.group.as_ref().map(Account::to_string);
    shown.length = Some(packet.length).filter(|length| *length != 60);
    shown.ttl = Some(packet.ttl).filter(|ttl| *ttl != 64);
    shown.dscp = Some(packet.dscp).filter(|dscp| *dscp != 0);
    shown.original = packet.original.map(|original| (original.destination, original.port));
    let usual = |text: &&Arc<str>| ***text != *FIRST_FRAGMENT;
    shown.holds = packet.opaque.iter().filter(usual).map(|text| (**text).to_owned()).collect();
    shown.deliverable = is_deliverable(packet, base);
    shown
}

/// The address that a packet of a point has where no rule asks for one.
const USUAL_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 1];

fn flags_of(flags: TcpFlags) -> String {
    let names: Vec<&str> = flags.names().collect();
    if names.is_empty() { "none".to_owned() } else { names.join(",") }
}
