//! Words that other tools use, and what each word of the language wants behind it.

use super::super::token::Token;

/// What to write for a verb of another tool.
pub fn foreign_verb(word: &str) -> Option<&'static str> {
    Some(match word.to_ascii_lowercase().as_str() {
        "accept" | "permit" | "pass" | "open" | "enable" => "allow",
        "deny" | "block" | "discard" | "blackhole" => "drop",
        "refuse" => "reject",
        "nat" | "masq" => "masquerade",
        "dnat" | "portforward" | "rdr" => "forward",
        "policy" => "default",
        "call" => "jump",
        "function" | "macro" | "template" => "def",
        "define" | "variable" | "var" | "alias" | "host" | "network" | "group" => "let",
        "interface" | "iface" => "zone",
        "ipset" => "set",
        "import" | "source" => "include",
        "verify" | "ensure" => "assert",
        _ => return None,
    })
}

/// How names are defined.
pub const DEFINITIONS: &str = "to define a name, begin with what it is: `zone lan = eth1`, \
     `let admins = 10.0.0.1`, `service shop = tcp 8080`";

/// What to write for a clause of another tool.
pub fn foreign_clause(word: &str) -> Option<&'static str> {
    Some(match word.to_ascii_lowercase().as_str() {
        "src" | "source" | "saddr" => "write `from` and the addresses",
        "dst" | "dest" | "destination" | "daddr" => "write `to` and the addresses",
        "iif" | "iifname" | "iface" | "interface" | "input" | "inbound" | "incoming" => {
            "write `in` and the interface"
        }
        "oif" | "oifname" | "output" | "outbound" | "outgoing" => {
            "write `out`, and the interface if any"
        }
        "port" | "ports" | "dport" | "dports" => {
            "a port stands behind its protocol, before the clauses: `allow tcp 22 from lan`"
        }
        "protocol" => "the protocol stands behind the verb: `allow tcp 22`",
        "ratelimit" | "rate" => "write `limit 5/minute`",
        "ct" | "ctstate" | "states" => "write `state new, established`",
        "level" => "a level stands behind `log` and its prefix: `log \"ssh \" level info`",
        "per" => "it belongs to a limit: `limit 5/minute per source`",
        "burst" => "a burst stands right behind its rate: `limit 5/minute burst 10 per source`",
        "when" | "time" => "write `during 09:00-17:30 mon-fri`",
        "note" | "remark" | "description" => "write `comment \"text\"`",
        "uid" => "write `user` and the name or number",
        "gid" => "write `group` and the name or number",
        "if" | "where" => "leave it out: clauses follow each other without a word",
        "unless" => "say `except` behind the list: `from any except 10.0.0.0/8`",
        "nolog" | "quiet" => "nothing is logged unless `log` is written: leave it out",
        "helper" | "alias" | "tags" => "it stands in a `service` definition only",
        _ => return None,
    })
}

/// What to write for a word that other tools have where a subject belongs.
#[must_use]
pub fn foreign_subject(word: &str) -> Option<&'static str> {
    Some(match word.to_ascii_lowercase().as_str() {
        "all" | "everything" | "anything" | "everyone" | "anywhere" => "write `any`",
        "port" | "ports" | "dport" | "dports" => {
            "a port stands behind its protocol, before the clauses: `allow tcp 22 from lan`"
        }
        "protocol" => "write `proto`: `proto gre`",
        "type" => "the type stands right behind the protocol: `icmp 8`, `icmp echo-request`",
        "input" | "incoming" => {
            "leave it out: without `to` a rule is about packets to this machine"
        }
        "output" | "outgoing" => "write `from self` for packets that this machine sends",
        _ => return None,
    })
}

/// Whether a word only says what kind of thing stands behind it, as other tools want it.
pub fn is_filler(word: &str) -> bool {
    let known = [
        "interface",
        "iface",
        "device",
        "dev",
        "net",
        "network",
        "subnet",
        "address",
        "host",
        "ip",
    ];
    let is_plural_of =
        |one: &str| word.strip_prefix(one).is_some_and(|rest| matches!(rest, "" | "s" | "es"));
    known.into_iter().any(is_plural_of)
}

/// What must follow a word, with an example; `None` for one that may stand last.
pub fn wanted_after(token: Token, text: &str) -> Option<(&'static str, &'static str)> {
    const ENDPOINTS: &str = "a zone, an address, a name, `self` or `any`";
    Some(match token {
        Token::From => (ENDPOINTS, "from lan, 10.0.0.0/8"),
        Token::To => (ENDPOINTS, "to self"),
        Token::ListClause(_) => match text {
            "as" => ("an address", "as 203.0.113.5"),
            "at" => ("an address", "at 203.0.113.7"),
            _ => ("a zone or `self`", "hairpin lan"),
        },
        Token::In => ("an interface or a zone", "in eth0"),
        Token::On => ("an interface or a zone", "on eth0"),
        Token::Sport => ("source ports", "sport 1024-65535"),
        Token::State => ("connection states", "state new, established"),
        Token::Flags => {
            ("flags that are set, `/`, and flags that are looked at", "flags syn / syn,ack")
        }
        Token::Limit => ("a rate", "limit 5/minute"),
        Token::Rate => ("a rate", "rate 5/minute"),
        Token::Burst => ("a number of packets", "burst 10"),
        Token::Connections => ("a number", "connections 20 per source"),
        Token::Per => ("what to count by", "per source"),
        Token::During => ("times or days", "during 09:00-17:30 mon-fri"),
        Token::Account(_) => ("a name or a number", "user postfix"),
        Token::Mac => ("a mac address", "mac 00:16:3e:00:00:01"),
        Token::ValueClause(_) => match text {
            "length" => ("a length or a range of lengths", "length 0-100"),
            "ttl" => ("a number", "ttl 1"),
            _ => ("a date", "until 2026-12-31"),
        },
        Token::NameClause(_) => match text {
            "via" => ("`ipsec`", "via ipsec"),
            "with" => ("how to answer", "with tcp-reset"),
            _ => ("`limits`", "within limits"),
        },
        Token::TextClause(_) => ("a text in double quotes", "comment \"why\""),
        Token::Expect => ("a finding and a reason", "expect open-to-world \"a honeypot\""),
        Token::Mark => ("a number", "mark 0x10/0xff"),
        Token::Dscp => ("a class or a number", "dscp ef"),
        Token::Level => ("a level", "level warning"),
        Token::Jump | Token::Goto => ("the name of a chain", "jump guard"),
        Token::Netmap => {
            ("a network, `to` and a network", "netmap 203.0.113.0/28 to 10.0.0.0/28 on wan")
        }
        Token::Clamp => ("`mss`", "clamp mss"),
        Token::Add => ("what to add, `to` and a set", "add source to banned for 10m"),
        Token::For => ("a duration", "for 10m"),
        Token::Except => (ENDPOINTS, "except 10.0.0.1"),
        Token::Proto => ("the name or number of a protocol", "proto gre"),
        Token::At => ("a zone or `self`", "192.0.2.10@dmz"),
        Token::Colon => ("a port", "10.0.0.2:8443"),
        Token::Slash => ("what stands behind the `/`", "flags syn / syn,ack"),
        Token::Include => ("a file in double quotes", "include \"conf.d/*.fw\""),
        Token::Use => ("a module", "use hardening"),
        Token::Zone => ("a name, `=` and interfaces", "zone lan = eth1 { 10.0.0.0/24 }"),
        Token::Let => ("a name, `=` and a list", "let admins = 203.0.113.0/24"),
        Token::Set => ("a name and what the set holds", "set blocklist from \"blocklist.netset\""),
        Token::Service => ("a name, `=` and ports", "service shop = tcp 8080"),
        Token::Def => ("a name, parameters and a body", "def publish(svc, host) { … }"),
        Token::Chain => ("a name and a body", "chain guard { … }"),
        Token::Default => ("`allow`, `drop` or `reject`", "default drop input, forward"),
        Token::Implicit => ("what is implied, or `none`", "implicit loopback, established"),
        Token::Assert => ("a rule", "assert allow ssh from admins"),
        Token::Test => ("a title and packets", "test \"title\" { … }"),
        Token::Preserve => ("what to leave alone", "preserve docker"),
        Token::Raw => ("family, table, chain and text", "raw v4 filter INPUT \"-j DROP\""),
        Token::Docker | Token::Input | Token::Output => ("a block", "input { allow ssh }"),
        Token::Helper => ("the name of a helper", "helper ftp"),
        Token::Alias => ("other names", "alias smtps"),
        Token::Tags => ("tags", "tags insecure"),
        Token::Timeout => ("a duration", "timeout 1h"),
        Token::Size => ("a number", "size 65536"),
        Token::Arrow => ("the destination", "10.0.0.5 -> self:22"),
        Token::Gives => ("a verdict", "=> allow"),
        Token::OpenBracket => ("an IPv6 address", "[2001:db8::1]:443"),
        Token::Equals => ("what the name stands for", "let admins = 203.0.113.0/24"),
        _ => return None,
    })
}
