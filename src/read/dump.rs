//! The lines of a rules file to tables and chains.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::diagnostic::Finding;
use crate::net::Family;
use crate::ruleset::{
    Chain, ChainPolicy, KernelSet, MAX_CHAIN_NAME, Origin, Rule, Ruleset, Table, TableName,
};
use crate::source::{FileId, Span};

use super::Read;
use super::messages::{self, MAX_FINDINGS};
use super::rings::rings;
use super::rule::{Chains, Command, Context, Fault, Line};
use super::sets::KnownSets;
use super::value;
use super::words::{Word, split};

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
        findings: Vec::new(),
    };
    if said.is_none() {
        dump.findings.push(messages::assumed_ipv4(start));
    }
    dump.lines(text);
    let Dump { tables, findings, .. } = dump;
    let mut tables: Vec<Table> = tables.into_iter().flatten().collect();
    let sets = sets.settle(&mut tables);
    let ruleset = Ruleset { family, tables, sets, preserve: false };
    Read { ruleset, findings, family_is_assumed: said.is_none() }
}

/// Reads the words of one rule; all that is wrong is so at `span`.
pub(super) fn one_rule(
    span: Span,
    text: &str,
    family: Family,
    is_chain: &dyn Fn(&str) -> bool,
) -> Result<super::Words, Finding> {
    let mut sets = KnownSets::new(&[], family, span);
    let mut context = Context::new(family, &mut sets);
    let mut words = Vec::new();
    split(text, 0, &mut words).map_err(|_| messages::open_quote(span))?;
    let faulty = |fault: Fault| {
        let word = words.get(fault.word).map_or("", |word| &word.text);
        messages::fault(span, word, &fault.what, family)
    };
    let mut line = Line::default();
    line.sort_words(&words, &Named(is_chain)).map_err(faulty)?;
    if line.command.is_some() {
        return Err(messages::two_commands(span));
    }
    let parts = line.parts(&words, &Named(is_chain), &mut context).map_err(faulty)?;
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
        self.findings.extend(found.err());
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
        if let Some(at) = line.bytes().position(|byte| byte == 0) {
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
        let table = table.finish();
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

/// A table while its lines are read.
struct Building {
    name: TableName,
    start: Span,
    chains: Vec<Growing>,
    index: HashMap<Arc<str>, usize>,
}

/// A chain while rules come to it.
struct Growing {
    name: Arc<str>,
    policy: Option<ChainPolicy>,
    declared: bool,
    rules: Vec<Rule>,
    /// The order of the rules, once one was inserted before others.
    order: Option<VecDeque<usize>>,
}

impl Growing {
    fn append(&mut self, rule: Rule) {
        if let Some(order) = &mut self.order {
            order.push_back(self.rules.len());
        }
        self.rules.push(rule);
    }

    fn insert(&mut self, place: usize, rule: Rule) {
        let count = self.rules.len();
        let order = self.order.get_or_insert_with(|| (0..count).collect());
        order.insert(place.min(count), count);
        self.rules.push(rule);
    }

    fn finish(self) -> Chain {
        let rules = match self.order {
            None => self.rules,
            Some(order) => {
                let mut rules: Vec<Option<Rule>> = self.rules.into_iter().map(Some).collect();
                order.into_iter().filter_map(|at| rules.get_mut(at)?.take()).collect()
            }
        };
        Chain { name: self.name, policy: self.policy, rules }
    }
}

impl Chains for Building {
    /// The chains of the kernel are nobody's target.
    fn chain(&self, name: &str) -> Option<Arc<str>> {
        let chain = &self.chains[*self.index.get(name)?];
        chain.policy.is_none().then(|| Arc::clone(&chain.name))
    }
}

impl Building {
    fn new(name: TableName, start: Span) -> Self {
        let mut table = Building { name, start, chains: Vec::new(), index: HashMap::new() };
        for chain in name.built_in_chains() {
            table.add((*chain).into(), Some(ChainPolicy::Accept), false);
        }
        table
    }

    fn add(&mut self, name: Arc<str>, policy: Option<ChainPolicy>, declared: bool) {
        self.index.insert(Arc::clone(&name), self.chains.len());
        self.chains.push(Growing { name, policy, declared, rules: Vec::new(), order: None });
    }

    fn finish(self) -> Table {
        let chains = self.chains.into_iter().map(Growing::finish).collect();
        Table { name: self.name, chains }
    }

    /// `INPUT DROP [0:0]`, `own - [0:0]`; the counters may be missing.
    fn declare(&mut self, text: &str, span: Span) -> Result<(), Finding> {
        let mut words = text.split([' ', '\t']).filter(|word| !word.is_empty());
        let (Some(name), Some(policy)) = (words.next(), words.next()) else {
            return Err(messages::bad_declaration(span));
        };
        if !words.next().is_none_or(|word| counters(word)) || words.next().is_some() {
            return Err(messages::bad_declaration(span));
        }
        let is_own = !self.index.get(name).is_some_and(|at| self.chains[*at].policy.is_some());
        if is_own {
            return match policy {
                "-" => self.add_own(name, span),
                _ if read_policy(policy).is_some() => {
                    Err(messages::policy_of_own_chain(span, name))
                }
                _ => Err(messages::bad_policy(span, policy)),
            };
        }
        let chain = &mut self.chains[self.index[name]];
        if chain.declared {
            return Err(messages::declared_twice(span, name));
        }
        chain.declared = true;
        if policy != "-" {
            let found = read_policy(policy).ok_or_else(|| messages::bad_policy(span, policy))?;
            chain.policy = Some(found);
        }
        Ok(())
    }

    fn add_own(&mut self, name: &str, span: Span) -> Result<(), Finding> {
        if self.index.contains_key(name) {
            return Err(messages::declared_twice(span, name));
        }
        let verdict = matches!(name, "ACCEPT" | "DROP" | "QUEUE" | "RETURN");
        if verdict || name.is_empty() || name.len() > MAX_CHAIN_NAME {
            return Err(messages::bad_chain_name(span, name));
        }
        self.add(name.into(), None, true);
        Ok(())
    }

    /// A line that is neither declaration nor COMMIT: `[1:2] -A INPUT …`.
    fn command<'a>(
        &mut self,
        line: &'a str,
        span: Span,
        words: &mut Vec<Word<'a>>,
        parts: &mut Line,
        context: &mut Context<'_>,
    ) -> Result<(), Finding> {
        let place = |start: usize, end: usize| Span::new(span.file(), start..end);
        if let Err(open) = split(line, span.start(), words) {
            return Err(messages::open_quote(place(open.0, open.0 + 1)));
        }
        // Before a rule its counters may stand.
        let skipped = usize::from(words.first().is_some_and(|word| counters(&word.text)));
        let words = &words[skipped..];
        let family = context.family;
        context.sets.line = span;
        parts.clear();
        let faulty = |fault: Fault| {
            let last = words.last().map_or(span, |word| place(word.start, word.end));
            let word = words.get(fault.word);
            let at = word.map_or(last, |word| place(word.start, word.end));
            messages::fault(at, word.map_or("", |word| &word.text), &fault.what, family)
        };
        parts.sort_words(words, self).map_err(faulty)?;
        if let Some(second) = parts.second.and_then(|second| words.get(second)) {
            return Err(messages::two_commands(place(second.start, second.end)));
        }
        let Some(command) = parts.command.clone() else {
            return Err(messages::no_command(span));
        };
        let at = |word: usize| place(words[word].start, words[word].end);
        match command {
            Command::New { chain } => self.add_own(&words[chain].text, at(chain)),
            Command::Policy { chain, policy } => {
                let found = self.position(&words[chain], at(chain))?;
                let text = &*words[policy].text;
                let chain = &mut self.chains[found];
                if chain.policy.is_none() {
                    return Err(messages::policy_of_own_chain(at(policy), &chain.name));
                }
                let found = read_policy(text);
                chain.policy = Some(found.ok_or_else(|| messages::bad_policy(at(policy), text))?);
                Ok(())
            }
            Command::Append { chain } | Command::Insert { chain, .. } => {
                let found = self.position(&words[chain], at(chain))?;
                // The tools leave out in silence what is of the other family.
                if parts.only.is_some_and(|only| only != family) {
                    return Ok(());
                }
                let said = parts.parts(words, self, context).map_err(faulty)?;
                let rules = said.rules.into_iter().map(|matches| Rule {
                    matches,
                    target: said.target.clone(),
                    origin: Origin::Read(span),
                });
                let chain = &mut self.chains[found];
                let Command::Insert { position, .. } = command else {
                    rules.for_each(|rule| chain.append(rule));
                    return Ok(());
                };
                let place = match position {
                    None => 0,
                    Some(word) => {
                        let number = value::number(&words[word].text, u64::from(u32::MAX));
                        let number = number.and_then(|number| usize::try_from(number).ok());
                        let place = number.and_then(|number| number.checked_sub(1));
                        let count = chain.rules.len();
                        let place = place.filter(|place| *place <= count);
                        place.ok_or_else(|| messages::bad_position(at(word), count))?
                    }
                };
                // Each before the one before it, as the tools do with a list of addresses.
                rules.for_each(|rule| chain.insert(place, rule));
                Ok(())
            }
        }
    }

    /// The chain that a word names.
    fn position(&self, word: &Word<'_>, span: Span) -> Result<usize, Finding> {
        let found = self.index.get(&*word.text).copied();
        found.ok_or_else(|| {
            let known = self.chains.iter().map(|chain| &*chain.name);
            messages::unknown_chain(span, &word.text, self.name, known)
        })
    }
}

fn read_policy(word: &str) -> Option<ChainPolicy> {
    match word {
        "ACCEPT" => Some(ChainPolicy::Accept),
        "DROP" => Some(ChainPolicy::Drop),
        _ => None,
    }
}

/// `[12:345]`
fn counters(word: &str) -> bool {
    let inner = word.strip_prefix('[').and_then(|word| word.strip_suffix(']'));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    inner.and_then(|inner| inner.split_once(':')).is_some_and(|(a, b)| is_number(a) && is_number(b))
}
