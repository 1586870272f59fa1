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

mod flattener;
mod made;
pub(super) mod ways;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use flattener::Flattener;
pub use made::{Fact, Renewal};

use super::list::{EffectNumber, ListedRule, RuleList, Ways};
use super::work::Allowance;
use crate::meaning::{BaseChain, Effect, Entry, Meaning, view};
use crate::net::Family;
use crate::packet::{
    Budget, Constraint, Factor, Field, FieldBox, PacketSet, Placed, Product, Region, RuleNumber,
    Space,
};
use crate::resolve::policy::ChainId;

/// Boxes more of what a step gets, when others left its chain before.
const MOST_PIECES: usize = 1_000;

/// Boxes of what all steps of a list get, when others left their chains before.
const MOST_HELD: usize = 100_000;

/// What conditions that packets do not show may take before it is too much: each different one so much in
/// each rule of the list. Where rules ask for nothing else, every packet has to be held to each.
pub(super) const MOST_CONDITIONS: usize = 8_000_000;

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
        let flattener = Flattener::of(meaning, family, (list, default), sees_fragments);
        let default_effect = flattener.default_effect;
        let (steps, renewals, cut) = if ways::are_too_many(meaning, family, list) {
            (Vec::new(), Vec::new(), Some(Cut::Ways))
        } else {
            let (steps, renewals) = flattener.steps();
            let are_too_many = are_too_many(steps.iter().map(|step| &*step.may));
            (steps, renewals, are_too_many.then_some(Cut::Conditions))
        };
        Some(Flat { family, base, steps, default, default_effect, renewals, cut, sees_fragments })
    }

    /// Whether all its steps are there, and can be asked about.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.cut.is_none()
    }

    /// Whether steps ask for what others may change in packets: those behind meet them as they are then, and
    /// who was taken before is not known behind.
    #[must_use]
    pub fn asks_for_changes(&self) -> bool {
        let changes = self.steps.iter().flat_map(|step| step.entry.effect.changes());
        let changed: BTreeSet<Field> = changes.copied().collect();
        let mut before: BTreeSet<Field> = BTreeSet::new();
        let mut asks = |step: &FlatStep<'_>| {
            let others = if step.takes { &changed } else { &before };
            let asks = step.entry.set.asks_for(|field| others.contains(&field));
            before.extend(step.entry.effect.changes());
            asks
        };
        !changed.is_empty() && self.steps.iter().any(&mut asks)
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
        let mut leaves: BTreeMap<RuleNumber, Region> = BTreeMap::new();
        let mays = &mays[before..];
        for (step, may) in self.steps.iter().zip(mays).filter(|(step, _)| step.leaves) {
            leaves.entry(step.caller.unwrap_or(never)).or_default().append(may);
        }
        let leaving = leaves.iter().map(|(caller, all)| (*caller, Leaving::of(space, all)));
        let mut leaving: BTreeMap<RuleNumber, Leaving<'_>> = leaving.collect();
        let mut narrowed = BTreeMap::new();
        let holding = Allowance::of(MOST_HELD);
        for ((number, step), may) in (0..).map(RuleNumber).zip(&self.steps).zip(mays) {
            if step.leaves {
                if let Some(leaving) = leaving.get_mut(&step.caller.unwrap_or(never)) {
                    leaving.so_far += space.count(may);
                }
            } else if step.takes {
                let callers = std::iter::successors(step.caller, |caller| {
                    self.step(*caller).and_then(|step| step.caller)
                });
                let left = callers.filter_map(|caller| leaving.get(&caller));
                if let Some(rest) = rest_of(space, may, left, &holding) {
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

/// What leaves one chain.
struct Leaving<'s> {
    all: Placed<'s>,
    /// How many boxes of it are of steps so far.
    so_far: usize,
}

impl<'s> Leaving<'s> {
    fn of(space: &'s Space, all: &'s Region) -> Self {
        Leaving { all: Placed::of(space, all), so_far: 0 }
    }
}

/// What is left of a region; `None` when that is all of it. It may be less, where it is in many pieces, or
/// more boxes than may be are held to others: a step that takes less than it does hides less.
fn rest_of<'l>(
    space: &Space,
    may: &Region,
    left: impl Iterator<Item = &'l Leaving<'l>>,
    holding: &Allowance,
) -> Option<Region> {
    let mut rest = Cow::Borrowed(may);
    for leaving in left.filter(|leaving| leaving.so_far > 0) {
        let most = (MOST_PIECES + space.count(&rest)).min(holding.left());
        let less = leaving.all.missed_by_first(leaving.so_far, &rest, most);
        _ = holding.spend(less.as_ref().map_or(most, |less| space.count(less)));
        rest = Cow::Owned(less.unwrap_or_default());
    }
    (*rest != *may).then(|| rest.into_owned())
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

#[cfg(test)]
mod tests;
