//! What is written is proved to be the policy, for all packets; and what is changed in it is refuted.
//!
//! The texts are read again, as `build` does it. `PALISADE_SEEDS=10000` tries more policies and changes
//! than the default.

use std::fs;

use palisade::analyze::equal::{Comparison, Difference, Why, compare};
use palisade::analyze::ruled::ruled;
use palisade::meaning::{BaseChain, Meaning, probes};
use palisade::net::{Families, Family};
use palisade::packet::{Budget, Packet, Random};
use palisade::ruleset::Ruleset;
use palisade::source::MemoryLoader;

use super::files::files_beside;
use super::judge::{Answers, disagreement_by_facts, visible_disagreement};
use super::mutate::mutate;
use super::slips::slip;
use super::written::Written;
use super::{compile, generate, seeds, written_policies};

/// Compares a policy with what is written for it; `None` when it is refused.
fn proved(text: &str, loader: MemoryLoader) -> Option<Comparison> {
    let written = Written::of(text, loader)?;
    let [v4, v6] = Family::BOTH.map(|family| {
        written
            .read(family, written.text(family))
            .unwrap_or_else(|| panic!("{}{}", written.ipsets, written.text(family)))
    });
    let ruled = ruled(Some(&v4), Some(&v6));
    Some(compare(&written.meaning, &ruled.meaning, Families::BOTH, Budget::default()))
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
    for path in written_policies() {
        // A file that is not UTF-8 is a case of its own, as is one that is too much work.
        let Ok(text) = fs::read_to_string(&path) else { continue };
        if path.ends_with("check/incomplete.fw") {
            continue;
        }
        if let Some(comparison) = proved(&text, files_beside(&path)) {
            assert_eq!(faults(&comparison), "", "{}", path.display());
        }
    }
}

/// Seeds of policies that were once too much to prove: overlapping lists behind a log line.
const HARD: [u64; 1] = [2_363];

#[test]
fn generated_policies_are_proved() {
    let mut valid = 0;
    for seed in seeds(250).chain(HARD) {
        let text = generate::policy(seed);
        if let Some(comparison) = proved(&text, MemoryLoader::default()) {
            assert_eq!(faults(&comparison), "", "seed {seed}\n{text}");
            valid += 1;
        }
    }
    eprintln!("{valid} policies are proved");
    assert!(valid >= 100, "only {valid} policies were valid");
}

/// What became of changes.
#[derive(Debug, Default)]
struct Tally {
    refuted: usize,
    /// Of those, the ones that probes tell too.
    told: usize,
    same: usize,
    unproved: usize,
}

/// Of a changed ruleset, what packets can tell must be refuted, and what is refuted is so by packets that
/// tell.
fn judge_change(
    meaning: &Meaning,
    ruleset: &Ruleset,
    seed: u64,
    tally: &mut Tally,
) -> Result<(), String> {
    let family = ruleset.family;
    let [v4, v6] = Family::BOTH.map(|of| Some(ruleset).filter(|_| of == family));
    let changed = ruled(v4, v6).meaning;
    let comparison = compare(meaning, &changed, Families::only(family), Budget::default());
    if let Some((base, packet)) = told_by_probes([meaning, &changed], ruleset, seed) {
        tally.told += 1;
        if comparison.differences.is_empty() {
            return Err(format!("{base:?} {packet:#?} tells\n{}", faults(&comparison)));
        }
    }
    if comparison.unproved.iter().any(|one| one.why == Why::Unconfirmed) {
        return Err(faults(&comparison));
    }
    for one in &comparison.differences {
        if disagreement_by_facts(meaning, ruleset, one.base, &one.packet).is_none() {
            return Err(format!("does not tell: {}", faults(&comparison)));
        }
    }
    match (comparison.differences.is_empty(), comparison.unproved.first()) {
        (false, _) => tally.refuted += 1,
        (true, None) => tally.same += 1,
        (true, Some(one)) => {
            tally.unproved += 1;
            eprintln!("seed {seed}: {one:?}");
        }
    }
    Ok(())
}

/// A packet at the borders of two meanings with which a ruleset does otherwise than the first.
fn told_by_probes(
    meanings: [&Meaning; 2],
    ruleset: &Ruleset,
    seed: u64,
) -> Option<(BaseChain, Packet)> {
    BaseChain::ALL.into_iter().find_map(|base| {
        let probes = |meaning| probes(meaning, ruleset.family, base, seed, 40);
        meanings.into_iter().flat_map(probes).find_map(|packet| {
            let tells = |answers| {
                visible_disagreement(meanings[0], ruleset, base, &packet, answers).is_some()
            };
            Answers::all(seed).into_iter().any(tells).then(|| (base, packet.clone()))
        })
    })
}

/// Changes to the model of the rules.
#[test]
fn changed_rules_are_refuted() {
    let mut tally = Tally::default();
    for seed in seeds(250) {
        let text = generate::policy(seed);
        let Some((meaning, mut lowered)) = compile(&text, MemoryLoader::default()) else {
            continue;
        };
        let mut random = Random::new(seed);
        for ruleset in [&mut lowered.v4, &mut lowered.v6] {
            let Some(what) = mutate(ruleset, &mut random) else { continue };
            if let Err(fault) = judge_change(&meaning, ruleset, seed, &mut tally) {
                panic!("seed {seed} {} {what}: {fault}\n{text}", ruleset.family);
            }
        }
    }
    eprintln!("of changed rules {tally:?}");
    assert!(tally.told >= 50 && tally.refuted >= tally.told);
}

/// Changes to the text of the rules, for each family of a policy.
const SLIPS: usize = 2;

#[test]
fn slips_are_refuted() {
    let (mut tally, mut refused) = (Tally::default(), 0);
    for seed in seeds(250) {
        let policy = generate::policy(seed);
        let Some(written) = Written::of(&policy, MemoryLoader::default()) else { continue };
        let mut random = Random::new(seed);
        for family in Family::BOTH.into_iter().flat_map(|family| [family; SLIPS]) {
            let slips = (0..20).filter_map(|_| slip(written.text(family), &mut random));
            let mut read = slips.map(|(what, text)| (what, written.read(family, &text)));
            // Some the tools would refuse.
            let read = read.find_map(|(what, ruleset)| {
                refused += usize::from(ruleset.is_none());
                Some((what, ruleset?))
            });
            let Some((what, ruleset)) = read else { continue };
            if let Err(fault) = judge_change(&written.meaning, &ruleset, seed, &mut tally) {
                panic!("seed {seed} {family} {what}: {fault}\n{policy}");
            }
        }
    }
    eprintln!("of slips {tally:?}, and {refused} were refused");
    assert!(tally.told >= 100 && tally.refuted >= tally.told && tally.same >= 20);
}
