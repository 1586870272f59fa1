//! What `resolve` says about mistakes: one function a message.

mod direction;
mod files;
mod names;
mod others;
mod promises;
mod raw;
mod rules;
mod sets;
mod translation;
mod values;

/// `1 byte`, `2 bytes`
fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// `a port`, `an ICMP type`
fn with_article(noun: &str) -> String {
    let vowel = noun.starts_with(['a', 'e', 'i', 'o', 'I']);
    format!("{} {noun}", if vowel { "an" } else { "a" })
}

pub use direction::*;
pub use files::*;
pub use names::*;
pub use others::*;
pub use promises::*;
pub use raw::*;
pub use rules::*;
pub use sets::*;
pub use translation::*;
pub use values::*;
