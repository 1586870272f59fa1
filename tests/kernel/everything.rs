//! A ruleset with every match and target of the model.

use std::net::IpAddr;
use std::sync::Arc;

use palisade::net::address::to_number;
use palisade::net::{
    Account, Addresses, CtState, CtStates, Dscp, Family, FlagMatch, Helper, IcmpType, Interface,
    Mac, MarkMatch, PortProtocol, Prefix, Protocol, Rate, TcpFlags,
};
use palisade::packet::opaque::SetSide;
use palisade::ruleset::{
    Chain, ChainPolicy, Conntrack, DynamicSet, HashKey, Hashlimit, KernelSet, Match, MatchKind,
    Origin, RejectType, Rule, Ruleset, SetContent, Table, TableName, Target,
};

pub const HOSTILE: &[&str] = &[
    "plain",
    "",
    "two words",
    "it's",
    r#"say "hi""#,
    r"back\slash",
    r"ends in \",
    "a # b",
    "$x `y` $(z)",
    "größe €",
    "-j DROP",
    "!",
    "tab\there",
    "*",
    "a*",
    "%s%n",
    "{ } ; @",
];

pub fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

pub fn prefix(text: &str) -> Prefix {
    let (address, length) = text.split_once('/').expect("a slash");
    Prefix::containing(address.parse().expect("an address"), length.parse().expect("a length"))
        .expect("a prefix")
}

pub fn interface(text: &str) -> Interface {
    Interface::new(text).expect("an interface")
}

fn states(list: &[CtState]) -> CtStates {
    list.iter().copied().collect()
}

fn rate(text: &str) -> Rate {
    Rate::parse(text).expect("a rate")
}

/// What differs between the families in this file.
pub struct Places {
    pub family: Family,
    pub net: Prefix,
    pub host: Prefix,
    pub low: IpAddr,
    pub high: IpAddr,
}

pub fn places(family: Family) -> Places {
    let [net, host, low, high] = match family {
        Family::V4 => ["10.0.0.0/8", "192.0.2.1/32", "10.0.0.5", "10.0.0.9"],
        Family::V6 => ["2001:db8::/32", "2001:db8::1/128", "2001:db8::5", "2001:db8::9"],
    };
    let (low, high) = (address(low), address(high));
    Places { family, net: prefix(net), host: prefix(host), low, high }
}

fn set(places: &Places, name: &str, content: SetContent) -> Arc<KernelSet> {
    let family = places.family;
    let ending = if family == Family::V4 { "v4" } else { "v6" };
    let name = format!("{name}.{ending}").into();
    Arc::new(KernelSet { name, family, content, origin: Origin::Default(None) })
}

/// A set with a network and a range.
fn addresses(places: &Places) -> Arc<KernelSet> {
    let [low, high] = [places.low, places.high].map(to_number);
    let range = Addresses::range(places.family, low, high);
    set(places, "Fixed-1_", SetContent::Static(range.union(&places.host.into())))
}

/// A set that rules fill with networks of this length.
fn filled(places: &Places, name: &str, length: u8) -> Arc<KernelSet> {
    let dynamic = DynamicSet { timeout: 60, size: 100, length };
    set(places, name, SetContent::Dynamic(dynamic))
}

/// Conditions that can be negated, each in the place of a filter INPUT or OUTPUT rule.
fn plain(places: &Places) -> Vec<MatchKind> {
    let mark = |value, mask| MatchKind::Mark(mark_match(value, mask));
    let connmark = |value, mask| MatchKind::Connmark(mark_match(value, mask));
    let ct = |conntrack| MatchKind::Conntrack(conntrack);
    let of = |list: &[CtState]| Conntrack { states: states(list), ..Conntrack::default() };
    vec![
        MatchKind::Source(places.net),
        MatchKind::Destination(places.host),
        MatchKind::In(interface("eth0.10")),
        MatchKind::In(interface("wg+")),
        MatchKind::Protocol(Protocol::UDP),
        MatchKind::Protocol(Protocol::new(253).expect("not zero")),
        MatchKind::SourceRange(places.low, places.high),
        MatchKind::DestinationRange(places.low, places.high),
        MatchKind::Set { set: addresses(places), side: SetSide::Source },
        MatchKind::Set { set: addresses(places), side: SetSide::Destination },
        MatchKind::Set { set: filled(places, "filled", 24), side: SetSide::Source },
        MatchKind::Set { set: filled(places, "filled", 24), side: SetSide::Destination },
        MatchKind::DestinationLocal,
        MatchKind::Multicast(SetSide::Source),
        MatchKind::Multicast(SetSide::Destination),
        ct(of(&[CtState::New])),
        ct(of(&[CtState::Established, CtState::Related])),
        ct(of(&CtState::ALL)),
        ct(Conntrack { dnat: true, ..Conntrack::default() }),
        ct(Conntrack { dnat: true, ..of(&[CtState::New, CtState::Untracked]) }),
        ct(Conntrack { original_destination: Some(places.net), ..Conntrack::default() }),
        ct(Conntrack { original_destination: Some(places.host), ..Conntrack::default() }),
        MatchKind::Mac(Mac([0, 0x16, 0x3e, 0, 0xab, 1])),
        mark(0, u32::MAX),
        mark(0x10, 0xff),
        connmark(0, u32::MAX),
        connmark(0x20, 0xf0),
        MatchKind::Length(0, 100),
        MatchKind::Length(64, 64),
        MatchKind::Length(0, u16::MAX),
        MatchKind::Ttl(255),
        MatchKind::Connlimit { count: 20, mask: places.family.bits() },
        MatchKind::Connlimit { count: 3, mask: 24 },
        MatchKind::Connlimit { count: 3, mask: 0 },
        hashlimit(places.family, "each", "5/minute", 5, vec![HashKey::SourceAddress], None),
    ]
}

fn mark_match(value: u32, mask: u32) -> MarkMatch {
    MarkMatch::new(value, mask).expect("within")
}

pub fn hashlimit(
    _family: Family,
    name: &str,
    at: &str,
    burst: u32,
    keys: Vec<HashKey>,
    source_mask: Option<u8>,
) -> MatchKind {
    MatchKind::Hashlimit(Box::new(Hashlimit {
        name: format!("{name}-{burst}").into(),
        rate: rate(at),
        burst,
        keys,
        source_mask,
        max_entries: 65_536,
        expire_ms: rate(at).drain_seconds(burst) * 1000,
    }))
}

/// Conditions on ports, flags and types behind their protocol.
fn with_protocol(family: Family) -> Vec<(Protocol, MatchKind)> {
    let flags = |set: u8, mask: u8| {
        let of = TcpFlags::from_bits;
        MatchKind::TcpFlags(FlagMatch::new(of(set), of(mask)).expect("a subset"))
    };
    let icmp = |kind, code| MatchKind::Icmp(IcmpType { family, kind, code });
    let icmp_protocol = match family {
        Family::V4 => Protocol::ICMP,
        Family::V6 => Protocol::ICMPV6,
    };
    let list = vec![(22, 22), (80, 90), (443, 443), (0, 5)];
    vec![
        (Protocol::TCP, MatchKind::SourcePort(1024, u16::MAX)),
        (Protocol::TCP, MatchKind::DestinationPort(22, 22)),
        (Protocol::UDP, MatchKind::DestinationPort(0, 1023)),
        (Protocol::SCTP, MatchKind::DestinationPort(80, 80)),
        (Protocol::TCP, MatchKind::DestinationPort(0, u16::MAX)),
        (Protocol::TCP, MatchKind::SourcePorts(vec![(0, u16::MAX)])),
        (Protocol::TCP, MatchKind::DestinationPorts(list.clone())),
        (Protocol::UDP, MatchKind::SourcePorts(list)),
        (Protocol::TCP, flags(0x02, 0x17)),
        (Protocol::TCP, flags(0x3f, 0x3f)),
        (Protocol::TCP, flags(0, 0x3f)),
        (Protocol::TCP, original_port(443, 443)),
        (Protocol::UDP, original_port(80, 90)),
        (icmp_protocol, icmp(8, None)),
        (icmp_protocol, icmp(3, Some(4))),
    ]
}

fn original_port(low: u16, high: u16) -> MatchKind {
    let original_port = Some((low, high));
    MatchKind::Conntrack(Conntrack { original_port, ..Conntrack::default() })
}

fn always_true(family: Family) -> Vec<Vec<Match>> {
    let flags = FlagMatch::new(TcpFlags::NONE, TcpFlags::NONE).expect("a subset");
    let every = match family {
        Family::V4 => "0.0.0.0/0",
        Family::V6 => "::/0",
    };
    vec![
        vec![yes(MatchKind::Source(prefix(every))), yes(MatchKind::Destination(prefix(every)))],
        vec![yes(MatchKind::Protocol(Protocol::TCP)), yes(MatchKind::TcpFlags(flags))],
        vec![yes(MatchKind::Conntrack(Conntrack::default()))],
    ]
}

fn limits(family: Family) -> Vec<Vec<Match>> {
    let mut out = Vec::new();
    for (at, burst) in [
        ("5/minute", 5),
        ("60/minute", 20),
        ("7/second", 5),
        ("120/hour", 8),
        ("100/hour", 5),
        ("4000/second", 10),
        ("10000/second", 10_000),
        ("24/day", 1),
        ("1/day", 1),
        ("1000/day", 1),
    ] {
        out.push(vec![yes(MatchKind::Limit { rate: rate(at), burst })]);
        let keys = vec![HashKey::SourceAddress];
        let name = format!("r-{}", at.replace('/', "-"));
        out.push(vec![yes(hashlimit(family, &name, at, burst, keys, None))]);
    }
    for unit in ["second", "minute", "hour", "day"] {
        for count in (1..60).chain([61, 100, 333, 719, 1440, 3600, 4999, 6001, 9999]) {
            let at = format!("{count}/{unit}");
            out.push(vec![yes(MatchKind::Limit { rate: rate(&at), burst: 1 })]);
            let keys = vec![HashKey::SourceAddress];
            let name = format!("every-{count}-{unit}");
            out.push(vec![yes(hashlimit(family, &name, &at, 1, keys, None))]);
        }
    }
    let all = vec![
        HashKey::SourceAddress,
        HashKey::DestinationAddress,
        HashKey::SourcePort,
        HashKey::DestinationPort,
    ];
    let tcp = yes(MatchKind::Protocol(Protocol::TCP));
    out.push(vec![tcp, yes(hashlimit(family, "all", "5/minute", 10, all, Some(24)))]);
    out.push(vec![yes(hashlimit(family, "none", "5/minute", 10, Vec::new(), None))]);
    let full = Some(family.bits());
    out.push(vec![yes(hashlimit(
        family,
        "full",
        "1/second",
        1,
        vec![HashKey::SourceAddress],
        full,
    ))]);
    out
}

/// Several matches of one extension in one rule, in the order in which they share an `-m`, and not.
fn together(places: &Places) -> Vec<Vec<Match>> {
    let tcp = || yes(MatchKind::Protocol(Protocol::TCP));
    vec![
        vec![
            yes(MatchKind::Source(places.net)),
            no(MatchKind::Destination(places.host)),
            yes(MatchKind::In(interface("eth0"))),
            tcp(),
            no(MatchKind::SourcePort(1, 9)),
            yes(MatchKind::DestinationPort(22, 22)),
            no(MatchKind::DestinationPorts(vec![(1, 2)])),
            yes(MatchKind::Comment("all of it".into())),
            yes(MatchKind::Limit { rate: rate("5/minute"), burst: 7 }),
        ],
        vec![
            tcp(),
            yes(MatchKind::DestinationPort(1, 100)),
            no(MatchKind::DestinationPort(80, 80)),
        ],
        vec![tcp(), no(MatchKind::SourcePort(0, u16::MAX))],
        vec![
            no(MatchKind::SourceRange(places.low, places.high)),
            yes(MatchKind::DestinationRange(places.low, places.high)),
        ],
        vec![
            tcp(),
            yes(MatchKind::Conntrack(Conntrack {
                states: states(&[CtState::New]),
                dnat: false,
                original_destination: Some(places.host),
                original_port: Some((80, 81)),
            })),
        ],
        vec![
            tcp(),
            yes(MatchKind::Conntrack(Conntrack {
                states: states(&[CtState::Established]),
                ..Conntrack::default()
            })),
            no(MatchKind::Conntrack(Conntrack {
                original_port: Some((443, 443)),
                ..Conntrack::default()
            })),
        ],
    ]
}

fn rejects(family: Family) -> Vec<RejectType> {
    match family {
        Family::V4 => vec![
            RejectType::IcmpNetUnreachable,
            RejectType::IcmpHostUnreachable,
            RejectType::IcmpProtoUnreachable,
            RejectType::IcmpPortUnreachable,
            RejectType::IcmpNetProhibited,
            RejectType::IcmpHostProhibited,
            RejectType::IcmpAdminProhibited,
        ],
        Family::V6 => vec![
            RejectType::Icmp6NoRoute,
            RejectType::Icmp6AdmProhibited,
            RejectType::Icmp6AddrUnreachable,
            RejectType::Icmp6PortUnreachable,
            RejectType::Icmp6PolicyFail,
            RejectType::Icmp6RejectRoute,
        ],
    }
}

fn input(places: &Places) -> Vec<Rule> {
    let family = places.family;
    let mut rules: Vec<Rule> = Vec::new();
    let mut accept = |matches| rules.push(rule(matches, Target::Accept));
    for kind in plain(places) {
        let several =
            matches!(&kind, MatchKind::Conntrack(asked) if asked == &Conntrack::default());
        accept(vec![yes(kind.clone())]);
        if !several {
            accept(vec![no(kind)]);
        }
    }
    for (protocol, kind) in with_protocol(family) {
        accept(vec![yes(MatchKind::Protocol(protocol)), yes(kind.clone())]);
        accept(vec![yes(MatchKind::Protocol(protocol)), no(kind)]);
    }
    always_true(family).into_iter().for_each(&mut accept);
    limits(family).into_iter().for_each(&mut accept);
    together(places).into_iter().for_each(&mut accept);
    for text in HOSTILE {
        accept(vec![yes(MatchKind::Comment((*text).into()))]);
    }
    for kind in rejects(family) {
        rules.push(rule(Vec::new(), Target::Reject(kind)));
    }
    let tcp = vec![yes(MatchKind::Protocol(Protocol::TCP))];
    rules.push(rule(tcp, Target::Reject(RejectType::TcpReset)));
    for target in
        [Target::Drop, Target::Return, Target::Jump("guard".into()), Target::Goto("Web.1".into())]
    {
        rules.push(rule(Vec::new(), target));
    }
    for set in [filled(places, "filled", 24), filled(places, "whole", family.bits())] {
        for timeout in [None, Some(30)] {
            let set = set.clone();
            rules.push(rule(Vec::new(), Target::AddSource { set, timeout }));
        }
    }
    rules
}

fn logs(strings: &[&str]) -> Vec<Rule> {
    let mut rules = vec![rule(Vec::new(), Target::Log { prefix: None, level: 4 })];
    for level in 0..8 {
        rules.push(rule(Vec::new(), Target::Log { prefix: Some("x ".into()), level }));
    }
    for text in strings {
        let prefix = Some((*text).into());
        rules.push(rule(Vec::new(), Target::Log { prefix, level: 4 }));
    }
    rules
}

fn owners() -> Vec<Rule> {
    let user = || MatchKind::User(Account::Number(0));
    let group = || MatchKind::Group(Account::Number(100));
    let lists = [
        vec![yes(MatchKind::Out(interface("eth0")))],
        vec![no(MatchKind::Out(interface("br-+")))],
        vec![yes(user())],
        vec![no(user())],
        vec![yes(group())],
        vec![no(group())],
        vec![no(user()), yes(group())],
    ];
    lists.into_iter().map(|matches| rule(matches, Target::Accept)).collect()
}

fn chain(name: &str, policy: Option<ChainPolicy>, rules: Vec<Rule>) -> Chain {
    Chain { name: name.into(), policy, rules }
}

fn table(name: TableName, chains: &[(&str, Vec<Rule>)], own: Vec<Chain>) -> Table {
    let of = |built_in: &&str| {
        let rules = chains.iter().find(|(name, _)| name == built_in);
        let policy = if *built_in == "FORWARD" && name == TableName::Filter {
            ChainPolicy::Drop
        } else {
            ChainPolicy::Accept
        };
        chain(built_in, Some(policy), rules.map(|(_, rules)| rules.clone()).unwrap_or_default())
    };
    let mut chains: Vec<Chain> = name.built_in_chains().iter().map(of).collect();
    chains.extend(own);
    Table { name, chains }
}

fn nat(places: &Places) -> Table {
    let tcp = || vec![yes(MatchKind::Protocol(Protocol::TCP))];
    let dnat = |ports| Target::Dnat { address: places.low, ports };
    let half = Prefix::containing(places.low, places.family.bits() - 4).expect("a length");
    let pre = vec![
        rule(Vec::new(), dnat(None)),
        rule(tcp(), dnat(Some((8443, 8443)))),
        rule(tcp(), dnat(Some((8000, 8100)))),
        rule(tcp(), Target::Redirect(3128)),
        rule(Vec::new(), Target::Netmap(half)),
        rule(Vec::new(), Target::Netmap(places.host)),
        rule(Vec::new(), Target::Accept),
    ];
    let post = vec![
        rule(vec![yes(MatchKind::Out(interface("eth0")))], Target::Masquerade),
        rule(Vec::new(), Target::Snat(places.low, places.low)),
        rule(Vec::new(), Target::Snat(places.low, places.high)),
        rule(Vec::new(), Target::Netmap(half)),
        rule(Vec::new(), Target::Jump("from-lan".into())),
    ];
    let from_lan = vec![rule(vec![yes(MatchKind::In(interface("eth1")))], Target::Masquerade)];
    let own = vec![chain("from-lan", None, from_lan)];
    table(TableName::Nat, &[("PREROUTING", pre), ("POSTROUTING", post)], own)
}

fn mangle() -> Table {
    let marks = || [(0x10, 0xff), (0, 0xf0), (0x20, u32::MAX)].map(|(a, b)| mark_match(a, b));
    let mut pre: Vec<Rule> = Vec::new();
    pre.extend([u32::MAX, 0xff00].map(|mask| rule(Vec::new(), Target::RestoreMark(mask))));
    pre.extend(marks().map(|mark| rule(Vec::new(), Target::SetMark(mark))));
    pre.extend(marks().map(|mark| rule(Vec::new(), Target::SetConnmark(mark))));
    let classes = [0, 1, 10, 46, Dscp::MAX].map(|code| Dscp::new(code).expect("a class"));
    let classes = classes.map(|class| rule(Vec::new(), Target::SetDscp(class)));
    let of = TcpFlags::from_bits;
    let syn = FlagMatch::new(TcpFlags::SYN, of(0x06)).expect("a subset");
    let opening = || vec![yes(MatchKind::Protocol(Protocol::TCP)), yes(MatchKind::TcpFlags(syn))];
    let sizes = [None, Some(1), Some(1360), Some(65_495)];
    let sizes = sizes.map(|size| rule(opening(), Target::Tcpmss(size)));
    let output = vec![rule(vec![yes(MatchKind::Ttl(9))], Target::Accept)];
    let chains = [
        ("PREROUTING", pre),
        ("INPUT", classes.into()),
        ("FORWARD", sizes.into()),
        ("OUTPUT", output),
    ];
    table(TableName::Mangle, &chains, Vec::new())
}

/// What conntrack is told, with every helper that the family has.
fn raw(family: Family) -> Table {
    let helpers = Helper::ALL.into_iter().filter(|helper| helper.families().contains(family));
    let rules = helpers.flat_map(|helper| {
        let each = move |protocol: &PortProtocol| {
            let protocol = yes(MatchKind::Protocol(protocol.protocol()));
            let port = yes(MatchKind::DestinationPort(1000, 1000));
            rule(vec![protocol, port], Target::Helper(helper))
        };
        helper.protocols().iter().map(each)
    });
    let rules: Vec<Rule> = rules.collect();
    let told = vec![
        rule(vec![yes(MatchKind::Ttl(9))], Target::Accept),
        rule(vec![yes(MatchKind::Ttl(10))], Target::Notrack),
        rule(vec![yes(MatchKind::Ttl(11))], Target::Jump("helped".into())),
    ];
    let own = vec![chain("helped", None, rules.clone())];
    table(TableName::Raw, &[("PREROUTING", told), ("OUTPUT", rules)], own)
}

/// All four tables with every kind of match and target, negated where that can be said.
pub fn everything(family: Family, log_prefixes: &[&str]) -> Ruleset {
    let places = places(family);
    let guard = vec![rule(vec![yes(MatchKind::Ttl(1))], Target::Drop)];
    let own = vec![chain("guard", None, guard), chain("Web.1", None, Vec::new())];
    let filter = table(
        TableName::Filter,
        &[("INPUT", input(&places)), ("FORWARD", logs(log_prefixes)), ("OUTPUT", owners())],
        own,
    );
    let sets = vec![
        addresses(&places),
        filled(&places, "filled", 24),
        filled(&places, "whole", family.bits()),
    ];
    Ruleset {
        family,
        tables: vec![filter, nat(&places), mangle(), raw(family)],
        sets,
        preserve: false,
    }
}

pub fn yes(kind: MatchKind) -> Match {
    kind.into()
}

pub fn no(kind: MatchKind) -> Match {
    Match { negated: true, kind }
}

pub fn rule(matches: Vec<Match>, target: Target) -> Rule {
    Rule { matches, target, origin: Origin::Default(None) }
}
