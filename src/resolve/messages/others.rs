//! Messages about what belongs to other programs.

use super::names::unknown_word;
use crate::diagnostic::{Finding, catalogue as lint};
use crate::ruleset::{MAX_CHAIN_NAME, OWN_PREFIX};
use crate::source::Span;

pub fn unknown_program(at: Span, word: &str, known: &[&str]) -> Finding {
    let finding = unknown_word(at, word, "program whose chains are known", known);
    match finding.help {
        Some(_) => finding,
        None => finding.help("name the chains in quotes: `preserve \"MYCHAIN*\"`"),
    }
}

pub fn no_chain_pattern(at: Span) -> Finding {
    let message = format!("no chain has such a name: 1 to {MAX_CHAIN_NAME} bytes without blanks");
    Finding::new(&lint::BAD_VALUE, at, message)
        .label("not the name of a chain")
        .help("`*` stands for any letters: `\"MYCHAIN*\"`")
}

pub fn preserves_itself(at: Span) -> Finding {
    let message = format!("the chains that begin with `{OWN_PREFIX}` are the policy's own");
    Finding::new(&lint::PRESERVED_CLASH, at, message)
        .label("means them too")
        .note("chains that the policy does not make are never touched, whatever their names")
        .help("name the chains of the other program: `\"MYCHAIN*\"`")
}

pub fn preserved_chain(at: Span, word: &str, preserved: Span) -> Finding {
    let message = format!("the chain `{word}` belongs to a program whose chains are preserved");
    let finding = Finding::new(&lint::PRESERVED_CLASH, at, message)
        .label("not the policy's to define")
        .related(preserved, "preserved here");
    match word {
        "DOCKER-USER" => finding.help("`docker { ... }` is what fills `DOCKER-USER`"),
        _ => finding.help("choose another name; lower case is rarely taken"),
    }
}
