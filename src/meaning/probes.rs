//! Packets that try every entry of a base chain at its borders.

use crate::net::Family;
use crate::packet::probes::{Edge, Pool, Presence, View};
use crate::packet::{Packet, PacketSet, Random};
use crate::resolve::policy::ChainId;

use super::{BaseChain, List, Meaning};

/// `count` packets of a family for a base chain: each in turn heads for one entry (its lowest, its
/// highest values, just outside, anywhere), through the jumps that lead there, every fifth for
/// none. The same seed gives the same packets. Every entry is headed for when `count` is a quarter more
/// than their number.
#[must_use]
pub fn probes(
    meaning: &Meaning,
    family: Family,
    base: BaseChain,
    seed: u64,
    count: usize,
) -> Vec<Packet> {
    let routes = routes(meaning, family, base);
    let sets = routes.iter().filter_map(|route| route.last()).copied();
    let pool = Pool::of(family, sets);
    let mut random = Random::new(seed);
    let packet = |index: usize| {
        let mut draft = pool.draft(&mut random);
        if index % 5 != 4
            && let Some(route) = routes.get((index - index / 5) % routes.len().max(1))
        {
            let edge = *random
                .pick(&[Edge::Lowest, Edge::Highest, Edge::Anywhere, Edge::Outside])
                .unwrap_or(&Edge::Anywhere);
            if let Some((target, way)) = route.split_last() {
                for set in way {
                    draft.enter(set, Edge::Anywhere, &mut random);
                }
                draft.enter(target, edge, &mut random);
            }
        }
        draft.packet(view(base), &mut random)
    };
    (0..count).map(packet).collect()
}

/// What packets look like in a base chain.
#[must_use]
pub fn view(base: BaseChain) -> View {
    let (incoming, outgoing, translated) = match base {
        BaseChain::NatPrerouting | BaseChain::RawPrerouting => {
            (Presence::Always, Presence::Never, Presence::Never)
        }
        BaseChain::NatOutput | BaseChain::RawOutput => {
            (Presence::Never, Presence::Always, Presence::Never)
        }
        BaseChain::NatPostrouting | BaseChain::ManglePostrouting => {
            (Presence::Maybe, Presence::Always, Presence::Maybe)
        }
        BaseChain::ManglePrerouting
        | BaseChain::FilterInput
        | BaseChain::MangleInput
        | BaseChain::SecurityInput
        | BaseChain::NatInput => (Presence::Always, Presence::Never, Presence::Maybe),
        BaseChain::FilterForward
        | BaseChain::MangleForward
        | BaseChain::SecurityForward
        | BaseChain::DockerUser => (Presence::Always, Presence::Always, Presence::Maybe),
        BaseChain::FilterOutput | BaseChain::MangleOutput | BaseChain::SecurityOutput => {
            (Presence::Never, Presence::Always, Presence::Maybe)
        }
    };
    View { incoming, outgoing, translated, first_only: base.is_nat() }
}

/// For each entry that can be reached: the sets of the jumps that lead there, then its own.
fn routes(meaning: &Meaning, family: Family, base: BaseChain) -> Vec<Vec<&PacketSet>> {
    let mut routes = Vec::new();
    let mut seen = vec![false; meaning.chain_count()];
    let mut waiting: Vec<(&List, Vec<&PacketSet>)> = Vec::new();
    waiting.extend(meaning.base(family, base).map(|list| (list, Vec::new())));
    while let Some((list, way)) = waiting.pop() {
        for entry in &list.entries {
            let mut route = way.clone();
            route.push(&entry.set);
            if let Some(chain) = entry.effect.chain().filter(|chain| first_visit(&mut seen, *chain))
            {
                waiting.extend(meaning.chain(family, chain).map(|list| (list, route.clone())));
            }
            routes.push(route);
        }
    }
    routes
}

fn first_visit(seen: &mut [bool], chain: ChainId) -> bool {
    let slot = usize::try_from(chain.0).ok().and_then(|index| seen.get_mut(index));
    slot.is_some_and(|seen| !std::mem::replace(seen, true))
}
