//! One packet that was seen in the kernel: was that what is meant?

use std::net::IpAddr;

use palisade::meaning::{BaseChain, Change, Decision, Meaning, Question, Translation};
use palisade::net::address::{from_number, to_number};
use palisade::net::{CtState, Family, Prefix};
use palisade::packet::{Original, Packet, Payload};

use crate::ground::{Asked, Changed, LINKS, Sighting, is_local};
use crate::members::Members;

/// How a packet ended, as it was meant to.
#[derive(Clone, Copy)]
pub enum End {
    /// Through all chains; `translated` with another source or destination than it was sent with.
    Passed {
        translated: bool,
    },
    Stopped,
    /// The kernel refused it before any rule.
    Unasked,
    /// What is meant depends on a limit.
    Limited,
}

/// What became of a packet, when that is what is meant. `members` is what dynamic sets hold before it,
/// and then after it.
pub fn judge(
    meaning: &Meaning,
    members: &mut Members,
    packet: &Packet,
    sighting: &Sighting,
) -> Result<End, String> {
    let Some(asked) = &sighting.asked else {
        let strange = sighting.passed.is_some();
        return if strange { Err("passed and never asked".to_owned()) } else { Ok(End::Unasked) };
    };
    let mut packet = packet.clone();
    if !members.tell(&mut packet) {
        return Ok(End::Limited);
    }
    is_tracked_so(meaning, &packet, asked.state)?;
    packet.state = asked.state;
    let sent = (packet.source, packet.destination);
    change(meaning, BaseChain::ManglePrerouting, &mut packet);
    let Some(translation) = traced(meaning, members, BaseChain::NatPrerouting, &packet) else {
        return Ok(End::Limited);
    };
    translate(&mut packet, &translation, asked)?;
    if !members.tell(&mut packet) {
        return Ok(End::Limited);
    }
    packet.outgoing = asked.outgoing.as_deref().map(Into::into);
    let (mangle, chain) = match packet.outgoing {
        Some(_) => (BaseChain::MangleForward, BaseChain::FilterForward),
        None => (BaseChain::MangleInput, BaseChain::FilterInput),
    };
    if chain == BaseChain::FilterForward {
        // The kernel counts the hop before it asks.
        packet.ttl -= 1;
    }
    change(meaning, mangle, &mut packet);
    let Packet { mark, connection_mark, dscp, .. } = packet;
    let changed = Changed { mark, connection_mark, dscp };
    if changed != sighting.changed {
        return Err(format!("is meant to become {changed:?}"));
    }
    let Some(decision) = traced(meaning, members, chain, &packet) else {
        return Ok(End::Limited);
    };
    let passes = match decision {
        Decision::Accept => true,
        Decision::Drop | Decision::Reject(_) => false,
        Decision::Translate(_) | Decision::Unknown(_) | Decision::LeaveToDocker => {
            panic!("not a filter's to decide")
        }
    };
    let Some(source) = sighting.passed.filter(|_| passes) else {
        let same = passes == sighting.passed.is_some();
        return if same { Ok(End::Stopped) } else { Err(format!("meant {decision:?}")) };
    };
    if chain == BaseChain::FilterForward {
        if !members.tell(&mut packet) {
            return Ok(End::Limited);
        }
        let Some(decision) = traced(meaning, members, BaseChain::NatPostrouting, &packet) else {
            return Ok(End::Limited);
        };
        if !is_source(source, &packet, &decision) {
            return Err(format!("leaves as {source}, meant {decision:?}"));
        }
    } else if source != packet.source {
        return Err(format!("arrives as {source}"));
    }
    Ok(End::Passed { translated: sent != (source, packet.destination) })
}

/// Whether conntrack sees what it is meant to see of what comes in. Which helper it gives to a new
/// connection shows in those alone that the helper expects, and `helpers` is about them.
fn is_tracked_so(meaning: &Meaning, packet: &Packet, state: CtState) -> Result<(), String> {
    let found = meaning.trace(BaseChain::RawPrerouting, packet, &mut |_| true);
    let untracked = found.changes().any(|change| change == Change::Untracked);
    let fits = match state {
        // Messages of neighbour discovery are never tracked.
        CtState::Untracked => untracked || matches!(packet.payload, Payload::Icmp { .. }),
        CtState::Invalid | CtState::New | CtState::Related | CtState::Established => !untracked,
    };
    fits.then_some(()).ok_or_else(|| format!("is {}, meant the opposite", state.name()))
}

/// Makes of the packet what the statements of a chain make of it.
fn change(meaning: &Meaning, chain: BaseChain, packet: &mut Packet) {
    *packet = meaning.trace(chain, packet, &mut |_| true).packet;
}

/// What a chain decides; `None` when that depends on a limit or is not known. What it adds to sets is
/// in `members` then.
fn traced(
    meaning: &Meaning,
    members: &mut Members,
    chain: BaseChain,
    packet: &Packet,
) -> Option<Decision> {
    let mut limited = false;
    let found = meaning.trace(chain, packet, &mut |question| {
        limited |= matches!(question, Question::Limit(_));
        true
    });
    // Of what raw rules decide only the words are known.
    if limited || matches!(found.decision, Decision::Unknown(_)) {
        members.doubt(packet.source);
        return None;
    }
    for set in found.added() {
        members.add(set, packet.source);
    }
    Some(found.decision)
}

/// Makes of the packet what prerouting is meant to make of it, if that is what the kernel made.
fn translate(packet: &mut Packet, decision: &Decision, asked: &Asked) -> Result<(), String> {
    let before = (packet.destination, packet.ports().map(|(_, port)| port));
    let Decision::Translate(translation) = decision else { panic!("nat decides {decision:?}") };
    match &**translation {
        Translation::Exempt => {}
        Translation::Destination { address, port } => {
            packet.destination = *address;
            if let Some(port) = port {
                set_port(packet, *port);
            }
        }
        Translation::Redirect { port } => {
            if is_local(asked.destination) {
                packet.destination = asked.destination;
            }
            set_port(packet, *port);
        }
        Translation::Netmap { from, to } => {
            packet.destination = mapped(packet.destination, *from, *to);
        }
        Translation::Masquerade | Translation::Source { .. } => {
            panic!("prerouting {translation:?}")
        }
    }
    packet.to_local = is_local(packet.destination);
    let (destination, port) = before;
    if before != (packet.destination, packet.ports().map(|(_, port)| port)) {
        packet.original = Some(Original { destination, port });
    }
    let same = packet.destination == asked.destination;
    same.then_some(()).ok_or_else(|| format!("goes to {}, meant {decision:?}", asked.destination))
}

/// Whether a packet that leaves has the source that postrouting is meant to give it.
fn is_source(source: IpAddr, packet: &Packet, decision: &Decision) -> bool {
    let Decision::Translate(translation) = decision else { panic!("nat decides {decision:?}") };
    match &**translation {
        Translation::Exempt => source == packet.source,
        Translation::Masquerade => {
            let wire = LINKS.iter().find(|(name, _)| Some(*name) == packet.outgoing.as_deref());
            let (_, addresses) = wire.expect("packets leave by a wire");
            addresses.iter().any(|address| address.parse() == Ok(source))
        }
        Translation::Source { low, high } => (*low..=*high).contains(&source),
        Translation::Netmap { from, to } => source == mapped(packet.source, *from, *to),
        Translation::Destination { .. } | Translation::Redirect { .. } => {
            panic!("postrouting {translation:?}")
        }
    }
}

fn mapped(address: IpAddr, from: Prefix, to: Prefix) -> IpAddr {
    let offset = to_number(address) - to_number(from.address());
    from_number(Family::of(address), to_number(to.address()) + offset)
}

pub fn set_port(packet: &mut Packet, port: u16) {
    match &mut packet.payload {
        Payload::Tcp { destination, .. }
        | Payload::Udp { destination, .. }
        | Payload::Sctp { destination, .. } => *destination = port,
        Payload::Icmp { .. } | Payload::Other(_) => {}
    }
}
