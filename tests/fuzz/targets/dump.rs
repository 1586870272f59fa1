//! Any dump is read, judged and told.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| palisade_fuzz::dump(text));
