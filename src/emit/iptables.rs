//! A ruleset as the file that `iptables-restore` takes and `iptables-save` prints back.

use std::fmt::Write;

use crate::net::Family;
use crate::ruleset::{Chain, ChainPolicy, Origin, Ruleset, Table};
use crate::source::Sources;

use super::origin::origin_text;
use super::quote::one_line;
use super::rule::rule_text;

/// What is said at the top of an output file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Header {
    /// Of the tool that wrote the file.
    pub version: String,
    /// Of the policy's contents, in hexadecimal.
    pub digest: String,
    /// What whoever loads the file must know, a line each.
    pub notes: Vec<String>,
}

impl Header {
    /// The `#` lines, each with its line break.
    #[must_use]
    pub fn lines(&self, what: &str) -> String {
        let mut out = String::new();
        let _ = writeln!(out, "# palisade {}: {what}", one_line(&self.version));
        let _ = writeln!(out, "# policy sha256:{}", one_line(&self.digest));
        for line in self.notes.iter().flat_map(|note| note.lines()) {
            let _ = writeln!(out, "# {}", one_line(line));
        }
        out
    }
}

/// The whole rules file of one family: every table with all its chains and policies, each group of
/// rules under a line that says where it comes from.
#[must_use]
pub fn iptables(ruleset: &Ruleset, header: &Header, sources: &Sources) -> String {
    let mut out = header.lines(&format!("{} rules", ruleset.family));
    if ruleset.preserve {
        out.push_str(
            "# Loaded by itself, this file replaces the rules of others in its tables; the script\n\
             # `load` beside it leaves them as they are.\n",
        );
    }
    if !ruleset.sets.is_empty() {
        out.push_str("# load the sets first: ipset restore -exist < ipsets\n");
    }
    for table in &ruleset.tables {
        print_table(&mut out, table, ruleset.family, sources);
    }
    out
}

fn print_table(out: &mut String, table: &Table, family: Family, sources: &Sources) {
    let _ = writeln!(out, "*{}", table.name);
    // A built-in chain that is not declared keeps its old policy, or loses it, by the tool.
    let built_in = table.name.built_in_chains();
    for name in built_in {
        let chain_policy = table.chain(name).and_then(|chain| chain.policy);
        let _ = writeln!(out, ":{name} {} [0:0]", policy(chain_policy));
    }
    let own = |chain: &&Chain| !built_in.contains(&&*chain.name);
    for chain in table.chains.iter().filter(own) {
        let _ = writeln!(out, ":{} - [0:0]", chain.name);
    }
    let mut origins = Origins { sources, last: None };
    let first = built_in.iter().filter_map(|name| table.chain(name));
    for chain in first.chain(table.chains.iter().filter(own)) {
        origins.last = None;
        for rule in &chain.rules {
            origins.print(out, rule.origin);
            let _ = writeln!(out, "-A {} {}", chain.name, rule_text(rule, family));
        }
    }
    out.push_str("COMMIT\n");
}

/// Of a built-in chain; one that the ruleset does not have accepts, as the kernel's own does.
fn policy(policy: Option<ChainPolicy>) -> &'static str {
    match policy {
        Some(ChainPolicy::Accept) | None => "ACCEPT",
        Some(ChainPolicy::Drop) => "DROP",
    }
}

/// Says the origin of a rule once a group.
struct Origins<'a> {
    sources: &'a Sources,
    last: Option<(Origin, String)>,
}

impl Origins<'_> {
    fn print(&mut self, out: &mut String, origin: Origin) {
        if matches!(&self.last, Some((last, _)) if *last == origin) {
            return;
        }
        let text = origin_text(origin, self.sources);
        // Two statements on one line are one group.
        if self.last.as_ref().is_none_or(|(_, last)| *last != text) {
            let _ = writeln!(out, "# {text}");
        }
        self.last = Some((origin, text));
    }
}

#[cfg(test)]
mod tests;
