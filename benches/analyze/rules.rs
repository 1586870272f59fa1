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

/// What a rule is about. Networks are an address with its host bits and a length.
#[derive(Clone, Copy)]
struct Draft {
    source: Option<(u32, u8)>,
    destination: Option<(u32, u8)>,
    protocol: Option<Protocol>,
    source_port: Option<u16>,
    ports: Option<(u16, u16)>,
}

/// `count` rules. Of a hundred, two are a part of an earlier rule, and some are a network whose
/// halves were named just before.
pub fn rules(kind: Kind, count: usize) -> Vec<Rule> {
    let mut random = Random::new(count as u64);
    let mut drafts: Vec<Draft> = Vec::with_capacity(count + 2);
    while drafts.len() < count {
        let earlier = random.pick(&drafts).copied();
        match (random.index(100), earlier) {
            (0 | 1, Some(earlier)) => drafts.push(earlier.part(&mut random)),
            (percent, _) => {
                let fresh = draft(kind, count, &mut random);
                let has_halves = fresh.destination.is_some_and(|(_, length)| length < 32);
                if percent < 4 && has_halves {
                    drafts.extend([fresh.half(0), fresh.half(1)]);
                }
                drafts.push(fresh);
            }
        }
    }
    drafts.truncate(count);
    drafts.into_iter().map(|draft| draft.rule(random.one_in(2))).collect()
}

impl Draft {
    /// The same of a smaller network.
    fn part(mut self, random: &mut Random) -> Self {
        for (address, length) in [&mut self.source, &mut self.destination].into_iter().flatten() {
            let longer = (*length + 4).min(32);
            *address ^= u32::try_from(random.within(0, 255)).unwrap_or(0) & host_bits(*length);
            *length = longer;
        }
        self
    }

    /// The same of the lower or upper half of the destination.
    fn half(mut self, side: u32) -> Self {
        if let Some((address, length)) = &mut self.destination {
            *length += 1;
            *address = *address & !(1 << (32 - *length)) | side << (32 - *length);
        }
        self
    }

    fn rule(self, accept: bool) -> Rule {
        let addresses = |(address, length): (u32, u8)| {
            let prefix = Prefix::containing(from_number(Family::V4, address.into()), length);
            prefix.map_or_else(Addresses::full, Into::into)
        };
        let constraints = [
            self.source.map(|net| Constraint::source(Family::V4, &addresses(net))),
            self.destination.map(|net| Constraint::destination(Family::V4, &addresses(net))),
            self.protocol.map(Constraint::protocol),
            self.source_port.map(|port| Constraint::source_port(&Ports::single(port))),
            self.ports
                .map(|(low, high)| Constraint::destination_port(&IntervalSet::range(low, high))),
        ];
        let factor = Factor::all(constraints.into_iter().flatten());
        Rule { set: PacketSet::of(Family::V4, Product::of([factor])), accept }
    }
}

fn host_bits(length: u8) -> u32 {
    u32::MAX.checked_shr(length.into()).unwrap_or(0)
}

fn draft(kind: Kind, count: usize, random: &mut Random) -> Draft {
    let [any_source, any_destination, source_port, any_port, port_range] = kind.shares();
    let mut share = |percent: usize| random.index(100) < percent;
    let any_source = share(any_source);
    let any_destination = !any_source && share(any_destination);
    let [source_port, any_port, port_range] =
        [share(source_port), share(any_port), share(port_range)];
    // A rule that is wide in one way is narrow in the others: else it hides half of all.
    let wide = any_source || any_destination;
    let source = (!any_source).then(|| network(kind, count, any_destination, random));
    let destination = (!any_destination).then(|| network(kind, count, any_source, random));
    let protocol = match random.index(100) {
        0..=64 => Some(Protocol::TCP),
        65..=89 => Some(Protocol::UDP),
        90..=92 if !wide => None,
        _ => Some(Protocol::ICMP),
    };
    let has_ports = protocol.is_some_and(|protocol| protocol != Protocol::ICMP);
    let ports = if !has_ports {
        None
    } else if port_range {
        Some(RANGES[random.index(if wide { 2 } else { RANGES.len() })])
    } else {
        let port = port(800, random);
        (wide || !any_port).then_some((port, port))
    };
    let source_port = (has_ports && source_port).then(|| port(40, random));
    Draft { source, destination, protocol, source_port, ports }
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
fn network(kind: Kind, count: usize, host: bool, random: &mut Random) -> (u32, u8) {
    let lengths: &[u8] = match kind {
        _ if host => &[32, 32, 32, 30],
        Kind::Acl => &[32, 32, 32, 32, 32, 32, 30, 30, 28, 27, 24],
        Kind::Fw => &[32, 32, 32, 31, 30, 29, 28, 27, 26, 24, 24, 22, 20],
        Kind::Ipc => &[32, 32, 32, 32, 30, 28, 24, 24, 22],
    };
    let length = *random.pick(lengths).unwrap_or(&32);
    let nets = 24 + count / 1_000;
    let mut below = |limit: usize| random.index(limit).min(random.index(limit)) as u128;
    // Which net it is decides the upper 16 bits; multiplying spreads them over all addresses.
    let (net, site) = (below(nets) * 40_503 % 65_536, below(256));
    let number = net << 16 | site << 8 | random.within(0, 255);
    (u32::try_from(number).unwrap_or(0), length)
}
