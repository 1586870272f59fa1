//! The door to the disk for policies: regular files of bounded size, in UTF-8.
//!
//! Paths in policies are relative to the folder of the root file; this is where they become paths of
//! the system.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::failure::system_words;
use super::within::Within;
use crate::source::{LoadError, Loader, MAX_BYTES, glob_matches};

/// Reads the files of one policy and remembers which they were.
#[derive(Debug)]
pub(super) struct DiskLoader {
    folder: PathBuf,
    within: Within,
    /// Canonical paths, in the order read.
    read: Vec<PathBuf>,
    /// Bytes that the policy may still have.
    room: usize,
}

impl DiskLoader {
    /// A loader for a policy whose root, of `root_bytes`, is in `folder`; the empty path is the
    /// working directory.
    pub(super) fn new(folder: &Path, root_bytes: usize, within: &Within) -> Self {
        let room = MAX_BYTES.saturating_sub(root_bytes);
        DiskLoader { folder: folder.to_owned(), within: within.clone(), read: Vec::new(), room }
    }

    /// The canonical paths of all files that were read.
    pub(super) fn read(&self) -> &[PathBuf] {
        &self.read
    }

    fn on_disk(&self, path: &str) -> Result<PathBuf, LoadError> {
        self.within.named(&self.folder, Path::new(path)).map_err(LoadError::System)
    }
}

impl Loader for DiskLoader {
    fn load(&mut self, path: &str) -> Result<Arc<str>, LoadError> {
        let path = self.on_disk(path)?;
        let text = read_text(&path, self.room)?;
        self.room -= text.len();
        self.read.push(fs::canonicalize(&path).unwrap_or(path));
        Ok(text)
    }

    fn expand(&mut self, pattern: &str) -> Result<Vec<String>, LoadError> {
        let (root, pattern) = match pattern.strip_prefix('/') {
            Some(rest) => ("/", rest),
            None => ("", pattern),
        };
        let mut found = vec![root.to_owned()];
        for part in pattern.split('/').filter(|part| !part.is_empty()) {
            let mut next = Vec::new();
            for folder in &found {
                self.expand_part(folder, part, &mut next)?;
            }
            found = next;
        }
        found.sort_unstable();
        Ok(found)
    }

    fn identity(&mut self, path: &str) -> String {
        match self.on_disk(path).map(fs::canonicalize) {
            // Also names that are not UTF-8 are told apart.
            Ok(Ok(canonical)) => {
                canonical.as_os_str().as_encoded_bytes().escape_ascii().to_string()
            }
            Ok(Err(_)) | Err(_) => path.to_owned(),
        }
    }
}

impl DiskLoader {
    /// The entries of one folder that fit one part of a pattern.
    fn expand_part(
        &self,
        folder: &str,
        part: &str,
        found: &mut Vec<String>,
    ) -> Result<(), LoadError> {
        let join = |name: &str| match folder {
            "" | "/" => format!("{folder}{name}"),
            _ => format!("{folder}/{name}"),
        };
        if !part.contains(['*', '?']) {
            let path = join(part);
            if fs::symlink_metadata(self.on_disk(&path)?).is_ok() {
                found.push(path);
            }
            return Ok(());
        }
        let here = if folder.is_empty() { "." } else { folder };
        let entries = match fs::read_dir(self.on_disk(here)?) {
            Ok(entries) => entries,
            // A folder that is not there, or is no folder, has no entries.
            Err(error) if is_absence(&error) => return Ok(()),
            Err(error) => return Err(listing(here, &error)),
        };
        for entry in entries {
            let name = entry.map_err(|error| listing(here, &error))?.file_name();
            let shown = name.to_string_lossy();
            if (shown.starts_with('.') && !part.starts_with('.')) || !glob_matches(part, &shown) {
                continue;
            }
            let Some(name) = name.to_str() else {
                let why = format!("the name of `{}` is not UTF-8", join(&shown));
                return Err(LoadError::System(why));
            };
            found.push(join(name));
        }
        Ok(())
    }
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn listing(folder: &str, error: &io::Error) -> LoadError {
    LoadError::System(format!("cannot list `{folder}`: {}", system_words(error)))
}

/// The text of a regular file of at most `limit` bytes.
pub(super) fn read_text(path: &Path, limit: usize) -> Result<Arc<str>, LoadError> {
    let system = |error: io::Error| LoadError::System(system_words(&error));
    // Looked at before it is opened, for opening a fifo blocks.
    let kind = fs::metadata(path).map_err(system)?;
    if kind.is_dir() {
        return Err(LoadError::System("it is a folder".to_owned()));
    }
    if !kind.is_file() {
        return Err(LoadError::System("it is not a regular file".to_owned()));
    }
    let file = File::open(path).map_err(system)?;
    let before = file.metadata().map_err(system)?;
    if before.len() > limit as u64 {
        return Err(LoadError::TooLarge { bytes: before.len() });
    }
    let text = read_all(&file, limit)?;
    let after = file.metadata().map_err(system)?;
    // Half of the old text with half of the new is what nobody wrote.
    let same = |of: fn(&Metadata) -> i64| of(&before) == of(&after);
    if !same(Metadata::mtime) || !same(Metadata::mtime_nsec) || before.len() != after.len() {
        return Err(LoadError::System("it was changed while it was read".to_owned()));
    }
    Ok(text)
}

/// All that a reader gives, if it is UTF-8 and at most `limit` bytes.
pub(super) fn read_all(reader: impl Read, limit: usize) -> Result<Arc<str>, LoadError> {
    let mut bytes = Vec::new();
    // A file may grow while it is read, and a pipe does not say how long it is.
    reader
        .take(limit as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| LoadError::System(system_words(&error)))?;
    if bytes.len() > limit {
        return Err(LoadError::TooLarge { bytes: bytes.len() as u64 });
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text.into()),
        Err(error) => Err(LoadError::NotUtf8 { offset: error.utf8_error().valid_up_to() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, *file).unwrap();
        }
        folder
    }

    #[test]
    fn globs_list_in_bytewise_order_and_leave_hidden_files_alone() {
        let folder = folder_with(&[
            "conf.d/b.fw",
            "conf.d/B.fw",
            "conf.d/a.fw",
            "conf.d/.hidden.fw",
            "conf.d/a.txt",
            "sites/x/main.fw",
            "sites/y/main.fw",
            "sites/plain.fw",
        ]);
        let mut loader = DiskLoader::new(folder.path(), 0, &Within::default());
        let mut expand = |pattern: &str| loader.expand(pattern).unwrap();
        assert_eq!(expand("conf.d/*.fw"), ["conf.d/B.fw", "conf.d/a.fw", "conf.d/b.fw"]);
        assert_eq!(expand("conf.d/.*.fw"), ["conf.d/.hidden.fw"]);
        assert_eq!(expand("sites/*/main.fw"), ["sites/x/main.fw", "sites/y/main.fw"]);
        assert_eq!(expand("conf.d/?.txt"), ["conf.d/a.txt"]);
        assert_eq!(
            expand("conf.d/../conf.d/a.*"),
            ["conf.d/../conf.d/a.fw", "conf.d/../conf.d/a.txt"]
        );
        assert_eq!(expand("none/*.fw"), [""; 0]);
        assert_eq!(expand("conf.d/a.fw"), ["conf.d/a.fw"]);
        let absolute = format!("{}/conf.d/a.*w", folder.path().display());
        assert_eq!(expand(&absolute), [format!("{}/conf.d/a.fw", folder.path().display())]);
    }

    #[test]
    fn identity_follows_links() {
        let folder = folder_with(&["a.fw"]);
        std::os::unix::fs::symlink("a.fw", folder.path().join("link.fw")).unwrap();
        let mut loader = DiskLoader::new(folder.path(), 0, &Within::default());
        assert_eq!(loader.identity("a.fw"), loader.identity("./link.fw"));
        assert_eq!(loader.identity("missing.fw"), "missing.fw");
    }

    #[test]
    fn only_regular_files_of_bounded_size_in_utf8_are_read() {
        let folder = folder_with(&["a.fw"]);
        let at = |name: &str| folder.path().join(name);
        assert_eq!(read_text(&at("a.fw"), 4).as_deref(), Ok("a.fw"));
        assert_eq!(read_text(&at("a.fw"), 3), Err(LoadError::TooLarge { bytes: 4 }));
        let words = |path: &Path| match read_text(path, 100) {
            Err(LoadError::System(words)) => words,
            other => panic!("{other:?}"),
        };
        assert_eq!(words(folder.path()), "it is a folder");
        assert_eq!(words(&at("none")), "no such file or directory");
        assert_eq!(words(Path::new("/dev/null")), "it is not a regular file");
        fs::write(at("latin1.fw"), b"# gr\xf6\xdfe").unwrap();
        assert_eq!(read_text(&at("latin1.fw"), 100), Err(LoadError::NotUtf8 { offset: 4 }));
        assert_eq!(read_all(&b"12345"[..], 4), Err(LoadError::TooLarge { bytes: 5 }));
    }

    #[test]
    fn a_fifo_does_not_block() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
        assert!(made.success());
        let read = read_text(&fifo, 100);
        assert_eq!(read, Err(LoadError::System("it is not a regular file".to_owned())));
    }

    #[test]
    fn the_files_of_a_policy_share_one_bound() {
        let folder = folder_with(&["a.fw"]);
        let mut loader = DiskLoader::new(folder.path(), MAX_BYTES - 5, &Within::default());
        assert!(loader.load("a.fw").is_ok());
        assert_eq!(loader.load("a.fw"), Err(LoadError::TooLarge { bytes: 4 }));
        assert_eq!(loader.read().len(), 1);
    }
}
