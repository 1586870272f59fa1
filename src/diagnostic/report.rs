//! Findings in the order they are told, with the names their files are shown by.
//!
//! A [`Report`] is what every renderer takes: one policy's findings and its texts.

use std::cmp::Reverse;

use super::{Finding, Level};
use crate::source::{File, Sources};

/// How the files of one policy are named to people.
///
/// A [`Sources`] names files relative to the policy's folder, so that outputs do not depend on where
/// the tool was called. For messages the folder, as the user wrote it, is put in front: a path that
/// can be opened from the working directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    folder: String,
}

impl Names {
    /// `folder` is empty for the working directory itself.
    #[must_use]
    pub fn within(folder: impl Into<String>) -> Self {
        let mut folder = folder.into();
        if !folder.is_empty() && !folder.ends_with('/') {
            folder.push('/');
        }
        Names { folder }
    }

    /// The name of a file for messages. Built-in texts and absolute paths stay as they are.
    #[must_use]
    pub fn name(&self, file: &File) -> String {
        if file.is_built_in() || file.name().starts_with('/') {
            return file.name().to_owned();
        }
        format!("{}{}", self.folder, file.name())
    }
}

/// The findings of one policy with what is needed to show them.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// The root file, as the user wrote it: the place of what has none in a text.
    pub root: &'a str,
    pub sources: &'a Sources,
    pub names: &'a Names,
    pub findings: &'a [Finding],
    /// How many findings an `expect` accepted; they are not among the others.
    pub expected: usize,
}

impl<'a> Report<'a> {
    /// By file (in the order they were read), then by place; what has no place comes last.
    #[must_use]
    pub fn in_order(&self) -> Vec<&'a Finding> {
        let mut findings: Vec<&Finding> = self.findings.iter().collect();
        // The sort is stable: findings at one place stay in the order they were made.
        findings
            .sort_by_key(|finding| (finding.span.is_none(), finding.span, Reverse(finding.level)));
        findings
    }

    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts { expected: self.expected, ..Counts::of(self.findings) }
    }
}

/// How many findings there are of each level, and how many were accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    pub errors: usize,
    pub warnings: usize,
    pub notes: usize,
    pub expected: usize,
}

impl Counts {
    #[must_use]
    pub fn of(findings: &[Finding]) -> Self {
        let mut counts = Counts::default();
        for finding in findings {
            match finding.level {
                Level::Error => counts.errors += 1,
                Level::Warning => counts.warnings += 1,
                Level::Note => counts.notes += 1,
            }
        }
        counts
    }

    #[must_use]
    pub fn plus(self, other: Counts) -> Self {
        Counts {
            errors: self.errors + other.errors,
            warnings: self.warnings + other.warnings,
            notes: self.notes + other.notes,
            expected: self.expected + other.expected,
        }
    }

    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Counts::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::catalogue;
    use crate::source::Span;

    #[test]
    fn findings_are_told_by_file_and_place() {
        let mut sources = Sources::new();
        let (first, second) = (sources.add("a.fw", "abc"), sources.add("b.fw", "abc"));
        let at = |file, start, text: &str| {
            Finding::new(&catalogue::BAD_PORT, Span::new(file, start..start + 1), text)
        };
        let placeless = Finding::without_place(&catalogue::IPV6_NOT_WRITTEN, "last");
        let findings = [placeless, at(second, 0, "3"), at(first, 2, "2"), at(first, 0, "1")];
        let names = Names::default();
        let report = Report {
            root: "a.fw",
            sources: &sources,
            names: &names,
            findings: &findings,
            expected: 2,
        };
        let told: Vec<&str> = report.in_order().iter().map(|f| f.message.as_str()).collect();
        assert_eq!(told, ["1", "2", "3", "last"]);
        let counts = Counts { errors: 3, warnings: 0, notes: 1, expected: 2 };
        assert_eq!(report.counts(), counts);
    }

    #[test]
    fn names_lead_from_the_working_directory() {
        let mut sources = Sources::new();
        let near = sources.add("conf.d/a.fw", "");
        let far = sources.add("/etc/fw/a.fw", "");
        let library = sources.add_file(File::built_in("services/web.fw", "").into());
        let names = Names::within("site");
        assert_eq!(names.name(sources.file(near)), "site/conf.d/a.fw");
        assert_eq!(names.name(sources.file(far)), "/etc/fw/a.fw");
        assert_eq!(names.name(sources.file(library)), "services/web.fw");
    }
}
