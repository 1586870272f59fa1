//! Messages about NAT statements.

use std::net::IpAddr;

use crate::diagnostic::{Finding, catalogue as lint};
use crate::net::{Family, Prefix};
use crate::source::Span;

pub fn nat_in_direction(at: Span, word: &str, around: Span) -> Finding {
    let message = format!("`{word}` may not stand in a direction block");
    Finding::new(&lint::MISPLACED_STATEMENT, at, message)
        .label("a translation")
        .related(around, "this block")
        .help("move it out of the block")
}

pub fn source_nat_of_self(at: Span, word: &str) -> Finding {
    Finding::new(&lint::CONFLICTING_DIRECTION, at, format!("`self` cannot stand in `{word}`"))
        .label("this machine")
        .note("translations are for what leaves by an interface, this machine's packets too")
        .help(format!(
            "name the interface: `{word} {}`",
            match word {
                "masquerade" => "eth0 out",
                "snat" => "out eth0 as 203.0.113.5",
                _ => "out eth0",
            }
        ))
}

/// `leaves` when it is said where the packets leave.
pub fn place_in_source_nat(
    at: Span,
    word: &str,
    verb: &str,
    is_place: bool,
    leaves: bool,
) -> Finding {
    let message = format!("there is no service `{word}`");
    let what = if is_place { "a place" } else { "an interface" };
    let comes = if is_place { format!("from {word}") } else { format!("in {word}") };
    Finding::new(&lint::UNKNOWN_NAME, at, message)
        .label("not a service")
        .note(format!("`{word}` is {what}"))
        .help(if leaves { format!("write `{comes}` for what comes from there") } else { format!(
                "write `{verb} {word} out` for what leaves there, or `{comes}` for what comes from there"
            ) })
}

pub fn masquerade_without_interface(at: Span) -> Finding {
    Finding::new(
        &lint::MISSING_TARGET,
        at,
        "`masquerade` needs the interface that packets leave on",
    )
    .label("no interface here")
    .help("write `masquerade eth0 out`, or `to` a zone that has interfaces")
}

pub fn out_without_interface(at: Span, word: &str) -> Finding {
    Finding::new(
        &lint::MISSING_TARGET,
        at,
        format!("an interface or zone belongs between `{word}` and `out`"),
    )
    .label("no interface")
    .help(format!("write `{word} eth0 out`"))
}

/// `to` is the one address that the packets go to, if there is one.
pub fn snat_without_as(at: Span, to: Option<&str>) -> Finding {
    let finding = Finding::new(&lint::MISSING_TARGET, at, "`snat` needs the new source address")
        .label("no `as`");
    if let Some(to) = to {
        return finding
            .note("`to` says where the packets go, not which source they get")
            .help(format!("write `as {to}` for `to {to}` if that is the new source, or `as` too"));
    }
    finding.help("write `as 203.0.113.5`; for the address of the interface, write `masquerade`")
}

pub fn one_range_expected(at: Span, family: Family) -> Finding {
    let message = format!("the new source is one address or one range in {family}");
    Finding::new(&lint::MISSING_TARGET, at, message)
        .label("not one address or range")
        .help("name one address, or one range such as 203.0.113.5-203.0.113.9")
}

pub fn translation_of_other_family(at: Span, clause: Option<Span>) -> Finding {
    let message = "nothing is translated: the packets are of the other family";
    let finding =
        Finding::new(&lint::WRONG_FAMILY, at, message).label("no address of the packets' family");
    match clause {
        Some(clause) => finding.related(clause, "the statement is for this family only"),
        None => finding,
    }
    .help("name an address of the packets' family here, or packets of the address's family")
}

pub fn port_without_translation(at: Span) -> Finding {
    let message = "the port of this IPv6 target cannot be changed: nothing is translated there";
    Finding::new(&lint::MISSING_TARGET, at, message)
        .label("another port than that of the packets")
        .note("an IPv6 target is reached by its own address, unless `at` names a public one")
        .help(
            "name a public IPv6 address too (`at 203.0.113.7, 2001:db8::7`), or write a `forward` \
             of its own for IPv6, without the port",
        )
}

pub fn target_port_zero(at: Span) -> Finding {
    Finding::new(&lint::BAD_PORT, at, "port 0 cannot be a target")
        .label("nothing listens there")
        .help("name a port from 1 to 65535")
}

pub fn forward_without_target(at: Span) -> Finding {
    Finding::new(&lint::MISSING_TARGET, at, "`forward` needs the host that packets go to")
        .label("no `to`")
        .help("write `to 10.0.0.2@lan`, with `:8443` behind the address for another port")
}

pub fn target_is_no_address(at: Span) -> Finding {
    Finding::new(&lint::MISSING_TARGET, at, "the target of a translation is a single address")
        .label("not one address")
        .help("name one host, such as 10.0.0.2@lan; what is to pass through, `allow` lets through")
}

/// A target to which nothing would come.
pub fn target_is_never_routed(at: Span, address: IpAddr) -> Finding {
    Finding::new(&lint::MISSING_TARGET, at, format!("nothing is forwarded to {address}"))
        .label("not the address of a host behind a router")
        .help("name an address of the host by which others reach it")
}

pub fn target_without_address(at: Span) -> Finding {
    Finding::new(&lint::MISSING_TARGET, at, "the target of `forward` lacks its address")
        .label("a port alone")
        .help("name the host; to hand packets to a port of this machine, write `redirect`")
}

pub fn two_targets(at: Span, family: Family) -> Finding {
    Finding::new(&lint::MISSING_TARGET, at, format!("more than one {family} target"))
        .label("which of them?")
        .help("name one address for each family; connections are not spread over several")
}

pub fn targets_in_two_places(at: Span, first: Span) -> Finding {
    Finding::new(&lint::MISSING_TARGET, at, "the targets are in two places")
        .label("another place than the first")
        .related(first, "the first target")
        .help("write a `forward` for each")
}

pub fn two_ports(at: Span) -> Finding {
    Finding::new(&lint::MISSING_TARGET, at, "the targets have two different ports")
        .label("another port than the first")
        .help("write a `forward` for each")
}

pub fn forward_from_self(at: Span, word: &str) -> Finding {
    let message = "`self` cannot be the source: this machine's own packets take another way";
    Finding::new(&lint::CONFLICTING_DIRECTION, at, message).label("this machine").help(match word {
        "redirect" => "name where the packets come from: `redirect tcp 80 from lan ...`",
        _ => "`hairpin self` includes this machine's own packets in a `forward`",
    })
}

pub fn zone_where_address_expected(at: Span, word: &str) -> Finding {
    Finding::new(&lint::MISSING_TARGET, at, format!("`{word}` takes addresses"))
        .label("not an address")
        .help(format!("write the public address: `{word} 203.0.113.7`"))
}

pub fn hairpin_without_address(at: Span, zone: &str) -> Finding {
    let message = format!(
        "zone `{zone}` has no nets, so its own addresses cannot be told from the public one"
    );
    Finding::new(&lint::MISSING_TARGET, at, message).label("a zone without nets").help(format!(
        "name the public address (`at 203.0.113.7`), or give the zone its nets \
             (`zone {zone} = ... {{ 10.0.0.0/24 }}`)"
    ))
}

pub fn hairpin_at_any(at: Span) -> Finding {
    let message = "with `at any`, `hairpin` would take all that the zone sends anywhere";
    Finding::new(&lint::MISSING_TARGET, at, message)
        .label("it reaches the host by which address?")
        .help("name the public address: `at 203.0.113.7`")
}

pub fn hairpin_is_no_zone(at: Span) -> Finding {
    Finding::new(&lint::UNKNOWN_NAME, at, "`hairpin` takes zones with interfaces, or `self`")
        .label("not such a zone")
        .help("name the zone that the target is in")
}

pub fn hairpin_of_other_family(at: Span) -> Finding {
    let message = "this zone has no address of the family that is translated";
    Finding::new(&lint::WRONG_FAMILY, at, message)
        .label("its packets are of the other family")
        .help("leave it out, or name a target and a public address of its family")
}

pub fn hairpin_without_translation(at: Span) -> Finding {
    let message = "`hairpin` has nothing to do: the IPv6 target is not translated";
    Finding::new(&lint::WRONG_FAMILY, at, message)
        .label("everybody uses the target's own address")
        .help("leave `hairpin` out, or name a public IPv6 address with `at`")
}

pub fn redirect_except(at: Span) -> Finding {
    Finding::new(&lint::MISPLACED_CLAUSE, at, "nothing can be excepted from a port")
        .label("not a port")
        .help("the original destinations stand behind `at`: `at any except 10.0.0.1`")
}

pub fn redirect_without_port(at: Span) -> Finding {
    Finding::new(&lint::MISSING_TARGET, at, "`redirect` goes to a port of this machine")
        .label("a port alone belongs here")
        .help("write `to :3128`; for another host, write `forward`")
}

pub fn netmap_incomplete(at: Span, word: &str) -> Finding {
    Finding::new(&lint::MISSING_TARGET, at, format!("`netmap` lacks its `{word}`"))
        .label("not complete")
        .help("write `netmap 203.0.113.0/28 to 10.0.0.0/28 on wan`")
}

pub fn netmap_unequal(at: Span, outside: Prefix, inside: Prefix, other: Span) -> Finding {
    let message = format!("{outside} and {inside} are not of one family and size");
    Finding::new(&lint::BAD_ADDRESS, at, message)
        .label("the inside network")
        .related(other, "the outside network")
        .help("each address outside needs one inside: the prefix lengths must be equal")
}

pub fn one_network_expected(at: Span) -> Finding {
    Finding::new(&lint::BAD_ADDRESS, at, "one network is expected here")
        .label("not one network")
        .help("write a network such as 203.0.113.0/28")
}
