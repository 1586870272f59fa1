//! Rules that no packet reaches: one finding each, the first of `never-matches`, `unreachable-rule`,
//! `duplicate-rule`, `shadowed-conflict` and `shadowed-rule` that applies.

use super::dead::Life;
use super::deliverable::is_deliverable;
use super::flat::FlatStep;
use super::judge::{At, Judged, Judgement};
use super::story::{DELETE, Deed, Stories, deed, differ_in_log, name};
use crate::diagnostic::{Finding, catalogue};
use crate::meaning::{BaseChain, Effect, Reason};
use crate::net::{CtState, TcpFlags};
use crate::packet::{Among, Cover, Member, Packet, Region};
use crate::resolve::policy::Origin;

/// Labels of a finding; more hiders are counted.
const MAX_TOLD: usize = 8;

/// Points that are tried for a packet that the kernel can deliver.
pub const TRIED: u64 = 48;

/// The finding about a statement that no packet reaches; `None` when packets do.
pub fn finding(
    stories: Stories<'_>,
    judgement: &Judgement<'_>,
    origin: Origin,
    places: &[At],
) -> Option<Finding> {
    if !judgement.is_dead(places) {
        return None;
    }
    let hidden: Vec<Hidden<'_, '_>> =
        judgement.judging(places).filter_map(|at| Hidden::of(judgement, at)).collect();
    let Some(first) = hidden.first() else {
        let said = judgement.judging(places).next().map(|at| deed(judgement.step(at)));
        return Some(never(stories, origin, said));
    };
    let told = hidden.iter().find(|one| one.conflicts().next().is_some()).unwrap_or(first);
    let case = Case { stories, origin, told };
    let goes = judgement.is_idle(origin.span);
    let mends = |finding| if goes { stories.deleting(finding, origin.span) } else { finding };
    Some(if hidden.iter().all(|one| one.is_behind_verdict(&case)) {
        mends(case.unreachable())
    } else if hidden.iter().all(|one| one.is_duplicate(first)) {
        mends(case.duplicate())
    } else if told.conflicts().next().is_some() {
        case.conflict()
    } else {
        mends(case.shadowed())
    })
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
                Effect::Continue | Effect::Change(_) | Effect::Call(_) | Effect::Add { .. } => {
                    false
                }
            };
            let is_here = hider.caller == self.step.caller;
            let is_bare = hider.entry.set.is_everything()
                || (origin.call == case.origin.call && case.is_bare_in_block(origin));
            decides && is_here && is_bare
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

    /// A packet that a hider takes, and before it nobody: the most ordinary of those that are looked
    /// at, and if there is one, one that the kernel can deliver. Where several rules are needed, it is
    /// of the packets that no other of them takes.
    fn packet(&self, member: &Member) -> Option<Packet> {
        let (list, base) = (&self.judged.list, self.judged.flat.base);
        let space = list.space();
        let alone = space.packet(member.alone.as_ref()?);
        let region = list.may(self.at.step);
        let others = self.cover.members.iter().filter(|other| other.rule != member.rule);
        let others: Vec<Region> = others.map(|other| list.may(other.rule)).collect();
        let random = (0..TRIED).flat_map(|seed| list.hiding.sample(&region, 1, seed));
        let own = random.filter(|point| {
            space.contains(&list.may(member.rule), point)
                && list.hiding.first(point, Among::before(self.at.step)) == Some(member.rule)
                && !others.iter().any(|other| space.contains(other, point))
        });
        let packets = own.map(|point| space.packet(&point));
        std::iter::once(alone).chain(packets).max_by_key(|packet| ordinariness(packet, base))
    }
}

/// How little there is to wonder about a packet.
pub fn ordinariness(packet: &Packet, base: BaseChain) -> (bool, [bool; 4]) {
    let is_new = packet.state == CtState::New;
    let is_syn = packet.flags().is_none_or(|flags| flags == TcpFlags::SYN);
    let loopback = Some("lo");
    let is_from_outside =
        packet.incoming.as_deref() != loopback && packet.outgoing.as_deref() != loopback;
    let is_plain = packet.opaque.is_empty() && packet.original.is_none();
    (is_deliverable(packet, base), [is_from_outside, is_new, is_syn, is_plain])
}

/// A dead statement, and the place that its story is told of.
struct Case<'a, 'j, 'm> {
    stories: Stories<'a>,
    origin: Origin,
    told: &'a Hidden<'j, 'm>,
}

impl Case<'_, '_, '_> {
    fn unreachable(&self) -> Finding {
        let hider = self.told.only();
        let done = hider.map_or("taken", |hider| deed(hider).done);
        let message = format!("rule can never be reached: everything is {done} before it");
        let finding = self.stories.about(&catalogue::UNREACHABLE_RULE, self.origin, message);
        self.told_by(finding.label("no packet comes here")).help("move it above, or delete it")
    }

    fn duplicate(&self) -> Finding {
        let message = "rule says again what an earlier one says".to_owned();
        let finding = self.stories.about(&catalogue::DUPLICATE_RULE, self.origin, message);
        self.told_by(finding.label("the same packets, and the same done with them")).help(DELETE)
    }

    fn conflict(&self) -> Finding {
        let Some(member) = self.told.conflicts().next() else { return self.shadowed() };
        let hider = self.told.hider(member);
        let (own, other) = (deed(self.told.step), deed(hider));
        let only_log = differ_in_log(self.told.step.entry, hider.entry);
        let otherwise = if only_log { ", and logged otherwise" } else { "" };
        let message =
            format!("rule can never match: its packets are {}{otherwise} earlier", other.done);
        let finding = self.stories.about(&catalogue::SHADOWED_CONFLICT, self.origin, message);
        let finding = self.told_by(finding.label(format!("wants to {} them", own.to_do)));
        match self.stories.place_of(hider.entry, self.origin) {
            Some(_) => {
                let lines = self
                    .hiders()
                    .filter_map(|(hider, _)| self.stories.place_of(hider.entry, self.origin));
                let first = lines.min().map(|span| self.stories.line(span, self.origin));
                let first = first.unwrap_or_else(|| "the rules before it".to_owned());
                finding.help(format!("move it above {first}, or delete it"))
            }
            None => {
                finding.help("delete it: implicit rules come first, unless they are switched off")
            }
        }
    }

    fn shadowed(&self) -> Finding {
        let done = deed(self.told.step).done;
        let message = format!("rule can never match: its packets are {done} earlier");
        let finding = self.stories.about(&catalogue::SHADOWED_RULE, self.origin, message);
        self.told_by(finding.label("adds nothing")).help(DELETE)
    }

    fn hiders(&self) -> impl Iterator<Item = (&FlatStep<'_>, &Member)> {
        self.told.cover.members.iter().map(|member| (self.told.hider(member), member))
    }

    /// Adds who hides it, each with a packet that it alone takes, and a packet with its fate.
    fn told_by(&self, mut finding: Finding) -> Finding {
        let base = self.told.judged.flat.base;
        let count = self.told.cover.members.len();
        for (hider, member) in self.hiders().take(MAX_TOLD) {
            let does = deed(hider).does;
            match (self.stories.place_of(hider.entry, self.origin), hider.entry.reason) {
                (Some(place), _) => {
                    let label = match self.told.packet(member).filter(|_| count > 1) {
                        Some(packet) => format!("{does} {}", Stories::route(&packet, base)),
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
        let shown = self.told.conflicts().next().or(self.told.cover.members.first());
        if let Some((member, packet)) = shown.and_then(|one| Some((one, self.told.packet(one)?))) {
            let hider = self.told.hider(member);
            finding = self.stories.show(finding, &packet, base, hider, self.origin);
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

    /// Whether an earlier statement of the same block is a verdict on everything that the block is
    /// about: `drop`, with no clause but what is said of it.
    fn is_bare_in_block(&self, hider: Origin) -> bool {
        let (from, to) = (hider.span, self.origin.span);
        if from.file() != to.file() || from.end() > to.start() {
            return false;
        }
        let text = self.stories.sources.file(from.file()).text();
        let between = &text[from.end()..to.start()];
        is_bare(&text[from.range()]) && stays_in_block(between)
    }
}

/// Whether a statement is a verb, perhaps with `any`, and nothing that asks for some packets only.
fn is_bare(statement: &str) -> bool {
    let mut words = statement.split_whitespace();
    let verb = matches!(words.next(), Some("allow" | "drop" | "reject" | "return" | "goto"));
    let mut words = words.skip_while(|word| *word == "any");
    verb && match words.next() {
        None => true,
        Some("with") => words.nth(1).is_none_or(is_remark),
        Some(word) => is_remark(word),
    }
}

/// Whether a word begins a clause that is not about packets. (Those that are come before.)
fn is_remark(word: &str) -> bool {
    matches!(word, "log" | "comment" | "owner" | "ticket" | "until" | "expect")
}

/// Whether a text does not leave the block that it begins in.
fn stays_in_block(text: &str) -> bool {
    let mut depth = 0usize;
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    for c in lines.flat_map(str::chars) {
        match c {
            '{' => depth += 1,
            '}' => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return false,
            },
            _ => {}
        }
    }
    depth == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_verdict_asks_for_nothing() {
        for text in [
            "drop",
            "drop any",
            "reject with port-unreachable",
            "drop log \"x\"",
            "allow comment \"all of tcp\"",
        ] {
            assert!(is_bare(text), "{text}");
        }
        for text in [
            "drop tcp 22",
            "drop from lan",
            "drop any from lan",
            "reject with tcp-reset tcp any",
            "log",
            "jump x",
        ] {
            assert!(!is_bare(text), "{text}");
        }
    }

    #[test]
    fn blocks_that_open_and_close_between_are_passed() {
        assert!(stays_in_block("\n  from lan { drop }\n  "));
        assert!(!stays_in_block("\n}\n"));
        assert!(!stays_in_block("\n} from lan {\n"));
        assert!(!stays_in_block("\nfrom lan {\n"));
        assert!(stays_in_block("\n# }\n"));
    }
}
