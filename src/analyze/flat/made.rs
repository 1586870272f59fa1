//! What rules make of packets on their way: later rules ask about them as they are then.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::packet::{Constraint, Factor, Field, FieldBox, OpaqueMatch, PacketSet, Product, Values};

/// Something was made of packets: fields are others, facts about sets may hold that did not.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub fields: BTreeSet<Field>,
    pub facts: BTreeSet<Arc<str>>,
}

impl Made {
    pub fn of(fields: &[Field]) -> Self {
        Made { fields: fields.iter().copied().collect(), facts: BTreeSet::new() }
    }

    pub fn is_nothing(&self) -> bool {
        self.fields.is_empty() && self.facts.is_empty()
    }

    pub fn add(&mut self, other: Self) {
        self.fields.extend(other.fields);
        self.facts.extend(other.facts);
    }
}

/// The facts that may be others than they were, each with the words for what it is now.
#[derive(Debug, Clone, Default)]
pub(super) struct Entered(BTreeMap<Arc<str>, Option<u32>>);

impl Entered {
    /// Facts may be others from here on. What they are gets words when it is asked for.
    pub fn renew(&mut self, facts: &BTreeSet<Arc<str>>) {
        self.0.extend(facts.iter().map(|fact| (Arc::clone(fact), None)));
    }

    /// A set with the words of here for the facts that it asks for. `numbers` has how many words there
    /// were for each.
    pub fn instead<'m>(
        &mut self,
        set: &'m PacketSet,
        numbers: &mut BTreeMap<Arc<str>, u32>,
    ) -> Cow<'m, PacketSet> {
        if self.0.is_empty() {
            return Cow::Borrowed(set);
        }
        let mut asks = false;
        for facts in super::constraints(set).filter_map(facts) {
            for text in facts.holding().union(facts.failing()) {
                let Some(number) = self.0.get_mut(text) else { continue };
                asks = true;
                number.get_or_insert_with(|| {
                    let last = numbers.entry(Arc::clone(text)).or_default();
                    *last += 1;
                    *last
                });
            }
        }
        if asks { Cow::Owned(self.renamed(set)) } else { Cow::Borrowed(set) }
    }

    fn renamed(&self, set: &PacketSet) -> PacketSet {
        let one = |one: &FieldBox| {
            FieldBox::of(one.constraints().iter().flat_map(|constraint| match facts(constraint) {
                Some(facts) => self.conditions(facts),
                None => vec![constraint.clone()],
            }))
        };
        let factor = |factor: &Factor| Factor::of(factor.boxes().iter().filter_map(one));
        let product = |product: &Product| Product::of(product.factors().iter().map(factor));
        PacketSet::of(set.family(), set.products().iter().filter_map(product))
    }

    fn conditions(&self, facts: &OpaqueMatch) -> Vec<Constraint> {
        let text = |text: &Arc<str>| match self.0.get(text) {
            Some(Some(number)) => format!("{text} (after {number} added)").into(),
            Some(None) | None => Arc::clone(text),
        };
        let holding = facts.holding().iter().map(|fact| Constraint::opaque(text(fact), true));
        let failing = facts.failing().iter().map(|fact| Constraint::opaque(text(fact), false));
        holding.chain(failing).collect()
    }
}

fn facts(constraint: &Constraint) -> Option<&OpaqueMatch> {
    match constraint.values() {
        Values::Opaque(facts) => Some(facts),
        Values::Numbers(_)
        | Values::Bits(_)
        | Values::Interfaces(_)
        | Values::Mark(_)
        | Values::Accounts(_) => None,
    }
}
