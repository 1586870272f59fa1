//! What the router writes down of a packet, and what became of it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use palisade::net::{CtState, Family};

use crate::netlink::attributes;

/// Where a packet is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Entered,
    Asked(CtState),
    Changed,
    /// With the mark of its connection.
    Connection,
    Passed,
    /// What the router itself sends.
    Answer,
    /// A rule logs it.
    Logged,
    /// The last packet of a batch.
    End,
}

/// One entry of the diary.
#[derive(Debug, Clone)]
pub struct Entry {
    pub place: Place,
    /// What the rule that logs it says.
    pub prefix: String,
    pub mark: u32,
    pub incoming: Option<String>,
    pub outgoing: Option<String>,
    pub seen: Seen,
}

/// What is to be seen of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    pub source: IpAddr,
    pub destination: IpAddr,
    pub cookie: u16,
    pub dscp: u8,
    pub ttl: u8,
    pub protocol: u8,
    /// The first four bytes of what it carries: ports, or type and code.
    pub first: [u8; 4],
    /// Flags of tcp.
    pub flags: u8,
}

impl Seen {
    /// The destination port, where there is one.
    pub fn port(&self) -> Option<u16> {
        self.has_ports().then(|| u16::from_be_bytes([self.first[2], self.first[3]]))
    }

    pub fn source_port(&self) -> Option<u16> {
        self.has_ports().then(|| u16::from_be_bytes([self.first[0], self.first[1]]))
    }

    fn has_ports(&self) -> bool {
        [6, 17, 132].contains(&self.protocol)
    }
}

/// How the router answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Reset,
    /// By type and code.
    Icmp(u8, u8),
}

/// What became of one packet.
#[derive(Debug, Clone, Default)]
pub struct Sighting {
    pub has_entered: bool,
    pub asked: Option<(CtState, Seen, Option<String>)>,
    /// With its mark.
    pub changed: Option<(Seen, u32, Option<String>)>,
    pub connection_mark: u32,
    pub passed: Option<(Seen, u32, Option<String>)>,
    pub logs: Vec<String>,
    pub answer: Option<Answer>,
    /// What became of it when it came in again on lo.
    pub looped: Option<Box<Sighting>>,
}

impl Sighting {
    /// What is written of it last.
    fn last_mut(&mut self) -> &mut Self {
        if self.looped.is_none() {
            return self;
        }
        self.looped.as_deref_mut().expect("it is there")
    }

    /// As it was behind all chains, with where it left; `None` when it did not come there.
    pub fn end(&self) -> Option<(&Seen, Option<&str>)> {
        let last = self.looped.as_deref().unwrap_or(self);
        last.passed.as_ref().map(|(seen, _, outgoing)| (seen, outgoing.as_deref()))
    }
}

/// Reads an entry; `None` for what is no packet.
pub fn entry(body: &[u8], name: impl Fn(u32) -> Option<String>) -> Option<Entry> {
    let number = |value: &[u8]| value.try_into().map(u32::from_be_bytes).ok();
    let (mut prefix, mut mark, mut seen) = (String::new(), 0, None);
    let (mut incoming, mut outgoing) = (None, None);
    for (kind, value) in attributes(body) {
        match kind {
            2 => mark = number(value)?,
            4 => incoming = name(number(value)?),
            5 => outgoing = name(number(value)?),
            9 => seen = look(value),
            10 => {
                let text = value.strip_suffix(&[0]).unwrap_or(value);
                prefix = String::from_utf8_lossy(text).into_owned();
            }
            _ => {}
        }
    }
    let place = match prefix.split_once(' ') {
        Some(("@asked", state)) => Place::Asked(CtState::from_name(state)?),
        _ => match &*prefix {
            "@entered" => Place::Entered,
            "@changed" => Place::Changed,
            "@connection" => Place::Connection,
            "@passed" => Place::Passed,
            "@answer" => Place::Answer,
            "@end" => Place::End,
            _ => Place::Logged,
        },
    };
    Some(Entry { place, prefix, mark, incoming, outgoing, seen: seen? })
}

/// A packet from its IP header on.
fn look(bytes: &[u8]) -> Option<Seen> {
    let four = |at: usize| bytes.get(at..at + 4).and_then(|four| <[u8; 4]>::try_from(four).ok());
    let (source, destination, cookie, class, ttl, protocol, at): (IpAddr, IpAddr, _, _, _, _, _) =
        if bytes.first()? >> 4 == 4 {
            let header = usize::from(bytes[0] & 0xf) * 4;
            let cookie = u16::from_be_bytes([*bytes.get(4)?, *bytes.get(5)?]);
            let source = Ipv4Addr::from(four(12)?).into();
            let to = Ipv4Addr::from(four(16)?).into();
            (source, to, cookie, bytes[1], bytes[8], bytes[9], header)
        } else {
            let address = |at: usize| {
                let bytes = bytes.get(at..at + 16)?;
                Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into())
            };
            let cookie = u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]);
            let class = bytes[0] << 4 | bytes[1] >> 4;
            (address(8)?, address(24)?, cookie, class, *bytes.get(7)?, *bytes.get(6)?, 40)
        };
    let first = four(at).unwrap_or_default();
    let flags = bytes.get(at + 13).copied().unwrap_or_default();
    Some(Seen { source, destination, cookie, dscp: class >> 2, ttl, protocol, first, flags })
}

/// What became of each packet, by family and cookie.
pub fn sightings(entries: Vec<Entry>) -> BTreeMap<(Family, u16), Sighting> {
    let mut all: BTreeMap<(Family, u16), Sighting> = BTreeMap::new();
    // Whom an answer is for: who came last.
    let mut last = None;
    for Entry { place, prefix, mark, incoming, outgoing, seen } in entries {
        let mut of = (Family::of(seen.source), seen.cookie);
        if place == Place::Answer {
            let Some(asker) = last else { continue };
            of = asker;
        } else {
            last = Some(of);
        }
        let sighting = all.entry(of).or_default();
        if place == Place::Entered && incoming.as_deref() == Some("lo") {
            sighting.looped = Some(Box::default());
        }
        let sighting = sighting.last_mut();
        match place {
            Place::Entered => sighting.has_entered = true,
            Place::Asked(state) => sighting.asked = Some((state, seen, outgoing)),
            Place::Changed => sighting.changed = Some((seen, mark, outgoing)),
            Place::Connection => sighting.connection_mark = mark,
            Place::Passed => sighting.passed = Some((seen, mark, outgoing)),
            Place::Logged => sighting.logs.push(prefix),
            // Who got it may answer too.
            Place::Answer if sighting.passed.is_some() => {}
            Place::Answer => sighting.answer = answer(&seen).or(sighting.answer),
            Place::End => {}
        }
    }
    all
}

/// What a packet of the router says to who sent one; `None` for what it says by itself, such as that there
/// is a shorter way.
fn answer(seen: &Seen) -> Option<Answer> {
    match (seen.protocol, seen.first) {
        (6, _) if seen.flags & 4 != 0 => Some(Answer::Reset),
        (1, [3, code, ..]) => Some(Answer::Icmp(3, code)),
        (58, [1, code, ..]) => Some(Answer::Icmp(1, code)),
        _ => None,
    }
}
