//! The picture as a Mermaid flowchart: a subgraph for each chain.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::picture::{Arrow, ArrowKind, ChainBox, End, Look, Picture, Row};
use crate::analyze::graph::Does;

/// A flowchart. Labels are quoted; what is special in them is written as `#CODE;`, which Mermaid
/// turns back.
pub(super) fn mermaid(picture: &Picture) -> String {
    let mut out = String::from("flowchart TB\n");
    for line in [&picture.name, &picture.summary].into_iter().chain(&picture.notes) {
        // A comment that has braces may be taken for a directive.
        let _ = writeln!(out, "  %% {}", line.replace(['{', '}'], " "));
    }
    for (number, one) in picture.boxes.iter().enumerate() {
        subgraph(&mut out, number, one);
    }
    for arrow in &picture.arrows {
        edge(&mut out, arrow, picture);
    }
    styles(&mut out, picture);
    out
}

fn subgraph(out: &mut String, number: usize, one: &ChainBox) {
    let title = escaped(&format!("{} ({})", one.name, one.about));
    let _ = writeln!(out, "  subgraph c{number}[\"{title}\"]");
    out.push_str("    direction TB\n");
    let mut names = Vec::new();
    for (at, row) in one.rows.iter().enumerate() {
        let name = node_name(End { chain: number, row: Some(at) });
        node(out, &name, row);
        names.push(name);
    }
    let name = format!("c{number}_end");
    node(out, &name, &one.ending);
    names.push(name);
    if names.len() > 1 {
        let _ = writeln!(out, "    {}", names.join(" ~~~ "));
    }
    out.push_str("  end\n");
}

fn node(out: &mut String, name: &str, row: &Row) {
    let words = [row.line.as_str(), row.text.as_str(), row.family];
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    let _ = writeln!(out, "    {name}[\"{}\"]:::{}", escaped(&words.join("  ")), class(row.look).0);
}

fn edge(out: &mut String, arrow: &Arrow, picture: &Picture) {
    let [from, to] = [arrow.from, arrow.to].map(node_name);
    let place = match (arrow.kind, arrow.from.row) {
        (ArrowKind::Jump | ArrowKind::Goto, Some(row)) => {
            format!(" {}", picture.boxes[arrow.from.chain].rows[row].line)
        }
        (
            ArrowKind::Way
            | ArrowKind::Jump
            | ArrowKind::Goto
            | ArrowKind::Hides
            | ArrowKind::Conflicts
            | ArrowKind::Excepts
            | ArrowKind::DependsOn,
            _,
        ) => String::new(),
    };
    let line = match arrow.kind {
        ArrowKind::Way | ArrowKind::Goto | ArrowKind::Hides => "==>",
        ArrowKind::Jump | ArrowKind::Conflicts => "-->",
        ArrowKind::Excepts | ArrowKind::DependsOn => "-.->",
    };
    // Mermaid puts what an arrow leads to below: what a translation carries comes after it.
    let is_turned = arrow.kind == ArrowKind::DependsOn;
    let (from, to) = if is_turned { (to, from) } else { (from, to) };
    let words = if is_turned { "is needed by" } else { arrow.kind.words() };
    let label = format!("{words}{place}");
    let label = if label.is_empty() { label } else { format!("|\"{}\"|", escaped(&label)) };
    let _ = writeln!(out, "  {from} {line}{label} {to}");
}

fn node_name(end: End) -> String {
    match end.row {
        Some(row) => format!("c{}_r{row}", end.chain),
        None => format!("c{}", end.chain),
    }
}

/// The looks that occur, and the colours of arrows. Arrows are numbered in the order written, those
/// without a line between rows included.
fn styles(out: &mut String, picture: &Picture) {
    let rows = picture.boxes.iter().flat_map(|one| one.rows.iter().chain([&one.ending]));
    let looks: BTreeMap<&str, &str> = rows.map(|row| class(row.look)).collect();
    for (class, style) in looks {
        let _ = writeln!(out, "  classDef {class} {style}");
    }
    let unseen: usize = picture.boxes.iter().map(|one| one.rows.len()).sum();
    for kind in picture.kinds() {
        let arrows = picture.arrows.iter().zip(unseen..).filter(|(arrow, _)| arrow.kind == kind);
        let numbers: Vec<String> = arrows.map(|(_, number)| number.to_string()).collect();
        let _ = writeln!(out, "  linkStyle {} stroke:{}", numbers.join(","), colour(kind));
    }
}

/// The name and the style of a look.
fn class(look: Look) -> (&'static str, &'static str) {
    match look {
        Look::Rule(does) | Look::Default(does) => match does {
            Does::Allow | Does::Leave => ("allow", "fill:#dafbe1,stroke:#1a7f37,color:#0a3d1a"),
            Does::Drop | Does::Reject => ("drop", "fill:#ffebe9,stroke:#cf222e,color:#66121a"),
            Does::Translate => ("translate", "fill:#ddf4ff,stroke:#0969da,color:#0a3069"),
            Does::Jump | Does::Goto => ("jump", "fill:#fbefff,stroke:#8250df,color:#3e1f79"),
            Does::Decide | Does::Change | Does::Add | Does::Log | Does::Return => {
                ("other", "fill:#f6f8fa,stroke:#6e7781,color:#24292f")
            }
        },
        Look::Hidden(_) => {
            ("hidden", "fill:#f6f8fa,stroke:#cf222e,color:#57606a,stroke-dasharray:4 3")
        }
        Look::Fold | Look::Back => ("quiet", "fill:#f6f8fa,stroke:#d0d7de,color:#57606a"),
    }
}

fn colour(kind: ArrowKind) -> &'static str {
    match kind {
        ArrowKind::Way => "#8c959f,stroke-width:4px",
        ArrowKind::Jump | ArrowKind::Goto => "#8250df",
        ArrowKind::Hides => "#cf222e",
        ArrowKind::Conflicts => "#bc4c00",
        ArrowKind::Excepts => "#8c959f",
        ArrowKind::DependsOn => "#0969da",
    }
}

/// Letters, digits and what is plain in a label stay; the rest is written by its number, as
/// Mermaid's entity codes have it. A backquote would begin Markdown, `<` a tag.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let is_plain = c.is_alphanumeric() || " .,:/-+=()!?…›".contains(c);
        if is_plain {
            out.push(c);
        } else {
            let _ = write!(out, "#{};", u32::from(c));
        }
    }
    out
}
