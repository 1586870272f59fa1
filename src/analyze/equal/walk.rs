//! Packets that walk both ways: where rules change packets, only that tells what becomes of one.

use super::align::Pairs;
use super::items::{Items, deed_of};
use super::{Act, MOST_DIFFERENCES};
use crate::meaning::{BaseChain, Meaning};
use crate::packet::{Index, Packet, Space};

/// Packets that are tried for an item.
const TRIED: usize = 24;

/// A packet that the sides treat otherwise.
pub(super) struct Found {
    pub packet: Packet,
    pub left: Act,
    pub right: Act,
}

/// A chain of two meanings in which nothing depends on history.
pub(super) struct Walks<'a> {
    pub meanings: [&'a Meaning; 2],
    pub base: BaseChain,
    pub space: &'a Space,
}

impl Walks<'_> {
    /// Packets that show a difference, of those that what has no counterpart is about.
    pub fn found(&self, items: [&Items; 2], pairs: &Pairs) -> Vec<Found> {
        let index = Index::of(self.space, []);
        let mut found = Vec::new();
        for (side, pairs) in items.into_iter().zip([&pairs.left, &pairs.right]) {
            let alone = side.all.iter().zip(pairs).filter(|(_, pair)| pair.is_none());
            for (seed, (item, _)) in (0..).zip(alone).take(MOST_DIFFERENCES) {
                let mut packets =
                    index.sample(&item.region, TRIED, seed).map(|point| self.space.packet(&point));
                found.extend(packets.find_map(|packet| self.differ(packet)));
            }
        }
        found
    }

    /// What both do with a packet, where they differ; without the facts about it that do not matter.
    pub fn differ(&self, packet: Packet) -> Option<Found> {
        let mut found = self.parting(packet)?;
        for fact in found.packet.opaque.clone() {
            let mut plainer = found.packet.clone();
            plainer.opaque.remove(&fact);
            let same = self
                .parting(plainer)
                .filter(|other| other.left == found.left && other.right == found.right);
            found = same.unwrap_or(found);
        }
        Some(found)
    }

    fn parting(&self, packet: Packet) -> Option<Found> {
        let [left, right] = self.meanings.map(|meaning| acts(meaning, self.base, &packet));
        let at = left.iter().zip(&right).position(|(one, other)| one.deed != other.deed);
        let at = at.or((left.len() != right.len()).then(|| left.len().min(right.len())))?;
        let of = |acts: Vec<Act>| acts.into_iter().take(at + 1).last();
        Some(Found { packet, left: of(left)?, right: of(right)? })
    }
}

/// What a meaning does with a packet, in order; doing again what was done just before is nothing.
fn acts(meaning: &Meaning, base: BaseChain, packet: &Packet) -> Vec<Act> {
    let trace = meaning.trace(base, packet, &mut |_| true);
    let steps = trace.steps.iter().filter_map(|step| {
        let deed = deed_of(step.entry)?;
        Some(Act { deed, reason: step.entry.reason, chain: step.chain })
    });
    let mut acts: Vec<Act> = steps.collect();
    acts.dedup_by(|next, before| next.deed == before.deed && !before.deed.adds_up());
    acts
}
