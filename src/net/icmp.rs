//! ICMP and ICMPv6 types by number and name.

use std::fmt;

use super::Family;

/// A type of ICMP (IPv4) or ICMPv6 (IPv6), with one code or all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IcmpType {
    pub family: Family,
    pub kind: u8,
    pub code: Option<u8>,
}

impl IcmpType {
    /// Every code of a type.
    #[must_use]
    pub fn new(family: Family, kind: u8) -> Self {
        IcmpType { family, kind, code: None }
    }

    /// The type of a name, in the names of RFC 792 and RFC 4443 as iptables spells them.
    #[must_use]
    pub fn from_name(family: Family, name: &str) -> Option<Self> {
        let entry = names(family).iter().find(|(known, ..)| *known == name)?;
        Some(IcmpType { family, kind: entry.1, code: entry.2 })
    }

    /// Every name of a family.
    pub fn names(family: Family) -> impl Iterator<Item = &'static str> {
        names(family).iter().map(|(name, ..)| *name)
    }

    #[must_use]
    pub fn matches(self, kind: u8, code: u8) -> bool {
        self.kind == kind && self.code.is_none_or(|own| own == code)
    }
}

impl fmt::Display for IcmpType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own =
            |(_, kind, code): &&(&str, u8, Option<u8>)| *kind == self.kind && *code == self.code;
        match (names(self.family).iter().find(own), self.code) {
            (Some((name, ..)), _) => f.write_str(name),
            (None, Some(code)) => write!(f, "{}/{code}", self.kind),
            (None, None) => write!(f, "{}", self.kind),
        }
    }
}

type Named = (&'static str, u8, Option<u8>);

fn names(family: Family) -> &'static [Named] {
    match family {
        Family::V4 => V4,
        Family::V6 => V6,
    }
}

/// RFC 792, 950, 1122, 1256, 1812; the first name of a number is the one shown.
const V4: &[Named] = &[
    ("echo-reply", 0, None),
    ("destination-unreachable", 3, None),
    ("network-unreachable", 3, Some(0)),
    ("host-unreachable", 3, Some(1)),
    ("protocol-unreachable", 3, Some(2)),
    ("port-unreachable", 3, Some(3)),
    ("fragmentation-needed", 3, Some(4)),
    ("source-route-failed", 3, Some(5)),
    ("network-unknown", 3, Some(6)),
    ("host-unknown", 3, Some(7)),
    ("network-prohibited", 3, Some(9)),
    ("host-prohibited", 3, Some(10)),
    ("tos-network-unreachable", 3, Some(11)),
    ("tos-host-unreachable", 3, Some(12)),
    ("communication-prohibited", 3, Some(13)),
    ("host-precedence-violation", 3, Some(14)),
    ("precedence-cutoff", 3, Some(15)),
    ("source-quench", 4, None),
    ("redirect", 5, None),
    ("network-redirect", 5, Some(0)),
    ("host-redirect", 5, Some(1)),
    ("echo-request", 8, None),
    ("router-advertisement", 9, None),
    ("router-solicitation", 10, None),
    ("time-exceeded", 11, None),
    ("ttl-zero-during-transit", 11, Some(0)),
    ("ttl-zero-during-reassembly", 11, Some(1)),
    ("parameter-problem", 12, None),
    ("ip-header-bad", 12, Some(0)),
    ("required-option-missing", 12, Some(1)),
    ("timestamp-request", 13, None),
    ("timestamp-reply", 14, None),
    ("information-request", 15, None),
    ("information-reply", 16, None),
    ("address-mask-request", 17, None),
    ("address-mask-reply", 18, None),
];

/// RFC 4443, 4861, 2710, 3810, 4620, 4286; `neighbor` and `neighbour` are both read.
const V6: &[Named] = &[
    ("destination-unreachable", 1, None),
    ("no-route", 1, Some(0)),
    ("communication-prohibited", 1, Some(1)),
    ("beyond-scope", 1, Some(2)),
    ("address-unreachable", 1, Some(3)),
    ("port-unreachable", 1, Some(4)),
    ("failed-policy", 1, Some(5)),
    ("reject-route", 1, Some(6)),
    ("packet-too-big", 2, None),
    ("time-exceeded", 3, None),
    ("ttl-zero-during-transit", 3, Some(0)),
    ("ttl-zero-during-reassembly", 3, Some(1)),
    ("parameter-problem", 4, None),
    ("bad-header", 4, Some(0)),
    ("unknown-header-type", 4, Some(1)),
    ("unknown-option", 4, Some(2)),
    ("echo-request", 128, None),
    ("echo-reply", 129, None),
    ("mld-listener-query", 130, None),
    ("mld-listener-report", 131, None),
    ("mld-listener-done", 132, None),
    ("router-solicitation", 133, None),
    ("router-advertisement", 134, None),
    ("neighbour-solicitation", 135, None),
    ("neighbor-solicitation", 135, None),
    ("neighbour-advertisement", 136, None),
    ("neighbor-advertisement", 136, None),
    ("redirect", 137, None),
    ("node-information-query", 139, None),
    ("node-information-reply", 140, None),
    ("mld2-listener-report", 143, None),
    ("multicast-router-advertisement", 151, None),
    ("multicast-router-solicitation", 152, None),
    ("multicast-router-termination", 153, None),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_means_another_number_in_each_family() {
        let number = |family| IcmpType::from_name(family, "echo-request").map(|icmp| icmp.kind);
        assert_eq!((number(Family::V4), number(Family::V6)), (Some(8), Some(128)));
        assert_eq!(IcmpType::from_name(Family::V4, "packet-too-big"), None);
    }

    #[test]
    fn shown_names_read_back() {
        for family in Family::BOTH {
            for name in IcmpType::names(family) {
                let icmp = IcmpType::from_name(family, name).expect(name);
                assert_eq!(IcmpType::from_name(family, &icmp.to_string()), Some(icmp));
            }
        }
    }
}
