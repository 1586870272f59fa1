//! `palisade test`: does a policy keep what it promises?

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::deployed::{Contents, Deployed, give_the_other};
use super::failure::Failure;
use super::front::{self, Checked, Depth};
use super::given::{self, is_stdin};
use super::pipeline;
use super::terminal::Terminal;
use super::terms::TermOptions;
use super::{Format, Outcome};
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
    pub(super) fn run(&self, terminal: &Terminal) -> Result<Outcome, Failure> {
        let terms = self.terms.terms()?;
        let mut given = BTreeSet::new();
        let files: Vec<&PathBuf> = self.files.iter().filter(|file| given.insert(*file)).collect();
        self.is_readable(&files)?;
        let mut outcome = Outcome::Clean;
        let mut counted = Counted::default();
        let mut documents = Vec::new();
        let mut text = String::new();
        let mut known = Families::BOTH;
        for file in files {
            let command = ("test", "`palisade test POLICY --on DUMP` holds it to promises");
            let mut checked = front::check_policy(file, &terms, Depth::Words, command)?;
            checked.judge();
            if checked.outcome() != Outcome::Clean {
                outcome = outcome.max(checked.outcome());
                terminal.tell_findings(&checked.report());
                terminal.tell_summary(&checked.title, checked.counts());
                continue;
            }
            let Some(policy) = checked.take_policy() else { continue };
            let ground = match self.ground(&mut checked, &policy)? {
                Ok(ground) => ground,
                Err(worse) => {
                    terminal.tell_findings(&checked.report());
                    outcome = outcome.max(worse);
                    continue;
                }
            };
            known = ground.families();
            let all = judged(&policy, &ground.rules(&policy), &checked.sources);
            let told = Told { checked: &checked, on: &self.on, all: &all };
            match self.format {
                Format::Human => text += &told.human(),
                Format::Json => documents.push(told.json()),
            }
            counted.add(&all);
            checked.findings = all.into_iter().flat_map(|judged| judged.findings).collect();
            if self.format == Format::Human {
                terminal.tell_findings(&checked.report());
            }
        }
        let more = give_the_other(known).map(|more| format!("; {more}")).unwrap_or_default();
        match self.format {
            Format::Human => terminal.print(&format!("{text}{}{more}\n", counted.human()))?,
            Format::Json => terminal.print(&json::pretty(&json!({
                "version": 1,
                "policies": documents,
                "kept": counted.kept,
                "broken": counted.broken,
                "unjudged": counted.unjudged,
            })))?,
        }
        Ok(if counted.broken > 0 { outcome.max(Outcome::AtFault) } else { outcome })
    }

    /// Dumps are of one machine, which has one policy; and standard input is one text.
    fn is_readable(&self, files: &[&PathBuf]) -> Result<(), Failure> {
        if self.on.is_empty() {
            return Ok(());
        }
        if files.len() > 1 {
            return Err(Failure::new("`--on` holds one policy to the rules of a machine")
                .help("give one policy at a time"));
        }
        if self.on.iter().chain(files.iter().copied()).filter(|path| is_stdin(path)).count() > 1 {
            return Err(Failure::new("standard input is given twice").help("give a file for one"));
        }
        Ok(())
    }

    /// The rules that the promises of a policy are held to. When they cannot be read, that is among the
    /// findings.
    fn ground(
        &self,
        checked: &mut Checked,
        policy: &Policy,
    ) -> Result<Result<Ground, Outcome>, Failure> {
        if self.on.is_empty() {
            return Ok(Ok(Ground::Policy(pipeline::meaning(policy))));
        }
        let in_folder = checked.names != Names::default();
        let dumps = given::dumps(&self.on, &checked.within)?;
        checked.findings.clear();
        let Checked { sources, findings, .. } = checked;
        let deployed = Deployed::read(dumps, in_folder, Contents::Count, sources, findings)?;
        let is_whole = !has_errors(&checked.findings);
        Ok(if is_whole { Ok(Ground::Dumps(deployed.dumps())) } else { Err(Outcome::Undone) })
    }
}

/// Whose rules are held to promises.
enum Ground {
    Policy(Meaning),
    Dumps(Vec<Dump>),
}

impl Ground {
    fn rules<'g>(&'g self, policy: &'g Policy) -> Vec<Rules<'g>> {
        match self {
            Ground::Policy(meaning) => vec![Rules { text: Text::Policy(policy), meaning }],
            Ground::Dumps(dumps) => dumps.iter().map(Dump::rules_at_work).collect(),
        }
    }

    fn families(&self) -> Families {
        match self {
            Ground::Policy(_) => Families::BOTH,
            Ground::Dumps(dumps) => {
                let has = |family| dumps.iter().any(|dump| dump.ruleset.family == family);
                Families { v4: has(Family::V4), v6: has(Family::V6) }
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
}

impl Counted {
    fn add(&mut self, all: &[Judged<'_>]) {
        for one in all {
            match State::of(one) {
                State::Kept => self.kept += 1,
                State::Broken => self.broken += 1,
                State::Unjudged => self.unjudged += 1,
            }
        }
    }

    fn human(&self) -> String {
        let mut text = match (self.kept, self.broken) {
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
        text
    }
}

/// The promises of one policy.
struct Told<'t> {
    checked: &'t Checked,
    /// The dumps that they are held to, if they are.
    on: &'t [PathBuf],
    all: &'t [Judged<'t>],
}

impl Told<'_> {
    fn sources(&self) -> &Sources {
        &self.checked.sources
    }

    fn human(&self) -> String {
        let on: Vec<String> = self.on.iter().map(|path| path.display().to_string()).collect();
        let on = if on.is_empty() { String::new() } else { format!(" on {}", on.join(", ")) };
        let mut text = format!("{}{on}\n", self.checked.title);
        for one in self.all {
            let _ = writeln!(text, "  {}  {}", State::of(one).word(), self.called(one));
            let PromiseKind::Test { packets, .. } = &one.promise.kind else { continue };
            let is_failed = |packet: &&TestPacket| State::of_packet(one, packet) == State::Broken;
            for packet in packets.iter().filter(is_failed) {
                let _ = writeln!(text, "            {}", self.sources().text(packet.span));
            }
        }
        if self.all.is_empty() { String::new() } else { text }
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
        let promises = self.all.iter().map(|one| {
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
        })
    }

    fn place(&self, span: Span) -> Value {
        let start = self.sources().start(span);
        let file = self.sources().file(span.file()).name();
        json!({ "file": file, "line": start.line, "column": start.column })
    }
}
