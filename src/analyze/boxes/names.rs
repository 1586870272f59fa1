//! Things by the names that a policy has for them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Readable, is_all, is_any_interface};
use crate::analyze::flat::FIRST_FRAGMENT;
use crate::analyze::passage::{GROUPS, networks};
use crate::analyze::promise::sets::opening_types;
use crate::net::address::from_number;
use crate::net::{
    Account, Addresses, CtState, Family, Interface, IntervalSet, PortProtocol, Prefix, Protocol,
};
use crate::packet::{Among, Asks, Budget, Field, Packet, Question, Region, Space, Verdict};
use crate::resolve::Policy;

/// So many members of a list are written out.
const MOST_LISTED: usize = 8;

/// The names that a policy has for things of a family.
pub struct Names<'p> {
    policy: &'p Policy,
    pub family: Family,
    /// Addresses that no packet on a wire has, so that it is no difference whether they are in a set.
    martians: IntervalSet<u128>,
    /// By the addresses, those of no packet too, and the interfaces.
    ends: BTreeMap<End, &'p str>,
    /// Those that are addresses alone, without those of no packet.
    lists: BTreeMap<IntervalSet<u128>, &'p str>,
}

/// What a zone or a list is.
type End = (Option<IntervalSet<u128>>, Option<BTreeSet<Interface>>);

impl<'p> Names<'p> {
    #[must_use]
    pub fn of(policy: &'p Policy, family: Family) -> Self {
        let martians = martians(family);
        let (mut ends, mut lists) = (BTreeMap::new(), BTreeMap::new());
        for zone in policy.zones.iter().chain(&policy.vocabulary.lists) {
            let nets = zone.nets.as_ref().map(|nets| numbers(nets, family).union(&martians));
            let interfaces = zone.interfaces.as_ref();
            let interfaces = interfaces.map(|own| own.iter().cloned().collect());
            ends.entry((nets, interfaces)).or_insert(&*zone.name);
        }
        for zone in policy.vocabulary.lists.iter().chain(&policy.zones) {
            let nets = zone.nets.as_ref().filter(|_| zone.interfaces.is_none());
            let own = nets.map(|nets| numbers(nets, family).difference(&martians));
            if let Some(own) = own.filter(|own| !own.is_empty()) {
                lists.entry(own).or_insert(&*zone.name);
            }
        }
        Names { policy, family, martians, ends, lists }
    }

    /// What a box asks, without what makes no difference: addresses that no packet has, types of ICMP that open
    /// nothing, the port that was kept.
    pub(super) fn plain(&self, asks: &[Asks]) -> Vec<Asks> {
        let ports = |wanted: Field| {
            asks.iter().find_map(|asks| match asks {
                Asks::Numbers(field, set) if *field == wanted => Some(set.clone()),
                _ => None,
            })
        };
        let is_kept = ports(Field::DestinationPort) == ports(Field::OriginalPort);
        let martians = &self.martians;
        let one = |asks: Asks| match asks {
            Asks::Numbers(Field::OriginalPort, _) if is_kept => None,
            Asks::Numbers(field, set) => {
                let wide = match field {
                    Field::Source | Field::Destination | Field::OriginalDestination
                        if !set.is_subset(martians) =>
                    {
                        set.union(martians)
                    }
                    Field::Icmp => set.union(&self.opening_nothing()),
                    // Of ICMP only the family's own opens a connection.
                    Field::Protocol => set.union(&IntervalSet::single(match self.family {
                        Family::V4 => Protocol::ICMPV6.number().into(),
                        Family::V6 => Protocol::ICMP.number().into(),
                    })),
                    _ => set,
                };
                (!is_all(field, &wide, self.family)).then_some(Asks::Numbers(field, wide))
            }
            asks @ (Asks::Names { .. }
            | Asks::Mark { .. }
            | Asks::Accounts { .. }
            | Asks::Fact { .. }) => (!is_any_interface(&asks)).then_some(asks),
        };
        asks.iter().cloned().filter_map(one).collect()
    }

    /// The types of ICMP with which no connection begins.
    fn opening_nothing(&self) -> IntervalSet<u128> {
        let kinds = opening_types(self.family).iter();
        let codes = kinds.map(|kind| {
            let first = u128::from(*kind) << 8;
            (first, first + 0xff)
        });
        IntervalSet::from_intervals(codes).complement().intersection(&IntervalSet::range(0, 0xffff))
    }

    pub(super) fn readable(&self, space: &Space, own: &Region, asks: &[Asks]) -> Option<Readable> {
        let numbers = |wanted: Field| {
            asks.iter().find_map(|asks| match asks {
                Asks::Numbers(field, set) if *field == wanted => Some(set),
                _ => None,
            })
        };
        let names = |wanted: Field| {
            asks.iter().find(|asks| matches!(asks, Asks::Names { field, .. } if *field == wanted))
        };
        let mut more = Vec::new();
        for one in asks {
            more.extend(self.further(one));
        }
        Some(Readable {
            family: self.family,
            what: self.what(&numbers),
            from: self.end(numbers(Field::Source), names(Field::Incoming), "in"),
            to: self.end(numbers(Field::Destination), names(Field::Outgoing), "out"),
            more,
            example: example(space, own)?,
        })
    }

    /// The kind of traffic: `tcp 22 (ssh)`.
    fn what<'a>(&self, numbers: &dyn Fn(Field) -> Option<&'a IntervalSet<u128>>) -> String {
        let Some(protocols) = numbers(Field::Protocol) else { return "any".to_owned() };
        let other = match self.family {
            Family::V4 => Protocol::ICMPV6,
            Family::V6 => Protocol::ICMP,
        };
        let protocols = &protocols.difference(&IntervalSet::single(other.number().into()));
        let known = |number: u128| {
            u8::try_from(number).ok().and_then(Protocol::new).map_or_else(
                || number.to_string(),
                |one| one.name().map_or_else(|| number.to_string(), str::to_owned),
            )
        };
        let count: u128 = protocols.intervals().iter().map(|(low, high)| high - low + 1).sum();
        if count > 16 {
            let missing = protocols.complement();
            let missing = missing.intersection(&IntervalSet::range(1, u8::MAX.into()));
            let missing = missing.difference(&IntervalSet::single(other.number().into()));
            let missing = list(&missing, &known);
            return if missing.is_empty() {
                "any".to_owned()
            } else {
                format!("any but {missing}")
            };
        }
        let all = protocols.intervals().iter().flat_map(|(low, high)| *low..=*high);
        let all: Vec<u128> = all.collect();
        let words: Vec<String> = all.iter().map(|number| known(*number)).collect();
        let mut text = words.join("/");
        if let Some(ports) = numbers(Field::DestinationPort) {
            text += &format!(" {}", self.ports(&all, ports));
        } else if let Some(kinds) = numbers(Field::Icmp) {
            let kinds = kinds.difference(&self.opening_nothing());
            let all = kinds.intervals().iter().map(|(low, high)| match (low >> 8, high >> 8) {
                (first, last)
                    if first == last && low.trailing_zeros() >= 8 && high & 0xff == 0xff =>
                {
                    first.to_string()
                }
                (first, _) if low == high => format!("{first}/{}", low & 0xff),
                (first, last) => format!("{first}/{}-{last}/{}", low & 0xff, high & 0xff),
            });
            text += &format!(" {}", shortened(&all.collect::<Vec<_>>()));
        } else if all.iter().all(|number| [6, 17, 132].contains(number)) {
            text += " any";
        }
        if let Some(ports) = numbers(Field::SourcePort) {
            text += &format!(" from port {}", list(ports, &|number| number.to_string()));
        }
        text
    }

    /// Ports, with the services that they are.
    fn ports(&self, protocols: &[u128], ports: &IntervalSet<u128>) -> String {
        let text = list(ports, &|number| number.to_string());
        let services = self.policy.vocabulary.services.iter().filter(|(_, protocol, own)| {
            let of = |one: PortProtocol| u128::from(one.protocol().number());
            let wide = own.intervals().iter().map(|(low, high)| ((*low).into(), (*high).into()));
            let own: IntervalSet<u128> = IntervalSet::from_intervals(wide);
            protocols == [of(*protocol)] && own.is_subset(ports)
        });
        let services: Vec<_> = services.collect();
        let all = services.iter().fold(IntervalSet::from_intervals([]), |all, (_, _, own)| {
            let wide = own.intervals().iter().map(|(low, high)| ((*low).into(), (*high).into()));
            all.union(&IntervalSet::from_intervals(wide))
        });
        let names: Vec<&str> = services.iter().map(|(name, ..)| &**name).collect();
        // Names that tell but a part of the ports tell nothing.
        if names.is_empty() || all != *ports {
            text
        } else {
            format!("{text} ({})", names.join(", "))
        }
    }

    /// One end: a zone where it is one, else addresses and interfaces.
    fn end(
        &self,
        addresses: Option<&IntervalSet<u128>>,
        interfaces: Option<&Asks>,
        word: &str,
    ) -> Option<String> {
        let inside = match interfaces {
            None => Some(None),
            Some(Asks::Names { named, others: false, .. }) => {
                Some(Some(named.iter().cloned().collect()))
            }
            Some(_) => None,
        };
        let end = inside.map(|inside| (addresses.cloned(), inside));
        if let Some(name) = end.and_then(|end| self.ends.get(&end)) {
            return Some((*name).to_owned());
        }
        let behind = interfaces.and_then(|asks| names_text(asks, word));
        let at = addresses.map(|set| self.addresses_text(set));
        match (at, behind) {
            (None, None) => None,
            (Some(at), None) => Some(at),
            (None, Some(behind)) => Some(format!("any {behind}")),
            (Some(at), Some(behind)) => Some(format!("{at} {behind}")),
        }
    }

    /// By the name of a list that they are, or all but a list; else the networks.
    fn addresses_text(&self, set: &IntervalSet<u128>) -> String {
        let martians = &self.martians;
        if set.is_subset(martians) {
            return shortened(&self.networks(set));
        }
        let everything = IntervalSet::range(0, Field::Source.highest(self.family));
        let (own, others) = (set.difference(martians), everything.difference(set));
        if let Some(name) = self.lists.get(&own) {
            return (*name).to_owned();
        }
        if let Some(name) = self.lists.get(&others) {
            return format!("any except {name}");
        }
        let (few, but) = (self.networks(&own), self.networks(&others));
        if but.len() < few.len() {
            format!("any except {}", shortened(&but))
        } else {
            shortened(&few)
        }
    }

    fn networks(&self, set: &IntervalSet<u128>) -> Vec<String> {
        let one = |(low, high): &(u128, u128)| {
            let (first, last) = (from_number(self.family, *low), from_number(self.family, *high));
            match Prefix::spanning(self.family, *low, *high) {
                _ if low == high => first.to_string(),
                Some(prefix) => prefix.to_string(),
                None => format!("{first}-{last}"),
            }
        };
        set.intervals().iter().map(one).collect()
    }

    /// What is neither an end nor the kind of traffic.
    fn further(&self, asks: &Asks) -> Option<String> {
        let text = |set: &IntervalSet<u128>| list(set, &|number| number.to_string());
        match asks {
            // Packets are whole unless more is said.
            Asks::Fact { text, holds } if **text == *FIRST_FRAGMENT => {
                (!holds).then(|| "later fragments".to_owned())
            }
            Asks::Fact { text, holds: true } => Some(text.to_string()),
            Asks::Fact { text, holds: false } => Some(format!("not {text}")),
            Asks::Mark { mask, values, others: false, .. } => {
                let values: Vec<String> = values.iter().map(|one| format!("{one:#x}")).collect();
                Some(format!("mark {}/{mask:#x}", values.join(" or ")))
            }
            Asks::Accounts { field, named, others } => {
                let word = if *field == Field::User { "user" } else { "group" };
                let names: Vec<String> = named.iter().map(account).collect();
                (!others).then(|| format!("{word} {}", names.join(", ")))
            }
            Asks::Numbers(field, set) => match field {
                Field::OriginalDestination => {
                    Some(format!("first sent to {}", self.addresses_text(set)))
                }
                Field::OriginalPort => Some(format!("first sent to port {}", text(set))),
                Field::Length => Some(format!("length {}", text(set))),
                Field::Ttl => Some(format!("ttl {}", text(set))),
                Field::Dscp => Some(format!("dscp {}", text(set))),
                Field::Mac => Some("of some Ethernet addresses".to_owned()),
                Field::State => Some(states(set)),
                Field::Flags => Some("with some flags".to_owned()),
                Field::Incoming
                | Field::Outgoing
                | Field::Source
                | Field::Destination
                | Field::Protocol
                | Field::SourcePort
                | Field::DestinationPort
                | Field::Icmp
                | Field::Translated
                | Field::ToLocal
                | Field::Mark
                | Field::ConnectionMark
                | Field::User
                | Field::Group
                | Field::Opaque => None,
            },
            Asks::Mark { .. } | Asks::Names { .. } => None,
        }
    }
}

fn numbers(addresses: &Addresses, family: Family) -> IntervalSet<u128> {
    IntervalSet::from_intervals(addresses.intervals(family))
}

fn martians(family: Family) -> IntervalSet<u128> {
    let nets = ["0.0.0.0/8", "127.0.0.0/8", "::/128", "::1/128", "fe80::/10"];
    numbers(&networks(&nets).union(&networks(&GROUPS)), family)
}

fn account(account: &Account) -> String {
    match account {
        Account::Number(number) => number.to_string(),
        Account::Name(name) => (**name).to_owned(),
    }
}

/// `in eth0, eth1`; others are all that have no name here.
fn names_text(asks: &Asks, word: &str) -> Option<String> {
    let Asks::Names { named, not, others, .. } = asks else { return None };
    let text = |names: &[Interface]| -> String {
        let lo = Interface::loopback();
        let names = names.iter().filter(|name| !others || **name != lo);
        shortened(&names.map(ToString::to_string).collect::<Vec<_>>())
    };
    if *others {
        return Some(format!("{word} any interface but {}", text(not)));
    }
    (!named.is_empty()).then(|| format!("{word} {}", text(named)))
}

/// `22, 80-89`
fn list(set: &IntervalSet<u128>, one: &dyn Fn(u128) -> String) -> String {
    let text = |(low, high): &(u128, u128)| {
        if low == high { one(*low) } else { format!("{}-{}", one(*low), one(*high)) }
    };
    shortened(&set.intervals().iter().map(text).collect::<Vec<_>>())
}

fn shortened(members: &[String]) -> String {
    if members.len() <= MOST_LISTED {
        return members.join(", ");
    }
    let more = members.len() - MOST_LISTED;
    format!("{} and {more} more", members[..MOST_LISTED].join(", "))
}

/// A packet of a region.
fn example(space: &Space, region: &Region) -> Option<Packet> {
    let index = space.nature();
    let question = Question { region, among: Among::ALL, seed: 0, budget: Budget::default() };
    match index.witness(&question) {
        Verdict::Uncovered(point) => Some(space.packet(&point)),
        Verdict::Covered | Verdict::Incomplete => None,
    }
}

/// `new or untracked`
fn states(set: &IntervalSet<u128>) -> String {
    let all = (0..).zip(CtState::ALL);
    let meant = all.filter(|(number, _)| set.contains(*number)).map(|(_, state)| state.name());
    meant.collect::<Vec<_>>().join(" or ")
}
