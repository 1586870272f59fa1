//! What the documentation shows is true: its policies compile, and the output it prints is printed.

use std::fs;
use std::path::Path;

use palisade::analyze::ruled::understood;
use palisade::analyze::{self, Text};
use palisade::diagnostic::expectation::settle;
use palisade::diagnostic::{Level, Lint, catalogue};
use palisade::emit::{Header, iptables};
use palisade::lower::lower;
use palisade::resolve::{Resolved, resolve};
use palisade::source::{MemoryLoader, Sources};

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).expect(name)
}

/// The texts of the fenced blocks of a kind.
fn blocks<'a>(text: &'a str, kind: &str) -> Vec<&'a str> {
    let fence = format!("```{kind}\n");
    let rest = text.split(fence.as_str()).skip(1);
    rest.map(|rest| rest.split("```").next().unwrap_or_default()).collect()
}

/// What `check` says of a policy, but for notes.
fn said(policy: &str) -> Vec<String> {
    let mut sources = Sources::new();
    let root = sources.add("policy.fw", policy);
    let mut loader = MemoryLoader::new([("blocklist.netset", "192.0.2.66\n")]);
    let Resolved { policy, mut findings, expectations, .. } =
        resolve(root, &mut sources, &mut loader);
    let meaning = understood(&policy);
    let text = Text::Policy(&policy);
    findings.extend(analyze::findings(text, &meaning, &sources, &expectations, &|_| true));
    let settled = settle(findings, &expectations, |_| true);
    let said = settled.findings.into_iter().filter(|finding| finding.level > Level::Note);
    said.map(|finding| finding.message).collect()
}

#[test]
fn every_policy_is_clean_unless_it_is_shown_as_wrong() {
    for (name, least) in [
        ("README.md", 2),
        ("docs/language.md", 9),
        ("docs/ci.md", 1),
        ("docs/graph.md", 1),
        ("docs/import.md", 1),
    ] {
        let text = read(name);
        let [right, wrong] = ["fw", "fw wrong"].map(|kind| blocks(&text, kind));
        assert!(right.len() + wrong.len() >= least, "{name} has few policies");
        for policy in right {
            assert_eq!(said(policy), [""; 0], "{name}:\n{policy}");
        }
        for policy in wrong {
            assert_ne!(said(policy), [""; 0], "{name}:\n{policy}");
        }
    }
}

#[test]
fn the_readme_shows_what_is_printed() {
    let readme = read("README.md");
    let first = read("examples/first.fw");
    assert_eq!(blocks(&readme, "fw")[0], first, "the first policy is examples/first.fw");
    let mut sources = Sources::new();
    let root = sources.add("first.fw", first);
    let resolved = resolve(root, &mut sources, &mut MemoryLoader::default());
    let lowered = lower(&resolved.policy, &sources);
    let header = Header { version: String::new(), digest: String::new(), notes: Vec::new() };
    let printed = iptables(&lowered.v4, &header, &sources);
    let rules = |text: &str| -> Vec<String> {
        let kept = text.lines().skip_while(|line| !line.starts_with('*'));
        kept.map(str::to_owned).collect()
    };
    let (shown, printed) = (rules(blocks(&readme, "text")[0]), rules(&printed));
    assert!(shown.len() > 15, "{shown:?}");
    assert_eq!(shown[..], printed[..shown.len()]);
}

#[test]
fn the_language_lists_every_lint_that_is_a_matter_of_taste() {
    let text = read("docs/language.md");
    let told = text.lines().skip_while(|line| *line != "| lint | level | tells of |").skip(2);
    let told: Vec<&str> = told.take_while(|line| line.starts_with('|')).collect();
    let is_chosen = |lint: &&&Lint| {
        lint.level != Some(Level::Error) || lint.expectable || ***lint == catalogue::NEVER_MATCHES
    };
    let row = |lint: &&Lint| {
        let level = lint.level.map_or("off", Level::name);
        format!("| `{}` | {level} | {} |", lint.name, lint.summary)
    };
    let rows: Vec<String> = catalogue::ALL.iter().filter(is_chosen).map(row).collect();
    assert_eq!(told, rows);
}
