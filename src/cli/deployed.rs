//! The rules that a machine has, as files tell.

use std::path::Path;
use std::sync::Arc;

use super::failure::Failure;
use super::front;
use super::pipeline;
use crate::diagnostic::Finding;
use crate::net::{Families, Family};
use crate::ruleset::{KernelSet, Ruleset};
use crate::source::Sources;

/// The rules of a machine, as dumps tell.
#[derive(Default)]
pub(super) struct Deployed {
    pub(super) v4: Option<Ruleset>,
    pub(super) v6: Option<Ruleset>,
}

impl Deployed {
    /// Reads dumps, each with the name that findings call it. What is wrong with them is put among
    /// `findings`.
    pub(super) fn read<'p>(
        paths: impl Iterator<Item = (&'p Path, String)>,
        sources: &mut Sources,
        findings: &mut Vec<Finding>,
    ) -> Result<Self, Failure> {
        let mut rules = Vec::new();
        let mut sets: Vec<Arc<KernelSet>> = Vec::new();
        for (path, name) in paths {
            let text = front::read(path)?;
            let file = sources.add(name, Arc::clone(&text));
            if pipeline::is_dump(&text) {
                rules.push((path, file, text));
            } else if pipeline::is_ipset_dump(&text) {
                let read = pipeline::read_ipsets(file, &text);
                sets.extend(read.sets);
                findings.extend(read.findings);
            } else {
                let failure = Failure::new(format!("{} is no dump of rules", path.display()));
                return Err(
                    failure.help("give what iptables-save, ip6tables-save or `ipset save` prints")
                );
            }
        }
        let mut deployed = Deployed::default();
        for (path, file, text) in rules {
            let mut read = pipeline::read_with_sets(file, &text, None, &sets);
            // Where the text does not say, the name does: `rules.v6`.
            if read.family_is_assumed && path.extension().is_some_and(|ending| ending == "v6") {
                read = pipeline::read_with_sets(file, &text, Some(Family::V6), &sets);
            }
            findings.extend(read.findings);
            let family = read.ruleset.family;
            let place = match family {
                Family::V4 => &mut deployed.v4,
                Family::V6 => &mut deployed.v6,
            };
            if place.replace(read.ruleset).is_some() {
                let failure =
                    Failure::new(format!("{} is a second dump of {family}", path.display()));
                return Err(failure.help("give one dump a family"));
            }
        }
        if deployed.families().is_empty() {
            return Err(Failure::new("there is no dump of rules")
                .help("give what iptables-save or ip6tables-save prints"));
        }
        Ok(deployed)
    }

    pub(super) fn families(&self) -> Families {
        match (&self.v4, &self.v6) {
            (Some(_), Some(_)) => Families::BOTH,
            (Some(_), None) => Families::only(Family::V4),
            (None, Some(_)) => Families::only(Family::V6),
            (None, None) => Families::NONE,
        }
    }
}

/// `1 rule`, `2 rules`
pub(super) fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}
