//! `palisade test` and `palisade query`: what a policy promises, and what it lets in.

use serde_json::Value;

use crate::run::{Run, Scene, palisade};

const EDGE: &str = "\
zone wan = eth0
zone lan = eth1 { 10.0.0.0/24 }
zone guest = eth2 { 10.0.9.0/24 }
let admins = 203.0.113.0/24, 2001:db8:a::/48
allow ssh from admins
allow dns limit 5/minute
allow any from lan to wan
allow http, https from guest to wan
forward https from wan to 10.0.0.2:8443@lan
";

const KEPT: &str = "\
assert allow ssh from admins
assert drop any from guest to lan
protect ssh from admins
test \"logins\" {
    tcp 203.0.113.5:40000 -> self:22 in eth0 => allow
    tcp 198.51.100.9:40000 -> self:22 in eth0 => drop
}
";

const BROKEN: &str = "\
assert drop ssh from wan
test \"shop\" {
    tcp 198.51.100.9:40000 -> self:443 in eth0 => allow
    tcp 198.51.100.9:40000 -> self:443 in eth0 => drop
}
";

fn test(text: &str, more: &[&str]) -> Run {
    palisade([&["test", "-"][..], more].concat()).stdin(text.as_bytes()).run()
}

fn query(question: &str, more: &[&str]) -> Run {
    palisade([&["query", "-", question][..], more].concat()).stdin(EDGE.as_bytes()).run()
}

#[test]
fn promises_that_are_kept_are_listed() {
    let run = test(&format!("{EDGE}{KEPT}"), &[]);
    assert_eq!((run.status, run.err.as_str()), (0, ""));
    assert_eq!(
        run.out,
        "<stdin>\n  \
           ok      assert allow ssh from admins\n  \
           ok      assert drop any from guest to lan\n  \
           ok      protect ssh from admins\n  \
           ok      test \"logins\" (2 packets)\n\
         4 promises are kept\n"
    );
    let none = test(EDGE, &[]);
    assert_eq!(
        (none.status, none.out.as_str()),
        (0, "no promises: write `assert`, `protect` or `test`\n")
    );
}

#[test]
fn promises_that_are_broken_fail_and_tell_why() {
    let run = test(&format!("{EDGE}{KEPT}{BROKEN}"), &[]);
    assert_eq!(run.status, 1);
    assert!(run.out.contains("  FAILED  assert drop ssh from wan\n"), "{}", run.out);
    assert!(run.out.ends_with("in eth0 => drop\n2 of 6 promises broken\n"), "{}", run.out);
    for said in ["error[assertion-failed]", "error[test-failed]", "nat sends it to 10.0.0.2:8443"] {
        assert!(run.err.contains(said), "{}", run.err);
    }
    let run = test(&format!("{EDGE}{BROKEN}"), &["--format", "json"]);
    let document: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!((&document["kept"], &document["broken"]), (&0.into(), &2.into()));
    let promises = &document["policies"][0]["promises"];
    assert_eq!(promises[0]["findings"][0]["code"], "assertion-failed");
    let packets: Vec<bool> =
        promises[1]["packets"].as_array().unwrap().iter().map(|one| one["ok"] == true).collect();
    assert_eq!(packets, [true, false]);
}

#[test]
fn nothing_is_written_while_a_promise_is_broken() {
    let scene = Scene::new(&[("edge.fw", &format!("{EDGE}{BROKEN}"))]);
    let run = palisade(["build", "edge.fw", "-o", "out/"]).within(&scene).run();
    assert_eq!((run.status, scene.files()), (1, vec!["edge.fw".to_owned()]));
    let allowed = ["check", "edge.fw", "--allow", "assertion-failed", "--warn", "test-failed"];
    assert_ne!(palisade(allowed).within(&scene).run().status, 0, "no option lowers a promise");
}

#[test]
fn a_question_is_answered_in_the_names_of_the_policy() {
    let run = query("allow any from any", &[]);
    assert_eq!((run.status, run.err.as_str()), (0, ""));
    let said = [
        "<stdin>:5  allow ssh from admins  [filter INPUT]\n  tcp 22 (ssh) from admins\n",
        "<stdin>:6  allow dns limit 5/minute  [filter INPUT], while a limit has room\n",
        "forward https from wan to 10.0.0.2:8443@lan  [filter FORWARD]\n  tcp 8443 from wan to ",
        "first sent to port 443",
    ];
    assert!(said.iter().all(|said| run.out.contains(said)), "{}", run.out);
    let run = query("allow any from guest to wan", &[]);
    assert!(
        run.out.contains("  tcp 80, 443 (http, https) from guest to wan (IPv4)\n"),
        "{}",
        run.out
    );
    let run = query("drop ssh", &[]);
    assert!(
        run.out.starts_with("by default  [filter INPUT]\n  tcp 22 (ssh) from any except admins\n")
    );
}

#[test]
fn nothing_is_an_answer_too() {
    let run = query("allow any from guest to lan", &[]);
    assert_eq!((run.status, run.out.as_str()), (1, "nothing of it is accepted\n"));
    let run = query("drop any from lan to wan", &[]);
    assert_eq!((run.status, run.out.as_str()), (1, "nothing of it is dropped\n"));
    let run = query("allow shh", &[]);
    assert_eq!(run.status, 2);
    assert!(run.err.contains("did you mean `ssh`?"), "{}", run.err);
    for wrong in ["", "ssh", "reject ssh", "allow ssh; allow http", "allow ssh limit 5/minute"] {
        let run = query(wrong, &[]);
        assert_eq!((run.status, run.out.as_str()), (2, ""), "{wrong}: {}", run.err);
    }
}

#[test]
fn programs_read_an_answer() {
    let run = query("allow https from any", &["--format", "json"]);
    let document: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!((&document["accepted"], &document["complete"]), (&true.into(), &true.into()));
    let part = &document["parts"][0];
    assert_eq!((&part["rule"]["line"], &part["chain"]), (&9.into(), &"FORWARD".into()));
    let one = &part["boxes"][0];
    assert_eq!((&one["from"], &one["example"]["original_dport"]), (&"wan".into(), &443.into()));
}

#[test]
fn a_policy_at_fault_is_not_one_without_promises() {
    let scene = Scene::new(&[
        ("bad.fw", "allow tcp 70000\nassert allow ssh\n"),
        ("good.fw", "allow ssh\nassert allow ssh\n"),
    ]);
    let test =
        |arguments: &[&str]| palisade([&["test"][..], arguments].concat()).within(&scene).run();
    let run = test(&["bad.fw"]);
    assert_eq!(run.status, 1, "{}", run.err);
    assert!(run.err.contains("error[bad-port]") && run.err.ends_with("bad.fw: 1 error\n"));
    assert_eq!(
        run.out,
        "no promise is kept or broken; of 1 policy nothing is judged, for the errors above\n"
    );
    let run = test(&["bad.fw", "good.fw"]);
    assert_eq!(run.status, 1, "{}", run.err);
    assert!(
        run.out
            .ends_with("1 promise is kept; of 1 policy nothing is judged, for the errors above\n")
    );

    let run = test(&["bad.fw", "good.fw", "--format", "json"]);
    assert_eq!((run.status, run.err.as_str()), (1, ""));
    let document: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!((&document["kept"], &document["at_fault"]), (&1.into(), &1.into()));
    let policies = &document["policies"];
    assert_eq!(policies[0]["findings"][0]["code"], "bad-port");
    assert_eq!(policies[0]["promises"], Value::Array(Vec::new()));
    assert_eq!(
        (&policies[1]["findings"], &policies[1]["promises"][0]["ok"]),
        (&Value::Null, &true.into())
    );
}

/// Who reads JSON gets JSON, whatever is at fault.
#[test]
fn what_is_at_fault_is_told_as_a_document() {
    let broken = "*filter\n:INPUT DROP [0:0]\n-A INPUT --nonsense\nCOMMIT\n";
    let scene = Scene::new(&[("bad.fw", "allow tcp 70000\n"), ("good.fw", ""), ("bad.v4", broken)]);
    for (command, status, code) in [
        (&["show", "bad.fw"][..], 1, "bad-port"),
        (&["query", "bad.fw", "allow ssh"], 1, "bad-port"),
        (&["trace", "bad.fw", "tcp 192.0.2.5:40000 -> self:22"], 1, "bad-port"),
        (&["diff", "good.fw", "bad.fw"], 2, "bad-port"),
        (&["query", "bad.v4", "allow tcp 22"], 2, "bad-dump"),
        (&["diff", "good.fw", "bad.v4"], 2, "bad-dump"),
    ] {
        let run = palisade([command, &["--format", "json"]].concat()).within(&scene).run();
        assert_eq!((run.status, run.err.as_str()), (status, ""), "{command:?}");
        let document: Value = serde_json::from_str(&run.out).unwrap();
        let codes: Vec<&Value> =
            document["findings"].as_array().unwrap().iter().map(|one| &one["code"]).collect();
        assert!(codes.contains(&&code.into()), "{command:?}: {codes:?}");
    }
}

/// The router takes a hop off between PREROUTING and FORWARD, whoever asks before it.
#[test]
fn hops_that_are_asked_for_before_the_route_are_not_those_of_the_filter() {
    let dump = |rule: &str| {
        format!(
            "*mangle\n:PREROUTING ACCEPT [0:0]\n:hops - [0:0]\n{rule}\n-A hops -m ttl --ttl-eq 9 -j DROP\nCOMMIT\n\
             *filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n\
             -A FORWARD -i eth0 -o eth1 -m ttl --ttl-eq 9 -j ACCEPT\nCOMMIT\n"
        )
    };
    let policy = "zone wan = eth0\nzone lan = eth1\nassert drop any from wan to lan ipv4\n";
    let scene = Scene::new(&[
        ("p.fw", policy),
        ("called.v4", &dump("-A PREROUTING -j hops")),
        ("own.v4", &dump("-A PREROUTING -m ttl --ttl-eq 9 -j DROP")),
    ]);
    for file in ["called.v4", "own.v4"] {
        let run = palisade(["test", "p.fw", "--on", file]).within(&scene).run();
        assert_eq!(run.status, 1, "{file}: {}{}", run.out, run.err);
        let said = "it is not found out whether this promise is kept";
        assert!(run.err.contains(said), "{file}: {}{}", run.out, run.err);
    }
}
