//! Rulesets that share their tables with others: every rule stands in a chain of our own.
//!
//! A chain of the kernel keeps its policy and one rule, a jump to the chain with its rules; so does
//! DOCKER-USER, which Docker knows by its name. So a loader can tell our rules from those of others,
//! and put new ones in their place.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::ruleset::{
    Chain, DOCKER_USER, MAX_CHAIN_NAME, OWN_PREFIX, Origin, Rule, Ruleset, Table, Target,
};

use super::generated::hex;

/// Moves all rules to chains of our own; the jumps there are because of `origin`.
pub(super) fn preserve_others(ruleset: &mut Ruleset, origin: Origin) {
    ruleset.preserve = true;
    for table in &mut ruleset.tables {
        own_chains(table, origin);
    }
}

fn own_chains(table: &mut Table, origin: Origin) {
    let names = own_names(table);
    for chain in &mut table.chains {
        for rule in &mut chain.rules {
            if let Target::Jump(name) | Target::Goto(name) = &mut rule.target
                && let Some(own) = names.get(name)
            {
                *name = Arc::clone(own);
            }
        }
    }
    let mut jumped_to = Vec::new();
    for chain in &mut table.chains {
        let Some(own) = names.get(&chain.name) else { continue };
        if !is_shared(chain) {
            chain.name = Arc::clone(own);
        } else if !chain.rules.is_empty() {
            let target = Target::Jump(Arc::clone(own));
            let jump = Rule { matches: Vec::new(), target, origin };
            let rules = std::mem::replace(&mut chain.rules, vec![jump]);
            jumped_to.push(Chain { name: Arc::clone(own), policy: None, rules });
        }
    }
    let own = table.chains.iter().position(|chain| !is_shared(chain));
    let own = own.unwrap_or(table.chains.len());
    table.chains.splice(own..own, jumped_to);
}

/// Whether the chain keeps its name, for others know it by that.
fn is_shared(chain: &Chain) -> bool {
    chain.policy.is_some() || &*chain.name == DOCKER_USER
}

/// The own name of each chain.
fn own_names(table: &Table) -> HashMap<Arc<str>, Arc<str>> {
    let mut taken = HashSet::new();
    let mut names = HashMap::new();
    for chain in &table.chains {
        let own = own_name(&chain.name, &taken);
        taken.insert(Arc::clone(&own));
        names.insert(Arc::clone(&chain.name), own);
    }
    names
}

/// The name with the prefix; of one that is too long then, as much as fits and a hash of all of it.
fn own_name(name: &str, taken: &HashSet<Arc<str>>) -> Arc<str> {
    const DIGITS: usize = 6;
    let long = format!("{OWN_PREFIX}{name}");
    if long.len() <= MAX_CHAIN_NAME && !taken.contains(long.as_str()) {
        return long.into();
    }
    let mut kept = long.len().min(MAX_CHAIN_NAME - DIGITS - 1);
    while !long.is_char_boundary(kept) {
        kept -= 1;
    }
    // Ends: a table has fewer chains than there are hashes.
    for round in 0.. {
        let hash = hex(&Sha256::digest(format!("{round} {name}")));
        let short = format!("{}-{}", &long[..kept], &hash[..DIGITS]);
        if !taken.contains(short.as_str()) {
            return short.into();
        }
    }
    long.into()
}
