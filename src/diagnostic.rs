//! Findings as data: what is wrong, where, and how to mend it. Knows nothing of the stages that
//! make them.
//!
//! A stage pushes [`Finding`]s; `cli` renders them. The [`catalogue`] has a row and a page for each
//! code.

pub mod catalogue;

pub mod bound;

pub mod report;

pub mod human;

pub mod json;

pub mod sarif;

pub mod github;

pub mod expectation;

pub mod witness;

pub mod deletion;

mod excerpt;

mod remarks;

pub use catalogue::Lint;
pub use expectation::Expectation;
pub use witness::Witness;

use crate::source::Span;

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// A fact worth knowing.
    Note,
    /// Probably not what was meant; does not fail a run by itself.
    Warning,
    /// The policy is at fault: nothing is written.
    Error,
}

impl Level {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Level::Note => "note",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }
}

/// Another place that the story of a finding needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    pub span: Span,
    pub message: String,
}

/// A change of the text that mends a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// What it does, as an act: `write the network itself`.
    pub title: String,
    // INVARIANT: at least one; none overlaps another.
    pub edits: Vec<Edit>,
}

/// New text in the place of old.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    pub span: Span,
    /// Empty to delete.
    pub replacement: String,
}

/// One mistake, said once.
///
/// The message is a lower-case clause without a final stop that stands alone; the label says what is
/// wrong at the span; notes are facts, the help is an act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub lint: &'static Lint,
    pub level: Level,
    pub message: String,
    /// The smallest place that is wrong; `None` for what has no place in a text.
    pub span: Option<Span>,
    pub label: String,
    pub related: Vec<Related>,
    /// Further places that it is at, beside the span: of what is in a `def`, the place in its body and
    /// the calls that led there. An `expect` at any of them accepts it.
    pub also_at: Vec<Span>,
    /// A packet that shows it.
    pub witness: Option<Box<Witness>>,
    pub notes: Vec<String>,
    pub help: Option<String>,
    /// The edit that mends it, where one is known.
    pub fix: Option<Fix>,
}

impl Finding {
    /// A finding at the level of its lint.
    #[must_use]
    pub fn new(lint: &'static Lint, span: Span, message: impl Into<String>) -> Self {
        Finding { span: Some(span), ..Finding::without_place(lint, message) }
    }

    /// A finding about something that is not a place in a text, such as a missing file.
    #[must_use]
    pub fn without_place(lint: &'static Lint, message: impl Into<String>) -> Self {
        Finding {
            lint,
            // What is off is shown only at the level that it is asked for.
            level: lint.level.unwrap_or(Level::Note),
            message: message.into(),
            span: None,
            label: String::new(),
            related: Vec::new(),
            also_at: Vec::new(),
            witness: None,
            notes: Vec::new(),
            help: None,
            fix: None,
        }
    }

    /// What is wrong at the span itself, in few words.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    #[must_use]
    pub fn related(mut self, span: Span, message: impl Into<String>) -> Self {
        self.related.push(Related { span, message: message.into() });
        self
    }

    #[must_use]
    pub fn also_at(mut self, places: impl IntoIterator<Item = Span>) -> Self {
        self.also_at.extend(places);
        self
    }

    #[must_use]
    pub fn witness(mut self, packet: Witness) -> Self {
        self.witness = Some(Box::new(packet));
        self
    }

    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// One edit that mends it; `title` is an act.
    #[must_use]
    pub fn fix(
        mut self,
        title: impl Into<String>,
        span: Span,
        replacement: impl Into<String>,
    ) -> Self {
        let edit = Edit { span, replacement: replacement.into() };
        self.fix = Some(Fix { title: title.into(), edits: vec![edit] });
        self
    }

    /// Every place that it is at.
    pub fn places(&self) -> impl Iterator<Item = Span> {
        self.span.into_iter().chain(self.also_at.iter().copied())
    }
}

/// Whether any finding is at level error.
#[must_use]
pub fn has_errors(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.level == Level::Error)
}

/// The known name nearest to a misspelt one, when it is near enough to be a slip.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = match word.chars().count() {
        0..=3 => 1,
        4..=5 => 2,
        _ => 3,
    };
    let length = word.chars().count();
    // Slips are rare in a first letter.
    let begins_otherwise = |name: &str| name.chars().next() != word.chars().next();
    known
        .into_iter()
        // Each letter more or less is a slip of its own; this is much quicker to see.
        .filter(|name| name.chars().count().abs_diff(length) <= limit)
        .map(|name| {
            // The same word in other cases is no slip of letters.
            let same = name.eq_ignore_ascii_case(word);
            let distance = if same { 0 } else { strsim::osa_distance(word, name) };
            (distance, begins_otherwise(name) && !same, name)
        })
        .filter(|(distance, otherwise, name)| {
            let limit = if *otherwise { limit - 1 } else { limit };
            *distance <= limit.max(1) && *distance < name.chars().count()
        })
        .min()
        .map(|(.., name)| name)
}
