//! Rules become policies that are equal to them: what is built from policies, and what other programs
//! make.
//!
//! `PALISADE_SEEDS=10000 cargo test --release --test import` tries more policies than the default.

#[path = "../agreement/files.rs"]
mod files;
#[path = "../agreement/generate.rs"]
mod generate;

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;
use std::process::Command;

use palisade::analyze::equal::compare;
use palisade::analyze::ruled::ruled;
use palisade::diagnostic::has_errors;
use palisade::emit::{Header, iptables};
use palisade::lower::lower;
use palisade::net::{Families, Family};
use palisade::packet::Budget;
use palisade::read::read;
use palisade::resolve::resolve;
use palisade::ruleset::Ruleset;
use palisade::source::{MemoryLoader, Sources};

use files::{files_below, files_beside};

/// What the closing summary counts.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    rules: usize,
    statements: usize,
    raw: usize,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.rules += other.rules;
        self.statements += other.statements;
        self.raw += other.raw;
    }
}

/// The number before a word of the summary.
fn number(summary: &str, word: &str) -> usize {
    let at = summary.find(word).unwrap_or_else(|| panic!("no `{word}` in {summary}"));
    let before = summary[..at].trim_end();
    before.rsplit(' ').next().and_then(|number| number.parse().ok()).expect("a number")
}

fn counts(summary: &str) -> Counts {
    let raw = summary.split(", ").find(|part| part.contains(" as raw")).expect("raw is counted");
    Counts {
        rules: number(summary, " rule"),
        statements: number(summary, " statement"),
        raw: number(raw, " rule"),
    }
}

/// Runs `palisade import` on files; the policy, and what the summary counts.
fn imported(files: &[&Path]) -> Result<(String, Counts), String> {
    let run = Command::new(env!("CARGO_BIN_EXE_palisade"))
        .arg("import")
        .args(files)
        .output()
        .expect("the program runs");
    let err = String::from_utf8(run.stderr).expect("UTF-8");
    if !run.status.success() {
        return Err(err);
    }
    let summary = err.lines().find(|line| line.starts_with("imported ")).expect("a summary");
    Ok((String::from_utf8(run.stdout).expect("UTF-8"), counts(summary)))
}

/// The rules that a policy becomes, as text of both families; `None` when it is refused.
fn built(text: &str, mut loader: MemoryLoader) -> Option<[String; 2]> {
    let mut sources = Sources::new();
    let root = sources.add("policy.fw", text);
    let resolved = resolve(root, &mut sources, &mut loader);
    if has_errors(&resolved.findings) {
        return None;
    }
    let lowered = lower(&resolved.policy, &sources);
    Some([&lowered.v4, &lowered.v6].map(|rules| iptables(rules, &Header::default(), &sources)))
}

fn rules(text: &str, family: Family) -> Ruleset {
    let read = read(Sources::new().add("rules", text), text, Some(family));
    assert!(!has_errors(&read.findings), "{:?}\n{text}", read.findings);
    read.ruleset
}

/// The rules of both families are what the policy that was made of them is built to. (The program
/// compared them with what the policy means.)
fn same_rules(name: &str, policy: &str, dumps: [Option<&str>; 2]) {
    let again = built(policy, MemoryLoader::default()).expect("what was imported compiles");
    let [v4, v6] = [(0, Family::V4), (1, Family::V6)].map(|(index, family)| {
        let dump: Option<&str> = dumps[index];
        dump.map(|dump| (rules(dump, family), rules(&again[index], family)))
    });
    let families = Families { v4: v4.is_some(), v6: v6.is_some() };
    let (old4, new4) = v4.unzip();
    let (old6, new6) = v6.unzip();
    let old = ruled(old4.as_ref(), old6.as_ref()).meaning;
    let new = ruled(new4.as_ref(), new6.as_ref()).meaning;
    let comparison = compare(&new, &old, families, Budget::default());
    assert!(comparison.is_equal(), "{name}: {:#?}\n{policy}", comparison.differences.first());
}

/// Builds a policy and imports its rules; `None` when it is refused.
fn round_trip(name: &str, text: &str, loader: MemoryLoader) -> Option<Counts> {
    let [v4, v6] = built(text, loader)?;
    let folder = tempfile::tempdir().expect("a folder");
    let paths = ["rules.v4", "rules.v6"].map(|name| folder.path().join(name));
    for (path, text) in paths.iter().zip([&v4, &v6]) {
        fs::write(path, text).expect("written");
    }
    match imported(&[&paths[0], &paths[1]]) {
        Ok((policy, counts)) => {
            same_rules(name, &policy, [Some(&v4), Some(&v6)]);
            Some(counts)
        }
        Err(fault) => panic!("{name}: {fault}\n{text}\n{v4}\n{v6}"),
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn what_is_built_is_imported_equal() {
    let (mut policies, mut all) = (0, Counts::default());
    for folder in ["examples", "tests/cases/build"] {
        for path in files_below(&root().join(folder), "fw") {
            let text = fs::read_to_string(&path).expect("a policy");
            if let Some(counts) =
                round_trip(&path.display().to_string(), &text, files_beside(&path))
            {
                policies += 1;
                all += counts;
            }
        }
    }
    eprintln!("{policies} policies: {all:?}");
    assert!(policies > 60 && all.raw * 4 < all.rules, "{policies} policies: {all:?}");
}

#[test]
fn what_generated_policies_are_built_to_is_imported_equal() {
    let seeds = std::env::var("PALISADE_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    let seeds: u64 = seeds.unwrap_or(40);
    let (mut valid, mut all) = (0u64, Counts::default());
    let mut failed: Vec<u64> = Vec::new();
    for seed in 0..seeds {
        let text = generate::policy(seed);
        let name = format!("seed {seed}");
        match catch_unwind(|| round_trip(&name, &text, MemoryLoader::default())) {
            Ok(Some(counts)) => {
                valid += 1;
                all += counts;
            }
            Ok(None) => {}
            Err(_) => failed.push(seed),
        }
    }
    assert!(failed.is_empty(), "the rules of these seeds are not imported: {failed:?}");
    eprintln!("{valid} policies: {all:?}");
    assert!(valid * 4 >= seeds, "only {valid} of {seeds} were valid");
}

/// What other programs make. Each dump stands for a program that was run in a network namespace of its
/// own, but for those that say at their head that they were written by hand. Where a policy stands beside,
/// it is what the dump becomes.
#[test]
fn dumps_of_other_programs_are_imported_equal() {
    let mut all = Counts::default();
    let folder = root().join("tests/import/dumps");
    let dumps = files_below(&folder, "v4");
    for v4 in &dumps {
        let name = v4.file_stem().and_then(|name| name.to_str()).expect("a name");
        let v6 = Some(v4.with_extension("v6")).filter(|path| path.exists());
        let text = |path: &Path| fs::read_to_string(path).expect("a dump");
        let texts = [Some(text(v4)), v6.as_deref().map(text)];
        // Without loss: what is read is printed with as many rules.
        for (text, family) in texts.iter().flatten().zip(Family::BOTH) {
            let lines = text.lines().filter(|line| line.starts_with("-A ")).count();
            assert_eq!(rules(text, family).rule_count(), lines, "{name} {family}");
        }
        let files: Vec<&Path> = std::iter::once(v4.as_path()).chain(v6.as_deref()).collect();
        let (policy, counts) = imported(&files).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        same_rules(name, &policy, [texts[0].as_deref(), texts[1].as_deref()]);
        let golden = v4.with_extension("fw");
        if golden.exists() {
            if std::env::var_os("BLESS").is_some() {
                fs::write(&golden, &policy).expect("written");
            }
            assert_eq!(policy, fs::read_to_string(&golden).expect("a policy"), "{name}");
        }
        eprintln!("{name}: {counts:?}");
        all += counts;
    }
    eprintln!("{} dumps: {all:?}", dumps.len());
    assert!(dumps.len() >= 8 && all.raw * 5 < all.rules, "{} dumps: {all:?}", dumps.len());
}
