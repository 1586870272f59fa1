//! Lists made to be hard finish, and are right.

use palisade::net::Family;
use palisade::net::address::to_number;
use palisade::packet::{
    Among, Answer, Budget, Index, Packet, PacketSet, Question, RuleNumber, Space,
};

use super::hard::{self, NET, SMALL};

/// The answer about the last rule, with the packet of a witness.
fn ask_last(sets: &[PacketSet]) -> (Answer, Option<Packet>) {
    let (space, regions) = Space::of(Family::V4, None, &sets.iter().collect::<Vec<_>>());
    let index = Index::of(&space, (0..).map(RuleNumber).zip(&regions));
    let last = sets.len() - 1;
    let number = RuleNumber(u32::try_from(last).expect("few rules"));
    let question = Question {
        region: &regions[last],
        among: Among::before(number),
        seed: 0,
        budget: Budget::default(),
    };
    let answer = index.uncovered(&question);
    let packet = match &answer {
        Answer::Uncovered(point) => Some(space.packet(point)),
        Answer::Covered(_) | Answer::Incomplete => None,
    };
    if let Some(packet) = &packet {
        assert!(sets[last].contains(packet));
        assert!(!sets[..last].iter().any(|set| set.contains(packet)));
    }
    (answer, packet)
}

fn is_covered_by_all(answer: &Answer) -> bool {
    matches!(answer, Answer::Covered(cover)
        if cover.is_minimal && cover.members.len() == SMALL as usize)
}

#[test]
fn a_network_hidden_by_all_its_hosts() {
    let (answer, _) = ask_last(&hard::hosts(None));
    assert!(is_covered_by_all(&answer));
}

#[test]
fn the_one_host_that_is_missing() {
    for missing in [0, 77, 40_000, u16::MAX] {
        let (_, packet) = ask_last(&hard::hosts(Some(missing)));
        let source = to_number(packet.expect("a witness").source);
        assert_eq!(source, u128::from(NET + u32::from(missing)));
    }
}

#[test]
fn the_one_port_that_is_free() {
    for free in [0, 4_711, u16::MAX] {
        let (_, packet) = ask_last(&hard::ports(free));
        assert_eq!(packet.and_then(|packet| packet.ports()).map(|ports| ports.1), Some(free));
    }
}

#[test]
fn a_tiling_in_four_dimensions() {
    let (answer, _) = ask_last(&hard::tiling(None));
    assert!(is_covered_by_all(&answer));
    let (answer, _) = ask_last(&hard::tiling(Some(33_333)));
    assert!(matches!(answer, Answer::Uncovered(_)));
}

#[test]
fn wide_rules_that_all_overlap() {
    let (answer, _) = ask_last(&hard::wide(10_000));
    assert!(matches!(answer, Answer::Uncovered(_)));
}
