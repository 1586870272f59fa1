//! The names of a policy that answers are told in.

use std::sync::Arc;

use super::Resolver;
use super::ends::End;
use super::policy::{Part, Vocabulary, Zone};
use crate::net::Addresses;
use crate::source::Span;

impl Resolver<'_> {
    /// The names of lists and services that were used so far, in the order defined.
    pub(super) fn vocabulary(&self) -> Vocabulary {
        let mut lists: Vec<(usize, Zone)> = Vec::new();
        for (index, ends) in &self.lets {
            let Some([first, ..]) = ends.as_deref() else { continue };
            let ends = ends.as_deref().unwrap_or_default();
            let interfaces = &first.place.interfaces;
            let alike =
                |end: &End| end.place.sets.is_empty() && end.place.interfaces == *interfaces;
            if ends.iter().all(alike) {
                let all: Vec<&Addresses> = ends.iter().map(|end| &end.place.addresses).collect();
                let nets = Some(Addresses::union_all(all.into_iter()));
                let span = self.names.places.entries[*index].span;
                let name = self.text(span).into();
                lists.push((*index, Zone { name, span, interfaces: interfaces.clone(), nets }));
            }
        }
        lists.sort_by_key(|(index, _)| *index);
        let mut services = Vec::new();
        for (key, traffic) in &self.services {
            let (is_own, number) = *key;
            let name = if is_own {
                Some(self.names.services.entries[number].span)
            } else {
                self.names.standard.node(number).map(|node| node.name.0)
            };
            if let Some([one]) = traffic.as_deref()
                && one.destination.is_none()
                && let Part::Ports { protocol, source, destination } = &one.part
                && source.is_full()
                && let Some(name) = name
            {
                let name = self.text(name);
                services.push((*key, (Arc::from(name), *protocol, destination.clone())));
            }
        }
        services.sort_by_key(|(key, _)| (!key.0, key.1));
        let lists = lists.into_iter().map(|(_, list)| list).collect();
        let services = services.into_iter().map(|(_, service)| service).collect();
        Vocabulary { lists, services }
    }

    /// The zones of the policy, in the order defined.
    pub(super) fn known_zones(&mut self) -> Vec<Zone> {
        let count = self.names.places.entries.len();
        let named: Vec<(usize, Span)> =
            (0..count).map(|index| (index, self.names.places.entries[index].span)).collect();
        let mut zones = Vec::new();
        for (index, span) in named {
            if let Some(zone) = self.zone(index) {
                zones.push(Zone {
                    name: self.text(span).into(),
                    span,
                    interfaces: zone.interfaces.clone(),
                    nets: zone.nets.clone(),
                });
            }
        }
        zones
    }
}
