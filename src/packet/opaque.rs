//! Conditions that a packet does not show: the time, how it was carried, what a kernel set holds.
//!
//! Such a condition is known by its text alone: the same text twice is the same condition. Whether it
//! holds is a fact about the packet, like its ports.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Field, Packet};
use crate::net::{Prefix, TimeWindow};

/// Which end of a packet a kernel set is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SetSide {
    Source,
    Destination,
}

/// The text of "it is now within this window".
#[must_use]
pub fn now_within(window: &TimeWindow) -> Arc<str> {
    format!("time {window}").into()
}

/// The text of "came in through an ipsec tunnel", or "will leave through one".
#[must_use]
pub fn through_ipsec(outgoing: bool) -> Arc<str> {
    if outgoing { "ipsec out" } else { "ipsec in" }.into()
}

/// The text of "the address at this end is in the kernel set of this name".
#[must_use]
pub fn member(side: SetSide, set: &str) -> Arc<str> {
    match side {
        SetSide::Source => format!("source in {set}"),
        SetSide::Destination => format!("destination in {set}"),
    }
    .into()
}

/// Whether a condition asks what a kernel set holds. That changes while packets come by.
#[must_use]
pub fn is_of_membership(text: &str) -> bool {
    text.starts_with("source in ") || text.starts_with("destination in ")
}

/// Whether a condition is about where a packet goes.
#[must_use]
pub fn is_of_destination(text: &str) -> bool {
    text.starts_with("destination in ")
}

/// Whether a condition is the same at every look at one packet. Others, such as what a set holds or
/// what a raw text asks, may change in between.
#[must_use]
pub fn is_fixed(text: &str) -> bool {
    text.starts_with("time ") || text == "ipsec in" || text == "ipsec out"
}

/// Whether it is known what a condition means: its answer is that of the next table too, as far as sets
/// hold the same.
#[must_use]
pub fn is_known(text: &str) -> bool {
    is_fixed(text) || is_of_membership(text)
}

/// What a condition looks at of a packet, of what rules may make another: when none of these fields is
/// another, its answer is the same. The length stands for the options of TCP too. Of a match that may look at
/// anything, these are all fields.
///
/// From what the matches of the kernel read (`xt_*.c`, `ipt_*.c`, `ip6t_*.c`).
#[must_use]
pub fn looked_at(text: &str) -> &'static [Field] {
    if is_of_membership(text) {
        return if is_of_destination(text) { &[Field::Destination] } else { &[Field::Source] };
    }
    if !text.starts_with(['-', '!']) {
        return &[];
    }
    let mut words = text.split_whitespace().skip_while(|word| *word == "!");
    let first = words.next().unwrap_or_default();
    let name = words.next().unwrap_or_default();
    // Other options may be those of another match.
    let is_alone = !words.any(|word| word.starts_with("-m") || word.starts_with("--mat"));
    match first {
        "-m" | "--match" if is_alone => looked_at_by(name),
        "-s" | "-d" | "--source" | "--destination" if is_alone => ADDRESSES,
        "-f" | "-i" | "-o" if is_alone => &[],
        _ => &Field::ALL,
    }
}

const ADDRESSES: &[Field] = &[Field::Source, Field::Destination];

/// The addresses, the ports and what conntrack knows.
const CONNECTION: &[Field] = &[
    Field::Source,
    Field::Destination,
    Field::Protocol,
    Field::SourcePort,
    Field::DestinationPort,
    Field::State,
    Field::Translated,
    Field::OriginalDestination,
    Field::OriginalPort,
];

/// All that stands in the packet itself.
const BYTES: &[Field] = &[
    Field::Source,
    Field::Destination,
    Field::Protocol,
    Field::SourcePort,
    Field::DestinationPort,
    Field::Icmp,
    Field::Flags,
    Field::Length,
    Field::Ttl,
    Field::Dscp,
];

/// What a match looks at. Those that ask for what came before are not the same at two looks anyway.
fn looked_at_by(name: &str) -> &'static [Field] {
    match name {
        "tos" | "dscp" | "ecn" => &[Field::Dscp],
        "ttl" | "hl" => &[Field::Ttl],
        "length" | "tcpmss" => &[Field::Length],
        "osf" => &[Field::Length, Field::Ttl],
        "mark" => &[Field::Mark],
        "connmark" => &[Field::ConnectionMark],
        // The way back is looked for by the class and, with `--validmark`, the mark.
        "rpfilter" | "realm" => &[Field::Source, Field::Destination, Field::Mark, Field::Dscp],
        "addrtype" | "iprange" | "geoip" | "eui64" => ADDRESSES,
        "conntrack" | "state" | "connlabel" | "helper" | "cluster" | "socket" => CONNECTION,
        "string" | "u32" | "tcp" | "udp" | "sctp" | "dccp" | "udplite" | "icmp" | "icmp6"
        | "icmpv6" | "multiport" => BYTES,
        // Where it came in, who sent it, when, and headers that no target writes.
        "mac" | "physdev" | "pkttype" | "owner" | "cgroup" | "devgroup" | "cpu" | "time"
        | "policy" | "comment" | "ah" | "esp" | "ipcomp" | "mh" | "rt" | "frag" | "hbh" | "dst"
        | "srh" => &[],
        // Bytecode reads the mark too, and so do sets of marks.
        _ => &Field::ALL,
    }
}

/// Takes a packet's source up into a kernel set that holds networks of this prefix length: the packet
/// itself is in it from then on, and its destination too when that is in the same network. The kernel
/// takes up no network that is all zeros (`ip_set_hash_ip.c`).
pub fn enter(packet: &mut Packet, set: &str, length: u8) {
    let network = |address| Prefix::containing(address, length).map(Prefix::address);
    let Some(source) = network(packet.source).filter(|address| !address.is_unspecified()) else {
        return;
    };
    packet.opaque.insert(member(SetSide::Source, set));
    if Some(source) == network(packet.destination) {
        packet.opaque.insert(member(SetSide::Destination, set));
    }
}

/// Conditions that hold and conditions that do not.
// INVARIANT: no text is in both.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpaqueMatch {
    holding: BTreeSet<Arc<str>>,
    failing: BTreeSet<Arc<str>>,
}

impl OpaqueMatch {
    /// One condition, or its opposite.
    #[must_use]
    pub fn of(text: Arc<str>, holds: bool) -> Self {
        let one = BTreeSet::from([text]);
        let (holding, failing) =
            if holds { (one, BTreeSet::new()) } else { (BTreeSet::new(), one) };
        OpaqueMatch { holding, failing }
    }

    #[must_use]
    pub fn holding(&self) -> &BTreeSet<Arc<str>> {
        &self.holding
    }

    #[must_use]
    pub fn failing(&self) -> &BTreeSet<Arc<str>> {
        &self.failing
    }

    /// Whether these facts fulfil it.
    #[must_use]
    pub fn matches(&self, facts: &BTreeSet<Arc<str>>) -> bool {
        self.holding.is_subset(facts) && self.failing.is_disjoint(facts)
    }

    /// Both at once; `None` when one says the opposite of the other.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        let mut both = self.clone();
        both.narrow(other).then_some(both)
    }

    /// Has to meet another one too, and says if it can: neither says the opposite of the other.
    pub(super) fn narrow(&mut self, other: &Self) -> bool {
        let possible =
            other.holding.is_disjoint(&self.failing) && other.failing.is_disjoint(&self.holding);
        if possible {
            self.holding.extend(other.holding.iter().cloned());
            self.failing.extend(other.failing.iter().cloned());
        }
        possible
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_to_be_independent_looks_at_everything() {
        assert_eq!(looked_at("-m tos --tos 0x10/0xff"), [Field::Dscp]);
        assert_eq!(looked_at("-m tos --tos 4 -m mark --mark 1"), Field::ALL);
        assert_eq!(looked_at("-p tcp --tcp-option 2"), Field::ALL);
        assert_eq!(looked_at("-m somebodys"), Field::ALL);
        assert!(looked_at("-m bpf --bytecode \"1,6 0 0 0\"").contains(&Field::Mark));
        assert!(!looked_at("-m u32 --u32 \"0=1\"").contains(&Field::Mark));
        assert_eq!(looked_at(&member(SetSide::Source, "a")), [Field::Source]);
        assert_eq!(looked_at("time 10:00-11:00"), []);
    }

    #[test]
    fn opposites_exclude_each_other() {
        let is = |text: &str, holds| OpaqueMatch::of(text.into(), holds);
        let both = is("a", true).intersection(&is("b", false)).unwrap();
        assert!(both.matches(&BTreeSet::from(["a".into(), "c".into()])));
        assert!(!both.matches(&BTreeSet::from(["a".into(), "b".into()])));
        assert!(!both.matches(&BTreeSet::new()));
        assert_eq!(both.intersection(&is("b", true)), None);
    }
}
