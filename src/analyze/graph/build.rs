//! Nodes and edges from a policy or a dump, its meaning and the relations between its rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use petgraph::graph::{DiGraph, NodeIndex};
use rustc_hash::FxHashMap;

use super::relations::Relations;
use super::{Chain, ChainKey, Does, Edge, Graph, Node, Place, Rule};
use crate::analyze::text::Text;
use crate::analyze::witness::chain_name;
use crate::meaning::{BaseChain, Decision, Effect, Entry, List, Meaning, Reason, Translation};
use crate::net::{Families, Family};
use crate::resolve::policy::{ChainId, Hook};
use crate::source::Span;

/// The ways that packets go, chain by chain. A chain that is not drawn is passed over.
const WAYS: [&[BaseChain]; 3] = [
    &[
        BaseChain::RawPrerouting,
        BaseChain::ManglePrerouting,
        BaseChain::NatPrerouting,
        BaseChain::MangleInput,
        BaseChain::FilterInput,
        BaseChain::SecurityInput,
        BaseChain::NatInput,
    ],
    &[
        BaseChain::RawPrerouting,
        BaseChain::ManglePrerouting,
        BaseChain::NatPrerouting,
        BaseChain::MangleForward,
        BaseChain::DockerUser,
        BaseChain::FilterForward,
        BaseChain::SecurityForward,
        BaseChain::ManglePostrouting,
        BaseChain::NatPostrouting,
    ],
    &[
        BaseChain::RawOutput,
        BaseChain::MangleOutput,
        BaseChain::NatOutput,
        BaseChain::FilterOutput,
        BaseChain::SecurityOutput,
        BaseChain::ManglePostrouting,
        BaseChain::NatPostrouting,
    ],
];

/// The graph: the filter's chains always, others where a rule stands in them.
#[must_use]
pub fn graph(text: Text<'_>, meaning: &Meaning, relations: &Relations) -> Graph {
    let mut builder = Builder { text, meaning, graph: DiGraph::new(), known: FxHashMap::default() };
    for key in keys(meaning) {
        builder.add(key);
    }
    builder.add_ways();
    builder.add_jumps();
    for relation in &relations.found {
        let node = |place| builder.known.get(&Known::Rule(place)).copied();
        if let Some((from, to)) = node(relation.from).zip(node(relation.to)) {
            let families = builder.families(relation.families);
            let edge = Edge::Related { kind: relation.kind, families };
            builder.graph.add_edge(from, to, edge);
        }
    }
    Graph { graph: builder.graph, is_complete: relations.is_complete }
}

/// Every chain of a policy.
pub(super) fn keys(meaning: &Meaning) -> impl Iterator<Item = ChainKey> + use<> {
    let users = (0..).map(ChainId).take(meaning.chain_count()).map(ChainKey::User);
    BaseChain::ALL.into_iter().map(ChainKey::Base).chain(users)
}

/// What a chain has in a family.
pub(super) fn list(meaning: &Meaning, key: ChainKey, family: Family) -> Option<&List> {
    match key {
        ChainKey::Base(base) => meaning.base(family, base),
        ChainKey::User(id) => meaning.chain(family, id),
    }
}

struct Builder<'p> {
    text: Text<'p>,
    meaning: &'p Meaning,
    graph: DiGraph<Node, Edge>,
    known: FxHashMap<Known, NodeIndex>,
}

/// What a node stands for.
#[derive(PartialEq, Eq, Hash)]
enum Known {
    Chain(ChainKey),
    Rule(Place),
}

impl Builder<'_> {
    fn add(&mut self, key: ChainKey) {
        let rules = self.rules(key);
        let Some(chain) = self.chain(key) else { return };
        let is_always_drawn = match key {
            ChainKey::Base(base) => hook(base).is_some(),
            ChainKey::User(_) => true,
        };
        if rules.is_empty() && !is_always_drawn {
            return;
        }
        let index = self.graph.add_node(Node::Chain(chain));
        self.known.insert(Known::Chain(key), index);
        for rule in rules {
            let place = rule.place;
            let index = self.graph.add_node(Node::Rule(rule));
            self.known.insert(Known::Rule(place), index);
        }
    }

    fn chain(&self, key: ChainKey) -> Option<Chain> {
        match key {
            ChainKey::Base(base) => {
                let list = Family::BOTH.iter().find_map(|family| self.meaning.base(*family, base));
                let default = list.and_then(|list| list.default.as_ref());
                let reason = Reason::Default(base);
                Some(Chain {
                    key,
                    name: chain_name(base).into(),
                    span: None,
                    default: default.map(|entry| does(&entry.effect)),
                    default_span: self.text.span_of(reason),
                })
            }
            ChainKey::User(id) => {
                let (name, span) = self.user_chain(usize::try_from(id.0).ok()?)?;
                Some(Chain { key, name, span, default: None, default_span: None })
            }
        }
    }

    /// The name of a user's chain and where it is written.
    fn user_chain(&self, number: usize) -> Option<(Arc<str>, Option<Span>)> {
        match self.text {
            Text::Policy(policy) => {
                let chain = policy.chains.get(number)?;
                Some((Arc::clone(&chain.name), Some(chain.span)))
            }
            Text::Dump(dump) => {
                let (table, name) = dump.chains().get(number)?;
                Some((Arc::clone(name), dump.declared(*table, name)))
            }
        }
    }

    /// The families of something; that it is of all families spoken of needs no saying.
    fn families(&self, of: Families) -> Families {
        if of == self.text.families() { Families::BOTH } else { of }
    }

    /// The rules of a chain, what one statement says in either family being one.
    fn rules(&self, key: ChainKey) -> Vec<Rule> {
        let mut rules: BTreeMap<Rank, Rule> = BTreeMap::new();
        let mut ranks: FxHashMap<Place, Rank> = FxHashMap::default();
        for family in Family::BOTH {
            let list = list(self.meaning, key, family);
            let mut before = (0, 0);
            for (number, entry) in (1..).zip(list.iter().flat_map(|list| &list.entries)) {
                let new = match family {
                    Family::V4 => (number, 0),
                    Family::V6 => (before.0, number),
                };
                before = *ranks.entry(place(key, entry)).or_insert(new);
                let rule = rules.entry(before).or_insert_with(|| self.rule(key, entry));
                match family {
                    Family::V4 => rule.families.v4 = true,
                    Family::V6 => rule.families.v6 = true,
                }
            }
        }
        let told = |rule: Rule| Rule { families: self.families(rule.families), ..rule };
        rules.into_values().map(told).collect()
    }

    fn rule(&self, chain: ChainKey, entry: &Entry) -> Rule {
        let call = match entry.reason {
            Reason::Written(origin) => self.text.calls_to(origin).last().copied(),
            Reason::Implicit(_) | Reason::Restored | Reason::Default(_) => None,
        };
        Rule {
            place: place(chain, entry),
            call,
            families: Families::NONE,
            is_limited: !entry.limits.is_empty(),
        }
    }

    fn add_ways(&mut self) {
        for way in WAYS {
            let chain = |base: &BaseChain| self.known.get(&Known::Chain(ChainKey::Base(*base)));
            let drawn: Vec<NodeIndex> = way.iter().filter_map(chain).copied().collect();
            for pair in drawn.windows(2) {
                self.graph.update_edge(pair[0], pair[1], Edge::Way);
            }
        }
    }

    fn add_jumps(&mut self) {
        for key in keys(self.meaning) {
            for family in Family::BOTH {
                let list = list(self.meaning, key, family);
                for entry in list.iter().flat_map(|list| &list.entries) {
                    self.add_jump(key, entry);
                }
            }
        }
    }

    fn add_jump(&mut self, chain: ChainKey, entry: &Entry) {
        let (target, edge) = match entry.effect {
            Effect::Call(target) => (target, Edge::Jump),
            Effect::Goto(target) => (target, Edge::Goto),
            Effect::Decide(_)
            | Effect::Continue
            | Effect::Opaque { .. }
            | Effect::Change(_)
            | Effect::Return
            | Effect::Add { .. } => return,
        };
        let from = self.known.get(&Known::Rule(place(chain, entry)));
        let to = self.known.get(&Known::Chain(ChainKey::User(target)));
        if let Some((from, to)) = from.zip(to) {
            self.graph.update_edge(*from, *to, edge);
        }
    }
}

/// Sorts the rules of a chain: by where they are in the list of IPv4; of IPv6, where that has none, by
/// what they stand behind.
type Rank = (usize, usize);

/// Which rule an entry is.
pub(super) fn place(chain: ChainKey, entry: &Entry) -> Place {
    Place { chain, reason: entry.reason, does: does(&entry.effect) }
}

fn does(effect: &Effect) -> Does {
    match effect {
        Effect::Decide(Decision::Accept) => Does::Allow,
        Effect::Decide(Decision::Drop) => Does::Drop,
        Effect::Decide(Decision::Reject(_)) => Does::Reject,
        Effect::Decide(Decision::Translate(translation)) => match **translation {
            Translation::Exempt => Does::Allow,
            Translation::Masquerade
            | Translation::Source { .. }
            | Translation::Destination { .. }
            | Translation::Redirect { .. }
            | Translation::Netmap { .. } => Does::Translate,
        },
        Effect::Decide(Decision::LeaveToDocker) => Does::Leave,
        Effect::Decide(Decision::Unknown(_)) => Does::Decide,
        Effect::Continue => Does::Log,
        Effect::Change(_) | Effect::Opaque { .. } => Does::Change,
        Effect::Add { .. } => Does::Add,
        Effect::Return => Does::Return,
        Effect::Call(_) => Does::Jump,
        Effect::Goto(_) => Does::Goto,
    }
}

/// Whose default a chain has.
fn hook(base: BaseChain) -> Option<Hook> {
    Hook::ALL.into_iter().find(|hook| BaseChain::from(*hook) == base)
}
