//! Which connections of a set are accepted, or are not, and by which rules.
//!
//! In goes a claim, taken as a question: its packets are the first ones of new connections. Out come the parts
//! of its set that each rule accepts (or refuses), through all tables, in few boxes: disjoint, and together
//! all of them. What limits decide is in the answer too, and marked: it is so only while a limit has room (or
//! none).

use std::collections::HashMap;

use super::boxes::{Names, Readable, readable};
use super::flat::{Flat, FlatStep};
use super::passage::{Arriving, Passage, Passed, TooMuch};
use super::promise;
use super::promise::claim::{Asking, World, decision};
use super::promise::together::Group;
use super::text::Rules;
use crate::meaning::{BaseChain, Decision, Effect, Guide, Reason};
use crate::net::Family;
use crate::packet::{Among, Field, Index, Region, RuleNumber, Verdict};
use crate::resolve::Policy;
use crate::resolve::policy::{Claim, Hook};

/// Beyond so many boxes an answer is not whole: nobody reads them.
const MOST_TOLD: usize = 200_000;

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
    /// Whether a limit must have room (or, of what is refused, none).
    pub is_limited: bool,
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
    let world = World { policy, families, guide, at_best, surroundings };
    let group = &Group::of(&world, vec![(&opening, false)]);
    let names = Family::BOTH.map(|family| Names::of(policy, family));
    let mut parts = Parts::default();
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
#[derive(Default)]
struct Parts {
    all: Vec<Part>,
    known: HashMap<(Reason, BaseChain, Option<Reason>, bool), usize>,
    boxes: usize,
}

impl Parts {
    fn add(&mut self, part: Part) -> Result<(), TooMuch> {
        self.boxes += part.boxes.len();
        let key = (part.by, part.base, part.translated_by, part.is_limited);
        match self.known.get(&key) {
            Some(same) => self.all[*same].boxes.extend(part.boxes),
            None => {
                self.known.insert(key, self.all.len());
                self.all.push(part);
            }
        }
        if self.boxes > MOST_TOLD { Err(TooMuch) } else { Ok(()) }
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
        let telling = Telling::of(passage, names, wants_accepted);
        if !wants_accepted && end == hook {
            telling.stopped(&passed, parts)?;
        }
        for arriving in passed.arriving {
            telling.decided(&arriving, parts)?;
        }
    }
    Ok(())
}

struct Telling<'t, 'w> {
    passage: &'t Passage<'w>,
    names: &'t Names<'t>,
    wants_accepted: bool,
    /// The steps that do otherwise while a limit has room.
    limited: Index,
}

impl<'t, 'w> Telling<'t, 'w> {
    fn of(passage: &'t Passage<'w>, names: &'t Names<'t>, wants_accepted: bool) -> Self {
        let limited = passage.list.matching().of_those(|number| {
            let step = passage.flat.step(number);
            step.is_some_and(|step| is_limited(&passage.flat, step))
                && accepts(&passage.flat, number) == Some(!wants_accepted)
        });
        Telling { passage, names, wants_accepted, limited }
    }

    /// What is refused before the filter.
    fn stopped(&self, passed: &Passed<'_>, parts: &mut Parts) -> Result<(), TooMuch> {
        for (region, base, entry) in &passed.stopped {
            let limited = !entry.limits.is_empty();
            self.add(region, (entry.reason, *base, None), limited, parts)?;
        }
        Ok(())
    }

    /// What each rule of the filter does, and the default.
    fn decided(&self, arriving: &Arriving<'_>, parts: &mut Parts) -> Result<(), TooMuch> {
        let (passage, flat) = (self.passage, &self.passage.flat);
        let region = &arriving.region;
        let base = BaseChain::from(passage.hook);
        let by = arriving.by.map(|entry| entry.reason);
        let does_so = |number| accepts(flat, number) == Some(self.wants_accepted);
        let mut steps = passage.list.matching().meeting_that(region, Among::ALL, does_so);
        // Behind what takes all packets there may be thousands.
        let is_reached = |number: &RuleNumber| !self.is_taken(region, Among::before(*number));
        steps.truncate(steps.partition_point(is_reached));
        for number in steps {
            let Some(step) = flat.step(number) else { continue };
            let among = Among::before(number);
            let own = passage.space().intersection(region, &passage.list.may(number));
            let place = (step.entry.reason, base, by);
            self.add_apart(&self.left(&own, among)?, among, place, is_limited(flat, step), parts)?;
        }
        let Effect::Decide(default) = &flat.default.effect else { return Ok(()) };
        if is_accepted(default) == self.wants_accepted {
            let place = (flat.default.reason, base, by);
            self.add_apart(&self.left(region, Among::ALL)?, Among::ALL, place, false, parts)?;
        }
        Ok(())
    }

    /// Whether steps of those are certain to take all packets of a region.
    fn is_taken(&self, region: &Region, among: Among) -> bool {
        let seed = RuleNumber(u32::MAX);
        promise::claim::left(self.passage, region, among, seed) == Verdict::Covered
    }

    /// The packets of a region that no step of those is certain to take.
    fn left(&self, region: &Region, among: Among) -> Result<Region, TooMuch> {
        if self.is_taken(region, among) {
            return Ok(Region::default());
        }
        let space = self.passage.space();
        let mut left = space.disjoint(region);
        for number in self.passage.list.hiding.meeting(region, among) {
            let Some(taken) = self.passage.list.gets(number) else { continue };
            left = space.difference(&left, taken);
            self.passage.check(&left)?;
        }
        Ok(left)
    }

    /// The packets of a region that a limited one of those steps may take, to do otherwise.
    fn limited(&self, region: &Region, among: Among) -> Region {
        if self.limited.around(region, among).is_some() {
            return region.clone();
        }
        let mut limited = Region::default();
        for number in self.limited.meeting(region, among) {
            let (space, may) = (self.passage.space(), self.passage.list.may(number));
            limited.append(&space.intersection(region, &may));
        }
        limited
    }

    /// Adds a part, what a limited rule before it may take apart from the rest.
    fn add_apart(
        &self,
        region: &Region,
        among: Among,
        place: (Reason, BaseChain, Option<Reason>),
        is_limited: bool,
        parts: &mut Parts,
    ) -> Result<(), TooMuch> {
        let space = self.passage.space();
        let limited = self.limited(region, among);
        let certain = space.difference(region, &limited);
        self.add(&certain, place, is_limited, parts)?;
        self.add(&space.disjoint(&limited), place, true, parts)
    }

    fn add(
        &self,
        region: &Region,
        (by, base, translated_by): (Reason, BaseChain, Option<Reason>),
        is_limited: bool,
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
            Field::OriginalDestination | Field::OriginalPort => translated_by.is_none(),
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
        let boxes = readable(space, region, self.names, given);
        parts.add(Part { by, base, translated_by, is_limited, boxes })
    }
}

/// Whether a step accepts; `None` when it decides nothing.
fn accepts(flat: &Flat<'_>, number: RuleNumber) -> Option<bool> {
    decision(flat, flat.step(number)?).map(is_accepted)
}

/// Whether a limit decides if the step gets a packet.
fn is_limited(flat: &Flat<'_>, step: &FlatStep<'_>) -> bool {
    let callers = std::iter::successors(step.caller, |caller: &RuleNumber| {
        flat.step(*caller).and_then(|step| step.caller)
    });
    let limited = |step: &FlatStep<'_>| !step.entry.limits.is_empty();
    limited(step) || callers.filter_map(|caller| flat.step(caller)).any(limited)
}

fn is_accepted(decision: &Decision) -> bool {
    match decision {
        Decision::Accept | Decision::Translate(_) | Decision::LeaveToDocker => true,
        Decision::Drop | Decision::Reject(_) | Decision::Unknown(_) => false,
    }
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
