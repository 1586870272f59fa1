//! The texts that a policy is made of, and places in them.
//!
//! A [`Sources`] owns every file that was read; a [`Span`] is a small, `Copy` place in one of them.
//! Text is looked up, not carried. Knows nothing of the disk: files come in through a [`Loader`].

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use codespan_reporting::files;

/// One text more than this many bytes, or a policy whose files add up to more, is refused
/// (`file-too-large`). It bounds memory and time: a million rules (63 MB) take 1.8 GB to build.
pub const MAX_BYTES: usize = 80 << 20;

/// A file in [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(u32);

/// A half-open range of bytes `start..end` in one file.
// INVARIANT: start <= end <= the file's length, and both are character boundaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    file: FileId,
    start: u32,
    end: u32,
}

impl Span {
    /// A place in `file`. Files are below [`MAX_BYTES`], so offsets fit 32 bits.
    ///
    /// # Panics
    /// When `start > end` or `end` does not fit 32 bits: a mistake of the caller.
    #[must_use]
    pub fn new(file: FileId, range: Range<usize>) -> Self {
        assert!(range.start <= range.end, "a span cannot end before it starts");
        let offset = |at: usize| u32::try_from(at).expect("files are shorter than 4 GiB");
        Span { file, start: offset(range.start), end: offset(range.end) }
    }

    #[must_use]
    pub fn file(self) -> FileId {
        self.file
    }

    #[must_use]
    pub fn start(self) -> usize {
        self.start as usize
    }

    #[must_use]
    pub fn end(self) -> usize {
        self.end as usize
    }

    #[must_use]
    pub fn range(self) -> Range<usize> {
        self.start()..self.end()
    }

    /// The smallest span that holds both; `self` alone when they are in different files.
    #[must_use]
    pub fn to(self, other: Span) -> Span {
        if self.file != other.file {
            return self;
        }
        Span { file: self.file, start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// A 1-based line and a 1-based column counted in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// One text with the name it is shown by.
#[derive(Debug, Clone)]
pub struct File {
    name: String,
    text: Arc<str>,
    /// Once somebody asks for a line.
    line_starts: OnceLock<Vec<u32>>,
    built_in: bool,
}

impl File {
    fn new(name: String, text: Arc<str>, built_in: bool) -> Self {
        File { name, text, line_starts: OnceLock::new(), built_in }
    }

    /// A text of the standard library.
    #[must_use]
    pub fn built_in(name: impl Into<String>, text: impl Into<Arc<str>>) -> Self {
        File::new(name.into(), text.into(), true)
    }

    /// The name shown to people: the path relative to the policy's folder.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    #[must_use]
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// Whether the text is a part of the standard library, not of the user's policy.
    #[must_use]
    pub fn is_built_in(&self) -> bool {
        self.built_in
    }

    fn line_starts(&self) -> &[u32] {
        self.line_starts.get_or_init(|| {
            let breaks = self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            let behind = breaks.map(|(at, _)| u32::try_from(at + 1).expect("below MAX_BYTES"));
            std::iter::once(0).chain(behind).collect()
        })
    }

    fn line_of(&self, byte: usize) -> usize {
        self.line_starts().partition_point(|start| (*start as usize) <= byte) - 1
    }

    /// The position of a byte offset (clamped to the text).
    #[must_use]
    pub fn position(&self, byte: usize) -> Position {
        let byte = byte.min(self.text.len());
        let line = self.line_of(byte);
        let start = self.line_starts()[line] as usize;
        Position { line: line + 1, column: self.text[start..byte].chars().count() + 1 }
    }
}

/// All texts of one run, in the order they were added.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    files: Vec<Arc<File>>,
}

impl Sources {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a text of the user's policy under the name it is to be shown by.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<Arc<str>>) -> FileId {
        self.add_file(Arc::new(File::new(name.into(), text.into(), false)))
    }

    /// Adds a file that others may have, too.
    pub fn add_file(&mut self, file: Arc<File>) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).expect("far fewer than 2^32 files"));
        self.files.push(file);
        id
    }

    #[must_use]
    pub fn file(&self, id: FileId) -> &File {
        &self.files[id.0 as usize]
    }

    /// Every file with its id, in the order added.
    pub fn files(&self) -> impl Iterator<Item = (FileId, &File)> {
        (0..).map(FileId).zip(self.files.iter().map(|file| &**file))
    }

    /// The text under a span.
    #[must_use]
    pub fn text(&self, span: Span) -> &str {
        &self.file(span.file).text[span.range()]
    }

    /// Where a span starts.
    #[must_use]
    pub fn start(&self, span: Span) -> Position {
        self.file(span.file).position(span.start())
    }

    /// Where a span ends: the position behind its last character.
    #[must_use]
    pub fn end(&self, span: Span) -> Position {
        self.file(span.file).position(span.end())
    }

    /// The line on which a span starts, from 1. Unlike [`Sources::start`] it does not count the
    /// columns, which takes long on very long lines.
    #[must_use]
    pub fn line(&self, span: Span) -> usize {
        self.file(span.file).line_of(span.start()) + 1
    }

    /// `file:line` of the start of a span, as the comments in the output say it.
    #[must_use]
    pub fn locate(&self, span: Span) -> String {
        format!("{}:{}", self.file(span.file).name, self.line(span))
    }
}

impl<'a> files::Files<'a> for Sources {
    type FileId = FileId;
    type Name = &'a str;
    type Source = &'a str;

    fn name(&'a self, id: FileId) -> Result<&'a str, files::Error> {
        Ok(self.file(id).name())
    }

    fn source(&'a self, id: FileId) -> Result<&'a str, files::Error> {
        Ok(&self.file(id).text)
    }

    fn line_index(&'a self, id: FileId, byte: usize) -> Result<usize, files::Error> {
        Ok(self.file(id).line_of(byte))
    }

    fn line_range(&'a self, id: FileId, line: usize) -> Result<Range<usize>, files::Error> {
        let file = self.file(id);
        let starts = file.line_starts();
        let start = |line: usize| starts.get(line).map(|start| *start as usize);
        let max = starts.len() - 1;
        let first = start(line).ok_or(files::Error::LineTooLarge { given: line, max })?;
        Ok(first..start(line + 1).unwrap_or(file.text.len()))
    }
}

/// Why a file could not be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadError {
    /// The text is not UTF-8; the offset is that of the first bad byte.
    NotUtf8 { offset: usize },
    /// Longer than [`MAX_BYTES`].
    TooLarge { bytes: u64 },
    /// The system's own words, such as "permission denied".
    System(String),
}

/// How the core gets at included files: the only door to the disk, opened by `cli`.
///
/// Paths are those written in policies, already joined to the folder of the including file, with
/// `/` between their parts.
pub trait Loader {
    /// The text of the file at `path`.
    ///
    /// # Errors
    /// When it cannot be read, is too large or is not UTF-8.
    fn load(&mut self, path: &str) -> Result<Arc<str>, LoadError>;

    /// The paths that match a pattern with `*` and `?`, in bytewise order.
    ///
    /// # Errors
    /// The system's words, when a folder cannot be listed.
    fn expand(&mut self, pattern: &str) -> Result<Vec<String>, LoadError>;

    /// A key that is equal for two paths of the same file (links followed).
    fn identity(&mut self, path: &str) -> String {
        path.to_owned()
    }
}

/// A loader with all files in memory, for tests and for programs that have no files.
#[derive(Debug, Clone, Default)]
pub struct MemoryLoader {
    files: BTreeMap<String, Arc<str>>,
}

impl MemoryLoader {
    #[must_use]
    pub fn new<N: Into<String>, T: Into<Arc<str>>>(
        files: impl IntoIterator<Item = (N, T)>,
    ) -> Self {
        let files = files.into_iter().map(|(name, text)| (name.into(), text.into())).collect();
        MemoryLoader { files }
    }
}

impl Loader for MemoryLoader {
    fn load(&mut self, path: &str) -> Result<Arc<str>, LoadError> {
        let missing = || LoadError::System("no such file".to_owned());
        self.files.get(path).cloned().ok_or_else(missing)
    }

    fn expand(&mut self, pattern: &str) -> Result<Vec<String>, LoadError> {
        let matches = |name: &&String| glob_matches(pattern, name);
        Ok(self.files.keys().filter(matches).cloned().collect())
    }
}

/// Whether `name` fits `pattern`: `*` is any run of characters but `/`, `?` is any one but `/`.
#[must_use]
pub fn glob_matches(pattern: &str, name: &str) -> bool {
    // Greedy with one point of return: each `*` is tried at its shortest and lengthened on failure.
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(b'?') if name[n] != b'/' => (p, n) = (p + 1, n + 1),
            Some(byte) if *byte == name[n] => (p, n) = (p + 1, n + 1),
            _ => match star {
                Some((at, from)) if name[from] != b'/' => {
                    star = Some((at, from + 1));
                    (p, n) = (at + 1, from + 1);
                }
                _ => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_from_one() {
        let mut sources = Sources::new();
        let id = sources.add("a.fw", "größe\nx\n");
        assert_eq!(sources.file(id).position(0), Position { line: 1, column: 1 });
        let after_umlaut = "grö".len();
        assert_eq!(sources.file(id).position(after_umlaut), Position { line: 1, column: 4 });
        assert_eq!(sources.file(id).position(8), Position { line: 2, column: 1 });
        assert_eq!(sources.file(id).position(99), Position { line: 3, column: 1 });
    }

    #[test]
    fn globs_do_not_cross_folders() {
        assert!(glob_matches("conf.d/*.fw", "conf.d/10-a.fw"));
        assert!(!glob_matches("conf.d/*.fw", "conf.d/x/10-a.fw"));
        assert!(!glob_matches("conf.d/*.fw", "conf.d/a.txt"));
        assert!(glob_matches("a?c*", "abc"));
        assert!(glob_matches("*a*b", "xaab"));
        assert!(!glob_matches("*a*b", "xaac"));
    }
}
