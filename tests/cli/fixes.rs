//! `check --fix`: what is edited, and what is not.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::run::{Run, Scene, palisade};

fn fix(scene: &Scene, paths: &[&str]) -> Run {
    palisade([&["check", "--fix", "--today", "2026-07-01"][..], paths].concat()).within(scene).run()
}

/// The text of a policy after it was mended, and the run.
fn fixed(text: &str) -> (String, Run) {
    let scene = Scene::new(&[("web.fw", text)]);
    let run = fix(&scene, &["web.fw"]);
    assert_eq!(scene.files(), ["web.fw"]);
    (scene.read("web.fw"), run)
}

#[test]
fn whole_rules_go_with_their_lines_and_comments_stay() {
    let (text, run) = fixed(
        "# web\n\nallow http # for all\n# of the office\nallow tcp 80 from 10.0.0.5/8; # again\n\
         allow ssh; allow tcp 22 # both\nallow ntp from 10.0.0.5/8\n# end\n",
    );
    let wanted = "# web\n\nallow http # for all\n# of the office\nallow ssh # both\n\
                  allow ntp from 10.0.0.0/8\n# end\n";
    assert_eq!((text.as_str(), run.status), (wanted, 0), "{}", run.err);
    assert_eq!(run.err, "fixed 3 findings in web.fw\nweb.fw: no findings\n");
}

#[test]
fn lines_keep_their_ends() {
    let (text, _) = fixed("allow http\r\n  allow tcp 80  # again\r\nallow ssh\r\n");
    assert_eq!(text, "allow http\r\nallow ssh\r\n");
    let (text, _) = fixed("allow http\nallow tcp 80");
    assert_eq!(text, "allow http\n");
}

#[test]
fn of_two_rules_that_are_each_spare_because_of_the_other_one_stays() {
    // The ports 5 to 10 are dropped by the first two alone.
    let ring = "drop tcp 1-10\ndrop tcp 5-15\ndrop tcp 1-4, 11-20\nallow tcp 1-22\n";
    let run = palisade(["check", "-"]).stdin(ring.as_bytes()).run();
    assert_eq!(run.err.matches("[redundant-rule]").count(), 2, "{}", run.err);
    let (text, run) = fixed(ring);
    assert_eq!(text, ring.replace("drop tcp 1-10\n", ""));
    assert!(run.err.starts_with("fixed 1 finding in web.fw\n"), "{}", run.err);
    let (again, run) = fixed(&text);
    assert_eq!((again, run.err.as_str()), (text, "web.fw: no findings\n"));
    // What is spare because of a rule that is not spare itself goes with others.
    let chain = "drop tcp 1-5\ndrop tcp 5-9\ndrop tcp 1-12\nallow tcp any\n";
    assert_eq!(fixed(chain).0, "drop tcp 1-12\nallow tcp any\n");
}

#[test]
fn what_the_author_has_to_decide_stays() {
    let text =
        "drop tcp 22 from 10.0.0.0/8\nallow ssh from 10.1.0.0/16\nallow http\nallow tcp 80\n";
    let (left, run) = fixed(text);
    assert_eq!(left, text.replace("allow tcp 80\n", ""));
    assert_eq!(run.status, 1);
    assert!(run.err.contains("error[shadowed-conflict]"), "{}", run.err);
}

#[test]
fn what_asks_again_behind_what_was_changed_stays() {
    let text = "allow ssh\nraw v4 mangle PREROUTING \"-i eth1 -m tos --tos 0x10/0xff -j DROP\"\n\
                raw v4 mangle PREROUTING \"-i eth1 -p udp -j DSCP --set-dscp 4\"\n\
                raw v4 mangle PREROUTING \"-i eth1 -m tos --tos 0x10/0xff -j DROP\"\n";
    let (left, run) = fixed(text);
    assert_eq!(left, text, "{}", run.err);
}

#[test]
fn what_is_expected_or_not_shown_stays() {
    let expected = "allow http\nallow tcp 80 expect duplicate-rule \"until spring\"\n";
    assert_eq!(fixed(expected).0, expected);
    let scene = Scene::new(&[("web.fw", "allow http\nallow tcp 80\n")]);
    let run = fix(&scene, &["web.fw", "--allow", "duplicate-rule"]);
    assert!(!run.err.contains("fixed"), "{}", run.err);
    assert_eq!(scene.read("web.fw"), "allow http\nallow tcp 80\n");
}

#[test]
fn nothing_is_edited_beside_an_error_of_the_language() {
    let text = "allow tcp 70000\nallow http from 10.0.0.5/8\n";
    let (left, run) = fixed(text);
    assert_eq!((left.as_str(), run.status), (text, 1));
    assert!(
        run.err.contains("nothing is fixed in web.fw while it has other errors\n"),
        "{}",
        run.err
    );
}

#[test]
fn a_rule_of_a_def_goes_when_no_call_needs_it() {
    let text = |second: &str| {
        format!(
            "def open(who) {{\n  allow http from who\n  allow http from 10.0.0.0/8\n}}\n\
             open(10.0.0.0/8)\nopen({second})\n"
        )
    };
    let (left, _) = fixed(&text("10.0.0.0/7"));
    assert_eq!(left, text("10.0.0.0/7").replace("  allow http from 10.0.0.0/8\n", ""));
    let lone = format!(
        "def open(who) {{\n  allow dns from who\n}}\nallow dns from 10.0.0.0/8\n{}",
        "open(10.1.0.0/16)\nopen(11.0.0.0/8)\n"
    );
    let (left, run) = fixed(&lone);
    assert_eq!(left, lone, "{}", run.err);
    assert!(run.err.contains("[shadowed-rule]"), "{}", run.err);
}

#[test]
fn a_limit_and_a_log_keep_their_room() {
    // Behind the first rule, port 22 would take from what 23 has.
    let limited = "allow tcp 22\nallow tcp 22-23 limit 5/minute\nallow tcp 20-22, 24\n";
    let (left, run) = fixed(limited);
    assert_eq!(left, limited, "{}", run.err);
    assert!(run.err.contains("[redundant-rule]"), "{}", run.err);
    let logged = "allow tcp 22 log \"ssh \"\nallow tcp 20-30 log \"ssh \"\n";
    let (left, run) = fixed(logged);
    assert_eq!(left, logged, "{}", run.err);
    assert!(run.err.contains("[redundant-rule]"), "{}", run.err);
}

#[test]
fn members_of_lists_go_with_their_commas() {
    let (text, run) = fixed(
        "drop tcp 23\nallow tcp 22, 23, 80 from 10.0.0.0/8, 10.1.0.0/16\n\
         allow http from (\n    192.0.2.1, # one\n    192.0.2.1, # again\n    192.0.2.2\n)\n",
    );
    let wanted = "drop tcp 23\nallow tcp 22, 80 from 10.0.0.0/8\n\
                  allow http from (\n    192.0.2.1, # one\n    192.0.2.2\n)\n";
    assert_eq!(text, wanted, "{}", run.err);
    assert!(run.err.starts_with("fixed 3 findings in web.fw\n"), "{}", run.err);
}

#[test]
fn what_is_not_proved_is_not_done() {
    // With it, the implicit rules of forwarded packets would go.
    let text = "zone lan = eth1\nzone wan = eth0\n\
                allow ssh from lan to wan state established\n";
    let (left, run) = fixed(text);
    assert_eq!(left, text);
    let why = "web.fw:3: shadowed-rule is not fixed: it is not proved that nothing changes\n";
    assert!(run.err.contains(why), "{}", run.err);
}

#[test]
fn included_files_are_edited_where_one_policy_has_them() {
    let scene = Scene::new(&[
        ("site/web.fw", "include \"conf.d/*.fw\"\nallow http\n"),
        ("site/conf.d/a.fw", "# a\nallow ssh\n"),
        ("site/conf.d/b.fw", "allow ntp\nallow tcp 22\n"),
    ]);
    let run = fix(&scene, &["site"]);
    assert_eq!(scene.read("site/conf.d/b.fw"), "allow ntp\n");
    assert_eq!(scene.read("site/conf.d/a.fw"), "# a\nallow ssh\n");
    assert!(run.err.starts_with("fixed 1 finding in site/conf.d/b.fw\n"), "{}", run.err);

    let common = "allow ssh\nallow tcp 22\n";
    let scene = Scene::new(&[
        ("site/common.inc", common),
        ("site/web.fw", "include \"common.inc\"\nallow http\nallow tcp 80\n"),
        ("site/db.fw", "include \"common.inc\"\nallow postgres\n"),
    ]);
    let run = fix(&scene, &["site"]);
    assert_eq!(scene.read("site/common.inc"), common);
    assert_eq!(scene.read("site/web.fw"), "include \"common.inc\"\nallow http\n");
    let why = "site/common.inc is not edited: it is not a part of this policy alone\n";
    assert_eq!(run.err.matches(why).count(), 2, "{}", run.err);
}

#[test]
fn standard_input_goes_to_standard_output() {
    let scene = Scene::new(&[("part.fw", "allow ssh\nallow tcp 22\n")]);
    let run = palisade(["check", "--fix", "-"]).within(&scene);
    let run = run.stdin(b"include \"part.fw\"\nallow http\nallow tcp 80 # again\n").run();
    assert_eq!(run.out, "include \"part.fw\"\nallow http\n");
    assert!(run.err.starts_with("fixed 1 finding in <stdin>\n"), "{}", run.err);
    assert_eq!(scene.read("part.fw"), "allow ssh\nallow tcp 22\n");
    for text in ["allow ssh\n", "allow tcp 70000\n"] {
        let run = palisade(["check", "--fix", "-"]).stdin(text.as_bytes()).run();
        assert_eq!(run.out, text, "{}", run.err);
    }
    let run = palisade(["check", "--fix", "-", "--format", "json"]).stdin(b"allow ssh\n").run();
    assert_eq!((run.status, run.out.as_str()), (2, ""));
    let run = palisade(["check", "--fix", "-"]).stdin(b"\xff").run();
    assert_eq!((run.status, run.out.as_str()), (1, ""));
}

#[test]
fn what_cannot_be_written_is_told_and_the_others_are_mended() {
    let spare = "allow ssh\nallow tcp 22\n";
    let scene = Scene::new(&[("a/web.fw", spare), ("b/web.fw", spare)]);
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| {
        use std::os::unix::fs::MetadataExt as _;
        own.uid() == 0
    });
    let folder = scene.path("a");
    let mode = |mode| fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o555);
    let run = fix(&scene, &["a/web.fw", "b/web.fw"]);
    mode(0o755);
    assert_eq!(scene.read("b/web.fw"), "allow ssh\n");
    // Nothing is read-only to root.
    if !is_root {
        assert_eq!((run.status, scene.read("a/web.fw").as_str()), (2, spare));
        assert!(run.err.contains("cannot write a/web.fw: permission denied"), "{}", run.err);
    }
    assert_eq!(scene.files(), ["a", "a/web.fw", "b", "b/web.fw"]);
}

#[test]
fn people_are_told_what_can_be_fixed() {
    let scene = Scene::new(&[("site/web.fw", "allow ssh\nallow tcp 22\nallow telnet\n")]);
    let run = palisade(["check", "site/web.fw"]).within(&scene).run();
    let hint = "1 of them can be fixed: palisade check --fix site/web.fw\n";
    assert!(run.err.ends_with(hint), "{}", run.err);
    let run = palisade(["check", "site/web.fw", "--format", "json"]).within(&scene).run();
    assert!(
        run.err.is_empty() && run.out.contains("\"title\": \"delete the rule\""),
        "{}",
        run.out
    );
}

#[test]
fn many_rules_are_mended_in_one_run() {
    use std::fmt::Write as _;
    let mut text = String::new();
    for number in 0..1_200u32 {
        // More than are told: those of another run are mended in this one.
        let net = format!("10.{}.{}.0/24", number / 200, number % 200);
        writeln!(text, "allow ssh from {net}\nallow tcp 22 from {net}").unwrap();
    }
    let (left, run) = fixed(&text);
    assert_eq!(left.lines().count(), 1_200);
    assert!(run.err.starts_with("fixed 1200 findings in web.fw\n"), "{}", run.err);
}
