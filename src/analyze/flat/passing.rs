//! What a base chain makes of chosen packets: whether some of them may pass, and by which step.
//!
//! In go a base chain, unfolded, and the sets that questions will be about; they stand before its steps
//! in one list, and behind them the default. What is never found to pass never does.

use std::collections::HashMap;
use std::ops::Range;

use super::{Flat, number_of};
use crate::analyze::list::{EffectNumber, ListedRule, RuleList};
use crate::analyze::work::Work;
use crate::diagnostic::Lint;
use crate::meaning::{BaseChain, Decision, Meaning, Reason};
use crate::net::Family;
use crate::packet::{
    Among, Answer, Budget, Cover, PacketSet, Point, Question, Region, RuleNumber, Verdict,
};
use crate::resolve::policy::{ChainId, Origin};

/// A step, as far as it decides: the last one is the default.
#[derive(Debug)]
pub(in crate::analyze) struct Step<'m> {
    /// What becomes of the packets; `None` where others decide that.
    pub decision: Option<&'m Decision>,
    pub reason: Reason,
    /// Whether no limit is asked on the way.
    pub is_unlimited: bool,
}

impl Step<'_> {
    /// Whether packets may go on to the next table.
    pub fn passes(&self) -> bool {
        match self.decision {
            Some(
                Decision::Accept
                | Decision::Translate(_)
                | Decision::Unknown(_)
                | Decision::LeaveToDocker,
            ) => true,
            Some(Decision::Drop | Decision::Reject(_)) | None => false,
        }
    }

    /// Whether packets may end here.
    pub fn refuses(&self) -> bool {
        match self.decision {
            Some(Decision::Drop | Decision::Reject(_) | Decision::Unknown(_)) => true,
            Some(Decision::Accept | Decision::Translate(_) | Decision::LeaveToDocker) | None => {
                false
            }
        }
    }

    /// Whether packets of a statement end here, one way or another.
    pub fn is_of(&self, origin: Origin) -> bool {
        self.decision.is_some() && self.reason == Reason::Written(origin)
    }
}

/// A base chain, ready to be asked.
#[derive(Debug)]
pub(in crate::analyze) struct Passing<'m> {
    flat: Flat<'m>,
    list: RuleList,
    pub steps: Vec<Step<'m>>,
    /// How many sets stand before the steps: those asked about, then those that are taken earlier.
    before: u32,
    /// How many of them are asked about.
    asked: u32,
}

/// The steps of statements. (Only looked up in.)
pub(in crate::analyze) type ByStatement = HashMap<Origin, Vec<usize>>;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::analyze) enum Found {
    /// This packet may, by the step of this number.
    Packet(Point, usize),
    /// None can.
    Nothing,
    /// Not found out within the budget.
    Unknown,
}

impl<'m> Passing<'m> {
    /// A base chain of a family, to be asked about these sets; `None` when there are too many ways
    /// through it, which is told of the chain.
    pub fn of(
        meaning: &'m Meaning,
        family: Family,
        base: BaseChain,
        asked: &[PacketSet],
        budget: Budget,
    ) -> Option<Self> {
        Self::without(meaning, family, base, asked, &[], budget)
    }

    /// The same, where packets of some sets may be thought of as taken before the chain.
    pub fn without(
        meaning: &'m Meaning,
        family: Family,
        base: BaseChain,
        asked: &[PacketSet],
        taken: &[PacketSet],
        budget: Budget,
    ) -> Option<Self> {
        let flat = Flat::of(meaning, family, base).filter(Flat::is_whole)?;
        let beside = |set, hides| ListedRule { may: set, hides, effect: EffectNumber::NONE };
        let about = asked.iter().map(|set| beside(set, None));
        let before: Vec<ListedRule<'_>> =
            about.chain(taken.iter().map(|set| beside(set, Some(set)))).collect();
        let list = flat.list_behind(&before, budget);
        let [before, asked] = [asked.len() + taken.len(), asked.len()].map(u32::try_from);
        let (before, asked) = (before.ok()?, asked.ok()?);
        let steps = steps(&flat);
        Some(Passing { flat, list, steps, before, asked })
    }

    pub fn list(&self) -> &RuleList {
        &self.list
    }

    /// The steps by which statements decide, in order.
    pub fn by_statement(&self) -> ByStatement {
        let mut all = ByStatement::new();
        for (number, step) in self.steps.iter().enumerate() {
            if let (Some(_), Reason::Written(origin)) = (step.decision, step.reason) {
                all.entry(origin).or_default().push(number);
            }
        }
        all
    }

    /// The packets that may come to a step and that it speaks of.
    pub fn set(&self, step: usize) -> &PacketSet {
        self.flat.steps.get(step).map_or(&self.flat.default.set, |step| &step.may)
    }

    /// The chain that a step stands in; `None` for a chain of the kernel.
    pub fn chain(&self, step: usize) -> Option<ChainId> {
        self.flat.steps.get(step)?.chain
    }

    /// The region of a set asked about, by its number.
    pub fn asked(&self, number: usize) -> Region {
        self.list.may(RuleNumber(u32::try_from(number).unwrap_or(u32::MAX)))
    }

    /// Those of some sets asked about that have packets in common with a region, as one.
    pub fn meeting_asked(&self, numbers: &Range<usize>, region: &Region) -> Region {
        let is_one = |number: RuleNumber| numbers.contains(&(number.0 as usize));
        let before = Among::before(number_of(numbers.end));
        let asked = self.list.matching().meeting_that(region, before, is_one);
        let mut all = Region::default();
        let regions = asked.iter().filter_map(|number| self.list.mays.get(number.0 as usize));
        regions.for_each(|one| all.append(one));
        all
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

    /// The steps alone, without what stands before them.
    pub fn among_steps(&self) -> Among {
        self.steps_of(Among::ALL)
    }

    fn steps_of(&self, among: Among) -> Among {
        self.before.checked_sub(1).map_or(among, |last| among.and_after(RuleNumber(last)))
    }

    /// Where a step may decide.
    pub fn region(&self, step: usize) -> Region {
        self.list.may(self.number(step))
    }

    /// A packet of the region that no step of those is certain to take.
    pub fn left(&self, region: &Region, among: Among) -> Verdict {
        self.left_within(region, among, self.list.budget)
    }

    fn left_within(&self, region: &Region, among: Among, budget: Budget) -> Verdict {
        let among = self.steps_of(among);
        self.list.hiding.witness(&Question { region, among, seed: 0, budget })
    }

    /// The steps that together take all of the region for certain, or that they do not.
    pub fn cover(&self, region: &Region, among: Among) -> Answer {
        self.cover_or_taken(region, self.steps_of(among))
    }

    /// The same of the steps and what is taken before them.
    pub fn cover_or_taken(&self, region: &Region, among: Among) -> Answer {
        let question = Question { region, among, seed: 0, budget: self.list.budget };
        self.list.hiding.uncovered(&question)
    }

    /// A packet of the region that a step that fits may decide, the steps from this one on.
    pub fn decided(&self, region: &Region, from: usize, fits: impl Fn(&Step<'m>) -> bool) -> Found {
        let fits = |step| step >= from && fits(&self.steps[step]);
        self.decided_by(region, self.met_deciding(region, fits))
    }

    /// Whether steps that fit, from this one on, speak of packets of the region, whoever takes them first.
    pub fn may_be_decided(
        &self,
        region: &Region,
        from: usize,
        fits: impl Fn(&Step<'m>) -> bool,
    ) -> bool {
        let among = from.checked_sub(1).map_or(Among::ALL, |last| Among::after(self.number(last)));
        let numbers = self.list.matching().meeting_that(region, self.steps_of(among), |number| {
            self.step_at(number).is_some_and(|step| fits(&self.steps[step]))
        });
        let speaks = |number| self.list.space.intersection(region, &self.list.may(number));
        numbers.into_iter().any(|number| !self.list.space.is_empty(&speaks(number)))
    }

    /// The steps that may decide packets of the region.
    pub fn deciding(&self, region: &Region) -> Vec<usize> {
        let steps: Vec<RuleNumber> =
            self.met_deciding(region, |_| true).map(|step| self.number(step)).collect();
        let left = |number: &RuleNumber, budget| {
            let both = self.list.space.intersection(region, &self.list.may(*number));
            self.left_within(&both, Among::before(*number), budget)
        };
        let ask =
            |steps: &[RuleNumber], budget| steps.iter().map(|one| left(one, budget)).collect();
        let verdicts = self.list.answers(&steps, ask, |verdict| *verdict == Verdict::Incomplete);
        let left = steps.iter().zip(verdicts).filter(|(_, verdict)| *verdict != Verdict::Covered);
        left.filter_map(|(number, _)| self.step_at(*number)).collect()
    }

    /// The steps that fit and decide, in order, as far as packets of the region are not known to be taken
    /// before them.
    fn met_deciding<'p>(
        &'p self,
        region: &'p Region,
        fits: impl Fn(usize) -> bool + 'p,
    ) -> impl Iterator<Item = usize> + 'p {
        let decides = move |number| {
            let step = self.step_at(number);
            step.is_some_and(|step| self.steps[step].decision.is_some() && fits(step))
        };
        let numbers = self.list.met(region, self.among_steps(), self.among_steps(), decides);
        numbers.filter_map(|number| self.step_at(number))
    }

    /// A packet of the region that one of these steps may decide, the first that does.
    pub fn decided_by(&self, region: &Region, steps: impl IntoIterator<Item = usize>) -> Found {
        let mut found = Found::Nothing;
        for step in steps {
            let both = self.list.space.intersection(region, &self.region(step));
            match self.left(&both, Among::before(self.number(step))) {
                Verdict::Uncovered(point) => return Found::Packet(point, step),
                Verdict::Covered => {}
                Verdict::Incomplete => found = Found::Unknown,
            }
        }
        found
    }
}

/// Whether it is found that nothing does; that it is not found out is noted.
pub(in crate::analyze) fn is_never(found: &Found, lint: &'static Lint, work: &Work) -> bool {
    match found {
        Found::Nothing => true,
        Found::Packet(..) => false,
        Found::Unknown => {
            work.was_too_much(lint);
            false
        }
    }
}

/// The cover of an answer, if there is one.
pub(in crate::analyze) fn cover_of(answer: Answer) -> Option<Cover> {
    match answer {
        Answer::Covered(cover) => Some(cover),
        Answer::Uncovered(_) | Answer::Incomplete => None,
    }
}

fn steps<'m>(flat: &Flat<'m>) -> Vec<Step<'m>> {
    let default = flat.default.effect.decision();
    let mut steps: Vec<Step<'m>> = Vec::with_capacity(flat.steps.len() + 1);
    // Of each step, whether no limit is asked on the way through it: callers come first.
    for step in &flat.steps {
        let caller = step.caller.and_then(|caller| steps.get(caller.0 as usize));
        let is_unlimited =
            step.entry.limits.is_empty() && caller.is_none_or(|caller| caller.is_unlimited);
        // What leaves a base chain takes the default.
        let decision = if step.leaves {
            default.filter(|_| step.caller.is_none())
        } else {
            step.entry.effect.decision()
        };
        steps.push(Step { decision, reason: step.entry.reason, is_unlimited });
    }
    steps.push(Step { decision: default, reason: flat.default.reason, is_unlimited: true });
    steps
}
