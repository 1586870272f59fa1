use std::net::IpAddr;

use super::*;

const PRE: BaseChain = BaseChain::NatPrerouting;
const POST: BaseChain = BaseChain::NatPostrouting;

fn forward() -> Forward {
    Forward {
        source: vec![place("wan0", "any")],
        parts: vec![tcp_part("443")],
        at: At::Local,
        target_v4: Some(Target { address: address("10.0.0.2"), port: Some(8443) }),
        target_v6: None,
        out: Some(interfaces("lan0")),
        hairpin: Vec::new(),
        hairpin_self: false,
    }
}

fn address(text: &str) -> IpAddr {
    parse_address(text).expect(text)
}

/// `forward https from wan to 10.0.0.2:8443@lan`
pub(super) fn web() -> NatKind {
    NatKind::Forward(Box::new(forward()))
}

/// `masquerade from lan to wan`
pub(super) fn masquerade() -> NatKind {
    source(SourceTranslation::Masquerade)
}

fn source(translation: SourceTranslation) -> NatKind {
    NatKind::Source {
        source: vec![place("lan0", "10.0.0.0/24,fd00::/64")],
        destination: vec![place("wan0", "any")],
        parts: vec![Part::Any],
        translation,
    }
}

fn with(forward: Forward) -> Policy {
    policy(vec![Item::Nat(nat(1, NatKind::Forward(Box::new(forward))))])
}

/// From the outside to the public address.
fn visitor(destination: (&str, u16)) -> Packet {
    tcp(("198.51.100.9", 40_000), destination).on("wan0")
}

fn to_web() -> Translation {
    Translation::Destination { address: address("10.0.0.2"), port: Some(8443) }
}

fn passes(policy: &Policy, packet: &Packet) -> bool {
    accepts(policy, Hook::Forward, packet)
}

#[test]
fn forward_translates_only_what_is_for_this_machine() {
    let policy = with(forward());
    assert_eq!(translation(&policy, PRE, &visitor(("203.0.113.7", 443)).local()), to_web());
    for other in [
        visitor(("203.0.113.7", 443)),
        visitor(("203.0.113.7", 80)).local(),
        visitor(("203.0.113.7", 443)).local().on("lan0"),
        visitor(("203.0.113.7", 443))
            .local()
            .carrying(Payload::Udp { source: 1, destination: 443 }),
    ] {
        assert_eq!(translation(&policy, PRE, &other), Translation::Exempt, "{other:?}");
    }
}

#[test]
fn forward_accepts_exactly_what_it_translated() {
    let policy = with(forward());
    let inner = || visitor(("10.0.0.2", 8443)).leaving("lan0");
    let good = inner().originally("203.0.113.7", 443);
    assert!(passes(&policy, &good));
    let bad = [
        inner(),
        inner().originally("203.0.113.7", 80),
        good.clone().on("lan1"),
        good.clone().leaving("lan1"),
        visitor(("10.0.0.2", 443)).leaving("lan0").originally("203.0.113.7", 443),
        visitor(("10.0.0.3", 8443)).leaving("lan0").originally("203.0.113.7", 443),
    ];
    for packet in bad {
        assert!(!passes(&policy, &packet), "{packet:?}");
    }
    assert!(!accepts(&policy, Hook::Input, &good));
    assert_eq!(translation(&policy, POST, &good), Translation::Exempt, "no hairpin");
}

#[test]
fn forward_keeps_the_port_unless_told() {
    let target = Target { address: address("10.0.0.2"), port: None };
    let policy = with(Forward { target_v4: Some(target), ..forward() });
    let kept = Translation::Destination { address: address("10.0.0.2"), port: None };
    assert_eq!(translation(&policy, PRE, &visitor(("203.0.113.7", 443)).local()), kept);
    let inner = |port| visitor(("10.0.0.2", port)).leaving("lan0").originally("203.0.113.7", 443);
    assert!(passes(&policy, &inner(443)) && !passes(&policy, &inner(8443)));
    let direct = visitor(("10.0.0.2", 443)).leaving("lan0");
    assert!(!passes(&policy, &direct), "it was never translated");
}

#[test]
fn forward_at_an_address_needs_no_local_one_and_no_other() {
    let policy = with(Forward { at: At::Addresses(set("203.0.113.7")), ..forward() });
    assert_eq!(translation(&policy, PRE, &visitor(("203.0.113.7", 443))), to_web());
    let other = visitor(("203.0.113.8", 443)).local();
    assert_eq!(translation(&policy, PRE, &other), Translation::Exempt);
    let inner = || visitor(("10.0.0.2", 8443)).leaving("lan0");
    assert!(passes(&policy, &inner().originally("203.0.113.7", 443)));
    assert!(!passes(&policy, &inner().originally("203.0.113.8", 443)));
}

#[test]
fn ipv6_is_accepted_without_translation_unless_at_names_ipv6() {
    let target = Target { address: address("2001:db8:d::10"), port: Some(8443) };
    let dual = Forward { target_v6: Some(target), ..forward() };
    let direct =
        |port| tcp(("2001:db8::9", 40_000), ("2001:db8:d::10", port)).on("wan0").leaving("lan0");
    for at in [At::Local, At::Addresses(set("203.0.113.7"))] {
        let policy = with(Forward { at, ..dual.clone() });
        assert!(passes(&policy, &direct(443)));
        assert!(!passes(&policy, &direct(8443)) && !passes(&policy, &direct(443).on("lan0")));
        let public = tcp(("2001:db8::9", 1), ("2001:db8::1", 443)).on("wan0").local();
        assert_eq!(translation(&policy, PRE, &public), Translation::Exempt);
    }
    let policy = with(Forward { at: At::Addresses(set("2001:db8::1")), ..dual });
    let public = tcp(("2001:db8::9", 1), ("2001:db8::1", 443)).on("wan0");
    let inside = Translation::Destination { address: target.address, port: target.port };
    assert_eq!(translation(&policy, PRE, &public), inside);
    assert!(!passes(&policy, &direct(443)));
    assert!(passes(&policy, &direct(8443).originally("2001:db8::1", 443)));
    let v4 = visitor(("203.0.113.7", 443)).local();
    assert_eq!(translation(&policy, PRE, &v4), Translation::Exempt, "`at` has no IPv4");
}

#[test]
fn hairpin_translates_and_masquerades_the_zones_own_packets() {
    let hairpin = vec![place("lan0", "10.0.0.0/24")];
    let policy = with(Forward { hairpin: hairpin.clone(), ..forward() });
    let client = |destination: (&str, u16)| tcp(("10.0.0.9", 40_000), destination).on("lan0");
    assert_eq!(translation(&policy, PRE, &client(("203.0.113.7", 443)).local()), to_web());
    let own = client(("10.0.0.1", 443)).local();
    assert_eq!(translation(&policy, PRE, &own), Translation::Exempt, "the router in the lan");
    let passing = client(("203.0.113.8", 443));
    assert_eq!(translation(&policy, PRE, &passing), Translation::Exempt);

    let inner = || client(("10.0.0.2", 8443)).leaving("lan0");
    let turned = inner().originally("203.0.113.7", 443);
    assert!(passes(&policy, &turned) && !passes(&policy, &inner()));
    assert_eq!(translation(&policy, POST, &turned), Translation::Masquerade);
    let strangers = [
        inner(),
        inner().originally("203.0.113.7", 80),
        turned.clone().on("wan0"),
        Packet { source: address("10.0.1.9"), ..turned.clone() },
        Packet { destination: address("10.0.0.3"), ..turned.clone() },
    ];
    for packet in strangers {
        assert_eq!(translation(&policy, POST, &packet), Translation::Exempt, "{packet:?}");
    }

    let policy = with(Forward { hairpin, at: At::Addresses(set("203.0.113.7")), ..forward() });
    assert_eq!(translation(&policy, PRE, &client(("203.0.113.7", 443))), to_web());
    let other = client(("203.0.113.8", 443)).local();
    assert_eq!(translation(&policy, PRE, &other), Translation::Exempt);
    assert_eq!(translation(&policy, POST, &turned), Translation::Masquerade);
    let elsewhere = inner().originally("203.0.113.8", 443);
    assert_eq!(translation(&policy, POST, &elsewhere), Translation::Exempt);
    assert!(passes(&policy, &turned) && !passes(&policy, &elsewhere));
}

#[test]
fn hairpin_self_translates_this_machines_own_packets() {
    let own = |to: (&str, u16)| tcp(("203.0.113.7", 40_000), to).leaving("lo");
    let mut policy = with(Forward { hairpin_self: true, ..forward() });
    let out = BaseChain::NatOutput;
    assert_eq!(translation(&policy, out, &own(("203.0.113.7", 443)).local()), to_web());
    assert_eq!(translation(&policy, out, &own(("203.0.113.8", 443))), Translation::Exempt);
    let hairpin = vec![place("lan0", "10.0.0.0/24")];
    let beside = with(Forward { hairpin_self: true, hairpin, ..forward() });
    assert_eq!(translation(&beside, out, &own(("203.0.113.7", 443)).local()), to_web());
    let inside = own(("10.0.0.1", 443)).local();
    assert_eq!(translation(&beside, out, &inside), Translation::Exempt, "its address in the lan");
    assert_eq!(translation(&policy, out, &inside), to_web());
    let without = with(forward());
    let packet = own(("203.0.113.7", 443)).local();
    assert_eq!(translation(&without, out, &packet), Translation::Exempt);

    policy.implicit.loopback = false;
    let inner = || own(("10.0.0.2", 8443));
    let turned = inner().originally("203.0.113.7", 443);
    assert_eq!(reasons(&policy, Family::V4, Hook::Output), [], "output is open");
    policy.defaults.output.verdict = Verdict::Drop;
    assert!(accepts(&policy, Hook::Output, &turned));
    assert!(!accepts(&policy, Hook::Output, &inner()));
    assert!(!accepts(&policy, Hook::Output, &inner().originally("203.0.113.7", 80)));
}

#[test]
fn redirect_accepts_redirected_packets_only() {
    let redirect = |at: At| {
        let redirect = Redirect {
            source: vec![place("lan0", "10.0.0.0/24")],
            parts: vec![tcp_part("80")],
            at,
            port: 3128,
        };
        policy(vec![Item::Nat(nat(1, NatKind::Redirect(Box::new(redirect))))])
    };
    let client = |to: (&str, u16)| tcp(("10.0.0.9", 40_000), to).on("lan0");
    let policy = redirect(At::Addresses(Addresses::full()));
    let caught = Translation::Redirect { port: 3128 };
    assert_eq!(translation(&policy, PRE, &client(("198.51.100.1", 80))), caught);
    assert_eq!(translation(&policy, PRE, &client(("198.51.100.1", 81))), Translation::Exempt);
    let wan = client(("198.51.100.1", 80)).on("wan0");
    assert_eq!(translation(&policy, PRE, &wan), Translation::Exempt);

    let input = |packet: &Packet| accepts(&policy, Hook::Input, packet);
    let inner = || client(("10.0.0.1", 3128)).local();
    assert!(input(&inner().originally("198.51.100.1", 80)));
    assert!(!input(&inner()), "the proxy's port is not open by itself");
    assert!(!input(&inner().originally("198.51.100.1", 81)));
    assert!(!input(&client(("10.0.0.1", 3129)).originally("198.51.100.1", 80)));
    assert!(!passes(&policy, &inner().originally("198.51.100.1", 80)));

    let narrow = redirect(At::Addresses(set("198.51.100.0/24")));
    let other = client(("203.0.113.1", 80));
    assert_eq!(translation(&narrow, PRE, &other), Translation::Exempt);
    let input = |from: &str| accepts(&narrow, Hook::Input, &inner().originally(from, 80));
    assert!(input("198.51.100.1") && !input("203.0.113.1"));

    let own = redirect(At::Local);
    assert_eq!(translation(&own, PRE, &other), Translation::Exempt, "it passes");
    assert_eq!(translation(&own, PRE, &other.local()), caught);
    assert!(accepts(&own, Hook::Input, &inner().originally("203.0.113.1", 80)));
}

#[test]
fn source_translations_are_first_match_and_open_nothing() {
    let leaving = || tcp(("10.0.0.9", 1), ("198.51.100.1", 80)).on("lan0").leaving("wan0");
    let range = Some((address("203.0.113.5"), address("203.0.113.6")));
    let snat = SourceTranslation::Address { v4: range, v6: None };
    let fixed = Translation::Source { low: address("203.0.113.5"), high: address("203.0.113.6") };
    let kinds = [SourceTranslation::Exempt, snat, SourceTranslation::Masquerade];
    let results = [Translation::Exempt, fixed, Translation::Masquerade];
    for (first, result) in results.into_iter().enumerate() {
        let mut order: Vec<usize> = (0..kinds.len()).collect();
        order.rotate_left(first);
        let item = |index: &usize| Item::Nat(nat(*index, source(kinds[*index].clone())));
        let policy = policy(order.iter().map(item).collect());
        assert_eq!(translation(&policy, POST, &leaving()), result);
        assert!(!passes(&policy, &leaving()), "it opens nothing");
    }
    let policy = policy(vec![Item::Nat(nat(1, masquerade()))]);
    let own = Packet { incoming: None, ..leaving() };
    for other in [leaving().leaving("dmz0"), leaving().on("dmz0"), own] {
        assert_eq!(translation(&policy, POST, &other), Translation::Exempt);
    }
}

#[test]
fn a_statement_says_nothing_in_other_families() {
    let v6 = tcp(("fd00::9", 1), ("2001:db8::1", 80)).on("lan0").leaving("wan0");
    let mut only = nat(1, masquerade());
    let both = policy(vec![Item::Nat(only.clone())]);
    assert_eq!(translation(&both, POST, &v6), Translation::Masquerade);
    only.families = Families::only(Family::V4);
    assert_eq!(translation(&policy(vec![Item::Nat(only)]), POST, &v6), Translation::Exempt);
    let snat = SourceTranslation::Address {
        v4: Some((address("203.0.113.5"), address("203.0.113.5"))),
        v6: None,
    };
    let snat = policy(vec![Item::Nat(nat(1, source(snat)))]);
    assert_eq!(translation(&snat, POST, &v6), Translation::Exempt);
}

#[test]
fn netmap_is_one_to_one_both_ways() {
    let prefix = |text: &str| parse_addresses(text).expect(text).prefix.expect(text);
    let (outside, inside) = (prefix("203.0.113.0/28"), prefix("10.0.0.0/28"));
    let kind = NatKind::Netmap { outside, inside, interfaces: interfaces("wan0") };
    let policy = policy(vec![Item::Nat(nat(1, kind))]);
    let inward = Translation::Netmap { from: outside, to: inside };
    assert_eq!(translation(&policy, PRE, &visitor(("203.0.113.15", 80))), inward);
    let others = [visitor(("203.0.113.16", 80)), visitor(("203.0.113.15", 80)).on("lan0")];
    for other in others {
        assert_eq!(translation(&policy, PRE, &other), Translation::Exempt);
    }
    let leaving = |from: &str| tcp((from, 1), ("198.51.100.9", 80)).on("lan0");
    let outward = Translation::Netmap { from: inside, to: outside };
    assert_eq!(translation(&policy, POST, &leaving("10.0.0.15").leaving("wan0")), outward);
    for other in [leaving("10.0.0.16").leaving("wan0"), leaving("10.0.0.15").leaving("lan0")] {
        assert_eq!(translation(&policy, POST, &other), Translation::Exempt);
    }
}

#[test]
fn accepts_stand_at_the_statements_place() {
    let drop = Item::Rule(rule(2, Action::Drop, vec![all(FORWARD)]));
    let good = visitor(("10.0.0.2", 8443)).leaving("lan0").originally("203.0.113.7", 443);
    let mut policy = policy(vec![Item::Nat(nat(1, web())), drop]);
    assert!(passes(&policy, &good));
    policy.items.reverse();
    assert!(!passes(&policy, &good));
}

#[test]
fn conditions_hold_of_translation_and_accept() {
    let mark = crate::net::MarkMatch::new(1, 1).expect("a match");
    let marked = Nat { conditions: vec![Condition::Mark(mark)], ..nat(1, web()) };
    let policy = policy(vec![Item::Nat(marked)]);
    let public = visitor(("203.0.113.7", 443)).local();
    let inner = visitor(("10.0.0.2", 8443)).leaving("lan0").originally("203.0.113.7", 443);
    assert_eq!(translation(&policy, PRE, &public), Translation::Exempt);
    assert!(!passes(&policy, &inner));
    assert_eq!(translation(&policy, PRE, &Packet { mark: 1, ..public }), to_web());
    assert!(passes(&policy, &Packet { mark: 1, ..inner }));
}

#[test]
fn only_first_packets_of_a_flow_meet_nat() {
    let policy = with(forward());
    for state in CtState::ALL {
        let packet = visitor(("203.0.113.7", 443)).local().state(state);
        let met = matches!(state, CtState::New | CtState::Related);
        let expected = if met { to_web() } else { Translation::Exempt };
        assert_eq!(translation(&policy, PRE, &packet), expected, "{state:?}");
    }
}

#[test]
fn errors_are_translated_with_their_flow_and_by_no_chain() {
    let policy = policy(vec![Item::Nat(nat(1, masquerade()))]);
    let leaving = tcp(("10.0.0.9", 40_000), ("198.51.100.9", 443)).on("lan0").leaving("wan0");
    let related = leaving.state(CtState::Related);
    assert_eq!(translation(&policy, POST, &related), Translation::Masquerade);
    let error = related.carrying(Payload::Icmp { kind: 3, code: 3 });
    assert_eq!(translation(&policy, POST, &error), Translation::Exempt);
}
