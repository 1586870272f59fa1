//! Where text leaves the program: answers to standard output, findings to standard error.

use std::io::{self, Write as _};

use anstream::AutoStream;
use clap::ColorChoice;

use super::Outcome;
use super::failure::{Failure, Stop, system_words};
use super::formats::Format;
use crate::diagnostic::human::{self, Colour};
use crate::diagnostic::json;
use crate::diagnostic::report::{Counts, Report};

pub(super) struct Terminal {
    out: io::Stdout,
    err: io::Stderr,
    /// Of what goes to standard error.
    colour: Colour,
}

impl Terminal {
    pub(super) fn new(choice: ColorChoice) -> Self {
        let wanted = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            // Knows NO_COLOR, CLICOLOR, CLICOLOR_FORCE and TERM.
            ColorChoice::Auto => AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never,
        };
        let colour = if wanted { Colour::Ansi } else { Colour::None };
        Terminal { out: io::stdout(), err: io::stderr(), colour }
    }

    /// Writes an answer to standard output. A reader that has gone away is no failure.
    pub(super) fn print(&self, text: &str) -> Result<(), Failure> {
        let mut out = self.out.lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::writing("to standard output", system_words(&error)))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Writes to standard error. Where that fails there is nobody to tell.
    pub(super) fn tell(&self, text: &str) {
        let mut err = self.err.lock();
        let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
    }

    pub(super) fn tell_findings(&self, report: &Report<'_>) {
        self.tell(&human::render(report, self.colour));
    }

    pub(super) fn tell_summary(&self, name: &str, counts: Counts) {
        self.tell(&human::summary(name, counts));
    }

    /// Tells one line, whatever the names in it.
    pub(super) fn tell_line(&self, line: &str) {
        self.tell(&human::line(line));
    }

    /// Tells what is at fault, in place of an answer: to people, else as the document that `check` prints.
    /// So many rules are in it.
    pub(super) fn refuse(
        &self,
        report: &Report<'_>,
        rules: usize,
        format: Format,
        outcome: Outcome,
    ) -> Stop {
        let told = match format {
            Format::Json => self.print(&json::render(&[*report], rules)),
            Format::Human => {
                self.tell_findings(report);
                self.tell_summary(report.root, report.counts());
                Ok(())
            }
        };
        told.map_or_else(Stop::from, |()| Stop::Told(outcome))
    }

    pub(super) fn tell_failure(&self, failure: &Failure) -> Outcome {
        self.tell(&human::failure(&failure.message, failure.help.as_deref(), self.colour));
        Outcome::Undone
    }
}
