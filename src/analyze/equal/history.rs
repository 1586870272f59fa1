//! What depends on history as facts about packets, paired by what is said of it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::analyze::flat::of_first_fragments;
use crate::analyze::ruled::tracked_packets;
use crate::meaning::{
    BaseChain, Change, Effect, Entry, FamilyMeaning, History, List, Meaning, Question,
};
use crate::net::{Family, Rate, Unit};
use crate::packet::{Constraint, Factor, Field, PacketSet, Product};
use crate::resolve::policy::{Allowance, ChainId, LimitId, LimitKey, LimitKind, Log};

/// With this begin the words of an entry that stands for "a limit counts this packet".
pub(super) const COUNTS: &str = "counted by ";

/// Which fact about a packet of a [`Difference`](super::Difference) says that something has room.
pub struct Rooms<'m> {
    meaning: &'m Meaning,
    names: HashMap<LimitId, Arc<str>>,
}

impl<'m> Rooms<'m> {
    #[must_use]
    pub fn of(meaning: &'m Meaning, family: Family) -> Self {
        Rooms { meaning, names: names(meaning, family) }
    }

    /// The fact that answers a question.
    #[must_use]
    pub fn fact(&self, question: Question<'_>) -> Arc<str> {
        match question {
            Question::Limit(id) => match (self.names.get(&id), self.meaning.limits.get(&id)) {
                (Some(name), _) => room_in(name),
                // What has no name is the last limit of a rule that only logs.
                (None, Some(History::Limit(LimitKind::Rate { rate, burst, .. }))) => {
                    room_in_log(*rate, *burst)
                }
                (None, _) => room_in("nothing"),
            },
            Question::Log(log) => match log.allowance {
                Some(Allowance { rate, burst }) => room_in_log(rate, burst),
                None => room_in("nothing"),
            },
        }
    }
}

/// The same meanings without limits: whether one has room is a condition of its entry. An entry is
/// several then, each of which does one thing: for each limit that it is counted, then the log line,
/// then the effect. Where packets come in fragments, that one is the first is a condition too.
pub(super) fn as_facts(meanings: [&Meaning; 2], sees_fragments: bool) -> [Meaning; 2] {
    let mut lists = [Vec::new(), Vec::new()];
    for family in Family::BOTH {
        let names = meanings.map(|meaning| names(meaning, family));
        // One condition for both sides, so that it makes no difference by itself.
        let all = all_have_room(&names);
        for ((side, names), lists) in meanings.into_iter().zip(names).zip(&mut lists) {
            let all = all.clone();
            let rewriting = Rewriting { meaning: side, family, all, names, sees_fragments };
            lists.push(rewriting.lists());
        }
    }
    let [left, right] = &mut lists;
    for (left, right) in left.iter_mut().zip(right) {
        leave_to_docker(left, right);
        leave_to_docker(right, left);
    }
    lists.map(|lists| {
        let mut lists = lists.into_iter();
        let [v4, v6] = [(); 2].map(|()| lists.next().unwrap_or_default());
        Meaning::of_lists(v4, v6, BTreeMap::new())
    })
}

/// A side that does not speak of Docker, where the other does, leaves to it all that it publishes.
fn leave_to_docker(silent: &mut FamilyMeaning, other: &FamilyMeaning) {
    let base = BaseChain::DockerUser;
    let default = other.bases.get(&base).and_then(|list| list.default.clone());
    if let Some(default) = default {
        let nothing = || List { entries: Vec::new(), default: Some(default) };
        silent.bases.entry(base).or_insert_with(nothing);
    }
}

/// The limits of a family by the order in which packets may meet them: what they count by, and the
/// number among those that count alike.
fn names(meaning: &Meaning, family: Family) -> HashMap<LimitId, Arc<str>> {
    let mut names: HashMap<LimitId, Arc<str>> = HashMap::new();
    let mut alike: HashMap<String, u32> = HashMap::new();
    let mut seen = BTreeSet::new();
    for base in BaseChain::ALL {
        let mut open: Vec<(&List, usize)> =
            meaning.base(family, base).map(|list| (list, 0)).into_iter().collect();
        while let Some((list, next)) = open.pop() {
            let Some(entry) = list.entries.get(next) else { continue };
            open.push((list, next + 1));
            for id in own_limits(meaning, entry).0 {
                names.entry(*id).or_insert_with(|| {
                    let said = described(meaning.limits.get(id), family);
                    let number = alike.entry(said.clone()).or_default();
                    *number += 1;
                    match number {
                        1 => said.into(),
                        _ => format!("{said} (number {number} of these)").into(),
                    }
                });
            }
            if let Some(chain) = entry.effect.chain()
                && seen.insert(chain)
            {
                open.extend(meaning.chain(family, chain).map(|list| (list, 0)));
            }
        }
    }
    names
}

/// What a limit counts by, in words that are the same for the same numbers however they are written.
fn described(limit: Option<&History>, family: Family) -> String {
    match limit {
        None => "nothing".to_owned(),
        Some(History::Opaque(text)) => text.to_string(),
        Some(History::Limit(kind)) => described_limit(kind, family),
        Some(History::Over(kind)) => format!("what is over {}", described_limit(kind, family)),
    }
}

fn described_limit(kind: &LimitKind, family: Family) -> String {
    match kind {
        LimitKind::Rate { rate, burst, per } => {
            let mut keys: Vec<String> = per.iter().map(|key| key_name(*key, family)).collect();
            keys.sort();
            keys.dedup();
            let each = if keys.is_empty() { "" } else { " for each " };
            format!("a limit of {}{each}{}", allowance(*rate, *burst), keys.join(", "))
        }
        LimitKind::Connections { count, per_source } => {
            let length = per_source.map_or(0, |lengths| lengths.of(family));
            format!("a limit of {count} connections for each source/{length}")
        }
    }
}

fn key_name(key: LimitKey, family: Family) -> String {
    match key {
        LimitKey::Source(lengths) => format!("source/{}", lengths.of(family)),
        LimitKey::Destination => "destination".to_owned(),
        LimitKey::SourcePort => "source port".to_owned(),
        LimitKey::DestinationPort => "destination port".to_owned(),
    }
}

/// A rate in the smallest unit that says it, the same for all that the kernel keeps alike: it keeps the
/// time for a packet, in ten-thousandths of a second (`xt_limit.h`).
fn allowance(rate: Rate, burst: u32) -> String {
    let period = |unit: Unit, count: u64| u64::from(unit.seconds()) * 10_000 / count.max(1);
    let kept = period(rate.unit(), rate.count().into());
    let same = Unit::ALL.into_iter().find_map(|unit| {
        let count = u64::from(unit.seconds()) * 10_000 / kept.max(1);
        (count > 0 && period(unit, count) == kept).then(|| format!("{count}/{}", unit.name()))
    });
    let rate = same.unwrap_or_else(|| format!("a packet each {kept}/10000 s"));
    format!("{rate} burst {burst}")
}

/// The limits of an entry, and what its log line is limited by. A rule that only logs is limited by
/// its last limit that counts all packets together.
fn own_limits<'m>(meaning: &'m Meaning, entry: &'m Entry) -> (&'m [LimitId], Option<Allowance>) {
    let Some(log) = entry.log.as_deref() else { return (&entry.limits, None) };
    let logs_only = matches!(entry.effect, Effect::Continue) && log.allowance.is_none();
    if logs_only
        && let Some((last, before)) = entry.limits.split_last()
        && let Some(History::Limit(LimitKind::Rate { rate, burst, per })) = meaning.limits.get(last)
        && per.is_empty()
    {
        return (before, Some(Allowance { rate: *rate, burst: *burst }));
    }
    (&entry.limits, log.allowance)
}

/// That every limit has room.
fn all_have_room(names: &[HashMap<LimitId, Arc<str>>; 2]) -> Factor {
    let mut texts: Vec<&Arc<str>> = names.iter().flat_map(HashMap::values).collect();
    texts.sort();
    Factor::all(texts.into_iter().map(|text| Constraint::opaque(room_in(text), true)))
}

struct Rewriting<'m> {
    meaning: &'m Meaning,
    family: Family,
    names: HashMap<LimitId, Arc<str>>,
    all: Factor,
    sees_fragments: bool,
}

impl Rewriting<'_> {
    fn lists(&self) -> FamilyMeaning {
        let list = |list: &List| List { entries: self.entries(&list.entries), default: None };
        let bases = BaseChain::ALL.into_iter().filter_map(|base| {
            let found = self.meaning.base(self.family, base)?;
            let default = found.default.as_ref()?;
            let mut rewritten = self.entry(default);
            let ending = rewritten.pop();
            let mut entries = self.entries(&found.entries);
            if !rewritten.is_empty() {
                entries =
                    entries.into_iter().flat_map(|one| ending_logged(one, &rewritten)).collect();
            }
            // What the default logs, it logs as the last entry.
            entries.extend(rewritten);
            Some((base, List { entries, default: ending }))
        });
        let chains = (0..self.meaning.chain_count()).map(|number| {
            let id = ChainId(u32::try_from(number).unwrap_or(u32::MAX));
            self.meaning.chain(self.family, id).map(list).unwrap_or_default()
        });
        FamilyMeaning { bases: bases.collect(), chains: chains.collect() }
    }

    fn entries(&self, entries: &[Entry]) -> Vec<Entry> {
        let mut all: Vec<Entry> = Vec::with_capacity(entries.len());
        for entry in entries.iter().flat_map(|entry| self.entry(entry)) {
            match all.last_mut().filter(|before| is_sticky(before, &entry)) {
                Some(before) => {
                    if let Effect::Change(Change::Mark(mark)) = before.effect {
                        before.effect = Effect::Change(Change::StickyMark(mark));
                    }
                }
                None => all.push(entry),
            }
        }
        without_unreached(all)
    }

    fn entry(&self, entry: &Entry) -> Vec<Entry> {
        let (limits, allowance) = own_limits(self.meaning, entry);
        let mut entries = Vec::new();
        let one =
            |set, effect| Entry { set, limits: [].into(), log: None, effect, reason: entry.reason };
        let own = Cow::Borrowed(&entry.set);
        let own = if self.sees_fragments { of_first_fragments(own) } else { own };
        let mut set = own.clone().into_owned();
        for id in limits {
            let Some(name) = self.names.get(id) else { continue };
            // Which of two limits is asked first is no difference: who is counted is compared where all
            // have room.
            let counted = with(&own, &self.all);
            let text = format!("{COUNTS}{name}").into();
            entries.push(one(counted, Effect::Opaque { text, changes: &[] }));
            set = with(&set, &fact(room_in(name)));
        }
        if let Some(log) = &entry.log {
            let logged = match allowance {
                Some(Allowance { rate, burst }) => with(&set, &fact(room_in_log(rate, burst))),
                None => set.clone(),
            };
            let log = Log { allowance: None, ..(**log).clone() };
            let logs = one(logged, Effect::Continue);
            entries.push(Entry { log: Some(Arc::new(log)), ..logs });
        }
        match entry.effect {
            Effect::Continue => {}
            Effect::Decide(_)
            | Effect::Opaque { .. }
            | Effect::Change(_)
            | Effect::Return
            | Effect::Call(_)
            | Effect::Goto(_)
            | Effect::Add { .. } => entries.push(one(set, entry.effect.clone())),
        }
        entries
    }
}

/// The entries that packets may come to. Of thousands behind one that takes all packets, each would be
/// asked about together with each of the other side.
fn without_unreached(mut entries: Vec<Entry>) -> Vec<Entry> {
    let takes_all = |entry: &Entry| match entry.effect {
        Effect::Decide(_) | Effect::Return | Effect::Goto(_) => entry.set.is_everything(),
        Effect::Continue
        | Effect::Opaque { .. }
        | Effect::Change(_)
        | Effect::Call(_)
        | Effect::Add { .. } => false,
    };
    let reached = entries.iter().position(takes_all).map_or(entries.len(), |last| last + 1);
    entries.truncate(reached);
    entries
}

/// Who leaves a base chain takes its default, and is logged like everybody who does.
fn ending_logged(entry: Entry, logs: &[Entry]) -> Vec<Entry> {
    let logged = |set: &PacketSet| -> Vec<Entry> {
        let one = |log: &Entry| Entry { set: set.intersection(&log.set), ..log.clone() };
        logs.iter().map(one).collect()
    };
    match entry.effect {
        Effect::Return => logged(&entry.set).into_iter().chain([entry]).collect(),
        Effect::Goto(chain) => {
            let call = Entry { effect: Effect::Call(chain), ..entry.clone() };
            let back = Entry { effect: Effect::Return, ..entry };
            let logged = logged(&back.set);
            [call].into_iter().chain(logged).chain([back]).collect()
        }
        Effect::Decide(_)
        | Effect::Continue
        | Effect::Opaque { .. }
        | Effect::Change(_)
        | Effect::Call(_)
        | Effect::Add { .. } => vec![entry],
    }
}

/// Whether two entries that follow each other mark packets and their connections alike. A packet that
/// has no connection keeps what the second would change.
fn is_sticky(before: &Entry, entry: &Entry) -> bool {
    let (Effect::Change(Change::Mark(one)), Effect::Change(Change::ConnectionMark(other))) =
        (&before.effect, &entry.effect)
    else {
        return false;
    };
    let same = before.set == entry.set
        || before.set.intersection(&tracked_packets(entry.set.family())) == entry.set;
    one == other && same && !before.set.speaks_of(|field| field == Field::Mark)
}

fn room_in(limit: &str) -> Arc<str> {
    format!("room in {limit}").into()
}

fn room_in_log(rate: Rate, burst: u32) -> Arc<str> {
    format!("room in a log of {}", allowance(rate, burst)).into()
}

fn fact(text: Arc<str>) -> Factor {
    Factor::all([Constraint::opaque(text, true)])
}

/// The packets of a set that meet a condition too.
fn with(set: &PacketSet, factor: &Factor) -> PacketSet {
    let products = set.products().iter().filter_map(|product| {
        Product::of(product.factors().iter().cloned().chain([factor.clone()]))
    });
    PacketSet::of(set.family(), products)
}
