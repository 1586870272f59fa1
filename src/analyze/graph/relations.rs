//! The relations between the rules of one chain, exactly, by the packets that they take.
//!
//! Rules with limits may take a packet, never must, and so do those that ask for what a set holds that
//! rules fill, and raw ones: they hide nothing. Rules that log, change a packet or add to a set and go on, and jumps,
//! take nothing for good. Who hides a rule is asked of all rules at once, so that it costs little more
//! for many; who conflicts is asked pair by pair of those whose boxes meet, up to a number.

mod translations;

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use super::build::{keys, list, place};
use super::{ChainKey, Kind, Place, Relation};
use crate::meaning::{Decision, Effect, Entry, List, Meaning, Reason, view};
use crate::net::{Families, Family};
use crate::packet::{
    Among, Answer, Budget, Factor, FieldBox, Index, PacketSet, Product, Question, Region,
    RuleNumber, Space, Values, Verdict, opaque,
};

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relations {
    pub found: Vec<Relation>,
    /// Whether there are no more. The search ends early where nearly all rules overlap.
    pub is_complete: bool,
}

impl Relations {
    /// For who does not ask.
    #[must_use]
    pub fn none() -> Self {
        Relations { found: Vec::new(), is_complete: true }
    }
}

/// Rules for which it is found out who hides them together, in all chains.
const MAX_COVERS: usize = 500;

/// Pairs of rules that are looked at closely for conflicts, in all chains: many more than anybody
/// would look at.
const MAX_PAIRS: usize = 4_000;

/// Pairs of rules whose boxes meet, in all chains.
const MAX_MEETINGS: usize = 2_000_000;

/// Earlier rules of many boxes that are tried, whether they hide a rule alone; and how many pairs of boxes
/// are looked at for that in all chains.
const MAX_ALONE: usize = 256;
const MAX_TRIED: usize = 400_000;

/// The work that it is worth to know of one rule whether it is hidden, of one pair whether it
/// conflicts. 100 million are about a second.
const HIDDEN: Budget = Budget(1_000_000);
const PAIR: Budget = Budget(100_000);

/// The relations between the rules of each chain, chain by chain, in the order of the later rule.
#[must_use]
pub fn relations(meaning: &Meaning) -> Relations {
    let mut work = Work {
        tried: MAX_TRIED,
        covers: MAX_COVERS,
        pairs: MAX_PAIRS,
        meetings: MAX_MEETINGS,
        is_complete: true,
    };
    let mut found = Vec::new();
    for key in keys(meaning) {
        let mut gathered = Gathered::of(key);
        for family in Family::BOTH {
            if let Some(list) = list(meaning, key, family) {
                gathered.add(family, list, Chain::new(key, family, list).pairs(&mut work));
            }
        }
        found.extend(gathered.relations());
    }
    found.extend(translations::dependences(meaning));
    Relations { found, is_complete: work.is_complete }
}

/// How much may still be done.
struct Work {
    tried: usize,
    covers: usize,
    pairs: usize,
    meetings: usize,
    is_complete: bool,
}

impl Work {
    /// Counts work down; false when there was enough.
    fn spend(&mut self, meetings: usize, pairs: usize) -> bool {
        let left = self.meetings.checked_sub(meetings).zip(self.pairs.checked_sub(pairs));
        let Some((meetings, pairs)) = left else {
            self.is_complete = false;
            return false;
        };
        (self.meetings, self.pairs) = (meetings, pairs);
        true
    }
}

/// Two entries of one list, by their numbers.
struct Pair {
    from: usize,
    to: usize,
    kind: Kind,
}

/// One chain in one family.
struct Chain<'m> {
    list: &'m List,
    space: Space,
    /// Of the entries, by their numbers.
    regions: Vec<Region>,
    /// The entries that take all packets of theirs.
    takers: Index,
    /// The entries that decide.
    deciders: Index,
}

impl<'m> Chain<'m> {
    fn new(key: ChainKey, family: Family, list: &'m List) -> Self {
        let view = match key {
            ChainKey::Base(base) => Some(view(base)),
            ChainKey::User(_) => None,
        };
        let sets: Vec<&PacketSet> = list.entries.iter().map(|entry| &entry.set).collect();
        let (space, regions) = Space::of(family, view, &sets);
        let index = |wanted: fn(&Entry) -> bool| {
            let rules = (0..).map(RuleNumber).zip(&list.entries).zip(&regions);
            let rules = rules.filter(|((_, entry), _)| wanted(entry));
            Index::of(&space, rules.map(|((number, _), region)| (number, region)))
        };
        let takers = index(is_taker);
        let deciders = index(decides);
        Chain { list, space, regions, takers, deciders }
    }

    fn pairs(&self, work: &mut Work) -> Vec<Pair> {
        let mut pairs = Vec::new();
        let mut hidden = BTreeSet::new();
        for to in 0..self.regions.len() {
            let Some(hiders) = self.hiders(to, work) else { continue };
            hidden.insert(to);
            pairs.extend(hiders.into_iter().map(|from| Pair { from, to, kind: Kind::Hides }));
        }
        for to in (0..self.regions.len()).filter(|to| !hidden.contains(to)) {
            if !self.add_conflicts(to, &hidden, work, &mut pairs) {
                break;
            }
        }
        pairs.sort_by_key(|pair| (pair.to, pair.kind, pair.from));
        pairs
    }

    /// The earlier entries that take all packets of one: the first that does so alone, else those
    /// that do so together; `None` when a packet is left.
    fn hiders(&self, to: usize, work: &mut Work) -> Option<Vec<usize>> {
        let region = &self.regions[to];
        let among = Among::before(number(to));
        let question = Question { region, among, seed: to as u64, budget: HIDDEN };
        match self.takers.witness(&question) {
            Verdict::Uncovered(_) => return None,
            Verdict::Incomplete => {
                work.is_complete = false;
                return None;
            }
            Verdict::Covered => {}
        }
        if let Some(alone) = self.hider_alone(to, work) {
            return Some(vec![alone]);
        }
        let covers = work.covers.checked_sub(1);
        match covers.map(|_| self.takers.uncovered(&question)) {
            Some(Answer::Covered(cover)) => {
                work.covers = covers.unwrap_or(0);
                Some(cover.members.iter().map(|member| member.rule.0 as usize).collect())
            }
            // It is hidden, but nobody knows by whom.
            Some(Answer::Uncovered(_) | Answer::Incomplete) | None => {
                work.is_complete = false;
                Some(Vec::new())
            }
        }
    }

    /// The first entry that takes all packets of a later one.
    fn hider_alone(&self, to: usize, work: &mut Work) -> Option<usize> {
        let around = self.takers.around(&self.regions[to], Among::before(number(to)));
        let around = around.map(|number| number.0 as usize);
        around.or_else(|| {
            // To try one takes as long as there are pairs of boxes.
            let boxes = self.space.count(&self.regions[to]);
            let each = (boxes * boxes).max(1);
            let most = MAX_ALONE.min(work.tried / each);
            let some = self.first_meeting(to, most);
            let found = some.iter().position(|from| self.is_within(to, *from));
            work.tried -= each * found.map_or(some.len(), |before| before + 1);
            found.map(|at| some[at])
        })
    }

    /// The first entries that may take packets of a later one, up to a number.
    fn first_meeting(&self, to: usize, most: usize) -> Vec<usize> {
        // Where many do, the first of them stand among the first.
        let mut before = most.min(to);
        loop {
            let among = Among::before(number(before));
            let mut some = self.takers.meeting(&self.regions[to], among);
            if some.len() >= most || before == to {
                some.truncate(most);
                return some.into_iter().map(|number| number.0 as usize).collect();
            }
            before = to.min(4 * before);
        }
    }

    /// Adds the earlier entries that one conflicts with; false when there is no more to be done.
    fn add_conflicts(
        &self,
        to: usize,
        hidden: &BTreeSet<usize>,
        work: &mut Work,
        pairs: &mut Vec<Pair>,
    ) -> bool {
        let later = &self.list.entries[to];
        if !decides(later) || is_implicit(later) {
            return true;
        }
        let meeting = self.deciders.meeting(&self.regions[to], Among::before(number(to)));
        if !work.spend(meeting.len(), 0) {
            return false;
        }
        for from in meeting.into_iter().map(|number| number.0 as usize) {
            let earlier = &self.list.entries[from];
            let is_worth = !is_implicit(earlier) && !hidden.contains(&from);
            if !is_worth || self.outcome(earlier) == self.outcome(later) {
                continue;
            }
            if !work.spend(0, 1) {
                return false;
            }
            if self.is_between(from, to, work) {
                let kind = if self.is_within(from, to) { Kind::Excepts } else { Kind::Conflicts };
                pairs.push(Pair { from, to, kind });
            }
        }
        true
    }

    /// Whether there is a packet of both that no other entry takes before the later one.
    fn is_between(&self, from: usize, to: usize, work: &mut Work) -> bool {
        let region = &self.space.intersection(&self.regions[from], &self.regions[to]);
        let among = Among::before(number(to)).but(number(from));
        let question = Question { region, among, seed: to as u64, budget: PAIR };
        match self.takers.witness(&question) {
            Verdict::Uncovered(_) => true,
            Verdict::Covered => false,
            Verdict::Incomplete => {
                work.is_complete = false;
                false
            }
        }
    }

    /// Whether all packets of one entry are packets of another.
    fn is_within(&self, inner: usize, outer: usize) -> bool {
        let rest = self.space.difference(&self.regions[inner], &self.regions[outer]);
        self.space.is_empty(&rest)
    }

    /// What an entry does in the end: in a base chain, to return is to take the default.
    fn outcome<'e>(&'e self, entry: &'e Entry) -> &'e Effect {
        match (&entry.effect, &self.list.default) {
            (Effect::Return, Some(default)) => &default.effect,
            (effect, _) => effect,
        }
    }
}

/// The pairs of both families in one chain.
struct Gathered {
    chain: ChainKey,
    /// For each rule, in which families it speaks.
    speaks: FxHashMap<Place, Families>,
    /// For each rule, in which families it is hidden.
    hidden: FxHashMap<Place, Families>,
    effects: FxHashMap<Place, Effect>,
    /// In the order found.
    pairs: Vec<Relation>,
}

impl Gathered {
    fn of(chain: ChainKey) -> Self {
        let [speaks, hidden] = [FxHashMap::default(), FxHashMap::default()];
        Gathered { chain, speaks, hidden, effects: FxHashMap::default(), pairs: Vec::new() }
    }

    fn add(&mut self, family: Family, list: &List, pairs: Vec<Pair>) {
        for entry in &list.entries {
            let place = place(self.chain, entry);
            include(self.speaks.entry(place).or_insert(Families::NONE), family);
            self.effects.entry(place).or_insert_with(|| entry.effect.clone());
        }
        let mut known: FxHashMap<(Place, Place, Kind), usize> = FxHashMap::default();
        for (at, pair) in self.pairs.iter().enumerate() {
            known.insert((pair.from, pair.to, pair.kind), at);
        }
        for Pair { from, to, kind } in pairs {
            let [from, to] = [from, to].map(|entry| place(self.chain, &list.entries[entry]));
            if kind == Kind::Hides {
                include(self.hidden.entry(to).or_insert(Families::NONE), family);
            }
            let at = *known.entry((from, to, kind)).or_insert(self.pairs.len());
            if at == self.pairs.len() {
                self.pairs.push(Relation { from, to, kind, families: Families::NONE });
            }
            include(&mut self.pairs[at].families, family);
        }
    }

    /// A rule is hidden when it is so wherever it speaks; one that is hidden in one family only
    /// conflicts there with who acts differently.
    fn relations(self) -> Vec<Relation> {
        let judged = |pair: &Relation| {
            let is_hidden = self.hidden.get(&pair.to) == self.speaks.get(&pair.to);
            let differs = self.effects.get(&pair.from) != self.effects.get(&pair.to);
            let kind = match pair.kind {
                Kind::Hides if is_hidden => Kind::Hides,
                Kind::Hides if differs => Kind::Conflicts,
                Kind::Hides => return None,
                Kind::Conflicts | Kind::Excepts | Kind::DependsOn => pair.kind,
            };
            Some(Relation { kind, ..*pair })
        };
        // In which order a block does what it does is not the policy's to say.
        let pairs = self.pairs.iter().filter(|pair| pair.from.reason != pair.to.reason);
        pairs.filter_map(judged).collect()
    }
}

fn include(families: &mut Families, family: Family) {
    match family {
        Family::V4 => families.v4 = true,
        Family::V6 => families.v6 = true,
    }
}

/// Whether no packet of an entry ever comes to the next one.
fn is_taker(entry: &Entry) -> bool {
    if !entry.limits.is_empty() || conditions(&entry.set).any(|text| !opaque::is_fixed(text)) {
        return false;
    }
    match entry.effect {
        Effect::Decide(_) | Effect::Return | Effect::Goto(_) => true,
        Effect::Continue
        | Effect::Opaque { .. }
        | Effect::Change(_)
        | Effect::Call(_)
        | Effect::Add { .. } => false,
    }
}

/// Whether an entry says what becomes of a packet, so that it can be told from what another says. Of
/// raw conditions nobody knows whether they have a packet in common.
fn decides(entry: &Entry) -> bool {
    if conditions(&entry.set).any(|text| !opaque::is_known(text)) {
        return false;
    }
    match entry.effect {
        Effect::Decide(
            Decision::Accept
            | Decision::Drop
            | Decision::Reject(_)
            | Decision::Translate(_)
            | Decision::LeaveToDocker,
        )
        | Effect::Return => true,
        Effect::Decide(Decision::Unknown(_))
        | Effect::Continue
        | Effect::Opaque { .. }
        | Effect::Change(_)
        | Effect::Call(_)
        | Effect::Goto(_)
        | Effect::Add { .. } => false,
    }
}

/// The conditions of a set that packets do not show.
fn conditions(set: &PacketSet) -> impl Iterator<Item = &str> {
    let factors = set.products().iter().flat_map(Product::factors);
    let constraints = factors.flat_map(Factor::boxes).flat_map(FieldBox::constraints);
    let opaque = constraints.filter_map(|constraint| match constraint.values() {
        Values::Opaque(wanted) => Some(wanted),
        Values::Numbers(_)
        | Values::Bits(_)
        | Values::Interfaces(_)
        | Values::Mark(_)
        | Values::Accounts(_) => None,
    });
    opaque.flat_map(|wanted| wanted.holding().iter().chain(wanted.failing())).map(|text| &**text)
}

fn is_implicit(entry: &Entry) -> bool {
    match entry.reason {
        Reason::Implicit(_) => true,
        Reason::Written(_) | Reason::Restored | Reason::Default(_) => false,
    }
}

fn number(entry: usize) -> RuleNumber {
    RuleNumber(u32::try_from(entry).unwrap_or(u32::MAX))
}
