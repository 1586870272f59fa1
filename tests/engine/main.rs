//! The engine of `packet` on whole rule lists: the benchmark's, hard ones, and random ones against
//! another engine.

mod adversarial;
mod against_bdd;
mod bdd;
mod classbench;

#[path = "../../benches/analyze/adversarial.rs"]
mod hard;
#[path = "../../benches/analyze/rules.rs"]
mod rules;
