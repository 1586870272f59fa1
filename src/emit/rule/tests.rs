use super::*;
use crate::net::{CtState, IcmpType, Interface, Prefix, Rate};
use crate::ruleset::{Origin, RejectType, Target};

fn text(matches: Vec<Match>, target: Target) -> String {
    let rule = Rule { matches, target, origin: Origin::Default(None) };
    rule_text(&rule, Family::V4)
}

fn no(kind: MatchKind) -> Match {
    Match { negated: true, kind }
}

fn tcp() -> Match {
    MatchKind::Protocol(Protocol::TCP).into()
}

#[test]
fn rules_are_in_the_form_of_iptables_save() {
    let net = Prefix::containing("10.1.2.3".parse().expect("an address"), 8).expect("a length");
    let matches = vec![
        MatchKind::Source(net).into(),
        no(MatchKind::In(Interface::new("wg+").expect("a name"))),
        tcp(),
        MatchKind::SourcePort(1024, 65535).into(),
        MatchKind::DestinationPort(22, 22).into(),
        MatchKind::Conntrack(Conntrack {
            states: [CtState::Related, CtState::New].into_iter().collect(),
            dnat: true,
            ..Conntrack::default()
        })
        .into(),
        MatchKind::Limit { rate: Rate::parse("60/minute").expect("a rate"), burst: 5 }.into(),
    ];
    assert_eq!(
        text(matches, Target::Accept),
        "-s 10.0.0.0/8 ! -i wg+ -p tcp -m tcp --sport 1024:65535 --dport 22 \
         -m conntrack --ctstate NEW,RELATED,DNAT -m limit --limit 1/sec -j ACCEPT"
    );
}

#[test]
fn targets_say_all_that_the_tools_would_add() {
    let address = |text: &str| text.parse().expect("an address");
    let v6 = Target::Dnat { address: address("2001:db8::1"), ports: Some((80, 80)) };
    assert_eq!(text(vec![], v6), "-j DNAT --to-destination [2001:db8::1]:80");
    let pool = Target::Snat(address("192.0.2.1"), address("192.0.2.4"));
    assert_eq!(text(vec![], pool), "-j SNAT --to-source 192.0.2.1-192.0.2.4");
    let log = |prefix: &str, level| Target::Log { prefix: Some(prefix.into()), level };
    assert_eq!(text(vec![], log("in: ", 4)), "-j LOG --log-prefix \"in: \"");
    assert_eq!(text(vec![], log("", 7)), "-j LOG --log-level 7");
    let reject = Target::Reject(RejectType::TcpReset);
    assert_eq!(text(vec![tcp()], reject), "-p tcp -j REJECT --reject-with tcp-reset");
}

#[test]
fn ports_are_said_so_that_both_tools_print_them_back() {
    let ports = |matches: Vec<Match>| {
        let all = std::iter::once(tcp()).chain(matches).collect();
        text(all, Target::Accept)
    };
    let dport = |low, high| MatchKind::DestinationPort(low, high);
    assert_eq!(ports(vec![dport(0, 65535).into()]), "-p tcp -m tcp -j ACCEPT");
    assert_eq!(
        ports(vec![no(dport(0, 65535))]),
        "-p tcp -m multiport ! --dports 0:65535 -j ACCEPT"
    );
    assert_eq!(ports(vec![no(dport(0, 1023))]), "-p tcp -m tcp --dport 1024:65535 -j ACCEPT");
    assert_eq!(
        ports(vec![dport(1, 100).into(), no(dport(80, 80))]),
        "-p tcp -m tcp --dport 1:100 -m multiport ! --dports 80 -j ACCEPT"
    );
}

#[test]
fn the_icmp_of_the_other_family_is_a_number() {
    let of = |protocol: Protocol, family| {
        let matches = vec![no(MatchKind::Protocol(protocol))];
        rule_text(&Rule { matches, target: Target::Drop, origin: Origin::Default(None) }, family)
    };
    assert_eq!(of(Protocol::ICMPV6, Family::V4), "! -p 58 -j DROP");
    assert_eq!(of(Protocol::ICMPV6, Family::V6), "! -p ipv6-icmp -j DROP");
    assert_eq!(of(Protocol::ICMP, Family::V6), "! -p 1 -j DROP");
    assert_eq!(of(Protocol::ICMP, Family::V4), "! -p icmp -j DROP");
    assert_eq!(of(Protocol::AH, Family::V6), "! -p ah -j DROP");
}

#[test]
fn what_cannot_be_said_is_refused_not_left_out() {
    let every = MatchKind::Icmp(IcmpType::new(Family::V4, 255));
    let matches = vec![MatchKind::Protocol(Protocol::ICMP).into(), every.into()];
    assert_eq!(
        text(matches, Target::Accept),
        "-p icmp -m cannot-be-written[icmp-type-255-means-every-type] -j ACCEPT"
    );
    let limit = MatchKind::Limit { rate: Rate::parse("5/minute").expect("a rate"), burst: 5 };
    let matches = vec![no(limit)];
    let rule = Rule { matches, target: Target::Accept, origin: Origin::Default(None) };
    assert_eq!(unwritable(&rule), Some("limit cannot be negated"));
}
