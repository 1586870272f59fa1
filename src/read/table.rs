//! A table of a rules file while its lines come: chains that are declared, and rules that come to them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::diagnostic::Finding;
use crate::ruleset::{
    Chain, ChainPolicy, MAX_CHAIN_NAME, Origin, Rule, Standing, Table, TableName, Target,
};
use crate::source::Span;

use super::Declared;
use super::line::{Chains, Command, Fault, Line};
use super::rule::Context;
use super::words::{Word, split};
use super::{messages, value};

/// A table while its lines are read.
pub(super) struct Building {
    pub name: TableName,
    /// The line that begins it.
    pub start: Span,
    chains: Vec<Growing>,
    index: HashMap<Arc<str>, usize>,
    waiting: Vec<Waiting>,
}

/// What is in a rule that counts from where packets come to its chain.
struct Waiting {
    chain: usize,
    place: Span,
    shown: String,
    standing: &'static Standing,
}

/// A chain while rules come to it.
struct Growing {
    name: Arc<str>,
    policy: Option<ChainPolicy>,
    declared: bool,
    /// The line that declares it, or says its policy.
    place: Option<Span>,
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
    pub fn new(name: TableName, start: Span) -> Self {
        let mut table = Building {
            name,
            start,
            chains: Vec::new(),
            index: HashMap::new(),
            waiting: Vec::new(),
        };
        for chain in name.built_in_chains() {
            table.add((*chain).into(), Some(ChainPolicy::Accept), None);
        }
        table
    }

    fn add(&mut self, name: Arc<str>, policy: Option<ChainPolicy>, place: Option<Span>) {
        self.index.insert(Arc::clone(&name), self.chains.len());
        let declared = place.is_some();
        let (rules, order) = (Vec::new(), None);
        self.chains.push(Growing { name, policy, declared, place, rules, order });
    }

    /// The table, and where its chains are declared.
    pub fn finish(self) -> (Table, Declared) {
        let declared = self
            .chains
            .iter()
            .filter_map(|chain| Some(((self.name, Arc::clone(&chain.name)), chain.place?)));
        let declared = declared.collect();
        let chains = self.chains.into_iter().map(Growing::finish).collect();
        (Table { name: self.name, chains }, declared)
    }

    /// `INPUT DROP [0:0]`, `own - [0:0]`; the counters may be missing.
    pub fn declare(&mut self, text: &str, span: Span) -> Result<(), Box<Finding>> {
        let mut words = text.split([' ', '\t']).filter(|word| !word.is_empty());
        let (Some(name), Some(policy)) = (words.next(), words.next()) else {
            return Err(messages::bad_declaration(span).into());
        };
        if !words.next().is_none_or(counters) || words.next().is_some() {
            return Err(messages::bad_declaration(span).into());
        }
        let is_own = self.index.get(name).is_none_or(|at| self.chains[*at].policy.is_none());
        if is_own {
            return match policy {
                "-" => self.add_own(name, span),
                _ if read_policy(policy).is_some() => {
                    Err(messages::policy_of_own_chain(span, name).into())
                }
                _ => Err(messages::bad_policy(span, policy).into()),
            };
        }
        let chain = &mut self.chains[self.index[name]];
        if chain.declared {
            return Err(messages::declared_twice(span, name).into());
        }
        chain.declared = true;
        chain.place = Some(span);
        if policy != "-" {
            let found = read_policy(policy).ok_or_else(|| messages::bad_policy(span, policy))?;
            chain.policy = Some(found);
        }
        Ok(())
    }

    fn add_own(&mut self, name: &str, span: Span) -> Result<(), Box<Finding>> {
        if self.index.contains_key(name) {
            return Err(messages::declared_twice(span, name).into());
        }
        let verdict = matches!(name, "ACCEPT" | "DROP" | "QUEUE" | "RETURN");
        if verdict || name.is_empty() || name.len() > MAX_CHAIN_NAME {
            return Err(messages::bad_chain_name(span, name).into());
        }
        self.add(name.into(), None, Some(span));
        Ok(())
    }

    /// A line that is neither declaration nor COMMIT: `[1:2] -A INPUT …`.
    pub fn command<'a>(
        &mut self,
        line: &'a str,
        span: Span,
        words: &mut Vec<Word<'a>>,
        parts: &mut Line,
        context: &mut Context<'_>,
    ) -> Result<(), Box<Finding>> {
        let place = |start: usize, end: usize| Span::new(span.file(), start..end);
        if let Err(open) = split(line, span.start(), words) {
            return Err(messages::open_quote(place(open.0, open.0 + 1)).into());
        }
        // Before a rule its counters may stand.
        if words.first().is_some_and(|word| counters(&word.text)) {
            words.remove(0);
        }
        context.sets.line = span;
        parts.clear();
        let sorted = parts.sort_words(words, self);
        let words = Words { list: words, line: span };
        sorted.map_err(|fault| words.fault(&fault, context))?;
        if let Some(second) = parts.second {
            return Err(messages::two_commands(words.place(second)).into());
        }
        match parts.command.clone() {
            None => Err(messages::no_command(span).into()),
            Some(Command::New { chain }) => self.add_own(words.text(chain), words.place(chain)),
            Some(Command::Policy { chain, policy }) => self.set_policy(words, chain, policy),
            Some(Command::Append { chain }) => {
                let found = self.position(words, chain)?;
                let rules = self.rules(words, found, parts, context)?;
                self.wait(words, found, context);
                let chain = &mut self.chains[found];
                for rule in rules {
                    chain.append(rule);
                }
                Ok(())
            }
            Some(Command::Insert { chain, position }) => {
                let found = self.position(words, chain)?;
                let count = self.chains[found].rules.len();
                let before = position.map_or(Ok(0), |word| place_of(words, word, count))?;
                let rules = self.rules(words, found, parts, context)?;
                self.wait(words, found, context);
                let chain = &mut self.chains[found];
                // Each before the one before it, as the tools do with a list of addresses.
                for rule in rules {
                    chain.insert(before, rule);
                }
                Ok(())
            }
        }
    }

    fn set_policy(
        &mut self,
        words: Words<'_>,
        chain: usize,
        policy: usize,
    ) -> Result<(), Box<Finding>> {
        let found = self.position(words, chain)?;
        let (text, span) = (words.text(policy), words.place(policy));
        let chain = &mut self.chains[found];
        if chain.policy.is_none() {
            return Err(messages::policy_of_own_chain(span, &chain.name).into());
        }
        let policy = read_policy(text).ok_or_else(|| messages::bad_policy(span, text))?;
        chain.policy = Some(policy);
        chain.place = Some(words.line);
        Ok(())
    }

    /// The rules of a line; none when it is of the other family, which the tools leave out in silence.
    fn rules(
        &self,
        words: Words<'_>,
        chain: usize,
        parts: &mut Line,
        context: &mut Context<'_>,
    ) -> Result<Vec<Rule>, Box<Finding>> {
        if parts.only.is_some_and(|only| only != context.family) {
            return Ok(Vec::new());
        }
        context.place = Some((self.name, self.name.built_in_chains().get(chain).copied()));
        let said = parts.parts(words.list, self, context);
        let said = said.map_err(|fault| words.fault(&fault, context))?;
        let origin = Origin::Read(words.line);
        let rule = |matches| Rule { matches, target: said.target.clone(), origin };
        Ok(said.rules.into_iter().map(rule).collect())
    }

    /// Keeps what is to be looked at when it is known from where packets come to the chain.
    fn wait(&mut self, words: Words<'_>, chain: usize, context: &mut Context<'_>) {
        self.waiting.extend(context.waiting.drain(..).map(|(word, standing)| Waiting {
            chain,
            place: words.place(word),
            shown: words.text(word).to_owned(),
            standing,
        }));
    }

    /// What stands in chains to which packets come from where the kernel does not take it.
    pub fn misled(&self) -> Vec<Finding> {
        if self.waiting.is_empty() {
            return Vec::new();
        }
        let hooks = self.name.built_in_chains().iter().enumerate();
        let reached: Vec<(&str, Vec<bool>)> =
            hooks.map(|(at, hook)| (*hook, self.reached_from(at))).collect();
        let misled = self.waiting.iter().filter_map(|waiting| {
            let is_wrong = |(hook, reached): &&(&str, Vec<bool>)| {
                reached[waiting.chain] && !waiting.standing.takes(self.name, Some(*hook))
            };
            let (hook, _) = reached.iter().find(is_wrong)?;
            Some(messages::misled(waiting.place, &waiting.shown, waiting.standing, hook))
        });
        misled.collect()
    }

    /// The chains to which rules of a chain lead, by their places.
    fn reached_from(&self, start: usize) -> Vec<bool> {
        let mut reached = vec![false; self.chains.len()];
        let mut open = vec![start];
        while let Some(chain) = open.pop() {
            for rule in &self.chains[chain].rules {
                let (Target::Jump(to) | Target::Goto(to)) = &rule.target else { continue };
                let to = self.index[to];
                if !std::mem::replace(&mut reached[to], true) {
                    open.push(to);
                }
            }
        }
        reached
    }

    /// The chain that a word names.
    fn position(&self, words: Words<'_>, word: usize) -> Result<usize, Box<Finding>> {
        let name = words.text(word);
        let found = self.index.get(name).copied();
        found.ok_or_else(|| {
            let known = self.chains.iter().map(|chain| &*chain.name);
            messages::unknown_chain(words.place(word), name, self.name, known).into()
        })
    }
}

/// The words of a line, and the line.
#[derive(Clone, Copy)]
struct Words<'w> {
    list: &'w [Word<'w>],
    line: Span,
}

impl<'w> Words<'w> {
    fn text(self, word: usize) -> &'w str {
        self.list.get(word).map_or("", |word| &*word.text)
    }

    /// Of a word, or of the last one.
    fn place(self, word: usize) -> Span {
        let word = self.list.get(word).or(self.list.last());
        word.map_or(self.line, |word| Span::new(self.line.file(), word.start..word.end))
    }

    fn fault(self, fault: &Fault, context: &Context<'_>) -> Finding {
        messages::fault(self.place(fault.word), self.text(fault.word), &fault.what, context.family)
    }
}

/// The place in a chain of so many rules before which a rule is to stand.
fn place_of(words: Words<'_>, word: usize, count: usize) -> Result<usize, Box<Finding>> {
    let number = value::number(words.text(word), u64::from(u32::MAX));
    let place = number.and_then(|number| usize::try_from(number).ok()?.checked_sub(1));
    let place = place.filter(|place| *place <= count);
    Ok(place.ok_or_else(|| messages::bad_position(words.place(word), count))?)
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
