//! One packet through one base chain, by the meaning and by the rules: where do they part?

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use palisade::analyze::equal::Rooms;
use palisade::analyze::ruled::place;
use palisade::analyze::trace::{Outcome, trace};
use palisade::meaning::{
    BaseChain, Change, Decision, Effect, History, Meaning, Question, Translation, traverses_nat,
};
use palisade::net::Family;
use palisade::packet::Packet;
use palisade::resolve::policy::{LimitKind, RejectWith};
use palisade::ruleset::{ChainPolicy, Match, MatchKind, OpaqueEnd, RejectType, Ruleset, Target};

use super::limits;
use super::seen::Seen;

/// How the oracle answers whether a limit has room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    Open,
    Exhausted,
    /// By the limit's own numbers: some have room, some have not.
    Mixed(u64),
}

impl Answers {
    pub fn all(seed: u64) -> [Answers; 3] {
        [Answers::Open, Answers::Exhausted, Answers::Mixed(seed)]
    }

    fn answer(self, key: &str) -> bool {
        match self {
            Answers::Open => true,
            Answers::Exhausted => false,
            Answers::Mixed(seed) => {
                let mut hasher = DefaultHasher::new();
                (seed, key).hash(&mut hasher);
                hasher.finish() & 1 == 0
            }
        }
    }
}

/// What became of a packet, in words that both sides can say.
#[derive(Debug, PartialEq, Eq)]
struct Fate {
    verdict: String,
    logs: Vec<(Option<String>, u8)>,
    /// What was made of the packet, in order.
    changes: Vec<String>,
    /// What is known by its words only.
    words: Vec<String>,
    /// The mark, that of the connection and the class with which it goes on.
    left: (u32, u32, u8),
    /// The sets that took up the source, and for how many seconds the last time.
    added: BTreeMap<String, Option<u32>>,
    /// What the world sees of the changes and lines, whatever their order.
    seen: Seen,
    /// Which limits were asked, when all have room: each takes from an allowance.
    asked: Vec<String>,
}

impl Fate {
    /// Without what nobody sees.
    fn for_the_world(self) -> Self {
        Fate { logs: Vec::new(), changes: Vec::new(), words: Vec::new(), left: (0, 0, 0), ..self }
    }
}

/// Says how the two differ on a packet.
pub fn disagreement(
    meaning: &Meaning,
    ruleset: &Ruleset,
    base: BaseChain,
    packet: &Packet,
    answers: Answers,
) -> Option<String> {
    let [meant, done] = fates(meaning, ruleset, base, packet, answers)?;
    (meant != done).then(|| format!("meant {meant:?}\ndone  {done:?}"))
}

/// Says how the two differ on a packet as the world can see.
pub fn visible_disagreement(
    meaning: &Meaning,
    ruleset: &Ruleset,
    base: BaseChain,
    packet: &Packet,
    answers: Answers,
) -> Option<String> {
    let [meant, done] = fates(meaning, ruleset, base, packet, answers)?.map(Fate::for_the_world);
    (meant != done).then(|| format!("meant {meant:?}\ndone  {done:?}"))
}

fn fates(
    meaning: &Meaning,
    ruleset: &Ruleset,
    base: BaseChain,
    packet: &Packet,
    answers: Answers,
) -> Option<[Fate; 2]> {
    let answered = |key: String| Answer { has_room: answers.answer(&key), key };
    let by_meaning = |question: Question<'_>| answered(meant_key(meaning, question));
    let by_rules = |question: &Match| answered(done_key(ruleset, question));
    both((meaning, &by_meaning), (ruleset, &by_rules), base, packet)
}

/// The same where facts about the packet say what has room, each limit by its own.
pub fn disagreement_by_facts(
    meaning: &Meaning,
    ruleset: &Ruleset,
    base: BaseChain,
    packet: &Packet,
) -> Option<String> {
    let answered = |key: String| Answer { has_room: packet.opaque.contains(&*key), key };
    let meant = Rooms::of(meaning, packet.family());
    let done = limits::rooms(ruleset);
    let by_meaning = |question: Question<'_>| answered(meant.fact(question).to_string());
    let by_rules = |question: &Match| answered(done[&std::ptr::from_ref(question)].clone());
    let fates = both((meaning, &by_meaning), (ruleset, &by_rules), base, packet)?;
    let [meant, done] = fates.map(Fate::for_the_world);
    (meant != done).then(|| format!("meant {meant:?}\ndone  {done:?}"))
}

/// What is said of something that depends on history, and by what it is known.
struct Answer {
    key: String,
    has_room: bool,
}

fn both(
    (meaning, by_meaning): (&Meaning, &dyn Fn(Question<'_>) -> Answer),
    (ruleset, by_rules): (&Ruleset, &dyn Fn(&Match) -> Answer),
    base: BaseChain,
    packet: &Packet,
) -> Option<[Fate; 2]> {
    if base.is_nat() && !traverses_nat(packet) {
        return None; // The kernel does not ask nat about it.
    }
    meaning.base(packet.family(), base)?; // Only who says something of Docker has that chain.
    ruleset.table(place(base).0)?; // Policies say nothing in the table of SELinux.
    let meant = meant(meaning, base, packet, by_meaning);
    let done = done(ruleset, base, packet, by_rules);
    Some([meant, done])
}

fn meant_key(meaning: &Meaning, question: Question<'_>) -> String {
    match question {
        Question::Limit(id) => match &meaning.limits[&id] {
            History::Limit(kind) | History::Over(kind) => match kind {
                LimitKind::Rate { rate, burst, .. } => format!("{rate} {burst}"),
                LimitKind::Connections { count, .. } => format!("connections {count}"),
            },
            History::Opaque(text) => text.to_string(),
        },
        Question::Log(log) => {
            log.allowance.map_or_else(String::new, |of| format!("{} {}", of.rate, of.burst))
        }
    }
}

/// (The kernel counts by the parameters of the first rule that names a table.)
fn done_key(ruleset: &Ruleset, question: &Match) -> String {
    let chains = || ruleset.tables.iter().flat_map(|table| &table.chains);
    let matches = || chains().flat_map(|chain| &chain.rules).flat_map(|rule| &rule.matches);
    let first = |name: &str| {
        matches().find_map(|found| match &found.kind {
            MatchKind::Hashlimit(limit) if &*limit.name == name => Some(limit),
            _ => None,
        })
    };
    match &question.kind {
        MatchKind::Limit { rate, burst } => format!("{rate} {burst}"),
        MatchKind::Hashlimit(limit) => {
            let limit = first(&limit.name).unwrap_or(limit);
            format!("{} {}", limit.rate, limit.burst)
        }
        MatchKind::Connlimit { count, .. } => format!("connections {count}"),
        MatchKind::OpaqueHistory(text) => text.to_string(),
        other => panic!("{other:?} does not depend on history"),
    }
}

/// What is said of limits, as it is asked.
#[derive(Default)]
struct Asked {
    keys: Vec<String>,
    has_refused: bool,
}

impl Asked {
    /// (What a log line is limited by counts nothing but the lines.)
    fn of(&mut self, answer: Answer) -> bool {
        if !answer.key.starts_with("room in a log") {
            self.has_refused |= !answer.has_room;
            self.keys.push(answer.key);
        }
        answer.has_room
    }

    /// Connection limits may be asked before or after rates, so what is asked is compared only where
    /// every answer is yes.
    fn tidy(mut self) -> Vec<String> {
        if self.has_refused {
            return Vec::new();
        }
        self.keys.sort();
        self.keys
    }
}

fn meant(
    meaning: &Meaning,
    base: BaseChain,
    packet: &Packet,
    answer: &dyn Fn(Question<'_>) -> Answer,
) -> Fate {
    let mut asked = Asked::default();
    let found = meaning.trace(base, packet, &mut |question| asked.of(answer(question)));
    let logs = found.logs().map(|log| (log.prefix.as_deref().map(str::to_owned), log.level.0));
    let words = found.steps.iter().filter_map(|step| match &step.entry.effect {
        Effect::Opaque { text, .. } if !text.is_empty() => Some(text.to_string()),
        _ => None,
    });
    let added = found.added().map(|(set, timeout)| added_to(set, timeout));
    let is_dropped = found.decision == Decision::Drop;
    Fate {
        verdict: decision(&found.decision, packet.family()),
        added: found.added().map(|(set, timeout)| (set.to_owned(), timeout)).collect(),
        seen: Seen::of_meaning(packet, &found, is_dropped),
        logs: logs.collect(),
        // Sets are filled in the filter, and all else is changed elsewhere.
        changes: once(found.changes().flat_map(meant_change).chain(added).collect()),
        words: words.collect(),
        left: left(&found.packet),
        asked: asked.tidy(),
    }
}

fn done(
    ruleset: &Ruleset,
    base: BaseChain,
    packet: &Packet,
    answer: &dyn Fn(&Match) -> Answer,
) -> Fate {
    let (table, chain) = place(base);
    let table = ruleset.table(table).expect("it was looked for");
    let mut asked = Asked::default();
    let found = trace(table, chain, packet, &mut |question| asked.of(answer(question)));
    let rules =
        found.steps.iter().filter_map(|step| table.chain(&step.chain)?.rules.get(step.rule));
    let words = rules.filter_map(|rule| match &rule.target {
        Target::Opaque { text, end: OpaqueEnd::GoesOn, .. } if !text.is_empty() => {
            Some(text.to_string())
        }
        _ => None,
    });
    let logs = found.logs.iter().map(|log| (log.prefix.as_deref().map(str::to_owned), log.level));
    let added = found.changes.iter().filter_map(|target| match target {
        Target::AddSource { set, timeout } => Some((set.name.to_string(), *timeout)),
        _ => None,
    });
    let is_dropped = matches!(found.outcome, Outcome::Drop | Outcome::Policy(ChainPolicy::Drop));
    Fate {
        verdict: outcome(&found.outcome, base),
        added: added.collect(),
        seen: Seen::of_rules(packet, table, &found, is_dropped),
        logs: logs.collect(),
        changes: once(found.changes.iter().map(done_change).collect()),
        words: words.collect(),
        left: left(&found.packet),
        asked: asked.tidy(),
    }
}

/// Rules may change a packet again to what it is already.
fn once(changes: Vec<String>) -> Vec<String> {
    let kind = |change: &String| match change.split(' ').next().unwrap_or_default() {
        "restored" => "mark".to_owned(),
        kind => kind.to_owned(),
    };
    let mut last: BTreeMap<String, String> = BTreeMap::new();
    let is_news =
        |change: &String| last.insert(kind(change), change.clone()).as_ref() != Some(change);
    changes.into_iter().filter(is_news).collect()
}

fn left(packet: &Packet) -> (u32, u32, u8) {
    (packet.mark, packet.connection_mark, packet.dscp)
}

fn meant_change(change: Change) -> Vec<String> {
    match change {
        Change::Mark(mark) => vec![format!("mark {mark:?}")],
        Change::StickyMark(mark) => {
            vec![format!("mark {mark:?}"), format!("connection {mark:?}")]
        }
        Change::ConnectionMark(mark) => vec![format!("connection {mark:?}")],
        Change::RestoredMark(mask) => vec![format!("restored {mask:#x}")],
        Change::SavedMark(mask) => vec![format!("saved {mask:#x}")],
        Change::Dscp(dscp) => vec![format!("class {dscp}")],
        Change::Mss(size) => vec![format!("segments {size:?}")],
        Change::Untracked => vec!["untracked".to_owned()],
        Change::Helper(helper) => vec![format!("helper {helper}")],
    }
}

fn added_to(set: &str, timeout: Option<u32>) -> String {
    format!("added to {set} for {timeout:?}")
}

fn done_change(target: &Target) -> String {
    match target {
        Target::SetMark(mark) => format!("mark {mark:?}"),
        Target::SetConnmark(mark) => format!("connection {mark:?}"),
        Target::RestoreMark(mask) => format!("restored {mask:#x}"),
        Target::SaveMark(mask) => format!("saved {mask:#x}"),
        Target::SetDscp(dscp) => format!("class {dscp}"),
        Target::Tcpmss(size) => format!("segments {size:?}"),
        Target::Notrack => "untracked".to_owned(),
        Target::Helper(helper) => format!("helper {helper}"),
        Target::AddSource { set, timeout } => added_to(&set.name, *timeout),
        other => panic!("{other:?} changes nothing"),
    }
}

fn decision(decision: &Decision, family: Family) -> String {
    match decision {
        Decision::Accept => "accept".to_owned(),
        Decision::Drop => "drop".to_owned(),
        Decision::Reject(with) => reject_name(*with, family).to_owned(),
        Decision::Unknown(text) => format!("does {text}"),
        Decision::LeaveToDocker => "goes on".to_owned(),
        Decision::Translate(translation) => match &**translation {
            Translation::Exempt => "untouched".to_owned(),
            Translation::Masquerade => "masquerade".to_owned(),
            Translation::Source { low, high } => format!("source {low}-{high}"),
            Translation::Destination { address, port } => {
                format!("destination {address} {:?}", port.map(|port| (port, port)))
            }
            Translation::Redirect { port } => format!("redirect {port}"),
            Translation::Netmap { to, .. } => format!("netmap {to}"),
        },
    }
}

fn outcome(outcome: &Outcome, base: BaseChain) -> String {
    match outcome {
        Outcome::Accept | Outcome::Policy(ChainPolicy::Accept) if base.is_nat() => {
            "untouched".to_owned()
        }
        Outcome::Accept | Outcome::Policy(ChainPolicy::Accept) => "accept".to_owned(),
        Outcome::Drop | Outcome::Policy(ChainPolicy::Drop) => "drop".to_owned(),
        Outcome::Returned => "goes on".to_owned(),
        Outcome::Unknown(text) => format!("does {text}"),
        Outcome::Reject(with) => with.name().to_owned(),
        Outcome::Masquerade => "masquerade".to_owned(),
        Outcome::Snat(low, high) => format!("source {low}-{high}"),
        Outcome::Dnat { address, ports } => format!("destination {address} {ports:?}"),
        Outcome::Redirect(port) => format!("redirect {port}"),
        Outcome::Netmap(to) => format!("netmap {to}"),
        Outcome::Broken(fault) => panic!("{fault:?}"),
    }
}

fn reject_name(with: RejectWith, family: Family) -> &'static str {
    let kind = match (with, family) {
        (RejectWith::TcpReset, _) => RejectType::TcpReset,
        (RejectWith::PortUnreachable, Family::V4) => RejectType::IcmpPortUnreachable,
        (RejectWith::NetUnreachable, Family::V4) => RejectType::IcmpNetUnreachable,
        (RejectWith::HostUnreachable, Family::V4) => RejectType::IcmpHostUnreachable,
        (RejectWith::ProtoUnreachable, Family::V4) => RejectType::IcmpProtoUnreachable,
        (RejectWith::NetProhibited, Family::V4) => RejectType::IcmpNetProhibited,
        (RejectWith::HostProhibited, Family::V4) => RejectType::IcmpHostProhibited,
        (RejectWith::AdminProhibited, Family::V4) => RejectType::IcmpAdminProhibited,
        (RejectWith::PortUnreachable, Family::V6) => RejectType::Icmp6PortUnreachable,
        (RejectWith::NetUnreachable, Family::V6) => RejectType::Icmp6NoRoute,
        (RejectWith::HostUnreachable, Family::V6) => RejectType::Icmp6AddrUnreachable,
        (
            RejectWith::NetProhibited | RejectWith::HostProhibited | RejectWith::AdminProhibited,
            Family::V6,
        ) => RejectType::Icmp6AdmProhibited,
        (RejectWith::PolicyFail, Family::V6) => RejectType::Icmp6PolicyFail,
        (RejectWith::RejectRoute, Family::V6) => RejectType::Icmp6RejectRoute,
        (RejectWith::ProtoUnreachable, Family::V6)
        | (RejectWith::PolicyFail | RejectWith::RejectRoute, Family::V4) => {
            panic!("{with:?} is not of {family}, and resolve refuses it")
        }
    };
    kind.name()
}
