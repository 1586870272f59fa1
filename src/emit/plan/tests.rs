use super::*;
use crate::net::{Interface, Protocol};
use crate::ruleset::{Match, MatchKind, RejectType, Rule, Table, Target};
use crate::source::{Sources, Span};

fn rule(matches: Vec<Match>, target: Target, origin: Origin) -> Rule {
    Rule { matches, target, origin }
}

fn rulesets(sources: &mut Sources) -> [Ruleset; 2] {
    let file = sources.add("web.fw", "one\ntwo\nthree\n");
    let line =
        |start: usize| Origin::Statement { span: Span::new(file, start..start + 3), call: None };
    let lo = || MatchKind::In(Interface::loopback()).into();
    let tcp = || MatchKind::Protocol(Protocol::TCP).into();
    let of = |family, icmp, reject| {
        let guard = Chain {
            name: "guard".into(),
            policy: None,
            rules: vec![rule(vec![tcp()], Target::Accept, line(4))],
        };
        let input = Chain {
            name: "INPUT".into(),
            policy: Some(ChainPolicy::Drop),
            rules: vec![
                rule(vec![lo()], Target::Accept, Origin::Implicit("loopback")),
                rule(vec![MatchKind::Protocol(icmp).into()], Target::Accept, line(0)),
                rule(vec![], Target::Jump("guard".into()), line(4)),
                rule(vec![], Target::Reject(reject), Origin::Default(None)),
            ],
        };
        let nat = Table { name: TableName::Nat, chains: Vec::new() };
        let filter = Table { name: TableName::Filter, chains: vec![input, guard] };
        Ruleset { family, tables: vec![filter, nat], sets: Vec::new(), preserve: false }
    };
    [
        of(Family::V4, Protocol::ICMP, RejectType::IcmpPortUnreachable),
        of(Family::V6, Protocol::ICMPV6, RejectType::Icmp6PortUnreachable),
    ]
}

#[test]
fn the_plan_puts_equal_rules_side_by_side() {
    let mut sources = Sources::new();
    let [v4, v6] = rulesets(&mut sources);
    let expected = "\
filter

  INPUT
      1  4 6  implicit loopback  -i lo -j ACCEPT
      2  4    web.fw:1           -p icmp -j ACCEPT
      3    6  web.fw:1           -p ipv6-icmp -j ACCEPT
      4  4 6  web.fw:2           -j guard
      5  4    default            -j REJECT --reject-with icmp-port-unreachable
      6    6  default            -j REJECT --reject-with icmp6-port-unreachable
         4 6  default drop

  guard
      1  4 6  web.fw:2  -p tcp -j ACCEPT

rules: 5 IPv4, 5 IPv6; chains: 1 IPv4, 1 IPv6 beside the built-in ones
web.fw:2 became 2 IPv4 and 2 IPv6 rules, by a chain
";
    assert_eq!(plan(&v4, &v6, &sources), expected);
}

#[test]
fn the_json_plan_says_where_rules_come_from() {
    let mut sources = Sources::new();
    let [v4, v6] = rulesets(&mut sources);
    let plan = plan_json(&v4, &v6, &sources);
    let input = &plan["tables"][0]["chains"][0];
    assert_eq!(plan["version"], 1);
    assert_eq!(input["policy"], serde_json::json!({ "ipv4": "drop", "ipv6": "drop" }));
    assert_eq!(
        input["rules"][1],
        serde_json::json!({
            "number": 2, "families": ["ipv4"], "text": "-p icmp -j ACCEPT",
            "origin": { "kind": "statement", "file": "web.fw", "line": 1 },
        })
    );
    assert_eq!(plan["tables"][0]["chains"][1].get("policy"), None);
    assert_eq!(plan["summary"]["statements"][0]["by_chain"], true);
}

#[test]
fn merging_keeps_both_orders() {
    let texts = |list: &[(char, Families)]| -> String {
        let mark = |families: Families| match (families.v4, families.v6) {
            (true, true) => '=',
            (true, false) => '<',
            (false, _) => '>',
        };
        list.iter().flat_map(|(text, families)| [*text, mark(*families)]).collect()
    };
    let merge = |v4: &str, v6: &str| {
        let list = |text: &str| text.chars().collect::<Vec<_>>();
        texts(&merged(&list(v4), &list(v6)))
    };
    assert_eq!(merge("abc", "axc"), "a=b<x>c=");
    assert_eq!(merge("", "ab"), "a>b>");
    assert_eq!(merge("aa", "a"), "a=a<");
    assert_eq!(merge("ab", "ba"), "b>a=b<");
}
