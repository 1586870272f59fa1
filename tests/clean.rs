//! No false alarm: policies that are clean by construction, the examples, and the library's modules.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use palisade::analyze::ruled::understood;
use palisade::analyze::{self, Dump};
use palisade::diagnostic::expectation::{Expectations, settle};
use palisade::diagnostic::{Finding, Level, Lint};
use palisade::emit::{self, Header};
use palisade::lower::lower;
use palisade::packet::Random;
use palisade::read;
use palisade::resolve::resolve;
use palisade::source::{MemoryLoader, Sources};

/// Everything that is found by default in a policy of one file.
fn findings(text: &str, loader: &mut MemoryLoader) -> Vec<Finding> {
    let mut sources = Sources::new();
    let root = sources.add("policy.fw", text);
    let resolved = resolve(root, &mut sources, loader);
    let shows = |lint: &Lint| lint.level.is_some();
    let meaning = understood(&resolved.policy);
    let expectations = &resolved.expectations;
    let mut all = resolved.findings;
    all.extend(analyze::findings(
        analyze::Text::Policy(&resolved.policy),
        &meaning,
        &sources,
        expectations,
        &shows,
    ));
    settle(all, expectations, shows).findings
}

/// The notes that say nothing against a policy.
const FACTS: [&str; 3] = ["forwarding-needed", "sets-first", "no-remote-access"];

fn alarms(text: &str, loader: &mut MemoryLoader) -> Vec<String> {
    let all = findings(text, loader).into_iter();
    all.filter(|finding| finding.level > Level::Note || !FACTS.contains(&finding.lint.name))
        .map(|finding| format!("{}: {}", finding.lint.name, finding.message))
        .collect()
}

/// A policy that has no mistake. Each zone has nets of its own behind an interface of its own, and
/// every port that a statement speaks of is its own; so no two overlap.
struct Clean {
    random: Random,
    text: String,
    zones: usize,
    port: u16,
    asks: Vec<bool>,
}

impl Clean {
    fn policy(seed: u64) -> String {
        let mut random = Random::new(seed);
        let zones = 1 + random.index(4);
        let mut clean =
            Clean { random, text: String::new(), zones, port: 1_000, asks: vec![false; zones + 1] };
        clean.zones();
        for _ in 0..2 + clean.random.index(12) {
            clean.statement();
        }
        clean.rest();
        clean.text
    }

    fn line(&mut self, line: &str) {
        writeln!(self.text, "{line}").unwrap();
    }

    fn zones(&mut self) {
        let [input, forward] = [(); 2].map(|()| *self.random.pick(&["drop", "reject"]).unwrap());
        self.line(&format!("default {input} input\ndefault {forward} forward"));
        self.line("zone zone0 = eth0");
        for zone in 1..=self.zones {
            let nets = format!("10.{zone}.0.0/16, fd00:{zone}::/64");
            self.line(&format!("zone zone{zone} = eth{zone} {{ {nets} }}"));
        }
        self.line("allow ssh from zone1\nallow ping from zone1");
        self.line("allow icmpv6 echo-request from zone0 to zone1");
    }

    /// A port that nothing else has.
    fn port(&mut self) -> u16 {
        self.port += 7;
        self.port
    }

    fn ports(&mut self) -> String {
        let protocol = *self.random.pick(&["tcp", "udp"]).unwrap();
        let count = 1 + self.random.index(3);
        let ports: Vec<String> = (0..count)
            .map(|_| {
                let low = self.port();
                if self.random.one_in(3) { format!("{low}-{}", low + 5) } else { low.to_string() }
            })
            .collect();
        format!("{protocol} {}", ports.join(", "))
    }

    /// Two ends: a zone, and another one or this machine.
    fn ends(&mut self) -> (usize, String) {
        let from = self.random.index(self.zones + 1);
        let to = self.random.index(self.zones + 2);
        let to = match to {
            to if to == from || to > self.zones => "self".to_owned(),
            to => format!("zone{to}"),
        };
        (from, to)
    }

    fn statement(&mut self) {
        let ports = self.ports();
        let (from, to) = self.ends();
        let flow = format!("{ports} from zone{from} to {to}");
        self.asks[from] |= to == "zone0";
        match self.random.index(8) {
            0 => self.line(&format!("allow {flow}")),
            1 => self.line(&format!("allow {flow} limit 5/second burst 10")),
            2 => self.line(&format!("allow {flow} state new")),
            3 => {
                self.line(&format!("log {flow}"));
                self.line(&format!("allow {flow}"));
            }
            // The exception stands above what it is an exception to.
            4 if from != 0 => {
                let part = format!("10.{from}.7.0/24@zone{from}, fd00:{from}::7:0/112@zone{from}");
                self.line(&format!("drop {ports} from {part} to {to}"));
                self.line(&format!("allow {flow}"));
            }
            5 => self.forward(),
            6 => {
                let name = format!("chain{}", self.port);
                let [one, two] = [(); 2].map(|()| self.ports());
                self.line(&format!("chain {name} {{\n    allow {one}\n    reject {two}\n}}"));
                self.line(&format!("jump {name} from zone{from} to {to}"));
                self.line(&format!("allow {flow}"));
            }
            _ => self.line(&format!("allow {flow} connections 20 per source")),
        }
    }

    fn forward(&mut self) {
        let [public, own] = [(); 2].map(|()| self.port());
        let zone = 1 + self.random.index(self.zones);
        let host = 1 + self.random.index(200);
        let hairpin =
            if self.random.one_in(3) { format!(" hairpin zone{zone}") } else { String::new() };
        let line = format!(
            "forward tcp {public} from zone0 to 10.{zone}.1.{host}:{own}@zone{zone}{hairpin}"
        );
        self.line(&line);
    }

    /// What leaves by the first zone is translated, where something may.
    fn rest(&mut self) {
        for zone in 1..=self.zones {
            if self.asks[zone] {
                let ports = self.ports();
                self.line(&format!("allow {ports} from zone{zone} to zone0"));
                self.line(&format!("masquerade from zone{zone} to zone0"));
            }
        }
        // Every zone is used.
        for zone in 0..=self.zones {
            let port = self.port();
            self.line(&format!("allow tcp {port} from zone{zone}"));
        }
    }
}

#[test]
fn policies_that_are_clean_by_construction_have_no_finding() {
    let seeds = std::env::var("PALISADE_SEEDS").ok().and_then(|text| text.parse().ok());
    for seed in 0..seeds.unwrap_or(1_000) {
        let policy = Clean::policy(seed);
        let said = alarms(&policy, &mut MemoryLoader::default());
        assert!(said.is_empty(), "seed {seed}: {said:#?} in\n{policy}");
    }
}

#[test]
fn a_clean_policy_with_one_mistake_has_one_finding() {
    let mistakes = [
        ("allow tcp 22 from zone1", "duplicate-rule"),
        ("drop ssh from 10.1.2.0/24@zone1, fd00:1::2:0/112@zone1 to self", "shadowed-conflict"),
        ("allow ssh from 10.1.3.0/24@zone1, fd00:1::3:0/112@zone1 to self", "shadowed-rule"),
        ("masquerade from 192.168.0.0/16 to zone0", "nat-without-forward"),
    ];
    for (mistake, lint) in mistakes {
        for seed in 0..5 {
            let policy = Clean::policy(seed) + mistake + "\n";
            let said = alarms(&policy, &mut MemoryLoader::default());
            let of_it = said.iter().filter(|said| said.starts_with(lint)).count();
            assert_eq!((of_it, said.len()), (1, 1), "{mistake}: {said:#?} in\n{policy}");
        }
    }
}

/// What is found in a dump, notes included: `LINT: MESSAGE`.
fn found_in_dump(text: &str) -> Vec<String> {
    let mut sources = Sources::new();
    let file = sources.add("rules", text);
    let read = read::read(file, text, None);
    assert!(read.findings.is_empty(), "{:?}", read.findings);
    let dump = Dump::of(read.ruleset, read.declared);
    let shows = |lint: &Lint| lint.level.is_some();
    let none = Expectations::default();
    let found =
        analyze::findings(analyze::Text::Dump(&dump), dump.meaning(), &sources, &none, &shows);
    let told = found.into_iter();
    told.map(|one| format!("{}: {}", one.lint.name, one.message)).collect()
}

/// The rules that a policy is built to, of both families.
fn built(text: &str, loader: &mut MemoryLoader) -> [String; 2] {
    let mut sources = Sources::new();
    let root = sources.add("policy.fw", text);
    let resolved = resolve(root, &mut sources, loader);
    let lowered = lower(&resolved.policy, &sources);
    let header = Header { version: String::new(), digest: String::new(), notes: Vec::new() };
    [&lowered.v4, &lowered.v6].map(|ruleset| emit::iptables(ruleset, &header, &sources))
}

/// What is found in the rules of a policy, but not in itself.
fn new_in_rules(text: &str, loader: &mut MemoryLoader) -> Vec<String> {
    let own: Vec<&str> = findings(text, loader).iter().map(|one| one.lint.name).collect();
    let found = built(text, loader).into_iter().flat_map(|rules| found_in_dump(&rules));
    found.filter(|told| !own.iter().any(|name| told.starts_with(name))).collect()
}

#[test]
fn the_rules_of_a_clean_policy_have_no_finding() {
    for seed in 0..200 {
        let policy = Clean::policy(seed);
        let found = new_in_rules(&policy, &mut MemoryLoader::default());
        assert!(found.is_empty(), "seed {seed}: {found:#?} in the rules of\n{policy}");
    }
}

#[test]
fn what_other_programs_load_raises_no_alarm() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kernel/others");
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let mut found = found_in_dump(&read(&path));
        // That is said of what is not known, not against the rules.
        found.retain(|told| !told.starts_with("unmodelled-match: "));
        assert!(found.is_empty(), "{}: {found:#?}", path.display());
        seen += 1;
    }
    assert!(seen >= 8, "{seen}");
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn the_examples_have_no_finding() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "fw") {
            let mut loader = MemoryLoader::new([("blocklist.netset", "192.0.2.66\n")]);
            let said = alarms(&read(&path), &mut loader);
            assert!(said.is_empty(), "{}: {said:#?}", path.display());
            let found = new_in_rules(&read(&path), &mut loader);
            assert!(found.is_empty(), "rules of {}: {found:#?}", path.display());
            seen += 1;
        }
    }
    assert!(seen >= 11, "{seen}");
}

#[test]
fn the_modules_of_the_library_raise_no_alarm_where_they_are_used() {
    let policy = "\
        use hardening\n\
        use private\n\
        zone wan = eth0\n\
        zone lan = eth1 { 10.0.0.0/24, fd00:1::/64 }\n\
        drop_bogons(wan)\n\
        anti_spoofing(lan, (10.0.0.0/24, fd00:1::/64))\n\
        jump tcp-sanity from wan to self, any\n\
        jump syn-flood from wan\n\
        allow ssh from private, carrier-grade, link-local\n\
        allow any from lan to wan\n\
        masquerade from lan to wan\n";
    let said = alarms(policy, &mut MemoryLoader::default());
    assert_eq!(said, [] as [String; 0]);
}
