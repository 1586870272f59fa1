//! A rule that is reported dead or redundant can be left out, and no packet is treated otherwise.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

use palisade::analyze::{self, removal::Removal};
use palisade::diagnostic::deletion::deletion;
use palisade::diagnostic::{Edit, has_errors};
use palisade::meaning::{BaseChain, Meaning, Reason, meaning, probes};
use palisade::net::Family;
use palisade::packet::Random;
use palisade::resolve::policy::Item;
use palisade::resolve::{Resolved, resolve};
use palisade::source::{MemoryLoader, Sources, Span};

use crate::generate;

/// Probes for each base chain and family.
const PROBES: usize = 150;

/// What is reported of rules that might as well not be there.
const SPARE: [&str; 8] = [
    "never-matches",
    "unreachable-rule",
    "duplicate-rule",
    "shadowed-conflict",
    "shadowed-rule",
    "redundant-rule",
    "redundant-with-default",
    "partly-dead",
];

fn resolved(text: &str) -> (Sources, Resolved) {
    let mut sources = Sources::new();
    let root = sources.add("policy.fw", text);
    let resolved = resolve(root, &mut sources, &mut MemoryLoader::default());
    (sources, resolved)
}

/// How many implicit rules there are: they come and go with the last rule of a chain.
fn implicit(meaning: &Meaning) -> usize {
    let lists = Family::BOTH.into_iter().flat_map(|family| {
        BaseChain::ALL.into_iter().filter_map(move |base| meaning.base(family, base))
    });
    let is_implicit = |reason: &Reason| matches!(reason, Reason::Implicit(_));
    lists.flat_map(|list| &list.entries).filter(|entry| is_implicit(&entry.reason)).count()
}

/// Says what is treated otherwise by another meaning.
fn difference(before: &Meaning, after: &Meaning, seed: u64) -> Option<String> {
    for (family, base) in
        Family::BOTH.into_iter().flat_map(|family| BaseChain::ALL.map(|base| (family, base)))
    {
        for packet in probes(before, family, base, seed, PROBES) {
            for room in [true, false] {
                let [old, new] = [before, after].map(|meaning| {
                    let trace = meaning.trace(base, &packet, &mut |_| room);
                    let logs: Vec<_> = trace.logs().cloned().collect();
                    (trace.decision.clone(), logs, trace.packet.clone())
                });
                if old != new {
                    return Some(format!("{base:?} {room}: {old:#?}\nthen {new:#?}\n{packet:#?}"));
                }
            }
        }
    }
    None
}

#[test]
fn what_is_dead_or_redundant_can_be_left_out() {
    let (mut left_out, mut kinds) = (0, BTreeSet::new());
    for seed in 0..250 {
        let text = generate::policy(seed);
        let (sources, policy) = resolved(&text);
        if has_errors(&policy.findings) {
            continue;
        }
        let before = meaning(&policy.policy);
        let all = |_: &palisade::diagnostic::Lint| true;
        let found = analyze::findings(
            analyze::Text::Policy(&policy.policy),
            &before,
            &sources,
            &policy.expectations,
            &all,
        );
        let spare = found.iter().filter(|finding| SPARE.contains(&finding.lint.name));
        for finding in spare.filter(|finding| finding.also_at.is_empty()) {
            let span = finding.span.expect("a rule has a place");
            // A translation that nothing comes to keeps its accept: for packets that nothing makes.
            let translates =
                ["forward", "redirect"].iter().any(|verb| text[span.range()].starts_with(verb));
            if translates && finding.lint.name == "unreachable-rule" {
                continue;
            }
            let edit = finding.fix.as_ref().map(|fix| fix.edits[0].span);
            let is_member = finding.lint.name == "partly-dead";
            let Some(gone) = (if is_member { edit } else { Some(span) }) else { continue };
            let mut without = text.clone();
            without.replace_range(gone.range(), "");
            let (_, rest) = resolved(&without);
            let after = meaning(&rest.policy);
            if has_errors(&rest.findings) || implicit(&before) != implicit(&after) {
                continue;
            }
            left_out += 1;
            kinds.insert(finding.lint.name);
            if let Some(difference) = difference(&before, &after, seed) {
                let rule = &text[span.range()];
                panic!("seed {seed}: {} {rule}\n{difference}\n{text}", finding.lint.name);
            }
        }
    }
    eprintln!("{left_out} rules were left out: {kinds:?}");
    assert!(
        left_out >= 30 && kinds.len() >= 5 && kinds.contains("partly-dead"),
        "only {left_out}: {kinds:?}"
    );
}

/// A policy with some of its rules once more: before it, where they may make others spare, or behind.
fn with_repetitions(text: &str, seed: u64) -> String {
    let mut random = Random::new(seed);
    let verbs = ["allow ", "drop ", "reject ", "log ", "forward ", "masquerade ", "snat "];
    let is_rule = |line: &&str| verbs.iter().any(|verb| line.starts_with(verb));
    let rules: Vec<&str> =
        text.lines().filter(is_rule).filter(|line| !line.contains('{')).collect();
    let mut text = text.to_owned();
    for _ in 0..4 {
        match random.pick(&rules) {
            Some(rule) if random.one_in(3) => text = format!("{rule}\n{text}"),
            Some(rule) => text = format!("{text}\n{rule} # again"),
            None => {}
        }
    }
    text
}

/// A policy after `check --fix`, and what the program said.
fn fixed(text: &str) -> (String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_palisade"));
    command.args(["check", "--fix", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut program = command.spawn().unwrap();
    program.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = program.wait_with_output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_policy_that_was_fixed_does_the_same() {
    let (mut edited, mut refused) = (0, 0);
    for seed in 0..100 {
        let text = with_repetitions(&generate::policy(seed), seed);
        let (after, said) = fixed(&text);
        refused += said.matches("is not fixed").count();
        if after == text {
            continue;
        }
        edited += 1;
        let (before, after) = (resolved(&text).1, resolved(&after).1);
        let (before, after) = (meaning(&before.policy), meaning(&after.policy));
        for (one, other) in [(&before, &after), (&after, &before)] {
            if let Some(difference) = difference(one, other, seed) {
                panic!("seed {seed}: {difference}\n{text}\n{said}");
            }
        }
    }
    eprintln!("{edited} policies were edited, {refused} edits refused");
    assert!(edited >= 20, "{edited}");
}

#[test]
fn what_is_proved_to_be_spare_is_spare() {
    let (mut proved, mut refused) = (0, 0);
    for seed in 0..60 {
        let text = with_repetitions(&generate::policy(seed), seed);
        let (_, policy) = resolved(&text);
        if has_errors(&policy.findings) {
            continue;
        }
        let before = meaning(&policy.policy);
        let removal = Removal::of(&before);
        let spans = policy.policy.items.iter().filter_map(|item| match item {
            Item::Rule(rule) => Some(rule.origin.span),
            Item::Nat(nat) => Some(nat.origin.span),
            Item::Alter(_) | Item::Raw(_) => None,
        });
        let spans: BTreeSet<Span> = spans.collect();
        for span in spans.into_iter().take(12) {
            let range = deletion(&text, span.range());
            let mut without = text.clone();
            without.replace_range(range.clone(), "");
            let edit = Edit { span: Span::new(span.file(), range), replacement: String::new() };
            let (_, rest) = resolved(&without);
            let after = meaning(&rest.policy);
            let edits = [edit];
            if has_errors(&rest.findings)
                || removal.together(&[&edits[..]]) != [true]
                || !removal.leaves(&after, &edits)
            {
                refused += 1;
                continue;
            }
            proved += 1;
            if let Some(difference) = difference(&before, &after, seed) {
                panic!("seed {seed}: {}\n{difference}\n{text}", &text[span.range()]);
            }
        }
    }
    eprintln!("{proved} rules can go, {refused} are refused");
    assert!(proved >= 20 && refused >= 100, "{proved} {refused}");
}
