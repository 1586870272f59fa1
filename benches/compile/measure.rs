//! One policy measured: stage by stage in this process, or whole in the program itself.

use std::fs;
use std::hint::black_box;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use palisade::analyze::{Text, equal, findings, ruled};
use palisade::diagnostic::expectation::Expectations;
use palisade::diagnostic::{Lint, catalogue};
use palisade::net::{Families, Family};
use palisade::packet::Budget;
use palisade::source::{MemoryLoader, Sources};
use palisade::{emit, lower, meaning, read, resolve, syntax};

/// The halves of a row, as the first argument names them.
pub const STAGES: &str = "--stages";
pub const WHOLE: &str = "--whole";

/// Runs are repeated until they took this long together, at most [`MOST_RUNS`] times.
const LONG_ENOUGH: Duration = Duration::from_millis(1_500);
const MOST_RUNS: usize = 30;

/// Prints the cells of one half of a row.
pub fn run(what: &str, path: &Path) -> io::Result<()> {
    match what {
        STAGES => stages(path),
        _ => whole(path),
    }
}

fn stages(path: &Path) -> io::Result<()> {
    let text = fs::read_to_string(path)?;
    let mut best = [Duration::MAX; STAGE_NAMES.len()];
    repeat(|| {
        for (best, time) in best.iter_mut().zip(one_run(&text)) {
            *best = time.min(*best);
        }
        Ok(())
    })?;
    for time in &best {
        print!("{:>9}", cell(*time));
    }
    Ok(())
}

/// The stages of a build in their order, as the table names them.
pub const STAGE_NAMES: [&str; 9] =
    ["parse", "resolve", "meaning", "dead", "lints", "lower", "emit", "read", "prove"];

fn one_run(text: &str) -> [Duration; STAGE_NAMES.len()] {
    let mut sources = Sources::new();
    let root = sources.add("policy.fw", text);
    let (parse, _) = timed(|| syntax::parse(root, text));
    let mut loader = MemoryLoader::default();
    let (resolve, resolved) = timed(|| resolve::resolve(root, &mut sources, &mut loader));
    let policy = &resolved.policy;
    let (meaning, meant) = timed(|| meaning::meaning(policy));
    let expectations = Expectations::default();
    let find = |shows: &dyn Fn(&Lint) -> bool| {
        timed(|| findings(Text::Policy(policy), &meant, &sources, &expectations, shows)).0
    };
    let dead = find(&|lint| DEAD.contains(&lint));
    let lints = find(&|lint| lint.level.is_some());
    let (lower, lowered) = timed(|| lower::lower(policy, &sources));
    let header = emit::Header::default();
    let (emit, texts) = timed(|| {
        [&lowered.v4, &lowered.v6].map(|ruleset| emit::iptables(ruleset, &header, &sources))
    });
    let files = ["rules.v4", "rules.v6"].map(|name| sources.add(name, ""));
    let (read, rulesets) = timed(|| {
        let of = |at: usize, family| read::read(files[at], &texts[at], Some(family)).ruleset;
        [of(0, Family::V4), of(1, Family::V6)]
    });
    let (prove, is_proved) = timed(|| {
        let [v4, v6] = &rulesets;
        let rules = ruled::ruled(Some(v4), Some(v6)).meaning;
        equal::compare(&meant, &rules, Families::BOTH, Budget::default()).is_equal()
    });
    assert!(is_proved, "a build is not as its policy says");
    [parse, resolve.saturating_sub(parse), meaning, dead, lints, lower, emit, read, prove]
}

/// The lints that say that a rule gets no packet.
static DEAD: [&Lint; 4] = [
    &catalogue::DUPLICATE_RULE,
    &catalogue::SHADOWED_CONFLICT,
    &catalogue::SHADOWED_RULE,
    &catalogue::UNREACHABLE_RULE,
];

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let made = black_box(work());
    (start.elapsed(), made)
}

fn whole(path: &Path) -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut best = [Duration::MAX; 2];
    repeat(|| {
        let before = processor_time()?;
        let start = Instant::now();
        let mut build = Command::new(env!("CARGO_BIN_EXE_palisade"));
        // Random rules contradict each other now and then.
        build.args(["build", "--allow", "shadowed-conflict", "-o"]).arg(folder.path()).arg(path);
        let output = build.stdout(Stdio::null()).output()?;
        let wall = start.elapsed();
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr).into_owned();
            let last: Vec<&str> = words.lines().rev().take(12).collect();
            return Err(io::Error::other(last.into_iter().rev().collect::<Vec<_>>().join("\n")));
        }
        let cpu = processor_time()?.saturating_sub(before);
        best = [wall.min(best[0]), cpu.min(best[1])];
        Ok(())
    })?;
    // Kilobytes; of the largest child, and this process had no other.
    let peak = getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss();
    print!("{:>9}{:>9}{:>6} MB", cell(best[0]), cell(best[1]), peak / 1024);
    Ok(())
}

/// What all children took that have ended.
fn processor_time() -> io::Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let [user, system] = [usage.user_time(), usage.system_time()].map(|time| {
        let seconds = Duration::from_secs(time.tv_sec().unsigned_abs());
        seconds + Duration::from_micros(time.tv_usec().unsigned_abs())
    });
    Ok(user + system)
}

fn repeat(mut run: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    let start = Instant::now();
    for _ in 0..MOST_RUNS {
        run()?;
        if start.elapsed() > LONG_ENOUGH {
            break;
        }
    }
    Ok(())
}

/// Three digits or so: `0.123 ms`, `45.6 ms`, `1.23 s`.
pub fn cell(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        1.0.. => format!("{seconds:.2} s"),
        0.01.. => format!("{:.1} ms", seconds * 1e3),
        _ => format!("{:.3} ms", seconds * 1e3),
    }
}
