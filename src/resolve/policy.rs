//! What a policy means to say once every name is known: items in the order written, ready to be
//! lowered and to be given a meaning.
//!
//! Names, lists, `def`s and blocks are gone; what is left are sets of addresses, ports and
//! interfaces. Every item keeps the place it came from.

mod condition;
mod listed;
mod nat;
mod promise;
mod raw;
mod set;

use std::sync::Arc;

use jiff::civil::Date;

use crate::net::{
    Addresses, Dscp, Families, Family, Helper, IcmpType, Interface, MarkMatch, PortProtocol, Ports,
    Protocol, Rate,
};
use crate::ruleset::RejectType;
use crate::source::Span;

pub use condition::Condition;
pub use listed::{Listed, Says};
pub use nat::{At, Forward, Nat, NatKind, Redirect, SourceTranslation, Target};
pub use promise::{Claim, Expected, Host, Promise, PromiseKind, TestPacket, Vocabulary, Zone};
pub use raw::{KernelChain, Raw, RawTable, RawTarget};
pub use set::{
    Addition, DEFAULT_SET_SIZE, Dynamic, MAX_SET_TIMEOUT, Member, SHORTEST_ADDED, Set, SetContent,
    SetId,
};

/// A whole policy. It is complete: defaults and implicit rules are said, not assumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub defaults: Defaults,
    pub implicit: Implicit,
    /// The sets that the kernel keeps, by [`SetId`], in the order defined.
    pub sets: Vec<Set>,
    /// The user's chains, by [`ChainId`], in the order defined.
    pub chains: Vec<Chain>,
    /// The statements of the top level, in the order in which they decide.
    pub items: Vec<Item>,
    /// The uses of `def`s that items came through, by [`CallId`].
    pub calls: Vec<Call>,
    /// The lists of several members in filter rules, those of one rule together.
    pub lists: Vec<(Origin, Box<[Listed]>)>,
    /// What the policy promises of itself, in the order written.
    pub promises: Vec<Promise>,
    /// The zones that it divides the network into, in the order defined; one at fault is missing.
    pub zones: Vec<Zone>,
    pub vocabulary: Vocabulary,
    /// Whether it divides the network into zones.
    pub has_zones: bool,
    /// What other programs have and keep; `None` when the policy's rules are all there is.
    pub preserve: Option<Preserve>,
    /// Who may reach what Docker publishes; `None` leaves that to Docker. Then it is preserved.
    pub docker: Option<Docker>,
}

impl Policy {
    /// The outermost use of a `def` that an item came through.
    #[must_use]
    pub fn outermost_call(&self, origin: Origin) -> Option<Span> {
        self.calls_to(origin).last()
    }

    /// The uses of `def`s that an item came through, the innermost first.
    pub fn calls_to(&self, origin: Origin) -> impl Iterator<Item = Span> {
        let calls = std::iter::successors(origin.call, |id| self.calls[id.0 as usize].parent);
        calls.map(|id| self.calls[id.0 as usize].span)
    }
}

/// What belongs to other programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preserve {
    /// The first statement that says so.
    pub span: Span,
    /// The names of their chains, where `*` and `?` stand for any letters and any letter.
    pub chains: Vec<Arc<str>>,
    /// The bits that they have in packet marks, with where that is said.
    pub marks: Option<(u32, Span)>,
}

/// `docker { … }`: which packets may go on to Docker's own rules.
///
/// It is about new connections that come from elsewhere than the bridges, leave on one of them, and
/// were sent to a port that Docker publishes (their destination was translated). The first rule that
/// matches decides: `allow` leaves them to Docker, and what no rule allows is dropped. All other
/// packets are left to Docker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Docker {
    pub span: Span,
    /// Never empty.
    pub bridges: Vec<Interface>,
    /// Allow, Drop, Reject and Log. Their flows have [`Scope::Docker`].
    pub rules: Vec<Rule>,
}

/// Where an item was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The statement; inside a `def`, the statement of its body.
    pub span: Span,
    /// The use of the `def` that brought it.
    pub call: Option<CallId>,
}

/// An index into [`Policy::calls`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u32);

/// One use of a `def`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    pub span: Span,
    /// The use around this one, when it stands in the body of another `def`.
    pub parent: Option<CallId>,
}

/// A chain of the filter that every packet to, through or from this machine meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hook {
    Input,
    Forward,
    Output,
}

impl Hook {
    pub const ALL: [Hook; 3] = [Hook::Input, Hook::Forward, Hook::Output];
}

/// What happens to a packet that nothing else decides, for each hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defaults {
    pub input: HookDefault,
    pub forward: HookDefault,
    pub output: HookDefault,
}

impl Defaults {
    #[must_use]
    pub fn of(&self, hook: Hook) -> &HookDefault {
        match hook {
            Hook::Input => &self.input,
            Hook::Forward => &self.forward,
            Hook::Output => &self.output,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookDefault {
    pub verdict: Verdict,
    pub log: Option<Log>,
    /// Where it is written; `None` for the built-in default.
    pub span: Option<Span>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    Allow,
    Drop,
    Reject(RejectWith),
}

/// Which implicit rules stand at the top of the chains that need them, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "five switches, each by its name")]
pub struct Implicit {
    pub loopback: bool,
    pub established: bool,
    pub invalid: bool,
    pub neighbour_discovery: bool,
    pub dhcpv6_client: bool,
    /// The statement that says so; `None` when the policy has none, and all stand.
    pub span: Option<Span>,
}

/// A chain that rules of its table jump to. Its flows have [`Scope::Chain`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    // INVARIANT: at most 28 bytes, and no target or built-in chain has this name.
    pub name: Arc<str>,
    pub span: Span,
    /// That of its raw rules; one with other rules is of the filter.
    pub table: RawTable,
    // INVARIANT: empty but in the filter.
    pub rules: Vec<Rule>,
    /// Behind the others.
    pub raws: Vec<Raw>,
}

/// An index into [`Policy::chains`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainId(pub u32);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    Rule(Rule),
    Nat(Nat),
    Alter(Alteration),
    /// In a chain of the kernel; those of users have theirs in [`Chain::raws`].
    Raw(Raw),
}

/// A filter rule: for a packet of any of its flows that meets all its conditions, log if asked to,
/// then act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub origin: Origin,
    pub action: Action,
    /// A packet is meant when it is in at least one. A flow that is empty in a family says nothing
    /// there.
    pub flows: Vec<Flow>,
    /// All must hold.
    pub conditions: Vec<Condition>,
    /// All must still have room, judged after everything else. A limit that several rules carry
    /// with the same [`LimitId`] is one allowance that they share (per family).
    pub limits: Vec<Limit>,
    /// What is logged of the packets that match (also those within the limits only). For
    /// [`Action::Log`] it is always there.
    pub log: Option<Log>,
    pub remarks: Remarks,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Allow,
    Drop,
    Reject(RejectWith),
    /// Log and go on.
    Log,
    /// Leave the chain; at the top level take the default.
    Return,
    /// Go through a chain and come back at its end.
    Jump(ChainId),
    /// Go through a chain; its end is the end of this one.
    Goto(ChainId),
    /// Take the source up into a set, and go on.
    Add(Addition),
}

/// How a rejected packet is answered; the same word for both families.
///
/// IPv6 knows fewer answers: network, host and administrative prohibition are one there
/// (`icmp6-adm-prohibited`), an unreachable network is `icmp6-no-route`, an unreachable host
/// `icmp6-addr-unreachable`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RejectWith {
    PortUnreachable,
    NetUnreachable,
    HostUnreachable,
    /// IPv4 only.
    ProtoUnreachable,
    NetProhibited,
    HostProhibited,
    AdminProhibited,
    /// Only where every part of every flow is tcp.
    TcpReset,
    /// IPv6 only.
    PolicyFail,
    /// IPv6 only.
    RejectRoute,
}

impl From<RejectType> for RejectWith {
    fn from(with: RejectType) -> Self {
        match with {
            RejectType::TcpReset => RejectWith::TcpReset,
            RejectType::IcmpNetUnreachable | RejectType::Icmp6NoRoute => RejectWith::NetUnreachable,
            RejectType::IcmpHostUnreachable | RejectType::Icmp6AddrUnreachable => {
                RejectWith::HostUnreachable
            }
            RejectType::IcmpProtoUnreachable => RejectWith::ProtoUnreachable,
            RejectType::IcmpPortUnreachable | RejectType::Icmp6PortUnreachable => {
                RejectWith::PortUnreachable
            }
            RejectType::IcmpNetProhibited => RejectWith::NetProhibited,
            RejectType::IcmpHostProhibited => RejectWith::HostProhibited,
            RejectType::IcmpAdminProhibited | RejectType::Icmp6AdmProhibited => {
                RejectWith::AdminProhibited
            }
            RejectType::Icmp6PolicyFail => RejectWith::PolicyFail,
            RejectType::Icmp6RejectRoute => RejectWith::RejectRoute,
        }
    }
}

impl RejectWith {
    /// As the language spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            RejectWith::PortUnreachable => "icmp-port-unreachable",
            RejectWith::NetUnreachable => "icmp-net-unreachable",
            RejectWith::HostUnreachable => "icmp-host-unreachable",
            RejectWith::ProtoUnreachable => "icmp-proto-unreachable",
            RejectWith::NetProhibited => "icmp-net-prohibited",
            RejectWith::HostProhibited => "icmp-host-prohibited",
            RejectWith::AdminProhibited => "icmp-admin-prohibited",
            RejectWith::TcpReset => "tcp-reset",
            RejectWith::PolicyFail => "icmp-policy-fail",
            RejectWith::RejectRoute => "icmp-reject-route",
        }
    }
}

/// Which chain a flow belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    Hook(Hook),
    /// Where packets come in and no route is chosen for them yet: of an [`Alteration`] only.
    Arrival(Bound),
    /// In a user's chain: the direction is that of whoever jumps there.
    Chain,
    /// In `docker`: the destination ports are those before Docker translated them.
    Docker,
}

/// Where packets that come in want to go, before anything translates them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bound {
    Anywhere,
    /// To an address of this machine.
    Here,
    /// To an address that is not this machine's.
    Elsewhere,
}

/// A set of packets in one chain: those from any of the sources, to any of the destinations, of any
/// of the parts, in one of the families.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    pub scope: Scope,
    pub families: Families,
    /// Where packets come from; the interfaces are the incoming ones (none on output).
    pub source: Vec<Place>,
    /// Where packets go; the interfaces are the outgoing ones (none on input).
    pub destination: Vec<Place>,
    // INVARIANT: no two are the same protocol with the same source ports; the same in NAT.
    pub parts: Vec<Part>,
}

/// A part of the network: addresses behind interfaces, in sets or not in them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Any of these; `None` puts no condition on the interface.
    // INVARIANT: Some is never empty.
    pub interfaces: Option<Vec<Interface>>,
    pub addresses: Addresses,
    /// All must hold. A set is never taken for empty: it may be filled anew without the rules.
    // INVARIANT: sorted, each set once.
    pub sets: Vec<Member>,
}

impl Place {
    /// Everywhere.
    #[must_use]
    pub fn anywhere() -> Self {
        Place::of(Addresses::full())
    }

    /// These addresses, behind any interface.
    #[must_use]
    pub fn of(addresses: Addresses) -> Self {
        Place { interfaces: None, addresses, sets: Vec::new() }
    }

    /// Whether it puts no condition on packets of this family.
    #[must_use]
    pub fn is_anywhere_in(&self, family: Family) -> bool {
        self.interfaces.is_none() && self.addresses.is_full_in(family) && self.sets.is_empty()
    }
}

/// A kind of traffic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Every protocol.
    Any,
    /// Source and destination ports of one protocol.
    Ports { protocol: PortProtocol, source: Ports, destination: Ports },
    /// A type of ICMP, which is of one family.
    Icmp(IcmpType),
    /// A whole protocol (also ICMP and ICMPv6: `icmp any`).
    Protocol(Protocol),
}

impl Part {
    /// The families in which the part can occur.
    #[must_use]
    pub fn families(&self) -> Families {
        match self {
            Part::Icmp(icmp) => Families::only(icmp.family),
            Part::Protocol(protocol) => protocol.families(),
            Part::Any | Part::Ports { .. } => Families::BOTH,
        }
    }
}

/// One allowance as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    pub id: LimitId,
    pub kind: LimitKind,
}

/// Which written limit: each use of a `def` has its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LimitId(pub u32);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LimitKind {
    /// Matches while the rate is kept. With keys each combination of their values has a bucket of
    /// its own.
    // INVARIANT: burst is 1..=10,000 and burst × period at most 86,400 s.
    Rate { rate: Rate, burst: u32, per: Vec<LimitKey> },
    /// Matches while at most `count` connections exist, the present one included; counted for each
    /// source network, or all together.
    Connections { count: u32, per_source: Option<SourceLengths> },
}

/// What a rate is counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LimitKey {
    Source(SourceLengths),
    Destination,
    SourcePort,
    DestinationPort,
}

/// Which addresses count as one source: prefix lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceLengths {
    /// 0 to 32; 32 unless said.
    pub v4: u8,
    /// 0 to 128; 64 unless said.
    pub v6: u8,
}

impl SourceLengths {
    #[must_use]
    pub fn of(self, family: Family) -> u8 {
        match family {
            Family::V4 => self.v4,
            Family::V6 => self.v6,
        }
    }
}

/// A log line for packets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Log {
    // INVARIANT: at most 29 bytes, no control characters, never empty.
    pub prefix: Option<Arc<str>>,
    pub level: LogLevel,
    /// Never more than this; `None` for `rate unlimited`.
    pub allowance: Option<Allowance>,
}

/// How many lines a log may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Allowance {
    pub rate: Rate,
    pub burst: u32,
}

/// A syslog level, 0 (emerg) to 7 (debug); 4 (warning) unless said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogLevel(pub u8);

/// What is said about a rule for people.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Remarks {
    /// The comment that goes with the rule into the kernel: what `comment`, `owner` and `ticket` say.
    // INVARIANT: at most 255 bytes, no control characters.
    pub comment: Option<Arc<str>>,
    pub until: Option<Until>,
    /// Of a filter rule, that it is about this machine only because nothing says where its packets go.
    pub aims_nowhere: bool,
    /// Of a filter rule that is about all that a block is about, that block.
    pub speaks_of_all_in: Option<Span>,
    /// The services of a rule that are not for everybody, where it accepts them.
    pub guarded: Vec<Guarded>,
}

/// A service that by its tags is not for everybody, where a rule names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guarded {
    pub name: Arc<str>,
    /// The tag that says so: `insecure`, `database` or `admin`.
    pub tag: Arc<str>,
    /// Where it is named.
    pub span: Span,
    pub parts: Vec<Part>,
}

/// `until DATE`: the last day on which the rule is meant to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Until {
    pub date: Date,
    /// The clause.
    pub span: Span,
}

/// A statement that changes packets of any of its flows that meet all its conditions, and lets them
/// go on. It never decides: every packet meets these statements before the filter, those that stand at
/// one place in the order written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alteration {
    pub origin: Origin,
    pub kind: AlterationKind,
    /// Of the scopes that the kind allows. A flow that is empty in a family says nothing there.
    pub flows: Vec<Flow>,
    /// All must hold.
    pub conditions: Vec<Condition>,
    pub remarks: Remarks,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AlterationKind {
    /// The packet's mark; in every scope but chains.
    Mark(MarkMatch),
    /// The mark of a connection that has none yet under this mask, and of the packet. Packets that
    /// come in or are sent later get what their connection has under the mask, before any other
    /// statement.
    // INVARIANT: the value is not 0.
    StickyMark(MarkMatch),
    /// The class; on the hooks.
    Dscp(Dscp),
    /// The largest segment in the packets that open a tcp connection, when it is larger than this or,
    /// without a number, than the path takes; on forward and output, with a number on input too.
    // INVARIANT: all parts are tcp.
    ClampMss(Option<u16>),
    /// Conntrack does not see them; on arrival and output. The flows of their answers are among the
    /// statement's own.
    Notrack,
    /// The connection that they open gets this helper, unless conntrack does not see them or it has
    /// one: the first that matches is it. On arrival and output.
    // INVARIANT: flows are of families that the kernel has the helper for; all parts have ports of
    // protocols that it reads.
    Helper(Helper),
}
