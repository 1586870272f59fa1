//! What ends the way of packets on two sides, found by place: in one tree, so that it can be asked what
//! neither side takes.

use super::items::{DeedNumber, Item, Items};
use crate::packet::shares::in_shares;
use crate::packet::{Among, Budget, Index, Question, Region, RuleNumber, Sorts, Space, Verdict};

/// What it is worth to find out that packets do not come to an item.
const OF_HIDDEN: Budget = Budget(2_000);

/// The items of both sides that end the way of packets.
//
// The left ones have their numbers backwards, and the right ones follow: what comes before one of each
// is a stretch of numbers.
pub(super) struct Takers {
    pub index: Index,
    deeds: Sorts<DeedNumber>,
    /// How many items the left side has, of all.
    lefts: u32,
    /// Whether nothing changes packets: what is taken is there for nobody behind.
    pub is_still: bool,
    /// Of each side, whether no packet comes to an item, as far as that is found out: of very many that
    /// are alike, most. Where packets are changed, it is not looked for.
    hidden: [Vec<bool>; 2],
}

impl Takers {
    pub fn of(space: &Space, items: [&Items; 2], is_still: bool) -> Self {
        let [lefts, rights] = items.map(|items| &items.all[..]);
        let count = u32::try_from(lefts.len()).unwrap_or(u32::MAX);
        let backwards = (0..count).rev().zip(lefts);
        let all = backwards.chain((count..).zip(rights)).filter(|(_, item)| item.takes);
        let index = Index::of(space, all.map(|(number, item)| (RuleNumber(number), &item.region)));
        let deeds = index.sorts(|_| None);
        let hidden = [vec![false; lefts.len()], vec![false; rights.len()]];
        let mut takers = Takers { index, deeds, lefts: count, is_still, hidden };
        if is_still {
            takers.hidden = [0, 1].map(|side| takers.hidden_of(space, side, &items[side].all));
            let is_met = |number: RuleNumber| {
                let (side, place) = takers.place(number);
                !takers.hidden[side][place]
            };
            takers.index = takers.index.of_those(is_met);
        }
        takers.deeds = takers.index.sorts(|number| {
            let (side, place) = takers.place(number);
            Some(items[side].all[place].deed)
        });
        takers
    }

    fn hidden_of(&self, space: &Space, side: usize, items: &[Item]) -> Vec<bool> {
        let is_hidden = |place: usize, item: &Item| {
            let mut boxes = space.boxes(&item.region);
            let is_around = |one: &[u64]| {
                let mut region = Region::default();
                region.push(one);
                self.around(side, place, &region).is_some()
            };
            let (region, among) = (&item.region, self.those_before(side, place));
            let question = Question { region, among, seed: place as u64, budget: OF_HIDDEN };
            boxes.all(is_around) || self.index.witness(&question) == Verdict::Covered
        };
        let of_share = |first, items: &[Item]| -> Vec<bool> {
            (first..).zip(items).map(|(place, item)| is_hidden(place, item)).collect()
        };
        in_shares(items, of_share).concat()
    }

    /// Whether takers before an item are found to take all its packets.
    pub fn hide(&self, side: usize, place: usize) -> bool {
        self.hidden[side][place]
    }

    fn number(&self, side: usize, place: usize) -> RuleNumber {
        let place = u32::try_from(place).unwrap_or(u32::MAX);
        RuleNumber(match side {
            0 => self.lefts.saturating_sub(1).saturating_sub(place),
            _ => self.lefts.saturating_add(place),
        })
    }

    /// The side and the place of an item.
    fn place(&self, number: RuleNumber) -> (usize, usize) {
        match number.0.checked_sub(self.lefts) {
            None => (0, (self.lefts - 1 - number.0) as usize),
            Some(place) => (1, place as usize),
        }
    }

    /// Those of a side.
    fn all_of(&self, side: usize) -> Among {
        match side {
            0 => Among::before(RuleNumber(self.lefts)),
            _ => Among::after(RuleNumber(self.lefts.saturating_sub(1))),
        }
    }

    /// Those of a side before an item of it.
    fn those_before(&self, side: usize, last: usize) -> Among {
        let number = self.number(side, last);
        match side {
            0 => self.all_of(0).and_after(number),
            _ => Among::before(number).and_after(RuleNumber(self.lefts.saturating_sub(1))),
        }
    }

    /// Those before an item of each side.
    pub fn before_both(&self, [left, right]: [usize; 2]) -> Among {
        Among::before(self.number(1, right)).and_after(self.number(0, left))
    }

    /// Those before an item of a side that have packets of a region, in order.
    pub fn before(&self, side: usize, last: usize, region: &Region) -> Vec<usize> {
        let numbers = self.index.meeting(region, self.those_before(side, last)).into_iter();
        let mut places: Vec<usize> = numbers.map(|number| self.place(number).1).collect();
        places.sort_unstable();
        places
    }

    /// One before an item of a side that has one box around all of a region.
    pub fn around(&self, side: usize, last: usize, region: &Region) -> Option<usize> {
        let number = self.index.around(region, self.those_before(side, last));
        number.map(|number| self.place(number).1)
    }

    /// Those of a side that have packets of a region and do something else, in order.
    pub fn of_other_deeds(&self, side: usize, region: &Region, deed: DeedNumber) -> Vec<usize> {
        let among = self.all_of(side);
        let others = self.index.all_of(&self.deeds, region, among, |other| other != deed);
        let mut places: Vec<usize> =
            others.into_iter().map(|number| self.place(number).1).collect();
        places.sort_unstable();
        places
    }
}
