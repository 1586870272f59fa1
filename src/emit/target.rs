//! One target as the words that `iptables-save` prints for it.

use std::fmt::Write;

use crate::ruleset::Target;

use super::address::{address_text, endpoint_text, prefix_text};
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
        Target::Netmap(prefix) => format!("-j NETMAP --to {}", prefix_text(*prefix)),
    }
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
