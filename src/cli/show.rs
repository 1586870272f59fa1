//! `palisade show`: the rules in their order, each with the place it comes from.

use std::path::PathBuf;

use clap::Args;

use super::Outcome;
use super::build;
use super::failure::Stop;
use super::formats::{Emit, Format};
use super::front::{Depth, IMPORT, Reading};
use super::terminal::Terminal;
use super::terms::TermOptions;

const EXAMPLES: &str = "\
Examples:
  palisade show web.fw
  palisade show web.fw --format json | jq .";

/// Show the plan: every rule in its order, with its origin
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Show {
    /// The policy; `-` is standard input
    file: PathBuf,

    /// How the plan is written
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,

    #[command(flatten)]
    terms: TermOptions,
}

impl Show {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<Outcome, Stop> {
        let terms = self.terms.terms()?;
        let mut policy =
            Reading::to(Depth::Rules, &terms).for_policies("show", IMPORT).path(&self.file)?;
        policy.tell(self.format, terminal)?;
        let emit = match self.format {
            Format::Human => Emit::Plan,
            Format::Json => Emit::Json,
        };
        for text in build::compile(&policy, &[emit], true)? {
            terminal.print(&text)?;
        }
        Ok(Outcome::Clean)
    }
}
