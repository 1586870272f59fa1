//! Regions of packets for people: few boxes, in the policy's own names, each with a packet.
//!
//! In goes a region of a space, and the names that a policy has for addresses, interfaces and ports. Out come
//! boxes that have together exactly the packets of the region, in as few as merging finds. What all packets of
//! a question have in common need not be said: it is left out where the question says it (`given`).

mod names;

use std::collections::BTreeSet;

use super::work::Allowance;
use crate::net::{Family, Interface, IntervalSet};
use crate::packet::{Asks, Field, Packet, Region, Teller};

pub use names::Names;

/// So many boxes are merged; with more they are shown as they are.
const MOST_MERGED: usize = 600;

/// So many numbers and names of boxes are told, and held to those of others to merge them, of all regions;
/// then boxes are not merged any more, and who asks for many may leave them out.
pub const MOST_LOOKS: usize = 10_000_000;

/// A set of packets in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readable {
    pub family: Family,
    /// `tcp 22 (ssh)`
    pub what: String,
    /// `lan`; `None` where it is not asked.
    pub from: Option<String>,
    pub to: Option<String>,
    /// Other conditions: `source in banned-1h.v4`.
    pub more: Vec<String>,
    pub example: Packet,
}

impl Readable {
    /// `tcp 22 (ssh) from lan to 192.0.2.1`
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = self.what.clone();
        for (word, end) in [("from", &self.from), ("to", &self.to)] {
            if let Some(end) = end {
                text += &format!(" {word} {end}");
            }
        }
        for more in &self.more {
            text += &format!(", {more}");
        }
        text
    }
}

/// The packets of a region in few boxes. Fields that fit `given` are left out: the question says them.
#[must_use]
pub fn readable(
    teller: &Teller<'_>,
    region: &Region,
    names: &Names<'_>,
    given: impl Fn(Field) -> bool,
    looks: &Allowance,
) -> Vec<Readable> {
    let said = |asks: &Asks| !field_of(asks).is_some_and(&given);
    let (space, told) = (teller.space(), teller.told(region).into_iter());
    let mut boxes: Vec<(Region, Vec<Asks>)> = told
        .map(|(own, asks)| {
            let asks: Vec<Asks> = asks.into_iter().filter(|one| said(one)).collect();
            let mut plain = names.plain(&asks);
            plain.sort();
            (own, plain)
        })
        .collect();
    merge(&mut boxes, space.family(), looks);
    boxes.iter().filter_map(|(own, asks)| names.readable(space, own, asks)).collect()
}

fn field_of(asks: &Asks) -> Option<Field> {
    match asks {
        Asks::Numbers(field, _)
        | Asks::Names { field, .. }
        | Asks::Mark { field, .. }
        | Asks::Accounts { field, .. } => Some(*field),
        Asks::Fact { .. } => None,
    }
}

/// Joins boxes that differ in one respect only, until none do.
fn merge(boxes: &mut Vec<(Region, Vec<Asks>)>, family: Family, looks: &Allowance) {
    if boxes.len() > MOST_MERGED {
        _ = looks.spend(boxes.iter().map(|(_, asks)| size(asks)).sum());
        return;
    }
    let mut is_new = true;
    while is_new {
        is_new = false;
        let mut at = 0;
        while at < boxes.len() {
            if looks.spend(size(&boxes[at].1) * (boxes.len() - at)).is_none() {
                return;
            }
            let mut other = at + 1;
            while other < boxes.len() {
                if let Some(both) = joined(&boxes[at].1, &boxes[other].1, family) {
                    boxes[at].1 = both;
                    boxes.remove(other);
                    is_new = true;
                } else {
                    other += 1;
                }
            }
            at += 1;
        }
    }
}

/// How many numbers and names a box has.
fn size(one: &[Asks]) -> usize {
    let size = |asks: &Asks| match asks {
        Asks::Numbers(_, set) => set.intervals().len(),
        Asks::Names { named, not, .. } => named.len() + not.len(),
        Asks::Mark { .. } | Asks::Accounts { .. } | Asks::Fact { .. } => 1,
    };
    1 + one.iter().map(size).sum::<usize>()
}

/// What either asks, if one box can say it. Both are in order, as is what comes out: of conditions that
/// packets do not show there may be thousands.
fn joined(a: &[Asks], b: &[Asks], family: Family) -> Option<Vec<Asks>> {
    let only = |one: &[Asks], other: &[Asks]| -> Vec<Asks> {
        let own = one.iter().filter(|asks| other.binary_search(asks).is_err());
        own.take(2).cloned().collect()
    };
    let (left, right) = (only(a, b), only(b, a));
    let common = a.iter().filter(|asks| b.binary_search(asks).is_ok()).cloned();
    match (&left[..], &right[..]) {
        // The one has all that the other has.
        ([], _) | (_, []) => Some(common.collect()),
        ([left], [right]) => {
            let both = either(left, right, family)?;
            let mut all: Vec<Asks> = common.chain(both).collect();
            all.sort();
            Some(all)
        }
        _ => None,
    }
}

/// One of both; `Some(None)` when that is anything.
#[allow(clippy::option_option, reason = "nothing asked is not the absence of an answer")]
fn either(a: &Asks, b: &Asks, family: Family) -> Option<Option<Asks>> {
    match (a, b) {
        (Asks::Numbers(field, a), Asks::Numbers(other, b)) if field == other => {
            let both = a.union(b);
            let is_all = is_all(*field, &both, family);
            Some((!is_all).then_some(Asks::Numbers(*field, both)))
        }
        (
            Asks::Names { field, named, not, others, none },
            Asks::Names {
                field: other,
                named: more,
                not: and_not,
                others: and_others,
                none: and_none,
            },
        ) if field == other => {
            let all: BTreeSet<Interface> = named.iter().chain(more).cloned().collect();
            let not: BTreeSet<&Interface> = not.iter().chain(and_not).collect();
            let not = not.into_iter().filter(|one| !all.contains(*one)).cloned().collect();
            let (others, none) = (*others || *and_others, *none || *and_none);
            let named = all.into_iter().collect();
            let both = Asks::Names { field: *field, named, not, others, none };
            Some((!is_any_interface(&both)).then_some(both))
        }
        (Asks::Fact { text, holds }, Asks::Fact { text: other, holds: also })
            if text == other && holds != also =>
        {
            Some(None)
        }
        (
            Asks::Numbers(..)
            | Asks::Names { .. }
            | Asks::Mark { .. }
            | Asks::Accounts { .. }
            | Asks::Fact { .. },
            _,
        ) => None,
    }
}

/// Whether these are all numbers of a field.
fn is_all(field: Field, set: &IntervalSet<u128>, family: Family) -> bool {
    let lowest = u128::from(field == Field::Protocol);
    IntervalSet::range(lowest, field.highest(family)).is_subset(set)
}

/// Whether all interfaces are meant; lo, which leads to the machine itself, need not be.
fn is_any_interface(asks: &Asks) -> bool {
    match asks {
        Asks::Names { not, others, .. } => {
            *others && not.iter().all(|one| *one == Interface::loopback())
        }
        Asks::Numbers(..) | Asks::Mark { .. } | Asks::Accounts { .. } | Asks::Fact { .. } => false,
    }
}
