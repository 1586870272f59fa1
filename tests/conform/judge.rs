//! One packet that the kernel has dealt with: do all who know what should become of it agree?
//!
//! Its whole way is foretold from the meaning ([`follow`]). Each stage of it must be what the rules do
//! that were read back (chain by chain, log lines and changes too), and what the kernel wrote into its
//! diary must be what comes out.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::sync::Arc;

use palisade::analyze::deliverable::{first_state, is_of_group};
use palisade::analyze::journey::{
    Answers, Behind, Fate, Journey, Sent, Stage, Surroundings, Unclear, follow,
};
use palisade::meaning::{BaseChain, Effect, Guide, History, Meaning, Question};
use palisade::net::{Addresses, CtState, Interface};
use palisade::packet::{Field, Packet};

use crate::compare::{compare, is_looped, is_of_filter, seen_stages};
use crate::diary::Sighting;
use crate::ground::{Ground, addresses_of};
use crate::later::Way;
use crate::members::Members;
use crate::probe::{self, Probe};
use crate::rules;
use crate::ruleset::{Loader, Tested};
use crate::settle::Room;

/// How a packet ended, as it was meant to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    Passed {
        is_translated: bool,
    },
    Stopped,
    /// With an answer of the right kind, or without one.
    Rejected {
        is_answered: bool,
    },
    /// The kernel refused it before the rules decided: it has no way, or cannot be so.
    Unasked,
    /// Whether it passes only the past knows, or words that are only the kernel's.
    Unknown,
}

/// A stage of a packet's way, for those who look at it again.
pub struct Step {
    pub base: BaseChain,
    pub packet: Packet,
}

/// What is known of one packet.
pub struct Judged {
    pub end: End,
    /// The mark of its connection at last.
    pub connection_mark: u32,
    pub state: CtState,
    pub logs: usize,
    pub is_changed: bool,
    /// Whether it was judged where it comes in on lo.
    pub is_looped: bool,
    pub steps: Vec<Step>,
}

impl Judged {
    fn without_steps(end: End, probe: &Probe) -> Self {
        let (state, steps) = (probe.packet.state, Vec::new());
        let (is_changed, is_looped) = (false, false);
        Judged { end, connection_mark: 0, state, logs: 0, is_changed, is_looped, steps }
    }
}

/// Who is asked: a ruleset, as it was loaded.
#[derive(Clone, Copy)]
pub struct Case<'t> {
    pub tested: &'t Tested,
    pub ground: &'t Ground,
    pub loader: Loader,
}

/// What became of a packet, when all agree. `members` is what dynamic sets hold before it, and then
/// after it.
pub fn judge(
    case: Case<'_>,
    members: &mut Members,
    probe: &Probe,
    sighting: &Sighting,
) -> Result<Judged, String> {
    let Case { tested, ground, .. } = case;
    if !sighting.has_entered {
        return Ok(Judged::without_steps(End::Unasked, probe));
    }
    let sent = sent(probe, sighting, &ground.wires[0]);
    let asking =
        Asking { case, members, probe, sent: &sent, around: surroundings(ground, sighting, &sent) };
    let Some(journey) = asking.certain(&tested.meaning, sighting)? else {
        if tested.fills_sets {
            members.doubt(sent.packet.source);
        }
        return Ok(Judged::without_steps(End::Unknown, probe));
    };
    let read =
        if tested.is_in_words { None } else { asking.certain(&tested.read_meaning, sighting)? };
    let own = seen_stages(&journey, sighting);
    take_up(members, own, sighting);
    let state = sent.packet.state;
    let is_later = matches!(probe.history, probe::History::Opened(..));
    if is_later && state != CtState::Established {
        return Err(format!("is {} and not of its connection", state.name()));
    }
    let compared = |journey: &Journey<'_>| {
        let end = compare(journey, (&sent.packet, probe.wrapping), sighting, ground);
        end.map_err(|fault| {
            let stages = journey.stages.iter();
            let way: Vec<_> = stages.map(|stage| (stage.base, &stage.trace.decision)).collect();
            format!("{fault}\nforetold {:?} by {way:#?}", journey.fate)
        })
    };
    let end = compared(&journey)?;
    if let Some(read) = &read {
        compared(read).map_err(|fault| format!("by the rules that were read: {fault}"))?;
    }
    is_done_so(tested, own)?;
    let logs = own.iter().map(|stage| stage.trace.logs().count()).sum();
    let is_changed = own.iter().any(|stage| stage.trace.changes().next().is_some());
    let step = |stage: &Stage<'_>| Step { base: stage.base, packet: stage.before.clone() };
    let is_looped = own.iter().any(is_looped);
    let steps = own.iter().map(step).collect();
    let state = sighting.asked.as_ref().map_or(sent.packet.state, |(state, ..)| *state);
    let connection_mark = journey.packet.connection_mark;
    Ok(Judged { end, connection_mark, state, logs, is_changed, is_looped, steps })
}

/// Whether the rules that were read do in each chain what is meant there.
fn is_done_so(tested: &Tested, stages: &[Stage<'_>]) -> Result<(), String> {
    if tested.is_in_words {
        return Ok(());
    }
    let all = match tested.room() {
        Room::Everywhere => rules::Answers::Open,
        Room::Nowhere => rules::Answers::Exhausted,
    };
    for Stage { base, before, .. } in stages {
        let ruleset = tested.read_of(before.family());
        if let Some(fault) = rules::disagreement(&tested.meaning, ruleset, *base, before, all) {
            return Err(format!("the rules that were read, in {base:?}: {fault}\n{before:?}"));
        }
    }
    Ok(())
}

/// A packet, and all that is known when its way is asked for.
struct Asking<'a, 'b> {
    case: Case<'a>,
    members: &'b Members,
    probe: &'b Probe,
    sent: &'b Sent,
    around: Surroundings,
}

impl<'a> Asking<'a, '_> {
    /// The way of the packet; `None` when it depends on what nobody here knows.
    fn certain(
        &self,
        meaning: &'a Meaning,
        sighting: &Sighting,
    ) -> Result<Option<Journey<'a>>, String> {
        let unknown = &self.case.tested.unknown;
        let (journey, is_unknown) = self.way(meaning, sighting, &BTreeSet::new());
        let journey = match journey {
            Err(_) if is_unknown || !unknown.is_empty() => return Ok(None),
            // Whether a clamp has to add its option, the packet of the model does not say.
            Err(Unclear::Changed { field: Field::Length, .. }) => return Ok(None),
            Err(unclear) => return Err(format!("the way is unclear: {unclear:?}")),
            Ok(journey) => journey,
        };
        let own = seen_stages(&journey, sighting);
        // Where nobody knows whether a condition holds, it must be all the same.
        if !unknown.is_empty() {
            let (Ok(other), false) = self.way(meaning, sighting, unknown) else { return Ok(None) };
            let steps = |stages: &[Stage<'a>]| {
                let steps = stages.iter().map(|stage| (stage.base, stage.trace.steps.clone()));
                steps.collect::<Vec<_>>()
            };
            if steps(own) != steps(seen_stages(&other, sighting)) {
                return Ok(None);
            }
        }
        let is_rerouted =
            self.sent.packet.incoming.is_none() && is_rerouted(&self.sent.packet, sighting);
        let is_in_words = is_in_words(own) || matches!(journey.fate, Fate::Unknown(_));
        Ok(Some(journey).filter(|_| !is_unknown && !is_rerouted && !is_in_words))
    }

    /// The way where some conditions hold too, and whether something was asked that nobody knows.
    fn way(
        &self,
        meaning: &'a Meaning,
        sighting: &Sighting,
        holding: &BTreeSet<Arc<str>>,
    ) -> (Result<Journey<'a>, Unclear>, bool) {
        let Case { tested, loader, .. } = self.case;
        let is_unknown = Cell::new(false);
        let oracle = |question: Question<'_>| {
            let is_settled = loader != Loader::Native && is_settled(meaning, question);
            is_unknown.set(is_unknown.get() || !is_settled);
            tested.room() == Room::Everywhere
        };
        let known = RefCell::new(self.members.clone());
        let facts = |packet: &mut Packet| {
            let is_told = known.borrow_mut().tell(packet);
            is_unknown.set(is_unknown.get() || !is_told);
            packet.opaque.extend(holding.iter().cloned());
        };
        let answers = Answers { oracle: &oracle, facts: Some(&facts) };
        let journey = match self.probe.history {
            probe::History::Opened(link, turn) => {
                let (leaves, packet) = (self.leaves(sighting), self.sent.packet.clone());
                let stages = Vec::new();
                Ok(Way { meaning, answers, link, turn, leaves, packet, stages }.run())
            }
            probe::History::Nothing
            | probe::History::Connection(_)
            | probe::History::Session
            | probe::History::Error(_) => {
                follow(&Guide::of(meaning), &self.around, self.sent, answers)
            }
        };
        // Which of its addresses it redirects to is the router's own matter.
        let is_unclear = matches!(journey, Err(Unclear::Which { .. } | Unclear::Redirected { .. }));
        (journey, is_unknown.get() || is_unclear)
    }
}

impl Asking<'_, '_> {
    /// Where the router sends it: as the filter is told, and at last.
    fn leaves(&self, sighting: &Sighting) -> [Arc<str>; 2] {
        let places = [&sighting.changed, &sighting.passed];
        let named = places.map(|place| place.as_ref().and_then(|(_, _, name)| name.as_deref()));
        let usual = self.sent.leaves.as_deref().unwrap_or("lo");
        [named[0].unwrap_or(usual).into(), named[1].or(named[0]).unwrap_or(usual).into()]
    }
}

/// Whether the loaded rules were made to answer such a question.
fn is_settled(meaning: &Meaning, question: Question<'_>) -> bool {
    match question {
        Question::Limit(id) => matches!(meaning.limits.get(&id), Some(History::Limit(_))),
        Question::Log(_) => true,
    }
}

/// Whether a packet of a process found another way for its new mark or class than for the old one.
fn is_rerouted(sent: &Packet, sighting: &Sighting) -> bool {
    match (&sighting.changed, &sighting.passed) {
        (Some((before, _, old)), Some((_, _, new))) => {
            old != new && before.destination == sent.destination && old.is_some()
        }
        _ => false,
    }
}

/// Whether rules are on the way of which only the words are known, and which may log or change.
fn is_in_words(stages: &[Stage<'_>]) -> bool {
    let steps = stages.iter().flat_map(|stage| &stage.trace.steps);
    let mut texts = steps.filter_map(|step| match &step.entry.effect {
        Effect::Opaque { text, .. } => Some(text),
        _ => None,
    });
    texts.any(|text| !text.is_empty())
}

/// A packet as it is sent, with the state that conntrack gave it. What no rule was to see may be untracked:
/// then rules said so. (Without a class the router sends by its first wire.)
fn sent(probe: &Probe, sighting: &Sighting, first: &str) -> Sent {
    let mut packet = probe.packet.clone();
    let leaves = match (&sighting.passed, &sighting.changed, &sighting.asked) {
        (Some((_, _, Some(name))), ..)
        | (_, Some((_, _, Some(name))), _)
        | (.., Some((_, _, Some(name)))) => Some(name.as_str().into()),
        // Without a multicast route it comes to the router itself.
        _ if packet.incoming.is_some() && is_of_group(packet.destination) => None,
        _ => Some(packet.outgoing.take().unwrap_or_else(|| first.into())),
    };
    packet.outgoing = None;
    packet.state = match &sighting.asked {
        Some((CtState::Untracked, ..)) if matches!(probe.history, probe::History::Opened(..)) => {
            packet.state
        }
        Some((CtState::Untracked, ..)) => first_state(&packet),
        Some((state, ..)) => *state,
        None => packet.state,
    };
    if !matches!(packet.state, CtState::Established | CtState::Related) {
        packet.connection_mark = 0;
    }
    Sent { packet, any: Vec::new(), leaves, behind: None, is_placed: true }
}

/// What is known of the router: its addresses, and where it sent the packet before it was translated.
fn surroundings(ground: &Ground, sighting: &Sighting, sent: &Sent) -> Surroundings {
    let singles: Vec<Addresses> =
        (0..ground.wires.len()).flat_map(addresses_of).map(Addresses::single).collect();
    let seen = sighting.changed.as_ref().and_then(|(_, _, name)| name.as_deref());
    let first = seen.and_then(|name| Interface::new(name).ok());
    let interfaces = vec![first.unwrap_or_else(|| Interface::new("eth0").expect("a name"))];
    let addresses = Addresses::single(sent.packet.destination);
    let places = vec![Behind { addresses, interfaces }];
    Surroundings { own: Addresses::union_all(singles.iter()), places }
}

/// What the sets hold afterwards.
fn take_up(members: &mut Members, stages: &[Stage<'_>], sighting: &Sighting) {
    let mut seen = sighting;
    for stage in stages {
        if is_looped(stage) {
            seen = sighting.looped.as_deref().unwrap_or(seen);
        }
        // What the kernel refuses by itself does not come to the filter.
        if seen.changed.is_none() && is_of_filter(stage.base) {
            return;
        }
        for (set, _) in stage.trace.added() {
            members.add(set, stage.before.source);
        }
    }
}

/// (For the words of a fault.)
pub fn told(probe: &Probe, sighting: &Sighting) -> String {
    let probe::Probe { packet, account, wrapping, history } = probe;
    format!("{packet:?}\n{account:?} {wrapping:?} {history:?}\n{sighting:#?}")
}
