//! Translations of addresses, and what they bring with them.

use std::net::IpAddr;

use super::{Condition, Origin, Part, Place, Remarks};
use crate::net::{Addresses, Families, Family, Interface, Prefix};

/// A NAT statement. Like filter rules they are first match in the order written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nat {
    pub origin: Origin,
    /// Where it says something.
    // INVARIANT: in each of them every list and part has a member, and there is what to translate
    // to.
    pub families: Families,
    pub kind: NatKind,
    pub conditions: Vec<Condition>,
    pub remarks: Remarks,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NatKind {
    /// masquerade, snat, nonat: what leaves gets another source (or is left alone).
    Source {
        /// Interfaces here are the incoming ones: a packet of this machine's own has none.
        source: Vec<Place>,
        /// Interfaces here are the outgoing ones.
        destination: Vec<Place>,
        parts: Vec<Part>,
        translation: SourceTranslation,
    },
    Forward(Box<Forward>),
    Redirect(Box<Redirect>),
    /// Each address of `outside` stands for the one with the same host bits in `inside`.
    // INVARIANT: both prefixes have the same family and length.
    Netmap {
        outside: Prefix,
        inside: Prefix,
        interfaces: Vec<Interface>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceTranslation {
    Masquerade,
    /// The lowest and highest address of a range, of one family each.
    Address {
        v4: Option<(IpAddr, IpAddr)>,
        v6: Option<(IpAddr, IpAddr)>,
    },
    /// Left as it is, and no later statement translates it.
    Exempt,
}

/// `forward SERVICES [at ADDRESS] from … to TARGET [hairpin ZONES]`: translates the destination and
/// accepts exactly what it translated.
///
/// For a family whose target is there and that is translated (IPv4 always, IPv6 only with an IPv6
/// `at`): on PREROUTING, packets from `source`, of `parts`, to `at`, get the target's address and
/// port; in FORWARD, at the statement's own place, packets whose connection was translated so (state
/// DNAT, original destination `at` when it is addresses, original port of `parts`), from `source`, to
/// the target on `out`, with the new port, are accepted.
/// For IPv6 without an IPv6 `at` there is no translation and FORWARD accepts `parts` to the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    pub source: Vec<Place>,
    pub parts: Vec<Part>,
    pub at: At,
    pub target_v4: Option<Target>,
    // INVARIANT: with a port only where it is translated, or where `parts` are that port alone.
    pub target_v6: Option<Target>,
    /// The interfaces of the target's zone; `None` when it is placed nowhere.
    pub out: Option<Vec<Interface>>,
    /// Zones whose own packets to the public address are translated and masqueraded too: hairpin.
    pub hairpin: Vec<Place>,
    /// `hairpin self`: this machine's own packets to the public address are translated too.
    pub hairpin_self: bool,
}

impl Forward {
    /// Where packets of a family go.
    #[must_use]
    pub fn target(&self, family: Family) -> Option<Target> {
        match family {
            Family::V4 => self.target_v4,
            Family::V6 => self.target_v6,
        }
    }
}

/// A host that packets are forwarded to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    // INVARIANT: of the family that it is the target of.
    pub address: IpAddr,
    /// The new port, never 0; `None` keeps the port.
    pub port: Option<u16>,
}

/// Which destinations a `forward` or `redirect` translates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum At {
    /// This machine's own addresses (`--dst-type LOCAL`).
    Local,
    /// These; all of a family only for `redirect`.
    Addresses(Addresses),
}

/// `redirect SERVICES [at ADDRESS] from … to :PORT`: hands packets to `at` over to a local port and
/// accepts exactly those on INPUT (state DNAT, original destination `at` when it is addresses,
/// original port of `parts`, new port).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    pub source: Vec<Place>,
    pub parts: Vec<Part>,
    /// Everything for `at any`: a transparent proxy.
    pub at: At,
    /// Never 0.
    pub port: u16,
}
