//! What is known of a packet beside its addresses: conntrack states, tcp flags, marks, MACs,
//! accounts.

use std::fmt;
use std::sync::Arc;

/// A state that conntrack gives a packet; each packet has exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CtState {
    Invalid,
    New,
    Related,
    Established,
    Untracked,
}

impl CtState {
    /// In the order in which `iptables-save` prints them.
    pub const ALL: [CtState; 5] = [
        CtState::Invalid,
        CtState::New,
        CtState::Related,
        CtState::Established,
        CtState::Untracked,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            CtState::Invalid => "invalid",
            CtState::New => "new",
            CtState::Related => "related",
            CtState::Established => "established",
            CtState::Untracked => "untracked",
        }
    }

    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    fn bit(self) -> u8 {
        1 << (self as u8)
    }
}

/// A set of conntrack states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct CtStates(u8);

impl CtStates {
    #[must_use]
    pub fn contains(self, state: CtState) -> bool {
        self.0 & state.bit() != 0
    }

    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        CtStates(self.0 & other.0)
    }

    /// The states in the set, in the order of [`CtState::ALL`].
    pub fn iter(self) -> impl Iterator<Item = CtState> {
        CtState::ALL.into_iter().filter(move |state| self.contains(*state))
    }
}

impl FromIterator<CtState> for CtStates {
    fn from_iter<I: IntoIterator<Item = CtState>>(states: I) -> Self {
        CtStates(states.into_iter().fold(0, |set, state| set | state.bit()))
    }
}

/// The flag byte of tcp: FIN SYN RST PSH ACK URG in bits 0 to 5 (RFC 9293; ECE and CWR are not
/// matched by iptables).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TcpFlags(u8);

impl TcpFlags {
    pub const NONE: TcpFlags = TcpFlags(0);
    pub const FIN: TcpFlags = TcpFlags(1);
    pub const SYN: TcpFlags = TcpFlags(2);
    pub const RST: TcpFlags = TcpFlags(4);
    pub const PSH: TcpFlags = TcpFlags(8);
    pub const ACK: TcpFlags = TcpFlags(16);
    pub const URG: TcpFlags = TcpFlags(32);
    pub const ALL: TcpFlags = TcpFlags(0x3f);

    /// The names in the order in which `iptables-save` prints them: bit 0 first.
    pub const NAMES: [&'static str; 6] = ["fin", "syn", "rst", "psh", "ack", "urg"];

    /// The six flags from the low bits of a byte.
    #[must_use]
    pub fn from_bits(bits: u8) -> Self {
        TcpFlags(bits & Self::ALL.0)
    }

    #[must_use]
    pub fn bits(self) -> u8 {
        self.0
    }

    /// One flag by name, or `all` or `none`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "all" => Some(Self::ALL),
            "none" => Some(Self::NONE),
            _ => Self::NAMES.iter().position(|known| *known == name).map(|bit| TcpFlags(1 << bit)),
        }
    }

    #[must_use]
    pub fn union(self, other: Self) -> Self {
        TcpFlags(self.0 | other.0)
    }

    #[must_use]
    pub fn is_subset(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// The names of the flags that are set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        (0..)
            .zip(Self::NAMES)
            .filter(move |(bit, _)| self.0 & (1 << bit) != 0)
            .map(|(_, name)| name)
    }
}

/// `flags SET / LOOKED-AT`: of the flags looked at, exactly those of `set` are set.
// INVARIANT: `set` is a subset of `mask`, else nothing could match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlagMatch {
    set: TcpFlags,
    mask: TcpFlags,
}

impl FlagMatch {
    /// `None` when a flag is to be set that is not looked at.
    #[must_use]
    pub fn new(set: TcpFlags, mask: TcpFlags) -> Option<Self> {
        set.is_subset(mask).then_some(FlagMatch { set, mask })
    }

    #[must_use]
    pub fn set(self) -> TcpFlags {
        self.set
    }

    #[must_use]
    pub fn mask(self) -> TcpFlags {
        self.mask
    }

    /// The match of what both match; `None` when that is nothing.
    #[must_use]
    pub fn intersection(self, other: Self) -> Option<Self> {
        let shared = self.mask.bits() & other.mask.bits();
        let agree = self.set.bits() & shared == other.set.bits() & shared;
        agree.then(|| FlagMatch {
            set: self.set.union(other.set),
            mask: self.mask.union(other.mask),
        })
    }

    #[must_use]
    pub fn matches(self, flags: TcpFlags) -> bool {
        flags.bits() & self.mask.bits() == self.set.bits()
    }
}

/// `mark N[/M]`: the packet's mark, of which only the bits in `mask` count, or are set.
// INVARIANT: `value` has no bit outside `mask`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MarkMatch {
    value: u32,
    mask: u32,
}

impl MarkMatch {
    /// `None` when the value has bits outside the mask: such a match can never be true.
    #[must_use]
    pub fn new(value: u32, mask: u32) -> Option<Self> {
        (value & !mask == 0).then_some(MarkMatch { value, mask })
    }

    #[must_use]
    pub fn value(self) -> u32 {
        self.value
    }

    #[must_use]
    pub fn mask(self) -> u32 {
        self.mask
    }

    /// The match of what both match; `None` when that is nothing.
    #[must_use]
    pub fn intersection(self, other: Self) -> Option<Self> {
        let shared = self.mask & other.mask;
        let agree = self.value & shared == other.value & shared;
        agree.then_some(MarkMatch { value: self.value | other.value, mask: self.mask | other.mask })
    }

    #[must_use]
    pub fn matches(self, mark: u32) -> bool {
        mark & self.mask == self.value
    }

    /// A mark that is made to match: the bits under the mask are the value's, the others stay.
    #[must_use]
    pub fn set_on(self, mark: u32) -> u32 {
        mark & !self.mask | self.value
    }
}

/// An Ethernet address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// Reads `00:16:3e:00:00:01`, six pairs of hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.len() == 2)?;
            *byte = u8::from_str_radix(part, 16).ok()?;
        }
        parts.next().is_none().then_some(Mac(bytes))
    }
}

impl fmt::Display for Mac {
    /// Lower case, as `iptables-save` prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// A user or group: names are looked up where the rules are loaded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Account {
    Number(u32),
    Name(Arc<str>),
}

impl Account {
    /// The account of a name. That of the superuser has the same number everywhere.
    #[must_use]
    pub fn named(name: &str) -> Self {
        if name == "root" { Account::Number(0) } else { Account::Name(name.into()) }
    }
}

impl fmt::Display for MarkMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mask {
            u32::MAX => write!(f, "{:#x}", self.value),
            mask => write!(f, "{:#x}/{mask:#x}", self.value),
        }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Account::Number(number) => number.fmt(f),
            Account::Name(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_look_only_at_their_mask() {
        let all = TcpFlags::from_name("all").expect("a name");
        let syn_only = FlagMatch::new(TcpFlags::SYN, all).expect("a subset");
        assert!(syn_only.matches(TcpFlags::SYN));
        assert!(!syn_only.matches(TcpFlags::from_bits(0x12)));
        assert_eq!(FlagMatch::new(TcpFlags::SYN, TcpFlags::NONE), None);
    }

    #[test]
    fn a_mark_is_set_under_its_mask() {
        let mark = MarkMatch::new(0x10, 0xf0).expect("within");
        assert_eq!(mark.set_on(0xabc), 0xa1c);
        assert!(mark.matches(mark.set_on(u32::MAX)));
    }

    #[test]
    fn macs_are_six_pairs() {
        let mac = Mac::parse("00:16:3e:00:0A:01").expect("a mac");
        assert_eq!(mac.to_string(), "00:16:3e:00:0a:01");
        assert_eq!(Mac::parse("00:16:3e:00:01"), None);
        assert_eq!(Mac::parse("0:16:3e:00:00:001"), None);
    }
}
