//! The picture for Graphviz: a cluster for each chain, its rules below each other.

use std::fmt::Write as _;

use super::picture::{Arrow, ArrowKind, ChainBox, End, Look, Picture, Row};
use crate::analyze::graph::Does;

/// A `digraph`. Names and labels are quoted strings; `dot -Tsvg` draws it.
pub(super) fn dot(picture: &Picture) -> String {
    let mut out = String::from("digraph policy {\n");
    let heading = [&picture.name, &picture.summary].into_iter().chain(&picture.notes);
    let heading: Vec<String> = heading.map(|line| escaped(line)).collect();
    let _ =
        writeln!(out, "  label=\"{}\"; labelloc=t; fontname=\"sans-serif\";", heading.join("\\n"));
    out.push_str("  rankdir=TB; compound=true; newrank=true; nodesep=0.3; ranksep=0.25;\n");
    out.push_str("  node [shape=box, style=filled, fontname=\"monospace\", fontsize=10, margin=\"0.08,0.03\", height=0.25, fillcolor=white];\n");
    out.push_str("  edge [fontname=\"sans-serif\", fontsize=9];\n");
    for (number, one) in picture.boxes.iter().enumerate() {
        cluster(&mut out, number, one);
    }
    for arrow in &picture.arrows {
        edge(&mut out, arrow, picture);
    }
    out.push_str("}\n");
    out
}

fn cluster(out: &mut String, number: usize, one: &ChainBox) {
    let _ = writeln!(out, "  subgraph cluster_{number} {{");
    let label = format!("{} ({})", one.name, one.about);
    let _ = writeln!(
        out,
        "    label=\"{}\"; tooltip=\"{}\"; style=\"rounded,filled\"; fillcolor=\"#f6f8fa\"; color=\"#8c959f\";",
        escaped(&label),
        escaped(&one.story)
    );
    let mut names = Vec::new();
    for (at, row) in one.rows.iter().enumerate() {
        let name = node_name(End { chain: number, row: Some(at) });
        node(out, &name, row);
        names.push(name);
    }
    let name = node_name(End { chain: number, row: None });
    node(out, &name, &one.ending);
    names.push(name);
    if names.len() > 1 {
        let _ = writeln!(out, "    {} [style=invis, weight=100];", names.join(" -> "));
    }
    out.push_str("  }\n");
}

fn node(out: &mut String, name: &str, row: &Row) {
    let words = [row.line.as_str(), row.text.as_str(), row.family];
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    let style = match row.look {
        Look::Rule(does) => format!("color=\"{}\"", colour(does)),
        Look::Hidden(does) => {
            format!("color=\"{}\", style=\"filled,dashed\", fontcolor=\"#8c959f\"", colour(does))
        }
        Look::Default(does) => format!("color=\"{}\", fillcolor=\"#eaeef2\"", colour(does)),
        Look::Fold | Look::Back => "shape=plaintext, style=solid, fontcolor=\"#57606a\"".to_owned(),
    };
    let (label, story) = (escaped(&words.join("  ")), escaped(&row.story));
    let _ = writeln!(out, "    {name} [label=\"{label}\", tooltip=\"{story}\", {style}];");
}

fn edge(out: &mut String, arrow: &Arrow, picture: &Picture) {
    let mut style = style(arrow.kind).to_owned();
    // Graphviz draws from node to node and cuts at the clusters: from the end of a box to the top of
    // the next.
    if arrow.from.row.is_none() {
        let _ = write!(style, ", ltail=cluster_{}", arrow.from.chain);
    }
    if arrow.to.row.is_none() {
        let _ = write!(style, ", lhead=cluster_{}", arrow.to.chain);
    }
    let has_rows = !picture.boxes[arrow.to.chain].rows.is_empty();
    let top = End { row: arrow.to.row.or(has_rows.then_some(0)), ..arrow.to };
    let (from, to) = (node_name(arrow.from), node_name(top));
    let label = match place(arrow, picture) {
        Some(place) => format!("{} {place}", arrow.kind.words()),
        None => arrow.kind.words().to_owned(),
    };
    let (label, story) = (escaped(&label), escaped(&arrow.story));
    let _ = writeln!(out, "  {from} -> {to} [label=\"{label}\", tooltip=\"{story}\", {style}];");
}

/// Where a jump is written.
fn place<'p>(arrow: &Arrow, picture: &'p Picture) -> Option<&'p str> {
    let is_jump = matches!(arrow.kind, ArrowKind::Jump | ArrowKind::Goto);
    let row = &picture.boxes[arrow.from.chain].rows[arrow.from.row.filter(|_| is_jump)?];
    Some(&row.line)
}

fn node_name(end: End) -> String {
    match end.row {
        Some(row) => format!("c{}_r{row}", end.chain),
        None => format!("c{}_end", end.chain),
    }
}

fn style(kind: ArrowKind) -> &'static str {
    match kind {
        ArrowKind::Way => "color=\"#d0d7de\", penwidth=4, weight=10",
        ArrowKind::Jump => "color=\"#8250df\", fontcolor=\"#8250df\"",
        ArrowKind::Goto => "color=\"#8250df\", fontcolor=\"#8250df\", style=bold",
        ArrowKind::Hides => {
            "color=\"#cf222e\", fontcolor=\"#cf222e\", penwidth=2, constraint=false"
        }
        ArrowKind::Conflicts => {
            "color=\"#bc4c00\", fontcolor=\"#bc4c00\", penwidth=1.5, constraint=false"
        }
        ArrowKind::Excepts => "color=\"#8c959f\", fontcolor=\"#57606a\", constraint=false",
        ArrowKind::DependsOn => {
            "color=\"#0969da\", fontcolor=\"#0969da\", style=dashed, constraint=false"
        }
    }
}

fn colour(does: Does) -> &'static str {
    match does {
        Does::Allow | Does::Leave => "#1a7f37",
        Does::Drop | Does::Reject => "#cf222e",
        Does::Translate => "#0969da",
        Does::Jump | Does::Goto => "#8250df",
        Does::Decide | Does::Change | Does::Add | Does::Log | Does::Return => "#6e7781",
    }
}

/// For between double quotes: there `\` and `"` are special, and `\n` breaks the line.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            _ => out.push(c),
        }
    }
    out
}
