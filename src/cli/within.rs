//! `--root`: a folder that nothing in it leads out of, for policies that somebody else may have written.
//!
//! What the caller names is the caller's own. What a policy names, and where a link in the folder leads, is
//! followed part by part and never past the folder, not even to see whether something is there.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::failure::{Failure, system_words};
use super::output::MAX_LINKS;

/// Where files may be; by default anywhere.
#[derive(Debug, Clone, Default)]
pub(super) struct Within {
    root: Option<Root>,
}

#[derive(Debug, Clone)]
struct Root {
    /// As the caller wrote it.
    title: String,
    /// The same from `/` on; links may lead there.
    path: PathBuf,
    // INVARIANT: canonical.
    folder: PathBuf,
}

impl Within {
    pub(super) fn folder(path: &Path) -> Result<Self, Failure> {
        let title = path.to_string_lossy().into_owned();
        let failure = |why: String| Failure::new(format!("cannot stay in {title}: {why}"));
        let system = |error: io::Error| failure(system_words(&error));
        let folder = fs::canonicalize(path).map_err(system)?;
        if !folder.is_dir() {
            return Err(failure("it is not a folder".to_owned()));
        }
        let path = std::path::absolute(path).map_err(system)?;
        Ok(Within { root: Some(Root { title, path, folder }) })
    }

    /// Where a file is that a policy in `folder` names.
    pub(super) fn named(&self, folder: &Path, path: &Path) -> Result<PathBuf, String> {
        match &self.root {
            None => Ok(folder.join(path)),
            Some(root) => {
                let mut walk = root.walk_to(folder)?;
                walk.push(path, Whose::Others)?;
                walk.end()
            }
        }
    }

    /// Where a file is that the caller names; something need not be there yet.
    pub(super) fn given(&self, path: &Path) -> Result<PathBuf, String> {
        match &self.root {
            None => Ok(path.to_owned()),
            Some(root) => root.walk_to(path)?.end(),
        }
    }
}

impl Root {
    fn outside(&self) -> String {
        format!("it is outside of {}, the folder of `--root`", self.title)
    }

    /// A walk along a path of the caller.
    fn walk_to(&self, path: &Path) -> Result<Walk<'_>, String> {
        let system = |error: io::Error| system_words(&error);
        let here = fs::canonicalize(".").map_err(system)?;
        let mut walk = Walk { root: self, here, rest: Vec::new(), links: 0 };
        walk.push(path, Whose::Caller)?;
        walk.go()?;
        Ok(walk)
    }
}

/// Who wrote a part of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Caller,
    /// Whoever writes what is in the folder.
    Others,
}

/// A path that is followed from where it starts.
struct Walk<'r> {
    root: &'r Root,
    /// Without links, and without `..`.
    here: PathBuf,
    /// The next part last.
    rest: Vec<(OsString, Whose)>,
    links: usize,
}

impl Walk<'_> {
    /// The parts of a path come next.
    fn push(&mut self, path: &Path, whose: Whose) -> Result<(), String> {
        let mut path = path;
        if path.is_absolute() {
            match whose {
                Whose::Caller => self.here = PathBuf::from("/"),
                Whose::Others => {
                    let inside = path.strip_prefix(&self.root.folder);
                    path = inside
                        .or_else(|_| path.strip_prefix(&self.root.path))
                        .map_err(|_| self.root.outside())?;
                    self.here.clone_from(&self.root.folder);
                }
            }
        }
        let parts = path.components().rev().filter(|part| *part != Component::RootDir);
        self.rest.extend(parts.map(|part| (part.as_os_str().to_owned(), whose)));
        Ok(())
    }

    fn go(&mut self) -> Result<(), String> {
        while let Some((part, whose)) = self.rest.pop() {
            if part == "." {
                continue;
            }
            if part == ".." {
                self.here.pop();
            } else {
                let next = self.here.join(&part);
                // Before it is looked at.
                if whose == Whose::Others && !next.starts_with(&self.root.folder) {
                    return Err(self.root.outside());
                }
                if next.is_symlink() {
                    self.follow(&next, whose)?;
                } else {
                    self.here = next;
                }
            }
            if whose == Whose::Others && !self.here.starts_with(&self.root.folder) {
                return Err(self.root.outside());
            }
        }
        Ok(())
    }

    /// A link is followed as whoever wrote it: in the folder that is not the caller.
    fn follow(&mut self, link: &Path, whose: Whose) -> Result<(), String> {
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err("too many symbolic links in a row".to_owned());
        }
        let in_folder = link.starts_with(&self.root.folder);
        let target = fs::read_link(link).map_err(|error| system_words(&error))?;
        self.push(&target, if in_folder { Whose::Others } else { whose })
    }

    fn end(mut self) -> Result<PathBuf, String> {
        self.go()?;
        Ok(self.here)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const OUTSIDE: &str = "it is outside of";

    /// `repo` with policies and links, and beside it what is nobody's business.
    fn scene() -> (tempfile::TempDir, Within) {
        let scene = tempfile::tempdir().unwrap();
        let at = |name: &str| scene.path().join(name);
        fs::create_dir_all(at("repo/site/deep")).unwrap();
        fs::create_dir(at("repository")).unwrap();
        for file in ["repo/a.fw", "repo/site/b.fw", "secret", "repository/secret"] {
            fs::write(at(file), "").unwrap();
        }
        for (target, link) in [
            ("../a.fw", "repo/site/up.fw"),
            ("../../secret", "repo/site/out.fw"),
            ("../..", "repo/site/away"),
            ("out.fw", "repo/site/twice.fw"),
            ("ring.fw", "repo/ring.fw"),
            ("../../repo/a.fw", "repo/site/round.fw"),
            ("repo", "link"),
        ] {
            symlink(target, at(link)).unwrap();
        }
        symlink(at("repo/a.fw"), at("repo/absolute.fw")).unwrap();
        symlink(at("secret"), at("repo/absolute-out.fw")).unwrap();
        let within = Within::folder(&at("repo")).unwrap();
        (scene, within)
    }

    #[test]
    fn what_a_policy_names_stays_in_the_folder() {
        let (scene, within) = scene();
        let base = scene.path().canonicalize().unwrap();
        let site = scene.path().join("repo/site");
        for (path, real) in [
            ("b.fw", "repo/site/b.fw"),
            ("../a.fw", "repo/a.fw"),
            ("deep/../../a.fw", "repo/a.fw"),
            ("up.fw", "repo/a.fw"),
            ("../absolute.fw", "repo/a.fw"),
            ("none.fw", "repo/site/none.fw"),
            ("./deep/.", "repo/site/deep"),
        ] {
            assert_eq!(within.named(&site, Path::new(path)), Ok(base.join(real)), "{path}");
        }
        let absolute = base.join("repo/a.fw");
        assert_eq!(within.named(&site, &absolute), Ok(absolute));
        for path in [
            "../../secret",
            "../../none",
            "../../repo/a.fw",
            "../../repository/secret",
            "out.fw",
            "twice.fw",
            "away/secret",
            "away/repo/a.fw",
            "round.fw",
            "../absolute-out.fw",
            "/etc/hostname",
            "/etc/none",
            "/",
            "..//..",
        ] {
            let said = within.named(&site, Path::new(path)).unwrap_err();
            assert!(said.starts_with(OUTSIDE), "{path}: {said}");
        }
        let said = within.named(&site, Path::new("../ring.fw"));
        assert_eq!(said.unwrap_err(), "too many symbolic links in a row");
    }

    #[test]
    fn what_the_caller_names_may_be_elsewhere_but_for_links_in_the_folder() {
        let (scene, within) = scene();
        let base = scene.path().canonicalize().unwrap();
        let given = |path: &str| within.given(&scene.path().join(path));
        assert_eq!(given("secret"), Ok(base.join("secret")));
        assert_eq!(given("link/a.fw"), Ok(base.join("repo/a.fw")));
        assert_eq!(given("repo/../secret"), Ok(base.join("secret")));
        assert_eq!(given("repo/new/rules.v4"), Ok(base.join("repo/new/rules.v4")));
        for path in ["repo/site/out.fw", "link/site/away/secret", "repo/absolute-out.fw"] {
            let said = given(path).unwrap_err();
            assert!(said.starts_with(OUTSIDE), "{path}: {said}");
        }
    }

    #[test]
    fn the_folder_may_be_named_by_a_link() {
        let (scene, _) = scene();
        let within = Within::folder(&scene.path().join("link")).unwrap();
        let site = scene.path().join("link/site");
        let real = scene.path().canonicalize().unwrap().join("repo/a.fw");
        for path in ["../a.fw", "up.fw"] {
            assert_eq!(within.named(&site, Path::new(path)), Ok(real.clone()), "{path}");
        }
        let by_link = std::path::absolute(scene.path().join("link/a.fw")).unwrap();
        assert_eq!(within.named(&site, &by_link), Ok(real));
        assert!(within.named(&site, Path::new("out.fw")).unwrap_err().starts_with(OUTSIDE));
    }

    #[test]
    fn a_folder_that_is_none_is_a_failure() {
        let (scene, _) = scene();
        for (name, why) in [("secret", "it is not a folder"), ("none", "no such file")] {
            let failure = Within::folder(&scene.path().join(name)).unwrap_err();
            assert!(failure.message.contains(why), "{}", failure.message);
        }
    }
}
