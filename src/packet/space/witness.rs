//! From a point to a packet that stands for it, and from a packet to its point.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::super::{Field, Original, Packet, Payload, Point};
use super::Space;
use super::axis::{Axis, Subject};
use crate::net::address::from_number;
use crate::net::{Account, CtState, Family, Mac, Protocol, TcpFlags};

impl Space {
    /// A packet of this point, with ordinary values where the point leaves a choice. What is true of
    /// the point in any region is true of the packet in the region's set.
    #[must_use]
    pub fn packet(&self, point: &Point) -> Packet {
        let view = Reading { space: self, point };
        let payload = view.payload();
        let ported = payload_ports(payload);
        let translated = view.number(Field::Translated) == 1;
        let original = translated.then(|| Original {
            destination: view.address(Field::OriginalDestination),
            port: ported.then(|| narrow(view.number(Field::OriginalPort))),
        });
        let incoming = view.name(Field::Incoming);
        Packet {
            outgoing: view.name(Field::Outgoing),
            source: view.address(Field::Source),
            destination: view.address(Field::Destination),
            payload,
            state: view.state(translated),
            original,
            to_local: view.number(Field::ToLocal) == 1,
            mac: view.mac(incoming.is_some()),
            mark: view.mark(Field::Mark),
            connection_mark: view.mark(Field::ConnectionMark),
            user: view.account(Field::User),
            group: view.account(Field::Group),
            length: narrow(view.number(Field::Length)),
            ttl: narrow(view.number(Field::Ttl)),
            dscp: narrow(view.number(Field::Dscp)),
            opaque: view.facts(),
            incoming,
        }
    }

    /// The point of a packet.
    #[must_use]
    pub fn point(&self, packet: &Packet) -> Point {
        let mut point: Box<[u64]> = self.layout.full().into();
        for (number, axis) in self.axes.iter().enumerate() {
            self.layout.narrow_to(number, &mut point, axis.of_packet(packet));
        }
        Point(point)
    }
}

/// A point with what its numbers mean.
struct Reading<'s> {
    space: &'s Space,
    point: &'s Point,
}

impl Reading<'_> {
    /// The axis of a field with the point's value there.
    fn at(&self, field: Field) -> Option<(&Axis, u32)> {
        let (number, axis) = self.space.axis_of(field)?;
        Some((axis, self.space.layout.ends(number, &self.point.0).0))
    }

    /// The number of a field: an ordinary one, if the point has it. 0 where it is absent.
    fn number(&self, field: Field) -> u128 {
        let usual = ordinary(field, self.space.family);
        let Some((axis, value)) = self.at(field) else { return usual };
        let numbers = axis.numbers_of(value);
        if numbers.contains(usual) {
            return usual;
        }
        numbers.intervals().first().map_or(0, |(low, _)| *low)
    }

    fn is_absent(&self, field: Field) -> bool {
        self.at(field).is_some_and(|(axis, value)| axis.piece(value).is_none())
    }

    fn address(&self, field: Field) -> IpAddr {
        from_number(self.space.family, self.number(field))
    }

    fn name(&self, field: Field) -> Option<Arc<str>> {
        match self.at(field) {
            Some((axis, value)) => axis.domain().name_of(axis.piece(value)?),
            None => (field == Field::Incoming && !self.is_own()).then(|| "eth0".into()),
        }
    }

    /// Whether the point is about packets that this machine sent.
    fn is_own(&self) -> bool {
        let has = |field| self.at(field).is_some() && !self.is_absent(field);
        has(Field::User) || has(Field::Group)
    }

    fn account(&self, field: Field) -> Option<Account> {
        let (axis, value) = self.at(field)?;
        axis.domain().account_of(axis.piece(value)?)
    }

    fn mac(&self, came_in: bool) -> Option<Mac> {
        let has = came_in && !self.is_absent(Field::Mac);
        let [.., a, b, c, d, e, f] = self.number(Field::Mac).to_be_bytes();
        has.then_some(Mac([a, b, c, d, e, f]))
    }

    /// The values of the groups of bits that rules look at.
    fn mark(&self, field: Field) -> u32 {
        let mut mark = 0;
        for (number, axis) in self.space.axes.iter().enumerate() {
            if matches!(axis.subject, Subject::Mark { field: own, .. } if own == field) {
                let value = self.space.layout.ends(number, &self.point.0).0;
                mark |= axis.piece(value).map_or(0, |piece| axis.domain().mark_of(piece));
            }
        }
        mark
    }

    fn facts(&self) -> BTreeSet<Arc<str>> {
        let holding = |(number, axis): (usize, &Axis)| match &axis.subject {
            Subject::Fact(text) => {
                let holds = self.space.layout.ends(number, &self.point.0).0 == 1;
                holds.then(|| Arc::clone(text))
            }
            Subject::Field(_) | Subject::Mark { .. } => None,
        };
        self.space.axes.iter().enumerate().filter_map(holding).collect()
    }

    fn state(&self, translated: bool) -> CtState {
        let states = self.at(Field::State).map(|(axis, value)| axis.numbers_of(value));
        let fits = |state: &&CtState| {
            let tracked = !matches!(state, CtState::Invalid | CtState::Untracked);
            let number = **state as u128;
            (tracked || !translated) && states.as_ref().is_none_or(|states| states.contains(number))
        };
        let order = [CtState::New, CtState::Established, CtState::Related];
        let all = order.iter().chain(&CtState::ALL);
        all.into_iter().find(fits).copied().unwrap_or(CtState::New)
    }

    fn payload(&self) -> Payload {
        let source = narrow(self.number(Field::SourcePort));
        let destination = narrow(self.number(Field::DestinationPort));
        let protocol = Protocol::new(narrow(self.number(Field::Protocol)));
        match protocol.unwrap_or(Protocol::TCP) {
            Protocol::TCP => {
                let flags = TcpFlags::from_bits(narrow(self.number(Field::Flags)));
                Payload::Tcp { source, destination, flags }
            }
            Protocol::UDP => Payload::Udp { source, destination },
            Protocol::SCTP => Payload::Sctp { source, destination },
            protocol if protocol == Protocol::icmp(self.space.family) => {
                let [kind, code] = narrow::<u16>(self.number(Field::Icmp)).to_be_bytes();
                Payload::Icmp { kind, code }
            }
            protocol => Payload::Other(protocol),
        }
    }
}

fn payload_ports(payload: Payload) -> bool {
    match payload {
        Payload::Tcp { .. } | Payload::Udp { .. } | Payload::Sctp { .. } => true,
        Payload::Icmp { .. } | Payload::Other(_) => false,
    }
}

/// The number that a field has where nothing says otherwise.
fn ordinary(field: Field, family: Family) -> u128 {
    match field {
        // 198.51.100.77 and 2001:db8:77::77, of the nets for documentation (RFC 5737, 3849).
        Field::Source => match family {
            Family::V4 => 0xc633_644d,
            Family::V6 => 0x2001_0db8_0077_0000_0000_0000_0000_0077,
        },
        // 203.0.113.9 and 2001:db8:9::9, of the same.
        Field::Destination | Field::OriginalDestination => match family {
            Family::V4 => 0xcb00_7109,
            Family::V6 => 0x2001_0db8_0009_0000_0000_0000_0000_0009,
        },
        Field::Protocol => Protocol::TCP.number().into(),
        Field::SourcePort => 40_000,
        // The discard service.
        Field::DestinationPort | Field::OriginalPort => 9,
        // Echo request.
        Field::Icmp => match family {
            Family::V4 => 0x0800,
            Family::V6 => 0x8000,
        },
        Field::Flags => TcpFlags::SYN.bits().into(),
        Field::Mac => 0x0200_0000_0001,
        Field::Length => 60,
        Field::Ttl => 64,
        Field::Incoming
        | Field::Outgoing
        | Field::State
        | Field::Translated
        | Field::ToLocal
        | Field::Mark
        | Field::ConnectionMark
        | Field::User
        | Field::Group
        | Field::Dscp
        | Field::Opaque => 0,
    }
}

/// A number of a field in the field's own type. It is within the field, so it fits.
fn narrow<T: TryFrom<u128> + Default>(number: u128) -> T {
    T::try_from(number).unwrap_or_default()
}
