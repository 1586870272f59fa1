//! Interface names: a zone's name stands for its interfaces, and a slip is not taken for a name.

use std::collections::BTreeSet;

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
    fn slip(&self, word: &str) -> Option<String> {
        if self.known_interfaces.contains(word) {
            return None;
        }
        let zones = self.names.places.names();
        zones
            .chain(self.known_interfaces.iter().copied())
            .filter(|known| is_slip(word, known))
            .min_by_key(|known| strsim::osa_distance(word, known))
            .map(str::to_owned)
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
        for (later, (span, zone)) in read.iter().enumerate() {
            let Some(interfaces) = &zone.interfaces else { continue };
            let clash = read[..later].iter().find(|(_, other)| {
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

/// Whether `word` is one or two letters away from `known`. Numbers are not letters: `eth1` is no slip
/// for `eth0`.
fn is_slip(word: &str, known: &str) -> bool {
    let letters = |name: &str| name.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
    let (word, known) = (letters(word), letters(known));
    let shorter = word.chars().count().min(known.chars().count());
    let limit = match shorter {
        0..=1 => 0,
        2..=4 => 1,
        _ => 2,
    };
    let distance = strsim::osa_distance(&word, &known);
    distance > 0 && distance <= limit
}

#[cfg(test)]
mod tests {
    use super::is_slip;

    #[test]
    fn letters_slip_and_numbers_do_not() {
        assert!(is_slip("wam", "wan"));
        assert!(is_slip("ehternal", "external"));
        assert!(!is_slip("eth0", "eth1"));
        assert!(!is_slip("wg0", "eth0"));
        assert!(!is_slip("wan", "wan"));
    }
}
