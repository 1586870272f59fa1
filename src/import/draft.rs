//! A policy as text, from rulesets and the choices how to write them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::emit::rule_text;
use crate::net::{Families, Family, Interface};
use crate::ruleset::{KernelSet, MatchKind, OpaqueEnd, Origin, Rule, Ruleset, TableName, Target};
use crate::source::Span;

use super::apart::Apart;
use super::ending::Ending;
use super::helping::Helping;
use super::implicit;
use super::merge::{self, Piece, RawRule, Says};
use super::names::Taken;
use super::own::OwnSets;
use super::reading::{Standing, statement};
use super::services::Services;
use super::side::Side;
use super::statement::Statement;
use super::write::{Place, Writer, interface};
use super::{Choices, Counts, Dumps, Level, lists, names};

/// A policy that was written.
pub(super) struct Draft {
    pub text: String,
    pub counts: Counts,
    places: Vec<(Range<usize>, Vec<Span>)>,
}

impl Draft {
    /// The lines of the dumps that what stands at a byte says.
    pub fn lines_at(&self, byte: usize) -> Option<&[Span]> {
        let at = self.places.partition_point(|(range, _)| range.end <= byte);
        let (range, lines) = self.places.get(at)?;
        range.contains(&byte).then_some(&lines[..])
    }
}

/// Writes rules as the choices say.
pub(super) fn draft(dumps: &Dumps<'_>, choices: &Choices, services: &Services) -> Draft {
    let sides = [dumps.v4, dumps.v6].into_iter().flatten();
    let sides: Vec<Side<'_>> = sides.map(Side::of).collect();
    let rulesets: Vec<&Ruleset> = sides.iter().map(|side| side.ruleset).collect();
    let own = OwnSets::told(&rulesets);
    let mut zones = if choices.zones { names::zones(&rulesets) } else { BTreeMap::new() };
    zones.retain(|_, name| !own.has(name));
    let (chain_names, taken) = names::chain_names(sides.iter().flat_map(|side| &side.used));
    let hosts = names::hosts(&rulesets);
    let sets = lists::known_sets(&rulesets);
    let set_names = lists::set_names(&sets, &zones, &own);
    let writer = Writer {
        text: String::new(),
        places: Vec::new(),
        services,
        zones: &zones,
        names: &chain_names,
        hosts: &hosts,
        sets: &set_names,
        own: &own,
    };
    let idle = sides.iter().map(|side| side.idle).sum();
    let counts = Counts { idle, ..Counts::default() };
    let given = dumps.families();
    let apart = Apart::default();
    let helping = Helping::default();
    let mut drafting = Drafting { sides, choices, given, writer, counts, taken, apart, helping };
    drafting.find_helped();
    drafting.policy(dumps, &zones, &sets);
    let Writer { text, places, .. } = drafting.writer;
    Draft { text, counts: drafting.counts, places }
}

pub(super) struct Drafting<'a> {
    pub sides: Vec<Side<'a>>,
    pub choices: &'a Choices,
    pub given: Families,
    pub writer: Writer<'a>,
    pub counts: Counts,
    /// The names of chains.
    pub taken: Taken,
    pub apart: Apart,
    pub helping: Helping,
}

/// A chain of the kernel in the filter, with the language's word for its direction.
pub(super) struct Body {
    pub word: &'static str,
    pub place: Place,
    pieces: Vec<Piece>,
    pub ending: Ending,
}

/// In the order written.
const HOOKS: [(&str, &str, Place); 3] = [
    ("INPUT", "input", Place::Input),
    ("FORWARD", "forward", Place::Forward),
    ("OUTPUT", "output", Place::Output),
];

impl Drafting<'_> {
    fn policy(
        &mut self,
        dumps: &Dumps<'_>,
        zones: &BTreeMap<Interface, String>,
        sets: &[Arc<KernelSet>],
    ) {
        self.head(dumps);
        for (interface, zone) in zones {
            self.line(&format!("zone {zone} = {}", self::interface(interface, false)));
        }
        for set in sets {
            let line = self.writer.set(set);
            self.line(&line);
        }
        for (name, set) in self.writer.own.iter() {
            self.line(&Writer::own_set(name, set));
        }
        if !zones.is_empty() || !sets.is_empty() || !self.writer.own.is_empty() {
            self.line("");
        }
        let mut bodies = Vec::new();
        for (chain, word, place) in HOOKS {
            let mut pieces = self.chain(TableName::Filter, chain);
            let ending = self.ending(chain, &mut pieces);
            let pieces = merge::lists(merge::settled(merge::logged(pieces)));
            bodies.push(Body { word, place, pieces, ending });
        }
        let chains = self.chains_of(TableName::Filter);
        let lists = bodies.iter().map(|body| &body.pieces[..]);
        self.find_shared(lists.chain(chains.iter().map(|chain| &chain.pieces[..])));
        self.defaults(&bodies);
        self.implicit();
        for Body { word, place, pieces, ending } in bodies {
            let pieces = self.apart(None, &pieces);
            self.base_chain(word, place, &pieces, &ending);
        }
        self.chains(TableName::Filter, chains);
        for table in [TableName::Nat, TableName::Mangle, TableName::Raw, TableName::Security] {
            self.other_table(table);
        }
        while self.writer.text.ends_with("\n\n") {
            self.writer.text.pop();
        }
    }

    fn head(&mut self, dumps: &Dumps<'_>) {
        self.line(&format!("# Imported from {}.", dumps.names));
        let other = match (dumps.v4, dumps.v6) {
            (Some(_), None) => Some("IPv6"),
            (None, Some(_)) => Some("IPv4"),
            (Some(_), Some(_)) | (None, None) => None,
        };
        if let Some(other) = other {
            self.line(&format!(
                "# Of {other} nothing was given: what names no address and no family holds there too."
            ));
        }
        self.line("");
    }

    pub(super) fn line(&mut self, line: &str) {
        self.writer.text.push_str(line);
        self.writer.text.push('\n');
    }

    /// The rules of a chain, of both families.
    pub(super) fn chain(&mut self, table: TableName, name: &str) -> Vec<Piece> {
        let mut lists = [Vec::new(), Vec::new()];
        for side in &self.sides {
            let family = side.ruleset.family;
            let chain = side.chain(table, name).filter(|chain| side.uses(table, chain));
            let Some(chain) = chain else { continue };
            let said = match chain.policy {
                Some(_) if table == TableName::Filter => {
                    let implicit = &self.choices.implicit;
                    implicit::said_by(&chain.rules, family, name, implicit)
                }
                Some(_) | None => vec![false; chain.rules.len()],
            };
            self.counts.implicit += said.iter().filter(|said| **said).count();
            let kept = side.kept(table, chain);
            let rules = chain.rules.iter().take(kept).zip(said);
            let rules = rules.filter(|(rule, said)| !said && !side.is_idle(table, rule));
            let standing = Standing::of(table, name);
            let pieces = rules.map(|(rule, _)| self.said(side, rule, (table, name), standing));
            lists[usize::from(family == Family::V6)] = pieces.collect();
        }
        let [v4, v6] = lists;
        merge::together(v4, v6)
    }

    /// What a rule of a chain says.
    pub(super) fn said(
        &self,
        side: &Side<'_>,
        rule: &Rule,
        at: (TableName, &str),
        standing: Option<Standing>,
    ) -> Piece {
        match &rule.target {
            // The end of the other chain is the end of this one.
            Target::Goto(to) if side.does_nothing(at.0, to) => {
                let rule = Rule { target: Target::Return, ..rule.clone() };
                self.piece(side, &rule, at, standing)
            }
            // All that it does is count.
            Target::Jump(to) if side.does_nothing(at.0, to) => {
                let nothing =
                    Target::Opaque { text: "".into(), end: OpaqueEnd::GoesOn, changes: &[] };
                let rule = Rule { target: nothing, ..rule.clone() };
                self.piece(side, &rule, at, standing)
            }
            _ => self.piece(side, rule, at, standing),
        }
    }

    fn piece(
        &self,
        side: &Side<'_>,
        rule: &Rule,
        at: (TableName, &str),
        standing: Option<Standing>,
    ) -> Piece {
        let family = side.ruleset.family;
        let line = line_of(rule);
        let level = self.level(rule);
        let expect: Vec<&'static str> =
            line.map(|line| self.choices.expected(line)).unwrap_or_default();
        let words = standing.and_then(|standing| self.words(side, rule, standing));
        // What is expected is said of one statement, once.
        let words = words.filter(|said| match expect[..] {
            [] => true,
            [_] => said.unless.is_empty(),
            [..] => false,
        });
        let says = match words {
            _ if line.is_some_and(|line| self.choices.dead.contains(&line)) => Says::Dead,
            Some(statement) => {
                let expect = expect.first().copied();
                Says::Words(Box::new(Statement { expect, ..statement }))
            }
            None => Says::Raw,
        };
        Piece {
            families: Families::only(family),
            lines: line.into_iter().collect(),
            says,
            raws: vec![RawRule { expect, ..self.raw(rule, family, at) }],
            plain: level != Level::Free,
        }
    }

    /// The words that a rule has, unless it is to have those of iptables.
    pub(super) fn words(
        &self,
        side: &Side<'_>,
        rule: &Rule,
        standing: Standing,
    ) -> Option<Statement> {
        if self.level(rule) == Level::Raw || side.counts_with_others(rule) {
            return None;
        }
        let family = side.ruleset.family;
        let mut said = statement(rule, family, standing)?;
        if self.level(rule) == Level::Free {
            said.helped = self.helped(&said, family);
        }
        Some(said)
    }

    fn level(&self, rule: &Rule) -> Level {
        line_of(rule).map(|line| self.choices.level(line)).unwrap_or_default()
    }

    /// `raw v4 filter INPUT "…"`
    fn raw(&self, rule: &Rule, family: Family, (table, chain): (TableName, &str)) -> RawRule {
        let mut rule = rule.clone();
        if let Target::Jump(name) | Target::Goto(name) = &mut rule.target {
            *name = self.writer.called(table, name).into();
        }
        // A table of `hashlimit` is one by its name, whoever asks it.
        let counts = |kind: &MatchKind| {
            kind.depends_on_history() && !matches!(kind, MatchKind::Hashlimit(_))
        };
        let mut text = rule_text(&rule, family);
        // It counts all packets; a text without a word looks like one that was forgotten.
        if text.is_empty() {
            text.push_str("-p all");
        }
        RawRule {
            family,
            at: (table, chain.into()),
            text,
            leaves: matches!(rule.target, Target::Return | Target::Goto(_)),
            counts: rule.matches.iter().any(|found| counts(&found.kind)),
            expect: Vec::new(),
        }
    }

    fn base_chain(&mut self, word: &str, place: Place, pieces: &[Piece], ending: &Ending) {
        let in_block = place != Place::Input;
        let mut open = false;
        let is_empty = pieces.is_empty() && ending.open.is_none();
        for piece in pieces {
            let is_raw = !matches!(piece.says, Says::Words(_));
            if in_block && open == is_raw {
                let brace = if is_raw { "}".to_owned() } else { format!("{word} {{") };
                self.line(&brace);
                open = !is_raw;
            }
            self.put(piece, place, self.given, if open { "    " } else { "" });
        }
        if let Some(family) = ending.open {
            let family = if family == Family::V4 { "ipv4" } else { "ipv6" };
            let line = match (open, in_block) {
                (false, true) => format!("{word} {{ allow any {family} }}"),
                (true, _) => format!("    allow any {family}"),
                (false, false) => format!("allow any {family}"),
            };
            self.line(&line);
        }
        if open {
            self.line("}");
        }
        if !is_empty {
            self.line("");
        }
    }

    pub(super) fn put(&mut self, piece: &Piece, place: Place, given: Families, indent: &str) {
        match piece.says {
            Says::Words(_) => self.counts.statements += 1,
            Says::Raw => {
                self.counts.raw += piece.lines.len();
                self.counts.raw_statements += piece.raws.len();
            }
            Says::Dead => self.counts.idle += piece.lines.len(),
        }
        self.writer.piece(piece, place, given, indent);
    }
}

pub(super) fn line_of(rule: &Rule) -> Option<Span> {
    match rule.origin {
        Origin::Read(span) => Some(span),
        Origin::Implicit(_) | Origin::Default(_) | Origin::Statement { .. } => None,
    }
}
