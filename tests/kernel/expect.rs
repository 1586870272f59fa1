//! What a test says about traffic.

use std::net::IpAddr;
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use crate::netns::Namespace;
use crate::probe::{Outcome, Probe};

/// How long what should be answered may take: only a failing test waits that long, so a busy
/// machine costs nothing.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long silence must last to be believed: every passing test waits that long. An answer within
/// these namespaces takes less than a millisecond.
const SILENCE: Duration = Duration::from_millis(400);

/// The probe is answered, and the server saw it come from `seen_as`.
#[track_caller]
pub fn arrives(from: &Namespace, probe: Probe, seen_as: IpAddr) {
    let answer = Outcome::Answered { peer_seen_by_server: seen_as };
    assert_eq!(probe.send(from, PATIENCE), answer, "{probe:?}");
}

#[track_caller]
pub fn echoes(from: &Namespace, to: IpAddr) {
    assert_eq!(Probe::Echo(to).send(from, PATIENCE), Outcome::Echoed, "echo to {to}");
}

/// Each of the probes is dropped without a word. They are sent at the same time, so that there is
/// one silence to wait for.
#[track_caller]
pub fn silent(from: &Namespace, probes: &[Probe]) {
    let outcomes: Vec<Outcome> = thread::scope(|scope| {
        let spawn = |probe: &Probe| {
            let probe = *probe;
            scope.spawn(move || probe.send(from, SILENCE))
        };
        let sent: Vec<_> = probes.iter().map(spawn).collect();
        let outcomes = sent.into_iter().map(ScopedJoinHandle::join);
        outcomes.map(|outcome| outcome.expect("a probe reports")).collect()
    });
    for (probe, outcome) in probes.iter().zip(outcomes) {
        assert_eq!(outcome, Outcome::TimedOut, "{probe:?}");
    }
}
