//! Which lints fail a run, and as of which day: `--deny`, `--warn`, `--allow` and `--today`.
//!
//! What is an error by itself cannot be lowered: the compiler could not go on from it.

use std::collections::BTreeMap;

use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::failure::Failure;
use crate::diagnostic::{Finding, Level, Lint, catalogue};

/// The word that stands for every lint at level warning.
const WARNINGS: &str = "warnings";

#[derive(Debug, Args)]
#[command(next_help_heading = "Levels")]
pub(super) struct LevelOptions {
    /// Make findings of this lint errors; `warnings` means every warning
    #[arg(long, value_name = "LINT", value_delimiter = ',')]
    deny: Vec<String>,

    /// Make findings of this lint warnings
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

/// What becomes of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Shown(Level),
    Hidden,
}

/// How findings are judged.
#[derive(Debug)]
pub(super) struct Levels {
    pub(super) today: Date,
    deny_warnings: bool,
    fates: BTreeMap<&'static str, Fate>,
}

impl LevelOptions {
    /// The levels, when every lint is known and has one of them.
    pub(super) fn levels(&self) -> Result<Levels, Failure> {
        let today =
            self.today.unwrap_or_else(|| Timestamp::now().to_zoned_datetime(TimeZone::UTC).date());
        let mut levels = Levels { today, deny_warnings: false, fates: BTreeMap::new() };
        for name in &self.deny {
            if name == WARNINGS {
                levels.deny_warnings = true;
            } else {
                levels.set(name, Fate::Shown(Level::Error))?;
            }
        }
        for name in &self.warn {
            levels.set(name, Fate::Shown(Level::Warning))?;
        }
        for name in &self.allow {
            levels.set(name, Fate::Hidden)?;
        }
        Ok(levels)
    }
}

impl Levels {
    fn set(&mut self, name: &str, fate: Fate) -> Result<(), Failure> {
        let lint = find_lint(name)?;
        if lint.level == Level::Error && fate != Fate::Shown(Level::Error) {
            let failure = Failure::new(format!("`{name}` cannot be lowered: it is an error"));
            return Err(failure.help(format!("see `palisade explain {name}`")));
        }
        match self.fates.insert(lint.name, fate) {
            Some(other) if other != fate => {
                Err(Failure::new(format!("`{name}` is given two levels")).help("keep one of them"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The findings at the levels asked for, without those that are not to be shown.
    pub(super) fn apply(&self, findings: Vec<Finding>) -> Vec<Finding> {
        findings.into_iter().filter_map(|finding| self.judge(finding)).collect()
    }

    fn judge(&self, mut finding: Finding) -> Option<Finding> {
        match self.fates.get(finding.lint.name) {
            Some(Fate::Hidden) => return None,
            Some(Fate::Shown(level)) => finding.level = *level,
            None if self.deny_warnings && finding.level == Level::Warning => {
                finding.level = Level::Error;
            }
            None => {}
        }
        Some(finding)
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
    fn what_cannot_be_meant_is_refused() {
        let message = |result: Result<Levels, Failure>| result.unwrap_err().message;
        assert_eq!(message(options(&["x"], &[], &[])), "there is no lint `x`");
        let lowered = message(options(&[], &[], &["syntax-error"]));
        assert_eq!(lowered, "`syntax-error` cannot be lowered: it is an error");
        let twice = message(options(&["host-bits"], &["host-bits"], &[]));
        assert_eq!(twice, "`host-bits` is given two levels");
    }
}
