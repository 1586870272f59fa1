//! Flows of a statement → the packets that it means in one scope.

use std::borrow::Cow;

use crate::resolve::policy::{Bound, Flow, Hook, Part, Scope};
use crate::ruleset::{Match, MatchKind};

use super::Lowering;
use super::address::Side;
use super::condition::Conditions;
use super::part::part_set;
use super::place::Interfaces;
use super::port_map::original_part_set;
use super::set::Set;

impl Lowering<'_> {
    /// The packets that these flows mean in one scope; `None` when there are none in this family.
    pub(super) fn packets_of(
        &self,
        all: &[Flow],
        conditions: &Conditions,
        scope: Scope,
    ) -> Option<Set> {
        let here = |flow: &&Flow| flow.scope == scope && flow.families.contains(self.family);
        let mut flows: Vec<(&Flow, Cow<'_, [Part]>)> = Vec::new();
        for flow in all.iter().filter(here) {
            let same = |known: &&mut (&Flow, Cow<'_, [Part]>)| {
                known.0.source == flow.source && known.0.destination == flow.destination
            };
            match flows.last_mut().as_mut().filter(|known| same(known)) {
                Some(known) => known.1.to_mut().extend(flow.parts.iter().cloned()),
                None => flows.push((flow, Cow::Borrowed(&flow.parts))),
            }
        }
        if flows.is_empty() {
            return None;
        }
        let meant = match &flows[..] {
            [(flow, parts)] => self.flow_set(flow, parts, conditions),
            flows => {
                let each = |(flow, parts): &(&Flow, Cow<'_, [Part]>)| {
                    self.flow_set(flow, parts, conditions)
                };
                Set::any(flows.iter().map(each))
            }
        };
        let set = Set::all([conditions.set(), bound_set(scope), meant]);
        (!set.is_never()).then_some(set)
    }

    fn flow_set(&self, flow: &Flow, parts: &[Part], conditions: &Conditions) -> Set {
        let has = match flow.scope {
            Scope::Hook(Hook::Input) | Scope::Arrival(_) => {
                Interfaces { incoming: true, outgoing: false }
            }
            Scope::Hook(Hook::Output) => Interfaces { incoming: false, outgoing: true },
            Scope::Hook(Hook::Forward) | Scope::Chain | Scope::Docker => Interfaces::BOTH,
        };
        let parts = match flow.scope {
            Scope::Hook(_) | Scope::Arrival(_) | Scope::Chain => {
                part_set(self.family, parts, conditions.flags)
            }
            Scope::Docker => original_part_set(self.family, parts, conditions.flags),
        };
        Set::all([
            self.places(Side::Source, has, &flow.source),
            self.places(Side::Destination, has, &flow.destination),
            parts,
        ])
    }
}

/// Where packets that arrive want to go.
pub(super) fn bound_set(scope: Scope) -> Set {
    let local = |negated| Set::one(vec![Match { negated, kind: MatchKind::DestinationLocal }]);
    match scope {
        Scope::Arrival(Bound::Here) => local(false),
        Scope::Arrival(Bound::Elsewhere) => local(true),
        Scope::Arrival(Bound::Anywhere) | Scope::Hook(_) | Scope::Chain | Scope::Docker => {
            Set::always()
        }
    }
}
