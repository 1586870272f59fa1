//! Matches on what a packet carries: ports, tcp flags, ICMP types.

use crate::net::{Family, FlagMatch, Protocol, TcpFlags};
use crate::ruleset::{MULTIPORT_SLOTS, MatchKind};

use super::line::{Fault, Item};
use super::names::{self, Icmp};
use super::rule::{Context, Use};
use super::value;

const PORTS: &str = "a port or a range of ports such as `1024:65535`";
const ASCENDING: &str = "a range of ports with the smaller one first";

pub(super) fn tcp(used: &Use<'_, '_>, context: &mut Context<'_>) -> Result<bool, Fault> {
    with_ports(used, context, Protocol::TCP)
}

pub(super) fn udp(used: &Use<'_, '_>, context: &mut Context<'_>) -> Result<bool, Fault> {
    with_ports(used, context, Protocol::UDP)
}

pub(super) fn sctp(used: &Use<'_, '_>, context: &mut Context<'_>) -> Result<bool, Fault> {
    with_ports(used, context, Protocol::SCTP)
}

fn with_ports(
    used: &Use<'_, '_>,
    context: &mut Context<'_>,
    protocol: Protocol,
) -> Result<bool, Fault> {
    // The newer tools take it of a protocol that is excluded, and ask for the protocol as well.
    let mut all = context.is_of(protocol);
    let first = context.matches.len();
    let ascends = |item: &Item, low: u16, high: u16| match low > high {
        // For the tools that is a range of udp, which no port is in.
        true if protocol != Protocol::UDP => Err(item.fault(0, ASCENDING)),
        is_empty => Ok(!is_empty),
    };
    // Without any option: a packet that has the ports of this protocol.
    if used.items.is_empty() {
        context.push(false, MatchKind::DestinationPort(0, u16::MAX));
    }
    for item in used.items {
        let kind = match item.name() {
            "sport" | "source-port" => {
                let (low, high) = used.read(item, PORTS, value::ports)?;
                all &= ascends(item, low, high)?;
                MatchKind::SourcePort(low, high)
            }
            "dport" | "destination-port" => {
                let (low, high) = used.read(item, PORTS, value::ports)?;
                all &= ascends(item, low, high)?;
                MatchKind::DestinationPort(low, high)
            }
            "syn" => MatchKind::TcpFlags(syn()),
            "tcp-flags" => {
                let [mask, set] = [0, 1].map(|index| {
                    let found = flags(used.value(item, index));
                    found.ok_or_else(|| item.fault(index, "a list of tcp flags"))
                });
                match FlagMatch::new(set?, mask?) {
                    Some(wanted) => MatchKind::TcpFlags(wanted),
                    // It asks for a flag at which it does not look, and never holds.
                    None => return Ok(false),
                }
            }
            _ => return Ok(false),
        };
        context.push(item.negated, kind);
    }
    let source = |kind: &MatchKind| matches!(kind, MatchKind::SourcePort(..));
    let flags = |kind: &MatchKind| matches!(kind, MatchKind::TcpFlags(_));
    context.sort_from(first, |kind| if source(kind) { 0 } else { 1 + u8::from(flags(kind)) });
    Ok(all)
}

/// Of SYN, RST, ACK and FIN only the first.
fn syn() -> FlagMatch {
    let mask = [TcpFlags::FIN, TcpFlags::RST, TcpFlags::ACK];
    let mask = mask.into_iter().fold(TcpFlags::SYN, TcpFlags::union);
    FlagMatch::new(TcpFlags::SYN, mask).expect("SYN is looked at")
}

fn flags(text: &str) -> Option<TcpFlags> {
    let mut all = TcpFlags::NONE;
    for name in text.split(',') {
        all = all.union(TcpFlags::from_name(&name.to_ascii_lowercase())?);
    }
    Some(all)
}

pub(super) fn multiport(used: &Use<'_, '_>, context: &mut Context<'_>) -> Result<bool, Fault> {
    // Of others that have ports, the model does not know them.
    let with_ports = [Protocol::TCP, Protocol::UDP, Protocol::SCTP];
    let [item] = used.items else { return Ok(false) };
    let list = used.read(item, "a list of ports and ranges of ports", |text| {
        text.split(',').map(value::ports).collect::<Option<Vec<(u16, u16)>>>()
    })?;
    if list.iter().any(|(low, high)| low > high) {
        return Err(item.fault(0, "a list of ports, and of ranges with the smaller one first"));
    }
    let slots: usize = list.iter().map(|(low, high)| 1 + usize::from(low < high)).sum();
    if slots > MULTIPORT_SLOTS {
        return Err(item.fault(0, "a list of at most 15 ports, of which a range counts as two"));
    }
    if !with_ports.iter().any(|protocol| context.is_of(*protocol)) {
        return Ok(false);
    }
    let kind = match item.name() {
        "sports" | "source-ports" => MatchKind::SourcePorts(list),
        "dports" | "destination-ports" => MatchKind::DestinationPorts(list),
        _ => return Ok(false),
    };
    context.push(item.negated, kind);
    Ok(true)
}

pub(super) fn icmp(used: &Use<'_, '_>, context: &mut Context<'_>) -> Result<bool, Fault> {
    let family = context.family;
    if !context.is_of(Protocol::icmp(family)) {
        return Ok(false);
    }
    let [item] = used.items else { return Ok(false) };
    let of_family = match family {
        Family::V4 => "icmp-type",
        Family::V6 => "icmpv6-type",
    };
    if item.name() != of_family {
        return Ok(false);
    }
    let kind = match used.read(item, "a type of ICMP", |text| names::icmp(text, family))? {
        Icmp::Any => MatchKind::AnyIcmp,
        Icmp::Type(icmp) => MatchKind::Icmp(icmp),
    };
    context.push(item.negated, kind);
    Ok(true)
}
