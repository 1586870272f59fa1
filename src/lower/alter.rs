//! Statements that change packets → rules of the mangle and raw tables.

use std::collections::BTreeSet;

use crate::net::{FlagMatch, MarkMatch, Protocol, TcpFlags};
use crate::resolve::Policy;
use crate::resolve::policy::{
    Alteration, AlterationKind, Bound, Condition, Hook, Item, KernelChain, Scope,
};
use crate::ruleset::{Chain, Match, MatchKind, Rule, TableName, Target};

use super::condition::Conditions;
use super::generated::{Generated, Owner};
use super::layout::{Caller, Ending, Layout};
use super::set::Set;
use super::{Lowering, built_in};

/// A table of statements that change packets, while it is written.
pub(super) struct Changing {
    name: TableName,
    pub(super) generated: Generated,
    pub(super) prerouting: Vec<Rule>,
    pub(super) input: Vec<Rule>,
    pub(super) forward: Vec<Rule>,
    pub(super) output: Vec<Rule>,
    pub(super) postrouting: Vec<Rule>,
}

impl Changing {
    pub(super) fn new(name: TableName, generated: Generated) -> Self {
        let (prerouting, input, forward, output, postrouting) = Default::default();
        Changing { name, generated, prerouting, input, forward, output, postrouting }
    }

    /// The built-in chain where packets of a scope are met; `None` where there is none.
    pub(super) fn chain(&mut self, scope: Scope) -> Option<&mut Vec<Rule>> {
        match scope {
            Scope::Arrival(_) => Some(&mut self.prerouting),
            Scope::Hook(Hook::Input) => Some(&mut self.input),
            Scope::Hook(Hook::Forward) => Some(&mut self.forward),
            Scope::Hook(Hook::Output) => Some(&mut self.output),
            Scope::Chain | Scope::Docker => None,
        }
    }

    /// A built-in chain by name. The table raw has two of them, and whatever is put into the others
    /// is nowhere.
    pub(super) fn kernel_chain(&mut self, chain: KernelChain) -> &mut Vec<Rule> {
        match chain {
            KernelChain::Prerouting => &mut self.prerouting,
            KernelChain::Input => &mut self.input,
            KernelChain::Forward => &mut self.forward,
            KernelChain::Output => &mut self.output,
            KernelChain::Postrouting => &mut self.postrouting,
        }
    }

    /// The table's chains: the built-in ones, then those of users and the generated ones.
    pub(super) fn finish(mut self, users: Vec<Chain>) -> Vec<Chain> {
        let built_in = self.name.built_in_chains().iter().map(|name| {
            let rules = match *name {
                "PREROUTING" => &mut self.prerouting,
                "INPUT" => &mut self.input,
                "FORWARD" => &mut self.forward,
                "OUTPUT" => &mut self.output,
                "POSTROUTING" => &mut self.postrouting,
                _ => return built_in(name, Vec::new()),
            };
            built_in(name, std::mem::take(rules))
        });
        let mut chains: Vec<Chain> = built_in.collect();
        chains.extend(users);
        chains.extend(self.generated.into_chains());
        chains
    }
}

/// Where a statement that changes packets may stand, in the order of the built-in chains.
const SCOPES: [Scope; 6] = [
    Scope::Arrival(Bound::Anywhere),
    Scope::Arrival(Bound::Here),
    Scope::Arrival(Bound::Elsewhere),
    Scope::Hook(Hook::Input),
    Scope::Hook(Hook::Forward),
    Scope::Hook(Hook::Output),
];

impl Lowering<'_> {
    /// Puts the marks of connections on the packets that come in and are sent, before all else.
    ///
    /// Only while the connection has one: a packet that something else marked keeps that mark (a
    /// tunnel marks its own packets so that they do not enter it again).
    pub(super) fn restore_marks(&mut self, policy: &Policy) {
        let mut masks = BTreeSet::new();
        for item in &policy.items {
            let Item::Alter(said) = item else { continue };
            let AlterationKind::StickyMark(mark) = said.kind else { continue };
            let Some(unmarked) = MarkMatch::new(0, mark.mask()) else { continue };
            let here = said.flows.iter().any(|flow| flow.families.contains(self.family));
            if !here || !masks.insert(mark.mask()) {
                continue;
            }
            let marked = Match { negated: true, kind: MatchKind::Connmark(unmarked) };
            let target = Target::RestoreMark(mark.mask());
            let origin = self.origin(said.origin);
            for rules in [&mut self.mangle.prerouting, &mut self.mangle.output] {
                let matches = vec![marked.clone()];
                rules.push(Rule { matches, target: target.clone(), origin });
            }
        }
    }

    /// Appends what a statement that changes packets says in this family.
    pub(super) fn alteration(&mut self, said: &Alteration) {
        match said.kind {
            AlterationKind::Mark(_)
            | AlterationKind::StickyMark(_)
            | AlterationKind::Dscp(_)
            | AlterationKind::ClampMss(_) => self.mangled(said),
            AlterationKind::Notrack => self.untracked(said),
            AlterationKind::Helper(_) => {} // See `helpers`.
        }
    }

    fn mangled(&mut self, said: &Alteration) {
        let mut conditions = said.conditions.clone();
        conditions.extend(opening(said.kind));
        for scope in SCOPES {
            let leaves = scope == Scope::Hook(Hook::Output);
            let Some(conditions) = Conditions::of(&conditions, leaves) else { return };
            let Some(set) = self.packets_of(&said.flows, &conditions, scope) else { continue };
            let set = Set::all([Set::one(unmarked(said.kind)), set]);
            let origin = self.origin(said.origin);
            let mut layout = Layout { chains: &mut self.mangle.generated, origin };
            let ending = ending(&mut layout, said, &conditions);
            let mut rules = Vec::new();
            // What comes by again is changed to what it is already.
            layout.terminal(&mut rules, set, &ending, Caller::Any);
            if let Some(chain) = self.mangle.chain(scope) {
                chain.append(&mut rules);
            }
        }
    }
}

/// What is done with the packets of a statement.
fn ending(layout: &mut Layout<'_>, said: &Alteration, conditions: &Conditions) -> Ending {
    let mut ending: Ending = match said.kind {
        AlterationKind::Mark(mark) => Target::SetMark(mark).into(),
        AlterationKind::StickyMark(mark) => {
            // In one chain: with the first of them done, a rule of its own might not match any more.
            let both = [Target::SetMark(mark).into(), Target::SetConnmark(mark).into()];
            Target::Jump(layout.chain("mark", Owner::Nobody, &both)).into()
        }
        AlterationKind::Dscp(dscp) => Target::SetDscp(dscp).into(),
        AlterationKind::ClampMss(size) => {
            // The kernel wants to see both in the rule itself.
            let protocol = MatchKind::Protocol(Protocol::TCP).into();
            let flags = conditions.flags.map(|flags| MatchKind::TcpFlags(flags).into());
            let matches = [protocol].into_iter().chain(flags).collect();
            Ending { matches, target: Target::Tcpmss(size) }
        }
        AlterationKind::Notrack => Target::Notrack.into(),
        AlterationKind::Helper(helper) => Target::Helper(helper).into(),
    };
    ending.matches.extend(super::comment(&said.remarks));
    ending
}

/// The first statement that matches marks the connection; the others find it marked.
fn unmarked(kind: AlterationKind) -> Vec<Match> {
    match kind {
        AlterationKind::StickyMark(mark) => {
            let unmarked = MarkMatch::new(0, mark.mask());
            unmarked.map(|unmarked| MatchKind::Connmark(unmarked).into()).into_iter().collect()
        }
        AlterationKind::Mark(_)
        | AlterationKind::Dscp(_)
        | AlterationKind::ClampMss(_)
        | AlterationKind::Notrack
        | AlterationKind::Helper(_) => Vec::new(),
    }
}

/// Only the packets that open a connection say how large segments may be.
fn opening(kind: AlterationKind) -> Option<Condition> {
    match kind {
        AlterationKind::ClampMss(_) => {
            let looked_at = TcpFlags::SYN.union(TcpFlags::RST);
            FlagMatch::new(TcpFlags::SYN, looked_at).map(Condition::Flags)
        }
        AlterationKind::Mark(_)
        | AlterationKind::StickyMark(_)
        | AlterationKind::Dscp(_)
        | AlterationKind::Notrack
        | AlterationKind::Helper(_) => None,
    }
}
