//! Boxes of a packet space as a few words each: a set of values for every axis.
//!
//! A box is a slice of [`Layout::words`] words. On an axis of many values it has an interval, one
//! word `low << 32 | high`; on an axis of few values any set of them, a bit each, in one word or
//! several. Axes of two values that there may be thousands of, flags, share words, two bits each. The
//! words of all intervals come first, then the single words of bits, then the axes of several words, then
//! the flags, so that the loops below never ask what kind an axis is.
//!
//! Everything here is on the innermost path of every question: a million rules are forty million
//! words, and a question looks at thousands of them.

mod planes;
mod points;
mod words;

use std::ops::Range;

pub use planes::Plane;
pub use words::is_in;
use words::{
    HIGH, LOWS, TOPS, enclosing, high, interval, low, meet, members, number, pairs, run_within,
    set_bit, touching,
};

/// How a set of values of one axis is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// One interval.
    Interval,
    /// Any set, a bit for each value.
    Bits,
    /// Any set of two values: two bits of a word, which other axes have a part in.
    Flag,
}

/// The axes of flags in one word.
const FLAGS: usize = 32;

/// So many words of flags are worth knowing in which of them a box says something.
const MANY_WORDS: usize = 4;

/// One axis of a space: how many values it has, and how its sets are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AxisShape {
    /// At least 1, below 2³¹.
    pub values: u32,
    pub held: Held,
}

impl AxisShape {
    fn words(self) -> usize {
        match self.held {
            Held::Interval | Held::Flag => 1,
            Held::Bits => self.values.div_ceil(u64::BITS) as usize,
        }
    }
}

/// Where the words of each axis are.
// INVARIANT: words `0..intervals` are intervals, `intervals..narrow` bits of one word each, `wide`
// the ranges of those of several, in order, and `flags..` flags. Of a flag that no axis has, a box has
// the low bit.
#[derive(Debug, Clone)]
pub struct Layout {
    axes: Box<[Place]>,
    intervals: usize,
    narrow: usize,
    wide: Box<[Range<usize>]>,
    flags: usize,
    /// The axes of flags, in order.
    flagged: Box<[usize]>,
    /// The others, by their numbers.
    unflagged: Box<[usize]>,
    full: Box<[u64]>,
}

#[derive(Debug, Clone)]
struct Place {
    shape: AxisShape,
    words: Range<usize>,
    /// Where in its word a flag is; 0 of other axes.
    shift: u32,
    /// The bits of its words that belong to the axis.
    mask: u64,
}

impl Layout {
    #[must_use]
    pub fn new(shapes: &[AxisShape]) -> Self {
        let rank = |shape: &AxisShape| match shape.held {
            Held::Interval => 0,
            Held::Bits if shape.words() == 1 => 1,
            Held::Bits => 2,
            Held::Flag => 3,
        };
        let mut order: Vec<usize> = (0..shapes.len()).collect();
        order.sort_by_key(|axis| rank(&shapes[*axis]));
        let place =
            |shape: &AxisShape| Place { shape: *shape, words: 0..0, shift: 0, mask: u64::MAX };
        let mut axes: Vec<Place> = shapes.iter().map(place).collect();
        let (mut full, mut wide) = (Vec::new(), Vec::new());
        let unflagged = order.iter().position(|axis| rank(&shapes[*axis]) == 3);
        let flagged = order.split_off(unflagged.unwrap_or(order.len()));
        for axis in order {
            let place = &mut axes[axis];
            place.words = full.len()..full.len() + place.shape.words();
            if rank(&place.shape) == 2 {
                wide.push(place.words.clone());
            }
            full.extend(everything(place.shape));
        }
        if shapes.is_empty() {
            // A space without axes has one point. Its box has a word, so that boxes can be counted.
            full.push(1);
        }
        let flags = full.len();
        for (number, axis) in flagged.iter().enumerate() {
            if number % FLAGS == 0 {
                full.push(LOWS);
            }
            let word = full.len() - 1;
            let shift = 2 * u32::try_from(number % FLAGS).unwrap_or(0);
            axes[*axis] =
                Place { shape: shapes[*axis], words: word..word + 1, shift, mask: 0b11 << shift };
            full[word] |= 0b11 << shift;
        }
        let count = |most| shapes.iter().filter(|shape| rank(shape) <= most).count();
        Layout {
            axes: axes.into(),
            intervals: count(0),
            narrow: count(1),
            wide: wide.into(),
            flags,
            flagged: flagged.into(),
            unflagged: (0..shapes.len()).filter(|axis| rank(&shapes[*axis]) != 3).collect(),
            full: full.into(),
        }
    }

    /// How many words a box has.
    #[must_use]
    pub fn words(&self) -> usize {
        self.full.len()
    }

    /// The whole space.
    #[must_use]
    pub fn full(&self) -> &[u64] {
        &self.full
    }

    /// How many words of a box, the first ones, are intervals; the others are bits.
    #[must_use]
    pub fn intervals(&self) -> usize {
        self.intervals
    }

    #[must_use]
    pub fn axes(&self) -> usize {
        self.axes.len()
    }

    /// The axes that are no flags.
    #[must_use]
    pub fn unflagged(&self) -> impl DoubleEndedIterator<Item = usize> {
        self.unflagged.iter().copied()
    }

    #[must_use]
    pub fn shape(&self, axis: usize) -> AxisShape {
        self.axes[axis].shape
    }

    /// The words of one axis. Those of a flag are others' too.
    #[must_use]
    pub fn of<'b>(&self, axis: usize, one: &'b [u64]) -> &'b [u64] {
        &one[self.axes[axis].words.clone()]
    }

    fn of_mut<'b>(&self, axis: usize, one: &'b mut [u64]) -> &'b mut [u64] {
        &mut one[self.axes[axis].words.clone()]
    }

    /// Takes all values of one axis from a box. It is no box then, and good for comparing only.
    pub fn clear(&self, axis: usize, one: &mut [u64]) {
        let mask = self.axes[axis].mask;
        self.of_mut(axis, one).iter_mut().for_each(|word| *word &= !mask);
    }

    /// Gives a box all values of one axis.
    pub fn free(&self, axis: usize, one: &mut [u64]) {
        let place = &self.axes[axis];
        let full = &self.full[place.words.clone()];
        for (word, full) in one[place.words.clone()].iter_mut().zip(full) {
            *word = *word & !place.mask | full & place.mask;
        }
    }

    /// Whether a box has no other values on an axis of bits than one whose words there are given.
    #[must_use]
    pub fn is_within(&self, axis: usize, one: &[u64], words: &[u64]) -> bool {
        let mask = self.axes[axis].mask;
        self.of(axis, one).iter().zip(words).all(|(one, by)| one & !by & mask == 0)
    }

    /// The words of flags in which each of some boxes says something: of thousands of flags a box asks for
    /// few. Empty where looking at all of them is quicker.
    #[must_use]
    pub fn asking(&self, boxes: &[u64]) -> Box<[Range<u32>]> {
        if self.flag_words() < MANY_WORDS {
            return [].into();
        }
        let place = |word| u32::try_from(word).unwrap_or(u32::MAX);
        let asking = boxes.chunks_exact(self.words()).map(|one| {
            let asks = |word: &usize| one[*word] != self.full[*word];
            let mut words = self.flags..self.words();
            let Some(first) = words.find(asks) else { return 0..0 };
            let last = words.rfind(asks).unwrap_or(first);
            place(first)..place(last + 1)
        });
        asking.collect()
    }

    fn flag_words(&self) -> usize {
        self.flagged.len().div_ceil(FLAGS)
    }

    /// Leaves only some of its values to a box on one axis; false when it has none of them, and then
    /// it is no box. On an axis of intervals, only the first interval is looked at.
    pub fn keep(&self, axis: usize, one: &mut [u64], values: &[(u32, u32)]) -> bool {
        let Place { shape, shift, mask, .. } = self.axes[axis];
        let words = self.of_mut(axis, one);
        match shape.held {
            Held::Interval => {
                let Some((low, high)) = values.first() else { return false };
                words[0] = meet(words[0], interval(*low, *high));
                words[0] >> 32 <= words[0] & HIGH
            }
            Held::Bits => {
                let mut kept = false;
                for (first, word) in (0..).step_by(u64::BITS as usize).zip(words) {
                    *word &= values.iter().fold(0, |bits, run| bits | run_within(*run, first));
                    kept |= *word != 0;
                }
                kept
            }
            Held::Flag => {
                let kept = values.iter().fold(0, |bits, run| bits | run_within(*run, 0)) << shift;
                words[0] &= !mask | kept;
                words[0] & mask != 0
            }
        }
    }

    /// The points of a box that are not in another, as disjoint boxes.
    #[must_use]
    pub fn without(&self, one: Box<[u64]>, taken: &[u64]) -> Vec<Box<[u64]>> {
        let mut pieces = Vec::new();
        if !self.overlap(&one, taken) {
            pieces.push(one);
            return pieces;
        }
        let mut planes = Vec::new();
        self.faces(&one, taken, 0, |plane| planes.push(plane));
        let mut rest = one;
        for plane in planes {
            let [near, far] = self.sides(&rest, plane, taken);
            let (inside, outside) =
                if self.overlap(&near, taken) { (near, far) } else { (far, near) };
            pieces.push(outside);
            rest = inside;
        }
        pieces
    }

    /// Whether the boxes have a point in common.
    //
    // Two intervals are looked at before anything is decided: which axis parts two boxes is anyone's
    // guess, and a wrong guess of the processor costs more than another word.
    #[must_use]
    #[inline]
    pub fn overlap(&self, a: &[u64], b: &[u64]) -> bool {
        self.intervals_meet(a, b) && self.bits_meet(a, b, self.flags..self.words())
    }

    /// The same where `a` says something in some words of flags only ([`Layout::asking`]).
    #[must_use]
    #[inline]
    pub fn overlap_asking(&self, a: &[u64], asking: &Range<u32>, b: &[u64]) -> bool {
        let asking = asking.start as usize..asking.end as usize;
        self.intervals_meet(a, b) && self.bits_meet(a, b, asking)
    }

    #[inline]
    fn intervals_meet(&self, a: &[u64], b: &[u64]) -> bool {
        let (a_pairs, a_last) = a[..self.intervals].as_chunks::<2>();
        let (b_pairs, b_last) = b[..self.intervals].as_chunks::<2>();
        for ([a, c], [b, d]) in a_pairs.iter().zip(b_pairs) {
            if touching(*a, *b) & touching(*c, *d) & TOPS != TOPS {
                return false;
            }
        }
        if let ([a], [b]) = (a_last, b_last)
            && touching(*a, *b) & TOPS != TOPS
        {
            return false;
        }
        true
    }

    /// Whether the boxes have a value in common on every axis of bits, of flags in some words.
    fn bits_meet(&self, a: &[u64], b: &[u64], flags: Range<usize>) -> bool {
        pairs(a, b, self.intervals..self.narrow).all(|(a, b)| a & b != 0)
            && self.wide.iter().all(|wide| pairs(a, b, wide.clone()).any(|(a, b)| a & b != 0))
            && Self::flags_meet(&a[flags.clone()], &b[flags])
    }

    /// The same of the flags. There may be hundreds of words of them: eight at once, with one guess.
    fn flags_meet(a: &[u64], b: &[u64]) -> bool {
        let (a_chunks, a_last) = a.as_chunks::<8>();
        let (b_chunks, b_last) = b.as_chunks::<8>();
        let meet = |a: &[u64], b: &[u64]| {
            let missing = a.iter().zip(b).fold(0, |missing, (a, b)| {
                let both = a & b;
                missing | !(both | both >> 1)
            });
            missing & LOWS == 0
        };
        a_chunks.iter().zip(b_chunks).all(|(a, b)| meet(a, b)) && meet(a_last, b_last)
    }

    /// Whether every point of `inner` is in `outer`.
    #[must_use]
    #[inline]
    pub fn contains(&self, outer: &[u64], inner: &[u64]) -> bool {
        let (outer_runs, outer_bits) = outer.split_at(self.intervals);
        let (inner_runs, inner_bits) = inner.split_at(self.intervals);
        let within = outer_runs.iter().zip(inner_runs);
        let within = within.fold(TOPS, |all, (outer, inner)| all & enclosing(*outer, *inner));
        let mut extra = 0;
        for (outer, inner) in outer_bits.iter().zip(inner_bits) {
            extra |= inner & !outer;
        }
        within == TOPS && extra == 0
    }

    /// The same where `outer` says something in some words of flags only ([`Layout::asking`]).
    #[must_use]
    pub fn contains_asking(&self, outer: &[u64], asking: &Range<u32>, inner: &[u64]) -> bool {
        let asking = asking.start as usize..asking.end as usize;
        self.contains(&outer[..self.flags], &inner[..self.flags])
            && pairs(outer, inner, asking).all(|(outer, inner)| inner & !outer == 0)
    }

    /// Whether the points of `inner` that are in `cell` are all in `outer` too.
    #[must_use]
    pub fn contains_within(&self, cell: &[u64], outer: &[u64], inner: &[u64]) -> bool {
        let words = self.words();
        let (cell, outer, inner) = (&cell[..words], &outer[..words], &inner[..words]);
        (0..self.intervals).all(|word| {
            let both = meet(inner[word], cell[word]);
            outer[word] >> 32 <= both >> 32 && both & HIGH <= outer[word] & HIGH
        }) && (self.intervals..words).all(|word| inner[word] & cell[word] & !outer[word] == 0)
    }

    /// Narrows `one` to its points that are also in `other`; false when there are none, and then
    /// what is left in `one` is no box.
    pub fn intersect(&self, one: &mut [u64], other: &[u64]) -> bool {
        let meeting = self.overlap(one, other);
        for (word, (a, b)) in one.iter_mut().zip(other).enumerate() {
            *a = if word < self.intervals { meet(*a, *b) } else { *a & b };
        }
        meeting
    }

    /// Widens `hull` to a box around itself and `other`.
    #[inline]
    pub fn widen(&self, hull: &mut [u64], other: &[u64]) {
        let (hull_runs, hull_bits) = hull.split_at_mut(self.intervals);
        let (other_runs, other_bits) = other.split_at(self.intervals);
        for (a, b) in hull_runs.iter_mut().zip(other_runs) {
            *a = (*a).min(*b) & !HIGH | (*a & HIGH).max(b & HIGH);
        }
        for (a, b) in hull_bits.iter_mut().zip(other_bits) {
            *a |= b;
        }
    }

    /// How many points the boxes have in common, each value of an axis counting as one, but those of a flag
    /// as half: of thousands, that would be too many to count. Exact up to 2⁵³, then rounded.
    #[must_use]
    pub fn shared(&self, a: &[u64], b: &[u64]) -> f64 {
        let words = self.words();
        let (a, b) = (&a[..words], &b[..words]);
        let mut points = 1.0;
        for (a, b) in pairs(a, b, 0..self.intervals) {
            let (first, last) = ((a >> 32).max(b >> 32), (a & HIGH).min(b & HIGH));
            points *= number((last + 1).saturating_sub(first));
        }
        for (a, b) in pairs(a, b, self.intervals..self.narrow) {
            points *= f64::from((a & b).count_ones());
        }
        for wide in &self.wide {
            let bits = pairs(a, b, wide.clone()).map(|(a, b)| (a & b).count_ones());
            points *= f64::from(bits.sum::<u32>());
        }
        for (a, b) in pairs(a, b, self.flags..words) {
            let both = a & b;
            if (both | both >> 1) & LOWS != LOWS {
                return 0.0;
            }
            let halves = (!(both & both >> 1) & LOWS).count_ones();
            points *= f64::from_bits((1_023 - u64::from(halves)) << 52);
        }
        points
    }

    /// How many points a box has, as [`Layout::shared`] counts.
    #[must_use]
    pub fn points(&self, one: &[u64]) -> f64 {
        self.shared(one, one)
    }

    /// How many values a box has on an axis.
    #[must_use]
    pub fn size(&self, axis: usize, one: &[u64]) -> u32 {
        let place = &self.axes[axis];
        let words = &one[place.words.clone()];
        match place.shape.held {
            Held::Interval => (high(words[0]) - low(words[0])).saturating_add(1),
            Held::Bits => words.iter().map(|word| word.count_ones()).sum(),
            Held::Flag => (words[0] & place.mask).count_ones(),
        }
    }

    /// The lowest and the highest value of a box on an axis.
    #[must_use]
    pub fn ends(&self, axis: usize, one: &[u64]) -> (u32, u32) {
        let words = self.of(axis, one);
        match self.shape(axis).held {
            Held::Interval => (low(words[0]), high(words[0])),
            Held::Bits => {
                let all = || (0..).zip(words).filter(|(_, word)| **word != 0);
                let lowest = all().next().map(|(at, word)| at * u64::BITS + word.trailing_zeros());
                let highest = all().last().map(|(at, word)| at * u64::BITS + word.ilog2());
                (lowest.unwrap_or(0), highest.unwrap_or(0))
            }
            Held::Flag => {
                let flag = self.flag(axis, one);
                (flag.trailing_zeros().min(1), flag >> 1)
            }
        }
    }

    /// The values of a box on an axis, as runs in order.
    #[must_use]
    pub fn values(&self, axis: usize, one: &[u64]) -> Vec<(u32, u32)> {
        match self.shape(axis).held {
            Held::Interval | Held::Flag => vec![self.ends(axis, one)],
            Held::Bits => {
                let mut runs: Vec<(u32, u32)> = Vec::new();
                for value in members(self.of(axis, one)) {
                    match runs.last_mut() {
                        Some((_, last)) if *last + 1 == value => *last = value,
                        _ => runs.push((value, value)),
                    }
                }
                runs
            }
        }
    }

    /// The two bits of a flag.
    fn flag(&self, axis: usize, one: &[u64]) -> u32 {
        let place = &self.axes[axis];
        u32::try_from((one[place.words.start] & place.mask) >> place.shift).unwrap_or(0)
    }

    /// Leaves one value on an axis.
    pub fn narrow_to(&self, axis: usize, one: &mut [u64], value: u32) {
        let Place { shape, shift, mask, .. } = self.axes[axis];
        let words = self.of_mut(axis, one);
        match shape.held {
            Held::Interval => words[0] = interval(value, value),
            Held::Bits => {
                words.fill(0);
                set_bit(words, value);
            }
            Held::Flag => {
                words[0] &= !mask;
                set_bit(words, shift + value);
            }
        }
    }
}

fn everything(shape: AxisShape) -> Vec<u64> {
    let last = shape.values.max(1) - 1;
    match shape.held {
        Held::Interval => vec![interval(0, last)],
        Held::Flag => vec![0b11],
        Held::Bits => {
            let mut words = vec![u64::MAX; shape.words()];
            if let Some(top) = words.last_mut() {
                *top >>= u64::BITS - 1 - last % u64::BITS;
            }
            words
        }
    }
}

#[cfg(test)]
mod tests;
