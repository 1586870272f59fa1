//! Questions about policies and rulesets, one a file.
//!
//! What goes in is read, never changed; what comes out are answers with the rules and packets that
//! show them.

pub mod list;

pub mod dead;
pub mod expiry;
mod habits;
mod nat;
mod passing;
mod places;
pub mod redundant;
mod shown;
pub mod trace;

pub use expiry::expired;
pub use trace::trace;

use crate::diagnostic::Finding;
use crate::meaning::meaning;
use crate::resolve::Policy;

/// What is wrong with a policy that resolved without an error, and what may be.
#[must_use]
pub fn customs(policy: &Policy) -> Vec<Finding> {
    let meaning = meaning(policy);
    let mut findings = nat::findings(policy, &meaning);
    findings.extend(habits::findings(policy, &meaning));
    findings.sort_by_key(|finding| {
        (finding.span.map(|span| (span.file(), span.start())), finding.lint.name)
    });
    findings
}
