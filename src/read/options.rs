//! The options of each match and target: their names, how many words follow, and who reads them.
//!
//! Without these lists a word could not be told from the value of the word before it.

use crate::net::Protocol;

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
    pub read: MatchReader,
    /// Whether it is the same at every look at one packet.
    pub fixed: bool,
}

/// A target of the kernel.
#[derive(Debug)]
pub(super) struct TargetSpec {
    pub name: &'static str,
    pub options: &'static [Opt],
    pub read: TargetReader,
}

/// Matches that may stand without any option. All others the tools refuse bare (tried with iptables
/// 1.8.9; of `cgroup` and `rateest` that is the kernel's word).
const ASK_ALONE: [&str; 21] = [
    "tcp", "udp", "sctp", "dccp", "udplite", "esp", "ah", "ipcomp", "mh", "rpfilter", "limit",
    "time", "socket", "dst", "eui64", "frag", "hbh", "rt", "srh", "cgroup", "rateest",
];

impl MatchSpec {
    /// Whether it asks nothing without an option.
    pub fn needs_option(&self) -> bool {
        !ASK_ALONE.contains(&self.name)
    }

    /// The protocols of which the tools want the rule to be about one, and how people write that; none
    /// when any will do.
    pub fn protocols(&self) -> (&'static [u8], &'static str) {
        match self.name {
            "tcp" => (&[6], "`-p tcp`"),
            "udp" => (&[17], "`-p udp`"),
            "sctp" => (&[132], "`-p sctp`"),
            "icmp" => (&[1], "`-p icmp`"),
            "icmp6" | "icmpv6" => (&[58], "`-p ipv6-icmp`"),
            // Those with ports: also dccp and udplite.
            "multiport" => (&[6, 17, 132, 33, 136], "`-p tcp` or another protocol with ports"),
            _ => (&[], ""),
        }
    }
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

/// A row: `"name" reader fixed|changes { options }`.
macro_rules! matches {
    (@fixed fixed) => { true };
    (@fixed changes) => { false };
    ($($name:literal $read:path, $fixed:ident, { $($options:tt)* })*) => {
        &[$(MatchSpec {
            name: $name,
            options: options!($($options)*),
            read: $read,
            fixed: matches!(@fixed $fixed),
        }),*]
    };
}

/// A row: `"NAME" reader { options }`.
macro_rules! targets {
    ($($name:literal $read:path, { $($options:tt)* })*) => {
        &[$(TargetSpec { name: $name, options: options!($($options)*), read: $read }),*]
    };
}

/// A match that the model knows by its words only.
#[allow(clippy::unnecessary_wraps)] // Whoever reads a match has this type.
fn opaque(_: &Use<'_, '_>, _: &mut Context<'_>) -> Result<bool, Fault> {
    Ok(false)
}

/// The common ones first: they are looked for in this order.
static MATCHES: &[MatchSpec] = matches! {
    "tcp" transport::tcp, fixed, {
        One: "dport" "sport" "destination-port" "source-port" "tcp-option";
        Two: "tcp-flags";
        None: "syn";
    }
    "udp" transport::udp, fixed, { One: "dport" "sport" "destination-port" "source-port"; }
    "comment" packet::comment, fixed, { Text: "comment"; }
    "conntrack" connection::conntrack, fixed, {
        One: "ctstate" "ctproto" "ctorigsrc" "ctorigdst" "ctreplsrc" "ctrepldst" "ctorigsrcport"
            "ctorigdstport" "ctreplsrcport" "ctrepldstport" "ctstatus" "ctexpire" "ctdir";
    }
    "state" connection::state, fixed, { One: "state"; }
    "set" packet::set, fixed, {
        Two: "match-set" "set";
        None: "return-nomatch" "update-counters" "update-subcounters";
        One: "packets-eq" "packets-lt" "packets-gt" "bytes-eq" "bytes-lt" "bytes-gt";
    }
    "multiport" transport::multiport, fixed, {
        One: "dports" "sports" "ports" "destination-ports" "source-ports";
    }
    "limit" counts::limit, changes, { One: "limit" "limit-burst"; }
    "icmp" transport::icmp, fixed, { One: "icmp-type"; }
    "icmp6" transport::icmp, fixed, { One: "icmpv6-type"; }
    "icmpv6" transport::icmp, fixed, { One: "icmpv6-type"; }
    "iprange" packet::iprange, fixed, { One: "src-range" "dst-range"; }
    "addrtype" packet::addrtype, fixed, {
        One: "src-type" "dst-type";
        None: "limit-iface-in" "limit-iface-out";
    }
    "mark" packet::mark, fixed, { One: "mark"; }
    "connmark" connection::connmark, fixed, { One: "mark"; }
    "mac" packet::mac, fixed, { One: "mac-source"; }
    "hashlimit" counts::hashlimit, changes, {
        One: "hashlimit" "hashlimit-upto" "hashlimit-above" "hashlimit-burst" "hashlimit-mode"
            "hashlimit-srcmask" "hashlimit-dstmask" "hashlimit-htable-size" "hashlimit-htable-max"
            "hashlimit-htable-gcinterval" "hashlimit-htable-expire" "hashlimit-rate-interval";
        Text: "hashlimit-name";
        None: "hashlimit-rate-match";
    }
    "connlimit" counts::connlimit, changes, {
        One: "connlimit-upto" "connlimit-above" "connlimit-mask";
        None: "connlimit-saddr" "connlimit-daddr";
    }
    "recent" opaque, changes, {
        None: "set" "rcheck" "update" "remove" "reap" "rttl" "rsource" "rdest";
        One: "seconds" "hitcount" "mask";
        Text: "name";
    }
    "owner" packet::owner, fixed, {
        One: "uid-owner" "gid-owner" "pid-owner" "sid-owner";
        Text: "cmd-owner";
        None: "socket-exists" "suppl-groups";
    }
    "length" packet::length, fixed, { One: "length"; }
    "ttl" packet::ttl, fixed, { One: "ttl-eq" "ttl-lt" "ttl-gt" "ttl"; }
    "hl" packet::ttl, fixed, { One: "hl-eq" "hl-lt" "hl-gt"; }
    "dscp" packet::dscp, fixed, { One: "dscp" "dscp-class"; }
    "time" packet::time, fixed, {
        One: "datestart" "datestop" "timestart" "timestop" "monthdays" "weekdays";
        None: "utc" "localtz" "kerneltz" "contiguous";
    }
    "policy" packet::policy, fixed, {
        One: "dir" "pol" "reqid" "spi" "proto" "mode" "tunnel-src" "tunnel-dst";
        None: "strict" "next";
    }
    "sctp" transport::sctp, fixed, {
        One: "dport" "sport" "destination-port" "source-port";
        Two: "chunk-types";
    }
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
    }
    "connbytes" opaque, changes, { One: "connbytes" "connbytes-dir" "connbytes-mode"; }
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
    }
    "esp" opaque, fixed, { One: "espspi"; }
    "eui64" opaque, fixed, {}
    "frag" opaque, fixed, {
        One: "fragid" "fraglen";
        None: "fragres" "fragfirst" "fragmore" "fraglast";
    }
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
    }
    "ipvs" opaque, fixed, {
        None: "ipvs";
        One: "vproto" "vaddr" "vport" "vdir" "vmethod" "vportctl";
    }
    "mh" opaque, fixed, { One: "mh-type"; }
    "nfacct" opaque, changes, { Text: "nfacct-name"; }
    "osf" opaque, fixed, { One: "genre" "ttl" "log"; }
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
    }
    "socket" opaque, fixed, { None: "transparent" "nowildcard" "restore-skmark"; }
    "srh" opaque, fixed, {
        One: "srh-next-hdr" "srh-hdr-len-eq" "srh-hdr-len-gt" "srh-hdr-len-lt" "srh-segs-left-eq"
            "srh-segs-left-gt" "srh-segs-left-lt" "srh-last-entry-eq" "srh-last-entry-gt"
            "srh-last-entry-lt" "srh-tag" "srh-psid" "srh-nsid" "srh-lsid";
    }
    "statistic" opaque, changes, { One: "mode" "probability" "every" "packet"; }
    "string" opaque, fixed, {
        One: "from" "to" "algo";
        Text: "string" "hex-string";
        None: "icase";
    }
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
    "MARK" target::mark, { One: "set-xmark" "set-mark" "and-mark" "or-mark" "xor-mark"; }
    "CONNMARK" target::connmark, {
        One: "set-xmark" "set-mark" "and-mark" "or-mark" "xor-mark" "nfmask" "ctmask" "mask"
            "left-shift-mark" "right-shift-mark";
        None: "save-mark" "restore-mark";
    }
    "MASQUERADE" target::masquerade, {
        One: "to-ports";
        None: "random" "random-fully";
    }
    "SNAT" target::snat, {
        One: "to-source";
        None: "random" "random-fully" "persistent";
    }
    "DNAT" target::dnat, {
        One: "to-destination";
        None: "random" "persistent";
    }
    "REDIRECT" target::redirect, {
        One: "to-ports";
        None: "random";
    }
    "NETMAP" target::netmap, { One: "to"; }
    "SET" target::set, {
        Two: "add-set" "del-set" "map-set";
        One: "timeout";
        None: "exist" "map-mark" "map-prio" "map-queue";
    }
    "CT" target::ct, {
        None: "notrack";
        Text: "helper" "timeout";
        One: "ctevents" "expevents" "zone" "zone-orig" "zone-reply";
    }
    "NOTRACK" target::notrack, {}
    "DSCP" target::dscp, { One: "set-dscp" "set-dscp-class"; }
    "TCPMSS" target::tcpmss, {
        One: "set-mss";
        None: "clamp-mss-to-pmtu";
    }
    "AUDIT" target::opaque, { One: "type"; }
    "CHECKSUM" target::opaque, { None: "checksum-fill"; }
    "CLASSIFY" target::opaque, { One: "set-class"; }
    "CLUSTERIP" target::opaque, {
        None: "new";
        One: "hashmode" "clustermac" "total-nodes" "local-node" "hash-init";
    }
    "CONNSECMARK" target::opaque, { None: "save" "restore"; }
    "DNPT" target::opaque, { One: "src-pfx" "dst-pfx"; }
    "ECN" target::opaque, {
        None: "ecn-tcp-remove";
        One: "ecn-tcp-cwr" "ecn-tcp-ece" "ecn-ip-ect";
    }
    "HL" target::opaque, { One: "hl-set" "hl-dec" "hl-inc"; }
    "HMARK" target::opaque, {
        One: "hmark-tuple" "hmark-mod" "hmark-offset" "hmark-src-prefix" "hmark-dst-prefix"
            "hmark-sport-mask" "hmark-dport-mask" "hmark-spi-mask" "hmark-sport" "hmark-dport"
            "hmark-spi" "hmark-proto-mask" "hmark-rnd";
    }
    "IDLETIMER" target::opaque, {
        One: "timeout";
        Text: "label";
        None: "alarm";
    }
    "LED" target::opaque, {
        Text: "led-trigger-id";
        One: "led-delay";
        None: "led-always-blink";
    }
    "NFLOG" target::opaque, {
        One: "nflog-group" "nflog-range" "nflog-size" "nflog-threshold";
        Text: "nflog-prefix";
    }
    "NFQUEUE" target::opaque, {
        One: "queue-num" "queue-balance";
        None: "queue-bypass" "queue-cpu-fanout";
    }
    "RATEEST" target::opaque, {
        Text: "rateest-name";
        One: "rateest-interval" "rateest-ewmalog";
    }
    "SECMARK" target::opaque, { Text: "selctx"; }
    "SNPT" target::opaque, { One: "src-pfx" "dst-pfx"; }
    "SYNPROXY" target::opaque, {
        One: "wscale" "mss";
        None: "sack-perm" "timestamp" "ecn";
    }
    "TCPOPTSTRIP" target::opaque, { One: "strip-options"; }
    "TEE" target::opaque, {
        One: "gateway";
        Text: "oif";
    }
    "TOS" target::opaque, { One: "set-tos" "and-tos" "or-tos" "xor-tos"; }
    "TPROXY" target::opaque, { One: "on-port" "on-ip" "tproxy-mark"; }
    "TRACE" target::opaque, {}
    "TTL" target::opaque, { One: "ttl-set" "ttl-dec" "ttl-inc"; }
    "ULOG" target::opaque, {
        One: "ulog-nlgroup" "ulog-cprange" "ulog-qthreshold";
        Text: "ulog-prefix";
    }
};
