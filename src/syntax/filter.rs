//! From the lexer's tokens to what the grammar reads: statement ends, balanced brackets, words in
//! context.
//!
//! The parser sees every bracket closed and no deeper than [`MAX_DEPTH`], so a missing one costs a
//! finding and not the rest of the file. Comments are set aside by their place.

mod brackets;
mod lexis;

use std::collections::VecDeque;

use logos::{Lexer, Logos};

use super::messages::lexis as messages;
use super::report::Reporter;
use super::token::{PlainVerb, Token, statement_words};
use super::{Comment, Question};
use brackets::{Bracket, Opened};

/// How deep blocks, and how deep parentheses, may nest.
pub const MAX_DEPTH: usize = 64;

/// A token with its first byte and the byte behind it.
pub type Lexeme = (usize, Token, usize);

/// The token stream of one text.
pub struct Filter<'r, 't> {
    notes: &'r Reporter<'t>,
    lexer: Lexer<'t, Token>,
    /// Where the lexer's text begins in the file.
    offset: usize,
    /// A token already lexed, whose newlines are dealt with.
    ahead: Option<Lexeme>,
    /// What is to be handed out before anything more is read.
    queue: VecDeque<Lexeme>,
    open: Vec<Opened>,
    last: Option<Token>,
    /// The end of the last token handed out.
    last_end: usize,
    /// The first token of the statement, and how many were handed out of it.
    head: Option<Token>,
    position: usize,
    /// `)` that were closed for the writer, whose own may still come.
    forgiven: usize,
    /// Whether the line before was one of iptables, so that a pasted dump is reported once.
    foreign: bool,
    /// Where the line begins, and where its first token does once that is there.
    line: usize,
    first: Option<usize>,
    /// The `{` whose `}` seems to be missing, by its indentation.
    suspect: Option<Opened>,
    ended: bool,
    /// What stands behind the text although nobody wrote it.
    behind: &'static [Token],
    comments: Vec<Comment>,
}

impl<'r, 't> Filter<'r, 't> {
    /// The tokens of the reporter's text from byte `start`.
    #[must_use]
    pub fn new(notes: &'r Reporter<'t>, start: usize) -> Self {
        Filter {
            notes,
            lexer: Token::lexer(&notes.text()[start..]),
            offset: start,
            ahead: None,
            queue: VecDeque::new(),
            open: Vec::new(),
            last: None,
            last_end: start,
            head: None,
            position: 0,
            forgiven: 0,
            foreign: false,
            line: start,
            first: None,
            suspect: None,
            ended: false,
            behind: &[],
            comments: Vec::new(),
        }
    }

    /// The tokens of the reporter's text, with those around them that a question does without.
    #[must_use]
    pub fn of_question(notes: &'r Reporter<'t>, question: Question) -> Self {
        use Token::{Assert, ClosePackets, Gives, OpenPackets, Test, Text};
        let (before, behind): (&[Token], &[Token]) = match question {
            Question::Connections => (&[Assert], &[]),
            Question::Packet => {
                (&[Test, Text, OpenPackets], &[Gives, Token::Verb(PlainVerb::Allow), ClosePackets])
            }
        };
        let mut filter = Filter::new(notes, 0);
        filter.queue.extend(before.iter().map(|token| (0, *token, 0)));
        Filter { behind, ..filter }
    }

    /// The comments passed so far.
    #[must_use]
    pub fn into_comments(self) -> Vec<Comment> {
        self.comments
    }

    fn text(&self, start: usize, end: usize) -> &'t str {
        &self.notes.text()[start..end]
    }

    /// The file's text behind byte `end`, without blanks.
    fn behind(&self, end: usize) -> &'t str {
        self.notes.text()[end..].trim_start_matches([' ', '\t'])
    }

    fn hand_out(&mut self, lexeme: Lexeme) -> Lexeme {
        let (_, token, end) = lexeme;
        self.last = Some(token);
        self.last_end = end;
        match token {
            Token::End | Token::OpenBrace | Token::OpenPackets => {
                self.head = None;
                self.position = 0;
            }
            _ => {
                self.foreign &= token == Token::Unknown;
                self.head.get_or_insert(token);
                self.position += 1;
            }
        }
        lexeme
    }

    /// Reads on until something is to be handed out.
    fn advance(&mut self) -> Option<Lexeme> {
        loop {
            if let Some(lexeme) = self.queue.pop_front() {
                return Some(self.hand_out(lexeme));
            }
            if self.ended {
                return None;
            }
            if self.notes.is_closed() {
                self.finish();
                continue;
            }
            let Some((lexeme, newline)) = self.read() else {
                self.report_unclosed();
                self.finish();
                continue;
            };
            if newline && self.newline_ends(lexeme.1) {
                self.end_statement(self.last_end);
                self.ahead = Some(lexeme);
                continue;
            }
            self.place(lexeme);
        }
    }

    /// The next token but comments and newlines, and whether newlines stood before it.
    fn read(&mut self) -> Option<(Lexeme, bool)> {
        if let Some(lexeme) = self.ahead.take() {
            return Some((lexeme, false));
        }
        let mut newline = false;
        loop {
            let (start, token, end) = self.lex()?;
            match token {
                Token::Newline => {
                    newline = true;
                    self.line = end;
                    self.first = None;
                }
                Token::Comment => {
                    let line = self.text(start, end).trim_end();
                    let span = self.notes.span(start, start + line.len());
                    self.comments.push(Comment { span });
                }
                _ => return Some(((start, token, end), newline)),
            }
        }
    }

    /// Whether the newline between the last token and `next` ends a statement.
    fn newline_ends(&self, next: Token) -> bool {
        match self.last {
            None | Some(Token::End | Token::OpenBrace | Token::OpenPackets | Token::OpenNets) => {
                false
            }
            // A list that goes on: but a verb can stand in none, so there the comma was one too much.
            Some(Token::Comma) if self.head == Some(Token::Default) => next_statement(next),
            Some(Token::Comma | Token::Equals | Token::OpenParen) => {
                next_statement(next) || next == Token::Forward
            }
            Some(_) => match next {
                Token::OpenBrace | Token::CloseBrace | Token::CloseParen => false,
                // Within nets a newline is a comma forgotten, unless something else begins.
                Token::Address | Token::Comma | Token::Except => !self.is_in_nets(),
                _ => true,
            },
        }
    }

    /// Ends the statement at byte `at`; what it left open but blocks is closed.
    fn end_statement(&mut self, at: usize) {
        self.close_parens(at);
        self.close_nets(at);
        self.queue.push_back((at, Token::End, at));
    }

    /// Gives a token its meaning by its place, and queues it.
    fn place(&mut self, (start, token, end): Lexeme) {
        if token != Token::Semicolon {
            self.demand_end(start, end);
        }
        match token {
            Token::Semicolon => self.semicolon(start, end),
            Token::OpenBrace | Token::OpenParen | Token::OpenBracket => {
                self.open(start, token, end);
            }
            Token::CloseBrace => self.close_brace(start, end),
            Token::CloseParen | Token::CloseBracket => self.close_paren(start, token, end),
            Token::Name => {
                let token = self.word(start, end);
                self.queue.push_back((start, token, end));
            }
            reserved if reserved.is_reserved() && self.defines_name(reserved, end) => {
                let span = self.notes.span(start, end);
                self.notes.report(messages::reserved_name(span, self.text(start, end)));
                self.queue.push_back((start, Token::Name, end));
            }
            other => self.queue.push_back((start, other, end)),
        }
    }

    fn semicolon(&mut self, start: usize, end: usize) {
        if self.is_in_nets() {
            self.notes.report(messages::semicolon_in_nets(self.notes.span(start, end)));
            self.queue.push_back((start, Token::Unknown, end));
            return;
        }
        match self.last {
            None | Some(Token::End | Token::OpenBrace | Token::OpenPackets) => {}
            Some(_) => self.end_statement(start),
        }
    }

    /// After `}` a statement is over: says so when the next one stands on the same line.
    fn demand_end(&mut self, start: usize, end: usize) {
        let closed =
            matches!(self.last, Some(Token::CloseBrace | Token::CloseNets | Token::ClosePackets));
        // A test packet's or block's own `}` may follow at once.
        let next = self.text(start, end);
        if closed && next != "}" && self.queue.is_empty() {
            self.notes.report(messages::end_after_brace(self.notes.span(start, end), next));
            self.queue.push_back((self.last_end, Token::End, self.last_end));
            self.head = None;
            self.position = 0;
        }
    }

    /// Whether the next token is where a definition's name stands.
    fn defines_name(&self, word: Token, end: usize) -> bool {
        let Some(head) = self.head else { return false };
        match head {
            Token::Zone | Token::Let | Token::Service | Token::Def | Token::Chain
                if self.position == 1 =>
            {
                // `chain from { … }` names a chain; `zone = eth0` forgot the name.
                true
            }
            Token::Set if self.position == 1 => {
                !(word == Token::From && self.behind(end).starts_with('"'))
            }
            Token::Def => self.open.last().is_some_and(|open| open.bracket == Bracket::Paren),
            Token::Service => self.last == Some(Token::Alias),
            _ => false,
        }
    }

    /// What a word that could be a name is where it stands.
    fn word(&self, start: usize, end: usize) -> Token {
        let text = self.text(start, end);
        let last = self.last_placed();
        let Some(head) = self.head_placed() else {
            let statement = statement_words().find(|(word, _)| *word == text);
            // `zone(x)` is a call of what someone named so.
            return match statement {
                Some((_, token)) if !self.behind(end).starts_with('(') => token,
                Some(_) | None => Token::Name,
            };
        };
        let before_number = || self.behind(end).starts_with(|c: char| c.is_ascii_digit());
        let after_dynamic = head == Token::Set
            && matches!(last, Some(Token::Dynamic | Token::Value | Token::Number));
        match text {
            "rate" if before_number() || self.behind(end).starts_with("unlimited") => Token::Rate,
            "burst" if before_number() => Token::Burst,
            "dynamic" if head == Token::Set && self.position == 2 => Token::Dynamic,
            "timeout" if after_dynamic => Token::Timeout,
            "size" if after_dynamic => Token::Size,
            "helper" | "alias" | "tags" if head == Token::Service && ends_list(last) => {
                match text {
                    "helper" => Token::Helper,
                    "alias" => Token::Alias,
                    _ => Token::Tags,
                }
            }
            _ => Token::Name,
        }
    }

    /// The last token with what waits to be handed out.
    fn last_placed(&self) -> Option<Token> {
        self.queue.back().map(|(_, token, _)| *token).or(self.last)
    }

    /// The statement's first token with what waits to be handed out.
    fn head_placed(&self) -> Option<Token> {
        match self.last_placed() {
            Some(Token::End) => None,
            Some(_) | None => self.head,
        }
    }
}

impl Iterator for Filter<'_, '_> {
    type Item = Lexeme;

    fn next(&mut self) -> Option<Lexeme> {
        self.advance()
    }
}

/// Whether a token can only be the beginning of another statement. (`forward` is also a direction.)
fn next_statement(token: Token) -> bool {
    token.is_verb() && token != Token::Forward
}

/// Whether a service's list is over behind this token, so that a clause may follow.
fn ends_list(token: Option<Token>) -> bool {
    use Token::{Alias, Comma, Equals, Helper, Icmp, Proto, Service, Tags};
    !matches!(
        token,
        None | Some(Comma | Equals | Service | Helper | Alias | Tags | Icmp(_) | Proto)
    )
}
