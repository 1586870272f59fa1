//! Sets of packets → kernel rules and chains: every list is written once, none is multiplied.
//!
//! There are three ways to write "packets of this set do that", and which is right depends on what
//! happens behind:
//!
//! * [`Layout::terminal`]: the packets never come back (a verdict), so it does no harm when one is
//!   tried again. The first list stands in the caller, the others in chains.
//! * [`Layout::once`]: the packets may come back (a limit, a log, a user's chain), and must not
//!   enter twice. The caller jumps to a chain in which all is `goto`: whoever enters leaves it, and
//!   the end returns to behind the one jump.
//! * [`Layout::decide`]: the caller has nothing behind. All is `goto`: packets of the set to one
//!   chain, all others to another. So neither `RETURN` nor the end of a chain that was gone to can
//!   come back anywhere but to the caller of the caller.

use std::sync::Arc;

use crate::net::{Interface, Prefix};
use crate::packet::opaque::SetSide;
use crate::ruleset::{Match, MatchKind, Origin, Rule, Target};

use super::generated::{Generated, Owner};
use super::set::{Alternative, Set, in_order};

/// What is done with the packets of a set: further matches and a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) matches: Vec<Match>,
    pub(super) target: Target,
}

impl From<Target> for Ending {
    fn from(target: Target) -> Self {
        Ending { matches: Vec::new(), target }
    }
}

impl Ending {
    /// Whether it counts, so that it must stand in one place.
    pub(super) fn is_counted(&self) -> bool {
        self.matches.iter().any(|m| m.kind.depends_on_history())
    }
}

/// Where rules are to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// Any match may stand there.
    Any,
    /// The kernel takes no `-i` there: POSTROUTING itself. Chains called from it may have it.
    WithoutIncoming,
}

/// So many disjoint alternatives jump by themselves rather than through a chain.
const MAX_DIRECT_JUMPS: usize = 4;

/// Writes the rules of one statement.
pub(super) struct Layout<'g> {
    pub(super) chains: &'g mut Generated,
    pub(super) origin: Origin,
}

impl Layout<'_> {
    pub(super) fn rule(&self, matches: Alternative, ending: &Ending) -> Rule {
        let mut all = Vec::with_capacity(matches.len() + ending.matches.len());
        all.extend(matches);
        all.extend(ending.matches.iter().cloned());
        let matches = in_order(all);
        Rule { matches, target: ending.target.clone(), origin: self.origin }
    }

    /// A chain of these endings, one behind the other.
    pub(super) fn chain(&mut self, word: &str, owner: Owner, endings: &[Ending]) -> Arc<str> {
        let rules = endings.iter().map(|ending| self.rule(Vec::new(), ending)).collect();
        self.chains.chain(word, owner, rules)
    }

    /// Packets of `set` meet `ending`, which does not give them back (or does nothing to them
    /// when it does).
    pub(super) fn terminal(
        &mut self,
        out: &mut Vec<Rule>,
        set: Set,
        ending: &Ending,
        caller: Caller,
    ) {
        let without_incoming = caller == Caller::WithoutIncoming && set.mentions(is_incoming);
        if without_incoming {
            return self.behind_common(out, set, ending, |m| !is_incoming(m));
        }
        match set {
            Set::Alternatives(alternatives) => {
                out.extend(alternatives.into_iter().map(|matches| self.rule(matches, ending)));
            }
            Set::Union(members) => {
                for member in members {
                    self.terminal(out, member, ending, caller);
                }
            }
            Set::Product { common, mut dimensions } => {
                let first = match dimensions.remove(0) {
                    Set::Alternatives(first) => first,
                    first @ (Set::Product { .. } | Set::Union(_)) => {
                        dimensions.insert(0, first);
                        let product = Set::Product { common, dimensions };
                        return self.behind_common(out, product, ending, |_| true);
                    }
                };
                let rest = self.go_through(dimensions, ending, None);
                out.extend(self.first_list(&common, first, &Target::Jump(rest).into()));
            }
        }
    }

    /// The rules of the first list of a product; `ending` leads to the others.
    fn first_list(
        &self,
        common: &Alternative,
        first: Vec<Alternative>,
        ending: &Ending,
    ) -> Vec<Rule> {
        let join = |matches| common.iter().cloned().chain(matches).collect();
        first.into_iter().map(|matches| self.rule(join(matches), ending)).collect()
    }

    /// Packets of `set` meet `ending` once, whatever becomes of them there.
    pub(super) fn once(&mut self, out: &mut Vec<Rule>, set: Set, ending: &Ending) {
        if let Set::Alternatives(alternatives) = &set
            && alternatives.len() <= MAX_DIRECT_JUMPS
            && !ending.is_counted()
            && are_disjoint(alternatives)
        {
            return self.terminal(out, set, ending, Caller::Any);
        }
        if set.only().is_some() {
            return self.terminal(out, set, ending, Caller::Any);
        }
        self.behind_common(out, set, ending, |_| true);
    }

    /// One rule with the matches that every packet meets and that `may` stand in the caller; the
    /// others behind it in a chain.
    fn behind_common(
        &mut self,
        out: &mut Vec<Rule>,
        set: Set,
        ending: &Ending,
        may: fn(&Match) -> bool,
    ) {
        let (common, rest) = set.split_common(may);
        let word = word(&rest);
        let rules = self.decide(rest, ending, None);
        let chain = self.chains.chain(word, Owner::Nobody, rules);
        out.push(self.rule(common, &Target::Jump(chain).into()));
    }

    /// Rules that send the packets of `set` to `ending` and all others to the chain `no` (without
    /// one they run off the end), for good: nothing of this chain is met after them.
    pub(super) fn decide(&mut self, set: Set, ending: &Ending, no: Option<&Arc<str>>) -> Vec<Rule> {
        let otherwise = no.map(|no| self.rule(Vec::new(), &Target::Goto(Arc::clone(no)).into()));
        let mut rules = match set {
            Set::Alternatives(alternatives) => {
                let ending = gone_to(ending);
                alternatives.into_iter().map(|matches| self.rule(matches, &ending)).collect()
            }
            Set::Product { common, mut dimensions } => match dimensions.remove(0) {
                Set::Alternatives(first) => {
                    let rest = self.go_through(dimensions, ending, no);
                    self.first_list(&common, first, &Target::Goto(rest).into())
                }
                first @ (Set::Product { .. } | Set::Union(_)) => {
                    dimensions.insert(0, first);
                    let chain = self.go_through(dimensions, ending, no);
                    vec![self.rule(common, &Target::Goto(chain).into())]
                }
            },
            Set::Union(members) => return self.decide_union(members, ending, no),
        };
        rules.extend(otherwise);
        rules
    }

    fn decide_union(
        &mut self,
        mut members: Vec<Set>,
        ending: &Ending,
        no: Option<&Arc<str>>,
    ) -> Vec<Rule> {
        let Some(last) = members.pop() else { return Vec::new() };
        let mut rules = self.decide(last, ending, no);
        while let Some(member) = members.pop() {
            if let Set::Alternatives(_) = member {
                let mut before = self.decide(member, ending, None);
                before.append(&mut rules);
                rules = before;
            } else {
                let rest = self.chains.chain("else", Owner::Nobody, rules);
                rules = self.decide(member, ending, Some(&rest));
            }
        }
        rules
    }

    /// A chain for each dimension, each going to the next, the last to `ending`; gives the first.
    fn go_through(
        &mut self,
        dimensions: Vec<Set>,
        ending: &Ending,
        no: Option<&Arc<str>>,
    ) -> Arc<str> {
        let mut ending = ending.clone();
        let mut first = None;
        for dimension in dimensions.into_iter().rev() {
            let word = word(&dimension);
            let rules = self.decide(dimension, &ending, no);
            let chain = self.chains.chain(word, Owner::Nobody, rules);
            ending = Target::Goto(Arc::clone(&chain)).into();
            first = Some(chain);
        }
        first.unwrap_or_else(|| self.chain("all", Owner::Nobody, &[ending]))
    }
}

/// In a chain whose end is the end of the matter, a jump need not come back.
fn gone_to(ending: &Ending) -> Ending {
    match &ending.target {
        Target::Jump(chain) => {
            Ending { matches: ending.matches.clone(), target: Target::Goto(Arc::clone(chain)) }
        }
        Target::Accept
        | Target::Drop
        | Target::Return
        | Target::Goto(_)
        | Target::Reject(_)
        | Target::Log { .. }
        | Target::Masquerade
        | Target::Snat(..)
        | Target::Dnat { .. }
        | Target::Redirect(_)
        | Target::Netmap(_)
        | Target::AddSource { .. }
        | Target::SetMark(_)
        | Target::SetConnmark(_)
        | Target::RestoreMark(_)
        | Target::SaveMark(_)
        | Target::SetDscp(_)
        | Target::Tcpmss(_)
        | Target::Notrack
        | Target::Helper(_)
        | Target::Opaque { .. } => ending.clone(),
    }
}

fn is_incoming(m: &Match) -> bool {
    matches!(m.kind, MatchKind::In(_))
}

/// The word for a chain that starts with a set: what it looks at.
fn word(set: &Set) -> &'static str {
    let first = match set {
        Set::Alternatives(alternatives) => alternatives.first().and_then(|matches| matches.first()),
        Set::Product { common, dimensions } => match (common.first(), dimensions.first()) {
            (Some(first), _) => Some(first),
            (None, Some(dimension)) => return word(dimension),
            (None, None) => None,
        },
        Set::Union(members) => return members.first().map_or("any", word),
    };
    match first.map(|m| &m.kind) {
        Some(
            MatchKind::Source(_)
            | MatchKind::SourceRange(..)
            | MatchKind::Set { side: SetSide::Source, .. }
            | MatchKind::Multicast(SetSide::Source)
            | MatchKind::In(_),
        ) => "from",
        Some(
            MatchKind::Destination(_)
            | MatchKind::DestinationRange(..)
            | MatchKind::Set { side: SetSide::Destination, .. }
            | MatchKind::DestinationLocal
            | MatchKind::Multicast(SetSide::Destination)
            | MatchKind::Out(_),
        ) => "to",
        Some(
            MatchKind::Protocol(_)
            | MatchKind::SourcePort(..)
            | MatchKind::DestinationPort(..)
            | MatchKind::SourcePorts(_)
            | MatchKind::DestinationPorts(_)
            | MatchKind::TcpFlags(_)
            | MatchKind::Icmp(_)
            | MatchKind::AnyIcmp,
        ) => "what",
        Some(
            MatchKind::Conntrack(_)
            | MatchKind::State(_)
            | MatchKind::Mac(_)
            | MatchKind::Mark(_)
            | MatchKind::Connmark(_)
            | MatchKind::User(_)
            | MatchKind::Group(_)
            | MatchKind::Length(..)
            | MatchKind::Ttl(_)
            | MatchKind::Dscp(_)
            | MatchKind::Time(_)
            | MatchKind::Ipsec { .. }
            | MatchKind::Opaque(_)
            | MatchKind::OpaqueHistory(_)
            | MatchKind::Comment(_)
            | MatchKind::Limit { .. }
            | MatchKind::Hashlimit(_)
            | MatchKind::Connlimit { .. },
        )
        | None => "which",
    }
}

/// Whether no packet meets two of the alternatives; `false` also where that is not seen at a glance.
fn are_disjoint(alternatives: &[Alternative]) -> bool {
    alternatives.iter().enumerate().all(|(index, a)| {
        alternatives[index + 1..].iter().all(|b| {
            a.iter()
                .any(|x| b.iter().any(|y| !x.negated && !y.negated && exclude(&x.kind, &y.kind)))
        })
    })
}

/// Whether one packet cannot meet both matches. Only kinds that lists are made of are looked at.
fn exclude(a: &MatchKind, b: &MatchKind) -> bool {
    match (a, b) {
        (MatchKind::Source(a), MatchKind::Source(b))
        | (MatchKind::Destination(a), MatchKind::Destination(b)) => apart(*a, *b),
        (MatchKind::In(a), MatchKind::In(b)) | (MatchKind::Out(a), MatchKind::Out(b)) => {
            Interface::intersection(a, b).is_none()
        }
        (MatchKind::Protocol(a), MatchKind::Protocol(b)) => a != b,
        (MatchKind::DestinationPort(a, b), MatchKind::DestinationPort(c, d))
        | (MatchKind::SourcePort(a, b), MatchKind::SourcePort(c, d)) => b < c || d < a,
        (MatchKind::Icmp(a), MatchKind::Icmp(b)) => {
            a.kind != b.kind || a.code.zip(b.code).is_some_and(|(a, b)| a != b)
        }
        (MatchKind::Mac(a), MatchKind::Mac(b)) => a != b,
        _ => false,
    }
}

fn apart(a: Prefix, b: Prefix) -> bool {
    !a.contains(b.address()) && !b.contains(a.address())
}
