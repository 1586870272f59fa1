//! Points of a region that packets have.

use super::{Among, Index, NATURE};
use crate::packet::Random;
use crate::packet::space::{Point, Region};

/// Steps that are taken to leave what is no packet.
const SETTLING: usize = 8;

impl Index {
    /// Some points of a region, of packets that there are, each looked for when it is asked for: near the
    /// lowest and the highest of its boxes, and random ones.
    #[must_use]
    pub fn sample(
        &self,
        region: &Region,
        count: usize,
        seed: u64,
    ) -> impl DoubleEndedIterator<Item = Point> {
        self.packets(region, count, seed, |cell, random| {
            let ends = [self.layout.lowest(cell), self.layout.highest(cell)];
            ends.into_iter().chain([self.layout.anywhere(cell, random)]).collect()
        })
    }

    /// The random ones of those alone.
    #[must_use]
    pub fn random_sample(
        &self,
        region: &Region,
        count: usize,
        seed: u64,
    ) -> impl DoubleEndedIterator<Item = Point> {
        self.packets(region, count, seed, |cell, random| vec![self.layout.anywhere(cell, random)])
    }

    /// Points that are drawn from each of the first boxes of a region, a third as many boxes as points.
    fn packets(
        &self,
        region: &Region,
        count: usize,
        seed: u64,
        drawn: impl Fn(&[u64], &mut Random) -> Vec<Box<[u64]>>,
    ) -> impl DoubleEndedIterator<Item = Point> {
        let mut random = Random::new(seed);
        let cells: Vec<Box<[u64]>> = self.cells(region).take(count.div_ceil(3)).collect();
        let points = cells.into_iter().flat_map(|cell| {
            let points = drawn(&cell, &mut random);
            points.into_iter().map(move |point| (point, cell.clone()))
        });
        let points: Vec<_> = points.collect();
        points.into_iter().filter_map(|(point, cell)| self.packet(point, &cell))
    }

    /// A point of a cell, or one that a few steps lead to, if packets have it.
    fn packet(&self, mut point: Box<[u64]>, cell: &[u64]) -> Option<Point> {
        self.settle(&mut point, cell);
        self.is_packet(&point).then_some(Point(point))
    }

    /// The boxes of a region, less of each what is not possible.
    pub(in crate::packet) fn cells(&self, region: &Region) -> impl Iterator<Item = Box<[u64]>> {
        self.pairs(region).filter_map(|(one, possible)| {
            let mut cell: Box<[u64]> = one.into();
            self.layout.intersect(&mut cell, possible).then_some(cell)
        })
    }

    /// Adds the lowest point of the first of them; whether there is one.
    pub(in crate::packet) fn add_lowest(&self, region: &Region, points: &mut Vec<u64>) -> bool {
        let start = points.len();
        let mut pairs = self.pairs(region);
        let is_there = pairs.any(|(one, possible)| {
            points.truncate(start);
            points.extend_from_slice(one);
            self.layout.intersect(&mut points[start..], possible)
        });
        if is_there && self.has_nature() {
            let cell: Box<[u64]> = points[start..].into();
            self.layout.lower(&mut points[start..]);
            self.settle(&mut points[start..], &cell);
        } else if is_there {
            self.layout.lower(&mut points[start..]);
        } else {
            points.truncate(start);
        }
        is_there
    }

    /// Moves a point of a cell to one that packets have, if a few steps lead there: mostly what was
    /// translated, say, has to follow from what was not.
    pub(in crate::packet) fn settle(&self, point: &mut [u64], cell: &[u64]) {
        let nature = self.nature();
        let mut before = None;
        for _ in 0..SETTLING {
            let Some(entry) = nature.stab(point, Among::only(NATURE), |_| true) else { return };
            before = self.layout.leave(point, cell, nature.entry(entry), before);
            if before.is_none() {
                return;
            }
        }
    }

    /// Whether there are points that are no packets.
    fn has_nature(&self) -> bool {
        !self.nature().is_empty()
    }

    /// Whether a point is one that packets have.
    pub(in crate::packet) fn is_packet(&self, point: &[u64]) -> bool {
        self.nature().stab(point, Among::only(NATURE), |_| true).is_none()
    }
}
