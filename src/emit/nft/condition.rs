//! Matches in the words of nft.

use std::net::IpAddr;

use crate::emit::address::{address_text, prefix_text, short_prefix_text};
use crate::emit::rate::{Counter, counted};
use crate::emit::rule::conditions;
use crate::net::{
    Account, CtState, CtStates, Family, FlagMatch, IcmpType, Interface, Prefix, Protocol, Rate,
    TimeWindow, Weekdays,
};
use crate::ruleset::{
    Conntrack, HashKey, Hashlimit, KernelSet, Match, MatchKind, Rule, SetContent, SetSide,
};

use super::Writer;
use super::names::letters;

/// What one match asks for.
pub(super) enum Condition {
    Holds(String),
    /// The opposite of something that nft never matches where it is absent.
    Fails(String),
    Either(Vec<String>),
}

/// Elements that a set for connection counts may have.
const CONNECTIONS_SIZE: u32 = 65_536;

impl Writer<'_> {
    /// All of them must hold; none for a match that every packet fulfils.
    pub(super) fn condition(
        &mut self,
        found: &Match,
        rule: &Rule,
    ) -> Result<Vec<Condition>, String> {
        let no = if found.negated { "!= " } else { "" };
        let [ip, icmp] = match self.family {
            Family::V4 => ["ip", "icmp"],
            Family::V6 => ["ip6", "icmpv6"],
        };
        let text = match &found.kind {
            MatchKind::Source(prefix) if every(*prefix, found) => return Ok(Vec::new()),
            MatchKind::Destination(prefix) if every(*prefix, found) => return Ok(Vec::new()),
            MatchKind::Source(prefix) => format!("{ip} saddr {no}{}", prefix_text(*prefix)),
            MatchKind::Destination(prefix) => format!("{ip} daddr {no}{}", prefix_text(*prefix)),
            MatchKind::In(interface) => format!("iifname {no}{}", interface_text(interface)?),
            MatchKind::Out(interface) => format!("oifname {no}{}", interface_text(interface)?),
            // By number: names are looked up in a file of the machine that loads it.
            MatchKind::Protocol(protocol) => format!("meta l4proto {no}{}", protocol.number()),
            MatchKind::SourcePort(low, high) => {
                format!("th sport {no}{}", ports(&[(*low, *high)], rule)?)
            }
            MatchKind::DestinationPort(low, high) => {
                format!("th dport {no}{}", ports(&[(*low, *high)], rule)?)
            }
            MatchKind::SourcePorts(list) => format!("th sport {no}{}", ports(list, rule)?),
            MatchKind::DestinationPorts(list) => format!("th dport {no}{}", ports(list, rule)?),
            MatchKind::TcpFlags(flags) => tcp_flags(*flags, found.negated),
            MatchKind::Icmp(wanted) => return Ok(vec![icmp_type(icmp, *wanted, found.negated)]),
            MatchKind::SourceRange(low, high) => {
                format!("{ip} saddr {no}{}", range(*low, *high)?)
            }
            MatchKind::DestinationRange(low, high) => {
                format!("{ip} daddr {no}{}", range(*low, *high)?)
            }
            MatchKind::Set { set, side } => {
                format!("{} {no}@{}", self.looked_for(set, *side)?, self.names.set(&set.name))
            }
            MatchKind::DestinationLocal => format!("fib daddr type {no}local"),
            MatchKind::Multicast(SetSide::Source) => format!("fib saddr type {no}multicast"),
            MatchKind::Multicast(SetSide::Destination) => format!("fib daddr type {no}multicast"),
            MatchKind::Conntrack(asked) => return conntrack(asked, found.negated, ip, rule),
            MatchKind::Mac(mac) => format!("ether saddr {no}{mac}"),
            MatchKind::Mark(mark) => {
                let equal = if found.negated { "!=" } else { "==" };
                format!("meta mark & {:#x} {equal} {:#x}", mark.mask(), mark.value())
            }
            // Of no connection there is no mark, and neither this nor its opposite holds.
            MatchKind::Connmark(mark) => {
                let equal = if found.negated { "!=" } else { "==" };
                format!("ct mark & {:#x} {equal} {:#x}", mark.mask(), mark.value())
            }
            MatchKind::User(account) => return owner("skuid", account, found.negated),
            MatchKind::Group(account) => return owner("skgid", account, found.negated),
            MatchKind::Length(low, high) => format!("meta length {no}{}", span(*low, *high)),
            MatchKind::Ttl(ttl) => match self.family {
                Family::V4 => format!("ip ttl {no}{ttl}"),
                Family::V6 => format!("ip6 hoplimit {no}{ttl}"),
            },
            MatchKind::Dscp(dscp) => format!("{ip} dscp {no}{dscp}"),
            MatchKind::Time(window) => return time_window(*window, found.negated),
            MatchKind::Ipsec { outgoing } => {
                let carried = if *outgoing { "rt ipsec" } else { "meta ipsec" };
                format!("{carried} {}", if found.negated { "missing" } else { "exists" })
            }
            MatchKind::AnyIcmp => {
                let text = format!("meta l4proto {icmp}");
                let negated = found.negated;
                return Ok(vec![if negated {
                    Condition::Fails(text)
                } else {
                    Condition::Holds(text)
                }]);
            }
            MatchKind::State(states) => {
                let asked = Conntrack { states: *states, ..Conntrack::default() };
                return conntrack(&asked, found.negated, ip, rule);
            }
            MatchKind::Opaque(text) | MatchKind::OpaqueHistory(text) => {
                return Err(format!("`{text}` is in the words of iptables"));
            }
            MatchKind::Comment(_) => return Err("a negated comment".to_owned()),
            MatchKind::Limit { rate, burst } => {
                limit(counted(*rate, Counter::Limit), *burst, found.negated)
            }
            MatchKind::Hashlimit(limit) => self.hashlimit(limit, found.negated)?,
            MatchKind::Connlimit { count, mask } => self.connlimit(*count, *mask, found.negated),
        };
        Ok(vec![Condition::Holds(text)])
    }

    /// A set of buckets that every rule with this name fills; without keys one bucket.
    fn hashlimit(&mut self, asked: &Hashlimit, negated: bool) -> Result<String, String> {
        let rate = limit(counted(asked.rate, Counter::Hashlimit), asked.burst, negated);
        let keys: Vec<(String, &str)> =
            asked.keys.iter().filter_map(|key| self.key(*key, asked.source_mask)).collect();
        let name = format!("rate_{}", letters(&asked.name));
        let (declaration, text) = if keys.is_empty() {
            let rate = rate.trim_start_matches("limit ");
            (format!("limit @ {{ {rate}; }}"), format!("limit name \"{name}\""))
        } else {
            let types: Vec<&str> = keys.iter().map(|(_, kind)| *kind).collect();
            let keys: Vec<&str> = keys.iter().map(|(key, _)| key.as_str()).collect();
            let declaration = format!(
                "set @ {{ type {}; size {}; flags dynamic,timeout; timeout {}ms; }}",
                types.join(" . "),
                asked.max_entries.max(1),
                asked.expire_ms.max(1)
            );
            (declaration, format!("update @{name} {{ {} {rate} }}", keys.join(" . ")))
        };
        match self.objects.get(&name) {
            Some(known) if *known != declaration => {
                Err(format!("two limits with the name {:?} and different parameters", asked.name))
            }
            Some(_) | None => {
                self.objects.insert(name, declaration);
                Ok(text)
            }
        }
    }

    /// What is looked at, and its type. A mask of no bits looks at nothing.
    fn key(&self, key: HashKey, source_mask: Option<u8>) -> Option<(String, &'static str)> {
        let (ip, kind) = match self.family {
            Family::V4 => ("ip", "ipv4_addr"),
            Family::V6 => ("ip6", "ipv6_addr"),
        };
        Some(match key {
            HashKey::SourceAddress => {
                let length = source_mask.unwrap_or(self.family.bits());
                (self.masked(SetSide::Source, length)?, kind)
            }
            HashKey::DestinationAddress => (format!("{ip} daddr"), kind),
            HashKey::SourcePort => ("th sport".to_owned(), "inet_service"),
            HashKey::DestinationPort => ("th dport".to_owned(), "inet_service"),
        })
    }

    /// The network of this length that an address is in; `None` for that of everything.
    fn masked(&self, side: SetSide, length: u8) -> Option<String> {
        let (ip, ones): (&str, IpAddr) = match self.family {
            Family::V4 => ("ip", [u8::MAX; 4].into()),
            Family::V6 => ("ip6", [u8::MAX; 16].into()),
        };
        let address = match side {
            SetSide::Source => "saddr",
            SetSide::Destination => "daddr",
        };
        if length >= self.family.bits() {
            return Some(format!("{ip} {address}"));
        }
        let mask = Prefix::containing(ones, length).filter(|_| length > 0)?;
        Some(format!("{ip} {address} & {}", address_text(mask.address())))
    }

    /// What of a packet is an element of a set.
    pub(super) fn looked_for(&self, set: &KernelSet, side: SetSide) -> Result<String, String> {
        let length = match &set.content {
            SetContent::Static(_) => self.family.bits(),
            SetContent::Dynamic(dynamic) => dynamic.length,
            SetContent::Unknown => {
                return Err(format!("the set {:?}, of which nobody says what is in it", set.name));
            }
        };
        let key = self.masked(side, length).filter(|_| set.family == self.family);
        key.ok_or_else(|| format!("the set {:?}, which is of another family", set.name))
    }

    fn connlimit(&mut self, count: u32, mask: u8, negated: bool) -> String {
        let over = if negated { "over " } else { "" };
        let Some(source) = self.masked(SetSide::Source, mask) else {
            return format!("ct count {over}{count}");
        };
        let kind = match self.family {
            Family::V4 => "ipv4_addr",
            Family::V6 => "ipv6_addr",
        };
        let name = self.names.fresh("connections_");
        let declaration =
            format!("set @ {{ type {kind}; size {CONNECTIONS_SIZE}; flags dynamic; }}");
        self.objects.insert(name.clone(), declaration);
        format!("add @{name} {{ {source} ct count {over}{count} }}")
    }
}

/// Hours as seconds of the day, which nft takes as UTC wherever it runs; written as times it would
/// take them in the zone of whoever loads the file. (Days are those of the time zone that the kernel was told,
/// `nft_meta.c`; there is no other word for them.)
fn time_window(window: TimeWindow, negated: bool) -> Result<Vec<Condition>, String> {
    if window.local {
        return Err("a time window by local time: nft knows UTC only".to_owned());
    }
    if negated {
        return Err("a negated time window".to_owned());
    }
    let on = |days: Weekdays| {
        // Sunday is 0.
        let numbers = days.iter().map(|day| ((day.number() + 1) % 7).to_string());
        format!("meta day {{ {} }}", numbers.collect::<Vec<_>>().join(", "))
    };
    let days = |days: Weekdays| (!days.is_every_day()).then(|| on(days));
    let words = |hours: String, days: Option<String>| {
        [Some(hours), days].into_iter().flatten().collect::<Vec<_>>().join(" ")
    };
    Ok(match window.hours {
        None => days(window.days).map(Condition::Holds).into_iter().collect(),
        Some((start, end)) if window.wraps() => {
            let evening = words(format!("meta hour >= {}", start.seconds()), days(window.days));
            let after = window.days.next_days();
            let morning = words(format!("meta hour <= {}", end.seconds()), days(after));
            vec![Condition::Either(vec![evening, morning])]
        }
        Some((start, end)) => {
            let hours = format!("meta hour {}-{}", start.seconds(), end.seconds());
            vec![Condition::Holds(words(hours, days(window.days)))]
        }
    })
}

fn every(prefix: Prefix, found: &Match) -> bool {
    prefix.length() == 0 && !found.negated
}

fn interface_text(interface: &Interface) -> Result<String, String> {
    let stem = interface.stem();
    if stem.contains(['$', '"']) {
        return Err(format!("an interface named {stem:?}"));
    }
    Ok(match (interface.is_wildcard(), stem.strip_suffix('*')) {
        (true, _) => format!("\"{stem}*\""),
        (false, Some(rest)) => format!("\"{rest}\\*\""),
        (false, None) => format!("\"{stem}\""),
    })
}

fn span(low: u16, high: u16) -> String {
    if low == high { low.to_string() } else { format!("{low}-{high}") }
}

fn ports(list: &[(u16, u16)], rule: &Rule) -> Result<String, String> {
    protocol(rule).ok_or("ports without a protocol")?;
    let spans: Vec<String> = list.iter().map(|(low, high)| span(*low, *high)).collect();
    match &spans[..] {
        [] => Err("an empty list of ports".to_owned()),
        [one] => Ok(one.clone()),
        [_, _, ..] => Ok(format!("{{ {} }}", spans.join(", "))),
    }
}

pub(super) fn protocol(rule: &Rule) -> Option<Protocol> {
    rule.matches.iter().find_map(|found| {
        let MatchKind::Protocol(protocol) = found.kind else { return None };
        (!found.negated).then_some(protocol)
    })
}

fn range(low: IpAddr, high: IpAddr) -> Result<String, String> {
    if low > high {
        return Err("a range of addresses that ends before it starts".to_owned());
    }
    if low == high {
        return Ok(address_text(low));
    }
    Ok(format!("{}-{}", address_text(low), address_text(high)))
}

fn tcp_flags(flags: FlagMatch, negated: bool) -> String {
    let equal = if negated { "!=" } else { "==" };
    let (mask, set) = (flags.mask().bits(), flags.set().bits());
    format!("tcp flags & {mask:#04x} {equal} {set:#04x}")
}

fn icmp_type(icmp: &str, wanted: IcmpType, negated: bool) -> Condition {
    let kind = wanted.kind;
    match (wanted.code, negated) {
        (None, false) => Condition::Holds(format!("{icmp} type {kind}")),
        (None, true) => Condition::Holds(format!("{icmp} type != {kind}")),
        (Some(code), false) => Condition::Holds(format!("{icmp} type {kind} {icmp} code {code}")),
        // `@th,0,16 != N` would do, but `nft list` prints it as two `!=`, which means another thing.
        (Some(code), true) => Condition::Fails(format!("{icmp} type {kind} {icmp} code {code}")),
    }
}

/// nft matches no account where no process sent the packet; iptables matches the opposite there.
fn owner(key: &str, account: &Account, negated: bool) -> Result<Vec<Condition>, String> {
    let text = match account {
        Account::Number(number) => format!("meta {key} {number}"),
        Account::Name(name) if name.contains(['"', '$']) => {
            return Err(format!("an account named {name:?}"));
        }
        Account::Name(name) => format!("meta {key} \"{name}\""),
    };
    Ok(vec![if negated { Condition::Fails(text) } else { Condition::Holds(text) }])
}

fn limit(rate: Rate, burst: u32, negated: bool) -> String {
    let over = if negated { "over " } else { "" };
    format!("limit rate {over}{}/{} burst {burst} packets", rate.count(), rate.unit().name())
}

/// In nft nothing but the state matches a packet without a connection; see `analyze::trace` for
/// what iptables does.
fn conntrack(
    asked: &Conntrack,
    negated: bool,
    ip: &str,
    rule: &Rule,
) -> Result<Vec<Condition>, String> {
    let no = if negated { "!= " } else { "" };
    let mut out = Vec::new();
    if negated && conditions(asked) != 1 {
        return Err("several negated conditions on the connection".to_owned());
    }
    let states = |equal: &str| format!("ct state & ({}) {equal} 0", state_names(asked.states));
    match (asked.states.is_empty(), asked.dnat, negated) {
        (true, false, _) => {}
        (false, false, false) => out.push(Condition::Holds(states("!="))),
        (false, false, true) => out.push(Condition::Holds(states("=="))),
        (true, true, false) => out.push(Condition::Holds(DNAT.to_owned())),
        (true, true, true) => out.push(Condition::Fails(DNAT.to_owned())),
        (false, true, false) => out.push(Condition::Either(vec![states("!="), DNAT.to_owned()])),
        (false, true, true) => {
            out.push(Condition::Holds(states("==")));
            out.push(Condition::Fails(DNAT.to_owned()));
        }
    }
    let asks_original = asked.original_destination.is_some() || asked.original_port.is_some();
    let connectionless = [CtState::Invalid, CtState::Untracked];
    if asks_original && connectionless.iter().any(|state| asked.states.contains(*state)) {
        return Err("invalid or untracked packets with an original destination".to_owned());
    }
    if let Some(prefix) = asked.original_destination.filter(|prefix| negated || prefix.length() > 0)
    {
        let text = format!("ct original {ip} daddr {no}{}", short_prefix_text(prefix));
        out.push(Condition::Holds(text));
    }
    if let Some((low, high)) = asked.original_port {
        protocol(rule).ok_or("an original port without a protocol")?;
        let text = format!("ct original proto-dst {no}{}", span(low, high));
        out.push(Condition::Holds(text));
    }
    Ok(out)
}

const DNAT: &str = "ct status dnat";

fn state_names(states: CtStates) -> String {
    states.iter().map(CtState::name).collect::<Vec<_>>().join(" | ")
}
