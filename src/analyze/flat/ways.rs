//! How much the ways through the chains of a base chain take, before any is walked.

use std::collections::HashMap;

use crate::meaning::{Effect, Entry, List, Meaning};
use crate::net::Family;
use crate::packet::{PacketSet, Product};
use crate::resolve::policy::ChainId;

/// What the steps of called chains may take before it is too much: a step [`OF_A_STEP`], and each factor of
/// its sets one. A step has all factors of the calls that lead to it, so where calls are nested deep a step
/// is large: to count steps alone would be to count no memory.
const MOST: usize = 4_000_000;

/// Of a step without conditions.
const OF_A_STEP: usize = 10;

/// Whether they take too much. Where calls contradict each other they may take less than is counted here.
/// A ring, which a resolved policy never has, takes too much.
pub(in crate::analyze) fn are_too_many(meaning: &Meaning, family: Family, base: &List) -> bool {
    let mut known: HashMap<ChainId, Option<Weight>> = HashMap::new();
    let mut open = vec![Open { chain: None, list: base, next: 0, weight: Weight::default() }];
    // Not by calls: a hostile table is deep.
    while let Some(Open { chain, list, next, weight }) = open.last_mut() {
        let Some(entry) = list.entries.get(*next) else {
            let (chain, weight) = (*chain, *weight);
            open.pop();
            match chain {
                Some(chain) => _ = known.insert(chain, Some(weight)),
                None => return weight.of_product > MOST,
            }
            continue;
        };
        let called = match &entry.effect {
            Effect::Call(called) | Effect::Goto(called) => {
                meaning.chain(family, *called).zip(Some(called))
            }
            Effect::Decide(_)
            | Effect::Continue
            | Effect::Opaque { .. }
            | Effect::Return
            | Effect::Change(_)
            | Effect::Add { .. } => None,
        };
        if let Some((list, called)) = called
            && !known.contains_key(called)
        {
            known.insert(*called, None);
            open.push(Open { chain: Some(*called), list, next: 0, weight: Weight::default() });
            continue;
        }
        let behind = called.map(|(_, called)| known.get(called).copied().flatten());
        weight.add(
            entry,
            chain.is_some(),
            behind.map_or(Weight::default(), |known| known.unwrap_or(Weight::RING)),
        );
        *next += 1;
    }
    false
}

/// A chain that is being weighed.
struct Open<'m> {
    /// `None` for the base chain.
    chain: Option<ChainId>,
    list: &'m List,
    next: usize,
    /// Of the entries so far.
    weight: Weight,
}

/// What the steps of a chain take, by the packets that come to it.
#[derive(Debug, Clone, Copy, Default)]
struct Weight {
    /// For each product of their set.
    of_product: usize,
    /// For each factor of that.
    of_factor: usize,
}

impl Weight {
    const RING: Weight = Weight { of_product: usize::MAX, of_factor: usize::MAX };

    /// Adds what an entry takes, as a step if it is one of a called chain, and what is behind it.
    fn add(&mut self, entry: &Entry, is_step: bool, behind: Weight) {
        let (products, factors) = size(&entry.set);
        let [own_product, own_factor] =
            if is_step { [products * OF_A_STEP + factors, products] } else { [0, 0] };
        // Behind the entry, each product of those that come here is one with each of the entry's own, and
        // has the factors of both.
        let of_product = behind.of_product.saturating_mul(products);
        let of_product = of_product.saturating_add(behind.of_factor.saturating_mul(factors));
        let of_factor = behind.of_factor.saturating_mul(products);
        self.of_product = self.of_product.saturating_add(own_product).saturating_add(of_product);
        self.of_factor = self.of_factor.saturating_add(own_factor).saturating_add(of_factor);
    }
}

/// How many products a set has, and how many factors they have. (None at all take as much as one.)
fn size(set: &PacketSet) -> (usize, usize) {
    let products = set.products();
    let factors: usize = products.iter().map(Product::factors).map(<[_]>::len).sum();
    (products.len().max(1), factors)
}
