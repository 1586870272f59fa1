//! A packet that breaks a promise: as it is sent, and what its walk through all tables showed.

use super::claim::Asking;
use crate::analyze::deliverable::first_state;
use crate::analyze::journey::{Answers, Fate, Journey, Sent, Stage, follow, usual};
use crate::analyze::passage::Passage;
use crate::meaning::{BaseChain, Entry, Reason, meant_packets};
use crate::net::CtState;
use crate::packet::{Field, Original, Packet, Payload, Point};
use crate::resolve::policy::{Claim, Hook};

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

impl Asking<'_, '_> {
    /// A packet that breaks the claim, as it is sent, when it does so on its own way through all tables.
    pub(super) fn shown(
        &self,
        passage: &Passage<'_>,
        point: &Point,
        by: Option<&Entry>,
    ) -> Option<Broken> {
        let sent = as_sent(passage.space().packet(point), passage.hook, by);
        if !self.is_meant(&sent.packet) {
            return None;
        }
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

    /// Whether a packet as it is sent has the length and the class that the claim is about: what the filter
    /// sees may be another that rules made of it.
    fn is_meant(&self, sent: &Packet) -> bool {
        let Claim { flows, conditions, .. } = self.claim;
        let meant = |hook| meant_packets(self.world.policy, flows, conditions, hook, sent.family());
        let stays = |field| matches!(field, Field::Length | Field::Dscp);
        Hook::ALL.into_iter().filter_map(meant).any(|set| set.may_contain(sent, stays))
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

    pub(super) fn walk(&self, sent: &Sent, room: bool) -> Option<Told> {
        let oracle = |_: crate::meaning::Question<'_>| room;
        let answers = Answers { oracle: &oracle, facts: None };
        let journey = follow(self.guide(), self.world.surroundings, sent, answers).ok()?;
        Told::of(&journey)
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
    Sent { packet, any: Vec::new(), leaves, behind: None, is_placed: true }
}

fn set_port(packet: &mut Packet, port: u16) {
    match &mut packet.payload {
        Payload::Tcp { destination, .. }
        | Payload::Udp { destination, .. }
        | Payload::Sctp { destination, .. } => *destination = port,
        Payload::Icmp { .. } | Payload::Other(_) => {}
    }
}
