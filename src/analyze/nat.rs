//! What translation and the filter say against each other, and translations against translations.
//!
//! Where a question goes from the one table to the other, only what both see alike is compared (`sees_alike`).

mod arriving;
mod filter;
mod messages;
mod untracked;

use std::collections::{BTreeSet, HashMap};

use super::dead::Life;
use super::flat::{Flat, FlatStep, Role};
use super::judge::{Judged, Judgement};
use super::list::EffectNumber;
use super::text::Text;
use super::witness::met;
use super::work::{Allowance, Work};
use crate::diagnostic::{Finding, catalogue as lint};
use crate::meaning::{BaseChain, Decision, Effect, Reason, Translation, view};
use crate::net::Family;
use crate::packet::{
    Among, Field, Index, Packet, PacketSet, Question, Region, RuleNumber, Space, Verdict,
};
use crate::resolve::Policy;
use crate::resolve::policy::{Item, NatKind, Origin};

/// Questions about pairs of translations of one chain: whether a packet comes to both, and, for
/// [`OF_EXCEPTION`] as many, whether one is an exception to the other.
const MOST_ASKED: usize = 400_000;

const OF_EXCEPTION: usize = 20;

/// Translations that conflict with each other, in no order.
pub(super) fn conflicting(text: Text<'_>, judgement: &Judgement<'_>, work: &Work) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut told = BTreeSet::new();
    let is_asked = |judged: &&Judged<'_>| judged.flat.base.is_nat() && judged.flat.is_whole();
    for judged in judgement.chains.iter().filter(is_asked) {
        for (earlier, later, finding) in conflicts(text, judged, work) {
            if told.insert((earlier, later)) {
                findings.push(finding);
            }
        }
    }
    findings
}

/// What translation and the filter say against each other, once the chains that are asked about are looked
/// at.
pub(super) use filter::findings;

/// A step of a nat chain that a statement brought, with what it does.
struct Translator<'f> {
    number: RuleNumber,
    /// The packets that may come there and that it speaks of.
    set: &'f PacketSet,
    /// Whether it takes them whatever history says.
    is_certain: bool,
    origin: Origin,
    translation: &'f Translation,
}

/// The translations of a nat chain, in order; what leaves packets as they are is among them.
fn translators<'f>(flat: &'f Flat<'_>) -> Vec<Translator<'f>> {
    let steps = (0..).map(RuleNumber).zip(&flat.steps);
    steps.filter_map(|(number, step)| translator(number, step)).collect()
}

/// The same of a chain in which nothing but translations has a say, each without fail. `None` when there
/// is something else, such as raw rules of which nothing is known.
fn only_translators<'f>(flat: &'f Flat<'_>) -> Option<Vec<Translator<'f>>> {
    let is_way = |step: &FlatStep<'_>| match step.entry.effect {
        Effect::Call(_) => step.role == Role::Said,
        Effect::Decide(_)
        | Effect::Continue
        | Effect::Opaque { .. }
        | Effect::Change(_)
        | Effect::Return
        | Effect::Goto(_)
        | Effect::Add { .. } => false,
    };
    let steps = (0..).map(RuleNumber).zip(&flat.steps).filter(|(_, step)| !is_way(step));
    let certain = steps.map(|(number, step)| translator(number, step).filter(|one| one.is_certain));
    certain.collect::<Option<_>>().filter(|_| flat.is_whole())
}

fn translator<'f>(number: RuleNumber, step: &'f FlatStep<'_>) -> Option<Translator<'f>> {
    let Effect::Decide(Decision::Translate(translation)) = &step.entry.effect else { return None };
    let Reason::Written(origin) = step.entry.reason else { return None };
    let (set, is_certain) = (&*step.may, step.takes);
    Some(Translator { number, set, is_certain, origin, translation })
}

/// Pairs of translations of which neither is an exception to the other, each later one once.
fn conflicts(text: Text<'_>, judged: &Judged<'_>, work: &Work) -> Vec<(Origin, Origin, Finding)> {
    let mut found = Vec::new();
    let Judged { flat, list, lives, .. } = judged;
    let (family, base) = (flat.family, flat.base);
    let all = translators(flat);
    if all.len() < 2 {
        return found;
    }
    let numbered = |number| all.binary_search_by_key(&number, |one| one.number).ok();
    let hairpins: BTreeSet<Origin> =
        text.policy().map(|policy| forwards(policy).collect()).unwrap_or_default();
    // The masquerade of a hairpin is about what its own statement translated: an exception, too.
    let is_hairpin = |one: &Translator<'_>| match text {
        Text::Policy(_) => hairpins.contains(&one.origin),
        Text::Dump(_) => one.set.speaks_of(is_of_destination_translated),
    };
    let is_exempt = |one: &Translator<'_>| {
        matches!(one.translation, Translation::Exempt)
            || base == BaseChain::NatPostrouting && is_hairpin(one)
    };
    let exempt: Vec<bool> = all.iter().map(&is_exempt).collect();
    let asking = Allowance::of(MOST_ASKED);
    // Of translations that do the same with the same packets, the last that none before it conflicts with.
    let mut settled: HashMap<(EffectNumber, Region), (&PacketSet, RuleNumber)> = HashMap::new();
    // That no packet comes to a translation is another finding.
    let is_dead = |one: &Translator<'_>| {
        matches!(lives[one.number.0 as usize], Life::Dead(_) | Life::NeverMatches)
    };
    let asked = all.iter().zip(&exempt).filter(|(one, exempt)| !**exempt && !is_dead(one));
    for (later, _) in asked {
        let region = list.may(later.number);
        let alike = (flat.steps[later.number.0 as usize].effect, region.clone());
        let among = Among::before(later.number);
        let among = settled
            .get(&alike)
            .filter(|(set, _)| *set == later.set)
            .map_or(among, |(_, settled)| among.and_after(*settled));
        let mut is_settled = true;
        for earlier_number in list.met(&region, among, Among::ALL, |_| true) {
            let Some(place) = numbered(earlier_number) else { continue };
            let earlier = &all[place];
            if !earlier.is_certain || exempt[place] {
                continue;
            }
            if earlier.origin == later.origin {
                // It says nothing of others who do the same.
                is_settled = false;
                continue;
            }
            let is_same = earlier.translation == later.translation;
            if is_same || !may_be_compared(earlier, later) {
                continue;
            }
            if asking.spend(1).is_none() {
                work.was_too_much(&lint::NAT_CONFLICT);
                return found;
            }
            let both = list.space.intersection(&region, &list.may(earlier_number));
            let question = Question {
                region: &both,
                among: Among::before(earlier_number),
                seed: 0,
                budget: list.budget,
            };
            let point = match list.hiding.witness(&question) {
                Verdict::Uncovered(point) => point,
                Verdict::Covered => continue,
                Verdict::Incomplete => {
                    work.was_too_much(&lint::NAT_CONFLICT);
                    continue;
                }
            };
            let kinds = [earlier.set, later.set];
            if asking.spend(OF_EXCEPTION).is_none() {
                work.was_too_much(&lint::NAT_CONFLICT);
                return found;
            }
            if is_exception(family, base, kinds, &list.space.packet(&point), work) {
                continue;
            }
            let packet =
                met(&list.space.packet(&point), base, messages::becomes(earlier.translation));
            let finding =
                messages::conflict(text, [earlier.origin, later.origin], later.translation, packet);
            found.push((earlier.origin, later.origin, finding));
            is_settled = false;
            break;
        }
        if is_settled {
            settled.insert(alike, (later.set, later.number));
        }
    }
    found
}

/// Whether a field tells that the destination was translated, and from what.
fn is_of_destination_translated(field: Field) -> bool {
    matches!(field, Field::Translated | Field::OriginalDestination | Field::OriginalPort)
}

/// Whether of two sets with a packet in common one is an exception to the other there: the kind of
/// packets that it belongs to in the one is all in the other. (A hairpin is another kind.) Of the earlier
/// one, an address may be said without the interface that it is behind: it is an exception to the zone that
/// has it.
fn is_exception(
    family: Family,
    base: BaseChain,
    [earlier, later]: [&PacketSet; 2],
    packet: &Packet,
    work: &Work,
) -> bool {
    let kinds = |set: &PacketSet| -> Vec<PacketSet> {
        let own = set.products().iter().filter(|kind| kind.contains(packet));
        own.map(|kind| PacketSet::of(family, [kind.clone()])).collect()
    };
    let within = |inner: &PacketSet, outer: &PacketSet| {
        kinds(inner).iter().any(|kind| is_within(family, base, kind, outer, work))
    };
    let names_interface = earlier.speaks_of(|field| field == Field::Incoming);
    let anywhere = later.widened(|field| names_interface || field != Field::Incoming);
    within(earlier, &anywhere) || within(later, earlier)
}

/// The statements that translate destinations.
fn forwards(policy: &Policy) -> impl Iterator<Item = Origin> {
    policy.items.iter().filter_map(|item| match item {
        Item::Nat(nat) => match nat.kind {
            NatKind::Forward(_) => Some(nat.origin),
            NatKind::Source { .. } | NatKind::Redirect(_) | NatKind::Netmap { .. } => None,
        },
        Item::Rule(_) | Item::Alter(_) | Item::Raw(_) => None,
    })
}

/// Whether it is known that two translations overlap where their conditions do: of one about this
/// machine's own addresses, which are not known, and one about addresses that are named, it is not.
fn may_be_compared(a: &Translator<'_>, b: &Translator<'_>) -> bool {
    let speaks = |one: &Translator<'_>, of: Field| one.set.speaks_of(|field| field == of);
    let apart = |own: &Translator<'_>, named: &Translator<'_>| {
        speaks(own, Field::ToLocal)
            && !speaks(named, Field::ToLocal)
            && speaks(named, Field::Destination)
    };
    !apart(a, b) && !apart(b, a)
}

/// Whether all packets of a set are in another, or might be: which addresses this machine has is not
/// known, so any may be one. What is not found out counts as within.
fn is_within(
    family: Family,
    base: BaseChain,
    inner: &PacketSet,
    outer: &PacketSet,
    work: &Work,
) -> bool {
    let outer = outer.widened(|field| field != Field::ToLocal);
    let (space, regions) = Space::of(family, Some(view(base)), &[inner, &outer]);
    let [inner, outer]: &[Region; 2] = match regions.first_chunk() {
        Some(regions) => regions,
        None => return true,
    };
    let index = Index::of(&space, [(RuleNumber(0), outer)]);
    let question = Question { region: inner, among: Among::ALL, seed: 0, budget: work.budget };
    match index.witness(&question) {
        Verdict::Uncovered(_) => false,
        Verdict::Covered => true,
        Verdict::Incomplete => {
            work.was_too_much(&lint::NAT_CONFLICT);
            true
        }
    }
}
