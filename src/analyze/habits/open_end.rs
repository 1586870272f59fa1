//! A chain INPUT of a dump whose rules accept this and that, and that accepts all else too.

use super::{messages, new_packets, set_of};
use crate::analyze::flat::passing::{Found, Passing, Step};
use crate::analyze::text::{Dump, Text};
use crate::analyze::work::Work;
use crate::diagnostic::{Finding, catalogue as lint};
use crate::meaning::{BaseChain, Reason};
use crate::net::{FlagMatch, Interface, PortProtocol, TcpFlags};
use crate::packet::{Constraint, Factor};
use crate::resolve::is_of_known_program;

/// The finding, when the policy accepts first packets of tcp and some rule accepts such that no later
/// rule refuses. Who refuses certain sources and ports only may well accept the rest.
pub(super) fn finding(dump: &Dump, work: &Work) -> Option<Finding> {
    let (family, base) = (dump.ruleset.family, BaseChain::FilterInput);
    let syn = FlagMatch::new(TcpFlags::SYN, TcpFlags::ALL).map(Constraint::flags);
    let tcp = Constraint::protocol(PortProtocol::Tcp.protocol());
    let first = set_of(family, Factor::all([tcp].into_iter().chain(syn)));
    let first = first.intersection(&new_packets(family));
    let inside = set_of(family, Factor::all([Constraint::incoming(&[Interface::loopback()])]));
    let passing = Passing::of(dump.meaning(), family, base, &[first, inside], work.budget)?;
    let space = passing.list().space();
    let outside = space.difference(&passing.asked(0), &passing.asked(1));
    let is_default = |step: &Step<'_>| matches!(step.reason, Reason::Default(_));
    match passing.decided(&outside, 0, |step| is_default(step) && step.passes()) {
        Found::Packet(..) => {}
        Found::Nothing => return None,
        Found::Unknown => {
            work.was_too_much(&lint::DEFAULT_ACCEPT);
            return None;
        }
    }
    let accepts = |number: &usize| {
        let step = &passing.steps[*number];
        let (Reason::Written(_), true, true) = (step.reason, step.passes(), step.is_unlimited)
        else {
            return false;
        };
        let own = space.intersection(&outside, &passing.region(*number));
        !is_of_others(dump, &passing, *number)
            && !space.is_empty(&own)
            && !passing.may_be_decided(&own, number + 1, Step::refuses)
    };
    let accepting = (0..passing.steps.len()).find(accepts)?;
    let text = Text::Dump(dump);
    let at = text.span_of(passing.steps[accepting].reason)?;
    Some(messages::default_accept(dump.policy(base), at))
}

/// Whether a step stands in a chain that a known program has for itself.
fn is_of_others(dump: &Dump, passing: &Passing<'_>, step: usize) -> bool {
    let chain = passing.chain(step).and_then(|id| dump.chains().get(id.0 as usize));
    chain.is_some_and(|(_, name)| is_of_known_program(name))
}
