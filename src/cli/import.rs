//! `palisade import`: the rules of a machine as a policy.

use std::path::{Path, PathBuf};

use clap::Args;

use super::Outcome;
use super::deployed::{Deployed, Purpose, counted, tell};
use super::failure::{Failure, Stop};
use super::given::{dumps, stdin_once};
use super::output::{self, Output};
use super::pipeline::{self, Named};
use super::terminal::Terminal;
use super::within::Within;
use crate::analyze::equal::{Comparison, compare};
use crate::analyze::ruled::ruled;
use crate::diagnostic::{Finding, Level, Lint, Related, catalogue, has_errors};
use crate::import::{Counts, Dumps, Fault, Imported, Judge, Unequal, Wrong, import, with_sets};
use crate::meaning::{Meaning, Reason};
use crate::net::Families;
use crate::packet::Budget;
use crate::resolve::Resolved;
use crate::source::{FileId, MemoryLoader, Sources, Span};

const EXAMPLES: &str = "\
A dump is what iptables-save or ip6tables-save prints, or a rules file. The policy is proved equal to the
dumps before it is written. What the language cannot say is in it as `raw`. What `ipset save` tells of a set
becomes a list of the policy, when entries stay in it for good and no rule fills it; rules that name other
sets are raw, and the sets stay in the kernel as they are.

Exit status: 0 written, 1 written although it does not build, for errors in the rules that it cannot say to
be expected, 2 not written: no policy was found that is equal, or a dump cannot be read.

Examples:
  iptables-save > now.v4; ip6tables-save > now.v6
  palisade import now.v4 now.v6 -o web.fw
  ipset save > now.ipset; palisade import now.v4 now.v6 now.ipset
  palisade import /etc/iptables/rules.v4";

/// Make a policy of the rules that are deployed
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Import {
    /// Dumps of rules, one a family, and of sets; `-` is standard input
    #[arg(required = true, value_name = "DUMP")]
    dumps: Vec<PathBuf>,

    /// Where the policy is written; standard output unless said
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Replace the file that is there already, whatever is in it
    #[arg(long, requires = "output")]
    force: bool,
}

impl Import {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<Outcome, Stop> {
        let mut sources = Sources::new();
        let mut findings = Vec::new();
        stdin_once(&self.dumps)?;
        let dumps = dumps(&self.dumps, &Within::default())?;
        let mut deployed =
            Deployed::read(dumps, false, Purpose::Import, &mut sources, &mut findings)?;
        let titles: Vec<String> = self.dumps.iter().map(|path| title_of(path)).collect();
        let title = titles.join(" and ");
        tell(&sources, &findings, terminal);
        if has_errors(&findings) {
            return Ok(Outcome::Undone);
        }
        let families = deployed.families();
        let told = std::mem::take(&mut deployed.told);
        let given = [deployed.v4, deployed.v6];
        let with_sets = with_sets(given.each_ref().map(Option::as_ref), &told);
        let mut plainer = (given != with_sets).then_some(given);
        let [mut v4, mut v6] = with_sets;
        loop {
            let mut proof = Proof {
                rules: ruled(v4.as_ref(), v6.as_ref()).meaning,
                families,
                sources: &mut sources,
                findings: Vec::new(),
                not_taken: None,
                taken: None,
                meaning: None,
            };
            let dumps = Dumps { v4: v4.as_ref(), v6: v6.as_ref(), names: &title };
            let imported = import(&dumps, &mut proof);
            let differences = std::mem::take(&mut proof.findings);
            let not_taken = proof.not_taken;
            match imported {
                Ok(imported) => {
                    let has_errors = imported.has_errors;
                    let errors =
                        if has_errors { proof.errors_in(&imported.text) } else { Vec::new() };
                    tell(&sources, &errors, terminal);
                    self.write(imported, families, terminal)?;
                    return Ok(if has_errors { refused(terminal) } else { Outcome::Clean });
                }
                // A rule is as raw as that; the kernel knows a set by its name alone.
                Err(_) if plainer.is_some() => [v4, v6] = plainer.take().unwrap_or_default(),
                Err(unequal) => {
                    let failure =
                        Failure::new(format!("no policy was found that is equal to {title}"));
                    let (findings, help) = match not_taken {
                        Some(policy) => (
                            in_dumps(differences, policy, &unequal),
                            "nothing was written; what no policy can say stands above",
                        ),
                        None => (differences, "nothing was written; what differs stands above"),
                    };
                    tell(&sources, &findings, terminal);
                    return Err(failure.help(help).into());
                }
            }
        }
    }

    fn write(
        &self,
        imported: Imported,
        families: Families,
        terminal: &Terminal,
    ) -> Result<(), Failure> {
        match self.output.as_deref().filter(|path| *path != Path::new("-")) {
            None => terminal.print(&imported.text)?,
            Some(path) => {
                let inputs: Vec<PathBuf> =
                    self.dumps.iter().filter_map(|dump| dump.canonicalize().ok()).collect();
                let inputs: Vec<&Path> = inputs.iter().map(PathBuf::as_path).collect();
                let is_input = path.canonicalize().is_ok_and(|path| inputs.contains(&&*path));
                if !self.force && !is_input {
                    output::refuse_to_replace(path, &imported.text)?;
                }
                let file = Output { path: path.to_owned(), text: imported.text, executable: false };
                output::write_all(&[file], &inputs, &Within::default())?;
            }
        }
        terminal.tell_line(&summary(imported.counts));
        if let Some(other) = not_given(families) {
            terminal.tell_line(&format!(
                "nothing is known of {other}: what names no address and no family holds there too; \
                 give a dump of it, or look the policy through"
            ));
        }
        Ok(())
    }
}

/// The policy was written, and the compiler does not take it.
fn refused(terminal: &Terminal) -> Outcome {
    terminal.tell_line(
        "it is equal to the rules, and `palisade build` refuses it: what is wrong with them stands above",
    );
    Outcome::AtFault
}

/// What a dump is called in the policy.
fn title_of(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    name.filter(|name| name != "-").unwrap_or_else(|| "standard input".to_owned())
}

/// The family of which there is no dump.
fn not_given(families: Families) -> Option<&'static str> {
    match (families.v4, families.v6) {
        (true, false) => Some("IPv6"),
        (false, true) => Some("IPv4"),
        (true, true) | (false, false) => None,
    }
}

/// `imported 42 rules: 30 statements, 4 by defaults and implicit rules, 3 rules as raw`
fn summary(counts: Counts) -> String {
    let mut parts = vec![counted(counts.statements, "statement")];
    if counts.implicit > 0 {
        let rules = counted(counts.implicit, "rule");
        parts.push(format!("{rules} by defaults and implicit rules"));
    }
    let raw = format!("{} as raw", counted(counts.raw, "rule"));
    parts.push(if counts.raw_statements < counts.raw {
        format!("{raw} in {}", counted(counts.raw_statements, "statement"))
    } else {
        raw
    });
    if counts.idle > 0 {
        parts.push(format!("{} without effect left out", counted(counts.idle, "rule")));
    }
    format!("imported {}: {}", counted(counts.rules, "rule"), parts.join(", "))
}

/// Holds policies to the rules.
struct Proof<'s> {
    rules: Meaning,
    families: Families,
    sources: &'s mut Sources,
    /// What is at fault in the policy that was looked at last.
    findings: Vec<Finding>,
    /// That policy, if the language does not take it.
    not_taken: Option<FileId>,
    /// That policy, if the language takes it; and what it does, once that is known.
    taken: Option<(FileId, Resolved)>,
    meaning: Option<Meaning>,
}

impl Judge for Proof<'_> {
    fn refused(&mut self, policy: &str) -> Vec<Fault> {
        (self.taken, self.meaning) = (None, None);
        let root = self.sources.add("the policy", policy);
        let resolved = pipeline::resolve(root, self.sources, &mut MemoryLoader::default());
        let is_error = |finding: &&Finding| finding.level == Level::Error;
        let errors: Vec<Finding> = resolved.findings.iter().filter(is_error).cloned().collect();
        let faults = errors.iter().flat_map(refusals).collect();
        self.not_taken = (!errors.is_empty()).then_some(root);
        self.taken = errors.is_empty().then_some((root, resolved));
        self.findings = errors;
        faults
    }

    fn faults(&mut self) -> Vec<Fault> {
        let Some((root, resolved)) = &self.taken else { return Vec::new() };
        let meaning = pipeline::meaning(&resolved.policy);
        let mut comparison = compare(&meaning, &self.rules, self.families, Budget::default());
        if comparison.unproved.iter().any(|one| one.right_alone) {
            // What else is at fault, another policy could mend.
            comparison.differences.clear();
            comparison.unproved.retain(|one| one.right_alone);
        }
        self.findings = pipeline::differences(&comparison, Named::POLICY_AND_RULES);
        self.meaning = Some(meaning);
        places(&comparison, *root)
    }

    fn errors(&mut self) -> Vec<Wrong> {
        let Some((root, errors)) = self.judged() else { return Vec::new() };
        let wrong = |finding: &Finding| Wrong {
            written: finding.span.filter(|span| span.file() == root).map(Span::start),
            lint: finding.lint.name,
            is_expectable: finding.lint.expectable,
        };
        errors.iter().map(wrong).collect()
    }
}

impl Proof<'_> {
    /// The errors in a policy.
    fn errors_in(&mut self, policy: &str) -> Vec<Finding> {
        self.refused(policy);
        self.judged().map(|(_, errors)| errors).unwrap_or_default()
    }

    /// The errors in the policy that was taken last, and the file that it is.
    fn judged(&mut self) -> Option<(FileId, Vec<Finding>)> {
        let (root, resolved) = self.taken.take()?;
        let meaning = self.meaning.take();
        let meaning = meaning.unwrap_or_else(|| pipeline::meaning(&resolved.policy));
        let is_error = Lint::is_error;
        let Resolved { policy, mut findings, expectations, .. } = resolved;
        let found = pipeline::analysed(&policy, &meaning, self.sources, &expectations, &is_error);
        findings.extend(found);
        let findings = pipeline::settle(findings, &expectations, is_error).findings;
        Some((root, findings.into_iter().filter(|finding| is_error(finding.lint)).collect()))
    }
}

/// Where something is that the language does not take. Of chains that lead to each other too deep, one step
/// less is enough, whichever it is.
fn refusals(finding: &Finding) -> Vec<Fault> {
    let is_too_deep = finding.lint == &catalogue::NESTING_TOO_DEEP;
    let on_the_way = finding.related.iter().filter(|_| is_too_deep).map(|one| Some(one.span));
    let fault = |place: Option<Span>| Fault {
        written: Some(place.map_or(usize::MAX, Span::start)),
        read: None,
        is_too_deep,
        is_final: false,
    };
    [finding.span].into_iter().chain(on_the_way).map(fault).collect()
}

/// What is wrong with a policy that nobody will see, said of the lines that it was made of.
fn in_dumps(findings: Vec<Finding>, policy: FileId, unequal: &Unequal) -> Vec<Finding> {
    let line = |span: Span| {
        let line = unequal.line_at(span.start()).filter(|_| span.file() == policy);
        line.unwrap_or(span)
    };
    let moved = |finding: Finding| Finding {
        span: finding.span.map(line),
        related: finding
            .related
            .into_iter()
            .map(|one| Related { span: line(one.span), ..one })
            .collect(),
        fix: None,
        ..finding
    };
    findings.into_iter().map(moved).collect()
}

fn places(comparison: &Comparison, root: FileId) -> Vec<Fault> {
    let place = |reason: Reason| match reason {
        Reason::Written(origin) => Some(origin.span),
        Reason::Implicit(_) | Reason::Restored | Reason::Default(_) => None,
    };
    let mut faults: Vec<Fault> = comparison
        .differences
        .iter()
        .map(|one| Fault {
            written: place(one.left.reason).filter(|span| span.file() == root).map(Span::start),
            read: place(one.right.reason),
            is_too_deep: false,
            is_final: false,
        })
        .collect();
    if !comparison.unproved.is_empty() {
        let is_final = comparison.unproved.iter().any(|one| one.right_alone);
        faults.push(Fault { written: None, read: None, is_too_deep: false, is_final });
    }
    faults
}
