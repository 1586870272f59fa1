//! An ordered list of rules, ready to be asked about.
//!
//! In go rules as sets of packets, in the order in which packets meet them; out comes what the
//! questions of [`dead`](super::dead) and [`redundant`](super::redundant) need. What a rule does is only
//! a number here, equal for rules that do the same.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::net::Family;
use crate::packet::probes::View;
use crate::packet::shares::in_shares;
use crate::packet::{
    Among, Budget, Index, PacketSet, Question, Region, RuleNumber, Space, Verdict,
};

/// So many rules that meet a region are told without a look at what those before them take.
const FEW: usize = 64;

/// Rules that meet a region are looked up among so many, then among so many times more.
const FIRST_PART: u32 = 256;
const PARTS_GROW: u32 = 8;

/// How much is looked at to find out whether those behind some rules need not be looked at.
const TO_STOP: Budget = Budget(20_000);

/// The [`Budget`] that each question about the rules of a list has at first; how many times more those have that
/// are asked again, and what all of them may be each time together.
const FIRST_LOOKS: u64 = 1_000;
const TIMES_MORE_LOOKS: u64 = 16;
const LOOKS_AGAIN: u64 = 8_000_000;
const LOOKS_AGAIN_OF_A_RULE: u64 = 1_000;

/// What a rule does, as far as the world can see: rules that do the same have the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EffectNumber(pub u32);

impl EffectNumber {
    /// Of what the world does not see by itself: the way through chains.
    pub const NONE: EffectNumber = EffectNumber(u32::MAX);
}

/// One rule of a list.
#[derive(Debug, Clone, Copy)]
pub struct ListedRule<'s> {
    /// The packets that it can match, whatever limits and other history say.
    pub may: &'s PacketSet,
    /// The packets that it takes from the rules behind it for certain: those that it matches whatever
    /// history says. `None` when packets go on after it, as after a log. The same reference as `may`
    /// when nothing depends on history: then the set is looked at once.
    pub hides: Option<&'s PacketSet>,
    pub effect: EffectNumber,
}

impl<'s> ListedRule<'s> {
    /// What it hides, if that is a set of its own and not all that it matches.
    fn apart(&self) -> Option<&'s PacketSet> {
        self.hides.filter(|hides| !std::ptr::eq(*hides, self.may))
    }
}

/// A list of rules of one family.
#[derive(Debug)]
pub struct RuleList {
    pub(super) space: Space,
    /// What each rule may match.
    pub(super) mays: Vec<Region>,
    pub(super) effects: Vec<EffectNumber>,
    /// What rules hide.
    pub(super) hiding: Index,
    /// Where rules may match; `None` when that is where they hide.
    matching: Option<Index>,
    /// Of rules that do not get all packets that they may match, those that they get.
    narrowed: BTreeMap<RuleNumber, Region>,
    pub(super) budget: Budget,
}

/// What of a list is not said by its sets: the ways of packets through chains.
#[derive(Debug, Default)]
pub struct Ways {
    /// Of each rule the first one that it does not hide packets from: see [`Index::until`]. Empty
    /// where there is none.
    pub until: Vec<RuleNumber>,
    /// Of rules that do not get all packets that they may match, those that they get for certain.
    pub narrowed: BTreeMap<RuleNumber, Region>,
}

impl RuleList {
    /// The rules of a family in their order, as a chain with this view meets them. Rules of the
    /// other family match nothing.
    #[must_use]
    pub fn of(
        family: Family,
        view: Option<View>,
        rules: &[ListedRule<'_>],
        budget: Budget,
    ) -> Self {
        Self::with_ways(family, view, rules, budget, |_, _| Ways::default())
    }

    /// The same, where packets have ways through chains: they are told of the space and of what each
    /// rule may match there.
    #[must_use]
    pub fn with_ways(
        family: Family,
        view: Option<View>,
        rules: &[ListedRule<'_>],
        budget: Budget,
        ways: impl FnOnce(&Space, &[Region]) -> Ways,
    ) -> Self {
        let own: Vec<&PacketSet> = rules.iter().filter_map(ListedRule::apart).collect();
        let sets: Vec<&PacketSet> =
            rules.iter().map(|rule| rule.may).chain(own.iter().copied()).collect();
        let (space, mut mays) = Space::of(family, view, &sets);
        let hides = mays.split_off(rules.len());
        let mut hides = hides.iter();
        let Ways { until, narrowed } = ways(&space, &mays);
        let mut hiding = Vec::with_capacity(rules.len());
        for ((number, rule), may) in (0..).map(RuleNumber).zip(rules).zip(&mays) {
            let region = match (rule.hides, rule.apart()) {
                (None, _) => None,
                (Some(_), None) => Some(narrowed.get(&number).unwrap_or(may)),
                (Some(_), Some(_)) => hides.next(),
            };
            hiding.extend(region.map(|region| (number, region)));
        }
        let all_hide = own.is_empty() && narrowed.is_empty() && hiding.len() == rules.len();
        let matching = (!all_hide).then(|| Index::of(&space, (0..).map(RuleNumber).zip(&mays)));
        let hiding = Index::of(&space, hiding).until(until);
        let effects = rules.iter().map(|rule| rule.effect).collect();
        RuleList { space, mays, effects, hiding, matching, narrowed, budget }
    }

    #[must_use]
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// How many rules there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.mays.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.mays.is_empty()
    }

    /// The packets that a rule may match; none for a number that no rule has.
    #[must_use]
    pub fn may(&self, rule: RuleNumber) -> Region {
        self.mays.get(rule.0 as usize).cloned().unwrap_or_default()
    }

    /// The packets that a rule gets, if no earlier rule takes them.
    pub(super) fn gets(&self, rule: RuleNumber) -> Option<&Region> {
        self.narrowed.get(&rule).or_else(|| self.mays.get(rule.0 as usize))
    }

    /// Where rules may match.
    pub(super) fn matching(&self) -> &Index {
        self.matching.as_ref().unwrap_or(&self.hiding)
    }

    /// The rules of a stretch that meet a region and fit, in order, as long as those of a stretch of takers
    /// before them are not known to take all of it.
    pub(super) fn met<'l, F: Fn(RuleNumber) -> bool>(
        &'l self,
        region: &'l Region,
        among: Among,
        takers: Among,
        fits: F,
    ) -> Met<'l, F> {
        let (part, found) = (0..FIRST_PART, Vec::new().into_iter());
        Met { list: self, region, among, takers, fits, part, found }
    }

    /// Whether rules of a stretch are known to take all packets of a region: it is not much to find out.
    pub(super) fn is_taken(&self, region: &Region, among: Among) -> bool {
        let question = Question { region, among, seed: 0, budget: TO_STOP };
        self.hiding.witness(&question) == Verdict::Covered
    }

    /// An answer for every rule, in order, from answers for shares of the rules: see [`RuleList::answers`].
    ///
    /// They are asked in the order of the tree: questions that follow each other look at the same
    /// branches.
    pub(super) fn each<T: Send>(
        &self,
        ask: impl Fn(&[RuleNumber], Budget) -> Vec<T> + Sync,
        is_open: impl Fn(&T) -> bool,
    ) -> Vec<T> {
        let order = self.matching().order(self.len());
        let answers = self.answers(&order, ask, is_open);
        let mut sorted: Vec<Option<T>> = order.iter().map(|_| None).collect();
        for (rule, answer) in order.iter().zip(answers) {
            sorted[rule.0 as usize] = Some(answer);
        }
        sorted.into_iter().flatten().collect()
    }

    /// An answer for each of some rules, from answers for shares of them.
    ///
    /// Nearly all questions are little work. So each has a small budget at first; what is open then is asked
    /// again with a larger one, as many of the first as may have that together, and so on: long lists in which
    /// all questions are hard come to an end, too.
    pub(super) fn answers<T: Send>(
        &self,
        rules: &[RuleNumber],
        ask: impl Fn(&[RuleNumber], Budget) -> Vec<T> + Sync,
        is_open: impl Fn(&T) -> bool,
    ) -> Vec<T> {
        let ask = |rules: &[RuleNumber], budget| -> Vec<T> {
            in_shares(rules, |_, share| ask(share, budget)).into_iter().flatten().collect()
        };
        let in_all = LOOKS_AGAIN + LOOKS_AGAIN_OF_A_RULE * rules.len() as u64;
        let mut looks = FIRST_LOOKS.min(self.budget.0);
        let mut answers = ask(rules, Budget(looks));
        let mut open: Vec<usize> = (0..answers.len()).collect();
        while looks < self.budget.0 {
            looks = looks.saturating_mul(TIMES_MORE_LOOKS).min(self.budget.0);
            open.retain(|place| is_open(&answers[*place]));
            open.truncate(usize::try_from(in_all / looks).unwrap_or(usize::MAX));
            if open.is_empty() {
                break;
            }
            let asked: Vec<RuleNumber> = open.iter().map(|place| rules[*place]).collect();
            for (place, answer) in open.iter().zip(ask(&asked, Budget(looks))) {
                answers[*place] = answer;
            }
        }
        answers
    }
}

/// Rules that meet a region: see [`RuleList::met`]. Of long lists they are looked up part by part, as most
/// questions are answered by one of the first, or those take all of the region.
pub(super) struct Met<'l, F> {
    list: &'l RuleList,
    region: &'l Region,
    among: Among,
    takers: Among,
    fits: F,
    /// The numbers that are looked at next.
    part: Range<u32>,
    /// Those found that were not yet told.
    found: std::vec::IntoIter<RuleNumber>,
}

impl<F: Fn(RuleNumber) -> bool> Iterator for Met<'_, F> {
    type Item = RuleNumber;

    fn next(&mut self) -> Option<RuleNumber> {
        let Met { list, region, among, takers, fits, part, found } = self;
        loop {
            if let Some(next) = found.next() {
                return Some(next);
            }
            if part.start as usize >= list.len() {
                return None;
            }
            let before_part = part.start.checked_sub(1).map(RuleNumber);
            let own = before_part.map_or(*among, |last| among.and_after(last));
            let own = own.and_before(RuleNumber(part.end));
            let mut met = list.matching().meeting_that(region, own, &*fits);
            let next_part = part.end..part.end.saturating_mul(PARTS_GROW);
            *part = next_part;
            if met.len() > FEW {
                let count = met.len();
                let is_reached =
                    |rule: &RuleNumber| !list.is_taken(region, takers.and_before(*rule));
                met.truncate(met.partition_point(is_reached));
                if met.len() < count {
                    *part = u32::MAX..u32::MAX;
                }
            }
            *found = met.into_iter();
        }
    }
}
