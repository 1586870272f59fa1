//! Which original ports become which new one, and what that is in rules.
//!
//! Two questions are asked of a translation of ports: which packets get which new port (in nat,
//! where they still have the old one), and which packets have got theirs (in filter, where they have
//! both: the new one as their own, the old one in their connection). Those that went to the new port already
//! are left as they are, and conntrack does not call them translated (`nf_nat_core.c`).

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
    parts: Vec<Part>,
    /// The new port; `None` keeps the old one.
    new: Option<u16>,
}

impl PortMap {
    pub(super) fn new(
        family: Family,
        parts: &[Part],
        new: Option<u16>,
        flags: Option<FlagMatch>,
    ) -> Self {
        let parts = match new {
            None => parts.to_vec(),
            Some(_) => parts.iter().filter_map(with_ports).collect(),
        };
        PortMap { family, flags, parts, new }
    }

    /// Which packets go where: matches on the old ports, and the translation `to` the new one.
    pub(super) fn translations(
        &self,
        to: impl Fn(Option<u16>) -> Target,
    ) -> Vec<(Alternative, Ending)> {
        let ending = Ending::from(to(self.new));
        let alternatives = part_set(self.family, &self.parts, self.flags).into_alternatives();
        alternatives.into_iter().map(|alternative| (alternative, ending.clone())).collect()
    }

    /// The packets that were translated so, as filter sees them: the new port, and the old one in
    /// the connection. That is asked for one range at a time; there is no multiport for it.
    pub(super) fn translated(&self) -> Set {
        Set::Alternatives(self.pairs(|old| Some(old_and_new(old, self.new).collect())))
    }

    /// The same without those to a range whose packets all have [`PortMap::kept`] their port.
    pub(super) fn changed(&self) -> Set {
        let Some(new) = self.new else { return Set::Alternatives(Vec::new()) };
        let changed =
            |old| (old != (new, new)).then(|| old_and_new(old, self.new).collect::<Alternative>());
        Set::Alternatives(self.pairs(changed))
    }

    /// The packets whose port stays what it is.
    pub(super) fn kept(&self) -> Set {
        let kept = self.parts.iter().filter_map(|part| match (part, self.new) {
            (part, None) => Some(part.clone()),
            (Part::Ports { protocol, source, destination }, Some(new)) => {
                destination.contains(new).then(|| Part::Ports {
                    protocol: *protocol,
                    source: source.clone(),
                    destination: Ports::single(new),
                })
            }
            (Part::Any | Part::Icmp(_) | Part::Protocol(_), Some(_)) => None,
        });
        part_set(self.family, &kept.collect::<Vec<_>>(), self.flags)
    }

    /// The parts, each range of old ports with the matches that `ports_of` has for it.
    fn pairs(&self, ports_of: impl Fn((u16, u16)) -> Option<Alternative>) -> Vec<Alternative> {
        let mut ports: BTreeMap<(PortProtocol, &Ports), Vec<(u16, u16)>> = BTreeMap::new();
        let mut others = Vec::new();
        for part in &self.parts {
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
                for ports in old.intervals().iter().filter_map(|old| ports_of(*old)) {
                    let mut pair = vec![Match::from(MatchKind::Protocol(protocol.protocol()))];
                    pair.extend(from.clone());
                    pair.extend(self.flags.map(|flags| MatchKind::TcpFlags(flags).into()));
                    pair.extend(ports);
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
    now.into_iter().chain((!every).then(|| originally_to(old)))
}

/// The packets of connections that were of these parts before somebody else translated them.
pub(super) fn original_part_set(family: Family, parts: &[Part], flags: Option<FlagMatch>) -> Set {
    let map = PortMap::new(family, parts, None, flags);
    let is_any = parts.contains(&Part::Any) && flags.is_none();
    let old = |old| Some(if old == (0, u16::MAX) { Vec::new() } else { vec![originally_to(old)] });
    if is_any { Set::always() } else { Set::Alternatives(map.pairs(old)) }
}

fn originally_to(ports: (u16, u16)) -> Match {
    let asked = Conntrack { original_port: Some(ports), ..Conntrack::default() };
    MatchKind::Conntrack(asked).into()
}

/// A `DNAT` to an address and perhaps a port.
pub(super) fn dnat(address: IpAddr) -> impl Fn(Option<u16>) -> Target {
    move |port| Target::Dnat { address, ports: port.map(|port| (port, port)) }
}

/// A part as one with ports; a new port for one without means nothing.
fn with_ports(part: &Part) -> Option<Part> {
    match part {
        Part::Ports { .. } => Some(part.clone()),
        Part::Protocol(protocol) => Some(Part::Ports {
            protocol: port_protocol(*protocol)?,
            source: Ports::full(),
            destination: Ports::full(),
        }),
        Part::Any | Part::Icmp(_) => None,
    }
}

fn port_protocol(protocol: Protocol) -> Option<PortProtocol> {
    PortProtocol::ALL.into_iter().find(|known| known.protocol() == protocol)
}
