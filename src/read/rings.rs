//! Jumps that come back to the chain that they start in.

use std::collections::HashMap;

use crate::ruleset::{Origin, Table};
use crate::source::Span;

/// How far a chain has been looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Not,
    /// On the way that is being followed.
    Open,
    Done,
}

/// So many jumps of rings are told, and at least one ring: chains that all jump to each other make thousands
/// of rings.
const MAX_TOLD: usize = 1_000;

/// The rings that packets can come to, each by the jumps that make it: its place and the chain that it
/// starts in. One for each jump that closes one, up to [`MAX_TOLD`].
pub(super) fn rings(table: &Table) -> Vec<Vec<(Span, String)>> {
    let index: HashMap<&str, usize> =
        table.chains.iter().enumerate().map(|(at, chain)| (&*chain.name, at)).collect();
    let mut walk = Walk {
        table,
        index,
        seen: vec![Seen::Not; table.chains.len()],
        way: Vec::new(),
        found: Vec::new(),
        told: 0,
    };
    for (at, chain) in table.chains.iter().enumerate() {
        // The kernel takes a ring that no packet comes to.
        if chain.policy.is_some() {
            walk.from(at);
        }
    }
    walk.found
}

struct Walk<'a> {
    table: &'a Table,
    index: HashMap<&'a str, usize>,
    seen: Vec<Seen>,
    /// The chains on the way, and the next rule of each. Not by calls: a hostile table is deep.
    way: Vec<(usize, usize)>,
    found: Vec<Vec<(Span, String)>>,
    /// The jumps of these.
    told: usize,
}

impl Walk<'_> {
    fn from(&mut self, start: usize) {
        self.enter(start);
        while let Some((chain, next)) = self.way.last_mut() {
            let rules = &self.table.chains[*chain].rules;
            let Some(rule) = rules.get(*next) else {
                self.seen[*chain] = Seen::Done;
                self.way.pop();
                continue;
            };
            *next += 1;
            let Some(to) = rule.target.chain().and_then(|name| self.index.get(&**name)).copied()
            else {
                continue;
            };
            match self.seen[to] {
                Seen::Not => self.enter(to),
                Seen::Open => self.close(to),
                Seen::Done => {}
            }
        }
    }

    fn enter(&mut self, chain: usize) {
        if self.seen[chain] == Seen::Not {
            self.seen[chain] = Seen::Open;
            self.way.push((chain, 0));
        }
    }

    fn close(&mut self, to: usize) {
        let start = self.way.iter().position(|(chain, _)| *chain == to).unwrap_or(0);
        let length = self.way.len() - start;
        if !self.found.is_empty() && self.told + length > MAX_TOLD {
            return;
        }
        self.told += length;
        let jumps = self.way[start..].iter().filter_map(|(chain, next)| {
            let chain = &self.table.chains[*chain];
            let rule = chain.rules.get(next.checked_sub(1)?)?;
            match rule.origin {
                Origin::Read(span) => Some((span, chain.name.to_string())),
                Origin::Implicit(_) | Origin::Default(_) | Origin::Statement { .. } => None,
            }
        });
        self.found.push(jumps.collect());
    }
}
