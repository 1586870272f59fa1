//! How long the questions of analysis take: `cargo bench --bench analyze`.
//!
//! ```text
//! cargo bench --bench analyze                   everything, up to 1,000,000 rules
//! cargo bench --bench analyze -- 10000          lists of at most 10,000 rules, and the hard ones
//! ```
//!
//! Three tables:
//!
//! * generated lists in the style of ClassBench: `build` is from packet sets to the index, `dead` all
//!   dead rules with minimal covers and a packet for every live one, `whole` both, beside the
//!   processor time of both; `peak` the most memory, the packet sets included; `redundant` is the
//!   question whether each rule is needed, up to 100,000 rules;
//! * the same question about dead rules by comparing all pairs, which misses what several hide
//!   together, and by a cumulative diagram (an independent library), as multiples of `whole`;
//! * hard lists, each with what was found.
//!
//! Each list is measured in a process of its own, small ones several times: the best run is shown.

mod adversarial;
mod rules;

#[path = "../../tests/engine/bdd.rs"]
mod bdd;

use std::fmt::Write as _;
use std::io;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use palisade::analyze::dead::Life;
use palisade::analyze::list::{EffectNumber, ListedRule, RuleList};
use palisade::net::Family;
use palisade::packet::{Budget, PacketSet, RuleNumber};

use rules::{Kind, Rule};

/// The sizes, in rules, with what all dead rules and all redundant ones are to take there.
const SIZES: [(usize, &str); 4] = [
    (1_000, "5 ms"),
    (10_000, "50 ms"),
    (100_000, "200 ms, redundant 10 s"),
    (1_000_000, "8 s, 1024 MB"),
];

/// Lists up to this long are asked about redundancy too.
const MOST_REDUNDANCY: usize = 100_000;

/// The sizes at which other ways are compared.
const COMPARED: [usize; 3] = [300, 1_000, 10_000];

/// Up to so many rules a diagram is made of them: one of 1,000 firewall rules takes minutes.
fn most_for_diagram(kind: Kind) -> usize {
    match kind {
        Kind::Acl | Kind::Ipc => 1_000,
        Kind::Fw => 300,
    }
}

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
        [what, kind, count] if what.starts_with("--") => {
            let kind = Kind::ALL.into_iter().find(|one| one.name() == kind).unwrap_or(Kind::Fw);
            let count = count.parse().map_err(io::Error::other)?;
            print!(
                "{}",
                if what == "--list" { list_cells(kind, count)? } else { ratio_cells(kind, count) }
            );
            return Ok(());
        }
        [what, name] if what == "--hard" => {
            print!("{}", hard_cells(name));
            return Ok(());
        }
        _ => {}
    }
    let most = arguments.first().and_then(|most| most.parse().ok()).unwrap_or(usize::MAX);
    println!(
        "list             build      dead     whole       cpu      peak  dead rules  redundant  goal"
    );
    for (count, goal) in SIZES.into_iter().filter(|(count, _)| *count <= most) {
        for kind in Kind::ALL {
            row(&["--list", kind.name(), &count.to_string()], goal)?;
        }
    }
    println!("\nlist             whole     pairs  of the dead found   diagram");
    for count in COMPARED.into_iter().filter(|count| *count <= most) {
        for kind in Kind::ALL {
            row(&["--ratio", kind.name(), &count.to_string()], "")?;
        }
    }
    println!("\nhard list                     build       ask  answer");
    HARD.iter().try_for_each(|(name, _)| row(&["--hard", name], ""))
}

/// Prints what this program says with other arguments, in a process of its own.
fn row(arguments: &[&str], goal: &str) -> io::Result<()> {
    let output = Command::new(std::env::current_exe()?).args(arguments).output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    println!("{}  {goal}", String::from_utf8_lossy(&output.stdout));
    Ok(())
}

fn listed(rules: &[Rule]) -> Vec<ListedRule<'_>> {
    let one = |rule: &'_ Rule| -> EffectNumber { EffectNumber(rule.accept.into()) };
    rules
        .iter()
        .map(|rule| ListedRule { may: &rule.set, hides: Some(&rule.set), effect: one(rule) })
        .collect()
}

fn list_cells(kind: Kind, count: usize) -> io::Result<String> {
    let rules = rules::rules(kind, count);
    let listed = listed(&rules);
    let mut best = [Duration::MAX; 4];
    let mut dead = 0;
    repeat(|| {
        let (start, cpu) = (Instant::now(), processor_time()?);
        let list = RuleList::of(Family::V4, None, &listed, Budget::default());
        let build = start.elapsed();
        let lives = list.lives();
        let whole = start.elapsed();
        let cpu = processor_time()?.saturating_sub(cpu);
        for (best, time) in best.iter_mut().zip([build, whole.saturating_sub(build), whole, cpu]) {
            *best = time.min(*best);
        }
        dead = lives.iter().filter(|life| matches!(life, Life::Dead(_))).count();
        Ok(())
    })?;
    let redundant = (count <= MOST_REDUNDANCY).then(|| {
        let list = RuleList::of(Family::V4, None, &listed, Budget::default());
        let start = Instant::now();
        std::hint::black_box(list.without_each(EffectNumber(0)));
        start.elapsed()
    });
    // Kilobytes.
    let peak = getrusage(UsageWho::RUSAGE_SELF)?.max_rss() / 1024;
    let mut cells = format!("{:<4}{count:>8}", kind.name());
    for time in best {
        cells += &cell(time);
    }
    let redundant = redundant.map_or_else(|| format!("{:>10}", "-"), cell);
    let _ = write!(cells, "{peak:>7} MB{dead:>12}  {redundant}");
    Ok(cells)
}

fn ratio_cells(kind: Kind, count: usize) -> String {
    let rules = rules::rules(kind, count);
    let listed = listed(&rules);
    let mut whole = Duration::MAX;
    let mut dead = 0;
    for _ in 0..5 {
        let start = Instant::now();
        let list = RuleList::of(Family::V4, None, &listed, Budget::default());
        dead = list.lives().iter().filter(|life| matches!(life, Life::Dead(_))).count();
        whole = whole.min(start.elapsed());
    }
    let list = RuleList::of(Family::V4, None, &listed, Budget::default());
    let start = Instant::now();
    let by_pairs = dead_by_pairs(&list);
    let pairs = start.elapsed();
    let times = |time: Duration| time.as_secs_f64() / whole.as_secs_f64();
    let diagram = if count <= most_for_diagram(kind) {
        let start = Instant::now();
        assert_eq!(dead_by_diagram(&rules), dead, "two engines agree");
        format!("{:.0}×", times(start.elapsed()))
    } else {
        "-".to_owned()
    };
    let (name, whole) = (kind.name(), cell(whole));
    let pairs = times(pairs);
    format!("{name:<4}{count:>8}{whole}{pairs:>9.1}×{by_pairs:>11} of {dead:<6}{diagram:>10}")
}

/// How many rules are in one earlier rule each, every pair compared.
fn dead_by_pairs(list: &RuleList) -> usize {
    let layout = list.space().layout();
    let regions: Vec<_> =
        (0..).map(RuleNumber).take(list.len()).map(|rule| list.may(rule)).collect();
    let boxes: Vec<&[u64]> =
        regions.iter().filter_map(|region| list.space().boxes(region).next()).collect();
    let dead = |at: &usize| boxes[..*at].iter().any(|one| layout.contains(one, boxes[*at]));
    (0..boxes.len()).filter(dead).count()
}

/// How many rules are in the union of all earlier ones, which is kept as a diagram.
fn dead_by_diagram(rules: &[Rule]) -> usize {
    let diagrams = bdd::Diagrams::new();
    let mut before = diagrams.nothing();
    let mut dead = 0;
    for rule in rules {
        let own = diagrams.set(&rule.set);
        dead += usize::from(own.and_not(&before).is_false());
        before = before.or(&own);
    }
    dead
}

type Hard = (&'static str, fn() -> Vec<PacketSet>);

/// The hard lists. Of each, the last rule is in question.
const HARD: [Hard; 6] = [
    ("a /16 and its 65,536 hosts", || adversarial::hosts(None)),
    ("the same without one", || adversarial::hosts(Some(40_000))),
    ("one free port of 65,536", || adversarial::ports(4_711)),
    ("65,536 tiles", || adversarial::tiling(None)),
    ("65,535 of them", || adversarial::tiling(Some(33_333))),
    ("10,000 wide rules", || adversarial::wide(10_000)),
];

fn hard_cells(name: &str) -> String {
    let Some((_, sets)) = HARD.iter().find(|(own, _)| *own == name) else { return String::new() };
    let sets = sets();
    let effect = EffectNumber(0);
    let listed: Vec<ListedRule> =
        sets.iter().map(|set| ListedRule { may: set, hides: Some(set), effect }).collect();
    let start = Instant::now();
    let list = RuleList::of(Family::V4, None, &listed, Budget::default());
    let build = start.elapsed();
    let last = RuleNumber(u32::try_from(sets.len() - 1).unwrap_or(u32::MAX));
    let life = list.life(last);
    let ask = start.elapsed().saturating_sub(build);
    let answer = match life {
        Life::Live(point) => {
            let packet = list.space().packet(&point);
            let (from, to) = packet.ports().unwrap_or_default();
            format!("free: {}:{from} → {}:{to}", packet.source, packet.destination)
        }
        Life::Dead(cover) => format!("hidden by {}, all needed", cover.members.len()),
        Life::NeverMatches | Life::Unknown => format!("{life:?}"),
    };
    format!("{name:<26}{}{}  {answer}", cell(build), cell(ask))
}

/// What this process took, all threads together.
fn processor_time() -> io::Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let [user, system] = [usage.user_time(), usage.system_time()].map(|time| {
        let seconds = Duration::from_secs(time.tv_sec().unsigned_abs());
        seconds + Duration::from_micros(time.tv_usec().unsigned_abs())
    });
    Ok(user + system)
}

/// Repeats a run until all took a second together, at most thirty times.
fn repeat(mut run: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    let start = Instant::now();
    for _ in 0..30 {
        run()?;
        if start.elapsed() > Duration::from_secs(1) {
            break;
        }
    }
    Ok(())
}

/// Three digits or so, ten wide.
fn cell(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    let text = match seconds {
        1.0.. => format!("{seconds:.2} s"),
        0.01.. => format!("{:.1} ms", seconds * 1e3),
        _ => format!("{:.3} ms", seconds * 1e3),
    };
    format!("{text:>10}")
}
