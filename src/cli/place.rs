//! Where something stands, for people and for programs.

use std::fmt;

use serde::Serialize;

use crate::diagnostic::report::Names;
use crate::source::{Sources, Span};

/// The start of something that was written, in a file that can be opened from the working directory.
#[derive(Debug, Serialize)]
pub(super) struct Place {
    file: String,
    line: usize,
    /// In characters.
    column: usize,
    /// The first line of what is written there.
    pub(super) text: String,
}

impl Place {
    pub(super) fn of(span: Span, sources: &Sources, names: &Names) -> Self {
        let start = sources.start(span);
        let text = sources.text(span).lines().next().unwrap_or_default();
        Place {
            file: names.name(sources.file(span.file())),
            line: start.line,
            column: start.column,
            text: text.to_owned(),
        }
    }
}

/// `web.fw:4`
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}
