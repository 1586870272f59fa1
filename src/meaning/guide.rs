//! Where many packets walk through the same lists: in long ones, entries are found by place.
//!
//! A guide only leaves out entries that are not about a packet. Whether one is, its own set says, as
//! without a guide. Conditions that packets do not show, of which there may be very many, have no place: an
//! entry that asks for one is found by it.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use crate::net::Family;
use crate::packet::{Among, Field, Index, Packet, PacketSet, Point, RuleNumber, Space};

use super::{BaseChain, Entry, List, Meaning, Question, Trace, Unknown};

/// A meaning through which many packets walk.
pub struct Guide<'m> {
    pub meaning: &'m Meaning,
    /// Up to so many entries are asked one by one.
    few: usize,
    /// So many packets ask the entries of a list one by one: to know their places is as much work.
    patience: usize,
    /// What is known of long lists that packets came to.
    known: RefCell<HashMap<*const List, Known>>,
    looks: Cell<usize>,
}

enum Known {
    /// So many packets were there.
    Walked(usize),
    Placed(Rc<Places>),
}

impl<'m> Guide<'m> {
    #[must_use]
    pub fn of(meaning: &'m Meaning) -> Self {
        Guide { meaning, few: 64, patience: 64, known: RefCell::default(), looks: Cell::default() }
    }

    /// One that knows the places of the shortest lists, from the first packet on: slow, and does the same.
    #[must_use]
    pub fn eager(meaning: &'m Meaning) -> Self {
        Guide { few: 0, patience: 0, ..Guide::of(meaning) }
    }

    /// How many times packets came to an entry so far, and facts of theirs were looked for in a list. The few
    /// packets that walk through a long list before places in it are known do not count.
    pub fn looks(&self) -> usize {
        self.looks.get()
    }

    /// Whether the entries of a list are few.
    pub(super) fn is_short(&self, list: &List) -> bool {
        list.entries.len() <= self.few
    }

    pub(super) fn count(&self, looks: usize) {
        self.looks.set(self.looks.get() + looks);
    }

    /// [`Meaning::trace`], quicker for the next packet.
    pub fn trace(
        &self,
        base: BaseChain,
        packet: &Packet,
        oracle: &mut dyn FnMut(Question<'m>) -> bool,
    ) -> Trace<'m> {
        self.meaning.trace_by(Some(self), base, (packet, Unknown::new()), oracle)
    }

    /// The same for a packet of which not everything is known.
    pub fn trace_unknown(
        &self,
        base: BaseChain,
        packet: (&Packet, Unknown<'m>),
        oracle: &mut dyn FnMut(Question<'m>) -> bool,
    ) -> Trace<'m> {
        self.meaning.trace_by(Some(self), base, packet, oracle)
    }

    /// The places of the entries of a list that a packet comes to; `None` while they are not known.
    pub(super) fn places(&self, family: Family, list: &'m List) -> Option<Rc<Places>> {
        if self.is_short(list) {
            return None;
        }
        let mut known = self.known.borrow_mut();
        let known = known.entry(list).or_insert(Known::Walked(0));
        if let Known::Walked(packets) = known {
            *packets += 1;
            if *packets <= self.patience {
                return None;
            }
            *known = Known::Placed(Rc::new(Places::of(family, &list.entries)));
        }
        match known {
            Known::Walked(_) => None,
            Known::Placed(places) => Some(Rc::clone(places)),
        }
    }
}

/// The places of the entries of a list.
pub(super) struct Places {
    space: Space,
    /// Of entries that ask for no fact.
    plain: Index,
    /// Of those that ask for one that is not rare, each by the fact.
    common: Vec<(Arc<str>, Index)>,
    /// Of the others.
    rare: Index,
    /// The numbers of these, in order, for each fact of which a packet must have one.
    asking: Vec<Vec<usize>>,
    /// Which of them is of a fact.
    by_fact: HashMap<Arc<str>, usize>,
}

/// Of a packet at a point, the entries that it meets.
pub(super) struct Meeting {
    point: Point,
    /// How many times the next one was asked for.
    asked: usize,
    /// All that are found by place, in order, once the next one was asked for often.
    all: Option<Vec<usize>>,
}

/// The next entry of a packet is looked for so many times; then all are.
const FEW_ASKED: usize = 8;

/// Where entries of a list are that ask for facts which a packet has.
pub(super) struct Asking {
    /// Those of [`Places::common`] whose facts it has.
    common: Vec<usize>,
    /// Those of [`Places::asking`] whose facts it has; `None` when it has too many.
    asking: Option<Vec<usize>>,
}

/// A fact that no more than one in so many entries asks for is rare: it tells them apart.
const RARE: usize = 16;

/// Entries are looked for by so many facts of a packet; of one with more, by place alone.
const FEW_FACTS: usize = 32;

impl Places {
    fn of(family: Family, entries: &[Entry]) -> Self {
        // What has no such conditions keeps the long lists that it shares with others.
        let shown: Vec<Cow<'_, PacketSet>> =
            entries.iter().map(|entry| shown(&entry.set)).collect();
        let sets: Vec<&PacketSet> = shown.iter().map(|set| &**set).collect();
        let (space, regions) = Space::of(family, None, &sets);
        let mut asked: HashMap<&str, usize> = HashMap::new();
        for fact in entries.iter().flat_map(|entry| entry.set.facts()) {
            *asked.entry(fact).or_default() += 1;
        }
        let times = |fact: &str| asked.get(fact).copied().unwrap_or(0);
        let is_rare = |fact: &&Arc<str>| times(fact) <= (entries.len() / RARE).max(1);
        let (mut plain, mut rare) = (Vec::new(), Vec::new());
        let mut common: BTreeMap<&Arc<str>, Vec<usize>> = BTreeMap::new();
        let (mut asking, mut by_fact) = (Vec::new(), HashMap::new());
        for (number, entry) in entries.iter().enumerate() {
            let Some(facts) = entry.set.needed_facts(times) else {
                plain.push(number);
                continue;
            };
            let (rarely, often): (Vec<_>, Vec<_>) = facts.into_iter().partition(is_rare);
            rare.extend((!rarely.is_empty()).then_some(number));
            for fact in rarely {
                let place = *by_fact.entry(Arc::clone(fact)).or_insert(asking.len());
                asking.resize_with(asking.len().max(place + 1), Vec::new);
                asking[place].push(number);
            }
            for fact in often {
                common.entry(fact).or_default().push(number);
            }
        }
        let placed = |numbers: &[usize]| {
            let numbered = (0..).map(RuleNumber).zip(&regions).enumerate();
            let own = numbered.filter(|(number, _)| numbers.binary_search(number).is_ok());
            Index::of_packets(&space, own.map(|(_, region)| region))
        };
        let common = common.into_iter();
        let common = common.map(|(fact, numbers)| (Arc::clone(fact), placed(&numbers))).collect();
        let (plain, rare) = (placed(&plain), placed(&rare));
        Places { space, plain, common, rare, asking, by_fact }
    }

    pub fn meeting(&self, packet: &Packet) -> Meeting {
        Meeting { point: self.space.point(packet), asked: 0, all: None }
    }

    /// How many facts are looked for to know which entries ask for them.
    pub fn looks(&self, packet: &Packet) -> usize {
        self.common.len() + packet.opaque.len().min(FEW_FACTS)
    }

    pub fn asking(&self, packet: &Packet) -> Asking {
        let common = self.common.iter().enumerate();
        let common = common.filter(|(_, (fact, _))| packet.opaque.contains(fact));
        let asking = (packet.opaque.len() <= FEW_FACTS)
            .then(|| packet.opaque.iter().filter_map(|fact| self.by_fact.get(fact)).copied());
        Asking {
            common: common.map(|(place, _)| place).collect(),
            asking: asking.map(Iterator::collect),
        }
    }

    /// The first entry from this number on that may be about a packet: it is asked for upwards, as long as
    /// the packet has these facts.
    pub fn next(&self, meeting: &mut Meeting, facts: &Asking, from: usize) -> Option<usize> {
        let first = |all: &[usize]| all.get(all.partition_point(|one| *one < from)).copied();
        let asking = facts.asking.iter().flatten().filter_map(|place| first(&self.asking[*place]));
        let last = from.checked_sub(1).and_then(|last| u32::try_from(last).ok());
        let among = last.map_or(Among::ALL, |last| Among::after(RuleNumber(last)));
        let common = facts.common.iter().map(|place| &self.common[*place].1);
        let rare = facts.asking.is_none().then_some(&self.rare);
        let mut trees = common.chain(rare).chain([&self.plain]);
        meeting.asked += 1;
        let Meeting { point, asked, all } = meeting;
        let placed = if *asked <= FEW_ASKED {
            let numbers = trees.filter_map(|tree| tree.first(point, among));
            numbers.min().map(|rule| rule.0 as usize)
        } else {
            first(all.get_or_insert_with(|| {
                let all = trees.by_ref().flat_map(|tree| tree.all(point, among));
                let mut all: Vec<usize> = all.map(|rule| rule.0 as usize).collect();
                all.sort_unstable();
                all
            }))
        };
        asking.chain(placed).min()
    }
}

/// The packets that meet what a packet shows of the conditions of a set.
fn shown(set: &PacketSet) -> Cow<'_, PacketSet> {
    if set.speaks_of(|field| field == Field::Opaque) {
        Cow::Owned(set.widened(|field| field != Field::Opaque))
    } else {
        Cow::Borrowed(set)
    }
}
