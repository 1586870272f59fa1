//! What regions of packets are after a statement of a chain before the filter.

use std::collections::BTreeSet;

use super::{Passage, product, state};
use crate::meaning::{Change, Decision, Effect, Translation};
use crate::net::{Addresses, CtState, Family, MarkMatch, Ports};
use crate::packet::opaque::{self, SetSide};
use crate::packet::{Constraint, Factor, Field, FieldBox, PacketSet, Product, Region, Values};
use crate::resolve::policy::{Docker, Hook};

/// Beyond so many boxes it is not told which mark was copied to which packets.
const MOST_COPIED: usize = 20_000;

impl Passage<'_> {
    /// The packets of a region whose sources were taken up into a set.
    pub(super) fn added(&self, region: &Region, set: &str) -> Region {
        let members = [SetSide::Source, SetSide::Destination].map(|side| opaque::member(side, set));
        self.space().freed_facts(region, |text| members.iter().any(|member| **member == *text))
    }

    /// The packets of a region as a statement leaves them; `None` when that is not known.
    pub(super) fn changed(&self, region: &Region, change: Change) -> Option<Region> {
        let space = self.space();
        let marked = |region: &Region, field, mark: MarkMatch| {
            let free = space.freed_mark(region, field, mark.mask());
            space.within(&free, &of_mark(field, mark))
        };
        let copied = |fields, mask| space.copied_mark(region, fields, mask, MOST_COPIED);
        Some(match change {
            Change::Mark(mark) => marked(region, Field::Mark, mark),
            Change::StickyMark(mark) => {
                let region = marked(region, Field::Mark, mark);
                marked(&region, Field::ConnectionMark, mark)
            }
            Change::ConnectionMark(mark) => marked(region, Field::ConnectionMark, mark),
            Change::RestoredMark(mask) => {
                return copied((Field::ConnectionMark, Field::Mark), mask);
            }
            Change::SavedMark(mask) => return copied((Field::Mark, Field::ConnectionMark), mask),
            Change::Dscp(dscp) => {
                let free = space.freed(region, |field| field == Field::Dscp);
                space.within(&free, &Constraint::dscp(dscp))
            }
            Change::Untracked => self.untracked(region),
            Change::Mss(_) => return None,
            Change::Helper(_) => region.clone(),
        })
    }

    /// The packets of a region when conntrack is told not to see them: too late for those that it saw
    /// before they came in (`Packet::was_tracked_before`).
    pub(super) fn untracked(&self, region: &Region) -> Region {
        let space = self.space();
        let known = space.within_all(region, &Constraint::tracked_before());
        let gone = |field| matches!(field, Field::State | Field::ConnectionMark);
        let free = space.freed(&space.difference(region, &known), gone);
        space.union(&known, &space.within(&free, &state(CtState::Untracked)))
    }

    /// The packets of a region with another destination.
    pub(super) fn translated(&self, region: &Region, translation: &Translation) -> Region {
        let space = self.space();
        let mut all = given(self.family, translation);
        match translation {
            Translation::Destination { port, .. } => {
                // What was sent there is what it was.
                let kept = space.within_all(region, &all);
                let moved = self.moved(&space.difference(region, &kept), port.is_some());
                all.extend([Constraint::translated(), Constraint::not_to_local()]);
                space.union(&space.within_all(&moved, &all), &kept)
            }
            Translation::Netmap { .. } => {
                all.extend([Constraint::translated(), Constraint::not_to_local()]);
                space.within_all(&self.moved(region, false), &all)
            }
            Translation::Redirect { .. } => {
                all.push(Constraint::to_local());
                // What was sent to that port of that address is what it was.
                let kept = space.within_all(region, &all);
                all.push(Constraint::translated());
                space.union(&space.within_all(&self.moved(region, true), &all), &kept)
            }
            Translation::Exempt | Translation::Masquerade | Translation::Source { .. } => {
                region.clone()
            }
        }
    }

    /// The packets of a region that Docker sends to containers, if it publishes what they ask for.
    pub(super) fn to_containers(&self, docker: &Docker, region: &Region) -> Region {
        let leaving = Constraint::outgoing(&docker.bridges);
        let alive = Constraint::ttl_from(1);
        let all = [Constraint::translated(), Constraint::not_to_local(), leaving, alive];
        self.space().within_all(&self.moved(region, true), &all)
    }

    /// The packets of a region when they go anywhere else, and to any port or their own.
    fn moved(&self, region: &Region, to_any_port: bool) -> Region {
        let space = self.space();
        let moved = space.copied(region, Field::Destination, Field::OriginalDestination);
        let moved = space.copied(&moved, Field::DestinationPort, Field::OriginalPort);
        space.freed(&moved, |field| match field {
            Field::Destination | Field::ToLocal | Field::Translated => true,
            // What this machine sends keeps the interface of its first route.
            Field::Outgoing => self.hook != Hook::Output,
            Field::DestinationPort => to_any_port,
            _ => false,
        })
    }
}

fn of_mark(field: Field, mark: MarkMatch) -> Constraint {
    if field == Field::Mark { Constraint::mark(mark) } else { Constraint::connection_mark(mark) }
}

/// What statements change and none of some sets asks for: it makes no difference. Where one mark is copied to
/// the other, who asks for one asks for both.
pub(super) fn unasked<'s>(
    sets: impl Iterator<Item = &'s PacketSet>,
    are_copied: bool,
) -> Vec<Field> {
    let marks = [Field::Mark, Field::ConnectionMark];
    let mut unasked = vec![Field::Mark, Field::ConnectionMark, Field::Dscp];
    for set in sets {
        unasked.retain(|one| !set.speaks_of(|field| field == *one));
    }
    if are_copied && !marks.iter().all(|mark| unasked.contains(mark)) {
        unasked.retain(|one| !marks.contains(one));
    }
    unasked
}

/// Under which mask an entry copies one mark to the other, if it does.
pub(super) fn copied_mask(effect: &Effect) -> Option<u32> {
    match effect {
        Effect::Change(Change::RestoredMark(mask) | Change::SavedMark(mask)) => Some(*mask),
        Effect::Change(_)
        | Effect::Decide(_)
        | Effect::Continue
        | Effect::Opaque { .. }
        | Effect::Return
        | Effect::Call(_)
        | Effect::Goto(_)
        | Effect::Add { .. } => None,
    }
}

/// Where one mark is copied to the other, under these masks: what some sets ask of one, asked of the other too.
pub(super) fn same_borders<'s>(
    family: Family,
    sets: impl Iterator<Item = &'s PacketSet>,
    copies: &[u32],
) -> Vec<PacketSet> {
    if copies.is_empty() {
        return Vec::new();
    }
    let boxes =
        sets.flat_map(PacketSet::products).flat_map(Product::factors).flat_map(Factor::boxes);
    let asked = boxes.flat_map(FieldBox::constraints).filter_map(|one| match one.values() {
        Values::Mark(mark) => Some(*mark),
        Values::Numbers(_)
        | Values::Bits(_)
        | Values::Interfaces(_)
        | Values::Accounts(_)
        | Values::Opaque(_) => None,
    });
    let masks = copies.iter().filter_map(|mask| MarkMatch::new(0, *mask));
    let marks: BTreeSet<MarkMatch> = asked.chain(masks).collect();
    let both = |mark: &MarkMatch| [Constraint::mark(*mark), Constraint::connection_mark(*mark)];
    let sets = marks.iter().flat_map(both);
    sets.map(|one| PacketSet::of(family, [product([one])])).collect()
}

/// The destination that a translation gives packets.
pub(super) fn given(family: Family, translation: &Translation) -> Vec<Constraint> {
    let to = |addresses: Addresses| Constraint::destination(family, &addresses);
    let port = |port: u16| Constraint::destination_port(&Ports::single(port));
    match translation {
        Translation::Destination { address, port: new } => {
            std::iter::once(to(Addresses::single(*address))).chain(new.map(port)).collect()
        }
        Translation::Redirect { port: new } => vec![port(*new)],
        Translation::Netmap { to: inside, .. } => vec![to((*inside).into())],
        Translation::Exempt | Translation::Masquerade | Translation::Source { .. } => Vec::new(),
    }
}

/// What packets can be after an entry, so that the space knows it, but for what is not asked for.
pub(super) fn results(family: Family, effect: &Effect, unasked: &[Field]) -> PacketSet {
    let all: Vec<Constraint> = match effect {
        Effect::Change(Change::Mark(mark)) => vec![Constraint::mark(*mark)],
        Effect::Change(Change::StickyMark(mark)) => {
            vec![Constraint::mark(*mark), Constraint::connection_mark(*mark)]
        }
        Effect::Change(Change::ConnectionMark(mark)) => vec![Constraint::connection_mark(*mark)],
        Effect::Change(Change::Dscp(dscp)) => vec![Constraint::dscp(*dscp)],
        Effect::Decide(Decision::Translate(translation)) => given(family, translation),
        // What is copied from one mark to the other: see `same_borders`.
        Effect::Change(
            Change::RestoredMark(_)
            | Change::SavedMark(_)
            | Change::Mss(_)
            | Change::Untracked
            | Change::Helper(_),
        )
        | Effect::Decide(
            Decision::Accept
            | Decision::Drop
            | Decision::Reject(_)
            | Decision::Unknown(_)
            | Decision::LeaveToDocker,
        )
        | Effect::Continue
        | Effect::Opaque { .. }
        | Effect::Return
        | Effect::Call(_)
        | Effect::Goto(_)
        | Effect::Add { .. } => Vec::new(),
    };
    let all = all.into_iter().filter(|one| !unasked.contains(&one.field()));
    PacketSet::of(family, all.map(|one| product([one])))
}
