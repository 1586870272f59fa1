//! Policies that somebody wrote: the examples and the cases. Rules of other programs, and the policies that
//! they are imported as.

use std::fs;
use std::process::Command;
use std::time::Instant;

use crate::files::{files_below, files_beside};
use crate::generated::{PROBES, timeless};
use crate::load::Rules;
use crate::need;
use crate::ruleset::{Loader, Tested, folder};
use crate::run::{self, Job};
use crate::generated::complain;

#[test]
fn written_policies_conform() {
    if !need::met() {
        return;
    }
    let begun = Instant::now();
    let folders = ["examples", "tests/cases/build"].map(folder);
    let paths: Vec<_> = folders.iter().flat_map(|folder| files_below(folder, "fw")).collect();
    let job = |(path, seed): (&std::path::PathBuf, u64)| -> Job<'_> {
        let path = path.clone();
        Box::new(move || {
            let text = timeless(&fs::read_to_string(&path).ok()?);
            Tested::policy(&path.display().to_string(), &text, files_beside(&path), seed)
        })
    };
    // Limits have room for the one seed, and for the other none.
    let jobs: Vec<Job<'_>> =
        [0, 1].into_iter().flat_map(|seed| paths.iter().map(move |path| job((path, seed)))).collect();
    let (tally, faults) = run::all(&jobs, &Loader::ALL, PROBES);
    run::report("written policies", &tally, begun);
    complain(&faults);
    assert!(tally.rulesets > paths.len(), "too few were valid: {tally:?}");
}
