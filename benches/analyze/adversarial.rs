//! Rules made to be hard: many small ones that hide a large one together, or all but one packet of
//! it. The last rule of each list is the one in question.

use palisade::net::{Addresses, Family, IntervalSet, Ports, Protocol};
use palisade::packet::{Constraint, Factor, PacketSet, Product, Random};

/// How many small rules there are in the lists.
pub const SMALL: u32 = 65_536;

/// 10.1.0.0, as a number.
pub const NET: u32 = 0x0a01_0000;

fn set(constraints: impl IntoIterator<Item = Constraint>) -> PacketSet {
    PacketSet::of(Family::V4, Product::of([Factor::all(constraints)]))
}

fn addresses(low: u32, high: u32) -> Addresses {
    Addresses::range(Family::V4, low.into(), high.into())
}

/// A network of 65,536 hosts, hidden by all of them but those that are missing.
pub fn hosts(missing: Option<u16>) -> Vec<PacketSet> {
    let host =
        |host: u32| set([Constraint::source(Family::V4, &addresses(NET + host, NET + host))]);
    // In an order without order: an odd number times all hosts is all hosts.
    let places = (0..SMALL).map(|place| place.wrapping_mul(40_503) % SMALL);
    let hosts = places.filter(|host| missing.is_none_or(|missing| u32::from(missing) != *host));
    let net = set([Constraint::source(Family::V4, &addresses(NET, NET + SMALL - 1))]);
    hosts.map(host).chain([net]).collect()
}

/// All ports of tcp, hidden by a rule for each port but one.
pub fn ports(free: u16) -> Vec<PacketSet> {
    let tcp = || Constraint::protocol(Protocol::TCP);
    let taken = (0..=u16::MAX).filter(|port| *port != free);
    let one = |port| set([tcp(), Constraint::destination_port(&Ports::single(port))]);
    taken.map(one).chain([set([tcp()])]).collect()
}

/// All of tcp, cut into 16 slices by source address, each of them in 16 by destination at places of its
/// own, and so on by both ports: 65,536 boxes that fit without a gap and hardly share a border.
pub fn tiling(missing: Option<usize>) -> Vec<PacketSet> {
    let mut random = Random::new(4);
    let mut tiles = Vec::new();
    let borders = |highest: u128, random: &mut Random| {
        let mut cuts: Vec<u128> = (1..16)
            .map(|slice| {
                let middle = highest / 16 * slice;
                random.within(middle - highest / 40, middle + highest / 40)
            })
            .collect();
        cuts.push(highest + 1);
        let starts = std::iter::once(0).chain(cuts.clone());
        starts.zip(cuts).map(|(low, next)| (low, next - 1)).collect::<Vec<_>>()
    };
    let addresses = |(low, high)| Addresses::range(Family::V4, low, high);
    let ports = |(low, high): (u128, u128)| {
        let narrow = |port: u128| u16::try_from(port).unwrap_or(u16::MAX);
        IntervalSet::range(narrow(low), narrow(high))
    };
    for source in borders(u32::MAX.into(), &mut random) {
        for destination in borders(u32::MAX.into(), &mut random) {
            for from_port in borders(u16::MAX.into(), &mut random) {
                for to_port in borders(u16::MAX.into(), &mut random) {
                    tiles.push(set([
                        Constraint::protocol(Protocol::TCP),
                        Constraint::source(Family::V4, &addresses(source)),
                        Constraint::destination(Family::V4, &addresses(destination)),
                        Constraint::source_port(&ports(from_port)),
                        Constraint::destination_port(&ports(to_port)),
                    ]));
                }
            }
        }
    }
    if let Some(missing) = missing {
        tiles.remove(missing);
    }
    tiles.push(set([Constraint::protocol(Protocol::TCP)]));
    tiles
}

/// Rules that each have most of all addresses and ports, so that all overlap; they never meet in the
/// corners, so none is hidden and neither is the last, which has all.
pub fn wide(count: usize) -> Vec<PacketSet> {
    let mut random = Random::new(5);
    let mut part = |highest: u128| {
        let low = random.within(0, highest / 4);
        (low, random.within(highest / 4 * 3, highest))
    };
    let rules = (0..count).map(|_| {
        let addresses = |(low, high)| Addresses::range(Family::V4, low, high);
        let ports = |(low, high): (u128, u128)| {
            let narrow = |port: u128| u16::try_from(port).unwrap_or(u16::MAX);
            IntervalSet::range(narrow(low), narrow(high))
        };
        set([
            Constraint::protocol(Protocol::TCP),
            Constraint::source(Family::V4, &addresses(part(u32::MAX.into()))),
            Constraint::destination(Family::V4, &addresses(part(u32::MAX.into()))),
            Constraint::source_port(&ports(part(u16::MAX.into()))),
            Constraint::destination_port(&ports(part(u16::MAX.into()))),
        ])
    });
    let mut rules: Vec<PacketSet> = rules.collect();
    rules.push(set([Constraint::protocol(Protocol::TCP)]));
    rules
}
