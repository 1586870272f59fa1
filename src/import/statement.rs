//! Statements before they are written.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::net::{Dscp, Family, Helper, Interface, MarkMatch, Prefix, Rate};
use crate::resolve::policy::{Part, RejectWith};

/// A statement before it is written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Statement {
    pub verb: Verb,
    /// What traffic; empty for all.
    // INVARIANT: all have the same source ports.
    pub parts: Vec<Part>,
    /// Services of the standard library with which these have their connection helpers.
    pub helped: BTreeSet<String>,
    pub from: Ends,
    pub to: Ends,
    pub incoming: Vec<Interface>,
    pub outgoing: Vec<Interface>,
    /// Further conditions as they are written, in the order of the language reference.
    pub clauses: Vec<String>,
    pub limits: Vec<String>,
    /// Packets that it is not about although all else fits: each a `return` in a chain of its own, behind
    /// which the verb stands.
    pub unless: Vec<Statement>,
    pub log: Option<Log>,
    pub comment: Option<Arc<str>>,
    /// What is found wrong with it, and left as it is.
    pub expect: Option<&'static str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Verb {
    Allow,
    Drop,
    Reject(RejectWith),
    Log(Log),
    Return,
    Jump(Arc<str>),
    Goto(Arc<str>),
    Masquerade,
    Snat(IpAddr, IpAddr),
    /// Of the translation of sources.
    Nonat,
    /// To a host and perhaps a port of it. Without `to`, whatever was asked; or what this machine was.
    Forward {
        host: IpAddr,
        port: Option<u16>,
        of_self: bool,
    },
    /// To a port of this machine.
    Redirect {
        port: u16,
        of_self: bool,
    },
    /// To a set of the policy, for so many seconds.
    Add {
        set: Arc<str>,
        timeout: Option<u32>,
    },
    /// Packets, and what answers them.
    Notrack,
    /// Of the connections that these packets open: what `allow` says of a service.
    Help(Helper),
    Clamp(Option<u16>),
    Mark(MarkMatch),
    Dscp(Dscp),
}

impl Verb {
    /// The words of iptables for it, where they are a target without options.
    pub fn bare_target(&self) -> Option<&'static str> {
        match self {
            Verb::Allow => Some("-j ACCEPT"),
            Verb::Drop => Some("-j DROP"),
            Verb::Return => Some("-j RETURN"),
            Verb::Reject(_)
            | Verb::Log(_)
            | Verb::Jump(_)
            | Verb::Goto(_)
            | Verb::Masquerade
            | Verb::Snat(..)
            | Verb::Nonat
            | Verb::Forward { .. }
            | Verb::Redirect { .. }
            | Verb::Add { .. }
            | Verb::Notrack
            | Verb::Help(_)
            | Verb::Clamp(_)
            | Verb::Mark(_)
            | Verb::Dscp(_) => None,
        }
    }
}

/// A line in the log, within its rate.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Log {
    pub prefix: Option<Arc<str>>,
    pub level: u8,
    /// `None` for a line of every packet.
    pub rate: Option<(Rate, u32)>,
}

/// Addresses; without any, all.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Ends {
    pub these: Vec<Address>,
    pub except: Vec<Address>,
}

impl Ends {
    pub fn is_any(&self) -> bool {
        self.these.is_empty() && self.except.is_empty()
    }

    fn families(&self) -> impl Iterator<Item = Family> {
        self.these.iter().chain(&self.except).filter_map(Address::family)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Address {
    Network(Prefix),
    Range(IpAddr, IpAddr),
    /// A set of the kernel of which is known what is in it.
    Set(Arc<str>, Family),
    /// A set that is a policy's by its own, of both families.
    Own(Arc<str>),
}

impl Address {
    fn family(&self) -> Option<Family> {
        match self {
            Address::Network(prefix) => Some(prefix.family()),
            Address::Range(low, _) => Some(Family::of(*low)),
            Address::Set(_, family) => Some(*family),
            Address::Own(_) => None,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Network(prefix) if prefix.length() == prefix.family().bits() => {
                prefix.address().fmt(f)
            }
            Address::Network(prefix) => prefix.fmt(f),
            Address::Range(low, high) => write!(f, "{low}-{high}"),
            Address::Set(name, _) | Address::Own(name) => f.write_str(name),
        }
    }
}

impl Statement {
    pub fn new(verb: Verb) -> Self {
        Statement {
            verb,
            parts: Vec::new(),
            helped: BTreeSet::new(),
            from: Ends::default(),
            to: Ends::default(),
            incoming: Vec::new(),
            outgoing: Vec::new(),
            clauses: Vec::new(),
            limits: Vec::new(),
            unless: Vec::new(),
            log: None,
            comment: None,
            expect: None,
        }
    }

    /// Whether its own words say that it is of one family, so that no clause has to.
    pub fn says_family(&self, family: Family) -> bool {
        let icmp = |part: &Part| part.families().contains(family) && part.families() != BOTH;
        self.from.families().chain(self.to.families()).any(|own| own == family)
            || !self.parts.is_empty() && self.parts.iter().all(icmp)
            || matches!(self.verb, Verb::Snat(low, _) if Family::of(low) == family)
            || matches!(self.verb, Verb::Forward { host, .. } if Family::of(host) == family)
            || family == Family::V4 && matches!(self.verb, Verb::Masquerade)
    }

    /// Whether it asks nothing of a packet.
    pub fn is_about_all(&self) -> bool {
        self.parts.is_empty()
            && self.from.is_any()
            && self.to.is_any()
            && self.incoming.is_empty()
            && self.outgoing.is_empty()
            && self.clauses.is_empty()
            && self.limits.is_empty()
            && self.unless.is_empty()
    }

    /// `masquerade eth0 out`: nothing but where packets leave.
    pub fn is_about_an_exit(&self) -> bool {
        self.verb == Verb::Masquerade
            && !self.outgoing.is_empty()
            && Statement { outgoing: Vec::new(), ..self.clone() }.is_about_all()
    }
}

const BOTH: crate::net::Families = crate::net::Families::BOTH;
