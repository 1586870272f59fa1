//! What is written in a picture and in its tooltips.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use petgraph::graph::NodeIndex;
use unicode_width::UnicodeWidthChar as _;

use super::picture::{ArrowKind, Look, Row};
use crate::analyze::graph::{Chain, ChainKey, Does, Edge, Graph, Implied, Node, Reason, Rule};
use crate::net::Families;
use crate::source::{FileId, Sources, Span};

/// The longest text of a row, in columns.
const WIDEST: usize = 64;

/// The longest statement in a tooltip, in columns.
const WIDEST_STORY: usize = 400;

/// What brings the marks of connections back to their packets.
const RESTORED: &str = "restored marks";

/// Words about the nodes of a graph.
pub(super) struct Words<'g> {
    sources: &'g Sources,
    /// The file that all rules are written in, if it is one.
    only_file: Option<FileId>,
}

impl<'g> Words<'g> {
    pub(super) fn new(graph: &Graph, sources: &'g Sources) -> Self {
        let spans = graph.rules().filter_map(|(_, rule)| Some(span(rule)?.file()));
        let files: BTreeSet<FileId> = spans.collect();
        let only_file = files.first().copied().filter(|_| files.len() == 1);
        Words { sources, only_file }
    }

    pub(super) fn rule(&self, rule: &Rule, is_hidden: bool) -> Row {
        let text = self.statement(rule);
        let mut story = format!("{}: {}", self.place(rule), cut(&text, WIDEST_STORY));
        if let (Some(_), Reason::Written(origin)) = (rule.call, rule.place.reason) {
            let _ = write!(story, "\nwritten at {}", self.locate(origin.span));
        }
        let limited = if rule.is_limited { ", within its limit" } else { "" };
        let _ = write!(story, "\n{}{limited}", deed(rule.place.does));
        match family(rule.families) {
            "" => {}
            family => {
                let _ = write!(story, "\n{family} only");
            }
        }
        if is_hidden {
            story.push_str("\nnever gets a packet");
        }
        let look =
            if is_hidden { Look::Hidden(rule.place.does) } else { Look::Rule(rule.place.does) };
        let text = cut(&text, WIDEST);
        Row { line: self.line(rule), text, look, family: family(rule.families), story }
    }

    /// A line for rules that are not shown.
    pub(super) fn fold(&self, rules: &[&Rule], are_some_shown: bool) -> Option<Row> {
        let (first, last) = (rules.first()?, rules.last()?);
        let names = rules.iter().filter_map(|rule| match rule.place.reason {
            Reason::Implicit(implied) => Some(implied_name(implied)),
            Reason::Restored => Some(RESTORED),
            Reason::Written(_) | Reason::Default(_) => None,
        });
        let names: Vec<&str> = names.collect();
        let (text, story) = if names.is_empty() {
            let lines = format!("{} to {}", self.place(first), self.place(last));
            let [one, many] =
                if are_some_shown { ["more rule", "more rules"] } else { ["rule", "rules"] };
            (count(rules.len(), one, many), lines)
        } else {
            let all = format!("implicit {}", names.join(", "));
            let few = names.len() < 3;
            let text = if few { all.clone() } else { format!("{} implicit rules", names.len()) };
            (text, all)
        };
        let line = String::new();
        Some(Row { line, text, look: Look::Fold, family: "", story })
    }

    pub(super) fn default(&self, does: Does, span: Option<Span>) -> Row {
        let line = span.map_or(String::new(), |span| self.line_of(span));
        let text = format!("default {}", deed_word(does));
        let story = match span {
            Some(span) => format!("{}: what no rule decides", self.locate(span)),
            None => "what no rule decides".to_owned(),
        };
        Row { line, text, look: Look::Default(does), family: "", story }
    }

    pub(super) fn chain(&self, chain: &Chain, rules: usize) -> String {
        let rules = count(rules, "rule", "rules");
        match (chain.key, chain.span) {
            (ChainKey::User(_), Some(span)) => {
                format!("chain {}, {}: {rules}", chain.name, self.locate(span))
            }
            (ChainKey::User(_) | ChainKey::Base(_), _) => format!("{}: {rules}", chain.name),
        }
    }

    /// What an arrow says, in a sentence.
    pub(super) fn arrow(
        &self,
        graph: &Graph,
        from: NodeIndex,
        to: NodeIndex,
        edge: Edge,
    ) -> String {
        let [one, other] = [from, to].map(|index| self.name(&graph.graph[index]));
        let sentence = match ArrowKind::from(edge) {
            ArrowKind::Way => format!("packets go from {one} to {other}"),
            ArrowKind::Jump => format!("{one} jumps to {other}"),
            ArrowKind::Goto => format!("{one} goes to {other}, for good"),
            ArrowKind::Hides => {
                let together = graph.edges().filter(|(_, hidden, edge)| {
                    *hidden == to && ArrowKind::from(*edge) == ArrowKind::Hides
                });
                let how = if together.count() > 1 { " together with others" } else { "" };
                format!("{one} hides {other}{how}: its packets are taken before it is asked")
            }
            ArrowKind::Conflicts => {
                format!("{one} conflicts with {other}: on what both match, the first decides")
            }
            ArrowKind::Excepts => {
                format!("{one} is an exception to {other}: it takes a part first")
            }
            ArrowKind::DependsOn => {
                format!("{one} depends on {other}: it is about what that translates")
            }
        };
        match edge {
            Edge::Related { families, .. } if !family(families).is_empty() => {
                format!("{sentence} ({})", family(families))
            }
            Edge::Related { .. } | Edge::Way | Edge::Jump | Edge::Goto => sentence,
        }
    }

    /// A node in a sentence.
    fn name(&self, node: &Node) -> String {
        match node {
            Node::Chain(chain) => clean(&chain.name),
            Node::Rule(rule) => self.place(rule),
        }
    }

    /// Where a rule is, in a sentence.
    fn place(&self, rule: &Rule) -> String {
        match span(rule) {
            Some(span) => self.locate(span),
            None => match rule.place.reason {
                Reason::Implicit(implied) => format!("implicit {}", implied_name(implied)),
                Reason::Restored => format!("implicit {RESTORED}"),
                Reason::Written(_) | Reason::Default(_) => "the default".to_owned(),
            },
        }
    }

    fn line(&self, rule: &Rule) -> String {
        span(rule).map_or(String::new(), |span| self.line_of(span))
    }

    fn line_of(&self, span: Span) -> String {
        if self.only_file == Some(span.file()) {
            return self.sources.line(span).to_string();
        }
        self.locate(span)
    }

    fn locate(&self, span: Span) -> String {
        clean(&self.sources.locate(span))
    }

    /// A statement in one line; of a `def`, the use first.
    fn statement(&self, rule: &Rule) -> String {
        match rule.place.reason {
            Reason::Implicit(implied) => format!("implicit {}", implied_name(implied)),
            Reason::Restored => format!("implicit {RESTORED}"),
            Reason::Default(_) => "default".to_owned(),
            Reason::Written(origin) => {
                let written = one_line(self.sources.text(origin.span));
                match rule.call {
                    Some(call) => format!("{} › {written}", one_line(self.sources.text(call))),
                    None => written,
                }
            }
        }
    }
}

/// The end of a user's chain.
pub(super) fn back() -> Row {
    let (line, text) = (String::new(), "back to the caller".to_owned());
    let story = "what no rule decides goes on after the jump; after a goto, after the jump \
                 before it"
        .to_owned();
    Row { line, text, look: Look::Back, family: "", story }
}

/// Where a rule is found in the policy: the use of the `def` that brought it, else the statement.
fn span(rule: &Rule) -> Option<Span> {
    match rule.place.reason {
        Reason::Written(origin) => Some(rule.call.unwrap_or(origin.span)),
        Reason::Implicit(_) | Reason::Restored | Reason::Default(_) => None,
    }
}

fn implied_name(implied: Implied) -> &'static str {
    match implied {
        Implied::Loopback => "loopback",
        Implied::Established => "established",
        Implied::Invalid => "invalid",
        Implied::NeighbourDiscovery => "neighbour-discovery",
        Implied::Dhcpv6Client => "dhcpv6-client",
    }
}

fn deed(does: Does) -> &'static str {
    match does {
        Does::Allow => "lets its packets through",
        Does::Drop => "drops its packets",
        Does::Reject => "rejects its packets",
        Does::Translate => "translates its packets",
        Does::Leave => "leaves its packets to Docker's own rules",
        Does::Decide => "decides in words of iptables",
        Does::Change => "changes its packets; the next rule is asked",
        Does::Add => "adds to a set; the next rule is asked",
        Does::Log => "logs its packets; the next rule is asked",
        Does::Return => "ends the chain for its packets",
        Does::Jump => "sends its packets through a chain",
        Does::Goto => "sends its packets to a chain for good",
    }
}

/// In the words of the language.
fn deed_word(does: Does) -> &'static str {
    match does {
        Does::Allow => "allow",
        Does::Drop => "drop",
        Does::Reject => "reject",
        Does::Translate => "translate",
        Does::Leave => "left to Docker",
        Does::Decide => "decide",
        Does::Change => "change",
        Does::Add => "add",
        Does::Log => "log",
        Does::Return => "return",
        Does::Jump => "jump",
        Does::Goto => "goto",
    }
}

/// `IPv4`, `IPv6`, or nothing for both.
fn family(families: Families) -> &'static str {
    match (families.v4, families.v6) {
        (true, false) => "IPv4",
        (false, true) => "IPv6",
        (true, true) | (false, false) => "",
    }
}

pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// The columns that a text takes in a font of one width.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// A text without characters that would do something to the line they stand in.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|c| if is_plain(c) { c } else { '?' }).collect()
}

/// Not a control character, nor one that turns the direction of writing (which could make a rule
/// look like another), nor one that XML forbids.
fn is_plain(c: char) -> bool {
    let turns =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !c.is_control() && !turns && !matches!(c, '\u{fffe}' | '\u{ffff}')
}

/// A statement without its line breaks and comments.
fn one_line(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        for word in before_comment(line).split_whitespace() {
            if !out.is_empty() {
                out.push(' ');
            }
            out.push_str(word);
        }
    }
    clean(&out)
}

/// What stands before the `#` of a line that is not in a string.
fn before_comment(line: &str) -> &str {
    let mut in_string = false;
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        match c {
            '"' if !escaped => in_string = !in_string,
            '#' if !in_string => return &line[..at],
            _ => {}
        }
        escaped = in_string && c == '\\' && !escaped;
    }
    line
}

/// At most this many columns; where something is cut off, that is seen.
fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut left = columns - 1;
    for c in text.chars() {
        let Some(rest) = left.checked_sub(c.width().unwrap_or(0)) else { break };
        left = rest;
        out.push(c);
    }
    out.truncate(out.trim_end().len());
    out + "…"
}
