//! A packet as its sender gives it away, from the words of a test.

use std::net::IpAddr;
use std::sync::Arc;

use crate::analyze::deliverable::{first_state, is_of_group};
use crate::net::{Family, Interface, Protocol};
use crate::packet::{Packet, Payload};
use crate::resolve::policy::{Host, TestPacket};

/// A packet that is sent, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Without an outgoing interface. Of what is not known of its ends, any address is in it.
    pub packet: Packet,
    /// Which of its ends are any address of this machine.
    pub any: Vec<Whose>,
    /// Where it leaves, behind all translations.
    pub leaves: Option<Arc<str>>,
    /// The interface behind which its destination is, as it is sent: where it leaves unless nat gives it
    /// another.
    pub behind: Option<Arc<str>>,
    /// Whether it is said whose address its destination is.
    pub is_placed: bool,
}

/// One end of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    Source,
    Destination,
}

/// An address for documentation (RFC 5737, RFC 3849) where any of the machine's own is meant.
#[must_use]
pub fn usual(family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::from([203, 0, 113, 9]),
        Family::V6 => IpAddr::from([0x2001, 0xdb8, 9, 0, 0, 0, 0, 9]),
    }
}

impl Sent {
    /// The packet of a test.
    #[must_use]
    pub fn of(test: &TestPacket) -> Self {
        let address = |host: &Host| host.address.unwrap_or(usual(test.family));
        let port = |host: &Host| host.port.unwrap_or_default();
        let (from, to) = (port(&test.source), port(&test.destination));
        let payload = match (test.protocol, test.icmp) {
            (_, Some((kind, code))) => Payload::Icmp { kind, code },
            (Protocol::TCP, None) => {
                Payload::Tcp { source: from, destination: to, flags: test.flags }
            }
            (Protocol::UDP, None) => Payload::Udp { source: from, destination: to },
            (Protocol::SCTP, None) => Payload::Sctp { source: from, destination: to },
            (other, None) => Payload::Other(other),
        };
        let mut packet = Packet {
            incoming: test.incoming.clone(),
            outgoing: None,
            source: address(&test.source),
            destination: address(&test.destination),
            payload,
            state: crate::net::CtState::New,
            original: None,
            to_local: test.destination.is_own && !is_of_group(address(&test.destination)),
            mac: test.mac,
            mark: test.mark,
            connection_mark: 0,
            user: test.user.clone(),
            group: test.group.clone(),
            length: test.length,
            ttl: test.ttl,
            dscp: test.dscp,
            opaque: test.holds.clone(),
        };
        packet.state = test.state.unwrap_or_else(|| first_state(&packet));
        let unknown = |host: &Host, whose| host.address.is_none().then_some(whose);
        let any =
            [unknown(&test.source, Whose::Source), unknown(&test.destination, Whose::Destination)];
        let leads = test.destination.interfaces.as_deref();
        let single = leads.and_then(|interfaces| match interfaces {
            [one] if !one.is_wildcard() => Some(Arc::from(Interface::stem(one))),
            _ => None,
        });
        let is_placed = test.destination.is_own || test.destination.interfaces.is_some();
        Sent {
            packet,
            any: any.into_iter().flatten().collect(),
            leaves: test.outgoing.clone(),
            behind: single.filter(|_| !test.destination.is_own),
            is_placed,
        }
    }
}
