//! Whole or not at all, on a real disk.

use std::os::unix::fs::symlink;

use super::*;

fn write(files: &[(&Path, &str)]) -> Result<(), Failure> {
    let files: Vec<Output> = files.iter().map(|(path, text)| output(path, text)).collect();
    write_all(&files, &[], &Within::default())
}

fn output(path: &Path, text: &str) -> Output {
    Output { path: path.to_owned(), text: text.to_owned(), executable: false }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

#[test]
fn a_new_file_is_written_for_others_to_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.v4");
    write(&[(&path, "new\n")]).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "new\n");
    assert_eq!(mode(&path) & !0o044, 0o600, "less what the umask takes");
    assert_eq!(names(folder.path()), ["rules.v4"]);
}

#[test]
fn permissions_of_an_existing_file_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.v4");
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    write(&[(&path, "new")]).unwrap();
    assert_eq!((fs::read_to_string(&path).unwrap().as_str(), mode(&path)), ("new", 0o640));
}

#[test]
fn a_link_stays_and_its_target_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("real")).unwrap();
    fs::write(at("real/rules"), "old").unwrap();
    symlink("real/rules", at("one")).unwrap();
    symlink(at("one"), at("two")).unwrap();
    symlink("real/none", at("dangling")).unwrap();
    write(&[(&at("two"), "new"), (&at("dangling"), "made")]).unwrap();
    assert!(at("two").is_symlink() && at("one").is_symlink() && at("dangling").is_symlink());
    assert_eq!(fs::read_to_string(at("real/rules")).unwrap(), "new");
    assert_eq!(fs::read_to_string(at("real/none")).unwrap(), "made");
    symlink("ring", at("ring")).unwrap();
    let failure = write(&[(&at("ring"), "x")]).unwrap_err();
    assert!(failure.message.contains("symbolic link"), "{}", failure.message);
}

#[test]
fn nothing_changes_when_one_of_several_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("ipsets"), "old").unwrap();
    fs::create_dir(at("rules.v4")).unwrap();
    let failure = write(&[(&at("ipsets"), "new"), (&at("rules.v4"), "new")]).unwrap_err();
    assert!(failure.message.ends_with("rules.v4: it is a folder"), "{}", failure.message);
    assert_eq!(fs::read_to_string(at("ipsets")).unwrap(), "old");
    assert_eq!(names(folder.path()), ["ipsets", "rules.v4"]);
}

#[test]
fn places_that_take_no_file_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "old").unwrap();
    for (path, why) in [
        (Path::new("/dev/null"), "it is not a regular file"),
        (&file.join("rules.v4"), "not a directory"),
        (&folder.path().join("none/rules.v4"), "there is no folder "),
        (Path::new("/proc/rules.v4"), ""),
    ] {
        let failure = write(&[(path, "new")]).unwrap_err();
        let said = format!("cannot write {}: {why}", path.display());
        assert!(failure.message.starts_with(&said), "{}", failure.message);
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "old");
}

#[test]
fn the_policy_itself_is_never_an_output() {
    let folder = tempfile::tempdir().unwrap();
    let policy = fs::canonicalize(folder.path()).unwrap().join("web.fw");
    fs::write(&policy, "allow ssh").unwrap();
    let link = folder.path().join("link");
    symlink(&policy, &link).unwrap();
    let failure = write_all(&[output(&link, "")], &[&policy], &Within::default()).unwrap_err();
    assert!(failure.message.ends_with("it is a file of the policy itself"));
    assert_eq!(fs::read_to_string(&policy).unwrap(), "allow ssh");
}
