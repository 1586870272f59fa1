//! The boxes of an ordered list of rules, found by place: a static tree of bounding boxes.
//!
//! Each node has a box around what is below it and the first rule there, so a search for "before rule
//! *i*" passes over what comes later. Rules that are wide on a field are kept apart from those that
//! are narrow there ([`build`]): one wide box would make the boxes around a whole branch useless.
//!
//! Points that are no packets ([`Space::impossible`]) belong to no rule; searches find them like
//! a rule before all others, so that no question is ever about them.

mod build;
mod points;
mod search;
mod sorts;
mod together;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::layout::Layout;
use super::space::{Point, Region, Space};

pub use sorts::Sorts;

/// A rule by its place in the list, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleNumber(pub u32);

/// Which rules a search looks at: those of a stretch of the list, less one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Among {
    /// The first owner that is looked at, beside points that are no packets.
    from: Owner,
    /// Owners below this one are looked at.
    below: Owner,
    except: Option<Owner>,
}

impl Among {
    /// All rules.
    pub const ALL: Among = Among { from: 0, below: Owner::MAX, except: None };

    /// The rules before one.
    #[must_use]
    pub fn before(rule: RuleNumber) -> Self {
        Among::ALL.and_before(rule)
    }

    /// The rules after one.
    #[must_use]
    pub fn after(rule: RuleNumber) -> Self {
        Among { from: owner_of(rule).saturating_add(1), ..Among::ALL }
    }

    /// Those of these that stand after a rule.
    #[must_use]
    pub fn and_after(self, rule: RuleNumber) -> Self {
        Among { from: self.from.max(owner_of(rule).saturating_add(1)), ..self }
    }

    /// Those of these that stand before a rule.
    #[must_use]
    pub fn and_before(self, rule: RuleNumber) -> Self {
        self.and_below(owner_of(rule))
    }

    /// All of these but one.
    #[must_use]
    pub fn but(self, except: RuleNumber) -> Self {
        Among { except: Some(owner_of(except)), ..self }
    }

    /// One owner, and points that are no packets.
    pub(super) fn only(owner: Owner) -> Self {
        Among { from: owner, ..Among::ALL }.and_below(owner.saturating_add(1))
    }

    /// Those of these below an owner.
    pub(super) fn and_below(self, owner: Owner) -> Self {
        Among { below: self.below.min(owner), ..self }
    }

    pub(super) fn from(self) -> Owner {
        self.from
    }

    pub(super) fn below(self) -> Owner {
        self.below
    }

    fn has(self, owner: Owner) -> bool {
        owner < self.below && (owner >= self.from || owner == NATURE) && self.except != Some(owner)
    }
}

/// Whose box it is: [`NATURE`]'s, of points that are no packets, or the rule's number and one.
pub(super) type Owner = u32;

pub(super) const NATURE: Owner = 0;

/// The tree.
// INVARIANT: the words of entry *i* are at `i * words`, those of node *i*'s box likewise; a node's
// near child follows it; every entry is below exactly one leaf.
#[derive(Debug, Clone)]
pub struct Index {
    layout: Layout,
    possible: Region,
    boxes: Vec<u64>,
    owners: Vec<Owner>,
    hulls: Vec<u64>,
    nodes: Vec<Node>,
    /// Of each entry and of each node's box the words of flags in which it says something, where it is
    /// worth knowing ([`Layout::asking`]).
    entries_asking: Box<[Range<u32>]>,
    hulls_asking: Box<[Range<u32>]>,
    /// Of each owner, the first rule behind it that it is not looked at for; empty where none is so.
    until: Box<[u32]>,
    /// All entries, those of one owner together, once they are asked for.
    by_owner: OnceLock<Box<[u32]>>,
    /// The tree of no rules, where this one has some: what is no packet is found sooner in it.
    nature: Option<Arc<Index>>,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    /// The first owner below it.
    least: Owner,
    /// The last one.
    most: Owner,
    /// Searches before a later rule than this find nothing below it: see [`Index::until`].
    until: u32,
    /// Of a leaf, how many entries it has; else 0.
    count: u32,
    /// Of a leaf, its first entry; else the far child.
    at: u32,
}

impl Index {
    /// The tree of the boxes of some rules, in any order.
    pub fn of<'r>(
        space: &Space,
        rules: impl IntoIterator<Item = (RuleNumber, &'r Region)>,
    ) -> Self {
        let tree = Self::beside(space, space.impossible(), rules);
        Index { nature: Some(Arc::clone(space.nature())), ..tree }
    }

    /// The tree of no rules.
    pub(super) fn of_nature(space: &Space) -> Self {
        Self::beside(space, space.impossible(), [])
    }

    /// The tree of rules to be asked of packets that somebody has: each is one, whatever it is.
    pub fn of_packets<'r>(
        space: &Space,
        rules: impl IntoIterator<Item = (RuleNumber, &'r Region)>,
    ) -> Self {
        Self::beside(space, Region::NONE, rules)
    }

    fn beside<'r>(
        space: &Space,
        impossible: &Region,
        rules: impl IntoIterator<Item = (RuleNumber, &'r Region)>,
    ) -> Self {
        let mut boxes = impossible.words().to_vec();
        let mut owners = vec![NATURE; space.count(impossible)];
        for (rule, region) in rules {
            boxes.extend_from_slice(region.words());
            owners.resize(boxes.len() / space.layout().words(), owner_of(rule));
        }
        build::build(space.layout().clone(), space.possible().clone(), boxes, owners)
    }

    /// The same tree, but a rule is looked at only by searches before a rule that comes earlier than a
    /// given one: what leaves a chain takes packets from the rest of that chain only. `until` has the
    /// number of that rule for each rule; a rule without one, or with the highest number, has no end.
    #[must_use]
    pub fn until(mut self, until: impl IntoIterator<Item = RuleNumber>) -> Self {
        let nature = std::iter::once(u32::MAX);
        self.until = nature.chain(until.into_iter().map(|rule| rule.0)).collect();
        if self.until.iter().all(|rule| *rule == u32::MAX) {
            self.until = [].into();
        } else {
            self.close_nodes();
        }
        self
    }

    /// Tells all nodes until where something below them is looked at.
    fn close_nodes(&mut self) {
        // What is below a node comes behind it.
        for at in (0..self.nodes.len()).rev() {
            let Node { count, at: first, .. } = self.nodes[at];
            self.nodes[at].until = if count == 0 {
                self.nodes[at + 1].until.max(self.nodes[first as usize].until)
            } else {
                let owners = &self.owners[first as usize..][..count as usize];
                let untils = owners.iter().map(|owner| self.until.get(*owner as usize));
                untils.map(|until| until.copied().unwrap_or(u32::MAX)).max().unwrap_or(u32::MAX)
            };
        }
    }

    /// The tree of the boxes of the rules that fit.
    #[must_use]
    pub fn of_those(&self, fits: impl Fn(RuleNumber) -> bool) -> Self {
        let entries =
            (0..).zip(&self.owners).filter(|(_, owner)| rule_of(**owner).is_none_or(&fits));
        let entries: Vec<u32> = entries.map(|(entry, _)| entry).collect();
        Index { until: self.until.clone(), ..self.only(&entries) }
    }

    /// Looks at a rule no more.
    pub fn leave_out(&mut self, rule: RuleNumber) {
        if self.until.is_empty() {
            let owners = self.owners.iter().max().map_or(0, |last| *last as usize + 1);
            self.until = vec![u32::MAX; owners].into();
        }
        // Searches before the first rule are the only ones that it could be looked at for.
        if let Some(until) = self.until.get_mut(owner_of(rule) as usize) {
            *until = 0;
        }
    }

    /// The same tree without what is left out: searches pass over it, but they meet it.
    #[must_use]
    pub fn swept(&self) -> Self {
        self.of_those(|rule| self.until.get(owner_of(rule) as usize) != Some(&0))
    }

    /// The tree of some entries of this one.
    pub(super) fn only(&self, entries: &[u32]) -> Self {
        let boxes: Vec<u64> =
            entries.iter().flat_map(|entry| self.entry(*entry)).copied().collect();
        let owners: Vec<Owner> = entries.iter().map(|entry| self.owner(*entry)).collect();
        let tree = build::build(self.layout.clone(), self.possible.clone(), boxes, owners);
        Index { nature: self.nature.clone(), ..tree }
    }

    /// How many boxes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.owners.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    /// The first rule that takes a packet.
    #[must_use]
    pub fn first(&self, point: &Point, among: Among) -> Option<RuleNumber> {
        self.first_around(&point.0, among).and_then(rule_of)
    }

    /// The rules that take a packet, in order.
    #[must_use]
    pub fn all(&self, point: &Point, among: Among) -> Vec<RuleNumber> {
        let mut entries = Vec::new();
        self.overlaps(&point.0, among, |owner| self.has(among, owner), &mut entries);
        let rules = entries.into_iter().filter_map(|entry| rule_of(self.owner(entry)));
        rules.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Whether a rule takes a packet.
    #[must_use]
    pub fn takes(&self, point: &Point, among: Among) -> bool {
        self.stab(&point.0, among, |owner| self.has(among, owner)).is_some()
    }

    /// The rules that have a point in a region, in order.
    #[must_use]
    pub fn meeting(&self, region: &Region, among: Among) -> Vec<RuleNumber> {
        self.meeting_that(region, among, |_| true)
    }

    /// The same, of the rules that fit.
    #[must_use]
    pub fn meeting_that(
        &self,
        region: &Region,
        among: Among,
        fits: impl Fn(RuleNumber) -> bool,
    ) -> Vec<RuleNumber> {
        let mut entries = Vec::new();
        let fits = |owner| self.has(among, owner) && rule_of(owner).is_some_and(&fits);
        for one in region.words().chunks_exact(self.layout.words()) {
            self.overlaps(one, among, fits, &mut entries);
        }
        let mut rules: Vec<RuleNumber> =
            entries.into_iter().filter_map(|entry| rule_of(self.owner(entry))).collect();
        rules.sort_unstable();
        rules.dedup();
        rules
    }

    /// The rules below a number, each once, in the order in which their first boxes are in the tree; then
    /// those that have none.
    #[must_use]
    pub fn order(&self, count: usize) -> Vec<RuleNumber> {
        let mut is_new = vec![true; count];
        let mut order = Vec::with_capacity(count);
        let in_tree = self.owners.iter().filter_map(|owner| rule_of(*owner));
        for rule in in_tree.chain((0..).map(RuleNumber).take(count)) {
            if is_new.get_mut(rule.0 as usize).is_some_and(std::mem::take) {
                order.push(rule);
            }
        }
        order
    }

    /// Whether a search looks at an owner.
    pub(super) fn has(&self, among: Among, owner: Owner) -> bool {
        among.has(owner) && self.until.get(owner as usize).is_none_or(|until| among.below <= *until)
    }

    /// The first rule that has one box around a whole region. Others may take all of it too, with
    /// several boxes.
    #[must_use]
    pub fn around(&self, region: &Region, among: Among) -> Option<RuleNumber> {
        let mut hull: Option<Vec<u64>> = None;
        for one in region.words().chunks_exact(self.layout.words()) {
            match &mut hull {
                None => hull = Some(one.to_vec()),
                Some(hull) => self.layout.widen(hull, one),
            }
        }
        self.first_around(&hull?, among).and_then(rule_of)
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    fn nature(&self) -> &Index {
        self.nature.as_deref().unwrap_or(self)
    }

    /// Each box of a region with each that is possible.
    fn pairs<'r>(&self, region: &'r Region) -> impl Iterator<Item = (&'r [u64], &[u64])> {
        let boxes = region.words().chunks_exact(self.layout.words());
        boxes.flat_map(|one| self.possible().map(move |possible| (one, possible)))
    }

    pub(super) fn possible(&self) -> impl Iterator<Item = &[u64]> + Clone {
        self.possible.words().chunks_exact(self.layout.words())
    }

    /// The words of an entry.
    pub(super) fn entry(&self, entry: u32) -> &[u64] {
        let words = self.layout.words();
        &self.boxes[entry as usize * words..][..words]
    }

    pub(super) fn owner(&self, entry: u32) -> Owner {
        self.owners[entry as usize]
    }

    /// An entry that has a point; the owner must be one of those and `fit`.
    pub(super) fn stab(
        &self,
        point: &[u64],
        among: Among,
        fit: impl Fn(Owner) -> bool,
    ) -> Option<u32> {
        let mut found = None;
        self.search(point, among, |entry| {
            found = fit(self.owner(entry)).then_some(entry);
            found.is_some()
        });
        found
    }

    /// The entries of some owners that overlap a region.
    pub(super) fn overlaps_of(&self, region: &Region, owners: &BTreeSet<Owner>) -> Vec<u32> {
        let boxes = || region.words().chunks_exact(self.layout.words());
        let own: Vec<&[u32]> = owners.iter().map(|owner| self.entries_of(*owner)).collect();
        let count: usize = own.iter().map(|own| own.len()).sum();
        if count.saturating_mul(boxes().count()) <= self.len() {
            let overlaps =
                |entry: &&u32| boxes().any(|one| self.layout.overlap(self.entry(**entry), one));
            return own.concat().iter().filter(overlaps).copied().collect();
        }
        // Most of the tree is theirs.
        let last = owners.last().copied().unwrap_or(NATURE);
        let among = Among::ALL.and_below(last.saturating_add(1));
        let mut entries = Vec::new();
        for one in boxes() {
            self.overlaps(one, among, |owner| owners.contains(&owner), &mut entries);
        }
        entries
    }

    fn entries_of(&self, owner: Owner) -> &[u32] {
        let by_owner = self.by_owner.get_or_init(|| {
            let mut entries: Box<[u32]> = (0..).take(self.len()).collect();
            entries.sort_by_key(|entry| self.owner(*entry));
            entries
        });
        let from = by_owner.partition_point(|entry| self.owner(*entry) < owner);
        let own = by_owner[from..].partition_point(|entry| self.owner(*entry) == owner);
        &by_owner[from..][..own]
    }

    /// Adds the entries that overlap a box, whose owner is one of those and fits.
    pub(super) fn overlaps(
        &self,
        one: &[u64],
        among: Among,
        fit: impl Fn(Owner) -> bool,
        into: &mut Vec<u32>,
    ) {
        self.search(one, among, |entry| {
            if fit(self.owner(entry)) {
                into.push(entry);
            }
            false
        });
    }

    fn hull(&self, node: u32) -> &[u64] {
        let words = self.layout.words();
        &self.hulls[node as usize * words..][..words]
    }
}

fn owner_of(rule: RuleNumber) -> Owner {
    rule.0.saturating_add(1)
}

/// The rule of an owner; `None` for points that are no packets.
pub(super) fn rule_of(owner: Owner) -> Option<RuleNumber> {
    owner.checked_sub(1).map(RuleNumber)
}
