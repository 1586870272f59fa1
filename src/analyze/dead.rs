//! Rules that no packet reaches.

use super::list::RuleList;
use crate::packet::{Among, Answer, Cover, Point, Question, Region, RuleNumber, Verdict};

/// Whether packets reach a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Life {
    /// This one does.
    Live(Point),
    /// Earlier rules take all that it could match: these.
    Dead(Cover),
    /// Its conditions contradict each other.
    NeverMatches,
    /// Not found out within the budget.
    Unknown,
}

impl RuleList {
    /// Whether packets reach a rule.
    #[must_use]
    pub fn life(&self, rule: RuleNumber) -> Life {
        let Some(region) = self.mays.get(rule.0 as usize) else { return Life::NeverMatches };
        let question = Question {
            region,
            among: Among::before(rule),
            seed: rule.0.into(),
            budget: self.budget,
        };
        match self.hiding.uncovered(&question) {
            Answer::Uncovered(point) => Life::Live(point),
            Answer::Covered(cover) if cover.members.is_empty() => Life::NeverMatches,
            Answer::Covered(cover) => Life::Dead(cover),
            Answer::Incomplete => Life::Unknown,
        }
    }

    /// Whether rules before a rule take all of a region for certain.
    #[must_use]
    pub fn reaches_none(&self, rule: RuleNumber, region: &Region) -> bool {
        let (seed, budget) = (rule.0.into(), self.budget);
        let question = Question { region, among: Among::before(rule), seed, budget };
        self.hiding.witness(&question) == Verdict::Covered
    }

    /// The same of every rule, in order.
    #[must_use]
    pub fn lives(&self) -> Vec<Life> {
        self.each(|rule| self.life(rule))
    }
}
