//! Which original port becomes which new one, and what that is in rules.
//!
//! Two questions are asked of a translation of ports: which packets get which new port (in nat,
//! where they still have the old one), and which packets have got theirs (in filter, where they have
//! both: the new one as their own, the old one in their connection).

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::net::{Family, FlagMatch, PortProtocol, Ports, Protocol};
use crate::resolve::policy::Part;
use crate::ruleset::{Conntrack, Match, MatchKind, Target};

use super::layout::Ending;
use super::part::{part_set, source_ports};
use super::set::{Alternative, Set};

/// Parts of traffic with what becomes of their destination port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PortMap {
    family: Family,
    flags: Option<FlagMatch>,
    groups: Vec<Group>,
}

/// Parts that all get the same new port, or all keep theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    parts: Vec<Part>,
    new: Option<u16>,
}

impl PortMap {
    /// `port` is `None` to keep ports, one port for all, or a range that is as long as the ports of
    /// each part: then the first goes to the first, and so on.
    pub(super) fn new(
        family: Family,
        parts: &[Part],
        port: Option<&Ports>,
        flags: Option<FlagMatch>,
    ) -> Self {
        let groups = match port {
            None => vec![Group { parts: parts.to_vec(), new: None }],
            Some(new) => match new.only() {
                Some(port) => {
                    let parts = with_ports(parts).map(Triple::part).collect();
                    vec![Group { parts, new: Some(port) }]
                }
                None => with_ports(parts).flat_map(|triple| one_to_one(&triple, new)).collect(),
            },
        };
        PortMap { family, flags, groups }
    }

    /// Which packets go where: matches on the old ports, and the translation `to` the new one.
    pub(super) fn translations(
        &self,
        to: impl Fn(Option<u16>) -> Target,
    ) -> Vec<(Alternative, Ending)> {
        let entries = self.groups.iter().flat_map(|group| {
            let ending = Ending::from(to(group.new));
            let alternatives = part_set(self.family, &group.parts, self.flags).into_alternatives();
            alternatives.into_iter().map(move |alternative| (alternative, ending.clone()))
        });
        entries.collect()
    }

    /// The packets that were translated so, as filter sees them: the new port, and the old one in
    /// the connection. That is asked for one range at a time; there is no multiport for it.
    pub(super) fn translated(&self) -> Set {
        let groups = self.groups.iter().map(|group| Set::Alternatives(self.pairs(group)));
        Set::any(groups)
    }

    fn pairs(&self, group: &Group) -> Vec<Alternative> {
        let mut ports: BTreeMap<(PortProtocol, &Ports), Vec<(u16, u16)>> = BTreeMap::new();
        let mut others = Vec::new();
        for part in &group.parts {
            match part {
                Part::Ports { protocol, source, destination } => {
                    let known = ports.entry((*protocol, source)).or_default();
                    known.extend(destination.intervals());
                }
                Part::Any | Part::Icmp(_) | Part::Protocol(_) => others.push(part.clone()),
            }
        }
        let mut pairs = part_set(self.family, &others, self.flags).into_alternatives();
        for ((protocol, source), old) in ports {
            if self.flags.is_some() && protocol != PortProtocol::Tcp {
                continue;
            }
            let old = Ports::from_intervals(old);
            for from in source_ports(source) {
                for interval in old.intervals() {
                    let mut pair = vec![Match::from(MatchKind::Protocol(protocol.protocol()))];
                    pair.extend(from.clone());
                    pair.extend(self.flags.map(|flags| MatchKind::TcpFlags(flags).into()));
                    pair.extend(old_and_new(*interval, group.new));
                    pairs.push(pair);
                }
            }
        }
        pairs
    }
}

/// The old port in the connection, the new one (if it is another, that; else the same) in the packet.
fn old_and_new(old: (u16, u16), new: Option<u16>) -> impl Iterator<Item = Match> {
    let every = old == (0, u16::MAX);
    let now = new.map(|port| (port, port)).or((!every).then_some(old));
    let now = now.map(|(low, high)| MatchKind::DestinationPort(low, high).into());
    let then = Conntrack { original_port: Some(old), ..Conntrack::default() };
    now.into_iter().chain((!every).then(|| MatchKind::Conntrack(then).into()))
}

/// A `DNAT` to an address and perhaps a port.
pub(super) fn dnat(address: IpAddr) -> impl Fn(Option<u16>) -> Target {
    move |port| Target::Dnat { address, ports: port.map(|port| (port, port)) }
}

/// A protocol with source and destination ports.
struct Triple {
    protocol: PortProtocol,
    source: Ports,
    destination: Ports,
}

impl Triple {
    fn part(self) -> Part {
        let Triple { protocol, source, destination } = self;
        Part::Ports { protocol, source, destination }
    }
}

/// The parts that have ports; a new port for others means nothing.
fn with_ports(parts: &[Part]) -> impl Iterator<Item = Triple> {
    parts.iter().filter_map(|part| match part {
        Part::Ports { protocol, source, destination } => Some(Triple {
            protocol: *protocol,
            source: source.clone(),
            destination: destination.clone(),
        }),
        Part::Protocol(protocol) => Some(Triple {
            protocol: port_protocol(*protocol)?,
            source: Ports::full(),
            destination: Ports::full(),
        }),
        Part::Any | Part::Icmp(_) => None,
    })
}

fn port_protocol(protocol: Protocol) -> Option<PortProtocol> {
    PortProtocol::ALL.into_iter().find(|known| known.protocol() == protocol)
}

/// The k-th old port to the k-th new one. A range in `--to-destination` would not do: the kernel
/// chooses any port of it.
fn one_to_one(triple: &Triple, new: &Ports) -> Vec<Group> {
    let (&[(old_low, old_high)], &[(new_low, new_high)]) =
        (triple.destination.intervals(), new.intervals())
    else {
        return Vec::new();
    };
    let part = |destination: Ports| {
        vec![Part::Ports { protocol: triple.protocol, source: triple.source.clone(), destination }]
    };
    if old_high - old_low != new_high - new_low {
        return Vec::new();
    }
    if old_low == new_low {
        return vec![Group { parts: part(triple.destination.clone()), new: None }];
    }
    let pairs = (old_low..=old_high).zip(new_low..=new_high);
    pairs.map(|(old, new)| Group { parts: part(Ports::single(old)), new: Some(new) }).collect()
}
