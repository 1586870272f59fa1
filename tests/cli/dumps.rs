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
    let run = palisade(["test", "rules.v4"]).within(&scene).run();
    assert!(run.status == 2 && run.err.contains("`test` takes a policy"), "{}", run.err);
    assert!(run.err.contains("`palisade test POLICY --on DUMP`"), "{}", run.err);
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

/// The texts of the blocks of a kind in the page about dumps.
fn shown(kind: &str) -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/dumps.md");
    let text = std::fs::read_to_string(path).unwrap();
    let fence = format!("```{kind}\n");
    let rest = text.split(&fence).skip(1);
    rest.map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// The machine of the documentation.
fn router() -> Scene {
    let [rules, sets, policy] = ["router", "ipset", "promises"].map(|kind| shown(kind).remove(0));
    Scene::new(&[("router.v4", &rules), ("router.ipset", &sets), ("promises.fw", &policy)])
}

#[test]
fn the_documentation_shows_what_is_found() {
    let scene = Scene::new(&[("rules.v4", &shown("dump")[0])]);
    let run = palisade(["check", "rules.v4"]).within(&scene).run();
    assert!(run.err.contains(&shown("text")[0]), "{}", run.err);
    let scene = router();
    let asked = shown("console");
    assert_eq!(asked.len(), 4);
    for block in asked {
        let (command, said) = block.split_once('\n').unwrap();
        let quoted = command.split('\'').enumerate();
        let words: Vec<&str> = quoted
            .flat_map(|(at, text)| match at % 2 {
                0 => text.split_whitespace().collect(),
                _ => vec![text],
            })
            .skip_while(|word| *word != "palisade")
            .skip(1)
            .collect();
        let run = palisade(&words).within(&scene).run();
        let is_shown = said == run.out || said == format!("{}{}", run.out, run.err);
        assert!(is_shown, "{command}\n{}{}", run.out, run.err);
    }
}

const V6: &str = "*filter\n:INPUT DROP [0:0]\n-A INPUT -s 2001:db8::/32 -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n";

#[test]
fn a_packet_is_followed_through_the_rules_of_its_family() {
    let scene = router();
    scene.write("router.v6", V6);
    let trace = |words: &[&str]| palisade([&["trace"][..], words].concat()).within(&scene).run();
    let v6 = "tcp [2001:db8::1]:40000 -> self:22 in eth0";
    let run = trace(&["router.v4", "router.v6", "router.ipset", v6]);
    assert_eq!((run.status, run.err.as_str()), (0, ""));
    assert!(run.out.contains("router.v6:3  -A INPUT -s 2001:db8::/32"), "{}", run.out);
    let run = trace(&["router.v4", v6]);
    assert_eq!((run.status, run.out.as_str()), (2, ""));
    assert!(run.err.contains("of IPv6, and there is no dump of its rules"), "{}", run.err);
    assert!(run.err.contains("give what ip6tables-save prints too"), "{}", run.err);
    let run = trace(&["router.v4", "router.v4", v6]);
    assert!(run.status == 2 && run.err.contains("second dump of IPv4"), "{}", run.err);
    // Standard input, and a folder as a build writes it.
    let v4 = "tcp 192.0.2.9:40000 -> self:22 in eth0";
    let run = palisade(["trace", "-", v4]).stdin(scene.read("router.v4").as_bytes()).run();
    assert!(run.out.contains("<stdin>:14  -A INPUT -p tcp"), "{}{}", run.out, run.err);
    let here = Scene::new(&[
        ("etc/rules.v4", &scene.read("router.v4")),
        ("etc/ipsets", &scene.read("router.ipset")),
        ("none/x", ""),
    ]);
    let run = palisade(["trace", "etc", "tcp 198.51.100.9:40000 -> self:22 in eth0"]);
    let run = run.within(&here).run();
    let said = "etc/rules.v4:17  in chain guard: -A guard -m set --match-set blocked src -j DROP";
    assert!(run.out.contains(said) && run.out.ends_with("\ndropped\n"), "{}", run.out);
    let run = palisade(["trace", "none", v4]).within(&here).run();
    assert!(run.status == 2 && run.err.contains("neither rules.v4 nor rules.v6"), "{}", run.err);
    let run = palisade(["trace", "-", "-", v4]).run();
    assert!(run.status == 2 && run.err.contains("standard input is given twice"), "{}", run.err);
}

#[test]
fn of_what_no_dump_says_nothing_is_guessed() {
    let scene = router();
    let trace = |packet: &str, more: &[&str]| {
        let words = [&["trace", "router.v4", packet][..], more].concat();
        palisade(words).within(&scene).run()
    };
    let refused = |packet: &str| {
        let run = trace(packet, &[]);
        assert_eq!((run.status, run.out.as_str()), (2, ""), "{packet}");
        run.err
    };
    let said = refused("tcp 198.51.100.9:40000 -> self:443 in eth0");
    assert!(said.contains("by which interface 10.0.0.2 is reached"), "{said}");
    let said = refused("tcp 198.51.100.9:40000 -> 192.0.2.1:443 in eth0 out eth1");
    assert!(said.contains("`192.0.2.1@INTERFACE` for a host behind one"), "{said}");
    let run = trace("tcp 198.51.100.9:40000 -> 192.0.2.1:443@eth1 in eth0", &[]);
    assert!(run.out.contains("router.v4:9  :FORWARD DROP [0:0]\n    drops"), "{}", run.out);
    let said = refused("tcp 198.51.100.9:40000 -> self:22 in eht0");
    assert!(said.contains("looks like a slip for `eth0`"), "{said}");
    let blocked = "tcp 198.51.100.9:40000 -> self:22 in eth0";
    let run = trace(blocked, &[]);
    assert!(run.out.contains("`source in blocked` is taken not to hold"), "{}", run.out);
    let run = trace(blocked, &["--holds", "source in blocked"]);
    assert!(run.out.ends_with("\ndropped\n"), "{}", run.out);
    let run = trace(blocked, &["--format", "json"]);
    let document: Value = serde_json::from_str(&run.out).unwrap();
    let input = &document["stages"].as_array().unwrap().last().unwrap()["rules"];
    assert_eq!((&input[0]["place"]["line"], &input[0]["does"]), (&13.into(), &"sends on".into()));
    // Docker's chain is met although nothing leads there, and that is said.
    let docker = "*filter\n:FORWARD ACCEPT [0:0]\n:DOCKER-USER - [0:0]\n-A DOCKER-USER -i eth0 -j DROP\nCOMMIT\n";
    let through = "tcp 192.0.2.1:1024 -> 192.0.2.2:80 in eth0 out docker0";
    let run = palisade(["trace", "-", through]).stdin(docker.as_bytes()).run();
    assert!(run.out.contains("no rule here leads to DOCKER-USER"), "{}{}", run.out, run.err);
}

#[test]
fn a_dump_at_fault_is_told_instead() {
    let scene = router();
    scene.write("bad.v4", "*filter\n:INPUT DROP [0:0]\n-A INPUT -j nowhere\nCOMMIT\n");
    let packet = "tcp 192.0.2.9:40000 -> self:22 in eth0";
    for words in [
        &["trace", "bad.v4", packet][..],
        &["query", "bad.v4", "allow ssh"],
        &["test", "promises.fw", "--on", "bad.v4"],
    ] {
        let run = palisade(words).within(&scene).run();
        assert_eq!(run.status, 2, "{}", run.out);
        assert!(run.err.contains("bad.v4:3:"), "{}", run.err);
    }
    let run = palisade(["trace", "promises.fw", "router.v4", packet]).within(&scene).run();
    assert!(run.status == 2 && run.err.contains("promises.fw is no dump of rules"), "{}", run.err);
    let run = palisade(["trace", "router.ipset", packet]).within(&scene).run();
    assert!(run.status == 2 && run.err.contains("there is no dump of rules"), "{}", run.err);
    let run = palisade(["query", "router.v4", "allow frob"]).within(&scene).run();
    assert!(
        run.status == 2 && run.err.contains("the question: there is no service `frob`"),
        "{}",
        run.err
    );
}

#[test]
fn a_mistake_in_a_question_is_told_in_its_words() {
    let scene = Scene::new(&[("web.fw", "allow ssh\n")]);
    for (words, told) in [
        (["query", "web.fw", "ssh"], "write `allow ssh`"),
        (["query", "web.fw", "assert allow ssh"], "write `allow ssh`"),
        (
            ["trace", "web.fw", "1.2.3.4 -> self:22"],
            "as in `tcp 10.0.0.5:40000 -> self:22 in eth0`",
        ),
        (["trace", "web.fw", "tcp 1.2.3.4:5 -> self:22 => allow"], "leave it out"),
    ] {
        let run = palisade(words).within(&scene).run();
        assert!(run.status == 2 && run.err.contains(told), "{}", run.err);
    }
}

#[test]
fn a_question_is_answered_by_both_families() {
    let scene = router();
    scene.write("router.v6", V6);
    let ask = |question: &str, more: &[&str]| {
        let words = [&["query", "router.v4", "router.v6", question][..], more].concat();
        palisade(words).within(&scene).run()
    };
    let run = ask("allow ssh from any", &[]);
    assert_eq!((run.status, run.err.as_str()), (0, ""));
    let said = ["router.v4:14  -A INPUT", "router.v6:3  -A INPUT", "from 2001:db8::/32 (IPv6)"];
    assert!(said.iter().all(|said| run.out.contains(said)), "{}", run.out);
    let run = ask("allow ssh from any", &["--format", "json"]);
    let document: Value = serde_json::from_str(&run.out).unwrap();
    let parts = document["parts"].as_array().unwrap();
    let files = parts.iter().map(|part| part["rule"]["file"].as_str().unwrap());
    assert_eq!(files.collect::<Vec<_>>(), ["router.v4", "router.v6"]);
    let run = ask("allow smtp", &[]);
    assert_eq!((run.status, run.out.as_str()), (1, "nothing of it is accepted\n"));
    let run = ask("drop tcp 22 from any in eth1", &[]);
    assert!(run.out.contains("router.v6:2  :INPUT DROP [0:0]"), "{}", run.out);
}

#[test]
fn promises_are_held_to_what_runs() {
    let scene = router();
    let on = |policy: &str, dumps: &[&str]| {
        scene.write("site/p.fw", policy);
        let words = [&["test", "site/p.fw", "--format", "json", "--on"][..], dumps].concat();
        let run = palisade(words).within(&scene).run();
        (run.status, serde_json::from_str::<Value>(&run.out).unwrap())
    };
    let counts = |document: &Value| {
        ["kept", "broken", "unjudged"].map(|key| document[key].as_u64().unwrap())
    };
    let policy = scene.read("promises.fw");
    // What is in the set is not known: then a source may be in it.
    let (status, document) = on(&policy, &["router.v4"]);
    assert_eq!((status, counts(&document)), (1, [2, 1, 0]));
    let finding = &document["policies"][0]["promises"][2]["findings"][0];
    assert_eq!(finding["code"], "lockout");
    assert_eq!(finding["packet"]["holds"], serde_json::json!(["source in blocked"]));
    // The policy keeps it, its rules keep it, and others do not.
    let policy = "zone wan = eth0\nallow ssh from wan\nassert allow ssh from wan\n\
                  test \"t\" {\n    tcp [2001:db8::1]:1 -> self:22 in eth0 => allow\n    \
                  tcp 192.0.2.1:1 -> self:22 in eth0 => allow\n}\n\
                  assert allow ssh from wan ipv6\n";
    scene.write("site/p.fw", policy);
    let build = palisade(["build", "site/p.fw", "-o", "out/"]).within(&scene).run();
    assert_eq!(build.status, 0, "{}", build.err);
    let (status, document) = on(policy, &["out"]);
    assert_eq!((status, counts(&document)), (0, [3, 0, 0]), "{document}");
    let (status, document) = on(policy, &["out/rules.v4"]);
    assert_eq!((status, counts(&document)), (0, [2, 0, 1]), "{document}");
    let promises = &document["policies"][0]["promises"];
    assert_eq!((&promises[1]["ok"], &promises[2]["ok"]), (&true.into(), &Value::Null));
    let packets = &promises[1]["packets"];
    assert_eq!((&packets[0]["ok"], &packets[1]["ok"]), (&Value::Null, &true.into()));
    let closed = scene.read("out/rules.v6").replace("--dport 22", "--dport 23");
    scene.write("out/rules.v6", &closed);
    let (status, document) = on(policy, &["out"]);
    assert_eq!((status, counts(&document)), (1, [0, 3, 0]), "{document}");
    let run = palisade(["test", "site/p.fw", "--on", "out"]).within(&scene).run();
    assert!(
        run.err.contains("at out/rules.v6:") || run.err.contains("out/rules.v6"),
        "{}",
        run.err
    );
    let run = palisade(["test", "site/p.fw", "promises.fw", "--on", "out"]).within(&scene).run();
    assert!(run.status == 2 && run.err.contains("one policy at a time"), "{}", run.err);
    let run = palisade(["test", "-", "--on", "-"]).within(&scene).run();
    assert!(run.status == 2 && run.err.contains("standard input is given twice"), "{}", run.err);
}

/// Of what is in sets, where it is told.
#[test]
fn what_is_in_sets_is_found_too() {
    let rules = "*filter\n:INPUT DROP [0:0]\n\
        -A INPUT -m set --match-set bad src -j DROP\n\
        -A INPUT -s 192.0.2.7/32 -p tcp -m tcp --dport 22 -j ACCEPT\n\
        -A INPUT -m set --match-set ports src -j DROP\nCOMMIT\n";
    let sets = "create bad hash:net family inet\nadd bad 192.0.2.0/24\n\
        create ports list:set size 8\nadd ports bad\n";
    let scene =
        Scene::new(&[("a/rules.v4", rules), ("b/sets", sets), ("site/web.fw", "allow ssh\n")]);
    let check = |words: &[&str]| palisade([&["check"][..], words].concat()).within(&scene).run();
    let run = check(&["a/rules.v4"]);
    assert!(!run.err.contains("shadowed"), "{}", run.err);
    for words in [["a/rules.v4", "b/sets"], ["b/sets", "a/rules.v4"]] {
        let run = check(&words);
        assert_eq!(run.status, 1, "{}", run.err);
        assert!(run.err.contains("error[shadowed-conflict]"), "{}", run.err);
        let said = "note[unmodelled-set]: what is in a set of `list:set` is not known here";
        assert!(run.err.contains(said) && run.err.contains("b/sets:3:1"), "{}", run.err);
    }
    let run = check(&["a/rules.v4", "b/sets", "--format", "json"]);
    let document: Value = serde_json::from_str(&run.out).unwrap();
    let findings = document["findings"].as_array().unwrap();
    let set = findings.iter().find(|one| one["code"] == "unmodelled-set").unwrap();
    assert!(set["file"].as_str().unwrap().ends_with("b/sets"), "{set}");
    let run = palisade(["check", "a/rules.v4", "-"]).within(&scene).stdin(sets.as_bytes()).run();
    assert!(run.err.contains("error[shadowed-conflict]"), "{}", run.err);
    // Without rules that name them sets are nothing; two dumps of one are of two machines.
    let run = check(&["site/web.fw", "b/sets"]);
    assert!(run.status == 2 && run.err.contains("a dump of sets, without a rule"), "{}", run.err);
    scene.write("c/sets", sets);
    let run = check(&["a/rules.v4", "b/sets", "c/sets"]);
    assert!(run.status == 2 && run.err.contains("one machine at a time"), "{}", run.err);
    scene.write("b/sets", "create bad hash:net family inet\nadd bad 192.0.2.256\n");
    let run = check(&["a/rules.v4", "b/sets"]);
    assert!(run.status == 1 && run.err.contains("error[bad-dump]"), "{}", run.err);
    assert!(!run.err.contains("shadowed"), "{}", run.err);
}
