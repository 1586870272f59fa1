//! What a policy does to every packet, straight from the language: the reference that lowered rules are
//! held to.
//!
//! A resolved [`Policy`] goes in. Out comes, for each family and each base chain, an ordered list
//! of [`Entry`]s (a set of packets and what happens to them) with what happens to the rest. It
//! knows nothing of how a policy becomes kernel rules; that is the point.
//!
//! What the language leaves open is decided here:
//!
//! * The rules of one statement in one chain are one entry, whatever the number of its flows: a
//!   packet in several flows is judged once, logged once, and takes from a limit once.
//! * Which chains need implicit rules is decided by the policy as a whole, not family by family.
//! * The conditions of a NAT statement hold of every entry it has, the accept included.
//! * The accept of a `forward` or `redirect` names every part of the translation that conntrack
//!   remembers: where it came from, the protocol, its source ports, the original port, the new
//!   address and port. A port that was kept must be original and present port.
//! * A statement that changes packets is an entry where its packets are met: marks and classes in
//!   mangle, before the filter. Its packet goes on as it is then, to the next entry.
//! * What is not to be tracked is asked before who gets a helper: a connection that conntrack does not
//!   see has none. So `notrack` counts wherever it stands.
//! * Of a raw rule the condition is a fact about the packet that only its text names.
//! * Nat lists hold for packets that traverse nat at all: the first of a flow ([`traverses_nat`]).

mod alter;
mod docker;
mod effect;
mod filter;
mod guide;
mod nat;
mod needs;
mod probes;
mod quick;
mod raw;
mod sets;
mod trace;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use crate::net::Family;
use crate::packet::shares::both;
use crate::packet::{Constraint, Field, PacketSet};
use crate::resolve::Policy;
use crate::resolve::policy::{
    ChainId, Condition, Flow, Hook, Item, Limit, LimitId, LimitKind, Log, Origin, Part, Scope,
};

pub use effect::{Change, Decision, Effect, Translation};
pub use guide::Guide;
pub use probes::{probes, view};
pub use trace::{Question, Step, Trace, Unknown, Unsettled, traverses_nat};

/// What happens to packets, as lists of packet sets and effects: of a policy, or of rules that were
/// read.
#[derive(Debug, Clone)]
pub struct Meaning {
    v4: FamilyMeaning,
    v6: FamilyMeaning,
    /// The limits that entries name.
    pub limits: BTreeMap<LimitId, History>,
    /// Once it is asked for: to find it out takes a look at everything.
    uses_conntrack: OnceLock<bool>,
}

/// What decides whether an entry takes a packet beside the packet itself: what came before it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum History {
    Limit(LimitKind),
    /// What such a limit has no room for.
    Over(LimitKind),
    /// Something that only its words say. Policies have none.
    Opaque(Arc<str>),
}

/// The lists of one family.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FamilyMeaning {
    pub bases: BTreeMap<BaseChain, List>,
    /// By the number of their [`ChainId`].
    pub chains: Vec<List>,
}

/// A chain that packets meet by themselves, in the tables that statements speak about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BaseChain {
    NatPrerouting,
    NatOutput,
    NatPostrouting,
    FilterInput,
    FilterForward,
    FilterOutput,
    ManglePrerouting,
    MangleInput,
    MangleForward,
    MangleOutput,
    RawPrerouting,
    RawOutput,
    /// New packets to this machine, after the filter. Only raw rules and dumps speak of it.
    NatInput,
    /// Everything that leaves. Only raw rules and dumps speak of it.
    ManglePostrouting,
    /// After the filter, like the two below; only dumps speak of them.
    SecurityInput,
    SecurityForward,
    SecurityOutput,
    /// What `docker` says; only a policy that has such a block has this chain. Forwarded packets
    /// meet it before all else of the filter, and what it leaves to Docker goes on to Docker's own
    /// rules.
    DockerUser,
}

impl BaseChain {
    pub const ALL: [BaseChain; 18] = [
        BaseChain::NatPrerouting,
        BaseChain::NatOutput,
        BaseChain::NatPostrouting,
        BaseChain::FilterInput,
        BaseChain::FilterForward,
        BaseChain::FilterOutput,
        BaseChain::ManglePrerouting,
        BaseChain::MangleInput,
        BaseChain::MangleForward,
        BaseChain::MangleOutput,
        BaseChain::RawPrerouting,
        BaseChain::RawOutput,
        BaseChain::NatInput,
        BaseChain::ManglePostrouting,
        BaseChain::SecurityInput,
        BaseChain::SecurityForward,
        BaseChain::SecurityOutput,
        BaseChain::DockerUser,
    ];

    /// Whether it translates; the others filter, or change packets and accept them.
    #[must_use]
    pub fn is_nat(self) -> bool {
        match self {
            BaseChain::NatPrerouting
            | BaseChain::NatInput
            | BaseChain::NatOutput
            | BaseChain::NatPostrouting => true,
            BaseChain::FilterInput
            | BaseChain::FilterForward
            | BaseChain::FilterOutput
            | BaseChain::ManglePrerouting
            | BaseChain::MangleInput
            | BaseChain::MangleForward
            | BaseChain::MangleOutput
            | BaseChain::RawPrerouting
            | BaseChain::RawOutput
            | BaseChain::ManglePostrouting
            | BaseChain::SecurityInput
            | BaseChain::SecurityForward
            | BaseChain::SecurityOutput
            | BaseChain::DockerUser => false,
        }
    }
}

impl From<Hook> for BaseChain {
    fn from(hook: Hook) -> Self {
        match hook {
            Hook::Input => BaseChain::FilterInput,
            Hook::Forward => BaseChain::FilterForward,
            Hook::Output => BaseChain::FilterOutput,
        }
    }
}

/// Entries in the order in which they are asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct List {
    pub entries: Vec<Entry>,
    /// What becomes of packets that no entry decides, and of those that return at the top level.
    /// A base chain has one, whose set is everything; a user's chain has none: there a packet goes
    /// back to whoever sent it.
    pub default: Option<Entry>,
}

/// What happens to the packets of a set, when the limits have room.
///
/// The limits are asked in order, after everything else, and once for the log and the effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub set: PacketSet,
    pub limits: Box<[LimitId]>,
    /// Logged before the effect, never more than its own rate.
    pub log: Option<Arc<Log>>,
    pub effect: Effect,
    pub reason: Reason,
}

/// Why there is an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    Implicit(Implied),
    Written(Origin),
    /// What a packet brings of the mark of its connection, where a statement makes marks stay.
    Restored,
    /// The default of a base chain: of `default`, or that nat leaves alone what nothing translates.
    Default(BaseChain),
}

/// The rules that every policy gets unless it says otherwise, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Implied {
    Loopback,
    Established,
    Invalid,
    NeighbourDiscovery,
    Dhcpv6Client,
}

impl Meaning {
    /// The lists of both families, which number their chains alike.
    #[must_use]
    pub fn of_lists(
        mut v4: FamilyMeaning,
        mut v6: FamilyMeaning,
        limits: BTreeMap<LimitId, History>,
    ) -> Self {
        let chains = v4.chains.len().max(v6.chains.len());
        v4.chains.resize_with(chains, List::default);
        v6.chains.resize_with(chains, List::default);
        Meaning { v4, v6, limits, uses_conntrack: OnceLock::new() }
    }

    /// The lists of both families, and the limits.
    #[must_use]
    pub fn into_lists(self) -> (FamilyMeaning, FamilyMeaning, BTreeMap<LimitId, History>) {
        (self.v4, self.v6, self.limits)
    }

    /// What a base chain does with packets of a family.
    #[must_use]
    pub fn base(&self, family: Family, base: BaseChain) -> Option<&List> {
        self.of(family).bases.get(&base)
    }

    /// What a user's chain does with packets of a family; `None` for an id of another policy.
    #[must_use]
    pub fn chain(&self, family: Family, id: ChainId) -> Option<&List> {
        self.of(family).chains.get(usize::try_from(id.0).ok()?)
    }

    /// Whether something in any table needs conntrack, which then sees all packets: a translation, a
    /// state, a mark of connections or how many there are.
    #[must_use]
    pub fn uses_conntrack(&self) -> bool {
        let counts = |limit: &History| match limit {
            History::Limit(kind) | History::Over(kind) => {
                matches!(kind, LimitKind::Connections { .. })
            }
            History::Opaque(words) => words.contains("conn"),
        };
        let needs = || self.limits.values().any(counts) || self.entries().any(needs_conntrack);
        *self.uses_conntrack.get_or_init(needs)
    }

    /// How many entries there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.entries().count()
    }

    /// How many chains users wrote.
    #[must_use]
    pub fn chain_count(&self) -> usize {
        self.v4.chains.len()
    }

    /// What packets meet while limits are at their best for who wants to be accepted: those of rules that
    /// accept have room, those of rules that refuse have none.
    #[must_use]
    pub fn at_best(&self) -> Meaning {
        let list = |list: &List| List {
            entries: list.entries.iter().filter_map(at_best).collect(),
            default: list.default.clone(),
        };
        let of = |family: &FamilyMeaning| FamilyMeaning {
            bases: family.bases.iter().map(|(base, own)| (*base, list(own))).collect(),
            chains: family.chains.iter().map(list).collect(),
        };
        Self::of_lists(of(&self.v4), of(&self.v6), self.limits.clone())
    }

    /// All entries of all lists.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        let families = [&self.v4, &self.v6].into_iter();
        let lists = families.flat_map(|one| one.bases.values().chain(&one.chains));
        lists.flat_map(|list| &list.entries)
    }

    fn of(&self, family: Family) -> &FamilyMeaning {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }
}

fn needs_conntrack(entry: &Entry) -> bool {
    let by_effect = match entry.effect {
        Effect::Decide(Decision::Translate(_)) => true,
        Effect::Change(change) => match change {
            Change::StickyMark(_)
            | Change::ConnectionMark(_)
            | Change::RestoredMark(_)
            | Change::SavedMark(_)
            | Change::Untracked
            | Change::Helper(_) => true,
            Change::Mark(_) | Change::Dscp(_) | Change::Mss(_) => false,
        },
        Effect::Decide(Decision::Unknown(ref words)) | Effect::Opaque { text: ref words, .. } => {
            is_of_conntrack(words)
        }
        Effect::Decide(
            Decision::Accept | Decision::Drop | Decision::Reject(_) | Decision::LeaveToDocker,
        )
        | Effect::Continue
        | Effect::Return
        | Effect::Call(_)
        | Effect::Goto(_)
        | Effect::Add { .. } => false,
    };
    by_effect
        || entry.set.facts().any(|words| is_of_conntrack(words))
        || entry.set.speaks_of(Field::is_of_connection)
}

/// Whether words of iptables load what needs conntrack. Of other words nothing is claimed.
fn is_of_conntrack(words: &str) -> bool {
    const LOADING: [&str; 18] = [
        "conntrack",
        "state",
        "connmark",
        "connlimit",
        "connbytes",
        "connlabel",
        "helper",
        "cluster",
        "DNAT",
        "SNAT",
        "MASQUERADE",
        "REDIRECT",
        "NETMAP",
        "CONNMARK",
        "CONNSECMARK",
        "CT",
        "NOTRACK",
        "SYNPROXY",
    ];
    let words: Vec<&str> = words.split_whitespace().collect();
    let loads = |option: &str| ["-m", "-j", "--match", "--jump"].contains(&option);
    words.windows(2).any(|pair| loads(pair[0]) && LOADING.contains(&pair[1]))
}

/// An entry whose limits are at their best; `None` when that is that it never matches. What becomes of
/// packets that return is not its own to say.
fn at_best(entry: &Entry) -> Option<Entry> {
    let open = || Entry { limits: [].into(), ..entry.clone() };
    match &entry.effect {
        _ if entry.limits.is_empty() => Some(entry.clone()),
        Effect::Decide(Decision::Drop | Decision::Reject(_) | Decision::Unknown(_)) => None,
        Effect::Decide(Decision::Accept | Decision::Translate(_) | Decision::LeaveToDocker)
        | Effect::Continue
        | Effect::Opaque { .. }
        | Effect::Change(_)
        | Effect::Add { .. } => Some(open()),
        Effect::Return | Effect::Call(_) | Effect::Goto(_) => Some(entry.clone()),
    }
}

/// The packets that an implicit rule is about in a chain that would have it, whether or not the policy
/// leaves it out; `None` for other chains.
#[must_use]
pub fn implied_packets(
    policy: &Policy,
    implied: Implied,
    hook: Hook,
    family: Family,
) -> Option<PacketSet> {
    filter::implied_set(policy, implied, hook, family)
}

/// What the packets of a part of a rule's traffic meet.
#[must_use]
pub fn conditions_of(part: &Part) -> Vec<Constraint> {
    sets::conditions_of(part)
}

/// The packets that some flows mean in a chain, when they also meet all conditions; `None` when they mean
/// none in this family.
#[must_use]
pub fn meant_packets(
    policy: &Policy,
    flows: &[Flow],
    conditions: &[Condition],
    hook: Hook,
    family: Family,
) -> Option<PacketSet> {
    let mut sets = sets::Sets::new(policy, family);
    let on_hook = flows.iter().filter(|flow| flow.scope == Scope::Hook(hook));
    sets.flows(on_hook, conditions)
}

/// The meaning of a policy.
#[must_use]
pub fn meaning(policy: &Policy) -> Meaning {
    // The families know nothing of each other.
    let of = |family| family_meaning(policy, family);
    let (v6, v4) = both(|| of(Family::V6), || of(Family::V4));
    Meaning::of_lists(v4, v6, limits(policy))
}

fn family_meaning(policy: &Policy, family: Family) -> FamilyMeaning {
    let mut sets = sets::Sets::new(policy, family);
    let mut lists = Lists::default();
    for hook in Hook::ALL {
        filter::implicit(policy, hook, &mut sets, lists.of(hook.into()));
    }
    alter::restored_marks(policy, &mut sets, &mut lists);
    for item in &policy.items {
        match item {
            Item::Rule(rule) => {
                for hook in Hook::ALL {
                    lists.of(hook.into()).extend(filter::rule_on(rule, hook, &mut sets));
                }
            }
            Item::Nat(nat) => nat::statement(policy, nat, &mut sets, &mut lists),
            Item::Alter(alteration) => alter::statement(alteration, &mut sets, &mut lists),
            Item::Raw(raw) => {
                if let Some(base) = raw::base(raw) {
                    lists.of(base).extend(raw::entry(raw, &sets));
                }
            }
        }
    }
    if let Some(docker) = &policy.docker {
        lists.entries.insert(BaseChain::DockerUser, docker::entries(docker, &mut sets));
    }
    alter::helpers(policy, &mut sets, &mut lists);
    let chains = policy.chains.iter().map(|chain| {
        let rules = chain.rules.iter();
        let mut entries: Vec<Entry> =
            rules.filter_map(|rule| filter::rule_in_chain(rule, &mut sets)).collect();
        entries.extend(chain.raws.iter().filter_map(|raw| raw::entry(raw, &sets)));
        List { entries, default: None }
    });
    let chains = chains.collect();
    let mut meaning = FamilyMeaning { chains, bases: lists.finish(policy, family) };
    docker::enter(policy, family, &mut meaning);
    meaning
}

/// The entries of the base chains while they are gathered.
#[derive(Default)]
struct Lists {
    entries: BTreeMap<BaseChain, Vec<Entry>>,
}

impl Lists {
    fn of(&mut self, base: BaseChain) -> &mut Vec<Entry> {
        self.entries.entry(base).or_default()
    }

    fn finish(mut self, policy: &Policy, family: Family) -> BTreeMap<BaseChain, List> {
        let is_there = |base: &BaseChain| *base != BaseChain::DockerUser || policy.docker.is_some();
        let lists = BaseChain::ALL.into_iter().filter(is_there).map(|base| {
            let entries = self.entries.remove(&base).unwrap_or_default();
            (base, List { entries, default: Some(filter::default_of(policy, family, base)) })
        });
        lists.collect()
    }
}

/// Every limit of the policy, by its id.
fn limits(policy: &Policy) -> BTreeMap<LimitId, History> {
    let rules = policy.items.iter().filter_map(|item| match item {
        Item::Rule(rule) => Some(rule),
        Item::Nat(_) | Item::Alter(_) | Item::Raw(_) => None,
    });
    let rules = rules.chain(policy.chains.iter().flat_map(|chain| &chain.rules));
    let rules = rules.chain(policy.docker.iter().flat_map(|docker| &docker.rules));
    let kind = |limit: &Limit| (limit.id, History::Limit(limit.kind.clone()));
    rules.flat_map(|rule| rule.limits.iter().map(kind)).collect()
}

#[cfg(test)]
mod tests;
