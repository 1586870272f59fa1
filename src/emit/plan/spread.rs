//! Which statements became more than one kernel rule.

use std::collections::BTreeMap;

use crate::net::Family;
use crate::ruleset::{Origin, Ruleset, Table};
use crate::source::Span;

/// A statement and what it became in one family.
pub(super) struct Spread {
    /// The statement, or the outermost use of the `def` that it stands in.
    pub place: Span,
    pub family: Family,
    /// At least two.
    pub rules: usize,
    /// Whether one of the rules calls a chain that holds others of them.
    pub by_chain: bool,
}

/// In the order of the places, IPv4 before IPv6.
pub(super) fn spread(rulesets: [&Ruleset; 2]) -> Vec<Spread> {
    let mut found: BTreeMap<(Span, Family), Spread> = BTreeMap::new();
    for ruleset in rulesets {
        for table in &ruleset.tables {
            count(table, ruleset.family, &mut found);
        }
    }
    found.into_values().filter(|spread| spread.rules > 1).collect()
}

fn count(table: &Table, family: Family, found: &mut BTreeMap<(Span, Family), Spread>) {
    let owners = owners(table);
    for rule in table.chains.iter().flat_map(|chain| &chain.rules) {
        let Some(place) = place(rule.origin) else { continue };
        let entry = found.entry((place, family));
        let spread = entry.or_insert(Spread { place, family, rules: 0, by_chain: false });
        spread.rules += 1;
        if let Some(chain) = rule.target.chain() {
            spread.by_chain |= owners.get(&**chain) == Some(&Some(place));
        }
    }
}

/// For each chain the place of its first rule.
fn owners(table: &Table) -> BTreeMap<&str, Option<Span>> {
    let first = |chain: &crate::ruleset::Chain| chain.rules.first().map(|rule| rule.origin);
    let owner = |chain| first(chain).and_then(place);
    table.chains.iter().map(|chain| (&*chain.name, owner(chain))).collect()
}

fn place(origin: Origin) -> Option<Span> {
    match origin {
        Origin::Implicit(_) | Origin::Default(None) => None,
        Origin::Default(Some(span)) | Origin::Read(span) => Some(span),
        Origin::Statement { span, call } => Some(call.unwrap_or(span)),
    }
}
