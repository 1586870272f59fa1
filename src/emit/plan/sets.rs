//! The sets in the plan: what each is, not what is in it.

use std::fmt::Write;

use serde_json::{Value, json};

use super::json::{family_text, origin_json};
use crate::emit::origin::origin_text;
use crate::net::Duration;
use crate::ruleset::{DynamicSet, KernelSet, Ruleset, SetContent};
use crate::source::Sources;

/// The sets of both families, those of one definition together.
fn all([v4, v6]: [&Ruleset; 2]) -> impl Iterator<Item = &KernelSet> {
    v4.sets.iter().zip(&v6.sets).flat_map(|(v4, v6)| [&**v4, &**v6])
}

/// A line a set; nothing when there are none.
pub(super) fn print_sets(out: &mut String, rulesets: [&Ruleset; 2], sources: &Sources) {
    let rows: Vec<[String; 3]> = all(rulesets)
        .map(|set| [set.name.to_string(), origin_text(set.origin, sources), content_text(set)])
        .collect();
    if rows.is_empty() {
        return;
    }
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let (names, origins) = (width(0), width(1));
    out.push_str("sets\n\n");
    for [name, origin, content] in &rows {
        let _ = writeln!(out, "  {name:<names$}  {origin:<origins$}  {content}");
    }
    out.push('\n');
}

fn content_text(set: &KernelSet) -> String {
    let dynamic = match &set.content {
        SetContent::Static(_) => {
            let count = set.networks().count();
            return format!("{count} network{}", if count == 1 { "" } else { "s" });
        }
        SetContent::Dynamic(dynamic) => *dynamic,
        SetContent::Unknown => return "not known".to_owned(),
    };
    let DynamicSet { timeout, size, length } = dynamic;
    let what = if length == set.family.bits() {
        "addresses".to_owned()
    } else {
        format!("networks of /{length}")
    };
    let time = match timeout {
        0 => "for good".to_owned(),
        seconds => format!("each for {}", Duration::of_seconds(seconds)),
    };
    format!("filled by rules: at most {size} {what}, {time}")
}

pub(super) fn sets_json(rulesets: [&Ruleset; 2], sources: &Sources) -> Value {
    all(rulesets).map(|set| set_json(set, sources)).collect()
}

/// `{"name", "family", "kind": "static", "networks", "origin"}`, or of kind `dynamic` with `size`,
/// `timeout` in seconds (0 is for good) and the prefix `length` of its entries.
fn set_json(set: &KernelSet, sources: &Sources) -> Value {
    let mut out = json!({
        "name": &*set.name,
        "family": family_text(set.family),
        "origin": origin_json(set.origin, sources),
    });
    match &set.content {
        SetContent::Static(_) => {
            out["kind"] = json!("static");
            out["networks"] = json!(set.networks().count());
        }
        SetContent::Dynamic(DynamicSet { timeout, size, length }) => {
            out["kind"] = json!("dynamic");
            out["size"] = json!(size);
            out["timeout"] = json!(timeout);
            out["length"] = json!(length);
        }
        SetContent::Unknown => out["kind"] = json!("unknown"),
    }
    out
}
