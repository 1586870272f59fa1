//! The standard library: services and modules written in the language, built into the binary.

use crate::packet::shares::both;
use crate::source::{FileId, Sources};
use crate::syntax::{self, tree};

/// A built-in text.
#[derive(Debug, Clone, Copy)]
pub struct BuiltIn {
    /// The name it is shown by.
    pub name: &'static str,
    pub text: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/stdlib.rs"));

/// The module of a name, as `use` takes it.
#[must_use]
pub fn module(name: &str) -> Option<BuiltIn> {
    modules().find(|(known, _)| *known == name).map(|(_, built_in)| built_in)
}

/// Every module with its name.
pub fn modules() -> impl Iterator<Item = (&'static str, BuiltIn)> {
    MODULES.iter().map(|built_in| {
        let file = built_in.name.rsplit('/').next().unwrap_or(built_in.name);
        (file.trim_end_matches(".fw"), *built_in)
    })
}

/// The files of the standard services, parsed.
#[must_use]
pub fn services(sources: &mut Sources) -> Vec<(FileId, tree::Tree)> {
    let mut add = |built_in: &BuiltIn| sources.add_built_in(built_in.name, built_in.text);
    let files: Vec<(FileId, &str)> = SERVICES.iter().map(|one| (add(one), one.text)).collect();
    let parse = |files: &[(FileId, &str)]| -> Vec<(FileId, tree::Tree)> {
        files.iter().map(|(file, text)| (*file, syntax::parse(*file, text).tree)).collect()
    };
    // Of a small policy to parse these is the most work.
    let (first, second) = files.split_at(files.len() / 2);
    let (second, first) = both(|| parse(second), || parse(first));
    first.into_iter().chain(second).collect()
}
