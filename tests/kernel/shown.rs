//! A packet that a finding shows meets what the finding claims of it, when it is sent for real.
//!
//! Only packets from outside are sent, and only the first of their connections: what is shown of others
//! is counted.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use palisade::diagnostic::{Finding, Witness, witness};
use palisade::meaning::{BaseChain, Decision, Meaning, Reason, Translation};
use palisade::net::{CtState, Family, Protocol, TcpFlags};
use palisade::packet::{Original, Packet, Payload};
use palisade::ruleset::{Origin, TableName};

use crate::craft::{self, Marks};
use crate::dead::{BY_HAND, shadowed};
use crate::found::{Counters, Found};
use crate::ground::{Ground, LINKS, MAC, Sighting, class, is_local};
use crate::load::Variant;
use crate::need;
use crate::sendable::set_port;

/// Generated policies that show packets.
const POLICIES: usize = 70;

/// Policies that show packets in other findings than of dead rules.
const SHOWING: [&str; 6] = [
    "zone wan = eth0
zone lan = eth1 { 10.0.0.0/24 }
forward { drop tcp 80 from wan to 10.0.0.2@lan }
forward tcp 80 from wan to 10.0.0.2@lan",
    "allow telnet
allow ssh",
    "forward { allow postgres }
allow ssh",
    "zone wan = eth0
drop any from 10.9.0.0/16
forward { allow any }
allow ssh from wan",
    "implicit none
allow ssh from 10.0.0.0/8",
    "zone wan = eth0
zone lan = eth1 { 10.0.0.0/24 }
forward tcp 80-90 from wan to 10.0.0.2@lan
forward tcp 85-95 from wan to 10.0.0.3@lan",
];

/// How long packets may be on their way: they are worked on when they are sent, unless the machine is busy.
const WORKED_ON: Duration = Duration::from_millis(15);

static ALL: LazyLock<Vec<Found>> = LazyLock::new(|| {
    let written = BY_HAND.iter().chain(&SHOWING);
    let written = written
        .map(|text| Found::of((*text).to_owned()).unwrap_or_else(|| panic!("refused:\n{text}")));
    let generated = (2000..).filter_map(|seed| Found::of(shadowed(seed)));
    let showing = generated.filter(|found| shown(found).next().is_some());
    written.chain(showing.take(POLICIES)).collect()
});

/// The findings that show a packet that the kernel can deliver.
fn shown(found: &Found) -> impl Iterator<Item = (&Finding, &Witness)> {
    let shown =
        found.findings.iter().filter_map(|finding| Some((finding, finding.witness.as_deref()?)));
    shown.filter(|(_, witness)| witness.deliverable)
}

/// What is claimed of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Claim {
    Passes,
    Stops,
    /// Only where, not how it ends.
    Met,
    ArrivesAt(IpAddr),
}

/// By whom.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum By {
    Line(usize),
    Implicit(String),
    Unsaid,
}

/// Reads `dropped at line 18`.
fn claim(fate: &str) -> (Claim, By) {
    let by = match (fate.rsplit_once(" at line "), fate.rsplit_once(" by the implicit rule for ")) {
        (Some((_, line)), _) => By::Line(line.parse().expect("a number")),
        (None, Some((_, name))) => By::Implicit(name.to_owned()),
        (None, None) => By::Unsaid,
    };
    let first = fate.split([' ', ',']).next().unwrap_or_default();
    let claim = match first {
        "allowed" | "accepted" if fate.starts_with("accepted by no rule") => Claim::Stops,
        "allowed" | "accepted" | "forwarded" => Claim::Passes,
        "dropped" | "rejected" => Claim::Stops,
        "its" => match fate.strip_prefix("its destination becomes ") {
            Some(to) => {
                let to = to.split(',').next().unwrap_or_default();
                Claim::ArrivesAt(to.parse().expect("an address"))
            }
            None => Claim::Met,
        },
        "translated" | "left" | "led" | "returned" | "logged" | "sent" | "handed" | "moved"
        | "masqueraded" | "added" => Claim::Met,
        _ => panic!("what is claimed by {fate:?}?"),
    };
    (claim, by)
}

/// Why a packet is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Unsent {
    /// It is of this machine, or passes nat behind the filter.
    NotFromOutside,
    /// It belongs to a connection that there is.
    NotFirst,
    /// From or to an interface that the ground does not have, or with another Ethernet address.
    NoSuchWire,
    /// What it does not show is not so here.
    Holds,
    /// It is not what it was any more when it comes there: others changed it.
    Changed,
    /// Limits have a say in what becomes of it.
    Limited,
}

/// A packet as it comes from a wire, that is to be the witness in its chain.
fn sendable(found: &Found, witness: &Witness) -> Result<Packet, Unsent> {
    let witness = &with_wires_of_ground(witness, &found.text);
    let base = base_of(witness).ok_or(Unsent::NotFromOutside)?;
    if witness
        .fate
        .as_deref()
        .is_some_and(|fate| fate.ends_with(", unless a limit takes it before"))
    {
        return Err(Unsent::Limited);
    }
    let is_wire = |name: &Option<String>| {
        name.as_ref().is_none_or(|name| LINKS.iter().any(|(link, _)| link == name))
    };
    if witness.incoming.is_none() || witness.user.is_some() || witness.group.is_some() {
        return Err(Unsent::NotFromOutside);
    }
    let has_mac = match &witness.mac {
        Some(mac) => *mac == MAC.to_string(),
        // It has an ordinary one, which the wires of the ground do not.
        None => !found.text.contains(" mac "),
    };
    if !is_wire(&witness.incoming) || !is_wire(&witness.outgoing) || !has_mac {
        return Err(Unsent::NoSuchWire);
    }
    let seen = packet(witness);
    if matches!(seen.state, CtState::Established | CtState::Related) {
        return Err(Unsent::NotFirst);
    }
    if !witness.holds.is_empty() || seen.connection_mark != 0 {
        return Err(Unsent::Holds);
    }
    let mut sent = seen.clone();
    if let Some(original) = sent.original.take() {
        sent.destination = original.destination;
        set_port(&mut sent, original.port.unwrap_or_default());
    }
    let is_forwarded = matches!(base, BaseChain::FilterForward | BaseChain::NatPostrouting);
    sent.mark = 0;
    sent.ttl = sent.ttl.checked_add(u8::from(is_forwarded)).ok_or(Unsent::Changed)?;
    sent.dscp = class(witness.outgoing.as_deref()) >> 2;
    // An address is made one of the router's own for what it is to get.
    sent.to_local = seen.original.is_none() && base == BaseChain::FilterInput;
    if is_forwarded && seen.original.is_none() && is_local(sent.destination) {
        return Err(Unsent::Changed);
    }
    let bytes = craft::bytes(&sent, Marks { cookie: 0, class: 0 });
    let is_same = usize::from(sent.length) == bytes.len() || !found.text.contains("length");
    let is_same = is_same && (sent.dscp == seen.dscp || !found.text.contains("dscp"));
    let shows = |packet: &Packet| {
        (packet.destination, packet.payload, packet.mark, packet.original, packet.state)
    };
    let arrives = |sent: &Packet| {
        on_its_way(&found.meaning, sent, base).is_some_and(|there| shows(&there) == shows(&seen))
    };
    // Whose address it was before it was translated is not shown.
    let to_router = Packet { to_local: true, ..sent.clone() };
    if seen.original.is_some() && arrives(&to_router) {
        sent = to_router;
    }
    if !is_same || !arrives(&sent) {
        return Err(Unsent::Changed);
    }
    Ok(sent)
}

/// A witness, where an interface that no rule names is the one of the ground of which that is true.
fn with_wires_of_ground(witness: &Witness, text: &str) -> Witness {
    let of_ground = |name: &Option<String>| match name.as_deref() {
        Some(shown) if shown.starts_with("other") && !text.contains("other") => {
            Some("other7".to_owned())
        }
        _ => name.clone(),
    };
    let [incoming, outgoing] = [&witness.incoming, &witness.outgoing].map(of_ground);
    Witness { incoming, outgoing, ..witness.clone() }
}

/// The chain that a witness is shown in, of those that see packets from outside.
fn base_of(witness: &Witness) -> Option<BaseChain> {
    match &*witness.chain {
        "INPUT" => Some(BaseChain::FilterInput),
        "FORWARD" => Some(BaseChain::FilterForward),
        "PREROUTING" => Some(BaseChain::NatPrerouting),
        "POSTROUTING" => Some(BaseChain::NatPostrouting),
        _ => None,
    }
}

/// A packet as it is when it comes to a chain; `None` when it does not come there.
fn on_its_way(meaning: &Meaning, sent: &Packet, base: BaseChain) -> Option<Packet> {
    let changed = |base, packet: &Packet| meaning.trace(base, packet, &mut |_| true);
    let mut packet = changed(BaseChain::RawPrerouting, sent).packet;
    packet = changed(BaseChain::ManglePrerouting, &packet).packet;
    if base == BaseChain::NatPrerouting {
        return Some(packet);
    }
    let before = (packet.destination, packet.ports().map(|(_, port)| port));
    if let Decision::Translate(translation) = changed(BaseChain::NatPrerouting, &packet).decision {
        match *translation {
            Translation::Exempt => {}
            Translation::Destination { address, port } => {
                packet.destination = address;
                set_port(&mut packet, port.or(before.1).unwrap_or_default());
            }
            Translation::Redirect { .. }
            | Translation::Netmap { .. }
            | Translation::Masquerade
            | Translation::Source { .. } => return None,
        }
    }
    if before != (packet.destination, packet.ports().map(|(_, port)| port)) {
        packet.original = Some(Original { destination: before.0, port: before.1 });
    }
    if base == BaseChain::FilterInput {
        return Some(changed(BaseChain::MangleInput, &packet).packet);
    }
    packet.ttl -= 1;
    packet = changed(BaseChain::MangleForward, &packet).packet;
    if base == BaseChain::FilterForward {
        return Some(packet);
    }
    let accepts = changed(BaseChain::FilterForward, &packet).decision == Decision::Accept;
    Some(packet).filter(|_| accepts)
}

/// The packet that a witness is.
fn packet(witness: &Witness) -> Packet {
    let number = |name: &str| match name {
        "icmp" => 1,
        "icmpv6" => 58,
        name => match Protocol::from_name(name) {
            Some(protocol) => protocol.number(),
            None => name.parse().unwrap_or_else(|_| panic!("no protocol {name}")),
        },
    };
    let flags = witness.flags.as_deref().map_or(TcpFlags::SYN, |names| {
        let named = names.split(',').filter(|name| *name != "none");
        let flag = |name| TcpFlags::from_name(name).unwrap_or_else(|| panic!("no flag {name}"));
        named.map(flag).fold(TcpFlags::from_bits(0), TcpFlags::union)
    });
    let payload = match (&*witness.protocol, witness.payload) {
        ("tcp", witness::Payload::Ports { source, destination }) => {
            Payload::Tcp { source, destination, flags }
        }
        ("udp", witness::Payload::Ports { source, destination }) => {
            Payload::Udp { source, destination }
        }
        ("sctp", witness::Payload::Ports { source, destination }) => {
            Payload::Sctp { source, destination }
        }
        (_, witness::Payload::Icmp { kind, code }) => Payload::Icmp { kind, code },
        (name, _) => Payload::Other(Protocol::new(number(name)).expect("no protocol with ports")),
    };
    let original = |(destination, port)| Original { destination, port };
    Packet {
        incoming: witness.incoming.as_deref().map(Into::into),
        outgoing: witness.outgoing.as_deref().map(Into::into),
        source: witness.source,
        destination: witness.destination,
        payload,
        state: witness.state.as_deref().and_then(CtState::from_name).expect("a state"),
        original: witness.original.map(original),
        to_local: witness.chain == "INPUT",
        mac: Some(MAC),
        mark: witness.mark.unwrap_or(0),
        connection_mark: 0,
        user: None,
        group: None,
        length: witness.length.unwrap_or(60),
        ttl: witness.ttl.unwrap_or(64),
        dscp: witness.dscp.unwrap_or(0),
        opaque: witness.holds.iter().map(|text| text.as_str().into()).collect(),
    }
}

/// A packet that is on its way, and what is to become of it.
#[derive(Debug)]
struct Sent<'f> {
    finding: &'f Finding,
    packet: Packet,
    cookie: u16,
    claim: Claim,
    by: By,
}

/// Whether a packet, as the witness of prerouting, is one of the router's own: what is shown does not say it,
/// so it is what makes the claim true by the meaning.
fn is_for_router(found: &Found, packet: &Packet, claim: &Claim, by: &By) -> bool {
    [false, true].into_iter().find(|to_local| {
        let packet = Packet { to_local: *to_local, ..packet.clone() };
        let trace = found.meaning.trace(BaseChain::NatPrerouting, &packet, &mut |_| true);
        let reason = trace.steps.last().map(|step| step.entry.reason);
        match (claim, by, reason) {
            (_, By::Line(line), Some(Reason::Written(origin))) => {
                let call = found.policy.outermost_call(origin);
                [Some(origin.span), call].into_iter().flatten().any(|at| found.sources.line(at) == *line)
            }
            (_, By::Line(_), _) => false,
            (Claim::ArrivesAt(address), ..) => match trace.decision {
                Decision::Translate(translation) => {
                    matches!(*translation, Translation::Destination { address: to, .. } if to == *address)
                }
                _ => false,
            },
            _ => !*to_local,
        }
    }) == Some(true)
}

#[derive(Debug, Default)]
struct Tally {
    policies: usize,
    shown: usize,
    /// As claimed.
    judged: usize,
    passed: usize,
    stopped: usize,
    by_lint: BTreeMap<&'static str, usize>,
    unsent: BTreeMap<Unsent, usize>,
    /// The kernel itself refused them before any rule.
    unasked: usize,
}

fn meet_what_is_claimed(variant: Variant) {
    if !need::met() {
        return;
    }
    let mut tally = Tally::default();
    let ground = Ground::new();
    let mut cookies = 1..=u16::MAX;
    let mut all = Vec::new();
    for found in ALL.iter() {
        tally.policies += 1;
        let mut sent = Vec::new();
        for (finding, witness) in shown(found) {
            tally.shown += 1;
            match sendable(found, witness) {
                Ok(mut packet) => {
                    let fate = witness.fate.as_deref().unwrap_or_default();
                    let (claim, by) = claim(fate);
                    if witness.chain == "PREROUTING" {
                        packet.to_local = is_for_router(found, &packet, &claim, &by);
                    }
                    let cookie = cookies.next().expect("few enough for their cookies");
                    sent.push(Sent { finding, packet, cookie, claim, by });
                }
                Err(why) => *tally.unsent.entry(why).or_default() += 1,
            }
        }
        let counters = send(found, &sent, &ground, variant);
        all.push((found, sent, counters));
    }
    let seen = ground.seen();
    for (found, sent, counters) in &all {
        let mut met: BTreeMap<(Family, &By), u64> = BTreeMap::new();
        for one in sent {
            let family = one.packet.family();
            let sighting = seen.get(&(family, one.cookie)).cloned().unwrap_or_default();
            if sighting.asked.is_none() {
                tally.unasked += 1;
                continue;
            }
            let told = || format!("{variant:?}\n{:#?}\n{sighting:#?}\n{}", one.finding, found.text);
            assert!(is_so(&one.claim, &sighting), "{}", told());
            tally.judged += 1;
            *tally.by_lint.entry(one.finding.lint.name).or_default() += 1;
            tally.passed += usize::from(one.claim == Claim::Passes);
            tally.stopped += usize::from(one.claim == Claim::Stops);
            *met.entry((family, &one.by)).or_default() += 1;
        }
        for ((family, by), count) in met {
            let hits = hits(found, counters, family, by);
            assert!(
                hits >= count,
                "{variant:?} {by:?} met {hits} of {count}: {sent:#?}\n{}",
                found.text
            );
        }
    }
    eprintln!("{variant:?}: {tally:?}");
    assert!(tally.judged * 3 >= 2 * tally.policies, "too few were judged: {tally:?}");
    assert!(tally.passed * 10 >= tally.judged, "too few pass: {tally:?}");
    assert!(tally.stopped * 10 >= tally.judged, "too few are stopped: {tally:?}");
    assert!(tally.by_lint.len() >= 8, "too few kinds of findings: {tally:?}");
    assert!(tally.unasked * 10 <= tally.judged, "too many are not deliverable: {tally:?}");
}

/// Sends packets through the rules of a policy; how often each rule was met.
fn send(found: &Found, sent: &[Sent<'_>], ground: &Ground, variant: Variant) -> Counters {
    found.load(&ground.router, variant);
    let fills_sets = found.text.contains("add source");
    let deliver = |one: &Sent<'_>| {
        if fills_sets {
            // Nobody is in a set for having been sent before.
            found.empty_sets(&ground.router);
        }
        ground.send(&one.packet, one.cookie);
    };
    let is_new = |one: &&Sent<'_>| one.packet.to_local && !is_local(one.packet.destination);
    sent.iter().filter(|one| !is_new(one)).for_each(deliver);
    thread::sleep(WORKED_ON);
    let addresses: BTreeSet<IpAddr> =
        sent.iter().filter(is_new).map(|one| one.packet.destination).collect();
    for address in &addresses {
        ground.own(*address, true);
    }
    sent.iter().filter(is_new).for_each(deliver);
    thread::sleep(WORKED_ON);
    let counters = found.counters(&ground.router, variant);
    for address in &addresses {
        ground.own(*address, false);
    }
    counters
}

fn is_so(claim: &Claim, sighting: &Sighting) -> bool {
    match claim {
        Claim::Passes => sighting.passed.is_some(),
        Claim::Stops => sighting.passed.is_none(),
        Claim::Met => true,
        Claim::ArrivesAt(address) => {
            sighting.asked.as_ref().is_some_and(|asked| asked.destination == *address)
        }
    }
}

/// How often the rules of whoever is said to take a packet were met.
fn hits(found: &Found, counters: &Counters, family: Family, by: &By) -> u64 {
    let is_by = |origin: Origin| match (by, origin) {
        (By::Line(line), Origin::Statement { span, call }) => {
            [Some(span), call].into_iter().flatten().any(|at| found.sources.line(at) == *line)
        }
        (By::Implicit(name), Origin::Implicit(rule)) => {
            let first = name.split(' ').next().unwrap_or_default();
            rule.starts_with(first) || (rule, first) == ("dhcpv6-client", "answers")
        }
        _ => false,
    };
    if *by == By::Unsaid {
        return u64::MAX;
    }
    let acts = found.acts();
    let judged = |table| matches!(table, TableName::Filter | TableName::Nat);
    let own = acts.iter().filter(|act| act.family == family && judged(act.table));
    own.filter(|act| is_by(act.rule.origin)).map(|act| counters.of(act)).sum()
}

#[test]
fn shown_packets_meet_what_is_claimed_by_legacy() {
    meet_what_is_claimed(Variant::Legacy);
}

#[test]
fn shown_packets_meet_what_is_claimed_by_nft() {
    meet_what_is_claimed(Variant::Nft);
}
