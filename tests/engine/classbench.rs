//! ClassBench sets: the dead rules are exactly the ones that two other engines agreed on.
//!
//! `classbench/*.fw` and `.dead` (the ordinals of the dead rules) are the small ones of the sets that
//! the project keeps for measuring.

use std::fs;
use std::path::Path;

use palisade::analyze::dead::Life;
use palisade::analyze::list::{EffectNumber, ListedRule, RuleList};
use palisade::analyze::{Dump, Text, findings};
use palisade::diagnostic::Lint;
use palisade::diagnostic::expectation::Expectations;
use palisade::emit::{self, Header};
use palisade::lower::lower;
use palisade::meaning::{BaseChain, Decision, Effect, Entry, Reason, meaning};
use palisade::net::Family;
use palisade::packet::{Budget, Packet, Point, RuleNumber};
use palisade::read::read;
use palisade::resolve::resolve;
use palisade::source::{MemoryLoader, Sources};

fn listed(entry: &Entry) -> ListedRule<'_> {
    let effect = match &entry.effect {
        Effect::Decide(Decision::Accept) => 1,
        Effect::Decide(Decision::Drop) => 2,
        other => panic!("the sets have no {other:?}"),
    };
    assert!(entry.limits.is_empty());
    ListedRule { may: &entry.set, hides: Some(&entry.set), effect: EffectNumber(effect) }
}

fn holds(name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engine/classbench");
    let text = fs::read_to_string(folder.join(format!("{name}.fw"))).expect("a policy");
    let expected = fs::read_to_string(folder.join(format!("{name}.dead"))).expect("a list");
    let expected: Vec<u32> =
        expected.lines().map(|line| line.parse().expect("an ordinal")).collect();

    let mut sources = Sources::new();
    let root = sources.add("policy.fw", &*text);
    let resolved = resolve(root, &mut sources, &mut MemoryLoader::default());
    let meaning = meaning(&resolved.policy);
    let chain = meaning.base(Family::V4, BaseChain::FilterForward).expect("a list");
    let rules: Vec<ListedRule> = chain.entries.iter().map(listed).collect();
    let list = RuleList::of(Family::V4, None, &rules, Budget::default());

    let is_written = |entry: &&Entry| matches!(entry.reason, Reason::Written(_));
    let implicit = chain.entries.iter().take_while(|entry| !is_written(entry)).count();
    let lives = list.lives();
    let dead = (1..).zip(&lives[implicit..]).filter(|(_, life)| matches!(life, Life::Dead(_)));
    let dead: Vec<u32> = dead.map(|(ordinal, _)| ordinal).collect();
    assert_eq!(dead, expected, "{name}");

    for (number, life) in (0..).zip(&lives) {
        let packet = |point: &Point| list.space().packet(point);
        let takes = |rule: usize, packet: &Packet| rules[rule].may.contains(packet);
        match life {
            Life::Live(point) => {
                let packet = packet(point);
                assert!(takes(number, &packet));
                assert!(!(0..number).any(|earlier| takes(earlier, &packet)));
            }
            Life::Dead(cover) => {
                assert!(cover.is_minimal);
                for member in &cover.members {
                    assert!(member.rule < RuleNumber(u32::try_from(number).expect("small")));
                    let packet = packet(member.alone.as_ref().expect("minimal"));
                    assert!(takes(number, &packet));
                    for other in &cover.members {
                        let own = other.rule == member.rule;
                        assert_eq!(takes(other.rule.0 as usize, &packet), own);
                    }
                }
            }
            Life::NeverMatches | Life::Unknown => panic!("{name}: rule {number} is {life:?}"),
        }
    }
}

/// What is said of rules that no packet reaches.
const DEAD: [&str; 5] =
    ["never-matches", "unreachable-rule", "duplicate-rule", "shadowed-conflict", "shadowed-rule"];

/// The findings are one for each dead rule, and none for another.
#[test]
fn each_dead_rule_has_one_finding() {
    for name in ["acl1-1k", "fw1-1k", "fw1-10k", "ipc1-1k"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engine/classbench");
        let text = fs::read_to_string(folder.join(format!("{name}.fw"))).expect("a policy");
        let expected = fs::read_to_string(folder.join(format!("{name}.dead"))).expect("a list");
        let expected: Vec<usize> =
            expected.lines().map(|line| line.parse().expect("an ordinal")).collect();
        let mut sources = Sources::new();
        let root = sources.add("policy.fw", &*text);
        let resolved = resolve(root, &mut sources, &mut MemoryLoader::default());
        let meaning = meaning(&resolved.policy);
        let shows = |lint: &Lint| DEAD.contains(&lint.name);
        let found = findings(
            Text::Policy(&resolved.policy),
            &meaning,
            &sources,
            &resolved.expectations,
            &shows,
        );
        let lines = found.iter().filter_map(|finding| Some(sources.line(finding.span?) - 1));
        assert_eq!(lines.collect::<Vec<usize>>(), expected, "{name}");
        assert!(found.iter().all(|finding| finding.witness.is_some()), "{name}");
    }
}

#[test]
fn access_lists() {
    holds("acl1-1k");
}

#[test]
fn firewalls() {
    holds("fw1-1k");
    holds("fw1-10k");
}

#[test]
fn mixtures() {
    holds("ipc1-1k");
}

/// The same set as a dump: the lines told are those of its dead rules.
#[test]
fn each_dead_rule_of_a_dump_has_one_finding() {
    for name in ["acl1-1k", "fw1-1k", "ipc1-1k"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engine/classbench");
        let text = fs::read_to_string(folder.join(format!("{name}.fw"))).expect("a policy");
        let expected = fs::read_to_string(folder.join(format!("{name}.dead"))).expect("a list");
        let expected: Vec<String> = expected
            .lines()
            .map(|line| format!("# policy.fw:{}", line.parse::<usize>().expect("an ordinal") + 1))
            .collect();
        let mut sources = Sources::new();
        let root = sources.add("policy.fw", &*text);
        let resolved = resolve(root, &mut sources, &mut MemoryLoader::default());
        let lowered = lower(&resolved.policy, &sources);
        let header = Header { version: String::new(), digest: String::new(), notes: Vec::new() };
        let written = emit::iptables(&lowered.v4, &header, &sources);
        let file = sources.add("rules.v4", &*written);
        let read = read(file, &written, None);
        assert!(read.findings.is_empty(), "{name}: {:?}", read.findings);
        let dump = Dump::of(read.ruleset, read.declared);
        let shows = |lint: &Lint| DEAD.contains(&lint.name);
        let none = Expectations::default();
        let found = findings(Text::Dump(&dump), dump.meaning(), &sources, &none, &shows);
        // Above each rule stands where it comes from.
        let lines: Vec<&str> = written.lines().collect();
        let told = found.iter().filter_map(|finding| {
            let line = sources.line(finding.span?);
            lines[..line].iter().rev().find(|line| line.starts_with('#')).copied()
        });
        assert_eq!(told.collect::<Vec<&str>>(), expected, "{name}");
    }
}
