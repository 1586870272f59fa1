//! The plan as JSON, version 1.

use serde_json::{Value, json};

use crate::net::{Families, Family};
use crate::ruleset::{Origin, Ruleset};
use crate::source::{Sources, Span};

use super::sets::sets_json;
use super::spread::spread;
use super::text::own_chains;
use super::{Plan, PlanChain, Row, policy_text};

/// The same as [`super::plan`]: tables, chains, rules, sets and counts.
///
/// `{"version": 1, "tables": [{"name", "chains": [{"name", "policy": {"ipv4", "ipv6"}, "rules":
/// [{"number", "families", "text", "origin": {"kind", …}}]}]}], "sets": …, "summary": …}`; a chain that is not
/// built in has no `policy`.
#[must_use]
pub fn plan_json(v4: &Ruleset, v6: &Ruleset, sources: &Sources) -> Value {
    let plan = Plan::new([v4, v6]);
    let tables = plan.tables.iter().map(|table| {
        let chains = table.chains.iter().map(|chain| chain_json(chain, sources));
        json!({ "name": table.name.name(), "chains": chains.collect::<Vec<_>>() })
    });
    let spread = spread([v4, v6]).into_iter().map(|spread| {
        let mut entry = place(spread.place, sources);
        entry["family"] = json!(family_text(spread.family));
        entry["rules"] = json!(spread.rules);
        entry["by_chain"] = json!(spread.by_chain);
        entry
    });
    json!({
        "version": 1,
        "tables": tables.collect::<Vec<_>>(),
        "sets": sets_json([v4, v6], sources),
        "summary": {
            "rules": { "ipv4": v4.rule_count(), "ipv6": v6.rule_count() },
            "chains": { "ipv4": own_chains(v4), "ipv6": own_chains(v6) },
            "statements": spread.collect::<Vec<_>>(),
        },
    })
}

fn chain_json(chain: &PlanChain, sources: &Sources) -> Value {
    let rules = (1..).zip(&chain.rows).map(|(number, row)| row_json(number, row, sources));
    let mut out = json!({ "name": chain.name, "rules": rules.collect::<Vec<_>>() });
    for (family, policy) in Family::BOTH.into_iter().zip(chain.policies) {
        if let Some(policy) = policy {
            out["policy"][family_text(family)] = json!(policy_text(policy));
        }
    }
    out
}

fn row_json(number: usize, row: &Row, sources: &Sources) -> Value {
    json!({
        "number": number,
        "families": families_json(row.families),
        "text": row.text,
        "origin": origin_json(row.origin, sources),
    })
}

pub(super) fn origin_json(origin: Origin, sources: &Sources) -> Value {
    let mut out = match origin {
        Origin::Implicit(name) => return json!({ "kind": "implicit", "name": name }),
        Origin::Default(None) => return json!({ "kind": "default" }),
        Origin::Default(Some(span)) => {
            let mut out = place(span, sources);
            out["kind"] = json!("default");
            return out;
        }
        Origin::Read(span) => {
            let mut out = place(span, sources);
            out["kind"] = json!("read");
            return out;
        }
        Origin::Statement { span, .. } => place(span, sources),
    };
    out["kind"] = json!("statement");
    if let Origin::Statement { call: Some(call), .. } = origin {
        out["call"] = place(call, sources);
    }
    out
}

fn place(span: Span, sources: &Sources) -> Value {
    let file = sources.file(span.file());
    json!({ "file": file.name(), "line": sources.line(span) })
}

fn families_json(families: Families) -> Value {
    let in_it = Family::BOTH.into_iter().filter(|family| families.contains(*family));
    in_it.map(|family| Value::from(family_text(family))).collect()
}

pub(super) fn family_text(family: Family) -> &'static str {
    match family {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    }
}
