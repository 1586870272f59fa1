//! `palisade explain`: what a finding means.

use clap::Args;

use super::Outcome;
use super::failure::Stop;
use super::levels::find_lint;
use super::terminal::Terminal;
use crate::diagnostic::{Level, catalogue};

const EXAMPLES: &str = "\
Examples:
  palisade explain                  every lint, with its level
  palisade explain host-bits        what it means, with a wrong and a right policy";

/// Explain a lint, or list them all
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Explain {
    /// The name between the brackets of a finding
    lint: Option<String>,
}

impl Explain {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<Outcome, Stop> {
        match &self.lint {
            Some(name) => terminal.print(find_lint(name)?.page)?,
            None => terminal.print(&list())?,
        }
        Ok(Outcome::Clean)
    }
}

fn list() -> String {
    let width = catalogue::ALL.iter().map(|lint| lint.name.len()).max().unwrap_or(0);
    let row = |lint: &&catalogue::Lint| {
        let level = lint.level.map_or("off", Level::name);
        format!("{:width$}  {level:7}  {}\n", lint.name, lint.summary)
    };
    catalogue::ALL.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_aligned() {
        let list = list();
        let row = |name: &str| list.lines().find(|line| line.starts_with(name)).unwrap();
        assert_eq!(row("host-bits").find("warning"), row("bad-port").find("error"));
        assert_eq!(list.lines().count(), catalogue::ALL.len());
    }
}
