//! The way of one packet through one base chain.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::net::CtState;
use crate::packet::{Field, Packet, opaque};
use crate::resolve::policy::{ChainId, LimitId, Log};

use super::guide::{Asking, Guide, Meeting, Places};
use super::{BaseChain, Change, Decision, Effect, Entry, List, Meaning};

/// What only history knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question<'m> {
    /// Does this limit still have room for the packet?
    Limit(LimitId),
    /// Is this log still within its own rate?
    Log(&'m Log),
}

/// What it takes to find what a packet meets in a list, in entries looked at.
const OF_MEETING: usize = 4;

/// What became of a packet, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace<'m> {
    pub decision: Decision,
    /// The entries that took the packet, in order; the last one decided. Empty only when the
    /// packet does not traverse the chain at all (established packets in nat).
    pub steps: Vec<Step<'m>>,
    /// The packet as the chain leaves it.
    pub packet: Packet,
    /// What of it may be another.
    pub unknown: Unknown<'m>,
    /// Of which entry it is not known whether it takes the packet, the first if there are several.
    pub unsettled: Option<Unsettled<'m>>,
}

/// Fields of a packet that may be others than it says, each with the entry that may have changed it in a way
/// that is not known.
pub type Unknown<'m> = BTreeMap<Field, &'m Entry>;

/// An entry that asks for a field which is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsettled<'m> {
    pub entry: &'m Entry,
    pub field: Field,
    pub by: &'m Entry,
}

/// One entry that took the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step<'m> {
    /// The user's chain it stands in; `None` for the base chain.
    pub chain: Option<ChainId>,
    pub entry: &'m Entry,
    /// Whether a line was logged.
    pub logged: bool,
}

impl<'m> Trace<'m> {
    /// The kernel's names of the sets that took up the source, in order, each with the seconds it stays for
    /// if that is said.
    pub fn added(&self) -> impl Iterator<Item = (&'m str, Option<u32>)> {
        self.steps.iter().filter_map(|step| match &step.entry.effect {
            Effect::Add { set, timeout, .. } => Some((&**set, *timeout)),
            Effect::Decide(_)
            | Effect::Continue
            | Effect::Opaque { .. }
            | Effect::Change(_)
            | Effect::Return
            | Effect::Call(_)
            | Effect::Goto(_) => None,
        })
    }

    /// What was logged, in order.
    pub fn logs(&self) -> impl Iterator<Item = &'m Log> {
        self.steps.iter().filter(|step| step.logged).filter_map(|step| step.entry.log.as_deref())
    }

    /// What was changed, in order.
    pub fn changes(&self) -> impl Iterator<Item = Change> {
        self.steps.iter().filter_map(|step| match step.entry.effect {
            Effect::Change(change) => Some(change),
            Effect::Decide(_)
            | Effect::Continue
            | Effect::Opaque { .. }
            | Effect::Add { .. }
            | Effect::Return
            | Effect::Call(_)
            | Effect::Goto(_) => None,
        })
    }
}

/// Whether a packet meets nat chains: only the first of a flow does, which is new, or related when
/// a helper expected the flow. (ICMP errors, related too, are translated with the flow that they are about,
/// and no chain is asked: `nf_nat_proto.c`.)
#[must_use]
pub fn traverses_nat(packet: &Packet) -> bool {
    match packet.state {
        CtState::New => true,
        CtState::Related => packet.icmp().is_none(),
        CtState::Established | CtState::Invalid | CtState::Untracked => false,
    }
}

impl Meaning {
    /// Walks a packet through a base chain of its own family. `oracle` answers what only history
    /// knows, each question when it comes up: limits of an entry in order until one has no room,
    /// then its log.
    ///
    /// A ring of chains, which a resolved policy never has, ends at the default.
    pub fn trace<'m>(
        &'m self,
        base: BaseChain,
        packet: &Packet,
        oracle: &mut dyn FnMut(Question<'m>) -> bool,
    ) -> Trace<'m> {
        self.trace_by(None, base, (packet, Unknown::new()), oracle)
    }

    pub(super) fn trace_by<'m>(
        &'m self,
        guide: Option<&Guide<'m>>,
        base: BaseChain,
        (packet, unknown): (&Packet, Unknown<'m>),
        oracle: &mut dyn FnMut(Question<'m>) -> bool,
    ) -> Trace<'m> {
        let family = packet.family();
        let mut walk = Walk {
            meaning: self,
            guide,
            packet: packet.clone(),
            changes: 0,
            taken_up: 0,
            oracle,
            steps: Vec::new(),
            callers: Vec::new(),
            told: packet.was_tracked_before(),
            is_early: matches!(base, BaseChain::RawPrerouting | BaseChain::RawOutput),
            unknown,
            unsettled: None,
        };
        let untouched = Decision::Translate(super::Translation::Exempt.into());
        if base.is_nat() && !traverses_nat(packet) {
            return walk.ended(untouched);
        }
        let Some(list) = self.base(family, base) else {
            return walk.ended(untouched);
        };
        let decided = walk.decide(list).or_else(|| {
            let default = list.default.as_ref()?;
            walk.take(default, None).then_some(&default.effect)
        });
        let decision = match decided {
            Some(Effect::Decide(decision)) => decision.clone(),
            // A base chain's default always decides.
            Some(
                Effect::Continue
                | Effect::Opaque { .. }
                | Effect::Change(_)
                | Effect::Return
                | Effect::Call(_)
                | Effect::Goto(_)
                | Effect::Add { .. },
            )
            | None => untouched,
        };
        walk.ended(decision)
    }
}

struct Walk<'m, 'w> {
    meaning: &'m Meaning,
    guide: Option<&'w Guide<'m>>,
    /// As it is by now.
    packet: Packet,
    /// How many times it was changed.
    changes: usize,
    /// How many times it was taken up into a set.
    taken_up: usize,
    oracle: &'w mut dyn FnMut(Question<'m>) -> bool,
    steps: Vec<Step<'m>>,
    callers: Vec<Place<'m>>,
    /// Whether conntrack was told what to do with the packet, or has done it before.
    told: bool,
    /// Whether conntrack has not seen the packet yet.
    is_early: bool,
    unknown: Unknown<'m>,
    unsettled: Option<Unsettled<'m>>,
}

/// The next entry to ask.
struct Place<'m> {
    list: &'m List,
    chain: Option<ChainId>,
    next: usize,
    /// How many jumps and gotos led here. Without a ring it never exceeds the number of chains.
    depth: usize,
    /// Where entries are that may take the packet, if that is known.
    /// Whether it counts which entries are looked at.
    counts: bool,
    places: Option<Rc<Places>>,
    /// What asks there for the facts that the packet has, after so many times that it was taken up into a set.
    asking: Option<(usize, Asking)>,
    /// What it meets there, after so many changes and as many times.
    meeting: Option<([usize; 2], Meeting)>,
}

impl<'m> Walk<'m, '_> {
    fn ended(self, decision: Decision) -> Trace<'m> {
        let Walk { steps, packet, unknown, unsettled, .. } = self;
        Trace { decision, steps, packet, unknown, unsettled }
    }

    /// After an entry that may make the packet another.
    fn changed(&mut self, entry: &'m Entry) {
        match &entry.effect {
            Effect::Change(change) => {
                for field in change.settles() {
                    self.unknown.remove(&field);
                }
                for field in change.unsettles(&self.packet) {
                    self.unknown.insert(field, entry);
                }
                if let Some((from, to)) = change.copies()
                    && let Some(by) = self.unknown.get(&from)
                {
                    self.unknown.insert(to, by);
                }
            }
            Effect::Opaque { changes, .. } => {
                // What conntrack makes of the packet it says itself, when it has seen it.
                let told =
                    changes.iter().filter(|field| !self.is_early || !field.is_of_connection());
                self.unknown.extend(told.map(|field| (*field, entry)));
            }
            Effect::Decide(_)
            | Effect::Continue
            | Effect::Return
            | Effect::Call(_)
            | Effect::Goto(_)
            | Effect::Add { .. } => {}
        }
    }

    /// Notes an entry of which it is not known whether it takes the packet.
    fn settle(&mut self, entry: &'m Entry) {
        let does_nothing = entry.effect == Effect::Continue && entry.log.is_none();
        if self.unsettled.is_some() || self.unknown.is_empty() || does_nothing {
            return;
        }
        // A clamp may have made it longer by one option (`xt_TCPMSS.c`).
        let is_clamped = |by: &&Entry| matches!(by.effect, Effect::Change(_));
        let is_clamped = self.unknown.get(&Field::Length).is_some_and(is_clamped);
        // What no packet shows has no answer of its own.
        let is_unknown = |field| match field {
            Field::Opaque => false,
            Field::Length if is_clamped => false,
            other => self.unknown.contains_key(&other),
        };
        let set = &entry.set;
        let differs_clamped = || {
            let length = self.packet.length.saturating_add(4);
            let longer = Packet { length, ..self.packet.clone() };
            set.depends_on(&longer, is_unknown)
                || set.contains(&longer) != set.contains(&self.packet)
        };
        let asks_for_length = is_clamped && set.speaks_of(|field| field == Field::Length);
        let is_open = set.depends_on(&self.packet, is_unknown);
        if !is_open && (!asks_for_length || !differs_clamped()) {
            return;
        }
        let asked = self.unknown.iter().find(|(field, _)| {
            **field != Field::Opaque && entry.set.speaks_of(|one| one == **field)
        });
        self.unsettled = asked.map(|(field, by)| Unsettled { entry, field: *field, by });
    }

    /// The effect that decides; `None` when the packet comes to the end of the base chain.
    fn decide(&mut self, list: &'m List) -> Option<&'m Effect> {
        let mut at = self.start(list, None, 0);
        loop {
            let Some(entry) = self.next(&mut at) else {
                at = self.callers.pop()?;
                continue;
            };
            let tells = matches!(entry.effect, Effect::Change(change) if change.is_of_tracking());
            if tells && self.told || !self.take(entry, at.chain) {
                continue;
            }
            self.told |= tells;
            match &entry.effect {
                Effect::Decide(_) => return Some(&entry.effect),
                Effect::Continue => {}
                Effect::Opaque { .. } => self.changed(entry),
                Effect::Change(change) => {
                    self.changed(entry);
                    change.apply(&mut self.packet);
                    self.changes += 1;
                }
                Effect::Add { set, length, .. } => {
                    opaque::enter(&mut self.packet, set, *length);
                    self.taken_up += 1;
                }
                Effect::Return => at = self.callers.pop()?,
                Effect::Call(chain) => {
                    let called = self.enter(*chain, at.depth)?;
                    self.callers.push(std::mem::replace(&mut at, called));
                }
                Effect::Goto(chain) => at = self.enter(*chain, at.depth)?,
            }
        }
    }

    fn enter(&self, chain: ChainId, depth: usize) -> Option<Place<'m>> {
        let list = self.meaning.chain(self.packet.family(), chain)?;
        let depth = Some(depth + 1).filter(|depth| *depth <= self.meaning.chain_count())?;
        Some(self.start(list, Some(chain), depth))
    }

    fn start(&self, list: &'m List, chain: Option<ChainId>, depth: usize) -> Place<'m> {
        let places = self.guide.and_then(|guide| guide.places(self.packet.family(), list));
        let counts = places.is_some() || self.guide.is_some_and(|guide| guide.is_short(list));
        Place { list, chain, next: 0, depth, counts, places, asking: None, meeting: None }
    }

    /// The next entry of a list that is about the packet, which is behind it then.
    fn next(&mut self, at: &mut Place<'m>) -> Option<&'m Entry> {
        let entries = &at.list.entries;
        loop {
            if let Some(places) = at.places.clone().filter(|_| self.unknown.is_empty()) {
                at.next = self.find(at, &places)?;
            }
            let entry = entries.get(at.next)?;
            at.next += 1;
            self.count(usize::from(at.counts));
            self.settle(entry);
            if entry.set.contains(&self.packet) {
                return Some(entry);
            }
        }
    }

    /// The number of the next entry of a list that may be about the packet.
    fn find(&self, at: &mut Place<'m>, places: &Places) -> Option<usize> {
        let asking = at.asking.take().filter(|(taken_up, _)| *taken_up == self.taken_up);
        let asking = asking.unwrap_or_else(|| {
            self.count(places.looks(&self.packet));
            (self.taken_up, places.asking(&self.packet))
        });
        let (_, asking) = at.asking.insert(asking);
        let now = [self.changes, self.taken_up];
        let meeting = at.meeting.take().filter(|(then, _)| *then == now);
        let meeting = meeting.unwrap_or_else(|| {
            self.count(OF_MEETING);
            (now, places.meeting(&self.packet))
        });
        let (_, meeting) = at.meeting.insert(meeting);
        places.next(meeting, asking, at.next)
    }

    fn count(&self, looks: usize) {
        if let Some(guide) = self.guide {
            guide.count(looks);
        }
    }

    /// Asks the limits, then logs; whether the entry takes the packet.
    fn take(&mut self, entry: &'m Entry, chain: Option<ChainId>) -> bool {
        let room = entry.limits.iter().all(|limit| (self.oracle)(Question::Limit(*limit)));
        if room {
            let logged = entry
                .log
                .as_deref()
                .is_some_and(|log| log.allowance.is_none() || (self.oracle)(Question::Log(log)));
            self.steps.push(Step { chain, entry, logged });
        }
        room
    }
}
