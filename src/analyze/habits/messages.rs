//! Messages about customs.

use crate::analyze::places::{about, met};
use crate::diagnostic::{Finding, Lint, catalogue as lint};
use crate::meaning::BaseChain;
use crate::packet::Packet;
use crate::resolve::Policy;
use crate::resolve::policy::{Guarded, Hook, Origin};
use crate::source::Span;

pub fn limit_bypassed(policy: &Policy, origin: Origin, accepts: Option<Span>) -> Finding {
    let message = "what is over this limit is accepted all the same";
    let finding = about(&lint::LIMIT_BYPASSED, policy, origin, message).label("limits nothing");
    match accepts {
        Some(span) => finding.related(span, "accepts the rest"),
        None => finding.note("the default accepts the rest"),
    }
    .help("drop the same packets behind this rule, or narrow what accepts the rest")
}

pub fn drop_input_only(
    policy: &Policy,
    origin: Origin,
    forwards: Option<Span>,
    packet: &Packet,
) -> Finding {
    let message = "this source is refused to this machine only, and forwarded to others";
    let finding = about(&lint::DROP_INPUT_ONLY, policy, origin, message)
        .label("without `to`, a rule is about this machine")
        .witness(met(packet, BaseChain::FilterForward, "forwarded"));
    match forwards {
        Some(span) => finding.related(span, "forwards packets of this source"),
        None => finding,
    }
    .help("write `to self, any` to refuse it everywhere, or `to self` if this is meant")
}

pub fn no_remote_access(default: Option<Span>) -> Finding {
    let message = "nobody can log in to this machine by ssh";
    let lint = &lint::NO_REMOTE_ACCESS;
    match default {
        Some(span) => Finding::new(lint, span, message).label("refuses it"),
        None => Finding::without_place(lint, message),
    }
    .note("no rule accepts a new connection to tcp port 22")
    .help("write `allow ssh from` where you look after the machine, or `protect` another way in")
}

pub fn open_to_world(
    policy: &Policy,
    origin: Origin,
    service: &Guarded,
    packet: &Packet,
    base: BaseChain,
) -> Finding {
    let message = format!("`{}` is open to the world", service.name);
    let why = match &*service.tag {
        "insecure" => "whoever reaches it, or is on the way, can do harm",
        "database" => "databases are for the machines that use them",
        _ => "whoever looks after it comes from places that are known",
    };
    let finding = about(&lint::OPEN_TO_WORLD, policy, origin, message)
        .label("from any source")
        .witness(met(packet, base, "accepted"))
        .note(format!("it is tagged {}: {why}", service.tag))
        .help("say who may: `from` a zone or some networks");
    Finding { span: Some(service.span), also_at: at(origin, finding.also_at), ..finding }
}

/// The places of a finding that stands at a part of its statement.
fn at(origin: Origin, mut places: Vec<Span>) -> Vec<Span> {
    places.push(origin.span);
    places
}

pub fn unmodelled(policy: &Policy, origin: Origin, extension: Option<&str>) -> Finding {
    let message = match extension {
        Some(extension) => format!("what `-m {extension}` asks of a packet is not known here"),
        None => "what a raw rule asks of a packet is not known here".to_owned(),
    };
    about(&lint::UNMODELLED_MATCH, policy, origin, message)
        .label("taken for a condition of its own")
        .note("that this rule hides another one, or is hidden, is found only where its words tell")
        .help("say it in the language where that has words for it")
}

pub fn missing_implicit(
    lint: &'static Lint,
    at: Span,
    hooks: &[Hook],
    packet: &Packet,
    base: BaseChain,
) -> Finding {
    let [what, name, outage] = match lint.name {
        "no-loopback" => [
            "what this machine says to itself",
            "loopback",
            "programs of this machine cannot reach each other",
        ],
        "no-established" => {
            ["packets of connections that were accepted", "established", "no answer comes back"]
        }
        _ => ["neighbour discovery", "neighbour-discovery", "IPv6 stops working on every link"],
    };
    let hooks: Vec<&str> = hooks.iter().map(|hook| hook_name(*hook)).collect();
    let message = format!("no rule accepts {what} on {}", hooks.join(" and "));
    Finding::new(lint, at, message)
        .label(format!("leaves `{name}` out"))
        .witness(met(packet, base, "accepted by no rule"))
        .note(outage)
        .help(format!("name `{name}` here, or write a rule that does the same"))
}

fn hook_name(hook: Hook) -> &'static str {
    match hook {
        Hook::Input => "input",
        Hook::Forward => "forward",
        Hook::Output => "output",
    }
}
