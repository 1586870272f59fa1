//! Findings as one JSON document for programs; version 1 of its shape.
//!
//! Lines and columns are 1-based, columns in characters. What does not apply is absent: `file` and
//! its positions for a finding without a place, `witness`, `help`, `notes` and `fix` where there are
//! none.

use serde::Serialize;

use super::report::{Counts, Names, Report};
use super::{Finding, Witness};
use crate::source::{Sources, Span};

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    findings: Vec<FindingOut<'a>>,
    summary: SummaryOut,
}

#[derive(Serialize)]
struct FindingOut<'a> {
    code: &'static str,
    level: &'static str,
    message: &'a str,
    #[serde(flatten)]
    place: Option<PlaceOut>,
    #[serde(skip_serializing_if = "str::is_empty")]
    label: &'a str,
    related: Vec<RelatedOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    witness: Option<&'a Witness>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    notes: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<FixOut<'a>>,
}

#[derive(Serialize)]
struct PlaceOut {
    file: String,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
}

#[derive(Serialize)]
struct RelatedOut<'a> {
    #[serde(flatten)]
    place: PlaceOut,
    message: &'a str,
}

#[derive(Serialize)]
struct FixOut<'a> {
    title: &'a str,
    edits: Vec<EditOut<'a>>,
}

#[derive(Serialize)]
struct EditOut<'a> {
    #[serde(flatten)]
    place: PlaceOut,
    replacement: &'a str,
}

#[derive(Serialize)]
struct SummaryOut {
    errors: usize,
    warnings: usize,
    /// What an `expect` accepted.
    expected: usize,
    rules: usize,
}

/// The document of several policies; `rules` is how many rules they have together.
#[must_use]
pub fn render(reports: &[Report<'_>], rules: usize) -> String {
    let findings =
        reports.iter().flat_map(|report| report.in_order().into_iter().map(|f| finding(f, report)));
    let counts = reports.iter().map(Report::counts).fold(Counts::default(), Counts::plus);
    let document = Document {
        version: 1,
        findings: findings.collect(),
        summary: SummaryOut {
            errors: counts.errors,
            warnings: counts.warnings,
            expected: counts.expected,
            rules,
        },
    };
    pretty(&document)
}

/// The findings of one policy as they stand in that document.
#[must_use]
pub fn findings<'a>(report: &Report<'a>) -> Vec<impl Serialize + use<'a>> {
    report.in_order().into_iter().map(|one| finding(one, report)).collect()
}

/// A document as the tool prints all of its JSON: indented, with a final newline.
#[must_use]
pub fn pretty(document: &impl Serialize) -> String {
    // Only maps with keys that are not strings and failing writers make this fail; there are none.
    let mut text = serde_json::to_string_pretty(document).unwrap_or_default();
    text.push('\n');
    text
}

fn finding<'a>(finding: &'a Finding, report: &Report<'_>) -> FindingOut<'a> {
    let place = |span: Span| place(span, report.sources, report.names);
    FindingOut {
        code: finding.lint.name,
        level: finding.level.name(),
        message: &finding.message,
        place: finding.span.map(place),
        label: &finding.label,
        related: finding
            .related
            .iter()
            .map(|related| RelatedOut { place: place(related.span), message: &related.message })
            .collect(),
        witness: finding.witness.as_deref(),
        notes: &finding.notes,
        help: finding.help.as_deref(),
        fix: finding.fix.as_ref().map(|fix| FixOut {
            title: &fix.title,
            edits: fix
                .edits
                .iter()
                .map(|edit| EditOut { place: place(edit.span), replacement: &edit.replacement })
                .collect(),
        }),
    }
}

fn place(span: Span, sources: &Sources, names: &Names) -> PlaceOut {
    let (start, end) = (sources.start(span), sources.end(span));
    PlaceOut {
        file: names.name(sources.file(span.file())),
        line: start.line,
        column: start.column,
        end_line: end.line,
        end_column: end.column,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::catalogue;
    use crate::diagnostic::witness::Payload;

    #[test]
    fn the_document_has_the_published_shape() {
        let mut sources = Sources::new();
        let file = sources.add("web.fw", "# größe\nallow ñ tcp 70000\n");
        let text = sources.file(file).text().clone();
        let at = text.find("70000").unwrap();
        let findings = [
            Finding::without_place(&catalogue::IPV6_NOT_WRITTEN, "no rules.v6"),
            Finding::new(&catalogue::BAD_PORT, Span::new(file, at..at + 5), "no \x1b port")
                .related(Span::new(file, 0..3), "because")
                .witness(Witness::new(
                    "INPUT",
                    [192, 0, 2, 1].into(),
                    [192, 0, 2, 2].into(),
                    "icmp",
                    Payload::Icmp { kind: 8, code: 0 },
                ))
                .help("do")
                .fix("take the last port", Span::new(file, at..at + 5), "65535"),
        ];
        let names = Names::within("d");
        let report = Report {
            root: "d/web.fw",
            sources: &sources,
            names: &names,
            findings: &findings,
            expected: 1,
        };
        insta::assert_snapshot!(render(&[report], 12), @r#"
        {
          "version": 1,
          "findings": [
            {
              "code": "bad-port",
              "level": "error",
              "message": "no \u001b port",
              "file": "d/web.fw",
              "line": 2,
              "column": 13,
              "end_line": 2,
              "end_column": 18,
              "related": [
                {
                  "file": "d/web.fw",
                  "line": 1,
                  "column": 1,
                  "end_line": 1,
                  "end_column": 4,
                  "message": "because"
                }
              ],
              "witness": {
                "family": "ipv4",
                "chain": "INPUT",
                "in": null,
                "out": null,
                "src": "192.0.2.1",
                "dst": "192.0.2.2",
                "proto": "icmp",
                "icmp_type": 8,
                "icmp_code": 0
              },
              "help": "do",
              "fix": {
                "title": "take the last port",
                "edits": [
                  {
                    "file": "d/web.fw",
                    "line": 2,
                    "column": 13,
                    "end_line": 2,
                    "end_column": 18,
                    "replacement": "65535"
                  }
                ]
              }
            },
            {
              "code": "ipv6-not-written",
              "level": "note",
              "message": "no rules.v6",
              "related": []
            }
          ],
          "summary": {
            "errors": 1,
            "warnings": 0,
            "expected": 1,
            "rules": 12
          }
        }
        "#);
    }
}
