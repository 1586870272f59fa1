//! Statements as text, each with its place, so that a fault finds its way back to a rule.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use crate::net::{Duration, Families, Family, Interface};
use crate::resolve::policy::{DEFAULT_SET_SIZE, Dynamic, KernelChain, RejectWith};
use crate::ruleset::{KernelSet, TableName};
use crate::source::Span;
use crate::syntax::is_name;

use super::merge::{Piece, RawRule, Says};
use super::own::OwnSets;
use super::services::Services;
use super::side::Called;
use super::statement::{Address, Ends, Log, Statement, Verb};

/// Where a statement stands in the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Input,
    /// In a `forward` block.
    Forward,
    /// In an `output` block.
    Output,
    Chain,
    /// A translation, or a raw rule, at the top level.
    Nat,
    /// At the top level, where packets are changed.
    Mangle(KernelChain),
}

/// A policy while it is written.
pub(super) struct Writer<'a> {
    pub text: String,
    /// Which part of the text says which lines of the dumps.
    pub places: Vec<(Range<usize>, Vec<Span>)>,
    pub services: &'a Services,
    pub zones: &'a BTreeMap<Interface, String>,
    /// What chains are called here.
    pub names: &'a BTreeMap<Called, String>,
    /// Where hosts are, as the rules that let packets go there say.
    pub hosts: &'a BTreeMap<IpAddr, Interface>,
    /// What sets are called here.
    pub sets: &'a BTreeMap<Arc<str>, String>,
    /// Sets that are a policy's by their own.
    pub own: &'a OwnSets,
}

impl Writer<'_> {
    /// What a chain is called here.
    pub fn called(&self, table: TableName, name: &str) -> String {
        let known = self.names.get(&(table, Arc::from(name)));
        known.cloned().unwrap_or_else(|| name.to_owned())
    }

    /// `set NAME = …`, some networks a line.
    pub fn set(&self, set: &KernelSet) -> String {
        const A_LINE: usize = 5;
        let all: Vec<String> =
            set.networks().map(|network| Address::Network(network).to_string()).collect();
        let lines: Vec<String> = all.chunks(A_LINE).map(|some| some.join(", ")).collect();
        let name = self.sets.get(&set.name).map_or(&*set.name, String::as_str);
        format!("set {name} = {}", lines.join(",\n    "))
    }

    /// `set NAME dynamic timeout 1h size 1000`
    pub fn own_set(name: &str, set: &Dynamic) -> String {
        let mut line = format!("set {name} dynamic");
        if let Some(time) = set.timeout {
            let _ = write!(line, " timeout {time}");
        }
        if set.size != DEFAULT_SET_SIZE {
            let _ = write!(line, " size {}", set.size);
        }
        line
    }

    /// A statement or raw rule. `given` are the families that the list is about.
    pub fn piece(&mut self, piece: &Piece, place: Place, given: Families, indent: &str) {
        let line = match &piece.says {
            Says::Words(statement) => {
                let clause = family_clause(piece.families, statement, given);
                let line = self.statement(statement, place, clause, piece.plain);
                // What stands by itself is in no block of its own.
                let is_notrack = statement.verb == Verb::Notrack;
                let is_clamp = matches!(statement.verb, Verb::Clamp(_));
                let block = match place {
                    Place::Forward if is_notrack => Some("forward"),
                    Place::Output if is_notrack => Some("output"),
                    Place::Mangle(KernelChain::Forward) if !is_clamp => Some("forward"),
                    Place::Mangle(KernelChain::Output) => Some("output"),
                    Place::Input
                    | Place::Forward
                    | Place::Output
                    | Place::Chain
                    | Place::Nat
                    | Place::Mangle(_) => None,
                };
                block.map_or(line.clone(), |block| format!("{block} {{ {line} }}"))
            }
            Says::Raw => self.raws(&piece.raws, "\n"),
            Says::Dead => format!("# No packet meets this: {}", self.raws(&piece.raws, "; ")),
        };
        self.text.push_str(indent);
        let start = self.text.len();
        self.text.push_str(&line);
        self.places.push((start..self.text.len(), piece.lines.clone()));
        self.text.push('\n');
    }

    /// `raw v4 filter INPUT "…"`
    fn raws(&self, raws: &[RawRule], between: &str) -> String {
        let one = |RawRule { family, at: (table, chain), text, expect, .. }: &RawRule| {
            let family = if *family == Family::V4 { "v4" } else { "v6" };
            let rule =
                format!("raw {family} {table} {} {}", self.called(*table, chain), quoted(text));
            expect.iter().fold(rule, |rule, lint| format!("{} {{ {rule} }}", expects(lint)))
        };
        raws.iter().map(one).collect::<Vec<_>>().join(between)
    }

    /// `default reject input log "rest "`
    pub fn default(&self, ending: &Statement, direction: &str) -> String {
        let mut words = vec!["default".to_owned()];
        self.verb(&ending.verb, &mut words);
        words.push(direction.to_owned());
        if let Verb::Reject(with) = ending.verb {
            words.extend(answer(with).map(|with| format!("with {with}")));
        }
        words.extend(ending.log.iter().map(log_words));
        words.join(" ")
    }

    fn statement(
        &self,
        statement: &Statement,
        place: Place,
        family: Option<&str>,
        plain: bool,
    ) -> String {
        let mut words: Vec<String> = Vec::new();
        self.verb(&statement.verb, &mut words);
        let (subjects, sport) = self.services.subjects(&statement.parts, &statement.helped, !plain);
        let is_log = matches!(statement.verb, Verb::Log(_));
        if !subjects.is_empty() {
            words.push(subjects);
        } else if matches!(
            statement.verb,
            Verb::Allow | Verb::Drop | Verb::Reject(_) | Verb::Notrack
        ) {
            words.push("any".to_owned());
        }
        self.ends(statement, place, plain, &mut words);
        words.extend(sport.map(|ports| format!("sport {ports}")));
        words.extend(family.map(str::to_owned));
        words.extend(statement.clauses.iter().cloned());
        if let Verb::Snat(low, high) = statement.verb {
            words.push(format!("as {}", range(low, high)));
        }
        if let Verb::Reject(with) = statement.verb
            && let Some(with) = answer(with)
        {
            words.push(format!("with {with}"));
        }
        words.extend(statement.limits.iter().cloned());
        if let (Some(log), false) = (&statement.log, is_log) {
            words.push(log_words(log));
        }
        words.extend(statement.expect.map(expects));
        words.extend(statement.comment.iter().map(|text| format!("comment {}", quoted(text))));
        words.join(" ")
    }

    fn verb(&self, verb: &Verb, words: &mut Vec<String>) {
        let chain = |name: &str| self.called(TableName::Filter, name);
        words.push(match verb {
            Verb::Allow => "allow".to_owned(),
            Verb::Drop => "drop".to_owned(),
            Verb::Reject(_) => "reject".to_owned(),
            Verb::Log(log) => log_words(log),
            Verb::Return => "return".to_owned(),
            Verb::Jump(name) => format!("jump {}", chain(name)),
            Verb::Goto(name) => format!("goto {}", chain(name)),
            Verb::Masquerade => "masquerade".to_owned(),
            Verb::Snat(..) => "snat".to_owned(),
            Verb::Nonat => "nonat".to_owned(),
            Verb::Forward { .. } => "forward".to_owned(),
            Verb::Redirect { .. } => "redirect".to_owned(),
            Verb::Mark(mark) => format!("mark {mark}"),
            Verb::Dscp(dscp) => format!("dscp {dscp}"),
            Verb::Add { set, timeout } => {
                let time = timeout.map(|seconds| format!(" for {}", Duration::of_seconds(seconds)));
                format!("add {} to {set}{}", self.own.key(set), time.unwrap_or_default())
            }
            Verb::Notrack => "notrack".to_owned(),
            Verb::Help(helper) => format!("helper {helper}"),
            Verb::Clamp(None) => "clamp mss".to_owned(),
            Verb::Clamp(Some(size)) => format!("clamp mss {size}"),
        });
    }

    /// Where packets come from and go to.
    fn ends(&self, statement: &Statement, place: Place, plain: bool, words: &mut Vec<String>) {
        let zones = |interfaces: &[Interface]| -> Option<String> {
            let names = interfaces.iter().map(|one| self.zones.get(one).map(String::as_str));
            let names: Option<Vec<&str>> = names.collect();
            names.filter(|names| !names.is_empty() && !plain).map(|names| names.join(", "))
        };
        if place == Place::Nat && statement.is_about_an_exit() {
            words.extend(self.interfaces("", &statement.outgoing, plain));
            return words.push("out".to_owned());
        }
        let to_where = if let Verb::Forward { host, port, of_self } = statement.verb {
            let zone = self.hosts.get(&host).and_then(|out| self.zones.get(out));
            let zone = zone.filter(|_| !plain).map(|zone| format!("@{zone}"));
            let host = host_and_port(host, port);
            Some((of_self, format!("{host}{}", zone.unwrap_or_default())))
        } else if let Verb::Redirect { port, of_self } = statement.verb {
            Some((of_self, format!(":{port}")))
        } else {
            None
        };
        let has_zones = place != Place::Output && (place != Place::Nat || to_where.is_some());
        let clamps = matches!(statement.verb, Verb::Clamp(_));
        if let Some((false, _)) = to_where {
            words.push(self.list("at", &statement.to, "").unwrap_or_else(|| "at any".to_owned()));
        }
        if clamps && statement.incoming.is_empty() && statement.from.is_any() {
            words.push("from any".to_owned());
        }
        if clamps && statement.outgoing.is_empty() && statement.to.is_any() {
            words.push("to any".to_owned());
        }
        match zones(&statement.incoming).filter(|_| statement.from.is_any() && has_zones) {
            Some(zones) => words.push(format!("from {zones}")),
            None => {
                words.extend(self.list("from", &statement.from, ""));
                words.extend(self.interfaces("in", &statement.incoming, plain));
            }
        }
        if let Some((_, to_where)) = to_where {
            return words.push(format!("to {to_where}"));
        }
        if place == Place::Mangle(KernelChain::Prerouting) {
            return words.push("to self, any".to_owned());
        }
        let to_self = [Place::Input, Place::Mangle(KernelChain::Input)].contains(&place);
        let placed = if to_self { "@self" } else { "" };
        let is_list = |ends: &Ends| !ends.these.is_empty() && ends.except.is_empty();
        match zones(&statement.outgoing).filter(|_| has_zones) {
            Some(zones) if statement.to.is_any() => words.push(format!("to {zones}")),
            // A host of the zone.
            Some(zone) if is_list(&statement.to) && statement.outgoing.len() == 1 => {
                words.extend(self.list("to", &statement.to, &format!("@{zone}")));
            }
            Some(_) | None => {
                words.extend(self.list("to", &statement.to, placed));
                words.extend(self.interfaces("out", &statement.outgoing, plain));
            }
        }
    }

    fn list(&self, word: &str, ends: &Ends, placed: &str) -> Option<String> {
        if ends.is_any() {
            return None;
        }
        let all = |addresses: &[Address], placed: &str| {
            let one = |address: &Address| match address {
                Address::Set(name, _) => {
                    let name = self.sets.get(name).map_or(&**name, String::as_str);
                    format!("{name}{placed}")
                }
                Address::Network(_) | Address::Range(..) | Address::Own(_) => {
                    format!("{address}{placed}")
                }
            };
            addresses.iter().map(one).collect::<Vec<_>>().join(", ")
        };
        let these = match &ends.these[..] {
            [] => "any".to_owned(),
            these => all(these, placed),
        };
        Some(match &ends.except[..] {
            [] => format!("{word} {these}"),
            except => format!("{word} {these} except {}", all(except, "")),
        })
    }

    fn interfaces(&self, word: &str, interfaces: &[Interface], plain: bool) -> Option<String> {
        let one = |interface: &Interface| match self.zones.get(interface).filter(|_| !plain) {
            Some(zone) => zone.clone(),
            None => self::interface(interface, plain),
        };
        let names: Vec<String> = interfaces.iter().map(one).collect();
        let word = if word.is_empty() { String::new() } else { format!("{word} ") };
        (!names.is_empty()).then(|| format!("{word}{}", names.join(", ")))
    }
}

/// The clause that keeps a statement to the family that it comes from.
fn family_clause(own: Families, statement: &Statement, given: Families) -> Option<&'static str> {
    let family = match (own.v4, own.v6) {
        (true, false) => Family::V4,
        (false, true) => Family::V6,
        (true, true) | (false, false) => return None,
    };
    // What is excepted in one family is not in the other: there the rule would be about all.
    let excepts = [&statement.from, &statement.to].into_iter().any(|ends| !ends.except.is_empty());
    if (own == given && !excepts) || statement.says_family(family) {
        return None;
    }
    Some(match family {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    })
}

/// That something is wrong with a statement, as it was with the rules.
pub(super) fn expects(lint: &str) -> String {
    format!("expect {lint} \"so it was imported\"")
}

/// A policy without any of these words: they stand behind a statement, or around a raw rule.
pub(super) fn without_expectations(text: &str, lints: &BTreeSet<&str>) -> String {
    let words: Vec<String> = lints.iter().map(|lint| expects(lint)).collect();
    let around = |line: &str| {
        let starts = words.iter().find_map(|word| line.strip_prefix(word)?.strip_prefix(" { "));
        Some(starts?.strip_suffix(" }")?.to_owned())
    };
    let bare = |line: &str| {
        let mut line = line.to_owned();
        while let Some(inner) = around(&line) {
            line = inner;
        }
        words.iter().fold(line, |line, word| line.replace(&format!(" {word}"), ""))
    };
    text.lines().map(bare).collect::<Vec<_>>().join("\n")
}

/// An interface by its name; in quotes where it could be taken for something else.
pub(super) fn interface(interface: &Interface, plain: bool) -> String {
    let stem = interface.stem();
    // `wg+` reads as a name with a sign behind it.
    if !plain && (is_name(stem) || interface.is_wildcard() && is_name(stem.trim_end_matches('-'))) {
        return interface.to_string();
    }
    quoted(&interface.to_string())
}

fn log_words(log: &Log) -> String {
    const LEVELS: [&str; 8] =
        ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];
    let mut text = "log".to_owned();
    if let Some(prefix) = &log.prefix {
        let _ = write!(text, " {}", quoted(prefix));
    }
    if let Some(level) = LEVELS.get(usize::from(log.level)).filter(|_| log.level != 4) {
        let _ = write!(text, " level {level}");
    }
    let _ = match log.rate {
        Some((rate, burst)) => write!(text, " rate {rate} burst {burst}"),
        None => write!(text, " rate unlimited"),
    };
    text
}

/// What stands after `with`; `None` for what `reject` means by itself.
fn answer(with: RejectWith) -> Option<&'static str> {
    (with != RejectWith::PortUnreachable).then(|| with.name())
}

/// `10.0.0.2:8443`, `[fd00::2]:8443`
fn host_and_port(host: std::net::IpAddr, port: Option<u16>) -> String {
    match port {
        Some(port) => std::net::SocketAddr::new(host, port).to_string(),
        None => host.to_string(),
    }
}

fn range(low: std::net::IpAddr, high: std::net::IpAddr) -> String {
    if low == high { low.to_string() } else { format!("{low}-{high}") }
}

/// A string of the language.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        if c == '"' || c == '\\' {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}
