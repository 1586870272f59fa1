//! `palisade graph`: which rules hide, contradict or need which, and which chains lead where.

use std::path::{Path, PathBuf};

use clap::Args;

use super::Outcome;
use super::failure::{Failure, Stop};
use super::formats::{Drawn, Format, Shown};
use super::front::{Checked, Content, Depth, Reading};
use super::output::{self, Output};
use super::pipeline;
use super::terminal::Terminal;
use super::terms::TermOptions;
use crate::analyze::Text;
use crate::meaning::Meaning;

const EXAMPLES: &str = "\
Each chain is a box with its rules in the order in which they are asked; arrows are jumps, the way
of packets, and what rules have to do with each other.

Examples:
  palisade graph web.fw -o web.svg               to look at in a browser
  palisade graph web.fw | dot -Tpng > web.png    by Graphviz
  palisade graph web.fw --what rules -o web.svg  only rules that concern each other";

/// Draw the rules and chains, and what they have to do with each other
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Graph {
    /// The policy, or a dump of rules; `-` is standard input
    file: PathBuf,

    /// How it is drawn [default: by the ending of the output, else dot]
    #[arg(long, value_enum)]
    format: Option<Drawn>,

    /// What is drawn
    #[arg(long, value_enum, default_value_t = Shown::All)]
    what: Shown,

    /// Where to write; without it, and for `-`, to standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    terms: TermOptions,
}

impl Graph {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<Outcome, Stop> {
        let terms = self.terms.terms()?;
        let output = self.output.as_deref().filter(|path| *path != Path::new("-"));
        let drawn = match (self.format, output) {
            (Some(format), _) => format,
            (None, Some(path)) => by_ending(path)?,
            (None, None) => Drawn::Dot,
        };
        let mut policy = Reading::to(Depth::Words, &terms).path(&self.file)?;
        policy.tell(Format::Human, terminal)?;
        let text = self.text(&policy, drawn);
        match output {
            None => terminal.print(&text)?,
            Some(path) => {
                let inputs: Vec<&Path> = policy.inputs().collect();
                let file = Output { path: path.to_owned(), text, executable: false };
                output::write_all(&[file], &inputs, &policy.within)?;
            }
        }
        Ok(Outcome::Clean)
    }

    fn text(&self, policy: &Checked, drawn: Drawn) -> String {
        let name = policy.files.first().map_or("", |file| policy.sources.file(*file).name());
        let draw = |text, meaning: &Meaning| {
            pipeline::graph(text, meaning, name, self.what, drawn, &policy.sources)
        };
        match &policy.content {
            Content::Policy(policy) => draw(Text::Policy(policy), &pipeline::meaning(policy)),
            Content::Dump(dump) => draw(Text::Dump(dump), dump.meaning()),
            Content::Nothing => String::new(),
        }
    }
}

/// The format that a file of this name has. With an ending of another one it would be taken for that.
fn by_ending(path: &Path) -> Result<Drawn, Failure> {
    let Some(ending) = path.extension() else { return Ok(Drawn::Dot) };
    match ending.to_str() {
        Some("svg") => Ok(Drawn::Svg),
        Some("mmd" | "mermaid") => Ok(Drawn::Mermaid),
        Some("dot" | "gv") => Ok(Drawn::Dot),
        Some(_) | None => {
            let why = format!("nothing is drawn as `.{}`", ending.display());
            Err(Failure::writing(path.display(), why).help(
                "end it in `.svg`, `.mmd` or `.dot`, or give `--format`; of `.dot` Graphviz makes more: \
                 `dot -Tpng`",
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_says_the_format() {
        let drawn = |path: &str| by_ending(Path::new(path)).ok();
        assert_eq!(drawn("a/web.svg"), Some(Drawn::Svg));
        assert_eq!(drawn("web.mmd"), Some(Drawn::Mermaid));
        assert_eq!(drawn("web.gv"), Some(Drawn::Dot));
        assert_eq!(drawn("web"), Some(Drawn::Dot));
        assert_eq!(drawn(".svg"), Some(Drawn::Dot));
        assert_eq!(drawn("web.png"), None);
    }
}
