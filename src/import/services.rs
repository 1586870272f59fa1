//! Ports as people call them: by the standard library's name, where it has exactly one.

use std::collections::BTreeMap;

use crate::net::{Family, Ports, Protocol};
use crate::resolve::plain_services;
use crate::resolve::policy::Part;

/// Of several names of the same ports, the one that most mean.
const CUSTOMARY: [&str; 4] = ["http-alt", "http3", "https", "https-alt"];

/// The names of traffic.
pub(super) struct Services {
    /// Of one protocol and range of ports, or one type of ICMP.
    single: BTreeMap<Part, String>,
    /// Of several of these, the largest first.
    composite: Vec<(String, Vec<Part>)>,
}

impl Services {
    pub fn standard() -> Self {
        let mut named: BTreeMap<Vec<Part>, Vec<String>> = BTreeMap::new();
        for (name, parts) in plain_services() {
            named.entry(apart(&parts)).or_default().push(name);
        }
        let mut services = Services { single: BTreeMap::new(), composite: Vec::new() };
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

    /// The subjects of a statement, and the source ports that its clause names.
    pub fn subjects(&self, parts: &[Part], by_name: bool) -> (String, Option<String>) {
        let sport = parts.iter().find_map(|part| match part {
            Part::Ports { source, .. } if !source.is_full() => Some(ports(source)),
            Part::Ports { .. } | Part::Any | Part::Icmp(_) | Part::Protocol(_) => None,
        });
        let mut left = apart(&with_any_source(parts));
        let mut words: Vec<String> = Vec::new();
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
