//! Why a command ends without an answer: the work could not be done, or what it is about is at fault.

use std::fmt::Display;
use std::io;

use super::Outcome;

/// Why a command ends before its answer.
#[derive(Debug)]
pub(super) enum Stop {
    /// What was given is at fault, and that is told.
    Told(Outcome),
    Failure(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Stop::Failure(failure)
    }
}

/// A message for people, and exit status 2.
///
/// The message is a lower-case clause without a final stop; the help is an act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl Failure {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Failure { message: message.into(), help: None }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same, with the place in a file that it is about.
    pub(super) fn at(self, place: impl Display) -> Self {
        Failure { message: format!("{place}: {}", self.message), ..self }
    }

    /// A misspelt name of a kind of thing, with the one that was probably meant.
    pub(super) fn unknown<'a>(
        kind: &str,
        word: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let failure = Failure::new(format!("there is no {kind} `{word}`"));
        match crate::diagnostic::nearest(word, known) {
            Some(name) => failure.help(format!("did you mean `{name}`?")),
            None => failure,
        }
    }

    pub(super) fn reading(name: impl Display, why: impl Display) -> Self {
        Failure::new(format!("cannot read {name}: {why}"))
    }

    pub(super) fn writing(name: impl Display, why: impl Display) -> Self {
        Failure::new(format!("cannot write {name}: {why}"))
    }
}

/// The system's own words as a clause: "permission denied".
pub(super) fn system_words(error: &io::Error) -> String {
    let words = error.to_string();
    let words = words.split(" (os error").next().unwrap_or_default();
    let mut characters = words.chars();
    let first = characters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(characters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_errors_read_as_clauses() {
        let error = io::Error::from_raw_os_error(2);
        assert_eq!(system_words(&error), "no such file or directory");
    }

    #[test]
    fn slips_get_an_answer() {
        let failure = Failure::unknown("lint", "host-bit", ["bad-port", "host-bits"]);
        assert_eq!(failure.message, "there is no lint `host-bit`");
        assert_eq!(failure.help.as_deref(), Some("did you mean `host-bits`?"));
    }
}
