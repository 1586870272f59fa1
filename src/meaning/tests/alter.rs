use super::*;
use crate::net::{Dscp, MarkMatch};

const ARRIVING: Scope = Scope::Arrival(Bound::Anywhere);
const PRE: BaseChain = BaseChain::ManglePrerouting;

fn mark(value: u32, mask: u32) -> MarkMatch {
    MarkMatch::new(value, mask).expect("within")
}

fn alter(number: usize, kind: AlterationKind, scope: Scope) -> Alteration {
    let (conditions, remarks) = (Vec::new(), Remarks::default());
    Alteration { origin: origin(number), kind, flows: vec![all(scope)], conditions, remarks }
}

fn altering(all: impl IntoIterator<Item = Alteration>) -> Policy {
    policy(all.into_iter().map(Item::Alter).collect())
}

fn left(policy: &Policy, base: BaseChain, packet: &Packet) -> (u32, u32) {
    let packet = meaning(policy).trace(base, packet, &mut |_| true).packet;
    (packet.mark, packet.connection_mark)
}

fn arriving() -> Packet {
    ssh(Family::V4).on("eth0")
}

#[test]
fn a_later_statement_sees_the_packet_as_it_is_then() {
    let first = alter(1, AlterationKind::Mark(mark(0x10, 0xf0)), ARRIVING);
    let mut second = alter(2, AlterationKind::Mark(mark(3, 0xf)), ARRIVING);
    second.conditions = vec![Condition::Mark(mark(0x10, 0xf0))];
    let both = altering([first.clone(), second.clone()]);
    assert_eq!(left(&both, PRE, &Packet { mark: 0x105, ..arriving() }), (0x113, 0));
    assert_eq!(left(&altering([second, first]), PRE, &arriving()), (0x10, 0));
    assert_eq!(left(&both, BaseChain::MangleInput, &arriving()), (0, 0));
    assert_eq!(decide(&both, PRE, &arriving()), Decision::Accept);
}

#[test]
fn the_first_sticky_mark_is_that_of_the_connection() {
    let marks = [mark(0x10, 0xf0), mark(0x20, 0xf0), mark(0x3, 0xf)];
    let sticky = (1..).zip(marks).map(|(n, mark)| (n, AlterationKind::StickyMark(mark)));
    let policy = altering(sticky.map(|(number, kind)| alter(number, kind, ARRIVING)));
    assert_eq!(left(&policy, PRE, &arriving()), (0x13, 0x13));
    let known = Packet { mark: 0x7f, connection_mark: 0x20, ..arriving() };
    assert_eq!(left(&policy, PRE, &known), (0x23, 0x23));
    for state in [CtState::Invalid, CtState::Untracked] {
        assert_eq!(left(&policy, PRE, &arriving().state(state)), (0, 0));
    }
    // What is sent gets what the connection has, and nothing where that is nothing.
    let sent = |connection_mark| {
        let packet = ssh(Family::V4).leaving("eth0");
        left(&policy, BaseChain::MangleOutput, &Packet { mark: 0x75, connection_mark, ..packet })
    };
    assert_eq!(sent(0), (0x75, 0));
    assert_eq!(sent(0x13), (0x13, 0x13));
    assert_eq!(sent(0x20), (0x25, 0x20));
}

#[test]
fn only_connections_that_open_are_clamped() {
    let policy = altering([alter(1, AlterationKind::ClampMss(None), FORWARD)]);
    let changes = |packet: &Packet| {
        let meaning = meaning(&policy);
        let trace = meaning.trace(BaseChain::MangleForward, packet, &mut |_| true);
        trace.changes().collect::<Vec<_>>()
    };
    let through = arriving().leaving("eth1");
    let flags = |bits| {
        let payload = Payload::Tcp { source: 1, destination: 2, flags: TcpFlags::from_bits(bits) };
        through.clone().carrying(payload)
    };
    // SYN, SYN ACK; ACK, SYN RST.
    for (bits, clamped) in [(0x02, true), (0x12, true), (0x10, false), (0x06, false)] {
        assert_eq!(changes(&flags(bits)) == [Change::Mss(None)], clamped, "{bits:#x}");
    }
    assert!(changes(&through.carrying(Payload::Udp { source: 1, destination: 2 })).is_empty());
}

#[test]
fn classes_are_set() {
    let class = AlterationKind::Dscp(Dscp::new(46).expect("a class"));
    let policy = altering([alter(1, class, OUTPUT)]);
    let sent = ssh(Family::V6).leaving("eth0");
    let meaning = meaning(&policy);
    let dscp = |base| meaning.trace(base, &sent, &mut |_| true).packet.dscp;
    assert_eq!(dscp(BaseChain::MangleOutput), 46);
    assert_eq!(dscp(BaseChain::FilterOutput), 0);
}
