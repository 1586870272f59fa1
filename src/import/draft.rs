//! A policy as text, from rulesets and the choices how to write them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use crate::emit::rule_text;
use crate::net::{Families, Family, Interface};
use crate::resolve::policy::RejectWith;
use crate::ruleset::{
    Chain, ChainPolicy, DOCKER_USER, Origin, Rule, Ruleset, Table, TableName, Target,
};
use crate::source::Span;

use super::implicit::{self, Kind};
use super::merge::{self, Piece, Says};
use super::services::Services;
use super::statement::{Log, Standing, Statement, Verb, statement};
use super::write::{Place, Writer, interface, quoted};
use super::{Choices, Counts, Dumps, Level, names};

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
    let zones = if choices.zones { names::zones(&rulesets) } else { BTreeMap::new() };
    let (chain_names, taken) = names::chain_names(sides.iter().flat_map(|side| &side.used));
    let writer = Writer {
        text: String::new(),
        places: Vec::new(),
        services,
        zones: &zones,
        names: &chain_names,
    };
    let rules = sides.iter().map(|side| side.ruleset.rule_count()).sum();
    let idle = sides.iter().map(|side| side.idle).sum();
    let counts = Counts { rules, idle, ..Counts::default() };
    let given = dumps.families();
    let mut drafting = Drafting { sides, choices, given, writer, counts, taken };
    drafting.policy(dumps, &zones);
    let Writer { text, places, .. } = drafting.writer;
    Draft { text, counts: drafting.counts, places }
}

/// The rules of one family, and what of them is used.
struct Side<'a> {
    ruleset: &'a Ruleset,
    /// The chains of each table that something jumps to and that do something, in the order declared.
    used: Vec<Called>,
    /// Those that do nothing.
    empty: BTreeSet<Called>,
    idle: usize,
}

/// A chain by its table and its name there.
pub(super) type Called = (TableName, Arc<str>);

impl<'a> Side<'a> {
    fn of(ruleset: &'a Ruleset) -> Self {
        let mut side = Side { ruleset, used: Vec::new(), empty: BTreeSet::new(), idle: 0 };
        for table in &ruleset.tables {
            side.find_empty(table);
            side.find_used(table);
        }
        side
    }

    fn find_used(&mut self, table: &Table) {
        let mut reached: BTreeSet<&Arc<str>> = BTreeSet::new();
        // Docker's own rules jump there.
        let is_entered = |chain: &&Chain| {
            chain.policy.is_some() || table.name == TableName::Filter && &*chain.name == DOCKER_USER
        };
        let mut waiting: Vec<&Chain> = table.chains.iter().filter(is_entered).collect();
        reached.extend(waiting.iter().map(|chain| &chain.name));
        while let Some(chain) = waiting.pop() {
            for rule in chain.rules.iter().filter(|rule| !self.is_idle(table.name, rule)) {
                // Who goes to an empty chain is written to return.
                let is_end = |rule: &Rule| matches!(&rule.target, Target::Goto(name) if self.does_nothing(table.name, name));
                if let Target::Jump(name) | Target::Goto(name) = &rule.target
                    && !is_end(rule)
                    && let Some(next) = table.chain(name)
                    && reached.insert(&next.name)
                {
                    waiting.push(next);
                }
            }
        }
        for chain in &table.chains {
            let is_used = reached.contains(&chain.name);
            let is_idle = |rule: &&Rule| !is_used || self.is_idle(table.name, rule);
            self.idle += chain.rules.iter().filter(is_idle).count();
            if is_used && chain.policy.is_none() {
                self.used.push((table.name, Arc::clone(&chain.name)));
            }
        }
    }

    /// Chains without a rule, or with nothing but jumps to such chains.
    fn find_empty(&mut self, table: &Table) {
        loop {
            let is_empty = |chain: &&Chain| {
                chain.policy.is_none()
                    && !self.empty.contains(&(table.name, Arc::clone(&chain.name)))
                    && chain.rules.iter().all(|rule| self.is_idle(table.name, rule))
            };
            let empty = table.chains.iter().filter(is_empty);
            let new: Vec<Called> =
                empty.map(|chain| (table.name, Arc::clone(&chain.name))).collect();
            if new.is_empty() {
                return;
            }
            self.empty.extend(new);
        }
    }

    fn does_nothing(&self, table: TableName, chain: &Arc<str>) -> bool {
        self.empty.contains(&(table, Arc::clone(chain)))
    }

    /// Whether a rule jumps to a chain that does nothing.
    fn is_idle(&self, table: TableName, rule: &Rule) -> bool {
        matches!(&rule.target, Target::Jump(name) if self.does_nothing(table, name))
            && !rule.matches.iter().any(|found| found.kind.depends_on_history())
    }

    /// Whether packets come to a chain.
    fn uses(&self, table: TableName, chain: &Chain) -> bool {
        let is_it = |(of, name): &Called| *of == table && *name == chain.name;
        chain.policy.is_some() || self.used.iter().any(is_it)
    }

    fn chain(&self, table: TableName, name: &str) -> Option<&'a Chain> {
        self.ruleset.table(table)?.chain(name)
    }

    fn filter(&self, name: &str) -> Option<&'a Chain> {
        self.chain(TableName::Filter, name)
    }
}

/// What the end of a chain does.
struct Ending {
    verdict: Verb,
    log: Option<Log>,
    lines: Vec<Span>,
    /// The family for which it is not the default; there a rule at the end accepts.
    open: Option<Family>,
}

struct Drafting<'a> {
    sides: Vec<Side<'a>>,
    choices: &'a Choices,
    given: Families,
    writer: Writer<'a>,
    counts: Counts,
    /// The names of chains.
    taken: BTreeSet<String>,
}

/// The chains of the filter, in the order written, with the language's word for their direction.
const HOOKS: [(&str, &str, Place); 3] = [
    ("INPUT", "input", Place::Input),
    ("FORWARD", "forward", Place::Forward),
    ("OUTPUT", "output", Place::Output),
];

impl Drafting<'_> {
    fn policy(&mut self, dumps: &Dumps<'_>, zones: &BTreeMap<Interface, String>) {
        self.head(dumps);
        for (interface, zone) in zones {
            self.line(&format!("zone {zone} = {}", self::interface(interface, false)));
        }
        let mut bodies = Vec::new();
        for (chain, word, place) in HOOKS {
            let mut pieces = self.chain(TableName::Filter, chain);
            let ending = self.ending(chain, &mut pieces);
            bodies.push((word, place, merge::lists(merge::logged(pieces)), ending));
        }
        if !zones.is_empty() {
            self.line("");
        }
        self.defaults(&bodies);
        self.implicit();
        for (word, place, pieces, ending) in bodies {
            self.base_chain(word, place, &pieces, &ending);
        }
        self.chains(TableName::Filter);
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

    fn line(&mut self, line: &str) {
        self.writer.text.push_str(line);
        self.writer.text.push('\n');
    }

    /// The rules of a chain, of both families.
    fn chain(&mut self, table: TableName, name: &str) -> Vec<Piece> {
        let standing = match (table, name) {
            (TableName::Filter, _) => Some(Standing::Filter),
            (TableName::Nat, "POSTROUTING") => Some(Standing::Postrouting),
            (TableName::Mangle, "FORWARD") => Some(Standing::MangleForward),
            (TableName::Nat | TableName::Mangle | TableName::Raw | TableName::Security, _) => None,
        };
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
            let rules = chain.rules.iter().zip(said);
            let rules = rules.filter(|(rule, said)| !said && !side.is_idle(table, rule));
            let pieces = rules.map(|(rule, _)| match &rule.target {
                // The end of the other chain is the end of this one.
                Target::Goto(to) if side.does_nothing(table, to) => {
                    let rule = Rule { target: Target::Return, ..rule.clone() };
                    self.piece(&rule, family, table, name, standing)
                }
                _ => self.piece(rule, family, table, name, standing),
            });
            let mut pieces: Vec<Piece> = pieces.collect();
            if chain.policy == Some(ChainPolicy::Drop) && table != TableName::Filter {
                let raw = self.raw_line("-j DROP", family, table, name);
                pieces.push(Piece {
                    families: Families::only(family),
                    lines: Vec::new(),
                    says: Says::Raw(family),
                    raws: vec![raw],
                    plain: true,
                });
            }
            lists[usize::from(family == Family::V6)] = pieces;
        }
        let [v4, v6] = lists;
        merge::together(v4, v6)
    }

    fn piece(
        &self,
        rule: &Rule,
        family: Family,
        table: TableName,
        chain: &str,
        standing: Option<Standing>,
    ) -> Piece {
        let line = line_of(rule);
        let level = line.map(|line| self.choices.level(line)).unwrap_or_default();
        let standing = standing.filter(|_| level != Level::Raw);
        let words = standing.and_then(|standing| statement(rule, family, standing));
        let expect = line.and_then(|line| self.choices.expected.get(&line)).copied();
        let says = match words {
            Some(statement) => Says::Words(Box::new(Statement { expect, ..statement })),
            None if expect.is_some() => Says::Dead,
            None => Says::Raw(family),
        };
        Piece {
            families: Families::only(family),
            lines: line.into_iter().collect(),
            says,
            raws: vec![self.raw(rule, family, table, chain)],
            plain: level != Level::Free,
        }
    }

    /// `raw v4 filter INPUT "…"`
    fn raw(&self, rule: &Rule, family: Family, table: TableName, chain: &str) -> String {
        let mut rule = rule.clone();
        if let Target::Jump(name) | Target::Goto(name) = &mut rule.target {
            *name = self.writer.called(table, name).into();
        }
        self.raw_line(&rule_text(&rule, family), family, table, chain)
    }

    fn raw_line(&self, text: &str, family: Family, table: TableName, chain: &str) -> String {
        let word = match family {
            Family::V4 => "v4",
            Family::V6 => "v6",
        };
        let chain = self.writer.called(table, chain);
        format!("raw {word} {table} {chain} {}", quoted(text))
    }

    /// What a chain of the kernel does at its end. What the rules say there of all packets is taken
    /// from them.
    fn ending(&mut self, chain: &str, pieces: &mut Vec<Piece>) -> Ending {
        let policy = |side: &Side<'_>| {
            side.filter(chain).and_then(|chain| chain.policy).unwrap_or(ChainPolicy::Accept)
        };
        let policies: Vec<(Family, ChainPolicy)> =
            self.sides.iter().map(|side| (side.ruleset.family, policy(side))).collect();
        let drops = policies.iter().any(|(_, policy)| *policy == ChainPolicy::Drop);
        let open = policies.iter().find(|(_, policy)| *policy == ChainPolicy::Accept);
        let verdict = if drops { Verb::Drop } else { Verb::Allow };
        let open = open.filter(|_| drops).map(|(family, _)| *family);
        let mut ending = Ending { verdict, log: None, lines: Vec::new(), open };
        let given = self.given;
        let takes = |piece: &Piece| match &piece.says {
            Says::Words(said)
                if !piece.plain
                    && piece.families == given
                    && said.is_about_all()
                    && said.comment.is_none() =>
            {
                Some(said.verb.clone())
            }
            Says::Words(_) | Says::Raw(_) | Says::Dead => None,
        };
        match pieces.last().and_then(takes) {
            Some(verdict @ (Verb::Allow | Verb::Drop)) => ending.verdict = verdict,
            Some(Verb::Reject(with)) if with != RejectWith::TcpReset => {
                ending.verdict = Verb::Reject(with);
            }
            _ => {
                if open.is_none() {
                    self.log_at_end(pieces, &mut ending, takes);
                }
                return ending;
            }
        }
        ending.open = None;
        self.counts.implicit += pieces.last().map_or(0, |piece| piece.lines.len());
        ending.lines.extend(pieces.pop().into_iter().flat_map(|piece| piece.lines));
        self.log_at_end(pieces, &mut ending, takes);
        ending
    }

    fn log_at_end(
        &mut self,
        pieces: &mut Vec<Piece>,
        ending: &mut Ending,
        takes: impl Fn(&Piece) -> Option<Verb>,
    ) {
        if let Some(Verb::Log(log)) = pieces.last().and_then(takes) {
            ending.log = Some(log);
            self.counts.implicit += pieces.last().map_or(0, |piece| piece.lines.len());
            ending.lines.extend(pieces.pop().into_iter().flat_map(|piece| piece.lines));
        }
    }

    fn defaults(&mut self, bodies: &[(&str, Place, Vec<Piece>, Ending)]) {
        let mut written = false;
        for (word, place, _, ending) in bodies {
            let built_in = if *place == Place::Output { Verb::Allow } else { Verb::Drop };
            if ending.verdict == built_in && ending.log.is_none() {
                continue;
            }
            let mut statement = Statement::new(ending.verdict.clone());
            statement.log.clone_from(&ending.log);
            let start = self.writer.text.len();
            let line = self.writer.default(&statement, word);
            self.line(&line);
            let end = start + line.len();
            self.writer.places.push((start..end, ending.lines.clone()));
            written = true;
        }
        if written && self.choices.implicit.0.len() == Kind::ALL.len() {
            self.line("");
        }
    }

    fn implicit(&mut self) {
        let implicit = &self.choices.implicit.0;
        if implicit.len() == Kind::ALL.len() {
            return;
        }
        let names: Vec<&str> = implicit.iter().map(|kind| kind.name()).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        self.line(&format!("implicit {names}"));
        self.line("");
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

    fn put(&mut self, piece: &Piece, place: Place, given: Families, indent: &str) {
        match piece.says {
            Says::Words(_) => self.counts.statements += 1,
            Says::Raw(_) => self.counts.raw += piece.lines.len(),
            Says::Dead => self.counts.idle += piece.lines.len(),
        }
        self.writer.piece(piece, place, given, indent);
    }

    /// The chains of a table that are used, in the order in which they are declared.
    fn chains(&mut self, table: TableName) {
        let mut order: Vec<(Arc<str>, Families)> = Vec::new();
        for side in &self.sides {
            let own = Families::only(side.ruleset.family);
            for (_, name) in side.used.iter().filter(|(of, _)| *of == table) {
                match order.iter_mut().find(|(known, _)| known == name) {
                    Some((_, families)) => *families = Families::BOTH,
                    None => order.push((Arc::clone(name), own)),
                }
            }
        }
        for (name, families) in order {
            let mut pieces = merge::lists(merge::logged(self.chain(table, &name)));
            if pieces.is_empty() && table != TableName::Filter {
                // The table of a chain is that of its rules.
                pieces.extend(self.nothing(table, &name, families));
            }
            let called = self.writer.called(table, &name);
            self.user_chain(&called, pieces, families);
            self.line("");
        }
    }

    /// A rule that does nothing at the end of a chain, of one family.
    fn nothing(&self, table: TableName, chain: &str, families: Families) -> Option<Piece> {
        let family = Family::BOTH.into_iter().find(|family| families.contains(*family))?;
        let raws = vec![self.raw_line("-j RETURN", family, table, chain)];
        let families = Families::only(family);
        let says = Says::Raw(family);
        Some(Piece { families, lines: Vec::new(), says, raws, plain: true })
    }

    /// A chain. Raw rules stand behind those in braces; what comes behind them in the dump is in a chain
    /// of its own that they go to.
    fn user_chain(&mut self, name: &str, mut pieces: Vec<Piece>, families: Families) {
        let mut part = name.to_owned();
        for number in 2.. {
            let Segment { words, raws, rest } = Segment::first(pieces);
            let brace = if words.is_empty() { " }" } else { "" };
            self.line(&format!("chain {part} {{{brace}"));
            for piece in &words {
                self.put(piece, Place::Chain, families, "    ");
            }
            if !words.is_empty() {
                self.line("}");
            }
            let is_one = matches!(&rest[..], [piece] if piece.raws.len() == 1);
            let (tail, rest) = if is_one { (rest, Vec::new()) } else { (Vec::new(), rest) };
            for mut piece in raws.into_iter().chain(tail) {
                for raw in &mut piece.raws {
                    *raw = in_chain(raw, &part);
                }
                piece.says = match piece.says {
                    Says::Raw(family) => Says::Raw(family),
                    Says::Dead => Says::Dead,
                    Says::Words(statement) if statement.expect.is_some() => Says::Dead,
                    // A last rule needs no chain of its own.
                    Says::Words(_) if piece.families.v4 => Says::Raw(Family::V4),
                    Says::Words(_) => Says::Raw(Family::V6),
                };
                self.put(&piece, Place::Chain, families, "");
            }
            if rest.is_empty() {
                return;
            }
            let next = names::free(&format!("{name}-{number}"), &mut self.taken);
            let go_on = |family: &Family| rest.iter().any(|piece| piece.families.contains(*family));
            for family in Family::BOTH.into_iter().filter(go_on) {
                let word = if family == Family::V4 { "v4" } else { "v6" };
                self.line(&format!("raw {word} filter {part} \"-g {next}\""));
            }
            (part, pieces) = (next, rest);
        }
    }

    /// A table whose rules are not the filter's.
    fn other_table(&mut self, table: TableName) {
        let start = self.writer.text.len();
        self.chains(table);
        for chain in table.built_in_chains() {
            let place = match (table, *chain) {
                (TableName::Mangle, "FORWARD") => Place::Forward,
                _ => Place::Nat,
            };
            for piece in self.chain(table, chain) {
                self.put(&piece, place, self.given, "");
            }
        }
        if self.writer.text.len() > start {
            self.line("");
        }
    }
}

/// The part of a chain that stands in one chain of the policy: of each family its rules up to the first
/// that must stand behind raw ones.
#[derive(Default)]
struct Segment {
    words: Vec<Piece>,
    raws: Vec<Piece>,
    rest: Vec<Piece>,
}

impl Segment {
    fn first(pieces: Vec<Piece>) -> Self {
        let mut segment = Segment::default();
        let mut behind_raw = Families::NONE;
        let mut left = Families::NONE;
        for piece in pieces {
            let meets = |families: Families| !families.intersection(piece.families).is_empty();
            let is_raw = !matches!(piece.says, Says::Words(_));
            let own = piece.families;
            if meets(left) || (!is_raw && meets(behind_raw)) {
                left = Families { v4: left.v4 || own.v4, v6: left.v6 || own.v6 };
                segment.rest.push(piece);
            } else if is_raw {
                behind_raw = Families { v4: behind_raw.v4 || own.v4, v6: behind_raw.v6 || own.v6 };
                segment.raws.push(piece);
            } else {
                segment.words.push(piece);
            }
        }
        segment
    }
}

/// A raw rule for a chain of another name.
fn in_chain(line: &str, chain: &str) -> String {
    let mut words = line.splitn(5, ' ');
    let mut next = || words.next().unwrap_or_default();
    let (raw, family, table, _, text) = (next(), next(), next(), next(), next());
    format!("{raw} {family} {table} {chain} {text}")
}

fn line_of(rule: &Rule) -> Option<Span> {
    match rule.origin {
        Origin::Read(span) => Some(span),
        Origin::Implicit(_) | Origin::Default(_) | Origin::Statement { .. } => None,
    }
}
