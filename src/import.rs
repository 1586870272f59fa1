//! Rules of a machine → a policy that a person would have written.
//!
//! In go rulesets that were read, out comes the text of a policy. What is written is what whoever
//! `judge`s it found equal to the rules: first as people write, then, where something is at fault, step
//! by step plainer, down to the words of iptables for a single rule. Of a rule nothing is left out but
//! what does nothing: jumps to empty chains, returns at the end of a chain, and chains that nothing jumps to.

mod apart;
mod chains;
mod conntrack;
mod draft;
mod ending;
mod frames;
mod helping;
mod implicit;
mod lists;
mod merge;
mod names;
mod own;
mod reading;
mod services;
mod side;
mod statement;
mod tables;
mod tracking;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use crate::net::Families;
use crate::ruleset::Ruleset;
use crate::source::Span;

pub use lists::with_sets;

use draft::Draft;
use implicit::Implicits;
use services::Services;

/// The rules of one machine.
#[derive(Debug, Clone, Copy)]
pub struct Dumps<'a> {
    pub v4: Option<&'a Ruleset>,
    pub v6: Option<&'a Ruleset>,
    /// Where they were read, for the head of the policy.
    pub names: &'a str,
}

impl Dumps<'_> {
    fn families(&self) -> Families {
        Families { v4: self.v4.is_some(), v6: self.v6.is_some() }
    }
}

/// Something in a policy that does not say what the rules do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Where it stands in the policy, as a byte of its text; nowhere for what is implicit or a default.
    pub written: Option<usize>,
    /// The line of a dump that is about the same packets.
    pub read: Option<Span>,
    /// Whether the language does not take chains that lead to each other as deep.
    pub is_too_deep: bool,
    /// Whether the rules are too much by themselves: then no policy is found equal to them.
    pub is_final: bool,
}

/// An error in a policy that is equal to the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wrong {
    /// Where it is, as a byte of the text, if it is about a place there.
    pub written: Option<usize>,
    pub lint: &'static str,
    /// Whether a statement may say that it is expected.
    pub is_expectable: bool,
}

/// A policy that is equal to the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    pub text: String,
    pub counts: Counts,
    /// Whether the compiler finds errors in it that the policy could not say to be expected.
    pub has_errors: bool,
}

/// A policy that is at fault, and that nothing plainer could be tried for.
pub struct Unequal(Draft);

impl Unequal {
    /// The line of a dump that stands at a byte of its text.
    #[must_use]
    pub fn line_at(&self, byte: usize) -> Option<Span> {
        self.0.lines_at(byte)?.first().copied()
    }
}

/// What became of the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Of all tables and families.
    pub rules: usize,
    /// Those that defaults and implicit rules say.
    pub implicit: usize,
    /// How many statements say the others.
    pub statements: usize,
    /// Rules that are said in the words of iptables.
    pub raw: usize,
    /// How many statements say these: what several chains have may be said once.
    pub raw_statements: usize,
    /// Rules that do nothing: jumps to empty chains, returns at the end of a chain, and the rules of
    /// chains that nothing jumps to.
    pub idle: usize,
}

/// Who knows what a policy does.
pub trait Judge {
    /// What in it the language does not take.
    fn refused(&mut self, policy: &str) -> Vec<Fault>;

    /// What in that policy, of which nothing is refused, does not say what the rules do.
    fn faults(&mut self) -> Vec<Fault>;

    /// The errors in that policy, when it is equal to the rules.
    fn errors(&mut self) -> Vec<Wrong>;
}

/// So often a policy is made plainer. Each time at least one rule is, mostly all that are at fault.
const MAX_ROUNDS: usize = 200;

/// Each time so many were not enough, all rules are written plainer, not those at fault alone: of thousands
/// few may be told at a time.
const PATIENCE: usize = 20;

/// Writes a policy that `judge` finds no fault with. What else is wrong with the rules is accepted in it
/// as expected.
///
/// # Errors
/// The last policy, when it is as plain as can be and still at fault.
pub fn import(dumps: &Dumps<'_>, judge: &mut dyn Judge) -> Result<Imported, Unequal> {
    let rulesets = [dumps.v4, dumps.v6].into_iter().flatten();
    let rules = rulesets.map(Ruleset::rule_count).sum();
    let [v4, v6] = [dumps.v4, dumps.v6].map(|rules| rules.map(frames::without_frames));
    let dumps = &Dumps { v4: v4.as_ref(), v6: v6.as_ref(), names: dumps.names };
    let apart = v4.as_ref().zip(v6.as_ref()).map(|(v4, v6)| frames::apart(v4, v6));
    let services = Services::standard();
    let mut choices = Choices::new(dumps);
    let mut round = 0;
    let mut equal: Option<Imported> = None;
    // Whether it has errors that no policy can expect.
    let mut is_left = false;
    loop {
        let v6 = apart.as_ref().filter(|_| !choices.together).or(dumps.v6);
        let draft = draft::draft(&Dumps { v6, ..*dumps }, &choices, &services);
        let counts = Counts { rules, ..draft.counts };
        // What a policy expects of its statements changes neither what they do nor what is wrong.
        let without = |text: &str| choices.without_expectations(text);
        let is_known =
            equal.as_ref().is_some_and(|known| without(&known.text) == without(&draft.text));
        let mut faults = judge.refused(&draft.text);
        if faults.is_empty() && !is_known {
            faults = judge.faults();
        }
        round += 1;
        let is_last = round == MAX_ROUNDS;
        if faults.is_empty() {
            let errors = if is_known { Vec::new() } else { judge.errors() };
            let noted = choices.expect(&draft, &errors);
            if !is_known {
                is_left = noted.is_left;
            }
            let more = noted.is_new && !is_last;
            let has_errors = if is_known { is_left } else { !errors.is_empty() };
            let imported = Imported { text: draft.text, counts, has_errors };
            if !more {
                return Ok(imported);
            }
            equal = Some(imported);
        } else if is_last
            || equal.is_some()
            || faults.iter().any(|fault| fault.is_final)
            || !choices.plainer(&draft, &faults, round % PATIENCE == 0)
        {
            return equal.ok_or(Unequal(draft));
        }
    }
}

/// How near to the words of the kernel a rule is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Level {
    /// With other rules, by names.
    #[default]
    Free,
    /// By itself, with numbers, and with quotes around interfaces.
    Plain,
    /// In the words of iptables.
    Raw,
}

impl Level {
    fn plainer(self) -> Self {
        match self {
            Level::Free => Level::Plain,
            Level::Plain | Level::Raw => Level::Raw,
        }
    }
}

/// What was noted of errors.
struct Noted {
    /// Whether something is to be written otherwise.
    is_new: bool,
    /// Whether one is about no rule, so that nothing can be said of it.
    is_left: bool,
}

/// How a policy is written.
// Each is taken back by itself.
#[allow(clippy::struct_excessive_bools)]
struct Choices {
    levels: BTreeMap<Span, Level>,
    /// What all rules have at the least: where nobody knows which is at fault, all are written plainer.
    least: Level,
    /// Which implicit rules the policy is to have; what else to try follows, the best last.
    implicit: Implicits,
    fewer: Vec<Implicits>,
    zones: bool,
    /// Whether raw rules that several chains have stand in one.
    shares: bool,
    /// Whether what stands behind raw rules in a chain may be in a chain of its own.
    splits: bool,
    /// Whether chains of one name are one in both families.
    together: bool,
    /// What is wrong with rules, as their statements are to say.
    expected: BTreeMap<Span, BTreeSet<&'static str>>,
    /// Rules with which something is wrong that no statement can say: no packet meets them.
    dead: BTreeSet<Span>,
}

impl Choices {
    fn new(dumps: &Dumps<'_>) -> Self {
        let mut fewer = implicit::candidates(dumps);
        let implicit = fewer.pop().unwrap_or_default();
        Choices {
            levels: BTreeMap::new(),
            least: Level::Free,
            implicit,
            fewer,
            zones: true,
            shares: true,
            splits: true,
            together: true,
            expected: BTreeMap::new(),
            dead: BTreeSet::new(),
        }
    }

    /// What a statement of this line is to expect.
    fn expected(&self, line: Span) -> Vec<&'static str> {
        self.expected.get(&line).into_iter().flatten().copied().collect()
    }

    fn level(&self, line: Span) -> Level {
        self.levels.get(&line).copied().unwrap_or_default().max(self.least)
    }

    /// Notes what is wrong with the rules.
    fn expect(&mut self, draft: &Draft, errors: &[Wrong]) -> Noted {
        let mut noted = Noted { is_new: false, is_left: false };
        for error in errors {
            let lines = error.written.and_then(|at| draft.lines_at(at)).unwrap_or_default();
            noted.is_left |= lines.is_empty();
            for line in lines {
                noted.is_new |= if error.is_expectable {
                    self.expected.entry(*line).or_default().insert(error.lint)
                } else {
                    self.dead.insert(*line)
                };
            }
        }
        noted
    }

    /// A policy without what it expects.
    fn without_expectations(&self, text: &str) -> String {
        let lints: BTreeSet<&str> = self.expected.values().flatten().copied().collect();
        write::without_expectations(text, &lints)
    }

    /// Takes back what is at fault, or something of all rules; whether there was anything to take back.
    fn plainer(&mut self, draft: &Draft, faults: &[Fault], all: bool) -> bool {
        if all && self.all_plainer() {
            return true;
        }
        let is_too_deep = faults.iter().any(|fault| fault.is_too_deep);
        if is_too_deep
            && (std::mem::replace(&mut self.splits, false)
                || std::mem::replace(&mut self.shares, false)
                || std::mem::replace(&mut self.together, false))
        {
            return true;
        }
        let nowhere = faults.iter().any(|fault| fault.written.is_none());
        if nowhere && let Some(next) = self.fewer.pop() {
            self.implicit = next;
            return true;
        }
        let mut changed = false;
        for fault in faults {
            let lines = fault.written.map(|at| draft.lines_at(at));
            let said = match lines {
                Some(Some(lines)) => self.lower(lines),
                // A definition, or something between statements.
                Some(None) => std::mem::replace(&mut self.zones, false),
                None => false,
            };
            changed |= said || fault.read.is_some_and(|line| self.lower(&[line]));
        }
        if !changed && let Some(next) = self.fewer.pop() {
            self.implicit = next;
            changed = true;
        }
        if !changed {
            changed = std::mem::replace(&mut self.shares, false);
        }
        changed || self.all_plainer()
    }

    /// Writes all rules one step nearer to the kernel's words; whether they were not there yet.
    fn all_plainer(&mut self) -> bool {
        let is_new = self.least < Level::Raw;
        if is_new {
            self.least = self.least.plainer();
            self.zones = false;
        }
        is_new
    }

    /// Writes rules one step nearer to the kernel's words; whether they were not there yet.
    fn lower(&mut self, lines: &[Span]) -> bool {
        let mut changed = false;
        for line in lines {
            let level = self.levels.entry(*line).or_default();
            let next = level.plainer();
            changed |= *level != next;
            *level = next;
        }
        changed
    }
}
