//! What conntrack is told of packets before it sees them → rules of the raw table.
//!
//! The kernel listens to the first that speaks of a packet. Whoever is not to be tracked comes first,
//! so that a helper, which is tracked, keeps nobody from it.

use crate::resolve::Policy;
use crate::resolve::policy::{Alteration, AlterationKind, Bound, Flow, Hook, Item, Part, Scope};
use crate::ruleset::Target;

use super::Lowering;
use super::address::Side;
use super::condition::Conditions;
use super::flow::bound_set;
use super::layout::{Caller, Ending, Layout};
use super::nat::by_port;
use super::part::part_set;
use super::place::Interfaces;
use super::set::Set;

/// Where conntrack is told, in the order of the built-in chains.
const SCOPES: [Scope; 4] = [
    Scope::Arrival(Bound::Anywhere),
    Scope::Arrival(Bound::Here),
    Scope::Arrival(Bound::Elsewhere),
    Scope::Hook(Hook::Output),
];

impl Lowering<'_> {
    /// `notrack`
    pub(super) fn untracked(&mut self, said: &Alteration) {
        for scope in SCOPES {
            let Some(conditions) = conditions_in(said, scope) else { return };
            let Some(set) = self.packets_of(&said.flows, &conditions, scope) else { continue };
            let ending = ending(said, Target::Notrack);
            let origin = self.origin(said.origin);
            let mut layout = Layout { chains: &mut self.raw.generated, origin };
            let mut rules = Vec::new();
            layout.terminal(&mut rules, set, &ending, Caller::Any);
            if let Some(chain) = self.raw.chain(scope) {
                chain.append(&mut rules);
            }
        }
    }

    /// Who gets which helper.
    pub(super) fn helpers(&mut self, policy: &Policy) {
        for item in &policy.items {
            if let Item::Alter(said) = item
                && let AlterationKind::Helper(helper) = said.kind
            {
                self.helped(said, &ending(said, Target::Helper(helper)));
            }
        }
    }

    fn helped(&mut self, said: &Alteration, ending: &Ending) {
        for scope in SCOPES {
            let Some(conditions) = conditions_in(said, scope) else { return };
            let here = |flow: &&Flow| flow.scope == scope && flow.families.contains(self.family);
            let mut groups: Vec<(&[Part], Vec<&Flow>)> = Vec::new();
            for flow in said.flows.iter().filter(here) {
                match groups.iter_mut().find(|(parts, _)| *parts == flow.parts) {
                    Some((_, flows)) => flows.push(flow),
                    None => groups.push((&flow.parts, vec![flow])),
                }
            }
            let mut rules = Vec::new();
            for (parts, flows) in groups {
                let ends = Set::any(flows.into_iter().map(|flow| self.ends(flow)));
                let head = Set::all([conditions.set(), bound_set(scope), ends]);
                // The kernel wants the protocol beside the helper.
                let ports = part_set(self.family, parts, conditions.flags).into_alternatives();
                let entries = ports.into_iter().map(|ports| (ports, ending.clone())).collect();
                let origin = self.origin(said.origin);
                let mut layout = Layout { chains: &mut self.raw.generated, origin };
                by_port(&mut layout, &mut rules, "helper", head, entries);
            }
            if let Some(chain) = self.raw.chain(scope) {
                chain.append(&mut rules);
            }
        }
    }

    fn ends(&self, flow: &Flow) -> Set {
        let outgoing = flow.scope == Scope::Hook(Hook::Output);
        let has = Interfaces { incoming: !outgoing, outgoing };
        Set::all([
            self.places(Side::Source, has, &flow.source),
            self.places(Side::Destination, has, &flow.destination),
        ])
    }
}

/// `None` when no packet meets them all.
fn conditions_in(said: &Alteration, scope: Scope) -> Option<Conditions> {
    Conditions::of(&said.conditions, scope == Scope::Hook(Hook::Output))
}

fn ending(said: &Alteration, target: Target) -> Ending {
    Ending { matches: super::comment(&said.remarks).into_iter().collect(), target }
}
