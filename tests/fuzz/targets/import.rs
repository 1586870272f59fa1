//! Any dump that is read whole becomes a policy that is equal to it, or none.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| palisade_fuzz::import(text));
