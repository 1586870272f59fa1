//! The words of one line to a rule: which option each belongs to, as the tools find it.
//!
//! An option belongs to the match or target that was named last and has it; a protocol brings its own
//! match along when an option of it comes.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use crate::net::{Family, Interface, InterfaceError, Protocol};
use crate::ruleset::{Extension, Match, MatchKind, OpaqueEnd, Target};

use super::names;
use super::options::{self, Arity, MatchSpec, Opt, TargetSpec};
use super::sets::KnownSets;
use super::value::{self, Network};
use super::words::Word;

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
    Command,
    Twice,
    NotNegated,
    NegatedList,
    /// Addresses of which more rules would be made than are read.
    LongList,
    TooManyWords,
    AfterChain,
    UnknownTarget,
    GotoTarget,
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

/// Most rules of one file that are read: two lists of addresses in each line make very many.
pub(super) const MAX_RULES: usize = 2_000_000;

/// Most words of a line that the tools take (1.8.9).
const MAX_WORDS: usize = 251;

/// What is known while a file is read.
pub(super) struct Context<'s> {
    pub family: Family,
    /// Of the rule, and whether it is the one that the rule excludes.
    pub protocol: Option<(Protocol, bool)>,
    /// What the matches read so far say.
    pub matches: Vec<Match>,
    pub sets: &'s mut KnownSets,
    /// How many rules may still come.
    pub room: usize,
    interfaces: HashMap<String, Interface>,
}

impl<'s> Context<'s> {
    pub fn new(family: Family, sets: &'s mut KnownSets) -> Self {
        let interfaces = HashMap::new();
        let (protocol, matches, room) = (None, Vec::new(), MAX_RULES);
        Context { family, protocol, matches, sets, room, interfaces }
    }

    /// Whether the rule is about packets of this protocol alone.
    pub fn is_of(&self, protocol: Protocol) -> bool {
        self.protocol == Some((protocol, false))
    }

    /// Puts the matches behind the first `from` into the order in which the tools print the options
    /// of one extension.
    pub fn sort_from(&mut self, from: usize, rank: impl Fn(&MatchKind) -> u8) {
        self.matches[from..].sort_by_key(|found| rank(&found.kind));
    }

    pub fn push(&mut self, negated: bool, kind: MatchKind) {
        self.matches.push(Match { negated, kind });
    }

    /// Names come again and again.
    fn interface(&mut self, name: &str) -> Result<Interface, InterfaceError> {
        if let Some(known) = self.interfaces.get(name) {
            return Ok(known.clone());
        }
        let interface = Interface::new(name)?;
        self.interfaces.insert(name.to_owned(), interface.clone());
        Ok(interface)
    }
}

/// An option of a match or target with its values.
#[derive(Debug, Clone)]
pub(super) struct Item {
    module: usize,
    /// `None` when the match is known and the option is not, or neither is.
    pub option: Option<&'static Opt>,
    pub negated: bool,
    /// The words from the `!` to the last value.
    all: Range<usize>,
    /// The words that are values.
    values: Range<usize>,
    /// Whether the value stands in the option's own word: `--dport=80`.
    inline: bool,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Match(Option<&'static MatchSpec>),
    Target(Option<&'static TargetSpec>),
    /// A target without options, or a chain.
    Bare,
}

/// A match or target that the rule names.
#[derive(Debug, Clone)]
struct Module {
    kind: Kind,
    /// The words `-m NAME`; none when the protocol brought it.
    named: Option<Range<usize>>,
}

/// One match or target with its options, for whoever reads it.
pub(super) struct Use<'w, 'a> {
    words: &'w [Word<'a>],
    pub items: &'w [Item],
    /// The word that names it.
    pub word: usize,
}

impl Use<'_, '_> {
    /// The value of an option, or of its first two.
    pub fn value(&self, item: &Item, index: usize) -> &str {
        let word = |at: usize| self.words.get(at).map_or("", |word| &*word.text);
        if item.inline {
            let text = word(item.all.end - 1);
            return text.split_once('=').map_or("", |(_, value)| value);
        }
        word(item.values.start + index)
    }

    pub fn fault(&self, item: &Item, index: usize, expected: &'static str) -> Fault {
        let word = if item.inline { item.all.end - 1 } else { item.values.start + index };
        Fault { word, what: What::Expected(expected) }
    }

    /// The value of an option, read; a fault that names what was expected.
    pub fn read<T>(
        &self,
        item: &Item,
        expected: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, Fault> {
        read(self.value(item, 0)).ok_or_else(|| self.fault(item, 0, expected))
    }
}

impl Item {
    /// Empty when the option is not known.
    pub fn name(&self) -> &'static str {
        self.option.map_or("", |option| option.name)
    }
}

/// The options that are no match's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Base {
    Source,
    Destination,
    In,
    Out,
    Protocol,
    Fragment,
    Match,
    Jump,
    Goto,
    Counters,
    OnlyV4,
    OnlyV6,
    Append,
    Insert,
    New,
    Policy,
    /// About the tool, or a change of what is there.
    Other,
}

fn short(letter: &str) -> Option<Base> {
    Some(match letter {
        "-A" => Base::Append,
        "-s" => Base::Source,
        "-d" => Base::Destination,
        "-i" => Base::In,
        "-o" => Base::Out,
        "-p" => Base::Protocol,
        "-m" => Base::Match,
        "-j" => Base::Jump,
        "-g" => Base::Goto,
        "-f" => Base::Fragment,
        "-c" => Base::Counters,
        "-4" => Base::OnlyV4,
        "-6" => Base::OnlyV6,
        "-I" => Base::Insert,
        "-N" => Base::New,
        "-P" => Base::Policy,
        "-t" | "-D" | "-R" | "-C" | "-F" | "-X" | "-Z" | "-E" | "-L" | "-S" | "-h" | "-n"
        | "-v" | "-V" | "-x" | "-w" | "-W" | "-M" | "-b" => Base::Other,
        _ => return None,
    })
}

const LONG: &[(&str, Base)] = &[
    ("source", Base::Source),
    ("src", Base::Source),
    ("destination", Base::Destination),
    ("dst", Base::Destination),
    ("in-interface", Base::In),
    ("out-interface", Base::Out),
    // `proto` is the beginning of this one, unless `-m policy` has it.
    ("protocol", Base::Protocol),
    ("fragments", Base::Fragment),
    ("fragment", Base::Fragment),
    ("match", Base::Match),
    ("jump", Base::Jump),
    ("goto", Base::Goto),
    ("set-counters", Base::Counters),
    ("ipv4", Base::OnlyV4),
    ("ipv6", Base::OnlyV6),
    ("append", Base::Append),
    ("insert", Base::Insert),
    ("new-chain", Base::New),
    ("policy", Base::Policy),
    ("table", Base::Other),
    ("delete", Base::Other),
    ("delete-chain", Base::Other),
    ("replace", Base::Other),
    ("check", Base::Other),
    ("flush", Base::Other),
    ("zero", Base::Other),
    ("rename-chain", Base::Other),
    ("list", Base::Other),
    ("list-rules", Base::Other),
    ("help", Base::Other),
    ("numeric", Base::Other),
    ("verbose", Base::Other),
    ("version", Base::Other),
    ("exact", Base::Other),
    ("wait", Base::Other),
    ("modprobe", Base::Other),
    ("line-numbers", Base::Other),
];

/// An option that was found by its long name.
enum Found {
    Base(Base),
    Of {
        module: usize,
        option: &'static Opt,
    },
    /// Belongs to the last match or target, which we do not know in full.
    Unknown {
        module: usize,
    },
}

/// One line, taken apart.
#[derive(Default)]
pub(super) struct Line {
    pub command: Option<Command>,
    /// A second command, by its word.
    pub second: Option<usize>,
    /// The family of the rule, when it says one.
    pub only: Option<Family>,
    source: Option<Said>,
    destination: Option<Said>,
    incoming: Option<Said>,
    outgoing: Option<Said>,
    protocol: Option<Said>,
    /// The words of `-f`.
    fragment: Option<Range<usize>>,
    modules: Vec<Module>,
    items: Vec<Item>,
    target: Option<Jump>,
}

/// A value of an option that every rule has.
#[derive(Debug, Clone)]
struct Said {
    negated: bool,
    /// The word that is the value.
    value: usize,
    all: Range<usize>,
}

#[derive(Debug, Clone, Copy)]
struct Jump {
    goto: bool,
    /// The word that names the target.
    name: usize,
    /// Of the option.
    first: usize,
}

/// What the words of a line say.
pub(super) struct Parts {
    /// One rule for each pair of a source and a destination.
    pub rules: Vec<Vec<Match>>,
    pub target: Target,
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

    /// Finds out which option each word belongs to.
    pub fn sort_words(&mut self, words: &[Word<'_>], chains: &dyn Chains) -> Result<(), Fault> {
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
            at = self.option(words, first, at, negated, chains)?;
        }
        Ok(())
    }

    /// One option, whose word is `at`; the word behind its last value.
    fn option(
        &mut self,
        words: &[Word<'_>],
        first: usize,
        at: usize,
        negated: bool,
        chains: &dyn Chains,
    ) -> Result<usize, Fault> {
        let text = &*words[at].text;
        if let Some(long) = text.strip_prefix("--") {
            let (name, inline) = match long.split_once('=') {
                Some((name, _)) => (name, true),
                None => (long, false),
            };
            return match self.find(words, name, at)? {
                Found::Base(_) if inline => Err(Fault { word: at, what: What::UnknownOption }),
                Found::Base(base) => self.base(words, first, at, negated, base, chains),
                Found::Of { module, option } => {
                    self.known(words, first, at, negated, module, option, inline)
                }
                Found::Unknown { module } => Ok(self.unknown(words, first, at, negated, module)),
            };
        }
        match short(text) {
            Some(base) => self.base(words, first, at, negated, base, chains),
            None if text.starts_with('-') => Err(Fault { word: at, what: What::UnknownOption }),
            None => Err(Fault { word: at, what: What::Stray }),
        }
    }

    /// Whose option a long name is. An exact name comes before the beginning of one.
    fn find(&mut self, words: &[Word<'_>], name: &str, at: usize) -> Result<Found, Fault> {
        if let Some(found) = self.find_in_modules(|known| known == name) {
            return Ok(found);
        }
        if let Some((_, base)) = LONG.iter().find(|(known, _)| *known == name) {
            return Ok(Found::Base(*base));
        }
        if let Some(found) = self.find_beginning(name) {
            return Ok(found);
        }
        if self.load_match_of_protocol(words)
            && let Some(found) =
                self.find_in_modules(|known| known == name).or_else(|| self.find_beginning(name))
        {
            return Ok(found);
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
        let mut base: Vec<Base> = base.map(|(_, base)| *base).collect();
        base.dedup();
        let own = self.modules.iter().flat_map(Module::options);
        let mut own: Vec<&str> =
            own.filter(|option| option.name.starts_with(name)).map(|option| option.name).collect();
        own.sort_unstable();
        own.dedup();
        match (base.as_slice(), own.as_slice()) {
            ([base], []) => Some(Found::Base(*base)),
            ([], [one]) => self.find_in_modules(|known| known == *one),
            _ => None,
        }
    }

    /// Whether the rule's protocol has a match that was not named yet; from now on it is.
    fn load_match_of_protocol(&mut self, words: &[Word<'_>]) -> bool {
        let protocol = self.protocol.as_ref().filter(|said| !said.negated);
        let protocol = protocol.and_then(|said| names::protocol(&words[said.value].text).flatten());
        let Some(spec) = protocol.and_then(options::match_of) else { return false };
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
    #[allow(clippy::too_many_arguments)] // They are what one option is.
    fn known(
        &mut self,
        words: &[Word<'_>],
        first: usize,
        at: usize,
        mut negated: bool,
        module: usize,
        option: &'static Opt,
        inline: bool,
    ) -> Result<usize, Fault> {
        let mut start = at + 1;
        let wanted = match option.arity {
            Arity::None => 0,
            Arity::One | Arity::Text => 1,
            Arity::Two => 2,
        };
        if inline {
            if wanted != 1 {
                return Err(Fault { word: at, what: What::UnknownOption });
            }
            let values = at..at;
            let all = first..at + 1;
            self.items.push(Item { module, option: Some(option), negated, all, values, inline });
            return Ok(at + 1);
        }
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
        self.items.push(Item { module, option: Some(option), negated, all, values, inline });
        Ok(end)
    }

    /// An option that nobody knows has all words behind it that are no option.
    fn unknown(
        &mut self,
        words: &[Word<'_>],
        first: usize,
        at: usize,
        negated: bool,
        module: usize,
    ) -> usize {
        let is_value =
            |word: &Word<'_>| word.quoted || !(word.text.starts_with('-') || is_bang(word));
        let count = words[at + 1..].iter().take_while(|word| is_value(word)).count();
        let values = at + 1..at + 1 + count;
        let end = values.end;
        let all = first..end;
        self.items.push(Item { module, option: None, negated, all, values, inline: false });
        end
    }

    fn base(
        &mut self,
        words: &[Word<'_>],
        first: usize,
        at: usize,
        negated: bool,
        base: Base,
        chains: &dyn Chains,
    ) -> Result<usize, Fault> {
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
            Base::Append | Base::Insert | Base::New | Base::Policy => {
                return self.command(words, at, base);
            }
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

    fn command(&mut self, words: &[Word<'_>], at: usize, base: Base) -> Result<usize, Fault> {
        let missing = || Fault { word: at, what: What::MissingValue };
        let chain = at + 1;
        if chain >= words.len() {
            return Err(missing());
        }
        let mut end = chain + 1;
        let command = match base {
            Base::Insert => {
                let is_number =
                    |word: &Word<'_>| word.text.starts_with(|c: char| c.is_ascii_digit());
                let position = words.get(end).is_some_and(is_number).then_some(end);
                end += usize::from(position.is_some());
                Command::Insert { chain, position }
            }
            Base::New => Command::New { chain },
            Base::Policy => {
                let policy = end;
                end += 1;
                if policy >= words.len() {
                    return Err(missing());
                }
                Command::Policy { chain, policy }
            }
            _ => Command::Append { chain },
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

    /// What the line says, once each word has its option.
    pub fn parts(
        &mut self,
        words: &[Word<'_>],
        chains: &dyn Chains,
        context: &mut Context<'_>,
    ) -> Result<Parts, Fault> {
        context.matches.clear();
        context.protocol = None;
        if !self.items.is_sorted_by_key(|item| item.module) {
            self.items.sort_by_key(|item| item.module);
        }
        self.interface(words, context, self.incoming.clone(), MatchKind::In)?;
        self.interface(words, context, self.outgoing.clone(), MatchKind::Out)?;
        self.protocol(words, context)?;
        if let Some(range) = &self.fragment {
            context.push(false, MatchKind::Opaque(said(words, range.clone()).into()));
        }
        let mut target = None;
        let mut start = 0;
        for (index, module) in self.modules.iter().enumerate() {
            let count = self.items[start..].iter().take_while(|item| item.module == index).count();
            let items = &self.items[start..start + count];
            start += count;
            let word = module.named.as_ref().map_or(0, |named| named.end - 1);
            let used = Use { words, items, word };
            match module.kind {
                Kind::Match(spec) => read_match(&used, module, spec, context)?,
                Kind::Target(spec) => target = Some(self.extension(&used, module, spec, context)?),
                Kind::Bare => {}
            }
        }
        let target = match (target, self.target) {
            (Some(target), _) => target,
            (None, Some(jump)) => bare_target(words, jump, chains)?,
            (None, None) => {
                Target::Opaque { text: "".into(), end: OpaqueEnd::GoesOn, changes: &[] }
            }
        };
        Ok(Parts { rules: self.rules(words, context)?, target })
    }

    fn interface(
        &self,
        words: &[Word<'_>],
        context: &mut Context<'_>,
        said_of: Option<Said>,
        kind: fn(Interface) -> MatchKind,
    ) -> Result<(), Fault> {
        let Some(asked) = said_of else { return Ok(()) };
        let name = &*words[asked.value].text;
        if name == "+" && !asked.negated {
            return Ok(());
        }
        match context.interface(name) {
            Ok(interface) => context.push(asked.negated, kind(interface)),
            Err(InterfaceError::TooLong { .. }) => {
                let what = What::Expected("the name of an interface, which has at most 15 bytes");
                return Err(Fault { word: asked.value, what });
            }
            Err(InterfaceError::Empty) if name.is_empty() => {
                let what = What::Expected("the name of an interface");
                return Err(Fault { word: asked.value, what });
            }
            // The kernel takes it, and there is no such interface.
            Err(InterfaceError::Empty | InterfaceError::BadCharacter(_)) => {
                context.push(false, MatchKind::Opaque(said(words, asked.all).into()));
            }
        }
        Ok(())
    }

    fn protocol(&self, words: &[Word<'_>], context: &mut Context<'_>) -> Result<(), Fault> {
        let Some(asked) = &self.protocol else { return Ok(()) };
        let fault = |what| Fault { word: asked.value, what };
        let found = names::protocol(&words[asked.value].text);
        match found.ok_or_else(|| fault(What::Protocol))? {
            Some(protocol) => {
                context.protocol = Some((protocol, asked.negated));
                context.push(asked.negated, MatchKind::Protocol(protocol));
            }
            None if asked.negated => return Err(fault(What::NotNegated)),
            None => {}
        }
        Ok(())
    }

    /// The matches of each rule: those on addresses, then those read so far.
    fn rules(
        &self,
        words: &[Word<'_>],
        context: &mut Context<'_>,
    ) -> Result<Vec<Vec<Match>>, Fault> {
        let source = addresses(words, context.family, self.source.as_ref(), MatchKind::Source)?;
        let destination =
            addresses(words, context.family, self.destination.as_ref(), MatchKind::Destination)?;
        let count = source.len() * destination.len();
        let Some(room) = context.room.checked_sub(count) else {
            let word = self.source.as_ref().map_or(0, |said| said.value);
            return Err(Fault { word, what: What::LongList });
        };
        context.room = room;
        let mut rules = Vec::with_capacity(count);
        for source in &source {
            for destination in &destination {
                let mut matches = Vec::with_capacity(context.matches.len() + 2);
                matches.extend(source.iter().chain(destination).cloned());
                matches.extend_from_slice(&context.matches);
                rules.push(matches);
            }
        }
        Ok(rules)
    }

    /// A target with options.
    fn extension(
        &self,
        used: &Use<'_, '_>,
        module: &Module,
        spec: Option<&'static TargetSpec>,
        context: &mut Context<'_>,
    ) -> Result<Target, Fault> {
        if let Some(negated) = used.items.iter().find(|item| item.negated) {
            return Err(Fault { word: negated.all.start, what: What::NotNegated });
        }
        let is_known = used.items.iter().all(|item| item.option.is_some());
        if let Some(spec) = spec.filter(|_| is_known)
            && let Some(target) = (spec.read)(used, context)?
        {
            return Ok(target);
        }
        let name = &*used.words[used.word].text;
        let known = Extension::known(name);
        // A chain that was not declared, or a misspelt target: nobody's extension has no options.
        if known.is_none() && used.items.is_empty() {
            return Err(Fault { word: used.word, what: What::UnknownTarget });
        }
        let Extension { end, changes } = known.unwrap_or_else(|| Extension::of(name));
        let text = text_of(used, module, "").into();
        Ok(Target::Opaque { text, end, changes })
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

fn is_bang(word: &Word<'_>) -> bool {
    !word.quoted && word.text == "!"
}

/// The targets that the tools know without an extension.
fn is_verdict(name: &str) -> bool {
    matches!(name, "ACCEPT" | "DROP" | "RETURN" | "QUEUE")
}

fn bare_target(words: &[Word<'_>], jump: Jump, chains: &dyn Chains) -> Result<Target, Fault> {
    let name = &*words[jump.name].text;
    if let Some(chain) = chains.chain(name) {
        return Ok(if jump.goto { Target::Goto(chain) } else { Target::Jump(chain) });
    }
    let fault = |what| Err(Fault { word: jump.name, what });
    match name {
        _ if jump.goto => fault(What::GotoTarget),
        "ACCEPT" => Ok(Target::Accept),
        "DROP" => Ok(Target::Drop),
        "RETURN" => Ok(Target::Return),
        "QUEUE" => Ok(Target::Opaque {
            text: said(words, jump.first..jump.name + 1).into(),
            end: OpaqueEnd::Decides,
            changes: &[],
        }),
        _ => fault(What::UnknownTarget),
    }
}

/// Reads a match; what the model cannot say in full stays as it was written.
fn read_match(
    used: &Use<'_, '_>,
    module: &Module,
    spec: Option<&'static MatchSpec>,
    context: &mut Context<'_>,
) -> Result<(), Fault> {
    let before = context.matches.len();
    let is_known = used.items.iter().all(|item| item.option.is_some());
    if let Some(spec) = spec.filter(|_| is_known)
        && (spec.read)(used, context)?
    {
        return Ok(());
    }
    context.matches.truncate(before);
    let text = text_of(used, module, spec.map_or("", |spec| spec.name)).into();
    // What nobody knows may count.
    let fixed = spec.is_some_and(|spec| spec.fixed && is_known);
    let kind = if fixed { MatchKind::Opaque(text) } else { MatchKind::OpaqueHistory(text) };
    context.push(false, kind);
    Ok(())
}

/// The words of a match or target, with one blank between them; `name` is for one that was not named.
fn text_of(used: &Use<'_, '_>, module: &Module, name: &str) -> String {
    let mut text = match &module.named {
        Some(range) => said(used.words, range.clone()),
        None => format!("-m {name}"),
    };
    for item in used.items {
        text.push(' ');
        text.push_str(&said(used.words, item.all.clone()));
    }
    text
}

/// Words as they must be written to be read as they were.
fn said(words: &[Word<'_>], range: Range<usize>) -> String {
    let mut text = String::new();
    for word in &words[range] {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&written(word));
    }
    text
}

/// Quoted words stay quoted: so a `!` that is a value stays one.
fn written<'w>(word: &'w Word<'_>) -> Cow<'w, str> {
    if !word.quoted {
        return Cow::Borrowed(&word.text);
    }
    let mut text = String::with_capacity(word.text.len() + 2);
    text.push('"');
    for c in word.text.chars() {
        if matches!(c, '"' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
    Cow::Owned(text)
}

/// What is asked of one end, for each address of the list; `None` asks nothing.
fn addresses(
    words: &[Word<'_>],
    family: Family,
    asked: Option<&Said>,
    kind: fn(crate::net::Prefix) -> MatchKind,
) -> Result<Vec<Option<Match>>, Fault> {
    let Some(asked) = asked else { return Ok(vec![None]) };
    let text = &*words[asked.value].text;
    if asked.negated && text.contains(',') {
        return Err(Fault { word: asked.value, what: What::NegatedList });
    }
    let one = |part: &str| {
        let network = value::network(part, family);
        match network.ok_or(Fault { word: asked.value, what: What::Address })? {
            Network::Prefix(prefix) if prefix.length() == 0 && !asked.negated => Ok(None),
            Network::Prefix(prefix) => {
                Ok(Some(Match { negated: asked.negated, kind: kind(prefix) }))
            }
            Network::Holes => {
                let option = said(words, asked.all.start..asked.value);
                Ok(Some(Match::from(MatchKind::Opaque(format!("{option} {part}").into()))))
            }
        }
    };
    text.split(',').map(one).collect()
}
