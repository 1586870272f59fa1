//! Members of lists that add nothing to their rule: earlier rules take all packets that are of the member,
//! or another member of the list has all that it has.

use std::collections::{BTreeMap, BTreeSet};

use super::dead::Life;
use super::deliverable::ordinariness;
use super::judge::{At, Judgement};
use super::shadow::TRIED;
use super::story::{Stories, deed};
use super::told::Told;
use crate::diagnostic::deletion::member_deletion;
use crate::diagnostic::{Finding, catalogue};
use crate::meaning::{Reason, conditions_of};
use crate::net::address::parse_addresses;
use crate::net::{Addresses, Family, Protocol};
use crate::packet::{Among, Answer, Constraint, Cover, Packet, Question, Region, RuleNumber};
use crate::resolve::policy::{Listed, Origin, Part, Says};
use crate::source::Span;

/// Members of one list that are looked at one by one: each is cut out of all of the rule.
const MOST_MEMBERS: usize = 256;

/// Subjects that are compared with each other.
const MOST_COMPARED: usize = 100;

/// Rules that a finding names.
const MAX_TOLD: usize = 8;

/// The members that add nothing, of rules of which nothing else is `told`.
pub fn findings(
    stories: Stories<'_>,
    judgement: &Judgement<'_>,
    told: &BTreeSet<Span>,
    so_far: &mut Told<'_>,
) -> Vec<Finding> {
    let mut found = Vec::new();
    // Of a rule that was read it is not known which list a member was of.
    let lists = stories.text.policy().map(|policy| &policy.lists);
    for (origin, members) in lists.into_iter().flatten() {
        let statement = origin.span;
        let Some(places) = judgement.statements.get(origin) else { continue };
        let is_open = !told.contains(&statement)
            && judgement.is_single(statement)
            && judgement.is_all_judged(statement)
            && !judgement.is_dead(places);
        if !is_open {
            continue;
        }
        let rule = Listing { stories, judgement, origin: *origin, places, told };
        let within = rule.within(members);
        for (number, member) in members.iter().enumerate() {
            found.extend(match within.get(&number) {
                Some(other) => Some(rule.said_twice(member, &members[*other])),
                None if members.len() > MOST_MEMBERS => None,
                None => rule.hidden(member, so_far),
            });
        }
    }
    found
}

/// A rule with lists.
struct Listing<'a, 'm> {
    stories: Stories<'a>,
    judgement: &'a Judgement<'m>,
    origin: Origin,
    places: &'a [At],
    /// The statements that have findings of their own.
    told: &'a BTreeSet<Span>,
}

impl Listing<'_, '_> {
    fn text(&self, span: Span) -> &str {
        self.stories.sources.text(span)
    }

    /// The finding about a member whose packets earlier rules take, wherever the rule has any.
    fn hidden(&self, member: &Listed, so_far: &mut Told<'_>) -> Option<Finding> {
        let mut shown = None;
        for at in self.places {
            let region = self.packets_of(member, *at);
            let list = &self.judgement.chains[at.chain].list;
            if region.has_no_box() {
                continue;
            }
            let is_reached = match self.judgement.life(*at) {
                Life::Live(point) => list.space().contains(&region, point),
                Life::Unknown => true,
                Life::Dead(_) | Life::NeverMatches => false,
            };
            if is_reached || !list.reaches_none(at.step, &region) {
                return None;
            }
            shown = shown.or_else(|| self.cover(*at, &region).map(|cover| (*at, cover)));
        }
        let (at, cover) = shown?;
        self.taken_earlier(member, at, &cover, so_far)
    }

    /// The packets of the rule at a place that are of a member. (Others of its members may have some of
    /// them too.)
    fn packets_of(&self, member: &Listed, at: At) -> Region {
        let judged = &self.judgement.chains[at.chain];
        let (family, space) = (judged.flat.family, judged.list.space());
        let all = judged.list.may(at.step);
        let regions = self.conditions(member, family).into_iter();
        let regions = regions.map(|conditions| space.touching(&all, &conditions));
        regions.reduce(|a, b| space.union(&a, &b)).unwrap_or_default()
    }

    fn addresses(&self, written: Span) -> Addresses {
        // What is no address is an error, and nothing is analysed then.
        parse_addresses(self.text(written))
            .map_or_else(|_| Addresses::empty(), |read| read.addresses)
    }

    /// The rules that take all of a region before a step; `None` when it has no packet.
    fn cover(&self, at: At, region: &Region) -> Option<Cover> {
        let list = &self.judgement.chains[at.chain].list;
        let (seed, budget) = (at.step.0.into(), list.budget);
        let question = Question { region, among: Among::before(at.step), seed, budget };
        match list.hiding.uncovered(&question) {
            Answer::Covered(cover) if !cover.members.is_empty() => Some(cover),
            Answer::Covered(_) | Answer::Uncovered(_) | Answer::Incomplete => None,
        }
    }

    fn taken_earlier(
        &self,
        member: &Listed,
        at: At,
        cover: &Cover,
        so_far: &mut Told<'_>,
    ) -> Option<Finding> {
        let judged = &self.judgement.chains[at.chain];
        let step = |rule: RuleNumber| &judged.flat.steps[rule.0 as usize];
        let is_told = |rule: RuleNumber| match step(rule).entry.reason {
            Reason::Written(origin) => self.told.contains(&origin.span),
            Reason::Implicit(_) | Reason::Restored | Reason::Default(_) => false,
        };
        // That rule changes nothing because of this one: one of them is mistake enough.
        if cover.members.iter().any(|one| is_told(one.rule)) {
            return None;
        }
        let first = cover.members.first()?;
        let done = deed(step(first.rule)).done;
        let said = self.text(member.span);
        let message = format!("`{said}` adds nothing to its rule: its packets are {done} earlier");
        let mut finding = self.about(member, message);
        if !so_far.has_room(&finding) {
            return Some(finding);
        }
        for one in cover.members.iter().take(MAX_TOLD) {
            let entry = step(one.rule).entry;
            finding = match self.stories.place_of(entry, self.origin) {
                Some(place) => {
                    finding.related(place, format!("{} them first", deed(step(one.rule)).does))
                }
                None => finding,
            };
        }
        if let Some(packet) = self.packet(member, at, first.rule) {
            let (base, taken) = (judged.flat.base, step(first.rule));
            finding = self.stories.show(finding, &packet, base, taken, true, self.origin);
        }
        Some(finding)
    }

    /// A packet of a member that an earlier rule takes before all others, whatever limits say, and as ordinary as one is.
    fn packet(&self, member: &Listed, at: At, taker: RuleNumber) -> Option<Packet> {
        let judged = &self.judgement.chains[at.chain];
        let (list, base) = (&judged.list, judged.flat.base);
        let region = self.packets_of(member, at);
        let conditions = self.conditions(member, judged.flat.family);
        let points = (0..TRIED).flat_map(|seed| list.hiding.sample(&region, 1, seed));
        let taken = points
            .filter(|point| list.hiding.first(point, Among::before(at.step)) == Some(taker))
            .filter(|point| judged.is_certain(point, at.step))
            .map(|point| list.space().packet(&point));
        // A point may stand for packets of other members, too.
        let is_own = |packet: &Packet| {
            conditions.iter().any(|all| all.iter().all(|one| one.contains(packet)))
        };
        taken.filter(is_own).max_by_key(|packet| ordinariness(packet, base))
    }

    /// What packets of a member meet: all of one of these.
    fn conditions(&self, member: &Listed, family: Family) -> Vec<Vec<Constraint>> {
        match &member.says {
            Says::From(at) => vec![vec![Constraint::source(family, &self.addresses(*at))]],
            Says::To(at) => vec![vec![Constraint::destination(family, &self.addresses(*at))]],
            Says::About { parts, .. } => {
                let occurring = parts.iter().filter(|part| part.families().contains(family));
                occurring.map(conditions_of).collect()
            }
        }
    }

    fn said_twice(&self, member: &Listed, other: &Listed) -> Finding {
        let (said, has) = (self.text(member.span), self.text(other.span));
        let message = if said == has {
            format!("`{said}` adds nothing to its rule: it is in the list twice")
        } else {
            format!("`{said}` adds nothing to its rule: `{has}` in the same list has all of it")
        };
        self.about(member, message).related(other.span, "has its packets")
    }

    fn about(&self, member: &Listed, message: String) -> Finding {
        let calls: Vec<Span> = self.stories.text.calls_to(self.origin);
        let finding = Finding::new(&catalogue::PARTLY_DEAD, member.span, message);
        let finding = match calls.last() {
            Some(call) => finding.related(*call, "by this call"),
            None => finding,
        };
        let finding = finding.label("adds nothing").also_at(calls);
        let file = self.stories.sources.file(member.span.file());
        let deletion = member_deletion(file.text(), member.span.range());
        match deletion.filter(|_| !file.is_built_in()) {
            Some(range) => {
                finding.fix("take it out of the list", Span::new(member.span.file(), range), "")
            }
            None => finding.help("take it out of the list"),
        }
    }

    /// The members that are in another one of the same list, each with that one. Of two that are in
    /// each other the later is.
    fn within(&self, members: &[Listed]) -> BTreeMap<usize, usize> {
        let mut within = BTreeMap::new();
        let mut written: BTreeMap<(bool, &str, Family), Vec<Written>> = BTreeMap::new();
        let mut subjects = Vec::new();
        for (number, member) in members.iter().enumerate() {
            let (at, is_source) = match &member.says {
                Says::From(at) => (*at, true),
                Says::To(at) => (*at, false),
                Says::About { parts, is_plain } => {
                    let is_comparable = *is_plain && !parts.is_empty();
                    subjects.extend(is_comparable.then_some((number, &parts[..])));
                    continue;
                }
            };
            // Only what is at the same place is compared: what follows the address says which.
            let place = Span::new(at.file(), at.end()..member.span.end());
            let addresses = self.addresses(at);
            for family in Family::BOTH {
                let key = (is_source, self.text(place), family);
                written.entry(key).or_default().extend(run(&addresses, family, number));
            }
        }
        for written in written.into_values() {
            runs_within(written, &mut within);
        }
        if subjects.len() <= MOST_COMPARED {
            subjects_within(&subjects, &mut within);
        }
        within
    }
}

/// An address, network or range in a list.
struct Written {
    first: u128,
    last: u128,
    number: usize,
}

/// The addresses of a member in a family, when they are one run.
fn run(addresses: &Addresses, family: Family, number: usize) -> Option<Written> {
    match addresses.intervals(family)[..] {
        [(first, last)] => Some(Written { first, last, number }),
        _ => None,
    }
}

fn runs_within(mut written: Vec<Written>, within: &mut BTreeMap<usize, usize>) {
    let order = |one: &Written| (one.first, std::cmp::Reverse(one.last), one.number);
    written.sort_by_key(order);
    let mut widest: Option<Written> = None;
    for one in written {
        match &widest {
            Some(wide) if one.last <= wide.last => {
                within.insert(one.number, wide.number);
            }
            Some(_) | None => widest = Some(one),
        }
    }
}

fn subjects_within(subjects: &[(usize, &[Part])], within: &mut BTreeMap<usize, usize>) {
    for (number, parts) in subjects {
        let wider = subjects.iter().find(|(other, wide)| {
            let is_in = |a: &[Part], b: &[Part]| a.iter().all(|a| b.iter().any(|b| is_part(a, b)));
            other != number && is_in(parts, wide) && (other < number || !is_in(wide, parts))
        });
        if let Some((other, _)) = wider {
            within.insert(*number, *other);
        }
    }
}

/// Whether one part is in another.
fn is_part(inner: &Part, outer: &Part) -> bool {
    match (inner, outer) {
        (_, Part::Any) => true,
        (
            Part::Ports { protocol, source, destination },
            Part::Ports { protocol: other, source: from, destination: to },
        ) => {
            protocol == other
                && source.intersection(from) == *source
                && destination.intersection(to) == *destination
        }
        (Part::Ports { protocol, .. }, Part::Protocol(other)) => protocol.protocol() == *other,
        (Part::Icmp(icmp), Part::Protocol(other)) => Protocol::icmp(icmp.family) == *other,
        (Part::Icmp(icmp), Part::Icmp(other)) => {
            icmp.family == other.family
                && icmp.kind == other.kind
                && (other.code.is_none() || icmp.code == other.code)
        }
        (Part::Protocol(own), Part::Protocol(other)) => own == other,
        (Part::Any | Part::Protocol(_), Part::Ports { .. } | Part::Icmp(_))
        | (Part::Any, Part::Protocol(_))
        | (Part::Ports { .. }, Part::Icmp(_))
        | (Part::Icmp(_), Part::Ports { .. }) => false,
    }
}
