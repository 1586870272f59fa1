//! Policies whose sets stand in files beside them.

use std::fmt::Write as _;

use crate::run::{Scene, palisade};

const POLICY: &str = "set blocklist from \"lists/b.netset\"\ndrop any from blocklist\n";

fn digest(text: &str) -> &str {
    text.lines().find_map(|line| line.strip_prefix("# policy sha256:")).expect("a digest")
}

#[test]
fn the_lists_of_sets_are_part_of_the_policy() {
    let scene = Scene::new(&[("site/web.fw", POLICY), ("site/lists/b.netset", "192.0.2.1\n")]);
    let build = || palisade(["build", "site/web.fw", "-o", "out/"]).within(&scene).run();
    let run = build();
    assert_eq!((run.status, run.out.as_str()), (0, ""), "{}", run.err);
    assert!(run.err.contains("note[sets-first]"), "{}", run.err);
    let (sets, rules) = (scene.read("out/ipsets"), scene.read("out/rules.v4"));
    assert!(sets.contains("\nadd blocklist.v4.n 192.0.2.1\n"), "{sets}");
    assert!(rules.contains("\n# load the sets first: ipset restore -exist < ipsets\n"), "{rules}");
    assert_eq!(digest(&sets), digest(&rules));

    scene.write("site/lists/b.netset", "192.0.2.2\n");
    assert_eq!(build().status, 0);
    assert_ne!(digest(&scene.read("out/rules.v4")), digest(&rules));

    let run = palisade(["build", "site/web.fw", "-o", "site/lists/b.netset"]).within(&scene).run();
    assert_eq!(run.status, 2);
    assert!(run.err.contains("it is a file of the policy itself"), "{}", run.err);
    assert_eq!(scene.read("site/lists/b.netset"), "192.0.2.2\n");
}

#[test]
fn a_raw_rule_may_name_a_set_by_what_the_kernel_calls_it() {
    let policy = "set blocklist from \"b.netset\"\nset seen dynamic timeout 1h\n\
        raw v4 filter INPUT \"-m set --match-set blocklist.v4 src -p tcp -m tcp --dport 22 -j DROP\"\n\
        raw v4 filter INPUT \"-m set --match-set seen-1h.v4 src -j DROP\"\nallow ssh\n\
        assert drop ssh from 192.0.2.1\n";
    let scene = Scene::new(&[("web.fw", policy), ("b.netset", "192.0.2.1\n")]);
    let run = palisade(["build", "web.fw", "-o", "out/"]).within(&scene).run();
    assert_eq!((run.status, run.out.as_str()), (0, ""), "{}", run.err);
    assert!(!run.err.contains("never used") && !run.err.contains("unmodelled"), "{}", run.err);
    let run = palisade(["verify", "web.fw", "out"]).within(&scene).run();
    assert_eq!(run.status, 0, "{}", run.err);
}

#[test]
fn a_set_of_too_many_networks_is_one_finding() {
    // Such a range takes 126 networks to say.
    let mut list = String::new();
    for number in 0..8_000 {
        let net = format!("2001:db8:0:{number:x}:");
        writeln!(list, "{net}:1-{net}ffff:ffff:ffff:fffe").expect("a string can grow");
    }
    let scene = Scene::new(&[("web.fw", POLICY), ("lists/b.netset", &list)]);
    let run = palisade(["check", "web.fw"]).within(&scene).run();
    assert_eq!(run.status, 1, "{}", run.err);
    assert!(run.err.starts_with("error[set-too-large]"), "{}", run.err);
    assert!(run.err.contains("1008000 IPv6 networks"), "{}", run.err);
    assert!(run.err.ends_with("web.fw: 1 error\n"), "{}", run.err);
}

#[test]
fn the_plan_tells_what_the_sets_are() {
    let policy = "set b from \"b.netset\"\nset banned dynamic timeout 1h\n\
                  drop any from b\nadd source/24 to banned tcp 23\n";
    let scene = Scene::new(&[("web.fw", policy), ("b.netset", "192.0.2.1-192.0.2.2\n")]);
    let run = palisade(["show", "web.fw", "--format", "json"]).within(&scene).run();
    let plan: serde_json::Value = serde_json::from_str(&run.out).expect("a document");
    let set = |index: usize, key: &str| plan["sets"][index][key].to_string();
    assert_eq!((set(0, "name"), set(0, "networks")), ("\"b.v4\"".to_owned(), "2".to_owned()));
    assert_eq!((set(1, "family"), set(1, "networks")), ("\"ipv6\"".to_owned(), "0".to_owned()));
    assert_eq!(set(2, "name"), "\"banned-1h-n24.v4\"");
    assert_eq!((set(2, "length"), set(2, "timeout")), ("24".to_owned(), "3600".to_owned()));
    assert_eq!((set(3, "name"), set(3, "length")), ("\"banned-1h.v6\"".into(), "128".into()));
}

#[test]
fn nft_keeps_nobody_who_was_added_for_good_among_those_for_a_time() {
    let policy = "set kept dynamic\nadd source to kept for 3s udp 1\nadd source to kept udp 2\n\
        drop any from kept\n";
    let scene =
        Scene::new(&[("web.fw", policy), ("short.fw", &policy.replace("udp 2", "for 5s udp 2"))]);
    let build = |file| palisade(["build", "--emit", "nft", file]).within(&scene).run();
    let run = build("web.fw");
    assert_eq!(run.status, 2, "{}", run.err);
    let said = "an address is added to `kept-kept.v4` for good, and elsewhere for a time";
    assert!(run.err.contains(said), "{}", run.err);
    let run = build("short.fw");
    assert_eq!(run.status, 0, "{}", run.err);
    assert!(run.out.contains("update @"), "{}", run.out);
}
