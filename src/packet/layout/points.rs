//! The points of a box: its ends, any of them, and those beside another box.

use super::words::{LOWS, high, interval, low, members};
use super::{Held, Layout};
use crate::packet::Random;

impl Layout {
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
        for word in &mut one[self.flags..] {
            *word &= !((*word & LOWS) << 1);
        }
    }

    /// The point of a box that has the highest value on every axis.
    #[must_use]
    pub fn highest(&self, one: &[u64]) -> Box<[u64]> {
        let mut point = self.point(one, |axis| self.ends(axis, one).1);
        for word in &mut point[self.flags..] {
            *word &= !(*word >> 1 & LOWS);
        }
        point
    }

    /// Any point of a box.
    #[must_use]
    pub fn anywhere(&self, one: &[u64], random: &mut Random) -> Box<[u64]> {
        let mut point = self.point(one, |axis| {
            let nth = random.index(self.size(axis, one) as usize);
            self.nth(axis, one, nth)
        });
        for word in &mut point[self.flags..] {
            let free = *word & *word >> 1 & LOWS;
            let holding = free & random.bits();
            *word &= !(holding | (free & !holding) << 1);
        }
        point
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
                Held::Flag => {
                    let rest = cell[0] & !one[0] & self.axes[axis].mask;
                    (rest != 0).then(|| rest.trailing_zeros() - self.axes[axis].shift)
                }
            }
        };
        let mut axes = (0..self.axes()).rev().filter(|axis| Some(*axis) != before);
        let (axis, value) = axes.find_map(|axis| Some((axis, outside(axis)?)))?;
        self.narrow_to(axis, point, value);
        Some(axis)
    }

    /// A box that has one value on every axis that is no flag.
    fn point(&self, one: &[u64], mut value: impl FnMut(usize) -> u32) -> Box<[u64]> {
        let mut point: Box<[u64]> = one.into();
        for axis in self.unflagged() {
            let value = value(axis);
            self.narrow_to(axis, &mut point, value);
        }
        point
    }

    /// A value of a box on an axis, counted from its lowest.
    pub(super) fn nth(&self, axis: usize, one: &[u64], nth: usize) -> u32 {
        let words = self.of(axis, one);
        match self.shape(axis).held {
            Held::Interval => low(words[0]) + u32::try_from(nth).unwrap_or(0),
            Held::Bits => members(words).nth(nth).unwrap_or(0),
            Held::Flag => {
                let (first, last) = self.ends(axis, one);
                if nth == 0 { first } else { last }
            }
        }
    }
}
