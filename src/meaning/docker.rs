//! `docker { … }` as entries: who may reach what Docker publishes. And a chain that Docker enters by its name.

use crate::net::{CtState, Family};
use crate::packet::{Constraint, Factor, PacketSet, Product};
use crate::resolve::Policy;
use crate::resolve::policy::{self, Docker, Origin, RawTable, Scope};

use super::filter::{default_of, rule_in};
use super::sets::{Sets, leaving_on};
use super::{BaseChain, Decision, Effect, Entry, FamilyMeaning, List, Reason};

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

/// A chain of the policy that has the name of Docker's own chain for the administrator is that chain, unless
/// the policy itself sends packets there, or its chains get names of their own.
pub(super) fn enter(policy: &Policy, family: Family, meaning: &mut FamilyMeaning) {
    let is_it =
        |chain: &policy::Chain| chain.table == RawTable::Filter && &*chain.name == DOCKER_USER;
    let Some(place) = policy.chains.iter().position(is_it) else { return };
    let leads_there = |entry: &Entry| match entry.effect {
        Effect::Call(id) | Effect::Goto(id) => usize::try_from(id.0) == Ok(place),
        Effect::Decide(_)
        | Effect::Continue
        | Effect::Opaque { .. }
        | Effect::Change(_)
        | Effect::Add { .. }
        | Effect::Return => false,
    };
    let mut lists = meaning.bases.values().chain(&meaning.chains);
    let is_called = lists.any(|list| list.entries.iter().any(leads_there));
    if is_called || policy.docker.is_some() || policy.preserve.is_some() {
        return;
    }
    let base = BaseChain::DockerUser;
    let entries = meaning.chains[place].entries.clone();
    let default = Some(default_of(policy, family, base));
    meaning.bases.insert(base, List { entries, default });
}

/// The chain of the filter that Docker leaves to the administrator.
const DOCKER_USER: &str = "DOCKER-USER";

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
