//! Which rules hide, contradict or need which, and which chains lead to which: the policy as a graph.
//!
//! In go a policy, its meaning and the [`Relation`]s between rules, as plain data: [`relations`] finds
//! those between the rules of one chain. Out comes a petgraph: chains and rules are its nodes, a rule
//! for each chain that a statement speaks in, and what leads from one to another is an edge.

mod build;
mod relations;

use std::sync::Arc;

use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef as _;

use crate::net::Families;
use crate::resolve::policy::ChainId;
use crate::source::Span;

// What the graph's places are made of.
pub use crate::meaning::{BaseChain, Implied, Reason};

pub use build::graph;
pub use relations::{Relations, relations};

/// The graph of a policy. Nodes stand in the order of the chains, each chain before its rules.
#[derive(Debug, Clone)]
pub struct Graph {
    pub graph: DiGraph<Node, Edge>,
    /// Whether the relations are all that there are between the rules of a chain.
    pub is_complete: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    Chain(Chain),
    Rule(Rule),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    pub key: ChainKey,
    /// `INPUT`, or the user's name.
    pub name: Arc<str>,
    /// Where a user's chain is written.
    pub span: Option<Span>,
    /// What becomes of a packet at its end; `None` in a user's chain: it goes back to the caller.
    pub default: Option<Does>,
    /// Where the default is written.
    pub default_span: Option<Span>,
}

/// A chain that rules stand in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChainKey {
    Base(BaseChain),
    User(ChainId),
}

/// One statement as it speaks in one chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub place: Place,
    /// The outermost use of the `def` that brought it.
    pub call: Option<Span>,
    /// The families in which it says something here.
    pub families: Families,
    /// Whether it takes only what its limits have room for.
    pub is_limited: bool,
}

/// Which rule: a statement, or an implicit rule, in a chain. A block that does several things there
/// is several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub chain: ChainKey,
    pub reason: Reason,
    pub does: Does,
}

/// What a rule does in its chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Does {
    Allow,
    Drop,
    Reject,
    Translate,
    /// Leaves its packets to Docker's own rules.
    Leave,
    /// Decides in words of iptables that say no more than that.
    Decide,
    /// Makes something else of its packets, which go on.
    Change,
    /// Takes sources up into a set; its packets go on.
    Add,
    Log,
    Return,
    Jump,
    Goto,
}

/// What leads from one node to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// From chain to chain: the way of packets through the kernel.
    Way,
    /// From a rule to the chain that it jumps to.
    Jump,
    /// From a rule to the chain that it goes to for good.
    Goto,
    /// From rule to rule.
    Related { kind: Kind, families: Families },
}

/// How two rules are related, in the families named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relation {
    pub from: Place,
    pub to: Place,
    pub kind: Kind,
    pub families: Families,
}

/// The kinds of relations, those first that matter most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `to` never gets a packet: `from`, which is earlier, takes them all; when several hide one
    /// rule in one family, they do so together and each is needed.
    Hides,
    /// Both take some packets that the other does not, and some that both match, on which they would
    /// act differently: `from`, which is earlier, decides. No other rule before `to` takes
    /// those, so the order of the two counts.
    Conflicts,
    /// `from`, which is earlier, takes a part of what `to` would take whole, and acts differently.
    Excepts,
    /// `from` accepts or masquerades what `to` translated.
    DependsOn,
}

impl Kind {
    pub const ALL: [Kind; 4] = [Kind::Hides, Kind::Conflicts, Kind::Excepts, Kind::DependsOn];
}

impl Graph {
    /// The chains, in their order.
    pub fn chains(&self) -> impl Iterator<Item = (NodeIndex, &Chain)> {
        self.graph.node_indices().filter_map(|index| match &self.graph[index] {
            Node::Chain(chain) => Some((index, chain)),
            Node::Rule(_) => None,
        })
    }

    /// The rules of all chains, in their order.
    pub fn rules(&self) -> impl Iterator<Item = (NodeIndex, &Rule)> {
        self.graph.node_indices().filter_map(|index| match &self.graph[index] {
            Node::Chain(_) => None,
            Node::Rule(rule) => Some((index, rule)),
        })
    }

    #[must_use]
    pub fn rule(&self, index: NodeIndex) -> Option<&Rule> {
        match self.graph.node_weight(index)? {
            Node::Rule(rule) => Some(rule),
            Node::Chain(_) => None,
        }
    }

    #[must_use]
    pub fn chain(&self, index: NodeIndex) -> Option<&Chain> {
        match self.graph.node_weight(index)? {
            Node::Chain(chain) => Some(chain),
            Node::Rule(_) => None,
        }
    }

    /// All edges: from, to, and what it is.
    pub fn edges(&self) -> impl Iterator<Item = (NodeIndex, NodeIndex, Edge)> {
        self.graph.edge_references().map(|edge| (edge.source(), edge.target(), *edge.weight()))
    }
}

#[cfg(test)]
mod tests;
