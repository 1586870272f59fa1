//! The kernel is the judge: what it does with real packets is what everybody says that it does.
//!
//! Rulesets are loaded into a namespace, packets from the borders of all that they say are sent through
//! them, and of each packet it is written down where it came to and what became of it. That must be what
//! the policy means, what the trace of the rules tells that were read back from what is printed, and what the
//! set engine says.
//!
//! `cargo test --test conform` judges all examples, all cases, rules of other programs, and some
//! generated policies; `PALISADE_SEEDS=1000 cargo test --release --test conform generated` more of them. It
//! needs root and what `tests/kernel` needs.
//!
//! To read, from the ground up: `netlink` speaks with the kernel, `ground` is a router with wires and a diary
//! (`diary`), `tracked` are the connections that it is told of; `probe` makes the packets, `craft` and
//! `wrap` their bytes. `ruleset` is what is tested, `settle` takes the past out of it. `judge` asks what is
//! to become of one packet (`later` of what follows a packet that was translated), `compare` holds the
//! diary to it, `regions` asks the set engine, `course` and `run` do all that for all, and `shrink` makes a
//! policy with a fault smaller. `states` are those that conntrack gives first packets; `teeth` tests the tests.

#[path = "../kernel/need.rs"]
mod need;
#[path = "../kernel/netns.rs"]
mod netns;

#[path = "../kernel/craft.rs"]
mod craft;
#[path = "../kernel/load.rs"]
#[expect(dead_code, reason = "other tests look at more of it")]
mod load;
mod members;

mod netlink;
mod tracked;
mod wrap;

mod diary;
mod ground;

#[path = "../agreement/files.rs"]
mod files;
#[path = "../agreement/generate.rs"]
mod generate;
#[path = "../agreement/limits.rs"]
mod limits;
#[path = "../agreement/judge.rs"]
#[expect(dead_code, reason = "other tests look at more of it")]
mod rules;
#[path = "../agreement/seen.rs"]
mod seen;

mod probe;
mod ruleset;
mod settle;

mod compare;
mod judge;
mod later;
mod regions;

mod course;
mod run;
mod shrink;

mod generated;
mod states;
mod teeth;
mod written;
