//! `docker { … }` as entries: who may reach what Docker publishes.

use crate::net::CtState;
use crate::packet::{Constraint, Factor, PacketSet, Product};
use crate::resolve::policy::{Docker, Origin, Scope};

use super::filter::rule_in;
use super::sets::{Sets, leaving_on};
use super::{Decision, Effect, Entry, Reason};

/// The entries of the block. What they do not take is left to Docker, which is the default.
pub(super) fn entries<'p>(docker: &'p Docker, sets: &mut Sets<'p>) -> Vec<Entry> {
    let states = [CtState::Established, CtState::Related].into_iter().collect();
    let answers = Factor::all([Constraint::state(states)]);
    let from_containers = Factor::all([Constraint::incoming(&docker.bridges)]);
    let mut entries = vec![
        entry(docker, sets, [answers], Decision::LeaveToDocker),
        entry(docker, sets, [from_containers], Decision::LeaveToDocker),
    ];
    for rule in &docker.rules {
        let Some(said) = rule_in(rule, Scope::Docker, sets) else { continue };
        let published = published(docker);
        let products = said.set.products().iter().filter_map(|product| {
            Product::of(product.factors().iter().cloned().chain(published.clone()))
        });
        let effect = match said.effect {
            Effect::Decide(Decision::Accept) => Effect::Decide(Decision::LeaveToDocker),
            Effect::Decide(
                Decision::Drop
                | Decision::Reject(_)
                | Decision::Translate(_)
                | Decision::Unknown(_)
                | Decision::LeaveToDocker,
            )
            | Effect::Continue
            | Effect::Opaque { .. }
            | Effect::Change(_)
            | Effect::Add { .. }
            | Effect::Return
            | Effect::Call(_)
            | Effect::Goto(_) => said.effect,
        };
        entries.push(Entry { set: PacketSet::of(sets.family, products), effect, ..said });
    }
    entries.push(entry(docker, sets, published(docker), Decision::Drop));
    entries
}

/// Packets that leave to a container and were sent to this machine: to a published port.
fn published(docker: &Docker) -> [Factor; 2] {
    [leaving_on(Some(&docker.bridges)), Factor::all([Constraint::translated()])]
}

fn entry(
    docker: &Docker,
    sets: &Sets<'_>,
    factors: impl IntoIterator<Item = Factor>,
    decision: Decision,
) -> Entry {
    Entry {
        set: PacketSet::of(sets.family, Product::of(factors)),
        limits: [].into(),
        log: None,
        effect: Effect::Decide(decision),
        reason: Reason::Written(Origin { span: docker.span, call: None }),
    }
}
