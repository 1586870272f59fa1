//! The walk through a base chain and the chains that it calls, in the order in which packets meet them.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::made::{self, Entered, Made, Renewal};
use super::{FlatStep, Role, constraints, number_of, of_first_fragments};
use crate::analyze::list::EffectNumber;
use crate::meaning::{Change, Effect, Entry, List, Meaning};
use crate::net::Family;
use crate::packet::{Field, PacketSet, Product, RuleNumber, Values};
use crate::resolve::policy::{ChainId, Log};

/// A base chain that is being walked through, with the chains that it calls.
pub(super) struct Flattener<'m> {
    meaning: &'m Meaning,
    family: Family,
    steps: Vec<FlatStep<'m>>,
    /// The chains that are open, the innermost last.
    frames: Vec<Frame<'m>>,
    effects: Effects<'m>,
    pub default_effect: EffectNumber,
    entered: Entered,
    renewals: Vec<Renewal>,
    /// Whether packets come in fragments, of which only the first has ports.
    sees_fragments: bool,
    /// Of each field, the first step behind the last that may have changed it.
    unchanged: BTreeMap<Field, usize>,
}

/// A chain that is being walked through.
struct Frame<'m> {
    list: &'m List,
    next: usize,
    /// The chain and the step that called it; `None` for the base chain.
    call: Option<(ChainId, RuleNumber)>,
    /// The innermost frame, this one or one around it, of which a limit decides if packets come there at
    /// all.
    limited: Option<usize>,
    /// The innermost frame, this one or one around it, of whose way was left out what was changed since it
    /// was asked: what comes there is more than in truth.
    widened: Option<usize>,
    /// Whether the call was a `goto`.
    is_goto: bool,
    /// The innermost frame, this one or one around it, that is of a `goto`.
    last_goto: Option<usize>,
    /// Steps that take packets from this chain only, by their place.
    ending: Vec<usize>,
    /// The fields in which packets may be others than they were when they came; with the change, if
    /// there was but one. What the chains that it called made of them is not in it before they end.
    changed: BTreeMap<Field, Option<Change>>,
    /// What was made of packets that come back only behind this chain's end.
    behind: Made,
    /// Of a `goto`, what was known of sets when it was met: that holds for the rest of its chain.
    before: Option<Entered>,
}

impl<'m> Frame<'m> {
    fn of(list: &'m List, call: Option<(ChainId, RuleNumber)>) -> Self {
        Frame {
            list,
            next: 0,
            call,
            limited: None,
            widened: None,
            is_goto: false,
            last_goto: None,
            ending: Vec::new(),
            changed: BTreeMap::new(),
            behind: Made::default(),
            before: None,
        }
    }
}

impl<'m> Flattener<'m> {
    /// At the beginning of a list that has this default.
    pub fn of(
        meaning: &'m Meaning,
        family: Family,
        (list, default): (&'m List, &'m Entry),
        sees_fragments: bool,
    ) -> Self {
        let mut effects = Effects::default();
        let default_effect = effects.number(default);
        Flattener {
            meaning,
            family,
            steps: Vec::with_capacity(list.entries.len()),
            frames: vec![Frame::of(list, None)],
            effects,
            default_effect,
            entered: Entered::default(),
            renewals: Vec::new(),
            sees_fragments,
            unchanged: BTreeMap::new(),
        }
    }

    /// All steps, and the facts that have other words from a step on.
    pub fn steps(mut self) -> (Vec<FlatStep<'m>>, Vec<Renewal>) {
        self.run();
        (self.steps, self.renewals)
    }

    fn run(&mut self) {
        while let Some(frame) = self.frames.last_mut() {
            match frame.list.entries.get(frame.next) {
                Some(entry) => {
                    frame.next += 1;
                    self.entry(entry);
                }
                None => self.close(),
            }
        }
    }

    fn entry(&mut self, entry: &'m Entry) {
        let (may, widened) = self.reached(entry);
        let number = self.push(entry, Role::Said, may, widened);
        match &entry.effect {
            Effect::Call(chain) | Effect::Goto(chain) => {
                let is_goto = matches!(entry.effect, Effect::Goto(_));
                let last_goto = self.frames.last().and_then(|frame| frame.last_goto);
                if let Some(list) = self.meaning.chain(self.family, *chain) {
                    self.frames.push(Frame {
                        limited: self.limited_by(entry),
                        widened,
                        is_goto,
                        last_goto: if is_goto { Some(self.frames.len()) } else { last_goto },
                        before: is_goto.then(|| self.entered.clone()),
                        ..Frame::of(list, Some((*chain, number)))
                    });
                }
            }
            Effect::Add { set, length, .. } => {
                self.made(Made::entered(set, *length, number));
            }
            Effect::Opaque { changes, .. } => self.made(Made::of(changes)),
            Effect::Change(change) => self.made(Made::by(*change)),
            Effect::Decide(_) | Effect::Continue | Effect::Return => {}
        }
    }

    /// The innermost frame behind a limit, when one is opened by this entry.
    fn limited_by(&self, entry: &Entry) -> Option<usize> {
        if entry.limits.is_empty() {
            return self.frames.last().and_then(|frame| frame.limited);
        }
        Some(self.frames.len())
    }

    /// A packet may be another from here on: what was asked of that says nothing of the rules behind. To
    /// who did a `goto` on the way here it comes back behind the end of his chain only.
    fn made(&mut self, made: Made) {
        if made.is_nothing() {
            return;
        }
        if let Some(frame) = self.frames.last_mut() {
            made::add_fields(&mut frame.changed, &made.fields);
        }
        self.entered.renew(&made.facts);
        let here = number_of(self.steps.len());
        for field in made.fields.keys() {
            let from = self.unchanged.insert(*field, self.steps.len()).unwrap_or(0);
            for step in self.steps[from..].iter_mut().filter(|step| step.takes) {
                if step.may.asks_for(|one| one == *field) {
                    step.until = Some(step.until.map_or(here, |until| until.min(here)));
                }
            }
        }
        let last_goto = self.frames.last().and_then(|frame| frame.last_goto);
        if let Some(caller) = last_goto.and_then(|goto| goto.checked_sub(1)) {
            self.frames[caller].behind.add(made);
        }
    }

    /// The end of the innermost chain.
    fn close(&mut self) {
        let Some(frame) = self.frames.pop() else { return };
        let end = number_of(self.steps.len());
        if frame.call.is_some() {
            for step in frame.ending {
                let until = &mut self.steps[step].until;
                *until = Some(until.map_or(end, |until| until.min(end)));
            }
        }
        if let Some(before) = frame.before {
            self.entered = before;
        }
        match self.frames.last_mut() {
            Some(caller) if frame.is_goto => caller.behind.add(frame.behind),
            Some(caller) => {
                made::add_fields(&mut caller.changed, &frame.changed);
                self.made(frame.behind);
            }
            None => {}
        }
        if let Some((_, caller)) = frame.call.filter(|_| frame.is_goto) {
            let call = &self.steps[caller.0 as usize];
            let (entry, may) = (call.entry, call.may.clone());
            self.push(entry, Role::NoWayBack, may, None);
        }
    }

    /// The packets of an entry that come to the innermost chain, and the innermost frame whose way does not
    /// say all that it asked.
    fn reached(&mut self, entry: &'m Entry) -> (Cow<'m, PacketSet>, Option<usize>) {
        let Entry { set, effect, .. } = entry;
        let own = self.entered.instead(set, &mut self.renewals);
        let own = if self.sees_fragments { of_first_fragments(own) } else { own };
        let Some(frame) = self.frames.last() else { return (own, None) };
        let Some((_, caller)) = frame.call else { return (own, None) };
        let way = &self.steps[caller.0 as usize].may;
        // Who was changed on the way meets what he meets as he is now. Where only the same was done to
        // him before, doing it is no difference.
        let own_change = match effect {
            Effect::Change(change) => Some(*change),
            Effect::Decide(_)
            | Effect::Continue
            | Effect::Opaque { .. }
            | Effect::Return
            | Effect::Call(_)
            | Effect::Goto(_)
            | Effect::Add { .. } => None,
        };
        let is_other = |field| {
            let by = frame.changed.get(&field);
            by.is_some_and(|by| by.is_none() || *by != own_change)
        };
        let (wide, widened);
        let way = if way.asks_for(is_other) {
            wide = Cow::Owned(way.without_asking(is_other));
            widened = Some(self.frames.len() - 1);
            &wide
        } else {
            widened = frame.widened;
            way
        };
        let may = if way.is_everything() {
            own
        } else if own.is_everything() {
            way.clone()
        } else {
            Cow::Owned(both(way, &own))
        };
        (may, widened)
    }

    fn push(
        &mut self,
        entry: &'m Entry,
        role: Role,
        may: Cow<'m, PacketSet>,
        widened: Option<usize>,
    ) -> RuleNumber {
        let place = self.steps.len();
        let call = self.frames.last().and_then(|frame| frame.call);
        let leaves = match (&entry.effect, role) {
            (Effect::Return, Role::Said) | (_, Role::NoWayBack) => true,
            (
                Effect::Decide(_)
                | Effect::Continue
                | Effect::Opaque { .. }
                | Effect::Change(_)
                | Effect::Call(_)
                | Effect::Goto(_)
                | Effect::Add { .. },
                Role::Said,
            ) => false,
        };
        let ends = leaves || matches!(entry.effect, Effect::Decide(_));
        let takes = ends && entry.limits.is_empty() && !depends_on_history(&may);
        let ends_with = if leaves {
            self.frames.last_mut()
        } else {
            let limited = self.frames.last().and_then(|frame| frame.limited);
            limited.and_then(|at| self.frames.get_mut(at))
        };
        if let Some(frame) = ends_with.filter(|_| takes) {
            frame.ending.push(place);
        }
        // Behind that chain come packets that never were on the way to it.
        if let Some(frame) = widened.filter(|_| takes).and_then(|at| self.frames.get_mut(at)) {
            frame.ending.push(place);
        }
        let effect = match (leaves, call) {
            (true, None) => self.default_effect,
            // Whether packets leave here is not known: it is like nothing else.
            (true, Some(_)) if !entry.limits.is_empty() => self.effects.another(),
            (true, Some(_)) if role == Role::NoWayBack => EffectNumber::NONE,
            (true | false, _) => self.effects.number(entry),
        };
        let (chain, caller) = call.unzip();
        self.steps.push(FlatStep {
            entry,
            chain,
            caller,
            role,
            may,
            leaves,
            takes,
            until: None,
            effect,
        });
        number_of(place)
    }
}

/// Matches of raw rules that may answer otherwise for the next packet of the same kind.
const OF_HISTORY: [&str; 9] = [
    "limit",
    "hashlimit",
    "connlimit",
    "connbytes",
    "quota",
    "statistic",
    "recent",
    "rateest",
    "set",
];

/// Whether a raw rule asks for what happened before. (Other conditions that a packet does not show are
/// the same for all rules that ask.)
fn depends_on_history(set: &PacketSet) -> bool {
    let asks = |text: &Arc<str>| {
        let words = || text.split_whitespace();
        let modules = words().zip(words().skip(1));
        text.starts_with(['-', '!'])
            && modules.into_iter().any(|(option, name)| {
                matches!(option, "-m" | "--match") && OF_HISTORY.contains(&name)
            })
    };
    constraints(set).any(|constraint| match constraint.values() {
        Values::Opaque(facts) => facts.holding().union(facts.failing()).any(asks),
        Values::Numbers(_)
        | Values::Bits(_)
        | Values::Interfaces(_)
        | Values::Mark(_)
        | Values::Accounts(_) => false,
    })
}

/// The packets in both.
fn both(a: &PacketSet, b: &PacketSet) -> PacketSet {
    let pairs = a.products().iter().flat_map(|a| b.products().iter().map(move |b| (a, b)));
    let products =
        pairs.filter_map(|(a, b)| Product::of(a.factors().iter().chain(b.factors()).cloned()));
    PacketSet::of(a.family(), products)
}

/// The numbers of effects: equal for what looks equal to the world.
#[derive(Default)]
struct Effects<'m> {
    // Only looked up in, never walked: its order is not seen.
    known: HashMap<(&'m Effect, Option<&'m Log>), EffectNumber>,
    next: u32,
}

impl<'m> Effects<'m> {
    fn number(&mut self, entry: &'m Entry) -> EffectNumber {
        let log = entry.log.as_deref();
        let is_seen = match entry.effect {
            Effect::Call(_) | Effect::Goto(_) | Effect::Return => log.is_some(),
            Effect::Decide(_)
            | Effect::Continue
            | Effect::Opaque { .. }
            | Effect::Change(_)
            | Effect::Add { .. } => true,
        };
        if !is_seen {
            return EffectNumber::NONE;
        }
        if let Some(known) = self.known.get(&(&entry.effect, log)) {
            return *known;
        }
        let number = self.another();
        self.known.insert((&entry.effect, log), number);
        number
    }

    /// A number that no other effect has.
    fn another(&mut self) -> EffectNumber {
        self.next += 1;
        EffectNumber(self.next)
    }
}
