//! What stands at the paths that a command is given: policies, dumps of rules and of sets, told by what is in
//! them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::failure::Failure;
use super::loader::{read_all, read_text};
use super::pipeline;
use super::within::Within;
use crate::diagnostic::{Finding, catalogue};
use crate::source::{LoadError, MAX_BYTES};

/// The path that stands for standard input.
const STDIN: &str = "-";

/// Whether a path stands for standard input.
pub(super) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == STDIN
}

/// Standard input is one text: of all paths of a command one may be it.
pub(super) fn stdin_once<'p>(paths: impl IntoIterator<Item = &'p PathBuf>) -> Result<(), Failure> {
    if paths.into_iter().filter(|path| is_stdin(path)).count() > 1 {
        return Err(Failure::new("standard input is given twice").help("give a file for one"));
    }
    Ok(())
}

/// What is at a path, which is read once.
pub(super) struct Given {
    pub(super) path: PathBuf,
    pub(super) text: Result<Arc<str>, LoadError>,
}

/// What a text is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Policy,
    /// What `iptables-save` prints, or a rules file.
    Rules,
    /// What `ipset save` prints.
    Sets,
}

impl Kind {
    pub(super) fn of(text: &str) -> Self {
        // A text that says nothing is a policy that says nothing.
        let says = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
        if pipeline::is_dump(text) {
            Kind::Rules
        } else if pipeline::is_ipset_dump(text) && text.lines().any(says) {
            Kind::Sets
        } else {
            Kind::Policy
        }
    }
}

impl Given {
    pub(super) fn read(path: &Path, within: &Within) -> Self {
        Given { path: path.to_owned(), text: Root::of(path).read(path, within) }
    }

    /// What it is of; of what cannot be read a policy.
    pub(super) fn kind(&self) -> Kind {
        self.text.as_ref().map_or(Kind::Policy, |text| Kind::of(text))
    }

    /// The text of what is no policy.
    pub(super) fn text(self) -> Result<Arc<str>, Failure> {
        let title = Root::of(&self.path).title;
        self.text.map_err(|error| match unusable(&title, error) {
            Err(failure) => failure,
            Ok(finding) => Failure::reading(&title, finding.message),
        })
    }

    /// The text as far as it could be read, and how it is named among files of a folder or not.
    pub(super) fn named(&self, in_folder: bool) -> Option<(String, &Arc<str>)> {
        Some((name_of(&self.path, in_folder), self.text.as_ref().ok()?))
    }
}

/// What a command is about that takes either.
pub(super) enum Subject {
    Policy(Given),
    /// What a machine has.
    Dumps(Vec<Given>),
}

impl Subject {
    /// What is at some paths: one policy, or dumps of one machine; those of a folder are its `rules.v4`,
    /// `rules.v6` and `ipsets`.
    pub(super) fn at(paths: &[PathBuf], within: &Within) -> Result<Self, Failure> {
        let mut all = dumps(paths, within)?;
        let is_one_file = all.len() == 1 && paths.iter().all(|path| !path.is_dir());
        match all.pop() {
            Some(one) if is_one_file && one.kind() == Kind::Policy => Ok(Subject::Policy(one)),
            last => Ok(Subject::Dumps(all.into_iter().chain(last).collect())),
        }
    }
}

/// The dumps at some paths. That they are dumps is not looked at.
pub(super) fn dumps(paths: &[PathBuf], within: &Within) -> Result<Vec<Given>, Failure> {
    let mut all = Vec::new();
    for path in paths {
        if !path.is_dir() {
            all.push(path.clone());
            continue;
        }
        let names = ["rules.v4", "rules.v6", "ipsets"].map(|name| path.join(name));
        let found = names.into_iter().filter(|path| path.is_file());
        let before = all.len();
        all.extend(found);
        if all.len() == before {
            let message = format!("there is neither rules.v4 nor rules.v6 in {}", path.display());
            return Err(Failure::new(message).help("name the files that are meant"));
        }
    }
    Ok(all.iter().map(|path| Given::read(path, within)).collect())
}

/// As the user wrote it, where that leads from another folder too.
pub(super) fn name_of(path: &Path, in_folder: bool) -> String {
    let written = Root::of(path).title;
    if !in_folder || is_stdin(path) {
        return written;
    }
    std::path::absolute(path).map_or(written, |path| path.to_string_lossy().into_owned())
}

/// How a file is called.
pub(super) struct Root {
    pub(super) is_stdin: bool,
    /// For messages: as the user wrote it.
    pub(super) title: String,
    /// For outputs: without its folder, so that they do not depend on the working directory.
    pub(super) name: String,
    /// What includes are relative to; empty for the working directory.
    pub(super) folder: PathBuf,
}

impl Root {
    pub(super) fn of(path: &Path) -> Self {
        if is_stdin(path) {
            let name = "<stdin>".to_owned();
            return Root { is_stdin: true, title: name.clone(), name, folder: PathBuf::new() };
        }
        let title = path.to_string_lossy().into_owned();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        Root { is_stdin: false, name: name.unwrap_or_else(|| title.clone()), title, folder }
    }

    fn read(&self, path: &Path, within: &Within) -> Result<Arc<str>, LoadError> {
        if self.is_stdin {
            return read_all(io::stdin().lock(), MAX_BYTES);
        }
        let place = within.given(path).map_err(LoadError::System)?;
        read_text(&place, MAX_BYTES)
    }
}

/// A root that is no text is at fault itself; one that the system keeps back is not.
pub(super) fn unusable(title: &str, error: LoadError) -> Result<Finding, Failure> {
    match error {
        LoadError::System(words) => Err(Failure::reading(title, words)),
        LoadError::NotUtf8 { offset } => {
            let message = format!("`{title}` is not UTF-8 text");
            Ok(Finding::without_place(&catalogue::NOT_UTF8, message)
                .note(format!("the first byte that is wrong is at offset {offset}"))
                .help("save it as UTF-8, or convert it: `iconv -f LATIN1 -t UTF-8`"))
        }
        LoadError::TooLarge { .. } => {
            let message = format!("`{title}` is larger than {} MiB", MAX_BYTES >> 20);
            Ok(Finding::without_place(&catalogue::FILE_TOO_LARGE, message)
                .help("put long lists of addresses into sets, or split the policy"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_named_for_outputs_and_for_people() {
        let root = Root::of(Path::new("site/web.fw"));
        assert_eq!((root.title.as_str(), root.name.as_str()), ("site/web.fw", "web.fw"));
        assert_eq!(root.folder, Path::new("site"));
        let root = Root::of(Path::new("-"));
        assert_eq!((root.name.as_str(), root.folder), ("<stdin>", PathBuf::new()));
    }

    #[test]
    fn what_the_system_keeps_back_is_a_failure_and_a_bad_text_a_finding() {
        let failure = unusable("a.fw", LoadError::System("permission denied".to_owned()));
        assert_eq!(failure.unwrap_err().message, "cannot read a.fw: permission denied");
        let finding = unusable("a.fw", LoadError::NotUtf8 { offset: 3 }).unwrap();
        assert_eq!(finding.lint.name, "not-utf8");
        let finding = unusable("a.fw", LoadError::TooLarge { bytes: 1 << 40 }).unwrap();
        assert_eq!(finding.message, "`a.fw` is larger than 80 MiB");
    }
}
