//! What the tools and the kernel want of one match or target: of its options among each other, of the rule
//! around it, of the place where it stands.

use std::ops::{Range, RangeInclusive};

use crate::net::{Family, Protocol};
use crate::ruleset::Standing;

use super::line::{Fault, Item, What};
use super::options::MatchSpec;
use super::rule::{Context, Use};
use super::value;

/// What is wanted of the options together (tried with iptables 1.8.9, legacy and nft, which refuse the same).
/// Each may be there once.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Demand {
    /// One of these is there.
    One(&'static [&'static str]),
    /// No two of these are.
    Only(&'static [&'static str]),
    /// With the first there is one of the others.
    With(&'static str, &'static [&'static str]),
    /// The same where it has this value.
    If(&'static str, &'static str, &'static [&'static str]),
    /// These have no opposite.
    Plain(&'static [&'static str]),
    /// These may be there more than once.
    Often(&'static [&'static str]),
    /// A number from one to the other, as its words say it.
    Number(&'static [&'static str], RangeInclusive<u64>, &'static str),
    /// With the first the rule is about this protocol, of which the last says how people write that.
    Of(&'static [&'static str], Protocol, &'static str),
}

/// Matches that may stand without any option. All others the tools refuse bare (tried with iptables
/// 1.8.9; of `cgroup` and `rateest` that is the kernel's word).
const ASK_ALONE: [&str; 21] = [
    "tcp", "udp", "sctp", "dccp", "udplite", "esp", "ah", "ipcomp", "mh", "rpfilter", "limit",
    "time", "socket", "dst", "eui64", "frag", "hbh", "rt", "srh", "cgroup", "rateest",
];

/// The protocols of which the tools want a rule with this match to be about one, and how people write that;
/// none when any will do.
fn protocols(name: &str, family: Family) -> (&'static [u8], &'static str) {
    match (name, family) {
        ("tcp" | "tcpmss" | "osf", Family::V4 | Family::V6) => (&[6], "`-p tcp`"),
        ("udp", Family::V4 | Family::V6) => (&[17], "`-p udp`"),
        ("sctp", Family::V4 | Family::V6) => (&[132], "`-p sctp`"),
        ("dccp", Family::V4 | Family::V6) => (&[33], "`-p dccp`"),
        ("esp", Family::V4 | Family::V6) => (&[50], "`-p esp`"),
        // A header of IPv6 is none of its protocols.
        ("ah", Family::V4) => (&[51], "`-p ah`"),
        ("ipcomp", Family::V4 | Family::V6) => (&[108], "`-p ipcomp`"),
        ("mh", Family::V4 | Family::V6) => (&[135], "`-p mobility-header`"),
        ("icmp", Family::V4 | Family::V6) => (&[1], "`-p icmp`"),
        ("icmp6" | "icmpv6", Family::V4 | Family::V6) => (&[58], "`-p ipv6-icmp`"),
        // Those with ports: also dccp and udplite.
        ("multiport", Family::V4 | Family::V6) => {
            (&[6, 17, 132, 33, 136], "`-p tcp` or another protocol with ports")
        }
        _ => (&[], ""),
    }
}

/// The same of targets.
fn target_protocols(name: &str) -> (&'static [u8], &'static str) {
    match name {
        "TCPMSS" | "TCPOPTSTRIP" | "SYNPROXY" => (&[6], "`-p tcp`"),
        "TPROXY" => (&[6, 17], "`-p tcp` or `-p udp`"),
        _ => (&[], ""),
    }
}

/// Refuses a match that the tools or the kernel would.
pub(super) fn check_match(
    used: &Use<'_, '_>,
    named: Option<&Range<usize>>,
    spec: &MatchSpec,
    context: &mut Context<'_>,
) -> Result<(), Fault> {
    let first = used.items.first().map_or(used.word, |item| item.all.start);
    let word = if named.is_some() { used.word } else { first };
    let fault = |what| Err(Fault { word, what });
    if used.items.is_empty() && !ASK_ALONE.contains(&spec.name) {
        return fault(What::NoOption);
    }
    stands(spec.name, word, |option, value| used.asks(option, value), context)?;
    let (protocols, written) = protocols(spec.name, context.family);
    // The newer tools take what asks for ports or flags of a protocol that is excluded.
    let excluded = |protocol: Protocol| {
        matches!(protocol, Protocol::TCP | Protocol::UDP)
            && matches!(spec.name, "tcp" | "udp")
            && !used.items.is_empty()
            && protocols == [protocol.number()]
    };
    let fits = match context.protocol {
        Some((protocol, false)) => protocols.contains(&protocol.number()),
        Some((protocol, true)) => excluded(protocol),
        None => false,
    };
    if !protocols.is_empty() && !fits {
        return fault(What::OtherProtocol(written));
    }
    check_options(used, word, spec.demands, context)
}

/// The same of a target.
pub(super) fn check_target(
    used: &Use<'_, '_>,
    name: &str,
    demands: &'static [Demand],
    context: &mut Context<'_>,
) -> Result<(), Fault> {
    stands(name, used.word, |option, value| used.asks(option, value), context)?;
    let (protocols, written) = target_protocols(name);
    let fits =
        |(protocol, negated): (Protocol, bool)| !negated && protocols.contains(&protocol.number());
    if !protocols.is_empty() && !context.protocol.is_some_and(fits) {
        return Err(Fault { word: used.word, what: What::OtherProtocol(written) });
    }
    check_options(used, used.word, demands, context)
}

/// Whether something may stand where the rule does: `-i`, a match, a target. Where packets come to a chain of
/// nobody's hook from is not known before the table ends.
pub(super) fn stands(
    name: &str,
    word: usize,
    asks: impl Fn(&str, Option<&str>) -> bool,
    context: &mut Context<'_>,
) -> Result<(), Fault> {
    for standing in Standing::of(name).iter().filter(|standing| standing.is_about(&asks)) {
        let fault = |what| Err(Fault { word, what });
        if let Some(family) = standing.family.filter(|family| *family != context.family) {
            return fault(What::OtherFamily(family));
        }
        let Some((table, chain)) = context.place else { continue };
        if !standing.takes(table, chain) {
            return fault(What::Misplaced(standing));
        }
        if chain.is_none() && standing.looks_through_chains() {
            context.waiting.push((word, standing));
        }
    }
    Ok(())
}

fn check_options(
    used: &Use<'_, '_>,
    word: usize,
    demands: &'static [Demand],
    context: &Context<'_>,
) -> Result<(), Fault> {
    let is_often = |name: &str| {
        demands.iter().any(|demand| matches!(demand, Demand::Often(list) if list.contains(&name)))
    };
    for (at, item) in used.items.iter().enumerate() {
        let is_same = |other: &Item| other.option.is_some() && other.option == item.option;
        if used.items[..at].iter().any(is_same) && !is_often(item.name()) {
            return Err(Fault { word: item.word, what: What::Twice });
        }
    }
    let find = |list: &[&str]| used.items.iter().find(|item| list.contains(&item.name()));
    let missing = |word, list| Err(Fault { word, what: What::Without(list) });
    for demand in demands {
        match demand {
            Demand::One(list) if find(list).is_none() => return missing(word, list),
            Demand::Only(list) => {
                let mut those = used.items.iter().filter(|item| list.contains(&item.name()));
                if let (Some(first), Some(second)) = (those.next(), those.next()) {
                    let what = What::Beside(first.name());
                    return Err(Fault { word: second.word, what });
                }
            }
            Demand::With(option, list) if find(list).is_none() => {
                if let Some(item) = find(&[option]) {
                    return missing(item.word, list);
                }
            }
            Demand::If(option, value, list) if find(list).is_none() => {
                if let Some(item) = find(&[option]).filter(|item| used.value(item, 0) == *value) {
                    return missing(item.values.start, list);
                }
            }
            Demand::Plain(list) => {
                let mut those = used.items.iter().filter(|item| list.contains(&item.name()));
                if let Some(item) = those.find(|item| item.negated) {
                    return Err(Fault { word: item.word, what: What::NotNegated });
                }
            }
            Demand::Of(list, protocol, written) if !context.is_of(*protocol) => {
                if let Some(item) = find(list) {
                    let what = What::OtherProtocol(written);
                    return Err(Fault { word: item.word, what });
                }
            }
            Demand::Number(list, range, expected) => {
                for item in used.items.iter().filter(|item| list.contains(&item.name())) {
                    let number = |text: &str| value::number(text, *range.end());
                    used.read(item, expected, |text| number(text).filter(|n| range.contains(n)))?;
                }
            }
            Demand::One(_)
            | Demand::With(..)
            | Demand::If(..)
            | Demand::Often(_)
            | Demand::Of(..) => {}
        }
    }
    Ok(())
}
