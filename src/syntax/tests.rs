mod lexis;
mod mistakes;
mod robust;

use crate::source::{FileId, Sources};

use super::tree::{Statement, StatementKind};
use super::{Parsed, parse};

const LANGUAGE: &str = include_str!("tests/language.fw");
const TOUR: &str = include_str!("tests/tour.fw");

fn file() -> FileId {
    Sources::new().add("test.fw", "")
}

/// The findings as `code: text under the span: message; label; help`.
fn complaints(text: &str) -> Vec<String> {
    parse(file(), text).findings.iter().map(|finding| complaint(text, finding)).collect()
}

fn complaint(text: &str, finding: &crate::diagnostic::Finding) -> String {
    let span = finding.span.expect("every finding has a place");
    let help = finding.help.as_deref().unwrap_or("-");
    let (code, place) = (finding.lint.name, &text[span.range()]);
    format!("{code} at `{place}`: {} | {} | {help}", finding.message, finding.label)
}

fn clean(text: &str) -> Parsed {
    assert_eq!(complaints(text), Vec::<String>::new(), "in:\n{text}");
    parse(file(), text)
}

fn kinds(text: &str) -> Vec<StatementKind> {
    clean(text).tree.statements.into_iter().map(|statement: Statement| statement.kind).collect()
}

#[test]
fn the_examples_of_the_language_are_read() {
    assert_eq!(clean(LANGUAGE).tree.statements.len(), 28);
}

#[test]
fn every_form_is_read() {
    clean(TOUR);
}

#[test]
fn floods_of_rubbish_end_in_few_findings() {
    for (what, rubbish) in [
        ("words", "allow ssh form lan foo bar\n".repeat(4_000)),
        ("one line", "foo bar ".repeat(13_000)),
        ("signs", "! ".repeat(50_000)),
        ("braces", "{".repeat(100_000)),
        ("closing", "}".repeat(100_000)),
        ("pairs", "{}".repeat(50_000)),
        ("parens", "allow x(".repeat(12_000)),
        ("strings", "\"\n".repeat(50_000)),
    ] {
        let findings = parse(file(), &rubbish).findings.len();
        // 200 and the one that says there are more.
        assert!((1..=201).contains(&findings), "{what}: {findings} findings");
    }
}
