//! What grows by four takes about four times as long, not sixteen times.
//!
//! A busy machine slows both sizes, so the best of several runs of each is taken, one after the
//! other in turn; the bound lies far from four and from sixteen.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use palisade::analyze::equal::compare;
use palisade::analyze::ruled::ruled;
use palisade::diagnostic::has_errors;
use palisade::net::{Families, Family};
use palisade::packet::Budget;
use palisade::source::{MemoryLoader, Sources};
use palisade::{emit, lower, meaning, read, resolve};

const SMALL: usize = 1_500;
const ROUNDS: usize = 4;

/// More than this is no longer near-linear.
const MOST: u32 = 9;

/// How long it takes to build a policy.
fn time(text: &str) -> Duration {
    let start = Instant::now();
    let mut sources = Sources::new();
    let root = sources.add("policy.fw", text);
    let resolved = resolve::resolve(root, &mut sources, &mut MemoryLoader::default());
    assert!(!has_errors(&resolved.findings), "{:?}", resolved.findings.first());
    let lowered = lower::lower(&resolved.policy, &sources);
    let text = emit::iptables(&lowered.v4, &emit::Header::default(), &sources);
    assert!(text.contains("-A INPUT"));
    start.elapsed()
}

fn grows_linearly(policy: fn(usize) -> String) {
    let (small, large) = (policy(SMALL), policy(4 * SMALL));
    let mut best = [Duration::MAX; 2];
    for _ in 0..ROUNDS {
        best = [best[0].min(time(&small)), best[1].min(time(&large))];
    }
    let [small, large] = best;
    assert!(large < small * MOST, "{small:?} for one, {large:?} for four");
}

/// `of` each number below `count`.
fn each(count: usize, of: impl Fn(usize) -> String) -> String {
    (0..count).map(of).collect()
}

fn network(number: usize) -> String {
    format!("10.{}.{}.{}/31", number >> 14, (number >> 6) & 255, (number & 63) * 4)
}

#[test]
fn zones_with_an_interface_each() {
    grows_linearly(|count| {
        let zones = each(count, |i| format!("zone z{i} = e{i} {{ {} }}\n", network(i)));
        zones + &each(count, |i| format!("allow ssh from z{i}\n"))
    });
}

#[test]
fn one_rule_with_many_zones() {
    grows_linearly(|count| {
        let zones = each(count, |i| format!("zone z{i} = e{i}\n"));
        let list: Vec<String> = (0..count).map(|i| format!("z{i}")).collect();
        format!("{zones}allow ssh from {}\n", list.join(", "))
    });
}

#[test]
fn interfaces_that_are_no_slips_of_zones() {
    grows_linearly(|count| {
        let zones = each(count, |i| format!("zone z{i} = e{i}\nallow ssh from z{i}\n"));
        zones + &each(count, |i| format!("allow ssh in other{i}\n"))
    });
}

#[test]
fn one_list_with_many_exceptions() {
    grows_linearly(|count| {
        let list: Vec<String> = (0..count).map(network).collect();
        let holes: Vec<String> = (0..count).step_by(2).map(network).collect();
        format!("allow ssh from {} except {}\n", list.join(", "), holes.join(", "))
    });
}

#[test]
fn one_list_with_many_addresses() {
    grows_linearly(|count| {
        let list: Vec<String> = (0..count).map(network).collect();
        format!("let big = {}\nallow ssh from big\n", list.join(", "))
    });
}

/// A policy, and its rules read again after so many were changed: each change is found, and nothing else.
#[test]
fn edits_of_ten_thousand_rules_are_found() {
    const RULES: usize = 10_000;
    const EDITS: usize = 100;
    let place = |i: usize| format!("10.{}.{}.{}", i >> 14, (i >> 6) & 255, (i & 63) * 4);
    let policy = each(RULES, |i| format!("allow tcp {} from {}\n", 1024 + i % 50_000, place(i)));
    let mut sources = Sources::new();
    let root = sources.add("policy.fw", policy);
    let resolved = resolve::resolve(root, &mut sources, &mut MemoryLoader::default());
    assert!(!has_errors(&resolved.findings), "{:?}", resolved.findings.first());
    let lowered = lower::lower(&resolved.policy, &sources);
    let text = emit::iptables(&lowered.v4, &emit::Header::default(), &sources);
    let meaning = meaning::meaning(&resolved.policy);
    let differences = |text: &str| {
        let file = Sources::new().add("rules", text);
        let read = read::read(file, text, Some(Family::V4));
        assert_eq!(read.findings, []);
        let rules = ruled(Some(&read.ruleset), None).meaning;
        let found = compare(&meaning, &rules, Families::only(Family::V4), Budget::default());
        assert_eq!(found.unproved, []);
        found.differences
    };
    assert_eq!(differences(&text).len(), 0);

    let mut edited = text.clone();
    let mut sources_of_edits = BTreeSet::new();
    for edit in 0..EDITS {
        let number = edit * (RULES / EDITS) + 7;
        let port = 1024 + number % 50_000;
        let rule =
            format!("-A INPUT -s {}/32 -p tcp -m tcp --dport {port} -j ACCEPT\n", place(number));
        let other = match edit % 4 {
            0 => String::new(),
            1 => rule.replace("ACCEPT", "DROP"),
            2 => rule.replace("/32", "/31"),
            _ => rule.replace("--dport ", "! --dport "),
        };
        assert!(edited.contains(&rule), "{rule}");
        edited = edited.replacen(&rule, &other, 1);
        sources_of_edits.insert(place(number));
    }
    let found = differences(&edited);
    let source = |address: IpAddr| match address {
        // The other half of a wider network.
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() & !1).to_string(),
        IpAddr::V6(address) => address.to_string(),
    };
    let told: BTreeSet<String> = found.iter().map(|one| source(one.packet.source)).collect();
    assert_eq!(told, sources_of_edits);
}
