//! How many findings are told: of each kind the first, and how many more there are.

use std::collections::BTreeMap;

use super::{Finding, Level, catalogue};

/// Findings of one kind beyond this many are counted, not told: many of one kind hide no other.
pub const MOST_TOLD: usize = 1_000;

/// The findings that are told, the first of each lint with one about how many more there are; and those.
#[must_use]
pub fn bounded(findings: Vec<Finding>) -> (Vec<Finding>, Vec<Finding>) {
    let mut so_far: BTreeMap<&str, usize> = BTreeMap::new();
    let has_room = |finding: &Finding| {
        let count = so_far.entry(finding.lint.name).or_default();
        *count += 1;
        *count <= MOST_TOLD
    };
    let (mut told, more): (Vec<Finding>, Vec<Finding>) = findings.into_iter().partition(has_room);
    let highest = more.iter().map(|finding| finding.level).max();
    told.extend(highest.map(|level| too_many(more.len(), level)));
    (told, more)
}

/// That so many more findings are not told, at the highest level among them: warnings alone fail nothing.
#[must_use]
pub fn too_many(more: usize, level: Level) -> Finding {
    let message = match more {
        1 => "one more finding is not shown".to_owned(),
        _ => format!("{more} more findings are not shown"),
    };
    let finding = Finding::without_place(&catalogue::TOO_MANY_FINDINGS, message)
        .help("mend the ones above and run again");
    Finding { level, ..finding }
}
