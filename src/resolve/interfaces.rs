//! Interface names: a zone's name stands for its interfaces, and a slip is not taken for a name.

use std::collections::{BTreeSet, HashMap};

use super::ends::simplify_interfaces;
use super::names::PlaceNode;
use super::policy::CallId;
use super::{Resolver, messages};
use crate::net::Interface;
use crate::source::Span;
use crate::syntax::tree::{ArgumentKind, InterfaceName, Name};

impl<'a> Resolver<'a> {
    /// The interfaces of a list after `in`, `out`, `on` or in `masquerade X out`.
    pub(super) fn interfaces(
        &mut self,
        names: &'a [InterfaceName],
        env: Option<CallId>,
    ) -> Option<Vec<Interface>> {
        let mut all = Vec::new();
        let mut whole = true;
        for name in names {
            match self.interfaces_of(*name, env) {
                Some(interfaces) => all.extend(interfaces),
                None => whole = false,
            }
        }
        whole.then(|| simplify_interfaces(all))
    }

    fn interfaces_of(
        &mut self,
        interface: InterfaceName,
        env: Option<CallId>,
    ) -> Option<Vec<Interface>> {
        let InterfaceName::Name(name) = interface else {
            let (span, text) = self.interface_text(interface);
            return self.read_interface(span, &text).map(|interface| vec![interface]);
        };
        self.interfaces_of_name(name, env)
    }

    pub(super) fn interfaces_of_name(
        &mut self,
        name: Name,
        env: Option<CallId>,
    ) -> Option<Vec<Interface>> {
        let word = self.text(name.0);
        if let Some((argument, env)) = self.argument(word, env) {
            let inner = match &argument.kind {
                ArgumentKind::Name(name) => InterfaceName::Name(*name),
                ArgumentKind::Quoted(text) => InterfaceName::Quoted(*text),
                ArgumentKind::Pattern(span) => InterfaceName::Pattern(*span),
                ArgumentKind::Subjects(_) | ArgumentKind::Endpoints(_) | ArgumentKind::Value(_) => {
                    self.report(messages::argument_is_no(name.0, argument.span, "interface"));
                    return None;
                }
            };
            return self.interfaces_of(inner, env);
        }
        if let Some((index, node)) = self.names.places.find(word) {
            if !matches!(node, PlaceNode::Zone { .. }) {
                self.report(messages::not_a_zone(name.0, word));
                return None;
            }
            let zone = self.zone(index)?;
            if zone.interfaces.is_none() {
                self.report(messages::zone_without_interfaces(name.0, word, zone.span));
            }
            return zone.interfaces.clone();
        }
        if let Some(near) = self.slip(word) {
            self.report(messages::interface_slip(name.0, word, &near));
            return None;
        }
        self.read_interface(name.0, word).map(|interface| vec![interface])
    }

    /// The zone or known interface that a bare name is probably a slip for.
    fn slip(&mut self, word: &'a str) -> Option<String> {
        if self.known_interfaces.contains(word) {
            return None;
        }
        if let Some(known) = self.slips.get(word) {
            return known.clone();
        }
        let spelling = Spelling::of(word);
        let near = self.spellings.iter().filter(|(known, _)| spelling.is_slip(known));
        let slip = near.map(|(_, name)| *name).min_by_key(|name| strsim::osa_distance(word, name));
        let slip = slip.map(str::to_owned);
        self.slips.insert(word, slip.clone());
        slip
    }

    /// The interfaces that zones name: what a slip is measured by.
    pub(super) fn gather_known_interfaces(&mut self) {
        let mut known = BTreeSet::new();
        for entry in &self.names.places.entries {
            let PlaceNode::Zone { interfaces, .. } = entry.node else { continue };
            for interface in interfaces {
                if let InterfaceName::Name(Name(span)) = interface {
                    known.insert(self.text(*span));
                }
            }
        }
        let places = self.names.places.entries.iter().map(|entry| self.text(entry.span));
        let mut seen = BTreeSet::new();
        let mut spellings = Vec::new();
        for name in places.chain(known.iter().copied()) {
            let spelling = Spelling::of(name);
            if seen.insert(spelling.letters.clone()) {
                spellings.push((spelling, name));
            }
        }
        self.spellings = spellings;
        self.known_interfaces = known;
    }

    /// Two zones on one interface need disjoint nets: a packet is in one of them.
    pub(super) fn check_zones(&mut self) {
        let zones: Vec<(usize, Span)> = (0..)
            .zip(&self.names.places.entries)
            .map(|(index, entry)| (index, entry.span))
            .collect();
        let mut read = Vec::new();
        for (index, span) in zones {
            if let Some(zone) = self.zone(index) {
                read.push((span, zone));
            }
        }
        let mut earlier = Earlier::default();
        for (later, (span, zone)) in read.iter().enumerate() {
            let Some(interfaces) = &zone.interfaces else { continue };
            let candidates = earlier.sharing(interfaces, later);
            earlier.add(interfaces, later);
            let clash = candidates.into_iter().map(|at| &read[at]).find(|(_, other)| {
                let shared = other.interfaces.as_ref().is_some_and(|others| {
                    interfaces.iter().any(|a| others.iter().any(|b| a.intersection(b).is_some()))
                });
                let overlap = match (&zone.nets, &other.nets) {
                    (Some(a), Some(b)) => !a.intersection(b).is_empty(),
                    (None, _) | (_, None) => true,
                };
                shared && overlap
            });
            if let Some((first, _)) = clash {
                let word = self.text(*span);
                self.report(messages::overlapping_zones(*span, word, *first));
            }
        }
    }
}

/// Which zones have which interfaces, so that each is compared with few others.
#[derive(Default)]
struct Earlier<'z> {
    by_name: HashMap<&'z Interface, Vec<usize>>,
    /// Those with a pattern, which any name may fit.
    with_pattern: Vec<usize>,
}

impl<'z> Earlier<'z> {
    /// The zones before the zone `later` that may share an interface with it, in order.
    fn sharing(&self, interfaces: &[Interface], later: usize) -> Vec<usize> {
        if interfaces.iter().any(Interface::is_wildcard) {
            return (0..later).collect();
        }
        let same = interfaces.iter().filter_map(|name| self.by_name.get(name)).flatten();
        let mut zones: Vec<usize> = same.chain(&self.with_pattern).copied().collect();
        zones.sort_unstable();
        zones.dedup();
        zones
    }

    fn add(&mut self, interfaces: &'z [Interface], zone: usize) {
        if interfaces.iter().any(Interface::is_wildcard) {
            self.with_pattern.push(zone);
        }
        for name in interfaces {
            self.by_name.entry(name).or_default().push(zone);
        }
    }
}

/// A name as slips are judged: numbers are not letters, so `eth1` is no slip for `eth0`.
#[derive(Debug)]
pub(super) struct Spelling {
    letters: String,
    length: usize,
    /// A bit for each letter that occurs (of others for a few together): names whose bits differ
    /// much cannot be near, which is quicker to see than how far apart they are.
    bits: u64,
}

impl Spelling {
    fn of(name: &str) -> Self {
        let letters: String = name.chars().filter(|c| !c.is_ascii_digit()).collect();
        let bits = letters.chars().fold(0, |bits, c| bits | 1 << (u32::from(c) % u64::BITS));
        Spelling { length: letters.chars().count(), letters, bits }
    }

    /// Whether it is one or two letters away from `known`.
    fn is_slip(&self, known: &Spelling) -> bool {
        let limit: u32 = match self.length.min(known.length) {
            0..=1 => 0,
            2..=4 => 1,
            _ => 2,
        };
        // An edit takes at most one letter away and brings at most one.
        let near = (self.bits & !known.bits).count_ones() <= limit
            && (known.bits & !self.bits).count_ones() <= limit
            && self.length.abs_diff(known.length) <= limit as usize;
        let distance = || strsim::osa_distance(&self.letters, &known.letters);
        near && (1..=limit as usize).contains(&distance())
    }
}

#[cfg(test)]
mod tests {
    use super::Spelling;

    fn is_slip(word: &str, known: &str) -> bool {
        Spelling::of(word).is_slip(&Spelling::of(known))
    }

    #[test]
    fn letters_slip_and_numbers_do_not() {
        assert!(is_slip("wam", "wan"));
        assert!(is_slip("ehternal", "external"));
        assert!(!is_slip("eth0", "eth1"));
        assert!(!is_slip("wg0", "eth0"));
        assert!(!is_slip("wan", "wan"));
    }
}
