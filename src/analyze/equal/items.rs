//! The steps of a flattened chain that do something, with the packets that they do it to.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::history::COUNTS;
use super::{Act, Deed};
use crate::analyze::flat::{Flat, FlatStep};
use crate::meaning::{Decision, Effect, Entry, Reason, Translation};
use crate::packet::{Field, Region, RuleNumber, Space};
use crate::resolve::policy::ChainId;

/// Boxes of what a step gets, when others left its chain before, before it is too much.
const MOST_PIECES: usize = 20_000;

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
            Deed::Decide(_) | Deed::Change(_) | Deed::Add(_) => false,
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
    /// Whether packets that it is done to go on as others.
    pub changes: bool,
    /// Whether it is about nothing of a packet that an item changes.
    pub is_lasting: bool,
    reason: Reason,
    chain: Option<ChainId>,
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
        mays: Vec<Region>,
        space: &Space,
        changed: &BTreeSet<Field>,
        deeds: &mut Deeds,
    ) -> Option<Self> {
        let mut items = Items { all: Vec::with_capacity(mays.len() + 1), adding: BTreeMap::new() };
        // The steps so far that leave a chain, by the step that called it.
        let mut leaving: BTreeMap<RuleNumber, Vec<Region>> = BTreeMap::new();
        for (number, (step, may)) in (0..).map(RuleNumber).zip(flat.steps.iter().zip(mays)) {
            let deed = deed(step, flat);
            if deed.is_none() && !step.leaves {
                continue;
            }
            let region =
                if leaving.is_empty() { may } else { rest(flat, step, may, &leaving, space)? };
            if matches!(step.entry.effect, Effect::Add { .. }) {
                items.adding.insert(number, region.clone());
            }
            match (deed, step.caller) {
                (None, Some(caller)) if step.leaves => {
                    leaving.entry(caller).or_default().push(region);
                }
                (None, _) => {}
                (Some(deed), _) => items.add(
                    Item {
                        deed: deeds.number(deed),
                        takes: step.leaves || matches!(step.entry.effect, Effect::Decide(_)),
                        region,
                        key: 0,
                        changes: !changed_by(&step.entry.effect).is_empty(),
                        is_lasting: !step.may.speaks_of(|field| changed.contains(&field)),
                        reason: step.entry.reason,
                        chain: step.chain,
                    },
                    space,
                ),
            }
        }
        let default = decided(&flat.default.effect)?;
        let mut everything = Region::default();
        everything.push(space.layout().full());
        let default = Item {
            deed: deeds.number(default),
            takes: true,
            region: everything,
            key: 0,
            changes: false,
            is_lasting: true,
            reason: flat.default.reason,
            chain: None,
        };
        items.add(default, space);
        Some(items)
    }

    fn add(&mut self, item: Item, space: &Space) {
        if !space.is_empty(&item.region) {
            let key = key(item.deed, &item.region, space);
            self.all.push(Item { key, ..item });
        }
    }

    /// Of each item, how many times packets were changed before it: pairs that change them count as
    /// one. `None` when something changes packets that is in no pair.
    pub fn stretches(&self, pairs: &[Option<u32>]) -> Option<Vec<u32>> {
        let (mut stretch, mut last) = (0, None);
        let of = |(item, pair): (&Item, &Option<u32>)| {
            if item.changes {
                let pair = (*pair)?;
                stretch += u32::from(last != Some(pair));
                last = Some(pair);
            }
            Some(stretch)
        };
        self.all.iter().zip(pairs).map(of).collect()
    }

    /// Puts items into the order of another side where that is no difference: an item goes before others
    /// that are about other packets, if neither makes of its packets what the other one asks for.
    pub fn settle(&mut self, other: &Items, space: &Space) {
        if !self.adding.is_empty() || !self.all.iter().any(|item| item.changes) {
            return; // Who changes nothing is compared whatever the order.
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
    (!one.changes || other.is_lasting)
        && (!other.changes || one.is_lasting)
        && space.is_empty(&space.intersection(&one.region, &other.region))
}

/// What is left of a region after those who left the chains that it stands in.
fn rest(
    flat: &Flat<'_>,
    step: &FlatStep<'_>,
    may: Region,
    leaving: &BTreeMap<RuleNumber, Vec<Region>>,
    space: &Space,
) -> Option<Region> {
    let callers = std::iter::successors(step.caller, |caller| flat.step(*caller)?.caller);
    let mut rest = may;
    for left in callers.filter_map(|caller| leaving.get(&caller)).flatten() {
        if space.intersection(&rest, left).has_no_box() {
            continue;
        }
        rest = space.difference(&rest, left);
        if space.count(&rest) > MOST_PIECES {
            return None;
        }
    }
    Some(rest)
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
    steps.flat_map(|step| changed_by(&step.entry.effect)).copied().collect()
}

fn changed_by(effect: &Effect) -> &'static [Field] {
    match effect {
        Effect::Change(change) => change.fields(),
        Effect::Opaque { changes, .. } => changes,
        Effect::Decide(_)
        | Effect::Continue
        | Effect::Add { .. }
        | Effect::Return
        | Effect::Call(_)
        | Effect::Goto(_) => &[],
    }
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
        Effect::Add { set, .. } => Some(Deed::Add(set.clone())),
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
