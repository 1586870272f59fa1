//! The rules of the raw table that tell conntrack what to do with packets, as statements.

use crate::ruleset::{MatchKind, Rule, TableName};
use crate::source::Span;

use super::draft::line_of;
use super::reading::{Standing, statement};
use super::side::Side;
use super::statement::Statement;

/// Where the packets of such a rule are met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Met {
    /// Where packets arrive: those to this machine, to others, or all.
    Here,
    Elsewhere,
    Anywhere,
    /// Where this machine sends them.
    Sent,
}

/// What one rule tells.
pub(super) struct Told {
    pub met: Met,
    /// Without a word of where the packets go, which the place of a statement says.
    pub said: Statement,
    pub line: Span,
}

impl Side<'_> {
    /// What is told of packets, in the order met.
    pub fn told(&self) -> impl Iterator<Item = Told> {
        let chains = [("PREROUTING", true), ("OUTPUT", false)].into_iter();
        chains.flat_map(move |(name, is_arrival)| {
            let chain = self.chain(TableName::Raw, name);
            let rules = chain.into_iter().flat_map(|chain| self.rules(TableName::Raw, chain));
            rules.filter_map(move |rule| {
                let met = met(rule, is_arrival)?;
                let line = line_of(rule)?;
                let mut rule = rule.clone();
                rule.matches.retain(|found| found.kind != MatchKind::DestinationLocal);
                let said = statement(&rule, self.ruleset.family, Standing::Raw)?;
                Some(Told { met, said, line })
            })
        })
    }
}

/// `None` for a rule that no statement stands for: each is about packets in one of these places.
fn met(rule: &Rule, is_arrival: bool) -> Option<Met> {
    let is_local = |negated| {
        let mut local = rule.matches.iter().filter(|one| one.kind == MatchKind::DestinationLocal);
        local.any(|one| one.negated == negated)
    };
    match (is_arrival, is_local(false), is_local(true)) {
        (false, false, false) => Some(Met::Sent),
        (true, true, false) => Some(Met::Here),
        (true, false, true) => Some(Met::Elsewhere),
        (true, false, false) => Some(Met::Anywhere),
        (false, ..) | (true, true, true) => None,
    }
}
