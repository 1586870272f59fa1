//! What is said about a text that is not of the language: one function a message.

pub mod brackets;
mod clause;
pub mod lexis;
pub mod statement;
pub mod words;

use crate::diagnostic::{Finding, catalogue};
use crate::source::Span;

use super::report::MAX_FINDINGS;

fn syntax_error(span: Span, message: impl Into<String>) -> Finding {
    Finding::new(&catalogue::SYNTAX_ERROR, span, message)
}

pub fn too_many_findings(span: Span) -> Finding {
    let message = format!("more than {MAX_FINDINGS} mistakes in this file");
    Finding::new(&catalogue::TOO_MANY_FINDINGS, span, message)
        .label("reading stopped here")
        .help("mend the first ones: those after them may follow from them")
}

pub fn lonely_length(span: Span) -> Finding {
    syntax_error(span, "prefix length that belongs to no key")
        .label("no key for this length")
        .help("a key has an IPv4 and then an IPv6 length: `per source/24,/56`")
}

pub fn def_name(span: Span, name: &str) -> Finding {
    syntax_error(span, format!("`{name}` is no name for a definition or a parameter"))
        .label("only letters, digits and `_` here")
        .help(format!("call it `{}`", name.replace(['.', '-'], "_")))
}

pub fn mixed_list(span: Span) -> Finding {
    syntax_error(span, "services and addresses in one list")
        .label("the other members are services or ports")
        .help("give the services in one argument and the addresses in another")
}

pub fn port_first_in_list(span: Span) -> Finding {
    syntax_error(span, "port without a protocol")
        .label("of which protocol?")
        .help("say the protocol first: `(tcp 22, 80)`")
}
