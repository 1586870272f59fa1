//! Conditions that are clauses: what a packet must meet beside its kind, ends and interfaces.

use crate::net::{CtState, CtStates, Family, TcpFlags};
use crate::ruleset::{Conntrack, HashKey, Hashlimit, Match, MatchKind};

use super::Reading;

impl Reading {
    /// What is asked in a clause of its own, each once.
    pub(super) fn condition(&mut self, found: &Match) -> Option<()> {
        let clause = clause(found)?;
        self.has_flags |= matches!(found.kind, MatchKind::TcpFlags(_));
        let word = |clause: &str| clause.split(' ').next().unwrap_or_default().to_owned();
        if self.clauses.iter().any(|known| word(known) == word(&clause)) {
            return None;
        }
        self.clauses.push(clause);
        // So that rules which say the same are the same.
        self.clauses.sort();
        Some(())
    }

    pub(super) fn limit(&mut self, found: &Match) -> Option<()> {
        if found.negated {
            return None;
        }
        if let MatchKind::Limit { rate, burst } = found.kind {
            self.rate = Some((rate, burst));
        }
        self.limits.push(limit_clause(&found.kind, self.family)?);
        Some(())
    }
}

/// What the language cannot negate, but say of packets that are left out.
pub(super) fn is_an_exception(kind: &MatchKind) -> bool {
    match kind {
        MatchKind::In(_)
        | MatchKind::Out(_)
        | MatchKind::Protocol(_)
        | MatchKind::Icmp(_)
        | MatchKind::TcpFlags(_)
        | MatchKind::Mac(_)
        | MatchKind::Mark(_)
        | MatchKind::User(_)
        | MatchKind::Group(_)
        | MatchKind::Length(..)
        | MatchKind::Ttl(_)
        | MatchKind::Dscp(_)
        | MatchKind::Time(_)
        | MatchKind::Ipsec { .. } => true,
        // Lists take an `except`, ports and states have others. For the rest the language has no words, or
        // none that a chain could return by.
        MatchKind::Source(_)
        | MatchKind::Destination(_)
        | MatchKind::SourceRange(..)
        | MatchKind::DestinationRange(..)
        | MatchKind::Set { .. }
        | MatchKind::Multicast(_)
        | MatchKind::SourcePort(..)
        | MatchKind::DestinationPort(..)
        | MatchKind::SourcePorts(_)
        | MatchKind::DestinationPorts(_)
        | MatchKind::Conntrack(_)
        | MatchKind::State(_)
        | MatchKind::AnyIcmp
        | MatchKind::DestinationLocal
        | MatchKind::Connmark(_)
        | MatchKind::Opaque(_)
        | MatchKind::OpaqueHistory(_)
        | MatchKind::Comment(_)
        | MatchKind::Limit { .. }
        | MatchKind::Hashlimit(_)
        | MatchKind::Connlimit { .. } => false,
    }
}

/// The clause that asks for it; only of states it may be the opposite.
fn clause(found: &Match) -> Option<String> {
    if found.negated && is_an_exception(&found.kind) {
        return None;
    }
    Some(match &found.kind {
        MatchKind::TcpFlags(flags) => {
            let names = |flags: TcpFlags| flags.names().collect::<Vec<_>>().join(", ");
            let set = match names(flags.set()) {
                none if none.is_empty() => "none".to_owned(),
                set => set,
            };
            format!("flags {set} / {}", names(flags.mask()))
        }
        MatchKind::Conntrack(Conntrack {
            states,
            dnat: false,
            original_destination: None,
            original_port: None,
        })
        | MatchKind::State(states) => states_clause(*states, found.negated)?,
        MatchKind::Mac(mac) => format!("mac {mac}"),
        MatchKind::Mark(mark) => format!("mark {mark}"),
        MatchKind::User(user) => format!("user {user}"),
        MatchKind::Group(group) => format!("group {group}"),
        MatchKind::Length(low, high) if low == high => format!("length {low}"),
        MatchKind::Length(low, high) => format!("length {low}-{high}"),
        MatchKind::Ttl(ttl) => format!("ttl {ttl}"),
        MatchKind::Dscp(dscp) => format!("dscp {dscp}"),
        MatchKind::Time(window) => {
            let text = window.to_string().replace(',', ", ");
            format!("during {}", text.trim_end_matches(" utc"))
        }
        MatchKind::Ipsec { .. } => "via ipsec".to_owned(),
        MatchKind::Conntrack(_)
        | MatchKind::Source(_)
        | MatchKind::Destination(_)
        | MatchKind::SourceRange(..)
        | MatchKind::DestinationRange(..)
        | MatchKind::Set { .. }
        | MatchKind::In(_)
        | MatchKind::Out(_)
        | MatchKind::Protocol(_)
        | MatchKind::SourcePort(..)
        | MatchKind::DestinationPort(..)
        | MatchKind::SourcePorts(_)
        | MatchKind::DestinationPorts(_)
        | MatchKind::Icmp(_)
        | MatchKind::AnyIcmp
        | MatchKind::DestinationLocal
        | MatchKind::Multicast(_)
        | MatchKind::Connmark(_)
        | MatchKind::Opaque(_)
        | MatchKind::OpaqueHistory(_)
        | MatchKind::Comment(_)
        | MatchKind::Limit { .. }
        | MatchKind::Hashlimit(_)
        | MatchKind::Connlimit { .. } => return None,
    })
}

fn states_clause(states: CtStates, no: bool) -> Option<String> {
    // In the order in which people name them.
    let order = [
        CtState::New,
        CtState::Established,
        CtState::Related,
        CtState::Invalid,
        CtState::Untracked,
    ];
    let asked: Vec<&str> = order
        .into_iter()
        .filter(|state| states.contains(*state) != no)
        .map(CtState::name)
        .collect();
    (!asked.is_empty()).then(|| format!("state {}", asked.join(", ")))
}

/// What counts, as a clause; `None` for what does not, or counts in another way.
fn limit_clause(kind: &MatchKind, family: Family) -> Option<String> {
    if let MatchKind::Hashlimit(table) = kind {
        return hashlimit(table, family);
    }
    if let MatchKind::Limit { rate, burst } = kind {
        return Some(format!("limit {rate} burst {burst}"));
    }
    let MatchKind::Connlimit { count, mask } = kind else { return None };
    Some(match mask {
        0 => format!("connections {count}"),
        mask => format!("connections {count} per source{}", lengths(*mask, family)),
    })
}

fn hashlimit(table: &Hashlimit, family: Family) -> Option<String> {
    let mut text = format!("limit {} burst {}", table.rate, table.burst);
    let mut keys = Vec::new();
    for key in &table.keys {
        keys.push(match key {
            HashKey::SourceAddress => {
                format!("source{}", lengths(table.source_mask.unwrap_or(family.bits()), family))
            }
            HashKey::DestinationAddress => "destination".to_owned(),
            HashKey::SourcePort => "source-port".to_owned(),
            HashKey::DestinationPort => "destination-port".to_owned(),
        });
    }
    if keys.is_empty() {
        // One allowance by a name: rules that share it are told apart by nothing.
        return None;
    }
    text.push_str(&format!(" per {}", keys.join(", ")));
    Some(text)
}

/// The lengths behind `source` where they are not those that it has by itself.
fn lengths(length: u8, family: Family) -> String {
    match (family, length) {
        (Family::V4, 32) | (Family::V6, 64) => String::new(),
        (Family::V4, length) => format!("/{length}"),
        (Family::V6, length) => format!("/32,/{length}"),
    }
}
