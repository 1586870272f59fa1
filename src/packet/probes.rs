//! Packets from the borders of sets, for tests: lowest, highest, just outside, by seeded chance.
//!
//! A [`Pool`] gathers the values worth trying from sets. A [`Draft`] gets values of it at random,
//! is drawn into the sets that the packet is to meet, and becomes a packet that a chain with a
//! given [`View`] can really see. The same seed gives the same packets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::net::address::from_number;
use crate::net::{Account, CtState, Family, Mac, Protocol, TcpFlags};

use super::{
    Constraint, Factor, Field, FieldBox, OpaqueMatch, Original, Packet, PacketSet, Payload,
    Product, Random, Values,
};

/// Whether a field is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    Always,
    Never,
    Maybe,
}

/// What a chain can see of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    pub incoming: Presence,
    pub outgoing: Presence,
    /// Whether the destination may have been translated.
    pub translated: Presence,
    /// Whether only first packets of a flow come by: new and related ones.
    pub first_only: bool,
}

/// A value of a field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Sample {
    Number(u128),
    Interface(Arc<str>),
    Account(Account),
    Facts(BTreeSet<Arc<str>>),
}

/// The values worth trying, for each field.
#[derive(Debug, Clone)]
pub struct Pool {
    family: Family,
    samples: BTreeMap<Field, Vec<Sample>>,
}

/// Where in a set a value is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    Lowest,
    Highest,
    Anywhere,
    /// Next to the set, where the domain goes on there.
    Outside,
}

impl Pool {
    /// The borders of all conditions in the sets, and some ordinary values of every field.
    #[must_use]
    pub fn of<'a>(family: Family, sets: impl IntoIterator<Item = &'a PacketSet>) -> Self {
        let mut samples: BTreeMap<Field, BTreeSet<Sample>> = BTreeMap::new();
        for field in Field::ALL {
            samples.insert(field, ordinary(field, family));
        }
        let products = sets.into_iter().flat_map(PacketSet::products);
        let boxes = products.flat_map(Product::factors).flat_map(Factor::boxes);
        for constraint in boxes.flat_map(FieldBox::constraints) {
            let into = samples.entry(constraint.field()).or_default();
            borders(constraint, family, into);
        }
        let samples = samples.into_iter().map(|(field, set)| (field, set.into_iter().collect()));
        Pool { family, samples: samples.collect() }
    }

    /// Any value of each field.
    #[must_use]
    pub fn draft(&self, random: &mut Random) -> Draft {
        let one = |(field, samples): (&Field, &Vec<Sample>)| {
            random.pick(samples).map(|sample| (*field, sample.clone()))
        };
        Draft { family: self.family, values: self.samples.iter().filter_map(one).collect() }
    }
}

/// A packet that is not finished: a value for each field, also for those it will not have.
#[derive(Debug, Clone)]
pub struct Draft {
    family: Family,
    values: BTreeMap<Field, Sample>,
}

impl Draft {
    /// Moves it into a set: into one box of each factor of one product, at an edge.
    /// [`Edge::Outside`] leaves the set by one field only and is anywhere in the others.
    pub fn enter(&mut self, set: &PacketSet, edge: Edge, random: &mut Random) {
        let Some(product) = random.pick(set.products()) else { return };
        let boxes = product.factors().iter().filter_map(|factor| random.pick(factor.boxes()));
        let constraints: Vec<&Constraint> = boxes.flat_map(FieldBox::constraints).collect();
        let left = random.index(constraints.len());
        for (index, constraint) in constraints.into_iter().enumerate() {
            let edge = match edge {
                Edge::Outside if index != left => Edge::Anywhere,
                Edge::Outside | Edge::Lowest | Edge::Highest | Edge::Anywhere => edge,
            };
            if let Values::Opaque(wanted) = constraint.values() {
                self.take_facts(wanted, edge, random);
            } else if let Some(sample) = sample_at(constraint, self.family, edge, random) {
                self.values.insert(constraint.field(), sample);
            }
        }
    }

    /// Makes conditions hold and fail as they should, or one of them not. Other facts stay: each set
    /// on the way has its own.
    fn take_facts(&mut self, wanted: &OpaqueMatch, edge: Edge, random: &mut Random) {
        let mut facts = self.facts();
        facts.extend(wanted.holding().iter().cloned());
        facts.retain(|text| !wanted.failing().contains(text));
        if edge == Edge::Outside {
            let all: Vec<&Arc<str>> = wanted.holding().union(wanted.failing()).collect();
            if let Some(text) = random.pick(&all).copied()
                && !facts.remove(text)
            {
                facts.insert(Arc::clone(text));
            }
        }
        self.values.insert(Field::Opaque, Sample::Facts(facts));
    }

    fn facts(&self) -> BTreeSet<Arc<str>> {
        match self.values.get(&Field::Opaque) {
            Some(Sample::Facts(facts)) => facts.clone(),
            Some(Sample::Number(_) | Sample::Interface(_) | Sample::Account(_)) | None => {
                BTreeSet::new()
            }
        }
    }

    /// The packet as a chain sees it: it has only the fields that such a packet has.
    #[must_use]
    pub fn packet(&self, view: View, random: &mut Random) -> Packet {
        let mut is = |presence| match presence {
            Presence::Always => true,
            Presence::Never => false,
            Presence::Maybe => random.one_in(2),
        };
        let incoming = is(view.incoming);
        let outgoing = is(view.outgoing);
        let wished = self.number(Field::Translated) == 1;
        let translated = match view.translated {
            Presence::Always => true,
            Presence::Never => false,
            Presence::Maybe => wished,
        };
        let payload = self.payload();
        let state = self.state(view.first_only, matches!(payload, Payload::Icmp { .. }));
        let own = !incoming;
        let mut packet = Packet {
            incoming: incoming.then(|| self.interface(Field::Incoming)).flatten(),
            outgoing: outgoing.then(|| self.interface(Field::Outgoing)).flatten(),
            source: from_number(self.family, self.number(Field::Source)),
            destination: from_number(self.family, self.number(Field::Destination)),
            payload,
            state,
            original: None,
            to_local: self.number(Field::ToLocal) == 1,
            mac: incoming.then(|| mac_of(self.number(Field::Mac))),
            mark: narrow(self.number(Field::Mark)),
            connection_mark: 0,
            user: own.then(|| self.account(Field::User)).flatten(),
            group: own.then(|| self.account(Field::Group)).flatten(),
            length: narrow(self.number(Field::Length)),
            ttl: narrow(self.number(Field::Ttl)),
            dscp: narrow(self.number(Field::Dscp)),
            opaque: self.facts(),
        };
        // What conntrack does not follow has no mark there, and nothing translated it.
        if packet.is_tracked() {
            packet.connection_mark = narrow(self.number(Field::ConnectionMark));
        }
        if translated && packet.is_tracked() {
            let port = packet.ports().map(|_| narrow(self.number(Field::OriginalPort)));
            let destination = from_number(self.family, self.number(Field::OriginalDestination));
            packet.original = Some(Original { destination, port });
        }
        packet
    }

    fn payload(&self) -> Payload {
        let source = narrow(self.number(Field::SourcePort));
        let destination = narrow(self.number(Field::DestinationPort));
        let icmp = Protocol::icmp(self.family);
        // Protocol 0 is no protocol that a rule can name; 253 is for experiments (RFC 3692).
        let protocol = Protocol::new(narrow(self.number(Field::Protocol)))
            .or(Protocol::new(253))
            .unwrap_or(Protocol::UDP);
        match protocol {
            Protocol::TCP => {
                let flags = TcpFlags::from_bits(narrow(self.number(Field::Flags)));
                Payload::Tcp { source, destination, flags }
            }
            Protocol::UDP => Payload::Udp { source, destination },
            Protocol::SCTP => Payload::Sctp { source, destination },
            protocol if protocol == icmp => {
                let [kind, code] = narrow::<u16>(self.number(Field::Icmp)).to_be_bytes();
                Payload::Icmp { kind, code }
            }
            protocol => Payload::Other(protocol),
        }
    }

    /// The state that was drawn, or the nearest that the view shows: an ICMP error is never first.
    fn state(&self, first_only: bool, is_icmp: bool) -> CtState {
        let index = usize::try_from(self.number(Field::State)).unwrap_or(0);
        let state = CtState::ALL.get(index).copied().unwrap_or(CtState::New);
        match state {
            CtState::Established | CtState::Invalid | CtState::Untracked if first_only => {
                CtState::New
            }
            CtState::Related if first_only && is_icmp => CtState::New,
            CtState::New
            | CtState::Related
            | CtState::Established
            | CtState::Invalid
            | CtState::Untracked => state,
        }
    }

    fn number(&self, field: Field) -> u128 {
        match self.values.get(&field) {
            Some(Sample::Number(number)) => *number,
            Some(Sample::Interface(_) | Sample::Account(_) | Sample::Facts(_)) | None => 0,
        }
    }

    fn interface(&self, field: Field) -> Option<Arc<str>> {
        match self.values.get(&field) {
            Some(Sample::Interface(name)) => Some(name.clone()),
            Some(Sample::Number(_) | Sample::Account(_) | Sample::Facts(_)) | None => None,
        }
    }

    fn account(&self, field: Field) -> Option<Account> {
        match self.values.get(&field) {
            Some(Sample::Account(account)) => Some(account.clone()),
            Some(Sample::Number(_) | Sample::Interface(_) | Sample::Facts(_)) | None => None,
        }
    }
}

/// Values that a field often has, and one that no rule is likely to name.
fn ordinary(field: Field, family: Family) -> BTreeSet<Sample> {
    let numbers: &[u128] = match field {
        Field::Incoming | Field::Outgoing => {
            return ["lo", "other7"].map(|name| Sample::Interface(name.into())).into();
        }
        Field::User | Field::Group => return [Sample::Account(Account::Number(4_242))].into(),
        Field::Opaque => return [Sample::Facts(BTreeSet::new())].into(),
        Field::Source | Field::Destination | Field::OriginalDestination => match family {
            // 198.51.100.77 and 2001:db8:77::77, of the nets for documentation (RFC 5737, 3849).
            Family::V4 => &[0xc633_644d],
            Family::V6 => &[0x2001_0db8_0077_0000_0000_0000_0000_0077],
        },
        Field::Protocol => &[1, 6, 17, 47, 58, 132],
        Field::SourcePort => &[40_000],
        Field::DestinationPort | Field::OriginalPort => &[9, 40_000],
        // Echo request of either family, neighbour solicitation, port unreachable.
        Field::Icmp => &[0x0800, 0x8000, 0x8700, 0x0303],
        // SYN, SYN ACK, ACK, RST.
        Field::Flags => &[0x02, 0x12, 0x10, 0x04],
        Field::State => &[0, 1, 2, 3, 4],
        Field::Translated | Field::ToLocal => &[0, 1],
        Field::Mac => &[0x0200_0000_0001],
        Field::Mark | Field::ConnectionMark | Field::Dscp => &[0],
        Field::Length => &[60, 1_500],
        Field::Ttl => &[64],
    };
    numbers.iter().map(|number| Sample::Number(*number)).collect()
}

/// The values at the borders of a condition, inside and just outside.
fn borders(constraint: &Constraint, family: Family, into: &mut BTreeSet<Sample>) {
    match constraint.values() {
        Values::Numbers(set) => {
            for (low, high) in set.intervals() {
                into.extend([*low, *high].map(Sample::Number));
                into.extend(below_and_above(constraint.field(), family, *low, *high));
            }
        }
        Values::Bits(bits) => {
            into.extend((0..64).filter(|bit| bits >> bit & 1 == 1).map(Sample::Number));
        }
        Values::Interfaces(set) => {
            for pattern in set.named() {
                into.extend(names(pattern).map(Sample::Interface));
            }
        }
        Values::Mark(mark) => {
            let all = [mark.value(), mark.value() | !mark.mask(), mark.value() ^ mark.mask()];
            into.extend(all.map(|mark| Sample::Number(mark.into())));
        }
        Values::Accounts(accounts) => into.extend(accounts.iter().cloned().map(Sample::Account)),
        Values::Opaque(wanted) => {
            let all: BTreeSet<_> = wanted.holding().union(wanted.failing()).cloned().collect();
            into.extend(
                [wanted.holding().clone(), wanted.failing().clone(), all].map(Sample::Facts),
            );
        }
    }
}

fn below_and_above(field: Field, family: Family, low: u128, high: u128) -> Vec<Sample> {
    let above = high.checked_add(1).filter(|above| *above <= field.highest(family));
    low.checked_sub(1).into_iter().chain(above).map(Sample::Number).collect()
}

/// Names that a pattern means: of `eth+` both `eth` and a longer one.
fn names(pattern: &crate::net::Interface) -> impl Iterator<Item = Arc<str>> {
    let longer = pattern.is_wildcard().then(|| format!("{}7", pattern.stem()).into());
    std::iter::once(pattern.stem().into()).chain(longer)
}

/// One value at an edge of a condition; `None` when there is none.
fn sample_at(
    constraint: &Constraint,
    family: Family,
    edge: Edge,
    random: &mut Random,
) -> Option<Sample> {
    match constraint.values() {
        Values::Numbers(set) => {
            let (low, high) = match edge {
                Edge::Lowest => *set.intervals().first()?,
                Edge::Highest => *set.intervals().last()?,
                Edge::Anywhere | Edge::Outside => *random.pick(set.intervals())?,
            };
            match edge {
                Edge::Lowest => Some(Sample::Number(low)),
                Edge::Highest => Some(Sample::Number(high)),
                Edge::Anywhere => Some(Sample::Number(random.within(low, high))),
                Edge::Outside => {
                    random.pick(&below_and_above(constraint.field(), family, low, high)).cloned()
                }
            }
        }
        Values::Bits(bits) => {
            let wanted = u64::from(edge != Edge::Outside);
            let highest = u32::try_from(constraint.field().highest(family)).unwrap_or(63);
            let among = |bit: &u32| bits >> bit & 1 == wanted;
            let values: Vec<u32> = (0..=highest).filter(among).collect();
            let bit = match edge {
                Edge::Lowest => values.first(),
                Edge::Highest => values.last(),
                Edge::Anywhere | Edge::Outside => random.pick(&values),
            };
            bit.map(|bit| Sample::Number((*bit).into()))
        }
        Values::Interfaces(set) => match edge {
            Edge::Outside => Some(Sample::Interface("other7".into())),
            Edge::Lowest | Edge::Highest | Edge::Anywhere => {
                let other = set.has_all_names().then(|| "other7".into());
                let meant = set.patterns().flat_map(names).chain(other);
                let names: Vec<Arc<str>> = meant.filter(|name| set.contains(Some(name))).collect();
                random.pick(&names).cloned().map(Sample::Interface)
            }
        },
        Values::Mark(mark) => {
            let free = match edge {
                Edge::Lowest => 0,
                Edge::Highest => u32::MAX,
                Edge::Anywhere | Edge::Outside => narrow(random.within(0, u32::MAX.into())),
            };
            let wrong = if edge == Edge::Outside { mark.mask() } else { 0 };
            let value = (mark.value() ^ wrong) | (free & !mark.mask());
            Some(Sample::Number(value.into()))
        }
        Values::Accounts(accounts) => match edge {
            Edge::Outside => Some(Sample::Account(Account::Number(4_242))),
            Edge::Lowest | Edge::Highest | Edge::Anywhere => {
                random.pick(accounts).cloned().map(Sample::Account)
            }
        },
        // [`Draft::take_facts`] adds them to those that are there.
        Values::Opaque(_) => None,
    }
}

fn mac_of(number: u128) -> Mac {
    let bytes = number.to_be_bytes();
    Mac([bytes[10], bytes[11], bytes[12], bytes[13], bytes[14], bytes[15]])
}

/// A number of a field in the field's own type. Samples are within their field, so it fits.
fn narrow<T: TryFrom<u128> + Default>(number: u128) -> T {
    T::try_from(number).unwrap_or_default()
}
