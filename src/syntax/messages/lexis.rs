//! What is said about characters, strings and single words.

use crate::diagnostic::{Finding, catalogue};
use crate::source::Span;

use super::syntax_error;

/// Whether no token of the language has the character.
pub fn is_unknown(c: char) -> bool {
    !c.is_ascii_alphanumeric()
        && !c.is_ascii_whitespace()
        && !matches!(c, '\x0b' | '"' | '#' | '{' | '}' | '(' | ')' | '[' | ']' | ',' | ';' | '_')
        && !matches!(c, '=' | ':' | '/' | '@' | '-' | '“' | '”' | '„' | '«')
}

/// Whether a character looks like a blank or like nothing.
pub fn is_odd_blank(c: char) -> bool {
    !c.is_ascii()
        && (c.is_whitespace()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{ad}'))
}

/// A run of characters that begin no token. `before` is the character before it, `after` what
/// follows.
pub fn unknown_characters(span: Span, run: &str, before: Option<char>, after: &str) -> Finding {
    let shown: String = run.chars().take(20).flat_map(visible).collect();
    let (label, help) = advice(run, before, after);
    let what = if run.chars().nth(1).is_some() { "characters" } else { "character" };
    Finding::new(
        &catalogue::UNKNOWN_CHARACTER,
        span,
        format!("{what} that the language does not use: `{shown}`"),
    )
    .label(label)
    .help(help)
}

fn visible(c: char) -> Vec<char> {
    if c.is_control() || is_odd_blank(c) { c.escape_unicode().collect() } else { vec![c] }
}

fn advice(run: &str, before: Option<char>, after: &str) -> (&'static str, &'static str) {
    let first = run.chars().next().unwrap_or(' ');
    let behind_word = before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    match first {
        '“' | '”' | '„' | '«' | '»' => {
            ("a typographic quote", "strings stand in straight quotes: `\"text\"`")
        }
        '’' | '‘' | '‚' | '\'' | '`' => {
            ("not a quote of the language", "strings stand in double quotes: `\"text\"`")
        }
        '–' | '—' | '−' | '‐' | '‑' => {
            ("a typographic dash", "write a plain `-`: `8000-8100`")
        }
        '→' | '⇒' => {
            ("a typographic arrow", "write `->` between addresses, `=>` before a verdict")
        }
        '…' => ("a typographic ellipsis", "write a range with `-`: `8000-8100`"),
        '&' => (
            "conditions are not joined by a sign",
            "separate the members of a list by commas; clauses that follow each other must all hold",
        ),
        '|' => (
            "alternatives are not joined by a sign",
            "separate the members of a list by commas: `from lan, dmz`",
        ),
        '!' => ("negation is a word here", "say `except`: `from any except 10.0.0.0/8`"),
        '$' => {
            ("names have no sign before them", "write the name alone: `let x = …`, then `from x`")
        }
        '*' => (
            "no wildcard here",
            "say `any`; an interface pattern ends in `+`: `wg+`; a string may have a `*`",
        ),
        '+' => (
            "only an interface pattern ends in `+`",
            "write it behind the name, without a blank: `wg+`",
        ),
        '\\' => {
            ("lines are not joined by a sign", "a list goes on in the next line after its comma")
        }
        '%' => ("names and values have no `%`", "say the interface with `in` or `out`"),
        '<' | '>' => ("no comparison here", "write a range: `8000-8100`"),
        '.' if behind_word => {
            ("a name cannot end so, and a statement has no final stop", "delete it")
        }
        '-' if behind_word => {
            ("a name cannot end in `-`", "delete it, or write a range or name without blanks")
        }
        '-' if run != "-" && after.starts_with([' ', '\t']) => {
            ("a comment of another language", "a comment begins with `#`, and ends with its line")
        }
        '-' if after.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            ("there are no options here", "write clauses: `from lan`, `in eth0`, `tcp 22`")
        }
        '-' => ("a dash of its own", "write a range without blanks: `8000-8100`"),
        c if is_odd_blank(c) => (
            "looks like a blank or like nothing, but is another character",
            "replace it by a plain blank",
        ),
        c if c.is_alphabetic() => (
            "names have only the letters a to z and A to Z",
            "write it without accents, or, for an interface or a comment, in double quotes",
        ),
        c if c.is_control() => ("a control character", "delete it; is this a text file?"),
        _ => ("no word, value or sign begins so", "delete it, or put the text in double quotes"),
    }
}

pub fn curly_quotes(span: Span, text: &str) -> Finding {
    let inner: String =
        text.chars().filter(|c| !matches!(c, '“' | '”' | '„' | '«' | '»')).collect();
    Finding::new(&catalogue::UNKNOWN_CHARACTER, span, "string in typographic quotes")
        .label("these quotes are not those of the language")
        .help(format!("write \"{}\"", inner.trim_matches('"')))
}

pub fn unterminated_string(span: Span) -> Finding {
    Finding::new(&catalogue::UNTERMINATED_STRING, span, "string without its closing quote")
        .label("the line ends before the string does")
        .help("add a `\"`; a string stands on one line")
}

pub fn bad_escape(span: Span, escaped: char) -> Finding {
    let shown: String = visible(escaped).into_iter().collect();
    syntax_error(span, format!("unknown escape `\\{shown}` in a string"))
        .label("no such escape")
        .help("only `\\\"` and `\\\\` are escapes; write `\\\\` for a backslash")
}

pub fn bad_name(span: Span, word: &str) -> Finding {
    let finding = syntax_error(span, format!("`{word}` is neither a name nor a value"));
    if word.starts_with('_') {
        return finding
            .label("a name begins with a letter")
            .help("begin it with a letter; an odd interface name goes in quotes");
    }
    if word.starts_with("0x") {
        return finding
            .label("a hexadecimal number has the digits 0 to 9 and a to f")
            .help("write it as in `0x1f`");
    }
    finding
        .label("a name begins with a letter, a value has no letters of this kind")
        .help(format!("for a name, begin with a letter; for an interface, write \"{word}\""))
}

pub fn reserved_name(span: Span, word: &str) -> Finding {
    Finding::new(
        &catalogue::RESERVED_NAME,
        span,
        format!("`{word}` is a word of the language and cannot be defined as a name"),
    )
    .label("a reserved word")
    .help(format!("choose another name, such as `my_{word}` or `{word}1`"))
}

pub fn semicolon_in_nets(span: Span) -> Finding {
    syntax_error(span, "`;` between the nets of a zone")
        .label("a list goes on with a comma")
        .help("write a `,`")
}

pub fn end_after_brace(span: Span, next: &str) -> Finding {
    syntax_error(span, "statement that follows a `}` on the same line")
        .label(format!("`{next}` stands where the line should end"))
        .help("begin a new line, or write a `;` after the `}`")
}

/// A tool whose lines are known by how they begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    Iptables,
    Nft,
}

pub fn foreign_line(span: Span, tool: Foreign) -> Finding {
    match tool {
        Foreign::Iptables => syntax_error(span, "this is a line of iptables, not of a policy")
            .label("Palisade has words instead of options")
            .note("`palisade import` makes a policy of what `iptables-save` prints")
            .help(
                "write `allow tcp 22 from lan` for `-A INPUT -i eth1 -p tcp --dport 22 -j ACCEPT`",
            ),
        Foreign::Nft => syntax_error(span, "this is a line of nft, not of a policy")
            .label("Palisade has words of its own")
            .help("write `allow tcp 22 from lan` for `iifname \"eth1\" tcp dport 22 accept`"),
    }
}

pub fn foreign_comment(span: Span) -> Finding {
    syntax_error(span, "comment of another language")
        .label("passed over")
        .help("a comment begins with `#`, and ends with its line")
}

pub fn raw_without_quotes(span: Span, rule: &str) -> Finding {
    let has_signs = rule.contains(['"', '\\']);
    syntax_error(span, "raw rule without its quotes")
        .label("a text in double quotes belongs here")
        .help(if has_signs {
            "put it in double quotes, and write a `\\` before each `\"` in it".to_owned()
        } else {
            format!("write `\"{rule}\"`")
        })
}
