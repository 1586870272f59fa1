//! Gathers the files of a policy: the root, what it includes, the modules it uses, the lists of its
//! sets.

use std::collections::HashMap;
use std::sync::Arc;

use super::{messages, stdlib};
use crate::diagnostic::Finding;
use crate::source::{File, FileId, LoadError, Loader, MAX_BYTES, Sources, Span};
use crate::syntax::{self, tree};

/// Files nest at most this deep.
const MAX_DEPTH: usize = 64;

/// A policy has at most this many files.
const MAX_FILES: usize = 10_000;

/// One file of statements that was read.
pub struct Unit {
    tree: tree::Tree,
}

/// A policy's files.
pub struct Loaded {
    /// In the order in which they were first named.
    pub units: Vec<Unit>,
    /// The user's own files in the order in which they were first named: those of units and sets.
    pub files: Vec<FileId>,
    /// For the name of each set's file, the file.
    pub set_files: HashMap<Span, FileId>,
    /// The names whose definitions could not be read.
    pub unread: Vec<tree::Name>,
    /// Whether included files could not be read: any name may be defined there.
    pub lacks_files: bool,
    /// For each `include` and `use`, the units that stand in its place.
    inserted: HashMap<Span, Vec<usize>>,
}

impl Loaded {
    /// The statements of the whole policy in order, those of included files at the place of their
    /// `include`.
    pub fn statements(&self) -> Vec<&tree::Statement> {
        let mut statements = Vec::new();
        self.collect(0, &mut statements);
        statements
    }

    // Depth is bounded by MAX_DEPTH.
    fn collect<'a>(&'a self, unit: usize, into: &mut Vec<&'a tree::Statement>) {
        for statement in &self.units[unit].tree.statements {
            match self.inserted.get(&statement.span) {
                Some(units) => units.iter().for_each(|unit| self.collect(*unit, into)),
                None => into.push(statement),
            }
        }
    }
}

/// Reads the root, which is in `sources` already, and everything it names.
pub fn load(
    root: FileId,
    sources: &mut Sources,
    loader: &mut dyn Loader,
    findings: &mut Vec<Finding>,
) -> Loaded {
    let name = sources.file(root).name().to_owned();
    let mut state = Load {
        sources,
        loader,
        findings,
        loaded: Loaded {
            units: Vec::new(),
            files: Vec::new(),
            set_files: HashMap::new(),
            unread: Vec::new(),
            lacks_files: false,
            inserted: HashMap::new(),
        },
        bytes: 0,
        seen: HashMap::new(),
        sets: HashMap::new(),
        path: Vec::new(),
    };
    let identity = state.loader.identity(&name);
    state.path.push(Step { identity: identity.clone(), site: None });
    state.seen.insert(identity, None);
    state.read(root);
    state.loaded
}

struct Load<'a> {
    sources: &'a mut Sources,
    loader: &'a mut dyn Loader,
    findings: &'a mut Vec<Finding>,
    loaded: Loaded,
    bytes: usize,
    /// Every file by identity, with the statement that first named it.
    seen: HashMap<String, Option<Span>>,
    /// The files of sets by identity: two sets may be made of one.
    sets: HashMap<String, FileId>,
    /// The files around the present one, outermost first.
    path: Vec<Step>,
}

struct Step {
    identity: String,
    /// The `include` that led here; `None` for the root.
    site: Option<Span>,
}

impl Load<'_> {
    fn read(&mut self, file: FileId) -> usize {
        let text = Arc::clone(self.sources.file(file).text());
        self.bytes += text.len();
        let parsed = syntax::parse(file, &text);
        self.findings.extend(parsed.findings);
        self.loaded.unread.extend(parsed.unread);
        let index = self.loaded.units.len();
        let inner = inclusions(&parsed.tree);
        self.loaded.units.push(Unit { tree: parsed.tree });
        if !self.sources.file(file).is_built_in() {
            self.loaded.files.push(file);
        }
        for (site, what) in inner {
            let units = match what {
                Inclusion::Pattern(text) => self.include(site, text),
                Inclusion::Module(name) => self.use_module(name),
                Inclusion::Set(text) => {
                    self.read_set(text.0);
                    continue;
                }
            };
            self.loaded.inserted.insert(site, units);
        }
        index
    }

    fn include(&mut self, site: Span, text: tree::Text) -> Vec<usize> {
        let pattern = syntax::unquote(self.sources.text(text.0)).into_owned();
        if pattern.is_empty() {
            self.findings.push(messages::include_without_name(text.0));
            return Vec::new();
        }
        if self.path.len() > MAX_DEPTH {
            self.lack(messages::includes_too_deep(site, MAX_DEPTH));
            return Vec::new();
        }
        let pattern = join(self.sources.file(site.file()).name(), &pattern);
        let is_glob = pattern.contains(['*', '?']);
        let paths = if is_glob { self.expand(text.0, &pattern) } else { vec![pattern] };
        paths.iter().filter_map(|path| self.include_file(site, text.0, path)).collect()
    }

    fn expand(&mut self, at: Span, pattern: &str) -> Vec<String> {
        match self.loader.expand(pattern) {
            Ok(paths) => {
                if paths.is_empty() {
                    self.findings.push(messages::include_matches_nothing(at));
                }
                paths
            }
            Err(error) => {
                self.lack(messages::cannot_include(at, pattern, &error));
                Vec::new()
            }
        }
    }

    /// Says why an included file is not read: whatever it may define is not looked for.
    fn lack(&mut self, why: Finding) {
        self.findings.push(
            why.note("names that no other file defines may be defined there, and are not reported"),
        );
        self.loaded.lacks_files = true;
    }

    fn include_file(&mut self, site: Span, at: Span, path: &str) -> Option<usize> {
        let identity = self.loader.identity(path);
        if let Some(start) = self.path.iter().position(|step| step.identity == identity) {
            let ring: Vec<Span> = self.path[start + 1..].iter().filter_map(|s| s.site).collect();
            self.findings.push(messages::include_cycle(at, path, &ring, self.sources));
            return None;
        }
        if let Some(first) = self.seen.get(&identity) {
            self.findings.push(messages::included_twice(at, path, *first));
            return None;
        }
        if self.loaded.units.len() >= MAX_FILES {
            self.lack(messages::too_many_files(at, MAX_FILES));
            return None;
        }
        let text = match self.load(path) {
            Ok(text) => text,
            Err(error) => {
                self.lack(messages::cannot_include(at, path, &error));
                return None;
            }
        };
        self.seen.insert(identity.clone(), Some(at));
        let file = self.sources.add(path, text);
        self.path.push(Step { identity, site: Some(site) });
        let unit = self.read(file);
        self.path.pop();
        Some(unit)
    }

    /// A text, as long as the policy has room for it.
    fn load(&mut self, path: &str) -> Result<Arc<str>, LoadError> {
        let text = self.loader.load(path)?;
        let bytes = self.bytes + text.len();
        if bytes > MAX_BYTES {
            return Err(LoadError::TooLarge { bytes: bytes as u64 });
        }
        Ok(text)
    }

    /// The list of a set; what it says is not looked at yet.
    fn read_set(&mut self, at: Span) {
        let written = syntax::unquote(self.sources.text(at)).into_owned();
        if written.is_empty() {
            self.findings.push(messages::set_without_file(at));
            return;
        }
        let path = join(self.sources.file(at.file()).name(), &written);
        let identity = self.loader.identity(&path);
        if let Some(file) = self.sets.get(&identity) {
            self.loaded.set_files.insert(at, *file);
            return;
        }
        match self.load(&path) {
            Ok(text) => {
                self.bytes += text.len();
                let file = self.sources.add(path, text);
                self.sets.insert(identity, file);
                self.loaded.files.push(file);
                self.loaded.set_files.insert(at, file);
            }
            Err(error) => self.findings.push(messages::cannot_read_set(at, &path, &error)),
        }
    }

    /// A module used twice is read once: two files may both rest on it.
    fn use_module(&mut self, name: tree::Name) -> Vec<usize> {
        let word = self.sources.text(name.0).to_owned();
        let Some(module) = stdlib::module(&word) else {
            self.findings.push(messages::unknown_module(name.0, &word));
            return Vec::new();
        };
        if self.seen.insert(format!("<{word}>"), Some(name.0)).is_some() {
            return Vec::new();
        }
        let file = File::built_in(module.name, module.text);
        let file = self.sources.add_file(Arc::new(file));
        vec![self.read(file)]
    }
}

enum Inclusion {
    Pattern(tree::Text),
    Module(tree::Name),
    Set(tree::Text),
}

/// The statements of the top level that name other files. In blocks they are refused later.
fn inclusions(tree: &tree::Tree) -> Vec<(Span, Inclusion)> {
    let of = |statement: &tree::Statement| match &statement.kind {
        tree::StatementKind::Include(text) => Some((statement.span, Inclusion::Pattern(*text))),
        tree::StatementKind::Use(name) => Some((statement.span, Inclusion::Module(*name))),
        tree::StatementKind::Set(set) => match set.kind {
            tree::SetKind::File(text) => Some((statement.span, Inclusion::Set(text))),
            tree::SetKind::List(_) | tree::SetKind::Dynamic { .. } => None,
        },
        _ => None,
    };
    tree.statements.iter().filter_map(of).collect()
}

/// A path as written in `file`, relative to that file's folder.
fn join(file: &str, path: &str) -> String {
    match file.rsplit_once('/') {
        Some((folder, _)) if !path.starts_with('/') => format!("{folder}/{path}"),
        _ => path.to_owned(),
    }
}
