//! No text makes the parser panic, hang, or point outside the file.

use proptest::prelude::*;

use super::{LANGUAGE, TOUR, file, parse};
use crate::syntax::report::MAX_FINDINGS;
use crate::syntax::token::Token;
use crate::syntax::tree::StatementKind;

/// Parses, and holds every span to the file's bounds and character boundaries.
fn survive(text: &str) {
    let parsed = parse(file(), text);
    assert!(parsed.findings.len() <= MAX_FINDINGS + 1);
    for finding in &parsed.findings {
        let span = finding.span.expect("a place");
        assert!(text.get(span.range()).is_some(), "{finding:?} in {text:?}");
        assert!(!finding.label.is_empty() && finding.help.is_some(), "{finding:?}");
    }
    for comment in &parsed.comments {
        assert!(text[comment.span.range()].starts_with('#'));
    }
    let mut last = 0;
    for statement in &parsed.tree.statements {
        assert!(text.get(statement.span.range()).is_some(), "{statement:?} in {text:?}");
        assert!(last <= statement.span.start(), "statements stand in order: {text:?}");
        last = statement.span.start();
    }
    let invalid = |kind: &StatementKind| matches!(kind, StatementKind::Invalid);
    if parsed.tree.statements.iter().any(|statement| invalid(&statement.kind)) {
        assert!(!parsed.findings.is_empty(), "an invalid statement without a finding in {text:?}");
    }
}

#[test]
fn every_prefix_is_survived() {
    for text in [LANGUAGE, TOUR] {
        for (end, _) in text.char_indices() {
            survive(&text[..end]);
        }
    }
}

#[test]
fn floods_are_survived() {
    for unit in [
        "{",
        "(",
        "[",
        "}",
        ")",
        "from wan {\n",
        "allow x(",
        "let a = (",
        "! ",
        "\"",
        "\n",
        ";",
        ",",
    ] {
        survive(&unit.repeat(300_000 / unit.len()));
    }
}

#[test]
fn nesting_is_capped_and_said_once() {
    for (open, tail) in [("from wan {\n", ""), ("let x = ", "("), ("a", "(")] {
        let text = if tail.is_empty() {
            open.repeat(300_000)
        } else {
            open.to_owned() + &tail.repeat(300_000)
        };
        let findings = parse(file(), &text).findings;
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].lint.name, "nesting-too-deep");
    }
    let deep = "from wan {".repeat(64) + &"}".repeat(64);
    assert_eq!(parse(file(), &deep).findings, []);
}

#[test]
fn findings_are_capped() {
    let parsed = parse(file(), &"alow ssh\n".repeat(1000));
    assert_eq!(parsed.findings.len(), MAX_FINDINGS + 1);
    assert_eq!(parsed.findings[MAX_FINDINGS].lint.name, "too-many-findings");
}

#[test]
fn tokens_are_small() {
    assert!(size_of::<Token>() <= 4);
}

const PIECES: &[&str] = &[
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    ",",
    ";",
    "\n",
    "\r\n",
    "=",
    ":",
    "/",
    "@",
    "->",
    "=>",
    "\"",
    "“",
    "!",
    "+",
    "-",
    ".",
    "from",
    "to",
    "out",
    "zone",
    "test",
    "forward",
    "log",
    "rate",
    "burst 5",
    "per",
    "except",
    "\u{a0}",
    "é",
    "\\",
    "::",
    "10.0.0.0/8",
    "fd00::/8",
    "22",
    "icmp",
    "service",
    "set",
    "dynamic",
    "def",
    "input",
    "#x\n",
    "-A INPUT",
    "\t",
    "\0",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1500) })]

    #[test]
    fn mutations_are_survived(
        tour in any::<bool>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..12_usize, prop::sample::select(PIECES)), 1..6),
    ) {
        let mut text: Vec<char> = if tour { TOUR } else { LANGUAGE }.chars().collect();
        for (at, removed, piece) in edits {
            let at = at.index(text.len() + 1);
            let end = (at + removed).min(text.len());
            text.splice(at..end, piece.chars());
        }
        survive(&text.into_iter().collect::<String>());
    }

    #[test]
    fn soups_are_survived(pieces in prop::collection::vec((prop::sample::select(PIECES), any::<bool>()), 0..60)) {
        let blank = |(piece, blank): &(&str, bool)| format!("{piece}{}", if *blank { " " } else { "" });
        survive(&pieces.iter().map(blank).collect::<String>());
    }

    #[test]
    fn any_text_is_survived(text in "\\PC{0,80}") {
        survive(&text);
    }
}
