//! Which lints fail a run, and as of which day: `--deny`, `--warn`, `--allow` and `--today`, and
//! what the file beside the policy says.
//!
//! What is an error by itself is lowered only where it could be expected too: from others the compiler
//! could not go on.

use std::collections::BTreeMap;
use std::path::Path;

use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::config;
use super::failure::Failure;
use super::within::Within;
use crate::diagnostic::{Finding, Level, Lint, catalogue};

/// The word that stands for every lint at level warning.
pub(super) const WARNINGS: &str = "warnings";

#[derive(Debug, Args)]
#[command(next_help_heading = "Levels")]
pub(super) struct LevelOptions {
    /// Make findings of this lint errors; `warnings` means every warning
    #[arg(long, value_name = "LINT", value_delimiter = ',')]
    deny: Vec<String>,

    /// Make findings of this lint warnings, also where it is off; `warnings` leaves them so, whatever
    /// palisade.toml says
    #[arg(long, value_name = "LINT", value_delimiter = ',')]
    warn: Vec<String>,

    /// Do not show findings of this lint
    #[arg(long, value_name = "LINT", value_delimiter = ',')]
    allow: Vec<String>,

    /// The day by which `until` is judged, as in 2026-12-31 [default: today, in UTC]
    #[arg(long, value_name = "DATE", value_parser = day)]
    today: Option<Date>,
}

fn day(text: &str) -> Result<Date, String> {
    text.parse().map_err(|_| "not a day such as 2026-12-31".to_owned())
}

/// What one place, the command line or a file, says of lints.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Layer {
    /// `None` hides.
    levels: BTreeMap<&'static str, Option<Level>>,
    /// Whether warnings are errors; `None` where nothing is said.
    pub(super) deny_warnings: Option<bool>,
}

/// How findings are judged: what a lint is by itself, then the file beside the policy, then the command
/// line.
#[derive(Debug, Clone)]
pub(super) struct Levels {
    pub(super) today: Date,
    file: Layer,
    line: Layer,
}

impl LevelOptions {
    /// The levels, when every lint is known and has one of them.
    pub(super) fn levels(&self) -> Result<Levels, Failure> {
        let today =
            self.today.unwrap_or_else(|| Timestamp::now().to_zoned_datetime(TimeZone::UTC).date());
        let mut line = Layer::default();
        for (names, level) in [
            (&self.deny, Some(Level::Error)),
            (&self.warn, Some(Level::Warning)),
            (&self.allow, None),
        ] {
            for name in names {
                match (name.as_str(), level) {
                    (WARNINGS, Some(Level::Error)) => line.set_deny_warnings(true)?,
                    (WARNINGS, Some(Level::Warning)) => line.set_deny_warnings(false)?,
                    _ => line.set(name, level)?,
                }
            }
        }
        Ok(Levels { today, file: Layer::default(), line })
    }
}

impl Layer {
    /// Gives a lint one level; `None` hides it.
    pub(super) fn set(&mut self, name: &str, level: Option<Level>) -> Result<(), Failure> {
        let lint = find_lint(name)?;
        if lint.is_error() && !lint.expectable && level != Some(Level::Error) {
            let failure = Failure::new(format!("`{name}` cannot be lowered: it is an error"));
            return Err(failure.help(format!("see `palisade explain {name}`")));
        }
        match self.levels.insert(lint.name, level) {
            Some(other) if other != level => Err(two_levels(name)),
            Some(_) | None => Ok(()),
        }
    }

    fn set_deny_warnings(&mut self, deny: bool) -> Result<(), Failure> {
        match self.deny_warnings.replace(deny) {
            Some(other) if other != deny => Err(two_levels(WARNINGS)),
            Some(_) | None => Ok(()),
        }
    }

    /// The level of a lint that has `level` so far; `None` is hidden.
    fn apply(&self, lint: &Lint, level: Option<Level>, deny_warnings: bool) -> Option<Level> {
        match self.levels.get(lint.name) {
            Some(said) => *said,
            None if deny_warnings && level == Some(Level::Warning) => Some(Level::Error),
            None => level,
        }
    }
}

fn two_levels(name: &str) -> Failure {
    Failure::new(format!("`{name}` is given two levels")).help("keep one of them")
}

impl Levels {
    /// The levels for policies in a folder: what its `palisade.toml` says comes first.
    pub(super) fn in_folder(&self, folder: &Path, within: &Within) -> Result<Levels, Failure> {
        Ok(Levels { file: config::read(folder, within)?, ..self.clone() })
    }

    /// The findings at the levels asked for, without those that are not to be shown.
    pub(super) fn apply(&self, findings: Vec<Finding>) -> Vec<Finding> {
        findings.into_iter().filter_map(|finding| self.judge(finding)).collect()
    }

    /// Whether findings of a lint are shown at all.
    pub(super) fn shows(&self, lint: &Lint) -> bool {
        self.level(lint, lint.level).is_some()
    }

    fn judge(&self, mut finding: Finding) -> Option<Finding> {
        // What is off has a level only when it is asked for.
        let own = finding.lint.level.map(|_| finding.level);
        finding.level = self.level(finding.lint, own)?;
        Some(finding)
    }

    fn level(&self, lint: &Lint, own: Option<Level>) -> Option<Level> {
        // The command line has the last word on what the file denies.
        let by_line = self.line.deny_warnings;
        let in_file = by_line.or(self.file.deny_warnings).unwrap_or(false);
        let level = self.file.apply(lint, own, in_file);
        self.line.apply(lint, level, by_line.unwrap_or(false))
    }
}

#[cfg(test)]
impl Default for Levels {
    /// What lints are by themselves, in the year of these tests.
    fn default() -> Self {
        let today = jiff::civil::date(2026, 7, 1);
        Levels { today, file: Layer::default(), line: Layer::default() }
    }
}

/// The lint of a name, or a failure that offers the one probably meant.
pub(super) fn find_lint(name: &str) -> Result<&'static Lint, Failure> {
    catalogue::find(name).ok_or_else(|| {
        let failure = Failure::unknown("lint", name, catalogue::ALL.iter().map(|lint| lint.name));
        if failure.help.is_some() {
            return failure;
        }
        failure.help("`palisade explain` lists them all")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(deny: &[&str], warn: &[&str], allow: &[&str]) -> Result<Levels, Failure> {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let (deny, warn, allow) = (list(deny), list(warn), list(allow));
        LevelOptions { deny, warn, allow, today: None }.levels()
    }

    fn judged(levels: &Levels, lint: &'static Lint) -> Option<Level> {
        levels.judge(Finding::without_place(lint, "m")).map(|finding| finding.level)
    }

    #[test]
    fn levels_are_as_asked_for() {
        let levels = options(&["warnings"], &["host-bits"], &["include-empty"]).unwrap();
        assert_eq!(judged(&levels, &catalogue::UNUSED_DEFINITION), Some(Level::Error));
        assert_eq!(judged(&levels, &catalogue::HOST_BITS), Some(Level::Warning));
        assert_eq!(judged(&levels, &catalogue::INCLUDE_EMPTY), None);
        assert_eq!(judged(&levels, &catalogue::ONE_FAMILY_ONLY), Some(Level::Note));
        let levels = options(&["one-family-only"], &[], &[]).unwrap();
        assert_eq!(judged(&levels, &catalogue::ONE_FAMILY_ONLY), Some(Level::Error));
        assert_eq!(judged(&levels, &catalogue::HOST_BITS), Some(Level::Warning));
    }

    #[test]
    fn the_command_line_has_the_last_word() {
        let mut file = Layer::default();
        file.set("host-bits", None).unwrap();
        file.set("one-family-only", Some(Level::Warning)).unwrap();
        file.set_deny_warnings(true).unwrap();
        let with = |line: Levels| Levels { file: file.clone(), ..line };
        let levels = with(options(&[], &[], &[]).unwrap());
        assert_eq!(judged(&levels, &catalogue::HOST_BITS), None);
        assert!(!levels.shows(&catalogue::HOST_BITS) && levels.shows(&catalogue::EXPIRED_RULE));
        assert_eq!(judged(&levels, &catalogue::ONE_FAMILY_ONLY), Some(Level::Warning));
        assert_eq!(judged(&levels, &catalogue::EXPIRED_RULE), Some(Level::Error));
        let levels = with(options(&["host-bits"], &["warnings"], &["one-family-only"]).unwrap());
        assert_eq!(judged(&levels, &catalogue::HOST_BITS), Some(Level::Error));
        assert_eq!(judged(&levels, &catalogue::ONE_FAMILY_ONLY), None);
        assert_eq!(judged(&levels, &catalogue::EXPIRED_RULE), Some(Level::Warning));
        // Also what the file alone makes a warning is denied.
        let levels = with(options(&["warnings"], &[], &[]).unwrap());
        assert_eq!(judged(&levels, &catalogue::ONE_FAMILY_ONLY), Some(Level::Error));
    }

    #[test]
    fn what_is_off_is_shown_only_when_it_is_asked_for() {
        static OFF: Lint =
            Lint { name: "off", level: None, expectable: true, summary: "", page: "" };
        let mut levels = options(&["warnings"], &[], &[]).unwrap();
        assert_eq!((judged(&levels, &OFF), levels.shows(&OFF)), (None, false));
        levels.file.levels.insert(OFF.name, Some(Level::Warning));
        assert_eq!((judged(&levels, &OFF), levels.shows(&OFF)), (Some(Level::Error), true));
        levels.line.levels.insert(OFF.name, None);
        assert_eq!((judged(&levels, &OFF), levels.shows(&OFF)), (None, false));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let message = |result: Result<Levels, Failure>| result.unwrap_err().message;
        assert_eq!(message(options(&["x"], &[], &[])), "there is no lint `x`");
        let lowered = message(options(&[], &[], &["syntax-error"]));
        assert_eq!(lowered, "`syntax-error` cannot be lowered: it is an error");
        let lowered = options(&[], &["nat-conflict"], &["shadowed-conflict"]).unwrap();
        assert_eq!(judged(&lowered, &catalogue::SHADOWED_CONFLICT), None);
        assert_eq!(judged(&lowered, &catalogue::NAT_CONFLICT), Some(Level::Warning));
        let twice = message(options(&["host-bits"], &["host-bits"], &[]));
        assert_eq!(twice, "`host-bits` is given two levels");
        let twice = message(options(&["warnings"], &["warnings"], &[]));
        assert_eq!(twice, "`warnings` is given two levels");
        assert_eq!(message(options(&[], &[], &["warnings"])), "there is no lint `warnings`");
    }
}
