//! The services of the standard library as people look them up.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use super::Resolver;
use super::guarded::GUARDED;
use super::names::{ServiceNode, gather};
use super::policy::{Guarded, Part};
use super::rules::{describe, ports_text};
use super::services::Traffic;
use super::stdlib::Library;
use crate::net::{
    Addresses, Families, Family, Helper, PortProtocol, Ports, Prefix, address::from_number,
};
use crate::source::Sources;
use crate::syntax::tree::{Clause, ClauseKind, Name, SubjectKind};
use crate::syntax::unquote;

/// A service with all that is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceInfo {
    pub name: String,
    pub aliases: Vec<String>,
    /// Such as `insecure` or `multicast`.
    pub tags: Vec<String>,
    /// One line without a final stop.
    pub description: String,
    /// The definition as the library's source writes it.
    pub definition: String,
    /// What it opens, such as `tcp 22`; the members of a composite each.
    pub parts: Vec<String>,
    /// The file of the library it stands in.
    pub file: String,
}

/// Every service of the standard library, by name.
#[must_use]
pub fn services() -> Vec<ServiceInfo> {
    let mut services = of_library(|resolver, node| Some(resolver.describe_service(node)));
    services.sort_by(|a, b| a.name.cmp(&b.name));
    services
}

/// The services of the standard library that by their tags are not for everybody, the gravest first,
/// with those of their ports that no other service has; those that are made of others only if they have
/// such a tag themselves. Their spans are in the library.
#[must_use]
pub fn services_not_for_all() -> &'static [Guarded] {
    // Once for all dumps: a run may look at thousands.
    static ALL: LazyLock<Vec<Guarded>> = LazyLock::new(guarded_services);
    &ALL
}

fn guarded_services() -> Vec<Guarded> {
    let all = of_library(|resolver, node| {
        let is_made_of_others =
            node.subjects.iter().any(|one| matches!(one.kind, SubjectKind::Name(_)));
        let guarded = resolver.guarded_alone(node.name.0);
        let is_for_all = guarded.is_none() && !is_made_of_others;
        let for_all = is_for_all.then(|| resolver.parts_of_service(node.name.0));
        Some((guarded, for_all.unwrap_or_default()))
    });
    let (services, for_all): (Vec<Option<Guarded>>, Vec<Vec<Part>>) = all.into_iter().unzip();
    let mut services: Vec<Guarded> = services.into_iter().flatten().collect();
    let for_all = for_all.concat();
    let for_all = PortProtocol::ALL.map(|protocol| (protocol, ports_of(&for_all, protocol)));
    for part in services.iter_mut().flat_map(|service| &mut service.parts) {
        if let Part::Ports { protocol, destination, .. } = part {
            for (_, ports) in for_all.iter().filter(|(own, _)| own == protocol) {
                *destination = destination.difference(ports);
            }
        }
    }
    // Of several that have a port the one with the fewest is meant.
    let rank = |one: &Guarded| {
        let gravity = GUARDED.iter().position(|tag| **tag == *one.tag);
        let runs = one.parts.iter().map(|part| match part {
            Part::Ports { destination, .. } => destination.intervals().len(),
            Part::Any | Part::Protocol(_) | Part::Icmp(_) => 0,
        });
        (gravity, runs.sum::<usize>(), Arc::clone(&one.name))
    };
    services.sort_by_cached_key(rank);
    services
}

/// The destination ports that some parts have of a protocol.
fn ports_of(parts: &[Part], protocol: PortProtocol) -> Ports {
    let ports = parts.iter().filter_map(|part| match part {
        Part::Ports { protocol: own, destination, .. } => (*own == protocol).then_some(destination),
        Part::Any | Part::Protocol(_) | Part::Icmp(_) => None,
    });
    Ports::from_intervals(ports.flat_map(|ports| ports.intervals().to_vec()))
}

/// What is asked of each service of the library.
fn of_library<T>(ask: impl for<'a> Fn(&mut Resolver<'a>, ServiceNode<'a>) -> Option<T>) -> Vec<T> {
    let mut sources = Sources::new();
    let library = Library::new(&mut sources);
    let mut findings = Vec::new();
    let names = gather(&[], &library, &sources, &mut findings);
    let set_files = HashMap::new();
    let mut resolver = Resolver::new(&sources, names, &set_files, findings);
    library.nodes().filter_map(|node| ask(&mut resolver, node)).collect()
}

/// The services of the standard library all of whose traffic has one connection helper.
#[must_use]
pub fn helped_services() -> Vec<(String, Helper, Vec<Part>)> {
    let mut services = of_library(|resolver, node| {
        let name = resolver.text(node.name.0);
        let traffic = resolver.service_of_word(node.name.0, name)?;
        let helper = traffic.first()?.helper?;
        let is_helped = |one: &Traffic| one.helper == Some(helper) && !one.ignores_nets();
        let parts = traffic.iter().map(|one| one.part.clone()).collect();
        traffic.iter().all(is_helped).then(|| (name.to_owned(), helper, parts))
    });
    services.sort_by(|a, b| a.0.cmp(&b.0));
    services
}

/// The services of the standard library that are traffic and nothing else: of every family and address
/// that their parts are of, without a helper.
#[must_use]
pub fn plain_services() -> Vec<(String, Vec<Part>)> {
    let mut services = of_library(|resolver, node| {
        let name = resolver.text(node.name.0);
        let traffic = resolver.service_of_word(node.name.0, name)?;
        let all_plain = traffic.iter().all(Traffic::is_plain);
        let parts = traffic.iter().map(|traffic| traffic.part.clone()).collect();
        all_plain.then(|| (name.to_owned(), parts))
    });
    services.sort_by(|a, b| a.0.cmp(&b.0));
    services
}

impl<'a> Resolver<'a> {
    fn describe_service(&mut self, node: ServiceNode<'a>) -> ServiceInfo {
        let words = |names: &[Name]| -> Vec<String> {
            names.iter().map(|name| self.sources.text(name.0).to_owned()).collect()
        };
        let find = |pick: &dyn Fn(&'a Clause) -> Option<Vec<String>>| {
            node.clauses.iter().find_map(pick).unwrap_or_default()
        };
        let aliases = find(&|clause| match &clause.kind {
            ClauseKind::Alias(names) => Some(words(names)),
            _ => None,
        });
        let tags = find(&|clause| match &clause.kind {
            ClauseKind::Tags(names) => Some(words(names)),
            _ => None,
        });
        let description = find(&|clause| match &clause.kind {
            ClauseKind::Comment(text) => {
                Some(vec![unquote(self.sources.text(text.0)).into_owned()])
            }
            _ => None,
        });
        let name = self.text(node.name.0);
        let file = self.sources.file(node.name.0.file());
        let end = node.clauses.last().map_or(node.name.0, |clause| clause.span);
        let definition = &file.text()[node.name.0.to(end).range()];
        let traffic = self.service_of_word(node.name.0, name);
        ServiceInfo {
            name: name.to_owned(),
            aliases,
            tags,
            description: description.concat(),
            definition: format!("service {definition}"),
            parts: traffic.iter().flat_map(|all| all.iter()).map(describe_traffic).collect(),
            file: file.name().to_owned(),
        }
    }
}

/// `udp 67 from port 68, IPv4 only`
fn describe_traffic(traffic: &Traffic) -> String {
    let mut text = describe(&traffic.part);
    if let Part::Ports { source, .. } = &traffic.part
        && let Some(ports) = ports_text(source)
    {
        text += &format!(" from port {ports}");
    }
    if let Some(addresses) = &traffic.destination {
        text += &format!(" to {}", addresses_text(addresses));
    }
    match (traffic.families == Families::BOTH, traffic.part.families() == traffic.families) {
        (false, false) if traffic.families.v4 => text += " (IPv4 only)",
        (false, false) => text += " (IPv6 only)",
        _ => {}
    }
    text
}

fn addresses_text(addresses: &Addresses) -> String {
    let mut all = Vec::new();
    for family in Family::BOTH {
        for (low, high) in addresses.intervals(family) {
            let (first, last) = (from_number(family, low), from_number(family, high));
            all.push(match Prefix::spanning(family, low, high) {
                _ if low == high => first.to_string(),
                Some(prefix) => prefix.to_string(),
                None => format!("{first}-{last}"),
            });
        }
    }
    all.join(", ")
}
