//! Interface names: a zone's name stands for its interfaces, and a slip is not taken for a name.

use std::collections::HashMap;

use super::ends::simplify_interfaces;
use super::names::PlaceNode;
use super::policy::CallId;
use super::spelling::Spellings;
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
        if self.names.places.contains(word) {
            return self.interfaces_of_place(name, word);
        }
        if let Some(near) = self.slip(word) {
            self.report(messages::interface_slip(name.0, word, near));
            return None;
        }
        self.read_interface(name.0, word).map(|interface| vec![interface])
    }

    /// What one name after `zone ... =` means: another zone's name wins, its own is an interface.
    pub(super) fn interfaces_of_zone(
        &mut self,
        zone: Name,
        interface: InterfaceName,
    ) -> Option<Vec<Interface>> {
        let (span, text) = self.interface_text(interface);
        let InterfaceName::Name(name) = interface else {
            return self.read_interface(span, &text).map(|interface| vec![interface]);
        };
        let word = self.text(span);
        let own = self.text(zone.0);
        if word != own && self.names.places.contains(word) {
            return self.interfaces_of_place(name, word);
        }
        if let Some(near) = self.spellings.nearest_zone(word)
            && near != own
        {
            self.report(messages::interface_slip(span, word, near));
            return None;
        }
        self.read_interface(span, word).map(|interface| vec![interface])
    }

    /// The interfaces of a zone that is named for them.
    fn interfaces_of_place(&mut self, name: Name, word: &str) -> Option<Vec<Interface>> {
        let (index, node) = self.names.places.find(word)?;
        if !matches!(node, PlaceNode::Zone { .. }) {
            self.report(messages::not_a_zone(name.0, word));
            return None;
        }
        let zone = self.zone_named(index, name)?;
        if zone.interfaces.is_none() {
            self.report(messages::zone_without_interfaces(name.0, word, zone.span));
        }
        zone.interfaces.clone()
    }

    /// The zone or known interface that a bare name is probably a slip for.
    fn slip(&mut self, word: &'a str) -> Option<&'a str> {
        if self.known_interfaces.contains(word) {
            return None;
        }
        if let Some(known) = self.slips.get(word) {
            return *known;
        }
        let slip = if self.fits_a_pattern(word) { None } else { self.spellings.nearest(word) };
        self.slips.insert(word, slip);
        slip
    }

    /// Whether a zone has the name by a pattern such as `wlan+`.
    fn fits_a_pattern(&self, word: &str) -> bool {
        self.known_patterns.iter().any(|pattern| word.starts_with(pattern.trim_end_matches('+')))
    }

    /// The zone that has an interface of this name.
    pub(super) fn zone_of_interface(&self, word: &str) -> Option<&'a str> {
        if !self.known_interfaces.contains(word) && !self.fits_a_pattern(word) {
            return None;
        }
        let has = |interface: &InterfaceName| {
            let text = self.interface_text(*interface).1;
            Interface::new(&text).is_ok_and(|interface| interface.matches(word))
        };
        self.names.places.entries.iter().find_map(|entry| match entry.node {
            PlaceNode::Zone { name, interfaces, .. } => {
                interfaces.iter().any(has).then(|| self.text(name.0))
            }
            PlaceNode::Let { .. } | PlaceNode::Set(_) => None,
        })
    }

    /// The interfaces that zones name: what a slip is measured by.
    pub(super) fn gather_known_interfaces(&mut self) {
        let mut zones = Vec::new();
        let mut names = Vec::new();
        let mut patterns = Vec::new();
        for entry in &self.names.places.entries {
            let PlaceNode::Zone { name, interfaces, .. } = entry.node else { continue };
            zones.push(self.text(name.0));
            for interface in interfaces {
                match interface {
                    InterfaceName::Name(Name(span)) => names.push(self.text(*span)),
                    InterfaceName::Pattern(span) => patterns.push(self.text(*span)),
                    InterfaceName::Quoted(_) => {}
                }
            }
        }
        self.spellings = Spellings::new(&zones, &names);
        self.known_interfaces = names.into_iter().collect();
        self.known_patterns = patterns;
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
