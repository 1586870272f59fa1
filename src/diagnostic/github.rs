//! Findings as workflow commands: GitHub Actions reads them from a step's output and shows each as an
//! annotation at its line.
//!
//! ```text
//! ::error file=web.fw,line=1,col=11,endLine=1,title=bad-port::there is no port 70000
//! ```

use std::collections::BTreeSet;

use super::excerpt::escape;
use super::remarks::remarks;
use super::report::Report;
use super::{Finding, Level};
use crate::source::Span;

/// One line a finding. What two policies say alike, of a file that both include, is said once.
#[must_use]
pub fn render(reports: &[Report<'_>]) -> String {
    let mut said = BTreeSet::new();
    let mut out = String::new();
    for report in reports {
        for finding in report.in_order() {
            let line = annotation(finding, report);
            if said.insert(line.clone()) {
                out.push_str(&line);
            }
        }
    }
    out
}

fn annotation(finding: &Finding, report: &Report<'_>) -> String {
    let command = match finding.level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Note => "notice",
    };
    let properties: Vec<String> = place(finding, report)
        .into_iter()
        .chain([("title", finding.lint.name.to_owned())])
        .map(|(key, value)| format!("{key}={}", property(&value)))
        .collect();
    format!("::{command} {}::{}\n", properties.join(","), data(&text(finding, report)))
}

fn place(finding: &Finding, report: &Report<'_>) -> Vec<(&'static str, String)> {
    let Some(span) = finding.span else { return vec![("file", report.root.to_owned())] };
    let (start, end) = (report.sources.start(span), report.sources.end(span));
    let mut place = vec![("file", name(span, report)), ("line", start.line.to_string())];
    // A column is refused where the annotation has several lines.
    if start.line == end.line {
        place.push(("col", start.column.to_string()));
    }
    place.push(("endLine", end.line.to_string()));
    place
}

/// The message, where it is and what is related, and what to do, each a line.
fn text(finding: &Finding, report: &Report<'_>) -> String {
    let own = finding.span.map(|span| (span, finding.label.as_str()));
    let related = finding.related.iter().map(|related| (related.span, related.message.as_str()));
    let labels = own.into_iter().chain(related).filter(|(_, label)| !label.is_empty());
    let labels = labels.map(|(span, label)| {
        format!("{}:{}: {label}", name(span, report), report.sources.line(span))
    });
    let remarks = remarks(finding, report.sources);
    let remarks = remarks.iter().map(|(word, text)| format!("{word}: {text}"));
    std::iter::once(finding.message.clone())
        .chain(labels)
        .chain(remarks)
        .collect::<Vec<_>>()
        .join("\n")
}

fn name(span: Span, report: &Report<'_>) -> String {
    report.names.name(report.sources.file(span.file()))
}

/// The text behind `::`. The log of a step is shown on terminals too, so nothing steers one.
fn data(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(escape).collect();
    lines.join("\n").replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A value before `::`, where `:` and `,` are signs too.
fn property(text: &str) -> String {
    let text = text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    text.replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::catalogue;
    use crate::diagnostic::report::Names;
    use crate::source::Sources;

    #[test]
    fn each_finding_is_one_command_with_nothing_to_break_out_of_it() {
        let mut sources = Sources::new();
        let file = sources.add("a,b:%.fw", "allow tcp 70000\nallow x\u{1b}[31m\n");
        let block = Span::new(file, 0..20);
        let findings = [
            Finding::new(&catalogue::BAD_PORT, Span::new(file, 10..15), "100% wrong, no: really")
                .label("here\n::error::fake")
                .related(Span::new(file, 16..21), "this, too")
                .help("write\r\none"),
            Finding::new(&catalogue::UNUSED_DEFINITION, block, "\u{1b}[31m"),
            Finding::without_place(&catalogue::IPV6_NOT_WRITTEN, "nowhere"),
        ];
        let names = Names::within("d");
        let report = Report {
            root: "d/a,b:%.fw",
            sources: &sources,
            names: &names,
            findings: &findings,
            expected: 0,
        };
        let out = render(&[report, report]);
        let file = "file=d/a%2Cb%3A%25.fw";
        let wanted = [
            format!("::warning {file},line=1,endLine=2,title=unused-definition::\\u{{1b}}[31m"),
            format!(
                "::error {file},line=1,col=11,endLine=1,title=bad-port::100%25 wrong, no: really\
                 %0Ad/a,b:%25.fw:1: here%0A::error::fake%0Ad/a,b:%25.fw:2: this, too\
                 %0Ahelp: write%0Aone"
            ),
            format!("::notice {file},title=ipv6-not-written::nowhere"),
        ];
        assert_eq!(out.lines().collect::<Vec<_>>(), wanted);
    }
}
