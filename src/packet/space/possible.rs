//! Which values of fields go together in a packet.

use super::super::probes::{Presence, View};
use super::super::{Constraint, Field};
use super::axis::{Subject, numbers_of_bits};
use super::gather::{Gathered, protocols_with};
use super::{Region, Space, UNTRACKED, merged};
use crate::net::{CtState, Family, IntervalSet, Protocol};

/// Makes sure that the axes are there that a view restricts.
pub(super) fn add_view(view: View, gathered: &mut Gathered) {
    let states = [CtState::New, CtState::Related].into_iter().collect();
    let conditions = [
        (view.first_only, Constraint::state(states)),
        (view.translated != Presence::Maybe, Constraint::translated()),
        (view.incoming != Presence::Maybe, Constraint::incoming(&[])),
        (view.outgoing != Presence::Maybe, Constraint::outgoing(&[])),
    ];
    for (_, constraint) in conditions.into_iter().filter(|(wanted, _)| *wanted) {
        gathered.add_constraint(&constraint);
    }
}

/// Boxes of everything that packets can be: for each kind of protocol, the fields that its packets
/// have are present and the others absent.
pub(super) fn possible(space: &Space, view: Option<View>) -> Region {
    let mut region = by_protocol(space);
    if let Some(view) = view {
        region = seen(space, region, view);
    }
    region
}

fn by_protocol(space: &Space) -> Region {
    let Some((number, protocol)) = space.axis_of(Field::Protocol) else {
        return Region { words: space.layout.full().to_vec() };
    };
    let icmp = Protocol::icmp(space.family);
    let named = [vec![Protocol::TCP], vec![Protocol::UDP, Protocol::SCTP], vec![icmp]];
    let numbers = |protocols: &[Protocol]| {
        let numbers = protocols.iter().map(|one| one.number().into());
        IntervalSet::from_intervals(numbers.map(|one: u128| (one, one)))
    };
    let mut named_or_never = named.concat();
    if space.family == Family::V6 {
        named_or_never.extend(Protocol::NEVER_IN_IPV6);
    }
    let others = numbers(&named_or_never).complement();
    let others = others.intersection(&IntervalSet::range(1, u8::MAX.into()));
    let mut kinds: Vec<(Option<Protocol>, IntervalSet<u128>)> =
        named.iter().map(|kind| (kind.first().copied(), numbers(kind))).collect();
    kinds.push((None, others));
    let mut region = Region::default();
    for (example, numbers) in kinds {
        let mut kind = space.narrowed(number, &protocol.of_numbers_set(&numbers));
        for (number, axis) in space.axes.iter().enumerate() {
            let Subject::Field(field) = axis.subject else { continue };
            let having = protocols_with(field, space.family);
            if having.is_empty() {
                continue;
            }
            let has = example.is_some_and(|example| having.contains(&example));
            let values = if has { Some(axis.present()) } else { axis.absent() };
            kind = keep(space, &kind, number, values.as_slice());
        }
        region.words.append(&mut kind.words);
    }
    merged(space, &region)
}

/// What a chain with a view sees.
fn seen(space: &Space, mut region: Region, view: View) -> Region {
    for (field, presence) in [(Field::Incoming, view.incoming), (Field::Outgoing, view.outgoing)] {
        region = with_interface(space, region, field, presence);
    }
    let mut keep_numbers = |field, bits| {
        if let Some((number, axis)) = space.axis_of(field) {
            let values = axis.of_numbers_set(&numbers_of_bits(bits));
            region = keep(space, &region, number, &values);
        }
    };
    match view.translated {
        Presence::Always => keep_numbers(Field::Translated, 0b10),
        Presence::Never => keep_numbers(Field::Translated, 0b01),
        Presence::Maybe => {}
    }
    if view.first_only {
        // New and related.
        keep_numbers(Field::State, 0b0110);
    }
    region
}

fn with_interface(space: &Space, region: Region, field: Field, presence: Presence) -> Region {
    let Some((number, axis)) = space.axis_of(field) else { return region };
    let (_, none) = axis.present();
    match presence {
        Presence::Always => keep(space, &region, number, &[(0, none - 1)]),
        Presence::Never => keep(space, &region, number, &[(none, none)]),
        Presence::Maybe => region,
    }
}

/// Boxes of points that are no packets: see [`Space::impossible`].
pub(super) fn impossible(space: &Space) -> Region {
    let mut region = Region::default();
    // A packet has an account when it is this machine's own, and a MAC when it came in.
    let accounts = [Field::User, Field::Group];
    if let Some((mac, axis)) = space.axis_of(Field::Mac) {
        for field in accounts {
            add_both(space, &mut region, field, (mac, axis.present()));
        }
    }
    if let Some((incoming, axis)) = space.axis_of(Field::Incoming) {
        let (first, none) = axis.present();
        let named = (incoming, (first, none - 1));
        for field in accounts {
            add_both(space, &mut region, field, named);
        }
        add_both(space, &mut region, Field::Mac, (incoming, (none, none)));
    }
    add_connection_marks(space, &mut region);
    add_nothing_tracked(space, &mut region);
    let translated = space.axis_of(Field::Translated);
    let state = space.axis_of(Field::State);
    let Some((translated, axis)) = translated else { return region };
    if let Some((state, states)) = state {
        let untracked = states.of_numbers_set(&numbers_of_bits(UNTRACKED));
        let both = space.narrowed(translated, &axis.of_numbers_set(&numbers_of_bits(0b10)));
        region.words.append(&mut keep(space, &both, state, &untracked).words);
    }
    let untranslated = space.narrowed(translated, &axis.of_numbers_set(&numbers_of_bits(0b01)));
    for pair in [
        (Field::OriginalDestination, Field::Destination),
        (Field::OriginalPort, Field::DestinationPort),
    ] {
        region.words.append(&mut changed(space, &untranslated, pair).words);
    }
    region
}

/// Adds the points that have no connection and yet its mark, or the other way round.
fn add_connection_marks(space: &Space, region: &mut Region) {
    let Some((state, states)) = space.axis_of(Field::State) else { return };
    let [untracked, tracked] = [UNTRACKED, !UNTRACKED & 0b1_1111]
        .map(|bits| states.of_numbers_set(&numbers_of_bits(bits)));
    for (number, axis) in space.axes.iter().enumerate() {
        if let (Subject::Mark { field: Field::ConnectionMark, .. }, Some(absent)) =
            (&axis.subject, axis.absent())
        {
            for (mark, states) in [(axis.present(), &untracked), (absent, &tracked)] {
                let one = space.narrowed(number, &[mark]);
                region.words.append(&mut keep(space, &one, state, states).words);
            }
        }
    }
}

/// Adds the IPv6 packets of nothing but headers in a connection: connection tracking calls them invalid.
fn add_nothing_tracked(space: &Space, region: &mut Region) {
    let (Family::V6, Some((protocol, protocols)), Some((state, states))) =
        (space.family, space.axis_of(Field::Protocol), space.axis_of(Field::State))
    else {
        return;
    };
    let none = IntervalSet::single(Protocol::NONE.number().into());
    let nothing = space.narrowed(protocol, &protocols.of_numbers_set(&none));
    let tracked = states.of_numbers_set(&numbers_of_bits(!UNTRACKED & 0b1_1111));
    region.words.append(&mut keep(space, &nothing, state, &tracked).words);
}

/// Adds the points that have a field, and some values on another axis.
fn add_both(
    space: &Space,
    region: &mut Region,
    field: Field,
    (other, values): (usize, (u32, u32)),
) {
    if let Some((number, axis)) = space.axis_of(field) {
        let one = space.narrowed(number, &[axis.present()]);
        region.words.append(&mut keep(space, &one, other, &[values]).words);
    }
}

/// The points of a region whose field was another before translation than it is.
fn changed(space: &Space, region: &Region, (original, present): (Field, Field)) -> Region {
    let mut changed = Region::default();
    let (Some((before, originals)), Some((now, presents))) =
        (space.axis_of(original), space.axis_of(present))
    else {
        return changed;
    };
    let (first, last) = originals.present();
    for value in first..=last {
        let present = presents.of_numbers_set(&originals.numbers_of(value));
        let mut others = vec![(first, value.wrapping_sub(1)), (value + 1, last)];
        others.retain(|(low, high)| low <= high && *high <= last);
        let one = keep(space, region, now, &present);
        changed.words.append(&mut keep(space, &one, before, &others).words);
    }
    changed
}

/// The points of a region that have some of the values on an axis.
fn keep(space: &Space, region: &Region, axis: usize, values: &[(u32, u32)]) -> Region {
    let mut kept = Region::default();
    for one in space.boxes(region) {
        space.narrow(&mut kept.words, one, axis, values);
    }
    kept
}
