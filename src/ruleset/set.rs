//! Sets of addresses that the kernel keeps by a name, and that rules ask or fill.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::Origin;
use crate::net::{Addresses, Family, Prefix};

/// Longest name of a set that the kernel takes.
pub const MAX_SET_NAME: usize = 31;

/// Networks that a set can hold. The kernel compares it when a set is filled anew, so it is the same
/// for every static set.
pub const MAX_SET_ENTRIES: u32 = 1_000_000;

/// One set of one family. Rules share it: a list of a million is there once.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KernelSet {
    // INVARIANT: at most MAX_SET_NAME bytes; in a ruleset no two sets have the same.
    pub name: Arc<str>,
    pub family: Family,
    pub content: SetContent,
    /// What defines it.
    pub origin: Origin,
}

/// What is in a set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SetContent {
    /// Exactly these addresses, of the set's family.
    // INVARIANT: at most MAX_SET_ENTRIES networks.
    Static(Addresses),
    /// What rules add: nobody knows it beforehand.
    Dynamic(DynamicSet),
    /// Nobody said: a dump of rules names the set, and no more.
    Unknown,
}

/// The shape of a set that is filled while it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DynamicSet {
    /// Seconds that an entry stays; 0 is for good.
    pub timeout: u32,
    /// How many entries there can be; more are not taken.
    pub size: u32,
    /// Prefix length of what is added and of what is looked for: the family's bits for addresses.
    // INVARIANT: never 0.
    pub length: u8,
}

impl KernelSet {
    #[must_use]
    pub fn is_dynamic(&self) -> bool {
        matches!(self.content, SetContent::Dynamic(_))
    }

    /// The networks of a static set, as the kernel takes them: of everything it takes the halves.
    pub fn networks(&self) -> impl Iterator<Item = Prefix> + '_ {
        let addresses = match &self.content {
            SetContent::Static(addresses) => Some(addresses),
            SetContent::Dynamic(_) | SetContent::Unknown => None,
        };
        networks(addresses, self.family)
    }
}

/// The fewest networks, none of length 0, that are together the addresses of a family.
pub fn networks(
    addresses: Option<&Addresses>,
    family: Family,
) -> impl Iterator<Item = Prefix> + '_ {
    let halves = |prefix: Prefix| {
        let (low, high) = prefix.bounds();
        let middle = low + (high - low) / 2;
        let whole = prefix.length() == 0;
        let halves = [(low, middle), (middle + 1, high)]
            .map(|(low, high)| Prefix::spanning(prefix.family(), low, high).filter(|_| whole));
        let [first, second] = halves;
        [first.or(Some(prefix)), second]
    };
    let prefixes = addresses.into_iter().flat_map(move |addresses| addresses.prefixes(family));
    prefixes.flat_map(halves).flatten()
}

/// By name, which tells sets apart: nobody wants to read or hash a million entries.
impl fmt::Debug for KernelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Hash for KernelSet {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::address::parse_addresses;

    #[test]
    fn everything_is_two_halves() {
        let of = |text: &str, family| -> Vec<String> {
            let addresses = parse_addresses(text).expect(text).addresses;
            networks(Some(&addresses), family).map(|prefix| prefix.to_string()).collect()
        };
        assert_eq!(of("0.0.0.0/0", Family::V4), ["0.0.0.0/1", "128.0.0.0/1"]);
        assert_eq!(of("::/0", Family::V6), ["::/1", "8000::/1"]);
        assert_eq!(of("10.0.0.1-10.0.0.2", Family::V4), ["10.0.0.1/32", "10.0.0.2/32"]);
        assert_eq!(of("::/0", Family::V4), [""; 0]);
    }
}
