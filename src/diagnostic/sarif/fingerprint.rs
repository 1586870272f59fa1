//! What stays of a finding when the text around it changes.
//!
//! Made of the lint, the file, the text of the statement's line and of the marked part, and which of the
//! findings alike in these it is. Lines that come or go elsewhere change none of them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::diagnostic::Finding;
use crate::diagnostic::report::Report;
use crate::source::{Sources, Span};

/// The name of this way to make them; another way gets another number.
const NAME: &str = "palisadeStatement/v1";

/// So many bytes of the hash are kept: 2^64 findings until two are likely the same.
const BYTES: usize = 16;

/// Counts findings that are alike.
#[derive(Default)]
pub(super) struct Fingerprints {
    seen: BTreeMap<[String; 4], usize>,
}

impl Fingerprints {
    /// `partialFingerprints` of the next result.
    pub(super) fn next(&mut self, finding: &Finding, report: &Report<'_>) -> Value {
        let code = finding.lint.name.to_owned();
        let key = match finding.span {
            Some(span) => {
                let file = report.names.name(report.sources.file(span.file()));
                let marked = normal(report.sources.text(span));
                [code, file, normal(first_line(span, report.sources)), marked]
            }
            None => [code, report.root.to_owned(), String::new(), normal(&finding.message)],
        };
        let hash = Sha256::digest(key.join("\0"));
        let occurrence = self.seen.entry(key).or_default();
        *occurrence += 1;
        let mut print = String::new();
        for byte in hash.iter().take(BYTES) {
            print.push_str(&format!("{byte:02x}"));
        }
        json!({ NAME: format!("{print}:{occurrence}") })
    }
}

/// The line on which a span starts.
fn first_line(span: Span, sources: &Sources) -> &str {
    let text = sources.file(span.file()).text();
    let start = text[..span.start()].rfind('\n').map_or(0, |at| at + 1);
    text[start..].lines().next().unwrap_or_default()
}

/// A text with single spaces, so that a new indent is no change.
fn normal(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::catalogue::HOST_BITS;
    use crate::diagnostic::report::Names;

    /// The fingerprint of each `X` in a text.
    fn fingerprints(text: &str) -> Vec<String> {
        let mut sources = Sources::new();
        let file = sources.add("a.fw", text);
        let names = Names::default();
        let report =
            Report { root: "a.fw", sources: &sources, names: &names, findings: &[], expected: 0 };
        let mut fingerprints = Fingerprints::default();
        text.match_indices('X')
            .map(|(at, _)| {
                let finding = Finding::new(&HOST_BITS, Span::new(file, at..at + 1), "m");
                let found = fingerprints.next(&finding, &report);
                found[NAME].as_str().unwrap().to_owned()
            })
            .collect()
    }

    #[test]
    fn lines_elsewhere_and_indents_change_nothing() {
        let before = fingerprints("allow X\nallow ssh from X\nallow X\n");
        let after = fingerprints("# new\n\n  allow  X\nx {\n\tallow ssh from X\n}\nallow X\nend\n");
        assert_eq!(before, after);
    }

    #[test]
    fn what_is_alike_is_counted_and_what_differs_differs() {
        let found = fingerprints("allow X\nallow X\ndrop X, X\nallow Xy\n");
        let parts: Vec<(&str, &str)> =
            found.iter().map(|text| text.split_once(':').unwrap()).collect();
        assert_eq!(parts[0].0, parts[1].0);
        assert_eq!(parts.iter().map(|part| part.1).collect::<Vec<_>>(), ["1", "2", "1", "2", "1"]);
        let hashes: std::collections::BTreeSet<&str> = parts.iter().map(|part| part.0).collect();
        assert_eq!(hashes.len(), 3);
        assert!(hashes.iter().all(|hash| hash.len() == 2 * BYTES));
    }
}
