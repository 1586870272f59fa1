//! Sets of a policy, that an address is in one, and what fills them.

use std::sync::Arc;

use super::SourceLengths;
use crate::net::{Addresses, Duration, Family};
use crate::ruleset::{self, DynamicSet, KernelSet, Origin};
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
        let mut name = self.name.to_string();
        if let SetContent::Dynamic(dynamic) = self.content {
            match dynamic.timeout {
                Some(time) => name.extend(["-", &time.to_string()]),
                None => name.push_str("-kept"),
            }
            if dynamic.size != DEFAULT_SET_SIZE {
                name.extend(["-", &dynamic.size.to_string()]);
            }
            let length = dynamic.lengths.of(family);
            if length != family.bits() {
                name.extend(["-n", &length.to_string()]);
            }
        }
        name.push_str(match family {
            Family::V4 => ".v4",
            Family::V6 => ".v6",
        });
        name
    }

    /// The set's addresses of a family as the kernel has them.
    #[must_use]
    pub fn kernel_set(&self, family: Family) -> KernelSet {
        let content = match &self.content {
            SetContent::Static(addresses) => ruleset::SetContent::Static(addresses.clone()),
            SetContent::Dynamic(dynamic) => ruleset::SetContent::Dynamic(DynamicSet {
                timeout: dynamic.timeout.map_or(0, Duration::seconds),
                size: dynamic.size,
                length: dynamic.lengths.of(family),
            }),
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
