//! Rules of some sorts: what they do, say. Where many that meet do the same, only the others are looked for.

use super::{Among, Index, RuleNumber, rule_of};
use crate::packet::space::Region;

/// Of each node of a tree, of which sorts the rules below it are.
#[derive(Debug)]
pub struct Sorts<S> {
    of_nodes: Box<[Below<S>]>,
    of_entries: Box<[Option<S>]>,
}

/// The sorts of the rules below a node.
#[derive(Debug, Clone, Copy)]
enum Below<S> {
    None,
    One(S),
    Several,
}

impl<S: Copy + PartialEq> Below<S> {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Below::None, below) | (below, Below::None) => below,
            (Below::One(one), Below::One(other)) if one == other => self,
            (Below::One(_) | Below::Several, Below::One(_) | Below::Several) => Below::Several,
        }
    }
}

impl Index {
    /// The sorts of rules. What has none is not looked for.
    #[must_use]
    pub fn sorts<S: Copy + PartialEq>(&self, of: impl Fn(RuleNumber) -> Option<S>) -> Sorts<S> {
        let of_entries: Box<[Option<S>]> =
            self.owners.iter().map(|owner| rule_of(*owner).and_then(&of)).collect();
        let mut of_nodes = vec![Below::None; self.nodes.len()].into_boxed_slice();
        // Children come behind their parents.
        for (at, node) in self.nodes.iter().enumerate().rev() {
            let (first, count) = (node.at as usize, node.count as usize);
            of_nodes[at] = if count == 0 {
                of_nodes[at + 1].and(of_nodes[first])
            } else {
                let below = of_entries[first..first + count].iter().flatten();
                below.fold(Below::None, |below, sort| below.and(Below::One(*sort)))
            };
        }
        Sorts { of_nodes, of_entries }
    }

    /// The first rule of a wanted sort that has a point in a region. The sorts must be of this tree.
    #[must_use]
    pub fn first_of<S: Copy + PartialEq>(
        &self,
        sorts: &Sorts<S>,
        region: &Region,
        among: Among,
        is_wanted: impl Fn(S) -> bool,
    ) -> Option<RuleNumber> {
        let boxes = region.words().chunks_exact(self.layout.words());
        let firsts = boxes.filter_map(|one| {
            let leads = |node: u32| {
                let leads = match sorts.of_nodes[node as usize] {
                    Below::None => false,
                    Below::One(sort) => is_wanted(sort),
                    Below::Several => true,
                };
                leads && self.overlap(self.hull(node), self.hulls_asking.get(node as usize), one)
            };
            let is_it = |entry: u32| {
                let asking = self.entries_asking.get(entry as usize);
                sorts.of_entries[entry as usize].is_some_and(&is_wanted)
                    && self.overlap(self.entry(entry), asking, one)
            };
            self.first_led_to(among, leads, is_it)
        });
        firsts.min().and_then(rule_of)
    }
}
