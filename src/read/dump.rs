//! The lines of a rules file to tables and chains.

use std::sync::Arc;

use crate::diagnostic::Finding;
use crate::net::Family;
use crate::ruleset::{KernelSet, Ruleset, Table, TableName};
use crate::source::{FileId, Span};

use super::line::{Chains, Fault, Line};
use super::messages::{self, MAX_FINDINGS};
use super::rings::rings;
use super::rule::Context;
use super::sets::KnownSets;
use super::table::Building;
use super::words::{Word, split};
use super::{Declared, Read};

/// Longest line that `iptables-restore` reads (1.8.9).
const MAX_LINE: usize = 10_239;

/// Reads a whole file; `said` is its family, when it is known.
pub(super) fn read(
    file: FileId,
    text: &str,
    said: Option<Family>,
    given: &[Arc<KernelSet>],
) -> Read {
    let family = said.unwrap_or(Family::V4);
    let start = Span::new(file, 0..0);
    let mut sets = KnownSets::new(given, family, start);
    let mut dump = Dump {
        file,
        context: Context::new(family, &mut sets),
        tables: TableName::ALL.map(|_| None),
        open: None,
        declared: Declared::new(),
        findings: Vec::new(),
    };
    if said.is_none() {
        dump.findings.push(messages::assumed_ipv4(start));
    }
    dump.lines(text);
    let Dump { tables, declared, mut findings, .. } = dump;
    let mut tables: Vec<Table> = tables.into_iter().flatten().collect();
    let (sets, changed_sets) = sets.settle(&mut tables, &mut findings);
    let ruleset = Ruleset { family, tables, sets, preserve: false };
    let family_is_assumed = said.is_none();
    Read { ruleset, declared, changed_sets, findings, family_is_assumed }
}

/// Reads the words of single rules; all that is wrong with one is so at its place.
pub(super) fn single_rules(
    rules: &[(Span, &str)],
    family: Family,
    given: &[Arc<KernelSet>],
    is_chain: &dyn Fn(&str) -> bool,
) -> Vec<Result<super::Words, Box<Finding>>> {
    let Some((first, _)) = rules.first() else { return Vec::new() };
    let mut sets = KnownSets::new(given, family, *first);
    let mut context = Context::new(family, &mut sets);
    let mut read: Vec<Result<super::Words, Box<Finding>>> =
        rules.iter().map(|(span, text)| single_rule(*span, text, is_chain, &mut context)).collect();
    sets.settle_words(read.iter_mut().flatten());
    read
}

fn single_rule(
    span: Span,
    text: &str,
    is_chain: &dyn Fn(&str) -> bool,
    context: &mut Context<'_>,
) -> Result<super::Words, Box<Finding>> {
    context.sets.line = span;
    let family = context.family;
    let mut words = Vec::new();
    split(text, 0, &mut words).map_err(|_| messages::open_quote(span))?;
    let faulty = |words: &[Word<'_>], fault: &Fault| {
        let word = words.get(fault.word).map_or("", |word| &word.text);
        messages::fault(span, word, &fault.what, family)
    };
    let mut line = Line::default();
    line.sort_words(&mut words, &Named(is_chain)).map_err(|fault| faulty(&words, &fault))?;
    if line.command.is_some() {
        return Err(messages::two_commands(span).into());
    }
    let parts = line.parts(&words, &Named(is_chain), context);
    let parts = parts.map_err(|fault| faulty(&words, &fault))?;
    Ok(super::Words { matches: parts.rules, target: parts.target })
}

/// Chains of which only the names are known.
struct Named<'a>(&'a dyn Fn(&str) -> bool);

impl Chains for Named<'_> {
    fn chain(&self, name: &str) -> Option<Arc<str>> {
        (self.0)(name).then(|| name.into())
    }
}

struct Dump<'s> {
    file: FileId,
    context: Context<'s>,
    /// By their place in [`TableName::ALL`]: of two with one name the last.
    tables: [Option<Table>; TableName::ALL.len()],
    /// The table that is being read.
    open: Option<Building>,
    declared: Declared,
    findings: Vec<Finding>,
}

impl Dump<'_> {
    fn lines(&mut self, text: &str) {
        let mut at = 0;
        let mut words = Vec::new();
        let mut parts = Line::default();
        if let Some(rest) = text.strip_prefix('\u{feff}') {
            at = text.len() - rest.len();
            self.findings.push(messages::byte_order_mark(self.span(0, at)));
        }
        for line in text[at..].split_inclusive('\n') {
            let (start, whole) = (at, line.strip_suffix('\n').unwrap_or(line));
            at += line.len();
            if self.findings.len() > MAX_FINDINGS {
                let span = self.span(start, start + whole.len());
                self.findings.push(messages::too_many_findings(span));
                return;
            }
            self.line(start, whole, &mut words, &mut parts);
        }
        if let Some(table) = self.open.take() {
            self.findings.push(messages::missing_commit(table.start, table.name));
            self.close(table);
        }
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.file, start..end)
    }

    fn line<'a>(
        &mut self,
        start: usize,
        line: &'a str,
        words: &mut Vec<Word<'a>>,
        parts: &mut Line,
    ) {
        let span = self.span(start, start + line.len());
        if let Some(remark) = line.strip_prefix('#') {
            if is_of_more_rules(remark) {
                self.findings.push(messages::incomplete(span));
            }
            return;
        }
        if let Some(fault) = self.unreadable(start, line) {
            self.findings.push(fault);
            return;
        }
        let said = line.trim_end_matches([' ', '\t']);
        if said.is_empty() {
            return;
        }
        let Some(mut table) = self.open.take() else {
            self.outside(said, span);
            return;
        };
        if said == "COMMIT" {
            self.close(table);
            return;
        }
        if said.starts_with('*') {
            self.findings.push(messages::missing_commit(table.start, table.name));
            self.close(table);
            self.outside(said, span);
            return;
        }
        let found = match said.strip_prefix(':') {
            Some(declaration) => table.declare(declaration, span),
            None => table.command(said, span, words, parts, &mut self.context),
        };
        self.findings.extend(found.err().map(|finding| *finding));
        self.open = Some(table);
    }

    /// What of a line the tools would cut or misread.
    fn unreadable(&self, start: usize, line: &str) -> Option<Finding> {
        let place = |at: usize| self.span(start + at, start + at + 1);
        if line.len() > MAX_LINE {
            // Not all of it is worth showing.
            let end = (0..=80).rev().find(|end| line.is_char_boundary(*end)).unwrap_or(0);
            return Some(messages::line_too_long(self.span(start, start + end), MAX_LINE));
        }
        if let Some(at) = line.find('\0') {
            return Some(messages::null(place(at)));
        }
        line.ends_with('\r').then(|| messages::carriage_return(place(line.len() - 1)))
    }

    /// A line where no table is open: the beginning of one.
    fn outside(&mut self, line: &str, span: Span) {
        let Some(name) = line.strip_prefix('*') else {
            self.findings.push(messages::outside_table(span));
            return;
        };
        match TableName::ALL.into_iter().find(|table| table.name() == name) {
            Some(table) => self.open = Some(Building::new(table, span)),
            None => self.findings.push(messages::unknown_table(span, name)),
        }
    }

    fn close(&mut self, table: Building) {
        self.findings.extend(table.misled());
        let (table, declared) = table.finish();
        self.declared.extend(declared);
        for ring in rings(&table).iter().filter(|ring| !ring.is_empty()) {
            self.findings.push(messages::ring(ring));
        }
        let place = TableName::ALL.iter().position(|name| *name == table.name);
        if let Some(slot) = place.and_then(|place| self.tables.get_mut(place)) {
            *slot = Some(table);
        }
    }
}

/// Whether a remark of the tools says that there are rules that it does not print.
fn is_of_more_rules(remark: &str) -> bool {
    let remark = remark.trim_start();
    remark.starts_with("Warning: ") && remark.contains("tables")
        || remark.starts_with("Table `") && remark.contains("incompatible")
}
