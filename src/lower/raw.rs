//! Raw rules → rules of the kernel: as they are.

use std::sync::Arc;

use crate::resolve::policy::{self, Hook, KernelChain, RawTable, RawTarget};
use crate::ruleset::{Extension, Match, MatchKind, OpaqueEnd, Rule, Target};

use super::body::Body;
use super::reject::reject;
use super::{Hooks, Lowering};

impl Lowering<'_> {
    /// Appends a rule of a chain of the kernel.
    pub(super) fn raw(&mut self, hooks: &mut Hooks, raw: &policy::Raw) {
        let (Some(rule), Some(chain)) = (self.raw_rule(raw), raw.chain) else { return };
        let rules = match (raw.table, chain) {
            (RawTable::Filter, KernelChain::Input) => return push(hooks.of(Hook::Input), rule),
            (RawTable::Filter, KernelChain::Forward) => return push(hooks.of(Hook::Forward), rule),
            (RawTable::Filter, KernelChain::Output) => return push(hooks.of(Hook::Output), rule),
            (RawTable::Nat, KernelChain::Prerouting) => &mut self.prerouting,
            (RawTable::Nat, KernelChain::Output) => &mut self.nat_output,
            (RawTable::Nat, KernelChain::Postrouting) => &mut self.postrouting,
            (RawTable::Nat, KernelChain::Input) => &mut self.nat_input,
            (RawTable::Mangle, chain) => self.mangle.kernel_chain(chain),
            (RawTable::Raw, chain) => self.raw.kernel_chain(chain),
            (RawTable::Security, chain) => self.security.kernel_chain(chain),
            (RawTable::Filter, KernelChain::Prerouting | KernelChain::Postrouting)
            | (RawTable::Nat, KernelChain::Forward) => return, // There are no such chains.
        };
        rules.push(rule);
    }

    /// Appends the raw rules of a user's chain.
    pub(super) fn raws_of_chain(&self, body: &mut Body, chain: &policy::Chain) {
        for rule in chain.raws.iter().filter_map(|raw| self.raw_rule(raw)) {
            push(body, rule);
        }
    }

    /// The rule; `None` in the other family, and for a jump to a chain that is not there.
    fn raw_rule(&self, raw: &policy::Raw) -> Option<Rule> {
        if raw.family != self.family {
            return None;
        }
        let chain = |id: policy::ChainId| {
            self.policy.chains.get(id.0 as usize).map(|chain| Arc::clone(&chain.name))
        };
        let target = match &raw.target {
            RawTarget::Accept => Target::Accept,
            RawTarget::Drop => Target::Drop,
            RawTarget::Return => Target::Return,
            RawTarget::Reject(with) => Target::Reject(reject(*with, self.family)),
            RawTarget::Jump(id) => Target::Jump(chain(*id)?),
            RawTarget::Goto(id) => Target::Goto(chain(*id)?),
            RawTarget::GoesOn(text) => opaque(text, OpaqueEnd::GoesOn),
            RawTarget::Decides(text) => opaque(text, OpaqueEnd::Decides),
        };
        let asked = (!raw.matches.is_empty()).then(|| Arc::clone(&raw.matches));
        let matches = asked.map(|text| Match::from(MatchKind::Opaque(text)));
        Some(Rule {
            matches: matches.into_iter().collect(),
            target,
            origin: self.origin(raw.origin),
        })
    }
}

/// A target by its words: `-j NAME …`, or none at all.
fn opaque(text: &Arc<str>, end: OpaqueEnd) -> Target {
    let words = text.split_once(char::is_whitespace);
    let changes = words.map_or(&[][..], |(_, words)| Extension::said(words.trim_start()).changes);
    Target::Opaque { text: text.clone(), end, changes }
}

fn push(body: &mut Body, rule: Rule) {
    body.leaves |= matches!(rule.target, Target::Return | Target::Goto(_));
    body.rules.push(rule);
}
