use std::net::IpAddr;

use super::*;
use crate::net::{
    Account, Addresses, CtState, CtStates, Family, Interface, Protocol, Rate, TcpFlags,
};
use crate::packet::{Original, Payload};
use crate::ruleset::{
    Conntrack, DynamicSet, KernelSet, MatchKind, Origin, SetContent, SetSide, TableName,
};

fn packet(port: u16) -> Packet {
    let address = |text: &str| text.parse::<IpAddr>().expect("an address");
    Packet {
        incoming: Some("eth0".into()),
        outgoing: None,
        source: address("198.51.100.1"),
        destination: address("192.0.2.1"),
        payload: Payload::Tcp { source: 40000, destination: port, flags: TcpFlags::SYN },
        state: CtState::New,
        original: None,
        to_local: true,
        mac: None,
        mark: 0,
        connection_mark: 0,
        user: None,
        group: None,
        length: 60,
        ttl: 64,
        dscp: 0,
        opaque: std::collections::BTreeSet::new(),
    }
}

fn rule(matches: Vec<Match>, target: Target) -> Rule {
    Rule { matches, target, origin: Origin::Default(None) }
}

fn on(port: u16, target: Target) -> Rule {
    let matches = vec![
        MatchKind::Protocol(Protocol::TCP).into(),
        MatchKind::DestinationPort(port, port).into(),
    ];
    rule(matches, target)
}

fn always(target: Target) -> Rule {
    rule(Vec::new(), target)
}

fn table(chains: Vec<(&str, Vec<Rule>)>) -> Table {
    let chain = |(name, rules): (&str, Vec<Rule>)| Chain {
        policy: (name == "INPUT").then_some(ChainPolicy::Drop),
        name: name.into(),
        rules,
    };
    Table { name: TableName::Filter, chains: chains.into_iter().map(chain).collect() }
}

fn ask(table: &Table, packet: &Packet) -> Trace {
    trace(table, "INPUT", packet, &mut |_| true)
}

fn steps(trace: &Trace) -> Vec<(&str, usize)> {
    trace.steps.iter().map(|step| (&*step.chain, step.rule)).collect()
}

fn jump(name: &str) -> Target {
    Target::Jump(name.into())
}

fn goto(name: &str) -> Target {
    Target::Goto(name.into())
}

const POLICY: Outcome = Outcome::Policy(ChainPolicy::Drop);

#[test]
fn the_first_rule_that_decides_decides() {
    let table = table(vec![("INPUT", vec![on(22, Target::Accept), always(Target::Drop)])]);
    let ssh = ask(&table, &packet(22));
    assert_eq!((ssh.outcome.clone(), steps(&ssh)), (Outcome::Accept, vec![("INPUT", 0)]));
    let web = ask(&table, &packet(80));
    assert_eq!((web.outcome.clone(), steps(&web)), (Outcome::Drop, vec![("INPUT", 1)]));
}

#[test]
fn the_end_of_a_jump_goes_on_behind_it() {
    let table = table(vec![
        ("INPUT", vec![always(jump("a")), always(Target::Accept)]),
        ("a", vec![on(22, Target::Return), on(80, Target::Drop)]),
    ]);
    assert_eq!(ask(&table, &packet(22)).outcome, Outcome::Accept);
    assert_eq!(ask(&table, &packet(80)).outcome, Outcome::Drop);
    let other = ask(&table, &packet(443));
    assert_eq!(steps(&other), [("INPUT", 0), ("INPUT", 1)]);
}

#[test]
fn return_in_a_built_in_chain_is_the_policy() {
    let table = table(vec![("INPUT", vec![always(Target::Return), always(Target::Accept)])]);
    assert_eq!(ask(&table, &packet(22)).outcome, POLICY);
}

#[test]
fn goto_from_a_built_in_chain_ends_in_the_policy() {
    let table = table(vec![
        ("INPUT", vec![always(goto("a")), always(Target::Accept)]),
        ("a", vec![on(22, Target::Accept)]),
    ]);
    assert_eq!(ask(&table, &packet(22)).outcome, Outcome::Accept);
    assert_eq!(ask(&table, &packet(80)).outcome, POLICY);
}

#[test]
fn the_end_of_a_goto_goes_back_to_the_caller_of_its_chain() {
    let table = table(vec![
        ("INPUT", vec![always(jump("a")), always(Target::Accept)]),
        ("a", vec![always(goto("b")), always(Target::Drop)]),
        ("b", vec![on(22, Target::Return)]),
    ]);
    for port in [22, 80] {
        assert_eq!(ask(&table, &packet(port)).outcome, Outcome::Accept);
    }
}

#[test]
fn logs_do_not_end_the_walk() {
    let log = Target::Log { prefix: Some("x ".into()), level: 6 };
    let table = table(vec![("INPUT", vec![always(log), always(Target::Accept)])]);
    let trace = ask(&table, &packet(22));
    assert_eq!(trace.outcome, Outcome::Accept);
    assert_eq!(trace.logs, [LogLine { prefix: Some("x ".into()), level: 6 }]);
}

#[test]
fn rings_and_missing_chains_end_the_walk() {
    let ring = |first, second| {
        table(vec![
            ("INPUT", vec![always(jump("a"))]),
            ("a", vec![always(first)]),
            ("b", vec![always(second)]),
        ])
    };
    for ring in [ring(jump("b"), jump("a")), ring(goto("b"), goto("a")), ring(goto("b"), jump("a"))]
    {
        assert_eq!(ask(&ring, &packet(22)).outcome, Outcome::Broken(Fault::Ring("a".into())));
    }
    let open = table(vec![("INPUT", vec![always(jump("nowhere"))])]);
    assert_eq!(ask(&open, &packet(22)).outcome, Outcome::Broken(Fault::NoChain("nowhere".into())));
}

#[test]
fn a_chain_that_others_jump_to_gives_packets_back() {
    let table = table(vec![
        ("a", vec![always(goto("b"))]),
        ("b", vec![on(22, Target::Drop), always(Target::Return), always(Target::Accept)]),
    ]);
    let outcome = |port| trace(&table, "a", &packet(port), &mut |_| true).outcome;
    assert_eq!((outcome(22), outcome(80)), (Outcome::Drop, Outcome::Returned));
}

#[test]
fn deep_chains_need_no_stack() {
    let names: Vec<String> = (0..100_000).map(|at| format!("c{at}")).collect();
    let mut chains = vec![("INPUT", vec![always(goto("c0"))])];
    for (at, name) in names.iter().enumerate().take(2000) {
        chains.push((name, vec![always(jump(&names[at + 1]))]));
    }
    chains.push((&names[2000], vec![always(Target::Accept)]));
    assert_eq!(ask(&table(chains), &packet(22)).outcome, Outcome::Accept);
}

#[test]
fn history_is_asked_only_when_the_rest_holds() {
    let rate = Rate::parse("5/minute").expect("a rate");
    let mut limited = on(22, Target::Accept);
    limited.matches.push(MatchKind::Limit { rate, burst: 5 }.into());
    let table = table(vec![("INPUT", vec![limited])]);
    let mut asked = 0;
    let open = trace(&table, "INPUT", &packet(80), &mut |_| {
        asked += 1;
        true
    });
    assert_eq!((open.outcome, asked), (POLICY, 0));
    let shut = trace(&table, "INPUT", &packet(22), &mut |_| false);
    assert_eq!(shut.outcome, POLICY);
    assert_eq!(ask(&table, &packet(22)).outcome, Outcome::Accept);
}

fn holds(negated: bool, kind: MatchKind, packet: &Packet) -> bool {
    matches(&Match { negated, kind }, packet, &mut |_| true)
}

#[test]
fn what_a_packet_lacks_fulfils_nothing() {
    let mut ping = packet(0);
    ping.payload = Payload::Icmp { kind: 8, code: 0 };
    for negated in [false, true] {
        assert!(!holds(negated, MatchKind::DestinationPort(80, 80), &ping));
        assert!(!holds(negated, MatchKind::SourcePorts(vec![(80, 80)]), &ping));
        assert!(!holds(negated, MatchKind::Mac(crate::net::Mac([0; 6])), &ping));
    }
    assert!(holds(true, MatchKind::DestinationPort(80, 80), &packet(22)));
}

#[test]
fn no_interface_and_no_sender_fulfil_the_opposite() {
    let out = Interface::new("eth1").expect("a name");
    assert!(!holds(false, MatchKind::Out(out.clone()), &packet(22)));
    assert!(holds(true, MatchKind::Out(out), &packet(22)));
    assert!(!holds(false, MatchKind::User(Account::Number(0)), &packet(22)));
    assert!(holds(true, MatchKind::User(Account::Number(0)), &packet(22)));
}

#[test]
fn connections_are_asked_of_packets_that_have_one() {
    let prefix =
        |text: &str| Prefix::containing(text.parse().expect("an address"), 32).expect("a length");
    let to = |address: &str, states: &[CtState]| {
        MatchKind::Conntrack(Conntrack {
            states: states.iter().copied().collect::<CtStates>(),
            original_destination: Some(prefix(address)),
            ..Conntrack::default()
        })
    };
    let dnat = MatchKind::Conntrack(Conntrack { dnat: true, ..Conntrack::default() });
    let mut seen = packet(8443);
    assert!(!holds(false, dnat.clone(), &seen));
    let before = "203.0.113.7".parse().expect("an address");
    seen.original = Some(Original { destination: before, port: Some(443) });
    assert!(holds(false, dnat.clone(), &seen));
    assert!(holds(false, to("203.0.113.7", &[]), &seen));
    assert!(!holds(true, to("203.0.113.7", &[]), &seen));
    // Seen in the kernel: without a connection only the state counts, if it is asked for.
    let mut untracked = packet(22);
    untracked.state = CtState::Untracked;
    assert!(holds(false, to("9.9.9.9", &[CtState::Untracked]), &untracked));
    assert!(!holds(true, to("9.9.9.9", &[]), &untracked));
    assert!(!holds(false, to("192.0.2.1", &[]), &untracked));
    assert!(holds(true, dnat, &untracked));
}

fn set(name: &str, content: SetContent) -> Arc<KernelSet> {
    let origin = Origin::Default(None);
    Arc::new(KernelSet { name: name.into(), family: Family::V4, content, origin })
}

#[test]
fn sets_are_asked_by_what_is_in_them_and_filled_on_the_way() {
    let own = packet(22).source;
    let fixed = set("fixed.v4", SetContent::Static(Addresses::single(own)));
    let shape = DynamicSet { timeout: 60, size: 10, length: 32 };
    let filled = set("filled.v4", SetContent::Dynamic(shape));
    let other = Arc::new(KernelSet { family: Family::V6, ..(*fixed).clone() });
    let is_in = |set: &Arc<KernelSet>, negated| Match {
        negated,
        kind: MatchKind::Set { set: Arc::clone(set), side: SetSide::Source },
    };
    let outcome = |found: Match| {
        ask(&table(vec![("INPUT", vec![rule(vec![found], Target::Accept)])]), &packet(22)).outcome
    };
    for (set, expected) in [(&fixed, true), (&filled, false), (&other, false)] {
        assert_eq!(outcome(is_in(set, false)) == Outcome::Accept, expected, "{set:?}");
        assert_eq!(outcome(is_in(set, true)) == Outcome::Accept, !expected, "not {set:?}");
    }

    let add = Target::AddSource { set: Arc::clone(&filled), timeout: None };
    let rules = vec![always(add.clone()), rule(vec![is_in(&filled, false)], Target::Accept)];
    let found = ask(&table(vec![("INPUT", rules)]), &packet(22));
    assert_eq!((found.outcome, found.changes), (Outcome::Accept, vec![add]));
}

/// `xt_CT` leaves a packet alone that has a connection, or was told to have none.
#[test]
fn conntrack_is_told_once() {
    use crate::net::Helper;

    let ftp = || always(Target::Helper(Helper::Ftp));
    let raw = |rules| table(vec![("INPUT", rules)]);
    let told = ask(&raw(vec![ftp(), always(Target::Notrack)]), &packet(21));
    assert_eq!(told.changes, [Target::Helper(Helper::Ftp)]);
    assert_eq!((told.packet.state, told.steps.len()), (CtState::New, 2));
    let told = ask(&raw(vec![always(Target::Notrack), ftp()]), &packet(21));
    assert_eq!(told.changes, [Target::Notrack]);
    assert_eq!(told.packet.state, CtState::Untracked);
    // And what comes in on lo has its connection.
    let known = Packet { incoming: Some("lo".into()), ..packet(21) };
    let told = ask(&raw(vec![always(Target::Notrack)]), &known);
    assert_eq!((told.packet.state, told.changes), (CtState::New, Vec::new()));
}

#[test]
fn what_changes_a_packet_lets_it_go_on_as_it_is_then() {
    let mark = |value, mask| crate::net::MarkMatch::new(value, mask).expect("within");
    let rules = vec![
        always(Target::RestoreMark(0xf00)),
        always(Target::SetMark(mark(0x10, 0xf0))),
        rule(vec![MatchKind::Mark(mark(0x10, 0xf0)).into()], Target::SetConnmark(mark(1, 0xf))),
        rule(vec![MatchKind::Connmark(mark(1, 0xf)).into()], Target::Accept),
    ];
    let table = table(vec![("INPUT", rules)]);
    let known = Packet { mark: 0xfff, connection_mark: 0x3a5, ..packet(22) };
    let found = ask(&table, &known);
    assert_eq!(found.outcome, Outcome::Accept);
    assert_eq!((found.packet.mark, found.packet.connection_mark), (0x31f, 0x3a1));
    assert_eq!(found.changes.len(), 3);
    let unknown = Packet { state: CtState::Untracked, mark: 0xfff, ..packet(22) };
    let found = ask(&table, &unknown);
    assert_eq!(found.outcome, Outcome::Policy(ChainPolicy::Drop));
    assert_eq!((found.packet.mark, found.packet.connection_mark), (0xf1f, 0));
}
