//! One change to a ruleset, as a slip of a hand would make it.

use std::sync::Arc;

use palisade::net::{CtState, Prefix};
use palisade::packet::Random;
use palisade::ruleset::{Chain, ChainPolicy, MatchKind, Rule, Ruleset, Target};

/// Changes one thing; what it was, or `None` when there is nothing of the kind that was drawn.
pub fn mutate(ruleset: &mut Ruleset, random: &mut Random) -> Option<String> {
    let mut chains: Vec<&mut Chain> = ruleset
        .tables
        .iter_mut()
        .flat_map(|table| &mut table.chains)
        .filter(|chain| !chain.rules.is_empty() || chain.policy.is_some())
        .collect();
    let at = random.index(chains.len());
    let chain = chains.get_mut(at)?;
    let name = Arc::clone(&chain.name);
    let rule = random.index(chain.rules.len().max(1));
    let what = match random.index(9) {
        0 => {
            let policy = chain.policy.as_mut()?;
            *policy = match policy {
                ChainPolicy::Accept => ChainPolicy::Drop,
                ChainPolicy::Drop => ChainPolicy::Accept,
            };
            "policy".to_owned()
        }
        1 => {
            (rule < chain.rules.len()).then(|| chain.rules.remove(rule))?;
            format!("rule {rule} is missing")
        }
        2 => {
            (rule + 1 < chain.rules.len()).then(|| chain.rules.swap(rule, rule + 1))?;
            format!("rules {rule} and the next change places")
        }
        3 => {
            let rule_of = chain.rules.get_mut(rule)?;
            (!rule_of.matches.is_empty()).then(|| rule_of.matches.remove(0))?;
            format!("rule {rule} has a match less")
        }
        4 => {
            let found = chain.rules.get_mut(rule)?;
            let at = random.index(found.matches.len().max(1));
            let one = found.matches.get_mut(at)?;
            if matches!(one.kind, MatchKind::Comment(_)) || one.kind.depends_on_history() {
                return None;
            }
            one.negated = !one.negated;
            format!("match {at} of rule {rule} is turned round")
        }
        5 => {
            target(chain.rules.get_mut(rule)?)?;
            format!("the target of rule {rule}")
        }
        6 | 7 => {
            let found = chain.rules.get_mut(rule)?;
            let at = random.index(found.matches.len().max(1));
            border(&mut found.matches.get_mut(at)?.kind)?;
            format!("a border of match {at} of rule {rule}")
        }
        _ => {
            let twice = chain.rules.get(rule)?.clone();
            let at = random.index(chain.rules.len() + 1);
            chain.rules.insert(at, twice);
            format!("rule {rule} again at {at}")
        }
    };
    Some(format!("{name}: {what}"))
}

fn target(rule: &mut Rule) -> Option<()> {
    rule.target = match &rule.target {
        Target::Accept => Target::Drop,
        Target::Drop | Target::Reject(_) | Target::Return => Target::Accept,
        Target::Jump(name) => Target::Goto(Arc::clone(name)),
        Target::Goto(name) => Target::Jump(Arc::clone(name)),
        Target::Log { prefix, level } => {
            Target::Log { prefix: prefix.clone(), level: (level + 1) % 8 }
        }
        Target::Dnat { address, ports: Some((low, high)) } => {
            let ports = Some((low.checked_add(1)?, high.checked_add(1)?));
            Target::Dnat { address: *address, ports }
        }
        Target::Redirect(port) => Target::Redirect(port.checked_add(1)?),
        Target::Masquerade
        | Target::Snat(..)
        | Target::Dnat { .. }
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
        | Target::Opaque { .. } => return None,
    };
    Some(())
}

fn border(kind: &mut MatchKind) -> Option<()> {
    let shorter =
        |prefix: &Prefix| Prefix::containing(prefix.address(), prefix.length().checked_sub(1)?);
    match kind {
        MatchKind::Source(prefix) | MatchKind::Destination(prefix) => *prefix = shorter(prefix)?,
        MatchKind::SourcePort(_, high) | MatchKind::DestinationPort(_, high) => {
            *high = high.checked_add(1)?;
        }
        MatchKind::SourcePorts(list) | MatchKind::DestinationPorts(list) => {
            let last = list.last_mut()?;
            last.1 = last.1.checked_add(1)?;
        }
        MatchKind::Conntrack(asked) => {
            asked.states = asked.states.iter().chain([CtState::Invalid]).collect();
        }
        MatchKind::Length(_, high) => *high = high.checked_add(1)?,
        MatchKind::Limit { burst, .. } => *burst += 1,
        _ => return None,
    }
    Some(())
}
