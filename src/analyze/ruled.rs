//! What rulesets do to every packet, straight from the kernel's words.
//!
//! In go the [`Ruleset`]s of both families, made or read; out comes a [`Meaning`] like that of a policy,
//! so that every question about a policy can be asked about rules, and one be held to the other. Nothing
//! is said here that a rule does not say: a rule is an entry, a chain is a chain.
//!
//! What rules count by, chance, and whatever else is not the same for a packet at every time is a
//! limit of the entry ([`History`]). Tables of `hashlimit` that have one name are one limit.

mod early;
mod own;
mod raw;
mod set;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::meaning::{
    BaseChain, Change, Decision, Effect, Entry, FamilyMeaning, History, Implied, List, Meaning,
    Reason, Translation,
};
use crate::net::{Family, Prefix};
use crate::packet::{Field, PacketSet};
use crate::resolve::policy::{
    self, ChainId, LimitId, LimitKey, LimitKind, Log, LogLevel, RejectWith, SourceLengths,
};
use crate::ruleset::{
    Chain, ChainPolicy, DOCKER_USER, HashKey, Hashlimit, KernelSet, Match, MatchKind, OpaqueEnd,
    Origin, Rule, Ruleset, SetContent, TableName, Target,
};

pub use own::{Foreign, leave_out_foreign};
pub(super) use raw::{raws, words};
pub use raw::{refused, understood};
use set::{TRACKED, UNCONNECTED, packets_in};
pub use set::{packets, tracked_packets};

/// What rulesets do, and how their chains are called.
#[derive(Debug, Clone)]
pub struct Ruled {
    pub meaning: Meaning,
    /// The table and name of each chain that is not the kernel's own, by the number of its id.
    pub chains: Vec<(TableName, Arc<str>)>,
}

impl Ruled {
    /// The name of a chain.
    #[must_use]
    pub fn chain(&self, id: ChainId) -> Option<&(TableName, Arc<str>)> {
        self.chains.get(usize::try_from(id.0).ok()?)
    }
}

/// The table and chain of the kernel in which packets meet a base chain.
#[must_use]
pub fn place(base: BaseChain) -> (TableName, &'static str) {
    match base {
        BaseChain::FilterInput => (TableName::Filter, "INPUT"),
        BaseChain::FilterForward => (TableName::Filter, "FORWARD"),
        BaseChain::FilterOutput => (TableName::Filter, "OUTPUT"),
        BaseChain::DockerUser => (TableName::Filter, DOCKER_USER),
        BaseChain::NatPrerouting => (TableName::Nat, "PREROUTING"),
        BaseChain::NatInput => (TableName::Nat, "INPUT"),
        BaseChain::NatOutput => (TableName::Nat, "OUTPUT"),
        BaseChain::NatPostrouting => (TableName::Nat, "POSTROUTING"),
        BaseChain::ManglePrerouting => (TableName::Mangle, "PREROUTING"),
        BaseChain::MangleInput => (TableName::Mangle, "INPUT"),
        BaseChain::MangleForward => (TableName::Mangle, "FORWARD"),
        BaseChain::MangleOutput => (TableName::Mangle, "OUTPUT"),
        BaseChain::ManglePostrouting => (TableName::Mangle, "POSTROUTING"),
        BaseChain::RawPrerouting => (TableName::Raw, "PREROUTING"),
        BaseChain::RawOutput => (TableName::Raw, "OUTPUT"),
        BaseChain::SecurityInput => (TableName::Security, "INPUT"),
        BaseChain::SecurityForward => (TableName::Security, "FORWARD"),
        BaseChain::SecurityOutput => (TableName::Security, "OUTPUT"),
    }
}

/// The meaning of the rules of both families. A family that is not given lets everything through.
#[must_use]
pub fn ruled(v4: Option<&Ruleset>, v6: Option<&Ruleset>) -> Ruled {
    let mut chains = Vec::new();
    let mut ids = HashMap::new();
    let rulesets = [v4, v6].into_iter().flatten();
    for (table, chain) in rulesets.flat_map(user_chains) {
        ids.entry((table, Arc::clone(&chain.name))).or_insert_with(|| {
            chains.push((table, Arc::clone(&chain.name)));
            ChainId(u32::try_from(chains.len() - 1).unwrap_or(u32::MAX))
        });
    }
    let mut limits = Limits::default();
    let [v4, v6] = [(v4, Family::V4), (v6, Family::V6)].map(|(ruleset, family)| {
        let mut reading = Reading { family, ids: &ids, limits: &mut limits };
        let Some(ruleset) = ruleset else { return nothing(family) };
        let mut lists = reading.family(ruleset, chains.len());
        early::before_conntrack(&mut lists, family, &mut limits);
        lists
    });
    Ruled { meaning: Meaning::of_lists(v4, v6, limits.kinds), chains }
}

/// The chains that are not the kernel's own.
fn user_chains(ruleset: &Ruleset) -> impl Iterator<Item = (TableName, &Chain)> {
    ruleset.tables.iter().flat_map(|table| {
        let chains = table.chains.iter().filter(|chain| chain.policy.is_none());
        chains.map(|chain| (table.name, chain))
    })
}

/// A family without rules.
fn nothing(family: Family) -> FamilyMeaning {
    let list =
        |base| (base, List { entries: Vec::new(), default: Some(default(family, base, None)) });
    let bases = BaseChain::ALL.into_iter().filter(|base| *base != BaseChain::DockerUser);
    FamilyMeaning { bases: bases.map(list).collect(), chains: Vec::new() }
}

/// What the end of a chain of the kernel does.
fn default(family: Family, base: BaseChain, policy: Option<ChainPolicy>) -> Entry {
    let decision = match (base, policy) {
        (BaseChain::DockerUser, _) => Decision::LeaveToDocker,
        (_, Some(ChainPolicy::Drop)) => Decision::Drop,
        (base, Some(ChainPolicy::Accept) | None) if base.is_nat() => {
            Decision::Translate(Translation::Exempt.into())
        }
        (_, Some(ChainPolicy::Accept) | None) => Decision::Accept,
    };
    Entry {
        set: PacketSet::everything(family),
        limits: [].into(),
        log: None,
        effect: Effect::Decide(decision),
        reason: Reason::Default(base),
    }
}

/// The limits of rules while they are gathered.
#[derive(Default)]
struct Limits {
    kinds: BTreeMap<LimitId, History>,
    /// Tables of `hashlimit` by family and name: rules that use one name share what it counts.
    tables: HashMap<(Family, Arc<str>), LimitId>,
}

impl Limits {
    fn another(&mut self, kind: History) -> LimitId {
        let id = LimitId(u32::try_from(self.kinds.len()).unwrap_or(u32::MAX));
        self.kinds.insert(id, kind);
        id
    }

    /// What a match asks of history; `None` when it asks nothing of it.
    fn of(&mut self, family: Family, found: &Match) -> Option<LimitId> {
        if !found.kind.depends_on_history() {
            return None;
        }
        let kind = match &found.kind {
            MatchKind::Limit { rate, burst } => {
                let (rate, burst) = (*rate, *burst);
                LimitKind::Rate { rate, burst, per: Vec::new() }
            }
            MatchKind::Hashlimit(table) => {
                let key = (family, Arc::clone(&table.name));
                if let Some(known) = self.tables.get(&key).filter(|_| !found.negated) {
                    return Some(*known);
                }
                let kind = LimitKind::Rate {
                    rate: table.rate,
                    burst: table.burst,
                    per: keys(table, family),
                };
                if !found.negated {
                    let id = self.another(History::Limit(kind));
                    self.tables.insert(key, id);
                    return Some(id);
                }
                kind
            }
            MatchKind::Connlimit { count, mask } => {
                let lengths = SourceLengths { v4: *mask, v6: *mask };
                let per_source = Some(lengths).filter(|_| *mask > 0);
                LimitKind::Connections { count: *count, per_source }
            }
            MatchKind::OpaqueHistory(text) => {
                let text = if found.negated { format!("! {text}").into() } else { text.clone() };
                return Some(self.another(History::Opaque(text)));
            }
            other => {
                let text = format!("{}{other:?}", if found.negated { "! " } else { "" });
                return Some(self.another(History::Opaque(text.into())));
            }
        };
        Some(self.another(if found.negated { History::Over(kind) } else { History::Limit(kind) }))
    }
}

fn keys(table: &Hashlimit, family: Family) -> Vec<LimitKey> {
    let length = table.source_mask.unwrap_or(family.bits());
    let lengths = SourceLengths { v4: length.min(Family::V4.bits()), v6: length };
    let key = |key: &HashKey| match key {
        HashKey::SourceAddress => LimitKey::Source(lengths),
        HashKey::DestinationAddress => LimitKey::Destination,
        HashKey::SourcePort => LimitKey::SourcePort,
        HashKey::DestinationPort => LimitKey::DestinationPort,
    };
    table.keys.iter().map(key).collect()
}

/// One family while it is read.
struct Reading<'a> {
    family: Family,
    ids: &'a HashMap<(TableName, Arc<str>), ChainId>,
    limits: &'a mut Limits,
}

impl Reading<'_> {
    fn family(&mut self, ruleset: &Ruleset, chain_count: usize) -> FamilyMeaning {
        let mut lists = nothing(self.family);
        lists.chains.resize_with(chain_count, List::default);
        for base in BaseChain::ALL {
            let (table, name) = place(base);
            let Some(chain) = ruleset.table(table).and_then(|table| table.chain(name)) else {
                continue;
            };
            // Docker's own rules jump there; who has them sees that.
            if base == BaseChain::DockerUser && is_jumped_to(ruleset, name) {
                continue;
            }
            let default = Some(default(self.family, base, chain.policy));
            let entries = self.entries(table, chain);
            lists.bases.insert(base, List { entries, default });
        }
        for (table, chain) in user_chains(ruleset) {
            let id = self.ids.get(&(table, Arc::clone(&chain.name)));
            if let Some(place) = id.and_then(|id| usize::try_from(id.0).ok()) {
                lists.chains[place] = List { entries: self.entries(table, chain), default: None };
            }
        }
        lists
    }

    fn entries(&mut self, table: TableName, chain: &Chain) -> Vec<Entry> {
        chain.rules.iter().flat_map(|rule| self.rule(table, rule)).collect()
    }

    /// What a rule does. One of which it is not known whether it decides is two: it may decide, and
    /// what goes on may be changed.
    fn rule(&mut self, table: TableName, rule: &Rule) -> Vec<Entry> {
        let set = packets(self.family, &rule.matches);
        let asked = |found| self.limits.of(self.family, found);
        let asked: Vec<Option<LimitId>> = rule.matches.iter().map(asked).collect();
        let limits: Box<[LimitId]> = asked.iter().copied().flatten().collect();
        let reason = reason(rule.origin, &rule.target);
        let entry = |set, limits, effect| Entry { set, limits, log: None, effect, reason };
        let mut entries: Vec<Entry> = self.written_by_matches(rule, reason);
        entries.extend(self.counted_before_others(rule, &asked, reason));
        entries.extend(match &rule.target {
            Target::Log { prefix, level } => {
                let log = Log { prefix: prefix.clone(), level: LogLevel(*level), allowance: None };
                let entry = entry(set, limits, Effect::Continue);
                vec![Entry { log: Some(Arc::new(log)), ..entry }]
            }
            Target::Opaque { text, end: OpaqueEnd::Unknown, changes } => {
                let may = self.limits.another(History::Opaque(Arc::clone(text)));
                let decides = Effect::Decide(Decision::Unknown(Arc::clone(text)));
                let goes_on = Effect::Opaque { text: Arc::clone(text), changes };
                let deciding = limits.iter().copied().chain([may]).collect();
                vec![entry(set.clone(), deciding, decides), entry(set, limits, goes_on)]
            }
            // A packet without a connection keeps its mark, and goes on (`xt_connmark.c`).
            Target::SetConnmark(_) | Target::RestoreMark(_) | Target::SaveMark(_) => {
                let [tracked, others] = [TRACKED, UNCONNECTED]
                    .map(|states| set.intersection(&packets_in(self.family, states)));
                let changes = entry(tracked, limits.clone(), self.effect(table, rule));
                vec![changes, entry(others, limits, Effect::Continue)]
            }
            Target::Accept
            | Target::Drop
            | Target::Return
            | Target::Jump(_)
            | Target::Goto(_)
            | Target::Reject(_)
            | Target::Masquerade
            | Target::Snat(..)
            | Target::Dnat { .. }
            | Target::Redirect(_)
            | Target::Netmap(_)
            | Target::AddSource { .. }
            | Target::SetMark(_)
            | Target::SetDscp(_)
            | Target::Tcpmss(_)
            | Target::Notrack
            | Target::Helper(_)
            | Target::Opaque { end: OpaqueEnd::Decides | OpaqueEnd::GoesOn, .. } => {
                vec![entry(set, limits, self.effect(table, rule))]
            }
        });
        entries
    }

    /// What limits count although the rule has no such packet: matches are asked in their order, and a limit
    /// that stands before others is used up by all that comes to it.
    fn counted_before_others(
        &self,
        rule: &Rule,
        asked: &[Option<LimitId>],
        reason: Reason,
    ) -> Option<Entry> {
        let is_asked_behind =
            |(found, limit): &(&Match, &Option<LimitId>)| limit.is_none() && !found.kind.is_first();
        let both = || rule.matches.iter().zip(asked);
        let last = both().rposition(|one| is_asked_behind(&one))?;
        let limits: Box<[LimitId]> = asked[..last].iter().copied().flatten().collect();
        let counting = asked[..last].iter().rposition(Option::is_some)?;
        let before = both().take(counting).map(|(found, _)| found);
        let first = both().skip(counting).map(|(found, _)| found).filter(|one| one.kind.is_first());
        let matches: Vec<Match> = before.chain(first).cloned().collect();
        let set = packets(self.family, &matches);
        Some(Entry { set, limits, log: None, effect: Effect::Continue, reason })
    }

    /// What matches write of a packet that they hold for, whether or not the rest of the rule does: a socket
    /// gives it its mark (`xt_socket.c`).
    fn written_by_matches(&self, rule: &Rule, reason: Reason) -> Vec<Entry> {
        let writes = |found: &Match| {
            let (MatchKind::Opaque(text) | MatchKind::OpaqueHistory(text)) = &found.kind else {
                return None;
            };
            let is_so = text.split_whitespace().any(|word| word == "--restore-skmark");
            is_so.then(|| Arc::clone(text))
        };
        let writing = rule.matches.iter().enumerate();
        let writing = writing.filter_map(|(place, found)| Some((place, writes(found)?)));
        let entries = writing.map(|(place, text)| Entry {
            set: packets(self.family, &rule.matches[..=place]),
            limits: [].into(),
            log: None,
            effect: Effect::Opaque { text, changes: &[Field::Mark] },
            reason,
        });
        entries.collect()
    }

    fn effect(&self, table: TableName, rule: &Rule) -> Effect {
        let translate =
            |translation: Translation| Effect::Decide(Decision::Translate(Arc::new(translation)));
        let change = Effect::Change;
        match &rule.target {
            Target::Accept if table == TableName::Nat => translate(Translation::Exempt),
            Target::Accept => Effect::Decide(Decision::Accept),
            Target::Drop => Effect::Decide(Decision::Drop),
            Target::Return => Effect::Return,
            Target::Jump(name) => match self.ids.get(&(table, Arc::clone(name))) {
                Some(id) => Effect::Call(*id),
                None => foreign(name),
            },
            Target::Goto(name) => match self.ids.get(&(table, Arc::clone(name))) {
                Some(id) => Effect::Goto(*id),
                None => foreign(name),
            },
            Target::Reject(with) => Effect::Decide(Decision::Reject(RejectWith::from(*with))),
            Target::Log { .. } => Effect::Continue,
            Target::Masquerade => translate(Translation::Masquerade),
            Target::Snat(low, high) => translate(Translation::Source { low: *low, high: *high }),
            Target::Dnat { address, ports: None } => {
                translate(Translation::Destination { address: *address, port: None })
            }
            Target::Dnat { address, ports: Some((low, high)) } if low == high => {
                translate(Translation::Destination { address: *address, port: Some(*low) })
            }
            Target::Dnat { address, ports: Some((low, high)) } => {
                let text = format!("DNAT to {address} ports {low}-{high}");
                Effect::Decide(Decision::Unknown(text.into()))
            }
            Target::Redirect(port) => translate(Translation::Redirect { port: *port }),
            Target::Netmap(to) => {
                let from = translated_network(rule).unwrap_or(*to);
                translate(Translation::Netmap { from, to: *to })
            }
            Target::AddSource { set, timeout } => Effect::Add {
                set: Arc::clone(&set.name),
                length: added_length(set, self.family),
                timeout: *timeout,
            },
            Target::SetMark(mark) => change(Change::Mark(*mark)),
            Target::SetConnmark(mark) => change(Change::ConnectionMark(*mark)),
            Target::RestoreMark(mask) => change(Change::RestoredMark(*mask)),
            Target::SaveMark(mask) => change(Change::SavedMark(*mask)),
            Target::SetDscp(dscp) => change(Change::Dscp(*dscp)),
            Target::Tcpmss(size) => change(Change::Mss(*size)),
            Target::Notrack => change(Change::Untracked),
            Target::Helper(helper) => change(Change::Helper(*helper)),
            Target::Opaque { text, end: OpaqueEnd::Decides, .. } => {
                Effect::Decide(Decision::Unknown(Arc::clone(text)))
            }
            // It only counts.
            Target::Opaque { text, end: OpaqueEnd::GoesOn, .. } if text.is_empty() => {
                Effect::Continue
            }
            Target::Opaque { text, end: OpaqueEnd::GoesOn | OpaqueEnd::Unknown, changes } => {
                Effect::Opaque { text: Arc::clone(text), changes }
            }
        }
    }
}

/// What a chain does that the ruleset does not have: other programs' chains are not in it.
fn foreign(name: &Arc<str>) -> Effect {
    Effect::Opaque { text: format!("-j {name}").into(), changes: &Field::ALL }
}

fn is_jumped_to(ruleset: &Ruleset, name: &str) -> bool {
    let tables = ruleset.tables.iter().filter(|table| table.name == TableName::Filter);
    let mut rules = tables.flat_map(|table| &table.chains).flat_map(|chain| &chain.rules);
    rules.any(|rule| rule.target.chain().is_some_and(|to| &**to == name))
}

/// How many bits of a source a set takes up.
fn added_length(set: &KernelSet, family: Family) -> u8 {
    match &set.content {
        SetContent::Dynamic(dynamic) => dynamic.length,
        SetContent::Static(_) | SetContent::Unknown => family.bits(),
    }
}

/// The network that NETMAP exchanges, where the rule names it.
fn translated_network(rule: &Rule) -> Option<Prefix> {
    rule.matches.iter().filter(|found| !found.negated).find_map(|found| {
        if let MatchKind::Source(prefix) | MatchKind::Destination(prefix) = found.kind {
            return Some(prefix);
        }
        None
    })
}

/// Why there is an entry, as far as a ruleset says.
fn reason(origin: Origin, target: &Target) -> Reason {
    let written = |span| Reason::Written(policy::Origin { span, call: None });
    match origin {
        Origin::Read(span) | Origin::Statement { span, .. } | Origin::Default(Some(span)) => {
            written(span)
        }
        Origin::Default(None) => Reason::Restored,
        // Of implicit rules only what they do is told apart.
        Origin::Implicit(_) if matches!(target, Target::RestoreMark(_)) => Reason::Restored,
        Origin::Implicit(_) if *target == Target::Drop => Reason::Implicit(Implied::Invalid),
        Origin::Implicit(_) => Reason::Implicit(Implied::Established),
    }
}
