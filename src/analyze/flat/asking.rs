//! Base chains that several lints ask about, each compiled once for all of them.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ops::Range;

use super::passing::Passing;
use crate::meaning::{BaseChain, Meaning};
use crate::net::Family;
use crate::packet::{Budget, PacketSet};

/// The chains of a meaning. What is asked about them is told before the first look at one.
#[derive(Debug)]
pub(in crate::analyze) struct Asking<'m> {
    pub meaning: &'m Meaning,
    budget: Budget,
    chains: BTreeMap<(Family, BaseChain), Asked<'m>>,
}

/// What is asked about one chain.
#[derive(Debug, Default)]
struct Asked<'m> {
    sets: Vec<PacketSet>,
    taken: Vec<PacketSet>,
    passing: OnceCell<Option<Passing<'m>>>,
}

impl<'m> Asking<'m> {
    pub fn of(meaning: &'m Meaning, budget: Budget) -> Self {
        Asking { meaning, budget, chains: BTreeMap::new() }
    }

    /// Sets that will be asked about: the numbers that they have in the chain then.
    pub fn ask(&mut self, family: Family, base: BaseChain, sets: Vec<PacketSet>) -> Range<usize> {
        let asked = self.of_chain(family, base);
        let first = asked.sets.len();
        asked.sets.extend(sets);
        first..asked.sets.len()
    }

    /// Sets that may be thought of as taken before the chain: there are no others.
    pub fn take(&mut self, family: Family, base: BaseChain, taken: Vec<PacketSet>) {
        self.of_chain(family, base).taken = taken;
    }

    fn of_chain(&mut self, family: Family, base: BaseChain) -> &mut Asked<'m> {
        let asked = self.chains.entry((family, base)).or_default();
        asked.passing = OnceCell::new();
        asked
    }

    /// A chain that is asked about; `None` when there is none, or too much work in it.
    pub fn passing(&self, family: Family, base: BaseChain) -> Option<&Passing<'m>> {
        let Asked { sets, taken, passing } = self.chains.get(&(family, base))?;
        let compiled = || Passing::without(self.meaning, family, base, sets, taken, self.budget);
        passing.get_or_init(compiled).as_ref()
    }
}
