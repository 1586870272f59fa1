//! Boxes in columns, so that what leads on leads to the right (Sugiyama, Tagawa and Toda, 1981).
//!
//! In four steps: each box gets a column, as far left as what leads to it allows; an arrow across several
//! columns gets a bend in those between; the boxes and bends of each column are ordered so that few
//! arrows cross ([`order`]); and then moved up and down towards what they are connected with
//! ([`heights`]). Everything is whole numbers and every tie has a rule.

mod heights;
mod order;

use std::collections::BTreeSet;

use petgraph::algo::toposort;
use petgraph::graph::{DiGraph, NodeIndex};

/// A box to be placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) width: i32,
    pub(super) height: i32,
    /// The first column that it may stand in.
    pub(super) stage: usize,
}

/// The end of an arrow: a box, and how far below its top.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Port {
    pub(super) at: usize,
    pub(super) y: i32,
}

/// An arrow between two boxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) from: Port,
    pub(super) to: Port,
    /// Whether `to` must stand right of `from`.
    pub(super) leads_on: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed {
    /// The upper left corner of each box.
    pub(super) boxes: Vec<(i32, i32)>,
    /// For each link the points that it goes through: straight from the first to the second, which
    /// is at the edge of its column, curved to the third, straight across a column, and so on.
    pub(super) routes: Vec<Vec<(i32, i32)>>,
    pub(super) width: i32,
    pub(super) height: i32,
}

/// Between two columns at the least and at the most; more where many arrows pass.
const GAP: (i32, i32) = (64, 160);

/// Takes up room in a column: a box, or where an arrow passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Item {
    height: i32,
}

/// A piece of an arrow from one column to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    /// An item and the height below its top, left and right.
    left: (usize, i32),
    right: (usize, i32),
}

/// The columns with what stands in them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Columns {
    /// Boxes by their numbers, then bends.
    items: Vec<Item>,
    /// The items of each column, from top to bottom.
    stacks: Vec<Vec<usize>>,
    /// Between each column and the next.
    pieces: Vec<Vec<Piece>>,
    /// For each link the items that it goes through, in its own direction.
    through: Vec<Vec<usize>>,
}

/// A place for each box and a way for each link.
pub(super) fn place(sizes: &[Size], links: &[Link]) -> Placed {
    let ranks = ranks(sizes, links);
    let mut columns = Columns::new(sizes, links, &ranks);
    order::order(&mut columns);
    let tops = heights::heights(&columns);
    let count = columns.stacks.len();
    let mut widths = vec![0; count];
    for (size, rank) in sizes.iter().zip(&ranks) {
        widths[*rank] = size.width.max(widths[*rank]);
    }
    let mut lefts = vec![0; count + 1];
    for column in 0..count {
        let passing = columns.pieces.get(column).map_or(0, Vec::len);
        let gap = GAP.0 + 4 * i32::try_from(passing).unwrap_or(GAP.1);
        lefts[column + 1] = lefts[column] + widths[column] + gap.min(GAP.1);
    }
    let boxes: Vec<(i32, i32)> =
        ranks.iter().zip(&tops).map(|(rank, top)| (lefts[*rank], *top)).collect();
    let right = boxes.iter().zip(sizes).map(|((x, _), size)| x + size.width).max();
    let bottom = boxes.iter().zip(sizes).map(|((_, y), size)| y + size.height);
    let bends = tops.iter().zip(&columns.items).map(|(top, item)| top + item.height);
    let height = bottom.chain(bends).max().unwrap_or(0);
    let router = Router { sizes, ranks: &ranks, tops: &tops, lefts: &lefts, widths: &widths };
    let routes = links.iter().zip(&columns.through);
    let routes = routes.map(|(link, through)| router.route(link, through)).collect();
    Placed { boxes, routes, width: right.unwrap_or(0), height }
}

/// The column of each box: the longest way that leads to it.
fn ranks(sizes: &[Size], links: &[Link]) -> Vec<usize> {
    let mut graph: DiGraph<(), ()> = DiGraph::new();
    for _ in sizes {
        graph.add_node(());
    }
    for link in links.iter().filter(|link| link.leads_on) {
        graph.update_edge(NodeIndex::new(link.from.at), NodeIndex::new(link.to.at), ());
    }
    let mut ranks: Vec<usize> = sizes.iter().map(|size| size.stage).collect();
    // Chains make no ring; if they did, the stages would have to do.
    for node in toposort(&graph, None).unwrap_or_default() {
        for next in graph.neighbors(node) {
            ranks[next.index()] = ranks[next.index()].max(ranks[node.index()] + 1);
        }
    }
    // No column stays empty.
    let used: BTreeSet<usize> = ranks.iter().copied().collect();
    ranks.iter().map(|rank| used.range(..rank).count()).collect()
}

impl Columns {
    fn new(sizes: &[Size], links: &[Link], ranks: &[usize]) -> Self {
        let count = ranks.iter().max().map_or(0, |last| last + 1);
        let mut columns = Columns {
            items: sizes.iter().map(|size| Item { height: size.height }).collect(),
            stacks: vec![Vec::new(); count],
            pieces: vec![Vec::new(); count.saturating_sub(1)],
            through: Vec::new(),
        };
        for (number, rank) in ranks.iter().enumerate() {
            columns.stacks[*rank].push(number);
        }
        for link in links {
            columns.add(link, ranks);
        }
        columns
    }

    fn add(&mut self, link: &Link, ranks: &[usize]) {
        let is_backward = ranks[link.from.at] > ranks[link.to.at];
        let (left, right) = if is_backward { (link.to, link.from) } else { (link.from, link.to) };
        let (first, last) = (ranks[left.at], ranks[right.at]);
        let mut through = vec![left.at];
        let mut at = (left.at, left.y);
        for rank in first..last {
            let next = if rank + 1 == last {
                (right.at, right.y)
            } else {
                self.items.push(Item { height: 0 });
                let bend = self.items.len() - 1;
                self.stacks[rank + 1].push(bend);
                (bend, 0)
            };
            self.pieces[rank].push(Piece { left: at, right: next });
            through.push(next.0);
            at = next;
        }
        if first == last {
            through.push(right.at);
        }
        if is_backward {
            through.reverse();
        }
        self.through.push(through);
    }
}

/// Draws links once everything has its place.
struct Router<'p> {
    sizes: &'p [Size],
    ranks: &'p [usize],
    tops: &'p [i32],
    lefts: &'p [i32],
    widths: &'p [i32],
}

impl Router<'_> {
    fn route(&self, link: &Link, through: &[usize]) -> Vec<(i32, i32)> {
        let (from, to) = (self.ranks[link.from.at], self.ranks[link.to.at]);
        // From the box, and from the edge of its column: a box may be narrower.
        let ends = |port: Port, on_the_right: bool| {
            let (rank, y) = (self.ranks[port.at], self.tops[port.at] + port.y);
            let left = self.lefts[rank];
            let [near, far] = [self.sizes[port.at].width, self.widths[rank]];
            if on_the_right { [(left + near, y), (left + far, y)] } else { [(left, y); 2] }
        };
        let mut points = ends(link.from, from <= to).to_vec();
        let between = through.get(1..through.len() - 1).unwrap_or_default();
        for (step, bend) in (1..).zip(between) {
            let rank = if from < to { from + step } else { from - step };
            let (left, right) = (self.lefts[rank], self.lefts[rank] + self.widths[rank]);
            let y = self.tops[*bend];
            points.extend(if from < to {
                [(left, y), (right, y)]
            } else {
                [(right, y), (left, y)]
            });
        }
        let [near, far] = ends(link.to, from >= to);
        points.extend([far, near]);
        points
    }
}

#[cfg(test)]
mod tests;
