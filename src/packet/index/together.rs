//! Many points at once: the tree is gone through once for all of them, not once for each.
//!
//! A node's box is compared with all points that came so far, field by field: of the points that it
//! does not have, most are gone after the first field. No comparison is a branch, since which
//! points stay is anyone's guess.

use super::super::layout::{Layout, is_in};
use super::{Among, Index, Owner};

/// The points that are asked about, and what is known of them.
struct Asked<'a> {
    among: &'a [Among],
    /// Of each word of a box the words of all points.
    columns: Vec<Vec<u64>>,
    /// Of each point the first owner that is not looked at; 0 when a rule takes it.
    below: Vec<Owner>,
    /// Numbers of points that may be below the nodes from the root to here: those of a node behind
    /// those of the node above it.
    waiting: Vec<u32>,
}

impl Index {
    /// Of each point whether a rule takes it, of those that its search looks at. The words of a point
    /// come behind those of the one before.
    pub(in crate::packet) fn stab_each(&self, points: &[u64], among: &[Among]) -> Vec<bool> {
        let words = self.layout.words();
        let column = |word| points.iter().skip(word).step_by(words).copied().collect();
        let mut asked = Asked {
            among,
            columns: (0..words).map(column).collect(),
            below: among.iter().map(|among| among.below()).collect(),
            waiting: (0..).take(among.len()).collect(),
        };
        if !self.nodes.is_empty() {
            self.stab_below(0, 0, &mut asked);
        }
        asked.below.into_iter().zip(among).map(|(left, among)| left < among.below()).collect()
    }

    /// Asks about the points that wait from a place on, below a node. (No deeper than the tree.)
    fn stab_below(&self, at: u32, from: usize, asked: &mut Asked<'_>) {
        let node = self.nodes[at as usize];
        let behind = asked.waiting.len();
        if node.count > 0 {
            for entry in node.at..node.at + node.count {
                let owner = self.owner(entry);
                asked.wait(&self.layout, from, owner, self.entry(entry));
                for number in asked.waiting.drain(behind..) {
                    if self.has(asked.among[number as usize], owner) {
                        asked.below[number as usize] = 0;
                    }
                }
            }
            return;
        }
        for child in [at + 1, node.at] {
            asked.wait(&self.layout, from, self.nodes[child as usize].least, self.hull(child));
            if asked.waiting.len() > behind {
                self.stab_below(child, behind, asked);
                asked.waiting.truncate(behind);
            }
        }
    }
}

impl Asked<'_> {
    /// Lets those of the points that wait from a place on wait once more that are in a box whose first
    /// owner they look at.
    fn wait(&mut self, layout: &Layout, from: usize, least: Owner, one: &[u64]) {
        let behind = self.waiting.len();
        self.waiting.extend_from_within(from..);
        let again = &mut self.waiting[behind..];
        let mut count = keep(again, &self.below, |below| least < below);
        for (word, column) in self.columns.iter().enumerate() {
            let (again, own) = (&mut again[..count], one[word]);
            if own == layout.full()[word] {
                continue;
            }
            count = if word < layout.intervals() {
                keep(again, column, |point| is_in(own, point))
            } else {
                keep(again, column, |point| point & !own == 0)
            };
        }
        self.waiting.truncate(behind + count);
    }
}

/// Puts the numbers whose value fits first; how many they are.
fn keep<T: Copy>(numbers: &mut [u32], values: &[T], fits: impl Fn(T) -> bool) -> usize {
    let mut count = 0;
    for at in 0..numbers.len() {
        let number = numbers[at];
        numbers[count] = number;
        count += usize::from(fits(values[number as usize]));
    }
    count
}
