//! Regions of which each box is asked about many times: of many boxes, those that are met are found by place.

use std::cell::{Cell, OnceCell};

use super::super::index::{Among, Index, RuleNumber};
use super::{Region, Space};

/// Up to so many boxes are looked at one by one.
const FEW: usize = 64;

/// All boxes are looked at one by one so many times: to know their places is as much work.
const PATIENCE: usize = 16;

/// For each box that may be left, so many pieces are looked at: most of them may be taken whole.
const LOOKS_OF_A_BOX: usize = 8;

/// A region that others are held to.
pub struct Placed<'s> {
    space: &'s Space,
    region: &'s Region,
    count: u32,
    /// How many boxes were looked at.
    looks: Cell<usize>,
    /// Each box by its number, once there were many looks.
    index: OnceCell<Index>,
}

impl<'s> Placed<'s> {
    #[must_use]
    pub fn of(space: &'s Space, region: &'s Region) -> Self {
        let count = u32::try_from(space.count(region)).unwrap_or(u32::MAX);
        Placed { space, region, count, looks: Cell::default(), index: OnceCell::new() }
    }

    fn one(&self, number: u32) -> &'s [u64] {
        let words = self.space.layout.words();
        &self.region.words[number as usize * words..][..words]
    }

    /// The points of this region that are in another too.
    #[must_use]
    pub fn intersection(&self, other: &Region) -> Region {
        let mut both = Region::default();
        for one in self.space.boxes(other) {
            let mut from = 0;
            while let Some(number) = self.first_meeting(one, from, self.count) {
                let start = both.words.len();
                both.push(one);
                self.space.layout.intersect(&mut both.words[start..], self.one(number));
                from = number + 1;
            }
        }
        both
    }

    /// The points of another region that are not in this one; `None` when they are in more boxes than so
    /// many, or are as hard to find.
    #[must_use]
    pub fn missed(&self, other: &Region, most: usize) -> Option<Region> {
        self.missed_by_first(self.count as usize, other, most)
    }

    /// The same of the first so many boxes of this region.
    #[must_use]
    pub fn missed_by_first(&self, count: usize, other: &Region, most: usize) -> Option<Region> {
        let below = u32::try_from(count).map_or(self.count, |count| count.min(self.count));
        let mut pieces = Pieces::of(self.space, most);
        for one in self.space.boxes(other) {
            self.add_missed(one, below, &mut pieces)?;
        }
        Some(pieces.left)
    }

    /// The same points in boxes that have none in common; `None` when those are more than so many, or are
    /// as hard to find.
    #[must_use]
    pub fn apart(&self, most: usize) -> Option<Region> {
        let mut pieces = Pieces::of(self.space, most);
        for number in 0..self.count {
            self.add_missed(self.one(number), number, &mut pieces)?;
        }
        Some(pieces.left)
    }

    /// Adds the points of a box that are in none below a number. What one leaves of it meets only those behind.
    fn add_missed(&self, one: &[u64], below: u32, pieces: &mut Pieces) -> Option<()> {
        let mut open: Vec<(Box<[u64]>, u32)> = vec![(one.into(), 0)];
        while let Some((one, from)) = open.pop() {
            match self.first_meeting(&one, from, below) {
                None => pieces.left.push(&one),
                Some(number) => {
                    let pieces = self.space.layout.without(one, self.one(number)).into_iter().rev();
                    open.extend(pieces.map(|piece| (piece, number + 1)));
                }
            }
            pieces.looks = pieces.looks.checked_sub(1)?;
            if pieces.left.words.len() > pieces.most_words {
                return None;
            }
        }
        Some(())
    }

    /// The first box of a stretch that has a point of another.
    fn first_meeting(&self, one: &[u64], from: u32, below: u32) -> Option<u32> {
        let layout = &self.space.layout;
        if let Some(index) = self.index() {
            let among = Among::before(RuleNumber(below));
            let among = from.checked_sub(1).map_or(among, |last| among.and_after(RuleNumber(last)));
            return index.first_meeting(one, among).map(|number| number.0);
        }
        let first = (from..below).find(|number| layout.overlap(self.one(*number), one));
        let looks = first.map_or(below, |first| first + 1) - from;
        self.looks.set(self.looks.get() + looks as usize);
        first
    }

    /// The places of the boxes, if they are worth it by now.
    fn index(&self) -> Option<&Index> {
        let count = self.count as usize;
        if count <= FEW || self.looks.get() <= PATIENCE * count {
            return None;
        }
        let placed = || {
            let boxes = self.space.boxes(self.region).map(|one| Region { words: one.to_vec() });
            let boxes: Vec<Region> = boxes.collect();
            Index::of_packets(self.space, (0..).map(RuleNumber).zip(&boxes))
        };
        Some(self.index.get_or_init(placed))
    }
}

/// What is left of boxes that lose points.
struct Pieces {
    left: Region,
    most_words: usize,
    /// How many pieces more are looked at.
    looks: usize,
}

impl Pieces {
    fn of(space: &Space, most: usize) -> Self {
        Pieces {
            left: Region::default(),
            most_words: most.saturating_mul(space.layout.words()),
            looks: most.saturating_mul(LOOKS_OF_A_BOX),
        }
    }
}
