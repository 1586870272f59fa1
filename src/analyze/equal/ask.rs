//! Packets for which what has no counterpart makes a difference.
//!
//! A packet that the sides treat otherwise meets an item without a counterpart on one of them. If that
//! ends its way, the other side decides something else, or does something before that this side did
//! not; if it goes on from there, the other side ends its way without that deed. So each such item is
//! asked about together with each item of the other side that would make the difference, within the
//! packets of both: is one left that no earlier item took?

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use super::items::{DeedNumber, Deeds, Items};
use super::takers::Takers;
use super::{MOST_DIFFERENCES, Side, Why};
use crate::analyze::work::Allowance;
use crate::packet::{
    Among, Budget, Index, Placed, Point, Question, Region, RuleNumber, Space, Verdict,
};

/// Boxes of the packets of a difference before they are too many to be told.
const MOST_PIECES: usize = 2_000;

/// Questions about one chain before it is too much.
const MOST_QUESTIONS: usize = 1_000_000;

/// Boxes that the packets of all differences of a chain are held to, before those of the others are not
/// told.
const MOST_HELD_TO: usize = 1_000_000;

/// So many items are taken one by one from the packets of a difference.
const FEW: usize = 256;

/// A difference between an item of the left and one of the right.
pub(super) struct Found {
    pub left: usize,
    pub right: usize,
    pub point: Point,
    pub region: Option<Region>,
}

/// A side: what it does, the pairs that its items are in, and how many times packets were changed
/// before each.
pub(super) type SideOf<'a> = (&'a Items, Vec<Option<u32>>, Vec<u32>);

/// Two sides, ready to be asked.
pub(super) struct Sides<'a> {
    space: &'a Space,
    deeds: &'a Deeds,
    items: [&'a Items; 2],
    pairs: [Vec<Option<u32>>; 2],
    stretches: [Vec<u32>; 2],
    takers: Takers,
    /// Of each side, what goes on.
    events: [Index; 2],
    /// What is left for the last item of each side, once it is asked for.
    rests: [OnceCell<Option<Region>>; 2],
    /// Boxes that the packets of differences are held to.
    holding: Allowance,
    budget: Budget,
}

impl<'a> Sides<'a> {
    pub fn new(space: &'a Space, deeds: &'a Deeds, sides: [SideOf<'a>; 2], budget: Budget) -> Self {
        let [left, right] = sides;
        let items = [left.0, right.0];
        let stretches = [left.2, right.2];
        let is_still = stretches.iter().all(|all| all.last().is_none_or(|last| *last == 0));
        let takers = Takers::of(space, items, is_still);
        let events = [0, 1].map(|side: usize| {
            let all = items[side].all.iter().enumerate();
            let events = all.filter(|(place, item)| !item.takes && !takers.hide(side, *place));
            Index::of(space, events.map(|(place, item)| (number(place), &item.region)))
        });
        let (pairs, rests) = ([left.1, right.1], Default::default());
        let holding = Allowance::of(MOST_HELD_TO);
        Sides { space, deeds, items, pairs, stretches, takers, events, rests, holding, budget }
    }

    /// The differences, in the order of the items.
    pub fn found(&self) -> Result<Vec<Found>, Why> {
        let mut found: BTreeMap<(usize, usize), Found> = BTreeMap::new();
        let mut asked = BTreeSet::new();
        for side in [Side::Left, Side::Right] {
            let own = side as usize;
            let alone = self.alone(own).into_iter();
            for place in alone.filter(|place| !self.takers.hide(own, *place)) {
                for other in self.rivals(side, place) {
                    let pair = match side {
                        Side::Left => (place, other),
                        Side::Right => (other, place),
                    };
                    if found.len() >= MOST_DIFFERENCES {
                        return Ok(found.into_values().collect());
                    }
                    if !asked.insert(pair) {
                        continue;
                    }
                    if asked.len() > MOST_QUESTIONS {
                        return Err(Why::Work);
                    }
                    if let Some(difference) = self.differ(pair.0, pair.1)? {
                        found.insert(pair, difference);
                    }
                }
            }
        }
        Ok(found.into_values().collect())
    }

    /// The items of a side that are to be asked about: those without a counterpart, and what does again
    /// what such a one has done before, where that counts.
    fn alone(&self, side: usize) -> BTreeSet<usize> {
        let items = &self.items[side].all;
        let mut alone: BTreeSet<usize> =
            (0..items.len()).filter(|place| self.pairs[side][*place].is_none()).collect();
        let deeds = alone.iter().map(|place| items[*place].deed);
        let deeds: BTreeSet<DeedNumber> =
            deeds.filter(|deed| self.deeds.get(*deed).adds_up()).collect();
        let sorts = self.events[side].sorts(|event| {
            let place = event.0 as usize;
            let deed = items[place].deed;
            (deeds.contains(&deed) && alone.contains(&place)).then_some(deed)
        });
        let again = items.iter().enumerate().filter(|(place, item)| {
            let before = Among::before(number(*place));
            let is_same = |deed| deed == item.deed;
            !item.takes
                && deeds.contains(&item.deed)
                && !alone.contains(place)
                && self.events[side].first_of(&sorts, &item.region, before, is_same).is_some()
        });
        let again: Vec<usize> = again.map(|(place, _)| place).collect();
        alone.extend(again);
        alone
    }

    /// Packets that end their way on one side before others are changed, and on the other side not. Where
    /// that makes a difference only a walk can tell.
    pub fn going_on(&self) -> Result<Vec<Point>, Why> {
        let mut points = Vec::new();
        for own in [0, 1] {
            let last = self.stretches[own].last();
            for (place, item) in self.items[own].all.iter().enumerate() {
                let stretch = self.stretches[own][place];
                if self.pairs[own][place].is_some() || !item.takes || Some(&stretch) == last {
                    continue;
                }
                let other = self.stretches[1 - own].partition_point(|at| *at <= stretch);
                let before = [
                    self.before(own, place, &item.region),
                    self.before(1 - own, other.saturating_sub(1), &item.region),
                    self.at(1 - own, other.saturating_sub(1)),
                ];
                let taken = before.into_iter().flatten();
                let index = Index::of(self.space, (0..).map(RuleNumber).zip(taken));
                match index.witness(&self.question(&item.region, place)) {
                    Verdict::Covered => {}
                    Verdict::Incomplete => return Err(Why::Work),
                    Verdict::Uncovered(point) => points.push(point),
                }
            }
        }
        Ok(points)
    }

    fn question<'r>(&self, region: &'r Region, seed: usize) -> Question<'r> {
        Question { region, among: Among::ALL, seed: seed as u64, budget: self.budget }
    }

    /// What an item takes itself.
    fn at(&self, side: usize, place: usize) -> Vec<&'a Region> {
        let item = self.items[side].all.get(place).filter(|item| item.takes);
        item.map(|item| &item.region).into_iter().collect()
    }

    /// The items of the other side that would make a difference to packets of this one.
    fn rivals(&self, side: Side, place: usize) -> Vec<usize> {
        let (own, other) = (side as usize, 1 - side as usize);
        let item = &self.items[own].all[place];
        let mut rivals = self.takers.of_other_deeds(other, &item.region, item.deed);
        if item.takes {
            let events = self.events[other].meeting(&item.region, Among::ALL);
            rivals.extend(events.into_iter().map(|event| event.0 as usize));
        }
        let stretch = self.stretches[own][place];
        rivals.retain(|rival| self.stretches[other][*rival] == stretch);
        rivals
    }

    /// Whether a packet meets both items, and is treated otherwise for it.
    fn differ(&self, left: usize, right: usize) -> Result<Option<Found>, Why> {
        let places = [left, right];
        let [one, other] = [0, 1].map(|side: usize| &self.items[side].all[places[side]]);
        let both = self.space.intersection(&one.region, &other.region);
        if both.has_no_box() || [0, 1].into_iter().any(|side| self.hides(side, places[side], &both))
        {
            return Ok(None);
        }
        // Who ends the packet's way, did he do what the other one goes on from?
        let did = match (one.takes, other.takes) {
            (true, false) => Some(0),
            (false, true) => Some(1),
            (true, true) | (false, false) => None,
        };
        let done = did.map_or(Ok(Vec::new()), |side| self.done_before(side, places, &both))?;
        match self.untaken(places, &both, &done) {
            Verdict::Covered => Ok(None),
            Verdict::Incomplete => Err(Why::Work),
            Verdict::Uncovered(point) => {
                let region = self.without(both, places, &done);
                Ok(Some(Found { left, right, point, region }))
            }
        }
    }

    /// A packet of a region that nothing takes before an item of each side, and that is in none of some
    /// others.
    fn untaken(&self, places: [usize; 2], region: &Region, others: &[Region]) -> Verdict {
        let question = self.question(region, places[0]);
        if self.takers.is_still && others.is_empty() {
            let among = self.takers.before_both(places);
            return self.takers.index.witness(&Question { among, ..question });
        }
        let before = [0, 1].map(|side: usize| self.before(side, places[side], region)).concat();
        let taken = before.into_iter().chain(others);
        Index::of(self.space, (0..).map(RuleNumber).zip(taken)).witness(&question)
    }

    /// What takes packets of a region before an item.
    fn before(&self, side: usize, last: usize, region: &Region) -> Vec<&'a Region> {
        let places = self.takers.before(side, last, region).into_iter();
        let counting = places.filter(|place| self.counts(side, *place, last));
        counting.map(|place| &self.items[side].all[place].region).collect()
    }

    /// Whether one item before another takes all of a region: mostly one of very many that are alike.
    fn hides(&self, side: usize, last: usize, region: &Region) -> bool {
        let one = self.takers.around(side, last, region);
        one.is_some_and(|place| self.counts(side, place, last))
    }

    /// Whether what an item took is not there for a later one: who was taken before packets were changed was
    /// so for what is still to be seen, or is not here.
    fn counts(&self, side: usize, place: usize, last: usize) -> bool {
        let stretches = &self.stretches[side];
        stretches[place] == stretches[last] || self.items[side].all[place].is_lasting
    }

    /// Where the deed of the item of the other side is done to packets of a region, before they end
    /// their way on this one: as often as over there, where that counts. Of packets that are taken before
    /// nothing is said.
    fn done_before(
        &self,
        side: usize,
        places: [usize; 2],
        region: &Region,
    ) -> Result<Vec<Region>, Why> {
        let deed = self.items[1 - side].all[places[1 - side]].deed;
        let [here, mut there] =
            [side, 1 - side].map(|side| self.doing(side, places[side], deed, region));
        if !self.deeds.get(deed).adds_up() {
            there.clear();
        }
        if !there.is_empty() {
            // What is logged and then accepted is not there to be logged once more.
            there.retain(|there| {
                let left = self.space.intersection(there, region);
                self.untaken(places, &left, &[]) != Verdict::Covered
            });
        }
        if there.is_empty() {
            return Ok(here.into_iter().cloned().collect());
        }
        // Done so many times here and less often there: that is enough for once more.
        let (mut here, mut there) = (self.by_times(&here, region)?, self.by_times(&there, region)?);
        there.resize_with(here.len(), Region::default);
        let enough = here.drain(..).zip(&there).map(|(here, there)| {
            let region = self.space.difference(&here, there);
            (self.space.count(&region) <= MOST_PIECES).then_some(region).ok_or(Why::Work)
        });
        enough.collect()
    }

    /// The items before one that do a deed to packets of a region and let them go on.
    fn doing(
        &self,
        side: usize,
        place: usize,
        deed: DeedNumber,
        region: &Region,
    ) -> Vec<&'a Region> {
        let rules = self.events[side].meeting(region, Among::before(number(place)));
        let stretches = &self.stretches[side];
        let same = rules.into_iter().map(|rule| rule.0 as usize).filter(|before| {
            stretches[*before] == stretches[place] && self.items[side].all[*before].deed == deed
        });
        same.map(|place| &self.items[side].all[place].region).collect()
    }

    /// The packets of a region that are in one of some others, in two of them, and so on.
    fn by_times(&self, regions: &[&Region], within: &Region) -> Result<Vec<Region>, Why> {
        let mut times: Vec<Region> = Vec::new();
        for region in regions {
            let mut more = self.space.intersection(within, region);
            for one in &mut times {
                let again = self.space.intersection(one, &more);
                *one = self.space.union(one, &more);
                if self.space.count(one) > MOST_PIECES {
                    return Err(Why::Work);
                }
                more = again;
            }
            if !more.has_no_box() {
                times.push(more);
            }
        }
        Ok(times)
    }

    /// What no item before two takes of a region, nor is in others; `None` when it is in too many pieces.
    fn without(&self, region: Region, places: [usize; 2], others: &[Region]) -> Option<Region> {
        let mut rest = region;
        for side in [0, 1] {
            self.holding.spend(1)?;
            rest = match self.rest(side, places[side]) {
                Some(left) => self.space.intersection(&rest, left),
                None => {
                    let before = self.before(side, places[side], &rest);
                    self.less(rest, before)?
                }
            };
        }
        self.less(rest, others)
    }

    /// What is left for the last item of a side, which takes the rest, behind many that each difference
    /// with it would be held to; `None` when it is in too many pieces.
    fn rest(&self, side: usize, place: usize) -> Option<&Region> {
        if !self.takers.is_still || place + 1 < self.items[side].all.len() {
            return None;
        }
        let rest = self.rests[side].get_or_init(|| {
            let region = &self.items[side].all[place].region;
            let before = self.before(side, place, region);
            let mut taken = Region::default();
            for one in &before {
                taken.append(one);
            }
            let is_worth_it = before.len() > FEW;
            is_worth_it.then(|| Placed::of(self.space, &taken).missed(region, MOST_PIECES))?
        });
        rest.as_ref()
    }

    /// A region less others; `None` when it is in too many pieces.
    fn less<'r>(
        &self,
        region: Region,
        others: impl IntoIterator<Item = &'r Region>,
    ) -> Option<Region> {
        others.into_iter().try_fold(region, |rest, one| {
            self.holding.spend(self.space.count(&rest).max(1))?;
            let rest = self.space.difference(&rest, one);
            (self.space.count(&rest) <= MOST_PIECES).then_some(rest)
        })
    }
}

fn number(place: usize) -> RuleNumber {
    RuleNumber(u32::try_from(place).unwrap_or(u32::MAX))
}
