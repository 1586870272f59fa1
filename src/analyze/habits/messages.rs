//! Messages about customs.

use crate::analyze::text::Text;
use crate::analyze::witness::chain_name;
use crate::analyze::witness::met;
use crate::diagnostic::{Finding, Lint, catalogue as lint};
use crate::meaning::BaseChain;
use crate::net::CtState;
use crate::packet::Packet;
use crate::resolve::policy::{Guarded, Hook, Origin};
use crate::source::Span;

pub fn limit_bypassed(text: Text<'_>, origin: Origin, accepts: Option<Span>) -> Finding {
    let message = "what is over this limit is accepted all the same";
    let finding = text.about(&lint::LIMIT_BYPASSED, origin, message).label("limits nothing");
    match accepts {
        Some(span) => finding.related(span, "accepts the rest"),
        None => finding.note("the default accepts the rest"),
    }
    .help("drop the same packets behind this rule, or narrow what accepts the rest")
}

pub fn limit_reversed(text: Text<'_>, origin: Origin, accepts: Option<Span>) -> Finding {
    let message = "what is within this limit is refused, and what is over it is accepted";
    let finding = text
        .about(&lint::LIMIT_REVERSED, origin, message)
        .label("refuses while the limit has room");
    match accepts {
        Some(span) => finding.related(span, "accepts the rest"),
        None => finding.note("the default accepts the rest"),
    }
    .help("give the limit to the rule that allows, and drop the same packets behind it")
}

pub fn drop_input_only(
    text: Text<'_>,
    origin: Origin,
    forwards: Option<Span>,
    packet: &Packet,
) -> Finding {
    let message = "this source is refused to this machine only, and forwarded to others";
    let finding = text
        .about(&lint::DROP_INPUT_ONLY, origin, message)
        .label(text.say("without `to`, a rule is about this machine", "refused here only"))
        .witness(met(packet, BaseChain::FilterForward, "forwarded"));
    match forwards {
        Some(span) => finding.related(span, "forwards packets of this source"),
        None => finding,
    }
    .help(text.say(
        "write `to self, any` to refuse it everywhere, or `to self` if this is meant",
        "refuse it in FORWARD too, or in the PREROUTING chain of raw or mangle",
    ))
}

pub fn no_remote_access(text: Text<'_>, refuses: Option<Span>) -> Finding {
    let message = "nobody can log in to this machine by ssh";
    let lint = &lint::NO_REMOTE_ACCESS;
    match refuses {
        Some(span) => Finding::new(lint, span, message).label("refuses it"),
        None => Finding::without_place(lint, message),
    }
    .note(text.say(
        "no rule accepts a new connection to tcp port 22",
        "no rule accepts a new connection to tcp port 22 over IPv4",
    ))
    .help(text.say(
        "write `allow ssh from` where you look after the machine, or `protect` another way in",
        "accept tcp port 22 from where you look after the machine, if by ssh",
    ))
}

pub fn open_to_world(
    text: Text<'_>,
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
    let finding = text
        .about(&lint::OPEN_TO_WORLD, origin, message)
        .label("from any source")
        .witness(met(packet, base, "accepted"))
        .note(format!("it is tagged {}: {why}", service.tag))
        .help(text.say(
            "say who may: `from` a zone or some networks",
            "say who may, by a source (`-s`) or an interface (`-i`)",
        ));
    Finding { span: Some(service.span), also_at: at(origin, finding.also_at), ..finding }
}

/// `service` is one of what is opened, which the packet is of.
pub fn wide_open(
    text: Text<'_>,
    origin: Option<Origin>,
    default: Option<Span>,
    service: &Guarded,
    packet: &Packet,
) -> Option<Finding> {
    let lint = &lint::OPEN_TO_WORLD;
    let message = "whatever listens on this machine is open to the world";
    let finding = match origin {
        Some(origin) => text.about(lint, origin, message).label("for any port, from any source"),
        None => Finding::new(lint, default?, message).label("accepts what no rule refuses"),
    };
    let help = match origin {
        Some(_) => {
            "name the services that are for everybody, or say who may: `from` a zone or some networks"
        }
        None => "write `default drop input`, and allow the services that are for everybody",
    };
    let finding = finding.witness(met(packet, BaseChain::FilterInput, "accepted"));
    Some(finding.note(format!("`{}` is one, tagged {}", service.name, service.tag)).help(help))
}

/// The places of a finding that stands at a part of its statement.
fn at(origin: Origin, mut places: Vec<Span>) -> Vec<Span> {
    places.push(origin.span);
    places
}

pub fn unmodelled(text: Text<'_>, origin: Origin, extension: Option<&str>) -> Finding {
    let raw = text.say("a raw rule", "this rule");
    let message = match extension {
        Some(extension) => format!("what `-m {extension}` asks of a packet is not known here"),
        None => format!("what {raw} asks of a packet is not known here"),
    };
    let finding = text
        .about(&lint::UNMODELLED_MATCH, origin, message)
        .label("taken for a condition of its own")
        .note("that this rule hides another one, or is hidden, is found only where its words tell");
    match text {
        Text::Policy(_) => finding.help("say it in the language where that has words for it"),
        Text::Dump(_) => finding,
    }
}

/// What is missed, its name in the language, and what happens without.
fn missed(lint: &Lint) -> [&'static str; 3] {
    match lint.name {
        "no-loopback" => [
            "what this machine says to itself",
            "loopback",
            "programs of this machine cannot reach each other",
        ],
        "no-established" => {
            ["packets of connections that were accepted", "established", "no answer comes back"]
        }
        _ => ["neighbour discovery", "neighbour-discovery", "IPv6 stops working on every link"],
    }
}

pub fn missing_implicit(
    lint: &'static Lint,
    at: Span,
    hooks: &[Hook],
    packet: &Packet,
    base: BaseChain,
) -> Finding {
    let [what, name, outage] = missed(lint);
    let hooks: Vec<&str> = hooks.iter().map(|hook| hook_name(*hook)).collect();
    let message = format!("no rule accepts {what} on {}", hooks.join(" and "));
    Finding::new(lint, at, message)
        .label(format!("leaves `{name}` out"))
        .witness(met(packet, base, "accepted by no rule"))
        .note(outage)
        .help(format!("name `{name}` here, or write a rule that does the same"))
}

/// The same of a chain of a dump that refuses the rest at a line.
pub fn missing_rule(
    lint: &'static Lint,
    at: Option<Span>,
    packet: &Packet,
    base: BaseChain,
    rule: &str,
) -> Finding {
    let [what, _, outage] = missed(lint);
    let what = match (lint.name, packet.state) {
        ("no-established", CtState::Related) => "errors about connections that were accepted",
        _ => what,
    };
    let outage = match (lint.name, packet.state) {
        ("no-established", CtState::Related) => {
            "large packets are lost where a link on the way takes only smaller ones"
        }
        _ => outage,
    };
    let message = format!("no rule of {} accepts {what}", chain_name(base));
    let finding = match at {
        Some(span) => Finding::new(lint, span, message).label("refuses them"),
        None => Finding::without_place(lint, message),
    };
    finding
        .witness(met(packet, base, "accepted by no rule"))
        .note(outage)
        .help(format!("add a rule such as `{rule}` at the top"))
}

pub fn default_accept(at: Option<Span>, accepts: Span) -> Finding {
    let message = "INPUT accepts what no rule refuses";
    let lint = &lint::DEFAULT_ACCEPT;
    match at {
        Some(span) => Finding::new(lint, span, message).label("accepts the rest"),
        None => Finding::without_place(lint, message),
    }
    .related(accepts, "accepts what would be accepted anyway")
    .note("its rules accept, and nothing behind them refuses the rest")
    .help("make its policy DROP, or end it with `-A INPUT -j DROP`, once ssh is accepted")
}

fn hook_name(hook: Hook) -> &'static str {
    match hook {
        Hook::Input => "input",
        Hook::Forward => "forward",
        Hook::Output => "output",
    }
}
