//! Where the lexer, the token filter and the grammar leave what they find wrong.
//!
//! Shared by all three while one file is parsed. A place is reported once, and after
//! [`MAX_FINDINGS`] nothing more is: the filter then ends the text.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::ops::Range;

use lalrpop_util::{ErrorRecovery, ParseError};

use crate::diagnostic::Finding;
use crate::source::{FileId, Span};

use super::Question;
use super::messages;
use super::scan::{Scan, Setting};
use super::token::Token;
use super::tree::Name;

/// More findings than this in one file are not worth reading, nor making.
pub const MAX_FINDINGS: usize = 200;

/// How the generated parser hands over a mistake.
pub type Mistake = ErrorRecovery<usize, Token, Infallible>;

/// Collects the findings of one file.
#[derive(Debug)]
pub struct Reporter<'t> {
    file: FileId,
    text: &'t str,
    findings: RefCell<Vec<Finding>>,
    unread: RefCell<Vec<Name>>,
    /// What the text asks, when it is a question.
    question: Option<Question>,
    deaf: bool,
    closed: Cell<bool>,
    missing_braces: Cell<u32>,
    /// The part of the text of which a deaf one notices that there is a mistake.
    watched: Range<usize>,
    noticed: Cell<bool>,
}

impl<'t> Reporter<'t> {
    #[must_use]
    pub fn new(file: FileId, text: &'t str) -> Self {
        Reporter {
            file,
            text,
            findings: RefCell::new(Vec::new()),
            unread: RefCell::new(Vec::new()),
            question: None,
            deaf: false,
            closed: Cell::new(false),
            missing_braces: Cell::new(0),
            watched: 0..0,
            noticed: Cell::new(false),
        }
    }

    #[must_use]
    pub fn of_question(file: FileId, text: &'t str, question: Question) -> Self {
        Reporter { question: Some(question), ..Reporter::new(file, text) }
    }

    /// A reporter that keeps nothing, for reading a statement a second time.
    #[must_use]
    pub fn deaf(file: FileId, text: &'t str) -> Self {
        Reporter { deaf: true, ..Reporter::new(file, text) }
    }

    /// One that keeps only whether there is a mistake in a part of the text.
    #[must_use]
    pub fn watching(file: FileId, text: &'t str, watched: Range<usize>) -> Self {
        Reporter { watched, ..Reporter::deaf(file, text) }
    }

    /// Whether there was a mistake in the part that is watched.
    #[must_use]
    pub fn noticed(&self) -> bool {
        self.noticed.get()
    }

    fn notice(&self, mistake: usize) {
        if self.watched.contains(&mistake) {
            self.noticed.set(true);
        }
    }

    #[must_use]
    pub fn file(&self) -> FileId {
        self.file
    }

    #[must_use]
    pub fn text(&self) -> &'t str {
        self.text
    }

    /// The text from a byte on.
    #[must_use]
    pub fn text_from(&self, start: usize) -> &'t str {
        &self.text[start..]
    }

    /// The place from `start` to `end`, in bytes.
    #[must_use]
    pub fn span(&self, start: usize, end: usize) -> Span {
        // Of an empty production LALRPOP says where the next token starts and the last one ended.
        Span::new(self.file, start..end.max(start))
    }

    /// The same without the blanks before the next token, which what ends in nothing would have.
    #[must_use]
    pub fn words(&self, start: usize, end: usize) -> Span {
        let written = self.text[start..end.max(start)].trim_end();
        self.span(start, start + written.len())
    }

    /// The place of the word that begins at `start`.
    #[must_use]
    pub fn word(&self, start: usize) -> Span {
        let letters = self.text[start..].bytes().take_while(u8::is_ascii_alphanumeric).count();
        self.span(start, start + letters)
    }

    /// Whether nothing more is to be said or read.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Makes this the last that was said.
    pub fn close(&self) {
        self.closed.set(true);
    }

    /// Keeps a finding, unless its place was already reported.
    pub fn report(&self, finding: Finding) {
        let mut findings = self.findings.borrow_mut();
        let Some(span) = finding.span else { return };
        if self.deaf {
            self.notice(span.start());
            return;
        }
        if self.is_closed() || findings.iter().any(|known| overlap(known, span)) {
            return;
        }
        if findings.len() == MAX_FINDINGS {
            findings.push(messages::too_many_findings(span));
            self.close();
            return;
        }
        findings.push(finding);
    }

    /// Notes that a `{` is missing, or was closed early: a `}` may be left over.
    pub fn expect_stray_brace(&self) {
        self.missing_braces.set(self.missing_braces.get() + 1);
    }

    /// Forgives one `}` without its `{`, when a missing `{` was reported before it.
    #[must_use]
    pub fn forgive_brace(&self) -> bool {
        let missing = self.missing_braces.get();
        self.missing_braces.set(missing.saturating_sub(1));
        missing > 0
    }

    /// Explains a statement that began at `start` and could not be read.
    pub fn statement_error(&self, start: usize, mistake: &Mistake) {
        let setting = match self.question {
            Some(Question::Connections) => Setting::Connections,
            Some(Question::Packet) | None => Setting::Statement,
        };
        self.explain(start, mistake, setting);
    }

    /// Explains a test packet that began at `start` and could not be read.
    pub fn packet_error(&self, start: usize, mistake: &Mistake) {
        let setting = match self.question {
            Some(Question::Packet) => Setting::LonePacket,
            Some(Question::Connections) | None => Setting::Packet,
        };
        self.explain(start, mistake, setting);
    }

    fn explain(&self, start: usize, mistake: &Mistake, setting: Setting) {
        if self.is_closed() {
            return;
        }
        let ParseError::UnrecognizedToken { token: (at, token, end), expected } = &mistake.error
        else {
            // The filter ends every text with `End`, so a text cannot stop elsewhere.
            return;
        };
        if self.deaf {
            self.notice(*at);
            return;
        }
        // Behind a packet that is asked about a verdict is made, which nobody wrote.
        let is_made = *token == Token::Gives && at == end;
        let token = if is_made { &Token::End } else { token };
        let scan = Scan::new(self, start, (*at, *token, *end), setting, expected);
        self.unread.borrow_mut().extend(scan.defined().map(Name));
        if *token == Token::Unknown {
            return;
        }
        let (finding, lacks_brace) = messages::statement::explain(&scan);
        if lacks_brace {
            self.expect_stray_brace();
        }
        self.report(finding);
    }

    /// Everything reported, in the order of the text, and the names whose definitions could not be read.
    #[must_use]
    pub fn take_findings(&self) -> (Vec<Finding>, Vec<Name>) {
        let mut findings = self.findings.take();
        findings.sort_by_key(|finding| finding.span);
        (findings, self.unread.take())
    }
}

fn overlap(known: &Finding, span: Span) -> bool {
    known.span.is_some_and(|known| {
        known == span || (known.start() < span.end() && span.start() < known.end())
    })
}
