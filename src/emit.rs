//! Rulesets as text: what the kernel's tools load, and what people read at night.
//!
//! In goes a [`Ruleset`](crate::ruleset::Ruleset), out comes text; nothing is looked up, nothing
//! depends on the clock or the machine. What `iptables` prints, `iptables-save` prints back.

pub mod iptables;

pub mod ipset;

pub mod rule;

pub mod plan;

pub mod graph;

pub mod nft;

pub mod load;

pub mod rate;

pub mod quote;

pub mod origin;

mod address;
mod matches;
mod target;

pub use ipset::ipsets;
pub use iptables::{Header, iptables};
pub use load::load_script;
pub use nft::{Untranslatable, nft};
pub use plan::{plan, plan_json};
pub use rule::{rule_text, unwritable};
