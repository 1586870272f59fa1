//! The packets that the matches of a rule are about.

use std::sync::Arc;

use crate::net::{Addresses, CtState, CtStates, Family, IntervalSet, Ports, Prefix};
use crate::packet::opaque::{self, SetSide};
use crate::packet::{Constraint, Factor, FieldBox, PacketSet, Product};
use crate::ruleset::{Conntrack, KernelSet, Match, MatchKind, SetContent};

/// The packets of a family that all matches may hold for, whatever came before: matches that depend on
/// history are left out.
///
/// A field that a packet does not have fulfils neither a match nor its opposite, but for interfaces,
/// accounts, and connections of packets that have none.
#[must_use]
pub fn packets(family: Family, matches: &[Match]) -> PacketSet {
    let mut common = Vec::new();
    let mut factors = Vec::new();
    for found in matches {
        match condition(family, found) {
            Condition::One(constraint) => common.push(constraint),
            Condition::Any(boxes) => factors.push(Factor::of(boxes)),
            Condition::Always => {}
            Condition::Never => factors.push(Factor::empty()),
        }
    }
    // Two conditions on one field that have no intersection in few words stand side by side.
    match FieldBox::of(common.iter().cloned()) {
        Some(one) => factors.push(Factor::of([one])),
        None => factors.extend(common.into_iter().map(|one| Factor::all([one]))),
    }
    PacketSet::of(family, Product::of(factors))
}

/// Packets that have a connection.
#[must_use]
pub fn tracked_packets(family: Family) -> PacketSet {
    packets_in(family, TRACKED)
}

/// Packets in some states.
pub(super) fn packets_in(family: Family, states: &[CtState]) -> PacketSet {
    let all = Factor::all([Constraint::state(states.iter().copied().collect())]);
    PacketSet::of(family, Product::of([all]))
}

pub(super) const TRACKED: &[CtState] = &[CtState::New, CtState::Related, CtState::Established];
pub(super) const UNCONNECTED: &[CtState] = &[CtState::Invalid, CtState::Untracked];

/// What one match says.
enum Condition {
    One(Constraint),
    Any(Vec<FieldBox>),
    Always,
    Never,
}

impl Condition {
    /// The packets that have the field, with a value of the condition or with another one.
    fn of(family: Family, constraint: Constraint, negated: bool) -> Self {
        if !negated {
            return if constraint.is_empty() {
                Condition::Never
            } else {
                Condition::One(constraint)
            };
        }
        match constraint.others(family) {
            Some(others) => Condition::any(others.into_iter().map(|other| FieldBox::of([other]))),
            None => Condition::Never,
        }
    }

    fn any(boxes: impl IntoIterator<Item = Option<FieldBox>>) -> Self {
        Condition::Any(boxes.into_iter().flatten().collect())
    }

    /// A fact that only its words name.
    fn fact(text: Arc<str>, holds: bool) -> Self {
        Condition::One(Constraint::opaque(text, holds))
    }
}

fn condition(family: Family, found: &Match) -> Condition {
    let negated = found.negated;
    let of = |constraint| Condition::of(family, constraint, negated);
    let addresses = |low, high| Addresses::range(family, low, high);
    let within = |prefix: Prefix| {
        let (low, high) = prefix.bounds();
        addresses(low, high)
    };
    match &found.kind {
        MatchKind::Source(prefix) => of(Constraint::source(family, &within(*prefix))),
        MatchKind::Destination(prefix) => of(Constraint::destination(family, &within(*prefix))),
        MatchKind::SourceRange(low, high) => {
            let [low, high] = [*low, *high].map(crate::net::address::to_number);
            of(Constraint::source(family, &addresses(low, high)))
        }
        MatchKind::DestinationRange(low, high) => {
            let [low, high] = [*low, *high].map(crate::net::address::to_number);
            of(Constraint::destination(family, &addresses(low, high)))
        }
        MatchKind::In(interface) => of(Constraint::incoming(std::slice::from_ref(interface))),
        MatchKind::Out(interface) => of(Constraint::outgoing(std::slice::from_ref(interface))),
        MatchKind::Protocol(protocol) => of(Constraint::protocol(*protocol)),
        MatchKind::SourcePort(low, high) => of(Constraint::source_port(&ports(&[(*low, *high)]))),
        MatchKind::DestinationPort(low, high) => {
            of(Constraint::destination_port(&ports(&[(*low, *high)])))
        }
        MatchKind::SourcePorts(list) => of(Constraint::source_port(&ports(list))),
        MatchKind::DestinationPorts(list) => of(Constraint::destination_port(&ports(list))),
        MatchKind::TcpFlags(flags) => of(Constraint::flags(*flags)),
        MatchKind::Icmp(icmp) if icmp.family == family => of(Constraint::icmp(*icmp)),
        MatchKind::Icmp(_) => Condition::Never,
        MatchKind::AnyIcmp => of(Constraint::any_icmp()),
        MatchKind::Set { set, side } => member(family, set, *side, negated),
        MatchKind::DestinationLocal => of(Constraint::to_local()),
        MatchKind::Multicast(SetSide::Source) => of(Constraint::source(family, &groups(family))),
        MatchKind::Multicast(SetSide::Destination) => {
            of(Constraint::destination(family, &groups(family)))
        }
        MatchKind::Conntrack(asked) => conntrack(family, asked, negated),
        MatchKind::State(states) => of(Constraint::state(*states)),
        MatchKind::Mac(mac) => of(Constraint::mac(&[*mac])),
        MatchKind::Mark(mark) => of(Constraint::mark(*mark)),
        MatchKind::Connmark(mark) => of(Constraint::connection_mark(*mark)),
        MatchKind::User(account) if negated => {
            Condition::fact(format!("sent by user {account}").into(), false)
        }
        MatchKind::User(account) => of(Constraint::user(account)),
        MatchKind::Group(account) if negated => {
            Condition::fact(format!("sent by group {account}").into(), false)
        }
        MatchKind::Group(account) => of(Constraint::group(account)),
        MatchKind::Length(low, high) => {
            of(Constraint::length(&IntervalSet::<u16>::range(*low, *high)))
        }
        MatchKind::Ttl(ttl) => of(Constraint::ttl(*ttl)),
        MatchKind::Dscp(dscp) => of(Constraint::dscp(*dscp)),
        MatchKind::Time(window) => Condition::fact(opaque::now_within(window), !negated),
        MatchKind::Ipsec { outgoing } => {
            Condition::fact(opaque::through_ipsec(*outgoing), !negated)
        }
        MatchKind::Opaque(text) => Condition::fact(Arc::clone(text), !negated),
        MatchKind::Comment(_)
        | MatchKind::OpaqueHistory(_)
        | MatchKind::Limit { .. }
        | MatchKind::Hashlimit(_)
        | MatchKind::Connlimit { .. } => Condition::Always,
    }
}

fn ports(list: &[(u16, u16)]) -> Ports {
    Ports::from_intervals(list.iter().copied())
}

/// Addresses of groups, whatever routes say (`fib_frontend.c`, RFC 5771; `addrconf_core.c`, RFC 4291).
fn groups(family: Family) -> Addresses {
    match family {
        Family::V4 => Addresses::range(family, 0xe000_0000, 0xefff_ffff),
        Family::V6 => Addresses::range(family, 0xff << 120, u128::MAX),
    }
}

/// A set of the other family has no address of the packet's.
fn member(family: Family, set: &KernelSet, side: SetSide, negated: bool) -> Condition {
    match &set.content {
        SetContent::Static(all) => {
            let none = Addresses::empty();
            let all = if set.family == family { all } else { &none };
            let constraint = match side {
                SetSide::Source => Constraint::source(family, all),
                SetSide::Destination => Constraint::destination(family, all),
            };
            Condition::of(family, constraint, negated)
        }
        SetContent::Dynamic(_) | SetContent::Unknown => {
            Condition::fact(opaque::member(side, &set.name), !negated)
        }
    }
}

/// As `xt_conntrack.c`: of a packet without a connection only the state counts, if it is asked for; if
/// other things are, it fulfils neither them nor their opposite.
fn conntrack(family: Family, asked: &Conntrack, negated: bool) -> Condition {
    let states = |states: &dyn Fn(CtState) -> bool| -> CtStates {
        CtState::ALL.into_iter().filter(|state| states(*state)).collect()
    };
    let is_tracked = |state: CtState| TRACKED.contains(&state);
    let asks_state = !asked.states.is_empty() || asked.dnat;
    let destination = asked.original_destination.map(|prefix| {
        let (low, high) = prefix.bounds();
        Constraint::original_destination(family, &Addresses::range(family, low, high))
    });
    let port =
        asked.original_port.map(|(low, high)| Constraint::original_port(&ports(&[(low, high)])));
    if !asks_state && destination.is_none() && port.is_none() {
        return if negated { Condition::Never } else { Condition::Always };
    }
    let mut boxes = Vec::new();
    // Without a connection: the state alone.
    let untracked = states(&|state| {
        !is_tracked(state) && asks_state && asked.states.contains(state) != negated
    });
    boxes.push(FieldBox::of([Constraint::state(untracked)]));
    // With one. A state is one of those asked for, or `DNAT` was asked for and it is translated.
    let of_state =
        states(&|state| is_tracked(state) && (!asks_state || asked.states.contains(state)));
    let not_of_state = states(&|state| is_tracked(state) && !of_state.contains(state));
    let has_port = port.as_ref().map(|_| Constraint::original_port(&ports(&[(0, u16::MAX)])));
    let tracked = Constraint::state(TRACKED.iter().copied().collect());
    if negated {
        let in_other_state = if asked.dnat {
            FieldBox::of([Constraint::state(not_of_state), Constraint::untranslated()])
        } else {
            FieldBox::of([Constraint::state(not_of_state)])
        };
        let present =
            |one: FieldBox| FieldBox::of(one.constraints().iter().cloned().chain(has_port.clone()));
        boxes.push(in_other_state.and_then(present));
        for constraint in [destination, port].into_iter().flatten() {
            for other in constraint.others(family).into_iter().flatten() {
                boxes.push(FieldBox::of([tracked.clone(), other]).and_then(present));
            }
        }
    } else {
        let rest: Vec<Constraint> = [destination, port].into_iter().flatten().collect();
        let with = |state: Vec<Constraint>| FieldBox::of(state.into_iter().chain(rest.clone()));
        boxes.push(with(vec![Constraint::state(of_state)]));
        if asked.dnat {
            boxes.push(with(vec![Constraint::state(not_of_state), Constraint::translated()]));
        }
    }
    Condition::any(boxes)
}
