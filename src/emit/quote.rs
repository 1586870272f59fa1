//! Strings as `iptables-save` writes them, and free text that cannot leave its comment line.

/// A string argument: bare when it has only letters, digits, `_` and `-`, else in double quotes
/// with `"`, `\` and `'` escaped (`xtables_save_string` of iptables 1.8.9).
///
/// `iptables-restore` reads line by line, so a line break cannot be written in any way; it and NUL
/// become blanks.
#[must_use]
pub fn quoted(text: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !text.is_empty() && text.chars().all(bare) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' | '\'' => out.extend(['\\', c]),
            '\n' | '\r' | '\0' => out.push(' '),
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Text for a `#` line: a file may be named anything, so control characters become `?`.
#[must_use]
pub fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_words_stand_bare() {
        assert_eq!(quoted("a-b_C9"), "a-b_C9");
        assert_eq!(quoted(""), "\"\"");
        assert_eq!(quoted("a.b"), "\"a.b\"");
        assert_eq!(quoted(r#"it's "x" \n"#), r#""it\'s \"x\" \\n""#);
        assert_eq!(quoted("größe # $x `y`"), "\"größe # $x `y`\"");
    }

    #[test]
    fn no_line_can_be_smuggled_in() {
        assert_eq!(quoted("a\n-A INPUT -j ACCEPT"), "\"a -A INPUT -j ACCEPT\"");
        assert_eq!(one_line("a\r\nCOMMIT"), "a??COMMIT");
    }
}
