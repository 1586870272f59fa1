//! What raw tables ask about connections: packets meet them before conntrack, and have none there.
//!
//! As `xt_conntrack.c`, `xt_state.c` and `xt_connmark.c` judge a packet without a connection: its state is
//! invalid, so a negation that excludes another state matches, and nothing else does. What this machine sends
//! to itself has its connection already when it comes in on lo. Behind a `CT` rule that does more than
//! `--notrack` a packet carries what that rule said, and what is asked of it is not known; of one that is not
//! tracked it is not known by when.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Limits;
use crate::meaning::{BaseChain, Change, Effect, Entry, FamilyMeaning, History, List};
use crate::net::{CtState, Family, Interface};
use crate::packet::{Constraint, Factor, Field, FieldBox, PacketSet, Product};

/// What decides where it is not known what is answered.
const UNKNOWN: &str = "what conntrack knows of a packet that it has not seen";

/// Has the raw tables of a family ask as it is there.
pub(super) fn before_conntrack(lists: &mut FamilyMeaning, family: Family, limits: &mut Limits) {
    let chains = called(lists);
    let bases = [BaseChain::RawPrerouting, BaseChain::RawOutput];
    let early = || {
        let bases = bases.iter().filter_map(|base| lists.bases.get(base));
        bases.chain(chains.iter().filter_map(|number| lists.chains.get(*number)))
    };
    let entries = || early().flat_map(|list: &List| &list.entries);
    if !entries().any(|entry| entry.set.speaks_of(Field::is_of_connection)) {
        return;
    }
    let untracked = Effect::Change(Change::Untracked);
    let tells = |effect: &Effect| match effect {
        Effect::Change(Change::Helper(_)) => true,
        Effect::Opaque { changes, .. } => changes.contains(&Field::State),
        Effect::Change(_)
        | Effect::Decide(_)
        | Effect::Continue
        | Effect::Return
        | Effect::Call(_)
        | Effect::Goto(_)
        | Effect::Add { .. } => false,
    };
    let told = if entries().any(|entry| tells(&entry.effect)) {
        Told::Anything
    } else if entries().any(|entry| entry.effect == untracked) {
        Told::Untracked
    } else {
        Told::Nothing
    };
    let mut rewrite = |list: &mut List| {
        let entries = std::mem::take(&mut list.entries).into_iter();
        list.entries = entries.flat_map(|entry| asked_early(entry, family, told, limits)).collect();
    };
    for base in bases {
        lists.bases.get_mut(&base).map(&mut rewrite);
    }
    for number in chains {
        lists.chains.get_mut(number).map(&mut rewrite);
    }
}

/// What rules of a raw table tell conntrack of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    /// Not to see some.
    Untracked,
    Anything,
}

/// The places of the chains that raw tables lead to.
fn called(lists: &FamilyMeaning) -> BTreeSet<usize> {
    let place = |entry: &Entry| usize::try_from(entry.effect.chain()?.0).ok();
    let bases = [BaseChain::RawPrerouting, BaseChain::RawOutput];
    let mut open: Vec<&List> = bases.iter().filter_map(|base| lists.bases.get(base)).collect();
    let mut called = BTreeSet::new();
    while let Some(list) = open.pop() {
        for number in list.entries.iter().filter_map(place) {
            if called.insert(number) {
                open.extend(lists.chains.get(number));
            }
        }
    }
    called
}

/// An entry of a raw table as what it asks there.
fn asked_early(entry: Entry, family: Family, told: Told, limits: &mut Limits) -> Vec<Entry> {
    if !entry.set.speaks_of(Field::is_of_connection) {
        return vec![entry];
    }
    let mut unknown = |set: PacketSet| {
        let may = limits.another(History::Opaque(Arc::from(UNKNOWN)));
        let limits = entry.limits.iter().copied().chain([may]).collect();
        Entry { set, limits, ..entry.clone() }
    };
    if told == Told::Anything {
        return vec![unknown(entry.set.widened(|field| !field.is_of_connection()))];
    }
    let set = |factor: Factor| PacketSet::of(family, Product::of([factor]));
    let [not_lo, untracked] = [
        Constraint::incoming(&[Interface::loopback()]).others(family).unwrap_or_default(),
        vec![Constraint::state([CtState::Untracked].into_iter().collect())],
    ];
    let one = |constraint: Constraint| FieldBox::of([constraint]);
    let unseen = not_lo.into_iter().chain([Constraint::unconnected()]).filter_map(one);
    let unseen = set(Factor::of(unseen));
    let seen = entry.set.intersection(&set(Factor::all(Constraint::tracked_before())));
    let [invalid, kept] =
        [CtState::Invalid, CtState::Untracked].map(|s| unconnected(&entry.set, s));
    let with = |set: PacketSet| {
        let products = seen.products().iter().chain(set.products()).cloned();
        Entry { set: PacketSet::of(family, products), ..entry.clone() }
    };
    if told == Told::Nothing || invalid == kept {
        return vec![with(invalid.intersection(&unseen))];
    }
    let others = untracked.iter().filter_map(|one| one.others(family)).flatten();
    let others = set(Factor::of(others.filter_map(one)));
    let either = invalid.products().iter().chain(kept.products()).cloned();
    let either = PacketSet::of(family, either).intersection(&set(Factor::all(untracked)));
    vec![with(invalid.intersection(&unseen).intersection(&others)), unknown(either)]
}

/// Packets that a set is about if they have no connection and are in a state.
fn unconnected(set: &PacketSet, state: CtState) -> PacketSet {
    let state = Constraint::state([state].into_iter().collect());
    let is_met = |one: &&Constraint| {
        **one == Constraint::untranslated() || one.intersection(&state).is_some()
    };
    let one = |one: &FieldBox| {
        let (asked, rest): (Vec<_>, Vec<_>) =
            one.constraints().iter().partition(|one| one.field().is_of_connection());
        asked.iter().all(is_met).then(|| FieldBox::of(rest.into_iter().cloned())).flatten()
    };
    let factor = |factor: &Factor| Factor::of(factor.boxes().iter().filter_map(one));
    let product = |product: &Product| Product::of(product.factors().iter().map(factor));
    PacketSet::of(set.family(), set.products().iter().filter_map(product))
}
