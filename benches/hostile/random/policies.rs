//! Policies: statements with subjects and clauses.

use palisade::net::Family;
use palisade::packet::Random;

use super::{Line, Part, SIZE, Words, joined, lines, one, parts};

/// What the statements name.
const DEFINITIONS: &str = "\
use hardening
use private
zone wan = eth0
zone lan = eth1 { 10.0.0.0/8, 2001:db8::/32 }
zone sites = { 10.20.0.0/16, 2001:db8:20::/48 }
let staff = 203.0.113.0/24, 2001:db8:a::/48, 10.0.0.0/24 except 10.0.0.66
set few = 10.1.0.0/16, 2001:db8:b::/48
set banned dynamic timeout 1h
service shop = tcp 8080, 8443-8449, udp 9000
chain guard { drop tcp any flags none / all; return tcp 443; log \"odd \" }
def serve(what, whence) { allow what from whence; from whence to wan { allow what } }
";

/// A statement: the clauses that it may have, and how it is put together from a line, a subject and clauses.
type Statement = (&'static [&'static [Words]], fn(Line, &str, &str) -> String);

/// A template of statements.
struct Template {
    statement: fn(Line, &str, &str) -> String,
    own: Part,
    subject: Part,
    clauses: Vec<Part>,
}

impl Template {
    fn drawn(random: &mut Random, template: usize, kind: &[Statement]) -> Self {
        let family = one(random, &[Family::V4, Family::V4, Family::V4, Family::V6]);
        let (groups, statement) = one(random, kind);
        let subject = one(random, SUBJECTS);
        let count = one(random, &[0, 1, 1, 2]);
        Template {
            statement,
            own: Part::drawn(random, template, family, |_| String::new()),
            subject: Part::drawn(random, template, family, subject),
            clauses: parts(random, template, family, groups, count),
        }
    }

    fn line(&self, turn: usize) -> String {
        let clauses = joined(self.clauses.iter().map(|clause| clause.words(turn)));
        let statement = (self.statement)(self.own.line(turn), &self.subject.words(turn), &clauses);
        statement.trim_end().to_owned()
    }
}

pub fn text(random: &mut Random) -> String {
    let count = one(random, &[1, 1, 2, 3, 4]);
    let defaults = one(random, DEFAULTS);
    let (head, end) = if random.one_in(5) { one(random, FRAMES) } else { ("", "") };
    let templates: Vec<Template> = (0..count)
        .map(|at| {
            let kind = if head.is_empty() { one(random, STATEMENTS) } else { FRAMED };
            Template::drawn(random, at, kind)
        })
        .collect();
    let statements = lines(random, &templates, SIZE, Template::line);
    format!("{DEFINITIONS}{defaults}{head}{statements}{end}")
}

const SUBJECTS: &[Words] = &[
    |line| format!("tcp {}", line.port()),
    |line| format!("tcp {}", line.ports()),
    |line| format!("udp {}", line.port()),
    |line| format!("tcp {} sport {}", line.port(), line.ports()),
    |_| "ssh, http, https".into(),
    |_| "shop".into(),
    |_| "any".into(),
    |line| format!("proto {}", line.number % 40 + 100),
    |line| format!("tcp {0}, udp {0}", line.port()),
    |line| format!("wireguard({})", line.port()),
    |line| match line.family {
        Family::V4 => "icmp echo-request".into(),
        Family::V6 => "icmpv6 packet-too-big".into(),
    },
    |line| match line.family {
        Family::V4 => format!("icmp 3/{}", line.number % 16),
        Family::V6 => format!("icmpv6 {}", line.number % 255),
    },
];

const SOURCES: &[Words] = &[
    |line| format!("from {}", line.host()),
    |line| format!("from {}", line.net()),
    |line| format!("from any except {}", line.host()),
    |line| format!("from {}", line.wide()),
    |line| format!("from {}", line.addresses()),
    |line| format!("from {} except {}", line.net(), line.host()),
    |line| format!("from staff, {}", line.host()),
    |line| format!("from any except few, {}", line.host()),
    |_| "from sites".into(),
    |_| "from private".into(),
    |_| "from banned".into(),
    |_| "from any except banned".into(),
];

const INTERFACES: &[Words] =
    &[|line| format!("in e{}", line.number), |line| format!("in \"e{}+\"", line.number)];

const STATES: &[Words] = &[|line| {
    let states = ["new", "established", "related", "invalid", "untracked"];
    format!("state {}", states[line.number % states.len()])
}];

const MARKS: &[Words] =
    &[|line| format!("mark {}", line.number), |line| format!("mark {}", line.masked())];

const LENGTHS: &[Words] = &[|line| format!("length {}", line.ports())];

const HOPS: &[Words] = &[|line| format!("ttl {}", line.number % 255 + 1)];

const CLASSES: &[Words] = &[|line| format!("dscp {}", line.number % 64)];

const HARDWARE: &[Words] = &[|line| format!("mac {}", line.hardware())];

const TIMES: &[Words] = &[
    |line| format!("during {}-23:59", line.clock()),
    |line| format!("during {}-23:59 mon-fri local", line.clock()),
];

const LIMITS: &[Words] = &[
    |line| format!("limit {}/minute", line.number % 59 + 1),
    |line| format!("limit {}/minute per source", line.number % 59 + 1),
];

const CONNECTIONS: &[Words] = &[|line| format!("connections {} per source", line.number)];

const LOGS: &[Words] = &[|line| format!("log \"l{} \"", line.number), |_| "log".into()];

const COMMENTS: &[Words] =
    &[|line| format!("comment \"c{}\"", line.number), |_| "until 2099-12-31".into()];

const ACCOUNTS: &[Words] =
    &[|line| format!("user {}", line.number), |line| format!("group {}", line.number)];

/// Of rules of the filter about what comes in.
const ALL: &[&[Words]] = &[
    SOURCES,
    INTERFACES,
    STATES,
    MARKS,
    LENGTHS,
    HOPS,
    CLASSES,
    HARDWARE,
    TIMES,
    LIMITS,
    CONNECTIONS,
    LOGS,
    COMMENTS,
];

/// Without what logs.
const UNLOGGED: &[&[Words]] =
    &[SOURCES, INTERFACES, STATES, MARKS, LENGTHS, HOPS, HARDWARE, TIMES, LIMITS, COMMENTS];

/// Of what this machine sends.
const OUTGOING: &[&[Words]] = &[ACCOUNTS, STATES, MARKS, CLASSES, TIMES, LIMITS, LOGS, COMMENTS];

/// Of what goes on and counts nothing.
const PLAIN: &[&[Words]] = &[SOURCES, INTERFACES, STATES, MARKS, LENGTHS, HOPS, TIMES, COMMENTS];

/// Of translations, which say themselves from where.
const TRANSLATED: &[&[Words]] = &[MARKS, CLASSES, TIMES, COMMENTS];

const ENDS: &[&[Words]] = &[SOURCES, COMMENTS];

const FROM: &[&[Words]] = &[SOURCES];

const NONE: &[&[Words]] = &[];

/// What is frequent stands here more than once.
const STATEMENTS: &[&[Statement]] =
    &[RULES, RULES, RULES, TRANSLATIONS, CHANGES, PROMISES, NAMES, BLOCKS];

const DEFAULTS: &[&str] = &[
    "",
    "",
    "",
    "default drop output\n",
    "default allow input\n",
    "default reject log\n",
    "implicit none\n",
    "preserve docker, fail2ban\n",
];

/// What may be around all statements.
const FRAMES: &[(&str, &str)] = &[
    ("docker {\n", "}\n"),
    ("chain all {\n", "}\njump all from wan\njump all from wan to lan\n"),
    ("from lan {\n", "}\n"),
    ("from lan to wan {\n", "}\n"),
    ("limit 5/second {\n", "}\n"),
    ("in eth0 out eth1 {\n", "}\n"),
];

/// Rules that may stand in them.
const FRAMED: &[Statement] = &[
    (STATED, |line, _, clauses| format!("allow tcp {} {clauses}", line.ports())),
    (STATED, |line, _, clauses| format!("drop udp {} {clauses}", line.port())),
    (STATED, |line, _, clauses| format!("reject tcp {} {clauses}", line.ports())),
    (STATED, |line, _, clauses| format!("allow ssh, shop from {} {clauses}", line.host())),
    (STATED, |line, _, clauses| format!("drop https from {} {clauses}", line.net())),
];

/// What is frequent stands here more than once, too.
const RULES: &[Statement] = &[
    (ALL, |_, subject, clauses| format!("allow {subject} {clauses}")),
    (ALL, |_, subject, clauses| format!("allow {subject} {clauses}")),
    (ALL, |_, subject, clauses| format!("allow {subject} {clauses}")),
    (ALL, |_, subject, clauses| format!("drop {subject} {clauses}")),
    (ALL, |_, subject, clauses| format!("drop {subject} to self, any {clauses}")),
    (ALL, |_, subject, clauses| format!("reject {subject} {clauses}")),
    (ALL, |_, subject, clauses| format!("allow {subject} to any {clauses}")),
    (ALL, |line, subject, clauses| format!("allow {subject} to {}@wan {clauses}", line.host())),
    (ALL, |line, _, clauses| format!("reject tcp {} with tcp-reset {clauses}", line.ports())),
    (ALL, |_, _, clauses| format!("drop tcp any flags syn, fin / syn, fin {clauses}")),
    (UNLOGGED, |line, subject, clauses| format!("log \"x{} \" {subject} {clauses}", line.number)),
    (ALL, |_, subject, clauses| format!("jump guard {subject} {clauses}")),
    (ALL, |_, subject, clauses| format!("jump tcp-sanity {subject} {clauses}")),
    (UNLOGGED, |_, subject, clauses| format!("add source to banned {subject} {clauses}")),
    (OUTGOING, |_, subject, clauses| format!("allow {subject} out {clauses}")),
    (OUTGOING, |line, subject, clauses| {
        format!("drop {subject} from self to {} {clauses}", line.host())
    }),
];

const TRANSLATIONS: &[Statement] = &[
    (TRANSLATED, |line, subject, clauses| {
        format!("forward {subject} from wan to {}@lan {clauses}", line.host())
    }),
    (TRANSLATED, |line, _, clauses| {
        format!("forward tcp {} from wan to {} {clauses}", line.port(), line.host())
    }),
    (TRANSLATED, |line, _, clauses| {
        let (port, asked, target) = (line.port(), line.host_of(2), line.socket(8_443));
        format!("forward tcp {port} at {asked} from wan to {target}@lan hairpin lan {clauses}")
    }),
    (TRANSLATED, |line, subject, clauses| {
        let (asked, target) = (line.host(), line.host_of(2));
        format!("forward {subject} at {asked} from wan to {target}@lan {clauses}")
    }),
    (ENDS, |line, _, clauses| format!("redirect tcp {} {clauses} to :3128", line.port())),
    (ENDS, |line, _, clauses| format!("redirect tcp {} at any {clauses} to :3128", line.port())),
    (NONE, |line, _, _| format!("masquerade e{} out", line.number)),
    (ENDS, |_, subject, clauses| format!("masquerade {subject} {clauses} to wan")),
    (ENDS, |line, _, clauses| format!("snat {clauses} to wan as {}", line.host())),
    (ENDS, |line, _, clauses| format!("nonat {clauses} to {}@lan", line.host())),
    (NONE, |line, _, _| format!("netmap {} to {} on wan", line.net(), line.net())),
];

const CHANGES: &[Statement] = &[
    (PLAIN, |line, subject, clauses| format!("mark {} {subject} {clauses}", line.number)),
    (PLAIN, |line, subject, clauses| format!("mark {} {subject} {clauses}", line.masked())),
    (PLAIN, |line, subject, clauses| format!("mark {} sticky {subject} {clauses}", line.number)),
    (PLAIN, |line, subject, clauses| format!("dscp {} {subject} {clauses}", line.number % 64)),
    (PLAIN, |line, _, clauses| {
        format!("clamp mss {} tcp {} to any {clauses}", line.number % 1_000 + 500, line.port())
    }),
    (ENDS, |_, subject, clauses| format!("notrack {subject} {clauses}")),
    (ENDS, |line, subject, clauses| format!("notrack {subject} to {}@lan {clauses}", line.host())),
];

const PROMISES: &[Statement] = &[
    (NONE, |line, _, _| {
        let (port, host) = (line.port(), line.host());
        format!("allow tcp {port} from {host}\nassert allow tcp {port} from {host} to self")
    }),
    (NONE, |line, _, _| format!("assert drop tcp {} from {} to self", line.port(), line.host())),
    (FROM, |_, subject, clauses| format!("assert drop {subject} {clauses}")),
    (FROM, |line, subject, clauses| {
        format!("assert drop {subject} to {}@lan {clauses}", line.host())
    }),
    (FROM, |_, subject, clauses| format!("allow {subject}\nassert allow {subject} {clauses}")),
    (FROM, |_, subject, clauses| format!("allow {subject}\nprotect {subject} {clauses}")),
    (NONE, |line, _, _| {
        let (id, source, port) = (line.id, line.socket(4_000), line.port());
        format!("test \"t{id}\" {{\n  tcp {source} -> self:{port} in eth0 => allow\n}}")
    }),
];

/// What is named, and used.
const NAMES: &[Statement] = &[
    (UNLOGGED, |line, subject, clauses| {
        let (id, net) = (line.id, line.net());
        format!("zone z{id} = z{id} {{ {net} }}\nallow {subject} to z{id} {clauses}")
    }),
    (NONE, |line, subject, _| {
        let (id, net) = (line.id, line.net());
        format!("zone z{id} = z{id} {{ {net} }}\nallow {subject} from z{id}")
    }),
    (NONE, |line, subject, _| {
        let (id, host, next) = (line.id, line.host(), line.host_of(line.number + 1));
        format!("let n{id} = {host}, {next}\nallow {subject} from n{id}")
    }),
    (NONE, |line, subject, _| {
        let (id, host) = (line.id, line.host());
        format!("set s{id} = {host}, {}\nallow {subject} from s{id}", line.addresses())
    }),
    (NONE, |line, subject, _| {
        let id = line.id;
        format!("set d{id} dynamic\nadd source to d{id} {subject}\ndrop any from d{id}")
    }),
    (ALL, |line, _, clauses| {
        let (id, ports) = (line.id, line.ports());
        format!("service v{id} = tcp {ports}, udp {ports}\nallow v{id} {clauses}")
    }),
    (ALL, |line, subject, clauses| {
        let (id, host) = (line.id, line.host());
        format!("chain c{id} {{ return any from {host}; allow {subject} {clauses} }}\njump c{id}")
    }),
    (NONE, |line, _, _| format!("serve((tcp {}), {})", line.ports(), line.host())),
    (NONE, |_, _, _| "drop_bogons(wan)".into()),
    (NONE, |line, _, _| format!("anti_spoofing(lan, ({}))", line.net())),
];

const BLOCKS: &[Statement] = &[
    (STATED, |line, subject, clauses| {
        format!("from {} {{ allow {subject} {clauses}; drop any }}", line.net())
    }),
    (STATED, |line, subject, clauses| {
        format!("from {} to wan {{ allow {subject} {clauses}; reject any }}", line.host())
    }),
    (ENDS, |line, subject, clauses| {
        format!("limit {}/minute {{ allow {subject} {clauses}; allow ssh }}", line.number % 59 + 1)
    }),
    (ENDS, |line, subject, clauses| {
        format!("forward {{ allow {subject} {clauses} to {} }}", line.host())
    }),
    (STATED, |line, subject, clauses| {
        format!("from lan {{ from {} {{ allow {subject} {clauses} }} }}", line.host())
    }),
    (NONE, |line, _, _| format!("preserve \"P{}*\"", line.id)),
    (NONE, |line, _, _| {
        format!("raw {} filter INPUT \"-s {} -j DROP\"", line.version(), line.host())
    }),
    (NONE, |line, _, _| {
        let (version, number) = (line.version(), line.number);
        format!("raw {version} filter FORWARD \"-m string --string x{number} --algo bm -j ACCEPT\"")
    }),
];

/// Of rules where blocks say from where.
const STATED: &[&[Words]] = &[STATES, MARKS, LENGTHS, HOPS, TIMES, LIMITS, LOGS, COMMENTS];

impl Line {
    /// Its range, as policies write ranges.
    fn ports(self) -> String {
        format!("{}-{}", self.low, self.high)
    }

    fn version(self) -> &'static str {
        match self.family {
            Family::V4 => "v4",
            Family::V6 => "v6",
        }
    }
}
