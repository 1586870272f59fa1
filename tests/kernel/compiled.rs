//! What the compiler's own program makes of a policy.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::{NamedTempFile, TempDir};

use crate::load::Rules;

/// All that the kernel's tools read of one policy.
pub struct Compiled {
    pub rules: Rules,
    /// `None` when nft has no words for a part of the policy, and the compiler says so.
    pub nft: Option<String>,
}

/// Compiles a file; `None` when the policy is refused.
pub fn compile(policy: &Path) -> Option<Compiled> {
    let folder = outputs(policy)?;
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).expect("was written");
    let rules = Rules { sets: read("ipsets"), v4: read("rules.v4"), v6: read("rules.v6") };
    Some(Compiled { rules, nft: native(policy) })
}

/// All outputs of a policy that is given as text, in a folder that is gone after the test; `None`
/// when the policy is refused.
pub fn folder(policy: &str) -> Option<TempDir> {
    let mut file = NamedTempFile::new().expect("a temporary file can be made");
    file.write_all(policy.as_bytes()).expect("and written");
    outputs(file.path())
}

fn outputs(policy: &Path) -> Option<TempDir> {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let output = build(policy, &["--output", &folder.path().to_string_lossy()]);
    match output.status.code() {
        Some(0) => {}
        Some(1) => return None,
        // A case of an include that cannot be read.
        Some(2) if String::from_utf8_lossy(&output.stderr).contains("[unreadable-file]") => {
            return None;
        }
        _ => panic!("{}: {output:?}", policy.display()),
    }
    Some(folder)
}

fn path_of_example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(format!("{name}.fw"))
}

/// The rules of `examples/NAME.fw`.
pub fn example(name: &str) -> Rules {
    compile(&path_of_example(name)).unwrap_or_else(|| panic!("{name} is refused")).rules
}

/// All outputs of `examples/NAME.fw`, in a folder that is gone after the test.
pub fn folder_of_example(name: &str) -> TempDir {
    outputs(&path_of_example(name)).unwrap_or_else(|| panic!("{name} is refused"))
}

/// A policy that a test writes.
pub fn policy(text: &str) -> Compiled {
    policy_with(text, &[])
}

/// The same, with files beside it.
pub fn policy_with(text: &str, files: &[(&str, &str)]) -> Compiled {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("policy.fw");
    for (name, text) in files.iter().chain(&[("policy.fw", text)]) {
        fs::write(folder.path().join(name), text).expect("a temporary file can be written");
    }
    compile(&path).unwrap_or_else(|| panic!("refused:\n{text}"))
}

fn native(policy: &Path) -> Option<String> {
    let output = build(policy, &["--emit", "nft"]);
    if output.status.success() {
        return Some(String::from_utf8(output.stdout).expect("rules are text"));
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.contains("nft cannot say"), "{}: {complaint}", policy.display());
    None
}

fn build(policy: &Path, output: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_palisade"));
    command.arg("build").arg(policy).args(output).output().expect("the compiler runs")
}
