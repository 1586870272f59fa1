//! A packet that breaks a promise: as it is sent, and what its walk through all tables showed.

use crate::analyze::deliverable::first_state;
use crate::analyze::journey::{Fate, Journey, Sent, Stage};
use crate::meaning::{BaseChain, Entry, Reason};
use crate::net::CtState;
use crate::packet::{Original, Packet, Payload};
use crate::resolve::policy::Hook;

/// A packet that breaks a claim, and its way.
#[derive(Debug)]
pub(super) struct Broken {
    pub sent: Packet,
    pub told: Told,
    /// Who would accept it if limits had room, where that makes the difference.
    pub limited_by: Option<Reason>,
}

/// What a walk through all tables showed.
#[derive(Debug)]
pub(super) struct Told {
    pub decided_by: Option<Reason>,
    pub base: BaseChain,
    pub fate: Fate,
    /// The packet as the chain that decided saw it.
    pub seen: Packet,
    /// Who gave it another destination.
    pub translated_by: Option<Reason>,
}

impl Told {
    pub fn of(journey: &Journey<'_>) -> Option<Self> {
        // Who is accepted was accepted by the filter, whatever nat says behind it.
        let is_filter = |base: BaseChain| {
            matches!(
                base,
                BaseChain::FilterInput | BaseChain::FilterForward | BaseChain::FilterOutput
            )
        };
        let last = journey.stages.last()?;
        let filter = journey.stages.iter().rfind(|stage| is_filter(stage.base));
        let decided = filter.filter(|_| journey.fate.is_accepted()).unwrap_or(last);
        let moved = journey.stages.iter().find(|stage| {
            stage.translation().is_some() && stage.before.destination != stage.after.destination
                || stage.before.ports() != stage.after.ports()
        });
        let reason = |stage: &Stage<'_>| stage.trace.steps.last().map(|step| step.entry.reason);
        Some(Told {
            decided_by: reason(decided),
            base: decided.base,
            fate: journey.fate.clone(),
            seen: decided.before.clone(),
            translated_by: moved.and_then(reason),
        })
    }
}

/// A packet that the filter sees, as it was sent: before translations, marks and what conntrack says.
pub(super) fn as_sent(seen: Packet, hook: Hook, by: Option<&Entry>) -> Sent {
    let mut packet = seen;
    let leaves = packet.outgoing.take();
    if let Some(Original { destination, port }) = packet.original.take() {
        packet.destination = destination;
        if let Some(port) = port {
            set_port(&mut packet, port);
        }
        packet.to_local = false;
        let fits = |packet: &Packet| by.is_none_or(|entry| entry.set.contains(packet));
        if !fits(&packet) {
            packet.to_local = true;
        }
    }
    match hook {
        Hook::Forward => packet.ttl = packet.ttl.saturating_add(1),
        Hook::Input => {}
        Hook::Output => packet.to_local |= leaves.as_deref() == Some("lo"),
    }
    if packet.state != CtState::Established {
        packet.state = first_state(&packet);
        packet.connection_mark = 0;
    }
    if hook != Hook::Output {
        packet.mark = 0;
    }
    let leaves = leaves.filter(|_| !packet.to_local || hook == Hook::Forward);
    Sent { packet, any: Vec::new(), leaves, is_placed: true }
}

fn set_port(packet: &mut Packet, port: u16) {
    match &mut packet.payload {
        Payload::Tcp { destination, .. }
        | Payload::Udp { destination, .. }
        | Payload::Sctp { destination, .. } => *destination = port,
        Payload::Icmp { .. } | Payload::Other(_) => {}
    }
}
