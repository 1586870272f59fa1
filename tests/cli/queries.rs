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
