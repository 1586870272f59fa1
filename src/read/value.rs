//! The values of options, as the tools read them: numbers, addresses, ports, rates, marks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::net::{Family, Mac, Prefix, Rate, Unit};

use super::names;

/// A number in the notation of C: `0x` begins hexadecimal digits and `0` octal ones.
pub(super) fn number(text: &str, most: u64) -> Option<u64> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
        None => (text, 10),
    };
    // A sign is none of the digits that are read here.
    let plain = digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) && !digits.is_empty();
    u64::from_str_radix(digits, radix).ok().filter(|number| plain && *number <= most)
}

pub(super) fn byte(text: &str) -> Option<u8> {
    number(text, u8::MAX.into()).and_then(|number| u8::try_from(number).ok())
}

pub(super) fn short(text: &str) -> Option<u16> {
    number(text, u16::MAX.into()).and_then(|number| u16::try_from(number).ok())
}

pub(super) fn long(text: &str) -> Option<u32> {
    number(text, u32::MAX.into()).and_then(|number| u32::try_from(number).ok())
}

/// A port by its number or by the name of its service.
pub(super) fn port(text: &str) -> Option<u16> {
    short(text).or_else(|| names::service(text))
}

/// `80`, `80:90`, `80:`, `:90`; it may be reversed.
pub(super) fn ports(text: &str) -> Option<(u16, u16)> {
    match text.split_once(':') {
        None => port(text).map(|port| (port, port)),
        Some((low, high)) => {
            let low = if low.is_empty() { Some(0) } else { port(low) };
            let high = if high.is_empty() { Some(u16::MAX) } else { port(high) };
            low.zip(high)
        }
    }
}

/// `80` or `80-90`, as targets have it; a range has numbers only, the smaller one first.
pub(super) fn dashed_ports(text: &str) -> Option<(u16, u16)> {
    match text.split_once('-') {
        None => port(text).map(|port| (port, port)),
        Some((low, high)) => short(low).zip(short(high)).filter(|(low, high)| low <= high),
    }
}

/// Six bytes in hexadecimal digits, of which a leading zero may be missing.
pub(super) fn mac(text: &str) -> Option<Mac> {
    let bytes: Vec<String> = text.split(':').map(|byte| format!("{byte:0>2}")).collect();
    Mac::parse(&bytes.join(":"))
}

/// One address of the family, in figures.
pub(super) fn address(text: &str, family: Family) -> Option<IpAddr> {
    match family {
        Family::V4 => dotted(text, false).map(IpAddr::V4),
        Family::V6 => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
    }
}

/// Four numbers with dots; of a network that is no mask the last ones may be missing and are 0
/// (`numeric_to_ipaddr` of iptables 1.8.9).
fn dotted(text: &str, is_mask: bool) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    let mut count = 0;
    for part in text.split('.') {
        *octets.get_mut(count)? = byte(part)?;
        count += 1;
    }
    (count == octets.len() || !is_mask).then(|| octets.into())
}

/// A network as it can be said by a prefix, or by a mask with holes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Network {
    Prefix(Prefix),
    Holes,
}

/// `10.0.0.0/8`, `10.0.0.0/255.0.0.0`, `10/8` and the same of IPv6; host bits are cleared.
pub(super) fn network(text: &str, family: Family) -> Option<Network> {
    let (start, mask) = match text.split_once('/') {
        None => (text, None),
        Some((start, mask)) => (start, Some(mask)),
    };
    let start = address(start, family)?;
    let length = match mask {
        None => family.bits(),
        Some(mask) if mask.contains(['.', ':']) => {
            let (ones, all) = mask_bits(mask, family)?;
            if ones != all {
                return Some(Network::Holes);
            }
            u8::try_from(ones).ok()?
        }
        Some(length) => byte(length)?,
    };
    Prefix::containing(start, length).map(Network::Prefix)
}

/// How many ones a mask begins with, and how many it has.
fn mask_bits(mask: &str, family: Family) -> Option<(u32, u32)> {
    Some(match family {
        Family::V4 => {
            let bits = dotted(mask, true)?.to_bits();
            (bits.leading_ones(), bits.count_ones())
        }
        Family::V6 => {
            let bits = mask.parse::<Ipv6Addr>().ok()?.to_bits();
            (bits.leading_ones(), bits.count_ones())
        }
    })
}

/// `10.0.0.1-10.0.0.9` or one address.
pub(super) fn range(text: &str, family: Family) -> Option<(IpAddr, IpAddr)> {
    match text.split_once('-') {
        None => address(text, family).map(|one| (one, one)),
        Some((low, high)) => address(low, family).zip(address(high, family)),
    }
}

/// `0x10`, `0x10/0xff`: the value and the mask.
pub(super) fn mark(text: &str) -> Option<(u32, u32)> {
    match text.split_once('/') {
        None => long(text).map(|value| (value, u32::MAX)),
        Some((value, mask)) => long(value).zip(long(mask)),
    }
}

/// `5/sec`, `5/m`, `5`: any beginning of a unit will do, and none is a second.
pub(super) fn rate(text: &str) -> Option<Rate> {
    let (count, unit) = text.split_once('/').unwrap_or((text, "second"));
    let begins = |unit_name: &&Unit| {
        let name = unit_name.name();
        !unit.is_empty() && name.len() >= unit.len() && starts_with(name, unit)
    };
    let unit = Unit::ALL.iter().find(begins)?;
    let count = count.bytes().all(|byte| byte.is_ascii_digit()).then(|| count.parse().ok());
    Rate::new(count??, *unit).ok()
}

/// Whether `name` begins with `start`, whatever the case.
pub(super) fn starts_with(name: &str, start: &str) -> bool {
    name.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_c() {
        assert_eq!(number("0x1F", 255), Some(31));
        assert_eq!(number("010", 255), Some(8));
        assert_eq!(number("0", 255), Some(0));
        for wrong in ["", "0x", "08", "+1", "-1", "256", "1a", "0x+1", " 1", "99999999999999999999"]
        {
            assert_eq!(number(wrong, 255), None, "{wrong}");
        }
    }

    #[test]
    fn networks_are_those_of_the_tools() {
        let of = |text: &str, family| match network(text, family) {
            Some(Network::Prefix(prefix)) => prefix.to_string(),
            Some(Network::Holes) => "holes".to_owned(),
            None => "none".to_owned(),
        };
        for (text, expected) in [
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("10/8", "10.0.0.0/8"),
            ("10.1", "10.1.0.0/32"),
            ("10.0.0.010", "10.0.0.8/32"),
            ("10.0.0.0/255.255.0.0", "10.0.0.0/16"),
            ("10.0.0.0/255.0.255.0", "holes"),
            ("10.0.0.0/0", "0.0.0.0/0"),
            ("10.0.0.0/33", "none"),
            ("10.0.0.256", "none"),
            ("1.2.3.4.5", "none"),
            ("example.org", "none"),
            ("::1", "none"),
        ] {
            assert_eq!(of(text, Family::V4), expected, "{text}");
        }
        for (text, expected) in [
            ("2001:db8::1/32", "2001:db8::/32"),
            ("2001:db8::1/ffff:ffff::", "2001:db8::/32"),
            ("::1/::1", "holes"),
            ("::1/129", "none"),
            ("10.0.0.1", "none"),
        ] {
            assert_eq!(of(text, Family::V6), expected, "{text}");
        }
    }

    #[test]
    fn rates_take_any_beginning_of_a_unit() {
        let of = |text: &str| rate(text).map(|rate| rate.to_string());
        assert_eq!(of("5/M").as_deref(), Some("5/minute"));
        assert_eq!(of("5").as_deref(), Some("5/second"));
        assert_eq!(of("5/seconds"), None);
        assert_eq!(of("0/s"), None);
        assert_eq!(of("10001/s"), None);
        assert_eq!(of("5/"), None);
    }
}
