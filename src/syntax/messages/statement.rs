//! What is said about a statement that the grammar could not read.
use crate::diagnostic::Finding;
use super::super::scan::Scan;
use super::syntax_error;

pub fn explain(scan: &Scan<'_, '_>) -> (Finding, bool) {
    (syntax_error(scan.span(0), "stub"), false)
}
