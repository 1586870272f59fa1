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
            AlterationKind::Mark(_)
            | AlterationKind::Dscp(_)
            | AlterationKind::ClampMss(_)
            | AlterationKind::Notrack
            | AlterationKind::Helper(_) => None,
        },
        Item::Rule(_) | Item::Nat(_) | Item::Raw(_) => None,
    }
}

/// What a statement says, an entry in each chain where its packets are met.
pub(super) fn statement<'p>(said: &'p Alteration, sets: &mut Sets<'p>, lists: &mut Lists) {
    match said.kind {
        AlterationKind::Mark(mark) => mangle(said, Change::Mark(mark), None, sets, lists),
        AlterationKind::StickyMark(mark) => {
            mangle(said, Change::StickyMark(mark), unmarked(mark), sets, lists);
        }
        AlterationKind::Dscp(dscp) => mangle(said, Change::Dscp(dscp), None, sets, lists),
        AlterationKind::ClampMss(size) => mangle(said, Change::Mss(size), opening(), sets, lists),
        AlterationKind::Notrack => tell_conntrack(said, Change::Untracked, sets, lists),
        AlterationKind::Helper(_) => {} // See `helpers`.
    }
}

/// Who gets which helper: behind all that is not tracked.
pub(super) fn helpers<'p>(policy: &'p Policy, sets: &mut Sets<'p>, lists: &mut Lists) {
    for item in &policy.items {
        if let Item::Alter(said) = item
            && let AlterationKind::Helper(helper) = said.kind
        {
            tell_conntrack(said, Change::Helper(helper), sets, lists);
        }
    }
}

fn mangle<'p>(
    said: &'p Alteration,
    change: Change,
    within: Option<Factor>,
    sets: &mut Sets<'p>,
    lists: &mut Lists,
) {
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

/// Conntrack is told before it sees a packet: where packets arrive, and where this machine sends them.
fn tell_conntrack<'p>(
    said: &'p Alteration,
    change: Change,
    sets: &mut Sets<'p>,
    lists: &mut Lists,
) {
    for base in [BaseChain::RawPrerouting, BaseChain::RawOutput] {
        let flows = said.flows.iter().filter(|flow| is_told_in(flow.scope) == Some(base));
        if let Some(set) = sets.flows(flows, &said.conditions) {
            let reason = Reason::Written(said.origin);
            lists.of(base).push(entry(set, Effect::Change(change), reason));
        }
    }
}

/// The chain before conntrack in which packets of a scope are met.
fn is_told_in(scope: Scope) -> Option<BaseChain> {
    match scope {
        Scope::Arrival(_) => Some(BaseChain::RawPrerouting),
        Scope::Hook(Hook::Output) => Some(BaseChain::RawOutput),
        Scope::Hook(Hook::Input | Hook::Forward) | Scope::Chain | Scope::Docker => None,
    }
}

/// The chain of mangle in which packets of a scope are met.
fn mangles_in(scope: Scope) -> Option<BaseChain> {
    match scope {
        Scope::Arrival(_) => Some(BaseChain::ManglePrerouting),
        Scope::Hook(Hook::Input) => Some(BaseChain::MangleInput),
        Scope::Hook(Hook::Forward) => Some(BaseChain::MangleForward),
        Scope::Hook(Hook::Output) => Some(BaseChain::MangleOutput),
        Scope::Chain | Scope::Docker => None,
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
