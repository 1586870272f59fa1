//! A broken statement read a second time, so that its message can tell the mistake from its
//! surroundings.

use crate::diagnostic::nearest;
use crate::source::Span;

use super::filter::{Filter, Lexeme};
use super::messages::words;
use super::report::Reporter;
use super::token::{CLAUSES, Token, VERBS, statement_words};

/// How many tokens behind a mistake are looked at.
const BEHIND: usize = 40;

/// What the broken text was to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    Statement,
    /// A packet of a `test`.
    Packet,
    /// A question about connections: a rule.
    Connections,
    /// A question about one packet.
    LonePacket,
}

/// The tokens of a broken statement, and which of them the grammar stopped at.
pub struct Scan<'a, 't> {
    notes: &'a Reporter<'t>,
    tokens: Vec<Lexeme>,
    at: usize,
    pub setting: Setting,
    /// The grammar's names of the tokens it would have taken.
    expected: &'a [String],
}

impl<'a, 't> Scan<'a, 't> {
    /// Reads the statement at byte `start` that broke at the token `broken`.
    #[must_use]
    pub fn new(
        notes: &'a Reporter<'t>,
        start: usize,
        broken: Lexeme,
        setting: Setting,
        expected: &'a [String],
    ) -> Self {
        let deaf = Reporter::deaf(notes.file(), notes.text());
        let mut tokens = Vec::new();
        let mut rest = Filter::new(&deaf, start.min(broken.0)).peekable();
        // Of a statement inside of braces its own tokens do not show that they are open.
        let is_before = |lexeme: &Lexeme| {
            (lexeme.0, lexeme.2) != (broken.0, broken.2)
                && lexeme.0 <= broken.0
                && lexeme.1 != Token::End
        };
        while let Some(lexeme) = rest.next_if(is_before) {
            tokens.push(lexeme);
        }
        let at = tokens.len();
        tokens.push(broken);
        if broken.1 != Token::End {
            let behind = rest.skip_while(|lexeme| lexeme.0 < broken.2);
            tokens.extend(behind.take_while(|lexeme| lexeme.1 != Token::End).take(BEHIND));
        }
        Scan { notes, tokens, at, setting, expected }
    }

    /// The token `distance` after the broken one (before it, when negative); `End` beyond the text.
    #[must_use]
    pub fn token(&self, distance: isize) -> Token {
        self.lexeme(distance).map_or(Token::End, |lexeme| lexeme.1)
    }

    fn lexeme(&self, distance: isize) -> Option<Lexeme> {
        self.tokens.get(self.at.checked_add_signed(distance)?).copied()
    }

    /// The words of that token; empty beyond the statement.
    #[must_use]
    pub fn text(&self, distance: isize) -> &'t str {
        self.lexeme(distance).map_or("", |(start, _, end)| &self.notes.text()[start..end])
    }

    /// The place of that token; of the broken one, when there is none.
    #[must_use]
    pub fn span(&self, distance: isize) -> Span {
        let (start, _, end) = self.lexeme(distance).unwrap_or(self.tokens[self.at]);
        self.notes.span(start, end)
    }

    /// How many tokens stand before the broken one.
    #[must_use]
    pub fn position(&self) -> usize {
        self.at
    }

    /// The statement's first token.
    #[must_use]
    pub fn head(&self) -> Token {
        self.tokens[0].1
    }

    #[must_use]
    pub fn head_text(&self) -> &'t str {
        &self.notes.text()[self.tokens[0].0..self.tokens[0].2]
    }

    #[must_use]
    pub fn head_span(&self) -> Span {
        self.notes.span(self.tokens[0].0, self.tokens[0].2)
    }

    /// The word that was probably meant by a statement's first one: that for the same in another
    /// tool, or the nearest to a name.
    #[must_use]
    pub fn meant(&self) -> Option<&'static str> {
        let word = self.head_text();
        let known = statement_words().map(|(word, _)| word);
        let known = VERBS.iter().chain(CLAUSES).copied().chain(known);
        words::foreign_verb(word).or_else(|| {
            nearest(&word.to_ascii_lowercase(), known).filter(|_| self.head().is_name())
        })
    }

    /// The name that the statement was to define, as far as its first words tell: also when the word
    /// for the definition is one of another tool, misspelt or missing.
    #[must_use]
    pub fn defined(&self) -> Option<Span> {
        let [head, next, ..] = self.tokens[..] else { return None };
        let word = self.meant();
        let word = statement_words().find(|(known, _)| word == Some(*known));
        let meant = word.map_or(head.1, |(_, token)| token);
        let name = match next.1 {
            Token::Equals if head.1.is_name() => head,
            token if token.is_name() && meant.is_definition() => next,
            _ => return None,
        };
        Some(self.notes.span(name.0, name.2))
    }

    /// Whether the grammar would have taken the token of this name in the grammar.
    #[must_use]
    pub fn would_take(&self, token: &str) -> bool {
        self.expected.iter().any(|expected| expected == token)
    }

    /// Whether the grammar reads `text` where the tokens from `first` to `last` stand, so that a message may
    /// advise to write it there. What is behind may have mistakes of its own.
    #[must_use]
    pub fn reads(&self, first: isize, last: isize, text: &str) -> bool {
        let (Some((from, ..)), Some((.., to))) = (self.lexeme(first), self.lexeme(last)) else {
            return false;
        };
        let (start, end) = (self.tokens[0].0, self.tokens[self.tokens.len() - 1].2);
        let all = self.notes.text();
        let frame = match self.setting {
            Setting::Statement | Setting::Connections => "",
            Setting::Packet | Setting::LonePacket => "test \"\" {",
        };
        let mut mended = format!("{frame}{}", &all[start..from]);
        let place = mended.len()..mended.len() + text.len();
        mended += text;
        mended += &all[to..end];
        super::reads(self.notes.file(), &mended, place)
    }

    /// Whether the grammar reads `text` as a statement.
    #[must_use]
    pub fn reads_alone(&self, text: &str) -> bool {
        super::reads(self.notes.file(), text, 0..text.len() + 1)
    }

    /// What is written from one token to another.
    #[must_use]
    pub fn words(&self, first: isize, last: isize) -> &'t str {
        match (self.lexeme(first), self.lexeme(last)) {
            (Some((start, ..)), Some((.., end))) if start < end => &self.notes.text()[start..end],
            _ => "",
        }
    }

    /// The last token of the statement, or of as much of it as is looked at.
    #[must_use]
    pub fn last(&self) -> isize {
        (self.tokens.len() - 1 - self.at).cast_signed()
    }

    /// The distance of the token `index` of the statement, counted from its first.
    #[must_use]
    pub fn behind_head(&self, index: usize) -> isize {
        index.cast_signed() - self.at.cast_signed()
    }

    /// The last clause word, verb or `,`-list opener before the broken token.
    #[must_use]
    pub fn clause_before(&self) -> Option<(Token, &'t str)> {
        let before = self.tokens[..self.at].iter().rev();
        let word = before.copied().find(|(_, token, _)| token.is_clause() || token.is_verb())?;
        Some((word.1, &self.notes.text()[word.0..word.2]))
    }
}
