use super::build::*;
use super::show;
use crate::net::Family;
use crate::resolve::policy::{Action, Hook, LimitKey, LimitKind, SourceLengths};
use crate::ruleset::{MatchKind, Ruleset, TableName};

const PER_SOURCE: SourceLengths = SourceLengths { v4: 32, v6: 64 };

fn rules_of(ruleset: &Ruleset) -> impl Iterator<Item = &crate::ruleset::Rule> {
    ruleset.tables.iter().flat_map(|table| &table.chains).flat_map(|chain| &chain.rules)
}

fn counting_rules(ruleset: &Ruleset) -> usize {
    let counts =
        |rule: &&crate::ruleset::Rule| rule.matches.iter().any(|m| m.kind.depends_on_history());
    rules_of(ruleset).filter(counts).count()
}

fn table_names(ruleset: &Ruleset) -> Vec<String> {
    let matches = rules_of(ruleset).flat_map(|rule| &rule.matches);
    let name = |kind: &MatchKind| match kind {
        MatchKind::Hashlimit(table) => Some(table.name.to_string()),
        _ => None,
    };
    matches.filter_map(|m| name(&m.kind)).collect()
}

#[test]
fn a_limit_is_the_last_match() {
    let rule = on(Hook::Input, Action::Allow)
        .from(vec![place("eth0", "10.0.0.0/8")])
        .parts(vec![tcp("22")])
        .limit(0, limit_of("5/minute", 10));
    assert_eq!(
        policy().rule(rule).filter_chain("INPUT"),
        ["-s 10.0.0.0/8 -i eth0 -p tcp --dport 22 --limit 5/minute burst 10 ACCEPT"]
    );
}

#[test]
fn several_rules_of_a_statement_count_in_one_place() {
    let rule = on(Hook::Input, Action::Allow)
        .from(vec![place("eth0", ""), place("", "10.0.0.0/8")])
        .parts(vec![tcp("22"), udp("22")])
        .limit(0, limit_of("5/minute", 10));
    let build = policy().rule(rule);
    assert_eq!(
        build.filter(),
        ":INPUT DROP\n-> from-2\n\
         :limit-1 -\n--limit 5/minute burst 10 ACCEPT\n\
         :from-2 -\n\
         -i eth0 -p tcp --dport 22 => limit-1\n\
         -i eth0 -p udp --dport 22 => limit-1\n\
         -s 10.0.0.0/8 -p tcp --dport 22 => limit-1\n\
         -s 10.0.0.0/8 -p udp --dport 22 => limit-1\n"
    );
    assert_eq!(counting_rules(&build.lower().v4), 1);
}

#[test]
fn disjoint_alternatives_jump_by_themselves() {
    let rule = on(Hook::Input, Action::Allow)
        .parts(vec![tcp("22"), udp("22")])
        .limit(0, limit_of("5/minute", 10));
    assert_eq!(
        policy().rule(rule).filter(),
        ":INPUT DROP\n-p tcp --dport 22 -> limit-1\n-p udp --dport 22 -> limit-1\n\
         :limit-1 -\n--limit 5/minute burst 10 ACCEPT\n"
    );
}

#[test]
fn two_chains_share_the_allowance_of_one_statement() {
    let rule = on(Hook::Input, Action::Allow)
        .parts(vec![tcp("22")])
        .also_on(Hook::Forward)
        .limit(0, limit_of("5/minute", 10));
    assert_eq!(
        policy().rule(rule).filter(),
        ":INPUT DROP\n-p tcp --dport 22 -> limit-1\n:FORWARD DROP\n-p tcp --dport 22 -> limit-1\n\
         :limit-1 -\n--limit 5/minute burst 10 ACCEPT\n"
    );
}

#[test]
fn equal_limits_of_two_statements_are_two_allowances() {
    let rule = |id| {
        on(Hook::Input, Action::Allow)
            .parts(vec![tcp("22"), udp("22")])
            .limit(id, limit_of("5/minute", 10))
    };
    let build = policy().rule(rule(0)).rule(rule(1));
    assert_eq!(counting_rules(&build.lower().v4), 2);
    let per = vec![LimitKey::Source(PER_SOURCE)];
    let keyed = |id| {
        let kind = LimitKind::Rate { rate: rate("5/minute"), burst: 10, per: per.clone() };
        on(Hook::Input, Action::Allow).parts(vec![tcp("22")]).limit(id, kind)
    };
    let names = table_names(&policy().rule(keyed(0)).rule(keyed(1)).lower().v4);
    assert_ne!(names[0], names[1]);
}

#[test]
fn rules_that_share_a_limit_share_a_table() {
    let allow = on(Hook::Input, Action::Allow).parts(vec![tcp("22")]);
    let drop = on(Hook::Input, Action::Drop).parts(vec![tcp("23")]);
    let build = policy()
        .rule(allow.limit(7, limit_of("5/minute", 10)))
        .rule(drop.limit(7, limit_of("5/minute", 10)));
    assert_eq!(
        build.filter_chain("INPUT"),
        [
            "-p tcp --dport 22 --hashlimit 5/minute burst 10 by [] palisade expire 120000 ACCEPT",
            "-p tcp --dport 23 --hashlimit 5/minute burst 10 by [] palisade expire 120000 DROP",
        ]
    );
    let lowered = build.lower();
    let (v4, v6) = (table_names(&lowered.v4), table_names(&lowered.v6));
    assert_eq!(v4[0], v4[1]);
    assert_ne!(v4[0], v6[0], "each family counts for itself");
}

#[test]
fn keys_masks_and_expiry() {
    let per = vec![LimitKey::DestinationPort, LimitKey::Source(PER_SOURCE)];
    let kind = LimitKind::Rate { rate: rate("2/second"), burst: 1, per };
    let build = policy().rule(on(Hook::Input, Action::Allow).limit(0, kind));
    let of = |ruleset: &Ruleset| show::chain(ruleset, TableName::Filter, "INPUT");
    let lowered = build.lower();
    assert_eq!(
        of(&lowered.v4),
        ["--hashlimit 2/second burst 1 by [srcip,dstport] palisade expire 1000 ACCEPT"]
    );
    assert_eq!(
        of(&lowered.v6),
        ["--hashlimit 2/second burst 1 by [srcip,dstport]/64 palisade expire 1000 ACCEPT"]
    );
    assert_eq!(lowered.v6.family, Family::V6);
}

#[test]
fn connections_come_before_rates_and_are_counted_together() {
    let connections = LimitKind::Connections { count: 20, per_source: Some(PER_SOURCE) };
    let rule = on(Hook::Input, Action::Allow)
        .parts(vec![tcp("22")])
        .limit(0, limit_of("5/minute", 10))
        .limit(1, connections.clone());
    assert_eq!(
        policy().rule(rule).filter_chain("INPUT"),
        ["-p tcp --dport 22 --connlimit 20/32 --limit 5/minute burst 10 ACCEPT"]
    );
    let shared =
        |port| on(Hook::Input, Action::Allow).parts(vec![tcp(port)]).limit(3, connections.clone());
    assert_eq!(
        policy().rule(shared("22")).rule(shared("80")).filter(),
        ":INPUT DROP\n-p tcp --dport 22 -> limit-1\n-p tcp --dport 80 -> limit-1\n\
         :limit-1 -\n--connlimit 20/32 ACCEPT\n"
    );
}

#[test]
fn what_is_logged_is_within_the_limits() {
    let rule = on(Hook::Input, Action::Allow)
        .parts(vec![tcp("22"), udp("22")])
        .limit(0, limit_of("5/minute", 10))
        .log("in ");
    assert_eq!(
        policy().rule(rule).filter(),
        ":INPUT DROP\n-p tcp --dport 22 -> limit-2\n-p udp --dport 22 -> limit-2\n\
         :log-1 -\n--limit 10/minute burst 20 LOG \"in \" 4\nACCEPT\n\
         :limit-2 -\n--limit 5/minute burst 10 -> log-1\n"
    );
}
