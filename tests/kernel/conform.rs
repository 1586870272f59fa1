//! The kernel does with real packets what a policy means, whatever made and loaded its rules.
//!
//! `PALISADE_SEEDS=1000 cargo test --test kernel conform` tries more policies than the default.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::LazyLock;

use palisade::diagnostic::has_errors;
use palisade::emit::{self, Header};
use palisade::lower::lower;
use palisade::meaning::{BaseChain, Meaning, meaning, probes};
use palisade::net::{CtState, Family, TcpFlags};
use palisade::packet::{Packet, Payload, Random};
use palisade::resolve::policy::Set;
use palisade::resolve::resolve;
use palisade::source::{MemoryLoader, Sources};

use crate::craft::{self, Marks};
use crate::generate::{self, WINDOWS};
use crate::ground::{Changed, Ground, LINKS, MAC, class, is_local};
use crate::journey::foretold;
use crate::judge::{End, judge, set_port};
use crate::load::{Rules, Variant, nft, restore, restore_sets};
use crate::members::Members;
use crate::need;
use crate::netns::Namespace;
use crate::read_back::read_back;

/// Generated policies that are not refused, if nobody asks for more seeds.
const POLICIES: usize = 36;

/// Packets for each policy, family and chain that meets packets from outside.
const PROBES: usize = 40;

/// The chains that meet packets from outside before the filter has judged them.
pub const CHAINS: [BaseChain; 7] = [
    BaseChain::RawPrerouting,
    BaseChain::NatPrerouting,
    BaseChain::FilterInput,
    BaseChain::FilterForward,
    BaseChain::ManglePrerouting,
    BaseChain::MangleInput,
    BaseChain::MangleForward,
];

/// What brings rules into the kernel.
#[derive(Clone, Copy, Debug)]
enum Loader {
    Iptables(Variant),
    Native,
}

/// What is in dynamic sets before the first packet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sets {
    Empty,
    /// Whoever some probe wants to be in them.
    Filled,
}

/// A policy, by its meaning and by its rules.
struct Policy {
    text: String,
    sets: Vec<Set>,
    meaning: Meaning,
    rules: Rules,
    /// What the text of the rules says.
    read: Meaning,
    /// `None` when nft has no words for a part of it.
    native: Option<String>,
}

impl Policy {
    /// `None` when it is refused.
    fn of(text: String) -> Option<Self> {
        let mut sources = Sources::new();
        let root = sources.add("policy.fw", text.as_str());
        let resolved = resolve(root, &mut sources, &mut MemoryLoader::default());
        if has_errors(&resolved.findings) {
            return None;
        }
        let lowered = lower(&resolved.policy, &sources);
        let header = Header::default();
        let rules = Rules {
            sets: emit::ipsets(&lowered.v4, &lowered.v6, &header, &sources),
            v4: emit::iptables(&lowered.v4, &header, &sources),
            v6: emit::iptables(&lowered.v6, &header, &sources),
        };
        let native = emit::nft(&lowered.v4, &lowered.v6, &header, &sources).ok();
        let meaning = meaning(&resolved.policy);
        let read = read_back(&rules);
        Some(Self { text, sets: resolved.policy.sets, meaning, rules, read, native })
    }

    /// Whether there are rules for this loader, which are then loaded.
    fn load(&self, ground: &Ground, loader: Loader) -> bool {
        let result = match loader {
            Loader::Iptables(variant) => self.restore(&ground.router, variant),
            Loader::Native => match &self.native {
                Some(native) => nft(&ground.router, native),
                None => return false,
            },
        };
        result.unwrap_or_else(|error| panic!("{loader:?}: {error}\n{}", self.text));
        true
    }

    fn restore(&self, router: &Namespace, variant: Variant) -> Result<(), String> {
        // What another policy's rules have added is not of this one.
        router.output("ipset", &["flush"], "")?;
        restore_sets(router, &self.rules.sets)?;
        let mut families = Family::BOTH.into_iter();
        families.try_for_each(|family| restore(router, variant, family, self.rules.of(family)))
    }

    /// Packets at the borders of what it says, as they can come from a wire.
    fn packets(&self, seed: u64, count: usize) -> Vec<Packet> {
        let mut random = Random::new(seed);
        let mut packets = Vec::new();
        for family in Family::BOTH {
            for chain in CHAINS {
                let probes = probes(&self.meaning, family, chain, seed, count);
                let sendable = |probe| sendable(probe, chain, &mut random);
                packets.extend(probes.into_iter().filter_map(sendable));
            }
        }
        packets
    }
}

/// How many packets came to which end.
#[derive(Debug, Default)]
struct Tally {
    policies: usize,
    passed: usize,
    stopped: usize,
    /// Of those that were judged: with another destination or source than they were sent with.
    translated: usize,
    /// With another mark or class than they were sent with.
    changed: usize,
    /// The kernel itself refused them before any rule.
    unasked: usize,
    /// Their way depends on a limit.
    limited: usize,
    /// Of whom the whole way through all tables was told before.
    foretold: usize,
    /// The same by the text of the rules.
    read: usize,
}

impl Tally {
    fn judged(&self) -> usize {
        self.passed + self.stopped
    }

    fn add(&mut self, end: End) {
        match end {
            End::Passed { translated } => {
                self.passed += 1;
                self.translated += usize::from(translated);
            }
            End::Stopped => self.stopped += 1,
            End::Unasked => self.unasked += 1,
            End::Limited => self.limited += 1,
        }
    }
}

/// Sends the packets of each policy through its rules. What the kernel judged otherwise than meant
/// is returned, with the seed of the policy.
fn faults(
    loader: Loader,
    policies: &[(u64, Policy)],
    probes: usize,
    sets: Sets,
    tally: &mut Tally,
) -> Vec<(u64, String)> {
    let ground = Ground::new();
    let mut sent = Vec::new();
    let mut members: BTreeMap<u64, Members> = BTreeMap::new();
    for (seed, policy) in policies {
        if policy.load(&ground, loader) {
            tally.policies += 1;
            let packets = policy.packets(*seed, probes);
            let known = members.entry(*seed).or_insert_with(|| Members::of(&policy.sets));
            if sets == Sets::Filled {
                let wanted = packets.iter().flat_map(|packet| known.wish(packet));
                fill(&ground.router, loader, &wanted.collect::<Vec<_>>());
            }
            for packet in packets {
                let cookie = u16::try_from(sent.len() + 1).expect("few enough for their cookies");
                ground.send(&packet, cookie);
                sent.push((*seed, policy, packet, cookie));
            }
        }
    }
    let seen = ground.seen();
    let mut faults = Vec::new();
    for (seed, policy, packet, cookie) in sent {
        let members = members.entry(seed).or_default();
        let sighting = seen.get(&(packet.family(), cookie)).cloned().unwrap_or_default();
        let ways = [
            ("meant", &policy.meaning, &mut tally.foretold),
            ("read", &policy.read, &mut tally.read),
        ];
        for (how, meaning, count) in ways {
            match foretold(meaning, members, &packet, &sighting) {
                Some(Ok(())) => *count += 1,
                Some(Err(fault)) => {
                    let where_to = format!("{packet:#?}\n{sighting:#?}\n{}", policy.text);
                    let fault = format!("{loader:?}, seed {seed}, as {how}: {fault}\n{where_to}");
                    faults.push((seed, fault));
                }
                None => {}
            }
        }
        match judge(&policy.meaning, members, &packet, &sighting) {
            Ok(end) => {
                let Changed { mark, dscp, .. } = sighting.changed;
                let was_asked = sighting.asked.is_some();
                tally.changed += usize::from(was_asked && (mark, dscp) != (0, packet.dscp));
                tally.add(end);
            }
            Err(fault) => {
                let where_to = format!("{packet:#?}\n{sighting:#?}\n{}", policy.text);
                faults.push((seed, format!("{loader:?}, seed {seed}: {fault}\n{where_to}")));
            }
        }
    }
    faults
}

/// Adds addresses to dynamic sets by hand.
fn fill(router: &Namespace, loader: Loader, entries: &[(String, IpAddr)]) {
    let lines = entries.iter().map(|(set, address)| match loader {
        Loader::Iptables(_) => format!("add {set} {address}\n"),
        Loader::Native => {
            let family = if address.is_ipv6() { "ip6" } else { "ip" };
            let set = set.replace(['-', '.'], "_");
            format!("add element {family} palisade {set} {{ {address} }}\n")
        }
    });
    let lines: String = lines.collect();
    let result = match loader {
        Loader::Iptables(_) => restore_sets(router, &lines),
        Loader::Native => nft(router, &lines),
    };
    result.unwrap_or_else(|error| panic!("{error}\n{lines}"));
}

const SYN: u8 = 0x02;

/// The flags that most probes have and that no connection begins with: a reset, an answer.
const NEVER_FIRST: [u8; 2] = [0x04, 0x12];

/// A probe as it can come from a wire, before anything translated it.
pub fn sendable(mut packet: Packet, chain: BaseChain, random: &mut Random) -> Option<Packet> {
    // A single packet is never part of a connection.
    if matches!(packet.state, CtState::Established | CtState::Related) {
        return None;
    }
    let is_wire = |name: &str| LINKS.iter().any(|(link, _)| *link == name);
    let mut any = || LINKS[random.index(LINKS.len())];
    if !packet.incoming.as_deref().is_some_and(is_wire) {
        packet.incoming = Some(any().0.into());
    }
    packet.outgoing = packet.outgoing.filter(|name| is_wire(name));
    let arrives = matches!(chain, BaseChain::FilterInput | BaseChain::MangleInput);
    let mut local = packet.to_local || arrives;
    if let Some(original) = packet.original.take() {
        packet.destination = original.destination;
        set_port(&mut packet, original.port.unwrap_or_default());
        // What is published is as often an address of the router as it is not.
        local = packet.ttl.is_multiple_of(2);
    }
    if local && !is_local(packet.destination) {
        let [v4, v6, _] = any().1;
        let text = if packet.destination.is_ipv6() { v6 } else { v4 };
        packet.destination = text.parse().expect("an address");
    }
    packet.to_local = is_local(packet.destination);
    if let Payload::Tcp { flags, .. } = &mut packet.payload
        && NEVER_FIRST.contains(&flags.bits())
    {
        *flags = TcpFlags::from_bits(SYN);
    }
    // In IPv6 these are no protocols but further headers.
    let header = [0, 43, 44, 51, 59, 60, 135, 139, 140].contains(&packet.protocol().number());
    if packet.destination.is_ipv6() && header {
        return None;
    }
    let (user, group) = (None, None);
    let dscp = class(packet.outgoing.as_deref()) >> 2;
    let state = CtState::New;
    let (mark, connection_mark, mac) = (0, 0, Some(MAC));
    let mut packet = Packet { state, mac, mark, connection_mark, dscp, user, group, ..packet };
    let bytes = craft::bytes(&packet, Marks { cookie: 0, class: 0 });
    packet.length = u16::try_from(bytes.len()).expect("a packet fits a wire");
    Some(packet)
}

/// A policy without what the clock decides, which is judged by `windows`.
pub fn timeless(text: String) -> String {
    WINDOWS.iter().fold(text, |text, window| text.replace(&format!(" {window}"), ""))
}

/// The generated policies that are not refused, each with its seed.
static GENERATED: LazyLock<Vec<(u64, Policy)>> = LazyLock::new(|| {
    let seeds = std::env::var("PALISADE_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    let of = |seed: u64| Some((seed, Policy::of(timeless(generate::policy(seed)))?));
    match seeds {
        Some(seeds) => (0..seeds).filter_map(of).collect(),
        None => (0..1000).filter_map(of).take(POLICIES).collect(),
    }
});

fn generated_conform(loader: Loader) {
    if !need::met() {
        return;
    }
    let mut tally = Tally::default();
    // No ground sees more packets than there are cookies.
    let most = usize::from(u16::MAX) / (PROBES * CHAINS.len() * Family::BOTH.len());
    for policies in GENERATED.chunks(most) {
        let faults = faults(loader, policies, PROBES, Sets::Filled, &mut tally);
        if let Some((_, first)) = faults.first() {
            panic!("{} packets differ; the first: {first}", faults.len());
        }
    }
    eprintln!("{loader:?}: {} packets do as meant: {tally:?}", tally.judged());
    assert!(tally.judged() >= 50 * tally.policies, "too few packets were judged: {tally:?}");
    for (what, count) in [("passed", tally.passed), ("stopped", tally.stopped)] {
        assert!(count * 40 > tally.judged(), "too few packets {what}: {tally:?}");
    }
    for count in [tally.foretold, tally.read] {
        assert!(count * 10 > tally.judged() * 9, "too few ways were foretold: {tally:?}");
    }
    assert!(tally.translated * 500 > tally.judged(), "too few were translated: {tally:?}");
    assert!(tally.changed * 1000 > tally.judged(), "too few were changed: {tally:?}");
}

#[test]
fn legacy_does_as_meant() {
    generated_conform(Loader::Iptables(Variant::Legacy));
}

#[test]
fn nft_does_as_meant() {
    generated_conform(Loader::Iptables(Variant::Nft));
}

#[test]
fn native_nft_does_as_meant() {
    generated_conform(Loader::Native);
}

/// A policy, and another that says nearly the same.
const NEARLY: [(&str, &str); 18] = [
    ("allow tcp 22; notrack tcp 22", "allow tcp 22; notrack tcp 22 from 10.0.0.0/8"),
    ("allow tcp 22", "allow tcp 23"),
    ("allow tcp 22", "allow udp 22"),
    ("allow any in eth1", "allow any in eth2"),
    ("allow any from 10.0.0.0/24", "allow any from 10.0.0.0/25"),
    ("allow any from fd00:1::/64", "allow any from fd00:1::/63"),
    ("forward { allow any in eth1 out eth0 }", "forward { allow any in eth1 out eth2 }"),
    ("zone wan = eth0; forward { allow any }; masquerade wan out", "forward { allow any }"),
    (
        "zone wan = eth0; zone lan = eth1; forward tcp 80 from wan to 10.0.0.2@lan",
        "zone wan = eth0; zone lan = eth1; forward tcp 80 from wan to 10.0.0.3@lan",
    ),
    ("default allow input; drop tcp any", "default allow input; drop tcp any flags syn / syn"),
    (
        "set seen dynamic; add source/24 to seen tcp any; drop any from seen; allow any",
        "set seen dynamic; add source/24 to seen tcp 1-9; drop any from seen; allow any",
    ),
    (
        "set seen dynamic; add source to seen tcp any; drop any from seen; allow any",
        "set seen dynamic; add source to seen tcp any; allow any",
    ),
    ("allow any; mark 7", "allow any; mark 7 to any"),
    ("mark 0x10; mark 7/0xf", "mark 0x10; mark 7"),
    ("allow any; mark 7 sticky", "allow any; mark 7"),
    ("allow any; mark 7 sticky; mark 9 sticky", "allow any; mark 9 sticky; mark 7 sticky"),
    ("forward { allow any; dscp ef }", "forward { allow any; dscp cs6 }"),
    ("forward { allow any; mark 7 }", "forward { allow any; mark 7 in eth1 out eth0 }"),
];

#[test]
fn nearly_the_same_is_noticed() {
    if !need::met() {
        return;
    }
    let policy = |text: &str| Policy::of(text.to_owned()).unwrap_or_else(|| panic!("{text}"));
    let mut policies = Vec::new();
    for (seed, (text, other)) in (0..).step_by(2).zip(NEARLY) {
        policies.push((seed, policy(text)));
        let Policy { rules, read, native, .. } = policy(other);
        policies.push((seed + 1, Policy { rules, read, native, ..policy(text) }));
    }
    for loader in [Loader::Iptables(Variant::Nft), Loader::Native] {
        let faults = faults(loader, &policies, 100, Sets::Empty, &mut Tally::default());
        for (seed, policy) in &policies {
            let noticed = faults.iter().find(|(at, _)| at == seed);
            assert_eq!(noticed.is_some(), seed % 2 == 1, "{noticed:?} {}", policy.text);
        }
    }
}
