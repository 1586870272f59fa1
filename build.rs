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
    let services = list("SERVICES", "stdlib/services");
    let modules = list("MODULES", "stdlib/modules");
    fs::write(out.join("stdlib.rs"), services + &modules).expect("cargo's folder is writable");
}

/// A constant with the name and text of each `.fw` file of a folder, in bytewise order.
fn list(constant: &str, folder: &str) -> String {
    println!("cargo::rerun-if-changed={folder}");
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let entries = fs::read_dir(root.join(folder)).expect("the folder is part of the package");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("readable").file_name().into_string().expect("UTF-8"))
        .filter(|name| Path::new(name).extension().is_some_and(|ending| ending == "fw"))
        .collect();
    names.sort();
    let mut code = format!("/// The files of `{folder}`.\nconst {constant}: &[BuiltIn] = &[\n");
    for name in names {
        let path = root.join(folder).join(&name);
        let _ = writeln!(
            code,
            "    BuiltIn {{ name: {:?}, text: include_str!({:?}) }},",
            format!("{folder}/{name}"),
            path.display().to_string()
        );
    }
    code.push_str("];\n");
    code
}
