//! Hand-made policies, each sentence of the language with packets that tell it from its opposite.

mod alter;
mod filter;
mod nat;
mod probing;
mod sets;
mod tracking;
mod walking;

use std::sync::Arc;

use super::*;
use crate::net::address::{parse_address, parse_addresses};
use crate::net::{
    Addresses, CtState, Families, Interface, PortProtocol, Rate, TcpFlags, port::parse_ports,
};
use crate::packet::{Original, Packet, Payload};
use crate::resolve::policy::*;
use crate::source::{FileId, Sources, Span};

fn file() -> FileId {
    static FILE: std::sync::OnceLock<FileId> = std::sync::OnceLock::new();
    *FILE.get_or_init(|| Sources::new().add("test.fw", " ".repeat(1_000)))
}

fn origin(number: usize) -> Origin {
    Origin { span: Span::new(file(), number..number + 1), call: None }
}

/// The built-in defaults around these items.
fn policy(items: Vec<Item>) -> Policy {
    let default = |verdict| HookDefault { verdict, log: None, span: None };
    Policy {
        defaults: Defaults {
            input: default(Verdict::Drop),
            forward: default(Verdict::Drop),
            output: default(Verdict::Allow),
        },
        implicit: Implicit {
            loopback: true,
            established: true,
            invalid: true,
            neighbour_discovery: true,
            dhcpv6_client: true,
            span: None,
        },
        sets: Vec::new(),
        chains: Vec::new(),
        items,
        calls: Vec::new(),
        lists: Vec::new(),
        promises: Vec::new(),
        zones: Vec::new(),
        vocabulary: Vocabulary::default(),
        has_zones: false,
        preserve: None,
        docker: None,
    }
}

fn no_implicit(mut policy: Policy) -> Policy {
    policy.implicit = Implicit {
        loopback: false,
        established: false,
        invalid: false,
        neighbour_discovery: false,
        dhcpv6_client: false,
        span: None,
    };
    policy
}

fn chain(name: &str, rules: Vec<Rule>) -> Chain {
    Chain { name: name.into(), span: origin(0).span, rules, raws: Vec::new() }
}

fn set(text: &str) -> Addresses {
    let one = |text: &str| parse_addresses(text.trim()).expect(text).addresses;
    match text {
        "any" => Addresses::full(),
        "" => Addresses::empty(),
        list => list.split(',').map(one).fold(Addresses::empty(), |a, b| a.union(&b)),
    }
}

fn interfaces(text: &str) -> Vec<Interface> {
    text.split(',').map(|name| Interface::new(name).expect(name)).collect()
}

/// Addresses behind interfaces; `-` is any interface.
fn place(names: &str, addresses: &str) -> Place {
    let interfaces = (names != "-").then(|| interfaces(names));
    Place { interfaces, ..Place::of(set(addresses)) }
}

fn anywhere() -> Vec<Place> {
    vec![Place::anywhere()]
}

fn tcp_part(ports: &str) -> Part {
    let destination = parse_ports(ports).expect(ports);
    Part::Ports { protocol: PortProtocol::Tcp, source: crate::net::Ports::full(), destination }
}

fn flow(scope: Scope, source: Vec<Place>, destination: Vec<Place>, parts: Vec<Part>) -> Flow {
    Flow { scope, families: Families::BOTH, source, destination, parts }
}

/// Everything in one chain.
fn all(scope: Scope) -> Flow {
    flow(scope, anywhere(), anywhere(), vec![Part::Any])
}

const INPUT: Scope = Scope::Hook(Hook::Input);
const FORWARD: Scope = Scope::Hook(Hook::Forward);
const OUTPUT: Scope = Scope::Hook(Hook::Output);

fn rule(number: usize, action: Action, flows: Vec<Flow>) -> Rule {
    Rule {
        origin: origin(number),
        action,
        flows,
        conditions: Vec::new(),
        limits: Vec::new(),
        log: None,
        remarks: Remarks::default(),
    }
}

fn limited(mut rule: Rule, ids: &[u32]) -> Rule {
    let rate = Rate::parse("5/minute").expect("a rate");
    let limit = |id: &u32| Limit {
        id: LimitId(*id),
        kind: LimitKind::Rate { rate, burst: 10, per: Vec::new() },
    };
    rule.limits = ids.iter().map(limit).collect();
    rule
}

fn log(prefix: &str) -> Log {
    let rate = Rate::parse("10/minute").expect("a rate");
    Log {
        prefix: Some(prefix.into()),
        level: LogLevel(4),
        allowance: Some(Allowance { rate, burst: 20 }),
    }
}

fn nat(number: usize, kind: NatKind) -> Nat {
    Nat {
        origin: origin(number),
        families: Families::BOTH,
        kind,
        conditions: Vec::new(),
        remarks: Remarks::default(),
    }
}

/// `tcp SOURCE:PORT -> DESTINATION:PORT`, new, on no interface.
fn tcp(source: (&str, u16), destination: (&str, u16)) -> Packet {
    Packet {
        incoming: None,
        outgoing: None,
        source: parse_address(source.0).expect(source.0),
        destination: parse_address(destination.0).expect(destination.0),
        payload: Payload::Tcp {
            source: source.1,
            destination: destination.1,
            flags: TcpFlags::SYN,
        },
        state: CtState::New,
        original: None,
        to_local: false,
        mac: None,
        mark: 0,
        connection_mark: 0,
        user: None,
        group: None,
        length: 60,
        ttl: 64,
        dscp: 0,
        opaque: std::collections::BTreeSet::new(),
    }
}

impl Packet {
    fn on(mut self, incoming: &str) -> Self {
        self.incoming = Some(incoming.into());
        self
    }

    fn leaving(mut self, outgoing: &str) -> Self {
        self.outgoing = Some(outgoing.into());
        self
    }

    fn state(mut self, state: CtState) -> Self {
        self.state = state;
        self
    }

    fn local(mut self) -> Self {
        self.to_local = true;
        self
    }

    fn originally(mut self, destination: &str, port: u16) -> Self {
        let destination = parse_address(destination).expect(destination);
        self.original = Some(Original { destination, port: Some(port) });
        self
    }

    fn carrying(mut self, payload: Payload) -> Self {
        self.payload = payload;
        self
    }
}

/// A tcp packet to port 22 of an IPv4 or IPv6 host.
fn ssh(family: Family) -> Packet {
    match family {
        Family::V4 => tcp(("198.51.100.9", 40_000), ("192.0.2.1", 22)),
        Family::V6 => tcp(("2001:db8::9", 40_000), ("2001:db8::1", 22)),
    }
}

/// What becomes of a packet while every limit has room.
fn decide(policy: &Policy, base: BaseChain, packet: &Packet) -> Decision {
    meaning(policy).trace(base, packet, &mut |_| true).decision
}

fn translation(policy: &Policy, base: BaseChain, packet: &Packet) -> Translation {
    match decide(policy, base, packet) {
        Decision::Translate(translation) => Arc::unwrap_or_clone(translation),
        other => panic!("nat does not {other:?}"),
    }
}

fn accepts(policy: &Policy, hook: Hook, packet: &Packet) -> bool {
    match decide(policy, hook.into(), packet) {
        Decision::Accept => true,
        Decision::Drop | Decision::Reject(_) => false,
        other @ (Decision::Translate(_) | Decision::Unknown(_) | Decision::LeaveToDocker) => {
            panic!("no rule here does {other:?}")
        }
    }
}

/// The reasons of the entries of a base chain, in order.
fn reasons(policy: &Policy, family: Family, hook: Hook) -> Vec<Reason> {
    let meaning = meaning(policy);
    let list = meaning.base(family, hook.into()).expect("all base chains are there");
    list.entries.iter().map(|entry| entry.reason).collect()
}
