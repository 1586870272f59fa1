use std::collections::BTreeSet;

use super::build::place;
use super::*;
use crate::analyze::text::Text;
use crate::meaning::{Effect, Entry, List, meaning, probes};
use crate::net::Family;
use crate::packet::Packet;
use crate::resolve::resolve;
use crate::source::{MemoryLoader, Sources};

/// The relations of a policy: `KIND CHAIN FROM TO FAMILIES`, rules by their lines.
fn found(policy: &str) -> Vec<String> {
    let mut sources = Sources::new();
    let root = sources.add("policy.fw", policy);
    let resolved = resolve(root, &mut sources, &mut MemoryLoader::default());
    assert!(!crate::diagnostic::has_errors(&resolved.findings), "{:?}", resolved.findings);
    let meaning = meaning(&resolved.policy);
    let relations = relations(&meaning);
    assert!(relations.is_complete);
    let graph = graph(Text::Policy(&resolved.policy), &meaning, &relations);
    let name = |index| {
        let rule = graph.rule(index).unwrap();
        match rule.place.reason {
            Reason::Written(origin) => sources.line(rule.call.unwrap_or(origin.span)).to_string(),
            Reason::Implicit(implied) => format!("{implied:?}"),
            Reason::Restored => "sticky".to_owned(),
            Reason::Default(_) => unreachable!("no rule"),
        }
    };
    let related = graph.edges().filter_map(|(from, to, edge)| {
        let Edge::Related { kind, families } = edge else { return None };
        let chain =
            graph.chains().find(|(_, chain)| chain.key == graph.rule(from).unwrap().place.chain);
        let chain = &chain.unwrap().1.name;
        let family = match (families.v4, families.v6) {
            (true, true) => "both",
            (true, false) => "v4",
            (false, true) => "v6",
            (false, false) => "none",
        };
        Some(format!("{kind:?} {chain} {} {} {family}", name(from), name(to)))
    });
    related.collect()
}

#[test]
fn one_rule_hides_another() {
    assert_eq!(found("allow tcp 1-100\ndrop tcp 22\n"), ["Hides INPUT 1 2 both"]);
    assert_eq!(found("allow tcp 1-100\nallow tcp 22\n"), ["Hides INPUT 1 2 both"]);
    assert_eq!(found("drop tcp 22\nlog tcp 22\n"), ["Hides INPUT 1 2 both"]);
    assert_eq!(found("drop tcp any state established\n"), ["Hides INPUT Established 1 both"]);
}

#[test]
fn several_hide_one_together() {
    let policy = "allow tcp 1-100\nallow tcp 101-200\nallow tcp 900\ndrop tcp 50-150\n";
    assert_eq!(found(policy), ["Hides INPUT 1 4 both", "Hides INPUT 2 4 both"]);
    // One port is left.
    let policy = "allow tcp 1-100\nallow tcp 102-200\ndrop tcp 50-150\n";
    assert_eq!(found(policy), ["Conflicts INPUT 1 3 both", "Conflicts INPUT 2 3 both"]);
}

#[test]
fn what_may_only_take_hides_nothing() {
    let limited = "allow tcp 22 limit 5/minute\ndrop tcp 22\n";
    assert_eq!(found(limited), ["Excepts INPUT 1 2 both"]);
    assert_eq!(found("log tcp 22\ndrop tcp 22\n"), [] as [&str; 0]);
    let policy = "chain c {\nlog any\n}\njump c from any to self\ndrop tcp 22\n";
    assert_eq!(found(policy), [] as [&str; 0]);
}

#[test]
fn a_set_that_rules_fill_hides_nothing() {
    let policy = "set bad dynamic timeout 1h\ndrop any from bad\nadd source to bad telnet\n\
                  drop any from bad\nallow tcp 22 from bad\n";
    assert_eq!(found(policy), ["Conflicts INPUT 2 5 both", "Conflicts INPUT 4 5 both"]);
}

#[test]
fn raw_conditions_hide_nothing() {
    let policy = "raw v4 filter INPUT \"-m limit --limit 1/s -j DROP\"\n\
                  raw v4 filter INPUT \"-m limit --limit 1/s -j DROP\"\nallow tcp 22\n";
    assert_eq!(found(policy), [] as [&str; 0]);
    let policy = "raw v4 filter INPUT \"-j DROP\"\nallow tcp 22 ipv4\n";
    assert_eq!(found(policy), ["Hides INPUT 1 2 v4"]);
}

#[test]
fn who_acts_alike_does_not_conflict() {
    assert_eq!(found("allow tcp 1-100\nallow tcp 50-150\n"), [] as [&str; 0]);
    assert_eq!(found("allow tcp 1-100\ndrop udp 50-150\n"), [] as [&str; 0]);
    assert_eq!(found("allow tcp 22 in eth0\ndrop tcp 22 in eth1\n"), [] as [&str; 0]);
}

#[test]
fn an_exception_is_no_conflict() {
    assert_eq!(found("allow tcp 22\ndrop tcp 1-100\n"), ["Excepts INPUT 1 2 both"]);
    assert_eq!(found("allow tcp 1-100\ndrop tcp 50-150\n"), ["Conflicts INPUT 1 2 both"]);
}

#[test]
fn only_who_decides_is_told_of() {
    // What 1 and 3 have in common is taken by 2 as well, so their order does not matter.
    let policy = "allow tcp 22\nallow tcp 20-30\ndrop tcp 1-100\n";
    assert_eq!(found(policy), ["Excepts INPUT 2 3 both"]);
}

#[test]
fn families_are_told_apart() {
    let policy = "allow tcp 1-100 ipv4\ndrop tcp 22\n";
    assert_eq!(found(policy), ["Conflicts INPUT 1 2 v4"]);
    let policy = "allow tcp 1-100 ipv4\nallow tcp 1-30 ipv6\ndrop tcp 22\n";
    assert_eq!(found(policy), ["Hides INPUT 1 3 v4", "Hides INPUT 2 3 v6"]);
}

#[test]
fn rules_of_a_chain_are_related_among_themselves() {
    let policy =
        "chain c {\nreturn tcp 22\ndrop tcp 1-100\ndrop tcp 23\n}\njump c from any to self\n";
    assert_eq!(found(policy), ["Excepts c 2 3 both", "Hides c 3 4 both"]);
}

#[test]
fn the_accept_depends_on_its_translation() {
    let policy = "zone wan = eth0\nzone lan = eth1 { 10.0.0.0/24 }\n\
                  forward https from wan to 10.0.0.2@lan hairpin lan\n";
    let wanted = ["DependsOn POSTROUTING 3 3 v4", "DependsOn FORWARD 3 3 v4"];
    assert_eq!(found(policy), wanted);
    let redirect = "zone lan = eth1 { 10.0.0.0/24 }\nredirect dns from lan to :5353 ipv4\n";
    assert_eq!(found(redirect), ["DependsOn INPUT 2 2 v4"]);
    let netmap = "zone wan = eth0\nnetmap 192.0.2.0/24 to 10.0.0.0/24 on wan\n";
    assert_eq!(found(netmap), [] as [&str; 0]);
}

#[test]
fn translations_hide_and_conflict() {
    let policy = "zone wan = eth0\nzone lan = eth1 { 10.0.0.0/24 }\n\
                  forward https from wan to 10.0.0.2@lan\nforward https from wan to 10.0.0.3@lan\n";
    assert!(found(policy).contains(&"Hides PREROUTING 3 4 v4".to_owned()), "{:?}", found(policy));
}

#[test]
fn every_chain_is_on_a_way() {
    let policy = resolve_text(
        "zone wan = eth0\nzone lan = eth1 { 10.0.0.0/24 }\nallow any from lan to wan\n\
         masquerade from lan to wan\nforward https from wan to 10.0.0.2@lan hairpin self\n\
         mark 1 from wan to self\nmark 2 from lan to wan\nmark 3 from self\n\
         mark 4 sticky from wan to self, any\nnotrack udp 53 from lan to self\ndocker { allow http }\n\
         raw v4 nat INPUT \"-j ACCEPT\"\nraw v4 mangle POSTROUTING \"-j ACCEPT\"\n",
    );
    let meaning = meaning(&policy);
    let graph = graph(Text::Policy(&policy), &meaning, &Relations::none());
    let led: BTreeSet<NodeIndex> = graph
        .edges()
        .filter(|(.., edge)| *edge == Edge::Way)
        .flat_map(|(from, to, _)| [from, to])
        .collect();
    // A policy says nothing in the three chains of the table of SELinux.
    assert_eq!(graph.chains().count(), BaseChain::ALL.len() - 3);
    assert!(graph.chains().all(|(index, _)| led.contains(&index)));
}

fn resolve_text(text: &str) -> crate::resolve::Policy {
    let mut sources = Sources::new();
    let root = sources.add("policy.fw", text);
    let resolved = resolve(root, &mut sources, &mut MemoryLoader::default());
    assert!(!crate::diagnostic::has_errors(&resolved.findings), "{:?}", resolved.findings);
    resolved.policy
}

/// What a packet shows of the rules of a chain: which takes it for good, and which would if that was
/// not there.
fn first_two<'m>(list: &'m List, packet: &Packet) -> Option<(&'m Entry, &'m Entry)> {
    let takes = |entry: &&Entry| {
        let goes_on = matches!(entry.effect, Effect::Continue | Effect::Call(_));
        !goes_on && entry.limits.is_empty() && entry.set.contains(packet)
    };
    let mut takers = list.entries.iter().filter(takes);
    Some((takers.next()?, takers.next()?))
}

/// Tries relations with packets: those that packets show are there, and no packet shows that one is
/// wrong.
fn try_with_packets(policy: &crate::resolve::Policy) -> usize {
    let meaning = meaning(policy);
    let relations = relations(&meaning);
    let of = |kind, from: Place, to: Place| {
        relations
            .found
            .iter()
            .any(|relation| (relation.kind, relation.from, relation.to) == (kind, from, to))
    };
    let hidden: BTreeSet<Place> = relations
        .found
        .iter()
        .filter(|relation| relation.kind == Kind::Hides)
        .map(|relation| relation.to)
        .collect();
    let mut seen = 0;
    for family in Family::BOTH {
        for base in BaseChain::ALL {
            let list = meaning.base(family, base);
            let Some(list) = list.filter(|list| !list.entries.is_empty()) else { continue };
            for packet in probes(&meaning, family, base, 7, 600) {
                let Some((first, next)) = first_two(list, &packet) else { continue };
                let is_hidden =
                    |entry: &Entry| hidden.contains(&place(ChainKey::Base(base), entry));
                assert!(!is_hidden(first), "{:?} takes {packet:?}", first.reason);
                let is_written = |entry: &Entry| matches!(entry.reason, Reason::Written(_));
                let is_pair = is_written(first) && is_written(next) && !is_hidden(next);
                let differs = first.effect != next.effect;
                let decide = |entry: &Entry| !matches!(entry.effect, Effect::Goto(_));
                if is_pair && differs && decide(first) && decide(next) {
                    let kinds = [Kind::Conflicts, Kind::Excepts];
                    let found = kinds.iter().any(|kind| {
                        of(
                            *kind,
                            place(ChainKey::Base(base), first),
                            place(ChainKey::Base(base), next),
                        )
                    });
                    assert!(found, "{:?} {:?} {packet:?}", first.reason, next.reason);
                    seen += 1;
                }
            }
        }
    }
    seen
}

#[test]
fn packets_agree() {
    let mut seen = 0;
    for seed in 0..20 {
        let mut random = crate::packet::Random::new(seed);
        let mut text = String::new();
        for _ in 0..12 {
            let verb = *random.pick(&["allow", "drop", "reject"]).unwrap();
            let what = random
                .pick(&["tcp 1-50", "tcp 22", "udp 10-90", "any", "tcp 40-99, udp 1-20"])
                .unwrap();
            let from = random
                .pick(&["", " from 10.0.0.0/8", " from 10.1.0.0/16, fd00::/8", " in eth0"])
                .unwrap();
            let more = random.pick(&["", "", " state new", " mark 1", " ttl 9"]).unwrap();
            text.push_str(&format!("{verb} {what}{from}{more}\n"));
        }
        seen += try_with_packets(&resolve_text(&text));
    }
    assert!(seen > 300, "{seen}");
}

#[test]
fn many_rules_take_little_longer() {
    let rule = |n: u32| {
        let verb = if n.is_multiple_of(2) { "allow" } else { "drop" };
        format!("{verb} tcp {} from 10.{}.{}.0/24\n", n + 1, n % 200, n / 200)
    };
    let text: Vec<String> = (0..3_000).map(rule).collect();
    let relations = relations(&meaning(&resolve_text(&text.concat())));
    assert!(relations.is_complete && relations.found.is_empty());
}
