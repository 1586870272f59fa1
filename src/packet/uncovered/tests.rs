//! The question on small worlds, against all points one by one.

use super::super::{Constraint, Factor, PacketSet, Product, Space};
use super::*;
use crate::net::{Addresses, Dscp, Family, FlagMatch, IntervalSet, TcpFlags};

/// Sets of a world with one axis of three pieces and one of four; padded, so that they are intervals, or
/// not, so that they are bits.
struct World {
    sets: Vec<PacketSet>,
    /// Which of the points are in each set, a bit each.
    points: Vec<u32>,
    padding: Vec<PacketSet>,
}

fn set(constraints: impl IntoIterator<Item = Constraint>) -> PacketSet {
    PacketSet::of(Family::V4, Product::of([Factor::all(constraints)]))
}

fn world(columns: u32, rows: u32, padded: bool) -> World {
    let mut world = World { sets: Vec::new(), points: Vec::new(), padding: Vec::new() };
    let addresses = |low: u32, high: u32| Addresses::range(Family::V4, low.into(), high.into());
    let lengths = |low: u32, high: u32| {
        IntervalSet::range(u16::try_from(low).unwrap(), u16::try_from(high).unwrap())
    };
    // The last column and row are everything behind.
    let end = |last: u32, most: u32| if last + 1 == most { 60_000 } else { last };
    for (left, right) in (0..columns).flat_map(|low| (low..columns).map(move |high| (low, high))) {
        for (top, low) in (0..rows).flat_map(|low| (low..rows).map(move |high| (low, high))) {
            world.sets.push(set([
                Constraint::source(Family::V4, &addresses(left, end(right, columns))),
                Constraint::length(&lengths(top, end(low, rows))),
            ]));
            let inside = |point: &u32| {
                let (column, row) = (point % columns, point / columns);
                (left..=right).contains(&column) && (top..=low).contains(&row)
            };
            let inside = (0..columns * rows).filter(inside);
            world.points.push(inside.fold(0, |set, point| set | 1 << point));
        }
    }
    if padded {
        let far = |place: u32| 60_001 + 3 * place;
        world.padding.extend((0..70).map(|place| {
            set([
                Constraint::source(Family::V4, &addresses(far(place), far(place))),
                Constraint::length(&lengths(far(place), far(place))),
            ])
        }));
    }
    world
}

fn ask(index: &Index, region: &Region, before: u32, seed: u64) -> Answer {
    let among = Among::before(RuleNumber(before));
    index.uncovered(&Question { region, among, seed, budget: Budget::default() })
}

/// All lists of so many rules of a world, each followed by all questions.
fn every_list(world: &World, rules: u32) {
    let (space, regions) =
        Space::of(Family::V4, None, &world.sets.iter().chain(&world.padding).collect::<Vec<_>>());
    let count = world.sets.len();
    for list in 0..count.pow(rules) {
        let list: Vec<usize> = (0..rules).map(|place| list / count.pow(place) % count).collect();
        let numbered = (0..).map(RuleNumber).zip(list.iter().map(|rule| &regions[*rule]));
        let index = Index::of(&space, numbered);
        let all = list.iter().fold(0, |all, rule| all | world.points[*rule]);
        for (question, asked) in world.points.iter().enumerate() {
            match ask(&index, &regions[question], rules, 1) {
                Answer::Uncovered(point) => {
                    let packet = space.packet(&point);
                    assert!(world.sets[question].contains(&packet));
                    assert!(!list.iter().any(|rule| world.sets[*rule].contains(&packet)));
                    assert_ne!(asked & !all, 0);
                }
                Answer::Covered(cover) => {
                    assert_eq!(asked & !all, 0, "{list:?} {question}");
                    check_cover(world, &space, &list, question, &cover);
                }
                Answer::Incomplete => panic!("a budget for small worlds"),
            }
        }
    }
}

fn check_cover(world: &World, space: &Space, list: &[usize], question: usize, cover: &Cover) {
    let members: Vec<usize> =
        cover.members.iter().map(|member| list[member.rule.0 as usize]).collect();
    let all = members.iter().fold(0, |all, rule| all | world.points[*rule]);
    assert_eq!(world.points[question] & !all, 0);
    assert!(cover.is_minimal && !members.is_empty());
    for (at, member) in cover.members.iter().enumerate() {
        let packet = space.packet(member.alone.as_ref().expect("of a minimal cover"));
        assert!(world.sets[question].contains(&packet));
        for (other, rule) in members.iter().enumerate() {
            assert_eq!(world.sets[*rule].contains(&packet), other == at);
        }
    }
}

#[test]
fn every_pair_of_rules_of_a_small_world() {
    for padded in [false, true] {
        every_list(&world(3, 3, padded), 2);
    }
}

#[test]
fn every_four_rules_of_a_smaller_world() {
    for padded in [false, true] {
        every_list(&world(2, 2, padded), 4);
    }
}

/// Lists of eight rules, which hide each other in more ways, at random.
#[test]
fn longer_lists_of_a_small_world() {
    for padded in [false, true] {
        let world = world(4, 4, padded);
        let (space, regions) = Space::of(
            Family::V4,
            None,
            &world.sets.iter().chain(&world.padding).collect::<Vec<_>>(),
        );
        let mut random = Random::new(3);
        let mut covers_of_many = 0;
        for round in 0..600 {
            let list: Vec<usize> = (0..8).map(|_| random.index(world.sets.len())).collect();
            let numbered = (0..).map(RuleNumber).zip(list.iter().map(|rule| &regions[*rule]));
            let index = Index::of(&space, numbered);
            for (place, rule) in (0..).zip(&list) {
                let earlier = &list[..place as usize];
                let all = earlier.iter().fold(0, |all, rule| all | world.points[*rule]);
                match ask(&index, &regions[*rule], place, round) {
                    Answer::Uncovered(point) => {
                        let packet = space.packet(&point);
                        assert!(world.sets[*rule].contains(&packet));
                        assert!(!earlier.iter().any(|one| world.sets[*one].contains(&packet)));
                    }
                    Answer::Covered(cover) => {
                        assert_eq!(world.points[*rule] & !all, 0);
                        check_cover(&world, &space, &list, *rule, &cover);
                        covers_of_many += usize::from(cover.members.len() > 2);
                    }
                    Answer::Incomplete => panic!("a budget for small worlds"),
                }
            }
        }
        assert!(covers_of_many > 20, "{covers_of_many}");
    }
}

/// Together they have the answers that each has alone: among few rules and many, with ends or without.
#[test]
fn questions_are_answered_together() {
    for padded in [false, true] {
        let world = world(4, 4, padded);
        let all: Vec<&PacketSet> = world.sets.iter().chain(&world.padding).collect();
        let (space, regions) = Space::of(Family::V4, None, &all);
        let mut random = Random::new(5);
        let mut free = 0;
        for round in 0..60 {
            let count = [3, 40, 200][round % 3];
            let list: Vec<&Region> = (0..count).map(|_| &regions[random.index(100)]).collect();
            let numbered = (0..).map(RuleNumber).zip(list.iter().copied());
            let mut index = Index::of(&space, numbered);
            if round % 2 == 1 {
                let ends = (0..count).map(|rule| rule + random.index(count));
                let ends: Vec<u32> = ends.map(|end| u32::try_from(end).unwrap()).collect();
                index = index.until(ends.into_iter().map(RuleNumber));
            }
            let both = space.union(&regions[random.index(100)], &regions[random.index(100)]);
            let asked = list.iter().copied().chain([&both, Region::NONE]);
            let questions: Vec<Question<'_>> = (0..)
                .zip(asked)
                .map(|(place, region)| {
                    let before = Among::before(RuleNumber(place));
                    let among =
                        [before, before.but(RuleNumber(0)), Among::after(RuleNumber(place))];
                    let among = among[random.index(3)];
                    Question { region, among, seed: place.into(), budget: Budget::default() }
                })
                .collect();
            let alone: Vec<Answer> = questions.iter().map(|one| index.uncovered(one)).collect();
            assert_eq!(index.uncovered_each(&questions), alone);
            free += alone.iter().filter(|one| matches!(one, Answer::Uncovered(_))).count();
        }
        assert!(free > 300, "{free}");
    }
}

/// The first of other sorts is the one that would be first of all that meet.
#[test]
fn rules_of_other_sorts_are_found_in_order() {
    let world = world(4, 4, true);
    let all: Vec<&PacketSet> = world.sets.iter().chain(&world.padding).collect();
    let (space, regions) = Space::of(Family::V4, None, &all);
    let mut random = Random::new(7);
    let mut found = 0;
    for round in 0..60 {
        let count = [3, 40, 200][round % 3];
        let list: Vec<&Region> = (0..count).map(|_| &regions[random.index(100)]).collect();
        // Mostly one sort; some rules have none.
        let sorts: Vec<Option<u32>> = (0..count)
            .map(|_| match random.index(12) {
                0 => None,
                one @ 1..3 => u32::try_from(one).ok(),
                _ => Some(0),
            })
            .collect();
        let mut index = Index::of(&space, (0..).map(RuleNumber).zip(list.iter().copied()));
        index.leave_out(RuleNumber(2));
        let swept = index.swept();
        for index in [&index, &swept] {
            let of = index.sorts(|rule| sorts[rule.0 as usize]);
            for _ in 0..count {
                let (region, own) = (&regions[random.index(100)], 0);
                let from = RuleNumber(u32::try_from(random.index(count)).unwrap());
                let among = Among::after(from);
                let is_other =
                    |rule: &RuleNumber| sorts[rule.0 as usize].is_some_and(|sort| sort != own);
                let mut others = index.meeting(region, among);
                others.retain(is_other);
                let first = others.first().copied();
                assert_eq!(index.first_of(&of, region, among, |sort| sort != own), first);
                assert_eq!(index.all_of(&of, region, among, |sort| sort != own), others);
                found += usize::from(first.is_some());
            }
        }
    }
    assert!(found > 1_000, "{found}");
}

#[test]
fn searches_look_only_among_the_rules_they_may() {
    let world = world(2, 2, false);
    let (space, regions) = Space::of(Family::V4, None, &world.sets.iter().collect::<Vec<_>>());
    let full = world.points.iter().position(|points| *points == 0b1111).expect("everything");
    let numbered = [(RuleNumber(0), &regions[full]), (RuleNumber(5), &regions[full])];
    let index = Index::of(&space, numbered);
    let question =
        |among| Question { region: &regions[0], among, seed: 0, budget: Budget::default() };
    let is_covered = |among| index.witness(&question(among)) == Verdict::Covered;
    let before = |rule| Among::before(RuleNumber(rule));
    assert!(!is_covered(before(0)));
    assert!(is_covered(before(1)));
    assert!(!is_covered(before(5).but(RuleNumber(0))));
    assert!(is_covered(before(6).but(RuleNumber(0))));
    assert!(is_covered(Among::ALL.but(RuleNumber(5))));
    let point = match index.witness(&question(before(0))) {
        Verdict::Uncovered(point) => point,
        Verdict::Covered | Verdict::Incomplete => panic!("nothing is before the first"),
    };
    assert_eq!(index.first(&point, Among::ALL), Some(RuleNumber(0)));
    assert_eq!(index.first(&point, Among::ALL.but(RuleNumber(0))), Some(RuleNumber(5)));
    assert!(!index.takes(&point, before(0)) && index.takes(&point, before(1)));
}

#[test]
fn too_little_work_is_said() {
    let rules: Vec<PacketSet> = (0..64u8)
        .map(|code| set([Constraint::dscp(Dscp::new(code).expect("below 64"))]))
        .chain((0..64).map(|byte| {
            let flags = FlagMatch::new(TcpFlags::from_bits(byte), TcpFlags::ALL).expect("a subset");
            set([Constraint::flags(flags)])
        }))
        .collect();
    let (space, regions) = Space::of(Family::V4, None, &rules.iter().collect::<Vec<_>>());
    let everything = space.possible().clone();
    let numbered = (0..).map(RuleNumber).zip(&regions[..64]);
    let index = Index::of(&space, numbered);
    let mut question =
        Question { region: &everything, among: Among::ALL, seed: 0, budget: Budget(10) };
    assert_eq!(index.uncovered(&question), Answer::Incomplete);
    question.budget = Budget::default();
    assert!(
        matches!(index.uncovered(&question), Answer::Covered(cover) if cover.members.len() == 64)
    );
}

#[test]
fn nothing_is_covered_by_nothing() {
    let world = world(2, 2, false);
    let (space, regions) = Space::of(Family::V4, None, &world.sets.iter().collect::<Vec<_>>());
    let index = Index::of(&space, []);
    assert!(matches!(ask(&index, &regions[0], 0, 0), Answer::Uncovered(_)));
    let none = ask(&index, &Region::default(), 0, 0);
    assert_eq!(none, Answer::Covered(Cover { members: Vec::new(), is_minimal: true }));
}
