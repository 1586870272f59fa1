//! What has to hold for any text whatever. Each function panics where it does not.

mod policy;
mod rules;

pub use policy::{compile, parse};
pub use rules::{dump, import};

use palisade::diagnostic::human::{self, Colour};
use palisade::diagnostic::report::{Names, Report};
use palisade::diagnostic::{Finding, github, json, sarif};
use palisade::source::Sources;

/// Tells findings in every way there is. Each of their places is in a text.
fn tell(findings: &[Finding], sources: &Sources) {
    for finding in findings {
        let related = finding.related.iter().map(|one| one.span);
        let edits = finding.fix.iter().flat_map(|fix| &fix.edits).map(|edit| edit.span);
        for span in finding.places().chain(related).chain(edits) {
            let text = sources.file(span.file()).text();
            assert!(text.get(span.range()).is_some(), "{span:?} of {finding:?}");
        }
    }
    let names = Names::default();
    let report = Report { root: "root", sources, names: &names, findings, expected: 0 };
    let people = human::render(&report, Colour::None);
    assert!(!people.contains('\x1b') && !people.contains('\0'), "what is told is made harmless");
    let _ = human::render(&report, Colour::Ansi);
    let _ = json::render(&[report], 0);
    let _ = sarif::render(&[report], "0", true);
    let _ = github::render(&[report]);
}
