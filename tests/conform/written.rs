//! Policies that somebody wrote: the examples and the cases. Rules of other programs, and the policies that
//! they are imported as.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use palisade::source::MemoryLoader;

use crate::files::{files_below, files_beside};
use crate::generated::complain;
use crate::generated::{PROBES, timeless};
use crate::load::Rules;
use crate::need;
use crate::ruleset::{Loader, Tested, folder};
use crate::run::{self, Job};

#[test]
fn written_policies_conform() {
    if !need::met() {
        return;
    }
    let begun = Instant::now();
    let folders = ["examples", "tests/cases/build"].map(folder);
    let paths: Vec<_> = folders.iter().flat_map(|folder| files_below(folder, "fw")).collect();
    let job = |(path, seed): (&PathBuf, u64)| -> Job<'_> {
        let path = path.clone();
        Box::new(move || {
            let text = timeless(&fs::read_to_string(&path).ok()?);
            Tested::policy(&path.display().to_string(), &text, files_beside(&path), seed)
        })
    };
    // Limits have room for the one seed, and for the other none.
    let jobs: Vec<Job<'_>> = [0, 1]
        .into_iter()
        .flat_map(|seed| paths.iter().map(move |path| job((path, seed))))
        .collect();
    let (tally, faults) = run::all(&jobs, &Loader::ALL, PROBES);
    run::report("written policies", &tally, begun);
    complain(&faults);
    assert!(tally.rulesets > paths.len(), "too few were valid: {tally:?}");
}

/// Rules of other programs, one file a family.
#[derive(Clone)]
struct Dump {
    name: String,
    v4: Option<PathBuf>,
    v6: Option<PathBuf>,
}

fn dumps() -> Vec<Dump> {
    let folders = ["tests/import/dumps", "tests/kernel/others"].map(folder);
    let of_v4 = folders.iter().flat_map(|folder| files_below(folder, "v4"));
    let dump = |v4: PathBuf| {
        let v6 = Some(v4.with_extension("v6")).filter(|path| path.exists());
        Dump { name: v4.display().to_string(), v4: Some(v4), v6 }
    };
    of_v4.map(dump).collect()
}

impl Dump {
    fn rules(&self) -> Rules {
        let text = |path: &Option<PathBuf>| {
            path.as_deref().map(|path| fs::read_to_string(path).expect("it is readable"))
        };
        let [v4, v6] = [&self.v4, &self.v6].map(|path| text(path).unwrap_or_default());
        Rules { sets: String::new(), v4, v6 }
    }

    fn tested(&self, seed: u64) -> Tested {
        Tested::dump(&self.name, self.rules(), seed)
    }

    /// The policy that it becomes.
    fn imported(&self, seed: u64) -> Option<Tested> {
        let files = [&self.v4, &self.v6].into_iter().flatten().map(PathBuf::as_path);
        let text = import(&files.collect::<Vec<_>>());
        Tested::policy(
            &format!("the import of {}", self.name),
            &text,
            MemoryLoader::default(),
            seed,
        )
    }
}

fn import(files: &[&Path]) -> String {
    let run = Command::new(env!("CARGO_BIN_EXE_palisade")).arg("import").args(files).output();
    let run = run.expect("the program runs");
    let complaint = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{files:?}: {complaint}");
    String::from_utf8(run.stdout).expect("UTF-8")
}

/// The rules themselves, the policy that they are imported as, and the rules as that policy means them.
#[test]
fn rules_of_others_and_their_imports_conform() {
    if !need::met() {
        return;
    }
    let begun = Instant::now();
    let dumps = dumps();
    let loaders = [Loader::ALL[0], Loader::ALL[1]];
    let jobs: Vec<Job<'_>> = [0, 1]
        .into_iter()
        .flat_map(|seed| {
            dumps.iter().flat_map(move |dump| -> [Job<'_>; 3] {
                [
                    Box::new(move || Some(dump.tested(seed))),
                    Box::new(move || dump.imported(seed)),
                    Box::new(move || Some(dump.tested(seed).meant_as(dump.imported(seed)?))),
                ]
            })
        })
        .collect();
    let (tally, faults) = run::all(&jobs, &loaders, PROBES);
    run::report("rules of others", &tally, begun);
    complain(&faults);
    assert!(tally.rulesets == jobs.len(), "some were refused: {tally:?}");
}
