//! The order of the rooms: a module uses only what stands above it in the table of `CONTRIBUTING.md`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Each room with the rooms it may use.
const ROOMS: &[(&str, &[&str])] = &[
    ("source", &[]),
    ("net", &[]),
    ("packet", &["net"]),
    ("diagnostic", &["source"]),
    ("syntax", &["source", "diagnostic", "net"]),
    ("ruleset", &["net", "packet", "source"]),
    ("read", &["source", "net", "packet", "diagnostic", "ruleset"]),
    ("resolve", &["source", "net", "packet", "diagnostic", "syntax", "ruleset"]),
    ("meaning", &["source", "net", "packet", "resolve"]),
    (
        "lower",
        &["source", "net", "packet", "diagnostic", "syntax", "ruleset", "resolve", "meaning"],
    ),
    (
        "analyze",
        &["source", "net", "packet", "diagnostic", "ruleset", "read", "resolve", "meaning"],
    ),
    ("emit", &["source", "net", "ruleset", "analyze"]),
    ("import", &["source", "net", "syntax", "ruleset", "resolve", "emit"]),
    (
        "cli",
        &[
            "source",
            "net",
            "packet",
            "diagnostic",
            "syntax",
            "ruleset",
            "read",
            "resolve",
            "meaning",
            "lower",
            "analyze",
            "emit",
            "import",
        ],
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every Rust file below a room's own file and folder.
fn files(room: &str) -> Vec<PathBuf> {
    let mut found = vec![root().join(format!("{room}.rs"))];
    let mut folders = vec![root().join(room)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for path in entries.map(|entry| entry.expect("readable").path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    found
}

/// The rooms that a text names by `crate::ROOM` or in `use crate::{ROOM…}`.
fn used(text: &str) -> Vec<String> {
    let word = |text: &str| -> String {
        text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
    };
    let mut rooms = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(list) => {
                let list = &list[..list.find('}').unwrap_or(list.len())];
                rooms.extend(list.split(',').map(|item| word(item.trim())));
            }
            None => rooms.push(word(rest)),
        }
    }
    rooms
}

#[test]
fn rooms_use_only_what_stands_above_them() {
    for (index, (room, allowed)) in ROOMS.iter().enumerate() {
        let above: Vec<&str> = ROOMS[..index].iter().map(|(name, _)| *name).collect();
        assert!(allowed.iter().all(|name| above.contains(name)), "{room} uses what is below it");
        for file in files(room) {
            let text = fs::read_to_string(&file).expect("a source file");
            for name in used(&text) {
                let fits = name == *room || allowed.contains(&name.as_str());
                assert!(fits, "{} uses `{name}`", file.display());
            }
        }
    }
}

#[test]
fn every_module_is_a_room() {
    let library = fs::read_to_string(root().join("lib.rs")).expect("the library");
    let modules: Vec<&str> = library
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod "))
        .map(|line| line.trim_end_matches(';'))
        .collect();
    let rooms: Vec<&str> = ROOMS.iter().map(|(room, _)| *room).collect();
    assert_eq!(modules, rooms, "lib.rs lists the rooms in their order");
}

#[test]
fn only_cli_touches_the_world() {
    let doors = [
        "std::fs",
        "std::process",
        "std::env",
        "std::time",
        "std::net::Tcp",
        "std::io::std",
        "use std::{",
        "println!",
        "print!(",
        "jiff::Timestamp",
        "jiff::tz",
        "tempfile",
        "anstream",
    ];
    let is_test = |file: &Path| {
        file.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs")
    };
    let mut found: BTreeMap<PathBuf, &str> = BTreeMap::new();
    for (room, _) in ROOMS.iter().filter(|(room, _)| *room != "cli") {
        for file in files(room).into_iter().filter(|file| !is_test(file)) {
            let text = fs::read_to_string(&file).expect("a source file");
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            if let Some(door) = doors.iter().find(|door| code.contains(**door)) {
                found.insert(file, door);
            }
        }
    }
    assert!(found.is_empty(), "{found:?}");
}
