//! Rules in the style of ClassBench (Taylor and Turner, 2007), any number of them, from a seed.
//!
//! Of its three kinds: access lists name hosts and one port; firewalls have many wide rules, of any
//! source or any destination; `ipc` rules are a mixture. Networks are of few large nets, unevenly, so
//! that they nest; a few percent of the rules come to be hidden.

use palisade::net::address::from_number;
use palisade::net::{Addresses, Family, IntervalSet, Ports, Prefix, Protocol};
use palisade::packet::{Constraint, Factor, PacketSet, Product, Random};

/// What rules are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Acl,
    Fw,
    Ipc,
}

impl Kind {
    pub const ALL: [Kind; 3] = [Kind::Acl, Kind::Fw, Kind::Ipc];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Acl => "acl",
            Kind::Fw => "fw",
            Kind::Ipc => "ipc",
        }
    }

    /// Of a hundred rules, how many have any source, any destination, a source port, any
    /// destination port, a range of destination ports.
    fn shares(self) -> [usize; 5] {
        match self {
            Kind::Acl => [5, 1, 0, 15, 20],
            Kind::Fw => [25, 25, 20, 10, 15],
            Kind::Ipc => [10, 5, 15, 20, 10],
        }
    }
}

/// One rule: a set of IPv4 packets, and whether they are accepted.
pub struct Rule {
    pub set: PacketSet,
    pub accept: bool,
}

/// `count` rules.
pub fn rules(kind: Kind, count: usize) -> Vec<Rule> {
    let mut random = Random::new(count as u64);
    (0..count).map(|_| rule(kind, count, &mut random)).collect()
}

fn rule(kind: Kind, count: usize, random: &mut Random) -> Rule {
    let [any_source, any_destination, source_port, any_port, port_range] = kind.shares();
    let mut share = |percent: usize| random.index(100) < percent;
    let any_source = share(any_source);
    let any_destination = !any_source && share(any_destination);
    let [source_port, any_port, port_range] = [share(source_port), share(any_port), share(port_range)];
    // A rule that is wide in one way is narrow in the others: else it hides half of all.
    let wide = any_source || any_destination;
    let mut constraints = Vec::new();
    if !any_source {
        let network = network(kind, count, any_destination, random);
        constraints.push(Constraint::source(Family::V4, &network));
    }
    if !any_destination {
        let network = network(kind, count, any_source, random);
        constraints.push(Constraint::destination(Family::V4, &network));
    }
    let protocol = match random.index(100) {
        0..=64 => Protocol::TCP,
        65..=89 => Protocol::UDP,
        90..=92 if !wide => return finished(constraints, random),
        _ => Protocol::ICMP,
    };
    constraints.push(Constraint::protocol(protocol));
    if protocol != Protocol::ICMP {
        if source_port {
            constraints.push(Constraint::source_port(&Ports::single(port(40, random))));
        }
        if port_range {
            let (low, high) = RANGES[random.index(if wide { 2 } else { RANGES.len() })];
            constraints.push(Constraint::destination_port(&IntervalSet::range(low, high)));
        } else if wide || !any_port {
            constraints.push(Constraint::destination_port(&Ports::single(port(800, random))));
        }
    }
    finished(constraints, random)
}

fn finished(constraints: Vec<Constraint>, random: &mut Random) -> Rule {
    let set = PacketSet::of(Family::V4, Product::of([Factor::all(constraints)]));
    Rule { set, accept: random.one_in(2) }
}

const RANGES: [(u16, u16); 8] = [
    (8_000, 8_099),
    (137, 139),
    (1_024, 65_535),
    (6_000, 6_063),
    (20, 21),
    (0, 1_023),
    (33_434, 33_523),
    (5_900, 5_910),
];

/// One of so many ports, low ones more often.
fn port(most: usize, random: &mut Random) -> u16 {
    let place = random.index(most).min(random.index(most));
    u16::try_from(place * 37 % 65_536).unwrap_or(0)
}

/// A network, or a host, of one of the large nets; large sets of rules know more of them.
fn network(kind: Kind, count: usize, host: bool, random: &mut Random) -> Addresses {
    let lengths: &[u8] = match kind {
        _ if host => &[32, 32, 32, 30],
        Kind::Acl => &[32, 32, 32, 32, 32, 32, 30, 30, 28, 27, 24],
        Kind::Fw => &[32, 32, 32, 31, 30, 29, 28, 27, 26, 24, 24, 22, 20],
        Kind::Ipc => &[32, 32, 32, 32, 30, 28, 24, 24, 22],
    };
    let length = *random.pick(lengths).unwrap_or(&32);
    let nets = 24 + count / 1_000;
    // Which of them it is decides the upper 16 bits; multiplying spreads them over all addresses.
    let net = random.index(nets).min(random.index(nets)) as u64 * 40_503 % 65_536;
    let site = random.index(256).min(random.index(256)) as u64;
    let number = u128::from(net << 16 | site << 8 | random.bits() & 0xff);
    let prefix = Prefix::containing(from_number(Family::V4, number), length);
    prefix.map_or_else(Addresses::full, Into::into)
}
