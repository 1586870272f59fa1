//! Sets in the words of nft: named sets of the table.

use std::collections::HashSet;
use std::fmt::Write;

use crate::emit::address::{address_text, short_prefix_text};
use crate::net::address::from_number;
use crate::net::{Addresses, Family, Prefix};
use crate::ruleset::{KernelSet, Ruleset, SetContent, Target};

/// The table is replaced as a whole, and nft has no words to keep a part of it.
pub(super) const EMPTIED: &str =
    "# loading this file again forgets what rules have added to its sets\n";

/// The sets without a time of their own to which some rule adds for a time. What another adds for good, nft
/// gives the time of the set if it is there already: none, so that it is gone at once (`nft_dynset.c`).
pub(super) fn timed(ruleset: &Ruleset) -> HashSet<&str> {
    let chains = ruleset.tables.iter().flat_map(|table| &table.chains);
    let targets = chains.flat_map(|chain| &chain.rules).map(|rule| &rule.target);
    let timed = targets.filter_map(|target| {
        let Target::AddSource { set, timeout } = target else { return None };
        timeout.map(|_| &**set)
    });
    let lasting = |set: &&KernelSet| match &set.content {
        SetContent::Dynamic(dynamic) => dynamic.timeout == 0,
        SetContent::Static(_) | SetContent::Unknown => false,
    };
    timed.filter(lasting).map(|set| &*set.name).collect()
}

/// A set with all that is in it.
pub(super) fn print(out: &mut String, set: &KernelSet, name: &str) {
    let kind = match set.family {
        Family::V4 => "ipv4_addr",
        Family::V6 => "ipv6_addr",
    };
    match &set.content {
        SetContent::Static(addresses) => {
            let _ = writeln!(out, "\tset {name} {{\n\t\ttype {kind}; flags interval; auto-merge;");
            elements(out, addresses, set.family);
            out.push_str("\t}\n");
        }
        // A rule that asks it is reported.
        SetContent::Unknown => {}
        SetContent::Dynamic(dynamic) => {
            let time = match dynamic.timeout {
                0 => String::new(),
                seconds => format!(" timeout {seconds}s;"),
            };
            let size = dynamic.size;
            let _ = writeln!(
                out,
                "\tset {name} {{ type {kind}; size {size}; flags dynamic,timeout;{time} }}"
            );
        }
    }
}

/// An element a line; no list at all when there is none, for nft has no empty one.
fn elements(out: &mut String, addresses: &Addresses, family: Family) {
    let intervals = addresses.intervals(family);
    if intervals.is_empty() {
        return;
    }
    out.push_str("\t\telements = {\n");
    for (low, high) in intervals {
        let element = match Prefix::spanning(family, low, high) {
            Some(prefix) => short_prefix_text(prefix),
            None => {
                let [low, high] = [low, high].map(|end| address_text(from_number(family, end)));
                format!("{low}-{high}")
            }
        };
        let _ = writeln!(out, "\t\t\t{element},");
    }
    out.push_str("\t\t}\n");
}
