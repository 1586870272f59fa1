//! Places of a policy → matches on interfaces, addresses and sets.

use std::collections::BTreeMap;

use crate::net::{Interface, IntervalSet, interface};
use crate::resolve::policy::{Member, Place};
use crate::ruleset::MatchKind;

use super::Lowering;
use super::address::{Side, address_set};
use super::set::Set;
use super::sets::members;

/// Which interfaces a packet has where a rule stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Interfaces {
    pub(super) incoming: bool,
    pub(super) outgoing: bool,
}

impl Interfaces {
    pub(super) const BOTH: Interfaces = Interfaces { incoming: true, outgoing: true };

    fn on(self, side: Side) -> bool {
        match side {
            Side::Source => self.incoming,
            Side::Destination => self.outgoing,
        }
    }
}

type Names<'a> = Option<Vec<&'a Interface>>;
type Intervals = Vec<(u128, u128)>;

impl Lowering<'_> {
    /// The packets that come from (go to) any of the places.
    ///
    /// A place that is empty in the family is nowhere there. So is one behind an interface where
    /// packets have none on that side.
    pub(super) fn places(&self, side: Side, has: Interfaces, places: &[Place]) -> Set {
        let family = self.family;
        if let [place] = places {
            // By far the most frequent case, and the others end there too.
            return self.one_place(side, has, place);
        }
        let mut by_interfaces: BTreeMap<(Names<'_>, &[Member]), Intervals> = BTreeMap::new();
        for place in places {
            if place.addresses.is_empty_in(family) || (place.interfaces.is_some() && !has.on(side))
            {
                continue;
            }
            if place.is_anywhere_in(family) {
                return Set::always();
            }
            let names = place.interfaces.as_deref().map(widest);
            let intervals = by_interfaces.entry((names, &place.sets)).or_default();
            intervals.extend(place.addresses.intervals(family));
        }
        let mut by_addresses: BTreeMap<(Intervals, &[Member]), Names<'_>> = BTreeMap::new();
        for ((names, sets), intervals) in by_interfaces {
            let intervals = IntervalSet::from_intervals(intervals).intervals().to_vec();
            match by_addresses.entry((intervals, sets)) {
                std::collections::btree_map::Entry::Vacant(free) => {
                    free.insert(names);
                }
                std::collections::btree_map::Entry::Occupied(mut taken) => {
                    let both = taken.get_mut();
                    *both = both.take().zip(names).map(|(a, b)| widest(a.into_iter().chain(b)));
                }
            }
        }
        Set::any(by_addresses.into_iter().map(|((intervals, sets), names)| {
            Set::all([
                names.map_or_else(Set::always, |names| interface_set(side, &names)),
                address_set(side, family, &intervals),
                Set::one(members(side, &self.sets, sets)),
            ])
        }))
    }

    fn one_place(&self, side: Side, has: Interfaces, place: &Place) -> Set {
        let family = self.family;
        if place.addresses.is_empty_in(family) || (place.interfaces.is_some() && !has.on(side)) {
            return Set::never();
        }
        if place.is_anywhere_in(family) {
            return Set::always();
        }
        Set::all([
            any_interface(side, place.interfaces.as_deref()),
            address_set(side, family, &place.addresses.intervals(family)),
            Set::one(members(side, &self.sets, &place.sets)),
        ])
    }
}

/// The packets that come in (go out) on any of these interfaces; `None` asks for nothing.
pub(super) fn any_interface(side: Side, interfaces: Option<&[Interface]>) -> Set {
    interfaces.map_or_else(Set::always, |names| interface_set(side, &widest(names)))
}

fn interface_set(side: Side, names: &[&Interface]) -> Set {
    let one = |name: &&Interface| {
        let kind = match side {
            Side::Source => MatchKind::In((*name).clone()),
            Side::Destination => MatchKind::Out((*name).clone()),
        };
        vec![kind.into()]
    };
    Set::Alternatives(names.iter().map(one).collect())
}

/// Sorted, without those that others cover: what is left is disjoint.
pub(super) fn widest<'a>(names: impl IntoIterator<Item = &'a Interface>) -> Vec<&'a Interface> {
    let mut sorted: Vec<&Interface> = names.into_iter().collect();
    sorted.sort_unstable();
    interface::widest(&sorted)
}
