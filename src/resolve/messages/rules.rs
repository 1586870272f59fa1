//! Messages about statements and their clauses.

use super::direction::ipv6_header_match;
use crate::diagnostic::{Finding, catalogue as lint};
use crate::net::{Family, Helper, Protocol};
use crate::resolve::policy::Hook;
use crate::source::Span;

pub fn duplicate_clause(at: Span, word: &str, first: Span) -> Finding {
    let finding = Finding::new(&lint::DUPLICATE_CLAUSE, at, format!("`{word}` is given twice"))
        .label("again here")
        .related(first, "first given here");
    match word {
        "expect" => {
            finding.help("give one of them to a block around: `expect LINT \"reason\" { … }`")
        }
        _ => finding.help("join them, or remove one: a list takes several members, by commas"),
    }
}

pub fn misplaced_clause(at: Span, word: &str, verb: &str, around: Span) -> Finding {
    let message = format!("`{word}` means nothing with `{verb}`");
    let finding = Finding::new(&lint::MISPLACED_CLAUSE, at, message).label("not here");
    let finding = if at == around { finding } else { finding.related(around, "of this statement") };
    match word {
        "connections" => {
            finding.help("give it to the rule of the chain that allows, drops or rejects")
        }
        "with" => finding.help("only `reject` answers, so only it can say how"),
        "as" => finding.help("`as` names the new source of `snat`"),
        "at" => finding.help("`at` names the public address of `forward` and `redirect`"),
        "on" => finding.help("write `in` or `out` and the interface: `on` goes with `netmap`"),
        "hairpin" => finding.help("`hairpin` goes with `forward`"),
        "state" => finding.help("translations are for new connections always"),
        "log" if verb == "log" => finding.help("leave one of the two out"),
        "limit" | "log" | "user" | "group" | "flags" | "length" | "ttl" => {
            finding.help(format!("give `{word}` to the rule that allows or drops these packets"))
        }
        _ => finding.help(format!("leave `{word}` out")),
    }
}

pub fn connections_of_block(at: Span) -> Finding {
    Finding::new(&lint::MISPLACED_CLAUSE, at, "`connections` cannot head a block")
        .label("one count for several rules")
        .note("the kernel counts connections for each rule by itself")
        .help("give it to each rule of the block")
}

pub fn clause_of_another(at: Span, word: &str) -> Finding {
    let finding = Finding::new(&lint::MISPLACED_CLAUSE, at, format!("`{word}` means nothing here"))
        .label("not here");
    match word {
        "within" => finding.help("`within limits` goes with `assert`"),
        "helper" | "alias" | "tags" => {
            finding.help(format!("`{word}` goes with the definition of a service"))
        }
        _ => finding.help(format!("leave `{word}` out")),
    }
}

pub fn misplaced_statement(at: Span, what: &str) -> Finding {
    let message = format!("{what} may not stand inside a block, definition or chain");
    let finding = Finding::new(&lint::MISPLACED_STATEMENT, at, message).label("not here");
    let finding = match what {
        "`raw`" => finding.note("a block that says nothing but `expect` is the exception"),
        _ => finding,
    };
    finding.help("move it to the top level; what is defined there is known everywhere")
}

pub fn nat_in_chain(at: Span, word: &str) -> Finding {
    Finding::new(&lint::MISPLACED_STATEMENT, at, format!("`{word}` may not stand in a chain"))
        .label("a translation")
        .note("a chain is part of the filter, and translations are made elsewhere")
        .help("move it to the top level")
}

pub fn change_in_chain(at: Span, word: &str) -> Finding {
    Finding::new(&lint::MISPLACED_STATEMENT, at, format!("`{word}` may not stand in a chain"))
        .label("changes packets")
        .note("a chain is part of the filter, and packets are changed before it")
        .help("move it to the top level")
}

pub fn clause_of_no_change(at: Span, word: &str, verb: &str, around: Span) -> Finding {
    let finding = misplaced_clause(at, word, verb, around);
    let help = match word {
        "log" => format!("write a `log` statement of its own beside `{verb}`"),
        "limit" => format!("leave `limit` out of `{verb}`, and give it to the rule that allows"),
        "connections" => format!("leave it out of `{verb}`, and give it to the rule that allows"),
        _ => return finding,
    };
    finding.help(help)
}

pub fn opens_nothing(at: Span) -> Finding {
    let message =
        "no packet with these flags opens a connection, and only such a packet says a size";
    Finding::new(&lint::NEVER_MATCHES, at, message)
        .label("not SYN without RST")
        .help("leave `flags` out: `clamp mss` looks for the right packets itself")
}

pub fn acts_earlier(at: Span, above: Span) -> Finding {
    let message = "this mark is set before a statement that stands above it acts";
    Finding::new(&lint::ACTS_EARLIER, at, message)
        .label("where packets arrive")
        .related(above, "the same packets meet this later")
        .note("a mark is set where packets arrive unless an outgoing interface or `self` is said")
        .help("write it above that statement, where it acts")
}

pub fn clamp_on_input(at: Span) -> Finding {
    let message = "packets to this machine have no path to take the size of segments from";
    Finding::new(&lint::MISPLACED_CLAUSE, at, message)
        .label("this goes to `self`")
        .help("say where they leave (`to ZONE`, `to any`, `out`), or a size: `clamp mss 1360`")
}

/// A helper on traffic that it does not read.
pub fn wrong_helper(at: Span, helper: Helper, part: &str) -> Finding {
    let protocols: Vec<String> = helper.protocols().iter().map(ToString::to_string).collect();
    let reads = protocols.join(" and ");
    Finding::new(&lint::WRONG_HELPER, at, format!("the helper `{helper}` cannot read {part}"))
        .label(format!("reads {reads} only"))
        .note("the kernel refuses such a rule, and the whole file with it")
        .help(format!("give `{helper}` to ports of {reads}, other traffic a service of its own"))
}

/// A helper where no packet of its families is; `clause` is what left the others.
pub fn helper_of_other_family(at: Span, helper: Helper, service: Option<&str>) -> Finding {
    let message = format!("the kernel has the helper `{helper}` for IPv4 only");
    let finding = Finding::new(&lint::WRONG_FAMILY, at, message).label("only IPv6 is left here");
    match service {
        Some(ports) => finding.help(format!(
            "name the ports without the helper, `{ports}`, and open what it would have opened"
        )),
        None => finding.help("leave `ipv6` out, or the helper"),
    }
}

pub fn related_not_accepted(at: Span, helper: Helper) -> Finding {
    let message = format!("what the helper `{helper}` expects is not accepted");
    Finding::new(&lint::RELATED_NOT_ACCEPTED, at, message)
        .label("opens the control connection only")
        .note("its further connections are `related`, and `implicit established` is switched off")
        .help("name `established` in `implicit`, or write `allow any state established, related`")
}

pub fn state_before_tracking(at: Span, verb: Span) -> Finding {
    Finding::new(&lint::MISPLACED_CLAUSE, at, "`state` means nothing with `notrack`")
        .label("there is no state yet")
        .related(verb, "this is decided before conntrack sees a packet")
        .help("leave `state` out")
}

pub fn not_of_answers(at: Span, word: &str, verb: Span) -> Finding {
    let message = format!("`{word}` cannot be asked of the answers too");
    Finding::new(&lint::MISPLACED_CLAUSE, at, message)
        .label("says nothing of the answers")
        .related(verb, "this is for both directions, or each would be half a connection")
        .help("say it by protocol, ports and addresses")
}

pub fn notrack_by_interface(at: Span, word: &str) -> Finding {
    let message = "`notrack` of what passes through goes by addresses on both ends";
    Finding::new(&lint::MISSING_ADDRESSES, at, message)
        .label(format!("`{word}` is an interface only"))
        .note("the interface on which a packet leaves is not known yet, in either direction")
        .help("name addresses, give the zone its nets, or say `any`")
}

pub fn untracked_answers(at: Span, rules: &[&str]) -> Finding {
    let rules: Vec<String> = rules.iter().map(|rule| format!("`{rule}`")).collect();
    Finding::new(&lint::UNTRACKED_ANSWERS, at, "the answers to these packets are not accepted")
        .label("and their answers are not tracked")
        .note("an untracked answer is not `established`, so the implicit rule does not let it pass")
        .note("whoever sends from the answers' port is taken for an answer: name the servers, if you can")
        .help(format!("write {}", rules.join(" and ")))
}

/// `gre, which has no ports`
fn without_ports(part: &str) -> String {
    match part {
        "any protocol" => "any protocol, and not every one has ports".to_owned(),
        _ => format!("{part}, which has no ports"),
    }
}

pub fn sport_without_ports(at: Span, part: &str, rule: Span) -> Finding {
    Finding::new(&lint::NO_PORTS, at, format!("source ports on {}", without_ports(part)))
        .label("no ports to look at")
        .related(rule, format!("this is about {part}"))
        .help("say the protocol: `tcp any sport 53`")
}

pub fn key_without_ports(at: Span, part: &str, rule: Span) -> Finding {
    Finding::new(&lint::NO_PORTS, at, format!("a limit by ports on {}", without_ports(part)))
        .label("no ports to count by")
        .related(rule, format!("this is about {part}"))
        .help("say the protocol (`tcp any`), or count by `source` or `destination`")
}

pub fn port_without_ports(at: Span, part: &str, verb: &str) -> Finding {
    Finding::new(&lint::NO_PORTS, at, format!("a port for {}", without_ports(part)))
        .label("no port to change")
        .help(match verb {
            "redirect" => "say the protocol: `redirect tcp 80 ...`",
            _ => "leave the port out, or say the protocol: `forward tcp 443 ...`",
        })
}

pub fn tcp_only(at: Span, what: &str, part: &str) -> Finding {
    Finding::new(&lint::TCP_ONLY, at, format!("{what} is for tcp, and this is about {part}"))
        .label("tcp only")
        .help("say `tcp any`, or make a rule of its own for tcp")
}

pub fn owner_outside_output(at: Span) -> Finding {
    let message = "only packets that this machine sends have a user";
    Finding::new(&lint::MISPLACED_CLAUSE, at, message)
        .label("not in input or forward")
        .help("add `out` or `from self`")
}

pub fn owner_in_chain(at: Span, jump: Span, chain: &str) -> Finding {
    let message = "only packets that this machine sends have a user";
    Finding::new(&lint::MISPLACED_CLAUSE, at, message)
        .label("not in input or forward")
        .related(jump, "reached from here")
        .help(format!("jump from output only: `jump {chain} out`"))
}

pub fn mac_in_chain(at: Span, jump: Span, chain: &str) -> Finding {
    Finding::new(&lint::MISPLACED_CLAUSE, at, "packets that this machine sends have no source MAC")
        .label("not in output")
        .related(jump, "reached from here")
        .help(format!("jump from input or forward only: `jump {chain} from any`"))
}

pub fn ipsec_in_chain(at: Span, jump: Span) -> Finding {
    let message = "`via ipsec` in a chain is about packets that came in";
    Finding::new(&lint::MISPLACED_CLAUSE, at, message)
        .label("not in output")
        .related(jump, "reached from here")
        .help("give the `jump` the clause: `jump … out via ipsec`")
}

pub fn no_interface_in_chain(at: Span, jump: Span, hook: Hook) -> Finding {
    let (label, what) = match hook {
        Hook::Input => ("an outgoing interface", "packets to this machine leave on none"),
        Hook::Forward => ("an interface", "packets through it have both"),
        Hook::Output => ("an incoming interface", "packets of this machine come in on none"),
    };
    Finding::new(&lint::NEVER_MATCHES, at, format!("no packet can match: {what}"))
        .label(label)
        .related(jump, "the chain is reached from here, and from nowhere else than such rules")
        .help("take it out, or jump from where packets have such an interface")
}

pub fn mac_on_output(at: Span) -> Finding {
    Finding::new(&lint::MISPLACED_CLAUSE, at, "packets that this machine sends have no source MAC")
        .label("not in output")
        .help("leave `mac` out, or match what comes in")
}

pub fn answer_of_one_family(at: Span, word: &str, family: Family) -> Finding {
    let (missing, other) = match family {
        Family::V4 => ("IPv4", "ipv6"),
        Family::V6 => ("IPv6", "ipv4"),
    };
    Finding::new(&lint::WRONG_FAMILY, at, format!("{missing} has no answer `{word}`"))
        .label(format!("not in {missing}"))
        .help(format!("say `{other}` in the rule, or answer `icmp-port-unreachable`"))
}

pub fn traffic_of_other_family(at: Span, part: &str, clause: Option<Span>) -> Finding {
    let finding = Finding::new(&lint::WRONG_FAMILY, at, format!("{part} is of the other family"))
        .label("never in a packet of this rule");
    match clause {
        Some(clause) => finding.related(clause, "the rule is for this family only"),
        None => finding,
    }
    .help("leave the family out, or name the type of the other family")
}

/// A header of IPv6 that is asked for as if it were a protocol.
pub fn header_is_no_protocol(at: Span, protocol: Protocol) -> Finding {
    let asks = ipv6_header_match(protocol);
    Finding::new(&lint::WRONG_FAMILY, at, format!("`{protocol}` is no protocol of IPv6"))
        .label("a header before the protocol there")
        .note("rules of IPv6 pass this header over and ask for the protocol behind it")
        .help(format!(
            "name that protocol, or ask for the header by `{asks}` in a `raw v6` statement"
        ))
}

pub fn addresses_of_other_family(at: Span, clause: Option<Span>) -> Finding {
    let finding = Finding::new(&lint::WRONG_FAMILY, at, "these addresses are of the other family")
        .label("no address of the rule's family");
    match clause {
        Some(clause) => finding.related(clause, "the rule is for this family only"),
        None => finding,
    }
    .help("leave the family out, or name addresses of it")
}

pub fn not_a_default(at: Span, word: &str) -> Finding {
    Finding::new(&lint::MISPLACED_STATEMENT, at, format!("`{word}` is no default"))
        .label("not a verdict")
        .help("a default is allow, drop or reject")
}

/// `meant` is what says it, as a default of its own or as a rule.
pub fn clause_of_default(
    at: Span,
    word: &str,
    around: Span,
    is_direction: bool,
    meant: &str,
) -> Finding {
    let finding = misplaced_clause(at, word, "default", around);
    if is_direction {
        return finding
            .note("the directions of a default are `input`, `forward` and `output`")
            .help(format!("write `{meant}`"));
    }
    match word {
        "with" | "comment" | "owner" | "ticket" | "until" | "expect" | "as" | "at" | "on"
        | "hairpin" => finding,
        _ => finding
            .note("a default is about all that no rule decides")
            .help(format!("write a rule of its own: `{meant}`")),
    }
}

pub fn unknown_direction(at: Span, word: &str) -> Finding {
    let known = ["input", "forward", "output"];
    let finding = super::unknown_word(at, word, "direction", &known);
    let meant = match word {
        "incoming" | "inbound" | "ingress" => "input",
        "outgoing" | "outbound" | "egress" => "output",
        "routed" | "forwarded" => "forward",
        _ => return finding,
    };
    finding.help(format!("write `{meant}`"))
}

pub fn default_twice(at: Span, first: Span) -> Finding {
    Finding::new(&lint::DUPLICATE_DEFINITION, at, "the default of this direction is said twice")
        .label("again here")
        .related(first, "first said here")
        .help("remove one of them")
}

pub fn implicit_twice(at: Span, first: Span) -> Finding {
    Finding::new(&lint::DUPLICATE_DEFINITION, at, "the implicit rules are listed twice")
        .label("again here")
        .related(first, "first listed here")
        .help("join the two lists")
}

pub fn implicit_left_out(at: Span, name: &str) -> Finding {
    let outage = match name {
        "invalid" => "packets that belong to no connection reach the rules",
        _ => "this machine gets no IPv6 address by DHCP",
    };
    Finding::new(&lint::IMPLICIT_LEFT_OUT, at, format!("the implicit rule `{name}` is left out"))
        .label("not named here")
        .note(format!("unless a rule does the same, {outage}"))
        .help(format!("name `{name}` here, or write a rule that does the same"))
}

/// `to_any` when the first statement that forwards has nothing but that for a destination.
pub fn forwarding_needed(at: Span, to_any: bool) -> Finding {
    let message = "packets are forwarded only when the kernel is told to";
    let finding = Finding::new(&lint::FORWARDING_NEEDED, at, message).label("this forwards");
    let finding = if to_any {
        finding.note("`to any` is all other machines; without `to` a rule is about this one")
    } else {
        finding
    };
    finding.help(
        "set net.ipv4.ip_forward=1, and net.ipv6.conf.all.forwarding=1 for IPv6, in \
             /etc/sysctl.d",
    )
}
