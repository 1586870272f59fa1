//! Rules as compact text, near enough to `iptables-save` to be read by who knows it.

use std::fmt::Write as _;

use crate::net::Family;
use crate::ruleset::{
    ChainPolicy, Conntrack, HashKey, Match, MatchKind, Rule, Ruleset, TableName, Target,
};

/// The rules of a chain, one a line, each with its chain's name in front.
pub(super) fn chain(ruleset: &Ruleset, table: TableName, name: &str) -> Vec<String> {
    let table = ruleset.table(table).expect("every table is there");
    let chain = table.chain(name).unwrap_or_else(|| panic!("no chain {name}"));
    chain.rules.iter().map(rule).collect()
}

/// All of a table but empty chains: `:NAME POLICY`, then its rules. Hashes of generated names are
/// numbered in the order in which they first occur.
pub(super) fn table(ruleset: &Ruleset, table: TableName) -> String {
    let table = ruleset.table(table).expect("every table is there");
    let mut text = String::new();
    for chain in table.chains.iter().filter(|chain| !chain.rules.is_empty()) {
        let policy = match chain.policy {
            Some(ChainPolicy::Accept) => "ACCEPT",
            Some(ChainPolicy::Drop) => "DROP",
            None => "-",
        };
        let _ = writeln!(text, ":{} {policy}", chain.name);
        for one in &chain.rules {
            let _ = writeln!(text, "{}", rule(one));
        }
    }
    let generated = table.chains.iter().filter(|chain| chain.policy.is_none());
    for (number, name) in (1..).zip(generated.map(|chain| &*chain.name)) {
        if let Some((word, _)) = name.rsplit_once('-') {
            text = text.replace(name, &format!("{word}-{number}"));
        }
    }
    text
}

pub(super) fn rule(rule: &Rule) -> String {
    let matches = rule.matches.iter().map(one_match);
    matches.chain([target(&rule.target)]).collect::<Vec<_>>().join(" ")
}

fn one_match(m: &Match) -> String {
    let text = kind(&m.kind);
    if m.negated { format!("! {text}") } else { text }
}

fn kind(kind: &MatchKind) -> String {
    let range = |low: &u16, high: &u16| {
        if low == high { low.to_string() } else { format!("{low}:{high}") }
    };
    let list = |ports: &[(u16, u16)]| {
        ports.iter().map(|(low, high)| range(low, high)).collect::<Vec<_>>().join(",")
    };
    match kind {
        MatchKind::AnyIcmp => "--icmp-type any".to_owned(),
        MatchKind::State(states) => format!("--state {states:?}"),
        MatchKind::Opaque(text) | MatchKind::OpaqueHistory(text) => text.to_string(),
        MatchKind::Source(prefix) => format!("-s {prefix}"),
        MatchKind::Destination(prefix) => format!("-d {prefix}"),
        MatchKind::In(name) => format!("-i {name}"),
        MatchKind::Out(name) => format!("-o {name}"),
        MatchKind::Protocol(protocol) => {
            let family = if protocol.families().v4 { Family::V4 } else { Family::V6 };
            format!("-p {}", protocol.iptables_name(family))
        }
        MatchKind::SourcePort(low, high) => format!("--sport {}", range(low, high)),
        MatchKind::DestinationPort(low, high) => format!("--dport {}", range(low, high)),
        MatchKind::SourcePorts(ports) => format!("--sports {}", list(ports)),
        MatchKind::DestinationPorts(ports) => format!("--dports {}", list(ports)),
        MatchKind::TcpFlags(flags) => {
            format!("--tcp-flags {:#x}/{:#x}", flags.set().bits(), flags.mask().bits())
        }
        MatchKind::Icmp(icmp) => format!("--icmp-type {icmp}"),
        MatchKind::SourceRange(low, high) => format!("--src-range {low}-{high}"),
        MatchKind::DestinationRange(low, high) => format!("--dst-range {low}-{high}"),
        MatchKind::Set { set, side } => format!("{side:?} in {}", set.name),
        MatchKind::DestinationLocal => "--dst-type LOCAL".to_owned(),
        MatchKind::Multicast(side) => format!("{side:?} of a group"),
        MatchKind::Conntrack(asked) => conntrack(asked),
        MatchKind::Mac(mac) => format!("--mac-source {mac}"),
        MatchKind::Mark(mark) => format!("--mark {:#x}/{:#x}", mark.value(), mark.mask()),
        MatchKind::Connmark(mark) => format!("--connmark {:#x}/{:#x}", mark.value(), mark.mask()),
        MatchKind::User(account) => format!("--uid-owner {account:?}"),
        MatchKind::Group(account) => format!("--gid-owner {account:?}"),
        MatchKind::Length(low, high) => format!("--length {}", range(low, high)),
        MatchKind::Ttl(ttl) => format!("--ttl-eq {ttl}"),
        MatchKind::Dscp(dscp) => format!("--dscp {dscp}"),
        MatchKind::Time(window) => format!("--time {window}"),
        MatchKind::Ipsec { outgoing } => format!("--ipsec {outgoing}"),
        MatchKind::Comment(text) => format!("--comment {text:?}"),
        MatchKind::Limit { rate, burst } => format!("--limit {rate} burst {burst}"),
        MatchKind::Hashlimit(table) => {
            let keys: Vec<&str> = table.keys.iter().map(|key| hash_key(*key)).collect();
            let mask = table.source_mask.map_or(String::new(), |mask| format!("/{mask}"));
            let name = table.name.split_once('-').map_or("?", |(word, _)| word);
            let (rate, burst, expire) = (table.rate, table.burst, table.expire_ms);
            let keys = keys.join(",");
            format!("--hashlimit {rate} burst {burst} by [{keys}]{mask} {name} expire {expire}")
        }
        MatchKind::Connlimit { count, mask } => format!("--connlimit {count}/{mask}"),
    }
}

fn conntrack(asked: &Conntrack) -> String {
    let mut text = String::from("ct");
    let names = asked.states.iter().map(crate::net::CtState::name);
    for name in names.chain(asked.dnat.then_some("dnat")) {
        let _ = write!(text, " {name}");
    }
    if let Some(prefix) = asked.original_destination {
        let _ = write!(text, " origdst {prefix}");
    }
    if let Some((low, high)) = asked.original_port {
        let _ = write!(text, " origdport {low}:{high}");
    }
    text
}

fn hash_key(key: HashKey) -> &'static str {
    match key {
        HashKey::SourceAddress => "srcip",
        HashKey::DestinationAddress => "dstip",
        HashKey::SourcePort => "srcport",
        HashKey::DestinationPort => "dstport",
    }
}

fn target(target: &Target) -> String {
    match target {
        Target::Opaque { text, .. } => text.to_string(),
        Target::Accept => "ACCEPT".to_owned(),
        Target::Drop => "DROP".to_owned(),
        Target::Return => "RETURN".to_owned(),
        Target::Jump(chain) => format!("-> {chain}"),
        Target::Goto(chain) => format!("=> {chain}"),
        Target::Reject(with) => format!("REJECT {}", with.name()),
        Target::Log { prefix, level } => {
            format!("LOG {:?} {level}", prefix.as_deref().unwrap_or(""))
        }
        Target::Masquerade => "MASQUERADE".to_owned(),
        Target::Snat(low, high) if low == high => format!("SNAT {low}"),
        Target::Snat(low, high) => format!("SNAT {low}-{high}"),
        Target::Dnat { address, ports: None } => format!("DNAT {address}"),
        Target::Dnat { address, ports: Some((port, _)) } => format!("DNAT {address} {port}"),
        Target::Redirect(port) => format!("REDIRECT {port}"),
        Target::AddSource { set, timeout } => format!("ADD {} {timeout:?}", set.name),
        Target::Netmap(prefix) => format!("NETMAP {prefix}"),
        Target::SetMark(mark) => format!("MARK {:#x}/{:#x}", mark.value(), mark.mask()),
        Target::SetConnmark(mark) => format!("CONNMARK {:#x}/{:#x}", mark.value(), mark.mask()),
        Target::RestoreMark(mask) => format!("RESTORE {mask:#x}"),
        Target::SaveMark(mask) => format!("SAVE {mask:#x}"),
        Target::SetDscp(dscp) => format!("DSCP {dscp}"),
        Target::Tcpmss(None) => "TCPMSS pmtu".to_owned(),
        Target::Tcpmss(Some(size)) => format!("TCPMSS {size}"),
        Target::Notrack => "NOTRACK".to_owned(),
        Target::Helper(helper) => format!("HELPER {helper}"),
    }
}
