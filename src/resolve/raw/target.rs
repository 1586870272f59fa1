//! What a raw rule does with a packet.

use super::super::policy::{RawTarget, RejectWith};
use super::super::{Resolver, messages};
use super::Place;
use super::words::Words;
use crate::diagnostic::nearest;
use crate::net::Family;

/// The targets of the kernel, and of xtables-addons: whether a packet that met one may meet the next rule.
const TARGETS: [(&str, bool); 48] = [
    ("AUDIT", true),
    ("CHECKSUM", true),
    ("CLASSIFY", true),
    ("CLUSTERIP", true),
    ("CONNMARK", true),
    ("CONNSECMARK", true),
    ("CT", true),
    ("DNAT", false),
    ("DNPT", true),
    ("DSCP", true),
    ("ECN", true),
    ("HL", true),
    ("HMARK", true),
    ("IDLETIMER", true),
    ("LED", true),
    ("LOG", true),
    ("MARK", true),
    ("MASQUERADE", false),
    ("NETMAP", false),
    ("NFLOG", true),
    ("NFQUEUE", false),
    ("NOTRACK", true),
    ("QUEUE", false),
    ("RATEEST", true),
    ("REDIRECT", false),
    ("SECMARK", true),
    ("SET", true),
    ("SNAT", false),
    ("SNPT", true),
    ("SYNPROXY", false),
    ("TCPMSS", true),
    ("TCPOPTSTRIP", true),
    ("TEE", true),
    ("TOS", true),
    ("TPROXY", false),
    ("TRACE", true),
    ("TTL", true),
    ("ULOG", true),
    ("ACCOUNT", true),
    ("CHAOS", false),
    ("DELUDE", false),
    ("DNETMAP", false),
    ("ECHO", false),
    ("IPMARK", true),
    ("LOGMARK", true),
    ("SYSRQ", false),
    ("TARPIT", false),
    ("PROTO", true),
];

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
            let is_target = bare.is_some() || TARGETS.iter().any(|(name, _)| *name == target.text);
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
        if bare == Some(RawTarget::Drop) || bare.is_none() {
            self.check_raw_standing(place, words, &target.text, (target.span, &target.text))?;
        }
        match (bare, rest.first()) {
            (Some(bare), None) => Some(bare),
            (Some(_), Some(more)) => {
                self.report(messages::raw_after_target(more.span, &target.text));
                None
            }
            (None, _) if target.text == "REJECT" => self.raw_reject(place, words, at),
            (None, _) => self.raw_extension(words, at),
        }
    }

    fn raw_reject(&mut self, place: &Place, words: &Words, at: usize) -> Option<RawTarget> {
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
    fn raw_extension(&mut self, words: &Words, at: usize) -> Option<RawTarget> {
        let target = &words.list[at + 1];
        let text = words.target_text().into();
        let Some((name, goes_on)) = TARGETS.iter().find(|(name, _)| *name == target.text) else {
            let names = TARGETS.iter().map(|(name, _)| *name);
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
        let looks_for_syn = || {
            let flags = ["--syn", "--tcp-flags"];
            (0..words.list.len()).any(|at| flags.contains(&words.option(at).0))
        };
        if *name == "TCPMSS" && !(words.has_protocol(&["tcp", "6"]) && looks_for_syn()) {
            let needs = "-p tcp -m tcp --tcp-flags SYN,RST SYN";
            self.report(messages::raw_needs(target.span, "TCPMSS", needs));
            return None;
        }
        Some(if *goes_on { RawTarget::GoesOn(text) } else { RawTarget::Decides(text) })
    }
}
