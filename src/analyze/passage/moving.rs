//! The translations on the way that may send packets where a question asks for them.

use std::collections::BTreeSet;

use super::changed::given;
use super::walk::{Chain, moving};
use crate::meaning::Translation;
use crate::net::Family;
use crate::packet::{Among, Constraint, Field, Index, Region, RuleNumber, Space};

/// All translations on a way, by what they make of packets.
#[derive(Debug)]
pub(super) struct Moving {
    /// Where each matches.
    own: Vec<Region>,
    /// What packets may be behind each.
    made: Index,
    /// What others may change in packets before they come to one.
    changed: BTreeSet<Field>,
}

impl Moving {
    /// Those of some chains; `None` where others too may change where packets go.
    pub fn of<'c, 'm: 'c>(
        space: &Space,
        chains: impl Iterator<Item = &'c Chain<'m>>,
    ) -> Option<Self> {
        let anything = space.freed(space.possible(), |_| true);
        let (mut own, mut made, mut changed) = (Vec::new(), Vec::new(), BTreeSet::new());
        for (entry, region) in chains.flat_map(Chain::with_regions) {
            changed.extend(entry.effect.changes().iter().copied());
            if let Some(translation) = entry.effect.decision().and_then(moving) {
                made.push(space.within_all(&anything, &results(space.family(), translation)));
                own.push(region.clone());
            }
        }
        let says_where = |field: &Field| {
            matches!(field, Field::Destination | Field::DestinationPort | Field::ToLocal)
        };
        let made = Index::of_packets(space, (0..).map(RuleNumber).zip(&made));
        (!changed.iter().any(says_where)).then_some(Moving { own, made, changed })
    }

    /// The packets of a region that translations may send to others: no fewer.
    pub fn sent_to(&self, space: &Space, sent: &Region, to: &Region) -> Region {
        let mut own = Region::default();
        for number in self.made.meeting(to, Among::ALL) {
            own.append(&self.own[number.0 as usize]);
        }
        let own =
            space.freed(&own, |field| field == Field::Opaque || self.changed.contains(&field));
        space.intersection(sent, &own)
    }
}

/// What packets have behind a translation that moves them, whether it did or they were sent to that host. (What
/// was sent to an address of this machine stays what it was.)
fn results(family: Family, translation: &Translation) -> Vec<Constraint> {
    let mut all = given(family, translation);
    all.push(match translation {
        Translation::Redirect { .. } => Constraint::to_local(),
        Translation::Destination { .. }
        | Translation::Netmap { .. }
        | Translation::Exempt
        | Translation::Masquerade
        | Translation::Source { .. } => Constraint::not_to_local(),
    });
    all
}
