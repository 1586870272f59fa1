//! One condition on one field of a packet: the values that it may have.

use std::sync::Arc;

use crate::net::{
    Account, Addresses, CtState, CtStates, Dscp, Family, FlagMatch, IcmpType, Interface,
    IntervalSet, Mac, MarkMatch, Ports, Protocol, TcpFlags,
};

use super::field::{mac_number, state_number};
use super::{Field, InterfaceSet, OpaqueMatch, Packet, Value, opaque};

/// A set of values of one field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Values {
    /// Of an interval domain: addresses, ports, protocol, ICMP type, MAC, length, ttl.
    Numbers(IntervalSet<u128>),
    /// Of a domain of at most 64 values, a bit each: flags, state, yes or no.
    Bits(u64),
    Interfaces(InterfaceSet),
    /// Numbers some bits of which are fixed.
    Mark(MarkMatch),
    /// Sorted, each once. A name and a number count as two accounts: which number a name has is known only
    /// where the rules are loaded.
    Accounts(Vec<Account>),
    Opaque(OpaqueMatch),
}

impl Values {
    #[must_use]
    pub fn contains(&self, value: Value<'_>) -> bool {
        match (self, value) {
            (Values::Numbers(set), Value::Number(number)) => set.contains(number),
            (Values::Bits(bits), Value::Number(number)) => number < 64 && bits >> number & 1 == 1,
            (Values::Mark(mark), Value::Number(number)) => {
                u32::try_from(number).is_ok_and(|number| mark.matches(number))
            }
            (Values::Interfaces(set), Value::Interface(name)) => set.contains(name),
            (Values::Accounts(accounts), Value::Account(account)) => accounts.contains(account),
            (Values::Opaque(wanted), Value::Facts(facts)) => wanted.matches(facts),
            (
                Values::Numbers(_) | Values::Bits(_) | Values::Mark(_),
                Value::Interface(_) | Value::Account(_) | Value::Facts(_),
            )
            | (Values::Interfaces(_), Value::Number(_) | Value::Account(_) | Value::Facts(_))
            | (Values::Accounts(_), Value::Number(_) | Value::Interface(_) | Value::Facts(_))
            | (Values::Opaque(_), Value::Number(_) | Value::Interface(_) | Value::Account(_)) => {
                false
            }
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Values::Numbers(set) => set.is_empty(),
            Values::Bits(bits) => *bits == 0,
            Values::Interfaces(set) => set.is_empty(),
            Values::Mark(_) | Values::Opaque(_) => false,
            Values::Accounts(accounts) => accounts.is_empty(),
        }
    }

    /// The values in both; `None` when there are none, or when they are of different kinds.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        let both = match (self, other) {
            (Values::Numbers(a), Values::Numbers(b)) => Values::Numbers(a.intersection(b)),
            (Values::Bits(a), Values::Bits(b)) => Values::Bits(a & b),
            (Values::Interfaces(a), Values::Interfaces(b)) => Values::Interfaces(a.intersection(b)),
            (Values::Mark(a), Values::Mark(b)) => Values::Mark(both_marks(*a, *b)?),
            (Values::Accounts(a), Values::Accounts(b)) => {
                Values::Accounts(a.iter().filter(|one| b.contains(one)).cloned().collect())
            }
            (Values::Opaque(a), Values::Opaque(b)) => Values::Opaque(a.intersection(b)?),
            (
                Values::Numbers(_)
                | Values::Bits(_)
                | Values::Interfaces(_)
                | Values::Mark(_)
                | Values::Accounts(_)
                | Values::Opaque(_),
                _,
            ) => return None,
        };
        (!both.is_empty()).then_some(both)
    }
}

/// The marks that both mean: the fixed bits of both, which must agree where both fix them.
fn both_marks(a: MarkMatch, b: MarkMatch) -> Option<MarkMatch> {
    let agree = (a.value() ^ b.value()) & a.mask() & b.mask() == 0;
    agree.then(|| MarkMatch::new(a.value() | b.value(), a.mask() | b.mask())).flatten()
}

/// One condition: a packet meets it when it has the field and the field's value is among these.
// INVARIANT: the kind of the values is that of the field; numbers are at most the field's highest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Constraint {
    field: Field,
    values: Values,
}

impl Constraint {
    #[must_use]
    pub fn incoming(patterns: &[Interface]) -> Self {
        let values = Values::Interfaces(InterfaceSet::of(patterns));
        Constraint { field: Field::Incoming, values }
    }

    #[must_use]
    pub fn outgoing(patterns: &[Interface]) -> Self {
        let values = Values::Interfaces(InterfaceSet::of(patterns));
        Constraint { field: Field::Outgoing, values }
    }

    #[must_use]
    pub fn source(family: Family, addresses: &Addresses) -> Self {
        Self::intervals(Field::Source, addresses.intervals(family))
    }

    #[must_use]
    pub fn destination(family: Family, addresses: &Addresses) -> Self {
        Self::intervals(Field::Destination, addresses.intervals(family))
    }

    #[must_use]
    pub fn original_destination(family: Family, addresses: &Addresses) -> Self {
        Self::intervals(Field::OriginalDestination, addresses.intervals(family))
    }

    #[must_use]
    pub fn protocol(protocol: Protocol) -> Self {
        let number = protocol.number().into();
        Self::intervals(Field::Protocol, [(number, number)])
    }

    /// Any of these protocols, by number.
    #[must_use]
    pub fn protocols(numbers: impl IntoIterator<Item = (u8, u8)>) -> Self {
        let numbers = numbers.into_iter().map(|(low, high)| (low.into(), high.into()));
        Self::intervals(Field::Protocol, numbers)
    }

    #[must_use]
    pub fn source_port(ports: &Ports) -> Self {
        Self::intervals(Field::SourcePort, wide(ports))
    }

    #[must_use]
    pub fn destination_port(ports: &Ports) -> Self {
        Self::intervals(Field::DestinationPort, wide(ports))
    }

    #[must_use]
    pub fn original_port(ports: &Ports) -> Self {
        Self::intervals(Field::OriginalPort, wide(ports))
    }

    /// The type and code; the family and the protocol are conditions of their own.
    #[must_use]
    pub fn icmp(icmp: IcmpType) -> Self {
        let (first, last) = icmp.code.map_or((0, u8::MAX), |code| (code, code));
        let number = |code| u16::from_be_bytes([icmp.kind, code]).into();
        Self::intervals(Field::Icmp, [(number(first), number(last))])
    }

    /// ICMP of any type.
    #[must_use]
    pub fn any_icmp() -> Self {
        Self::intervals(Field::Icmp, [(0, u16::MAX.into())])
    }

    #[must_use]
    pub fn flags(flags: FlagMatch) -> Self {
        let bytes = 0..=TcpFlags::ALL.bits();
        let meant = bytes.filter(|byte| flags.matches(TcpFlags::from_bits(*byte)));
        Self::bits(Field::Flags, meant.fold(0, |bits, byte| bits | 1 << byte))
    }

    #[must_use]
    pub fn state(states: CtStates) -> Self {
        Self::bits(
            Field::State,
            states.iter().fold(0, |bits, state| bits | 1 << state_number(state)),
        )
    }

    /// Packets without a connection: invalid or untracked.
    #[must_use]
    pub fn unconnected() -> Self {
        Self::state([CtState::Invalid, CtState::Untracked].into_iter().collect())
    }

    /// What packets meet of which conntrack is told nothing more: [`Packet::was_tracked_before`].
    #[must_use]
    pub fn tracked_before() -> [Self; 2] {
        let connected = [CtState::New, CtState::Established, CtState::Related];
        let loopback = Self::incoming(&[Interface::loopback()]);
        [loopback, Self::state(connected.into_iter().collect())]
    }

    /// The destination was translated.
    #[must_use]
    pub fn translated() -> Self {
        Self::bits(Field::Translated, 0b10)
    }

    /// The destination was not translated.
    #[must_use]
    pub fn untranslated() -> Self {
        Self::bits(Field::Translated, 0b01)
    }

    /// The destination is an address of this machine.
    #[must_use]
    pub fn to_local() -> Self {
        Self::bits(Field::ToLocal, 0b10)
    }

    /// The destination is no address of this machine.
    #[must_use]
    pub fn not_to_local() -> Self {
        Self::bits(Field::ToLocal, 0b01)
    }

    #[must_use]
    pub fn mac(macs: &[Mac]) -> Self {
        let numbers = macs.iter().map(|mac| mac_number(*mac));
        Self::intervals(Field::Mac, numbers.map(|number| (number, number)))
    }

    #[must_use]
    pub fn mark(mark: MarkMatch) -> Self {
        Constraint { field: Field::Mark, values: Values::Mark(mark) }
    }

    #[must_use]
    pub fn connection_mark(mark: MarkMatch) -> Self {
        Constraint { field: Field::ConnectionMark, values: Values::Mark(mark) }
    }

    #[must_use]
    pub fn user(account: &Account) -> Self {
        Constraint { field: Field::User, values: Values::Accounts(vec![account.clone()]) }
    }

    /// The users or groups that it names, each with its field.
    pub fn accounts(&self) -> impl Iterator<Item = (Field, &Account)> {
        let accounts: &[Account] = match &self.values {
            Values::Accounts(accounts) => accounts,
            Values::Numbers(_)
            | Values::Bits(_)
            | Values::Interfaces(_)
            | Values::Mark(_)
            | Values::Opaque(_) => &[],
        };
        accounts.iter().map(|account| (self.field, account))
    }

    #[must_use]
    pub fn group(account: &Account) -> Self {
        Constraint { field: Field::Group, values: Values::Accounts(vec![account.clone()]) }
    }

    #[must_use]
    pub fn length(lengths: &IntervalSet<u16>) -> Self {
        Self::intervals(Field::Length, wide(lengths))
    }

    #[must_use]
    pub fn ttl(ttl: u8) -> Self {
        Self::intervals(Field::Ttl, [(ttl.into(), ttl.into())])
    }

    /// At least so many hops.
    #[must_use]
    pub fn ttl_from(least: u8) -> Self {
        Self::intervals(Field::Ttl, [(least.into(), u8::MAX.into())])
    }

    #[must_use]
    pub fn dscp(dscp: Dscp) -> Self {
        let code = dscp.code().into();
        Self::intervals(Field::Dscp, [(code, code)])
    }

    /// A condition that is known by its text, or its opposite.
    #[must_use]
    pub fn opaque(text: Arc<str>, holds: bool) -> Self {
        let values = Values::Opaque(OpaqueMatch::of(text, holds));
        Constraint { field: Field::Opaque, values }
    }

    /// The packets that have the field with another value, as conditions one of which holds. For
    /// interfaces, "none" is a value. `None` where there are no words for them: of accounts, and of
    /// several conditions that a packet does not show.
    #[must_use]
    pub fn others(&self, family: Family) -> Option<Vec<Self>> {
        let field = self.field;
        let of = |values| Constraint { field, values };
        Some(match &self.values {
            Values::Numbers(set) => {
                let all = IntervalSet::range(0, field.highest(family));
                vec![of(Values::Numbers(all.difference(set)))]
            }
            Values::Bits(bits) => {
                let all = u64::MAX >> (63 - u64::try_from(field.highest(family)).unwrap_or(63));
                vec![of(Values::Bits(!bits & all))]
            }
            Values::Interfaces(set) => vec![of(Values::Interfaces(set.complement()?))],
            Values::Mark(mark) => {
                let bits = (0..u32::BITS).map(|bit| 1 << bit).filter(|bit| mark.mask() & bit != 0);
                let others = bits.filter_map(|bit| MarkMatch::new(!mark.value() & bit, bit));
                others.map(|other| of(Values::Mark(other))).collect()
            }
            Values::Opaque(facts) => {
                let holding = facts.holding().iter().map(|text| (text, false));
                let failing = facts.failing().iter().map(|text| (text, true));
                let others = holding.chain(failing);
                others.map(|(text, holds)| Self::opaque(Arc::clone(text), holds)).collect()
            }
            Values::Accounts(_) => return None,
        })
    }

    /// The same values of another field, whose values are of the same kind.
    #[must_use]
    pub fn of_field(&self, field: Field) -> Self {
        Constraint { field, ..self.clone() }
    }

    /// The same said of the connection before its destination was translated; `None` for what does not
    /// change then.
    #[must_use]
    pub fn before_translation(&self) -> Option<Self> {
        let field = match self.field {
            Field::Destination => Field::OriginalDestination,
            Field::DestinationPort => Field::OriginalPort,
            Field::Incoming
            | Field::Outgoing
            | Field::Source
            | Field::Protocol
            | Field::SourcePort
            | Field::Icmp
            | Field::Flags
            | Field::State
            | Field::Translated
            | Field::OriginalDestination
            | Field::OriginalPort
            | Field::ToLocal
            | Field::Mac
            | Field::Mark
            | Field::ConnectionMark
            | Field::User
            | Field::Group
            | Field::Length
            | Field::Ttl
            | Field::Dscp
            | Field::Opaque => return None,
        };
        Some(Constraint { field, values: self.values.clone() })
    }

    #[must_use]
    pub fn field(&self) -> Field {
        self.field
    }

    /// Whether its answer may be another when some fields are.
    #[must_use]
    pub fn asks_for(&self, is_other: impl Fn(Field) -> bool) -> bool {
        if is_other(self.field) {
            return true;
        }
        let Values::Opaque(facts) = &self.values else { return false };
        let mut texts = facts.holding().union(facts.failing());
        texts.any(|text| opaque::looked_at(text).iter().any(|field| is_other(*field)))
    }

    #[must_use]
    pub fn values(&self) -> &Values {
        &self.values
    }

    #[must_use]
    pub fn contains(&self, packet: &Packet) -> bool {
        self.field.of(packet).is_some_and(|value| self.values.contains(value))
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Both conditions at once; `None` when nothing meets both or the fields differ.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        let values = self.values.intersection(&other.values);
        let same = self.field == other.field;
        values.filter(|_| same).map(|values| Constraint { field: self.field, values })
    }

    /// Has to be met together with another one; whether anything meets both.
    pub(super) fn narrow(&mut self, other: &Self) -> bool {
        // Of thousands of facts, each with the next would be copied once more.
        if let (Values::Opaque(own), Values::Opaque(facts)) = (&mut self.values, &other.values)
            && self.field == other.field
        {
            return own.narrow(facts);
        }
        let both = self.intersection(other);
        let possible = both.is_some();
        *self = both.unwrap_or_else(|| self.clone());
        possible
    }

    fn intervals(field: Field, intervals: impl IntoIterator<Item = (u128, u128)>) -> Self {
        Constraint { field, values: Values::Numbers(IntervalSet::from_intervals(intervals)) }
    }

    fn bits(field: Field, bits: u64) -> Self {
        Constraint { field, values: Values::Bits(bits) }
    }
}

fn wide(set: &IntervalSet<u16>) -> impl Iterator<Item = (u128, u128)> + '_ {
    set.intervals().iter().map(|(low, high)| ((*low).into(), (*high).into()))
}
