//! Statements that change packets as entries, and what packets bring of their connection's mark.

use std::collections::BTreeSet;

use crate::net::{Family, FlagMatch, MarkMatch, TcpFlags};
use crate::packet::{Constraint, Factor, FieldBox, PacketSet, Product};
use crate::resolve::Policy;
use crate::resolve::policy::{Alteration, AlterationKind, Flow, Hook, Item, Scope};

use super::sets::Sets;
use super::{BaseChain, Change, Effect, Entry, Lists, Reason};

/// What stays of a mark: each packet that comes in, and each that this machine sends, gets the mark
/// of its connection, under every mask under which a statement makes marks stay and the connection
/// has one.
pub(super) fn restored_marks(policy: &Policy, sets: &mut Sets<'_>, lists: &mut Lists) {
    let mut seen = BTreeSet::new();
    let family = sets.family;
    let masks = policy.items.iter().filter_map(|item| sticky_mask(item, family));
    for mask in masks.filter(|mask| seen.insert(*mask)) {
        let bits = (0..u32::BITS).map(|bit| 1 << bit).filter(|bit| mask & bit != 0);
        let marked = bits.filter_map(|bit| {
            FieldBox::of(MarkMatch::new(bit, bit).map(Constraint::connection_mark))
        });
        let set = PacketSet::of(sets.family, Product::of([Factor::of(marked)]));
        for base in [BaseChain::ManglePrerouting, BaseChain::MangleOutput] {
            let effect = Effect::Change(Change::RestoredMark(mask));
            lists.of(base).push(entry(set.clone(), effect, Reason::Restored));
        }
    }
}

/// The mask under which a statement makes marks stay in a family.
fn sticky_mask(item: &Item, family: Family) -> Option<u32> {
    match item {
        Item::Alter(said) => match said.kind {
            AlterationKind::StickyMark(mark) => {
                let speaks = |flow: &Flow| flow.families.contains(family);
                said.flows.iter().any(speaks).then_some(mark.mask())
            }
            AlterationKind::Mark(_) | AlterationKind::Dscp(_) | AlterationKind::ClampMss(_) => None,
        },
        Item::Rule(_) | Item::Nat(_) => None,
    }
}

/// What a statement says, an entry in each chain where its packets are met.
pub(super) fn statement<'p>(said: &'p Alteration, sets: &mut Sets<'p>, lists: &mut Lists) {
    let (change, within) = match said.kind {
        AlterationKind::Mark(mark) => (Change::Mark(mark), None),
        AlterationKind::StickyMark(mark) => (Change::StickyMark(mark), unmarked(mark)),
        AlterationKind::Dscp(dscp) => (Change::Dscp(dscp), None),
        AlterationKind::ClampMss(size) => (Change::Mss(size), opening()),
    };
    let within: Vec<Factor> = within.into_iter().collect();
    for base in [
        BaseChain::ManglePrerouting,
        BaseChain::MangleInput,
        BaseChain::MangleForward,
        BaseChain::MangleOutput,
    ] {
        let flows = said.flows.iter().filter(|flow| mangles_in(flow.scope) == Some(base));
        if let Some(set) = sets.flows_within(flows, &said.conditions, &within) {
            let reason = Reason::Written(said.origin);
            lists.of(base).push(entry(set, Effect::Change(change), reason));
        }
    }
}

/// The chain of mangle in which packets of a scope are met.
fn mangles_in(scope: Scope) -> Option<BaseChain> {
    match scope {
        Scope::Arrival(_) => Some(BaseChain::ManglePrerouting),
        Scope::Hook(Hook::Input) => Some(BaseChain::MangleInput),
        Scope::Hook(Hook::Forward) => Some(BaseChain::MangleForward),
        Scope::Hook(Hook::Output) => Some(BaseChain::MangleOutput),
        Scope::Chain => None,
    }
}

/// Packets of a connection that has no mark yet under this mask.
fn unmarked(mark: MarkMatch) -> Option<Factor> {
    let none = MarkMatch::new(0, mark.mask())?;
    Some(Factor::all([Constraint::connection_mark(none)]))
}

/// The first packet of a tcp connection each way: they agree on the size of segments.
fn opening() -> Option<Factor> {
    let looked_at = TcpFlags::SYN.union(TcpFlags::RST);
    let syn = FlagMatch::new(TcpFlags::SYN, looked_at)?;
    Some(Factor::all([Constraint::flags(syn)]))
}

fn entry(set: PacketSet, effect: Effect, reason: Reason) -> Entry {
    Entry { set, limits: [].into(), log: None, effect, reason }
}
