//! Balances brackets: every one is closed for the parser, and every one too many is left out.

use super::super::messages::brackets as messages;
use super::super::token::Token;
use super::{Filter, MAX_DEPTH};

/// What a bracket holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bracket {
    Block,
    Nets,
    Packets,
    Paren,
    Square,
}

impl Bracket {
    fn opening(self) -> Token {
        match self {
            Bracket::Block => Token::OpenBrace,
            Bracket::Nets => Token::OpenNets,
            Bracket::Packets => Token::OpenPackets,
            Bracket::Paren => Token::OpenParen,
            Bracket::Square => Token::OpenBracket,
        }
    }

    fn closing(self) -> Token {
        match self {
            Bracket::Block => Token::CloseBrace,
            Bracket::Nets => Token::CloseNets,
            Bracket::Packets => Token::ClosePackets,
            Bracket::Paren => Token::CloseParen,
            Bracket::Square => Token::CloseBracket,
        }
    }

    fn is_brace(self) -> bool {
        match self {
            Bracket::Block | Bracket::Nets | Bracket::Packets => true,
            Bracket::Paren | Bracket::Square => false,
        }
    }
}

/// An open bracket.
#[derive(Debug, Clone, Copy)]
pub struct Opened {
    pub bracket: Bracket,
    pub start: usize,
    /// How far its line is indented, in bytes.
    indent: usize,
}

impl Filter<'_, '_> {
    pub(super) fn is_in_nets(&self) -> bool {
        self.open.last().is_some_and(|open| open.bracket == Bracket::Nets)
    }

    pub(super) fn open(&mut self, start: usize, token: Token, end: usize) {
        let bracket = match token {
            Token::OpenParen => Bracket::Paren,
            Token::OpenBracket => Bracket::Square,
            _ => match self.head_placed() {
                // Lists have no braces, but who writes some means no statements in them.
                Some(Token::Zone | Token::Let | Token::Set | Token::Service) => Bracket::Nets,
                Some(Token::Test) => Bracket::Packets,
                Some(_) | None => Bracket::Block,
            },
        };
        if bracket.is_brace() {
            self.close_parens(start);
        } else {
            self.forgiven = 0;
        }
        let alike = |open: &&Opened| open.bracket.is_brace() == bracket.is_brace();
        if self.open.iter().filter(alike).count() == MAX_DEPTH {
            self.notes.report(messages::nesting_too_deep(self.notes.span(start, end)));
            self.notes.close();
            return;
        }
        let indent = self.first.unwrap_or(start) - self.line;
        self.open.push(Opened { bracket, start, indent });
        self.queue.push_back((start, bracket.opening(), end));
    }

    pub(super) fn close_brace(&mut self, start: usize, end: usize) {
        self.close_parens(start);
        let Some(opened) = self.open.pop() else {
            if !self.notes.forgive_brace() {
                self.notes.report(messages::stray_closing(self.notes.span(start, end), "}"));
            }
            // Of a question the rest is still of it.
            if self.behind.is_empty() && !matches!(self.last, None | Some(Token::End)) {
                self.queue.push_back((start, Token::End, start));
            }
            return;
        };
        let begins_line = self.first == Some(start);
        if begins_line && opened.indent > start - self.line {
            self.suspect.get_or_insert(opened);
        }
        self.queue.push_back((start, opened.bracket.closing(), end));
    }

    pub(super) fn close_paren(&mut self, start: usize, token: Token, end: usize) {
        let wanted = if token == Token::CloseParen { Bracket::Paren } else { Bracket::Square };
        let pending = self.open.iter().rev().take_while(|open| !open.bracket.is_brace());
        let Some(between) = pending.map(|open| open.bracket).position(|open| open == wanted) else {
            if self.forgiven > 0 {
                self.forgiven -= 1;
            } else {
                let span = self.notes.span(start, end);
                self.notes.report(messages::stray_closing(span, self.text(start, end)));
            }
            return;
        };
        for _ in 0..between {
            self.close_one(start);
        }
        self.open.pop();
        self.queue.push_back((start, token, end));
    }

    /// Closes parentheses and square brackets that the statement leaves open.
    pub(super) fn close_parens(&mut self, at: usize) {
        while self.open.last().is_some_and(|open| !open.bracket.is_brace()) {
            self.close_one(at);
            self.forgiven += 1;
        }
    }

    /// Closes the nets of a zone that the statement leaves open.
    pub(super) fn close_nets(&mut self, at: usize) {
        while self.is_in_nets() {
            self.close_one(at);
            self.notes.expect_stray_brace();
        }
    }

    fn close_one(&mut self, at: usize) {
        if let Some(opened) = self.open.pop() {
            self.report_open(opened);
            self.queue.push_back((at, opened.bracket.closing(), at));
        }
    }

    fn report_open(&self, opened: Opened) {
        let span = self.notes.span(opened.start, opened.start + 1);
        self.notes.report(messages::unclosed(span, self.text(opened.start, opened.start + 1)));
    }

    /// Says at the text's end which bracket lacks its closing one.
    pub(super) fn report_unclosed(&mut self) {
        self.close_parens(self.last_end);
        self.close_nets(self.last_end);
        if let Some(outermost) = self.open.first() {
            self.report_open(self.suspect.unwrap_or(*outermost));
        }
    }

    /// Ends the text: closes what is open without a word.
    pub(super) fn finish(&mut self) {
        let at = self.last_end;
        while let Some(opened) = self.open.pop() {
            self.queue.push_back((at, opened.bracket.closing(), at));
        }
        self.queue.extend(self.behind.iter().map(|token| (at, *token, at)));
        if !matches!(self.last_placed(), None | Some(Token::End)) {
            self.queue.push_back((at, Token::End, at));
        }
        self.ended = true;
    }
}
