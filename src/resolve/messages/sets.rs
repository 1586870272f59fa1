//! Messages about sets: their files, their sizes, what is added to them.

use crate::diagnostic::{Finding, catalogue as lint, nearest};
use crate::net::{AddressError, Duration, DurationError, Family};
use crate::resolve::names::Names;
use crate::source::{LoadError, Span};

use super::{bad_address, cannot_include, counted};

pub fn set_without_file(at: Span) -> Finding {
    Finding::new(&lint::UNREADABLE_FILE, at, "the path to the list is empty")
        .label("no path here")
        .help("name a file with an address, network or range a line")
}

pub fn cannot_read_set(at: Span, path: &str, error: &LoadError) -> Finding {
    let finding = cannot_include(at, path, error).label("the list of this set");
    match error {
        LoadError::NotUtf8 { .. } => finding,
        LoadError::TooLarge { .. } => {
            finding.help("write networks where there are many addresses of one")
        }
        LoadError::System(_) => finding.help("paths are relative to the file that names them"),
    }
}

/// A line of a set's file that is no entry.
pub fn bad_entry(at: Span, text: &str, error: &AddressError) -> Finding {
    let finding = bad_address(at, text, error);
    match error {
        AddressError::NotAnAddress => {
            finding.help("a set's file has one address, network or range a line")
        }
        AddressError::OctetTooLarge(_)
        | AddressError::PartCount(_)
        | AddressError::LeadingZero(_)
        | AddressError::LengthTooLarge { .. }
        | AddressError::BrokenMask(_)
        | AddressError::Reversed
        | AddressError::MixedRange => finding,
    }
}

pub fn more_bad_entries(at: Span, file: &str, count: usize) -> Finding {
    let lines = counted(count, "more line");
    Finding::new(&lint::BAD_ADDRESS, at, format!("{lines} of `{file}` cannot be read"))
        .label("the list of this set")
        .help("a set's file has one address, network or range a line")
}

pub fn more_host_bits(at: Span, file: &str, count: usize) -> Finding {
    let lines = counted(count, "more line");
    let message = format!("{lines} of `{file}` set bits beyond their prefix");
    Finding::new(&lint::HOST_BITS, at, message)
        .label("the list of this set")
        .help("write the networks, or the addresses without a prefix length")
}

pub fn empty_set(at: Span, file: &str) -> Finding {
    Finding::new(&lint::EMPTY_SET, at, format!("`{file}` has no entry"))
        .label("the set is empty")
        .note("a rule about packets from an empty set is about none")
        .help("check that the list was fetched; if it may be empty, allow `empty-set`")
}

pub fn set_too_large(at: Span, family: Family, count: usize, most: u32) -> Finding {
    let message =
        format!("the set has {count} {family} networks, of which the kernel takes {most}");
    Finding::new(&lint::SET_TOO_LARGE, at, message)
        .label("too large")
        .note("a range counts as the networks that it is made of")
        .help("make it two sets, or write larger networks")
}

pub fn set_member_is_no_address(at: Span) -> Finding {
    Finding::new(&lint::BAD_ADDRESS, at, "a set holds addresses")
        .label("not an address")
        .help("write networks such as 10.0.0.0/24, or a `let` or set of such")
}

pub fn dynamic_set_in_a_list(at: Span, word: &str) -> Finding {
    let message = format!("what is in `{word}` is not known before it is used");
    Finding::new(&lint::BAD_ADDRESS, at, message)
        .label("a dynamic set")
        .help("name both sets in the rules: `from first, second`")
}

pub fn set_where_addresses_expected(at: Span, what: &str) -> Finding {
    let message = format!("{what} cannot be a set: its addresses must be known here");
    Finding::new(&lint::BAD_ADDRESS, at, message)
        .label("a set")
        .help("write the addresses, or a `let` of them; a set may stand in `from` and `to`")
}

pub fn part_of_a_set_excluded(at: Span) -> Finding {
    Finding::new(&lint::BAD_ADDRESS, at, "only a whole set can be excluded, not a part of one")
        .label("a part of a set")
        .help("exclude the whole set, or say the part in a rule of its own before this one")
}

pub fn sets_of_one_name(at: Span, name: &str, first: Span) -> Finding {
    let message = format!("two sets would be `{name}` in the kernel");
    Finding::new(&lint::DUPLICATE_DEFINITION, at, message)
        .label("this one")
        .related(first, "and this one")
        .help("rename one of them")
}

pub fn set_name_too_long(at: Span, name: &str, most: usize) -> Finding {
    let message =
        format!("the set is `{name}` in the kernel: {} bytes, of which {most} can be", name.len());
    Finding::new(&lint::NAME_TOO_LONG, at, message).label("too long").help("choose a shorter name")
}

pub fn sets_first(at: Span) -> Finding {
    let message = "the sets must be there before the rules: `ipset restore -exist < ipsets`";
    Finding::new(&lint::SETS_FIRST, at, message)
        .label("a set of the kernel")
        .note("the kernel refuses a rules file that names a set which is not there")
        .help("on Debian, the package ipset-persistent loads /etc/iptables/ipsets at boot")
}

pub fn bad_duration(at: Span, text: &str, error: &DurationError) -> Finding {
    Finding::new(&lint::BAD_VALUE, at, format!("`{text}` is not a length of time: {error}"))
        .label("not a length of time")
        .help("write so many seconds, minutes, hours or days: `30s`, `10m`, `1h`, `2d`")
}

pub fn timeout_out_of_range(at: Span, text: &str, most: Duration) -> Finding {
    Finding::new(&lint::BAD_VALUE, at, format!("`{text}` is not a time that an entry can stay"))
        .label("not such a time")
        .note(format!("the kernel counts up to {most}"))
        .help("write a time from 1s on; an entry of a set without `timeout` stays for good")
}

pub fn only_sources_are_added(at: Span, word: &str) -> Finding {
    let finding = Finding::new(&lint::UNKNOWN_NAME, at, format!("`{word}` cannot be added"))
        .label("not the source");
    finding.help("write `add source to SET`, or `add source/24 to SET` for its network")
}

pub fn two_lengths_in_a_set(at: Span, word: &str, first: Span) -> Finding {
    let message = format!("`{word}` would hold networks of two sizes");
    Finding::new(&lint::BAD_VALUE, at, message)
        .label("of this size")
        .related(first, "of another size")
        .note("the kernel looks for one size of networks in a set")
        .help("add the same size everywhere, or to another set")
}

pub fn unknown_set(at: Span, word: &str, names: &Names) -> Finding {
    let finding = Finding::new(&lint::UNKNOWN_NAME, at, format!("there is no set `{word}`"))
        .label("not defined");
    match nearest(word, names.places.names()) {
        Some(near) => finding.help(format!("did you mean `{near}`?")),
        None => finding.help(format!("define it: `set {word} dynamic timeout 1h`")),
    }
}

pub fn not_a_dynamic_set(at: Span, word: &str, what: &str) -> Finding {
    Finding::new(&lint::BAD_VALUE, at, format!("nothing can be added to `{word}`: it is {what}"))
        .label("not a dynamic set")
        .help("add to a set that is defined so: `set banned dynamic timeout 1h`")
}
