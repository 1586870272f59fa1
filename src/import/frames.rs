//! Chains that a policy has only because the rules of others stay beside its own.

use crate::ruleset::{OWN_PREFIX, Rule, Ruleset, Table, Target};

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
