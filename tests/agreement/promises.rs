//! What is said to be promised and kept is kept by every packet that can be thought of; what is said to be
//! broken is shown by a packet that was walked.

use palisade::analyze::journey::{Answers, Sent, Surroundings, follow};
use palisade::analyze::promise::judged;
use palisade::analyze::{Rules, Text};
use palisade::diagnostic::has_errors;
use palisade::meaning::{BaseChain, Guide, Meaning, meaning, meant_packets, probes};
use palisade::net::{CtState, Family, TcpFlags};
use palisade::packet::{Packet, PacketSet, Payload};
use palisade::resolve::Policy;
use palisade::resolve::policy::{Claim, Hook, PromiseKind};
use palisade::resolve::resolve;
use palisade::source::{MemoryLoader, Sources};

use crate::generate::{self, Random};

const SUBJECTS: [&str; 8] =
    ["ssh", "http", "dns", "tcp any", "udp 53", "any", "ping", "tcp 80, 443, 8000-8100"];
const ENDS: [&str; 12] = [
    "",
    "from any",
    "from wan",
    "from lan to self",
    "from admins",
    "from any to any",
    "from lan to wan",
    "from wan to web",
    "from any to both",
    "from dmz to lan",
    "out",
    "from self to wan",
];

/// A policy with claims of all kinds behind it.
fn with_claims(seed: u64) -> String {
    let mut random = Random::new(seed);
    let mut text = generate::policy(seed);
    for _ in 0..12 {
        let verb = ["allow", "drop"][random.below(2)];
        let subject = SUBJECTS[random.below(SUBJECTS.len())];
        let ends = ENDS[random.below(ENDS.len())];
        text += &format!("\nassert {verb} {subject} {ends}");
    }
    text + "\n"
}

/// Packets that open connections, or come without one, as they are sent.
fn sent(meaning: &Meaning, family: Family, seed: u64) -> Vec<Sent> {
    let bases = [
        BaseChain::NatPrerouting,
        BaseChain::FilterInput,
        BaseChain::FilterForward,
        BaseChain::FilterOutput,
    ];
    let drafts = bases.into_iter().flat_map(|base| {
        let packets = probes(meaning, family, base, seed, 60);
        packets.into_iter().map(move |packet| (base, packet))
    });
    drafts.filter_map(|(base, packet)| as_sent(base, packet)).collect()
}

fn as_sent(base: BaseChain, mut packet: Packet) -> Option<Sent> {
    let leaves = packet.outgoing.take();
    if let Some(original) = packet.original.take() {
        packet.destination = original.destination;
    }
    packet.to_local = match base {
        BaseChain::FilterInput => true,
        BaseChain::FilterForward => false,
        BaseChain::FilterOutput => leaves.as_deref() == Some("lo"),
        _ => packet.to_local,
    };
    if let Payload::Tcp { flags, .. } = &mut packet.payload {
        *flags = TcpFlags::SYN;
    }
    packet.state = CtState::New;
    packet.ttl = packet.ttl.max(2);
    packet.connection_mark = 0;
    if packet.incoming.is_some() {
        packet.mark = 0;
    }
    let is_opening = match (packet.payload, packet.family()) {
        (Payload::Icmp { kind, .. }, Family::V4) => matches!(kind, 8 | 13 | 15 | 17),
        (Payload::Icmp { kind, .. }, Family::V6) => matches!(kind, 128 | 139),
        _ => true,
    };
    let strange = |address: std::net::IpAddr| match address {
        std::net::IpAddr::V4(address) => {
            address.octets()[0] == 0 || address.is_loopback() || address.octets()[0] >= 224
        }
        std::net::IpAddr::V6(address) => {
            address.is_multicast()
                || address.is_loopback()
                || address.is_unspecified()
                || address.is_unicast_link_local()
        }
    };
    let is_ordinary = is_opening && !strange(packet.source) && !strange(packet.destination);
    // Wherever nat sends it, it leaves by something.
    let leaves = leaves.or(Some("eth2".into()));
    // What is promised of any is not about what the machine says to itself.
    (is_ordinary && packet.incoming.as_deref() != Some("lo") && leaves.as_deref() != Some("lo"))
        .then_some(Sent { packet, any: Vec::new(), leaves, behind: None, is_placed: true })
}

fn hook_of(base: BaseChain) -> Option<Hook> {
    match base {
        BaseChain::FilterInput => Some(Hook::Input),
        BaseChain::FilterForward => Some(Hook::Forward),
        BaseChain::FilterOutput => Some(Hook::Output),
        _ => None,
    }
}

/// A packet that breaks a claim which is said to be kept, and how many were looked at.
fn contradiction(
    policy: &Policy,
    meaning: &Meaning,
    claim: &Claim,
    seed: u64,
) -> Result<usize, String> {
    let mut met = 0;
    for family in Family::BOTH {
        let meant = |hook| meant_packets(policy, &claim.flows, &claim.conditions, hook, family);
        let sets: Vec<(Hook, Option<PacketSet>)> =
            Hook::ALL.into_iter().map(|hook| (hook, meant(hook))).collect();
        let has_nat = [BaseChain::NatPrerouting, BaseChain::NatOutput]
            .into_iter()
            .any(|base| meaning.base(family, base).is_some_and(|list| !list.entries.is_empty()));
        for sent in sent(meaning, family, seed) {
            for room in [true, false] {
                let oracle = |_: palisade::meaning::Question<'_>| room;
                let answers = Answers { oracle: &oracle, facts: None };
                let surroundings = Surroundings::of(policy);
                let Ok(journey) = follow(&Guide::of(meaning), &surroundings, &sent, answers) else {
                    continue;
                };
                let is_accepted = journey.fate.is_accepted();
                // As it is sent, where nat has nothing to say; and as the filter sees it.
                let first =
                    journey.stages.iter().find_map(|stage| Some((hook_of(stage.base)?, stage)));
                let seen = first.is_some_and(|(hook, stage)| {
                    sets.iter().any(|(of, set)| {
                        *of == hook && set.as_ref().is_some_and(|set| set.contains(&stage.before))
                    })
                });
                let broken = if claim.accepts { !is_accepted && !has_nat } else { is_accepted };
                met += usize::from(seen);
                if seen && broken {
                    return Err(format!("room {room}: {:#?}\n{:?}", sent.packet, journey.fate));
                }
            }
        }
    }
    Ok(met)
}

#[test]
fn what_is_kept_has_no_counterexample() {
    let seeds = std::env::var("PALISADE_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    let seeds: u64 = seeds.unwrap_or(120);
    let (mut kept, mut broken, mut open, mut met) = (0, 0, 0, 0);
    for seed in 0..seeds {
        let text = with_claims(seed);
        let mut sources = Sources::new();
        let root = sources.add("policy.fw", text.as_str());
        let resolved = resolve(root, &mut sources, &mut MemoryLoader::default());
        if has_errors(&resolved.findings) {
            continue;
        }
        let policy = &resolved.policy;
        let meaning = meaning(policy);
        let own = [Rules { text: Text::Policy(policy), meaning: &meaning }];
        for one in judged(policy, &own, &sources) {
            let PromiseKind::Assert(claim) = &one.promise.kind else { continue };
            let said = sources.text(one.promise.span);
            match one.findings.first() {
                None => {
                    kept += 1;
                    match contradiction(policy, &meaning, claim, seed) {
                        Ok(looked_at) => met += looked_at,
                        Err(packet) => panic!("seed {seed}: `{said}` is broken: {packet}\n{text}"),
                    }
                }
                Some(finding) if finding.lint.name == "analysis-incomplete" => {
                    open += 1;
                    eprintln!("seed {seed}: open: {said}");
                }
                Some(_) => broken += 1,
            }
        }
    }
    eprintln!("{kept} kept ({met} packets), {broken} broken, {open} open");
    assert!(kept > seeds && broken > seeds, "{kept} kept, {broken} broken");
    assert!(met > 100, "only {met} packets were met");
    assert!(open * 50 < kept + broken, "{open} open of {}", kept + broken);
}
