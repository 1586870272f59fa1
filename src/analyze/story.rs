//! The words in which findings tell what happens to packets: who takes them, where, and how.

use std::collections::BTreeMap;

use crate::diagnostic::deletion::deletion;
use crate::diagnostic::{Finding, Lint};
use crate::meaning::{BaseChain, Decision, Effect, Entry, Implied, Reason, Translation};
use crate::packet::Packet;
use crate::resolve::Policy;
use crate::resolve::policy::Origin;
use crate::source::{Sources, Span};

use super::flat::{FlatStep, Role};
use super::witness::witness_of;

/// What stories need to know.
#[derive(Clone, Copy)]
pub struct Stories<'a> {
    pub policy: &'a Policy,
    pub sources: &'a Sources,
    /// Of rules about all that a block is about, that block.
    pub blocks: &'a BTreeMap<Origin, Span>,
}

/// The help for what can go, where nothing else would mend it.
pub const DELETE: &str = "delete it";

/// What a step does with the packets that it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deed {
    /// `drops`
    pub does: &'static str,
    /// `dropped`
    pub done: &'static str,
    /// `drop`
    pub to_do: &'static str,
}

impl Stories<'_> {
    /// A finding about a statement, with the calls that brought it.
    pub fn about(&self, lint: &'static Lint, origin: Origin, message: String) -> Finding {
        let finding = Finding::new(lint, origin.span, message);
        let calls: Vec<Span> = self.policy.calls_to(origin).collect();
        match calls.last() {
            Some(call) => finding.related(*call, "by this call").also_at(calls),
            None => finding,
        }
    }

    /// A finding about a statement that may go, with the edit that takes it out: that says all that a
    /// help to delete it says. What is built in cannot be edited.
    pub fn deleting(&self, mut finding: Finding, statement: Span) -> Finding {
        let file = self.sources.file(statement.file());
        if file.is_built_in() {
            return finding;
        }
        finding.help = finding.help.filter(|help| help != DELETE);
        let range = deletion(file.text(), statement.range());
        finding.fix("delete the rule", Span::new(statement.file(), range), "")
    }

    /// Where an entry stands, from the view of a statement: its own place, or the call that brought it
    /// where both are of one body.
    pub fn place_of(&self, entry: &Entry, from: Origin) -> Option<Span> {
        let Reason::Written(origin) = entry.reason else { return None };
        if origin.span == from.span {
            return self.policy.outermost_call(origin);
        }
        Some(origin.span)
    }

    /// `at line 18`, `at base.fw:3:1`, `by the implicit rule for established connections`
    pub fn whereabouts(&self, entry: &Entry, from: Origin) -> String {
        match (entry.reason, self.place_of(entry, from)) {
            (Reason::Implicit(implied), _) => format!("by the implicit rule for {}", name(implied)),
            (Reason::Default(_), _) => "by default".to_owned(),
            (Reason::Written(_) | Reason::Restored, Some(span)) => {
                format!("at {}", self.line(span, from))
            }
            (Reason::Written(_) | Reason::Restored, None) => "earlier".to_owned(),
        }
    }

    /// `line 18`, or with the file where that is another.
    pub fn line(&self, span: Span, from: Origin) -> String {
        if span.file() == from.span.file() {
            format!("line {}", self.sources.line(span))
        } else {
            self.sources.locate(span)
        }
    }

    /// Shows a packet of a finding, and what becomes of it; `is_certain` if no limit has a say in that.
    pub fn show(
        &self,
        finding: Finding,
        packet: &Packet,
        base: BaseChain,
        taken: &FlatStep<'_>,
        is_certain: bool,
        from: Origin,
    ) -> Finding {
        let mut shown = witness_of(packet, base);
        let fate = format!("{} {}", deed(taken).done, self.whereabouts(taken.entry, from));
        shown.fate =
            Some(if is_certain { fate } else { fate + ", unless a limit takes it before" });
        finding.witness(shown)
    }

    /// The route of a packet in few words: `tcp 10.9.3.7:40000 → 10.20.0.5:5432`.
    pub fn route(packet: &Packet, base: BaseChain) -> String {
        let mut shown = witness_of(packet, base);
        shown.deliverable = true;
        shown.to_string()
    }
}

/// What an implicit rule is for.
#[must_use]
pub fn name(implied: Implied) -> &'static str {
    match implied {
        Implied::Loopback => "loopback",
        Implied::Established => "established connections",
        Implied::Invalid => "invalid packets",
        Implied::NeighbourDiscovery => "neighbour discovery",
        Implied::Dhcpv6Client => "answers of DHCPv6 servers",
    }
}

/// What a step does.
pub fn deed(step: &FlatStep<'_>) -> Deed {
    match step.role {
        Role::Said => deed_of(step.entry),
        Role::NoWayBack => SENT_BACK,
    }
}

const SENT_BACK: Deed = Deed { does: "leads away", done: "led away", to_do: "lead away" };

/// What an entry does.
pub fn deed_of(entry: &Entry) -> Deed {
    match &entry.effect {
        Effect::Decide(decided) => decision(decided),
        Effect::Continue => words("logs", "logged", "log"),
        Effect::Change(_) | Effect::Opaque { .. } => words("changes", "changed", "change"),
        Effect::Return => words("returns", "returned", "return"),
        Effect::Call(_) | Effect::Goto(_) => words("sends on", "sent on", "send on"),
        Effect::Add { .. } => words("adds", "added", "add"),
    }
}

/// What a decision does.
pub fn decision(decision: &Decision) -> Deed {
    match decision {
        Decision::Accept => words("allows", "allowed", "allow"),
        Decision::Drop => words("drops", "dropped", "drop"),
        Decision::Reject(_) => words("rejects", "rejected", "reject"),
        Decision::Translate(translation) => match **translation {
            Translation::Exempt => words("leaves alone", "left alone", "leave alone"),
            Translation::Masquerade
            | Translation::Source { .. }
            | Translation::Destination { .. }
            | Translation::Redirect { .. }
            | Translation::Netmap { .. } => words("translates", "translated", "translate"),
        },
        Decision::Unknown(_) => words("decides", "decided", "decide"),
        Decision::LeaveToDocker => words("lets Docker have", "left to Docker", "let Docker have"),
    }
}

fn words(does: &'static str, done: &'static str, to_do: &'static str) -> Deed {
    Deed { does, done, to_do }
}

/// Whether two entries do the same, but for what is logged.
pub fn differ_in_log(a: &Entry, b: &Entry) -> bool {
    a.effect == b.effect && a.log != b.log
}
