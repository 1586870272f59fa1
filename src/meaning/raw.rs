//! Raw rules as entries: a condition that is known by its text, and what the words say is done.

use std::sync::Arc;

use crate::packet::{Constraint, Factor, Field, PacketSet, Product};
use crate::resolve::policy::{KernelChain, Raw, RawTable, RawTarget};

use super::filter::answer_in;
use super::sets::Sets;
use super::{BaseChain, Decision, Effect, Entry, Reason, Translation};

/// What a raw rule says; `None` in the other family.
pub(super) fn entry(raw: &Raw, sets: &Sets<'_>) -> Option<Entry> {
    if raw.family != sets.family {
        return None;
    }
    let asked = (!raw.matches.is_empty()).then(|| Arc::clone(&raw.matches));
    let asked = Factor::all(asked.map(|text| Constraint::opaque(text, true)));
    Some(Entry {
        set: PacketSet::of(raw.family, Product::of([asked])),
        limits: [].into(),
        log: None,
        effect: effect(raw),
        reason: Reason::Written(raw.origin),
    })
}

/// The chain it stands in, of those that have a meaning.
pub(super) fn base(raw: &Raw) -> Option<BaseChain> {
    match (raw.table, raw.chain?) {
        (RawTable::Filter, KernelChain::Input) => Some(BaseChain::FilterInput),
        (RawTable::Filter, KernelChain::Forward) => Some(BaseChain::FilterForward),
        (RawTable::Filter, KernelChain::Output) => Some(BaseChain::FilterOutput),
        (RawTable::Nat, KernelChain::Prerouting) => Some(BaseChain::NatPrerouting),
        (RawTable::Nat, KernelChain::Output) => Some(BaseChain::NatOutput),
        (RawTable::Nat, KernelChain::Postrouting) => Some(BaseChain::NatPostrouting),
        (RawTable::Mangle, KernelChain::Prerouting) => Some(BaseChain::ManglePrerouting),
        (RawTable::Mangle, KernelChain::Input) => Some(BaseChain::MangleInput),
        (RawTable::Mangle, KernelChain::Forward) => Some(BaseChain::MangleForward),
        (RawTable::Mangle, KernelChain::Output) => Some(BaseChain::MangleOutput),
        (RawTable::Raw, KernelChain::Prerouting) => Some(BaseChain::RawPrerouting),
        (RawTable::Raw, KernelChain::Output) => Some(BaseChain::RawOutput),
        (RawTable::Security, KernelChain::Input) => Some(BaseChain::SecurityInput),
        (RawTable::Security, KernelChain::Forward) => Some(BaseChain::SecurityForward),
        (RawTable::Security, KernelChain::Output) => Some(BaseChain::SecurityOutput),
        (RawTable::Nat, KernelChain::Input) => Some(BaseChain::NatInput),
        (RawTable::Mangle, KernelChain::Postrouting) => Some(BaseChain::ManglePostrouting),
        (
            RawTable::Filter | RawTable::Security,
            KernelChain::Prerouting | KernelChain::Postrouting,
        )
        | (RawTable::Nat, KernelChain::Forward)
        | (RawTable::Raw, KernelChain::Input | KernelChain::Forward | KernelChain::Postrouting) => {
            None
        }
    }
}

/// What a raw rule that goes on may make another of its packet: of addresses and ports those targets
/// that change them decide.
const MAY_CHANGE: &[Field] =
    &[Field::Mark, Field::ConnectionMark, Field::Dscp, Field::Ttl, Field::Length, Field::Opaque];

fn effect(raw: &Raw) -> Effect {
    match &raw.target {
        // Who is accepted in nat is left as it is.
        RawTarget::Accept if raw.table == RawTable::Nat => {
            Effect::Decide(Decision::Translate(Translation::Exempt.into()))
        }
        RawTarget::Accept => Effect::Decide(Decision::Accept),
        RawTarget::Drop => Effect::Decide(Decision::Drop),
        RawTarget::Reject(with) => Effect::Decide(Decision::Reject(answer_in(raw.family, *with))),
        RawTarget::Return => Effect::Return,
        RawTarget::Jump(chain) => Effect::Call(*chain),
        RawTarget::Goto(chain) => Effect::Goto(*chain),
        // It only counts.
        RawTarget::GoesOn(text) if text.is_empty() => Effect::Continue,
        RawTarget::GoesOn(text) => Effect::Opaque { text: Arc::clone(text), changes: MAY_CHANGE },
        RawTarget::Decides(text) => Effect::Decide(Decision::Unknown(Arc::clone(text))),
    }
}
