//! NAT statements as entries: the translation, and the accept of what was translated.

use std::sync::Arc;

use crate::net::{Addresses, Family, Interface, Prefix};
use crate::packet::{Constraint, Factor, PacketSet, Product};
use crate::resolve::Policy;
use crate::resolve::policy::{
    At, Forward, Nat, NatKind, Part, Place, Redirect, SourceTranslation, Target, Verdict,
};

use super::sets::{Sets, Side, all_of, leaving_on};
use super::{BaseChain, Decision, Effect, Entry, Lists, Reason, Translation};

/// Everything that one statement says in one family.
pub(super) fn statement<'p>(policy: &Policy, nat: &'p Nat, sets: &mut Sets<'p>, lists: &mut Lists) {
    if !nat.families.contains(sets.family) {
        return;
    }
    let leaves = matches!(nat.kind, NatKind::Source { .. });
    let conditions = all_of(&nat.conditions, leaves);
    let mut said = Said { nat, conditions, lists, family: sets.family };
    match &nat.kind {
        NatKind::Source { source, destination, parts, translation } => {
            if let Some(translation) = source_translation(translation, sets.family) {
                let factors = [
                    sets.places(Side::Source, source),
                    sets.places(Side::Destination, destination),
                    sets.parts(parts),
                ];
                said.translate(BaseChain::NatPostrouting, [factors.into()], translation);
            }
        }
        NatKind::Forward(forward) => {
            let own = !matches!(policy.defaults.output.verdict, Verdict::Allow);
            said.forward(forward, own && forward.hairpin_self, sets);
        }
        NatKind::Redirect(redirect) => said.redirect(redirect, sets),
        NatKind::Netmap { outside, inside, interfaces } => {
            said.netmap(*outside, *inside, interfaces);
        }
    }
}

/// `None` when there is no address of this family to translate to.
fn source_translation(translation: &SourceTranslation, family: Family) -> Option<Translation> {
    match translation {
        SourceTranslation::Masquerade => Some(Translation::Masquerade),
        SourceTranslation::Exempt => Some(Translation::Exempt),
        SourceTranslation::Address { v4, v6 } => {
            let (low, high) = match family {
                Family::V4 => (*v4)?,
                Family::V6 => (*v6)?,
            };
            Some(Translation::Source { low, high })
        }
    }
}

/// Where the entries of one statement are put.
struct Said<'a> {
    nat: &'a Nat,
    conditions: Factor,
    lists: &'a mut Lists,
    family: Family,
}

/// The factors of a product.
type Factors = Vec<Factor>;

impl Said<'_> {
    /// `forward`: see [`Forward`].
    fn forward<'p>(&mut self, forward: &'p Forward, accept_own: bool, sets: &mut Sets<'p>) {
        let Some(target) = forward.target(self.family) else { return };
        if is_translated(forward, self.family) {
            self.translate_forward(forward, target, sets);
            self.accept_forward(forward, target, accept_own, sets);
        } else {
            let to_target = to_target(target, self.family);
            let from = sets.places(Side::Source, &forward.source);
            let out = leaving_on(forward.out.as_deref());
            let packets = vec![from, sets.parts(&forward.parts), to_target, out];
            self.accept(BaseChain::FilterForward, [packets]);
        }
    }

    /// The new destination, for everybody who is to get it.
    fn translate_forward<'p>(&mut self, forward: &'p Forward, target: Target, sets: &mut Sets<'p>) {
        let parts = sets.parts(&forward.parts);
        let public = public_destination(&forward.at, sets);
        let outside =
            vec![sets.places(Side::Source, &forward.source), parts.clone(), public.clone()];
        let mut packets = vec![outside];
        for place in &forward.hairpin {
            let from = sets.places(Side::Source, std::slice::from_ref(place));
            packets.push(vec![from, parts.clone(), hairpin_destination(forward, place, sets)]);
        }
        let Target { address, port } = target;
        let translation = Translation::Destination { address, port };
        self.translate(BaseChain::NatPrerouting, packets, translation.clone());
        if forward.hairpin_self {
            let own = own_destination(forward, sets);
            self.translate(BaseChain::NatOutput, [vec![parts, public, own]], translation);
        }
    }

    /// The accept of what was translated, and for hairpin places a source that answers come back
    /// to: the machine's own, since the target could answer them directly.
    fn accept_forward<'p>(
        &mut self,
        forward: &'p Forward,
        target: Target,
        accept_own: bool,
        sets: &mut Sets<'p>,
    ) {
        let out = leaving_on(forward.out.as_deref());
        let mut translated = translated_connection(&forward.parts, &forward.at, target.port, sets);
        translated.push(to_target(target, self.family));
        // Who asks for the target itself gets it, too; nothing of it is translated.
        let direct = match &forward.at {
            At::Addresses(at) if at.contains(target.address) => Some(vec![
                to_target(target, self.family),
                sets.parts_at(&forward.parts, target.port),
            ]),
            At::Addresses(_) | At::Local => None,
        };
        let places = forward.hairpin.iter().map(std::slice::from_ref);
        let mut sources = vec![sets.places(Side::Source, &forward.source)];
        sources.extend(places.map(|place| sets.places(Side::Source, place)));
        let of = |packets: &Factors, from: &Factor| [packets.clone(), vec![from.clone()]].concat();
        let arrived = || std::iter::once(&translated).chain(&direct);
        let leaving = arrived().flat_map(|packets| {
            sources.iter().map(|from| [of(packets, from), vec![out.clone()]].concat())
        });
        self.accept(BaseChain::FilterForward, leaving);
        let hairpins = sources[1..].iter().map(|from| of(&translated, from));
        // Where they leave is the filter's to judge, and the conditions were met when the
        // connection was translated: the kernel sees no MAC on postrouting.
        let conditions = std::mem::replace(&mut self.conditions, Factor::all([]));
        self.translate(BaseChain::NatPostrouting, hairpins, Translation::Masquerade);
        self.conditions = conditions;
        if accept_own {
            // The route was chosen for the old destination: the interface is still the old one's.
            self.accept(BaseChain::FilterOutput, arrived().cloned());
        }
    }

    /// `redirect`: see [`Redirect`].
    fn redirect<'p>(&mut self, redirect: &'p Redirect, sets: &mut Sets<'p>) {
        let from = sets.places(Side::Source, &redirect.source);
        let to = public_destination(&redirect.at, sets);
        let packets = vec![from.clone(), sets.parts(&redirect.parts), to];
        let translation = Translation::Redirect { port: redirect.port };
        self.translate(BaseChain::NatPrerouting, [packets], translation);

        let port = Some(redirect.port);
        let mut translated = translated_connection(&redirect.parts, &redirect.at, port, sets);
        translated.push(from.clone());
        // Who asks for that port of the address that he would be sent to stays as he is.
        let mut direct = vec![from, sets.parts_at(&redirect.parts, port)];
        match &redirect.at {
            At::Local => {}
            At::Addresses(at) => direct.push(sets.to_addresses(at)),
        }
        self.accept(BaseChain::FilterInput, [translated, direct]);
    }

    /// `netmap`: on these interfaces the outside network is the inside one. What comes in for the
    /// outside goes inside; what leaves from the inside has an outside address.
    fn netmap(&mut self, outside: Prefix, inside: Prefix, interfaces: &[Interface]) {
        if outside.family() != self.family || inside.family() != self.family {
            return;
        }
        let arriving = Factor::all([
            Constraint::incoming(interfaces),
            Constraint::destination(self.family, &outside.into()),
        ]);
        let translation = Translation::Netmap { from: outside, to: inside };
        self.translate(BaseChain::NatPrerouting, [vec![arriving]], translation);
        let leaving = Factor::all([
            Constraint::outgoing(interfaces),
            Constraint::source(self.family, &inside.into()),
        ]);
        let translation = Translation::Netmap { from: inside, to: outside };
        self.translate(BaseChain::NatPostrouting, [vec![leaving]], translation);
    }

    fn translate(
        &mut self,
        base: BaseChain,
        packets: impl IntoIterator<Item = Factors>,
        translation: Translation,
    ) {
        self.say(base, packets, Decision::Translate(Arc::new(translation)));
    }

    fn accept(&mut self, base: BaseChain, packets: impl IntoIterator<Item = Factors>) {
        self.say(base, packets, Decision::Accept);
    }

    /// One entry for the packets of any of the products that also meet the conditions.
    fn say(
        &mut self,
        base: BaseChain,
        packets: impl IntoIterator<Item = Factors>,
        decision: Decision,
    ) {
        let conditions = &self.conditions;
        let products = packets
            .into_iter()
            .filter_map(|factors| Product::of(factors.into_iter().chain([conditions.clone()])));
        let set = PacketSet::of(self.family, products);
        if set.is_empty() {
            return;
        }
        self.lists.of(base).push(Entry {
            set,
            limits: [].into(),
            log: None,
            effect: Effect::Decide(decision),
            reason: Reason::Written(self.nat.origin),
        });
    }
}

/// Whether a `forward` translates in a family: IPv4 always, IPv6 only to an IPv6 `at`.
fn is_translated(forward: &Forward, family: Family) -> bool {
    match (family, &forward.at) {
        (Family::V4, At::Local | At::Addresses(_)) => true,
        (Family::V6, At::Local) => false,
        (Family::V6, At::Addresses(at)) => !at.v6.is_empty(),
    }
}

fn to_target(target: Target, family: Family) -> Factor {
    Factor::all([Constraint::destination(family, &Addresses::single(target.address))])
}

/// The destinations that are translated for everybody.
fn public_destination(at: &At, sets: &Sets<'_>) -> Factor {
    match at {
        At::Local => Factor::all([Constraint::to_local()]),
        At::Addresses(at) => sets.to_addresses(at),
    }
}

/// The destinations that are translated for a hairpin place: `at`, else this machine's addresses
/// without those that the place itself has (there the machine is meant, not the published host).
fn hairpin_destination(forward: &Forward, place: &Place, sets: &Sets<'_>) -> Factor {
    match &forward.at {
        At::Addresses(at) => sets.to_addresses(at),
        At::Local => {
            let other = Addresses::full().difference(&place.addresses);
            let elsewhere = Constraint::destination(sets.family, &other);
            Factor::all([Constraint::to_local(), elsewhere])
        }
    }
}

/// For this machine's own packets: what it says to a loopback address is meant for itself, and is no
/// packet to the public address; no more than what it says to its address in a hairpin place.
fn own_destination(forward: &Forward, sets: &Sets<'_>) -> Factor {
    match forward.at {
        At::Addresses(_) => Factor::all([]),
        At::Local => {
            let v4 = Addresses::range(Family::V4, 0x7f00_0000, 0x7fff_ffff);
            let loopback = v4.union(&Addresses::range(Family::V6, 1, 1));
            let places = forward.hairpin.iter().map(|place| &place.addresses);
            let meant = Addresses::union_all(places.chain([&loopback]));
            let others = Addresses::full().difference(&meant);
            Factor::all([Constraint::destination(sets.family, &others)])
        }
    }
}

/// Packets of connections that the statement translated, as far as conntrack remembers it.
fn translated_connection(parts: &[Part], at: &At, port: Option<u16>, sets: &Sets<'_>) -> Factors {
    let mut factors =
        vec![Factor::all([Constraint::translated()]), sets.translated_parts(parts, port)];
    match at {
        At::Local => {}
        At::Addresses(at) => factors.push(sets.originally_to(at)),
    }
    factors
}
