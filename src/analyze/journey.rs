//! The way of one packet through all tables, in the kernel's order.
//!
//! In goes a packet as it is sent, what is known of the machine around its rules, and who answers what
//! only history knows. Out comes what every base chain did with it, how it was translated, and its end;
//! or what would have to be known first ([`Unclear`]): nothing is guessed.
//!
//! The order is that of the kernel (measured): what comes in meets raw, mangle and nat on PREROUTING, then
//! is routed; what is for this machine meets mangle and the filter on INPUT, what is not those on
//! FORWARD, and nat on POSTROUTING. What this machine sends meets raw, mangle, nat and the filter on
//! OUTPUT, and nat on POSTROUTING; what it sends to itself comes in again on lo, where nat on PREROUTING is not
//! asked a second time, and conntrack is told nothing more of what it saw on its way out. What goes to a
//! multicast or broadcast address comes to this machine. What a filter sees on FORWARD has one hop less.

mod own;
mod sent;
pub mod told;
mod translate;

use std::net::IpAddr;
use std::sync::Arc;

use super::deliverable::{is_martian, is_of_group, stays_on_link};
use crate::meaning::{
    BaseChain, Decision, Effect, Guide, Question, Reason, Trace, Translation, Unknown, Unsettled,
    traverses_nat,
};
use crate::net::{Addresses, Interface};
use crate::packet::{Field, Packet, opaque};
use crate::resolve::Policy;
use crate::resolve::policy::{Item, NatKind, RejectWith};

pub use own::follow;
pub use sent::{Sent, Whose, usual};
use translate::{is_changed, translated};

/// What is known of the machine around its rules.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Its addresses, as far as they are known.
    pub own: Addresses,
    /// What is behind which interfaces.
    pub places: Vec<Behind>,
}

/// Addresses that are behind one of some interfaces.
#[derive(Debug, Clone)]
pub struct Behind {
    pub addresses: Addresses,
    /// Never empty.
    pub interfaces: Vec<Interface>,
}

impl Surroundings {
    /// What a policy says of them: the nets of zones, and where the targets of `forward` are.
    #[must_use]
    pub fn of(policy: &Policy) -> Self {
        let zones = policy.zones.iter().filter_map(|zone| {
            let (interfaces, addresses) = (zone.interfaces.clone()?, zone.nets.clone()?);
            Some(Behind { addresses, interfaces })
        });
        let targets = policy.items.iter().filter_map(|item| match item {
            Item::Nat(nat) => match &nat.kind {
                NatKind::Forward(forward) => {
                    let targets = [forward.target_v4, forward.target_v6].into_iter().flatten();
                    let singles: Vec<Addresses> =
                        targets.map(|target| Addresses::single(target.address)).collect();
                    let addresses = Addresses::union_all(singles.iter());
                    Some(Behind { addresses, interfaces: forward.out.clone()? })
                }
                NatKind::Source { .. } | NatKind::Redirect(_) | NatKind::Netmap { .. } => None,
            },
            Item::Rule(_) | Item::Alter(_) | Item::Raw(_) => None,
        });
        Surroundings { own: Addresses::empty(), places: zones.chain(targets).collect() }
    }

    /// The interfaces by which packets to an address may leave; empty when that is not known.
    fn towards(&self, address: IpAddr) -> Vec<Interface> {
        let places = self.places.iter().filter(|place| place.addresses.contains(address));
        let mut interfaces: Vec<Interface> =
            places.flat_map(|place| place.interfaces.iter().cloned()).collect();
        interfaces.sort();
        interfaces.dedup();
        interfaces
    }
}

/// Who answers what a packet does not show.
#[derive(Clone, Copy)]
pub struct Answers<'a> {
    /// What only history knows.
    pub oracle: &'a dyn Fn(Question<'_>) -> bool,
    /// Puts into a packet the conditions that hold of it now; asked at the start and after each
    /// translation. `None` leaves them as they are, but for those about a destination that it no longer
    /// has.
    pub facts: Option<&'a dyn Fn(&mut Packet)>,
}

/// The whole way of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journey<'m> {
    /// In order; of every chain that the packet met.
    pub stages: Vec<Stage<'m>>,
    pub fate: Fate,
    /// As it is at the end.
    pub packet: Packet,
}

/// One base chain on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage<'m> {
    pub base: BaseChain,
    /// As the chain met it.
    pub before: Packet,
    pub trace: Trace<'m>,
    /// As it goes on: with what was changed and translated.
    pub after: Packet,
}

impl Stage<'_> {
    /// The translation that the chain made, if it made one.
    #[must_use]
    pub fn translation(&self) -> Option<&Translation> {
        match &self.trace.decision {
            Decision::Translate(translation) if **translation != Translation::Exempt => {
                Some(translation)
            }
            Decision::Translate(_)
            | Decision::Accept
            | Decision::Drop
            | Decision::Reject(_)
            | Decision::Unknown(_)
            | Decision::LeaveToDocker => None,
        }
    }
}

/// What became of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// This machine got it.
    Delivered,
    /// It left by its outgoing interface.
    Sent,
    Dropped,
    Rejected(RejectWith),
    /// A raw rule decided in these words.
    Unknown(Arc<str>),
    /// It had no hops left for the way on, and was answered so.
    OutOfHops,
    /// The kernel takes in or sends on nothing with such addresses.
    Martian,
}

impl Fate {
    /// Whether it was let through.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        match self {
            Fate::Delivered | Fate::Sent => true,
            Fate::Dropped
            | Fate::Rejected(_)
            | Fate::Unknown(_)
            | Fate::OutOfHops
            | Fate::Martian => false,
        }
    }
}

/// What would have to be known of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unclear {
    /// Where a packet to this address leaves, which nat gave it if it `is_new`; `choices` are what the
    /// surroundings know.
    Leaves { destination: IpAddr, is_new: bool, choices: Vec<Interface> },
    /// Whether this is an address of the machine: its way depends on that.
    Own { destination: IpAddr },
    /// Which of its addresses the machine sends from or gets the packet at: two with other ends.
    Which { whose: Whose, one: IpAddr, other: IpAddr },
    /// Which of its addresses a redirect leads to: that of the interface on which the packet comes in.
    Redirected { one: IpAddr, other: IpAddr },
    /// Which of its addresses it is, where rules tell too many of them apart.
    TooMany { whose: Whose },
    /// Whether a rule takes it: these words may have changed what it asks for.
    Changed { field: Field, by: Arc<str>, asks: Reason },
}

/// The words of what makes a packet another in a way that is not known.
fn words(effect: &Effect) -> Arc<str> {
    match effect {
        Effect::Opaque { text, .. } => Arc::clone(text),
        Effect::Change(_)
        | Effect::Decide(_)
        | Effect::Continue
        | Effect::Return
        | Effect::Call(_)
        | Effect::Goto(_)
        | Effect::Add { .. } => "clamp mss".into(),
    }
}

/// A packet on its way.
struct Walk<'m, 'a> {
    guide: &'a Guide<'m>,
    surroundings: &'a Surroundings,
    answers: Answers<'a>,
    /// Where it leaves, if that is said.
    leaves: Option<Arc<str>>,
    /// The destination that it is sent to, and the interface behind which that is, if it is said.
    behind: Option<(IpAddr, Arc<str>)>,
    /// An address that stands for whichever of its own a redirect leads to.
    own: IpAddr,
    packet: Packet,
    /// What of it may be another.
    unknown: Unknown<'m>,
    stages: Vec<Stage<'m>>,
}

/// What ends a way.
enum Stop {
    Fate(Fate),
    Unclear(Unclear),
}

impl From<Fate> for Stop {
    fn from(fate: Fate) -> Self {
        Stop::Fate(fate)
    }
}

impl<'m> Walk<'m, '_> {
    fn run(mut self) -> Result<Journey<'m>, Unclear> {
        self.tell();
        let way = if self.packet.incoming.is_some() { self.arrive(false) } else { self.depart() };
        match way {
            Ok(fate) | Err(Stop::Fate(fate)) => {
                Ok(Journey { stages: self.stages, fate, packet: self.packet })
            }
            Err(Stop::Unclear(unclear)) => Err(unclear),
        }
    }

    /// From the wire, or from lo, where this machine sent it.
    fn arrive(&mut self, is_looped: bool) -> Result<Fate, Stop> {
        self.pass(BaseChain::RawPrerouting)?;
        self.pass(BaseChain::ManglePrerouting)?;
        if !is_looped {
            self.pass(BaseChain::NatPrerouting)?;
        }
        let Packet { source, destination, .. } = self.packet;
        if !is_looped && is_martian(source, destination) {
            return Ok(Fate::Martian);
        }
        // A group's packets are sent on where that is said, if it is not of the link, and come to this machine else.
        let is_sent_on =
            (self.leaves.is_some() || self.behind.is_some()) && !stays_on_link(source, destination);
        if self.packet.to_local || is_of_group(destination) && !is_sent_on {
            self.pass(BaseChain::MangleInput)?;
            self.pass(BaseChain::FilterInput)?;
            self.pass_rules_of(BaseChain::SecurityInput)?;
            if !is_looped {
                self.pass_rules_of(BaseChain::NatInput)?;
            }
            return Ok(Fate::Delivered);
        }
        if self.packet.ttl <= 1 {
            return Ok(Fate::OutOfHops);
        }
        let outgoing = self.route()?;
        // Where a packet leaves as it came, its scope is not looked at (`ip6_forward`).
        let turns_back = self.packet.incoming.as_ref() == Some(&outgoing);
        if !turns_back && stays_on_link(source, destination) {
            return Ok(Fate::Martian);
        }
        self.packet.outgoing = Some(outgoing);
        self.packet.ttl -= 1;
        self.pass(BaseChain::MangleForward)?;
        if self.guide.meaning.base(self.packet.family(), BaseChain::DockerUser).is_some() {
            self.pass(BaseChain::DockerUser)?;
        }
        self.pass(BaseChain::FilterForward)?;
        self.pass_rules_of(BaseChain::SecurityForward)?;
        self.pass_rules_of(BaseChain::ManglePostrouting)?;
        self.pass(BaseChain::NatPostrouting)?;
        Ok(Fate::Sent)
    }

    /// From a process of this machine.
    fn depart(&mut self) -> Result<Fate, Stop> {
        // The route is chosen first, and what is translated later is routed anew behind the filter.
        let is_moved = self.is_moved_on_output();
        self.packet.outgoing = Some(match (self.packet.to_local, is_moved) {
            (true, _) => "lo".into(),
            (false, true) => self.route_of(self.packet.destination)?,
            (false, false) => self.route()?,
        });
        self.pass(BaseChain::RawOutput)?;
        self.pass(BaseChain::MangleOutput)?;
        self.pass(BaseChain::NatOutput)?;
        self.pass(BaseChain::FilterOutput)?;
        self.pass_rules_of(BaseChain::SecurityOutput)?;
        if is_moved {
            self.packet.outgoing =
                Some(if self.packet.to_local { "lo".into() } else { self.route()? });
        }
        self.pass_rules_of(BaseChain::ManglePostrouting)?;
        self.pass(BaseChain::NatPostrouting)?;
        if self.packet.outgoing.as_deref() != Some("lo") {
            return Ok(Fate::Sent);
        }
        self.packet.incoming = Some("lo".into());
        self.packet.outgoing = None;
        self.packet.user = None;
        self.packet.group = None;
        self.arrive(true)
    }

    /// Whether nat gives this machine's own packet another destination.
    fn is_moved_on_output(&self) -> bool {
        let mut ahead = Walk {
            guide: self.guide,
            surroundings: self.surroundings,
            answers: self.answers,
            leaves: None,
            behind: self.behind.clone(),
            own: self.own,
            packet: self.packet.clone(),
            unknown: self.unknown.clone(),
            stages: Vec::new(),
        };
        let here = if ahead.packet.to_local { Some("lo".into()) } else { None };
        ahead.packet.outgoing = here.or_else(|| ahead.route_of(ahead.packet.destination).ok());
        let chains = [BaseChain::RawOutput, BaseChain::MangleOutput, BaseChain::NatOutput];
        let passes = chains.into_iter().all(|base| ahead.pass(base).is_ok());
        passes && ahead.packet.destination != self.packet.destination
    }

    /// The interface by which the packet leaves.
    fn route(&self) -> Result<Arc<str>, Stop> {
        match &self.leaves {
            Some(name) => Ok(Arc::clone(name)),
            None => self.route_of(self.packet.destination),
        }
    }

    fn route_of(&self, destination: IpAddr) -> Result<Arc<str>, Stop> {
        if let Some((_, name)) = self.behind.as_ref().filter(|(sent_to, _)| *sent_to == destination)
        {
            return Ok(Arc::clone(name));
        }
        let choices = self.surroundings.towards(destination);
        match &choices[..] {
            [one] if !one.is_wildcard() => Ok(one.stem().into()),
            _ => {
                let is_new = self.packet.original.is_some();
                Err(Stop::Unclear(Unclear::Leaves { destination, is_new, choices }))
            }
        }
    }

    /// Through a chain that few have rules in.
    fn pass_rules_of(&mut self, base: BaseChain) -> Result<(), Stop> {
        let list = self.guide.meaning.base(self.packet.family(), base);
        let has_rules = list.is_some_and(|list| !list.entries.is_empty());
        if has_rules { self.pass(base) } else { Ok(()) }
    }

    /// Through one base chain.
    fn pass(&mut self, base: BaseChain) -> Result<(), Stop> {
        let before = self.packet.clone();
        let asked = (&before, std::mem::take(&mut self.unknown));
        let mut oracle = |question: Question<'_>| (self.answers.oracle)(question);
        let mut trace = self.guide.trace_unknown(base, asked, &mut oracle);
        if let Some(Unsettled { entry, field, by }) = trace.unsettled {
            let asks = entry.reason;
            return Err(Stop::Unclear(Unclear::Changed { field, by: words(&by.effect), asks }));
        }
        self.unknown = std::mem::take(&mut trace.unknown);
        self.packet = trace.packet.clone();
        let end = match &trace.decision {
            Decision::Accept | Decision::LeaveToDocker => None,
            Decision::Drop => Some(Fate::Dropped),
            Decision::Reject(with) => Some(Fate::Rejected(*with)),
            Decision::Unknown(text) => Some(Fate::Unknown(Arc::clone(text))),
            Decision::Translate(translation) => {
                self.translate(base, translation);
                None
            }
        };
        // Who is not asked says nothing.
        if !base.is_nat() || traverses_nat(&before) {
            let after = self.packet.clone();
            self.stages.push(Stage { base, before, trace, after });
        }
        end.map_or(Ok(()), |fate| Err(fate.into()))
    }

    fn translate(&mut self, base: BaseChain, translation: &Translation) {
        let before = self.packet.clone();
        let own = &self.surroundings.own;
        self.packet = translated(&before, base, translation, self.own, own);
        if is_changed(&before, &self.packet) {
            self.tell();
        }
    }

    /// Puts in what holds of the packet now.
    fn tell(&mut self) {
        match self.answers.facts {
            Some(facts) => facts(&mut self.packet),
            None if self.packet.original.is_some() => {
                self.packet.opaque.retain(|text| !opaque::is_of_destination(text));
            }
            None => {}
        }
    }
}
