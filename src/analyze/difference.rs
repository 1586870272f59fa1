//! A difference between two meanings as a finding, and as words.

use std::collections::{BTreeSet, HashMap};

use super::equal::{Act, Comparison, Deed, Difference, Unproved, Why};
use super::flat::MOST_CONDITIONS;
use super::ruled::place;
use super::story::{self, decision};
use super::witness::{chain_name, witness_of};
use crate::diagnostic::{Finding, catalogue};
use crate::meaning::{BaseChain, Change, Decision, Reason, Translation};
use crate::net::{Duration, Family};
use crate::source::Span;

/// How the two sides of a comparison are called: `the policy` and `the rules`.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    pub left: &'a str,
    pub right: &'a str,
}

/// What a comparison found, each thing once: what the same does on both sides is shown by its most ordinary
/// packet. That a limit counts other packets follows where more is different than that.
#[must_use]
pub fn differences(comparison: &Comparison, named: Named<'_>) -> Vec<Finding> {
    let is_count = |one: &Difference| {
        matches!(one.left.deed, Deed::Count(_)) || matches!(one.right.deed, Deed::Count(_))
    };
    let is_more = |one: &&Difference| !is_count(one);
    let told: BTreeSet<(Family, BaseChain)> =
        comparison.differences.iter().filter(is_more).map(|one| (one.family, one.base)).collect();
    let shown = comparison
        .differences
        .iter()
        .filter(|one| !(is_count(one) && told.contains(&(one.family, one.base))));
    // Where no text is responsible, only the reason tells one difference from another.
    let mut known = HashMap::new();
    let mut apart: Vec<&Difference> = Vec::new();
    for one in shown {
        let key = (one.family, one.base, words(&one.left, &one.right));
        let at = known.entry((key, one.left.reason, one.right.reason)).or_insert(apart.len());
        match apart.get_mut(*at) {
            Some(best) if one.ordinariness() > best.ordinariness() => *best = one,
            Some(_) => {}
            None => apart.push(one),
        }
    }
    let findings = apart.into_iter().map(|one| named.finding(one));
    findings.chain(comparison.unproved.iter().map(unproved)).collect()
}

impl Named<'_> {
    pub const POLICY_AND_RULES: Named<'static> = Named { left: "the policy", right: "the rules" };

    /// What differs, with a packet that shows it and the places on both sides.
    fn finding(self, one: &Difference) -> Finding {
        let (left, right) = words(&one.left, &one.right);
        let (table, _) = place(one.base);
        let chain = chain_name(one.base);
        let message = format!(
            "{} packets are {left} by {}, and {right} by {} ({table} {chain})",
            one.family, self.left, self.right
        );
        let lint = &catalogue::UNEQUAL;
        let mut finding = match (span(&one.left), span(&one.right)) {
            (Some(at), other) => {
                let finding = Finding::new(lint, at, message).label(format!("here {left}"));
                match other {
                    Some(other) => finding.related(other, format!("here {right}")),
                    None => finding.note(default_of(self.right, &one.right, &right)),
                }
            }
            (None, Some(at)) => Finding::new(lint, at, message)
                .label(format!("here {right}"))
                .note(default_of(self.left, &one.left, &left)),
            (None, None) => Finding::without_place(lint, message)
                .note(default_of(self.left, &one.left, &left))
                .note(default_of(self.right, &one.right, &right)),
        };
        finding = finding.witness(witness_of(&one.packet, one.base));
        finding
    }
}

/// What each side does: `allowed`, `dropped`.
#[must_use]
pub fn words(left: &Act, right: &Act) -> (String, String) {
    let (left, right) = (&left.deed, &right.deed);
    match (left, right) {
        (Deed::Decide(_), Deed::Decide(_)) => (done(left), done(right)),
        // Who ends the way of a packet does not do what the other one did before.
        (Deed::Decide(_), _) => (format!("not {}", done(right)), done(right)),
        (_, Deed::Decide(_)) => (done(left), format!("not {}", done(left))),
        (_, _) => (done(left), done(right)),
    }
}

/// What could not be found out.
#[must_use]
pub fn unproved(one: &Unproved) -> Finding {
    let (table, _) = place(one.base);
    let why = match one.why {
        Why::Ways => "too many jumps lead to its rules",
        Why::Conditions => "its rules have too many different conditions that packets do not show",
        Why::Work => "its packets are in too many pieces",
        Why::Differences => "it has very many differences, and the others are not looked for",
        Why::Accounts => {
            "users or groups are names on one side and numbers on the other; write the numbers"
        }
        Why::Changes => "its rules change packets, in another order on each side",
        Why::Unconfirmed => "a packet that should differ does not: this is a fault of palisade",
    };
    let not_known = match one.why {
        Why::Differences => "how else",
        Why::Ways
        | Why::Conditions
        | Why::Work
        | Why::Accounts
        | Why::Changes
        | Why::Unconfirmed => "whether",
    };
    let message = format!(
        "it is not found out {not_known} {table} {} of {} differs: {why}",
        chain_name(one.base),
        one.family
    );
    let finding = Finding::without_place(&catalogue::ANALYSIS_INCOMPLETE, message);
    match one.why {
        Why::Ways => finding.help("jump to large chains from fewer places"),
        Why::Conditions => finding
            .note(format!(
                "each different limit, time, set or text counts once for every rule of the chain, \
                 and at most {MOST_CONDITIONS} times in all"
            ))
            .help("ask for fewer different ones in one chain, or by fewer rules"),
        Why::Work => finding
            .note("rules take parts of each other's packets, in very many pieces")
            .help("split the rules, or move some to a chain of their own"),
        Why::Differences | Why::Accounts | Why::Changes | Why::Unconfirmed => finding,
    }
}

fn span(act: &Act) -> Option<Span> {
    match act.reason {
        Reason::Written(origin) => Some(origin.span),
        Reason::Implicit(_) | Reason::Restored | Reason::Default(_) => None,
    }
}

/// Where a side does something that no text of it says.
fn default_of(side: &str, act: &Act, done: &str) -> String {
    format!("{side}: {done} {}", by(act))
}

/// What is responsible where no text is: `by default, at the end of the chain`.
#[must_use]
pub fn by(act: &Act) -> String {
    match act.reason {
        Reason::Implicit(implied) => {
            format!("by the implicit rule for {}", story::name(implied))
        }
        Reason::Default(_) => "by default, at the end of the chain".to_owned(),
        Reason::Restored => "by what stays of marks".to_owned(),
        Reason::Written(_) => "there".to_owned(),
    }
}

/// `accepted`, `logged with \"x \"`, `given mark 0x1`
fn done(deed: &Deed) -> String {
    match deed {
        Deed::Decide(Decision::Reject(with)) => format!("rejected with {}", with.name()),
        Deed::Decide(Decision::Unknown(words)) => format!("sent to `{words}`"),
        Deed::Decide(Decision::Translate(translation)) => translated(translation),
        Deed::Decide(Decision::Accept | Decision::Drop | Decision::LeaveToDocker) => {
            let Deed::Decide(what) = deed else { return String::new() };
            decision(what).done.to_owned()
        }
        Deed::Log { prefix: Some(prefix), level } => {
            format!("logged as {prefix:?} at level {}", level.0)
        }
        Deed::Log { prefix: None, level } => format!("logged at level {}", level.0),
        Deed::Change(change) => changed(*change),
        Deed::Add { set, timeout: None } => format!("taken up into `{set}`"),
        Deed::Add { set, timeout: Some(seconds) } => {
            format!("taken up into `{set}` for {}", Duration::of_seconds(*seconds))
        }
        Deed::Opaque(words) => format!("sent through `{words}`"),
        Deed::Count(limit) => format!("counted by {limit}"),
    }
}

fn translated(translation: &Translation) -> String {
    match translation {
        Translation::Exempt => "left alone".to_owned(),
        Translation::Masquerade => "masqueraded".to_owned(),
        Translation::Source { low, high } if low == high => format!("given source {low}"),
        Translation::Source { low, high } => format!("given a source of {low}-{high}"),
        Translation::Destination { address, port: Some(port) } => {
            format!("sent to {address} port {port}")
        }
        Translation::Destination { address, port: None } => format!("sent to {address}"),
        Translation::Redirect { port } => format!("redirected to port {port}"),
        Translation::Netmap { to, .. } => format!("moved to network {to}"),
    }
}

fn changed(change: Change) -> String {
    match change {
        Change::Mark(mark) => format!("given mark {mark}"),
        Change::StickyMark(mark) => format!("given mark {mark} with their connection"),
        Change::ConnectionMark(mark) => format!("given connection mark {mark}"),
        Change::RestoredMark(mask) => {
            format!("given the mark of their connection under {mask:#x}")
        }
        Change::SavedMark(mask) => {
            format!("given to their connection by their mark under {mask:#x}")
        }
        Change::Dscp(dscp) => format!("given class {dscp}"),
        Change::Mss(Some(size)) => format!("limited to segments of {size}"),
        Change::Mss(None) => "limited to segments of their path".to_owned(),
        Change::Untracked => "kept from conntrack".to_owned(),
        Change::Helper(helper) => format!("given helper {helper}"),
    }
}
