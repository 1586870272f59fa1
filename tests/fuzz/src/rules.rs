//! Texts of rules that tools print.

use palisade::analyze::equal::{Comparison, compare};
use palisade::analyze::ruled::{ruled, understood};
use palisade::analyze::{self, Dump, Text};
use palisade::diagnostic::expectation::{Expectations, settle};
use palisade::diagnostic::{Finding, Level, Lint, has_errors};
use palisade::import::{self, Dumps, Fault, Judge, Wrong};
use palisade::meaning::{Meaning, Reason};
use palisade::net::{Families, Family};
use palisade::packet::Budget;
use palisade::read::{self, read_ipsets};
use palisade::resolve::{Resolved, resolve};
use palisade::source::{FileId, MemoryLoader, Sources, Span};

use super::tell;

/// Any dump is read as rules and as sets, judged and told.
pub fn dump(text: &str) {
    let _ = (read::is_dump(text), read::is_ipset_dump(text));
    let mut sources = Sources::new();
    let file = sources.add("rules", text);
    tell(&read_ipsets(file, text).findings, &sources);
    // Whoever says the family that it seems to be of says nothing new.
    let seeming = read::read(file, text, None).ruleset.family;
    for family in [None, Some(Family::V4), Some(Family::V6)] {
        let read = read::read(file, text, family);
        let is_whole = !has_errors(&read.findings);
        tell(&read.findings, &sources);
        if is_whole && family != Some(seeming) {
            let dump = Dump::of(read.ruleset, read.declared);
            let none = Expectations::default();
            let text = Text::Dump(&dump);
            let found = analyze::findings(text, dump.meaning(), &sources, &none, &|_| true);
            tell(&found, &sources);
        }
    }
}

/// Any dump that is read whole becomes a policy that is equal to it, or none.
pub fn import(text: &str) {
    let mut sources = Sources::new();
    let file = sources.add("rules", text);
    let read = read::read(file, text, None);
    if has_errors(&read.findings) {
        return;
    }
    let rules = &read.ruleset;
    let [v4, v6] = Family::BOTH.map(|family| Some(rules).filter(|_| rules.family == family));
    let mut proof = Proof {
        rules: ruled(v4, v6).meaning,
        families: Families { v4: v4.is_some(), v6: v6.is_some() },
        sources,
        taken: None,
    };
    if let Ok(imported) = import::import(&Dumps { v4, v6, names: "rules" }, &mut proof) {
        let refused = proof.refused(&imported.text);
        assert!(refused.is_empty() && proof.faults().is_empty(), "{}", imported.text);
        assert!(imported.has_errors || proof.errors().is_empty(), "{}", imported.text);
    }
}

/// Holds policies to the rules, as the program does.
struct Proof {
    rules: Meaning,
    families: Families,
    sources: Sources,
    /// The policy that was looked at last, if the language takes it.
    taken: Option<(FileId, Resolved)>,
}

impl Judge for Proof {
    fn refused(&mut self, policy: &str) -> Vec<Fault> {
        let root = self.sources.add("policy.fw", policy);
        let resolved = resolve(root, &mut self.sources, &mut MemoryLoader::default());
        let errors = resolved.findings.iter().filter(|one| one.level == Level::Error);
        let faults: Vec<Fault> = errors
            .map(|one| Fault {
                written: Some(one.span.map_or(usize::MAX, Span::start)),
                read: None,
                is_too_deep: one.lint.name == "nesting-too-deep",
                is_final: false,
            })
            .collect();
        self.taken = faults.is_empty().then_some((root, resolved));
        faults
    }

    fn faults(&mut self) -> Vec<Fault> {
        let Some((root, resolved)) = &self.taken else { return Vec::new() };
        let meaning = understood(&resolved.policy);
        places(&compare(&meaning, &self.rules, self.families, Budget::default()), *root)
    }

    fn errors(&mut self) -> Vec<Wrong> {
        let Some((root, resolved)) = self.taken.take() else { return Vec::new() };
        let is_error = Lint::is_error;
        let Resolved { policy, mut findings, expectations, .. } = resolved;
        let meaning = understood(&policy);
        let text = Text::Policy(&policy);
        findings.extend(analyze::findings(text, &meaning, &self.sources, &expectations, &is_error));
        let findings = settle(findings, &expectations, is_error).findings;
        let wrong = |finding: &Finding| Wrong {
            written: finding.span.filter(|span| span.file() == root).map(Span::start),
            lint: finding.lint.name,
            is_expectable: finding.lint.expectable,
        };
        findings.iter().filter(|finding| is_error(finding.lint)).map(wrong).collect()
    }
}

fn places(comparison: &Comparison, root: FileId) -> Vec<Fault> {
    let place = |reason: Reason| match reason {
        Reason::Written(origin) => Some(origin.span),
        Reason::Implicit(_) | Reason::Restored | Reason::Default(_) => None,
    };
    let differing = comparison.differences.iter().map(|one| Fault {
        written: place(one.left.reason).filter(|span| span.file() == root).map(Span::start),
        read: place(one.right.reason),
        is_too_deep: false,
        is_final: false,
    });
    let unproved = comparison.unproved.first().map(|_| Fault {
        written: None,
        read: None,
        is_too_deep: false,
        is_final: comparison.unproved.iter().any(|one| one.right_alone),
    });
    differing.chain(unproved).collect()
}
