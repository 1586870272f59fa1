//! One axis of a space: a field, its pieces, and which of them count as one value.
//!
//! Pieces that every rule treats alike are one value of the axis: a list of a hundred addresses that
//! rules only use as a whole is one value, not a hundred and one. That is worth the work while the
//! values are few; beyond [`MOST_CLASSES`] each piece is a value, and sets are intervals.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::layout::{AxisShape, Held};
use super::super::{Field, Packet, Values};
use super::domain::Domain;
use crate::net::IntervalSet;

/// What an axis is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    Field(Field),
    /// Some bits of a mark. Rules look at none of them or at all.
    Mark {
        field: Field,
        mask: u32,
    },
    /// A condition that is known by its text.
    Fact(Arc<str>),
}

/// An axis, with the pieces of its field and the values that they count as.
#[derive(Debug, Clone)]
pub struct Axis {
    pub subject: Subject,
    domain: Domain,
    /// Whether there are packets without the field: one more piece, the last.
    absent: bool,
    /// The value of each piece; `None` when each piece is a value.
    classes: Option<Box<[u32]>>,
    shape: AxisShape,
}

/// Up to so many values, sets are held as bits if lists make that worth it: eight words.
const MOST_CLASSES: usize = 512;

/// What rules say about a field of numbers, to see which pieces are alike.
#[derive(Debug, Clone, Copy)]
pub struct Lists<'s> {
    /// Each set that occurs; `None` when there were too many to look at.
    pub distinct: Option<&'s BTreeSet<IntervalSet<u128>>>,
    /// How many sets there are, and intervals in them.
    pub sets: usize,
    pub intervals: usize,
}

impl Axis {
    /// An axis of a field of numbers.
    #[must_use]
    pub fn of_numbers(field: Field, domain: Domain, absent: bool, lists: Lists<'_>) -> Self {
        let pieces = domain.pieces() + usize::from(absent);
        let merged = lists.distinct.and_then(|distinct| classes(&domain, absent, distinct));
        let words = |values: usize| values.div_ceil(64);
        // A box for each interval of a list costs as many boxes; bits cost their words in every box.
        let worth = |values: usize| {
            words(values) == 1
                || lists.intervals > 2 * lists.sets
                    && words(values) * lists.sets <= 4 * lists.intervals
        };
        let subject = Subject::Field(field);
        match merged {
            Some((classes, values)) if values < pieces && worth(values) => {
                let shape = AxisShape { values: count(values), held: Held::Bits };
                Axis { subject, domain, absent, classes: Some(classes), shape }
            }
            Some(_) if pieces <= MOST_CLASSES && worth(pieces) => {
                Self::each_piece(subject, domain, absent, Held::Bits)
            }
            Some(_) | None => Self::plain(subject, domain, absent),
        }
    }

    /// An axis where each piece is a value.
    #[must_use]
    pub fn plain(subject: Subject, domain: Domain, absent: bool) -> Self {
        let few = domain.pieces() + usize::from(absent) <= 64;
        Self::each_piece(subject, domain, absent, if few { Held::Bits } else { Held::Interval })
    }

    /// An axis of a condition that is known by its text: 0 where it fails, 1 where it holds.
    #[must_use]
    pub fn of_fact(text: Arc<str>) -> Self {
        Self::each_piece(Subject::Fact(text), Domain::Fact, false, Held::Flag)
    }

    fn each_piece(subject: Subject, domain: Domain, absent: bool, held: Held) -> Self {
        let values = count(domain.pieces() + usize::from(absent));
        Axis { subject, domain, absent, classes: None, shape: AxisShape { values, held } }
    }

    #[must_use]
    pub fn shape(&self) -> AxisShape {
        self.shape
    }

    #[must_use]
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// The values of packets that do not have the field.
    #[must_use]
    pub fn absent(&self) -> Option<(u32, u32)> {
        self.absent.then(|| (self.shape.values - 1, self.shape.values - 1))
    }

    /// The values of packets that have the field; the lowest and highest of them.
    #[must_use]
    pub fn present(&self) -> (u32, u32) {
        (0, self.shape.values - 1 - u32::from(self.absent))
    }

    /// The lowest piece of a value; `None` for packets that do not have the field.
    #[must_use]
    pub fn piece(&self, value: u32) -> Option<usize> {
        let value_of = |piece: &usize| self.value(*piece) == value;
        match &self.classes {
            None => Some(value as usize).filter(|piece| *piece < self.domain.pieces()),
            Some(_) => (0..self.domain.pieces()).find(value_of),
        }
    }

    /// The numbers of a value.
    #[must_use]
    pub fn numbers_of(&self, value: u32) -> IntervalSet<u128> {
        let pieces = match &self.classes {
            None => value as usize..value as usize + 1,
            Some(_) => 0..self.domain.pieces(),
        };
        let own = pieces.filter(|piece| self.value(*piece) == value);
        IntervalSet::from_intervals(own.filter_map(|piece| self.domain.numbers_of(piece)))
    }

    /// The numbers of some values that follow each other.
    #[must_use]
    pub fn numbers_between(&self, first: u32, last: u32) -> IntervalSet<u128> {
        if self.classes.is_some() {
            let all = (first..=last).map(|value| self.numbers_of(value));
            let intervals: Vec<(u128, u128)> =
                all.flat_map(|set| set.intervals().to_vec()).collect();
            return IntervalSet::from_intervals(intervals);
        }
        let low = self.domain.numbers_of(first as usize);
        let high = self.domain.numbers_of(last as usize);
        let both = low.zip(high).map(|((low, _), (_, high))| (low, high));
        IntervalSet::from_intervals(both)
    }

    /// The values of a set of numbers, as sorted disjoint intervals.
    #[must_use]
    pub fn of_numbers_set(&self, set: &IntervalSet<u128>) -> Vec<(u32, u32)> {
        let intervals = set.intervals().iter();
        self.values(intervals.filter_map(|(low, high)| self.domain.of_numbers(*low, *high)))
    }

    /// The values of a set of the field that is one interval of values, without further ado.
    #[must_use]
    pub fn of_one(&self, values: &Values) -> Option<(u32, u32)> {
        let Values::Numbers(set) = values else { return None };
        let [(low, high)] = set.intervals() else { return None };
        let (first, last) = self.domain.of_numbers(*low, *high)?;
        let (low, high) = (self.value(first), self.value(last));
        (self.classes.is_none() || first == last).then_some((low, high))
    }

    /// The values of a set of the field, as sorted disjoint intervals.
    #[must_use]
    pub fn of(&self, values: &Values) -> Vec<(u32, u32)> {
        match values {
            Values::Numbers(set) => self.of_numbers_set(set),
            Values::Bits(bits) => self.of_numbers_set(&numbers_of_bits(*bits)),
            Values::Interfaces(set) => self.values(self.domain.of_interfaces(set).into_iter()),
            Values::Accounts(accounts) => {
                self.values(accounts.iter().filter_map(|account| self.domain.of_account(account)))
            }
            Values::Mark(mark) => match self.subject {
                Subject::Mark { mask, .. } => {
                    self.values(self.domain.of_mark(mark.value() & mask).into_iter())
                }
                Subject::Field(_) | Subject::Fact(_) => Vec::new(),
            },
            Values::Opaque(wanted) => match &self.subject {
                Subject::Fact(text) if wanted.holding().contains(text) => vec![(1, 1)],
                Subject::Fact(text) if wanted.failing().contains(text) => vec![(0, 0)],
                Subject::Fact(_) | Subject::Field(_) | Subject::Mark { .. } => Vec::new(),
            },
        }
    }

    /// The values that a set of the field has a part of: it may be of numbers that no set tells apart.
    #[must_use]
    pub fn touching(&self, values: &Values) -> Vec<(u32, u32)> {
        let of = |set: &IntervalSet<u128>| {
            let intervals = set.intervals().iter();
            self.values(intervals.filter_map(|(low, high)| self.domain.touching(*low, *high)))
        };
        match values {
            Values::Numbers(set) => of(set),
            Values::Bits(bits) => of(&numbers_of_bits(*bits)),
            Values::Interfaces(_) | Values::Accounts(_) | Values::Mark(_) | Values::Opaque(_) => {
                self.of(values)
            }
        }
    }

    /// The value that a packet has.
    #[must_use]
    pub fn of_packet(&self, packet: &Packet) -> u32 {
        let (Subject::Field(field) | Subject::Mark { field, .. }) = &self.subject else {
            let Subject::Fact(text) = &self.subject else { return 0 };
            return packet.opaque.contains(text).into();
        };
        match field.of(packet).and_then(|value| self.domain.piece_of(value)) {
            Some(piece) => self.value(piece),
            None => self.shape.values - 1,
        }
    }

    fn value(&self, piece: usize) -> u32 {
        self.classes.as_ref().map_or(count(piece), |classes| classes[piece])
    }

    /// The values of runs of pieces.
    fn values(&self, runs: impl Iterator<Item = (usize, usize)>) -> Vec<(u32, u32)> {
        let mut values: Vec<(u32, u32)> = match &self.classes {
            None => runs.map(|(first, last)| (count(first), count(last))).collect(),
            Some(classes) => {
                let values: BTreeSet<u32> =
                    runs.flat_map(|(first, last)| classes[first..=last].iter().copied()).collect();
                values.into_iter().map(|value| (value, value)).collect()
            }
        };
        if values.len() > 1 {
            values.sort_unstable();
            values.dedup_by(|next, kept| {
                let touching = next.0 <= kept.1.saturating_add(1);
                if touching {
                    kept.1 = kept.1.max(next.1);
                }
                touching
            });
        }
        values
    }
}

/// The numbers whose bits are set.
pub fn numbers_of_bits(bits: u64) -> IntervalSet<u128> {
    let set = (0..64u32).filter(|bit| bits >> bit & 1 == 1);
    IntervalSet::from_intervals(set.map(|bit| (bit.into(), bit.into())))
}

/// The value of each piece when pieces that are in the same sets are one value, and how many values
/// there are; `None` when they are too many.
///
/// Exact partition refinement: each set divides every value that it has only a part of. Values are
/// numbered by their lowest piece.
fn classes(
    domain: &Domain,
    absent: bool,
    distinct: &BTreeSet<IntervalSet<u128>>,
) -> Option<(Box<[u32]>, usize)> {
    let mut class = vec![0usize; domain.pieces()];
    let mut sizes = vec![class.len()];
    for set in distinct {
        let runs = set.intervals().iter().filter_map(|(low, high)| domain.of_numbers(*low, *high));
        let mut touched = vec![0usize; sizes.len()];
        let runs: Vec<(usize, usize)> = runs.collect();
        for (first, last) in &runs {
            class[*first..=*last].iter().for_each(|class| touched[*class] += 1);
        }
        let mut moved: Vec<Option<usize>> = vec![None; touched.len()];
        for (old, inside) in touched.into_iter().enumerate() {
            if inside > 0 && inside < sizes[old] {
                moved[old] = Some(sizes.len());
                sizes[old] -= inside;
                sizes.push(inside);
            }
        }
        if sizes.len() > MOST_CLASSES {
            return None;
        }
        for (first, last) in runs {
            for class in &mut class[first..=last] {
                *class = moved[*class].unwrap_or(*class);
            }
        }
    }
    let mut numbers: Vec<Option<u32>> = vec![None; sizes.len()];
    let mut values = 0;
    let mut number = |class: usize| {
        *numbers[class].get_or_insert_with(|| {
            values += 1;
            values - 1
        })
    };
    let mut classes: Vec<u32> = class.into_iter().map(&mut number).collect();
    if absent {
        classes.push(values);
        values += 1;
    }
    Some((classes.into(), values as usize))
}

/// A number of pieces. There are fewer than 2³¹: each takes more than two bytes of memory.
fn count(pieces: usize) -> u32 {
    u32::try_from(pieces).unwrap_or(u32::MAX)
}
