//! How long the program takes for texts of a megabyte that mean no good.
//!
//! ```text
//! cargo bench --bench hostile                 all texts
//! cargo bench --bench hostile -- nested log   those with one of these words in their name
//! ```
//!
//! It prints a table. Each row is a text, each column a command that reads it: the processor time of the
//! whole program, in seconds; what takes longer than [`GOAL`] is marked `*`, what printed no answer `-`, and
//! what was ended after [`MOST_SECONDS`] says `ended`. (`check` tells only what is wrong.) `diff` and `query`
//! hold each text to one of the plainest of its kind: a rule for each of many hosts. The last column is the
//! most memory that any of them took.

mod texts;

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike as _};
use texts::Kind;

/// What a command takes at most for a megabyte, in processor time.
const GOAL: Duration = Duration::from_secs(1);

/// After so much processor time the program is ended.
const MOST_SECONDS: u64 = 60;

const PLAIN: &str = "hosts";

const QUESTION: &str = "allow tcp 1-1000 from any";

/// What stands for the text among the arguments of a command, and for the plainest of its kind.
const NOW: &str = "NOW";
const OTHER: &str = "OTHER";

/// The head of a column, and the arguments of the command.
type Job = (&'static str, &'static [&'static str]);

const OF_POLICIES: [Job; 5] = [
    ("check", &["check", NOW]),
    ("--fix", &["check", "--fix", NOW]),
    ("build", &["build", NOW]),
    ("query", &["query", NOW, QUESTION]),
    ("diff", &["diff", NOW, OTHER]),
];

const OF_DUMPS: [Job; 5] = [
    ("check", &["check", NOW]),
    ("import", &["import", NOW]),
    ("verify", &["verify", "plain.fw", NOW]),
    ("query", &["query", NOW, QUESTION]),
    ("diff", &["diff", NOW, OTHER]),
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
    for kind in Kind::ALL {
        let jobs = match kind {
            Kind::Policy => OF_POLICIES,
            Kind::Dump(_) => OF_DUMPS,
        };
        let names = jobs.map(|(head, _)| format!("{head:>9}"));
        println!("{:<22}{:>5}{}{:>10}", kind.name(), "MB", names.concat(), "peak");
        let plain = texts::all().find(|text| text.kind == kind && text.name == PLAIN);
        let plain = plain.expect("each kind has the plainest");
        fs::write(folder.path().join(plain_name(kind)), plain.text())?;
        for text in texts::all().filter(|text| text.kind == kind) {
            if !arguments.is_empty() && !arguments.iter().any(|word| text.name.contains(&**word)) {
                continue;
            }
            let times = row(folder.path(), &text, jobs)?;
            over += times.iter().filter(|time| **time > GOAL).count();
            all += times.len();
        }
    }
    println!("{over} of {all} take more than {GOAL:?}");
    Ok(())
}

/// The file of the plainest text of a kind.
fn plain_name(kind: Kind) -> String {
    format!("plain.{}", kind.ending())
}

#[expect(clippy::cast_precision_loss, reason = "megabytes for a table")]
fn row(folder: &Path, text: &texts::Text, jobs: [Job; 5]) -> io::Result<Vec<Duration>> {
    let name = format!("now.{}", text.kind.ending());
    let content = text.text();
    let other = plain_name(text.kind);
    let mut times = Vec::new();
    let mut cells = String::new();
    let mut peak = 0;
    for (_, arguments) in jobs {
        // `--fix` writes it anew.
        fs::write(folder.join(&name), &content)?;
        let output = Command::new(std::env::current_exe()?)
            .args(["--run"])
            .arg(folder)
            .args(arguments.iter().map(|word| match *word {
                NOW => &*name,
                OTHER => &*other,
                word => word,
            }))
            .output()?;
        let words = String::from_utf8_lossy(&output.stdout).into_owned();
        let numbers: Vec<u64> =
            words.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let [milliseconds, kilobytes, bytes] = numbers[..] else {
            return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
        };
        let time = Duration::from_millis(milliseconds);
        let mark = match bytes {
            _ if time > GOAL => '*',
            0 if arguments[0] != "check" => '-',
            _ => ' ',
        };
        let is_whole = time + Duration::from_millis(500) < Duration::from_secs(MOST_SECONDS);
        let seconds = format!("{:.2}", time.as_secs_f64());
        let cell = if is_whole { &*seconds } else { "ended" };
        write!(cells, "{cell:>8}{mark}").map_err(io::Error::other)?;
        times.push(time);
        peak = peak.max(kilobytes);
    }
    println!("{:<22}{:>5.2}{cells}{:>7} MB", text.name, content.len() as f64 / 1e6, peak / 1024);
    Ok(times)
}

/// Runs the program in a folder, and prints the milliseconds and kilobytes that it took, and how many bytes it
/// printed: each in a process of its own, for what the children of one took is only known as a sum, or as the
/// largest of them.
fn run(folder: &Path, arguments: &[String]) -> io::Result<()> {
    let limits = format!("ulimit -t {MOST_SECONDS}; exec \"$@\"");
    let mut limited = Command::new("sh");
    limited.args(["-c", &limits, "sh", env!("CARGO_BIN_EXE_palisade")]).args(arguments);
    let printed = tempfile::tempfile()?;
    limited
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(printed.try_clone()?)
        .stderr(Stdio::null());
    limited.status()?;
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let milliseconds = |time: TimeVal| time.num_milliseconds();
    let used = milliseconds(usage.user_time()) + milliseconds(usage.system_time());
    println!("{used} {} {}", usage.max_rss(), printed.metadata()?.len());
    Ok(())
}
