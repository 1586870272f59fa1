//! What is loaded, read as the text that it is: the rules in the words of a meaning.

use palisade::analyze::ruled::ruled;
use palisade::diagnostic::has_errors;
use palisade::meaning::Meaning;
use palisade::net::Family;
use palisade::read::{read_ipsets, read_with_sets};
use palisade::ruleset::{Match, MatchKind, Ruleset, Target};
use palisade::source::Sources;

use crate::generate::ALWAYS;
use crate::load::Rules;

/// What rules do, as `palisade trace` reads their files and that of their sets.
pub fn read_back(rules: &Rules) -> Meaning {
    let mut sources = Sources::new();
    let sets = read_ipsets(sources.add("ipsets", rules.sets.as_str()), &rules.sets);
    assert_eq!(sets.findings, [], "{}", rules.sets);
    let [v4, v6] = Family::BOTH.map(|family| {
        let text = rules.of(family);
        let file = sources.add(format!("rules.{family}"), text);
        let read = read_with_sets(file, text, Some(family), &sets.sets);
        assert!(!has_errors(&read.findings), "{:?}\n{text}", read.findings);
        without_chance(read.ruleset)
    });
    ruled(Some(&v4), Some(&v6)).meaning
}

/// The same rules, where the chance that generated ones ask is what it always or never is, and log lines, which
/// change no packet's way, have no limit.
fn without_chance(mut ruleset: Ruleset) -> Ruleset {
    let chains = ruleset.tables.iter_mut().flat_map(|table| &mut table.chains);
    for rule in chains.flat_map(|chain| &mut chain.rules) {
        let is_certain = |found: &Match| match &found.kind {
            MatchKind::OpaqueHistory(text) => &**text == ALWAYS,
            _ => false,
        };
        let is_log = matches!(rule.target, Target::Log { .. });
        let is_limit = |found: &Match| is_log && found.kind.depends_on_history();
        rule.matches.retain(|found| !is_certain(found) && !is_limit(found));
        for found in &mut rule.matches {
            if let MatchKind::OpaqueHistory(text) = &found.kind
                && text.starts_with("-m statistic")
            {
                found.kind = MatchKind::Opaque(text.clone());
            }
        }
    }
    ruleset
}
