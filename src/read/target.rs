//! What a rule does, as far as the model has words for it.

// Whoever reads one has the same type, also where nothing can be wrong.
#![allow(clippy::unnecessary_wraps)]

use std::net::IpAddr;

use crate::net::{Family, Helper, MarkMatch, PortProtocol, Protocol};
use crate::ruleset::{RejectType, Target};

use super::line::{Fault, Item, What};
use super::packet::class;
use super::rule::{Context, Use};
use super::value::{self, Network};

/// A target that the model knows by its words only.
pub(super) fn opaque(_: &Use<'_, '_>, _: &mut Context<'_>) -> Result<Option<Target>, Fault> {
    Ok(None)
}

/// An answer of REJECT with its name and its short name.
type Answer = (&'static str, &'static str, RejectType);

/// The answers in the order in which the tools look for one that begins as written (tried with
/// iptables 1.8.9).
const ANSWERS_V4: [Answer; 8] = [
    ("icmp-net-unreachable", "net-unreach", RejectType::IcmpNetUnreachable),
    ("icmp-host-unreachable", "host-unreach", RejectType::IcmpHostUnreachable),
    ("icmp-proto-unreachable", "proto-unreach", RejectType::IcmpProtoUnreachable),
    ("icmp-port-unreachable", "port-unreach", RejectType::IcmpPortUnreachable),
    ("icmp-net-prohibited", "net-prohib", RejectType::IcmpNetProhibited),
    ("icmp-host-prohibited", "host-prohib", RejectType::IcmpHostProhibited),
    ("tcp-reset", "tcp-rst", RejectType::TcpReset),
    ("icmp-admin-prohibited", "admin-prohib", RejectType::IcmpAdminProhibited),
];
const ANSWERS_V6: [Answer; 7] = [
    ("icmp6-no-route", "no-route", RejectType::Icmp6NoRoute),
    ("icmp6-adm-prohibited", "adm-prohibited", RejectType::Icmp6AdmProhibited),
    ("icmp6-addr-unreachable", "addr-unreach", RejectType::Icmp6AddrUnreachable),
    ("icmp6-port-unreachable", "port-unreach", RejectType::Icmp6PortUnreachable),
    ("tcp-reset", "tcp-reset", RejectType::TcpReset),
    ("icmp6-policy-fail", "policy-fail", RejectType::Icmp6PolicyFail),
    ("icmp6-reject-route", "reject-route", RejectType::Icmp6RejectRoute),
];

pub(super) fn reject(
    used: &Use<'_, '_>,
    context: &mut Context<'_>,
) -> Result<Option<Target>, Fault> {
    let (answers, unasked): (&[Answer], RejectType) = match context.family {
        Family::V4 => (&ANSWERS_V4, RejectType::IcmpPortUnreachable),
        Family::V6 => (&ANSWERS_V6, RejectType::Icmp6PortUnreachable),
    };
    let [item] = used.items else {
        return Ok(used.items.is_empty().then_some(Target::Reject(unasked)));
    };
    let text = used.value(item, 0);
    let is_it = |(name, short, _): &&Answer| {
        !text.is_empty() && (value::starts_with(name, text) || value::starts_with(short, text))
    };
    let found = answers.iter().find(is_it);
    let expected = "an answer that REJECT gives in this family";
    let (.., answer) = found.ok_or_else(|| item.fault(0, expected))?;
    // The kernel answers no other packet so (`ipt_REJECT.c`).
    if *answer == RejectType::TcpReset && !context.is_of(Protocol::TCP) {
        return Err(Fault { word: item.values.start, what: What::OtherProtocol("`-p tcp`") });
    }
    Ok(Some(Target::Reject(*answer)))
}

/// The levels of syslog by name; the shorter of two names second.
const LEVELS: [(&str, u8); 11] = [
    ("emerg", 0),
    ("panic", 0),
    ("alert", 1),
    ("crit", 2),
    ("error", 3),
    ("err", 3),
    ("warning", 4),
    ("warn", 4),
    ("notice", 5),
    ("info", 6),
    ("debug", 7),
];

const DEFAULT_LEVEL: u8 = 4;

pub(super) fn log(used: &Use<'_, '_>, _: &mut Context<'_>) -> Result<Option<Target>, Fault> {
    let (mut prefix, mut level) = (None, DEFAULT_LEVEL);
    for item in used.items {
        let number = |text: &str| {
            let named = LEVELS.iter().find(|(name, _)| *name == text);
            named.map(|(_, level)| *level).or_else(|| value::byte(text).filter(|level| *level < 8))
        };
        match item.name() {
            "log-prefix" => prefix = Some(used.value(item, 0)).filter(|text| !text.is_empty()),
            "log-level" => level = used.read(item, "a level up to 7, or its name", number)?,
            _ => return Ok(None),
        }
    }
    Ok(Some(Target::Log { prefix: prefix.map(Into::into), level }))
}

/// The option and what is written under a mask, for the options that MARK and CONNMARK share; the inner
/// `None` for what is no plain setting of bits.
fn set_bits(used: &Use<'_, '_>, item: &Item) -> Result<Option<MarkMatch>, Fault> {
    const MARK: &str = "a mark such as `0x10/0xff`";
    let one = || used.read(item, "a number of 32 bits", value::long);
    Ok(match item.name() {
        // The bits of the mask are cleared, then those of the value turned over.
        "set-xmark" => {
            let (value, mask) = used.read(item, MARK, value::mark)?;
            MarkMatch::new(value, mask)
        }
        // The bits of the mask are cleared, then those of the value set.
        "set-mark" => {
            let (value, mask) = used.read(item, MARK, value::mark)?;
            MarkMatch::new(value, mask | value)
        }
        "and-mark" => MarkMatch::new(0, !one()?),
        "or-mark" => one().map(|bits| MarkMatch::new(bits, bits))?,
        _ => None,
    })
}

pub(super) fn mark(used: &Use<'_, '_>, _: &mut Context<'_>) -> Result<Option<Target>, Fault> {
    let [item] = used.items else { return Ok(None) };
    Ok(set_bits(used, item)?.map(Target::SetMark))
}

pub(super) fn connmark(used: &Use<'_, '_>, _: &mut Context<'_>) -> Result<Option<Target>, Fault> {
    let [first, rest @ ..] = used.items else { return Ok(None) };
    let is_restored = first.name() == "restore-mark";
    if !is_restored && first.name() != "save-mark" {
        let alone = rest.is_empty();
        return Ok(set_bits(used, first)?.filter(|_| alone).map(Target::SetConnmark));
    }
    let (mut packet, mut connection) = (u32::MAX, u32::MAX);
    for item in rest {
        let mask = || used.read(item, "a mask of 32 bits", value::long);
        match item.name() {
            "nfmask" => packet = mask()?,
            "ctmask" => connection = mask()?,
            "mask" => (packet, connection) = (mask()?, mask()?),
            _ => return Ok(None),
        }
    }
    let copied = if is_restored { Target::RestoreMark } else { Target::SaveMark };
    Ok((packet == connection).then_some(copied(packet)))
}

/// What a translation gives; of what the tools take and nobody means, nothing.
#[derive(Default)]
struct Given {
    addresses: Option<(IpAddr, IpAddr)>,
    ports: Option<(u16, u16)>,
    /// Whether it is said which of the new ports the first old one gets.
    is_shifted: bool,
}

/// `10.0.0.2`, `10.0.0.2-10.0.0.9:80-90`, `:80`, `[fd00::1]:80`; `None` for what the tools refuse.
fn given(text: &str, family: Family) -> Option<Given> {
    let split = match family {
        Family::V4 => text.split_once(':'),
        Family::V6 => text.strip_prefix('[').and_then(|text| text.split_once("]:")),
    };
    let (mut ports, mut is_shifted) = (None, false);
    if let Some((_, said)) = split {
        let (range, first) = said.split_once('/').unwrap_or((said, ""));
        ports = Some(value::dashed_ports(range)?);
        is_shifted = range.len() < said.len();
        if is_shifted && (!range.contains('-') || value::port(first).is_none()) {
            return None;
        }
    }
    let addresses = split.map_or(text, |(addresses, _)| addresses);
    let (low, high) = addresses.split_once('-').unwrap_or((addresses, addresses));
    // No short forms, no zeros before a digit.
    let whole = |text: &str| text.parse().ok().filter(|address| Family::of(*address) == family);
    let addresses = match (whole(low).zip(whole(high)), family) {
        (Some(range), Family::V4 | Family::V6) => Some(range),
        (None, Family::V4) if addresses.is_empty() && ports.is_some() => None,
        (None, Family::V6) if text.contains(':') => return Some(Given::default()),
        (None, Family::V4 | Family::V6) => return None,
    };
    Some(Given { addresses, ports, is_shifted })
}

/// What the option of a translation says; `None` without it, or where the model has no word for that.
fn read_given(
    used: &Use<'_, '_>,
    context: &Context<'_>,
    name: &str,
) -> Result<Option<Given>, Fault> {
    let Some(item) = used.items.iter().find(|item| item.name() == name) else { return Ok(None) };
    let expected = match context.family {
        Family::V4 => {
            "an address or a range of them such as `10.0.0.2`, or `10.0.0.2:80` with ports"
        }
        Family::V6 => {
            "an address or a range of them such as `fd00::2`, or `[fd00::2]:80` with ports"
        }
    };
    let given = used.read(item, expected, |text| given(text, context.family))?;
    if given.ports.is_some() {
        has_ports(item, context)?;
    }
    Ok((used.items.len() == 1 && !given.is_shifted).then_some(given))
}

/// The ports of MASQUERADE and REDIRECT.
fn read_ports(used: &Use<'_, '_>, context: &Context<'_>) -> Result<Option<(u16, u16)>, Fault> {
    let Some(item) = used.items.iter().find(|item| item.name() == "to-ports") else {
        return Ok(None);
    };
    has_ports(item, context)?;
    used.read(item, "a port or a range of ports such as `80-90`", value::dashed_ports).map(Some)
}

/// With a port only what has ports can be sent on; to the tools ICMP has. (They look at the number of the
/// protocol alone, also where it is excluded.)
fn has_ports(item: &Item, context: &Context<'_>) -> Result<(), Fault> {
    // tcp, udp, sctp, dccp, icmp.
    match context.protocol {
        Some((protocol, _)) if [6, 17, 132, 33, 1].contains(&protocol.number()) => Ok(()),
        _ => Err(Fault { word: item.word, what: What::OtherProtocol(WITH_PORTS) }),
    }
}

const WITH_PORTS: &str = "`-p tcp` or another protocol with ports";

pub(super) fn masquerade(
    used: &Use<'_, '_>,
    context: &mut Context<'_>,
) -> Result<Option<Target>, Fault> {
    read_ports(used, context)?;
    Ok(used.items.is_empty().then_some(Target::Masquerade))
}

pub(super) fn snat(used: &Use<'_, '_>, context: &mut Context<'_>) -> Result<Option<Target>, Fault> {
    Ok(match read_given(used, context, "to-source")? {
        Some(Given { addresses: Some((low, high)), ports: None, .. }) if low <= high => {
            Some(Target::Snat(low, high))
        }
        Some(_) | None => None,
    })
}

pub(super) fn dnat(used: &Use<'_, '_>, context: &mut Context<'_>) -> Result<Option<Target>, Fault> {
    Ok(match read_given(used, context, "to-destination")? {
        Some(Given { addresses: Some((address, last)), ports, .. }) if address == last => {
            Some(Target::Dnat { address, ports })
        }
        Some(_) | None => None,
    })
}

pub(super) fn redirect(
    used: &Use<'_, '_>,
    context: &mut Context<'_>,
) -> Result<Option<Target>, Fault> {
    let ports = read_ports(used, context)?.filter(|_| used.items.len() == 1);
    Ok(ports.filter(|(low, high)| low == high).map(|(port, _)| Target::Redirect(port)))
}

pub(super) fn netmap(
    used: &Use<'_, '_>,
    context: &mut Context<'_>,
) -> Result<Option<Target>, Fault> {
    let [item] = used.items else { return Ok(None) };
    Ok(match value::network(used.value(item, 0), context.family) {
        Some(Network::Prefix(prefix)) => Some(Target::Netmap(prefix)),
        Some(Network::Holes) | None => None,
    })
}

pub(super) fn set(used: &Use<'_, '_>, context: &mut Context<'_>) -> Result<Option<Target>, Fault> {
    let (mut added, mut exist, mut timeout, mut plain) = (None, false, None, true);
    for item in used.items {
        let name = used.value(item, 0);
        match item.name() {
            "add-set" if used.value(item, 1) == "src" => added = Some(name),
            "exist" => exist = true,
            "timeout" => timeout = Some(used.read(item, "a number of seconds", value::long)?),
            "add-set" | "del-set" => {
                context.sets.change(name);
                plain = false;
            }
            _ => plain = false,
        }
    }
    let Some(name) = added else { return Ok(None) };
    if !exist || !plain {
        context.sets.change(name);
        return Ok(None);
    }
    let known = context.sets.get(name, context.family);
    Ok(known.map(|set| {
        context.sets.change(name);
        Target::AddSource { set, timeout }
    }))
}

pub(super) fn ct(used: &Use<'_, '_>, context: &mut Context<'_>) -> Result<Option<Target>, Fault> {
    for item in used.items.iter().filter(|item| item.name() == "helper") {
        if let Some(helper) = Helper::from_name(used.value(item, 0)) {
            fits_helper(item, helper, context)?;
        }
    }
    let [item] = used.items else { return Ok(None) };
    Ok(match item.name() {
        "notrack" => Some(Target::Notrack),
        "helper" => Helper::from_name(used.value(item, 0)).map(Target::Helper),
        _ => None,
    })
}

/// The kernel gives a helper only to the transports and families that it reads.
fn fits_helper(item: &Item, helper: Helper, context: &Context<'_>) -> Result<(), Fault> {
    let fault = |what| Err(Fault { word: item.values.start, what });
    if context.family == Family::V6 && !helper.families().v6 {
        return fault(What::OtherFamily(Family::V4));
    }
    let protocols = helper.protocols();
    if protocols.iter().any(|protocol| context.is_of(protocol.protocol())) {
        return Ok(());
    }
    fault(What::OtherProtocol(match protocols {
        [PortProtocol::Tcp] => "`-p tcp`",
        [PortProtocol::Udp] => "`-p udp`",
        _ => "`-p tcp` or `-p udp`",
    }))
}

pub(super) fn notrack(used: &Use<'_, '_>, _: &mut Context<'_>) -> Result<Option<Target>, Fault> {
    Ok(used.items.is_empty().then_some(Target::Notrack))
}

pub(super) fn dscp(used: &Use<'_, '_>, _: &mut Context<'_>) -> Result<Option<Target>, Fault> {
    let [item] = used.items else { return Ok(None) };
    used.read(item, "a class up to 63, or its name", class)
        .map(|class| Some(Target::SetDscp(class)))
}

pub(super) fn tcpmss(used: &Use<'_, '_>, _: &mut Context<'_>) -> Result<Option<Target>, Fault> {
    let [item] = used.items else { return Ok(None) };
    if item.name() == "clamp-mss-to-pmtu" {
        return Ok(Some(Target::Tcpmss(None)));
    }
    used.read(item, "a size in bytes, at most 65515", value::short)
        .map(|size| Some(Target::Tcpmss(Some(size))))
}
