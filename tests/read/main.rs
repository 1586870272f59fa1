//! What is printed is read as what it was: rulesets of policies, printed by `emit` and read by `read`,
//! which share no code.
//!
//! `PALISADE_SEEDS=10000 cargo test --release --test read` tries more policies than the default.

mod broken;
#[path = "../kernel/everything.rs"]
mod everything;
#[path = "../agreement/files.rs"]
mod files;
#[path = "../agreement/generate.rs"]
mod generate;
mod normal;
mod old;
mod refused;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use palisade::diagnostic::has_errors;
use palisade::emit::{Header, ipsets, iptables};
use palisade::lower::lower;
use palisade::net::Family;
use palisade::read::{is_dump, read, read_ipsets, read_with_sets};
use palisade::resolve::resolve;
use palisade::ruleset::{KernelSet, Ruleset};
use palisade::source::{MemoryLoader, Sources};

use everything::{HOSTILE, everything};
use files::{files_below, files_beside};
use normal::normal;

fn printed(ruleset: &Ruleset, sources: &Sources) -> String {
    let header = Header { version: "1.0".to_owned(), ..Header::default() };
    iptables(ruleset, &header, sources)
}

/// Prints a ruleset and reads it again; says what is another one then.
fn round_trip(ruleset: &Ruleset, sources: &Sources) -> Result<(), String> {
    let text = printed(ruleset, sources);
    assert!(is_dump(&text), "{text}");
    let alone = read(Sources::new().add("rules", text.as_str()), &text, None);
    assert_eq!((alone.ruleset.family, alone.family_is_assumed), (ruleset.family, false));
    let mut read_sources = Sources::new();
    let file = read_sources.add("rules", text.as_str());
    let read = read_with_sets(file, &text, Some(ruleset.family), &ruleset.sets);
    if let Some(finding) = read.findings.first() {
        let place = finding.span.map(|span| read_sources.start(span).to_string());
        let place = place.unwrap_or_default();
        return Err(format!("{place}: {}: {}\n{text}", finding.message, finding.label));
    }
    let (written, found) = (normal(ruleset), normal(&read.ruleset));
    for (written, found) in written.tables.iter().zip(&found.tables) {
        for (written, found) in written.chains.iter().zip(&found.chains) {
            for (written, found) in written.rules.iter().zip(&found.rules) {
                if written != found {
                    return Err(format!("written {written:#?}\nread {found:#?}\n{text}"));
                }
            }
        }
    }
    if written == found {
        // What was read is printed as it was, but for lists of addresses, which are several rules.
        if read.ruleset.rule_count() > ruleset.rule_count() {
            return Ok(());
        }
        let again = printed(&read.ruleset, &read_sources);
        let rules = |text: &str| -> Vec<String> {
            text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
        };
        assert_eq!(rules(&again), rules(&text));
        return Ok(());
    }
    Err(format!("written {written:#?}\nread {found:#?}\n{text}"))
}

/// The rulesets of a policy; `None` when it is refused.
fn compile(text: &str, mut loader: MemoryLoader) -> Option<(Sources, [Ruleset; 2])> {
    let mut sources = Sources::new();
    let root = sources.add("policy.fw", text);
    let resolved = resolve(root, &mut sources, &mut loader);
    if has_errors(&resolved.findings) {
        return None;
    }
    let lowered = lower(&resolved.policy, &sources);
    Some((sources, [lowered.v4, lowered.v6]))
}

/// The file of sets is read as the sets of both families.
fn sets_round_trip(sources: &Sources, [v4, v6]: &[Ruleset; 2]) {
    let text = ipsets(v4, v6, &Header::default(), sources);
    let read = read_ipsets(Sources::new().add("ipsets", text.as_str()), &text);
    assert_eq!(read.findings, [], "{text}");
    let pairs = v4.sets.iter().zip(&v6.sets);
    let written: Vec<_> = pairs.flat_map(|(v4, v6)| [v4, v6]).collect();
    assert_eq!(read.sets.len(), written.len(), "{text}");
    for (written, found) in written.into_iter().zip(&read.sets) {
        // What is said of a set of one family may have addresses of the other.
        let networks = |set: &KernelSet| set.networks().collect::<Vec<_>>();
        assert_eq!((&written.name, written.family), (&found.name, found.family), "{text}");
        assert_eq!(networks(written), networks(found), "{text}");
        assert_eq!(written.is_dynamic(), found.is_dynamic(), "{text}");
        if written.is_dynamic() {
            assert_eq!(written.content, found.content, "{text}");
        }
    }
}

/// How many rules of a policy are read as they were; `None` when the policy is refused.
fn judge(name: &str, text: &str, loader: MemoryLoader) -> Option<usize> {
    let (sources, rulesets) = compile(text, loader)?;
    sets_round_trip(&sources, &rulesets);
    for ruleset in &rulesets {
        if let Err(fault) = round_trip(ruleset, &sources) {
            panic!("{name}, {}: {fault}\n{text}", ruleset.family);
        }
    }
    Some(rulesets.iter().map(Ruleset::rule_count).sum())
}

#[test]
fn written_policies_are_read_as_they_were() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut policies, mut rules) = (0, 0);
    for folder in ["examples", "tests/cases", "docs"] {
        for path in files_below(&root.join(folder), "fw") {
            // A file that is not UTF-8 is a case of its own.
            let Ok(text) = fs::read_to_string(&path) else { continue };
            if let Some(count) = judge(&path.display().to_string(), &text, files_beside(&path)) {
                policies += 1;
                rules += count;
            }
        }
    }
    eprintln!("{rules} rules of {policies} policies");
    assert!(policies > 100 && rules > 4_000, "{rules} rules of {policies} policies");
}

#[test]
fn generated_policies_are_read_as_they_were() {
    let seeds = std::env::var("PALISADE_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    let seeds: u64 = seeds.unwrap_or(400);
    let judged =
        |seed| judge(&format!("seed {seed}"), &generate::policy(seed), MemoryLoader::default());
    let counts: Vec<usize> = (0..seeds).filter_map(judged).collect();
    eprintln!("{} rules of {} policies", counts.iter().sum::<usize>(), counts.len());
    assert!(counts.len() as u64 * 4 >= seeds, "only {} of {seeds} were valid", counts.len());
}

#[test]
fn everything_that_can_be_printed_is_read_as_it_was() {
    for family in Family::BOTH {
        let ruleset = everything(family, HOSTILE);
        if let Err(fault) = round_trip(&ruleset, &Sources::new()) {
            panic!("{family}: {fault}");
        }
    }
}

/// A difference that a round trip must see.
#[test]
fn another_ruleset_is_another_one() {
    let policy = "allow tcp 22 from 10.0.0.0/8\nallow http\n";
    let (sources, [ruleset, _]) = compile(policy, MemoryLoader::default()).expect("a policy");
    let text = printed(&ruleset, &sources);
    let file = Sources::new().add("rules", text.as_str());
    for (from, to) in [
        ("10.0.0.0/8", "10.0.0.0/9"),
        ("--dport 22", "--dport 23"),
        ("INPUT DROP", "INPUT ACCEPT"),
        ("-j ACCEPT", "-j DROP"),
        ("*raw\n", "*security\n"),
    ] {
        assert!(text.contains(from), "{text}");
        let other = text.replacen(from, to, 1).replacen(
            ":PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n",
            "COMMIT\n",
            usize::from(from == "*raw\n"),
        );
        let read = read_with_sets(file, &other, Some(Family::V4), &ruleset.sets);
        assert!(normal(&read.ruleset) != normal(&ruleset), "{from} for {to}");
    }
    let sets: Vec<Arc<_>> = ruleset.sets.clone();
    let read = read_with_sets(file, &text, Some(Family::V4), &sets);
    assert_eq!(normal(&read.ruleset), normal(&ruleset));
}
