//! The probes of one ruleset, in their turns: those that nothing came before, those of connections that the
//! kernel is told of, and those that follow what the rules translated or the router said to itself.

use std::collections::{BTreeMap, BTreeSet};

use palisade::net::CtState;

use crate::diary::{Sighting, sightings};
use crate::ground::{Ground, Wrapping};
use crate::judge::{self, Case, End, Judged, Step, judge};
use crate::later::Link;
use crate::members::Members;
use crate::probe::{History, Probe};
use crate::run::Tally;
use crate::tracked::Ends;

/// Packets between two looks into the diary.
const BATCH: usize = 500;

/// Connections of one ruleset that are opened by a packet and answered.
const OPENED: usize = 60;

/// A probe that was judged.
type Seen = (Probe, Sighting, Judged);

/// What is known while the probes of one ruleset are sent.
pub struct Course<'c> {
    pub case: Case<'c>,
    pub members: Members,
    /// The connections that the kernel knows already.
    pub known: BTreeSet<String>,
    pub steps: Vec<Step>,
    pub faults: Vec<String>,
    pub tally: &'c mut Tally,
}

impl Course<'_> {
    pub fn run(&mut self, probes: Vec<Probe>) {
        let (first, then): (Vec<Probe>, Vec<Probe>) =
            probes.into_iter().partition(|probe| matches!(probe.history, History::Nothing));
        let seen = self.send(first);
        self.send(then);
        // Who gets the ends of another connection by a translation belongs to that one.
        let mut known = BTreeSet::new();
        let mut is_apart = |link: Link| {
            let [sent, arrived] = link.keys();
            known.insert(sent.clone()) && (arrived == sent || known.insert(arrived))
        };
        let openings = seen.into_iter().filter_map(|seen| {
            let link = Link::of(&seen.0.packet, &seen.1)?;
            opening(seen).filter(|_| is_apart(link))
        });
        let openings = openings.take(OPENED).collect();
        self.follow(openings);
    }

    /// Opens connections, and sends what follows.
    fn follow(&mut self, openings: Vec<Probe>) {
        let ground = self.case.ground;
        ground.forget();
        let mut opened = Vec::new();
        for (probe, sighting, judged) in self.send(openings) {
            let is_open = judged.state == CtState::New && matches!(judged.end, End::Passed { .. });
            let link = Link::of(&probe.packet, &sighting).filter(Link::is_answerable);
            if let Some(link) = link.filter(|_| is_open) {
                opened.push((link, probe, sighting, judged.connection_mark));
            }
        }
        let answers = opened
            .iter()
            .map(|(link, probe, sighting, mark)| link.answer(probe, sighting, *mark, ground));
        let answered = self.send(answers.collect());
        // An answer may have marked the connection, or was not to be looked at.
        let marked = answered.into_iter().filter_map(|(probe, _, judged)| {
            let is_judged = !matches!(judged.end, End::Unasked | End::Unknown);
            let is_answer = is_judged && judged.state == CtState::Established;
            let History::Opened(link, _) = probe.history else { return None };
            is_answer.then_some((link, judged.connection_mark))
        });
        let marked: BTreeMap<Link, u32> = marked.collect();
        let onward = opened.iter().filter_map(|(link, probe, sighting, _)| {
            Some(link.onward(probe, sighting, *marked.get(link)?))
        });
        self.send(onward.collect());
    }

    /// Sends probes and judges them; those that nothing is wrong with are returned.
    fn send(&mut self, probes: Vec<Probe>) -> Vec<Seen> {
        let ground = self.case.ground;
        let mut right = Vec::new();
        let mut probes = probes.into_iter().peekable();
        while probes.peek().is_some() {
            let mut sent = Vec::new();
            for probe in probes.by_ref().take(BATCH) {
                let cookie = ground.cookie();
                if tell(&probe, ground, cookie, &mut self.known) {
                    ground.send(&probe.packet, probe.account, cookie, probe.wrapping);
                    sent.push((probe, cookie));
                }
            }
            let seen = sightings(ground.read());
            for (probe, cookie) in sent {
                let key = (probe.packet.family(), cookie);
                let sighting = seen.get(&key).cloned().unwrap_or_default();
                match judge(self.case, &mut self.members, &probe, &sighting) {
                    Ok(mut judged) => {
                        self.tally.add(&probe, &judged);
                        self.steps.append(&mut judged.steps);
                        right.push((probe, sighting, judged));
                    }
                    Err(words) => {
                        let told = judge::told(&probe, &sighting);
                        self.faults.push(format!("{words}\n{told}"));
                    }
                }
            }
        }
        right
    }
}

/// A probe again, as one that is remembered, when it was translated or the router sends it to itself.
fn opening((probe, sighting, judged): Seen) -> Option<Probe> {
    let to_itself = sighting.end().is_some_and(|(_, outgoing)| outgoing == Some("lo"));
    let is_translated = matches!(judged.end, End::Passed { is_translated: true });
    let is_open = matches!(judged.end, End::Passed { .. });
    (is_translated || is_open && to_itself)
        .then_some(Probe { wrapping: Wrapping::Lasting, ..probe })
}

/// Tells the kernel of what came before a packet. Of what it knows already something, no packet is sent.
fn tell(probe: &Probe, ground: &Ground, number: u16, known: &mut BTreeSet<String>) -> bool {
    let key = match probe.history {
        History::Nothing | History::Opened(..) => return true,
        History::Connection(it) | History::Error(it) => it.opened.key(),
        History::Session => match Ends::of(&probe.packet) {
            Some(ends) => ends.key(),
            None => return false,
        },
    };
    let is_new = known.insert(key);
    if is_new {
        probe.history.tell(ground, &probe.packet, number);
    }
    is_new
}
