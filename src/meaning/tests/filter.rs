use super::*;
use crate::net::{Account, CtStates, FlagMatch, IcmpType, IntervalSet, Mac, MarkMatch, Protocol};

fn implied(policy: &Policy, family: Family, hook: Hook) -> Vec<Implied> {
    let implied = |reason| match reason {
        Reason::Implicit(implied) => Some(implied),
        Reason::Written(_) | Reason::Restored | Reason::Default(_) => None,
    };
    reasons(policy, family, hook).into_iter().filter_map(implied).collect()
}

#[test]
fn input_always_has_its_implicit_rules_in_order() {
    use Implied::*;
    let mut open = policy(Vec::new());
    open.defaults.input.verdict = Verdict::Allow;
    for policy in [policy(Vec::new()), open] {
        let v6 = [Loopback, Established, Invalid, NeighbourDiscovery, Dhcpv6Client];
        assert_eq!(implied(&policy, Family::V6, Hook::Input), v6);
        assert_eq!(implied(&policy, Family::V4, Hook::Input), [Loopback, Established, Invalid]);
    }
    let mut fewer = policy(Vec::new());
    fewer.implicit.established = false;
    fewer.implicit.dhcpv6_client = false;
    let left = [Loopback, Invalid, NeighbourDiscovery];
    assert_eq!(implied(&fewer, Family::V6, Hook::Input), left);
    assert_eq!(implied(&no_implicit(fewer), Family::V6, Hook::Input), []);
}

#[test]
fn forward_has_implicit_rules_only_when_something_can_pass() {
    use Implied::*;
    let on = |policy: &Policy| implied(policy, Family::V6, Hook::Forward);
    assert_eq!(on(&policy(Vec::new())), []);
    let input_only = policy(vec![Item::Rule(rule(1, Action::Allow, vec![all(INPUT)]))]);
    assert_eq!(on(&input_only), []);
    let mut rejecting = policy(Vec::new());
    rejecting.defaults.forward.verdict = Verdict::Reject(RejectWith::PortUnreachable);
    assert_eq!(on(&rejecting), []);

    let ruled = policy(vec![Item::Rule(rule(1, Action::Allow, vec![all(FORWARD)]))]);
    assert_eq!(on(&ruled), [Established, Invalid]);
    let mut open = policy(Vec::new());
    open.defaults.forward.verdict = Verdict::Allow;
    assert_eq!(on(&open), [Established, Invalid]);
    let forwarding = policy(vec![Item::Nat(nat(1, super::nat::web()))]);
    assert_eq!(on(&forwarding), [Established, Invalid]);
    let masquerading = policy(vec![Item::Nat(nat(1, super::nat::masquerade()))]);
    assert_eq!(on(&masquerading), []);
}

#[test]
fn output_has_implicit_rules_when_it_can_refuse() {
    use Implied::*;
    let on = |policy: &Policy| implied(policy, Family::V6, Hook::Output);
    let needed = [Loopback, Established, NeighbourDiscovery];
    let with = |action, scope| policy(vec![Item::Rule(rule(1, action, vec![all(scope)]))]);
    assert_eq!(on(&policy(Vec::new())), []);
    assert_eq!(on(&with(Action::Allow, OUTPUT)), []);
    assert_eq!(on(&with(Action::Drop, FORWARD)), []);
    assert_eq!(on(&with(Action::Drop, OUTPUT)), needed);
    assert_eq!(on(&with(Action::Reject(RejectWith::PortUnreachable), OUTPUT)), needed);
    let mut dropping = policy(Vec::new());
    dropping.defaults.output.verdict = Verdict::Drop;
    assert_eq!(on(&dropping), needed);
    assert_eq!(implied(&dropping, Family::V4, Hook::Output), [Loopback, Established]);

    for jump in [Action::Jump(ChainId(0)), Action::Goto(ChainId(0))] {
        let mut jumping = with(jump, OUTPUT);
        let inner = |action| vec![rule(3, action, vec![all(Scope::Chain)])];
        jumping.chains = vec![chain("a", inner(Action::Jump(ChainId(1)))), chain("b", vec![])];
        assert_eq!(on(&jumping), []);
        jumping.chains[1].rules = inner(Action::Drop);
        assert_eq!(on(&jumping), needed);
    }
}

#[test]
fn implicit_rules_mean_what_they_say() {
    let policy = policy(Vec::new());
    let input = |packet: Packet| accepts(&policy, Hook::Input, &packet.on("eth0"));
    assert!(accepts(&policy, Hook::Input, &ssh(Family::V4).on("lo")));
    assert!(accepts(&policy, Hook::Input, &ssh(Family::V4).on("lo").state(CtState::Invalid)));
    assert!(!input(ssh(Family::V4)));
    assert!(input(ssh(Family::V4).state(CtState::Established)));
    assert!(input(ssh(Family::V4).state(CtState::Related)));

    let icmp =
        |kind| ssh(Family::V6).carrying(Payload::Icmp { kind, code: 0 }).state(CtState::Untracked);
    let open: Vec<u8> = (0..=255).filter(|kind| input(icmp(*kind))).collect();
    assert_eq!(open, [130, 131, 132, 133, 134, 135, 136, 143]);
    let v4 = ssh(Family::V4).carrying(Payload::Icmp { kind: 135, code: 0 });
    assert!(!input(v4.state(CtState::Untracked)));

    let dhcp = |source: (&str, u16), port| {
        tcp(source, ("fe80::2", 0)).carrying(Payload::Udp { source: source.1, destination: port })
    };
    assert!(input(dhcp(("fe80::1", 547), 546)));
    assert!(input(dhcp(("febf:ffff::1", 547), 546)));
    assert!(!input(dhcp(("fec0::1", 547), 546)));
    assert!(!input(dhcp(("fe80::1", 546), 546)));
    assert!(!input(dhcp(("fe80::1", 547), 547)));
    assert!(!input(tcp(("fe80::1", 547), ("fe80::2", 546))));
}

#[test]
fn invalid_is_dropped_before_rules_but_not_on_output() {
    let everywhere = vec![all(INPUT), all(FORWARD), all(OUTPUT)];
    let mut policy = policy(vec![Item::Rule(rule(1, Action::Allow, everywhere))]);
    policy.defaults.output.verdict = Verdict::Drop;
    let invalid = ssh(Family::V4).state(CtState::Invalid);
    assert!(!accepts(&policy, Hook::Input, &invalid));
    assert!(!accepts(&policy, Hook::Forward, &invalid));
    assert!(accepts(&policy, Hook::Output, &invalid));
}

#[test]
fn the_first_rule_that_matches_decides_and_then_the_default() {
    let ssh_only = || vec![flow(INPUT, anywhere(), anywhere(), vec![tcp_part("22")])];
    let mut policy = policy(vec![
        Item::Rule(rule(1, Action::Reject(RejectWith::TcpReset), ssh_only())),
        Item::Rule(rule(2, Action::Allow, ssh_only())),
    ]);
    let decide_22 = |policy: &Policy| decide(policy, BaseChain::FilterInput, &ssh(Family::V4));
    assert_eq!(decide_22(&policy), Decision::Reject(RejectWith::TcpReset));
    policy.items.swap(0, 1);
    assert_eq!(decide_22(&policy), Decision::Accept);
    let other = tcp(("198.51.100.9", 1), ("192.0.2.1", 23));
    assert_eq!(decide(&policy, BaseChain::FilterInput, &other), Decision::Drop);
    assert!(!accepts(&policy, Hook::Forward, &ssh(Family::V4)), "it is a rule of input");
}

#[test]
fn prohibitions_are_one_answer_on_ipv6() {
    let with = Action::Reject(RejectWith::HostProhibited);
    let mut policy = policy(vec![Item::Rule(rule(1, with, vec![all(INPUT)]))]);
    let answer = |policy: &Policy, family| decide(policy, BaseChain::FilterInput, &ssh(family));
    assert_eq!(answer(&policy, Family::V4), Decision::Reject(RejectWith::HostProhibited));
    assert_eq!(answer(&policy, Family::V6), Decision::Reject(RejectWith::AdminProhibited));
    policy.items.clear();
    policy.defaults.input.verdict = Verdict::Reject(RejectWith::NetProhibited);
    assert_eq!(answer(&policy, Family::V6), Decision::Reject(RejectWith::AdminProhibited));
}

#[test]
fn a_flow_is_sources_by_destinations_by_parts() {
    let source = vec![place("eth1", "10.0.0.0/24"), place("wlan+", "10.0.1.0/24")];
    let destination = vec![place("eth2", "192.0.2.0/24"), place("eth3", "any")];
    let flows = vec![flow(FORWARD, source, destination, vec![tcp_part("80"), tcp_part("443")])];
    let policy = no_implicit(policy(vec![Item::Rule(rule(1, Action::Allow, flows))]));
    let try_one = |source, incoming, destination, outgoing, port| {
        let packet = tcp((source, 9), (destination, port)).on(incoming).leaving(outgoing);
        accepts(&policy, Hook::Forward, &packet)
    };
    assert!(try_one("10.0.0.5", "eth1", "192.0.2.5", "eth2", 80));
    assert!(try_one("10.0.1.5", "wlan7", "203.0.113.5", "eth3", 443));
    assert!(!try_one("10.0.1.5", "eth1", "192.0.2.5", "eth2", 80), "address and interface pair");
    assert!(!try_one("10.0.0.5", "eth1", "203.0.113.5", "eth2", 80));
    assert!(!try_one("10.0.0.5", "eth1", "192.0.2.5", "eth2", 81));
    let without = tcp(("10.0.0.5", 9), ("192.0.2.5", 80)).leaving("eth2");
    assert!(!accepts(&policy, Hook::Forward, &without), "no interface is no eth1");
}

#[test]
fn lists_stay_lists() {
    let sources = ["10.0.0.1", "10.0.0.2", "10.0.0.3"].map(|one| place("-", one)).to_vec();
    let targets = ["10.1.0.1", "10.1.0.2", "10.1.0.3", "10.1.0.4"].map(|one| place("-", one));
    let parts = vec![tcp_part("1-20")];
    let same = flow(FORWARD, sources, targets.to_vec(), parts);
    let items = [1, 2].map(|n| Item::Rule(rule(n, Action::Allow, vec![same.clone()])));
    let meaning = meaning(&no_implicit(policy(items.to_vec())));
    let list = meaning.base(Family::V4, BaseChain::FilterForward).expect("a list");
    let [first, second] = &list.entries[..] else { panic!("two entries") };
    let [product] = first.set.products() else { panic!("one product") };
    let sizes: Vec<usize> = product.factors().iter().map(|one| one.boxes().len()).collect();
    assert_eq!(sizes, [3, 4, 1]);
    let other = &second.set.products()[0];
    let pairs = product.factors().iter().zip(other.factors());
    assert!(pairs.clone().count() == 3 && pairs.clone().all(|(a, b)| a.is_shared_with(b)));
}

#[test]
fn a_family_that_is_excluded_has_no_entry() {
    let entries = |flow: Flow| {
        let policy = no_implicit(policy(vec![Item::Rule(rule(1, Action::Drop, vec![flow]))]));
        Family::BOTH.map(|family| reasons(&policy, family, Hook::Input).len())
    };
    let from = |addresses| flow(INPUT, vec![place("eth0", addresses)], anywhere(), vec![Part::Any]);
    assert_eq!(entries(all(INPUT)), [1, 1]);
    assert_eq!(entries(Flow { families: Families::only(Family::V6), ..all(INPUT) }), [0, 1]);
    assert_eq!(entries(from("10.0.0.0/8")), [1, 0]);
    assert_eq!(entries(from("2001:db8::/32")), [0, 1]);
    assert_eq!(entries(from("")), [0, 0]);
    let parts = |part| flow(INPUT, anywhere(), anywhere(), vec![part]);
    assert_eq!(entries(parts(Part::Icmp(IcmpType::new(Family::V6, 128)))), [0, 1]);
    assert_eq!(entries(parts(Part::Protocol(Protocol::ICMP))), [1, 0]);
    assert_eq!(entries(flow(INPUT, anywhere(), Vec::new(), vec![Part::Any])), [0, 0]);
}

#[test]
fn parts_look_at_fields_that_the_packet_has() {
    let with = |part| {
        let flows = vec![flow(INPUT, anywhere(), anywhere(), vec![part])];
        no_implicit(policy(vec![Item::Rule(rule(1, Action::Allow, flows))]))
    };
    let input =
        |policy: &Policy, payload| accepts(policy, Hook::Input, &ssh(Family::V4).carrying(payload));
    let udp = Payload::Udp { source: 53, destination: 22 };
    let echo = Payload::Icmp { kind: 8, code: 0 };
    let ssh_tcp = ssh(Family::V4).payload;
    let low = with(tcp_part("0-65535"));
    assert!(input(&low, ssh_tcp) && !input(&low, udp) && !input(&low, echo));
    let full = crate::net::Ports::full();
    let dns = crate::net::Ports::single(53);
    let answers = Part::Ports { protocol: PortProtocol::Udp, source: dns, destination: full };
    assert!(input(&with(answers.clone()), udp) && !input(&with(answers), ssh_tcp));
    let one_code = Part::Icmp(IcmpType { family: Family::V4, kind: 3, code: Some(4) });
    assert!(input(&with(one_code.clone()), Payload::Icmp { kind: 3, code: 4 }));
    assert!(!input(&with(one_code), Payload::Icmp { kind: 3, code: 3 }));
    let any_code = with(Part::Icmp(IcmpType::new(Family::V4, 3)));
    assert!(input(&any_code, Payload::Icmp { kind: 3, code: 255 }));
    assert!(!input(&any_code, Payload::Icmp { kind: 4, code: 0 }));
    let gre = Protocol::new(47).expect("a protocol");
    let gre_rule = with(Part::Protocol(gre));
    assert!(input(&gre_rule, Payload::Other(gre)) && !input(&gre_rule, udp));
}

#[test]
fn all_conditions_must_hold() {
    let mac = Mac::parse("02:00:00:00:00:07").expect("a mac");
    let flags = FlagMatch::new(TcpFlags::SYN, TcpFlags::ALL).expect("a subset");
    let user = Account::Name("www".into());
    let conditions = vec![
        Condition::State([CtState::New, CtState::Untracked].into_iter().collect::<CtStates>()),
        Condition::Flags(flags),
        Condition::Mac(vec![mac]),
        Condition::Mark(MarkMatch::new(0x10, 0xf0).expect("a match")),
        Condition::Mark(MarkMatch::new(0x1, 0x1).expect("a match")),
        Condition::User(user.clone()),
        Condition::Group(Account::Number(33)),
        Condition::Length(IntervalSet::range(60, 100)),
        Condition::Ttl(64),
    ];
    let rule = Rule { conditions, ..rule(1, Action::Allow, vec![all(INPUT)]) };
    let policy = no_implicit(policy(vec![Item::Rule(rule)]));
    let good = Packet {
        mac: Some(mac),
        mark: 0xf13,
        user: Some(user),
        group: Some(Account::Number(33)),
        ..ssh(Family::V4)
    };
    let input = |packet: &Packet| accepts(&policy, Hook::Input, packet);
    assert!(input(&good));
    let all_flags = Payload::Tcp { source: 1, destination: 2, flags: TcpFlags::ALL };
    let bad = [
        Packet { state: CtState::Established, ..good.clone() },
        Packet { payload: all_flags, ..good.clone() },
        Packet { payload: Payload::Udp { source: 1, destination: 2 }, ..good.clone() },
        Packet { mac: None, ..good.clone() },
        Packet { mac: Mac::parse("02:00:00:00:00:08"), ..good.clone() },
        Packet { mark: 0x23, ..good.clone() },
        Packet { mark: 0x12, ..good.clone() },
        Packet { user: None, ..good.clone() },
        Packet { user: Some(Account::Number(33)), ..good.clone() },
        Packet { group: Some(Account::Number(34)), ..good.clone() },
        Packet { length: 59, ..good.clone() },
        Packet { length: 101, ..good.clone() },
        Packet { ttl: 63, ..good.clone() },
    ];
    for packet in bad {
        assert!(!input(&packet), "{packet:?}");
    }
}

#[test]
fn conditions_that_exclude_each_other_say_nothing() {
    let only = |state| Condition::State([state].into_iter().collect::<CtStates>());
    let conditions = vec![only(CtState::New), only(CtState::Invalid)];
    let rule = Rule { conditions, ..rule(1, Action::Allow, vec![all(INPUT)]) };
    let policy = no_implicit(policy(vec![Item::Rule(rule)]));
    assert_eq!(reasons(&policy, Family::V4, Hook::Input), []);
}
