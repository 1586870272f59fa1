//! A packet of the packet space as findings show it.

use crate::diagnostic::{Witness, witness};
use crate::meaning::BaseChain;
use crate::net::{Account, TcpFlags};
use crate::packet::{Packet, Payload};

/// The packet as the chain sees it; `fate` says what becomes of it.
pub(super) fn shown(packet: &Packet, base: BaseChain, fate: impl Into<String>) -> Witness {
    let payload = match packet.payload {
        Payload::Tcp { source, destination, .. }
        | Payload::Udp { source, destination }
        | Payload::Sctp { source, destination } => witness::Payload::Ports { source, destination },
        Payload::Icmp { kind, code } => witness::Payload::Icmp { kind, code },
        Payload::Other(_) => witness::Payload::Other,
    };
    let protocol = packet.protocol().to_string();
    let (from, to) = (packet.source, packet.destination);
    let mut shown = Witness::new(chain_name(base), from, to, protocol, payload);
    shown.incoming = packet.incoming.as_deref().map(str::to_owned);
    shown.outgoing = packet.outgoing.as_deref().map(str::to_owned);
    // The first packet of a connection goes without saying.
    shown.flags = packet.flags().filter(|flags| *flags != TcpFlags::SYN).map(flags_text);
    shown.state = Some(packet.state.name().to_owned());
    shown.mark = Some(packet.mark).filter(|mark| *mark != 0);
    shown.user = packet.user.as_ref().map(account_text);
    shown.group = packet.group.as_ref().map(account_text);
    shown.original = packet.original.map(|original| (original.destination, original.port));
    shown.holds = packet.opaque.iter().map(|text| text.to_string()).collect();
    shown.fate = Some(fate.into());
    shown
}

fn flags_text(flags: TcpFlags) -> String {
    let names: Vec<&str> = flags.names().collect();
    if names.is_empty() { "none".to_owned() } else { names.join(",") }
}

fn account_text(account: &Account) -> String {
    match account {
        Account::Name(name) => name.to_string(),
        Account::Number(number) => number.to_string(),
    }
}

/// The kernel's name of the chain.
pub(super) fn chain_name(base: BaseChain) -> &'static str {
    match base {
        BaseChain::NatPrerouting | BaseChain::ManglePrerouting | BaseChain::RawPrerouting => {
            "PREROUTING"
        }
        BaseChain::NatPostrouting => "POSTROUTING",
        BaseChain::FilterInput | BaseChain::MangleInput => "INPUT",
        BaseChain::FilterForward | BaseChain::MangleForward => "FORWARD",
        BaseChain::NatOutput
        | BaseChain::FilterOutput
        | BaseChain::MangleOutput
        | BaseChain::RawOutput => "OUTPUT",
    }
}
