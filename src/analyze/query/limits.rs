//! What limits have to do with who gets a packet: who has room takes it, and who has none lets it by.

use std::collections::BTreeMap;

use crate::analyze::flat::{Flat, FlatStep};
use crate::analyze::passage::{Arriving, Passage, Passed, TooMuch, refuses};
use crate::analyze::promise::claim::decision;
use crate::meaning::{Decision, Entry, History};
use crate::packet::{Among, Index, Placed, Region, RuleNumber, Space};
use crate::resolve::policy::LimitId;

/// Boxes of the packets that may come to a step behind others that left its chain, before they are too many
/// to be told apart.
const MOST_PIECES: usize = 1_000;

/// So many boxes more a region may have where limits have a say in parts of it.
const MOST_APART: usize = 20_000;

/// How limits have to be for something to be so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limits {
    /// However they are.
    Any,
    /// They have room.
    Room,
    /// One has none.
    NoRoom,
    /// Some have room and others none, or it is more than that: what came before decides.
    Mixed,
}

/// What came before packets, as a meaning says it.
pub type Histories = BTreeMap<LimitId, History>;

impl Limits {
    /// For an entry to take packets.
    pub fn of(entry: &Entry, histories: &Histories) -> Self {
        let each = entry.limits.iter().map(|limit| match histories.get(limit) {
            Some(History::Limit(_)) => Limits::Room,
            Some(History::Over(_)) => Limits::NoRoom,
            Some(History::Opaque(_)) | None => Limits::Mixed,
        });
        each.fold(Limits::Any, Limits::and)
    }

    /// For a step to get the packets that its way and its own limits leave to it.
    fn of_step(flat: &Flat<'_>, step: &FlatStep<'_>, histories: &Histories) -> Self {
        let ways = std::iter::successors(Some(step), |step| flat.step(step.caller?));
        ways.map(|step| Limits::of(step.entry, histories)).fold(Limits::Any, Limits::and)
    }

    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Limits::Any, one) | (one, Limits::Any) => one,
            (Limits::Room, Limits::Room) => Limits::Room,
            (Limits::NoRoom, Limits::NoRoom) => Limits::NoRoom,
            (Limits::Room | Limits::NoRoom | Limits::Mixed, _) => Limits::Mixed,
        }
    }

    /// For it not to be so.
    #[must_use]
    pub fn otherwise(self) -> Self {
        match self {
            Limits::Room => Limits::NoRoom,
            Limits::NoRoom => Limits::Room,
            Limits::Any | Limits::Mixed => self,
        }
    }
}

/// Packets of which something is so only if limits are as said.
#[derive(Debug, Default)]
pub struct Doubts {
    room: Region,
    no_room: Region,
    mixed: Region,
}

impl Doubts {
    pub fn add(&mut self, limits: Limits, region: &Region) {
        match limits {
            Limits::Any => {}
            Limits::Room => self.room.append(region),
            Limits::NoRoom => self.no_room.append(region),
            Limits::Mixed => self.mixed.append(region),
        }
    }

    /// The parts of a region by how limits have to be: disjoint, if the boxes of the region are.
    pub fn apart(&self, space: &Space, region: Region) -> Result<Vec<(Region, Limits)>, TooMuch> {
        let mut parts = vec![(region, Limits::Any)];
        for (limits, doubt) in [
            (Limits::Room, &self.room),
            (Limits::NoRoom, &self.no_room),
            (Limits::Mixed, &self.mixed),
        ] {
            if doubt.has_no_box() {
                continue;
            }
            let doubt = Placed::of(space, doubt);
            let mut split = Vec::new();
            for (part, so_far) in parts {
                let most = MOST_APART + space.count(&part);
                let outside = doubt.missed(&part, most).ok_or(TooMuch)?;
                let inside = Placed::of(space, &outside).missed(&part, most);
                split.push((inside.ok_or(TooMuch)?, so_far.and(limits)));
                split.push((outside, so_far));
            }
            split.retain(|(part, _)| !space.is_empty(part));
            parts = split;
        }
        Ok(parts)
    }
}

/// Where limits have a say before the filter.
pub struct OnTheWay<'t, 'w> {
    passage: &'t Passage<'w>,
    histories: &'t Histories,
    /// The entries with limits that packets met, and which packets those were, whatever was changed in them
    /// since.
    limited: Vec<(Region, &'w Entry)>,
    /// How limits have to be for packets to come by them, whatever was changed in packets since.
    doubts: Doubts,
}

impl<'t, 'w> OnTheWay<'t, 'w> {
    pub fn of(passage: &'t Passage<'w>, passed: &'t Passed<'w>, histories: &'t Histories) -> Self {
        let (mut doubts, mut limited) = (Doubts::default(), Vec::new());
        for (region, entry) in &passed.limited {
            let limits = if refuses(&entry.effect) {
                Limits::of(entry, histories).otherwise()
            } else {
                // The packet goes on otherwise than without it.
                Limits::Mixed
            };
            let region = passage.whatever_changed(region);
            doubts.add(limits, &region);
            limited.push((region, *entry));
        }
        OnTheWay { passage, histories, limited, doubts }
    }

    /// The parts of what is stopped by who has no limit himself.
    pub fn doubts(&self, stopped: &Region) -> Result<Vec<(Region, Limits)>, TooMuch> {
        self.doubts.apart(self.passage.space(), stopped.clone())
    }

    /// What arrives, by how limits have to be.
    pub fn apart(&self, arriving: &[Arriving<'w>]) -> Result<Vec<(Arriving<'w>, Limits)>, TooMuch> {
        let mut all = Vec::new();
        for one in arriving {
            match one.by {
                None => {
                    let parts = self.doubts.apart(self.passage.space(), one.region.clone())?;
                    let part = |(region, limits)| (Arriving { region, ..one.clone() }, limits);
                    all.extend(parts.into_iter().map(part));
                }
                Some(entry) => all.push((one.clone(), self.translated(one, entry))),
            }
        }
        Ok(all)
    }

    /// How limits have to be for packets to be translated by an entry.
    fn translated(&self, arriving: &Arriving<'w>, entry: &'w Entry) -> Limits {
        let space = self.passage.space();
        let is_in_doubt = |(region, other): &(Region, &Entry)| {
            !std::ptr::eq(*other, entry) && space.overlap(region, &arriving.sent)
        };
        let before = if self.limited.iter().any(is_in_doubt) { Limits::Mixed } else { Limits::Any };
        Limits::of(entry, self.histories).and(before)
    }
}

/// The steps of a chain of the filter that limits have a say in.
pub struct LimitedSteps<'p, 'm> {
    passage: &'p Passage<'m>,
    histories: &'p Histories,
    /// Those that do otherwise than asked, by how limits have to be for packets to come by them.
    otherwise: Vec<Otherwise>,
    /// Those in chains that packets may have left before.
    behind: BTreeMap<RuleNumber, Behind>,
}

/// Steps that packets come by if limits are as said.
struct Otherwise {
    limits: Limits,
    index: Index,
    /// The packets of each.
    regions: BTreeMap<RuleNumber, Region>,
}

/// What comes to a step in a chain that packets may have left before.
struct Behind {
    /// What may come to it at all.
    rest: Region,
    /// Of that, what may have left by a limit, and how limits have to be for that.
    left: Region,
    limits: Limits,
}

impl<'p, 'm> LimitedSteps<'p, 'm> {
    /// `is_otherwise` says whether who decides so may do otherwise than asked.
    pub fn of(
        passage: &'p Passage<'m>,
        histories: &'p Histories,
        is_otherwise: impl Fn(&Decision) -> bool,
    ) -> Self {
        let flat = &passage.flat;
        if flat.steps.iter().all(|step| step.entry.limits.is_empty()) {
            let (otherwise, behind) = (Vec::new(), BTreeMap::new());
            return LimitedSteps { passage, histories, otherwise, behind };
        }
        let behind = behind(passage, histories);
        let mut doubtful: BTreeMap<(Limits, RuleNumber), Region> = BTreeMap::new();
        for (number, step) in (0..).map(RuleNumber).zip(&flat.steps) {
            if !decision(flat, step).is_some_and(&is_otherwise) {
                continue;
            }
            let mut add = |limits, region: &Region| {
                doubtful.entry((limits, number)).or_default().append(region);
            };
            let own = Limits::of_step(flat, step, histories);
            match behind.get(&number) {
                None if own == Limits::Any => {}
                None => add(own.otherwise(), &passage.list.may(number)),
                Some(Behind { rest, left, limits }) => {
                    if own != Limits::Any {
                        add(own.otherwise(), rest);
                    }
                    add(*limits, left);
                }
            }
        }
        let of = |limits| {
            let such =
                doubtful.iter().filter(|((so, _), region)| *so == limits && !region.has_no_box());
            let regions: BTreeMap<RuleNumber, Region> =
                such.map(|((_, number), region)| (*number, region.clone())).collect();
            let index =
                Index::of(passage.space(), regions.iter().map(|(at, region)| (*at, region)));
            Otherwise { limits, index, regions }
        };
        let mut otherwise =
            [Limits::Room, Limits::NoRoom, Limits::Mixed].map(of).into_iter().collect::<Vec<_>>();
        otherwise.retain(|one| !one.regions.is_empty());
        LimitedSteps { passage, histories, otherwise, behind }
    }

    /// Of the packets of a region that no other step of those is certain to take, how limits have to be for
    /// none to take them that does otherwise.
    pub fn before(&self, region: &Region, among: Among) -> Doubts {
        let mut doubts = Doubts::default();
        for Otherwise { limits, index, regions } in &self.otherwise {
            if index.around(region, among).is_some() {
                doubts.add(*limits, region);
                continue;
            }
            let own = index.meeting(region, among).into_iter().filter_map(|at| regions.get(&at));
            for own in own {
                doubts.add(*limits, &self.passage.space().intersection(region, own));
            }
        }
        doubts
    }

    /// How limits have to be for a step to get a packet, and of which packets more is asked.
    pub fn at(&self, number: RuleNumber) -> (Limits, Doubts) {
        let flat = &self.passage.flat;
        let own = flat.step(number).map(|step| Limits::of_step(flat, step, self.histories));
        let mut doubts = Doubts::default();
        if let Some(Behind { left, limits, .. }) = self.behind.get(&number) {
            doubts.add(limits.otherwise(), left);
        }
        (own.unwrap_or(Limits::Any), doubts)
    }
}

/// The steps that decide in a chain which packets may have left before.
fn behind(passage: &Passage<'_>, histories: &Histories) -> BTreeMap<RuleNumber, Behind> {
    let flat = &passage.flat;
    let caller_of = |number: RuleNumber| flat.step(number)?.caller;
    let leaves = |number| flat.step(number).is_some_and(|step| step.leaves);
    let leavers = passage.list.matching().of_those(leaves);
    let mut all = BTreeMap::new();
    for (number, step) in (0..).map(RuleNumber).zip(&flat.steps) {
        if step.leaves || step.caller.is_none() || decision(flat, step).is_none() {
            continue;
        }
        let way: Vec<RuleNumber> =
            std::iter::successors(step.caller, |caller| caller_of(*caller)).collect();
        let before = leavers.meeting(&passage.list.may(number), Among::before(number));
        let before = before.into_iter().filter_map(|leaver| {
            let step =
                flat.step(leaver).filter(|step| step.caller.is_some_and(|at| way.contains(&at)));
            Some((leaver, Limits::of(step?.entry, histories)))
        });
        let before: Vec<(RuleNumber, Limits)> = before.collect();
        if !before.is_empty() {
            all.insert(number, Behind::of(passage, number, &before));
        }
    }
    all
}

impl Behind {
    fn of(passage: &Passage<'_>, number: RuleNumber, before: &[(RuleNumber, Limits)]) -> Self {
        let space = passage.space();
        let mut rest = passage.list.may(number);
        for (leaver, limits) in before {
            if *limits != Limits::Any {
                continue;
            }
            let less = space.difference(&rest, &passage.list.may(*leaver));
            if space.count(&less) > MOST_PIECES {
                // It may be less than that.
                return Behind { left: rest.clone(), rest, limits: Limits::Mixed };
            }
            rest = less;
        }
        let (mut left, mut all) = (Region::default(), Limits::Any);
        for (leaver, limits) in before.iter().filter(|(_, limits)| *limits != Limits::Any) {
            left.append(&space.intersection(&rest, &passage.list.may(*leaver)));
            all = all.and(*limits);
        }
        Behind { rest, left, limits: all }
    }
}
