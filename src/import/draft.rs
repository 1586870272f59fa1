//! A policy as text, from rulesets and the choices how to write them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use crate::emit::rule_text;
use crate::net::{Families, Family, Interface};
use crate::resolve::policy::RejectWith;
use crate::ruleset::{
    Chain, ChainPolicy, Origin, Rule, Ruleset, Table, TableName, Target,
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
    let all_chains: BTreeSet<&Arc<str>> = sides.iter().flat_map(|side| &side.used).collect();
    let chain_names = names::chain_names(all_chains.iter().copied());
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
    let taken = all_chains.iter().map(|name| name.to_string()).collect();
    let mut drafting = Drafting { sides, choices, given, writer, counts, taken };
    drafting.policy(dumps, &zones);
    let Writer { text, places, .. } = drafting.writer;
    Draft { text, counts: drafting.counts, places }
}

/// The rules of one family, and what of them is used.
struct Side<'a> {
    ruleset: &'a Ruleset,
    /// The chains of the filter that something jumps to and that do something, in the order declared.
    used: Vec<Arc<str>>,
    /// Those that do nothing.
    empty: BTreeSet<Arc<str>>,
    idle: usize,
}

impl<'a> Side<'a> {
    fn of(ruleset: &'a Ruleset) -> Self {
        let mut side = Side { ruleset, used: Vec::new(), empty: BTreeSet::new(), idle: 0 };
        let Some(table) = ruleset.table(TableName::Filter) else { return side };
        side.find_empty(table);
        let mut reached: BTreeSet<&Arc<str>> = BTreeSet::new();
        let built_in = table.chains.iter().filter(|chain| chain.policy.is_some());
        let mut waiting: Vec<&Chain> = built_in.collect();
        while let Some(chain) = waiting.pop() {
            for rule in chain.rules.iter().filter(|rule| !side.is_idle(rule)) {
                if let Target::Jump(name) | Target::Goto(name) = &rule.target
                    && let Some(next) = table.chain(name)
                    && reached.insert(&next.name)
                {
                    waiting.push(next);
                }
            }
        }
        for chain in &table.chains {
            let is_used = chain.policy.is_some() || reached.contains(&chain.name);
            let idle = chain.rules.iter().filter(|rule| !is_used || side.is_idle(rule)).count();
            side.idle += idle;
            if reached.contains(&chain.name) {
                side.used.push(Arc::clone(&chain.name));
            }
        }
        side
    }

    /// Chains without a rule, or with nothing but jumps to such chains.
    fn find_empty(&mut self, table: &Table) {
        loop {
            let is_empty = |chain: &&Chain| {
                chain.policy.is_none()
                    && !self.empty.contains(&chain.name)
                    && chain.rules.iter().all(|rule| self.is_idle(rule))
            };
            let new: Vec<Arc<str>> =
                table.chains.iter().filter(is_empty).map(|chain| Arc::clone(&chain.name)).collect();
            if new.is_empty() {
                return;
            }
            self.empty.extend(new);
        }
    }

    /// Whether a rule jumps to a chain that does nothing.
    fn is_idle(&self, rule: &Rule) -> bool {
        matches!(&rule.target, Target::Jump(name) if self.empty.contains(name))
            && !rule.matches.iter().any(|found| found.kind.depends_on_history())
    }

    fn filter(&self, name: &str) -> Option<&'a Chain> {
        self.ruleset.table(TableName::Filter)?.chain(name)
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
            let mut pieces = self.filter_chain(chain);
            let ending = self.ending(chain, &mut pieces);
            bodies.push((word, place, merge::lists(pieces), ending));
        }
        if !zones.is_empty() {
            self.line("");
        }
        self.defaults(&bodies);
        self.implicit();
        for (word, place, pieces, ending) in bodies {
            self.base_chain(word, place, pieces, &ending);
        }
        self.chains();
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

    /// The rules of a chain of the filter, of both families.
    fn filter_chain(&mut self, name: &str) -> Vec<Piece> {
        let mut lists = [Vec::new(), Vec::new()];
        for side in &self.sides {
            let family = side.ruleset.family;
            let Some(chain) = side.filter(name) else { continue };
            let said = match chain.policy {
                Some(_) => {
                    let implicit = &self.choices.implicit;
                    implicit::said_by(&chain.rules, family, name, implicit)
                }
                None => vec![false; chain.rules.len()],
            };
            self.counts.implicit += said.iter().filter(|said| **said).count();
            let rules = chain.rules.iter().zip(said);
            let rules = rules.filter(|(rule, said)| !said && !side.is_idle(rule));
            let pieces = rules.map(|(rule, _)| {
                self.piece(rule, family, TableName::Filter, name, Standing::Filter)
            });
            lists[usize::from(family == Family::V6)] = pieces.collect();
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
        standing: Standing,
    ) -> Piece {
        let line = match rule.origin {
            Origin::Read(span) => Some(span),
            Origin::Implicit(_) | Origin::Default(_) | Origin::Statement { .. } => None,
        };
        let level = line.map(|line| self.choices.level(line)).unwrap_or_default();
        let words = statement(rule, family, standing).filter(|_| level != Level::Raw);
        let says = match words {
            Some(statement) => Says::Words(statement),
            None => Says::Raw(family, self.raw(rule, family, table, chain)),
        };
        Piece {
            families: Families::only(family),
            lines: line.into_iter().collect(),
            says,
            plain: level != Level::Free,
        }
    }

    /// `raw v4 filter INPUT "…"`
    fn raw(&self, rule: &Rule, family: Family, table: TableName, chain: &str) -> String {
        let called = |name: &Arc<str>| -> Arc<str> {
            self.writer.names.get(name).map_or_else(|| Arc::clone(name), |name| name.as_str().into())
        };
        let mut rule = rule.clone();
        if let Target::Jump(name) | Target::Goto(name) = &mut rule.target {
            *name = called(name);
        }
        self.raw_line(&rule_text(&rule, family), family, table, chain)
    }

    fn raw_line(&self, text: &str, family: Family, table: TableName, chain: &str) -> String {
        let word = match family {
            Family::V4 => "v4",
            Family::V6 => "v6",
        };
        let chain = self.writer.names.get(chain).map_or(chain, String::as_str);
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
            Says::Words(_) | Says::Raw(..) => None,
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

    fn base_chain(&mut self, word: &str, place: Place, pieces: Vec<Piece>, ending: &Ending) {
        let in_block = place != Place::Input;
        let mut open = false;
        let is_empty = pieces.is_empty() && ending.open.is_none();
        for piece in &pieces {
            let is_raw = matches!(piece.says, Says::Raw(..));
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
            Says::Raw(..) => self.counts.raw += piece.lines.len(),
        }
        self.writer.piece(piece, place, given, indent);
    }

    /// The chains that are used, in the order in which they are declared.
    fn chains(&mut self) {
        let mut order: Vec<(Arc<str>, Families)> = Vec::new();
        for side in &self.sides {
            let own = Families::only(side.ruleset.family);
            for name in &side.used {
                match order.iter_mut().find(|(known, _)| known == name) {
                    Some((_, families)) => *families = Families::BOTH,
                    None => order.push((Arc::clone(name), own)),
                }
            }
        }
        for (name, families) in order {
            let pieces = merge::lists(self.filter_chain(&name));
            let called = self.writer.names.get(&name).cloned().unwrap_or_else(|| name.to_string());
            self.user_chain(&called, pieces, families);
            self.line("");
        }
    }

    /// A chain. Raw rules stand behind those in braces; what comes behind them in the dump is in a chain
    /// of its own that they go to.
    fn user_chain(&mut self, name: &str, pieces: Vec<Piece>, families: Families) {
        let mut pieces = pieces.into_iter().peekable();
        let mut name = name.to_owned();
        loop {
            self.line(&format!("chain {name} {{"));
            while let Some(piece) = pieces.next_if(|piece| matches!(piece.says, Says::Words(_))) {
                self.put(&piece, Place::Chain, families, "    ");
            }
            self.line("}");
            while let Some(mut piece) = pieces.next_if(|piece| matches!(piece.says, Says::Raw(..))) {
                if let Says::Raw(_, text) = &mut piece.says {
                    *text = in_chain(text, &name);
                }
                self.put(&piece, Place::Chain, families, "");
            }
            if pieces.peek().is_none() {
                return;
            }
            let next = names::free(&format!("{name}-more"), &mut self.taken);
            for family in Family::BOTH.into_iter().filter(|family| families.contains(*family)) {
                let line = self.raw_line(&format!("-g {next}"), family, TableName::Filter, &name);
                self.line(&line);
            }
            name = next;
        }
    }

    /// A table whose rules are not the filter's.
    fn other_table(&mut self, table: TableName) {
        let mut written = false;
        let chains = self.sides.iter().filter_map(|side| {
            let family = side.ruleset.family;
            side.ruleset.table(table).map(|table| (family, table))
        });
        let mut pieces: Vec<(Piece, Place)> = Vec::new();
        for (family, found) in chains {
            for chain in &found.chains {
                let (standing, place) = match (table, &*chain.name) {
                    (TableName::Nat, "POSTROUTING") => (Some(Standing::Postrouting), Place::Nat),
                    (TableName::Mangle, "FORWARD") => (Some(Standing::MangleForward), Place::Forward),
                    _ => (None, Place::Nat),
                };
                for rule in &chain.rules {
                    let piece = match standing {
                        Some(standing) => self.piece(rule, family, table, &chain.name, standing),
                        None => Piece {
                            families: Families::only(family),
                            lines: line_of(rule).into_iter().collect(),
                            says: Says::Raw(family, self.raw(rule, family, table, &chain.name)),
                            plain: true,
                        },
                    };
                    pieces.push((piece, place));
                }
                if chain.policy == Some(ChainPolicy::Drop) {
                    let says = self.raw_line("-j DROP", family, table, &chain.name);
                    let piece = Piece {
                        families: Families::only(family),
                        lines: Vec::new(),
                        says: Says::Raw(family, says),
                        plain: true,
                    };
                    pieces.push((piece, place));
                }
            }
        }
        for (piece, place) in pieces {
            self.put(&piece, place, self.given, "");
            written = true;
        }
        if written {
            self.line("");
        }
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
