//! The graph of a policy as text for other tools and for the eye: DOT, Mermaid, SVG.
//!
//! One picture for all of them: each chain is a box, its rules stand in it in the order in which
//! they are asked, and what leads from one to another is an arrow. So the two graphs that there are,
//! of rules and of chains, are one: whoever asks at night why a packet was dropped needs the order,
//! the jumps and what hides what at once. [`What`] leaves parts out where that is too much.

pub mod picture;

mod dot;
mod mermaid;
mod svg;
mod words;

use crate::analyze::graph::Graph;
use crate::source::Sources;

use picture::Picture;

/// What a picture has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Chains and their rules, with everything between them.
    All,
    /// Only rules that are related to another, and how.
    Rules,
    /// Only chains, the way of packets through them, and jumps.
    Chains,
}

/// How a picture is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// For Graphviz.
    Dot,
    /// A Mermaid flowchart, as many wikis and forges draw it.
    Mermaid,
    /// To look at in a browser; nothing else is needed.
    Svg,
}

/// The graph of a policy with this name as text. The same input gives the same bytes.
#[must_use]
pub fn graph(graph: &Graph, name: &str, what: What, style: Style, sources: &Sources) -> String {
    let picture = Picture::of(graph, name, what, sources);
    match style {
        Style::Dot => dot::dot(&picture),
        Style::Mermaid => mermaid::mermaid(&picture),
        Style::Svg => svg::svg(&picture),
    }
}
