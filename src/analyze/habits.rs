//! Customs of firewalls that a policy departs from: each is a question about its base chains.

mod exposure;
mod here_only;
mod implicit;
mod messages;
mod needed;
mod open_end;
mod unmodelled;
mod wide_open;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::flat::asking::Asking;
use super::flat::passing::{Found, Passing, Step};
use super::text::{Dump, Text};
use super::work::Work;
use crate::diagnostic::{Finding, catalogue as lint};
use crate::meaning::{BaseChain, Reason};
use crate::net::{CtState, Family};
use crate::packet::{Among, Constraint, Factor, PacketSet, Product, Region, Verdict};
use crate::resolve::Policy;
use crate::resolve::policy::{Action, Hook, Item, Origin, Rule};
use crate::ruleset::{Match, MatchKind, Target};

/// The findings about customs, in no order, once the chains that they ask about are looked at; what is open to
/// the world only if that is shown.
pub(super) fn findings<'a, 'w>(
    text: Text<'a>,
    asking: &mut Asking<'a>,
    work: &'w Work,
    is_open_shown: bool,
) -> impl FnOnce(&Asking<'a>) -> Vec<Finding> + use<'a, 'w> {
    let no_remote_access = exposure::no_remote_access(text, asking, work);
    let open_to_world = is_open_shown.then(|| exposure::open_to_world(text, asking, work));
    let wide = text.policy().filter(|_| is_open_shown);
    let wide_open = wide.map(|policy| wide_open::findings(policy, asking, work));
    let limits_bypassed = limits_bypassed(text, asking, work);
    let here_only = text.policy().map(|policy| here_only::in_policy(policy, asking, work));
    move |asking| {
        let mut findings = match text {
            Text::Policy(policy) => implicit::of_policy(policy, asking.meaning, work),
            Text::Dump(dump) => needed::findings(dump, work),
        };
        findings.extend(no_remote_access(asking));
        findings.extend(open_to_world.into_iter().flat_map(|open| open(asking)));
        findings.extend(wide_open.into_iter().flat_map(|wide_open| wide_open(asking)));
        findings.extend(limits_bypassed(asking));
        findings.extend(here_only.into_iter().flat_map(|here_only| here_only(asking)));
        if let Text::Dump(dump) = text {
            findings.extend(here_only::in_dump(dump, work));
            findings.extend(open_end::finding(dump, work));
        }
        findings.extend(unmodelled::findings(text));
        findings
    }
}

/// The packets of a factor.
fn set_of(family: Family, factor: Factor) -> PacketSet {
    PacketSet::of(family, Product::of([factor]))
}

/// The first packets of connections.
fn new_packets(family: Family) -> PacketSet {
    let new = Constraint::state([CtState::New].into_iter().collect());
    set_of(family, Factor::all([new]))
}

/// The rules of the top level, with their places among the items.
fn rules(policy: &Policy) -> impl Iterator<Item = (usize, &Rule)> {
    policy.items.iter().enumerate().filter_map(|(at, item)| match item {
        Item::Rule(rule) => Some((at, rule)),
        Item::Nat(_) | Item::Alter(_) | Item::Raw(_) => None,
    })
}

/// Rules that accept up to a limit what later rules, or the default, accept without: wherever packets
/// come to them, all that is over the limit passes. Of a policy also those that refuse up to a limit what is
/// accepted over it, which is hardly meant: who comes often gets in, and who comes once does not. (What
/// dumps have for limits may be meant either way round.)
fn limits_bypassed<'a, 'w>(
    text: Text<'a>,
    asking: &mut Asking<'a>,
    work: &'w Work,
) -> impl FnOnce(&Asking<'a>) -> Vec<Finding> + use<'a, 'w> {
    let (accepting, refusing): (BTreeSet<Origin>, BTreeSet<Origin>) = match text {
        Text::Policy(policy) => (
            limited(policy, |action| *action == Action::Allow),
            limited(policy, |action| matches!(action, Action::Drop | Action::Reject(_))),
        ),
        Text::Dump(dump) => (limited_rules(dump).collect(), BTreeSet::new()),
    };
    let all: BTreeSet<Origin> = accepting.union(&refusing).copied().collect();
    let pairs = Family::BOTH.into_iter().flat_map(|f| Hook::ALL.map(|hook| (f, hook.into())));
    let pairs: Vec<(Family, BaseChain)> = pairs.filter(|_| !all.is_empty()).collect();
    for (family, base) in &pairs {
        asking.ask(*family, *base, Vec::new());
    }
    move |asking| {
        let chains = pairs.iter().map(|(family, base)| asking.passing(*family, *base));
        let chains: Option<Vec<&Passing<'_>>> = chains.collect();
        let rests = rests(&all, &chains.unwrap_or_default(), work);
        let told = rests.into_iter().filter_map(|(origin, rest)| {
            let accepts = text.span_of(rest?);
            Some(if refusing.contains(&origin) {
                messages::limit_reversed(text, origin, accepts)
            } else {
                messages::limit_bypassed(text, origin, accepts)
            })
        });
        told.collect()
    }
}

/// The rules with limits and such an action.
fn limited(policy: &Policy, does: impl Fn(&Action) -> bool) -> BTreeSet<Origin> {
    let rules = rules(policy).map(|(_, rule)| rule);
    let rules = rules.chain(policy.chains.iter().flat_map(|chain| &chain.rules));
    let limited = rules.filter(|rule| does(&rule.action) && !rule.limits.is_empty());
    limited.map(|rule| rule.origin).collect()
}

/// Who accepts the rest of what rules decide up to a limit; None where something of it is not accepted.
fn rests(
    limited: &BTreeSet<Origin>,
    chains: &[&Passing<'_>],
    work: &Work,
) -> BTreeMap<Origin, Option<Reason>> {
    let mut rests: BTreeMap<Origin, Option<Reason>> = BTreeMap::new();
    for passing in chains {
        // What was found last about the same packets: true for what comes before that, too.
        let mut known: HashMap<Region, [Found; 2]> = HashMap::new();
        let is_behind = |found: &Found, number| match found {
            Found::Packet(_, step) => *step > number,
            Found::Nothing => true,
            Found::Unknown => false,
        };
        for (number, step) in passing.steps.iter().enumerate() {
            let Reason::Written(origin) = step.reason else { continue };
            if step.decision.is_none()
                || !limited.contains(&origin)
                || rests.get(&origin) == Some(&None)
            {
                continue;
            }
            let region = passing.region(number);
            let before = Among::before(passing.number(number));
            match passing.left(&region, before) {
                Verdict::Uncovered(_) => {}
                Verdict::Covered => continue,
                Verdict::Incomplete => {
                    work.was_too_much(&lint::LIMIT_BYPASSED);
                    rests.insert(origin, None);
                    continue;
                }
            }
            let found = match known.get(&region) {
                Some(found) if found.iter().all(|one| is_behind(one, number)) => found,
                Some(_) | None => {
                    let refused = passing.decided(&region, number + 1, Step::refuses);
                    let accepted = passing.decided(&region, number + 1, |step| step.is_unlimited);
                    known.entry(region).insert_entry([refused, accepted]).into_mut()
                }
            };
            if found[0] == Found::Unknown {
                work.was_too_much(&lint::LIMIT_BYPASSED);
            }
            let rest = match found {
                [Found::Nothing, Found::Packet(_, by)] => Some(passing.steps[*by].reason),
                [Found::Nothing | Found::Packet(..) | Found::Unknown, _] => None,
            };
            rests.insert(origin, rest);
        }
    }
    rests
}

/// The rules that accept up to a rate or a number of connections.
fn limited_rules(dump: &Dump) -> impl Iterator<Item = Origin> {
    let limits = |found: &Match| {
        !found.negated
            && matches!(
                found.kind,
                MatchKind::Limit { .. } | MatchKind::Hashlimit(_) | MatchKind::Connlimit { .. }
            )
    };
    let accepting = dump.rules().filter(|(.., rule)| rule.target == Target::Accept);
    let limited = accepting.filter(move |(.., rule)| rule.matches.iter().any(limits));
    limited.map(|(_, _, line, _)| Origin { span: line, call: None })
}
