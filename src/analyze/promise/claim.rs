//! The proof of a claim: is there a packet of its set that meets another end?

use super::moved::{SENT, served};
use super::sets::in_state;
use super::shown::{Broken, Told, as_sent};
use super::together::Group;
use crate::analyze::flat::{Flat, FlatStep, number_of};
use crate::analyze::journey::{Fate, Surroundings};
use crate::analyze::passage::{Passage, Stopped, TooMuch};
use crate::meaning::{BaseChain, Decision, Effect, Entry, Guide, List};
use crate::net::{CtState, Families, Family};
use crate::packet::{
    Among, Budget, Field, Index, Point, Question, Region, RuleNumber, Verdict as Answer,
};
use crate::resolve::Policy;
use crate::resolve::policy::{Claim, Docker, Hook};

/// What all questions are about.
pub struct World<'w> {
    /// Whose words claims are in.
    pub policy: &'w Policy,
    /// What families something is known of.
    pub families: Families,
    pub guide: Guide<'w>,
    /// The same with limits at their best.
    pub at_best: Guide<'w>,
    pub surroundings: &'w Surroundings,
    /// The block that says who may reach what Docker publishes by rules that are not known.
    pub docker: Option<&'w Docker>,
}

impl<'w> World<'w> {
    pub fn guide(&self, at_best: bool) -> &Guide<'w> {
        if at_best { &self.at_best } else { &self.guide }
    }
}

/// What is known of a claim.
#[derive(Debug)]
pub(super) enum Verdict {
    Kept,
    Broken(Broken),
    /// Broken by this packet if limits say so.
    Depends(Broken),
    /// The answers in connections that are accepted are not.
    Unanswered(Broken),
    /// What comes to this machine is sent on to another host.
    Diverted(Broken),
    Unknown,
}

/// Whether all packets of a claim, one of a group, meet the end that it says; of what is protected the answers
/// too. `None` when there is no packet that it is about.
pub(super) fn verdict(group: &Group<'_>, number: usize) -> Option<Verdict> {
    let (claim, protects) = group.claims[number];
    let world = group.world;
    let asking =
        |at_best: bool, is_looped: bool| Asking { world, group, number, claim, at_best, is_looped };
    let worst = |is_looped| asking(false, is_looped);
    let each = |find: &dyn Fn(Family, Hook, bool) -> Found| each(world.families, find);
    let first =
        each(&|family, hook, is_looped| asking(claim.accepts, is_looped).broken(family, hook));
    let mut is_open = match first {
        Found::Packet(broken) => return Some(Verdict::Broken(*broken)),
        Found::NoPackets => return None,
        Found::Nothing => false,
        Found::Unknown => true,
    };
    if claim.accepts && !claim.within_limits {
        match each(&|family, hook, is_looped| worst(is_looped).broken(family, hook)) {
            Found::Packet(broken) => return Some(Verdict::Depends(*broken)),
            Found::Unknown => is_open = true,
            Found::Nothing | Found::NoPackets => {}
        }
    }
    if protects {
        match each(&|family, hook, is_looped| worst(is_looped).diverted(family, hook)) {
            Found::Packet(broken) => return Some(Verdict::Diverted(*broken)),
            Found::Unknown => is_open = true,
            Found::Nothing | Found::NoPackets => {}
        }
        match each(&|family, hook, is_looped| worst(is_looped).unanswered(family, hook)) {
            Found::Packet(broken) => return Some(Verdict::Unanswered(*broken)),
            Found::Unknown => is_open = true,
            Found::Nothing | Found::NoPackets => {}
        }
    }
    Some(if is_open { Verdict::Unknown } else { Verdict::Kept })
}

/// The answer over some families and all chains: a packet, if there is one in any.
fn each(families: Families, find: &dyn Fn(Family, Hook, bool) -> Found) -> Found {
    let mut all = Found::NoPackets;
    for is_looped in [false, true] {
        for (family, hook) in families.each().flat_map(|f| Hook::ALL.map(|hook| (f, hook))) {
            match (find(family, hook, is_looped), &all) {
                (found @ Found::Packet(_), _) => return found,
                (Found::Unknown, _) => all = Found::Unknown,
                (Found::Nothing, Found::NoPackets) => all = Found::Nothing,
                (Found::Nothing | Found::NoPackets, _) => {}
            }
        }
    }
    all
}

/// The answer in one chain of one family.
pub(super) enum Found {
    Packet(Box<Broken>),
    Nothing,
    /// The claim is not about packets there.
    NoPackets,
    Unknown,
}

impl From<TooMuch> for Found {
    fn from(TooMuch: TooMuch) -> Self {
        Found::Unknown
    }
}

/// A claim in one meaning of the policy.
pub struct Asking<'g, 'w> {
    pub world: &'w World<'w>,
    /// The claims that are asked about in the same spaces.
    pub group: &'g Group<'w>,
    /// The place of this one among them.
    pub number: usize,
    pub claim: &'w Claim,
    pub at_best: bool,
    /// Whether it is about what this machine says to itself.
    pub is_looped: bool,
}

impl<'w> Asking<'_, 'w> {
    pub fn guide(&self) -> &'w Guide<'w> {
        self.world.guide(self.at_best)
    }

    /// A packet that breaks the claim about packets that set out for a chain.
    fn broken(&self, family: Family, hook: Hook) -> Found {
        let mut found = Found::NoPackets;
        for end in self.ends(family, hook) {
            let way = match self.group.way(self.at_best, family, end) {
                Ok(way) => way,
                Err(much) => return much.into(),
            };
            let Some(asked) = self.asked_on(&way, hook) else { return Found::NoPackets };
            match self.broken_at(&way.passage, asked, hook) {
                Ok(Found::NoPackets) => {}
                Ok(Found::Nothing) => found = Found::Nothing,
                Ok(other @ (Found::Packet(_) | Found::Unknown)) => return other,
                Err(much) => return much.into(),
            }
        }
        found
    }

    fn broken_at(
        &self,
        passage: &Passage<'w>,
        asked: &[Region],
        hook: Hook,
    ) -> Result<Found, TooMuch> {
        let space = passage.space();
        let is_own = passage.hook == hook;
        let sent = if is_own {
            asked[SENT].clone()
        } else {
            space.freed(&asked[SENT], |field| field == Field::Outgoing)
        };
        let sent = passage.over_loopback(&sent, self.is_looped);
        let mut is_met = is_own && !space.is_empty(&sent);
        let mut passed = passage.pass(&sent)?;
        if is_own {
            let by_nat = self.by_nat(passage, asked, hook)?;
            is_met |= !by_nat.arriving.is_empty();
            let served = served(passage, &by_nat, hook);
            if self.claim.accepts && !served.has_no_box() {
                // For who is served, the host is where the translation leads.
                for arriving in passed.arriving.iter_mut().filter(|one| one.by.is_none()) {
                    arriving.region = space.difference(&arriving.region, &served);
                }
                for (region, ..) in &mut passed.stopped {
                    *region = space.difference(region, &served);
                }
            }
            passed.arriving.extend(by_nat.arriving);
            passed.stopped.extend(by_nat.stopped);
        } else {
            if let Some(broken) = self.published(passage, &sent)? {
                return Ok(Found::Packet(Box::new(broken)));
            }
            passed.arriving.retain(|one| one.by.is_some());
            passed.stopped.clear();
        }
        let unasked = in_state([CtState::New, CtState::Untracked]);
        // What a raw rule does may be either.
        let is_either = |(region, _, entry): &(Region, BaseChain, &Entry)| {
            matches!(entry.effect, Effect::Decide(Decision::Unknown(_))) && !space.is_empty(region)
        };
        let mut is_open = passed.stopped.iter().any(is_either);
        if self.claim.accepts
            && let Some(broken) = self.stopped(passage, &passed.stopped, &mut is_open)
        {
            return Ok(Found::Packet(Box::new(broken)));
        }
        for arriving in &passed.arriving {
            let region = if self.claim.accepts {
                arriving.region.clone()
            } else {
                space.within(&arriving.region, &unasked)
            };
            match self.decided(passage, &region) {
                Decided::AsClaimed => {}
                Decided::Unknown => is_open = true,
                Decided::Otherwise(point) => match self.shown(passage, &point, arriving.by) {
                    Some(broken) => return Ok(Found::Packet(Box::new(broken))),
                    None => is_open = true,
                },
            }
            if self.claim.accepts {
                let behind = passage.stopped_behind(&region)?;
                if let Some(broken) = self.stopped(passage, &behind, &mut is_open) {
                    return Ok(Found::Packet(Box::new(broken)));
                }
            }
        }
        Ok(match (is_open, is_met) {
            (true, _) => Found::Unknown,
            (false, true) => Found::Nothing,
            (false, false) => Found::NoPackets,
        })
    }

    /// A packet to this machine that is to be dropped, and comes to a container if Docker publishes its port.
    fn published(&self, passage: &Passage<'w>, sent: &Region) -> Result<Option<Broken>, TooMuch> {
        let docker = self.docker(passage.family).filter(|_| passage.hook == Hook::Forward);
        let Some((docker, list)) = docker else { return Ok(None) };
        let published = passage.published(docker, sent)?;
        let Some(point) = any_point(passage, &published) else { return Ok(None) };
        let seen = passage.space().packet(&point);
        let decided_by = list.entries.iter().find(|entry| entry.set.contains(&seen));
        let decided_by = decided_by.map(|entry| entry.reason);
        // Where it goes is not known, so it is shown as it was sent.
        let sent = as_sent(seen, passage.hook, None).packet;
        let (base, seen) = (BaseChain::DockerUser, sent.clone());
        let told = Told { decided_by, base, fate: Fate::Sent, seen, translated_by: None };
        Ok(Some(Broken { sent, told, limited_by: None }))
    }

    /// The block `docker`, for a promise that it may break.
    pub(super) fn docker(&self, family: Family) -> Option<(&'w Docker, &'w List)> {
        let docker = self.world.docker.filter(|_| !self.claim.accepts)?;
        Some((docker, self.guide().meaning.base(family, BaseChain::DockerUser)?))
    }

    /// A packet that is stopped before the filter or behind it; open where none was seen to be.
    pub(super) fn stopped(
        &self,
        passage: &Passage<'w>,
        stopped: &[Stopped<'w>],
        is_open: &mut bool,
    ) -> Option<Broken> {
        for (region, ..) in stopped {
            if let Some(point) = any_point(passage, region) {
                match self.shown(passage, &point, None) {
                    Some(broken) => return Some(broken),
                    None => *is_open = true,
                }
            }
        }
        None
    }

    /// A packet of the region that the filter decides otherwise than claimed.
    pub(super) fn decided(&self, passage: &Passage<'w>, region: &Region) -> Decided {
        if passage.space().is_empty(region) {
            return Decided::AsClaimed;
        }
        let flat = &passage.flat;
        let mut is_open = false;
        let is_otherwise = |number| {
            let decision = flat.step(number).and_then(|step| decision(flat, step));
            decision.is_some_and(|decision| self.is_otherwise(decision))
        };
        let steps = Among::before(number_of(flat.steps.len()));
        for number in passage.list.met(region, steps, steps, is_otherwise) {
            let own = passage.space().intersection(region, &passage.list.may(number));
            match left(passage, &own, Among::before(number), number) {
                Answer::Uncovered(point) => return Decided::Otherwise(point),
                Answer::Covered => {}
                Answer::Incomplete => is_open = true,
            }
        }
        let Effect::Decide(default) = &flat.default.effect else { return Decided::Unknown };
        if self.is_otherwise(default) {
            match left(passage, region, Among::ALL, RuleNumber(u32::MAX)) {
                Answer::Uncovered(point) => return Decided::Otherwise(point),
                Answer::Covered => {}
                Answer::Incomplete => is_open = true,
            }
        }
        if is_open { Decided::Unknown } else { Decided::AsClaimed }
    }

    fn is_otherwise(&self, decision: &Decision) -> bool {
        match decision {
            Decision::Accept | Decision::Translate(_) | Decision::LeaveToDocker => {
                !self.claim.accepts
            }
            Decision::Drop | Decision::Reject(_) => self.claim.accepts,
            // What a raw rule does may be either.
            Decision::Unknown(_) => true,
        }
    }

    /// A packet to this machine that nat sends on to another host.
    fn diverted(&self, family: Family, hook: Hook) -> Found {
        if hook != Hook::Input || self.ends(family, hook).len() == 1 {
            return Found::NoPackets;
        }
        let way = match self.group.way(self.at_best, family, Hook::Forward) {
            Ok(way) => way,
            Err(much) => return much.into(),
        };
        let Some(asked) = self.asked_on(&way, hook) else { return Found::NoPackets };
        let passage = &way.passage;
        let sent = passage.over_loopback(&asked[SENT], self.is_looped);
        let passed = match passage.pass(&sent) {
            Ok(passed) => passed,
            Err(much) => return much.into(),
        };
        for arriving in passed.arriving.iter().filter(|one| one.by.is_some()) {
            let Some(point) = any_point(passage, &arriving.region) else { continue };
            let sent = as_sent(passage.space().packet(&point), passage.hook, arriving.by);
            return match self.walk(&sent, true) {
                Some(told) => {
                    Found::Packet(Box::new(Broken { sent: sent.packet, told, limited_by: None }))
                }
                None => Found::Unknown,
            };
        }
        Found::NoPackets
    }
}

/// Whether the filter decides a region as claimed.
pub(super) enum Decided {
    AsClaimed,
    Otherwise(Point),
    Unknown,
}

/// What becomes of packets that a step decides about; `None` when they go on.
pub fn decision<'m>(flat: &Flat<'m>, step: &FlatStep<'m>) -> Option<&'m Decision> {
    let effect = match (&step.entry.effect, step.leaves, step.caller) {
        (effect, false, _) => effect,
        // At the top level, who leaves takes the default.
        (_, true, None) => &flat.default.effect,
        (_, true, Some(_)) => return None,
    };
    effect.decision()
}

/// A packet of a region that no step of those is certain to take.
pub fn left(passage: &Passage<'_>, region: &Region, among: Among, number: RuleNumber) -> Answer {
    let budget = passage.list.budget;
    let question = Question { region, among, seed: number.0.into(), budget };
    passage.list.hiding.witness(&question)
}

fn any_point(passage: &Passage<'_>, region: &Region) -> Option<Point> {
    let index = Index::of(passage.space(), []);
    let question = Question { region, among: Among::ALL, seed: 0, budget: Budget::default() };
    match index.witness(&question) {
        Answer::Uncovered(point) => Some(point),
        Answer::Covered | Answer::Incomplete => None,
    }
}
