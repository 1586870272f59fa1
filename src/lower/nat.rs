//! NAT statements → rules of the nat table, and the accepts that they bring to the filter.

use crate::net::{Addresses, Family, Interface, Prefix};
use crate::resolve::policy::{At, Hook, Nat, NatKind, Part, Place, Redirect, SourceTranslation};
use crate::ruleset::{Conntrack, Match, MatchKind, Rule, Target};

use super::address::{Side, address_set, prefixes};
use super::condition::Conditions;
use super::generated::Owner;
use super::layout::{Caller, Ending, Layout};
use super::part::part_set;
use super::place::{Interfaces, any_interface};
use super::port_map::PortMap;
use super::set::{Alternative, Set};
use super::{Hooks, Lowering};

impl Lowering<'_> {
    /// Appends what a NAT statement says in this family.
    pub(super) fn nat_statement(&mut self, hooks: &mut Hooks, nat: &Nat) {
        let leaves = matches!(nat.kind, NatKind::Source { .. });
        let Some(conditions) = Conditions::of(&nat.conditions, leaves) else { return };
        if !nat.families.contains(self.family) {
            return;
        }
        match &nat.kind {
            NatKind::Source { source, destination, parts, translation } => {
                let Some(target) = source_target(translation, self.family) else { return };
                self.source_nat(nat, &conditions, [source, destination], parts, target);
            }
            NatKind::Forward(forward) => self.forward(hooks, nat, &conditions, forward),
            NatKind::Redirect(redirect) => self.redirect(hooks, nat, &conditions, redirect),
            NatKind::Netmap { outside, inside, interfaces } => {
                self.netmap(nat, &conditions, [*outside, *inside], interfaces);
            }
        }
    }

    /// `masquerade`, `snat`, `nonat`.
    fn source_nat(
        &mut self,
        nat: &Nat,
        conditions: &Conditions,
        [source, destination]: [&[Place]; 2],
        parts: &[Part],
        target: Target,
    ) {
        let set = Set::all([
            conditions.set(),
            self.places(Side::Source, Interfaces::BOTH, source),
            self.places(Side::Destination, Interfaces::BOTH, destination),
            part_set(self.family, parts, conditions.flags),
        ]);
        self.postrouting_rule(nat, set, target);
    }

    /// Appends to POSTROUTING; matches on the incoming interface go to a chain called from there.
    pub(super) fn postrouting_rule(&mut self, nat: &Nat, set: Set, target: Target) {
        let ending = nat_ending(nat, target);
        let mut rules = std::mem::take(&mut self.postrouting);
        let mut layout = self.nat_layout(nat.origin);
        layout.terminal(&mut rules, set, &ending, Caller::WithoutIncoming);
        self.postrouting = rules;
    }

    fn netmap(
        &mut self,
        nat: &Nat,
        conditions: &Conditions,
        [outside, inside]: [Prefix; 2],
        interfaces: &[Interface],
    ) {
        if outside.family() != self.family || inside.family() != self.family {
            return;
        }
        let parts = part_set(self.family, &[Part::Any], conditions.flags);
        let incoming = Set::all([
            conditions.set(),
            Set::one(vec![MatchKind::Destination(outside).into()]),
            any_interface(Side::Source, Some(interfaces)),
            parts.clone(),
        ]);
        let ending = nat_ending(nat, Target::Netmap(inside));
        let mut rules = std::mem::take(&mut self.prerouting);
        self.nat_layout(nat.origin).terminal(&mut rules, incoming, &ending, Caller::Any);
        self.prerouting = rules;
        let outgoing = Set::all([
            conditions.set(),
            Set::one(vec![MatchKind::Source(inside).into()]),
            any_interface(Side::Destination, Some(interfaces)),
            parts,
        ]);
        self.postrouting_rule(nat, outgoing, Target::Netmap(outside));
    }

    fn redirect(
        &mut self,
        hooks: &mut Hooks,
        nat: &Nat,
        conditions: &Conditions,
        redirect: &Redirect,
    ) {
        let map = PortMap::new(self.family, &redirect.parts, Some(redirect.port), conditions.flags);
        let has = Interfaces { incoming: true, outgoing: false };
        let source = self.places(Side::Source, has, &redirect.source);
        let head = Set::all([
            conditions.set(),
            source.clone(),
            self.public(&redirect.at, &Addresses::empty()),
        ]);
        let target = |_| Target::Redirect(redirect.port);
        let entries = nat_entries(nat, &map, target);
        let mut rules = std::mem::take(&mut self.prerouting);
        translate(&mut self.nat_layout(nat.origin), &mut rules, head, entries);
        self.prerouting = rules;
        let translated = translated_from(self.family, &redirect.at);
        let arrived = match &redirect.at {
            At::Addresses(at) if !at.is_full_in(self.family) => {
                let at = address_set(Side::Destination, self.family, &at.intervals(self.family));
                [Set::all([at, map.kept()]), Set::all([translated, map.translated()])]
            }
            At::Local | At::Addresses(_) => [map.kept(), Set::all([translated, map.changed()])],
        };
        let accepted = Set::all([conditions.set(), source, Set::any(arrived)]);
        self.accept(hooks, Hook::Input, nat, accepted);
    }

    /// An accept in the filter, at the statement's own place.
    pub(super) fn accept(&mut self, hooks: &mut Hooks, hook: Hook, nat: &Nat, set: Set) {
        let ending = nat_ending(nat, Target::Accept);
        let rules = &mut hooks.of(hook).rules;
        self.layout(nat.origin).terminal(rules, set, &ending, Caller::Any);
    }
}

/// The translations of a map, with the statement's comment.
pub(super) fn nat_entries(
    nat: &Nat,
    map: &PortMap,
    target: impl Fn(Option<u16>) -> Target,
) -> Vec<(Alternative, Ending)> {
    let comment = super::comment(&nat.remarks);
    let mut entries = map.translations(target);
    for (_, ending) in &mut entries {
        ending.matches.extend(comment.clone());
    }
    entries
}

fn nat_ending(nat: &Nat, target: Target) -> Ending {
    Ending { matches: super::comment(&nat.remarks).into_iter().collect(), target }
}

/// `None` when nothing is said for the family.
fn source_target(translation: &SourceTranslation, family: Family) -> Option<Target> {
    match translation {
        SourceTranslation::Masquerade => Some(Target::Masquerade),
        SourceTranslation::Exempt => Some(Target::Accept),
        SourceTranslation::Address { v4, v6 } => {
            let range = match family {
                Family::V4 => v4,
                Family::V6 => v6,
            };
            range.map(|(low, high)| Target::Snat(low, high))
        }
    }
}

/// Packets of `head` get the translation whose own matches they meet. Each translation stands with
/// its ports in one rule, for the kernel wants the protocol beside a new port.
pub(super) fn translate(
    layout: &mut Layout<'_>,
    out: &mut Vec<Rule>,
    head: Set,
    entries: Vec<(Alternative, Ending)>,
) {
    by_port(layout, out, "nat", head, entries);
}

/// The same for whatever wants its protocol beside it; a chain of the entries is called by `word`.
pub(super) fn by_port(
    layout: &mut Layout<'_>,
    out: &mut Vec<Rule>,
    word: &str,
    head: Set,
    entries: Vec<(Alternative, Ending)>,
) {
    if head.is_never() || entries.is_empty() {
        return;
    }
    let (heads, count) = (head.size(), entries.len());
    if matches!(head, Set::Alternatives(_)) && heads.saturating_mul(count) <= heads + count + 1 {
        for matches in head.into_alternatives() {
            out.extend(entries.iter().map(|(ports, ending)| {
                layout.rule(matches.iter().chain(ports).cloned().collect(), ending)
            }));
        }
        return;
    }
    let rules = entries.into_iter().map(|(ports, ending)| layout.rule(ports, &ending)).collect();
    let chain = layout.chains.chain(word, Owner::Nobody, rules);
    // Who meets no entry there comes back, and nothing was done to it.
    layout.terminal(out, head, &Target::Jump(chain).into(), Caller::Any);
}

/// The packets whose destination was translated, and was in `at` before, where that is addresses.
pub(super) fn translated_from(family: Family, at: &At) -> Set {
    let dnat = Match::from(MatchKind::Conntrack(Conntrack { dnat: true, ..Conntrack::default() }));
    let at = match at {
        At::Addresses(at) if !at.is_full_in(family) => at,
        At::Local | At::Addresses(_) => return Set::one(vec![dnat]),
    };
    let before = prefixes(family, &at.intervals(family)).into_iter().map(|prefix| {
        vec![
            MatchKind::Conntrack(Conntrack {
                dnat: true,
                original_destination: Some(prefix),
                ..Conntrack::default()
            })
            .into(),
        ]
    });
    Set::Alternatives(before.collect())
}
