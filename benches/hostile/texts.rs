//! The texts: each asks for much with few words, or is many of one thing.

use palisade::net::Family;

/// What a text is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A policy.
    Policy,
    /// What iptables-save or ip6tables-save prints.
    Dump(Family),
}

impl Kind {
    pub const ALL: [Kind; 3] = [Kind::Policy, Kind::Dump(Family::V4), Kind::Dump(Family::V6)];

    pub fn name(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Dump(Family::V4) => "dump",
            Self::Dump(Family::V6) => "dump of IPv6",
        }
    }

    /// What the names of its files end in.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Policy => "fw",
            Self::Dump(Family::V4) => "v4",
            Self::Dump(Family::V6) => "v6",
        }
    }
}

pub struct Text {
    pub kind: Kind,
    pub name: String,
    make: Make,
}

enum Make {
    /// The line for each number below what is told.
    Each(usize, fn(usize) -> String),
    /// What is before and behind the lines.
    Within(&'static str, usize, fn(usize) -> String, &'static str),
    Whole(fn() -> String),
    OfSeed(u64, fn(u64) -> String),
}

impl Text {
    fn named(kind: Kind, (name, make): (&str, Make)) -> Self {
        Text { kind, name: name.to_owned(), make }
    }

    /// The text that is made of a seed.
    pub fn of_seed(kind: Kind, seed: u64, make: fn(u64) -> String) -> Self {
        Text { kind, name: format!("seed {seed}"), make: Make::OfSeed(seed, make) }
    }

    pub fn text(&self) -> String {
        match (&self.make, self.kind) {
            (Make::Whole(whole), _) => whole(),
            (Make::OfSeed(seed, whole), _) => whole(*seed),
            (Make::Each(count, line), Kind::Policy) => each(*count, line),
            (Make::Each(count, line), Kind::Dump(_)) => filter("", &each(*count, line)),
            (Make::Within(before, count, line, after), _) => {
                format!("{before}{}{after}", each(*count, line))
            }
        }
    }
}

pub fn each(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

fn filter(chains: &str, rules: &str) -> String {
    format!(
        "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n{chains}{rules}COMMIT\n"
    )
}

/// A host for each number below 65,536.
pub fn host(at: usize) -> String {
    format!("10.{}.{}.1", at >> 8 & 255, at & 255)
}

/// The same in IPv6.
pub fn host6(at: usize) -> String {
    format!("2001:db8:{:x}::1", at & 0xffff)
}

/// A port for each number below 65,535.
pub fn port(at: usize) -> usize {
    at % 65_535 + 1
}

/// All texts, the plainest of each kind among them.
pub fn all() -> impl Iterator<Item = Text> {
    let policies = POLICIES.into_iter().map(|row| Text::named(Kind::Policy, row));
    let dumps = DUMPS.into_iter().map(|row| Text::named(Kind::Dump(Family::V4), row));
    let others = DUMPS_OF_IPV6.into_iter().map(|row| Text::named(Kind::Dump(Family::V6), row));
    policies.chain(dumps).chain(others)
}

const POLICIES: [(&str, Make); 22] = [
    ("hosts", Make::Each(33_000, |at| format!("allow tcp 22 from {}\n", host(at)))),
    ("ports", Make::Each(60_000, |at| format!("allow tcp {}\n", port(at)))),
    (
        "hosts and ports",
        Make::Each(28_000, |at| format!("allow tcp {} from {}\n", port(at), host(at))),
    ),
    ("alike", Make::Each(100_000, |_| "allow ssh\n".into())),
    ("alternating", Make::Each(50_000, |_| "allow ssh\ndrop ssh\n".into())),
    (
        "nested ports",
        Make::Each(20_000, |at| format!("allow tcp {}-{}\n", 30_000 - at, 30_001 + at)),
    ),
    (
        "nested hosts",
        Make::Each(22_000, |at| {
            let low = 0x0a80_0000 - at;
            let high = 0x0a80_0000 + at;
            format!("allow ssh from {}-{}\n", dotted(low), dotted(high))
        }),
    ),
    (
        "nested and turned",
        Make::Each(20_000, |at| {
            let verb = if at % 2 == 0 { "allow" } else { "drop" };
            format!("{verb} tcp {}-{}\n", 30_000 - at, 30_001 + at)
        }),
    ),
    ("interfaces", Make::Each(40_000, |at| format!("allow ssh in \"e{at}\"\n"))),
    (
        "interfaces by name",
        Make::Each(33_000, |at| format!("allow tcp {} in \"e{at}+\"\n", port(at))),
    ),
    ("all but one", Make::Each(24_000, |at| format!("allow ssh from any except {}\n", host(at)))),
    (
        "limits",
        Make::Each(22_000, |at| format!("allow tcp {} limit {}/minute\n", port(at), at % 59 + 1)),
    ),
    ("limits alike", Make::Each(30_000, |_| "allow ssh limit 5/minute\n".into())),
    (
        "forwards",
        Make::Within(
            "zone wan = eth0\n",
            25_000,
            |at| format!("forward tcp {} from wan to {}\n", port(at), host(at)),
            "",
        ),
    ),
    ("logs", Make::Each(24_000, |at| format!("log \"p{at} \" tcp {}\n", port(at)))),
    (
        "times",
        Make::Each(4_900, |at| {
            format!(
                "allow tcp {} during {:02}:{:02}-23:59 mon-fri\n",
                port(at),
                at % 23,
                at / 23 % 60
            )
        }),
    ),
    ("marks", Make::Each(33_000, |at| format!("mark {} tcp {}\n", at % 250 + 1, port(at)))),
    (
        "mixed",
        Make::Each(6_000, |at| {
            let host = host(at);
            format!(
                "allow tcp {} from {host}\ndrop udp any from {host}\nlog ssh from {host}\nreject https from self to {host}\n",
                port(at)
            )
        }),
    ),
    (
        "promises kept",
        Make::Each(14_000, |at| {
            format!(
                "allow tcp {0} from {1}\nassert allow tcp {0} from {1} to self\n",
                port(at),
                host(at)
            )
        }),
    ),
    (
        "promises broken",
        Make::Each(14_000, |at| {
            format!(
                "allow tcp {0} from {1}\nassert drop tcp {0} from {1} to self\n",
                port(at),
                host(at)
            )
        }),
    ),
    (
        "tests",
        Make::Within(
            "allow tcp 1-1000\ntest \"all\" {\n",
            16_000,
            |at| format!("  tcp {}:4000 -> self:{} in eth0 => allow\n", host(at), at % 1000 + 1),
            "}\n",
        ),
    ),
    (
        "zones",
        Make::Each(16_000, |at| {
            format!("zone z{at} = e{at} {{ {}/24 }}\nallow ssh from z{at}\n", net(at))
        }),
    ),
];

pub fn net(at: usize) -> String {
    format!("10.{}.{}.0", at >> 8 & 255, at & 255)
}

pub fn dotted(address: usize) -> String {
    let byte = |shift: usize| address >> shift & 255;
    format!("{}.{}.{}.{}", byte(24), byte(16), byte(8), byte(0))
}

const DUMPS: [(&str, Make); 30] = [
    (
        "hosts",
        Make::Each(20_000, |at| {
            format!("-A INPUT -s {} -p tcp -m tcp --dport 22 -j ACCEPT\n", host(at))
        }),
    ),
    (
        "ports",
        Make::Each(22_000, |at| format!("-A INPUT -p tcp -m tcp --dport {} -j ACCEPT\n", port(at))),
    ),
    ("hosts turned", Make::Each(33_000, |at| format!("-A INPUT -s {} -j DROP\n", host(at)))),
    ("all but hosts", Make::Each(30_000, |at| format!("-A INPUT ! -s {} -j DROP\n", host(at)))),
    ("alike", Make::Each(50_000, |_| "-A INPUT -j ACCEPT\n".into())),
    ("alternating", Make::Each(25_000, |_| "-A INPUT -j ACCEPT\n-A INPUT -j DROP\n".into())),
    ("interfaces", Make::Each(33_000, |at| format!("-A INPUT -i e{at} -j ACCEPT\n"))),
    ("interfaces by name", Make::Each(33_000, |at| format!("-A INPUT -i e{at}+ -j DROP\n"))),
    (
        "all but interfaces",
        Make::Each(16_000, |at| {
            format!("-A INPUT ! -i e{at} -p tcp --dport {} -j DROP\n", port(at))
        }),
    ),
    (
        "limits",
        Make::Each(14_000, |at| {
            format!(
                "-A INPUT -p tcp --dport {} -m limit --limit {}/min -j ACCEPT\n",
                port(at),
                at % 59 + 1
            )
        }),
    ),
    (
        "limits alike",
        Make::Each(18_000, |_| "-A INPUT -p tcp -m limit --limit 5/min -j ACCEPT\n".into()),
    ),
    (
        "logs",
        Make::Each(18_000, |at| {
            format!("-A INPUT -p tcp --dport {} -j LOG --log-prefix p{at}\n", port(at))
        }),
    ),
    ("logs of all", Make::Each(30_000, |at| format!("-A INPUT -j LOG --log-prefix p{at}\n"))),
    (
        "added to sets",
        Make::Each(20_000, |at| {
            format!("-A INPUT -p tcp --dport {} -j SET --add-set s src --exist\n", port(at))
        }),
    ),
    ("sets", Make::Each(400, |at| format!("-A INPUT -m set --match-set s{at} src -j ACCEPT\n"))),
    (
        "many sets",
        Make::Each(2_800, |at| format!("-A INPUT -m set --match-set s{at} src -j ACCEPT\n")),
    ),
    (
        "strings",
        Make::Each(2_000, |at| format!("-A INPUT -m string --algo bm --string s{at} -j ACCEPT\n")),
    ),
    (
        "times",
        Make::Each(5_000, |at| {
            format!(
                "-A INPUT -p tcp --dport {} -m time --timestart {:02}:{:02}:00 --timestop 23:59:00 -j ACCEPT\n",
                port(at),
                at % 23,
                at / 23 % 60
            )
        }),
    ),
    (
        "hardware",
        Make::Each(18_000, |at| {
            format!(
                "-A INPUT -m mac --mac-source 02:00:00:00:{:02x}:{:02x} -j ACCEPT\n",
                at >> 8 & 255,
                at & 255
            )
        }),
    ),
    (
        "multiport",
        Make::Each(9_000, |at| {
            let ports: Vec<String> =
                (0..14).map(|other| port(at * 7 + other * 401).to_string()).collect();
            format!("-A INPUT -p tcp -m multiport --dports {} -j ACCEPT\n", ports.join(","))
        }),
    ),
    ("marks", Make::Each(25_000, |at| format!("-A INPUT -m mark --mark 0x{at:x} -j ACCEPT\n"))),
    (
        "masked marks",
        Make::Each(20_000, |at| {
            format!("-A INPUT -m mark --mark 0x{:x}/0x{:x} -j ACCEPT\n", at & 0x5555, at | 0x5555)
        }),
    ),
    (
        "flags",
        Make::Each(20_000, |at| {
            let names = ["FIN", "SYN", "RST", "PSH", "ACK", "URG"];
            let of: Vec<&str> =
                (0..6).filter(|flag| (at | 1) >> flag & 1 == 1).map(|flag| names[flag]).collect();
            format!("-A INPUT -p tcp -m tcp --tcp-flags {} FIN -j DROP\n", of.join(","))
        }),
    ),
    (
        "lengths",
        Make::Each(24_000, |at| {
            format!("-A INPUT -m length --length {}:{} -j DROP\n", at, 65_535 - at)
        }),
    ),
    (
        "chains",
        Make::Whole(|| {
            let names = each(8_000, |at| format!(":c{at} - [0:0]\n"));
            let rules = each(8_000, |at| {
                format!(
                    "-A INPUT -s {0} -j c{at}\n-A c{at} -p tcp --dport 22 -j ACCEPT\n",
                    host(at)
                )
            });
            filter(&names, &rules)
        }),
    ),
    (
        "chains of all",
        Make::Whole(|| {
            let names = each(10_000, |at| format!(":c{at} - [0:0]\n"));
            let rules = each(10_000, |at| {
                format!("-A INPUT -j c{at}\n-A c{at} -s {} -j ACCEPT\n", host(at))
            });
            filter(&names, &rules)
        }),
    ),
    (
        "chains that return",
        Make::Whole(|| {
            let names = each(6_000, |at| format!(":c{at} - [0:0]\n"));
            let rules = each(6_000, |at| {
                format!(
                    "-A INPUT -j c{at}\n-A c{at} -s {0} -j RETURN\n-A c{at} -p tcp --dport {1} -j ACCEPT\n",
                    host(at),
                    port(at)
                )
            });
            filter(&names, &rules)
        }),
    ),
    (
        "one chain, returns",
        Make::Whole(|| {
            let rules = each(12_000, |at| {
                format!(
                    "-A c0 -s {0} -j RETURN\n-A c0 -p tcp --dport {1} -j ACCEPT\n",
                    host(at),
                    port(at)
                )
            });
            filter(":c0 - [0:0]\n", &format!("{rules}-A INPUT -j c0\n"))
        }),
    ),
    (
        "translations",
        Make::Within(
            "*nat\n:PREROUTING ACCEPT [0:0]\n",
            16_000,
            |at| {
                format!(
                    "-A PREROUTING -p tcp --dport {} -j DNAT --to-destination {}\n",
                    port(at),
                    host(at)
                )
            },
            "COMMIT\n",
        ),
    ),
    (
        "masquerades",
        Make::Within(
            "*nat\n:POSTROUTING ACCEPT [0:0]\n",
            30_000,
            |_| "-A POSTROUTING -j MASQUERADE\n".into(),
            "COMMIT\n",
        ),
    ),
];

const DUMPS_OF_IPV6: [(&str, Make); 1] = [(
    "hosts",
    Make::Each(16_000, |at| {
        format!("-A INPUT -s {} -p tcp -m tcp --dport 22 -j ACCEPT\n", host6(at))
    }),
)];
