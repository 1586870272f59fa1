//! Whether what answers in connections that are protected is accepted.

use super::claim::{Asking, Decided, Found};
use super::moved::SENT;
use super::sets::{self, in_state};
use crate::analyze::passage::{Arriving, TooMuch};
use crate::meaning::BaseChain;
use crate::net::{CtState, Family};
use crate::packet::PacketSet;
use crate::resolve::policy::Hook;

impl Asking<'_, '_> {
    /// An answer that is not accepted.
    pub(super) fn unanswered(&self, family: Family, hook: Hook) -> Found {
        let untracked = match self.is_untracked(family, hook) {
            Ok(untracked) => untracked,
            Err(much) => return much.into(),
        };
        let way = match self.group.way_back(family, sets::back(hook)) {
            Ok(way) => way,
            Err(much) => return much.into(),
        };
        let Some(asked) = self.asked_on(&way, hook) else { return Found::NoPackets };
        let passage = &way.passage;
        // To what conntrack has not seen the first answer is invalid, unless it is not tracked either.
        let asked = asked.iter().take(if untracked { 2 } else { 1 });
        let mut is_open = false;
        for sent in asked {
            let passed = match passage.pass(&passage.over_loopback(sent, self.is_looped)) {
                Ok(passed) => passed,
                Err(much) => return much.into(),
            };
            let stopped = self.stopped(passage, &passed.stopped, &mut is_open);
            if let Some(broken) = stopped {
                return Found::Packet(Box::new(broken));
            }
            for arriving in &passed.arriving {
                match self.decided(passage, &arriving.region) {
                    Decided::AsClaimed => {}
                    Decided::Unknown => is_open = true,
                    Decided::Otherwise(point) => match self.shown(passage, &point, None) {
                        Some(broken) => return Found::Packet(Box::new(broken)),
                        None => is_open = true,
                    },
                }
                let behind = match passage.stopped_behind(&arriving.region) {
                    Ok(behind) => behind,
                    Err(much) => return much.into(),
                };
                if let Some(broken) = self.stopped(passage, &behind, &mut is_open) {
                    return Found::Packet(Box::new(broken));
                }
            }
        }
        if is_open { Found::Unknown } else { Found::Nothing }
    }

    /// The answers in its connections: those that are established, and those that are invalid.
    pub fn answers(&self, family: Family, hook: Hook) -> Option<Vec<PacketSet>> {
        let flows = sets::flows_of(self.claim, hook, self.is_looped);
        let answers = sets::answers(self.world.policy, &flows, hook, family)?;
        let in_state = |state| {
            let factor = crate::packet::Factor::all([in_state([state])]);
            sets::and(&answers, [factor])
        };
        Some([CtState::Established, CtState::Invalid].map(in_state).to_vec())
    }

    /// Whether conntrack may be kept from packets of the claim.
    fn is_untracked(&self, family: Family, hook: Hook) -> Result<bool, TooMuch> {
        let base = match hook {
            Hook::Input | Hook::Forward => BaseChain::RawPrerouting,
            Hook::Output => BaseChain::RawOutput,
        };
        let list = self.guide().meaning.base(family, base);
        if list.is_none_or(|list| list.entries.is_empty()) {
            return Ok(false);
        }
        let way = self.group.way(self.at_best, family, hook)?;
        let Some(asked) = self.asked_on(&way, hook) else { return Ok(false) };
        let passed = way.passage.pass(&asked[SENT])?;
        let space = way.passage.space();
        let untracked = in_state([CtState::Untracked]);
        let is_so = |one: &Arriving<'_>| !space.is_empty(&space.within(&one.region, &untracked));
        Ok(passed.arriving.iter().any(is_so))
    }
}
