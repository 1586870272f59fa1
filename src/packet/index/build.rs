//! Building the tree: where to divide a set of boxes.
//!
//! Tried on a sample of the boxes, for every axis: in the middle; and wide ones from narrow ones.
//! The best division is the one after which a random point lies in the fewest boxes' branches
//! (the surface area heuristic of ray tracing, with points for rays: MacDonald and Booth,
//! "Heuristics for ray tracing using space subdivision", 1990).

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering};

use super::super::layout::{Held, Layout};
use super::super::shares::threads;
use super::super::space::Region;
use super::{Index, NATURE, Node, Owner};

/// Boxes in a leaf. Small ones cost memory, large ones time; 4 to 16 differ little.
const LEAF: usize = 16;

/// Boxes of which a division is tried: enough to see a middle, few enough to be quick.
const SAMPLE: usize = 32;

/// The same of fewer than [`FEW`] boxes: most nodes have few.
const SMALL_SAMPLE: usize = 16;

const FEW: usize = 64;

/// Fewer boxes are divided before another thread has started.
const WORTH_A_THREAD: usize = 1_024;

/// The tree of some boxes with their owners, the boxes one after the other.
pub(super) fn build(
    layout: Layout,
    possible: Region,
    mut boxes: Vec<u64>,
    mut owners: Vec<Owner>,
) -> Index {
    let others = i32::try_from(threads(owners.len()) - 1).unwrap_or(i32::MAX);
    let builder = Builder { layout: &layout, idle: AtomicI32::new(others) };
    let mut tree = Tree::default();
    if !owners.is_empty() {
        builder.node(Entries { boxes: &mut boxes, owners: &mut owners }, 0, &mut tree);
    }
    let Tree { hulls, nodes } = tree;
    Index {
        entries_asking: layout.asking(&boxes),
        hulls_asking: layout.asking(&hulls),
        layout,
        possible,
        boxes,
        owners,
        hulls,
        nodes,
        until: [].into(),
        by_owner: OnceLock::new(),
        nature: None,
    }
}

struct Builder<'l> {
    layout: &'l Layout,
    /// How many threads more may work. Below 0 while more of them work than there are processors.
    idle: AtomicI32,
}

/// Boxes that a branch is made of, to be put in its order.
struct Entries<'e> {
    boxes: &'e mut [u64],
    owners: &'e mut [Owner],
}

/// What [`Index`] has of these names, as far as it is done.
#[derive(Default)]
struct Tree {
    hulls: Vec<u64>,
    nodes: Vec<Node>,
}

/// A place in the list of boxes or nodes. There are fewer than 2³² of either.
fn place(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

/// A way to divide boxes.
#[derive(Clone)]
enum Division {
    /// Those whose middle on an axis of intervals is below this one; twice the middle, so as to be
    /// whole.
    Middle { axis: usize, twice: u64 },
    /// Those that have fewer values on an axis than this.
    Narrower { axis: usize, size: u64 },
    /// Those that have only values that one of them has: its words on the axis.
    Within { axis: usize, words: Box<[u64]> },
}

impl Tree {
    /// Adds the tree of what comes after all that this one has.
    fn append(&mut self, mut behind: Self) {
        let offset = place(self.nodes.len());
        self.nodes.extend(behind.nodes.into_iter().map(|node| match node.count {
            0 => Node { at: node.at + offset, ..node },
            _ => node,
        }));
        self.hulls.append(&mut behind.hulls);
    }
}

impl Entries<'_> {
    fn len(&self) -> usize {
        self.owners.len()
    }

    /// The words of a box.
    fn one(&self, at: usize) -> &[u64] {
        let words = self.boxes.len() / self.owners.len();
        &self.boxes[at * words..][..words]
    }

    fn swap(&mut self, a: usize, b: usize) {
        if a == b {
            return;
        }
        self.owners.swap(a, b);
        let words = self.boxes.len() / self.owners.len();
        let (before, behind) = self.boxes.split_at_mut(a.max(b) * words);
        before[a.min(b) * words..][..words].swap_with_slice(&mut behind[..words]);
    }

    /// Puts those that are on the near side first; how many they are.
    fn partition(&mut self, is_near: impl Fn(&[u64], Owner) -> bool) -> usize {
        let mut middle = 0;
        for at in 0..self.len() {
            if is_near(self.one(at), self.owners[at]) {
                self.swap(middle, at);
                middle += 1;
            }
        }
        middle
    }

    /// The first ones, as many as said, and the others.
    fn split_at(&mut self, middle: usize) -> (Entries<'_>, Entries<'_>) {
        let words = self.boxes.len() / self.owners.len();
        let (near_boxes, far_boxes) = self.boxes.split_at_mut(middle * words);
        let (near_owners, far_owners) = self.owners.split_at_mut(middle);
        let near = Entries { boxes: near_boxes, owners: near_owners };
        (near, Entries { boxes: far_boxes, owners: far_owners })
    }
}

impl Builder<'_> {
    /// Adds the node of some boxes, at least one, and all below it; `first` is the place of the first
    /// box.
    fn node(&self, mut entries: Entries<'_>, first: usize, tree: &mut Tree) {
        if entries.len() <= LEAF {
            self.leaf(&entries, first, tree);
            return;
        }
        let at = tree.nodes.len();
        tree.hulls.extend_from_slice(self.layout.full());
        tree.nodes.push(Node { least: 0, most: 0, until: u32::MAX, count: 0, at: 0 });
        let is_worth_a_thread = entries.len() >= WORTH_A_THREAD;
        let middle = self.divide(&mut entries);
        let (near, far) = entries.split_at(middle);
        let far_at = if is_worth_a_thread && self.takes_idle() {
            let mut behind = Tree::default();
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    self.node(far, first + middle, &mut behind);
                    self.idle.fetch_add(1, Ordering::Relaxed);
                });
                self.node(near, first, tree);
                // This thread waits now. It goes on when the other has ended.
                self.idle.fetch_add(1, Ordering::Relaxed);
            });
            self.idle.fetch_sub(1, Ordering::Relaxed);
            let far_at = tree.nodes.len();
            tree.append(behind);
            far_at
        } else {
            self.node(near, first, tree);
            let far_at = tree.nodes.len();
            self.node(far, first + middle, tree);
            far_at
        };
        self.close(at, far_at, tree);
    }

    /// Whether another thread may work; it is taken.
    fn takes_idle(&self) -> bool {
        let less_one = |idle: i32| (idle > 0).then(|| idle - 1);
        self.idle.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less_one).is_ok()
    }

    fn leaf(&self, entries: &Entries<'_>, first: usize, tree: &mut Tree) {
        let hull = tree.hulls.len();
        tree.hulls.extend_from_slice(entries.one(0));
        for at in 1..entries.len() {
            self.layout.widen(&mut tree.hulls[hull..], entries.one(at));
        }
        let least = entries.owners.iter().copied().min().unwrap_or(Owner::MAX);
        let most = entries.owners.iter().copied().max().unwrap_or(NATURE);
        let (count, at) = (place(entries.len()), place(first));
        tree.nodes.push(Node { least, most, until: u32::MAX, count, at });
    }

    /// Completes an inner node from its children.
    fn close(&self, at: usize, far_at: usize, tree: &mut Tree) {
        let words = self.layout.words();
        let least = tree.nodes[at + 1].least.min(tree.nodes[far_at].least);
        let most = tree.nodes[at + 1].most.max(tree.nodes[far_at].most);
        tree.nodes[at] = Node { least, most, at: place(far_at), ..tree.nodes[at] };
        let (own, below) = tree.hulls.split_at_mut((at + 1) * words);
        let own = &mut own[at * words..];
        own.copy_from_slice(&below[..words]);
        self.layout.widen(own, &below[(far_at - at - 1) * words..][..words]);
    }

    /// Puts the boxes of one side before those of the other; how many the first side has.
    ///
    /// Each side has at least a sixteenth, so that the tree is not deeper than 11 log₂(n).
    fn divide(&self, entries: &mut Entries<'_>) -> usize {
        let count = entries.len();
        let has_enough = |middle: &usize| (*middle).min(count - middle) >= (count / 16).max(1);
        let best = self.best_division(entries);
        let best = best
            .map(|division| entries.partition(|one, _| self.is_near(&division, one)))
            .filter(has_enough);
        best.unwrap_or_else(|| {
            // Alike on every axis, or a sample that misled. Searches are among a stretch of the owners.
            let mut owners = entries.owners.to_vec();
            let (_, owner, _) = owners.select_nth_unstable(count / 2);
            let middle = entries.partition(|_, own| own < *owner);
            // Mostly of one owner: any halves will do.
            Some(middle).filter(has_enough).unwrap_or(count / 2)
        })
    }

    fn is_near(&self, division: &Division, one: &[u64]) -> bool {
        match division {
            Division::Middle { axis, twice } => self.twice_middle(*axis, one) < *twice,
            Division::Narrower { axis, size } => u64::from(self.layout.size(*axis, one)) < *size,
            Division::Within { axis, words } => self.layout.is_within(*axis, one, words),
        }
    }

    /// The best division of a sample of the boxes; `None` when none divides it.
    fn best_division(&self, entries: &Entries<'_>) -> Option<Division> {
        let most = if entries.len() < FEW { SMALL_SAMPLE } else { SAMPLE };
        let step = entries.len().div_ceil(most);
        let sample: Vec<&[u64]> =
            (0..entries.len()).step_by(step).map(|at| entries.one(at)).collect();
        let mut best = None;
        let mut least = f64::INFINITY;
        let mut hulls = [self.layout.full().to_vec(), self.layout.full().to_vec()];
        self.divisions(&sample, |division, near| {
            let cost = self.cost(&sample, near, &mut hulls);
            if cost < least {
                (best, least) = (Some(division), cost);
            }
        });
        best
    }

    /// The divisions to try, each with the boxes of the sample on its near side, a bit each.
    fn divisions(&self, sample: &[&[u64]], mut attempt: impl FnMut(Division, u64)) {
        let half = sample.len() / 2;
        let mut keys: Vec<u64> = Vec::with_capacity(sample.len());
        let mut sorted: Vec<u64> = Vec::with_capacity(sample.len());
        let within = |axis, one| {
            let division = Division::Within { axis, words: self.layout.of(axis, one).into() };
            let near = mask(sample.iter().map(|one| self.is_near(&division, one)));
            (division, near)
        };
        for axis in self.layout.unflagged() {
            if self.layout.shape(axis).held == Held::Bits {
                let (first, second) = (sample[0], sample[half]);
                let is_another = self.layout.of(axis, first) != self.layout.of(axis, second);
                for one in std::iter::once(first).chain(is_another.then_some(second)) {
                    let (division, near) = within(axis, one);
                    attempt(division, near);
                }
            } else {
                keys.clear();
                keys.extend(sample.iter().map(|one| self.twice_middle(axis, one)));
                sorted.clone_from(&keys);
                let (_, twice, _) = sorted.select_nth_unstable(half);
                let near = mask(keys.iter().map(|key| key < twice));
                attempt(Division::Middle { axis, twice: *twice }, near);
            }
            keys.clear();
            keys.extend(sample.iter().map(|one| u64::from(self.layout.size(axis, one))));
            sorted.clone_from(&keys);
            sorted.sort_unstable();
            if let (Some(smallest), Some(largest)) = (sorted.first(), sorted.last())
                && *smallest < largest / 4
            {
                for size in [largest / 4 + 1, sorted[half]] {
                    let near = mask(keys.iter().map(|key| *key < size));
                    attempt(Division::Narrower { axis, size }, near);
                }
            }
        }
        // Of thousands of flags a box asks for few, and only those divide it from others.
        for one in [sample[0], sample[half]] {
            for axis in self.layout.flags_apart(self.layout.full(), one) {
                let (division, near) = within(axis, one);
                attempt(division, near);
            }
        }
    }

    fn twice_middle(&self, axis: usize, one: &[u64]) -> u64 {
        let (first, last) = self.layout.ends(axis, one);
        u64::from(first) + u64::from(last)
    }

    /// What a search has to look at after a division that has these boxes on its near side: the boxes of
    /// each side, as often as a point is in the box around that side. The hulls are room to work in.
    fn cost(&self, sample: &[&[u64]], near: u64, hulls: &mut [Vec<u64>; 2]) -> f64 {
        let counts = [place(sample.len()) - near.count_ones(), near.count_ones()];
        if counts.contains(&0) {
            return f64::INFINITY;
        }
        let firsts = [near.trailing_ones(), near.trailing_zeros()];
        for (hull, first) in hulls.iter_mut().zip(firsts) {
            hull.copy_from_slice(sample[first as usize]);
        }
        for (at, one) in sample.iter().enumerate() {
            self.layout.widen(&mut hulls[usize::from(near >> at & 1 == 1)], one);
        }
        let cost = |side: usize| f64::from(counts[side]) * self.layout.points(&hulls[side]);
        cost(0) + cost(1)
    }
}

/// A bit for each, the first one lowest. There are no more than [`SAMPLE`].
fn mask(sides: impl DoubleEndedIterator<Item = bool>) -> u64 {
    sides.rev().fold(0, |mask, side| mask << 1 | u64::from(side))
}
