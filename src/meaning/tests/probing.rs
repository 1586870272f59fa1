use super::*;
use crate::packet::probes::{Edge, Pool, Presence, View};
use crate::packet::{PacketSet, Random};

/// A policy with borders of many kinds, a chain, and a forward.
fn mixed() -> Policy {
    let lan = || vec![place("lan+", "10.0.0.16-10.0.0.31,2001:db8::/64")];
    let chain_flow = flow(Scope::Chain, lan(), anywhere(), vec![tcp_part("7000-7003")]);
    let icmp = Part::Icmp(crate::net::IcmpType::new(Family::V4, 13));
    let guarded = flow(FORWARD, anywhere(), vec![place("dmz0", "192.0.2.64/28")], vec![Part::Any]);
    let items = vec![
        Item::Rule(rule(1, Action::Allow, vec![flow(FORWARD, lan(), anywhere(), vec![icmp])])),
        Item::Rule(rule(2, Action::Jump(ChainId(0)), vec![guarded])),
        Item::Nat(nat(3, super::nat::web())),
    ];
    Policy {
        chains: vec![chain("a", vec![rule(4, Action::Drop, vec![chain_flow])])],
        ..policy(items)
    }
}

fn sets(meaning: &Meaning, base: BaseChain) -> Vec<PacketSet> {
    let chain = meaning.chain(Family::V4, ChainId(0)).expect("a chain");
    let list = meaning.base(Family::V4, base).expect("a base chain");
    list.entries.iter().chain(&chain.entries).map(|entry| entry.set.clone()).collect()
}

#[test]
fn probes_meet_every_set_and_both_sides_of_its_borders() {
    let meaning = meaning(&mixed());
    let packets = probes(&meaning, Family::V4, BaseChain::FilterForward, 1, 2_000);
    for set in sets(&meaning, BaseChain::FilterForward) {
        let inside = packets.iter().filter(|packet| set.contains(packet)).count();
        assert!(inside > 20 || set.is_everything(), "{inside} packets in {set:?}");
        assert!(set.is_everything() || inside < packets.len());
    }
    let through_chain = packets.iter().filter(|packet| {
        let trace = meaning.trace(BaseChain::FilterForward, packet, &mut |_| true);
        trace.steps.iter().any(|step| step.chain == Some(ChainId(0)))
    });
    assert!(through_chain.count() > 20);
    let sources: Vec<String> = packets.iter().map(|packet| packet.source.to_string()).collect();
    for border in ["10.0.0.15", "10.0.0.16", "10.0.0.31", "10.0.0.32"] {
        assert!(sources.iter().any(|source| source == border), "{border}");
    }
    let ports: Vec<u16> = packets.iter().filter_map(|packet| Some(packet.ports()?.1)).collect();
    for border in [6999, 7000, 7003, 7004, 8443] {
        assert!(ports.contains(&border), "{border}");
    }
    for state in CtState::ALL {
        assert!(packets.iter().any(|packet| packet.state == state), "{state:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_packets() {
    let meaning = meaning(&mixed());
    let of = |seed| probes(&meaning, Family::V6, BaseChain::FilterForward, seed, 100);
    assert_eq!(of(7), of(7));
    assert_ne!(of(7), of(8));
    assert!(of(7).iter().all(|packet| packet.family() == Family::V6));
}

#[test]
fn probes_are_packets_that_the_chain_can_see() {
    let meaning = meaning(&mixed());
    for base in BaseChain::ALL {
        let packets = probes(&meaning, Family::V4, base, 3, 300);
        assert_eq!(packets.len(), 300);
        for packet in packets {
            let (incoming, outgoing) = (packet.incoming.is_some(), packet.outgoing.is_some());
            let (expected, may_be_translated) = match base {
                BaseChain::NatPrerouting | BaseChain::RawPrerouting => ((true, false), false),
                BaseChain::FilterInput
                | BaseChain::MangleInput
                | BaseChain::ManglePrerouting
                | BaseChain::NatInput
                | BaseChain::SecurityInput => ((true, false), true),
                BaseChain::NatOutput | BaseChain::RawOutput => ((false, true), false),
                BaseChain::FilterOutput | BaseChain::MangleOutput | BaseChain::SecurityOutput => {
                    ((false, true), true)
                }
                BaseChain::FilterForward
                | BaseChain::MangleForward
                | BaseChain::SecurityForward
                | BaseChain::DockerUser => ((true, true), true),
                BaseChain::NatPostrouting | BaseChain::ManglePostrouting => {
                    ((incoming, true), true)
                }
            };
            assert_eq!((incoming, outgoing), expected, "{base:?}");
            assert!(may_be_translated || packet.original.is_none(), "{base:?}");
            assert!(!base.is_nat() || traverses_nat(&packet), "{base:?}");
            assert_eq!(packet.user.is_some(), !incoming);
            assert_eq!(packet.mac.is_some(), incoming);
        }
    }
}

#[test]
fn a_policy_without_entries_can_be_probed() {
    let meaning = meaning(&no_implicit(policy(Vec::new())));
    assert_eq!(probes(&meaning, Family::V4, BaseChain::NatOutput, 1, 10).len(), 10);
}

#[test]
fn drafts_enter_sets_and_stay_outside_by_one_field() {
    let meaning = meaning(&mixed());
    let chain = meaning.chain(Family::V4, ChainId(0)).expect("a chain");
    let set = &chain.entries[0].set;
    let everything = PacketSet::everything(Family::V4);
    let pool = Pool::of(Family::V4, [&everything]);
    let mut random = Random::new(5);
    let (incoming, outgoing) = (Presence::Always, Presence::Always);
    let view = View { incoming, outgoing, translated: Presence::Never, first_only: false };
    for _ in 0..100 {
        let mut draft = pool.draft(&mut random);
        for edge in [Edge::Lowest, Edge::Highest, Edge::Anywhere] {
            draft.enter(set, edge, &mut random);
            assert!(set.contains(&draft.packet(view, &mut random)), "{edge:?}");
        }
        draft.enter(set, Edge::Outside, &mut random);
        let packet = draft.packet(view, &mut random);
        let product = &set.products()[0];
        let met = product.factors().iter().filter(|factor| factor.contains(&packet));
        assert_eq!(met.count() + 1, product.factors().len(), "{packet:?}");
    }
}
