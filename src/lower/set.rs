//! A set of packets on its way to becoming kernel rules: alternatives, products and unions of them.
//!
//! A kernel rule is one [`Alternative`]: matches that must all hold. Lists of a policy are sets;
//! [`Set::all`] and [`Set::any`] keep them small, and multiply lists out only where the product is
//! no longer than writing the lists one behind the other.

use crate::ruleset::{Conntrack, Match, MatchKind};

/// Matches that must all hold, in any order; what one kernel rule can say.
pub(super) type Alternative = Vec<Match>;

/// Packets, in the shape of the lists they were written as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Set {
    /// Those of any alternative. None at all is the empty set.
    Alternatives(Vec<Alternative>),
    /// Those that meet `common` and are in every dimension.
    // INVARIANT: made by `Set::all`: at least one dimension, the cheapest first, and writing the
    // product out takes more rules than the dimensions have together.
    Product { common: Alternative, dimensions: Vec<Set> },
    /// Those of any member.
    // INVARIANT: made by `Set::any`: at least two members, at most one of them `Alternatives`
    // (the first), no unions.
    Union(Vec<Set>),
}

/// So many members of a union may need chains of their own: nft refuses more than 15 chains deep.
const MAX_COMPLEX_MEMBERS: usize = 3;

impl Set {
    /// No packet.
    pub(super) fn never() -> Self {
        Set::Alternatives(Vec::new())
    }

    /// Every packet.
    pub(super) fn always() -> Self {
        Set::one(Vec::new())
    }

    /// The packets that meet all of `matches`.
    pub(super) fn one(matches: Alternative) -> Self {
        Set::Alternatives(vec![matches])
    }

    pub(super) fn is_never(&self) -> bool {
        matches!(self, Set::Alternatives(alternatives) if alternatives.is_empty())
    }

    /// The only alternative, when one kernel rule says it all.
    pub(super) fn only(&self) -> Option<&Alternative> {
        match self {
            Set::Alternatives(alternatives) => match &alternatives[..] {
                [alternative] => Some(alternative),
                _ => None,
            },
            Set::Product { .. } | Set::Union(_) => None,
        }
    }

    /// How many rules it takes when everything is multiplied out.
    pub(super) fn size(&self) -> usize {
        match self {
            Set::Alternatives(alternatives) => alternatives.len(),
            Set::Product { dimensions, .. } => size_of_product(dimensions),
            Set::Union(members) => members.iter().map(Set::size).fold(0, usize::saturating_add),
        }
    }

    /// About how many rules it takes with chains.
    pub(super) fn cost(&self) -> usize {
        match self {
            Set::Alternatives(alternatives) => alternatives.len(),
            Set::Product { dimensions, .. } => dimensions.iter().map(Set::cost).sum(),
            Set::Union(members) => members.iter().map(Set::cost).sum(),
        }
    }

    /// Everything multiplied out.
    pub(super) fn into_alternatives(self) -> Vec<Alternative> {
        match self {
            Set::Alternatives(alternatives) => alternatives,
            Set::Product { common, dimensions } => multiply(common, dimensions),
            Set::Union(members) => members.into_iter().flat_map(Set::into_alternatives).collect(),
        }
    }

    fn into_members(self) -> Vec<Set> {
        match self {
            Set::Union(members) => members,
            Set::Alternatives(_) | Set::Product { .. } => vec![self],
        }
    }

    /// The packets that are in every one of `sets`.
    pub(super) fn all(sets: impl IntoIterator<Item = Set>) -> Self {
        let mut common = Alternative::new();
        let mut dimensions = Vec::new();
        for set in sets {
            match set {
                Set::Alternatives(mut alternatives) => match alternatives.len() {
                    0 => return Set::never(),
                    // The first is taken as it is: most sets have one alternative and no dimension.
                    1 if common.is_empty() => common = alternatives.swap_remove(0),
                    1 => common.append(&mut alternatives[0]),
                    _ => dimensions.push(Set::Alternatives(alternatives)),
                },
                Set::Product { common: mut matches, dimensions: mut inner } => {
                    common.append(&mut matches);
                    dimensions.append(&mut inner);
                }
                Set::Union(members) => dimensions.push(Set::Union(members)),
            }
        }
        if dimensions.is_empty() {
            return Set::one(common);
        }
        if let [Set::Union(_)] = dimensions[..] {
            // Members stand each for themselves, where they can.
            let members = dimensions.into_iter().flat_map(Set::into_members);
            if common.is_empty() {
                return Set::any(members);
            }
            return Set::any(members.map(|member| Set::all([Set::one(common.clone()), member])));
        }
        dimensions.sort_by_key(Set::cost);
        let cost: usize = dimensions.iter().map(Set::cost).sum();
        if size_of_product(&dimensions) <= cost + 1 {
            return Set::Alternatives(multiply(common, dimensions));
        }
        Set::Product { common, dimensions: merge_smallest(dimensions) }
    }

    /// The packets that are in any of `sets`.
    pub(super) fn any(sets: impl IntoIterator<Item = Set>) -> Self {
        let mut alternatives = Vec::new();
        let mut complex = Vec::new();
        for set in sets {
            match set {
                Set::Alternatives(mut more) => alternatives.append(&mut more),
                Set::Product { .. } => complex.push(set),
                Set::Union(members) => {
                    for member in members {
                        match member {
                            Set::Alternatives(mut more) => alternatives.append(&mut more),
                            Set::Product { .. } | Set::Union(_) => complex.push(member),
                        }
                    }
                }
            }
        }
        if alternatives.iter().any(Vec::is_empty) {
            return Set::always();
        }
        if complex.len() > MAX_COMPLEX_MEMBERS {
            alternatives.extend(complex.drain(..).flat_map(Set::into_alternatives));
        }
        match (complex.pop(), alternatives.is_empty()) {
            (None, _) => Set::Alternatives(alternatives),
            (Some(only), true) if complex.is_empty() => only,
            (Some(last), empty) => {
                let simple = (!empty).then_some(Set::Alternatives(alternatives));
                Set::Union(simple.into_iter().chain(complex).chain([last]).collect())
            }
        }
    }

    /// Whether some match is one that `found` looks for.
    pub(super) fn mentions(&self, found: fn(&Match) -> bool) -> bool {
        match self {
            Set::Alternatives(alternatives) => alternatives.iter().flatten().any(found),
            Set::Product { common, dimensions } => {
                common.iter().any(found) || dimensions.iter().any(|set| set.mentions(found))
            }
            Set::Union(members) => members.iter().any(|set| set.mentions(found)),
        }
    }

    /// Takes out matches that every packet of the set must meet, and that `may` go.
    pub(super) fn split_common(self, may: fn(&Match) -> bool) -> (Alternative, Set) {
        match self {
            Set::Alternatives(alternatives) => {
                let Some((first, others)) = alternatives.split_first() else {
                    return (Vec::new(), Set::never());
                };
                // Ports stay with their protocol: the kernel wants both in one rule.
                let together = others.iter().all(|other| traffic(other).eq(traffic(first)));
                let shared = |m: &&Match| {
                    let free = together || !is_traffic(m);
                    free && may(m) && others.iter().all(|other| other.contains(m))
                };
                let common: Alternative = first.iter().filter(shared).cloned().collect();
                let without = |mut alternative: Alternative| {
                    alternative.retain(|m| !common.contains(m));
                    alternative
                };
                let rest = alternatives.into_iter().map(without).collect();
                (common, Set::Alternatives(rest))
            }
            Set::Product { common, dimensions } => {
                let (out, common) = common.into_iter().partition(may);
                (out, Set::Product { common, dimensions })
            }
            Set::Union(members) => (Vec::new(), Set::Union(members)),
        }
    }
}

/// What an alternative asks of protocol and ports.
fn traffic(alternative: &Alternative) -> impl Iterator<Item = &Match> {
    alternative.iter().filter(|m| is_traffic(m))
}

fn is_traffic(m: &Match) -> bool {
    (RANK_OF_PROTOCOL..=RANK_OF_ICMP).contains(&rank(&m.kind))
}

fn size_of_product(dimensions: &[Set]) -> usize {
    dimensions.iter().map(Set::size).fold(1, usize::saturating_mul)
}

fn multiply(common: Alternative, dimensions: Vec<Set>) -> Vec<Alternative> {
    dimensions.into_iter().fold(vec![common], |product, dimension| {
        let alternatives = dimension.into_alternatives();
        let pairs = product.iter().flat_map(|a| alternatives.iter().map(move |b| (a, b)));
        pairs.map(|(a, b)| a.iter().chain(b).cloned().collect()).collect()
    })
}

/// Two lists of two are as well one list of four: a chain less, and no rule more.
fn merge_smallest(mut dimensions: Vec<Set>) -> Vec<Set> {
    while let [first, second, _, ..] = &dimensions[..]
        && size_of_product(&dimensions[..2]) <= first.cost() + second.cost()
    {
        let two: Vec<Set> = dimensions.drain(..2).collect();
        dimensions.push(Set::Alternatives(multiply(Vec::new(), two)));
        dimensions.sort_by_key(Set::cost);
    }
    dimensions
}

/// The matches of a kernel rule: in the order in which they are judged, each once, and what can be
/// asked of the connection in one match asked in one.
pub(super) fn in_order(mut matches: Vec<Match>) -> Vec<Match> {
    if matches.is_sorted_by(|a, b| rank(&a.kind) < rank(&b.kind)) {
        return matches;
    }
    matches.sort_by_key(|m| rank(&m.kind));
    let mut ordered: Vec<Match> = Vec::with_capacity(matches.len());
    for m in matches {
        match ordered.last_mut() {
            Some(last) if *last == m && !m.kind.depends_on_history() => {}
            Some(Match { negated: false, kind: MatchKind::Conntrack(known) }) => match m {
                Match { negated: false, kind: MatchKind::Conntrack(more) }
                    if merge(known, &more) => {}
                other => ordered.push(other),
            },
            Some(_) | None => ordered.push(m),
        }
    }
    ordered
}

/// Adds to `known` what `more` asks; `false` when one match cannot say both.
fn merge(known: &mut Conntrack, more: &Conntrack) -> bool {
    let asks_state = |conntrack: &Conntrack| conntrack.dnat || !conntrack.states.is_empty();
    // `--ctstate A,B` is "A or B": two demands need two matches.
    let states = asks_state(known) && asks_state(more);
    let clash = states
        || (known.original_destination.is_some() && more.original_destination.is_some())
        || (known.original_port.is_some() && more.original_port.is_some());
    if clash {
        return false;
    }
    if asks_state(more) {
        known.states = more.states;
        known.dnat = more.dnat;
    }
    known.original_destination = known.original_destination.or(more.original_destination);
    known.original_port = known.original_port.or(more.original_port);
    true
}

/// Between these two is all that looks at the traffic's kind.
const RANK_OF_PROTOCOL: u8 = 4;
const RANK_OF_ICMP: u8 = 10;

/// The order of judging: that of `iptables-save`, `-m tcp` in one piece, limits last.
fn rank(kind: &MatchKind) -> u8 {
    match kind {
        MatchKind::Source(_) => 0,
        MatchKind::Destination(_) => 1,
        MatchKind::In(_) => 2,
        MatchKind::Out(_) => 3,
        MatchKind::Protocol(_) => RANK_OF_PROTOCOL,
        MatchKind::SourcePort(..) => 5,
        MatchKind::DestinationPort(..) => 6,
        MatchKind::TcpFlags(_) => 7,
        MatchKind::SourcePorts(_) => 8,
        MatchKind::DestinationPorts(_) => 9,
        MatchKind::Icmp(_) | MatchKind::AnyIcmp => RANK_OF_ICMP,
        MatchKind::SourceRange(..) => 11,
        MatchKind::DestinationRange(..) | MatchKind::Set { .. } => 12,
        MatchKind::DestinationLocal | MatchKind::Multicast(_) => 13,
        MatchKind::Conntrack(_) | MatchKind::State(_) => 14,
        MatchKind::Mac(_) => 15,
        MatchKind::Mark(_) => 16,
        MatchKind::Connmark(_) => 17,
        MatchKind::User(_) => 18,
        MatchKind::Group(_) => 19,
        MatchKind::Length(..) => 20,
        MatchKind::Ttl(_) => 21,
        MatchKind::Dscp(_) => 22,
        MatchKind::Time(_) => 23,
        MatchKind::Ipsec { .. } => 24,
        MatchKind::Opaque(_) | MatchKind::OpaqueHistory(_) | MatchKind::Comment(_) => 25,
        MatchKind::Limit { .. } | MatchKind::Hashlimit(_) | MatchKind::Connlimit { .. } => 26,
    }
}
