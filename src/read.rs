//! Rules as `iptables-save` prints them and people write them → a [`Ruleset`].
//!
//! In goes the text of a rules file of one family, out come its tables with every rule, each with the
//! line that it stands on. What the model can say exactly becomes that; all else stays as the words
//! that it was written in. A text that `iptables-restore` would refuse, or take for something else
//! than it seems, is reported. Knows nothing of `emit`: it is what the printed rules are held to.

mod dump;
mod table;
mod words;

mod base;
mod line;
mod rule;

mod asked;
mod options;

mod connection;
mod counts;
mod packet;
mod target;
mod transport;

mod names;
mod value;

mod family;
mod ipsets;
mod messages;
mod rings;
mod sets;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::diagnostic::Finding;
use crate::net::Family;
use crate::ruleset::{KernelSet, Match, Ruleset, TableName, Target};
use crate::source::{FileId, Span};

pub use family::is_dump;
pub use ipsets::{ReadSets, is_ipset_dump, read_ipsets};

/// Where chains are declared, by their table and name.
pub type Declared = BTreeMap<(TableName, Arc<str>), Span>;

/// A rules file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// With the tables that the text has. Each has all chains of the kernel: those that are not
    /// declared accept.
    pub ruleset: Ruleset,
    pub declared: Declared,
    /// The sets that its rules fill or empty.
    pub changed_sets: BTreeSet<String>,
    pub findings: Vec<Finding>,
    /// Whether nothing says that the rules are for IPv4.
    pub family_is_assumed: bool,
}

/// Reads the rules of one family; without one, of the family that the text speaks of. Of sets only
/// their names are known.
#[must_use]
pub fn read(file: FileId, text: &str, family: Option<Family>) -> Read {
    read_with_sets(file, text, family, &[])
}

/// The same where it is known what is in some sets. Those of the other family are left out.
#[must_use]
pub fn read_with_sets(
    file: FileId,
    text: &str,
    family: Option<Family>,
    sets: &[Arc<KernelSet>],
) -> Read {
    let said = family.or_else(|| family::of_text(text));
    dump::read(file, text, said, sets)
}

/// What the words of one rule say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// Those of each rule that the tools make of it: one, but for lists of addresses.
    pub matches: Vec<Vec<Match>>,
    pub target: Target,
}

/// Reads the words of rules of one machine, each without its `-A CHAIN` and with the place where it stands,
/// such as the raw rules of a policy. It is known what is in some sets; what one of the rules changes is not
/// known of any. `is_chain` tells the chains that they may go to. Of a rule that the tools would refuse there is
/// a finding instead.
#[must_use]
pub fn read_rules(
    rules: &[(Span, &str)],
    family: Family,
    sets: &[Arc<KernelSet>],
    is_chain: &dyn Fn(&str) -> bool,
) -> Vec<Result<Words, Box<Finding>>> {
    dump::single_rules(rules, family, sets, is_chain)
}
