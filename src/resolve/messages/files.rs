//! Messages about files: includes, modules, sizes.

use crate::diagnostic::{Finding, catalogue as lint, nearest};
use crate::resolve::stdlib;
use crate::source::{LoadError, MAX_BYTES, Sources, Span};

pub fn include_without_name(at: Span) -> Finding {
    Finding::new(&lint::UNREADABLE_FILE, at, "the path to include is empty")
        .label("no path here")
        .help("name a file or a pattern, such as \"conf.d/*.fw\"")
}

pub fn includes_too_deep(at: Span, max: usize) -> Finding {
    let message = format!("files include each other more than {max} deep");
    Finding::new(&lint::NESTING_TOO_DEEP, at, message)
        .label("not read")
        .help("include the files from one place")
}

pub fn include_matches_nothing(at: Span) -> Finding {
    Finding::new(&lint::INCLUDE_EMPTY, at, "the pattern matches no file")
        .label("nothing is included here")
        .help("check the folder, which is relative to this file, or remove the line")
}

pub fn cannot_include(at: Span, path: &str, error: &LoadError) -> Finding {
    match error {
        LoadError::NotUtf8 { offset } => {
            let message = format!("`{path}` is not UTF-8 text");
            Finding::new(&lint::NOT_UTF8, at, message)
                .label("included here")
                .note(format!("the first wrong byte is at offset {offset}"))
                .help("save the file as UTF-8")
        }
        LoadError::TooLarge { bytes } => {
            let message = format!("the policy is too large with `{path}`");
            Finding::new(&lint::FILE_TOO_LARGE, at, message)
                .label("included here")
                .note(format!("{bytes} bytes, of which {MAX_BYTES} are read at the most"))
                .help("keep long lists of addresses out of the rules")
        }
        LoadError::System(reason) => {
            let message = format!("cannot read `{path}`: {reason}");
            Finding::new(&lint::UNREADABLE_FILE, at, message)
                .label("included here")
                .help("paths are relative to the file that includes them")
        }
    }
}

pub fn include_cycle(at: Span, path: &str, ring: &[Span], sources: &Sources) -> Finding {
    let message = format!("`{path}` includes itself");
    let mut finding = Finding::new(&lint::INCLUDE_CYCLE, at, message).label("closes the ring");
    for site in ring {
        let file = sources.file(site.file()).name();
        finding = finding.related(*site, format!("`{file}` goes on here"));
    }
    finding.help("remove one of these includes")
}

pub fn included_twice(at: Span, path: &str, first: Option<Span>) -> Finding {
    let message = format!("`{path}` is included twice");
    let finding = Finding::new(&lint::INCLUDE_TWICE, at, message).label("included again here");
    let finding = match first {
        Some(first) => finding.related(first, "first included here"),
        None => finding.note("it is the file that the policy starts with"),
    };
    finding.help("include a file once; what it defines is known everywhere")
}

pub fn too_many_files(at: Span, max: usize) -> Finding {
    Finding::new(&lint::TOO_MUCH_EXPANSION, at, format!("the policy has more than {max} files"))
        .label("not read")
        .help("join some of the files")
}

pub fn unknown_module(at: Span, word: &str) -> Finding {
    let known: Vec<&str> = stdlib::modules().map(|(name, _)| name).collect();
    let finding = Finding::new(&lint::UNKNOWN_NAME, at, format!("there is no module `{word}`"))
        .label("not in the standard library")
        .note(format!("the modules are {}", known.join(", ")));
    match nearest(word, known) {
        Some(near) => finding.help(format!("did you mean `{near}`?")),
        None => finding.help("to take in a file of your own, write `include \"file.fw\"`"),
    }
}

pub fn too_many_members(at: Span) -> Finding {
    let message = "lists of lists have too many members";
    Finding::new(&lint::TOO_MUCH_EXPANSION, at, message)
        .label("not unfolded")
        .help("name a list once, with `let`, and leave out what is in it twice")
}

pub fn too_much_expansion(at: Span, max: usize) -> Finding {
    let message = format!("calls unfold to more than {max} statements");
    Finding::new(&lint::TOO_MUCH_EXPANSION, at, message)
        .label("not unfolded")
        .help("give lists to one call instead of calling many times")
}
