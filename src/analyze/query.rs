//! Which connections of a set are accepted, or are not, and by which rules.
//!
//! In goes a claim, taken as a question: its packets are the first ones of new connections. Out come the parts
//! of its set that each rule accepts (or refuses), through all tables, in few boxes: disjoint, and together
//! all of them. What limits decide is in the answer too, and marked: it is so only while a limit has room (or
//! none).

use std::collections::BTreeSet;

use super::boxes::{Readable, readable};
use super::flat::FlatStep;
use super::passage::{Arriving, Passage, Passed, TooMuch};
use super::promise::claim::{Asking, World, decision};
use super::promise::together::Group;
use super::text::Rules;
use crate::meaning::{BaseChain, Decision, Effect, Reason};
use crate::net::Family;
use crate::packet::{Among, Field, Region, RuleNumber};
use crate::resolve::Policy;
use crate::resolve::policy::{Claim, Hook};

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
    let (meaning, families) = (rules.meaning, rules.text.families());
    let world = World { policy, families, meaning, at_best: meaning, surroundings };
    let group = &Group::of(&world, vec![(&opening, false)]);
    let mut answer = Answer::default();
    for is_looped in [false, true] {
        let (world, claim) = (&world, &opening);
        let asking = Asking { world, meaning, group, number: 0, claim, at_best: false, is_looped };
        for (hook, family) in
            Hook::ALL.into_iter().flat_map(|hook| families.each().map(move |f| (hook, f)))
        {
            if gather(&asking, (family, hook), wants_accepted, &mut answer).is_err() {
                answer.is_incomplete = true;
            }
        }
    }
    answer
}

fn gather(
    asking: &Asking<'_, '_>,
    (family, hook): (Family, Hook),
    wants_accepted: bool,
    answer: &mut Answer,
) -> Result<(), TooMuch> {
    for end in asking.ends(family, hook) {
        let way = asking.group.way(asking.at_best, family, end)?;
        let Some(asked) = asking.asked_on(&way, hook) else { return Ok(()) };
        let passage = &way.passage;
        let passed = asking.passed(passage, asked, hook)?;
        let telling = Telling { asking, passage, wants_accepted };
        if !wants_accepted && end == hook {
            telling.stopped(&passed, &mut answer.parts);
        }
        for arriving in passed.arriving {
            telling.decided(&arriving, &mut answer.parts)?;
        }
    }
    Ok(())
}

struct Telling<'t, 'w> {
    asking: &'t Asking<'t, 'w>,
    passage: &'t Passage<'w>,
    wants_accepted: bool,
}

impl Telling<'_, '_> {
    /// What is refused before the filter.
    fn stopped(&self, passed: &Passed<'_>, parts: &mut Vec<Part>) {
        for (region, base, entry) in &passed.stopped {
            let limited = !entry.limits.is_empty();
            self.add(region, (entry.reason, *base, None), limited, parts);
        }
    }

    /// What each rule of the filter does, and the default.
    fn decided(&self, arriving: &Arriving<'_>, parts: &mut Vec<Part>) -> Result<(), TooMuch> {
        let (passage, flat) = (self.passage, &self.passage.flat);
        let space = passage.space();
        let base = BaseChain::from(passage.hook);
        let by = arriving.by.map(|entry| entry.reason);
        let meeting = passage.list.matching().meeting(&arriving.region, Among::ALL);
        let mut limited = Region::default();
        for number in meeting {
            let Some(step) = flat.step(number) else { continue };
            let Some(decision) = decision(flat, step) else { continue };
            let own = space.intersection(&arriving.region, &passage.list.may(number));
            let is_limited = self.is_limited(step);
            if is_limited && is_accepted(decision) != self.wants_accepted {
                limited = space.union(&limited, &own);
            }
            if is_accepted(decision) != self.wants_accepted {
                continue;
            }
            let left = self.left(&own, Among::before(number))?;
            let place = (step.entry.reason, base, by);
            self.add_apart(&left, &limited, place, is_limited, parts);
        }
        let Effect::Decide(default) = &flat.default.effect else { return Ok(()) };
        if is_accepted(default) == self.wants_accepted {
            let left = self.left(&arriving.region, Among::ALL)?;
            let place = (flat.default.reason, base, by);
            self.add_apart(&left, &limited, place, false, parts);
        }
        Ok(())
    }

    /// The packets of a region that no step of those is certain to take.
    fn left(&self, region: &Region, among: Among) -> Result<Region, TooMuch> {
        let space = self.passage.space();
        let mut left = space.disjoint(region);
        for number in self.passage.list.hiding.meeting(region, among) {
            let Some(taken) = self.passage.list.gets(number) else { continue };
            left = space.difference(&left, taken);
            self.passage.check(&left)?;
        }
        Ok(left)
    }

    /// Whether a limit decides if the step gets a packet.
    fn is_limited(&self, step: &FlatStep<'_>) -> bool {
        let callers = std::iter::successors(step.caller, |caller: &RuleNumber| {
            self.passage.flat.step(*caller).and_then(|step| step.caller)
        });
        let limited = |step: &FlatStep<'_>| !step.entry.limits.is_empty();
        let mut callers = callers.filter_map(|caller| self.passage.flat.step(caller));
        limited(step) || callers.any(limited)
    }

    /// Adds a part, what a limited rule before it may take apart from the rest.
    fn add_apart(
        &self,
        region: &Region,
        limited: &Region,
        place: (Reason, BaseChain, Option<Reason>),
        is_limited: bool,
        parts: &mut Vec<Part>,
    ) {
        let space = self.passage.space();
        let certain = space.difference(region, limited);
        self.add(&certain, place, is_limited, parts);
        let other = space.intersection(region, limited);
        self.add(&space.disjoint(&other), place, true, parts);
    }

    fn add(
        &self,
        region: &Region,
        (by, base, translated_by): (Reason, BaseChain, Option<Reason>),
        is_limited: bool,
        parts: &mut Vec<Part>,
    ) {
        let space = self.passage.space();
        if space.is_empty(region) {
            return;
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
        let boxes = readable(space, region, self.asking.world.policy, given);
        let same = |part: &&mut Part| {
            (part.by, part.base, part.translated_by, part.is_limited)
                == (by, base, translated_by, is_limited)
        };
        match parts.iter_mut().find(same) {
            Some(part) => part.boxes.extend(boxes),
            None => parts.push(Part { by, base, translated_by, is_limited, boxes }),
        }
    }
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
    let mut seen = BTreeSet::new();
    for one in &part.boxes {
        let text = one.text();
        if !seen.insert((text.clone(), one.family.to_string())) {
            continue;
        }
        match lines.iter_mut().find(|(known, _)| *known == text) {
            Some((_, families)) => families.push(one.family),
            None => lines.push((text, vec![one.family])),
        }
    }
    lines
}
