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
    let shown = |finding: &crate::diagnostic::Finding| {
        let span = finding.span.expect("every finding has a place");
        let help = finding.help.as_deref().unwrap_or("-");
        let (code, place) = (finding.lint.name, &text[span.range()]);
        format!("{code} at `{place}`: {} | {} | {help}", finding.message, finding.label)
    };
    parse(file(), text).findings.iter().map(shown).collect()
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

/// Measures the parser: `cargo test --release syntax -- --ignored --nocapture speed`.
#[test]
#[ignore = "a measurement"]
fn speed() {
    use std::fmt::Write;
    let mut text = String::new();
    for n in 0..100_000_u32 {
        let (a, b) = (n / 250 % 250, n % 250);
        match n % 5 {
            0 => writeln!(text, "allow ssh, http, https from 10.{a}.{b}.0/24 to self"),
            1 => writeln!(
                text,
                "drop tcp 22, 80, 8000-8100 from lan to 192.0.{a}.{b}@dmz log \"x \""
            ),
            2 => writeln!(
                text,
                "allow udp 53 from 2001:db8:{a:x}:{b:x}::/64 limit 5/minute burst 10 per source"
            ),
            3 => writeln!(text, "from wan {{ allow tcp {n} to web comment \"rule {n}\" }}"),
            _ => writeln!(
                text,
                "forward https at 203.0.{a}.{b} from wan to 10.{a}.{b}.2:8443@lan hairpin lan"
            ),
        }
        .expect("writing to a string");
    }
    let start = std::time::Instant::now();
    let notes = super::report::Reporter::new(file(), &text);
    let tokens = super::filter::Filter::new(&notes, 0).count();
    println!("{tokens} tokens alone: {:?}", start.elapsed());
    let start = std::time::Instant::now();
    let parsed = clean_fast(&text);
    let parse_time = start.elapsed();
    println!("{} bytes, {} statements: {parse_time:?}", text.len(), parsed.tree.statements.len());
    for (what, rubbish) in [
        ("words", "allow ssh form lan foo bar\n".repeat(40_000)),
        ("one line", "foo bar ".repeat(130_000)),
        ("signs", "! ".repeat(500_000)),
        ("braces", "{".repeat(1_000_000)),
        ("closing", "}".repeat(1_000_000)),
        ("pairs", "{}".repeat(500_000)),
        ("parens", "allow x(".repeat(120_000)),
        ("strings", "\"\n".repeat(500_000)),
    ] {
        let start = std::time::Instant::now();
        let findings = parse(file(), &rubbish).findings.len();
        println!("{what}: {findings} findings in {:?}", start.elapsed());
    }
}

fn clean_fast(text: &str) -> Parsed {
    let parsed = parse(file(), text);
    assert_eq!(parsed.findings.len(), 0);
    parsed
}
