//! The packets of one family as points of a grid, and sets of them as boxes of a few words.
//!
//! In go the [`PacketSet`]s that questions will be about, all at once: what no set tells apart is
//! one point here (see [`domain`] and [`axis`]). A field that no set speaks of has no axis. Out come
//! the same sets as [`Region`]s: unions of boxes, lists as bits wherever an axis has few values, so
//! that `a, b, c to d, e` is one box; and from a point comes a [`Packet`] again.
//!
//! A field that a packet does not have, such as the ports of ICMP, has the value "absent" there, and
//! no other: [`Space::possible`] says which values go together. What does not go together and cannot be
//! said as a few boxes, [`Space::impossible`] says; no rule takes it and no question is about it.

mod axis;
mod carry;
mod domain;
mod gather;
mod placed;
mod possible;
mod tell;
mod witness;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use super::index::{Among, Index};
use super::layout::{Held, Layout};
use super::probes::View;
use super::shares::{in_large_shares, in_shares};
use super::uncovered::{Budget, Question, Verdict};
use super::{Constraint, Factor, Field, FieldBox, PacketSet, Product, Values};
use crate::net::Family;

use axis::{Axis, Subject};
use gather::{Gathered, LONG};
pub use placed::Placed;
pub use tell::{Asks, Teller};

/// The states of packets that have no connection, as bits of [`Field::State`]: invalid, untracked.
const UNTRACKED: u64 = 0b1_0001;

/// The grid that some sets of packets of one family make.
#[derive(Debug, Clone)]
pub struct Space {
    family: Family,
    axes: Box<[Axis]>,
    layout: Layout,
    possible: Region,
    impossible: Region,
    /// The index of what is impossible, once it is asked for.
    nature: OnceLock<Arc<Index>>,
}

/// A union of boxes of one space; they may overlap.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Region {
    /// The words of each box after those of the one before.
    words: Vec<u64>,
}

/// One packet for each value that rules tell apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Point(pub(super) Box<[u64]>);

impl Space {
    /// The space of all packets of a family, as far as these sets tell them apart, and the sets as
    /// regions of it, in their order. Sets of the other family are empty. With a `view`, only what
    /// a chain can see of packets is possible.
    #[must_use]
    pub fn of(family: Family, view: Option<View>, sets: &[&PacketSet]) -> (Self, Vec<Region>) {
        let gather = |_, sets: &[&PacketSet]| {
            let mut gathered = Gathered::default();
            sets.iter().filter(|set| set.family() == family).for_each(|set| gathered.add(set));
            gathered.sort(family);
            gathered
        };
        let shares = in_large_shares(sets, gather).into_iter();
        let mut gathered = shares.reduce(Gathered::with).unwrap_or_default();
        if let Some(view) = view {
            possible::add_view(view, &mut gathered);
        }
        let axes: Box<[Axis]> = gathered.axes(family).into();
        let shapes: Vec<_> = axes.iter().map(Axis::shape).collect();
        let layout = Layout::new(&shapes);
        let [possible, impossible] = [Region::default(), Region::default()];
        let nature = OnceLock::new();
        let mut space = Space { family, axes, layout, possible, impossible, nature };
        space.possible = possible::possible(&space, view);
        space.impossible = possible::impossible(&space);
        let compile = |_, sets: &[&PacketSet]| {
            let mut compiler = Compiler { space: &space, known: HashMap::new() };
            sets.iter().map(|set| compiler.region(set)).collect::<Vec<Region>>()
        };
        let regions = in_shares(sets, compile).into_iter().flatten().collect();
        (space, regions)
    }

    #[must_use]
    pub fn family(&self) -> Family {
        self.family
    }

    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Boxes that have all packets there are, and no point that has a field absent that such
    /// packets have, or present that they do not have.
    #[must_use]
    pub fn possible(&self) -> &Region {
        &self.possible
    }

    /// Boxes of points that no packet has although they are in [`Space::possible`]: untranslated
    /// with another destination before, an account although it came in.
    #[must_use]
    pub fn impossible(&self) -> &Region {
        &self.impossible
    }

    /// Says of points that no packet has them: facts that cannot go together, say.
    pub fn rule_out(&mut self, region: &Region) {
        self.impossible.words.extend_from_slice(&region.words);
        self.nature = OnceLock::new();
    }

    /// How many boxes a region has.
    #[must_use]
    pub fn count(&self, region: &Region) -> usize {
        self.boxes(region).count()
    }

    /// The boxes of a region.
    pub fn boxes<'r>(&self, region: &'r Region) -> impl Iterator<Item = &'r [u64]> + Clone {
        region.words.chunks_exact(self.layout.words())
    }

    /// Whether boxes of both have a point in common.
    #[must_use]
    pub fn overlap(&self, a: &Region, b: &Region) -> bool {
        self.boxes(a).any(|a| self.boxes(b).any(|b| self.layout.overlap(a, b)))
    }

    /// The points in both.
    #[must_use]
    pub fn intersection(&self, a: &Region, b: &Region) -> Region {
        Placed::of(self, b).intersection(a)
    }

    /// The points of `a` that are not in `b`, as disjoint boxes if those of `a` are.
    #[must_use]
    pub fn difference(&self, a: &Region, b: &Region) -> Region {
        Placed::of(self, b).missed(a, usize::MAX).unwrap_or_default()
    }

    /// The points in either.
    #[must_use]
    pub fn union(&self, a: &Region, b: &Region) -> Region {
        Region { words: [&a.words[..], &b.words[..]].concat() }
    }

    /// All points of which packets are possible and that are not in a region.
    #[must_use]
    pub fn complement(&self, region: &Region) -> Region {
        let all = self.difference(&self.possible, &self.impossible);
        self.difference(&all, region)
    }

    /// Whether a region has no packet. (Were it too much work to find out, it counts as one that has.)
    #[must_use]
    pub fn is_empty(&self, region: &Region) -> bool {
        self.nature().witness(&about(region)) == Verdict::Covered
    }

    /// The same of many regions, quicker than one by one.
    #[must_use]
    pub fn are_empty(&self, regions: &[Region]) -> Vec<bool> {
        let ask = |_, regions: &[Region]| {
            let questions: Vec<_> = regions.iter().map(about).collect();
            self.nature().witness_each(&questions)
        };
        let verdicts = in_shares(regions, ask).into_iter().flatten();
        verdicts.map(|verdict| verdict == Verdict::Covered).collect()
    }

    /// The index of no rules: what it takes is no packet.
    pub fn nature(&self) -> &Arc<Index> {
        self.nature.get_or_init(|| Arc::new(Index::of_nature(self)))
    }

    /// The points of a region of which some packets meet conditions on numbers. The conditions may tell
    /// packets apart that are one point here: no set that the space is of does.
    #[must_use]
    pub fn touching(&self, region: &Region, conditions: &[Constraint]) -> Region {
        let touched = conditions.iter().filter_map(|one| {
            let (number, axis) = self.axis_of(one.field())?;
            Some(self.narrowed(number, &axis.touching(one.values())))
        });
        touched.fold(region.clone(), |region, touched| self.intersection(&region, &touched))
    }

    /// Whether each packet of a region meets a condition that packets do not show.
    #[must_use]
    pub fn asks_for_facts(&self, region: &Region) -> bool {
        self.boxes(region).all(|one| {
            let mut facts = self.layout.flags_apart(self.layout.full(), one);
            facts.any(|flag| self.layout.ends(flag, one).0 == 1)
        })
    }

    /// The lowest point of the first box of a region; `None` when it has no box.
    #[must_use]
    pub fn first(&self, region: &Region) -> Option<Point> {
        self.boxes(region).next().map(|one| Point(self.layout.lowest(one)))
    }

    #[must_use]
    pub fn contains(&self, region: &Region, point: &Point) -> bool {
        self.boxes(region).any(|one| self.layout.contains(one, &point.0))
    }

    /// The axis of a field and its number.
    fn axis_of(&self, field: Field) -> Option<(usize, &Axis)> {
        let number = self.number_of(&Subject::Field(field))?;
        Some((number, &self.axes[number]))
    }

    /// The number of the axis of a subject. They are in order, and those of facts may be thousands.
    fn number_of(&self, subject: &Subject) -> Option<usize> {
        self.axes.binary_search_by(|axis| axis.subject.cmp(subject)).ok()
    }

    /// The whole space, but on one axis only some values; `None` when there are none. On an axis of
    /// intervals, a box each.
    fn narrowed(&self, axis: usize, values: &[(u32, u32)]) -> Region {
        let mut region = Region::default();
        self.narrow(&mut region.words, self.layout.full(), axis, values);
        region
    }

    /// Adds a box with only some of its values on one axis: as boxes, since an axis of intervals
    /// takes one at a time.
    fn narrow(&self, into: &mut Vec<u64>, one: &[u64], axis: usize, values: &[(u32, u32)]) {
        let at_a_time = match self.layout.shape(axis).held {
            Held::Interval => 1,
            Held::Bits | Held::Flag => values.len().max(1),
        };
        for values in values.chunks(at_a_time) {
            let start = into.len();
            into.extend_from_slice(one);
            if !self.layout.keep(axis, &mut into[start..], values) {
                into.truncate(start);
            }
        }
    }
}

impl Region {
    /// No packet.
    pub const NONE: &Region = &Region { words: Vec::new() };

    /// Whether it has no box. A region that has boxes may still have no packet.
    #[must_use]
    pub fn has_no_box(&self) -> bool {
        self.words.is_empty()
    }

    /// The words of all boxes, one after the other.
    pub(super) fn words(&self) -> &[u64] {
        &self.words
    }

    /// Leaves only boxes that are kept, as they are then.
    fn keep(&mut self, layout: &Layout, mut is_kept: impl FnMut(&mut [u64]) -> bool) {
        let (words, mut end) = (layout.words(), 0);
        for start in (0..self.words.len()).step_by(words) {
            if is_kept(&mut self.words[start..start + words]) {
                self.words.copy_within(start..start + words, end);
                end += words;
            }
        }
        self.words.truncate(end);
    }

    /// Adds all boxes of another.
    pub fn append(&mut self, other: &Region) {
        self.words.extend_from_slice(&other.words);
    }

    /// Adds a box.
    pub fn push(&mut self, one: &[u64]) {
        self.words.extend_from_slice(one);
    }
}

/// The question whether there is a packet in a region.
fn about(region: &Region) -> Question<'_> {
    Question { region, among: Among::ALL, seed: 0, budget: Budget::default() }
}

/// Turns sets into regions: the second look at them.
struct Compiler<'s> {
    space: &'s Space,
    /// Long lists that are done. The list is held too, so that no other can get its address.
    known: HashMap<usize, (Factor, Region)>,
}

impl Compiler<'_> {
    fn region(&mut self, set: &PacketSet) -> Region {
        let mut region = Region::default();
        if set.family() == self.space.family {
            for product in set.products() {
                self.add_product(&mut region, product);
            }
        }
        region
    }

    fn add_product(&mut self, region: &mut Region, product: &Product) {
        let space = self.space;
        let mut whole = Region { words: space.layout.full().to_vec() };
        for factor in product.factors() {
            if let [one] = factor.boxes() {
                whole = constrained(space, whole, one);
            } else if factor.boxes().len() < LONG {
                whole = space.intersection(&whole, &factor_region(space, factor));
            } else {
                let known = self.known.entry(factor.address());
                let made = || (factor.clone(), factor_region(space, factor));
                whole = space.intersection(&whole, &known.or_insert_with(made).1);
            }
        }
        if region.words.is_empty() {
            *region = whole;
        } else {
            region.words.append(&mut whole.words);
        }
    }
}

/// A union of boxes, in as few as is easy.
fn factor_region(space: &Space, factor: &Factor) -> Region {
    let mut region = Region::default();
    for one in factor.boxes() {
        let whole = Region { words: space.layout.full().to_vec() };
        region.words.append(&mut constrained(space, whole, one).words);
    }
    merged(space, &region)
}

/// The points of a region that fulfil all conditions of a box.
fn constrained(space: &Space, region: Region, one: &FieldBox) -> Region {
    one.constraints().iter().fold(region, |region, constraint| constrain(space, region, constraint))
}

fn constrain(space: &Space, region: Region, constraint: &Constraint) -> Region {
    let values = constraint.values();
    match values {
        Values::Numbers(_) | Values::Bits(_) | Values::Interfaces(_) | Values::Accounts(_) => {
            match space.axis_of(constraint.field()) {
                Some((number, axis)) => kept(space, region, number, axis, values),
                None => region,
            }
        }
        Values::Mark(mark) => {
            let axes = space.axes.iter().enumerate();
            let speaking = axes.filter(|(_, axis)| match &axis.subject {
                Subject::Mark { field, mask } => {
                    *field == constraint.field() && mark.mask() & mask != 0
                }
                Subject::Fact(_) | Subject::Field(_) => false,
            });
            speaking
                .fold(region, |region, (number, axis)| kept(space, region, number, axis, values))
        }
        Values::Opaque(wanted) => {
            let facts = wanted.holding().iter().map(|text| (text, 1));
            let facts = facts.chain(wanted.failing().iter().map(|text| (text, 0)));
            let facts = facts.filter_map(|(text, value)| {
                Some((space.number_of(&Subject::Fact(Arc::clone(text)))?, value))
            });
            let facts: Vec<(usize, u32)> = facts.collect();
            let mut region = region;
            region.keep(&space.layout, |one| {
                let keep = |(axis, value): &(usize, u32)| {
                    space.layout.keep(*axis, one, &[(*value, *value)])
                };
                facts.iter().all(keep)
            });
            region
        }
    }
}

/// The points of a region that have some values on an axis.
fn kept(space: &Space, mut region: Region, number: usize, axis: &Axis, values: &Values) -> Region {
    if region.words.len() == space.layout.words()
        && let Some(run) = axis.of_one(values)
    {
        // The usual case, without a copy.
        if !space.layout.keep(number, &mut region.words, &[run]) {
            region.words.clear();
        }
        return region;
    }
    let values = axis.of(values);
    let mut kept = Region::default();
    for one in space.boxes(&region) {
        space.narrow(&mut kept.words, one, number, &values);
    }
    kept
}

/// The same points in fewer boxes: boxes that differ on one axis of bits only are one box.
fn merged(space: &Space, region: &Region) -> Region {
    let mut boxes: Vec<Box<[u64]>> = space.boxes(region).map(Into::into).collect();
    let bits = (0..space.axes.len()).filter(|axis| space.layout.shape(*axis).held == Held::Bits);
    let full = space.layout.full();
    let flags: BTreeSet<usize> =
        boxes.iter().flat_map(|one| space.layout.flags_apart(full, one)).collect();
    for axis in bits.chain(flags) {
        let but_axis = |one: &[u64]| {
            let mut rest: Box<[u64]> = one.into();
            space.layout.clear(axis, &mut rest);
            rest
        };
        boxes.sort_by_cached_key(|one| but_axis(one));
        boxes.dedup_by(|next, kept| {
            let same = but_axis(next) == but_axis(kept);
            if same {
                space.layout.widen(kept, next);
            }
            same
        });
    }
    Region { words: boxes.concat() }
}

#[cfg(test)]
mod tests;
