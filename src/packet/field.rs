//! The fields of the packet space, and what they hold in one packet.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::net::address::to_number;
use crate::net::{Account, CtState, Dscp, Family, Mac, TcpFlags};

use super::Packet;

/// A field of the packet space, beside the family, which each set has as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// The interface it came in on; "none" is a value.
    Incoming,
    /// The interface it leaves on; "none" is a value.
    Outgoing,
    Source,
    Destination,
    Protocol,
    /// Of tcp, udp and sctp packets only, like the destination port.
    SourcePort,
    DestinationPort,
    /// Type × 256 + code, of ICMP and ICMPv6 packets only.
    Icmp,
    /// The six flags as a number below 64, of tcp packets only.
    Flags,
    /// The number of a [`CtState`] in [`CtState::ALL`].
    State,
    /// 1 when the destination was translated (`--ctstate DNAT`), else 0.
    Translated,
    /// The destination before translation; of an untranslated packet its destination.
    OriginalDestination,
    /// The same of the port.
    OriginalPort,
    /// 1 when the destination is an address of this machine, else 0.
    ToLocal,
    /// 48 bits, of packets that came in over Ethernet only.
    Mac,
    Mark,
    /// Of packets that have a connection only.
    ConnectionMark,
    /// Of this machine's own packets only, like the group.
    User,
    Group,
    Length,
    Ttl,
    Dscp,
    /// The conditions that hold although the packet does not show them.
    Opaque,
}

impl Field {
    pub const ALL: [Field; 23] = [
        Field::Incoming,
        Field::Outgoing,
        Field::Source,
        Field::Destination,
        Field::Protocol,
        Field::SourcePort,
        Field::DestinationPort,
        Field::Icmp,
        Field::Flags,
        Field::State,
        Field::Translated,
        Field::OriginalDestination,
        Field::OriginalPort,
        Field::ToLocal,
        Field::Mac,
        Field::Mark,
        Field::ConnectionMark,
        Field::User,
        Field::Group,
        Field::Length,
        Field::Ttl,
        Field::Dscp,
        Field::Opaque,
    ];

    /// Whether it is conntrack that knows it of a packet.
    #[must_use]
    pub fn is_of_connection(self) -> bool {
        matches!(
            self,
            Field::State
                | Field::Translated
                | Field::OriginalDestination
                | Field::OriginalPort
                | Field::ConnectionMark
        )
    }

    /// The field's value in a packet; `None` when the packet has no such field.
    #[must_use]
    pub fn of(self, packet: &Packet) -> Option<Value<'_>> {
        let number = |number: u16| Value::Number(number.into());
        let value = match self {
            Field::Incoming => Value::Interface(packet.incoming.as_deref()),
            Field::Outgoing => Value::Interface(packet.outgoing.as_deref()),
            Field::Source => Value::Number(to_number(packet.source)),
            Field::Destination => Value::Number(to_number(packet.destination)),
            Field::Protocol => Value::Number(packet.protocol().number().into()),
            Field::SourcePort => number(packet.ports()?.0),
            Field::DestinationPort => number(packet.ports()?.1),
            Field::Icmp => number(u16::from_be_bytes(packet.icmp()?.into())),
            Field::Flags => Value::Number(packet.flags()?.bits().into()),
            Field::State => Value::Number(state_number(packet.state)),
            Field::Translated => Value::Number(packet.original.is_some().into()),
            Field::OriginalDestination => Value::Number(to_number(packet.original_destination())),
            Field::OriginalPort => number(packet.original_port()?),
            Field::ToLocal => Value::Number(packet.to_local.into()),
            Field::Mac => Value::Number(mac_number(packet.mac?)),
            Field::Mark => Value::Number(packet.mark.into()),
            Field::ConnectionMark if !packet.is_tracked() => return None,
            Field::ConnectionMark => Value::Number(packet.connection_mark.into()),
            Field::User => Value::Account(packet.user.as_ref()?),
            Field::Group => Value::Account(packet.group.as_ref()?),
            Field::Length => number(packet.length),
            Field::Ttl => Value::Number(packet.ttl.into()),
            Field::Dscp => Value::Number(packet.dscp.into()),
            Field::Opaque => Value::Facts(&packet.opaque),
        };
        Some(value)
    }

    /// The highest number that the field can have in a family; 0 for fields that are not numbers.
    #[must_use]
    pub fn highest(self, family: Family) -> u128 {
        match self {
            Field::Incoming | Field::Outgoing | Field::User | Field::Group | Field::Opaque => 0,
            Field::Source | Field::Destination | Field::OriginalDestination => match family {
                Family::V4 => u32::MAX.into(),
                Family::V6 => u128::MAX,
            },
            Field::Protocol | Field::Ttl => u8::MAX.into(),
            Field::SourcePort
            | Field::DestinationPort
            | Field::OriginalPort
            | Field::Icmp
            | Field::Length => u16::MAX.into(),
            Field::Flags => TcpFlags::ALL.bits().into(),
            Field::Dscp => Dscp::MAX.into(),
            Field::State => CtState::ALL.len() as u128 - 1,
            Field::Translated | Field::ToLocal => 1,
            Field::Mac => (1 << 48) - 1,
            Field::Mark | Field::ConnectionMark => u32::MAX.into(),
        }
    }
}

/// What a field of one packet holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    Number(u128),
    Interface(Option<&'a str>),
    Account(&'a Account),
    /// The conditions that hold.
    Facts(&'a BTreeSet<Arc<str>>),
}

/// The place of a state in [`CtState::ALL`].
pub(super) fn state_number(state: CtState) -> u128 {
    match state {
        CtState::Invalid => 0,
        CtState::New => 1,
        CtState::Related => 2,
        CtState::Established => 3,
        CtState::Untracked => 4,
    }
}

pub(super) fn mac_number(mac: Mac) -> u128 {
    mac.0.iter().fold(0, |number, byte| number << 8 | u128::from(*byte))
}
