//! The user's chains: their rules, and that jumps make no ring.

use std::collections::BTreeMap;

use petgraph::algo::{tarjan_scc, toposort};
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use super::context::Context;
use super::policy::{
    Action, CallId, Chain, ChainId, Condition, Flow, Hook, Item, Place, Raw, RawTable, RawTarget,
    Rule, Scope,
};
use super::raw::filter_hook;
use super::{Body, Resolver, messages};
use crate::diagnostic::Finding;
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
        let table = self.chain_tables[index];
        if table != RawTable::Filter {
            self.report(messages::chain_of_table(name.0, word, table, RawTable::Filter));
            return None;
        }
        u32::try_from(index).ok().map(ChainId)
    }

    /// All chains with their rules.
    pub(super) fn chains(&mut self) -> Vec<Chain> {
        let nodes: Vec<_> =
            self.names.chains.entries.iter().map(|entry| (entry.node, entry.span)).collect();
        let mut chains = Vec::with_capacity(nodes.len());
        for (node, span) in nodes {
            self.body = Body::Chain;
            for statement in node.body {
                self.inner(statement, &Context::top(), None);
            }
            self.body = Body::Policy;
            let rules = std::mem::take(&mut self.chain_rules);
            chains.push(Chain {
                name: self.text(node.name.0).into(),
                span,
                table: self.chain_tables[chains.len()],
                rules,
                raws: Vec::new(),
            });
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
        // The last jump of the longest way to each.
        let mut last = vec![None; chains.len()];
        for node in order {
            for jump in graph.edges(node) {
                let (next, deeper) = (jump.target().index(), depth[node.index()] + 1);
                if deeper > depth[next] {
                    (depth[next], last[next]) = (deeper, Some(jump));
                }
            }
        }
        let deep = depth.iter().position(|depth| *depth == MAX_JUMPS + 1);
        let Some(jump) = deep.and_then(|deep| last[deep]) else { return };
        let name = |chain: NodeIndex| &*chains[chain.index()].name;
        let back =
            std::iter::successors(last[jump.source().index()], |jump| last[jump.source().index()]);
        let mut before: Vec<(&str, Span)> =
            back.map(|jump| (name(jump.source()), *jump.weight())).collect();
        before.reverse();
        let to = name(jump.target());
        self.report(messages::jumps_too_deep(*jump.weight(), to, &before, MAX_JUMPS));
    }

    /// What depends on the hooks that reach a chain: `user` works on output only and `mac` not
    /// there, and packets of input and output have one interface.
    fn check_reach(&mut self, graph: &DiGraph<(), Span>, chains: &[Chain]) {
        let reached = self.reached(graph, chains.len());
        self.helpers_in_chains(chains, &reached);
        let mut faults = Vec::new();
        for (chain, reach) in chains.iter().zip(&reached) {
            for rule in &chain.rules {
                faults.extend(self.reach_fault(chain, rule, reach));
            }
        }
        for finding in faults {
            self.report(finding);
        }
    }

    /// The hooks from which each chain is reached, with the first jump from there.
    fn reached(&self, graph: &DiGraph<(), Span>, count: usize) -> Vec<BTreeMap<Hook, Span>> {
        let mut reached = vec![BTreeMap::new(); count];
        for item in &self.items {
            let Some((target, hooks, span)) = entrance(item) else { continue };
            for hook in hooks {
                if reached[target.0 as usize].contains_key(&hook) {
                    continue; // So are all beyond it.
                }
                let mut search = petgraph::visit::Dfs::new(graph, node(target));
                while let Some(chain) = search.next(graph) {
                    reached[chain.index()].entry(hook).or_insert(span);
                }
            }
        }
        reached
    }

    fn reach_fault(
        &self,
        chain: &Chain,
        rule: &Rule,
        reach: &BTreeMap<Hook, Span>,
    ) -> Option<Finding> {
        let clause = |words: &[&str]| {
            let clauses = self.chain_clauses.get(&rule.origin).into_iter().flatten();
            let mut found = clauses.filter(|(word, _)| words.contains(word));
            found.next_back().map_or(rule.origin.span, |(_, span)| *span)
        };
        let elsewhere = reach.iter().find(|(hook, _)| **hook != Hook::Output);
        for condition in &rule.conditions {
            match condition {
                Condition::User(_) | Condition::Group(_) => {
                    if let Some((_, jump)) = elsewhere {
                        let at = clause(&["user", "group"]);
                        return Some(messages::owner_in_chain(at, *jump, &chain.name));
                    }
                }
                Condition::Mac(_) => {
                    if let Some(jump) = reach.get(&Hook::Output) {
                        return Some(messages::mac_in_chain(clause(&["mac"]), *jump, &chain.name));
                    }
                }
                Condition::Ipsec => {
                    if let Some(jump) = reach.get(&Hook::Output) {
                        return Some(messages::ipsec_in_chain(clause(&["via"]), *jump));
                    }
                }
                Condition::State(_)
                | Condition::Flags(_)
                | Condition::Mark(_)
                | Condition::Length(_)
                | Condition::Ttl(_)
                | Condition::Dscp(_)
                | Condition::During(_) => {}
            }
        }
        // Reached from one hook only, and from that without such an interface.
        let ((hook, jump), None) = (reach.first_key_value()?, reach.keys().nth(1)) else {
            return None;
        };
        let ask = |places: &[Place]| places.iter().all(|place| place.interfaces.is_some());
        let (asked, words): (bool, &[&str]) = match hook {
            Hook::Input => (rule.flows.iter().all(|flow| ask(&flow.destination)), &["to", "out"]),
            Hook::Output => (rule.flows.iter().all(|flow| ask(&flow.source)), &["from", "in"]),
            Hook::Forward => (false, &[]),
        };
        asked.then(|| messages::no_interface_in_chain(clause(words), *jump, *hook))
    }
}

fn node(chain: ChainId) -> NodeIndex {
    NodeIndex::new(chain.0 as usize)
}

/// The chain that an item of the top level leads to, from which hooks, and where it says so.
fn entrance(item: &Item) -> Option<(ChainId, Vec<Hook>, Span)> {
    match item {
        Item::Rule(rule) => {
            let hook = |flow: &Flow| match flow.scope {
                Scope::Hook(hook) => Some(hook),
                Scope::Arrival(_) | Scope::Chain | Scope::Docker => None,
            };
            let hooks = rule.flows.iter().filter_map(hook).collect();
            Some((jump_target(rule)?, hooks, rule.origin.span))
        }
        Item::Raw(raw) => {
            let hooks = filter_hook(raw).into_iter().collect();
            Some((raw_jump_target(raw)?, hooks, raw.origin.span))
        }
        Item::Nat(_) | Item::Alter(_) => None,
    }
}

fn raw_jump_target(raw: &Raw) -> Option<ChainId> {
    match raw.target {
        RawTarget::Jump(chain) | RawTarget::Goto(chain) => Some(chain),
        RawTarget::Accept
        | RawTarget::Drop
        | RawTarget::Return
        | RawTarget::Reject(_)
        | RawTarget::GoesOn(_)
        | RawTarget::Decides(_) => None,
    }
}

fn jump_target(rule: &Rule) -> Option<ChainId> {
    match rule.action {
        Action::Jump(chain) | Action::Goto(chain) => Some(chain),
        Action::Allow
        | Action::Drop
        | Action::Reject(_)
        | Action::Log
        | Action::Return
        | Action::Add(_) => None,
    }
}

/// Which chain jumps to which, with the statement that does.
fn jumps(chains: &[Chain]) -> DiGraph<(), Span> {
    let mut graph = DiGraph::new();
    for _ in chains {
        graph.add_node(());
    }
    for (from, chain) in chains.iter().enumerate() {
        let rules = chain.rules.iter().map(|rule| (jump_target(rule), rule.origin));
        let raws = chain.raws.iter().map(|raw| (raw_jump_target(raw), raw.origin));
        for (target, origin) in rules.chain(raws) {
            if let Some(target) = target {
                graph.update_edge(NodeIndex::new(from), node(target), origin.span);
            }
        }
    }
    graph
}
