//! What is about to be written, read back and proved to be the policy.

use std::sync::Arc;

use super::pipeline::{self, Named};
use crate::diagnostic::Finding;
use crate::meaning::Meaning;
use crate::net::{Families, Family};
use crate::ruleset::KernelSet;
use crate::source::Sources;

/// The texts of one build that say what happens to packets.
#[derive(Default)]
pub(super) struct Written<'t> {
    pub(super) rules: Vec<(Family, &'t str)>,
    pub(super) ipsets: &'t str,
}

/// What is not as the policy says, in texts that were written for it.
#[derive(Default)]
pub(super) struct Faults {
    /// Empty when every packet meets what the policy says.
    pub(super) findings: Vec<Finding>,
    /// Whether they are no more than that bounds were met.
    pub(super) are_bounds: bool,
}

impl Faults {
    pub(super) fn are_none(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Reads texts that were written for a policy, and holds them to it.
pub(super) fn faults(meaning: &Meaning, sources: &mut Sources, written: &Written<'_>) -> Faults {
    let sets = sources.add("ipsets", written.ipsets);
    let read = pipeline::read_ipsets(sets, written.ipsets);
    let (sets, mut findings): (Vec<Arc<KernelSet>>, Vec<Finding>) = (read.sets, read.findings);
    let (mut v4, mut v6) = (None, None);
    for (family, text) in &written.rules {
        let (name, place) = match family {
            Family::V4 => ("rules.v4", &mut v4),
            Family::V6 => ("rules.v6", &mut v6),
        };
        let file = sources.add(name, *text);
        let read = pipeline::read_with_sets(file, text, Some(*family), &sets);
        findings.extend(read.findings);
        *place = Some(read.ruleset);
    }
    let families = match (&v4, &v6) {
        (Some(_), Some(_)) => Families::BOTH,
        (Some(_), None) => Families::only(Family::V4),
        (None, Some(_)) => Families::only(Family::V6),
        (None, None) => return Faults { findings, are_bounds: false },
    };
    let comparison = pipeline::comparison(meaning, v4.as_ref(), v6.as_ref(), families);
    let are_bounds = findings.is_empty() && comparison.is_bounded();
    findings.extend(pipeline::differences(&comparison, Named::POLICY_AND_RULES));
    Faults { findings, are_bounds }
}
