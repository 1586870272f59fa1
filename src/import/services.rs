//! Ports as people call them: by the standard library's name, where it has exactly one.

use std::collections::{BTreeMap, BTreeSet};

use crate::net::{Family, Helper, Ports, Protocol};
use crate::resolve::policy::Part;
use crate::resolve::{helped_services, plain_services};

/// Of several names of the same ports, the one that most mean.
const CUSTOMARY: [&str; 4] = ["http-alt", "http3", "https", "https-alt"];

/// The names of traffic.
pub(super) struct Services {
    /// Of one protocol and range of ports, or one type of ICMP.
    single: BTreeMap<Part, String>,
    /// Of several of these, the largest first.
    composite: Vec<(String, Vec<Part>)>,
    /// Those with a connection helper.
    helped: Vec<(String, Helper, Vec<Part>)>,
}

impl Services {
    pub fn standard() -> Self {
        let mut named: BTreeMap<Vec<Part>, Vec<String>> = BTreeMap::new();
        for (name, parts) in plain_services() {
            named.entry(apart(&parts)).or_default().push(name);
        }
        let mut services =
            Services { single: BTreeMap::new(), composite: Vec::new(), helped: helped_services() };
        for (mut parts, names) in named {
            let customary = names.iter().find(|name| CUSTOMARY.contains(&name.as_str()));
            let name = match (&names[..], customary) {
                ([only], _) | (_, Some(only)) => only.clone(),
                (_, None) => continue,
            };
            match parts.len() {
                1 => {
                    services.single.insert(parts.remove(0), name);
                }
                _ => services.composite.push((name, parts)),
            }
        }
        services.composite.sort_by_key(|(_, parts)| std::cmp::Reverse(parts.len()));
        services
    }

    /// The services with a helper whose traffic is all among these parts, and that all of it has.
    pub fn helped(&self, parts: &[Part], has: impl Fn(&Part, Helper) -> bool) -> BTreeSet<String> {
        let is_whole = |helper: Helper, own: &[Part]| {
            own.iter().all(|part| has(part, helper) && parts.iter().any(|all| covers(all, part)))
        };
        let found = self.helped.iter().filter(|(_, helper, own)| is_whole(*helper, own));
        found.map(|(name, ..)| name.clone()).collect()
    }

    /// What these services with a helper are.
    pub fn parts_of<'s>(
        &'s self,
        names: &'s BTreeSet<String>,
    ) -> impl Iterator<Item = (&'s Part, Helper)> {
        let named = self.helped.iter().filter(|(name, ..)| names.contains(name));
        named.flat_map(|(_, helper, parts)| parts.iter().map(|part| (part, *helper)))
    }

    /// The subjects of a statement, and the source ports that its clause names.
    pub fn subjects(
        &self,
        parts: &[Part],
        helped: &BTreeSet<String>,
        by_name: bool,
    ) -> (String, Option<String>) {
        let sport = parts.iter().find_map(|part| match part {
            Part::Ports { source, .. } if !source.is_full() => Some(ports(source)),
            Part::Ports { .. } | Part::Any | Part::Icmp(_) | Part::Protocol(_) => None,
        });
        let mut parts = with_any_source(parts);
        for (part, _) in self.parts_of(helped) {
            parts.retain_mut(|all| take_out(all, part));
        }
        let mut left = apart(&parts);
        let mut words: Vec<String> = helped.iter().cloned().collect();
        if by_name {
            for (name, members) in &self.composite {
                if members.iter().all(|member| left.contains(member)) {
                    left.retain(|part| !members.contains(part));
                    words.push(name.clone());
                }
            }
            left.retain(|part| match self.single.get(part) {
                Some(name) => {
                    words.push(name.clone());
                    false
                }
                None => true,
            });
        }
        let mut before = None;
        for part in &left {
            let (protocol, text) = literal(part);
            match (&protocol, &before) {
                (Some(protocol), Some(last)) if protocol == last => words.push(text),
                (Some(protocol), _) => words.push(format!("{protocol} {text}")),
                (None, _) => words.push(text),
            }
            // A number continues the protocol before it, but not `tcp any`.
            before = protocol.filter(|_| !words.last().is_some_and(|word| word.ends_with(" any")));
        }
        (words.join(", "), sport)
    }
}

/// Whether a part has all ports of another, from any.
fn covers(all: &Part, part: &Part) -> bool {
    match (all, part) {
        (
            Part::Ports { protocol, source, destination },
            Part::Ports { protocol: own, destination: ports, .. },
        ) => protocol == own && source.is_full() && ports.is_subset(destination),
        (Part::Ports { .. } | Part::Any | Part::Icmp(_) | Part::Protocol(_), _) => false,
    }
}

/// Takes the ports of a part out of one that covers it; whether anything is left.
fn take_out(all: &mut Part, part: &Part) -> bool {
    if covers(all, part)
        && let (Part::Ports { destination, .. }, Part::Ports { destination: ports, .. }) =
            (all, part)
    {
        *destination = destination.difference(ports);
        return !destination.is_empty();
    }
    true
}

/// Each range of ports by itself.
fn apart(parts: &[Part]) -> Vec<Part> {
    let mut all = Vec::new();
    for part in parts {
        match part {
            Part::Ports { protocol, source, destination } => {
                for (low, high) in destination.intervals() {
                    all.push(Part::Ports {
                        protocol: *protocol,
                        source: source.clone(),
                        destination: Ports::range(*low, *high),
                    });
                }
            }
            Part::Any | Part::Icmp(_) | Part::Protocol(_) => all.push(part.clone()),
        }
    }
    all.sort();
    all
}

fn with_any_source(parts: &[Part]) -> Vec<Part> {
    let any = |part: &Part| match part {
        Part::Ports { protocol, destination, .. } => Part::Ports {
            protocol: *protocol,
            source: Ports::full(),
            destination: destination.clone(),
        },
        Part::Any | Part::Icmp(_) | Part::Protocol(_) => part.clone(),
    };
    parts.iter().map(any).collect()
}

/// The protocol of ports, and the words behind it; or all words.
fn literal(part: &Part) -> (Option<String>, String) {
    match part {
        Part::Any => (None, "any".to_owned()),
        Part::Ports { protocol, destination, .. } if destination.is_full() => {
            (Some(protocol.to_string()), "any".to_owned())
        }
        Part::Ports { protocol, destination, .. } => {
            (Some(protocol.to_string()), ports(destination))
        }
        Part::Icmp(icmp) => {
            // A verb has the name of the type, too.
            let kind = match icmp.to_string() {
                name if name == "redirect" => icmp.kind.to_string(),
                name => name,
            };
            match icmp.family {
                Family::V4 => (None, format!("icmp {kind}")),
                Family::V6 => (None, format!("icmpv6 {kind}")),
            }
        }
        Part::Protocol(Protocol::ICMP) => (None, "icmp any".to_owned()),
        Part::Protocol(Protocol::ICMPV6) => (None, "icmpv6 any".to_owned()),
        Part::Protocol(protocol) => (None, format!("proto {protocol}")),
    }
}

/// `22, 80-90`
fn ports(ports: &Ports) -> String {
    let one = |(low, high): &(u16, u16)| {
        if low == high { low.to_string() } else { format!("{low}-{high}") }
    };
    ports.intervals().iter().map(one).collect::<Vec<_>>().join(", ")
}
