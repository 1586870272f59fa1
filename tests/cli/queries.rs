//! What `query` says of dumps whose chains change packets or send them on.

use crate::run::{Scene, palisade};

/// What comes to a rule behind one that marks is not known as it comes to the chain.
#[test]
fn rules_that_ask_for_marks_of_others_leave_the_answer_open() {
    let rules =
        "-A INPUT -p tcp --dport 20 -j MARK --set-mark 1\n-A INPUT -m mark --mark 1 -j ACCEPT\n";
    let text = format!(
        "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n{rules}COMMIT\n"
    );
    let scene = Scene::new(&[("now.v4", text.as_str())]);
    let run = palisade(["query", "now.v4", "allow tcp 20 from any"]).within(&scene).run();
    assert_eq!((run.status, run.out.as_str()), (2, "nothing of it is found to be accepted\n"));
    assert!(run.err.contains("the answer is not whole"), "{}", run.err);
}

/// What hands packets to a program may let them through or not, in the filter and before it.
#[test]
fn rules_that_may_do_either_leave_the_answer_open() {
    let policies = ":INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n";
    for (table, chain) in [("filter", "INPUT"), ("mangle", "INPUT"), ("raw", "PREROUTING")] {
        let policies = match table {
            "raw" => ":PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n",
            _ => policies,
        };
        let rule = format!("-A {chain} -s 10.0.0.1/32 -j NFQUEUE --queue-num 1\n");
        let text = format!("*{table}\n{policies}{rule}COMMIT\n");
        let scene = Scene::new(&[("now.v4", text.as_str())]);
        for question in ["allow tcp 22 from any to self", "drop tcp 22 from any to self"] {
            let run = palisade(["query", "now.v4", question]).within(&scene).run();
            assert_eq!(run.status, 2, "{question}: {}", run.out);
            assert!(run.err.contains("the answer is open"), "{}", run.err);
            let part = format!("[{table} {chain}], which may do either\n  tcp 22 from 10.0.0.1 ");
            assert!(run.out.contains(&part), "{question}: {}", run.out);
            assert_eq!(run.out.contains("from any except 10.0.0.1"), question.starts_with("allow"));
            let json = palisade(["query", "now.v4", question, "--format", "json"]);
            let json = json.within(&scene).run();
            assert!(json.out.contains("\"complete\": false"), "{}", json.out);
        }
        // Nothing of this comes to the rule.
        let run = palisade(["query", "now.v4", "allow tcp 22 from self"]).within(&scene).run();
        assert_eq!(run.status, 0, "{}", run.err);
    }
}

/// Thousands of rules mark packets, each those of one source.
#[test]
fn marks_part_packets_where_rules_ask_for_them() {
    let policies = ":PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n\
                    :OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n";
    let marks: Vec<String> = (1..=3_000)
        .map(|n| {
            format!("-A PREROUTING -s 10.0.{}.{}/32 -j MARK --set-mark {n}\n", n / 256, n % 256)
        })
        .collect();
    let marks = marks.concat();
    let mangle = format!("*mangle\n{policies}{marks}COMMIT\n");
    let filter = |rules: &str| {
        let policies = ":INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n";
        let text = format!("{mangle}*filter\n{policies}{rules}COMMIT\n");
        let scene = Scene::new(&[("now.v4", text.as_str())]);
        let run = palisade(["query", "now.v4", "allow tcp 22 from any"]).within(&scene).run();
        assert_eq!(run.status, 0, "{}", run.err);
        run.out
    };
    let asked =
        filter("-A INPUT -m mark --mark 5 -j ACCEPT\n-A INPUT -m mark --mark 2600 -j ACCEPT\n");
    assert!(asked.contains("\n  tcp 22 from 10.0.0.5 (IPv4)\n"), "{asked}");
    assert!(asked.contains("\n  tcp 22 from 10.0.10.40 (IPv4)\n"), "{asked}");
    assert_eq!(asked.matches("tcp 22 ").count(), 2, "{asked}");
    // Where none does, they are all one.
    let unasked = filter("-A INPUT -p tcp --dport 22 -j ACCEPT\n");
    assert!(unasked.contains("\n  tcp 22 (IPv4)\n"), "{unasked}");
    assert_eq!(unasked.matches("tcp 22 ").count(), 1, "{unasked}");
}

/// Docker's chain translates, and the filter lets through what it does.
#[test]
fn jumps_of_nat_are_followed() {
    let nat = "*nat\n:PREROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\n-A PREROUTING -j DOCKER\n\
               -A DOCKER -p tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80\nCOMMIT\n";
    let filter = "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n\
                  -A FORWARD -d 172.17.0.2/32 -p tcp --dport 80 -j ACCEPT\nCOMMIT\n";
    let scene = Scene::new(&[("now.v4", format!("{nat}{filter}").as_str())]);
    let run = palisade(["query", "now.v4", "allow tcp 8080 from any to any"]).within(&scene).run();
    assert_eq!(run.status, 0, "{}", run.err);
    assert!(run.out.contains("translated by now.v4:5"), "{}", run.out);
}

#[test]
fn what_is_stopped_behind_the_filter_is_told() {
    let text = "allow tcp 80-81 from any in eth1 to any out eth0\n\
                raw v4 mangle POSTROUTING \"-p tcp -m tcp --dport 80 -j DROP\"\n";
    let scene = Scene::new(&[("post.fw", text)]);
    let ask = |question| {
        let run = palisade(["query", "post.fw", question]).within(&scene).run();
        assert_eq!(run.status, 0, "{}", run.err);
        run.out
    };
    let accepted = ask("allow tcp 79-82 from any in eth1 to any out eth0 ipv4");
    assert!(accepted.contains("\n  tcp 81 "), "{accepted}");
    assert_eq!(accepted.matches("\n  tcp ").count(), 1, "{accepted}");
    let refused = ask("drop tcp 79-81 from any in eth1 to any out eth0 ipv4");
    assert!(refused.contains("[mangle POSTROUTING]\n  tcp 80 "), "{refused}");
    assert!(refused.contains("\n  tcp 79 "), "{refused}");
    assert_eq!(refused.matches("\n  tcp ").count(), 2, "{refused}");
}

/// What a question about port 80 is answered of rules in a chain of the filter, whose policy is to drop.
fn answers(rules: &str, question: &str) -> String {
    let chains = ":INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n:X - [0:0]\n";
    let text = format!("*filter\n{chains}{rules}COMMIT\n");
    let scene = Scene::new(&[("now.v4", text.as_str())]);
    let run = palisade(["query", "now.v4", question]).within(&scene).run();
    assert_eq!(run.status, 0, "{}", run.err);
    run.out
}

#[test]
fn a_limit_has_room_for_its_own_rule_and_none_for_those_behind() {
    let text = "drop http limit 10/second\nallow http\n";
    let scene = Scene::new(&[("web.fw", text)]);
    for (question, by, limits) in [
        (
            "allow http",
            "web.fw:2  allow http  [filter INPUT], when a limit has no room\n",
            "exhausted",
        ),
        (
            "drop http",
            "web.fw:1  drop http limit 10/second  [filter INPUT], while a limit has room\n",
            "room",
        ),
    ] {
        let run = palisade(["query", "web.fw", question]).within(&scene).run();
        assert!(run.out.starts_with(by), "{}", run.out);
        let json = palisade(["query", "web.fw", question, "--format", "json"]).within(&scene).run();
        let document: serde_json::Value = serde_json::from_str(&json.out).unwrap();
        assert_eq!(document["parts"][0]["limits"], limits);
    }
    let both = "drop http limit 10/second\nallow http limit 5/second\n";
    let scene = Scene::new(&[("web.fw", both)]);
    let run = palisade(["query", "web.fw", "allow http"]).within(&scene).run();
    assert!(
        run.out.contains("limit 5/second  [filter INPUT], depending on what came"),
        "{}",
        run.out
    );
    let run = palisade(["query", "web.fw", "drop http"]).within(&scene).run();
    assert!(
        run.out.contains("by default  [filter INPUT], when a limit has no room\n"),
        "{}",
        run.out
    );
}

#[test]
fn what_is_over_a_limit_is_what_it_has_no_room_for() {
    let above = "-m hashlimit --hashlimit-above 5/min --hashlimit-name x --hashlimit-mode srcip";
    let rules = format!(
        "-A INPUT -p tcp -m tcp --dport 80 {above} -j DROP\n\
         -A INPUT -p tcp -m tcp --dport 80 -j ACCEPT\n"
    );
    let told = answers(&rules, "allow tcp 80");
    assert!(told.contains("-j ACCEPT  [filter INPUT], while a limit has room\n"), "{told}");
    let told = answers(&rules, "drop tcp 80");
    assert!(told.contains("-j DROP  [filter INPUT], when a limit has no room\n"), "{told}");
}

/// As chains against floods are written: what has room goes back, the rest is dropped.
#[test]
fn what_returns_within_a_limit_is_told_apart() {
    let rules = "-A INPUT -j X\n-A INPUT -p tcp -m tcp --dport 80:81 -j ACCEPT\n\
                 -A X -p tcp -m tcp --dport 81 -j RETURN\n\
                 -A X -p tcp -m limit --limit 10/sec -j RETURN\n-A X -j DROP\n";
    let told = answers(rules, "allow tcp 80-81");
    assert!(told.contains("-j ACCEPT  [filter INPUT]\n  tcp 81 "), "{told}");
    assert!(
        told.contains("-j ACCEPT  [filter INPUT], while a limit has room\n  tcp 80 "),
        "{told}"
    );
    let told = answers(rules, "drop tcp 80");
    assert!(told.contains("-j DROP  [filter INPUT], when a limit has no room\n"), "{told}");
}

#[test]
fn limits_before_the_filter_count_too() {
    let text = "allow tcp 80-81\n\
                raw v4 mangle PREROUTING \"-p tcp -m tcp --dport 80 -m limit --limit 1/sec -j DROP\"\n";
    let scene = Scene::new(&[("web.fw", text)]);
    let ask = |question| palisade(["query", "web.fw", question]).within(&scene).run().out;
    let accepted = ask("allow tcp 80-81 ipv4");
    assert!(accepted.contains("[filter INPUT]\n  tcp 81 "), "{accepted}");
    assert!(accepted.contains("[filter INPUT], when a limit has no room\n  tcp 80 "), "{accepted}");
    let dropped = ask("drop tcp 80 ipv4");
    assert!(
        dropped.contains("[mangle PREROUTING], while a limit has room\n  tcp 80 "),
        "{dropped}"
    );
}

#[test]
fn places_lead_from_the_working_directory() {
    let scene = Scene::new(&[("site/web.fw", "allow http\nassert allow http\n")]);
    let run = |arguments: &[&str]| palisade(arguments.iter().copied()).within(&scene).run().out;
    let packet = "tcp 192.0.2.5:40000 -> self:80 in eth0";
    assert!(run(&["query", "site/web.fw", "allow http"]).starts_with("site/web.fw:1  allow http"));
    assert!(run(&["trace", "site/web.fw", packet]).contains("\n  site/web.fw:1  allow http\n"));
    let part = |text: &str, of: &dyn Fn(&serde_json::Value) -> serde_json::Value| {
        of(&serde_json::from_str(text).expect("a document"))
    };
    let place = serde_json::json!({
        "file": "site/web.fw", "line": 1, "column": 1, "text": "allow http"
    });
    let told = run(&["query", "site/web.fw", "allow http", "--format", "json"]);
    assert_eq!(part(&told, &|all| all["parts"][0]["rule"].clone()), place);
    let told = run(&["test", "site/web.fw", "--format", "json"]);
    let file = part(&told, &|all| all["policies"][0]["promises"][0]["place"]["file"].clone());
    assert_eq!(file, "site/web.fw");
    let told = run(&["trace", "site/web.fw", packet, "--format", "json"]);
    assert!(told.contains("\"file\": \"site/web.fw\"") && !told.contains("\"web.fw\""), "{told}");
    scene.write("new.fw", "allow https\n");
    let told = run(&["diff", "site/web.fw", "new.fw"]);
    assert!(told.contains(": site/web.fw:1  allow http\n"), "{told}");
}

/// Who leaves a chain by a rule without a limit never comes to what is behind it.
#[test]
fn a_limited_call_is_no_doubt_for_who_comes_back_anyway() {
    let rules = "-A INPUT -m limit --limit 10/sec -j X\n-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT\n\
                 -A X -p tcp -m tcp --dport 80 -j RETURN\n-A X -j DROP\n";
    let told = answers(rules, "allow tcp 80");
    assert!(told.contains("--dport 80 -j ACCEPT  [filter INPUT]\n"), "{told}");
}
