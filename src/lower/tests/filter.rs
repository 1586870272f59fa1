use super::build::*;
use super::show;
use crate::net::{CtState, Family, IcmpType, Mac, Protocol};
use crate::resolve::policy::{Action, Condition, Hook, Part, RejectWith, Verdict};
use crate::ruleset::{Origin, TableName};

#[test]
fn every_table_is_declared_with_all_its_chains() {
    let lowered = policy().lower();
    for ruleset in [lowered.v4, lowered.v6] {
        let names: Vec<TableName> = ruleset.tables.iter().map(|table| table.name).collect();
        assert_eq!(names, TableName::ALL[..4], "no policy has rules for SELinux");
        for table in &ruleset.tables {
            let chains: Vec<&str> = table.chains.iter().map(|chain| &*chain.name).collect();
            assert_eq!(chains, table.name.built_in_chains());
        }
    }
}

#[test]
fn implicit_rules_stand_on_top_in_their_order() {
    let mut build = policy().rule(on(Hook::Input, Action::Allow).parts(vec![tcp("22")]));
    let implicit = &mut build.policy.implicit;
    (implicit.loopback, implicit.established, implicit.invalid) = (true, true, true);
    (implicit.neighbour_discovery, implicit.dhcpv6_client) = (true, true);
    assert_eq!(
        build.filter(),
        ":INPUT DROP\n-i lo ACCEPT\nct related established ACCEPT\nct invalid DROP\n\
         -p tcp --dport 22 ACCEPT\n"
    );
    let v6 = show::chain(&build.lower().v6, TableName::Filter, "INPUT");
    assert_eq!(v6.len(), 3 + 8 + 1 + 1);
    assert_eq!(v6[3], "-p ipv6-icmp --icmp-type router-solicitation ACCEPT");
    assert_eq!(v6[11], "-s fe80::/10 -p udp --sport 547 --dport 546 ACCEPT");

    let forwarding = build.rule(on(Hook::Forward, Action::Allow).parts(vec![tcp("80")]));
    let forward = forwarding.filter_chain("FORWARD");
    assert_eq!(
        forward,
        ["ct related established ACCEPT", "ct invalid DROP", "-p tcp --dport 80 ACCEPT"]
    );
}

#[test]
fn output_gets_implicit_rules_when_something_there_can_refuse() {
    let mut build = policy()
        .chain("guard", vec![scoped(crate::resolve::policy::Scope::Chain, Action::Drop)])
        .rule(on(Hook::Output, Action::Jump(crate::resolve::policy::ChainId(0))));
    build.policy.implicit.loopback = true;
    build.policy.implicit.invalid = true;
    assert_eq!(build.filter_chain("OUTPUT"), ["-o lo ACCEPT", "-> guard"]);
    build.policy.chains[0].rules.clear();
    assert_eq!(build.filter_chain("OUTPUT"), ["-> guard"]);
}

#[test]
fn defaults_log_and_reject_at_the_end() {
    let mut build = policy();
    build.policy.defaults.input.log = Some(log("rest "));
    build.policy.defaults.input.verdict = Verdict::Reject(RejectWith::PortUnreachable);
    assert_eq!(
        build.filter(),
        ":INPUT DROP\n--limit 10/minute burst 20 LOG \"rest \" 4\nREJECT icmp-port-unreachable\n"
    );
    let rule = &build.lower().v6.tables[0].chains[0].rules[1];
    assert_eq!(show::rule(rule), "REJECT icmp6-port-unreachable");
    assert_eq!(rule.origin, Origin::Default(None));
}

#[test]
fn lists_do_not_multiply() {
    let many = "1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31,33,35,37,39";
    let build = policy().rule(
        on(Hook::Forward, Action::Allow)
            .from(vec![place("", "10.0.0.1 10.0.1.1 10.0.2.1")])
            .to(vec![place("", "10.1.0.1 10.1.1.1 10.1.2.1 10.1.3.1")])
            .parts(vec![tcp(many)]),
    );
    assert_eq!(
        build.filter(),
        ":FORWARD DROP\n\
         -p tcp --dports 1,3,5,7,9,11,13,15,17,19,21,23,25,27,29 -> from-2\n\
         -p tcp --dports 31,33,35,37,39 -> from-2\n\
         :to-1 -\n\
         -d 10.1.0.1/32 ACCEPT\n-d 10.1.1.1/32 ACCEPT\n-d 10.1.2.1/32 ACCEPT\n\
         -d 10.1.3.1/32 ACCEPT\n\
         :from-2 -\n\
         -s 10.0.0.1/32 => to-1\n-s 10.0.1.1/32 => to-1\n-s 10.0.2.1/32 => to-1\n"
    );
}

#[test]
fn a_small_product_is_written_out() {
    let build = policy().rule(
        on(Hook::Input, Action::Allow)
            .from(vec![place("eth1 wlan+", "10.0.0.0/24")])
            .parts(vec![tcp("22"), udp("53")]),
    );
    assert_eq!(
        build.filter_chain("INPUT"),
        [
            "-s 10.0.0.0/24 -i eth1 -p tcp --dport 22 ACCEPT",
            "-s 10.0.0.0/24 -i eth1 -p udp --dport 53 ACCEPT",
            "-s 10.0.0.0/24 -i wlan+ -p tcp --dport 22 ACCEPT",
            "-s 10.0.0.0/24 -i wlan+ -p udp --dport 53 ACCEPT",
        ]
    );
    let v6 = show::chain(&build.lower().v6, TableName::Filter, "INPUT");
    assert!(v6.is_empty(), "the place is empty in IPv6: {v6:?}");
}

#[test]
fn names_of_chains_do_not_shift() {
    let wide = || {
        on(Hook::Forward, Action::Allow)
            .from(vec![place("", "10.0.0.1 10.0.1.1 10.0.2.1")])
            .to(vec![place("", "10.1.0.1 10.1.1.1 10.1.2.1")])
    };
    let one = policy().rule(wide().parts(vec![tcp("1")])).lower().v4;
    let two = policy()
        .rule(on(Hook::Forward, Action::Drop).parts(vec![tcp("9")]))
        .rule(wide().parts(vec![tcp("1")]))
        .rule(wide().parts(vec![tcp("2")]))
        .lower()
        .v4;
    let names = |ruleset: &crate::ruleset::Ruleset| {
        ruleset.tables[0].chains[3..].iter().map(|chain| chain.name.clone()).collect::<Vec<_>>()
    };
    let (one, two_names) = (names(&one), names(&two));
    assert_eq!(one[..], two_names[..1], "what is inserted above does not matter");
    assert_eq!(two_names.len(), 2, "each statement has a chain of its own");
    assert_eq!(two.tables[0].chains[1].rules.len(), 1 + 2 * 3);
}

#[test]
fn several_places_with_products_share_the_rest() {
    let lan = place("eth1 eth2 eth3", "10.0.0.1 10.0.1.1 10.0.2.1");
    let dmz = place("eth4 eth5 eth6", "10.1.0.1 10.1.1.1 10.1.2.1");
    let build = policy().rule(
        on(Hook::Input, Action::Allow).from(vec![lan, dmz]).parts(vec![tcp("22"), udp("53")]),
    );
    let lowered = build.lower().v4;
    assert!(lowered.rule_count() <= 17, "{}", build.filter());
}

#[test]
fn a_chain_of_several_levels_is_entered_with_the_conditions() {
    let mut rule = on(Hook::Input, Action::Drop)
        .from(vec![place("eth0 eth1 eth2", "10.0.0.1 10.0.1.1 10.0.2.1")])
        .parts(vec![tcp("22")]);
    rule.conditions = vec![Condition::State([CtState::New].into_iter().collect())];
    assert_eq!(
        policy().rule(rule).filter(),
        ":INPUT DROP\n\
         -i eth0 -p tcp --dport 22 ct new -> from-1\n\
         -i eth1 -p tcp --dport 22 ct new -> from-1\n\
         -i eth2 -p tcp --dport 22 ct new -> from-1\n\
         :from-1 -\n-s 10.0.0.1/32 DROP\n-s 10.0.1.1/32 DROP\n-s 10.0.2.1/32 DROP\n"
    );
}

#[test]
fn parts_keep_to_their_family() {
    let icmp = |family, kind| Part::Icmp(IcmpType::new(family, kind));
    let parts = vec![
        icmp(Family::V4, 8),
        icmp(Family::V6, 128),
        Part::Protocol(Protocol::ICMPV6),
        Part::Protocol(Protocol::new(47).expect("not 0")),
    ];
    let lowered = policy().rule(on(Hook::Input, Action::Allow).parts(parts)).lower();
    assert_eq!(
        show::chain(&lowered.v4, TableName::Filter, "INPUT"),
        ["-p 47 ACCEPT", "-p icmp --icmp-type echo-request ACCEPT"]
    );
    assert_eq!(
        show::chain(&lowered.v6, TableName::Filter, "INPUT"),
        ["-p 47 ACCEPT", "-p ipv6-icmp ACCEPT"]
    );
}

#[test]
fn a_logged_verdict_logs_first() {
    let simple = on(Hook::Input, Action::Drop).parts(vec![tcp("23")]).log("telnet ");
    let several = on(Hook::Input, Action::Drop).parts(vec![tcp("23"), udp("23")]).log("telnet ");
    assert_eq!(
        policy().rule(simple).filter_chain("INPUT"),
        [
            "-p tcp --dport 23 --limit 10/minute burst 20 LOG \"telnet \" 4",
            "-p tcp --dport 23 DROP"
        ]
    );
    assert_eq!(
        policy().rule(several).filter(),
        ":INPUT DROP\n-p tcp --dport 23 -> log-1\n-p udp --dport 23 -> log-1\n\
         :log-1 -\n--limit 10/minute burst 20 LOG \"telnet \" 4\nDROP\n"
    );
}

#[test]
fn a_log_of_overlapping_alternatives_writes_one_line() {
    let rule = on(Hook::Input, Action::Log)
        .from(vec![place("eth0", ""), place("", "10.0.0.0/8")])
        .log("seen ");
    assert_eq!(
        policy().rule(rule).filter(),
        ":INPUT DROP\n-> from-2\n\
         :log-1 -\n--limit 10/minute burst 20 LOG \"seen \" 4\n\
         :from-2 -\n-i eth0 => log-1\n-s 10.0.0.0/8 => log-1\n"
    );
}

#[test]
fn a_reset_names_tcp_where_it_stands() {
    let mut rule =
        on(Hook::Output, Action::Reject(RejectWith::TcpReset)).parts(vec![tcp("25")]).log("mail ");
    rule.conditions = vec![Condition::Mac(vec![Mac([0; 6]), Mac([1; 6])])];
    let text = policy().rule(rule).filter();
    assert!(text.contains("\n-p tcp REJECT tcp-reset\n"), "{text}");
}

#[test]
fn comments_stand_where_the_verdict_is() {
    let mut rule = on(Hook::Input, Action::Drop).log("x");
    rule.remarks.comment = Some("say \"hi\" [owner ops, ticket T-1]".into());
    let build = policy().rule(rule);
    assert_eq!(
        build.filter_chain("INPUT")[1],
        r#"--comment "say \"hi\" [owner ops, ticket T-1]" DROP"#
    );
}
