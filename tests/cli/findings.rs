//! Findings in the formats of other programs, and what a policy expects.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use crate::run::{Run, Scene, palisade};

/// The day by which these policies are judged.
const TODAY: &str = "2026-07-01";

const POLICY: &str = "\
# größe
allow ssh from 10.0.0.5/8   # ñ
let x = 192.0.2.0/24
def office(who) { allow http from who until 2026-01-31 }
office(192.0.2.7)
allow tcp 70000
";

fn check(scene: &Scene, arguments: &[&str]) -> Run {
    palisade([&["check", "--today", TODAY][..], arguments].concat()).within(scene).run()
}

fn sarif(scene: &Scene, arguments: &[&str]) -> Value {
    let run = check(scene, &[&["--format", "sarif"], arguments].concat());
    assert!(run.out.ends_with("}\n"), "{}", run.err);
    serde_json::from_str(&run.out).unwrap()
}

/// The schema as it is published (see `tests/sarif/README.md`).
fn schema() -> jsonschema::Validator {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sarif/sarif-schema-2.1.0.json");
    // Its pattern for the name of a language, which is not used here, has a bracket too many for a
    // validator that looks at patterns too.
    let text = std::fs::read_to_string(path).unwrap().replace("[a-zA-Z]{2}]?$", "[a-zA-Z]{2}$");
    let schema: Value = serde_json::from_str(&text).unwrap();
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

fn assert_valid(schema: &jsonschema::Validator, document: &Value) {
    let errors: Vec<String> = schema
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

/// The results of a lint.
fn of_lint<'a>(document: &'a Value, lint: &str) -> Vec<&'a Value> {
    let results = document["runs"][0]["results"].as_array().unwrap();
    results.iter().filter(|result| result["ruleId"] == lint).collect()
}

#[test]
fn the_schema_refuses_what_is_wrong() {
    let scene = Scene::new(&[("web.fw", POLICY)]);
    let schema = schema();
    let whole = sarif(&scene, &["web.fw"]);
    assert_valid(&schema, &whole);
    for (path, wrong) in [
        ("/version", json!("2.0.0")),
        ("/runs/0/results/0/level", json!("fatal")),
        ("/runs/0/results/0/locations/0/physicalLocation/region/startLine", json!(0)),
        ("/runs/0/tool/driver/rules/0/help", json!({ "markdown": "x" })),
        ("/runs/0/columnKind", json!("bytes")),
        ("/runs/0/results/0/partialFingerprints", json!({ "a": 1 })),
    ] {
        let mut document = whole.clone();
        *document.pointer_mut(path).unwrap() = wrong;
        assert!(!schema.is_valid(&document), "{path}");
    }
}

#[test]
fn every_case_is_valid_sarif() {
    let schema = schema();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/check");
    let folder = folder.to_str().unwrap();
    let mut lints = BTreeSet::new();
    // All at once, from a place that absolute paths lead from.
    let run = palisade(["check", "--format", "sarif", "--today", TODAY, folder]).run();
    let document: Value = serde_json::from_str(&run.out).unwrap();
    assert_valid(&schema, &document);
    let run = &document["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    for result in run["results"].as_array().unwrap() {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        let uri = &result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
        assert!(uri.as_str().unwrap().starts_with("file:///"), "{uri}");
        lints.insert(result["ruleId"].as_str().unwrap().to_owned());
    }
    assert!(lints.len() > 35, "{lints:?}");
    assert_eq!(rules.len(), lints.len());
}

#[test]
fn sarif_says_where_and_what_to_do() {
    let scene = Scene::new(&[("site/web.fw", POLICY)]);
    let run = check(&scene, &["--format", "sarif", "./site/web.fw"]);
    assert_eq!((run.status, run.err.as_str()), (1, ""));
    let document: Value = serde_json::from_str(&run.out).unwrap();
    let bits = of_lint(&document, "host-bits")[0];
    assert_eq!(bits["level"], "warning");
    let place = &bits["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "site/web.fw");
    let region = json!({ "startLine": 2, "startColumn": 16, "endLine": 2, "endColumn": 26 });
    assert_eq!(place["region"], region);
    let replacement = &bits["fixes"][0]["artifactChanges"][0]["replacements"][0];
    assert_eq!(replacement["deletedRegion"], region);
    assert_eq!(replacement["insertedContent"]["text"], "10.0.0.0/8");
    let expired = of_lint(&document, "expired-rule")[0];
    let related = &expired["relatedLocations"][0];
    assert_eq!(related["physicalLocation"]["region"]["startLine"], 5);
    assert_eq!(related["message"]["text"], "by this call");
    let rules = document["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    let rule = rules.iter().find(|rule| rule["id"] == "host-bits").unwrap();
    assert!(rule["help"]["markdown"].as_str().unwrap().contains("```fw"));
    assert!(!rule["help"]["text"].as_str().unwrap().contains("```"));
}

#[test]
fn fingerprints_survive_lines_that_come_elsewhere() {
    let scene = Scene::new(&[("web.fw", POLICY)]);
    let prints = |document: &Value| -> Vec<String> {
        let results = document["runs"][0]["results"].as_array().unwrap();
        results.iter().map(|result| result["partialFingerprints"].to_string()).collect()
    };
    let before = prints(&sarif(&scene, &["web.fw"]));
    assert_eq!(before.len(), 3);
    assert_eq!(before.iter().collect::<BTreeSet<_>>().len(), 3, "{before:?}");
    scene.write("web.fw", &format!("# new\n\nallow dns\n{}", POLICY.replace("\nlet", "\n\nlet")));
    assert_eq!(prints(&sarif(&scene, &["web.fw"])), before);
    scene.write("web.fw", &POLICY.replace("ssh", "dns"));
    let changed = prints(&sarif(&scene, &["web.fw"]));
    let same = before.iter().zip(&changed).filter(|(before, after)| before == after);
    assert_eq!(same.count(), 2, "the statement that changed has another");
}

#[test]
fn a_run_that_could_not_read_all_says_so() {
    let scene = Scene::new(&[("web.fw", "allow ssh\n"), ("part.fw", "allow tcp 70000\n")]);
    scene.write("a.fw", "include \"part.fw\"\n");
    scene.write("b.fw", "include \"part.fw\"\n");
    let success = |arguments: &[&str]| {
        sarif(&scene, arguments)["runs"][0]["invocations"][0]["executionSuccessful"].clone()
    };
    assert_eq!(success(&["web.fw"]), true);
    assert_eq!(success(&["part.fw"]), true);
    assert_eq!(success(&["web.fw", "none.fw"]), false);
    // What two policies say alike of a part is said once.
    assert_eq!(of_lint(&sarif(&scene, &["a.fw", "b.fw"]), "bad-port").len(), 1);
    let run = check(&scene, &["--format", "github", "a.fw", "b.fw"]);
    assert_eq!(run.out.lines().count(), 1, "{}", run.out);
}

#[test]
fn github_gets_an_annotation_each() {
    let scene = Scene::new(&[("site/web.fw", POLICY)]);
    let run = check(&scene, &["--format", "github", "site/web.fw"]);
    assert_eq!((run.status, run.err.as_str()), (1, ""));
    let lines: Vec<&str> = run.out.lines().collect();
    assert_eq!(lines.len(), 3, "{}", run.out);
    let bits =
        "::warning file=site/web.fw,line=2,col=16,endLine=2,title=host-bits::`10.0.0.5/8` has bits";
    assert!(lines[0].starts_with(bits), "{}", lines[0]);
    assert!(lines[0].contains("%0Ahelp: write `10.0.0.0/8`"), "{}", lines[0]);
    assert!(lines[2].starts_with("::error file=site/web.fw,line=6,"), "{}", lines[2]);
    scene.write("good.fw", "allow ssh\n");
    let run = check(&scene, &["--format", "github", "good.fw"]);
    assert_eq!((run.status, run.out.as_str(), run.err.as_str()), (0, "", ""));
}

#[test]
fn json_has_the_edit_that_mends_a_finding() {
    let scene = Scene::new(&[("web.fw", POLICY)]);
    let run = check(&scene, &["--format", "json", "web.fw"]);
    let document: Value = serde_json::from_str(&run.out).unwrap();
    let findings = document["findings"].as_array().unwrap();
    let bits = findings.iter().find(|finding| finding["code"] == "host-bits").unwrap();
    let edit = json!({
        "file": "web.fw", "line": 2, "column": 16, "end_line": 2, "end_column": 26,
        "replacement": "10.0.0.0/8",
    });
    assert_eq!(bits["fix"]["edits"], json!([edit]));
    assert_eq!(bits.get("witness"), None);
    let expired = findings.iter().find(|finding| finding["code"] == "expired-rule").unwrap();
    assert_eq!(expired.get("fix"), None);
}

#[test]
fn what_is_expected_is_counted_and_not_shown() {
    let scene = Scene::new(&[(
        "web.fw",
        "allow ssh from 10.0.0.5/8 expect host-bits \"as the ticket has it\"\n",
    )]);
    for format in ["sarif", "github"] {
        let run = check(&scene, &["--format", format, "--deny", "host-bits", "web.fw"]);
        assert_eq!((run.status, run.out.contains("host-bits")), (0, false), "{}", run.out);
    }
    let run = check(&scene, &["--format", "json", "web.fw"]);
    let document: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(document["findings"], json!([]));
    let summary = json!({ "errors": 0, "warnings": 0, "expected": 1, "rules": 1 });
    assert_eq!(document["summary"], summary);
    let run = check(&scene, &["web.fw"]);
    assert_eq!(run.err, "web.fw: no findings, 1 expected\n");
    for command in ["build", "show"] {
        let run =
            palisade([command, "web.fw", "--deny", "warnings", "--allow", "ipv6-not-written"]);
        let run = run.within(&scene).run();
        assert_eq!((run.status, run.err.as_str()), (0, ""), "{command}");
    }
}

#[test]
fn an_expectation_that_meets_nothing_is_a_finding_where_it_was_looked_for() {
    let rule = "allow ssh expect host-bits \"none left\"\n";
    let scene = Scene::new(&[("web.fw", rule), ("bad.fw", &format!("{rule}allow shh\n"))]);
    let codes = |arguments: &[&str]| -> Vec<String> {
        let run = check(&scene, &[&["--format", "json"], arguments].concat());
        let document: Value = serde_json::from_str(&run.out).unwrap();
        let findings = document["findings"].as_array().unwrap();
        findings.iter().map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(codes(&["web.fw"]), ["unfulfilled-expectation"]);
    assert_eq!(check(&scene, &["--deny", "warnings", "web.fw"]).status, 1);
    // Nobody looks for what is allowed, and with an error left not all was looked for.
    assert_eq!(codes(&["web.fw", "--allow", "host-bits"]), [""; 0]);
    assert_eq!(codes(&["bad.fw"]), ["unknown-name"]);
}

#[test]
fn expectations_beyond_as_many_as_are_told_are_met() {
    let rules = "allow ssh expect duplicate-rule \"again\"\n".repeat(1_200);
    let scene = Scene::new(&[("web.fw", &format!("allow ssh\n{rules}"))]);
    let run = check(&scene, &["web.fw"]);
    assert_eq!((run.status, run.err.as_str()), (0, "web.fw: no findings, 1200 expected\n"));
}

#[test]
fn many_expected_findings_take_no_room_from_others() {
    let rule =
        |n: usize| format!("allow tcp {} from 10.1.2.3/8 expect host-bits \"x\"\n", 1_000 + n);
    let policy: String = (0..1_500).map(rule).collect();
    let scene =
        Scene::new(&[("web.fw", &format!("allow ssh\n{policy}allow dns from 10.0.0.1/8\n"))]);
    let run = check(&scene, &["web.fw"]);
    assert!(run.err.contains("\nweb.fw: 1 warning, 1500 expected\n"), "{}", run.err);
}
