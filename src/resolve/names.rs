//! What names stand for: four name spaces, each name defined once, in any order of the files.

use std::cell::Cell;
use std::collections::HashMap;

use super::messages;
use super::stdlib::Library;
use crate::diagnostic::Finding;
use crate::ruleset::MAX_CHAIN_NAME;
use crate::source::{Sources, Span};
use crate::syntax::tree::{self, Name, StatementKind};

/// What a name stands for.
pub trait Definition: Copy {
    /// What it is called in messages.
    fn noun(&self) -> &'static str;
}

impl Definition for ServiceNode<'_> {
    fn noun(&self) -> &'static str {
        "service"
    }
}

impl Definition for PlaceNode<'_> {
    fn noun(&self) -> &'static str {
        match self {
            PlaceNode::Zone { .. } => "zone",
            PlaceNode::Let { .. } => "address list",
            PlaceNode::Set(_) => "set",
        }
    }
}

impl Definition for ChainNode<'_> {
    fn noun(&self) -> &'static str {
        "chain"
    }
}

impl Definition for &tree::Def {
    fn noun(&self) -> &'static str {
        "definition"
    }
}

/// A name that is taken.
#[derive(Debug, Clone, Copy)]
pub struct Taken {
    /// Where it was defined first.
    pub first: Span,
    /// What both are.
    pub noun: &'static str,
}

/// The definition of a service.
#[derive(Debug, Clone, Copy)]
pub struct ServiceNode<'a> {
    pub name: Name,
    pub subjects: &'a [tree::Subject],
    pub clauses: &'a [tree::Clause],
}

/// The definition of a place.
#[derive(Debug, Clone, Copy)]
pub enum PlaceNode<'a> {
    Zone { name: Name, interfaces: &'a [tree::InterfaceName], nets: Option<&'a tree::List> },
    Let { list: &'a tree::List },
    Set(&'a tree::SetDefinition),
}

#[derive(Debug, Clone, Copy)]
pub struct ChainNode<'a> {
    pub name: Name,
    pub body: &'a [tree::Statement],
}

/// A definition with where its name stands and whether anything used it.
#[derive(Debug)]
pub struct Entry<T> {
    pub node: T,
    pub span: Span,
    pub used: Cell<bool>,
}

/// One name space: entries in the order defined, found by name.
#[derive(Debug)]
pub struct Table<'a, T> {
    pub entries: Vec<Entry<T>>,
    index: HashMap<&'a str, usize>,
    patience: Patience,
}

/// How many names may still be looked at for suggestions; in a policy with thousands of names, of
/// which thousands are unknown, the first findings have one.
#[derive(Debug)]
pub struct Patience(Cell<usize>);

impl Default for Patience {
    fn default() -> Self {
        Patience(Cell::new(5_000_000))
    }
}

impl Patience {
    /// Whether so many more names may be looked at.
    pub fn takes(&self, names: usize) -> bool {
        let left = self.0.get().checked_sub(names);
        self.0.set(left.unwrap_or(0));
        left.is_some()
    }
}

impl<T> Default for Table<'_, T> {
    fn default() -> Self {
        Table { entries: Vec::new(), index: HashMap::new(), patience: Patience::default() }
    }
}

impl<'a, T: Definition> Table<'a, T> {
    /// Looks a name up and notes that it is used.
    pub fn find(&self, name: &str) -> Option<(usize, T)> {
        let index = *self.index.get(name)?;
        self.entries[index].used.set(true);
        Some((index, self.entries[index].node))
    }

    /// Which entry has a name; to ask is not to use it.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }

    pub fn contains(&self, name: &str) -> bool {
        self.index.contains_key(name)
    }

    /// Every name, for a suggestion, as long as there is patience.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        let looks = self.patience.takes(self.index.len());
        self.index.keys().copied().filter(move |_| looks)
    }

    fn define(&mut self, word: &'a str, span: Span, node: T) -> Result<(), Taken> {
        if let Some(first) = self.index.get(word) {
            return Err(self.taken(*first, node.noun()));
        }
        self.index.insert(word, self.entries.len());
        self.entries.push(Entry { node, span, used: Cell::new(false) });
        Ok(())
    }

    /// A second name of the last entry.
    fn alias(&mut self, word: &'a str) -> Result<(), Taken> {
        let last = self.entries.len() - 1;
        if let Some(first) = self.index.get(word) {
            return Err(self.taken(*first, self.entries[last].node.noun()));
        }
        self.index.insert(word, last);
        Ok(())
    }

    fn taken(&self, first: usize, noun: &'static str) -> Taken {
        let Entry { span, node, .. } = &self.entries[first];
        Taken { first: *span, noun: if node.noun() == noun { noun } else { "name" } }
    }
}

/// Everything a policy defines.
#[derive(Debug)]
pub struct Names<'a> {
    pub services: Table<'a, ServiceNode<'a>>,
    /// The standard library's services; the policy's own come first.
    pub standard: &'a Library,
    pub places: Table<'a, PlaceNode<'a>>,
    pub chains: Table<'a, ChainNode<'a>>,
    pub defs: Table<'a, &'a tree::Def>,
}

impl Names<'_> {
    /// Whether the policy has a zone.
    pub fn has_zones(&self) -> bool {
        let mut places = self.places.entries.iter();
        places.any(|entry| matches!(entry.node, PlaceNode::Zone { .. }))
    }
}

/// Gathers the definitions of a policy.
pub fn gather<'a>(
    own: &[&'a tree::Statement],
    standard: &'a Library,
    sources: &'a Sources,
    findings: &mut Vec<Finding>,
) -> Names<'a> {
    let mut names = Names {
        services: Table::default(),
        standard,
        places: Table::default(),
        chains: Table::default(),
        defs: Table::default(),
    };
    for statement in own {
        names.define(statement, sources, findings);
    }
    names
}

/// The service that a statement defines, if it defines one.
pub fn service_node(statement: &tree::Statement) -> Option<ServiceNode<'_>> {
    match &statement.kind {
        StatementKind::Service { name, subjects, clauses } => {
            Some(ServiceNode { name: *name, subjects, clauses })
        }
        _ => None,
    }
}

fn define_service<'a>(
    table: &mut Table<'a, ServiceNode<'a>>,
    node: ServiceNode<'a>,
    sources: &'a Sources,
    findings: &mut Vec<Finding>,
) {
    let word = sources.text(node.name.0);
    if let Err(taken) = table.define(word, node.name.0, node) {
        findings.push(messages::duplicate(taken, word, node.name.0));
        return;
    }
    for clause in node.clauses {
        let tree::ClauseKind::Alias(aliases) = &clause.kind else { continue };
        for alias in aliases {
            let word = sources.text(alias.0);
            if let Err(taken) = table.alias(word) {
                findings.push(messages::duplicate(taken, word, alias.0));
            }
        }
    }
}

impl<'a> Names<'a> {
    fn define(
        &mut self,
        statement: &'a tree::Statement,
        sources: &'a Sources,
        findings: &mut Vec<Finding>,
    ) {
        let word = |name: &Name| sources.text(name.0);
        let place = |name: &Name, node, table: &mut Table<'a, _>| {
            (*name, table.define(word(name), name.0, node))
        };
        let (name, result) = match &statement.kind {
            StatementKind::Service { name, .. } => {
                if self.standard.contains(word(name)) {
                    findings.push(messages::redefined_service(name.0, word(name)));
                }
                if let Some(node) = service_node(statement) {
                    define_service(&mut self.services, node, sources, findings);
                }
                return;
            }
            StatementKind::Zone { name, interfaces, nets } => {
                let node = PlaceNode::Zone { name: *name, interfaces, nets: nets.as_deref() };
                place(name, node, &mut self.places)
            }
            StatementKind::Let { name, list } => {
                place(name, PlaceNode::Let { list }, &mut self.places)
            }
            StatementKind::Set(set) => place(&set.name, PlaceNode::Set(set), &mut self.places),
            StatementKind::Chain { name, body } => {
                let node = ChainNode { name: *name, body };
                if let Some(finding) = chain_name_fault(*name, word(name)) {
                    findings.push(finding);
                }
                (*name, self.chains.define(word(name), name.0, node))
            }
            StatementKind::Def(def) => {
                for (index, name) in def.parameters.iter().enumerate() {
                    let same = |first: &&Name| word(first) == word(name);
                    if let Some(first) = def.parameters[..index].iter().find(same) {
                        findings.push(messages::duplicate_parameter(name.0, word(name), first.0));
                    }
                }
                let result = self.defs.define(word(&def.name), def.name.0, def);
                (def.name, result)
            }
            // A definition in a block is refused there; its name is known all the same.
            StatementKind::Block(block) => {
                block.body.iter().for_each(|inner| self.define(inner, sources, findings));
                return;
            }
            _ => return,
        };
        if let Err(taken) = result {
            findings.push(messages::duplicate(taken, word(&name), name.0));
        }
    }
}

/// Names that the kernel gives a meaning of its own; a chain called LOG hides the target LOG.
const TAKEN: &[&str] = &[
    "INPUT",
    "FORWARD",
    "OUTPUT",
    "PREROUTING",
    "POSTROUTING",
    "ACCEPT",
    "DROP",
    "QUEUE",
    "RETURN",
    "AUDIT",
    "CHECKSUM",
    "CLASSIFY",
    "CLUSTERIP",
    "CONNMARK",
    "CONNSECMARK",
    "CT",
    "DNAT",
    "DNPT",
    "DSCP",
    "ECN",
    "HL",
    "HMARK",
    "IDLETIMER",
    "LED",
    "LOG",
    "MARK",
    "MASQUERADE",
    "NETMAP",
    "NFLOG",
    "NFQUEUE",
    "NOTRACK",
    "RATEEST",
    "REDIRECT",
    "REJECT",
    "SECMARK",
    "SET",
    "SNAT",
    "SNPT",
    "SYNPROXY",
    "TCPMSS",
    "TCPOPTSTRIP",
    "TEE",
    "TOS",
    "TPROXY",
    "TRACE",
    "TTL",
    "ULOG",
];

fn chain_name_fault(name: Name, word: &str) -> Option<Finding> {
    if word.len() > MAX_CHAIN_NAME {
        return Some(messages::name_too_long(name.0, "chain", word.len(), MAX_CHAIN_NAME));
    }
    TAKEN.contains(&word).then(|| messages::taken_chain_name(name.0, word))
}
