//! `palisade.toml`: the levels of lints for the policies in one folder.
//!
//! It is looked for beside the root file of a policy and nowhere else, so that a policy means the same
//! wherever its folder is put.

use std::fs;
use std::io;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::failure::{Failure, system_words};
use super::levels::{Layer, WARNINGS};
use super::loader::read_text;
use super::within::Within;
use crate::diagnostic::Level;
use crate::source::LoadError;

const NAME: &str = "palisade.toml";

/// No file of settings is near this long.
const MAX_BYTES: usize = 1 << 20;

const SECTION: &str = "lints";

const KEYS: [&str; 4] = ["deny", "warn", "allow", "deny-warnings"];

/// What the file of a folder says; nothing where there is none. The empty path is the working directory.
pub(super) fn read(folder: &Path, within: &Within) -> Result<Layer, Failure> {
    let path = folder.join(NAME);
    match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Layer::default()),
        Err(error) => return Err(Failure::reading(path.display(), system_words(&error))),
        Ok(_) => {}
    }
    let place = within.given(&path).map_err(|why| Failure::reading(path.display(), why))?;
    let text = read_text(&place, MAX_BYTES).map_err(|error| match error {
        LoadError::System(words) => Failure::reading(path.display(), words),
        LoadError::NotUtf8 { .. } => Failure::reading(path.display(), "it is not UTF-8 text"),
        LoadError::TooLarge { .. } => Failure::reading(path.display(), "it is larger than 1 MiB"),
    })?;
    parse(&text, &path.to_string_lossy())
}

fn parse(text: &str, name: &str) -> Result<Layer, Failure> {
    let line = |offset: usize| text[..offset].bytes().filter(|byte| *byte == b'\n').count() + 1;
    let table = DeTable::parse(text).map_err(|error| {
        let message = error.message().replace('\n', ", ");
        let place = error.span().map(|span| format!("{name}:{}", line(span.start)));
        Failure::new(message).at(place.as_deref().unwrap_or(name))
    })?;
    let layer = read_root(table.get_ref());
    layer.map_err(|fault| fault.failure.at(format!("{name}:{}", line(fault.at))))
}

/// What is wrong, with the byte offset where.
struct Fault {
    failure: Failure,
    at: usize,
}

impl Fault {
    fn new<T>(place: &Spanned<T>, failure: Failure) -> Self {
        Fault { failure, at: place.span().start }
    }

    /// A value of another kind than its key takes.
    fn kind(value: &Spanned<DeValue<'_>>, key: &str, wanted: &str, example: &str) -> Self {
        let found = value.get_ref().type_str();
        let failure = Failure::new(format!("`{key}` takes {wanted}, and this is of type {found}"));
        Fault::new(value, failure.help(format!("write it like this: {example}")))
    }
}

fn read_root(root: &DeTable<'_>) -> Result<Layer, Fault> {
    let mut layer = Layer::default();
    for (key, value) in root {
        let word = key.get_ref().as_ref();
        if KEYS.contains(&word) {
            let failure = Failure::new(format!("`{word}` is a key of the table `{SECTION}`"));
            return Err(Fault::new(key, failure.help(format!("put `[{SECTION}]` above it"))));
        }
        if word != SECTION {
            return Err(Fault::new(key, Failure::unknown("key", word, [SECTION])));
        }
        let Some(table) = value.get_ref().as_table() else {
            return Err(Fault::kind(value, word, "a table", "`[lints]`, and its keys below"));
        };
        read_lints(table, &mut layer)?;
    }
    Ok(layer)
}

fn read_lints(table: &DeTable<'_>, layer: &mut Layer) -> Result<(), Fault> {
    for (key, value) in table {
        let word = key.get_ref().as_ref();
        let level = match word {
            "deny" => Some(Level::Error),
            "warn" => Some(Level::Warning),
            "allow" => None,
            "deny-warnings" => {
                let deny = value.get_ref().as_bool().ok_or_else(|| {
                    Fault::kind(value, word, "true or false", "`deny-warnings = true`")
                })?;
                layer.deny_warnings = Some(deny);
                continue;
            }
            _ => {
                let failure = Failure::unknown("key", word, KEYS);
                let known = format!("`{SECTION}` has `{}`", KEYS.join("`, `"));
                let help = failure.help.clone().unwrap_or(known);
                return Err(Fault::new(key, failure.help(help)));
            }
        };
        let example = "`deny = [\"expired-rule\"]`";
        let Some(names) = value.get_ref().as_array() else {
            return Err(Fault::kind(value, word, "a list of lints", example));
        };
        read_names(names, word, level, layer)?;
    }
    Ok(())
}

fn read_names(
    names: &DeArray<'_>,
    key: &str,
    level: Option<Level>,
    layer: &mut Layer,
) -> Result<(), Fault> {
    for value in names {
        let Some(name) = value.get_ref().as_str() else {
            return Err(Fault::kind(value, key, "names of lints", "`deny = [\"expired-rule\"]`"));
        };
        if name == WARNINGS {
            let failure = Failure::new("`warnings` is not a lint");
            let help = "write `deny-warnings = true` to make all of them errors";
            return Err(Fault::new(value, failure.help(help)));
        }
        layer.set(name, level).map_err(|failure| Fault::new(value, failure))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> (String, String) {
        let failure = parse(text, "site/palisade.toml").unwrap_err();
        (failure.message, failure.help.unwrap_or_default())
    }

    #[test]
    fn a_file_gives_lints_levels() {
        let text = "# ours\n[lints]\ndeny = [\"expired-rule\"]\nwarn = [\n  \"one-family-only\", # a\n]\n\
                    allow = ['host-bits']\ndeny-warnings = true\n";
        let mut wanted = Layer::default();
        wanted.set("expired-rule", Some(Level::Error)).unwrap();
        wanted.set("one-family-only", Some(Level::Warning)).unwrap();
        wanted.set("host-bits", None).unwrap();
        wanted.deny_warnings = Some(true);
        assert_eq!(parse(text, "palisade.toml"), Ok(wanted));
        assert_eq!(parse("", "palisade.toml"), Ok(Layer::default()));
    }

    #[test]
    fn mistakes_name_their_line_and_a_way_out() {
        for (text, message, help) in [
            ("[lints]\ndeny = [\n \"host-bit\"]", "3: there is no lint `host-bit`", "`host-bits`?"),
            ("\n[lint]", "2: there is no key `lint`", "did you mean `lints`?"),
            ("[lints]\ndenny = []", "2: there is no key `denny`", "did you mean `deny`?"),
            ("[lints]\nx = 1", "2: there is no key `x`", "`warn`, `allow`, `deny-warnings`"),
            ("deny = []", "1: `deny` is a key of the table `lints`", "`[lints]` above"),
            ("lints = 1", "1: `lints` takes a table, and this is of type integer", "`[lints]`"),
            ("[lints]\nwarn = \"x\"", "2: `warn` takes a list of lints", "[\"expired-rule\"]"),
            ("[lints]\nwarn = [1]", "2: `warn` takes names of lints", "[\"expired-rule\"]"),
            ("[lints]\ndeny-warnings = 1", "2: `deny-warnings` takes true or false", "= true"),
            ("[lints]\ndeny = [\"warnings\"]", "2: `warnings` is not a lint", "`deny-warnings ="),
            ("[lints]\n\nallow = [\"bad-port\"]", "3: `bad-port` cannot be lowered", "explain"),
            (
                "[lints]\nallow = [\"host-bits\"]\nwarn = [\"host-bits\"]",
                "`host-bits` is given two levels",
                "keep one",
            ),
            ("[lints]\ndeny = [", "2: ", ""),
            ("[lints]\ndeny = []\ndeny = []", "3: duplicate key", ""),
        ] {
            let (found, way_out) = said(text);
            let prefix = "site/palisade.toml:";
            assert!(found.starts_with(prefix) && found.contains(message), "{text}: {found}");
            assert!(way_out.contains(help), "{text}: {way_out}");
            assert!(!found.contains('\n'), "{found}");
        }
    }
}
