//! Sets of packets as data: a union of products of unions of boxes.
//!
//! `from a, b to c, d, e tcp 22, 80` is one [`Product`] of three [`Factor`]s with two, three and
//! one box; it is never multiplied out to six. A statement that means several such flows at once
//! is a [`PacketSet`] of several products. What is empty is left out as far as that is easy to
//! see, so a set that [`PacketSet::is_empty`] does not call empty may still have no packet.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use crate::net::{Account, Family};

use super::{Constraint, Field, OpaqueMatch, Packet, Values};

/// Packets of one family that are in at least one product.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PacketSet {
    family: Family,
    products: Box<[Product]>,
}

impl PacketSet {
    /// The packets of any of the products.
    #[must_use]
    pub fn of(family: Family, products: impl IntoIterator<Item = Product>) -> Self {
        PacketSet { family, products: products.into_iter().collect() }
    }

    /// Every packet of a family.
    #[must_use]
    pub fn everything(family: Family) -> Self {
        Self::of(family, [Product { factors: [].into() }])
    }

    #[must_use]
    pub fn family(&self) -> Family {
        self.family
    }

    #[must_use]
    pub fn products(&self) -> &[Product] {
        &self.products
    }

    /// Whether it plainly has no packet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.products.is_empty()
    }

    /// Whether it plainly has every packet of its family.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.products.iter().any(|product| product.factors.is_empty())
    }

    /// The packets in both; none when they are of two families.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let both = |a: &Product, b: &Product| {
            let factors = a.factors.iter().chain(&b.factors).cloned();
            Product::of(factors)
        };
        let alike = self.family == other.family;
        let pairs = self.products.iter().filter(|_| alike);
        let pairs = pairs.flat_map(|a| other.products.iter().filter_map(move |b| both(a, b)));
        Self::of(self.family, pairs)
    }

    /// The packets that meet the conditions on some fields, whatever the others say of them.
    #[must_use]
    pub fn widened(&self, keep: impl Fn(Field) -> bool) -> Self {
        self.moved(|field| Some(field).filter(|field| keep(*field)))
    }

    /// The packets that meet the conditions on some fields with others, whose values are of the same
    /// kind; conditions on fields for which there is none are left out.
    #[must_use]
    pub fn moved(&self, to: impl Fn(Field) -> Option<Field>) -> Self {
        let one = |one: &FieldBox| {
            let constraints = one.constraints.iter();
            FieldBox::of(constraints.filter_map(|one| Some(one.of_field(to(one.field())?))))
        };
        // What stays as it is keeps the long list that it shares with others.
        let stays = |one: &Constraint| to(one.field()) == Some(one.field());
        let factor = |factor: &Factor| {
            if factor.boxes.iter().flat_map(|one| &one.constraints).all(stays) {
                factor.clone()
            } else {
                Factor::of(factor.boxes.iter().filter_map(one))
            }
        };
        let product = |product: &Product| Product::of(product.factors.iter().map(factor));
        Self::of(self.family, self.products.iter().filter_map(product))
    }

    /// The same with other words for facts that a packet does not show. Other words must not be those of
    /// another fact of the set.
    #[must_use]
    pub fn with_facts(&self, words: impl Fn(&Arc<str>) -> Arc<str>) -> Self {
        let renamed = |facts: &OpaqueMatch| -> Vec<Constraint> {
            let holding = facts.holding().iter().map(|fact| (fact, true));
            let all = holding.chain(facts.failing().iter().map(|fact| (fact, false)));
            all.map(|(fact, holds)| Constraint::opaque(words(fact), holds)).collect()
        };
        let one = |one: &FieldBox| {
            FieldBox::of(one.constraints().iter().flat_map(
                |constraint| match constraint.values() {
                    Values::Opaque(facts) => renamed(facts),
                    Values::Numbers(_)
                    | Values::Bits(_)
                    | Values::Interfaces(_)
                    | Values::Mark(_)
                    | Values::Accounts(_) => vec![constraint.clone()],
                },
            ))
        };
        let factor = |factor: &Factor| Factor::of(factor.boxes.iter().filter_map(one));
        let product = |product: &Product| Product::of(product.factors.iter().map(factor));
        Self::of(self.family, self.products.iter().filter_map(product))
    }

    /// The facts that conditions of it ask for, some more than once.
    pub fn facts(&self) -> impl Iterator<Item = &Arc<str>> {
        self.products.iter().flat_map(|product| &product.factors).flat_map(Factor::facts)
    }

    /// The facts that conditions of some sets ask for. What they share is looked at once: it may ask for
    /// as many as there are sets.
    pub fn facts_of_all<'s>(sets: impl IntoIterator<Item = &'s Self>) -> HashSet<&'s Arc<str>> {
        let (mut all, mut shared) = (HashSet::new(), HashSet::new());
        let products = sets.into_iter().flat_map(|set| &set.products);
        for factor in products.flat_map(|product| &product.factors) {
            let mut facts = factor.facts().peekable();
            if facts.peek().is_some() && shared.insert(factor.address()) {
                all.extend(facts);
            }
        }
        all
    }

    /// The users and groups that conditions of some sets ask for, each with its field.
    pub fn accounts_of_all<'s>(
        sets: impl IntoIterator<Item = &'s Self>,
    ) -> BTreeSet<(Field, &'s Account)> {
        let mut seen = HashSet::new();
        let products = sets.into_iter().flat_map(|set| &set.products);
        let factors = products.flat_map(|product| &product.factors);
        let own = factors.filter(|factor| seen.insert(factor.address()));
        let constraints = own.flat_map(Factor::boxes).flat_map(FieldBox::constraints);
        constraints.flat_map(Constraint::accounts).collect()
    }

    /// What its conditions say of destinations, one by one, said of destinations before translation.
    #[must_use]
    pub fn before_translation(&self) -> Self {
        // Each box for itself: it is their borders that count.
        let boxes = self.products.iter().flat_map(|product| &product.factors);
        let boxes = boxes.flat_map(|factor| factor.boxes.iter());
        let one = |one: &FieldBox| {
            FieldBox::of(one.constraints.iter().filter_map(Constraint::before_translation))
        };
        let told = boxes.filter_map(one).filter(|one| !one.is_everything());
        let products = told.filter_map(|one| Product::of([Factor::of([one])]));
        Self::of(self.family, products)
    }

    /// Whether a condition on a field that fits is part of it.
    #[must_use]
    pub fn speaks_of(&self, fits: impl Fn(Field) -> bool) -> bool {
        let boxes = self.products.iter().flat_map(|product| &product.factors);
        let boxes = boxes.flat_map(|factor| factor.boxes.iter());
        boxes.flat_map(|one| &one.constraints).any(|one| fits(one.field()))
    }

    /// Facts of which each of its packets has one at least, those that are least common; `None` when packets
    /// may have none of them.
    #[must_use]
    pub fn needed_facts(&self, common: impl Fn(&str) -> usize) -> Option<BTreeSet<&Arc<str>>> {
        let of_product = |product| Product::needed_facts(product, &common);
        let all: Option<Vec<_>> = self.products.iter().map(of_product).collect();
        Some(all?.into_iter().flatten().collect())
    }

    /// Whether it may be about a packet otherwise when some fields of it are others.
    #[must_use]
    pub fn asks_for(&self, is_other: impl Fn(Field) -> bool) -> bool {
        let boxes = self.products.iter().flat_map(|product| &product.factors);
        let boxes = boxes.flat_map(|factor| factor.boxes.iter());
        boxes.flat_map(|one| &one.constraints).any(|one| one.asks_for(&is_other))
    }

    /// Whether a packet may be in it or not, by what some fields are.
    #[must_use]
    pub fn depends_on(&self, packet: &Packet, fields: impl Fn(Field) -> bool) -> bool {
        let asks = |one: &FieldBox| one.constraints.iter().any(|one| fields(one.field()));
        let surely =
            |factor: &Factor| factor.boxes.iter().any(|one| !asks(one) && one.contains(packet));
        let is_sure = |product: &Product| product.factors.iter().all(surely);
        self.may_contain(packet, |field| !fields(field)) && !self.products.iter().any(is_sure)
    }

    /// The packets that meet the conditions that do not ask for some fields, whatever the others say.
    #[must_use]
    pub fn without_asking(&self, is_other: impl Fn(Field) -> bool) -> Self {
        let one = |one: &FieldBox| {
            let kept = one.constraints.iter().filter(|one| !one.asks_for(&is_other));
            FieldBox::of(kept.cloned())
        };
        let factor = |factor: &Factor| Factor::of(factor.boxes.iter().filter_map(one));
        let product = |product: &Product| Product::of(product.factors.iter().map(factor));
        Self::of(self.family, self.products.iter().filter_map(product))
    }

    #[must_use]
    pub fn contains(&self, packet: &Packet) -> bool {
        self.family == packet.family()
            && self.products.iter().any(|product| product.contains(packet))
    }

    /// Whether a packet meets the conditions on some fields, whatever the others say of it.
    #[must_use]
    pub fn may_contain(&self, packet: &Packet, asks: impl Fn(Field) -> bool) -> bool {
        let met = |one: &FieldBox| {
            let mut asked = one.constraints.iter().filter(|one| asks(one.field()));
            asked.all(|one| one.contains(packet))
        };
        let fits =
            |product: &Product| product.factors.iter().all(|factor| factor.boxes.iter().any(met));
        self.family == packet.family() && self.products.iter().any(fits)
    }
}

/// Packets that are in all factors.
// INVARIANT: no factor is empty, none is everything.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Product {
    factors: Box<[Factor]>,
}

impl Product {
    /// What is in all factors; `None` when one of them is empty.
    #[must_use]
    pub fn of(factors: impl IntoIterator<Item = Factor>) -> Option<Self> {
        let mut kept = Vec::new();
        for factor in factors {
            if factor.is_empty() {
                return None;
            }
            if !factor.is_everything() {
                kept.push(factor);
            }
        }
        Some(Product { factors: kept.into() })
    }

    #[must_use]
    pub fn factors(&self) -> &[Factor] {
        &self.factors
    }

    /// The same where one factor says so.
    fn needed_facts(&self, common: &impl Fn(&str) -> usize) -> Option<BTreeSet<&Arc<str>>> {
        let of_factors = self.factors.iter().filter_map(|factor| factor.needed_facts(common));
        of_factors.min_by_key(|facts| facts.iter().map(|fact| common(fact)).max())
    }

    #[must_use]
    pub fn contains(&self, packet: &Packet) -> bool {
        self.factors.iter().all(|factor| factor.contains(packet))
    }
}

/// Packets that are in at least one box. A clone shares the boxes.
// INVARIANT: when one box is everything, it is the only one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Factor {
    boxes: Arc<[FieldBox]>,
}

impl Factor {
    /// No packet.
    #[must_use]
    pub fn empty() -> Self {
        Factor { boxes: [].into() }
    }

    #[must_use]
    pub fn of(boxes: impl IntoIterator<Item = FieldBox>) -> Self {
        let boxes: Vec<FieldBox> = boxes.into_iter().collect();
        let full = boxes.iter().any(FieldBox::is_everything);
        Factor { boxes: if full { [FieldBox::everything()].into() } else { boxes.into() } }
    }

    /// The packets that meet all conditions.
    #[must_use]
    pub fn all(constraints: impl IntoIterator<Item = Constraint>) -> Self {
        Self::of(FieldBox::of(constraints))
    }

    #[must_use]
    pub fn boxes(&self) -> &[FieldBox] {
        &self.boxes
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.boxes.is_empty()
    }

    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.boxes.iter().any(FieldBox::is_everything)
    }

    #[must_use]
    pub fn contains(&self, packet: &Packet) -> bool {
        self.boxes.iter().any(|one| one.contains(packet))
    }

    fn needed_facts(&self, common: &impl Fn(&str) -> usize) -> Option<BTreeSet<&Arc<str>>> {
        self.boxes.iter().map(|one| one.needed_fact(common)).collect()
    }

    /// The facts that conditions of it ask for, some more than once.
    fn facts(&self) -> impl Iterator<Item = &Arc<str>> {
        let constraints = self.boxes.iter().flat_map(|one| &one.constraints);
        let facts = constraints.filter_map(|constraint| match constraint.values() {
            Values::Opaque(facts) => Some(facts),
            Values::Numbers(_)
            | Values::Bits(_)
            | Values::Interfaces(_)
            | Values::Mark(_)
            | Values::Accounts(_) => None,
        });
        facts.flat_map(|facts| facts.holding().union(facts.failing()))
    }

    /// Where its boxes are in memory: the same for two only when they share them.
    pub(super) fn address(&self) -> usize {
        self.boxes.as_ptr().addr()
    }

    /// Whether both are one object in memory.
    #[must_use]
    pub fn is_shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.boxes, &other.boxes)
    }
}

/// Packets that meet all conditions: a product of one set for each field.
// INVARIANT: sorted by field, each field at most once, no condition empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldBox {
    constraints: Box<[Constraint]>,
}

impl FieldBox {
    #[must_use]
    pub fn everything() -> Self {
        FieldBox { constraints: [].into() }
    }

    /// All conditions at once; `None` when two of them on one field exclude each other, or one is
    /// empty.
    #[must_use]
    pub fn of(constraints: impl IntoIterator<Item = Constraint>) -> Option<Self> {
        let mut sorted: Vec<Constraint> = constraints.into_iter().collect();
        if sorted.iter().any(Constraint::is_empty) {
            return None;
        }
        sorted.sort_by_key(Constraint::field);
        let mut possible = true;
        sorted.dedup_by(|next, kept| {
            let same = next.field() == kept.field();
            if same {
                possible &= kept.narrow(next);
            }
            same
        });
        possible.then(|| FieldBox { constraints: sorted.into() })
    }

    #[must_use]
    pub fn constraints(&self) -> &[Constraint] {
        &self.constraints
    }

    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.constraints.is_empty()
    }

    /// The least common fact that all its packets have.
    fn needed_fact(&self, common: &impl Fn(&str) -> usize) -> Option<&Arc<str>> {
        let holding = self.constraints.iter().filter_map(|constraint| match constraint.values() {
            Values::Opaque(facts) => Some(facts.holding()),
            Values::Numbers(_)
            | Values::Bits(_)
            | Values::Interfaces(_)
            | Values::Mark(_)
            | Values::Accounts(_) => None,
        });
        holding.flatten().min_by_key(|fact| common(fact))
    }

    #[must_use]
    pub fn contains(&self, packet: &Packet) -> bool {
        self.constraints.iter().all(|constraint| constraint.contains(packet))
    }
}
