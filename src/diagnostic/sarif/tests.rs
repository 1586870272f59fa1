//! What a SARIF document says, piece by piece; that it fits the published schema is tested with the
//! program.

use super::*;
use crate::diagnostic::report::Names;
use crate::diagnostic::witness::{Payload, Witness};
use crate::diagnostic::{Level, catalogue};
use crate::source::{File, Sources};

fn document(reports: &[Report<'_>]) -> Value {
    serde_json::from_str(&render(reports, "1.2.3", true)).unwrap()
}

#[test]
fn a_result_says_all_that_the_finding_does() {
    let mut sources = Sources::new();
    let file = sources.add("web.fw", "allow ñ tcp 70000\nallow x\n");
    let library =
        sources.add_file(File::built_in("stdlib/services/x.fw", "service x = tcp 1\n").into());
    let marked = Span::new(file, 13..18);
    let payload = Payload::Ports { source: 4, destination: 5 };
    let packet =
        Witness::new("INPUT", [192, 0, 2, 1].into(), [192, 0, 2, 2].into(), "tcp", payload);
    let mut raised = Finding::new(&catalogue::UNUSED_DEFINITION, Span::new(file, 19..24), "m");
    raised.level = Level::Error;
    let findings = [
        raised,
        Finding::new(&catalogue::BAD_PORT, marked, "no {0} in [a](b) or { x }")
            .label("here")
            .related(Span::new(library, 8..9), "why")
            .witness(packet)
            .note("a fact")
            .help("an act")
            .fix("take the last", marked, "65535"),
        Finding::without_place(&catalogue::IPV6_NOT_WRITTEN, "nowhere"),
    ];
    let names = Names::within("./d");
    let report = Report {
        root: "./d/web.fw",
        sources: &sources,
        names: &names,
        findings: &findings,
        expected: 0,
    };
    // The same once more, as of a file that two policies include.
    let document = document(&[report, report]);
    let run = &document["runs"][0];
    assert_eq!(run["columnKind"], "unicodeCodePoints");
    let ids: Vec<&Value> =
        run["tool"]["driver"]["rules"].as_array().unwrap().iter().map(|rule| &rule["id"]).collect();
    assert_eq!(ids, ["bad-port", "ipv6-not-written", "unused-definition"]);
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 3);

    let port = &results[0];
    assert_eq!((&port["ruleId"], &port["ruleIndex"]), (&"bad-port".into(), &0.into()));
    let text = port["message"]["text"].as_str().unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("no {\u{2060}0} in [a]\u{2060}(b) or { x }"));
    assert_eq!(lines.next(), Some("packet: tcp 192.0.2.1:4 → 192.0.2.2:5"));
    assert_eq!(lines.next(), Some("note: a fact"));
    let place = &port["locations"][0];
    assert_eq!(place["message"]["text"], "here");
    let region = json!({ "startLine": 1, "startColumn": 13, "endLine": 1, "endColumn": 18 });
    assert_eq!(place["physicalLocation"]["region"], region);
    assert_eq!(place["physicalLocation"]["artifactLocation"]["uri"], "d/web.fw");
    let related = &port["relatedLocations"][0];
    assert_eq!(
        related["physicalLocation"]["artifactLocation"]["uri"],
        "palisade:stdlib/services/x.fw"
    );
    let change = &port["fixes"][0]["artifactChanges"][0];
    assert_eq!(change["replacements"][0]["deletedRegion"], region);
    assert_eq!(change["replacements"][0]["insertedContent"]["text"], "65535");
    assert_eq!(port["properties"]["witness"]["dport"], 5);

    assert_eq!((&results[1]["level"], &results[1]["ruleIndex"]), (&"error".into(), &2.into()));
    let nowhere = &results[2]["locations"][0]["physicalLocation"];
    assert_eq!(nowhere["artifactLocation"]["uri"], "d/web.fw");
    assert_eq!(nowhere.get("region"), None);
}

#[test]
fn a_run_without_findings_is_a_document_too() {
    let document = document(&[]);
    assert_eq!(document["runs"][0]["results"], json!([]));
    assert_eq!(document["runs"][0]["tool"]["driver"]["version"], "1.2.3");
}
