//! Policies beside the rules that are deployed.

use crate::run::{Run, Scene, palisade};

const POLICY: &str = "zone lan = eth1 { 10.0.0.0/24 }\n\
    let admins = 10.0.0.5, 10.0.0.9\n\
    set bad from \"bad.netset\"\n\
    drop any from bad\n\
    allow ssh from admins limit 10/minute\n\
    allow http, https\n\
    allow dns from lan log \"dns \"\n\
    allow any from lan to any\n\
    masquerade eth0 out\n";

/// The policy and what it is built to.
fn built() -> Scene {
    let scene = Scene::new(&[("site/web.fw", POLICY), ("site/bad.netset", "192.0.2.0/24\n")]);
    let run = palisade(["build", "site/web.fw", "-o", "out/"]).within(&scene).run();
    assert_eq!(run.status, 0, "{}", run.err);
    scene
}

fn verify(scene: &Scene, dumps: &[&str]) -> Run {
    let arguments = ["verify", "site/web.fw"].into_iter().chain(dumps.iter().copied());
    palisade(arguments.collect::<Vec<_>>()).within(scene).run()
}

#[test]
fn what_was_built_is_equal_to_the_policy() {
    let scene = built();
    let run = verify(&scene, &["out/rules.v4", "out/rules.v6", "out/ipsets"]);
    let said = "equal: every IPv4 and IPv6 packet meets what site/web.fw says\n";
    assert_eq!((run.status, run.out.as_str()), (0, said), "{}", run.err);
    let run = verify(&scene, &["out"]);
    assert_eq!((run.status, run.out.as_str()), (0, said), "{}", run.err);
    let run = verify(&scene, &["out/ipsets", "out/rules.v6"]);
    assert_eq!(run.status, 0, "{}", run.err);
    assert!(run.out.contains("for IPv4 give what iptables-save prints too"), "{}", run.out);
}

#[test]
fn an_edit_is_told_with_a_packet_and_both_places() {
    let scene = built();
    let rules =
        scene.read("out/rules.v4").replace("--dports 80,443 -j ACCEPT", "--dports 80 -j ACCEPT");
    scene.write("now.v4", &rules);
    let run = verify(&scene, &["now.v4", "out/ipsets"]);
    assert_eq!(run.status, 1, "{}", run.err);
    let message = "error[unequal]: IPv4 packets are allowed by the policy, and dropped by the rules \
                   (filter INPUT)\n  ┌─ site/web.fw:6:1\n";
    assert!(run.err.contains(message), "{}", run.err);
    assert!(run.err.contains(":443, new\n"), "{}", run.err);
    assert!(run.err.ends_with("web.fw: 1 error\n"), "{}", run.err);

    let run = palisade(["verify", "site/web.fw", "now.v4", "out/ipsets", "--format", "json"])
        .within(&scene)
        .run();
    let found: serde_json::Value = serde_json::from_str(&run.out).expect("a document");
    let witness = &found["findings"][0]["witness"];
    assert_eq!((witness["dport"].as_u64(), witness["chain"].as_str()), (Some(443), Some("INPUT")));
}

#[test]
fn what_is_in_sets_counts() {
    let scene = built();
    // Without the sets nothing is known of them.
    let run = verify(&scene, &["out/rules.v4"]);
    assert_eq!(run.status, 1, "{}", run.err);
    let sets = scene.read("out/ipsets").replace("192.0.2.0/24", "192.0.2.0/25");
    scene.write("now.ipset", &sets);
    let run = verify(&scene, &["out/rules.v4", "now.ipset"]);
    assert_eq!(run.status, 1, "{}", run.err);
    assert!(run.err.contains(" 192.0.2.1"), "{}", run.err);
}

#[test]
fn the_order_of_rules_that_do_not_meet_is_no_difference() {
    let scene = built();
    let rules = scene.read("out/rules.v4");
    let mut lines: Vec<&str> = rules.lines().filter(|line| !line.starts_with('#')).collect();
    let web = lines.iter().position(|line| line.contains("80,443")).expect("a rule for the web");
    let rule = lines.remove(web);
    let first = lines.iter().position(|line| line.contains("--dport 22")).expect("a rule for ssh");
    lines.insert(first, rule);
    scene.write("now.v4", &(lines.join("\n") + "\n"));
    let run = verify(&scene, &["now.v4", "out/ipsets"]);
    assert_eq!(run.status, 0, "{}", run.err);
}

#[test]
fn what_is_preserved_is_left_out_and_said_so() {
    let policy = "preserve docker\nallow ssh\n";
    let scene = Scene::new(&[("web.fw", policy)]);
    assert_eq!(palisade(["build", "web.fw", "-o", "out/"]).within(&scene).run().status, 0);
    let rules = scene.read("out/rules.v4");
    let docker = rules.replacen(
        "-A INPUT -j pal-INPUT",
        "-A INPUT -i docker0 -j ACCEPT\n-A INPUT -j pal-INPUT\n-A FORWARD -j DOCKER\n-A DOCKER -j DROP",
        1,
    );
    let docker = docker.replacen(":pal-INPUT", ":DOCKER - [0:0]\n:pal-INPUT", 1);
    assert_ne!(docker, rules);
    scene.write("now.v4", &docker);
    let run = palisade(["verify", "web.fw", "now.v4"]).within(&scene).run();
    assert_eq!(run.status, 0, "{}{}", run.err, run.out);
    let said = "note[foreign-rules]: 3 rules and 1 chain of other programs are left out (IPv4)";
    assert!(run.err.contains(said), "{}", run.err);
}

#[test]
fn what_is_no_dump_or_is_given_twice_is_refused() {
    let scene = built();
    let run = verify(&scene, &["site/web.fw"]);
    assert_eq!(run.status, 2);
    assert!(run.err.contains("site/web.fw is no dump of rules"), "{}", run.err);
    let run = verify(&scene, &["out/rules.v4", "out/rules.v4"]);
    assert_eq!(run.status, 2);
    assert!(run.err.contains("is a second dump of IPv4"), "{}", run.err);
    let run = verify(&scene, &["out/ipsets"]);
    assert_eq!(run.status, 2);
    assert!(run.err.contains("there is no dump of rules"), "{}", run.err);
}

#[test]
fn rules_without_a_proof_say_so() {
    let scene = Scene::new(&[("web.fw", "allow ssh\n")]);
    let run = palisade(["build", "web.fw", "--no-proof", "--emit", "v6"]).within(&scene).run();
    assert_eq!(run.status, 0, "{}", run.err);
    assert!(run.out.contains("\n# not proved to be what the policy says\n"), "{}", run.out);
    let run = palisade(["build", "web.fw", "--emit", "v6"]).within(&scene).run();
    assert!(!run.out.contains("not proved"), "{}", run.out);
}

const NEW: &str = "zone lan = eth1 { 10.0.0.0/24 }\n\
    let admins = 10.0.0.5, 10.0.0.7\n\
    allow ssh from admins\n\
    allow http, https, smtp\n\
    allow dns from lan log \"dns \"\n\
    reject tcp 113\n\
    masquerade eth0 out\n";

const OLD: &str = "zone lan = eth1 { 10.0.0.0/24 }\n\
    let admins = 10.0.0.5, 10.0.0.9\n\
    allow http, https\n\
    allow ssh from admins\n\
    allow dns from lan\n\
    masquerade eth0 out\n";

#[test]
fn changes_are_told_as_packets_with_who_is_responsible() {
    let scene = Scene::new(&[("old.fw", OLD), ("new.fw", NEW)]);
    let run = palisade(["diff", "old.fw", "new.fw"]).within(&scene).run();
    assert_eq!((run.status, run.err.as_str()), (1, ""), "{}", run.out);
    let told = "newly accepted\n  tcp 22 (ssh) from 10.0.0.7, new or untracked  [filter INPUT] (IPv4)\n    \
                old: dropped: by default, at the end of the chain\n    \
                new: allowed: new.fw:3  allow ssh from admins\n    such as in ";
    assert!(run.out.starts_with(told), "{}", run.out);
    assert!(run.out.contains("  tcp 25 (smtp), new or untracked  [filter INPUT]\n"), "{}", run.out);
    assert!(run.out.contains("newly dropped\n  tcp 22 (ssh) from 10.0.0.9,"), "{}", run.out);
    let logged = "    old: not logged as \"dns \" at level 4: old.fw:5  allow dns from lan\n    \
                  new: logged as \"dns \" at level 4: new.fw:5  allow dns from lan log \"dns \"\n";
    assert!(run.out.contains(logged), "{}", run.out);
    assert!(run.out.contains("new: rejected with icmp-port-unreachable: new.fw:6"), "{}", run.out);

    let run = palisade(["diff", "old.fw", "new.fw", "--format", "markdown"]).within(&scene).run();
    assert!(
        run.out.starts_with("### Newly accepted\n\n- `tcp 22 (ssh) from 10.0.0.7,"),
        "{}",
        run.out
    );
    let run = palisade(["diff", "old.fw", "new.fw", "--format", "json"]).within(&scene).run();
    let found: serde_json::Value = serde_json::from_str(&run.out).expect("a document");
    assert_eq!(found["changes"][0]["kind"], "newly-accepted");
    assert_eq!(found["changes"][0]["new"]["rule"]["line"], 3);
    assert_eq!(found["changes"][0]["example"]["src"], "10.0.0.7");
}

#[test]
fn equal_sides_are_equal_whatever_they_are() {
    let scene = Scene::new(&[("old.fw", OLD)]);
    let run = palisade(["build", "old.fw", "-o", "out/"]).within(&scene).run();
    assert_eq!(run.status, 0, "{}", run.err);
    for sides in [["old.fw", "old.fw"], ["old.fw", "out/"], ["out/", "out/"]] {
        let run = palisade(["diff", sides[0], sides[1]]).within(&scene).run();
        assert_eq!((run.status, run.err.as_str()), (0, ""), "{sides:?} {}", run.out);
        assert!(run.out.starts_with("equal: every packet has the same fate"), "{}", run.out);
    }
    let run = palisade(["diff", "old.fw", "out/rules.v6"]).within(&scene).run();
    assert_eq!(run.status, 0, "{}", run.out);
    assert!(run.out.starts_with("equal: every IPv6 packet"), "{}", run.out);
    let run = palisade(["diff", "out/rules.v4", "out/rules.v6"]).within(&scene).run();
    assert_eq!(run.status, 2, "{}", run.out);
    assert!(run.err.contains("one side is of IPv4 and the other of IPv6"), "{}", run.err);
    let run = palisade(["diff", "-", "-"]).within(&scene).run();
    assert_eq!(run.status, 2, "{}", run.out);
}

#[test]
fn a_chain_that_is_gone_is_a_difference() {
    let scene = Scene::new(&[("web.fw", "preserve docker\ndocker { allow http }\n")]);
    assert_eq!(palisade(["build", "web.fw", "-o", "out/"]).within(&scene).run().status, 0);
    let rules = scene.read("out/rules.v4");
    let left: Vec<&str> = rules.lines().filter(|line| !line.contains("DOCKER-USER")).collect();
    scene.write("now.v4", &(left.join("\n") + "\n"));
    let run = palisade(["verify", "web.fw", "now.v4"]).within(&scene).run();
    assert_eq!(run.status, 1, "{}{}", run.out, run.err);
    assert!(run.err.contains("(filter DOCKER-USER)"), "{}", run.err);
}

#[test]
fn what_asks_again_behind_what_was_changed_is_not_called_equal() {
    let rules = |more: &str| {
        format!(
            "*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -m tos --tos 0x10/0xff -j DROP\n\
             -A PREROUTING -p udp -j DSCP --set-dscp 4\n{more}COMMIT\n"
        )
    };
    let again = rules("-A PREROUTING -m tos --tos 0x10/0xff -j DROP\n");
    let scene = Scene::new(&[("a.v4", &again), ("b.v4", &rules(""))]);
    let run = palisade(["diff", "a.v4", "b.v4"]).within(&scene).run();
    assert!(run.status == 2 && run.err.contains("analysis-incomplete"), "{}{}", run.out, run.err);
    let said = "no difference between a.v4 and b.v4 was found, but not all was found out\n";
    assert_eq!(run.out, said);
}

/// What differs from the implicit rule and what differs from the default are two things, and only one is a
/// hole.
#[test]
fn what_differs_for_two_reasons_is_told_twice() {
    let scene = Scene::new(&[("web.fw", "zone lan = eth1\nallow ssh from lan\n")]);
    assert_eq!(palisade(["build", "web.fw", "-o", "out/"]).within(&scene).run().status, 0);
    let rules = scene.read("out/rules.v4");
    let (kept, gone): (Vec<&str>, Vec<&str>) =
        rules.lines().partition(|line| !line.contains("--dport 22"));
    assert_eq!(gone.len(), 1);
    let open = gone[0].replace(" -i eth1", "");
    let first = "-A INPUT -i lo -j ACCEPT\n";
    let now = (kept.join("\n") + "\n").replacen(first, &format!("{open}\n{first}"), 1);
    scene.write("now.v4", &now);
    let run = palisade(["verify", "web.fw", "now.v4"]).within(&scene).run();
    assert_eq!(run.status, 1, "{}", run.err);
    for said in [
        "dropped by the implicit rule for invalid packets\n",
        ":22, new\n   = note: the policy: dropped by default, at the end of the chain\n",
    ] {
        let said = said.replace("\n   = ", "\n  = ");
        assert!(run.err.contains(&said), "{}", run.err);
    }
    assert!(run.err.ends_with("web.fw: 2 errors\n"), "{}", run.err);
}

/// Of packets of one difference one is shown that can come.
#[test]
fn a_packet_that_opens_a_connection_is_shown_where_there_is_one() {
    let head = "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n";
    let rule = "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n";
    let scene = Scene::new(&[
        ("old.v4", format!("{head}COMMIT\n").as_str()),
        ("new.v4", format!("{head}{rule}COMMIT\n").as_str()),
    ]);
    let run = palisade(["diff", "old.v4", "new.v4"]).within(&scene).run();
    assert_eq!(run.status, 1, "{}", run.err);
    assert!(run.out.contains(":22, new\n"), "{}", run.out);
}

/// Matches are asked in their order, so a limit before others is used up by all that comes to it.
#[test]
fn a_limit_before_other_matches_counts_what_comes_to_it() {
    let dump =
        |rule: &str| format!("*filter\n:INPUT DROP [0:0]\n-A INPUT {rule} -j ACCEPT\nCOMMIT\n");
    let scene = Scene::new(&[
        ("first.v4", &dump("-p tcp -m limit --limit 5/min -m tcp --dport 22")),
        ("last.v4", &dump("-p tcp -m tcp --dport 22 -m limit --limit 5/min")),
        ("base.v4", &dump("-m limit --limit 5/min -p tcp -s 10.0.0.1 -m comment --comment x")),
        ("same.v4", &dump("-s 10.0.0.1 -p tcp -m limit --limit 5/min")),
    ]);
    let diff = |old, new| palisade(["diff", old, new]).within(&scene).run();
    let run = diff("first.v4", "last.v4");
    assert_eq!(run.status, 1, "{}{}", run.out, run.err);
    assert!(run.out.contains("tcp 0-21, 23-65535, room in a limit"), "{}", run.out);
    assert!(run.out.contains("old: counted by a limit of 5/minute burst 5"), "{}", run.out);
    let run = diff("base.v4", "same.v4");
    assert_eq!(run.status, 0, "{}{}", run.out, run.err);
}

#[test]
fn more_differences_than_are_looked_for_are_no_whole_answer() {
    let rules = |count: u32| -> String {
        let rule = |at: u32| {
            format!("-A INPUT -s 10.{}.{}.{} -j ACCEPT\n", at >> 15, at >> 7 & 255, at << 1 & 255)
        };
        let all: Vec<String> = (0..count).map(rule).collect();
        format!("*filter\n:INPUT DROP [0:0]\n{}COMMIT\n", all.concat())
    };
    let scene =
        Scene::new(&[("none.v4", &rules(0)), ("some.v4", &rules(90)), ("many.v4", &rules(1_050))]);
    let diff = |old| palisade(["diff", old, "none.v4", "--format", "json"]).within(&scene).run();
    let some = diff("some.v4");
    assert_eq!(some.status, 1, "{}", some.err);
    assert!(some.out.contains("\"complete\": true"), "{}", some.out);
    let many = diff("many.v4");
    assert_eq!(many.status, 1, "{}", many.err);
    assert!(many.out.contains("\"complete\": false"), "{}", many.err);
    assert!(many.err.contains("the others are not looked for"), "{}", many.err);
    // To people as many are told as of other findings.
    let policy = Scene::new(&[("web.fw", "allow ssh\n"), ("now.v4", &rules(1_200))]);
    let run = palisade(["verify", "web.fw", "now.v4"]).within(&policy).run();
    assert_eq!(run.status, 1, "{}", run.err);
    assert_eq!(run.err.matches("error[unequal]").count(), 1_000);
    assert!(run.err.contains("one more finding is not shown"), "{}", run.err);
}
