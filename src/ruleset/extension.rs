//! What is known of a target by its name alone: whether packets come back from it, and what it may
//! change of them.
//!
//! From what `xt_*.c`, `ipt_*.c` and `ip6t_*.c` of the kernel return and write, and the targets of
//! xtables-addons.

use super::OpaqueEnd;
use crate::packet::Field;

/// A target of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extension {
    pub end: OpaqueEnd,
    /// The fields of a packet that it may write.
    pub changes: &'static [Field],
}

impl Extension {
    /// A target that nobody knows may do anything.
    const UNKNOWN: Extension = Extension { end: OpaqueEnd::Unknown, changes: &Field::ALL };

    /// What is known of a target by its words, of which the first is its name.
    #[must_use]
    pub fn said(words: &str) -> Self {
        let mut each = words.split_whitespace();
        let known = Self::of(each.next().unwrap_or_default());
        // It writes one of the two marks (`xt_connmark.c`).
        let changes: &[Field] = match each.next() {
            Some("--restore-mark") if words.starts_with("CONNMARK") => &[Field::Mark],
            Some(
                "--save-mark" | "--set-mark" | "--set-xmark" | "--and-mark" | "--or-mark"
                | "--xor-mark",
            ) if words.starts_with("CONNMARK") => &[Field::ConnectionMark],
            Some(_) | None => known.changes,
        };
        Extension { changes, ..known }
    }

    /// What is known of the target of a name.
    #[must_use]
    pub fn of(name: &str) -> Self {
        Self::known(name).unwrap_or(Self::UNKNOWN)
    }

    /// `None` for a name that no target has that we know of.
    #[must_use]
    pub fn known(name: &str) -> Option<Self> {
        let goes_on = |changes| Some(Extension { end: OpaqueEnd::GoesOn, changes });
        let decides = |changes| Some(Extension { end: OpaqueEnd::Decides, changes });
        match name {
            // It says something of the packet, or counts it.
            "LOG" | "NFLOG" | "ULOG" | "AUDIT" | "TRACE" | "TEE" | "LED" | "IDLETIMER"
            | "RATEEST" | "LOGMARK" | "ACCOUNT" | "CHECKSUM" | "CLASSIFY" | "SECMARK"
            | "CONNSECMARK" => goes_on(&[]),
            // A longer packet than before matches other lengths, and others matches its options.
            "TCPMSS" | "TCPOPTSTRIP" => goes_on(&[Field::Length]),
            "MARK" | "HMARK" | "IPMARK" => goes_on(&[Field::Mark]),
            "CONNMARK" => goes_on(&[Field::Mark, Field::ConnectionMark]),
            "DSCP" | "TOS" | "ECN" => goes_on(&[Field::Dscp]),
            "TTL" | "HL" => goes_on(&[Field::Ttl]),
            "SET" => goes_on(&[Field::Mark, Field::Opaque]),
            "CT" | "NOTRACK" => goes_on(CONNECTION),
            // A multicast packet of a cluster goes to one node of it, and is dropped by the others.
            "CLUSTERIP" => Some(Extension { end: OpaqueEnd::Unknown, changes: &[Field::Opaque] }),
            // What cannot be mapped is dropped.
            "SNPT" | "DNPT" => Some(Extension { end: OpaqueEnd::Unknown, changes: ADDRESSES }),
            "PROTO" => goes_on(&[Field::Protocol, Field::Opaque]),
            "DNAT" | "REDIRECT" => decides(DESTINATION),
            "SNAT" | "MASQUERADE" => decides(SOURCE),
            "NETMAP" | "DNETMAP" => decides(ADDRESSES),
            "REJECT" | "QUEUE" | "NFQUEUE" | "TARPIT" | "DELUDE" | "CHAOS" | "ECHO" | "SYSRQ" => {
                decides(&[])
            }
            // Without a socket of this machine that would take it, the packet is dropped.
            "TPROXY" => decides(&[Field::Mark]),
            // The first packets are answered and dropped, others go on.
            "SYNPROXY" => Some(Extension { end: OpaqueEnd::Unknown, changes: &[] }),
            _ => None,
        }
    }
}

const SOURCE: &[Field] = &[Field::Source, Field::SourcePort, Field::Icmp];

const DESTINATION: &[Field] =
    &[Field::Destination, Field::DestinationPort, Field::Translated, Field::ToLocal];

const ADDRESSES: &[Field] = &[Field::Source, Field::Destination, Field::Translated, Field::ToLocal];

const CONNECTION: &[Field] = &[
    Field::State,
    Field::Translated,
    Field::OriginalDestination,
    Field::OriginalPort,
    Field::ConnectionMark,
    Field::Opaque,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_unknown_target_nothing_is_assumed() {
        assert_eq!(Extension::known("NO-SUCH"), None);
        assert_eq!(Extension::of("NO-SUCH").end, OpaqueEnd::Unknown);
        assert_eq!(Extension::of("NO-SUCH").changes, Field::ALL);
        assert_eq!(Extension::of("TRACE").end, OpaqueEnd::GoesOn);
        assert_eq!(Extension::of("NFQUEUE").end, OpaqueEnd::Decides);
    }
}
