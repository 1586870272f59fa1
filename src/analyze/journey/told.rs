//! A journey in words: every rule that took the packet, where it stands, and what it did.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::{Fate, Journey, Stage, Unclear, Whose};
use crate::analyze::story::{deed_of, name};
use crate::analyze::text::Text;
use crate::analyze::witness::{chain_name, table_name};
use crate::meaning::{
    BaseChain, Change, Effect, Entry, Meaning, Question, Reason, Step, Translation,
};
use crate::packet::{Field, Packet, Values};
use crate::resolve::policy::{LimitId, RejectWith};
use crate::source::{Sources, Span};

/// What one base chain did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldStage {
    pub table: &'static str,
    pub chain: &'static str,
    /// Those that took the packet, in order; the default is the last when nothing else decided.
    pub rules: Vec<ToldRule>,
    /// Whether the default decided, and let the packet go on as it was although it is not the filter.
    ends_silently: bool,
}

impl ToldStage {
    /// The rules worth telling: a packet that nothing speaks of passes raw, mangle and nat.
    pub fn told_rules(&self) -> impl Iterator<Item = &ToldRule> {
        let told = self.rules.len() - usize::from(self.ends_silently);
        self.rules.iter().take(told)
    }

    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.told_rules().next().is_none()
    }
}

/// One rule that took the packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldRule {
    pub place: Option<Span>,
    /// The outermost use of the `def` that it came through.
    pub call: Option<Span>,
    /// The user's chain it stands in.
    pub chain: Option<Arc<str>>,
    /// What it says, in one line.
    pub text: String,
    /// What it did: `drops`.
    pub does: String,
    pub is_logged: bool,
}

/// The stages of a journey.
#[must_use]
pub fn told(journey: &Journey<'_>, text: Text<'_>, sources: &Sources) -> Vec<ToldStage> {
    journey.stages.iter().map(|stage| told_stage(stage, text, sources)).collect()
}

fn told_stage(stage: &Stage<'_>, text: Text<'_>, sources: &Sources) -> ToldStage {
    let steps = &stage.trace.steps;
    let rules = steps.iter().map(|step| told_rule(stage, step, text, sources)).collect();
    let is_default = |step: &Step<'_>| matches!(step.entry.reason, Reason::Default(_));
    let goes_on = stage.translation().is_none() && passes(stage);
    let is_filter = table_name(stage.base) == "filter";
    let ends_silently = !is_filter && goes_on && steps.last().is_some_and(is_default);
    let (table, chain) = (table_name(stage.base), chain_name(stage.base));
    ToldStage { table, chain, rules, ends_silently }
}

fn passes(stage: &Stage<'_>) -> bool {
    use crate::meaning::Decision;
    match stage.trace.decision {
        Decision::Accept | Decision::Translate(_) | Decision::LeaveToDocker => true,
        Decision::Drop | Decision::Reject(_) | Decision::Unknown(_) => false,
    }
}

fn told_rule(stage: &Stage<'_>, step: &Step<'_>, text: Text<'_>, sources: &Sources) -> ToldRule {
    let place = text.span_of(step.entry.reason);
    let call = match step.entry.reason {
        Reason::Written(origin) => text.calls_to(origin).last().copied(),
        Reason::Implicit(_) | Reason::Restored | Reason::Default(_) => None,
    };
    let chain = step.chain.and_then(|id| text.chain(id));
    ToldRule {
        place,
        call,
        chain: chain.cloned(),
        text: text_of(step.entry, place, sources),
        does: does(stage, step.entry),
        is_logged: step.logged,
    }
}

/// What an entry says, in one line.
fn text_of(entry: &Entry, place: Option<Span>, sources: &Sources) -> String {
    match (entry.reason, place) {
        (Reason::Implicit(implied), _) => format!("the implicit rule for {}", name(implied)),
        (Reason::Restored, _) => "the mark that stays with the connection".to_owned(),
        (Reason::Default(_), None) => "the default".to_owned(),
        (Reason::Written(_) | Reason::Default(_), Some(span)) => one_line(sources.text(span)),
        (Reason::Written(_), None) => String::new(),
    }
}

/// A statement as one line: its first, when it has more.
fn one_line(text: &str) -> String {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default().trim_end();
    if lines.next().is_some() { format!("{first} …") } else { first.to_owned() }
}

fn does(stage: &Stage<'_>, entry: &Entry) -> String {
    match &entry.effect {
        Effect::Change(change) => told_change(*change),
        Effect::Decide(_) => match stage.translation() {
            Some(translation) => told_translation(translation, stage.base, &stage.after),
            None => deed_of(entry).does.to_owned(),
        },
        Effect::Continue
        | Effect::Opaque { .. }
        | Effect::Return
        | Effect::Call(_)
        | Effect::Goto(_)
        | Effect::Add { .. } => deed_of(entry).does.to_owned(),
    }
}

fn told_change(change: Change) -> String {
    match change {
        Change::Mark(mark) => format!("sets the mark {mark}"),
        Change::StickyMark(mark) => {
            format!("sets the mark {mark}, also of the connection")
        }
        Change::ConnectionMark(mark) => {
            format!("sets the mark {mark} of the connection")
        }
        Change::RestoredMark(_) => "sets the mark of the connection".to_owned(),
        Change::SavedMark(_) => "gives the connection its mark".to_owned(),
        Change::Dscp(dscp) => format!("sets the class {}", dscp.code()),
        Change::Mss(Some(size)) => format!("allows segments of {size} bytes"),
        Change::Mss(None) => "allows segments that the path takes".to_owned(),
        Change::Untracked => "keeps it from conntrack".to_owned(),
        Change::Helper(helper) => format!("gives the connection the helper {helper}"),
    }
}

/// `sends it to 10.0.0.2:8443`
fn told_translation(translation: &Translation, base: BaseChain, after: &Packet) -> String {
    let to = |port: Option<u16>| end(after.destination, port);
    match translation {
        Translation::Exempt => "leaves it alone".to_owned(),
        Translation::Masquerade => match &after.outgoing {
            Some(name) => format!("gives it the address of {name} as source"),
            None => "gives it the address of the interface as source".to_owned(),
        },
        Translation::Source { low, high } if low == high => format!("gives it the source {low}"),
        Translation::Source { low, high } => format!("gives it a source of {low}-{high}"),
        Translation::Destination { .. } => {
            format!("sends it to {}", to(after.ports().map(|(_, port)| port)))
        }
        Translation::Redirect { port } => format!("sends it to port {port} of this machine"),
        Translation::Netmap { .. } if base == BaseChain::NatPostrouting => {
            format!("gives it the source {}", after.source)
        }
        Translation::Netmap { .. } => format!("sends it to {}", after.destination),
    }
}

/// An address with the port that may follow; of IPv6 it then stands in brackets.
#[must_use]
pub fn end(address: IpAddr, port: Option<u16>) -> String {
    match (address, port) {
        (IpAddr::V6(address), Some(port)) => format!("[{address}]:{port}"),
        (IpAddr::V4(address), Some(port)) => format!("{address}:{port}"),
        (address, None) => address.to_string(),
    }
}

impl Fate {
    /// As one word for programs: `allow`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Fate::Delivered | Fate::Sent => "allow",
            Fate::Dropped => "drop",
            Fate::Rejected(_) => "reject",
            Fate::Unknown(_) => "unknown",
            Fate::OutOfHops => "out-of-hops",
            Fate::Martian => "martian",
        }
    }

    /// As people say it: `dropped`.
    #[must_use]
    pub fn told(&self) -> String {
        match self {
            Fate::Delivered | Fate::Sent => "allowed".to_owned(),
            Fate::Dropped => "dropped".to_owned(),
            Fate::Rejected(RejectWith::TcpReset) => "rejected with a reset".to_owned(),
            Fate::Rejected(_) => "rejected".to_owned(),
            Fate::Unknown(text) => format!("decided by words that only the kernel knows: {text}"),
            Fate::OutOfHops => "not sent on, for it has no hops left".to_owned(),
            Fate::Martian => "dropped by the kernel as a martian".to_owned(),
        }
    }
}

/// What it means to be [`Fate::Martian`].
pub const MARTIAN: &str =
    "the kernel takes in and sends on nothing between these addresses, whatever rules say";

impl Unclear {
    /// What is missing, and how to say it in a packet for these rules: a clause, and an act.
    #[must_use]
    pub fn told(&self, text: Text<'_>, sources: &Sources) -> (String, String) {
        match self {
            Unclear::Leaves { destination, is_new, choices } => {
                let message =
                    format!("it is not known by which interface {destination} is reached");
                let names: Vec<String> = choices.iter().map(|one| format!("`out {one}`")).collect();
                let help = match &names[..] {
                    [] if *is_new => "add `out INTERFACE`".to_owned(),
                    [] => format!(
                        "add `out INTERFACE`, or write `{destination}@self` for an address of this machine"
                    ),
                    names => format!("add one of {}", names.join(", ")),
                };
                (message, help)
            }
            Unclear::Own { destination } => (
                format!("it is not said whether {destination} is an address of this machine"),
                format!(
                    "write `{destination}@self` if it is, `{destination}@{}",
                    text.say("ZONE` for a host of a zone", "INTERFACE` for a host behind one")
                ),
            ),
            Unclear::Which { whose, one, other } => {
                let sends = match whose {
                    Whose::Source => "the address that this machine sends from",
                    Whose::Destination => "the address of this machine that it is for",
                };
                (
                    format!("its way depends on {sends}: {one} and {other} meet other rules"),
                    format!("write the address, such as `{other}@self`"),
                )
            }
            Unclear::Changed { field, by, asks } => {
                let said = match asks {
                    Reason::Implicit(implied) => {
                        format!("the implicit rule for {}", name(*implied))
                    }
                    Reason::Restored => "the mark that stays with the connection".to_owned(),
                    Reason::Default(_) => "the default".to_owned(),
                    Reason::Written(_) => match text.span_of(*asks) {
                        Some(span) => format!("`{}`", one_line(sources.text(span))),
                        None => "a rule".to_owned(),
                    },
                };
                (
                    format!(
                        "it is not known whether {said} takes it: it asks for {}, which `{by}` may have \
                         changed",
                        field_name(*field)
                    ),
                    "ask for a packet that one of them is not about".to_owned(),
                )
            }
            Unclear::Redirected { one, other } => (
                format!(
                    "its way depends on the address of the interface it comes in on, where a redirect \
                     leads: {one} and {other} meet other rules"
                ),
                "that is not in the rules; what asks for its port alone, for no address of this machine and \
                 no translation, does not depend on it"
                    .to_owned(),
            ),
            Unclear::TooMany { whose } => {
                let end = match whose {
                    Whose::Source => "source",
                    Whose::Destination => "destination",
                };
                (
                    format!("rules tell very many addresses of its {end} apart"),
                    "write an address with `@self` instead of `self`".to_owned(),
                )
            }
        }
    }
}

/// A field that words change, for people.
fn field_name(field: Field) -> &'static str {
    match field {
        Field::Mark => "the mark",
        Field::ConnectionMark => "the mark of the connection",
        Field::Length => "the length",
        Field::Ttl => "the hops left",
        Field::Dscp => "the class",
        Field::State | Field::Translated | Field::OriginalDestination | Field::OriginalPort => {
            "what conntrack knows"
        }
        Field::Incoming
        | Field::Outgoing
        | Field::Source
        | Field::Destination
        | Field::Protocol
        | Field::SourcePort
        | Field::DestinationPort
        | Field::Icmp
        | Field::Flags
        | Field::ToLocal
        | Field::Mac
        | Field::User
        | Field::Group
        | Field::Opaque => "its ends",
    }
}

/// What was taken for granted on the way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Assumed {
    /// The limits that were asked.
    pub limits: BTreeSet<LimitId>,
    /// Conditions that a packet does not show, by their texts: had they held, more rules would have
    /// matched.
    pub failing: BTreeSet<Arc<str>>,
}

/// What was taken for granted on a journey: `asked` are the questions that came up.
#[must_use]
pub fn assumed(
    meaning: &Meaning,
    journey: &Journey<'_>,
    asked: impl IntoIterator<Item = LimitId>,
) -> Assumed {
    let mut failing = BTreeSet::new();
    for stage in &journey.stages {
        let family = stage.before.family();
        let decided = stage.trace.steps.last().map(|step| step.entry);
        let is_last = |entry: &&Entry| decided.is_some_and(|last| std::ptr::eq(last, *entry));
        // Also those where no rule took the packet.
        let chains = stage.trace.steps.iter().filter_map(|step| step.entry.effect.chain());
        let chains: BTreeSet<_> = chains.collect();
        let own = meaning.base(family, stage.base).into_iter();
        let others = chains.into_iter().filter_map(|id| meaning.chain(family, id));
        for list in own.chain(others) {
            let before = list.entries.iter().take_while(|entry| !is_last(entry));
            for entry in before {
                missing(entry, stage, &mut failing);
            }
        }
    }
    Assumed { limits: asked.into_iter().collect(), failing }
}

/// The conditions of an entry that alone kept it from the packet.
fn missing(entry: &Entry, stage: &Stage<'_>, into: &mut BTreeSet<Arc<str>>) {
    let shown = |field| !matches!(field, Field::Opaque | Field::Mark | Field::State);
    let is_near = entry.set.speaks_of(|field| field == Field::Opaque)
        && !entry.set.contains(&stage.before)
        && entry.set.widened(shown).contains(&stage.before);
    if !is_near {
        return;
    }
    let factors = entry.set.products().iter().flat_map(crate::packet::Product::factors);
    let boxes = factors.flat_map(crate::packet::Factor::boxes);
    for constraint in boxes.flat_map(crate::packet::FieldBox::constraints) {
        if let Values::Opaque(wanted) = constraint.values() {
            let holding = wanted.holding().iter();
            into.extend(holding.filter(|text| !stage.before.opaque.contains(*text)).cloned());
        }
    }
}

/// Whether a question is about a limit, and which.
#[must_use]
pub fn limit_of(question: Question<'_>) -> Option<LimitId> {
    match question {
        Question::Limit(limit) => Some(limit),
        Question::Log(_) => None,
    }
}
