//! How long the program takes for texts of a megabyte that mean no good.
//!
//! ```text
//! cargo bench --bench hostile                 all texts
//! cargo bench --bench hostile -- nested log   those with one of these words in their name
//! ```
//!
//! It prints a table. Each row is a text, each column a command that reads it: the processor time of the
//! whole program, in seconds; what takes longer than [`GOAL`] is marked `*`, and what was ended after
//! [`MOST_SECONDS`] says `ended`. `diff` and `query` hold each text to one of the plainest of its kind: a
//! rule for each of many hosts. The last column is the most memory that any of them took.

mod texts;

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use nix::sys::resource::{UsageWho, getrusage};
use texts::Kind;

/// What a command takes at most for a megabyte, in seconds of processor time.
const GOAL: f64 = 1.0;

/// After so much processor time the program is ended.
const MOST_SECONDS: u32 = 60;

const PLAIN: &str = "hosts";

const QUESTION: &str = "allow tcp 1-1000 from any";

/// A command, and what it is given behind the file.
type Job = (&'static str, &'static [&'static str]);

const OF_POLICIES: [Job; 5] = [
    ("check", &[]),
    ("check", &["--fix"]),
    ("build", &[]),
    ("query", &[QUESTION]),
    ("diff", &["plain.fw"]),
];

const OF_DUMPS: [Job; 5] = [
    ("check", &[]),
    ("import", &[]),
    ("verify", &[]),
    ("query", &[QUESTION]),
    ("diff", &["plain.v4"]),
];

fn main() -> ExitCode {
    let Err(error) = bench() else { return ExitCode::SUCCESS };
    eprintln!("{error}");
    ExitCode::FAILURE
}

fn bench() -> io::Result<()> {
    // `cargo bench` adds `--bench`.
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [what, folder, rest @ ..] = &arguments[..]
        && what == "--run"
    {
        return run(Path::new(folder), rest);
    }
    let folder = tempfile::tempdir()?;
    let mut over = 0;
    let mut all = 0;
    for kind in [Kind::Policy, Kind::Dump] {
        let jobs = match kind {
            Kind::Policy => OF_POLICIES,
            Kind::Dump => OF_DUMPS,
        };
        let names = jobs.map(|(command, more)| match more {
            ["--fix"] => format!("{:>9}", "--fix"),
            _ => format!("{command:>9}"),
        });
        println!("{:<22}{:>5}{}{:>10}", kind.name(), "MB", names.concat(), "peak");
        let plain = texts::all().find(|text| text.kind == kind && text.name == PLAIN);
        let plain = plain.expect("each kind has the plainest");
        fs::write(folder.path().join(format!("plain.{}", kind.ending())), plain.text())?;
        for text in texts::all().filter(|text| text.kind == kind) {
            if !arguments.is_empty() && !arguments.iter().any(|word| text.name.contains(&**word)) {
                continue;
            }
            let times = row(folder.path(), &text, jobs)?;
            over += times.iter().filter(|seconds| **seconds > GOAL).count();
            all += times.len();
        }
    }
    println!("{over} of {all} take more than {GOAL} s");
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "megabytes for a table")]
fn row(folder: &Path, text: &texts::Text, jobs: [Job; 5]) -> io::Result<Vec<f64>> {
    let name = format!("now.{}", text.kind.ending());
    let content = text.text();
    let mut times = Vec::new();
    let mut cells = String::new();
    let mut peak = 0;
    for (command, more) in jobs {
        // `--fix` writes it anew.
        fs::write(folder.join(&name), &content)?;
        let output = Command::new(std::env::current_exe()?)
            .args(["--run"])
            .arg(folder)
            .args([command, &name])
            .args(more)
            .output()?;
        let words = String::from_utf8_lossy(&output.stdout).into_owned();
        let numbers: Vec<f64> =
            words.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let [seconds, kilobytes] = numbers[..] else {
            return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
        };
        let mark = if seconds > GOAL { '*' } else { ' ' };
        let cell = if seconds < f64::from(MOST_SECONDS) - 0.5 {
            format!("{seconds:.2}")
        } else {
            "ended".into()
        };
        cells += &format!("{cell:>8}{mark}");
        times.push(seconds);
        peak = peak.max(kilobytes as u64);
    }
    println!("{:<22}{:>5.2}{cells}{:>7} MB", text.name, content.len() as f64 / 1e6, peak / 1024);
    Ok(times)
}

/// Runs the program in a folder, and prints the seconds and kilobytes that it took: each in a process of its
/// own, for what the children of one took is only known as a sum, or as the largest of them.
fn run(folder: &Path, arguments: &[String]) -> io::Result<()> {
    let limits = format!("ulimit -t {MOST_SECONDS}; exec \"$@\"");
    let mut limited = Command::new("sh");
    limited.args(["-c", &limits, "sh", env!("CARGO_BIN_EXE_palisade")]).args(arguments);
    limited.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    limited.status()?;
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let seconds =
        |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    println!("{} {}", seconds(usage.user_time()) + seconds(usage.system_time()), usage.max_rss());
    Ok(())
}
