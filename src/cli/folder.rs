//! The policies in a folder: all `*.fw` under it, in bytewise order of their paths.
//!
//! Names that start with a dot are left out, as in a shell's `*`; links to folders are not followed,
//! so there is always an end.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::failure::{Failure, system_words};

/// The paths, each starting with `folder`. None at all is a failure.
pub(super) fn policies_in(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let failure = |error| Failure::reading(folder.display(), system_words(&error));
        for entry in fs::read_dir(&folder).map_err(failure)? {
            let entry = entry.map_err(failure)?;
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let path = entry.path();
            if entry.file_type().map_err(failure)?.is_dir() {
                folders.push(path);
            } else if path.extension() == Some(OsStr::new("fw")) && !path.is_dir() {
                found.push(path);
            }
        }
    }
    if found.is_empty() {
        let failure = Failure::new(format!("there is no policy in {}", folder.display()));
        return Err(failure.help("policies are files that end in `.fw`"));
    }
    found.sort_by(|a, b| a.as_os_str().cmp(b.as_os_str()));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_policies_in_bytewise_order() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for sub in ["a", "a-b", ".git", "link.fw"] {
            fs::create_dir(at(sub)).unwrap();
        }
        for file in ["a/x.fw", "a-b/x.fw", "z.fw", "Z.fw", ".#z.fw", ".git/x.fw", "notes.txt"] {
            fs::write(at(file), "").unwrap();
        }
        std::os::unix::fs::symlink("..", at("a/up")).unwrap();
        let found = policies_in(folder.path()).unwrap();
        let names: Vec<_> =
            found.iter().map(|path| path.strip_prefix(folder.path()).unwrap()).collect();
        assert_eq!(names, ["Z.fw", "a-b/x.fw", "a/x.fw", "z.fw"].map(Path::new));
    }

    #[test]
    fn a_folder_without_policies_is_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        let failure = policies_in(folder.path()).unwrap_err();
        assert!(failure.message.starts_with("there is no policy in "));
    }
}
