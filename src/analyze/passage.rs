//! The way of regions of packets through all tables: as far as a chain of the filter, and from there on.
//!
//! In goes one chain of the filter, and sets that questions will be about; all that packets meet on their
//! way is put into one space. Out come regions: what comes to the chain of those that are sent, as it
//! is then (translated, marked, tracked or not), and what is stopped before. Nothing is lost: where what
//! becomes of a region is not known to the point, more comes out, never less. So what is proved of what comes
//! to the chain holds of all that is sent; and who finds a packet that breaks a promise has it walk by itself.

mod behind;
mod changed;
mod moving;
mod walk;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::flat::{FIRST_FRAGMENT, Flat, are_too_many, of_first_fragments, ways};
use super::list::RuleList;
use super::work::Allowance;
use crate::meaning::{BaseChain, Entry, List, Meaning};
use crate::net::address::parse_addresses;
use crate::net::{Addresses, CtState, CtStates, Family, Interface};
use crate::packet::{
    Budget, Constraint, Factor, Field, PacketSet, Product, Region, RuleNumber, Space, opaque,
};
use crate::resolve::policy::{ChainId, Docker, Hook};

use changed::{copied_mask, results, same_borders, unasked};
use moving::Moving;
use walk::Chain;

pub use walk::refuses;

/// So many pieces of packets are held to entries on the way, in all questions together; beyond, it is too much
/// work.
const MOST_PIECES: usize = 150_000;

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
    /// Those behind it, of which some may stop packets.
    behind: Vec<(BaseChain, Chain<'m>)>,
    /// Those that they call.
    called: BTreeMap<ChainId, Chain<'m>>,
    /// The translations on the way; `None` where it is not known what they make of packets.
    moving: Option<Moving>,
    /// What was asked about.
    pub asked: Vec<Region>,
    /// Pieces that may still be held to entries.
    looking: Allowance,
}

/// What comes of a region that is sent.
#[derive(Debug, Default)]
pub struct Passed<'m> {
    /// Comes to the filter.
    pub arriving: Vec<Arriving<'m>>,
    /// Is stopped before it.
    pub stopped: Vec<Stopped<'m>>,
    /// Meets an entry with limits that may send it another way than those without room.
    pub limited: Vec<(Region, &'m Entry)>,
    /// Whether more is in it than comes: what rules make of some packets is not known.
    pub is_vague: bool,
}

/// What is stopped by an entry of a chain, or may be: where it has limits, or what it does is not known.
pub type Stopped<'m> = (Region, BaseChain, &'m Entry);

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

/// Whether rules ask for hops before a packet is routed. The router takes one off, and a space has one number
/// of hops for a packet.
fn asks_for_hops(meaning: &Meaning, family: Family, before: &[(BaseChain, &List)]) -> bool {
    let unrouted = before.iter().filter(|(base, _)| {
        matches!(
            base,
            BaseChain::RawPrerouting | BaseChain::ManglePrerouting | BaseChain::NatPrerouting
        )
    });
    let lists = || unrouted.clone().map(|(_, list)| *list);
    let called = called_by(meaning, family, lists());
    let mut entries = lists().chain(called.into_values()).flat_map(|list| &list.entries);
    entries.any(|entry| entry.set.speaks_of(|field| field == Field::Ttl))
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
        let bases = chains_before(hook).iter().copied();
        let before: Vec<(BaseChain, &List)> =
            bases.filter_map(|base| Some((base, meaning.base(family, base)?))).collect();
        let behind = behind::stopping(meaning, family, hook);
        if hook == Hook::Forward && asks_for_hops(meaning, family, &before) {
            return None;
        }
        let on_the_way = || before.iter().chain(&behind).map(|(_, list)| *list);
        if on_the_way().any(|list| ways::are_too_many(meaning, family, list)) {
            return None;
        }
        let called = called_by(meaning, family, on_the_way());
        let lists = || on_the_way().chain(called.values().copied());
        let entries = || lists().flat_map(|list| &list.entries);
        let met = || entries().map(|entry| &entry.set);
        let copies: Vec<u32> = entries().filter_map(|entry| copied_mask(&entry.effect)).collect();
        let all_met = flat.steps.iter().map(|step| &*step.may).chain(met());
        let unasked = unasked(all_met, !copies.is_empty());
        let known = |set: &PacketSet| {
            let set = set.widened(|field| !unasked.contains(&field));
            if flat.sees_fragments {
                // Who asks for ports does not ask for later fragments, which have none.
                of_first_fragments(Cow::Owned(set)).into_owned()
            } else {
                set
            }
        };
        let mut sets: Vec<PacketSet> = asked.iter().map(known).chain(met().cloned()).collect();
        let mut borders: Vec<PacketSet> = sets.iter().map(PacketSet::before_translation).collect();
        // What Docker sends on has a hop left.
        let by_docker = before.iter().any(|(base, _)| *base == BaseChain::DockerUser);
        let alive = by_docker.then(|| Constraint::ttl_from(1));
        let apart = told_apart(family).chain(alive).map(|one| product([one]));
        borders.push(PacketSet::of(family, apart));
        borders.extend(entries().map(|entry| results(family, &entry.effect, &unasked)));
        sets.extend(borders.into_iter().filter(|set| !set.is_empty()));
        if !unasked.contains(&Field::Mark) {
            let steps = flat.steps.iter().map(|step| &*step.may);
            let same = same_borders(family, steps.chain(&sets), &copies);
            sets.extend(same);
        }
        if are_too_many(flat.steps.iter().map(|step| &*step.may).chain(&sets)) {
            return None;
        }
        let list = flat.list_with(budget, &sets.iter().collect::<Vec<_>>());
        let steps = flat.steps.len();
        let region = |number: usize| list.may(number_of(steps + number));
        let mut place = asked.len()..;
        let mut chain = |of: &'m List| {
            let entries = of.entries.iter().zip(place.by_ref().map(region)).collect();
            Chain::of(list.space(), entries, of.default.as_ref())
        };
        let mut chains = |lists: Vec<(BaseChain, &'m List)>| -> Vec<_> {
            lists.into_iter().map(|(base, list)| (base, chain(list))).collect()
        };
        let (before, behind) = (chains(before), chains(behind));
        let called: BTreeMap<ChainId, Chain<'m>> =
            called.into_iter().map(|(id, list)| (id, chain(list))).collect();
        let on_the_way = before.iter().map(|(_, chain)| chain).chain(called.values());
        let moving = Moving::of(list.space(), on_the_way);
        let asked = (0..asked.len()).map(region).collect();
        let looking = Allowance::of(MOST_PIECES);
        Some(Passage { hook, family, flat, list, before, behind, called, moving, asked, looking })
    }

    /// Counts pieces that are looked at.
    fn look_at(&self, pieces: usize) -> Result<(), TooMuch> {
        self.looking.spend(pieces).ok_or(TooMuch)
    }

    pub fn space(&self) -> &Space {
        self.list.space()
    }

    /// The packets that differ from those of a region in what rules before the filter may change only.
    pub fn whatever_changed(&self, region: &Region) -> Region {
        let chains = self.before.iter().map(|(_, chain)| chain).chain(self.called.values());
        let changes = chains.flat_map(Chain::entries).flat_map(|entry| entry.effect.changes());
        let changed: BTreeSet<Field> = changes.copied().collect();
        let region = self.space().freed(region, |field| changed.contains(&field));
        // Which fragment it is stays so.
        let is_free = |text: &str| !opaque::is_known(text) && text != FIRST_FRAGMENT;
        self.space().freed_facts(&region, is_free)
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

    /// What comes of packets that are sent and translations may send to others: of all of them, or of more.
    pub fn pass_to(&self, sent: &Region, to: &Region) -> Result<Passed<'m>, TooMuch> {
        match &self.moving {
            Some(moving) => self.pass(&moving.sent_to(self.space(), sent, &self.routed(to))),
            None => self.pass(sent),
        }
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
            for mut arriving in std::mem::take(&mut passed.arriving) {
                arriving.region = self.change(*base, chain, &arriving.region, &mut passed)?;
                if arriving.by.is_none() {
                    arriving.sent = arriving.region.clone();
                }
                passed.arriving.push(arriving);
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

    /// What Docker may send to its containers of packets to this machine, and is left to do so: its own rules
    /// are not known, so it may publish any port.
    pub fn published(&self, docker: &Docker, sent: &Region) -> Result<Region, TooMuch> {
        let mut passed = Passed::default();
        let mut region = sent.clone();
        let mut is_moved = false;
        for (base, chain) in &self.before {
            if base.is_nat() {
                passed.arriving = vec![Arriving { sent: region.clone(), region, by: None }];
                self.translate_all(*base, chain, &mut passed)?;
                region = Region::default();
                let left = passed.arriving.iter().filter(|arriving| arriving.by.is_none());
                left.for_each(|arriving| region.append(&arriving.region));
                continue;
            }
            let is_routed = matches!(base, BaseChain::MangleForward | BaseChain::DockerUser);
            if is_routed && !std::mem::replace(&mut is_moved, true) {
                region = self.to_containers(docker, &region);
            }
            region = self.change(*base, chain, &region, &mut passed)?;
        }
        // More comes out than comes: nothing is shown of it that may not be so.
        if passed.is_vague {
            return Err(TooMuch);
        }
        Ok(if is_moved { region } else { Region::default() })
    }

    /// The packets of a region that are routed to the chain. What goes to a group comes to this machine, and may
    /// be sent on too.
    fn routed(&self, region: &Region) -> Region {
        let space = self.space();
        let to_group = |region: &Region| space.within(region, &to(self.family, &GROUPS));
        let elsewhere = space.within(region, &Constraint::not_to_local());
        match self.hook {
            Hook::Input => {
                let own = space.within(region, &Constraint::to_local());
                space.union(&own, &to_group(&elsewhere))
            }
            Hook::Forward => {
                let on_link = space.within(&elsewhere, &to(self.family, &GROUPS_OF_LINK));
                space.difference(&elsewhere, &on_link)
            }
            Hook::Output => region.clone(),
        }
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

/// Some networks together.
pub fn networks(all: &[&str]) -> Addresses {
    let read = |net: &&str| parse_addresses(net).ok().map(|parsed| parsed.addresses);
    let all: Vec<Addresses> = all.iter().filter_map(read).collect();
    Addresses::union_all(all.iter())
}

/// Packets to some networks.
fn to(family: Family, nets: &[&str]) -> Constraint {
    Constraint::destination(family, &networks(nets))
}

fn to_loopback() -> Constraint {
    Constraint::outgoing(&[Interface::loopback()])
}

/// Destinations that are no address of a machine and come to it all the same.
pub const GROUPS: [&str; 3] = ["224.0.0.0/4", "255.255.255.255/32", "ff00::/8"];

/// Those of them that no router sends on.
pub const GROUPS_OF_LINK: [&str; 4] =
    ["224.0.0.0/24", "255.255.255.255/32", "ff00::/15", "ff02::/16"];

/// What is told apart on every way.
fn told_apart(family: Family) -> impl Iterator<Item = Constraint> {
    let states = [CtState::Untracked, CtState::New, CtState::Invalid, CtState::Established];
    let states = states.into_iter().map(state);
    let first = Constraint::state([CtState::New, CtState::Related].into_iter().collect());
    let others = [Constraint::to_local(), Constraint::translated(), by_loopback(), to_loopback()];
    let groups = [to(family, &GROUPS), to(family, &GROUPS_OF_LINK)];
    states.chain([first, Constraint::unconnected()]).chain(groups).chain(others)
}
