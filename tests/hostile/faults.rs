//! What goes wrong around the program: disks, folders, signals, readers. What was there stays, or is
//! replaced whole, and the message says what happened.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::unistd::Uid;
use palisade::packet::Random;

use crate::run::{Run, Scene, palisade};

const FILES: [&str; 4] = ["load", "ipsets", "rules.v6", "rules.v4"];

/// A policy of so many rules.
fn policy(rules: u32, port: u32) -> String {
    let rule = |at: u32| format!("allow tcp {} from 10.0.{}.{}\n", port + at, at >> 8, at & 255);
    (0..rules).map(rule).collect()
}

fn outputs(scene: &Scene) -> Vec<String> {
    FILES.iter().map(|name| scene.read(&format!("out/{name}"))).collect()
}

/// Temporary files in a folder, as they are named.
fn left_behind(scene: &Scene) -> Vec<String> {
    scene.files().into_iter().filter(|path| path.starts_with("out/.")).collect()
}

fn build(scene: &Scene, policy: &str) -> Run {
    palisade(["build", policy, "-o", "out/"]).within(scene).run()
}

/// Fills a file system of 64 KiB until old rules are all that it has room for.
const FULL_DISK: &str = "mount -t tmpfs -o size=64k none out && cp old/* out/ \
    && { cat /dev/zero > out/fill 2>/dev/null; \"$@\" > said 2>&1; echo $? > status; \
    cp -a out kept; }";

#[test]
fn a_full_disk_leaves_the_old_files() {
    if !Uid::effective().is_root() {
        eprintln!("LEFT OUT: a full disk, which only root can make");
        return;
    }
    let scene = Scene::new(&[("new.fw", &policy(200, 1_000)), ("out/.keep", "")]);
    fs::remove_file(scene.path("out/.keep")).unwrap();
    for name in FILES {
        scene.write(&format!("old/{name}"), "old\n");
    }
    let program = env!("CARGO_BIN_EXE_palisade");
    let mut alone = Command::new("unshare");
    alone.args(["--mount", "sh", "-c", FULL_DISK, "sh", program, "build", "new.fw", "-o", "out/"]);
    let run = alone.current_dir(scene.path("")).output().unwrap();
    assert!(run.status.success(), "{run:?}");
    let (status, said) = (scene.read("status"), scene.read("said"));
    assert_eq!(status, "2\n", "{said}");
    assert!(said.contains("cannot write out/") && said.contains("no space left"), "{said}");
    for name in FILES {
        assert_eq!(scene.read(&format!("kept/{name}")), "old\n", "{name}");
    }
    let kept: Vec<String> =
        scene.files().into_iter().filter(|path| path.starts_with("kept/")).collect();
    assert_eq!(kept.len(), FILES.len() + 1, "nothing is left behind: {kept:?}");
}

#[test]
fn a_full_disk_under_standard_output_is_said() {
    let scene = Scene::new(&[("web.fw", "allow ssh\n")]);
    for command in ["build", "show", "graph"] {
        let run = palisade([command, "web.fw"]).within(&scene).into_file("/dev/full");
        assert_eq!(run.status, 2, "{command}: {}", run.err);
        let said = "cannot write to standard output: no space left";
        assert!(run.err.contains(said), "{command}: {}", run.err);
    }
}

#[test]
fn places_that_take_no_output_are_said() {
    let scene = Scene::new(&[("web.fw", "allow ssh\n"), ("folder/rules.v4/x", ""), ("file", "")]);
    symlink("ring", scene.path("ring")).unwrap();
    for (output, said) in [
        ("/dev/full", "it is not a regular file"),
        ("/dev/null", "it is not a regular file"),
        ("none/rules.v4", "there is no folder none"),
        ("file/rules.v4", "cannot write file/rules.v4"),
        ("file/", "cannot create the folder file"),
        ("ring", "symbolic links"),
        ("folder/", "cannot write folder/rules.v4: it is a folder"),
    ] {
        let run = palisade(["build", "web.fw", "-o", output]).within(&scene).run();
        assert_eq!(run.status, 2, "{output}: {}", run.err);
        assert!(run.err.contains(said), "{output}: {}", run.err);
    }
    assert_eq!(
        scene.files(),
        ["file", "folder", "folder/rules.v4", "folder/rules.v4/x", "ring", "web.fw"]
    );
}

#[test]
fn a_folder_that_goes_while_it_is_written_to_is_no_panic() {
    let scene = Scene::new(&[("web.fw", &policy(50, 1_000))]);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let _ = fs::remove_dir_all(scene.path("out"));
            }
        });
        for _ in 0..20 {
            let run = build(&scene, "web.fw");
            assert!(matches!(run.status, 0 | 2), "{}", run.err);
            assert!(run.status == 0 || run.err.contains("error: cannot "), "{}", run.err);
        }
        done.store(true, Ordering::Relaxed);
    });
}

/// Ends the program at a moment of its run.
fn killed(scene: &Scene, policy: &str, after: Duration) {
    let program = env!("CARGO_BIN_EXE_palisade");
    let mut command = Command::new(program);
    command.args(["build", policy, "-o", "out/"]).current_dir(scene.path(""));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    thread::sleep(after);
    // It may have ended by itself.
    let _ = child.kill();
    child.wait().unwrap();
}

/// Tools that take whatever they get.
const IDLE: [(&str, &str); 5] = [
    ("IPTABLES_SAVE", "true"),
    ("IP6TABLES_SAVE", "true"),
    ("IPTABLES_RESTORE", "true"),
    ("IP6TABLES_RESTORE", "true"),
    ("IPSET", "true"),
];

/// The script loads files of one build, and refuses those of two.
fn is_loaded_as_one(scene: &Scene, builds: &[&Vec<String>]) {
    let is_one = builds.contains(&&outputs(scene));
    let mut script = Command::new("sh");
    script.arg(scene.path("out/load")).envs(IDLE);
    let run = script.output().unwrap();
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    assert_eq!(run.status.success(), is_one, "{said}");
    assert!(is_one || said.contains("is not of the same build as"), "{said}");
}

/// Whatever a build that is cut off leaves: it goes through the files in their order.
#[test]
fn files_of_two_builds_are_not_loaded() {
    let scene = Scene::new(&[("a.fw", "allow ssh\n"), ("b.fw", "allow http\n")]);
    let builds = ["a.fw", "b.fw"].map(|policy| {
        assert_eq!(build(&scene, policy).status, 0);
        outputs(&scene)
    });
    let both = builds.each_ref();
    for mixture in 0..1 << FILES.len() {
        for (at, name) in FILES.iter().enumerate() {
            scene.write(&format!("out/{name}"), &builds[mixture >> at & 1][at]);
        }
        is_loaded_as_one(&scene, &both);
    }
    // What says nothing of itself is of no build.
    scene.write("out/rules.v4", "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n");
    is_loaded_as_one(&scene, &both);
}

#[test]
fn a_killed_program_leaves_each_file_whole() {
    let scene = Scene::new(&[("a.fw", &policy(300, 1_000)), ("b.fw", &policy(300, 2_000))]);
    let texts = ["a.fw", "b.fw"].map(|policy| {
        let start = Instant::now();
        assert_eq!(build(&scene, policy).status, 0);
        (outputs(&scene), start.elapsed())
    });
    let whole = texts[0].1.max(texts[1].1);
    let mut random = Random::new(9);
    for turn in 0..40 {
        let policy = ["a.fw", "b.fw"][turn % 2];
        // Most of the time goes before the first byte is written: late moments more often.
        let part = 1_000 - u32::try_from(random.index(30) * random.index(30)).unwrap();
        killed(&scene, policy, whole * part / 1_000);
        for (index, text) in outputs(&scene).iter().enumerate() {
            let is_whole = texts.iter().any(|(known, _)| known[index] == *text);
            assert!(is_whole, "turn {turn}: {} is neither old nor new", FILES[index]);
        }
        is_loaded_as_one(&scene, &texts.each_ref().map(|(known, _)| known));
        for left in left_behind(&scene) {
            let named = FILES.iter().any(|name| left.starts_with(&format!("out/.{name}.")));
            assert!(named, "{left} does not say what it was to be");
        }
    }
    // What is left does not stand in the way.
    assert_eq!(build(&scene, "a.fw").status, 0);
    assert_eq!(outputs(&scene), texts[0].0);
}

#[test]
fn readers_that_go_away_are_no_failure() {
    let scene = Scene::new(&[
        ("web.fw", "allow ssh\nassert allow ssh\n"),
        ("other.fw", "allow http\n"),
        ("bad.fw", "allow shh\n"),
    ]);
    assert_eq!(build(&scene, "web.fw").status, 0);
    let packet = "tcp 192.0.2.5:40000 -> self:22 in eth0";
    for (arguments, status) in [
        (&["check", "bad.fw", "--format", "json"][..], 1),
        (&["check", "bad.fw", "--format", "sarif"], 1),
        (&["check", "bad.fw", "--format", "github"], 1),
        (&["check", "web.fw"], 0),
        (&["build", "web.fw"], 0),
        (&["build", "web.fw", "--emit", "json"], 0),
        (&["verify", "web.fw", "out/rules.v4", "out/rules.v6"], 0),
        (&["import", "out/rules.v4"], 0),
        (&["diff", "web.fw", "other.fw"], 1),
        (&["show", "web.fw"], 0),
        (&["trace", "web.fw", packet], 0),
        (&["query", "web.fw", "allow ssh"], 0),
        (&["test", "web.fw"], 0),
        (&["graph", "web.fw"], 0),
        (&["services"], 0),
        (&["explain"], 0),
        (&["--help"], 0),
    ] {
        let run = palisade(arguments).within(&scene).into_closed_pipe();
        assert_eq!(run.status, status, "{arguments:?}: {}", run.err);
        assert!(!run.err.contains("panicked") && !run.err.contains("roken pipe"), "{}", run.err);
    }
    // Long enough to fill a pipe.
    scene.write("long.fw", &policy(1_000, 1_000));
    let program = env!("CARGO_BIN_EXE_palisade");
    let pipe = "{ \"$1\" build long.fw 2> said; echo $? > status; } | head -n 1";
    let mut command = Command::new("sh");
    command.args(["-c", pipe, "sh", program]).current_dir(scene.path(""));
    let run = command.output().unwrap();
    assert!(run.stdout.starts_with(b"# "), "{run:?}");
    assert_eq!(scene.read("status"), "0\n", "{}", scene.read("said"));
}

#[test]
fn findings_that_nobody_reads_are_no_panic() {
    let scene = Scene::new(&[("bad.fw", "allow shh\n")]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_palisade"));
    command.args(["check", "bad.fw"]).current_dir(scene.path("")).stderr(writer);
    assert_eq!(command.status().unwrap().code(), Some(1));
}

#[test]
fn files_that_cannot_be_read_are_said() {
    let scene = Scene::new(&[("folder/x", "")]);
    scene.make_fifo("fifo");
    symlink("ring", scene.path("ring")).unwrap();
    symlink("nowhere", scene.path("dangling")).unwrap();
    symlink("folder", scene.path("link")).unwrap();
    let mut cases = vec![
        ("folder", "it is a folder"),
        ("link", "it is a folder"),
        ("fifo", "it is not a regular file"),
        ("/dev/zero", "it is not a regular file"),
        ("ring", "too many levels of symbolic links"),
        ("dangling", "no such file or directory"),
        ("folder/x/y", "not a directory"),
    ];
    if !Uid::effective().is_root() {
        scene.write("locked", "allow ssh\n");
        let locked = Command::new("chmod").arg("000").arg(scene.path("locked")).status().unwrap();
        assert!(locked.success());
        cases.push(("locked", "permission denied"));
    }
    for (name, said) in cases {
        for text in [format!("include \"{name}\"\n"), format!("set a from \"{name}\"\n")] {
            scene.write("web.fw", &text);
            let run = palisade(["build", "web.fw", "-o", "rules.v4"]).within(&scene).run();
            assert_eq!(run.status, 2, "{text}: {}", run.err);
            assert!(run.err.contains(said) && run.err.contains("web.fw:1:"), "{text}: {}", run.err);
            assert!(!Path::new(&scene.path("rules.v4")).exists());
        }
    }
    // Links to folders that lead back are no way without an end.
    symlink("..", scene.path("folder/up")).unwrap();
    scene.write("web.fw", "include \"folder/up/folder/up/folder/*.fw\"\n");
    let run = palisade(["check", "."]).within(&scene).run();
    assert_eq!(run.status, 0, "{}", run.err);
}

/// What is written is one of the policies that were there, whole; a text that was caught in the middle is
/// told, or is what it is.
#[test]
fn a_policy_that_changes_while_it_is_read_is_one_or_the_other() {
    let scene = Scene::new(&[("out/x", "")]);
    let texts = [policy(400, 1_000), policy(400, 2_000)];
    let built = texts.clone().map(|text| {
        scene.write("web.fw", &text);
        assert_eq!(build(&scene, "web.fw").status, 0);
        outputs(&scene)
    });
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for turn in 0.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                scene.write("next.fw", &texts[turn % 2]);
                fs::rename(scene.path("next.fw"), scene.path("web.fw")).unwrap();
            }
        });
        for _ in 0..15 {
            assert_eq!(build(&scene, "web.fw").status, 0);
            assert!(built.contains(&outputs(&scene)));
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn standard_input_that_ends_early_is_what_it_is() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_palisade"));
    let command = command.args(["build", "-"]).stdin(Stdio::null());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success() && text.ends_with("COMMIT\n"), "{text}");
}
