//! Bytes on the wire for a packet of the model.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use palisade::packet::{Packet, Payload};

/// The longest packet that passes a wire whole.
const LONGEST: usize = 1500;

/// What a packet has that the model does not speak of.
#[derive(Clone, Copy)]
pub struct Marks {
    /// Who it is, wherever it is met: the identification of IPv4, the flow label of IPv6.
    pub cookie: u16,
    /// The type of service or traffic class, by which the wires are chosen.
    pub class: u8,
}

/// The bytes of a packet from its IP header on, as long as the packet says or as near as can be.
/// The checksum of an IPv4 header is left to the kernel.
pub fn bytes(packet: &Packet, marks: Marks) -> Vec<u8> {
    let header = match packet.source {
        IpAddr::V4(_) => 20,
        IpAddr::V6(_) => 40,
    };
    let mut payload = payload(packet);
    let length = usize::from(packet.length).clamp(header + payload.len(), LONGEST);
    payload.resize(length - header, 0);
    finish(packet, &mut payload);
    let mut bytes = match (packet.source, packet.destination) {
        (IpAddr::V4(source), IpAddr::V4(to)) => header_v4(packet, marks, length, source, to),
        (IpAddr::V6(source), IpAddr::V6(to)) => header_v6(packet, marks, length, source, to),
        _ => panic!("two families in {packet:?}"),
    };
    bytes.extend(payload);
    bytes
}

fn header_v4(
    packet: &Packet,
    marks: Marks,
    length: usize,
    source: Ipv4Addr,
    destination: Ipv4Addr,
) -> Vec<u8> {
    let mut bytes = vec![0x45, marks.class];
    bytes.extend(short(length));
    bytes.extend(marks.cookie.to_be_bytes());
    // Not to be cut into fragments.
    bytes.extend([0x40, 0, packet.ttl, packet.protocol().number(), 0, 0]);
    bytes.extend(source.octets());
    bytes.extend(destination.octets());
    bytes
}

fn header_v6(
    packet: &Packet,
    marks: Marks,
    length: usize,
    source: Ipv6Addr,
    destination: Ipv6Addr,
) -> Vec<u8> {
    let mut bytes = vec![0x60 | marks.class >> 4, marks.class << 4];
    bytes.extend(marks.cookie.to_be_bytes());
    bytes.extend(short(length - 40));
    bytes.extend([packet.protocol().number(), packet.ttl]);
    bytes.extend(source.octets());
    bytes.extend(destination.octets());
    bytes
}

/// What the IP header carries, without checksum.
fn payload(packet: &Packet) -> Vec<u8> {
    let ports = |source: u16, to: u16| [source.to_be_bytes(), to.to_be_bytes()].concat();
    let zeros = |count: usize| vec![0; count];
    match packet.payload {
        Payload::Tcp { source, destination, flags } => {
            let rest = [0x50, flags.bits(), 0x20, 0, 0, 0, 0, 0];
            [ports(source, destination), vec![0, 0, 0, 1], zeros(4), rest.to_vec()].concat()
        }
        Payload::Udp { source, destination } => [ports(source, destination), zeros(4)].concat(),
        Payload::Sctp { source, destination } => {
            // A chunk INIT of one stream each way.
            let init = [1, 0, 0, 20, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1];
            [ports(source, destination), zeros(8), init.to_vec()].concat()
        }
        Payload::Icmp { kind, code } => [vec![kind, code], zeros(6), about(packet, kind)].concat(),
        Payload::Other(_) => zeros(8),
    }
}

/// The ports of the datagram that an error is about.
pub const ABOUT: (u16, u16) = (40_001, 40_002);

/// What an ICMP error is about: the beginning of a datagram from whom it goes to, to whom it comes from.
fn about(packet: &Packet, kind: u8) -> Vec<u8> {
    let ports = [ABOUT.0.to_be_bytes(), ABOUT.1.to_be_bytes()].concat();
    let datagram = [&ports[..], &[0, 8, 0, 0]].concat();
    match (packet.destination, packet.source) {
        (IpAddr::V4(from), IpAddr::V4(to)) if [3, 4, 5, 11, 12].contains(&kind) => {
            let mut header = vec![0x45, 0, 0, 28, 0, 1, 0x40, 0, 64, 17, 0, 0];
            header.extend([from.octets(), to.octets()].concat());
            let sum = folded(words(&header));
            header[10..12].copy_from_slice(&sum.to_be_bytes());
            [header, datagram].concat()
        }
        (IpAddr::V6(from), IpAddr::V6(to)) if (1..=4).contains(&kind) => {
            let header = [0x60, 0, 0, 0, 0, 8, 17, 64];
            [&header[..], &from.octets(), &to.octets(), &datagram].concat()
        }
        _ => Vec::new(),
    }
}

/// Puts in the lengths and checksums of what is carried.
fn finish(packet: &Packet, payload: &mut [u8]) {
    let at = match packet.payload {
        Payload::Tcp { .. } => 16,
        Payload::Udp { .. } => {
            let length = short(payload.len());
            payload[4..6].copy_from_slice(&length);
            6
        }
        Payload::Icmp { .. } => 2,
        Payload::Sctp { .. } => {
            let chunk = short(payload.len() - 12);
            payload[14..16].copy_from_slice(&chunk);
            let sum = crc32c(payload).to_le_bytes();
            payload[8..12].copy_from_slice(&sum);
            return;
        }
        Payload::Other(_) => return,
    };
    let pseudo = match (packet.payload, packet.source, packet.destination) {
        (Payload::Icmp { .. }, IpAddr::V4(_), _) => 0,
        (_, IpAddr::V4(from), IpAddr::V4(to)) => words(&from.octets()) + words(&to.octets()),
        (_, IpAddr::V6(from), IpAddr::V6(to)) => words(&from.octets()) + words(&to.octets()),
        _ => panic!("two families in {packet:?}"),
    };
    let about = if pseudo == 0 {
        0
    } else {
        pseudo + u32::from(packet.protocol().number()) + words(&short(payload.len()))
    };
    let sum = folded(about + words(payload));
    // In UDP zero means that there is no checksum.
    let sum = if sum == 0 { 0xffff } else { sum };
    payload[at..at + 2].copy_from_slice(&sum.to_be_bytes());
}

/// The checksum that makes a sum one of ones.
fn folded(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("folded")
}

/// The sum of 16 bit words.
fn words(bytes: &[u8]) -> u32 {
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    bytes.chunks(2).map(word).sum()
}

/// The checksum of SCTP (RFC 9260, appendix A), bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
    let byte = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc));
    !bytes.iter().fold(u32::MAX, byte)
}

fn short(number: usize) -> [u8; 2] {
    u16::try_from(number).expect("no packet is that long").to_be_bytes()
}

#[test]
fn checksum_of_sctp_is_that_of_the_standard() {
    assert_eq!(crc32c(b"123456789"), 0xe306_9283);
}
