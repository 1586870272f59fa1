//! Running the real tools in a fresh network namespace.

use std::process::{Command, Stdio};

/// Whether there are real tools to ask; says on stderr when not.
pub fn tools(names: &[&str]) -> bool {
    let runs = |name: &&&str| {
        let quiet = |command: &mut Command| {
            command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
        };
        !quiet(Command::new("unshare").args(["-n", **name, "--version"]))
    };
    let missing: Vec<_> = names.iter().filter(runs).collect();
    if !missing.is_empty() {
        eprintln!("SKIPPED: cannot run in a network namespace as root: {missing:?}");
    }
    missing.is_empty()
}

/// Runs a shell script in a fresh network namespace with `input` on stdin.
/// Returns success, stdout and stderr.
pub fn in_namespace(script: &str, input: &str) -> (bool, String, String) {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), input).expect("written");
    let output = Command::new("unshare")
        .args(["-n", "sh", "-c", script])
        .stdin(std::fs::File::open(file.path()).expect("open"))
        .output()
        .expect("unshare runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status.success(), text(output.stdout), text(output.stderr))
}
