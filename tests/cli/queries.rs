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
