//! The kernel's connection helpers: who reads a control connection and expects others of it.

use std::fmt;

use super::{Families, PortProtocol};

/// A helper of connection tracking, by the name that the kernel registers it with.
///
/// The kernel refuses a rule that gives a helper to a transport or family that it does not know,
/// and the whole file with it. The lists of both are those of the kernel's sources
/// (`net/netfilter/nf_conntrack_*.c`), and were tried with the tools. `H.245` is missing: it reads
/// connections that Q.931 itself expects, and nobody assigns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Helper {
    Amanda,
    Ftp,
    Irc,
    NetbiosNs,
    Pptp,
    /// Call signalling of H.323.
    Q931,
    /// Registration with a gatekeeper of H.323.
    Ras,
    Sane,
    Sip,
    Snmp,
    SnmpTrap,
    Tftp,
}

impl Helper {
    /// By name, capitals first.
    pub const ALL: [Helper; 12] = [
        Helper::Q931,
        Helper::Ras,
        Helper::Amanda,
        Helper::Ftp,
        Helper::Irc,
        Helper::NetbiosNs,
        Helper::Pptp,
        Helper::Sane,
        Helper::Sip,
        Helper::Snmp,
        Helper::SnmpTrap,
        Helper::Tftp,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Helper::Amanda => "amanda",
            Helper::Ftp => "ftp",
            Helper::Irc => "irc",
            Helper::NetbiosNs => "netbios-ns",
            Helper::Pptp => "pptp",
            Helper::Q931 => "Q.931",
            Helper::Ras => "RAS",
            Helper::Sane => "sane",
            Helper::Sip => "sip",
            Helper::Snmp => "snmp",
            Helper::SnmpTrap => "snmp_trap",
            Helper::Tftp => "tftp",
        }
    }

    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|helper| helper.name() == name)
    }

    /// The transports whose packets it reads.
    #[must_use]
    pub fn protocols(self) -> &'static [PortProtocol] {
        match self {
            Helper::Ftp | Helper::Irc | Helper::Pptp | Helper::Q931 | Helper::Sane => {
                &[PortProtocol::Tcp]
            }
            Helper::Amanda
            | Helper::NetbiosNs
            | Helper::Ras
            | Helper::Snmp
            | Helper::SnmpTrap
            | Helper::Tftp => &[PortProtocol::Udp],
            Helper::Sip => &[PortProtocol::Tcp, PortProtocol::Udp],
        }
    }

    /// The families that the kernel has it for.
    #[must_use]
    pub fn families(self) -> Families {
        match self {
            Helper::Irc | Helper::NetbiosNs | Helper::Pptp | Helper::Snmp | Helper::SnmpTrap => {
                Families { v4: true, v6: false }
            }
            Helper::Amanda
            | Helper::Ftp
            | Helper::Q931
            | Helper::Ras
            | Helper::Sane
            | Helper::Sip
            | Helper::Tftp => Families::BOTH,
        }
    }
}

impl fmt::Display for Helper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_again_and_sorted() {
        let names = Helper::ALL.map(Helper::name);
        assert!(names.is_sorted(), "{names:?}");
        for helper in Helper::ALL {
            assert_eq!(Helper::from_name(helper.name()), Some(helper));
        }
        assert_eq!(Helper::from_name("FTP"), None);
    }
}
