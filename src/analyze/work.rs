//! How much work a question may be, and the lints of which some question was more.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::diagnostic::{Finding, Lint, catalogue};
use crate::packet::Budget;

/// How much of some work may still be done, for many questions together.
#[derive(Debug)]
pub struct Allowance(Cell<usize>);

impl Allowance {
    pub fn of(most: usize) -> Self {
        Allowance(Cell::new(most))
    }

    /// Does so much; `None` when that is more than may be done, and then no more may be.
    pub fn spend(&self, work: usize) -> Option<()> {
        let left = self.left().checked_sub(work);
        self.0.set(left.unwrap_or(0));
        left.map(|_| ())
    }

    pub fn left(&self) -> usize {
        self.0.get()
    }

    pub fn is_spent(&self) -> bool {
        self.left() == 0
    }
}

/// What the questions about a policy cost.
#[derive(Debug)]
pub(super) struct Work {
    /// Of each question.
    pub budget: Budget,
    unproved: Mutex<BTreeMap<&'static str, &'static Lint>>,
}

impl Work {
    pub fn of(budget: Budget) -> Self {
        Work { budget, unproved: Mutex::default() }
    }

    /// Notes that a question of a lint was too much work: nothing is claimed then.
    pub fn was_too_much(&self, lint: &'static Lint) {
        self.unproved.lock().unwrap_or_else(PoisonError::into_inner).insert(lint.name, lint);
    }

    /// A finding for each lint of which not all is found out, of those that are shown.
    pub fn findings(self, shows: &dyn Fn(&Lint) -> bool) -> impl Iterator<Item = Finding> {
        let unproved = self.unproved.into_inner().unwrap_or_else(PoisonError::into_inner);
        let unproved = unproved.into_values().filter(|lint| shows(lint));
        unproved.collect::<Vec<_>>().into_iter().map(|lint| {
            let message = format!("it is not found out whether there is more of `{}`", lint.name);
            Finding::without_place(&catalogue::ANALYSIS_INCOMPLETE, message)
                .note("rules take parts of each other's packets, in very many pieces")
                .help("split the rules, or lower the level: `--warn analysis-incomplete`")
        })
    }
}
