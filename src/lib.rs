//! Palisade, a compiler for firewall policies.
//!
//! The rooms stand in the order in which they rest on each other; `tests/rooms.rs` holds it.

pub mod source;

pub mod net;

pub mod packet;

pub mod diagnostic;

pub mod syntax;

pub mod ruleset;

pub mod read;

pub mod resolve;

pub mod meaning;

pub mod lower;

pub mod analyze;

pub mod emit;

pub mod import;

pub mod cli;
