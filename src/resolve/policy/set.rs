//! Sets of a policy, that an address is in one, and what fills them.

use std::sync::Arc;

use super::SourceLengths;
use crate::net::{Addresses, Duration, Family};
use crate::ruleset::{self, DynamicSet, KernelSet, MAX_SET_ENTRIES, Origin};
use crate::source::Span;

/// A set of addresses that the kernel keeps by a name, one for each family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// As the policy calls it.
    pub name: Arc<str>,
    /// Where its name stands.
    pub span: Span,
    pub content: SetContent,
}

impl Set {
    #[must_use]
    pub fn is_dynamic(&self) -> bool {
        matches!(self.content, SetContent::Dynamic(_))
    }

    /// The kernel's name of the set's addresses of a family: `blocklist.v4`, `banned-1h.v6`.
    ///
    /// It says all that a dynamic set is made with, for the kernel refuses to make a set that is there
    /// with anything else; and a dynamic set is never unmade, for it would lose what is in it.
    // INVARIANT: no two sets of a policy have the same; short enough for what is put behind it.
    #[must_use]
    pub fn kernel_name(&self, family: Family) -> String {
        match self.content {
            SetContent::Static(_) => format!("{}{}", self.name, suffix(family)),
            SetContent::Dynamic(dynamic) => dynamic.kernel_name(&self.name, family),
        }
    }

    /// The set's addresses of a family as the kernel has them.
    #[must_use]
    pub fn kernel_set(&self, family: Family) -> KernelSet {
        let content = match &self.content {
            SetContent::Static(addresses) => ruleset::SetContent::Static(addresses.clone()),
            SetContent::Dynamic(dynamic) => ruleset::SetContent::Dynamic(dynamic.in_kernel(family)),
        };
        let name = self.kernel_name(family).into();
        KernelSet {
            name,
            family,
            content,
            origin: Origin::Statement { span: self.span, call: None },
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetContent {
    /// Exactly these addresses.
    Static(Addresses),
    Dynamic(Dynamic),
}

/// Entries of a dynamic set that does not say how many: what `ipset` takes by itself.
pub const DEFAULT_SET_SIZE: u32 = 65_536;

/// The longest time that `ipset` takes, in seconds: half of 32 bits of milliseconds
/// (`IPSET_MAX_TIMEOUT` of the kernel).
pub const MAX_SET_TIMEOUT: u32 = 2_147_483;

/// The shortest lengths of networks that are added. The kernel takes up no network that is all zeros, and
/// in those of these lengths is nobody: `0.0.0.0/8` is this network (RFC 791), `::/16` is loopback and
/// IPv4 in other forms (RFC 4291), but not that of translators, `64:ff9b::/96` (RFC 6052).
pub const SHORTEST_ADDED: SourceLengths = SourceLengths { v4: 8, v6: 16 };

/// A set that `add` statements fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dynamic {
    /// How long an entry stays; nothing for good.
    pub timeout: Option<Duration>,
    /// How many entries there can be.
    pub size: u32,
    /// What is added and looked for: networks of these lengths.
    // INVARIANT: neither is 0.
    pub lengths: SourceLengths,
}

impl Dynamic {
    /// What the kernel's set of a family is made with.
    #[must_use]
    pub fn in_kernel(self, family: Family) -> DynamicSet {
        DynamicSet {
            timeout: self.timeout.map_or(0, Duration::seconds),
            size: self.size,
            length: self.lengths.of(family),
        }
    }

    fn kernel_name(self, name: &str, family: Family) -> String {
        let mut name = name.to_owned();
        match self.timeout {
            Some(time) => name.extend(["-", &time.to_string()]),
            None => name.push_str("-kept"),
        }
        if self.size != DEFAULT_SET_SIZE {
            name.extend(["-", &self.size.to_string()]);
        }
        let length = self.lengths.of(family);
        if length != family.bits() {
            name.extend(["-n", &length.to_string()]);
        }
        name.push_str(suffix(family));
        name
    }

    /// The set that the kernel's name of a dynamic set stands for: its name in a policy, and what it is made
    /// with. Nothing is known of what is added in the other family. `None` for other names.
    #[must_use]
    pub fn of_kernel_name(text: &str, family: Family) -> Option<(Arc<str>, Self)> {
        let mut words: Vec<&str> = text.strip_suffix(suffix(family))?.split('-').collect();
        let length = words.last().and_then(|word| word.strip_prefix('n')?.parse::<u8>().ok());
        words.pop_if(|_| length.is_some());
        let size = words.last().and_then(|word| word.parse().ok());
        words.pop_if(|_| size.is_some());
        let timeout = match words.pop()? {
            "kept" => None,
            time => Some(Duration::parse(time).ok()?),
        };
        let mut lengths = SourceLengths { v4: Family::V4.bits(), v6: Family::V6.bits() };
        match (family, length) {
            (_, None) => {}
            (Family::V4, Some(length)) => lengths.v4 = length,
            (Family::V6, Some(length)) => lengths.v6 = length,
        }
        let name = words.join("-");
        let dynamic = Dynamic { timeout, size: size.unwrap_or(DEFAULT_SET_SIZE), lengths };
        let fits = timeout.is_none_or(|time| (1..=MAX_SET_TIMEOUT).contains(&time.seconds()))
            && (1..=MAX_SET_ENTRIES).contains(&dynamic.size)
            && lengths.of(family) >= SHORTEST_ADDED.of(family)
            && dynamic.kernel_name(&name, family) == text;
        fits.then(|| (name.into(), dynamic))
    }
}

fn suffix(family: Family) -> &'static str {
    match family {
        Family::V4 => ".v4",
        Family::V6 => ".v6",
    }
}

/// An index into [`Policy::sets`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetId(pub u32);

/// That an address is in a set, or that it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Member {
    pub set: SetId,
    pub inside: bool,
}

impl Member {
    /// What holds when all of both hold; `None` when nothing is in a set and not in it.
    #[must_use]
    pub fn meet(these: &[Member], those: &[Member]) -> Option<Vec<Member>> {
        let mut all: Vec<Member> = these.iter().chain(those).copied().collect();
        all.sort_unstable();
        all.dedup();
        let contradicts = all.windows(2).any(|pair| pair[0].set == pair[1].set);
        (!contradicts).then_some(all)
    }
}

/// What `add` does: the source's network of the set's length is in the set from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addition {
    // INVARIANT: of a dynamic set.
    pub set: SetId,
    /// How long it stays, when that is not the set's own time.
    pub timeout: Option<Duration>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_dynamic_sets_say_what_they_are_made_with() {
        let read = |text: &str, family| Dynamic::of_kernel_name(text, family);
        let all = [
            ("banned-1h.v4", "banned", Some(3_600), DEFAULT_SET_SIZE, 32),
            ("a-b-kept.v4", "a-b", None, DEFAULT_SET_SIZE, 32),
            ("nets-1d-4096-n24.v4", "nets", Some(86_400), 4_096, 24),
            ("n-5-30s-5-n8.v4", "n-5", Some(30), 5, 8),
        ];
        for (text, name, seconds, size, length) in all {
            let (said, dynamic) = read(text, Family::V4).expect(text);
            assert_eq!(&*said, name);
            assert_eq!(dynamic.timeout.map(Duration::seconds), seconds);
            assert_eq!((dynamic.size, dynamic.lengths.v4), (size, length));
            assert_eq!(read(text, Family::V6), None);
        }
        let others =
            ["banned.v4", "banned-1h", "1h.v4", "a-60m.v4", "a-1h-65536.v4", "a-1h-n32.v4"];
        for text in others.into_iter().chain(["a-1h-n7.v4", "a-1h-0.v4", "a-0s.v4", "-1h.v4x"]) {
            assert_eq!(read(text, Family::V4), None, "{text}");
        }
        assert!(read("a-1h-n64.v6", Family::V6).is_some_and(|(_, set)| set.lengths.v6 == 64));
    }
}
