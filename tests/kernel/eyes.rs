//! Whether a machine saw a packet of some kind, in the words of nft.

use serde_json::Value;

use crate::load::nft;
use crate::netns::Namespace;

/// What is to be seen, and where.
#[derive(Clone, Copy)]
pub struct Sight<'a> {
    /// A hook with its priority: `prerouting priority -400`.
    pub hook: &'a str,
    /// The condition on packets.
    pub what: &'a str,
}

/// How many packets that arrive are of a kind while `traffic` goes on.
pub fn arriving(machine: &Namespace, what: &str, traffic: impl FnOnce()) -> u64 {
    seen(machine, Sight { hook: "prerouting priority -400", what }, traffic)
}

/// How many packets that a hook sees are of a kind while `traffic` goes on.
pub fn seen(machine: &Namespace, sight: Sight<'_>, traffic: impl FnOnce()) -> u64 {
    let Sight { hook, what } = sight;
    let table = format!(
        "table inet eyes\ndelete table inet eyes\n\
         table inet eyes {{\n counter seen {{}}\n\
         chain eye {{\n type filter hook {hook};\n {what} counter name seen\n }}\n}}\n"
    );
    nft(machine, &table).unwrap_or_else(|error| panic!("no eyes for {what}: {error}"));
    traffic();
    let listed = machine.output("nft", &["--json", "list", "counter", "inet", "eyes", "seen"], "");
    let listed: Value = serde_json::from_str(&listed.expect("it is there")).expect("JSON");
    let counters = listed["nftables"].as_array().into_iter().flatten();
    let mut packets = counters.filter_map(|entry| entry["counter"]["packets"].as_u64());
    packets.next().unwrap_or_else(|| panic!("no counter in {listed}"))
}
