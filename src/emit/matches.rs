//! One match as the words that `iptables-save` prints for it.

use std::fmt::Write;
use std::net::IpAddr;

use crate::net::{
    Account, CtState, Family, FlagMatch, IcmpType, MarkMatch, Prefix, TcpFlags, TimeWindow,
};
use crate::ruleset::{Conntrack, HashKey, Hashlimit, Match, MatchKind, SetSide};

use super::address::{address_text, prefix_text, short_prefix_text};
use super::quote::quoted;
use super::rate::{Counter, counted, rate_text};

/// What one match is on the command line.
pub(super) struct Words {
    /// The extension that is named with `-m`; none for the five that every rule has.
    pub module: Option<&'static str>,
    /// Where the option stands among those of its extension; options in growing order share one
    /// `-m`.
    pub rank: u8,
    /// `--dport 22`, with its `!`; empty when the option says nothing.
    pub options: String,
}

impl Words {
    fn bare(negated: bool, option: String) -> Self {
        Words { module: None, rank: 0, options: not(negated, option) }
    }

    fn of(module: &'static str, rank: u8, negated: bool, option: String) -> Self {
        Words { module: Some(module), rank, options: not(negated, option) }
    }
}

fn not(negated: bool, option: String) -> String {
    if negated { format!("! {option}") } else { option }
}

/// The words of a match in a rule whose ports and flags are of `transport` (its `-m` name).
/// Empty for a match that every packet fulfils, which the tools leave out too.
pub(super) fn words(found: &Match, family: Family, transport: &'static str) -> Option<Words> {
    let no = found.negated;
    let bare = |option: String| Some(Words::bare(no, option));
    let of = |module, rank, option: String| Some(Words::of(module, rank, no, option));
    match &found.kind {
        MatchKind::Source(prefix) => address("-s", *prefix, no),
        MatchKind::Destination(prefix) => address("-d", *prefix, no),
        MatchKind::In(interface) => bare(format!("-i {interface}")),
        MatchKind::Out(interface) => bare(format!("-o {interface}")),
        MatchKind::Protocol(protocol) => bare(format!("-p {}", protocol.iptables_name(family))),
        MatchKind::SourcePort(low, high) => Some(ports(transport, 0, no, (*low, *high))),
        MatchKind::DestinationPort(low, high) => Some(ports(transport, 1, no, (*low, *high))),
        MatchKind::SourcePorts(list) => of("multiport", 0, format!("--sports {}", slots(list))),
        MatchKind::DestinationPorts(list) => {
            of("multiport", 0, format!("--dports {}", slots(list)))
        }
        MatchKind::TcpFlags(flags) => Some(tcp_flags(*flags, no)),
        MatchKind::Icmp(icmp) => Some(icmp_type(*icmp, no)),
        MatchKind::AnyIcmp => of("icmp", 0, "--icmp-type any".to_owned()),
        MatchKind::SourceRange(low, high) => {
            of("iprange", 0, format!("--src-range {}", range(*low, *high)))
        }
        MatchKind::DestinationRange(low, high) => {
            of("iprange", 1, format!("--dst-range {}", range(*low, *high)))
        }
        MatchKind::Set { set, side } => Some(member(&set.name, *side, no)),
        MatchKind::DestinationLocal => of("addrtype", 0, "--dst-type LOCAL".to_owned()),
        MatchKind::Multicast(SetSide::Source) => {
            of("addrtype", 0, "--src-type MULTICAST".to_owned())
        }
        MatchKind::Multicast(SetSide::Destination) => {
            of("addrtype", 0, "--dst-type MULTICAST".to_owned())
        }
        MatchKind::Conntrack(conntrack) => conntrack_words(conntrack, no),
        MatchKind::State(states) => {
            let states: Vec<String> = states.iter().map(state_name).collect();
            of("state", 0, format!("--state {}", states.join(",")))
        }
        MatchKind::Mac(mac) => of("mac", 0, format!("--mac-source {mac}")),
        MatchKind::Mark(mark) => of("mark", 0, format!("--mark {}", mark_text(*mark))),
        MatchKind::Connmark(mark) => of("connmark", 0, format!("--mark {}", mark_text(*mark))),
        MatchKind::User(account) => of("owner", 0, format!("--uid-owner {}", name(account))),
        MatchKind::Group(account) => of("owner", 1, format!("--gid-owner {}", name(account))),
        MatchKind::Length(low, high) => of("length", 0, format!("--length {}", span(*low, *high))),
        MatchKind::Ttl(ttl) => match family {
            Family::V4 => of("ttl", 0, format!("--ttl-eq {ttl}")),
            Family::V6 => of("hl", 0, format!("--hl-eq {ttl}")),
        },
        MatchKind::Dscp(dscp) => of("dscp", 0, format!("--dscp {dscp}")),
        MatchKind::Time(window) => of("time", 0, time_window(*window)),
        MatchKind::Ipsec { outgoing } => {
            // As the tools print it back: the direction has no opposite.
            let dir = if *outgoing { "out" } else { "in" };
            let pol = if no { "none" } else { "ipsec" };
            Some(Words::of("policy", 0, false, format!("--dir {dir} --pol {pol}")))
        }
        MatchKind::Opaque(text) | MatchKind::OpaqueHistory(text) => {
            Some(Words::bare(false, text.to_string()))
        }
        MatchKind::Comment(text) => of("comment", 0, format!("--comment {}", quoted(text))),
        MatchKind::Limit { rate, burst } => {
            of("limit", 0, limit(&rate_text(counted(*rate, Counter::Limit)), *burst))
        }
        MatchKind::Hashlimit(limit) => {
            Some(Words::of("hashlimit", 0, false, hashlimit(limit, no, family)))
        }
        MatchKind::Connlimit { count, mask } => {
            let word = if no { "above" } else { "upto" };
            let option =
                format!("--connlimit-{word} {count} --connlimit-mask {mask} --connlimit-saddr");
            Some(Words::of("connlimit", 0, false, option))
        }
    }
}

fn address(option: &str, prefix: Prefix, negated: bool) -> Option<Words> {
    let every = prefix.length() == 0 && !negated;
    (!every).then(|| Words::bare(negated, format!("{option} {}", prefix_text(prefix))))
}

/// One port or range. A negated range that begins or ends the ports is said as what remains, as
/// `iptables-nft-save` does. `iptables-save` prints `! --dport 0:65535`, which never matches, as
/// nothing at all; as a multiport it is printed as it is.
fn ports(module: &'static str, rank: u8, negated: bool, (low, high): (u16, u16)) -> Words {
    const LAST: u16 = u16::MAX;
    let option = ["--sport", "--dport"][usize::from(rank)];
    let say = |negated, low, high| {
        Words::of(module, rank, negated, format!("{option} {}", span(low, high)))
    };
    match (negated, low, high) {
        (false, 0, LAST) => Words { module: Some(module), rank, options: String::new() },
        (true, 0, LAST) => multiport(rank, negated, (low, high)),
        (true, 0, high) if low < high => say(false, high + 1, LAST),
        (true, low, LAST) if low < high => say(false, 0, low - 1),
        (_, low, high) => say(negated, low, high),
    }
}

/// One port or range as a multiport, for what `--sport` and `--dport` cannot say.
pub(super) fn multiport(rank: u8, negated: bool, ports: (u16, u16)) -> Words {
    let option = ["--sports", "--dports"][usize::from(rank)];
    Words::of("multiport", 0, negated, format!("{option} {}", slots(&[ports])))
}

fn span(low: u16, high: u16) -> String {
    if low == high { low.to_string() } else { format!("{low}:{high}") }
}

fn slots(list: &[(u16, u16)]) -> String {
    let slots: Vec<String> = list.iter().map(|(low, high)| span(*low, *high)).collect();
    slots.join(",")
}

fn range(low: IpAddr, high: IpAddr) -> String {
    format!("{}-{}", address_text(low), address_text(high))
}

/// `-m set ! --match-set NAME src`: each has an `-m` of its own.
fn member(set: &str, side: SetSide, negated: bool) -> Words {
    Words::of("set", 0, negated, format!("--match-set {set} {}", side_name(side)))
}

/// An end of the packet, as sets are asked about it.
pub(super) fn side_name(side: SetSide) -> &'static str {
    match side {
        SetSide::Source => "src",
        SetSide::Destination => "dst",
    }
}

fn tcp_flags(flags: FlagMatch, negated: bool) -> Words {
    // Looking at no flag is true of every tcp packet; the tools print just `-m tcp`.
    if flags.mask() == TcpFlags::NONE && !negated {
        return Words { module: Some("tcp"), rank: 2, options: String::new() };
    }
    let option = format!("--tcp-flags {} {}", flag_names(flags.mask()), flag_names(flags.set()));
    Words::of("tcp", 2, negated, option)
}

fn flag_names(flags: TcpFlags) -> String {
    if flags == TcpFlags::NONE {
        return "NONE".to_owned();
    }
    flags.names().map(str::to_ascii_uppercase).collect::<Vec<_>>().join(",")
}

fn icmp_type(icmp: IcmpType, negated: bool) -> Words {
    let number = match icmp.code {
        Some(code) => format!("{}/{code}", icmp.kind),
        None => icmp.kind.to_string(),
    };
    match icmp.family {
        Family::V4 => Words::of("icmp", 0, negated, format!("--icmp-type {number}")),
        Family::V6 => Words::of("icmp6", 0, negated, format!("--icmpv6-type {number}")),
    }
}

/// `None` when nothing is asked.
fn conntrack_words(asked: &Conntrack, negated: bool) -> Option<Words> {
    let mut options = Vec::new();
    if !asked.states.is_empty() || asked.dnat {
        let dnat = asked.dnat.then(|| "DNAT".to_owned());
        let states = asked.states.iter().map(state_name).chain(dnat).collect::<Vec<_>>();
        options.push(format!("--ctstate {}", states.join(",")));
    }
    if let Some(prefix) = asked.original_destination {
        options.push(format!("--ctorigdst {}", short_prefix_text(prefix)));
    }
    if let Some((low, high)) = asked.original_port {
        options.push(format!("--ctorigdstport {}", span(low, high)));
    }
    let options: Vec<String> = options.into_iter().map(|option| not(negated, option)).collect();
    let options = options.join(" ");
    (!options.is_empty()).then_some(Words { module: Some("conntrack"), rank: 0, options })
}

fn state_name(state: CtState) -> String {
    state.name().to_ascii_uppercase()
}

fn mark_text(mark: MarkMatch) -> String {
    match mark.mask() {
        u32::MAX => format!("{:#x}", mark.value()),
        bits => format!("{:#x}/{bits:#x}", mark.value()),
    }
}

/// `--timestart 22:00:00 --timestop 06:00:00 --weekdays Mon,Tue --kerneltz --contiguous`
fn time_window(window: TimeWindow) -> String {
    let mut options = Vec::new();
    if let Some((start, end)) = window.hours {
        options.push(format!("--timestart {start}:00 --timestop {end}:00"));
    }
    if !window.days.is_every_day() {
        let capital = |name: &str| format!("{}{}", name[..1].to_ascii_uppercase(), &name[1..]);
        let days: Vec<String> = window.days.iter().map(|day| capital(day.name())).collect();
        options.push(format!("--weekdays {}", days.join(",")));
    }
    if window.local {
        options.push("--kerneltz".to_owned());
    }
    // Without it the hours after midnight would belong to the day on which they are.
    if window.wraps() {
        options.push("--contiguous".to_owned());
    }
    options.join(" ")
}

fn name(account: &Account) -> String {
    match account {
        Account::Number(number) => number.to_string(),
        Account::Name(name) => quoted(name),
    }
}

fn limit(rate: &str, burst: u32) -> String {
    match burst {
        5 => format!("--limit {rate}"),
        burst => format!("--limit {rate} --limit-burst {burst}"),
    }
}

fn hashlimit(limit: &Hashlimit, negated: bool, family: Family) -> String {
    let word = if negated { "above" } else { "upto" };
    let rate = counted(limit.rate, Counter::Hashlimit);
    let mut out =
        format!("--hashlimit-{word} {} --hashlimit-burst {}", rate_text(rate), limit.burst);
    // The tools print the keys in this order, whatever order they were given in.
    let keys = [
        (HashKey::SourceAddress, "srcip"),
        (HashKey::SourcePort, "srcport"),
        (HashKey::DestinationAddress, "dstip"),
        (HashKey::DestinationPort, "dstport"),
    ];
    let keys = keys.iter().filter(|(key, _)| limit.keys.contains(key));
    let keys: Vec<&str> = keys.map(|(_, name)| *name).collect();
    if !keys.is_empty() {
        let _ = write!(out, " --hashlimit-mode {}", keys.join(","));
    }
    let _ = write!(out, " --hashlimit-name {}", limit.name);
    if limit.max_entries > 0 {
        let _ = write!(out, " --hashlimit-htable-max {}", limit.max_entries);
    }
    if limit.expire_ms != u64::from(rate.unit().seconds()) * 1000 {
        let _ = write!(out, " --hashlimit-htable-expire {}", limit.expire_ms);
    }
    if let Some(mask) = limit.source_mask.filter(|mask| *mask != family.bits()) {
        let _ = write!(out, " --hashlimit-srcmask {mask}");
    }
    out
}
