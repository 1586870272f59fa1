//! Cases as data: a policy under `tests/cases` with what Palisade says or writes about it beside.
//!
//! `BLESS=1 cargo test --test cases` writes the golden files anew; read what changed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use palisade::diagnostic::{Finding, catalogue};
use palisade::resolve;
use palisade::source::{Loader, MemoryLoader, Sources, glob_matches};
use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The day by which the cases are judged.
const TODAY: &str = "2026-07-01";

/// Codes that no checked policy can have, and the test that sees them instead.
const ELSEWHERE: &[(&str, &str)] = &[
    ("family-assumed", "of rules files: tests/read/refused.rs"),
    ("incomplete-dump", "of rules files: tests/read/refused.rs"),
    ("unequal", "of `verify` alone: tests/cli/compare.rs"),
    ("unmodelled-set", "of dumps of sets: tests/cli/dumps.rs"),
    ("ipv6-not-written", "of `build` alone: standard_output_gets_one_text_and_the_rest_a_note"),
    ("set-too-large", "too large to store: a_set_of_too_many_networks_is_one_finding"),
    ("file-too-large", "too large to store: a_huge_policy_is_one_finding"),
    ("too-many-findings", "too long to store: many_warnings_do_not_fail"),
    ("too-much-expansion", "too long to store: calls_that_unfold_without_end_are_one_finding"),
];

fn palisade(folder: &Path, arguments: &[&str]) -> Output {
    run(Command::new(env!("CARGO_BIN_EXE_palisade")).args(arguments).current_dir(folder))
}

fn run(command: &mut Command) -> Output {
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
        command.env_remove(name);
    }
    command.output().unwrap()
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

fn folder(name: &str) -> PathBuf {
    Path::new(ROOT).join("tests/cases").join(name)
}

/// The policies of a folder by the name of their case: `NAME.fw`, or `NAME/policy.fw`.
fn cases(folder: &Path) -> Vec<(String, String)> {
    let cases = some_cases(folder);
    assert!(cases.len() > 10, "{}", folder.display());
    cases
}

fn some_cases(folder: &Path) -> Vec<(String, String)> {
    let mut cases = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            cases.push((file.clone(), format!("{file}/policy.fw")));
        } else if let Some(name) = file.strip_suffix(".fw") {
            cases.push((name.to_owned(), file.clone()));
        }
    }
    cases.sort();
    assert!(!cases.is_empty(), "{}", folder.display());
    cases
}

/// Compares with the golden file, or writes it.
fn compare(golden: &Path, found: &str, wrong: &mut Vec<String>) {
    let wanted = fs::read_to_string(golden).unwrap_or_default();
    if wanted == found {
        return;
    }
    if std::env::var_os("BLESS").is_some() {
        fs::write(golden, found).unwrap();
        return;
    }
    let at = wanted.lines().zip(found.lines()).take_while(|(wanted, found)| wanted == found);
    let line = at.count();
    let show = |text: &str| text.lines().nth(line).unwrap_or("<end>").to_owned();
    wrong.push(format!(
        "{}:{}\n  wanted: {}\n  found:  {}",
        golden.display(),
        line + 1,
        show(&wanted),
        show(found)
    ));
}

/// Golden files whose policy is gone.
fn orphans(folder: &Path, endings: &[&str], cases: &[(String, String)]) -> Vec<PathBuf> {
    let known: BTreeSet<String> = cases
        .iter()
        .flat_map(|(name, _)| endings.iter().map(move |ending| format!("{name}.{ending}")))
        .collect();
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.is_file() && path.extension().is_some_and(|ending| ending != "fw"))
        .filter(|path| !known.contains(path.file_name().unwrap().to_str().unwrap()))
        .collect()
}

/// The policies and dumps that are checked. A dump is a case by its whole name: `NAME.v4`, `NAME.v6`.
fn told_cases(folder: &Path) -> Vec<(String, String)> {
    let mut checked = cases(folder);
    let mut dumps = Vec::new();
    files_with(folder, &[".v4", ".v6"], &mut dumps);
    let names = dumps.iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
    checked.extend(names.map(|name| (name.clone(), name)));
    checked.sort();
    checked
}

#[test]
fn findings_are_as_blessed() {
    let folder = folder("check");
    let cases = told_cases(&folder);
    let mut wrong = Vec::new();
    for (name, policy) in &cases {
        let output = palisade(&folder, &["check", "--today", TODAY, "--color", "never", policy]);
        assert!(output.stdout.is_empty(), "{name}");
        let status = output.status.code().unwrap_or(-1);
        let found = format!("{}exit: {status}\n", text(output.stderr));
        compare(&folder.join(format!("{name}.txt")), &found, &mut wrong);
    }
    let mut left = orphans(&folder, &["txt"], &cases);
    left.retain(|path| !cases.iter().any(|(_, file)| path.ends_with(file)));
    assert_eq!(left, [] as [PathBuf; 0]);
    assert!(wrong.is_empty(), "BLESS=1 blesses them:\n{}", wrong.join("\n"));
}

#[test]
fn builds_are_as_blessed() {
    let folder = folder("build");
    let cases = cases(&folder);
    let mut wrong = Vec::new();
    for (name, policy) in &cases {
        build(&folder, name, policy, &folder, &mut wrong);
    }
    let endings = ["v4", "v6", "ipsets", "plan"];
    assert_eq!(orphans(&folder, &endings, &cases), [] as [PathBuf; 0]);
    assert!(wrong.is_empty(), "BLESS=1 blesses them:\n{}", wrong.join("\n"));
}

/// Builds a policy of `from` and compares what is written with the golden files in `folder`.
fn build(from: &Path, name: &str, policy: &str, folder: &Path, wrong: &mut Vec<String>) {
    let output = tempfile::tempdir().unwrap();
    let target = output.path().to_str().unwrap();
    let built = palisade(from, &["build", policy, "-o", target, "--color", "never"]);
    assert!(built.status.success(), "{name}: {}", text(built.stderr));
    for family in ["v4", "v6"] {
        let rules = fs::read_to_string(output.path().join(format!("rules.{family}"))).unwrap();
        compare(&folder.join(format!("{name}.{family}")), &rules, wrong);
    }
    let sets = fs::read_to_string(output.path().join("ipsets")).unwrap();
    // Most policies have none.
    if sets.lines().any(|line| !line.starts_with('#')) {
        compare(&folder.join(format!("{name}.ipsets")), &sets, wrong);
    }
    let plan = palisade(from, &["show", policy, "--color", "never"]);
    compare(&folder.join(format!("{name}.plan")), &text(plan.stdout), wrong);
}

/// Each example with the most lines that it may need, comments aside, and the most IPv4 rules: fewer
/// than other tools write for it.
const EXAMPLES: &[(&str, usize, usize)] = &[
    ("bastion", 3, 12),
    ("blocklist", 4, 40),
    ("dmz", 10, 40),
    ("dns", 2, 12),
    ("docker", 4, 40),
    ("first", 2, 12),
    ("hairpin", 5, 25),
    ("kubernetes", 6, 40),
    ("mail", 1, 12),
    ("publish", 6, 25),
    ("router", 5, 12),
    ("ssh", 1, 12),
    ("uplinks", 8, 25),
    ("web", 1, 12),
    ("wireguard", 9, 40),
];

#[test]
fn examples_are_as_blessed_and_small() {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let folder = folder("examples");
    let mut wrong = Vec::new();
    for (name, lines, most) in EXAMPLES {
        let policy = fs::read_to_string(from.join(format!("{name}.fw"))).unwrap();
        let said = |line: &&str| !line.is_empty() && !line.starts_with('#');
        let count = policy.lines().filter(said).count();
        assert!(count <= *lines, "{name} has {count} lines");
        build(&from, name, &format!("{name}.fw"), &folder, &mut wrong);
        let rules = fs::read_to_string(folder.join(format!("{name}.v4"))).unwrap();
        let count = rules.lines().filter(|line| line.starts_with("-A ")).count();
        assert!(count <= *most, "{name} has {count} IPv4 rules");
    }
    assert!(wrong.is_empty(), "BLESS=1 blesses them:\n{}", wrong.join("\n"));
    let mut policies = Vec::new();
    files_with(&from, &[".fw"], &mut policies);
    let policies = policies.len();
    assert_eq!(policies, EXAMPLES.len(), "every example is listed");
}

/// The pictures of a policy: what is drawn, how, and the ending of the golden file.
const GRAPHS: [(&str, &str, &str); 5] = [
    ("all", "dot", "dot"),
    ("all", "mermaid", "mmd"),
    ("all", "svg", "svg"),
    ("rules", "mermaid", "rules.mmd"),
    ("chains", "mermaid", "chains.mmd"),
];

#[test]
fn graphs_are_as_blessed() {
    let folder = folder("graph");
    let cases = some_cases(&folder);
    let mut wrong = Vec::new();
    for (name, policy) in &cases {
        for (what, format, ending) in GRAPHS {
            let drawn = palisade(
                &folder,
                &["graph", policy, "--what", what, "--format", format, "--color", "never"],
            );
            assert!(drawn.status.success(), "{name}: {}", text(drawn.stderr));
            compare(&folder.join(format!("{name}.{ending}")), &text(drawn.stdout), &mut wrong);
        }
    }
    assert_eq!(orphans(&folder, &GRAPHS.map(|(_, _, ending)| ending), &cases), [] as [PathBuf; 0]);
    assert!(wrong.is_empty(), "BLESS=1 blesses them:\n{}", wrong.join("\n"));
}

#[test]
fn every_lint_has_a_case() {
    if std::env::var_os("BLESS").is_some() {
        return; // The golden files are being written.
    }
    let mut seen = BTreeSet::new();
    for (name, _) in told_cases(&folder("check")) {
        let golden = fs::read_to_string(folder("check").join(format!("{name}.txt"))).unwrap();
        for line in golden.lines() {
            let Some((level, rest)) = line.split_once('[') else { continue };
            if ["error", "warning", "note"].contains(&level) {
                seen.insert(rest.split(']').next().unwrap().to_owned());
            }
        }
    }
    seen.extend(ELSEWHERE.iter().map(|(code, _)| (*code).to_owned()));
    let catalogue: BTreeSet<String> =
        catalogue::ALL.iter().map(|lint| lint.name.to_owned()).collect();
    assert_eq!(seen, catalogue);
}

/// Every file under `folder` with one of these endings.
fn files_with(folder: &Path, endings: &[&str], found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" {
                files_with(&path, endings, found);
            }
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            found.push(path);
        }
    }
}

/// Every policy of the repository: files, and the fenced blocks of pages; with its folder.
fn all_policies() -> Vec<(String, PathBuf, String)> {
    let mut files = Vec::new();
    for part in ["examples", "stdlib", "tests", "src", "docs"] {
        let folder = Path::new(ROOT).join(part);
        if folder.is_dir() {
            files_with(&folder, &[".fw", ".md"], &mut files);
        }
    }
    files.sort();
    let mut policies = Vec::new();
    for path in files {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let (name, folder) = (path.display().to_string(), path.parent().unwrap().to_owned());
        if path.extension().is_some_and(|ending| ending == "fw") {
            policies.push((name, folder, text));
            continue;
        }
        for (index, block) in text.split("```fw\n").skip(1).enumerate() {
            let block = block.split("```").next().unwrap().to_owned();
            policies.push((format!("{name}, block {}", index + 1), folder.clone(), block));
        }
    }
    policies
}

/// The files beside a policy, by their paths from its folder.
fn neighbours(folder: &Path) -> MemoryLoader {
    let mut files = Vec::new();
    files_with(folder, &[".fw", ".netset"], &mut files);
    let readable = files.iter().filter_map(|path| {
        let name = path.strip_prefix(folder).ok()?.to_str()?.to_owned();
        Some((name, fs::read_to_string(path).ok()?))
    });
    MemoryLoader::new(readable)
}

fn findings(text: &str, folder: &Path) -> (Sources, Vec<Finding>) {
    let mut sources = Sources::new();
    let root = sources.add("policy.fw", text);
    let mut loader = neighbours(folder);
    let resolved = resolve::resolve(root, &mut sources, &mut loader);
    (sources, resolved.findings)
}

#[test]
fn findings_stand_inside_their_files_and_are_the_same_again() {
    let policies = all_policies();
    assert!(policies.len() > 100, "{}", policies.len());
    for (name, folder, policy) in policies {
        let (sources, found) = findings(&policy, &folder);
        for finding in &found {
            let related = finding.related.iter().map(|related| related.span);
            let edits = finding.fix.iter().flat_map(|fix| &fix.edits).map(|edit| edit.span);
            for span in finding.places().chain(related).chain(edits) {
                let text = sources.file(span.file()).text();
                // `None` also inside a character.
                assert!(text.get(span.range()).is_some(), "{name}: {finding:?}");
            }
            check_style(&name, finding);
        }
        let (_, again) = findings(&policy, &folder);
        assert_eq!(found, again, "{name}");
    }
}

#[test]
fn a_fix_mends_its_finding_and_makes_no_other() {
    let mut fixes = 0;
    for (name, folder, policy) in all_policies() {
        let (sources, found) = findings(&policy, &folder);
        for finding in &found {
            let Some(fix) = &finding.fix else { continue };
            let (root, _) = sources.files().next().unwrap();
            if fix.edits.iter().any(|edit| edit.span.file() != root) {
                continue; // A part, which is a policy of this test itself.
            }
            let mut edits: Vec<_> = fix.edits.iter().collect();
            edits.sort_by_key(|edit| std::cmp::Reverse(edit.span));
            let mut mended = policy.clone();
            for edit in edits {
                mended.replace_range(edit.span.range(), &edit.replacement);
            }
            let (_, left) = findings(&mended, &folder);
            // A finding of a `def` may be there for several calls, with one edit for all.
            let others = found.iter().filter(|other| other.fix != finding.fix);
            let mut wanted: Vec<&str> = others.map(|other| other.lint.name).collect();
            let mut left: Vec<&str> = left.iter().map(|finding| finding.lint.name).collect();
            wanted.sort_unstable();
            left.sort_unstable();
            assert_eq!(left, wanted, "{name}: {fix:?}");
            fixes += 1;
        }
    }
    assert!(fixes > 10, "{fixes}");
}

/// A lower-case clause without a final stop, in good English.
fn check_style(name: &str, finding: &Finding) {
    let (message, help) = (&finding.message, finding.help.as_deref().unwrap_or_default());
    if let Some(fix) = &finding.fix {
        let title = &fix.title;
        assert!(
            !title.is_empty() && !title.ends_with('.') && !title.contains('\n'),
            "{name}: {title}"
        );
        assert!(!fix.edits.is_empty() && title.starts_with(char::is_lowercase), "{name}: {title}");
    }
    assert!(!message.ends_with('.') && !message.contains('\n'), "{name}: {message}");
    let upper = message.starts_with(char::is_uppercase);
    assert!(!upper || message.starts_with("IPv"), "{name}: {message}");
    assert!(!help.ends_with('.'), "{name}: {help}");
    for text in [message, &finding.label, help] {
        for wrong in [" a answer", " a implicit", " a ICMP", " 1 bytes", " 1 arguments", "``"] {
            assert!(!text.contains(wrong), "{name}: {text}");
        }
    }
}

/// Checks a policy in a folder that is gone after the test. Seconds of the processor are counted, so a
/// busy machine does not matter; a check that takes more is ended, and says nothing.
fn checked(policy: &[u8], most_seconds: u32) -> Output {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("policy.fw"), policy).unwrap();
    let script = format!("ulimit -t {most_seconds}; exec \"$0\" check policy.fw --format json");
    let program = env!("CARGO_BIN_EXE_palisade");
    run(Command::new("sh").args(["-c", &script, program]).current_dir(folder.path()))
}

fn lines(count: usize, line: &dyn Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

fn codes(output: &Output) -> Vec<(String, String)> {
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let findings = document["findings"].as_array().unwrap();
    findings.iter().map(|finding| (text(finding, "code"), text(finding, "level"))).collect()
}

fn pair(code: &str, level: &str) -> (String, String) {
    (code.to_owned(), level.to_owned())
}

#[test]
fn a_huge_policy_is_one_finding() {
    let line = b"allow tcp 22 from 10.0.0.1\n";
    let output = checked(&line.repeat((100 << 20) / line.len()), 5);
    assert_eq!(codes(&output), [pair("file-too-large", "error")]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn brackets_without_end_are_one_finding() {
    for bracket in ["from any { ", "(", "{", "["] {
        let output = checked(bracket.repeat(300_000).as_bytes(), 20);
        assert_eq!(output.status.code(), Some(1), "{bracket}");
    }
    let output = checked("from any { ".repeat(300_000).as_bytes(), 20);
    assert_eq!(codes(&output), [pair("nesting-too-deep", "error")]);
}

#[test]
fn many_warnings_do_not_fail() {
    let warnings = lines(1_500, &|n| format!("let x{n} = 10.0.0.1\n"));
    let output = checked(warnings.as_bytes(), 20);
    assert_eq!(output.status.code(), Some(0));
    let found = codes(&output);
    assert_eq!(found.len(), 1_001);
    assert_eq!(found[1_000], pair("too-many-findings", "warning"));
    // An error behind them is neither lost nor made less.
    let hosts = lines(1_500, &|n| format!("allow ssh from 10.0.{}.{}/8\n", n / 250, n % 250 + 1));
    let output = checked(format!("{hosts}allow shh\n").as_bytes(), 20);
    assert_eq!(output.status.code(), Some(1));
    assert!(codes(&output).contains(&pair("unknown-name", "error")));
    let errors = lines(1_500, &|n| format!("allow zz{n}zz\n"));
    let output = checked(errors.as_bytes(), 20);
    assert_eq!(codes(&output).last(), Some(&pair("too-many-findings", "error")));
}

#[test]
fn calls_that_unfold_without_end_are_one_finding() {
    let defs = lines(39, &|n| format!("def d{}(x) {{ d{n}(x); d{n}(x) }}\n", n + 1));
    let policy = format!("def d0(x) {{ allow x }}\n{defs}d39(ssh)\n");
    let output = checked(policy.as_bytes(), 20);
    assert_eq!(codes(&output), [pair("too-much-expansion", "error")]);
}

#[test]
fn blocks_in_a_body_count_as_unfolded() {
    let rules = lines(1_000, &|n| format!("allow tcp {n}\n"));
    let policy = format!("def f() {{ input {{\n{rules}}} }}\n{}", "f()\n".repeat(2_000));
    let output = checked(policy.as_bytes(), 20);
    assert_eq!(codes(&output), [pair("too-much-expansion", "error")]);
}

#[test]
fn thousands_of_ports_are_read_at_once() {
    let odd: Vec<String> = (0..32_767).map(|n| (2 * n + 1).to_string()).collect();
    for policy in
        [format!("log tcp {}\n", odd.join(", ")), format!("log udp any sport {}\n", odd.join(", "))]
    {
        let output = checked(policy.as_bytes(), 5);
        assert_eq!(codes(&output), [pair("no-remote-access", "note")]);
    }
}

#[test]
fn a_loader_of_the_tests_finds_what_is_beside() {
    let mut loader = neighbours(&folder("check/include-clean"));
    assert_eq!(loader.expand("conf.d/*.fw").unwrap().len(), 2);
    assert!(glob_matches("conf.d/*.fw", "conf.d/10-places.fw"));
}
