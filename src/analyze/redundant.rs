//! Rules that packets reach, and that might as well not be there.

use super::list::{EffectNumber, RuleList};
use crate::packet::{Among, Budget, Index, Point, Question, Region, RuleNumber, Sorts, Verdict};

/// What becomes of the packets of a rule without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Without {
    /// Some are treated otherwise.
    Different,
    /// All are treated alike by later rules.
    SameByRules,
    /// All are treated alike, but some only because the default does so.
    SameByDefault,
    /// Not found out within the budget.
    Unknown,
}

impl Without {
    /// Whether a larger budget may give a better answer.
    pub(super) fn is_open(self) -> bool {
        self == Without::Unknown
    }
}

/// Packets of the rule that are tried before all of them are thought about.
const PROBES: usize = 6;

/// Behind so many later rules of another effect, and each time behind twice as many, it is asked whether
/// anything is left for the others.
const FIRST_LOOK: usize = 16;

/// The trees of a list that are asked about a rule.
#[derive(Debug, Clone, Copy)]
pub struct Trees<'i> {
    /// Of the rules that count: what they take, they take from others.
    pub hiding: &'i Index,
    /// Of the rules of which anybody sees that they match. Where each rule stands in a chain of its own,
    /// every packet meets half of the others.
    pub seen: &'i Index,
    /// What those do ([`RuleList::sorts`]).
    pub sorts: &'i Sorts<EffectNumber>,
}

impl RuleList {
    /// What becomes of the packets of a rule without it, when the default has this effect. (Of a rule
    /// that is dead: the same, by rules.) Of its packets one that comes to it may be known.
    ///
    /// The rule is needed if and only if there is a later rule of another effect, or such a default,
    /// and a packet of both that nothing takes before that but the rule itself.
    #[must_use]
    pub fn without(
        &self,
        Trees { hiding, seen, sorts }: Trees<'_>,
        rule: RuleNumber,
        default: EffectNumber,
        known: Option<&Point>,
        budget: Budget,
    ) -> Without {
        let (Some(own), Some(region)) = (self.effects.get(rule.0 as usize), self.gets(rule)) else {
            return Without::SameByRules;
        };
        if region.has_no_box()
            && self.mays.get(rule.0 as usize).is_some_and(|may| !may.has_no_box())
        {
            // What it gets is in too many pieces to be said.
            return Without::Different;
        }
        let is_other = |effect: EffectNumber| effect != *own;
        let next_other =
            |behind: RuleNumber| seen.first_of(sorts, region, Among::after(behind), is_other);
        // Of very many that do what the default does, no packet needs to be looked at.
        let may_differ = *own != default || next_other(rule).is_some();
        let known = known.filter(|point| self.space.contains(region, point)).cloned();
        let points = std::iter::once_with(|| hiding.sample(region, PROBES, rule.0.into()));
        let points = known.into_iter().chain(points.flatten()).filter(|_| may_differ);
        for point in points.filter(|point| !hiding.takes(point, Among::before(rule))) {
            let next = seen.first(&point, Among::after(rule));
            let effect_differs = match next {
                // What leaves a chain may take it on the way there, and not from what is behind.
                Some(next) => {
                    self.done(next).is_some_and(is_other)
                        && !hiding.takes(&point, Among::before(next).but(rule))
                }
                None => *own != default,
            };
            if effect_differs {
                return Without::Different;
            }
        }
        let witness = |region: &Region, among| {
            let seed = rule.0.into();
            hiding.witness(&Question { region, among, seed, budget })
        };
        let (mut behind, mut looks) = (rule, 0usize);
        while let Some(later) = next_other(behind) {
            behind = later;
            looks += 1;
            // Where others take all of it there may be thousands behind.
            if looks >= FIRST_LOOK
                && looks.is_power_of_two()
                && witness(region, Among::before(later).but(rule)) == Verdict::Covered
            {
                return Without::SameByRules;
            }
            let both = self.space.intersection(region, &self.mays[later.0 as usize]);
            match witness(&both, Among::before(later).but(rule)) {
                Verdict::Uncovered(_) => return Without::Different,
                Verdict::Covered => {}
                Verdict::Incomplete => return Without::Unknown,
            }
        }
        match witness(region, Among::ALL.but(rule)) {
            Verdict::Uncovered(_) if *own == default => Without::SameByDefault,
            Verdict::Uncovered(_) => Without::Different,
            Verdict::Covered => Without::SameByRules,
            Verdict::Incomplete => Without::Unknown,
        }
    }

    /// What the world sees that a rule does.
    fn done(&self, rule: RuleNumber) -> Option<EffectNumber> {
        let effect = self.effects.get(rule.0 as usize).copied();
        effect.filter(|effect| *effect != EffectNumber::NONE)
    }

    /// What the rules of a tree do.
    #[must_use]
    pub fn sorts(&self, tree: &Index) -> Sorts<EffectNumber> {
        tree.sorts(|rule| self.done(rule))
    }

    /// The same of every rule, in order.
    #[must_use]
    pub fn without_each(&self, default: EffectNumber) -> Vec<Without> {
        let (seen, sorts) = (self.matching(), self.sorts(self.matching()));
        let trees = Trees { hiding: &self.hiding, seen, sorts: &sorts };
        let without = |rules: &[RuleNumber], budget| {
            rules.iter().map(|rule| self.without(trees, *rule, default, None, budget)).collect()
        };
        self.each(without, |without| without.is_open())
    }
}
