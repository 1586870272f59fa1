//! The user's chains: their rules, and that jumps make no ring.

use std::collections::HashMap;

use petgraph::algo::{tarjan_scc, toposort};
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use super::context::Context;
use super::policy::{Action, CallId, Chain, ChainId, Condition, Hook, Item, Rule, Scope};
use super::{Resolver, messages};
use crate::source::Span;
use crate::syntax::tree::{ArgumentKind, Name};

/// The kernel lets chains call each other 15 deep at the least (nf_tables); generated chains between
/// them need some of that.
const MAX_JUMPS: usize = 8;

impl Resolver<'_> {
    /// The chain of a name after `jump` or `goto`.
    pub(super) fn chain(&mut self, name: Name, env: Option<CallId>) -> Option<ChainId> {
        let word = self.text(name.0);
        if let Some((argument, env)) = self.argument(word, env) {
            let ArgumentKind::Name(inner) = argument.kind else {
                self.report(messages::argument_is_no(name.0, argument.span, "chain"));
                return None;
            };
            return self.chain(inner, env);
        }
        let Some((index, _)) = self.names.chains.find(word) else {
            self.report(messages::unknown_chain(name.0, word, &self.names));
            return None;
        };
        u32::try_from(index).ok().map(ChainId)
    }

    /// All chains with their rules.
    pub(super) fn chains(&mut self) -> Vec<Chain> {
        let nodes: Vec<_> =
            self.names.chains.entries.iter().map(|entry| (entry.node, entry.span)).collect();
        let mut chains = Vec::with_capacity(nodes.len());
        for (node, span) in nodes {
            self.in_chain = true;
            for statement in node.body {
                self.inner(statement, &Context::top(), None);
            }
            self.in_chain = false;
            let rules = std::mem::take(&mut self.chain_rules);
            chains.push(Chain { name: self.text(node.name.0).into(), span, rules });
        }
        chains
    }

    /// Refuses rings of jumps, jumps too deep, and conditions that a hook reaching the chain lacks.
    pub(super) fn check_chains(&mut self, chains: &[Chain]) {
        let graph = jumps(chains);
        let mut rings: Vec<Vec<NodeIndex>> = tarjan_scc(&graph)
            .into_iter()
            .filter(|ring| ring.len() > 1 || graph.contains_edge(ring[0], ring[0]))
            .collect();
        rings.sort();
        for ring in &mut rings {
            ring.sort();
            let steps: Vec<(&str, Span)> = ring
                .iter()
                .filter_map(|from| {
                    let next = graph.edges(*from).find(|edge| ring.contains(&edge.target()))?;
                    Some((&*chains[from.index()].name, *next.weight()))
                })
                .collect();
            self.report(messages::chain_cycle(chains[ring[0].index()].span, &steps));
        }
        if !rings.is_empty() {
            return;
        }
        self.check_depth(&graph, chains);
        self.check_reach(&graph, chains);
    }

    fn check_depth(&mut self, graph: &DiGraph<(), Span>, chains: &[Chain]) {
        let Ok(order) = toposort(graph, None) else { return };
        let mut depth = vec![1usize; chains.len()];
        for node in order {
            for next in graph.neighbors(node) {
                depth[next.index()] = depth[next.index()].max(depth[node.index()] + 1);
            }
        }
        if let Some(deep) = depth.iter().position(|depth| *depth > MAX_JUMPS) {
            self.report(messages::jumps_too_deep(chains[deep].span, MAX_JUMPS));
        }
    }

    /// `user` works on output only and `mac` not there, also in a chain.
    fn check_reach(&mut self, graph: &DiGraph<(), Span>, chains: &[Chain]) {
        let mut reached: HashMap<NodeIndex, Vec<Hook>> = HashMap::new();
        for item in &self.items {
            let Item::Rule(rule) = item else { continue };
            let Some(target) = jump_target(rule) else { continue };
            for flow in &rule.flows {
                if let Scope::Hook(hook) = flow.scope {
                    let mut search = petgraph::visit::Dfs::new(graph, node(target));
                    while let Some(chain) = search.next(graph) {
                        reached.entry(chain).or_default().push(hook);
                    }
                }
            }
        }
        let mut faults = Vec::new();
        for (index, chain) in chains.iter().enumerate() {
            let hooks = reached.get(&NodeIndex::new(index)).map_or(&[][..], Vec::as_slice);
            for rule in &chain.rules {
                let on_output = hooks.contains(&Hook::Output);
                let elsewhere = hooks.iter().any(|hook| *hook != Hook::Output);
                for condition in &rule.conditions {
                    match condition {
                        Condition::User(_) | Condition::Group(_) if elsewhere => {
                            faults.push(messages::owner_outside_output(rule.origin.span));
                        }
                        Condition::Mac(_) if on_output => {
                            faults.push(messages::mac_on_output(rule.origin.span));
                        }
                        _ => {}
                    }
                }
            }
        }
        for finding in faults {
            self.report(finding);
        }
    }
}

fn node(chain: ChainId) -> NodeIndex {
    NodeIndex::new(chain.0 as usize)
}

fn jump_target(rule: &Rule) -> Option<ChainId> {
    match rule.action {
        Action::Jump(chain) | Action::Goto(chain) => Some(chain),
        Action::Allow | Action::Drop | Action::Reject(_) | Action::Log | Action::Return => None,
    }
}

/// Which chain jumps to which, with the statement that does.
fn jumps(chains: &[Chain]) -> DiGraph<(), Span> {
    let mut graph = DiGraph::new();
    for _ in chains {
        graph.add_node(());
    }
    for (from, chain) in chains.iter().enumerate() {
        for rule in &chain.rules {
            if let Some(target) = jump_target(rule) {
                graph.update_edge(NodeIndex::new(from), node(target), rule.origin.span);
            }
        }
    }
    graph
}
