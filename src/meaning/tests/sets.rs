//! Sets: who is in them, and what `add` does to the rules behind.

use super::*;
use crate::net::Duration;
use crate::packet::opaque::{SetSide, member};

fn fixed(name: &str, addresses: &str) -> Set {
    let content = SetContent::Static(set(addresses));
    Set { name: name.into(), span: origin(0).span, content }
}

fn dynamic(name: &str, v4: u8, v6: u8) -> Set {
    let timeout = Some(Duration::of_seconds(60));
    let lengths = SourceLengths { v4, v6 };
    let content = SetContent::Dynamic(Dynamic { timeout, size: DEFAULT_SET_SIZE, lengths });
    Set { name: name.into(), span: origin(0).span, content }
}

fn within(set: u32, inside: bool) -> Place {
    Place { sets: vec![Member { set: SetId(set), inside }], ..Place::anywhere() }
}

fn from(place: Place) -> Flow {
    flow(INPUT, vec![place], anywhere(), vec![Part::Any])
}

fn to(place: Place) -> Flow {
    flow(INPUT, anywhere(), vec![place], vec![Part::Any])
}

fn with_sets(sets: Vec<Set>, items: Vec<Item>) -> Policy {
    Policy { sets, ..no_implicit(policy(items)) }
}

fn decision(policy: &Policy, packet: &Packet) -> Decision {
    meaning(policy).trace(BaseChain::FilterInput, packet, &mut |_| true).decision
}

fn allow(number: usize, flow: Flow) -> Item {
    Item::Rule(rule(number, Action::Allow, vec![flow]))
}

#[test]
fn who_is_in_a_static_set_is_known() {
    let sets = || vec![fixed("x", "192.0.2.0/24, 2001:db8::/32")];
    let inside = with_sets(sets(), vec![allow(1, from(within(0, true)))]);
    let outside = with_sets(sets(), vec![allow(1, from(within(0, false)))]);
    let place = Place { addresses: set("192.0.2.0/28, 10.0.0.1"), ..within(0, true) };
    let part = with_sets(sets(), vec![allow(1, from(place))]);
    for (source, is_in, in_part) in [
        ("192.0.2.0", true, true),
        ("192.0.2.255", true, false),
        ("192.0.3.0", false, false),
        ("10.0.0.1", false, false),
        ("2001:db8::1", true, false),
        ("2001:db9::1", false, false),
    ] {
        let destination = if source.contains(':') { "2001:db8::9" } else { "192.0.2.9" };
        let packet = tcp((source, 1), (destination, 2));
        let accepted = |policy| decision(policy, &packet) == Decision::Accept;
        assert_eq!(
            (accepted(&inside), accepted(&outside), accepted(&part)),
            (is_in, !is_in, in_part),
            "{source}"
        );
    }
}

#[test]
fn an_empty_set_has_nobody_and_everybody_is_outside() {
    let policy = |inside| with_sets(vec![fixed("x", "")], vec![allow(1, from(within(0, inside)))]);
    let packet = tcp(("192.0.2.1", 1), ("192.0.2.9", 2));
    assert_eq!(decision(&policy(true), &packet), Decision::Drop);
    assert_eq!(decision(&policy(false), &packet), Decision::Accept);
}

#[test]
fn who_is_in_a_dynamic_set_is_a_fact_about_the_packet_and_its_end() {
    let mut packet = tcp(("192.0.2.1", 1), ("192.0.2.9", 2));
    let sets = || vec![dynamic("x", 32, 128)];
    let policies = [from(within(0, true)), to(within(0, true)), from(within(0, false))]
        .map(|flow| with_sets(sets(), vec![allow(1, flow)]));
    let fates = |packet: &Packet| policies.each_ref().map(|one| decision(one, packet));
    assert_eq!(fates(&packet), [Decision::Drop, Decision::Drop, Decision::Accept]);
    packet.opaque = [member(SetSide::Source, "x-1m.v4")].into();
    assert_eq!(fates(&packet), [Decision::Accept, Decision::Drop, Decision::Drop]);
    packet.opaque = [member(SetSide::Destination, "x-1m.v4")].into();
    assert_eq!(fates(&packet), [Decision::Drop, Decision::Accept, Decision::Accept]);
    // The set of the other family is another one.
    packet.opaque = [member(SetSide::Source, "x-1m.v6")].into();
    assert_eq!(fates(&packet), [Decision::Drop, Decision::Drop, Decision::Accept]);
}

#[test]
fn what_is_added_is_in_the_set_for_the_rules_behind() {
    let add = Action::Add(Addition { set: SetId(0), timeout: None });
    let asks = |flow| rule(9, Action::Drop, vec![flow]);
    let adds = || rule(1, add, vec![from(Place::of(set("192.0.2.0/24")))]);
    let all_else = || allow(10, all(INPUT));
    let policy = |rules: Vec<Rule>, length| {
        let items = rules.into_iter().map(Item::Rule).chain([all_else()]).collect();
        with_sets(vec![dynamic("x", length, length)], items)
    };
    let packet = tcp(("192.0.2.1", 1), ("192.0.2.9", 2));
    let elsewhere = tcp(("192.0.3.1", 1), ("192.0.2.9", 2));
    let source = || asks(from(within(0, true)));
    let behind = policy(vec![adds(), source()], 32);
    assert_eq!(decision(&behind, &packet), Decision::Drop);
    assert_eq!(decision(&behind, &elsewhere), Decision::Accept);
    let before = policy(vec![source(), adds()], 32);
    assert_eq!(decision(&before, &packet), Decision::Accept);
    // The destination is in the set when it is in the network that was added.
    let destination = || asks(to(within(0, true)));
    assert_eq!(decision(&policy(vec![adds(), destination()], 32), &packet), Decision::Accept);
    assert_eq!(decision(&policy(vec![adds(), destination()], 24), &packet), Decision::Drop);

    let meaning = meaning(&behind);
    let trace = meaning.trace(BaseChain::FilterInput, &packet, &mut |_| true);
    assert_eq!(trace.added().collect::<Vec<_>>(), [("x-1m.v4", None)]);
}
