//! What a machine does not do without, where the rules of a dump refuse what they do not name: answers,
//! loopback, neighbour discovery.
//!
//! A rule counts that accepts the packets without a limit, wherever it stands: what a rule above it
//! drops is meant to be dropped. A family in which nothing passes is closed on purpose.

use super::implicit::{neighbours, unaccepted};
use super::{messages, new_packets, set_of};
use crate::analyze::flat::passing::{Passing, Step};
use crate::analyze::text::Dump;
use crate::analyze::work::Work;
use crate::diagnostic::{Finding, Lint, catalogue as lint};
use crate::meaning::{BaseChain, Reason};
use crate::net::{
    Addresses, CtState, Family, FlagMatch, IcmpType, Interface, PortProtocol, Protocol, TcpFlags,
};
use crate::packet::{Constraint, Factor, Field, FieldBox, Packet, PacketSet, Product};
use crate::resolve::policy::Hook;

pub(super) fn findings(dump: &Dump, work: &Work) -> Vec<Finding> {
    let hooks = Hook::ALL.map(|hook| Traffic::of(dump, hook, work));
    let is_open = |hook: Hook| hooks.iter().flatten().any(|one| one.hook == hook && one.is_open());
    let is_closed = !is_open(Hook::Input) && !is_open(Hook::Output);
    let mut findings = Vec::new();
    for here in hooks.iter().flatten() {
        // Answers to what comes in go out, and the other way round.
        let back = match here.hook {
            Hook::Input => Hook::Output,
            Hook::Output => Hook::Input,
            Hook::Forward => Hook::Forward,
        };
        let there = hooks.iter().flatten().find(|one| one.hook == back);
        let Some(refuses) = dump.refusal(here.hook.into()) else { continue };
        let needs = Needs { dump, here, there, work };
        findings.extend(needs.answers().map(|found| found.told(&needs, refuses)));
        if !is_closed {
            findings.extend(needs.loopback().map(|found| found.told(&needs, refuses)));
            findings.extend(needs.neighbours().map(|found| found.told(&needs, refuses)));
        }
    }
    findings
}

/// What a chain of the filter accepts of first packets.
struct Traffic {
    hook: Hook,
    family: Family,
    /// By rules or the policy, one set a step.
    accepted: Vec<PacketSet>,
}

impl Traffic {
    fn of(dump: &Dump, hook: Hook, work: &Work) -> Option<Self> {
        let family = dump.ruleset.family;
        let asked = [new_packets(family)];
        let passing = Passing::of(dump.meaning(), family, hook.into(), &asked, work.budget)?;
        let deciding = passing.deciding(&passing.asked(0)).into_iter();
        let accepting = deciding.filter(|step| passing.steps[*step].passes());
        let accepted = accepting.map(|step| passing.set(step).clone()).collect();
        Some(Traffic { hook, family, accepted })
    }

    fn is_open(&self) -> bool {
        !self.accepted.is_empty()
    }
}

/// A chain that refuses the rest, and what it needs to accept.
struct Needs<'a> {
    dump: &'a Dump,
    here: &'a Traffic,
    /// Where the packets that its own answer pass.
    there: Option<&'a Traffic>,
    work: &'a Work,
}

/// A packet that no rule accepts, and a rule that would.
struct Missing {
    lint: &'static Lint,
    packet: Packet,
    rule: String,
}

impl Missing {
    fn told(self, needs: &Needs<'_>, refuses: Option<crate::source::Span>) -> Finding {
        let base = needs.here.hook.into();
        messages::missing_rule(self.lint, refuses, &self.packet, base, &self.rule)
    }
}

impl Needs<'_> {
    /// What goes on with connections that were accepted, and errors about them.
    fn answers(&self) -> Option<Missing> {
        let family = self.here.family;
        let established = Constraint::state([CtState::Established].into_iter().collect());
        let mut asked = if self.accepts_all(Factor::all([established])) {
            Vec::new()
        } else {
            self.answers_of_accepted()
        };
        let there = self.there.into_iter().flat_map(|there| &there.accepted);
        let errors = there.filter(|set| !is_of_icmp(set)).flat_map(errors_about);
        asked.extend(errors);
        let rule = format!(
            "-A {} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            chain(self.here.hook)
        );
        self.missing(&lint::NO_ESTABLISHED, PacketSet::of(family, asked), rule)
    }

    /// Whether rules accept all these packets.
    fn accepts_all(&self, asked: Factor) -> bool {
        let asked = set_of(self.here.family, asked);
        self.missing(&lint::NO_ESTABLISHED, asked, String::new()).is_none()
    }

    /// Later packets of the connections that were accepted.
    fn answers_of_accepted(&self) -> Vec<Product> {
        let on = self.here.accepted.iter().flat_map(|set| going_on(set, Way::On));
        let back = self.there.into_iter().flat_map(|there| &there.accepted);
        let back = back.flat_map(|set| going_on(set, Way::Back));
        on.chain(back).collect()
    }

    fn loopback(&self) -> Option<Missing> {
        let lo = [Interface::loopback()];
        let (way, option) = match self.here.hook {
            Hook::Input => (Constraint::incoming(&lo), "-i"),
            Hook::Output => (Constraint::outgoing(&lo), "-o"),
            Hook::Forward => return None,
        };
        let family = self.here.family;
        let own = match family {
            Family::V4 => Addresses::single(std::net::Ipv4Addr::LOCALHOST.into()),
            Family::V6 => Addresses::single(std::net::Ipv6Addr::LOCALHOST.into()),
        };
        let states = [CtState::New, CtState::Established, CtState::Related];
        let asked = Factor::all([
            way,
            Constraint::source(family, &own),
            Constraint::destination(family, &own),
            Constraint::state(states.into_iter().collect()),
        ]);
        let rule = format!("-A {} {option} lo -j ACCEPT", chain(self.here.hook));
        self.missing(&lint::NO_LOOPBACK, set_of(family, asked), rule)
    }

    fn neighbours(&self) -> Option<Missing> {
        let family = self.here.family;
        let asked = match (family, self.here.hook) {
            (Family::V6, Hook::Input | Hook::Output) => neighbours(self.here.hook),
            (Family::V4, _) | (Family::V6, Hook::Forward) => return None,
        };
        let rule = format!("-A {} -p ipv6-icmp -j ACCEPT", chain(self.here.hook));
        self.missing(&lint::NO_NEIGHBOUR_DISCOVERY, set_of(family, asked), rule)
    }

    fn missing(&self, lint: &'static Lint, asked: PacketSet, rule: String) -> Option<Missing> {
        let (family, base) = (self.here.family, BaseChain::from(self.here.hook));
        let meaning = self.dump.meaning();
        let passing = Passing::of(meaning, family, base, &[asked], self.work.budget)?;
        // Behind a rule that refuses everything the policy accepts nothing.
        let is_asked = |step: &Step<'_>| !matches!(step.reason, Reason::Default(_));
        let packet = unaccepted(&passing, 0, is_asked, (lint, self.work))?;
        Some(Missing { lint, packet, rule })
    }
}

fn chain(hook: Hook) -> &'static str {
    crate::analyze::witness::chain_name(hook.into())
}

#[derive(Clone, Copy)]
enum Way {
    /// As the first packet went.
    On,
    Back,
    /// Back to the sender, from wherever it did not get on.
    Error,
}

/// Later packets of the connections that packets of a set open. Of udp and of tcp without flags out of
/// the ordinary; of conditions on other things than addresses, ports and interfaces nothing is said.
fn going_on(set: &PacketSet, way: Way) -> Vec<Product> {
    let (family, mut all) = (set.family(), Vec::new());
    let established = Constraint::state([CtState::Established].into_iter().collect());
    let ack = FlagMatch::new(TcpFlags::ACK, TcpFlags::ALL).map(Constraint::flags);
    let tcp = [Constraint::protocol(PortProtocol::Tcp.protocol())].into_iter().chain(ack);
    let kinds: [Vec<Constraint>; 2] =
        [tcp.collect(), vec![Constraint::protocol(PortProtocol::Udp.protocol())]];
    for own in known(set, way) {
        for kind in &kinds {
            let later = kind.iter().chain([&established]).cloned();
            all.extend(own.intersection(&set_of(family, Factor::all(later))).products().to_vec());
        }
    }
    all
}

/// The products of a set of which it is known what later packets have, as sets of those.
fn known(set: &PacketSet, way: Way) -> impl Iterator<Item = PacketSet> {
    let own = set.products().iter().map(|one| PacketSet::of(set.family(), [one.clone()]));
    let known = own.filter(move |one| !one.speaks_of(|field| ends_of(field, way).is_none()));
    known.map(move |one| {
        one.moved(|field| match ends_of(field, way) {
            Some(Kept::As(field)) => Some(field),
            Some(Kept::Not) | None => None,
        })
    })
}

/// Errors about packets of a set: from anywhere on their way to where they came from.
fn errors_about(set: &PacketSet) -> Vec<Product> {
    let errors = set_of(set.family(), too_big(set.family()));
    let about = known(set, Way::Error).map(|one| one.intersection(&errors));
    about.flat_map(|one| one.products().to_vec()).collect()
}

/// Whether a set asks for ICMP, about which nobody is sent errors.
fn is_of_icmp(set: &PacketSet) -> bool {
    let icmp = Constraint::protocol(Protocol::icmp(set.family()));
    let boxes = set.products().iter().flat_map(Product::factors).flat_map(Factor::boxes);
    boxes.flat_map(FieldBox::constraints).any(|one| *one == icmp)
}

/// What becomes of a condition on a field for later packets.
enum Kept {
    As(Field),
    /// Later packets have any value.
    Not,
}

/// `None` for a field of which it is not known what later packets have.
fn ends_of(field: Field, way: Way) -> Option<Kept> {
    let field = match (field, way) {
        (Field::State | Field::Flags, _)
        | (
            Field::Protocol | Field::Destination | Field::SourcePort | Field::DestinationPort,
            Way::Error,
        ) => return Some(Kept::Not),
        (Field::Protocol, Way::On | Way::Back) => Field::Protocol,
        (Field::Incoming, Way::Back | Way::Error) => Field::Outgoing,
        (Field::Outgoing, Way::Back | Way::Error) => Field::Incoming,
        (Field::Source, Way::Back | Way::Error) => Field::Destination,
        (Field::Destination, Way::Back) => Field::Source,
        (Field::SourcePort, Way::Back) => Field::DestinationPort,
        (Field::DestinationPort, Way::Back) => Field::SourcePort,
        (
            Field::Incoming
            | Field::Outgoing
            | Field::Source
            | Field::Destination
            | Field::SourcePort
            | Field::DestinationPort,
            Way::On,
        ) => field,
        (
            Field::Icmp
            | Field::Translated
            | Field::OriginalDestination
            | Field::OriginalPort
            | Field::ToLocal
            | Field::Mac
            | Field::Mark
            | Field::ConnectionMark
            | Field::User
            | Field::Group
            | Field::Length
            | Field::Ttl
            | Field::Dscp
            | Field::Opaque,
            _,
        ) => return None,
    };
    Some(Kept::As(field))
}

/// That a packet was too big for a link on the way, about a connection: without these, large packets of
/// it are lost (RFC 1191, RFC 8201).
fn too_big(family: Family) -> Factor {
    let (kind, code) = match family {
        Family::V4 => (3, Some(4)),
        Family::V6 => (2, None),
    };
    let icmp = IcmpType { code, ..IcmpType::new(family, kind) };
    Factor::all([
        Constraint::protocol(Protocol::icmp(family)),
        Constraint::icmp(icmp),
        Constraint::state([CtState::Related].into_iter().collect()),
    ])
}
