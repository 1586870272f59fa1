//! `palisade check`: what is wrong with these policies?

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use super::Outcome;
use super::failure::{Failure, Stop};
use super::fix::{self, Fixing};
use super::folder::policies_in;
use super::formats::FindingFormat;
use super::front::{Checked, Depth, Reading, without_rules};
use super::given::{Given, Kind, Root, is_stdin};
use super::terminal::Terminal;
use super::terms::{TermOptions, Terms};
use super::within::Within;
use crate::diagnostic::report::{Counts, Report};
use crate::diagnostic::{github, json, sarif};

const EXAMPLES: &str = "\
In a folder, a file that another one there includes is checked only as its part. Hidden files and
folders are left out.

A palisade.toml beside a policy says the levels of lints for it; the command line has the last word:
  [lints]
  deny = [\"expired-rule\"]          # errors
  warn = [\"one-family-only\"]       # warnings, also where a lint is off
  allow = [\"forwarding-needed\"]    # not shown
  deny-warnings = true             # what is a warning is an error

--fix makes the edits that are proved to change nothing for any packet, in the files themselves. The
text of standard input goes to standard output. What is left is told as usual.

One finding is accepted in the policy: `allow telnet expect LINT \"reason\"`.

A dump is what iptables-save or ip6tables-save prints, or a rules file; its findings are accepted by
--allow or in palisade.toml. --fix does not edit it. What `ipset save` prints tells what is in the sets
that the dumps beside it name.

Examples:
  palisade check web.fw
  palisade check site/ extra.fw --deny warnings
  palisade check --fix web.fw
  iptables-save | palisade check -
  palisade check now.v4 now.v6 now.sets
  palisade check site/ --format sarif > palisade.sarif
  generate-policy | palisade check - --format json";

/// Find the mistakes in policies
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Check {
    /// Policies, folders of `*.fw` files, or dumps of rules and of sets; `-` is standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// How findings are written
    #[arg(long, value_enum, default_value_t = FindingFormat::Human)]
    format: FindingFormat,

    /// Mend what can be mended without changing what happens to packets
    #[arg(long)]
    fix: bool,

    #[command(flatten)]
    terms: TermOptions,
}

impl Check {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<Outcome, Stop> {
        let terms = self.terms.terms()?;
        let reads_stdin = self.paths.iter().any(|path| is_stdin(path));
        if self.fix && reads_stdin && self.format != FindingFormat::Human {
            let failure = Failure::new("standard output cannot have the text and the findings");
            return Err(failure.help("with `--fix -`, leave out `--format`").into());
        }
        let mut outcome = Outcome::Clean;
        let mut policies = Vec::new();
        let mut seen = BTreeSet::new();
        let mut given = BTreeSet::new();
        // A path given twice is one; standard input could not even be read again.
        let paths = self.paths.iter().filter(|path| given.insert(*path));
        let (mut at, mut sets) = (Vec::new(), Vec::new());
        for path in paths {
            match At::of(path, &terms.within) {
                At::File(file) if file.kind() == Kind::Sets => sets.push(file),
                other => at.push(other),
            }
        }
        let dump_of = |at: &At| match at {
            At::File(file) => (file.kind() == Kind::Rules).then(|| file.path.clone()),
            At::Folder(_) => None,
        };
        if self.fix
            && let Some(dump) = at.iter().find_map(dump_of)
        {
            return Err(not_fixed(&Root::of(&dump).title).into());
        }
        let mut checking =
            Checking { terms: &terms, sets: &sets, fixes: self.fix, told: BTreeSet::new() };
        for at in at {
            checking.let_go(&mut policies);
            let (found, worst) = checking.at(at, terminal);
            outcome = outcome.max(worst);
            policies.extend(found.into_iter().filter(|policy| is_new(policy, &mut seen)));
        }
        if let Some(alone) = sets.first().filter(|_| !policies.iter().any(|one| one.is_dump)) {
            return Err(without_rules(&alone.path).into());
        }
        if self.fix {
            if let Some(dump) = policies.iter().find(|one| one.is_dump) {
                return Err(not_fixed(&dump.title).into());
            }
            let worst;
            (policies, worst) = fixed(policies, terminal);
            outcome = outcome.max(worst);
        }
        for policy in &policies {
            outcome = outcome.max(policy.outcome());
        }
        self.format.print(&policies, outcome, !self.fix, terminal)?;
        // As at the end of a build.
        std::mem::forget(policies);
        Ok(outcome)
    }
}

impl FindingFormat {
    /// Writes the findings of policies; for people with an offer to fix what can be, if that is wanted.
    pub(super) fn print(
        self,
        policies: &[Checked],
        outcome: Outcome,
        offers_fix: bool,
        terminal: &Terminal,
    ) -> Result<(), Failure> {
        let reports: Vec<Report<'_>> = policies.iter().map(Checked::report).collect();
        match self {
            FindingFormat::Human => tell(policies, offers_fix, terminal),
            FindingFormat::Json => {
                let rules = policies.iter().map(|policy| policy.rules).sum();
                terminal.print(&json::render(&reports, rules))?;
            }
            FindingFormat::Sarif => {
                let complete = outcome != Outcome::Undone;
                terminal.print(&sarif::render(&reports, env!("CARGO_PKG_VERSION"), complete))?;
            }
            FindingFormat::Github => terminal.print(&github::render(&reports))?,
        }
        Ok(())
    }
}

/// Rules of a machine are made anew by what made them, not by an edit of what it printed.
fn not_fixed(title: &str) -> Failure {
    Failure::new(format!("{title} is a dump of rules, and `--fix` edits policies only"))
        .help("nothing is written; leave `--fix` out, and mend what makes these rules")
}

/// The policies as they are when their files are mended. Of one whose files cannot be written only that
/// is told.
fn fixed(policies: Vec<Checked>, terminal: &Terminal) -> (Vec<Checked>, Outcome) {
    let shared = fix::shared(&policies);
    let mut fixed = Vec::new();
    let mut outcome = Outcome::Clean;
    for policy in policies {
        let mut fixing = Fixing::of(policy, &shared);
        fixing.run();
        match fixing.finish(terminal) {
            Ok(mut policy) => {
                policy.let_go();
                fixed.push(policy);
            }
            Err(failure) => outcome = terminal.tell_failure(&failure),
        }
    }
    (fixed, outcome)
}

/// Whether a policy was not met before by another path.
fn is_new(policy: &Checked, seen: &mut BTreeSet<PathBuf>) -> bool {
    policy.root.as_ref().is_none_or(|root| seen.insert(root.clone()))
}

/// What is at a path.
enum At {
    Folder(PathBuf),
    File(Given),
}

impl At {
    fn of(path: &Path, within: &Within) -> Self {
        if fs::metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
            At::Folder(path.to_owned())
        } else {
            At::File(Given::read(path, within))
        }
    }
}

/// What is the same for all paths.
struct Checking<'c> {
    terms: &'c Terms,
    /// Dumps of sets, for all dumps of rules.
    sets: &'c [Given],
    /// Whether what can be mended is to be.
    fixes: bool,
    /// The messages that were told, for a `palisade.toml` serves many.
    told: BTreeSet<String>,
}

impl Checking<'_> {
    /// The policies at one path. One that cannot be read is told at once; the others are checked all the
    /// same.
    fn at(&mut self, at: At, terminal: &Terminal) -> (Vec<Checked>, Outcome) {
        let folder = match at {
            At::File(given) => return self.files([given], terminal),
            At::Folder(folder) => folder,
        };
        let within = &self.terms.within;
        let place = within.given(&folder);
        let place = place.map_err(|why| Failure::reading(folder.display(), why));
        let files = match place.and_then(|_| policies_in(&folder)) {
            Ok(files) => files,
            Err(failure) => return (Vec::new(), terminal.tell_failure(&failure)),
        };
        let given = files.iter().map(|path| Given::read(path, within));
        let (mut policies, outcome) = self.files(given, terminal);
        let parts: Vec<Part> = policies.iter().map(Part::of).collect();
        let mut wholes = wholes(&parts).into_iter();
        policies.retain(|_| wholes.next().unwrap_or(true));
        (policies, outcome)
    }

    /// Lets go of the last policy so far, before the next one, for there may be thousands.
    fn let_go(&self, policies: &mut [Checked]) {
        let last = policies.last_mut().filter(|one| !self.fixes || !fix::is_open(one));
        last.into_iter().for_each(Checked::let_go);
    }

    fn files(
        &mut self,
        files: impl IntoIterator<Item = Given>,
        terminal: &Terminal,
    ) -> (Vec<Checked>, Outcome) {
        let mut policies = Vec::new();
        let mut outcome = Outcome::Clean;
        for file in files {
            self.let_go(&mut policies);
            let reading = Reading::to(Depth::Rules, self.terms).with_sets(self.sets);
            match reading.given(file) {
                Ok(mut policy) => {
                    policy.judge();
                    policies.push(policy);
                }
                Err(failure) => {
                    outcome = Outcome::Undone;
                    if self.told.insert(failure.message.clone()) {
                        terminal.tell_failure(&failure);
                    }
                }
            }
        }
        (policies, outcome)
    }
}

/// What tells whether a policy is a part of another.
struct Part {
    root: PathBuf,
    included: Vec<PathBuf>,
}

impl Part {
    fn of(policy: &Checked) -> Self {
        let root = policy.root.clone().unwrap_or_default();
        Part { root, included: policy.included.clone() }
    }
}

/// For each policy whether it is to be shown: when no other includes it. In a ring of files that
/// nothing else includes the first is shown, so that no file is left out of all reports.
fn wholes(parts: &[Part]) -> Vec<bool> {
    let mut included: BTreeSet<&PathBuf> = BTreeSet::new();
    for part in parts {
        included.extend(part.included.iter().filter(|path| **path != part.root));
    }
    let mut wholes: Vec<bool> = parts.iter().map(|part| !included.contains(&part.root)).collect();
    let mut shown: BTreeSet<&PathBuf> = BTreeSet::new();
    for (part, _) in parts.iter().zip(&wholes).filter(|(_, whole)| **whole) {
        shown.extend(&part.included);
    }
    for (part, whole) in parts.iter().zip(&mut wholes) {
        if !*whole && !shown.contains(&part.root) {
            *whole = true;
            shown.extend(&part.included);
        }
    }
    wholes
}

/// Findings by policy, each with its summary and perhaps how to mend them, and for several policies
/// one over all.
fn tell(policies: &[Checked], offers: bool, terminal: &Terminal) {
    for policy in policies {
        terminal.tell_findings(&policy.report());
        if policies.len() == 1 || !policy.findings.is_empty() {
            terminal.tell_summary(&policy.title, policy.counts());
        }
        let count = fix::fixable(policy);
        if offers && count > 0 && policy.root.is_some() {
            let title = &policy.title;
            terminal
                .tell_line(&format!("{count} of them can be fixed: palisade check --fix {title}"));
        }
    }
    if policies.len() > 1 {
        let counts = policies.iter().map(Checked::counts).fold(Counts::default(), Counts::plus);
        terminal.tell_summary(&format!("{} policies", policies.len()), counts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(graph: &[(&str, &[&str])]) -> Vec<Part> {
        let part = |(root, included): &(&str, &[&str])| Part {
            root: PathBuf::from(root),
            included: included.iter().map(PathBuf::from).collect(),
        };
        graph.iter().map(part).collect()
    }

    #[test]
    fn a_file_that_another_includes_is_a_part() {
        let graph: &[(&str, &[&str])] =
            &[("a", &[]), ("main", &["a", "b"]), ("b", &[]), ("x", &[])];
        assert_eq!(wholes(&parts(graph)), [false, true, false, true]);
    }

    #[test]
    fn of_a_ring_the_first_is_shown() {
        let graph: &[(&str, &[&str])] = &[("a", &["b"]), ("b", &["a"]), ("self", &["self"])];
        assert_eq!(wholes(&parts(graph)), [true, false, true]);
    }
}
