//! What people see, to the letter.

use super::*;
use crate::diagnostic::catalogue;
use crate::diagnostic::report::Names;
use crate::diagnostic::witness::{Payload, Witness};

fn find(text: &str, needle: &str) -> std::ops::Range<usize> {
    let start = text.find(needle).expect("the needle is in the text");
    start..start + needle.len()
}

fn report<'a>(sources: &'a Sources, names: &'a Names, findings: &'a [Finding]) -> Report<'a> {
    Report { root: "web.fw", sources, names, findings, expected: 0 }
}

fn rendered(sources: &Sources, names: &Names, findings: &[Finding]) -> String {
    render(&report(sources, names, findings), Colour::None)
}

fn shown(text: &str, needle: &str) -> String {
    let mut sources = Sources::new();
    let file = sources.add("web.fw", text);
    let span = Span::new(file, find(text, needle));
    let finding = Finding::new(&catalogue::BAD_PORT, span, "wrong").label("here");
    let names = Names::default();
    rendered(&sources, &names, &[finding])
}

/// The column of the first caret and of the marked text are the same on screen.
fn lines_under_each_other(text: &str, needle: &str) -> String {
    shown(text, needle).lines().skip(2).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_finding_reads_as_the_house_style_says() {
    let text = "from wan {\n    allow tcp 22, 70000\n}\n";
    let mut sources = Sources::new();
    let root = sources.add("web.fw", "zone wan = eth0\ninclude \"x.fw\"\n");
    let file = sources.add("x.fw", text);
    let finding = Finding::new(
        &catalogue::BAD_PORT,
        Span::new(file, find(text, "70000")),
        "there is no port 70000",
    )
    .label("ports are 0 to 65535")
    .related(Span::new(file, find(text, "tcp")), "of this protocol")
    .related(Span::new(root, 5..8), "the zone is here")
    .note("a fact\nof two lines")
    .help("an act");
    let names = Names::within("site");
    let out = rendered(&sources, &names, &[finding]);
    insta::assert_snapshot!(out, @r"
    error[bad-port]: there is no port 70000
      ┌─ site/x.fw:2:19
      │
    2 │     allow tcp 22, 70000
      │           ---     ^^^^^ ports are 0 to 65535
      │           │        
      │           of this protocol
      │
      ┌─ site/web.fw:1:6
      │
    1 │ zone wan = eth0
      │      --- the zone is here
      │
      = note: a fact
              of two lines
      = help: an act
    ");
}

#[test]
fn a_packet_stands_before_the_notes_and_an_edit_after_the_help() {
    let mut sources = Sources::new();
    let file = sources.add("web.fw", "allow tcp 70000\n");
    let span = Span::new(file, 10..15);
    let payload = Payload::Ports { source: 40_000, destination: 22 };
    let mut packet =
        Witness::new("INPUT", [10, 0, 0, 1].into(), [10, 0, 0, 2].into(), "tcp", payload);
    packet.incoming = Some("eth\x1b0".to_owned());
    packet.fate = Some("dropped at line 1".to_owned());
    let finding = Finding::new(&catalogue::BAD_PORT, span, "wrong")
        .fix("take the last port", span, "65535")
        .help("an act")
        .note("a fact")
        .witness(packet);
    let out = rendered(&sources, &Names::default(), &[finding]);
    let remarks: Vec<&str> = out.lines().filter(|line| line.starts_with("  = ")).collect();
    assert_eq!(
        remarks,
        [
            "  = packet: in eth\\u{1b}0, tcp 10.0.0.1:40000 → 10.0.0.2:22: dropped at line 1",
            "  = note: a fact",
            "  = help: an act",
            "  = fix: take the last port: `70000` → `65535`",
        ]
    );
}

#[test]
fn tabs_wide_characters_and_crlf_keep_marks_in_place() {
    insta::assert_snapshot!(lines_under_each_other("\tallow\ttcp 70000\r\n", "70000"), @r"
      │
    1 │     allow   tcp 70000
      │                 ^^^^^ here
    ");
    insta::assert_snapshot!(lines_under_each_other("log \"漢字é\" tcp 70000\r\nallow ssh\r\n", "70000"), @r#"
      │
    1 │ log "漢字é" tcp 70000
      │                 ^^^^^ here
    "#);
    assert!(shown("log \"漢字é\" tcp 70000\r\n", "70000").contains("web.fw:1:15\n"));
}

#[test]
fn nothing_steers_the_terminal() {
    let out = shown("allow \x1b[31mtcp\u{202e} 70000 \u{9b}\r# x\n", "70000");
    assert!(!out.contains(['\x1b', '\u{202e}', '\u{9b}', '\r']), "{out:?}");
    assert!(out.contains("\\u{1b}[31mtcp\\u{202e} 70000"), "{out}");
    let marked = out.lines().find(|line| line.contains('^')).unwrap();
    let source = out.lines().find(|line| line.contains("70000 ")).unwrap();
    let column = |line: &str, what: &str| line.split(what).next().unwrap().chars().count();
    assert_eq!(column(marked, "^"), column(source, "70000"));
}

#[test]
fn marks_at_the_very_end_and_empty_files_are_shown() {
    let mut sources = Sources::new();
    let empty = sources.add("empty.fw", "");
    let ended = sources.add("ended.fw", "allow\n");
    let names = Names::default();
    let at =
        |file, at: usize| Finding::new(&catalogue::SYNTAX_ERROR, Span::new(file, at..at), "end");
    let findings = [at(empty, 0), at(ended, 5), at(ended, 6)];
    let out = rendered(&sources, &names, &findings);
    for place in ["empty.fw:1:1\n", "ended.fw:1:6\n", "ended.fw:2:1\n"] {
        assert!(out.contains(place), "{out}");
    }
    assert_eq!(out.matches('^').count(), 3);
}

#[test]
fn long_lines_and_long_marks_are_cut() {
    let long = format!("allow tcp {}70000, {}\n", "22, ".repeat(5000), "23, ".repeat(5000));
    let out = shown(&long, "70000");
    assert!(out.len() < 2000, "{}", out.len());
    assert!(out.contains("web.fw:1:20011\n") && out.contains("^^^^^ here"), "{out}");
    let block = format!("from wan {{\n{}}}\n", "    allow ssh\n".repeat(1000));
    let out = shown(&block, block.trim_end());
    assert!(out.lines().count() < 10, "{out}");
}

#[test]
fn lines_far_apart_are_shown_with_a_gap() {
    let text = format!("zone a = eth0\n{}zone b = eth0\n", "allow ssh\n".repeat(10));
    let mut sources = Sources::new();
    let file = sources.add("a.fw", text.as_str());
    let finding =
        Finding::new(&catalogue::OVERLAPPING_ZONES, Span::new(file, find(&text, "zone b")), "two")
            .related(Span::new(file, 0..6), "first");
    let names = Names::default();
    let out = rendered(&sources, &names, &[finding]);
    insta::assert_snapshot!(out, @r"
    error[overlapping-zones]: two
       ┌─ a.fw:12:1
       │
     1 │ zone a = eth0
       │ ------ first
       ·
    12 │ zone b = eth0
       │ ^^^^^^
    ");
}

#[test]
fn a_block_is_marked_over_its_lines() {
    let out = shown("from wan {\n  allow ssh\n}\nallow http\n", "from wan {\n  allow ssh\n}\n");
    let out: Vec<&str> = out.lines().map(str::trim_end).collect();

    insta::assert_snapshot!(out.join("\n"), @r"
    error[bad-port]: wrong
      ┌─ web.fw:1:1
      │
    1 │ ╭ from wan {
    2 │ │   allow ssh
    3 │ │ }
      │ ╰─^ here
    ");
}

#[test]
fn colours_are_there_only_when_wanted() {
    let sources = Sources::new();
    let names = Names::default();
    let finding = Finding::without_place(&catalogue::IPV6_NOT_WRITTEN, "m");
    let findings = [finding];
    let report = report(&sources, &names, &findings);
    assert!(render(&report, Colour::Ansi).contains("\x1b[1;32mnote"));
    assert_eq!(render(&report, Colour::None), "note[ipv6-not-written]: m\n\n");
}

#[test]
fn the_summary_counts_in_english() {
    let counts = |errors, warnings, notes, expected| Counts { errors, warnings, notes, expected };
    assert_eq!(summary("web.fw", counts(2, 1, 0, 0)), "web.fw: 2 errors, 1 warning\n");
    assert_eq!(summary("web.fw", counts(0, 0, 2, 3)), "web.fw: 2 notes, 3 expected\n");
    assert_eq!(summary("web.fw", counts(0, 0, 0, 0)), "web.fw: no findings\n");
    assert_eq!(summary("web.fw", counts(0, 0, 0, 1)), "web.fw: no findings, 1 expected\n");
}
