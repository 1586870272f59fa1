//! What can be written, and how: the words of `--format`, `--emit` and `--what`.

use clap::ValueEnum;

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    Human,
    /// For programs: one JSON document on standard output
    Json,
}

/// Findings go to standard error for people, else to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum FindingFormat {
    /// For people
    Human,
    /// For programs: one JSON document
    Json,
    /// For code scanning and editors: SARIF 2.1.0
    Sarif,
    /// For GitHub Actions: an annotation each
    Github,
}

/// What `build` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Emit {
    /// IPv4 rules for iptables-restore
    V4,
    /// IPv6 rules for ip6tables-restore
    V6,
    /// Address sets for `ipset restore`
    Ipsets,
    /// The script that loads these from its own folder
    Load,
    /// The rules of both families for `nft -f`
    Nft,
    /// The rules in their order, for people
    Plan,
    /// The plan for programs
    Json,
}

/// How a graph is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Drawn {
    /// For Graphviz
    Dot,
    /// A flowchart, as wikis and forges draw it
    Mermaid,
    /// To look at in a browser
    Svg,
}

/// What of a graph is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Shown {
    /// Chains and rules, with everything between them
    All,
    /// Only rules that concern another, and how
    Rules,
    /// Only chains, the way of packets, and jumps
    Chains,
}
