//! What is in a set once rules filled it, as facts that cannot go together with others.
//!
//! A packet's source is in a set at the end if it was before, or if a rule took it up; its destination
//! also if it is in the network of the source that a rule took up. So whatever two sides fill and ask, in
//! whatever order, what they ask is known from the facts as they were at first. Each side has words of
//! its own for what it asks later ([`Renewal`]).

use std::sync::Arc;

use super::items::Items;
use crate::analyze::flat::{Flat, Renewal};
use crate::net::{Addresses, Family};
use crate::packet::opaque::SetSide;
use crate::packet::{Constraint, Factor, Packet, PacketSet, Product, Region, Space};

/// The right side with words for facts that the left side does not have.
pub(super) fn apart(mut flat: Flat<'_>) -> Flat<'_> {
    if flat.renewals.is_empty() {
        return flat;
    }
    let own: Vec<Arc<str>> = flat.renewals.iter().map(|one| Arc::clone(&one.after)).collect();
    let words = |text: &Arc<str>| -> Arc<str> {
        if own.contains(text) { format!("{text}, right").into() } else { Arc::clone(text) }
    };
    for step in &mut flat.steps {
        let asks = step.may.facts().any(|text| own.contains(text));
        if asks {
            step.may = std::borrow::Cow::Owned(step.may.with_facts(words));
        }
    }
    for renewal in &mut flat.renewals {
        renewal.before = words(&renewal.before);
        renewal.after = words(&renewal.after);
    }
    flat
}

/// The facts about sets that rules fill, of both sides.
pub(super) struct Filled {
    renewals: [Vec<Renewal>; 2],
    sets: Vec<PacketSet>,
}

/// How many sets there are for each renewal: what it asked before and after, that both ends are in one
/// network, and which sources are never taken up.
const SETS: usize = 4;

impl Filled {
    pub fn of(flats: [&Flat<'_>; 2]) -> Self {
        let renewals = flats.map(|flat| flat.renewals.clone());
        let family = flats[0].family;
        let sets = renewals.iter().flatten().flat_map(|one| sets(family, one)).collect();
        Filled { renewals, sets }
    }

    /// The sets that the space must know.
    pub fn sets(&self) -> impl Iterator<Item = &PacketSet> {
        self.sets.iter()
    }

    /// Says of points that no packet has them. `facts` are the sets as regions.
    pub fn rule_out(&self, space: &mut Space, facts: &[Region], items: [&Items; 2]) {
        let renewals = self.renewals.iter().zip(items);
        let renewals = renewals.flat_map(|(all, items)| all.iter().map(move |one| (one, items)));
        let mut everything = Region::default();
        everything.push(space.layout().full());
        let mut impossible = Vec::new();
        for ((renewal, items), facts) in renewals.zip(facts.chunks_exact(SETS)) {
            let [before, after, near, never] = facts else { continue };
            let steps = renewal.steps.iter().filter_map(|step| items.adding.get(step));
            let mut taken = steps.fold(Region::default(), |all, one| space.union(&all, one));
            if renewal.fact.side == SetSide::Destination {
                taken = space.intersection(&taken, near);
            }
            taken = space.difference(&taken, never);
            let not_after = space.difference(&everything, after);
            let kept = space.difference(&space.difference(after, before), &taken);
            impossible.extend([
                space.intersection(before, &not_after),
                space.intersection(&taken, &not_after),
                kept,
            ]);
        }
        for region in &impossible {
            space.rule_out(region);
        }
    }

    /// A packet without the words of here.
    pub fn without_words(&self, mut packet: Packet) -> Packet {
        let own = |text: &Arc<str>| {
            self.renewals.iter().flatten().any(|one| one.after == *text) || text.starts_with(NEAR)
        };
        packet.opaque.retain(|text| !own(text));
        packet
    }
}

const NEAR: &str = "destination in the network of the source, /";

fn sets(family: Family, renewal: &Renewal) -> [PacketSet; SETS] {
    let of = |constraint| PacketSet::of(family, Product::of([Factor::all([constraint])]));
    let length = renewal.fact.length;
    let near = format!("{NEAR}{length}");
    // The network that is all zeros (`ip_set_hash_ip.c`).
    let host_bits = u32::from(family.bits().saturating_sub(length));
    let highest = 1u128.checked_shl(host_bits).map_or(u128::MAX, |size| size - 1);
    let zeros = Addresses::range(family, 0, highest);
    [
        of(Constraint::opaque(Arc::clone(&renewal.before), true)),
        of(Constraint::opaque(Arc::clone(&renewal.after), true)),
        of(Constraint::opaque(near.into(), true)),
        of(Constraint::source(family, &zeros)),
    ]
}
