//! What the analysis knows of each statement: where it says something, and whether packets come there.

use std::collections::{BTreeMap, BTreeSet};

use super::dead::Life;
use super::flat::{Cut, Flat, FlatStep, Role};
use super::list::RuleList;
use crate::meaning::{BaseChain, Meaning, Reason};
use crate::net::Family;
use crate::packet::{Among, Budget, Index, Point, RuleNumber};
use crate::resolve::policy::Origin;
use crate::source::Span;

/// The chains in the order in which their rules are told.
const JUDGED: [BaseChain; 18] = [
    BaseChain::FilterInput,
    BaseChain::FilterForward,
    BaseChain::FilterOutput,
    BaseChain::NatPrerouting,
    BaseChain::NatOutput,
    BaseChain::NatPostrouting,
    BaseChain::DockerUser,
    BaseChain::ManglePrerouting,
    BaseChain::MangleInput,
    BaseChain::MangleForward,
    BaseChain::MangleOutput,
    BaseChain::RawPrerouting,
    BaseChain::RawOutput,
    BaseChain::NatInput,
    BaseChain::ManglePostrouting,
    BaseChain::SecurityInput,
    BaseChain::SecurityForward,
    BaseChain::SecurityOutput,
];

/// Whether rules of a chain change packets and let them go on: there a rule is dead only when no
/// packet can be what it asks for, or an earlier raw rule decides.
fn changes_packets(base: BaseChain) -> bool {
    match base {
        BaseChain::ManglePrerouting
        | BaseChain::MangleInput
        | BaseChain::MangleForward
        | BaseChain::MangleOutput
        | BaseChain::ManglePostrouting
        | BaseChain::RawPrerouting
        | BaseChain::RawOutput => true,
        BaseChain::FilterInput
        | BaseChain::FilterForward
        | BaseChain::FilterOutput
        | BaseChain::NatPrerouting
        | BaseChain::NatInput
        | BaseChain::NatOutput
        | BaseChain::NatPostrouting
        | BaseChain::SecurityInput
        | BaseChain::SecurityForward
        | BaseChain::SecurityOutput
        | BaseChain::DockerUser => false,
    }
}

/// A base chain of a family, asked about every step.
pub struct Judged<'m> {
    pub flat: Flat<'m>,
    pub list: RuleList,
    /// Of each step.
    pub lives: Vec<Life>,
    /// The steps that may take a packet or not, as history has it.
    perhaps: Index,
}

/// Where a statement says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    /// Which of [`Judgement::chains`].
    pub chain: usize,
    pub step: RuleNumber,
}

/// All base chains, and the statements of the policy.
pub struct Judgement<'m> {
    pub chains: Vec<Judged<'m>>,
    /// The places of each statement to which calls lead that packets reach.
    pub statements: BTreeMap<Origin, Vec<At>>,
    /// The statements that say something in a chain that is not judged, too.
    elsewhere: BTreeSet<Span>,
}

impl<'m> Judgement<'m> {
    pub fn of(meaning: &'m Meaning, budget: Budget) -> Self {
        let pairs = Family::BOTH.into_iter().flat_map(|family| JUDGED.map(|base| (family, base)));
        let chains: Vec<Judged<'m>> =
            pairs.filter_map(|(family, base)| Judged::of(meaning, family, base, budget)).collect();
        let mut statements: BTreeMap<Origin, Vec<At>> = BTreeMap::new();
        for (chain, judged) in chains.iter().enumerate() {
            let steps = (0..).map(RuleNumber).zip(&judged.flat.steps);
            for ((number, step), is_called) in steps.zip(judged.called()) {
                let Reason::Written(origin) = step.entry.reason else { continue };
                if step.role == Role::Said && is_called && !judged.is_frame(step) {
                    statements.entry(origin).or_default().push(At { chain, step: number });
                }
            }
        }
        // The helper of a service comes with a rule of the filter, which is what is judged.
        let changes = |at: &At| changes_packets(chains[at.chain].flat.base);
        for places in statements.values_mut().filter(|places| !places.iter().all(changes)) {
            places.retain(|at| !changes(at));
        }
        Judgement { chains, statements, elsewhere: elsewhere(meaning) }
    }

    pub fn step(&self, at: At) -> &FlatStep<'m> {
        &self.chains[at.chain].flat.steps[at.step.0 as usize]
    }

    pub fn life(&self, at: At) -> &Life {
        &self.chains[at.chain].lives[at.step.0 as usize]
    }

    /// The places that judge a statement. One that translates on arrival is judged there: what it
    /// accepts and sends back follows from that.
    pub fn judging<'a>(&'a self, places: &'a [At]) -> impl Iterator<Item = At> + Clone + 'a {
        let on_arrival = |at: &At| match self.chains[at.chain].flat.base {
            BaseChain::NatPrerouting | BaseChain::NatOutput => true,
            BaseChain::NatPostrouting
            | BaseChain::FilterInput
            | BaseChain::FilterForward
            | BaseChain::FilterOutput
            | BaseChain::ManglePrerouting
            | BaseChain::MangleInput
            | BaseChain::MangleForward
            | BaseChain::MangleOutput
            | BaseChain::RawPrerouting
            | BaseChain::RawOutput
            | BaseChain::NatInput
            | BaseChain::ManglePostrouting
            | BaseChain::SecurityInput
            | BaseChain::SecurityForward
            | BaseChain::SecurityOutput
            | BaseChain::DockerUser => false,
        };
        let family = |at: &At| self.chains[at.chain].flat.family;
        let arrives =
            Family::BOTH.map(|one| places.iter().any(|at| family(at) == one && on_arrival(at)));
        places.iter().copied().filter(move |at| {
            let [v4, v6] = arrives;
            let arrives = match family(at) {
                Family::V4 => v4,
                Family::V6 => v6,
            };
            !arrives || on_arrival(at)
        })
    }

    /// Whether everything that a statement says is judged: nothing is known of what it says elsewhere,
    /// and of what others say where not all is looked at.
    pub fn is_all_judged(&self, statement: Span) -> bool {
        !self.elsewhere.contains(&statement) && self.chains.iter().all(|one| one.flat.is_whole())
    }

    /// Whether a statement is known to reach no packet at all, whatever call of a `def` it is of.
    pub fn is_idle(&self, statement: Span) -> bool {
        let is_unreached = |at: &At| match self.life(*at) {
            Life::Dead(_) | Life::NeverMatches => true,
            Life::Live(_) | Life::Unknown => false,
        };
        self.is_all_judged(statement) && self.uses(statement).flatten().all(is_unreached)
    }

    /// Whether it stands in the policy once: not in a `def` of several calls.
    pub fn is_single(&self, statement: Span) -> bool {
        self.uses(statement).nth(1).is_none()
    }

    /// What a statement says, for each call of the `def` that it may stand in.
    pub fn uses(&self, statement: Span) -> impl Iterator<Item = &[At]> {
        let first = Origin { span: statement, call: None };
        let of = move |(origin, _): &(&Origin, &Vec<At>)| origin.span == statement;
        self.statements.range(first..).take_while(of).map(|(_, places)| &places[..])
    }

    /// Whether packets reach no place of a statement.
    pub fn is_dead(&self, places: &[At]) -> bool {
        let mut judging = self.judging(places).peekable();
        judging.peek().is_some()
            && judging.all(|at| match self.life(at) {
                Life::Dead(_) | Life::NeverMatches => true,
                Life::Live(_) | Life::Unknown => false,
            })
    }
}

/// The statements of the chains that are not judged.
fn elsewhere(meaning: &Meaning) -> BTreeSet<Span> {
    let bases = BaseChain::ALL.into_iter().filter(|base| !JUDGED.contains(base));
    let lists = bases
        .flat_map(|base| Family::BOTH.into_iter().filter_map(move |one| meaning.base(one, base)));
    let written = lists.flat_map(|list| &list.entries).filter_map(|entry| match entry.reason {
        Reason::Written(origin) => Some(origin.span),
        Reason::Implicit(_) | Reason::Restored | Reason::Default(_) => None,
    });
    written.collect()
}

impl<'m> Judged<'m> {
    fn of(meaning: &'m Meaning, family: Family, base: BaseChain, budget: Budget) -> Option<Self> {
        let flat = Flat::of(meaning, family, base)?;
        let is_written = |step: &FlatStep<'_>| matches!(step.entry.reason, Reason::Written(_));
        if flat.cut != Some(Cut::Ways) && !flat.steps.iter().any(is_written) {
            return None;
        }
        let (list, lives) = if flat.is_whole() {
            let list = flat.list(budget);
            let lives = list.lives_behind(|rule| flat.step(rule)?.caller);
            (list, lives)
        } else {
            // Nothing is asked about it.
            (RuleList::of(family, None, &[], budget), vec![Life::Unknown; flat.steps.len()])
        };
        let steps = (0..).map(RuleNumber).zip(&flat.steps);
        let perhaps = steps.zip(&list.mays).filter(|((_, step), _)| step.ends() && !step.takes);
        let perhaps = Index::of(list.space(), perhaps.map(|((number, _), may)| (number, may)));
        Some(Judged { flat, list, lives, perhaps })
    }

    /// Whether a step is of the block `docker` itself and of no statement in it: such is the last.
    fn is_frame(&self, step: &FlatStep<'_>) -> bool {
        let last = self.flat.steps.last();
        self.flat.base == BaseChain::DockerUser
            && last.is_some_and(|last| last.entry.reason == step.entry.reason)
    }

    /// Whether no step before this one that depends on history may take a packet.
    pub fn is_certain(&self, point: &Point, before: RuleNumber) -> bool {
        !self.perhaps.takes(point, Among::before(before))
    }

    /// Of each step, whether packets come to the chain that it stands in, as far as the calls say.
    pub fn called(&self) -> Vec<bool> {
        let lives = &self.lives;
        let mut called: Vec<bool> = Vec::with_capacity(self.flat.steps.len());
        for step in &self.flat.steps {
            // Callers come first.
            let is_called = step.caller.is_none_or(|caller| {
                let caller = caller.0 as usize;
                let leads = match lives.get(caller) {
                    Some(Life::Dead(_) | Life::NeverMatches) => false,
                    Some(Life::Live(_) | Life::Unknown) | None => true,
                };
                leads && called.get(caller).is_none_or(|called| *called)
            });
            called.push(is_called);
        }
        called
    }
}
