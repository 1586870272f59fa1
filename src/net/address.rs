//! Addresses of both families: prefixes, sets, and reading them with exact complaints.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::IntervalSet;

/// IPv4 or IPv6: two packet spaces that never meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    pub const BOTH: [Family; 2] = [Family::V4, Family::V6];

    /// Address length in bits: 32 or 128.
    #[must_use]
    pub fn bits(self) -> u8 {
        match self {
            Family::V4 => 32,
            Family::V6 => 128,
        }
    }

    /// The family of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Family::V4,
            IpAddr::V6(_) => Family::V6,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        })
    }
}

/// A set of families.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Families {
    pub v4: bool,
    pub v6: bool,
}

impl Families {
    pub const BOTH: Families = Families { v4: true, v6: true };
    pub const NONE: Families = Families { v4: false, v6: false };

    #[must_use]
    pub fn only(family: Family) -> Self {
        Families { v4: family == Family::V4, v6: family == Family::V6 }
    }

    #[must_use]
    pub fn contains(self, family: Family) -> bool {
        match family {
            Family::V4 => self.v4,
            Family::V6 => self.v6,
        }
    }

    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Families { v4: self.v4 && other.v4, v6: self.v6 && other.v6 }
    }

    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Families::NONE
    }
}

/// A network: an address whose bits below `length` are zero.
// INVARIANT: no host bits, length <= the family's bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

impl Prefix {
    /// The network of `length` bits that holds `address`; host bits are cleared.
    /// `None` when the length is more than the family has.
    #[must_use]
    pub fn containing(address: IpAddr, length: u8) -> Option<Self> {
        let family = Family::of(address);
        if length > family.bits() {
            return None;
        }
        let host_bits = u32::from(family.bits() - length);
        let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
        Some(Prefix { address: from_number(family, to_number(address) & mask), length })
    }

    #[must_use]
    pub fn address(self) -> IpAddr {
        self.address
    }

    #[must_use]
    pub fn length(self) -> u8 {
        self.length
    }

    #[must_use]
    pub fn family(self) -> Family {
        Family::of(self.address)
    }

    /// The first and the last address, as numbers.
    #[must_use]
    pub fn bounds(self) -> (u128, u128) {
        let low = to_number(self.address);
        let host_bits = u32::from(self.family().bits() - self.length);
        (low, low | 1u128.checked_shl(host_bits).map_or(u128::MAX, |size| size - 1))
    }

    /// The prefix that spans exactly `low..=high`, when there is one.
    #[must_use]
    pub fn spanning(family: Family, low: u128, high: u128) -> Option<Self> {
        let difference = low ^ high;
        let host_bits = u128::BITS - difference.leading_zeros();
        let exact = difference.count_ones() == host_bits && low & difference == 0 && high >= low;
        let length = family.bits().checked_sub(u8::try_from(host_bits).ok()?)?;
        exact.then_some(Prefix { address: from_number(family, low), length })
    }

    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        let (low, high) = self.bounds();
        self.family() == Family::of(address) && (low..=high).contains(&to_number(address))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

/// An address as an unsigned number; IPv4 uses the low 32 bits.
#[must_use]
pub fn to_number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// The address with this number. For IPv4 only the low 32 bits count.
#[must_use]
pub fn from_number(family: Family, number: u128) -> IpAddr {
    match family {
        Family::V4 => {
            let low = u32::try_from(number & u128::from(u32::MAX)).expect("masked to 32 bits");
            IpAddr::V4(Ipv4Addr::from_bits(low))
        }
        Family::V6 => IpAddr::V6(Ipv6Addr::from_bits(number)),
    }
}

/// A set of addresses in each family, each computed alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Addresses {
    pub v4: IntervalSet<u32>,
    pub v6: IntervalSet<u128>,
}

impl Addresses {
    #[must_use]
    pub fn empty() -> Self {
        Addresses { v4: IntervalSet::empty(), v6: IntervalSet::empty() }
    }

    /// Every address of both families.
    #[must_use]
    pub fn full() -> Self {
        Addresses { v4: IntervalSet::full(), v6: IntervalSet::full() }
    }

    /// `low..=high` of one family, empty in the other.
    #[must_use]
    pub fn range(family: Family, low: u128, high: u128) -> Self {
        let mut set = Addresses::empty();
        match family {
            Family::V4 => {
                let narrow = |number: u128| u32::try_from(number).unwrap_or(u32::MAX);
                set.v4 = IntervalSet::range(narrow(low), narrow(high));
            }
            Family::V6 => set.v6 = IntervalSet::range(low, high),
        }
        set
    }

    #[must_use]
    pub fn single(address: IpAddr) -> Self {
        Self::range(Family::of(address), to_number(address), to_number(address))
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    #[must_use]
    pub fn is_full(&self) -> bool {
        self.v4.is_full() && self.v6.is_full()
    }

    /// Whether the set is empty in one family.
    #[must_use]
    pub fn is_empty_in(&self, family: Family) -> bool {
        match family {
            Family::V4 => self.v4.is_empty(),
            Family::V6 => self.v6.is_empty(),
        }
    }

    /// Whether the set is everything in one family.
    #[must_use]
    pub fn is_full_in(&self, family: Family) -> bool {
        match family {
            Family::V4 => self.v4.is_full(),
            Family::V6 => self.v6.is_full(),
        }
    }

    /// The families in which the set has members.
    #[must_use]
    pub fn families(&self) -> Families {
        Families { v4: !self.v4.is_empty(), v6: !self.v6.is_empty() }
    }

    /// The inclusive intervals of one family, as numbers.
    #[must_use]
    pub fn intervals(&self, family: Family) -> Vec<(u128, u128)> {
        match family {
            Family::V4 => {
                let wide = |(low, high): &(u32, u32)| (u128::from(*low), u128::from(*high));
                self.v4.intervals().iter().map(wide).collect()
            }
            Family::V6 => self.v6.intervals().to_vec(),
        }
    }

    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(v4) => self.v4.contains(v4.to_bits()),
            IpAddr::V6(v6) => self.v6.contains(v6.to_bits()),
        }
    }

    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Addresses { v4: self.v4.union(&other.v4), v6: self.v6.union(&other.v6) }
    }

    /// The union of many sets, in one sweep.
    pub fn union_all<'a>(sets: impl Iterator<Item = &'a Self> + Clone) -> Self {
        let v4 = sets.clone().flat_map(|set| set.v4.intervals()).copied();
        let v6 = sets.flat_map(|set| set.v6.intervals()).copied();
        Addresses { v4: IntervalSet::from_intervals(v4), v6: IntervalSet::from_intervals(v6) }
    }

    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Addresses { v4: self.v4.intersection(&other.v4), v6: self.v6.intersection(&other.v6) }
    }

    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        Addresses { v4: self.v4.difference(&other.v4), v6: self.v6.difference(&other.v6) }
    }

    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.v4.is_subset(&other.v4) && self.v6.is_subset(&other.v6)
    }
}

impl From<Prefix> for Addresses {
    fn from(prefix: Prefix) -> Self {
        let (low, high) = prefix.bounds();
        Addresses::range(prefix.family(), low, high)
    }
}

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

/// Reads `192.0.2.1`, `10.0.0.0/8`, `10.0.0.0/255.0.0.0`, `10.0.0.5-10.0.0.9` and the same of IPv6.
///
/// # Errors
/// Says which part is wrong.
pub fn parse_addresses(text: &str) -> Result<ParsedAddress, AddressError> {
    if let Some((low, high)) = text.split_once('-') {
        let (low, high) = (parse_address(low)?, parse_address(high)?);
        let family = Family::of(low);
        if family != Family::of(high) {
            return Err(AddressError::MixedRange);
        }
        let (first, last) = (to_number(low), to_number(high));
        if first > last {
            return Err(AddressError::Reversed);
        }
        let addresses = Addresses::range(family, first, last);
        return Ok(ParsedAddress { addresses, host_bits: None, single: None, prefix: None });
    }
    let Some((address, length)) = text.split_once('/') else {
        let address = parse_address(text)?;
        return Ok(ParsedAddress {
            addresses: Addresses::single(address),
            host_bits: None,
            single: Some(address),
            prefix: Prefix::containing(address, Family::of(address).bits()),
        });
    };
    let address = parse_address(address)?;
    let length = parse_length(length, Family::of(address))?;
    let prefix = Prefix::containing(address, length).expect("the length was checked");
    Ok(ParsedAddress {
        addresses: prefix.into(),
        host_bits: (prefix.address() != address).then_some(prefix),
        single: (length == prefix.family().bits()).then_some(address),
        prefix: Some(prefix),
    })
}

/// Reads one address.
///
/// # Errors
/// Says which part is wrong.
pub fn parse_address(text: &str) -> Result<IpAddr, AddressError> {
    if text.contains(':') {
        return text.parse().map(IpAddr::V6).map_err(|_| AddressError::NotAnAddress);
    }
    let parts: Vec<&str> = text.split('.').collect();
    let mut octets = [0u8; 4];
    for (index, part) in parts.iter().enumerate() {
        if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(AddressError::NotAnAddress);
        }
        if part.len() > 1 && part.starts_with('0') {
            return Err(AddressError::LeadingZero((*part).to_owned()));
        }
        let octet = part.parse().map_err(|_| AddressError::OctetTooLarge((*part).to_owned()))?;
        if let Some(slot) = octets.get_mut(index) {
            *slot = octet;
        }
    }
    if parts.len() != octets.len() {
        return Err(AddressError::PartCount(parts.len()));
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

    fn set(text: &str) -> Addresses {
        parse_addresses(text).expect(text).addresses
    }

    #[test]
    fn prefixes_know_their_bounds() {
        for text in ["0.0.0.0/0", "10.0.0.0/8", "192.0.2.1/32", "::/0", "2001:db8::/32", "::1/128"]
        {
            let parsed = parse_addresses(text).expect(text);
            let prefix = parsed.prefix.expect(text);
            let (low, high) = prefix.bounds();
            assert_eq!(Prefix::spanning(prefix.family(), low, high), Some(prefix), "{text}");
            assert_eq!(prefix.to_string(), text);
        }
        assert_eq!(Prefix::spanning(Family::V4, 1, 2), None);
        assert_eq!(Prefix::spanning(Family::V4, 2, 5), None);
    }

    #[test]
    fn host_bits_are_named_with_their_network() {
        let parsed = parse_addresses("10.0.0.5/8").expect("readable");
        assert_eq!(parsed.host_bits.map(|net| net.to_string()).as_deref(), Some("10.0.0.0/8"));
        assert_eq!(set("10.0.0.0/255.0.0.0"), set("10.0.0.0/8"));
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

    #[test]
    fn ranges_that_are_prefixes_are_equal_to_them() {
        assert_eq!(set("10.0.0.0-10.255.255.255"), set("10.0.0.0/8"));
        assert!(set("10.0.0.66").is_subset(&set("10.0.0.0/24")));
        assert_eq!(set("10.0.0.0/24").difference(&set("10.0.0.66")).intervals(Family::V4).len(), 2);
    }
}
