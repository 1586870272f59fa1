//! A chain while it is written: its rules, and places where the rest of it becomes another chain.

use crate::ruleset::{Origin, Rule, Target};

use super::generated::{Generated, Owner};
use super::layout::{Ending, Layout};
use super::set::Set;

/// The rules of a chain so far.
#[derive(Debug, Default)]
pub(super) struct Body {
    /// Those since the last fork.
    pub(super) rules: Vec<Rule>,
    /// Each with the rules before it.
    pub(super) forks: Vec<(Vec<Rule>, Fork)>,
    /// Whether some rule leaves the chain by `return` or `goto`.
    pub(super) leaves: bool,
}

/// A `return` or `goto` for packets that take several rules to describe.
///
/// A generated chain cannot make its caller return: its own RETURN ends only itself, unless it was
/// gone to. So from here on the chain does nothing but `goto`: the packets of `set` to `ending`, all
/// others to a chain with the rest of the rules. Whatever is reached so ends where this chain ends.
#[derive(Debug)]
pub(super) struct Fork {
    pub(super) set: Set,
    pub(super) ending: Ending,
    /// Whose the ending's limits are: then it has a chain of its own, whose end is the rest.
    pub(super) owner: Option<Owner>,
    pub(super) origin: Origin,
}

impl Body {
    pub(super) fn fork(&mut self, fork: Fork) {
        self.forks.push((std::mem::take(&mut self.rules), fork));
    }

    /// All rules of the chain; the rests behind forks go to `chains`.
    pub(super) fn finish(self, chains: &mut Generated) -> Vec<Rule> {
        let mut rest = self.rules;
        for (mut rules, fork) in self.forks.into_iter().rev() {
            let no = (!rest.is_empty()).then(|| chains.chain("rest", Owner::Nobody, rest));
            let mut layout = Layout { chains, origin: fork.origin };
            let ending = match fork.owner {
                None => fork.ending,
                Some(owner) => {
                    let otherwise = no.iter().map(|no| Target::Goto(no.clone()).into());
                    let endings: Vec<Ending> = [fork.ending].into_iter().chain(otherwise).collect();
                    Target::Goto(layout.chain("limit", owner, &endings)).into()
                }
            };
            rules.extend(layout.decide(fork.set, &ending, no.as_ref()));
            rest = rules;
        }
        rest
    }
}
