//! Any policy is compiled, or refused; what is written for it is proved.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| palisade_fuzz::compile(text));
