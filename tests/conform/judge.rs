//! One packet that the kernel has dealt with: do all who know what should become of it agree?
//!
//! Its whole way is foretold from the meaning ([`follow`]). Each stage of it must be what the rules do
//! that were read back (chain by chain, log lines and changes too), and what the kernel wrote into its
//! diary must be what comes out.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use palisade::analyze::deliverable::first_state;
use palisade::analyze::journey::{
    Answers, Behind, Fate, Journey, Sent, Stage, Surroundings, Unclear, follow,
};
use palisade::meaning::{BaseChain, Decision, Effect, History, Meaning, Question, Translation};
use palisade::net::{Addresses, CtState, Family, Interface};
use palisade::packet::{Packet, Payload};
use palisade::resolve::policy::{Log, RejectWith};

use crate::diary::{Answer, Seen, Sighting};
use crate::ground::{Ground, Wrapping, addresses_of};
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
    pub state: CtState,
    pub logs: usize,
    pub is_changed: bool,
    pub steps: Vec<Step>,
}

impl Judged {
    fn without_steps(end: End, probe: &Probe) -> Self {
        let (state, steps) = (probe.packet.state, Vec::new());
        Judged { end, state, logs: 0, is_changed: false, steps }
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
        Asking { case, members, sent: &sent, around: surroundings(ground, sighting, &sent) };
    let Some(journey) = asking.certain(&tested.meaning, sighting)? else {
        if tested.fills_sets {
            members.doubt(sent.packet.source);
        }
        return Ok(Judged::without_steps(End::Unknown, probe));
    };
    let read =
        if tested.is_in_words { None } else { asking.certain(&tested.read_meaning, sighting)? };
    let own = own_stages(&journey);
    take_up(members, own, sighting);
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
    let steps = own.iter().map(step).collect();
    let state = sighting.asked.as_ref().map_or(sent.packet.state, |(state, ..)| *state);
    Ok(Judged { end, state, logs, is_changed, steps })
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
        let (journey, is_unknown) = self.way(meaning, &BTreeSet::new());
        let journey = match journey {
            Err(_) if is_unknown || !unknown.is_empty() => return Ok(None),
            Err(unclear) => return Err(format!("the way is unclear: {unclear:?}")),
            Ok(journey) => journey,
        };
        let own = own_stages(&journey);
        // Where nobody knows whether a condition holds, it must be all the same.
        if !unknown.is_empty() {
            let (Ok(other), false) = self.way(meaning, unknown) else { return Ok(None) };
            let steps = |stages: &[Stage<'a>]| {
                let steps = stages.iter().map(|stage| (stage.base, stage.trace.steps.clone()));
                steps.collect::<Vec<_>>()
            };
            if steps(own) != steps(own_stages(&other)) {
                return Ok(None);
            }
        }
        let is_rerouted = self.sent.packet.incoming.is_none() && is_rerouted(sighting);
        let is_in_words = is_in_words(own) || matches!(journey.fate, Fate::Unknown(_));
        Ok(Some(journey).filter(|_| !is_unknown && !is_rerouted && !is_in_words))
    }

    /// The way where some conditions hold too, and whether something was asked that nobody knows.
    fn way(
        &self,
        meaning: &'a Meaning,
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
        let journey = follow(meaning, &self.around, self.sent, answers);
        // Which of its addresses it redirects to is the router's own matter.
        let is_unclear = matches!(journey, Err(Unclear::Which { .. }));
        (journey, is_unknown.get() || is_unclear)
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
fn is_rerouted(sighting: &Sighting) -> bool {
    match (&sighting.changed, &sighting.passed) {
        (Some((before, _, old)), Some((after, _, new))) => {
            old != new && before.destination == after.destination && old.is_some()
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
        _ => Some(packet.outgoing.take().unwrap_or_else(|| first.into())),
    };
    packet.outgoing = None;
    packet.state = match &sighting.asked {
        Some((CtState::Untracked, ..)) => first_state(&packet),
        Some((state, ..)) => *state,
        None => packet.state,
    };
    if !matches!(packet.state, CtState::Established | CtState::Related) {
        packet.connection_mark = 0;
    }
    Sent { packet, any: Vec::new(), leaves, is_placed: true }
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

/// The stages up to where the observer takes packets away: what the router sends to itself does not come
/// back.
fn own_stages<'j, 'm>(journey: &'j Journey<'m>) -> &'j [Stage<'m>] {
    let is_looped = |stage: &Stage<'_>| {
        stage.base == BaseChain::RawPrerouting && stage.before.incoming.as_deref() == Some("lo")
    };
    let end = journey.stages.iter().position(is_looped).unwrap_or(journey.stages.len());
    &journey.stages[..end]
}

/// What the sets hold afterwards.
fn take_up(members: &mut Members, stages: &[Stage<'_>], sighting: &Sighting) {
    for stage in stages {
        // What the kernel refuses by itself does not come to the filter.
        if sighting.changed.is_none() && is_of_filter(stage.base) {
            return;
        }
        for set in stage.trace.added() {
            members.add(set, stage.before.source);
        }
    }
}

fn is_of_filter(base: BaseChain) -> bool {
    matches!(
        base,
        BaseChain::FilterInput
            | BaseChain::FilterForward
            | BaseChain::FilterOutput
            | BaseChain::DockerUser
    )
}

/// Whether what was seen is what is told of the way.
fn compare(
    journey: &Journey<'_>,
    (sent, wrapping): (&Packet, Wrapping),
    sighting: &Sighting,
    ground: &Ground,
) -> Result<End, String> {
    let own = own_stages(journey);
    let is_cut = own.len() < journey.stages.len();
    let passes = is_cut || journey.fate.is_accepted();
    let filter = own.iter().find(|stage| is_of_filter(stage.base));
    let Some((seen, mark, outgoing)) = &sighting.changed else {
        // Before the filter: by a rule there, or by the kernel itself.
        let is_refused = filter.is_none() && !passes;
        return Ok(if is_refused { End::Stopped } else { End::Unasked });
    };
    let Some(stage) = filter else { return Err("comes to the filter".to_owned()) };
    let (state, ..) = sighting.asked.as_ref().ok_or("was asked about nothing")?;
    let before = &stage.before;
    let found = (*state, *mark, sighting.connection_mark, seen.dscp, outgoing.as_deref());
    let meant = (
        before.state,
        before.mark,
        before.connection_mark,
        before.dscp,
        before.outgoing.as_deref(),
    );
    if found != meant {
        return Err(format!("comes to the filter as {found:?}, meant {meant:?}"));
    }
    if seen.ttl != before.ttl {
        return Err(format!("comes to the filter with {} hops", seen.ttl));
    }
    is_destination(seen, before, journey)?;
    let logs = own.iter().flat_map(|stage| stage.trace.logs());
    let line = |log: &Log| format!("{}:{}", log.level.0, log.prefix.as_deref().unwrap_or_default());
    let logged: Vec<String> = logs.map(line).collect();
    if logged != sighting.logs {
        return Err(format!("is logged as {:?}, meant {logged:?}", sighting.logs));
    }
    if passes != sighting.passed.is_some() {
        return Err(format!("passed: {}", sighting.passed.is_some()));
    }
    let rejected = own.last().and_then(|stage| match stage.trace.decision {
        Decision::Reject(with) => Some(with),
        _ => None,
    });
    is_answered(rejected, sighting, sent, wrapping)?;
    let Some((seen, mark, outgoing)) = &sighting.passed else {
        let is_answered = sighting.answer.is_some();
        return Ok(rejected.map_or(End::Stopped, |_| End::Rejected { is_answered }));
    };
    let last = if is_cut { &journey.stages[own.len()].before } else { &journey.packet };
    if (*mark, seen.dscp) != (last.mark, last.dscp) {
        return Err(format!("leaves with mark and class {:?}", (mark, seen.dscp)));
    }
    if !is_cut && outgoing.as_deref() != last.outgoing.as_deref() {
        return Err(format!("leaves by {outgoing:?}, meant {:?}", last.outgoing));
    }
    is_destination(seen, last, journey)?;
    is_source(seen, last, own, ground, outgoing.as_deref())?;
    let is_translated = (seen.source, seen.destination) != (sent.source, sent.destination);
    Ok(End::Passed { is_translated })
}

/// Whether a packet goes where it is meant to.
fn is_destination(seen: &Seen, meant: &Packet, journey: &Journey<'_>) -> Result<(), String> {
    // Which of its addresses the router takes is its own matter.
    let is_redirected = journey
        .stages
        .iter()
        .any(|stage| matches!(stage.translation(), Some(Translation::Redirect { .. })));
    let port = meant.ports().map(|(_, port)| port);
    if seen.destination != meant.destination && !is_redirected {
        return Err(format!("goes to {}, meant {}", seen.destination, meant.destination));
    }
    if seen.port() != port {
        return Err(format!("goes to port {:?}, meant {port:?}", seen.port()));
    }
    Ok(())
}

/// Whether a packet that leaves has the source that it is meant to have.
fn is_source(
    seen: &Seen,
    meant: &Packet,
    own: &[Stage<'_>],
    ground: &Ground,
    outgoing: Option<&str>,
) -> Result<(), String> {
    let last = own.iter().find(|stage| stage.base == BaseChain::NatPostrouting);
    let fits = match last.and_then(Stage::translation) {
        Some(Translation::Masquerade) => match ground.wire(outgoing) {
            Some(wire) => addresses_of(wire).contains(&seen.source),
            None => crate::ground::is_local(seen.source),
        },
        Some(Translation::Source { low, high }) => (*low..=*high).contains(&seen.source),
        Some(_) | None => seen.source == meant.source,
    };
    fits.then_some(()).ok_or_else(|| format!("comes from {}, meant {}", seen.source, meant.source))
}

/// Whether the answer is the one that is meant, or there is none where there can be none.
fn is_answered(
    rejected: Option<RejectWith>,
    sighting: &Sighting,
    sent: &Packet,
    wrapping: Wrapping,
) -> Result<(), String> {
    let Some(with) = rejected else {
        return match sighting.answer {
            None => Ok(()),
            Some(answer) => Err(format!("was answered with {answer:?}")),
        };
    };
    let meant = answer_of(with, sent.family());
    match sighting.answer {
        Some(answer) if answer == meant => Ok(()),
        None if wrapping == Wrapping::Torn || is_silent(meant, sent) => Ok(()),
        answer => Err(format!("was answered with {answer:?}, meant {meant:?}")),
    }
}

/// Whether the kernel answers such a packet with silence.
fn is_silent(meant: Answer, sent: &Packet) -> bool {
    let by_payload = match (meant, sent.payload) {
        (Answer::Reset, Payload::Tcp { flags, .. }) => flags.bits() & 4 != 0,
        // No error is answered with an error, nor is what only looks like one.
        (Answer::Icmp(..), Payload::Icmp { kind, .. }) => match sent.family() {
            Family::V4 => ![0, 8, 13, 14].contains(&kind),
            Family::V6 => kind < 128,
        },
        // Some protocols have no checksum where the kernel looks for one.
        (Answer::Icmp(..), Payload::Other(_)) => true,
        _ => false,
    };
    let is_strange = |address: IpAddr| match address {
        IpAddr::V4(it) => {
            it.is_multicast()
                || it.is_broadcast()
                || it.octets()[0] == 0
                || it.octets()[0] >= 240
                || it.is_loopback()
        }
        IpAddr::V6(it) => {
            it.is_multicast()
                || it.is_unspecified()
                || it.is_loopback()
                || it.is_unicast_link_local()
        }
    };
    by_payload || is_strange(sent.source) || is_strange(sent.destination)
}

/// By RFC 792, RFC 1812 and RFC 4443. (On IPv6 all prohibitions are one.)
fn answer_of(with: RejectWith, family: Family) -> Answer {
    match (with, family) {
        (RejectWith::TcpReset, _) => Answer::Reset,
        (RejectWith::NetUnreachable, Family::V4) => Answer::Icmp(3, 0),
        (RejectWith::HostUnreachable, Family::V4) => Answer::Icmp(3, 1),
        (RejectWith::ProtoUnreachable, Family::V4) => Answer::Icmp(3, 2),
        (RejectWith::PortUnreachable, Family::V4) => Answer::Icmp(3, 3),
        (RejectWith::NetProhibited, Family::V4) => Answer::Icmp(3, 9),
        (RejectWith::HostProhibited, Family::V4) => Answer::Icmp(3, 10),
        (RejectWith::AdminProhibited, Family::V4) => Answer::Icmp(3, 13),
        (RejectWith::NetUnreachable, Family::V6) => Answer::Icmp(1, 0),
        (
            RejectWith::NetProhibited | RejectWith::HostProhibited | RejectWith::AdminProhibited,
            Family::V6,
        ) => Answer::Icmp(1, 1),
        (RejectWith::HostUnreachable, Family::V6) => Answer::Icmp(1, 3),
        (RejectWith::PortUnreachable, Family::V6) => Answer::Icmp(1, 4),
        (RejectWith::PolicyFail, Family::V6) => Answer::Icmp(1, 5),
        (RejectWith::RejectRoute, Family::V6) => Answer::Icmp(1, 6),
        (RejectWith::ProtoUnreachable, Family::V6)
        | (RejectWith::PolicyFail | RejectWith::RejectRoute, Family::V4) => {
            panic!("{with:?} is not of {family}, and resolve refuses it")
        }
    }
}

/// (For the words of a fault.)
pub fn told(probe: &Probe, sighting: &Sighting) -> String {
    let probe::Probe { packet, account, wrapping, history } = probe;
    format!("{packet:?}\n{account:?} {wrapping:?} {history:?}\n{sighting:#?}")
}
