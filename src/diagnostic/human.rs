//! Findings as text for people: the source, marks under it, and what to do.
//!
//! ```text
//! error[bad-port]: there is no port 70000
//!   ┌─ web.fw:1:11
//!   │
//! 1 │ allow tcp 70000
//!   │           ^^^^^ ports are 0 to 65535
//! ```
//!
//! Nothing of a policy reaches the terminal raw: control characters are spelt out.

use std::fmt::{self, Write as _};

use codespan_reporting::diagnostic::{Diagnostic, Label, LabelStyle, Severity};
use codespan_reporting::term::{self, WriteStyle};

use super::excerpt::{Excerpt, Excerpts, escape};
use super::remarks::remarks;
use super::report::{Counts, Report};
use super::{Finding, Level};
use crate::source::{FileId, Sources, Span};

/// Whether the text may hold colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    Ansi,
    None,
}

/// All findings of a report, each followed by an empty line.
#[must_use]
pub fn render(report: &Report<'_>, colour: Colour) -> String {
    let mut out = Painter { text: String::new(), colour };
    let config = term::Config { tab_width: 4, ..term::Config::default() };
    for finding in report.in_order() {
        let (excerpts, diagnostic) = prepare(finding, report);
        // INVARIANT: every label points into an excerpt made for it, and writing to a string cannot
        // fail; should it ever, the message itself is still said.
        if term::emit_to_write_style(&mut out, &config, &excerpts, &diagnostic).is_err() {
            out.text.push_str(&short(finding, report));
        }
    }
    out.text
}

/// `web.fw: 2 errors, 1 warning, 3 expected`
#[must_use]
pub fn summary(name: &str, counts: Counts) -> String {
    let count = |count: usize, word: &str| match count {
        0 => None,
        1 => Some(format!("1 {word}")),
        more => Some(format!("{more} {word}s")),
    };
    let parts: Vec<String> = [
        count(counts.errors, "error"),
        count(counts.warnings, "warning"),
        count(counts.notes, "note"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let said = if parts.is_empty() { "no findings".to_owned() } else { parts.join(", ") };
    let expected = match counts.expected {
        0 => String::new(),
        count => format!(", {count} expected"),
    };
    format!("{}: {said}{expected}\n", escape(name))
}

/// A line of text, with nothing raw in it.
#[must_use]
pub fn line(text: &str) -> String {
    format!("{}\n", escape(text))
}

/// Why the work could not be done: what has no finding of its own, such as a missing file.
#[must_use]
pub fn failure(message: &str, help: Option<&str>, colour: Colour) -> String {
    let (error, plain, end) = match colour {
        Colour::Ansi => ("\x1b[1;31m", "\x1b[0;1m", "\x1b[0m"),
        Colour::None => ("", "", ""),
    };
    let help = help.map_or(String::new(), |help| format!("  = help: {}\n", escape(help)));
    format!("{error}error{plain}: {}{end}\n{help}", escape(message))
}

fn short(finding: &Finding, report: &Report<'_>) -> String {
    let place = finding.span.map_or(String::new(), |span| {
        let name = report.names.name(report.sources.file(span.file()));
        format!("{}:{}: ", escape(&name), report.sources.start(span))
    });
    let message = escape(&finding.message);
    format!("{place}{}[{}]: {message}\n\n", finding.level.name(), finding.lint.name)
}

/// The finding in the renderer's terms, with the lines that it shows.
fn prepare(finding: &Finding, report: &Report<'_>) -> (Excerpts, Diagnostic<usize>) {
    let primary = finding.span.map(|span| (LabelStyle::Primary, span, finding.label.as_str()));
    let related =
        finding.related.iter().map(|r| (LabelStyle::Secondary, r.span, r.message.as_str()));
    let marks: Vec<(LabelStyle, Span, &str)> = primary.into_iter().chain(related).collect();

    let mut files: Vec<FileId> = Vec::new();
    for (_, span, _) in &marks {
        if !files.contains(&span.file()) {
            files.push(span.file());
        }
    }
    let excerpt = |file: &FileId| {
        let here = marks.iter().map(|(_, span, _)| *span).filter(|span| span.file() == *file);
        Excerpt::new(report.sources, report.names, *file, &here.collect::<Vec<_>>())
    };
    let excerpts: Vec<Excerpt> = files.iter().map(excerpt).collect();
    let labels =
        marks.iter().filter_map(|mark| label(*mark, &files, &excerpts, report.sources)).collect();
    let diagnostic = Diagnostic::new(severity(finding.level))
        .with_code(finding.lint.name)
        .with_message(escape(&finding.message))
        .with_labels(labels)
        .with_notes(notes(finding, report.sources));
    (Excerpts(excerpts), diagnostic)
}

fn label(
    (style, span, message): (LabelStyle, Span, &str),
    files: &[FileId],
    excerpts: &[Excerpt],
    sources: &Sources,
) -> Option<Label<usize>> {
    let at = files.iter().position(|file| *file == span.file())?;
    let range = excerpts[at].range(sources, span);
    Some(Label::new(style, at, range).with_message(escape(message)))
}

fn severity(level: Level) -> Severity {
    match level {
        Level::Error => Severity::Error,
        Level::Warning => Severity::Warning,
        Level::Note => Severity::Note,
    }
}

/// `packet: …`, `note: …`, `help: …`; a text of several lines stays under its first word.
fn notes(finding: &Finding, sources: &Sources) -> Vec<String> {
    let note = |(word, text): (&str, String)| {
        let lines: Vec<String> = text.lines().map(escape).collect();
        let under = format!("\n{}", " ".repeat(word.len() + 2));
        format!("{word}: {}", lines.join(&under))
    };
    remarks(finding, sources).into_iter().map(note).collect()
}

/// Text with the escape sequences of colours, if wanted.
struct Painter {
    text: String,
    colour: Colour,
}

impl Painter {
    fn paint(&mut self, codes: &str) -> fmt::Result {
        match self.colour {
            Colour::Ansi => write!(self.text, "\x1b[{codes}m"),
            Colour::None => Ok(()),
        }
    }
}

impl fmt::Write for Painter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.text.push_str(text);
        Ok(())
    }
}

impl WriteStyle for Painter {
    fn set_header(&mut self, severity: Severity) -> fmt::Result {
        self.paint(match severity {
            Severity::Bug | Severity::Error => "1;31",
            Severity::Warning => "1;33",
            Severity::Note => "1;32",
            Severity::Help => "1;36",
        })
    }

    fn set_header_message(&mut self) -> fmt::Result {
        self.paint("0;1")
    }

    fn set_line_number(&mut self) -> fmt::Result {
        self.paint("34")
    }

    fn set_note_bullet(&mut self) -> fmt::Result {
        self.paint("34")
    }

    fn set_source_border(&mut self) -> fmt::Result {
        self.paint("34")
    }

    fn set_label(&mut self, severity: Severity, style: LabelStyle) -> fmt::Result {
        match style {
            LabelStyle::Primary => self.paint(match severity {
                Severity::Bug | Severity::Error => "31",
                Severity::Warning => "33",
                Severity::Note => "32",
                Severity::Help => "36",
            }),
            LabelStyle::Secondary => self.paint("36"),
        }
    }

    fn reset(&mut self) -> fmt::Result {
        self.paint("0")
    }
}

#[cfg(test)]
mod tests;
