//! Dumps where commands take policies: told by what is in them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::run::{Scene, palisade};

const OPEN: &str = "*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -s 192.0.2.0/24 -p tcp -m tcp --dport 22 -j ACCEPT
-A INPUT -s 192.0.2.0/25 -p tcp -m tcp --dport 22 -j DROP
-A INPUT -s 192.0.2.9/32 -p tcp -m tcp --dport 22 -j ACCEPT
COMMIT
";

#[test]
fn a_dump_is_told_by_its_content() {
    let scene =
        Scene::new(&[("rules", OPEN), ("site/rules.v4", OPEN), ("site/web.fw", "allow ssh\n")]);
    let check = |words: &[&str]| palisade([&["check"][..], words].concat()).within(&scene).run();
    let run = check(&["rules"]);
    assert_eq!((run.status, run.out.as_str()), (1, ""));
    assert!(run.err.contains("error[shadowed-conflict]"), "{}", run.err);
    assert!(run.err.contains("rules:8:1"), "{}", run.err);
    let run = palisade(["check", "-"]).stdin(OPEN.as_bytes()).run();
    assert!(run.err.contains("<stdin>:8:1"), "{}", run.err);
    // In a folder policies are meant; a dump there is checked when it is named.
    let run = check(&["site"]);
    assert_eq!((run.status, run.err.as_str()), (0, "site/web.fw: no findings\n"));
    let run = check(&["site", "site/rules.v4"]);
    assert!(run.status == 1 && run.err.contains("2 policies: 1 error"), "{}", run.err);
    let run = check(&["--allow", "shadowed-conflict,shadowed-rule", "rules"]);
    assert_eq!((run.status, run.err.as_str()), (0, "rules: no findings\n"));
    scene
        .write("palisade.toml", "[lints]\nallow = [\"shadowed-conflict\"]\ndeny-warnings = true\n");
    let run = check(&["rules"]);
    assert!(run.status == 1 && run.err.contains("error[shadowed-rule]"), "{}", run.err);
}

#[test]
fn the_name_says_the_family_where_nothing_else_does() {
    let any = "*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n";
    let scene = Scene::new(&[("rules.v6", any), ("rules.v4", any), ("rules", any)]);
    let lints = |name: &str| {
        let run = palisade(["check", name, "--format", "json"]).within(&scene).run();
        let document: Value = serde_json::from_str(&run.out).unwrap();
        let findings = document["findings"].as_array().unwrap();
        findings.iter().map(|one| one["code"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    assert!(lints("rules.v6").contains("no-neighbour-discovery"));
    let [v4, unsaid] = ["rules.v4", "rules"].map(lints);
    assert!(!v4.contains("no-neighbour-discovery") && !v4.contains("family-assumed"));
    assert!(unsaid.contains("family-assumed"));
}

#[test]
fn programs_read_what_is_found_in_dumps() {
    let scene = Scene::new(&[("rules.v4", OPEN)]);
    let check = |format| palisade(["check", "rules.v4", "--format", format]).within(&scene).run();
    let document: Value = serde_json::from_str(&check("json").out).unwrap();
    assert_eq!(document["summary"]["rules"], 5);
    let lines = document["findings"].as_array().unwrap().iter().map(|one| one["line"].as_u64());
    assert_eq!(lines.collect::<Vec<_>>(), [Some(8), Some(9)]);
    let document: Value = serde_json::from_str(&check("sarif").out).unwrap();
    let first = &document["runs"][0]["results"][0];
    assert_eq!(first["ruleId"], "shadowed-conflict");
    let place = &first["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "rules.v4");
    assert_eq!(place["region"]["startLine"], 8);
    let annotations = check("github").out;
    assert!(annotations.contains("::error file=rules.v4,line=8"), "{annotations}");
}

#[test]
fn commands_for_policies_refuse_dumps() {
    let scene =
        Scene::new(&[("rules.v4", OPEN), ("ipsets", "create a hash:net\nadd a 10.0.0.0/8\n")]);
    for command in ["build", "show"] {
        let run = palisade([command, "rules.v4"]).within(&scene).run();
        assert_eq!((run.status, run.out.as_str()), (2, ""));
        let said = format!("`{command}` takes a policy, and rules.v4 is a dump of rules");
        assert!(run.err.contains(&said) && run.err.contains("palisade import"), "{}", run.err);
    }
    for words in [
        &["query", "rules.v4", "allow tcp 22 from any"][..],
        &["trace", "rules.v4", "tcp 192.0.2.1 -> self:22 in eth0"],
        &["test", "rules.v4"],
    ] {
        let run = palisade(words).within(&scene).run();
        let said = format!("`{}` takes a policy", words[0]);
        assert!(run.status == 2 && run.err.contains(&said), "{}", run.err);
    }
    let run = palisade(["verify", "rules.v4", "rules.v4"]).within(&scene).run();
    assert!(run.status == 2 && run.err.contains("`verify` takes a policy"), "{}", run.err);
    let run = palisade(["check", "--fix", "rules.v4"]).within(&scene).run();
    assert!(run.status == 2 && run.err.contains("`--fix` edits policies only"), "{}", run.err);
    assert_eq!(scene.read("rules.v4"), OPEN);
    let run = palisade(["check", "ipsets"]).within(&scene).run();
    assert!(run.status == 2 && run.err.contains("ipsets is a dump of sets"), "{}", run.err);
}

#[test]
fn nothing_offers_a_fix_of_a_dump() {
    let again = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -s 192.0.2.1/32 -j DROP\n\
                 -A INPUT -s 192.0.2.1/32 -j DROP\nCOMMIT\n";
    let run = palisade(["check", "-"]).stdin(again.as_bytes()).run();
    assert!(run.err.contains("warning[duplicate-rule]"), "{}", run.err);
    assert!(run.err.contains("= help: delete it") && !run.err.contains("--fix"), "{}", run.err);
}

#[test]
fn a_dump_is_drawn() {
    let scene = Scene::new(&[("rules.v4", OPEN)]);
    let run = palisade(["graph", "rules.v4", "--format", "mermaid"]).within(&scene).run();
    assert_eq!((run.status, run.err.as_str()), (0, ""));
    assert!(
        run.out.starts_with("flowchart TB\n") && run.out.contains("-s 192.0.2.9/32"),
        "{}",
        run.out
    );
    assert!(!run.out.contains("IPv4 only"), "{}", run.out);
}

#[test]
fn the_documentation_shows_what_is_found() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/dumps.md");
    let text = std::fs::read_to_string(path).unwrap();
    let block = |kind: &str| {
        let rest = text.split(&format!("```{kind}\n")).nth(1).unwrap();
        rest.split("```").next().unwrap().to_owned()
    };
    let scene = Scene::new(&[("rules.v4", &block("dump"))]);
    let run = palisade(["check", "rules.v4"]).within(&scene).run();
    assert!(run.err.contains(&block("text")), "{}", run.err);
}
