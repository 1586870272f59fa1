//! Kinds of traffic → matches on protocol, ports and ICMP types.

use std::collections::{BTreeMap, BTreeSet};

use crate::net::{Family, FlagMatch, IcmpType, PortProtocol, Ports, Protocol};
use crate::resolve::policy::Part;
use crate::ruleset::{MULTIPORT_SLOTS, Match, MatchKind};

use super::set::{Alternative, Set};

/// The packets of any of the parts; with `flags` only tcp packets that have them.
///
/// Parts that cannot occur in the family are left out. Ports of one protocol are put together, and
/// split again to what one multiport match takes.
pub(super) fn part_set(family: Family, parts: &[Part], flags: Option<FlagMatch>) -> Set {
    if let ([Part::Ports { protocol, source, destination }], None) = (parts, flags) {
        // By far the most frequent case.
        return Set::Alternatives(port_alternatives(*protocol, source, destination));
    }
    let merged = Merged::of(family, parts, flags.is_some());
    if merged.any {
        return Set::always();
    }
    let mut alternatives: Vec<Alternative> =
        merged.whole.iter().map(|protocol| vec![MatchKind::Protocol(*protocol).into()]).collect();
    for (protocol, source, destination) in &merged.ports {
        alternatives.extend(port_alternatives(*protocol, source, destination));
    }
    for icmp in &merged.icmp {
        let protocol = MatchKind::Protocol(Protocol::icmp(icmp.family));
        alternatives.push(vec![protocol.into(), MatchKind::Icmp(*icmp).into()]);
    }
    for alternative in &mut alternatives {
        alternative.extend(flags.map(|flags| Match::from(MatchKind::TcpFlags(flags))));
    }
    Set::Alternatives(alternatives)
}

/// Every pair of source and destination ports of a protocol, a multiport match a side.
pub(super) fn port_alternatives(
    protocol: PortProtocol,
    source: &Ports,
    destination: &Ports,
) -> Vec<Alternative> {
    if let (true, &[(low, high)]) = (source.is_full(), destination.intervals())
        && !destination.is_full()
    {
        let protocol = MatchKind::Protocol(protocol.protocol()).into();
        return vec![vec![protocol, MatchKind::DestinationPort(low, high).into()]];
    }
    let mut alternatives = Vec::new();
    for from in source_ports(source) {
        for to in destination_ports(destination) {
            let ports = from.iter().chain(&to).cloned();
            let protocol = Match::from(MatchKind::Protocol(protocol.protocol()));
            alternatives.push([protocol].into_iter().chain(ports).collect());
        }
    }
    alternatives
}

/// The alternatives of a set of source ports: no match at all for every port.
pub(super) fn source_ports(ports: &Ports) -> Vec<Option<Match>> {
    port_matches(ports, MatchKind::SourcePort, MatchKind::SourcePorts)
}

fn destination_ports(ports: &Ports) -> Vec<Option<Match>> {
    port_matches(ports, MatchKind::DestinationPort, MatchKind::DestinationPorts)
}

fn port_matches(
    ports: &Ports,
    one: fn(u16, u16) -> MatchKind,
    several: fn(Vec<(u16, u16)>) -> MatchKind,
) -> Vec<Option<Match>> {
    if ports.is_full() {
        return vec![None];
    }
    let to_match = |intervals: Vec<(u16, u16)>| match intervals[..] {
        [(low, high)] => Some(one(low, high).into()),
        _ => Some(several(intervals).into()),
    };
    fill_slots(ports).into_iter().map(to_match).collect()
}

/// Port intervals in as few groups as possible, each of at most 15 slots, a range taking two.
///
/// Intervals stay in order, but for one thing: a slot that is left where a range does not fit is
/// filled with the next single port, or half a range of two ports.
fn fill_slots(ports: &Ports) -> Vec<Vec<(u16, u16)>> {
    let slots = |(low, high): (u16, u16)| if low == high { 1 } else { 2 };
    let total: usize = ports.intervals().iter().map(|interval| slots(*interval)).sum();
    if total <= MULTIPORT_SLOTS {
        return if total == 0 { Vec::new() } else { vec![ports.intervals().to_vec()] };
    }
    let mut groups = Vec::new();
    let mut group: Vec<(u16, u16)> = Vec::new();
    let mut used = 0;
    let mut waiting: Vec<(u16, u16)> = ports.intervals().iter().rev().copied().collect();
    while let Some(next) = waiting.pop() {
        if used + slots(next) <= MULTIPORT_SLOTS {
            used += slots(next);
            group.push(next);
            continue;
        }
        waiting.push(next);
        if used < MULTIPORT_SLOTS {
            // One slot is left, and a range is next.
            if let Some(at) = waiting.iter().rposition(|(low, high)| high - low <= 1) {
                let (low, high) = waiting[at];
                if low == high {
                    waiting.remove(at);
                } else {
                    waiting[at] = (high, high);
                }
                group.push((low, low));
            }
        }
        groups.push(std::mem::take(&mut group));
        used = 0;
    }
    if !group.is_empty() {
        groups.push(group);
    }
    groups
}

/// Parts of one family, put together where they are of one kind.
#[derive(Default)]
struct Merged {
    any: bool,
    whole: BTreeSet<Protocol>,
    ports: Vec<(PortProtocol, Ports, Ports)>,
    icmp: BTreeSet<IcmpType>,
}

impl Merged {
    fn of(family: Family, parts: &[Part], tcp_only: bool) -> Self {
        let mut merged = Merged::default();
        let mut by_source: BTreeMap<(PortProtocol, &Ports), Vec<(u16, u16)>> = BTreeMap::new();
        for part in parts.iter().filter(|part| part.families().contains(family)) {
            match part {
                Part::Any if tcp_only => drop(merged.whole.insert(Protocol::TCP)),
                Part::Any => merged.any = true,
                Part::Protocol(protocol) => drop(merged.whole.insert(*protocol)),
                Part::Icmp(icmp) => drop(merged.icmp.insert(*icmp)),
                Part::Ports { protocol, source, destination } => {
                    let known = by_source.entry((*protocol, source)).or_default();
                    known.extend(destination.intervals());
                }
            }
        }
        let mut by_destination: BTreeMap<(PortProtocol, Ports), Vec<(u16, u16)>> = BTreeMap::new();
        for ((protocol, source), destination) in by_source {
            let key = (protocol, Ports::from_intervals(destination));
            by_destination.entry(key).or_default().extend(source.intervals());
        }
        for ((protocol, destination), source) in by_destination {
            let source = Ports::from_intervals(source);
            if source.is_full() && destination.is_full() {
                merged.whole.insert(protocol.protocol());
            } else {
                merged.ports.push((protocol, source, destination));
            }
        }
        merged.drop_covered(tcp_only);
        merged
    }

    fn drop_covered(&mut self, tcp_only: bool) {
        if tcp_only {
            self.whole.retain(|protocol| *protocol == Protocol::TCP);
            self.icmp.clear();
            self.ports.retain(|(protocol, ..)| *protocol == PortProtocol::Tcp);
        }
        let whole = &self.whole;
        self.ports.retain(|(protocol, ..)| !whole.contains(&protocol.protocol()));
        self.icmp.retain(|icmp| !whole.contains(&Protocol::icmp(icmp.family)));
        let every_code: BTreeSet<(Family, u8)> = self
            .icmp
            .iter()
            .filter(|icmp| icmp.code.is_none())
            .map(|icmp| (icmp.family, icmp.kind))
            .collect();
        self.icmp
            .retain(|icmp| icmp.code.is_none() || !every_code.contains(&(icmp.family, icmp.kind)));
    }
}
