//! The lists that a rule itself writes, member by member.

use std::sync::Arc;

use super::Part;
use crate::source::Span;

/// A member of a list of several in a filter rule, as it is written there. (What a name of addresses or
/// a zone stands for is no member: it is written elsewhere.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub span: Span,
    pub says: Says,
}

/// What a member says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Says {
    /// A source address, network or range: where it is written, without its place.
    From(Span),
    /// The same of a destination.
    To(Span),
    /// Kinds of traffic; equal ones share their parts.
    About {
        parts: Arc<[Part]>,
        /// Whether they are of every family and address that the rule speaks of, and need no helper.
        is_plain: bool,
    },
}
