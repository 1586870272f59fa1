//! Takes tokens from the lexer and complains about those that the language does not have.

use super::super::messages::lexis::{self as messages, Foreign};
use super::super::token::Token;
use super::{Filter, Lexeme};

/// How lines of nft begin, and none of a policy does.
const NFT: &[&str] = &[
    "table inet ",
    "table ip ",
    "table ip6 ",
    "type filter hook ",
    "type nat hook ",
    "type route hook ",
    "flush ruleset",
    "nft ",
    "iif ",
    "iifname ",
    "oif ",
    "oifname ",
    "ct state ",
    "meta ",
    "ip saddr ",
    "ip daddr ",
    "ip protocol ",
    "ip6 saddr ",
    "ip6 daddr ",
    "tcp dport ",
    "tcp sport ",
    "udp dport ",
    "udp sport ",
    "icmp type ",
    "icmpv6 type ",
];

impl<'t> Filter<'_, 't> {
    /// The next token of the text, newlines and comments included.
    pub(super) fn lex(&mut self) -> Option<Lexeme> {
        loop {
            let token = self.lexer.next()?;
            let range = self.lexer.span();
            let (start, end) = (self.offset + range.start, self.offset + range.end);
            if *self.first.get_or_insert(start) == start
                && let Some(tool) = self.foreign_tool(token, start)
            {
                return Some(self.foreign_line(start, tool));
            }
            match token {
                Err(()) if self.is_bare_raw(start) => return Some(self.bare_raw(start)),
                Ok(Token::Slash) if self.passes_comment(start) => {}
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
        } else if run == "-" {
            rest.chars().take_while(|c| *c == '-').count()
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

    /// Whether the text of a raw rule begins here without its quote.
    fn is_bare_raw(&self, start: usize) -> bool {
        let begins_rule = self.notes.text_from(start).starts_with(['-', '!']);
        self.head == Some(Token::Raw) && self.first != Some(start) && begins_rule
    }

    /// Passes over the rest of a raw rule's line, which stands for its text.
    fn bare_raw(&mut self, start: usize) -> Lexeme {
        let line = self.line_from(start);
        let end = start + line.len();
        self.pass_to(end);
        self.notes.report(messages::raw_without_quotes(self.notes.span(start, end), line));
        (start, Token::Text, end)
    }

    /// Passes over a comment such as other languages have, `//` or `/* */`, when one begins here.
    fn passes_comment(&mut self, start: usize) -> bool {
        let rest = &self.notes.text()[start..];
        let length = if rest.starts_with("//") {
            self.line_from(start).len()
        } else if let Some(inner) = rest.strip_prefix("/*") {
            inner.find("*/").map_or(self.line_from(start).len(), |at| at + "/**/".len())
        } else {
            return false;
        };
        let end = start + length;
        self.pass_to(end);
        self.notes.report(messages::foreign_comment(self.notes.span(start, end)));
        true
    }

    /// The rest of a line, without blanks at its end.
    fn line_from(&self, start: usize) -> &'t str {
        let rest = self.notes.text_from(start);
        rest.find('\n').map_or(rest, |length| &rest[..length]).trim_end()
    }

    fn pass_to(&mut self, end: usize) {
        self.lexer.bump(end - self.offset - self.lexer.span().end);
    }

    /// The tool of which a line is, judged by how it begins.
    fn foreign_tool(&self, token: Result<Token, ()>, start: usize) -> Option<Foreign> {
        const TABLES: &[&str] = &["*filter", "*nat", "*mangle", "*raw", "*security"];
        const IPTABLES: &[&str] = &["iptables -", "ip6tables -", "COMMIT\n", "COMMIT\r\n"];
        let rest = self.notes.text_from(start);
        let begins = |words: &[&str]| words.iter().any(|word| rest.starts_with(word));
        let is_iptables = match token {
            Err(()) => {
                let option = rest.strip_prefix('-').and_then(|rest| rest.chars().next());
                option.is_some_and(|c| c.is_ascii_uppercase()) || begins(TABLES)
            }
            Ok(Token::Colon) => {
                rest[1..].starts_with(|c: char| c.is_ascii_uppercase())
                    && self.line_from(start).ends_with(']')
            }
            Ok(Token::Name) => begins(IPTABLES) || rest == "COMMIT",
            Ok(_) => false,
        };
        if is_iptables {
            return Some(Foreign::Iptables);
        }
        let is_word = matches!(token, Ok(Token::Name | Token::Protocol(_) | Token::Icmp(_)));
        (is_word && begins(NFT)).then_some(Foreign::Nft)
    }

    /// Passes over a line of another tool; of several in a row the first is reported.
    fn foreign_line(&mut self, start: usize, tool: Foreign) -> Lexeme {
        let line = self.line_from(start);
        let end = start + line.len();
        self.pass_to(end);
        if !self.foreign {
            let first = line.split_ascii_whitespace().next().unwrap_or(line).len();
            self.notes.report(messages::foreign_line(self.notes.span(start, start + first), tool));
        }
        if line.ends_with('{') {
            self.notes.expect_stray_brace();
        }
        self.foreign = true;
        (start, Token::Unknown, end)
    }
}
