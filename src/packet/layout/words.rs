//! The words of a box: intervals, bits, flags.

use std::ops::Range;

/// The low half of an interval's word: its highest value.
pub(super) const HIGH: u64 = 0xffff_ffff;

/// The top bits of the two halves of a word.
pub(super) const TOPS: u64 = 0x8000_0000_8000_0000;

/// The low bit of each flag in a word.
pub(super) const LOWS: u64 = 0x5555_5555_5555_5555;

/// Pairs of words at the same places.
#[inline]
pub(super) fn pairs<'w>(
    a: &'w [u64],
    b: &'w [u64],
    words: Range<usize>,
) -> impl Iterator<Item = (u64, u64)> + 'w {
    a[words.clone()].iter().copied().zip(b[words].iter().copied())
}

#[inline]
pub(super) fn interval(low: u32, high: u32) -> u64 {
    u64::from(low) << 32 | u64::from(high)
}

#[inline]
pub(super) fn low(word: u64) -> u32 {
    (word >> 32) as u32
}

#[inline]
pub(super) fn high(word: u64) -> u32 {
    (word & HIGH) as u32
}

/// Both of [`TOPS`] are set if two intervals have a value in common.
//
// Both differences at once, high of one less low of the other: values are below 2³¹, so the top bit of
// each half is left over for a borrow.
#[inline]
pub(super) fn touching(a: u64, b: u64) -> u64 {
    let (lows, highs) = (a ^ (HIGH >> 1), b.rotate_left(32) ^ (HIGH >> 1));
    (highs | TOPS).wrapping_sub(lows)
}

/// Whether an interval has the value of a point, an interval too.
#[must_use]
#[inline]
pub fn is_in(interval: u64, point: u64) -> bool {
    low(point).wrapping_sub(low(interval)) <= high(interval) - low(interval)
}

/// Both of [`TOPS`] are set, and nothing else may be said of the word, if an interval has all of another.
//
// Both differences at once, as in `touching`: inner low less outer low, outer high less inner high.
#[inline]
pub(super) fn enclosing(outer: u64, inner: u64) -> u64 {
    ((inner ^ HIGH >> 1) | TOPS).wrapping_sub(outer ^ HIGH >> 1)
}

/// What two intervals have in common; reversed when that is nothing.
#[inline]
pub(super) fn meet(a: u64, b: u64) -> u64 {
    (a >> 32).max(b >> 32) << 32 | (a & HIGH).min(b & HIGH)
}

/// A count of at most 32 bits.
#[inline]
pub(super) fn number(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[inline]
pub(super) fn set_bit(words: &mut [u64], value: u32) {
    words[(value / u64::BITS) as usize] |= 1 << (value % u64::BITS);
}

#[inline]
pub(super) fn clear_bit(words: &mut [u64], value: u32) {
    words[(value / u64::BITS) as usize] &= !(1 << (value % u64::BITS));
}

/// The bits of `first..first + 64` that are in a run of values.
#[inline]
pub(super) fn run_within((low, high): (u32, u32), first: u32) -> u64 {
    let last = first + (u64::BITS - 1);
    if high < first || low > last {
        return 0;
    }
    let (from, to) = (low.max(first) - first, high.min(last) - first);
    (u64::MAX << from) & (u64::MAX >> (u64::BITS - 1 - to))
}

/// The values of a set of bits, in order.
#[inline]
pub(super) fn members(words: &[u64]) -> impl Iterator<Item = u32> + '_ {
    (0u32..).zip(words).flat_map(|(place, word)| {
        let mut rest = *word;
        std::iter::from_fn(move || {
            let bit = rest.trailing_zeros();
            (rest != 0).then(|| {
                rest &= rest - 1;
                place * u64::BITS + bit
            })
        })
    })
}
