//! Connections that the kernel is told of, so that a packet can be one of them.

use std::net::IpAddr;

use palisade::net::Family;
use palisade::packet::{Packet, Payload};

use crate::netlink::{Message, Netlink};

const CONNECTIONS: u8 = 1;
const EXPECTATIONS: u8 = 2;

const NEW: u8 = 0;
const DELETE: u8 = 2;

/// Answered, assured, confirmed.
const STATUS: u32 = 2 | 4 | 8;

/// Both ends of a connection, as one of its packets has them.
#[derive(Debug, Clone, Copy)]
pub struct Ends {
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    /// Ports; of an echo its type and identification; else nothing.
    ports: (u16, u16),
}

impl Ends {
    /// Those of a packet; `None` where nobody could be told of its connection.
    pub fn of(packet: &Packet) -> Option<Self> {
        let ports = match packet.payload {
            Payload::Tcp { source, destination, .. }
            | Payload::Udp { source, destination }
            | Payload::Sctp { source, destination } => (source, destination),
            // An echo and its answer; what is sent has the identification 0.
            Payload::Icmp { kind: 8 | 0 | 128 | 129, code: 0 } => (0, 0),
            Payload::Icmp { .. } => return None,
            // These have more than their number.
            Payload::Other(protocol) if [33, 47, 136].contains(&protocol.number()) => return None,
            Payload::Other(_) => (0, 0),
        };
        let protocol = packet.protocol().number();
        let (source, destination) = (packet.source, packet.destination);
        Some(Self { source, destination, protocol, ports })
    }

    /// Of the datagram that an ICMP error is about, as `craft` puts it in.
    pub fn in_error(packet: &Packet) -> Self {
        let (source, destination) = (packet.destination, packet.source);
        Self { source, destination, protocol: 17, ports: crate::craft::ABOUT }
    }

    /// The same for both directions.
    pub fn key(&self) -> String {
        let [one, other] = [(self.source, self.ports.0), (self.destination, self.ports.1)];
        format!("{} {:?} {:?}", self.protocol, one.min(other), one.max(other))
    }

    fn turned(self) -> Self {
        let (source, destination) = (self.destination, self.source);
        Self { source, destination, ports: (self.ports.1, self.ports.0), ..self }
    }

    fn tuple(self, message: Message, is_answer: bool) -> Message {
        let addresses = |message: Message| match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(to)) => {
                message.with(1, &source.octets()).with(2, &to.octets())
            }
            (IpAddr::V6(source), IpAddr::V6(to)) => {
                message.with(3, &source.octets()).with(4, &to.octets())
            }
            _ => panic!("two families in {self:?}"),
        };
        let protocol = |message: Message| {
            let message = message.with(1, &[self.protocol]);
            let (from, to) = (self.ports.0.to_be_bytes(), self.ports.1.to_be_bytes());
            match self.protocol {
                1 => {
                    let kind = if is_answer { 0 } else { 8 };
                    message.with(4, &[0, 0]).with(5, &[kind]).with(6, &[0])
                }
                58 => {
                    let kind = if is_answer { 129 } else { 128 };
                    message.with(7, &[0, 0]).with(8, &[kind]).with(9, &[0])
                }
                6 | 17 | 132 => message.with(2, &from).with(3, &to),
                _ => message,
            }
        };
        message.with_nested(1, addresses).with_nested(2, protocol)
    }
}

/// A connection that a packet is to be one of.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    pub opened: Ends,
    pub mark: u32,
}

impl Known {
    /// That which a packet belongs to; `is_answer` is whether it goes back.
    pub fn of(packet: &Packet, is_answer: bool) -> Option<Self> {
        let is_echo_reply = matches!(packet.payload, Payload::Icmp { kind: 0 | 129, .. });
        let is_echo = matches!(packet.payload, Payload::Icmp { kind: 8 | 128, .. });
        let ends = Ends::of(packet)?;
        let opened = if is_echo_reply || is_answer && !is_echo { ends.turned() } else { ends };
        Some(Self { opened, mark: packet.connection_mark })
    }

    pub fn tell(self, kernel: &Netlink) {
        let answer = self.opened.turned();
        let message = Message::new(CONNECTIONS, NEW, true, family(self.opened), 0)
            .with_nested(1, |message| self.opened.tuple(message, false))
            .with_nested(2, |message| answer.tuple(message, true))
            .with(3, &STATUS.to_be_bytes())
            .with(7, &600_u32.to_be_bytes())
            .with(8, &self.mark.to_be_bytes());
        let message = match self.opened.protocol {
            // It is established.
            6 => message
                .with_nested(4, |message| message.with_nested(1, |message| message.with(1, &[3]))),
            132 => message.with_nested(4, |message| {
                message.with_nested(3, |message| {
                    message.with(1, &[4]).with(2, &[0; 4]).with(3, &[0; 4])
                })
            }),
            _ => message,
        };
        kernel.tell(message);
    }
}

fn family(ends: Ends) -> u8 {
    match Family::of(ends.source) {
        Family::V4 => 2,
        Family::V6 => 10,
    }
}

/// Expects the connection that a packet opens, as a session of ftp between the same hosts would, which
/// is told of too.
pub fn expect(packet: &Packet, number: u16, kernel: &Netlink) {
    let Some(ends) = Ends::of(packet) else { return };
    let session = Ends { protocol: 6, ports: (number, 21), ..ends };
    let answer = session.turned();
    let message = Message::new(CONNECTIONS, NEW, true, family(ends), 0)
        .with_nested(1, |message| session.tuple(message, false))
        .with_nested(2, |message| answer.tuple(message, true))
        .with(3, &STATUS.to_be_bytes())
        .with_nested(5, |message| message.with(1, b"ftp\0"))
        .with(7, &600_u32.to_be_bytes())
        .with(8, &packet.connection_mark.to_be_bytes())
        .with_nested(4, |message| message.with_nested(1, |message| message.with(1, &[3])));
    kernel.tell(message);
    let all = match Family::of(ends.source) {
        Family::V4 => Ends { source: [255; 4].into(), destination: [255; 4].into(), ..ends },
        Family::V6 => Ends { source: [255; 16].into(), destination: [255; 16].into(), ..ends },
    };
    let mask = Ends { ports: (u16::MAX, u16::MAX), ..all };
    let message = Message::new(EXPECTATIONS, NEW, true, family(ends), 0)
        .with_nested(1, |message| session.tuple(message, false))
        .with_nested(2, |message| ends.tuple(message, false))
        .with_nested(3, |message| mask.tuple(message, false))
        .with(4, &600_u32.to_be_bytes());
    kernel.tell(message);
}

/// No connection is known any more.
pub fn forget(kernel: &Netlink) {
    kernel.tell(Message::new(CONNECTIONS, DELETE, false, 0, 0));
}
