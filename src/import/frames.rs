//! Chains that a policy has only because the rules of others stay beside its own.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::ruleset::{Chain, DOCKER_USER, OWN_PREFIX, Rule, Ruleset, Table, Target};

use super::names::Taken;

/// The rules without such chains: where a chain ends with a jump to the one that has its name behind
/// [`OWN_PREFIX`], the rules of that one stand in its place. Who returns from there is at the end of the
/// other.
pub(super) fn without_frames(ruleset: &Ruleset) -> Ruleset {
    let mut ruleset = ruleset.clone();
    for table in &mut ruleset.tables {
        let known = Known::of(table);
        let mut gone = BTreeSet::new();
        for at in 0..table.chains.len() {
            if let Some(frame) = known.frame_of(&table.chains[at])
                && gone.insert(frame)
            {
                let inner = std::mem::take(&mut table.chains[frame].rules);
                let rules = &mut table.chains[at].rules;
                rules.pop();
                rules.extend(inner);
            }
        }
        let mut places = 0..;
        table.chains.retain(|_| places.next().is_none_or(|place| !gone.contains(&place)));
    }
    ruleset
}

/// What is known of the chains of a table by their names; only looked up in.
struct Known {
    /// How many rules lead to each.
    callers: HashMap<Arc<str>, usize>,
    /// Where those are that are not the kernel's, of those of one name the first.
    places: HashMap<Arc<str>, usize>,
}

impl Known {
    fn of(table: &Table) -> Self {
        let mut known = Known { callers: HashMap::new(), places: HashMap::new() };
        for (place, chain) in table.chains.iter().enumerate() {
            if chain.policy.is_none() {
                known.places.entry(Arc::clone(&chain.name)).or_insert(place);
            }
            for name in chain.rules.iter().filter_map(|rule| rule.target.chain()) {
                *known.callers.entry(Arc::clone(name)).or_default() += 1;
            }
        }
        known
    }

    /// The chain that a chain only leads to at its end, and nothing else does.
    fn frame_of(&self, chain: &Chain) -> Option<usize> {
        let Rule { matches, target: Target::Jump(name), .. } = chain.rules.last()? else {
            return None;
        };
        let own = name.strip_prefix(OWN_PREFIX)?;
        let is_frame = *own == *chain.name && matches.is_empty();
        let callers = self.callers.get(name).filter(|_| is_frame)?;
        self.places.get(name).copied().filter(|_| *callers == 1)
    }
}

/// The rules of IPv6 with other names for chains that IPv4 has too. Of both families together, chains may
/// lead to each other deeper than in any of them.
pub(super) fn apart(v4: &Ruleset, v6: &Ruleset) -> Ruleset {
    let chains =
        [v4, v6].into_iter().flat_map(|rules| &rules.tables).flat_map(|table| &table.chains);
    let mut taken: Taken = chains.map(|chain| chain.name.to_string()).collect();
    let mut ruleset = v6.clone();
    for table in &mut ruleset.tables {
        let mut names: BTreeMap<Arc<str>, Arc<str>> = BTreeMap::new();
        let others = v4.table(table.name).into_iter().flat_map(|other| &other.chains);
        let others: BTreeSet<&Arc<str>> = others.map(|chain| &chain.name).collect();
        let users = table.chains.iter_mut().filter(|chain| chain.policy.is_none());
        for chain in users.filter(|chain| &*chain.name != DOCKER_USER) {
            if others.contains(&chain.name) {
                let name: Arc<str> = taken.free(&format!("{}-v6", chain.name)).into();
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
