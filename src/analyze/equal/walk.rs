//! Packets that walk both ways: where rules change packets, only that tells what becomes of one.

use std::sync::Arc;

use super::align::Pairs;
use super::course::{Course, What};
use super::items::{Items, deed_of};
use super::{Act, Deed, MOST_DIFFERENCES};
use crate::analyze::work::Allowance;
use crate::meaning::{BaseChain, Effect, Guide, Meaning};
use crate::packet::{
    Among, Budget, Index, Packet, Point, Question, Region, RuleNumber, Space, Verdict,
};

/// Packets that are tried for a region, beside those that a search finds.
const TRIED: usize = 24;

/// Searches for packets of a region.
const WITNESSES: u64 = 4;

/// Items of the other side whose borders are looked at.
const MOST_RIVALS: usize = 200;

/// So many packets of a chain walk only to show with fewer facts what is shown already.
const PATIENCE: usize = 4_000;

/// So many times packets that walk through a chain come to an entry, before no more differences are shown.
const MOST_LOOKS: usize = 1_000_000;

/// Items among which packets are looked for, of all items without a counterpart.
const MOST_PLACED: usize = 2_000_000;

/// A packet that the sides treat otherwise.
pub(super) struct Found {
    pub packet: Packet,
    pub left: Act,
    pub right: Act,
}

/// A chain of two meanings in which nothing depends on history.
pub(super) struct Walks<'a> {
    pub guides: [Guide<'a>; 2],
    pub base: BaseChain,
    pub space: &'a Arc<Space>,
    /// Packets that walk only to show the same with fewer facts.
    patience: Allowance,
    /// Items among which packets are looked for.
    placing: Allowance,
}

impl<'a> Walks<'a> {
    pub fn of(meanings: [&'a Meaning; 2], base: BaseChain, space: &'a Arc<Space>) -> Self {
        let guides = meanings.map(Guide::of);
        let (patience, placing) = (Allowance::of(PATIENCE), Allowance::of(MOST_PLACED));
        Walks { guides, base, space, patience, placing }
    }

    /// Whether enough packets have walked.
    pub fn are_enough(&self) -> bool {
        self.guides.iter().map(Guide::looks).sum::<usize>() > MOST_LOOKS
    }

    /// Whether it was too much to look for packets of all items.
    pub fn are_too_many(&self) -> bool {
        self.placing.is_spent() || self.are_enough()
    }

    /// Packets that show a difference, of those that what has no counterpart is about.
    pub fn found(&self, items: [&Items; 2], pairs: &Pairs) -> Vec<Found> {
        let mut found = Vec::new();
        for (own, pairs) in [&pairs.left, &pairs.right].into_iter().enumerate() {
            let alone = pairs.iter().enumerate().filter(|(_, pair)| pair.is_none());
            for (place, _) in alone.take(MOST_DIFFERENCES) {
                let placed = items.iter().map(|items| items.all.len()).sum();
                if self.are_enough() || self.placing.spend(placed).is_none() {
                    return found;
                }
                found.extend(self.of_item([items[own], items[1 - own]], place));
            }
        }
        found
    }

    /// A packet that shows a difference, of those that an item of the first side is about: those that
    /// nothing before it takes and with which the other side never does the same come first.
    fn of_item(&self, [own, other]: [&Items; 2], place: usize) -> Option<Found> {
        let item = &own.all[place];
        let before: Vec<&Region> =
            own.all[..place].iter().filter(|one| one.takes).map(|one| &one.region).collect();
        let same: Vec<&Region> =
            other.all.iter().filter(|one| one.deed == item.deed).map(|one| &one.region).collect();
        let both: Vec<&Region> = before.iter().chain(&same).copied().collect();
        let index = |regions: &[&Region]| {
            Index::of(self.space, (0..).map(RuleNumber).zip(regions.iter().copied()))
        };
        let without = [&both, &same, &before].map(|regions| index(regions));
        let free = without.iter().flat_map(|index| {
            let points = index.sample(&item.region, TRIED, place as u64);
            let points = points.filter(|point| !index.takes(point, Among::ALL));
            points.chain((0..WITNESSES).filter_map(|seed| witness(index, &item.region, seed)))
        });
        if let Some(found) = free.into_iter().find_map(|point| self.differ_somehow(&point)) {
            return Some(found);
        }
        // At the borders of what the other side does otherwise.
        let nothing = index(&[]);
        let rivals = other.all.iter().filter(|one| one.deed != item.deed).take(MOST_RIVALS);
        let parts = rivals.map(|one| self.space.intersection(&item.region, &one.region));
        let mut points = parts.flat_map(|part| {
            let points = nothing.sample(&part, TRIED, place as u64);
            points.chain(witness(&without[2], &part, 0)).collect::<Vec<_>>()
        });
        points.find_map(|point| self.differ_somehow(&point))
    }

    /// The same for a packet whose mark, or whose connection's, may have been the other's: rules copy
    /// them.
    fn differ_somehow(&self, point: &Point) -> Option<Found> {
        if self.are_enough() {
            return None;
        }
        let packet = self.space.packet(point);
        let Packet { mark, connection_mark, .. } = packet;
        let mut others = vec![packet.clone()];
        if mark != connection_mark && packet.is_tracked() {
            others.push(Packet { connection_mark: mark, ..packet.clone() });
            others.push(Packet { mark: connection_mark, ..packet });
        }
        others.into_iter().find_map(|packet| self.differ(packet))
    }

    /// What both do with a packet, where they differ; without the facts about it that do not matter.
    pub fn differ(&self, packet: Packet) -> Option<Found> {
        let found = self.parting(packet)?;
        let facts: Vec<Arc<str>> = found.packet.opaque.iter().cloned().collect();
        Some(self.without(found, &facts))
    }

    /// The same difference without those of some facts that do not matter: mostly all, of very many.
    fn without(&self, found: Found, facts: &[Arc<str>]) -> Found {
        if facts.is_empty() || self.are_enough() || self.patience.spend(1).is_none() {
            return found;
        }
        let mut plainer = found.packet.clone();
        for fact in facts {
            plainer.opaque.remove(fact);
        }
        let same = self
            .parting(plainer)
            .filter(|other| other.left == found.left && other.right == found.right);
        match (same, facts) {
            (Some(same), _) => same,
            (None, [_]) => found,
            (None, _) => {
                let (one, other) = facts.split_at(facts.len() / 2);
                self.without(self.without(found, one), other)
            }
        }
    }

    fn parting(&self, packet: Packet) -> Option<Found> {
        let [left, right] = self.guides.each_ref().map(|guide| walked(guide, self.base, &packet));
        let apart = left.course.apart(&right.course);
        let shown: Vec<What> =
            apart.iter().filter(|one| !one.unless.holds(&packet)).map(|one| one.what).collect();
        if shown.is_empty() {
            return None;
        }
        // Where only what was made of the packet is another, who made it.
        let only_made = |act: &Act| match act.deed {
            Deed::Change(change) => shown.iter().any(|what| what.is_of(change)),
            Deed::Decide(_) => true,
            Deed::Log { .. } | Deed::Add { .. } | Deed::Opaque(_) | Deed::Count(_) => false,
        };
        let also_done = |act: &Act| !matches!(act.deed, Deed::Change(_)) || only_made(act);
        let found = if shown.contains(&What::Deed) {
            None
        } else {
            parted(&left.acts, &right.acts, only_made)
        };
        let (left, right) = found.or_else(|| parted(&left.acts, &right.acts, also_done))?;
        Some(Found { packet, left, right })
    }
}

/// Where two ways part, as far as some acts tell.
fn parted(left: &[Act], right: &[Act], tells: impl Fn(&Act) -> bool) -> Option<(Act, Act)> {
    let [left, right] = [left, right].map(|acts| {
        // Doing again what was done just before is nothing.
        let mut acts: Vec<&Act> = acts.iter().filter(|act| tells(act)).collect();
        acts.dedup_by(|next, before| next.deed == before.deed && !before.deed.adds_up());
        acts
    });
    let at = left.iter().zip(&right).position(|(one, other)| one.deed != other.deed);
    let at = at.or((left.len() != right.len()).then(|| left.len().min(right.len())))?;
    let of = |acts: Vec<&Act>| acts.get(at.min(acts.len().wrapping_sub(1))).copied().cloned();
    Some((of(left)?, of(right)?))
}

/// A packet of a region that no box of an index has.
fn witness(index: &Index, region: &Region, seed: u64) -> Option<Point> {
    let question = Question { region, among: Among::ALL, seed, budget: Budget::default() };
    match index.witness(&question) {
        Verdict::Uncovered(point) => Some(point),
        Verdict::Covered | Verdict::Incomplete => None,
    }
}

/// The way of a packet through a chain.
struct Walked {
    course: Course,
    /// What was done to it, in order.
    acts: Vec<Act>,
}

fn walked(guide: &Guide<'_>, base: BaseChain, packet: &Packet) -> Walked {
    let trace = guide.trace(base, packet, &mut |_| true);
    let mut walked = Walked { course: Course::default(), acts: Vec::new() };
    let tracked = packet.is_tracked();
    for step in &trace.steps {
        let Some(deed) = deed_of(step.entry) else { continue };
        let is_tracked = tracked && !walked.course.made.is_untracked;
        walked.course.after(&deed, is_tracked);
        if let Effect::Opaque { changes, .. } = &step.entry.effect {
            walked.course.forget(changes);
        }
        walked.acts.push(Act { deed, reason: step.entry.reason, chain: step.chain });
    }
    walked
}
