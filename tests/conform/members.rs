//! What dynamic sets hold while packets pass, as far as it can be told from what is meant.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use palisade::net::{Family, Prefix};
use palisade::packet::Packet;
use palisade::packet::opaque::{SetSide, member};
use palisade::resolve::policy::{Set, SetContent};

use crate::generate::ALWAYS;

/// The dynamic sets of one policy, by the kernel's names.
#[derive(Default, Clone)]
pub struct Members {
    /// The family of each, and the length of the networks that are in it.
    sets: BTreeMap<String, (Family, u8)>,
    inside: BTreeSet<(String, Prefix)>,
    /// Added when a limit had room, which only the kernel knows.
    perhaps: BTreeSet<(String, Prefix)>,
}

impl Members {
    /// All of them empty.
    pub fn of(sets: &[Set]) -> Self {
        let mut members = Members::default();
        for set in sets {
            let SetContent::Dynamic(dynamic) = set.content else { continue };
            for family in Family::BOTH {
                let shape = (family, dynamic.lengths.of(family));
                members.sets.insert(set.kernel_name(family), shape);
            }
        }
        members
    }

    /// Notes on a packet in which sets it is. `false` when that cannot be told; then any set may take
    /// it up.
    pub fn tell(&mut self, packet: &mut Packet) -> bool {
        let facts = self.facts(packet);
        match facts {
            Some(facts) => packet.opaque = facts,
            None => {
                self.doubt(packet.source);
                return false;
            }
        }
        true
    }

    fn facts(&self, packet: &Packet) -> Option<BTreeSet<Arc<str>>> {
        // Beside sets there is one condition, of raw rules, that holds of every packet.
        let mut facts = BTreeSet::from([ALWAYS.into()]);
        for (name, family, length) in self.shapes() {
            let ends =
                [(SetSide::Source, packet.source), (SetSide::Destination, packet.destination)];
            for (side, address) in ends.into_iter().filter(|_| family == packet.family()) {
                let entry = entry(name, address, length);
                if self.inside.contains(&entry) {
                    facts.insert(member(side, name));
                } else if self.perhaps.contains(&entry) {
                    return None;
                }
            }
        }
        Some(facts)
    }

    /// Puts into the sets who a probe wants to be in them; what is new is returned, by the names of the
    /// sets.
    pub fn wish(&mut self, packet: &Packet) -> Vec<(String, IpAddr)> {
        let mut wanted = Vec::new();
        for (name, family, length) in self.shapes() {
            let ends =
                [(SetSide::Source, packet.source), (SetSide::Destination, packet.destination)];
            for (side, address) in ends.into_iter().filter(|_| family == packet.family()) {
                if packet.opaque.contains(&member(side, name)) {
                    wanted.push(entry(name, address, length));
                }
            }
        }
        wanted.retain(|(_, network)| !network.address().is_unspecified());
        wanted.retain(|entry| self.inside.insert(entry.clone()));
        wanted.into_iter().map(|(set, network)| (set, network.address())).collect()
    }

    pub fn add(&mut self, set: &str, source: IpAddr) {
        let (_, length) = self.sets[set];
        let entry = entry(set, source, length);
        if !entry.1.address().is_unspecified() {
            self.inside.insert(entry);
        }
    }

    /// Any set may have taken up the source.
    pub fn doubt(&mut self, source: IpAddr) {
        let of_family = |(_, family, _): &(&str, Family, u8)| *family == Family::of(source);
        let all = self.shapes().filter(of_family);
        let entries: Vec<_> = all.map(|(name, _, length)| entry(name, source, length)).collect();
        self.perhaps.extend(entries);
    }

    fn shapes(&self) -> impl Iterator<Item = (&str, Family, u8)> {
        self.sets.iter().map(|(name, (family, length))| (name.as_str(), *family, *length))
    }
}

fn entry(set: &str, address: IpAddr, length: u8) -> (String, Prefix) {
    (set.to_owned(), Prefix::containing(address, length).expect("a length of the family"))
}
