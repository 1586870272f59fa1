//! Relations within one chain, as rails beside its rules.
//!
//! What leads to one rule shares a rail, and so does what one rule hides; rails that would meet lie
//! side by side, the shortest next to the rules.

use std::collections::BTreeMap;

use super::super::picture::{Arrow, ArrowKind, Picture};

/// An arrow from row to row of one box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rail<'p> {
    pub(super) arrow: &'p Arrow,
    pub(super) from: usize,
    pub(super) to: usize,
    /// From 0, next to the rules.
    pub(super) lane: usize,
}

/// The rails of a box, those that matter most last, so that they lie on top.
pub(super) fn rails(picture: &Picture, number: usize) -> Vec<Rail<'_>> {
    let arrows = picture
        .arrows
        .iter()
        .filter(|arrow| arrow.from.chain == number && arrow.to.chain == number);
    let mut rails: Vec<Rail<'_>> = arrows
        .filter_map(|arrow| {
            let (from, to) = arrow.from.row.zip(arrow.to.row)?;
            Some(Rail { arrow, from, to, lane: 0 })
        })
        .collect();
    let mut bundles: BTreeMap<(ArrowKind, usize), (usize, usize)> = BTreeMap::new();
    for rail in &rails {
        let (low, high) = (rail.from.min(rail.to), rail.from.max(rail.to));
        let ends = bundles.entry(bundle(rail)).or_insert((low, high));
        *ends = (ends.0.min(low), ends.1.max(high));
    }
    let lanes = assign(&bundles);
    for rail in &mut rails {
        rail.lane = lanes.get(&bundle(rail)).copied().unwrap_or(0);
    }
    rails.sort_by_key(|rail| (std::cmp::Reverse(rail.arrow.kind), rail.to, rail.from));
    rails
}

/// How many lie side by side in a box.
pub(super) fn lanes(picture: &Picture, number: usize) -> usize {
    rails(picture, number).iter().map(|rail| rail.lane + 1).max().unwrap_or(0)
}

/// Which rail an arrow runs on.
fn bundle(rail: &Rail<'_>) -> (ArrowKind, usize) {
    let kind = rail.arrow.kind;
    match kind {
        ArrowKind::Hides | ArrowKind::Way | ArrowKind::Jump | ArrowKind::Goto => (kind, rail.from),
        ArrowKind::Conflicts | ArrowKind::Excepts | ArrowKind::DependsOn => (kind, rail.to),
    }
}

/// A lane for each interval of rows, such that those in one lane have no row in common.
fn assign<K: Ord + Copy>(intervals: &BTreeMap<K, (usize, usize)>) -> BTreeMap<K, usize> {
    let mut sorted: Vec<(K, (usize, usize))> =
        intervals.iter().map(|(key, ends)| (*key, *ends)).collect();
    sorted.sort_by_key(|(_, (low, high))| (high - low, *low));
    let mut lanes: Vec<Vec<(usize, usize)>> = Vec::new();
    let mut assigned = BTreeMap::new();
    for (key, (low, high)) in sorted {
        let is_free =
            |lane: &Vec<(usize, usize)>| lane.iter().all(|one| high < one.0 || one.1 < low);
        let lane = lanes.iter().position(is_free).unwrap_or(lanes.len());
        if lane == lanes.len() {
            lanes.push(Vec::new());
        }
        lanes[lane].push((low, high));
        assigned.insert(key, lane);
    }
    assigned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rails_that_would_meet_lie_side_by_side_the_shortest_inside() {
        let intervals = [('a', (0, 9)), ('b', (1, 2)), ('c', (3, 5)), ('d', (2, 4)), ('e', (5, 6))];
        let lanes = assign(&intervals.into());
        assert_eq!(lanes, [('a', 3), ('b', 0), ('c', 2), ('d', 1), ('e', 0)].into());
    }
}
