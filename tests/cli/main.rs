//! The program as people and scripts call it: exit status, messages, files.

mod compare;
mod dumps;
mod import;
mod promises;
mod queries;
mod run;
mod sets;

mod policies;

mod findings;
mod fixes;

mod settings;
mod trace;

use std::fs;

use run::{Scene, palisade};

#[test]
fn wrong_usage_is_status_2_with_a_way_out() {
    for (arguments, said) in [
        (&["chek"][..], "similar subcommand exists: 'check'"),
        (&["check"], "<PATH>"),
        (&["check", "--formt", "json", "x"], "--format"),
        (&["build"], "<FILE>"),
        (&["build", "x", "--emit", "v5"], "v4, v6, ipsets, load, nft, plan, json"),
        (&["check", "--deny", "host-bit", "x"], "did you mean `host-bits`?"),
        (&["check", "--allow", "syntax-error", "x"], "`syntax-error` cannot be lowered"),
        (&["check", "--allow", "host-bits", "--deny", "host-bits", "x"], "given two levels"),
        (&["explain", "hostbits"], "did you mean `host-bits`?"),
        (&["explain", "nothing-like-it"], "`palisade explain` lists them all"),
        (&["build", "x", "-o", ".", "--emit", "v4"], "the output is a folder"),
    ] {
        let run = palisade(arguments).run();
        assert_eq!(run.status, 2, "{arguments:?}: {}", run.err);
        assert!(run.err.contains(said), "{arguments:?}: {}", run.err);
        assert_eq!(run.out, "", "{arguments:?}");
    }
}

#[test]
fn help_and_version_are_clean() {
    for arguments in [&["--help"][..], &["check", "--help"], &["build", "-h"], &["--version"]] {
        let run = palisade(arguments).run();
        assert_eq!((run.status, run.err.as_str()), (0, ""), "{arguments:?}");
        assert!(!run.out.is_empty());
    }
    assert!(palisade(["--help"]).run().out.contains("Exit status:"));
}

#[test]
fn every_lint_is_listed_and_explained() {
    let list = palisade(["explain"]).run();
    assert_eq!(list.status, 0);
    let names = list.out.lines().map(|line| line.split(' ').next().unwrap());
    let mut count = 0;
    for name in names {
        let page = palisade(["explain", name]).run();
        assert_eq!(page.status, 0);
        assert!(page.out.starts_with(&format!("# {name}\n")), "{}", page.out);
        count += 1;
    }
    assert_eq!(count, palisade::diagnostic::catalogue::ALL.len());
}

#[test]
fn what_cannot_be_read_is_status_2() {
    let scene = Scene::new(&[("folder/notes.txt", "")]);
    scene.make_fifo("fifo");
    for (path, said) in [
        ("none.fw", "cannot read none.fw: no such file or directory"),
        ("fifo", "cannot read fifo: it is not a regular file"),
        ("/dev/null", "cannot read /dev/null: it is not a regular file"),
    ] {
        for command in ["check", "build", "show", "graph"] {
            let run = palisade([command, path]).within(&scene).run();
            assert_eq!((run.status, run.out.as_str()), (2, ""), "{command} {path}: {}", run.err);
            assert!(run.err.contains(said), "{command} {path}: {}", run.err);
        }
    }
    let run = palisade(["build", "folder"]).within(&scene).run();
    assert_eq!((run.status, run.out.as_str()), (2, ""));
    assert!(run.err.contains("cannot read folder: it is a folder"), "{}", run.err);
    let run = palisade(["check", "folder"]).within(&scene).run();
    assert_eq!((run.status, run.out.as_str()), (2, ""));
    assert!(run.err.contains("there is no policy in folder"), "{}", run.err);
}

#[test]
fn a_text_that_is_none_is_a_fault_of_the_policy() {
    let scene = Scene::new(&[]);
    fs::write(scene.path("latin1.fw"), b"# gr\xf6\xdfe\nallow ssh\n").unwrap();
    let run = palisade(["check", "latin1.fw"]).within(&scene).run();
    assert_eq!(run.status, 1);
    assert!(run.err.contains("error[not-utf8]: `latin1.fw` is not UTF-8 text"), "{}", run.err);
    assert!(run.err.contains("offset 4"), "{}", run.err);
    assert!(run.err.ends_with("latin1.fw: 1 error\n"), "{}", run.err);

    let run = palisade(["check", "--format", "json", "latin1.fw"]).within(&scene).run();
    assert_eq!((run.status, run.err.as_str()), (1, ""));
    let document: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(document["version"], 1);
    assert_eq!(document["findings"][0]["code"], "not-utf8");
    assert_eq!(document["findings"][0].get("file"), None);
    assert_eq!(document["summary"]["errors"], 1);

    let huge = fs::File::create(scene.path("huge.fw")).unwrap();
    huge.set_len(81 << 20).unwrap();
    let run = palisade(["check", "huge.fw"]).within(&scene).run();
    assert_eq!(run.status, 1);
    assert!(run.err.contains("error[file-too-large]"), "{}", run.err);
}

#[test]
fn nothing_is_written_for_a_policy_at_fault() {
    let scene = Scene::new(&[("rules.v4", "old"), ("rules/rules.v4", "old")]);
    fs::write(scene.path("bad.fw"), b"\xff").unwrap();
    for output in ["rules.v4", "rules", "rules/", "new/"] {
        let run = palisade(["build", "bad.fw", "-o", output]).within(&scene).run();
        assert_eq!(run.status, 1, "{}", run.err);
        // Not asked for what would be only a consequence.
        assert!(!run.err.contains("ipv6-not-written"), "{}", run.err);
    }
    assert_eq!(scene.read("rules.v4"), "old");
    assert_eq!(scene.files(), ["bad.fw", "rules", "rules.v4", "rules/rules.v4"]);
}

#[test]
fn the_worst_of_several_paths_is_the_status() {
    let scene = Scene::new(&[]);
    fs::write(scene.path("bad.fw"), b"\xff").unwrap();
    let run = palisade(["check", "bad.fw", "none.fw"]).within(&scene).run();
    assert_eq!(run.status, 2);
    assert!(run.err.contains("not-utf8") && run.err.contains("cannot read none.fw"), "{}", run.err);
}

#[test]
fn standard_input_is_read_once() {
    let run = palisade(["check", "-", "-"]).stdin(b"\xff").run();
    assert_eq!(run.status, 1);
    assert!(run.err.ends_with("\n<stdin>: 1 error\n"), "{}", run.err);
}

#[test]
fn colours_follow_the_flag() {
    let coloured = |choice: &str| {
        let run = palisade(["check", "-", "--color", choice]).stdin(b"\xff").run();
        assert_eq!(run.status, 1);
        run.err.contains("\x1b[")
    };
    assert!(coloured("always"));
    assert!(!coloured("never"));
    assert!(!coloured("auto"), "standard error is no terminal here");
}

#[test]
fn names_with_control_characters_do_not_reach_the_terminal() {
    let run = palisade(["check", "\x1b[31mred.fw"]).run();
    assert_eq!(run.status, 2);
    assert!(run.err.contains("\\u{1b}[31mred.fw") && !run.err.contains('\x1b'), "{}", run.err);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let run = palisade(["explain"]).into_closed_pipe();
    assert_eq!((run.status, run.err.as_str()), (0, ""));
}

#[test]
fn a_full_disk_under_standard_output_is_status_2() {
    let run = palisade(["explain"]).into_file("/dev/full");
    assert_eq!(run.status, 2);
    assert!(run.err.contains("cannot write to standard output: no space left"), "{}", run.err);
}

#[test]
fn a_picture_is_drawn_as_its_name_says() {
    let scene = Scene::new(&[("web.fw", "allow ssh\n")]);
    let graph = |output: &[&str]| {
        palisade([&["graph", "web.fw", "-o"][..], output].concat()).within(&scene).run()
    };
    let run = graph(&["web.png"]);
    assert_eq!(run.status, 2, "{}", run.err);
    assert!(run.err.contains("nothing is drawn as `.png`"), "{}", run.err);
    assert!(run.err.contains("dot -Tpng"), "{}", run.err);
    assert_eq!(scene.files(), ["web.fw"]);
    assert_eq!(graph(&["web.png", "--format", "dot"]).status, 0);
    assert_eq!(graph(&["web"]).status, 0);
    assert!(scene.read("web").starts_with("digraph"));
}

#[test]
fn standard_input_is_one_text_in_every_command() {
    for arguments in [
        &["verify", "-", "-"][..],
        &["verify", "web.fw", "-", "-"],
        &["diff", "-", "-"],
        &["test", "-", "--on", "-"],
        &["query", "-", "-", "allow ssh"],
        &["import", "-", "-"],
    ] {
        let run = palisade(arguments.iter().copied()).stdin(b"allow ssh\n").run();
        assert_eq!(run.status, 2, "{arguments:?}");
        assert!(run.err.contains("standard input is given twice"), "{arguments:?}: {}", run.err);
    }
}
