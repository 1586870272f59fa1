//! The target of a `forward` and the port of a `redirect`, as written → addresses and ports.

use std::net::IpAddr;

use super::super::context::Context;
use super::super::ends::{End, EndKind};
use super::super::policy::{CallId, Part, Target};
use super::super::services::Traffic;
use super::super::{Resolver, messages};
use super::Scoped;
use crate::net::{Family, Interface};
use crate::source::Span;
use crate::syntax::tree::{self, ArgumentKind, Endpoint, EndpointKind, Value};

/// Where a `forward` sends packets.
#[derive(Default)]
pub(super) struct Targets {
    pub v4: Option<Target>,
    pub v6: Option<Target>,
    /// Where a port is written for a target of IPv6, else for one of IPv4.
    pub port: Option<Span>,
    /// The interfaces of the zone that they are in.
    pub out: Option<Vec<Interface>>,
}

impl<'a> Resolver<'a> {
    /// The target of a `forward`: at most one address and port a family, all in one place.
    pub(super) fn targets(&mut self, (list, env): Scoped<'a>) -> Option<Targets> {
        let mut targets = Targets::default();
        let mut placed: Option<(Option<Vec<Interface>>, Span)> = None;
        if !list.except.is_empty() {
            self.report(messages::target_is_no_address(list.span));
            return None;
        }
        for (item, env) in self.members((list, env)) {
            let port = match item.port {
                Some(port) => Some(self.target_port(port)?),
                None => None,
            };
            for (end, address) in self.target_ends(item, env)? {
                if is_never_routed(address) {
                    self.report(messages::target_is_never_routed(item.span, address));
                    return None;
                }
                let slot = match address {
                    IpAddr::V4(_) => &mut targets.v4,
                    IpAddr::V6(_) => &mut targets.v6,
                };
                let target = Target { address, port };
                if let Some(other) = slot.replace(target).filter(|other| *other != target) {
                    self.report(if other.address == address {
                        messages::two_ports(item.span)
                    } else {
                        messages::two_targets(list.span, Family::of(address))
                    });
                    return None;
                }
                if address.is_ipv6() || targets.port.is_none() {
                    targets.port = item.port.map(|port| port.0).or(targets.port);
                }
                let out = end.place.interfaces.clone();
                match &placed {
                    Some((other, first)) if *other != out => {
                        let first = *first;
                        self.report(messages::targets_in_two_places(end.span, first));
                        return None;
                    }
                    _ => placed = Some((out, end.span)),
                }
            }
        }
        targets.out = placed.and_then(|(out, _)| out);
        Some(targets)
    }

    /// The port of a `redirect`.
    pub(super) fn redirect_port(
        &mut self,
        rule: &tree::Rule,
        context: &Context<'a>,
        traffic: &[Traffic],
    ) -> Option<u16> {
        if let Some(except) = context.target.and_then(|(list, _)| list.except.first()) {
            self.report(messages::redirect_except(except.span));
            return None;
        }
        let members = context.target.map(|target| self.members(target)).unwrap_or_default();
        let [(Endpoint { kind: EndpointKind::PortOnly, port: Some(port), place: None, .. }, _)] =
            members[..]
        else {
            let at = context.target.map_or(rule.verb.span, |(list, _)| list.span);
            self.report(messages::redirect_without_port(at));
            return None;
        };
        self.ports_needed(traffic, port.0, rule.verb.span)?;
        self.target_port(*port)
    }

    /// A new port is for traffic that has ports.
    pub(super) fn ports_needed(&mut self, traffic: &[Traffic], at: Span, verb: Span) -> Option<()> {
        let other = traffic.iter().find(|one| !matches!(one.part, Part::Ports { .. }));
        let Some(other) = other else { return Some(()) };
        let part = super::super::rules::describe(&other.part);
        self.report(messages::port_without_ports(at, &part, self.text(verb)));
        None
    }

    /// A port that packets can be sent to: 0 is none.
    fn target_port(&mut self, value: Value) -> Option<u16> {
        let port = self.read_port(value)?;
        if port == 0 {
            self.report(messages::target_port_zero(value.0));
            return None;
        }
        Some(port)
    }

    /// The addresses of one member of a target, each with its end.
    fn target_ends(
        &mut self,
        item: &'a Endpoint,
        env: Option<CallId>,
    ) -> Option<Vec<(End, IpAddr)>> {
        if matches!(item.kind, EndpointKind::PortOnly) {
            self.report(messages::target_without_address(item.span));
            return None;
        }
        let mut found = Vec::new();
        let ends = self.endpoint_ends(item, env)?;
        self.addresses_of(&ends, "a target")?;
        for end in ends {
            let before = found.len();
            for family in Family::BOTH {
                for (low, high) in end.place.addresses.intervals(family) {
                    if low != high || end.kind == EndKind::Machine {
                        self.report(messages::target_is_no_address(item.span));
                        return None;
                    }
                    found.push((end.clone(), crate::net::address::from_number(family, low)));
                }
            }
            if found.len() == before {
                self.report(messages::target_is_no_address(item.span));
                return None;
            }
        }
        Some(found)
    }

    /// The members of a target: what an argument of a `def` stands for is written out, for only there
    /// may a member have a port.
    fn members(&self, (list, env): Scoped<'a>) -> Vec<(&'a Endpoint, Option<CallId>)> {
        let mut members = Vec::new();
        let mut pending: Vec<(&'a Endpoint, Option<CallId>)> =
            list.items.iter().rev().map(|item| (item, env)).collect();
        while let Some((item, env)) = pending.pop() {
            let inner = match &item.kind {
                EndpointKind::Group(list) if is_bare(item) && list.except.is_empty() => {
                    Some((&**list, env))
                }
                EndpointKind::Name(name) if is_bare(item) => self.list_argument(*name, env),
                _ => None,
            };
            match inner {
                Some((list, env)) => {
                    pending.extend(list.items.iter().rev().map(|item| (item, env)));
                }
                None => members.push((item, env)),
            }
        }
        members
    }

    /// The list that a parameter stands for in the end.
    fn list_argument(&self, name: tree::Name, env: Option<CallId>) -> Option<Scoped<'a>> {
        let (argument, env) = self.argument(self.text(name.0), env)?;
        match &argument.kind {
            ArgumentKind::Name(inner) => self.list_argument(*inner, env),
            ArgumentKind::Endpoints(list) if list.except.is_empty() => Some((list, env)),
            _ => None,
        }
    }
}

/// Whether a member is written without a port and a place.
fn is_bare(item: &Endpoint) -> bool {
    item.port.is_none() && item.place.is_none()
}

/// Whether no router sends anything on to an address, or it is nobody's.
fn is_never_routed(address: IpAddr) -> bool {
    let is_of_link = match address {
        IpAddr::V4(address) => address.is_broadcast(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    is_of_link || address.is_multicast() || address.is_unspecified()
}
