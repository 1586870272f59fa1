//! From a text to what the kernel loads: the calls of the stages, in their order.

use super::build::Emit;
use super::failure::Failure;
use crate::diagnostic::Finding;
use crate::resolve::Policy;
use crate::ruleset::Ruleset;
use crate::source::{FileId, Loader, Sources};

/// A policy with all names known.
pub(super) struct Resolved {
    pub(super) policy: Policy,
    pub(super) findings: Vec<Finding>,
    /// Every file of the policy, in include order.
    pub(super) files: Vec<FileId>,
}

/// The rules of both families.
#[expect(dead_code, reason = "read once the stages are compiled in")]
pub(super) struct Lowered {
    pub(super) v4: Ruleset,
    pub(super) v6: Ruleset,
}

/// What stands at the top of every output.
pub(super) struct Header {
    pub(super) version: String,
    /// Hexadecimal SHA-256 of the policy's contents.
    pub(super) digest: String,
    /// What whoever loads the rules must know.
    #[expect(dead_code, reason = "read once the stages are compiled in")]
    pub(super) notes: Vec<String>,
}

/// A service of the standard library, as people look it up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServiceInfo {
    pub(super) name: String,
    pub(super) aliases: Vec<String>,
    pub(super) tags: Vec<String>,
    pub(super) description: String,
    /// As the library's source writes it.
    pub(super) definition: String,
    /// What it opens, such as `tcp 22`.
    pub(super) parts: Vec<String>,
    pub(super) file: String,
}

pub(super) fn resolve(
    _root: FileId,
    _sources: &mut Sources,
    _loader: &mut dyn Loader,
) -> Result<Resolved, Failure> {
    Err(not_compiled_in())
}

pub(super) fn lower(_policy: &Policy, _sources: &Sources) -> Result<Lowered, Failure> {
    Err(not_compiled_in())
}

/// One output as text.
pub(super) fn emit(
    what: Emit,
    _lowered: &Lowered,
    header: &Header,
    _sources: &Sources,
) -> Result<String, Failure> {
    match what {
        Emit::Ipsets => Ok(ipsets(header)),
        Emit::V4 | Emit::V6 | Emit::Nft | Emit::Plan | Emit::Json => Err(not_compiled_in()),
    }
}

/// No set is made yet; the file is there so that nothing stale stays.
fn ipsets(header: &Header) -> String {
    format!("# palisade {}: sets\n# policy sha256:{}\n", header.version, header.digest)
}

pub(super) fn services() -> Result<Vec<ServiceInfo>, Failure> {
    Err(not_compiled_in())
}

fn not_compiled_in() -> Failure {
    Failure::new("the compiler is not compiled in yet")
}
