//! Questions about policies and rulesets, one a file.
//!
//! What goes in is read, never changed; what comes out are answers with the rules and packets that
//! show them.

mod accounts;
pub mod boxes;
pub mod flat;
pub mod list;

pub mod changes;
pub mod dead;
pub mod difference;
pub mod equal;
pub mod expiry;
pub mod graph;
mod habits;
pub mod journey;
mod nat;
mod passage;
pub mod promise;
pub mod query;
pub mod redundant;
pub mod ruled;
pub mod text;
pub mod trace;
mod work;

pub mod deliverable;
pub mod witness;

mod judge;
mod partly;
pub mod removal;
mod shadow;
mod spare;
mod story;
mod told;
mod unreached;

mod findings;

pub use expiry::expired;
pub use findings::findings;
pub use story::name as implied_name;
pub use text::{Dump, Rules, Text};
pub use trace::trace;
