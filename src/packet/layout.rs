//! Boxes of a packet space as a few words each: a set of values for every axis.
//!
//! A box is a slice of [`Layout::words`] words. On an axis of many values it has an interval, one
//! word `low << 32 | high`; on an axis of few values any set of them, a bit each, in one word or
//! several. The words of all intervals come first, then the single words of bits, then the axes of
//! several words, so that the loops below never ask what kind an axis is.
//!
//! Everything here is on the innermost path of every question: a million rules are forty million
//! words, and a question looks at thousands of them.

use std::ops::Range;

use super::Random;

/// The low half of an interval's word: its highest value.
const HIGH: u64 = 0xffff_ffff;

/// The top bits of the two halves of a word.
const TOPS: u64 = 0x8000_0000_8000_0000;

/// How a set of values of one axis is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// One interval.
    Interval,
    /// Any set, a bit for each value.
    Bits,
}

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
            Held::Interval => 1,
            Held::Bits => self.values.div_ceil(u64::BITS) as usize,
        }
    }
}

/// Where the words of each axis are.
// INVARIANT: words `0..intervals` are intervals, `intervals..narrow` bits of one word each, and
// `wide` the ranges of the others, in order, up to the end.
#[derive(Debug, Clone)]
pub struct Layout {
    axes: Box<[Place]>,
    intervals: usize,
    narrow: usize,
    wide: Box<[Range<usize>]>,
    full: Box<[u64]>,
}

#[derive(Debug, Clone)]
struct Place {
    shape: AxisShape,
    words: Range<usize>,
}

/// A plane that divides a box in two. Each side of it is a box again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plane {
    /// Values of an interval axis below this one are on the near side.
    Below { axis: usize, value: u32 },
    /// The values that the box of this number has are on the near side.
    Among { axis: usize, entry: u32 },
}

impl Layout {
    #[must_use]
    pub fn new(shapes: &[AxisShape]) -> Self {
        let rank = |shape: &AxisShape| match shape.held {
            Held::Interval => 0,
            Held::Bits if shape.words() == 1 => 1,
            Held::Bits => 2,
        };
        let mut order: Vec<usize> = (0..shapes.len()).collect();
        order.sort_by_key(|axis| rank(&shapes[*axis]));
        let mut axes: Vec<Place> =
            shapes.iter().map(|shape| Place { shape: *shape, words: 0..0 }).collect();
        let (mut full, mut wide) = (Vec::new(), Vec::new());
        for axis in order {
            let place = &mut axes[axis];
            place.words = full.len()..full.len() + place.shape.words();
            if rank(&place.shape) == 2 {
                wide.push(place.words.clone());
            }
            full.extend(everything(place.shape));
        }
        if full.is_empty() {
            // A space without axes has one point. Its box has a word, so that boxes can be counted.
            full.push(1);
        }
        let count = |most| shapes.iter().filter(|shape| rank(shape) <= most).count();
        Layout {
            axes: axes.into(),
            intervals: count(0),
            narrow: count(1),
            wide: wide.into(),
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

    #[must_use]
    pub fn shape(&self, axis: usize) -> AxisShape {
        self.axes[axis].shape
    }

    /// The words of one axis.
    #[must_use]
    pub fn of<'b>(&self, axis: usize, one: &'b [u64]) -> &'b [u64] {
        &one[self.axes[axis].words.clone()]
    }

    pub fn of_mut<'b>(&self, axis: usize, one: &'b mut [u64]) -> &'b mut [u64] {
        &mut one[self.axes[axis].words.clone()]
    }

    /// Leaves only some of its values to a box on one axis; false when it has none of them, and then
    /// it is no box. On an axis of intervals, only the first interval is looked at.
    pub fn keep(&self, axis: usize, one: &mut [u64], values: &[(u32, u32)]) -> bool {
        let held = self.shape(axis).held;
        let words = self.of_mut(axis, one);
        match held {
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
        self.bits_meet(a, b)
    }

    /// Whether the boxes have a value in common on every axis of bits.
    fn bits_meet(&self, a: &[u64], b: &[u64]) -> bool {
        pairs(a, b, self.intervals..self.narrow).all(|(a, b)| a & b != 0)
            && self.wide.iter().all(|wide| pairs(a, b, wide.clone()).any(|(a, b)| a & b != 0))
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

    /// How many points the boxes have in common, each value of an axis counting as one; exact up to
    /// 2⁵³, then rounded.
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
        }
    }

    /// The values of a box on an axis, as runs in order.
    #[must_use]
    pub fn values(&self, axis: usize, one: &[u64]) -> Vec<(u32, u32)> {
        match self.shape(axis).held {
            Held::Interval => vec![self.ends(axis, one)],
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

    /// The point of a box that has the lowest value on every axis.
    #[must_use]
    pub fn lowest(&self, one: &[u64]) -> Box<[u64]> {
        let mut point: Box<[u64]> = one.into();
        self.lower(&mut point);
        point
    }

    /// Leaves of a box the point that has the lowest value on every axis.
    pub fn lower(&self, one: &mut [u64]) {
        let (runs, bits) = one.split_at_mut(self.intervals);
        for word in runs {
            *word = interval(low(*word), low(*word));
        }
        for word in &mut bits[..self.narrow - self.intervals] {
            *word &= word.wrapping_neg();
        }
        for wide in &self.wide {
            let mut is_found = false;
            for word in &mut one[wide.clone()] {
                *word &= if is_found { 0 } else { word.wrapping_neg() };
                is_found |= *word != 0;
            }
        }
    }

    /// Moves a point of a cell to where a box is not, on one axis: the last on which there is such a
    /// place in the cell, there to the lowest; not on the axis of the move before. The axis; `None` when
    /// there is none.
    pub fn leave(
        &self,
        point: &mut [u64],
        cell: &[u64],
        one: &[u64],
        before: Option<usize>,
    ) -> Option<usize> {
        let outside = |axis: usize| {
            let (cell, one) = (self.of(axis, cell), self.of(axis, one));
            match self.shape(axis).held {
                Held::Interval => {
                    let behind = high(one[0]).saturating_add(1);
                    let lowest = if low(cell[0]) < low(one[0]) { low(cell[0]) } else { behind };
                    (lowest <= high(cell[0])).then_some(lowest)
                }
                Held::Bits => {
                    let mut rest = (0..).zip(cell.iter().zip(one).map(|(cell, one)| cell & !one));
                    let (at, word) = rest.find(|(_, word)| *word != 0)?;
                    Some(at * u64::BITS + word.trailing_zeros())
                }
            }
        };
        let mut axes = (0..self.axes()).rev().filter(|axis| Some(*axis) != before);
        let (axis, value) = axes.find_map(|axis| Some((axis, outside(axis)?)))?;
        self.narrow_to(axis, point, value);
        Some(axis)
    }

    /// The point of a box that has the highest value on every axis.
    #[must_use]
    pub fn highest(&self, one: &[u64]) -> Box<[u64]> {
        self.point(one, |axis| self.ends(axis, one).1)
    }

    /// Any point of a box.
    #[must_use]
    pub fn anywhere(&self, one: &[u64], random: &mut Random) -> Box<[u64]> {
        self.point(one, |axis| {
            let nth = random.index(self.size(axis, one) as usize);
            self.nth(axis, one, nth)
        })
    }

    fn point(&self, one: &[u64], mut value: impl FnMut(usize) -> u32) -> Box<[u64]> {
        let mut point: Box<[u64]> = one.into();
        for axis in 0..self.axes() {
            let value = value(axis);
            self.narrow_to(axis, &mut point, value);
        }
        point
    }

    /// Leaves one value on an axis.
    pub fn narrow_to(&self, axis: usize, one: &mut [u64], value: u32) {
        let words = self.of_mut(axis, one);
        match self.axes[axis].shape.held {
            Held::Interval => words[0] = interval(value, value),
            Held::Bits => {
                words.fill(0);
                set_bit(words, value);
            }
        }
    }

    /// A value of a box on an axis, counted from its lowest.
    fn nth(&self, axis: usize, one: &[u64], nth: usize) -> u32 {
        let words = self.of(axis, one);
        match self.shape(axis).held {
            Held::Interval => low(words[0]) + u32::try_from(nth).unwrap_or(0),
            Held::Bits => members(words).nth(nth).unwrap_or(0),
        }
    }

    /// The two halves of a box across an axis on which it has at least two values.
    #[must_use]
    pub fn halves(&self, axis: usize, one: &[u64]) -> [Box<[u64]>; 2] {
        let [mut near, mut far]: [Box<[u64]>; 2] = [one.into(), one.into()];
        let half = self.size(axis, one) / 2;
        match self.shape(axis).held {
            Held::Interval => {
                let (first, last) = self.ends(axis, one);
                self.of_mut(axis, &mut near)[0] = interval(first, first + half.max(1) - 1);
                self.of_mut(axis, &mut far)[0] = interval(first + half, last);
            }
            Held::Bits => {
                let middle = self.nth(axis, one, half as usize);
                for value in members(self.of(axis, one)) {
                    let side = if value < middle { &mut far } else { &mut near };
                    clear_bit(self.of_mut(axis, side), value);
                }
            }
        }
        [near, far]
    }

    /// The sides of a cell at a plane; `by` is the box that [`Plane::Among`] names. The plane must
    /// go through the cell.
    #[must_use]
    pub fn sides(&self, cell: &[u64], plane: Plane, by: &[u64]) -> [Box<[u64]>; 2] {
        let [mut near, mut far]: [Box<[u64]>; 2] = [cell.into(), cell.into()];
        match plane {
            Plane::Below { axis, value } => {
                let (first, last) = self.ends(axis, cell);
                self.of_mut(axis, &mut near)[0] = interval(first, value.max(1) - 1);
                self.of_mut(axis, &mut far)[0] = interval(value, last);
            }
            Plane::Among { axis, .. } => {
                let by = self.of(axis, by);
                self.of_mut(axis, &mut near).iter_mut().zip(by).for_each(|(word, by)| *word &= by);
                self.of_mut(axis, &mut far).iter_mut().zip(by).for_each(|(word, by)| *word &= !by);
            }
        }
        [near, far]
    }

    /// On which sides of a plane the part of a box is that is in a cell: near, far. The box must
    /// overlap the cell.
    #[must_use]
    pub fn on_sides(&self, cell: &[u64], plane: Plane, by: &[u64], one: &[u64]) -> (bool, bool) {
        match plane {
            Plane::Below { axis, value } => {
                let word = self.of(axis, one)[0];
                (low(word) < value, high(word) >= value)
            }
            Plane::Among { axis, .. } => {
                let words = self.of(axis, one).iter().zip(self.of(axis, cell));
                let (mut near, mut far) = (0, 0);
                for ((one, cell), by) in words.zip(self.of(axis, by)) {
                    near |= one & cell & by;
                    far |= one & cell & !by;
                }
                (near != 0, far != 0)
            }
        }
    }

    /// The planes along the faces of a box that go through a cell. The box must overlap the cell.
    pub fn faces(&self, cell: &[u64], one: &[u64], entry: u32, mut found: impl FnMut(Plane)) {
        for axis in 0..self.axes() {
            match self.shape(axis).held {
                Held::Interval => {
                    let ((first, last), (low, high)) =
                        (self.ends(axis, cell), self.ends(axis, one));
                    if low > first {
                        found(Plane::Below { axis, value: low });
                    }
                    if high < last {
                        found(Plane::Below { axis, value: high + 1 });
                    }
                }
                Held::Bits => {
                    let words = self.of(axis, cell).iter().zip(self.of(axis, one));
                    if words.into_iter().any(|(cell, one)| cell & !one != 0) {
                        found(Plane::Among { axis, entry });
                    }
                }
            }
        }
    }
}

/// Pairs of words at the same places.
fn pairs<'w>(
    a: &'w [u64],
    b: &'w [u64],
    words: Range<usize>,
) -> impl Iterator<Item = (u64, u64)> + 'w {
    a[words.clone()].iter().copied().zip(b[words].iter().copied())
}

fn everything(shape: AxisShape) -> Vec<u64> {
    let last = shape.values.max(1) - 1;
    match shape.held {
        Held::Interval => vec![interval(0, last)],
        Held::Bits => {
            let mut words = vec![u64::MAX; shape.words()];
            if let Some(top) = words.last_mut() {
                *top >>= u64::BITS - 1 - last % u64::BITS;
            }
            words
        }
    }
}

fn interval(low: u32, high: u32) -> u64 {
    u64::from(low) << 32 | u64::from(high)
}

fn low(word: u64) -> u32 {
    (word >> 32) as u32
}

fn high(word: u64) -> u32 {
    (word & HIGH) as u32
}

/// Both of [`TOPS`] are set if two intervals have a value in common.
//
// Both differences at once, high of one less low of the other: values are below 2³¹, so the top bit of
// each half is left over for a borrow.
#[inline]
fn touching(a: u64, b: u64) -> u64 {
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
fn enclosing(outer: u64, inner: u64) -> u64 {
    ((inner ^ HIGH >> 1) | TOPS).wrapping_sub(outer ^ HIGH >> 1)
}

/// What two intervals have in common; reversed when that is nothing.
fn meet(a: u64, b: u64) -> u64 {
    (a >> 32).max(b >> 32) << 32 | (a & HIGH).min(b & HIGH)
}

/// A count of at most 32 bits.
fn number(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

fn set_bit(words: &mut [u64], value: u32) {
    words[(value / u64::BITS) as usize] |= 1 << (value % u64::BITS);
}

fn clear_bit(words: &mut [u64], value: u32) {
    words[(value / u64::BITS) as usize] &= !(1 << (value % u64::BITS));
}

/// The bits of `first..first + 64` that are in a run of values.
fn run_within((low, high): (u32, u32), first: u32) -> u64 {
    let last = first + (u64::BITS - 1);
    if high < first || low > last {
        return 0;
    }
    let (from, to) = (low.max(first) - first, high.min(last) - first);
    (u64::MAX << from) & (u64::MAX >> (u64::BITS - 1 - to))
}

/// The values of a set of bits, in order.
fn members(words: &[u64]) -> impl Iterator<Item = u32> + '_ {
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

#[cfg(test)]
mod tests;
