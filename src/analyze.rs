//! Questions about policies and rulesets, one a file.
//!
//! What goes in is read, never changed; what comes out are answers with the rules and packets that
//! show them.

pub mod list;

pub mod dead;
pub mod expiry;
pub mod graph;
pub mod redundant;
pub mod trace;

pub use expiry::expired;
pub use trace::trace;
