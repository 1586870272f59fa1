//! A ruleset without what other programs have in it.

use crate::ruleset::{Chain, DOCKER_USER, OWN_PREFIX, Ruleset, TableName};

/// How much of a ruleset is of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Foreign {
    pub chains: usize,
    pub rules: usize,
}

/// Takes out the chains and rules of others: all chains that are not the kernel's and whose names do not
/// begin with [`OWN_PREFIX`], and of the kernel's chains the rules that jump to none of those that do.
/// [`DOCKER_USER`] stays where `keeps_docker_user` says that it is filled by the policy.
pub fn leave_out_foreign(ruleset: &mut Ruleset, keeps_docker_user: bool) -> Foreign {
    let mut foreign = Foreign::default();
    for table in &mut ruleset.tables {
        let name = table.name;
        let is_own = |chain: &Chain| {
            chain.policy.is_some()
                || chain.name.starts_with(OWN_PREFIX)
                || keeps_docker_user && name == TableName::Filter && &*chain.name == DOCKER_USER
        };
        table.chains.retain(|chain| {
            if !is_own(chain) {
                foreign.chains += 1;
                foreign.rules += chain.rules.len();
            }
            is_own(chain)
        });
        for chain in table.chains.iter_mut().filter(|chain| chain.policy.is_some()) {
            let before = chain.rules.len();
            chain
                .rules
                .retain(|rule| rule.target.chain().is_some_and(|to| to.starts_with(OWN_PREFIX)));
            foreign.rules += before - chain.rules.len();
        }
    }
    foreign
}
