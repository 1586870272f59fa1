//! Statements that let anybody reach any port of this machine.

use super::exposure::{constraints, is_from_any, not_public};
use super::{messages, new_packets, rules, set_of};
use crate::analyze::flat::asking::Asking;
use crate::analyze::flat::passing::{Found, Passing};
use crate::analyze::text::Text;
use crate::analyze::work::Work;
use crate::diagnostic::{Finding, catalogue as lint};
use crate::meaning::{BaseChain, Reason};
use crate::net::{Family, FlagMatch, PortProtocol, TcpFlags};
use crate::packet::{Constraint, Factor, FieldBox, Packet, PacketSet, Payload, Region};
use crate::resolve::policy::{Action, Flow, Guarded, Origin, Part, Place, Rule, Verdict};
use crate::resolve::{Policy, services_not_for_all};

/// So many statements that name no service are looked at: who writes more of them has seen what is said of
/// the first.
const MOST_ASKED: usize = 256;

/// A finding for each statement that names no service and accepts, from any public address, some that is not
/// for everybody.
pub(super) fn findings<'a, 'w>(
    policy: &'a Policy,
    asking: &mut Asking<'a>,
    work: &'w Work,
) -> impl FnOnce(&Asking<'a>) -> Vec<Finding> + use<'a, 'w> {
    let in_chains = policy.chains.iter().flat_map(|chain| &chain.rules);
    let all = rules(policy).map(|(_, rule)| rule).chain(in_chains);
    let wide = all.filter(|rule| is_wide(rule)).map(|rule| rule.origin);
    let wide: Vec<Origin> = wide.take(MOST_ASKED).collect();
    let default = policy.defaults.input.span;
    let default = default.filter(|_| policy.defaults.input.verdict == Verdict::Allow);
    let services =
        if wide.is_empty() && default.is_none() { &[][..] } else { services_not_for_all() };
    let base = BaseChain::FilterInput;
    let families = Family::BOTH.into_iter().filter(|_| !services.is_empty());
    let asked: Vec<_> = families
        .map(|family| {
            let inside = set_of(family, Factor::all([Constraint::source(family, &not_public())]));
            let known = services.iter().filter(|service| &*service.name == KNOWN);
            let sets = vec![inside, first_packets(family, known), first_packets(family, services)];
            (family, asking.ask(family, base, sets))
        })
        .collect();
    move |asking| {
        let mut found: Vec<(Option<Origin>, Packet)> = Vec::new();
        for (family, numbers) in asked {
            let Some(passing) = asking.passing(family, base) else { continue };
            let [inside, known, all] = [0, 1, 2].map(|one| passing.asked(numbers.start + one));
            let public = [known, all].map(|set| passing.list().space().difference(&set, &inside));
            for (origin, steps) in statements(passing, &wide, default.is_some()) {
                if found.iter().any(|(known, _)| *known == origin) {
                    continue;
                }
                let accepted = public.iter().find_map(|set| accepted(passing, set, &steps, work));
                found.extend(accepted.map(|packet| (origin, packet)));
            }
        }
        let told = found.iter().filter_map(|(origin, packet)| {
            let mut known = services.iter().filter(|service| is_of(service, packet));
            let service = known.clone().find(|service| &*service.name == KNOWN);
            let service = service.or_else(|| known.next())?;
            messages::wide_open(Text::Policy(policy), *origin, default, service, packet)
        });
        told.collect()
    }
}

/// The example for what is not for everybody, where it is among what is open.
const KNOWN: &str = "telnet";

/// The packets that open connections to services.
fn first_packets<'s>(family: Family, services: impl IntoIterator<Item = &'s Guarded>) -> PacketSet {
    let parts = services.into_iter().flat_map(|service| &service.parts);
    let parts = parts.filter(|part| part.families().contains(family));
    let first = parts.filter_map(|part| {
        let mut all = constraints(part, false);
        if let Part::Ports { protocol: PortProtocol::Tcp, .. } = part {
            all.extend(FlagMatch::new(TcpFlags::SYN, TcpFlags::ALL).map(Constraint::flags));
        }
        FieldBox::of(all)
    });
    set_of(family, Factor::of(first)).intersection(&new_packets(family))
}

/// The steps of each wide statement that accept, whatever the source, and those of the default.
fn statements(
    passing: &Passing<'_>,
    wide: &[Origin],
    default_accepts: bool,
) -> Vec<(Option<Origin>, Vec<usize>)> {
    let by_statement = passing.by_statement();
    let fits = |step: &usize| passing.steps[*step].passes() && is_from_any(passing.set(*step));
    let own = wide.iter().map(|origin| {
        let steps = by_statement.get(origin).into_iter().flatten().copied();
        (Some(*origin), steps.filter(fits).collect())
    });
    let is_default = |step: &usize| {
        let step = &passing.steps[*step];
        step.passes() && matches!(step.reason, Reason::Default(_))
    };
    let last =
        default_accepts.then(|| (None, (0..passing.steps.len()).filter(is_default).collect()));
    own.chain(last).collect()
}

/// Whether a rule accepts all ports of a protocol, or any protocol, and nothing is said of the source.
fn is_wide(rule: &Rule) -> bool {
    let any_port = |part: &Part| match part {
        Part::Any => true,
        Part::Ports { destination, .. } => destination.is_full(),
        Part::Protocol(_) | Part::Icmp(_) => false,
    };
    let from_any = |place: &Place| {
        place.interfaces.is_none() && Family::BOTH.into_iter().any(|one| place.is_anywhere_in(one))
    };
    let is_wide = |flow: &Flow| {
        flow.parts.iter().any(any_port)
            && (flow.source.is_empty() || flow.source.iter().any(from_any))
    };
    rule.action == Action::Allow && rule.flows.iter().any(is_wide)
}

/// A packet of the region that one of the steps accepts.
fn accepted(
    passing: &Passing<'_>,
    public: &Region,
    steps: &[usize],
    work: &Work,
) -> Option<Packet> {
    match passing.decided_by(public, steps.iter().copied()) {
        Found::Packet(point, _) => Some(passing.list().space().packet(&point)),
        Found::Nothing => None,
        Found::Unknown => {
            work.was_too_much(&lint::OPEN_TO_WORLD);
            None
        }
    }
}

/// Whether a packet is one for a service.
fn is_of(service: &Guarded, packet: &Packet) -> bool {
    let (protocol, port) = match packet.payload {
        Payload::Tcp { destination, .. } => (PortProtocol::Tcp, destination),
        Payload::Udp { destination, .. } => (PortProtocol::Udp, destination),
        Payload::Sctp { destination, .. } => (PortProtocol::Sctp, destination),
        Payload::Icmp { .. } | Payload::Other(_) => return false,
    };
    service.parts.iter().any(|part| match part {
        Part::Ports { protocol: own, destination, .. } => {
            *own == protocol && destination.contains(port)
        }
        Part::Any | Part::Protocol(_) | Part::Icmp(_) => false,
    })
}
