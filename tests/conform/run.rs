//! Rulesets through the kernel: loads each, sends its probes, and has every packet judged.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use palisade::net::Family;
use palisade::packet::Payload;

use crate::course::Course;
use crate::ground::{self, Ground, USUAL, Wrapping};
use crate::judge::{Case, End, Judged, Step};
use crate::later::Turn;
use crate::load::{nft, restore_sets};
use crate::members::Members;
use crate::netns::Namespace;
use crate::probe::{self, History, Probe};
use crate::regions;
use crate::ruleset::{Loader, Tested};
use crate::settle::settled_meaning;

/// What happened to how many packets.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    pub rulesets: usize,
    pub sent: usize,
    pub judged: usize,
    pub passed: usize,
    pub stopped: usize,
    pub answered: usize,
    pub unanswered: usize,
    pub translated: usize,
    pub logged: usize,
    pub changed: usize,
    pub unasked: usize,
    pub unknown: usize,
    pub by_engine: usize,
    pub from_processes: usize,
    pub parted: usize,
    pub torn: usize,
    /// Packets that open a connection which the router remembers.
    pub opened: usize,
    /// Answers to those that were translated, and what comes behind the answers.
    pub turned_back: usize,
    pub onward: usize,
    /// Came in again on lo.
    pub looped: usize,
    pub by_state: BTreeMap<&'static str, usize>,
    pub by_protocol: BTreeSet<u8>,
    pub by_icmp: BTreeSet<(Family, u8)>,
}

impl Tally {
    pub fn add(&mut self, probe: &Probe, judged: &Judged) {
        self.sent += 1;
        match judged.end {
            End::Unasked => self.unasked += 1,
            End::Unknown => self.unknown += 1,
            End::Passed { .. } | End::Stopped | End::Rejected { .. } => self.judged += 1,
        }
        match judged.end {
            End::Passed { is_translated } => {
                self.passed += 1;
                self.translated += usize::from(is_translated);
            }
            End::Stopped => self.stopped += 1,
            End::Rejected { is_answered: true } => self.answered += 1,
            End::Rejected { is_answered: false } => self.unanswered += 1,
            End::Unasked | End::Unknown => return,
        }
        self.logged += judged.logs;
        self.changed += usize::from(judged.is_changed);
        self.from_processes += usize::from(probe.packet.incoming.is_none());
        self.parted += usize::from(probe.wrapping == Wrapping::Parted);
        self.torn += usize::from(probe.wrapping == Wrapping::Torn);
        self.opened += usize::from(
            probe.wrapping == Wrapping::Lasting && matches!(probe.history, History::Nothing),
        );
        self.looped += usize::from(judged.is_looped);
        if let History::Opened(link, turn) = probe.history
            && link.is_translated()
        {
            match turn {
                Turn::Answer => self.turned_back += 1,
                Turn::Onward => self.onward += 1,
            }
        }
        *self.by_state.entry(judged.state.name()).or_default() += 1;
        self.by_protocol.insert(probe.packet.protocol().number());
        if let Payload::Icmp { kind, .. } = probe.packet.payload {
            self.by_icmp.insert((probe.packet.family(), kind));
        }
    }

    fn with(&mut self, other: Tally) {
        for (to, from) in [
            (&mut self.rulesets, other.rulesets),
            (&mut self.sent, other.sent),
            (&mut self.judged, other.judged),
            (&mut self.passed, other.passed),
            (&mut self.stopped, other.stopped),
            (&mut self.answered, other.answered),
            (&mut self.unanswered, other.unanswered),
            (&mut self.translated, other.translated),
            (&mut self.logged, other.logged),
            (&mut self.changed, other.changed),
            (&mut self.unasked, other.unasked),
            (&mut self.unknown, other.unknown),
            (&mut self.by_engine, other.by_engine),
            (&mut self.from_processes, other.from_processes),
            (&mut self.parted, other.parted),
            (&mut self.torn, other.torn),
            (&mut self.opened, other.opened),
            (&mut self.turned_back, other.turned_back),
            (&mut self.onward, other.onward),
            (&mut self.looped, other.looped),
        ] {
            *to += from;
        }
        for (state, count) in other.by_state {
            *self.by_state.entry(state).or_default() += count;
        }
        self.by_protocol.extend(other.by_protocol);
        self.by_icmp.extend(other.by_icmp);
    }
}

/// What the kernel or one of the models did otherwise with a ruleset.
#[derive(Debug)]
pub struct Fault {
    pub name: String,
    pub seed: u64,
    pub loader: Loader,
    pub text: String,
    pub words: String,
}

/// A ruleset that is made when its turn comes; `None` when it is refused.
pub type Job<'j> = Box<dyn Fn() -> Option<Tested> + Send + Sync + 'j>;

/// Judges all rulesets by all loaders, on all processors.
pub fn all(jobs: &[Job<'_>], loaders: &[Loader], probes: usize) -> (Tally, Vec<Fault>) {
    let next = AtomicUsize::new(0);
    let sums = Mutex::new((Tally::default(), Vec::new()));
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for processor in 0..threads {
            let (next, sums) = (&next, &sums);
            scope.spawn(move || {
                ground::stay(processor);
                let mut grounds = Grounds::default();
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let Some(tested) = job() else { continue };
                    let mut tally = Tally { rulesets: 1, ..Tally::default() };
                    let mut faults = Vec::new();
                    for loader in loaders {
                        let ground = grounds.of(&tested, *loader);
                        let found = one(ground, &tested, *loader, probes, &mut tally);
                        faults.extend(found_again(found, &tested, *loader, probes));
                    }
                    let mut sums = sums.lock().expect("nobody panicked");
                    sums.0.with(tally);
                    sums.1.extend(faults);
                }
            });
        }
    });
    sums.into_inner().expect("nobody panicked")
}

/// The faults of a ruleset that are there once more on fresh ground: a busy machine loses a packet now and
/// then, but rules that are not as foretold are so each time. It is said when they are not.
fn found_again(found: Vec<Fault>, tested: &Tested, loader: Loader, probes: usize) -> Vec<Fault> {
    if found.is_empty() {
        return found;
    }
    let fresh = Ground::new(wires(tested));
    let again = one(&fresh, tested, loader, probes, &mut Tally::default());
    eprintln!("{} by {loader:?}: {} faults, then {}", tested.name, found.len(), again.len());
    again
}

/// The grounds of one thread: for each loader the one that was needed last.
#[derive(Default)]
pub struct Grounds(BTreeMap<usize, Ground>);

impl Grounds {
    pub fn of(&mut self, tested: &Tested, loader: Loader) -> &Ground {
        let wires = wires(tested);
        let slot = Loader::ALL.iter().position(|one| *one == loader).expect("one of all");
        let is_fit = self.0.get(&slot).is_some_and(|ground| ground.wires == wires);
        if !is_fit {
            self.0.insert(slot, Ground::new(wires));
        }
        &self.0[&slot]
    }
}

/// The interfaces that the rules name, and some of the usual ones.
fn wires(tested: &Tested) -> [String; 8] {
    let mut names: Vec<String> = Vec::new();
    for text in [&tested.rules.v4, &tested.rules.v6] {
        for line in text.lines().filter(|line| line.starts_with("-A")) {
            let words: Vec<&str> = line.split(' ').collect();
            let named = words.windows(2).filter(|pair| ["-i", "-o"].contains(&pair[0]));
            for name in named.map(|pair| pair[1]) {
                let name = match name.strip_suffix('+') {
                    Some(stem) if stem.len() < 15 => format!("{stem}7"),
                    Some(_) | None => name.to_owned(),
                };
                let is_wire = name != "lo"
                    && !name.is_empty()
                    && name.chars().all(|it| it.is_ascii_alphanumeric() || "-_.".contains(it));
                if is_wire && !names.contains(&name) {
                    names.push(name);
                }
            }
        }
    }
    if names.iter().all(|name| USUAL.contains(&name.as_str())) {
        return USUAL.map(str::to_owned);
    }
    names.truncate(7);
    let others: Vec<String> =
        USUAL.iter().map(|name| (*name).to_owned()).filter(|name| !names.contains(name)).collect();
    names.extend(others);
    std::array::from_fn(|index| names[index].clone())
}

/// One ruleset by one loader.
pub fn one(
    ground: &Ground,
    tested: &Tested,
    loader: Loader,
    least: usize,
    tally: &mut Tally,
) -> Vec<Fault> {
    if !tested.load(&ground.router, loader) {
        return Vec::new();
    }
    let probes = probe::all(&tested.meaning, ground, tested.seed, least);
    let mut members = Members::of(&tested.sets);
    // Of four rulesets, two find in dynamic sets whoever a probe wants there, and two find them empty.
    let is_filled = (tested.seed / 2).is_multiple_of(2);
    let wished = probes.iter().filter(|_| is_filled);
    let wanted: Vec<_> = wished.flat_map(|probe| members.wish(&probe.packet)).collect();
    fill(&ground.router, loader, &wanted);
    ground.forget();
    let case = Case { tested, ground, loader };
    let (known, steps, faults) = (BTreeSet::new(), Vec::new(), Vec::new());
    let mut course = Course { case, members, known, steps, faults, tally };
    course.run(probes);
    let Course { steps, mut faults, .. } = course;
    faults.extend(by_engine(tested, &steps, loader, tally));
    let Tested { name, seed, text, .. } = tested;
    let fault =
        |words| Fault { name: name.clone(), seed: *seed, loader, text: text.clone(), words };
    faults.into_iter().map(fault).collect()
}

fn by_engine(tested: &Tested, steps: &[Step], loader: Loader, tally: &mut Tally) -> Vec<String> {
    // What is asked is the same whoever loads it.
    if loader != Loader::ALL[0] || tested.fills_sets {
        return Vec::new();
    }
    let settled = settled_meaning(&tested.meaning, tested.room());
    let (judged, faults) = regions::faults(&settled, steps);
    tally.by_engine += judged;
    faults
}

/// Adds addresses to dynamic sets by hand.
fn fill(router: &Namespace, loader: Loader, entries: &[(String, IpAddr)]) {
    if entries.is_empty() {
        return;
    }
    let lines = entries.iter().map(|(set, address)| match loader {
        Loader::Iptables(_) => format!("add {set} {address}\n"),
        Loader::Native => {
            let family = if address.is_ipv6() { "ip6" } else { "ip" };
            let set = set.replace(['-', '.'], "_");
            format!("add element {family} palisade {set} {{ {address} }}\n")
        }
    });
    let lines: String = lines.collect();
    let result = match loader {
        Loader::Iptables(_) => restore_sets(router, &lines),
        Loader::Native => nft(router, &lines),
    };
    result.unwrap_or_else(|error| panic!("{error}\n{lines}"));
}

/// Prints what came out, with the time it took.
pub fn report(what: &str, tally: &Tally, begun: Instant) {
    let seconds = begun.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "only to be read")]
    let rate = tally.judged as f64 / seconds * 60.0;
    eprintln!(
        "{what}: {} probes agree in {seconds:.1} s ({rate:.0} a minute): {tally:?}",
        tally.judged
    );
}
