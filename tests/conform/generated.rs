//! Policies of every construct, from seeds.

use std::time::Instant;

use palisade::source::MemoryLoader;

use crate::generate::{self, WINDOWS};
use crate::need;
use crate::ruleset::{Loader, Tested};
use crate::run::{self, Fault, Grounds, Job, Tally};
use crate::shrink::shrunk;

/// Seeds of policies, if nobody asks for more. About half of the policies are refused.
const SEEDS: u64 = 60;

/// Packets for each chain and family at least.
pub const PROBES: usize = 40;

/// A policy without what the clock decides.
pub fn timeless(text: &str) -> String {
    WINDOWS.iter().fold(text.to_owned(), |text, window| text.replace(&format!(" {window}"), ""))
}

fn tested(text: &str, seed: u64) -> Option<Tested> {
    Tested::policy(&format!("seed {seed}"), text, MemoryLoader::default(), seed)
}

/// Tells of the first fault, by the smallest policy that has one.
pub fn complain(faults: &[Fault]) {
    let Some(first) = faults.first() else { return };
    for fault in faults {
        let first = fault.words.lines().next().unwrap_or_default();
        eprintln!("{} by {:?}: {first}", fault.name, fault.loader);
    }
    let (loader, seed) = (first.loader, first.seed);
    let mut grounds = Grounds::default();
    let mut last = None;
    let mut fails = |text: &str| {
        let Some(tested) = tested(text, seed) else { return false };
        let ground = grounds.of(&tested, loader);
        let found = run::one(ground, &tested, loader, PROBES, &mut Tally::default());
        let is_fault = !found.is_empty();
        last = found.into_iter().next().or(last.take());
        is_fault
    };
    let small = if first.name.starts_with("seed") && fails(&first.text) {
        shrunk(&first.text, &mut fails)
    } else {
        first.text.clone()
    };
    let shown = last.as_ref().unwrap_or(first);
    panic!(
        "{} faults; the first, of {} by {loader:?}: {}\n{small}",
        faults.len(),
        first.name,
        shown.words
    );
}

/// Seeds of policies that told what was not known: answers without the mark of what they answer, `notrack` that
/// comes too late on lo, also for answers.
const HARD: [u64; 3] = [283, 574, 1299];

#[test]
fn generated_policies_conform() {
    if !need::met() {
        return;
    }
    let begun = Instant::now();
    let wanted = |name: &str| std::env::var(name).ok().and_then(|number| number.parse().ok());
    let first: u64 = wanted("PALISADE_FIRST_SEED").unwrap_or(0);
    let seeds: u64 = wanted("PALISADE_SEEDS").unwrap_or(SEEDS);
    let job = |seed: u64| -> Job<'_> {
        Box::new(move || tested(&timeless(&generate::policy(seed)), seed))
    };
    let jobs: Vec<Job<'_>> = (first..first + seeds).chain(HARD).map(job).collect();
    let (tally, faults) = run::all(&jobs, &Loader::ALL, PROBES);
    run::report("generated policies", &tally, begun);
    complain(&faults);
    assert!(tally.rulesets as u64 * 4 >= seeds, "too few policies are valid: {tally:?}");
    for (what, count) in [
        ("passed", tally.passed),
        ("were stopped", tally.stopped),
        ("were rejected", tally.answered),
        ("were logged", tally.logged),
        ("were changed", tally.changed),
        ("came from processes", tally.from_processes),
        ("came in fragments", tally.parted),
        ("had a wrong checksum", tally.torn),
    ] {
        assert!(count * 100 > tally.judged, "too few {what}: {tally:?}");
    }
    assert!(tally.translated * 500 > tally.judged, "too few were translated: {tally:?}");
    for (what, count) in [
        ("were answers to translated ones", tally.turned_back),
        ("came behind such answers", tally.onward),
        ("came in again on lo", tally.looped),
    ] {
        assert!(count * 1_000 > tally.judged, "too few {what}: {tally:?}");
    }
    for state in ["new", "established", "related", "invalid", "untracked"] {
        let count = tally.by_state.get(state).copied().unwrap_or_default();
        assert!(count * 200 > tally.judged, "too few were {state}: {tally:?}");
    }
    assert!(tally.by_engine * 4 > tally.judged, "the engine was asked too little: {tally:?}");
    assert!(tally.unasked * 4 < tally.sent, "too many were not deliverable: {tally:?}");
}
