//! The class that a packet asks the network to treat it by: six bits of its header.

use std::fmt;

/// A differentiated services code point.
// INVARIANT: below 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dscp(u8);

/// The classes that have names: RFC 2474 (cs, and be for the default), 2597 (af), 3246 (ef),
/// 5865 (va), 8622 (le).
pub const DSCP_NAMES: [(&str, u8); 24] = [
    ("be", 0),
    ("le", 1),
    ("cs0", 0),
    ("cs1", 8),
    ("cs2", 16),
    ("cs3", 24),
    ("cs4", 32),
    ("cs5", 40),
    ("cs6", 48),
    ("cs7", 56),
    ("af11", 10),
    ("af12", 12),
    ("af13", 14),
    ("af21", 18),
    ("af22", 20),
    ("af23", 22),
    ("af31", 26),
    ("af32", 28),
    ("af33", 30),
    ("af41", 34),
    ("af42", 36),
    ("af43", 38),
    ("va", 44),
    ("ef", 46),
];

impl Dscp {
    /// The highest code point.
    pub const MAX: u8 = 63;

    /// `None` above 63.
    #[must_use]
    pub fn new(code: u8) -> Option<Self> {
        (code <= Self::MAX).then_some(Dscp(code))
    }

    /// The class of a name, in lower case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        DSCP_NAMES.iter().find(|(known, _)| *known == name).map(|(_, code)| Dscp(*code))
    }

    #[must_use]
    pub fn code(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Dscp {
    /// As iptables writes it: `0x2e`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#04x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_code_points() {
        assert_eq!(Dscp::from_name("ef").map(Dscp::code), Some(46));
        assert_eq!(Dscp::from_name("af43"), Dscp::new(38));
        assert_eq!(Dscp::from_name("af44"), None);
        assert_eq!(Dscp::new(64), None);
        assert_eq!(Dscp(0).to_string(), "0x00");
        assert!(DSCP_NAMES.iter().all(|(_, code)| *code <= Dscp::MAX));
    }
}
