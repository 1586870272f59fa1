//! Whether a policy keeps what it promises: `assert`, `protect` and `test`.
//!
//! A claim about connections is proved for every packet of its set, through all tables: what is sent is
//! carried to the filter, translated where nat translates it, and there no rule may do otherwise than
//! promised. A promise that is broken has a packet that breaks it, which was walked through all tables
//! again before it is shown. What could not be proved is said so.
//!
//! A new connection is its first packet: state new, of tcp with SYN and without ACK, RST, FIN. What is
//! promised to be dropped is every packet that is new or that conntrack does not see. Sources that the kernel
//! drops before any rule are left out.
//!
//! `to` a host means whoever the packet comes to. Where a `forward` serves the host for a source, it is what
//! that source sends to the public address which must be allowed; for other sources, what they send to
//! the host itself. What is promised to be dropped may reach the host by no way.

mod broken;
pub(super) mod claim;
pub(super) mod sets;
mod shown;

use super::journey::{Answers, Fate, Sent, Surroundings, follow};
use crate::diagnostic::Finding;
use crate::meaning::Meaning;
use crate::resolve::Policy;
use crate::resolve::policy::{Expected, Promise, PromiseKind, TestPacket};
use crate::source::Sources;

use broken::Telling;
use claim::World;

/// What was found about one promise.
#[derive(Debug)]
pub struct Judged<'p> {
    pub promise: &'p Promise,
    /// Empty when it is kept. Of a test, one for each packet that failed.
    pub findings: Vec<Finding>,
}

/// Every promise of a policy, in order.
#[must_use]
pub fn judged<'p>(policy: &'p Policy, meaning: &Meaning, sources: &Sources) -> Vec<Judged<'p>> {
    if policy.promises.is_empty() {
        return Vec::new();
    }
    let at_best = meaning.at_best();
    let surroundings = Surroundings::of(policy);
    let world = World { policy, meaning, at_best: &at_best, surroundings: &surroundings };
    let telling = Telling { policy, sources };
    let judge = |promise: &'p Promise| {
        let findings = match &promise.kind {
            PromiseKind::Assert(claim) => {
                let verdict = claim::verdict(&world, claim, false);
                telling.claim(promise, claim, verdict).into_iter().collect()
            }
            PromiseKind::Protect(claim) => {
                let verdict = claim::verdict(&world, claim, true);
                telling.protect(promise, verdict).into_iter().collect()
            }
            PromiseKind::Test { packets, .. } => {
                packets.iter().filter_map(|packet| test(&world, &telling, packet)).collect()
            }
        };
        Judged { promise, findings }
    };
    policy.promises.iter().map(judge).collect()
}

/// What is wrong with a packet of a test, if something is.
fn test(world: &World<'_>, telling: &Telling<'_>, packet: &TestPacket) -> Option<Finding> {
    let sent = Sent::of(packet);
    let answers = Answers { oracle: &|_| true, facts: None };
    match follow(world.meaning, world.surroundings, &sent, answers) {
        Err(unclear) => Some(Telling::unclear(packet, &unclear)),
        Ok(journey) if is_as_expected(&journey.fate, packet.expected) => None,
        Ok(journey) => Some(telling.test(packet, &journey)),
    }
}

fn is_as_expected(fate: &Fate, expected: Expected) -> bool {
    match (fate, expected) {
        (Fate::Delivered | Fate::Sent, Expected::Allow)
        | (Fate::Dropped, Expected::Drop)
        | (Fate::Rejected(_), Expected::Reject) => true,
        (
            Fate::Delivered
            | Fate::Sent
            | Fate::Dropped
            | Fate::Rejected(_)
            | Fate::Unknown(_)
            | Fate::OutOfHops,
            Expected::Allow | Expected::Drop | Expected::Reject,
        ) => false,
    }
}
