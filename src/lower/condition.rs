//! Conditions beside a flow → matches; conditions of one kind become one.

use crate::net::{CtState, CtStates, Dscp, FlagMatch, IntervalSet, Mac, MarkMatch};
use crate::resolve::policy::Condition;
use crate::ruleset::{Conntrack, MatchKind};

use super::set::{Alternative, Set};

/// What the conditions of a rule ask for together.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    /// Matches of which there is one.
    common: Alternative,
    macs: Option<Vec<Mac>>,
    lengths: Option<IntervalSet<u16>>,
    /// Stands with the protocol: the match needs `-p tcp` in its own rule.
    pub(super) flags: Option<FlagMatch>,
}

impl Conditions {
    /// `None` when no packet meets them all. `leaves` says that ipsec is asked of the way out, which
    /// the kernel knows behind the routing only.
    pub(super) fn of(conditions: &[Condition], leaves: bool) -> Option<Self> {
        let mut all = Conditions::default();
        let mut states: Option<CtStates> = None;
        let mut mark: Option<MarkMatch> = None;
        let mut ttl: Option<u8> = None;
        let mut dscp: Option<Dscp> = None;
        for condition in conditions {
            match condition {
                Condition::State(more) => {
                    states = Some(states.map_or(*more, |known| known.intersection(*more)));
                }
                Condition::Flags(more) => {
                    all.flags = Some(both_flags(all.flags, *more)?);
                }
                Condition::Mac(more) => {
                    let kept =
                        |mac: &Mac| all.macs.as_ref().is_none_or(|known| known.contains(mac));
                    all.macs = Some(more.iter().copied().filter(kept).collect());
                }
                Condition::Mark(more) => mark = Some(both_marks(mark, *more)?),
                Condition::User(account) => {
                    all.common.push(MatchKind::User(account.clone()).into());
                }
                Condition::Group(account) => {
                    all.common.push(MatchKind::Group(account.clone()).into());
                }
                Condition::Length(more) => {
                    let known = all.lengths.take();
                    all.lengths =
                        Some(known.map_or_else(|| more.clone(), |known| known.intersection(more)));
                }
                Condition::Ttl(more) if ttl.is_some_and(|known| known != *more) => return None,
                Condition::Ttl(more) => ttl = Some(*more),
                Condition::Dscp(more) if dscp.is_some_and(|known| known != *more) => return None,
                Condition::Dscp(more) => dscp = Some(*more),
                Condition::During(window) => all.common.push(MatchKind::Time(*window).into()),
                Condition::Ipsec => all.common.push(MatchKind::Ipsec { outgoing: leaves }.into()),
            }
        }
        if let Some(states) = states.filter(|states| *states != CtState::ALL.into_iter().collect())
        {
            if states.is_empty() {
                return None;
            }
            let conntrack = Conntrack { states, ..Conntrack::default() };
            all.common.push(MatchKind::Conntrack(conntrack).into());
        }
        all.common.extend(mark.map(|mark| MatchKind::Mark(mark).into()));
        all.common.extend(ttl.map(|ttl| MatchKind::Ttl(ttl).into()));
        all.common.extend(dscp.map(|dscp| MatchKind::Dscp(dscp).into()));
        Some(all)
    }

    /// Whether they ask for an Ethernet address, which a packet has only where it comes in.
    pub(super) fn ask_for_mac(&self) -> bool {
        self.macs.is_some()
    }

    /// The packets that meet all but the tcp flags.
    pub(super) fn set(&self) -> Set {
        let common = Set::one(self.common.clone());
        if self.macs.is_none() && self.lengths.is_none() {
            return common;
        }
        let mut sets = vec![common];
        if let Some(macs) = &self.macs {
            let mut macs = macs.clone();
            macs.sort_unstable();
            macs.dedup();
            let alternatives = macs.into_iter().map(|mac| vec![MatchKind::Mac(mac).into()]);
            sets.push(Set::Alternatives(alternatives.collect()));
        }
        if let Some(lengths) = self.lengths.as_ref().filter(|lengths| !lengths.is_full()) {
            let length = |(low, high): &(u16, u16)| vec![MatchKind::Length(*low, *high).into()];
            sets.push(Set::Alternatives(lengths.intervals().iter().map(length).collect()));
        }
        Set::all(sets)
    }
}

fn both_flags(known: Option<FlagMatch>, more: FlagMatch) -> Option<FlagMatch> {
    let Some(known) = known else { return Some(more) };
    let looked_at_twice = known.mask().bits() & more.mask().bits();
    let agree = (known.set().bits() ^ more.set().bits()) & looked_at_twice == 0;
    let both = FlagMatch::new(known.set().union(more.set()), known.mask().union(more.mask()));
    both.filter(|_| agree)
}

fn both_marks(known: Option<MarkMatch>, more: MarkMatch) -> Option<MarkMatch> {
    let Some(known) = known else { return Some(more) };
    let agree = (known.value() ^ more.value()) & known.mask() & more.mask() == 0;
    MarkMatch::new(known.value() | more.value(), known.mask() | more.mask()).filter(|_| agree)
}
