//! Any text is parsed, and its findings are told.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| palisade_fuzz::parse(text));
