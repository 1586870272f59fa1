//! Random policies of every construct, from a seed.

use std::fmt::Write as _;

use palisade::packet;

/// Choices that a seed repeats.
pub struct Random(packet::Random);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(packet::Random::new(seed))
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0.index(limit)
    }

    /// True once in `of` times.
    fn once_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    /// One to three members, by commas. What is excluded is excluded from one of them.
    fn list(&mut self, from: &[&str]) -> String {
        let count = 1 + self.below(3);
        let grouped = |member: &str| {
            let excludes = count > 1 && member.contains(" except ");
            if excludes { format!("({member})") } else { member.to_owned() }
        };
        let members: Vec<String> = (0..count).map(|_| grouped(self.pick(from))).collect();
        members.join(", ")
    }
}

/// What every generated policy defines.
const DEFINITIONS: &str = "\
zone wan = eth0
zone lan = eth1, wlan+ { 10.0.0.0/24, fd00:1::/64 }
zone dmz = eth2 { 192.0.2.0/24, 10.9.0.0/16 except 10.9.1.1 }
zone vpn = wg+
zone sites = { 10.20.0.0/16, fd00:20::/48 }
let admins = 203.0.113.0/24, 2001:db8:a::/48
let staff = admins, 10.0.0.0/24 except 10.0.0.66, 10.0.0.128-10.0.0.130
let web = 192.0.2.10@dmz
let both = 10.0.0.2@lan, fd00:1::2@lan
let three = 10.1.0.0/16, 10.3.0.0/16, 10.5.0.0/16
let four = 10.2.0.0/16, 10.4.0.0/16, 10.6.0.0/16, 10.8.0.1
set banned dynamic timeout 1h
set nets dynamic size 1000
set few = 10.1.0.0/16, 2001:db8:b::/48
service shop = tcp 8080, 8443-8449, udp 9000
service phone = tcp 5060-5062, udp 5060 helper sip
service chat = tcp 6667 helper irc
service many = tcp 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29-31, 33-35, 37, 39-50
def open(what, whence) { allow what from whence; from whence to dmz { allow what } }
";

const SUBJECTS: &[&str] = &[
    "ssh",
    "http",
    "dns",
    "ping",
    "mdns",
    "dhcp",
    "dhcpv6-client",
    "ipsec",
    "shop",
    "many",
    "samba",
    "tcp 22",
    "udp 53",
    "tcp 80, 443, 8000-8100",
    "sctp 5060",
    "icmp echo-request",
    "icmp 3/4",
    "icmpv6 packet-too-big",
    "proto gre",
    "proto 47",
    "tcp any",
    "udp any",
    "icmp any",
    "wireguard(51821)",
    "ftp",
    "ftp, phone",
    "chat",
    "any",
];

/// Words of iptables that hold of every packet, and of none.
pub const ALWAYS: &str = "-m statistic --mode random --probability 1.00000000000";
pub const NEVER: &str = "-m statistic --mode random --probability 0.00000000000";

const RAW_TARGETS: &[&str] =
    &["-j ACCEPT", "-j DROP", "-j RETURN", "-j REJECT", "-j LOG --log-prefix \\\"x \\\"", ""];

const PUBLISHED: &[&str] = &[
    "http",
    "dns",
    "shop",
    "many",
    "tcp 80, 443, 8000-8100",
    "tcp any",
    "udp 53, tcp any",
    "sctp 5060",
    "any",
];

const TCP_SUBJECTS: &[&str] =
    &["ssh", "tcp 80, 443", "tcp any", "tcp 1000-2000", "smtp, imaps", "ftp", "ftp(2121)"];

const SOURCES: &[&str] = &[
    "lan",
    "wan",
    "dmz",
    "vpn",
    "admins",
    "staff",
    "three",
    "four",
    "any",
    "10.0.0.7",
    "10.0.0.0/8 except 10.0.0.0/24",
    "2001:db8::/32",
    "any except 10.0.0.66",
    "sites",
    "198.51.100.5-198.51.100.9",
    "lan except 10.0.0.5",
    "crowd",
    "crowd except 10.0.0.66",
    "any except crowd",
    "banned",
    "lan except banned",
    "nets, few",
    "any except (crowd, nets, 10.2.0.0/16)",
];

const DESTINATIONS: &[&str] = &[
    "self",
    "dmz",
    "wan",
    "lan",
    "any",
    "self, dmz",
    "web",
    "192.0.2.10@dmz",
    "203.0.113.7@self",
    "vpn",
    "any except 10.0.0.0/8",
    "both",
    "crowd@dmz",
    "banned@wan",
    "any except crowd",
    "any except nets",
];

/// What the clock decides.
pub const WINDOWS: [&str; 3] =
    ["during 09:00-17:30 mon-fri", "during sat, sun local", "during 22:00-06:00"];

const CONDITIONS: &[&str] = &[
    "state new",
    "state new, established",
    "state invalid, untracked",
    "mark 0x10/0xff",
    "mark 7",
    "length 100-200",
    "ttl 64",
    "dscp ef",
    "dscp 4",
    "via ipsec",
    WINDOWS[0],
    WINDOWS[1],
    WINDOWS[2],
    "sport 1024-65535",
    "ipv4",
    "ipv6",
    "limit 5/minute",
    "limit 10/second burst 20 per source",
    "limit 3/minute per source/24,/56, destination-port",
    "connections 20 per source/24",
    "connections 100",
    "log \"seen \"",
    "log level info",
    "log rate unlimited",
    "comment \"it's a \\\"test\\\"\"",
    "owner \"netops\" ticket \"OPS-1\"",
    "in eth1",
    "in wan",
];

/// What fills sets.
const ADDS: [&str; 2] = ["add source to banned", "add source/24,/56 to nets for 10m"];

/// What a statement that changes packets may ask for: it goes on, so it neither counts nor logs.
const SIMPLE_CONDITIONS: &[&str] = &[
    "state new",
    "state invalid, untracked",
    "mark 0x10/0xff",
    "mark 7",
    "mark 0/0xf0",
    "length 100-200",
    "ttl 64",
    "sport 1024-65535",
    "ipv4",
    "ipv6",
    "comment \"changed\"",
    "in eth1",
    "in wan",
];

const MARKS: &[&str] = &[
    "mark 7",
    "mark 0x10/0xff",
    "mark 0/0xf0",
    "mark 0x10/0xff",
    "mark 1 sticky",
    "mark 0x20/0xf0 sticky",
    "mark 0x10/0xff sticky",
];

/// A policy. Most are valid; those that are not are for the compiler to refuse.
pub fn policy(seed: u64) -> String {
    let mut random = Random::new(seed);
    let mut text = String::from(DEFINITIONS);
    let _ = writeln!(text, "set crowd = {}", crowd());
    if random.once_in(3) {
        let verdict = random.pick(&["allow", "drop", "reject"]);
        let direction = random.pick(&["input", "forward", "output", "input, forward"]);
        let log = random.pick(&["", " log", " log \"rest \"", " log rate unlimited"]);
        let _ = writeln!(text, "default {verdict} {direction}{log}");
    }
    if random.once_in(4) {
        text += random.pick(&[
            "implicit none\n",
            "implicit established, loopback\n",
            "implicit loopback, established, neighbour-discovery\n",
        ]);
    }
    if random.once_in(4) {
        text += "preserve docker, kubernetes\n";
    }
    // Of the table nat, by its first raw rule; of the filter without one, where nothing goes there.
    text += "chain divert { }\n";
    if random.once_in(4) {
        text += "raw v4 nat divert \"-p 99 -j RETURN\"\n";
    }
    text += "chain guard {\n";
    for _ in 0..random.below(4) {
        let rule = chain_rule(&mut random, &["allow", "drop", "return", "log \"g \"", ADDS[0]]);
        let _ = writeln!(text, "    {rule}");
    }
    text += "}\nchain gate {\n";
    for _ in 0..random.below(4) {
        let rule = chain_rule(&mut random, &["jump guard", "reject", "return", "goto guard"]);
        let _ = writeln!(text, "    {rule}");
    }
    text += "}\n";
    if random.once_in(6) {
        docker(&mut random, &mut text);
    }
    for _ in 0..=random.below(8) {
        statement(&mut random, &mut text, "");
    }
    text
}

/// More networks than are written into the rules, so that the kernel keeps them as a set.
fn crowd() -> String {
    let v4 = (0..40).map(|number| format!("10.0.0.{}", 2 * number));
    let v6 = (0..3).map(|number| format!("fd00:1::{number}:0/112"));
    let range = ["198.51.100.5-198.51.100.77".to_owned()];
    v4.chain(v6).chain(range).collect::<Vec<_>>().join(", ")
}

fn statement(random: &mut Random, text: &mut String, indent: &str) {
    match random.below(16) {
        0..=6 => {
            let rule = rule(random);
            let _ = writeln!(text, "{indent}{rule}");
        }
        7 if random.once_in(2) => {
            // What is added is asked for.
            let (add, set) =
                if random.once_in(2) { (ADDS[0], "banned") } else { (ADDS[1], "nets") };
            let _ = writeln!(text, "{indent}{add} {}", random.pick(SUBJECTS));
            let rule = chain_rule(random, &["drop", "allow", "reject"]);
            let rule = rule.split(" from ").next().unwrap_or_default();
            let _ = writeln!(text, "{indent}{rule} from {set}");
        }
        8 => {
            let (what, whence) = (random.pick(SUBJECTS), random.pick(SOURCES));
            let _ = writeln!(text, "{indent}open(({what}), ({whence}))");
        }
        7 => {
            let notrack = notrack(random);
            let _ = writeln!(text, "{indent}{notrack}");
        }
        9 if indent.len() < 8 => {
            let head = match random.below(4) {
                0 => random.pick(&["input", "output", "forward"]).to_owned(),
                1 => format!("from {}", random.list(SOURCES)),
                2 => format!("from {} to {}", random.pick(SOURCES), random.pick(DESTINATIONS)),
                _ => random.pick(&["limit 7/minute", "state new", "ipv4", "in eth1"]).to_owned(),
            };
            let _ = writeln!(text, "{indent}{head} {{");
            for _ in 0..=random.below(3) {
                statement(random, text, &format!("{indent}    "));
            }
            let _ = writeln!(text, "{indent}}}");
        }
        14 if indent.is_empty() => {
            let raw = raw(random);
            let _ = writeln!(text, "{raw}");
        }
        12 | 13 => {
            let change = change(random);
            let _ = writeln!(text, "{indent}{change}");
        }
        _ => {
            let nat = nat(random);
            let _ = writeln!(text, "{indent}{nat}");
        }
    }
}

fn raw(random: &mut Random) -> String {
    let family = random.pick(&["v4", "v6"]);
    let condition = random.pick(&[ALWAYS, NEVER, ALWAYS, NEVER, ""]);
    let (place, target) = match random.below(5) {
        // A chain of nat; all that goes there may have another destination.
        4 => {
            let place = random.pick(&["nat PREROUTING", "nat OUTPUT", "nat divert"]);
            let destination = match family {
                "v4" => "-j DNAT --to-destination 10.0.0.8",
                _ => "-j DNAT --to-destination fd00:1::8",
            };
            let target = match place {
                "nat divert" => random.pick(&["-j ACCEPT", "-j RETURN", destination]),
                _ => random.pick(&["-j divert", "-g divert"]),
            };
            (place, target)
        }
        0 => {
            let place = random.pick(&["nat PREROUTING", "nat OUTPUT", "nat POSTROUTING"]);
            let destination = match (family, place) {
                (_, "nat POSTROUTING") => "-j MASQUERADE",
                ("v4", _) => "-j DNAT --to-destination 10.0.0.9",
                (_, _) => "-j DNAT --to-destination fd00:1::9",
            };
            (place, random.pick(&["-j ACCEPT", "-j RETURN", destination, ""]))
        }
        1 => (random.pick(&["filter guard", "filter gate"]), random.pick(RAW_TARGETS)),
        2 => {
            let places = [
                "mangle PREROUTING",
                "mangle INPUT",
                "mangle FORWARD",
                "mangle OUTPUT",
                "raw PREROUTING",
                "raw OUTPUT",
            ];
            (random.pick(&places), random.pick(&["-j ACCEPT", "-j RETURN", ""]))
        }
        _ => {
            let places = ["filter INPUT", "filter FORWARD", "filter OUTPUT"];
            let to_chain = ["-j guard", "-g gate"];
            (random.pick(&places), random.pick(&[RAW_TARGETS, &to_chain].concat()))
        }
    };
    format!("raw {family} {place} \"{condition} {target}\"")
}

fn docker(random: &mut Random, text: &mut String) {
    let bridges = random.pick(&["", "", " on eth1", " on dmz, br0"]);
    let _ = writeln!(text, "docker{bridges} {{");
    for _ in 0..random.below(5) {
        let verb = random.pick(&["allow", "allow", "drop", "reject", "log \"d \""]);
        let subject = random.pick(PUBLISHED);
        let mut rule = format!("{verb} {subject}");
        if random.once_in(2) {
            let _ = write!(rule, " from {}", random.list(SOURCES));
        }
        conditions(random, &mut rule, 3, CONDITIONS);
        let _ = writeln!(text, "    {rule}");
    }
    *text += "}\n";
}

fn chain_rule(random: &mut Random, verbs: &[&str]) -> String {
    let (verb, subject) = (random.pick(verbs), random.pick(SUBJECTS));
    let mut rule = format!("{verb} {subject}");
    if random.once_in(2) {
        let _ = write!(rule, " from {}", random.list(SOURCES));
    }
    conditions(random, &mut rule, 3, CONDITIONS);
    rule
}

fn conditions(random: &mut Random, rule: &mut String, once_in: usize, from: &[&str]) {
    while random.once_in(once_in) {
        let condition = random.pick(from);
        let word = condition.split(' ').next().unwrap_or_default();
        if !rule.contains(&format!(" {word} ")) {
            let _ = write!(rule, " {condition}");
        }
    }
}

fn rule(random: &mut Random) -> String {
    let verb = random.pick(&[
        "allow",
        "allow",
        "allow",
        "allow",
        "allow",
        "allow",
        "drop",
        "drop",
        "reject",
        "log \"l \"",
        "return",
        "jump guard",
        "jump gate",
        "goto guard",
        ADDS[0],
        ADDS[1],
    ]);
    let mut rule = match random.below(8) {
        0 => {
            let flags =
                random.pick(&["syn / syn, ack, fin, rst", "none / all", "fin, syn / fin, syn"]);
            format!("{verb} {} flags {flags}", random.pick(TCP_SUBJECTS))
        }
        1 => format!("reject {} with tcp-reset", random.pick(TCP_SUBJECTS)),
        2 => format!("{verb} {}, {}", random.pick(SUBJECTS), random.pick(SUBJECTS)),
        _ => format!("{verb} {}", random.pick(SUBJECTS)),
    };
    match random.below(6) {
        0 => {
            let _ = write!(rule, " out");
            if random.once_in(3) {
                let _ = write!(rule, " user {}", random.pick(&["0", "1001", "1000"]));
            }
        }
        1 => {
            let _ = write!(rule, " from self to {}", random.list(DESTINATIONS));
        }
        _ => {
            if random.once_in(2) {
                let _ = write!(rule, " from {}", random.list(SOURCES));
            }
            if random.once_in(2) {
                let _ = write!(rule, " to {}", random.list(DESTINATIONS));
            }
            if random.once_in(8) {
                let _ = write!(rule, " mac 00:16:3e:00:00:01, 00:16:3e:00:00:02");
            }
        }
    }
    conditions(random, &mut rule, 3, CONDITIONS);
    rule
}

/// Ends that are addresses, wherever a packet goes.
const UNTRACKED: &[&str] =
    &["dmz", "admins", "staff", "any", "10.0.0.7", "sites", "lan", "any except 10.0.0.66"];

fn notrack(random: &mut Random) -> String {
    let subject = random.pick(&[
        "dns",
        "ftp",
        "ping",
        "any",
        "udp any",
        "tcp 80",
        "shop",
        "proto gre",
        "mdns",
    ]);
    let family = random.pick(&["", "", "", " ipv4", " ipv6"]);
    match random.below(4) {
        0 => format!("notrack {subject} from self{family}"),
        1 => format!("notrack {subject} from {}{family}", random.pick(SOURCES)),
        2 => format!("notrack {subject} out sport 1024-65535{family}"),
        _ => {
            let to = random.pick(&["dmz", "any", "self, dmz", "sites", "web", "self"]);
            format!("notrack {subject} from {} to {to}{family}", random.list(UNTRACKED))
        }
    }
}

fn change(random: &mut Random) -> String {
    let mut change = match random.below(6) {
        0 => {
            let class = random.pick(&["ef", "af11", "0", "63"]);
            format!("dscp {class} {}, {}", random.pick(SUBJECTS), random.pick(SUBJECTS))
        }
        1 => {
            let size = random.pick(&["", " 1360"]);
            format!("clamp mss{size} {}", random.pick(TCP_SUBJECTS))
        }
        2 => random.pick(MARKS).to_owned(),
        _ => format!("{} {}", random.pick(MARKS), random.pick(SUBJECTS)),
    };
    match random.below(5) {
        0 => change += " out",
        1 => {
            let _ = write!(change, " from self to {}", random.list(DESTINATIONS));
        }
        2 => {
            let _ = write!(change, " from {} to self, any", random.list(SOURCES));
        }
        _ => {
            let (from, to) = (random.list(SOURCES), random.list(DESTINATIONS));
            let _ = write!(change, " from {from} to {to}");
        }
    }
    conditions(random, &mut change, 4, SIMPLE_CONDITIONS);
    change
}

fn nat(random: &mut Random) -> String {
    match random.below(11) {
        0 => "masquerade wan out".to_owned(),
        1 => format!("masquerade {} from {} to wan", random.pick(SUBJECTS), random.list(SOURCES)),
        2 => format!("snat from {} to dmz as 203.0.113.5", random.pick(SOURCES)),
        3 => format!(
            "nonat from {} to {}",
            random.pick(SOURCES),
            random.pick(&["vpn", "dmz", "wan"])
        ),
        4 => "netmap 203.0.113.16/28 to 10.0.0.16/28 on wan".to_owned(),
        5 => {
            let at = random.pick(&["", "", " at any", " at 203.0.113.7, 2001:db8::7"]);
            let (what, whence) = (random.pick(TCP_SUBJECTS), random.pick(SOURCES));
            format!("redirect {what}{at} from {whence} to :3128")
        }
        6 => format!(
            "forward {} from {} to 10.0.0.2:8443@lan",
            random.pick(TCP_SUBJECTS),
            random.pick(SOURCES)
        ),
        7 => format!(
            "forward {}{} from wan to {} hairpin {}",
            random.pick(SUBJECTS),
            random.pick(&["", " at 203.0.113.7", " at 203.0.113.7, 2001:db8::7"]),
            random.pick(&["web", "both", "10.0.0.2@lan", "10.0.0.2:81@lan, [fd00:1::2]:82@lan"]),
            random.pick(&["lan", "lan, dmz", "self", "lan, self"])
        ),
        8 => format!("forward {} from wan to both hairpin lan", random.pick(SUBJECTS)),
        9 => random.pick(&["masquerade wan out ipv6", "masquerade from admins to wan"]).to_owned(),
        _ => format!(
            "forward tcp 8000-8010, 9000 at 203.0.113.7, 2001:db8::7 from {} to both",
            random.pick(SOURCES)
        ),
    }
}
