//! The fuzz targets over what they begin with: their bodies are compiled and run here as `scripts/fuzz` compiles
//! and runs them, so that they stay in step with the library where there is no nightly compiler.

use std::fs;
use std::path::Path;

#[path = "fuzz/src/lib.rs"]
mod bodies;
#[path = "agreement/files.rs"]
#[expect(dead_code, reason = "other tests look at more of it")]
mod files;

use files::files_below;

const POLICIES: &[&str] = &["fw"];
const DUMPS: &[&str] = &["v4", "v6", "ipsets"];
const RULES: &[&str] = &["v4", "v6"];

/// A target with its body and the endings of its seeds, which are those that `scripts/fuzz` names.
type Target = (&'static str, fn(&str), &'static [&'static str]);

const TARGETS: [Target; 4] = [
    ("parse", bodies::parse, POLICIES),
    ("compile", bodies::compile, POLICIES),
    ("dump", bodies::dump, DUMPS),
    ("import", bodies::import, RULES),
];

/// Larger texts than this the fuzzer does not make.
const MOST: usize = 4_096;

/// Runs a target over its seeds.
fn holds(target: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (_, body, endings) = TARGETS.into_iter().find(|(name, ..)| *name == target).expect("one");
    let mut count = 0;
    for folder in ["examples", "stdlib", "tests"] {
        for path in endings.iter().flat_map(|ending| files_below(&root.join(folder), ending)) {
            let Ok(text) = fs::read_to_string(&path) else { continue };
            if text.len() <= MOST {
                // A panic says nothing of the text.
                println!("{target}: {}", path.display());
                body(&text);
                count += 1;
            }
        }
    }
    assert!(count > 100, "only {count} seeds of {target}");
}

#[test]
fn seeds_are_parsed() {
    holds("parse");
}

#[test]
fn seeds_are_compiled() {
    holds("compile");
}

#[test]
fn seeds_are_read() {
    holds("dump");
}

#[test]
fn seeds_are_imported() {
    holds("import");
}

/// The targets themselves say no more than which body they are, and are all that the script knows.
#[test]
fn targets_are_their_bodies() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("tests/fuzz");
    let script = fs::read_to_string(root.join("scripts/fuzz")).expect("it is there");
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("it is there");
    let all = TARGETS.map(|(name, ..)| name);
    assert!(script.contains(&format!("set -- {}\n", all.join(" "))), "{script}");
    for (name, _, endings) in TARGETS {
        let text = fs::read_to_string(folder.join(format!("targets/{name}.rs")));
        let line = format!("\nfuzz_target!(|text: &str| palisade_fuzz::{name}(text));\n");
        assert!(text.expect("a file a target").ends_with(&line), "{name}");
        let seeds: Vec<String> = endings.iter().map(|ending| format!("'*.{ending}'")).collect();
        let line = format!("\nseeds {name} -name {}\n", seeds.join(" -o -name "));
        assert!(script.contains(&line), "{line}");
        let path = format!("\npath = \"targets/{name}.rs\"\n");
        assert!(manifest.contains(&path), "{name}");
    }
    let files = files_below(&folder.join("targets"), "rs");
    assert_eq!(files.len(), TARGETS.len(), "{files:?}");
}
