//! Matches on where a packet comes from and goes to, on its header, its mark, its sender, the time.

// Whoever reads one has the same type, also where nothing can be wrong.
#![allow(clippy::unnecessary_wraps)]

use crate::net::{Account, Dscp, Family, MarkMatch, Minute, TimeWindow, Weekday, Weekdays};
use crate::ruleset::{MatchKind, SetSide};

use super::line::{Fault, Item, What};
use super::rule::{Context, Use};
use super::value;

pub(super) fn comment(used: &Use<'_, '_>, context: &mut Context<'_>) -> Result<bool, Fault> {
    let [item] = used.items else { return Ok(false) };
    if item.negated {
        return Ok(false);
    }
    context.push(false, MatchKind::Comment(used.value(item, 0).into()));
    Ok(true)
}

pub(super) fn iprange(used: &Use<'_, '_>, context: &mut Context<'_>) -> Result<bool, Fault> {
    let first = context.matches.len();
    for item in used.items {
        let family = context.family;
        let expected = "a range such as `10.0.0.1-10.0.0.9`, of the family of the rules";
        let (low, high) = used.read(item, expected, |text| value::range(text, family))?;
        // It never holds.
        if low > high {
            return Ok(false);
        }
        let kind = match item.name() {
            "src-range" => MatchKind::SourceRange(low, high),
            _ => MatchKind::DestinationRange(low, high),
        };
        context.push(item.negated, kind);
    }
    context.sort_from(first, |kind| u8::from(!matches!(kind, MatchKind::SourceRange(..))));
    Ok(!used.items.is_empty())
}

pub(super) fn set(used: &Use<'_, '_>, context: &mut Context<'_>) -> Result<bool, Fault> {
    let [item] = used.items else { return Ok(false) };
    let side = match used.value(item, 1) {
        "src" => SetSide::Source,
        "dst" => SetSide::Destination,
        // Of a set whose entries have several parts.
        _ => return Ok(false),
    };
    if !matches!(item.name(), "match-set" | "set") {
        return Ok(false);
    }
    let name = used.value(item, 0);
    let Some(set) = context.sets.get(name, context.family) else {
        return Err(item.fault(0, "the name of a set, which has at most 31 bytes"));
    };
    context.push(item.negated, MatchKind::Set { set, side });
    Ok(true)
}

/// The kinds of addresses that routing knows, and those that IPv6 has too (`xt_addrtype.c`).
const TYPES: [(&str, bool); 12] = [
    ("UNSPEC", true),
    ("UNICAST", true),
    ("LOCAL", true),
    ("BROADCAST", false),
    ("ANYCAST", true),
    ("MULTICAST", true),
    ("BLACKHOLE", false),
    ("UNREACHABLE", true),
    ("PROHIBIT", false),
    ("THROW", false),
    ("NAT", false),
    ("XRESOLVE", false),
];

pub(super) fn addrtype(used: &Use<'_, '_>, context: &mut Context<'_>) -> Result<bool, Fault> {
    for item in used.items.iter().filter(|item| item.name().ends_with("-type")) {
        let is_known = |text: &str| {
            let found = TYPES.iter().find(|(name, _)| value::starts_with(name, text));
            found.is_some_and(|(_, in_v6)| context.family == Family::V4 || *in_v6)
        };
        let expected = "a list of kinds of addresses such as `LOCAL`, of the family of the rules";
        let all = |text: &str| text.split(',').all(|kind| !kind.is_empty() && is_known(kind));
        used.read(item, expected, |text| all(text).then_some(()))?;
    }
    let [item] = used.items else { return Ok(false) };
    let kind = match (item.name(), &*used.value(item, 0).to_ascii_lowercase()) {
        ("dst-type", "local") => MatchKind::DestinationLocal,
        ("src-type", "multicast") => MatchKind::Multicast(SetSide::Source),
        ("dst-type", "multicast") => MatchKind::Multicast(SetSide::Destination),
        _ => return Ok(false),
    };
    context.push(item.negated, kind);
    Ok(true)
}

pub(super) fn mark(used: &Use<'_, '_>, context: &mut Context<'_>) -> Result<bool, Fault> {
    let [item] = used.items else { return Ok(false) };
    let (value, mask) = used.read(item, "a mark such as `0x10/0xff`", value::mark)?;
    // A value with bits outside of its mask is never met.
    let Some(mark) = MarkMatch::new(value, mask) else { return Ok(false) };
    context.push(item.negated, MatchKind::Mark(mark));
    Ok(true)
}

pub(super) fn mac(used: &Use<'_, '_>, context: &mut Context<'_>) -> Result<bool, Fault> {
    let [item] = used.items else { return Ok(false) };
    let mac = used.read(item, "six bytes such as `00:16:3e:00:0a:01`", value::mac)?;
    context.push(item.negated, MatchKind::Mac(mac));
    Ok(true)
}

pub(super) fn owner(used: &Use<'_, '_>, context: &mut Context<'_>) -> Result<bool, Fault> {
    let first = context.matches.len();
    for item in used.items {
        let text = used.value(item, 0);
        let account = match value::long(text) {
            Some(number) => Account::Number(number),
            // Accounts from one number to another.
            None if text.split('-').all(|part| value::long(part).is_some()) => {
                let ends = text.split_once('-').map(|(low, high)| [low, high].map(value::long));
                if ends.is_some_and(|[low, high]| low > high) {
                    return Err(item.fault(0, "a range of numbers with the smaller one first"));
                }
                return Ok(false);
            }
            None => Account::named(text),
        };
        let kind = match item.name() {
            "uid-owner" => MatchKind::User(account),
            "gid-owner" => MatchKind::Group(account),
            _ => return Ok(false),
        };
        context.push(item.negated, kind);
    }
    context.sort_from(first, |kind| u8::from(!matches!(kind, MatchKind::User(_))));
    Ok(!used.items.is_empty())
}

pub(super) fn length(used: &Use<'_, '_>, context: &mut Context<'_>) -> Result<bool, Fault> {
    let [item] = used.items else { return Ok(false) };
    let number = |text: &str, empty: u16| {
        if text.is_empty() { Some(empty) } else { value::short(text) }
    };
    let span = |text: &str| match text.split_once(':') {
        None => value::short(text).map(|length| (length, length)),
        Some((low, high)) => number(low, 0).zip(number(high, u16::MAX)),
    };
    let (low, high) = used.read(item, "a length or a range of lengths such as `0:100`", span)?;
    if low > high {
        return Ok(false);
    }
    context.push(item.negated, MatchKind::Length(low, high));
    Ok(true)
}

pub(super) fn ttl(used: &Use<'_, '_>, context: &mut Context<'_>) -> Result<bool, Fault> {
    let [item] = used.items else { return Ok(false) };
    let ttl = used.read(item, "a number up to 255", value::byte)?;
    if !matches!(item.name(), "ttl" | "ttl-eq" | "hl-eq") {
        return Ok(false);
    }
    context.push(item.negated, MatchKind::Ttl(ttl));
    Ok(true)
}

/// A class by its number or name.
pub(super) fn class(text: &str) -> Option<Dscp> {
    let number = || value::byte(text).and_then(Dscp::new);
    number().or_else(|| Dscp::from_name(&text.to_ascii_lowercase()))
}

pub(super) fn dscp(used: &Use<'_, '_>, context: &mut Context<'_>) -> Result<bool, Fault> {
    let [item] = used.items else { return Ok(false) };
    let class = used.read(item, "a class up to 63, or its name", class)?;
    context.push(item.negated, MatchKind::Dscp(class));
    Ok(true)
}

/// What the tools print where no last day was said: the end of the kernel's time, in 32 bits with and
/// without a sign.
const ENDS_OF_TIME: [&str; 2] = ["2038-01-19T03:14:07", "2106-02-07T06:28:15"];

pub(super) fn time(used: &Use<'_, '_>, context: &mut Context<'_>) -> Result<bool, Fault> {
    let (mut start, mut stop) = (None, None);
    let mut days = Weekdays::every_day();
    let (mut local, mut contiguous) = (false, false);
    if let Some(item) = used.items.iter().find(|item| item.name() == "contiguous") {
        wraps(used, item)?;
    }
    for item in used.items {
        let text = used.value(item, 0);
        match item.name() {
            _ if item.negated => return Ok(false),
            "timestart" => match minute(text) {
                Some(minute) => start = Some(minute),
                None => return Ok(false),
            },
            "timestop" => match minute(text) {
                Some(minute) => stop = Some(minute),
                None => return Ok(false),
            },
            "weekdays" => match weekdays(text) {
                Some(list) => days = list,
                None => return Ok(false),
            },
            "datestop" if ENDS_OF_TIME.contains(&text) => {}
            "kerneltz" => local = true,
            "contiguous" => contiguous = true,
            _ => return Ok(false),
        }
    }
    let hours = match (start, stop) {
        (None, None) => None,
        (Some(start), Some(stop)) => Some((start, stop)),
        (Some(_), None) | (None, Some(_)) => return Ok(false),
    };
    let window = TimeWindow { hours, days, local };
    // Without the word the hours after midnight belong to another day.
    if window.wraps() != contiguous {
        return Ok(false);
    }
    context.push(false, MatchKind::Time(window));
    Ok(true)
}

/// The tools take `--contiguous` only of a time that goes on past midnight.
fn wraps(used: &Use<'_, '_>, contiguous: &Item) -> Result<(), Fault> {
    let said = |name: &str, unsaid: [u8; 3]| {
        let item = used.items.iter().find(|item| item.name() == name);
        let mut time = unsaid;
        if let Some(item) = item {
            let mut parts = used.value(item, 0).split(':');
            // What is no number they refuse elsewhere.
            time = time.map(|_| parts.next().and_then(|part| part.parse().ok()).unwrap_or(0));
        }
        time
    };
    let (start, stop) = (said("timestart", [0; 3]), said("timestop", [23, 59, 59]));
    if start >= stop {
        return Ok(());
    }
    Err(Fault {
        word: contiguous.word,
        what: What::Expected("of a time that goes on past midnight"),
    })
}

/// `08:00` or `08:00:00`; `None` for what begins within a minute.
fn minute(text: &str) -> Option<Minute> {
    match text.split(':').count() {
        2 => Minute::parse(text),
        3 => Minute::parse(text.strip_suffix(":00")?),
        _ => None,
    }
}

fn weekdays(text: &str) -> Option<Weekdays> {
    let mut all = Weekdays::default();
    for name in text.split(',') {
        // By number from Monday, or by a name that is cut to two or three letters.
        let name = match value::byte(name) {
            Some(number) => Weekday::NAMES.get(usize::from(number).checked_sub(1)?)?,
            None => {
                let is_it = |day: &&&str| name.len() >= 2 && value::starts_with(day, name);
                Weekday::NAMES.iter().find(is_it)?
            }
        };
        let day = Weekday::from_name(name)?;
        all = all.union(Weekdays::range(day, day));
    }
    Some(all)
}

pub(super) fn policy(used: &Use<'_, '_>, context: &mut Context<'_>) -> Result<bool, Fault> {
    for item in used.items.iter().filter(|item| item.name() == "dir") {
        used.read(item, "`in` or `out`", |text| matches!(text, "in" | "out").then_some(()))?;
    }
    let [dir, pol] = used.items else { return Ok(false) };
    let is = |item: &Item, name: &str| item.name() == name && !item.negated;
    if !is(dir, "dir") || !is(pol, "pol") {
        return Ok(false);
    }
    let outgoing = match used.value(dir, 0) {
        "in" => false,
        "out" => true,
        _ => return Ok(false),
    };
    let negated = match used.value(pol, 0) {
        "ipsec" => false,
        "none" => true,
        _ => return Ok(false),
    };
    context.push(negated, MatchKind::Ipsec { outgoing });
    Ok(true)
}
