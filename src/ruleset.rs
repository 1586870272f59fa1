//! The netfilter model: tables, chains, rules, matches and targets of one family.
//!
//! It is what `lower` makes and `emit` prints, and what a dump is read into. A rule here is one rule
//! of the kernel; nothing is a list that would have to be multiplied out.

pub mod extension;
pub mod set;
pub mod standing;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::net::{
    Account, CtStates, Dscp, Family, FlagMatch, Helper, IcmpType, Interface, Mac, MarkMatch,
    Prefix, Protocol, Rate, TimeWindow,
};
use crate::packet::Field;
use crate::source::Span;

pub use crate::packet::opaque::SetSide;
pub use extension::Extension;
pub use set::{DynamicSet, KernelSet, MAX_SET_ENTRIES, MAX_SET_NAME, SetContent};
pub use standing::Standing;

/// All tables of one family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruleset {
    pub family: Family,
    /// In the order printed: filter, nat, mangle, raw, security; each once.
    pub tables: Vec<Table>,
    /// The sets that must be there before the rules, in the order defined.
    pub sets: Vec<Arc<KernelSet>>,
    /// Whether the rules of others stay beside these. Then every rule stands in a chain whose name
    /// begins with [`OWN_PREFIX`], but for a jump to it in each chain of the kernel, and in
    /// [`DOCKER_USER`], that has some.
    pub preserve: bool,
}

impl Ruleset {
    #[must_use]
    pub fn table(&self, name: TableName) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == name)
    }

    /// How many rules there are in all tables.
    #[must_use]
    pub fn rule_count(&self) -> usize {
        let chains = self.tables.iter().flat_map(|table| &table.chains);
        chains.map(|chain| chain.rules.len()).sum()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TableName {
    Filter,
    Nat,
    Mangle,
    Raw,
    /// Of labels for SELinux: only raw rules of a policy stand there.
    Security,
}

impl TableName {
    pub const ALL: [TableName; 5] =
        [TableName::Filter, TableName::Nat, TableName::Mangle, TableName::Raw, TableName::Security];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            TableName::Filter => "filter",
            TableName::Nat => "nat",
            TableName::Mangle => "mangle",
            TableName::Raw => "raw",
            TableName::Security => "security",
        }
    }

    /// The chains that the kernel itself has in this table, in the order printed.
    #[must_use]
    pub fn built_in_chains(self) -> &'static [&'static str] {
        match self {
            TableName::Filter | TableName::Security => &["INPUT", "FORWARD", "OUTPUT"],
            TableName::Nat => &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"],
            TableName::Mangle => &["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"],
            TableName::Raw => &["PREROUTING", "OUTPUT"],
        }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    pub name: TableName,
    /// Built-in chains first, in the order of [`TableName::built_in_chains`], then the others.
    pub chains: Vec<Chain>,
}

impl Table {
    #[must_use]
    pub fn chain(&self, name: &str) -> Option<&Chain> {
        self.chains.iter().find(|chain| &*chain.name == name)
    }
}

/// Longest chain name that iptables takes.
pub const MAX_CHAIN_NAME: usize = 28;

/// With this begin the names of a ruleset's own chains where the rules of others stay.
pub const OWN_PREFIX: &str = "pal-";

/// The chain of the filter table that Docker leaves to the administrator and asks before its own.
pub const DOCKER_USER: &str = "DOCKER-USER";

/// Longest comment that the kernel keeps; it cuts longer ones without a word.
pub const MAX_COMMENT: usize = 255;

/// Longest log prefix that the kernel keeps; it cuts longer ones without a word.
pub const MAX_LOG_PREFIX: usize = 29;

/// Slots of one multiport match; a range takes two.
pub const MULTIPORT_SLOTS: usize = 15;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    pub name: Arc<str>,
    /// What happens at the end of a built-in chain; `None` for the others.
    pub policy: Option<ChainPolicy>,
    pub rules: Vec<Rule>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainPolicy {
    Accept,
    Drop,
}

/// One rule of the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// All must hold; judged in this order, limits last.
    // INVARIANT: in the order of `iptables-save`: source, destination, interfaces, protocol, then
    // extension matches in the order of judging.
    pub matches: Vec<Match>,
    pub target: Target,
    pub origin: Origin,
}

/// Why a rule is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// An implicit rule, by its name in the language.
    Implicit(&'static str),
    /// The default of a chain.
    Default(Option<Span>),
    /// A statement; inside a `def` with the outermost use of it.
    Statement { span: Span, call: Option<Span> },
    /// A line of a dump.
    Read(Span),
}

/// One condition, or its opposite.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Match {
    pub negated: bool,
    pub kind: MatchKind,
}

impl From<MatchKind> for Match {
    fn from(kind: MatchKind) -> Self {
        Match { negated: false, kind }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MatchKind {
    /// `-s`
    Source(Prefix),
    /// `-d`
    Destination(Prefix),
    /// `-i`
    In(Interface),
    /// `-o`
    Out(Interface),
    /// `-p`
    Protocol(Protocol),
    /// `--sport`: inclusive; the rule has `-p` of a protocol with ports.
    SourcePort(u16, u16),
    /// `--dport`
    DestinationPort(u16, u16),
    /// `-m multiport --sports`
    // INVARIANT: at most 15 slots; a range takes two.
    SourcePorts(Vec<(u16, u16)>),
    /// `-m multiport --dports`
    DestinationPorts(Vec<(u16, u16)>),
    /// `--tcp-flags`
    TcpFlags(FlagMatch),
    /// `--icmp-type`, `--icmpv6-type`
    Icmp(IcmpType),
    /// `--icmp-type any`: any ICMP packet; of IPv4 only.
    AnyIcmp,
    /// `-m iprange --src-range`: inclusive.
    SourceRange(IpAddr, IpAddr),
    /// `-m iprange --dst-range`
    DestinationRange(IpAddr, IpAddr),
    /// `-m set --match-set NAME src`: the address on this side is in the set.
    Set { set: Arc<KernelSet>, side: SetSide },
    /// `-m addrtype --dst-type LOCAL`
    DestinationLocal,
    /// `-m addrtype --src-type MULTICAST`, `--dst-type MULTICAST`: the address on this side is of a group.
    Multicast(SetSide),
    /// `-m conntrack`
    Conntrack(Conntrack),
    /// `-m state --state`: one of these.
    State(CtStates),
    /// `-m mac --mac-source`
    Mac(Mac),
    /// `-m mark --mark`
    Mark(MarkMatch),
    /// `-m connmark --mark`: of a packet that has a connection.
    Connmark(MarkMatch),
    /// `-m owner --uid-owner`
    User(Account),
    /// `-m owner --gid-owner`
    Group(Account),
    /// `-m length --length`: inclusive.
    Length(u16, u16),
    /// `-m ttl --ttl-eq`, `-m hl --hl-eq`
    Ttl(u8),
    /// `-m dscp --dscp`
    Dscp(Dscp),
    /// `-m time`
    Time(TimeWindow),
    /// `-m policy --pol ipsec`, `--dir out` when `outgoing`, else `--dir in`.
    Ipsec { outgoing: bool },
    /// Words of a raw rule or of a dump, as written; whether they hold is known by them alone. The
    /// same words are the same fact about a packet.
    Opaque(Arc<str>),
    /// The same of words that hold for a packet at one time and not at another: counters, chance,
    /// lists that fill while packets come by.
    OpaqueHistory(Arc<str>),
    /// `-m comment --comment`: always true.
    Comment(Arc<str>),
    /// `-m limit`
    Limit { rate: Rate, burst: u32 },
    /// `-m hashlimit --hashlimit-upto`
    Hashlimit(Box<Hashlimit>),
    /// `-m connlimit --connlimit-upto`
    Connlimit { count: u32, mask: u8 },
}

impl MatchKind {
    /// Whether it is asked before all others wherever it stands, or always holds.
    #[must_use]
    pub fn is_first(&self) -> bool {
        matches!(
            self,
            MatchKind::Source(_)
                | MatchKind::Destination(_)
                | MatchKind::In(_)
                | MatchKind::Out(_)
                | MatchKind::Protocol(_)
                | MatchKind::Comment(_)
        )
    }

    /// Whether the same packet may match at one time and not at another.
    #[must_use]
    pub fn depends_on_history(&self) -> bool {
        matches!(
            self,
            MatchKind::OpaqueHistory(_)
                | MatchKind::Limit { .. }
                | MatchKind::Hashlimit(_)
                | MatchKind::Connlimit { .. }
        )
    }
}

/// What is asked of the connection of a packet; all that is said must hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Conntrack {
    /// `--ctstate`: one of these states; empty asks for none.
    pub states: CtStates,
    /// `--ctstate DNAT`: or the destination was translated.
    pub dnat: bool,
    /// `--ctorigdst`
    pub original_destination: Option<Prefix>,
    /// `--ctorigdstport`: inclusive.
    pub original_port: Option<(u16, u16)>,
}

/// A table of buckets in the kernel, shared by all rules that use its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hashlimit {
    /// Carries a hash of all parameters, for a table that exists keeps its old ones.
    pub name: Arc<str>,
    pub rate: Rate,
    pub burst: u32,
    /// `srcip`, `dstip`, `srcport`, `dstport` in this order; empty for one bucket in all.
    pub keys: Vec<HashKey>,
    /// Prefix length of `srcip`, when it is not that of one address.
    pub source_mask: Option<u8>,
    /// Buckets kept, at least as many as sources are expected; 0 for as many as the kernel finds right for
    /// its memory (`xt_hashlimit.c` has it so, too).
    pub max_entries: u32,
    /// Milliseconds after which an idle bucket is forgotten: at least burst × period.
    pub expire_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HashKey {
    SourceAddress,
    DestinationAddress,
    SourcePort,
    DestinationPort,
}

/// What a rule does with the packets that match.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    Accept,
    Drop,
    Return,
    Jump(Arc<str>),
    Goto(Arc<str>),
    Reject(RejectType),
    Log {
        prefix: Option<Arc<str>>,
        level: u8,
    },
    Masquerade,
    /// `--to-source`: inclusive.
    Snat(IpAddr, IpAddr),
    /// `--to-destination`
    Dnat {
        address: IpAddr,
        ports: Option<(u16, u16)>,
    },
    /// `--to-ports`
    Redirect(u16),
    /// `--to`
    Netmap(Prefix),
    /// `-j SET --add-set NAME src --exist`: the source is in the set from now on, for so many
    /// seconds or as long as the set keeps what it has. Goes on.
    AddSource {
        set: Arc<KernelSet>,
        timeout: Option<u32>,
    },
    /// `MARK --set-xmark`: the packet's bits under the mask become the value's.
    SetMark(MarkMatch),
    /// `CONNMARK --set-xmark`: the same of its connection, when it has one.
    SetConnmark(MarkMatch),
    /// `CONNMARK --restore-mark`: the packet's bits under this mask become those of its connection,
    /// when it has one.
    RestoreMark(u32),
    /// `CONNMARK --save-mark`: the bits of its connection under this mask become the packet's, when it has
    /// one.
    SaveMark(u32),
    /// `DSCP --set-dscp`
    SetDscp(Dscp),
    /// `TCPMSS --set-mss`, `--clamp-mss-to-pmtu`: the rule has `-p tcp` and looks for SYN.
    Tcpmss(Option<u16>),
    /// `CT --notrack`: conntrack does not see the packet, unless it was told something else of it.
    Notrack,
    /// `CT --helper`: of the connection that the packet opens, unless conntrack was told something
    /// else of it; the rule has `-p` of a protocol that the helper reads.
    Helper(Helper),
    /// The target of a raw rule or of a dump with its options, as written; empty for none.
    Opaque {
        text: Arc<str>,
        end: OpaqueEnd,
        /// What it may have changed of a packet that goes on, or that it decided.
        changes: &'static [Field],
    },
}

/// What becomes of a packet that meets a target known by its words only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OpaqueEnd {
    /// Its way through the table ends here.
    Decides,
    /// It meets the next rule.
    GoesOn,
    /// One of the two.
    Unknown,
}

impl Target {
    /// The chain that packets are sent to.
    #[must_use]
    pub fn chain(&self) -> Option<&Arc<str>> {
        match self {
            Target::Jump(chain) | Target::Goto(chain) => Some(chain),
            Target::Accept
            | Target::Drop
            | Target::Return
            | Target::Reject(_)
            | Target::Log { .. }
            | Target::Masquerade
            | Target::Snat(..)
            | Target::Dnat { .. }
            | Target::Redirect(_)
            | Target::Netmap(_)
            | Target::AddSource { .. }
            | Target::SetMark(_)
            | Target::SetConnmark(_)
            | Target::RestoreMark(_)
            | Target::SaveMark(_)
            | Target::SetDscp(_)
            | Target::Tcpmss(_)
            | Target::Notrack
            | Target::Helper(_)
            | Target::Opaque { .. } => None,
        }
    }

    /// Whether it changes a packet and lets it go on.
    #[must_use]
    pub fn changes(&self) -> bool {
        match self {
            Target::SetMark(_)
            | Target::SetConnmark(_)
            | Target::RestoreMark(_)
            | Target::SaveMark(_)
            | Target::SetDscp(_)
            | Target::Tcpmss(_)
            | Target::Notrack
            | Target::Helper(_)
            | Target::AddSource { .. } => true,
            Target::Accept
            | Target::Drop
            | Target::Return
            | Target::Jump(_)
            | Target::Goto(_)
            | Target::Reject(_)
            | Target::Log { .. }
            | Target::Masquerade
            | Target::Snat(..)
            | Target::Dnat { .. }
            | Target::Redirect(_)
            | Target::Netmap(_)
            | Target::Opaque { .. } => false,
        }
    }
}

/// How REJECT answers, in the words of the target's own family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RejectType {
    TcpReset,
    IcmpNetUnreachable,
    IcmpHostUnreachable,
    IcmpProtoUnreachable,
    IcmpPortUnreachable,
    IcmpNetProhibited,
    IcmpHostProhibited,
    IcmpAdminProhibited,
    Icmp6NoRoute,
    Icmp6AdmProhibited,
    Icmp6AddrUnreachable,
    Icmp6PortUnreachable,
    Icmp6PolicyFail,
    Icmp6RejectRoute,
}

impl RejectType {
    /// As `--reject-with` spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            RejectType::TcpReset => "tcp-reset",
            RejectType::IcmpNetUnreachable => "icmp-net-unreachable",
            RejectType::IcmpHostUnreachable => "icmp-host-unreachable",
            RejectType::IcmpProtoUnreachable => "icmp-proto-unreachable",
            RejectType::IcmpPortUnreachable => "icmp-port-unreachable",
            RejectType::IcmpNetProhibited => "icmp-net-prohibited",
            RejectType::IcmpHostProhibited => "icmp-host-prohibited",
            RejectType::IcmpAdminProhibited => "icmp-admin-prohibited",
            RejectType::Icmp6NoRoute => "icmp6-no-route",
            RejectType::Icmp6AdmProhibited => "icmp6-adm-prohibited",
            RejectType::Icmp6AddrUnreachable => "icmp6-addr-unreachable",
            RejectType::Icmp6PortUnreachable => "icmp6-port-unreachable",
            RejectType::Icmp6PolicyFail => "icmp6-policy-fail",
            RejectType::Icmp6RejectRoute => "icmp6-reject-route",
        }
    }
}
