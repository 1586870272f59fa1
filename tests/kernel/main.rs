//! Real rules in a real kernel, with real traffic.
//!
//! A rules file that reads well proves nothing; what counts is what the kernel does with it. These
//! tests load rules files with `iptables-restore` and `ip6tables-restore`, the legacy and the nft
//! ones, and with `nft`, into network namespaces of their own, read them back, and open sockets
//! through them. The
//! namespaces have no name: each is held by an open file, so it is gone when the test ends, also
//! when it panics or is killed. The machine's own rules are never touched.
//!
//! Run them with `scripts/test` or `sudo cargo test --test kernel`. They need root, both variants
//! of iptables, nft, ipset, iproute2 and shellcheck. Where one is missing each test prints a line that
//! begins with `SKIPPED:` and passes; with `PALISADE_KERNEL=required` in the environment it fails.
//!
//! To read, from the ground up: `netns` is one namespace, `load` puts rules into it and
//! `normal` compares them with what comes out, `world` joins
//! five of them to a small internet, `probe` asks there and `serve` answers, `expect` is what a
//! test says about the answer; `eyes` see what a packet looks like on the way, and `uplinks` are a world
//! with two ways out. `examples` are the policies and what each must let through,
//! `policies` are the example policies of whole machines. `compiled` are the rules as the compiler makes them, `hand` as a person writes them. An example
//! takes its rules as an argument, so that the same traffic judges whatever wrote the rules.
//! `ftp` is a session whose second connection only a helper lets pass, `helpers` the policies that
//! name one; `untracked` are those that keep packets from conntrack.
//! `windows` sends packets at the right and at the wrong time. `sets` loads and fills sets.
//! `script` runs the script that is written beside the rules, among the rules of `others`, and
//! `docker` asks a container behind them.
//! `taken` loads every output there is, and `everything` is a ruleset of all that can be printed;
//! `ground` is where packets from the borders of rules are sent: `craft` makes them, `sendable` says which can
//! come from a wire. (What becomes of them is judged by `tests/conform`.) `found` is a policy with what the analysis finds in
//! it: no packet meets the rules that are `dead`, and the packets that are `shown` meet what is claimed of them; `refuted`
//! are changed rules that do otherwise with the packet that shows it. `walk`
//! holds the trace of one packet to the kernel's counters. `topology` and `teeth` test the tests: without
//! rules everything arrives, and with a wrong rule an example fails.

mod need;
mod netns;

mod load;
mod normal;
mod uplinks;
mod world;

mod eyes;
mod probe;
mod serve;

mod expect;

mod compiled;
mod examples;
mod hand;
mod marks;
mod policies;

mod docker;
mod dumps;
mod ftp;
mod helpers;
mod others;
mod script;
mod untracked;

mod everything;
mod sets;
mod taken;
mod walk;
mod windows;

mod craft;
mod ground;
mod sendable;

mod dead;
mod found;
mod refuted;
mod shown;

mod teeth;
mod topology;

#[path = "../agreement/generate.rs"]
mod generate;
#[path = "../agreement/slips.rs"]
mod slips;
#[path = "../agreement/written.rs"]
mod written;
