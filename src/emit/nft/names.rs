//! Names that nft takes: prefixed against its keywords, made of its letters, each used once.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write;

use crate::ruleset::{Chain, Ruleset, Table, TableName};

/// Which address a NETMAP in a chain translates: that depends on the hook it is called from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Source,
    Destination,
    Both,
}

pub(super) struct Names<'a> {
    chains: BTreeMap<(TableName, &'a str), String>,
    sides: BTreeMap<(TableName, &'a str), Side>,
    sets: BTreeMap<&'a str, String>,
    taken: HashSet<String>,
    /// The last number given to a stem.
    numbers: HashMap<String, u32>,
}

impl<'a> Names<'a> {
    pub fn new(ruleset: &'a Ruleset) -> Self {
        let mut names = Names {
            chains: BTreeMap::new(),
            sides: BTreeMap::new(),
            sets: BTreeMap::new(),
            taken: HashSet::new(),
            numbers: HashMap::new(),
        };
        for table in &ruleset.tables {
            for chain in &table.chains {
                let name = names.unique(&format!("{}_{}", table.name, chain.name));
                names.chains.insert((table.name, &*chain.name), name);
            }
            names.find_sides(table);
        }
        for set in &ruleset.sets {
            let name = names.unique(&set.name);
            names.sets.insert(&set.name, name);
        }
        names
    }

    /// The name of a chain of the ruleset; of one that is not there, a name that is not there.
    pub fn chain(&self, table: TableName, chain: &str) -> String {
        let known = self.chains.get(&(table, chain));
        known.cloned().unwrap_or_else(|| format!("{table}_{}", letters(chain)))
    }

    /// The name of a set of the ruleset; of one that is not there, a name that is not there.
    pub fn set(&self, set: &str) -> String {
        self.sets.get(set).cloned().unwrap_or_else(|| letters(set))
    }

    pub fn side(&self, table: TableName, chain: &str) -> Side {
        self.sides.get(&(table, chain)).copied().unwrap_or(Side::Destination)
    }

    /// A numbered name that no chain has.
    pub fn fresh(&mut self, stem: &str) -> String {
        let stem = letters(stem);
        loop {
            let number = self.numbers.entry(stem.clone()).or_default();
            *number += 1;
            let name = format!("{stem}{number}");
            if self.taken.insert(name.clone()) {
                return name;
            }
        }
    }

    fn unique(&mut self, name: &str) -> String {
        let name = letters(name);
        if self.taken.insert(name.clone()) { name } else { self.fresh(&format!("{name}_")) }
    }

    /// Walks the jumps from every built-in chain.
    fn find_sides(&mut self, table: &'a Table) {
        let by_name: HashMap<&str, &'a Chain> =
            table.chains.iter().map(|chain| (&*chain.name, chain)).collect();
        for start in table.name.built_in_chains() {
            let side = match *start {
                "PREROUTING" | "OUTPUT" => Side::Destination,
                _ => Side::Source,
            };
            let mut seen: HashSet<&str> = HashSet::new();
            let mut next = vec![*start];
            while let Some(name) = next.pop() {
                let Some(chain) = by_name.get(name).filter(|chain| seen.insert(&chain.name)) else {
                    continue;
                };
                let entry = self.sides.entry((table.name, &*chain.name)).or_insert(side);
                if *entry != side {
                    *entry = Side::Both;
                }
                for rule in &chain.rules {
                    if let Some(name) = rule.target.chain() {
                        next.push(name);
                    }
                }
            }
        }
    }
}

/// Letters, digits and `_`; any other byte as `_` and its hexadecimal number.
pub(super) fn letters(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => out.push(char::from(byte)),
            b'-' | b'.' => out.push('_'),
            _ => {
                let _ = write!(out, "_{byte:02x}");
            }
        }
    }
    out
}
