//! One packet that was seen in the kernel: does `analyze::journey` tell its whole way?

use std::cell::{Cell, RefCell};

use palisade::analyze::deliverable::first_state;
use palisade::analyze::journey::{Answers, Fate, Journey, Sent, Surroundings, follow};
use palisade::meaning::{BaseChain, Decision, Meaning, Question, Translation};
use palisade::net::{Addresses, CtState};
use palisade::packet::Packet;

use crate::ground::{LINKS, Sighting};
use crate::members::Members;

/// What is known of the router.
fn surroundings() -> Surroundings {
    let texts = LINKS.iter().flat_map(|(_, addresses)| addresses);
    let singles: Vec<Addresses> =
        texts.map(|text| Addresses::single(text.parse().expect("an address"))).collect();
    Surroundings { own: Addresses::union_all(singles.iter()), places: Vec::new() }
}

/// Whether the whole way of a packet was foretold; `None` when it depends on a limit, on what a set holds, on
/// words that only the kernel knows, or on Docker, which is not there.
pub fn foretold(
    meaning: &Meaning,
    members: &Members,
    packet: &Packet,
    sighting: &Sighting,
) -> Option<Result<(), String>> {
    let asked = sighting.asked.as_ref()?;
    let limited = Cell::new(false);
    let known = RefCell::new(members.clone());
    let oracle = |question: Question<'_>| {
        limited.set(limited.get() || matches!(question, Question::Limit(_)));
        true
    };
    let facts = |packet: &mut Packet| {
        let is_known = known.borrow_mut().tell(packet);
        limited.set(limited.get() || !is_known);
    };
    let mut sent = packet.clone();
    sent.outgoing = None;
    sent.state = first_state(&sent);
    // Without a class the router sends by its first wire.
    let leaves = packet.outgoing.clone().unwrap_or(LINKS[0].0.into());
    let sent = Sent { packet: sent, any: Vec::new(), leaves: Some(leaves), is_placed: true };
    let answers = Answers { oracle: &oracle, facts: Some(&facts) };
    let journey = follow(meaning, &surroundings(), &sent, answers);
    if limited.get() {
        return None;
    }
    let journey = match journey {
        Ok(journey) => journey,
        Err(unclear) => return Some(Err(format!("is unclear: {unclear:?}"))),
    };
    if matches!(journey.fate, Fate::Unknown(_)) {
        return None;
    }
    // Where Docker is not, nothing leads to its chain.
    if journey.stages.last().is_some_and(|stage| stage.base == BaseChain::DockerUser) {
        return None;
    }
    let said = compare(&journey, asked.state, sighting);
    let bases = || journey.stages.iter().map(|stage| (stage.base, &stage.trace.decision));
    Some(said.map_err(|fault| format!("the journey {fault}: {:?}", bases().collect::<Vec<_>>())))
}

fn compare(journey: &Journey<'_>, state: CtState, sighting: &Sighting) -> Result<(), String> {
    let passed = journey.fate.is_accepted();
    if passed != sighting.passed.is_some() {
        return Err(format!("ends as {:?}", journey.fate));
    }
    let is_routed = |base: BaseChain| {
        matches!(
            base,
            BaseChain::MangleInput
                | BaseChain::FilterInput
                | BaseChain::MangleForward
                | BaseChain::FilterForward
        )
    };
    let asked = sighting.asked.as_ref().ok_or("is asked about nothing")?;
    let Some(stage) = journey.stages.iter().find(|stage| is_routed(stage.base)) else {
        return Err("comes to no filter".to_owned());
    };
    if stage.before.state != state {
        return Err(format!("has the state {}", stage.before.state.name()));
    }
    if stage.before.outgoing.as_deref() != asked.outgoing.as_deref() {
        return Err(format!("leaves by {:?}", stage.before.outgoing));
    }
    if stage.before.destination != asked.destination && !is_redirected(journey) {
        return Err(format!("goes to {}", stage.before.destination));
    }
    match (sighting.passed, source(journey)) {
        (Some(seen), Source::Is(source)) if seen != source => Err(format!("leaves as {source}")),
        (Some(seen), Source::OfInterface) if !is_of(seen, asked.outgoing.as_deref()) => {
            Err(format!("leaves as an address of {:?}", asked.outgoing))
        }
        (Some(_) | None, _) => Ok(()),
    }
}

/// The source with which a packet leaves.
enum Source {
    Is(std::net::IpAddr),
    OfInterface,
    /// One of a range.
    Some,
}

fn source(journey: &Journey<'_>) -> Source {
    let last = journey.stages.last();
    match last
        .and_then(|stage| stage.translation().filter(|_| stage.base == BaseChain::NatPostrouting))
    {
        Some(Translation::Masquerade) => Source::OfInterface,
        Some(Translation::Source { low, high }) if low != high => Source::Some,
        Some(_) | None => Source::Is(journey.packet.source),
    }
}

fn is_of(address: std::net::IpAddr, interface: Option<&str>) -> bool {
    let own = LINKS.iter().find(|(name, _)| Some(*name) == interface);
    own.is_some_and(|(_, addresses)| addresses.iter().any(|text| text.parse() == Ok(address)))
}

/// Which of its addresses the router takes is its own matter.
fn is_redirected(journey: &Journey<'_>) -> bool {
    journey.stages.iter().any(|stage| match &stage.trace.decision {
        Decision::Translate(translation) => matches!(**translation, Translation::Redirect { .. }),
        _ => false,
    })
}
