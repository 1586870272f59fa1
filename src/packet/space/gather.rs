//! What the sets of a space say about every field: the first of the two looks at them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::super::{Constraint, Factor, Field, FieldBox, PacketSet, Product, Values};
use super::axis::{Axis, Lists, Subject, numbers_of_bits};
use super::domain::{Domain, name_key, sort};
use crate::net::{Account, Family, Interface, IntervalSet, MarkMatch, Protocol};

/// More different sets of a field are too many to compare.
const MOST_SETS: usize = 2_048;

/// Borders of a field are kept until there are so many; then those that are there twice are thrown
/// out.
const ROOM: usize = 131_072;

/// Lists of at least so many boxes are looked at once, however many sets share them.
pub(super) const LONG: usize = 4;

/// What is known of every field.
#[derive(Default)]
pub(super) struct Gathered {
    numbers: BTreeMap<Field, Numbers>,
    names: BTreeMap<Field, BTreeSet<Interface>>,
    accounts: BTreeMap<Field, BTreeSet<Account>>,
    marks: BTreeMap<Field, BTreeSet<MarkMatch>>,
    facts: BTreeSet<Arc<str>>,
    /// Long lists that were looked at. Held, so that no other can get the address of one.
    seen: HashMap<usize, Factor>,
}

/// What is known of a field of numbers.
struct Numbers {
    starts: Borders,
    /// `None` when there are more than [`MOST_SETS`].
    distinct: Option<FxHashSet<IntervalSet<u128>>>,
    sets: usize,
    intervals: usize,
}

/// Borders to be sorted later, each of which may be there several times meanwhile.
struct Borders {
    all: Vec<u128>,
    /// The length at which what is twice in it is thrown out.
    full: usize,
}

impl Borders {
    fn push(&mut self, one: u128) {
        self.all.push(one);
        if self.all.len() >= self.full {
            self.all.sort_unstable();
            self.all.dedup();
            self.full = self.full.max(2 * self.all.len());
        }
    }
}

impl Default for Borders {
    fn default() -> Self {
        Borders { all: Vec::new(), full: ROOM }
    }
}

impl Default for Numbers {
    fn default() -> Self {
        let (starts, distinct) = (Borders::default(), Some(FxHashSet::default()));
        Numbers { starts, distinct, sets: 0, intervals: 0 }
    }
}

impl Numbers {
    fn add(&mut self, set: &IntervalSet<u128>) {
        self.sets += 1;
        self.intervals += set.intervals().len();
        if self.is_new(set) {
            for (low, high) in set.intervals() {
                self.starts.push(*low);
                high.checked_add(1).into_iter().for_each(|next| self.starts.push(next));
            }
        }
    }

    /// Remembers a set, while there are not too many; whether it may be one that was not there before.
    fn is_new(&mut self, set: &IntervalSet<u128>) -> bool {
        let Some(distinct) = &mut self.distinct else { return true };
        let is_new = !distinct.contains(set);
        if is_new {
            distinct.insert(set.clone());
        }
        if distinct.len() > MOST_SETS {
            self.distinct = None;
        }
        is_new
    }

    /// Takes over what is said about another field that has the same values.
    fn add_all(&mut self, other: &Self) {
        self.starts.all.extend(&other.starts.all);
        match &other.distinct {
            Some(sets) => sets.iter().for_each(|set| _ = self.is_new(set)),
            None => self.distinct = None,
        }
    }

    /// The different sets; `None` when they are too many, whoever gathered them.
    fn distinct(&self) -> Option<BTreeSet<IntervalSet<u128>>> {
        Some(self.distinct.as_ref()?.iter().cloned().collect())
    }
}

impl Gathered {
    pub fn add(&mut self, set: &PacketSet) {
        for factor in set.products().iter().flat_map(Product::factors) {
            let long = factor.boxes().len() >= LONG;
            if long && self.seen.insert(factor.address(), factor.clone()).is_some() {
                continue;
            }
            for constraint in factor.boxes().iter().flat_map(FieldBox::constraints) {
                self.add_constraint(constraint);
            }
        }
    }

    /// Sorts what there is most of: each share of a list its own, while others do the same.
    pub fn sort(&mut self, family: Family) {
        for (field, numbers) in &mut self.numbers {
            sort(&mut numbers.starts.all, field.highest(family));
        }
    }

    /// What was gathered from two lists of sets.
    pub fn with(mut self, other: Self) -> Self {
        for (field, numbers) in other.numbers {
            let ours = self.numbers_of(field);
            ours.add_all(&numbers);
            ours.sets += numbers.sets;
            ours.intervals += numbers.intervals;
        }
        for (field, names) in other.names {
            self.names.entry(field).or_default().extend(names);
        }
        for (field, accounts) in other.accounts {
            self.accounts.entry(field).or_default().extend(accounts);
        }
        for (field, marks) in other.marks {
            self.marks.entry(field).or_default().extend(marks);
        }
        self.facts.extend(other.facts);
        self
    }

    pub fn add_constraint(&mut self, constraint: &Constraint) {
        let field = constraint.field();
        match constraint.values() {
            Values::Numbers(set) => self.numbers_of(field).add(set),
            Values::Bits(bits) => {
                self.numbers_of(field).add(&numbers_of_bits(*bits));
            }
            Values::Interfaces(set) => {
                self.names.entry(field).or_default().extend(set.named().cloned());
            }
            Values::Accounts(accounts) => {
                self.accounts.entry(field).or_default().extend(accounts.iter().cloned());
            }
            Values::Mark(mark) => {
                self.marks.entry(field).or_default().insert(*mark);
            }
            Values::Opaque(wanted) => {
                self.facts.extend(wanted.holding().union(wanted.failing()).cloned());
            }
        }
    }

    fn numbers_of(&mut self, field: Field) -> &mut Numbers {
        self.numbers.entry(field).or_default()
    }

    /// The axes of what was gathered, in the order of the fields.
    pub fn axes(mut self, family: Family) -> Vec<Axis> {
        self.add_what_follows(family);
        let mut axes = Vec::new();
        for (field, numbers) in self.numbers {
            // No packet has protocol 0 here: the tools read it as "every protocol".
            let lowest = u128::from(field == Field::Protocol);
            let distinct = numbers.distinct();
            let domain = Domain::numbers(lowest, field.highest(family), numbers.starts.all);
            let lists = Lists {
                distinct: distinct.as_ref(),
                sets: numbers.sets,
                intervals: numbers.intervals,
            };
            axes.push(Axis::of_numbers(field, domain, can_be_absent(field), lists));
        }
        for (field, names) in self.names {
            let mut patterns: Vec<Interface> = names.into_iter().collect();
            patterns.sort_by(|a, b| name_key(a).cmp(&name_key(b)));
            axes.push(Axis::plain(Subject::Field(field), Domain::Names(patterns.into()), false));
        }
        for (field, accounts) in self.accounts {
            let domain = Domain::Accounts(accounts.into_iter().collect());
            axes.push(Axis::plain(Subject::Field(field), domain, true));
        }
        axes.extend(self.marks.iter().flat_map(|(field, marks)| mark_axes(*field, marks)));
        for text in self.facts {
            axes.push(Axis::of_fact(text));
        }
        axes.sort_by(|a, b| a.subject.cmp(&b.subject));
        axes
    }

    /// Fields that others need to be understood: which protocols have ports, flags, a type; what
    /// the destination was before translation, which for untranslated packets is what it is.
    fn add_what_follows(&mut self, family: Family) {
        let original = [
            (Field::OriginalDestination, Field::Destination),
            (Field::OriginalPort, Field::DestinationPort),
        ];
        for (original, present) in original {
            if let Some(numbers) = self.numbers.remove(&original) {
                self.numbers_of(present).add_all(&numbers);
                self.numbers.insert(original, numbers);
                self.numbers_of(Field::Translated).add(&numbers_of_bits(0b10));
            }
        }
        if self.numbers.keys().any(|field| !protocols_with(*field, family).is_empty()) {
            let protocol = self.numbers_of(Field::Protocol);
            for one in [Protocol::TCP, Protocol::UDP, Protocol::SCTP, Protocol::icmp(family)] {
                protocol.add(&IntervalSet::single(one.number().into()));
            }
        }
        let mut tells_tracked = self.numbers.contains_key(&Field::Translated);
        if let (Family::V6, Some(protocol)) = (family, self.numbers.get_mut(&Field::Protocol)) {
            for one in Protocol::NEVER_IN_IPV6.into_iter().chain([Protocol::NONE]) {
                protocol.add(&IntervalSet::single(one.number().into()));
            }
            tells_tracked = true;
        }
        if self.marks.contains_key(&Field::ConnectionMark) {
            self.numbers_of(Field::State).add(&numbers_of_bits(super::UNTRACKED));
        }
        if let (true, Some(states)) = (tells_tracked, self.numbers.get_mut(&Field::State)) {
            states.add(&numbers_of_bits(super::UNTRACKED));
        }
    }
}

/// The protocols whose packets have a field; none when it does not depend on the protocol.
pub(super) fn protocols_with(field: Field, family: Family) -> Vec<Protocol> {
    match field {
        Field::SourcePort | Field::DestinationPort | Field::OriginalPort => {
            vec![Protocol::TCP, Protocol::UDP, Protocol::SCTP]
        }
        Field::Icmp => vec![Protocol::icmp(family)],
        Field::Flags => vec![Protocol::TCP],
        Field::Incoming
        | Field::Outgoing
        | Field::Source
        | Field::Destination
        | Field::Protocol
        | Field::State
        | Field::Translated
        | Field::OriginalDestination
        | Field::ToLocal
        | Field::Mac
        | Field::Mark
        | Field::ConnectionMark
        | Field::User
        | Field::Group
        | Field::Length
        | Field::Ttl
        | Field::Dscp
        | Field::Opaque => Vec::new(),
    }
}

fn can_be_absent(field: Field) -> bool {
    field == Field::Mac || !protocols_with(field, Family::V4).is_empty()
}

/// One axis for each group of bits that the masks never part: a match names a value of a whole
/// group, or says nothing about it.
fn mark_axes(field: Field, marks: &BTreeSet<MarkMatch>) -> Vec<Axis> {
    let masks: BTreeSet<u32> = marks.iter().map(|mark| mark.mask()).collect();
    let mut groups: BTreeMap<Vec<u32>, u32> = BTreeMap::new();
    for bit in (0..u32::BITS).map(|bit| 1 << bit) {
        let looking: Vec<u32> = masks.iter().copied().filter(|mask| mask & bit != 0).collect();
        if !looking.is_empty() {
            *groups.entry(looking).or_default() |= bit;
        }
    }
    let axis = |mask: u32| {
        let looking = marks.iter().filter(|mark| mark.mask() & mask != 0);
        let values: BTreeSet<u32> = looking.map(|mark| mark.value() & mask).collect();
        let domain = Domain::Marks { mask, values: values.into_iter().collect() };
        // Only what is tracked has a connection, and only a connection has its mark.
        Axis::plain(Subject::Mark { field, mask }, domain, field == Field::ConnectionMark)
    };
    groups.into_values().map(axis).collect()
}
