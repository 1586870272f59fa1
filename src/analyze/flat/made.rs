//! What rules make of packets on their way: later rules ask about them as they are then.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::meaning::Change;
use crate::packet::opaque::{SetSide, member};
use crate::packet::{Field, PacketSet, RuleNumber};

/// Something was made of packets: fields are others, facts about sets may hold that did not.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// With the change, if only one is known.
    pub fields: BTreeMap<Field, Option<Change>>,
    /// With the steps that made them.
    pub facts: BTreeMap<Fact, BTreeSet<RuleNumber>>,
}

impl Made {
    pub fn of(fields: &[Field]) -> Self {
        let fields = fields.iter().map(|field| (*field, None)).collect();
        Made { fields, facts: BTreeMap::new() }
    }

    pub fn by(change: Change) -> Self {
        let fields = change.fields().iter().map(|field| (*field, Some(change))).collect();
        Made { fields, facts: BTreeMap::new() }
    }

    /// A step took sources up into a set, as networks of a length.
    pub fn entered(set: &Arc<str>, length: u8, step: RuleNumber) -> Self {
        let facts = [SetSide::Source, SetSide::Destination]
            .map(|side| (Fact { text: member(side, set), side, length }, BTreeSet::from([step])));
        Made { fields: BTreeMap::new(), facts: facts.into() }
    }

    pub fn is_nothing(&self) -> bool {
        self.fields.is_empty() && self.facts.is_empty()
    }

    pub fn add(&mut self, other: Self) {
        add_fields(&mut self.fields, &other.fields);
        for (fact, steps) in other.facts {
            self.facts.entry(fact).or_default().extend(steps);
        }
    }
}

/// Adds fields that are others to those that are; one that two changes made is known as neither's.
pub(super) fn add_fields(
    fields: &mut BTreeMap<Field, Option<Change>>,
    more: &BTreeMap<Field, Option<Change>>,
) {
    for (field, by) in more {
        let only = fields.entry(*field).or_insert(*by);
        *only = (*only).filter(|_| only == by);
    }
}

/// That an address of a packet is in a set that rules fill.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fact {
    pub text: Arc<str>,
    pub side: SetSide,
    /// The prefix length of the networks that the set holds.
    pub length: u8,
}

/// A fact that may be another than it was: who asks after rules filled the set asks for this one.
#[derive(Debug, Clone)]
pub struct Renewal {
    pub fact: Fact,
    /// Its words before.
    pub before: Arc<str>,
    /// Its words from then on.
    pub after: Arc<str>,
    /// The steps that filled the set in between.
    pub steps: BTreeSet<RuleNumber>,
}

/// What is known of facts that rules change.
#[derive(Debug, Clone, Default)]
pub(super) struct Entered(BTreeMap<Arc<str>, Known>);

#[derive(Debug, Clone)]
struct Known {
    fact: Fact,
    /// Its words, unless something changed since it was asked for.
    words: Arc<str>,
    /// The steps that changed it since.
    steps: BTreeSet<RuleNumber>,
}

impl Entered {
    /// Facts may be others from here on. What they are gets words when it is asked for.
    pub fn renew(&mut self, facts: &BTreeMap<Fact, BTreeSet<RuleNumber>>) {
        for (fact, steps) in facts {
            let known = self.0.entry(Arc::clone(&fact.text)).or_insert_with(|| Known {
                fact: fact.clone(),
                words: Arc::clone(&fact.text),
                steps: BTreeSet::new(),
            });
            known.steps.extend(steps);
        }
    }

    /// A set with the words of here for the facts that it asks for. New ones are told to `renewals`.
    pub fn instead<'m>(
        &mut self,
        set: &'m PacketSet,
        renewals: &mut Vec<Renewal>,
    ) -> Cow<'m, PacketSet> {
        if self.0.is_empty() {
            return Cow::Borrowed(set);
        }
        let mut asks = false;
        for text in set.facts() {
            let Some(known) = self.0.get_mut(text) else { continue };
            asks = true;
            if !known.steps.is_empty() {
                let after: Arc<str> = format!("{text} (after {} added)", renewals.len() + 1).into();
                renewals.push(Renewal {
                    fact: known.fact.clone(),
                    before: std::mem::replace(&mut known.words, Arc::clone(&after)),
                    after,
                    steps: std::mem::take(&mut known.steps),
                });
            }
        }
        if !asks {
            return Cow::Borrowed(set);
        }
        Cow::Owned(set.with_facts(|text| {
            self.0.get(text).map_or_else(|| Arc::clone(text), |known| Arc::clone(&known.words))
        }))
    }
}
