//! Lowered rules are proved to be the policy, for all packets; and what is changed in them is refuted.

use std::fs;

use palisade::analyze::equal::{Comparison, Difference, Why, compare};
use palisade::analyze::ruled::ruled;
use palisade::meaning::{BaseChain, probes};
use palisade::net::{Families, Family};
use palisade::packet::{Budget, Random};
use palisade::source::MemoryLoader;

use super::judge::{Answers, disagreement};
use super::mutate::mutate;
use super::{compile, generate, lists_beside, policies_below, seeds};

/// Compares a policy with what it is lowered to; `None` when it is refused.
fn proved(text: &str, loader: MemoryLoader) -> Option<Comparison> {
    let (meaning, lowered) = compile(text, loader)?;
    let ruled = ruled(Some(&lowered.v4), Some(&lowered.v6));
    Some(compare(&meaning, &ruled.meaning, Families::BOTH, Budget::default()))
}

/// Says what is not proved; empty when all is.
fn faults(comparison: &Comparison) -> String {
    let difference = |one: &Difference| {
        format!(
            "{} {:?}\n{:?}\n{:?}\n{:#?}\n",
            one.family, one.base, one.left, one.right, one.packet
        )
    };
    let unproved = comparison.unproved.iter().map(|one| format!("{one:?}\n"));
    comparison.differences.iter().take(2).map(difference).chain(unproved).collect()
}

#[test]
fn written_policies_are_proved() {
    for path in policies_below("examples").into_iter().chain(policies_below("tests/cases")) {
        // A file that is not UTF-8 is a case of its own, as is one that is too much work.
        let Ok(text) = fs::read_to_string(&path) else { continue };
        if path.ends_with("check/incomplete.fw") {
            continue;
        }
        if let Some(comparison) = proved(&text, lists_beside(&path)) {
            assert_eq!(faults(&comparison), "", "{}", path.display());
        }
    }
}

#[test]
fn generated_policies_are_proved() {
    let mut valid = 0;
    for seed in 0..seeds(400) {
        let text = generate::policy(seed);
        if let Some(comparison) = proved(&text, MemoryLoader::default()) {
            assert_eq!(faults(&comparison), "", "seed {seed}\n{text}");
            valid += 1;
        }
    }
    eprintln!("{valid} policies are proved");
    assert!(valid >= 100, "only {valid} policies were valid");
}

/// Of changes, those that packets can tell must be refuted, by a packet that tells; the others not.
#[test]
fn changed_rules_are_refuted() {
    let (mut refuted, mut same, mut told) = (0, 0, 0);
    for seed in 0..seeds(400) {
        let text = generate::policy(seed);
        let Some((meaning, lowered)) = compile(&text, MemoryLoader::default()) else { continue };
        let mut random = Random::new(seed);
        for family in Family::BOTH {
            let (mut v4, mut v6) = (lowered.v4.clone(), lowered.v6.clone());
            let ruleset = if family == Family::V4 { &mut v4 } else { &mut v6 };
            let Some(what) = mutate(ruleset, &mut random) else { continue };
            let changed = ruled(Some(&v4), Some(&v6)).meaning;
            let comparison = compare(&meaning, &changed, Families::BOTH, Budget::default());
            let ruleset = if family == Family::V4 { &v4 } else { &v6 };
            let told_by = BaseChain::ALL.into_iter().find_map(|base| {
                let packets = probes(&meaning, family, base, seed, 40);
                let packets = packets.into_iter().chain(probes(&changed, family, base, seed, 40));
                packets.into_iter().find_map(|packet| {
                    let differ = |answers| disagreement(&meaning, ruleset, base, &packet, answers);
                    Answers::all(seed).into_iter().find_map(differ)
                })
            });
            if let Some(packet) = &told_by {
                told += 1;
                assert!(!comparison.is_equal(), "seed {seed} {family} {what}: {packet}\n{text}");
            }
            match comparison.differences.is_empty() {
                true if comparison.unproved.is_empty() => same += 1,
                true => eprintln!("seed {seed} {family} {what}: {:?}", comparison.unproved),
                false => refuted += 1,
            }
            assert!(
                !comparison.unproved.iter().any(|one| one.why == Why::Unconfirmed),
                "seed {seed} {family} {what}: {:?}\n{text}",
                comparison.unproved
            );
        }
    }
    eprintln!("{refuted} changes refuted, {told} of them told by probes; {same} change nothing");
    assert!(told >= 50 && refuted >= told);
}
