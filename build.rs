//! Makes what the sources include: the parser of the grammar, and the list of the standard library.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    lalrpop::Configuration::new()
        .set_in_dir("grammar")
        .set_out_dir(&out)
        .emit_rerun_directives(true)
        .process()
        .expect("the grammar is LR(1)");
    let services = files("stdlib/services");
    let code = list("SERVICES", &services)
        + &list("MODULES", &files("stdlib/modules"))
        + &index(&services);
    fs::write(out.join("stdlib.rs"), code).expect("cargo's folder is writable");
}

/// The `.fw` files of a folder, in bytewise order.
fn files(folder: &str) -> Vec<String> {
    println!("cargo::rerun-if-changed={folder}");
    let entries = fs::read_dir(root().join(folder)).expect("the folder is part of the package");
    let mut files: Vec<String> = entries
        .map(|entry| entry.expect("readable").file_name().into_string().expect("UTF-8"))
        .filter(|name| Path::new(name).extension().is_some_and(|ending| ending == "fw"))
        .map(|name| format!("{folder}/{name}"))
        .collect();
    files.sort();
    files
}

fn root() -> PathBuf {
    PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"))
}

/// A constant with the name and text of each file.
fn list(constant: &str, files: &[String]) -> String {
    let mut code = format!("const {constant}: &[BuiltIn] = &[\n");
    for file in files {
        let path = root().join(file).display().to_string();
        let _ = writeln!(code, "    BuiltIn {{ name: {file:?}, text: include_str!({path:?}) }},");
    }
    code.push_str("];\n");
    code
}

/// Where each statement of the standard services stands, a line each, and the names that it defines.
fn index(files: &[String]) -> String {
    let mut statements = String::from("const STATEMENTS: &[(usize, Range<usize>)] = &[\n");
    let mut names = Vec::new();
    let mut count = 0;
    for (number, file) in files.iter().enumerate() {
        let text = fs::read_to_string(root().join(file)).expect("UTF-8");
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            if line.starts_with("service ") {
                let _ = writeln!(statements, "    ({number}, {start}..{}),", start + line.len());
                names.extend(defined(line).map(|name| (name.to_owned(), count)));
                count += 1;
            }
            start += line.len();
        }
    }
    names.sort();
    format!("{statements}];\nconst NAMES: &[(&str, usize)] = &{names:?};\n")
}

/// The name of a service and its aliases.
fn defined(line: &str) -> impl Iterator<Item = &str> {
    let line = line.split('"').next().unwrap_or(line);
    let after = |word: &str| line.split_once(word).map_or("", |(_, after)| after);
    let name = after("service ").split(' ').next();
    let mut goes_on = true;
    let aliases = after(" alias ")
        .split(' ')
        .take_while(move |alias| std::mem::replace(&mut goes_on, alias.ends_with(',')));
    let aliases = aliases.map(|alias| alias.trim().trim_end_matches(','));
    name.into_iter().chain(aliases).filter(|name| !name.is_empty())
}
