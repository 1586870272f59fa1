//! Rules that packets reach and that might as well not be there, and rules that overlap.

use std::borrow::Cow;

use super::dead::Life;
use super::flat::FlatStep;
use super::judge::{At, Judged, Judgement};
use super::list::EffectNumber;
use super::redundant::{Trees, Without};
use super::story::{Stories, deed};
use super::text::Text;
use super::told::Told;
use crate::diagnostic::{Finding, Lint, catalogue};
use crate::meaning::{BaseChain, Effect, Reason};
use crate::packet::{Among, Answer, Budget, Index, Question, RuleNumber, Sorts};
use crate::resolve::policy::Origin;
use crate::source::Span;

/// Later rules that a finding names.
const MAX_TOLD: usize = 8;

/// The rules that change nothing, because later rules or the default do the same.
pub fn redundant(
    stories: Stories<'_>,
    judgement: &Judgement<'_>,
    told: &mut Told<'_>,
) -> Vec<Finding> {
    let by_default = told.shows(&catalogue::REDUNDANT_WITH_DEFAULT);
    if !by_default && !told.shows(&catalogue::REDUNDANT_RULE) {
        return Vec::new();
    }
    let rest = Rest::of(judgement);
    let answers = rest.answers();
    let statements = judgement.statements.iter();
    let found = statements.filter(|(_, places)| is_asked(judgement, places));
    found
        .filter_map(|(origin, places)| {
            let answers = places.iter().map(|at| answers[at.chain][at.step.0 as usize]);
            let lint = lint_of(answers)?;
            let is_last = is_last(judgement, places);
            (told.shows(lint) && !is_last)
                .then(|| finding(stories, &rest, (*origin, places), lint, told))
        })
        .collect()
}

/// The rules of a policy, of which some may be left out.
pub struct Rest<'j, 'm> {
    judgement: &'j Judgement<'m>,
    /// Those with steps that are asked about.
    chains: Vec<Option<Counting<'j, 'm>>>,
}

/// The rules of a chain that count where it is asked what becomes of its packets without one.
struct Counting<'j, 'm> {
    judged: &'j Judged<'m>,
    /// Of each step whether it is asked about.
    asked: Vec<bool>,
    hiding: Cow<'j, Index>,
    seen: Cow<'j, Index>,
    sorts: Sorts<EffectNumber>,
    /// Those that it is noticed of how many packets come to them.
    noticing: Cow<'j, Index>,
    /// How many were left out that the trees still have.
    left_out: usize,
}

impl<'j, 'm> Rest<'j, 'm> {
    /// All of them.
    pub fn of(judgement: &'j Judgement<'m>) -> Self {
        // A rule that no packet reaches is told already; what it would do counts for nobody.
        let dead = per_chain(judgement, |places| judgement.is_dead(places));
        let asked = per_chain(judgement, |places| is_asked(judgement, places));
        let counting = |(judged, (dead, asked)): (_, (Vec<bool>, Vec<bool>))| {
            asked.contains(&true).then(|| Counting::of(judged, &dead, asked))
        };
        let chains = judgement.chains.iter().zip(dead.into_iter().zip(asked)).map(counting);
        Rest { judgement, chains: chains.collect() }
    }

    /// What becomes of the packets of each step of each chain without it; of those that are not asked
    /// about it is said that it differs.
    fn answers(&self) -> Vec<Vec<Without>> {
        let answers = self.judgement.chains.iter().zip(&self.chains).map(|(judged, counting)| {
            let none = || vec![Without::Different; judged.flat.steps.len()];
            counting.as_ref().map_or_else(none, Counting::answers)
        });
        answers.collect()
    }

    /// Leaves a statement out, if nothing changes and nobody notices; whether that is so.
    pub fn leave_out(&mut self, statement: Span, places: &[At]) -> bool {
        let is_same = |at: &At| {
            let counting = self.chains[at.chain].as_ref();
            counting.is_some_and(|chain| {
                chain.without(at.step, chain.judged.list.budget) == Without::SameByRules
            })
        };
        let goes = is_asked(self.judgement, places)
            && self.is_unnoticed(statement, places)
            && places.iter().all(is_same);
        for at in places.iter().filter(|_| goes) {
            if let Some(chain) = &mut self.chains[at.chain] {
                chain.leave_out(at.step);
            }
        }
        goes
    }

    /// Whether nobody would notice that a rule without which the same becomes of all packets is gone: it
    /// logs nothing, and its packets come to no limit of a later rule, which would have less room for
    /// others.
    fn is_unnoticed(&self, statement: Span, places: &[At]) -> bool {
        let is_noticed = |at: &At| {
            let Some(Counting { judged, noticing, .. }) = &self.chains[at.chain] else {
                return true;
            };
            let later = || noticing.meeting(&judged.list.may(at.step), Among::after(at.step));
            is_counted(self.judgement.step(*at)) || !later().is_empty()
        };
        self.judgement.is_all_judged(statement)
            && self.judgement.is_single(statement)
            && !places.iter().any(is_noticed)
    }
}

/// Whether it is noticed how many packets come to a step.
fn is_counted(step: &FlatStep<'_>) -> bool {
    let decides = matches!(step.entry.effect, Effect::Decide(_));
    step.entry.log.is_some() || !step.entry.limits.is_empty() || (decides && !step.takes)
}

/// What all answers about one rule come to.
fn lint_of(answers: impl Iterator<Item = Without>) -> Option<&'static Lint> {
    let mut lint = &catalogue::REDUNDANT_RULE;
    for answer in answers {
        match answer {
            Without::SameByRules => {}
            Without::SameByDefault => lint = &catalogue::REDUNDANT_WITH_DEFAULT,
            Without::Different | Without::Unknown => return None,
        }
    }
    Some(lint)
}

/// For each step of each chain, whether its statement is one of some.
fn per_chain(judgement: &Judgement<'_>, is: impl Fn(&[At]) -> bool) -> Vec<Vec<bool>> {
    let none = |judged: &Judged<'_>| vec![false; judged.flat.steps.len()];
    let mut marked: Vec<Vec<bool>> = judgement.chains.iter().map(none).collect();
    for places in judgement.statements.values().filter(|places| is(places)) {
        for at in places {
            marked[at.chain][at.step.0 as usize] = true;
        }
    }
    marked
}

/// Whether a statement can be judged: it decides, nothing of it depends on history, it is live, and
/// without it each list has one step less.
fn is_asked(judgement: &Judgement<'_>, places: &[At]) -> bool {
    let decides = |at: &At| {
        let step = judgement.step(*at);
        matches!(step.entry.effect, Effect::Decide(_)) && step.takes
    };
    let one_each = places.windows(2).all(|pair| pair[0].chain != pair[1].chain);
    let nat = places.iter().filter(|at| judgement.chains[at.chain].flat.base.is_nat()).count();
    // A translation that is made at several places is more than its parts.
    let is_simple = nat == 0 || nat == places.len();
    let is_whole = places.iter().all(|at| judgement.chains[at.chain].flat.is_whole());
    // What the block `docker` does with the rest is its default.
    let is_docker = |at: &At| judgement.chains[at.chain].flat.base == BaseChain::DockerUser;
    !places.is_empty()
        && one_each
        && is_simple
        && is_whole
        && places.iter().all(decides)
        && !places.iter().any(is_docker)
        && !judgement.is_dead(places)
}

impl<'j, 'm> Counting<'j, 'm> {
    fn of(judged: &'j Judged<'m>, dead: &[bool], asked: Vec<bool>) -> Self {
        let (steps, list) = (&judged.flat.steps, &judged.list);
        // A verdict on all the rest at the end is a default, written out.
        let is_rest = |rule: RuleNumber| {
            rule.0 as usize + 1 == steps.len() && steps[rule.0 as usize].entry.set.is_everything()
        };
        // Where no packet comes to the chain of a step, it does nothing in the rule's place.
        let called = judged.called();
        let hides =
            |rule: RuleNumber| !dead[rule.0 as usize] && called[rule.0 as usize] && !is_rest(rule);
        let is_seen = |rule: RuleNumber| list.effects[rule.0 as usize] != EffectNumber::NONE;
        let is_counted = |rule| judged.flat.step(rule).is_some_and(is_counted);
        let seen = of_those(list.matching(), steps.len(), is_seen);
        Counting {
            judged,
            hiding: of_those(&list.hiding, steps.len(), hides),
            sorts: list.sorts(&seen),
            seen,
            noticing: of_those(list.matching(), steps.len(), is_counted),
            asked,
            left_out: 0,
        }
    }

    /// Looks at a rule no more.
    fn leave_out(&mut self, rule: RuleNumber) {
        self.hiding.to_mut().leave_out(rule);
        self.seen.to_mut().leave_out(rule);
        self.left_out += 1;
        // The more of them there are, the longer a search for the others.
        if self.left_out > self.hiding.len() / 16 {
            self.hiding = Cow::Owned(self.hiding.swept());
            self.seen = Cow::Owned(self.seen.swept());
            self.sorts = self.judged.list.sorts(&self.seen);
            self.left_out = 0;
        }
    }

    /// What becomes of the packets of a rule without it.
    fn without(&self, rule: RuleNumber, budget: Budget) -> Without {
        let known = match &self.judged.lives[rule.0 as usize] {
            Life::Live(point) => Some(point),
            Life::Dead(_) | Life::NeverMatches | Life::Unknown => None,
        };
        let trees = Trees { hiding: &self.hiding, seen: &self.seen, sorts: &self.sorts };
        self.judged.list.without(trees, rule, self.judged.flat.default_effect, known, budget)
    }

    fn answers(&self) -> Vec<Without> {
        let answer = |rule: RuleNumber, budget| {
            if self.asked[rule.0 as usize] {
                self.without(rule, budget)
            } else {
                Without::Different
            }
        };
        let ask =
            |rules: &[RuleNumber], budget| rules.iter().map(|rule| answer(*rule, budget)).collect();
        self.judged.list.each(ask, |without| without.is_open())
    }
}

/// The tree of the rules of a list that fit.
fn of_those(tree: &Index, rules: usize, fits: impl Fn(RuleNumber) -> bool) -> Cow<'_, Index> {
    if (0..).map(RuleNumber).take(rules).all(&fits) {
        Cow::Borrowed(tree)
    } else {
        Cow::Owned(tree.of_those(fits))
    }
}

/// Whether a statement is the last that says something in each of its chains: what drops the rest is
/// good style.
fn is_last(judgement: &Judgement<'_>, places: &[At]) -> bool {
    places.iter().all(|at| {
        let steps = &judgement.chains[at.chain].flat.steps;
        at.step.0 as usize + 1 == steps.len() && judgement.step(*at).entry.set.is_everything()
    })
}

fn finding(
    stories: Stories<'_>,
    rest: &Rest<'_, '_>,
    (origin, places): (Origin, &[At]),
    lint: &'static Lint,
    told: &mut Told<'_>,
) -> Finding {
    let done = places.first().map_or("treated", |at| deed(rest.judgement.step(*at)).done);
    let message = if lint == &catalogue::REDUNDANT_RULE {
        format!("rule changes nothing: without it, later rules have its packets {done} too")
    } else {
        format!("rule changes nothing: without it, the default has its packets {done} too")
    };
    let mut finding = stories.about(lint, origin, message);
    if told.has_room(&finding) {
        finding = in_full(stories, rest.judgement, (origin, places), finding);
    }
    let goes = lint == &catalogue::REDUNDANT_RULE && rest.is_unnoticed(origin.span, places);
    if goes { stories.deleting(finding, origin.span) } else { finding }
}

/// The finding with what shows it and what to do.
fn in_full(
    stories: Stories<'_>,
    judgement: &Judgement<'_>,
    (origin, places): (Origin, &[At]),
    finding: Finding,
) -> Finding {
    let mut finding = finding.label("could be left out");
    let mut told = Vec::new();
    for at in places {
        for later in doing_the_same(&judgement.chains[at.chain], at.step) {
            let step = &judgement.chains[at.chain].flat.steps[later.0 as usize];
            let Some(place) = stories.place_of(step.entry, origin) else { continue };
            if told.len() < MAX_TOLD && !told.contains(&place) {
                told.push(place);
                finding = finding.related(place, format!("{} them too", deed(step).does));
            }
        }
    }
    let lint = finding.lint.name;
    finding.help(match stories.text {
        Text::Policy(_) => "delete it, or say by `expect` why it is there".to_owned(),
        Text::Dump(_) => format!("delete it, or lower the level: `--allow {lint}`"),
    })
}

/// The later rules that take the packets of one.
fn doing_the_same(judged: &Judged<'_>, rule: RuleNumber) -> Vec<RuleNumber> {
    let list = &judged.list;
    let region = list.may(rule);
    let (seed, budget) = (rule.0.into(), list.budget);
    let question = Question { region: &region, among: Among::ALL.but(rule), seed, budget };
    match list.hiding.uncovered(&question) {
        Answer::Covered(cover) => {
            let later = cover.members.into_iter().map(|member| member.rule);
            later.filter(|member| *member > rule).collect()
        }
        Answer::Uncovered(_) | Answer::Incomplete => Vec::new(),
    }
}

/// The live rules that share packets with an earlier rule of another effect: one finding each.
pub fn overlaps(stories: Stories<'_>, judgement: &Judgement<'_>) -> Vec<Finding> {
    let statements = judgement.statements.iter();
    let live = statements.filter(|(_, places)| !judgement.is_dead(places));
    live.filter_map(|(origin, places)| {
        places.iter().find_map(|at| overlap(stories, &judgement.chains[at.chain], *origin, *at))
    })
    .collect()
}

fn overlap(stories: Stories<'_>, judged: &Judged<'_>, origin: Origin, at: At) -> Option<Finding> {
    let list = &judged.list;
    let step = judged.flat.step(at.step).filter(|step| !step.entry.set.is_everything())?;
    let region = list.may(at.step);
    let earlier =
        list.hiding.meeting(&region, Among::before(at.step)).into_iter().find(|earlier| {
            let other = &judged.flat.steps[earlier.0 as usize];
            let is_written = matches!(other.entry.reason, Reason::Written(_));
            let both = || list.space().intersection(&region, &list.may(*earlier));
            is_written && other.effect != step.effect && !list.space().is_empty(&both())
        })?;
    let other = judged.flat.step(earlier)?;
    let place = stories.place_of(other.entry, origin)?;
    let message = "rule shares packets with an earlier rule that does something else".to_owned();
    Some(
        stories
            .about(&catalogue::OVERLAP, origin, message)
            .label(format!("{} what is left", deed(step).does))
            .related(place, format!("{} them first", deed(other).does)),
    )
}
