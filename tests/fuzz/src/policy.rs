//! Texts of policies.

use palisade::analyze::equal::{Why, compare};
use palisade::analyze::ruled::{refused, ruled, understood};
use palisade::analyze::{self, Text, graph};
use palisade::diagnostic::expectation::settle;
use palisade::diagnostic::{Finding, Level, catalogue, has_errors};
use palisade::emit::graph::{Style, What};
use palisade::emit::{self, Header};
use palisade::lower::{Lowered, lower};
use palisade::meaning::Meaning;
use palisade::net::{Families, Family};
use palisade::packet::Budget;
use palisade::read::{read_ipsets, read_with_sets};
use palisade::resolve::{Policy, resolve};
use palisade::source::{MemoryLoader, Sources};
use palisade::syntax;

use super::tell;

/// In one text of the fuzzer several files stand one after the other, each but the first behind a line
/// of this and its name.
const NEXT: &str = "#### ";

/// Any text is parsed. Statements and comments are where they say.
pub fn parse(text: &str) {
    let mut sources = Sources::new();
    let parsed = syntax::parse(sources.add("policy.fw", text), text);
    for comment in &parsed.comments {
        assert!(text[comment.span.range()].starts_with('#'));
    }
    let mut last = 0;
    for statement in &parsed.tree.statements {
        assert!(text.get(statement.span.range()).is_some() && last <= statement.span.start());
        last = statement.span.start();
    }
    tell(&parsed.findings, &sources);
}

/// Any policy is compiled or refused. What is written for it is read again and proved to be what it
/// means.
pub fn compile(text: &str) {
    let mut files = text.split(NEXT);
    let root = files.next().unwrap_or_default();
    let mut loader = MemoryLoader::new(files.filter_map(|file| file.split_once('\n')));
    let mut sources = Sources::new();
    let root = sources.add("policy.fw", root);
    let resolved = resolve(root, &mut sources, &mut loader);
    let (policy, mut findings) = (resolved.policy, resolved.findings);
    findings.extend(refused(&policy));
    let error = |one: &Finding| one.level == Level::Error && one.lint != &catalogue::NEVER_MATCHES;
    let is_whole = !findings.iter().any(error);
    let meaning = understood(&policy);
    if is_whole {
        let text = Text::Policy(&policy);
        let expectations = &resolved.expectations;
        findings.extend(analyze::findings(text, &meaning, &sources, expectations, &|_| true));
    }
    let settled = settle(findings, &resolved.expectations, |_| true);
    tell(&settled.findings, &sources);
    if !is_whole {
        return;
    }
    draw(&policy, &meaning, &sources);
    // An error of the analysis may be expected, but not one of the language.
    let lowered = lower(&policy, &sources);
    let others = (
        emit::plan(&lowered.v4, &lowered.v6, &sources),
        emit::load_script(&lowered.v4, &lowered.v6, &Header::default()),
    );
    drop(others);
    let _ = emit::nft(&lowered.v4, &lowered.v6, &Header::default(), &sources);
    prove(&meaning, &lowered, &mut sources);
}

fn draw(policy: &Policy, meaning: &Meaning, sources: &Sources) {
    let relations = graph::relations(meaning);
    let graph = graph::graph(Text::Policy(policy), meaning, &relations);
    for style in [Style::Dot, Style::Mermaid, Style::Svg] {
        let _ = emit::graph::graph(&graph, "policy.fw", What::All, style, sources);
    }
}

fn prove(meaning: &Meaning, lowered: &Lowered, sources: &mut Sources) {
    let header = Header::default();
    let ipsets = emit::ipsets(&lowered.v4, &lowered.v6, &header, sources);
    let sets = read_ipsets(sources.add("ipsets", ipsets.as_str()), &ipsets);
    assert!(!has_errors(&sets.findings), "{:?}\n{ipsets}", sets.findings);
    let [v4, v6] = [(&lowered.v4, Family::V4), (&lowered.v6, Family::V6)].map(|(rules, family)| {
        let chains = rules.tables.iter().flat_map(|table| &table.chains);
        let unwritable = chains.flat_map(|chain| &chain.rules).find_map(emit::unwritable);
        assert_eq!(unwritable, None);
        let text = emit::iptables(rules, &header, sources);
        let read =
            read_with_sets(sources.add("rules", text.as_str()), &text, Some(family), &sets.sets);
        assert!(!has_errors(&read.findings), "{:?}\n{text}", read.findings);
        read.ruleset
    });
    let rules = ruled(Some(&v4), Some(&v6)).meaning;
    let compared = compare(meaning, &rules, Families::BOTH, Budget::default());
    assert!(compared.differences.is_empty(), "{:#?}", compared.differences.first());
    let unconfirmed = compared.unproved.iter().find(|one| one.why == Why::Unconfirmed);
    assert!(unconfirmed.is_none(), "{unconfirmed:#?}");
}
