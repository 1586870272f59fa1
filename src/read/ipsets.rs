//! The `ipsets` file, or what `ipset save` prints → what is in the sets when all its lines are done.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::diagnostic::Finding;
use crate::net::address::{parse_block, to_number};
use crate::net::{Addresses, Family, IntervalSet, Prefix};
use crate::ruleset::{DynamicSet, KernelSet, MAX_SET_NAME, Origin, SetContent};
use crate::source::{FileId, Span};

use super::messages::{self, MAX_FINDINGS};
use super::value;

/// Sets that were read, of both families.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadSets {
    /// By the order in which they were made.
    pub sets: Vec<Arc<KernelSet>>,
    pub findings: Vec<Finding>,
}

/// Whether a text is what `ipset save` prints.
#[must_use]
pub fn is_ipset_dump(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.find(|line| !line.starts_with('#'));
    first.is_none_or(|line| {
        ["create ", "-N ", "flush ", "add "].iter().any(|word| line.starts_with(word))
    })
}

/// Reads sets. Those that rules fill are [`SetContent::Dynamic`]; of those whose entries are more than
/// addresses the content is unknown, which is told once for each type.
#[must_use]
pub fn read_ipsets(file: FileId, text: &str) -> ReadSets {
    let mut reading = Reading { sets: HashMap::new(), made: 0 };
    let mut findings = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let said = line.trim_end_matches(['\n', '\r', ' ', '\t']);
        let span = Span::new(file, start..start + said.len());
        if said.is_empty() || said.starts_with('#') {
            continue;
        }
        if let Err(message) = reading.line(said, span) {
            findings.push(messages::bad_set_line(span, message));
        }
        if findings.len() > MAX_FINDINGS {
            findings.push(messages::too_many_findings(span));
            break;
        }
    }
    let mut sets: Vec<(Arc<str>, Growing)> = reading.sets.into_iter().collect();
    sets.sort_by_key(|(_, set)| set.number);
    let mut told = BTreeSet::new();
    for (_, set) in &sets {
        if let Some(what) = &set.shape.unknown
            && told.insert(Arc::clone(what))
        {
            findings.push(messages::unmodelled_set(set.span, what));
        }
    }
    let sets = sets.into_iter().map(|(name, set)| Arc::new(set.finish(name))).collect();
    ReadSets { sets, findings }
}

struct Reading {
    sets: HashMap<Arc<str>, Growing>,
    /// How many were made so far.
    made: usize,
}

/// A set while lines fill it.
struct Growing {
    number: usize,
    span: Span,
    shape: Shape,
    entries: Vec<Entry>,
}

/// The first and the last address of an entry.
#[derive(Clone, Copy)]
struct Entry {
    low: u128,
    high: u128,
    /// Whether its addresses are in the set; else they are taken out of a larger entry (`nomatch`).
    inside: bool,
}

/// What can be in a set.
#[derive(Clone)]
struct Shape {
    family: Family,
    /// What is not known here of a set whose entries are more than addresses and networks: its type, or the
    /// word that makes them so.
    unknown: Option<Arc<str>>,
    /// Seconds, when entries go by themselves.
    timeout: Option<u32>,
    size: u32,
    /// Prefix length of each entry of a set of addresses.
    length: u8,
}

/// Entries that a set takes when nobody says how many (`ipset(8)`).
const DEFAULT_SIZE: u32 = 65_536;

impl Reading {
    fn line(&mut self, line: &str, span: Span) -> Result<(), &'static str> {
        let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
        let command = words.next().unwrap_or_default();
        let name = words.next().ok_or("line without the name of a set")?;
        match command {
            "create" | "-N" => self.create(name, words, span),
            "add" | "-A" => {
                let set = self.sets.get_mut(name).ok_or("entry of a set that was not made")?;
                set.add(words.next().ok_or("line without an entry")?, words)
            }
            "flush" | "-F" => {
                let set = self.sets.get_mut(name).ok_or("flush of a set that was not made")?;
                set.entries = Vec::new();
                Ok(())
            }
            "destroy" | "-X" => match self.sets.remove(name) {
                Some(_) => Ok(()),
                None => Err("end of a set that was not made"),
            },
            "swap" | "-W" => self.swap(name, words.next().ok_or("swap with nothing")?),
            _ => Err("line that is no command of ipset that is known here"),
        }
    }

    fn create<'a>(
        &mut self,
        name: &str,
        mut words: impl Iterator<Item = &'a str>,
        span: Span,
    ) -> Result<(), &'static str> {
        if name.len() > MAX_SET_NAME {
            return Err("name of a set longer than 31 bytes");
        }
        let kind = words.next().ok_or("set without a type")?;
        let shape = Shape::read(kind, words)?;
        // With `-exist` a set that is there stays as it is.
        if !self.sets.contains_key(name) {
            let number = self.made;
            self.made += 1;
            let entries = Vec::new();
            self.sets.insert(name.into(), Growing { number, span, shape, entries });
        }
        Ok(())
    }

    /// What is in the one is in the other now.
    fn swap(&mut self, a: &str, b: &str) -> Result<(), &'static str> {
        let (Some((name_a, mut a)), Some((name_b, mut b))) =
            (self.sets.remove_entry(a), self.sets.remove_entry(b))
        else {
            return Err("swap of sets that were not made");
        };
        std::mem::swap(&mut a.shape, &mut b.shape);
        std::mem::swap(&mut a.entries, &mut b.entries);
        self.sets.insert(name_a, a);
        self.sets.insert(name_b, b);
        Ok(())
    }
}

impl Shape {
    fn read<'a>(
        kind: &str,
        mut words: impl Iterator<Item = &'a str>,
    ) -> Result<Self, &'static str> {
        let is_plain =
            matches!(kind, "hash:ip" | "hash:net" | "bitmap:ip" | "iphash" | "nethash" | "ipmap");
        let unknown = (!is_plain).then(|| kind.into());
        let mut shape =
            Shape { family: Family::V4, unknown, timeout: None, size: DEFAULT_SIZE, length: 0 };
        let mut mask = None;
        while let Some(word) = words.next() {
            let number = |text: Option<&str>| text.and_then(value::long);
            match word {
                "family" => {
                    shape.family = match words.next() {
                        Some("inet") => Family::V4,
                        Some("inet6") => Family::V6,
                        _ => return Err("set of a family that is neither inet nor inet6"),
                    }
                }
                "timeout" => {
                    let seconds = number(words.next());
                    shape.timeout = Some(seconds.ok_or("timeout without a number of seconds")?);
                }
                "maxelem" => shape.size = number(words.next()).ok_or("size that is no number")?,
                "netmask" => mask = words.next().and_then(value::byte),
                // What they say does not change what is in the set.
                "hashsize" | "bucketsize" | "initval" | "markmask" | "range" | "size" => {
                    words.next();
                }
                "counters" | "comment" | "skbinfo" | "forceadd" | "wildcard" => {}
                _ => _ = shape.unknown.get_or_insert_with(|| word.into()),
            }
        }
        let bits = shape.family.bits();
        shape.length = mask.filter(|mask| (1..=bits).contains(mask)).unwrap_or(bits);
        Ok(shape)
    }
}

impl Growing {
    fn add<'a>(
        &mut self,
        entry: &str,
        mut options: impl Iterator<Item = &'a str>,
    ) -> Result<(), &'static str> {
        if self.shape.unknown.is_some() {
            return Ok(());
        }
        let inside = !options.any(|option| option == "nomatch");
        let Ok(block) = parse_block(entry) else { return Err("entry that is no address") };
        if block.family != self.shape.family {
            return Err("entry of the other family than its set");
        }
        let (mut low, mut high) = (block.low, block.high);
        if self.shape.length < self.shape.family.bits()
            && let Some((address, _)) = block.written
        {
            let network = Prefix::containing(address, self.shape.length);
            (low, high) = network.map_or((to_number(address), high), Prefix::bounds);
        }
        self.entries.push(Entry { low, high, inside });
        Ok(())
    }

    fn finish(self, name: Arc<str>) -> KernelSet {
        let Shape { family, unknown, timeout, size, length } = self.shape;
        let content = match timeout {
            _ if unknown.is_some() => SetContent::Unknown,
            // What was in it goes.
            Some(_) if !self.entries.is_empty() => SetContent::Unknown,
            Some(timeout) => SetContent::Dynamic(DynamicSet { timeout, size, length }),
            None => members(family, &self.entries).map_or(SetContent::Unknown, SetContent::Static),
        };
        KernelSet { name, family, content, origin: Origin::Read(self.span) }
    }
}

/// What is in a set. Of the networks that an address is in, the smallest says whether it is; `None` where that
/// cannot be told, for some entry is no network.
fn members(family: Family, entries: &[Entry]) -> Option<Addresses> {
    if entries.iter().all(|entry| entry.inside) {
        return Some(addresses(family, entries));
    }
    let mut by_length: BTreeMap<u8, [Vec<Entry>; 2]> = BTreeMap::new();
    for entry in entries {
        let network = Prefix::spanning(family, entry.low, entry.high)?;
        by_length.entry(network.length()).or_default()[usize::from(entry.inside)].push(*entry);
    }
    let all = by_length.into_values().fold(Addresses::empty(), |all, [outside, inside]| {
        let outside = addresses(family, &outside);
        let rest = [all.difference(&outside), addresses(family, &inside)];
        Addresses::union_all(rest.iter())
    });
    Some(all)
}

fn addresses(family: Family, entries: &[Entry]) -> Addresses {
    let mut all = Addresses::empty();
    let intervals = entries.iter().map(|entry| (entry.low, entry.high));
    match family {
        Family::V4 => {
            let narrow = |number: u128| u32::try_from(number).unwrap_or(u32::MAX);
            let narrow = intervals.map(|(low, high)| (narrow(low), narrow(high)));
            all.v4 = IntervalSet::from_intervals(narrow);
        }
        Family::V6 => all.v6 = IntervalSet::from_intervals(intervals),
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Sources;

    fn sets(text: &str) -> ReadSets {
        read_ipsets(Sources::new().add("ipsets", text), text)
    }

    fn networks(read: &ReadSets, name: &str) -> Vec<String> {
        let set = read.sets.iter().find(|set| &*set.name == name).expect(name);
        set.networks().map(|network| network.to_string()).collect()
    }

    #[test]
    fn what_is_swapped_in_is_what_is_there() {
        let read = sets(
            "create a hash:net family inet maxelem 10\ncreate a.n hash:net family inet maxelem 10\n\
             flush a.n\nadd a.n 10.0.0.0/8\nadd a.n 192.0.2.1\nswap a.n a\ndestroy a.n\n",
        );
        assert_eq!(read.findings, []);
        assert_eq!(networks(&read, "a"), ["10.0.0.0/8", "192.0.2.1/32"]);
        assert_eq!(read.sets.len(), 1);
    }

    #[test]
    fn sets_that_fill_and_sets_of_more_than_addresses() {
        let read = sets(
            "create f hash:ip family inet6 hashsize 64 maxelem 5 timeout 60 netmask 64 bucketsize 12 \
             initval 0x1\ncreate p hash:ip,port family inet\nadd p 10.0.0.1,tcp:80\n\
             create q hash:ip,port family inet\ncreate m hash:ip netmask 24\nadd m 10.0.0.9\n",
        );
        let said: Vec<&str> = read.findings.iter().map(|finding| &*finding.message).collect();
        assert_eq!(said, ["what is in a set of `hash:ip,port` is not known here"]);
        let filled = DynamicSet { timeout: 60, size: 5, length: 64 };
        assert_eq!(read.sets[0].content, SetContent::Dynamic(filled));
        assert_eq!(read.sets[1].content, SetContent::Unknown);
        assert_eq!(networks(&read, "m"), ["10.0.0.0/24"]);
    }

    #[test]
    fn the_smallest_network_says_whether_an_address_is_in_a_set() {
        let read = sets(
            "create n hash:net family inet\nadd n 10.0.0.0/23\nadd n 10.0.0.0/24 nomatch\n\
             add n 10.0.0.128/25\nadd n 192.0.2.0/24 nomatch\n\
             create b bitmap:ip range 10.0.0.0-10.0.0.255\nadd b 10.0.0.7\nadd b 10.0.0.8-10.0.0.9\n",
        );
        assert_eq!(read.findings, []);
        assert_eq!(networks(&read, "n"), ["10.0.0.128/25", "10.0.1.0/24"]);
        assert_eq!(networks(&read, "b"), ["10.0.0.7/32", "10.0.0.8/31"]);
    }

    #[test]
    fn mistakes_are_reported() {
        for wrong in [
            "add a 10.0.0.1",
            "create a hash:ip\nadd a 10.0.0.256",
            "create a hash:ip\nadd a ::1",
            "create a",
            "swap a b",
            "nonsense a",
            "create a hash:ip family inet5",
        ] {
            assert_eq!(sets(wrong).findings.len(), 1, "{wrong}");
        }
    }
}
