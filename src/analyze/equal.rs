//! Whether two meanings are one, for all packets; and if not, packets that they treat otherwise.
//!
//! In go two [`Meaning`]s, of a policy, of rules that were read, of two policies; out come the
//! [`Difference`]s, each with a packet that shows it and with what decides it on both sides. None means
//! that every packet of both families meets the same decisions, translations and log lines in every chain
//! of the kernel, and leaves it as the same. What could not be found out is said ([`Unproved`]), never
//! passed over.
//!
//! A list that must be compared is flattened to [`items`]. Those that both sides have in common, in a
//! common order, discharge each other ([`align`]): a packet that such a pair decides on one side is
//! decided by it on the other too, unless something comes before that the other side does not have. So
//! only what has no counterpart is asked about, each within its own packets ([`ask`]).
//!
//! Where rules change packets, later ones ask about what became of them. If items do not discharge each
//! other there, all packets are sent through both sides, in regions, and what became of them is laid side
//! by side ([`courses`]): in which order a packet was marked is no difference ([`course`]).
//!
//! What rules count by is paired first ([`history`]): a limit of one side and one of the other that
//! have the same parameters, each the *n*-th such on its side, are one. From then on whether it has room
//! is a fact about the packet like any other. What has no partner differs.

mod align;
mod ask;
mod course;
mod courses;
mod history;
mod items;
mod sets;
mod takers;
mod walk;

use std::cmp::Reverse;
use std::sync::Arc;

use super::accounts;
use super::deliverable::{MOST_ORDINARY, ordinariness};
use super::flat::{Cut, Flat};
use crate::meaning::{BaseChain, Change, Decision, Meaning, Reason};
use crate::net::{Families, Family};
use crate::packet::{Budget, Packet, PacketSet, Point, Region, Space};
use crate::resolve::policy::{ChainId, LogLevel};

pub use history::Rooms;

use items::Items;

/// Which of the two meanings that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    Left,
    Right,
}

/// What becomes of a packet, as far as two sides can differ in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Deed {
    Decide(Decision),
    /// A line in the log.
    Log {
        prefix: Option<Arc<str>>,
        level: LogLevel,
    },
    Change(Change),
    /// Its source is taken up into the set of this name, for so many seconds or as long as the set keeps
    /// what it has.
    Add {
        set: Arc<str>,
        timeout: Option<u32>,
    },
    /// What a rule that goes on does in these words.
    Opaque(Arc<str>),
    /// A limit counts it: the parameters, and how many such limits come before.
    Count(Arc<str>),
}

/// What one side does with a packet, and where.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Act {
    pub deed: Deed,
    pub reason: Reason,
    /// The chain it stands in; `None` for the base chain.
    pub chain: Option<ChainId>,
}

/// Packets that two sides treat otherwise.
#[derive(Debug, Clone)]
pub struct Difference {
    pub family: Family,
    pub base: BaseChain,
    /// One of them.
    pub packet: Packet,
    /// What each side does with it that the other does not; what decides there, where it is no more
    /// than not done.
    pub left: Act,
    pub right: Act,
    /// All packets that these two acts are different for; `None` when they are in too many pieces.
    pub region: Option<Region>,
    /// The space of the region and of others of the same chain.
    pub space: Arc<Space>,
}

impl Difference {
    /// How little there is to wonder about its packet.
    #[must_use]
    pub fn ordinariness(&self) -> (bool, [bool; 4]) {
        ordinariness(&self.packet, self.base)
    }
}

/// A chain about which not everything is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unproved {
    pub family: Family,
    pub base: BaseChain,
    pub why: Why,
    /// Whether it is so of the right side by itself, whatever the left one is.
    pub right_alone: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Too many ways lead through the chains.
    Ways,
    /// They have too many different conditions that packets do not show.
    Conditions,
    /// Packets are in too many pieces, or there is too much to ask.
    Work,
    /// There are more differences than are looked for.
    Differences,
    /// One side tells users or groups by names, the other by numbers.
    Accounts,
    /// A packet should show a difference, and does not. That is a fault of ours.
    Unconfirmed,
    /// Rules change packets in a way that is not known, or of too many packets; no packet was found that
    /// shows a difference.
    Changes,
}

impl Why {
    /// Whether more was to be looked at than may be: then nothing is known to be wrong.
    #[must_use]
    pub fn is_bound(self) -> bool {
        match self {
            Why::Ways | Why::Conditions | Why::Work | Why::Differences => true,
            Why::Accounts | Why::Unconfirmed | Why::Changes => false,
        }
    }
}

/// How two meanings differ.
#[derive(Debug, Clone, Default)]
pub struct Comparison {
    /// In the order of families and chains; at most [`MOST_DIFFERENCES`] a chain.
    pub differences: Vec<Difference>,
    pub unproved: Vec<Unproved>,
}

impl Comparison {
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.differences.is_empty() && self.unproved.is_empty()
    }

    /// Whether all that keeps it from being equal is that bounds were met.
    #[must_use]
    pub fn is_bounded(&self) -> bool {
        self.differences.is_empty() && self.unproved.iter().all(|one| one.why.is_bound())
    }
}

/// Packets of a difference that are looked at for one to show.
const TRIED: usize = 12;

/// Differences beyond these are not looked for in a chain.
pub const MOST_DIFFERENCES: usize = 1_000;

/// How two meanings differ in some families.
#[must_use]
pub fn compare(left: &Meaning, right: &Meaning, families: Families, budget: Budget) -> Comparison {
    // Where one side uses conntrack, that is a difference of its own.
    let sees_fragments = !left.uses_conntrack() && !right.uses_conntrack();
    let [left, right] = history::as_facts([left, right], sees_fragments);
    let mut comparison = Comparison::default();
    for family in Family::BOTH.into_iter().filter(|family| families.contains(*family)) {
        for base in BaseChain::ALL {
            let before = comparison.differences.len();
            chain([&left, &right], family, base, budget, &mut comparison);
            if comparison.differences.len() - before >= MOST_DIFFERENCES {
                let why = Why::Differences;
                comparison.unproved.push(Unproved { family, base, why, right_alone: false });
            }
        }
    }
    comparison
}

fn chain(
    meanings: [&Meaning; 2],
    family: Family,
    base: BaseChain,
    budget: Budget,
    into: &mut Comparison,
) {
    let flats = meanings.map(|meaning| Flat::with_fragments(meaning, family, base, false));
    let [Some(left), Some(right)] = flats else {
        // Neither side has it: only who speaks of Docker has a chain for what that publishes.
        return;
    };
    let unproved = |why| Unproved { family, base, why, right_alone: false };
    if let Some(cut) = left.cut.max(right.cut) {
        let why = match cut {
            Cut::Ways => Why::Ways,
            Cut::Conditions => Why::Conditions,
        };
        let right_alone = right.cut.is_some();
        return into.unproved.push(Unproved { right_alone, ..unproved(why) });
    }
    if items::are_the_same([&left, &right]) {
        return;
    }
    let [asked, also_asked] = [&left, &right].map(|flat| flat.steps.iter().map(|step| &*step.may));
    if accounts::may_be_one(asked, also_asked) {
        return into.unproved.push(unproved(Why::Accounts));
    }
    let right = sets::apart(right);
    let filled = sets::Filled::of([&left, &right]);
    let steps = left.steps.iter().chain(&right.steps);
    let sets: Vec<&PacketSet> = steps.map(|step| &*step.may).chain(filled.sets()).collect();
    let (mut space, mut mays) = Space::of(family, Some(crate::meaning::view(base)), &sets);
    let facts = mays.split_off(left.steps.len() + right.steps.len());
    let right_mays = mays.split_off(left.steps.len());
    let mut deeds = items::Deeds::default();
    let changed = items::changed([&left, &right]);
    let changes = [&left, &right].into_iter().any(items::changes_packets);
    let lefts = Items::of(&left, &mays, &space, &changed, &mut deeds);
    let rights = Items::of(&right, &right_mays, &space, &changed, &mut deeds);
    let (Some(mut lefts), Some(mut rights)) = (lefts, rights) else {
        return into.unproved.push(unproved(Why::Work));
    };
    let is_plain = lefts.are_plain() && rights.are_plain();
    rights.settle(&lefts, &space);
    lefts.settle(&rights, &space);
    filled.rule_out(&mut space, &facts, [&lefts, &rights]);
    let pairs = align::align(&space, &deeds, &lefts, &rights);
    if align::are_alike(&pairs, &lefts, &rights) {
        return;
    }
    let space = Arc::new(space);
    let walked = walk::Walks::of(meanings, base, &space);
    if changes && let Ok(packets) = courses::apart(meanings, family, base) {
        return by_courses(packets, &walked, family, into);
    }
    let here = Here { family, deeds: &deeds, items: [&lefts, &rights], filled: &filled, walked };
    let before = into.differences.len();
    here.by_items(pairs, budget, changes, into);
    // What was asked of packets that were changed since, no item says.
    if !is_plain && into.differences.len() == before {
        into.unproved.push(unproved(Why::Changes));
    }
}

/// A chain of both sides, item by item.
struct Here<'a> {
    family: Family,
    deeds: &'a items::Deeds,
    items: [&'a Items; 2],
    filled: &'a sets::Filled,
    walked: walk::Walks<'a>,
}

impl Here<'_> {
    fn by_items(&self, pairs: align::Pairs, budget: Budget, changes: bool, into: &mut Comparison) {
        let (family, base, space) = (self.family, self.walked.base, self.walked.space);
        let [lefts, rights] = self.items;
        let unproved = |why| Unproved { family, base, why, right_alone: false };
        let stretches = [lefts.stretches(&pairs.left), rights.stretches(&pairs.right)];
        let [Some(left_stretches), Some(right_stretches)] = stretches else {
            // What comes later is about packets as they are there: only a walk knows.
            let found = self.walked.found(self.items, &pairs);
            if self.walked.are_too_many() {
                into.unproved.push(unproved(Why::Work));
            } else if found.is_empty() {
                into.unproved.push(unproved(Why::Changes));
            }
            return into.differences.extend(found.into_iter().map(|one| self.by_walk(one)));
        };
        let alone = pairs.clone();
        let sides = [(lefts, pairs.left, left_stretches), (rights, pairs.right, right_stretches)];
        let sides = ask::Sides::new(space, self.deeds, sides, budget);
        match sides.found() {
            Ok(found) => {
                for one in found {
                    if self.walked.are_enough() {
                        into.unproved.push(unproved(Why::Differences));
                        break;
                    }
                    // What a packet shows, it shows to who walks with it; but of what was changed not
                    // all is to be seen.
                    let Some(shown) = self.shown(&one) else {
                        let why = if changes { Why::Changes } else { Why::Unconfirmed };
                        into.unproved.push(unproved(why));
                        continue;
                    };
                    into.differences.push(Difference {
                        family,
                        base,
                        packet: shown.packet,
                        left: lefts.act(one.left, self.deeds),
                        right: rights.act(one.right, self.deeds),
                        region: one.region,
                        space: Arc::clone(space),
                    });
                }
            }
            Err(why) => {
                // What is too much to be proved may still be refuted.
                let found = self.walked.found(self.items, &alone);
                into.differences.extend(found.into_iter().map(|one| self.by_walk(one)));
                into.unproved.push(unproved(why));
            }
        }
        match sides.going_on() {
            Ok(points) => {
                for point in points {
                    match self.walked.differ(space.packet(&point)) {
                        Some(found) => into.differences.push(self.by_walk(found)),
                        None => into.unproved.push(unproved(Why::Changes)),
                    }
                }
            }
            Err(why) => into.unproved.push(unproved(why)),
        }
    }

    /// A packet that shows a difference, which the kernel can deliver and which opens a connection if one
    /// of those that are looked at is like that.
    fn shown(&self, one: &ask::Found) -> Option<walk::Found> {
        let (base, space) = (self.walked.base, self.walked.space);
        let packet = |point: &Point| self.filled.without_words(space.packet(point));
        let mut packets = vec![packet(&one.point)];
        if let Some(region) = &one.region
            && ordinariness(&packets[0], base) < MOST_ORDINARY
        {
            packets.extend(space.nature().sample(region, TRIED, 0).map(|point| packet(&point)));
            packets.sort_by_key(|packet| Reverse(ordinariness(packet, base)));
        }
        packets.into_iter().find_map(|packet| self.walked.differ(packet))
    }

    fn by_walk(&self, one: walk::Found) -> Difference {
        Difference {
            family: self.family,
            base: self.walked.base,
            packet: self.filled.without_words(one.packet),
            left: one.left,
            right: one.right,
            region: None,
            space: Arc::clone(self.walked.space),
        }
    }
}

/// Differences that packets show, each of what does the one once.
fn by_courses(
    packets: Vec<Packet>,
    walked: &walk::Walks<'_>,
    family: Family,
    into: &mut Comparison,
) {
    let (base, space) = (walked.base, walked.space);
    let mut acts: Vec<(Act, Act)> = Vec::new();
    for packet in packets {
        // What a packet shows, it shows to who walks with it.
        let Some(found) = walked.differ(packet) else {
            let why = Why::Unconfirmed;
            into.unproved.push(Unproved { family, base, why, right_alone: false });
            continue;
        };
        let (packet, left, right) = (found.packet, found.left, found.right);
        let both = (left.clone(), right.clone());
        if acts.contains(&both) || acts.len() >= MOST_DIFFERENCES {
            continue;
        }
        acts.push(both);
        let space = Arc::clone(space);
        into.differences.push(Difference {
            family,
            base,
            packet,
            left,
            right,
            region: None,
            space,
        });
    }
}

#[cfg(test)]
mod tests;
