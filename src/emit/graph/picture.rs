//! What a picture of the graph shows, before it is drawn: boxes, rows, arrows, and what was left out.

mod choice;

use std::collections::{BTreeMap, BTreeSet};

use petgraph::graph::NodeIndex;

use super::What;
use super::words::{Words, count};
use crate::analyze::graph::{BaseChain, Chain, ChainKey, Does, Edge, Graph, Kind, Reason, Rule};
use crate::source::Sources;

use choice::Choice;

pub use choice::{MAX_ARROWS, MAX_RULES};

/// Everything that is drawn. Boxes and rows are named by their numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// The policy's name.
    pub name: String,
    /// How much there is of everything.
    pub summary: String,
    /// What the picture does not have.
    pub notes: Vec<String>,
    /// In the order of the chains.
    pub boxes: Vec<ChainBox>,
    pub arrows: Vec<Arrow>,
}

/// A chain with its rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainBox {
    pub name: String,
    /// Which packets come here: `filter, to this machine`.
    pub about: String,
    /// The whole story, for a tooltip.
    pub story: String,
    /// How far along the way of packets it stands at the least.
    pub stage: usize,
    pub rows: Vec<Row>,
    /// What becomes of packets at its end.
    pub ending: Row,
}

/// A line in a box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Where it is written: `7`, or `lib.fw:7` where rules are of several files. Empty for what is
    /// not written.
    pub line: String,
    /// One line.
    pub text: String,
    pub look: Look,
    /// `IPv4` or `IPv6` when it is only of one family, else empty.
    pub family: &'static str,
    /// The whole story, for a tooltip.
    pub story: String,
}

/// What kind of row it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    Rule(Does),
    /// A rule that never gets a packet.
    Hidden(Does),
    /// Stands for rules that are not shown.
    Fold,
    /// The default.
    Default(Does),
    /// The end of a user's chain.
    Back,
}

/// Something that leads from one to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrow {
    pub from: End,
    pub to: End,
    pub kind: ArrowKind,
    /// The whole story, for a tooltip.
    pub story: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct End {
    /// A number in [`Picture::boxes`].
    pub chain: usize,
    /// A number in [`ChainBox::rows`]; `None` for the box itself.
    pub row: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ArrowKind {
    Way,
    Jump,
    Goto,
    Hides,
    Conflicts,
    Excepts,
    DependsOn,
}

impl ArrowKind {
    pub const ALL: [ArrowKind; 7] = [
        ArrowKind::Way,
        ArrowKind::Jump,
        ArrowKind::Goto,
        ArrowKind::Hides,
        ArrowKind::Conflicts,
        ArrowKind::Excepts,
        ArrowKind::DependsOn,
    ];

    /// The words on an arrow; empty for the way of packets, which says it by itself.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            ArrowKind::Way => "",
            ArrowKind::Jump => "jump",
            ArrowKind::Goto => "goto",
            ArrowKind::Hides => "hides",
            ArrowKind::Conflicts => "conflicts",
            ArrowKind::Excepts => "exception to",
            ArrowKind::DependsOn => "depends on",
        }
    }
}

impl From<Edge> for ArrowKind {
    fn from(edge: Edge) -> Self {
        match edge {
            Edge::Way => ArrowKind::Way,
            Edge::Jump => ArrowKind::Jump,
            Edge::Goto => ArrowKind::Goto,
            Edge::Related { kind: Kind::Hides, .. } => ArrowKind::Hides,
            Edge::Related { kind: Kind::Conflicts, .. } => ArrowKind::Conflicts,
            Edge::Related { kind: Kind::Excepts, .. } => ArrowKind::Excepts,
            Edge::Related { kind: Kind::DependsOn, .. } => ArrowKind::DependsOn,
        }
    }
}

impl Picture {
    #[must_use]
    pub fn of(graph: &Graph, name: &str, what: What, sources: &Sources) -> Self {
        let choice = Choice::of(graph, what);
        let mut maker = Maker {
            graph,
            words: Words::new(graph, sources),
            hidden: hidden(graph),
            choice,
            ends: BTreeMap::new(),
            boxes: Vec::new(),
        };
        maker.add_boxes();
        let arrows = maker.arrows();
        Picture {
            name: super::words::clean(name),
            summary: summary(graph, what),
            notes: maker.choice.notes(),
            boxes: maker.boxes,
            arrows,
        }
    }

    /// The kinds of arrows that there are, in their order.
    #[must_use]
    pub fn kinds(&self) -> Vec<ArrowKind> {
        let has = |kind: &ArrowKind| self.arrows.iter().any(|arrow| arrow.kind == *kind);
        ArrowKind::ALL.into_iter().filter(has).collect()
    }
}

/// The rules that never get a packet.
fn hidden(graph: &Graph) -> BTreeSet<NodeIndex> {
    let hides = graph.edges().filter(|(_, _, edge)| ArrowKind::from(*edge) == ArrowKind::Hides);
    hides.map(|(_, to, _)| to).collect()
}

/// How much there is of everything.
fn summary(graph: &Graph, what: What) -> String {
    let statements: BTreeSet<Reason> = graph
        .rules()
        .map(|(_, rule)| rule.place.reason)
        .filter(|reason| matches!(reason, Reason::Written(_)))
        .collect();
    let of = |wanted| graph.edges().filter(|(_, _, edge)| ArrowKind::from(*edge) == wanted).count();
    let mut parts = vec![
        count(statements.len(), "rule", "rules"),
        count(graph.chains().count(), "chain", "chains"),
    ];
    match what {
        What::All | What::Rules => {
            parts.push(format!("{} hidden", hidden(graph).len()));
            let least = if graph.is_complete { "" } else { "at least " };
            let conflicts = count(of(ArrowKind::Conflicts), "conflict", "conflicts");
            parts.push(format!("{least}{conflicts}"));
        }
        What::Chains => {}
    }
    parts.join(" · ")
}

/// A picture while it is made.
struct Maker<'g> {
    graph: &'g Graph,
    words: Words<'g>,
    hidden: BTreeSet<NodeIndex>,
    choice: Choice,
    /// Where nodes are drawn.
    ends: BTreeMap<NodeIndex, End>,
    boxes: Vec<ChainBox>,
}

impl Maker<'_> {
    fn add_boxes(&mut self) {
        let graph = self.graph;
        let mut in_chains: BTreeMap<ChainKey, Vec<(NodeIndex, &Rule)>> = BTreeMap::new();
        for (index, rule) in graph.rules() {
            in_chains.entry(rule.place.chain).or_default().push((index, rule));
        }
        for (index, chain) in graph.chains() {
            if !self.choice.has_chain(index) {
                continue;
            }
            let rules = in_chains.remove(&chain.key).unwrap_or_default();
            let number = self.boxes.len();
            self.ends.insert(index, End { chain: number, row: None });
            let rows = self.rows(&rules, number);
            self.boxes.push(ChainBox {
                name: super::words::clean(&chain.name),
                about: about(chain.key).to_owned(),
                story: self.words.chain(chain, rules.len()),
                stage: stage(chain.key),
                rows,
                ending: self.ending(chain),
            });
        }
    }

    /// The rules that are shown, and a line for each run of those that are not.
    fn rows(&mut self, rules: &[(NodeIndex, &Rule)], chain: usize) -> Vec<Row> {
        let mut rows = Vec::new();
        let mut left_out: Vec<&Rule> = Vec::new();
        let are_some_shown = rules.iter().any(|(index, _)| self.choice.has_rule(*index));
        for (index, rule) in rules {
            let is_shown = self.choice.has_rule(*index);
            // Rules that nobody wrote are not folded with others.
            let of_a_kind =
                left_out.last().is_none_or(|last| is_implicit(last) == is_implicit(rule));
            if is_shown || !of_a_kind {
                rows.extend(self.words.fold(&std::mem::take(&mut left_out), are_some_shown));
            }
            if is_shown {
                self.ends.insert(*index, End { chain, row: Some(rows.len()) });
                rows.push(self.words.rule(rule, self.hidden.contains(index)));
            } else {
                left_out.push(rule);
            }
        }
        rows.extend(self.words.fold(&left_out, are_some_shown));
        rows
    }

    fn ending(&self, chain: &Chain) -> Row {
        match chain.default {
            Some(does) => self.words.default(does, chain.default_span),
            None => super::words::back(),
        }
    }

    fn arrows(&self) -> Vec<Arrow> {
        let mut arrows = Vec::new();
        for (from, to, edge) in self.choice.edges() {
            let ends = self.ends.get(from).zip(self.ends.get(to));
            arrows.extend(ends.map(|(one, other)| Arrow {
                from: *one,
                to: *other,
                kind: (*edge).into(),
                story: self.words.arrow(self.graph, *from, *to, *edge),
            }));
        }
        arrows
    }
}

fn is_implicit(rule: &Rule) -> bool {
    match rule.place.reason {
        Reason::Implicit(_) | Reason::Restored => true,
        Reason::Written(_) | Reason::Default(_) => false,
    }
}

/// Which packets come to a chain.
fn about(key: ChainKey) -> &'static str {
    match key {
        ChainKey::Base(base) => match base {
            BaseChain::RawPrerouting => "raw, all that arrives",
            BaseChain::RawOutput => "raw, from this machine",
            BaseChain::ManglePrerouting => "mangle, all that arrives",
            BaseChain::MangleInput => "mangle, to this machine",
            BaseChain::MangleForward => "mangle, through this machine",
            BaseChain::MangleOutput => "mangle, from this machine",
            BaseChain::NatPrerouting => "nat, all that arrives",
            BaseChain::NatOutput => "nat, from this machine",
            BaseChain::NatPostrouting => "nat, all that leaves",
            BaseChain::FilterInput => "filter, to this machine",
            BaseChain::FilterForward => "filter, through this machine",
            BaseChain::FilterOutput => "filter, from this machine",
            BaseChain::NatInput => "nat, to this machine",
            BaseChain::ManglePostrouting => "mangle, all that leaves",
            BaseChain::SecurityInput => "security, to this machine",
            BaseChain::SecurityForward => "security, through this machine",
            BaseChain::SecurityOutput => "security, from this machine",
            BaseChain::DockerUser => "filter, to what Docker publishes",
        },
        ChainKey::User(_) => "a chain of the policy",
    }
}

/// How far along the way of packets a chain stands at the least.
fn stage(key: ChainKey) -> usize {
    match key {
        ChainKey::Base(base) => match base {
            BaseChain::RawPrerouting | BaseChain::RawOutput => 0,
            BaseChain::ManglePrerouting | BaseChain::MangleOutput => 1,
            BaseChain::NatPrerouting | BaseChain::NatOutput => 2,
            BaseChain::MangleInput | BaseChain::MangleForward => 3,
            BaseChain::DockerUser => 4,
            BaseChain::FilterInput
            | BaseChain::FilterForward
            | BaseChain::FilterOutput
            | BaseChain::SecurityInput
            | BaseChain::SecurityForward
            | BaseChain::SecurityOutput
            | BaseChain::ManglePostrouting => 5,
            BaseChain::NatInput | BaseChain::NatPostrouting => 6,
        },
        // Behind those that jump to it.
        ChainKey::User(_) => 0,
    }
}
