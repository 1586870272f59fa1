//! Which rules and arrows a picture has room for.

use std::collections::BTreeSet;

use petgraph::graph::NodeIndex;

use super::super::What;
use super::super::words::count;
use super::ArrowKind;
use crate::analyze::graph::{ChainKey, Edge, Graph};

/// Most rules in a picture. Where there are more, those that nothing leads to or from are folded.
pub const MAX_RULES: usize = 250;

/// Most arrows in a picture, beside the way of packets: more than these are no help to anybody, and
/// Mermaid draws no more than 500.
pub const MAX_ARROWS: usize = 200;

/// What is shown.
pub(super) struct Choice {
    edges: Vec<(NodeIndex, NodeIndex, Edge)>,
    rules: BTreeSet<NodeIndex>,
    chains: BTreeSet<NodeIndex>,
    /// How many arrows there are of what was asked for.
    arrows_wanted: usize,
    /// How many rules there are that would be shown if there was room.
    rules_wanted: usize,
    is_complete: bool,
}

impl Choice {
    pub(super) fn of(graph: &Graph, what: What) -> Self {
        let mut wanted: Vec<(NodeIndex, NodeIndex, Edge)> =
            graph.edges().filter(|(_, _, edge)| is_wanted(*edge, what)).collect();
        // Those that matter most first; the sort is stable.
        wanted.sort_by_key(|(_, _, edge)| weight(*edge));
        let mut choice = Choice {
            edges: Vec::new(),
            rules: BTreeSet::new(),
            chains: BTreeSet::new(),
            arrows_wanted: wanted.len(),
            rules_wanted: 0,
            is_complete: graph.is_complete || what == What::Chains,
        };
        for edge in wanted {
            choice.add(graph, edge);
        }
        choice.add_rules(graph, what);
        choice.add_chains(graph, what);
        choice
    }

    pub(super) fn has_rule(&self, index: NodeIndex) -> bool {
        self.rules.contains(&index)
    }

    pub(super) fn has_chain(&self, index: NodeIndex) -> bool {
        self.chains.contains(&index)
    }

    pub(super) fn edges(&self) -> &[(NodeIndex, NodeIndex, Edge)] {
        &self.edges
    }

    /// What the picture does not have.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.edges.len() < self.arrows_wanted {
            notes.push(format!(
                "shows {} of {} arrows: what hides rules first, then jumps, then conflicts",
                self.edges.len(),
                self.arrows_wanted
            ));
        }
        if self.rules.len() < self.rules_wanted {
            notes.push(format!(
                "shows {} of {}: those that an arrow leads to or from",
                self.rules.len(),
                count(self.rules_wanted, "rule", "rules")
            ));
        }
        if !self.is_complete {
            let cut =
                "so many rules overlap that the search was cut short: there may be more arrows";
            notes.push(cut.to_owned());
        }
        notes
    }

    fn add(&mut self, graph: &Graph, (from, to, edge): (NodeIndex, NodeIndex, Edge)) {
        let rules = [from, to].into_iter().filter(|index| graph.rule(*index).is_some());
        let new: Vec<NodeIndex> = rules.filter(|index| !self.rules.contains(index)).collect();
        let is_way = ArrowKind::from(edge) == ArrowKind::Way;
        let has_room = self.edges.len() < MAX_ARROWS && self.rules.len() + new.len() <= MAX_RULES;
        if is_way || has_room {
            self.rules.extend(new);
            self.edges.push((from, to, edge));
        }
    }

    /// All rules, when all are asked for and there is room.
    fn add_rules(&mut self, graph: &Graph, what: What) {
        let written = graph.rules().filter(|(_, rule)| !super::is_implicit(rule));
        let written: Vec<NodeIndex> = written.map(|(index, _)| index).collect();
        match what {
            What::All => {
                self.rules_wanted = written.len();
                if self.rules.len() + written.len() <= MAX_RULES {
                    self.rules.extend(written);
                }
            }
            What::Rules | What::Chains => {}
        }
    }

    /// All chains, but without their rules only those that have a related one.
    fn add_chains(&mut self, graph: &Graph, what: What) {
        let keys: BTreeSet<ChainKey> = self
            .rules
            .iter()
            .filter_map(|rule| graph.rule(*rule))
            .map(|rule| rule.place.chain)
            .collect();
        let is_shown = |key| match what {
            What::All | What::Chains => true,
            What::Rules => keys.contains(&key),
        };
        let chains = graph.chains().filter(|(_, chain)| is_shown(chain.key));
        self.chains = chains.map(|(index, _)| index).collect();
    }
}

/// Whether an edge belongs to what is asked for.
fn is_wanted(edge: Edge, what: What) -> bool {
    let of_chains = match edge {
        Edge::Way | Edge::Jump | Edge::Goto => true,
        Edge::Related { .. } => false,
    };
    match what {
        What::All => true,
        What::Rules => !of_chains,
        What::Chains => of_chains,
    }
}

/// What goes first where there is not room for all.
fn weight(edge: Edge) -> u8 {
    match ArrowKind::from(edge) {
        ArrowKind::Way => 0,
        ArrowKind::Hides => 1,
        ArrowKind::Jump | ArrowKind::Goto => 2,
        ArrowKind::Conflicts => 3,
        ArrowKind::DependsOn => 4,
        ArrowKind::Excepts => 5,
    }
}
