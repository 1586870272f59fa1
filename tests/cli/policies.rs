//! What needs the whole compiler: policies checked, built and shown; services looked up.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use palisade::diagnostic::catalogue;
use serde_json::Value;

use crate::run::{Run, Scene, palisade};

const WEB: &str = "allow ssh, http, https\n";

fn codes(run: &Run) -> BTreeSet<String> {
    let document: Value = serde_json::from_str(&run.out).unwrap();
    let findings = document["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
}

fn check_text(text: &str, arguments: &[&str]) -> Run {
    let arguments = [&["check", "--format", "json", "-"], arguments].concat();
    palisade(arguments).stdin(text.as_bytes()).run()
}

#[test]
fn a_good_policy_is_clean() {
    let scene = Scene::new(&[("site/web.fw", WEB)]);
    let run = palisade(["check", "site/web.fw"]).within(&scene).run();
    assert_eq!((run.status, run.out.as_str()), (0, ""));
    assert_eq!(run.err, "site/web.fw: no findings\n");
}

#[test]
fn a_mistake_is_shown_where_it_is() {
    let scene =
        Scene::new(&[("site/web.fw", "include \"part.fw\"\n"), ("site/part.fw", "allow shh\n")]);
    let run = palisade(["check", "site/web.fw"]).within(&scene).run();
    assert_eq!((run.status, run.out.as_str()), (1, ""));
    for said in ["error[unknown-name]: ", "─ site/part.fw:1:7\n", "^^^", "site/web.fw: 1 error\n"]
    {
        assert!(run.err.contains(said), "{}", run.err);
    }
    let run = palisade(["check", "site/web.fw", "--format", "json"]).within(&scene).run();
    assert_eq!((run.status, run.err.as_str()), (1, ""));
    let document: Value = serde_json::from_str(&run.out).unwrap();
    let finding = &document["findings"][0];
    assert_eq!(finding["file"], "site/part.fw");
    let place = ["line", "column", "end_line", "end_column"].map(|key| finding[key].as_u64());
    assert_eq!(place, [1, 7, 1, 10].map(Some));
}

/// What the tools would refuse is the policy's fault, and is said before anything is built; what goes to a
/// target that is not known here is not refused.
#[test]
fn a_raw_rule_that_would_not_load_is_not_built() {
    let refused = [
        (r#""-m string --string bot --algo bm x -j DROP""#, "word `x`, which belongs to no option"),
        (r#""-m string --string \"bot\"y --algo bm -j DROP""#, "word `y`"),
        (r#""-p tcp -m tcp --dport 99999 -j DROP""#, "`99999` is not a port"),
        (r#""-p tcp --dport= -j DROP""#, "`` is not a port"),
        (r#""-p tcp --syn=1 -j DROP""#, "`--syn=1`, of which the option takes no value"),
        (r#""--out=eth0 -j DROP""#, "`--out=eth0`: the beginning of an option's name, and a `=`"),
    ];
    for (words, said) in refused {
        let policy = format!("allow ssh\nraw v4 filter INPUT {words}\n");
        let scene = Scene::new(&[("p.fw", &policy)]);
        let run = palisade(["build", "p.fw", "-o", "out"]).within(&scene).run();
        assert_eq!(run.status, 1, "{}", run.err);
        assert!(run.err.contains("error[bad-raw]") && run.err.contains(said), "{}", run.err);
        assert!(run.err.contains("─ p.fw:2:1\n"), "{}", run.err);
        assert_eq!(scene.files(), ["p.fw"]);
    }
    let run = check_text("allow ssh\nraw v4 filter INPUT \"-m thing -j SOMEBODYS\"\n", &[]);
    assert_eq!(run.status, 0, "{}", run.out);
}

#[test]
fn warnings_fail_only_when_denied() {
    let scene = Scene::new(&[("web.fw", "let admins = 203.0.113.0/24\nallow ssh\n")]);
    let check = |arguments: &[&str]| {
        palisade([&["check", "web.fw"][..], arguments].concat()).within(&scene).run()
    };
    assert_eq!(check(&[]).status, 0);
    assert!(check(&[]).err.contains("warning[unused-definition]"));
    assert_eq!(check(&["--deny", "warnings"]).status, 1);
    assert_eq!(check(&["--deny", "unused-definition"]).status, 1);
    assert_eq!(check(&["--deny", "warnings", "--warn", "unused-definition"]).status, 0);
    let run = check(&["--deny", "warnings", "--allow", "unused-definition"]);
    assert_eq!((run.status, run.err.as_str()), (0, "web.fw: no findings\n"));
    let run = palisade(["build", "web.fw", "--deny", "warnings"]).within(&scene).run();
    assert_eq!((run.status, run.out.as_str()), (1, ""));
}

#[test]
fn in_a_folder_a_part_is_checked_as_a_part() {
    let scene = Scene::new(&[
        ("net/main.fw", "let admins = 203.0.113.0/24\ninclude \"conf.d/*.fw\"\n"),
        ("net/conf.d/ssh.fw", "allow ssh from admins\n"),
        ("net/other.fw", "allow shh\n"),
    ]);
    let run = palisade(["check", "net"]).within(&scene).run();
    assert_eq!(run.status, 1, "{}", run.err);
    assert!(!run.err.contains("admins"), "{}", run.err);
    assert!(run.err.ends_with("net/other.fw: 1 error\n2 policies: 1 error\n"), "{}", run.err);
    let run = palisade(["check", "net/conf.d/ssh.fw"]).within(&scene).run();
    assert_eq!(run.status, 1, "by itself it lacks a name: {}", run.err);
    let run = palisade(["check", "net/main.fw", "net/main.fw", "net/../net/main.fw"]);
    assert_eq!(run.within(&scene).run().err, "net/main.fw: no findings\n");
}

#[test]
fn standard_input_includes_from_the_working_directory() {
    let scene = Scene::new(&[("part.fw", "allow shh\n")]);
    let run = palisade(["check", "-"]).within(&scene).stdin(b"include \"part.fw\"\n").run();
    assert_eq!(run.status, 1);
    assert!(run.err.contains("─ part.fw:1:7\n"), "{}", run.err);
    assert!(run.err.ends_with("<stdin>: 1 error\n"), "{}", run.err);
}

#[test]
fn an_include_that_cannot_be_read_is_status_2() {
    let scene = Scene::new(&[("web.fw", "include \"none.fw\"\nallow ssh\n")]);
    let run = palisade(["check", "web.fw"]).within(&scene).run();
    assert_eq!(run.status, 2);
    assert!(run.err.contains("error[unreadable-file]"), "{}", run.err);
    scene.make_fifo("none.fw");
    let run = palisade(["build", "web.fw"]).within(&scene).run();
    assert_eq!((run.status, run.out.as_str()), (2, ""));
}

#[test]
fn names_that_a_missing_file_may_define_are_not_said_to_be_unknown() {
    let scene = Scene::new(&[("web.fw", "include \"zones.fw\"\nallow ssh from lan, office\n")]);
    let run = palisade(["check", "web.fw"]).within(&scene).run();
    assert!(run.err.contains("error[unreadable-file]"), "{}", run.err);
    assert!(run.err.ends_with("web.fw: 1 error\n"), "{}", run.err);
}

#[test]
fn standard_output_gets_one_text_and_the_rest_a_note() {
    let scene = Scene::new(&[("web.fw", WEB)]);
    let run = palisade(["build", "web.fw"]).within(&scene).run();
    assert_eq!(run.status, 0, "{}", run.err);
    assert!(run.out.starts_with("# palisade ") && run.out.contains("\n*filter\n"), "{}", run.out);
    assert!(run.err.contains("note[ipv6-not-written]"), "{}", run.err);
    let again = palisade(["build", "-", "-o", "-"]).stdin(WEB.as_bytes()).run();
    assert_eq!(again.out.replace("<stdin>", "web.fw"), run.out);
    for emit in ["v6", "ipsets", "load", "plan", "json"] {
        let run = palisade(["build", "web.fw", "--emit", emit]).within(&scene).run();
        assert_eq!((run.status, run.err.as_str()), (0, ""), "{emit}");
        assert!(run.out.ends_with('\n'), "{emit}");
    }
    let run = palisade(["build", "web.fw", "--allow", "ipv6-not-written"]).within(&scene).run();
    assert_eq!((run.status, run.err.as_str()), (0, ""));
    let run = palisade(["build", "web.fw"]).within(&scene).into_closed_pipe();
    assert_eq!(run.status, 0);
}

#[test]
fn a_folder_gets_four_files_with_one_digest() {
    let scene = Scene::new(&[("site/web.fw", WEB)]);
    let run = palisade(["build", "site/web.fw", "-o", "out/new/"]).within(&scene).run();
    assert_eq!((run.status, run.out.as_str(), run.err.as_str()), (0, "", ""));
    let names = ["out/new/ipsets", "out/new/load", "out/new/rules.v4", "out/new/rules.v6"];
    assert_eq!(
        scene.files()[..],
        [&["out", "out/new"], &names[..], &["site", "site/web.fw"]].concat()
    );
    let digests: BTreeSet<String> =
        names.iter().map(|name| digest(&scene.read(name)).to_owned()).collect();
    assert_eq!(digests.len(), 1, "{digests:?}");
    assert!(scene.read("out/new/ipsets").lines().all(|line| line.starts_with('#')));

    // The same bytes from another working directory, and over what was there.
    let before = names.map(|name| scene.read(name));
    scene.write("out/new/ipsets", "stale");
    let path = scene.path("site/web.fw");
    let folder = scene.path("out/new");
    let run =
        palisade(["build".into(), path.into_os_string(), "-o".into(), folder.into_os_string()]);
    assert_eq!(run.run().status, 0);
    assert_eq!(names.map(|name| scene.read(name)), before);
}

fn digest(text: &str) -> &str {
    text.lines().find(|line| line.starts_with("# policy sha256:")).expect("a line with the digest")
}

#[test]
fn the_script_can_be_run_by_whoever_may_read_it() {
    let scene = Scene::new(&[("web.fw", WEB), ("out/load", "old")]);
    let mode = |name: &str| fs::metadata(scene.path(name)).unwrap().permissions().mode() & 0o777;
    fs::set_permissions(scene.path("out/load"), Permissions::from_mode(0o640)).unwrap();
    for output in ["new/", "out/"] {
        let run = palisade(["build", "web.fw", "-o", output]).within(&scene).run();
        assert_eq!(run.status, 0, "{}", run.err);
    }
    let run = palisade(["build", "web.fw", "--emit", "load", "-o", "one"]).within(&scene).run();
    assert_eq!(run.status, 0, "{}", run.err);
    assert_eq!(mode("new/load") & !0o055, 0o700, "less what the umask takes");
    assert_eq!(mode("new/load") & !0o055, mode("one") & !0o055);
    assert_eq!(mode("new/rules.v4") & 0o111, 0);
    assert_eq!(mode("out/load"), 0o750, "others may still not read it");
    assert_eq!(scene.read("new/load"), scene.read("one"));
}

#[test]
fn an_output_that_cannot_be_written_changes_nothing() {
    let scene = Scene::new(&[
        ("web.fw", WEB),
        ("file", "old"),
        ("out/ipsets", "old"),
        ("out/rules.v4/x", ""),
    ]);
    symlink("web.fw", scene.path("link")).unwrap();
    let before = scene.files();
    for (output, said) in [
        ("file/rules.v4", "not a directory"),
        ("file/", "a file is in its place"),
        ("none/rules.v4", "there is no folder none"),
        ("/dev/null", "it is not a regular file"),
        ("/proc/none", "cannot write /proc/none"),
        ("out", "rules.v4: it is a folder"),
        ("web.fw", "it is a file of the policy itself"),
        ("link", "it is a file of the policy itself"),
    ] {
        let run = palisade(["build", "web.fw", "-o", output]).within(&scene).run();
        assert_eq!((run.status, run.out.as_str()), (2, ""), "{output}: {}", run.err);
        assert!(run.err.contains(said), "{output}: {}", run.err);
    }
    assert_eq!(scene.files(), before);
    assert_eq!(["web.fw", "file", "out/ipsets"].map(|name| scene.read(name)), [WEB, "old", "old"]);
}

#[test]
fn an_error_leaves_existing_outputs_alone() {
    let scene =
        Scene::new(&[("web.fw", "allow shh\n"), ("rules.v4", "old"), ("out/rules.v4", "old")]);
    for output in ["rules.v4", "out", "new/"] {
        let run = palisade(["build", "web.fw", "-o", output]).within(&scene).run();
        assert_eq!(run.status, 1);
    }
    assert_eq!(scene.files(), ["out", "out/rules.v4", "rules.v4", "web.fw"]);
    assert_eq!(scene.read("rules.v4"), "old");
}

#[test]
fn the_plan_is_shown() {
    let scene = Scene::new(&[("web.fw", WEB)]);
    let run = palisade(["show", "web.fw"]).within(&scene).run();
    assert_eq!((run.status, run.err.as_str()), (0, ""));
    assert!(run.out.contains("web.fw:1") && run.out.contains("implicit"), "{}", run.out);
    let run = palisade(["show", "web.fw", "--format", "json"]).within(&scene).run();
    assert_eq!(run.status, 0);
    serde_json::from_str::<Value>(&run.out).unwrap();
}

#[test]
fn the_graph_is_drawn() {
    let scene = Scene::new(&[("web.fw", WEB), ("bad.fw", "allow shh\n"), ("old.svg", "old")]);
    let graph = |words: &[&str]| palisade([&["graph"][..], words].concat()).within(&scene).run();
    let run = graph(&["web.fw"]);
    assert_eq!((run.status, run.err.as_str()), (0, ""));
    assert!(run.out.starts_with("digraph policy {"), "{}", run.out);
    assert!(graph(&["web.fw", "--format", "mermaid"]).out.starts_with("flowchart TB\n"));
    assert!(graph(&["web.fw", "--format", "svg", "-o", "-"]).out.starts_with("<svg "));
    for (path, begins) in [("a.svg", "<svg "), ("a.mmd", "flowchart"), ("a.gv", "digraph")] {
        let run = graph(&["web.fw", "-o", path]);
        assert_eq!((run.status, run.out.as_str()), (0, ""));
        assert!(scene.read(path).starts_with(begins), "{path}");
    }
    let run = palisade(["graph", "-", "--format", "svg"]).stdin(WEB.as_bytes()).run();
    assert!(run.out.contains("&lt;stdin&gt;"), "{}", run.out);

    let run = graph(&["bad.fw", "-o", "old.svg"]);
    assert_eq!((run.status, run.out.as_str()), (1, ""));
    assert_eq!(scene.read("old.svg"), "old");
    let run = graph(&["web.fw", "-o", "web.fw", "--format", "dot"]);
    assert_eq!(run.status, 2);
    assert!(run.err.contains("it is a file of the policy itself"), "{}", run.err);
    assert_eq!(scene.read("web.fw"), WEB);
}

#[test]
fn services_are_looked_up() {
    let services = |words: &[&str]| palisade([&["services"][..], words].concat()).run();
    let all = services(&[]);
    assert_eq!((all.status, all.err.as_str()), (0, ""));
    assert!(all.out.lines().count() > 100);
    assert!(services(&["ssh"]).out.starts_with("ssh: "));
    for words in [&["5432"][..], &["postgr"], &["tcp", "5432"], &["tcp 5432"]] {
        let run = services(words);
        assert_eq!(run.status, 0);
        assert!(run.out.contains("tcp 5432"), "{words:?}: {}", run.out);
    }
    let run = services(&["htps"]);
    assert_eq!((run.status, run.out.as_str()), (2, ""));
    assert!(run.err.contains("did you mean `"), "{}", run.err);
    let run = services(&["ssh", "--format", "json"]);
    let document: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(document["services"][0]["parts"][0], "tcp 22");
}

/// The first and second fenced policy or dump of a page, if it has any.
fn examples(page: &str) -> Option<(&str, &str)> {
    let kind = if page.contains("```dump\n") { "```dump\n" } else { "```fw\n" };
    let mut blocks = page.split(kind).skip(1).map(|rest| rest.split("```").next().unwrap());
    Some((blocks.next()?, blocks.next()?))
}

#[test]
fn pages_show_policies_that_do_and_do_not_have_the_finding() {
    let mut wrong_pages = Vec::new();
    for lint in catalogue::ALL {
        let Some((wrong, right)) = examples(lint.page) else { continue };
        // What is off is asked for.
        let asked = if lint.level.is_none() { &["--warn", lint.name][..] } else { &[] };
        let (wrong, right) = (codes(&check_text(wrong, asked)), check_text(right, asked));
        if !wrong.contains(lint.name) || codes(&right).contains(lint.name) || right.status != 0 {
            wrong_pages.push((lint.name, wrong, codes(&right)));
        }
    }
    assert!(wrong_pages.is_empty(), "{wrong_pages:#?}");
}

#[test]
fn a_file_is_written_with_the_permissions_it_had() {
    use std::os::unix::fs::PermissionsExt as _;
    let scene = Scene::new(&[("web.fw", WEB), ("rules.v4", "old")]);
    fs::set_permissions(scene.path("rules.v4"), fs::Permissions::from_mode(0o600)).unwrap();
    let run = palisade(["build", "web.fw", "-o", "rules.v4"]).within(&scene).run();
    assert_eq!(run.status, 0, "{}", run.err);
    assert!(run.err.contains("note[ipv6-not-written]"), "{}", run.err);
    assert!(scene.read("rules.v4").contains("*filter"));
    let mode = fs::metadata(scene.path("rules.v4")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
}

#[test]
fn a_proof_that_is_too_much_is_no_fault_of_the_program() {
    // Each limit is a condition of its own to who proves.
    let mut rules = String::new();
    for port in 1..=2_900 {
        writeln!(rules, "allow tcp {port} limit 2/minute").unwrap();
    }
    let scene = Scene::new(&[("web.fw", &rules)]);
    let run = palisade(["build", "web.fw", "-o", "out/"]).within(&scene).run();
    assert_eq!(run.status, 2, "{}", run.err);
    let said = [
        "error[analysis-incomplete]: it is not found out whether filter INPUT of IPv4 differs",
        "at most 8000000 times in all",
        "ask for fewer different ones in one chain",
        "nothing is known to be wrong",
        "`--no-proof`",
    ];
    for said in said {
        assert!(run.err.contains(said), "no {said}: {}", run.err);
    }
    assert!(!run.err.contains("fault of palisade"), "{}", run.err);
    assert!(!scene.files().iter().any(|file| file.starts_with("out/")), "{:?}", scene.files());
    let run = palisade(["build", "web.fw", "--no-proof", "-o", "out/"]).within(&scene).run();
    assert_eq!(run.status, 0, "{}", run.err);
}
