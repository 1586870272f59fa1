//! Building the tree: where to divide a set of boxes.
//!
//! Tried on a sample of the boxes, for every axis: in the middle; and wide ones from narrow ones.
//! The best division is the one after which a random point lies in the fewest boxes' branches
//! (the surface area heuristic of ray tracing, with points for rays: MacDonald and Booth,
//! "Heuristics for ray tracing using space subdivision", 1990).

use std::sync::atomic::{AtomicI32, Ordering};

use super::super::layout::{Held, Layout};
use super::super::shares::threads;
use super::super::space::Region;
use super::{Index, Node, Owner};

/// Boxes in a leaf. Small ones cost memory, large ones time; 4 to 16 differ little.
const LEAF: usize = 12;

/// Boxes of which a division is tried: enough to see a middle, few enough to be quick.
const SAMPLE: usize = 32;

/// Fewer boxes are divided before another thread has started.
const WORTH_A_THREAD: usize = 1_024;

/// The tree of some boxes with their owners.
pub(super) fn build(layout: Layout, possible: Region, boxes: &[u64], owners: &[Owner]) -> Index {
    let mut entries: Vec<u32> = (0..).take(owners.len()).collect();
    let others = i32::try_from(threads(entries.len()) - 1).unwrap_or(i32::MAX);
    let builder = Builder { layout: &layout, boxes, owners, idle: AtomicI32::new(others) };
    let mut tree = Tree::default();
    if !entries.is_empty() {
        builder.node(&mut entries, 0, &mut tree);
    }
    let words = layout.words();
    let mut sorted = Vec::with_capacity(boxes.len());
    for entry in &entries {
        sorted.extend_from_slice(&boxes[*entry as usize * words..][..words]);
    }
    let owners = entries.iter().map(|entry| owners[*entry as usize]).collect();
    let Tree { hulls, nodes } = tree;
    Index { layout, possible, boxes: sorted, owners, hulls, nodes, until: [].into() }
}

struct Builder<'b> {
    layout: &'b Layout,
    boxes: &'b [u64],
    owners: &'b [Owner],
    /// How many threads more may work. Below 0 while more of them work than there are processors.
    idle: AtomicI32,
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
#[derive(Clone, Copy)]
enum Division<'b> {
    /// Those whose middle on an axis of intervals is below this one; twice the middle, so as to be
    /// whole.
    Middle { axis: usize, twice: u64 },
    /// Those that have fewer values on an axis than this.
    Narrower { axis: usize, size: u32 },
    /// Those that have only values that this box has.
    Within { axis: usize, one: &'b [u64] },
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

impl<'b> Builder<'b> {
    /// Adds the node of some boxes, at least one, and all below it; `first` is the place of the first
    /// box.
    fn node(&self, entries: &mut [u32], first: usize, tree: &mut Tree) {
        if entries.len() <= LEAF {
            self.leaf(entries, first, tree);
            return;
        }
        let at = tree.nodes.len();
        tree.hulls.extend_from_slice(self.layout.full());
        tree.nodes.push(Node { least: 0, count: 0, at: 0 });
        let middle = self.divide(entries);
        let (near, far) = entries.split_at_mut(middle);
        let far_at = if near.len() + far.len() >= WORTH_A_THREAD && self.takes_idle() {
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

    fn leaf(&self, entries: &[u32], first: usize, tree: &mut Tree) {
        let (hull, words) = (tree.hulls.len(), self.layout.words());
        let mut least = Owner::MAX;
        for entry in entries {
            let (one, owner) = (self.entry(*entry), self.owners[*entry as usize]);
            match tree.hulls.get_mut(hull..hull + words) {
                Some(hull) => self.layout.widen(hull, one),
                None => tree.hulls.extend_from_slice(one),
            }
            least = least.min(owner);
        }
        tree.nodes.push(Node { least, count: place(entries.len()), at: place(first) });
    }

    /// Completes an inner node from its children.
    fn close(&self, at: usize, far_at: usize, tree: &mut Tree) {
        let words = self.layout.words();
        let least = tree.nodes[at + 1].least.min(tree.nodes[far_at].least);
        tree.nodes[at] = Node { least, count: 0, at: place(far_at) };
        let (own, below) = tree.hulls.split_at_mut((at + 1) * words);
        let own = &mut own[at * words..];
        own.copy_from_slice(&below[..words]);
        self.layout.widen(own, &below[(far_at - at - 1) * words..][..words]);
    }

    fn entry(&self, entry: u32) -> &'b [u64] {
        let words = self.layout.words();
        &self.boxes[entry as usize * words..][..words]
    }

    /// Puts the boxes of one side before those of the other; how many the first side has.
    ///
    /// Each side has at least a sixteenth, so that the tree is not deeper than 11 log₂(n).
    fn divide(&self, entries: &mut [u32]) -> usize {
        let count = entries.len();
        if let Some(division) = self.best_division(entries) {
            let middle = self.partition(entries, division);
            if middle.min(count - middle) >= (count / 16).max(1) {
                return middle;
            }
        }
        // Alike on every axis, or a sample that misled: any halves will do.
        count / 2
    }

    /// Puts the boxes on the near side of a division first; how many they are.
    fn partition(&self, entries: &mut [u32], division: Division<'_>) -> usize {
        let mut middle = 0;
        for at in 0..entries.len() {
            if self.is_near(division, self.entry(entries[at])) {
                entries.swap(middle, at);
                middle += 1;
            }
        }
        middle
    }

    fn is_near(&self, division: Division<'_>, one: &[u64]) -> bool {
        match division {
            Division::Middle { axis, twice } => self.twice_middle(axis, one) < twice,
            Division::Narrower { axis, size } => self.layout.size(axis, one) < size,
            Division::Within { axis, one: by } => {
                let words = self.layout.of(axis, one).iter().zip(self.layout.of(axis, by));
                words.into_iter().all(|(one, by)| one & !by == 0)
            }
        }
    }

    /// The best division of a sample of the boxes; `None` when none divides it.
    fn best_division(&self, entries: &[u32]) -> Option<Division<'b>> {
        let step = entries.len().div_ceil(SAMPLE).max(1);
        let sample: Vec<&[u64]> =
            entries.iter().step_by(step).map(|entry| self.entry(*entry)).collect();
        let mut best = None;
        let mut least = f64::INFINITY;
        let mut hulls = [self.layout.full().to_vec(), self.layout.full().to_vec()];
        self.divisions(&sample, |division| {
            let cost = self.cost(&sample, division, &mut hulls);
            if cost < least {
                (best, least) = (Some(division), cost);
            }
        });
        best
    }

    /// The divisions to try.
    fn divisions(&self, sample: &[&'b [u64]], mut attempt: impl FnMut(Division<'b>)) {
        let half = sample.len() / 2;
        let mut sizes: Vec<u32> = Vec::with_capacity(sample.len());
        let mut middles: Vec<u64> = Vec::with_capacity(sample.len());
        for axis in 0..self.layout.axes() {
            if self.layout.shape(axis).held == Held::Bits {
                let mut tried: [&[u64]; 2] = [&[], &[]];
                for (at, tried_at) in [0, half].into_iter().zip(0..) {
                    let one = sample[at];
                    if tried[0] != self.layout.of(axis, one) {
                        tried[tried_at] = self.layout.of(axis, one);
                        attempt(Division::Within { axis, one });
                    }
                }
            } else {
                middles.clear();
                middles.extend(sample.iter().map(|one| self.twice_middle(axis, one)));
                let (_, middle, _) = middles.select_nth_unstable(half);
                attempt(Division::Middle { axis, twice: *middle });
            }
            sizes.clear();
            sizes.extend(sample.iter().map(|one| self.layout.size(axis, one)));
            sizes.sort_unstable();
            if let (Some(smallest), Some(largest)) = (sizes.first(), sizes.last())
                && *smallest < largest / 4
            {
                attempt(Division::Narrower { axis, size: largest / 4 + 1 });
                attempt(Division::Narrower { axis, size: sizes[half] });
            }
        }
    }

    fn twice_middle(&self, axis: usize, one: &[u64]) -> u64 {
        let (first, last) = self.layout.ends(axis, one);
        u64::from(first) + u64::from(last)
    }

    /// What a search has to look at after a division: the boxes of each side, as often as a point is
    /// in the box around that side. The hulls are room to work in.
    fn cost(&self, sample: &[&[u64]], division: Division<'_>, hulls: &mut [Vec<u64>; 2]) -> f64 {
        let mut counts = [0.0; 2];
        for one in sample {
            let side = usize::from(self.is_near(division, one));
            if counts[side] == 0.0 {
                hulls[side].copy_from_slice(one);
            } else {
                self.layout.widen(&mut hulls[side], one);
            }
            counts[side] += 1.0;
        }
        if counts.contains(&0.0) {
            return f64::INFINITY;
        }
        let cost = |side: usize| counts[side] * self.layout.points(&hulls[side]);
        cost(0) + cost(1)
    }
}
