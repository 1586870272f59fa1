//! Rules that no packet reaches: one finding each, the first of `never-matches`, `unreachable-rule`,
//! `duplicate-rule`, `shadowed-conflict` and `shadowed-rule` that applies.

use std::collections::HashSet;

use super::dead::Life;
use super::deliverable::ordinariness;
use super::flat::FlatStep;
use super::judge::{At, Judged, Judgement};
use super::story::{DELETE, Deed, Stories, deed, differ_in_log, name};
use super::text::Text;
use super::told::Told;
use crate::diagnostic::{Finding, Lint, catalogue};
use crate::meaning::{Effect, Reason, view};
use crate::packet::{
    Among, Budget, Cover, Member, Packet, Question, Region, RuleNumber, Space, Verdict,
};
use crate::resolve::policy::Origin;

/// Labels of a finding; more hiders are counted.
const MAX_TOLD: usize = 8;

/// How often points are tried for a packet that the kernel can deliver: of the first kind of packets in
/// a region, and of so many kinds.
pub const TRIED: u64 = 48;
const KINDS_TRIED: u64 = 4;
const KINDS: usize = 60;

/// How much is looked at for a packet that is easy to follow.
const TO_SHOW: Budget = Budget(20_000);

/// The finding about a statement that no packet reaches; `None` when packets do. They must be asked for
/// in the order of the text.
pub fn finding(
    stories: Stories<'_>,
    judgement: &Judgement<'_>,
    (origin, places): (Origin, &[At]),
    so_far: &mut Told<'_>,
) -> Option<Finding> {
    if !judgement.is_dead(places) {
        return None;
    }
    let hidden: Vec<Hidden<'_, '_>> =
        judgement.judging(places).filter_map(|at| Hidden::of(judgement, at)).collect();
    let Some(first) = hidden.first() else {
        if is_kept_away(stories, judgement, places) {
            return None;
        }
        let said = judgement.judging(places).next().map(|at| deed(judgement.step(at)));
        return Some(never(stories, origin, said));
    };
    let told = hidden.iter().find(|one| one.conflicts().next().is_some()).unwrap_or(first);
    let case = Case { stories, origin, told };
    let kind = if hidden.iter().all(|one| one.is_behind_verdict(&case)) {
        Kind::Unreachable
    } else if hidden.iter().all(|one| one.is_duplicate(first)) {
        Kind::Duplicate
    } else if told.conflicts().next().is_some() {
        Kind::Conflict
    } else {
        Kind::Shadowed
    };
    let finding = stories.about(kind.lint(), origin, case.message(kind));
    let finding = if so_far.has_room(&finding) { case.in_full(kind, finding) } else { finding };
    let goes = kind != Kind::Conflict && judgement.is_idle(origin.span);
    Some(if goes { stories.deleting(finding, origin.span) } else { finding })
}

/// How a statement is hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Unreachable,
    Duplicate,
    Conflict,
    Shadowed,
}

impl Kind {
    fn lint(self) -> &'static Lint {
        match self {
            Kind::Unreachable => &catalogue::UNREACHABLE_RULE,
            Kind::Duplicate => &catalogue::DUPLICATE_RULE,
            Kind::Conflict => &catalogue::SHADOWED_CONFLICT,
            Kind::Shadowed => &catalogue::SHADOWED_RULE,
        }
    }
}

/// Whether only the rules that lead to its chain keep all packets from a rule of a dump: there, chains
/// are often made for more than is led to them.
fn is_kept_away(stories: Stories<'_>, judgement: &Judgement<'_>, places: &[At]) -> bool {
    let is_possible = |at: At| {
        let (flat, step) = (&judgement.chains[at.chain].flat, judgement.step(at));
        let (space, regions) = Space::of(flat.family, Some(view(flat.base)), &[&step.entry.set]);
        step.caller.is_some() && regions.iter().any(|region| !space.is_empty(region))
    };
    match stories.text {
        Text::Policy(_) => false,
        Text::Dump(_) => judgement.judging(places).any(is_possible),
    }
}

fn never(stories: Stories<'_>, origin: Origin, said: Option<Deed>) -> Finding {
    let message = "rule can never match: its conditions contradict each other".to_owned();
    let finding = stories.about(&catalogue::NEVER_MATCHES, origin, message);
    let finding = match said {
        Some(said) => finding.label(format!("no packet to {}", said.to_do)),
        None => finding.label("no packet meets them all"),
    };
    finding.help("delete it, or change the condition that is a slip")
}

/// A place of a statement that earlier steps hide.
struct Hidden<'j, 'm> {
    judged: &'j Judged<'m>,
    at: At,
    step: &'j FlatStep<'m>,
    cover: &'j Cover,
}

impl<'j, 'm> Hidden<'j, 'm> {
    fn of(judgement: &'j Judgement<'m>, at: At) -> Option<Self> {
        match judgement.life(at) {
            Life::Dead(cover) => Some(Hidden {
                judged: &judgement.chains[at.chain],
                at,
                step: judgement.step(at),
                cover,
            }),
            Life::Live(_) | Life::NeverMatches | Life::Unknown => None,
        }
    }

    fn hider(&self, member: &Member) -> &'j FlatStep<'m> {
        &self.judged.flat.steps[member.rule.0 as usize]
    }

    /// Who hides it and does something else.
    /// (Written rules before implicit ones.)
    fn conflicts(&self) -> impl Iterator<Item = &'j Member> {
        let (steps, own) = (&self.judged.flat.steps, self.step.effect);
        let of = |is_written: bool| {
            self.cover.members.iter().filter(move |one| {
                let hider = &steps[one.rule.0 as usize];
                let written = matches!(hider.entry.reason, Reason::Written(_));
                hider.effect != own && written == is_written
            })
        };
        of(true).chain(of(false))
    }

    /// The only rule that hides it, if it is one.
    fn only(&self) -> Option<&'j FlatStep<'m>> {
        match &self.cover.members[..] {
            [one] => Some(self.hider(one)),
            _ => None,
        }
    }

    fn is_behind_verdict(&self, case: &Case<'_, '_, '_>) -> bool {
        self.only().is_some_and(|hider| {
            let Reason::Written(origin) = hider.entry.reason else { return false };
            let decides = match hider.entry.effect {
                Effect::Decide(_) | Effect::Return | Effect::Goto(_) => true,
                Effect::Continue
                | Effect::Opaque { .. }
                | Effect::Change(_)
                | Effect::Call(_)
                | Effect::Add { .. } => false,
            };
            let is_here = hider.caller == self.step.caller;
            let is_of_all = hider.entry.set.is_everything()
                || (origin.call == case.origin.call && case.is_of_all_in_block(origin));
            decides && is_here && is_of_all
        })
    }

    /// Whether one rule, at all places the same, says it already.
    fn is_duplicate(&self, first: &Self) -> bool {
        let Some(hider) = self.only().filter(|hider| hider.effect == self.step.effect) else {
            return false;
        };
        let same_hider = first.only().is_some_and(|one| one.entry.reason == hider.entry.reason);
        let written = matches!(hider.entry.reason, Reason::Written(_));
        let list = &self.judged.list;
        let number = self.cover.members[0].rule;
        same_hider
            && written
            && list
                .space()
                .is_empty(&list.space().difference(&list.may(number), &list.may(self.at.step)))
    }

    /// A packet that a hider takes, and before it nobody, if there is one: the most ordinary of those that
    /// are looked at, and if there is one, one that the kernel can deliver. Where several rules are
    /// needed, it is of the packets that no other of them takes.
    fn packet(&self, member: &Member) -> Option<Shown> {
        let (list, base) = (&self.judged.list, self.judged.flat.base);
        let space = list.space();
        let alone = member.alone.as_ref()?.clone();
        let region = space.intersection(&list.may(self.at.step), &list.may(member.rule));
        let others = self.cover.members.iter().filter(|other| other.rule != member.rule);
        let others: Vec<&Region> = others.filter_map(|other| list.gets(other.rule)).collect();
        let first = || {
            let among = Among::before(member.rule);
            let first = Question { region: &region, among, seed: 0, budget: TO_SHOW };
            match list.hiding.witness(&first) {
                Verdict::Uncovered(point) => Some(point),
                Verdict::Covered | Verdict::Incomplete => None,
            }
        };
        // The first of the best is shown, so what is likely to be it comes first. Ends of boxes are the same
        // for each seed.
        let ends = list.hiding.sample(&region, KINDS, KINDS_TRIED - 1).rev();
        let random = |seed, count| list.hiding.random_sample(&region, count, seed).rev();
        let all_kinds = ends.chain((0..KINDS_TRIED - 1).rev().flat_map(|seed| random(seed, KINDS)));
        let random = (0..TRIED).rev().flat_map(|seed| random(seed, 1));
        let mut tried = HashSet::new();
        let own = all_kinds
            .chain(random)
            .chain(std::iter::once_with(first).flatten())
            .filter(|point| tried.insert(point.clone()))
            .filter(|point| !others.iter().any(|other| space.contains(other, point)));
        let highest =
            (true, true, (true, [true, true, true, !space.asks_for_facts(&region)]), true);
        let mut best: Option<(Rank, Shown)> = None;
        for point in own.chain([alone]) {
            let shown = Shown {
                packet: space.packet(&point),
                // It is in a step that takes it, so there is a first one.
                taken_by: list
                    .hiding
                    .first(&point, Among::before(self.at.step))
                    .unwrap_or(member.rule),
                is_certain: self.judged.is_certain(&point, self.at.step),
            };
            let ordinary = ordinariness(&shown.packet, base);
            let is_clear = shown.is_certain && ordinary.0;
            let rank = (shown.taken_by == member.rule, is_clear, ordinary, shown.is_certain);
            if best.as_ref().is_none_or(|(most, _)| *most < rank) {
                best = Some((rank, shown));
            }
            if rank >= highest {
                break;
            }
        }
        best.map(|(_, shown)| shown)
    }
}

/// How much a packet of a dead rule shows, and how little there is to wonder about it.
type Rank = (bool, bool, (bool, [bool; 4]), bool);

/// A packet of a dead rule.
#[derive(Clone)]
struct Shown {
    packet: Packet,
    /// The first step that takes it for certain.
    taken_by: RuleNumber,
    /// Whether no limit before that may take it.
    is_certain: bool,
}

/// A dead statement, and the place that its story is told of.
struct Case<'a, 'j, 'm> {
    stories: Stories<'a>,
    origin: Origin,
    told: &'a Hidden<'j, 'm>,
}

impl Case<'_, '_, '_> {
    fn message(&self, kind: Kind) -> String {
        let other = self.told.conflicts().next().map(|member| self.told.hider(member));
        match (kind, other) {
            (Kind::Unreachable, _) => {
                let done = self.told.only().map_or("taken", |hider| deed(hider).done);
                format!("rule can never be reached: everything is {done} before it")
            }
            (Kind::Duplicate, _) => "rule says again what an earlier one says".to_owned(),
            (Kind::Conflict, Some(hider)) => {
                let only_log = differ_in_log(self.told.step.entry, hider.entry);
                let otherwise = if only_log { ", and logged otherwise" } else { "" };
                let done = deed(hider).done;
                format!("rule can never match: its packets are {done}{otherwise} earlier")
            }
            (Kind::Conflict | Kind::Shadowed, _) => {
                let done = deed(self.told.step).done;
                format!("rule can never match: its packets are {done} earlier")
            }
        }
    }

    /// The finding with what shows it and what to do.
    fn in_full(&self, kind: Kind, finding: Finding) -> Finding {
        let label = match kind {
            Kind::Unreachable => "no packet comes here".to_owned(),
            Kind::Duplicate => "the same packets, and the same done with them".to_owned(),
            Kind::Conflict => format!("wants to {} them", deed(self.told.step).to_do),
            Kind::Shadowed => "adds nothing".to_owned(),
        };
        let finding = self.told_by(finding.label(label));
        match kind {
            Kind::Unreachable => finding.help("move it above, or delete it"),
            Kind::Duplicate | Kind::Shadowed => finding.help(DELETE),
            Kind::Conflict => finding.help(self.way_out()),
        }
    }

    /// What to do about a conflict.
    fn way_out(&self) -> String {
        let place = |hider: &FlatStep<'_>| self.stories.place_of(hider.entry, self.origin);
        let first = self.told.conflicts().next().map(|member| self.told.hider(member));
        if first.and_then(place).is_none() {
            let help = "delete it: implicit rules come first, unless they are switched off";
            return help.to_owned();
        }
        let lines = self.hiders().filter_map(|(hider, _)| place(hider));
        let first = lines.min().map(|span| self.stories.line(span, self.origin));
        let first = first.unwrap_or_else(|| "the rules before it".to_owned());
        format!("move it above {first}, or delete it")
    }

    fn hiders(&self) -> impl Iterator<Item = (&FlatStep<'_>, &Member)> {
        self.told.cover.members.iter().map(|member| (self.told.hider(member), member))
    }

    /// Adds who hides it, each with a packet that it alone takes, and a packet with its fate.
    fn told_by(&self, mut finding: Finding) -> Finding {
        let base = self.told.judged.flat.base;
        let count = self.told.cover.members.len();
        let shown = self.told.conflicts().next().or(self.told.cover.members.first());
        let shown = shown.map(|member| (member.rule, self.told.packet(member)));
        for (hider, member) in self.hiders().take(MAX_TOLD) {
            let does = deed(hider).does;
            match (self.stories.place_of(hider.entry, self.origin), hider.entry.reason) {
                (Some(place), _) => {
                    let own = match &shown {
                        _ if count == 1 => None,
                        Some((rule, packet)) if *rule == member.rule => packet.clone(),
                        Some(_) | None => self.told.packet(member),
                    };
                    let label = match own {
                        Some(own) => format!("{does} {}", Stories::route(&own.packet, base)),
                        None => format!("{does} them first"),
                    };
                    finding = finding.related(place, label);
                }
                (None, Reason::Implicit(implied)) => {
                    finding = finding
                        .note(format!("the implicit rule for {} {does} them", name(implied)));
                }
                (None, Reason::Written(_) | Reason::Restored | Reason::Default(_)) => {}
            }
        }
        if let Some(shown) = shown.and_then(|(_, packet)| packet) {
            let taken = &self.told.judged.flat.steps[shown.taken_by.0 as usize];
            let Shown { packet, is_certain, .. } = &shown;
            finding = self.stories.show(finding, packet, base, taken, *is_certain, self.origin);
        }
        if count > MAX_TOLD {
            let more = count - MAX_TOLD;
            finding = finding.note(format!("{more} more rules take the rest of its packets"));
        }
        match count {
            _ if !self.told.cover.is_minimal => finding,
            0 | 1 => finding,
            2 => finding.note("both are needed; without either, the rule would match"),
            _ => finding.note(format!(
                "all {count} are needed; without any one of them, the rule would match"
            )),
        }
    }

    /// Whether an earlier statement is a verdict on everything that a block around both is about.
    fn is_of_all_in_block(&self, hider: Origin) -> bool {
        let (own, earlier) = (self.origin.span, hider.span);
        self.stories.blocks.get(&hider).is_some_and(|block| {
            block.file() == own.file() && earlier.end() <= own.start() && own.end() <= block.end()
        })
    }
}
