//! Translations and the filter: what is translated and then dropped, what the filter waits for in vain,
//! and what is never forwarded to a translation.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;

use super::{Translator, arriving, messages, only_translators, translators, untracked};
use crate::analyze::flat::Flat;
use crate::analyze::flat::passing::{ByStatement, Found, Passing, Step, cover_of};
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

pub(super) fn findings(text: Text<'_>, meaning: &Meaning, work: &Work) -> Vec<Finding> {
    let mut findings: BTreeMap<(Origin, &'static str), Finding> = BTreeMap::new();
    for family in Family::BOTH {
        let new = untracked::findings(text, meaning, family, work);
        let new = new.into_iter().chain(match text {
            Text::Policy(_) => targets_dropped(text, meaning, family, work),
            Text::Dump(_) => arriving::dropped(text, meaning, family, work),
        });
        let new = new.chain(seen_translated(text, meaning, family, work));
        for (origin, finding) in new {
            findings.entry((origin, finding.lint.name)).or_insert(finding);
        }
    }
    findings.into_values().chain(without_forward(text, meaning, work)).collect()
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
fn targets_dropped(
    text: Text<'_>,
    meaning: &Meaning,
    family: Family,
    work: &Work,
) -> Vec<(Origin, Finding)> {
    let Some(flat) = Flat::of(meaning, family, BaseChain::NatPrerouting) else { return Vec::new() };
    let nat = only_translators(&flat).unwrap_or_default();
    let reached = Reached { meaning, family, work, passing: OnceCell::new() };
    let mut found = Vec::new();
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
        let Some(passing) = Passing::of(meaning, family, base, &asked, work.budget) else {
            continue;
        };
        let by_statement = passing.by_statement();
        for (number, origin) in owners.into_iter().enumerate() {
            let region = passing.asked(number);
            let own = by_statement.get(&origin).map_or(&[][..], |own| own);
            // Mostly its own rule accepts some: that is seen at once.
            let accepting = own.iter().copied().filter(|step| passing.steps[*step].passes());
            if matches!(passing.decided_by(&region, accepting), Found::Packet(..)) {
                continue;
            }
            let passes = passing.decided(&region, 0, Step::passes);
            if !is_never(&passes, &lint::NAT_TARGET_DROPPED, work) || !reached.is_reached(origin) {
                continue;
            }
            let own = own.first().copied();
            let before = own.map_or(Among::ALL, |own| Among::before(passing.number(own)));
            let cover = passing.cover(&region, before);
            note_unproved(&cover, &lint::NAT_TARGET_DROPPED, work);
            let Some(cover) = cover_of(cover) else { continue };
            let by = cover.members.iter().filter_map(|member| passing.step_at(member.rule));
            let by: BTreeSet<Span> =
                by.filter_map(|step| text.span_of(passing.steps[step].reason)).collect();
            let Some(point) = cover.members.iter().find_map(|member| member.alone.as_ref()) else {
                continue;
            };
            let packet = passing.list().space().packet(point);
            let packet = met(&packet, base, "dropped after it was translated");
            let by_docker = base == BaseChain::DockerUser;
            let finding = messages::target_dropped(text, origin, &by, by_docker, packet);
            found.push((origin, finding));
        }
    }
    found
}

/// The chain of translations on arrival, once it is asked about.
struct Reached<'m> {
    meaning: &'m Meaning,
    family: Family,
    work: &'m Work,
    passing: OnceCell<Option<(Passing<'m>, ByStatement)>>,
}

impl Reached<'_> {
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

/// Whether it is found that nothing does; that it is not found out is noted.
pub(super) fn is_never(found: &Found, lint: &'static Lint, work: &Work) -> bool {
    match found {
        Found::Nothing => true,
        Found::Packet(..) => false,
        Found::Unknown => {
            work.was_too_much(lint);
            false
        }
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
fn seen_translated(
    text: Text<'_>,
    meaning: &Meaning,
    family: Family,
    work: &Work,
) -> Vec<(Origin, Finding)> {
    let Some(flat) = Flat::of(meaning, family, BaseChain::NatPrerouting) else { return Vec::new() };
    let nat = only_translators(&flat).unwrap_or_default();
    let moving: Vec<&Translator<'_>> = nat
        .iter()
        .take_while(|one| !matches!(one.translation, Translation::Exempt))
        .filter(|one| !one.set.speaks_of(|field| !sees_alike(field)))
        .collect();
    if moving.is_empty() || is_untracked(meaning, family) {
        return Vec::new();
    }
    let untranslated = product(family, [Factor::all([Constraint::untranslated()])]);
    let first = new_packets(family).intersection(&untranslated);
    let taken: Vec<PacketSet> = moving.iter().map(|one| one.set.intersection(&first)).collect();
    let tracked = [CtState::New, CtState::Established, CtState::Related, CtState::Invalid];
    let tracked = Factor::all([Constraint::state(tracked.into_iter().collect())]);
    let still = product(family, [tracked]).intersection(&untranslated);
    let mut found = Vec::new();
    for base in [BaseChain::FilterForward, BaseChain::FilterInput] {
        let mut asked = vec![still.clone()];
        asked.extend(nat.iter().filter_map(|one| arriving(family, base, one.translation)));
        asked.dedup();
        let passing = Passing::without(meaning, family, base, &asked, &taken, work.budget);
        let Some(passing) = passing else { continue };
        let space = passing.list().space();
        let mut candidates = BTreeSet::new();
        // All steps are behind what is taken, of which some may be the same.
        let steps = Among::after(passing.taken(taken.len() - 1));
        let taken: HashSet<Region> =
            (0..taken.len()).map(|number| passing.list().may(passing.taken(number))).collect();
        for region in &taken {
            candidates.extend(passing.list().matching().meeting(region, steps));
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
            let own = space.intersection(&own, &passing.meeting_asked(&own));
            let cover = passing.cover(&own, Among::before(number));
            note_unproved(&cover, &lint::FILTER_SEES_TRANSLATED, work);
            let Some(cover) = cover_of(cover) else { continue };
            let members = cover.members.iter().filter(|_| cover.is_minimal);
            let by: Vec<Origin> = members
                .filter_map(|member| passing.taken_at(member.rule))
                .map(|number| moving[number].origin)
                .collect();
            if !by.is_empty() && !by.contains(&origin) {
                found.push((origin, messages::sees_translated(text, origin, &by)));
            }
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
fn without_forward(text: Text<'_>, meaning: &Meaning, work: &Work) -> Vec<Finding> {
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
    if lonely.is_empty() || !is_about_it {
        return Vec::new();
    }
    for family in Family::BOTH {
        let Some(flat) = Flat::of(meaning, family, BaseChain::NatPostrouting) else {
            return Vec::new();
        };
        let Some(nat) = only_translators(&flat) else { return Vec::new() };
        // Marks and their like are changed on the way there.
        let seen = |field| sees_alike(field) || field == Field::Outgoing;
        let own: Vec<(Origin, PacketSet)> = nat
            .iter()
            .filter(|one| lonely.contains(&one.origin))
            .map(|one| (one.origin, one.set.widened(seen).intersection(&new_packets(family))))
            .collect();
        let asked: Vec<PacketSet> = own.iter().map(|(_, set)| set.clone()).collect();
        let base = BaseChain::FilterForward;
        let passing = Passing::of(meaning, family, base, &asked, work.budget);
        for (number, (origin, _)) in own.iter().enumerate() {
            let is_reached = passing.as_ref().is_none_or(|passing| {
                let passes = passing.decided(&passing.asked(number), 0, Step::passes);
                !is_never(&passes, &lint::NAT_WITHOUT_FORWARD, work)
            });
            if is_reached {
                lonely.remove(origin);
            }
        }
    }
    lonely.into_iter().map(|origin| messages::without_forward(text, origin)).collect()
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
