//! On which terms policies are read: the levels of lints, and the folder that they stay in.

use std::path::PathBuf;

use clap::Args;

use super::failure::Failure;
use super::levels::{LevelOptions, Levels};
use super::within::Within;

#[derive(Debug, Args)]
pub(super) struct TermOptions {
    /// Keep what policies include, the lists of their sets, and links, within this folder
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,

    #[command(flatten)]
    levels: LevelOptions,
}

#[derive(Debug)]
#[cfg_attr(test, derive(Default))]
pub(super) struct Terms {
    pub(super) levels: Levels,
    pub(super) within: Within,
}

impl TermOptions {
    /// The terms, when every lint is known and the folder is there.
    pub(super) fn terms(&self) -> Result<Terms, Failure> {
        let within = self.root.as_deref().map(Within::folder).transpose()?.unwrap_or_default();
        Ok(Terms { levels: self.levels.levels()?, within })
    }
}
