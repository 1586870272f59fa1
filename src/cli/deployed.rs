//! What is deployed on a machine, as dumps of it tell.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::failure::Failure;
use super::given::{Given, Kind};
use super::pipeline;
use super::terminal::Terminal;
use crate::analyze::Dump;
use crate::diagnostic::report::{Names, Report};
use crate::diagnostic::{Finding, catalogue};
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
}

/// What is done with the contents of sets that dumps tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contents {
    /// A rule that asks for a set asks for what is in it.
    Count,
    /// Only the names of sets are known, for what is in them is the kernel's affair.
    AreLeft,
}

impl Deployed {
    /// Reads dumps. What is wrong with them is put among the findings, and their texts into the sources,
    /// whose other files are named within another folder or not.
    pub(super) fn read(
        dumps: Vec<Given>,
        in_folder: bool,
        contents: Contents,
        sources: &mut Sources,
        findings: &mut Vec<Finding>,
    ) -> Result<Self, Failure> {
        let mut rules = Vec::new();
        let mut known = KnownSets::default();
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
            } else {
                let failure = Failure::new(format!("{name} is no dump of rules"));
                return Err(
                    failure.help("give what iptables-save, ip6tables-save or `ipset save` prints")
                );
            }
        }
        let told = match contents {
            Contents::Count => {
                findings.append(&mut known.findings);
                Vec::new()
            }
            Contents::AreLeft => {
                known.findings.retain(|finding| finding.lint.is_error());
                findings.append(&mut known.findings);
                std::mem::take(&mut known.sets)
            }
        };
        let mut deployed = Deployed { told, ..Deployed::default() };
        for (path, file, text) in rules {
            let read = pipeline::read_rules(file, &text, &path, &known.sets);
            findings.extend(read.findings);
            let changed = read.changed_sets;
            let is_left = |set: &Arc<KernelSet>| {
                set.family != read.ruleset.family || !changed.contains(&*set.name)
            };
            deployed.told.retain(is_left);
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
            deployed.declared.insert(family, read.declared);
        }
        if deployed.families().is_empty() {
            return Err(Failure::new("there is no dump of rules")
                .help("give what iptables-save or ip6tables-save prints"));
        }
        Ok(deployed)
    }

    pub(super) fn families(&self) -> Families {
        Families { v4: self.v4.is_some(), v6: self.v6.is_some() }
    }

    /// The rules of each family by themselves.
    pub(super) fn dumps(self) -> Vec<Dump> {
        let Deployed { v4, v6, mut declared, told: _ } = self;
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
