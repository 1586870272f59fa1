//! Everything that the analysis finds in a policy or in a dump.

use std::collections::{BTreeMap, BTreeSet};

use super::dead::Life;
use super::flat::Cut;
use super::flat::asking::Asking;
use super::judge::{At, Judgement};
use super::story::Stories;
use super::text::{Rules, Text};
use super::told::Told;
use super::witness::chain_name;
use super::work::Work;
use super::{habits, nat, partly, promise, shadow, spare, unreached};
use crate::diagnostic::expectation::Expectations;
use crate::diagnostic::{Finding, Lint, catalogue};
use crate::meaning::Meaning;
use crate::packet::Budget;
use crate::packet::shares::both;
use crate::resolve::Policy;
use crate::resolve::policy::{Item, Origin};
use crate::source::{Sources, Span};

/// What is wrong with rules, in the order of the text.
///
/// What is in the body of a `def` is told once, and once more for calls where it is expected. Lints that
/// are not shown are not looked for. Of those that are many, all beyond as many as are told say no more
/// than what is wrong and how it is mended.
#[must_use]
pub fn findings(
    text: Text<'_>,
    meaning: &Meaning,
    sources: &Sources,
    expectations: &Expectations,
    shows: &dyn Fn(&Lint) -> bool,
) -> Vec<Finding> {
    let told = Told::nothing(shows, expectations);
    once(all(text, meaning, sources, told, Budget::default()), expectations)
}

/// All of them, where a question may be so much work.
fn all(
    text: Text<'_>,
    meaning: &Meaning,
    sources: &Sources,
    mut told: Told<'_>,
    budget: Budget,
) -> Vec<Finding> {
    let work = Work::of(budget);
    let is_open_shown = told.shows(&catalogue::OPEN_TO_WORLD);
    let rules = || of_rules(text, meaning, sources, &mut told, &work);
    let (customs, mut found) = both(|| customs(text, meaning, &work, is_open_shown), rules);
    found.extend(customs);
    found.extend(work.findings(&|lint| told.shows(lint)));
    let own = [Rules { text, meaning }];
    let promises = text.policy().map(|policy| promise::judged(policy, &own, sources));
    found.extend(promises.into_iter().flatten().flat_map(|judged| judged.findings));
    found.retain(|finding| told.shows(finding.lint));
    let mut found = without_consequences(found);
    found.sort_by_key(|finding| finding.span);
    found
}

/// What rules do to each other.
fn of_rules(
    text: Text<'_>,
    meaning: &Meaning,
    sources: &Sources,
    told: &mut Told<'_>,
    work: &Work,
) -> Vec<Finding> {
    let blocks = text.policy().map(blocks).unwrap_or_default();
    let stories = Stories { text, sources, blocks: &blocks };
    let judgement = Judgement::of(meaning, work.budget);
    let statements = judgement.statements.iter();
    let mut found: Vec<Finding> = statements
        .filter_map(|(origin, places)| {
            shadow::finding(stories, &judgement, (*origin, places), told)
                .or_else(|| unknown(stories, &judgement, *origin, places))
        })
        .collect();
    found.extend(too_much(&judgement));
    found.extend(unreached::chains(text, &judgement));
    found.extend(spare::redundant(stories, &judgement, told));
    if told.shows(&catalogue::PARTLY_DEAD) {
        let at: BTreeSet<Span> = found.iter().filter_map(|finding| finding.span).collect();
        found.extend(partly::findings(stories, &judgement, &at, told));
    }
    if told.shows(&catalogue::OVERLAP) {
        found.extend(spare::overlaps(stories, &judgement));
    }
    found.extend(nat::conflicting(text, &judgement, work));
    found
}

/// What base chains make of packets that customs are about.
fn customs(text: Text<'_>, meaning: &Meaning, work: &Work, is_open_shown: bool) -> Vec<Finding> {
    let mut asking = Asking::of(meaning, work.budget);
    let nat = nat::findings(text, &mut asking, work);
    let habits = habits::findings(text, &mut asking, work, is_open_shown);
    let mut found = nat(&asking);
    found.extend(habits(&asking));
    found
}

/// The blocks of rules that are about all of one.
fn blocks(policy: &Policy) -> BTreeMap<Origin, Span> {
    let items = policy.items.iter().filter_map(|item| match item {
        Item::Rule(rule) => Some(rule),
        Item::Nat(_) | Item::Alter(_) | Item::Raw(_) => None,
    });
    let in_chains = policy.chains.iter().flat_map(|chain| &chain.rules);
    let in_docker = policy.docker.iter().flat_map(|docker| &docker.rules);
    let rules = items.chain(in_chains).chain(in_docker);
    rules.filter_map(|rule| Some((rule.origin, rule.remarks.speaks_of_all_in?))).collect()
}

/// One mistake, one finding: that a rule whose limit limits nothing might go needs no saying, nor what
/// a translation that no packet reaches has against another.
fn without_consequences(found: Vec<Finding>) -> Vec<Finding> {
    let of = |lints: &[&Lint]| -> BTreeSet<Span> {
        let told = found.iter().filter(|finding| lints.contains(&finding.lint));
        told.filter_map(|finding| finding.span).collect()
    };
    let spare = [&catalogue::REDUNDANT_RULE, &catalogue::REDUNDANT_WITH_DEFAULT];
    let dead = [
        &catalogue::SHADOWED_CONFLICT,
        &catalogue::SHADOWED_RULE,
        &catalogue::DUPLICATE_RULE,
        &catalogue::UNREACHABLE_RULE,
    ];
    let (bypassed, dead) = (of(&[&catalogue::LIMIT_BYPASSED]), of(&dead));
    let follows = |finding: &Finding| {
        let is_at = |places: &BTreeSet<Span>| finding.span.is_some_and(|at| places.contains(&at));
        spare.contains(&finding.lint) && is_at(&bypassed)
            || *finding.lint == catalogue::NAT_CONFLICT && is_at(&dead)
    };
    let is_told: Vec<bool> = found.iter().map(|finding| !follows(finding)).collect();
    let told = found.into_iter().zip(is_told).filter(|(_, is_told)| *is_told);
    told.map(|(finding, _)| finding).collect()
}

/// A rule of which it is not found out whether packets reach it.
fn unknown(
    stories: Stories<'_>,
    judgement: &Judgement<'_>,
    origin: Origin,
    places: &[At],
) -> Option<Finding> {
    let is_unknown = |at: At| {
        judgement.chains[at.chain].flat.is_whole() && matches!(judgement.life(at), Life::Unknown)
    };
    let is_live = |at: At| matches!(judgement.life(at), Life::Live(_));
    let mut judging = judgement.judging(places);
    if judging.clone().any(is_live) || !judging.any(is_unknown) {
        return None;
    }
    let message = "it is not found out whether the rule can match".to_owned();
    let finding = stories.about(&catalogue::ANALYSIS_INCOMPLETE, origin, message);
    Some(
        finding
            .label("too much work")
            .note("many earlier rules take parts of its packets, in very many pieces")
            .help(stories.text.say(
                "split the rule, or accept it by `expect analysis-incomplete`",
                "split the rule, or lower the level: `--warn analysis-incomplete`",
            )),
    )
}

fn too_much(judgement: &Judgement<'_>) -> Vec<Finding> {
    let cuts = judgement.chains.iter().filter_map(|judged| Some((judged, judged.flat.cut?)));
    let mut told = BTreeSet::new();
    let cuts = cuts.map(|(judged, cut)| (chain_name(judged.flat.base), cut));
    let cuts: Vec<(&str, Cut)> = cuts.filter(|cut| told.insert(*cut)).collect();
    let finding = |(name, cut)| {
        let (why, help) = match cut {
            Cut::Ways => ("too many jumps lead to them", "jump to large chains from fewer places"),
            Cut::Conditions => (
                "they have too many different conditions that packets do not show",
                "ask for fewer different times, sets, texts and the like in one chain",
            ),
        };
        let message = format!("the rules of {name} are not analysed: {why}");
        Finding::without_place(&catalogue::ANALYSIS_INCOMPLETE, message).help(help)
    };
    cuts.into_iter().map(finding).collect()
}

/// The same thing once, and once more where it is expected.
fn once(found: Vec<Finding>, expectations: &Expectations) -> Vec<Finding> {
    let mut told = BTreeSet::new();
    let new = |finding: &Finding| {
        let accepting = expectations.accepting(finding.lint, finding.places());
        told.insert((finding.lint.name, finding.span, finding.message.clone(), accepting))
    };
    found.into_iter().filter(new).collect()
}

#[cfg(test)]
mod tests;
