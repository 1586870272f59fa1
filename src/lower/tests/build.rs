//! Policies by hand, short enough that a test reads like what it is about.

use std::sync::Arc;

use crate::lower::{Lowered, lower};
use crate::net::address::parse_addresses;
use crate::net::port::parse_ports;
use crate::net::{Addresses, Families, Interface, PortProtocol, Ports, Rate};
use crate::resolve::Policy;
use crate::resolve::policy::{
    Action, Allowance, Chain, Defaults, Flow, Hook, HookDefault, Implicit, Item, Limit, LimitId,
    LimitKind, Log, LogLevel, Nat, NatKind, Origin, Part, Place, Remarks, Rule, Scope, Verdict,
};
use crate::ruleset::TableName;
use crate::source::{Sources, Span};

use super::show;

/// A policy of built-in defaults without implicit rules, with a text to take spans from.
pub(super) struct Build {
    pub(super) policy: Policy,
    pub(super) sources: Sources,
    statements: usize,
}

pub(super) fn policy() -> Build {
    let default = |verdict| HookDefault { verdict, log: None, span: None };
    let off = Implicit {
        loopback: false,
        established: false,
        invalid: false,
        neighbour_discovery: false,
        dhcpv6_client: false,
        span: None,
    };
    let policy = Policy {
        promises: Vec::new(),
        zones: Vec::new(),
        vocabulary: crate::resolve::policy::Vocabulary::default(),
        has_zones: false,
        preserve: None,
        docker: None,
        defaults: Defaults {
            input: default(Verdict::Drop),
            forward: default(Verdict::Drop),
            output: default(Verdict::Allow),
        },
        implicit: off,
        sets: Vec::new(),
        chains: Vec::new(),
        items: Vec::new(),
        calls: Vec::new(),
        lists: Vec::new(),
    };
    let mut sources = Sources::new();
    sources.add("test.fw", "\n".repeat(1000));
    Build { policy, sources, statements: 0 }
}

impl Build {
    /// The place of a statement: each has a line of its own.
    pub(super) fn origin(&mut self) -> Origin {
        self.statements += 1;
        let at = self.statements.min(999);
        let (file, _) = self.sources.files().next().expect("there is one");
        Origin { span: Span::new(file, at..at), call: None }
    }

    pub(super) fn rule(mut self, mut rule: Rule) -> Self {
        rule.origin = self.origin();
        self.policy.items.push(Item::Rule(rule));
        self
    }

    pub(super) fn nat(mut self, kind: NatKind) -> Self {
        let (origin, families) = (self.origin(), Families::BOTH);
        let nat = Nat { origin, families, kind, conditions: vec![], remarks: Remarks::default() };
        self.policy.items.push(Item::Nat(nat));
        self
    }

    pub(super) fn chain(mut self, name: &str, rules: Vec<Rule>) -> Self {
        let span = self.origin().span;
        let mut rules = rules;
        for rule in &mut rules {
            rule.origin = self.origin();
        }
        self.policy.chains.push(Chain { name: name.into(), span, rules, raws: Vec::new() });
        self
    }

    pub(super) fn lower(&self) -> Lowered {
        lower(&self.policy, &self.sources)
    }

    /// The filter table of IPv4.
    pub(super) fn filter(&self) -> String {
        show::table(&self.lower().v4, TableName::Filter)
    }

    /// The nat table of IPv4.
    pub(super) fn nat_table(&self) -> String {
        show::table(&self.lower().v4, TableName::Nat)
    }

    /// One chain of the IPv4 filter.
    pub(super) fn filter_chain(&self, name: &str) -> Vec<String> {
        show::chain(&self.lower().v4, TableName::Filter, name)
    }
}

/// A rule with one flow to `hook`, from and to anywhere, of any traffic.
pub(super) fn on(hook: Hook, action: Action) -> Rule {
    scoped(Scope::Hook(hook), action)
}

pub(super) fn scoped(scope: Scope, action: Action) -> Rule {
    let mut sources = Sources::new();
    let file = sources.add("none", "");
    let flow = Flow {
        scope,
        families: Families::BOTH,
        source: vec![Place::anywhere()],
        destination: vec![Place::anywhere()],
        parts: vec![Part::Any],
    };
    Rule {
        origin: Origin { span: Span::new(file, 0..0), call: None },
        action,
        flows: vec![flow],
        conditions: Vec::new(),
        limits: Vec::new(),
        log: None,
        remarks: Remarks::default(),
    }
}

impl Rule {
    pub(super) fn from(mut self, source: Vec<Place>) -> Self {
        self.flows[0].source = source;
        self
    }

    pub(super) fn to(mut self, destination: Vec<Place>) -> Self {
        self.flows[0].destination = destination;
        self
    }

    pub(super) fn parts(mut self, parts: Vec<Part>) -> Self {
        self.flows[0].parts = parts;
        self
    }

    /// The same flow in another chain too.
    pub(super) fn also_on(mut self, hook: Hook) -> Self {
        self.flows.push(Flow { scope: Scope::Hook(hook), ..self.flows[0].clone() });
        self
    }

    pub(super) fn limit(mut self, id: u32, kind: LimitKind) -> Self {
        self.limits.push(Limit { id: LimitId(id), kind });
        self
    }

    pub(super) fn log(mut self, prefix: &str) -> Self {
        self.log = Some(log(prefix));
        self
    }
}

pub(super) fn log(prefix: &str) -> Log {
    let prefix = Some(Arc::from(prefix));
    let allowance = Some(Allowance { rate: rate("10/minute"), burst: 20 });
    Log { prefix, level: LogLevel(4), allowance }
}

pub(super) fn rate(text: &str) -> Rate {
    Rate::parse(text).expect(text)
}

pub(super) fn limit_of(text: &str, burst: u32) -> LimitKind {
    LimitKind::Rate { rate: rate(text), burst, per: Vec::new() }
}

/// Addresses, prefixes and ranges by blanks; IPv6 is empty unless something of it is named.
pub(super) fn net(text: &str) -> Addresses {
    let all = text.split(' ').map(|one| parse_addresses(one).expect(one).addresses);
    all.fold(Addresses::empty(), |sum, more| sum.union(&more))
}

/// A place at these addresses (all when empty) behind these interfaces (any when empty).
pub(super) fn place(interfaces: &str, addresses: &str) -> Place {
    let names = || interfaces.split(' ').map(|name| Interface::new(name).expect(name)).collect();
    Place {
        interfaces: (!interfaces.is_empty()).then(names),
        addresses: if addresses.is_empty() { Addresses::full() } else { net(addresses) },
        sets: Vec::new(),
    }
}

pub(super) fn ports(text: &str) -> Ports {
    let all = text.split(',').map(|one| parse_ports(one).expect(one));
    all.fold(Ports::empty(), |sum, more| sum.union(&more))
}

pub(super) fn tcp(destination: &str) -> Part {
    part(PortProtocol::Tcp, destination)
}

pub(super) fn udp(destination: &str) -> Part {
    part(PortProtocol::Udp, destination)
}

fn part(protocol: PortProtocol, destination: &str) -> Part {
    Part::Ports { protocol, source: Ports::full(), destination: ports(destination) }
}
