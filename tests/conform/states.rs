//! What conntrack takes the first packet of a flow for.

use palisade::analyze::deliverable::first_state;
use palisade::net::{Family, Protocol, TcpFlags};
use palisade::packet::{Packet, Payload};
use palisade::source::MemoryLoader;

use crate::diary::sightings;
use crate::ground::{Ground, MAC, USUAL, Wrapping};
use crate::need;
use crate::ruleset::{Loader, Tested};

fn packet(family: Family, payload: Payload) -> Packet {
    let [source, destination] = match family {
        Family::V4 => ["198.51.100.7", "203.0.113.7"],
        Family::V6 => ["2001:db8:77::77", "2001:db8::7"],
    };
    Packet {
        incoming: Some("eth0".into()),
        outgoing: None,
        source: source.parse().expect("an address"),
        destination: destination.parse().expect("an address"),
        payload,
        state: palisade::net::CtState::New,
        original: None,
        to_local: true,
        mac: Some(MAC),
        mark: 0,
        connection_mark: 0,
        user: None,
        group: None,
        length: 120,
        ttl: 64,
        dscp: 0,
        opaque: std::collections::BTreeSet::new(),
    }
}

/// All types of ICMP, all flags of TCP, all protocols. (Of UDP-Lite, 136, there is no whole packet here.)
fn payloads(family: Family) -> Vec<Payload> {
    let (source, destination) = (40_000, 22);
    let icmp = (0..=u8::MAX).map(|kind| Payload::Icmp { kind, code: 0 });
    let tcp = (0..=TcpFlags::ALL.bits()).map(|bits| Payload::Tcp {
        source,
        destination,
        flags: TcpFlags::from_bits(bits),
    });
    let others = (1..=u8::MAX).filter_map(Protocol::new).filter(|protocol| {
        let is_header = [43, 44, 51, 59, 60, 135, 139, 140].contains(&protocol.number());
        ![6, 17, 132, 136].contains(&protocol.number())
            && *protocol != Protocol::icmp(family)
            && !is_header
    });
    let ported = [Payload::Udp { source, destination }, Payload::Sctp { source, destination }];
    icmp.chain(tcp).chain(others.map(Payload::Other)).chain(ported).collect()
}

#[test]
fn first_packets_have_the_state_that_is_told() {
    if !need::met() {
        return;
    }
    let text = "default allow input, forward, output\nimplicit none\n";
    let tested = Tested::policy("open", text, MemoryLoader::default(), 0).expect("it is right");
    let ground = Ground::new(USUAL.map(str::to_owned));
    assert!(tested.load(&ground.router, Loader::ALL[0]));
    let mut wrong = Vec::new();
    let mut judged = 0;
    for family in Family::BOTH {
        let mut sent = Vec::new();
        for payload in payloads(family) {
            let packet = packet(family, payload);
            let cookie = ground.cookie();
            ground.send(&packet, (0, 0), cookie, Wrapping::Whole);
            sent.push((packet, cookie));
        }
        let seen = sightings(ground.read());
        for (packet, cookie) in sent {
            let sighting = seen.get(&(family, cookie));
            let Some((state, ..)) = sighting.and_then(|it| it.asked.as_ref()) else { continue };
            judged += 1;
            if *state != first_state(&packet) {
                wrong.push(format!("{family} {:?} is {}", packet.payload, state.name()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(judged > 1100, "only {judged} came in");
}
