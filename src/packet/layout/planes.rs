//! Boxes divided by planes: each side of one is a box again.

use super::words::{LOWS, clear_bit, high, interval, low, members, pairs};
use super::{FLAGS, Held, Layout};

/// A plane that divides a box in two. Each side of it is a box again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plane {
    /// Values of an interval axis below this one are on the near side.
    Below { axis: usize, value: u32 },
    /// The values that the box of this number has are on the near side.
    Among { axis: usize, entry: u32 },
}

impl Layout {
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
            Held::Flag => {
                self.narrow_to(axis, &mut near, 0);
                self.narrow_to(axis, &mut far, 1);
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
                let (by, others) = (self.of(axis, by), !self.axes[axis].mask);
                for (word, by) in self.of_mut(axis, &mut near).iter_mut().zip(by) {
                    *word &= by | others;
                }
                for (word, by) in self.of_mut(axis, &mut far).iter_mut().zip(by) {
                    *word &= !by | others;
                }
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
                let mask = self.axes[axis].mask;
                (near & mask != 0, far & mask != 0)
            }
        }
    }

    /// The planes along the faces of a box that go through a cell. The box must overlap the cell.
    pub fn faces(&self, cell: &[u64], one: &[u64], entry: u32, mut found: impl FnMut(Plane)) {
        for axis in self.unflagged() {
            match self.shape(axis).held {
                Held::Flag => {}
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
        for axis in self.flags_apart(cell, one) {
            found(Plane::Among { axis, entry });
        }
    }

    /// The flags of which a cell has values that a box does not have.
    pub fn flags_apart<'b>(
        &'b self,
        cell: &'b [u64],
        one: &'b [u64],
    ) -> impl Iterator<Item = usize> + 'b {
        let words = pairs(cell, one, self.flags..self.flags + self.flag_words());
        let more = words.map(|(cell, one)| cell & !one).enumerate().filter(|(_, more)| *more != 0);
        more.flat_map(move |(word, more)| {
            let own = &self.flagged[word * FLAGS..];
            let bits: Vec<u32> = members(&[(more | more >> 1) & LOWS]).collect();
            bits.into_iter().map(move |bit| own[bit as usize / 2])
        })
    }
}
