//! Transport protocols by number.

use std::fmt;

use super::{Families, Family};

/// An IP protocol number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Protocol(u8);

impl Protocol {
    pub const ICMP: Protocol = Protocol(1);
    pub const TCP: Protocol = Protocol(6);
    pub const UDP: Protocol = Protocol(17);
    pub const AH: Protocol = Protocol(51);
    pub const ICMPV6: Protocol = Protocol(58);
    /// In IPv6, that nothing comes behind the headers.
    pub const NONE: Protocol = Protocol(59);
    pub const SCTP: Protocol = Protocol(132);
    /// The headers of IPv6 that no rule meets as a protocol: routing, fragment, destination options.
    pub const NEVER_IN_IPV6: [Protocol; 3] = [Protocol(43), Protocol(44), Protocol(60)];

    /// The ICMP of a family.
    #[must_use]
    pub fn icmp(family: Family) -> Self {
        match family {
            Family::V4 => Protocol::ICMP,
            Family::V6 => Protocol::ICMPV6,
        }
    }

    /// The protocol of a number. 0 is refused: in a rule the tools read it as "every protocol".
    #[must_use]
    pub fn new(number: u8) -> Option<Self> {
        (number != 0).then_some(Protocol(number))
    }

    /// The families whose packets a rule can meet it in. Neither ICMP on IPv6 nor ICMPv6 on IPv4 is meant
    /// by anybody.
    #[must_use]
    pub fn families(self) -> Families {
        match self {
            Protocol::ICMP => Families::only(Family::V4),
            Protocol::ICMPV6 => Families::only(Family::V6),
            one if one.is_ipv6_header() => Families::only(Family::V4),
            _ => Families::BOTH,
        }
    }

    /// Whether IPv6 has it as a header before the protocol proper (RFC 8200, section 4.1): a rule asks for
    /// what comes behind routing, fragment and destination options. Behind an authentication header too with
    /// iptables-legacy, while nftables takes it for the protocol: no rule can say both.
    #[must_use]
    pub fn is_ipv6_header(self) -> bool {
        self == Protocol::AH || Self::NEVER_IN_IPV6.contains(&self)
    }

    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }

    /// The protocol of a name, from the table of names that iptables also prints.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        NAMES.iter().find(|(_, known, _)| *known == name).map(|(number, ..)| Protocol(*number))
    }

    /// The name that is read and shown to people, when there is one.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        NAMES.iter().find(|(number, ..)| *number == self.0).map(|(_, name, _)| *name)
    }

    /// Every name with its protocol.
    pub fn names() -> impl Iterator<Item = (&'static str, Protocol)> {
        NAMES.iter().map(|(number, name, _)| (*name, Protocol(*number)))
    }

    /// How a rule of a family asks for it: by the name that `iptables-save` prints, if it is one of its
    /// few, else by the number. So is the ICMP of the other family, whose name there looks like a slip.
    #[must_use]
    pub fn iptables_name(self, family: Family) -> String {
        match NAMES.iter().find(|(number, ..)| *number == self.0) {
            Some((_, _, Some(name))) if !self.is_icmp_beside(family) => (*name).to_owned(),
            _ => self.0.to_string(),
        }
    }

    /// Whether it is the ICMP of the family that is not this one.
    fn is_icmp_beside(self, family: Family) -> bool {
        [Protocol::ICMP, Protocol::ICMPV6].contains(&self) && self != Protocol::icmp(family)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

/// Number, our name, and the name that iptables itself knows without any file of the system
/// (`xtables_chain_protos` in its sources); the others are written as numbers.
const NAMES: &[(u8, &str, Option<&str>)] = &[
    (1, "icmp", Some("icmp")),
    (2, "igmp", None),
    (4, "ipip", None),
    (6, "tcp", Some("tcp")),
    (17, "udp", Some("udp")),
    (27, "rdp", None),
    (33, "dccp", None),
    (41, "ipv6", None),
    (46, "rsvp", None),
    (47, "gre", None),
    (50, "esp", Some("esp")),
    (51, "ah", Some("ah")),
    (58, "icmpv6", Some("ipv6-icmp")),
    (88, "eigrp", None),
    (89, "ospf", None),
    (94, "ipip-nos", None),
    (97, "etherip", None),
    (103, "pim", None),
    (108, "ipcomp", None),
    (112, "vrrp", None),
    (115, "l2tp", None),
    (132, "sctp", Some("sctp")),
    (135, "mobility-header", Some("ipv6-mh")),
    (136, "udplite", Some("udplite")),
    (137, "mpls-in-ip", None),
    (143, "ethernet", None),
];

/// The protocols that Palisade writes ports for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PortProtocol {
    Tcp,
    Udp,
    Sctp,
}

impl PortProtocol {
    pub const ALL: [PortProtocol; 3] = [PortProtocol::Tcp, PortProtocol::Udp, PortProtocol::Sctp];

    #[must_use]
    pub fn protocol(self) -> Protocol {
        match self {
            PortProtocol::Tcp => Protocol::TCP,
            PortProtocol::Udp => Protocol::UDP,
            PortProtocol::Sctp => Protocol::SCTP,
        }
    }
}

impl fmt::Display for PortProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.protocol().fmt(f)
    }
}
