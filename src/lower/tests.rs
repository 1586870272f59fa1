//! What policies become, rule by rule, as compact text.

mod build;
mod filter;
mod leave;
mod limit;
mod nat;
mod pieces;
mod show;
