//! `--root`: what somebody else writes does not lead out of the folder.

use std::os::unix::fs::symlink;

use crate::run::{Run, Scene, palisade};

const SECRET: &str = "hush-hush";

/// A repository with a good policy, and beside it what is nobody's business.
fn scene(files: &[(&str, &str)]) -> Scene {
    let scene = Scene::new(files);
    scene.write("repo/web.fw", "include \"parts/ssh.fw\"\nset blocked from \"lists/blocked\"\n");
    scene.write("repo/parts/ssh.fw", "drop any from blocked\nallow ssh\n");
    scene.write("repo/lists/blocked", "192.0.2.66\n");
    scene.write("secret.fw", &format!("{SECRET} {SECRET}\n"));
    scene.write("secrets/a.fw", SECRET);
    scene.write("repository/a.fw", SECRET);
    scene
}

/// Runs commands over a policy; what is outside is not read, and not even said to be there.
fn is_kept(scene: &Scene, policy: &str, said: &str) {
    for command in [
        &["check"][..],
        &["check", "--format", "json"],
        &["build"],
        &["show"],
        &["test"],
        &["graph"],
    ] {
        let run = palisade([command, &["--root", "repo", policy]].concat()).within(scene).run();
        refused(&run, policy, said);
    }
    let question = ["query", "--root", "repo", policy, "allow ssh"];
    refused(&palisade(question).within(scene).run(), policy, said);
    let packet = ["trace", "--root", "repo", policy, "tcp 192.0.2.5:1 -> self:22 in eth0"];
    refused(&palisade(packet).within(scene).run(), policy, said);
    let both = ["diff", "--root", "repo", policy, policy];
    refused(&palisade(both).within(scene).run(), policy, said);
}

fn refused(run: &Run, policy: &str, said: &str) {
    assert_eq!(run.status, 2, "{policy}: {}{}", run.out, run.err);
    let all = format!("{}{}", run.out, run.err);
    assert!(all.contains(said), "{policy}: {all}");
    assert!(!all.contains(SECRET) && !all.contains("no such file"), "{policy}: {all}");
}

const OUTSIDE: &str = "it is outside of repo, the folder of `--root`";

#[test]
fn a_policy_that_stays_in_its_folder_is_as_without() {
    let scene = scene(&[]);
    symlink("parts/ssh.fw", scene.path("repo/link.fw")).unwrap();
    scene.write("repo/by-link.fw", "set blocked from \"lists/blocked\"\ninclude \"link.fw\"\n");
    for policy in ["repo/web.fw", "repo/by-link.fw"] {
        for command in ["check", "build", "test", "graph"] {
            let without = palisade([command, policy]).within(&scene).run();
            let within = palisade([command, "--root", "repo", policy]).within(&scene).run();
            assert_eq!(within.status, 0, "{}", within.err);
            assert_eq!((within.out, within.err), (without.out, without.err));
        }
    }
    let run = palisade(["check", "--root", ".", "."]).within(&scene).run();
    assert_eq!(run.status, 1, "{}", run.err);
}

#[test]
fn what_a_policy_names_is_not_outside() {
    let scene = scene(&[]);
    let absolute = scene.path("secret.fw");
    let absolute = absolute.to_str().unwrap();
    symlink("../secret.fw", scene.path("repo/link.fw")).unwrap();
    symlink(absolute, scene.path("repo/absolute.fw")).unwrap();
    symlink("..", scene.path("repo/up")).unwrap();
    symlink("link.fw", scene.path("repo/twice.fw")).unwrap();
    let names = [
        "../secret.fw",
        "../none.fw",
        "parts/../../secret.fw",
        "../repository/a.fw",
        absolute,
        "/etc/passwd",
        "/etc/none",
        "link.fw",
        "absolute.fw",
        "twice.fw",
        "up/secret.fw",
        "../secrets/*.fw",
        "../nothing/*.fw",
        "up/secrets/*.fw",
        "../*.fw",
        "l?nk.fw",
        "/etc/pass*",
        "*/secret.fw",
        "*/../../secret.fw",
    ];
    for name in names {
        scene.write("repo/bad.fw", &format!("include \"{name}\"\n"));
        let run = palisade(["check", "--root", "repo", "repo/bad.fw"]).within(&scene).run();
        refused(&run, name, OUTSIDE);
        if !name.contains(['*', '?']) {
            scene.write("repo/bad.fw", &format!("set a from \"{name}\"\ndrop any from a\n"));
            let run = palisade(["check", "--root", "repo", "repo/bad.fw"]).within(&scene).run();
            refused(&run, name, OUTSIDE);
        }
    }
    // Whatever the command is.
    is_kept(&scene, "repo/bad.fw", OUTSIDE);
    // A module is a name in the library, and never a file.
    scene.write("repo/bad.fw", "use \"../secret\"\nuse secret\n");
    let run = palisade(["check", "--root", "repo", "repo/bad.fw"]).within(&scene).run();
    assert_eq!(run.status, 1);
    assert!(!run.err.contains(SECRET), "{}", run.err);
}

#[test]
fn a_policy_that_is_a_link_out_is_not_read() {
    let scene = scene(&[]);
    symlink("../secret.fw", scene.path("repo/link.fw")).unwrap();
    symlink("../secrets", scene.path("repo/folder")).unwrap();
    is_kept(&scene, "repo/link.fw", OUTSIDE);
    is_kept(&scene, "repo/folder/a.fw", OUTSIDE);
    for path in ["repo", "repo/folder"] {
        let run = palisade(["check", "--root", "repo", path]).within(&scene).run();
        refused(&run, path, OUTSIDE);
    }
}

#[test]
fn settings_and_standard_input_stay_inside() {
    let scene = scene(&[("palisade.toml", SECRET)]);
    symlink("../palisade.toml", scene.path("repo/palisade.toml")).unwrap();
    let run = palisade(["check", "--root", "repo", "repo/web.fw"]).within(&scene).run();
    refused(&run, "palisade.toml", OUTSIDE);
    let scene = self::scene(&[]);
    for (text, status) in [
        ("include \"repo/parts/ssh.fw\"\nset blocked = 192.0.2.1\n", 0),
        ("include \"secret.fw\"\n", 2),
        ("include \"repo/../secret.fw\"\n", 2),
    ] {
        let call = palisade(["check", "--root", "repo", "-"]).within(&scene);
        let run = call.stdin(text.as_bytes()).run();
        assert_eq!(run.status, status, "{text}: {}", run.err);
        assert!(!run.err.contains(SECRET), "{}", run.err);
    }
}

#[test]
fn nothing_is_written_through_a_link_out_of_the_folder() {
    let scene = scene(&[("home/.profile", "old"), ("out/note", "")]);
    symlink("../home/.profile", scene.path("repo/rules.v4")).unwrap();
    symlink("../home", scene.path("repo/out")).unwrap();
    scene.write("repo/spare.fw", "allow ssh\nallow tcp 22\n");
    let build = |output: &str| {
        palisade(["build", "--root", "repo", "repo/web.fw", "-o", output]).within(&scene).run()
    };
    for output in ["repo/rules.v4", "repo/out/", "repo/out/new/", "repo/out/x.v4", "repo/"] {
        let run = build(output);
        refused(&run, output, OUTSIDE);
    }
    assert_eq!(scene.read("home/.profile"), "old");
    assert_eq!(scene.files().iter().filter(|path| path.starts_with("home")).count(), 2);
    // The caller's own place is no link of the folder.
    let run = build("out/");
    assert_eq!(run.status, 0, "{}", run.err);
    let run = palisade(["check", "--fix", "--root", "repo", "repo/spare.fw"]).within(&scene).run();
    assert_eq!((run.status, scene.read("repo/spare.fw").as_str()), (0, "allow ssh\n"));
}

#[test]
fn a_folder_that_is_not_there_is_said() {
    let scene = scene(&[]);
    let run = palisade(["check", "--root", "none", "repo/web.fw"]).within(&scene).run();
    assert_eq!(run.status, 2);
    assert!(run.err.contains("cannot stay in none: no such file or directory"), "{}", run.err);
}
