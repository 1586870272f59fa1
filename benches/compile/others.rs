//! The same rules for other tools, each run beside `palisade` in one go.
//!
//! Rules that all of them can say: protocol, two networks, a port, accept or drop. What is not
//! installed is left out. Tools that look at the kernel get a network namespace of their own.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::measure::cell;
use super::policies::Random;

/// The sizes, in rules, of the lists that all tools get, and how many of the tools below: the slow
/// ones, which stand last, do not get the long lists.
pub const SIZES: [(usize, usize); 3] = [(1_000, 7), (10_000, 6), (100_000, 4)];

/// More time than this is too much to wait for.
const PATIENCE: &str = "300";

/// One tool: how it is called in a folder where all files of [`write_all`] are.
struct Tool {
    title: &'static str,
    /// What has to be installed.
    program: &'static str,
    /// For the shell.
    command: &'static str,
}

const PALISADE: Tool = Tool {
    title: "palisade build: lints, rules, proof",
    program: "sh",
    command: "\"$PALISADE\" build list.fw -o out/ --allow shadowed-conflict",
};

/// The quick ones first.
const OTHERS: [Tool; 7] = [
    Tool {
        title: "palisade check",
        program: "sh",
        command: "\"$PALISADE\" check list.fw || [ $? -eq 1 ]",
    },
    Tool {
        title: "iptables-legacy-restore --test",
        program: "iptables-legacy-restore",
        command: "unshare -n iptables-legacy-restore --test <out/rules.v4",
    },
    Tool {
        title: "iptables-nft-restore --test",
        program: "iptables-nft-restore",
        command: "unshare -n iptables-nft-restore --test <out/rules.v4",
    },
    Tool {
        title: "ferm: rules alone",
        program: "ferm",
        command: "ferm --noexec --lines --remote list.ferm",
    },
    Tool {
        title: "aerleon: rules alone",
        program: "aclgen",
        command: "aclgen --base_directory . --policy_file list.pol --definitions_directory . \
                  --output_directory .",
    },
    Tool {
        title: "shorewall check",
        program: "shorewall",
        command: "unshare -n shorewall check shorewall",
    },
    Tool {
        title: "aerleon with its shade check",
        program: "aclgen",
        command: "aclgen --base_directory . --policy_file list.pol --definitions_directory . \
                  --output_directory . --shade_check",
    },
];

/// Prints what each tool takes for a list, and how many times as long as `palisade build` that is.
pub fn compare(rules: usize, tools: usize) -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    write_all(folder.path(), &list(rules))?;
    println!("\n{rules} rules");
    let Some(own) = run(&PALISADE, folder.path())? else {
        return Err(io::Error::other("palisade does not build the list"));
    };
    println!("  {:<36}{:>10}", PALISADE.title, cell(own));
    for tool in &OTHERS[..tools] {
        let words = match run(tool, folder.path())? {
            Some(time) => {
                let ratio = time.as_secs_f64() / own.as_secs_f64();
                format!("{:>10}{ratio:>8.1}×", cell(time))
            }
            None => format!("{:>10}", "-"),
        };
        println!("  {:<36}{words}", tool.title);
    }
    Ok(())
}

/// The best time of some runs; `None` when the tool is not there, fails, or takes too long.
fn run(tool: &Tool, folder: &Path) -> io::Result<Option<Duration>> {
    let mut find = Command::new("sh");
    find.args(["-c", "command -v \"$0\"", tool.program]).stdout(Stdio::null());
    if !find.status()?.success() {
        return Ok(None);
    }
    let mut best = None;
    let whole = Instant::now();
    while whole.elapsed() < Duration::from_secs(2) {
        let start = Instant::now();
        let status = Command::new("timeout")
            .args([PATIENCE, "sh", "-c", tool.command])
            .current_dir(folder)
            .env("PALISADE", env!("CARGO_BIN_EXE_palisade"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        if !status.success() {
            return Ok(None);
        }
        let time = start.elapsed();
        best = Some(best.map_or(time, |best: Duration| best.min(time)));
    }
    Ok(best)
}

/// One rule, in words that every tool has.
struct Rule {
    from: String,
    to: String,
    protocol: &'static str,
    port: u64,
    is_allowed: bool,
}

fn list(rules: usize) -> Vec<Rule> {
    let mut random = Random::new(rules as u64);
    let mut one = || Rule {
        from: random.network(),
        to: random.network(),
        protocol: random.pick(&["tcp", "udp"]),
        port: random.port(),
        is_allowed: random.below(4) > 0,
    };
    (0..rules).map(|_| one()).collect()
}

/// The list in the language of each tool. Writing to a string cannot fail.
fn write_all(folder: &Path, rules: &[Rule]) -> io::Result<()> {
    let mut own = String::new();
    let mut ferm = "table filter chain FORWARD {\npolicy DROP;\n".to_owned();
    let mut terms = "header {\n  target:: iptables FORWARD DROP inet nostate\n}\n".to_owned();
    let (mut networks, mut services) = (String::new(), String::new());
    let mut shorewall = "?SECTION NEW\n".to_owned();
    for (at, rule) in rules.iter().enumerate() {
        let Rule { from, to, protocol, port, is_allowed } = rule;
        let word = |yes: &'static str, no: &'static str| if *is_allowed { yes } else { no };
        let _ = writeln!(
            own,
            "forward {{ {} {protocol} {port} from {from} to {to} }}",
            word("allow", "drop")
        );
        let _ = writeln!(
            ferm,
            "saddr {from} daddr {to} proto {protocol} dport {port} {};",
            word("ACCEPT", "DROP")
        );
        let _ =
            writeln!(shorewall, "{} net:{from} loc:{to} {protocol} {port}", word("ACCEPT", "DROP"));
        let _ = writeln!(networks, "F{at} = {from}\nT{at} = {to}");
        let _ = writeln!(services, "P{at} = {port}/{protocol}");
        let _ = writeln!(
            terms,
            "term t{at} {{\n  source-address:: F{at}\n  destination-address:: T{at}\n  protocol:: \
             {protocol}\n  destination-port:: P{at}\n  action:: {}\n}}",
            word("accept", "deny")
        );
    }
    ferm += "}\n";
    for (name, text) in [
        ("list.fw", &own),
        ("list.ferm", &ferm),
        ("list.pol", &terms),
        ("list.net", &networks),
        ("list.svc", &services),
    ] {
        fs::write(folder.join(name), text)?;
    }
    write_shorewall(&folder.join("shorewall"), &shorewall)
}

fn write_shorewall(folder: &Path, rules: &str) -> io::Result<()> {
    fs::create_dir(folder)?;
    // Its settings have no defaults; its package brings this file.
    let _ =
        fs::copy("/usr/share/shorewall/configfiles/shorewall.conf", folder.join("shorewall.conf"));
    for (name, text) in [
        ("zones", "fw firewall\nnet ipv4\nloc ipv4\n"),
        ("interfaces", "?FORMAT 2\nnet eth0\nloc eth1\n"),
        ("policy", "all all DROP\n"),
        ("rules", rules),
    ] {
        fs::write(folder.join(name), text)?;
    }
    Ok(())
}
