//! The walk of regions through the chains before the filter.

use super::{Arriving, Passage, Passed, TooMuch, by_loopback};
use crate::meaning::{BaseChain, Change, Decision, Effect, Entry, Translation};
use crate::net::CtState;
use crate::packet::{Constraint, Region, opaque};
use crate::resolve::policy::{ChainId, Hook};

/// Chains before the filter that call each other deeper than this are too much work.
const MOST_NESTED: usize = 64;

/// A chain before the filter: each entry with its packets.
pub(super) struct Chain<'m> {
    pub entries: Vec<(&'m Entry, Region)>,
    pub default: Option<&'m Entry>,
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

impl<'m> Passage<'m> {
    /// Through a chain that changes packets or refuses them. What decides otherwise than by letting them
    /// on stops them.
    pub(super) fn change(
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
