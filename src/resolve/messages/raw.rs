//! Messages about raw rules.

use crate::diagnostic::{Finding, catalogue as lint};
use crate::net::Family;
use crate::resolve::policy::RawTable;
use crate::resolve::raw::Fault;
use crate::source::Span;

pub fn unreadable_raw(at: Span, fault: Fault) -> Finding {
    let (message, help) = match fault {
        Fault::Empty => ("a raw rule without a word", "write `-j` with what is to be done"),
        Fault::ControlCharacter => {
            ("a control character in a raw rule", "a rule is one line of plain text")
        }
        Fault::OpenQuote => (
            "a quote that is not closed in a raw rule",
            "close it; inside of this string it is written `\\\"`",
        ),
        Fault::EmptyQuotes => (
            "an empty text in a raw rule",
            "take it out with its option: the tools would take the next word in its place",
        ),
    };
    Finding::new(&lint::BAD_RAW, at, message).label("cannot be loaded as meant").help(help)
}

pub fn raw_too_long(at: Span, bytes: usize, words: usize) -> Finding {
    let message =
        format!("a raw rule of more than `iptables-restore` reads: {bytes} bytes, {words} words");
    Finding::new(&lint::BAD_RAW, at, message).label("too long").help("make it several rules")
}

pub fn no_chain_of_table(at: Span, word: &str, table: &str, known: &[&str]) -> Finding {
    Finding::new(&lint::UNKNOWN_NAME, at, format!("the table {table} has no chain {word}"))
        .label("not in this table")
        .note(format!("it has {}", known.join(", ")))
        .help("name one of these, or another table")
}

pub fn chain_in_lower_case(at: Span, word: &str, name: &str) -> Finding {
    Finding::new(&lint::UNKNOWN_NAME, at, format!("there is no chain `{word}`"))
        .label("not defined")
        .note("the chains of the kernel are in capital letters")
        .help(format!("write `{name}`"))
}

pub fn chain_of_table(at: Span, word: &str, own: RawTable, table: RawTable) -> Finding {
    let (own, table) = (own.name(), table.name());
    let message = format!("the chain `{word}` is of the table {own}, not of {table}");
    Finding::new(&lint::BAD_RAW, at, message)
        .label(format!("in {own} only"))
        .note("with rules in braces a chain is of filter, else of the table of its first raw rule")
        .help("make a chain for each table")
}

pub fn raw_without_value(at: Span, option: &str) -> Finding {
    Finding::new(&lint::BAD_RAW, at, format!("`{option}` without what belongs behind it"))
        .label("and then?")
        .help("say it, or take the option out")
}

pub fn stray_raw_word(at: Span, word: &str) -> Finding {
    let message = format!("`{word}` belongs to no option");
    Finding::new(&lint::BAD_RAW, at, message)
        .label("an option must stand here")
        .note("the tools would refuse the whole file")
        .help("write `-j` before a target, `-m` before a match; put a value with blanks in quotes")
}

pub fn raw_after_target(at: Span, target: &str) -> Finding {
    Finding::new(&lint::BAD_RAW, at, format!("`{target}` takes nothing behind it"))
        .label("not here")
        .help("conditions stand before `-j`")
}

pub fn unknown_raw_target(at: Span, word: &str, near: Option<&str>) -> Finding {
    let message = format!("`{word}` is neither a chain of the policy nor a target");
    let finding = Finding::new(&lint::BAD_RAW, at, message)
        .label("not known")
        .note("a chain of another program may not be there when the rules are loaded");
    match near {
        Some(near) => finding.help(format!("did you mean `{near}`?")),
        None => finding.help(format!("define it: `chain {word} {{ ... }}`")),
    }
}

pub fn goto_no_chain(at: Span, word: &str) -> Finding {
    Finding::new(&lint::BAD_RAW, at, format!("`-g` leads to a chain, and `{word}` is a target"))
        .label("not a chain")
        .help(format!("write `-j {word}`"))
}

pub fn misplaced_raw(at: Span, what: &str, place: &str) -> Finding {
    let message = format!("the kernel takes {what} only {place}");
    Finding::new(&lint::BAD_RAW, at, message)
        .label("not here")
        .note("the tools or the kernel refuse the whole file")
        .help("name such a place after `raw`, or take it out")
}

pub fn raw_needs(at: Span, what: &str, needed: &str) -> Finding {
    Finding::new(&lint::BAD_RAW, at, format!("`{what}` needs `{needed}` in the same rule"))
        .label("refused without it")
        .help(format!("write `{needed}` before it"))
}

pub fn raw_of_other_family(at: Span, what: &str, family: Family) -> Finding {
    let word = match family {
        Family::V4 => "v4",
        Family::V6 => "v6",
    };
    Finding::new(&lint::WRONG_FAMILY, at, format!("`{what}` is of {family}"))
        .label("not in a rule of the other family")
        .help(format!("say `raw {word}`, or take it out"))
}

pub fn raw_changes_a_set(at: Span, set: &str, defined: Span) -> Finding {
    let message = format!("a raw rule changes what is in `{set}`, a set of fixed addresses");
    Finding::new(&lint::BAD_RAW, at, message)
        .label("changed here")
        .related(defined, "defined by what is in it")
        .note("rules that ask for the set are judged by what it is defined with")
        .help(format!(
            "declare it `set {set} dynamic`, and fill it by `add source to {set}`; or name another set"
        ))
}

pub fn raw_host_name(at: Span, text: &str) -> Finding {
    Finding::new(&lint::BAD_RAW, at, format!("`{text}` is not an address"))
        .label("would be looked up by whoever loads the rules")
        .note("a name that cannot be resolved makes the whole file fail")
        .help("write the address")
}

pub fn not_of_a_raw_rule(at: Span, option: &str) -> Finding {
    Finding::new(&lint::BAD_RAW, at, format!("`{option}` is not about a rule"))
        .label("a command, or the tool's own")
        .note("family, table and chain are said before the text: `raw v4 filter INPUT \"...\"`")
        .help("keep what a packet must meet, and `-j` with what is to be done")
}

pub fn shortened_raw_option(at: Span, option: &str, whole: &str) -> Finding {
    Finding::new(&lint::BAD_RAW, at, format!("`{option}` is the beginning of an option's name"))
        .label("not the whole name")
        .help(format!("write `{whole}`"))
}

pub fn raw_value_behind_sign(at: Span, option: &str, value: &str) -> Finding {
    Finding::new(&lint::BAD_RAW, at, format!("`{option}` with its value behind a `=`"))
        .label("two words")
        .note("the tools before 1.8.11 take all of the word for the value")
        .help(format!("write `{option} {value}`"))
}

pub fn glued_raw_option(at: Span, option: &str) -> Finding {
    let (letter, value) = option.split_at(2.min(option.len()));
    Finding::new(&lint::BAD_RAW, at, format!("`{option}` is an option and its value in one word"))
        .label("two words")
        .help(format!("write `{letter} {value}`"))
}
