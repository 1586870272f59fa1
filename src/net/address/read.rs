//! Reads addresses, networks and ranges as written, with exact complaints.

use std::fmt;
use std::net::IpAddr;

use super::{Addresses, Family, Prefix, to_number};

/// Why a text is not an address, prefix or range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressError {
    /// Neither an IPv4 nor an IPv6 address.
    NotAnAddress,
    /// A part of an IPv4 address is above 255.
    OctetTooLarge(String),
    /// An IPv4 address has another number of parts than four.
    PartCount(usize),
    /// A part of an IPv4 address has a leading zero, which some tools read as octal.
    LeadingZero(String),
    /// The prefix length is above 32 or 128.
    LengthTooLarge { length: String, max: u8 },
    /// A netmask has ones after zeros.
    BrokenMask(String),
    /// The first address of a range is above its last.
    Reversed,
    /// The ends of a range are of different families.
    MixedRange,
}

/// What a text for addresses says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedAddress {
    pub addresses: Addresses,
    /// The network that was meant, when the text set bits outside its mask (`10.0.0.5/8`).
    pub host_bits: Option<Prefix>,
    /// The address, when the text is just one.
    pub single: Option<IpAddr>,
    /// The network, when the text is one (a lone address is a network of full length).
    pub prefix: Option<Prefix>,
}

/// Addresses in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    pub family: Family,
    /// The first and the last address, as numbers.
    // INVARIANT: low <= high, and both are of the family.
    pub low: u128,
    pub high: u128,
    /// The address as written and its network, when the text is not a range.
    pub written: Option<(IpAddr, Prefix)>,
}

impl Block {
    /// The network that was meant, when the text set bits outside its mask (`10.0.0.5/8`).
    #[must_use]
    pub fn host_bits(&self) -> Option<Prefix> {
        let (address, network) = self.written?;
        (network.address() != address).then_some(network)
    }
}

/// Reads `192.0.2.1`, `10.0.0.0/8`, `10.0.0.0/255.0.0.0`, `10.0.0.5-10.0.0.9` and the same of IPv6.
///
/// # Errors
/// Says which part is wrong.
pub fn parse_addresses(text: &str) -> Result<ParsedAddress, AddressError> {
    let block = parse_block(text)?;
    let full = |(address, network): (IpAddr, Prefix)| {
        (network.length() == network.family().bits()).then_some(address)
    };
    Ok(ParsedAddress {
        addresses: Addresses::range(block.family, block.low, block.high),
        host_bits: block.host_bits(),
        single: block.written.and_then(full),
        prefix: block.written.map(|(_, network)| network),
    })
}

/// The same, without making a set of it: a list of a million is read so. Nothing is allocated
/// unless there is something to complain about.
///
/// # Errors
/// Says which part is wrong.
pub fn parse_block(text: &str) -> Result<Block, AddressError> {
    if let Some((low, high)) = text.split_once('-') {
        let (low, high) = (parse_address(low)?, parse_address(high)?);
        let family = Family::of(low);
        if family != Family::of(high) {
            return Err(AddressError::MixedRange);
        }
        let (low, high) = (to_number(low), to_number(high));
        if low > high {
            return Err(AddressError::Reversed);
        }
        return Ok(Block { family, low, high, written: None });
    }
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (parse_address(address)?, Some(length)),
        None => (parse_address(text)?, None),
    };
    let family = Family::of(address);
    let length = length.map_or(Ok(family.bits()), |length| parse_length(length, family))?;
    let network = Prefix::containing(address, length).expect("the length was checked");
    let (low, high) = network.bounds();
    Ok(Block { family, low, high, written: Some((address, network)) })
}

/// Reads one address.
///
/// # Errors
/// Says which part is wrong.
pub fn parse_address(text: &str) -> Result<IpAddr, AddressError> {
    if text.contains(':') {
        return text.parse().map(IpAddr::V6).map_err(|_| AddressError::NotAnAddress);
    }
    let mut octets = [0u8; 4];
    let mut count = 0;
    for part in text.split('.') {
        if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(AddressError::NotAnAddress);
        }
        if part.len() > 1 && part.starts_with('0') {
            return Err(AddressError::LeadingZero(part.to_owned()));
        }
        let octet = part.parse().map_err(|_| AddressError::OctetTooLarge(part.to_owned()))?;
        if let Some(slot) = octets.get_mut(count) {
            *slot = octet;
        }
        count += 1;
    }
    if count != octets.len() {
        return Err(AddressError::PartCount(count));
    }
    Ok(IpAddr::V4(octets.into()))
}

fn parse_length(text: &str, family: Family) -> Result<u8, AddressError> {
    if family == Family::V4 && text.contains('.') {
        let mask = to_number(parse_address(text)?);
        let mask = u32::try_from(mask).map_err(|_| AddressError::NotAnAddress)?;
        let length = mask.leading_ones();
        if mask.count_ones() != length {
            return Err(AddressError::BrokenMask(text.to_owned()));
        }
        return u8::try_from(length).map_err(|_| AddressError::NotAnAddress);
    }
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(AddressError::NotAnAddress);
    }
    let max = family.bits();
    let length = text.parse().ok().filter(|length| *length <= max);
    length.ok_or_else(|| AddressError::LengthTooLarge { length: text.to_owned(), max })
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AddressError::NotAnAddress => f.write_str("not an address"),
            AddressError::OctetTooLarge(octet) => {
                write!(f, "`{octet}` is above 255, the most a part of an IPv4 address can be")
            }
            AddressError::PartCount(count) => {
                write!(f, "an IPv4 address has four parts, this has {count}")
            }
            AddressError::LeadingZero(octet) => {
                write!(f, "`{octet}` has a leading zero, which some tools read as octal")
            }
            AddressError::LengthTooLarge { length, max } => {
                write!(f, "a prefix length is at most {max} here, not {length}")
            }
            AddressError::BrokenMask(mask) => {
                write!(f, "`{mask}` is not a netmask: its ones are not together")
            }
            AddressError::Reversed => f.write_str("the range ends before it starts"),
            AddressError::MixedRange => {
                f.write_str("the range starts in one family, ends in another")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_bits_are_named_with_their_network() {
        let parsed = parse_addresses("10.0.0.5/8").expect("readable");
        assert_eq!(parsed.host_bits.map(|net| net.to_string()).as_deref(), Some("10.0.0.0/8"));
        let masked = parse_addresses("10.0.0.0/255.0.0.0").expect("readable");
        assert_eq!(Ok(masked), parse_addresses("10.0.0.0/8"));
    }

    #[test]
    fn complaints_name_the_part() {
        let error = |text| parse_addresses(text).expect_err(text);
        assert_eq!(error("10.0.0.300"), AddressError::OctetTooLarge("300".to_owned()));
        assert_eq!(error("10.0.0"), AddressError::PartCount(3));
        assert_eq!(error("10.0.0.010"), AddressError::LeadingZero("010".to_owned()));
        assert_eq!(error("10.0.0.9-10.0.0.5"), AddressError::Reversed);
        assert_eq!(
            error("10.0.0.0/255.0.255.0"),
            AddressError::BrokenMask("255.0.255.0".to_owned())
        );
        let too_long = AddressError::LengthTooLarge { length: "33".to_owned(), max: 32 };
        assert_eq!(error("10.0.0.0/33"), too_long);
    }
}
