//! Endpoints: zones, addresses, names of lists and sets, and `self` → places in the network.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::rc::Rc;

use super::names::PlaceNode;
use super::policy::{CallId, Member, Place};
use super::{MAX_MEMBERS, Resolver, messages};
use crate::net::address::parse_addresses;
use crate::net::interface::widest;
use crate::net::{Addresses, Families, Family, Interface};
use crate::source::Span;
use crate::syntax::tree::{
    ArgumentKind, Endpoint, EndpointKind, InterfaceName, List, Name, PlaceName,
};
use crate::syntax::unquote;

/// One end of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    pub span: Span,
    pub kind: EndKind,
    pub place: Place,
    /// The same without the nets of a zone: what counts for services that are bound to ports or
    /// addresses of their own.
    pub loose: Place,
    /// The families in which it has nothing because the zone that it is, or is in, has no nets there.
    pub lacks: Families,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndKind {
    /// `any`
    Any,
    /// `self` or an address `@self`.
    Machine,
    /// A zone, or an address placed in one.
    Zone,
    /// An address placed nowhere.
    Address,
}

/// A zone, read.
#[derive(Debug, Clone)]
pub struct Zone {
    pub span: Span,
    pub interfaces: Option<Vec<Interface>>,
    pub nets: Option<Addresses>,
}

impl Zone {
    fn end(&self, span: Span) -> End {
        let mut addresses = self.nets.clone().unwrap_or_else(Addresses::full);
        // Link-local addresses are on every link. A family in which the zone has no nets stays
        // empty all the same.
        if self.interfaces.is_some() && !addresses.v6.is_empty() {
            addresses = addresses.union(&link_local());
        }
        let lacks = |family| addresses.is_empty_in(family);
        let lacks = Families { v4: lacks(Family::V4), v6: lacks(Family::V6) };
        let interfaces = self.interfaces.clone();
        let loose = if interfaces.is_some() { Addresses::full() } else { addresses.clone() };
        End {
            span,
            kind: EndKind::Zone,
            place: Place { interfaces: interfaces.clone(), ..Place::of(addresses) },
            loose: Place { interfaces, ..Place::of(loose) },
            lacks,
        }
    }
}

fn link_local() -> Addresses {
    parse_addresses("fe80::/10").expect("a network").addresses
}

impl End {
    pub fn new(span: Span, kind: EndKind, addresses: Addresses) -> Self {
        End::at(span, kind, Place::of(addresses))
    }

    fn at(span: Span, kind: EndKind, place: Place) -> Self {
        End { span, kind, loose: place.clone(), place, lacks: Families::NONE }
    }

    pub fn any(span: Span) -> Self {
        End::new(span, EndKind::Any, Addresses::full())
    }

    /// The members of a set that the kernel keeps.
    pub fn member(span: Span, member: Member) -> Self {
        End::at(span, EndKind::Address, Place { sets: vec![member], ..Place::anywhere() })
    }

    pub fn machine(span: Span) -> Self {
        End::new(span, EndKind::Machine, Addresses::full())
    }

    /// The place as forwarded packets know it: the kernel forwards nothing from or to link-local
    /// addresses, so a zone's are left out where it has others.
    pub fn forwarded(&self) -> Place {
        if self.kind != EndKind::Zone || self.place.addresses.v6.is_full() {
            return self.place.clone();
        }
        let routed = self.place.addresses.difference(&link_local());
        let keeps = routed.v6.is_empty() && !self.place.addresses.v6.is_empty();
        let addresses = if keeps { self.place.addresses.clone() } else { routed };
        Place { addresses, ..self.place.clone() }
    }

    /// Keeps only what is there too.
    fn keep(&mut self, kept: &Place) {
        for place in [&mut self.place, &mut self.loose] {
            place.addresses = place.addresses.intersection(&kept.addresses);
            match Member::meet(&place.sets, &kept.sets) {
                Some(sets) => place.sets = sets,
                None => place.addresses = Addresses::empty(),
            }
        }
    }

    /// What is in both; `None` when nothing is.
    pub fn intersection(&self, other: &End) -> Option<End> {
        use EndKind::{Address, Any, Machine, Zone};
        let kind = match (self.kind, other.kind) {
            (Any, kind) | (kind, Any) => kind,
            (Machine, Machine | Address) | (Address, Machine) => Machine,
            (Zone, Zone | Address) | (Address, Zone) => Zone,
            (Address, Address) => Address,
            (Machine, Zone) | (Zone, Machine) => return None,
        };
        let place = intersect_places(&self.place, &other.place)?;
        let loose = intersect_places(&self.loose, &other.loose)?;
        // What the other leaves out on purpose, the zone does not lack.
        let lacks = |end: &End, other: &End, family| {
            end.lacks.contains(family) && !other.place.addresses.is_empty_in(family)
        };
        let lacks = |family| lacks(self, other, family) || lacks(other, self, family);
        let lacks = Families { v4: lacks(Family::V4), v6: lacks(Family::V6) };
        Some(End { span: other.span, kind, place, loose, lacks })
    }

    /// The end behind these interfaces only.
    pub fn behind(&self, interfaces: &[Interface]) -> Option<End> {
        let there = Place { interfaces: Some(interfaces.to_vec()), ..Place::anywhere() };
        let place = intersect_places(&self.place, &there)?;
        let loose = intersect_places(&self.loose, &there)?;
        Some(End { place, loose, ..self.clone() })
    }
}

/// What is in both places; `None` when nothing is.
pub fn intersect_places(a: &Place, b: &Place) -> Option<Place> {
    let interfaces = match (&a.interfaces, &b.interfaces) {
        (None, other) | (other, None) => other.clone(),
        (Some(a), Some(b)) => Some(intersect_interfaces(a, b)?),
    };
    let addresses = a.addresses.intersection(&b.addresses);
    let sets = Member::meet(&a.sets, &b.sets)?;
    (!addresses.is_empty()).then_some(Place { interfaces, addresses, sets })
}

/// The names that both lists mean; `None` when there is none.
pub fn intersect_interfaces(a: &[Interface], b: &[Interface]) -> Option<Vec<Interface>> {
    let pairs = a.iter().flat_map(|a| b.iter().filter_map(move |b| a.intersection(b)));
    let all = simplify_interfaces(pairs.collect());
    (!all.is_empty()).then_some(all)
}

/// Each name once, and none that a pattern of the list means already; the order is kept.
pub fn simplify_interfaces(all: Vec<Interface>) -> Vec<Interface> {
    if all.len() <= 1 {
        return all;
    }
    widest(&all.iter().collect::<Vec<_>>()).into_iter().cloned().collect()
}

/// Places with as few members as say the same: equal interfaces share their addresses, equal
/// addresses their interfaces. Places of different sets stay apart.
pub fn simplify_places(places: impl IntoIterator<Item = Place>) -> Vec<Place> {
    let mut places: Vec<Place> = places.into_iter().collect();
    if places.len() <= 1 {
        places.shrink_to_fit();
        return places;
    }
    let by_interfaces =
        grouped(places.into_iter().map(|one| ((one.interfaces, one.sets), one.addresses)));
    let united = by_interfaces.into_iter().map(|((interfaces, sets), addresses)| {
        let addresses = Addresses::union_all(addresses.iter());
        ((addresses, sets, interfaces.is_some()), interfaces)
    });
    let by_addresses = grouped(united).into_iter();
    let simple: Vec<Place> = by_addresses
        .map(|((addresses, sets, _), mut interfaces)| {
            let interfaces = match interfaces.len() {
                1 => interfaces.remove(0),
                _ => {
                    Some(simplify_interfaces(interfaces.into_iter().flatten().flatten().collect()))
                }
            };
            Place { interfaces, addresses, sets }
        })
        .collect();
    if simple.contains(&Place::anywhere()) {
        return vec![Place::anywhere()];
    }
    simple
}

/// Values with equal keys together, in the order of the keys' first values.
fn grouped<K: Hash + Eq + Clone, V>(pairs: impl Iterator<Item = (K, V)>) -> Vec<(K, Vec<V>)> {
    let mut groups: Vec<(K, Vec<V>)> = Vec::new();
    let mut index: HashMap<K, usize> = HashMap::new();
    for (key, value) in pairs {
        if let Some(group) = index.get(&key) {
            groups[*group].1.push(value);
        } else {
            index.insert(key.clone(), groups.len());
            groups.push((key, vec![value]));
        }
    }
    groups
}

impl<'a> Resolver<'a> {
    /// The ends of a list. Members that are empty in both families are gone; a list without any
    /// member left is an error.
    pub(super) fn ends(&mut self, list: &'a List, env: Option<CallId>) -> Option<Vec<End>> {
        let mut ends = self.ends_of(&list.items, env)?;
        if !list.except.is_empty() {
            let kept = self.all_but(&list.except, env)?;
            for end in &mut ends {
                end.keep(&kept);
            }
            ends.retain(|end| !end.place.addresses.is_empty() || !end.loose.addresses.is_empty());
        }
        if ends.is_empty() {
            self.report(messages::empty_list(list.span));
            return None;
        }
        Some(ends)
    }

    fn ends_of(&mut self, items: &'a [Endpoint], env: Option<CallId>) -> Option<Vec<End>> {
        let mut all = Vec::new();
        let mut whole = true;
        for item in items {
            match self.endpoint(item, env) {
                Some(ends) => all.extend(ends),
                None => whole = false,
            }
            // What is there twice is there once; it is looked for only where lists of lists double.
            if all.len() > MAX_MEMBERS {
                all = merge_ends(all);
            }
            if all.len() > MAX_MEMBERS {
                self.report(messages::too_many_members(item.span));
                return None;
            }
        }
        whole.then_some(all)
    }

    fn endpoint(&mut self, item: &'a Endpoint, env: Option<CallId>) -> Option<Vec<End>> {
        if let Some(port) = item.port {
            self.report(messages::port_in_list(port.0));
            return None;
        }
        self.endpoint_ends(item, env)
    }

    /// The ends of a member, whatever its port.
    pub(super) fn endpoint_ends(
        &mut self,
        item: &'a Endpoint,
        env: Option<CallId>,
    ) -> Option<Vec<End>> {
        let ends = match &item.kind {
            EndpointKind::Any => vec![End::any(item.span)],
            EndpointKind::Machine => vec![End::machine(item.span)],
            EndpointKind::Address(value) => {
                let parsed = self.read_addresses(*value)?;
                vec![End::new(item.span, EndKind::Address, parsed.addresses)]
            }
            EndpointKind::Name(name) => self.place(*name, env)?,
            EndpointKind::Group(list) => self.ends(list, env)?,
            EndpointKind::PortOnly => return None,
        };
        match item.place {
            None => Some(ends),
            Some(place) => self.placed(ends, place, item.span, env),
        }
    }

    /// `192.0.2.10@dmz`, `203.0.113.7@self`
    fn placed(
        &mut self,
        ends: Vec<End>,
        place: PlaceName,
        span: Span,
        env: Option<CallId>,
    ) -> Option<Vec<End>> {
        if let Some(end) = ends.iter().find(|end| end.kind != EndKind::Address) {
            self.report(messages::placed_twice(place.span(), end.span));
            return None;
        }
        let zone = match place {
            PlaceName::Machine(_) => {
                let own = |end| End { kind: EndKind::Machine, ..end };
                return Some(ends.into_iter().map(own).collect());
            }
            PlaceName::Zone(name) => name,
        };
        let zones = self.place(zone, env)?;
        if zones.iter().any(|end| end.kind != EndKind::Zone) {
            self.report(messages::not_a_zone(zone.0, self.text(zone.0)));
            return None;
        }
        if !self.follow(span, ends.len().saturating_mul(zones.len())) {
            return None;
        }
        let mut placed = Vec::new();
        for end in ends {
            let inside: Vec<End> = zones.iter().filter_map(|z| z.intersection(&end)).collect();
            if inside.is_empty() {
                self.report(messages::outside_its_zone(span, zone.0, self.text(zone.0)));
                return None;
            }
            placed.extend(inside.into_iter().map(|inside| End { span, ..inside }));
        }
        Some(placed)
    }

    /// What a name of a zone, a `let` or a parameter means.
    pub(super) fn place(&mut self, name: Name, env: Option<CallId>) -> Option<Vec<End>> {
        let word = self.text(name.0);
        if let Some((argument, env)) = self.argument(word, env) {
            if !self.follow(name.0, 1) {
                return None;
            }
            return match &argument.kind {
                ArgumentKind::Name(inner) => self.place(*inner, env),
                ArgumentKind::Endpoints(list) => self.ends(list, env),
                ArgumentKind::Subjects(_)
                | ArgumentKind::Quoted(_)
                | ArgumentKind::Pattern(_)
                | ArgumentKind::Value(_) => {
                    self.report(messages::argument_is_no(name.0, argument.span, "place"));
                    None
                }
            };
        }
        let Some((index, node)) = self.names.places.find(word) else {
            let zone = self.zone_of_interface(word);
            self.report(messages::unknown_place(name.0, word, zone, &self.names));
            return None;
        };
        let list = match node {
            PlaceNode::Zone { .. } => {
                let zone = self.zone_named(index, name)?;
                return Some(vec![zone.end(name.0)]);
            }
            PlaceNode::Set(_) => {
                let ends = self.set_ends(index, name)?;
                return Some(ends.iter().map(|end| End { span: name.0, ..end.clone() }).collect());
            }
            PlaceNode::Let { list } => list,
        };
        let ends = self.let_ends(index, name, word, list)?;
        // A finding points at the use, not at the definition.
        Some(ends.iter().map(|end| End { span: name.0, ..end.clone() }).collect())
    }

    pub(super) fn let_ends(
        &mut self,
        index: usize,
        name: Name,
        word: &str,
        list: &'a List,
    ) -> Option<Rc<[End]>> {
        if let Some(known) = self.lets.get(&index) {
            return known.clone();
        }
        if let Some(start) = self.let_path.iter().position(|(known, _)| *known == index) {
            let ring: Vec<Span> = self.let_path[start..].iter().map(|(_, span)| *span).collect();
            self.report(messages::recursive("let", word, name.0, &ring));
            return None;
        }
        self.let_path.push((index, name.0));
        let ends = if self.let_path.len() > super::MAX_DEPTH {
            self.report(messages::definitions_too_deep(name.0, super::MAX_DEPTH));
            None
        } else {
            self.ends(list, None).map(merge_ends)
        };
        self.let_path.pop();
        let ends: Option<Rc<[End]>> = ends.map(Into::into);
        self.lets.insert(index, ends.clone());
        ends
    }

    /// The zone of a name, which may stand in the definition of another one.
    pub(super) fn zone_named(&mut self, index: usize, name: Name) -> Option<Rc<Zone>> {
        if self.zone_path.contains(&index) {
            self.report(messages::recursive("zone", self.text(name.0), name.0, &[]));
            return None;
        }
        if self.zone_path.len() >= super::MAX_DEPTH {
            self.report(messages::definitions_too_deep(name.0, super::MAX_DEPTH));
            return None;
        }
        self.zone(index)
    }

    /// A zone, read once.
    pub(super) fn zone(&mut self, index: usize) -> Option<Rc<Zone>> {
        if let Some(known) = self.zones.get(&index) {
            return known.clone();
        }
        let PlaceNode::Zone { name, interfaces, nets } = self.names.places.entries[index].node
        else {
            return None;
        };
        self.zone_path.push(index);
        let zone = self.read_zone(name, interfaces, nets).map(Rc::new);
        self.zone_path.pop();
        self.zones.insert(index, zone.clone());
        zone
    }

    fn read_zone(
        &mut self,
        name: Name,
        interfaces: &'a [InterfaceName],
        nets: Option<&'a List>,
    ) -> Option<Zone> {
        let mut read = Vec::new();
        for interface in interfaces {
            read.extend(self.interfaces_of_zone(name, *interface)?);
        }
        let read = simplify_interfaces(read);
        let nets = match nets {
            Some(list) => Some(self.nets(list)?),
            None => None,
        };
        let interfaces = (!read.is_empty()).then_some(read);
        Some(Zone { span: name.0, interfaces, nets })
    }

    /// The nets of a zone: addresses only.
    fn nets(&mut self, list: &'a List) -> Option<Addresses> {
        let ends = self.ends(list, None)?;
        if let Some(end) = ends.iter().find(|end| end.kind != EndKind::Address) {
            self.report(messages::zone_net_is_no_address(end.span));
            return None;
        }
        self.addresses_of(&ends, "the nets of a zone")
    }

    /// Everything but what is excluded.
    fn all_but(&mut self, items: &'a [Endpoint], env: Option<CallId>) -> Option<Place> {
        let ends = self.ends_of(items, env)?;
        let unclear = |end: &&End| end.place.interfaces.is_some() || end.kind == EndKind::Machine;
        if let Some(end) = ends.iter().find(unclear) {
            self.report(messages::cannot_exclude(end.span, end.kind));
            return None;
        }
        let (sets, plain): (Vec<&End>, Vec<&End>) =
            ends.iter().partition(|end| !end.place.sets.is_empty());
        let excluded = Addresses::union_all(plain.iter().map(|end| &end.place.addresses));
        let mut kept = Place::of(Addresses::full().difference(&excluded));
        for end in sets {
            // What is outside a part of a set is in one place or another, and a place is one.
            let ([member], true) = (&end.place.sets[..], end.place.addresses.is_full()) else {
                self.report(messages::part_of_a_set_excluded(end.span));
                return None;
            };
            let other = Member { inside: !member.inside, ..*member };
            match Member::meet(&kept.sets, &[other]) {
                Some(sets) => kept.sets = sets,
                None => kept.addresses = Addresses::empty(),
            }
        }
        Some(kept)
    }

    /// The text of an interface's name and where it stands, quotes taken off.
    pub(super) fn interface_text(&self, interface: InterfaceName) -> (Span, String) {
        let text = self.text(interface.span());
        match interface {
            InterfaceName::Quoted(_) => (interface.span(), unquote(text).into_owned()),
            InterfaceName::Name(_) | InterfaceName::Pattern(_) => {
                (interface.span(), text.to_owned())
            }
        }
    }
}

/// Addresses placed nowhere as one end, for a list of a hundred thousand is one set of them; and others
/// once each.
pub fn merge_ends(ends: Vec<End>) -> Vec<End> {
    let loose = |end: &End| end.kind == EndKind::Address && is_bare(&end.place);
    let (addresses, mut others): (Vec<End>, Vec<End>) = ends.into_iter().partition(loose);
    let mut seen = HashSet::new();
    others.retain(|end| seen.insert((end.kind, end.place.clone(), end.loose.clone())));
    if let Some(first) = addresses.first() {
        let all = Addresses::union_all(addresses.iter().map(|end| &end.place.addresses));
        others.insert(0, End::new(first.span, EndKind::Address, all));
    }
    others
}

/// Whether a place is addresses and nothing else.
fn is_bare(place: &Place) -> bool {
    place.interfaces.is_none() && place.sets.is_empty()
}

/// The families in which at least one end has an address.
pub fn families_of(ends: &[End]) -> Families {
    let has = |family: Family| ends.iter().any(|end| !end.place.addresses.is_empty_in(family));
    Families { v4: has(Family::V4), v6: has(Family::V6) }
}
