//! How long the stages of a build take, and how much memory the whole.
//!
//! ```text
//! cargo bench --bench compile                     the example and policies of 30 to 1,000,000 rules
//! cargo bench --bench compile -- 10000            only those of at most 10,000 rules
//! cargo bench --bench compile -- web.fw dmz.fw    these files instead
//! ```
//!
//! It prints a table. Each row is a policy; policies come from a seed and are the same every
//! time. The columns are:
//!
//! * `MB`: how long the text is;
//! * the stages of a build, each by itself, within one process, wall time. `resolve` is without the
//!   parsing of the policy, but with the standard library; `dead` is the search for rules that get no
//!   packet, `lints` that and all else that `check` looks for unasked; `emit` and `read` are `rules.v4`
//!   and `rules.v6`; `prove` holds what was read to the meaning;
//! * `whole`, `cpu`: wall and processor time of `palisade build FILE -o DIR/`, from the start of
//!   the program to its end, files written;
//! * `peak`: the most memory that the program had at any time.
//!
//! Behind it comes what other tools take for the same rules, as multiples of what `palisade build` takes,
//! in the same run: those that are installed ([`others`]).
//!
//! Small policies are run several times, and the best run is shown: the others had to wait. A run
//! on another machine compares by the ratio of its rows and columns, so nothing here passes or
//! fails by seconds. The goals (release build, two cores) are in the last column.

mod measure;
mod others;
mod policies;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// The sizes, in rules, with what the whole is to take there.
const SIZES: [(usize, &str); 5] =
    [(30, "10 ms"), (1_000, ""), (10_000, "200 ms"), (100_000, "3 s, 1 GiB"), (1_000_000, "")];

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/first.fw");

fn main() -> ExitCode {
    let Err(error) = bench() else { return ExitCode::SUCCESS };
    eprintln!("{error}");
    ExitCode::FAILURE
}

fn bench() -> io::Result<()> {
    // `cargo bench` adds `--bench`.
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [what, path] = &arguments[..]
        && what.starts_with("--")
    {
        return measure::run(what, Path::new(path));
    }
    let stages = measure::STAGE_NAMES.map(|name| format!("{name:>9}")).concat();
    println!("{:<14}{:>7}{stages} |{:>9}{:>9}{:>9}  goal", "policy", "MB", "whole", "cpu", "peak");
    let files: Vec<&String> = arguments
        .iter()
        .filter(|file| Path::new(file).extension().is_some_and(|ending| ending == "fw"))
        .collect();
    if !files.is_empty() {
        return files.into_iter().try_for_each(|file| row(file, Path::new(file), ""));
    }
    let most = arguments.first().and_then(|most| most.parse().ok()).unwrap_or(usize::MAX);
    let folder = tempfile::tempdir()?;
    row("first example", Path::new(EXAMPLE), "10 ms")?;
    for (rules, goal) in SIZES.iter().filter(|(rules, _)| *rules <= most) {
        let path: PathBuf = folder.path().join(format!("{rules}.fw"));
        fs::write(&path, policies::policy(*rules))?;
        row(&format!("{rules} rules"), &path, goal)?;
    }
    let sizes = others::SIZES.into_iter().filter(|(rules, _)| *rules <= most);
    sizes.into_iter().try_for_each(|(rules, tools)| others::compare(rules, tools))
}

/// Measures one policy, each half in a process of its own: what one leaves in memory does not
/// change the other.
#[expect(clippy::cast_precision_loss, reason = "megabytes for a table")]
fn row(title: &str, path: &Path, goal: &str) -> io::Result<()> {
    let megabytes = fs::metadata(path)?.len() as f64 / 1e6;
    let [stages, whole] = [measure::STAGES, measure::WHOLE].map(|what| half(what, path));
    println!("{title:<14}{megabytes:>7.2}{} |{}  {goal}", stages?, whole?);
    Ok(())
}

fn half(what: &str, path: &Path) -> io::Result<String> {
    let output = Command::new(std::env::current_exe()?).arg(what).arg(path).output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
