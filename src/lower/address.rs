//! Intervals of addresses → matches, in as few kernel rules as there can be.
//!
//! A rule has one `-s` but any number of range matches, each of which can be negated. So intervals
//! that fill a prefix up to some holes are one rule: the prefix, and not the holes.

use crate::net::address::from_number;
use crate::net::{Family, IntervalSet, Prefix};
use crate::ruleset::{Match, MatchKind};

use super::set::{Alternative, Set};

/// Which address of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Source,
    Destination,
}

/// The most holes that one rule names: they must fit iptables' 251 words a line, and be read.
const MAX_HOLES: usize = 8;

/// The same within a prefix, which few people write so: `10.0.0.0/24 except 10.0.0.66`.
const MAX_HOLES_IN_PREFIX: usize = 2;

type Interval = (u128, u128);

/// The packets whose address on `side` is in one of the inclusive `intervals`.
// `intervals` must be sorted, disjoint and not adjacent, as those of an `IntervalSet` are.
pub(super) fn address_set(side: Side, family: Family, intervals: &[Interval]) -> Set {
    let term = Term { side, family };
    if let [only] = intervals
        && let Some(prefix) = term.prefix(*only)
    {
        let everything = prefix.length() == 0;
        return if everything { Set::always() } else { Set::one(term.interval(*only, false)) };
    }
    let holes = term.complement(intervals);
    if intervals.is_empty() {
        return Set::never();
    }
    if let [hole] = holes[..]
        && term.prefix(hole).is_some()
    {
        return Set::one(term.everything_but(&holes));
    }
    let alternatives = term.group(intervals);
    let few = holes.len() <= intervals.len().min(MAX_HOLES);
    if alternatives.len() > 1 && few && size(&holes) <= size(intervals) {
        return Set::one(term.everything_but(&holes));
    }
    Set::Alternatives(alternatives)
}

/// The packets whose address on `side` is this one.
pub(super) fn single_address(side: Side, address: std::net::IpAddr) -> Alternative {
    let number = crate::net::address::to_number(address);
    Term { side, family: Family::of(address) }.interval((number, number), false)
}

/// The fewest prefixes that are together one set of intervals.
pub(super) fn prefixes(family: Family, intervals: &[Interval]) -> Vec<Prefix> {
    let covering = |&(low, high): &Interval| Prefix::covering(family, low, high);
    intervals.iter().flat_map(covering).collect()
}

/// What lies between intervals.
fn gaps(intervals: &[Interval]) -> Vec<Interval> {
    intervals.windows(2).map(|pair| (pair[0].1 + 1, pair[1].0 - 1)).collect()
}

/// How much intervals hold, one less each so that everything has a size too. A rule names holes only
/// where they are the smaller part: a list of networks is read as such, not as what it leaves out.
fn size(intervals: &[Interval]) -> u128 {
    intervals.iter().map(|(low, high)| high - low).sum()
}

/// Makes matches for one address of packets of one family.
#[derive(Clone, Copy)]
struct Term {
    side: Side,
    family: Family,
}

impl Term {
    /// What is left of the family's addresses.
    fn complement(self, intervals: &[Interval]) -> Vec<Interval> {
        let set = IntervalSet::from_intervals(intervals.iter().copied());
        let all = match self.family {
            Family::V4 => IntervalSet::range(0, u128::from(u32::MAX)),
            Family::V6 => IntervalSet::full(),
        };
        all.difference(&set).intervals().to_vec()
    }

    fn prefix(self, (low, high): Interval) -> Option<Prefix> {
        Prefix::spanning(self.family, low, high)
    }

    /// One alternative for each longest run of intervals that fills a prefix up to its holes, or for
    /// each interval that is in no such run.
    fn group(self, intervals: &[Interval]) -> Vec<Alternative> {
        let mut alternatives = Vec::new();
        let mut rest = intervals;
        while let Some(&first) = rest.first() {
            let longest = rest.len().min(MAX_HOLES_IN_PREFIX + 1);
            let run = (2..=longest).rev().find_map(|length| {
                let prefix = self.prefix((first.0, rest[length - 1].1))?;
                let run = &rest[..length];
                (size(&gaps(run)) <= size(run)).then_some((length, prefix))
            });
            let Some((length, prefix)) = run else {
                alternatives.push(self.interval(first, false));
                rest = &rest[1..];
                continue;
            };
            let mut alternative = self.interval(prefix.bounds(), false);
            alternative.extend(gaps(&rest[..length]).into_iter().map(|gap| self.range(gap, true)));
            alternatives.push(alternative);
            rest = &rest[length..];
        }
        alternatives
    }

    /// Not in any hole: the first prefix among them as `! -s`, the others as ranges.
    fn everything_but(self, holes: &[Interval]) -> Alternative {
        let prefix = holes.iter().position(|hole| self.prefix(*hole).is_some());
        let mut alternative = Alternative::new();
        for (index, hole) in holes.iter().enumerate() {
            if prefix == Some(index) {
                alternative.extend(self.interval(*hole, true));
            } else {
                alternative.push(self.range(*hole, true));
            }
        }
        alternative
    }

    fn interval(self, interval: Interval, negated: bool) -> Alternative {
        let Some(prefix) = self.prefix(interval) else {
            return vec![self.range(interval, negated)];
        };
        let kind = match self.side {
            Side::Source => MatchKind::Source(prefix),
            Side::Destination => MatchKind::Destination(prefix),
        };
        vec![Match { negated, kind }]
    }

    fn range(self, (low, high): Interval, negated: bool) -> Match {
        let (low, high) = (from_number(self.family, low), from_number(self.family, high));
        let kind = match self.side {
            Side::Source => MatchKind::SourceRange(low, high),
            Side::Destination => MatchKind::DestinationRange(low, high),
        };
        Match { negated, kind }
    }
}
