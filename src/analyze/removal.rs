//! Whether statements can be taken out of a policy, or made shorter, and no packet is treated
//! otherwise.
//!
//! In goes the meaning of a policy; asked are edits of its text. That the text says what is meant is not
//! believed either: the text as it is afterwards is given its own meaning, and that has to be what is
//! left of the first ([`Removal::leaves`]).
//!
//! What no packet reaches can go together: no packet meets another rule first because of it. A rule
//! that packets reach, and that changes nothing, is needed by others that are so because of it; such
//! rules go together only where they share no packet.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::OnceLock;

use super::flat::number_of;
use super::judge::{At, Judged, Judgement};
use super::redundant::Without;
use super::spare;
use crate::diagnostic::Edit;
use crate::meaning::{BaseChain, Entry, List, Meaning, Reason};
use crate::net::Family;
use crate::packet::{Budget, PacketSet, RuleNumber, Space};
use crate::resolve::policy::{ChainId, LimitId, Origin};
use crate::source::Span;

/// Boxes of what a statement loses before that is too much to ask about.
const MOST_PIECES: usize = 1_000;

/// A policy of which something may be taken out.
pub struct Removal<'m> {
    before: &'m Meaning,
    judgement: Judgement<'m>,
    /// The statements that say something.
    written: BTreeSet<Span>,
    /// What becomes of the packets of each step without it; asked only when it has to be.
    without: OnceLock<Vec<Vec<Without>>>,
}

/// How a statement may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// No packet reaches it.
    Dead,
    /// Later rules do the same.
    Redundant,
    /// Not as far as is known.
    No,
}

impl<'m> Removal<'m> {
    #[must_use]
    pub fn of(before: &'m Meaning) -> Self {
        let judgement = Judgement::of(before, Budget::default());
        let lists = places(before).filter_map(|(family, place)| place.list(before, family));
        let written = lists.flat_map(|list| &list.entries).filter_map(origin_of);
        let written = written.map(|origin| origin.span).collect();
        Removal { before, judgement, written, without: OnceLock::new() }
    }

    /// For each fix in turn, whether what its edits delete can go together with what the fixes before
    /// it delete. (Edits that delete no whole statement are not judged here.)
    #[must_use]
    pub fn together(&self, fixes: &[&[Edit]]) -> Vec<bool> {
        let mut spare: Vec<At> = Vec::new();
        let mut goes = |fix: &&[Edit]| {
            let statements = self.statements(fix.iter());
            let ways = statements.iter().map(|statement| self.way(*statement));
            let (ways, redundant): (Vec<Way>, Vec<Way>) =
                ways.partition(|way| *way != Way::Redundant);
            // Two rules of one fix could be each the reason of the other, too.
            if ways.contains(&Way::No) || redundant.len() > 1 {
                return false;
            }
            if redundant.is_empty() {
                return true;
            }
            let own = statements.iter().flat_map(|statement| self.judgement.uses(*statement));
            let own: Vec<At> = own.flatten().copied().collect();
            if own.iter().any(|at| spare.iter().any(|other| self.share(*at, *other))) {
                return false;
            }
            spare.extend(own);
            true
        };
        fixes.iter().map(&mut goes).collect()
    }

    /// Whether a meaning is the first one without what these edits delete, and does the same to every
    /// packet. The edits may go together ([`Removal::together`]).
    #[must_use]
    pub fn leaves(&self, after: &Meaning, edits: &[Edit]) -> bool {
        let (before, text) = (self.before, EditedText::of(edits));
        let mut compared = Compared { before, after, text: &text, limits: BTreeMap::new() };
        let mut shorter = Shorter::default();
        if before.chain_count() != after.chain_count() {
            return false;
        }
        for (family, place) in places(before) {
            match (place.list(before, family), place.list(after, family)) {
                (Some(old), Some(new)) if compared.is_rest(old, new, &mut shorter) => {}
                (None, None) => {}
                (Some(_) | None, Some(_) | None) => return false,
            }
        }
        let deleted = self.statements(edits.iter());
        deleted.into_iter().all(|statement| self.way(statement) != Way::No)
            && (shorter.is_empty() || self.lose_nothing(&shorter, &text))
    }

    /// The statements that edits take out, each once.
    fn statements<'e>(&self, edits: impl Iterator<Item = &'e Edit>) -> BTreeSet<Span> {
        let deletions = edits.filter(|edit| edit.replacement.is_empty()).map(|edit| edit.span);
        let within = deletions.flat_map(|gone| {
            let at = |offset: usize| Span::new(gone.file(), offset..offset);
            let begin_here = self.written.range(at(gone.start())..at(gone.end()));
            begin_here.copied().filter(move |statement| statement.end() <= gone.end())
        });
        within.collect()
    }

    fn way(&self, statement: Span) -> Way {
        if !self.judgement.is_all_judged(statement) {
            return Way::No;
        }
        if self.judgement.is_idle(statement) {
            return Way::Dead;
        }
        let mut uses = self.judgement.uses(statement);
        let (Some(places), None) = (uses.next(), uses.next()) else { return Way::No };
        let without = self.without.get_or_init(|| spare::answers(&self.judgement));
        let same = |at: &At| without[at.chain][at.step.0 as usize] == Without::SameByRules;
        let is_unnoticed = || spare::is_unnoticed(&self.judgement, statement, places);
        let is_asked = spare::is_asked(&self.judgement, places);
        if is_asked && places.iter().all(same) && is_unnoticed() {
            return Way::Redundant;
        }
        Way::No
    }

    /// Whether two steps have a packet in common.
    fn share(&self, a: At, b: At) -> bool {
        let list = &self.judgement.chains[a.chain].list;
        let both = || list.space().intersection(&list.may(a.step), &list.may(b.step));
        a.chain == b.chain && !list.space().is_empty(&both())
    }

    /// Whether no packet reaches statements that no longer speak of it.
    fn lose_nothing(&self, shorter: &Shorter<'_>, text: &EditedText<'_>) -> bool {
        let spans = || shorter.values().filter_map(|(entry, _)| origin_of(entry));
        let is_known = spans().all(|origin| self.judgement.is_all_judged(origin.span));
        // What it is that takes the packets must not go at the same time.
        let stays = || {
            let statements = self.statements(text.edits.iter().copied()).into_iter();
            statements.map(|statement| self.way(statement)).all(|way| way == Way::Dead)
        };
        is_known && stays() && self.judgement.chains.iter().all(|one| loses_nothing(one, shorter))
    }
}

/// Statements that speak of fewer packets than before: by the address of the entry, the entry and what
/// is left of its packets, if something is.
type Shorter<'m> = HashMap<usize, (&'m Entry, Option<&'m PacketSet>)>;

fn address(entry: &Entry) -> usize {
    std::ptr::from_ref(entry).addr()
}

fn loses_nothing(judged: &Judged<'_>, shorter: &Shorter<'_>) -> bool {
    let steps = (0..).map(RuleNumber).zip(&judged.flat.steps);
    let changed: Vec<(RuleNumber, Option<&PacketSet>)> = steps
        .filter_map(|(number, step)| Some((number, shorter.get(&address(step.entry))?.1)))
        .collect();
    if changed.is_empty() {
        return true;
    }
    let kept: Vec<&PacketSet> = changed.iter().filter_map(|(_, kept)| *kept).collect();
    let list = judged.flat.list_with(Budget::default(), &kept);
    let mut kept = (judged.flat.steps.len()..).map(|place| list.may(number_of(place)));
    changed.into_iter().all(|(step, left)| {
        let kept = left.and_then(|_| kept.next()).unwrap_or_default();
        let lost = list.space().difference(&list.may(step), &kept);
        list.space().count(&lost) <= MOST_PIECES && list.reaches_none(step, &lost)
    })
}

/// A list of a meaning.
#[derive(Debug, Clone, Copy)]
enum Where {
    Base(BaseChain),
    Chain(ChainId),
}

impl Where {
    fn list(self, meaning: &Meaning, family: Family) -> Option<&List> {
        match self {
            Where::Base(base) => meaning.base(family, base),
            Where::Chain(id) => meaning.chain(family, id),
        }
    }
}

/// Every list that a meaning may have.
fn places(meaning: &Meaning) -> impl Iterator<Item = (Family, Where)> + use<> {
    let chains = (0..).map(ChainId).take(meaning.chain_count()).map(Where::Chain);
    let all: Vec<Where> = BaseChain::ALL.into_iter().map(Where::Base).chain(chains).collect();
    Family::BOTH
        .into_iter()
        .flat_map(move |family| all.clone().into_iter().map(move |place| (family, place)))
}

fn origin_of(entry: &Entry) -> Option<Origin> {
    match entry.reason {
        Reason::Written(origin) => Some(origin),
        Reason::Implicit(_) | Reason::Restored | Reason::Default(_) => None,
    }
}

/// Two meanings of which one is to be what edits left of the other.
struct Compared<'a, 'm> {
    before: &'m Meaning,
    after: &'m Meaning,
    text: &'a EditedText<'a>,
    /// The limits of the one by those of the other: they are numbered anew.
    limits: BTreeMap<LimitId, LimitId>,
}

impl<'m> Compared<'_, 'm> {
    /// Whether a list has the entries that are left of another, in their order.
    fn is_rest(&mut self, old: &'m List, new: &'m List, shorter: &mut Shorter<'m>) -> bool {
        if old.default != new.default {
            return false;
        }
        let mut rest = new.entries.iter().peekable();
        for entry in &old.entries {
            let origin = origin_of(entry);
            if origin.is_some_and(|origin| self.text.is_deleted(origin.span)) {
                continue;
            }
            let is_edited = origin.is_some_and(|origin| self.text.is_edited(origin.span));
            match rest.next_if(|new| self.is_same(entry, new)) {
                Some(new) if new.set == entry.set => {}
                Some(new) if is_edited && is_within(&new.set, &entry.set) => {
                    shorter.insert(address(entry), (entry, Some(&new.set)));
                }
                None if is_edited => {
                    shorter.insert(address(entry), (entry, None));
                }
                Some(_) | None => return false,
            }
        }
        rest.next().is_none()
    }

    /// Whether an entry is another one but for its packets.
    fn is_same(&mut self, old: &Entry, new: &Entry) -> bool {
        let reason = match old.reason {
            Reason::Written(origin) => {
                Reason::Written(Origin { span: self.text.moved(origin.span), ..origin })
            }
            reason @ (Reason::Implicit(_) | Reason::Restored | Reason::Default(_)) => reason,
        };
        (&old.effect, &old.log, reason) == (&new.effect, &new.log, new.reason)
            && old.limits.len() == new.limits.len()
            && old.limits.iter().zip(&new.limits).all(|(old, new)| self.is_limit(*old, *new))
    }

    fn is_limit(&mut self, old: LimitId, new: LimitId) -> bool {
        let is_alike = self.before.limits.get(&old) == self.after.limits.get(&new);
        is_alike && *self.limits.entry(old).or_insert(new) == new
    }
}

/// Whether all packets of a set are in another.
fn is_within(inner: &PacketSet, outer: &PacketSet) -> bool {
    let (space, regions) = Space::of(inner.family(), None, &[inner, outer]);
    matches!(&regions[..], [inner, outer] if space.is_empty(&space.difference(inner, outer)))
}

/// Edits of texts, found by place.
pub struct EditedText<'e> {
    // INVARIANT: in the order of the text.
    edits: Vec<&'e Edit>,
}

impl<'e> EditedText<'e> {
    #[must_use]
    pub fn of(edits: impl IntoIterator<Item = &'e Edit>) -> Self {
        let mut edits: Vec<&Edit> = edits.into_iter().collect();
        edits.sort_by_key(|edit| edit.span);
        EditedText { edits }
    }

    /// Those in the file of a span that begin before an offset.
    fn before(&self, span: Span, offset: usize) -> &[&'e Edit] {
        let place = |edit: &&Edit| (edit.span.file(), edit.span.start());
        let from = self.edits.partition_point(|edit| place(edit) < (span.file(), 0));
        let to = self.edits.partition_point(|edit| place(edit) < (span.file(), offset));
        &self.edits[from..to]
    }

    /// Whether nothing is left of a statement.
    fn is_deleted(&self, span: Span) -> bool {
        let last = self.before(span, span.start() + 1).last();
        last.is_some_and(|edit| edit.replacement.is_empty() && span.end() <= edit.span.end())
    }

    /// Whether something in a statement is edited.
    fn is_edited(&self, span: Span) -> bool {
        let last = self.before(span, span.end()).last();
        last.is_some_and(|edit| edit.span.end() > span.start())
    }

    /// Where a statement stands in the text as it is afterwards.
    #[must_use]
    pub fn moved(&self, span: Span) -> Span {
        let moved = |offset: usize| {
            let before = self.before(span, offset).iter();
            let (added, taken) = before.fold((0, 0), |(added, taken), edit| {
                (added + edit.replacement.len(), taken + edit.span.range().len())
            });
            (offset + added).saturating_sub(taken)
        };
        let (start, end) = (moved(span.start()), moved(span.end()));
        Span::new(span.file(), start..end.max(start))
    }
}
