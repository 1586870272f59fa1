//! `palisade.toml` beside a policy.

use crate::run::{Run, Scene, palisade};

const POLICY: &str = "allow ssh from 10.0.0.5/8\nlet x = 192.0.2.1\n";

fn run(scene: &Scene, arguments: &[&str]) -> Run {
    palisade(arguments.iter().copied()).within(scene).run()
}

#[test]
fn the_file_beside_a_policy_gives_levels_to_every_command() {
    let scene = Scene::new(&[
        ("site/web.fw", POLICY),
        (
            "site/palisade.toml",
            "[lints]\ndeny = [\"host-bits\"]\nallow = [\"unused-definition\"]\n",
        ),
        ("other/web.fw", POLICY),
    ]);
    for command in ["check", "build", "show"] {
        let run = run(&scene, &[command, "site/web.fw"]);
        assert_eq!((run.status, run.out.as_str()), (1, ""), "{command}");
        assert!(run.err.contains("error[host-bits]"), "{}", run.err);
        assert!(!run.err.contains("unused-definition"), "{}", run.err);
    }
    // Each policy has that of its own folder, whatever folder is given.
    let all = run(&scene, &["check", "."]);
    assert!(all.err.contains("./site/web.fw: 1 error\n"), "{}", all.err);
    assert!(all.err.contains("./other/web.fw: 2 warnings\n"), "{}", all.err);
}

#[test]
fn no_other_folder_is_looked_in() {
    let scene = Scene::new(&[
        ("palisade.toml", "[lints]\ndeny-warnings = true\n"),
        ("site/web.fw", POLICY),
        ("site/sub/palisade.toml", "[lints]\ndeny-warnings = true\n"),
    ]);
    assert_eq!(run(&scene, &["check", "site/web.fw"]).status, 0);
    // Standard input is in the working directory, as its includes are.
    let stdin = palisade(["check", "-"]).within(&scene).stdin(POLICY.as_bytes()).run();
    assert_eq!(stdin.status, 1, "{}", stdin.err);
}

#[test]
fn the_command_line_wins() {
    let file = "[lints]\nallow = [\"host-bits\"]\ndeny = [\"unused-definition\"]\n";
    let scene = Scene::new(&[("web.fw", POLICY), ("palisade.toml", file)]);
    let check = |arguments: &[&str]| run(&scene, &[&["check", "web.fw"], arguments].concat());
    assert_eq!(check(&[]).status, 1);
    let lowered = check(&["--warn", "unused-definition", "--warn", "host-bits"]);
    assert_eq!(lowered.status, 0);
    assert!(lowered.err.contains("\nweb.fw: 2 warnings\n"), "{}", lowered.err);
    scene.write("palisade.toml", "[lints]\ndeny-warnings = true\n");
    assert_eq!(check(&[]).status, 1);
    assert_eq!(check(&["--warn", "warnings"]).status, 0);
}

#[test]
fn a_mistake_in_it_is_status_2_with_its_line() {
    let scene = Scene::new(&[
        ("site/a.fw", POLICY),
        ("site/b.fw", POLICY),
        ("good/web.fw", "allow tcp 70000\n"),
        ("site/palisade.toml", "[lints]\ndeny = [\n    \"host-bit\",\n]\n"),
    ]);
    for command in ["check", "build", "show"] {
        let run = run(&scene, &[command, "site/a.fw"]);
        assert_eq!((run.status, run.out.as_str()), (2, ""), "{command}");
        let said = "error: site/palisade.toml:3: there is no lint `host-bit`\n  = help: did you mean `host-bits`?\n";
        assert_eq!(run.err, said);
    }
    // It is told once for all policies beside it, and others are checked all the same.
    let run = run(&scene, &["check", "site", "good"]);
    assert_eq!(run.status, 2);
    assert_eq!(run.err.matches("palisade.toml:3").count(), 1, "{}", run.err);
    assert!(run.err.contains("error[bad-port]"), "{}", run.err);
    scene.write("site/palisade.toml", "[lint]\n");
    let unknown = palisade(["check", "site/a.fw"]).within(&scene).run();
    assert!(unknown.err.contains("palisade.toml:1: there is no key `lint`"), "{}", unknown.err);
    std::fs::remove_file(scene.path("site/palisade.toml")).unwrap();
    std::fs::create_dir(scene.path("site/palisade.toml")).unwrap();
    let folder = palisade(["check", "site/a.fw"]).within(&scene).run();
    assert_eq!(folder.status, 2);
    assert!(
        folder.err.contains("cannot read site/palisade.toml: it is a folder"),
        "{}",
        folder.err
    );
}

/// The fenced blocks of a kind in a page of the documentation.
fn blocks(page: &str, kind: &str) -> Vec<String> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let text = std::fs::read_to_string(path).unwrap();
    let fence = format!("```{kind}\n");
    let rest = text.split(fence.as_str()).skip(1);
    rest.map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn the_recipes_are_commands_and_settings_that_are_taken() {
    let page = "docs/ci.md";
    let settings = blocks(page, "toml").concat();
    let scene = Scene::new(&[
        ("firewall/web.fw", "allow ssh\n"),
        ("firewall/palisade.toml", settings.as_str()),
    ]);
    let recipes = [blocks(page, "sh"), blocks(page, "yaml")].concat().concat();
    let mut count = 0;
    for line in recipes.lines() {
        let Some((_, command)) = line.split_once("palisade check ") else { continue };
        let command = command.split(" >").next().unwrap();
        let arguments: Vec<&str> = ["check"].into_iter().chain(command.split(' ')).collect();
        let run = run(&scene, &arguments);
        assert_eq!(run.status, 0, "{line}: {}", run.err);
        count += 1;
    }
    assert!(count >= 6, "{count} commands");
    // The example of the help is the same file.
    let help = palisade(["check", "--help"]).run().out;
    let shown: Vec<&str> = settings.lines().collect();
    assert!(shown.len() == 5 && shown.iter().all(|line| help.contains(line)), "{help}");
}

/// Rules of which nothing says the family.
const NAMELESS: &str = "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n\
                        -A INPUT -i lo -j ACCEPT\n\
                        -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n\
                        -A INPUT -m conntrack --ctstate INVALID -j DROP\n\
                        -A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n";

/// What `check` finds in a dump has the same level where the dump is asked something.
#[test]
fn levels_hold_for_dumps_in_every_command() {
    let policy = "allow ssh\nassert allow ssh\n";
    let scene = Scene::new(&[("web.fw", policy), ("dumps/now", NAMELESS)]);
    let packet = "tcp 192.0.2.5:40000 -> self:22 in eth0";
    for command in [
        &["verify", "web.fw", "dumps/now"][..],
        &["trace", "dumps/now", packet],
        &["query", "dumps/now", "allow tcp 22"],
        &["test", "web.fw", "--on", "dumps/now"],
        &["diff", "dumps/now", "dumps/now"],
    ] {
        let plain = run(&scene, command);
        assert_eq!(plain.status, 0, "{command:?}: {}", plain.err);
        assert!(plain.err.contains("note[family-assumed]"), "{command:?}: {}", plain.err);
        let allowed = run(&scene, &[command, &["--allow", "family-assumed"]].concat());
        assert_eq!(allowed.status, 0, "{command:?}: {}", allowed.err);
        assert!(!allowed.err.contains("family-assumed"), "{command:?}: {}", allowed.err);
        let denied = run(&scene, &[command, &["--deny", "family-assumed"]].concat());
        let is_diff = command[0] == "diff";
        assert_eq!(denied.status, if is_diff { 2 } else { 1 }, "{command:?}: {}", denied.err);
        assert!(denied.err.contains("error[family-assumed]"), "{command:?}: {}", denied.err);
        // The file beside the dump has a say, as for `check`.
        scene.write("dumps/palisade.toml", "[lints]\nallow = [\"family-assumed\"]\n");
        assert!(!run(&scene, command).err.contains("family-assumed"), "{command:?}");
        std::fs::remove_file(scene.path("dumps/palisade.toml")).unwrap();
    }
}

/// Only who looks at rules can miss what is expected of them.
#[test]
fn what_is_expected_is_missed_only_by_who_looks_for_it() {
    let text = "allow telnet expect open-to-world \"a honeypot\"\nassert allow telnet\n";
    let scene =
        Scene::new(&[("web.fw", text), ("palisade.toml", "[lints]\ndeny-warnings = true\n")]);
    assert_eq!(run(&scene, &["build", "web.fw", "-o", "out/"]).status, 0);
    let packet = "tcp 192.0.2.5:40000 -> self:23 in eth0";
    for command in [
        &["check", "web.fw"][..],
        &["test", "web.fw"],
        &["trace", "web.fw", packet],
        &["query", "web.fw", "allow telnet"],
        &["graph", "web.fw"],
        &["verify", "web.fw", "out"],
        &["diff", "web.fw", "out"],
    ] {
        let run = run(&scene, command);
        assert_eq!(run.status, 0, "{command:?}: {}", run.err);
        assert!(!run.err.contains("unfulfilled-expectation"), "{command:?}: {}", run.err);
    }
    scene.write("web.fw", "allow https expect open-to-world \"a honeypot\"\n");
    assert!(run(&scene, &["check", "web.fw"]).err.contains("error[unfulfilled-expectation]"));
}
