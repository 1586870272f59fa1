//! What conntrack is told of packets before it sees them.

use super::*;
use crate::net::Helper;

const HERE: Scope = Scope::Arrival(Bound::Here);
const ELSEWHERE: Scope = Scope::Arrival(Bound::Elsewhere);
const ANYWHERE: Scope = Scope::Arrival(Bound::Anywhere);

fn told(kind: AlterationKind, scope: Scope) -> Item {
    let flows = vec![flow(scope, anywhere(), anywhere(), vec![tcp_part("22")])];
    let (conditions, remarks) = (Vec::new(), Remarks::default());
    Item::Alter(Alteration { origin: origin(1), kind, flows, conditions, remarks })
}

/// What the chains of raw do, in order, to a packet that comes in or is sent.
fn changes(items: Vec<Item>, base: BaseChain, packet: &Packet) -> Vec<Change> {
    meaning(&policy(items)).trace(base, packet, &mut |_| true).changes().collect()
}

#[test]
fn packets_are_told_apart_by_where_they_want_to_go() {
    let told = |scope, packet: &Packet| {
        let items = vec![told(AlterationKind::Notrack, scope)];
        changes(items, BaseChain::RawPrerouting, packet) == [Change::Untracked]
    };
    for family in Family::BOTH {
        let (through, here) = (ssh(family).on("eth0"), ssh(family).on("eth0").local());
        assert_eq!(
            [HERE, ELSEWHERE, ANYWHERE].map(|scope| told(scope, &here)),
            [true, false, true]
        );
        let beyond = [HERE, ELSEWHERE, ANYWHERE].map(|scope| told(scope, &through));
        assert_eq!(beyond, [false, true, true]);
        assert!(!told(OUTPUT, &here) && !told(ANYWHERE, &tcp(("192.0.2.1", 1), ("192.0.2.2", 23))));
    }
}

#[test]
fn what_is_sent_is_told_of_on_output() {
    let items = || vec![told(AlterationKind::Helper(Helper::Ftp), OUTPUT)];
    let sent = ssh(Family::V4).leaving("eth0");
    let helped = [Change::Helper(Helper::Ftp)];
    assert_eq!(changes(items(), BaseChain::RawOutput, &sent), helped);
    assert_eq!(changes(items(), BaseChain::RawPrerouting, &sent), []);
}

#[test]
fn the_first_helper_counts_and_none_where_nothing_is_tracked() {
    let helper = |helper| told(AlterationKind::Helper(helper), ANYWHERE);
    let packet = ssh(Family::V4).on("eth0").local();
    let of = |items| changes(items, BaseChain::RawPrerouting, &packet);
    assert_eq!(of(vec![helper(Helper::Sip), helper(Helper::Ftp)]), [Change::Helper(Helper::Sip)]);
    let notrack = || told(AlterationKind::Notrack, HERE);
    assert_eq!(of(vec![helper(Helper::Ftp), notrack(), notrack()]), [Change::Untracked]);
}

#[test]
fn a_packet_that_is_not_tracked_has_no_connection() {
    let items = vec![told(AlterationKind::Notrack, ANYWHERE)];
    let packet = Packet { connection_mark: 7, ..ssh(Family::V4).on("eth0") };
    let meaning = meaning(&policy(items));
    let left = meaning.trace(BaseChain::RawPrerouting, &packet, &mut |_| true).packet;
    assert_eq!((left.state, left.connection_mark), (CtState::Untracked, 0));
}

/// What this machine sent to itself has its connection when it comes in; what has none can be kept from
/// getting one.
#[test]
fn what_comes_in_on_lo_was_seen_before() {
    let meaning = meaning(&policy(vec![told(AlterationKind::Notrack, ANYWHERE)]));
    let left = |state| {
        let packet = ssh(Family::V4).on("lo").local().state(state);
        meaning.trace(BaseChain::RawPrerouting, &packet, &mut |_| true).packet.state
    };
    for state in [CtState::New, CtState::Established, CtState::Related] {
        assert_eq!(left(state), state);
    }
    assert_eq!([CtState::Invalid, CtState::Untracked].map(left), [CtState::Untracked; 2]);
}
