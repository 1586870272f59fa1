//! What is stopped behind the filter, of what it accepts.

use super::{Passage, Passed, Stopped, TooMuch, called_by};
use crate::meaning::{BaseChain, Entry, List, Meaning};
use crate::net::Family;
use crate::packet::{Region, opaque};
use crate::resolve::policy::Hook;

use super::walk::{Chain, refuses};

/// The chains that packets meet behind a chain of the filter, in the order of the kernel.
fn chains_behind(hook: Hook) -> &'static [BaseChain] {
    match hook {
        Hook::Input => &[BaseChain::SecurityInput],
        Hook::Forward => &[BaseChain::SecurityForward, BaseChain::ManglePostrouting],
        Hook::Output => &[BaseChain::SecurityOutput, BaseChain::ManglePostrouting],
    }
}

/// Those of them that are there, if one may stop packets.
pub(super) fn stopping(meaning: &Meaning, family: Family, hook: Hook) -> Vec<(BaseChain, &List)> {
    let bases = chains_behind(hook).iter().copied();
    let behind: Vec<(BaseChain, &List)> =
        bases.filter_map(|base| Some((base, meaning.base(family, base)?))).collect();
    let of_bases = || behind.iter().map(|(_, list)| *list);
    let called = called_by(meaning, family, of_bases());
    let stops = |list: &List| {
        list.entries.iter().chain(&list.default).any(|entry: &Entry| refuses(&entry.effect))
    };
    if of_bases().chain(called.into_values()).any(stops) { behind } else { Vec::new() }
}

impl<'m> Passage<'m> {
    /// What is stopped behind the filter of packets that it accepts, as they come to it.
    ///
    /// # Errors
    ///
    /// If some are stopped, and rules on the way change packets: then it is not known which.
    pub fn stopped_behind(&self, accepted: &Region) -> Result<Vec<Stopped<'m>>, TooMuch> {
        if self.behind.is_empty() {
            return Ok(Vec::new());
        }
        let space = self.space();
        let changed =
            |field| self.flat.steps.iter().any(|s| s.entry.effect.changes().contains(&field));
        let mut region = space.freed(accepted, changed);
        let mut passed = Passed::default();
        region = space.freed_facts(&region, |text| !opaque::is_known(text));
        for (base, chain) in &self.behind {
            region = self.change(*base, chain, &region, &mut passed)?;
        }
        passed.stopped.retain(|(region, ..)| !space.is_empty(region));
        let own = self.behind.iter().flat_map(|(_, chain)| chain.entries());
        let called = self.called.values().flat_map(Chain::entries);
        let steps = self.flat.steps.iter().map(|step| step.entry);
        let mut on_the_way = steps.chain(own).chain(called);
        if !passed.stopped.is_empty() && on_the_way.any(|entry| !entry.effect.changes().is_empty())
        {
            return Err(TooMuch);
        }
        Ok(passed.stopped)
    }
}
