//! What the set engine says of packets: which step of a flattened chain takes each, and that none before
//! it does.

use std::collections::BTreeMap;
use std::sync::Arc;

use palisade::analyze::flat::Flat;
use palisade::meaning::{BaseChain, Effect, Entry, Meaning};
use palisade::net::{Addresses, Dscp, Family, FlagMatch, Interface, MarkMatch, Ports, TcpFlags};
use palisade::packet::{
    Budget, Constraint, Factor, Packet, PacketSet, Payload, Product, RuleNumber,
};

use crate::judge::Step;

/// The chains that decide or translate. (Those that change packets ask about what they have changed.)
fn is_asked(step: &Step) -> bool {
    match step.base {
        BaseChain::FilterInput
        | BaseChain::FilterForward
        | BaseChain::FilterOutput
        | BaseChain::NatPrerouting
        | BaseChain::NatOutput => true,
        BaseChain::NatPostrouting => step.packet.incoming.is_some(),
        _ => false,
    }
}

/// Asks the engine about steps, all of one chain in one list; says what it sees otherwise.
pub fn faults(meaning: &Meaning, steps: &[Step]) -> (usize, Vec<String>) {
    let mut by_chain: BTreeMap<(Family, BaseChain), Vec<&Packet>> = BTreeMap::new();
    for step in steps.iter().filter(|step| is_asked(step)) {
        by_chain.entry((step.packet.family(), step.base)).or_default().push(&step.packet);
    }
    let mut judged = 0;
    let mut faults = Vec::new();
    for ((family, base), packets) in by_chain {
        let Some(flat) = Flat::with_fragments(meaning, family, base, false).filter(Flat::is_whole)
        else {
            continue;
        };
        let mut facts: Vec<Arc<str>> =
            flat.steps.iter().flat_map(|step| step.may.facts().cloned()).collect();
        facts.sort();
        facts.dedup();
        let singles: Vec<PacketSet> = packets.iter().map(|packet| single(packet, &facts)).collect();
        let others: Vec<&PacketSet> = singles.iter().collect();
        let list = flat.list_with(Budget::default(), &others);
        let number = |index: usize| RuleNumber(u32::try_from(index).expect("few steps"));
        for (at, packet) in packets.iter().enumerate() {
            let trace = meaning.trace(base, packet, &mut |_| true);
            let Some(last) = trace.steps.last() else { continue };
            // What leaves the chain for its default decides by that.
            let is_default = std::ptr::eq(last.entry, flat.default);
            let leaves = |entry: &Entry| matches!(entry.effect, Effect::Return | Effect::Goto(_));
            let decides = |entry: &Entry| {
                let mut steps = trace.steps.iter().map(|step| step.entry);
                std::ptr::eq(entry, last.entry)
                    || is_default && leaves(entry) && steps.any(|met| std::ptr::eq(entry, met))
            };
            let candidates: Vec<usize> =
                (0..flat.steps.len()).filter(|index| decides(flat.steps[*index].entry)).collect();
            // What only chance or the past decides, the engine never says for certain.
            if candidates.iter().any(|index| !flat.steps[*index].takes) {
                continue;
            }
            judged += 1;
            let region = list.may(number(flat.steps.len() + at));
            let is_free = |before: usize| !list.reaches_none(number(before), &region);
            let taken = |index: &usize| is_free(*index) && !is_free(index + 1);
            let is_left = is_default && is_free(flat.steps.len());
            let fits = is_left || candidates.iter().any(taken);
            if !fits {
                let first = (0..flat.steps.len()).find(taken).map(|index| flat.steps[index].entry);
                let told = |entry: &Entry| format!("{:?} by {:?}", entry.effect, entry.reason);
                let first = first.map_or_else(|| "nothing".to_owned(), told);
                let meant = told(last.entry);
                faults.push(format!(
                    "the set engine, in {base:?}: {first}, meant {meant}\n{packet:?}"
                ));
            }
        }
    }
    (judged, faults)
}

/// The set of one packet, as far as a chain can tell it from others.
fn single(packet: &Packet, facts: &[Arc<str>]) -> PacketSet {
    let family = packet.family();
    let interface = |name: &str| Interface::new(name).expect("a name");
    let mut all = vec![
        Constraint::source(family, &Addresses::single(packet.source)),
        Constraint::destination(family, &Addresses::single(packet.destination)),
        Constraint::protocol(packet.protocol()),
        Constraint::state([packet.state].into_iter().collect()),
        Constraint::mark(MarkMatch::new(packet.mark, u32::MAX).expect("all bits")),
        Constraint::length(&palisade::net::IntervalSet::single(packet.length)),
        Constraint::ttl(packet.ttl),
    ];
    all.extend(packet.incoming.as_deref().map(|name| Constraint::incoming(&[interface(name)])));
    all.extend(packet.outgoing.as_deref().map(|name| Constraint::outgoing(&[interface(name)])));
    all.extend(packet.mac.map(|mac| Constraint::mac(&[mac])));
    all.extend(packet.user.as_ref().map(Constraint::user));
    all.extend(packet.group.as_ref().map(Constraint::group));
    all.extend(Dscp::new(packet.dscp).map(Constraint::dscp));
    if let Some((source, destination)) = packet.ports() {
        all.push(Constraint::source_port(&Ports::single(source)));
        all.push(Constraint::destination_port(&Ports::single(destination)));
    }
    match packet.payload {
        Payload::Icmp { kind, code } => {
            let code = Some(code);
            all.push(Constraint::icmp(palisade::net::IcmpType { family, kind, code }));
        }
        Payload::Tcp { flags, .. } => {
            let every = FlagMatch::new(flags, TcpFlags::ALL).expect("a subset");
            all.push(Constraint::flags(every));
        }
        Payload::Udp { .. } | Payload::Sctp { .. } | Payload::Other(_) => {}
    }
    all.push(if packet.to_local { Constraint::to_local() } else { Constraint::not_to_local() });
    // What has no connection has no mark of one, and was never translated.
    if packet.is_tracked() {
        let mark = MarkMatch::new(packet.connection_mark, u32::MAX).expect("all bits");
        all.push(Constraint::connection_mark(mark));
        all.push(
            packet.original.map_or_else(Constraint::untranslated, |_| Constraint::translated()),
        );
    }
    if let Some(original) = packet.original {
        let before = Addresses::single(original.destination);
        all.push(Constraint::original_destination(family, &before));
        all.extend(original.port.map(|port| Constraint::original_port(&Ports::single(port))));
    }
    let holds =
        |text: &Arc<str>| Constraint::opaque(Arc::clone(text), packet.opaque.contains(text));
    all.extend(facts.iter().map(holds));
    PacketSet::of(family, Product::of([Factor::all(all)]))
}
