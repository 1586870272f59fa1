//! Findings as SARIF 2.1.0, which code-scanning services and editors read.
//!
//! One run with the rules that have findings, and a result for each finding. Columns are characters
//! and ends are exclusive, as everywhere here; the run says so.

mod fingerprint;
mod rule;
mod uri;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::json::pretty;
use super::remarks::remarks;
use super::report::Report;
use super::{Edit, Finding, Fix, Lint};
use crate::source::Span;
use fingerprint::Fingerprints;
use uri::{artifact, built_in};

/// Where the schema of the document is published.
const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// The document of several policies, made by a tool of this version. `complete` is whether all that
/// was asked for could be read.
#[must_use]
pub fn render(reports: &[Report<'_>], version: &str, complete: bool) -> String {
    let rules = rules(reports);
    let mut fingerprints = Fingerprints::default();
    let mut said = BTreeSet::new();
    let mut results = Vec::new();
    for report in reports {
        for finding in report.in_order() {
            let mut result = result(finding, report, &rules);
            // A file that two policies include is said once.
            if said.insert(result.to_string()) {
                result["partialFingerprints"] = fingerprints.next(finding, report);
                results.push(result);
            }
        }
    }
    let driver = json!({
        "name": "palisade",
        "version": version,
        "semanticVersion": version,
        "rules": rules.values().map(|(_, lint)| rule::descriptor(lint)).collect::<Vec<_>>(),
    });
    pretty(&json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": driver },
            "columnKind": "unicodeCodePoints",
            "originalUriBaseIds": { uri::BASE: {
                "description": { "text": "the folder in which palisade was called" },
            } },
            "invocations": [{ "executionSuccessful": complete }],
            "results": results,
        }],
    }))
}

/// The lints that have findings, by name, each with its index.
fn rules(reports: &[Report<'_>]) -> BTreeMap<&'static str, (usize, &'static Lint)> {
    let findings = reports.iter().flat_map(|report| report.findings);
    let lints: BTreeMap<&str, &Lint> =
        findings.map(|finding| (finding.lint.name, finding.lint)).collect();
    let numbered = lints.into_iter().enumerate();
    numbered.map(|(index, (name, lint))| (name, (index, lint))).collect()
}

fn result(
    finding: &Finding,
    report: &Report<'_>,
    rules: &BTreeMap<&'static str, (usize, &'static Lint)>,
) -> Value {
    let mut result = json!({
        "ruleId": finding.lint.name,
        "ruleIndex": rules[finding.lint.name].0,
        "level": finding.level.name(),
        "message": { "text": message(&text(finding, report)) },
        "locations": [own_location(finding, report)],
    });
    let related = finding.related.iter().enumerate().map(|(index, related)| {
        let mut location = location(related.span, &related.message, report);
        location["id"] = json!(index + 1);
        location
    });
    let related: Vec<Value> = related.collect();
    if !related.is_empty() {
        result["relatedLocations"] = related.into();
    }
    if let Some(fix) = &finding.fix {
        result["fixes"] = json!([fix_of(fix, report)]);
    }
    if let Some(witness) = &finding.witness {
        result["properties"] = json!({ "witness": witness });
    }
    result
}

/// The message, and what to do, each a line; the labels stand at their locations.
fn text(finding: &Finding, report: &Report<'_>) -> String {
    let remarks = remarks(finding, report.sources);
    let remarks = remarks.iter().map(|(word, text)| format!("{word}: {text}"));
    std::iter::once(finding.message.clone()).chain(remarks).collect::<Vec<_>>().join("\n")
}

/// A text that stands for itself. SARIF reads `{0}` as a placeholder and `[a](b)` as a link.
fn message(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        out.push(character);
        match (character, rest.peek()) {
            ('{', Some(next)) if next.is_ascii_digit() => out.push('\u{2060}'),
            (']', Some('(')) => out.push('\u{2060}'),
            _ => {}
        }
    }
    out
}

/// Where a finding is; one without a place is at its policy, for readers want a location.
fn own_location(finding: &Finding, report: &Report<'_>) -> Value {
    match finding.span {
        Some(span) => location(span, &finding.label, report),
        None => json!({ "physicalLocation": { "artifactLocation": artifact(report.root) } }),
    }
}

fn location(span: Span, label: &str, report: &Report<'_>) -> Value {
    let mut location = json!({ "physicalLocation": {
        "artifactLocation": artifact_of(span, report),
        "region": region(span, report),
    } });
    if !label.is_empty() {
        location["message"] = json!({ "text": message(label) });
    }
    location
}

fn artifact_of(span: Span, report: &Report<'_>) -> Value {
    let file = report.sources.file(span.file());
    if file.is_built_in() { built_in(file.name()) } else { artifact(&report.names.name(file)) }
}

fn region(span: Span, report: &Report<'_>) -> Value {
    let (start, end) = (report.sources.start(span), report.sources.end(span));
    json!({
        "startLine": start.line,
        "startColumn": start.column,
        "endLine": end.line,
        "endColumn": end.column,
    })
}

/// The edits of a fix, by file.
fn fix_of(fix: &Fix, report: &Report<'_>) -> Value {
    let mut files: BTreeMap<_, Vec<&Edit>> = BTreeMap::new();
    for edit in &fix.edits {
        files.entry(edit.span.file()).or_default().push(edit);
    }
    let replacement = |edit: &&Edit| {
        json!({
            "deletedRegion": region(edit.span, report),
            "insertedContent": { "text": edit.replacement },
        })
    };
    let changes: Vec<Value> = files
        .values()
        .map(|edits| {
            json!({
                "artifactLocation": artifact_of(edits[0].span, report),
                "replacements": edits.iter().map(replacement).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({ "description": { "text": message(&fix.title) }, "artifactChanges": changes })
}

#[cfg(test)]
mod tests;
