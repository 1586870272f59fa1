//! Whether statements can be taken out of a policy, or made shorter, and no packet is treated
//! otherwise.
//!
//! In goes the meaning of a policy; asked are edits of its text. That the text says what is meant is not
//! believed either: the text as it is afterwards is given its own meaning, and that has to be what is
//! left of the first ([`Removal::leaves`]).
//!
//! What no packet reaches can go together: no packet meets another rule first because of it. A rule
//! that packets reach, and that changes nothing, may be needed by others that are so because of it: of
//! such rules each is asked about as if those before it, which go, were not there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use super::flat::number_of;
use super::judge::{Judged, Judgement};
use super::spare::Rest;
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
}

impl<'m> Removal<'m> {
    #[must_use]
    pub fn of(before: &'m Meaning) -> Self {
        let judgement = Judgement::of(before, Budget::default());
        let lists = places(before).filter_map(|(family, place)| place.list(before, family));
        let written = lists.flat_map(|list| &list.entries).filter_map(origin_of);
        let written = written.map(|origin| origin.span).collect();
        Removal { before, judgement, written }
    }

    /// For each fix in turn, whether what its edits delete can go together with what the fixes before
    /// it delete. (Edits that delete no whole statement are not judged here.)
    #[must_use]
    pub fn together(&self, fixes: &[&[Edit]]) -> Vec<bool> {
        let mut going = Going { removal: self, rest: None };
        fixes.iter().map(|fix| going.goes(self.statements(fix.iter()))).collect()
    }

    /// Whether a meaning is the first one without what these edits delete, and does the same to every
    /// packet.
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
        // What it is that takes the packets of shorter ones must not go at the same time.
        let loses_nothing = || {
            deleted.iter().all(|statement| self.judgement.is_idle(*statement))
                && self.lose_nothing(&shorter)
        };
        let mut going = Going { removal: self, rest: None };
        let goes = |statement: &Span| going.goes([*statement]);
        (shorter.is_empty() || loses_nothing()) && deleted.iter().all(goes)
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

    /// Whether no packet reaches statements that no longer speak of it.
    fn lose_nothing(&self, shorter: &Shorter<'_>) -> bool {
        let mut spans = shorter.values().filter_map(|(entry, _)| origin_of(entry));
        spans.all(|origin| self.judgement.is_all_judged(origin.span))
            && self.judgement.chains.iter().all(|one| loses_nothing(one, shorter))
    }
}

/// Statements that are taken out one after another.
struct Going<'r, 'm> {
    removal: &'r Removal<'m>,
    /// The rules that are left; all of them, and not looked at yet, so long as none goes that packets
    /// reach.
    rest: Option<Rest<'r, 'm>>,
}

impl Going<'_, '_> {
    /// Takes some statements out together, if all of them can go; whether that is so.
    fn goes(&mut self, statements: impl IntoIterator<Item = Span>) -> bool {
        let judgement = &self.removal.judgement;
        let mut reached = statements.into_iter().filter(|one| !judgement.is_idle(*one));
        let statement = match (reached.next(), reached.next()) {
            (None, _) => return true,
            (Some(statement), None) => statement,
            // Of two, one could go and the other not.
            (Some(_), Some(_)) => return false,
        };
        let mut uses = judgement.uses(statement);
        let (Some(places), None) = (uses.next(), uses.next()) else { return false };
        let rest = self.rest.get_or_insert_with(|| Rest::of(judgement));
        rest.leave_out(statement, places)
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
    /// How many bytes all edits before each add, and how many they take; of all at the end.
    sums: Vec<(usize, usize)>,
}

impl<'e> EditedText<'e> {
    #[must_use]
    pub fn of(edits: impl IntoIterator<Item = &'e Edit>) -> Self {
        let mut edits: Vec<&Edit> = edits.into_iter().collect();
        edits.sort_by_key(|edit| edit.span);
        let mut sums = vec![(0, 0)];
        let (mut added, mut taken) = (0, 0);
        sums.extend(edits.iter().map(|edit| {
            added += edit.replacement.len();
            taken += edit.span.range().len();
            (added, taken)
        }));
        EditedText { edits, sums }
    }

    /// Which edits are in the file of a span and begin before an offset.
    fn before(&self, span: Span, offset: usize) -> Range<usize> {
        let place = |edit: &&Edit| (edit.span.file(), edit.span.start());
        let from = self.edits.partition_point(|edit| place(edit) < (span.file(), 0));
        let to = self.edits.partition_point(|edit| place(edit) < (span.file(), offset));
        from..to
    }

    /// Whether nothing is left of a statement.
    fn is_deleted(&self, span: Span) -> bool {
        let last = self.edits[self.before(span, span.start() + 1)].last();
        last.is_some_and(|edit| edit.replacement.is_empty() && span.end() <= edit.span.end())
    }

    /// Whether something in a statement is edited.
    fn is_edited(&self, span: Span) -> bool {
        let last = self.edits[self.before(span, span.end())].last();
        last.is_some_and(|edit| edit.span.end() > span.start())
    }

    /// Where a statement stands in the text as it is afterwards.
    #[must_use]
    pub fn moved(&self, span: Span) -> Span {
        let moved = |offset: usize| {
            let Range { start, end } = self.before(span, offset);
            let ((more, less), (added, taken)) = (self.sums[start], self.sums[end]);
            (offset + added - more).saturating_sub(taken - less)
        };
        let (start, end) = (moved(span.start()), moved(span.end()));
        Span::new(span.file(), start..end.max(start))
    }
}
