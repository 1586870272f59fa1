//! Lowered rules do what the policy means: for every example, every case and generated policies,
//! packets at the borders of every set and at random take the same way through both.
//!
//! `PALISADE_SEEDS=10000 cargo test --release --test agreement` tries more policies than the default, and
//! with `PALISADE_SEED_FIRST=5000` those from there on.

mod files;
mod generate;
mod judge;
mod limits;
mod mutate;
mod promises;
mod proof;
mod removal;
mod seen;
mod slips;
mod written;

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use palisade::analyze::ruled::ruled;
use palisade::diagnostic::has_errors;
use palisade::lower::{Lowered, lower};
use palisade::meaning::{BaseChain, Guide, Meaning, meaning, probes};
use palisade::net::Family;
use palisade::packet::Packet;
use palisade::resolve::resolve;
use palisade::source::{MemoryLoader, Sources};

use files::{files_below, files_beside};
use judge::{Answers, disagreement};

/// Probes for each base chain, family and set of answers.
const PROBES: usize = 60;

/// A policy compiled both ways; `None` when it is refused.
fn compile(text: &str, mut loader: MemoryLoader) -> Option<(Meaning, Lowered)> {
    let mut sources = Sources::new();
    let root = sources.add("policy.fw", text);
    let resolved = resolve(root, &mut sources, &mut loader);
    if has_errors(&resolved.findings) {
        return None;
    }
    Some((meaning(&resolved.policy), lower(&resolved.policy, &sources)))
}

/// Whether a packet takes the same way when entries are found by place.
fn is_guided(guide: &Guide<'_>, base: BaseChain, packet: &Packet) -> bool {
    [false, true].into_iter().all(|room| {
        let plain = guide.meaning.trace(base, packet, &mut |_| room);
        guide.trace(base, packet, &mut |_| room) == plain
    })
}

/// Probes one policy; says what disagrees, with what is needed to see it again.
fn judge(text: &str, loader: MemoryLoader, seed: u64) -> Option<Result<usize, String>> {
    let (meaning, lowered) = compile(text, loader)?;
    let ruled = ruled(Some(&lowered.v4), Some(&lowered.v6)).meaning;
    let guide = Guide::eager(&ruled);
    let mut judged = 0;
    for (family, ruleset) in [(Family::V4, &lowered.v4), (Family::V6, &lowered.v6)] {
        for base in BaseChain::ALL {
            let packets = probes(&meaning, family, base, seed, PROBES);
            for packet in &packets {
                if !is_guided(&guide, base, packet) {
                    return Some(Err(format!("{base:?}: a guide leads {packet:?} elsewhere")));
                }
                for answers in Answers::all(seed) {
                    judged += 1;
                    let fault = disagreement(&meaning, ruleset, base, packet, answers)
                        .or_else(|| disagreement(&ruled, ruleset, base, packet, answers));
                    if let Some(fault) = fault {
                        let how = format!("{family} {base:?} {answers:?}\n{packet:#?}");
                        return Some(Err(format!("seed {seed}: {fault}\n{how}\n{text}")));
                    }
                }
            }
        }
    }
    Some(Ok(judged))
}

/// The policies of the examples and of the cases.
fn written_policies() -> impl Iterator<Item = PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    ["examples", "tests/cases"].into_iter().flat_map(|folder| files_below(&root.join(folder), "fw"))
}

#[test]
fn written_policies_agree() {
    let mut compiled = 0;
    for path in written_policies() {
        // A file that is not UTF-8 is a case of its own.
        let Ok(text) = fs::read_to_string(&path) else { continue };
        match judge(&text, files_beside(&path), 7) {
            Some(Ok(_)) => compiled += 1,
            Some(Err(fault)) => panic!("{}: {fault}", path.display()),
            None => {}
        }
    }
    assert!(compiled >= 5, "only {compiled} policies were compiled");
}

/// The seeds of generated policies.
fn seeds(default: u64) -> Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|number| number.parse().ok());
    number("PALISADE_SEED_FIRST").unwrap_or(0)..number("PALISADE_SEEDS").unwrap_or(default)
}

#[test]
fn generated_policies_agree() {
    let seeds = seeds(400);
    let (mut valid, mut judged) = (0u64, 0);
    for seed in seeds.clone() {
        match judge(&generate::policy(seed), MemoryLoader::default(), seed) {
            Some(Ok(probes)) => {
                valid += 1;
                judged += probes;
            }
            Some(Err(fault)) => panic!("{fault}"),
            None => {}
        }
    }
    eprintln!("{judged} probes of {valid} policies agree");
    let all = seeds.count() as u64;
    assert!(valid * 4 >= all, "only {valid} of {all} policies were valid");
}
