//! What is said of promises that are not kept.

use super::claim::Verdict;
use super::shown::{Broken, Told};
use crate::analyze::journey::told::{MARTIAN, end};
use crate::analyze::journey::{Fate, Journey, Unclear};
use crate::analyze::story::name;
use crate::analyze::text::Text;
use crate::analyze::witness::{chain_name, witness_of};
use crate::diagnostic::{Finding, Lint, Witness, catalogue as lint};
use crate::meaning::{BaseChain, Reason};
use crate::packet::Packet;
use crate::resolve::Policy;
use crate::resolve::policy::{Claim, Promise, PromiseKind, TestPacket};
use crate::source::{Sources, Span};

const ANSWERS: &str = "let answers pass: name `established` in `implicit`, or allow them";
const DIVERTED: &str = "leave these packets out of the translation";

/// What helps, unless something better is said.
fn or_help(finding: Finding, help: &str) -> Finding {
    if finding.help.is_some() { finding } else { finding.help(help) }
}

/// What messages need to know.
#[derive(Clone, Copy)]
pub(super) struct Telling<'a> {
    /// Where the rules that decide are written.
    pub text: Text<'a>,
    pub sources: &'a Sources,
}

impl Telling<'_> {
    /// The finding about an `assert`, if it is not kept.
    pub fn claim(&self, promise: &Promise, claim: &Claim, verdict: Verdict) -> Option<Finding> {
        let at = promise.span;
        match verdict {
            Verdict::Kept => None,
            Verdict::Unknown => Some(unknown(&lint::ANALYSIS_INCOMPLETE, at)),
            Verdict::Broken(broken) => {
                let help = if claim.accepts {
                    "allow them before what refuses them, or promise less"
                } else {
                    "drop them before the rule that allows them, narrow that, or promise less"
                };
                Some(self.failed(at, claim, &broken, help))
            }
            Verdict::Unanswered(broken) => Some(self.failed(at, claim, &broken, ANSWERS)),
            Verdict::Diverted(broken) => Some(self.failed(at, claim, &broken, DIVERTED)),
            Verdict::Depends(broken) => {
                let message = "whether these connections are allowed depends on a limit";
                let finding =
                    self.broken(&lint::ASSERTION_DEPENDS, at, message.to_owned(), &broken);
                Some(finding.help("add `within limits`, or allow the rest too"))
            }
        }
    }

    fn failed(&self, at: Span, claim: &Claim, broken: &Broken, help: &str) -> Finding {
        let message = if claim.accepts {
            format!("a connection that is asserted to be allowed is {}", broken.told.fate.told())
        } else {
            "a connection that is asserted to be dropped is allowed".to_owned()
        };
        or_help(self.broken(&lint::ASSERTION_FAILED, at, message, broken), help)
    }

    /// The finding about a `protect`, if it is not kept.
    pub fn protect(&self, promise: &Promise, verdict: Verdict) -> Option<Finding> {
        let at = promise.span;
        let mut help = "allow it before what refuses it";
        let (message, broken) = match verdict {
            Verdict::Kept => return None,
            // What is protected is so only when that is sure.
            Verdict::Unknown => return Some(unknown(&lint::LOCKOUT, at)),
            Verdict::Broken(broken) => {
                (format!("a connection that is protected is {}", broken.told.fate.told()), broken)
            }
            Verdict::Depends(broken) => {
                help = "allow it without a limit, before the rule that has one";
                let message =
                    "whether connections that are protected are allowed depends on a limit";
                (message.to_owned(), broken)
            }
            Verdict::Unanswered(broken) => {
                help = ANSWERS;
                let fate = broken.told.fate.told();
                (format!("an answer in a connection that is protected is {fate}"), broken)
            }
            Verdict::Diverted(broken) => {
                help = DIVERTED;
                let message = "a connection to this machine that is protected goes to another host";
                (message.to_owned(), broken)
            }
        };
        Some(or_help(self.broken(&lint::LOCKOUT, at, message, &broken), help))
    }

    fn broken(&self, lint: &'static Lint, at: Span, message: String, broken: &Broken) -> Finding {
        let mut finding = Finding::new(lint, at, message).label("does not hold");
        let limited = broken.limited_by.and_then(|reason| self.text.span_of(reason));
        if let Some(span) = limited {
            finding = finding.related(span, "allows it while its limit has room");
        }
        self.show(finding, at, &broken.sent, &broken.told)
    }

    /// A packet of a test that met another end.
    pub fn test(&self, packet: &TestPacket, journey: &Journey<'_>) -> Finding {
        let fate = journey.fate.told();
        let expected = packet.expected.fate();
        let message = format!("a packet that is to be {expected} is {fate}");
        let finding =
            Finding::new(&lint::TEST_FAILED, packet.span, message).label(format!("is {fate}"));
        let Some(told) = Told::of(journey) else { return finding };
        let Some(first) = journey.stages.first() else { return finding };
        self.show(finding, packet.span, &first.before, &told)
    }

    /// A packet of a test of which too little is said.
    pub fn unclear(&self, policy: &Policy, packet: &TestPacket, unclear: &Unclear) -> Finding {
        let (message, help) = unclear.told(Text::Policy(policy), self.sources);
        Finding::new(&lint::UNCLEAR_PACKET, packet.span, message)
            .label("what becomes of it is not known")
            .help(help)
    }

    /// Adds the packet, who decided about it and who translated it.
    fn show(&self, finding: Finding, from: Span, sent: &Packet, told: &Told) -> Finding {
        let decided = told.decided_by.and_then(|reason| self.text.span_of(reason));
        let translated = told.translated_by.and_then(|reason| self.text.span_of(reason));
        let does = match told.fate {
            Fate::Delivered | Fate::Sent => "allows it",
            Fate::Dropped => "drops it",
            Fate::Rejected(_) => "rejects it",
            Fate::Unknown(_) => "decides it",
            Fate::OutOfHops | Fate::Martian => "was met last",
        };
        let mut finding = finding;
        if let Some(span) = translated.filter(|span| Some(*span) != decided) {
            finding = finding.related(span, "translates it");
        }
        if let Some(span) = decided {
            finding = finding.related(span, does);
        }
        let mut shown = match translated {
            Some(_) => {
                let chain = chain_name(BaseChain::NatPrerouting);
                Witness { chain: chain.to_owned(), ..witness_of(sent, told.base) }
            }
            None => witness_of(&told.seen, told.base),
        };
        shown.deliverable = true;
        // What is forwarded has one hop less then; that counts only for rules about it.
        let usual = if translated.is_some() { 65 } else { 63 };
        shown.ttl = shown.ttl.filter(|ttl| *ttl != usual);
        let is_martian = told.fate == Fate::Martian;
        let by = told.decided_by.filter(|_| !is_martian);
        let by = by.map(|reason| self.whereabouts(reason, decided, from));
        shown.fate =
            Some(format!("{} {}", told.fate.told(), by.unwrap_or_default()).trim_end().to_owned());
        let mut finding = finding.witness(shown);
        if is_martian {
            finding = finding.note(MARTIAN);
        }
        if told.base == BaseChain::DockerUser && told.fate.is_accepted() {
            finding = finding
                .note("Docker sends it to a container if one publishes this port; its own rules are not known")
                .help("let the block `docker` allow less, or promise less");
        }
        if translated.is_none() {
            return finding;
        }
        let port = told.seen.ports().map(|(_, port)| port);
        finding.note(format!(
            "nat sends it to {}, where {} sees it",
            end(told.seen.destination, port),
            chain_name(told.base)
        ))
    }

    fn whereabouts(&self, reason: Reason, place: Option<Span>, from: Span) -> String {
        match (reason, place) {
            (Reason::Implicit(implied), _) => format!("by the implicit rule for {}", name(implied)),
            (_, Some(span)) if span.file() == from.file() => {
                format!("at line {}", self.sources.line(span))
            }
            (_, Some(span)) => format!("at {}", self.sources.locate(span)),
            (Reason::Default(_), None) => "by default".to_owned(),
            (Reason::Written(_) | Reason::Restored, None) => String::new(),
        }
    }
}

pub(super) fn vacuous(at: Span) -> Finding {
    Finding::new(&lint::VACUOUS_ASSERTION, at, "a promise about packets that there are not")
        .label("no such packet opens a connection")
        .help("name the addresses and services that are meant")
}

fn unknown(lint: &'static Lint, at: Span) -> Finding {
    Finding::new(lint, at, "it is not found out whether this promise is kept")
        .label("not proved")
        .note(
            "rules take its packets in very many pieces, or change them in ways that are not known, or a raw \
             rule decides",
        )
        .help("promise less at once, by one for each zone or service")
}

/// A promise about an account by its name, of rules that tell accounts by numbers.
pub(super) fn of_unknown_account(promise: &Promise) -> Finding {
    let lint = match promise.kind {
        PromiseKind::Protect(_) => &lint::LOCKOUT,
        PromiseKind::Assert(_) | PromiseKind::Test { .. } => &lint::ANALYSIS_INCOMPLETE,
    };
    Finding::new(lint, promise.span, "it is not found out whether this promise is kept")
        .label("names a user or group")
        .note("these rules tell users and groups by numbers, and which name has which is not known here")
        .help("write the number, as `id -u NAME` prints it where the rules are loaded")
}
