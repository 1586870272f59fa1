//! Sets of integers as sorted lists of disjoint intervals.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// An integer domain: its ends and the step to the neighbours.
pub trait Bounded: Copy + Ord + 'static {
    const MIN: Self;
    const MAX: Self;
    /// The whole domain as the one interval that it is.
    const FULL: &'static [(Self, Self)];
    /// The next value, or `None` at [`Self::MAX`].
    fn next(self) -> Option<Self>;
    /// The value before, or `None` at [`Self::MIN`].
    fn previous(self) -> Option<Self>;
}

macro_rules! bounded {
    ($($int:ty),*) => {$(
        impl Bounded for $int {
            const MIN: Self = <$int>::MIN;
            const MAX: Self = <$int>::MAX;
            const FULL: &'static [(Self, Self)] = &[(<$int>::MIN, <$int>::MAX)];
            fn next(self) -> Option<Self> {
                self.checked_add(1)
            }
            fn previous(self) -> Option<Self> {
                self.checked_sub(1)
            }
        }
    )*};
}

bounded!(u8, u16, u32, u64, usize, u128);

/// A set of integers. A copy is cheap: most sets of a policy are nothing or everything, and a long
/// list is there once, however many rules name it.
#[derive(Clone)]
pub struct IntervalSet<T> {
    members: Members<T>,
}

// INVARIANT: intervals are inclusive, sorted, disjoint and never adjacent, so equal sets have equal
// intervals.
#[derive(Clone)]
enum Members<T> {
    None,
    All,
    Some(Arc<[(T, T)]>),
}

impl<T: Bounded> IntervalSet<T> {
    /// The empty set.
    #[must_use]
    pub const fn empty() -> Self {
        IntervalSet { members: Members::None }
    }

    /// Every value of the domain.
    #[must_use]
    pub const fn full() -> Self {
        IntervalSet { members: Members::All }
    }

    /// The set of intervals that keep the invariant.
    fn of(intervals: &[(T, T)]) -> Self {
        let members = match intervals {
            [] => Members::None,
            [(low, high)] if *low == T::MIN && *high == T::MAX => Members::All,
            some => Members::Some(some.into()),
        };
        IntervalSet { members }
    }

    /// One value.
    #[must_use]
    pub fn single(value: T) -> Self {
        Self::range(value, value)
    }

    /// `low..=high`; the empty set when `low > high`.
    #[must_use]
    pub fn range(low: T, high: T) -> Self {
        if low > high { Self::empty() } else { Self::of(&[(low, high)]) }
    }

    /// The union of inclusive intervals in any order, overlapping or not; reversed ones are empty.
    pub fn from_intervals(intervals: impl IntoIterator<Item = (T, T)>) -> Self {
        let mut sorted: Vec<(T, T)> =
            intervals.into_iter().filter(|(low, high)| low <= high).collect();
        sorted.sort_unstable();
        Self::of_sorted(sorted)
    }

    /// The same of intervals in order, none of which is reversed.
    fn of_sorted(sorted: Vec<(T, T)>) -> Self {
        let mut merged: Vec<(T, T)> = Vec::with_capacity(sorted.len());
        for (low, high) in sorted {
            match merged.last_mut() {
                Some(last) if last.1.next().is_none_or(|after| low <= after) => {
                    last.1 = last.1.max(high);
                }
                _ => merged.push((low, high)),
            }
        }
        Self::of(&merged)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self.members, Members::None)
    }

    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self.members, Members::All)
    }

    /// The inclusive intervals, in order.
    #[must_use]
    pub fn intervals(&self) -> &[(T, T)] {
        match &self.members {
            Members::None => &[],
            Members::All => T::FULL,
            Members::Some(intervals) => intervals,
        }
    }

    /// The only value, when there is exactly one.
    #[must_use]
    pub fn only(&self) -> Option<T> {
        match *self.intervals() {
            [(low, high)] if low == high => Some(low),
            _ => None,
        }
    }

    #[must_use]
    pub fn contains(&self, value: T) -> bool {
        self.has_within(value, value)
    }

    /// Whether `low..=high` is within one interval.
    fn has_within(&self, low: T, high: T) -> bool {
        let intervals = self.intervals();
        let after = intervals.partition_point(|(start, _)| *start <= low);
        after > 0 && high <= intervals[after - 1].1
    }

    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        match (&self.members, &other.members) {
            (Members::None, _) | (_, Members::All) => other.clone(),
            (_, Members::None) | (Members::All, _) => self.clone(),
            (Members::Some(ours), Members::Some(theirs)) => match **theirs {
                // One more value of a long list, said before.
                [(low, high)] if self.has_within(low, high) => self.clone(),
                [(low, high)] => self.with(low, high),
                _ => {
                    // A stable sort takes two lists that are in order as they are.
                    let mut both = [&ours[..], &theirs[..]].concat();
                    both.sort();
                    Self::of_sorted(both)
                }
            },
        }
    }

    /// With `low..=high`, in its place: a long list needs no sorting for one more.
    fn with(&self, low: T, high: T) -> Self {
        let ours = self.intervals();
        let before = |(_, end): &(T, T)| end.next().is_some_and(|after| after < low);
        let start = ours.partition_point(before);
        let meets = |(start, _): &(T, T)| high.next().is_none_or(|after| *start <= after);
        let end = ours.partition_point(meets);
        let (first, last) = match &ours[start..end] {
            [] => (low, high),
            [first, .., last] => (low.min(first.0), high.max(last.1)),
            [one] => (low.min(one.0), high.max(one.1)),
        };
        Self::of(&[&ours[..start], &[(first, last)], &ours[end..]].concat())
    }

    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let (ours, theirs) = match (&self.members, &other.members) {
            (Members::All, _) | (_, Members::None) => return other.clone(),
            (_, Members::All) | (Members::None, _) => return self.clone(),
            (Members::Some(ours), Members::Some(theirs)) => (ours, theirs),
        };
        // Of a long list and one interval, all but a few are passed over at once.
        let mut a = ours.partition_point(|(_, high)| *high < theirs[0].0);
        let mut b = theirs.partition_point(|(_, high)| *high < ours[0].0);
        let mut intervals = Vec::new();
        while let (Some(x), Some(y)) = (ours.get(a), theirs.get(b)) {
            let (low, high) = (x.0.max(y.0), x.1.min(y.1));
            if low <= high {
                intervals.push((low, high));
            }
            if x.1 < y.1 { a += 1 } else { b += 1 }
        }
        Self::of(&intervals)
    }

    /// Every value of the domain that is not in the set.
    #[must_use]
    pub fn complement(&self) -> Self {
        let mut intervals = Vec::with_capacity(self.intervals().len() + 1);
        let mut from = Some(T::MIN);
        for (low, high) in self.intervals() {
            if let (Some(start), Some(end)) = (from, low.previous())
                && start <= end
            {
                intervals.push((start, end));
            }
            from = high.next();
        }
        if let Some(start) = from {
            intervals.push((start, T::MAX));
        }
        Self::of(&intervals)
    }

    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        if other.is_empty() { self.clone() } else { self.intersection(&other.complement()) }
    }

    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.difference(other).is_empty()
    }
}

impl<T: Bounded> PartialEq for IntervalSet<T> {
    fn eq(&self, other: &Self) -> bool {
        match (&self.members, &other.members) {
            (Members::None, Members::None) | (Members::All, Members::All) => true,
            (Members::Some(ours), Members::Some(theirs)) => {
                Arc::ptr_eq(ours, theirs) || ours == theirs
            }
            (Members::None | Members::All | Members::Some(_), _) => false,
        }
    }
}

impl<T: Bounded> Eq for IntervalSet<T> {}

impl<T: Bounded> PartialOrd for IntervalSet<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// By the intervals, the lowest first.
impl<T: Bounded> Ord for IntervalSet<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        if let (Members::Some(ours), Members::Some(theirs)) = (&self.members, &other.members)
            && Arc::ptr_eq(ours, theirs)
        {
            return Ordering::Equal;
        }
        self.intervals().cmp(other.intervals())
    }
}

impl<T: Bounded + Hash> Hash for IntervalSet<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.intervals().hash(state);
    }
}

impl<T: Bounded + fmt::Debug> fmt::Debug for IntervalSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.intervals()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A set of small numbers from the bits of `mask`, in the top or bottom of the `u8` domain.
    fn from_mask(mask: u16, offset: u8) -> IntervalSet<u8> {
        let bits = (0..16u8).filter(|bit| mask & (1 << bit) != 0).map(|bit| bit + offset);
        IntervalSet::from_intervals(bits.map(|bit| (bit, bit)))
    }

    #[test]
    fn operations_agree_with_membership_on_a_small_world() {
        let masks = [0u16, 1, 0x8000, 0xffff, 0x0ff0, 0x5555, 0xa00a, 0x7ffe];
        for offset in [0u8, 100, 240] {
            for (a, b) in masks.iter().flat_map(|a| masks.iter().map(move |b| (*a, *b))) {
                let (x, y) = (from_mask(a, offset), from_mask(b, offset));
                for value in 0..=u8::MAX {
                    let (in_x, in_y) = (x.contains(value), y.contains(value));
                    assert_eq!(x.union(&y).contains(value), in_x || in_y);
                    assert_eq!(x.intersection(&y).contains(value), in_x && in_y);
                    assert_eq!(x.difference(&y).contains(value), in_x && !in_y);
                    assert_eq!(x.complement().contains(value), !in_x);
                }
                assert_eq!(x.complement().complement(), x);
                assert_eq!(x.is_subset(&y), x.union(&y) == y);
            }
        }
    }

    #[test]
    fn neighbours_merge() {
        let set = IntervalSet::from_intervals([(5u16, 9), (10, 12), (20, 20), (1, 5)]);
        assert_eq!(set.intervals(), [(1, 12), (20, 20)]);
        assert!(IntervalSet::from_intervals([(0u16, 40_000), (40_001, u16::MAX)]).is_full());
    }
}
