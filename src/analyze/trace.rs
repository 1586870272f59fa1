//! Which rules a packet meets in one chain, and which decides: the kernel's walk, step by step.
//!
//! In goes one table, a built-in chain of it and a packet as that chain sees it; out comes the
//! outcome with the rules that matched and what they changed. What depends on history (limits, connection counts) is
//! asked of an oracle. The walk always ends, whatever the ruleset.

mod matching;

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::net::{CtState, Prefix};
use crate::packet::{Packet, opaque};
use crate::ruleset::{
    Chain, ChainPolicy, KernelSet, Match, OpaqueEnd, RejectType, Rule, SetContent, Table,
    TableName, Target,
};

pub use matching::{matches, matches_rule};

/// The way of one packet through one built-in chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    pub outcome: Outcome,
    /// The rules that matched, in the order met; the last one decided unless the policy did.
    pub steps: Vec<Step>,
    /// The lines logged on the way.
    pub logs: Vec<LogLine>,
    /// The targets that changed the packet, in order.
    pub changes: Vec<Target>,
    /// The packet as the chain leaves it.
    pub packet: Packet,
}

/// A rule that matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub chain: Arc<str>,
    /// The rule's index in its chain, from 0.
    pub rule: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    pub prefix: Option<Arc<str>>,
    pub level: u8,
}

/// What becomes of the packet in this table and hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Accept,
    Drop,
    Reject(RejectType),
    Masquerade,
    Snat(IpAddr, IpAddr),
    Dnat {
        address: IpAddr,
        ports: Option<(u16, u16)>,
    },
    Redirect(u16),
    Netmap(Prefix),
    /// What a raw rule decides in these words, if it decides.
    Unknown(Arc<str>),
    /// No rule decided.
    Policy(ChainPolicy),
    /// The same in a chain that is not the kernel's own: whoever jumped there goes on.
    Returned,
    /// There is no such walk: the kernel would refuse this table.
    Broken(Fault),
}

/// Why a table cannot be walked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The chain that a rule, or the caller, names does not exist.
    NoChain(Arc<str>),
    /// Jumps and gotos come back to this chain.
    Ring(Arc<str>),
    /// More rules were met than [`MAX_RULES_MET`].
    TooLong,
}

/// A walk ends after this many rules: chains that call chains can be met exponentially often
/// without a ring.
pub const MAX_RULES_MET: usize = 50_000_000;

/// Walks `packet` through `chain` of `table`: one of the kernel's, or one that others jump to.
///
/// `oracle` is asked whether a match that depends on history (limit, hashlimit, connlimit) holds,
/// negation included. It is asked only when the matches before it hold, as the kernel does.
pub fn trace(
    table: &Table,
    chain: &str,
    packet: &Packet,
    oracle: &mut dyn FnMut(&Match) -> bool,
) -> Trace {
    let index = table.chains.iter().enumerate().map(|(at, chain)| (&*chain.name, at)).collect();
    let walk = Walk {
        table,
        index,
        packet: packet.clone(),
        frames: Vec::new(),
        steps: Vec::new(),
        logs: Vec::new(),
        changes: Vec::new(),
        told: packet.was_tracked_before(),
        connection: (table.name == TableName::Raw && !packet.was_tracked_before())
            .then_some(CtState::Invalid),
    };
    walk.run(chain, oracle)
}

struct Walk<'a> {
    table: &'a Table,
    index: HashMap<&'a str, usize>,
    /// As it is by now.
    packet: Packet,
    frames: Vec<Frame>,
    steps: Vec<Step>,
    logs: Vec<LogLine>,
    changes: Vec<Target>,
    /// Whether a target told conntrack what to do with the packet, or conntrack has done it before.
    told: bool,
    /// In what state the kernel takes the packet to be before conntrack has seen it.
    connection: Option<CtState>,
}

/// A chain that is being walked; one a `jump`.
struct Frame {
    chain: usize,
    /// The next rule.
    rule: usize,
    /// The chains that were left for good by a `goto` on the way here.
    left: Vec<usize>,
}

/// What a rule that matched means for the walk.
enum Next {
    Go,
    Return,
    Enter { chain: Arc<str>, back: bool },
    End(Outcome),
}

impl<'a> Walk<'a> {
    fn run(mut self, chain: &str, oracle: &mut dyn FnMut(&Match) -> bool) -> Trace {
        let outcome = match self.start(chain) {
            Ok(end) => self.walk(oracle).unwrap_or(end),
            Err(fault) => Outcome::Broken(fault),
        };
        let Walk { steps, logs, changes, packet, .. } = self;
        Trace { outcome, steps, logs, changes, packet }
    }

    /// What becomes of a packet that no rule decides.
    fn start(&mut self, name: &str) -> Result<Outcome, Fault> {
        let chain = *self.index.get(name).ok_or_else(|| Fault::NoChain(name.into()))?;
        self.frames.push(Frame { chain, rule: 0, left: Vec::new() });
        Ok(self.table.chains[chain].policy.map_or(Outcome::Returned, Outcome::Policy))
    }

    /// `None` when the walk came to the end of the built-in chain.
    fn walk(&mut self, oracle: &mut dyn FnMut(&Match) -> bool) -> Option<Outcome> {
        for _ in 0..MAX_RULES_MET {
            let frame = self.frames.last_mut()?;
            let chain: &'a Chain = &self.table.chains[frame.chain];
            let Some(rule) = chain.rules.get(frame.rule) else {
                self.frames.pop();
                continue;
            };
            let at = frame.rule;
            frame.rule += 1;
            if !matches_rule(rule, &self.seen(), oracle) {
                continue;
            }
            self.steps.push(Step { chain: Arc::clone(&chain.name), rule: at });
            match self.act(rule) {
                Next::Go => {}
                Next::Return => {
                    self.frames.pop();
                }
                Next::Enter { chain, back } => {
                    if let Err(fault) = self.enter(&chain, back) {
                        return Some(Outcome::Broken(fault));
                    }
                }
                Next::End(outcome) => return Some(outcome),
            }
        }
        Some(Outcome::Broken(Fault::TooLong))
    }

    /// The packet as rules see it: before conntrack it has no connection, or the one that a rule gave it.
    fn seen(&self) -> Cow<'_, Packet> {
        let Some(state) = self.connection else { return Cow::Borrowed(&self.packet) };
        Cow::Owned(Packet { state, original: None, connection_mark: 0, ..self.packet.clone() })
    }

    fn tell(&mut self, target: &Target) {
        let told = if *target == Target::Notrack {
            CtState::Untracked
        } else if matches!(target, Target::Helper(_)) {
            CtState::New
        } else {
            return;
        };
        self.told = true;
        self.connection = self.connection.map(|_| told);
    }

    fn act(&mut self, rule: &Rule) -> Next {
        match &rule.target {
            Target::Accept => Next::End(Outcome::Accept),
            Target::Drop => Next::End(Outcome::Drop),
            Target::Return => Next::Return,
            Target::Jump(chain) => Next::Enter { chain: Arc::clone(chain), back: true },
            Target::Goto(chain) => Next::Enter { chain: Arc::clone(chain), back: false },
            Target::Reject(kind) => Next::End(Outcome::Reject(*kind)),
            Target::Log { prefix, level } => {
                self.logs.push(LogLine { prefix: prefix.clone(), level: *level });
                Next::Go
            }
            Target::Masquerade => Next::End(Outcome::Masquerade),
            Target::Snat(low, high) => Next::End(Outcome::Snat(*low, *high)),
            Target::Dnat { address, ports } => {
                Next::End(Outcome::Dnat { address: *address, ports: *ports })
            }
            Target::Redirect(port) => Next::End(Outcome::Redirect(*port)),
            Target::Netmap(prefix) => Next::End(Outcome::Netmap(*prefix)),
            // What it changed of a packet that goes on is not known either; the packet stays.
            Target::Opaque { end: OpaqueEnd::GoesOn, .. } => Next::Go,
            Target::Opaque { text, end: OpaqueEnd::Decides | OpaqueEnd::Unknown, .. } => {
                Next::End(Outcome::Unknown(text.clone()))
            }
            // A packet that has its connection, or was told to have none, is left alone (`xt_CT.c`).
            Target::Notrack | Target::Helper(_) if self.told => Next::Go,
            // One without a connection has no mark of it (`xt_connmark.c`).
            Target::SetConnmark(_) | Target::RestoreMark(_) | Target::SaveMark(_)
                if !self.seen().is_tracked() =>
            {
                Next::Go
            }
            Target::SetMark(_)
            | Target::SetConnmark(_)
            | Target::RestoreMark(_)
            | Target::SaveMark(_)
            | Target::SetDscp(_)
            | Target::Tcpmss(_)
            | Target::Notrack
            | Target::AddSource { .. }
            | Target::Helper(_) => {
                self.tell(&rule.target);
                change(&mut self.packet, &rule.target);
                self.changes.push(rule.target.clone());
                Next::Go
            }
        }
    }

    /// A jump comes back behind its rule; a goto takes the place of the chain that it leaves, so
    /// the end of its chain is the end of that one.
    fn enter(&mut self, name: &Arc<str>, back: bool) -> Result<(), Fault> {
        let chain = *self.index.get(&**name).ok_or_else(|| Fault::NoChain(Arc::clone(name)))?;
        let open =
            self.frames.iter().any(|frame| frame.chain == chain || frame.left.contains(&chain));
        if open {
            return Err(Fault::Ring(Arc::clone(name)));
        }
        match self.frames.last_mut() {
            Some(frame) if !back => {
                frame.left.push(frame.chain);
                (frame.chain, frame.rule) = (chain, 0);
            }
            Some(_) | None => self.frames.push(Frame { chain, rule: 0, left: Vec::new() }),
        }
        Ok(())
    }
}

/// What a target does to a packet. Where there is no connection, CONNMARK does nothing
/// (`xt_connmark.c`).
fn change(packet: &mut Packet, target: &Target) {
    match target {
        Target::SetMark(mark) => packet.mark = mark.set_on(packet.mark),
        Target::SetConnmark(mark) if packet.is_tracked() => {
            packet.connection_mark = mark.set_on(packet.connection_mark);
        }
        Target::RestoreMark(mask) if packet.is_tracked() => {
            packet.mark = packet.mark & !mask | packet.connection_mark & mask;
        }
        Target::SaveMark(mask) if packet.is_tracked() => {
            packet.connection_mark = packet.connection_mark & !mask | packet.mark & mask;
        }
        Target::SetDscp(dscp) => packet.dscp = dscp.code(),
        Target::AddSource { set, .. } => add(packet, set),
        Target::Notrack => {
            packet.state = CtState::Untracked;
            packet.original = None;
            packet.connection_mark = 0;
        }
        // A packet of the model has no tcp options, and a connection no helper.
        Target::Tcpmss(_)
        | Target::Helper(_)
        | Target::SetConnmark(_)
        | Target::RestoreMark(_)
        | Target::SaveMark(_)
        | Target::Accept
        | Target::Drop
        | Target::Return
        | Target::Jump(_)
        | Target::Goto(_)
        | Target::Reject(_)
        | Target::Log { .. }
        | Target::Masquerade
        | Target::Snat(..)
        | Target::Dnat { .. }
        | Target::Redirect(_)
        | Target::Netmap(_)
        | Target::Opaque { .. } => {}
    }
}

/// Only what is in a dynamic set can change.
fn add(packet: &mut Packet, set: &KernelSet) {
    match &set.content {
        SetContent::Dynamic(dynamic) => opaque::enter(packet, &set.name, dynamic.length),
        // Who looks for an address finds it, whatever else the set takes.
        SetContent::Unknown => opaque::enter(packet, &set.name, set.family.bits()),
        SetContent::Static(_) => {}
    }
}

#[cfg(test)]
mod tests;
