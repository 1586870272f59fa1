//! Services and literal protocols → kinds of traffic.

use std::rc::Rc;

use super::names::ServiceNode;
use super::policy::{CallId, Part};
use super::{Resolver, messages};
use crate::net::{Addresses, Families, Family, Helper, IcmpType, PortProtocol, Ports, Protocol};
use crate::source::Span;
use crate::syntax::tree::{
    ArgumentKind, Clause, ClauseKind, Endpoint, EndpointKind, IcmpValue, List, Name, PortValue,
    Subject, SubjectKind, Value,
};

/// A kind of traffic with what its service says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traffic {
    pub part: Part,
    pub families: Families,
    /// The multicast or broadcast addresses that a service is bound to.
    pub destination: Option<Addresses>,
    /// Whether the service fixes its source port, so that a zone's nets do not bind it.
    pub fixed: bool,
    /// The connection helper that its related connections need.
    // INVARIANT: only on a part with ports of a protocol that the helper reads.
    pub helper: Option<Helper>,
}

impl Traffic {
    fn plain(part: Part) -> Self {
        Traffic { families: part.families(), part, destination: None, fixed: false, helper: None }
    }

    /// Whether it is of every family that its part is of, and neither bound nor helped.
    pub fn is_plain(&self) -> bool {
        self.families == self.part.families() && !self.ignores_nets() && self.helper.is_none()
    }

    /// Whether only the interfaces of a zone count, not its nets.
    pub fn ignores_nets(&self) -> bool {
        self.fixed || self.destination.is_some()
    }

    fn same_kind(&self, other: &Self) -> bool {
        self.families == other.families
            && self.destination == other.destination
            && self.fixed == other.fixed
            && self.helper == other.helper
    }
}

/// The traffic of several subjects.
pub fn together(each: Vec<Vec<Traffic>>) -> Vec<Traffic> {
    merge(each.into_iter().flatten().collect())
}

/// Traffic as few kinds as say the same: what differs in destination ports alone is one.
fn merge(all: Vec<Traffic>) -> Vec<Traffic> {
    let mut merged: Vec<(Traffic, Vec<Ports>)> = Vec::new();
    for new in all {
        let alike =
            |old: &&mut (Traffic, _)| old.0.same_kind(&new) && is_alike(&old.0.part, &new.part);
        match merged.iter_mut().find(alike) {
            Some((_, more)) => more.extend(destination(&new.part)),
            None => merged.push((new, Vec::new())),
        }
    }
    let unite =
        |(one, more): (Traffic, Vec<Ports>)| Traffic { part: with_ports(one.part, &more), ..one };
    merged.into_iter().map(unite).collect()
}

/// The parts as few as say the same: one for each protocol and set of source ports.
pub fn merge_parts<'p>(parts: impl Iterator<Item = &'p Part>) -> Vec<Part> {
    let mut merged: Vec<(Part, Vec<Ports>)> = Vec::new();
    for part in parts {
        match merged.iter_mut().find(|(old, _)| is_alike(old, part)) {
            Some((_, more)) => more.extend(destination(part)),
            None => merged.push((part.clone(), Vec::new())),
        }
    }
    merged.into_iter().map(|(part, more)| with_ports(part, &more)).collect()
}

/// Whether both are the same but for their destination ports.
fn is_alike(a: &Part, b: &Part) -> bool {
    match (a, b) {
        (
            Part::Ports { protocol, source, destination: _ },
            Part::Ports { protocol: other, source: from, destination: _ },
        ) => protocol == other && source == from,
        _ => a == b,
    }
}

fn destination(part: &Part) -> Option<Ports> {
    match part {
        Part::Ports { destination, .. } => Some(destination.clone()),
        Part::Any | Part::Icmp(_) | Part::Protocol(_) => None,
    }
}

/// The part to these destination ports too. All at once: a list may have thousands.
fn with_ports(mut part: Part, more: &[Ports]) -> Part {
    if let (Part::Ports { destination, .. }, false) = (&mut part, more.is_empty()) {
        let all = std::iter::once(&*destination).chain(more);
        *destination = Ports::from_intervals(all.flat_map(|ports| ports.intervals().to_vec()));
    }
    part
}

/// What a number in a list of subjects would continue.
#[derive(Clone, Copy)]
enum Before {
    Nothing,
    Ports(PortProtocol),
    /// The words that a number would need before it, if any takes one.
    Other(Span, Option<&'static str>),
}

impl<'a> Resolver<'a> {
    /// The traffic of a list of subjects; without subjects, any.
    pub(super) fn traffic(
        &mut self,
        subjects: &'a [Subject],
        env: Option<CallId>,
    ) -> Option<Vec<Traffic>> {
        let each = self.traffic_of_each(subjects, env)?;
        Some(together(each))
    }

    /// The same, subject by subject.
    pub(super) fn traffic_of_each(
        &mut self,
        subjects: &'a [Subject],
        env: Option<CallId>,
    ) -> Option<Vec<Vec<Traffic>>> {
        if subjects.is_empty() {
            return Some(vec![vec![Traffic::plain(Part::Any)]]);
        }
        let mut all = Vec::with_capacity(subjects.len());
        let mut before = Before::Nothing;
        let mut whole = true;
        for subject in subjects {
            match self.subject(subject, &mut before, env) {
                Some(traffic) => all.push(traffic),
                None => whole = false,
            }
        }
        whole.then_some(all)
    }

    fn subject(
        &mut self,
        subject: &'a Subject,
        before: &mut Before,
        env: Option<CallId>,
    ) -> Option<Vec<Traffic>> {
        let one = |part| Some(vec![Traffic::plain(part)]);
        let protocol_before = std::mem::replace(before, Before::Other(subject.span, None));
        match &subject.kind {
            SubjectKind::Any => one(Part::Any),
            SubjectKind::Name(name) => {
                if let Before::Other(_, Some(word)) = protocol_before
                    && self.is_forgotten_type(*name, word, env)
                {
                    *before = protocol_before;
                    self.report(messages::type_without_icmp(name.0, self.text(name.0), word));
                    return None;
                }
                self.service(*name, env)
            }
            SubjectKind::Call { name, ports } => self.moved_service(*name, ports, env),
            SubjectKind::Ports { protocol, ports } => {
                *before = Before::Ports(*protocol);
                let ports = match ports {
                    Some(PortValue::Any(_)) => {
                        *before = Before::Other(subject.span, None);
                        Ports::full()
                    }
                    Some(PortValue::Value(value)) => self.read_ports(*value)?,
                    None => {
                        self.report(messages::protocol_without_ports(subject.span, *protocol));
                        return None;
                    }
                };
                one(port_part(*protocol, ports))
            }
            SubjectKind::More(value) => {
                *before = protocol_before;
                self.more_ports(*value, protocol_before)
            }
            SubjectKind::Icmp { family, kind } => {
                *before = Before::Other(subject.span, Some(icmp_word(*family)));
                let part = self.icmp(*family, *kind, env)?;
                one(part)
            }
            SubjectKind::Protocol(span) => {
                *before = Before::Other(subject.span, Some("proto"));
                self.no_parameter(*span, env)?;
                let protocol = self.read_protocol(*span)?;
                one(Part::Protocol(protocol))
            }
            SubjectKind::Interface(interface) => {
                self.report(messages::interface_as_subject(interface.span()));
                None
            }
        }
    }

    fn more_ports(&mut self, value: Value, before: Before) -> Option<Vec<Traffic>> {
        match before {
            Before::Ports(protocol) => {
                let ports = self.read_ports(value)?;
                Some(vec![Traffic::plain(port_part(protocol, ports))])
            }
            Before::Other(span, word) => {
                let text = self.text(value.0);
                let written = word.map(|word| format!("{word} {text}"));
                self.report(messages::number_continues_nothing(value.0, Some(span), written));
                None
            }
            Before::Nothing => {
                self.report(messages::number_continues_nothing(value.0, None, None));
                None
            }
        }
    }

    /// Whether a name after `icmp echo-request,` is a type too.
    fn is_forgotten_type(&self, name: Name, before: &str, env: Option<CallId>) -> bool {
        let word = self.text(name.0);
        let family = Family::BOTH.into_iter().find(|family| icmp_word(*family) == before);
        let known = self.argument(word, env).is_some()
            || self.names.services.contains(word)
            || self.names.standard.contains(word);
        !known && family.is_some_and(|family| IcmpType::from_name(family, word).is_some())
    }

    pub(super) fn icmp(
        &mut self,
        family: Family,
        kind: Option<IcmpValue>,
        env: Option<CallId>,
    ) -> Option<Part> {
        let (kind, code) = match kind {
            None | Some(IcmpValue::Any(_)) => {
                return Some(Part::Protocol(Protocol::icmp(family)));
            }
            Some(IcmpValue::Name(name)) => {
                self.no_parameter(name.0, env)?;
                let word = self.text(name.0);
                let icmp = IcmpType::from_name(family, word);
                if icmp.is_none() {
                    self.report(messages::unknown_icmp_type(name.0, word, family));
                }
                return icmp.map(Part::Icmp);
            }
            Some(IcmpValue::Number { kind, code }) => (kind, code),
        };
        // 255 is how iptables writes "every type"; no ICMP message has it.
        let kind = self.read_byte(kind.0, "ICMP type", 254)?;
        let code = match code {
            Some(code) => Some(self.read_byte(code.0, "ICMP code", 255)?),
            None => None,
        };
        Some(Part::Icmp(IcmpType { family, kind, code }))
    }

    pub(super) fn read_protocol(&mut self, span: Span) -> Option<Protocol> {
        let text = self.text(span);
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            let number = self.read_number(span, "protocol", 1, 255)?;
            return u8::try_from(number).ok().and_then(Protocol::new);
        }
        let protocol = Protocol::from_name(text);
        if protocol.is_none() {
            self.report(messages::unknown_protocol(span, text));
        }
        protocol
    }

    /// The service, or the argument, of a name in a list of subjects.
    fn service(&mut self, name: Name, env: Option<CallId>) -> Option<Vec<Traffic>> {
        let word = self.text(name.0);
        if let Some((argument, env)) = self.argument(word, env) {
            if !self.follow(name.0, 1) {
                return None;
            }
            return match &argument.kind {
                ArgumentKind::Name(name) => self.service(*name, env),
                ArgumentKind::Subjects(subjects) => self.traffic(subjects, env),
                ArgumentKind::Endpoints(list) => self.services_of_list(list, name, env),
                ArgumentKind::Quoted(_) | ArgumentKind::Pattern(_) | ArgumentKind::Value(_) => {
                    self.report(messages::argument_is_no(name.0, argument.span, "service"));
                    None
                }
            };
        }
        self.service_of_word(name.0, word).map(|rc| rc.to_vec())
    }

    /// A list of bare names in parentheses reads as places or as services, by its use.
    fn services_of_list(
        &mut self,
        list: &'a List,
        parameter: Name,
        env: Option<CallId>,
    ) -> Option<Vec<Traffic>> {
        let mut all = Vec::new();
        let items: &'a [Endpoint] = match &list.items[..] {
            [Endpoint { kind: EndpointKind::Group(inner), .. }] => &inner.items,
            items => items,
        };
        for item in items {
            match &item.kind {
                EndpointKind::Name(name) if item.port.is_none() && item.place.is_none() => {
                    all.extend(self.service(*name, env)?);
                }
                EndpointKind::Any if items.len() == 1 => all.push(Traffic::plain(Part::Any)),
                _ => {
                    self.report(messages::argument_is_no(parameter.0, item.span, "service"));
                    return None;
                }
            }
        }
        Some(merge(all))
    }

    /// What a service's name means: the policy's own first, then the standard library's.
    pub(super) fn service_of_word(&mut self, at: Span, word: &'a str) -> Option<Rc<[Traffic]>> {
        let own = self.names.services.find(word).map(|(index, node)| ((true, index), node));
        let standard = || self.names.standard.find(word).map(|(index, n)| ((false, index), n));
        let Some((key, node)) = own.or_else(standard) else {
            self.report(messages::unknown_service(at, word, &self.names));
            return None;
        };
        if let Some(known) = self.services.get(&key) {
            return known.clone();
        }
        if let Some(start) = self.service_path.iter().position(|(known, _)| *known == key) {
            let ring: Vec<Span> =
                self.service_path[start..].iter().map(|(_, span)| *span).collect();
            self.report(messages::recursive("service", word, at, &ring));
            return None;
        }
        self.service_path.push((key, at));
        let traffic = if self.service_path.len() > super::MAX_DEPTH {
            self.report(messages::definitions_too_deep(at, super::MAX_DEPTH));
            None
        } else {
            self.defined_service(node)
        };
        self.service_path.pop();
        let traffic: Option<Rc<[Traffic]>> = traffic.map(Into::into);
        self.services.insert(key, traffic.clone());
        traffic
    }

    fn defined_service(&mut self, node: ServiceNode<'a>) -> Option<Vec<Traffic>> {
        let mut traffic = self.traffic(node.subjects, None)?;
        let binding = self.binding(node)?;
        let composite = |subject: &Subject| {
            matches!(subject.kind, SubjectKind::Name(_) | SubjectKind::Call { .. })
        };
        if binding.binds()
            && let Some(member) = node.subjects.iter().find(|subject| composite(subject))
        {
            self.report(messages::composite_cannot_bind(node.name.0, member.span));
            return None;
        }
        for one in &mut traffic {
            one.families = one.families.intersection(binding.families);
            if binding.destination.is_some() {
                one.destination.clone_from(&binding.destination);
            }
            if let Some((helper, at)) = binding.helper {
                self.check_helper(helper, at, one)?;
                one.helper = Some(helper);
            }
            if let Some(ports) = &binding.sport {
                let Part::Ports { source, .. } = &mut one.part else {
                    self.report(messages::service_without_ports(node.name.0));
                    return None;
                };
                *source = ports.clone();
                one.fixed = true;
            }
        }
        traffic.retain(|one| !one.families.is_empty());
        Some(traffic)
    }

    /// Reads the clauses of a service definition.
    fn binding(&mut self, node: ServiceNode<'a>) -> Option<Binding> {
        let mut binding = Binding::default();
        let mut whole = self.check_duplicates(node.clauses);
        for clause in node.clauses {
            whole &= self.bind(&mut binding, clause).is_some();
        }
        whole.then_some(binding)
    }

    fn bind(&mut self, binding: &mut Binding, clause: &'a Clause) -> Option<()> {
        match &clause.kind {
            ClauseKind::Sport(values) => binding.sport = Some(self.read_port_list(values)?),
            ClauseKind::Helper(name) => binding.helper = Some((self.read_helper(*name)?, name.0)),
            ClauseKind::Ipv4 => binding.families.v6 = false,
            ClauseKind::Ipv6 => binding.families.v4 = false,
            ClauseKind::To(list) => {
                let ends = self.ends(list, None)?;
                let all = self.addresses_of(&ends, "the destination of a service")?;
                binding.destination = Some(all);
            }
            ClauseKind::Alias(_) | ClauseKind::Tags(_) | ClauseKind::Comment(_) => {}
            _ => {
                self.report(messages::misplaced_in_service(clause));
                return None;
            }
        }
        Some(())
    }

    fn read_helper(&mut self, name: Name) -> Option<Helper> {
        let word = self.text(name.0);
        let helper = Helper::from_name(word);
        if helper.is_none() {
            let known = Helper::ALL.map(Helper::name);
            self.report(messages::unknown_word(name.0, word, "connection helper", &known));
        }
        helper
    }

    /// Whether a helper can read the traffic of its service.
    fn check_helper(&mut self, helper: Helper, at: Span, one: &Traffic) -> Option<()> {
        let reads = match &one.part {
            Part::Ports { protocol, .. } => helper.protocols().contains(protocol),
            Part::Any | Part::Icmp(_) | Part::Protocol(_) => false,
        };
        if !reads {
            self.report(messages::wrong_helper(at, helper, &super::rules::describe(&one.part)));
            return None;
        }
        if helper.families().intersection(one.families).is_empty() {
            self.report(messages::helper_of_other_family(at, helper, None));
            return None;
        }
        Some(())
    }

    /// `wireguard(51821)`: a service on other ports.
    fn moved_service(
        &mut self,
        name: Name,
        ports: &[Value],
        env: Option<CallId>,
    ) -> Option<Vec<Traffic>> {
        let mut traffic = self.service(name, env)?;
        let ports = self.read_port_list(ports)?;
        let mut own: Option<Ports> = None;
        for one in &mut traffic {
            let Part::Ports { destination, .. } = &mut one.part else {
                self.report(messages::cannot_move(name.0, self.text(name.0)));
                return None;
            };
            if own.as_ref().is_some_and(|own| own != destination) {
                self.report(messages::cannot_move(name.0, self.text(name.0)));
                return None;
            }
            own = Some(std::mem::replace(destination, ports.clone()));
        }
        Some(traffic)
    }
}

fn icmp_word(family: Family) -> &'static str {
    match family {
        Family::V4 => "icmp",
        Family::V6 => "icmpv6",
    }
}

/// What the clauses of a service bind all its traffic to.
struct Binding {
    families: Families,
    sport: Option<Ports>,
    destination: Option<Addresses>,
    helper: Option<(Helper, Span)>,
}

impl Default for Binding {
    fn default() -> Self {
        Binding { families: Families::BOTH, sport: None, destination: None, helper: None }
    }
}

impl Binding {
    fn binds(&self) -> bool {
        self.sport.is_some() || self.destination.is_some() || self.helper.is_some()
    }
}

fn port_part(protocol: PortProtocol, destination: Ports) -> Part {
    Part::Ports { protocol, source: Ports::full(), destination }
}
