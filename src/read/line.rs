//! The words of one line, each with the option that it belongs to, as the tools find it.
//!
//! An option belongs to the match or target that was named last and has it; a protocol brings its own
//! match along when an option of it comes.

use std::ops::Range;
use std::sync::Arc;

use crate::net::Family;
use crate::ruleset::Standing;

use super::base::{Base, LONG, Verb, short};
use super::names::{self, Protocols};
use super::options::{self, Arity, MatchSpec, Opt, TargetSpec};
use super::words::{self, Word};

/// What is wrong at a word of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// Its index.
    pub word: usize,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// A value is not such a thing, with its article.
    Expected(&'static str),
    Address,
    Protocol,
    MissingValue,
    Stray,
    UnknownOption,
    /// `--sou=10.0.0.1`: the option whose name that is the beginning of.
    ShortBeforeSign(&'static str),
    /// `--syn=1`
    NoValue,
    Command,
    Twice,
    NotNegated,
    NegatedList,
    /// More than so many, with those that are made of these addresses.
    TooManyRules(usize),
    TooManyWords,
    AfterChain,
    UnknownTarget,
    GotoTarget,
    /// A match that asks nothing by itself.
    NoOption,
    /// A match or target of packets of another protocol: how a rule says that of its own.
    OtherProtocol(&'static str),
    /// Of packets of this family only.
    OtherFamily(Family),
    /// The kernel takes it elsewhere.
    Misplaced(&'static Standing),
    /// Not without one of these options.
    Without(&'static [&'static str]),
    /// Not with this option of the same match or target.
    Beside(&'static str),
}

/// What a line does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    Append {
        chain: usize,
    },
    /// At the position of the word, or as the first rule.
    Insert {
        chain: usize,
        position: Option<usize>,
    },
    New {
        chain: usize,
    },
    Policy {
        chain: usize,
        policy: usize,
    },
}

/// Most words of a line that the tools take (1.8.9).
const MAX_WORDS: usize = 251;

/// Where an option stands.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// The word of its `!`, or its own.
    first: usize,
    at: usize,
    negated: bool,
}

/// An option that was found by its long name.
enum Found {
    /// By its name, or the beginning of it.
    Base(&'static str, Base),
    Of {
        module: usize,
        option: &'static Opt,
    },
    /// Belongs to the last match or target, which we do not know in full.
    Unknown {
        module: usize,
    },
}

impl Found {
    /// Whether its value stands behind the `=` that follows its name; of what nobody knows all of it stays a
    /// word.
    fn has_value_behind_sign(&self, name: &str) -> Result<bool, What> {
        match self {
            // The tools before 1.8.11 take all of the word for the value. With the whole name it is no
            // address, and too long for an interface; else an interface may be called so.
            Found::Base(whole, _) if *whole != name => Err(What::ShortBeforeSign(whole)),
            Found::Base(_, base) if base.has_value() => Ok(true),
            Found::Of { option, .. } if option.arity != Arity::None => Ok(true),
            Found::Base(..) | Found::Of { .. } => Err(What::NoValue),
            Found::Unknown { .. } => Ok(false),
        }
    }
}

/// One line, taken apart.
#[derive(Default)]
pub(super) struct Line {
    pub command: Option<Command>,
    /// A second command, by its word.
    pub second: Option<usize>,
    /// The family of the rule, when it says one.
    pub only: Option<Family>,
    pub source: Option<Said>,
    pub destination: Option<Said>,
    pub incoming: Option<Said>,
    pub outgoing: Option<Said>,
    pub protocol: Option<Said>,
    /// The words of `-f`.
    pub fragment: Option<Range<usize>>,
    pub modules: Vec<Module>,
    pub items: Vec<Item>,
    pub target: Option<Jump>,
}

/// A value of an option that every rule has.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub negated: bool,
    /// The word that is the value.
    pub value: usize,
    pub all: Range<usize>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Jump {
    pub goto: bool,
    /// The word that names the target.
    pub name: usize,
    /// Of the option.
    pub first: usize,
}

/// An option of a match or target with its values.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub module: usize,
    /// `None` when the match is known and the option is not, or neither is.
    pub option: Option<&'static Opt>,
    pub negated: bool,
    /// The word that names it.
    pub word: usize,
    /// The words from the `!` to the last value.
    pub all: Range<usize>,
    /// The words that are values.
    pub values: Range<usize>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Match(Option<&'static MatchSpec>),
    Target(Option<&'static TargetSpec>),
    /// A target without options, or a chain.
    Bare,
}

/// A match or target that the rule names.
#[derive(Debug, Clone)]
pub(super) struct Module {
    pub kind: Kind,
    /// The words `-m NAME`; none when the protocol brought it.
    pub named: Option<Range<usize>>,
}

/// Where the targets of a table's rules may go.
pub(super) trait Chains {
    /// The chain's name, as the table has it.
    fn chain(&self, name: &str) -> Option<Arc<str>>;
}

impl Line {
    /// Forgets a line, to read another one in its place.
    pub fn clear(&mut self) {
        let (mut modules, mut items) =
            (std::mem::take(&mut self.modules), std::mem::take(&mut self.items));
        modules.clear();
        items.clear();
        *self = Line { modules, items, ..Line::default() };
    }

    /// Finds out which option each word belongs to. A value that stands in its option's word (`--dport=80`)
    /// is a word of its own afterwards.
    pub fn sort_words(
        &mut self,
        words: &mut Vec<Word<'_>>,
        chains: &dyn Chains,
    ) -> Result<(), Fault> {
        if words.len() > MAX_WORDS {
            return Err(Fault { word: MAX_WORDS, what: What::TooManyWords });
        }
        let mut at = 0;
        while at < words.len() {
            let first = at;
            let mut negated = false;
            while is_bang(&words[at]) {
                if negated {
                    return Err(Fault { word: at, what: What::Stray });
                }
                negated = true;
                at += 1;
                if at == words.len() {
                    return Err(Fault { word: first, what: What::Stray });
                }
            }
            at = self.option(words, Place { first, at, negated }, chains)?;
        }
        Ok(())
    }

    /// One option, whose word is `at`; the word behind its last value.
    fn option(
        &mut self,
        words: &mut Vec<Word<'_>>,
        place: Place,
        chains: &dyn Chains,
    ) -> Result<usize, Fault> {
        let at = place.at;
        let text = &*words[at].text;
        let Some(long) = text.strip_prefix("--") else {
            return match short(text) {
                Some(base) => self.base(words, place, base, chains),
                None if text.starts_with('-') => Err(Fault { word: at, what: What::UnknownOption }),
                None => Err(Fault { word: at, what: What::Stray }),
            };
        };
        let name = long.split_once('=').map_or(long, |(name, _)| name);
        let found = self.find(words, name, at)?;
        let is_parted = name.len() < long.len()
            && found.has_value_behind_sign(name).map_err(|what| Fault { word: at, what })?;
        if is_parted {
            let sign = "--".len() + name.len();
            words::part(words, at, sign);
        }
        match found {
            Found::Base(_, base) => self.base(words, place, base, chains),
            Found::Of { module, option } => self.known(words, place, module, option),
            Found::Unknown { module } => Ok(self.unknown(words, place, module)),
        }
    }

    /// Whose option a long name is. An exact name comes before the beginning of one.
    fn find(&mut self, words: &[Word<'_>], name: &str, at: usize) -> Result<Found, Fault> {
        if let Some(found) = self.find_in_modules(|known| known == name) {
            return Ok(found);
        }
        if let Some((known, base)) = LONG.iter().find(|(known, _)| *known == name) {
            return Ok(Found::Base(known, *base));
        }
        if let Some(found) = self.find_beginning(name) {
            return Ok(found);
        }
        if self.load_match_of_protocol(words) {
            let exact = self.find_in_modules(|known| known == name);
            if let Some(found) = exact.or_else(|| self.find_beginning(name)) {
                return Ok(found);
            }
            self.modules.pop();
        }
        let last = self.modules.len().checked_sub(1);
        let last = last.filter(|last| !matches!(self.modules[*last].kind, Kind::Bare));
        match last {
            Some(module) => Ok(Found::Unknown { module }),
            None if self.modules.is_empty() => Err(Fault { word: at, what: What::UnknownOption }),
            None => Err(Fault { word: at, what: What::AfterChain }),
        }
    }

    /// The newest match or target that has such an option.
    fn find_in_modules(&self, is_it: impl Fn(&str) -> bool) -> Option<Found> {
        let found = |(module, of): (usize, &Module)| {
            let option = of.options().iter().find(|option| is_it(option.name))?;
            Some(Found::Of { module, option })
        };
        self.modules.iter().enumerate().rev().find_map(found)
    }

    /// The one option that begins so.
    fn find_beginning(&self, name: &str) -> Option<Found> {
        if name.is_empty() {
            return None;
        }
        let base = LONG.iter().filter(|(known, _)| known.starts_with(name));
        let mut base: Vec<(&str, Base)> = base.copied().collect();
        base.dedup_by_key(|(_, base)| *base);
        let own = self.modules.iter().flat_map(Module::options);
        let mut own: Vec<&str> =
            own.filter(|option| option.name.starts_with(name)).map(|option| option.name).collect();
        own.sort_unstable();
        own.dedup();
        match (base.as_slice(), own.as_slice()) {
            ([(known, base)], []) => Some(Found::Base(known, *base)),
            ([], [one]) => self.find_in_modules(|known| known == *one),
            _ => None,
        }
    }

    /// Whether the rule's protocol has a match that was not named yet; from now on it is.
    fn load_match_of_protocol(&mut self, words: &[Word<'_>]) -> bool {
        let protocol = self.protocol.as_ref().filter(|said| !said.negated);
        let protocol = protocol.and_then(|said| names::protocol(&words[said.value].text));
        let Some(Protocols::One(protocol)) = protocol else { return false };
        let Some(spec) = options::match_of(protocol) else { return false };
        let is_it = |module: &Module| match module.kind {
            Kind::Match(Some(known)) => known.name == spec.name,
            Kind::Match(None) | Kind::Target(_) | Kind::Bare => false,
        };
        if self.modules.iter().any(is_it) {
            return false;
        }
        self.modules.push(Module { kind: Kind::Match(Some(spec)), named: None });
        true
    }

    /// Takes the values of an option of a match or target.
    fn known(
        &mut self,
        words: &[Word<'_>],
        place: Place,
        module: usize,
        option: &'static Opt,
    ) -> Result<usize, Fault> {
        let Place { first, at, mut negated } = place;
        let mut start = at + 1;
        let wanted = match option.arity {
            Arity::None => 0,
            Arity::One | Arity::Text => 1,
            Arity::Two => 2,
        };
        let inside = matches!(option.arity, Arity::One | Arity::Two);
        if inside && !negated && words.get(start).is_some_and(is_bang) {
            negated = true;
            start += 1;
        }
        let values = start..start + wanted;
        if values.end > words.len() {
            return Err(Fault { word: at, what: What::MissingValue });
        }
        let all = first..values.end;
        let end = values.end;
        self.items.push(Item { module, option: Some(option), negated, word: at, all, values });
        Ok(end)
    }

    /// An option that nobody knows has all words behind it that are no option.
    fn unknown(&mut self, words: &[Word<'_>], place: Place, module: usize) -> usize {
        let Place { first, at, negated } = place;
        let is_value =
            |word: &Word<'_>| word.quoted || !(word.text.starts_with('-') || is_bang(word));
        let count = words[at + 1..].iter().take_while(|word| is_value(word)).count();
        let values = at + 1..at + 1 + count;
        let end = values.end;
        let all = first..end;
        self.items.push(Item { module, option: None, negated, word: at, all, values });
        end
    }

    fn base(
        &mut self,
        words: &[Word<'_>],
        place: Place,
        base: Base,
        chains: &dyn Chains,
    ) -> Result<usize, Fault> {
        let Place { first, at, negated } = place;
        let value = |index: usize| match words.get(index) {
            Some(_) => Ok(index),
            None => Err(Fault { word: at, what: What::MissingValue }),
        };
        let slot = match base {
            Base::Source => &mut self.source,
            Base::Destination => &mut self.destination,
            Base::In => &mut self.incoming,
            Base::Out => &mut self.outgoing,
            Base::Protocol => &mut self.protocol,
            Base::Fragment => {
                if self.fragment.is_some() {
                    return Err(Fault { word: at, what: What::Twice });
                }
                self.fragment = Some(first..at + 1);
                return Ok(at + 1);
            }
            _ if negated => return Err(Fault { word: at, what: What::NotNegated }),
            Base::Match => {
                let name = value(at + 1)?;
                let kind = Kind::Match(options::match_named(&words[name].text));
                self.modules.push(Module { kind, named: Some(first..name + 1) });
                return Ok(name + 1);
            }
            Base::Jump | Base::Goto => {
                let name = value(at + 1)?;
                return self.jump(words, at, name, base == Base::Goto, chains);
            }
            Base::Counters => return value(at + 2).map(|last| last + 1),
            Base::OnlyV4 | Base::OnlyV6 => {
                let family = if base == Base::OnlyV4 { Family::V4 } else { Family::V6 };
                self.only = Some(family);
                return Ok(at + 1);
            }
            Base::Command(verb) => return self.command(words, at, verb),
            Base::Other => return Err(Fault { word: at, what: What::Command }),
        };
        if slot.is_some() {
            return Err(Fault { word: at, what: What::Twice });
        }
        let inside = !negated && words.get(at + 1).is_some_and(is_bang);
        let value = value(at + 1 + usize::from(inside))?;
        *slot = Some(Said { negated: negated || inside, value, all: first..value + 1 });
        Ok(value + 1)
    }

    fn command(&mut self, words: &[Word<'_>], at: usize, verb: Verb) -> Result<usize, Fault> {
        let missing = || Fault { word: at, what: What::MissingValue };
        let chain = at + 1;
        if chain >= words.len() {
            return Err(missing());
        }
        let mut end = chain + 1;
        let command = match verb {
            Verb::Insert => {
                let is_number =
                    |word: &Word<'_>| word.text.starts_with(|c: char| c.is_ascii_digit());
                let position = words.get(end).is_some_and(is_number).then_some(end);
                end += usize::from(position.is_some());
                Command::Insert { chain, position }
            }
            Verb::New => Command::New { chain },
            Verb::Policy => {
                let policy = end;
                end += 1;
                if policy >= words.len() {
                    return Err(missing());
                }
                Command::Policy { chain, policy }
            }
            Verb::Append => Command::Append { chain },
        };
        if self.command.replace(command).is_some() {
            self.second = Some(at);
        }
        Ok(end)
    }

    fn jump(
        &mut self,
        words: &[Word<'_>],
        at: usize,
        name: usize,
        goto: bool,
        chains: &dyn Chains,
    ) -> Result<usize, Fault> {
        if self.target.is_some() {
            return Err(Fault { word: at, what: What::Twice });
        }
        self.target = Some(Jump { goto, name, first: at });
        let text = &*words[name].text;
        let bare = goto || is_verdict(text) || chains.chain(text).is_some();
        let kind = if bare { Kind::Bare } else { Kind::Target(options::target_named(text)) };
        self.modules.push(Module { kind, named: Some(at..name + 1) });
        Ok(name + 1)
    }
}

impl Module {
    fn options(&self) -> &'static [Opt] {
        match self.kind {
            Kind::Match(Some(spec)) => spec.options,
            Kind::Target(Some(spec)) => spec.options,
            Kind::Match(None) | Kind::Target(None) | Kind::Bare => &[],
        }
    }
}

impl Item {
    /// A value of it is not what it must be.
    pub fn fault(&self, index: usize, expected: &'static str) -> Fault {
        Fault { word: self.values.start + index, what: What::Expected(expected) }
    }

    /// Empty when the option is not known.
    pub fn name(&self) -> &'static str {
        self.option.map_or("", |option| option.name)
    }
}

fn is_bang(word: &Word<'_>) -> bool {
    !word.quoted && word.text == "!"
}

/// The targets that the tools know without an extension.
fn is_verdict(name: &str) -> bool {
    matches!(name, "ACCEPT" | "DROP" | "RETURN" | "QUEUE")
}
