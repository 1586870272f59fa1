//! Translations and the filter: what is translated and then dropped, what the filter waits for in vain,
//! and what is never forwarded to a translation.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;
use std::ops::Range;

use super::{Translator, arriving, messages, only_translators, translators, untracked};
use crate::analyze::flat::Flat;
use crate::analyze::flat::asking::Asking;
use crate::analyze::flat::passing::{ByStatement, Found, Passing, Step, cover_of, is_never};
use crate::analyze::text::Text;
use crate::analyze::witness::met;
use crate::analyze::work::Work;
use crate::diagnostic::{Finding, Lint, catalogue as lint};
use crate::meaning::{BaseChain, Meaning, Reason, Translation};
use crate::net::{Addresses, CtState, Family, Ports, Prefix};
use crate::packet::{
    Among, Answer, Constraint, Factor, Field, PacketSet, Product, Region, Verdict,
};
use crate::resolve::Policy;
use crate::resolve::policy::{Item, NatKind, Origin, SourceTranslation};
use crate::source::Span;

/// The findings, once the chains that they ask about are looked at.
pub(in crate::analyze) fn findings<'a, 'w>(
    text: Text<'a>,
    asking: &mut Asking<'a>,
    work: &'w Work,
) -> impl FnOnce(&Asking<'a>) -> Vec<Finding> + use<'a, 'w> {
    let is_policy = text.policy().is_some();
    let mut of_family = |family| {
        let targets_dropped = is_policy.then(|| targets_dropped(text, asking, family, work));
        (family, targets_dropped, seen_translated(text, asking, family, work))
    };
    let asked = Family::BOTH.map(&mut of_family);
    let without_forward = without_forward(text, asking, work);
    move |asking| {
        let mut findings: BTreeMap<(Origin, &'static str), Finding> = BTreeMap::new();
        for (family, targets_dropped, seen_translated) in asked {
            let new = untracked::findings(text, asking.meaning, family, work);
            let new = new.into_iter().chain(match targets_dropped {
                Some(targets_dropped) => targets_dropped(asking),
                None => arriving::dropped(text, asking.meaning, family, work),
            });
            for (origin, finding) in new.chain(seen_translated(asking)) {
                findings.entry((origin, finding.lint.name)).or_insert(finding);
            }
        }
        findings.into_values().chain(without_forward(asking)).collect()
    }
}

/// The packets of any of the factors' product.
pub(super) fn product(family: Family, factors: impl IntoIterator<Item = Factor>) -> PacketSet {
    PacketSet::of(family, Product::of(factors))
}

pub(super) fn new_packets(family: Family) -> PacketSet {
    let new = Constraint::state([CtState::New].into_iter().collect());
    product(family, [Factor::all([new])])
}

/// Where the filter judges what a statement translated on prerouting.
fn judged_on(translation: &Translation) -> Option<BaseChain> {
    match translation {
        Translation::Destination { .. } => Some(BaseChain::FilterForward),
        Translation::Redirect { .. } => Some(BaseChain::FilterInput),
        Translation::Exempt
        | Translation::Masquerade
        | Translation::Source { .. }
        | Translation::Netmap { .. } => None,
    }
}

/// The `forward`s and `redirect`s none of whose first packets passes the filter although they accept
/// them: earlier rules drop them all. Of one with several kinds of packets, such as hairpins, one kind
/// is enough.
fn targets_dropped<'a, 'w>(
    text: Text<'a>,
    asking: &mut Asking<'a>,
    family: Family,
    work: &'w Work,
) -> impl FnOnce(&Asking<'a>) -> Vec<(Origin, Finding)> + use<'a, 'w> {
    let meaning = asking.meaning;
    let flat = Flat::of(meaning, family, BaseChain::NatPrerouting);
    let nat = flat.as_ref().and_then(only_translators).unwrap_or_default();
    let mut all = Vec::new();
    let (forward, input) = (BaseChain::FilterForward, BaseChain::FilterInput);
    // What goes to a container meets the block `docker` before all else.
    for (accepts, base) in [(forward, forward), (input, input), (forward, BaseChain::DockerUser)] {
        let judged = nat.iter().filter(|one| judged_on(one.translation) == Some(accepts));
        let origins: BTreeSet<Origin> = judged.map(|one| one.origin).collect();
        if origins.is_empty() {
            continue;
        }
        let entries = meaning.base(family, accepts).map_or(&[][..], |list| &list.entries[..]);
        let mut asked = Vec::new();
        let mut owners = Vec::new();
        for entry in entries {
            let Reason::Written(origin) = entry.reason else { continue };
            if !origins.contains(&origin) {
                continue;
            }
            for one in entry.set.products() {
                let kind = PacketSet::of(family, [one.clone()]);
                asked.push(kind.intersection(&new_packets(family)));
                owners.push(origin);
            }
        }
        all.push((base, asking.ask(family, base, asked).zip(owners)));
    }
    move |asking| {
        let reached = Reached { meaning, family, work, passing: OnceCell::new() };
        let mut found = Vec::new();
        for (base, asked) in all {
            let Some(passing) = asking.passing(family, base) else { continue };
            let by_statement = passing.by_statement();
            for (number, origin) in asked {
                let own = by_statement.get(&origin).map_or(&[][..], |own| own);
                let finding =
                    target_dropped(text, (base, passing, number), (origin, own), &reached);
                found.extend(finding.map(|finding| (origin, finding)));
            }
        }
        found
    }
}

/// The finding about some packets of a statement, which it accepts at some steps of a chain.
fn target_dropped(
    text: Text<'_>,
    (base, passing, asked): (BaseChain, &Passing<'_>, usize),
    (origin, own): (Origin, &[usize]),
    reached: &Reached<'_, '_>,
) -> Option<Finding> {
    let work = reached.work;
    let region = passing.asked(asked);
    // Mostly its own rule accepts some: that is seen at once.
    let accepting = own.iter().copied().filter(|step| passing.steps[*step].passes());
    if matches!(passing.decided_by(&region, accepting), Found::Packet(..)) {
        return None;
    }
    let passes = passing.decided(&region, 0, Step::passes);
    if !is_never(&passes, &lint::NAT_TARGET_DROPPED, work) || !reached.is_reached(origin) {
        return None;
    }
    let own = own.first().copied();
    let before = own.map_or(Among::ALL, |own| Among::before(passing.number(own)));
    let cover = passing.cover(&region, before);
    note_unproved(&cover, &lint::NAT_TARGET_DROPPED, work);
    let cover = cover_of(cover)?;
    let by = cover.members.iter().filter_map(|member| passing.step_at(member.rule));
    let by: BTreeSet<Span> =
        by.filter_map(|step| text.span_of(passing.steps[step].reason)).collect();
    let point = cover.members.iter().find_map(|member| member.alone.as_ref())?;
    let packet = passing.list().space().packet(point);
    let packet = met(&packet, base, "dropped after it was translated");
    let by_docker = base == BaseChain::DockerUser;
    Some(messages::target_dropped(text, origin, &by, by_docker, packet))
}

/// The chain of translations on arrival, once it is asked about.
struct Reached<'m, 'w> {
    meaning: &'m Meaning,
    family: Family,
    work: &'w Work,
    passing: OnceCell<Option<(Passing<'m>, ByStatement)>>,
}

impl Reached<'_, '_> {
    /// Whether any packet comes to the translation of a statement. If not, that is another finding.
    fn is_reached(&self, origin: Origin) -> bool {
        let passing = self.passing.get_or_init(|| {
            let base = BaseChain::NatPrerouting;
            let passing = Passing::of(self.meaning, self.family, base, &[], self.work.budget)?;
            let by_statement = passing.by_statement();
            Some((passing, by_statement))
        });
        let Some((passing, by_statement)) = passing else { return false };
        by_statement.get(&origin).into_iter().flatten().any(|number| {
            let among = Among::before(passing.number(*number));
            match passing.left(&passing.region(*number), among) {
                Verdict::Uncovered(_) => true,
                Verdict::Covered => false,
                Verdict::Incomplete => {
                    self.work.was_too_much(&lint::NAT_TARGET_DROPPED);
                    false
                }
            }
        })
    }
}

pub(super) fn note_unproved(answer: &Answer, lint: &'static Lint, work: &Work) {
    match answer {
        Answer::Covered(_) | Answer::Uncovered(_) => {}
        Answer::Incomplete => work.was_too_much(lint),
    }
}

/// Whether a packet has the same in this field on prerouting and in the filter, when it was not
/// translated in between.
pub(super) fn sees_alike(field: Field) -> bool {
    match field {
        Field::Incoming
        | Field::Source
        | Field::Destination
        | Field::Protocol
        | Field::SourcePort
        | Field::DestinationPort
        | Field::Icmp
        | Field::Flags
        | Field::State
        | Field::ToLocal
        | Field::Mac => true,
        // What statements or the machine itself change on the way, and what only one of them sees.
        Field::Outgoing
        | Field::Translated
        | Field::OriginalDestination
        | Field::OriginalPort
        | Field::Mark
        | Field::ConnectionMark
        | Field::User
        | Field::Group
        | Field::Length
        | Field::Ttl
        | Field::Dscp
        | Field::Opaque => false,
    }
}

/// Rules that name a destination and match none of the packets that still have it in the filter: nat
/// gave all of them another, and no translation gives them this one.
fn seen_translated<'a, 'w>(
    text: Text<'a>,
    asking: &mut Asking<'a>,
    family: Family,
    work: &'w Work,
) -> impl FnOnce(&Asking<'a>) -> Vec<(Origin, Finding)> + use<'a, 'w> {
    let flat = Flat::of(asking.meaning, family, BaseChain::NatPrerouting);
    let nat = flat.as_ref().and_then(only_translators).unwrap_or_default();
    let moving = nat.iter().filter(|_| !is_untracked(asking.meaning, family));
    let moving: Vec<&Translator<'_>> = moving
        .take_while(|one| !matches!(one.translation, Translation::Exempt))
        .filter(|one| !one.set.speaks_of(|field| !sees_alike(field)))
        .collect();
    let untranslated = product(family, [Factor::all([Constraint::untranslated()])]);
    let first = new_packets(family).intersection(&untranslated);
    let taken: Vec<PacketSet> = moving.iter().map(|one| one.set.intersection(&first)).collect();
    let tracked = [CtState::New, CtState::Established, CtState::Related, CtState::Invalid];
    let tracked = Factor::all([Constraint::state(tracked.into_iter().collect())]);
    let still = product(family, [tracked]).intersection(&untranslated);
    let bases = [BaseChain::FilterForward, BaseChain::FilterInput];
    let mut all = Vec::new();
    for base in bases.into_iter().filter(|_| !moving.is_empty()) {
        let mut asked = vec![still.clone()];
        asked.extend(nat.iter().filter_map(|one| arriving(family, base, one.translation)));
        asked.dedup();
        asking.take(family, base, taken.clone());
        all.push((base, asking.ask(family, base, asked)));
    }
    let moving: Vec<Origin> = moving.iter().map(|one| one.origin).collect();
    move |asking| {
        let mut found = Vec::new();
        for (base, asked) in all {
            let Some(passing) = asking.passing(family, base) else { continue };
            for (origin, by) in covered_by_translations(passing, &asked, &moving, work) {
                found.push((origin, messages::sees_translated(text, origin, &by)));
            }
        }
        found
    }
}

/// The statements of a chain that match none of the packets asked about, but for translations: those that
/// take them.
fn covered_by_translations(
    passing: &Passing<'_>,
    asked: &Range<usize>,
    moving: &[Origin],
    work: &Work,
) -> Vec<(Origin, Vec<Origin>)> {
    let space = passing.list().space();
    let mut found = Vec::new();
    let mut candidates = BTreeSet::new();
    // Of what is taken some may be the same.
    let taken: HashSet<Region> =
        (0..moving.len()).map(|number| passing.list().may(passing.taken(number))).collect();
    for region in &taken {
        candidates.extend(passing.list().matching().meeting(region, passing.among_steps()));
    }
    for number in candidates {
        let Some(step) = passing.step_at(number) else { continue };
        let Reason::Written(origin) = passing.steps[step].reason else { continue };
        if !passing.steps[step].is_of(origin) {
            continue;
        }
        // Only of traffic with ports it is known that conntrack sees all of it.
        let set = passing.set(step);
        let names = [Field::Destination, Field::DestinationPort];
        if !names.into_iter().all(|name| set.speaks_of(|field| field == name)) {
            continue;
        }
        let own = passing.region(step);
        let own = space.intersection(&own, &passing.meeting_asked(asked, &own));
        let cover = passing.cover_or_taken(&own, Among::before(number));
        note_unproved(&cover, &lint::FILTER_SEES_TRANSLATED, work);
        let Some(cover) = cover_of(cover) else { continue };
        let members = cover.members.iter().filter(|_| cover.is_minimal);
        let by: Vec<Origin> = members
            .filter_map(|member| passing.taken_at(member.rule))
            .map(|number| moving[number])
            .collect();
        if !by.is_empty() && !by.contains(&origin) {
            found.push((origin, by));
        }
    }
    found
}

/// Whether a statement keeps packets from conntrack, and so from nat.
fn is_untracked(meaning: &Meaning, family: Family) -> bool {
    let list = meaning.base(family, BaseChain::RawPrerouting);
    list.is_some_and(|list| !list.entries.is_empty())
}

/// What a translation on prerouting may send to a chain.
pub(super) fn arriving(
    family: Family,
    base: BaseChain,
    translation: &Translation,
) -> Option<PacketSet> {
    let to = |addresses: &Addresses, port: Option<u16>| {
        let destination = Constraint::destination(family, addresses);
        let port = port.map(|port| Constraint::destination_port(&Ports::single(port)));
        let all = [Constraint::translated(), destination].into_iter().chain(port);
        product(family, [Factor::all(all)])
    };
    let single = |address: IpAddr| Addresses::single(address);
    let of = |prefix: Prefix| Addresses::from(prefix);
    match (translation, base) {
        (Translation::Destination { address, port }, _) => Some(to(&single(*address), *port)),
        (Translation::Netmap { to: inside, .. }, _) => Some(to(&of(*inside), None)),
        (Translation::Redirect { port }, BaseChain::FilterInput) => {
            Some(to(&Addresses::full(), Some(*port)))
        }
        (
            Translation::Redirect { .. }
            | Translation::Exempt
            | Translation::Masquerade
            | Translation::Source { .. },
            _,
        ) => None,
    }
}

/// Translations of sources that no new forwarded packet comes to, in a policy that is about forwarding.
fn without_forward<'a, 'w>(
    text: Text<'a>,
    asking: &mut Asking<'a>,
    work: &'w Work,
) -> impl FnOnce(&Asking<'a>) -> Vec<Finding> + use<'a, 'w> {
    let meaning = asking.meaning;
    let mut lonely: BTreeSet<Origin> = match text {
        Text::Policy(policy) => source_statements(policy).collect(),
        Text::Dump(_) => source_rules(meaning),
    };
    let is_about_it = match text {
        // What other programs forward is not known.
        Text::Policy(policy) => {
            policy.preserve.is_none() && (policy.has_zones || forwards(meaning))
        }
        Text::Dump(_) => forwards(meaning),
    };
    let is_asked = is_about_it && !lonely.is_empty();
    let mut all = Vec::new();
    for family in Family::BOTH.into_iter().filter(|_| is_asked) {
        let flat = Flat::of(meaning, family, BaseChain::NatPostrouting);
        let Some(nat) = flat.as_ref().and_then(only_translators) else {
            // Nothing is known then.
            lonely.clear();
            break;
        };
        // Marks and their like are changed on the way there.
        let seen = |field| sees_alike(field) || field == Field::Outgoing;
        let own: Vec<(Origin, PacketSet)> = nat
            .iter()
            .filter(|one| lonely.contains(&one.origin))
            .map(|one| (one.origin, one.set.widened(seen).intersection(&new_packets(family))))
            .collect();
        if !own.is_empty() {
            let (origins, asked): (Vec<Origin>, Vec<PacketSet>) = own.into_iter().unzip();
            let numbers = asking.ask(family, BaseChain::FilterForward, asked);
            all.push((family, numbers.zip(origins)));
        }
    }
    move |asking| {
        for (family, asked) in all {
            let passing = asking.passing(family, BaseChain::FilterForward);
            for (number, origin) in asked {
                let is_reached = passing.is_none_or(|passing| {
                    let passes = passing.decided(&passing.asked(number), 0, Step::passes);
                    !is_never(&passes, &lint::NAT_WITHOUT_FORWARD, work)
                });
                if is_reached {
                    lonely.remove(&origin);
                }
            }
        }
        let lonely = lonely.into_iter().filter(|_| is_asked);
        lonely.map(|origin| messages::without_forward(text, origin)).collect()
    }
}

/// The statements that translate sources. What leaves packets as they are is no translation that could
/// be missed.
fn source_statements(policy: &Policy) -> impl Iterator<Item = Origin> {
    policy.items.iter().filter_map(|item| match item {
        Item::Nat(nat) => match nat.kind {
            NatKind::Source { ref translation, .. } => {
                (*translation != SourceTranslation::Exempt).then_some(nat.origin)
            }
            NatKind::Forward(_) | NatKind::Redirect(_) | NatKind::Netmap { .. } => None,
        },
        Item::Rule(_) | Item::Alter(_) | Item::Raw(_) => None,
    })
}

/// The rules that translate sources, of all that leaves.
fn source_rules(meaning: &Meaning) -> BTreeSet<Origin> {
    let base = BaseChain::NatPostrouting;
    let flats = Family::BOTH.into_iter().filter_map(|family| Flat::of(meaning, family, base));
    let is_source = |one: &Translator<'_>| match one.translation {
        Translation::Masquerade | Translation::Source { .. } => true,
        Translation::Exempt
        | Translation::Destination { .. }
        | Translation::Redirect { .. }
        | Translation::Netmap { .. } => false,
    };
    let own = |flat: Flat<'_>| -> Vec<Origin> {
        translators(&flat).iter().filter(|one| is_source(one)).map(|one| one.origin).collect()
    };
    flats.flat_map(own).collect()
}

/// Whether a rule is about forwarded packets.
fn forwards(meaning: &Meaning) -> bool {
    Family::BOTH.into_iter().any(|family| {
        let list = meaning.base(family, BaseChain::FilterForward);
        list.is_some_and(|list| {
            list.entries.iter().any(|entry| matches!(entry.reason, Reason::Written(_)))
        })
    })
}
