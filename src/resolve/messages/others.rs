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

pub fn chain_of_others(at: Span, word: &str, preserved: Span) -> Finding {
    let message = format!("`{word}` is a chain of another program");
    Finding::new(&lint::PRESERVED_CLASH, at, message)
        .label("leads there")
        .related(preserved, "preserved here")
        .note("it may not be there yet when the rules are loaded, and then none of them is")
        .help("write what is to be done with these packets; the other program has its own jumps")
}

pub fn promise_beside_others(at: Span, preserved: Span) -> Finding {
    Finding::new(&lint::FOREIGN_RULES, at, "promises are about these rules alone")
        .label("judged without the rules of others")
        .related(preserved, "preserved here")
        .note("where another program sends packets to its containers, or drops them, is not known")
        .help("hold the promises to what is running: `palisade test FILE --on DUMP`")
}

pub fn docker_twice(at: Span, first: Span) -> Finding {
    Finding::new(&lint::DUPLICATE_DEFINITION, at, "what Docker publishes is ruled twice")
        .label("again here")
        .related(first, "first ruled here")
        .help("join the two blocks: the first rule that matches decides")
}

pub fn verb_in_docker(at: Span, word: &str) -> Finding {
    Finding::new(&lint::MISPLACED_STATEMENT, at, format!("`{word}` may not stand in `docker`"))
        .label("not here")
        .note("what `docker` allows goes on to Docker's own rules, what it does not is dropped")
        .help("`docker` has rules that allow, drop, reject and log")
}

pub fn destination_in_docker(at: Span) -> Finding {
    let message = "which container a published port leads to is Docker's to say";
    Finding::new(&lint::MISPLACED_CLAUSE, at, message)
        .label("not in `docker`")
        .note("containers get other addresses as they come and go; published ports stay")
        .help(
            "name the port as it is published: `allow tcp 8080`; `docker on br0 { ... }` is for \
             one bridge",
        )
}

pub fn direction_in_docker(at: Span) -> Finding {
    let message = "`docker` is about packets through this machine to published ports";
    Finding::new(&lint::CONFLICTING_DIRECTION, at, message)
        .label("a direction")
        .help("take it out, or move the rule out of `docker`")
}

pub fn self_in_docker(at: Span) -> Finding {
    let message = "what this machine itself sends to a published port does not pass `docker`";
    Finding::new(&lint::CONFLICTING_DIRECTION, at, message)
        .label("not here")
        .help("say it on output: `drop tcp 8080 from self to any`")
}

pub fn owner_in_docker(at: Span) -> Finding {
    let message = "only packets that this machine sends have a user";
    Finding::new(&lint::MISPLACED_CLAUSE, at, message)
        .label("not in `docker`")
        .help("say who comes by `from`, `in` or `mac`")
}

pub fn docker_without_ports(at: Span, part: &str) -> Finding {
    let message = format!("`docker` is about published ports, and {part} has none");
    Finding::new(&lint::NO_PORTS, at, message)
        .label("never published")
        .help("name ports, or `any` for all that is published")
}

pub fn preserved_mark(at: Span, bits: u32, preserved: Span) -> Finding {
    let message =
        format!("the bits {bits:#x} of marks belong to a program whose rules are preserved");
    Finding::new(&lint::PRESERVED_CLASH, at, message)
        .label("sets them too")
        .related(preserved, "preserved here")
        .help("say which bits are the policy's: `mark 0x10/0xff`")
}
