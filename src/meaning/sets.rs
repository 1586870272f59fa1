//! The parts of a statement as sets of packets of one family. Equal lists share one set.

use std::collections::HashMap;

use super::Effect;
use super::quick::QuickBuild;
use crate::net::{Addresses, Duration, Family, Interface, Ports, Protocol};
use crate::packet::opaque::{self, SetSide};
use crate::packet::{Constraint, Factor, FieldBox, PacketSet, Product};
use crate::resolve::Policy;
use crate::resolve::policy::{
    Addition, Bound, Condition, Flow, Hook, Member, Part, Place, Scope, SetContent,
};

/// Makes factors for one family and remembers them, so that 100,000 rules `from lan` hold one list
/// of lan's addresses. (The maps are only looked up in, never walked: their order is not seen.)
pub(super) struct Sets<'p> {
    pub family: Family,
    policy: &'p Policy,
    members: HashMap<(Side, Member), Constraint, QuickBuild>,
    places: HashMap<(Side, &'p [Place]), Factor, QuickBuild>,
    parts: HashMap<&'p [Part], Factor, QuickBuild>,
}

/// Whose interfaces and addresses a place means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Side {
    Source,
    Destination,
}

/// Which ports and destination a statement speaks of.
#[derive(Clone, Copy)]
enum PartsOf {
    /// Of the packet as it is.
    Packet,
    /// Of a connection before translation; the packet has this new port, or kept its port.
    Translated { port: Option<u16> },
    /// Of a connection before translation; the packet may have any port.
    Original,
}

impl<'p> Sets<'p> {
    pub fn new(policy: &'p Policy, family: Family) -> Self {
        Sets {
            family,
            policy,
            members: HashMap::default(),
            places: HashMap::default(),
            parts: HashMap::default(),
        }
    }

    /// The packets that one of the flows means; `None` when they mean none in this family.
    pub fn flows(
        &mut self,
        flows: impl Iterator<Item = &'p Flow>,
        conditions: &[Condition],
    ) -> Option<PacketSet> {
        self.flows_within(flows, conditions, &[])
    }

    /// The same, of packets that are also in all of `within`.
    pub fn flows_within(
        &mut self,
        flows: impl Iterator<Item = &'p Flow>,
        conditions: &[Condition],
        within: &[Factor],
    ) -> Option<PacketSet> {
        let family = self.family;
        let mut products = Vec::new();
        let mut shared = None;
        for flow in flows.filter(|flow| flow.families.contains(family)) {
            let source = self.places(Side::Source, &flow.source);
            let destination = self.places(Side::Destination, &flow.destination);
            if source.is_empty() || destination.is_empty() {
                continue;
            }
            let parts = match flow.scope {
                Scope::Hook(_) | Scope::Arrival(_) | Scope::Chain => self.parts(&flow.parts),
                Scope::Docker => parts_factor(family, &flow.parts, PartsOf::Original),
            };
            let leaves = flow.scope == Scope::Hook(Hook::Output);
            let conditions = shared.get_or_insert_with(|| all_of(conditions, leaves)).clone();
            let said = [source, destination, parts, conditions, wants(flow.scope)];
            products.extend(Product::of(said.into_iter().chain(within.iter().cloned())));
        }
        (!products.is_empty()).then(|| PacketSet::of(family, products))
    }

    /// Packets from, or to, any of the places.
    pub fn places(&mut self, side: Side, places: &'p [Place]) -> Factor {
        let family = self.family;
        if places.iter().all(|place| place.addresses.is_empty_in(family)) {
            return Factor::empty();
        }
        if let Some(made) = self.places.get(&(side, places)) {
            return made.clone();
        }
        let made = Factor::of(places.iter().filter_map(|place| self.place(side, place)));
        self.places.entry((side, places)).or_insert(made).clone()
    }

    /// One place as a box; `None` when it has no address in the family.
    fn place(&mut self, side: Side, place: &Place) -> Option<FieldBox> {
        let family = self.family;
        let interfaces = place.interfaces.as_deref().map(|patterns| match side {
            Side::Source => Constraint::incoming(patterns),
            Side::Destination => Constraint::outgoing(patterns),
        });
        let bounded = !place.addresses.is_full_in(family);
        let addresses = bounded.then(|| at_side(family, side, &place.addresses));
        let members: Vec<Constraint> =
            place.sets.iter().map(|member| self.member(side, *member)).collect();
        FieldBox::of(interfaces.into_iter().chain(addresses).chain(members))
    }

    /// That an address is in a set, or that it is not. What is in a static set is known; of a dynamic
    /// one it is a fact about the packet.
    fn member(&mut self, side: Side, member: Member) -> Constraint {
        let (family, policy) = (self.family, self.policy);
        let made = self.members.entry((side, member)).or_insert_with(|| {
            let set = &policy.sets[member.set.0 as usize];
            match (&set.content, member.inside) {
                (SetContent::Static(addresses), true) => at_side(family, side, addresses),
                (SetContent::Static(addresses), false) => {
                    at_side(family, side, &Addresses::full().difference(addresses))
                }
                (SetContent::Dynamic(_), inside) => {
                    let side = match side {
                        Side::Source => SetSide::Source,
                        Side::Destination => SetSide::Destination,
                    };
                    Constraint::opaque(opaque::member(side, &set.kernel_name(family)), inside)
                }
            }
        });
        made.clone()
    }

    /// What `add` does.
    pub fn addition(&self, addition: Addition) -> Effect {
        let set = &self.policy.sets[addition.set.0 as usize];
        match &set.content {
            SetContent::Dynamic(dynamic) => Effect::Add {
                set: set.kernel_name(self.family).into(),
                length: dynamic.lengths.of(self.family),
                timeout: addition.timeout.map(Duration::seconds),
            },
            // Nothing is ever added to a static one.
            SetContent::Static(_) => Effect::Continue,
        }
    }

    /// Packets of any of the parts.
    pub fn parts(&mut self, parts: &'p [Part]) -> Factor {
        let family = self.family;
        let made = self.parts.entry(parts);
        made.or_insert_with(|| parts_factor(family, parts, PartsOf::Packet)).clone()
    }

    /// Packets of connections that were of any of the parts before they were translated.
    pub fn translated_parts(&self, parts: &[Part], port: Option<u16>) -> Factor {
        parts_factor(self.family, parts, PartsOf::Translated { port })
    }

    /// Packets of the parts to that port, or to whichever they are to.
    pub fn parts_at(&mut self, parts: &'p [Part], port: Option<u16>) -> Factor {
        let Some(port) = port else { return self.parts(parts) };
        let one = Ports::single(port);
        let occurring = parts.iter().filter(|part| part.families().contains(self.family));
        Factor::of(occurring.filter_map(|part| {
            let constraints = part_constraints(part, PartsOf::Packet).into_iter();
            FieldBox::of(constraints.chain([Constraint::destination_port(&one)]))
        }))
    }

    /// Packets to these addresses; empty when there are none in this family.
    pub fn to_addresses(&self, addresses: &Addresses) -> Factor {
        let family = self.family;
        self.unless_full(addresses, |addresses| Constraint::destination(family, addresses))
    }

    /// Packets that went to these addresses before they were translated.
    pub fn originally_to(&self, addresses: &Addresses) -> Factor {
        let family = self.family;
        self.unless_full(addresses, |addresses| Constraint::original_destination(family, addresses))
    }

    fn unless_full(
        &self,
        addresses: &Addresses,
        constraint: impl Fn(&Addresses) -> Constraint,
    ) -> Factor {
        Factor::all((!addresses.is_full_in(self.family)).then(|| constraint(addresses)))
    }
}

fn at_side(family: Family, side: Side, addresses: &Addresses) -> Constraint {
    match side {
        Side::Source => Constraint::source(family, addresses),
        Side::Destination => Constraint::destination(family, addresses),
    }
}

/// What a scope says of the destination: only where packets arrive it says anything.
fn wants(scope: Scope) -> Factor {
    Factor::all(match scope {
        Scope::Arrival(Bound::Here) => Some(Constraint::to_local()),
        Scope::Arrival(Bound::Elsewhere) => Some(Constraint::not_to_local()),
        Scope::Arrival(Bound::Anywhere) | Scope::Hook(_) | Scope::Chain | Scope::Docker => None,
    })
}

fn parts_factor(family: Family, parts: &[Part], of: PartsOf) -> Factor {
    let occurring = parts.iter().filter(|part| part.families().contains(family));
    match of {
        PartsOf::Packet | PartsOf::Translated { port: Some(_) } | PartsOf::Original => {
            Factor::of(occurring.filter_map(|part| FieldBox::of(part_constraints(part, of))))
        }
        PartsOf::Translated { port: None } => {
            let single = occurring.flat_map(by_range);
            Factor::of(single.filter_map(|part| FieldBox::of(part_constraints(&part, of))))
        }
    }
}

/// A part as one for each of its ranges of ports: where a port is kept, the original and the present
/// one are in the same range.
fn by_range(part: &Part) -> Vec<Part> {
    let Part::Ports { protocol, source, destination } = part else { return vec![part.clone()] };
    let ranges = destination.intervals().iter();
    ranges
        .map(|(low, high)| Part::Ports {
            protocol: *protocol,
            source: source.clone(),
            destination: Ports::range(*low, *high),
        })
        .collect()
}

/// What packets of a part meet.
pub(super) fn conditions_of(part: &Part) -> Vec<Constraint> {
    part_constraints(part, PartsOf::Packet)
}

fn part_constraints(part: &Part, of: PartsOf) -> Vec<Constraint> {
    match part {
        Part::Any => Vec::new(),
        Part::Icmp(icmp) => {
            vec![Constraint::protocol(Protocol::icmp(icmp.family)), Constraint::icmp(*icmp)]
        }
        Part::Protocol(protocol) => vec![Constraint::protocol(*protocol)],
        Part::Ports { protocol, source, destination } => {
            let mut constraints = vec![Constraint::protocol(protocol.protocol())];
            // All ports of a protocol is the protocol: each of its packets has ports.
            let mut add = |ports: &Ports, constraint: fn(&Ports) -> Constraint| {
                if !ports.is_full() {
                    constraints.push(constraint(ports));
                }
            };
            add(source, Constraint::source_port);
            match of {
                PartsOf::Packet => add(destination, Constraint::destination_port),
                PartsOf::Original => add(destination, Constraint::original_port),
                PartsOf::Translated { port } => {
                    add(destination, Constraint::original_port);
                    let now = port.map(Ports::single);
                    add(now.as_ref().unwrap_or(destination), Constraint::destination_port);
                }
            }
            constraints
        }
    }
}

/// Packets that meet all conditions; `leaves` is whether those of the carrier are about the way out.
pub(super) fn all_of(conditions: &[Condition], leaves: bool) -> Factor {
    Factor::all(conditions.iter().map(|condition| match condition {
        Condition::State(states) => Constraint::state(*states),
        Condition::Flags(flags) => Constraint::flags(*flags),
        Condition::Mac(macs) => Constraint::mac(macs),
        Condition::Mark(mark) => Constraint::mark(*mark),
        Condition::User(account) => Constraint::user(account),
        Condition::Group(account) => Constraint::group(account),
        Condition::Length(lengths) => Constraint::length(lengths),
        Condition::Ttl(ttl) => Constraint::ttl(*ttl),
        Condition::Dscp(dscp) => Constraint::dscp(*dscp),
        Condition::During(window) => Constraint::opaque(opaque::now_within(window), true),
        Condition::Ipsec => Constraint::opaque(opaque::through_ipsec(leaves), true),
    }))
}

/// Packets that leave on one of the interfaces; `None` is any.
pub(super) fn leaving_on(interfaces: Option<&[Interface]>) -> Factor {
    Factor::all(interfaces.map(Constraint::outgoing))
}
