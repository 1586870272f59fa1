//! What is said about brackets.

use crate::diagnostic::{Finding, catalogue};
use crate::source::Span;

use super::super::filter::MAX_DEPTH;
use super::syntax_error;

pub fn nesting_too_deep(span: Span) -> Finding {
    let message = format!("brackets nested more than {MAX_DEPTH} deep");
    Finding::new(&catalogue::NESTING_TOO_DEEP, span, message)
        .label("reading stopped here")
        .help("write the inner blocks side by side, each with all of its clauses")
}

pub fn unclosed(span: Span, bracket: &str) -> Finding {
    let closing = match bracket {
        "(" => ")",
        "[" => "]",
        _ => "}",
    };
    let help = match bracket {
        "{" => "add a `}` where the block ends".to_owned(),
        _ => format!("add a `{closing}`; a list goes on in the next line only after a comma"),
    };
    syntax_error(span, format!("`{bracket}` that is never closed"))
        .label(format!("no `{closing}` belongs to it"))
        .help(help)
}

pub fn stray_closing(span: Span, bracket: &str) -> Finding {
    let opening = match bracket {
        ")" => "(",
        "]" => "[",
        _ => "{",
    };
    syntax_error(span, format!("`{bracket}` that closes nothing"))
        .label(format!("no `{opening}` is open here"))
        .help(format!("delete it, or add the `{opening}` that it is to close"))
}
