//! What the options of a line say: the matches and the target of its rules.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use crate::net::{Family, Interface, InterfaceError, Prefix, Protocol};
use crate::ruleset::{Extension, Match, MatchKind, OpaqueEnd, Standing, TableName, Target};

use super::asked;
use super::line::{Chains, Fault, Item, Jump, Kind, Line, Module, Said, What};
use super::names::{self, Protocols};
use super::options::{MatchSpec, TargetSpec};
use super::sets::KnownSets;
use super::value::{self, Network};
use super::words::Word;

/// Most rules of one file that are read.
const MAX_RULES: usize = 2_000_000;

/// Most of them that lists of addresses make: two lists in each line make very many of a short text.
const MAX_LISTED: usize = 200_000;

/// What is known while a file is read.
pub(super) struct Context<'s> {
    pub family: Family,
    /// The table of the rule, and its chain when that is one of the kernel; none when it is not said.
    pub place: Option<(TableName, Option<&'static str>)>,
    /// What counts from where packets come to the rule, with its word.
    pub waiting: Vec<(usize, &'static Standing)>,
    /// Of the rule, and whether it is the one that the rule excludes.
    pub protocol: Option<(Protocol, bool)>,
    /// What the matches read so far say.
    pub matches: Vec<Match>,
    pub sets: &'s mut KnownSets,
    /// How many rules may still come.
    room: usize,
    /// The same of rules that lists make.
    listed: usize,
    interfaces: HashMap<String, Interface>,
}

impl<'s> Context<'s> {
    pub fn new(family: Family, sets: &'s mut KnownSets) -> Self {
        let interfaces = HashMap::new();
        let (protocol, matches) = (None, Vec::new());
        let (room, listed) = (MAX_RULES, MAX_LISTED);
        let (place, waiting) = (None, Vec::new());
        Context { family, place, waiting, protocol, matches, sets, room, listed, interfaces }
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

/// One match or target with its options, for whoever reads it.
pub(super) struct Use<'w, 'a> {
    words: &'w [Word<'a>],
    pub items: &'w [Item],
    /// The word that names it.
    pub word: usize,
}

impl Use<'_, '_> {
    /// Whether an option is there, with the value when one is given.
    pub fn asks(&self, option: &str, value: Option<&str>) -> bool {
        let has = |item: &Item| value.is_none_or(|value| self.value(item, 0) == value);
        self.items.iter().any(|item| item.name() == option && has(item))
    }

    /// The value of an option, or of its first two.
    pub fn value(&self, item: &Item, index: usize) -> &str {
        self.words.get(item.values.start + index).map_or("", |word| &*word.text)
    }

    /// The value of an option, read; a fault that names what was expected.
    pub fn read<T>(
        &self,
        item: &Item,
        expected: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, Fault> {
        read(self.value(item, 0)).ok_or_else(|| item.fault(0, expected))
    }
}

/// What the words of a line say.
pub(super) struct Parts {
    /// One rule for each pair of a source and a destination.
    pub rules: Vec<Vec<Match>>,
    pub target: Target,
}

impl Line {
    /// What the line says, once each word has its option.
    pub fn parts(
        &mut self,
        words: &[Word<'_>],
        chains: &dyn Chains,
        context: &mut Context<'_>,
    ) -> Result<Parts, Fault> {
        context.matches.clear();
        context.waiting.clear();
        context.protocol = None;
        if !self.items.is_sorted_by_key(|item| item.module) {
            self.items.sort_by_key(|item| item.module);
        }
        interface(words, context, ("-i", self.incoming.as_ref()), MatchKind::In)?;
        interface(words, context, ("-o", self.outgoing.as_ref()), MatchKind::Out)?;
        self.protocol(words, context)?;
        if let Some(range) = &self.fragment {
            asked::stands("-f", range.end - 1, |_, _| false, context)?;
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
                Kind::Target(spec) => target = Some(extension(&used, module, spec, context)?),
                Kind::Bare => {}
            }
        }
        let target = match (target, self.target) {
            (Some(target), _) => target,
            (None, Some(jump)) => bare_target(words, jump, chains, context)?,
            (None, None) => {
                Target::Opaque { text: "".into(), end: OpaqueEnd::GoesOn, changes: &[] }
            }
        };
        Ok(Parts { rules: self.rules(words, context)?, target })
    }

    fn protocol(&self, words: &[Word<'_>], context: &mut Context<'_>) -> Result<(), Fault> {
        let Some(asked) = &self.protocol else { return Ok(()) };
        let fault = |what| Fault { word: asked.value, what };
        let found = names::protocol(&words[asked.value].text);
        match found.ok_or_else(|| fault(What::Protocol))? {
            Protocols::One(protocol) => {
                context.protocol = Some((protocol, asked.negated));
                context.push(asked.negated, MatchKind::Protocol(protocol));
            }
            Protocols::All if asked.negated => return Err(fault(What::NotNegated)),
            Protocols::All => {}
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
        let too_many = |most| {
            let word = self.source.as_ref().map_or(0, |said| said.value);
            Fault { word, what: What::TooManyRules(most) }
        };
        context.room = context.room.checked_sub(count).ok_or_else(|| too_many(MAX_RULES))?;
        if count > 1 {
            let listed = context.listed.checked_sub(count);
            context.listed = listed.ok_or_else(|| too_many(MAX_LISTED))?;
        }
        let mut rules = Vec::with_capacity(count);
        for source in &source {
            for destination in &destination {
                let mut matches = Vec::with_capacity(context.matches.len() + 2);
                matches.extend(source.iter().chain(destination).cloned());
                // Nearly all lines are one rule.
                if count == 1 {
                    matches.append(&mut context.matches);
                } else {
                    matches.extend_from_slice(&context.matches);
                }
                rules.push(matches);
            }
        }
        Ok(rules)
    }
}

fn interface(
    words: &[Word<'_>],
    context: &mut Context<'_>,
    (option, asked): (&str, Option<&Said>),
    kind: fn(Interface) -> MatchKind,
) -> Result<(), Fault> {
    let Some(asked) = asked else { return Ok(()) };
    asked::stands(option, asked.all.start, |_, _| false, context)?;
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
            context.push(false, MatchKind::Opaque(said(words, asked.all.clone()).into()));
        }
    }
    Ok(())
}

/// A target with options.
fn extension(
    used: &Use<'_, '_>,
    module: &Module,
    spec: Option<&'static TargetSpec>,
    context: &mut Context<'_>,
) -> Result<Target, Fault> {
    if let Some(negated) = used.items.iter().find(|item| item.negated) {
        return Err(Fault { word: negated.word, what: What::NotNegated });
    }
    if let Some(spec) = spec {
        asked::check_target(used, spec.name, spec.demands, context)?;
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
    let text = text_of(used, module, "");
    let words = text.find(name).map_or(name, |at| &text[at..]);
    let Extension { end, changes } = Extension::said(words);
    let text = text.into();
    Ok(Target::Opaque { text, end, changes })
}

fn bare_target(
    words: &[Word<'_>],
    jump: Jump,
    chains: &dyn Chains,
    context: &mut Context<'_>,
) -> Result<Target, Fault> {
    let name = &*words[jump.name].text;
    if let Some(chain) = chains.chain(name) {
        return Ok(if jump.goto { Target::Goto(chain) } else { Target::Jump(chain) });
    }
    let fault = |what| Err(Fault { word: jump.name, what });
    match name {
        _ if jump.goto => fault(What::GotoTarget),
        "ACCEPT" => Ok(Target::Accept),
        "DROP" => {
            asked::stands(name, jump.name, |_, _| false, context)?;
            Ok(Target::Drop)
        }
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
    if let Some(spec) = spec {
        asked::check_match(used, module.named.as_ref(), spec, context)?;
    }
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
    kind: fn(Prefix) -> MatchKind,
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
