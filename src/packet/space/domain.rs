//! The values of one field as far as rules tell them apart.
//!
//! Rules that say `22`, `80-89` and `85` about a port see five kinds of it: 22, 80-84, 85, 86-89 and
//! the rest. A [`Domain`] numbers the pieces in the field's own order, so that an interval of
//! addresses or ports is an interval of pieces; IPv4 and IPv6 are alike from here on. Every value of
//! the field is in exactly one piece, and rules treat all values of a piece alike.

use std::sync::Arc;

use super::super::{InterfaceSet, Value};
use crate::net::{Account, Interface, IntervalSet};

/// The pieces of one field, in order.
#[derive(Debug, Clone)]
pub enum Domain {
    /// Runs of numbers.
    Numbers(Numbers),
    /// For each pattern what no narrower one means, then every other name, then "none".
    // INVARIANT: sorted by stem, a pattern before the name of the same stem: so the pieces that a
    // pattern means follow each other.
    Names(Box<[Interface]>),
    /// Each account that is named, then all others.
    Accounts(Box<[Account]>),
    /// The bits of `mask` of a mark: each value that is named, then all others, if there are any.
    Marks { mask: u32, values: Box<[u32]> },
    /// Whether a condition holds: no, yes.
    Fact,
}

/// Runs of numbers: piece *i* is those from `starts[i]` to below the next start, the last one up to
/// `highest`.
// INVARIANT: `starts` is sorted, each once, at least one; the length of `places` is a power of two.
#[derive(Debug, Clone)]
pub struct Numbers {
    starts: Box<[u128]>,
    highest: u128,
    /// Pieces, each at one of the [`Numbers::probes`] of its start unless all were taken; else
    /// [`FREE`].
    places: Box<[u32]>,
}

/// A place without a piece.
const FREE: u32 = u32::MAX;

/// Places where a piece may be. Nearly all find one; the others are searched for.
const PROBES: usize = 8;

/// Places cost memory: eight megabytes are enough for a million addresses.
const MOST_PLACES: usize = 1 << 21;

/// The lower half of a number.
const LOWER: u128 = 0xffff_ffff_ffff_ffff;

impl Numbers {
    fn new(highest: u128, starts: Vec<u128>) -> Self {
        let places = (2 * starts.len().next_power_of_two()).min(MOST_PLACES);
        let places = vec![FREE; places];
        let mut numbers = Numbers { starts: starts.into(), highest, places: places.into() };
        for (piece, start) in (0..).zip(&numbers.starts) {
            let mut probes = numbers.probes(*start);
            if let Some(free) = probes.find(|place| numbers.places[*place] == FREE) {
                numbers.places[free] = piece;
            }
        }
        numbers
    }

    /// Where the piece that starts with a number may be: a search among a million addresses would
    /// go through twenty places in memory.
    fn probes(&self, number: u128) -> impl Iterator<Item = usize> + use<> {
        // Multiplicative hashing (Knuth, "The Art of Computer Programming" 3, 6.4): the upper bits of
        // a product depend on all bits. Odd numbers without a pattern, from splitmix64.
        let lower = ((number & LOWER) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let upper = ((number >> 64) as u64).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let first = (lower ^ upper) >> (self.places.len().leading_zeros() + 1);
        let first = usize::try_from(first).unwrap_or(0);
        let mask = self.places.len() - 1;
        (first..).take(PROBES).map(move |place| place & mask)
    }

    /// The first piece that does not start before a number.
    fn at_or_after(&self, number: u128) -> usize {
        let pieces = self.probes(number).map(|place| self.places[place]);
        let mut pieces = pieces.take_while(|piece| *piece != FREE).map(|piece| piece as usize);
        pieces
            .find(|piece| self.starts[*piece] == number)
            .unwrap_or_else(|| self.starts.partition_point(|start| *start < number))
    }

    /// The pieces of an interval whose borders are known; `None` when it has none.
    fn within(&self, low: u128, high: u128) -> Option<(usize, usize)> {
        let first = self.at_or_after(low);
        let next = high.checked_add(1);
        let end = match (self.starts.get(first + 1), next) {
            // Most intervals of large sets are one piece: the start behind it is at hand.
            (Some(start), Some(next)) if *start == next => first + 1,
            (_, Some(next)) => self.at_or_after(next),
            (_, None) => self.starts.len(),
        };
        (first < end).then(|| (first, end - 1))
    }
}

impl Domain {
    /// Numbers from `lowest` to `highest` that are cut before each of the starts.
    #[must_use]
    pub fn numbers(lowest: u128, highest: u128, mut starts: Vec<u128>) -> Self {
        starts.push(lowest);
        sort(&mut starts, highest);
        starts.retain(|start| (lowest..=highest).contains(start));
        Domain::Numbers(Numbers::new(highest, starts))
    }

    /// How many pieces there are, at least 1.
    #[must_use]
    pub fn pieces(&self) -> usize {
        match self {
            Domain::Numbers(numbers) => numbers.starts.len(),
            Domain::Names(patterns) => patterns.len() + 2,
            Domain::Accounts(accounts) => accounts.len() + 1,
            Domain::Marks { mask, values } => {
                let all = 1u64.checked_shl(mask.count_ones()).unwrap_or(u64::MAX);
                values.len() + usize::from((values.len() as u64) < all)
            }
            Domain::Fact => 2,
        }
    }

    /// The pieces of an interval of numbers whose borders are known; `None` when it has none.
    #[must_use]
    pub fn of_numbers(&self, low: u128, high: u128) -> Option<(usize, usize)> {
        let Domain::Numbers(numbers) = self else { return None };
        numbers.within(low, high)
    }

    /// The pieces that an interval of numbers has a part of; `None` when it has none.
    #[must_use]
    pub fn touching(&self, low: u128, high: u128) -> Option<(usize, usize)> {
        let Domain::Numbers(numbers) = self else { return None };
        let first = numbers.starts.partition_point(|start| *start <= low).saturating_sub(1);
        let end = numbers.starts.partition_point(|start| *start <= high);
        (first < end && low <= numbers.highest).then(|| (first, end - 1))
    }

    /// The pieces that a pattern means, all names, or "none".
    #[must_use]
    pub fn of_pattern(&self, pattern: &Interface) -> Option<(usize, usize)> {
        let Domain::Names(patterns) = self else { return None };
        let first = patterns.partition_point(|one| name_key(one) < name_key(pattern));
        let meant = patterns[first..].iter().take_while(|one| pattern.covers(one)).count();
        (meant > 0).then(|| (first, first + meant - 1))
    }

    /// The pieces of a set of interfaces whose patterns are known, as runs.
    #[must_use]
    pub fn of_interfaces(&self, set: &InterfaceSet) -> Vec<(usize, usize)> {
        let Domain::Names(patterns) = self else { return Vec::new() };
        let none = Some(patterns.len() + 1).filter(|_| set.has_none()).map(|none| (none, none));
        let named = set.patterns().filter_map(|pattern| self.of_pattern(pattern));
        let all = set.has_all_names().then_some((0, patterns.len()));
        let runs = all.into_iter().chain(named);
        if set.except().next().is_none() {
            return runs.chain(none).collect();
        }
        let left_out = set.except().filter_map(|pattern| self.of_pattern(pattern));
        let left_out = IntervalSet::from_intervals(left_out);
        let left = IntervalSet::from_intervals(runs).difference(&left_out);
        left.intervals().iter().copied().chain(none).collect()
    }

    /// The piece of an account.
    #[must_use]
    pub fn of_account(&self, account: &Account) -> Option<(usize, usize)> {
        let Domain::Accounts(accounts) = self else { return None };
        accounts.binary_search(account).ok().map(|at| (at, at))
    }

    /// The piece of a mark's value.
    #[must_use]
    pub fn of_mark(&self, value: u32) -> Option<(usize, usize)> {
        let Domain::Marks { values, .. } = self else { return None };
        values.binary_search(&value).ok().map(|at| (at, at))
    }

    /// The piece that has what a packet has; `None` when it is of another kind.
    #[must_use]
    pub fn piece_of(&self, value: Value<'_>) -> Option<usize> {
        match (self, value) {
            (Domain::Numbers(numbers), Value::Number(number)) => {
                Some(numbers.starts.partition_point(|start| *start <= number).saturating_sub(1))
            }
            (Domain::Names(patterns), Value::Interface(None)) => Some(patterns.len() + 1),
            (Domain::Names(patterns), Value::Interface(Some(name))) => {
                Some(narrowest(patterns, name).unwrap_or(patterns.len()))
            }
            (Domain::Accounts(accounts), Value::Account(account)) => {
                Some(accounts.binary_search(account).unwrap_or(accounts.len()))
            }
            (Domain::Marks { mask, values }, Value::Number(mark)) => {
                let own = u32::try_from(mark).ok()? & mask;
                Some(values.binary_search(&own).unwrap_or(values.len()))
            }
            (
                Domain::Numbers(_)
                | Domain::Names(_)
                | Domain::Accounts(_)
                | Domain::Marks { .. }
                | Domain::Fact,
                _,
            ) => None,
        }
    }

    /// The numbers of a piece, first and last.
    #[must_use]
    pub fn numbers_of(&self, piece: usize) -> Option<(u128, u128)> {
        let Domain::Numbers(numbers) = self else { return None };
        let first = *numbers.starts.get(piece)?;
        let next = numbers.starts.get(piece + 1);
        Some((first, next.map_or(numbers.highest, |next| next - 1)))
    }

    /// A name of a piece; `None` when it is "none".
    #[must_use]
    pub fn name_of(&self, piece: usize) -> Option<Arc<str>> {
        let Domain::Names(patterns) = self else { return None };
        match patterns.get(piece) {
            Some(pattern) => Some(name_within(pattern, patterns)),
            None => (piece == patterns.len()).then(|| name_outside(patterns)),
        }
    }

    /// An account of a piece.
    #[must_use]
    pub fn account_of(&self, piece: usize) -> Option<Account> {
        let Domain::Accounts(accounts) = self else { return None };
        // Numbers that nobody names are there: there are more numbers than rules.
        let other = || (4_242..u32::MAX).map(Account::Number).find(|one| !accounts.contains(one));
        accounts.get(piece).cloned().or_else(other)
    }

    /// A mark of a piece: the bits of the mask only.
    #[must_use]
    pub fn mark_of(&self, piece: usize) -> u32 {
        let Domain::Marks { mask, values } = self else { return 0 };
        // Counting within the mask: the bits outside carry.
        let next = |value: &u32| Some((value | !mask).wrapping_add(1) & mask);
        let mut all = std::iter::successors(Some(0), next).take(values.len() + 1);
        let other = || all.find(|value| values.binary_search(value).is_err()).unwrap_or(0);
        values.get(piece).copied().unwrap_or_else(other)
    }
}

/// The place of the narrowest of some sorted patterns that means a name.
fn narrowest(patterns: &[Interface], name: &str) -> Option<usize> {
    let place = |key: (&str, bool)| patterns.binary_search_by(|one| name_key(one).cmp(&key)).ok();
    let mut stems = (0..=name.len()).rev().filter_map(|length| name.get(..length));
    place((name, true)).or_else(|| stems.find_map(|stem| place((stem, false))))
}

/// Sorts numbers up to `highest`, and leaves each once.
#[expect(
    clippy::stable_sort_primitive,
    reason = "this sort is quick where parts are sorted already"
)]
pub fn sort(numbers: &mut Vec<u128>, highest: u128) {
    // Numbers of half the length take half the time: all but the addresses of IPv6.
    if highest < u64::MAX.into() {
        let mut short: Vec<u64> =
            numbers.iter().map(|number| u64::try_from(*number).unwrap_or(u64::MAX)).collect();
        short.sort();
        short.dedup();
        numbers.clear();
        numbers.extend(short.into_iter().map(u128::from));
    } else {
        numbers.sort();
        numbers.dedup();
    }
}

/// How names are sorted: a pattern before what it means.
pub fn name_key(interface: &Interface) -> (&str, bool) {
    (interface.stem(), !interface.is_wildcard())
}

/// A name that a pattern means and no narrower one. (That narrower ones use up all names of at most
/// 15 bytes is not considered.)
fn name_within(pattern: &Interface, all: &[Interface]) -> Arc<str> {
    let stem = pattern.stem();
    if !pattern.is_wildcard() || !is_meant(stem, stem.len() + 1, all) {
        return stem.into();
    }
    let ends = (0..=999).map(|number| number.to_string());
    let letters = ('a'..='z').map(|letter| letter.to_string());
    let mut names = ends.chain(letters).map(|end| format!("{stem}{end}"));
    names.find(|name| !is_meant(name, stem.len() + 1, all)).map_or(stem.into(), Into::into)
}

/// A name that no pattern means.
fn name_outside(all: &[Interface]) -> Arc<str> {
    let letters = ('a'..='z').map(|letter| format!("{letter}ther0"));
    let names = std::iter::once("other0".to_owned()).chain(letters);
    let long = (0..10_000).map(|number| format!("net{number}"));
    let mut free = names.chain(long).filter(|name| !is_meant(name, 0, all));
    free.next().map_or("other0".into(), Into::into)
}

/// Whether one of the sorted patterns is a name, or what starts it and is at least so long.
fn is_meant(name: &str, least: usize, all: &[Interface]) -> bool {
    let has = |key| all.binary_search_by(|one| name_key(one).cmp(&key)).is_ok();
    let starts = (least..=name.len()).filter_map(|length| name.get(..length));
    has((name, true)) || starts.into_iter().any(|start| has((start, false)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(patterns: &[&str]) -> Domain {
        let mut patterns: Vec<Interface> =
            patterns.iter().map(|text| Interface::new(text).expect(text)).collect();
        patterns.sort_by(|a, b| name_key(a).cmp(&name_key(b)));
        Domain::Names(patterns.into())
    }

    #[test]
    fn numbers_are_cut_at_their_borders() {
        let domain = Domain::numbers(0, 65_535, vec![22, 23, 80, 90, 85, 86, 65_536]);
        assert_eq!(domain.pieces(), 7);
        assert_eq!(domain.of_numbers(80, 89), Some((3, 5)));
        assert_eq!(domain.of_numbers(0, 65_535), Some((0, 6)));
        assert_eq!(domain.of_numbers(90, 65_535), Some((6, 6)));
        assert_eq!(domain.numbers_of(2), Some((23, 79)));
        assert_eq!(domain.touching(81, 84), Some((3, 3)));
        assert_eq!(domain.touching(22, 85), Some((1, 4)));
        let above = Domain::numbers(1, 255, vec![1, 6, 7]);
        assert_eq!((above.of_numbers(0, 0), above.of_numbers(0, 6)), (None, Some((0, 1))));
        assert_eq!((above.touching(0, 0), above.touching(0, 3)), (None, Some((0, 0))));
        assert_eq!(above.touching(255, 255), Some((2, 2)));
    }

    #[test]
    fn every_border_is_found() {
        // Networks and hosts that differ in upper bits only, and in lower bits only.
        for step in [1 << 96, 1 << 64, 1 << 32, 1] {
            let starts: Vec<u128> = (1..=2_000).map(|number| number * step).collect();
            let domain = Domain::numbers(0, u128::MAX, starts.clone());
            let (starts, nexts) = (starts.iter(), starts[1..].iter());
            let pieces = starts.zip(nexts).map(|(start, next)| domain.of_numbers(*start, next - 1));
            assert!(pieces.eq((1..2_000).map(|piece| Some((piece, piece)))), "{step}");
        }
    }

    #[test]
    fn a_pattern_means_the_pieces_behind_it() {
        let domain = names(&["eth0", "eth0+", "eth+", "wg0", "et"]);
        let pieces = |text| domain.of_pattern(&Interface::new(text).expect("an interface"));
        // et, eth+, eth0+, eth0, wg0, others, none
        assert_eq!(pieces("eth+"), Some((1, 3)));
        assert_eq!(pieces("eth0+"), Some((2, 3)));
        assert_eq!(pieces("eth0"), Some((3, 3)));
        assert_eq!(pieces("et"), Some((0, 0)));
        assert_eq!(domain.pieces(), 7);
    }

    #[test]
    fn every_piece_has_a_name_of_its_own() {
        let domain = names(&["eth0", "eth0+", "eth+", "wg0", "o+"]);
        let Domain::Names(patterns) = &domain else { unreachable!() };
        for (piece, pattern) in patterns.iter().enumerate() {
            let name = domain.name_of(piece).expect("a name");
            let narrowest = patterns.iter().filter(|one| one.matches(&name));
            let narrowest = narrowest.max_by_key(|one| name_key(one)).expect("its own");
            assert_eq!((pattern.matches(&name), narrowest), (true, pattern), "{name}");
        }
        let other = domain.name_of(patterns.len()).expect("a name");
        assert!(!patterns.iter().any(|pattern| pattern.matches(&other)));
        assert_eq!(domain.name_of(patterns.len() + 1), None);
    }

    #[test]
    fn marks_have_a_rest_unless_all_are_named() {
        let marks = |mask, values: &[u32]| Domain::Marks { mask, values: values.into() };
        assert_eq!(marks(0x30, &[0x00, 0x10]).pieces(), 3);
        assert_eq!(marks(0x30, &[0x00, 0x10]).mark_of(2), 0x20);
        assert_eq!(marks(0x30, &[0x00, 0x10, 0x20, 0x30]).pieces(), 4);
        assert_eq!(marks(u32::MAX, &[0]).mark_of(1), 1);
    }
}
