//! Rules in the words of iptables: where they stand and what they do.

use std::sync::Arc;

use super::{ChainId, Origin, RejectWith};
use crate::net::Family;

/// A rule in the words of iptables: for a packet that meets its condition, do what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw {
    pub origin: Origin,
    pub family: Family,
    pub table: RawTable,
    /// `None` in a user's chain.
    // INVARIANT: one that the table has.
    pub chain: Option<KernelChain>,
    /// The condition as written; whether it holds of a packet is known by this text alone. Empty for
    /// every packet.
    // INVARIANT: one line, its quotes closed, with its end at the end of a word.
    pub matches: Arc<str>,
    pub target: RawTarget,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RawTable {
    Filter,
    Nat,
    Mangle,
    Raw,
    /// Of labels for SELinux; asked behind the filter.
    Security,
}

/// A chain that packets meet by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KernelChain {
    Prerouting,
    Input,
    Forward,
    Output,
    Postrouting,
}

impl RawTable {
    pub const ALL: [RawTable; 5] =
        [RawTable::Filter, RawTable::Nat, RawTable::Mangle, RawTable::Raw, RawTable::Security];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            RawTable::Filter => "filter",
            RawTable::Nat => "nat",
            RawTable::Mangle => "mangle",
            RawTable::Raw => "raw",
            RawTable::Security => "security",
        }
    }

    /// The chains that the kernel has in this table.
    #[must_use]
    pub fn chains(self) -> &'static [KernelChain] {
        use KernelChain::{Forward, Input, Output, Postrouting, Prerouting};
        match self {
            RawTable::Filter | RawTable::Security => &[Input, Forward, Output],
            RawTable::Nat => &[Prerouting, Input, Output, Postrouting],
            RawTable::Mangle => &[Prerouting, Input, Forward, Output, Postrouting],
            RawTable::Raw => &[Prerouting, Output],
        }
    }
}

impl KernelChain {
    pub const ALL: [KernelChain; 5] = [
        KernelChain::Prerouting,
        KernelChain::Input,
        KernelChain::Forward,
        KernelChain::Output,
        KernelChain::Postrouting,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            KernelChain::Prerouting => "PREROUTING",
            KernelChain::Input => "INPUT",
            KernelChain::Forward => "FORWARD",
            KernelChain::Output => "OUTPUT",
            KernelChain::Postrouting => "POSTROUTING",
        }
    }
}

/// What a raw rule does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RawTarget {
    Accept,
    Drop,
    Return,
    Reject(RejectWith),
    Jump(ChainId),
    Goto(ChainId),
    /// Something after which the next rule is asked, as written; empty for nothing at all.
    GoesOn(Arc<str>),
    /// Something that ends the packet's way through the table, as written: only its words are known.
    Decides(Arc<str>),
}
