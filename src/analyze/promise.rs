//! Whether a policy keeps what it promises: `assert`, `protect` and `test`.
//!
//! A claim about connections is proved for every packet of its set, through all tables: what is sent is
//! carried to the filter, translated where nat translates it, and there no rule may do otherwise than
//! promised. A promise that is broken has a packet that breaks it, which was walked through all tables
//! again before it is shown. What could not be proved is said so.
//!
//! A new connection is its first packet: state new, of tcp with SYN and without ACK, RST, FIN. What is
//! promised to be dropped is every packet that is new or that conntrack does not see. Sources that the kernel
//! drops before any rule are left out.
//!
//! `to` a host means whoever the packet comes to. Where a `forward` serves the host for a source, it is what
//! that source sends to the public address which must be allowed; for other sources, what they send to
//! the host itself. What is promised to be dropped may reach the host by no way.

mod answered;
mod broken;
pub(super) mod claim;
mod moved;
mod seen;
pub(super) mod sets;
mod shown;
pub(super) mod together;

use std::collections::BTreeSet;

use super::journey::{Answers, Fate, Sent, Surroundings, follow};
use super::text::{Rules, Text};
use crate::diagnostic::Finding;
use crate::meaning::{Guide, Meaning};
use crate::net::{Account, Family};
use crate::packet::PacketSet;
use crate::resolve::Policy;
use crate::resolve::policy::{Claim, Condition, Expected, Promise, PromiseKind, TestPacket};
use crate::source::{Sources, Span};

use broken::Telling;
use claim::{Verdict, World};
use together::Group;

/// What was found about one promise.
#[derive(Debug)]
pub struct Judged<'p> {
    pub promise: &'p Promise,
    /// Empty when it is kept. Of a test, one for each packet that failed.
    pub findings: Vec<Finding>,
    /// The promise, or those packets of a test, that are about a family of which there are no rules.
    pub unjudged: BTreeSet<Span>,
}

/// Every promise of a policy, in order, held to rules: its own, or others, at most one of a family.
#[must_use]
pub fn judged<'p>(policy: &'p Policy, rules: &[Rules<'_>], sources: &Sources) -> Vec<Judged<'p>> {
    if policy.promises.is_empty() {
        return Vec::new();
    }
    let surroundings = &Surroundings::of(policy);
    let at_best: Vec<Meaning> = rules.iter().map(|rules| rules.meaning.at_best()).collect();
    let sides = rules.iter().zip(&at_best).map(|(Rules { text, meaning }, at_best)| Side {
        world: World {
            policy,
            families: text.families(),
            guide: Guide::of(meaning),
            at_best: Guide::of(at_best),
            surroundings,
            docker: policy.docker.as_ref().filter(|_| matches!(text, Text::Policy(_))),
        },
        telling: Telling { text: *text, sources },
        has_numbers: matches!(text, Text::Dump(_)) && has_numbers(meaning),
    });
    let sides: Vec<Side<'_>> = sides.collect();
    let mut plainly = PLAINLY;
    let together = rules.iter().map(|rules| rules.meaning.count() / RULES_OF_ONE).max();
    let groups = policy.promises.chunks(together.unwrap_or(0).max(TOGETHER));
    groups.flat_map(|promises| judge_all(promises, &sides, &mut plainly)).collect()
}

/// So many promises are asked about in one space, for which all rules are compiled once: where rules are
/// many, one for so many of them.
const TOGETHER: usize = 128;
const RULES_OF_ONE: usize = 4;

/// So many claims that are not kept are asked about once more alone: where no other claim tells packets
/// apart, one that breaks it is plainer. Nobody reads more of them.
const PLAINLY: usize = 20;

/// Rules that promises are held to.
struct Side<'s> {
    world: World<'s>,
    telling: Telling<'s>,
    /// Whether they were read, and tell users or groups by numbers: of a name it is not known which it is.
    has_numbers: bool,
}

fn has_numbers(meaning: &Meaning) -> bool {
    let accounts = PacketSet::accounts_of_all(meaning.entries().map(|entry| &entry.set));
    let is_number = |account: &Account| matches!(account, Account::Number(number) if *number > 0);
    accounts.into_iter().any(|(_, account)| is_number(account))
}

/// Whether a promise names a user or group.
fn names_account(promise: &Promise) -> bool {
    let is_name = |account: &Account| matches!(account, Account::Name(_));
    match &promise.kind {
        PromiseKind::Assert(claim) | PromiseKind::Protect(claim) => {
            claim.conditions.iter().filter_map(Condition::account).any(is_name)
        }
        PromiseKind::Test { packets, .. } => {
            packets.iter().flat_map(|packet| [&packet.user, &packet.group]).flatten().any(is_name)
        }
    }
}

/// The claim that a promise makes, and whether it asks for the answers too.
fn claim_of(promise: &Promise) -> Option<(&Claim, bool)> {
    match &promise.kind {
        PromiseKind::Assert(claim) => Some((claim, false)),
        PromiseKind::Protect(claim) => Some((claim, true)),
        PromiseKind::Test { .. } => None,
    }
}

/// Promises that are asked about together; of so many of those that are not kept, a plain packet is looked for.
fn judge_all<'p>(
    promises: &'p [Promise],
    sides: &[Side<'_>],
    plainly: &mut usize,
) -> Vec<Judged<'p>> {
    let claims: Vec<(&Claim, bool)> = promises.iter().filter_map(claim_of).collect();
    let groups: Vec<Group<'_>> =
        sides.iter().map(|side| Group::of(&side.world, claims.clone())).collect();
    let mut numbers = 0..;
    let mut judge_one = |promise| {
        let number = claim_of(promise).and_then(|_| numbers.next());
        judge(promise, number, sides, &groups, plainly)
    };
    promises.iter().map(&mut judge_one).collect()
}

/// Judges a promise; a claim has a number in the groups of each side.
fn judge<'p>(
    promise: &'p Promise,
    number: Option<usize>,
    sides: &[Side<'_>],
    groups: &[Group<'_>],
    plainly: &mut usize,
) -> Judged<'p> {
    let mut judged = Judged { promise, findings: Vec::new(), unjudged: BTreeSet::new() };
    if sides.iter().any(|side| side.has_numbers) && names_account(promise) {
        judged.findings.push(broken::of_unknown_account(promise));
        return judged;
    }
    match &promise.kind {
        PromiseKind::Assert(claim) => {
            let verdict = number.map(|number| verdicts(groups, number, plainly));
            judged.claim(verdict.unwrap_or_default(), sides, |telling, verdict| {
                telling.claim(promise, claim, verdict)
            });
        }
        PromiseKind::Protect(_) => {
            let verdict = number.map(|number| verdicts(groups, number, plainly));
            judged.claim(verdict.unwrap_or_default(), sides, |telling, verdict| {
                telling.protect(promise, verdict)
            });
        }
        PromiseKind::Test { packets, .. } => {
            for packet in packets {
                let of_its_family = |side: &&Side<'_>| side.world.families.contains(packet.family);
                match sides.iter().find(of_its_family) {
                    Some(side) => judged.findings.extend(test(side, packet)),
                    None => _ = judged.unjudged.insert(packet.span),
                }
            }
        }
    }
    judged
}

/// What each side makes of a claim.
fn verdicts(groups: &[Group<'_>], number: usize, plainly: &mut usize) -> Vec<Option<Verdict>> {
    let mut verdict = |group: &Group<'_>| {
        let together = claim::verdict(group, number);
        if group.claims.len() == 1 || *plainly == 0 {
            return together;
        }
        match together {
            None | Some(Verdict::Kept) => together,
            Some(
                Verdict::Broken(_)
                | Verdict::Depends(_)
                | Verdict::Unanswered(_)
                | Verdict::Diverted(_)
                | Verdict::Unknown,
            ) => {
                *plainly -= 1;
                claim::verdict(&Group::of(group.world, vec![group.claims[number]]), 0)
            }
        }
    };
    groups.iter().map(&mut verdict).collect()
}

impl Judged<'_> {
    /// Takes up what each side makes of a claim, which may be about one family alone.
    fn claim(
        &mut self,
        verdicts: Vec<Option<Verdict>>,
        sides: &[Side<'_>],
        tell: impl Fn(&Telling<'_>, Verdict) -> Option<Finding>,
    ) {
        let mut is_about_some = false;
        for (side, verdict) in sides.iter().zip(verdicts) {
            if let Some(verdict) = verdict {
                is_about_some = true;
                self.findings.extend(tell(&side.telling, verdict));
            }
        }
        let knows = |family| sides.iter().any(|side| side.world.families.contains(family));
        match (is_about_some, Family::BOTH.into_iter().all(knows)) {
            (true, _) => {}
            (false, true) => self.findings.push(broken::vacuous(self.promise.span)),
            (false, false) => _ = self.unjudged.insert(self.promise.span),
        }
    }
}

/// What is wrong with a packet of a test, if something is.
fn test(side: &Side<'_>, packet: &TestPacket) -> Option<Finding> {
    let sent = Sent::of(packet);
    let answers = Answers { oracle: &|_| true, facts: None };
    match follow(&side.world.guide, side.world.surroundings, &sent, answers) {
        Err(unclear) => Some(side.telling.unclear(side.world.policy, packet, &unclear)),
        Ok(journey) if is_as_expected(&journey.fate, packet.expected) => None,
        Ok(journey) => Some(side.telling.test(packet, &journey)),
    }
}

fn is_as_expected(fate: &Fate, expected: Expected) -> bool {
    match (fate, expected) {
        (Fate::Delivered | Fate::Sent, Expected::Allow)
        | (Fate::Dropped | Fate::Martian, Expected::Drop)
        | (Fate::Rejected(_), Expected::Reject) => true,
        (
            Fate::Delivered
            | Fate::Sent
            | Fate::Dropped
            | Fate::Rejected(_)
            | Fate::Unknown(_)
            | Fate::OutOfHops
            | Fate::Martian,
            Expected::Allow | Expected::Drop | Expected::Reject,
        ) => false,
    }
}
