//! The standard library: services and modules written in the language, built into the binary.

use std::cell::OnceCell;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use super::names::{Patience, ServiceNode, service_node};
use crate::source::{File, FileId, Sources};
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

/// The files of [`SERVICES`], once for all policies: a folder may have thousands.
static FILES: LazyLock<Box<[Arc<File>]>> = LazyLock::new(|| {
    SERVICES.iter().map(|one| Arc::new(File::built_in(one.name, one.text))).collect()
});

/// The standard services. Few policies use more than some of them, so each is parsed when it is asked for.
#[derive(Debug)]
pub struct Library {
    /// By the place in [`SERVICES`].
    files: Vec<FileId>,
    /// By the place in [`STATEMENTS`].
    parsed: Box<[OnceCell<tree::Tree>]>,
    patience: Patience,
}

impl Library {
    /// Adds the library's files to the sources.
    #[must_use]
    pub fn new(sources: &mut Sources) -> Self {
        Library {
            files: FILES.iter().map(|file| sources.add_file(Arc::clone(file))).collect(),
            parsed: STATEMENTS.iter().map(|_| OnceCell::new()).collect(),
            patience: Patience::default(),
        }
    }

    /// Looks a service up by its name or an alias; with its number.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<(usize, ServiceNode<'_>)> {
        let place = NAMES.binary_search_by_key(&name, |(name, _)| *name).ok()?;
        let number = NAMES[place].1;
        Some((number, self.node(number)?))
    }

    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        NAMES.binary_search_by_key(&name, |(name, _)| *name).is_ok()
    }

    /// Every name, for a suggestion, as long as there is patience.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let looks = self.patience.takes(NAMES.len());
        NAMES.iter().filter(move |_| looks).map(|(name, _)| *name)
    }

    /// Every service, in the order of the files.
    pub fn nodes(&self) -> impl Iterator<Item = ServiceNode<'_>> {
        (0..STATEMENTS.len()).filter_map(|number| self.node(number))
    }

    /// The service of a number, as [`Library::find`] gives it.
    #[must_use]
    pub fn node(&self, number: usize) -> Option<ServiceNode<'_>> {
        let (file, range) = &STATEMENTS[number];
        let parse =
            || syntax::parse_part(self.files[*file], SERVICES[*file].text, range.clone()).tree;
        let tree = self.parsed[number].get_or_init(parse);
        tree.statements.first().and_then(service_node)
    }
}
