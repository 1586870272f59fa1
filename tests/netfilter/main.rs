//! The netfilter rooms against the real tools and the real kernel, in fresh network namespaces.
//! Needs root, iptables, nft and python3; what is missing is said on stderr and skipped.

mod emit;
mod everything;
mod namespace;
mod trace;

use palisade::ruleset::{Match, MatchKind, Origin, Rule, Target};

fn yes(kind: MatchKind) -> Match {
    kind.into()
}

fn no(kind: MatchKind) -> Match {
    Match { negated: true, kind }
}

fn rule(matches: Vec<Match>, target: Target) -> Rule {
    Rule { matches, target, origin: Origin::Default(None) }
}
