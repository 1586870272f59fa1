//! Files are written whole or not at all.
//!
//! Every text goes to a temporary file beside its place and is brought to the disk; only when all are
//! there are they renamed, in the order given. Before the first rename everything that exists stays
//! byte for byte. A link is kept: the file it leads to is replaced.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::failure::{Failure, system_words};
use super::within::Within;

/// Permissions of a new file, less what the umask takes.
const NEW_FILE: u32 = 0o644;

/// The same of one that is run.
const NEW_PROGRAM: u32 = 0o755;

/// As many links in a row as the kernel follows.
pub(super) const MAX_LINKS: usize = 40;

/// A file to be written.
#[derive(Debug)]
pub(super) struct Output {
    /// As the user calls it.
    pub(super) path: PathBuf,
    pub(super) text: String,
    /// Whether it is to be run: by whoever may read it.
    pub(super) executable: bool,
}

/// Writes each file. None of the paths may be one of `inputs` (canonical paths).
pub(super) fn write_all(
    files: &[Output],
    inputs: &[&Path],
    within: &Within,
) -> Result<(), Failure> {
    let mut staged = Vec::new();
    for file in files {
        staged.push(Staged::new(file, inputs, within)?);
    }
    let mut folders: Vec<PathBuf> = Vec::new();
    for file in staged {
        let folder = folder_of(&file.place).to_owned();
        file.commit()?;
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    for folder in folders {
        // Some file systems cannot bring a folder to the disk by itself; then the rename is as safe
        // as they make it.
        match File::open(&folder).and_then(|folder| folder.sync_all()) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
            Err(error) => return Err(Failure::writing(folder.display(), system_words(&error))),
        }
    }
    Ok(())
}

/// What people go on writing is not replaced unasked: a file that has another text than the new one.
pub(super) fn refuse_to_replace(path: &Path, text: &str) -> Result<(), Failure> {
    match fs::read(path) {
        Ok(old) if !old.is_empty() && old != text.as_bytes() => {
            let failure = Failure::writing(path.display(), "there is a file with another text");
            Err(failure.help("give another path to `-o`, or `--force` to replace it"))
        }
        // What cannot be read or is no file is told by who writes.
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Creates a folder for outputs, with those above it.
pub(super) fn create_folder(path: &Path, within: &Within) -> Result<(), Failure> {
    let made = within.given(path).map(fs::create_dir_all);
    let why = match made {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) if error.kind() == io::ErrorKind::AlreadyExists => {
            "a file is in its place".to_owned()
        }
        Ok(Err(error)) => system_words(&error),
        Err(why) => why,
    };
    Err(Failure::new(format!("cannot create the folder {}: {why}", path.display())))
}

/// A text that waits beside its place.
struct Staged {
    /// As the user calls it.
    path: PathBuf,
    /// What is replaced: `path` with links followed.
    place: PathBuf,
    file: NamedTempFile,
}

impl Staged {
    fn new(output: &Output, inputs: &[&Path], within: &Within) -> Result<Self, Failure> {
        let path = output.path.as_path();
        let system = |error: io::Error| Failure::writing(path.display(), system_words(&error));
        let outside = |why: String| Failure::writing(path.display(), why);
        let place = follow_links(&within.given(path).map_err(outside)?).map_err(system)?;
        let existing = existing(&place).map_err(|why| Failure::writing(path.display(), why))?;
        if existing.is_some() && fs::canonicalize(&place).is_ok_and(|p| inputs.contains(&&*p)) {
            let failure = Failure::writing(path.display(), "it is a file of the policy itself");
            return Err(failure.help("give another path to `-o`"));
        }
        let folder = folder_of(&place);
        if !folder.is_dir() {
            let why = format!("there is no folder {}", folder.display());
            return Err(Failure::writing(path.display(), why));
        }
        let prefix = format!(".{}.", place.file_name().unwrap_or_default().to_string_lossy());
        let mut file = tempfile::Builder::new()
            .prefix(&prefix)
            .permissions(Permissions::from_mode(if output.executable {
                NEW_PROGRAM
            } else {
                NEW_FILE
            }))
            .tempfile_in(folder)
            .map_err(system)?;
        file.write_all(output.text.as_bytes()).map_err(system)?;
        if let Some(existing) = existing {
            keep_permissions(file.as_file(), &existing, output.executable).map_err(system)?;
        }
        file.as_file().sync_all().map_err(system)?;
        Ok(Staged { path: path.to_owned(), place, file })
    }

    fn commit(self) -> Result<(), Failure> {
        match self.file.persist(&self.place) {
            Ok(_) => Ok(()),
            Err(error) => Err(Failure::writing(self.path.display(), system_words(&error.error))),
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        Some(_) | None => Path::new("."),
    }
}

/// Where a path leads, also when nothing is there yet.
fn follow_links(path: &Path) -> io::Result<PathBuf> {
    let mut place = path.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::symlink_metadata(&place) {
            Ok(metadata) if metadata.is_symlink() => {
                place = folder_of(&place).join(fs::read_link(&place)?);
            }
            Ok(_) => return Ok(place),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(place),
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("too many symbolic links in a row"))
}

/// What is there already, if it is a file that may be written.
fn existing(place: &Path) -> Result<Option<fs::Metadata>, String> {
    let metadata = match fs::metadata(place) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(system_words(&error)),
    };
    if metadata.is_dir() {
        return Err("it is a folder".to_owned());
    }
    if !metadata.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    // A rename would not ask; a file that its owner protects is not to be replaced.
    match OpenOptions::new().append(true).open(place) {
        Ok(_) => Ok(Some(metadata)),
        Err(error) => Err(system_words(&error)),
    }
}

/// The owner is kept where the system lets us; the permissions are kept always, but that whoever
/// may read what is to be run may run it.
fn keep_permissions(file: &File, existing: &fs::Metadata, executable: bool) -> io::Result<()> {
    let new = file.metadata()?;
    if (new.uid(), new.gid()) != (existing.uid(), existing.gid()) {
        match fchown(file, Some(existing.uid()), Some(existing.gid())) {
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    let mode = existing.permissions().mode();
    let runs = if executable { (mode & 0o444) >> 2 } else { 0 };
    file.set_permissions(Permissions::from_mode(mode | runs))
}

#[cfg(test)]
mod tests;
