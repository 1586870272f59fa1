//! One target as the words that `iptables-save` prints for it.

use std::fmt::Write;

use crate::net::MarkMatch;
use crate::ruleset::{SetSide, Target};

use super::address::{address_text, endpoint_text, prefix_text};
use super::matches::side_name;
use super::quote::quoted;

/// The level that LOG has when none is said, which the tools leave out.
const DEFAULT_LOG_LEVEL: u8 = 4;

/// `-j ACCEPT`
pub(super) fn target_text(target: &Target) -> String {
    match target {
        Target::Accept => "-j ACCEPT".to_owned(),
        Target::Drop => "-j DROP".to_owned(),
        Target::Return => "-j RETURN".to_owned(),
        Target::Jump(chain) => format!("-j {chain}"),
        Target::Goto(chain) => format!("-g {chain}"),
        Target::Reject(kind) => format!("-j REJECT --reject-with {}", kind.name()),
        Target::Log { prefix, level } => log(prefix.as_deref(), *level),
        Target::Masquerade => "-j MASQUERADE".to_owned(),
        Target::Snat(low, high) if low == high => {
            format!("-j SNAT --to-source {}", address_text(*low))
        }
        Target::Snat(low, high) => {
            format!("-j SNAT --to-source {}-{}", address_text(*low), address_text(*high))
        }
        Target::Dnat { address, ports } => {
            format!("-j DNAT --to-destination {}", endpoint_text(*address, *ports))
        }
        Target::Redirect(port) => format!("-j REDIRECT --to-ports {port}"),
        Target::Opaque { text, .. } => text.to_string(),
        Target::AddSource { set, timeout } => {
            let time = timeout.map(|seconds| format!(" --timeout {seconds}"));
            let side = side_name(SetSide::Source);
            format!("-j SET --add-set {} {side} --exist{}", set.name, time.unwrap_or_default())
        }
        Target::Netmap(prefix) => format!("-j NETMAP --to {}", prefix_text(*prefix)),
        Target::SetMark(mark) => format!("-j MARK --set-xmark {}", set_mark(*mark)),
        Target::SetConnmark(mark) => format!("-j CONNMARK --set-xmark {}", set_mark(*mark)),
        Target::RestoreMark(mask) => {
            format!("-j CONNMARK --restore-mark --nfmask {mask:#x} --ctmask {mask:#x}")
        }
        Target::SaveMark(mask) => {
            format!("-j CONNMARK --save-mark --nfmask {mask:#x} --ctmask {mask:#x}")
        }
        Target::SetDscp(dscp) => format!("-j DSCP --set-dscp {dscp}"),
        Target::Tcpmss(None) => "-j TCPMSS --clamp-mss-to-pmtu".to_owned(),
        Target::Tcpmss(Some(size)) => format!("-j TCPMSS --set-mss {size}"),
        Target::Notrack => "-j CT --notrack".to_owned(),
        Target::Helper(helper) => format!("-j CT --helper {helper}"),
    }
}

/// The tools always print the mask of what is set.
fn set_mark(mark: MarkMatch) -> String {
    format!("{:#x}/{:#x}", mark.value(), mark.mask())
}

fn log(prefix: Option<&str>, level: u8) -> String {
    let mut out = "-j LOG".to_owned();
    if let Some(prefix) = prefix.filter(|prefix| !prefix.is_empty()) {
        out.push_str(" --log-prefix ");
        out.push_str(&quoted(prefix));
    }
    if level != DEFAULT_LOG_LEVEL {
        let _ = write!(out, " --log-level {level}");
    }
    out
}
