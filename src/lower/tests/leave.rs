use super::build::*;
use crate::resolve::policy::{Action, ChainId, Hook, LimitKind, Rule, Scope};

fn in_chain(action: Action) -> Rule {
    scoped(Scope::Chain, action)
}

/// Three lists of four: too many rules to multiply out.
fn wide(rule: Rule) -> Rule {
    rule.from(vec![place("", "10.0.0.1 10.0.1.1 10.0.2.1 10.0.4.1")])
        .to(vec![place("", "10.1.0.1 10.1.1.1 10.1.2.1 10.1.4.1")])
        .parts(vec![
            tcp("1"),
            udp("1"),
            crate::resolve::policy::Part::Protocol(crate::net::Protocol::SCTP),
        ])
}

#[test]
fn a_jump_goes_to_the_users_chain_once() {
    let jump = || on(Hook::Input, Action::Jump(ChainId(0)));
    let disjoint = jump().from(vec![place("eth0 eth1", "")]);
    let overlapping = jump().from(vec![place("eth0", ""), place("", "10.0.0.0/8")]);
    let build = policy().chain("guard", vec![in_chain(Action::Return)]);
    let build = build.rule(disjoint).rule(overlapping);
    assert_eq!(
        build.filter(),
        ":INPUT DROP\n-i eth0 -> guard\n-i eth1 -> guard\n-> from-2\n\
         :guard -\nRETURN\n\
         :from-2 -\n-i eth0 => guard\n-s 10.0.0.0/8 => guard\n"
    );
}

#[test]
fn a_return_stands_in_the_chain_itself() {
    let rule =
        in_chain(Action::Return).from(vec![place("eth0 eth1", "")]).parts(vec![tcp("1"), udp("1")]);
    let build = policy().chain("guard", vec![rule, in_chain(Action::Drop)]);
    assert_eq!(
        build.filter_chain("guard"),
        [
            "-i eth0 -p tcp --dport 1 RETURN",
            "-i eth0 -p udp --dport 1 RETURN",
            "-i eth1 -p tcp --dport 1 RETURN",
            "-i eth1 -p udp --dport 1 RETURN",
            "DROP",
        ]
    );
}

#[test]
fn a_wide_return_is_reached_by_goto_alone() {
    let build =
        policy().chain("guard", vec![wide(in_chain(Action::Return)), in_chain(Action::Drop)]);
    let text = build.filter();
    assert_eq!(
        text,
        ":guard -\n\
         -p sctp => from-4\n-p tcp --dport 1 => from-4\n-p udp --dport 1 => from-4\n=> rest-2\n\
         :rest-2 -\nDROP\n\
         :to-3 -\n-d 10.1.0.1/32 RETURN\n-d 10.1.1.1/32 RETURN\n-d 10.1.2.1/32 RETURN\n\
         -d 10.1.4.1/32 RETURN\n=> rest-2\n\
         :from-4 -\n-s 10.0.0.1/32 => to-3\n-s 10.0.1.1/32 => to-3\n-s 10.0.2.1/32 => to-3\n\
         -s 10.0.4.1/32 => to-3\n=> rest-2\n"
    );
    assert!(!text.contains("->"), "nothing may come back: {text}");
}

#[test]
fn a_wide_goto_at_the_end_needs_no_rest() {
    let build = policy()
        .chain("other", vec![in_chain(Action::Drop)])
        .chain("guard", vec![wide(in_chain(Action::Goto(ChainId(0))))]);
    let text = build.filter();
    assert!(!text.contains("->") && !text.contains("rest"), "{text}");
    assert_eq!(text.matches("=> other").count(), 4);
}

#[test]
fn limits_of_a_return_count_in_one_place() {
    let connections = LimitKind::Connections { count: 3, per_source: None };
    let parts = vec![tcp("1"), udp("1")];
    let rule = in_chain(Action::Return).parts(parts.clone()).limit(0, connections);
    let build = policy().chain("guard", vec![rule, in_chain(Action::Drop)]);
    assert_eq!(
        build.filter(),
        ":guard -\n-p tcp --dport 1 => limit-3\n-p udp --dport 1 => limit-3\n=> rest-2\n\
         :rest-2 -\nDROP\n\
         :limit-3 -\n--connlimit 3/0 RETURN\n=> rest-2\n"
    );
    let rule = in_chain(Action::Return).parts(parts).limit(0, limit_of("5/minute", 10));
    let build = policy().chain("guard", vec![rule, in_chain(Action::Drop)]);
    assert_eq!(
        build.filter_chain("guard")[1],
        "-p udp --dport 1 --hashlimit 5/minute burst 10 by [] palisade expire 120000 RETURN"
    );
}

#[test]
fn a_logged_return_leaves_the_chain_too() {
    let rule = in_chain(Action::Return).parts(vec![tcp("1"), udp("1")]).log("r ");
    let build = policy().chain("guard", vec![rule]);
    assert_eq!(
        build.filter(),
        ":guard -\n-p tcp --dport 1 => log-2\n-p udp --dport 1 => log-2\n\
         :log-2 -\n--limit 10/minute burst 20 LOG \"r \" 4\nRETURN\n"
    );
}

#[test]
fn a_return_at_the_top_means_the_default_with_its_log() {
    let rule = on(Hook::Input, Action::Return).parts(vec![tcp("1")]);
    let mut build = policy().rule(rule).rule(on(Hook::Input, Action::Allow));
    assert_eq!(build.filter_chain("INPUT"), ["-p tcp --dport 1 RETURN", "ACCEPT"]);
    build.policy.defaults.input.log = Some(log("rest "));
    build.policy.implicit.loopback = true;
    assert_eq!(
        build.filter(),
        ":INPUT DROP\n-i lo ACCEPT\n-> input.rules\n--limit 10/minute burst 20 LOG \"rest \" 4\n\
         :input.rules -\n-p tcp --dport 1 RETURN\nACCEPT\n"
    );
}

#[test]
fn no_generated_name_is_a_users() {
    let build = policy()
        .chain("input.rules", vec![in_chain(Action::Drop)])
        .rule(on(Hook::Input, Action::Goto(ChainId(0))));
    let mut build = build;
    build.policy.defaults.input.log = Some(log("rest "));
    let lowered = build.lower().v4;
    let mut names: Vec<_> = lowered.tables[0].chains.iter().map(|c| c.name.clone()).collect();
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!((names.len(), all), (5, 5));
}
