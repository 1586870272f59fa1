//! Which findings are told in full: beyond as many of a lint as are told, nothing is looked for to be
//! shown with them.

use std::collections::BTreeMap;

use crate::diagnostic::bound::MOST_TOLD;
use crate::diagnostic::expectation::Expectations;
use crate::diagnostic::{Finding, Lint};
use crate::source::Span;

/// How many findings of each lint were told so far, with the place of the last.
pub struct Told<'s> {
    shows: &'s dyn Fn(&Lint) -> bool,
    expectations: &'s Expectations,
    so_far: BTreeMap<&'static str, (usize, Option<Span>)>,
}

impl<'s> Told<'s> {
    /// Neither what is not shown is told, nor what is expected.
    pub fn nothing(shows: &'s dyn Fn(&Lint) -> bool, expectations: &'s Expectations) -> Self {
        Told { shows, expectations, so_far: BTreeMap::new() }
    }

    /// Whether findings of a lint are shown.
    pub fn shows(&self, lint: &Lint) -> bool {
        (self.shows)(lint)
    }

    /// Whether one more is told in full; several of one place are one.
    pub fn has_room(&mut self, finding: &Finding) -> bool {
        let lint = finding.lint;
        if !self.shows(lint) || !self.expectations.accepting(lint, finding.places()).is_empty() {
            return false;
        }
        let (count, last) = self.so_far.entry(lint.name).or_default();
        if last.is_none() || *last != finding.span {
            *last = finding.span;
            *count += 1;
        }
        *count <= MOST_TOLD
    }
}
