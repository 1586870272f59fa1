//! What changes between two meanings, for people: the differences of a comparison, gathered by what is
//! responsible on both sides and said in few boxes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::boxes::{MOST_LOOKS, Names, Readable, readable};
use super::equal::{Act, Comparison, Deed, Difference};
use super::work::Allowance;
use crate::meaning::{BaseChain, Decision};
use crate::net::{Families, Family};
use crate::packet::{Packet, Region, Teller};
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
    /// The packets, in the names of a policy; empty when they are in too many pieces, or those of changes
    /// before were.
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
    // Differences for which the same is responsible.
    let mut groups: Vec<Vec<&Difference>> = Vec::new();
    let mut known = HashMap::new();
    for one in shown {
        let group = known.entry((one.family, one.base, &one.left, &one.right));
        let group = *group.or_insert(groups.len());
        match groups.get_mut(group) {
            Some(group) => group.push(one),
            None => groups.push(vec![one]),
        }
    }
    let mut changes: Vec<Change> = Vec::new();
    // Of IPv4, those that IPv6 may have too.
    let mut known = HashMap::new();
    let names = Family::BOTH.map(|family| Names::of(policy, family));
    // Each chain has a space of its own.
    let mut tellers = BTreeMap::new();
    let looks = Allowance::of(MOST_LOOKS);
    for group in &groups {
        let [one, ..] = group[..] else { continue };
        let teller = tellers.entry((one.family, one.base));
        let teller = teller.or_insert_with(|| Teller::of(&one.space));
        let change = change_of(teller, group, &names[one.family as usize], &looks);
        let texts: Vec<String> = change.boxes.iter().map(Readable::text).collect();
        let said = (one.base, &one.left, &one.right, texts);
        match (one.family, known.get(&said)) {
            (Family::V6, Some(same)) if !change.boxes.is_empty() => {
                let other: &mut Change = &mut changes[*same];
                other.families = Families::BOTH;
                continue;
            }
            (Family::V4, _) => _ = known.insert(said, changes.len()),
            (Family::V6, _) => {}
        }
        changes.push(change);
    }
    changes.sort_by_key(|change| (change.kind, change.base));
    changes
}

fn change_of(
    teller: &Teller<'_>,
    group: &[&Difference],
    names: &Names<'_>,
    looks: &Allowance,
) -> Change {
    let first = group[0];
    // Of several that are as ordinary, the first.
    let shown = group.iter().rev().max_by_key(|one| one.ordinariness());
    let regions: Option<Vec<&Region>> = group.iter().map(|one| one.region.as_ref()).collect();
    let region = regions.filter(|_| !looks.is_spent()).map(|regions| {
        let mut all = Region::default();
        for one in regions {
            all.append(one);
        }
        all
    });
    let boxes = region.map(|region| readable(teller, &region, names, |_| false, looks));
    Change {
        kind: kind(first),
        base: first.base,
        families: Families::only(first.family),
        left: first.left.clone(),
        right: first.right.clone(),
        boxes: boxes.unwrap_or_default(),
        example: shown.unwrap_or(&first).packet.clone(),
    }
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
