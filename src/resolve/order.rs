//! Statements that act before one that stands above them: marks that are set where packets arrive.

use super::ends::intersect_places;
use super::policy::{Alteration, AlterationKind, Bound, Condition, Flow, Hook, Item, Scope};
use super::{Resolver, messages};

/// Each statement is compared with so many above it: a policy of a hundred thousand marks is to be
/// read in seconds too.
const MAX_COMPARED: usize = 1_000;

/// What a statement sets or looks at.
struct Touched {
    /// The bits of the mark.
    mark: u32,
    class: bool,
}

impl Resolver<'_> {
    /// Warns of a mark that is set where packets arrive, below a statement that the same packets meet
    /// later, where one of the two touches what the other sets.
    pub(super) fn check_order(&mut self, items: &[Item]) {
        let mut above: Vec<&Alteration> = Vec::new();
        let mut findings = Vec::new();
        for item in items {
            let Item::Alter(said) = item else { continue };
            let arrives = |flow: &&Flow| matches!(flow.scope, Scope::Arrival(_));
            let early: Vec<&Flow> = said.flows.iter().filter(arrives).collect();
            let overtaken = above.iter().find(|other| {
                is_touched_by_both(said, other)
                    && other.flows.iter().any(|flow| meets(flow, &early))
            });
            if let Some(other) = overtaken {
                findings.push((
                    said.origin,
                    messages::acts_earlier(said.origin.span, other.origin.span),
                ));
            }
            let later =
                |flow: &Flow| matches!(flow.scope, Scope::Hook(Hook::Input | Hook::Forward));
            if above.len() < MAX_COMPARED && said.flows.iter().any(later) {
                above.push(said);
            }
        }
        for (origin, finding) in findings {
            self.report_of(origin, finding);
        }
    }
}

/// Whether some packet may meet one of the early flows first and then this one.
fn meets(later: &Flow, early: &[&Flow]) -> bool {
    early.iter().any(|flow| {
        let beyond = match (later.scope, flow.scope) {
            (Scope::Hook(Hook::Input), Scope::Arrival(Bound::Anywhere | Bound::Here))
            | (Scope::Hook(Hook::Forward), Scope::Arrival(Bound::Anywhere | Bound::Elsewhere)) => {
                true
            }
            (Scope::Hook(_) | Scope::Arrival(_) | Scope::Chain | Scope::Docker, _) => false,
        };
        let families = later.families.intersection(flow.families);
        let same = |a| flow.source.iter().any(|b| intersect_places(a, b).is_some());
        beyond && !families.is_empty() && later.source.iter().any(same)
    })
}

fn is_touched_by_both(one: &Alteration, other: &Alteration) -> bool {
    let [(sets, asks), (other_sets, other_asks)] = [one, other].map(touched);
    let shares = |a: &Touched, b: &Touched| a.mark & b.mark != 0 || a.class && b.class;
    shares(&sets, &other_sets) || shares(&sets, &other_asks) || shares(&asks, &other_sets)
}

/// What a statement sets, and what it asks for.
fn touched(said: &Alteration) -> (Touched, Touched) {
    let sets = match said.kind {
        AlterationKind::Mark(mark) | AlterationKind::StickyMark(mark) => {
            Touched { mark: mark.mask(), class: false }
        }
        AlterationKind::Dscp(_) => Touched { mark: 0, class: true },
        AlterationKind::ClampMss(_) | AlterationKind::Notrack | AlterationKind::Helper(_) => {
            Touched { mark: 0, class: false }
        }
    };
    let mut asks = Touched { mark: 0, class: false };
    for condition in &said.conditions {
        match condition {
            Condition::Mark(mark) => asks.mark |= mark.mask(),
            Condition::Dscp(_) => asks.class = true,
            Condition::State(_)
            | Condition::Flags(_)
            | Condition::Mac(_)
            | Condition::User(_)
            | Condition::Group(_)
            | Condition::Length(_)
            | Condition::Ttl(_)
            | Condition::During(_)
            | Condition::Ipsec => {}
        }
    }
    (sets, asks)
}
