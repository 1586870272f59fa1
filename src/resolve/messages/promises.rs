//! Messages about what a policy promises, and about the packets of tests.

use crate::diagnostic::{Finding, catalogue as lint};
use crate::net::Protocol;
use crate::source::Span;

pub fn not_assertable(at: Span, word: &str) -> Finding {
    let finding = Finding::new(
        &lint::MISPLACED_STATEMENT,
        at,
        format!("`{word}` says nothing of connections: they are allowed or they are not"),
    )
    .label("neither `allow` nor `drop`");
    finding.help("write `allow` for what is accepted, `drop` for what is not")
}

pub fn within_limits_of_others(at: Span, word: &str) -> Finding {
    let message = match word {
        "protect" => "what is protected is accepted whatever the limits say",
        _ => "what is asserted to be dropped is dropped whatever the limits say",
    };
    Finding::new(&lint::MISPLACED_CLAUSE, at, message)
        .label("not here")
        .help("leave it out, or write `assert allow … within limits`")
}

pub fn clause_of_promise(at: Span, word: &str, around: &str) -> Finding {
    let message = format!("`{word}` means nothing in {}", quoted(around));
    let finding = Finding::new(&lint::MISPLACED_CLAUSE, at, message).label("not here");
    match word {
        "state" | "flags" => {
            finding.help("leave it out: a promise is about the first packets of new connections")
        }
        "mark" => finding.help("leave it out: a packet that comes in has no mark yet"),
        "limit" | "connections" if !around.contains(' ') => {
            finding.help("write `within limits` to judge limits at their best")
        }
        _ => finding.help("leave it out"),
    }
}

fn quoted(around: &str) -> String {
    if around.contains(' ') { around.to_owned() } else { format!("`{around}`") }
}

pub fn empty_test(at: Span) -> Finding {
    Finding::new(&lint::UNCLEAR_PACKET, at, "a test without packets tests nothing")
        .label("empty")
        .help("write a packet, such as `tcp 192.0.2.5:40000 -> self:22 in eth0 => allow`")
}

pub fn no_verdict(at: Span, word: &str) -> Finding {
    Finding::new(&lint::UNCLEAR_PACKET, at, format!("`{word}` is nothing that becomes of a packet"))
        .label("no fate")
        .help("write `allow`, `drop` or `reject`")
}

pub fn icmp_without_type(at: Span) -> Finding {
    Finding::new(&lint::UNCLEAR_PACKET, at, "an ICMP packet has one type")
        .label("which type?")
        .help("write it behind the protocol, such as `icmp echo-request`")
}

pub fn host_of_many(at: Span, text: &str) -> Finding {
    Finding::new(&lint::UNCLEAR_PACKET, at, format!("`{text}` is not one address"))
        .label("a packet has one source and one destination")
        .help("write an address, or `self` for this machine")
}

pub fn packet_without_family(at: Span) -> Finding {
    Finding::new(&lint::UNCLEAR_PACKET, at, "it is not said whether this is an IPv4 or IPv6 packet")
        .label("of which family?")
        .help("add `ipv4` or `ipv6`")
}

pub fn packet_of_two_families(at: Span, other: Span) -> Finding {
    Finding::new(&lint::WRONG_FAMILY, at, "a packet is of one family")
        .label("of the other family")
        .related(other, "than this")
        .help("write both ends in one family")
}

pub fn packet_without_port(at: Span, text: &str) -> Finding {
    let example = if text.contains(':') && !text.starts_with('[') {
        format!("[{text}]:40000")
    } else {
        format!("{text}:40000")
    };
    Finding::new(&lint::UNCLEAR_PACKET, at, "the port is missing")
        .label("which port?")
        .help(format!("write it behind the address, such as `{example}`"))
}

pub fn packet_with_port(at: Span, protocol: Protocol) -> Finding {
    Finding::new(&lint::NO_PORTS, at, format!("{protocol} has no ports"))
        .label("has a port")
        .help("write the address alone")
}

pub fn packet_without_in(at: Span, known: &[String]) -> Finding {
    let finding =
        Finding::new(&lint::UNCLEAR_PACKET, at, "it is not said where the packet comes in")
            .label("on which interface?");
    match known {
        [] => finding.help("add `in INTERFACE`, or write `self` as source for this machine's own"),
        _ => finding.help(format!("add `in` with one of {}", known.join(", "))),
    }
}

pub fn interface_of_many(at: Span, known: &[String]) -> Finding {
    let finding =
        Finding::new(&lint::UNCLEAR_PACKET, at, "a packet comes in and leaves on one interface")
            .label("which one?");
    match known {
        [] => finding.help("name the interface"),
        _ => finding.help(format!("name one interface of {}", known.join(", "))),
    }
}

pub fn one_of_many(at: Span, what: &str) -> Finding {
    Finding::new(&lint::UNCLEAR_PACKET, at, format!("a packet has one {what}"))
        .label("more than one")
        .help("write one")
}
