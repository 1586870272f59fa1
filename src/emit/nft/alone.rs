//! A ruleset in tables of its own: there it needs no chains of its own beside those of the kernel.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use crate::ruleset::{Chain, OWN_PREFIX, Rule, Ruleset, Table, Target};

/// The ruleset with the rules of each chain of the kernel in that chain itself.
pub(super) fn alone(ruleset: &Ruleset) -> Cow<'_, Ruleset> {
    if !ruleset.preserve {
        return Cow::Borrowed(ruleset);
    }
    let mut alone = ruleset.clone();
    alone.tables.iter_mut().for_each(take_back);
    Cow::Owned(alone)
}

fn take_back(table: &mut Table) {
    let is_own = |chain: &Chain, name: &str| {
        chain.policy.is_some() && name.strip_prefix(OWN_PREFIX) == Some(&*chain.name)
    };
    let own = table.chains.iter().filter_map(|chain| {
        let [Rule { matches, target: Target::Jump(name), .. }] = chain.rules.as_slice() else {
            return None;
        };
        (matches.is_empty() && is_own(chain, name)).then(|| Arc::clone(name))
    });
    let own: Vec<Arc<str>> = own.collect();
    let mut rules: HashMap<Arc<str>, Vec<Rule>> = HashMap::new();
    table.chains.retain_mut(|chain| {
        let taken = own.contains(&chain.name);
        if taken {
            rules.insert(Arc::clone(&chain.name), std::mem::take(&mut chain.rules));
        }
        !taken
    });
    for chain in table.chains.iter_mut().filter(|chain| chain.policy.is_some()) {
        if let Some(rules) = rules.remove(&*format!("{OWN_PREFIX}{}", chain.name)) {
            chain.rules = rules;
        }
    }
}
