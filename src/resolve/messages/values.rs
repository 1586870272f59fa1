//! Messages about values: addresses, ports, rates, texts.

use crate::diagnostic::{Finding, catalogue as lint, nearest};
use crate::net::{AddressError, InterfaceError, PortError, PortProtocol, Prefix, Rate, RateError};
use crate::source::Span;

use super::{counted, with_article};

pub fn bad_port(at: Span, text: &str, error: &PortError) -> Finding {
    let finding = Finding::new(&lint::BAD_PORT, at, error.to_string()).label("not a port");
    match error {
        PortError::Reversed { low, high } => {
            finding.label("reversed").help(format!("write `{high}-{low}`"))
        }
        PortError::TooLarge(_) => finding.label("too high").help("ports are 0 to 65535"),
        PortError::NotANumber => finding.help(format!(
            "`{text}` is not a decimal number; a port is 0 to 65535, a range `8000-8100`"
        )),
    }
}

pub fn bad_length(at: Span, text: &str, error: &PortError) -> Finding {
    let finding = Finding::new(&lint::BAD_VALUE, at, format!("`{text}` is not a packet length"))
        .label("not a length");
    match error {
        PortError::Reversed { low, high } => finding.help(format!("write `{high}-{low}`")),
        PortError::TooLarge(_) | PortError::NotANumber => {
            finding.help("lengths are 0 to 65535, a range `0-100`")
        }
    }
}

pub fn one_port_expected(at: Span) -> Finding {
    Finding::new(&lint::BAD_PORT, at, "a translation goes to one port, not to a range")
        .label("a range")
        .help("name one port; a `forward` without a port keeps the original one")
}

pub fn bad_address(at: Span, text: &str, error: &AddressError) -> Finding {
    let message = match error {
        AddressError::NotAnAddress => format!("`{text}` is not an address"),
        AddressError::Reversed | AddressError::MixedRange => {
            format!("`{text}` is not a range: {error}")
        }
        AddressError::OctetTooLarge(_)
        | AddressError::PartCount(_)
        | AddressError::LeadingZero(_)
        | AddressError::LengthTooLarge { .. }
        | AddressError::BrokenMask(_) => format!("`{text}` is not an address: {error}"),
    };
    let finding = Finding::new(&lint::BAD_ADDRESS, at, message).label("not an address");
    match error {
        AddressError::MixedRange => finding
            .label("not a range")
            .help("write a range for each family: `10.0.0.5-10.0.0.9, 2001:db8::5-2001:db8::9`"),
        AddressError::Reversed => {
            finding.label("not a range").help("write the lower address first")
        }
        AddressError::LeadingZero(part) => {
            let plain = part.trim_start_matches('0');
            let plain = if plain.is_empty() { "0" } else { plain };
            finding.help(format!("write `{plain}` instead of `{part}`"))
        }
        AddressError::NotAnAddress => {
            finding.help("addresses look like 192.0.2.1, 10.0.0.0/8 or 2001:db8::/32")
        }
        AddressError::PartCount(_) => finding.help("write all four parts, as in 10.0.0.0/8"),
        AddressError::OctetTooLarge(_)
        | AddressError::LengthTooLarge { .. }
        | AddressError::BrokenMask(_) => finding,
    }
}

pub fn host_bits(at: Span, text: &str, network: Prefix) -> Finding {
    let message = format!("`{text}` has bits beyond its prefix; the network {network} is taken");
    Finding::new(&lint::HOST_BITS, at, message)
        .label(format!("taken as {network}"))
        .help(match text.split_once('/') {
            Some((address, _)) => format!("write `{network}`, or `{address}` for the one address"),
            None => format!("write `{network}`"),
        })
        .fix("write the network itself", at, network.to_string())
}

pub fn bad_interface(at: Span, text: &str, error: &InterfaceError) -> Finding {
    let message = match error {
        InterfaceError::Empty => "the name of an interface is empty".to_owned(),
        InterfaceError::TooLong { .. } | InterfaceError::BadCharacter(_) => {
            format!("`{text}` is not an interface: {error}")
        }
    };
    let finding = match error {
        InterfaceError::TooLong { .. } => Finding::new(&lint::NAME_TOO_LONG, at, message),
        InterfaceError::Empty | InterfaceError::BadCharacter(_) => {
            Finding::new(&lint::BAD_INTERFACE, at, message)
        }
    };
    let finding = finding.label("not an interface name");
    match error {
        InterfaceError::BadCharacter(':') => finding.help(
            "`eth0:1` is a second address of eth0, not an interface; name the address instead",
        ),
        InterfaceError::TooLong { .. } => {
            finding.help("look the name up with `ip link`, or end it in `+` for a prefix")
        }
        InterfaceError::Empty => finding.help("to mean every interface, leave the condition out"),
        InterfaceError::BadCharacter(_) => finding.help("look the name up with `ip link`"),
    }
}

pub fn bad_number(at: Span, text: &str, what: &str, min: u32, max: u32) -> Finding {
    let what = with_article(what);
    Finding::new(&lint::BAD_VALUE, at, format!("`{text}` is not {what}"))
        .label(format!("not {what}"))
        .help(format!("{what} is a number from {min} to {max}"))
}

pub fn bad_date(at: Span, text: &str) -> Finding {
    Finding::new(&lint::BAD_VALUE, at, format!("`{text}` is not a day of the calendar"))
        .label("not a date")
        .help("a date is written `2026-12-31`: year, month, day")
}

/// `empty` says that it was read, and has no time in it.
pub fn bad_hours(at: Span, text: &str, empty: bool) -> Finding {
    if empty {
        let message = format!("`{text}` begins and ends at one time");
        return Finding::new(&lint::BAD_VALUE, at, message)
            .label("no time at all, or all of it?")
            .help("leave the hours out to mean the whole day: `during mon-fri`");
    }
    Finding::new(&lint::BAD_VALUE, at, format!("`{text}` is not a time window"))
        .label("not a time window")
        .help("hours are written `09:00-17:30`, 00:00 to 23:59; `22:00-06:00` goes past midnight")
}

pub fn bad_rate(at: Span, text: &str, error: &RateError) -> Finding {
    let message = match error {
        RateError::NotARate => format!("`{text}` is not a rate"),
        RateError::UnknownUnit(_) | RateError::Zero | RateError::TooFast => {
            format!("`{text}` is not a rate that can be kept: {error}")
        }
    };
    Finding::new(&lint::BAD_LIMIT, at, message)
        .label("not such a rate")
        .help("write so many a second, minute, hour or day: `5/minute`")
}

pub fn bad_burst(at: Span, text: &str, max: u32) -> Finding {
    Finding::new(&lint::BAD_LIMIT, at, format!("`{text}` is not a burst that can be kept"))
        .label("not such a burst")
        .help(format!("a burst is a number from 1 to {max}"))
}

pub fn drains_too_slowly(at: Span, rate: Rate, burst: u32, most: u64) -> Finding {
    let message = format!("a burst of {burst} at {rate} is more than the kernel counts rightly");
    let finding = Finding::new(&lint::BAD_LIMIT, at, message)
        .label("too slow for such a burst")
        .note("a full bucket must drain within a day; more is counted wrongly by the kernel");
    match most {
        0 => finding.help("take a faster rate"),
        most => finding.help(format!("take a burst of at most {most}, or a faster rate")),
    }
}

pub fn bad_mac(at: Span, text: &str) -> Finding {
    Finding::new(&lint::BAD_VALUE, at, format!("`{text}` is not a MAC address"))
        .label("not a MAC address")
        .help("write six pairs of hexadecimal digits: 00:16:3e:00:00:01")
}

pub fn mark_outside_mask(at: Span, value: u32, mask: u32) -> Finding {
    let message = format!("mark {value:#x} has bits outside its mask {mask:#x}, so nothing has it");
    Finding::new(&lint::NEVER_MATCHES, at, message)
        .label("outside the mask")
        .help(format!("write `{:#x}/{mask:#x}`, or a mask with these bits", value & mask))
}

pub fn mark_not_in_mask(at: Span, value: u32, mask: u32) -> Finding {
    let message = format!("mark {value:#x} has bits outside its mask {mask:#x}, which are not set");
    Finding::new(&lint::BAD_VALUE, at, message)
        .label("outside the mask")
        .help(format!("write a mask that has them: `mark {value:#x}/{:#x}`", value | mask))
}

pub fn empty_mask(at: Span) -> Finding {
    Finding::new(&lint::BAD_VALUE, at, "a mask without bits sets nothing")
        .label("no bit")
        .help("name the bits that are set, or leave the mask out to set all")
}

pub fn sticky_nothing(at: Span) -> Finding {
    Finding::new(&lint::BAD_VALUE, at, "a mark of 0 cannot stay")
        .label("no bit is set")
        .note("a connection that nothing marked has 0, so it would be marked again and again")
        .help("take another number, or leave `sticky` out")
}

pub fn bad_account(at: Span) -> Finding {
    Finding::new(&lint::BAD_VALUE, at, "this is not a user or group")
        .label("not a name")
        .help("write a name of the system, such as `www-data`, or a number")
}

pub fn name_beside_number(at: Span, other: Span) -> Finding {
    let message = "one is told by its name, another by a number: they may be the same";
    Finding::new(&lint::BAD_VALUE, at, message)
        .label("this one")
        .related(other, "another one")
        .note("which number a name has is known only where the rules are loaded")
        .help("write names for all users, or numbers for all; for groups likewise")
}

pub fn bad_log_level(at: Span, text: &str, known: &[&str]) -> Finding {
    let finding = Finding::new(&lint::BAD_VALUE, at, format!("`{text}` is not a log level"))
        .label("not a level")
        .note(format!("levels are {}, or 0 to 7", known.join(", ")));
    match nearest(text, known.iter().copied()) {
        Some(near) => finding.help(format!("did you mean `{near}`?")),
        None => finding,
    }
}

pub fn empty_text(at: Span, what: &str) -> Finding {
    Finding::new(&lint::BAD_VALUE, at, format!("the {what} is empty"))
        .label("nothing is said here")
        .help("say something, or leave it out")
}

pub fn control_character(at: Span, what: &str) -> Finding {
    Finding::new(&lint::BAD_VALUE, at, format!("the {what} has a control character"))
        .label("in this text")
        .help("keep to characters that can be seen, and to blanks")
}

pub fn text_too_long(at: Span, what: &str, length: usize, max: usize) -> Finding {
    let message = format!("the {what} is too long: {length} bytes, and the kernel keeps {max}");
    Finding::new(&lint::TEXT_TOO_LONG, at, message)
        .label("would be cut without a word")
        .help(format!("shorten it by {}", counted(length - max, "byte")))
}

pub fn protocol_without_ports(at: Span, protocol: PortProtocol) -> Finding {
    Finding::new(&lint::BAD_PORT, at, format!("`{protocol}` needs its ports"))
        .label("no port follows")
        .help(format!("write `{protocol} 22`, or `{protocol} any` for every port"))
}

pub fn number_continues_nothing(
    at: Span,
    before: Option<Span>,
    written: Option<String>,
) -> Finding {
    let finding = match before {
        Some(before) => {
            Finding::new(&lint::NO_PORTS, at, "what stands before has no ports to continue")
                .related(before, "after this no ports can follow")
        }
        None => Finding::new(&lint::BAD_PORT, at, "this number belongs to no protocol"),
    };
    match written {
        Some(written) => finding.label("of what?").help(format!("write `{written}`")),
        None => finding.label("a port of what?").help("say the protocol first: `tcp 80`"),
    }
}

pub fn interface_as_subject(at: Span) -> Finding {
    Finding::new(&lint::UNKNOWN_NAME, at, "an interface is not a service")
        .label("a service or protocol was expected")
        .help("interfaces follow `in` and `out`")
}

pub fn port_in_list(at: Span) -> Finding {
    Finding::new(&lint::BAD_PORT, at, "a port cannot stand with an address here")
        .label("not here")
        .help("say ports before the addresses: `allow tcp 443 to web`")
}

pub fn flags_outside_mask(at: Span) -> Finding {
    let message = "a flag is to be set that is not looked at, so nothing matches";
    Finding::new(&lint::NEVER_MATCHES, at, message)
        .label("behind the slash stand the flags that are looked at")
        .help("name every flag of the left side on the right too: `flags syn / syn,ack,fin,rst`")
}

pub fn key_twice(at: Span, around: Span) -> Finding {
    Finding::new(&lint::DUPLICATE_CLAUSE, at, "the limit is counted by this key already")
        .label("again")
        .related(around, "of this limit")
        .help("name each key once")
}

pub fn length_only_for_source(at: Span) -> Finding {
    Finding::new(&lint::BAD_VALUE, at, "only `source` can be counted by network")
        .label("a prefix length")
        .help("leave the length out")
}

pub fn connections_per_source_only(at: Span) -> Finding {
    Finding::new(&lint::BAD_VALUE, at, "connections are counted per source only")
        .label("not by this")
        .help("write `per source` or `per source/24`")
}
