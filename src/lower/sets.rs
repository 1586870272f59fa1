//! Sets of a policy → sets of the kernel, and that an address is in one.

use std::sync::Arc;

use crate::net::{Duration, Family};
use crate::packet::opaque::SetSide;
use crate::resolve::Policy;
use crate::resolve::policy::{self, Member, SetId};
use crate::ruleset::{KernelSet, Match, MatchKind, Target};

use super::Lowering;
use super::address::Side;
use super::set::Alternative;

/// The sets of a family, by [`SetId`]. All are there in both families, for a set may be filled anew
/// without the rules.
pub(super) fn kernel_sets(policy: &Policy, family: Family) -> Vec<Arc<KernelSet>> {
    policy.sets.iter().map(|set| Arc::new(set.kernel_set(family))).collect()
}

/// The matches of a place's sets: all must hold.
pub(super) fn members(side: Side, sets: &[Arc<KernelSet>], members: &[Member]) -> Alternative {
    let side = match side {
        Side::Source => SetSide::Source,
        Side::Destination => SetSide::Destination,
    };
    let one = |member: &Member| Match {
        negated: !member.inside,
        kind: MatchKind::Set { set: Arc::clone(&sets[member.set.0 as usize]), side },
    };
    members.iter().map(one).collect()
}

impl Lowering<'_> {
    /// What `add` does.
    pub(super) fn addition(&self, addition: policy::Addition) -> Target {
        let SetId(index) = addition.set;
        let set = Arc::clone(&self.sets[index as usize]);
        Target::AddSource { set, timeout: addition.timeout.map(Duration::seconds) }
    }
}
