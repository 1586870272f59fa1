//! Matches on what conntrack knows of a packet.

use crate::net::{CtState, CtStates, Family, MarkMatch};
use crate::ruleset::{Conntrack, MatchKind};

use super::line::Fault;
use super::rule::{Context, Use};
use super::value::{self, Network};

pub(super) fn conntrack(used: &Use<'_, '_>, context: &mut Context<'_>) -> Result<bool, Fault> {
    let mut asked = Conntrack::default();
    for item in used.items {
        match item.name() {
            "ctstate" => {
                let states = used.read(item, "a list of states", states)?;
                if states.source_translated || asks_state(&asked) {
                    return Ok(false);
                }
                (asked.states, asked.dnat) = (states.real, states.translated);
            }
            "ctorigdst" if asked.original_destination.is_none() => {
                let expected = match context.family {
                    Family::V4 => "an IPv4 address or network in figures",
                    Family::V6 => "an IPv6 address or network in figures",
                };
                let family = context.family;
                match used.read(item, expected, |text| value::network(text, family))? {
                    Network::Prefix(prefix) => asked.original_destination = Some(prefix),
                    Network::Holes => return Ok(false),
                }
            }
            "ctorigdstport" if asked.original_port.is_none() => {
                let (low, high) = used.read(item, "a port or a range of ports", value::ports)?;
                if low > high {
                    return Ok(false);
                }
                asked.original_port = Some((low, high));
            }
            _ => return Ok(false),
        }
    }
    // Each has its own opposite, and the model one of all together.
    let negated = match used.items {
        [] => return Ok(false),
        [one] => one.negated,
        several if several.iter().any(|item| item.negated) => return Ok(false),
        _ => false,
    };
    context.push(negated, MatchKind::Conntrack(asked));
    Ok(true)
}

fn asks_state(asked: &Conntrack) -> bool {
    !asked.states.is_empty() || asked.dnat
}

pub(super) fn state(used: &Use<'_, '_>, context: &mut Context<'_>) -> Result<bool, Fault> {
    let [item] = used.items else { return Ok(false) };
    let states = used.read(item, "a list of states", states)?;
    if states.translated || states.source_translated {
        return Err(item.fault(0, "a list of states that `-m state` knows"));
    }
    context.push(item.negated, MatchKind::State(states.real));
    Ok(true)
}

/// States of packets, and those that conntrack has beside them.
#[derive(Default)]
struct States {
    real: CtStates,
    /// `DNAT`
    translated: bool,
    /// `SNAT`
    source_translated: bool,
}

/// In this order the tools look for a state that begins as written (`libxt_conntrack.c`).
const STATES: [(&str, CtState); 5] = [
    ("invalid", CtState::Invalid),
    ("new", CtState::New),
    ("established", CtState::Established),
    ("related", CtState::Related),
    ("untracked", CtState::Untracked),
];

fn states(text: &str) -> Option<States> {
    let mut found = States::default();
    let mut real = Vec::new();
    for word in text.split(',') {
        if word.is_empty() {
            return None;
        }
        let known = STATES.iter().find(|(name, _)| value::starts_with(name, word));
        match known {
            Some((_, state)) => real.push(*state),
            None if value::starts_with("snat", word) => found.source_translated = true,
            None if value::starts_with("dnat", word) => found.translated = true,
            None => return None,
        }
    }
    found.real = real.into_iter().collect();
    Some(found)
}

pub(super) fn connmark(used: &Use<'_, '_>, context: &mut Context<'_>) -> Result<bool, Fault> {
    let [item] = used.items else { return Ok(false) };
    let (value, mask) = used.read(item, "a mark such as `0x10/0xff`", value::mark)?;
    // A value with bits outside of its mask is never met.
    let Some(mark) = MarkMatch::new(value, mask) else { return Ok(false) };
    context.push(item.negated, MatchKind::Connmark(mark));
    Ok(true)
}
