//! `palisade test`: does a policy keep what it promises?

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::Outcome;
use super::deployed::{Deployed, Purpose, give_the_other};
use super::failure::{Failure, Stop};
use super::formats::Format;
use super::front::{Checked, Depth, Reading};
use super::given::{self, stdin_once};
use super::pipeline;
use super::place::Place;
use super::terminal::Terminal;
use super::terms::{TermOptions, Terms};
use crate::analyze::promise::{Judged, judged};
use crate::analyze::{Dump, Rules, Text};
use crate::diagnostic::report::Names;
use crate::diagnostic::{has_errors, json};
use crate::meaning::Meaning;
use crate::net::{Families, Family};
use crate::resolve::Policy;
use crate::resolve::policy::{PromiseKind, TestPacket};
use crate::source::{Sources, Span};

const EXAMPLES: &str = "\
`assert` and `protect` are proved for all their packets, `test` follows each of its own. `check` and
`build` judge them too: with a promise that is broken nothing is written.

With --on the promises are held to the rules of a machine instead of the policy's own, whoever made those.

Examples:
  palisade test edge.fw
  palisade test site/*.fw --format json
  palisade test edge.fw --on now.v4 now.v6
  iptables-save | palisade test edge.fw --on -";

/// Check what policies promise of themselves
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Test {
    /// Policies; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Dumps of rules, one a family, and of sets, or a folder of them, to which the promises of one policy
    /// are held; `-` is standard input
    #[arg(long, value_name = "DUMP", num_args = 1..)]
    on: Vec<PathBuf>,

    /// How the outcome is written
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,

    #[command(flatten)]
    terms: TermOptions,
}

impl Test {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<Outcome, Stop> {
        let terms = self.terms.terms()?;
        let mut given = BTreeSet::new();
        let files: Vec<&PathBuf> = self.files.iter().filter(|file| given.insert(*file)).collect();
        stdin_once(self.on.iter().chain(files.iter().copied()))?;
        if !self.on.is_empty() && files.len() > 1 {
            let failure = Failure::new("`--on` holds one policy to the rules of a machine");
            return Err(failure.help("give one policy at a time").into());
        }
        let mut tested = Tested::default();
        for file in files {
            self.test(file, &terms, &mut tested, terminal)?;
        }
        let Tested { text, documents, counted, known, outcome } = tested;
        let more = known.and_then(give_the_other).map(|more| format!("; {more}"));
        let more = more.unwrap_or_default();
        match self.format {
            Format::Human => terminal.print(&format!("{text}{}{more}\n", counted.human()))?,
            Format::Json => terminal.print(&json::pretty(&json!({
                "version": 1,
                "policies": documents,
                "kept": counted.kept,
                "broken": counted.broken,
                "unjudged": counted.unjudged,
                "at_fault": counted.at_fault,
            })))?,
        }
        Ok(outcome)
    }

    /// Holds one policy to its promises.
    fn test(
        &self,
        file: &Path,
        terms: &Terms,
        tested: &mut Tested,
        terminal: &Terminal,
    ) -> Result<(), Failure> {
        let instead = "`palisade test POLICY --on DUMP` holds it to promises";
        let reading = Reading::to(Depth::Words, terms).for_policies("test", instead);
        let mut checked = reading.path(file)?;
        checked.judge();
        let policy = checked.take_policy();
        let ground = self.ground(&mut checked, policy.as_ref(), terms)?;
        let all = match (&policy, &ground) {
            (None, _) | (_, Ground::AtFault(_)) => None,
            (Some(policy), Ground::Policy(_) | Ground::Dumps(_)) => {
                Some(judged(policy, &ground.rules(policy), &checked.sources))
            }
        };
        tested.count(&ground, all.as_deref());
        let told = Told { checked: &checked, on: &self.on, all: all.as_deref() };
        match self.format {
            Format::Human => tested.text += &told.human(),
            Format::Json => tested.documents.push(told.json()),
        }
        let is_at_fault = all.is_none();
        if let Some(all) = all {
            checked.findings.extend(all.into_iter().flat_map(|judged| judged.findings));
        }
        if self.format == Format::Human {
            terminal.tell_findings(&checked.report());
            if is_at_fault {
                terminal.tell_summary(&checked.title, checked.counts());
            }
        }
        Ok(())
    }

    /// The rules that the promises of a policy are held to. Why there are none is among the findings.
    fn ground(
        &self,
        checked: &mut Checked,
        policy: Option<&Policy>,
        terms: &Terms,
    ) -> Result<Ground, Failure> {
        let outcome = checked.outcome();
        let Some(policy) = policy.filter(|_| outcome == Outcome::Clean) else {
            return Ok(Ground::AtFault(outcome));
        };
        // What is wrong with the policy itself is said by `check`.
        checked.findings.clear();
        if self.on.is_empty() {
            return Ok(Ground::Policy(pipeline::meaning(policy)));
        }
        let in_folder = checked.names != Names::default();
        let dumps = given::dumps(&self.on, &terms.within)?;
        let Checked { sources, findings, .. } = checked;
        let purpose = Purpose::Question(terms);
        let deployed = Deployed::read(dumps, in_folder, purpose, sources, findings)?;
        Ok(match (deployed.is_whole, has_errors(findings)) {
            (false, _) => Ground::AtFault(Outcome::Undone),
            (true, true) => Ground::AtFault(Outcome::AtFault),
            (true, false) => Ground::Dumps(deployed.dumps()),
        })
    }
}

/// What became of the policies so far.
#[derive(Default)]
struct Tested {
    text: String,
    documents: Vec<Value>,
    counted: Counted,
    /// The families that something was known of.
    known: Option<Families>,
    outcome: Outcome,
}

impl Tested {
    fn count(&mut self, ground: &Ground, all: Option<&[Judged<'_>]>) {
        self.known = ground.families();
        let outcome = match ground {
            Ground::AtFault(outcome) => *outcome,
            Ground::Policy(_) | Ground::Dumps(_) => Outcome::Clean,
        };
        self.counted.add(all);
        let broken = if self.counted.broken > 0 { Outcome::AtFault } else { Outcome::Clean };
        self.outcome = self.outcome.max(outcome).max(broken);
    }
}

/// Whose rules are held to promises.
enum Ground {
    /// Nobody's: the policy is at fault, or the dumps are.
    AtFault(Outcome),
    Policy(Meaning),
    Dumps(Vec<Dump>),
}

impl Ground {
    fn rules<'g>(&'g self, policy: &'g Policy) -> Vec<Rules<'g>> {
        match self {
            Ground::AtFault(_) => Vec::new(),
            Ground::Policy(meaning) => vec![Rules { text: Text::Policy(policy), meaning }],
            Ground::Dumps(dumps) => dumps.iter().map(Dump::rules_at_work).collect(),
        }
    }

    /// The families that something is known of; `None` where nothing is asked.
    fn families(&self) -> Option<Families> {
        match self {
            Ground::AtFault(_) => None,
            Ground::Policy(_) => Some(Families::BOTH),
            Ground::Dumps(dumps) => {
                let has = |family| dumps.iter().any(|dump| dump.ruleset.family == family);
                Some(Families { v4: has(Family::V4), v6: has(Family::V6) })
            }
        }
    }
}

/// What is known of a promise, or of a packet of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Kept,
    Broken,
    /// It is about a family of which there are no rules.
    Unjudged,
}

impl State {
    fn of(one: &Judged<'_>) -> Self {
        let nothing_judged = match &one.promise.kind {
            PromiseKind::Test { packets, .. } => {
                !packets.is_empty()
                    && packets.iter().all(|packet| one.unjudged.contains(&packet.span))
            }
            PromiseKind::Assert(_) | PromiseKind::Protect(_) => !one.unjudged.is_empty(),
        };
        match (one.findings.is_empty(), nothing_judged) {
            (false, _) => State::Broken,
            (true, true) => State::Unjudged,
            (true, false) => State::Kept,
        }
    }

    /// Of a packet of a test, which is at fault when it met another end.
    fn of_packet(one: &Judged<'_>, packet: &TestPacket) -> Self {
        if one.findings.iter().any(|finding| finding.span == Some(packet.span)) {
            State::Broken
        } else if one.unjudged.contains(&packet.span) {
            State::Unjudged
        } else {
            State::Kept
        }
    }

    fn word(self) -> &'static str {
        match self {
            State::Kept => "ok    ",
            State::Broken => "FAILED",
            State::Unjudged => "-     ",
        }
    }

    /// For programs.
    fn ok(self) -> Option<bool> {
        match self {
            State::Kept => Some(true),
            State::Broken => Some(false),
            State::Unjudged => None,
        }
    }
}

/// How many promises are kept.
#[derive(Debug, Default)]
struct Counted {
    kept: usize,
    broken: usize,
    /// About a family of which there are no rules.
    unjudged: usize,
    /// Policies of which no promise is judged, for they or the dumps are at fault.
    at_fault: usize,
}

impl Counted {
    fn add(&mut self, all: Option<&[Judged<'_>]>) {
        self.at_fault += usize::from(all.is_none());
        for one in all.unwrap_or_default() {
            match State::of(one) {
                State::Kept => self.kept += 1,
                State::Broken => self.broken += 1,
                State::Unjudged => self.unjudged += 1,
            }
        }
    }

    fn human(&self) -> String {
        let mut text = match (self.kept, self.broken) {
            (0, 0) if self.at_fault > 0 => "no promise is kept or broken".to_owned(),
            (0, 0) if self.unjudged == 0 => {
                "no promises: write `assert`, `protect` or `test`".to_owned()
            }
            (1, 0) => "1 promise is kept".to_owned(),
            (kept, 0) => format!("{kept} promises are kept"),
            (kept, broken) => format!("{broken} of {} promises broken", kept + broken),
        };
        match self.unjudged {
            0 => {}
            1 => text += ", 1 is not judged",
            more => text += &format!(", {more} are not judged"),
        }
        match self.at_fault {
            0 => {}
            1 => text += "; of 1 policy nothing is judged, for the errors above",
            more => {
                text += &format!("; of {more} policies nothing is judged, for the errors above");
            }
        }
        text
    }
}

/// The promises of one policy; `None` where none is judged.
struct Told<'t> {
    checked: &'t Checked,
    /// The dumps that they are held to, if they are.
    on: &'t [PathBuf],
    all: Option<&'t [Judged<'t>]>,
}

impl Told<'_> {
    fn sources(&self) -> &Sources {
        &self.checked.sources
    }

    fn human(&self) -> String {
        let on: Vec<String> = self.on.iter().map(|path| path.display().to_string()).collect();
        let on = if on.is_empty() { String::new() } else { format!(" on {}", on.join(", ")) };
        let mut text = format!("{}{on}\n", self.checked.title);
        let all = self.all.unwrap_or_default();
        for one in all {
            let _ = writeln!(text, "  {}  {}", State::of(one).word(), self.called(one));
            let PromiseKind::Test { packets, .. } = &one.promise.kind else { continue };
            let is_failed = |packet: &&TestPacket| State::of_packet(one, packet) == State::Broken;
            for packet in packets.iter().filter(is_failed) {
                let _ = writeln!(text, "            {}", self.sources().text(packet.span));
            }
        }
        if all.is_empty() { String::new() } else { text }
    }

    /// A promise in one line.
    fn called(&self, one: &Judged<'_>) -> String {
        match &one.promise.kind {
            PromiseKind::Assert(_) | PromiseKind::Protect(_) => {
                let text = self.sources().text(one.promise.span);
                text.split_whitespace().collect::<Vec<_>>().join(" ")
            }
            PromiseKind::Test { title, packets } => {
                let plural = if packets.len() == 1 { "" } else { "s" };
                format!("test \"{title}\" ({} packet{plural})", packets.len())
            }
        }
    }

    fn json(&self) -> Value {
        let promises = self.all.unwrap_or_default().iter().map(|one| {
            let (kind, title, packets) = match &one.promise.kind {
                PromiseKind::Assert(_) => ("assert", None, None),
                PromiseKind::Protect(_) => ("protect", None, None),
                PromiseKind::Test { title, packets } => {
                    let packets = packets.iter().map(|packet| {
                        json!({
                            "text": self.sources().text(packet.span),
                            "place": self.place(packet.span),
                            "ok": State::of_packet(one, packet).ok(),
                        })
                    });
                    ("test", Some(&**title), Some(packets.collect::<Vec<_>>()))
                }
            };
            let findings = one.findings.iter().map(|finding| {
                json!({
                    "code": finding.lint.name,
                    "message": finding.message,
                    "place": finding.span.map(|span| self.place(span)),
                    "packet": finding.witness,
                })
            });
            json!({
                "kind": kind,
                "title": title,
                "text": self.called(one),
                "place": self.place(one.promise.span),
                "ok": State::of(one).ok(),
                "packets": packets,
                "findings": findings.collect::<Vec<_>>(),
            })
        });
        let promises: Vec<Value> = promises.collect();
        let on = self.on.iter().map(|path| path.display().to_string());
        json!({
            "policy": self.checked.title,
            "on": on.collect::<Vec<_>>(),
            "promises": promises,
            "findings": self.all.is_none().then(|| json::findings(&self.checked.report())),
        })
    }

    fn place(&self, span: Span) -> Place {
        Place::of(span, self.sources(), &self.checked.names)
    }
}
