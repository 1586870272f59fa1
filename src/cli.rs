//! The command line: one file a command. The only room that touches files and the environment, and
//! the only one that prints.
//!
//! Exit status: 0 clean; 1 the policy is at fault; 2 the work could not be done.

mod failure;

mod formats;

mod terminal;

mod loader;

mod given;

mod front;

mod levels;

mod within;

mod terms;

mod config;

mod folder;

mod digest;

mod place;

mod output;

mod pipeline;

mod check;

mod fix;

mod proof;

mod build;

mod deployed;

mod asked;

mod verify;

mod diff;

mod import;

mod show;

mod trace;

mod query;

mod test;

mod graph;

mod services;

mod explain;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{ColorChoice, Parser, Subcommand};

use failure::Stop;
use terminal::Terminal;

const STATUS: &str = "\
Exit status:
  0  clean
  1  the policy is at fault: there is a finding at level error, such as a mistake in the
     language or a text that is not UTF-8 or too large
  2  the work could not be done: wrong usage, an unknown name, a file that cannot be read or
     written
`verify`, `diff`, `query` and `import` have more to say by it: see their `--help`.

Examples:
  palisade check web.fw              what is wrong with this policy?
  palisade check . --format sarif    the same of a folder, for code scanning
  palisade build web.fw              its IPv4 rules, as iptables-restore reads them
  palisade build web.fw -o rules/    rules.v4, rules.v6, ipsets and load in a folder
  palisade test web.fw               does it keep what it promises?
  palisade trace web.fw 'tcp 192.0.2.5:40000 -> self:22 in eth0'
  palisade query web.fw 'allow tcp 22'    who may log in, and by which rules?
  palisade explain host-bits         what a finding means, with examples";

/// A compiler for firewall policies.
#[derive(Debug, Parser)]
#[command(name = "palisade", version, after_help = STATUS, max_term_width = 100)]
struct Arguments {
    /// When to use colours; `auto` is on a terminal without `NO_COLOR`
    #[arg(
        long,
        value_name = "WHEN",
        global = true,
        default_value = "auto",
        hide_default_value = true
    )]
    color: ColorChoice,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Check),
    Build(build::Build),
    Verify(verify::Verify),
    Import(import::Import),
    Diff(diff::Diff),
    Show(show::Show),
    Trace(trace::Trace),
    Query(query::Query),
    Test(test::Test),
    Graph(graph::Graph),
    Services(services::Services),
    Explain(explain::Explain),
}

/// How a run ended, worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Outcome {
    #[default]
    Clean,
    /// The policy is at fault; or two sides differ, or nothing is as was asked for.
    AtFault,
    /// The work could not be done.
    Undone,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        ExitCode::from(match outcome {
            Outcome::Clean => 0,
            Outcome::AtFault => 1,
            Outcome::Undone => 2,
        })
    }
}

/// Runs the program with these arguments, the first of which is its own name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Where help cannot be printed there is nobody to tell.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let terminal = Terminal::new(arguments.color);
    let outcome = match dispatch(&arguments.command, &terminal) {
        Ok(outcome) | Err(Stop::Told(outcome)) => outcome,
        Err(Stop::Failure(failure)) => terminal.tell_failure(&failure),
    };
    outcome.into()
}

fn dispatch(command: &Command, terminal: &Terminal) -> Result<Outcome, Stop> {
    match command {
        Command::Check(check) => check.run(terminal),
        Command::Build(build) => build.run(terminal),
        Command::Verify(verify) => verify.run(terminal),
        Command::Import(import) => import.run(terminal),
        Command::Diff(diff) => diff.run(terminal),
        Command::Show(show) => show.run(terminal),
        Command::Trace(trace) => trace.run(terminal),
        Command::Query(query) => query.run(terminal),
        Command::Test(test) => test.run(terminal),
        Command::Graph(graph) => graph.run(terminal),
        Command::Services(services) => services.run(terminal),
        Command::Explain(explain) => explain.run(terminal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        <Arguments as clap::CommandFactory>::command().debug_assert();
    }
}
