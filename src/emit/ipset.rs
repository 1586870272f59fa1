//! The sets as the file that `ipset restore -exist` takes, again and again, also while they are used.
//!
//! A static set is filled under another name and put in the place of the old one at once, so that what
//! is no more in the list is no more in the set, and a rule never meets half of it. A dynamic set is made
//! where it is not, and never touched: what rules added stays.

use std::fmt::Write;

use crate::net::Family;
use crate::ruleset::{DynamicSet, KernelSet, MAX_SET_ENTRIES, Ruleset, SetContent};
use crate::source::Sources;

use super::address::short_prefix_text;
use super::iptables::Header;
use super::origin::origin_text;

/// Bytes that a line about one network has, about.
const LINE: usize = 40;

/// All sets of both families, those of one definition together.
#[must_use]
pub fn ipsets(v4: &Ruleset, v6: &Ruleset, header: &Header, sources: &Sources) -> String {
    let mut out = header.lines("sets");
    for (v4, v6) in v4.sets.iter().zip(&v6.sets) {
        let _ = writeln!(out, "# {}", origin_text(v4.origin, sources));
        for set in [v4, v6] {
            match &set.content {
                SetContent::Static(_) => filled_anew(&mut out, set),
                SetContent::Dynamic(dynamic) => made_once(&mut out, set, *dynamic),
                // Whoever made it knows.
                SetContent::Unknown => {}
            }
        }
    }
    out
}

fn filled_anew(out: &mut String, set: &KernelSet) {
    let (name, family) = (&set.name, family_name(set.family));
    out.reserve(set.networks().count().saturating_mul(LINE + name.len()));
    for name in [&**name, &format!("{name}.n")] {
        let _ = writeln!(out, "create {name} hash:net family {family} maxelem {MAX_SET_ENTRIES}");
    }
    // It is there when a load before this one was cut short.
    let _ = writeln!(out, "flush {name}.n");
    for network in set.networks() {
        let _ = writeln!(out, "add {name}.n {}", short_prefix_text(network));
    }
    let _ = writeln!(out, "swap {name}.n {name}\ndestroy {name}.n");
}

fn made_once(out: &mut String, set: &KernelSet, dynamic: DynamicSet) {
    let (name, family) = (&set.name, family_name(set.family));
    let DynamicSet { timeout, size, length } = dynamic;
    let netmask = match length {
        whole if whole == set.family.bits() => String::new(),
        length => format!(" netmask {length}"),
    };
    let _ = writeln!(
        out,
        "create {name} hash:ip family {family} maxelem {size} timeout {timeout}{netmask}"
    );
}

fn family_name(family: Family) -> &'static str {
    match family {
        Family::V4 => "inet",
        Family::V6 => "inet6",
    }
}
