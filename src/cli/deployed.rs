//! What is deployed on a machine, as dumps of it tell.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::failure::Failure;
use super::front;
use super::pipeline;
use super::within::Within;
use crate::diagnostic::{Finding, catalogue};
use crate::net::{Families, Family};
use crate::resolve::Policy;
use crate::ruleset::{KernelSet, Ruleset};
use crate::source::Sources;

/// The rules of a machine, as dumps tell.
#[derive(Default)]
pub(super) struct Deployed {
    pub(super) v4: Option<Ruleset>,
    pub(super) v6: Option<Ruleset>,
}

/// What is done with the contents of sets that dumps tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Contents {
    /// A rule that asks for a set asks for what is in it.
    Count,
    /// Only the names of sets are known, for what is in them is the kernel's affair.
    AreLeft,
}

impl Deployed {
    /// Reads dumps. What is wrong with them is put among the findings, and their texts into the sources,
    /// whose other files are named within another folder or not.
    pub(super) fn read(
        paths: &[PathBuf],
        in_folder: bool,
        within: &Within,
        sources: &mut Sources,
        findings: &mut Vec<Finding>,
    ) -> Result<Self, Failure> {
        Self::read_with(paths, in_folder, within, Contents::Count, sources, findings)
    }

    /// The same, of which sets are known by their names only.
    pub(super) fn read_with_named_sets(
        paths: &[PathBuf],
        sources: &mut Sources,
        findings: &mut Vec<Finding>,
    ) -> Result<Self, Failure> {
        Self::read_with(paths, false, &Within::default(), Contents::AreLeft, sources, findings)
    }

    fn read_with(
        paths: &[PathBuf],
        in_folder: bool,
        within: &Within,
        contents: Contents,
        sources: &mut Sources,
        findings: &mut Vec<Finding>,
    ) -> Result<Self, Failure> {
        let mut rules = Vec::new();
        let mut sets: Vec<Arc<KernelSet>> = Vec::new();
        for path in paths {
            let text = front::text_of(path, within)?;
            let file = sources.add(name_of(path, in_folder), Arc::clone(&text));
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
        match contents {
            Contents::Count => {}
            Contents::AreLeft => sets.clear(),
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

    /// Under `preserve`, what others have is not compared.
    pub(super) fn leave_out_foreign(&mut self, policy: Option<&Policy>) -> Vec<Finding> {
        let Some(policy) = policy.filter(|policy| policy.preserve.is_some()) else {
            return Vec::new();
        };
        let rulesets = [&mut self.v4, &mut self.v6].into_iter().flatten();
        let found = rulesets.filter_map(|ruleset| {
            let foreign = pipeline::leave_out_foreign(ruleset, policy.docker.is_some());
            let message = format!(
                "{} and {} of other programs are left out ({})",
                counted(foreign.rules, "rule"),
                counted(foreign.chains, "chain"),
                ruleset.family
            );
            (foreign.rules + foreign.chains > 0)
                .then(|| Finding::without_place(&catalogue::FOREIGN_RULES, message))
        });
        found.collect()
    }
}

/// `1 rule`, `2 rules`
pub(super) fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

/// As the user wrote it, where that leads from another folder too.
fn name_of(path: &Path, in_folder: bool) -> String {
    let written = path.to_string_lossy().into_owned();
    if !in_folder {
        return written;
    }
    std::path::absolute(path).map_or(written, |path| path.to_string_lossy().into_owned())
}
