//! Rules of some sorts: what they do, say. Where many that meet do the same, only the others are looked for.

use std::cell::RefCell;
use std::collections::BTreeSet;

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
            let leads = |node| self.leads_to(sorts, node, one, &is_wanted);
            self.first_led_to(among, leads, |entry| self.is_of(sorts, entry, one, &is_wanted))
        });
        firsts.min().and_then(rule_of)
    }

    /// All rules of a wanted sort that have a point in a region, in order. The sorts must be of this tree.
    #[must_use]
    pub fn all_of<S: Copy + PartialEq>(
        &self,
        sorts: &Sorts<S>,
        region: &Region,
        among: Among,
        is_wanted: impl Fn(S) -> bool,
    ) -> Vec<RuleNumber> {
        let all = RefCell::new(BTreeSet::new());
        for one in region.words().chunks_exact(self.layout.words()) {
            let leads = |node| self.leads_to(sorts, node, one, &is_wanted);
            // None is enough.
            let notes = |entry| {
                if self.is_of(sorts, entry, one, &is_wanted) {
                    all.borrow_mut().insert(self.owner(entry));
                }
                false
            };
            self.first_led_to(among, leads, notes);
        }
        all.into_inner().into_iter().filter_map(rule_of).collect()
    }

    /// Whether an entry of a wanted sort below a node may have a point in a box.
    fn leads_to<S: Copy + PartialEq>(
        &self,
        sorts: &Sorts<S>,
        node: u32,
        one: &[u64],
        is_wanted: &impl Fn(S) -> bool,
    ) -> bool {
        let leads = match sorts.of_nodes[node as usize] {
            Below::None => false,
            Below::One(sort) => is_wanted(sort),
            Below::Several => true,
        };
        leads && self.overlap(self.hull(node), self.hulls_asking.get(node as usize), one)
    }

    /// Whether an entry is of a wanted sort and has a point in a box.
    fn is_of<S: Copy + PartialEq>(
        &self,
        sorts: &Sorts<S>,
        entry: u32,
        one: &[u64],
        is_wanted: &impl Fn(S) -> bool,
    ) -> bool {
        let asking = self.entries_asking.get(entry as usize);
        sorts.of_entries[entry as usize].is_some_and(is_wanted)
            && self.overlap(self.entry(entry), asking, one)
    }
}
