//! A base chain with the chains that it calls, as one ordered list of steps.
//!
//! In goes the [`Meaning`] of a policy; out comes, for a base chain, a step for
//! each entry and each way of calls that leads to it, in the order in which packets meet them. A step
//! has the packets that can come there by its way and that it speaks of, less nothing: what is taken
//! on the way is taken by earlier steps. What leaves a chain is a step that takes packets from the
//! rest of that chain only ([`FlatStep::until`]).
//!
//! Nothing is claimed that depends on history: a limit may have room or not. What a limited entry takes
//! it takes from nobody for certain; behind a limited call, what takes packets takes them from the
//! rest of the call only.
//!
//! After a source was taken up into a set, the set is another condition than before.
//!
//! Where nothing uses conntrack, which puts fragments together, packets come in fragments too: what asks
//! for ports takes only those that have them.

pub(super) mod asking;
pub(super) mod passing;

mod made;
mod ways;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use made::{Entered, Made};
pub use made::{Fact, Renewal};

use super::list::{EffectNumber, ListedRule, RuleList, Ways};
use crate::meaning::{BaseChain, Change, Effect, Entry, List, Meaning, view};
use crate::net::Family;
use crate::packet::{
    Budget, Constraint, Factor, Field, FieldBox, PacketSet, Product, Region, RuleNumber, Space,
    Values,
};
use crate::resolve::policy::{ChainId, Log};

/// Boxes of what a step gets, when others left its chain before.
const MOST_PIECES: usize = 1_000;

/// What conditions that packets do not show may take before it is too much: each different one so much in
/// each rule of the list. Where rules ask for nothing else, every packet has to be held to each.
const MOST_CONDITIONS: usize = 8_000_000;

/// A base chain of one family as a list of steps.
#[derive(Debug)]
pub struct Flat<'m> {
    pub family: Family,
    pub base: BaseChain,
    pub steps: Vec<FlatStep<'m>>,
    /// What becomes of packets that no step takes.
    pub default: &'m Entry,
    pub default_effect: EffectNumber,
    /// Facts that have other words from a step on, in order.
    pub renewals: Vec<Renewal>,
    /// Why nothing can be said of it for certain, if so.
    pub cut: Option<Cut>,
    /// Whether packets come in fragments, of which only the first has ports.
    pub sees_fragments: bool,
}

/// Why nothing can be said of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cut {
    /// There are more ways through the chains than are looked at: there are no steps.
    Ways,
    /// There are too many different conditions that packets do not show, for so many rules.
    Conditions,
}

/// One entry by one way.
#[derive(Debug)]
pub struct FlatStep<'m> {
    pub entry: &'m Entry,
    /// The chain it stands in; `None` for the base chain.
    pub chain: Option<ChainId>,
    /// The step that called this chain; `None` in the base chain.
    pub caller: Option<RuleNumber>,
    pub role: Role,
    /// The packets that may come here and that the entry speaks of.
    pub may: Cow<'m, PacketSet>,
    /// Whether packets that match leave the chain.
    pub leaves: bool,
    /// Whether packets that match never come to the steps behind, whatever history says.
    pub takes: bool,
    /// What it takes, it takes from the steps before this one; `None` from all behind it.
    pub until: Option<RuleNumber>,
    /// Equal for steps of this list that do the same.
    pub effect: EffectNumber,
}

/// What a step is of its entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// What it says.
    Said,
    /// That a `goto` does not come back: behind the steps of its chain.
    NoWayBack,
}

impl FlatStep<'_> {
    /// Whether packets that it takes go no further in its chain.
    #[must_use]
    pub fn ends(&self) -> bool {
        self.leaves || matches!(self.entry.effect, Effect::Decide(_))
    }
}

impl<'m> Flat<'m> {
    /// The steps of a base chain; `None` when the family does not have it.
    #[must_use]
    pub fn of(meaning: &'m Meaning, family: Family, base: BaseChain) -> Option<Self> {
        Self::with_fragments(meaning, family, base, !meaning.uses_conntrack())
    }

    /// The same where it is said whether packets come in fragments.
    #[must_use]
    pub fn with_fragments(
        meaning: &'m Meaning,
        family: Family,
        base: BaseChain,
        sees_fragments: bool,
    ) -> Option<Self> {
        let list = meaning.base(family, base)?;
        let default = list.default.as_ref()?;
        let mut effects = Effects::default();
        let default_effect = effects.number(default);
        let mut flattener = Flattener {
            meaning,
            family,
            steps: Vec::with_capacity(list.entries.len()),
            frames: vec![Frame::of(list, None)],
            effects,
            default_effect,
            entered: Entered::default(),
            renewals: Vec::new(),
            sees_fragments,
            unchanged: BTreeMap::new(),
        };
        let has_too_many_ways = ways::are_too_many(meaning, family, list);
        if !has_too_many_ways {
            flattener.run();
        }
        let Flattener { steps, renewals, .. } = flattener;
        let cut = if has_too_many_ways {
            Some(Cut::Ways)
        } else {
            are_too_many(steps.iter().map(|step| &*step.may)).then_some(Cut::Conditions)
        };
        Some(Flat { family, base, steps, default, default_effect, renewals, cut, sees_fragments })
    }

    /// Whether all its steps are there, and can be asked about.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.cut.is_none()
    }

    /// The steps as a list to be asked about: the number of a rule is that of its step.
    #[must_use]
    pub fn list(&self, budget: Budget) -> RuleList {
        let rules: Vec<ListedRule<'_>> = self.listed().collect();
        self.list_of_rules(&rules, 0, budget)
    }

    /// All steps as a list, and behind them other sets that can be asked about.
    #[must_use]
    pub fn list_with(&self, budget: Budget, others: &[&PacketSet]) -> RuleList {
        let effect = EffectNumber::NONE;
        let others = others.iter().map(|may| ListedRule { may, hides: None, effect });
        let rules: Vec<ListedRule<'_>> = self.listed().chain(others).collect();
        self.list_of_rules(&rules, 0, budget)
    }

    /// The same behind other rules, and with the default as the last.
    #[must_use]
    pub fn list_behind(&self, before: &[ListedRule<'_>], budget: Budget) -> RuleList {
        let set = &self.default.set;
        let default = ListedRule { may: set, hides: Some(set), effect: self.default_effect };
        let rules = before.iter().copied().chain(self.listed()).chain([default]);
        let rules: Vec<ListedRule<'_>> = rules.collect();
        self.list_of_rules(&rules, before.len(), budget)
    }

    /// Rules of which so many stand before the steps.
    fn list_of_rules(&self, rules: &[ListedRule<'_>], before: usize, budget: Budget) -> RuleList {
        let view = Some(view(self.base));
        RuleList::with_ways(self.family, view, rules, budget, |space, mays| {
            self.ways(space, mays, before)
        })
    }

    fn listed(&self) -> impl Iterator<Item = ListedRule<'_>> {
        self.steps.iter().map(|step| ListedRule {
            may: &step.may,
            hides: step.takes.then_some(&*step.may),
            effect: step.effect,
        })
    }

    /// What steps of chains that packets can leave do not get, and until where steps take.
    /// (The rules of a list, of which so many stand before the steps.)
    fn ways(&self, space: &Space, mays: &[Region], before: usize) -> Ways {
        if self.steps.iter().all(|step| step.caller.is_none() && step.until.is_none()) {
            return Ways::default();
        }
        let never = RuleNumber(u32::MAX);
        let in_list = |step: RuleNumber| number_of(step.0 as usize + before);
        let until = self.steps.iter().map(|step| step.until.map_or(never, in_list));
        let until = std::iter::repeat_n(never, before).chain(until).chain([never]).collect();
        let mut narrowed = BTreeMap::new();
        // The steps so far that leave a chain, by the step that called it.
        let mut leaving: BTreeMap<RuleNumber, Vec<&Region>> = BTreeMap::new();
        for ((number, step), may) in (0..).map(RuleNumber).zip(&self.steps).zip(&mays[before..]) {
            if step.leaves {
                leaving.entry(step.caller.unwrap_or(never)).or_default().extend([may]);
            } else if step.takes {
                let callers = std::iter::successors(step.caller, |caller| {
                    self.step(*caller).and_then(|step| step.caller)
                });
                let left = callers.filter_map(|caller| leaving.get(&caller)).flatten();
                if let Some(rest) = rest_of(space, may, left.copied()) {
                    narrowed.insert(in_list(number), rest);
                }
            }
        }
        Ways { until, narrowed }
    }

    /// The step of a number.
    #[must_use]
    pub fn step(&self, number: RuleNumber) -> Option<&FlatStep<'m>> {
        self.steps.get(number.0 as usize)
    }
}

/// Whether rules have too many conditions that packets do not show, all in all.
pub fn are_too_many<'s>(sets: impl Iterator<Item = &'s PacketSet>) -> bool {
    let mut rules = 0usize;
    let facts = PacketSet::facts_of_all(sets.inspect(|_| rules += 1));
    rules.saturating_mul(facts.len()) > MOST_CONDITIONS
}

/// What is left of a region; `None` when that is all of it. It may be less, where it is in many pieces:
/// a step that takes less than it does hides less.
fn rest_of<'r>(
    space: &Space,
    may: &Region,
    left: impl Iterator<Item = &'r Region>,
) -> Option<Region> {
    let mut rest: Option<Region> = None;
    for region in left {
        if !space.overlap(rest.as_ref().unwrap_or(may), region) {
            continue;
        }
        let less = space.difference(rest.as_ref().unwrap_or(may), region);
        if space.count(&less) > MOST_PIECES {
            return Some(Region::default());
        }
        rest = Some(less);
    }
    rest
}

/// A chain that is being walked through.
struct Frame<'m> {
    list: &'m List,
    next: usize,
    /// The chain and the step that called it; `None` for the base chain.
    call: Option<(ChainId, RuleNumber)>,
    /// The innermost frame, this one or one around it, of which a limit decides if packets come there at
    /// all.
    limited: Option<usize>,
    /// Whether the call was a `goto`.
    is_goto: bool,
    /// The innermost frame, this one or one around it, that is of a `goto`.
    last_goto: Option<usize>,
    /// Steps that take packets from this chain only, by their place.
    ending: Vec<usize>,
    /// The fields in which packets may be others than they were when they came; with the change, if
    /// there was but one. What the chains that it called made of them is not in it before they end.
    changed: BTreeMap<Field, Option<Change>>,
    /// What was made of packets that come back only behind this chain's end.
    behind: Made,
    /// Of a `goto`, what was known of sets when it was met: that holds for the rest of its chain.
    before: Option<Entered>,
}

impl<'m> Frame<'m> {
    fn of(list: &'m List, call: Option<(ChainId, RuleNumber)>) -> Self {
        Frame {
            list,
            next: 0,
            call,
            limited: None,
            is_goto: false,
            last_goto: None,
            ending: Vec::new(),
            changed: BTreeMap::new(),
            behind: Made::default(),
            before: None,
        }
    }
}

struct Flattener<'m> {
    meaning: &'m Meaning,
    family: Family,
    steps: Vec<FlatStep<'m>>,
    /// The chains that are open, the innermost last.
    frames: Vec<Frame<'m>>,
    effects: Effects<'m>,
    default_effect: EffectNumber,
    entered: Entered,
    renewals: Vec<Renewal>,
    /// Whether packets come in fragments, of which only the first has ports.
    sees_fragments: bool,
    /// Of each field, the first step behind the last that may have changed it.
    unchanged: BTreeMap<Field, usize>,
}

impl<'m> Flattener<'m> {
    fn run(&mut self) {
        while let Some(frame) = self.frames.last_mut() {
            match frame.list.entries.get(frame.next) {
                Some(entry) => {
                    frame.next += 1;
                    self.entry(entry);
                }
                None => self.close(),
            }
        }
    }

    fn entry(&mut self, entry: &'m Entry) {
        let may = self.reached(entry);
        let number = self.push(entry, Role::Said, may);
        match &entry.effect {
            Effect::Call(chain) | Effect::Goto(chain) => {
                let is_goto = matches!(entry.effect, Effect::Goto(_));
                let last_goto = self.frames.last().and_then(|frame| frame.last_goto);
                if let Some(list) = self.meaning.chain(self.family, *chain) {
                    self.frames.push(Frame {
                        limited: self.limited_by(entry),
                        is_goto,
                        last_goto: if is_goto { Some(self.frames.len()) } else { last_goto },
                        before: is_goto.then(|| self.entered.clone()),
                        ..Frame::of(list, Some((*chain, number)))
                    });
                }
            }
            Effect::Add { set, length, .. } => {
                self.made(Made::entered(set, *length, number));
            }
            Effect::Opaque { changes, .. } => self.made(Made::of(changes)),
            Effect::Change(change) => self.made(Made::by(*change)),
            Effect::Decide(_) | Effect::Continue | Effect::Return => {}
        }
    }

    /// The innermost frame behind a limit, when one is opened by this entry.
    fn limited_by(&self, entry: &Entry) -> Option<usize> {
        if entry.limits.is_empty() {
            return self.frames.last().and_then(|frame| frame.limited);
        }
        Some(self.frames.len())
    }

    /// A packet may be another from here on: what was asked of that says nothing of the rules behind. To
    /// who did a `goto` on the way here it comes back behind the end of his chain only.
    fn made(&mut self, made: Made) {
        if made.is_nothing() {
            return;
        }
        if let Some(frame) = self.frames.last_mut() {
            made::add_fields(&mut frame.changed, &made.fields);
        }
        self.entered.renew(&made.facts);
        let here = number_of(self.steps.len());
        for field in made.fields.keys() {
            let from = self.unchanged.insert(*field, self.steps.len()).unwrap_or(0);
            for step in self.steps[from..].iter_mut().filter(|step| step.takes) {
                if step.may.speaks_of(|one| one == *field) {
                    step.until = Some(step.until.map_or(here, |until| until.min(here)));
                }
            }
        }
        let last_goto = self.frames.last().and_then(|frame| frame.last_goto);
        if let Some(caller) = last_goto.and_then(|goto| goto.checked_sub(1)) {
            self.frames[caller].behind.add(made);
        }
    }

    /// The end of the innermost chain.
    fn close(&mut self) {
        let Some(frame) = self.frames.pop() else { return };
        let end = number_of(self.steps.len());
        if frame.call.is_some() {
            for step in frame.ending {
                let until = &mut self.steps[step].until;
                *until = Some(until.map_or(end, |until| until.min(end)));
            }
        }
        if let Some(before) = frame.before {
            self.entered = before;
        }
        match self.frames.last_mut() {
            Some(caller) if frame.is_goto => caller.behind.add(frame.behind),
            Some(caller) => {
                made::add_fields(&mut caller.changed, &frame.changed);
                self.made(frame.behind);
            }
            None => {}
        }
        if let Some((_, caller)) = frame.call.filter(|_| frame.is_goto) {
            let call = &self.steps[caller.0 as usize];
            let (entry, may) = (call.entry, call.may.clone());
            self.push(entry, Role::NoWayBack, may);
        }
    }

    /// The packets of an entry that come to the innermost chain.
    fn reached(&mut self, entry: &'m Entry) -> Cow<'m, PacketSet> {
        let Entry { set, effect, .. } = entry;
        let own = self.entered.instead(set, &mut self.renewals);
        let own = if self.sees_fragments { of_first_fragments(own) } else { own };
        let Some(frame) = self.frames.last() else { return own };
        let Some((_, caller)) = frame.call else { return own };
        let way = &self.steps[caller.0 as usize].may;
        // Who was changed on the way meets what he meets as he is now. Where only the same was done to
        // him before, doing it is no difference.
        let own_change = match effect {
            Effect::Change(change) => Some(*change),
            Effect::Decide(_)
            | Effect::Continue
            | Effect::Opaque { .. }
            | Effect::Return
            | Effect::Call(_)
            | Effect::Goto(_)
            | Effect::Add { .. } => None,
        };
        let is_other = |field| {
            let by = frame.changed.get(&field);
            by.is_some_and(|by| by.is_none() || *by != own_change)
        };
        let widened;
        let way = if way.speaks_of(is_other) {
            widened = Cow::Owned(way.widened(|field| !is_other(field)));
            &widened
        } else {
            way
        };
        if way.is_everything() {
            own
        } else if own.is_everything() {
            way.clone()
        } else {
            Cow::Owned(both(way, &own))
        }
    }

    fn push(&mut self, entry: &'m Entry, role: Role, may: Cow<'m, PacketSet>) -> RuleNumber {
        let place = self.steps.len();
        let call = self.frames.last().and_then(|frame| frame.call);
        let leaves = match (&entry.effect, role) {
            (Effect::Return, Role::Said) | (_, Role::NoWayBack) => true,
            (
                Effect::Decide(_)
                | Effect::Continue
                | Effect::Opaque { .. }
                | Effect::Change(_)
                | Effect::Call(_)
                | Effect::Goto(_)
                | Effect::Add { .. },
                Role::Said,
            ) => false,
        };
        let ends = leaves || matches!(entry.effect, Effect::Decide(_));
        let takes = ends && entry.limits.is_empty() && !depends_on_history(&may);
        let ends_with = if leaves {
            self.frames.last_mut()
        } else {
            let limited = self.frames.last().and_then(|frame| frame.limited);
            limited.and_then(|at| self.frames.get_mut(at))
        };
        if let Some(frame) = ends_with.filter(|_| takes) {
            frame.ending.push(place);
        }
        let effect = match (leaves, call) {
            (true, None) => self.default_effect,
            // Whether packets leave here is not known: it is like nothing else.
            (true, Some(_)) if !entry.limits.is_empty() => self.effects.another(),
            (true, Some(_)) if role == Role::NoWayBack => EffectNumber::NONE,
            (true | false, _) => self.effects.number(entry),
        };
        let (chain, caller) = call.unzip();
        self.steps.push(FlatStep {
            entry,
            chain,
            caller,
            role,
            may,
            leaves,
            takes,
            until: None,
            effect,
        });
        number_of(place)
    }
}

/// The number of the step at a place.
#[must_use]
pub fn number_of(place: usize) -> RuleNumber {
    RuleNumber(u32::try_from(place).unwrap_or(u32::MAX))
}

fn constraints(set: &PacketSet) -> impl Iterator<Item = &Constraint> {
    let factors = set.products().iter().flat_map(Product::factors);
    factors.flat_map(Factor::boxes).flat_map(FieldBox::constraints)
}

/// Matches of raw rules that may answer otherwise for the next packet of the same kind.
const OF_HISTORY: [&str; 9] = [
    "limit",
    "hashlimit",
    "connlimit",
    "connbytes",
    "quota",
    "statistic",
    "recent",
    "rateest",
    "set",
];

/// Whether a raw rule asks for what happened before. (Other conditions that a packet does not show are
/// the same for all rules that ask.)
fn depends_on_history(set: &PacketSet) -> bool {
    let asks = |text: &Arc<str>| {
        let words = || text.split_whitespace();
        let modules = words().zip(words().skip(1));
        text.starts_with(['-', '!'])
            && modules.into_iter().any(|(option, name)| {
                matches!(option, "-m" | "--match") && OF_HISTORY.contains(&name)
            })
    };
    constraints(set).any(|constraint| match constraint.values() {
        Values::Opaque(facts) => facts.holding().union(facts.failing()).any(asks),
        Values::Numbers(_)
        | Values::Bits(_)
        | Values::Interfaces(_)
        | Values::Mark(_)
        | Values::Accounts(_) => false,
    })
}

/// What is asked of a packet that has what stands behind the header of IP.
pub(super) const FIRST_FRAGMENT: &str = "no later fragment";

/// A set where what asks for ports, types or flags is not about later fragments: they have none.
pub(super) fn of_first_fragments(set: Cow<'_, PacketSet>) -> Cow<'_, PacketSet> {
    if !set.speaks_of(is_behind_header) {
        return set;
    }
    let one = |one: &FieldBox| {
        let asks = one.constraints().iter().any(|constraint| is_behind_header(constraint.field()));
        let first = asks.then(|| Constraint::opaque(FIRST_FRAGMENT.into(), true));
        FieldBox::of(one.constraints().iter().cloned().chain(first))
    };
    let factor = |factor: &Factor| Factor::of(factor.boxes().iter().filter_map(one));
    let product = |product: &Product| Product::of(product.factors().iter().map(factor));
    Cow::Owned(PacketSet::of(set.family(), set.products().iter().filter_map(product)))
}

/// Whether only the first fragment of a packet has it.
fn is_behind_header(field: Field) -> bool {
    matches!(field, Field::SourcePort | Field::DestinationPort | Field::Icmp | Field::Flags)
}

/// The packets in both.
fn both(a: &PacketSet, b: &PacketSet) -> PacketSet {
    let pairs = a.products().iter().flat_map(|a| b.products().iter().map(move |b| (a, b)));
    let products =
        pairs.filter_map(|(a, b)| Product::of(a.factors().iter().chain(b.factors()).cloned()));
    PacketSet::of(a.family(), products)
}

/// The numbers of effects: equal for what looks equal to the world.
#[derive(Default)]
struct Effects<'m> {
    // Only looked up in, never walked: its order is not seen.
    known: HashMap<(&'m Effect, Option<&'m Log>), EffectNumber>,
    next: u32,
}

impl<'m> Effects<'m> {
    fn number(&mut self, entry: &'m Entry) -> EffectNumber {
        let log = entry.log.as_deref();
        let is_seen = match entry.effect {
            Effect::Call(_) | Effect::Goto(_) | Effect::Return => log.is_some(),
            Effect::Decide(_)
            | Effect::Continue
            | Effect::Opaque { .. }
            | Effect::Change(_)
            | Effect::Add { .. } => true,
        };
        if !is_seen {
            return EffectNumber::NONE;
        }
        if let Some(known) = self.known.get(&(&entry.effect, log)) {
            return *known;
        }
        let number = self.another();
        self.known.insert((&entry.effect, log), number);
        number
    }

    /// A number that no other effect has.
    fn another(&mut self) -> EffectNumber {
        self.next += 1;
        EffectNumber(self.next)
    }
}

#[cfg(test)]
mod tests;
