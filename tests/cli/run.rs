//! Calling the program, in a folder of its own.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A folder that is gone after the test.
pub struct Scene {
    folder: tempfile::TempDir,
}

impl Scene {
    pub fn new(files: &[(&str, &str)]) -> Self {
        let scene = Scene { folder: tempfile::tempdir().unwrap() };
        for (name, text) in files {
            scene.write(name, text);
        }
        scene
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn make_fifo(&self, name: &str) {
        assert!(Command::new("mkfifo").arg(self.path(name)).status().unwrap().success());
    }

    /// Every path in the folder, sorted; so a temporary file left behind is seen.
    pub fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(self.folder.path()).unwrap();
                found.push(name.to_str().unwrap().to_owned());
                if path.is_dir() && !path.is_symlink() {
                    folders.push(path);
                }
            }
        }
        found.sort_unstable();
        found
    }
}

/// What a run of the program left.
#[derive(Debug)]
pub struct Run {
    pub status: i32,
    pub out: String,
    pub err: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Run {
            // Ended by a signal is never right.
            status: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

pub struct Call {
    command: Command,
    stdin: Vec<u8>,
}

/// The program with these arguments; nothing runs yet.
pub fn palisade<A: Into<OsString>>(arguments: impl IntoIterator<Item = A>) -> Call {
    let mut command = Command::new(env!("CARGO_BIN_EXE_palisade"));
    command.args(arguments.into_iter().map(Into::into));
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
        command.env_remove(name);
    }
    Call { command, stdin: Vec::new() }
}

impl Call {
    pub fn within(mut self, scene: &Scene) -> Self {
        self.command.current_dir(scene.folder.path());
        self
    }

    pub fn stdin(mut self, text: &[u8]) -> Self {
        self.stdin = text.to_vec();
        self
    }

    pub fn run(mut self) -> Run {
        let command = self.command.stdin(Stdio::piped());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Short enough for a pipe; a program that does not read it may be gone already.
        let _ = child.stdin.take().unwrap().write_all(&self.stdin);
        child.wait_with_output().unwrap().into()
    }

    /// Runs it with a standard output that nobody reads.
    pub fn into_closed_pipe(mut self) -> Run {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        self.command.stdin(Stdio::null()).stdout(writer).output().unwrap().into()
    }

    /// Runs it with a file as standard output.
    pub fn into_file(mut self, path: impl AsRef<Path>) -> Run {
        let file = File::options().write(true).open(path).unwrap();
        self.command.stdin(Stdio::null()).stdout(file).output().unwrap().into()
    }
}
