//! What is not known of a packet's ends: whether it matters for its way.
//!
//! Which addresses the machine has is not written in its rules. A packet to `self` is to any of them, so its
//! way is known only when it is the same for all: those are tried at which rules tell addresses apart.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::sent::usual;
use super::{Answers, Journey, Sent, Stage, Surroundings, Unclear, Walk, Whose};
use crate::meaning::{BaseChain, Entry, Guide, List, Meaning, Translation, Unknown};
use crate::net::Family;
use crate::net::address::{from_number, to_number};
use crate::packet::{Constraint, Factor, Field, FieldBox, Packet, Product, Values};
use crate::resolve::policy::ChainId;

/// So many addresses are tried.
const MOST: usize = 4_096;

/// The way of a packet through all tables.
///
/// # Errors
/// When it depends on something that is not known.
pub fn follow<'m>(
    guide: &Guide<'m>,
    surroundings: &Surroundings,
    sent: &Sent,
    answers: Answers<'_>,
) -> Result<Journey<'m>, Unclear> {
    let (meaning, family) = (guide.meaning, sent.packet.family());
    // The machine's addresses that it is from or for, and that a redirect leads to.
    let walk_to = |sent: &Sent, own: IpAddr, redirected: IpAddr| {
        let mut packet = sent.packet.clone();
        for whose in &sent.any {
            match whose {
                Whose::Source => packet.source = own,
                Whose::Destination => packet.destination = own,
            }
        }
        let leaves = sent.leaves.clone();
        let behind = sent.behind.clone().map(|name| (packet.destination, name));
        let (own, unknown, stages) = (redirected, Unknown::new(), Vec::new());
        Walk { guide, surroundings, answers, leaves, behind, own, packet, unknown, stages }.run()
    };
    let walk = |sent: &Sent, own: IpAddr| walk_to(sent, own, own);
    let usual =
        surroundings.own.prefixes(family).next().map_or(usual(family), crate::net::Prefix::address);
    let journey = walk(sent, usual);
    if !sent.is_placed && is_taken_for_own(&walk, sent, usual, &journey) {
        return Err(Unclear::Own { destination: sent.packet.destination });
    }
    // A redirect sends it to an address of the machine, whichever that is.
    let is_redirected = journey.as_ref().is_ok_and(is_redirected);
    if sent.any.is_empty() && !is_redirected {
        return journey;
    }
    let whose = sent.any.first().copied().unwrap_or(Whose::Destination);
    let way =
        |journey: &Result<Journey<'m>, Unclear>| journey.as_ref().map(way).map_err(Unclear::clone);
    let first = way(&journey);
    let candidates = candidates(meaning, &sent.packet);
    if candidates.len() > MOST {
        return Err(Unclear::TooMany { whose });
    }
    let targets = targets(meaning, family);
    let is_possible = |one: &IpAddr| {
        can_be_own(*one) && (surroundings.own.contains(*one) || !targets.contains(one))
    };
    let others: Vec<IpAddr> = candidates.into_iter().filter(is_possible).collect();
    if !sent.any.is_empty()
        && let Some(other) = others.iter().find(|other| way(&walk(sent, **other)) != first)
    {
        return Err(Unclear::Which { whose, one: usual, other: *other });
    }
    if is_redirected {
        // Where it leads to the very address that the packet is for, nothing is translated.
        let asked = sent.packet.destination;
        let own = if sent.any.contains(&Whose::Destination) { next(usual) } else { asked };
        let is_elsewhere =
            |other: &IpAddr| *other == asked && sent.is_placed && !sent.packet.to_local;
        let mut others = std::iter::once(own).chain(others).filter(|other| !is_elsewhere(other));
        if let Some(other) = others.find(|other| way(&walk_to(sent, usual, *other)) != first) {
            return Err(if other == asked && !sent.is_placed {
                Unclear::Own { destination: asked }
            } else {
                Unclear::Redirected { one: usual, other }
            });
        }
    }
    journey
}

/// The address behind another.
fn next(address: IpAddr) -> IpAddr {
    from_number(Family::of(address), to_number(address).wrapping_add(1))
}

/// Whether the destination may as well be the machine's own, although it is not said: nat would give it
/// another then, and it would leave where it is said to.
fn is_taken_for_own<'m>(
    walk: &dyn Fn(&Sent, IpAddr) -> Result<Journey<'m>, Unclear>,
    sent: &Sent,
    own: IpAddr,
    journey: &Result<Journey<'m>, Unclear>,
) -> bool {
    let mut local = sent.clone();
    local.packet.to_local = true;
    local.leaves = None;
    if journey.as_ref().is_ok_and(|journey| journey.packet.original.is_some()) {
        return false;
    }
    match walk(&local, own) {
        Ok(local) => {
            let leaves = &local.packet.outgoing;
            let fits = leaves.is_none() || sent.leaves.is_none() || *leaves == sent.leaves;
            local.packet.original.is_some() && fits
        }
        Err(Unclear::Leaves { destination, .. }) => destination != sent.packet.destination,
        Err(
            Unclear::Own { .. }
            | Unclear::Which { .. }
            | Unclear::Redirected { .. }
            | Unclear::TooMany { .. }
            | Unclear::Changed { .. },
        ) => false,
    }
}

fn is_redirected(journey: &Journey<'_>) -> bool {
    let mut made = journey.stages.iter().filter_map(Stage::translation);
    made.any(|translation| matches!(translation, Translation::Redirect { .. }))
}

/// What makes two ways the same: the entries that took the packet, and its end.
fn way(journey: &Journey<'_>) -> (Vec<*const Entry>, super::Fate) {
    let steps = journey.stages.iter().flat_map(|stage| &stage.trace.steps);
    (steps.map(|step| std::ptr::from_ref(step.entry)).collect(), journey.fate.clone())
}

/// Addresses that no machine has on a wire.
fn can_be_own(address: IpAddr) -> bool {
    let is_broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    !address.is_multicast() && !address.is_unspecified() && !address.is_loopback() && !is_broadcast
}

/// An address between every two borders that a rule draws which the packet might meet.
fn candidates(meaning: &Meaning, packet: &Packet) -> Vec<IpAddr> {
    let family = packet.family();
    let mut starts = BTreeSet::from([0]);
    for (list, forwards) in lists(meaning, family) {
        // What comes in for one of the machine's addresses is forwarded with another only.
        let asks = |field| match field {
            Field::Source | Field::Destination => !forwards || packet.incoming.is_none(),
            other => other == Field::OriginalDestination,
        };
        let met = list.entries.iter().filter(|entry| entry.set.may_contain(packet, stays));
        let factors = met.flat_map(|entry| entry.set.products()).flat_map(Product::factors);
        let constraints = factors.flat_map(Factor::boxes).flat_map(FieldBox::constraints);
        for constraint in constraints.filter(|constraint| asks(constraint.field())) {
            add_borders(constraint, &mut starts);
            if starts.len() > MOST {
                break;
            }
        }
    }
    let highest = highest(family);
    let ends = starts.iter().skip(1).map(|next| next - 1).chain([highest]);
    let pieces = starts.iter().copied().zip(ends).filter(|(first, _)| *first <= highest);
    // The first address of a network is rarely a machine's.
    let inside = pieces.map(|(first, last)| if last > first { first + 1 } else { first });
    inside.map(|number| from_number(family, number)).collect()
}

/// All lists of a family, and whether each is of packets that are forwarded only.
fn lists(meaning: &Meaning, family: Family) -> impl Iterator<Item = (&List, bool)> {
    let bases = BaseChain::ALL.into_iter().filter_map(move |base| {
        let forwards = matches!(
            base,
            BaseChain::MangleForward
                | BaseChain::DockerUser
                | BaseChain::FilterForward
                | BaseChain::NatPostrouting
        );
        Some((meaning.base(family, base)?, forwards))
    });
    let ids = (0..).take(meaning.chain_count()).map(ChainId);
    let chains = ids.filter_map(move |id| meaning.chain(family, id));
    bases.chain(chains.map(|list| (list, false)))
}

/// Whether a field is the same on the whole way of a packet. What translations and marks change, and the
/// addresses in question, may be anything.
fn stays(field: Field) -> bool {
    matches!(field, Field::Incoming | Field::Protocol | Field::SourcePort)
}

/// Where a condition on an address begins to hold, and where it ends to.
fn add_borders(constraint: &Constraint, starts: &mut BTreeSet<u128>) {
    let Values::Numbers(set) = constraint.values() else { return };
    for (low, high) in set.intervals() {
        starts.extend([Some(*low), high.checked_add(1)].into_iter().flatten());
    }
}

/// The hosts that translations send packets to: others than this machine, unless it is known to have
/// their addresses.
fn targets(meaning: &Meaning, family: Family) -> BTreeSet<IpAddr> {
    let bases = [BaseChain::NatPrerouting, BaseChain::NatOutput];
    let lists = bases.into_iter().filter_map(|base| meaning.base(family, base));
    let entries = lists.flat_map(|list| &list.entries);
    entries.filter_map(|entry| entry.effect.destination()).collect()
}

fn highest(family: Family) -> u128 {
    match family {
        Family::V4 => to_number(IpAddr::from([255; 4])),
        Family::V6 => u128::MAX,
    }
}
