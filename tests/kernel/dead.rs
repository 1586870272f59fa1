//! A rule of which it is reported that no packet reaches it meets none in the kernel.
//!
//! `PALISADE_SEEDS=1000 cargo test --test kernel dead` tries more policies than the default.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use palisade::meaning::{BaseChain, Reason, probes};
use palisade::net::Family;
use palisade::packet::{self, Packet};
use palisade::resolve::policy;
use palisade::ruleset::Origin;

use crate::found::{Act, Counters, Found};
use crate::generate::{self, Random};
use crate::ground::{Ground, Sighting, is_local};
use crate::load::Variant;
use crate::need;
use crate::sendable::{CHAINS, sendable, timeless};

/// Generated policies that are not refused and have dead rules, if nobody asks for more seeds.
const POLICIES: usize = 40;

/// Packets for each policy, family and chain that meets packets from outside.
const PROBES: usize = 30;

/// Policies whose dead rules are marked, of each kind that there is.
pub const BY_HAND: [&str; 14] = [
    "drop tcp 0-1023 from 10.0.0.0/8
drop tcp 0-1023 from 192.0.2.0/24
allow tcp 22 from 10.0.0.0/9, 192.0.2.0/25 # dead
allow tcp 22",
    "drop tcp 1-100
reject tcp 101-200
allow tcp 50-150 in eth1 # dead
allow tcp 50-201 in eth2",
    "drop any from any except 10.0.0.0/24
allow tcp any from 203.0.113.0/24 # dead
allow tcp any from 10.0.0.0/23",
    "drop icmp echo-request
allow icmp echo-request from 10.0.0.0/8 # dead
drop icmpv6 packet-too-big
allow icmpv6 packet-too-big in eth1 # dead
allow icmp any",
    "allow tcp any flags syn / syn, ack
drop tcp 80 flags syn / syn, ack, fin, rst # dead
drop tcp 80",
    "drop state new, invalid, untracked
allow tcp any state new # dead",
    "chain guard {
    drop from 10.0.0.0/8
    allow tcp 22 from 10.0.0.0/24 # dead
    return tcp any
    log tcp 80 # dead
}
input {
    jump guard
    drop tcp 22 from 10.0.0.0/16 # dead
    allow tcp any
    allow tcp 443 # dead
}",
    "chain guard {
    allow tcp 22
}
input {
    goto guard tcp any
    allow tcp 80 # dead
    allow udp 53
}",
    "forward {
    allow any in eth1 out eth0
    drop tcp 25 in eth1 out eth0 # dead
    drop tcp 25 in eth1
    allow any
    drop any from 10.0.0.0/24 # dead
}",
    "set crowd = 10.0.0.0/24, 192.0.2.0/24
set seen dynamic
drop from crowd
allow tcp any from 10.0.0.0/25 # dead
drop tcp any from seen
drop tcp 22 from seen # dead
allow tcp 22 from 10.0.1.0/24",
    "zone wan = eth0
zone lan = eth1 { 10.0.0.0/24 }
forward tcp 80, 443 from wan to 10.0.0.2@lan
forward tcp 80 from wan to 10.0.0.3@lan # dead
forward tcp 81 from wan to 10.0.0.3@lan",
    "zone wan = eth0
redirect tcp 80 at any from wan to :3128
redirect tcp 80 at any from wan to :3129 # dead
allow tcp 22",
    "def open(what, whence) { allow what from whence }
open((tcp 20-30), (10.0.0.0/8))
open((tcp 22), (10.0.0.0/24)) # dead
allow tcp 22",
    "drop tcp 22 limit 10/second
drop tcp 22
allow tcp 22 # dead
allow tcp any",
];

/// The same of what changes packets.
const CHANGING: [&str; 2] = [
    "zone wan = eth0
mark 3 from wan to self
raw v4 mangle INPUT \"-j ACCEPT\"
mark 4 ipv4 from wan to self # dead
mark 5 from wan to self",
    "mark 7 tcp any from 10.0.0.0/8 to self
mark 7 tcp 22 from 10.0.0.0/8 to self
allow tcp any
allow ftp from 10.0.0.0/8 # dead",
];

/// Verdicts that a rule can be given in the place of its own.
const VERDICTS: [&str; 4] = ["allow", "drop", "reject", "log"];

/// What makes a rule smaller.
const NARROWER: [&str; 7] =
    ["length 100-200", "ttl 64", "ipv4", "ipv6", "state new", "in eth1", "from 10.0.0.0/24"];

/// A generated policy, in which statements are said again: the same, narrower or with another verdict.
pub fn shadowed(seed: u64) -> String {
    let mut random = Random::new(seed);
    let mut text = String::new();
    for line in timeless(generate::policy(seed)).lines() {
        // Of the condition of a raw rule only the test knows whether it holds.
        if line.trim().starts_with("raw ") {
            continue;
        }
        text = text + line + "\n";
        if is_statement(line) && random.below(3) != 0 {
            text = text + &again(line, &mut random) + "\n";
        }
    }
    text
}

fn is_statement(line: &str) -> bool {
    let verb = line.split_whitespace().next().unwrap_or_default();
    let again = ["return", "jump", "goto", "forward", "redirect", "masquerade", "snat", "nonat"];
    !line.contains(['{', '}', '=']) && (VERDICTS.contains(&verb) || again.contains(&verb))
}

fn again(line: &str, random: &mut Random) -> String {
    let (verb, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
    let indent = &line[..line.len() - line.trim_start().len()];
    let is_verdict = VERDICTS.contains(&verb) && !line.contains(" with ");
    let other = ["allow", "drop", "reject"][random.below(3)];
    let mut again = match random.below(3) {
        0 if is_verdict && verb != "log" => format!("{indent}{other} {rest}"),
        _ => line.to_owned(),
    };
    if random.below(2) == 0 {
        let narrower = NARROWER[random.below(NARROWER.len())];
        let word = narrower.split(' ').next().unwrap_or_default();
        if !again.contains(&format!(" {word} ")) {
            again = format!("{again} {narrower}");
        }
    }
    again
}

/// The policies by hand, and generated ones that have dead rules.
static ALL: LazyLock<Vec<Found>> = LazyLock::new(|| {
    let by_hand = BY_HAND.iter().chain(&CHANGING).map(|text| {
        let found = Found::of((*text).to_owned()).unwrap_or_else(|| panic!("refused:\n{text}"));
        let marked: BTreeSet<usize> = (1..)
            .zip(text.lines())
            .filter(|(_, line)| line.contains("# dead"))
            .map(|(n, _)| n)
            .collect();
        let line = |finding: &palisade::diagnostic::Finding| {
            let place = finding.also_at.last().copied().or(finding.span);
            found.sources.line(place.expect("a rule has a place"))
        };
        let dead: BTreeSet<usize> = found.dead().iter().map(|(_, finding)| line(finding)).collect();
        assert_eq!(dead, marked, "{:#?}\n{text}", found.findings);
        found
    });
    let seeds = std::env::var("PALISADE_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    let generated = (0..seeds.unwrap_or(1000)).filter_map(|seed| Found::of(shadowed(seed)));
    let generated = generated.filter(|found| !found.dead().is_empty());
    by_hand.chain(generated.take(if seeds.is_some() { usize::MAX } else { POLICIES })).collect()
});

/// What came of the rules of all policies.
#[derive(Debug, Default)]
struct Tally {
    policies: usize,
    packets: usize,
    dead: usize,
    /// Dead rules whose conditions a packet met in the kernel.
    tempted: usize,
    by_lint: BTreeMap<&'static str, usize>,
    /// Other statements that packets met.
    met: usize,
}

/// A packet that was sent through a policy.
struct Sent {
    policy: usize,
    packet: Packet,
    cookie: u16,
}

fn meet_nothing(variant: Variant) {
    if !need::met() {
        return;
    }
    let mut tally = Tally::default();
    // No ground sees more packets than there are cookies.
    let most = usize::from(u16::MAX) / (PROBES * CHAINS.len() * Family::BOTH.len());
    for policies in ALL.chunks(most) {
        let ground = Ground::new();
        let mut sent = Vec::new();
        for (number, found) in policies.iter().enumerate() {
            found.load(&ground.router, variant);
            for packet in packets(found, number as u64) {
                let cookie = u16::try_from(sent.len() + 1).expect("few enough for their cookies");
                ground.send(&packet, cookie);
                sent.push(Sent { policy: number, packet, cookie });
            }
            count(found, &ground, variant, &mut tally);
        }
        let seen = ground.seen();
        for (number, found) in policies.iter().enumerate() {
            let own = sent.iter().filter(|sent| sent.policy == number);
            let met =
                own.filter_map(|sent| met(sent, seen.get(&(sent.packet.family(), sent.cookie))?));
            tally.tempted += tempted(found, &met.collect::<Vec<_>>());
        }
        tally.packets += sent.len();
    }
    eprintln!("{variant:?}: {tally:?}");
    assert!(tally.dead >= 2 * tally.policies, "too few dead rules: {tally:?}");
    assert!(tally.tempted * 3 >= tally.dead, "too few that packets would meet: {tally:?}");
    assert!(tally.by_lint.len() == 5, "not every kind: {tally:?}");
    assert!(tally.met >= 2 * tally.policies, "too few live rules: {tally:?}");
}

/// Packets at the borders of what the policy says, as they can come from a wire.
fn packets(found: &Found, seed: u64) -> Vec<Packet> {
    let mut random = packet::Random::new(seed);
    let pairs = Family::BOTH.into_iter().flat_map(|family| CHAINS.map(|chain| (family, chain)));
    let packets = pairs.flat_map(|(family, chain)| {
        let probes = probes(&found.meaning, family, chain, seed, PROBES);
        probes.into_iter().map(move |probe| (probe, chain))
    });
    packets.filter_map(|(probe, chain)| sendable(probe, chain, &mut random)).collect()
}

/// Holds the dead rules to the counters. That others are met by the same look shows that it sees.
fn count(found: &Found, ground: &Ground, variant: Variant, tally: &mut Tally) {
    let counters = found.counters(&ground.router, variant);
    let dead = found.dead();
    tally.policies += 1;
    for (origin, finding) in &dead {
        tally.dead += 1;
        *tally.by_lint.entry(finding.lint.name).or_default() += 1;
        if let Some(Act { family, rule, .. }) = met_by_some(found, *origin, &counters) {
            let lint = finding.lint.name;
            panic!(
                "{variant:?} {family:?} {lint}, and met: {rule:?}\n{finding:#?}\n{}",
                found.text
            );
        }
    }
    let is_dead = |origin: &Origin| dead.iter().any(|(dead, _)| dead == origin);
    let live = found.statements().into_iter().filter(|origin| !is_dead(origin));
    tally.met += live.filter(|origin| met_by_some(found, *origin, &counters).is_some()).count();
}

/// The rule of a statement that a packet met.
fn met_by_some<'f>(found: &'f Found, origin: Origin, counters: &Counters) -> Option<Act<'f>> {
    found.judged(origin).into_iter().find(|act| counters.of(act) > 0)
}

/// A packet that came to the filter, as it was there, if nothing was translated on the way.
fn met(sent: &Sent, sighting: &Sighting) -> Option<Packet> {
    let asked = sighting.asked.as_ref()?;
    let destination = asked.destination;
    Some(Packet {
        state: asked.state,
        outgoing: asked.outgoing.as_deref().map(Into::into),
        mark: sighting.changed.mark,
        connection_mark: sighting.changed.connection_mark,
        dscp: sighting.changed.dscp,
        to_local: is_local(destination),
        ttl: sent.packet.ttl - u8::from(asked.outgoing.is_some()),
        ..sent.packet.clone()
    })
    .filter(|packet| packet.destination == destination)
}

/// How many dead rules ask for nothing that none of the packets has: only the rules before them keep these
/// packets from them.
fn tempted(found: &Found, packets: &[Packet]) -> usize {
    let tempts = |origin: policy::Origin| {
        let all = Family::BOTH.into_iter().flat_map(|family| {
            let bases = BaseChain::ALL.into_iter().filter_map(move |base| {
                found.meaning.base(family, base).map(|list| (Some(base), list))
            });
            let own = (0..found.policy.chains.len()).filter_map(move |id| {
                let id = policy::ChainId(u32::try_from(id).expect("few chains"));
                found.meaning.chain(family, id).map(|list| (None, list))
            });
            bases.chain(own)
        });
        all.into_iter().any(|(base, list)| {
            let comes = |packet: &&Packet| match base {
                Some(BaseChain::FilterInput) => packet.outgoing.is_none(),
                Some(BaseChain::FilterForward) => packet.outgoing.is_some(),
                Some(BaseChain::NatPrerouting) | None => true,
                Some(_) => false,
            };
            let own = list.entries.iter().filter(|entry| entry.reason == Reason::Written(origin));
            own.into_iter()
                .any(|entry| packets.iter().filter(comes).any(|packet| entry.set.contains(packet)))
        })
    };
    let dead: BTreeSet<Origin> = found.dead().into_iter().map(|(origin, _)| origin).collect();
    let tempting = origins(found).into_iter().filter(|origin| {
        let call = found.policy.outermost_call(*origin);
        dead.contains(&Origin::Statement { span: origin.span, call }) && tempts(*origin)
    });
    tempting.count()
}

fn origins(found: &Found) -> BTreeSet<policy::Origin> {
    let items = found.policy.items.iter().map(|item| match item {
        policy::Item::Rule(rule) => rule.origin,
        policy::Item::Nat(nat) => nat.origin,
        policy::Item::Alter(alteration) => alteration.origin,
        policy::Item::Raw(raw) => raw.origin,
    });
    let in_chains = found.policy.chains.iter().flat_map(|chain| &chain.rules);
    items.chain(in_chains.map(|rule| rule.origin)).collect()
}

#[test]
fn dead_rules_meet_nothing_by_legacy() {
    meet_nothing(Variant::Legacy);
}

#[test]
fn dead_rules_meet_nothing_by_nft() {
    meet_nothing(Variant::Nft);
}
