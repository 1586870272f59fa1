//! In which families a NAT statement says something: where each of its lists has a member, and its
//! translation an address.

use super::super::context::Context;
use super::super::ends::{End, EndKind, families_of};
use super::super::policy::{At, SourceTranslation};
use super::super::rules::describe;
use super::super::services::Traffic;
use super::super::{Resolver, messages};
use super::target::Targets;
use crate::net::{Families, Family};
use crate::source::Span;
use crate::syntax::tree;

impl<'a> Resolver<'a> {
    /// The families of the packets that a statement speaks of.
    pub(super) fn shared_families(
        &mut self,
        rule: &tree::Rule,
        span: Span,
        context: &Context<'a>,
        traffic: &[Traffic],
        lists: &[&[End]],
    ) -> Option<Families> {
        let (families, clause) = (context.families, context.family_clause);
        let by_traffic = Families {
            v4: traffic.iter().any(|one| one.families.v4),
            v6: traffic.iter().any(|one| one.families.v6),
        };
        let mut shared = families.intersection(by_traffic);
        if let (true, Some(one)) = (shared.is_empty(), traffic.first()) {
            let part = describe(&one.part);
            self.report(messages::traffic_of_other_family(rule.subject(), &part, clause));
            return None;
        }
        for ends in lists {
            let own = families_of(ends);
            if families.intersection(own).is_empty() {
                self.report(messages::addresses_of_other_family(ends[0].span, clause));
                return None;
            }
            shared = shared.intersection(own);
        }
        if shared.is_empty() {
            self.report(messages::no_family_left(span));
            return None;
        }
        Some(shared)
    }

    /// Those of the packets' families that the translation `at` has an address in.
    pub(super) fn translated_families(
        &mut self,
        shared: Families,
        own: Families,
        at: Span,
        context: &Context<'a>,
    ) -> Option<Families> {
        let families = shared.intersection(own);
        if families.is_empty() {
            self.report(messages::translation_of_other_family(at, context.family_clause));
            return None;
        }
        Some(families)
    }
}

/// The families of masquerade, snat and nonat among those that their packets may have.
pub(super) fn of_source(
    translation: &SourceTranslation,
    shared: Families,
    lists: [&[End]; 2],
) -> Families {
    match translation {
        SourceTranslation::Exempt => Families::BOTH,
        SourceTranslation::Address { v4, v6 } => Families { v4: v4.is_some(), v6: v6.is_some() },
        // Networks have no need to hide in IPv6, so it is translated only where it is meant.
        SourceTranslation::Masquerade if !shared.v4 => Families::only(Family::V6),
        SourceTranslation::Masquerade => {
            let v6 = lists.into_iter().flatten().any(names_ipv6);
            Families { v4: true, v6 }
        }
    }
}

/// Whether an end is written as IPv6 addresses: a zone is not, whatever its nets.
fn names_ipv6(end: &End) -> bool {
    let said = !end.place.addresses.is_empty_in(Family::V6)
        && !end.place.addresses.is_full_in(Family::V6)
        && end.place.addresses.v6 == end.loose.addresses.v6;
    match end.kind {
        EndKind::Any | EndKind::Machine => false,
        EndKind::Zone | EndKind::Address => said,
    }
}

/// The families of a `forward`: where there is a target, and its packets can be told by `at`. An
/// `at` of IPv4 alone leaves the IPv6 target beside an IPv4 one untranslated.
pub(super) fn of_forward(targets: &Targets, at: &At) -> Families {
    let public = of_at(at);
    let v4 = targets.v4.is_some() && public.v4;
    Families { v4, v6: targets.v6.is_some() && (public.v6 || v4) }
}

/// The families in which a `forward` translates: IPv4, and IPv6 where `at` names an IPv6 address.
pub(super) fn of_translation(at: &At) -> Families {
    match at {
        At::Local => Families::only(Family::V4),
        At::Addresses(addresses) => addresses.families(),
    }
}

/// The families of the destinations that are translated.
pub(super) fn of_at(at: &At) -> Families {
    match at {
        At::Local => Families::BOTH,
        At::Addresses(addresses) => addresses.families(),
    }
}
