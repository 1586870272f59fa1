//! Later packets of connections that were opened by a real packet, and the answers to it.
//!
//! What rules made of the first packet the kernel makes of all others, without asking the rules again, and
//! turns it back in answers. Rules see a packet as it is where they stand (measured):
//!
//! * A new destination is put in behind mangle on PREROUTING or OUTPUT, and a new source behind
//!   POSTROUTING, or behind the filter where the packet is delivered.
//! * In an answer the same two places turn back the other end each: its destination, which is the source
//!   that was put in, is again whoever asked before the way is chosen, and its source is the host that was
//!   asked in the end until it has passed all rules.
//! * From the first table behind the first on, both directions are known to be translated, with the
//!   original destination of the first packet.

use std::net::IpAddr;
use std::sync::Arc;

use palisade::analyze::journey::{Answers, Fate, Journey, Stage};
use palisade::meaning::{BaseChain, Decision, Meaning};
use palisade::net::{Account, CtState, TcpFlags};
use palisade::packet::{Original, Packet, Payload};

use crate::diary::Sighting;
use crate::ground::{Ground, MAC, Wrapping, is_local};
use crate::probe::{History, Probe};

/// An address, and the port where there are ports.
type End = (IpAddr, Option<u16>);

/// A connection, as its first packet was sent, and as it was behind all rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    protocol: u8,
    /// Its source and its destination.
    sent: [End; 2],
    arrived: [End; 2],
}

/// Which packet of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    Answer,
    /// Behind the answer, again from who opened it.
    Onward,
}

impl Link {
    /// What became of a packet that opens a connection; `None` when it has no two ends.
    pub fn of(packet: &Packet, sighting: &Sighting) -> Option<Self> {
        let (seen, _) = sighting.end()?;
        let ports = match packet.payload {
            Payload::Tcp { source, destination, .. }
            | Payload::Udp { source, destination }
            | Payload::Sctp { source, destination } => [source, destination].map(Some),
            Payload::Icmp { kind: 8 | 128, code: 0 } | Payload::Other(_) => [None, None],
            Payload::Icmp { .. } => return None,
        };
        let sent = [(packet.source, ports[0]), (packet.destination, ports[1])];
        let arrived = [(seen.source, seen.source_port()), (seen.destination, seen.port())];
        // Who speaks with himself by one port is asked and answers at once; nobody answers to many.
        let has_ends = sent[0] != sent[1] && arrived[0] != arrived[1];
        let is_one = [sent, arrived].as_flattened().iter().all(|(address, _)| is_of_one(*address));
        (has_ends && is_one).then_some(Link { protocol: packet.protocol().number(), sent, arrived })
    }

    /// The same for both directions: of the packet as it was sent, and as it arrived.
    pub fn keys(&self) -> [String; 2] {
        let key = |one: End, other: End| {
            format!("{} {:?} {:?}", self.protocol, one.min(other), one.max(other))
        };
        [self.sent, self.arrived].map(|[one, other]| key(one, other))
    }

    /// Whether an answer can be sent that is known for one: in sctp it needs a tag which only the ends
    /// know.
    pub fn is_answerable(&self) -> bool {
        self.protocol != 132
    }

    pub fn is_translated(&self) -> bool {
        self.sent != self.arrived
    }

    /// The answer to a probe, which was seen so; `mark` is that of the connection.
    pub fn answer(self, first: &Probe, sighting: &Sighting, mark: u32, ground: &Ground) -> Probe {
        let leaves = sighting.end().and_then(|(_, outgoing)| outgoing);
        let from = leaves.filter(|name| ground.wire(Some(name)).is_some());
        // It goes to where the first came from, if by a wire.
        let wire = ground.wire(first.packet.incoming.as_deref()).unwrap_or(0);
        let of_process = from.is_none().then_some(Account::Number(0));
        let [source, destination] = [self.arrived[1], self.arrived[0]];
        let packet = Packet {
            incoming: from.map(Into::into),
            outgoing: Some(ground.wires[wire].as_str().into()),
            mac: from.map(|_| MAC),
            user: of_process.clone(),
            group: of_process,
            dscp: u8::try_from(wire).expect("few wires"),
            source: source.0,
            destination: destination.0,
            to_local: is_local(destination.0),
            // A wire carries no marks.
            mark: if from.is_none() { first.packet.mark } else { 0 },
            payload: turned(first.packet.payload, [source.1, destination.1]),
            ..first.packet.clone()
        };
        let account = if from.is_none() { (0, 0) } else { first.account };
        self.later(Probe { packet, account, ..first.clone() }, Turn::Answer, sighting, mark)
    }

    /// What follows the answer from who opened the connection.
    pub fn onward(self, first: &Probe, sighting: &Sighting, mark: u32) -> Probe {
        let mut probe = first.clone();
        if let Payload::Tcp { flags, .. } = &mut probe.packet.payload {
            *flags = TcpFlags::from_bits(ACK);
        }
        self.later(probe, Turn::Onward, sighting, mark)
    }

    fn later(self, probe: Probe, turn: Turn, sighting: &Sighting, mark: u32) -> Probe {
        let (state, connection_mark) = (CtState::Established, mark);
        // What the router says to itself has to come in again to be seen there.
        let is_looped = sighting.looped.is_some();
        let wrapping = if is_looped { Wrapping::Lasting } else { Wrapping::Whole };
        let packet = Packet { state, connection_mark, ..probe.packet };
        Probe { packet, wrapping, history: History::Opened(self, turn), ..probe }
    }

    /// What the connection was opened to, if it was translated.
    fn original(&self) -> Option<Original> {
        let (destination, port) = self.sent[1];
        (self.sent[1] != self.arrived[1]).then_some(Original { destination, port })
    }
}

const ACK: u8 = 0x10;
const SYN_ACK: u8 = 0x12;

/// Whether it may be the address of a host.
fn is_of_one(address: IpAddr) -> bool {
    let is_broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    !address.is_multicast() && !address.is_unspecified() && !is_broadcast
}

/// What answers.
fn turned(payload: Payload, ports: [Option<u16>; 2]) -> Payload {
    let [source, destination] = ports.map(Option::unwrap_or_default);
    match payload {
        Payload::Tcp { .. } => {
            Payload::Tcp { source, destination, flags: TcpFlags::from_bits(SYN_ACK) }
        }
        Payload::Udp { .. } => Payload::Udp { source, destination },
        Payload::Icmp { kind: 8, code } => Payload::Icmp { kind: 0, code },
        Payload::Icmp { kind: 128, code } => Payload::Icmp { kind: 129, code },
        other => other,
    }
}

/// Through all tables, a packet of a connection that is known.
pub struct Way<'m, 'a> {
    pub meaning: &'m Meaning,
    pub answers: Answers<'a>,
    pub link: Link,
    pub turn: Turn,
    /// Where it leaves: as the filter is told, and at last.
    pub leaves: [Arc<str>; 2],
    pub packet: Packet,
    pub stages: Vec<Stage<'m>>,
}

impl<'m> Way<'m, '_> {
    pub fn run(mut self) -> Journey<'m> {
        (self.answers.facts.expect("sets are known"))(&mut self.packet);
        let way = if self.packet.incoming.is_some() { self.arrive(true) } else { self.depart() };
        let fate = way.unwrap_or_else(|fate| fate);
        Journey { stages: self.stages, fate, packet: self.packet }
    }

    /// From a wire, or from lo, where nothing is left to be translated.
    fn arrive(&mut self, is_from_wire: bool) -> Result<Fate, Fate> {
        self.pass(BaseChain::RawPrerouting)?;
        self.know();
        self.pass(BaseChain::ManglePrerouting)?;
        if is_from_wire {
            self.translate(1);
        }
        if self.packet.to_local {
            self.pass(BaseChain::MangleInput)?;
            self.pass(BaseChain::FilterInput)?;
            self.pass_rules_of(BaseChain::SecurityInput)?;
            self.translate(0);
            return Ok(Fate::Delivered);
        }
        if self.packet.ttl <= 1 {
            return Ok(Fate::OutOfHops);
        }
        self.packet.ttl -= 1;
        self.packet.outgoing = Some(Arc::clone(&self.leaves[1]));
        self.pass(BaseChain::MangleForward)?;
        self.pass_rules_of(BaseChain::DockerUser)?;
        self.pass(BaseChain::FilterForward)?;
        self.pass_rules_of(BaseChain::SecurityForward)?;
        self.leave()
    }

    fn depart(&mut self) -> Result<Fate, Fate> {
        self.packet.outgoing = Some(Arc::clone(&self.leaves[0]));
        self.pass(BaseChain::RawOutput)?;
        self.know();
        self.pass(BaseChain::MangleOutput)?;
        self.translate(1);
        self.pass(BaseChain::FilterOutput)?;
        self.pass_rules_of(BaseChain::SecurityOutput)?;
        self.packet.outgoing = Some(Arc::clone(&self.leaves[1]));
        let fate = self.leave()?;
        if self.packet.outgoing.as_deref() != Some("lo") {
            return Ok(fate);
        }
        let (incoming, outgoing) = (Some("lo".into()), None);
        let packet = self.packet.clone();
        self.packet = Packet { incoming, outgoing, user: None, group: None, ..packet };
        self.arrive(false)
    }

    fn leave(&mut self) -> Result<Fate, Fate> {
        self.pass_rules_of(BaseChain::ManglePostrouting)?;
        self.translate(0);
        Ok(Fate::Sent)
    }

    /// Which connection it is of, unless a rule said that nobody is to look.
    fn know(&mut self) {
        if self.packet.state == CtState::Established {
            self.packet.original = self.link.original();
        }
    }

    /// Puts in another source (0) or destination (1).
    fn translate(&mut self, end: usize) {
        if self.packet.state != CtState::Established {
            return;
        }
        let (address, port) = match self.turn {
            Turn::Answer => self.link.sent[1 - end],
            Turn::Onward => self.link.arrived[end],
        };
        let there = match end {
            0 => &mut self.packet.source,
            _ => &mut self.packet.destination,
        };
        *there = address;
        self.packet.to_local = is_local(self.packet.destination);
        match &mut self.packet.payload {
            Payload::Tcp { source, destination, .. }
            | Payload::Udp { source, destination }
            | Payload::Sctp { source, destination } => {
                let there = if end == 0 { source } else { destination };
                *there = port.unwrap_or(*there);
            }
            Payload::Icmp { .. } | Payload::Other(_) => {}
        }
        (self.answers.facts.expect("sets are known"))(&mut self.packet);
    }

    /// Through a chain that few have rules in.
    fn pass_rules_of(&mut self, base: BaseChain) -> Result<(), Fate> {
        let list = self.meaning.base(self.packet.family(), base);
        let has_rules = list.is_some_and(|list| !list.entries.is_empty());
        if has_rules { self.pass(base) } else { Ok(()) }
    }

    fn pass(&mut self, base: BaseChain) -> Result<(), Fate> {
        let before = self.packet.clone();
        let oracle = self.answers.oracle;
        let trace = self.meaning.trace(base, &before, &mut |question| oracle(question));
        self.packet = trace.packet.clone();
        let end = match &trace.decision {
            Decision::Accept | Decision::LeaveToDocker | Decision::Translate(_) => Ok(()),
            Decision::Drop => Err(Fate::Dropped),
            Decision::Reject(with) => Err(Fate::Rejected(*with)),
            Decision::Unknown(text) => Err(Fate::Unknown(Arc::clone(text))),
        };
        self.stages.push(Stage { base, before, trace, after: self.packet.clone() });
        end
    }
}
