//! What a raw rule does with a packet, and where the kernel takes that.

use super::super::policy::{KernelChain, RawTable, RawTarget, RejectWith};
use super::super::{Resolver, messages};
use super::words::Words;
use super::{Chain, Place};
use crate::diagnostic::nearest;
use crate::net::Family;

/// Where a target may stand.
enum Where {
    Anywhere,
    Tables(&'static [RawTable]),
    /// In these chains of the kernel, and in chains that are called from them.
    Chains(RawTable, &'static [KernelChain]),
}

/// A target of the kernel.
struct Known {
    name: &'static str,
    /// Whether a packet that met it may meet the next rule.
    goes_on: bool,
    place: Where,
    /// `None` for both.
    family: Option<Family>,
}

const fn known(name: &'static str, goes_on: bool, place: Where) -> Known {
    Known { name, goes_on, place, family: None }
}

const fn of_family(name: &'static str, place: Where, family: Family) -> Known {
    Known { name, goes_on: true, place, family: Some(family) }
}

const MANGLE: Where = Where::Tables(&[RawTable::Mangle]);
const LABELS: Where = Where::Tables(&[RawTable::Mangle, RawTable::Security]);
const RAW: Where = Where::Tables(&[RawTable::Raw]);

/// The targets of the kernel, and of xtables-addons, by what `xt_*.c` register: whether they give a
/// packet back, and in which table and hooks they are taken.
const TARGETS: [Known; 48] = {
    use KernelChain::{Input, Output, Postrouting, Prerouting};
    use RawTable::Nat;
    use Where::{Anywhere, Chains};
    [
        known("AUDIT", true, Anywhere),
        known("CHECKSUM", true, MANGLE),
        known("CLASSIFY", true, Anywhere),
        known("CLUSTERIP", true, Anywhere),
        known("CONNMARK", true, Anywhere),
        known("CONNSECMARK", true, LABELS),
        known("CT", true, RAW),
        known("DNAT", false, Chains(Nat, &[Prerouting, Output])),
        of_family("DNPT", MANGLE, Family::V6),
        known("DSCP", true, MANGLE),
        known("ECN", true, MANGLE),
        of_family("HL", MANGLE, Family::V6),
        known("HMARK", true, Anywhere),
        known("IDLETIMER", true, Anywhere),
        known("LED", true, Anywhere),
        known("LOG", true, Anywhere),
        known("MARK", true, Anywhere),
        known("MASQUERADE", false, Chains(Nat, &[Postrouting])),
        known("NETMAP", false, Where::Tables(&[Nat])),
        known("NFLOG", true, Anywhere),
        known("NFQUEUE", false, Anywhere),
        known("NOTRACK", true, RAW),
        known("QUEUE", false, Anywhere),
        known("RATEEST", true, Anywhere),
        known("REDIRECT", false, Chains(Nat, &[Prerouting, Output])),
        known("SECMARK", true, LABELS),
        known("SET", true, Anywhere),
        known("SNAT", false, Chains(Nat, &[Postrouting, Input])),
        of_family("SNPT", MANGLE, Family::V6),
        known("SYNPROXY", false, Anywhere),
        known("TCPMSS", true, Anywhere),
        known("TCPOPTSTRIP", true, MANGLE),
        known("TEE", true, Anywhere),
        known("TOS", true, MANGLE),
        known("TPROXY", false, Chains(RawTable::Mangle, &[Prerouting])),
        known("TRACE", true, RAW),
        of_family("TTL", MANGLE, Family::V4),
        known("ULOG", true, Anywhere),
        known("ACCOUNT", true, Anywhere),
        known("CHAOS", false, Anywhere),
        known("DELUDE", false, Anywhere),
        known("DNETMAP", false, Where::Tables(&[Nat])),
        known("ECHO", false, Anywhere),
        known("IPMARK", true, Anywhere),
        known("LOGMARK", true, Anywhere),
        known("SYSRQ", false, Anywhere),
        known("TARPIT", false, Anywhere),
        known("PROTO", true, MANGLE),
    ]
};

/// The answers of REJECT by their words in each family; the first is the one that it gives unasked.
const ANSWERS_V4: [(&str, RejectWith); 8] = [
    ("icmp-port-unreachable", RejectWith::PortUnreachable),
    ("icmp-net-unreachable", RejectWith::NetUnreachable),
    ("icmp-host-unreachable", RejectWith::HostUnreachable),
    ("icmp-proto-unreachable", RejectWith::ProtoUnreachable),
    ("icmp-net-prohibited", RejectWith::NetProhibited),
    ("icmp-host-prohibited", RejectWith::HostProhibited),
    ("icmp-admin-prohibited", RejectWith::AdminProhibited),
    ("tcp-reset", RejectWith::TcpReset),
];
const ANSWERS_V6: [(&str, RejectWith); 7] = [
    ("icmp6-port-unreachable", RejectWith::PortUnreachable),
    ("icmp6-no-route", RejectWith::NetUnreachable),
    ("icmp6-adm-prohibited", RejectWith::AdminProhibited),
    ("icmp6-addr-unreachable", RejectWith::HostUnreachable),
    ("icmp6-policy-fail", RejectWith::PolicyFail),
    ("icmp6-reject-route", RejectWith::RejectRoute),
    ("tcp-reset", RejectWith::TcpReset),
];

impl Resolver<'_> {
    /// What the rule does; without a target nothing.
    pub(super) fn raw_target(&mut self, place: &Place, words: &Words) -> Option<RawTarget> {
        let Some(at) = words.target() else { return Some(RawTarget::GoesOn("".into())) };
        let option = &words.list[at];
        let Some(target) = words.list.get(at + 1) else {
            self.report(messages::raw_without_value(option.span, &option.text));
            return None;
        };
        let rest = &words.list[at + 2..];
        let goes_to = option.text == "-g" || option.text == "--goto";
        let bare = match target.text.as_str() {
            "ACCEPT" => Some(RawTarget::Accept),
            "DROP" => Some(RawTarget::Drop),
            "RETURN" => Some(RawTarget::Return),
            chain => self.chain_named(chain).map(|id| {
                self.names.chains.entries[id.0 as usize].used.set(true);
                if goes_to { RawTarget::Goto(id) } else { RawTarget::Jump(id) }
            }),
        };
        let to_chain = matches!(bare, Some(RawTarget::Goto(_) | RawTarget::Jump(_)));
        if goes_to && !to_chain {
            let is_target = bare.is_some() || TARGETS.iter().any(|known| known.name == target.text);
            self.report(if is_target || target.text == "REJECT" {
                messages::goto_no_chain(target.span, &target.text)
            } else {
                messages::unknown_raw_target(target.span, &target.text, None)
            });
            return None;
        }
        if let Some(RawTarget::Goto(id) | RawTarget::Jump(id)) = bare
            && !self.is_of_table(target.span, &target.text, id, place.table)
        {
            return None;
        }
        if bare == Some(RawTarget::Drop) && place.table == RawTable::Nat {
            self.report(messages::misplaced_raw_target(target.span, "DROP", "outside of nat"));
            return None;
        }
        match (bare, rest.first()) {
            (Some(bare), None) => Some(bare),
            (Some(_), Some(more)) => {
                self.report(messages::raw_after_target(more.span, &target.text));
                None
            }
            (None, _) if target.text == "REJECT" => self.raw_reject(place, words, at),
            (None, _) => self.raw_extension(place, words, at),
        }
    }

    fn raw_reject(&mut self, place: &Place, words: &Words, at: usize) -> Option<RawTarget> {
        let target = &words.list[at + 1];
        if place.table != RawTable::Filter {
            self.report(messages::misplaced_raw_target(target.span, "REJECT", "in filter"));
            return None;
        }
        let answers: &[(&str, RejectWith)] = match place.family {
            Family::V4 => &ANSWERS_V4,
            Family::V6 => &ANSWERS_V6,
        };
        let rest = &words.list[at + 2..];
        let Some(first) = rest.first() else {
            return Some(RawTarget::Reject(RejectWith::PortUnreachable));
        };
        let count = if first.inline().is_some() { 1 } else { 2 };
        match words.option(at + 2) {
            ("--reject-with", Some(with)) if rest.len() == count => {
                let found = answers.iter().find(|(word, _)| *word == with.text);
                if found.is_none() {
                    let known: Vec<&str> = answers.iter().map(|(word, _)| *word).collect();
                    self.report(messages::unknown_word(with.span, with.text, "answer", &known));
                }
                let (_, with_what) = found?;
                if *with_what == RejectWith::TcpReset && !words.has_protocol(&["tcp", "6"]) {
                    let message = messages::raw_needs(with.span, "tcp-reset", "-p tcp");
                    self.report(message);
                    return None;
                }
                Some(RawTarget::Reject(*with_what))
            }
            _ => {
                self.report(messages::raw_after_target(first.span, "REJECT"));
                None
            }
        }
    }

    /// A target of which only its name is known, or not even that.
    fn raw_extension(&mut self, place: &Place, words: &Words, at: usize) -> Option<RawTarget> {
        let target = &words.list[at + 1];
        let text = words.target_text().into();
        let Some(known) = TARGETS.iter().find(|known| known.name == target.text) else {
            let names = TARGETS.iter().map(|known| known.name);
            let names = names.chain(["ACCEPT", "DROP", "RETURN", "REJECT"]);
            let chains = self.names.chains.entries.iter().map(|entry| self.text(entry.span));
            let near = nearest(&target.text, names.chain(chains));
            let is_capital = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
            if near.is_none() && target.text.chars().all(is_capital) {
                // Somebody's extension; what it does is its own affair.
                return Some(RawTarget::Decides(text));
            }
            self.report(messages::unknown_raw_target(target.span, &target.text, near));
            return None;
        };
        if let Some(family) = known.family.filter(|family| *family != place.family) {
            self.report(messages::raw_of_other_family(target.span, known.name, family));
            return None;
        }
        if let Some(wanted) = wrong_place(place, &known.place) {
            self.report(messages::misplaced_raw_target(target.span, known.name, &wanted));
            return None;
        }
        let looks_for_syn = || {
            let flags = ["--syn", "--tcp-flags"];
            (0..words.list.len()).any(|at| flags.contains(&words.option(at).0))
        };
        if known.name == "TCPMSS" && !(words.has_protocol(&["tcp", "6"]) && looks_for_syn()) {
            let needs = "-p tcp -m tcp --tcp-flags SYN,RST SYN";
            self.report(messages::raw_needs(target.span, "TCPMSS", needs));
            return None;
        }
        Some(if known.goes_on { RawTarget::GoesOn(text) } else { RawTarget::Decides(text) })
    }
}

/// Where the target may stand, when it may not here. Chains of the policy are called from who knows
/// where.
fn wrong_place(place: &Place, wanted: &Where) -> Option<String> {
    match wanted {
        Where::Anywhere => None,
        Where::Tables(tables) => {
            let names: Vec<&str> = tables.iter().map(|table| table.name()).collect();
            (!tables.contains(&place.table)).then(|| format!("in {}", names.join(" and ")))
        }
        Where::Chains(table, chains) => {
            let fits = match place.chain {
                Chain::Kernel(chain) => chains.contains(&chain),
                Chain::User(_) => true,
            };
            let names: Vec<&str> = chains.iter().map(|chain| chain.name()).collect();
            let right = fits && place.table == *table;
            (!right).then(|| format!("in {} {}", table.name(), names.join(" and ")))
        }
    }
}
