//! The courses that all packets take through a chain that changes them.
//!
//! Packets are told apart by what they are at first. A region of them goes through the chain as a whole
//! and parts where a rule takes some of it; rules ask about packets as they are by then, and what those
//! were at first is known from what was made of them. At the end stand regions with the courses that they
//! took, and two sides differ where a packet's courses are apart.

use std::collections::{BTreeMap, BTreeSet};

use super::Deed;
use super::course::{Apart, Course, Made, Unless};
use super::items::deed_of;
use crate::meaning::{BaseChain, Change, Effect, Entry, List, Meaning};
use crate::net::{CtState, CtStates, Family, MarkMatch};
use crate::packet::opaque::{SetSide, member};
use crate::packet::{Constraint, Factor, Field, Packet, PacketSet, Product, Region, Space, opaque};
use crate::resolve::policy::ChainId;

/// Courses at one place before they are too many.
const MOST_COURSES: usize = 400;

/// Boxes that are laid beside others before it is too much.
const MOST_WORK: usize = 2_000_000;

/// Boxes of one region before they are too many.
const MOST_PIECES: usize = 10_000;

/// It is too much work, or not known what becomes of a packet.
pub(super) struct Unknown;

/// Packets that the sides treat otherwise, one for each two courses that are apart.
pub(super) fn apart(
    meanings: [&Meaning; 2],
    family: Family,
    base: BaseChain,
) -> Result<Vec<Packet>, Unknown> {
    let sides = meanings.map(|meaning| Side { meaning, family, base });
    let lists: Vec<(&List, Option<&Entry>)> = sides.iter().flat_map(Side::lists).collect();
    let entries = || lists.iter().flat_map(|(list, default)| list.entries.iter().chain(*default));
    let results: Vec<PacketSet> = results(family, entries());
    let sets: Vec<&PacketSet> = entries().map(|entry| &entry.set).chain(&results).collect();
    let (space, regions) = Space::of(family, Some(crate::meaning::view(base)), &sets);
    let of_entry = |(entry, region): (&Entry, Region)| (std::ptr::from_ref(entry), region);
    let regions: BTreeMap<*const Entry, Region> = entries().zip(regions).map(of_entry).collect();
    let mut work = Work { space: &space, left: MOST_WORK };
    let mut ends = Vec::new();
    for side in &sides {
        let mut going = Going { side, regions: &regions, work: &mut work, ends: Vec::new() };
        going.run()?;
        ends.push(going.ends);
    }
    let mut found = Vec::new();
    if let [left, right] = &ends[..] {
        for one in left {
            for other in right {
                let apart = one.course.apart(&other.course);
                if apart.is_empty() {
                    continue;
                }
                let both = work.intersection(&one.region, &other.region)?;
                found.extend(work.showing(&both, &apart)?);
            }
        }
    }
    Ok(found)
}

/// A chain of one side.
struct Side<'m> {
    meaning: &'m Meaning,
    family: Family,
    base: BaseChain,
}

impl<'m> Side<'m> {
    /// The list of the chain and those of all that it leads to, each with its default.
    fn lists(&self) -> Vec<(&'m List, Option<&'m Entry>)> {
        let base = self.meaning.base(self.family, self.base);
        let mut lists: Vec<(&List, Option<&Entry>)> =
            base.map(|list| (list, list.default.as_ref())).into_iter().collect();
        let mut seen = BTreeSet::new();
        let mut next = 0;
        while let Some((list, _)) = lists.get(next) {
            next += 1;
            for entry in &list.entries {
                if let Some(chain) = entry.effect.chain()
                    && seen.insert(chain)
                {
                    lists.extend(self.meaning.chain(self.family, chain).map(|list| (list, None)));
                }
            }
        }
        lists
    }

    /// Whether rules of it tell conntrack what to do.
    fn tells(&self) -> bool {
        let lists = self.lists().into_iter();
        lists.flat_map(|(list, _)| &list.entries).any(|entry| tells(&entry.effect))
    }
}

fn tells(effect: &Effect) -> bool {
    matches!(effect, Effect::Change(Change::Untracked | Change::Helper(_)))
}

/// What changes make of packets, as sets that the space must know.
fn results<'m>(family: Family, entries: impl Iterator<Item = &'m Entry>) -> Vec<PacketSet> {
    let mut all = vec![state(CtState::Untracked), Constraint::unconnected()];
    all.extend(Constraint::tracked_before());
    let bits = |mask: u32| (0..u32::BITS).map(|bit| 1 << bit).filter(move |bit| mask & bit != 0);
    for entry in entries {
        match entry.effect {
            Effect::Change(Change::Mark(mark)) => all.push(Constraint::mark(mark)),
            Effect::Change(Change::StickyMark(mark)) => {
                all.extend([Constraint::mark(mark), Constraint::connection_mark(mark)]);
            }
            Effect::Change(Change::ConnectionMark(mark)) => {
                all.push(Constraint::connection_mark(mark));
            }
            // Bit by bit, so that those of one mark can be laid beside those of the other.
            Effect::Change(Change::RestoredMark(mask)) => {
                let each = bits(mask).flat_map(|bit| [bit_of(bit, false), bit_of(bit, true)]);
                let each = each.flatten();
                all.extend(
                    each.flat_map(|mark| {
                        [Constraint::mark(mark), Constraint::connection_mark(mark)]
                    }),
                );
            }
            Effect::Change(Change::Dscp(dscp)) => all.push(Constraint::dscp(dscp)),
            Effect::Change(Change::SavedMark(mask)) => {
                all.extend(MarkMatch::new(0, mask).map(Constraint::connection_mark));
            }
            Effect::Change(Change::Mss(_) | Change::Untracked | Change::Helper(_))
            | Effect::Decide(_)
            | Effect::Continue
            | Effect::Opaque { .. }
            | Effect::Return
            | Effect::Call(_)
            | Effect::Goto(_)
            | Effect::Add { .. } => {}
        }
    }
    let set = |one| PacketSet::of(family, Product::of([Factor::all([one])]));
    all.into_iter().map(set).collect()
}

fn bit_of(bit: u32, is_set: bool) -> Option<MarkMatch> {
    MarkMatch::new(if is_set { bit } else { 0 }, bit)
}

fn state(state: CtState) -> Constraint {
    let one: CtStates = [state].into_iter().collect();
    Constraint::state(one)
}

/// Packets on their way, as they were at first.
struct Flow {
    region: Region,
    course: Course,
}

/// The way of all packets through the chain of a side.
struct Going<'g, 's, 'm> {
    side: &'g Side<'m>,
    regions: &'g BTreeMap<*const Entry, Region>,
    work: &'g mut Work<'s>,
    ends: Vec<Flow>,
}

impl Going<'_, '_, '_> {
    fn run(&mut self) -> Result<(), Unknown> {
        let Some(list) = self.side.meaning.base(self.side.family, self.side.base) else {
            return Err(Unknown);
        };
        let flows = if self.side.tells() {
            self.work.by_what_was_told()?
        } else {
            vec![Flow { region: self.work.all(), course: Course::default() }]
        };
        let rest = self.through(list, flows, 0)?;
        let default = list.default.as_ref().and_then(deed_of).ok_or(Unknown)?;
        for mut flow in rest {
            flow.course.after(&default, true);
            gather(&mut self.ends, flow, self.work)?;
        }
        Ok(())
    }

    /// What comes to the end of a list.
    fn through(
        &mut self,
        list: &List,
        mut flows: Vec<Flow>,
        depth: usize,
    ) -> Result<Vec<Flow>, Unknown> {
        let mut leaving: Vec<Flow> = Vec::new();
        for entry in &list.entries {
            let mut next: Vec<Flow> = Vec::new();
            for flow in flows {
                let (met, rest) = self.met(entry, flow)?;
                if let Some(flow) = rest {
                    gather(&mut next, flow, self.work)?;
                }
                if let Some(mut flow) = met {
                    match &entry.effect {
                        Effect::Return => gather(&mut leaving, flow, self.work)?,
                        Effect::Call(chain) => {
                            for flow in self.enter(*chain, flow, depth)? {
                                gather(&mut next, flow, self.work)?;
                            }
                        }
                        Effect::Goto(chain) => {
                            for flow in self.enter(*chain, flow, depth)? {
                                gather(&mut leaving, flow, self.work)?;
                            }
                        }
                        Effect::Decide(_) => {
                            if let Some(deed) = deed_of(entry) {
                                flow.course.after(&deed, true);
                            }
                            gather(&mut self.ends, flow, self.work)?;
                        }
                        Effect::Continue
                        | Effect::Opaque { .. }
                        | Effect::Change(_)
                        | Effect::Add { .. } => {
                            for flow in self.done(entry, flow)? {
                                gather(&mut next, flow, self.work)?;
                            }
                        }
                    }
                }
            }
            flows = next;
        }
        for flow in flows {
            gather(&mut leaving, flow, self.work)?;
        }
        Ok(leaving)
    }

    fn enter(&mut self, chain: ChainId, flow: Flow, depth: usize) -> Result<Vec<Flow>, Unknown> {
        // A ring, which a resolved policy never has, is not walked through.
        let meaning = self.side.meaning;
        let list = meaning.chain(self.side.family, chain).ok_or(Unknown)?;
        if depth > meaning.chain_count() {
            return Err(Unknown);
        }
        self.through(list, vec![flow], depth + 1)
    }

    /// Those of a flow that meet an entry, and the others.
    fn met(&mut self, entry: &Entry, flow: Flow) -> Result<(Option<Flow>, Option<Flow>), Unknown> {
        if tells(&entry.effect) && flow.course.is_told {
            return Ok((None, Some(flow)));
        }
        let Flow { region, course } = flow;
        if asks_for_unknown(&entry.set, &course) {
            return Err(Unknown);
        }
        let asked = self.regions.get(&std::ptr::from_ref(entry)).ok_or(Unknown)?;
        let before = self.work.before(asked, &course.made)?;
        let met = self.work.intersection(&region, &before)?;
        if self.work.space.is_empty(&met) {
            return Ok((None, Some(Flow { region, course })));
        }
        let rest = self.work.difference(&region, &before)?;
        let rest = (!rest.has_no_box()).then(|| Flow { region: rest, course: course.clone() });
        Ok((Some(Flow { region: met, course }), rest))
    }

    /// After an entry that lets packets go on.
    fn done(&mut self, entry: &Entry, flow: Flow) -> Result<Vec<Flow>, Unknown> {
        let Some(deed) = deed_of(entry) else { return Ok(vec![flow]) };
        let copies = matches!(deed, Deed::Change(Change::RestoredMark(_)));
        if copies && flow.course.made.unknown.contains(&Field::ConnectionMark) {
            return Err(Unknown);
        }
        let parts = if copies { self.work.by_tracking(flow)? } else { vec![(flow, true)] };
        let after = |(mut flow, is_tracked): (Flow, bool)| {
            flow.course.after(&deed, is_tracked);
            if let Effect::Opaque { changes, .. } = &entry.effect {
                flow.course.forget(changes);
            }
            flow
        };
        Ok(parts.into_iter().map(after).collect())
    }
}

/// Whether a condition is about what may be another than it was, in a way that is not known.
fn asks_for_unknown(set: &PacketSet, course: &Course) -> bool {
    let members = course
        .added
        .keys()
        .flat_map(|name| [SetSide::Source, SetSide::Destination].map(|side| member(side, name)));
    // How long a packet is behind a clamp is not known.
    let is_unknown = |field| {
        course.made.unknown.contains(&field) || field == Field::Length && course.made.has(field)
    };
    set.asks_for(is_unknown)
        || set.facts().any(|text| opaque::looked_at(text).iter().any(|one| course.made.has(*one)))
        || members.into_iter().any(|text| set.facts().any(|fact| *fact == text))
}

/// Adds a flow to others; those that took the same course are one.
fn gather(flows: &mut Vec<Flow>, flow: Flow, work: &mut Work<'_>) -> Result<(), Unknown> {
    match flows.iter().position(|other| other.course == flow.course) {
        Some(same) => flows[same].region = work.union(&flows[same].region, &flow.region)?,
        None if flows.len() >= MOST_COURSES => return Err(Unknown),
        None => flows.push(flow),
    }
    Ok(())
}

/// Regions of a space, with what may still be done.
struct Work<'s> {
    space: &'s Space,
    left: usize,
}

impl Work<'_> {
    fn all(&self) -> Region {
        self.space.complement(&Region::default())
    }

    /// The points of a region that packets have.
    fn packets(&mut self, region: &Region) -> Result<Region, Unknown> {
        let possible = self.intersection(region, self.space.possible())?;
        self.difference(&possible, self.space.impossible())
    }

    fn spend(&mut self, a: &Region, b: &Region) -> Result<(), Unknown> {
        let spent = self.space.count(a).saturating_mul(self.space.count(b));
        self.left = self.left.checked_sub(spent).ok_or(Unknown)?;
        Ok(())
    }

    fn checked(&self, region: Region) -> Result<Region, Unknown> {
        if self.space.count(&region) > MOST_PIECES { Err(Unknown) } else { Ok(region) }
    }

    fn intersection(&mut self, a: &Region, b: &Region) -> Result<Region, Unknown> {
        self.spend(a, b)?;
        self.checked(self.space.intersection(a, b))
    }

    fn difference(&mut self, a: &Region, b: &Region) -> Result<Region, Unknown> {
        self.spend(a, b)?;
        self.checked(self.space.difference(a, b))
    }

    fn union(&mut self, a: &Region, b: &Region) -> Result<Region, Unknown> {
        self.checked(self.space.union(a, b))
    }

    /// All packets: those of which conntrack is told nothing more (`Packet::was_tracked_before`), and the
    /// others.
    fn by_what_was_told(&mut self) -> Result<Vec<Flow>, Unknown> {
        let all = self.all();
        let known = self.space.within_all(&all, &Constraint::tracked_before());
        let others = self.difference(&all, &known)?;
        let mut told = Flow { region: known, course: Course::default() };
        told.course.is_told = true;
        Ok(vec![told, Flow { region: others, course: Course::default() }])
    }

    /// The packets of a flow that have a connection by now, and the others.
    fn by_tracking(&mut self, flow: Flow) -> Result<Vec<(Flow, bool)>, Unknown> {
        if flow.course.made.is_untracked {
            return Ok(vec![(flow, false)]);
        }
        let untracked = self.space.within(&flow.region, &Constraint::unconnected());
        let tracked = self.difference(&flow.region, &untracked)?;
        let parts = [(untracked, false), (tracked, true)].into_iter();
        let parts = parts.filter(|(region, _)| !self.space.is_empty(region));
        let flow =
            |(region, is_tracked)| (Flow { region, course: flow.course.clone() }, is_tracked);
        Ok(parts.map(flow).collect())
    }

    /// What packets were at first that are in a region after this was made of them.
    fn before(&mut self, region: &Region, made: &Made) -> Result<Region, Unknown> {
        let space = self.space;
        let mut region = region.clone();
        if made.is_untracked {
            let packets = self.packets(&region)?;
            let packets = space.within(&packets, &state(CtState::Untracked));
            let fields = Change::Untracked.fields();
            region = space.freed(&packets, |field| fields.contains(&field));
        }
        if let Some(dscp) = made.dscp {
            let classed = space.within(&region, &Constraint::dscp(dscp));
            region = space.freed(&classed, |field| field == Field::Dscp);
        }
        if let Some(mark) = made.connection.as_match() {
            let marked = space.within(&region, &Constraint::connection_mark(mark));
            region = space.freed_mark(&marked, Field::ConnectionMark, mark.mask());
        }
        if let Some(mark) = made.mark.as_match() {
            let marked = space.within(&region, &Constraint::mark(mark));
            region = space.freed_mark(&marked, Field::Mark, mark.mask());
        }
        let copied = (0..u32::BITS).map(|bit| 1 << bit);
        for bit in copied.filter(|bit| made.mark.copied & bit != 0) {
            region = self.before_copied(region, bit)?;
        }
        self.checked(region)
    }

    /// The same for one bit of the mark that was the connection's.
    fn before_copied(&mut self, region: Region, bit: u32) -> Result<Region, Unknown> {
        let space = self.space;
        let freed = space.freed_mark(&region, Field::Mark, bit);
        if freed == region {
            return Ok(region); // Nobody asks.
        }
        let mut before = Region::default();
        for mark in [bit_of(bit, false), bit_of(bit, true)].into_iter().flatten() {
            let marked = space.within(&region, &Constraint::mark(mark));
            let free = space.freed_mark(&marked, Field::Mark, bit);
            before =
                self.union(&before, &space.within(&free, &Constraint::connection_mark(mark)))?;
        }
        Ok(before)
    }

    /// A packet of a region that shows that two courses are apart.
    fn showing(&mut self, region: &Region, apart: &[Apart]) -> Result<Option<Packet>, Unknown> {
        for one in apart {
            let without = self.unlike(region, one.unless)?;
            let packets = self.packets(&without)?;
            if let Some(point) = self.space.first(&packets) {
                return Ok(Some(self.space.packet(&point)));
            }
        }
        Ok(None)
    }

    /// The packets of a region that show it.
    fn unlike(&mut self, region: &Region, unless: Unless) -> Result<Region, Unknown> {
        let space = self.space;
        let constraint = match unless {
            Unless::Never => return Ok(region.clone()),
            Unless::Mark(mark) => Constraint::mark(mark),
            Unless::ConnectionMark(mark) => Constraint::connection_mark(mark),
            Unless::Dscp(dscp) => Constraint::dscp(dscp),
            Unless::Untracked => state(CtState::Untracked),
            Unless::SameMarks(mask) => {
                let mut unlike = Region::default();
                let bits = (0..u32::BITS).map(|bit| 1 << bit).filter(|bit| mask & bit != 0);
                for (bit, is_set) in bits.flat_map(|bit| [(bit, false), (bit, true)]) {
                    let (Some(one), Some(other)) = (bit_of(bit, is_set), bit_of(bit, !is_set))
                    else {
                        continue;
                    };
                    let one = space.within(region, &Constraint::mark(one));
                    let part = space.within(&one, &Constraint::connection_mark(other));
                    unlike = self.union(&unlike, &part)?;
                }
                return Ok(unlike);
            }
        };
        let same = space.within(region, &constraint);
        self.difference(region, &same)
    }
}
