//! Targets and comments in the words of nft.

use std::fmt::Write;
use std::net::IpAddr;

use crate::emit::address::{address_text, endpoint_text, prefix_text};
use crate::net::{Family, Helper, MarkMatch};
use crate::ruleset::{RejectType, Rule, SetSide, TableName, Target};

use super::condition::protocol;
use super::names::letters;
use super::{Side, Writer};

/// Longest comment that nft takes, in bytes.
const MAX_COMMENT: usize = 128;

impl Writer<'_> {
    pub(super) fn verdict(
        &mut self,
        table: TableName,
        rule: &Rule,
        side: Side,
    ) -> Result<String, String> {
        Ok(match &rule.target {
            Target::Accept => "accept".to_owned(),
            Target::Drop => "drop".to_owned(),
            Target::Return => "return".to_owned(),
            Target::Jump(chain) => format!("jump {}", self.names.chain(table, chain)),
            Target::Goto(chain) => format!("goto {}", self.names.chain(table, chain)),
            Target::Reject(kind) => format!("reject with {}", reject(*kind)),
            Target::Log { prefix, level } => log(prefix.as_deref(), *level)?,
            Target::Masquerade => "masquerade".to_owned(),
            Target::Snat(low, high) => format!("snat to {}", range(*low, *high)),
            Target::Dnat { address, ports } => {
                format!("dnat to {}", endpoint_text(*address, *ports))
            }
            Target::Redirect(port) => format!("redirect to :{port}"),
            Target::Opaque { text, .. } if text.is_empty() => String::new(),
            Target::Opaque { text, .. } => {
                return Err(format!("`{text}` is in the words of iptables"));
            }
            Target::AddSource { set, timeout } => {
                if timeout.is_none() && self.timed.contains(&*set.name) {
                    return Err(format!(
                        "an address is added to `{}` for good, and elsewhere for a time: nft would forget it",
                        set.name
                    ));
                }
                let source = self.looked_for(set, SetSide::Source)?;
                let time = timeout.map(|seconds| format!(" timeout {seconds}s"));
                let time = time.unwrap_or_default();
                let nobody = match set.family {
                    Family::V4 => "0.0.0.0",
                    Family::V6 => "::",
                };
                let set = self.names.set(&set.name);
                // An ipset does not take it up, whom nft would.
                format!("{source} != {nobody} update @{set} {{ {source}{time} }}")
            }
            Target::Netmap(prefix) => {
                let prefix = prefix_text(*prefix);
                match side {
                    Side::Source => format!("snat prefix to {prefix}"),
                    Side::Destination => format!("dnat prefix to {prefix}"),
                    Side::Both => {
                        return Err("netmap in a chain for sources and destinations".to_owned());
                    }
                }
            }
            Target::SetMark(mark) => set_mark("meta mark", *mark),
            Target::SetConnmark(mark) => set_mark("ct mark", *mark),
            Target::RestoreMark(u32::MAX) => "meta mark set ct mark".to_owned(),
            Target::RestoreMark(mask) => self.restore_mark(*mask),
            // Without a connection nothing is done there.
            Target::SaveMark(u32::MAX) => "ct mark set meta mark".to_owned(),
            Target::SaveMark(_) => {
                return Err("bits of a mark that become those of the connection".to_owned());
            }
            Target::SetDscp(dscp) => {
                let ip = match self.family {
                    Family::V4 => "ip",
                    Family::V6 => "ip6",
                };
                format!("{ip} dscp set {dscp}")
            }
            Target::Tcpmss(None) => "tcp option maxseg size set rt mtu".to_owned(),
            Target::Tcpmss(Some(size)) => format!("tcp option maxseg size set {size}"),
            Target::Notrack => "notrack".to_owned(),
            Target::Helper(helper) => self.helper(*helper, rule)?,
        })
    }

    /// The helper as an object of the table, for the protocol that the rule asks for.
    fn helper(&mut self, helper: Helper, rule: &Rule) -> Result<String, String> {
        let protocol = protocol(rule).ok_or("a helper without a protocol")?;
        let reads = helper.protocols().iter().find(|reads| reads.protocol() == protocol);
        let reads = reads.ok_or("a helper for a protocol that it does not read")?;
        let family = match self.family {
            Family::V4 => "ip",
            Family::V6 => "ip6",
        };
        let name = format!("helper_{}_{reads}", letters(helper.name()));
        let declaration =
            format!("ct helper @ {{ type \"{helper}\" protocol {reads}; l3proto {family}; }}");
        self.objects.insert(name.clone(), declaration);
        Ok(format!("ct helper set \"{name}\""))
    }

    /// nft cannot put bits of one mark into another: the packet's are cleared, and set one by one, in a
    /// chain of its own. Without a connection nothing is done there.
    fn restore_mark(&mut self, mask: u32) -> String {
        let own = self.names.fresh("restore_mark_");
        let mut lines = vec![
            "ct state & (invalid | untracked) != 0 return".to_owned(),
            format!("meta mark set meta mark & {:#x}", !mask),
        ];
        let bits = (0..u32::BITS).map(|bit| 1 << bit).filter(|bit: &u32| mask & bit != 0);
        lines.extend(bits.map(|bit| {
            format!("ct mark & {bit:#x} == {bit:#x} meta mark set meta mark | {bit:#x}")
        }));
        self.chains.push((own.clone(), lines));
        format!("jump {own}")
    }
}

/// The bits under the mask become the value's.
fn set_mark(what: &str, mark: MarkMatch) -> String {
    match mark.mask() {
        u32::MAX => format!("{what} set {:#x}", mark.value()),
        mask => format!("{what} set {what} & {:#x} | {:#x}", !mask, mark.value()),
    }
}

fn range(low: IpAddr, high: IpAddr) -> String {
    if low == high {
        return address_text(low);
    }
    format!("{}-{}", address_text(low), address_text(high))
}

fn reject(kind: RejectType) -> &'static str {
    match kind {
        RejectType::TcpReset => "tcp reset",
        RejectType::IcmpNetUnreachable => "icmp type net-unreachable",
        RejectType::IcmpHostUnreachable => "icmp type host-unreachable",
        RejectType::IcmpProtoUnreachable => "icmp type prot-unreachable",
        RejectType::IcmpPortUnreachable => "icmp type port-unreachable",
        RejectType::IcmpNetProhibited => "icmp type net-prohibited",
        RejectType::IcmpHostProhibited => "icmp type host-prohibited",
        RejectType::IcmpAdminProhibited => "icmp type admin-prohibited",
        RejectType::Icmp6NoRoute => "icmpv6 type no-route",
        RejectType::Icmp6AdmProhibited => "icmpv6 type admin-prohibited",
        RejectType::Icmp6AddrUnreachable => "icmpv6 type addr-unreachable",
        RejectType::Icmp6PortUnreachable => "icmpv6 type port-unreachable",
        RejectType::Icmp6PolicyFail => "icmpv6 type policy-fail",
        RejectType::Icmp6RejectRoute => "icmpv6 type reject-route",
    }
}

fn log(prefix: Option<&str>, level: u8) -> Result<String, String> {
    const LEVELS: [&str; 8] = ["emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"];
    let mut out = "log".to_owned();
    if let Some(prefix) = prefix.filter(|prefix| !prefix.is_empty()) {
        // Strings have no escapes, and `$` is a variable in this one.
        let bad = |c: char| matches!(c, '"' | '$') || c.is_control() && c != '\t';
        if let Some(c) = prefix.chars().find(|c| bad(*c)) {
            return Err(format!("a log prefix with {c:?}"));
        }
        let _ = write!(out, " prefix \"{prefix}\"");
    }
    let level = LEVELS.get(usize::from(level)).ok_or("a log level above 7")?;
    Ok(format!("{out} level {level}"))
}

/// ` comment "…"`, empty when there is none. A comment has no effect, so what nft cannot take is
/// changed: `"` becomes `'`, and what is beyond its limit is cut.
pub(super) fn comment(comments: &[String]) -> String {
    let plain = |c: char| match c {
        '"' => '\'',
        c if c.is_control() => ' ',
        c => c,
    };
    let mut text: String = comments.join(" ").chars().map(plain).collect();
    while text.len() > MAX_COMMENT {
        text.pop();
    }
    if text.is_empty() { text } else { format!("comment \"{text}\"") }
}
