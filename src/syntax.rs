//! Text → tree: tokens, grammar, recovery. Knows nothing of what names mean.
//!
//! [`parse`] never fails: what could not be read is a finding and an
//! [`Invalid`](tree::StatementKind::Invalid) statement, and the statements around it are there.
//! On the way a text is [`token`]s, then what the [`filter`] makes of them (statement ends,
//! balanced brackets), then by the grammar in `grammar/palisade.lalrpop` a [`tree`].

mod build;
mod filter;
mod messages;
mod report;
mod scan;
#[cfg(test)]
mod tests;
mod token;
pub mod tree;

pub use messages::words::foreign_subject;

use std::borrow::Cow;
use std::ops::Range;

use lalrpop_util::lalrpop_mod;

use crate::diagnostic::Finding;
use crate::source::{FileId, Span};
use filter::Filter;
use report::Reporter;
use tree::{Name, Statement, Tree};

lalrpop_mod!(
    #[allow(clippy::all, clippy::pedantic, missing_docs, unused, unreachable_pub)]
    grammar,
    "/palisade.rs"
);

/// A `#` comment, from its sign to its last character that is not blank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comment {
    pub span: Span,
}

/// What a text says, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    pub tree: Tree,
    /// In the order of the text; at most [`report::MAX_FINDINGS`] and one that says there are more.
    pub findings: Vec<Finding>,
    /// The names whose definitions are there and could not be read.
    pub unread: Vec<Name>,
    /// In the order of the text.
    pub comments: Vec<Comment>,
}

/// Whether a text is one word that can be given as a name to anything.
#[must_use]
pub fn is_name(text: &str) -> bool {
    use logos::Logos as _;
    let mut tokens = token::Token::lexer(text);
    let first = tokens.next().and_then(Result::ok);
    first == Some(token::Token::Name) && tokens.next().is_none()
}

/// Reads one file. Spans are bytes of `text`, a byte order mark included.
#[must_use]
pub fn parse(file: FileId, text: &str) -> Parsed {
    let start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    parse_part(file, text, start..text.len())
}

/// Reads some statements of a file: those between two of its bytes.
#[must_use]
pub fn parse_part(file: FileId, text: &str, part: Range<usize>) -> Parsed {
    let notes = Reporter::new(file, &text[..part.end]);
    parse_tokens(&notes, Filter::new(&notes, part.start))
}

fn parse_tokens<'t>(notes: &Reporter<'t>, mut tokens: Filter<'_, 't>) -> Parsed {
    let tree = grammar::FileParser::new().parse(notes, &mut tokens);
    let comments = tokens.into_comments();
    // Statements recover from every mistake, so there is always a tree.
    let tree = tree.unwrap_or_default();
    let (findings, unread) = notes.take_findings();
    Parsed { tree, findings, unread, comments }
}

/// What may be asked of a policy, in the words of its language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// `allow ssh from lan`: an `assert` without that word.
    Connections,
    /// `tcp 10.0.0.5:40000 -> self:22 in eth0`: a packet of a `test` without a verdict.
    Packet,
}

/// Reads a question. The tree has it as an `assert`, or as a `test` of one packet that is to be allowed.
#[must_use]
pub fn parse_question(file: FileId, text: &str, question: Question) -> Parsed {
    let notes = Reporter::of_question(file, text, question);
    parse_tokens(&notes, Filter::of_question(&notes, question))
}

/// Whether the grammar reads a part of a text: no mistake begins in it, and no port of it is one of what
/// has none.
fn reads(file: FileId, text: &str, part: Range<usize>) -> bool {
    let notes = Reporter::watching(file, text, part.clone());
    let mut tokens = Filter::new(&notes, 0);
    let tree = grammar::FileParser::new().parse(&notes, &mut tokens).unwrap_or_default();
    let mut ports = tree.statements.iter().filter_map(Statement::lonely_port);
    !notes.noticed() && !ports.any(|span| part.contains(&span.start()))
}

/// What a string says: without its quotes, and with `\"` and `\\` resolved.
///
/// A string whose closing quote is missing, or that stands in typographic quotes, was reported by
/// [`parse`] and is read all the same.
#[must_use]
pub fn unquote(text: &str) -> Cow<'_, str> {
    const QUOTES: [char; 6] = ['"', '“', '”', '„', '«', '»'];
    let inner = text.strip_prefix(QUOTES).unwrap_or(text);
    let inner =
        if ends_in_escape(inner) { inner } else { inner.strip_suffix(QUOTES).unwrap_or(inner) };
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut said = String::with_capacity(inner.len());
    let mut rest = inner.chars();
    while let Some(c) = rest.next() {
        let escaped = if c == '\\' { rest.next() } else { None };
        match escaped {
            Some('"' | '\\') | None => said.push(escaped.unwrap_or(c)),
            // Reported by `parse`.
            Some(other) => said.extend([c, other]),
        }
    }
    Cow::Owned(said)
}

/// Whether the last character is escaped, and so is no closing quote.
fn ends_in_escape(inner: &str) -> bool {
    let before = inner.strip_suffix('"').unwrap_or(inner);
    before.len() < inner.len() && before.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1
}
