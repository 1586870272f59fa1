//! Connection helpers: whoever opens a connection of a service that has one gets it assigned.
//!
//! The kernel wants to be told before it chooses a route or translates. So what a rule says of the
//! outgoing interface is not asked, nor a condition on what other tables may change; a connection that
//! got a helper and is then refused has done nothing.

use std::collections::BTreeMap;

use super::direction::Route;
use super::ends::intersect_interfaces;
use super::policy::{
    Action, Alteration, AlterationKind, At, Bound, Chain, Condition, Flow, Forward, Hook, Item,
    Nat, NatKind, Origin, Part, Place, Policy, Redirect, Remarks, Rule, Scope,
};
use super::rules::{describe, flow, groups, speaks_in};
use super::services::{Traffic, merge_parts};
use super::{Body, Resolver, messages};
use crate::net::{Addresses, CtState, Families, Family, Helper, Interface, Prefix};
use crate::source::Span;

/// What a statement says beside its flows.
pub struct Said<'r> {
    pub origin: Origin,
    /// Where its services stand.
    pub subject: Span,
    pub families: Families,
    pub conditions: &'r [Condition],
    pub remarks: &'r Remarks,
}

impl Resolver<'_> {
    /// What a rule that allows gives to the packets that open its connections; flows of a chain keep
    /// their scope. `None` after a fault.
    pub(super) fn helpers_of_rule(
        &mut self,
        said: &Said<'_>,
        routes: &[Route],
        traffic: &[Traffic],
    ) -> Option<Vec<Alteration>> {
        let flows_of = |helped: &[Traffic], families| {
            let of_route = |route| {
                let groups = groups(helped).into_iter();
                groups.map(|group| flow(route, &group, families)).collect::<Vec<_>>()
            };
            routes.iter().flat_map(of_route).collect()
        };
        let assigned = self.assigned(said, traffic, flows_of)?;
        Some(assigned.into_iter().filter_map(arriving).collect())
    }

    /// The same of a `forward` or `redirect`: by the ports and addresses before the translation.
    pub(super) fn helpers_of_nat(
        &mut self,
        said: &Said<'_>,
        kind: &NatKind,
        traffic: &[Traffic],
    ) -> Option<Vec<Alteration>> {
        let flows_of = |helped: &[Traffic], families| {
            let parts = merge_parts(helped.iter().map(|one| &one.part));
            match kind {
                NatKind::Forward(forward) => forwarded(forward, &parts, families),
                NatKind::Redirect(redirect) => redirected(redirect, &parts, families),
                NatKind::Source { .. } | NatKind::Netmap { .. } => Vec::new(),
            }
        };
        self.assigned(said, traffic, flows_of)
    }

    /// Takes what a statement assigns.
    pub(super) fn assign(&mut self, helpers: Vec<Alteration>) {
        match self.body {
            Body::Policy | Body::Docker => self.items.extend(helpers.into_iter().map(Item::Alter)),
            Body::Chain => {
                if let Some(first) = helpers.first() {
                    self.chain_helpers.insert(first.origin, helpers);
                }
            }
        }
    }

    /// Assigns the helpers of chains to the packets of the hooks that reach them, whatever the jumps
    /// there ask for.
    pub(super) fn helpers_in_chains(&mut self, chains: &[Chain], reached: &[BTreeMap<Hook, Span>]) {
        for (chain, hooks) in chains.iter().zip(reached) {
            for rule in &chain.rules {
                let helpers = self.chain_helpers.get(&rule.origin).into_iter().flatten();
                let assigned = helpers
                    .flat_map(|helper| hooks.keys().filter_map(|hook| reached_from(helper, *hook)));
                self.items.extend(assigned.map(Item::Alter));
            }
        }
    }

    /// Adds the outside addresses by which `netmap` leads to a place: that is what packets still have.
    pub(super) fn helpers_behind_netmaps(&mut self) {
        let netmap = |item: &Item| match item {
            Item::Nat(Nat { kind: NatKind::Netmap { outside, inside, interfaces }, .. }) => {
                Some((*outside, *inside, interfaces.clone()))
            }
            Item::Nat(_) | Item::Rule(_) | Item::Alter(_) | Item::Raw(_) => None,
        };
        let netmaps: Vec<_> = self.items.iter().filter_map(netmap).collect();
        if netmaps.is_empty() {
            return;
        }
        for item in &mut self.items {
            if let Item::Alter(Alteration { kind: AlterationKind::Helper(_), flows, .. }) = item {
                let each = |flow: &Flow| {
                    let of = |(outside, inside, on): &(Prefix, Prefix, Vec<Interface>)| {
                        by_netmap(flow, [*outside, *inside], on)
                    };
                    netmaps.iter().filter_map(of).collect::<Vec<_>>()
                };
                let more: Vec<Flow> = flows.iter().flat_map(each).collect();
                flows.extend(more);
            }
        }
    }

    /// Says when what a helper expects would be dropped all the same.
    pub(super) fn mention_unrelated(&mut self, policy: &Policy) {
        let accepts = |rule: &Rule| {
            let related = |condition: &Condition| condition.is_met_in(CtState::Related);
            rule.action == Action::Allow && rule.conditions.iter().any(related)
        };
        let of_items = policy.items.iter().filter_map(|item| match item {
            Item::Rule(rule) => Some(rule),
            Item::Nat(_) | Item::Alter(_) | Item::Raw(_) => None,
        });
        let of_chains = policy.chains.iter().flat_map(|chain| &chain.rules);
        if policy.implicit.established || of_items.chain(of_chains).any(accepts) {
            return;
        }
        for item in &policy.items {
            if let Item::Alter(Alteration {
                origin, kind: AlterationKind::Helper(helper), ..
            }) = item
            {
                self.report_of(*origin, messages::related_not_accepted(origin.span, *helper));
            }
        }
    }

    /// An alteration for each helper of the traffic, with the flows that `flows_of` makes of its
    /// services.
    fn assigned(
        &mut self,
        said: &Said<'_>,
        traffic: &[Traffic],
        flows_of: impl Fn(&[Traffic], Families) -> Vec<Flow>,
    ) -> Option<Vec<Alteration>> {
        let mut all = Vec::new();
        // By far the most frequent case is that there is none.
        let none = traffic.iter().all(|one| one.helper.is_none());
        if none || !opens(said.conditions) {
            return Some(all);
        }
        for helper in Helper::ALL {
            let helped = traffic.iter().filter(|one| one.helper == Some(helper)).cloned();
            let helped: Vec<Traffic> = helped.collect();
            let speaks =
                |flow: &Flow| Family::BOTH.into_iter().any(|family| speaks_in(flow, family));
            let mut flows = flows_of(&helped, said.families);
            flows.retain(speaks);
            let opened = !flows.is_empty();
            for flow in &mut flows {
                flow.families = flow.families.intersection(helper.families());
            }
            flows.retain(speaks);
            if !flows.is_empty() {
                all.push(Alteration {
                    origin: said.origin,
                    kind: AlterationKind::Helper(helper),
                    flows,
                    conditions: said
                        .conditions
                        .iter()
                        .filter(|one| is_early(one))
                        .cloned()
                        .collect(),
                    remarks: Remarks {
                        comment: said.remarks.comment.clone(),
                        ..Remarks::default()
                    },
                });
            } else if opened {
                let ports = helped.first().map(|one| describe(&one.part)).unwrap_or_default();
                let finding = messages::helper_of_other_family(said.subject, helper, Some(&ports));
                self.report(finding);
                return None;
            }
        }
        Some(all)
    }
}

/// Whether a packet that opens a connection can meet the conditions.
fn opens(conditions: &[Condition]) -> bool {
    let states = conditions.iter().filter_map(Condition::states);
    states.into_iter().all(|states| states.contains(CtState::New))
}

/// Whether a condition is the same before all other tables as it is in the filter. There is no state
/// yet, marks and classes are set later, and a router counts the hop in between.
fn is_early(condition: &Condition) -> bool {
    match condition {
        Condition::Flags(_)
        | Condition::Mac(_)
        | Condition::User(_)
        | Condition::Group(_)
        | Condition::Length(_)
        | Condition::During(_)
        | Condition::Ipsec => true,
        Condition::State(_) | Condition::Mark(_) | Condition::Ttl(_) | Condition::Dscp(_) => false,
    }
}

/// The alteration where its packets come in or are sent, but for flows of a chain; `None` when no
/// packet is left.
fn arriving(alteration: Alteration) -> Option<Alteration> {
    let flows = alteration.flows.into_iter().filter_map(|flow| match flow.scope {
        Scope::Hook(hook) => met_early(&flow, hook),
        // To this machine, whose ports are published.
        Scope::Docker => Some(Flow { scope: Scope::Arrival(Bound::Here), ..flow }),
        Scope::Arrival(_) | Scope::Chain => Some(flow),
    });
    let flows: Vec<Flow> = flows.collect();
    (!flows.is_empty()).then_some(Alteration { flows, ..alteration })
}

/// The alteration of a chain's rule for the packets of one hook that reaches the chain.
pub fn reached_from(alteration: &Alteration, hook: Hook) -> Option<Alteration> {
    let flows = alteration.flows.iter().filter_map(|flow| met_early(flow, hook)).collect();
    Some(Alteration { flows, ..alteration.clone() }).filter(|reached| !reached.flows.is_empty())
}

/// The packets of a flow in a hook as they are before a route is chosen for what comes in.
pub fn met_early(flow: &Flow, hook: Hook) -> Option<Flow> {
    let Flow { mut source, mut destination, .. } = flow.clone();
    let scope = match hook {
        Hook::Input => {
            destination.retain(|place| place.interfaces.is_none());
            // A group is no address of this machine, whoever is in it.
            let to_groups =
                destination.iter().all(|place| place.addresses.is_subset(&group_addresses()));
            Scope::Arrival(if to_groups { Bound::Anywhere } else { Bound::Here })
        }
        Hook::Forward => {
            destination = destination.into_iter().map(somewhere).collect();
            Scope::Arrival(Bound::Elsewhere)
        }
        Hook::Output => {
            source.retain(|place| place.interfaces.is_none());
            Scope::Hook(Hook::Output)
        }
    };
    let some = !source.is_empty() && !destination.is_empty();
    some.then(|| Flow { scope, source, destination, ..flow.clone() })
}

/// The packets of a flow through this machine that come in on these interfaces and have an address
/// of `outside` until they are translated to `inside`; `None` when there are none.
fn by_netmap(flow: &Flow, [outside, inside]: [Prefix; 2], on: &[Interface]) -> Option<Flow> {
    let family = inside.family();
    let offset = |(low, high): (u128, u128)| {
        let (from, to) = (inside.bounds().0, outside.bounds().0);
        Addresses::range(family, low - from + to, high - from + to)
    };
    let all = Addresses::union_all(flow.destination.iter().map(|place| &place.addresses));
    let meant = all.intersection(&inside.into()).intervals(family);
    let outside: Vec<Addresses> = meant.into_iter().map(offset).collect();
    let outside = Addresses::union_all(outside.iter());
    let behind = |place: &Place| {
        let interfaces = match &place.interfaces {
            Some(own) => intersect_interfaces(own, on)?,
            None => on.to_vec(),
        };
        Some(Place { interfaces: Some(interfaces), ..place.clone() })
    };
    let source: Vec<Place> = flow.source.iter().filter_map(behind).collect();
    let through = flow.scope == Scope::Arrival(Bound::Elsewhere);
    (through && !outside.is_empty() && !source.is_empty()).then(|| Flow {
        scope: Scope::Arrival(Bound::Anywhere),
        source,
        destination: vec![at_addresses(outside)],
        ..flow.clone()
    })
}

/// The addresses of many: multicast (RFC 5771, RFC 4291) and broadcast on the link.
#[must_use]
pub fn group_addresses() -> Addresses {
    let v4 = Addresses::range(Family::V4, 0xe000_0000, 0xefff_ffff);
    let everybody = Addresses::range(Family::V4, 0xffff_ffff, 0xffff_ffff);
    let v6 = Addresses::range(Family::V6, 0xff << 120, u128::MAX);
    v4.union(&everybody).union(&v6)
}

/// A place by its addresses alone.
fn somewhere(place: Place) -> Place {
    Place { interfaces: None, ..place }
}

fn at_addresses(addresses: Addresses) -> Place {
    Place::of(addresses)
}

/// Who is translated by a `forward`, or may go to its target untranslated.
fn forwarded(forward: &Forward, parts: &[Part], families: Families) -> Vec<Flow> {
    let translated = Families {
        v4: families.v4 && forward.target_v4.is_some(),
        v6: families.v6 && forward.target_v6.is_some() && names_ipv6(&forward.at),
    };
    let mut flows = vec![public(&forward.at, &forward.source, &Addresses::empty())];
    for place in &forward.hairpin {
        flows.push(public(&forward.at, std::slice::from_ref(place), &place.addresses));
    }
    if forward.hairpin_self {
        flows.push(own(forward));
    }
    let mut flows: Vec<Flow> = flows
        .into_iter()
        .map(|(scope, source, destination)| Flow {
            scope,
            families: translated,
            source,
            destination: vec![destination],
            parts: parts.to_vec(),
        })
        .collect();
    if let (Some(target), false) = (forward.target_v6, translated.v6) {
        flows.push(Flow {
            scope: Scope::Arrival(Bound::Elsewhere),
            families: families.intersection(Families::only(Family::V6)),
            source: forward.source.clone(),
            destination: vec![at_addresses(Addresses::single(target.address))],
            parts: parts.to_vec(),
        });
    }
    flows
}

fn names_ipv6(at: &At) -> bool {
    match at {
        At::Local => false,
        At::Addresses(addresses) => !addresses.is_empty_in(Family::V6),
    }
}

fn redirected(redirect: &Redirect, parts: &[Part], families: Families) -> Vec<Flow> {
    let (scope, source, destination) = public(&redirect.at, &redirect.source, &Addresses::empty());
    vec![Flow { scope, families, source, destination: vec![destination], parts: parts.to_vec() }]
}

type Ends = (Scope, Vec<Place>, Place);

/// Packets to the public address; of this machine's addresses those outside `except` count.
fn public(at: &At, source: &[Place], except: &Addresses) -> Ends {
    match at {
        At::Local => {
            let others = Addresses::full().difference(except);
            (Scope::Arrival(Bound::Here), source.to_vec(), at_addresses(others))
        }
        At::Addresses(at) => {
            (Scope::Arrival(Bound::Anywhere), source.to_vec(), at_addresses(at.clone()))
        }
    }
}

/// This machine's own packets to the public address. What it sends to itself leaves by lo, and what
/// it says to a loopback address, or to its address in a hairpin zone, is meant for itself.
fn own(forward: &Forward) -> Ends {
    let destination = match &forward.at {
        At::Addresses(at) => at_addresses(at.clone()),
        At::Local => {
            let v4 = Addresses::range(Family::V4, 0x7f00_0000, 0x7fff_ffff);
            let loopback = v4.union(&Addresses::range(Family::V6, 1, 1));
            let places = forward.hairpin.iter().map(|place| &place.addresses);
            let meant = Addresses::union_all(places.chain([&loopback]));
            Place {
                interfaces: Some(vec![Interface::loopback()]),
                ..Place::of(Addresses::full().difference(&meant))
            }
        }
    };
    (Scope::Hook(Hook::Output), vec![Place::anywhere()], destination)
}
