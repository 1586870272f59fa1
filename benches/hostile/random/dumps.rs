//! Dumps: rules of one chain of the kernel, and of own ones that it leads to.

use palisade::net::Family;
use palisade::packet::Random;

use super::{Line, Numbers, Part, SIZE, Words, joined, lines, one, parts};
use crate::texts::each;

#[derive(Clone, Copy, Eq, PartialEq)]
enum Table {
    Filter,
    Nat,
    Mangle,
    Raw,
}

/// A chain of the kernel.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Hook {
    Prerouting,
    Input,
    Forward,
    Output,
    Postrouting,
}

impl Table {
    fn name(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Nat => "nat",
            Self::Mangle => "mangle",
            Self::Raw => "raw",
        }
    }

    fn hooks(self) -> &'static [Hook] {
        use Hook::{Forward, Input, Output, Postrouting, Prerouting};
        match self {
            Self::Filter => &[Input, Forward, Output],
            Self::Nat => &[Prerouting, Input, Output, Postrouting],
            Self::Mangle => &[Prerouting, Input, Forward, Output, Postrouting],
            Self::Raw => &[Prerouting, Output],
        }
    }

    /// What is frequent stands here more than once.
    fn targets(self, hook: Hook) -> &'static [&'static [Words]] {
        use Hook::{Forward, Input, Output, Postrouting, Prerouting};
        match (self, hook) {
            (Self::Filter, _) => &[VERDICTS, VERDICTS, VERDICTS, PASSING, ANSWERS, REPORTS],
            (Self::Nat, Prerouting | Output) => &[PASSING, NEW_DESTINATIONS],
            (Self::Nat, Postrouting) => &[PASSING, NEW_SOURCES, MASQUERADES],
            (Self::Nat, Input | Forward) => &[PASSING, NEW_SOURCES],
            (Self::Mangle, Prerouting | Input) => &[VERDICTS, PASSING, CHANGES],
            (Self::Mangle, Forward | Output | Postrouting) => &[VERDICTS, PASSING, CHANGES, CLAMPS],
            (Self::Raw, _) => &[VERDICTS, UNTRACKED],
        }
    }
}

impl Hook {
    fn name(self) -> &'static str {
        match self {
            Self::Prerouting => "PREROUTING",
            Self::Input => "INPUT",
            Self::Forward => "FORWARD",
            Self::Output => "OUTPUT",
            Self::Postrouting => "POSTROUTING",
        }
    }

    /// What only some chains of the kernel may ask.
    fn matches(self) -> &'static [&'static [Words]] {
        match self {
            Self::Prerouting | Self::Input => &[INTERFACES_IN, HARDWARE, IPSEC_IN],
            Self::Forward => &[INTERFACES_IN, INTERFACES_OUT, HARDWARE, IPSEC_IN],
            Self::Output | Self::Postrouting => &[INTERFACES_OUT, ACCOUNTS],
        }
    }
}

/// One or two tables.
pub fn text(random: &mut Random, family: Family) -> String {
    let mut tables = vec![Table::Filter, Table::Filter, Table::Nat, Table::Mangle, Table::Raw];
    let count = one(random, &[1, 1, 2]);
    let mut text = String::new();
    for _ in 0..count {
        let table = one(random, &tables);
        tables.retain(|other| *other != table);
        text += &of_table(random, table, family, SIZE / count);
    }
    text
}

fn of_table(random: &mut Random, table: Table, family: Family, size: usize) -> String {
    let hooks = table.hooks();
    // The first of them more often: most look there.
    let hook = if random.one_in(3) { hooks[0] } else { one(random, hooks) };
    let chains = one(random, &[0, 0, 1, 3, 50, 1_000]);
    let place = Place { table, hook, chains, family };
    let count = one(random, &[1, 1, 2, 3, 4]);
    let rules: Vec<Rule> = (0..count).map(|at| Rule::drawn(random, at, place)).collect();
    let lines = lines(random, &rules, size, Rule::line);
    // What nothing leads to is soon looked at.
    let is_led = rules.iter().any(Rule::leads);
    let calls = if is_led { 0 } else { chains };
    let calls = each(calls, |at| format!("-A {} -j {}\n", hook.name(), chain(at)));
    let (first, last) = if random.one_in(2) { (calls, lines) } else { (lines, calls) };
    let mut heads = format!("*{}\n", table.name());
    for hook in hooks {
        let drops = table == Table::Filter && !random.one_in(3);
        let policy = if drops { "DROP" } else { "ACCEPT" };
        heads += &format!(":{} {policy} [0:0]\n", hook.name());
    }
    heads += &each(chains, |at| format!(":{} - [0:0]\n", chain(at)));
    format!("{heads}{first}{last}COMMIT\n")
}

/// The name of an own chain.
fn chain(at: usize) -> String {
    format!("c{at}")
}

/// Where the rules are.
#[derive(Clone, Copy)]
struct Place {
    table: Table,
    hook: Hook,
    /// How many own chains there are.
    chains: usize,
    family: Family,
}

/// A template of rules.
struct Rule {
    place: Place,
    /// The own chains that it stands in, if it does not in that of the kernel.
    home: Option<Numbers>,
    matches: Vec<Part>,
    target: Target,
}

enum Target {
    Words(Part),
    /// A jump or goto to own chains.
    Chain(&'static str, Numbers),
}

impl Rule {
    fn drawn(random: &mut Random, template: usize, place: Place) -> Self {
        let Place { table, hook, chains, family } = place;
        let groups = [MATCHES, hook.matches()].concat();
        let count = one(random, &[0, 1, 1, 2, 2, 3]);
        let mut matches = parts(random, template, family, &groups, count);
        let is_own = chains > 0 && (template == 0 || random.one_in(3));
        let home = is_own.then(|| Numbers::drawn(random));
        // Where own chains often lead to others, there are soon more ways than anybody looks at.
        let target = if chains > 0 && random.one_in(if is_own { 8 } else { 2 }) {
            Target::Chain(one(random, &["-j", "-j", "-j", "-j", "-g"]), Numbers::drawn(random))
        } else {
            let words = one(random, &table.targets(hook).concat());
            let part = Part::drawn(random, template, family, words);
            if part.words(0).contains(PROTOCOL) {
                matches.retain(|other| !other.words(0).contains(PROTOCOL));
            }
            Target::Words(part)
        };
        Rule { place, home, matches, target }
    }

    /// Whether it leads to own chains.
    fn leads(&self) -> bool {
        self.home.is_none() && matches!(self.target, Target::Chain(..))
    }

    fn line(&self, turn: usize) -> String {
        let home = self.home.map(|numbers| numbers.at(turn) % self.place.chains);
        let place = home.map_or_else(|| self.place.hook.name().to_owned(), chain);
        let target = match &self.target {
            Target::Words(part) => part.words(turn),
            Target::Chain(option, numbers) => {
                // To those behind its own, so that there is no ring.
                let first = home.map_or(0, |home| home + 1);
                match self.place.chains - first {
                    0 => RETURN.to_owned(),
                    count => format!("{option} {}", chain(first + numbers.at(turn) % count)),
                }
            }
        };
        let matches = self.matches.iter().map(|part| part.words(turn));
        joined([format!("-A {place}")].into_iter().chain(matches).chain([target]))
    }
}

/// A rule has it once.
const PROTOCOL: &str = "-p ";

const MATCHES: &[&[Words]] = &[
    PROTOCOLS,
    &[
        |line| format!("{}-s {}", line.not, line.host()),
        |line| format!("{}-s {}", line.not, line.net()),
        |line| format!("-s {}", line.wide()),
        |line| format!("-m iprange {}--src-range {}", line.not, line.addresses()),
    ],
    &[
        |line| format!("{}-d {}", line.not, line.host()),
        |line| format!("-d {}", line.wide()),
        |line| format!("-m addrtype {}--dst-type {}", line.not, line.address_type()),
    ],
    &[
        |line| format!("-m conntrack --ctstate {}", line.state()),
        |line| format!("-m conntrack {}--ctstate {},DNAT", line.not, line.state()),
        |line| format!("-m conntrack --ctorigdstport {}", line.port()),
    ],
    &[
        |line| format!("-m mark {}--mark 0x{:x}", line.not, line.number),
        |line| format!("-m mark --mark {}", line.masked()),
    ],
    &[|line| format!("-m connmark --mark 0x{:x}", line.number)],
    &[|line| format!("-m length --length {}", line.range())],
    &[|line| match line.family {
        Family::V4 => format!("-m ttl --ttl-gt {}", line.number % 254),
        Family::V6 => format!("-m hl --hl-gt {}", line.number % 254),
    }],
    &[
        |line| format!("-m limit --limit {}/min", line.number % 59 + 1),
        |line| {
            format!(
                "-m hashlimit --hashlimit-upto {}/sec --hashlimit-mode srcip --hashlimit-name h{}",
                line.number % 50 + 1,
                line.number
            )
        },
        |line| format!("-m connlimit --connlimit-above {}", line.number),
        |_| "-m statistic --mode random --probability 0.5".into(),
        |line| format!("-m quota --quota {}", line.number),
    ],
    &[
        |line| format!("-m set {}--match-set s{} src", line.not, line.number % 300),
        |line| format!("-m set --match-set s{} src,dst", line.number % 30),
    ],
    &[
        |line| format!("-m string --string x{} --algo bm", line.number % 500),
        |line| format!("-m u32 --u32 0x{:x}=0x1", line.number % 500),
    ],
    &[|line| format!("-m time --timestart {}:00 --timestop 23:59:00", line.clock())],
    &[|line| format!("-m dscp {}--dscp 0x{:x}", line.not, line.number % 64)],
    &[|line| format!("-m recent --name r{} --rcheck", line.number % 9)],
    &[|line| format!("-m comment --comment c{}", line.number)],
    &[|line| format!("-m pkttype {}--pkt-type {}", line.not, line.packet_type())],
    &[|line| format!("-m helper --helper h{}", line.number % 20)],
];

const PROTOCOLS: &[Words] = &[
    |line| format!("-p tcp -m tcp {}--dport {}", line.not, line.range()),
    |line| format!("-p udp -m udp --sport {}", line.range()),
    |line| format!("-p tcp -m tcp --sport {} --dport {}", line.range(), line.port()),
    |line| {
        let port = line.port();
        let [second, low, high] = [7, 9, 30].map(|more| port + more);
        format!("-p tcp -m multiport {}--dports {port},{second},{low}:{high}", line.not)
    },
    |_| "-p tcp -m tcp --tcp-flags SYN,ACK,RST SYN".into(),
    |line| match line.family {
        Family::V4 => format!("-p icmp -m icmp --icmp-type {}", line.number % 18),
        Family::V6 => format!("-p ipv6-icmp -m icmp6 --icmpv6-type {}", line.number % 256),
    },
    |line| format!("{}-p {}", line.not, line.number % 250 + 1),
    |line| format!("-p sctp -m sctp --dport {}", line.range()),
    |line| format!("-p esp -m esp --espspi {}", line.range()),
    |line| format!("-p tcp -m tcp --tcp-option {}", line.number % 255 + 1),
];

const INTERFACES_IN: &[Words] = &[
    |line| format!("{}-i e{}", line.not, line.number),
    |line| format!("{}-i e{}+", line.not, line.number),
];

const INTERFACES_OUT: &[Words] = &[
    |line| format!("{}-o e{}", line.not, line.number),
    |line| format!("{}-o e{}+", line.not, line.number),
];

const HARDWARE: &[Words] = &[|line| format!("-m mac {}--mac-source {}", line.not, line.hardware())];

const IPSEC_IN: &[Words] = &[|_| "-m policy --dir in --pol ipsec".into()];

const ACCOUNTS: &[Words] = &[|line| format!("-m owner {}--uid-owner {}", line.not, line.number)];

const RETURN: &str = "-j RETURN";

const VERDICTS: &[Words] = &[|_| "-j ACCEPT".into(), |_| "-j DROP".into()];

const PASSING: &[Words] = &[|_| "-j ACCEPT".into(), |_| RETURN.to_owned()];

const ANSWERS: &[Words] = &[
    |line| match line.family {
        Family::V4 => "-j REJECT --reject-with icmp-port-unreachable".into(),
        Family::V6 => "-j REJECT --reject-with icmp6-port-unreachable".into(),
    },
    |_| "-p tcp -j REJECT --reject-with tcp-reset".into(),
];

const REPORTS: &[Words] = &[
    |_| "-j LOG".into(),
    |line| format!("-j LOG --log-prefix p{}", line.number),
    |line| format!("-j SET --add-set a{} src --exist", line.number % 20),
    |line| format!("-j NFLOG --nflog-group {}", line.number % 5),
    |line| format!("-j NFQUEUE --queue-num {}", line.number % 5),
    |_| String::new(),
];

const CHANGES: &[Words] = &[
    |line| format!("-j MARK --set-xmark 0x{:x}/0xffffffff", line.number),
    |line| format!("-j MARK --set-xmark {}", line.masked()),
    |line| format!("-j CONNMARK --set-xmark 0x{:x}/0xffffffff", line.number),
    |_| "-j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff".into(),
    |_| "-j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff".into(),
    |line| format!("-j DSCP --set-dscp 0x{:x}", line.number % 64),
    |line| {
        let size = line.number % 1_000 + 500;
        format!("-p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss {size}")
    },
    |line| match line.family {
        Family::V4 => format!("-j TTL --ttl-set {}", line.number % 255 + 1),
        Family::V6 => format!("-j HL --hl-set {}", line.number % 255 + 1),
    },
];

/// To the path's size: of packets of which the way out is known.
const CLAMPS: &[Words] =
    &[|_| "-p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu".into()];

const UNTRACKED: &[Words] = &[|_| "-j CT --notrack".into(), |_| "-p tcp -j CT --helper ftp".into()];

const NEW_DESTINATIONS: &[Words] = &[
    |line| format!("-j DNAT --to-destination {}", line.host()),
    |line| format!("-p tcp -j DNAT --to-destination {}", line.socket(line.port())),
    |line| format!("-p tcp -j REDIRECT --to-ports {}", line.port()),
    |line| format!("-j NETMAP --to {}", line.net()),
];

const NEW_SOURCES: &[Words] = &[
    |line| format!("-j SNAT --to-source {}", line.host()),
    |line| format!("-p udp -j SNAT --to-source {}", line.socket(line.port())),
    |line| format!("-j NETMAP --to {}", line.net()),
];

const MASQUERADES: &[Words] = &[|_| "-j MASQUERADE".into()];

impl Line {
    /// Its range, as dumps write ranges.
    fn range(self) -> String {
        format!("{}:{}", self.low, self.high)
    }

    fn state(self) -> &'static str {
        ["NEW", "ESTABLISHED", "RELATED", "INVALID"][self.number % 4]
    }

    fn address_type(self) -> &'static str {
        ["LOCAL", "UNICAST", "MULTICAST"][self.number % 3]
    }

    fn packet_type(self) -> &'static str {
        ["unicast", "multicast", "broadcast"][self.number % 3]
    }
}
