//! `assert`, `protect` and `test`: what the policy promises of itself, with its names resolved.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::context::{Context, ToIs};
use super::ends::{End, EndKind};
use super::policy::{
    Claim, Condition, Expected, Flow, Host, Part, Promise, PromiseKind, TestPacket,
};
use super::rules::{flow, groups, speaks_in};
use super::{Resolver, messages};
use crate::net::{Account, CtState, Family, IcmpType, Interface, Mac, Protocol, TcpFlags};
use crate::packet::opaque;
use crate::source::Span;
use crate::syntax::tree::{
    self, Clause, ClauseKind, Endpoint, EndpointKind, InterfaceName, Name, Subject, SubjectKind,
    Text, VerbKind,
};
use crate::syntax::unquote;

/// What an ordinary packet has, as it is in witnesses too.
const LENGTH: u16 = 60;
const TTL: u8 = 64;

impl<'a> Resolver<'a> {
    pub(super) fn assert(&mut self, rule: &'a tree::Rule, span: Span) {
        let accepts = match &rule.verb.kind {
            VerbKind::Allow => true,
            VerbKind::Drop => false,
            _ => {
                let word = self.text(rule.verb.span);
                self.report(messages::not_assertable(rule.verb.span, word));
                return;
            }
        };
        let claim = self.claim("assert", accepts, (&rule.subjects, &rule.clauses), rule.subject());
        let kind = claim.map(PromiseKind::Assert);
        self.promises.extend(kind.map(|kind| Promise { span, kind }));
    }

    pub(super) fn protect(&mut self, subjects: &'a [Subject], clauses: &'a [Clause], span: Span) {
        let subject = match subjects {
            [first, .., last] => first.span.to(last.span),
            [one] => one.span,
            [] => span,
        };
        let claim = self.claim("protect", true, (subjects, clauses), subject);
        let kind = claim.map(PromiseKind::Protect);
        self.promises.extend(kind.map(|kind| Promise { span, kind }));
    }

    /// What is said of connections; `word` begins the promise.
    fn claim(
        &mut self,
        word: &str,
        accepts: bool,
        (subjects, clauses): (&'a [Subject], &'a [Clause]),
        span: Span,
    ) -> Option<Claim> {
        let within = clauses.iter().find_map(|clause| match &clause.kind {
            ClauseKind::Within(name) => Some((clause.span, *name)),
            _ => None,
        });
        let within_limits = match within {
            Some((at, name)) => {
                self.within_limits(at, name, word, accepts)?;
                true
            }
            None => false,
        };
        self.check_claim_clauses(clauses, word)?;
        let traffic = self.traffic(subjects, None);
        let outer = Context { is_promise: true, ..Context::top() };
        let context = self.narrow(&outer, clauses, ToIs::Ends, None)?;
        let mut traffic = traffic?;
        self.narrow_ports(&mut traffic, &context, span)?;
        let routes = self.routes(&context, span)?;
        self.check_conditions(&context, &traffic, &routes)?;
        let families = self.rule_families(&context, &mut traffic, subjects, None)?;
        let mut flows: Vec<Flow> = Vec::new();
        for route in &routes {
            flows.extend(groups(&traffic).iter().map(|group| flow(route, group, families)));
        }
        flows.retain(|flow| Family::BOTH.into_iter().any(|family| speaks_in(flow, family)));
        if flows.is_empty() {
            self.report(messages::no_family_left(span));
            return None;
        }
        let conditions = context.conditions.into_iter().map(|(condition, _)| condition).collect();
        Some(Claim { accepts, within_limits, flows, conditions })
    }

    fn within_limits(&mut self, at: Span, name: Name, word: &str, accepts: bool) -> Option<()> {
        let limits = self.text(name.0);
        if limits != "limits" {
            self.report(messages::unknown_word(name.0, limits, "bound", &["limits"]));
            return None;
        }
        if word != "assert" || !accepts {
            self.report(messages::within_limits_of_others(at, word));
            return None;
        }
        Some(())
    }

    /// A promise is about new connections, by where they come from and go to and what they are.
    fn check_claim_clauses(&mut self, clauses: &'a [Clause], word: &str) -> Option<()> {
        let mut whole = true;
        for clause in clauses {
            let finding = match &clause.kind {
                ClauseKind::From(_)
                | ClauseKind::To(_)
                | ClauseKind::In(_)
                | ClauseKind::Out(_)
                | ClauseKind::Ipv4
                | ClauseKind::Ipv6
                | ClauseKind::Sport(_)
                | ClauseKind::During { .. }
                | ClauseKind::User(_)
                | ClauseKind::Group(_)
                | ClauseKind::Mac(_)
                | ClauseKind::Length(_)
                | ClauseKind::Ttl(_)
                | ClauseKind::Dscp(_)
                | ClauseKind::Via(_)
                | ClauseKind::Comment(_)
                | ClauseKind::Owner(_)
                | ClauseKind::Ticket(_)
                | ClauseKind::Within(_)
                // Refused before, where expectations are gathered.
                | ClauseKind::Expect { .. } => continue,
                ClauseKind::State(_)
                | ClauseKind::Flags { .. }
                | ClauseKind::Mark(_)
                | ClauseKind::Limit { .. }
                | ClauseKind::Connections { .. }
                | ClauseKind::Log(_)
                | ClauseKind::With(_)
                | ClauseKind::Until(_)
                | ClauseKind::As(_)
                | ClauseKind::At(_)
                | ClauseKind::On(_)
                | ClauseKind::Hairpin(_)
                | ClauseKind::Helper(_)
                | ClauseKind::Alias(_)
                | ClauseKind::Tags(_) => messages::clause_of_promise(
                    clause.span,
                    super::context::word(&clause.kind),
                    word,
                ),
            };
            self.report(finding);
            whole = false;
        }
        whole.then_some(())
    }

    pub(super) fn test(&mut self, title: Text, packets: &'a [tree::TestPacket], span: Span) {
        let title: Arc<str> = unquote(self.text(title.0)).into();
        let read = packets.iter().filter_map(|packet| self.test_packet(packet)).collect();
        let body = self.text(span).split_once('{').map_or("", |(_, body)| body);
        if packets.is_empty() && body.trim_start() == "}" {
            self.report(messages::empty_test(span));
        }
        let kind = PromiseKind::Test { title, packets: read };
        self.promises.push(Promise { span, kind });
    }

    fn test_packet(&mut self, packet: &'a tree::TestPacket) -> Option<TestPacket> {
        let expected = match &packet.verdict.kind {
            VerbKind::Allow => Expected::Allow,
            VerbKind::Drop => Expected::Drop,
            VerbKind::Reject => Expected::Reject,
            _ => {
                let word = self.text(packet.verdict.span);
                self.report(messages::no_verdict(packet.verdict.span, word));
                return None;
            }
        };
        let whole = self.check_duplicates(&packet.clauses);
        let carried = self.carried(&packet.subject);
        let source = self.host(&packet.source);
        let destination = self.host(&packet.destination);
        let (carried, mut source, mut destination) = (carried?, source?, destination?);
        let family = self.packet_family(packet, carried, [&source, &destination])?;
        self.check_ports(carried, [&source, &destination])?;
        let mut read = Details::new(carried.protocol == Protocol::TCP);
        let mut fine = whole;
        for clause in &packet.clauses {
            fine &= self.detail(clause, &mut read).is_some();
        }
        if !fine {
            return None;
        }
        if source.is_own && destination.is_own {
            let lo = Some(vec![Interface::loopback()]);
            (source.interfaces, destination.interfaces) = (lo.clone(), lo);
        }
        let incoming = self.incoming(&source, read.incoming.take(), packet.span)?;
        Some(TestPacket {
            span: packet.span,
            family,
            protocol: carried.protocol,
            icmp: carried.icmp,
            source,
            destination,
            incoming,
            outgoing: read.outgoing.map(|(name, _)| name),
            state: read.state,
            flags: read.flags,
            mac: read.mac,
            mark: read.mark,
            user: read.user,
            group: read.group,
            length: read.length,
            ttl: read.ttl,
            dscp: read.dscp,
            holds: read.holds,
            expected,
        })
    }

    /// What a packet carries, by the word it begins with.
    fn carried(&mut self, subject: &'a Subject) -> Option<Carried> {
        let of = |protocol| Some(Carried { protocol, icmp: None, family: None });
        match &subject.kind {
            SubjectKind::Ports { protocol, .. } => of(protocol.protocol()),
            SubjectKind::Protocol(span) => {
                let protocol = self.read_protocol(*span)?;
                if [Protocol::ICMP, Protocol::ICMPV6].contains(&protocol) {
                    self.report(messages::icmp_without_type(subject.span));
                    return None;
                }
                let family = protocol.is_ipv6_header().then_some(Family::V4);
                Some(Carried { protocol, icmp: None, family })
            }
            SubjectKind::Icmp { family, kind } => {
                let part = self.icmp(*family, *kind, None)?;
                let Part::Icmp(IcmpType { kind, code, .. }) = part else {
                    self.report(messages::icmp_without_type(subject.span));
                    return None;
                };
                let icmp = Some((kind, code.unwrap_or(0)));
                Some(Carried { protocol: Protocol::icmp(*family), icmp, family: Some(*family) })
            }
            SubjectKind::Any
            | SubjectKind::Name(_)
            | SubjectKind::Call { .. }
            | SubjectKind::More(_)
            | SubjectKind::Interface(_) => None,
        }
    }

    fn host(&mut self, endpoint: &'a Endpoint) -> Option<Host> {
        let port = match endpoint.port {
            Some(port) => Some(self.read_port(port)?),
            None => None,
        };
        let span = endpoint.span;
        if matches!(endpoint.kind, EndpointKind::Machine) && endpoint.place.is_none() {
            return Some(Host { span, address: None, is_own: true, port, interfaces: None });
        }
        let ends = self.endpoint_ends(endpoint, None)?;
        let single = |end: &End| {
            let addresses = &end.place.addresses;
            let all: Vec<IpAddr> = Family::BOTH
                .into_iter()
                .flat_map(|family| addresses.prefixes(family).take(2))
                .filter(|prefix| prefix.bounds().0 == prefix.bounds().1)
                .map(crate::net::Prefix::address)
                .collect();
            let counted: usize = Family::BOTH
                .into_iter()
                .map(|family| addresses.prefixes(family).take(2).count())
                .sum();
            match &all[..] {
                [address] if counted == 1 && end.place.sets.is_empty() => Some(*address),
                _ => None,
            }
        };
        let (Some(end), Some(address)) = (ends.first(), ends.first().and_then(single)) else {
            self.report(messages::host_of_many(span, self.text(span)));
            return None;
        };
        if ends.len() > 1 {
            self.report(messages::host_of_many(span, self.text(span)));
            return None;
        }
        let is_own = end.kind == EndKind::Machine;
        let interfaces = end.place.interfaces.clone();
        Some(Host { span, address: Some(address), is_own, port, interfaces })
    }

    fn packet_family(
        &mut self,
        packet: &tree::TestPacket,
        carried: Carried,
        hosts: [&Host; 2],
    ) -> Option<Family> {
        let clause = packet.clauses.iter().find_map(|clause| match clause.kind {
            ClauseKind::Ipv4 => Some((Family::V4, clause.span)),
            ClauseKind::Ipv6 => Some((Family::V6, clause.span)),
            _ => None,
        });
        let of_subject = carried.family.map(|family| (family, packet.subject.span));
        let of_hosts = hosts.map(|host| host.address.map(|one| (Family::of(one), host.span)));
        let said: Vec<(Family, Span)> =
            [clause, of_subject].into_iter().chain(of_hosts).flatten().collect();
        let Some((family, first)) = said.first().copied() else {
            self.report(messages::packet_without_family(packet.span));
            return None;
        };
        if let Some((_, other)) = said.iter().find(|(other, _)| *other != family) {
            self.report(messages::packet_of_two_families(*other, first));
            return None;
        }
        Some(family)
    }

    fn check_ports(&mut self, carried: Carried, hosts: [&Host; 2]) -> Option<()> {
        let has_ports = [Protocol::TCP, Protocol::UDP, Protocol::SCTP].contains(&carried.protocol);
        for host in hosts {
            if host.port.is_some() != has_ports {
                self.report(if has_ports {
                    messages::packet_without_port(host.span, self.text(host.span))
                } else {
                    messages::packet_with_port(host.span, carried.protocol)
                });
                return None;
            }
        }
        Some(())
    }

    /// The interface that a packet comes in on; none for this machine's own.
    #[allow(clippy::option_option, reason = "a fault is not the absence of an interface")]
    fn incoming(
        &mut self,
        source: &Host,
        said: Option<(Arc<str>, Span)>,
        span: Span,
    ) -> Option<Option<Arc<str>>> {
        match (said, source.is_own) {
            (Some((_, at)), true) => {
                self.report(messages::in_from_self(at, source.span));
                None
            }
            (None, true) => Some(None),
            (Some((name, at)), false) => {
                let leads = |interfaces: &Vec<Interface>| {
                    interfaces.iter().any(|interface| interface.matches(&name))
                };
                if !source.interfaces.as_ref().is_none_or(leads) {
                    let finding = messages::empty_intersection(at, "interfaces");
                    self.report(finding.related(source.span, "this is elsewhere"));
                    return None;
                }
                Some(Some(name))
            }
            (None, false) => {
                let name = source.interfaces.as_deref().and_then(single_interface);
                if name.is_none() {
                    let known: Vec<String> =
                        source.interfaces.iter().flatten().map(ToString::to_string).collect();
                    self.report(messages::packet_without_in(span, &known));
                }
                Some(Some(name?))
            }
        }
    }

    /// One clause of a packet.
    fn detail(&mut self, clause: &'a Clause, read: &mut Details) -> Option<()> {
        match &clause.kind {
            ClauseKind::Ipv4 | ClauseKind::Ipv6 => {}
            ClauseKind::In(names) => read.incoming = Some(self.one_interface(names, clause.span)?),
            ClauseKind::Out(names) => read.outgoing = Some(self.one_interface(names, clause.span)?),
            ClauseKind::State(_)
            | ClauseKind::Flags { .. }
            | ClauseKind::User(_)
            | ClauseKind::Group(_)
            | ClauseKind::Mac(_)
            | ClauseKind::Mark(_)
            | ClauseKind::Dscp(_)
            | ClauseKind::Length(_)
            | ClauseKind::Ttl(_)
            | ClauseKind::Via(_) => {
                let condition = self.condition(clause, None)?;
                self.take_condition(&condition, clause.span, read)?;
            }
            ClauseKind::From(_)
            | ClauseKind::To(_)
            | ClauseKind::Sport(_)
            | ClauseKind::Limit { .. }
            | ClauseKind::Connections { .. }
            | ClauseKind::During { .. }
            | ClauseKind::Log(_)
            | ClauseKind::With(_)
            | ClauseKind::Comment(_)
            | ClauseKind::Owner(_)
            | ClauseKind::Ticket(_)
            | ClauseKind::Until(_)
            | ClauseKind::Expect { .. }
            | ClauseKind::As(_)
            | ClauseKind::At(_)
            | ClauseKind::On(_)
            | ClauseKind::Hairpin(_)
            | ClauseKind::Within(_)
            | ClauseKind::Helper(_)
            | ClauseKind::Alias(_)
            | ClauseKind::Tags(_) => {
                let word = super::context::word(&clause.kind);
                self.report(messages::clause_of_promise(clause.span, word, "a test packet"));
                return None;
            }
        }
        Some(())
    }

    /// A condition as what one packet has.
    fn take_condition(
        &mut self,
        condition: &Condition,
        span: Span,
        read: &mut Details,
    ) -> Option<()> {
        match condition {
            Condition::State(states) => {
                let mut all = states.iter();
                read.state = all.next();
                if all.next().is_some() {
                    self.report(messages::one_of_many(span, "state"));
                    return None;
                }
            }
            Condition::Flags(flags) if !read.is_tcp => {
                let _ = flags;
                self.report(messages::tcp_only(span, "`flags`", "another protocol"));
                return None;
            }
            Condition::Flags(flags) => read.flags = flags.set(),
            Condition::Mac(macs) => match macs[..] {
                [mac] => read.mac = Some(mac),
                _ => {
                    self.report(messages::one_of_many(span, "Ethernet address"));
                    return None;
                }
            },
            Condition::Mark(mark) => read.mark = mark.value(),
            Condition::User(user) => read.user = Some(user.clone()),
            Condition::Group(group) => read.group = Some(group.clone()),
            Condition::Length(lengths) => match lengths.only() {
                Some(length) => read.length = length,
                None => {
                    self.report(messages::one_of_many(span, "length"));
                    return None;
                }
            },
            Condition::Ttl(ttl) => read.ttl = *ttl,
            Condition::Dscp(dscp) => read.dscp = dscp.code(),
            Condition::Ipsec => {
                read.holds.extend([false, true].map(opaque::through_ipsec));
            }
            // No clause of a packet.
            Condition::During(_) => {}
        }
        Some(())
    }

    fn one_interface(
        &mut self,
        names: &'a [InterfaceName],
        span: Span,
    ) -> Option<(Arc<str>, Span)> {
        let interfaces = self.interfaces(names, None)?;
        if let Some(name) = single_interface(&interfaces) {
            return Some((name, span));
        }
        let known: Vec<String> = interfaces.iter().map(ToString::to_string).collect();
        self.report(messages::interface_of_many(span, &known));
        None
    }
}

/// The one interface that is meant, if it is one.
fn single_interface(interfaces: &[Interface]) -> Option<Arc<str>> {
    match interfaces {
        [one] if !one.is_wildcard() => Some(one.stem().into()),
        _ => None,
    }
}

/// What a packet carries.
#[derive(Debug, Clone, Copy)]
struct Carried {
    protocol: Protocol,
    icmp: Option<(u8, u8)>,
    /// Of ICMP and ICMPv6.
    family: Option<Family>,
}

/// What the clauses of a packet say.
struct Details {
    is_tcp: bool,
    incoming: Option<(Arc<str>, Span)>,
    outgoing: Option<(Arc<str>, Span)>,
    state: Option<CtState>,
    flags: TcpFlags,
    mac: Option<Mac>,
    mark: u32,
    user: Option<Account>,
    group: Option<Account>,
    length: u16,
    ttl: u8,
    dscp: u8,
    holds: BTreeSet<Arc<str>>,
}

impl Details {
    /// An ordinary packet that opens a connection.
    fn new(is_tcp: bool) -> Self {
        Details {
            is_tcp,
            incoming: None,
            outgoing: None,
            state: None,
            flags: TcpFlags::SYN,
            mac: None,
            mark: 0,
            user: None,
            group: None,
            length: LENGTH,
            ttl: TTL,
            dscp: 0,
            holds: BTreeSet::new(),
        }
    }
}
