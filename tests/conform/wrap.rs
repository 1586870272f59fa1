//! What is done to the bytes of a packet before they are sent.

use std::net::{IpAddr, Ipv4Addr};

use palisade::packet::{Packet, Payload};

/// Where the last packet of a batch goes.
pub const END: [u8; 4] = [203, 0, 113, 7];

/// A packet that no probe is: of the protocol for experiments, without a cookie. (A raw socket puts one
/// into a packet that has none, so its mark is its first byte of all.)
pub fn end() -> Vec<u8> {
    let mut bytes = vec![0x45, END_CLASS, 0, 20, 0, 0, 0x40, 0, 64, 253, 0, 0];
    bytes.extend(Ipv4Addr::from([198, 51, 100, 1]).octets());
    bytes.extend(END);
    bytes
}

/// The class of such a packet: both bits that no probe has.
pub const END_CLASS: u8 = 3;

/// Whether a packet has a checksum that can be wrong.
pub fn has_checksum(packet: &Packet) -> bool {
    match packet.payload {
        Payload::Tcp { .. } | Payload::Udp { .. } | Payload::Sctp { .. } | Payload::Icmp { .. } => {
            true
        }
        Payload::Other(_) => false,
    }
}

/// Makes the checksum wrong.
pub fn tear(bytes: &mut [u8], packet: &Packet) {
    let at = header(packet.source)
        + match packet.payload {
            Payload::Tcp { .. } => 16,
            Payload::Udp { .. } => 6,
            Payload::Sctp { .. } => 8,
            Payload::Icmp { .. } => 2,
            Payload::Other(_) => return,
        };
    bytes[at] ^= 0x55;
    bytes[at + 1] ^= 0x2a;
}

fn header(source: IpAddr) -> usize {
    if source.is_ipv4() { 20 } else { 40 }
}

/// Carried bytes of the first fragment; those of all but the last are a multiple of 8.
const FIRST_PART: usize = 24;

/// Whether a packet is long enough for two fragments.
pub fn can_be_parted(bytes: usize, source: IpAddr) -> bool {
    bytes > header(source) + FIRST_PART
}

/// The same packet as two fragments.
pub fn parts(bytes: &[u8]) -> Vec<Vec<u8>> {
    let is_v4 = bytes[0] >> 4 == 4;
    let (head, body) = bytes.split_at(if is_v4 { 20 } else { 40 });
    let (first, second) = body.split_at(FIRST_PART);
    let part = |body: &[u8], offset: usize, more: bool| {
        let mut head = head.to_vec();
        let length = |number: usize| u16::try_from(number).expect("a short packet").to_be_bytes();
        if is_v4 {
            head[2..4].copy_from_slice(&length(20 + body.len()));
            let at = u16::try_from(offset / 8).expect("a short packet") | u16::from(more) << 13;
            head[6..8].copy_from_slice(&at.to_be_bytes());
            return [&head[..], body].concat();
        }
        head[4..6].copy_from_slice(&length(8 + body.len()));
        let next = std::mem::replace(&mut head[6], 44);
        let at = u16::try_from(offset).expect("a short packet") | u16::from(more);
        // The fragment's number is the cookie.
        let fragment = [&[next, 0][..], &at.to_be_bytes(), &[0, 0], &head[2..4]].concat();
        [&head[..], &fragment, body].concat()
    };
    vec![part(first, 0, true), part(second, FIRST_PART, false)]
}
