//! The walk of `analyze::trace` against the counters of the real kernel.

use std::time::Duration;

use crate::everything::{no, rule, yes};
use crate::load::{Variant, restore, save_with_counters};
use crate::need;
use crate::probe::{self, Probe};
use crate::world::{V4, quiet_namespace};
use palisade::analyze::trace;
use palisade::emit::{Header, iptables};
use palisade::net::{CtState, Family, IcmpType, Interface, Prefix, Protocol};
use palisade::packet::{Packet, Payload};
use palisade::ruleset::{
    Chain, ChainPolicy, Conntrack, Match, MatchKind, Rule, Ruleset, Table, TableName, Target,
};
use palisade::source::Sources;

fn always(target: Target) -> Rule {
    rule(Vec::new(), target)
}

fn ping(state: CtState) -> Packet {
    let home = "127.0.0.1".parse().expect("an address");
    Packet {
        incoming: Some("lo".into()),
        outgoing: None,
        source: home,
        destination: home,
        payload: Payload::Icmp { kind: 8, code: 0 },
        state,
        original: None,
        to_local: true,
        mac: None,
        mark: 0,
        connection_mark: 0,
        user: None,
        group: None,
        length: 28,
        ttl: 64,
        dscp: 0,
        opaque: std::collections::BTreeSet::new(),
    }
}

fn conntrack(states: &[CtState], dnat: bool, to: Option<&str>) -> MatchKind {
    let prefix =
        |text: &str| Prefix::containing(text.parse().expect("an address"), 32).expect("a length");
    MatchKind::Conntrack(Conntrack {
        states: states.iter().copied().collect(),
        dnat,
        original_destination: to.map(prefix),
        original_port: None,
    })
}

fn conditions() -> Vec<Match> {
    let eth0 = || Interface::new("eth0").expect("a name");
    let icmp = |code| MatchKind::Icmp(IcmpType { family: Family::V4, kind: 8, code });
    let kinds = [
        MatchKind::In(eth0()),
        MatchKind::In(Interface::loopback()),
        MatchKind::Out(eth0()),
        MatchKind::DestinationLocal,
        MatchKind::Mac(palisade::net::Mac([0, 1, 2, 3, 4, 5])),
        MatchKind::Length(0, 28),
        MatchKind::Ttl(64),
        MatchKind::Ttl(1),
        conntrack(&[CtState::New], false, None),
        conntrack(&[CtState::Untracked], false, None),
        conntrack(&[], true, None),
        conntrack(&[CtState::New, CtState::Invalid], true, None),
        conntrack(&[], false, Some("127.0.0.1")),
        conntrack(&[], false, Some("9.9.9.9")),
    ];
    let mut all: Vec<Match> =
        kinds.iter().cloned().flat_map(|kind| [yes(kind.clone()), no(kind)]).collect();
    all.push(yes(conntrack(&[CtState::Untracked], false, Some("9.9.9.9"))));
    all.push(yes(conntrack(&[CtState::New], false, Some("127.0.0.1"))));
    all.push(yes(conntrack(&[CtState::New], false, Some("9.9.9.9"))));
    for code in [None, Some(0), Some(3)] {
        all.push(yes(icmp(code)));
        all.push(no(icmp(code)));
    }
    all
}

/// A chain for every condition and every turn that a walk can take.
fn table() -> Table {
    let own = |name: &str, rules| Chain { name: name.into(), policy: None, rules };
    let echo = || {
        vec![
            yes(MatchKind::Protocol(Protocol::ICMP)),
            yes(MatchKind::Icmp(IcmpType { family: Family::V4, kind: 8, code: None })),
        ]
    };
    let tested = conditions().into_iter().map(|condition| {
        let mut matches = vec![condition];
        if let MatchKind::Icmp(_) = matches[0].kind {
            matches.insert(0, yes(MatchKind::Protocol(Protocol::ICMP)));
        }
        rule(matches, Target::Log { prefix: None, level: 4 })
    });
    let input = vec![
        rule(vec![no(MatchKind::Protocol(Protocol::ICMP))], Target::Drop),
        rule(echo(), Target::Jump("tested".into())),
        rule(echo(), Target::Jump("turns".into())),
        always(Target::Log { prefix: None, level: 5 }),
        rule(echo(), Target::Goto("last".into())),
        always(Target::Accept),
    ];
    let turns = vec![
        always(Target::Jump("back".into())),
        always(Target::Goto("away".into())),
        always(Target::Drop),
    ];
    let back = vec![always(Target::Return), always(Target::Drop)];
    let away = vec![always(Target::Jump("back".into()))];
    let filter =
        |name: &str, policy, rules| Chain { name: name.into(), policy: Some(policy), rules };
    let chains = vec![
        filter("INPUT", ChainPolicy::Drop, input),
        filter("FORWARD", ChainPolicy::Accept, Vec::new()),
        filter("OUTPUT", ChainPolicy::Accept, Vec::new()),
        own("tested", tested.collect()),
        own("turns", turns),
        own("back", back),
        own("away", away),
        own("last", vec![always(Target::Log { prefix: None, level: 6 })]),
    ];
    Table { name: TableName::Filter, chains }
}

/// How often each rule was met, by the kernel: `("INPUT", [0, 1, …])`.
fn counters(saved: &str, chain: &str) -> Vec<usize> {
    let mark = format!("] -A {chain} ");
    let of = |line: &str| line.strip_prefix('[')?.split(':').next()?.parse().ok();
    saved.lines().filter(|line| line.contains(&mark)).filter_map(of).collect()
}

fn agree(variant: Variant, untracked: bool) {
    if !need::met() {
        return;
    }
    let filter = table();
    let tables = vec![filter.clone()];
    let header = Header::default();
    let mut text = iptables(
        &Ruleset { family: Family::V4, tables, sets: Vec::new(), preserve: false },
        &header,
        &Sources::new(),
    );
    if untracked {
        text.push_str("*raw\n-A PREROUTING -j CT --notrack\n-A OUTPUT -j CT --notrack\nCOMMIT\n");
    }
    let namespace = quiet_namespace();
    restore(&namespace, variant, Family::V4, &text).expect("the rules load");
    // Its last rule is followed by the policy, which drops it: one packet is counted, and no answer.
    let outcome = Probe::Echo(V4.localhost).send(&namespace, Duration::from_millis(100));
    assert_eq!(outcome, probe::Outcome::TimedOut);
    let saved = save_with_counters(&namespace, variant, Family::V4);
    let filter_saved = saved.split_once("*filter").expect("the table is there").1;
    let filter_saved = filter_saved.split_once("COMMIT").expect("it has an end").0;
    let state = if untracked { CtState::Untracked } else { CtState::New };
    let walked = trace(&filter, "INPUT", &ping(state), &mut |_| true);
    for chain in &filter.chains {
        let met = |rule: usize| {
            walked.steps.iter().filter(|step| step.chain == chain.name && step.rule == rule).count()
        };
        let ours: Vec<usize> = (0..chain.rules.len()).map(met).collect();
        assert_eq!(
            ours,
            counters(filter_saved, &chain.name),
            "{variant:?} {}\n{saved}",
            chain.name
        );
    }
}

#[test]
fn legacy_walks_the_same() {
    agree(Variant::Legacy, false);
    agree(Variant::Legacy, true);
}

#[test]
fn nft_walks_the_same() {
    agree(Variant::Nft, false);
    agree(Variant::Nft, true);
}
