//! NAT statements: one statement does the whole job.

use std::net::IpAddr;

use super::context::{Context, ToIs};
use super::ends::{End, EndKind, simplify_places};
use super::policy::{
    At, CallId, Forward, Nat, NatKind, Origin, Part, Place, Redirect, SourceTranslation,
};
use super::services::{Traffic, merge_parts};
use super::{Resolver, messages};
use crate::net::{Addresses, Families, Family, Interface, Ports, Prefix};
use crate::source::Span;
use crate::syntax::tree::{
    self, ArgumentKind, ClauseKind, Endpoint, EndpointKind, InterfaceName, List, SubjectKind,
    VerbKind,
};

/// A list with where its names are looked up.
type Scoped<'a> = (&'a List, Option<CallId>);

impl<'a> Resolver<'a> {
    pub(super) fn nat_rule(
        &mut self,
        rule: &'a tree::Rule,
        span: Span,
        outer: &Context<'a>,
        env: Option<CallId>,
    ) -> Option<Nat> {
        let verb = &rule.verb;
        let to_is = match verb.kind {
            VerbKind::Forward | VerbKind::Redirect | VerbKind::Netmap(_) => ToIs::Target,
            _ => ToIs::Ends,
        };
        let context = self.narrow(outer, &rule.clauses, to_is, env)?;
        self.check_nat_clauses(verb, &context)?;
        let (kind, families) = match &verb.kind {
            VerbKind::Masquerade => {
                self.source_nat(rule, span, &context, env, SourceTranslation::Masquerade)?
            }
            VerbKind::Nonat => {
                self.source_nat(rule, span, &context, env, SourceTranslation::Exempt)?
            }
            VerbKind::Snat => {
                let translation = self.new_source(&context, span)?;
                self.source_nat(rule, span, &context, env, translation)?
            }
            VerbKind::Forward => self.forward(rule, span, &context, env)?,
            VerbKind::Redirect => self.redirect(rule, span, &context, env)?,
            VerbKind::Netmap(outside) => self.netmap(outside, span, &context, env)?,
            _ => return None,
        };
        Some(Nat {
            origin: Origin { span, call: env },
            families,
            kind,
            conditions: context.conditions.into_iter().map(|(condition, _)| condition).collect(),
            remarks: context.remarks,
        })
    }

    fn check_nat_clauses(&mut self, verb: &tree::Verb, context: &Context<'a>) -> Option<()> {
        const REMARKS: &[&str] =
            &["ipv4", "ipv6", "mark", "comment", "owner", "ticket", "until", "expect"];
        let own: &[&str] = match verb.kind {
            VerbKind::Masquerade | VerbKind::Nonat => &["from", "to", "in", "out", "sport"],
            VerbKind::Snat => &["from", "to", "in", "out", "sport", "as"],
            VerbKind::Forward => &["from", "to", "in", "at", "hairpin", "sport", "mac"],
            VerbKind::Redirect => &["from", "to", "in", "at", "sport", "mac"],
            VerbKind::Netmap(_) => &["to", "on"],
            _ => &[],
        };
        let mut whole = true;
        for (word, span) in &context.present {
            if !own.contains(word) && !REMARKS.contains(word) {
                self.report(messages::misplaced_clause(
                    *span,
                    word,
                    self.text(verb.span),
                    verb.span,
                ));
                whole = false;
            }
        }
        let direction = context.direction.map(|(_, at)| at);
        if let Some(at) = direction {
            self.report(messages::nat_in_direction(verb.span, self.text(verb.span), at));
            whole = false;
        }
        whole.then_some(())
    }

    /// masquerade, snat, nonat.
    fn source_nat(
        &mut self,
        rule: &'a tree::Rule,
        span: Span,
        context: &Context<'a>,
        env: Option<CallId>,
        translation: SourceTranslation,
    ) -> Option<(NatKind, Families)> {
        let word = self.text(rule.verb.span);
        let (traffic, outgoing) = match context.out {
            // `masquerade wan out`: the subjects are interfaces.
            Some(_) => (self.traffic(&[], env)?, Some(self.subject_interfaces(rule, env)?)),
            None => {
                let outgoing = context.outgoing.as_ref().map(|(interfaces, _)| interfaces.clone());
                (self.traffic(&rule.subjects, env)?, outgoing)
            }
        };
        let mut traffic = traffic;
        self.narrow_ports(&mut traffic, context, rule.subject())?;
        let mut source = context.from.clone().unwrap_or_else(|| vec![End::any(span)]);
        let mut destination = context.to.clone().unwrap_or_else(|| vec![End::any(span)]);
        for end in source.iter().chain(&destination) {
            if end.kind == EndKind::Machine {
                self.report(messages::source_nat_of_self(end.span, word));
                return None;
            }
        }
        if let Some((interfaces, _)) = &context.incoming {
            source.retain_mut(|end| narrow(end, interfaces));
        }
        if let Some(interfaces) = &outgoing {
            destination.retain_mut(|end| narrow(end, interfaces));
        }
        if source.is_empty() || destination.is_empty() {
            self.report(messages::empty_intersection(span, "interfaces"));
            return None;
        }
        let open = destination.iter().find(|end| end.place.interfaces.is_none());
        if let (Some(end), SourceTranslation::Masquerade) = (open, &translation) {
            self.report(messages::masquerade_without_interface(end.span));
            return None;
        }
        let families = self.source_nat_families(context, &translation, &destination)?;
        let kind = NatKind::Source {
            source: simplify_places(source.iter().map(End::forwarded)),
            destination: simplify_places(destination.iter().map(End::forwarded)),
            parts: merge_parts(traffic.iter().map(|one| &one.part)),
            translation,
        };
        Some((kind, families))
    }

    /// IPv4 unless `ipv6` is written or the addresses are IPv6; an exemption is for both.
    fn source_nat_families(
        &mut self,
        context: &Context<'a>,
        translation: &SourceTranslation,
        destination: &[End],
    ) -> Option<Families> {
        let own = match translation {
            SourceTranslation::Exempt => Families::BOTH,
            SourceTranslation::Masquerade if context.family_clause.is_some() => Families::BOTH,
            SourceTranslation::Masquerade => Families::only(Family::V4),
            SourceTranslation::Address { v4, v6 } => {
                Families { v4: v4.is_some(), v6: v6.is_some() }
            }
        };
        let families = own.intersection(context.families);
        if families.is_empty() {
            let at = context.family_clause.unwrap_or(destination[0].span);
            self.report(messages::translation_of_other_family(at));
            return None;
        }
        Some(families)
    }

    /// The interfaces written as subjects in `masquerade X out`.
    fn subject_interfaces(
        &mut self,
        rule: &'a tree::Rule,
        env: Option<CallId>,
    ) -> Option<Vec<Interface>> {
        let mut all = Vec::new();
        if rule.subjects.is_empty() {
            self.report(messages::out_without_interface(rule.verb.span, self.text(rule.verb.span)));
            return None;
        }
        for subject in &rule.subjects {
            let interfaces = match &subject.kind {
                SubjectKind::Name(name) => self.interfaces_of_name(*name, env)?,
                SubjectKind::Interface(InterfaceName::Name(name)) => {
                    self.interfaces_of_name(*name, env)?
                }
                SubjectKind::Interface(interface) => {
                    let (span, text) = self.interface_text(*interface);
                    vec![self.read_interface(span, &text)?]
                }
                SubjectKind::Any
                | SubjectKind::Call { .. }
                | SubjectKind::Ports { .. }
                | SubjectKind::More(_)
                | SubjectKind::Icmp { .. }
                | SubjectKind::Protocol(_) => {
                    let word = self.text(rule.verb.span);
                    self.report(messages::out_without_interface(subject.span, word));
                    return None;
                }
            };
            all.extend(interfaces);
        }
        Some(super::ends::simplify_interfaces(all))
    }

    /// `as 203.0.113.5`: an address or range a family.
    fn new_source(&mut self, context: &Context<'a>, span: Span) -> Option<SourceTranslation> {
        let Some((list, env)) = context.translation.to_source else {
            self.report(messages::snat_without_as(span));
            return None;
        };
        let ends = self.ends(list, env)?;
        let all = Addresses::union_all(ends.iter().map(|end| &end.place.addresses));
        let mut ranges = [None, None];
        for (slot, family) in ranges.iter_mut().zip(Family::BOTH) {
            *slot = match all.intervals(family)[..] {
                [] => None,
                [(low, high)] if !all.is_full_in(family) => {
                    let address = |number| crate::net::address::from_number(family, number);
                    Some((address(low), address(high)))
                }
                _ => {
                    self.report(messages::one_range_expected(list.span, family));
                    return None;
                }
            };
        }
        let [v4, v6] = ranges;
        Some(SourceTranslation::Address { v4, v6 })
    }

    fn forward(
        &mut self,
        rule: &'a tree::Rule,
        span: Span,
        context: &Context<'a>,
        env: Option<CallId>,
    ) -> Option<(NatKind, Families)> {
        let mut traffic = self.traffic(&rule.subjects, env)?;
        self.narrow_ports(&mut traffic, context, rule.subject())?;
        let Some(target) = context.target else {
            self.report(messages::forward_without_target(rule.verb.span));
            return None;
        };
        let target = self.target(target)?;
        if let Some((_, at)) = &target.port {
            self.ports_needed(&traffic, *at, rule.verb.span)?;
        }
        let at = self.at(context)?;
        let source = self.foreign_source(context, span)?;
        let source = simplify_places(source.iter().map(End::forwarded));
        let (hairpin, hairpin_self) = self.hairpin(context, &at)?;
        let own = Families { v4: target.v4.is_some(), v6: target.v6.is_some() };
        let families = own.intersection(context.families);
        if families.is_empty() {
            let at = context.family_clause.unwrap_or(span);
            self.report(messages::translation_of_other_family(at));
            return None;
        }
        let forward = Forward {
            source,
            parts: merge_parts(traffic.iter().map(|one| &one.part)),
            at,
            target_v4: target.v4,
            target_v6: target.v6,
            port: target.port.map(|(port, _)| Ports::single(port)),
            out: target.out,
            hairpin,
            hairpin_self,
        };
        Some((NatKind::Forward(Box::new(forward)), families))
    }

    /// `at 203.0.113.7`
    fn at(&mut self, context: &Context<'a>) -> Option<At> {
        let Some((list, env)) = context.translation.at else { return Some(At::Local) };
        let ends = self.ends(list, env)?;
        if let Some(end) = ends.iter().find(|end| end.place.interfaces.is_some()) {
            self.report(messages::zone_where_address_expected(end.span, "at"));
            return None;
        }
        let all = Addresses::union_all(ends.iter().map(|end| &end.place.addresses));
        if Family::BOTH.into_iter().any(|family| all.is_full_in(family)) {
            self.report(messages::zone_where_address_expected(list.span, "at"));
            return None;
        }
        Some(At::Addresses(all))
    }

    /// Where forwarded or redirected packets come from: elsewhere.
    fn foreign_source(&mut self, context: &Context<'a>, span: Span) -> Option<Vec<End>> {
        let mut source = context.from.clone().unwrap_or_else(|| vec![End::any(span)]);
        if let Some(end) = source.iter().find(|end| end.kind == EndKind::Machine) {
            self.report(messages::forward_from_self(end.span));
            return None;
        }
        if let Some((interfaces, at)) = &context.incoming {
            source.retain_mut(|end| narrow(end, interfaces));
            if source.is_empty() {
                self.report(messages::empty_intersection(*at, "interfaces"));
                return None;
            }
        }
        Some(source)
    }

    fn hairpin(&mut self, context: &Context<'a>, at: &At) -> Option<(Vec<Place>, bool)> {
        let Some((list, env)) = context.translation.hairpin else {
            return Some((Vec::new(), false));
        };
        let ends = self.ends(list, env)?;
        let mut zones = Vec::new();
        let mut own = false;
        for end in ends {
            match end.kind {
                EndKind::Machine => own = true,
                EndKind::Zone if end.place.interfaces.is_some() => {
                    let bare = end.place.addresses.is_full();
                    if bare && matches!(at, At::Local) {
                        self.report(messages::hairpin_without_address(
                            end.span,
                            self.text(end.span),
                        ));
                        return None;
                    }
                    zones.push(end.forwarded());
                }
                EndKind::Zone | EndKind::Any | EndKind::Address => {
                    self.report(messages::hairpin_is_no_zone(end.span));
                    return None;
                }
            }
        }
        Some((simplify_places(zones), own))
    }

    fn redirect(
        &mut self,
        rule: &'a tree::Rule,
        span: Span,
        context: &Context<'a>,
        env: Option<CallId>,
    ) -> Option<(NatKind, Families)> {
        let mut traffic = self.traffic(&rule.subjects, env)?;
        self.narrow_ports(&mut traffic, context, rule.subject())?;
        let members = context.target.map(|target| self.members(target)).unwrap_or_default();
        let [(Endpoint { kind: EndpointKind::PortOnly, port: Some(port), .. }, _)] = members[..]
        else {
            let at = context.target.map_or(rule.verb.span, |(list, _)| list.span);
            self.report(messages::redirect_without_port(at));
            return None;
        };
        self.ports_needed(&traffic, port.0, rule.verb.span)?;
        let port = self.read_port(*port)?;
        let at = match self.at(context)? {
            At::Local => Addresses::full(),
            At::Addresses(addresses) => addresses,
        };
        let source = self.foreign_source(context, span)?;
        let source = simplify_places(source.into_iter().map(|end| end.place));
        let redirect =
            Redirect { source, parts: merge_parts(traffic.iter().map(|one| &one.part)), at, port };
        Some((NatKind::Redirect(Box::new(redirect)), context.families))
    }

    fn ports_needed(&mut self, traffic: &[Traffic], at: Span, verb: Span) -> Option<()> {
        let other = traffic.iter().find(|one| !matches!(one.part, Part::Ports { .. }));
        let Some(other) = other else { return Some(()) };
        let part = super::rules::describe(&other.part);
        self.report(messages::port_without_ports(at, &part, self.text(verb)));
        None
    }

    fn netmap(
        &mut self,
        outside: &'a List,
        span: Span,
        context: &Context<'a>,
        env: Option<CallId>,
    ) -> Option<(NatKind, Families)> {
        let Some((inside, inside_env)) = context.target else {
            self.report(messages::netmap_incomplete(span, "to"));
            return None;
        };
        let Some((on, on_env)) = context.translation.on else {
            self.report(messages::netmap_incomplete(span, "on"));
            return None;
        };
        let ClauseKind::On(names) = &on.kind else { return None };
        let interfaces = self.interfaces(names, on_env)?;
        let (first, second) = (self.network(outside, env)?, self.network(inside, inside_env)?);
        if first.family() != second.family() || first.length() != second.length() {
            self.report(messages::netmap_unequal(inside.span, first, second, outside.span));
            return None;
        }
        let families = Families::only(first.family()).intersection(context.families);
        if families.is_empty() {
            let at = context.family_clause.unwrap_or(span);
            self.report(messages::translation_of_other_family(at));
            return None;
        }
        Some((NatKind::Netmap { outside: first, inside: second, interfaces }, families))
    }

    /// A list that is exactly one network.
    fn network(&mut self, list: &'a List, env: Option<CallId>) -> Option<Prefix> {
        let ends = self.ends(list, env)?;
        let all = Addresses::union_all(ends.iter().map(|end| &end.place.addresses));
        let networks: Vec<Option<Prefix>> = Family::BOTH
            .into_iter()
            .flat_map(|family| {
                let spanning = move |(low, high)| Prefix::spanning(family, low, high);
                all.intervals(family).into_iter().map(spanning)
            })
            .collect();
        if let [Some(network)] = networks[..] {
            return Some(network);
        }
        self.report(messages::one_network_expected(list.span));
        None
    }
}

/// Puts an end behind interfaces; whether anything is left.
fn narrow(end: &mut End, interfaces: &[Interface]) -> bool {
    end.behind(interfaces).is_some_and(|narrowed| {
        *end = narrowed;
        true
    })
}

/// Where a `forward` sends packets.
#[derive(Default)]
struct Target {
    v4: Option<IpAddr>,
    v6: Option<IpAddr>,
    port: Option<(u16, Span)>,
    out: Option<Vec<Interface>>,
}

impl<'a> Resolver<'a> {
    /// The target of a `forward`: at most one address a family, all in one place, one port.
    fn target(&mut self, (list, env): Scoped<'a>) -> Option<Target> {
        let mut target = Target::default();
        let mut placed: Option<(Option<Vec<Interface>>, Span)> = None;
        if !list.except.is_empty() {
            self.report(messages::target_is_no_address(list.span));
            return None;
        }
        for (item, env) in self.members((list, env)) {
            if let Some(port) = item.port {
                let number = self.read_port(port)?;
                if target.port.is_some_and(|(other, _)| other != number) {
                    self.report(messages::two_ports(port.0));
                    return None;
                }
                target.port = Some((number, port.0));
            }
            for (end, address) in self.target_ends(item, env)? {
                let slot = match address {
                    IpAddr::V4(_) => &mut target.v4,
                    IpAddr::V6(_) => &mut target.v6,
                };
                if slot.replace(address).is_some_and(|other| other != address) {
                    self.report(messages::two_targets(list.span, Family::of(address)));
                    return None;
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
        target.out = placed.and_then(|(out, _)| out);
        Some(target)
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
        for end in self.endpoint_ends(item, env)? {
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
                EndpointKind::Group(list) if list.except.is_empty() => Some((&**list, env)),
                EndpointKind::Name(name) if item.port.is_none() && item.place.is_none() => {
                    self.list_argument(*name, env)
                }
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
