//! What a policy promises of itself: connections that it accepts or not, and packets with what becomes
//! of them.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::{Condition, Flow};
use crate::net::{
    Account, Addresses, CtState, Family, Interface, Mac, PortProtocol, Ports, Protocol, TcpFlags,
};
use crate::source::Span;

/// An `assert`, `protect` or `test` item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    pub span: Span,
    pub kind: PromiseKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PromiseKind {
    Assert(Claim),
    /// The connections are accepted, and so are the answers in them.
    Protect(Claim),
    Test {
        title: Arc<str>,
        packets: Vec<TestPacket>,
    },
}

/// What is said of every new connection of some flows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Whether all of them are accepted; else none is.
    pub accepts: bool,
    /// Whether it is enough that they are accepted while every limit has room.
    pub within_limits: bool,
    /// Their scopes are hooks.
    pub flows: Vec<Flow>,
    /// All must hold of the packets that are meant.
    pub conditions: Vec<Condition>,
}

/// One packet of a `test`, as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestPacket {
    pub span: Span,
    pub family: Family,
    pub protocol: Protocol,
    /// Type and code, of ICMP and ICMPv6.
    pub icmp: Option<(u8, u8)>,
    // INVARIANT: both hosts have a port where the protocol has ports, else none has; addresses are of
    // the family.
    pub source: Host,
    pub destination: Host,
    /// Where it comes in; `None` for this machine's own.
    pub incoming: Option<Arc<str>>,
    /// Where it leaves, when that is said.
    pub outgoing: Option<Arc<str>>,
    /// `None`: what conntrack sees in such a packet that is the first of its kind.
    pub state: Option<CtState>,
    /// Of tcp.
    pub flags: TcpFlags,
    pub mac: Option<Mac>,
    pub mark: u32,
    pub user: Option<Account>,
    pub group: Option<Account>,
    pub length: u16,
    pub ttl: u8,
    pub dscp: u8,
    /// The conditions that hold of it although it does not show them, by their texts.
    pub holds: BTreeSet<Arc<str>>,
    pub expected: Expected,
}

/// Who sends a packet, or who is to get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    pub span: Span,
    /// `None` for any address of this machine.
    pub address: Option<IpAddr>,
    pub is_own: bool,
    pub port: Option<u16>,
    /// The interfaces that lead there, where the host is placed.
    pub interfaces: Option<Vec<Interface>>,
}

/// What is to become of a test packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    Allow,
    Drop,
    Reject,
}

impl Expected {
    /// As a fate: `allowed`.
    #[must_use]
    pub fn fate(self) -> &'static str {
        match self {
            Expected::Allow => "allowed",
            Expected::Drop => "dropped",
            Expected::Reject => "rejected",
        }
    }
}

/// A zone with what is behind it, for whoever has to find out where packets leave or to call a place
/// by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    pub name: Arc<str>,
    pub span: Span,
    /// `None` for a zone that is nets alone; never empty.
    pub interfaces: Option<Vec<Interface>>,
    /// `None` for everything behind the interfaces.
    pub nets: Option<Addresses>,
}

/// The other names that a policy has for things, as far as it uses them: for whoever has to call a thing by
/// its name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Vocabulary {
    /// Lists of addresses; one whose members are all placed alike has the interfaces that lead there.
    pub lists: Vec<Zone>,
    /// Services that are ports of one protocol, whatever the source port.
    pub services: Vec<(Arc<str>, PortProtocol, Ports)>,
}
