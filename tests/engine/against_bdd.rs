//! Random rule lists: every answer, against a cumulative diagram.

use biodivine_lib_bdd::Bdd;
use palisade::analyze::dead::Life;
use palisade::analyze::list::{EffectNumber, ListedRule, RuleList};
use palisade::analyze::redundant::Without;
use palisade::net::{Addresses, Family, Ports, Protocol};
use palisade::packet::{Budget, Constraint, Factor, FieldBox, PacketSet, Product, Random};

use super::bdd::Diagrams;
use super::rules::{self, Kind};

/// A set of the five fields, with lists, from few values so that sets hide each other.
fn set(random: &mut Random) -> PacketSet {
    let addresses = |random: &mut Random| {
        let one = |random: &mut Random| {
            let low = 0x0a00_0000 + random.within(0, 12);
            Addresses::range(Family::V4, low, low + random.within(0, 8))
        };
        if random.one_in(3) { one(random).union(&one(random)) } else { one(random) }
    };
    let ports = |random: &mut Random| {
        let low = u16::try_from(random.within(0, 9)).expect("small");
        Ports::range(low, low + 3).union(&Ports::single(443))
    };
    let mut factors = Vec::new();
    if !random.one_in(4) {
        factors.push(Factor::all([Constraint::source(Family::V4, &addresses(random))]));
    }
    if !random.one_in(4) {
        factors.push(Factor::all([Constraint::destination(Family::V4, &addresses(random))]));
    }
    let part = |random: &mut Random| {
        let protocol = *random.pick(&[Protocol::TCP, Protocol::UDP, Protocol::ICMP]).expect("one");
        let mut constraints = vec![Constraint::protocol(protocol)];
        if protocol != Protocol::ICMP && !random.one_in(3) {
            constraints.push(Constraint::destination_port(&ports(random)));
        }
        if protocol != Protocol::ICMP && random.one_in(5) {
            constraints.push(Constraint::source_port(&ports(random)));
        }
        FieldBox::of(constraints)
    };
    if !random.one_in(6) {
        let parts: Vec<_> = (0..=random.index(2)).filter_map(|_| part(random)).collect();
        factors.push(Factor::of(parts));
    }
    PacketSet::of(Family::V4, Product::of(factors))
}

/// What becomes of the packets of each rule without it, by diagrams.
fn without(sets: &[Bdd], rules: &[(PacketSet, bool)], at: usize) -> Without {
    let mut own = sets[..at].iter().fold(sets[at].clone(), |own, set| own.and_not(set));
    for (set, (_, accept)) in sets[at + 1..].iter().zip(&rules[at + 1..]) {
        if *accept != rules[at].1 && !own.and(set).is_false() {
            return Without::Different;
        }
        own = own.and_not(set);
    }
    match (own.is_false(), rules[at].1) {
        (true, _) => Without::SameByRules,
        (false, false) => Without::SameByDefault,
        (false, true) => Without::Different,
    }
}

fn agrees(name: &str, rules: &[(PacketSet, bool)], redundancy: bool) -> usize {
    let diagrams = Diagrams::new();
    let sets: Vec<Bdd> = rules.iter().map(|(set, _)| diagrams.set(set)).collect();
    let listed: Vec<ListedRule> = rules
        .iter()
        .map(|(set, accept)| ListedRule {
            may: set,
            hides: Some(set),
            effect: EffectNumber((*accept).into()),
        })
        .collect();
    let list = RuleList::of(Family::V4, None, &listed, Budget::default());
    let mut before = diagrams.nothing();
    let mut by_several = 0;
    for (at, life) in list.lives().iter().enumerate() {
        let own = &sets[at];
        let is_dead = own.and_not(&before).is_false();
        match life {
            Life::Live(point) => {
                assert!(!is_dead, "{name}: rule {at}");
                let packet = list.space().packet(point);
                assert!(rules[at].0.contains(&packet));
                assert!(!rules[..at].iter().any(|(set, _)| set.contains(&packet)));
            }
            Life::Dead(cover) => {
                assert!(is_dead, "{name}: rule {at}");
                let members = cover.members.iter();
                let all = members
                    .fold(diagrams.nothing(), |all, member| all.or(&sets[member.rule.0 as usize]));
                assert!(own.and_not(&all).is_false(), "{name}: the cover of rule {at}");
                by_several += usize::from(cover.members.len() > 1);
            }
            Life::NeverMatches | Life::Unknown => panic!("{name}: rule {at} is {life:?}"),
        }
        before = before.or(own);
    }
    if redundancy {
        for (at, found) in list.without_each(EffectNumber(0)).into_iter().enumerate() {
            assert_eq!(found, without(&sets, rules, at), "{name}: rule {at}");
        }
    }
    by_several
}

#[test]
fn random_lists() {
    let mut by_several = 0;
    for seed in 0..30 {
        let mut random = Random::new(seed);
        let rules: Vec<_> = (0..25).map(|_| (set(&mut random), random.one_in(2))).collect();
        by_several += agrees(&format!("seed {seed}"), &rules, true);
    }
    assert!(by_several > 20, "{by_several}");
}

#[test]
fn generated_lists() {
    for kind in Kind::ALL {
        let rules = rules::rules(kind, 200);
        let rules: Vec<_> = rules.into_iter().map(|rule| (rule.set, rule.accept)).collect();
        agrees(kind.name(), &rules, false);
    }
}
