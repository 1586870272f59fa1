//! What is deployed on a machine, as dumps of it tell.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::Outcome;
use super::failure::{Failure, Stop};
use super::formats::Format;
use super::given::{Given, Kind, Root};
use super::pipeline::{self, Read};
use super::terminal::Terminal;
use super::terms::Terms;
use crate::analyze::Dump;
use crate::diagnostic::report::{Names, Report};
use crate::diagnostic::{Finding, catalogue, has_errors};
use crate::net::{Families, Family};
use crate::read::Declared;
use crate::resolve::Policy;
use crate::ruleset::{KernelSet, Ruleset};
use crate::source::Sources;

/// The rules of a machine, as dumps tell.
#[derive(Default)]
pub(super) struct Deployed {
    pub(super) v4: Option<Ruleset>,
    pub(super) v6: Option<Ruleset>,
    /// The sets of which is told what is in them for good, where rules know them by their names only.
    pub(super) told: Vec<Arc<KernelSet>>,
    /// The lines of chains, by the family of the rules.
    declared: BTreeMap<Family, Declared>,
    /// Whether all of it is understood, whatever the levels of findings are.
    pub(super) is_whole: bool,
}

/// What dumps are read for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose<'t> {
    /// To be asked something, on these terms. A rule that asks for a set asks for what is in it.
    Question(&'t Terms),
    /// To become a policy. Only the names of sets are known, for what is in them is the kernel's affair.
    Import,
}

impl Purpose<'_> {
    /// The findings in a dump at the levels asked for: as `check` of it judges them.
    fn judged(self, path: &Path, findings: Vec<Finding>) -> Result<Vec<Finding>, Failure> {
        match self {
            Purpose::Question(Terms { levels, within }) => {
                Ok(levels.in_folder(&Root::of(path).folder, within)?.apply(findings))
            }
            Purpose::Import => Ok(findings),
        }
    }
}

impl Deployed {
    /// Reads dumps. What is wrong with them is put among the findings, and their texts into the sources,
    /// whose other files are named within another folder or not.
    pub(super) fn read(
        dumps: Vec<Given>,
        in_folder: bool,
        purpose: Purpose<'_>,
        sources: &mut Sources,
        findings: &mut Vec<Finding>,
    ) -> Result<Self, Failure> {
        let mut rules = Vec::new();
        let mut known = KnownSets::default();
        let mut is_whole = true;
        for given in dumps {
            let (path, kind) = (given.path.clone(), given.kind());
            let name = super::given::name_of(&path, in_folder);
            let text = given.text()?;
            // The file of a policy without sets says nothing.
            if kind == Kind::Rules {
                let file = sources.add(name, Arc::clone(&text));
                rules.push((path, file, text));
            } else if pipeline::is_ipset_dump(&text) {
                known.read(&name, &text, sources)?;
                let found = std::mem::take(&mut known.findings);
                is_whole &= pipeline::is_whole(&found);
                findings.extend(purpose.judged(&path, found)?);
            } else {
                let failure = Failure::new(format!("{name} is no dump of rules"));
                return Err(
                    failure.help("give what iptables-save, ip6tables-save or `ipset save` prints")
                );
            }
        }
        let told = match purpose {
            Purpose::Question(_) => Vec::new(),
            Purpose::Import => {
                findings.retain(|finding| finding.lint.is_error());
                std::mem::take(&mut known.sets)
            }
        };
        let mut deployed = Deployed { told, ..Deployed::default() };
        for (path, file, text) in rules {
            let mut read = pipeline::read_rules(file, &text, &path, &known.sets);
            is_whole &= pipeline::is_whole(&read.findings);
            findings.extend(purpose.judged(&path, std::mem::take(&mut read.findings))?);
            deployed.take(read, &path)?;
        }
        if deployed.families().is_empty() {
            return Err(Failure::new("there is no dump of rules")
                .help("give what iptables-save or ip6tables-save prints"));
        }
        deployed.is_whole = is_whole;
        Ok(deployed)
    }

    /// Takes in the rules of one family.
    fn take(&mut self, read: Read, path: &Path) -> Result<(), Failure> {
        let family = read.ruleset.family;
        let is_left =
            |set: &Arc<KernelSet>| set.family != family || !read.changed_sets.contains(&*set.name);
        self.told.retain(is_left);
        let place = match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        };
        if place.replace(read.ruleset).is_some() {
            let failure = Failure::new(format!("{} is a second dump of {family}", path.display()));
            return Err(failure.help("give one dump a family"));
        }
        self.declared.insert(family, read.declared);
        Ok(())
    }

    /// Nothing may follow when the dumps are at fault, which is told in the format of the answer: they
    /// cannot be understood, or a finding is an error by the level asked for.
    pub(super) fn pass(
        &self,
        sources: &Sources,
        findings: &[Finding],
        format: Format,
        terminal: &Terminal,
    ) -> Result<(), Stop> {
        if !has_errors(findings) {
            return Ok(());
        }
        let outcome = if self.is_whole { Outcome::AtFault } else { Outcome::Undone };
        let rules = self.v4.iter().chain(&self.v6).map(Ruleset::rule_count).sum();
        let names = Names::default();
        let report = Report { root: "the dumps", sources, names: &names, findings, expected: 0 };
        Err(terminal.refuse(&report, rules, format, outcome))
    }

    pub(super) fn families(&self) -> Families {
        Families { v4: self.v4.is_some(), v6: self.v6.is_some() }
    }

    /// The rules of each family by themselves.
    pub(super) fn dumps(self) -> Vec<Dump> {
        let Deployed { v4, v6, mut declared, told: _, is_whole: _ } = self;
        let mut dump = |ruleset: Ruleset| {
            let declared = declared.remove(&ruleset.family).unwrap_or_default();
            Dump::of(ruleset, declared)
        };
        v4.into_iter().chain(v6).map(&mut dump).collect()
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

/// The sets that dumps of them tell, of one machine.
#[derive(Default)]
pub(super) struct KnownSets {
    pub(super) sets: Vec<Arc<KernelSet>>,
    pub(super) findings: Vec<Finding>,
    /// The file that each set is of.
    files: BTreeMap<Arc<str>, String>,
}

impl KnownSets {
    /// Adds those of one dump, which becomes a source.
    pub(super) fn read(
        &mut self,
        name: &str,
        text: &Arc<str>,
        sources: &mut Sources,
    ) -> Result<(), Failure> {
        let file = sources.add(name, Arc::clone(text));
        let read = pipeline::read_ipsets(file, text);
        for set in &read.sets {
            if let Some(other) = self.files.insert(Arc::clone(&set.name), name.to_owned()) {
                let message = format!("the set `{}` is in {other} and in {name}", set.name);
                return Err(Failure::new(message).help("give the dumps of one machine at a time"));
            }
        }
        self.sets.extend(read.sets);
        self.findings.extend(read.findings);
        Ok(())
    }
}

/// What is found in dumps, to people.
pub(super) fn tell(sources: &Sources, findings: &[Finding], terminal: &Terminal) {
    if findings.is_empty() {
        return;
    }
    let names = Names::default();
    terminal.tell_findings(&Report { root: "", sources, names: &names, findings, expected: 0 });
}

/// `1 rule`, `2 rules`
pub(super) fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

/// Of a family that dumps do not tell, how to know more; nothing where both are known.
pub(super) fn give_the_other(families: Families) -> Option<&'static str> {
    match (families.v4, families.v6) {
        (true, false) => Some("for IPv6 give what ip6tables-save prints too"),
        (false, true) => Some("for IPv4 give what iptables-save prints too"),
        (true, true) | (false, false) => None,
    }
}
