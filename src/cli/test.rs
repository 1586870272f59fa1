//! `palisade test`: does a policy keep what it promises?

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::failure::Failure;
use super::front::{self, Checked, Depth};
use super::pipeline;
use super::terminal::Terminal;
use super::terms::TermOptions;
use super::{Format, Outcome};
use crate::analyze::promise::{Judged, judged};
use crate::diagnostic::json;
use crate::resolve::policy::{PromiseKind, TestPacket};
use crate::source::{Sources, Span};

const EXAMPLES: &str = "\
`assert` and `protect` are proved for all their packets, `test` follows each of its own. `check` and
`build` judge them too: with a promise that is broken nothing is written.

Examples:
  palisade test edge.fw
  palisade test site/*.fw --format json";

/// Check what policies promise of themselves
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Test {
    /// Policies; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// How the outcome is written
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,

    #[command(flatten)]
    terms: TermOptions,
}

impl Test {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<Outcome, Failure> {
        let terms = self.terms.terms()?;
        let mut outcome = Outcome::Clean;
        let mut given = BTreeSet::new();
        let mut counted = Counted::default();
        let mut documents = Vec::new();
        let mut text = String::new();
        for file in self.files.iter().filter(|file| given.insert(*file)) {
            let mut checked = front::check(file, &terms, Depth::Words)?;
            checked.needs_policy("test")?;
            checked.judge();
            if checked.outcome() != Outcome::Clean {
                outcome = outcome.max(checked.outcome());
                terminal.tell_findings(&checked.report());
                terminal.tell_summary(&checked.title, checked.counts());
                continue;
            }
            let Some(policy) = checked.take_policy() else { continue };
            let meaning = pipeline::meaning(&policy);
            let all = judged(&policy, &meaning, &checked.sources);
            let told = Told { checked: &checked, all: &all };
            documents.push(told.json());
            text += &told.human();
            counted.add(&all);
            checked.findings = all.into_iter().flat_map(|judged| judged.findings).collect();
            if self.format == Format::Human {
                terminal.tell_findings(&checked.report());
            }
        }
        match self.format {
            Format::Human => terminal.print(&format!("{text}{}\n", counted.human()))?,
            Format::Json => terminal.print(&json::pretty(&json!({
                "version": 1,
                "policies": documents,
                "kept": counted.kept,
                "broken": counted.broken,
            })))?,
        }
        Ok(if counted.broken > 0 { outcome.max(Outcome::AtFault) } else { outcome })
    }
}

/// How many promises are kept.
#[derive(Debug, Default)]
struct Counted {
    kept: usize,
    broken: usize,
}

impl Counted {
    fn add(&mut self, all: &[Judged<'_>]) {
        let kept = all.iter().filter(|one| one.findings.is_empty()).count();
        self.kept += kept;
        self.broken += all.len() - kept;
    }

    fn human(&self) -> String {
        match (self.kept, self.broken) {
            (0, 0) => "no promises: write `assert`, `protect` or `test`".to_owned(),
            (1, 0) => "1 promise is kept".to_owned(),
            (kept, 0) => format!("{kept} promises are kept"),
            (kept, broken) => format!("{broken} of {} promises broken", kept + broken),
        }
    }
}

/// The promises of one policy.
struct Told<'t> {
    checked: &'t Checked,
    all: &'t [Judged<'t>],
}

impl Told<'_> {
    fn sources(&self) -> &Sources {
        &self.checked.sources
    }

    fn human(&self) -> String {
        let mut text = format!("{}\n", self.checked.title);
        for one in self.all {
            let word = if one.findings.is_empty() { "ok    " } else { "FAILED" };
            let _ = writeln!(text, "  {word}  {}", self.called(one));
            let PromiseKind::Test { packets, .. } = &one.promise.kind else { continue };
            for packet in packets.iter().filter(|packet| is_failed(one, packet)) {
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
                            "ok": !is_failed(one, packet),
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
                "ok": one.findings.is_empty(),
                "packets": packets,
                "findings": findings.collect::<Vec<_>>(),
            })
        });
        let promises: Vec<Value> = promises.collect();
        json!({ "policy": self.checked.title, "promises": promises })
    }

    fn place(&self, span: Span) -> Value {
        let start = self.sources().start(span);
        let file = self.sources().file(span.file()).name();
        json!({ "file": file, "line": start.line, "column": start.column })
    }
}

/// Whether a packet of a test met another end.
fn is_failed(one: &Judged<'_>, packet: &TestPacket) -> bool {
    one.findings.iter().any(|finding| finding.span == Some(packet.span))
}
