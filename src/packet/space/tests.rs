use std::sync::Arc;

use super::super::probes::{Edge, Pool, Presence, View};
use super::super::{
    Among, Answer, Budget, Index, InterfaceSet, Packet, Question, Random, RuleNumber, Verdict,
};
use super::*;
use crate::net::{
    Account, Addresses, CtState, Dscp, FlagMatch, IcmpType, Interface, IntervalSet, Mac, MarkMatch,
    Ports, Protocol, TcpFlags,
};

const FREE: View = View {
    incoming: Presence::Maybe,
    outgoing: Presence::Maybe,
    translated: Presence::Maybe,
    first_only: false,
};

fn byte(random: &mut Random, most: u128) -> u8 {
    u8::try_from(random.within(0, most)).unwrap()
}

/// A condition of any kind, of few values so that conditions meet.
fn constraint(family: Family, random: &mut Random) -> Constraint {
    let addresses = |random: &mut Random| {
        let one = |random: &mut Random| {
            let low = random.within(0, 40);
            Addresses::range(family, low, low + random.within(0, 9))
        };
        one(random).union(&one(random))
    };
    let ports = |random: &mut Random| {
        let low = u16::try_from(random.within(0, 30)).unwrap();
        Ports::range(low, low + 4).union(&Ports::single(40))
    };
    let small = |random: &mut Random, most| u32::try_from(random.within(0, most)).unwrap();
    let names = |random: &mut Random| {
        let all = ["eth+", "eth0", "eth0.+", "wg0", "lo", "o+"];
        let mut name = || Interface::new(random.pick(&all).unwrap()).unwrap();
        [name(), name()]
    };
    match random.index(21) {
        0 => Constraint::incoming(&names(random)),
        1 => Constraint::outgoing(&names(random)),
        2 => Constraint::source(family, &addresses(random)),
        3 => Constraint::destination(family, &addresses(random)),
        4 => Constraint::original_destination(family, &addresses(random)),
        5 | 6 => {
            let all = [Protocol::TCP, Protocol::UDP, Protocol::SCTP, Protocol::icmp(family)];
            Constraint::protocol(*random.pick(&all).unwrap())
        }
        7 => Constraint::source_port(&ports(random)),
        8 => Constraint::destination_port(&ports(random)),
        9 => Constraint::original_port(&ports(random)),
        10 => Constraint::icmp(IcmpType::new(family, byte(random, 2))),
        11 => {
            let mask = TcpFlags::from_bits(byte(random, 63));
            let set = TcpFlags::from_bits(mask.bits() & byte(random, 63));
            Constraint::flags(FlagMatch::new(set, mask).unwrap())
        }
        12 => {
            let states = CtState::ALL.into_iter().filter(|_| random.one_in(2));
            Constraint::state(states.collect())
        }
        13 => Constraint::translated(),
        14 => Constraint::to_local(),
        15 => Constraint::mac(&[Mac([2, 0, 0, 0, 0, byte(random, 2)])]),
        16 => {
            let mask = *random.pick(&[0xff, 0x0f, u32::MAX, 0xff00]).unwrap();
            let value = small(random, 0x0303) & 0x0303 & mask;
            let mark = MarkMatch::new(value, mask).unwrap();
            if random.one_in(2) {
                Constraint::mark(mark)
            } else {
                Constraint::connection_mark(mark)
            }
        }
        17 => Constraint::user(&Account::Number(small(random, 2))),
        18 => Constraint::group(&Account::Name(format!("g{}", small(random, 1)).into())),
        19 => Constraint::dscp(
            *random.pick(&[Dscp::new(0), Dscp::new(46)]).unwrap().as_ref().unwrap(),
        ),
        _ => {
            Constraint::opaque(Arc::from(["night", "ipsec in"][random.index(2)]), random.one_in(2))
        }
    }
}

/// A set of any kind: lists of boxes, products of lists.
fn set(family: Family, random: &mut Random) -> PacketSet {
    let one_box = |random: &mut Random| {
        let constraints: Vec<Constraint> =
            (0..=random.index(2)).map(|_| constraint(family, random)).collect();
        FieldBox::of(constraints)
    };
    let mut products = Vec::new();
    for _ in 0..=random.index(2) {
        let mut factors = Vec::new();
        for _ in 0..=random.index(2) {
            let boxes: Vec<_> = (0..=random.index(5)).map(|_| one_box(random)).collect();
            factors.push(Factor::of(boxes.into_iter().flatten()));
        }
        products.extend(Product::of(factors));
    }
    PacketSet::of(family, products)
}

fn sets(family: Family, seed: u64, count: usize) -> Vec<PacketSet> {
    let mut random = Random::new(seed);
    (0..count).map(|_| set(family, &mut random)).collect()
}

/// What is said of a point is true of its packet, and of the packet's own point.
#[test]
fn points_are_packets() {
    let mut random = Random::new(7);
    let mut tried = 0;
    for seed in 0..300 {
        let family = if seed % 2 == 0 { Family::V4 } else { Family::V6 };
        let sets = sets(family, seed, 4);
        let (space, regions) = Space::of(family, None, &sets.iter().collect::<Vec<_>>());
        let possible = space.possible().clone();
        for one in space.boxes(&possible) {
            for _ in 0..60 {
                let point = Point(space.layout.anywhere(one, &mut random));
                if space.contains(&space.impossible, &point) {
                    continue;
                }
                let packet = space.packet(&point);
                let own = space.point(&packet);
                tried += 1;
                for (set, region) in sets.iter().zip(&regions) {
                    let claimed = space.contains(region, &point);
                    assert_eq!(claimed, set.contains(&packet), "seed {seed}: {packet:?} {set:?}");
                    assert_eq!(claimed, space.contains(region, &own), "seed {seed}: {packet:?}");
                }
            }
        }
    }
    assert!(tried > 5_000, "{tried}");
}

/// Points that are no packets are seldom tried: the lowest of nearly all boxes is moved to one that is.
#[test]
fn lowest_points_settle_where_packets_are() {
    let (mut lowest_are, mut settled_are, mut all) = (0, 0, 0);
    for seed in 0..300 {
        let family = if seed % 2 == 0 { Family::V4 } else { Family::V6 };
        let sets = sets(family, seed, 4);
        let (space, regions) = Space::of(family, None, &sets.iter().collect::<Vec<_>>());
        let nature = space.nature();
        for cell in regions.iter().flat_map(|region| nature.cells(region)) {
            let mut region = Region::default();
            region.push(&cell);
            if space.is_empty(&region) {
                continue;
            }
            let mut point = space.layout.lowest(&cell);
            lowest_are += usize::from(nature.is_packet(&point));
            nature.settle(&mut point, &cell);
            assert!(space.layout.contains(&cell, &point));
            settled_are += usize::from(nature.is_packet(&point));
            all += 1;
        }
    }
    assert!(
        10 * settled_are > 9 * all && 10 * lowest_are < 9 * all,
        "{lowest_are} {settled_are} {all}"
    );
}

/// Whether there is a point that is in those of the regions whose sets have a packet, and in no other.
fn has_like(space: &Space, sets: &[PacketSet], regions: &[Region], packet: &Packet) -> bool {
    let (having, others): (Vec<_>, Vec<_>) =
        sets.iter().zip(regions).partition(|(set, _)| set.contains(packet));
    let all = space.possible().clone();
    let region = having.iter().fold(all, |all, (_, region)| space.intersection(&all, region));
    let numbered = (0..).map(RuleNumber).zip(others.into_iter().map(|(_, region)| region));
    let index = Index::of(space, numbered);
    let question =
        Question { region: &region, among: Among::ALL, seed: 0, budget: Budget::default() };
    matches!(index.witness(&question), Verdict::Uncovered(_))
}

/// Every packet is a point: what a packet is in and not in has a point too.
#[test]
fn packets_are_points() {
    for seed in 0..300 {
        let family = if seed % 2 == 0 { Family::V4 } else { Family::V6 };
        let sets = sets(family, seed, 4);
        let (space, regions) = Space::of(family, None, &sets.iter().collect::<Vec<_>>());
        let mut random = Random::new(seed);
        let pool = Pool::of(family, &sets);
        for _ in 0..10 {
            let mut draft = pool.draft(&mut random);
            let aim = random.index(sets.len());
            draft.enter(&sets[aim], Edge::Anywhere, &mut random);
            let packet = draft.packet(FREE, &mut random);
            assert!(has_like(&space, &sets, &regions, &packet), "seed {seed}: {packet:?}");
        }
    }
}

/// A view leaves the packets that such a chain sees, and no others.
#[test]
fn views_are_kept() {
    let presences = [Presence::Always, Presence::Never, Presence::Maybe];
    for seed in 0..200 {
        let sets = sets(Family::V4, seed, 3);
        let mut random = Random::new(seed);
        let mut presence = || *random.pick(&presences).unwrap();
        let view = View {
            incoming: presence(),
            outgoing: presence(),
            translated: presence(),
            first_only: seed % 3 == 0,
        };
        let (space, regions) = Space::of(Family::V4, Some(view), &sets.iter().collect::<Vec<_>>());
        let points = space.boxes(space.possible()).flat_map(|one| {
            (0..20).map(|_| Point(space.layout.anywhere(one, &mut random))).collect::<Vec<_>>()
        });
        for point in points.filter(|point| !space.contains(space.impossible(), point)) {
            let packet = space.packet(&point);
            let fits = |presence: Presence, is_there: bool| match presence {
                Presence::Always => is_there,
                Presence::Never => !is_there,
                Presence::Maybe => true,
            };
            assert!(fits(view.incoming, packet.incoming.is_some()), "{packet:?}");
            assert!(fits(view.outgoing, packet.outgoing.is_some()), "{packet:?}");
            assert!(fits(view.translated, packet.original.is_some()), "{packet:?}");
            assert!(!view.first_only || matches!(packet.state, CtState::New | CtState::Related));
        }
        let pool = Pool::of(Family::V4, &sets);
        let packet = pool.draft(&mut random).packet(view, &mut random);
        // A draft may come out untranslated where the view says otherwise: of what has no connection.
        if view.translated == Presence::Always && packet.original.is_none() {
            continue;
        }
        assert!(has_like(&space, &sets, &regions, &packet), "seed {seed}: {packet:?} {view:?}");
    }
}

fn from(addresses: &Addresses) -> Factor {
    Factor::all([Constraint::source(Family::V4, addresses)])
}

#[test]
fn lists_are_not_multiplied_out() {
    let hosts = |low: u128| {
        let hosts =
            (0..100).map(|host| Addresses::range(Family::V4, low + 7 * host, low + 7 * host));
        hosts.reduce(|all, one| all.union(&one)).unwrap()
    };
    // Each list is used as a whole: it is one value.
    let to = Factor::all([Constraint::destination(Family::V4, &hosts(5))]);
    let whole = PacketSet::of(Family::V4, Product::of([from(&hosts(0)), to.clone()]));
    let (space, regions) = Space::of(Family::V4, None, &[&whole]);
    assert_eq!((space.count(&regions[0]), space.layout.words()), (1, 2));
    // Each host is used alone, too: there are more values, but lists are still one box.
    let alone = |host: u128| {
        let one = Addresses::range(Family::V4, 7 * host, 7 * host);
        PacketSet::of(Family::V4, Product::of([from(&one), to.clone()]))
    };
    let mut all: Vec<PacketSet> = (0..100).map(alone).collect();
    all.extend(std::iter::repeat_n(whole, 5));
    let (space, regions) = Space::of(Family::V4, None, &all.iter().collect::<Vec<_>>());
    assert_eq!((space.count(&regions[102]), space.layout.words()), (1, 3));
}

/// Of many boxes, those that are met are found by place.
#[test]
fn many_boxes_are_held_to_each_other() {
    let mut random = Random::new(11);
    let mut rectangle = || {
        let low = random.within(0, 5_000);
        let port = u16::try_from(random.within(1, 5_000)).unwrap();
        let from = Addresses::range(Family::V4, low, low + random.within(0, 300));
        let to = Constraint::destination_port(&Ports::range(port, port + 200));
        let all = [Factor::all([Constraint::source(Family::V4, &from)]), Factor::all([to])];
        PacketSet::of(Family::V4, Product::of(all))
    };
    let sets: Vec<PacketSet> = (0..600).map(|_| rectangle()).collect();
    let (space, regions) = Space::of(Family::V4, None, &sets.iter().collect::<Vec<_>>());
    let (a, b) = regions.split_at(300);
    let [a, b] =
        [a, b].map(|all| all.iter().fold(Region::default(), |all, one| space.union(&all, one)));
    let (both, rest, apart) = (
        space.intersection(&a, &b),
        space.difference(&a, &b),
        Placed::of(&space, &a).apart(usize::MAX).unwrap(),
    );
    assert!([&both, &rest, &apart].iter().all(|region| space.count(region) > 300));
    for one in [&a, &b, &both, &rest, &apart].iter().flat_map(|region| space.boxes(region)) {
        for point in [space.layout.lowest(one), space.layout.highest(one)].map(Point) {
            let [in_a, in_b] = [&a, &b].map(|region| space.contains(region, &point));
            assert_eq!(space.contains(&both, &point), in_a && in_b);
            assert_eq!(space.contains(&rest, &point), in_a && !in_b);
            let times = space.boxes(&apart).filter(|one| space.layout.contains(one, &point.0));
            assert_eq!(times.count(), usize::from(in_a));
        }
    }
}

#[test]
fn many_places_are_one_box() {
    let place = |host: u128| {
        FieldBox::of([Constraint::source(Family::V4, &Addresses::range(Family::V4, host, host))])
    };
    let places = Factor::of((0..20).filter_map(|host| place(2 * host)));
    let set = PacketSet::of(Family::V4, Product::of([places]));
    let (space, regions) = Space::of(Family::V4, None, &[&set]);
    assert_eq!(space.count(&regions[0]), 1);
}

/// What is not in it is said by its widest pattern, unless some of that is.
#[test]
fn interfaces_are_told_by_the_outermost() {
    let pattern = |name: &str| Interface::new(name).unwrap();
    let named = ["a+", "a1", "a1+", "a12+", "b0", "c+", "c3"];
    let set = |name: &str| {
        let factor = Factor::all([Constraint::incoming(&[pattern(name)])]);
        PacketSet::of(Family::V4, Product::of([factor]))
    };
    let sets = named.map(set);
    let (space, regions) = Space::of(Family::V4, None, &sets.each_ref());
    let without = |names: &[usize], but: &[usize]| -> Vec<String> {
        let all = |names: &[usize]| {
            let own = names.iter().map(|name| &regions[*name]);
            own.fold(Region::default(), |all, one| space.union(&all, one))
        };
        let rest = space.complement(&space.difference(&all(names), &all(but)));
        let told = Teller::of(&space).told(&rest);
        let not = told.into_iter().flat_map(|(_, asks)| asks).filter_map(|asks| match asks {
            Asks::Names { not, others: true, .. } => Some(not),
            _ => None,
        });
        not.flatten().map(|name| name.to_string()).collect()
    };
    assert_eq!(without(&[0, 4, 5], &[]), ["a+", "b0", "c+"]);
    // Of a12+ it has to be said, since a1+ is in it.
    assert_eq!(without(&[0, 4], &[2]), ["a+", "b0"]);
    assert_eq!(without(&[0, 3], &[]), ["a+"]);
    assert_eq!(without(&[3, 6], &[]), ["a12+", "c3"]);
}

#[test]
fn what_contradicts_itself_is_empty() {
    let of = |constraints: &[Constraint]| {
        PacketSet::of(
            Family::V4,
            Product::of(constraints.iter().map(|one| Factor::all([one.clone()]))),
        )
    };
    let ports = Constraint::destination_port(&Ports::single(53));
    let lo = [Interface::loopback()];
    let empty = [
        of(&[Constraint::protocol(Protocol::ICMP), ports.clone()]),
        of(&[Constraint::protocol(Protocol::TCP), Constraint::protocol(Protocol::UDP)]),
        of(&[Constraint::incoming(&lo), Constraint::user(&Account::Number(0))]),
        of(&[
            Constraint::translated(),
            Constraint::state([CtState::Untracked].into_iter().collect()),
        ]),
        of(&[Constraint::opaque("night".into(), true), Constraint::opaque("night".into(), false)]),
    ];
    let filled = [of(&[Constraint::protocol(Protocol::UDP), ports.clone()]), of(&[ports])];
    let (space, regions) =
        Space::of(Family::V4, None, &empty.iter().chain(&filled).collect::<Vec<_>>());
    let found: Vec<bool> = regions.iter().map(|region| space.is_empty(region)).collect();
    assert_eq!(found, [true, true, true, true, true, false, false]);
    assert!(InterfaceSet::of(&lo).contains(Some("lo")));
}

#[test]
fn the_present_destination_is_the_original_one_unless_translated() {
    let net = Addresses::range(Family::V4, 10, 19);
    let before = Constraint::original_destination(Family::V4, &net);
    let now = Constraint::destination(Family::V4, &net);
    let set = |constraint: &Constraint| {
        PacketSet::of(Family::V4, Product::of([Factor::all([constraint.clone()])]))
    };
    let sets = [set(&now), set(&Constraint::translated()), set(&before)];
    let (space, regions) = Space::of(Family::V4, None, &sets.iter().collect::<Vec<_>>());
    // What went there is there now, or was translated.
    let rules = (0..).zip(&regions[..2]);
    let index = Index::of(&space, rules.map(|(at, one)| (RuleNumber(at), one)));
    let question =
        Question { region: &regions[2], among: Among::ALL, seed: 0, budget: Budget::default() };
    assert_eq!(index.witness(&question), Verdict::Covered);
    assert!(IntervalSet::single(7u8).contains(7));
}

/// What a member of a cover takes alone is a packet: not a point that has a MAC and an account.
#[test]
fn members_of_covers_take_packets() {
    let mac = Constraint::mac(&[Mac([2, 0, 0, 0, 0, 0])]);
    let user = Constraint::user(&Account::Number(0));
    let set = |constraints: &[Constraint]| {
        PacketSet::of(Family::V4, Product::of([Factor::all(constraints.iter().cloned())]))
    };
    let sets = [set(&[mac]), set(&[user])];
    let (space, regions) = Space::of(Family::V4, None, &[&sets[0], &sets[1]]);
    let index = Index::of(&space, [(RuleNumber(0), space.possible())]);
    for region in &regions {
        let question = Question { region, among: Among::ALL, seed: 0, budget: Budget::default() };
        let Answer::Covered(cover) = index.uncovered(&question) else { panic!("by everything") };
        let [member] = &cover.members[..] else { panic!("one rule") };
        let point = member.alone.as_ref().expect("a packet");
        assert!(!space.contains(space.impossible(), point));
    }
}
