//! Sets: what their names stand for, and what `add` puts into them.

use std::collections::HashMap;

use super::ends::{End, EndKind};
use super::names::PlaceNode;
use super::policy::{
    Addition, CallId, DEFAULT_SET_SIZE, Dynamic, MAX_SET_TIMEOUT, Member, SHORTEST_ADDED, Set,
    SetContent, SetId, SourceLengths,
};
use super::{Resolver, entries, messages};
use crate::diagnostic::Level;
use crate::net::{Addresses, Duration, Family};
use crate::ruleset::{MAX_SET_ENTRIES, MAX_SET_NAME};
use crate::source::{FileId, Span};
use crate::syntax::tree::{ArgumentKind, Key, List, Name, SetDefinition, SetKind, Text, Value};

/// A list of at most so many networks a family is written into the rules.
const MAX_LISTED: usize = 32;

/// Beside its name: a set that is filled anew is first another one, `NAME.v4.n`.
const SUFFIX: usize = ".n".len();

/// Whole addresses.
const WHOLE: SourceLengths = SourceLengths { v4: 32, v6: 128 };

/// What the name of a set stands for.
#[derive(Debug, Clone)]
pub enum Meant {
    /// Few addresses, which are written into the rules.
    Listed(Addresses),
    Kept(SetId),
}

/// What is known of the sets so far.
#[derive(Default)]
pub struct Sets {
    /// By [`SetId`]. Those that are dynamic have their names at the end.
    kept: Vec<Set>,
    /// By the index of the definition; `None` for one at fault.
    meant: HashMap<usize, Option<Meant>>,
    /// The definitions that are being read.
    path: Vec<usize>,
    read: HashMap<FileId, Addresses>,
    /// What is added to a dynamic set, as the first `add` that speaks of it says.
    lengths: HashMap<SetId, (SourceLengths, Span)>,
}

impl<'a> Resolver<'a> {
    /// Reads every set, in the order defined.
    pub(super) fn gather_sets(&mut self) {
        for index in 0..self.names.places.entries.len() {
            if let PlaceNode::Set(definition) = self.names.places.entries[index].node {
                self.set(index, definition);
            }
        }
    }

    /// All sets that the kernel keeps, with their names.
    pub(super) fn finish_sets(&mut self) -> Vec<Set> {
        let mut sets = std::mem::take(&mut self.sets.kept);
        let mut taken: HashMap<String, Span> = HashMap::new();
        for (index, set) in sets.iter_mut().enumerate() {
            let id = SetId(u32::try_from(index).unwrap_or(u32::MAX));
            if let (SetContent::Dynamic(dynamic), Some((lengths, _))) =
                (&mut set.content, self.sets.lengths.get(&id))
            {
                dynamic.lengths = *lengths;
            }
            for family in Family::BOTH {
                let name = set.kernel_name(family);
                let beside = if set.is_dynamic() { 0 } else { SUFFIX };
                if name.len() + beside > MAX_SET_NAME {
                    let most = MAX_SET_NAME - beside;
                    self.report(messages::set_name_too_long(set.span, &name, most));
                    break;
                }
                if let Some(other) = taken.insert(name.clone(), set.span) {
                    self.report(messages::sets_of_one_name(set.span, &name, other));
                    break;
                }
            }
        }
        if let Some(first) = sets.first() {
            self.report(messages::sets_first(first.span));
        }
        sets
    }

    /// The ends that the name of a set stands for.
    pub(super) fn set_ends(&mut self, index: usize, name: Name) -> Option<Vec<End>> {
        let PlaceNode::Set(definition) = self.names.places.entries[index].node else { return None };
        if self.sets.path.contains(&index) {
            self.report(messages::recursive("set", self.text(name.0), name.0, &[]));
            return None;
        }
        let end = match self.set(index, definition)? {
            Meant::Listed(addresses) => End::new(name.0, EndKind::Address, addresses),
            Meant::Kept(set) => End::member(name.0, Member { set, inside: true }),
        };
        Some(vec![end])
    }

    /// The addresses of ends where they must be known here: in no set that the kernel keeps.
    pub(super) fn addresses_of(&mut self, ends: &[End], what: &str) -> Option<Addresses> {
        if let Some(end) = ends.iter().find(|end| !end.place.sets.is_empty()) {
            self.report(messages::set_where_addresses_expected(end.span, what));
            return None;
        }
        Some(Addresses::union_all(ends.iter().map(|end| &end.place.addresses)))
    }

    /// A set, read once.
    fn set(&mut self, index: usize, definition: &'a SetDefinition) -> Option<Meant> {
        if let Some(known) = self.sets.meant.get(&index) {
            return known.clone();
        }
        if self.sets.path.len() >= super::MAX_DEPTH {
            self.report(messages::definitions_too_deep(definition.name.0, super::MAX_DEPTH));
            return None;
        }
        self.sets.path.push(index);
        let meant = self.read_set(definition);
        self.sets.path.pop();
        self.sets.meant.insert(index, meant.clone());
        meant
    }

    fn read_set(&mut self, definition: &'a SetDefinition) -> Option<Meant> {
        let span = definition.name.0;
        let content = match &definition.kind {
            SetKind::File(text) => SetContent::Static(self.set_of_file(*text)?),
            SetKind::List(list) => {
                let addresses = self.set_of_list(list)?;
                let few = |family| addresses.prefixes(family).nth(MAX_LISTED).is_none();
                if Family::BOTH.into_iter().all(few) {
                    return Some(Meant::Listed(addresses));
                }
                SetContent::Static(addresses)
            }
            SetKind::Dynamic { timeout, size } => {
                SetContent::Dynamic(self.dynamic_set(*timeout, *size)?)
            }
        };
        if let SetContent::Static(addresses) = &content {
            self.check_size(span, addresses)?;
        }
        let id = SetId(u32::try_from(self.sets.kept.len()).ok()?);
        self.sets.kept.push(Set { name: self.text(span).into(), span, content });
        Some(Meant::Kept(id))
    }

    /// `from "file"`; a file that could not be read was reported.
    fn set_of_file(&mut self, text: Text) -> Option<Addresses> {
        let file = *self.set_files.get(&text.0)?;
        if let Some(known) = self.sets.read.get(&file) {
            return Some(known.clone());
        }
        let source = self.sources.file(file);
        let read = entries::read(file, source.text());
        let is_whole = read.findings.iter().all(|finding| finding.level != Level::Error);
        for finding in read.findings {
            self.report(finding);
        }
        if read.more_bad > 0 {
            self.report(messages::more_bad_entries(text.0, source.name(), read.more_bad));
        }
        if read.more_host_bits > 0 {
            self.report(messages::more_host_bits(text.0, source.name(), read.more_host_bits));
        }
        if is_whole && read.addresses.is_empty() {
            self.report(messages::empty_set(text.0, source.name()));
        }
        self.sets.read.insert(file, read.addresses.clone());
        Some(read.addresses)
    }

    /// `= LIST`: addresses, and sets whose members are known.
    fn set_of_list(&mut self, list: &'a List) -> Option<Addresses> {
        let ends = self.ends(list, None)?;
        if let Some(end) = ends.iter().find(|end| end.kind != EndKind::Address) {
            self.report(messages::set_member_is_no_address(end.span));
            return None;
        }
        let mut all = Vec::new();
        for end in &ends {
            let Some(addresses) = self.known_addresses(end) else {
                self.report(messages::dynamic_set_in_a_list(end.span, self.text(end.span)));
                return None;
            };
            all.push(addresses);
        }
        Some(Addresses::union_all(all.iter()))
    }

    /// The addresses of an end, when none of its sets is dynamic.
    fn known_addresses(&self, end: &End) -> Option<Addresses> {
        let mut addresses = end.place.addresses.clone();
        for member in &end.place.sets {
            let SetContent::Static(content) = &self.sets.kept[member.set.0 as usize].content else {
                return None;
            };
            addresses = if member.inside {
                addresses.intersection(content)
            } else {
                addresses.difference(content)
            };
        }
        Some(addresses)
    }

    fn check_size(&mut self, span: Span, addresses: &Addresses) -> Option<()> {
        for family in Family::BOTH {
            let count = crate::ruleset::set::networks(Some(addresses), family).count();
            if count > MAX_SET_ENTRIES as usize {
                self.report(messages::set_too_large(span, family, count, MAX_SET_ENTRIES));
                return None;
            }
        }
        Some(())
    }

    fn dynamic_set(&mut self, timeout: Option<Value>, size: Option<Value>) -> Option<Dynamic> {
        let timeout = match timeout {
            Some(value) => Some(self.read_timeout(value)?),
            None => None,
        };
        let size = match size {
            Some(value) => Some(self.read_number(value.0, "set size", 1, MAX_SET_ENTRIES)?),
            None => None,
        };
        Some(Dynamic { timeout, size: size.unwrap_or(DEFAULT_SET_SIZE), lengths: WHOLE })
    }

    /// How long an entry stays.
    fn read_timeout(&mut self, value: Value) -> Option<Duration> {
        let text = self.text(value.0);
        match Duration::parse(text) {
            Ok(time) if (1..=MAX_SET_TIMEOUT).contains(&time.seconds()) => Some(time),
            Ok(_) => {
                let most = Duration::of_seconds(MAX_SET_TIMEOUT);
                self.report(messages::timeout_out_of_range(value.0, text, most));
                None
            }
            Err(error) => {
                self.report(messages::bad_duration(value.0, text, &error));
                None
            }
        }
    }

    /// `add source/24 to SET for 10m`
    pub(super) fn addition(
        &mut self,
        key: &Key,
        name: Name,
        time: Option<Value>,
        env: Option<CallId>,
    ) -> Option<Addition> {
        let word = self.text(key.name.0);
        if word != "source" {
            self.no_parameter(key.name.0, env)?;
            self.report(messages::only_sources_are_added(key.name.0, word));
            return None;
        }
        let mut lengths = WHOLE;
        if let Some(value) = key.v4_length {
            lengths.v4 = self.prefix_length(value, Family::V4)?;
        }
        if let Some(value) = key.v6_length {
            lengths.v6 = self.prefix_length(value, Family::V6)?;
        }
        let set = self.dynamic_set_named(name, env)?;
        let timeout = match time {
            Some(value) => Some(self.read_timeout(value)?),
            None => None,
        };
        let (known, first) = *self.sets.lengths.entry(set).or_insert((lengths, key.name.0));
        if known != lengths {
            self.report(messages::two_lengths_in_a_set(key.name.0, self.text(name.0), first));
            return None;
        }
        Some(Addition { set, timeout })
    }

    fn prefix_length(&mut self, value: Value, family: Family) -> Option<u8> {
        let (least, most) = (SHORTEST_ADDED.of(family).into(), family.bits().into());
        let length = self.read_number(value.0, "prefix length", least, most)?;
        u8::try_from(length).ok()
    }

    fn dynamic_set_named(&mut self, name: Name, env: Option<CallId>) -> Option<SetId> {
        let word = self.text(name.0);
        if let Some((argument, env)) = self.argument(word, env) {
            let ArgumentKind::Name(inner) = argument.kind else {
                self.report(messages::argument_is_no(name.0, argument.span, "set"));
                return None;
            };
            return self.dynamic_set_named(inner, env);
        }
        let Some((index, node)) = self.names.places.find(word) else {
            self.report(messages::unknown_set(name.0, word, &self.names));
            return None;
        };
        let PlaceNode::Set(definition) = node else {
            self.report(messages::not_a_dynamic_set(name.0, word, "no set"));
            return None;
        };
        match self.set(index, definition)? {
            Meant::Kept(id) if self.sets.kept[id.0 as usize].is_dynamic() => Some(id),
            Meant::Kept(_) | Meant::Listed(_) => {
                self.report(messages::not_a_dynamic_set(name.0, word, "a set of fixed addresses"));
                None
            }
        }
    }
}
