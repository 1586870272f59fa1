//! Text → tree: tokens, grammar, recovery. Knows nothing of what names mean.

pub mod tree;
