//! The plan as text for a terminal.

use std::fmt::Write;

use crate::emit::origin::origin_text;
use crate::net::Families;
use crate::ruleset::Ruleset;
use crate::source::Sources;

use super::sets::print_sets;
use super::spread::{Spread, spread};
use super::{Plan, PlanChain, policy_text};

/// The column of origins is as wide as its widest entry, up to this many characters.
const WIDEST_ORIGIN: usize = 48;

/// Every table that does something, chain by chain and rule by rule, the sets and the counts.
#[must_use]
pub fn plan(v4: &Ruleset, v6: &Ruleset, sources: &Sources) -> String {
    let mut out = String::new();
    for table in &Plan::new([v4, v6]).tables {
        let _ = writeln!(out, "{}", table.name);
        for chain in &table.chains {
            let _ = writeln!(out, "\n  {}", chain.name);
            print_chain(&mut out, chain, sources);
        }
        out.push('\n');
    }
    print_sets(&mut out, [v4, v6], sources);
    print_counts(&mut out, [v4, v6], sources);
    out
}

fn print_chain(out: &mut String, chain: &PlanChain, sources: &Sources) {
    let origins: Vec<String> =
        chain.rows.iter().map(|row| origin_text(row.origin, sources)).collect();
    let widest = origins.iter().map(|origin| origin.chars().count()).max().unwrap_or(0);
    let width = widest.min(WIDEST_ORIGIN);
    for ((number, row), origin) in (1..).zip(&chain.rows).zip(&origins) {
        let families = families_text(row.families);
        let _ = writeln!(out, "  {number:>5}  {families}  {origin:<width$}  {}", row.text);
    }
    for (families, policy) in chain.policy_rows() {
        let policy = policy_text(policy);
        let _ = writeln!(out, "         {}  default {policy}", families_text(families));
    }
}

fn families_text(families: Families) -> &'static str {
    match (families.v4, families.v6) {
        (true, true) => "4 6",
        (true, false) => "4  ",
        (false, true) => "  6",
        (false, false) => "   ",
    }
}

/// How many chains are not the kernel's own.
pub(super) fn own_chains(ruleset: &Ruleset) -> usize {
    let chains = ruleset.tables.iter().flat_map(|table| &table.chains);
    chains.filter(|chain| chain.policy.is_none()).count()
}

fn print_counts(out: &mut String, rulesets: [&Ruleset; 2], sources: &Sources) {
    let [v4, v6] = rulesets.map(Ruleset::rule_count);
    let [own_v4, own_v6] = rulesets.map(own_chains);
    let _ = writeln!(
        out,
        "rules: {v4} IPv4, {v6} IPv6; chains: {own_v4} IPv4, {own_v6} IPv6 beside the built-in ones"
    );
    for of_place in spread(rulesets).chunk_by(|one, next| one.place == next.place) {
        let place = crate::emit::quote::one_line(&sources.locate(of_place[0].place));
        let count = |one: &Spread| format!("{} {}", one.rules, one.family);
        let counts: Vec<String> = of_place.iter().map(count).collect();
        let by_chain = if of_place.iter().any(|one| one.by_chain) { ", by a chain" } else { "" };
        let _ = writeln!(out, "{place} became {} rules{by_chain}", counts.join(" and "));
    }
}
