//! What `resolve` says about mistakes: one function a message.

mod direction;
mod files;
mod names;
mod rules;
mod translation;
mod values;

pub use direction::*;
pub use files::*;
pub use names::*;
pub use rules::*;
pub use translation::*;
pub use values::*;
