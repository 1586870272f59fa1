//! `palisade trace`: what becomes of one packet, and by which rules?

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};

use super::Outcome;
use super::asked::{Asked, ask};
use super::deployed::give_the_other;
use super::failure::{Failure, Stop};
use super::formats::Format;
use super::place::Place;
use super::terminal::Terminal;
use super::terms::TermOptions;
use crate::analyze::journey::told::{self, Assumed, ToldRule, ToldStage};
use crate::analyze::journey::{Answers, Fate, Journey, Sent, Surroundings, Whose, follow};
use crate::analyze::witness::witness_of;
use crate::analyze::{Rules, Text};
use crate::diagnostic::json;
use crate::meaning::{BaseChain, Guide};
use crate::net::{Families, Family};
use crate::packet::Packet;
use crate::resolve::policy::{LimitId, PromiseKind, TestPacket};
use crate::source::Span;

const EXAMPLES: &str = "\
The packet is written like those of `test`: protocol, source, `->`, destination, and what else is known
of it. `in` says where it comes in, unless it is from `self`; `out` where it leaves behind all translations,
where zones do not tell. Without more words it opens a connection.

Of dumps the packet meets the rules of its family. Which addresses the machine has is in no dump: `self` is
any of them, `192.0.2.1@self` is one, and `192.0.2.1@eth0` is a host behind an interface that rules name.

Examples:
  palisade trace edge.fw 'tcp 198.51.100.9:40000 -> self:443 in eth0'
  palisade trace edge.fw 'udp self:40000 -> 192.0.2.53:53 out eth0'
  palisade trace edge.fw 'icmp echo-request 10.0.0.5 -> 192.0.2.1 in eth1 out eth0' --format json
  palisade trace edge.fw 'tcp 10.0.0.5:40000 -> self:22 in eth1 state established'
  palisade trace /etc/iptables 'tcp 198.51.100.9:40000 -> self:22 in eth0'
  iptables-save | palisade trace - 'tcp 198.51.100.9:40000 -> self:22 in eth0'";

/// Follow one packet through all tables
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Trace {
    /// The policy, or dumps of rules and of sets, or a folder of them; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// The packet, such as 'tcp 192.0.2.5:40000 -> self:22 in eth0'
    packet: String,

    /// Take every limit to be used up; else they have room
    #[arg(long)]
    exhausted: bool,

    /// A condition that holds although the packet does not show it, such as 'source in banned-1h.v4'; can
    /// be given again
    #[arg(long, value_name = "CONDITION")]
    holds: Vec<String>,

    /// How the way is written
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,

    #[command(flatten)]
    terms: TermOptions,
}

/// What a policy without a name for it calls the question.
const WHAT: &str = "the packet";

impl Trace {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<Outcome, Stop> {
        let terms = self.terms.terms()?;
        if self.packet.contains(['\n', ';', '{', '}', '#']) {
            let failure = Failure::new("the packet: it is more than one packet");
            return Err(failure.help("write one packet, without `{`, `;` and comments").into());
        }
        let question = format!("test \"packet\" {{ {} => allow }}", self.packet);
        let asked = ask(&self.files, &terms, (WHAT, &question), self.format, terminal)?;
        let PromiseKind::Test { packets, .. } = &asked.promise.kind else {
            return Err(not_one_packet().into());
        };
        let [test] = &packets[..] else { return Err(not_one_packet().into()) };
        let text = self.follow(&asked, test)?;
        terminal.print(&text)?;
        Ok(Outcome::Clean)
    }

    fn follow(&self, asked: &Asked, test: &TestPacket) -> Result<String, Failure> {
        let of_its_family = |rules: &&Rules<'_>| rules.text.families().contains(test.family);
        let all = asked.rules();
        let Some(Rules { text, meaning }) = all.iter().find(of_its_family) else {
            return Err(other_family(test.family, asked.families()));
        };
        let mut sent = Sent::of(test);
        sent.packet.opaque.extend(self.holds.iter().map(|text| Arc::from(text.as_str())));
        let limits: RefCell<BTreeSet<LimitId>> = RefCell::default();
        let oracle = |question: crate::meaning::Question<'_>| match told::limit_of(question) {
            Some(limit) => {
                limits.borrow_mut().insert(limit);
                !self.exhausted
            }
            None => true,
        };
        let answers = Answers { oracle: &oracle, facts: None };
        let guide = Guide::of(meaning);
        let journey = follow(&guide, &Surroundings::of(&asked.policy), &sent, answers);
        let journey = journey.map_err(|unclear| {
            let (message, help) = unclear.told(*text, &asked.sources);
            Failure::new(format!("{WHAT}: {message}")).help(help)
        })?;
        let limits = limits.borrow().iter().copied().collect::<Vec<_>>();
        let assumed = told::assumed(meaning, &journey, limits);
        let stages = told::told(&journey, *text, &asked.sources);
        let way = Way {
            sent: &sent,
            journey: &journey,
            stages: &stages,
            assumed: &assumed,
            exhausted: self.exhausted,
            text: *text,
            asked,
        };
        Ok(match self.format {
            Format::Human => way.human(),
            Format::Json => json::pretty(&way.json()),
        })
    }
}

/// The packet is of a family of which there is no dump.
fn other_family(family: Family, known: Families) -> Failure {
    let failure = Failure::new(format!("{WHAT} is of {family}, and there is no dump of its rules"));
    match give_the_other(known) {
        Some(help) => failure.help(help),
        None => failure,
    }
}

fn not_one_packet() -> Failure {
    Failure::new("the packet cannot be read")
        .help("write it like `tcp 192.0.2.5:40000 -> self:22 in eth0`")
}

/// Everything that is said of a way.
struct Way<'w> {
    sent: &'w Sent,
    journey: &'w Journey<'w>,
    stages: &'w [ToldStage],
    assumed: &'w Assumed,
    exhausted: bool,
    /// Where the rules stand.
    text: Text<'w>,
    asked: &'w Asked,
}

impl Way<'_> {
    fn human(&self) -> String {
        let mut text = format!("{}\n", self.route(&self.sent.packet));
        let routed = self.routed_before();
        for (number, stage) in self.stages.iter().enumerate() {
            if routed == Some(number) {
                let _ = writeln!(text, "\nroute\n  {}", self.routed());
            }
            if stage.is_silent() {
                continue;
            }
            let _ = writeln!(text, "\n{} {}", stage.table, stage.chain);
            for rule in stage.told_rules() {
                self.rule(&mut text, rule);
            }
        }
        let _ = writeln!(text, "\n{}", self.end());
        for note in self.notes() {
            let _ = writeln!(text, "note: {note}");
        }
        text
    }

    fn rule(&self, text: &mut String, rule: &ToldRule) {
        let place = rule.place.map(|span| format!("{}  ", self.place(span))).unwrap_or_default();
        let chain = rule.chain.as_ref().map(|chain| format!("in chain {chain}: "));
        let logged = if rule.is_logged { "logs it, and " } else { "" };
        let does = if rule.is_logged && rule.does == "logs" {
            "logs it".to_owned()
        } else {
            format!("{logged}{}", rule.does)
        };
        let call = rule.call.map(|span| format!(" (by {})", self.place(span)));
        let _ = writeln!(
            text,
            "  {place}{}{}{}\n    {does}",
            chain.unwrap_or_default(),
            rule.text,
            call.unwrap_or_default(),
        );
    }

    /// The stage before which the packet that came in was routed.
    fn routed_before(&self) -> Option<usize> {
        let is_routed = |base| {
            matches!(
                base,
                BaseChain::MangleInput
                    | BaseChain::FilterInput
                    | BaseChain::MangleForward
                    | BaseChain::FilterForward
                    | BaseChain::DockerUser
            )
        };
        self.sent.packet.incoming.as_ref()?;
        self.journey.stages.iter().position(|stage| is_routed(stage.base))
    }

    fn routed(&self) -> String {
        let packet = self.routed_before().map(|number| &self.journey.stages[number].before);
        match packet.and_then(|packet| packet.outgoing.as_deref()) {
            Some(name) => format!("leaves by {name}"),
            None => "is for this machine".to_owned(),
        }
    }

    /// `allowed: leaves by eth1 as tcp 198.51.100.9:40000 → 10.0.0.2:8443`
    fn end(&self) -> String {
        let told = self.journey.fate.told();
        let packet = &self.journey.packet;
        match &self.journey.fate {
            Fate::Sent => {
                let by = packet.outgoing.as_deref().unwrap_or("an interface");
                format!("{told}: leaves by {by} as {}", self.ends(packet))
            }
            Fate::Delivered => format!("{told}: arrives as {}", self.ends(packet)),
            Fate::Dropped
            | Fate::Rejected(_)
            | Fate::Unknown(_)
            | Fate::OutOfHops
            | Fate::Martian => told,
        }
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.assumed.limits.is_empty() {
            notes.push(if self.exhausted {
                "limits are taken to be used up".to_owned()
            } else {
                "limits are taken to have room; `--exhausted` asks for the other case".to_owned()
            });
        }
        for text in &self.assumed.failing {
            notes.push(format!(
                "`{text}` is taken not to hold; `--holds '{text}'` asks for the other case"
            ));
        }
        if self.journey.fate == Fate::Martian {
            notes.push(told::MARTIAN.to_owned());
        }
        if self.journey.stages.iter().any(|stage| stage.base == BaseChain::DockerUser) {
            let note = match self.text {
                Text::Policy(_) => "what Docker's own rules do behind DOCKER-USER is not known",
                Text::Dump(_) => {
                    "no rule here leads to DOCKER-USER: it is met as where Docker runs, whose own rules \
                     are not known"
                }
            };
            notes.push(note.to_owned());
        }
        notes
    }

    fn route(&self, packet: &Packet) -> String {
        let mut shown = witness_of(packet, BaseChain::FilterInput);
        shown.deliverable = true;
        let mut text = shown.to_string();
        for whose in &self.sent.any {
            let (address, sent) = match whose {
                Whose::Source => (packet.source, self.sent.packet.source),
                Whose::Destination => (packet.destination, self.sent.packet.destination),
            };
            if address != sent {
                continue;
            }
            let ports = packet.ports();
            let port = match whose {
                Whose::Source => ports.map(|(source, _)| source),
                Whose::Destination => ports.map(|(_, destination)| destination),
            };
            let own = port.map_or("self".to_owned(), |port| format!("self:{port}"));
            text = text.replacen(&told::end(address, port), &own, 1);
        }
        text
    }

    /// Protocol, source and destination alone.
    fn ends(&self, packet: &Packet) -> String {
        let plain = Packet {
            incoming: None,
            outgoing: None,
            original: None,
            mark: 0,
            mac: None,
            user: None,
            group: None,
            length: 60,
            ttl: 64,
            dscp: 0,
            opaque: BTreeSet::new(),
            ..packet.clone()
        };
        let text = self.route(&plain);
        let state = format!(", {}", packet.state.name());
        text.strip_suffix(&state).map_or(text.clone(), str::to_owned)
    }

    fn json(&self) -> Value {
        let stages = self.stages.iter().zip(&self.journey.stages).map(|(told, stage)| {
            json!({
                "table": told.table,
                "chain": told.chain,
                "packet": witness_of(&stage.before, stage.base),
                "rules": told.rules.iter().map(|rule| self.json_rule(rule)).collect::<Vec<_>>(),
            })
        });
        let last = self.journey.stages.last().map(|stage| stage.base);
        let limits = (!self.assumed.limits.is_empty()).then_some(if self.exhausted {
            "exhausted"
        } else {
            "room"
        });
        json!({
            "version": 1,
            "packet": self.route(&self.sent.packet),
            "any_own": self.sent.any.iter().map(|whose| match whose {
                Whose::Source => "src",
                Whose::Destination => "dst",
            }).collect::<Vec<_>>(),
            "stages": stages.collect::<Vec<_>>(),
            "verdict": self.journey.fate.word(),
            "end": self.end(),
            "final": last.map(|base| witness_of(&self.journey.packet, base)),
            "assumed": {
                "limits": limits,
                "not_holding": self.assumed.failing.iter().map(|text| &**text).collect::<Vec<_>>(),
            },
        })
    }

    fn json_rule(&self, rule: &ToldRule) -> Value {
        json!({
            "place": rule.place.map(|span| self.place(span)),
            "call": rule.call.map(|span| self.place(span)),
            "user_chain": rule.chain.as_deref(),
            "text": rule.text,
            "does": rule.does,
            "logged": rule.is_logged,
        })
    }

    fn place(&self, span: Span) -> Place {
        Place::of(span, &self.asked.sources, &self.asked.names)
    }
}
