//! What a box of a space means, field by field, in the values of the fields themselves.

use std::sync::Arc;

use super::super::Field;
use super::axis::{Axis, Subject};
use super::domain::Domain;
use super::{Placed, Region, Space};
use crate::net::{Account, Interface, IntervalSet};

/// What one box asks of packets in one respect. What it does not ask is left out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asks {
    Numbers(Field, IntervalSet<u128>),
    /// Some interfaces: what these patterns mean, less what narrower ones of those that are not in it mean;
    /// others are all that have no name in the space. Patterns that are within one that is not in it are not
    /// in it either, if nothing says so.
    Names {
        field: Field,
        named: Vec<Interface>,
        not: Vec<Interface>,
        others: bool,
        none: bool,
    },
    /// The bits of a mark under a mask: any of these values, or any other value too.
    Mark {
        field: Field,
        mask: u32,
        values: Vec<u32>,
        others: bool,
    },
    Accounts {
        field: Field,
        named: Vec<Account>,
        others: bool,
    },
    /// A condition that a packet does not show holds, or does not.
    Fact {
        text: Arc<str>,
        holds: bool,
    },
}

/// Says what regions of a space mean, one after the other.
pub struct Teller<'s> {
    space: &'s Space,
    /// Of thousands of ports that are translated there are as many boxes of points that are no packets.
    impossible: Placed<'s>,
}

impl<'s> Teller<'s> {
    #[must_use]
    pub fn of(space: &'s Space) -> Self {
        Teller { space, impossible: Placed::of(space, &space.impossible) }
    }

    #[must_use]
    pub fn space(&self) -> &'s Space {
        self.space
    }

    /// What each box of a region asks. Only packets that can be are in it, so each is of protocols that have
    /// the same fields.
    #[must_use]
    pub fn told(&self, region: &Region) -> Vec<(Region, Vec<Asks>)> {
        let space = self.space;
        let packets = space.intersection(region, &space.possible);
        let packets = self.impossible.missed(&packets, usize::MAX).unwrap_or_default();
        let boxes = space.boxes(&packets);
        boxes.map(|one| (Region { words: one.to_vec() }, space.told_box(one))).collect()
    }
}

impl Space {
    fn told_box(&self, one: &[u64]) -> Vec<Asks> {
        // Of facts there may be thousands.
        let facts = self.layout.flags_apart(self.layout.full(), one);
        let told = self.layout.unflagged().chain(facts).filter_map(|number| {
            let values = self.layout.values(number, one);
            asks(&self.axes[number], &values)
        });
        let mut told: Vec<Asks> = told.collect();
        told.sort();
        told
    }
}

/// The patterns whose pieces some values do not have. Those within another need not be said, where all between
/// is not had either: what a pattern means follows it.
fn outermost(patterns: &[Interface], values: &[(u32, u32)]) -> Vec<Interface> {
    let mut not = Vec::new();
    let ends = values.iter().map(|(low, high)| (*low as usize, *high as usize + 1));
    let mut from = 0;
    for (to, behind) in ends.chain([(patterns.len(), 0)]) {
        let mut rest = patterns.get(from..to.min(patterns.len())).unwrap_or_default();
        while let Some((pattern, others)) = rest.split_first() {
            not.push(pattern.clone());
            rest = &others[others.partition_point(|other| pattern.covers(other))..];
        }
        from = behind;
    }
    not
}

fn asks(axis: &Axis, values: &[(u32, u32)]) -> Option<Asks> {
    let has = |value: u32| values.iter().any(|(low, high)| (*low..=*high).contains(&value));
    let (first, last) = axis.present();
    // They are runs in order, the value of what is absent behind all others.
    let present =
        values.iter().map(|(low, high)| (*high).min(last).saturating_add(1).saturating_sub(*low));
    let present: u32 = present.sum();
    if present == 0 || present == last + 1 - first {
        return None;
    }
    let pieces = |count: usize| -> Vec<bool> {
        (0..count).map(|piece| has(u32::try_from(piece).unwrap_or(u32::MAX))).collect()
    };
    match (&axis.subject, axis.domain()) {
        (Subject::Fact(text), _) => Some(Asks::Fact { text: Arc::clone(text), holds: has(1) }),
        (Subject::Field(field), Domain::Numbers(_)) => {
            let mut numbers = IntervalSet::from_intervals([]);
            for (low, high) in values.iter().filter(|(low, _)| *low <= last) {
                numbers = numbers.union(&axis.numbers_between(*low, (*high).min(last)));
            }
            Some(Asks::Numbers(*field, numbers))
        }
        (Subject::Field(field), Domain::Names(patterns)) => {
            let runs = values.iter().map(|(low, high)| *low as usize..=*high as usize);
            let named = runs.flat_map(|run| {
                patterns
                    .get(run.clone())
                    .unwrap_or_else(|| patterns.get(*run.start()..).unwrap_or_default())
            });
            let named: Vec<Interface> = named.cloned().collect();
            let [others, none] = [0, 1].map(|behind| has(last - 1 + behind));
            // Thousands that are not in it count only where it has more than names.
            let is_narrowed = others || named.iter().any(Interface::is_wildcard);
            let patterns = if is_narrowed { &patterns[..] } else { &[] };
            let not = outermost(patterns, values);
            Some(Asks::Names { field: *field, named, not, others, none })
        }
        (Subject::Field(field), Domain::Accounts(accounts)) => {
            let held = pieces(accounts.len() + 1);
            let named = accounts.iter().zip(&held).filter(|(_, held)| **held);
            let named = named.map(|(account, _)| account.clone()).collect();
            Some(Asks::Accounts { field: *field, named, others: held[accounts.len()] })
        }
        (Subject::Mark { field, mask }, Domain::Marks { values: known, .. }) => {
            let held = pieces(known.len() + 1);
            let named = known.iter().zip(&held).filter(|(_, held)| **held);
            let values = named.map(|(value, _)| *value).collect();
            Some(Asks::Mark { field: *field, mask: *mask, values, others: held[known.len()] })
        }
        (Subject::Field(_) | Subject::Mark { .. }, _) => None,
    }
}
