//! Written limits → matches that count; one written limit is one allowance a family.

use std::collections::HashMap;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::net::Family;
use crate::resolve::Policy;
use crate::resolve::policy::{
    Item, Limit, LimitId, LimitKey, LimitKind, Origin, Rule, Scope, SourceLengths,
};
use crate::ruleset::{HashKey, Hashlimit, Match, MatchKind};
use crate::source::Sources;

use super::generated::hex;

/// Buckets that a table may have: beyond it the kernel drops packets outright.
const MAX_ENTRIES: u32 = 65_536;

/// Where each limit of a policy counts.
pub(super) struct Limits(HashMap<LimitId, Use>);

struct Use {
    /// Which statement wrote it, as far as can be told: what the first that carries it says, and how
    /// many before it say the same.
    place: String,
    rules: u32,
    /// In how many chains those rules stand together.
    scopes: u32,
}

impl Limits {
    pub(super) fn of(policy: &Policy, sources: &Sources) -> Self {
        let mut uses: HashMap<LimitId, Use> = HashMap::new();
        let mut alike: HashMap<String, usize> = HashMap::new();
        let items = policy.items.iter().filter_map(|item| match item {
            Item::Rule(rule) => Some(rule),
            Item::Nat(_) | Item::Alter(_) | Item::Raw(_) => None,
        });
        let of_docker = policy.docker.iter().flat_map(|docker| &docker.rules);
        let of_chains = policy.chains.iter().flat_map(|chain| &chain.rules);
        for rule in items.chain(of_docker).chain(of_chains) {
            for (index, limit) in rule.limits.iter().enumerate() {
                let known = uses.entry(limit.id).or_insert_with(|| {
                    let said = place(rule.origin, index, policy, sources);
                    let before = alike.entry(said.clone()).or_default();
                    *before += 1;
                    Use { place: format!("{said} {before}"), rules: 0, scopes: 0 }
                });
                known.rules += 1;
                known.scopes += scopes(rule);
            }
        }
        Limits(uses)
    }

    /// Whether several rules of the policy share the allowance.
    pub(super) fn is_shared(&self, limit: &Limit) -> bool {
        self.0.get(&limit.id).is_some_and(|known| known.rules > 1)
    }

    /// Whether the allowance is one only when its rules enter one chain that counts.
    pub(super) fn needs_a_chain(&self, limit: &Limit) -> bool {
        self.0.get(&limit.id).is_some_and(|known| match limit.kind {
            // The rules of several statements share a table by its name.
            LimitKind::Rate { .. } => known.rules == 1 && known.scopes > 1,
            LimitKind::Connections { .. } => known.scopes > 1,
        })
    }

    /// The matches of a rule's limits, connections before rates: what is refused there uses up no
    /// rate. `spread` says that they will stand in several places.
    pub(super) fn matches(&self, limits: &[Limit], family: Family, spread: bool) -> Vec<Match> {
        let mut matches: Vec<Match> =
            limits.iter().map(|limit| self.one(limit, family, spread).into()).collect();
        matches.sort_by_key(|m| !matches!(m.kind, MatchKind::Connlimit { .. }));
        matches
    }

    fn one(&self, limit: &Limit, family: Family, spread: bool) -> MatchKind {
        match &limit.kind {
            LimitKind::Rate { rate, burst, per } => {
                if per.is_empty() && !spread && !self.is_shared(limit) {
                    return MatchKind::Limit { rate: *rate, burst: *burst };
                }
                let table = Hashlimit {
                    name: "".into(),
                    rate: *rate,
                    burst: *burst,
                    keys: keys(per),
                    source_mask: source_mask(per, family),
                    max_entries: MAX_ENTRIES,
                    // The default forgets after one unit, and with it a longer burst.
                    expire_ms: rate.drain_seconds(*burst).max(rate.unit().seconds().into()) * 1000,
                };
                let place = self.0.get(&limit.id).map_or("", |known| &known.place);
                MatchKind::Hashlimit(Box::new(named(table, place, family)))
            }
            LimitKind::Connections { count, per_source } => {
                let mask = per_source.map_or(0, |lengths| length(lengths, family));
                MatchKind::Connlimit { count: *count, mask }
            }
        }
    }
}

/// The table with its name: a hash of all it is, for the kernel keeps the parameters of a table
/// that exists, and of where it was written, for two limits are two allowances.
fn named(table: Hashlimit, place: &str, family: Family) -> Hashlimit {
    let mut hash = Sha256::new();
    let Hashlimit { rate, burst, keys, source_mask, max_entries, expire_ms, .. } = &table;
    hash.update(format!("{family} {rate} {burst} {source_mask:?} {max_entries} {expire_ms}"));
    hash.update(format!(" {keys:?} {place}"));
    let digits = hex(&hash.finalize());
    Hashlimit { name: format!("palisade-{}", &digits[..12]).into(), ..table }
}

fn keys(per: &[LimitKey]) -> Vec<HashKey> {
    let mut keys: Vec<HashKey> = per
        .iter()
        .map(|key| match key {
            LimitKey::Source(_) => HashKey::SourceAddress,
            LimitKey::Destination => HashKey::DestinationAddress,
            LimitKey::SourcePort => HashKey::SourcePort,
            LimitKey::DestinationPort => HashKey::DestinationPort,
        })
        .collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

fn source_mask(per: &[LimitKey], family: Family) -> Option<u8> {
    let lengths = per.iter().find_map(|key| match key {
        LimitKey::Source(lengths) => Some(*lengths),
        LimitKey::Destination | LimitKey::SourcePort | LimitKey::DestinationPort => None,
    });
    lengths.map(|lengths| length(lengths, family)).filter(|length| *length != family.bits())
}

fn length(lengths: SourceLengths, family: Family) -> u8 {
    match family {
        Family::V4 => lengths.v4,
        Family::V6 => lengths.v6,
    }
}

fn scopes(rule: &Rule) -> u32 {
    let has = |scope: Scope| rule.flows.iter().any(|flow| flow.scope == scope);
    let hooks = crate::resolve::policy::Hook::ALL.map(Scope::Hook);
    hooks.into_iter().chain([Scope::Chain, Scope::Docker]).map(|scope| u32::from(has(scope))).sum()
}

/// What a statement and the calls it came through say, and which limit of it: what stays when lines
/// are inserted elsewhere, so that buckets survive a reload.
fn place(origin: Origin, index: usize, policy: &Policy, sources: &Sources) -> String {
    let mut place = format!("#{index}");
    let mut span = Some(origin.span);
    let mut call = origin.call;
    // A policy of n calls has no chain of more than n of them.
    for _ in 0..=policy.calls.len() {
        let Some(at) = span else { break };
        let _ = write!(place, " {}", sources.text(at));
        let next = call.and_then(|call| policy.calls.get(call.0 as usize));
        span = next.map(|next| next.span);
        call = next.and_then(|next| next.parent);
    }
    place
}
