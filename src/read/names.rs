//! Names that stand for numbers in a rules file: of protocols, of services, of ICMP types.
//!
//! `iptables-save` prints protocols by the names of `/etc/protocols`; a person may write any of them.
//! The names here are those of Debian's `/etc/protocols` and, of services, the common ones of its
//! `/etc/services`, both after IANA's registries. A machine may know others: such a name is refused.

use crate::net::{Family, IcmpType, Protocol};

use super::value;

/// What `-p` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocols {
    All,
    One(Protocol),
}

impl Protocols {
    fn numbered(number: u8) -> Self {
        Protocol::new(number).map_or(Protocols::All, Protocols::One)
    }
}

/// A protocol by name, whatever the case, or number.
pub(super) fn protocol(text: &str) -> Option<Protocols> {
    if let Some(number) = value::byte(text) {
        return Some(Protocols::numbered(number));
    }
    if text.eq_ignore_ascii_case("all") {
        return Some(Protocols::All);
    }
    let known = PROTOCOLS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    known.map(|(_, number)| Protocols::numbered(*number))
}

pub(super) fn service(text: &str) -> Option<u16> {
    SERVICES.iter().find(|(name, _)| *name == text).map(|(_, port)| *port)
}

/// An ICMP type as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Icmp {
    Type(IcmpType),
    /// Every type there is.
    Any,
}

/// `8`, `3/4`, `echo-request`, and for IPv4 `any`.
pub(super) fn icmp(text: &str, family: Family) -> Option<Icmp> {
    let (kind, code) = match text.split_once('/') {
        None => (text, None),
        Some((kind, code)) => (kind, Some(value::byte(code)?)),
    };
    if let Some(kind) = value::byte(kind) {
        // 255 is "every type" to the kernel, of IPv4 only.
        let any = family == Family::V4 && kind == u8::MAX;
        return Some(if any { Icmp::Any } else { Icmp::Type(IcmpType { family, kind, code }) });
    }
    if code.is_some() {
        return None;
    }
    let text = text.to_ascii_lowercase();
    let name = match (family, text.as_str()) {
        (Family::V4, "any") => return Some(Icmp::Any),
        (Family::V4, "tos-network-redirect") => return Some(redirect(2)),
        (Family::V4, "tos-host-redirect") => return Some(redirect(3)),
        (Family::V4 | Family::V6, "ping") => "echo-request",
        (Family::V4 | Family::V6, "pong") => "echo-reply",
        (Family::V4 | Family::V6, "ttl-exceeded") => "time-exceeded",
        (Family::V4 | Family::V6, other) => other,
    };
    IcmpType::from_name(family, name).map(Icmp::Type)
}

/// The two codes of a redirect (RFC 792) that have names in the tools only.
fn redirect(code: u8) -> Icmp {
    Icmp::Type(IcmpType { family: Family::V4, kind: 5, code: Some(code) })
}

const PROTOCOLS: &[(&str, u8)] = &[
    ("icmp", 1),
    ("igmp", 2),
    ("ggp", 3),
    ("ipencap", 4),
    ("st", 5),
    ("tcp", 6),
    ("egp", 8),
    ("igp", 9),
    ("pup", 12),
    ("udp", 17),
    ("hmp", 20),
    ("xns-idp", 22),
    ("rdp", 27),
    ("iso-tp4", 29),
    ("dccp", 33),
    ("xtp", 36),
    ("ddp", 37),
    ("idpr-cmtp", 38),
    ("ipv6", 41),
    ("ipv6-route", 43),
    ("ipv6-frag", 44),
    ("idrp", 45),
    ("rsvp", 46),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("skip", 57),
    ("icmpv6", 58),
    ("ipv6-icmp", 58),
    ("ipv6-nonxt", 59),
    ("ipv6-opts", 60),
    ("rspf", 73),
    ("vmtp", 81),
    ("eigrp", 88),
    ("ospf", 89),
    ("ax.25", 93),
    ("ipip", 94),
    ("etherip", 97),
    ("encap", 98),
    ("pim", 103),
    ("ipcomp", 108),
    ("vrrp", 112),
    ("l2tp", 115),
    ("isis", 124),
    ("sctp", 132),
    ("fc", 133),
    ("ipv6-mh", 135),
    ("mh", 135),
    ("mobility-header", 135),
    ("udplite", 136),
    ("mpls-in-ip", 137),
    ("manet", 138),
    ("hip", 139),
    ("shim6", 140),
    ("wesp", 141),
    ("rohc", 142),
    ("ethernet", 143),
];

const SERVICES: &[(&str, u16)] = &[
    ("ftp-data", 20),
    ("ftp", 21),
    ("ssh", 22),
    ("telnet", 23),
    ("mail", 25),
    ("smtp", 25),
    ("time", 37),
    ("tacacs", 49),
    ("domain", 53),
    ("bootps", 67),
    ("bootpc", 68),
    ("tftp", 69),
    ("gopher", 70),
    ("finger", 79),
    ("http", 80),
    ("www", 80),
    ("kerberos", 88),
    ("kerberos5", 88),
    ("krb5", 88),
    ("pop-3", 110),
    ("pop3", 110),
    ("portmapper", 111),
    ("sunrpc", 111),
    ("auth", 113),
    ("ident", 113),
    ("nntp", 119),
    ("ntp", 123),
    ("netbios-ns", 137),
    ("netbios-dgm", 138),
    ("netbios-ssn", 139),
    ("imap", 143),
    ("imap2", 143),
    ("snmp", 161),
    ("snmp-trap", 162),
    ("snmptrap", 162),
    ("bgp", 179),
    ("ldap", 389),
    ("https", 443),
    ("microsoft-ds", 445),
    ("smtps", 465),
    ("submissions", 465),
    ("urd", 465),
    ("isakmp", 500),
    ("syslog", 514),
    ("printer", 515),
    ("route", 520),
    ("dhcpv6-client", 546),
    ("dhcpv6-server", 547),
    ("rtsp", 554),
    ("submission", 587),
    ("ipp", 631),
    ("ldaps", 636),
    ("domain-s", 853),
    ("rsync", 873),
    ("ftps-data", 989),
    ("ftps", 990),
    ("telnets", 992),
    ("imaps", 993),
    ("pop3s", 995),
    ("socks", 1080),
    ("openvpn", 1194),
    ("ms-sql-s", 1433),
    ("ms-sql-m", 1434),
    ("l2f", 1701),
    ("radius", 1812),
    ("radius-acct", 1813),
    ("nfs", 2049),
    ("ripd", 2602),
    ("iscsi-target", 3260),
    ("mysql", 3306),
    ("svn", 3690),
    ("sip", 5060),
    ("sip-tls", 5061),
    ("xmpp-client", 5222),
    ("xmpp-server", 5269),
    ("mdns", 5353),
    ("postgresql", 5432),
    ("x11", 6000),
    ("http-alt", 8080),
    ("git", 9418),
    ("webmin", 10000),
    ("zabbix-agent", 10050),
    ("amanda", 10080),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_tools_and_not_of_the_language() {
        let number = |text| match protocol(text)? {
            Protocols::One(protocol) => Some(protocol.number()),
            Protocols::All => None,
        };
        assert_eq!(number("ipip"), Some(94));
        assert_eq!(number("ipencap"), Some(4));
        assert_eq!(number("IPv6-ICMP"), Some(58));
        assert_eq!(number("icmpv6"), Some(58));
        assert_eq!(number("0x2f"), Some(47));
        assert_eq!(protocol("all"), Some(Protocols::All));
        assert_eq!(protocol("0"), Some(Protocols::All));
        assert_eq!(protocol("tpc"), None);
    }

    #[test]
    fn icmp_types_have_codes_only_by_number() {
        let is = |text, kind, code| {
            let family = Family::V4;
            assert_eq!(icmp(text, family), Some(Icmp::Type(IcmpType { family, kind, code })));
        };
        is("echo-request", 8, None);
        is("ping", 8, None);
        is("3/4", 3, Some(4));
        is("fragmentation-needed", 3, Some(4));
        is("TOS-host-unreachable", 3, Some(12));
        assert_eq!(icmp("any", Family::V4), Some(Icmp::Any));
        assert_eq!(icmp("255/255", Family::V4), Some(Icmp::Any));
        assert_eq!(icmp("any", Family::V6), None);
        assert_eq!(icmp("echo-request/1", Family::V4), None);
    }
}
