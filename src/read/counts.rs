//! Matches that count what came before.

use crate::net::{Rate, Unit};
use crate::ruleset::{HashKey, Hashlimit, MatchKind};

use super::line::Fault;
use super::rule::{Context, Use};
use super::value;

const RATE: &str = "a rate such as `5/minute`, at most 10000 a second";
const BURST: &str = "a number of packets, at most 10000";
const MAX_BURST: u64 = 10_000;

/// Of `hashlimit`, where it is packets and not bytes.
const MAX_HASHLIMIT_BURST: u32 = 1_000_000;

/// What the tools take where no burst is said.
const DEFAULT_BURST: u32 = 5;

pub(super) fn limit(used: &Use<'_, '_>, context: &mut Context<'_>) -> Result<bool, Fault> {
    // What the tools take where nothing is said.
    let mut rate = Rate::new(3, Unit::Hour).ok();
    let mut burst = DEFAULT_BURST;
    for item in used.items {
        match item.name() {
            _ if item.negated => return Ok(false),
            "limit" => rate = Some(used.read(item, RATE, value::rate)?),
            "limit-burst" => {
                let number = |text: &str| value::number(text, MAX_BURST)?.try_into().ok();
                burst = used.read(item, BURST, number)?;
            }
            _ => return Ok(false),
        }
    }
    let Some(rate) = rate else { return Ok(false) };
    context.push(false, MatchKind::Limit { rate, burst });
    Ok(true)
}

pub(super) fn hashlimit(used: &Use<'_, '_>, context: &mut Context<'_>) -> Result<bool, Fault> {
    let mut rate = None;
    let mut above = false;
    let (mut burst, mut keys, mut mask) = (DEFAULT_BURST, Vec::new(), None);
    let (mut name, mut most, mut expire) = (None, None, None);
    for item in used.items {
        let text = used.value(item, 0);
        match item.name() {
            "hashlimit" | "hashlimit-upto" | "hashlimit-above" => {
                above = (item.name() == "hashlimit-above") != item.negated;
                // By bytes, or faster than the model counts.
                rate = value::rate(text);
            }
            _ if item.negated => return Ok(false),
            "hashlimit-burst" => match value::long(text) {
                Some(packets) if (1..=MAX_HASHLIMIT_BURST).contains(&packets) => burst = packets,
                Some(_) => return Err(item.fault(0, "a number of packets, 1 to 1000000")),
                None => return Ok(false),
            },
            "hashlimit-mode" => match text.split(',').map(key).collect::<Option<Vec<_>>>() {
                Some(list) => keys = list,
                None => return Ok(false),
            },
            // A file of this name appears in `/proc`.
            "hashlimit-name" if text.contains('/') => {
                return Err(item.fault(0, "a name without a `/`"));
            }
            "hashlimit-name" => name = Some(text),
            "hashlimit-srcmask" => {
                let most = u64::from(context.family.bits());
                let length =
                    used.read(item, "a prefix length", |text| value::number(text, most))?;
                mask = u8::try_from(length).ok().filter(|length| *length < context.family.bits());
            }
            "hashlimit-htable-max" => most = Some(used.read(item, "a number", value::long)?),
            "hashlimit-htable-expire" => {
                let number = |text: &str| value::number(text, u64::from(u32::MAX));
                expire = Some(used.read(item, "a number of milliseconds", number)?);
            }
            _ => return Ok(false),
        }
    }
    let (Some(rate), Some(name)) = (rate, name) else { return Ok(false) };
    keys.sort_unstable();
    keys.dedup();
    let expire_ms = expire.unwrap_or_else(|| u64::from(rate.unit().seconds()) * 1000);
    let (name, source_mask, max_entries) = (name.into(), mask, most.unwrap_or(0));
    let hashlimit = Hashlimit { name, rate, burst, keys, source_mask, max_entries, expire_ms };
    context.push(above, MatchKind::Hashlimit(Box::new(hashlimit)));
    Ok(true)
}

fn key(name: &str) -> Option<HashKey> {
    Some(match name {
        "srcip" => HashKey::SourceAddress,
        "dstip" => HashKey::DestinationAddress,
        "srcport" => HashKey::SourcePort,
        "dstport" => HashKey::DestinationPort,
        _ => return None,
    })
}

pub(super) fn connlimit(used: &Use<'_, '_>, context: &mut Context<'_>) -> Result<bool, Fault> {
    let mut count = None;
    let mut above = false;
    let mut mask = context.family.bits();
    for item in used.items {
        match item.name() {
            "connlimit-upto" | "connlimit-above" => {
                above = (item.name() == "connlimit-above") != item.negated;
                count = Some(used.read(item, "a number of connections", value::long)?);
            }
            "connlimit-mask" => {
                let most = u64::from(context.family.bits());
                let Some(length) = value::number(used.value(item, 0), most) else {
                    return Ok(false);
                };
                mask = u8::try_from(length).unwrap_or(mask);
            }
            "connlimit-saddr" if !item.negated => {}
            _ => return Ok(false),
        }
    }
    let Some(count) = count else { return Ok(false) };
    context.push(above, MatchKind::Connlimit { count, mask });
    Ok(true)
}
