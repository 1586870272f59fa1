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
        self.lives_behind(|_| None)
    }

    /// The same where packets come to some rules by an earlier one only: when none reach that, it is not
    /// asked again what takes them.
    pub(super) fn lives_behind(
        &self,
        caller: impl Fn(RuleNumber) -> Option<RuleNumber>,
    ) -> Vec<Life> {
        let place = |rule: RuleNumber| rule.0 as usize;
        let mut depths: Vec<usize> = Vec::with_capacity(self.len());
        for rule in (0..).map(RuleNumber).take(self.len()) {
            depths.push(caller(rule).map_or(0, |caller| depths[place(caller)] + 1));
        }
        let deepest = depths.iter().max().map_or(0, |depth| depth + 1);
        let mut by_depth = vec![Vec::new(); deepest];
        for rule in self.matching().order(self.len()) {
            by_depth[depths[place(rule)]].push(rule);
        }
        let mut lives = vec![Life::Unknown; self.len()];
        for mut rules in by_depth {
            rules.retain(|rule| match caller(*rule).map(|caller| &lives[place(caller)]) {
                Some(dead @ (Life::Dead(_) | Life::NeverMatches)) => {
                    lives[place(*rule)] = dead.clone();
                    false
                }
                Some(Life::Live(_) | Life::Unknown) | None => true,
            });
            let ask = |rules: &[RuleNumber], budget| {
                let earlier = rules.iter().map(|rule| Question { budget, ..self.earlier(*rule) });
                self.hiding.uncovered_each(&earlier.collect::<Vec<_>>())
            };
            let answers = self.answers(&rules, ask, Answer::is_open);
            for (rule, answer) in rules.iter().zip(answers) {
                lives[place(*rule)] = Life::of(answer);
            }
        }
        lives
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
