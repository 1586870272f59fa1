//! What a claim asks of packets where nat gives them other destinations.

use super::claim::{Asking, World};
use super::seen::to_somebody;
use super::sets;
use super::together::Way;
use crate::analyze::passage::{Arriving, Passage, Passed, TooMuch};
use crate::meaning::BaseChain;
use crate::net::{Addresses, Family};
use crate::packet::{Constraint, Field, PacketSet, Region};
use crate::resolve::policy::Hook;

/// The sets of a claim by their place among what is asked.
pub(super) const SENT: usize = 0;
const ANYWHERE: usize = 1;
const DESTINATION: usize = 2;
const ANY_PART: usize = 3;
const FILTERED: usize = 4;

impl<'w> Asking<'_, 'w> {
    /// What is asked on a way, in the order of the constants; `None` where nothing is.
    pub fn asked_on<'a>(&self, way: &'a Way<'_>, hook: Hook) -> Option<&'a [Region]> {
        way.asked(self.number, hook, self.is_looped)
    }

    /// The sets of what is asked, the first alone where nothing is moved; `None` where nothing is.
    pub fn asked(&self, family: Family, hook: Hook) -> Option<Vec<PacketSet>> {
        let World { policy, .. } = *self.world;
        let claim = self.claim;
        let flows = sets::flows_of(claim, hook, self.is_looped);
        let sent = sets::sent(policy, claim, &flows, hook, family)?;
        if !self.is_moved(family, hook) {
            return Some(vec![sent]);
        }
        let anywhere = sets::to_anywhere(&flows, false);
        let any_part = sets::to_anywhere(&flows, true);
        let nothing = || PacketSet::of(family, []);
        let by_nat = |flows| sets::sent(policy, claim, flows, hook, family).unwrap_or_else(nothing);
        // These set out for whatever destination, this machine's among them.
        let free = |set: PacketSet| match hook {
            Hook::Input | Hook::Forward => set.widened(|field| field != Field::ToLocal),
            Hook::Output => set.widened(|field| {
                !matches!(field, Field::ToLocal | Field::Outgoing | Field::Destination)
            }),
        };
        let free = |set: PacketSet| match hook {
            Hook::Output => free(set),
            Hook::Input | Hook::Forward => {
                let set = free(set).widened(|field| field != Field::Destination);
                sets::and(&set, [to_somebody(family)])
            }
        };
        Some(vec![
            sent,
            free(by_nat(&anywhere)),
            sets::at_destination(policy, &flows, hook, family).unwrap_or_else(nothing),
            free(by_nat(&any_part)),
            sets::at_filter(policy, claim, &flows, hook, family).unwrap_or_else(nothing),
        ])
    }

    /// The chains where packets that set out for one may come to, since nat moves them, or Docker.
    pub fn ends(&self, family: Family, hook: Hook) -> Vec<Hook> {
        let is_published = self.docker(family).is_some();
        match (hook, self.is_moved(family, hook)) {
            (Hook::Input, false) if is_published => vec![Hook::Input, Hook::Forward],
            (Hook::Input, true) => vec![Hook::Input, Hook::Forward],
            (Hook::Forward, true) => vec![Hook::Forward, Hook::Input],
            (Hook::Input | Hook::Forward, false) | (Hook::Output, _) => vec![hook],
        }
    }

    /// Whether nat may give another destination to what sets out for a chain.
    fn is_moved(&self, family: Family, hook: Hook) -> bool {
        let base = match hook {
            Hook::Input | Hook::Forward => BaseChain::NatPrerouting,
            Hook::Output => BaseChain::NatOutput,
        };
        self.guide().meaning.base(family, base).is_some_and(|list| !list.entries.is_empty())
    }

    /// All that comes to the chain of a passage: what sets out for it, or is moved there, and what nat sends
    /// to the same destinations.
    pub fn passed(
        &self,
        passage: &Passage<'w>,
        asked: &[Region],
        hook: Hook,
    ) -> Result<Passed<'w>, TooMuch> {
        let space = passage.space();
        let is_own = passage.hook == hook;
        let sent = if is_own {
            asked[SENT].clone()
        } else {
            space.freed(&asked[SENT], |field| field == Field::Outgoing)
        };
        let mut passed = passage.pass(&passage.over_loopback(&sent, self.is_looped))?;
        if is_own {
            let by_nat = self.by_nat(passage, asked, hook)?;
            passed.arriving.extend(by_nat.arriving);
            passed.stopped.extend(by_nat.stopped);
            passed.limited.extend(by_nat.limited);
            passed.is_vague |= by_nat.is_vague;
        } else {
            passed.arriving.retain(|one| one.by.is_some());
            passed.stopped.clear();
        }
        Ok(passed)
    }

    /// What nat sends to the destinations of the claim that set out for others.
    pub(super) fn by_nat(
        &self,
        passage: &Passage<'w>,
        asked: &[Region],
        hook: Hook,
    ) -> Result<Passed<'w>, TooMuch> {
        let space = passage.space();
        let mut all = Passed::default();
        if !self.is_moved(passage.family, hook) {
            return Ok(all);
        }
        let mut add = |sent: &Region, to: &Region| -> Result<(), TooMuch> {
            let sent = passage.over_loopback(sent, self.is_looped);
            let passed = passage.pass_to(&sent, to)?;
            all.is_vague |= passed.is_vague;
            all.limited.extend(passed.limited);
            let mut translators = Region::default();
            for arriving in passed.arriving.into_iter().filter(|one| one.by.is_some()) {
                let region = space.intersection(&arriving.region, to);
                if !space.is_empty(&region) {
                    translators = space.union(&translators, &arriving.sent);
                    all.arriving.push(Arriving { region, ..arriving });
                }
            }
            for (region, base, entry) in passed.stopped {
                let region = space.intersection(&region, &translators);
                if !space.is_empty(&region) {
                    all.stopped.push((region, base, entry));
                }
            }
            Ok(())
        };
        // To this machine only what is redirected to the port itself comes by nat.
        if hook != Hook::Input {
            add(&asked[ANYWHERE], &asked[DESTINATION])?;
        }
        if !self.claim.accepts {
            add(&asked[ANY_PART], &asked[FILTERED])?;
        }
        Ok(all)
    }
}

/// The packets to hosts of those for whom a translation serves the host: by where they come from and what
/// they are.
pub(super) fn served(passage: &Passage<'_>, by_nat: &Passed<'_>, hook: Hook) -> Region {
    let space = passage.space();
    let mut served = Region::default();
    if hook == Hook::Input {
        return served;
    }
    for arriving in &by_nat.arriving {
        if let Some(host) = arriving.by.and_then(|entry| entry.effect.destination()) {
            let to_host = Constraint::destination(passage.family, &Addresses::single(host));
            let to_anybody = space.freed(&arriving.sent, says_nothing_of_sender);
            served = space.union(&served, &space.within(&to_anybody, &to_host));
        }
    }
    served
}

fn says_nothing_of_sender(field: Field) -> bool {
    match field {
        Field::Incoming
        | Field::Source
        | Field::Protocol
        | Field::SourcePort
        | Field::DestinationPort
        | Field::Icmp
        | Field::Flags
        | Field::State
        | Field::Mac
        | Field::User
        | Field::Group
        | Field::Length => false,
        Field::Outgoing
        | Field::Destination
        | Field::Translated
        | Field::OriginalDestination
        | Field::OriginalPort
        | Field::ToLocal
        | Field::Mark
        | Field::ConnectionMark
        | Field::Ttl
        | Field::Dscp
        | Field::Opaque => true,
    }
}
