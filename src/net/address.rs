//! Addresses of both families: prefixes, sets, and reading them with exact complaints.

mod read;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::IntervalSet;

pub use read::{AddressError, Block, ParsedAddress, parse_address, parse_addresses, parse_block};

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

    /// Those that are in it, IPv4 first.
    pub fn each(self) -> impl Iterator<Item = Family> {
        Family::BOTH.into_iter().filter(move |family| self.contains(*family))
    }

    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Families { v4: self.v4 && other.v4, v6: self.v6 && other.v6 }
    }

    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Families { v4: self.v4 || other.v4, v6: self.v6 || other.v6 }
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

    /// The fewest prefixes that are together `low..=high`, in order. Without any when `low > high`.
    pub fn covering(family: Family, low: u128, high: u128) -> impl Iterator<Item = Self> {
        let mut next = Some(low).filter(|low| *low <= high);
        std::iter::from_fn(move || {
            let start = next?;
            // The largest aligned block that starts here and ends within the interval.
            let aligned = start.trailing_zeros().min(u32::from(family.bits()));
            let within = match (high - start).checked_add(1) {
                Some(size) => size.ilog2(),
                None => u128::BITS,
            };
            let bits = aligned.min(within);
            let end = start | 1u128.checked_shl(bits).map_or(u128::MAX, |size| size - 1);
            next = end.checked_add(1).filter(|next| *next <= high);
            let length = family.bits() - u8::try_from(bits).ok()?;
            Some(Prefix { address: from_number(family, start), length })
        })
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

    /// The fewest networks that are together the set in one family, in order.
    pub fn prefixes(&self, family: Family) -> impl Iterator<Item = Prefix> + '_ {
        let (v4, v6): (&[_], &[_]) = match family {
            Family::V4 => (self.v4.intervals(), &[]),
            Family::V6 => (&[], self.v6.intervals()),
        };
        let v4 = v4.iter().map(|(low, high)| (u128::from(*low), u128::from(*high)));
        let all = v4.chain(v6.iter().copied());
        all.flat_map(move |(low, high)| Prefix::covering(family, low, high))
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
    fn ranges_are_covered_by_the_fewest_prefixes() {
        let prefixes = |text: &str| -> Vec<String> {
            let set = set(text);
            set.prefixes(Family::V4).map(|prefix| prefix.to_string()).collect()
        };
        assert_eq!(prefixes("10.0.0.5-10.0.0.9"), ["10.0.0.5/32", "10.0.0.6/31", "10.0.0.8/31"]);
        assert_eq!(prefixes("0.0.0.0/0"), ["0.0.0.0/0"]);
        assert_eq!(prefixes("255.255.255.254-255.255.255.255"), ["255.255.255.254/31"]);
        assert_eq!(prefixes("::/0"), [""; 0]);
        let six = set("::1-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
        assert_eq!(six.prefixes(Family::V6).count(), 128);
    }

    #[test]
    fn ranges_that_are_prefixes_are_equal_to_them() {
        assert_eq!(set("10.0.0.0-10.255.255.255"), set("10.0.0.0/8"));
        assert!(set("10.0.0.66").is_subset(&set("10.0.0.0/24")));
        assert_eq!(set("10.0.0.0/24").difference(&set("10.0.0.66")).intervals(Family::V4).len(), 2);
    }
}
