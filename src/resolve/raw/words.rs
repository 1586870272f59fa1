//! The words of a raw rule, as `iptables-restore` parts them.

use crate::source::{FileId, Span};

/// One word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Without its quotes.
    pub text: String,
    /// Whether some of it is quoted: such a word is a value, never an option.
    pub quoted: bool,
    pub span: Span,
    /// Where it begins in the text.
    start: usize,
}

/// What an option is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value<'w> {
    pub text: &'w str,
    /// Of its word.
    pub span: Span,
}

impl Word {
    /// The name of a long option that stands before a `=` (`--dport=22`), and the value behind it.
    pub fn inline(&self) -> Option<(&str, Value<'_>)> {
        let (name, text) = self.text.split_once('=').filter(|_| self.text.starts_with("--"))?;
        Some((name, Value { text, span: self.span }))
    }
}

/// All words of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    text: String,
    pub list: Vec<Word>,
    /// The string that has them.
    pub span: Span,
}

/// Why a text cannot be read, as a clause and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Empty,
    ControlCharacter,
    OpenQuote,
    EmptyQuotes,
}

impl Words {
    /// The index of `-j`, `-g` or their long forms.
    pub fn target(&self) -> Option<usize> {
        let is_target =
            |word: &Word| ["-j", "--jump", "-g", "--goto"].contains(&word.text.as_str());
        self.list.iter().position(|word| !word.quoted && is_target(word))
    }

    /// Whether a word is an option: not one that begins with a quote.
    pub fn is_option(&self, word: &Word) -> bool {
        word.text.starts_with('-') && self.text[word.start..].starts_with('-')
    }

    /// An option, and what it is given in its own word or in the next one.
    pub fn option(&self, at: usize) -> (&str, Option<Value<'_>>) {
        let word = &self.list[at];
        if let Some((name, value)) = word.inline() {
            return (name, Some(value));
        }
        let next = self.list.get(at + 1);
        (&word.text, next.map(|next| Value { text: &next.text, span: next.span }))
    }

    /// What is asked of a packet: all before the target, as written.
    pub fn matches(&self) -> &str {
        let end = self.target().map_or(self.text.len(), |at| self.list[at].start);
        self.text[..end].trim()
    }

    /// The target with its options, as written; empty without one.
    pub fn target_text(&self) -> &str {
        let start = self.target().map_or(self.text.len(), |at| self.list[at].start);
        self.text[start..].trim()
    }
}

/// Parts a text at blanks outside of double quotes; in quotes `\` takes the next character as it is,
/// outside it is a character like any other (`add_param_to_argv` of iptables 1.8.9). `span` is all of
/// the string, `at` where its text begins when places in it are places in the file.
pub fn split(text: &str, span: Span, at: Option<(FileId, usize)>) -> Result<Words, Fault> {
    if text.chars().any(|c| c.is_control() && c != '\t') {
        return Err(Fault::ControlCharacter);
    }
    let mut list: Vec<Word> = Vec::new();
    let mut word: Option<Word> = None;
    let (mut in_quotes, mut escaped) = (false, false);
    for (index, c) in text.char_indices() {
        let blank = c == ' ' || c == '\t';
        if !in_quotes && blank {
            finish(&mut list, word.take(), index, at)?;
            continue;
        }
        let new = || Word { text: String::new(), quoted: false, span, start: index };
        let current = word.get_or_insert_with(new);
        match c {
            _ if escaped => {
                current.text.push(c);
                escaped = false;
            }
            '\\' if in_quotes => escaped = true,
            '"' if in_quotes => {
                in_quotes = false;
                // The word ends here, whatever stands behind it.
                finish(&mut list, word.take(), index + 1, at)?;
            }
            '"' => {
                current.quoted = true;
                in_quotes = true;
            }
            _ => current.text.push(c),
        }
    }
    if in_quotes {
        return Err(Fault::OpenQuote);
    }
    finish(&mut list, word, text.len(), at)?;
    if list.is_empty() {
        return Err(Fault::Empty);
    }
    Ok(Words { text: text.to_owned(), list, span })
}

fn finish(
    list: &mut Vec<Word>,
    word: Option<Word>,
    end: usize,
    at: Option<(FileId, usize)>,
) -> Result<(), Fault> {
    let Some(mut word) = word else { return Ok(()) };
    if word.text.is_empty() {
        // The tools up to 1.4 leave it out, and take the next word in its place.
        return Err(Fault::EmptyQuotes);
    }
    if let Some((file, start)) = at {
        word.span = Span::new(file, start + word.start..start + end);
    }
    list.push(word);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Sources;

    fn words(text: &str) -> Result<Vec<String>, Fault> {
        let file = Sources::new().add("x.fw", " ".repeat(1_000));
        let words = split(text, Span::new(file, 0..0), Some((file, 0)))?;
        Ok(words.list.into_iter().map(|word| word.text).collect())
    }

    #[test]
    fn words_are_parted_as_the_tools_do() {
        let is = |text, expected: &[&str]| assert_eq!(words(text).unwrap(), expected, "{text}");
        is("-p tcp  -j\tDROP", &["-p", "tcp", "-j", "DROP"]);
        is(r#"--comment "a b" x"#, &["--comment", "a b", "x"]);
        is(r#"a"b c"d"#, &["ab c", "d"]);
        is(r#""\"\\n\n""#, &[r#""\nn"#]);
        is(r"a\ b", &[r"a\", "b"]);
        is("it's # no comment", &["it's", "#", "no", "comment"]);
    }

    #[test]
    fn what_the_tools_would_misread_is_refused() {
        assert_eq!(words("  "), Err(Fault::Empty));
        assert_eq!(words("a \"b"), Err(Fault::OpenQuote));
        assert_eq!(words("a \"b\\\""), Err(Fault::OpenQuote));
        assert_eq!(words("--comment \"\" -j DROP"), Err(Fault::EmptyQuotes));
        assert_eq!(words("a\nb"), Err(Fault::ControlCharacter));
    }

    #[test]
    fn matches_and_target_are_as_written() {
        let file = Sources::new().add("x.fw", " ".repeat(1_000));
        let of = |text: &str| {
            let words = split(text, Span::new(file, 0..0), None).unwrap();
            (words.matches().to_owned(), words.target_text().to_owned())
        };
        let is = |text: &str, matches: &str, target: &str| {
            assert_eq!(of(text), (matches.to_owned(), target.to_owned()));
        };
        is(
            "-m x  --y \"-j a\"  -j LOG --log-prefix \"-j b \"",
            "-m x  --y \"-j a\"",
            "-j LOG --log-prefix \"-j b \"",
        );
        is("--goto x", "", "--goto x");
        is("-m recent --set", "-m recent --set", "");
    }
}
