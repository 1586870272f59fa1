//! Claims that are asked about in one space.
//!
//! All that packets meet on the way to a chain is compiled once for a group of claims, when the first of
//! them asks: where promises are many, each by itself would compile all rules again.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::claim::{Asking, World};
use super::sets;
use crate::analyze::passage::{Passage, TooMuch};
use crate::net::Family;
use crate::packet::{Budget, PacketSet, Region};
use crate::resolve::policy::{Claim, Hook};

/// Claims, in the order of their numbers.
pub struct Group<'w> {
    pub world: &'w World<'w>,
    /// Each with whether it asks for the answers too.
    pub claims: Vec<(&'w Claim, bool)>,
    /// The ways that were asked for.
    ways: RefCell<BTreeMap<Leading, Known<'w>>>,
}

type Known<'w> = Result<Rc<Way<'w>>, TooMuch>;

/// Where a way leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Leading {
    /// Whether limits are at their best there.
    at_best: bool,
    family: Family,
    end: Hook,
    /// Whether answers go it.
    is_back: bool,
}

/// The way to a chain of the filter, and what the claims of a group ask there.
pub struct Way<'w> {
    pub passage: Passage<'w>,
    /// Of which claim each set is that the passage was asked about, for which chain it sets out, and whether it
    /// is about what this machine says to itself.
    asking: Vec<(usize, Hook, bool)>,
}

impl<'w> Group<'w> {
    pub fn of(world: &'w World<'w>, claims: Vec<(&'w Claim, bool)>) -> Self {
        Group { world, claims, ways: RefCell::default() }
    }

    /// The way to a chain of all that is sent.
    pub fn way(&self, at_best: bool, family: Family, end: Hook) -> Known<'w> {
        self.known(Leading { at_best, family, end, is_back: false })
    }

    /// The way of answers to a chain.
    pub fn way_back(&self, family: Family, end: Hook) -> Known<'w> {
        self.known(Leading { at_best: false, family, end, is_back: true })
    }

    fn known(&self, leading: Leading) -> Known<'w> {
        if let Some(known) = self.ways.borrow().get(&leading) {
            return known.clone();
        }
        let made = self.made(leading);
        self.ways.borrow_mut().insert(leading, made.clone());
        made
    }

    fn made(&self, leading: Leading) -> Known<'w> {
        let Leading { at_best, family, end, .. } = leading;
        let meaning = self.world.guide(at_best).meaning;
        let (mut asking, mut asked) = (Vec::new(), Vec::new());
        for number in 0..self.claims.len() {
            for (hook, is_looped) in Hook::ALL.into_iter().flat_map(|h| [(h, false), (h, true)]) {
                let sets = self.asked(leading, number, hook, is_looped);
                asking.extend(std::iter::repeat_n((number, hook, is_looped), sets.len()));
                asked.extend(sets);
            }
        }
        let passage = Passage::of(meaning, family, end, &asked, Budget::default());
        Ok(Rc::new(Way { passage: passage.ok_or(TooMuch)?, asking }))
    }

    /// What a claim asks of packets that set out for one chain and come to the end of a way.
    fn asked(
        &self,
        Leading { at_best, family, end, is_back }: Leading,
        number: usize,
        hook: Hook,
        is_looped: bool,
    ) -> Vec<PacketSet> {
        let (world, group) = (self.world, self);
        let (claim, protects) = self.claims[number];
        let asking = Asking { world, group, number, claim, at_best, is_looped };
        let sets = if is_back {
            (protects && sets::back(hook) == end).then(|| asking.answers(family, hook))
        } else {
            asking.ends(family, hook).contains(&end).then(|| asking.asked(family, hook))
        };
        sets.flatten().unwrap_or_default()
    }
}

impl Way<'_> {
    /// What a claim asks there, in its own order; `None` where it asks nothing.
    pub fn asked(&self, number: usize, hook: Hook, is_looped: bool) -> Option<&[Region]> {
        let own = (number, hook, is_looped);
        let of_claim = self.asking.partition_point(|(earlier, ..)| *earlier < number);
        let first = of_claim + self.asking[of_claim..].iter().position(|one| *one == own)?;
        let count = self.asking[first..].iter().take_while(|one| **one == own).count();
        self.passage.asked.get(first..first + count)
    }
}
