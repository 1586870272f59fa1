//! The one question: is there a packet in a region that no rule takes?
//!
//! [`Index::uncovered`] answers with such a packet, or with the rules that together take all, as few
//! as none can be left out of, each with a packet that it alone of them takes. Both are exact. Where
//! the work would go beyond a [`Budget`], it says so and claims nothing.
//!
//! Most questions end with the first probe, the lowest point of a box. A box that one rule takes whole is
//! seen at once, too; then a few more points are tried. Otherwise the rules that overlap the box are
//! listed, and the box is divided until each piece is settled ([`divide`]); what took the pieces is
//! the cover, from which what is not needed is dropped ([`cover`]).
//!
//! Random points come from the question's seed (its rule's number, say), never from a clock: the same
//! question has the same answer.

mod cover;
mod divide;

use std::collections::BTreeMap;

use super::Random;
use super::index::{Among, Index, Owner, RuleNumber};
use super::space::{Point, Region};

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'r> {
    pub region: &'r Region,
    /// The rules that may take its packets.
    pub among: Among,
    /// Where random points come from.
    pub seed: u64,
    pub budget: Budget,
}

/// How much work a question is worth: how many times a box is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget(pub u64);

impl Default for Budget {
    fn default() -> Self {
        Budget(20_000_000)
    }
}

/// Whether the rules take all packets of a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// No rule takes this packet.
    Uncovered(Point),
    /// They do.
    Covered(Cover),
    /// It was too much work to find out.
    Incomplete,
}

impl Answer {
    /// Whether a larger budget may give a better one.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match self {
            Answer::Uncovered(_) => false,
            Answer::Covered(cover) => !cover.is_minimal,
            Answer::Incomplete => true,
        }
    }
}

/// Rules that together take all packets of a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cover {
    /// In the order of the rules. Empty when the region has no packet.
    pub members: Vec<Member>,
    /// Whether none of them can be left out. It is so unless the budget ran out.
    pub is_minimal: bool,
}

/// One rule of a cover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub rule: RuleNumber,
    /// A packet of the region that no other member takes. Only a cover that is not minimal has
    /// members without one.
    pub alone: Option<Point>,
}

/// An answer without the cover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Uncovered(Point),
    Covered,
    Incomplete,
}

/// So many owners, the first, are tried before all are.
const EARLY: [Owner; 2] = [8, 64];

/// Steps from the lowest point of a box, each out of a rule that takes the point, before that.
const STEPS: usize = 6;

/// Random probes of a box before the rules that overlap it are listed.
const PROBES: usize = 2;

impl Index {
    /// Whether there is a packet in a region that no rule takes; else which rules take all.
    #[must_use]
    pub fn uncovered(&self, question: &Question<'_>) -> Answer {
        let mut search = Search::new(self, question);
        match search.region(question) {
            Verdict::Uncovered(point) => Answer::Uncovered(point),
            Verdict::Covered => Answer::Covered(cover::minimal(search, question)),
            Verdict::Incomplete => Answer::Incomplete,
        }
    }

    /// The answers to many questions. Together they are asked quicker, the more so the nearer in the tree
    /// those are that follow each other.
    #[must_use]
    pub fn uncovered_each(&self, questions: &[Question<'_>]) -> Vec<Answer> {
        let answers = self.lowest_free(questions).into_iter().zip(questions);
        let answers = answers.map(|(free, question)| match free {
            Some(point) => Answer::Uncovered(point),
            None => self.uncovered(question),
        });
        answers.collect()
    }

    /// The same with [`Index::witness`].
    #[must_use]
    pub fn witness_each(&self, questions: &[Question<'_>]) -> Vec<Verdict> {
        let answers = self.lowest_free(questions).into_iter().zip(questions);
        let answers = answers.map(|(free, question)| match free {
            Some(point) => Verdict::Uncovered(point),
            None => self.witness(question),
        });
        answers.collect()
    }

    /// The first probe of each question, if it is free: nearly all questions end with it.
    fn lowest_free(&self, questions: &[Question<'_>]) -> Vec<Option<Point>> {
        let (mut points, mut among) = (Vec::new(), Vec::new());
        let mut probe = |question: &Question<'_>| {
            let is_there = self.add_lowest(question.region, &mut points);
            among.extend(is_there.then_some(question.among));
            is_there
        };
        let has_probe: Vec<bool> = questions.iter().map(&mut probe).collect();
        let taken = self.stab_each(&points, &among);
        let probes = points.chunks_exact(self.layout().words());
        let mut probes = probes.zip(taken).map(|(point, taken)| (!taken).then(|| point.into()));
        let mut free = |has: bool| has.then(|| probes.next()).flatten().flatten().map(Point);
        has_probe.into_iter().map(&mut free).collect()
    }

    /// Only whether: quicker where many rules are needed.
    #[must_use]
    pub fn witness(&self, question: &Question<'_>) -> Verdict {
        Search::new(self, question).region(question)
    }
}

/// A search for a packet that no rule takes, with what it found on the way.
struct Search<'i> {
    index: &'i Index,
    random: Random,
    /// How many more boxes may be looked at.
    left: u64,
    /// Who took the pieces so far.
    shares: BTreeMap<Owner, Share>,
    /// The entries that overlap the boxes so far; `None` when they were not listed for each.
    listed: Option<Vec<u32>>,
}

/// What one owner took.
#[derive(Clone)]
struct Share {
    /// A point that it took where few others were.
    point: Point,
    /// How many others.
    others: usize,
    /// How many points it took.
    points: f64,
}

impl<'i> Search<'i> {
    fn new(index: &'i Index, question: &Question<'_>) -> Self {
        Search {
            index,
            random: Random::new(question.seed),
            left: question.budget.0,
            shares: BTreeMap::new(),
            listed: Some(Vec::new()),
        }
    }

    fn region(&mut self, question: &Question<'_>) -> Verdict {
        for cell in self.index.cells(question.region) {
            match self.cell(cell, question.among) {
                Verdict::Covered => {}
                verdict @ (Verdict::Uncovered(_) | Verdict::Incomplete) => return verdict,
            }
        }
        Verdict::Covered
    }

    /// The same of one box.
    fn cell(&mut self, cell: Box<[u64]>, among: Among) -> Verdict {
        let index = self.index;
        let layout = index.layout();
        let is_free =
            |point: &[u64]| index.stab(point, among, |owner| index.has(among, owner)).is_none();
        let packet = |mut point: Box<[u64]>| {
            index.settle(&mut point, &cell);
            point
        };
        let lowest = packet(layout.lowest(&cell));
        if is_free(&lowest) {
            return Verdict::Uncovered(Point(lowest));
        }
        if let Some(owner) = index.first_around(&cell, among) {
            self.note(owner, Point(lowest), 0, layout.points(&cell));
            self.listed = None;
            return Verdict::Covered;
        }
        let mut others = std::iter::once_with(|| layout.highest(&cell))
            .chain((0..PROBES).map(|_| layout.anywhere(&cell, &mut self.random)))
            .map(packet);
        if let Some(point) = others.find(|point| is_free(point)) {
            return Verdict::Uncovered(Point(point));
        }
        drop(others);
        if let Some(point) = self.led_out(lowest, &cell, among) {
            return Verdict::Uncovered(point);
        }
        // Where many rules are hidden, it is mostly by the same few, the first of all.
        let early = EARLY.map(|owners| owners.saturating_add(among.from()));
        for early in early.into_iter().filter(|early| *early < among.below()) {
            let before = self.shares.clone();
            let Some(list) = self.overlapping(&cell, among.and_below(early), among) else {
                return Verdict::Incomplete;
            };
            match self.divide(cell.clone(), list) {
                Verdict::Uncovered(point) if is_free(&point.0) => return Verdict::Uncovered(point),
                Verdict::Uncovered(_) => self.shares = before,
                verdict @ (Verdict::Covered | Verdict::Incomplete) => {
                    self.listed = None;
                    return verdict;
                }
            }
        }
        let Some(list) = self.overlapping(&cell, among, among) else {
            return Verdict::Incomplete;
        };
        self.listed.iter_mut().for_each(|listed| listed.extend_from_slice(&list));
        self.divide(cell, list)
    }

    /// A point that no rule takes, if a few steps lead there from another: each out of what takes it.
    fn led_out(&self, mut point: Box<[u64]>, cell: &[u64], among: Among) -> Option<Point> {
        let index = self.index;
        let mut before = None;
        for _ in 0..STEPS {
            let takes = |owner| index.has(among, owner);
            let Some(entry) = index.stab(&point, among, takes) else {
                return Some(Point(point));
            };
            before = index.layout().leave(&mut point, cell, index.entry(entry), before);
            before?;
        }
        None
    }

    /// The entries that overlap a box, of some of the owners that are looked at; `None` when they are more than
    /// may be looked at.
    fn overlapping(&self, cell: &[u64], some: Among, among: Among) -> Option<Vec<u32>> {
        let mut list = Vec::new();
        let mut are_too_many = false;
        self.index.search(cell, some, |entry| {
            if self.index.has(among, self.index.owner(entry)) {
                list.push(entry);
                are_too_many = list.len() as u64 > self.left;
            }
            are_too_many
        });
        (!are_too_many).then_some(list)
    }

    /// Remembers who took a piece.
    fn note(&mut self, owner: Owner, point: Point, others: usize, points: f64) {
        let share = self.shares.entry(owner);
        let share = share.or_insert(Share { point: point.clone(), others, points: 0.0 });
        share.points += points;
        if others < share.others {
            (share.point, share.others) = (point, others);
        }
    }

    /// Counts work; false when there was enough.
    fn spend(&mut self, looks: usize) -> bool {
        let left = self.left.checked_sub(looks as u64);
        self.left = left.unwrap_or(0);
        left.is_some()
    }
}

#[cfg(test)]
mod tests;
