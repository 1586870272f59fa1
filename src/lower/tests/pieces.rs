use std::time::Instant;

use super::build::*;
use super::show;
use crate::lower::address::{Side, address_set, prefixes};
use crate::lower::part::part_set;
use crate::net::Family;
use crate::resolve::policy::{Action, Hook};
use crate::ruleset::{MatchKind, Rule, TableName, Target};

fn shown(text: &str) -> Vec<String> {
    let set = address_set(Side::Source, Family::V4, &net(text).intervals(Family::V4));
    let origin = crate::ruleset::Origin::Implicit("test");
    let rules = set.into_alternatives().into_iter();
    rules.map(|matches| show::rule(&Rule { matches, target: Target::Drop, origin })).collect()
}

#[test]
fn addresses_take_the_fewest_rules() {
    assert_eq!(shown("10.0.0.0/8"), ["-s 10.0.0.0/8 DROP"]);
    assert_eq!(shown("10.0.0.5-10.0.0.9"), ["--src-range 10.0.0.5-10.0.0.9 DROP"]);
    assert_eq!(shown("10.0.0.1 10.0.0.9"), ["-s 10.0.0.1/32 DROP", "-s 10.0.0.9/32 DROP"]);
    // 10.0.0.0/24 except 10.0.0.66
    assert_eq!(
        shown("10.0.0.0-10.0.0.65 10.0.0.67-10.0.0.255"),
        ["-s 10.0.0.0/24 ! --src-range 10.0.0.66-10.0.0.66 DROP"]
    );
    // any except 10.0.0.0/8
    assert_eq!(shown("0.0.0.0-9.255.255.255 11.0.0.0-255.255.255.255"), ["! -s 10.0.0.0/8 DROP"]);
    // any except 0.0.0.0/8, 10.0.0.0/8
    assert_eq!(
        shown("1.0.0.0-9.255.255.255 11.0.0.0-255.255.255.255"),
        ["! -s 0.0.0.0/8 ! --src-range 10.0.0.0-10.255.255.255 DROP"]
    );
    assert_eq!(shown("128.0.0.0/1"), ["-s 128.0.0.0/1 DROP"]);
}

#[test]
fn every_address_set_is_meant_exactly() {
    // All sets of the addresses x.0.0.0/3, which is a small world of eight blocks.
    for mask in 1u32..255 {
        let blocks = (0..8u32).filter(|block| mask & (1 << block) != 0);
        let intervals =
            blocks.map(|block| (u128::from(block << 29), u128::from(block << 29) + (1 << 29) - 1));
        let set = crate::net::IntervalSet::from_intervals(intervals);
        let found = address_set(Side::Source, Family::V4, set.intervals());
        let count = found.size();
        assert!(count <= set.intervals().len());
        let alternatives = found.into_alternatives();
        for block in 0..8u128 {
            let address = block << 29 | 5;
            let holds = |m: &crate::ruleset::Match| {
                let inside = match &m.kind {
                    MatchKind::Source(prefix) => {
                        prefix.contains(crate::net::address::from_number(Family::V4, address))
                    }
                    MatchKind::SourceRange(low, high) => {
                        let number = crate::net::address::to_number;
                        (number(*low)..=number(*high)).contains(&address)
                    }
                    other => panic!("{other:?}"),
                };
                inside != m.negated
            };
            let matched = alternatives.iter().any(|matches| matches.iter().all(holds));
            assert_eq!(matched, set.contains(address), "{mask:#b} {block}");
        }
    }
}

#[test]
fn ranges_become_prefixes() {
    let of = |text: &str| {
        let found = prefixes(Family::V4, &net(text).intervals(Family::V4));
        found.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(of("10.0.0.5-10.0.0.9"), "10.0.0.5/32 10.0.0.6/31 10.0.0.8/31");
    assert_eq!(of("0.0.0.0/0"), "0.0.0.0/0");
    assert_eq!(of("255.255.255.254-255.255.255.255"), "255.255.255.254/31");
}

#[test]
fn ports_fill_as_few_multiports_as_possible() {
    let rules = |text: &str| {
        let found = part_set(Family::V4, &[tcp(text)], None).into_alternatives();
        let slots = |matches: &Vec<crate::ruleset::Match>| match &matches[1].kind {
            MatchKind::DestinationPorts(ports) => {
                ports.iter().map(|(low, high)| if low == high { 1 } else { 2 }).sum()
            }
            _ => 1usize,
        };
        found.iter().map(slots).collect::<Vec<_>>()
    };
    // Seven ranges and a single fill fifteen slots; then one more.
    assert_eq!(rules("10-15,20-25,30-35,40-45,50-55,60-65,70-75,80,90"), [15, 1]);
    // A range that does not fit in the last slot makes room for a single port.
    assert_eq!(rules("1,3-8,10-15,20-25,30-35,40-45,50-55,60-65,70-75,80"), [15, 3]);
    assert_eq!(rules("10-15,20-25,30-35,40-45,50-55,60-65,70-75,80-85,90"), [15, 1]);
    // Two ports in a row are as well two single ones.
    assert_eq!(rules("10-15,20-25,30-35,40-45,50-55,60-65,70-75,80-85,90-91"), [15, 3]);
}

#[test]
fn a_hundred_thousand_rules_are_lowered_in_time() {
    let mut build = policy();
    for number in 0..100_000u32 {
        let port = u16::try_from(number % 60_000 + 1).expect("small");
        let source = format!("10.{}.{}.0/24", number / 256 % 256, number % 256);
        let rule = on(Hook::Forward, Action::Allow)
            .from(vec![place("eth0", &source)])
            .parts(vec![tcp(&port.to_string())]);
        build = build.rule(rule);
    }
    let start = Instant::now();
    let lowered = build.lower();
    let taken = start.elapsed();
    assert_eq!(show::chain(&lowered.v4, TableName::Filter, "FORWARD").len(), 100_000);
    // Near-linear even without optimisation; the bound is for a busy machine.
    assert!(taken.as_secs() < 20, "{taken:?}");
    println!("lowered in {taken:?}");
}
