//! Where the finding about an item, and what decides packets, stand.

use super::witness::witness_of;
use crate::diagnostic::{Finding, Lint, Witness};
use crate::meaning::{BaseChain, Reason};
use crate::packet::Packet;
use crate::resolve::Policy;
use crate::resolve::policy::Origin;
use crate::source::Span;

/// A finding about a statement; of one in a `def`, with the call that brought it.
pub(super) fn about(
    lint: &'static Lint,
    policy: &Policy,
    origin: Origin,
    message: impl Into<String>,
) -> Finding {
    let finding = Finding::new(lint, origin.span, message);
    let calls: Vec<Span> = policy.calls_to(origin).collect();
    match calls.last() {
        Some(call) => finding.related(*call, "by this call").also_at(calls),
        None => finding,
    }
}

/// The place of an entry, if it has one.
#[must_use]
pub fn span_of(policy: &Policy, reason: Reason) -> Option<Span> {
    match reason {
        Reason::Written(origin) => Some(origin.span),
        Reason::Default(BaseChain::FilterInput) => policy.defaults.input.span,
        Reason::Default(BaseChain::FilterForward) => policy.defaults.forward.span,
        Reason::Default(BaseChain::FilterOutput) => policy.defaults.output.span,
        Reason::Default(_) | Reason::Implicit(_) | Reason::Restored => None,
    }
}

/// A packet that a chain sees, with what becomes of it.
pub(super) fn met(packet: &Packet, base: BaseChain, fate: impl Into<String>) -> Witness {
    Witness { fate: Some(fate.into()), ..witness_of(packet, base) }
}
