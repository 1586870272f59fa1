//! `raw v4|v6 TABLE CHAIN "…"`: a rule in the words of iptables, checked for what we know of them.
//!
//! What the words ask of a packet stays a text, whose truth is a fact about the packet. What they do
//! with it is read as far as it is known.

mod fills;
mod options;
mod target;
mod words;

use std::collections::HashSet;
use std::sync::Arc;

use super::policy::{
    CallId, ChainId, Hook, Item, KernelChain, Origin, Raw, RawTable, RawTarget, Set,
};
use super::{Resolver, messages};
use crate::net::Family;
use crate::source::Span;
use crate::syntax::tree::{Name, Statement, StatementKind, Text};
use crate::syntax::unquote;
pub use fills::Fill;
pub use words::Fault;
use words::{Word, Words, split};

/// Longest line that `iptables-restore` reads, and most words in it (iptables 1.8.9).
const MAX_LINE: usize = 10_239;
const MAX_WORDS: usize = 251;

/// Where a rule is to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chain {
    Kernel(KernelChain),
    User(ChainId),
}

/// Where a raw rule is, and how it is called there.
struct Place<'a> {
    family: Family,
    table: RawTable,
    chain: Chain,
    /// The chain's name.
    name: &'a str,
}

impl Resolver<'_> {
    pub(super) fn raw(
        &mut self,
        [family, table, chain]: [Name; 3],
        text: Text,
        span: Span,
        env: Option<CallId>,
    ) {
        let family = self.raw_family(family);
        let Some(table) = self.raw_table(table) else { return };
        let (Some(family), Some(found)) = (family, self.raw_chain(table, chain)) else { return };
        let place = Place { family, table, chain: found, name: self.text(chain.0) };
        let Some(words) = self.raw_words(&place, text) else { return };
        let Some(target) = self.raw_target(&place, &words) else { return };
        if self.check_raw_options(&place, &words).is_none() {
            return;
        }
        let origin = Origin { span, call: env };
        self.note_fills(&place, &words, origin);
        let matches: Arc<str> = words.matches().into();
        let raw = |chain| Raw {
            origin,
            family,
            table,
            chain,
            matches: matches.clone(),
            target: target.clone(),
        };
        match found {
            Chain::Kernel(chain) => self.items.push(Item::Raw(raw(Some(chain)))),
            Chain::User(id) => self.chain_raws.push((id, raw(None))),
        }
    }

    fn raw_family(&mut self, name: Name) -> Option<Family> {
        match self.text(name.0) {
            "v4" | "ipv4" => Some(Family::V4),
            "v6" | "ipv6" => Some(Family::V6),
            word => {
                self.report(messages::unknown_word(name.0, word, "family", &["v4", "v6"]));
                None
            }
        }
    }

    fn raw_table(&mut self, name: Name) -> Option<RawTable> {
        let word = self.text(name.0);
        let found = RawTable::ALL.into_iter().find(|table| table.name() == word);
        if found.is_none() {
            let known = RawTable::ALL.map(RawTable::name);
            self.report(messages::unknown_word(name.0, word, "table", &known));
        }
        found
    }

    /// A chain of the kernel that the table has, or one of the policy.
    fn raw_chain(&mut self, table: RawTable, name: Name) -> Option<Chain> {
        let word = self.text(name.0);
        if let Some(chain) = table.chains().iter().find(|chain| chain.name() == word) {
            return Some(Chain::Kernel(*chain));
        }
        if KernelChain::ALL.iter().any(|chain| chain.name() == word) {
            let known: Vec<&str> = table.chains().iter().map(|chain| chain.name()).collect();
            self.report(messages::no_chain_of_table(name.0, word, table.name(), &known));
            return None;
        }
        let Some(id) = self.chain_named(word) else {
            let alike = |chain: &&KernelChain| chain.name().eq_ignore_ascii_case(word);
            if let Some(chain) = table.chains().iter().find(alike) {
                self.report(messages::chain_in_lower_case(name.0, word, chain.name()));
                return None;
            }
            self.report(messages::unknown_chain(name.0, word, &self.names));
            return None;
        };
        self.is_of_table(name.0, word, id, table).then_some(Chain::User(id))
    }

    /// Whether a chain of the policy is in a table; that it is in another is reported.
    fn is_of_table(&mut self, at: Span, word: &str, id: ChainId, table: RawTable) -> bool {
        let own = self.chain_tables[id.0 as usize];
        if own != table {
            self.report(messages::chain_of_table(at, word, own, table));
        }
        own == table
    }

    /// Sets that raw rules name as the kernel calls them are used.
    pub(super) fn sets_of_raws(&self, sets: &[Set], chains: &[super::policy::Chain]) {
        let items = self.items.iter().filter_map(|item| match item {
            Item::Raw(raw) => Some(raw),
            Item::Rule(_) | Item::Nat(_) | Item::Alter(_) => None,
        });
        for raw in items.chain(chains.iter().flat_map(|chain| &chain.raws)) {
            let target = match &raw.target {
                RawTarget::GoesOn(text) | RawTarget::Decides(text) => text,
                RawTarget::Accept
                | RawTarget::Drop
                | RawTarget::Return
                | RawTarget::Reject(_)
                | RawTarget::Jump(_)
                | RawTarget::Goto(_) => "",
            };
            let words: HashSet<&str> =
                raw.matches.split_whitespace().chain(target.split_whitespace()).collect();
            for set in sets {
                if words.contains(set.kernel_name(raw.family).as_str()) {
                    self.names.places.find(&set.name);
                }
            }
        }
    }

    /// Finds the table of each chain: that of the first raw rule in it, where nothing is in its braces.
    pub(super) fn gather_chain_tables(&mut self, statements: &[&Statement]) {
        let mut found: Vec<Option<RawTable>> = vec![None; self.names.chains.entries.len()];
        let mut waiting: Vec<&Statement> = statements.iter().rev().copied().collect();
        while let Some(statement) = waiting.pop() {
            match &statement.kind {
                StatementKind::Raw { table, chain, .. } => {
                    let word = self.text(table.0);
                    let table = RawTable::ALL.into_iter().find(|table| table.name() == word);
                    let id = self.chain_named(self.text(chain.0));
                    if let (Some(table), Some(id)) = (table, id) {
                        found[id.0 as usize].get_or_insert(table);
                    }
                }
                StatementKind::Def(def) => waiting.extend(def.body.iter().rev()),
                StatementKind::Block(block) => waiting.extend(block.body.iter().rev()),
                _ => {}
            }
        }
        let entries = self.names.chains.entries.iter().zip(found);
        let table = entries.map(|(entry, found)| match found {
            Some(table) if entry.node.body.is_empty() => table,
            Some(_) | None => RawTable::Filter,
        });
        self.chain_tables = table.collect();
    }

    /// A chain of the policy; to name it here is not to use it.
    fn chain_named(&self, word: &str) -> Option<ChainId> {
        let index = self.names.chains.position(word)?;
        u32::try_from(index).ok().map(ChainId)
    }

    /// The words as the tools read them, when they can be read.
    fn raw_words(&mut self, place: &Place, text: Text) -> Option<Words> {
        let said = unquote(self.text(text.0));
        let line = "-A  ".len() + place.name.len() + said.len();
        // Where nothing is escaped, words have places of their own.
        let start = self.text(text.0).strip_prefix('"');
        let start = start.filter(|rest| rest.starts_with(&*said)).map(|_| text.0.start() + 1);
        let at = start.map(|start| (text.0.file(), start));
        let words = match split(&said, text.0, at) {
            Ok(words) => words,
            Err(fault) => {
                self.report(messages::unreadable_raw(text.0, fault));
                return None;
            }
        };
        if line > MAX_LINE || words.list.len() + 2 > MAX_WORDS {
            self.report(messages::raw_too_long(text.0, MAX_LINE, MAX_WORDS - 2));
            return None;
        }
        Some(words)
    }
}

/// The chain of the filter that a raw rule stands in, when it is one that packets meet by themselves.
pub(super) fn filter_hook(raw: &Raw) -> Option<Hook> {
    match (raw.table, raw.chain?) {
        (RawTable::Filter, KernelChain::Input) => Some(Hook::Input),
        (RawTable::Filter, KernelChain::Forward) => Some(Hook::Forward),
        (RawTable::Filter, KernelChain::Output) => Some(Hook::Output),
        (RawTable::Filter, KernelChain::Prerouting | KernelChain::Postrouting)
        | (RawTable::Nat | RawTable::Mangle | RawTable::Raw | RawTable::Security, _) => None,
    }
}
