//! What both sides do alike in one order.
//!
//! Two stretches of items, one of each side, are a pair when they do the same to the same packets: one
//! item of a policy and the five rules that it became. Pairs follow each other on both sides. What is
//! in no pair has no counterpart at its place.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};

use super::items::{Deeds, Item, Items};
use crate::packet::{Among, Budget, Index, Point, Question, Region, RuleNumber, Space, Verdict};

/// Up to so many boxes are looked at one by one: an index is more work.
const FEW: usize = 64;

/// So many points.
const PROBES: usize = 12;

/// How far from a place the next counterpart is looked for.
const MOST_SKIPPED: usize = 4_000;

/// The longest stretches of which it is tried whether together they are alike.
const LONGEST_RUN: usize = 2_000;

/// Of each side, the number of the pair that an item is in.
#[derive(Debug, Clone)]
pub(super) struct Pairs {
    pub left: Vec<Option<u32>>,
    pub right: Vec<Option<u32>>,
}

impl Pairs {
    /// Whether nothing is without a counterpart.
    pub fn are_all(&self) -> bool {
        self.left.iter().chain(&self.right).all(Option::is_some)
    }
}

/// The pairs of two sides.
pub(super) fn align(space: &Space, deeds: &Deeds, left: &Items, right: &Items) -> Pairs {
    let (left, right) = (&left.all, &right.all);
    let mut pairs = Pairs { left: vec![None; left.len()], right: vec![None; right.len()] };
    let mut number = 0;
    let places = Places::of(right);
    let aligning = Aligning { space, deeds };
    let (mut i, mut j) = (0, 0);
    // The left items of the last pair.
    let mut last = aligning.together(&[]);
    while i < left.len() && j < right.len() {
        if let Some((these, those)) = aligning.stretch(&left[i..], &right[j..]) {
            number += 1;
            pairs.left[i..i + these].fill(Some(number));
            pairs.right[j..j + those].fill(Some(number));
            last = aligning.together(&left[i..i + these]);
            (i, j) = (i + these, j + those);
        } else if aligning.is_within(&last, &right[j]) {
            pairs.right[j] = Some(number);
            j += 1;
        } else if aligning.is_within(&last, &left[i]) {
            pairs.left[i] = Some(number);
            i += 1;
        } else if let Some((next, next_right)) = places.next_pair(left, right, i, j) {
            (i, j, last) = (next, next_right, aligning.together(&[]));
        } else {
            break;
        }
    }
    // The default ends both sides, whatever could not be told before.
    if let (Some(last), Some(last_right)) = (left.last(), right.last())
        && last.deed == last_right.deed
        && let (Some(pair), Some(pair_right)) = (pairs.left.last_mut(), pairs.right.last_mut())
        && pair.is_none()
        && pair_right.is_none()
    {
        (*pair, *pair_right) = (Some(number + 1), Some(number + 1));
    }
    pairs
}

/// Whether all are pairs, and packets were asked the same on their ways to both of each.
pub(super) fn are_alike(pairs: &Pairs, left: &Items, right: &Items) -> bool {
    if !pairs.are_all() || left.are_plain() && right.are_plain() {
        return pairs.are_all();
    }
    let ways = |items: &Items, pairs: &[Option<u32>]| {
        let stretches = items.stretches(pairs)?;
        // How often packets were changed before a place that stands in no pair.
        let at = |place: usize| {
            let before = place.checked_sub(1).and_then(|before| pairs.get(before));
            let is_within = before.is_some_and(|before| Some(before) == pairs.get(place));
            let changed = place.checked_sub(1).map_or(0, |before| stretches[before]);
            (!is_within).then_some(changed)
        };
        let mut all: BTreeMap<Option<u32>, Vec<(u32, bool, Region)>> = BTreeMap::new();
        for (item, pair) in items.all.iter().zip(pairs) {
            let asked = item
                .ways
                .iter()
                .map(|asked| Some((at(asked.place)?, asked.leave, asked.region.clone())));
            let asked: Vec<_> = asked.collect::<Option<_>>()?;
            if *all.entry(*pair).or_insert_with(|| asked.clone()) != asked {
                return None;
            }
        }
        Some(all)
    };
    let [left, right] = [ways(left, &pairs.left), ways(right, &pairs.right)];
    left.is_some() && left == right
}

/// Where the items of a side are, by their keys.
struct Places(HashMap<u64, Vec<usize>>);

impl Places {
    fn of(items: &[Item]) -> Self {
        let mut places: HashMap<u64, Vec<usize>> = HashMap::new();
        for (place, item) in items.iter().enumerate() {
            places.entry(item.key).or_default().push(place);
        }
        Places(places)
    }

    /// The nearest places from here on with the same item on both sides.
    fn next_pair(
        &self,
        left: &[Item],
        right: &[Item],
        i: usize,
        j: usize,
    ) -> Option<(usize, usize)> {
        let mut best: Option<(usize, usize)> = None;
        for (skipped, item) in left[i..].iter().enumerate().take(MOST_SKIPPED) {
            if best.is_some_and(|(a, b)| skipped >= (a - i) + (b - j)) {
                break;
            }
            let places = self.0.get(&item.key).map_or(&[][..], Vec::as_slice);
            let from = places.partition_point(|place| *place < j);
            let same = |place: &&usize| right[**place].region == item.region;
            let Some(place) = places[from..].iter().find(same) else { continue };
            let is_nearer = best.is_none_or(|(a, b)| skipped + (place - j) < (a - i) + (b - j));
            if is_nearer {
                best = Some((i + skipped, *place));
            }
        }
        best
    }
}

struct Aligning<'a> {
    space: &'a Space,
    deeds: &'a Deeds,
}

impl<'a> Aligning<'a> {
    /// How many items at the start of both sides are alike.
    fn stretch(&self, left: &[Item], right: &[Item]) -> Option<(usize, usize)> {
        let (one, other) = (left.first()?, right.first()?);
        if one.deed != other.deed {
            return None;
        }
        if one.key == other.key && one.region == other.region {
            return Some((1, 1));
        }
        if let Some(those) = self.parts_of(one, right) {
            return Some((1, those));
        }
        if let Some(these) = self.parts_of(other, left) {
            return Some((these, 1));
        }
        self.runs(left, right)
    }

    /// Whether an item right behind a pair does again what the pair did to all its packets.
    fn is_within(&self, pair: &Together<'_>, item: &Item) -> bool {
        pair.items.first().is_some_and(|first| first.deed == item.deed)
            && !self.deeds.get(item.deed).adds_up()
            && pair.cover(&item.region)
    }

    /// How many of these items are together just another one.
    fn parts_of(&self, whole: &Item, parts: &[Item]) -> Option<usize> {
        let alone = self.together(std::slice::from_ref(whole));
        let is_part = |item: &&Item| {
            item.deed == whole.deed && item.takes == whole.takes && alone.cover(&item.region)
        };
        let count = parts.iter().take_while(is_part).count();
        let parts = &parts[..count];
        let are_all = count > 0 && self.together(parts).cover(&whole.region);
        (are_all && self.are_apart(parts)).then_some(count)
    }

    /// Whether the items that do the same at the start of both sides are together alike.
    fn runs(&self, left: &[Item], right: &[Item]) -> Option<(usize, usize)> {
        let deed = left.first()?.deed;
        let run = |items: &[Item]| {
            let few = items.iter().take(LONGEST_RUN + 1);
            few.take_while(|item| item.deed == deed).count()
        };
        let (these, those) = (run(left), run(right));
        if these.max(those) > LONGEST_RUN || these + those < 3 {
            return None;
        }
        let (left, right) = (&left[..these], &right[..those]);
        let (lefts, rights) = (self.together(left), self.together(right));
        let same = left.iter().all(|item| rights.cover(&item.region))
            && right.iter().all(|item| lefts.cover(&item.region));
        (same && self.are_apart(left) && self.are_apart(right)).then_some((these, those))
    }

    fn together(&self, items: &'a [Item]) -> Together<'a> {
        Together { space: self.space, items, index: OnceCell::new() }
    }

    /// Whether no packet meets two of the items, where that counts.
    fn are_apart(&self, items: &[Item]) -> bool {
        let Some(first) = items.first() else { return true };
        if items.len() == 1 || !self.deeds.get(first.deed).adds_up() {
            return true;
        }
        let together = self.together(items);
        let index = together.index();
        (0..).map(RuleNumber).zip(items).all(|(number, item)| {
            let others = index.meeting(&item.region, Among::before(number));
            others.into_iter().all(|other| {
                let other = &items[other.0 as usize].region;
                self.space.is_empty(&self.space.intersection(&item.region, other))
            })
        })
    }
}

/// Items as one region.
struct Together<'a> {
    space: &'a Space,
    items: &'a [Item],
    /// Once it is needed: it has all that is no packet, too.
    index: OnceCell<Index>,
}

impl Together<'_> {
    fn index(&self) -> &Index {
        self.index.get_or_init(|| {
            let regions = self.items.iter().map(|item| &item.region);
            Index::of(self.space, (0..).map(RuleNumber).zip(regions))
        })
    }

    /// Whether they have all packets of a region.
    fn cover(&self, region: &Region) -> bool {
        let boxes = |region| self.space.count(region);
        if self.items.iter().map(|item| boxes(&item.region)).sum::<usize>() + boxes(region) <= FEW {
            return self.plainly_cover(region).unwrap_or_else(|| {
                let taken = |rest, item: &Item| self.space.difference(&rest, &item.region);
                self.space.is_empty(&self.items.iter().fold(region.clone(), taken))
            });
        }
        let question = Question { region, among: Among::ALL, seed: 0, budget: Budget::default() };
        match self.index().witness(&question) {
            Verdict::Covered => true,
            Verdict::Uncovered(_) | Verdict::Incomplete => false,
        }
    }

    /// The same, where a look at single boxes or points tells.
    fn plainly_cover(&self, region: &Region) -> Option<bool> {
        let space = self.space;
        let boxes = || self.items.iter().flat_map(|item| space.boxes(&item.region));
        let is_in_one = |one: &[u64]| boxes().any(|own| space.layout().contains(own, one));
        if space.boxes(region).all(is_in_one) {
            return Some(true);
        }
        let is_in =
            |point: &Point| self.items.iter().any(|item| space.contains(&item.region, point));
        let mut points = space.nature().sample(region, PROBES, 0);
        points.any(|point| !is_in(&point)).then_some(false)
    }
}
