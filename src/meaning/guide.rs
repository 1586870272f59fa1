//! Where many packets walk through the same lists: in long ones, entries are found by place.
//!
//! A guide only leaves out entries that are not about a packet. Whether one is, its own set says, as
//! without a guide; so conditions that packets do not show, of which there may be very many, need no place.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::net::Family;
use crate::packet::{Among, Field, Index, Packet, PacketSet, Point, RuleNumber, Space};

use super::{BaseChain, Entry, List, Meaning, Question, Trace, Unknown};

/// A meaning through which many packets walk.
pub struct Guide<'m> {
    pub meaning: &'m Meaning,
    /// Up to so many entries are asked one by one.
    few: usize,
    /// So many packets ask the entries of a list one by one: to know their places is as much work.
    patience: usize,
    /// What is known of long lists that packets came to.
    known: RefCell<HashMap<*const List, Known>>,
}

enum Known {
    /// So many packets were there.
    Walked(usize),
    Placed(Rc<Places>),
}

impl<'m> Guide<'m> {
    #[must_use]
    pub fn of(meaning: &'m Meaning) -> Self {
        Guide { meaning, few: 64, patience: 64, known: RefCell::default() }
    }

    /// One that knows the places of the shortest lists, from the first packet on: slow, and does the same.
    #[must_use]
    pub fn eager(meaning: &'m Meaning) -> Self {
        Guide { few: 0, patience: 0, ..Guide::of(meaning) }
    }

    /// [`Meaning::trace`], quicker for the next packet.
    pub fn trace(
        &self,
        base: BaseChain,
        packet: &Packet,
        oracle: &mut dyn FnMut(Question<'m>) -> bool,
    ) -> Trace<'m> {
        self.meaning.trace_by(Some(self), base, (packet, Unknown::new()), oracle)
    }

    /// The same for a packet of which not everything is known.
    pub fn trace_unknown(
        &self,
        base: BaseChain,
        packet: (&Packet, Unknown<'m>),
        oracle: &mut dyn FnMut(Question<'m>) -> bool,
    ) -> Trace<'m> {
        self.meaning.trace_by(Some(self), base, packet, oracle)
    }

    /// The places of the entries of a list that a packet comes to; `None` while they are not known.
    pub(super) fn places(&self, family: Family, list: &'m List) -> Option<Rc<Places>> {
        if list.entries.len() <= self.few {
            return None;
        }
        let mut known = self.known.borrow_mut();
        let known = known.entry(list).or_insert(Known::Walked(0));
        if let Known::Walked(packets) = known {
            *packets += 1;
            if *packets <= self.patience {
                return None;
            }
            *known = Known::Placed(Rc::new(Places::of(family, &list.entries)));
        }
        match known {
            Known::Walked(_) => None,
            Known::Placed(places) => Some(Rc::clone(places)),
        }
    }
}

/// The places of the entries of a list.
pub(super) struct Places {
    space: Space,
    index: Index,
}

impl Places {
    fn of(family: Family, entries: &[Entry]) -> Self {
        // What has no such conditions keeps the long lists that it shares with others.
        let shown: Vec<Cow<'_, PacketSet>> =
            entries.iter().map(|entry| shown(&entry.set)).collect();
        let sets: Vec<&PacketSet> = shown.iter().map(|set| &**set).collect();
        let (space, regions) = Space::of(family, None, &sets);
        let index = Index::of_packets(&space, (0..).map(RuleNumber).zip(&regions));
        Places { space, index }
    }

    pub fn point(&self, packet: &Packet) -> Point {
        self.space.point(packet)
    }

    /// The first entry from this number on that may be about a packet.
    pub fn next(&self, point: &Point, from: usize) -> Option<usize> {
        let last = from.checked_sub(1).and_then(|last| u32::try_from(last).ok());
        let among = last.map_or(Among::ALL, |last| Among::after(RuleNumber(last)));
        self.index.first(point, among).map(|rule| rule.0 as usize)
    }
}

/// The packets that meet what a packet shows of the conditions of a set.
fn shown(set: &PacketSet) -> Cow<'_, PacketSet> {
    if set.speaks_of(|field| field == Field::Opaque) {
        Cow::Owned(set.widened(|field| field != Field::Opaque))
    } else {
        Cow::Borrowed(set)
    }
}
