//! One rule as iptables arguments, in the form in which `iptables-save` prints it.

use crate::net::{Family, Protocol, TcpFlags};
use crate::ruleset::{Conntrack, Match, MatchKind, Rule};

use super::matches::{Words, multiport, words};
use super::target::target_text;

/// The rule without `-A CHAIN`: `-i lo -j ACCEPT`.
///
/// A match that no option can say (see [`unwritable`]) is written so that the tools refuse the file
/// and nothing is loaded; it is never left out.
#[must_use]
pub fn rule_text(rule: &Rule, family: Family) -> String {
    let transport = transport(rule);
    let mut out = String::new();
    let mut open: Option<(&'static str, u8)> = None;
    // nft-compat keeps only the last of two port matches of one kind, so the second is a multiport.
    let mut ports_said = [false; 2];
    for found in &rule.matches {
        if let Some(reason) = unwritable_match(found, rule) {
            push(&mut out, &format!("-m cannot-be-written[{}]", reason.replace(' ', "-")));
            continue;
        }
        let next = match port_of(&found.kind) {
            Some((rank, ports)) if ports_said[usize::from(rank)] => {
                Some(multiport(rank, found.negated, ports))
            }
            _ => words(found, family, transport),
        };
        if let Some((rank, _)) = port_of(&found.kind) {
            ports_said[usize::from(rank)] = true;
        }
        if let Some(next) = next {
            push_words(&mut out, &next, &mut open);
        }
    }
    push(&mut out, &target_text(&rule.target));
    out
}

/// Why no rules file can say this rule, when none can.
///
/// A caller who wants a better message than the tools' asks first.
#[must_use]
pub fn unwritable(rule: &Rule) -> Option<&'static str> {
    rule.matches.iter().find_map(|found| unwritable_match(found, rule))
}

fn unwritable_match(found: &Match, rule: &Rule) -> Option<&'static str> {
    let no = found.negated;
    match &found.kind {
        MatchKind::Limit { .. } if no => Some("limit cannot be negated"),
        MatchKind::Comment(_) if no => Some("comment cannot be negated"),
        MatchKind::Opaque(_) | MatchKind::OpaqueHistory(_) if no => {
            Some("words that are not known cannot be negated")
        }
        MatchKind::Time(_) if no => Some("a time window cannot be negated"),
        MatchKind::Conntrack(asked) if no && conditions(asked) != 1 => {
            Some("several conditions of conntrack cannot be negated together")
        }
        // The tools print it as a rule without the condition, open where it was shut.
        MatchKind::TcpFlags(flags) if no && flags.mask() == TcpFlags::NONE => {
            Some("looking at no flag cannot be negated")
        }
        // 255 is "every type" to the tools and to the kernel.
        MatchKind::Icmp(icmp) if icmp.family == Family::V4 && icmp.kind == u8::MAX => {
            Some("icmp type 255 means every type")
        }
        MatchKind::SourcePort(..) | MatchKind::DestinationPort(..) if transport(rule) == "none" => {
            Some("ports need a protocol")
        }
        MatchKind::SourcePorts(list) | MatchKind::DestinationPorts(list) if list.is_empty() => {
            Some("a list of ports is empty")
        }
        MatchKind::Source(_)
        | MatchKind::Destination(_)
        | MatchKind::In(_)
        | MatchKind::Out(_)
        | MatchKind::Protocol(_)
        | MatchKind::SourcePort(..)
        | MatchKind::DestinationPort(..)
        | MatchKind::SourcePorts(_)
        | MatchKind::DestinationPorts(_)
        | MatchKind::TcpFlags(_)
        | MatchKind::Icmp(_)
        | MatchKind::AnyIcmp
        | MatchKind::SourceRange(..)
        | MatchKind::DestinationRange(..)
        | MatchKind::Set { .. }
        | MatchKind::DestinationLocal
        | MatchKind::Multicast(_)
        | MatchKind::Conntrack(_)
        | MatchKind::State(_)
        | MatchKind::Mac(_)
        | MatchKind::Mark(_)
        | MatchKind::Connmark(_)
        | MatchKind::User(_)
        | MatchKind::Group(_)
        | MatchKind::Length(..)
        | MatchKind::Ttl(_)
        | MatchKind::Dscp(_)
        | MatchKind::Time(_)
        | MatchKind::Ipsec { .. }
        | MatchKind::Opaque(_)
        | MatchKind::OpaqueHistory(_)
        | MatchKind::Comment(_)
        | MatchKind::Limit { .. }
        | MatchKind::Hashlimit(_)
        | MatchKind::Connlimit { .. } => None,
    }
}

/// How many things are asked of the connection.
pub(super) fn conditions(asked: &Conntrack) -> usize {
    usize::from(!asked.states.is_empty() || asked.dnat)
        + usize::from(asked.original_destination.is_some())
        + usize::from(asked.original_port.is_some())
}

/// The extension that has the ports of the rule's protocol.
fn transport(rule: &Rule) -> &'static str {
    const DCCP: u8 = 33;
    let protocol = rule.matches.iter().find_map(|found| {
        let MatchKind::Protocol(protocol) = found.kind else { return None };
        (!found.negated).then_some(protocol)
    });
    match protocol {
        Some(Protocol::TCP) => "tcp",
        Some(Protocol::UDP) => "udp",
        Some(Protocol::SCTP) => "sctp",
        Some(other) if other.number() == DCCP => "dccp",
        Some(_) | None => "none",
    }
}

/// The rank (0 source, 1 destination) and ports of a single port match.
fn port_of(kind: &MatchKind) -> Option<(u8, (u16, u16))> {
    if let MatchKind::SourcePort(low, high) = kind {
        return Some((0, (*low, *high)));
    }
    if let MatchKind::DestinationPort(low, high) = kind {
        return Some((1, (*low, *high)));
    }
    None
}

fn push_words(out: &mut String, words: &Words, open: &mut Option<(&'static str, u8)>) {
    if let Some(module) = words.module {
        // `-p tcp -m tcp -m tcp` would be printed back with one `-m tcp`.
        let shared = open.is_some_and(|(last, rank)| {
            last == module && (rank < words.rank || words.options.is_empty())
        });
        if !shared {
            push(out, "-m ");
            out.push_str(module);
        }
        *open = Some((module, words.rank));
    }
    push(out, &words.options);
}

fn push(out: &mut String, text: &str) {
    if !out.is_empty() && !text.is_empty() {
        out.push(' ');
    }
    out.push_str(text);
}

#[cfg(test)]
mod tests;
