//! What rules of a dump translate on arrival and the filter then drops. A policy's own statement accepts
//! what it translates; of two rules neither knows the other.

use std::collections::{BTreeMap, BTreeSet};

use super::filter::{arriving, new_packets, note_unproved};
use super::{Translator, messages, translators};
use crate::analyze::flat::Flat;
use crate::analyze::flat::passing::{Passing, Step, cover_of, is_never};
use crate::analyze::text::Text;
use crate::analyze::witness::met;
use crate::analyze::work::Work;
use crate::diagnostic::{Finding, catalogue as lint};
use crate::meaning::{BaseChain, Meaning, Translation};
use crate::net::Family;
use crate::packet::{Among, Field, PacketSet, Question, Verdict};
use crate::resolve::policy::Origin;
use crate::source::Span;

/// The rules none of whose first packets passes the filter with the destination that they give them.
/// Whether that is another machine or this one is not known, so what either would get counts.
pub(super) fn dropped(
    text: Text<'_>,
    meaning: &Meaning,
    family: Family,
    work: &Work,
) -> Vec<(Origin, Finding)> {
    let flat = Flat::of(meaning, family, BaseChain::NatPrerouting).filter(Flat::is_whole);
    let Some(flat) = flat else { return Vec::new() };
    let list = flat.list(work.budget);
    let is_reached = |one: &Translator<'_>| {
        let region = list.may(one.number);
        let among = Among::before(one.number);
        let question = Question { region: &region, among, seed: 0, budget: work.budget };
        match list.hiding.witness(&question) {
            Verdict::Uncovered(_) => true,
            Verdict::Covered => false,
            Verdict::Incomplete => {
                work.was_too_much(&lint::NAT_TARGET_DROPPED);
                false
            }
        }
    };
    let nat = translators(&flat);
    let mut found: BTreeMap<Origin, Option<Finding>> = BTreeMap::new();
    for (bases, judged) in [
        (&[BaseChain::FilterForward, BaseChain::FilterInput][..], is_to_address as fn(&_) -> bool),
        (&[BaseChain::FilterInput], is_to_this_machine),
    ] {
        let own: Vec<&Translator<'_>> =
            nat.iter().filter(|one| judged(one.translation) && is_reached(one)).collect();
        let asked: Vec<PacketSet> = own.iter().map(|one| given(family, bases[0], one)).collect();
        let passings: Vec<Passing<'_>> = bases
            .iter()
            .filter_map(|base| Passing::of(meaning, family, *base, &asked, work.budget))
            .collect();
        if own.is_empty() || passings.len() < bases.len() {
            continue;
        }
        for (number, one) in own.into_iter().enumerate() {
            let is_lost = passings.iter().all(|passing| {
                let passes = passing.decided(&passing.asked(number), 0, Step::passes);
                is_never(&passes, &lint::NAT_TARGET_DROPPED, work)
            });
            let finding = is_lost
                .then(|| finding(text, one.origin, &passings[0], number, bases[0], work))
                .flatten();
            let all = found.entry(one.origin).or_insert_with(|| finding.clone());
            *all = all.take().filter(|_| finding.is_some());
        }
    }
    found.into_iter().filter_map(|(origin, finding)| Some((origin, finding?))).collect()
}

fn is_to_address(translation: &Translation) -> bool {
    matches!(translation, Translation::Destination { .. })
}

fn is_to_this_machine(translation: &Translation) -> bool {
    matches!(translation, Translation::Redirect { .. })
}

/// First packets as the filter meets them after a translation, and perhaps others: what else a
/// translation asks for may be another by then.
fn given(family: Family, base: BaseChain, one: &Translator<'_>) -> PacketSet {
    let has_port = match one.translation {
        Translation::Destination { port, .. } => port.is_some(),
        Translation::Redirect { .. } => true,
        Translation::Exempt
        | Translation::Masquerade
        | Translation::Source { .. }
        | Translation::Netmap { .. } => false,
    };
    let is_kept = |field| match field {
        Field::Incoming | Field::Source | Field::Protocol | Field::SourcePort | Field::Flags => {
            true
        }
        Field::DestinationPort => !has_port,
        Field::Outgoing
        | Field::Destination
        | Field::Icmp
        | Field::State
        | Field::Translated
        | Field::OriginalDestination
        | Field::OriginalPort
        | Field::ToLocal
        | Field::Mac
        | Field::Mark
        | Field::ConnectionMark
        | Field::User
        | Field::Group
        | Field::Length
        | Field::Ttl
        | Field::Dscp
        | Field::Opaque => false,
    };
    let image = arriving(family, base, one.translation);
    let image = image.unwrap_or_else(|| PacketSet::everything(family));
    let original = one.set.moved(|field| match field {
        Field::Destination => Some(Field::OriginalDestination),
        Field::DestinationPort => Some(Field::OriginalPort),
        _ => None,
    });
    let kept = one.set.widened(is_kept).intersection(&original);
    kept.intersection(&new_packets(family)).intersection(&image)
}

/// The finding about a rule whose packets a chain drops, with who drops them.
fn finding(
    text: Text<'_>,
    origin: Origin,
    passing: &Passing<'_>,
    number: usize,
    base: BaseChain,
    work: &Work,
) -> Option<Finding> {
    let cover = passing.cover(&passing.asked(number), Among::ALL);
    note_unproved(&cover, &lint::NAT_TARGET_DROPPED, work);
    let cover = cover_of(cover)?;
    let by = cover.members.iter().filter_map(|member| passing.step_at(member.rule));
    let by: BTreeSet<Span> =
        by.filter_map(|step| text.span_of(passing.steps[step].reason)).collect();
    let point = cover.members.iter().find_map(|member| member.alone.as_ref())?;
    let packet = passing.list().space().packet(point);
    let packet = met(&packet, base, "dropped after it was translated");
    Some(messages::target_dropped(text, origin, &by, false, packet))
}
