//! Conditions that a packet does not show: the time, how it was carried, what a kernel set holds.
//!
//! Such a condition is known by its text alone: the same text twice is the same condition. Whether it
//! holds is a fact about the packet, like its ports.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Packet;
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
    fn opposites_exclude_each_other() {
        let is = |text: &str, holds| OpaqueMatch::of(text.into(), holds);
        let both = is("a", true).intersection(&is("b", false)).unwrap();
        assert!(both.matches(&BTreeSet::from(["a".into(), "c".into()])));
        assert!(!both.matches(&BTreeSet::from(["a".into(), "b".into()])));
        assert!(!both.matches(&BTreeSet::new()));
        assert_eq!(both.intersection(&is("b", true)), None);
    }
}
