//! One network namespace: an empty machine of its own, as far as the network goes.
//!
//! It has no name in `/run/netns` and no process in it: an open file keeps it, and the kernel
//! removes it with all its interfaces and rules when that file is closed. So there is nothing to
//! clean up and nothing that two tests could both call theirs.

use std::fs::{self, File};
use std::io::{Seek, Write};
use std::os::fd::AsRawFd;
use std::panic::resume_unwind;
use std::process::{self, Command, Stdio};
use std::thread;

use nix::sched::{CloneFlags, setns, unshare};

use crate::need;

pub struct Namespace {
    net: File,
}

impl Namespace {
    /// A new namespace with nothing but a loopback interface, which is up.
    pub fn new() -> Self {
        // A thread has its own namespace, and leaves it by ending.
        let net = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("root may unshare the network");
            File::open("/proc/thread-self/ns/net").expect("/proc is mounted")
        });
        let net = net.join().unwrap_or_else(|panic| resume_unwind(panic));
        let namespace = Self { net };
        namespace.ip("link set lo up");
        namespace
    }

    /// What `work` returns when a thread inside the namespace does it.
    ///
    /// A socket belongs to the namespace it was made in, so `work` may return it to be used from
    /// outside.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(&self.net, CloneFlags::CLONE_NEWNET).expect("root may enter a namespace");
                work()
            });
            inside.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    /// What a command prints that runs inside with `input`, or, if it fails, what it complains
    /// about.
    pub fn output(&self, program: &str, arguments: &[&str], input: &str) -> Result<String, String> {
        // A process begins in the namespace of the thread that starts it.
        self.run(|| {
            let mut command = Command::new(program);
            output(command.args(arguments).env("PATH", need::path()), input)
        })
    }

    /// Runs `ip` inside, once for each line of `batch`.
    pub fn ip(&self, batch: &str) {
        self.output("ip", &["-batch", "-"], batch)
            .unwrap_or_else(|error| panic!("ip could not do\n{batch}\n{error}"));
    }

    /// The same for lines that say not of which family they are, which is `-4` or `-6`.
    pub fn ip_of(&self, family: &str, batch: &str) {
        self.output("ip", &[family, "-batch", "-"], batch)
            .unwrap_or_else(|error| panic!("ip {family} could not do\n{batch}\n{error}"));
    }

    /// Sets a kernel parameter of this namespace, as in `net/ipv4/ip_forward`.
    pub fn set(&self, parameter: &str, value: &str) {
        // /proc/sys/net shows each thread the parameters of its own namespace.
        self.run(|| fs::write(format!("/proc/sys/{parameter}"), value))
            .unwrap_or_else(|error| panic!("cannot set {parameter} to {value}: {error}"));
    }

    /// A path by which another process can open the namespace, while this value lives.
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", process::id(), self.net.as_raw_fd())
    }
}

fn output(command: &mut Command, input: &str) -> Result<String, String> {
    // A file, not a pipe: a program that stops reading early can then neither block nor break us.
    let mut stdin = tempfile::tempfile().expect("a temporary file can be made");
    stdin.write_all(input.as_bytes()).and_then(|()| stdin.rewind()).expect("and written");
    let output = command.stdin(Stdio::from(stdin)).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)))
    }
}
