//! The proof of a claim: is there a packet of its set that meets another end?

use super::sets::{self, in_state};
use super::shown::{Broken, Told, as_sent};
use super::together::{Group, Way};
use crate::analyze::flat::{Flat, FlatStep, number_of};
use crate::analyze::journey::{Answers, Sent, Surroundings, follow, usual};
use crate::analyze::passage::{Arriving, Passage, Passed, TooMuch};
use crate::meaning::{BaseChain, Decision, Effect, Entry, Meaning};
use crate::net::{CtState, Families, Family};
use crate::packet::{
    Among, Budget, Field, Index, PacketSet, Point, Question, Region, RuleNumber, Verdict as Answer,
};
use crate::resolve::Policy;
use crate::resolve::policy::{Claim, Hook};

/// What all questions are about.
pub struct World<'w> {
    /// Whose words claims are in.
    pub policy: &'w Policy,
    /// What families something is known of.
    pub families: Families,
    pub meaning: &'w Meaning,
    /// The same with limits at their best.
    pub at_best: &'w Meaning,
    pub surroundings: &'w Surroundings,
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
    let asking = |at_best: bool, is_looped: bool| {
        let meaning = if at_best { world.at_best } else { world.meaning };
        Asking { world, meaning, group, number, claim, at_best, is_looped }
    };
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
enum Found {
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
    pub meaning: &'w Meaning,
    /// The claims that are asked about in the same spaces.
    pub group: &'g Group<'w>,
    /// The place of this one among them.
    pub number: usize,
    pub claim: &'w Claim,
    pub at_best: bool,
    /// Whether it is about what this machine says to itself.
    pub is_looped: bool,
}

/// The sets of a claim by their place among what is asked.
const SENT: usize = 0;
const ANYWHERE: usize = 1;
const DESTINATION: usize = 2;
const ANY_PART: usize = 3;
const FILTERED: usize = 4;

impl<'w> Asking<'_, 'w> {
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

    /// What is asked on a way, in the order of the constants; `None` where nothing is.
    pub fn asked_on<'a>(&self, way: &'a Way<'_>, hook: Hook) -> Option<&'a [Region]> {
        way.asked(self.number, hook, self.is_looped)
    }

    /// The sets of what is asked, the first alone where nothing is moved; `None` where nothing is.
    pub fn asked(&self, family: Family, hook: Hook) -> Option<Vec<PacketSet>> {
        let World { policy, .. } = *self.world;
        let claim = self.claim;
        let flows = sets::flows_of(claim, hook, self.is_looped);
        let sent = sets::sent(policy, claim, &flows, hook, family)?;
        if !self.is_moved(family, hook) {
            return Some(vec![sent]);
        }
        let anywhere = sets::to_anywhere(&flows, false);
        let any_part = sets::to_anywhere(&flows, true);
        let nothing = || PacketSet::of(family, []);
        let by_nat = |flows| sets::sent(policy, claim, flows, hook, family).unwrap_or_else(nothing);
        // These set out for whatever destination, this machine's among them.
        let free = |set: PacketSet| match hook {
            Hook::Input | Hook::Forward => set.widened(|field| field != Field::ToLocal),
            Hook::Output => set.widened(|field| {
                !matches!(field, Field::ToLocal | Field::Outgoing | Field::Destination)
            }),
        };
        let free = |set: PacketSet| match hook {
            Hook::Output => free(set),
            Hook::Input | Hook::Forward => {
                let set = free(set).widened(|field| field != Field::Destination);
                sets::and(&set, [sets::to_somebody(family)])
            }
        };
        Some(vec![
            sent,
            free(by_nat(&anywhere)),
            sets::at_destination(policy, &flows, hook, family).unwrap_or_else(nothing),
            free(by_nat(&any_part)),
            sets::at_filter(policy, claim, &flows, hook, family).unwrap_or_else(nothing),
        ])
    }

    /// The chains where packets that set out for one may come to, since nat moves them.
    pub fn ends(&self, family: Family, hook: Hook) -> Vec<Hook> {
        match (hook, self.is_moved(family, hook)) {
            (Hook::Input, true) => vec![Hook::Input, Hook::Forward],
            (Hook::Forward, true) => vec![Hook::Forward, Hook::Input],
            (Hook::Input | Hook::Forward, false) | (Hook::Output, _) => vec![hook],
        }
    }

    /// Whether nat may give another destination to what sets out for a chain.
    fn is_moved(&self, family: Family, hook: Hook) -> bool {
        let base = match hook {
            Hook::Input | Hook::Forward => BaseChain::NatPrerouting,
            Hook::Output => BaseChain::NatOutput,
        };
        self.meaning.base(family, base).is_some_and(|list| !list.entries.is_empty())
    }

    /// All that comes to the chain of a passage: what sets out for it, or is moved there, and what nat sends
    /// to the same destinations.
    pub fn passed(
        &self,
        passage: &Passage<'w>,
        asked: &[Region],
        hook: Hook,
    ) -> Result<Passed<'w>, TooMuch> {
        let space = passage.space();
        let is_own = passage.hook == hook;
        let sent = if is_own {
            asked[SENT].clone()
        } else {
            space.freed(&asked[SENT], |field| field == Field::Outgoing)
        };
        let mut passed = passage.pass(&passage.over_loopback(&sent, self.is_looped))?;
        if is_own {
            let by_nat = self.by_nat(passage, asked, hook)?;
            passed.arriving.extend(by_nat.arriving);
            passed.stopped.extend(by_nat.stopped);
        } else {
            passed.arriving.retain(|one| one.by.is_some());
            passed.stopped.clear();
        }
        Ok(passed)
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
            passed.arriving.retain(|one| one.by.is_some());
            passed.stopped.clear();
        }
        let unasked = in_state([CtState::New, CtState::Untracked]);
        let mut is_open = false;
        if self.claim.accepts {
            for (region, ..) in &passed.stopped {
                if let Some(point) = any_point(passage, region) {
                    match self.shown(passage, &point, None) {
                        Some(broken) => return Ok(Found::Packet(Box::new(broken))),
                        None => is_open = true,
                    }
                }
            }
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
        }
        Ok(match (is_open, is_met) {
            (true, _) => Found::Unknown,
            (false, true) => Found::Nothing,
            (false, false) => Found::NoPackets,
        })
    }

    /// What nat sends to the destinations of the claim that set out for others.
    fn by_nat(
        &self,
        passage: &Passage<'w>,
        asked: &[Region],
        hook: Hook,
    ) -> Result<Passed<'w>, TooMuch> {
        let space = passage.space();
        let mut all = Passed::default();
        if !self.is_moved(passage.family, hook) {
            return Ok(all);
        }
        let mut add = |sent: &Region, to: &Region| -> Result<(), TooMuch> {
            let passed = passage.pass(&passage.over_loopback(sent, self.is_looped))?;
            let mut translators = Region::default();
            for arriving in passed.arriving.into_iter().filter(|one| one.by.is_some()) {
                let region = space.intersection(&arriving.region, to);
                if !space.is_empty(&region) {
                    translators = space.union(&translators, &arriving.sent);
                    all.arriving.push(Arriving { region, ..arriving });
                }
            }
            for (region, base, entry) in passed.stopped {
                let region = space.intersection(&region, &translators);
                if !space.is_empty(&region) {
                    all.stopped.push((region, base, entry));
                }
            }
            Ok(())
        };
        // To this machine only what is redirected to the port itself comes by nat.
        if hook != Hook::Input {
            add(&asked[ANYWHERE], &asked[DESTINATION])?;
        }
        if !self.claim.accepts {
            add(&asked[ANY_PART], &asked[FILTERED])?;
        }
        Ok(all)
    }

    /// A packet of the region that the filter decides otherwise than claimed.
    fn decided(&self, passage: &Passage<'w>, region: &Region) -> Decided {
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
        for number in passage.list.matching().meeting_that(region, steps, is_otherwise) {
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

    /// A packet that breaks the claim, as it is sent, when it does so on its own way through all tables.
    fn shown(&self, passage: &Passage<'_>, point: &Point, by: Option<&Entry>) -> Option<Broken> {
        let sent = as_sent(passage.space().packet(point), passage.hook, by);
        let rooms: &[bool] = match (self.at_best, self.claim.accepts) {
            (true, _) => &[true],
            // Some limits may have room and others none: then the packet is not walked.
            (false, true) => &[false, true],
            (false, false) => &[true, false],
        };
        for room in rooms {
            let told = self.walk(&sent, *room)?;
            if told.fate.is_accepted() != self.claim.accepts {
                let limited = || self.walk(&sent, true).filter(|told| told.fate.is_accepted());
                let limited_by = if *room { None } else { limited() };
                let limited_by = limited_by.and_then(|told| told.decided_by);
                let (sent, told) = self.plainer(sent, told, *room);
                return Some(Broken { sent: sent.packet, told, limited_by });
            }
        }
        None
    }

    /// The same with an ordinary public address, if that makes no difference.
    fn plainer(&self, sent: Sent, told: Told, room: bool) -> (Sent, Told) {
        let mut plain = sent.clone();
        plain.packet.destination = usual(sent.packet.family());
        if told.translated_by.is_none() || !sent.packet.to_local {
            return (sent, told);
        }
        match self.walk(&plain, room) {
            Some(same) if same.decided_by == told.decided_by && same.fate == told.fate => {
                (plain, same)
            }
            Some(_) | None => (sent, told),
        }
    }

    fn walk(&self, sent: &Sent, room: bool) -> Option<Told> {
        let oracle = |_: crate::meaning::Question<'_>| room;
        let answers = Answers { oracle: &oracle, facts: None };
        let journey = follow(self.meaning, self.world.surroundings, sent, answers).ok()?;
        Told::of(&journey)
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

    /// An answer that is not accepted.
    fn unanswered(&self, family: Family, hook: Hook) -> Found {
        let untracked = match self.is_untracked(family, hook) {
            Ok(untracked) => untracked,
            Err(much) => return much.into(),
        };
        let way = match self.group.way_back(family, sets::back(hook)) {
            Ok(way) => way,
            Err(much) => return much.into(),
        };
        let Some(asked) = self.asked_on(&way, hook) else { return Found::NoPackets };
        let passage = &way.passage;
        // To what conntrack has not seen the first answer is invalid, unless it is not tracked either.
        let asked = asked.iter().take(if untracked { 2 } else { 1 });
        let mut is_open = false;
        for sent in asked {
            let passed = match passage.pass(&passage.over_loopback(sent, self.is_looped)) {
                Ok(passed) => passed,
                Err(much) => return much.into(),
            };
            for arriving in &passed.arriving {
                match self.decided(passage, &arriving.region) {
                    Decided::AsClaimed => {}
                    Decided::Unknown => is_open = true,
                    Decided::Otherwise(point) => match self.shown(passage, &point, None) {
                        Some(broken) => return Found::Packet(Box::new(broken)),
                        None => is_open = true,
                    },
                }
            }
        }
        if is_open { Found::Unknown } else { Found::Nothing }
    }

    /// The answers in its connections: those that are established, and those that are invalid.
    pub fn answers(&self, family: Family, hook: Hook) -> Option<Vec<PacketSet>> {
        let flows = sets::flows_of(self.claim, hook, self.is_looped);
        let answers = sets::answers(self.world.policy, &flows, hook, family)?;
        let in_state = |state| {
            let factor = crate::packet::Factor::all([in_state([state])]);
            sets::and(&answers, [factor])
        };
        Some([CtState::Established, CtState::Invalid].map(in_state).to_vec())
    }

    /// Whether conntrack may be kept from packets of the claim.
    fn is_untracked(&self, family: Family, hook: Hook) -> Result<bool, TooMuch> {
        let base = match hook {
            Hook::Input | Hook::Forward => BaseChain::RawPrerouting,
            Hook::Output => BaseChain::RawOutput,
        };
        let list = self.meaning.base(family, base);
        if list.is_none_or(|list| list.entries.is_empty()) {
            return Ok(false);
        }
        let way = self.group.way(self.at_best, family, hook)?;
        let Some(asked) = self.asked_on(&way, hook) else { return Ok(false) };
        let passed = way.passage.pass(&asked[SENT])?;
        let space = way.passage.space();
        let untracked = in_state([CtState::Untracked]);
        let is_so = |one: &Arriving<'_>| !space.is_empty(&space.within(&one.region, &untracked));
        Ok(passed.arriving.iter().any(is_so))
    }
}

/// Whether the filter decides a region as claimed.
enum Decided {
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
fn left(passage: &Passage<'_>, region: &Region, among: Among, number: RuleNumber) -> Answer {
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

/// The packets of those for whom a translation serves the destinations: by where they come from and what
/// they are, whatever they are sent to.
fn served(passage: &Passage<'_>, by_nat: &Passed<'_>, hook: Hook) -> Region {
    let space = passage.space();
    let mut served = Region::default();
    if hook == Hook::Input {
        return served;
    }
    for arriving in &by_nat.arriving {
        let moves = arriving.by.is_some_and(|entry| entry.effect.destination().is_some());
        if moves {
            served = space.union(&served, &arriving.sent);
        }
    }
    space.freed(&served, |field| match field {
        Field::Incoming
        | Field::Source
        | Field::Protocol
        | Field::SourcePort
        | Field::DestinationPort
        | Field::Icmp
        | Field::Flags
        | Field::State
        | Field::Mac
        | Field::User
        | Field::Group
        | Field::Length => false,
        Field::Outgoing
        | Field::Destination
        | Field::Translated
        | Field::OriginalDestination
        | Field::OriginalPort
        | Field::ToLocal
        | Field::Mark
        | Field::ConnectionMark
        | Field::Ttl
        | Field::Dscp
        | Field::Opaque => true,
    })
}
