//! The chains that lowering makes, and names for them that stay the same from run to run.
//!
//! A name is a word for people and a hash of what the chain holds, so inserting a line elsewhere
//! shifts no name. Chains of one statement that hold the same are one chain, but not where something
//! is counted: there a chain belongs to its owner.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::resolve::policy::{self, LimitId};
use crate::ruleset::{Chain, MAX_CHAIN_NAME, Origin, Rule};

/// Whose a chain is that counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    /// Nothing is counted: the same rules of the same statement are the same chain.
    Nobody,
    /// A statement, wherever it acts.
    Statement(policy::Origin),
    /// The allowances that are counted there.
    Limits(Vec<LimitId>),
}

/// What else must be equal for two chains of the same rules to be one.
type Key = (Owner, Option<Origin>);

/// The generated chains of one table.
#[derive(Debug, Default)]
pub(super) struct Generated {
    chains: Vec<Chain>,
    taken: HashSet<Arc<str>>,
    by_content: HashMap<[u8; 32], Vec<(Key, Arc<str>)>>,
}

impl Generated {
    /// No chain yet; `taken` names are those of the user's chains.
    pub(super) fn new(taken: impl IntoIterator<Item = Arc<str>>) -> Self {
        Generated { taken: taken.into_iter().collect(), ..Generated::default() }
    }

    /// A chain of these rules: the one that is there already, or a new one. `word` is at most
    /// seven bytes long.
    pub(super) fn chain(&mut self, word: &str, owner: Owner, rules: Vec<Rule>) -> Arc<str> {
        let content = digest(&rules);
        let origin = match owner {
            Owner::Nobody => rules.first().map(|rule| rule.origin),
            Owner::Statement(_) | Owner::Limits(_) => None,
        };
        let key = (owner, origin);
        let known = self.by_content.entry(content).or_default();
        if let Some((_, name)) = known.iter().find(|(other, _)| *other == key) {
            return Arc::clone(name);
        }
        let which = known.len();
        let name = free_name(&self.taken, word, &content, which);
        self.by_content.entry(content).or_default().push((key, Arc::clone(&name)));
        self.push(name, rules)
    }

    /// A chain that is there once, by a name of its own unless a user took it.
    pub(super) fn named(&mut self, name: &str, rules: Vec<Rule>) -> Arc<str> {
        let name: Arc<str> = if self.taken.contains(name) {
            free_name(&self.taken, "rules", &digest(&rules), 0)
        } else {
            name.into()
        };
        self.push(name, rules)
    }

    /// The chains, in the order made.
    pub(super) fn into_chains(self) -> Vec<Chain> {
        self.chains
    }

    fn push(&mut self, name: Arc<str>, rules: Vec<Rule>) -> Arc<str> {
        self.taken.insert(Arc::clone(&name));
        self.chains.push(Chain { name: Arc::clone(&name), policy: None, rules });
        name
    }
}

/// `word-3fa9c1`, with more digits when that is taken.
fn free_name(taken: &HashSet<Arc<str>>, word: &str, content: &[u8], which: usize) -> Arc<str> {
    // Ends: each round hashes another number, and there are fewer names than numbers.
    for round in which.. {
        let mut hash = Sha256::new();
        hash.update(content);
        hash.update(round.to_string());
        let digits = hex(&hash.finalize());
        let fits = (6..=20).step_by(2).map(|length| format!("{word}-{}", &digits[..length]));
        let mut free = fits.filter(|name| name.len() <= MAX_CHAIN_NAME);
        if let Some(name) = free.find(|name| !taken.contains(name.as_str())) {
            return name.into();
        }
    }
    word.into()
}

/// What a chain does, without where its rules came from.
fn digest(rules: &[Rule]) -> [u8; 32] {
    let mut hash = Hashed(Sha256::new());
    for rule in rules {
        // Writing to a hash cannot fail.
        let _ = writeln!(hash, "{:?} {:?}", rule.matches, rule.target);
    }
    hash.0.finalize().into()
}

struct Hashed(Sha256);

impl std::fmt::Write for Hashed {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.update(text);
        Ok(())
    }
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
