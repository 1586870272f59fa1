//! Messages about where packets come from and go to.

use crate::diagnostic::{Finding, catalogue as lint};
use crate::net::{Family, Protocol};
use crate::resolve::ends::EndKind;
use crate::resolve::policy::Hook;
use crate::source::Span;

fn word(hook: Hook) -> &'static str {
    match hook {
        Hook::Input => "input",
        Hook::Forward => "forward",
        Hook::Output => "output",
    }
}

/// `zone` is the one whose nets have it, if there is one.
pub fn ambiguous_destination(at: Span, text: &str, zone: Option<&str>) -> Finding {
    let message = format!("`{text}` may be this machine or another: its place is not said");
    Finding::new(&lint::AMBIGUOUS_DESTINATION, at, message)
        .label("where is this?")
        .note("packets to this machine meet other rules than packets through it")
        .help(format!(
            "write `{text}@self` for an address of this machine, {}, or `from self` for packets \
             that this machine sends",
            match zone {
                Some(zone) => format!("`{text}@{zone}` for a host of the zone `{zone}`"),
                None => format!("`{text}@ZONE` for a host of a zone"),
            }
        ))
}

pub fn out_without_from(at: Span) -> Finding {
    let message = "an outgoing interface does not say whose packets are meant";
    Finding::new(&lint::AMBIGUOUS_DIRECTION, at, message).label("whose packets?").help(
        "write `from self` for packets that this machine sends, or `from any` or `in INTERFACE` \
             for packets that pass through it",
    )
}

pub fn two_directions(at: Span, around: Span, hook: Hook) -> Finding {
    Finding::new(&lint::CONFLICTING_DIRECTION, at, "two directions at once")
        .label("asks for another direction")
        .related(around, format!("the direction is {} here", word(hook)))
        .help("take it out of the block")
}

pub fn not_in_direction(at: Span, around: Span, hook: Hook) -> Finding {
    let (what, help) = match hook {
        Hook::Input => (
            "input is what comes to this machine from elsewhere",
            "take the rule out of the block, or name an address of this machine",
        ),
        Hook::Forward => (
            "forward is what passes through this machine",
            "for this machine's own packets leave the block and write `self`",
        ),
        Hook::Output => (
            "output is what this machine sends",
            "in output, `from` may name addresses of this machine only",
        ),
    };
    Finding::new(&lint::CONFLICTING_DIRECTION, at, format!("this cannot be in {}", word(hook)))
        .label("contradicts the direction")
        .related(around, format!("the direction is {} here", word(hook)))
        .note(what)
        .help(help)
}

pub fn in_from_self(at: Span, end: Span) -> Finding {
    let message = "packets of this machine itself come in on no interface";
    Finding::new(&lint::CONFLICTING_DIRECTION, at, message)
        .label("an incoming interface")
        .related(end, "and packets that this machine sends")
        .help("leave out `in`, or write where the packets come from instead of `self`")
}

pub fn out_to_self(at: Span, end: Span) -> Finding {
    let message = "packets to this machine leave on no interface";
    Finding::new(&lint::CONFLICTING_DIRECTION, at, message)
        .label("an outgoing interface")
        .related(end, "and packets to this machine")
        .help("leave out `out`, or write another destination")
}

pub fn direction_in_chain(at: Span) -> Finding {
    let message = "a chain has no direction: it has that of the rules that jump to it";
    Finding::new(&lint::CONFLICTING_DIRECTION, at, message)
        .label("a direction")
        .help("say the direction where you jump")
}

pub fn self_in_chain(at: Span) -> Finding {
    let message = "`self` has no meaning in a chain, whose direction is that of its callers";
    Finding::new(&lint::CONFLICTING_DIRECTION, at, message)
        .label("not here")
        .help("say `self` where you jump to the chain")
}

pub fn empty_intersection(at: Span, what: &str) -> Finding {
    Finding::new(
        &lint::NEVER_MATCHES,
        at,
        format!("no packet can match: the {what} exclude each other"),
    )
    .label("has nothing in common with the rest")
    .help("take one of the two out")
}

pub fn empty_list(at: Span) -> Finding {
    Finding::new(&lint::NEVER_MATCHES, at, "nothing is left of this list after its `except`")
        .label("empty")
        .help("`except` takes from everything before it; use parentheses to take from a part")
}

pub fn no_family_left(at: Span) -> Finding {
    let message = "no packet can match: the parts of this statement share no address family";
    Finding::new(&lint::NEVER_MATCHES, at, message)
        .label("one is IPv4 only, another IPv6 only")
        .help("name addresses, types and services of one family")
}

pub fn placed_twice(at: Span, end: Span) -> Finding {
    Finding::new(&lint::CONFLICTING_DIRECTION, at, "only an address can be placed with `@`")
        .label("placed here")
        .related(end, "not an address")
        .help("leave the `@` out, with what follows it")
}

pub fn not_a_zone(at: Span, text: &str) -> Finding {
    Finding::new(&lint::UNKNOWN_NAME, at, format!("`{text}` is not a zone"))
        .label("a zone was expected")
        .help(format!("zones are defined like this: `zone {text} = eth1`"))
}

pub fn outside_its_zone(at: Span, zone: Span, text: &str) -> Finding {
    let message = format!("the address is not one of zone `{text}`");
    Finding::new(&lint::NEVER_MATCHES, at, message)
        .label("outside the zone's nets")
        .related(zone, "the zone that is named")
        .help("add its network to the zone, or place it in another")
}

pub fn zone_net_is_no_address(at: Span) -> Finding {
    Finding::new(&lint::BAD_ADDRESS, at, "the nets of a zone are addresses")
        .label("not an address")
        .help("write networks such as 10.0.0.0/24, or a `let` of such")
}

pub fn cannot_exclude(at: Span, kind: EndKind) -> Finding {
    let what = match kind {
        EndKind::Machine => "`self`",
        EndKind::Zone | EndKind::Any | EndKind::Address => "a zone with interfaces",
    };
    let message = format!("{what} cannot be excluded: only addresses can");
    Finding::new(&lint::BAD_ADDRESS, at, message)
        .label("not an address")
        .help("exclude its networks, or name the zones that you do mean")
}

pub fn zone_without_interfaces(at: Span, text: &str, zone: Span) -> Finding {
    let message = format!("zone `{text}` has no interfaces");
    Finding::new(&lint::BAD_INTERFACE, at, message)
        .label("an interface was expected")
        .related(zone, "defined with nets only")
        .help("give the zone its interfaces, or name the interface here")
}

pub fn interface_slip(at: Span, text: &str, near: &str) -> Finding {
    let message = format!("`{text}` is not a zone, and looks like a slip for `{near}`");
    Finding::new(&lint::UNKNOWN_NAME, at, message)
        .label("a zone or an interface?")
        .help(format!("write `{near}`, or \"{text}\" in quotes for an interface of this name"))
}

pub fn overlapping_zones(at: Span, text: &str, first: Span) -> Finding {
    let message = format!("zone `{text}` shares an interface and addresses with another zone");
    Finding::new(&lint::OVERLAPPING_ZONES, at, message)
        .label("defined here")
        .related(first, "the other zone")
        .help("give zones on one interface nets that do not overlap")
}

fn family_word(family: Family) -> &'static str {
    match family {
        Family::V4 => "IPv4",
        Family::V6 => "IPv6",
    }
}

pub fn family_not_dropped(at: Span, family: Family, text: &str, rule: Span) -> Finding {
    let name = family_word(family);
    let message = format!("this stops nothing in {name}: the zone of `{text}` has no {name} nets");
    Finding::new(&lint::FAMILY_NOT_DROPPED, at, message)
        .label(format!("no {name} nets"))
        .related(rule, "the rule that loses a family")
        .help(format!(
            "give the zone {name} nets, name its interface (`in`), or write `{}`",
            match family {
                Family::V4 => "ipv6",
                Family::V6 => "ipv4",
            }
        ))
}

pub fn all_of_one_family(at: Span, family: Family, text: &str, rule: Span) -> Finding {
    let name = family_word(family);
    let message =
        format!("this stops nothing in {name}: `{text}` is everybody of the other family");
    Finding::new(&lint::FAMILY_NOT_DROPPED, at, message)
        .label(format!("nobody of {name}"))
        .related(rule, "the rule that loses a family")
        .help(format!(
            "write `any`, or `{}` in the rule if that is meant",
            match family {
                Family::V4 => "ipv6",
                Family::V6 => "ipv4",
            }
        ))
}

/// A rule that stops a header of IPv6 as if it were a protocol.
pub fn header_not_dropped(at: Span, protocol: Protocol) -> Finding {
    let message = format!("this stops no `proto {protocol}` in IPv6");
    Finding::new(&lint::FAMILY_NOT_DROPPED, at, message)
        .label("in IPv4 only")
        .note("rules of IPv6 pass this header over and ask for the protocol behind it")
        .help(format!(
            "write `ipv4` in the rule if that is meant; for IPv6 a rule such as \
             `raw v6 filter INPUT \"{} -j DROP\"`",
            ipv6_header_match(protocol)
        ))
}

/// How ip6tables asks for a header of IPv6.
pub(super) fn ipv6_header_match(protocol: Protocol) -> &'static str {
    match protocol.number() {
        43 => "-m rt",
        44 => "-m frag",
        60 => "-m dst",
        _ => "-m ah",
    }
}

pub fn one_family_only(at: Span, family: Family, rule: Span) -> Finding {
    let name = family_word(family);
    let message = format!("the rule says nothing in {name}: this list has no {name} member");
    Finding::new(&lint::ONE_FAMILY_ONLY, at, message)
        .label(format!("nothing of {name}"))
        .related(rule, "another list of this rule has")
        .help(format!("add {name} addresses, or say which family is meant"))
}
