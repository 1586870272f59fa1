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

impl Life {
    fn of(answer: Answer) -> Self {
        match answer {
            Answer::Uncovered(point) => Life::Live(point),
            Answer::Covered(cover) if cover.members.is_empty() => Life::NeverMatches,
            Answer::Covered(cover) => Life::Dead(cover),
            Answer::Incomplete => Life::Unknown,
        }
    }
}

impl RuleList {
    /// Whether packets reach a rule.
    #[must_use]
    pub fn life(&self, rule: RuleNumber) -> Life {
        Life::of(self.hiding.uncovered(&self.earlier(rule)))
    }

    /// Whether rules before a rule take all of a region for certain.
    #[must_use]
    pub fn reaches_none(&self, rule: RuleNumber, region: &Region) -> bool {
        self.hiding.witness(&Question { region, ..self.earlier(rule) }) == Verdict::Covered
    }

    /// Whether packets reach each rule, in order.
    #[must_use]
    pub fn lives(&self) -> Vec<Life> {
        self.each(|rules| {
            let questions: Vec<_> = rules.iter().map(|rule| self.earlier(*rule)).collect();
            self.hiding.uncovered_each(&questions).into_iter().map(Life::of).collect()
        })
    }

    /// The question whether the rules before a rule take all that it may match.
    fn earlier(&self, rule: RuleNumber) -> Question<'_> {
        Question {
            region: self.mays.get(rule.0 as usize).unwrap_or(Region::NONE),
            among: Among::before(rule),
            seed: rule.0.into(),
            budget: self.budget,
        }
    }
}
