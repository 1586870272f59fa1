//! Palisade, a compiler for firewall policies.

pub mod source;

pub mod net;

pub mod packet;

pub mod diagnostic;

pub mod syntax;

pub mod ruleset;

pub mod resolve;

pub mod cli;
