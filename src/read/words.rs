//! The words of a line, as `iptables-restore` parts them.
//!
//! Only `"` quotes; in quotes `\` takes the next character as it is, outside it is a character like
//! any other, and so is `'`. The closing quote ends the word, with or without a blank behind it
//! (`add_param_to_argv` of iptables 1.8.9, tried with the tools).

use std::borrow::Cow;

/// One word and where it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word<'a> {
    /// Without its quotes.
    pub text: Cow<'a, str>,
    pub quoted: bool,
    /// Bytes of the file, its quotes included.
    pub start: usize,
    pub end: usize,
}

/// A quote that its line does not close, by its place in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OpenQuote(pub usize);

/// Puts the words of `line`, which stands at byte `at` of its file, into `words`.
pub(super) fn split<'a>(
    line: &'a str,
    at: usize,
    words: &mut Vec<Word<'a>>,
) -> Result<(), OpenQuote> {
    words.clear();
    let bytes = line.as_bytes();
    let mut here = 0;
    while here < bytes.len() {
        if is_blank(bytes[here]) {
            here += 1;
            continue;
        }
        let start = here;
        let is_end = |byte: &u8| is_blank(*byte) || *byte == b'"';
        here = bytes[start..].iter().position(is_end).map_or(bytes.len(), |length| start + length);
        let bare = &line[start..here];
        let quoted = bytes.get(here) == Some(&b'"');
        let text = if quoted {
            let (inner, length) = unquote(&line[here + 1..]).ok_or(OpenQuote(at + here))?;
            here += 1 + length;
            if bare.is_empty() { inner } else { Cow::Owned(format!("{bare}{inner}")) }
        } else {
            Cow::Borrowed(bare)
        };
        words.push(Word { text, quoted, start: at + start, end: at + here });
    }
    Ok(())
}

/// Parts the word of an option from its value, before which a `=` stands at byte `sign` of the text. The value
/// is one whatever it is: a `!` negates nothing there.
pub(super) fn part(words: &mut Vec<Word<'_>>, at: usize, sign: usize) {
    let word = &mut words[at];
    let Word { start, end, quoted, .. } = *word;
    let value = match &mut word.text {
        Cow::Borrowed(text) => {
            let (name, value) = (&text[..sign], &text[sign + 1..]);
            *text = name;
            Cow::Borrowed(value)
        }
        Cow::Owned(text) => {
            let value = text[sign + 1..].to_owned();
            text.truncate(sign);
            Cow::Owned(value)
        }
    };
    // Where some of it is quoted, its bytes are others than its text.
    let parted = if quoted { [end, start] } else { [start + sign, start + sign + 1] };
    let quoted = quoted || value.starts_with('!') || value.is_empty();
    (word.end, word.quoted) = (parted[0], false);
    words.insert(at + 1, Word { text: value, quoted, start: parted[1], end });
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// What stands before the closing quote, and how many bytes that is with the quote.
fn unquote(text: &str) -> Option<(Cow<'_, str>, usize)> {
    let end = text.find(['"', '\\'])?;
    if text.as_bytes()[end] == b'"' {
        return Some((Cow::Borrowed(&text[..end]), end + 1));
    }
    let mut inner = String::from(&text[..end]);
    let mut chars = text[end..].char_indices();
    while let Some((place, c)) = chars.next() {
        match c {
            '"' => return Some((Cow::Owned(inner), end + place + 1)),
            '\\' => inner.push(chars.next()?.1),
            _ => inner.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<Vec<String>, OpenQuote> {
        let mut words = Vec::new();
        split(line, 100, &mut words)?;
        for word in words.iter().filter(|word| !word.quoted) {
            assert_eq!(line[word.start - 100..word.end - 100], word.text);
        }
        Ok(words.into_iter().map(|word| word.text.into_owned()).collect())
    }

    #[test]
    fn words_are_parted_as_the_tools_do() {
        let is = |line, expected: &[&str]| assert_eq!(words(line).unwrap(), expected, "{line}");
        is(" -p tcp  -j\tDROP ", &["-p", "tcp", "-j", "DROP"]);
        is(r#"--comment "a b" x"#, &["--comment", "a b", "x"]);
        is(r#"--comment "" -j"#, &["--comment", "", "-j"]);
        is(r#"a"b c"d"#, &["ab c", "d"]);
        is(r#""\"\\n\n\ö""#, &[r#""\nnö"#]);
        is(r"a\ b", &[r"a\", "b"]);
        is("it's # größe", &["it's", "#", "größe"]);
        is("", &[]);
    }

    #[test]
    fn an_option_is_parted_from_its_value() {
        let parted = |line: &str| {
            let mut words = Vec::new();
            split(line, 100, &mut words).unwrap();
            let sign = words[0].text.find('=').unwrap();
            part(&mut words, 0, sign);
            let told = |word: &Word<'_>| (word.text.to_string(), word.quoted, word.start, word.end);
            [told(&words[0]), told(&words[1])]
        };
        let word = |text: &str, quoted, start, end| (text.to_owned(), quoted, start, end);
        assert_eq!(parted("--a=b x"), [word("--a", false, 100, 103), word("b", false, 104, 105)]);
        assert_eq!(parted("--a=b=c")[1], word("b=c", false, 104, 107));
        assert_eq!(parted("--a=!")[1], word("!", true, 104, 105));
        assert_eq!(parted("--a=")[1], word("", true, 104, 104));
        let quoted = [word("--a", false, 100, 109), word("b c", true, 100, 109)];
        assert_eq!(parted("--a=\"b c\""), quoted);
        assert_eq!(parted("\"--a=b c\"")[1], quoted[1]);
    }

    #[test]
    fn a_quote_must_be_closed() {
        assert_eq!(words(r#"-j "DROP"#), Err(OpenQuote(103)));
        assert_eq!(words(r#"a "b\""#), Err(OpenQuote(102)));
        assert_eq!(words(r#"a "b\"#), Err(OpenQuote(102)));
    }
}
