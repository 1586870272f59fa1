//! What changes between two meanings, for people: the differences of a comparison, gathered by what is
//! responsible on both sides and said in few boxes.

use std::collections::BTreeSet;

use super::boxes::{Readable, readable};
use super::equal::{Act, Comparison, Deed, Difference};
use crate::meaning::{BaseChain, Decision};
use crate::net::{Families, Family};
use crate::packet::{Packet, Region};
use crate::resolve::Policy;

/// What a change is to who sends the packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Accepted now, and not before.
    NewlyAccepted,
    /// Accepted before, and not now.
    NewlyDropped,
    /// Another answer, translation, mark or log line.
    Otherwise,
}

/// Packets that one thing on one side and one on the other treat otherwise.
#[derive(Debug, Clone)]
pub struct Change {
    pub kind: Kind,
    pub base: BaseChain,
    pub families: Families,
    pub left: Act,
    pub right: Act,
    /// The packets, in the names of a policy; empty when they are in too many pieces.
    pub boxes: Vec<Readable>,
    pub example: Packet,
}

/// The changes that differences are, the gravest first. `policy` has the names.
#[must_use]
pub fn changes(comparison: &Comparison, policy: &Policy) -> Vec<Change> {
    let is_count = |one: &&Difference| {
        matches!(one.left.deed, Deed::Count(_)) || matches!(one.right.deed, Deed::Count(_))
    };
    // That a limit counts other packets follows where more is different than that.
    let told: BTreeSet<(Family, BaseChain)> = comparison
        .differences
        .iter()
        .filter(|one| !is_count(one))
        .map(|one| (one.family, one.base))
        .collect();
    let shown = comparison
        .differences
        .iter()
        .filter(|one| !is_count(one) || !told.contains(&(one.family, one.base)));
    let mut groups: Vec<Vec<&Difference>> = Vec::new();
    for one in shown {
        match groups.iter_mut().find(|group| group.first().is_some_and(|first| belong(first, one)))
        {
            Some(group) => group.push(one),
            None => groups.push(vec![one]),
        }
    }
    let mut changes: Vec<Change> = Vec::new();
    for change in groups.iter().filter_map(|group| change_of(group, policy)) {
        match changes.iter_mut().find(|other| are_one(other, &change)) {
            Some(other) => other.families = Families::BOTH,
            None => changes.push(change),
        }
    }
    changes.sort_by_key(|change| (change.kind, change.base));
    changes
}

/// Whether the same is responsible for two differences.
fn belong(a: &Difference, b: &Difference) -> bool {
    (a.family, a.base, &a.left, &a.right) == (b.family, b.base, &b.left, &b.right)
}

/// Whether a change of one family is the same as one of the other.
fn are_one(a: &Change, b: &Change) -> bool {
    let texts = |change: &Change| change.boxes.iter().map(Readable::text).collect::<Vec<_>>();
    a.families != b.families
        && (a.kind, a.base, &a.left, &a.right) == (b.kind, b.base, &b.left, &b.right)
        && !a.boxes.is_empty()
        && texts(a) == texts(b)
}

fn change_of(group: &[&Difference], policy: &Policy) -> Option<Change> {
    let first = *group.first()?;
    let regions: Option<Vec<&Region>> = group.iter().map(|one| one.region.as_ref()).collect();
    let region = regions.map(|regions| {
        regions.into_iter().fold(Region::default(), |all, one| first.space.union(&all, one))
    });
    let boxes = region.map(|region| readable(&first.space, &region, policy, |_| false));
    Some(Change {
        kind: kind(first),
        base: first.base,
        families: Families::only(first.family),
        left: first.left.clone(),
        right: first.right.clone(),
        boxes: boxes.unwrap_or_default(),
        example: first.packet.clone(),
    })
}

fn kind(one: &Difference) -> Kind {
    match (accepts(&one.left.deed), accepts(&one.right.deed)) {
        (Some(false), Some(true)) => Kind::NewlyAccepted,
        (Some(true), Some(false)) => Kind::NewlyDropped,
        (Some(_), Some(_)) | (None, _) | (_, None) => Kind::Otherwise,
    }
}

/// Whether packets may go on; `None` for what does not decide that.
fn accepts(deed: &Deed) -> Option<bool> {
    match deed {
        Deed::Decide(Decision::Accept | Decision::LeaveToDocker | Decision::Translate(_)) => {
            Some(true)
        }
        Deed::Decide(Decision::Drop | Decision::Reject(_)) => Some(false),
        Deed::Decide(Decision::Unknown(_))
        | Deed::Log { .. }
        | Deed::Change(_)
        | Deed::Add { .. }
        | Deed::Opaque(_)
        | Deed::Count(_) => None,
    }
}
