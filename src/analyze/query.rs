//! Which connections of a set are accepted, or are not, and by which rules.
//!
//! In goes a claim, taken as a question: its packets are the first ones of new connections. Out come the parts
//! of its set that each rule accepts (or refuses), through all tables, in few boxes: disjoint, and together
//! all of them. What limits decide is in the answer too, and marked by how they have to be ([`Limits`]).

mod limits;

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::boxes::{MOST_LOOKS, Names, Readable, readable};
use super::flat::Flat;
use super::passage::{Arriving, Passage, Passed, Stopped, TooMuch};
use super::promise::claim::{Asking, World, decision};
use super::promise::together::Group;
use super::text::Rules;
use super::work::Allowance;
use crate::meaning::{BaseChain, Decision, Effect, Guide, Reason};
use crate::net::Family;
use crate::packet::{Among, Field, Placed, Region, RuleNumber, Teller};
use crate::resolve::Policy;
use crate::resolve::policy::{Claim, Hook};

use limits::{Histories, LimitedSteps, OnTheWay};

pub use limits::Limits;

/// Beyond so many boxes, and conditions of them that packets do not show, an answer is not whole: nobody
/// reads them.
const MOST_TOLD: usize = 100_000;

/// How often a rule before another may be told apart from it, before an answer is not whole.
const MOST_TAKEN: usize = 10_000_000;

/// An answer.
#[derive(Debug, Default)]
pub struct Answer {
    /// In the order in which packets meet the rules.
    pub parts: Vec<Part>,
    /// Whether something was too much work, and is missing.
    pub is_incomplete: bool,
}

/// What one rule does with packets of the set.
#[derive(Debug)]
pub struct Part {
    pub by: Reason,
    pub base: BaseChain,
    /// The statement that gave the packets another destination before.
    pub translated_by: Option<Reason>,
    /// How limits have to be for it.
    pub limits: Limits,
    /// Whether it is not known what the rule does, which is in words of others: it may be either.
    pub is_open: bool,
    pub boxes: Vec<Readable>,
}

/// The part of a claim's connections that rules accept, or that they do not. The claim is in the words of a
/// policy, which has the names for the answer too.
#[must_use]
pub fn answer(
    policy: &Policy,
    rules: Rules<'_>,
    claim: &Claim,
    surroundings: &super::journey::Surroundings,
) -> Answer {
    let wants_accepted = claim.accepts;
    // Either way it is about connections that somebody opens.
    let opening = Claim { accepts: true, ..claim.clone() };
    let [guide, at_best] = [(); 2].map(|()| Guide::of(rules.meaning));
    let families = rules.text.families();
    let docker = None;
    let world = World { policy, families, guide, at_best, surroundings, docker };
    let group = &Group::of(&world, vec![(&opening, false)]);
    let names = Family::BOTH.map(|family| Names::of(policy, family));
    let mut parts = Parts::new();
    let mut is_incomplete = false;
    for is_looped in [false, true] {
        let (world, claim) = (&world, &opening);
        let asking = Asking { world, group, number: 0, claim, at_best: false, is_looped };
        for (hook, family) in
            Hook::ALL.into_iter().flat_map(|hook| families.each().map(move |f| (hook, f)))
        {
            let names = &names[family as usize];
            let gathered = gather(&asking, (names, hook), wants_accepted, &mut parts);
            is_incomplete |= gathered.is_err();
        }
    }
    Answer { parts: parts.all, is_incomplete }
}

/// The parts of an answer, of what does the same to packets one.
struct Parts {
    all: Vec<Part>,
    known: HashMap<(Place, Limits), usize>,
    /// Boxes, and conditions of them that packets do not show.
    telling: Allowance,
    /// Rules that are told apart from those behind them.
    taking: Allowance,
    looks: Allowance,
}

/// Who does it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Place {
    by: Reason,
    base: BaseChain,
    translated_by: Option<Reason>,
    is_open: bool,
}

impl Parts {
    fn new() -> Self {
        Parts {
            all: Vec::new(),
            known: HashMap::new(),
            telling: Allowance::of(MOST_TOLD),
            taking: Allowance::of(MOST_TAKEN),
            looks: Allowance::of(MOST_LOOKS),
        }
    }

    fn add(&mut self, place: Place, limits: Limits, boxes: Vec<Readable>) -> Result<(), TooMuch> {
        let told = boxes.iter().map(|one| 1 + one.more.len()).sum();
        match self.known.entry((place, limits)) {
            Entry::Occupied(same) => self.all[*same.get()].boxes.extend(boxes),
            Entry::Vacant(new) => {
                new.insert(self.all.len());
                let Place { by, base, translated_by, is_open } = place;
                self.all.push(Part { by, base, translated_by, limits, is_open, boxes });
            }
        }
        self.telling.spend(told).ok_or(TooMuch)
    }
}

fn gather(
    asking: &Asking<'_, '_>,
    (names, hook): (&Names<'_>, Hook),
    wants_accepted: bool,
    parts: &mut Parts,
) -> Result<(), TooMuch> {
    let family = names.family;
    for end in asking.ends(family, hook) {
        let way = asking.group.way(asking.at_best, family, end)?;
        let Some(asked) = asking.asked_on(&way, hook) else { return Ok(()) };
        let passage = &way.passage;
        let passed = asking.passed(passage, asked, hook)?;
        // More comes out than comes: nothing is said of it that may not be so.
        if passed.is_vague {
            return Err(TooMuch);
        }
        let histories = &asking.guide().meaning.limits;
        let telling = Telling::of(passage, names, histories, wants_accepted);
        let on_the_way = OnTheWay::of(passage, &passed, histories);
        if end == hook {
            telling.stopped(&passed, &on_the_way, parts)?;
        }
        for (mut arriving, limits) in on_the_way.apart(&passed.arriving)? {
            let behind = passage.stopped_behind(&arriving.region)?;
            let is_certain = |(.., entry): &Stopped<'_>| {
                entry.limits.is_empty() && !entry.effect.decision().is_some_and(is_open)
            };
            if !behind.iter().all(is_certain) {
                return Err(TooMuch);
            }
            if wants_accepted {
                for (region, ..) in &behind {
                    arriving.region = passage.space().difference(&arriving.region, region);
                }
            } else {
                let accepted = Telling::of(passage, names, histories, true);
                for (region, base, entry) in behind {
                    let accepted_first = (&Arriving { region, ..arriving.clone() }, limits);
                    accepted.decided(accepted_first, Some((base, entry.reason)), parts)?;
                }
            }
            telling.decided((&arriving, limits), None, parts)?;
        }
    }
    Ok(())
}

struct Telling<'t, 'w> {
    passage: &'t Passage<'w>,
    names: &'t Names<'t>,
    histories: &'t Histories,
    wants_accepted: bool,
    limited: LimitedSteps<'t, 'w>,
}

impl<'t, 'w> Telling<'t, 'w> {
    fn of(
        passage: &'t Passage<'w>,
        names: &'t Names<'t>,
        histories: &'t Histories,
        wants_accepted: bool,
    ) -> Self {
        let limited =
            LimitedSteps::of(passage, histories, |decision| may_be(decision, !wants_accepted));
        Telling { passage, names, histories, wants_accepted, limited }
    }

    /// What is refused before the filter, or may be.
    fn stopped(
        &self,
        passed: &Passed<'w>,
        on_the_way: &OnTheWay<'_, 'w>,
        parts: &mut Parts,
    ) -> Result<(), TooMuch> {
        for (region, base, entry) in &passed.stopped {
            let is_open = entry.effect.decision().is_some_and(is_open);
            if !is_open && self.wants_accepted {
                continue;
            }
            let (by, base) = (entry.reason, *base);
            let place = Place { by, base, translated_by: None, is_open };
            let own = Limits::of(entry, self.histories);
            let apart = match own {
                Limits::Any => on_the_way.doubts(region)?,
                Limits::Room | Limits::NoRoom | Limits::Mixed => vec![(region.clone(), own)],
            };
            for (region, limits) in apart {
                self.add(&region, place, limits, parts)?;
            }
        }
        Ok(())
    }

    /// What each rule of the filter does, and the default; what it accepts may be stopped behind it.
    fn decided(
        &self,
        (arriving, limits): (&Arriving<'_>, Limits),
        stopped_by: Option<(BaseChain, Reason)>,
        parts: &mut Parts,
    ) -> Result<(), TooMuch> {
        let (passage, flat) = (self.passage, &self.passage.flat);
        let region = &arriving.region;
        let translated_by = arriving.by.map(|entry| entry.reason);
        let place = |by, decision| {
            let (base, by) = stopped_by.unwrap_or((BaseChain::from(passage.hook), by));
            Place { by, base, translated_by, is_open: is_open(decision) }
        };
        let does_so = |number| may(flat, number, self.wants_accepted);
        let within = Placed::of(passage.space(), region);
        for number in passage.list.met(region, Among::ALL, Among::ALL, does_so) {
            let Some(step) = flat.step(number) else { continue };
            let among = Among::before(number);
            let own = within.intersection(&passage.list.may(number));
            let Some(decision) = decision(flat, step) else { continue };
            let place = place(step.entry.reason, decision);
            let (own_limits, doubts) = self.limited.at(number);
            for (region, left) in doubts.apart(passage.space(), self.left(&own, among, parts)?)? {
                let limits = limits.and(own_limits).and(left);
                self.add_apart(region, among, place, limits, parts)?;
            }
        }
        let Effect::Decide(default) = &flat.default.effect else { return Ok(()) };
        if may_be(default, self.wants_accepted) {
            let place = place(flat.default.reason, default);
            let left = self.left(region, Among::ALL, parts)?;
            self.add_apart(left, Among::ALL, place, limits, parts)?;
        }
        Ok(())
    }

    /// The packets of a region that no step of those is certain to take.
    fn left(&self, region: &Region, among: Among, parts: &Parts) -> Result<Region, TooMuch> {
        if self.passage.list.is_taken(region, among) {
            return Ok(Region::default());
        }
        let list = &self.passage.list;
        let mut taken = Region::default();
        let steps = list.hiding.meeting(region, among);
        parts.taking.spend(steps.len()).ok_or(TooMuch)?;
        // The last first: where rules are nested it has all of those before.
        let owns = steps.into_iter().rev().filter_map(|number| list.gets(number));
        owns.for_each(|own| taken.append(own));
        let space = self.passage.space();
        let apart = Placed::of(space, region).apart(MOST_TOLD).ok_or(TooMuch)?;
        Placed::of(space, &taken).missed(&apart, MOST_TOLD).ok_or(TooMuch)
    }

    /// Adds a part, what a limited rule before it may take apart from the rest.
    fn add_apart(
        &self,
        region: Region,
        among: Among,
        place: Place,
        limits: Limits,
        parts: &mut Parts,
    ) -> Result<(), TooMuch> {
        let doubts = self.limited.before(&region, among);
        for (region, before) in doubts.apart(self.passage.space(), region)? {
            self.add(&region, place, limits.and(before), parts)?;
        }
        Ok(())
    }

    fn add(
        &self,
        region: &Region,
        place: Place,
        limits: Limits,
        parts: &mut Parts,
    ) -> Result<(), TooMuch> {
        let space = self.passage.space();
        if space.is_empty(region) {
            return Ok(());
        }
        let given = |field| match field {
            Field::Flags
            | Field::State
            | Field::Translated
            | Field::ToLocal
            | Field::Mark
            | Field::ConnectionMark
            | Field::Ttl => true,
            Field::OriginalDestination | Field::OriginalPort => place.translated_by.is_none(),
            Field::Incoming
            | Field::Outgoing
            | Field::Source
            | Field::Destination
            | Field::Protocol
            | Field::SourcePort
            | Field::DestinationPort
            | Field::Icmp
            | Field::Mac
            | Field::User
            | Field::Group
            | Field::Length
            | Field::Dscp
            | Field::Opaque => false,
        };
        let boxes = readable(&Teller::of(space), region, self.names, given, &parts.looks);
        parts.add(place, limits, boxes)
    }
}

/// Whether a step may decide so.
fn may(flat: &Flat<'_>, number: RuleNumber, accepts: bool) -> bool {
    let decision = flat.step(number).and_then(|step| decision(flat, step));
    decision.is_some_and(|decision| may_be(decision, accepts))
}

/// Whether a decision accepts, or refuses.
fn may_be(decision: &Decision, accepts: bool) -> bool {
    match decision {
        Decision::Accept | Decision::Translate(_) | Decision::LeaveToDocker => accepts,
        Decision::Drop | Decision::Reject(_) => !accepts,
        // What a raw rule does may be either.
        Decision::Unknown(_) => true,
    }
}

/// Whether it may do either.
fn is_open(decision: &Decision) -> bool {
    may_be(decision, true) && may_be(decision, false)
}

/// The families of boxes that say the same.
#[must_use]
pub fn lines(part: &Part) -> Vec<(String, Vec<Family>)> {
    let mut lines: Vec<(String, Vec<Family>)> = Vec::new();
    let mut known = HashMap::new();
    for one in &part.boxes {
        let text = one.text();
        let line = *known.entry(text.clone()).or_insert(lines.len());
        match lines.get_mut(line) {
            Some((_, families)) if families.contains(&one.family) => {}
            Some((_, families)) => families.push(one.family),
            None => lines.push((text, vec![one.family])),
        }
    }
    lines
}
