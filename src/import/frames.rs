//! Chains that a policy has only because the rules of others stay beside its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::ruleset::{DOCKER_USER, OWN_PREFIX, Rule, Ruleset, Table, Target};

use super::names::free;

/// The rules without such chains: where a chain ends with a jump to the one that has its name behind
/// [`OWN_PREFIX`], the rules of that one stand in its place. Who returns from there is at the end of the
/// other.
pub(super) fn without_frames(ruleset: &Ruleset) -> Ruleset {
    let mut ruleset = ruleset.clone();
    for table in &mut ruleset.tables {
        let mut at = 0;
        while at < table.chains.len() {
            // The one that is taken out may stand before.
            match frame_of(table, at) {
                Some(frame) => {
                    let inner = table.chains.remove(frame);
                    at -= usize::from(frame < at);
                    let rules = &mut table.chains[at].rules;
                    rules.pop();
                    rules.extend(inner.rules);
                }
                None => at += 1,
            }
        }
    }
    ruleset
}

/// The chain that a chain only leads to at its end, and nothing else does.
fn frame_of(table: &Table, at: usize) -> Option<usize> {
    let chain = &table.chains[at];
    let Rule { matches, target: Target::Jump(name), .. } = chain.rules.last()? else { return None };
    let own = name.strip_prefix(OWN_PREFIX)?;
    if *own != *chain.name || !matches.is_empty() {
        return None;
    }
    let rules = table.chains.iter().flat_map(|chain| &chain.rules);
    let callers = rules.filter(|rule| rule.target.chain() == Some(name)).count();
    let frame = table.chains.iter().position(|chain| chain.name == *name && chain.policy.is_none());
    frame.filter(|_| callers == 1)
}

/// The rules of IPv6 with other names for chains that IPv4 has too. Of both families together, chains may
/// lead to each other deeper than in any of them.
pub(super) fn apart(v4: &Ruleset, v6: &Ruleset) -> Ruleset {
    let chains =
        [v4, v6].into_iter().flat_map(|rules| &rules.tables).flat_map(|table| &table.chains);
    let mut taken: BTreeSet<String> = chains.map(|chain| chain.name.to_string()).collect();
    let mut ruleset = v6.clone();
    for table in &mut ruleset.tables {
        let mut names: BTreeMap<Arc<str>, Arc<str>> = BTreeMap::new();
        let users = table.chains.iter_mut().filter(|chain| chain.policy.is_none());
        for chain in users.filter(|chain| &*chain.name != DOCKER_USER) {
            let in_both =
                v4.table(table.name).is_some_and(|other| other.chain(&chain.name).is_some());
            if in_both {
                let name: Arc<str> = free(&format!("{}-v6", chain.name), &mut taken).into();
                names.insert(std::mem::replace(&mut chain.name, Arc::clone(&name)), name);
            }
        }
        for rule in table.chains.iter_mut().flat_map(|chain| &mut chain.rules) {
            if let Target::Jump(to) | Target::Goto(to) = &mut rule.target
                && let Some(name) = names.get(to)
            {
                *to = Arc::clone(name);
            }
        }
    }
    ruleset
}
