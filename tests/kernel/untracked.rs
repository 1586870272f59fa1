//! `notrack`: conntrack sees neither the packets nor their answers, and what that means for rules.

use crate::expect::{arrives, silent};
use crate::helpers::{ZONES, in_every_variant};
use crate::load::{nft, nft_listed};
use crate::need;
use crate::netns::Namespace;
use crate::probe::Probe::{Tcp, Udp};
use crate::serve::Service;
use crate::world::{V4, V6, World};

/// Counts the packets to and from port 7 that every rule let pass.
const WATCH: &str = "
table inet watch {
    counter tracked { }
    counter untracked { }
    chain count {
        ct state untracked counter name untracked
        ct state != untracked counter name tracked
    }
    chain input {
        type filter hook input priority 300;
        tcp dport 7 jump count; tcp sport 7 jump count
        udp dport 7 jump count; udp sport 7 jump count
    }
    chain forward {
        type filter hook forward priority 300;
        tcp dport 7 jump count; tcp sport 7 jump count
        udp dport 7 jump count; udp sport 7 jump count
    }
    chain output {
        type filter hook output priority 300;
        tcp dport 7 jump count; tcp sport 7 jump count
        udp dport 7 jump count; udp sport 7 jump count
    }
}
";

/// How many packets were tracked, and how many were not.
fn counted(namespace: &Namespace) -> [u64; 2] {
    let listed = nft_listed(namespace);
    let counters = listed["nftables"].as_array().expect("a list of objects");
    ["tracked", "untracked"].map(|name| {
        let named = counters.iter().map(|object| &object["counter"]);
        let counter = named.into_iter().find(|counter| counter["name"] == name);
        counter.and_then(|counter| counter["packets"].as_u64()).expect("a counter")
    })
}

/// The packets of `traffic` that are tracked and those that are not.
fn watched(world: &World, traffic: impl Fn(&World)) -> [u64; 2] {
    nft(&world.host, WATCH).unwrap_or_else(|error| panic!("nobody counts: {error}"));
    traffic(world);
    let counted = counted(&world.host);
    nft(&world.host, "delete table inet watch").unwrap_or_else(|error| panic!("{error}"));
    counted
}

/// Traffic that passes with these rules, by conntrack or not. A datagram and its answer are two
/// packets, a tcp connection at least six.
fn passes(rules: &str, is_tracked: bool, traffic: impl Fn(&World)) {
    in_every_variant(&format!("{ZONES}{rules}"), |world| {
        world.client_turns_hostile();
        let [tracked, untracked] = watched(world, &traffic);
        let (seen, other) = if is_tracked { (tracked, untracked) } else { (untracked, tracked) };
        assert!(seen >= 2 * (2 + 6) && other == 0, "{tracked} tracked, {untracked} not");
    });
}

fn to_self(world: &World) {
    let (_tcp, _udp) = (Service::tcp(&world.host, 7), Service::udp(&world.host, 7));
    for at in [V4, V6] {
        arrives(&world.client, Udp(at.host, 7), at.client);
        arrives(&world.client, Tcp(at.host, 7), at.client);
    }
}

fn from_self(world: &World) {
    let (_tcp, _udp) = (Service::tcp(&world.client, 7), Service::udp(&world.client, 7));
    for at in [V4, V6] {
        arrives(&world.host, Udp(at.client, 7), at.host);
        arrives(&world.host, Tcp(at.client, 7), at.host);
    }
}

fn through(world: &World) {
    let (_tcp, _udp) = (Service::tcp(&world.client, 7), Service::udp(&world.client, 7));
    for at in [V4, V6] {
        arrives(&world.pc, Udp(at.client, 7), at.pc);
        arrives(&world.pc, Tcp(at.client, 7), at.pc);
    }
}

#[test]
fn packets_to_this_machine_are_not_tracked() {
    if need::met() {
        passes("notrack udp 7, tcp 7\nallow udp 7, tcp 7", false, to_self);
        passes("allow udp 7, tcp 7", true, to_self);
    }
}

#[test]
fn packets_from_this_machine_are_not_tracked() {
    if need::met() {
        let answers = "allow udp any, tcp any sport 7 state untracked";
        let rules = "default drop output\nallow udp 7, tcp 7 out";
        passes(&format!("notrack udp 7, tcp 7 from self\n{rules}\n{answers}"), false, from_self);
        passes(rules, true, from_self);
    }
}

#[test]
fn packets_that_pass_through_are_not_tracked() {
    if need::met() {
        let answers = "forward { allow udp any, tcp any sport 7 to lan state untracked }";
        let rules = "allow udp 7, tcp 7 from lan to any";
        let notrack = "notrack udp 7, tcp 7 from lan to any";
        passes(&format!("{notrack}\n{rules}\n{answers}"), false, through);
        passes(rules, true, through);
    }
}

/// The warning `untracked-answers` is right: the implicit rule knows no such answer.
#[test]
fn answers_that_are_not_tracked_need_a_rule() {
    if !need::met() {
        return;
    }
    let rules =
        "notrack udp 7 from self\nnotrack udp 7 from lan to any\nallow udp 7 from lan to any";
    in_every_variant(&format!("{ZONES}{rules}"), |world| {
        world.client_turns_hostile();
        let _udp = Service::udp(&world.client, 7);
        silent(&world.host, &[Udp(V4.client, 7), Udp(V6.client, 7)]);
        silent(&world.pc, &[Udp(V4.client, 7), Udp(V6.client, 7)]);
    });
}
