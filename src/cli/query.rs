//! `palisade query`: which part of a set of connections is accepted, and by which rules?

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::Outcome;
use super::asked::{Asked, ask};
use super::deployed::give_the_other;
use super::failure::{Failure, Stop};
use super::formats::Format;
use super::place::Place;
use super::terminal::Terminal;
use super::terms::TermOptions;
use crate::analyze::journey::Surroundings;
use crate::analyze::query::{Answer, Limits, Part, answer, lines};
use crate::analyze::witness::{chain_name, table_name, witness_of};
use crate::analyze::{Text, implied_name};
use crate::diagnostic::json;
use crate::meaning::Reason;
use crate::net::Family;
use crate::resolve::policy::PromiseKind;

const EXAMPLES: &str = "\
The question is `allow` or `drop`, subjects and ends like those of a rule. It is about new connections, by their
first packets; `drop` asks for all that is not accepted. Of dumps, each interface that rules name is a zone
for the question: `from eth1`, `to 192.0.2.1@eth0`.

Exit status:
  0  there are such connections
  1  there are none, or the policy is at fault
  2  the work could not be done, or the answer is open

Examples:
  palisade query edge.fw 'allow tcp 22 from any'
  palisade query edge.fw 'allow any from guest to lan'
  palisade query edge.fw 'drop dns from self to wan' --format json
  palisade query rules.v4 rules.v6 'allow tcp 22 from any'";

/// Show which connections of a set are accepted or dropped, and by which rules
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Query {
    /// The policy, or dumps of rules and of sets, or a folder of them; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

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
    pub(super) fn run(&self, terminal: &Terminal) -> Result<Outcome, Stop> {
        let terms = self.terms.terms()?;
        if self.question.contains(['\n', ';', '{', '}', '#']) {
            let failure = Failure::new(format!("{WHAT}: it is more than one"));
            return Err(failure.help("write one, such as `allow tcp 22 from any`").into());
        }
        let question = format!("assert {}", self.question);
        let asked = ask(&self.files, &terms, (WHAT, &question), self.format, terminal)?;
        let PromiseKind::Assert(claim) = &asked.promise.kind else {
            let failure = Failure::new(format!("{WHAT} cannot be read"));
            return Err(failure.help("write one, such as `allow tcp 22 from any`").into());
        };
        let surroundings = Surroundings::of(&asked.policy);
        let rules = asked.rules();
        let answers: Vec<(Telling<'_>, Answer)> = rules
            .iter()
            .map(|rules| {
                let telling = Telling { text: rules.text, asked: &asked };
                (telling, answer(&asked.policy, *rules, claim, &surroundings))
            })
            .collect();
        let is_complete = !answers.iter().any(|(_, answer)| answer.is_incomplete);
        let is_open =
            answers.iter().any(|(_, answer)| answer.parts.iter().any(|part| part.is_open));
        let is_empty = answers.iter().all(|(_, answer)| answer.parts.is_empty());
        terminal.print(&match self.format {
            Format::Human => human(&answers, claim.accepts, is_complete),
            Format::Json => json::pretty(&json!({
                "version": 1,
                "accepted": claim.accepts,
                "complete": is_complete && !is_open,
                "parts": answers.iter().flat_map(|(one, answer)| one.json(answer)).collect::<Vec<_>>(),
            })),
        })?;
        if let Some(more) = give_the_other(asked.families()) {
            terminal.tell_line(&format!("of one family only; {more}"));
        }
        if !is_complete {
            let failure = Failure::new("the answer is not whole").help(
                "rules take its packets in very many pieces, or change them in ways that are not known: ask for \
                 less at once, by one service or zone",
            );
            return Err(failure.into());
        }
        if is_open {
            let failure = Failure::new("the answer is open: some rules may do either").help(
                "they are in words that only the kernel understands, or hand packets to a program",
            );
            return Err(failure.into());
        }
        Ok(if is_empty { Outcome::AtFault } else { Outcome::Clean })
    }
}

fn human(answers: &[(Telling<'_>, Answer)], accepts: bool, is_complete: bool) -> String {
    let text: String = answers.iter().map(|(telling, answer)| telling.human(answer)).collect();
    if !text.is_empty() {
        return text;
    }
    let found = if is_complete { "" } else { "found to be " };
    format!("nothing of it is {found}{}\n", if accepts { "accepted" } else { "dropped" })
}

/// One of those who answer.
struct Telling<'t> {
    text: Text<'t>,
    asked: &'t Asked,
}

impl Telling<'_> {
    fn human(&self, answer: &Answer) -> String {
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
        let place = self.place(part.by);
        let mut text = match (part.by, &place) {
            (Reason::Implicit(implied), _) => {
                format!("the implicit rule for {}", implied_name(implied))
            }
            (_, Some(place)) => format!("{place}  {}", place.text),
            (_, None) => "by default".to_owned(),
        };
        let _ = write!(text, "  [{} {}]", table_name(part.base), chain_name(part.base));
        text += match part.limits {
            Limits::Any => "",
            Limits::Room => ", while a limit has room",
            Limits::NoRoom => ", when a limit has no room",
            Limits::Mixed => ", depending on what came before",
        };
        if part.is_open {
            text += ", which may do either";
        }
        let own = self.text.span_of(part.by);
        let translated = part.translated_by.filter(|reason| self.text.span_of(*reason) != own);
        if let Some(place) = translated.and_then(|reason| self.place(reason)) {
            let _ = write!(text, ", translated by {place}");
        }
        text
    }

    fn json(&self, answer: &Answer) -> Vec<Value> {
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
                "limits": match part.limits {
                    Limits::Any => None,
                    Limits::Room => Some("room"),
                    Limits::NoRoom => Some("exhausted"),
                    Limits::Mixed => Some("mixed"),
                },
                "open": part.is_open,
                "translated_by": part.translated_by.map(|reason| self.place(reason)),
                "boxes": boxes.collect::<Vec<_>>(),
            })
        });
        parts.collect()
    }

    fn place(&self, reason: Reason) -> Option<Place> {
        Some(Place::of(self.text.span_of(reason)?, &self.asked.sources, &self.asked.names))
    }
}
