//! The options of each match and target: their names, how many words follow, and who reads them.
//!
//! Without these lists a word could not be told from the value of the word before it.

use crate::net::Protocol;

use super::asked::Demand::{self, If, Number, Of, Often, One, Only, Plain, With};
use super::line::Fault;
use super::rule::{Context, Use};
use super::{connection, counts, packet, target, transport};
use crate::ruleset::Target;

/// What follows an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arity {
    None,
    /// One word, before which the tools up to 1.4 allow a `!`.
    One,
    /// One word, whatever it is.
    Text,
    Two,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Opt {
    /// Without its `--`.
    pub name: &'static str,
    pub arity: Arity,
}

/// Who says what a match means: pushes what the model can say, `false` where it cannot say all.
pub(super) type MatchReader = fn(&Use<'_, '_>, &mut Context<'_>) -> Result<bool, Fault>;

/// Who says what a target does; `None` where the model has no word for it.
pub(super) type TargetReader = fn(&Use<'_, '_>, &mut Context<'_>) -> Result<Option<Target>, Fault>;

/// A match of the kernel.
#[derive(Debug)]
pub(super) struct MatchSpec {
    pub name: &'static str,
    pub options: &'static [Opt],
    pub demands: &'static [Demand],
    pub read: MatchReader,
    /// Whether it is the same at every look at one packet.
    pub fixed: bool,
}

/// A target of the kernel.
#[derive(Debug)]
pub(super) struct TargetSpec {
    pub name: &'static str,
    pub options: &'static [Opt],
    pub demands: &'static [Demand],
    pub read: TargetReader,
}

/// Whether a match or target has an option of this name.
pub(super) fn is_option(name: &str) -> bool {
    let of_matches = MATCHES.iter().flat_map(|spec| spec.options);
    of_matches.chain(TARGETS.iter().flat_map(|spec| spec.options)).any(|one| one.name == name)
}

/// The match of a name.
pub(super) fn match_named(name: &str) -> Option<&'static MatchSpec> {
    MATCHES.iter().find(|spec| spec.name == name)
}

/// The match that the tools load by themselves for the options of a protocol.
pub(super) fn match_of(protocol: Protocol) -> Option<&'static MatchSpec> {
    const DCCP: u8 = 33;
    const ESP: u8 = 50;
    const AH: u8 = 51;
    const MOBILITY: u8 = 135;
    const UDPLITE: u8 = 136;
    let name = match protocol.number() {
        1 => "icmp",
        6 => "tcp",
        17 => "udp",
        58 => "icmp6",
        132 => "sctp",
        DCCP => "dccp",
        ESP => "esp",
        AH => "ah",
        MOBILITY => "mh",
        UDPLITE => "udplite",
        _ => return None,
    };
    match_named(name)
}

pub(super) fn target_named(name: &str) -> Option<&'static TargetSpec> {
    TARGETS.iter().find(|spec| spec.name == name)
}

/// The options of each kind by their names.
macro_rules! options {
    ($($arity:ident: $($name:literal)*;)*) => {
        &[$($(Opt { name: $name, arity: Arity::$arity },)*)*]
    };
}

/// A row: `"name" reader fixed|changes { options } [demands]`.
macro_rules! matches {
    (@fixed fixed) => { true };
    (@fixed changes) => { false };
    ($(
        $name:literal $read:path, $fixed:ident, { $($options:tt)* } $([$($demand:expr),* $(,)?])?
    )*) => {
        &[$(MatchSpec {
            name: $name,
            options: options!($($options)*),
            demands: &[$($($demand),*)?],
            read: $read,
            fixed: matches!(@fixed $fixed),
        }),*]
    };
}

/// A row: `"NAME" reader { options } [demands]`.
macro_rules! targets {
    ($($name:literal $read:path, { $($options:tt)* } $([$($demand:expr),* $(,)?])?)*) => {
        &[$(TargetSpec {
            name: $name,
            options: options!($($options)*),
            demands: &[$($($demand),*)?],
            read: $read,
        }),*]
    };
}

/// A match that the model knows by its words only.
#[allow(clippy::unnecessary_wraps)] // Whoever reads a match has this type.
fn opaque(_: &Use<'_, '_>, _: &mut Context<'_>) -> Result<bool, Fault> {
    Ok(false)
}

/// The same port, by two names of its option.
const DPORT: &[&str] = &["dport", "destination-port"];
const SPORT: &[&str] = &["sport", "source-port"];

/// What CONNMARK can do, once.
const CONNMARKS: &[&str] =
    &["set-xmark", "set-mark", "and-mark", "or-mark", "xor-mark", "save-mark", "restore-mark"];

/// The common ones first: they are looked for in this order.
static MATCHES: &[MatchSpec] = matches! {
    "tcp" transport::tcp, fixed, {
        One: "dport" "sport" "destination-port" "source-port" "tcp-option";
        Two: "tcp-flags";
        None: "syn";
    } [
        Only(DPORT),
        Only(SPORT),
        Only(&["syn", "tcp-flags"]),
        Number(&["tcp-option"], 1..=255, "a number from 1 to 255"),
    ]
    "udp" transport::udp, fixed, { One: "dport" "sport" "destination-port" "source-port"; } [
        Only(DPORT),
        Only(SPORT),
    ]
    "comment" packet::comment, fixed, { Text: "comment"; } [Plain(&["comment"])]
    "conntrack" connection::conntrack, fixed, {
        One: "ctstate" "ctproto" "ctorigsrc" "ctorigdst" "ctreplsrc" "ctrepldst" "ctorigsrcport"
            "ctorigdstport" "ctreplsrcport" "ctrepldstport" "ctstatus" "ctexpire" "ctdir";
    } [Plain(&["ctdir"])]
    "state" connection::state, fixed, { One: "state"; }
    "set" packet::set, fixed, {
        Two: "match-set" "set";
        None: "return-nomatch" "update-counters" "update-subcounters";
        One: "packets-eq" "packets-lt" "packets-gt" "bytes-eq" "bytes-lt" "bytes-gt";
    } [
        One(&["match-set", "set"]),
        Only(&["match-set", "set"]),
        Often(&["return-nomatch", "update-counters", "update-subcounters"]),
        Only(&["packets-eq", "packets-lt", "packets-gt"]),
        Only(&["bytes-eq", "bytes-lt", "bytes-gt"]),
    ]
    "multiport" transport::multiport, fixed, {
        One: "dports" "sports" "ports" "destination-ports" "source-ports";
    } [Only(&["dports", "sports", "ports", "destination-ports", "source-ports"])]
    "limit" counts::limit, changes, { One: "limit" "limit-burst"; } [
        Plain(&["limit", "limit-burst"]),
    ]
    "icmp" transport::icmp, fixed, { One: "icmp-type"; }
    "icmp6" transport::icmp, fixed, { One: "icmpv6-type"; }
    "icmpv6" transport::icmp, fixed, { One: "icmpv6-type"; }
    "iprange" packet::iprange, fixed, { One: "src-range" "dst-range"; }
    "addrtype" packet::addrtype, fixed, {
        One: "src-type" "dst-type";
        None: "limit-iface-in" "limit-iface-out";
    } [One(&["src-type", "dst-type"]), Only(&["limit-iface-in", "limit-iface-out"])]
    "mark" packet::mark, fixed, { One: "mark"; }
    "connmark" connection::connmark, fixed, { One: "mark"; }
    "mac" packet::mac, fixed, { One: "mac-source"; }
    "hashlimit" counts::hashlimit, changes, {
        One: "hashlimit" "hashlimit-upto" "hashlimit-above" "hashlimit-burst" "hashlimit-mode"
            "hashlimit-srcmask" "hashlimit-dstmask" "hashlimit-htable-size" "hashlimit-htable-max"
            "hashlimit-htable-gcinterval" "hashlimit-htable-expire" "hashlimit-rate-interval";
        Text: "hashlimit-name";
        None: "hashlimit-rate-match";
    } [
        One(&["hashlimit", "hashlimit-upto", "hashlimit-above"]),
        Only(&["hashlimit", "hashlimit-upto", "hashlimit-above"]),
        One(&["hashlimit-name"]),
        Plain(&["hashlimit-name", "hashlimit-burst", "hashlimit-mode"]),
    ]
    "connlimit" counts::connlimit, changes, {
        One: "connlimit-upto" "connlimit-above" "connlimit-mask";
        None: "connlimit-saddr" "connlimit-daddr";
    } [
        One(&["connlimit-upto", "connlimit-above"]),
        Only(&["connlimit-upto", "connlimit-above"]),
        Only(&["connlimit-saddr", "connlimit-daddr"]),
    ]
    "recent" opaque, changes, {
        None: "set" "rcheck" "update" "remove" "reap" "rttl" "rsource" "rdest";
        One: "seconds" "hitcount" "mask";
        Text: "name";
    } [
        One(&["set", "rcheck", "update", "remove"]),
        Only(&["set", "rcheck", "update", "remove"]),
        With("seconds", &["rcheck", "update"]),
        With("hitcount", &["rcheck", "update"]),
        With("rttl", &["rcheck", "update"]),
        With("reap", &["seconds"]),
        Plain(&["seconds", "hitcount", "name"]),
    ]
    "owner" packet::owner, fixed, {
        One: "uid-owner" "gid-owner" "pid-owner" "sid-owner";
        Text: "cmd-owner";
        None: "socket-exists" "suppl-groups";
    } [With("suppl-groups", &["gid-owner"])]
    "length" packet::length, fixed, { One: "length"; }
    "ttl" packet::ttl, fixed, { One: "ttl-eq" "ttl-lt" "ttl-gt" "ttl"; } [
        Only(&["ttl-eq", "ttl", "ttl-lt", "ttl-gt"]),
        Plain(&["ttl-lt", "ttl-gt"]),
    ]
    "hl" packet::ttl, fixed, { One: "hl-eq" "hl-lt" "hl-gt"; } [
        Only(&["hl-eq", "hl-lt", "hl-gt"]),
        Plain(&["hl-lt", "hl-gt"]),
    ]
    "dscp" packet::dscp, fixed, { One: "dscp" "dscp-class"; } [Only(&["dscp", "dscp-class"])]
    "time" packet::time, fixed, {
        One: "datestart" "datestop" "timestart" "timestop" "monthdays" "weekdays";
        None: "utc" "localtz" "kerneltz" "contiguous";
    } [Only(&["utc", "kerneltz"]), Plain(&["timestart", "timestop", "datestart", "datestop"])]
    "policy" packet::policy, fixed, {
        One: "dir" "pol" "reqid" "spi" "proto" "mode" "tunnel-src" "tunnel-dst";
        None: "strict" "next";
    } [
        One(&["dir"]),
        With("next", &["strict"]),
        With("tunnel-src", &["mode"]),
        With("tunnel-dst", &["mode"]),
        Plain(&["dir", "pol"]),
        Often(&["reqid", "spi", "proto", "mode", "tunnel-src", "tunnel-dst", "next"]),
    ]
    "sctp" transport::sctp, fixed, {
        One: "dport" "sport" "destination-port" "source-port";
        Two: "chunk-types";
    } [Only(DPORT), Only(SPORT)]
    "ah" opaque, fixed, {
        One: "ahspi" "ahlen";
        None: "ahres";
    }
    "bpf" opaque, fixed, { Text: "bytecode" "object-pinned"; }
    "cgroup" opaque, fixed, {
        One: "cgroup";
        Text: "path";
    }
    "cluster" opaque, fixed, {
        One: "cluster-total-nodes" "cluster-local-node" "cluster-local-nodemask"
            "cluster-hash-seed";
    } [
        One(&["cluster-total-nodes"]),
        One(&["cluster-local-node", "cluster-local-nodemask"]),
        One(&["cluster-hash-seed"]),
    ]
    "connbytes" opaque, changes, { One: "connbytes" "connbytes-dir" "connbytes-mode"; } [
        One(&["connbytes"]),
        One(&["connbytes-dir"]),
        One(&["connbytes-mode"]),
    ]
    "connlabel" opaque, changes, {
        Text: "label";
        None: "set";
    }
    "cpu" opaque, changes, { One: "cpu"; }
    "dccp" opaque, fixed, {
        One: "dport" "sport" "destination-port" "source-port" "dccp-types" "dccp-option";
    }
    "devgroup" opaque, fixed, { One: "src-group" "dst-group"; }
    "dst" opaque, fixed, { One: "dst-len" "dst-opts"; }
    "ecn" opaque, fixed, {
        None: "ecn-tcp-cwr" "ecn-tcp-ece";
        One: "ecn-ip-ect";
    } [Of(&["ecn-tcp-cwr", "ecn-tcp-ece"], Protocol::TCP, "`-p tcp`")]
    "esp" opaque, fixed, { One: "espspi"; }
    "eui64" opaque, fixed, {}
    "frag" opaque, fixed, {
        One: "fragid" "fraglen";
        None: "fragres" "fragfirst" "fragmore" "fraglast";
    } [Only(&["fragmore", "fraglast"])]
    "geoip" opaque, fixed, { One: "source-country" "src-cc" "destination-country" "dst-cc"; }
    "hbh" opaque, fixed, { One: "hbh-len" "hbh-opts"; }
    "helper" opaque, fixed, { Text: "helper"; }
    "ipcomp" opaque, fixed, {
        One: "ipcompspi";
        None: "compres";
    }
    "ipv6header" opaque, fixed, {
        One: "header";
        None: "soft";
    } [One(&["header"])]
    "ipvs" opaque, fixed, {
        None: "ipvs";
        One: "vproto" "vaddr" "vport" "vdir" "vmethod" "vportctl";
    }
    "mh" opaque, fixed, { One: "mh-type"; }
    "nfacct" opaque, changes, { Text: "nfacct-name"; }
    "osf" opaque, fixed, { One: "genre" "ttl" "log"; } [One(&["genre"])]
    "physdev" opaque, fixed, {
        One: "physdev-in" "physdev-out";
        None: "physdev-is-in" "physdev-is-out" "physdev-is-bridged";
    }
    "pkttype" opaque, fixed, { One: "pkt-type"; }
    "quota" opaque, changes, { One: "quota"; }
    "rateest" opaque, changes, {
        Text: "rateest" "rateest1" "rateest2";
        One: "rateest-bps" "rateest-pps" "rateest-bps1" "rateest-pps1" "rateest-bps2"
            "rateest-pps2";
        None: "rateest-delta" "rateest-lt" "rateest-gt" "rateest-eq";
    }
    "realm" opaque, fixed, { One: "realm"; }
    "rpfilter" opaque, fixed, { None: "loose" "validmark" "accept-local" "invert"; }
    "rt" opaque, fixed, {
        One: "rt-type" "rt-segsleft" "rt-len" "rt-0-addrs";
        None: "rt-0-res" "rt-0-not-strict";
    } [
        With("rt-0-res", &["rt-type"]),
        With("rt-0-addrs", &["rt-type"]),
        With("rt-0-not-strict", &["rt-0-addrs"]),
    ]
    "socket" opaque, fixed, { None: "transparent" "nowildcard" "restore-skmark"; }
    "srh" opaque, fixed, {
        One: "srh-next-hdr" "srh-hdr-len-eq" "srh-hdr-len-gt" "srh-hdr-len-lt" "srh-segs-left-eq"
            "srh-segs-left-gt" "srh-segs-left-lt" "srh-last-entry-eq" "srh-last-entry-gt"
            "srh-last-entry-lt" "srh-tag" "srh-psid" "srh-nsid" "srh-lsid";
    }
    "statistic" opaque, changes, { One: "mode" "probability" "every" "packet"; } [
        One(&["mode"]),
        Only(&["probability", "every"]),
        With("every", &["packet"]),
        With("packet", &["every"]),
        If("mode", "random", &["probability"]),
        If("mode", "nth", &["every"]),
    ]
    "string" opaque, fixed, {
        One: "from" "to" "algo";
        Text: "string" "hex-string";
        None: "icase";
    } [One(&["algo"]), One(&["string", "hex-string"]), Only(&["string", "hex-string"])]
    "tcpmss" opaque, fixed, { One: "mss"; }
    "tos" opaque, fixed, { One: "tos"; }
    "u32" opaque, fixed, { Text: "u32"; }
    "udplite" opaque, fixed, { One: "dport" "sport" "destination-port" "source-port"; }
};

static TARGETS: &[TargetSpec] = targets! {
    "REJECT" target::reject, { One: "reject-with"; }
    "LOG" target::log, {
        One: "log-level";
        Text: "log-prefix";
        None: "log-tcp-sequence" "log-tcp-options" "log-ip-options" "log-uid" "log-macdecode";
    }
    "MARK" target::mark, { One: "set-xmark" "set-mark" "and-mark" "or-mark" "xor-mark"; } [
        One(&["set-xmark", "set-mark", "and-mark", "or-mark", "xor-mark"]),
        Only(&["set-xmark", "set-mark", "and-mark", "or-mark", "xor-mark"]),
    ]
    "CONNMARK" target::connmark, {
        One: "set-xmark" "set-mark" "and-mark" "or-mark" "xor-mark" "nfmask" "ctmask" "mask"
            "left-shift-mark" "right-shift-mark";
        None: "save-mark" "restore-mark";
    } [One(CONNMARKS), Only(CONNMARKS), Only(&["nfmask", "mask"]), Only(&["ctmask", "mask"])]
    "MASQUERADE" target::masquerade, {
        One: "to-ports";
        None: "random" "random-fully";
    }
    "SNAT" target::snat, {
        One: "to-source";
        None: "random" "random-fully" "persistent";
    } [One(&["to-source"])]
    "DNAT" target::dnat, {
        One: "to-destination";
        None: "random" "persistent";
    } [One(&["to-destination"])]
    "REDIRECT" target::redirect, {
        One: "to-ports";
        None: "random";
    }
    "NETMAP" target::netmap, { One: "to"; } [One(&["to"])]
    "SET" target::set, {
        Two: "add-set" "del-set" "map-set";
        One: "timeout";
        None: "exist" "map-mark" "map-prio" "map-queue";
    } [
        One(&["add-set", "del-set", "map-set"]),
        With("exist", &["add-set"]),
        With("timeout", &["add-set"]),
        With("map-set", &["map-mark", "map-prio", "map-queue"]),
        Often(&["exist", "timeout"]),
    ]
    "CT" target::ct, {
        None: "notrack";
        Text: "helper" "timeout";
        One: "ctevents" "expevents" "zone" "zone-orig" "zone-reply";
    }
    "NOTRACK" target::notrack, {}
    "DSCP" target::dscp, { One: "set-dscp" "set-dscp-class"; } [
        One(&["set-dscp", "set-dscp-class"]),
        Only(&["set-dscp", "set-dscp-class"]),
    ]
    "TCPMSS" target::tcpmss, {
        One: "set-mss";
        None: "clamp-mss-to-pmtu";
    } [
        One(&["set-mss", "clamp-mss-to-pmtu"]),
        Number(&["set-mss"], 0..=65_515, "a size in bytes, at most 65515"),
    ]
    "AUDIT" target::opaque, { One: "type"; } [One(&["type"])]
    "CHECKSUM" target::opaque, { None: "checksum-fill"; } [One(&["checksum-fill"])]
    "CLASSIFY" target::opaque, { One: "set-class"; } [One(&["set-class"])]
    "CLUSTERIP" target::opaque, {
        None: "new";
        One: "hashmode" "clustermac" "total-nodes" "local-node" "hash-init";
    }
    "CONNSECMARK" target::opaque, { None: "save" "restore"; } [One(&["save", "restore"])]
    "DNPT" target::opaque, { One: "src-pfx" "dst-pfx"; } [One(&["src-pfx"]), One(&["dst-pfx"])]
    "ECN" target::opaque, {
        None: "ecn-tcp-remove";
        One: "ecn-tcp-cwr" "ecn-tcp-ece" "ecn-ip-ect";
    } [
        One(&["ecn-tcp-remove", "ecn-tcp-cwr", "ecn-tcp-ece", "ecn-ip-ect"]),
        Of(&["ecn-tcp-remove", "ecn-tcp-cwr", "ecn-tcp-ece"], Protocol::TCP, "`-p tcp`"),
    ]
    "HL" target::opaque, { One: "hl-set" "hl-dec" "hl-inc"; } [
        One(&["hl-set", "hl-dec", "hl-inc"]),
        Only(&["hl-set", "hl-dec", "hl-inc"]),
        Number(&["hl-set"], 0..=255, "a number up to 255"),
        Number(&["hl-dec", "hl-inc"], 1..=255, "a number from 1 to 255"),
    ]
    "HMARK" target::opaque, {
        One: "hmark-tuple" "hmark-mod" "hmark-offset" "hmark-src-prefix" "hmark-dst-prefix"
            "hmark-sport-mask" "hmark-dport-mask" "hmark-spi-mask" "hmark-sport" "hmark-dport"
            "hmark-spi" "hmark-proto-mask" "hmark-rnd";
    }
    "IDLETIMER" target::opaque, {
        One: "timeout";
        Text: "label";
        None: "alarm";
    } [One(&["timeout"]), One(&["label"])]
    "LED" target::opaque, {
        Text: "led-trigger-id";
        One: "led-delay";
        None: "led-always-blink";
    }
    "NFLOG" target::opaque, {
        One: "nflog-group" "nflog-range" "nflog-size" "nflog-threshold";
        Text: "nflog-prefix";
    } [Number(&["nflog-group", "nflog-threshold"], 0..=65_535, "a number up to 65535")]
    "NFQUEUE" target::opaque, {
        One: "queue-num" "queue-balance";
        None: "queue-bypass" "queue-cpu-fanout";
    } [
        Only(&["queue-num", "queue-balance"]),
        With("queue-cpu-fanout", &["queue-balance"]),
        Number(&["queue-num"], 0..=65_535, "a number up to 65535"),
    ]
    "RATEEST" target::opaque, {
        Text: "rateest-name";
        One: "rateest-interval" "rateest-ewmalog";
    }
    "SECMARK" target::opaque, { Text: "selctx"; }
    "SNPT" target::opaque, { One: "src-pfx" "dst-pfx"; } [One(&["src-pfx"]), One(&["dst-pfx"])]
    "SYNPROXY" target::opaque, {
        One: "wscale" "mss";
        None: "sack-perm" "timestamp" "ecn";
    }
    "TCPOPTSTRIP" target::opaque, { One: "strip-options"; }
    "TEE" target::opaque, {
        One: "gateway";
        Text: "oif";
    } [One(&["gateway"])]
    "TOS" target::opaque, { One: "set-tos" "and-tos" "or-tos" "xor-tos"; } [
        One(&["set-tos", "and-tos", "or-tos", "xor-tos"]),
        Only(&["set-tos", "and-tos", "or-tos", "xor-tos"]),
    ]
    "TPROXY" target::opaque, { One: "on-port" "on-ip" "tproxy-mark"; } [One(&["on-port"])]
    "TRACE" target::opaque, {}
    "TTL" target::opaque, { One: "ttl-set" "ttl-dec" "ttl-inc"; } [
        One(&["ttl-set", "ttl-dec", "ttl-inc"]),
        Only(&["ttl-set", "ttl-dec", "ttl-inc"]),
        Number(&["ttl-set"], 0..=255, "a number up to 255"),
        Number(&["ttl-dec", "ttl-inc"], 1..=255, "a number from 1 to 255"),
    ]
    "ULOG" target::opaque, {
        One: "ulog-nlgroup" "ulog-cprange" "ulog-qthreshold";
        Text: "ulog-prefix";
    }
};
