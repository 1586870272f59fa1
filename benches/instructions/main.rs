//! A guard against slow changes: how many instructions the program executes, beside how many it did.
//!
//! ```text
//! cargo bench --bench instructions              fails when a job takes a tenth more than is written down
//! cargo bench --bench instructions -- --bless   writes down what they take now
//! ```
//!
//! Instructions are counted by valgrind and do not depend on what else the machine does. They do
//! depend, by a few parts in a hundred, on the compiler and on the seeds of hash tables; so a tenth is
//! what counts. The counts are in `counts.txt` beside this file: a change that needs more of them for a
//! good reason blesses them, and the difference is seen in review.

#[path = "../compile/policies.rs"]
mod policies;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, ExitCode};

const COUNTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions/counts.txt");

/// The example as it is, with a policy's start-up.
const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/first.fw");

/// More than this, in percent of what is written down, is too much.
const MOST: u64 = 110;

/// Random rules contradict each other now and then.
const CONFLICTS: &str = "shadowed-conflict";

/// What is counted: a name, and the arguments of the program in a folder with the policies below.
const JOBS: [(&str, &[&str]); 6] = [
    ("build the first example", &["build", EXAMPLE, "-o", "example/"]),
    ("build 1,000 rules", &["build", "1000.fw", "-o", "1000/", "--allow", CONFLICTS]),
    ("build 10,000 rules", &["build", "10000.fw", "-o", "10000/", "--allow", CONFLICTS]),
    ("check 1,000 rules", &["check", "1000.fw"]),
    ("verify 1,000 rules", &["verify", "1000.fw", "1000/rules.v4", "1000/rules.v6"]),
    ("import 1,000 rules", &["import", "1000/rules.v4", "1000/rules.v6", "-o", "imported.fw"]),
];

const SIZES: [usize; 2] = [1_000, 10_000];

fn main() -> ExitCode {
    match guard() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether no job takes more than it may.
fn guard() -> io::Result<bool> {
    let is_blessing = std::env::args().any(|argument| argument == "--bless");
    let written = if is_blessing { BTreeMap::new() } else { written()? };
    let folder = tempfile::tempdir()?;
    for rules in SIZES {
        fs::write(folder.path().join(format!("{rules}.fw")), policies::policy(rules))?;
    }
    let mut is_good = true;
    let mut counts = String::new();
    println!("{:<26}{:>16}{:>16}{:>8}", "job", "written down", "instructions", "");
    for (name, arguments) in JOBS {
        let count = instructions(folder.path(), arguments)?;
        counts += &format!("{count} {name}\n");
        let Some(before) = written.get(name) else {
            println!("{name:<26}{:>16}{count:>16}", "-");
            is_good &= is_blessing;
            continue;
        };
        let percent = 100 * count / before.max(&1);
        let is_more = percent > MOST;
        is_good &= !is_more;
        let verdict = if is_more { "  TOO MUCH" } else { "" };
        println!("{name:<26}{before:>16}{count:>16}{percent:>7}%{verdict}");
    }
    if is_blessing {
        fs::write(COUNTS, counts)?;
    } else if !is_good {
        eprintln!(
            "more than {MOST} % of what is written down, or nothing is: mend it, or write down what it \
             takes now with `cargo bench --bench instructions -- --bless`"
        );
    }
    Ok(is_good)
}

/// What is written down of each job.
fn written() -> io::Result<BTreeMap<String, u64>> {
    let text = fs::read_to_string(COUNTS)?;
    let line = |line: &str| {
        let (count, name) = line.split_once(' ')?;
        Some((name.to_owned(), count.parse().ok()?))
    };
    let wrong = |text: &str| io::Error::other(format!("not a count and a job: {text}"));
    text.lines().map(|text| line(text).ok_or_else(|| wrong(text))).collect()
}

/// How many instructions one run of the program takes, all threads together.
fn instructions(folder: &Path, arguments: &[&str]) -> io::Result<u64> {
    let mut run = Command::new("valgrind");
    run.args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]);
    run.arg(env!("CARGO_BIN_EXE_palisade")).args(arguments).current_dir(folder);
    let output = run.output().map_err(|error| {
        io::Error::other(format!("valgrind counts the instructions, and does not start: {error}"))
    })?;
    let words = String::from_utf8_lossy(&output.stderr);
    // `check` ends with 1 when it finds something.
    if !matches!(output.status.code(), Some(0 | 1)) {
        return Err(io::Error::other(format!("{arguments:?} failed:\n{words}")));
    }
    let count = words.lines().find_map(|line| {
        let (_, count) = line.split_once("I refs:").or_else(|| line.split_once("I   refs:"))?;
        count.trim().replace(',', "").parse().ok()
    });
    count.ok_or_else(|| io::Error::other(format!("valgrind said no count:\n{words}")))
}
