//! Whether what the kernel wrote down of a packet is what is foretold of its way.

use std::net::IpAddr;

use palisade::analyze::journey::{Journey, Stage};
use palisade::meaning::{BaseChain, Decision, Translation};
use palisade::net::{CtState, Family};
use palisade::packet::{Packet, Payload};
use palisade::resolve::policy::{Log, RejectWith};

use crate::diary::{Answer, Seen, Sighting};
use crate::ground::{Ground, Wrapping, addresses_of};
use crate::judge::End;

/// A part of a packet's way that is in the diary as one: all of it, or what is before it comes in again on
/// lo, or what is behind.
struct Leg<'j, 'm> {
    stages: &'j [Stage<'m>],
    /// Whether the packet comes to the end of it.
    passes: bool,
    /// As it is then.
    last: &'j Packet,
    /// Whether it is the end of its whole way.
    is_last: bool,
    /// Whether it may have been sent to any of the router's addresses: which is its own matter.
    is_redirected: bool,
}

/// The stages that the diary can know of: what the router sends to itself comes back only when it is let,
/// and is judged only where it is known with which source.
pub fn seen_stages<'j, 'm>(journey: &'j Journey<'m>, sighting: &Sighting) -> &'j [Stage<'m>] {
    let all = &journey.stages;
    let end = loop_of(all).unwrap_or(all.len());
    let before = &all[..end];
    let is_certain = before.iter().all(|stage| match stage.translation() {
        Some(Translation::Masquerade) => false,
        Some(Translation::Source { low, high }) => low == high,
        Some(_) | None => true,
    });
    if sighting.looped.is_some() && is_certain { all } else { before }
}

/// Where a packet comes in on lo.
fn loop_of(stages: &[Stage<'_>]) -> Option<usize> {
    stages.iter().position(is_looped)
}

pub fn is_looped(stage: &Stage<'_>) -> bool {
    stage.base == BaseChain::RawPrerouting && stage.before.incoming.as_deref() == Some("lo")
}

pub fn is_of_filter(base: BaseChain) -> bool {
    matches!(
        base,
        BaseChain::FilterInput
            | BaseChain::FilterForward
            | BaseChain::FilterOutput
            | BaseChain::DockerUser
    )
}

/// Whether what was seen is what is told of the way.
pub fn compare(
    journey: &Journey<'_>,
    sent: (&Packet, Wrapping),
    sighting: &Sighting,
    ground: &Ground,
) -> Result<End, String> {
    let all = &journey.stages[..];
    let is_redirected =
        all.iter().any(|it| matches!(it.translation(), Some(Translation::Redirect { .. })));
    let passes = journey.fate.is_accepted();
    let Some(at) = loop_of(all) else {
        let way = Leg { stages: all, passes, last: &journey.packet, is_last: true, is_redirected };
        let end = compare_leg(&way, sent, sighting, ground)?;
        return match &sighting.looped {
            Some(_) => Err("comes in on lo".to_owned()),
            None => Ok(end),
        };
    };
    let (first, second) = all.split_at(at);
    let way =
        Leg { stages: first, passes: true, last: &second[0].before, is_last: false, is_redirected };
    let end = compare_leg(&way, sent, sighting, ground)?;
    let Some(looped) = &sighting.looped else {
        let is_lost = sent.1 == Wrapping::Lasting && matches!(end, End::Passed { .. });
        return if is_lost { Err("does not come in on lo".to_owned()) } else { Ok(end) };
    };
    if seen_stages(journey, sighting).len() == at {
        return Ok(end);
    }
    let way = Leg { stages: second, passes, last: &journey.packet, is_last: true, is_redirected };
    compare_leg(&way, sent, looped, ground).map_err(|fault| format!("on lo: {fault}"))
}

fn compare_leg(
    way: &Leg<'_, '_>,
    (sent, wrapping): (&Packet, Wrapping),
    sighting: &Sighting,
    ground: &Ground,
) -> Result<End, String> {
    let Leg { stages, passes, last, is_last, is_redirected } = *way;
    let filter = stages.iter().find(|stage| is_of_filter(stage.base));
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
    is_destination(seen, before, is_redirected)?;
    let logs = stages.iter().flat_map(|stage| stage.trace.logs());
    let line = |log: &Log| format!("{}:{}", log.level.0, log.prefix.as_deref().unwrap_or_default());
    let logged: Vec<String> = logs.map(line).collect();
    if logged != sighting.logs {
        return Err(format!("is logged as {:?}, meant {logged:?}", sighting.logs));
    }
    if passes != sighting.passed.is_some() {
        return Err(format!("passed: {}", sighting.passed.is_some()));
    }
    let rejected = stages.last().and_then(|stage| match stage.trace.decision {
        Decision::Reject(with) => Some(with),
        _ => None,
    });
    is_answered(rejected, sighting, sent, wrapping)?;
    let Some((seen, mark, outgoing)) = &sighting.passed else {
        let is_answered = sighting.answer.is_some();
        return Ok(rejected.map_or(End::Stopped, |_| End::Rejected { is_answered }));
    };
    if (*mark, seen.dscp) != (last.mark, last.dscp) {
        return Err(format!("leaves with mark and class {:?}", (mark, seen.dscp)));
    }
    if is_last && outgoing.as_deref() != last.outgoing.as_deref() {
        return Err(format!("leaves by {outgoing:?}, meant {:?}", last.outgoing));
    }
    is_destination(seen, last, is_redirected)?;
    is_source(seen, last, stages, ground, outgoing.as_deref())?;
    let is_translated = (seen.source, seen.destination) != (sent.source, sent.destination);
    Ok(End::Passed { is_translated })
}

/// Whether a packet goes where it is meant to.
fn is_destination(seen: &Seen, meant: &Packet, is_redirected: bool) -> Result<(), String> {
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
    let port = meant.ports().map(|(port, _)| port);
    // Of a new connection the kernel may choose another when somebody has it.
    if meant.state == CtState::Established && seen.source_port() != port {
        return Err(format!("comes from port {:?}, meant {port:?}", seen.source_port()));
    }
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
