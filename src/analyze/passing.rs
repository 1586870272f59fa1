//! What a base chain makes of chosen packets: whether some of them may pass, and by which entry.
//!
//! In go a base chain and the sets that questions will be about; the chains that it goes through are
//! unfolded into one list. What an entry may match is never too small here, and what it takes for
//! certain never too large: so what is said never to pass never does.

use std::borrow::Cow;

use super::list::{EffectNumber, ListedRule, RuleList};
use crate::meaning::{BaseChain, Decision, Effect, Entry, List, Meaning, Reason, view};
use crate::net::Family;
use crate::packet::{
    Among, Answer, Budget, Cover, Field, PacketSet, Point, Question, Region, RuleNumber, Verdict,
};
use crate::resolve::policy::ChainId;

/// Beyond so many entries with those of chains, once for each way there, nothing is said.
const MAX_STEPS: usize = 2_000_000;

/// An entry that decides, on one way to it.
#[derive(Debug)]
pub(super) struct Step<'m> {
    /// What may be decided here.
    pub set: Cow<'m, PacketSet>,
    pub decision: &'m Decision,
    pub reason: Reason,
    /// Whether no limit is asked on the way.
    pub is_unlimited: bool,
    /// Whether all of the set that gets here is decided here.
    is_certain: bool,
}

impl Step<'_> {
    /// Whether packets may go on to the next table.
    pub fn passes(&self) -> bool {
        match self.decision {
            Decision::Accept
            | Decision::Translate(_)
            | Decision::Unknown(_)
            | Decision::LeaveToDocker => true,
            Decision::Drop | Decision::Reject(_) => false,
        }
    }

    /// Whether packets may end here.
    pub fn refuses(&self) -> bool {
        match self.decision {
            Decision::Drop | Decision::Reject(_) | Decision::Unknown(_) => true,
            Decision::Accept | Decision::Translate(_) | Decision::LeaveToDocker => false,
        }
    }
}

/// A base chain, ready to be asked.
#[derive(Debug)]
pub(super) struct Passing<'m> {
    list: RuleList,
    /// The last one is the default.
    pub steps: Vec<Step<'m>>,
    /// How many sets stand before the steps: those asked about, then those that are taken earlier.
    before: u32,
    /// How many of them are asked about.
    asked: u32,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// This packet may, by the step of this number.
    Packet(Point, usize),
    /// None can.
    Nothing,
    /// Not found out within the budget.
    Unknown,
}

impl<'m> Passing<'m> {
    /// A base chain of a family, to be asked about these sets; `None` when it is too long.
    pub fn of(
        meaning: &'m Meaning,
        family: Family,
        base: BaseChain,
        asked: &[PacketSet],
    ) -> Option<Self> {
        Self::without(meaning, family, base, asked, &[])
    }

    /// The same, where packets of some sets never come to the chain.
    pub fn without(
        meaning: &'m Meaning,
        family: Family,
        base: BaseChain,
        asked: &[PacketSet],
        taken: &[PacketSet],
    ) -> Option<Self> {
        let steps = steps(meaning, family, base)?;
        let about = asked.iter().map(|set| ListedRule {
            may: set,
            hides: None,
            effect: EffectNumber(u32::MAX),
        });
        let listed = steps.iter().map(|step| ListedRule {
            may: &step.set,
            hides: step.is_certain.then_some(&*step.set),
            effect: EffectNumber(step.passes().into()),
        });
        let taken_rules = taken.iter().map(|set| ListedRule {
            may: set,
            hides: Some(set),
            effect: EffectNumber(u32::MAX),
        });
        let rules: Vec<ListedRule<'_>> = about.chain(taken_rules).chain(listed).collect();
        let list = RuleList::of(family, Some(view(base)), &rules, Budget::default());
        let [before, asked] = [asked.len() + taken.len(), asked.len()].map(u32::try_from);
        Some(Passing { list, steps, before: before.ok()?, asked: asked.ok()? })
    }

    pub fn list(&self) -> &RuleList {
        &self.list
    }

    /// The region of a set asked about, by its number.
    pub fn asked(&self, number: usize) -> Region {
        self.list.may(RuleNumber(u32::try_from(number).unwrap_or(u32::MAX)))
    }

    /// The place of a step in the list.
    pub fn number(&self, step: usize) -> RuleNumber {
        RuleNumber(self.before.saturating_add(u32::try_from(step).unwrap_or(u32::MAX)))
    }

    /// The step of a place in the list; `None` for what stands before the steps.
    pub fn step_at(&self, number: RuleNumber) -> Option<usize> {
        Some(number.0.checked_sub(self.before)? as usize)
    }

    /// The number of the set that is taken earlier, at a place in the list.
    pub fn taken_at(&self, number: RuleNumber) -> Option<usize> {
        let taken = number.0.checked_sub(self.asked).filter(|_| number.0 < self.before)?;
        Some(taken as usize)
    }

    /// The place in the list of a set that is taken earlier.
    pub fn taken(&self, number: usize) -> RuleNumber {
        RuleNumber(self.asked.saturating_add(u32::try_from(number).unwrap_or(u32::MAX)))
    }

    /// Where a step may decide.
    pub fn region(&self, step: usize) -> Region {
        self.list.may(self.number(step))
    }

    /// A packet of the region that no step of those is certain to take.
    pub fn left(&self, region: &Region, among: Among) -> Verdict {
        let question = Question { region, among, seed: 0, budget: self.list.budget };
        self.list.hiding.witness(&question)
    }

    /// The steps that together take all of the region for certain, if those do.
    pub fn cover(&self, region: &Region, among: Among) -> Option<Cover> {
        let question = Question { region, among, seed: 0, budget: self.list.budget };
        match self.list.hiding.uncovered(&question) {
            Answer::Covered(cover) => Some(cover),
            Answer::Uncovered(_) | Answer::Incomplete => None,
        }
    }

    /// A packet of the region that a step that fits may decide, the steps from this one on.
    pub fn decided(&self, region: &Region, from: usize, fits: impl Fn(&Step<'m>) -> bool) -> Found {
        let mut found = Found::Nothing;
        for number in self.list.matching().meeting(region, Among::ALL) {
            let Some(step) = self.step_at(number) else { continue };
            if step < from || !fits(&self.steps[step]) {
                continue;
            }
            let both = self.list.space.intersection(region, &self.region(step));
            match self.left(&both, Among::before(number)) {
                Verdict::Uncovered(point) => return Found::Packet(point, step),
                Verdict::Covered => {}
                Verdict::Incomplete => found = Found::Unknown,
            }
        }
        found
    }
}

fn steps(meaning: &Meaning, family: Family, base: BaseChain) -> Option<Vec<Step<'_>>> {
    let list = meaning.base(family, base)?;
    let default = list.default.as_ref()?;
    let mut unfolding =
        Unfolding { meaning, family, default, steps: Vec::with_capacity(list.entries.len() + 1) };
    unfolding.list(list, &Way { within: None, is_unlimited: true, is_certain: true, depth: 0 })?;
    unfolding.step(Cow::Borrowed(&default.set), &default.effect, default.reason, true, true);
    Some(unfolding.steps)
}

struct Unfolding<'m> {
    meaning: &'m Meaning,
    family: Family,
    default: &'m Entry,
    steps: Vec<Step<'m>>,
}

/// How packets come to a chain.
struct Way<'w> {
    /// What comes there; `None` for everything.
    within: Option<&'w PacketSet>,
    is_unlimited: bool,
    is_certain: bool,
    depth: usize,
}

impl<'m> Unfolding<'m> {
    fn list(&mut self, list: &'m List, way: &Way<'_>) -> Option<()> {
        let mut is_certain = way.is_certain;
        for entry in &list.entries {
            let set = match way.within {
                None => Cow::Borrowed(&entry.set),
                Some(within) => Cow::Owned(within.intersection(&entry.set)),
            };
            let is_unlimited = way.is_unlimited && entry.limits.is_empty();
            match &entry.effect {
                Effect::Decide(_) => {
                    let is_certain = is_certain && is_unlimited;
                    self.step(set, &entry.effect, entry.reason, is_unlimited, is_certain);
                }
                Effect::Continue
                | Effect::Opaque { .. }
                | Effect::Change(_)
                | Effect::Add { .. } => {}
                Effect::Return => {
                    if way.depth == 0 {
                        self.send_to_default(set, entry.reason, is_unlimited, is_certain);
                    } else {
                        // What returns is not taken by what follows.
                        is_certain = false;
                    }
                }
                Effect::Call(chain) | Effect::Goto(chain) => {
                    let into = Way {
                        within: Some(&set),
                        is_unlimited,
                        is_certain: is_certain && is_unlimited,
                        depth: way.depth + 1,
                    };
                    self.chain(*chain, &into)?;
                    let leaves = matches!(entry.effect, Effect::Goto(_));
                    if leaves && way.depth == 0 {
                        self.send_to_default(set, entry.reason, is_unlimited, is_certain);
                    } else if leaves {
                        is_certain = false;
                    }
                }
            }
        }
        (self.steps.len() <= MAX_STEPS).then_some(())
    }

    fn chain(&mut self, chain: ChainId, way: &Way<'_>) -> Option<()> {
        if way.depth > self.meaning.chain_count() || self.steps.len() > MAX_STEPS {
            return None;
        }
        let list = self.meaning.chain(self.family, chain)?;
        self.list(list, way)
    }

    /// What takes the default before the end.
    fn send_to_default(
        &mut self,
        set: Cow<'m, PacketSet>,
        reason: Reason,
        is_unlimited: bool,
        is_certain: bool,
    ) {
        self.step(set, &self.default.effect, reason, is_unlimited, is_certain && is_unlimited);
    }

    fn step(
        &mut self,
        set: Cow<'m, PacketSet>,
        effect: &'m Effect,
        reason: Reason,
        is_unlimited: bool,
        is_certain: bool,
    ) {
        let Effect::Decide(decision) = effect else { return };
        // What a packet does not show may change on the way, or depend on history.
        let is_open = set.speaks_of(|field| field == Field::Opaque);
        let set = if is_open { Cow::Owned(set.widened(|f| f != Field::Opaque)) } else { set };
        let is_certain = is_certain && !is_open;
        self.steps.push(Step { set, decision, reason, is_unlimited, is_certain });
    }
}
