//! The way of regions of packets through all tables, as far as a chain of the filter.
//!
//! In goes one chain of the filter, and sets that questions will be about; all that packets meet on their
//! way there is put into one space. Out come regions: what comes to the chain of those that are sent, as it
//! is then (translated, marked, tracked or not), and what is stopped before. Nothing is lost: where what
//! becomes of a region is not known to the point, more comes out, never less. So what is proved of what comes
//! to the chain holds of all that is sent; and who finds a packet that breaks a promise has it walk by itself.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::flat::{Flat, are_too_many, of_first_fragments, ways};
use super::list::RuleList;
use crate::meaning::{BaseChain, Change, Decision, Effect, Entry, List, Meaning, Translation};
use crate::net::{Addresses, CtState, CtStates, Family, Interface, MarkMatch, Ports, Prefix};
use crate::packet::opaque::SetSide;
use crate::packet::{
    Budget, Constraint, Factor, Field, PacketSet, Product, Region, RuleNumber, Space, opaque,
};
use crate::resolve::policy::{ChainId, Hook};

/// Beyond so many boxes a region is too much work.
const MOST_BOXES: usize = 20_000;

/// Chains before the filter that call each other deeper than this are too much work.
const MOST_NESTED: usize = 64;

/// Too much work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMuch;

/// All that packets meet on the way to one chain of the filter.
pub struct Passage<'m> {
    pub hook: Hook,
    pub family: Family,
    pub flat: Flat<'m>,
    pub list: RuleList,
    /// The chains before it, in order.
    before: Vec<(BaseChain, Chain<'m>)>,
    /// Those that they call.
    called: BTreeMap<ChainId, Chain<'m>>,
    /// What was asked about.
    pub asked: Vec<Region>,
}

/// A chain before the filter: each entry with its packets.
struct Chain<'m> {
    entries: Vec<(&'m Entry, Region)>,
    default: Option<&'m Entry>,
}

/// What comes of a region that is sent.
#[derive(Debug, Default)]
pub struct Passed<'m> {
    /// Comes to the filter.
    pub arriving: Vec<Arriving<'m>>,
    /// Is stopped before it.
    pub stopped: Vec<(Region, BaseChain, &'m Entry)>,
}

/// What comes to the filter in one way.
#[derive(Debug, Clone)]
pub struct Arriving<'m> {
    pub region: Region,
    /// The translation on the way, if there was one.
    pub by: Option<&'m Entry>,
    /// As it was before that translation.
    pub sent: Region,
}

/// The chains before a chain of the filter, in the order of the kernel.
fn chains_before(hook: Hook) -> &'static [BaseChain] {
    match hook {
        Hook::Input => &[
            BaseChain::RawPrerouting,
            BaseChain::ManglePrerouting,
            BaseChain::NatPrerouting,
            BaseChain::MangleInput,
        ],
        Hook::Forward => &[
            BaseChain::RawPrerouting,
            BaseChain::ManglePrerouting,
            BaseChain::NatPrerouting,
            BaseChain::MangleForward,
            BaseChain::DockerUser,
        ],
        Hook::Output => &[BaseChain::RawOutput, BaseChain::MangleOutput, BaseChain::NatOutput],
    }
}

/// What becomes of a region on its way through one chain before the filter.
struct Changing<'p, 'm> {
    base: BaseChain,
    stopped: &'p mut Vec<(Region, BaseChain, &'m Entry)>,
    /// What has another destination by it.
    moved: Vec<Arriving<'m>>,
    /// What the chain lets through to the next table.
    through: Region,
    /// Whether conntrack may have been told something.
    is_told: bool,
}

/// The chains that some lead to.
fn called_by<'m>(
    meaning: &'m Meaning,
    family: Family,
    bases: impl Iterator<Item = &'m List>,
) -> BTreeMap<ChainId, &'m List> {
    let mut called = BTreeMap::new();
    let mut open: Vec<&List> = bases.collect();
    while let Some(list) = open.pop() {
        for id in list.entries.iter().filter_map(|entry| entry.effect.chain()) {
            if let Some(list) = meaning.chain(family, id)
                && called.insert(id, list).is_none()
            {
                open.push(list);
            }
        }
    }
    called
}

/// The translation that a decision is, if it gives packets another destination.
fn moving(decision: &Decision) -> Option<&Translation> {
    let Decision::Translate(translation) = decision else { return None };
    match &**translation {
        Translation::Destination { .. }
        | Translation::Redirect { .. }
        | Translation::Netmap { .. } => Some(translation),
        Translation::Exempt | Translation::Masquerade | Translation::Source { .. } => None,
    }
}

/// Whether packets do not go on to the next table, as far as is known.
fn refuses(effect: &Effect) -> bool {
    matches!(effect, Effect::Decide(Decision::Drop | Decision::Reject(_) | Decision::Unknown(_)))
}

impl<'m> Passage<'m> {
    /// `None` when the family has no such chain, or more ways lead through it, or through one before it, than are
    /// looked at, or its rules ask for what others of it changed: what comes to it is known as it comes.
    pub fn of(
        meaning: &'m Meaning,
        family: Family,
        hook: Hook,
        asked: &[PacketSet],
        budget: Budget,
    ) -> Option<Self> {
        let flat = Flat::of(meaning, family, hook.into()).filter(Flat::is_whole)?;
        if flat.asks_for_changes() {
            return None;
        }
        let whole = |set: &PacketSet| {
            if flat.sees_fragments {
                // Who asks for ports does not ask for later fragments, which have none.
                of_first_fragments(Cow::Borrowed(set)).into_owned()
            } else {
                set.clone()
            }
        };
        let mut sets: Vec<PacketSet> = asked.iter().map(whole).collect();
        let bases = || chains_before(hook).iter().copied();
        let before: Vec<(BaseChain, &List)> =
            bases().filter_map(|base| Some((base, meaning.base(family, base)?))).collect();
        if before.iter().any(|(_, list)| ways::are_too_many(meaning, family, list)) {
            return None;
        }
        let called = called_by(meaning, family, before.iter().map(|(_, list)| *list));
        let lists = || before.iter().map(|(_, list)| *list).chain(called.values().copied());
        let entries = || lists().flat_map(|list| &list.entries);
        sets.extend(entries().map(|entry| entry.set.clone()));
        let mut borders: Vec<PacketSet> = sets.iter().map(PacketSet::before_translation).collect();
        borders.push(PacketSet::of(family, told_apart(family).map(|one| product([one]))));
        borders.extend(entries().map(|entry| results(family, &entry.effect)));
        sets.extend(borders.into_iter().filter(|set| !set.is_empty()));
        if are_too_many(flat.steps.iter().map(|step| &*step.may).chain(&sets)) {
            return None;
        }
        let list = flat.list_with(budget, &sets.iter().collect::<Vec<_>>());
        let steps = flat.steps.len();
        let region = |number: usize| list.may(number_of(steps + number));
        let mut place = asked.len()..;
        let mut chain = |list: &'m List| Chain {
            entries: list.entries.iter().zip(place.by_ref().map(region)).collect(),
            default: list.default.as_ref(),
        };
        let before = before.into_iter().map(|(base, list)| (base, chain(list))).collect();
        let called = called.into_iter().map(|(id, list)| (id, chain(list))).collect();
        let asked = (0..asked.len()).map(region).collect();
        Some(Passage { hook, family, flat, list, before, called, asked })
    }

    pub fn space(&self) -> &Space {
        self.list.space()
    }

    /// The packets of a region that this machine has with itself, or the others.
    pub fn over_loopback(&self, region: &Region, is_looped: bool) -> Region {
        let space = self.space();
        let looped = match self.hook {
            Hook::Input | Hook::Forward => space.within(region, &by_loopback()),
            Hook::Output => space.within(region, &to_loopback()),
        };
        if is_looped { looped } else { space.difference(region, &looped) }
    }

    /// What comes of packets that are sent, as they are then.
    pub fn pass(&self, sent: &Region) -> Result<Passed<'m>, TooMuch> {
        let mut passed = Passed::default();
        passed.arriving.push(Arriving { region: sent.clone(), by: None, sent: sent.clone() });
        for (base, chain) in &self.before {
            if base.is_nat() {
                self.translate_all(*base, chain, &mut passed)?;
                continue;
            }
            for arriving in &mut passed.arriving {
                let region = std::mem::take(&mut arriving.region);
                arriving.region = self.change(*base, chain, region, &mut passed.stopped)?;
                if arriving.by.is_none() {
                    arriving.sent = arriving.region.clone();
                }
            }
        }
        // What is for this machine, and what is not, has parted where it was routed.
        for arriving in &mut passed.arriving {
            arriving.region = self.routed(&arriving.region);
        }
        passed.arriving.retain(|arriving| !self.space().is_empty(&arriving.region));
        passed.stopped.retain(|(region, ..)| !self.space().is_empty(region));
        Ok(passed)
    }

    /// The packets of a region that are routed to the chain. What goes to a group comes to this machine.
    fn routed(&self, region: &Region) -> Region {
        let space = self.space();
        let to_group = |region: &Region| space.within(region, &to_groups(self.family));
        let elsewhere = space.within(region, &Constraint::not_to_local());
        match self.hook {
            Hook::Input => {
                let own = space.within(region, &Constraint::to_local());
                space.union(&own, &to_group(&elsewhere))
            }
            Hook::Forward => space.difference(&elsewhere, &to_group(&elsewhere)),
            Hook::Output => region.clone(),
        }
    }

    /// Through a chain that changes packets or refuses them. What decides otherwise than by letting them
    /// on stops them.
    fn change(
        &self,
        base: BaseChain,
        chain: &Chain<'m>,
        region: Region,
        stopped: &mut Vec<(Region, BaseChain, &'m Entry)>,
    ) -> Result<Region, TooMuch> {
        let mut changing = Changing {
            base,
            stopped,
            moved: Vec::new(),
            through: Region::default(),
            is_told: false,
        };
        let on = self.walk(chain, region, &mut changing, MOST_NESTED)?;
        let through = self.by_default(chain, on, &mut changing);
        // What a raw rule asks may be answered otherwise by the next table.
        let is_lasting = |text: &str| opaque::is_fixed(text) || opaque::is_of_membership(text);
        Ok(self.space().freed_facts(&through, |text| !is_lasting(text)))
    }

    /// What goes through where the default of a chain decides the rest.
    fn by_default(&self, chain: &Chain<'m>, on: Region, changing: &mut Changing<'_, 'm>) -> Region {
        let through = std::mem::take(&mut changing.through);
        match chain.default {
            Some(default) if refuses(&default.effect) => {
                changing.stopped.push((on, changing.base, default));
                through
            }
            Some(_) | None => self.space().union(&through, &on),
        }
    }

    /// What comes to the end of a chain, or leaves it.
    fn walk(
        &self,
        chain: &Chain<'m>,
        region: Region,
        changing: &mut Changing<'_, 'm>,
        nested: usize,
    ) -> Result<Region, TooMuch> {
        let space = self.space();
        let (mut here, mut left) = (region, Region::default());
        for (entry, own) in &chain.entries {
            let met = space.intersection(&here, own);
            if space.is_empty(&met) {
                continue;
            }
            let is_certain = entry.limits.is_empty();
            let rest = if is_certain { space.difference(&here, own) } else { here.clone() };
            here = match &entry.effect {
                Effect::Change(Change::Untracked) => {
                    // Conntrack is told once, and may have been told something else.
                    let rest = if changing.is_told { here } else { rest };
                    space.union(&rest, &self.untracked(&met))
                }
                Effect::Change(change) => {
                    changing.is_told |= matches!(change, Change::Helper(_));
                    space.union(&rest, &self.changed(&met, *change))
                }
                Effect::Opaque { changes, .. } => {
                    space.union(&rest, &space.freed(&met, |field| changes.contains(&field)))
                }
                Effect::Add { set, .. } => space.union(&rest, &self.added(&met, set)),
                Effect::Continue => here,
                Effect::Return => {
                    left = space.union(&left, &met);
                    rest
                }
                Effect::Call(to) => {
                    let (to, nested) = self.nested(*to, nested)?;
                    space.union(&rest, &self.walk(to, met, changing, nested)?)
                }
                Effect::Goto(to) => {
                    let (to, nested) = self.nested(*to, nested)?;
                    left = space.union(&left, &self.walk(to, met, changing, nested)?);
                    rest
                }
                effect @ Effect::Decide(_) if refuses(effect) => {
                    changing.stopped.push((met, changing.base, entry));
                    rest
                }
                Effect::Decide(decision) => {
                    match moving(decision) {
                        Some(translation) => {
                            let region = self.translated(&met, translation);
                            self.check(&region)?;
                            changing.moved.push(Arriving { region, by: Some(entry), sent: met });
                        }
                        None => changing.through = space.union(&changing.through, &met),
                    }
                    rest
                }
            };
            self.check(&here)?;
            self.check(&left)?;
        }
        Ok(space.union(&left, &here))
    }

    /// A chain that is called, and how deep others may be called from it.
    fn nested(&self, to: ChainId, nested: usize) -> Result<(&Chain<'m>, usize), TooMuch> {
        let chain = self.called.get(&to).ok_or(TooMuch)?;
        Ok((chain, nested.checked_sub(1).ok_or(TooMuch)?))
    }

    /// The packets of a region whose sources were taken up into a set.
    fn added(&self, region: &Region, set: &str) -> Region {
        let members = [SetSide::Source, SetSide::Destination].map(|side| opaque::member(side, set));
        self.space().freed_facts(region, |text| members.iter().any(|member| **member == *text))
    }

    /// The packets of a region as a statement leaves them.
    fn changed(&self, region: &Region, change: Change) -> Region {
        let space = self.space();
        let marked = |region: &Region, field, mark: MarkMatch| {
            let free = space.freed_mark(region, field, mark.mask());
            space.within(&free, &of_mark(field, mark))
        };
        match change {
            Change::Mark(mark) => marked(region, Field::Mark, mark),
            Change::StickyMark(mark) => {
                let region = marked(region, Field::Mark, mark);
                marked(&region, Field::ConnectionMark, mark)
            }
            Change::ConnectionMark(mark) => marked(region, Field::ConnectionMark, mark),
            Change::RestoredMark(mask) => space.freed_mark(region, Field::Mark, mask),
            Change::Dscp(dscp) => {
                let free = space.freed(region, |field| field == Field::Dscp);
                space.within(&free, &Constraint::dscp(dscp))
            }
            Change::Untracked => self.untracked(region),
            Change::Mss(_) | Change::Helper(_) => region.clone(),
        }
    }

    /// The packets of a region when conntrack is told not to see them: too late for those that it saw
    /// before they came in (`Packet::was_tracked_before`).
    fn untracked(&self, region: &Region) -> Region {
        let space = self.space();
        let known = space.within_all(region, &Constraint::tracked_before());
        let gone = |field| matches!(field, Field::State | Field::ConnectionMark);
        let free = space.freed(&space.difference(region, &known), gone);
        space.union(&known, &space.within(&free, &state(CtState::Untracked)))
    }

    /// Through nat, which only the first packets of connections meet.
    fn translate_all(
        &self,
        base: BaseChain,
        chain: &Chain<'m>,
        passed: &mut Passed<'m>,
    ) -> Result<(), TooMuch> {
        let space = self.space();
        let first = Constraint::state([CtState::New, CtState::Related].into_iter().collect());
        let mut arriving = Vec::new();
        for one in std::mem::take(&mut passed.arriving) {
            // What this machine sends to itself is not asked about when it comes in again.
            let asked = match self.hook {
                Hook::Input | Hook::Forward => {
                    let looped = space.within(&one.region, &by_loopback());
                    space.difference(&space.within(&one.region, &first), &looped)
                }
                Hook::Output => space.within(&one.region, &first),
            };
            let aside = space.difference(&one.region, &asked);
            let stopped = &mut passed.stopped;
            let moved = Vec::new();
            let mut changing = Changing { base, stopped, moved, through: aside, is_told: false };
            let on = self.walk(chain, asked, &mut changing, MOST_NESTED)?;
            let region = self.by_default(chain, on, &mut changing);
            arriving.append(&mut changing.moved);
            arriving.push(Arriving { sent: region.clone(), region, by: None });
        }
        passed.arriving = arriving;
        Ok(())
    }

    /// The packets of a region with another destination.
    fn translated(&self, region: &Region, translation: &Translation) -> Region {
        let space = self.space();
        let moved = |region: &Region| {
            let moved = space.copied(region, Field::Destination, Field::OriginalDestination);
            space.copied(&moved, Field::DestinationPort, Field::OriginalPort)
        };
        let is_output = self.hook == Hook::Output;
        let free = |region: &Region, port: bool| {
            space.freed(region, |field| match field {
                Field::Destination | Field::ToLocal | Field::Translated => true,
                // What this machine sends keeps the interface of its first route.
                Field::Outgoing => !is_output,
                Field::DestinationPort => port,
                _ => false,
            })
        };
        let to = |addresses: Addresses| Constraint::destination(self.family, &addresses);
        match translation {
            Translation::Destination { address, port } => {
                let mut new = vec![to(Addresses::single(*address))];
                new.extend(port.map(|port| Constraint::destination_port(&Ports::single(port))));
                // What was sent there is what it was.
                let kept = space.within_all(region, &new);
                let free = free(&moved(&space.difference(region, &kept)), port.is_some());
                new.extend([Constraint::translated(), Constraint::not_to_local()]);
                space.union(&space.within_all(&free, &new), &kept)
            }
            Translation::Netmap { to: inside, .. } => {
                let all =
                    [Constraint::translated(), to((*inside).into()), Constraint::not_to_local()];
                space.within_all(&free(&moved(region), false), &all)
            }
            Translation::Redirect { port } => {
                let new = Constraint::destination_port(&Ports::single(*port));
                let all = [Constraint::translated(), Constraint::to_local(), new.clone()];
                let changed = space.within_all(&free(&moved(region), true), &all);
                // What was sent to that port of that address is what it was.
                space.union(&changed, &space.within_all(region, &[Constraint::to_local(), new]))
            }
            Translation::Exempt | Translation::Masquerade | Translation::Source { .. } => {
                region.clone()
            }
        }
    }

    /// Whether a region is in so few boxes that one may go on with it.
    pub fn check(&self, region: &Region) -> Result<(), TooMuch> {
        if self.space().count(region) > MOST_BOXES { Err(TooMuch) } else { Ok(()) }
    }
}

fn number_of(place: usize) -> RuleNumber {
    RuleNumber(u32::try_from(place).unwrap_or(u32::MAX))
}

fn product(all: impl IntoIterator<Item = Constraint>) -> Product {
    // One condition contradicts nothing.
    Product::of([Factor::all(all)]).unwrap_or_else(|| unreachable!("a condition that can hold"))
}

fn state(state: CtState) -> Constraint {
    let one: CtStates = [state].into_iter().collect();
    Constraint::state(one)
}

/// Packets that come in on lo.
fn by_loopback() -> Constraint {
    Constraint::incoming(&[Interface::loopback()])
}

/// Packets to multicast and broadcast addresses.
fn to_groups(family: Family) -> Constraint {
    let read = |net: &&str| crate::net::address::parse_addresses(net).ok();
    let nets: Vec<Addresses> =
        GROUPS.iter().filter_map(read).map(|parsed| parsed.addresses).collect();
    Constraint::destination(family, &Addresses::union_all(nets.iter()))
}

fn to_loopback() -> Constraint {
    Constraint::outgoing(&[Interface::loopback()])
}

fn of_mark(field: Field, mark: MarkMatch) -> Constraint {
    if field == Field::Mark { Constraint::mark(mark) } else { Constraint::connection_mark(mark) }
}

/// Destinations that are no address of a machine and come to it all the same.
pub const GROUPS: [&str; 3] = ["224.0.0.0/4", "255.255.255.255/32", "ff00::/8"];

/// What is told apart on every way.
fn told_apart(family: Family) -> impl Iterator<Item = Constraint> {
    let states = [CtState::Untracked, CtState::New, CtState::Invalid, CtState::Established];
    let states = states.into_iter().map(state);
    let first = Constraint::state([CtState::New, CtState::Related].into_iter().collect());
    let others = [Constraint::to_local(), Constraint::translated(), by_loopback(), to_loopback()];
    states.chain([first, Constraint::unconnected(), to_groups(family)]).chain(others)
}

/// What packets can be after an entry, so that the space knows it.
fn results(family: Family, effect: &Effect) -> PacketSet {
    let destination = |prefix: Prefix| Constraint::destination(family, &prefix.into());
    let port = |port: u16| Constraint::destination_port(&Ports::single(port));
    let all: Vec<Constraint> = match effect {
        Effect::Change(Change::Mark(mark)) => vec![Constraint::mark(*mark)],
        Effect::Change(Change::StickyMark(mark)) => {
            vec![Constraint::mark(*mark), Constraint::connection_mark(*mark)]
        }
        Effect::Change(Change::ConnectionMark(mark)) => vec![Constraint::connection_mark(*mark)],
        Effect::Change(Change::RestoredMark(mask)) => {
            MarkMatch::new(0, *mask).map(Constraint::mark).into_iter().collect()
        }
        Effect::Change(Change::Dscp(dscp)) => vec![Constraint::dscp(*dscp)],
        Effect::Decide(Decision::Translate(translation)) => match **translation {
            Translation::Destination { address, port: new } => {
                let to = Constraint::destination(family, &Addresses::single(address));
                std::iter::once(to).chain(new.map(port)).collect()
            }
            Translation::Redirect { port: new } => vec![port(new)],
            Translation::Netmap { to, .. } => vec![destination(to)],
            Translation::Exempt | Translation::Masquerade | Translation::Source { .. } => {
                Vec::new()
            }
        },
        Effect::Change(Change::Mss(_) | Change::Untracked | Change::Helper(_))
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
    PacketSet::of(family, all.into_iter().map(|one| product([one])))
}
