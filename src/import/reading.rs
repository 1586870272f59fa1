//! What a rule of a dump says in the words of the language; most have some.

mod conditions;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::net::address::to_number;
use crate::net::{Family, Interface, IntervalSet, PortProtocol, Ports, Prefix, Protocol, Rate};
use crate::resolve::policy::{KernelChain, Part, RejectWith};
use crate::ruleset::{
    KernelSet, Match, MatchKind, Origin, Rule, SetContent, SetSide, TableName, Target,
};

use super::own;
use super::statement::{Address, Ends, Log, Statement, Verb};

/// Where a rule stands, as far as that decides about its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// In the filter table.
    Filter,
    /// In the nat table.
    Prerouting,
    Postrouting,
    /// In the mangle table.
    Mangle(KernelChain),
    /// In the raw table, whose rules are said by several together.
    Raw,
}

impl Standing {
    /// Where the rules of a chain of the kernel stand, if the language has words for any there.
    pub fn of(table: TableName, chain: &str) -> Option<Self> {
        let kernel = KernelChain::ALL.into_iter().find(|one| one.name() == chain);
        match (table, kernel) {
            (TableName::Filter, _) => Some(Standing::Filter),
            (TableName::Nat, Some(KernelChain::Prerouting)) => Some(Standing::Prerouting),
            (TableName::Nat, Some(KernelChain::Postrouting)) => Some(Standing::Postrouting),
            (TableName::Mangle, Some(chain)) => Some(Standing::Mangle(chain)),
            (TableName::Nat | TableName::Mangle | TableName::Raw | TableName::Security, _) => None,
        }
    }
}

/// The statement that says what a rule does; `None` where the language has no words for it.
pub(super) fn statement(rule: &Rule, family: Family, standing: Standing) -> Option<Statement> {
    let mut read = Reading { family, ..Reading::new() };
    for found in &rule.matches {
        read.take(found)?;
    }
    let verb = read.verb(&rule.target, standing)?;
    let mut statement = Statement::new(verb);
    statement.parts = read.parts()?;
    statement.unless = read.exceptions()?;
    statement.from = read.from;
    statement.to = read.to;
    statement.incoming = read.incoming;
    statement.outgoing = read.outgoing;
    statement.clauses = read.clauses;
    statement.limits = read.limits;
    statement.comment = read.comment;
    fits(&statement, family, standing).then_some(statement)
}

/// Whether the language takes such a statement where the rule stands.
fn fits(statement: &Statement, family: Family, standing: Standing) -> bool {
    let only = |words: &[&str]| {
        let word = |clause: &String| words.contains(&clause.split(' ').next().unwrap_or_default());
        statement.clauses.iter().all(word)
    };
    let is_bare = statement.unless.is_empty() && statement.limits.is_empty();
    match standing {
        Standing::Filter => {
            // In a chain of its own a rule can decide, log and jump; it cannot leave the chain it was in.
            let may = match statement.verb {
                Verb::Allow
                | Verb::Drop
                | Verb::Reject(_)
                | Verb::Log(_)
                | Verb::Jump(_)
                | Verb::Add { .. } => true,
                Verb::Return
                | Verb::Goto(_)
                | Verb::Masquerade
                | Verb::Snat(..)
                | Verb::Nonat
                | Verb::Forward { .. }
                | Verb::Redirect { .. }
                | Verb::Notrack
                | Verb::Help(_)
                | Verb::Clamp(_)
                | Verb::Mark(_)
                | Verb::Dscp(_) => false,
            };
            may || statement.unless.is_empty()
        }
        Standing::Prerouting => {
            let of_self = match statement.verb {
                // In IPv6 it would not be translated.
                Verb::Forward { of_self, .. } if of_self && family == Family::V6 => return false,
                Verb::Forward { of_self, .. } | Verb::Redirect { of_self, .. } => of_self,
                Verb::Allow
                | Verb::Drop
                | Verb::Reject(_)
                | Verb::Log(_)
                | Verb::Return
                | Verb::Jump(_)
                | Verb::Goto(_)
                | Verb::Masquerade
                | Verb::Snat(..)
                | Verb::Nonat
                | Verb::Add { .. }
                | Verb::Notrack
                | Verb::Help(_)
                | Verb::Clamp(_)
                | Verb::Mark(_)
                | Verb::Dscp(_) => return false,
            };
            let asked = statement.to.except.is_empty() && (statement.to.is_any() || !of_self);
            is_bare && asked && only(&["mark", "dscp", "during", "mac"])
        }
        Standing::Postrouting => {
            // As which address something leaves, the interface says.
            let is_open = statement.verb == Verb::Masquerade && statement.outgoing.is_empty();
            is_bare && !is_open && only(&["mark", "dscp", "during", "via"])
        }
        Standing::Raw => is_bare && statement.clauses.is_empty(),
        Standing::Mangle(chain) => {
            let place = match (&statement.verb, chain) {
                (Verb::Clamp(_), chain) => chain == KernelChain::Forward,
                (_, KernelChain::Input | KernelChain::Output) => true,
                // Without an interface to leave by, it would be done before the route is chosen.
                (_, KernelChain::Forward) => {
                    matches!(statement.verb, Verb::Dscp(_)) || !statement.outgoing.is_empty()
                }
                (verb, KernelChain::Prerouting) => {
                    matches!(verb, Verb::Mark(_)) && statement.to.is_any()
                }
                (_, KernelChain::Postrouting) => false,
            };
            is_bare && place
        }
    }
}

/// What the matches of a rule say, while they are read.
struct Reading {
    family: Family,
    protocol: Option<Protocol>,
    sources: Option<Ports>,
    destinations: Option<Ports>,
    icmp: Option<crate::net::IcmpType>,
    from: Ends,
    to: Ends,
    incoming: Vec<Interface>,
    outgoing: Vec<Interface>,
    has_flags: bool,
    clauses: Vec<String>,
    limits: Vec<String>,
    /// What `-m limit` says.
    rate: Option<(Rate, u32)>,
    comment: Option<Arc<str>>,
    /// Whether it asks for packets to this machine.
    to_self: bool,
    /// What a packet must not meet.
    exceptions: Vec<MatchKind>,
}

impl Reading {
    fn new() -> Self {
        Reading {
            family: Family::V4,
            protocol: None,
            sources: None,
            destinations: None,
            icmp: None,
            from: Ends::default(),
            to: Ends::default(),
            incoming: Vec::new(),
            outgoing: Vec::new(),
            has_flags: false,
            clauses: Vec::new(),
            limits: Vec::new(),
            rate: None,
            comment: None,
            to_self: false,
            exceptions: Vec::new(),
        }
    }

    fn take(&mut self, found: &Match) -> Option<()> {
        // What counts stands last: before another match it would count packets that do not meet it.
        let is_remark = matches!(found.kind, MatchKind::Comment(_));
        if !self.limits.is_empty() && !is_remark {
            return None;
        }
        let no = found.negated;
        if no && conditions::is_an_exception(&found.kind) {
            self.exceptions.push(found.kind.clone());
            return Some(());
        }
        match &found.kind {
            MatchKind::Source(prefix) => address(&mut self.from, Address::Network(*prefix), no)?,
            MatchKind::Destination(prefix) => address(&mut self.to, Address::Network(*prefix), no)?,
            MatchKind::SourceRange(low, high) => {
                address(&mut self.from, range(*low, *high), no)?;
            }
            MatchKind::DestinationRange(low, high) => {
                address(&mut self.to, range(*low, *high), no)?;
            }
            MatchKind::Set { set, side } => {
                let ends = match side {
                    SetSide::Source => &mut self.from,
                    SetSide::Destination => &mut self.to,
                };
                address(ends, member(set)?, no)?;
            }
            MatchKind::Multicast(SetSide::Source) => {
                address(&mut self.from, groups(self.family), no)?;
            }
            MatchKind::Multicast(SetSide::Destination) => {
                address(&mut self.to, groups(self.family), no)?;
            }
            MatchKind::In(interface) if !no => only(&mut self.incoming, interface)?,
            MatchKind::Out(interface) if !no => only(&mut self.outgoing, interface)?,
            MatchKind::Protocol(protocol) if !no && self.protocol.is_none() => {
                self.protocol = Some(*protocol);
            }
            MatchKind::SourcePort(low, high) => ports(&mut self.sources, &[(*low, *high)], no),
            MatchKind::SourcePorts(list) => ports(&mut self.sources, list, no),
            MatchKind::DestinationPort(low, high) => {
                ports(&mut self.destinations, &[(*low, *high)], no);
            }
            MatchKind::DestinationPorts(list) => ports(&mut self.destinations, list, no),
            MatchKind::Icmp(icmp) if !no && self.icmp.is_none() => self.icmp = Some(*icmp),
            MatchKind::AnyIcmp if !no => {}
            MatchKind::DestinationLocal if !no => self.to_self = true,
            MatchKind::Comment(text) if !no && self.comment.is_none() => {
                self.comment = Some(Arc::clone(text));
            }
            MatchKind::Limit { .. } | MatchKind::Hashlimit(_) | MatchKind::Connlimit { .. } => {
                self.limit(found)?;
            }
            MatchKind::TcpFlags(_)
            | MatchKind::Conntrack(_)
            | MatchKind::State(_)
            | MatchKind::Mac(_)
            | MatchKind::Mark(_)
            | MatchKind::User(_)
            | MatchKind::Group(_)
            | MatchKind::Length(..)
            | MatchKind::Ttl(_)
            | MatchKind::Dscp(_)
            | MatchKind::Time(_)
            | MatchKind::Ipsec { .. } => self.condition(found)?,
            MatchKind::In(_)
            | MatchKind::Out(_)
            | MatchKind::Protocol(_)
            | MatchKind::Icmp(_)
            | MatchKind::AnyIcmp
            | MatchKind::Comment(_)
            | MatchKind::DestinationLocal
            | MatchKind::Connmark(_)
            | MatchKind::Opaque(_)
            | MatchKind::OpaqueHistory(_) => return None,
        }
        Some(())
    }

    /// What is done; a log line takes the one rate that the rule has.
    fn verb(&mut self, target: &Target, standing: Standing) -> Option<Verb> {
        let of_self = self.to_self;
        if of_self && standing != Standing::Prerouting {
            return None;
        }
        let in_filter = |verb| (standing == Standing::Filter).then_some(verb);
        let before = |verb| (standing == Standing::Prerouting).then_some(verb);
        let behind = |verb| (standing == Standing::Postrouting).then_some(verb);
        let told = |verb| (standing == Standing::Raw).then_some(verb);
        let mangled = |verb| matches!(standing, Standing::Mangle(_)).then_some(verb);
        match target {
            Target::Accept => match standing {
                Standing::Filter => Some(Verb::Allow),
                Standing::Postrouting => Some(Verb::Nonat),
                Standing::Prerouting | Standing::Mangle(_) | Standing::Raw => None,
            },
            Target::Drop => in_filter(Verb::Drop),
            Target::Return => in_filter(Verb::Return),
            Target::Jump(name) => in_filter(Verb::Jump(Arc::clone(name))),
            Target::Goto(name) => in_filter(Verb::Goto(Arc::clone(name))),
            Target::Reject(with) => in_filter(Verb::Reject(RejectWith::from(*with))),
            Target::Log { prefix, level } if standing == Standing::Filter => {
                let rate = self.rate.take().filter(|_| self.limits.len() == 1);
                if rate.is_some() {
                    self.limits.clear();
                }
                Some(Verb::Log(Log { prefix: prefix.clone(), level: *level, rate }))
            }
            Target::AddSource { set, timeout } => {
                in_filter(Verb::Add { set: own::name(set)?, timeout: *timeout })
            }
            Target::Masquerade => behind(Verb::Masquerade),
            Target::Snat(low, high) => behind(Verb::Snat(*low, *high)),
            Target::Dnat { address, ports } => {
                let port = match ports {
                    Some((low, high)) if low == high => Some(*low),
                    Some(_) => return None,
                    None => None,
                };
                before(Verb::Forward { host: *address, port, of_self })
            }
            Target::Redirect(port) => before(Verb::Redirect { port: *port, of_self }),
            Target::SetMark(mark) => mangled(Verb::Mark(*mark)),
            Target::SetDscp(dscp) => mangled(Verb::Dscp(*dscp)),
            Target::Tcpmss(size) if standing == Standing::Mangle(KernelChain::Forward) => {
                self.clamp(*size)
            }
            Target::Notrack => told(Verb::Notrack),
            Target::Helper(helper) => told(Verb::Help(*helper)),
            Target::Log { .. }
            | Target::Tcpmss(_)
            | Target::Netmap(_)
            | Target::SetConnmark(_)
            | Target::RestoreMark(_)
            | Target::SaveMark(_)
            | Target::Opaque { .. } => None,
        }
    }

    /// `clamp mss` looks for the flags of connections that open by itself.
    fn clamp(&mut self, size: Option<u16>) -> Option<Verb> {
        let asks = self.clauses == ["flags syn / syn, rst"];
        if !asks || self.protocol != Some(Protocol::TCP) {
            return None;
        }
        if self.sources.is_some() || self.destinations.is_some() {
            return None;
        }
        self.clauses.clear();
        self.has_flags = false;
        self.protocol = None;
        Some(Verb::Clamp(size))
    }

    /// What it is not about, each as the statement that leaves a chain.
    fn exceptions(&self) -> Option<Vec<Statement>> {
        let one = |kind: &MatchKind| {
            let asks_protocol = matches!(kind, MatchKind::TcpFlags(_) | MatchKind::Icmp(_));
            let protocol = self.protocol.filter(|_| asks_protocol).map(MatchKind::Protocol);
            let matches = protocol.into_iter().chain([kind.clone()]).map(Match::from).collect();
            let origin = Origin::Default(None);
            let rule = Rule { matches, target: Target::Return, origin };
            statement(&rule, self.family, Standing::Filter)
        };
        self.exceptions.iter().map(one).collect()
    }

    fn parts(&self) -> Option<Vec<Part>> {
        if self.has_flags && self.protocol != Some(Protocol::TCP) {
            return None;
        }
        let Some(protocol) = self.protocol else {
            let alone = self.sources.is_none() && self.destinations.is_none();
            return (alone && self.icmp.is_none()).then(Vec::new);
        };
        if let Some(icmp) = self.icmp {
            let fits = protocol == Protocol::icmp(self.family) && icmp.family == self.family;
            return fits.then(|| vec![Part::Icmp(icmp)]);
        }
        let ported = match protocol {
            Protocol::TCP => Some(PortProtocol::Tcp),
            Protocol::UDP => Some(PortProtocol::Udp),
            Protocol::SCTP => Some(PortProtocol::Sctp),
            _ => None,
        };
        if let Some(protocol) = ported {
            let all = |ports: &Option<Ports>| ports.clone().unwrap_or_else(Ports::full);
            let (source, destination) = (all(&self.sources), all(&self.destinations));
            if source.is_empty() || destination.is_empty() {
                return None;
            }
            return Some(vec![Part::Ports { protocol, source, destination }]);
        }
        let alone = self.sources.is_none() && self.destinations.is_none();
        let part = Part::Protocol(protocol);
        (alone && part.families().contains(self.family)).then(|| vec![part])
    }
}

fn address(ends: &mut Ends, address: Address, no: bool) -> Option<()> {
    if no {
        ends.except.push(address);
    } else if ends.these.is_empty() {
        ends.these.push(address);
    } else {
        return None;
    }
    Some(())
}

/// The addresses of groups (RFC 5771, RFC 4291).
fn groups(family: Family) -> Address {
    match family {
        Family::V4 => {
            range(Ipv4Addr::new(224, 0, 0, 0).into(), Ipv4Addr::new(239, 255, 255, 255).into())
        }
        Family::V6 => range(Ipv6Addr::from(0xff << 120).into(), Ipv6Addr::from(u128::MAX).into()),
    }
}

/// A network where it is one.
fn range(low: IpAddr, high: IpAddr) -> Address {
    let network = Prefix::spanning(Family::of(low), to_number(low), to_number(high));
    network.map_or(Address::Range(low, high), Address::Network)
}

/// A set that the policy has.
fn member(set: &KernelSet) -> Option<Address> {
    match set.content {
        SetContent::Static(_) => Some(Address::Set(Arc::clone(&set.name), set.family)),
        SetContent::Dynamic(_) => own::name(set).map(Address::Own),
        SetContent::Unknown => None,
    }
}

fn only(interfaces: &mut Vec<Interface>, interface: &Interface) -> Option<()> {
    if !interfaces.is_empty() {
        return None;
    }
    interfaces.push(interface.clone());
    Some(())
}

fn ports(known: &mut Option<Ports>, list: &[(u16, u16)], no: bool) {
    let mut ports = IntervalSet::from_intervals(list.iter().copied());
    if no {
        ports = ports.complement();
    }
    *known = Some(match known.take() {
        Some(known) => known.intersection(&ports),
        None => ports,
    });
}
