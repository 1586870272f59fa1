//! What a statement asks of packets beside its flows.

use crate::net::{
    Account, CtState, CtStates, Dscp, FlagMatch, IntervalSet, Mac, MarkMatch, TimeWindow,
};

/// A condition on a packet beside its flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    State(CtStates),
    /// Only with tcp parts.
    Flags(FlagMatch),
    /// The source's Ethernet address is one of these; never empty; not on output.
    Mac(Vec<Mac>),
    Mark(MarkMatch),
    /// The sending process's user; output only.
    User(Account),
    /// The sending process's group; output only.
    Group(Account),
    /// The length of the whole IP packet, in bytes.
    Length(IntervalSet<u16>),
    /// Time to live, on IPv6 hop limit.
    Ttl(u8),
    Dscp(Dscp),
    During(TimeWindow),
    /// The packet came in through an ipsec tunnel or transport; on output and in source NAT it will
    /// leave through one.
    Ipsec,
}

impl Condition {
    /// The states that it asks for, if it is about the state.
    #[must_use]
    pub fn states(&self) -> Option<CtStates> {
        match self {
            Condition::State(states) => Some(*states),
            Condition::Flags(_)
            | Condition::Mac(_)
            | Condition::Mark(_)
            | Condition::User(_)
            | Condition::Group(_)
            | Condition::Length(_)
            | Condition::Ttl(_)
            | Condition::Dscp(_)
            | Condition::During(_)
            | Condition::Ipsec => None,
        }
    }

    /// The user or group that it asks for.
    #[must_use]
    pub fn account(&self) -> Option<&Account> {
        match self {
            Condition::User(account) | Condition::Group(account) => Some(account),
            Condition::State(_)
            | Condition::Flags(_)
            | Condition::Mac(_)
            | Condition::Mark(_)
            | Condition::Length(_)
            | Condition::Ttl(_)
            | Condition::Dscp(_)
            | Condition::During(_)
            | Condition::Ipsec => None,
        }
    }

    /// Whether it is about the state, and packets in this one meet it.
    #[must_use]
    pub fn is_met_in(&self, state: CtState) -> bool {
        self.states().is_some_and(|states| states.contains(state))
    }

    /// Whether both are of one kind, of which a rule needs but one. Time windows are not: what two
    /// of them have in common need not be a window.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        let is_window = matches!(self, Condition::During(_));
        !is_window && std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// What holds when both of one kind do; `None` when no packet meets both, or when they are of
    /// two kinds, which one condition cannot say.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Condition::State(a), Condition::State(b)) => {
                let both = a.intersection(*b);
                (!both.is_empty()).then_some(Condition::State(both))
            }
            (Condition::Flags(a), Condition::Flags(b)) => a.intersection(*b).map(Condition::Flags),
            (Condition::Mac(a), Condition::Mac(b)) => {
                let both: Vec<Mac> = a.iter().filter(|mac| b.contains(mac)).copied().collect();
                (!both.is_empty()).then_some(Condition::Mac(both))
            }
            (Condition::Mark(a), Condition::Mark(b)) => a.intersection(*b).map(Condition::Mark),
            (Condition::Length(a), Condition::Length(b)) => {
                let both = a.intersection(b);
                (!both.is_empty()).then_some(Condition::Length(both))
            }
            // A name and a number may be one account, but only the machine that loads the rules
            // knows: written once by each, they are taken for two.
            (Condition::User(_), Condition::User(_))
            | (Condition::Group(_), Condition::Group(_))
            | (Condition::Ttl(_), Condition::Ttl(_))
            | (Condition::Dscp(_), Condition::Dscp(_))
            | (Condition::During(_), Condition::During(_))
            | (Condition::Ipsec, Condition::Ipsec) => (self == other).then(|| self.clone()),
            (
                Condition::State(_)
                | Condition::Flags(_)
                | Condition::Mac(_)
                | Condition::Mark(_)
                | Condition::User(_)
                | Condition::Group(_)
                | Condition::Length(_)
                | Condition::Ttl(_)
                | Condition::Dscp(_)
                | Condition::During(_)
                | Condition::Ipsec,
                _,
            ) => None,
        }
    }
}
