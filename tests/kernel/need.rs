//! What the machine must offer before a kernel test makes sense.

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::sync::OnceLock;

use nix::unistd::geteuid;

/// Programs the tests start. `ipset` is among them because a rules file may name sets, and one
/// that is not there makes the whole file fail.
const PROGRAMS: [&str; 12] = [
    "ip",
    "ipset",
    "nft",
    "shellcheck",
    "iptables-legacy-restore",
    "iptables-legacy-save",
    "iptables-nft-restore",
    "iptables-nft-save",
    "ip6tables-legacy-restore",
    "ip6tables-legacy-save",
    "ip6tables-nft-restore",
    "ip6tables-nft-save",
];

/// Whether kernel tests can run here; each begins with this question and returns on `false`.
///
/// # Panics
///
/// When they cannot and `PALISADE_KERNEL=required` is set, so that a continuous build does not
/// stay green by skipping.
pub fn met() -> bool {
    static MISSING: OnceLock<Option<String>> = OnceLock::new();
    let Some(missing) = MISSING.get_or_init(missing) else {
        return true;
    };
    let line = format!(
        "SKIPPED: needs root, iptables (legacy and nft), nft, ipset, iproute2, shellcheck: {missing}"
    );
    assert!(env::var_os("PALISADE_KERNEL").is_none_or(|value| value != "required"), "{line}");
    // Not `eprintln!`: the test harness swallows that from a test that passes.
    writeln!(io::stderr(), "{line}").expect("stderr is open");
    false
}

/// `PATH` with the folders of the administrator's programs, which root may lack after `su`.
pub fn path() -> OsString {
    let mut path = env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin");
    path
}

fn missing() -> Option<String> {
    if !geteuid().is_root() {
        return Some("not root".to_owned());
    }
    let path = path();
    let absent: Vec<&str> = PROGRAMS
        .into_iter()
        .filter(|program| !env::split_paths(&path).any(|folder| folder.join(program).is_file()))
        .collect();
    (!absent.is_empty()).then(|| format!("no {}", absent.join(", ")))
}
