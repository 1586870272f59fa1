//! `palisade diff`: which packets have another fate in a new policy than in an old one?

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::Outcome;
use super::deployed::{Deployed, Purpose, tell};
use super::failure::{Failure, Stop};
use super::formats::Format;
use super::front::{Checked, Depth, Reading};
use super::given::{Subject, stdin_once};
use super::pipeline;
use super::place::Place;
use super::terminal::Terminal;
use super::terms::{TermOptions, Terms};
use crate::analyze::Text;
use crate::analyze::boxes::Readable;
use crate::analyze::changes::{Change, Kind, changes};
use crate::analyze::difference::{by, unproved, words};
use crate::analyze::equal::Act;
use crate::analyze::witness::{chain_name, table_name, witness_of};
use crate::diagnostic::report::{Names, Report};
use crate::diagnostic::{Finding, json};
use crate::meaning::Meaning;
use crate::net::{Families, Family};
use crate::packet::Budget;
use crate::resolve::Policy;
use crate::source::{MemoryLoader, Sources};

const EXAMPLES: &str = "\
Each of both is a policy, a dump of iptables-save or ip6tables-save, or a folder with rules.v4, rules.v6
and ipsets. A dump of one family is compared with the other side's rules of that family. What is in
another order and treats every packet alike is no difference.

Exit status: 0 equal, 1 different, 2 the work could not be done. Of very many differences not all are
looked for, which is said.

Examples:
  palisade diff old.fw new.fw
  palisade diff /etc/iptables/ web.fw
  git show HEAD:web.fw | palisade diff - web.fw --format markdown";

/// Show the packets whose fate changes between two policies or dumps
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Diff {
    /// A policy, a dump, or a folder of dumps; `-` is standard input
    old: PathBuf,

    /// The same
    new: PathBuf,

    /// How changes are written
    #[arg(long, value_enum, default_value_t = DiffFormat::Human)]
    format: DiffFormat,

    #[command(flatten)]
    terms: TermOptions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DiffFormat {
    /// For people
    Human,
    /// For comments on a change
    Markdown,
    /// For programs: one JSON document
    Json,
}

impl Diff {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<Outcome, Stop> {
        stdin_once([&self.old, &self.new])?;
        let terms = self.terms.terms()?;
        let old = self.side(&self.old, &terms, terminal)?;
        let new = self.side(&self.new, &terms, terminal)?;
        let families = old.families.intersection(new.families);
        if families.is_empty() {
            let failure = Failure::new("one side is of IPv4 and the other of IPv6");
            return Err(failure.help("give dumps of one family, or a policy").into());
        }
        let comparison = pipeline::compare(&old.meaning, &new.meaning, families, Budget::default());
        let named = new.policy.as_ref().or(old.policy.as_ref());
        let nameless = nameless();
        let found = changes(&comparison, named.unwrap_or(&nameless));
        let is_complete = comparison.unproved.is_empty();
        let telling = Telling { old: &old, new: &new, is_complete };
        let text = match self.format {
            DiffFormat::Human => telling.human(&found, families),
            DiffFormat::Markdown => telling.markdown(&found, families),
            DiffFormat::Json => json::pretty(&telling.json(&found)),
        };
        terminal.print(&text)?;
        if !is_complete {
            let findings: Vec<Finding> = comparison.unproved.iter().map(unproved).collect();
            new.tell(&findings, terminal);
        }
        // That they differ is known, whatever else is not.
        Ok(match (comparison.differences.is_empty(), is_complete) {
            (false, _) => Outcome::AtFault,
            (true, false) => Outcome::Undone,
            (true, true) => Outcome::Clean,
        })
    }

    /// One side. One that is at fault is not compared: status 1 is that of sides that differ.
    fn side(&self, path: &Path, terms: &Terms, terminal: &Terminal) -> Result<Side, Stop> {
        let format = match self.format {
            DiffFormat::Human | DiffFormat::Markdown => Format::Human,
            DiffFormat::Json => Format::Json,
        };
        Side::of(path, terms, format, terminal).map_err(|stop| match stop {
            Stop::Told(_) => Stop::Told(Outcome::Undone),
            Stop::Failure(failure) => Stop::Failure(failure),
        })
    }
}

/// A policy without a name for anything.
fn nameless() -> Policy {
    let mut sources = Sources::new();
    let root = sources.add("", "");
    pipeline::resolve(root, &mut sources, &mut MemoryLoader::default()).policy
}

/// One of both, with what it means.
struct Side {
    title: String,
    sources: Sources,
    names: Names,
    meaning: Meaning,
    families: Families,
    policy: Option<Policy>,
}

impl Side {
    fn of(path: &Path, terms: &Terms, format: Format, terminal: &Terminal) -> Result<Self, Stop> {
        let title = path.to_string_lossy().into_owned();
        match Subject::at(std::slice::from_ref(&path.to_owned()), &terms.within)? {
            Subject::Dumps(dumps) => {
                let (mut sources, mut findings) = (Sources::new(), Vec::new());
                let purpose = Purpose::Question(terms);
                let read = Deployed::read(dumps, false, purpose, &mut sources, &mut findings)?;
                read.pass(&sources, &findings, format, terminal)?;
                tell(&sources, &findings, terminal);
                let families = read.families();
                let meaning = pipeline::ruled(read.v4.as_ref(), read.v6.as_ref()).meaning;
                let names = Names::default();
                Ok(Side { title, sources, names, meaning, families, policy: None })
            }
            Subject::Policy(given) => {
                let mut checked = Reading::to(Depth::Words, terms).given(given)?;
                checked.pass(format, terminal)?;
                let policy = checked.take_policy();
                let policy = policy.ok_or_else(|| Failure::reading(&title, "it is no policy"))?;
                let Checked { sources, names, .. } = checked;
                let (meaning, families) = (pipeline::meaning(&policy), Families::BOTH);
                Ok(Side { title, sources, names, meaning, families, policy: Some(policy) })
            }
        }
    }

    fn tell(&self, findings: &[Finding], terminal: &Terminal) {
        let report = Report {
            root: &self.title,
            sources: &self.sources,
            names: &self.names,
            findings,
            expected: 0,
        };
        terminal.tell_findings(&report);
        terminal.tell_summary(&self.title, report.counts());
    }

    fn place(&self, act: &Act) -> Option<Place> {
        let span = match &self.policy {
            Some(policy) => Text::Policy(policy).span_of(act.reason),
            None => match act.reason {
                crate::meaning::Reason::Written(origin) => Some(origin.span),
                crate::meaning::Reason::Implicit(_)
                | crate::meaning::Reason::Restored
                | crate::meaning::Reason::Default(_) => None,
            },
        };
        span.map(|span| Place::of(span, &self.sources, &self.names))
    }

    /// `web.fw:4  allow http`, or `by default, at the end of the chain`.
    fn whereabouts(&self, act: &Act) -> String {
        match self.place(act) {
            Some(place) => format!("{place}  {}", place.text),
            None => by(act),
        }
    }
}

struct Telling<'t> {
    old: &'t Side,
    new: &'t Side,
    /// Whether all was found out.
    is_complete: bool,
}

/// So many boxes of a change are told to people.
const MOST_TOLD: usize = 12;

impl Telling<'_> {
    fn human(&self, changes: &[Change], families: Families) -> String {
        if changes.is_empty() {
            return self.equal(families);
        }
        let mut text = String::new();
        let mut last = None;
        for change in changes {
            if last.replace(change.kind) != Some(change.kind) {
                let _ = writeln!(text, "{}", heading(change.kind));
            }
            for line in packets(change) {
                let _ = writeln!(text, "  {line}");
            }
            let (left, right) = words(&change.left, &change.right);
            let _ = writeln!(text, "    old: {left}: {}", self.old.whereabouts(&change.left));
            let _ = writeln!(text, "    new: {right}: {}", self.new.whereabouts(&change.right));
            let _ = writeln!(text, "    such as {}", example(change));
        }
        text
    }

    fn markdown(&self, changes: &[Change], families: Families) -> String {
        if changes.is_empty() {
            return self.equal(families);
        }
        let mut text = String::new();
        let mut last = None;
        for change in changes {
            if last.replace(change.kind) != Some(change.kind) {
                let gap = if text.is_empty() { "" } else { "\n" };
                let _ = writeln!(text, "{gap}### {}\n", capital(heading(change.kind)));
            }
            let packets = packets(change).into_iter().map(|line| code(&line));
            let _ = writeln!(text, "- {}", packets.collect::<Vec<_>>().join("<br>"));
            let (left, right) = words(&change.left, &change.right);
            let _ =
                writeln!(text, "  - old: {left}: {}", code(&self.old.whereabouts(&change.left)));
            let _ =
                writeln!(text, "  - new: {right}: {}", code(&self.new.whereabouts(&change.right)));
            let _ = writeln!(text, "  - such as {}", code(&example(change)));
        }
        text
    }

    fn json(&self, changes: &[Change]) -> Value {
        let changes = changes.iter().map(|change| {
            let (left, right) = words(&change.left, &change.right);
            let families = Family::BOTH.into_iter().filter(|one| change.families.contains(*one));
            let names = families.map(|one| if one == Family::V4 { "ipv4" } else { "ipv6" });
            let boxes = change.boxes.iter().map(|one| {
                json!({ "text": one.text(), "example": witness_of(&one.example, change.base) })
            });
            json!({
                "kind": match change.kind {
                    Kind::NewlyAccepted => "newly-accepted",
                    Kind::NewlyDropped => "newly-dropped",
                    Kind::Otherwise => "otherwise",
                },
                "families": names.collect::<Vec<_>>(),
                "table": table_name(change.base),
                "chain": chain_name(change.base),
                "boxes": boxes.collect::<Vec<_>>(),
                "example": witness_of(&change.example, change.base),
                "old": { "does": left, "rule": self.old.place(&change.left) },
                "new": { "does": right, "rule": self.new.place(&change.right) },
            })
        });
        json!({
            "version": 1,
            "old": self.old.title,
            "new": self.new.title,
            "complete": self.is_complete,
            "changes": changes.collect::<Vec<_>>(),
        })
    }

    fn equal(&self, families: Families) -> String {
        let (old, new) = (&self.old.title, &self.new.title);
        if !self.is_complete {
            return format!(
                "no difference between {old} and {new} was found, but not all was found out\n"
            );
        }
        if families == Families::BOTH {
            return format!("equal: every packet has the same fate in {old} and {new}\n");
        }
        let family = if families.contains(Family::V4) { Family::V4 } else { Family::V6 };
        format!("equal: every {family} packet has the same fate in {old} and {new}\n")
    }
}

fn heading(kind: Kind) -> &'static str {
    match kind {
        Kind::NewlyAccepted => "newly accepted",
        Kind::NewlyDropped => "newly dropped",
        Kind::Otherwise => "changed otherwise",
    }
}

/// The packets of a change, a line for each box.
fn packets(change: &Change) -> Vec<String> {
    let family = match Family::BOTH.map(|family| change.families.contains(family)) {
        [true, false] => " (IPv4)",
        [false, true] => " (IPv6)",
        [true, true] | [false, false] => "",
    };
    let place = format!("  [{} {}]{family}", table_name(change.base), chain_name(change.base));
    let mut lines: Vec<String> = change.boxes.iter().take(MOST_TOLD).map(Readable::text).collect();
    match change.boxes.len() {
        0 => lines.push("packets in many pieces".to_owned()),
        count if count > MOST_TOLD => lines.push(format!("… and {} more", count - MOST_TOLD)),
        _ => {}
    }
    lines[0].push_str(&place);
    lines
}

fn example(change: &Change) -> String {
    let mut shown = witness_of(&change.example, change.base);
    shown.deliverable = true;
    shown.to_string()
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

/// Words as code of Markdown, whatever they are.
fn code(text: &str) -> String {
    let longest = text.split(|letter| letter != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    if longest == 0 { format!("{fence}{text}{fence}") } else { format!("{fence} {text} {fence}") }
}
