//! `forward`: the translation, the accept for exactly what was translated, and hairpin.

use crate::net::{Addresses, Family};
use crate::resolve::policy::{At, Forward, Hook, Nat, Place, Target, Verdict};
use crate::ruleset::{self, MatchKind};

use super::address::{Side, address_set, single_address};
use super::condition::Conditions;
use super::nat::{nat_entries, translate, translated_from};
use super::part::part_set;
use super::place::{Interfaces, any_interface};
use super::port_map::{PortMap, dnat};
use super::set::Set;
use super::{Hooks, Lowering};

impl Lowering<'_> {
    pub(super) fn forward(
        &mut self,
        hooks: &mut Hooks,
        nat: &Nat,
        conditions: &Conditions,
        forward: &Forward,
    ) {
        let Some(target) = forward.target(self.family) else { return };
        if is_translated(self.family, &forward.at) {
            self.translated_forward(hooks, nat, conditions, forward, target);
            return;
        }
        let accepted = Set::all([
            conditions.set(),
            self.places(Side::Source, Interfaces::BOTH, &forward.source),
            any_interface(Side::Destination, forward.out.as_deref()),
            Set::one(single_address(Side::Destination, target.address)),
            part_set(self.family, &forward.parts, conditions.flags),
        ]);
        self.accept(hooks, Hook::Forward, nat, accepted);
    }

    fn translated_forward(
        &mut self,
        hooks: &mut Hooks,
        nat: &Nat,
        conditions: &Conditions,
        forward: &Forward,
        target: Target,
    ) {
        let family = self.family;
        let map = PortMap::new(family, &forward.parts, target.port, conditions.flags);
        self.destination_nat(nat, conditions, forward, &map, target);
        let there = Set::one(single_address(Side::Destination, target.address));
        let translated = translated_from(family, &forward.at);
        let arrived = match &forward.at {
            // Who goes there already is left as he is, and meant all the same.
            At::Addresses(at) if at.contains(target.address) => {
                let others = Set::all([translated.clone(), map.changed()]);
                Set::all([there.clone(), Set::any([map.kept(), others])])
            }
            At::Addresses(_) | At::Local => {
                Set::all([there.clone(), translated.clone(), map.translated()])
            }
        };
        let sources: Vec<Place> = forward.source.iter().chain(&forward.hairpin).cloned().collect();
        let accepted = Set::all([
            conditions.set(),
            self.places(Side::Source, Interfaces::BOTH, &sources),
            any_interface(Side::Destination, forward.out.as_deref()),
            arrived.clone(),
        ]);
        self.accept(hooks, Hook::Forward, nat, accepted);
        let output_is_closed = !matches!(self.policy.defaults.output.verdict, Verdict::Allow);
        if forward.hairpin_self && output_is_closed {
            // The route was chosen before the translation, so the interface is still the old one's.
            let own = Set::all([conditions.set(), arrived]);
            self.accept(hooks, Hook::Output, nat, own);
        }
        // The conditions were met when the connection was translated.
        let hairpin = self.places(Side::Source, Interfaces::BOTH, &forward.hairpin);
        let masqueraded = Set::all([hairpin, there, translated, map.translated()]);
        self.postrouting_rule(nat, masqueraded, ruleset::Target::Masquerade);
    }

    /// The rules of PREROUTING, and of OUTPUT for `hairpin self`.
    fn destination_nat(
        &mut self,
        nat: &Nat,
        conditions: &Conditions,
        forward: &Forward,
        map: &PortMap,
        target: Target,
    ) {
        let entries = nat_entries(nat, map, dnat(target.address));
        let has = Interfaces { incoming: true, outgoing: false };
        let from = |places: &[Place]| self.places(Side::Source, has, places);
        let to = |except: &Addresses| self.public(&forward.at, except);
        let mut heads = vec![Set::all([from(&forward.source), to(&Addresses::empty())])];
        heads.extend(
            forward
                .hairpin
                .iter()
                .map(|place| Set::all([from(std::slice::from_ref(place)), to(&place.addresses)])),
        );
        let head = Set::all([conditions.set(), Set::any(heads)]);
        let places = forward.hairpin.iter().map(|place| &place.addresses);
        let meant = Addresses::union_all(places.chain([&loopback()]));
        let own = Set::all([conditions.set(), to(&meant)]);
        let mut rules = std::mem::take(&mut self.prerouting);
        let mut output = std::mem::take(&mut self.nat_output);
        let mut layout = self.nat_layout(nat.origin);
        translate(&mut layout, &mut rules, head, entries.clone());
        // A packet of this machine's own has no Ethernet source.
        if forward.hairpin_self && !conditions.ask_for_mac() {
            translate(&mut layout, &mut output, own, entries);
        }
        self.prerouting = rules;
        self.nat_output = output;
    }

    /// The packets to the public address: that of `at`, or any of this machine but `except`.
    pub(super) fn public(&self, at: &At, except: &Addresses) -> Set {
        match at {
            At::Addresses(at) => {
                address_set(Side::Destination, self.family, &at.intervals(self.family))
            }
            At::Local => {
                let others = Addresses::full().difference(except).intervals(self.family);
                Set::all([
                    address_set(Side::Destination, self.family, &others),
                    Set::one(vec![MatchKind::DestinationLocal.into()]),
                ])
            }
        }
    }
}

/// IPv4 always, IPv6 only where a public IPv6 address is named.
fn is_translated(family: Family, at: &At) -> bool {
    match (family, at) {
        (Family::V4, At::Local | At::Addresses(_)) => true,
        (Family::V6, At::Local) => false,
        (Family::V6, At::Addresses(at)) => !at.is_empty_in(Family::V6),
    }
}

/// Local, but no public address: what a process says to its own machine stays there.
fn loopback() -> Addresses {
    let v4 = Addresses::range(Family::V4, 0x7f00_0000, 0x7fff_ffff);
    v4.union(&Addresses::range(Family::V6, 1, 1))
}
