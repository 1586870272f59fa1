//! Exact sets of packets. Knows nothing of the language.
//!
//! A [`Packet`] is one point of the packet space: what a chain can see of one packet. A
//! [`PacketSet`] is a set of such points as data: lists are kept as lists, never multiplied out.
//! [`probes`] makes packets from the borders of sets, for tests.

pub mod constraint;
mod field;
pub mod interfaces;
pub mod opaque;
pub mod probes;

pub mod random;
pub mod set;

pub mod layout;
pub mod shares;
pub mod space;

pub mod index;
pub mod uncovered;

pub use constraint::{Constraint, Values};
pub use field::{Field, Value};
pub use index::{Among, Index, RuleNumber, Sorts};
pub use interfaces::InterfaceSet;
pub use opaque::OpaqueMatch;
pub use random::Random;
pub use set::{Factor, FieldBox, PacketSet, Product};
pub use space::{Asks, Placed, Point, Region, Space, Teller};
pub use uncovered::{Answer, Budget, Cover, Member, Question, Verdict};

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use crate::net::{Account, CtState, Family, Mac, Protocol, TcpFlags};

/// One packet as one chain sees it, after the translations that came before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// The interface it came in on; `None` for this machine's own packets.
    pub incoming: Option<Arc<str>>,
    /// The interface it leaves on; `None` where no route is chosen yet and on input.
    pub outgoing: Option<Arc<str>>,
    // INVARIANT: of the same family as the destination.
    pub source: IpAddr,
    pub destination: IpAddr,
    pub payload: Payload,
    pub state: CtState,
    /// What the destination was before it was translated; `None` when it was not.
    // INVARIANT: None when the state is invalid or untracked: such a packet has no connection.
    pub original: Option<Original>,
    /// Whether the destination is an address of this machine.
    pub to_local: bool,
    pub mac: Option<Mac>,
    pub mark: u32,
    /// The mark of its connection.
    // INVARIANT: 0 when the state is invalid or untracked: such a packet has no connection.
    pub connection_mark: u32,
    /// The account of the process that sent it, for this machine's own packets.
    pub user: Option<Account>,
    pub group: Option<Account>,
    /// Bytes, header included.
    pub length: u16,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// The class it asks for, below 64.
    pub dscp: u8,
    /// The conditions that hold of it although it does not show them, by their texts.
    pub opaque: BTreeSet<Arc<str>>,
}

/// What a packet carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    Tcp {
        source: u16,
        destination: u16,
        flags: TcpFlags,
    },
    Udp {
        source: u16,
        destination: u16,
    },
    Sctp {
        source: u16,
        destination: u16,
    },
    /// ICMP or ICMPv6, by the packet's family.
    Icmp {
        kind: u8,
        code: u8,
    },
    /// A protocol without ports.
    Other(Protocol),
}

/// A destination before translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Original {
    pub destination: IpAddr,
    /// For protocols with ports.
    pub port: Option<u16>,
}

impl Packet {
    #[must_use]
    pub fn family(&self) -> Family {
        Family::of(self.destination)
    }

    /// Whether it belongs to a connection that conntrack knows.
    #[must_use]
    pub fn is_tracked(&self) -> bool {
        match self.state {
            CtState::New | CtState::Related | CtState::Established => true,
            CtState::Invalid | CtState::Untracked => false,
        }
    }

    /// Whether conntrack has seen it before it came in: what this machine sends to itself keeps on lo the
    /// connection that it got on its way out, and nothing that is told of it counts any more (`xt_CT.c`).
    #[must_use]
    pub fn was_tracked_before(&self) -> bool {
        self.is_tracked() && self.incoming.as_deref() == Some("lo")
    }

    /// The protocol number that `-p` looks at.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        match (self.payload, self.family()) {
            (Payload::Tcp { .. }, _) => Protocol::TCP,
            (Payload::Udp { .. }, _) => Protocol::UDP,
            (Payload::Sctp { .. }, _) => Protocol::SCTP,
            (Payload::Icmp { .. }, family) => Protocol::icmp(family),
            (Payload::Other(protocol), _) => protocol,
        }
    }

    /// The source and destination port, where there are any.
    #[must_use]
    pub fn ports(&self) -> Option<(u16, u16)> {
        match self.payload {
            Payload::Tcp { source, destination, .. }
            | Payload::Udp { source, destination }
            | Payload::Sctp { source, destination } => Some((source, destination)),
            Payload::Icmp { .. } | Payload::Other(_) => None,
        }
    }

    /// The ICMP type and code, where there are any.
    #[must_use]
    pub fn icmp(&self) -> Option<(u8, u8)> {
        match self.payload {
            Payload::Icmp { kind, code } => Some((kind, code)),
            Payload::Tcp { .. }
            | Payload::Udp { .. }
            | Payload::Sctp { .. }
            | Payload::Other(_) => None,
        }
    }

    /// The flags of a tcp packet.
    #[must_use]
    pub fn flags(&self) -> Option<TcpFlags> {
        match self.payload {
            Payload::Tcp { flags, .. } => Some(flags),
            Payload::Udp { .. }
            | Payload::Sctp { .. }
            | Payload::Icmp { .. }
            | Payload::Other(_) => None,
        }
    }

    /// The destination that the connection was opened to.
    #[must_use]
    pub fn original_destination(&self) -> IpAddr {
        self.original.map_or(self.destination, |original| original.destination)
    }

    /// The destination port that the connection was opened to.
    #[must_use]
    pub fn original_port(&self) -> Option<u16> {
        match self.original {
            Some(original) => original.port,
            None => self.ports().map(|(_, destination)| destination),
        }
    }
}
