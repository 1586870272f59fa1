//! How long the program takes for texts of a megabyte that mean no good.
//!
//! ```text
//! cargo bench --bench hostile                    all texts
//! cargo bench --bench hostile -- nested log      those with one of these words in their name
//! cargo bench --bench hostile -- --random 0 100  of a quarter of a megabyte, of 100 seeds from 0
//! ```
//!
//! It prints a table. Each row is a text, each column a command that reads it: the processor time of the
//! whole program, in seconds; what takes longer than [`GOAL`] is marked `*`, what printed no answer `-`, and
//! what was ended after [`MOST_SECONDS`] says `ended`. (`check` tells only what is wrong.) What ended by itself
//! with a status that is none of [`STATUSES`], as after a panic, or by a signal, says `crash` and fails the bench
//! at its end. `diff` and `verify` hold each text to one of the plainest: a rule for each of many hosts. The last
//! column is the most memory that any of them took; behind it stands where a text is kept of which a command
//! took too long or crashed.

mod random;
mod texts;

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike as _};
use texts::{Kind, Text};

/// What a command takes at most for a megabyte, in processor time.
const GOAL: Duration = Duration::from_secs(1);

/// After so much processor time the program is ended.
const MOST_SECONDS: u64 = 60;

/// The statuses that the program ends with by itself.
const STATUSES: RangeInclusive<i32> = 0..=2;

const PLAIN: &str = "hosts";

const QUESTION: &str = "allow tcp 1-1000 from any";

/// What stands for the text among the arguments of a command, and for the plainest of its kind.
const NOW: &str = "NOW";
const OTHER: &str = "OTHER";

/// Where texts are kept.
const KEPT: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/hostile");

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
    match &arguments[..] {
        [what, folder, rest @ ..] if what == "--run" => run(Path::new(folder), rest),
        [what, first, count] if what == "--random" => {
            let first: u64 = first.parse().map_err(io::Error::other)?;
            let count: u64 = count.parse().map_err(io::Error::other)?;
            tables(&(first..first + count).map(random::of_seed).collect::<Vec<_>>())
        }
        words => {
            let is_meant = |text: &Text| words.iter().any(|word| text.name.contains(&**word));
            let meant = texts::all().filter(|text| words.is_empty() || is_meant(text));
            tables(&meant.collect::<Vec<_>>())
        }
    }
}

/// A table for the texts of each kind.
fn tables(texts: &[Text]) -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    // Beside what is kept, too, for whoever looks into it.
    fs::create_dir_all(KEPT)?;
    for plain in texts::all().filter(|text| text.name == PLAIN) {
        for place in [folder.path(), Path::new(KEPT)] {
            fs::write(place.join(plain_name(plain.kind)), plain.text())?;
        }
    }
    let mut courses = Vec::new();
    for kind in Kind::ALL {
        let jobs = match kind {
            Kind::Policy => OF_POLICIES,
            Kind::Dump(_) => OF_DUMPS,
        };
        for (at, text) in texts.iter().filter(|text| text.kind == kind).enumerate() {
            if at == 0 {
                let names = jobs.map(|(head, _)| format!("{head:>9}"));
                println!("{:<22}{:>5}{}{:>10}", kind.name(), "MB", names.concat(), "peak");
            }
            courses.extend(row(folder.path(), text, jobs)?);
        }
    }
    let count = |is_meant: fn(&Course) -> bool| courses.iter().filter(|one| is_meant(one)).count();
    println!("{} of {} take more than {GOAL:?}", count(Course::is_over), courses.len());
    match count(Course::is_crash) {
        0 => Ok(()),
        crashed => Err(io::Error::other(format!("{crashed} of {} crashed", courses.len()))),
    }
}

/// The file of the plainest text of a kind.
fn plain_name(kind: Kind) -> String {
    format!("plain.{}", kind.ending())
}

/// How a command went.
struct Course {
    time: Duration,
    kilobytes: u64,
    /// How much it printed.
    bytes: u64,
    has_status: bool,
}

impl Course {
    fn is_over(&self) -> bool {
        self.time > GOAL
    }

    fn is_ended(&self) -> bool {
        self.time + Duration::from_millis(500) >= Duration::from_secs(MOST_SECONDS)
    }

    fn is_crash(&self) -> bool {
        !self.has_status && !self.is_ended()
    }

    fn cell(&self, command: &str) -> String {
        let seconds = format!("{:.2}", self.time.as_secs_f64());
        let words = match self {
            _ if self.is_ended() => "ended",
            _ if self.is_crash() => "crash",
            _ => &seconds,
        };
        let mark = match self.bytes {
            _ if self.is_over() => '*',
            _ if self.is_crash() => ' ',
            0 if command != "check" => '-',
            _ => ' ',
        };
        format!("{words:>8}{mark}")
    }
}

#[expect(clippy::cast_precision_loss, reason = "megabytes for a table")]
fn row(folder: &Path, text: &Text, jobs: [Job; 5]) -> io::Result<Vec<Course>> {
    let name = format!("now.{}", text.kind.ending());
    let content = text.text();
    let other = plain_name(text.kind);
    let mut courses = Vec::new();
    let mut cells = String::new();
    for (_, words) in jobs {
        // `--fix` writes it anew.
        fs::write(folder.join(&name), &content)?;
        let arguments = words.iter().map(|word| match *word {
            NOW => &*name,
            OTHER => &*other,
            word => word,
        });
        let course = course(folder, arguments)?;
        write!(cells, "{}", course.cell(words[0])).map_err(io::Error::other)?;
        courses.push(course);
    }
    let peak = courses.iter().map(|course| course.kilobytes / 1_024).max().unwrap_or_default();
    let megabytes = content.len() as f64 / 1e6;
    let kept = if courses.iter().any(|course| course.is_over() || course.is_crash()) {
        format!("  {}", keep(text, &content)?.display())
    } else {
        String::new()
    };
    println!("{:<22}{megabytes:>5.2}{cells}{peak:>7} MB{kept}", text.name);
    Ok(courses)
}

/// Writes a text where it stays.
fn keep(text: &Text, content: &str) -> io::Result<PathBuf> {
    let name = format!("{}.{}", text.name.replace(' ', "-"), text.kind.ending());
    let path = Path::new(KEPT).join(name);
    fs::write(&path, content)?;
    Ok(path)
}

/// How the program goes with these arguments, in a process of its own that [`run`]s it.
fn course<'a>(folder: &Path, arguments: impl Iterator<Item = &'a str>) -> io::Result<Course> {
    let output = Command::new(std::env::current_exe()?)
        .args(["--run"])
        .arg(folder)
        .args(arguments)
        .output()?;
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    let numbers: Vec<u64> = words.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [milliseconds, kilobytes, bytes, has_status] = numbers[..] else {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
    };
    let time = Duration::from_millis(milliseconds);
    Ok(Course { time, kilobytes, bytes, has_status: has_status != 0 })
}

/// Runs the program in a folder, and prints the milliseconds and kilobytes that it took, how many bytes it printed,
/// and 1 where it ended with a status of its own: each in a process of its own, for what the children of one took is
/// only known as a sum, or as the largest of them.
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
    let status = limited.status()?;
    let has_status = status.code().is_some_and(|code| STATUSES.contains(&code));
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let milliseconds = |time: TimeVal| time.num_milliseconds();
    let used = milliseconds(usage.user_time()) + milliseconds(usage.system_time());
    let bytes = printed.metadata()?.len();
    println!("{used} {} {bytes} {}", usage.max_rss(), u8::from(has_status));
    Ok(())
}
