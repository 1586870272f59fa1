//! `notrack`: the rules about packets and those about their answers are one statement.

use std::collections::{BTreeSet, HashMap, VecDeque};

use crate::net::{Addresses, Families, Family, Ports};
use crate::resolve::policy::Part;
use crate::resolve::{answering_part, group_addresses};
use crate::source::Span;

use super::Level;
use super::conntrack::{Met, Told};
use super::draft::Drafting;
use super::merge::{self, Piece};
use super::side::Side;
use super::statement::{Address, Statement, Verb};
use super::write::Place;

/// A rule that keeps packets from conntrack.
struct Untracked {
    met: Met,
    said: Statement,
    line: Span,
    plain: bool,
}

/// In the order written.
const PLACES: [Place; 3] = [Place::Input, Place::Forward, Place::Output];

impl Drafting<'_> {
    /// Writes `notrack` for each pair of rules that it stands for; the lines of these rules.
    pub(super) fn notracks(&mut self) -> BTreeSet<Span> {
        let mut said: [[Vec<Piece>; 2]; PLACES.len()] = Default::default();
        let mut lines = BTreeSet::new();
        for side in &self.sides {
            let family = side.ruleset.family;
            for (place, piece) in paired(self.untracked(side), family) {
                lines.extend(piece.lines.iter().copied());
                let index = PLACES.iter().position(|one| *one == place).unwrap_or_default();
                said[index][usize::from(family == Family::V6)].push(piece);
            }
        }
        for (place, [v4, v6]) in PLACES.into_iter().zip(said) {
            for piece in merge::lists(merge::together(v4, v6)) {
                self.put(&piece, place, self.given, "");
            }
        }
        lines
    }

    /// The rules of one family, in the order met.
    fn untracked(&self, side: &Side<'_>) -> Vec<Untracked> {
        let told = side.told().filter(|told| told.said.verb == Verb::Notrack);
        let untracked = told.filter_map(|Told { met, said, line }| {
            let level = self.choices.level(line);
            (level < Level::Raw).then_some(Untracked {
                met,
                said,
                line,
                plain: level != Level::Free,
            })
        });
        untracked.collect()
    }
}

/// The statements that rules are together, each with its place.
fn paired(rules: Vec<Untracked>, family: Family) -> Vec<(Place, Piece)> {
    let mut alike: HashMap<(Met, Statement), VecDeque<usize>> = HashMap::new();
    for (at, rule) in rules.iter().enumerate() {
        alike.entry((rule.met, met_as(rule.met, &rule.said))).or_default().push_back(at);
    }
    let mut rules: Vec<Option<Untracked>> = rules.into_iter().map(Some).collect();
    let mut pairs = Vec::new();
    for at in 0..rules.len() {
        let Some(rule) = rules[at].take() else { continue };
        let pair = match answers(&rule.said) {
            None => alone(&rule).map(|place| (place, rule.said, None)),
            Some(_) if rule.met == Met::Anywhere => {
                to_groups(&rule.said).then_some((Place::Input, rule.said, None))
            }
            Some(answers) => {
                let met = answers_met(rule.met);
                let mut others = alike.get_mut(&(met, met_as(met, &answers)));
                let mut others = std::iter::from_fn(|| others.as_mut()?.pop_front());
                let other = others.find_map(|other| rules[other].take());
                other.map(|other| {
                    let (place, said) = asked(rule.met, &rule.said, &other.said);
                    (place, said, Some(other.line))
                })
            }
        };
        if let Some((place, said, other)) = pair {
            let lines = [rule.line].into_iter().chain(other).collect();
            let piece = Piece::made(said, Families::only(family), lines);
            pairs.push((place, Piece { plain: rule.plain, ..piece }));
        }
    }
    pairs
}

/// Packets that answer those of a statement; `None` when nobody answers them.
fn answers(said: &Statement) -> Option<Statement> {
    let parts: Vec<Part> = said.parts.iter().filter_map(answering_part).collect();
    (parts.len() == said.parts.len()).then(|| Statement {
        parts,
        from: said.to.clone(),
        to: said.from.clone(),
        incoming: said.outgoing.clone(),
        outgoing: said.incoming.clone(),
        ..said.clone()
    })
}

/// Where the statement stands for packets that nobody answers.
fn alone(rule: &Untracked) -> Option<Place> {
    match rule.met {
        Met::Here => Some(Place::Input),
        Met::Sent => Some(Place::Output),
        Met::Elsewhere => Some(Place::Forward),
        Met::Anywhere => None,
    }
}

/// Nobody answers from a group.
fn to_groups(said: &Statement) -> bool {
    let is_group = |address: &Address| match address {
        Address::Network(prefix) => Addresses::from(*prefix).is_subset(&group_addresses()),
        Address::Range(..) | Address::Set(..) | Address::Own(_) => false,
    };
    !said.to.these.is_empty() && said.to.these.iter().all(is_group)
}

/// Where the answers are met to packets that are met so.
fn answers_met(met: Met) -> Met {
    match met {
        Met::Here => Met::Sent,
        Met::Sent => Met::Here,
        Met::Elsewhere | Met::Anywhere => met,
    }
}

/// What of a statement tells it from others there: what passes through is met by where it comes in alone.
fn met_as(met: Met, said: &Statement) -> Statement {
    match met {
        Met::Elsewhere => Statement { incoming: Vec::new(), outgoing: Vec::new(), ..said.clone() },
        Met::Here | Met::Sent | Met::Anywhere => said.clone(),
    }
}

/// Which of two is the question, and where it stands: the one that asks for ports to go to.
fn asked(met: Met, one: &Statement, other: &Statement) -> (Place, Statement) {
    let asks = |said: &Statement| {
        said.parts.iter().any(|part| match part {
            Part::Ports { destination, .. } => *destination != Ports::full(),
            Part::Icmp(icmp) => [8, 13, 15, 17, 128].contains(&icmp.kind),
            Part::Any | Part::Protocol(_) => false,
        })
    };
    let turned = asks(other) && !asks(one);
    let (question, answer) = if turned { (other, one) } else { (one, other) };
    match met {
        Met::Elsewhere => {
            let outgoing = answer.incoming.clone();
            (Place::Forward, Statement { outgoing, ..question.clone() })
        }
        Met::Here | Met::Anywhere if turned => (Place::Output, question.clone()),
        Met::Here | Met::Anywhere => (Place::Input, question.clone()),
        Met::Sent if turned => (Place::Input, question.clone()),
        Met::Sent => (Place::Output, question.clone()),
    }
}
