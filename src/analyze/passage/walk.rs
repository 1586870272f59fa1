//! The walk of regions through the chains before the filter, and behind it.

use std::collections::BTreeMap;

use super::{Arriving, Passage, Passed, TooMuch, by_loopback};
use crate::meaning::{BaseChain, Change, Decision, Effect, Entry, Translation};
use crate::net::CtState;
use crate::packet::{Among, Constraint, Field, Index, Region, RuleNumber, Space, opaque};
use crate::resolve::policy::{ChainId, Hook};

/// Chains before the filter that call each other deeper than this are too much work.
const MOST_NESTED: usize = 64;

/// A chain before the filter or behind it: each entry with its packets.
pub(super) struct Chain<'m> {
    entries: Vec<(&'m Entry, Region)>,
    default: Option<&'m Entry>,
    /// The entries by their places.
    index: Index,
}

impl<'m> Chain<'m> {
    pub fn of(
        space: &Space,
        entries: Vec<(&'m Entry, Region)>,
        default: Option<&'m Entry>,
    ) -> Self {
        let regions = entries.iter().map(|(_, region)| region);
        let index = Index::of_packets(space, (0..).map(RuleNumber).zip(regions));
        Chain { entries, default, index }
    }

    pub fn entries(&self) -> impl Iterator<Item = &'m Entry> {
        self.with_regions().map(|(entry, _)| entry)
    }

    /// Each entry with where it matches.
    pub fn with_regions(&self) -> impl Iterator<Item = (&'m Entry, &Region)> {
        self.entries.iter().map(|(entry, region)| (*entry, region))
    }
}

/// Packets on their way through a chain, each piece of them at the entry that it meets next.
struct Waiting<'c, 'm> {
    space: &'c Space,
    chain: &'c Chain<'m>,
    pieces: BTreeMap<RuleNumber, Region>,
    /// What meets no other entry.
    on: Region,
}

impl Waiting<'_, '_> {
    fn add(&mut self, region: &Region, among: Among) {
        for one in self.space.boxes(region) {
            match self.chain.index.first_meeting(one, among) {
                Some(number) => self.pieces.entry(number).or_default().push(one),
                None => self.on.push(one),
            }
        }
    }
}

/// What becomes of a region on its way through one chain before the filter.
struct Changing<'p, 'm> {
    base: BaseChain,
    passed: &'p mut Passed<'m>,
    /// What has another destination by it.
    moved: Vec<Arriving<'m>>,
    /// What the chain lets through to the next table.
    through: Region,
    /// Whether conntrack may have been told something.
    is_told: bool,
}

impl Changing<'_, '_> {
    /// The packets of a region with any values of some fields.
    fn freed(&mut self, space: &Space, region: &Region, fields: &[Field]) -> Region {
        let freed = space.freed(region, |field| fields.contains(&field));
        self.passed.is_vague |= freed != *region;
        freed
    }
}

impl<'m> Passage<'m> {
    /// Through a chain that changes packets or refuses them. What decides otherwise than by letting them
    /// on stops them.
    pub(super) fn change(
        &self,
        base: BaseChain,
        chain: &Chain<'m>,
        region: &Region,
        passed: &mut Passed<'m>,
    ) -> Result<Region, TooMuch> {
        let (moved, through) = (Vec::new(), Region::default());
        let mut changing = Changing { base, passed, moved, through, is_told: false };
        let on = self.walk(chain, region, &mut changing, MOST_NESTED)?;
        let through = by_default(chain, on, &mut changing);
        // What a raw rule asks may be answered otherwise by the next table.
        Ok(self.space().freed_facts(&through, |text| !opaque::is_known(text)))
    }

    /// Through nat, which only the first packets of connections meet.
    pub(super) fn translate_all(
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
            let (moved, aside) = (Vec::new(), space.difference(&one.region, &asked));
            let mut changing = Changing { base, passed, moved, through: aside, is_told: false };
            let on = self.walk(chain, &asked, &mut changing, MOST_NESTED)?;
            let region = by_default(chain, on, &mut changing);
            arriving.append(&mut changing.moved);
            arriving.push(Arriving { sent: region.clone(), region, by: None });
        }
        passed.arriving = arriving;
        Ok(())
    }

    /// What comes to the end of a chain, or leaves it.
    fn walk(
        &self,
        chain: &Chain<'m>,
        region: &Region,
        changing: &mut Changing<'_, 'm>,
        nested: usize,
    ) -> Result<Region, TooMuch> {
        let space = self.space();
        let (pieces, on) = (BTreeMap::new(), Region::default());
        let mut waiting = Waiting { space, chain, pieces, on };
        waiting.add(region, Among::ALL);
        let mut left = Region::default();
        while let Some((number, here)) = waiting.pieces.pop_first() {
            self.look_at(space.count(&here))?;
            let (entry, own) = &chain.entries[number.0 as usize];
            let met = space.intersection(&here, own);
            let rest = match (space.is_empty(&met), entry.limits.is_empty()) {
                (true, _) => {
                    waiting.add(&here, Among::after(number));
                    continue;
                }
                (false, true) => space.difference(&here, own),
                (false, false) => here.clone(),
            };
            if !entry.limits.is_empty() && !matches!(entry.effect, Effect::Continue) {
                changing.passed.limited.push((met.clone(), entry));
            }
            let on = match &entry.effect {
                // Conntrack is told once, and may have been told something else.
                Effect::Change(Change::Untracked) if changing.is_told => {
                    space.union(&here, &self.untracked(&met))
                }
                Effect::Change(change) => {
                    changing.is_told |= matches!(change, Change::Helper(_));
                    let made = self.changed(&met, *change);
                    let made = made.unwrap_or_else(|| changing.freed(space, &met, change.fields()));
                    changed(space, here, &rest, &met, &made)
                }
                Effect::Opaque { changes, .. } => {
                    let free = changing.freed(space, &met, changes);
                    changed(space, here, &rest, &met, &free)
                }
                Effect::Add { set, .. } => {
                    changed(space, here, &rest, &met, &self.added(&met, set))
                }
                Effect::Continue => here,
                Effect::Return => {
                    left.append(&met);
                    rest
                }
                Effect::Call(to) => {
                    let (to, nested) = self.nested(*to, nested)?;
                    space.union(&rest, &self.walk(to, &met, changing, nested)?)
                }
                Effect::Goto(to) => {
                    let (to, nested) = self.nested(*to, nested)?;
                    left.append(&self.walk(to, &met, changing, nested)?);
                    rest
                }
                effect @ Effect::Decide(_) if refuses(effect) => {
                    changing.passed.stopped.push((met, changing.base, entry));
                    rest
                }
                Effect::Decide(decision) => {
                    match moving(decision) {
                        Some(translation) => {
                            let region = self.translated(&met, translation);
                            self.look_at(space.count(&region))?;
                            changing.moved.push(Arriving { region, by: Some(entry), sent: met });
                        }
                        None => changing.through.append(&met),
                    }
                    rest
                }
            };
            waiting.add(&on, Among::after(number));
        }
        Ok(space.union(&left, &waiting.on))
    }

    /// A chain that is called, and how deep others may be called from it.
    fn nested(&self, to: ChainId, nested: usize) -> Result<(&Chain<'m>, usize), TooMuch> {
        let chain = self.called.get(&to).ok_or(TooMuch)?;
        Ok((chain, nested.checked_sub(1).ok_or(TooMuch)?))
    }
}

/// Packets of which an entry changes some: all as they were where that makes no difference, and no piece of
/// them has to be told apart from the rest.
fn changed(space: &Space, here: Region, rest: &Region, met: &Region, changed: &Region) -> Region {
    if changed == met { here } else { space.union(rest, changed) }
}

/// What goes through where the default of a chain decides the rest.
fn by_default<'m>(chain: &Chain<'m>, on: Region, changing: &mut Changing<'_, 'm>) -> Region {
    let mut through = std::mem::take(&mut changing.through);
    match chain.default {
        Some(default) if refuses(&default.effect) => {
            changing.passed.stopped.push((on, changing.base, default));
        }
        Some(_) | None => through.append(&on),
    }
    through
}

/// The translation that a decision is, if it gives packets another destination.
pub(super) fn moving(decision: &Decision) -> Option<&Translation> {
    let Decision::Translate(translation) = decision else { return None };
    match &**translation {
        Translation::Destination { .. }
        | Translation::Redirect { .. }
        | Translation::Netmap { .. } => Some(translation),
        Translation::Exempt | Translation::Masquerade | Translation::Source { .. } => None,
    }
}

/// Whether packets do not go on to the next table, as far as is known.
pub fn refuses(effect: &Effect) -> bool {
    matches!(effect, Effect::Decide(Decision::Drop | Decision::Reject(_) | Decision::Unknown(_)))
}
