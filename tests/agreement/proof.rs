//! Lowered rules are proved to be the policy, for all packets; and what is changed in them is refuted.

use palisade::analyze::equal::{Comparison, compare};
use palisade::analyze::ruled::ruled;
use palisade::packet::Budget;
use palisade::source::MemoryLoader;

use super::{compile, generate, lists_beside, policies_below};

/// Compares a policy with what it is lowered to; `None` when it is refused.
fn proved(text: &str, loader: MemoryLoader) -> Option<Comparison> {
    let (meaning, lowered) = compile(text, loader)?;
    let ruled = ruled(Some(&lowered.v4), Some(&lowered.v6));
    Some(compare(&meaning, &ruled.meaning, Budget::default()))
}

fn assert_equal(name: &str, text: &str, comparison: &Comparison) -> bool {
    for one in comparison.differences.iter().take(2) {
        eprintln!(
            "{name}: {} {:?}\nleft {:?}\nright {:?}\n{:?}",
            one.family, one.base, one.left, one.right, one.packet
        );
    }
    for one in &comparison.unproved {
        eprintln!("{name}: {one:?}");
    }
    if !comparison.is_equal() {
        eprintln!("{text}");
    }
    comparison.is_equal()
}

#[test]
fn written_policies_are_proved() {
    let mut all = true;
    for path in policies_below("examples").into_iter().chain(policies_below("tests/cases")) {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        if let Some(comparison) = proved(&text, lists_beside(&path)) {
            all &= assert_equal(&path.display().to_string(), "", &comparison);
        }
    }
    assert!(all);
}

#[test]
fn generated_policies_are_proved() {
    let mut bad = 0;
    for seed in 0..400 {
        let text = generate::policy(seed);
        if let Some(comparison) = proved(&text, MemoryLoader::default()) {
            if !assert_equal(&format!("seed {seed}"), "", &comparison) {
                bad += 1;
            }
        }
    }
    assert_eq!(bad, 0);
}

#[test]
fn zz_show() {
    let seed: u64 = std::env::var("SHOW").unwrap().parse().unwrap();
    println!("{}", generate::policy(seed));
}
