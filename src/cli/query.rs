//! `palisade query`: which part of a set of connections is accepted, and by which rules?

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::failure::Failure;
use super::front;
use super::pipeline;
use super::terminal::Terminal;
use super::terms::TermOptions;
use super::{Format, Outcome};
use crate::analyze::journey::Surroundings;
use crate::analyze::query::{Answer, Part, answer, lines};
use crate::analyze::witness::{chain_name, table_name, witness_of};
use crate::analyze::{implied_name, span_of};
use crate::diagnostic::json;
use crate::meaning::Reason;
use crate::net::Family;
use crate::resolve::Policy;
use crate::resolve::policy::PromiseKind;
use crate::source::{Sources, Span};

const EXAMPLES: &str = "\
The question is `allow` or `drop`, subjects and ends like those of a rule. It is about new connections, by their
first packets; `drop` asks for all that is not accepted.

Exit status:
  0  there are such connections
  1  there are none, or the policy is at fault
  2  the work could not be done

Examples:
  palisade query edge.fw 'allow tcp 22 from any'
  palisade query edge.fw 'allow any from guest to lan'
  palisade query edge.fw 'drop dns from self to wan' --format json";

/// Show which connections of a set are accepted or dropped, and by which rules
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Query {
    /// The policy; `-` is standard input
    file: PathBuf,

    /// The question, such as 'allow tcp 22 from any'
    question: String,

    /// How the answer is written
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,

    #[command(flatten)]
    terms: TermOptions,
}

const WHAT: &str = "the question";

impl Query {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<Outcome, Failure> {
        let terms = self.terms.terms()?;
        if self.question.contains(['\n', ';', '{', '}', '#']) {
            return Err(Failure::new(format!("{WHAT}: it is more than one"))
                .help("write one, such as `allow tcp 22 from any`"));
        }
        let question = format!("assert {}", self.question);
        let (checked, promise) = front::ask(&self.file, &terms, WHAT, &question)?;
        checked.needs_policy("query")?;
        let (Some(promise), Some(policy)) = (promise, checked.policy()) else {
            terminal.tell_findings(&checked.report());
            terminal.tell_summary(&checked.title, checked.counts());
            return Ok(checked.outcome());
        };
        let PromiseKind::Assert(claim) = promise.kind else {
            return Err(Failure::new(format!("{WHAT} cannot be read"))
                .help("write one, such as `allow tcp 22 from any`"));
        };
        let meaning = pipeline::meaning(policy);
        let answer = answer(policy, &meaning, &claim, &Surroundings::of(policy));
        let telling = Telling { policy, sources: &checked.sources, accepts: claim.accepts };
        terminal.print(&match self.format {
            Format::Human => telling.human(&answer),
            Format::Json => json::pretty(&telling.json(&answer)),
        })?;
        if answer.is_incomplete {
            return Err(Failure::new("the answer is not whole: it was too much work")
                .help("ask for less at once, by one service or zone"));
        }
        Ok(if answer.parts.is_empty() { Outcome::AtFault } else { Outcome::Clean })
    }
}

struct Telling<'t> {
    policy: &'t Policy,
    sources: &'t Sources,
    accepts: bool,
}

impl Telling<'_> {
    fn human(&self, answer: &Answer) -> String {
        let word = if self.accepts { "accepted" } else { "dropped" };
        if answer.parts.is_empty() {
            return format!("nothing of it is {word}\n");
        }
        let mut text = String::new();
        for part in &answer.parts {
            let _ = writeln!(text, "{}", self.by(part));
            for (line, families) in lines(part) {
                let family = match families[..] {
                    [Family::V4] => " (IPv4)",
                    [Family::V6] => " (IPv6)",
                    _ => "",
                };
                let _ = writeln!(text, "  {line}{family}");
            }
            if let Some(first) = part.boxes.first() {
                let mut shown = witness_of(&first.example, part.base);
                shown.deliverable = true;
                shown.ttl = None;
                let _ = writeln!(text, "    such as {shown}");
            }
        }
        text
    }

    /// Who is responsible: `edge.fw:7  allow ssh from admins`.
    fn by(&self, part: &Part) -> String {
        let place = span_of(self.policy, part.by);
        let mut text = match (part.by, place) {
            (Reason::Implicit(implied), _) => {
                format!("the implicit rule for {}", implied_name(implied))
            }
            (_, Some(span)) => format!("{}  {}", self.sources.locate(span), self.line(span)),
            (_, None) => "by default".to_owned(),
        };
        let _ = write!(text, "  [{} {}]", table_name(part.base), chain_name(part.base));
        if part.is_limited {
            text += if self.accepts {
                ", while a limit has room"
            } else {
                ", when a limit has no room"
            };
        }
        let translated = part.translated_by.and_then(|reason| span_of(self.policy, reason));
        if let Some(span) = translated.filter(|span| Some(*span) != place) {
            let _ = write!(text, ", translated by {}", self.sources.locate(span));
        }
        text
    }

    fn line(&self, span: Span) -> String {
        self.sources.text(span).lines().next().unwrap_or_default().to_owned()
    }

    fn json(&self, answer: &Answer) -> Value {
        let parts = answer.parts.iter().map(|part| {
            let boxes = part.boxes.iter().map(|one| {
                json!({
                    "text": one.text(),
                    "family": if one.family == Family::V4 { "ipv4" } else { "ipv6" },
                    "what": one.what,
                    "from": one.from,
                    "to": one.to,
                    "more": one.more,
                    "example": witness_of(&one.example, part.base),
                })
            });
            json!({
                "rule": self.place(part.by),
                "by": self.by(part),
                "table": table_name(part.base),
                "chain": chain_name(part.base),
                "limited": part.is_limited,
                "translated_by": part.translated_by.map(|reason| self.place(reason)),
                "boxes": boxes.collect::<Vec<_>>(),
            })
        });
        json!({
            "version": 1,
            "accepted": self.accepts,
            "complete": !answer.is_incomplete,
            "parts": parts.collect::<Vec<_>>(),
        })
    }

    fn place(&self, reason: Reason) -> Value {
        let Some(span) = span_of(self.policy, reason) else { return Value::Null };
        let start = self.sources.start(span);
        let file = self.sources.file(span.file()).name();
        json!({ "file": file, "line": start.line, "column": start.column, "text": self.line(span) })
    }
}
