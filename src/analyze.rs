//! Questions about rulesets, one a file.
//!
//! What goes in is read, never changed; what comes out are answers with the rules and packets that
//! show them.

pub mod dead;
pub mod list;
pub mod redundant;
pub mod trace;

pub use trace::trace;
