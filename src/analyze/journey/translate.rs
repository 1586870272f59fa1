//! What nat makes of a packet.

use std::net::IpAddr;

use crate::meaning::{BaseChain, Translation};
use crate::net::address::{from_number, to_number};
use crate::net::{Addresses, Family, Prefix};
use crate::packet::{Original, Packet, Payload};

/// The packet as nat leaves it. `own` stands for whichever of its addresses this machine takes;
/// `machine` are those that are known.
///
/// Of a new source only an address that is said is put in: which of an interface or a range it is, is not
/// known, and no rule behind asks for it.
pub(super) fn translated(
    packet: &Packet,
    base: BaseChain,
    translation: &Translation,
    own: IpAddr,
    machine: &Addresses,
) -> Packet {
    let mut new = packet.clone();
    match translation {
        Translation::Exempt | Translation::Masquerade => {}
        Translation::Source { low, high } => {
            if low == high {
                new.source = *low;
            }
        }
        Translation::Netmap { from, to } if base == BaseChain::NatPostrouting => {
            new.source = mapped(packet.source, *from, *to);
        }
        Translation::Netmap { from, to } => {
            move_to(&mut new, mapped(packet.destination, *from, *to), None, machine);
        }
        Translation::Destination { address, port } => move_to(&mut new, *address, *port, machine),
        Translation::Redirect { port } => {
            move_to(&mut new, own, Some(*port), machine);
            new.to_local = true;
        }
    }
    new
}

/// Whether its destination is another.
pub(super) fn is_changed(before: &Packet, after: &Packet) -> bool {
    before.destination != after.destination || before.ports() != after.ports()
}

/// Gives a packet another destination. Conntrack calls it translated when something changed.
fn move_to(packet: &mut Packet, address: IpAddr, port: Option<u16>, machine: &Addresses) {
    let before = packet.clone();
    if address != packet.destination {
        packet.to_local = machine.contains(address);
    }
    packet.destination = address;
    if let Some(port) = port {
        set_port(packet, port);
    }
    if is_changed(&before, packet) {
        packet.original = Some(Original {
            destination: before.original_destination(),
            port: before.original_port(),
        });
    }
}

fn set_port(packet: &mut Packet, port: u16) {
    match &mut packet.payload {
        Payload::Tcp { destination, .. }
        | Payload::Udp { destination, .. }
        | Payload::Sctp { destination, .. } => *destination = port,
        Payload::Icmp { .. } | Payload::Other(_) => {}
    }
}

/// The address with the same host bits in another network.
fn mapped(address: IpAddr, from: Prefix, to: Prefix) -> IpAddr {
    let host = to_number(address).wrapping_sub(to_number(from.address()));
    from_number(Family::of(address), to_number(to.address()).wrapping_add(host))
}
