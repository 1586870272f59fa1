//! Files of the project that tests read, and what stands beside them.

use std::fs;
use std::path::{Path, PathBuf};

use palisade::source::MemoryLoader;

/// The files below a folder with an ending, sorted.
pub fn files_below(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut folders = vec![folder.to_owned()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The lists of sets that stand beside a policy or below it, and what it includes.
pub fn files_beside(policy: &Path) -> MemoryLoader {
    let folder = policy.parent().expect("a file is in a folder");
    let named = |path: PathBuf| {
        let name = path.strip_prefix(folder).expect("it is below").to_str()?.to_owned();
        Some((name, fs::read_to_string(&path).ok()?))
    };
    let files = ["netset", "fw"].into_iter().flat_map(|ending| files_below(folder, ending));
    MemoryLoader::new(files.filter_map(named))
}
