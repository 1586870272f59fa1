//! What became of a packet on its way through a chain, as the world can tell.
//!
//! In which order a packet was marked, and by how many rules, nobody sees: what counts is what the chain
//! leaves of it, and as what it was logged or met words that are not understood. Of a packet that is
//! dropped only the mark of its connection stays.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Deed;
use crate::meaning::{Change, Decision};
use crate::net::{CtState, Dscp, Helper, MarkMatch};
use crate::packet::{Field, Packet};
use crate::resolve::policy::LogLevel;

/// What became of packets that met the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Course {
    pub made: Made,
    /// Whether conntrack was told what to do: it is told once.
    pub is_told: bool,
    /// The sets that took up the source.
    pub added: BTreeMap<Arc<str>, Option<u32>>,
    counted: BTreeMap<Arc<str>, u32>,
    /// What was made of the packet when a line of the log was written, each time: in which order different
    /// lines of one packet are does not count.
    logged: BTreeMap<Line, Vec<Made>>,
    /// What rules that go on did in words that are not understood.
    words: Vec<(Arc<str>, Made)>,
    decision: Option<Decision>,
}

/// What a line of the log begins with, and its level.
type Line = (Option<Arc<str>>, LogLevel);

/// What was made of a packet, by what it was at first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Made {
    pub mark: Bits,
    pub connection: Bits,
    pub dscp: Option<Dscp>,
    pub is_untracked: bool,
    segments: BTreeSet<Option<u16>>,
    helper: Option<Helper>,
    /// Fields that words may have changed.
    pub unknown: BTreeSet<Field>,
}

/// What became of a mark.
// INVARIANT: `value` is within `set`, which has no bit of `copied`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Bits {
    /// These are as in `value`, whatever they were.
    pub set: u32,
    pub value: u32,
    /// These are what they were in the mark of the connection at first.
    pub copied: u32,
}

impl Bits {
    fn make(&mut self, mark: MarkMatch) {
        self.set |= mark.mask();
        self.value = self.value & !mark.mask() | mark.value();
        self.copied &= !mark.mask();
    }

    fn copy(&mut self, mask: u32, from: Bits) {
        self.set = self.set & !mask | from.set & mask;
        self.value = self.value & !mask | from.value & mask;
        self.copied = self.copied & !mask | mask & !from.set;
    }

    /// What the bits under a mask are, if they were made so.
    pub fn as_match(self) -> Option<MarkMatch> {
        MarkMatch::new(self.value, self.set).filter(|mark| mark.mask() != 0)
    }
}

/// A way in which two courses are apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Apart {
    /// What is another.
    pub what: What,
    pub unless: Unless,
}

/// What a packet can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// Decisions, lines, words: not what changes packets.
    Deed,
    Mark,
    ConnectionMark,
    Dscp,
    Segments,
    Tracking,
}

impl What {
    /// Whether a change is about that.
    pub fn is_of(self, change: Change) -> bool {
        match self {
            What::Deed => false,
            What::Mark => change.fields().contains(&Field::Mark),
            What::ConnectionMark => change.fields().contains(&Field::ConnectionMark),
            What::Dscp => matches!(change, Change::Dscp(_)),
            What::Segments => matches!(change, Change::Mss(_)),
            What::Tracking => matches!(change, Change::Untracked | Change::Helper(_)),
        }
    }
}

/// The packets that do not show that two courses are apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unless {
    Never,
    /// Who has this mark already.
    Mark(MarkMatch),
    ConnectionMark(MarkMatch),
    /// Whose mark has under this mask what that of its connection has.
    SameMarks(u32),
    Dscp(Dscp),
    Untracked,
}

impl Unless {
    pub fn holds(self, packet: &Packet) -> bool {
        match self {
            Unless::Never => false,
            Unless::Mark(mark) => mark.matches(packet.mark),
            Unless::ConnectionMark(mark) => mark.matches(packet.connection_mark),
            Unless::SameMarks(mask) => (packet.mark ^ packet.connection_mark) & mask == 0,
            Unless::Dscp(dscp) => packet.dscp == dscp.code(),
            Unless::Untracked => packet.state == CtState::Untracked,
        }
    }
}

impl Course {
    /// After a deed. A packet without a connection has no mark of one to be copied.
    pub fn after(&mut self, deed: &Deed, is_tracked: bool) {
        match deed {
            Deed::Decide(decision) => self.decision = Some(decision.clone()),
            Deed::Log { prefix, level } => {
                let line = (prefix.clone(), *level);
                self.logged.entry(line).or_default().push(self.made.clone());
            }
            Deed::Change(change) => self.change(*change, is_tracked),
            // Whoever is added once more stays as long as that says.
            Deed::Add { set, timeout } => {
                self.added.insert(Arc::clone(set), *timeout);
            }
            Deed::Opaque(text) => self.words.push((Arc::clone(text), self.made.clone())),
            Deed::Count(limit) => *self.counted.entry(Arc::clone(limit)).or_default() += 1,
        }
    }

    /// After words that may have changed these fields.
    pub fn forget(&mut self, fields: &[Field]) {
        let Made { mark, connection, dscp, unknown, .. } = &mut self.made;
        for field in fields {
            unknown.insert(*field);
            match field {
                Field::Mark => *mark = Bits::default(),
                Field::ConnectionMark => *connection = Bits::default(),
                Field::Dscp => *dscp = None,
                Field::Incoming
                | Field::Outgoing
                | Field::Source
                | Field::Destination
                | Field::Protocol
                | Field::SourcePort
                | Field::DestinationPort
                | Field::Icmp
                | Field::Flags
                | Field::State
                | Field::Translated
                | Field::OriginalDestination
                | Field::OriginalPort
                | Field::ToLocal
                | Field::Mac
                | Field::User
                | Field::Group
                | Field::Length
                | Field::Ttl
                | Field::Opaque => {}
            }
        }
    }

    fn change(&mut self, change: Change, is_tracked: bool) {
        let made = &mut self.made;
        match change {
            Change::Mark(mark) => made.mark.make(mark),
            Change::StickyMark(mark) => {
                made.mark.make(mark);
                made.connection.make(mark);
            }
            Change::ConnectionMark(mark) => made.connection.make(mark),
            Change::RestoredMark(mask) => {
                let nothing = Bits { set: u32::MAX, value: 0, copied: 0 };
                made.mark.copy(mask, if is_tracked { made.connection } else { nothing });
            }
            // Of a packet that keeps its own mark, that of its connection is not known.
            Change::SavedMark(mask) => {
                if is_tracked {
                    let set = MarkMatch::new(made.mark.value & mask, made.mark.set & mask);
                    if let Some(set) = set {
                        made.connection.make(set);
                    }
                    if mask & !made.mark.set != 0 {
                        made.unknown.insert(Field::ConnectionMark);
                    }
                }
            }
            Change::Dscp(dscp) => made.dscp = Some(dscp),
            // Each makes it no more than it says (`xt_TCPMSS.c`).
            Change::Mss(None) => {
                made.segments.insert(None);
            }
            Change::Mss(Some(size)) => {
                let least = made.segments.iter().flatten().copied().chain([size]).min();
                made.segments.retain(Option::is_none);
                made.segments.insert(least);
            }
            Change::Untracked => (made.is_untracked, self.is_told) = (true, true),
            Change::Helper(helper) => (made.helper, self.is_told) = (Some(helper), true),
        }
    }

    /// In what two courses are apart that have come to their ends.
    pub fn apart(&self, other: &Self) -> Vec<Apart> {
        let [lines, other_lines] =
            [self, other].map(|course| course.logged.iter().map(|(line, made)| (line, made.len())));
        let [words, other_words] =
            [self, other].map(|course| course.words.iter().map(|(text, _)| text));
        let same = self.decision == other.decision
            && (&self.added, &self.counted) == (&other.added, &other.counted)
            && lines.eq(other_lines)
            && words.eq(other_words);
        if !same {
            return vec![Apart { what: What::Deed, unless: Unless::Never }];
        }
        let [made, other_made] = [self, other].map(|course| course.logged.values().flatten());
        let logged = made.zip(other_made).flat_map(|(one, other)| {
            // A line tells the mark and the class of the packet.
            let told = |apart: &Apart| matches!(apart.what, What::Mark | What::Dscp);
            one.apart(other).into_iter().filter(told)
        });
        let words = self.words.iter().zip(&other.words);
        let met = words.flat_map(|((_, one), (_, other))| one.apart(other));
        let is_dropped = self.decision == Some(Decision::Drop);
        let stays = |apart: &Apart| !is_dropped || apart.what == What::ConnectionMark;
        let left = self.made.apart(&other.made).into_iter().filter(stays);
        logged.chain(met).chain(left).collect()
    }
}

impl Made {
    /// Whether a field may be another than at first.
    pub fn has(&self, field: Field) -> bool {
        let is_other = |bits: Bits| bits != Bits::default();
        self.unknown.contains(&field)
            || self.is_untracked && Change::Untracked.fields().contains(&field)
            || match field {
                Field::Mark => is_other(self.mark),
                Field::ConnectionMark => is_other(self.connection),
                Field::Dscp => self.dscp.is_some(),
                Field::Length => !self.segments.is_empty(),
                Field::Incoming
                | Field::Outgoing
                | Field::Source
                | Field::Destination
                | Field::Protocol
                | Field::SourcePort
                | Field::DestinationPort
                | Field::Icmp
                | Field::Flags
                | Field::State
                | Field::Translated
                | Field::OriginalDestination
                | Field::OriginalPort
                | Field::ToLocal
                | Field::Mac
                | Field::User
                | Field::Group
                | Field::Ttl
                | Field::Opaque => false,
            }
    }

    fn apart(&self, other: &Self) -> Vec<Apart> {
        let mut all = Vec::new();
        bits_apart(What::Mark, Unless::Mark, self.mark, other.mark, &mut all);
        let (one, two) = (self.connection, other.connection);
        bits_apart(What::ConnectionMark, Unless::ConnectionMark, one, two, &mut all);
        let never = |what| Apart { what, unless: Unless::Never };
        match (self.dscp, other.dscp) {
            (Some(one), Some(two)) if one != two => all.push(never(What::Dscp)),
            (Some(one), None) | (None, Some(one)) => {
                all.push(Apart { what: What::Dscp, unless: Unless::Dscp(one) });
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
        if self.segments != other.segments {
            all.push(never(What::Segments));
        }
        if self.is_untracked != other.is_untracked {
            all.push(Apart { what: What::Tracking, unless: Unless::Untracked });
        }
        if self.helper != other.helper {
            all.push(never(What::Tracking));
        }
        // The same words made the same of what is not known.
        all
    }
}

fn bits_apart(
    what: What,
    unless: fn(MarkMatch) -> Unless,
    one: Bits,
    other: Bits,
    all: &mut Vec<Apart>,
) {
    let mut add = |unless: Option<Unless>| {
        all.extend(unless.map(|unless| Apart { what, unless }));
    };
    let some =
        |value: u32, mask: u32| MarkMatch::new(value & mask, mask).filter(|mark| mark.mask() != 0);
    add(((one.value ^ other.value) & one.set & other.set != 0).then_some(Unless::Never));
    for (one, other) in [(one, other), (other, one)] {
        let own = !(one.set | one.copied);
        add(some(other.value, own & other.set).map(unless));
        add(some(other.value, one.copied & other.set).map(Unless::ConnectionMark));
        let copied = own & other.copied;
        add((copied != 0).then_some(Unless::SameMarks(copied)));
    }
}
