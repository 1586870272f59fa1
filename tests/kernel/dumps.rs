//! Rules as people write them, in the kernel and out of it, are read without loss.
//!
//! `dumps/lines.v4` and `.v6` have every match and target that the tools have here. The tools load them
//! and print what the kernel has; that is read, printed by us and loaded, and what the tools print then
//! must be the same, to the letter. What is read of the files themselves, in all the spellings that
//! people use, must be what is read of the tools' one spelling.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use palisade::emit::{Header, iptables};
use palisade::net::{Account, Family, Prefix};
use palisade::read::{read, read_ipsets};
use palisade::ruleset::{
    DynamicSet, KernelSet, MatchKind, Origin, Rule, Ruleset, SetContent, Target,
};
use palisade::source::Sources;
use tempfile::NamedTempFile;

use crate::compiled::compile;
use crate::load::{Rules, Variant, restore, restore_sets, save, save_with_counters};
use crate::need;
use crate::netns::Namespace;
use crate::normal::normalise;
use crate::{generate, others};

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

/// The rules of each chain, by its table and name.
type Chains = BTreeMap<(String, String), Vec<Rule>>;

/// A ruleset without what differs between two spellings: places, and the words of what is kept as
/// words.
fn meant(ruleset: &Ruleset) -> Chains {
    let mut chains = Chains::new();
    for table in &ruleset.tables {
        for chain in &table.chains {
            let name = (table.name.to_string(), chain.name.to_string());
            chains.insert(name, chain.rules.iter().map(without_words).collect());
        }
    }
    chains
}

fn without_words(rule: &Rule) -> Rule {
    let placeless =
        |set: &KernelSet| Arc::new(KernelSet { origin: Origin::Default(None), ..set.clone() });
    let mut rule = rule.clone();
    rule.origin = Origin::Default(None);
    for found in &mut rule.matches {
        match &mut found.kind {
            MatchKind::Opaque(text) | MatchKind::OpaqueHistory(text) => *text = "".into(),
            // A file may name them.
            MatchKind::User(account) => *account = Account::Number(0),
            MatchKind::Set { set, .. } => *set = placeless(set),
            _ => {}
        }
    }
    match &mut rule.target {
        Target::AddSource { set, .. } => *set = placeless(set),
        Target::Opaque { text, .. } => *text = text.split(' ').nth(1).unwrap_or_default().into(),
        _ => {}
    }
    rule
}

/// What reading refuses although each word is known, the tools refuse too.
#[test]
fn what_is_refused_is_refused_by_the_tools() {
    if !need::met() {
        return;
    }
    let lines = include_str!("dumps/refused.v4").lines().filter(|line| !line.starts_with('#'));
    let namespaces = Variant::ALL.map(|variant| (variant, Namespace::new()));
    let through = ":own - [0:0]\n-A OUTPUT -j own\n-A own -j MASQUERADE";
    let texts = lines.map(|line| {
        let (table, rule) = line.split_once(' ').expect("a table and a rule");
        format!("*{table}\n-A {rule}\nCOMMIT\n")
    });
    for text in texts.chain([format!("*nat\n{through}\nCOMMIT\n")]) {
        let read = read(Sources::new().add("rules", text.as_str()), &text, Some(Family::V4));
        assert_eq!(read.findings.len(), 1, "{text}");
        for (variant, namespace) in &namespaces {
            assert!(restore(namespace, *variant, Family::V4, &text).is_err(), "{variant:?} {text}");
        }
    }
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

/// The rules of a family as read from our file, and from what the kernel has after loading it.
fn both_ways(variant: Variant, family: Family, rules: &Rules, place: &str) {
    let saved = loaded(variant, family, &rules.sets, rules.of(family));
    let (_, written) = reading(rules.of(family), family);
    let (_, saved) = reading(&saved, family);
    let (written, saved) = (meant(&written), meant(&saved));
    for (name, rules) in &written {
        let there = saved.get(name).map_or(&[][..], Vec::as_slice);
        for (at, (written, saved)) in rules.iter().zip(there).enumerate() {
            assert_eq!(written, saved, "{place}: rule {at} of {name:?}");
        }
        assert_eq!(rules.len(), there.len(), "{place}: {name:?}");
    }
    assert_eq!(written.len(), saved.len(), "{place}");
}

#[test]
fn the_kernel_has_what_is_read_of_a_file() {
    if !need::met() {
        return;
    }
    for name in ["bastion", "blocklist", "docker", "kubernetes", "router", "uplinks", "wireguard"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
        let compiled = compile(&path.with_extension("fw")).expect(name);
        for (variant, family) in each() {
            both_ways(variant, family, &compiled.rules, name);
        }
    }
    let mut judged = 0;
    for seed in 0..60 {
        let mut file = NamedTempFile::new().expect("a temporary file can be made");
        file.write_all(generate::policy(seed).as_bytes()).expect("and written");
        let Some(compiled) = compile(file.path()) else { continue };
        judged += 1;
        for (variant, family) in each() {
            both_ways(variant, family, &compiled.rules, &format!("seed {seed}"));
        }
    }
    assert!(judged >= 15, "only {judged} policies were judged");
}

fn each() -> impl Iterator<Item = (Variant, Family)> {
    Variant::ALL.into_iter().flat_map(|variant| Family::BOTH.map(|family| (variant, family)))
}

#[test]
fn what_other_programs_leave_in_the_kernel_is_read_without_loss() {
    if !need::met() {
        return;
    }
    for (variant, family) in each() {
        let namespace = Namespace::new();
        others::build(&namespace, variant);
        for saved in
            [save(&namespace, variant, family), save_with_counters(&namespace, variant, family)]
        {
            let (sources, ruleset) = reading(&saved, family);
            assert!(ruleset.rule_count() > 20);
            let printed = printed(&ruleset, &sources);
            let again = loaded(variant, family, "", &printed);
            let different = difference(&save(&namespace, variant, family), &again);
            assert!(different.is_empty(), "{variant:?} {family:?}: {different:#?}");
        }
    }
}

/// Name, family, networks and shape of each set that a text makes.
fn sets_of(text: &str) -> BTreeMap<String, (Family, Vec<Prefix>, Option<DynamicSet>)> {
    let read = read_ipsets(Sources::new().add("sets", text), text);
    assert_eq!(read.findings, [], "{text}");
    let one = |set: &Arc<KernelSet>| {
        let shape = match set.content {
            SetContent::Dynamic(shape) => Some(shape),
            SetContent::Static(_) => None,
            SetContent::Unknown => panic!("nobody knows what is in {}:\n{text}", set.name),
        };
        (set.name.to_string(), (set.family, set.networks().collect(), shape))
    };
    read.sets.iter().map(one).collect()
}

#[test]
fn the_kernel_has_the_sets_that_are_read_of_a_file() {
    if !need::met() {
        return;
    }
    let mut judged = 0;
    let blocklist = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/blocklist.fw");
    let generated = (0..40).map(generate::policy).filter(|policy| policy.contains("\nset "));
    let generated = generated.filter_map(|policy| {
        let mut file = NamedTempFile::new().expect("a temporary file can be made");
        file.write_all(policy.as_bytes()).expect("and written");
        compile(file.path())
    });
    for compiled in compile(&blocklist).into_iter().chain(generated) {
        let text = compiled.rules.sets;
        let namespace = Namespace::new();
        restore_sets(&namespace, &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let saved = namespace.output("ipset", &["save"], "").expect("ipset saves");
        assert_eq!(sets_of(&saved), sets_of(&text), "{saved}\n{text}");
        judged += usize::from(!sets_of(&text).is_empty());
    }
    assert!(judged >= 5, "only {judged} files of sets");
}
