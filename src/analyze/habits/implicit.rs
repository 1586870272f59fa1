//! Implicit rules that a policy leaves out, where its own rules do not do the same.
//!
//! An own rule does the same when it accepts the packets without a limit, wherever it stands: what a
//! rule above it drops is meant to be dropped.

use super::{messages, set_of};
use crate::analyze::flat::passing::{Passing, Step};
use crate::analyze::work::Work;
use crate::diagnostic::{Finding, Lint, catalogue as lint};
use crate::meaning::{Implied, Meaning, implied_packets};
use crate::net::{CtState, Family, IcmpType, Protocol};
use crate::packet::{
    Among, Constraint, Factor, FieldBox, Index, Packet, PacketSet, Point, Question, Verdict,
};
use crate::resolve::Policy;
use crate::resolve::policy::{Hook, Verdict as Default};

/// A finding for each implicit rule that is missed, with the hooks that miss it.
pub(super) fn of_policy(policy: &Policy, meaning: &Meaning, work: &Work) -> Vec<Finding> {
    let Some(at) = policy.implicit.span else { return Vec::new() };
    let all: [(bool, Implied, &'static Lint); 3] = [
        (policy.implicit.loopback, Implied::Loopback, &lint::NO_LOOPBACK),
        (policy.implicit.established, Implied::Established, &lint::NO_ESTABLISHED),
        (
            policy.implicit.neighbour_discovery,
            Implied::NeighbourDiscovery,
            &lint::NO_NEIGHBOUR_DISCOVERY,
        ),
    ];
    let mut findings = Vec::new();
    for (_, implied, lint) in all.into_iter().filter(|(stands, ..)| !stands) {
        let missing = Hook::ALL.into_iter().filter_map(|hook| {
            let mut families = Family::BOTH.into_iter();
            let missed = |family| missed(policy, meaning, family, hook, implied, (lint, work));
            let packet = families.find_map(missed);
            packet.map(|packet| (hook, packet))
        });
        let missing: Vec<_> = missing.collect();
        if let Some((hook, packet)) = missing.first() {
            let hooks: Vec<Hook> = missing.iter().map(|(hook, _)| *hook).collect();
            findings.push(messages::missing_implicit(lint, at, &hooks, packet, (*hook).into()));
        }
    }
    findings
}

/// A packet of an implicit rule that no rule of a hook accepts.
fn missed(
    policy: &Policy,
    meaning: &Meaning,
    family: Family,
    hook: Hook,
    implied: Implied,
    (lint, work): (&'static Lint, &Work),
) -> Option<Packet> {
    match policy.defaults.of(hook).verdict {
        Default::Allow => return None,
        Default::Drop | Default::Reject(_) => {}
    }
    let packets = needed(policy, implied, hook, family)?;
    let passing = Passing::of(meaning, family, hook.into(), &[packets], work.budget)?;
    unaccepted(&passing, 0, |_| true, (lint, work))
}

/// A packet of a set asked about that no step of those that count accepts.
pub(super) fn unaccepted(
    passing: &Passing<'_>,
    asked: usize,
    counts: impl Fn(&Step<'_>) -> bool,
    (lint, work): (&'static Lint, &Work),
) -> Option<Packet> {
    let steps = passing.steps.iter().enumerate();
    let accepting = steps.filter(|(_, step)| step.passes() && step.is_unlimited && counts(step));
    let regions: Vec<_> =
        accepting.map(|(number, _)| (passing.number(number), passing.region(number))).collect();
    let space = passing.list().space();
    let index = Index::of(space, regions.iter().map(|(number, region)| (*number, region)));
    let question =
        Question { region: &passing.asked(asked), among: Among::ALL, seed: 0, budget: work.budget };
    let free: Option<Point> = match index.witness(&question) {
        Verdict::Uncovered(point) => Some(point),
        Verdict::Covered => None,
        Verdict::Incomplete => {
            work.was_too_much(lint);
            None
        }
    };
    free.map(|point| space.packet(&point))
}

/// What breaks without the rule.
fn needed(policy: &Policy, implied: Implied, hook: Hook, family: Family) -> Option<PacketSet> {
    let whole = implied_packets(policy, implied, hook, family)?;
    match implied {
        Implied::Established => Some(whole),
        // What belongs to no connection is not missed.
        Implied::Loopback => {
            let states = [CtState::New, CtState::Established, CtState::Related];
            let tracked = Constraint::state(states.into_iter().collect());
            Some(whole.intersection(&set_of(family, Factor::all([tracked]))))
        }
        Implied::NeighbourDiscovery => Some(set_of(family, neighbours(hook))),
        Implied::Invalid | Implied::Dhcpv6Client => None,
    }
}

/// Of neighbour discovery what no host does without (RFC 4861): advertisements of routers come in,
/// solicitations of routers go out, and those about neighbours both ways. The kernel takes only what has
/// hop limit 255, and tracks none of it.
pub(super) fn neighbours(hook: Hook) -> Factor {
    let kinds = match hook {
        Hook::Input => [134, 135, 136],
        Hook::Output => [133, 135, 136],
        Hook::Forward => return Factor::empty(),
    };
    let one = |kind| {
        FieldBox::of([
            Constraint::protocol(Protocol::ICMPV6),
            Constraint::icmp(IcmpType::new(Family::V6, kind)),
            Constraint::state([CtState::Untracked].into_iter().collect()),
            Constraint::ttl(255),
        ])
    };
    Factor::of(kinds.into_iter().filter_map(one))
}
