//! Rules as people write them, in the kernel and out of it, are read without loss.
//!
//! `dumps/lines.v4` and `.v6` have every match and target that the tools have here. The tools load them
//! and print what the kernel has; that is read, printed by us and loaded, and what the tools print then
//! must be the same, to the letter. What is read of the files themselves, in all the spellings that
//! people use, must be what is read of the tools' one spelling.

use std::collections::BTreeMap;

use palisade::emit::{Header, iptables};
use palisade::net::Family;
use palisade::read::read;
use palisade::ruleset::{KernelSet, Match, MatchKind, Origin, Rule, Ruleset, Target};
use palisade::source::Sources;

use crate::load::{Rules, Variant, restore, restore_sets, save};
use crate::need;
use crate::netns::Namespace;
use crate::normal::normalise;

/// Rules for every line, and the sets that they name.
fn lines() -> Rules {
    let sets = |family: &str, name: &str| {
        format!(
            "create known{name} hash:net family {family}\n\
             create pairs{name} hash:ip,port family {family}\n\
             create filled{name} hash:ip family {family} timeout 60\n\
             create shaken{name} hash:ip family {family}\n"
        )
    };
    Rules {
        sets: sets("inet", "") + &sets("inet6", "6"),
        v4: include_str!("dumps/lines.v4").to_owned(),
        v6: include_str!("dumps/lines.v6").replace("known", "known6"),
    }
}

/// What a text says, which must be without fault.
fn reading(text: &str, family: Family) -> (Sources, Ruleset) {
    let mut sources = Sources::new();
    let file = sources.add("rules", text);
    let read = read(file, text, Some(family));
    let said: Vec<String> = read
        .findings
        .iter()
        .map(|finding| {
            let line = finding.span.map_or("", |span| sources.text(span));
            format!("{}: {line}", finding.message)
        })
        .collect();
    assert!(said.is_empty(), "{said:#?}\n{text}");
    (sources, read.ruleset)
}

fn printed(ruleset: &Ruleset, sources: &Sources) -> String {
    iptables(ruleset, &Header::default(), sources)
}

/// Loads rules that a text says, and gives what the tools print then.
fn loaded(variant: Variant, family: Family, sets: &str, text: &str) -> String {
    let namespace = Namespace::new();
    restore_sets(&namespace, sets).unwrap_or_else(|error| panic!("{error}\n{sets}"));
    restore(&namespace, variant, family, text)
        .unwrap_or_else(|error| panic!("{variant:?} {family:?}: {error}\n{text}"));
    save(&namespace, variant, family)
}

/// One line that two texts have otherwise.
fn difference(before: &str, after: &str) -> Vec<(String, String)> {
    let (before, after) = (synonyms(before), synonyms(after));
    let lines = before.lines().zip(after.lines());
    let mut different: Vec<(String, String)> = lines
        .filter(|(before, after)| before != after)
        .map(|(before, after)| (before.to_owned(), after.to_owned()))
        .collect();
    if before.lines().count() != after.lines().count() {
        different.push(("another number of lines".to_owned(), after));
    }
    different
}

/// Two words of the tools for one thing.
fn synonyms(saved: &str) -> String {
    normalise(saved).replace("-j NOTRACK", "-j CT --notrack")
}

#[test]
fn every_line_is_read_without_loss() {
    if !need::met() {
        return;
    }
    let rules = lines();
    for family in Family::BOTH {
        let count = rules.of(family).lines().filter(|line| line.starts_with("-A")).count();
        assert!(count >= [250, 50][usize::from(family == Family::V6)], "{count} lines");
        for variant in Variant::ALL {
            let saved = loaded(variant, family, &rules.sets, rules.of(family));
            let (sources, ruleset) = reading(&saved, family);
            let printed = printed(&ruleset, &sources);
            let again = loaded(variant, family, &rules.sets, &printed);
            let different = difference(&saved, &again);
            assert!(different.is_empty(), "{variant:?} {family:?}: {different:#?}");
        }
    }
}

/// A ruleset without what differs between two spellings: places, and the words of what is kept as
/// words.
fn meant(ruleset: &Ruleset) -> BTreeMap<(String, String), Vec<(Vec<Match>, Target)>> {
    let one = |found: &Match| match &found.kind {
        MatchKind::Opaque(_) => MatchKind::Opaque("".into()).into(),
        MatchKind::OpaqueHistory(_) => MatchKind::OpaqueHistory("".into()).into(),
        MatchKind::User(_) => {
            Match { kind: MatchKind::User(palisade::net::Account::Number(0)), ..found.clone() }
        }
        MatchKind::Set { set, side } => {
            let set = KernelSet { origin: Origin::Default(None), ..(**set).clone() };
            Match { kind: MatchKind::Set { set: set.into(), side: *side }, ..found.clone() }
        }
        _ => found.clone(),
    };
    let rule = |rule: &Rule| {
        let target = match &rule.target {
            Target::AddSource { set, timeout } => {
                let set = KernelSet { origin: Origin::Default(None), ..(**set).clone() };
                Target::AddSource { set: set.into(), timeout: *timeout }
            }
            Target::Opaque { text, end, changes } => {
                let name = text.split(' ').nth(1).unwrap_or_default().into();
                Target::Opaque { text: name, end: *end, changes }
            }
            other => other.clone(),
        };
        (rule.matches.iter().map(one).collect(), target)
    };
    let chains = ruleset
        .tables
        .iter()
        .flat_map(|table| table.chains.iter().map(move |chain| (table.name, chain)));
    let named = chains.map(|(table, chain)| {
        let name = (table.name().to_owned(), chain.name.to_string());
        (name, chain.rules.iter().map(rule).collect())
    });
    named.collect()
}

#[test]
fn every_spelling_is_read_as_the_one_of_the_tools() {
    if !need::met() {
        return;
    }
    let rules = lines();
    for family in Family::BOTH {
        for variant in Variant::ALL {
            let saved = loaded(variant, family, &rules.sets, rules.of(family));
            let (_, written) = reading(rules.of(family), family);
            let (_, saved) = reading(&saved, family);
            let (written, saved) = (meant(&written), meant(&saved));
            for (name, rules) in &written {
                for (at, (written, saved)) in rules.iter().zip(&saved[name]).enumerate() {
                    assert_eq!(written, saved, "{variant:?} {family:?}: rule {at} of {name:?}");
                }
                assert_eq!(rules.len(), saved[name].len(), "{name:?}");
            }
        }
    }
}
