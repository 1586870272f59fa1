//! Takes tokens from the lexer and complains about those that the language does not have.

use super::super::messages::lexis as messages;
use super::super::token::Token;
use super::{Filter, Lexeme};

impl Filter<'_, '_> {
    /// The next token of the text, newlines and comments included.
    pub(super) fn lex(&mut self) -> Option<Lexeme> {
        loop {
            let token = self.lexer.next()?;
            let range = self.lexer.span();
            let (start, end) = (self.offset + range.start, self.offset + range.end);
            if self.first == self.line {
                self.first = start;
            }
            if start == self.first && self.is_foreign_line(token, start) {
                return Some(self.foreign_line(start));
            }
            match token {
                Err(()) => {
                    if let Some(lexeme) = self.unknown(start, end) {
                        return Some(lexeme);
                    }
                }
                Ok(Token::Text) => {
                    self.check_escapes(start, end);
                    return Some((start, Token::Text, end));
                }
                Ok(Token::OpenText) => {
                    let end = start + self.text(start, end).trim_end().len();
                    let span = self.notes.span(start, end);
                    self.notes.report(messages::unterminated_string(span));
                    return Some((start, Token::Text, end));
                }
                Ok(Token::CurlyText) => {
                    let span = self.notes.span(start, end);
                    self.notes.report(messages::curly_quotes(span, self.text(start, end)));
                    return Some((start, Token::Text, end));
                }
                Ok(Token::BadName) => {
                    let span = self.notes.span(start, end);
                    self.notes.report(messages::bad_name(span, self.text(start, end)));
                    return Some((start, Token::Name, end));
                }
                Ok(token) => return Some((start, token, end)),
            }
        }
    }

    /// A run of characters that begin no token; `None` when they are only odd blanks.
    fn unknown(&mut self, start: usize, mut end: usize) -> Option<Lexeme> {
        // The run goes on while what follows begins no token either.
        let rest = &self.notes.text()[end..];
        let odd = |c: &char| messages::is_odd_blank(*c);
        let run = self.text(start, end);
        let blank = run.chars().all(|c| odd(&c));
        let more: usize = if blank {
            rest.chars().take_while(odd).map(char::len_utf8).sum()
        } else {
            rest.chars()
                .take_while(|c| messages::is_unknown(*c) && !odd(c))
                .map(char::len_utf8)
                .sum()
        };
        self.lexer.bump(more);
        end += more;
        let span = self.notes.span(start, end);
        let before = self.notes.text()[..start].chars().next_back();
        let finding =
            messages::unknown_characters(span, self.text(start, end), before, &rest[more..]);
        self.notes.report(finding);
        (!blank).then_some((start, Token::Unknown, end))
    }

    fn check_escapes(&mut self, start: usize, end: usize) {
        let text = self.text(start, end);
        if !text.contains('\\') {
            return;
        }
        let mut rest = text.char_indices();
        while let Some((at, c)) = rest.next() {
            if c != '\\' {
                continue;
            }
            if let Some((_, escaped)) = rest.next()
                && !matches!(escaped, '"' | '\\')
            {
                let at = start + at;
                let span = self.notes.span(at, at + 1 + escaped.len_utf8());
                self.notes.report(messages::bad_escape(span, escaped));
            }
        }
    }

    /// Whether a line is one of iptables or of its dumps, judged by its first token.
    fn is_foreign_line(&self, token: Result<Token, ()>, start: usize) -> bool {
        let rest = &self.notes.text()[start..];
        let begins = |words: &[&str]| words.iter().any(|word| rest.starts_with(word));
        match token {
            Err(()) => {
                let option = rest.strip_prefix('-').and_then(|rest| rest.chars().next());
                option.is_some_and(|c| c.is_ascii_uppercase())
                    || begins(&["*filter", "*nat", "*mangle", "*raw", "*security"])
            }
            Ok(Token::Colon) => {
                rest[1..].starts_with(|c: char| c.is_ascii_uppercase())
                    && rest.lines().next().is_some_and(|line| line.ends_with(']'))
            }
            Ok(Token::Name) => {
                begins(&["iptables -", "ip6tables -", "COMMIT\n", "COMMIT\r\n"]) || rest == "COMMIT"
            }
            Ok(_) => false,
        }
    }

    /// Passes over a line of iptables; of several in a row the first is reported.
    fn foreign_line(&mut self, start: usize) -> Lexeme {
        let rest = &self.notes.text()[start..];
        let line = rest.find('\n').map_or(rest, |length| &rest[..length]).trim_end();
        let end = start + line.len();
        self.lexer.bump(end - self.offset - self.lexer.span().end);
        if !self.foreign {
            let first = line.split_ascii_whitespace().next().unwrap_or(line).len();
            self.notes.report(messages::foreign_line(self.notes.span(start, start + first)));
        }
        self.foreign = true;
        (start, Token::Unknown, end)
    }
}
