//! Searches of the tree: the first entry that fits, or each.

use std::ops::Range;

use super::{Among, Index, NATURE, Node, Owner, RuleNumber, rule_of};

impl Index {
    /// The first owner that has an entry around all of a box.
    pub(in crate::packet) fn first_around(&self, one: &[u64], among: Among) -> Option<Owner> {
        self.first_that(among, |own, asking| self.contains(own, asking, one))
    }

    /// The first rule that has a point in a box. The tree must be one of packets that somebody has.
    #[must_use]
    pub fn first_meeting(&self, one: &[u64], among: Among) -> Option<RuleNumber> {
        self.first_that(among, |own, asking| self.overlap(own, asking, one)).and_then(rule_of)
    }

    /// The first owner with an entry that fits, as then all boxes around it do.
    fn first_that(
        &self,
        among: Among,
        fits: impl Fn(&[u64], Option<&Range<u32>>) -> bool,
    ) -> Option<Owner> {
        let leads = |node| fits(self.hull(node), self.hulls_asking.get(node as usize));
        let is_it = |entry| fits(self.entry(entry), self.entries_asking.get(entry as usize));
        self.first_led_to(among, leads, is_it)
    }

    /// The first owner with an entry that is looked for; all nodes above it must lead to it.
    pub(super) fn first_led_to(
        &self,
        among: Among,
        leads: impl Fn(u32) -> bool,
        is_it: impl Fn(u32) -> bool,
    ) -> Option<Owner> {
        let mut least = among.below();
        if !self.nodes.is_empty() {
            self.find_first(0, among, &leads, &is_it, &mut least);
        }
        (least < among.below()).then_some(least)
    }

    /// Lowers `least` to the first owner below a node that has such an entry.
    fn find_first(
        &self,
        mut at: u32,
        among: Among,
        leads: &impl Fn(u32) -> bool,
        is_it: &impl Fn(u32) -> bool,
        least: &mut Owner,
    ) {
        loop {
            let node = self.nodes[at as usize];
            let is_earlier = node.most < among.from && node.least != NATURE;
            let is_over = node.until < among.below;
            if is_earlier || is_over || node.least >= *least || !leads(at) {
                return;
            }
            if node.count == 0 {
                // The side that starts earlier first: what it has may spare the other.
                let (near, far) = (at + 1, node.at);
                let in_order = self.nodes[near as usize].least <= self.nodes[far as usize].least;
                let (first, second) = if in_order { (near, far) } else { (far, near) };
                self.find_first(first, among, leads, is_it, least);
                at = second;
                continue;
            }
            for entry in node.at..node.at + node.count {
                let owner = self.owner(entry);
                let is_earlier = owner < *least && self.has(among, owner);
                if is_earlier && is_it(entry) {
                    *least = owner;
                }
            }
            return;
        }
    }

    /// Shows the entries that overlap a box and whose owner is one of those, until one is enough.
    pub(in crate::packet) fn search(
        &self,
        one: &[u64],
        among: Among,
        mut is_enough: impl FnMut(u32) -> bool,
    ) {
        if !self.nodes.is_empty() && self.is_worth_searching(0, one, among) {
            self.search_below(0, one, among, &mut is_enough);
        }
    }

    /// Whether something below a node may overlap a box and have an owner of those.
    #[inline]
    fn is_worth_searching(&self, at: u32, one: &[u64], among: Among) -> bool {
        let node = self.nodes[at as usize];
        node.least < among.below
            && (node.most >= among.from || node.least == NATURE)
            && node.until >= among.below
            && self.overlap(self.hull(at), self.hulls_asking.get(at as usize), one)
    }

    /// The same below a node that is worth it; whether one was enough. (No deeper than the tree: see
    /// [`build`].)
    fn search_below(
        &self,
        mut at: u32,
        one: &[u64],
        among: Among,
        is_enough: &mut impl FnMut(u32) -> bool,
    ) -> bool {
        loop {
            let node = self.nodes[at as usize];
            if node.count > 0 {
                return self.search_leaf(node, one, among, is_enough);
            }
            let (near, far) = (at + 1, node.at);
            if self.is_worth_searching(near, one, among)
                && self.search_below(near, one, among, is_enough)
            {
                return true;
            }
            if !self.is_worth_searching(far, one, among) {
                return false;
            }
            at = far;
        }
    }

    fn search_leaf(
        &self,
        leaf: Node,
        one: &[u64],
        among: Among,
        is_enough: &mut impl FnMut(u32) -> bool,
    ) -> bool {
        let asking = &self.entries_asking;
        if asking.is_empty() {
            let meets = |_, own: &[u64]| self.layout.overlap(own, one);
            return self.search_meeting(leaf, meets, among, is_enough);
        }
        let meets =
            |entry, own: &[u64]| self.layout.overlap_asking(own, &asking[entry as usize], one);
        self.search_meeting(leaf, meets, among, is_enough)
    }

    #[inline]
    fn search_meeting(
        &self,
        leaf: Node,
        meets: impl Fn(u32, &[u64]) -> bool,
        among: Among,
        is_enough: &mut impl FnMut(u32) -> bool,
    ) -> bool {
        let (words, from, to) =
            (self.layout.words(), leaf.at as usize, (leaf.at + leaf.count) as usize);
        let boxes = self.boxes[from * words..to * words].chunks_exact(words);
        let owned = (leaf.at..).zip(&self.owners[from..to]).zip(boxes);
        for ((entry, owner), own) in owned {
            if meets(entry, own) && among.has(*owner) && is_enough(entry) {
                return true;
            }
        }
        false
    }

    /// Whether an own box, which says something in some words of flags only, contains another.
    #[inline]
    pub(super) fn contains(&self, own: &[u64], asking: Option<&Range<u32>>, one: &[u64]) -> bool {
        match asking {
            None => self.layout.contains(own, one),
            Some(asking) => self.layout.contains_asking(own, asking, one),
        }
    }

    /// Whether such a box has a point in common with another.
    #[inline]
    pub(super) fn overlap(&self, own: &[u64], asking: Option<&Range<u32>>, one: &[u64]) -> bool {
        match asking {
            None => self.layout.overlap(own, one),
            Some(asking) => self.layout.overlap_asking(own, asking, one),
        }
    }
}
