//! The steps of a flattened chain that do something, with the packets that they do it to.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::history::COUNTS;
use super::{Act, Deed};
use crate::analyze::flat::{Flat, FlatStep, Role};
use crate::analyze::work::Allowance;
use crate::meaning::{Decision, Effect, Entry, Reason, Translation};
use crate::packet::{Among, Field, Index, Placed, Region, RuleNumber, Space};
use crate::resolve::policy::ChainId;

/// Boxes of what a step gets, when others left its chain before, before it is too much.
const MOST_PIECES: usize = 20_000;

/// The same of all steps, and of what left their chains before each.
const MOST_HELD: usize = 500_000;

/// How many others an item may pass.
const MOST_PASSED: usize = 500;

/// A deed by its place among those that occur.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct DeedNumber(u32);

/// Deeds, each once.
#[derive(Debug, Default)]
pub(super) struct Deeds {
    all: Vec<Deed>,
    // Only looked up in.
    known: HashMap<Deed, DeedNumber>,
}

impl Deeds {
    fn number(&mut self, deed: Deed) -> DeedNumber {
        if let Some(known) = self.known.get(&deed) {
            return *known;
        }
        let number = DeedNumber(u32::try_from(self.all.len()).unwrap_or(u32::MAX));
        self.all.push(deed.clone());
        self.known.insert(deed, number);
        number
    }

    pub fn get(&self, number: DeedNumber) -> &Deed {
        &self.all[number.0 as usize]
    }
}

impl Deed {
    /// Whether doing it twice is more than doing it once.
    pub(super) fn adds_up(&self) -> bool {
        match self {
            Deed::Log { .. } | Deed::Opaque(_) | Deed::Count(_) => true,
            Deed::Decide(_) | Deed::Change(_) | Deed::Add { .. } => false,
        }
    }
}

/// One step that does something.
#[derive(Debug)]
pub(super) struct Item {
    pub deed: DeedNumber,
    /// Whether packets end here.
    pub takes: bool,
    /// The packets that it does this to, if none took them before.
    pub region: Region,
    /// Equal for equal deeds of equal regions.
    pub key: u64,
    /// The fields in which packets that it is done to go on as others.
    changes: &'static [Field],
    /// Whether it is about nothing of a packet that an item changes.
    pub is_lasting: bool,
    /// What was asked of packets on the way here before others changed them.
    pub ways: Vec<Asked>,
    reason: Reason,
    chain: Option<ChainId>,
}

impl Item {
    /// Whether packets that it is done to go on as others.
    pub fn changes(&self) -> bool {
        !self.changes.is_empty()
    }
}

/// A question that packets met on their way, and after which they were changed in what it was about.
#[derive(Debug)]
pub(super) struct Asked {
    /// The items before it.
    pub place: usize,
    /// Whether those in the region left the way there; else the others did.
    pub leave: bool,
    pub region: Region,
}

/// What a chain does, in order; the last item is its default.
#[derive(Debug)]
pub(super) struct Items {
    pub all: Vec<Item>,
    /// The packets whose sources each step takes up into a set.
    pub adding: BTreeMap<RuleNumber, Region>,
}

impl Items {
    /// `None` when packets leave chains in too many pieces.
    pub fn of(
        flat: &Flat<'_>,
        mays: &[Region],
        space: &Space,
        changed: &BTreeSet<Field>,
        deeds: &mut Deeds,
    ) -> Option<Self> {
        let mut items = Items { all: Vec::with_capacity(mays.len() + 1), adding: BTreeMap::new() };
        let mut way = Way {
            flat,
            mays,
            asked: Vec::with_capacity(mays.len()),
            changed: BTreeMap::new(),
            left: BTreeMap::new(),
            leaving: OnceCell::new(),
            holding: Allowance::of(MOST_HELD),
        };
        let empty = space.are_empty(mays);
        let steps = flat.steps.iter().zip(mays.iter().zip(empty));
        for (number, (step, (may, is_empty))) in (0..).map(RuleNumber).zip(steps) {
            way.asked.push(way.place(number, step, items.all.len()));
            let Some(deed) = deed(step, flat) else {
                if let Some(caller) = step.caller.filter(|_| step.leaves) {
                    way.left.entry(caller).or_default().push(number);
                }
                continue;
            };
            let (region, ways) = way.to(number, may.clone(), space)?;
            let is_empty = is_empty || region != *may && space.is_empty(&region);
            if matches!(step.entry.effect, Effect::Add { .. }) {
                items.adding.insert(number, region.clone());
            }
            if is_empty {
                continue;
            }
            let item = Item {
                deed: deeds.number(deed),
                takes: step.leaves || matches!(step.entry.effect, Effect::Decide(_)),
                region,
                key: 0,
                changes: step.entry.effect.changes(),
                is_lasting: !step.may.asks_for(|field| changed.contains(&field)),
                ways,
                reason: step.entry.reason,
                chain: step.chain,
            };
            let changed = item.changes.iter().map(|field| (*field, items.all.len()));
            way.changed.extend(changed);
            items.add(item, space);
        }
        let default = decided(&flat.default.effect)?;
        let mut everything = Region::default();
        everything.push(space.layout().full());
        let default = Item {
            deed: deeds.number(default),
            takes: true,
            region: everything,
            key: 0,
            changes: &[],
            is_lasting: true,
            ways: Vec::new(),
            reason: flat.default.reason,
            chain: None,
        };
        items.add(default, space);
        Some(items)
    }

    fn add(&mut self, item: Item, space: &Space) {
        let key = key(item.deed, &item.region, space);
        self.all.push(Item { key, ..item });
    }

    /// Of each item, how many times packets were changed before it: pairs that change them count as
    /// one. `None` when something changes packets that is in no pair.
    pub fn stretches(&self, pairs: &[Option<u32>]) -> Option<Vec<u32>> {
        let (mut stretch, mut last) = (0, None);
        let of = |(item, pair): (&Item, &Option<u32>)| {
            if item.changes() {
                let pair = (*pair)?;
                stretch += u32::from(last != Some(pair));
                last = Some(pair);
            }
            Some(stretch)
        };
        self.all.iter().zip(pairs).map(of).collect()
    }

    /// Whether all that was asked was asked of packets as they are where it counts.
    pub fn are_plain(&self) -> bool {
        self.all.iter().all(|item| item.ways.is_empty())
    }

    /// Puts items into the order of another side where that is no difference: an item goes before others
    /// that are about other packets, if neither makes of its packets what the other one asks for.
    pub fn settle(&mut self, other: &Items, space: &Space) {
        // Who changes nothing is compared whatever the order.
        if !self.adding.is_empty() || !self.all.iter().any(Item::changes) || !self.are_plain() {
            return;
        }
        let mut place = 0;
        for wanted in &other.all {
            let rest = &self.all[place..];
            let same = |item: &Item| item.key == wanted.key && item.region == wanted.region;
            let Some(distance) = rest.iter().take(MOST_PASSED).position(same) else { continue };
            let (passed, item) = (&rest[..distance], &rest[distance]);
            if passed.iter().all(|one| may_change_places(one, item, space)) {
                self.all[place..=place + distance].rotate_right(1);
                place += 1;
            }
        }
    }

    pub fn act(&self, item: usize, deeds: &Deeds) -> Act {
        let item = &self.all[item];
        Act { deed: deeds.get(item.deed).clone(), reason: item.reason, chain: item.chain }
    }
}

/// Whether it is no difference which of two items comes first.
fn may_change_places(one: &Item, other: &Item, space: &Space) -> bool {
    (!one.changes() || other.is_lasting)
        && (!other.changes() || one.is_lasting)
        && space.is_empty(&space.intersection(&one.region, &other.region))
}

/// The ways that lead to the steps of a chain.
struct Way<'w, 'm> {
    flat: &'w Flat<'m>,
    mays: &'w [Region],
    /// Of each step, how many items stand before the place where it asks.
    asked: Vec<usize>,
    /// Of each field, the last item that changes it.
    changed: BTreeMap<Field, usize>,
    /// The steps so far that leave a chain, by the step that called it.
    left: BTreeMap<RuleNumber, Vec<RuleNumber>>,
    /// What each such step takes, of all steps; once it is needed.
    leaving: OnceCell<Index>,
    /// Boxes of steps, and of those that they are held to.
    holding: Allowance,
}

impl Way<'_, '_> {
    /// Where a step asks: that a `goto` does not come back, it asked when it went.
    fn place(&self, number: RuleNumber, step: &FlatStep<'_>, here: usize) -> usize {
        let is_call = |other: &&FlatStep<'_>| {
            std::ptr::eq(other.entry, step.entry) && other.caller == step.caller
        };
        let before = self.flat.steps.iter().take(number.0 as usize);
        match step.role {
            Role::Said => here,
            Role::NoWayBack => before
                .enumerate()
                .rfind(|(_, other)| is_call(other))
                .map_or(here, |(at, _)| self.asked[at]),
        }
    }

    /// What comes to a step, and what was asked of it when it was another; `None` when it is in too
    /// many pieces.
    fn to(&self, number: RuleNumber, may: Region, space: &Space) -> Option<(Region, Vec<Asked>)> {
        let step = self.flat.step(number)?;
        let callers: Vec<RuleNumber> = self.callers(step).collect();
        let (mut rest, mut ways) = (may, Vec::new());
        let is_of_before = |asking: &RuleNumber| self.is_of_before(*asking);
        let own = std::iter::once(&number).filter(|_| step.role == Role::NoWayBack);
        for asking in own.chain(&callers).filter(|asking| is_of_before(asking)) {
            let (place, region) =
                (self.asked[asking.0 as usize], self.mays[asking.0 as usize].clone());
            ways.push(Asked { place, leave: false, region });
        }
        let left = callers.iter().filter_map(|caller| self.left.get(caller)).flatten();
        for left in left.filter(|_| !self.changed.is_empty()) {
            self.holding.spend(1)?;
            if is_of_before(left) {
                let left = left.0 as usize;
                let (place, region) = (self.asked[left], self.mays[left].clone());
                ways.push(Asked { place, leave: true, region });
            }
        }
        if !callers.iter().any(|caller| self.left.contains_key(caller)) {
            return Some((rest, ways));
        }
        let leaving = self.leaving.get_or_init(|| self.leaving(space));
        let left = |rule: RuleNumber| !is_of_before(&rule);
        let mut left_before = Region::default();
        for left in leaving.meeting_that(&rest, Among::before(number), left) {
            left_before.append(&self.mays[left.0 as usize]);
        }
        if !left_before.has_no_box() {
            self.holding.spend(space.count(&left_before))?;
            rest = Placed::of(space, &left_before).missed(&rest, MOST_PIECES)?;
            self.holding.spend(space.count(&rest))?;
        }
        Some((rest, ways))
    }

    /// What all steps take that leave a chain, each until the end of that.
    fn leaving(&self, space: &Space) -> Index {
        let steps = || (0..).map(RuleNumber).zip(&self.flat.steps);
        let leaving = steps().zip(self.mays);
        let leaving = leaving.filter(|((_, step), _)| step.leaves && step.caller.is_some());
        let index = Index::of(space, leaving.map(|((number, _), may)| (number, may)));
        let never = RuleNumber(u32::MAX);
        let mut ends = vec![never; self.flat.steps.len()];
        for (number, step) in steps() {
            for caller in self.callers(step) {
                ends[caller.0 as usize] = RuleNumber(number.0 + 1);
            }
        }
        let end = |(_, step): (_, &FlatStep<'_>)| step.caller.map(|caller| ends[caller.0 as usize]);
        index.until(steps().map(|one| end(one).unwrap_or(never)))
    }

    /// The calls that lead to a step, the last one first.
    fn callers(&self, step: &FlatStep<'_>) -> impl Iterator<Item = RuleNumber> {
        std::iter::successors(step.caller, |caller| self.flat.step(*caller)?.caller)
    }

    /// Whether packets were changed, since a step asked, in what it asks about.
    fn is_of_before(&self, asking: RuleNumber) -> bool {
        let asked = self.asked[asking.0 as usize];
        let changed = |field| self.changed.get(&field).is_some_and(|last| *last >= asked);
        self.flat.step(asking).is_some_and(|step| step.may.asks_for(changed))
    }
}

fn key(deed: DeedNumber, region: &Region, space: &Space) -> u64 {
    let mut hasher = DefaultHasher::new();
    deed.hash(&mut hasher);
    let mut boxes: Vec<&[u64]> = space.boxes(region).collect();
    boxes.sort_unstable();
    boxes.hash(&mut hasher);
    hasher.finish()
}

/// The fields that steps of both sides change. (What is in a set that rules fill is another condition
/// from then on: see [`Flat`].)
pub(super) fn changed(flats: [&Flat<'_>; 2]) -> BTreeSet<Field> {
    let steps = flats.into_iter().flat_map(|flat| &flat.steps);
    steps.flat_map(|step| step.entry.effect.changes()).copied().collect()
}

/// Whether a step of a chain makes packets others.
pub(super) fn changes_packets(flat: &Flat<'_>) -> bool {
    flat.steps.iter().any(|step| match &step.entry.effect {
        Effect::Change(_) => true,
        Effect::Opaque { changes, .. } => !changes.is_empty(),
        Effect::Decide(_)
        | Effect::Continue
        | Effect::Add { .. }
        | Effect::Return
        | Effect::Call(_)
        | Effect::Goto(_) => false,
    })
}

/// Whether two chains are the same step by step: whoever comes to one meets what he meets in the other.
pub(super) fn are_the_same([left, right]: [&Flat<'_>; 2]) -> bool {
    let same = |(a, b): (&FlatStep<'_>, &FlatStep<'_>)| {
        (a.caller, a.role, a.leaves, a.takes, a.until)
            == (b.caller, b.role, b.leaves, b.takes, b.until)
            && a.may == b.may
            && deed(a, left) == deed(b, right)
            && (!matches!(a.entry.effect, Effect::Add { .. }) || a.entry.effect == b.entry.effect)
    };
    left.steps.len() == right.steps.len()
        && decided(&left.default.effect) == decided(&right.default.effect)
        && left.steps.iter().zip(&right.steps).all(same)
}

/// What a step does that the world can see; `None` for what only leads packets on.
fn deed(step: &FlatStep<'_>, flat: &Flat<'_>) -> Option<Deed> {
    if step.leaves {
        // Who leaves the base chain takes its default.
        return step.caller.is_none().then(|| decided(&flat.default.effect)).flatten();
    }
    deed_of(step.entry)
}

/// What an entry does that the world can see.
pub(super) fn deed_of(entry: &Entry) -> Option<Deed> {
    match &entry.effect {
        Effect::Decide(_) => decided(&entry.effect),
        Effect::Continue => entry
            .log
            .as_deref()
            .map(|log| Deed::Log { prefix: log.prefix.clone(), level: log.level }),
        Effect::Opaque { text, .. } => Some(match text.strip_prefix(COUNTS) {
            Some(limit) => Deed::Count(limit.into()),
            None => Deed::Opaque(text.clone()),
        }),
        Effect::Change(change) => Some(Deed::Change(*change)),
        Effect::Add { set, timeout, .. } => Some(Deed::Add { set: set.clone(), timeout: *timeout }),
        Effect::Return | Effect::Call(_) | Effect::Goto(_) => None,
    }
}

/// A decision, in words that are the same for what the kernel does alike.
fn decided(effect: &Effect) -> Option<Deed> {
    let Effect::Decide(decision) = effect else { return None };
    let Decision::Translate(translation) = decision else {
        return Some(Deed::Decide(decision.clone()));
    };
    // Which network is exchanged the conditions say.
    let translation = match &**translation {
        Translation::Netmap { to, .. } => Translation::Netmap { from: *to, to: *to },
        Translation::Exempt
        | Translation::Masquerade
        | Translation::Source { .. }
        | Translation::Destination { .. }
        | Translation::Redirect { .. } => (**translation).clone(),
    };
    Some(Deed::Decide(Decision::Translate(translation.into())))
}
