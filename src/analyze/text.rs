//! What rules are written in, a policy or a dump, and where its things stand.
//!
//! Findings about the two differ only in what the words of the one have and the other has not.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ruled::{Ruled, place, ruled};
use crate::diagnostic::{Finding, Lint};
use crate::meaning::{BaseChain, Decision, Effect, Entry, Meaning, Reason};
use crate::net::{Families, Family};
use crate::resolve::Policy;
use crate::resolve::policy::{ChainId, Origin};
use crate::ruleset::{self, Rule, Ruleset, TableName};
use crate::source::Span;

/// Rules of one family that were read, and what they do.
#[derive(Debug, Clone)]
pub struct Dump {
    pub ruleset: Ruleset,
    /// The lines that declare chains.
    declared: BTreeMap<(TableName, Arc<str>), Span>,
    ruled: Ruled,
}

impl Dump {
    #[must_use]
    pub fn of(ruleset: Ruleset, declared: BTreeMap<(TableName, Arc<str>), Span>) -> Self {
        let ruled = match ruleset.family {
            Family::V4 => ruled(Some(&ruleset), None),
            Family::V6 => ruled(None, Some(&ruleset)),
        };
        Dump { ruleset, declared, ruled }
    }

    /// What its rules do. The other family, of which nothing is said, lets everything through.
    #[must_use]
    pub fn meaning(&self) -> &Meaning {
        &self.ruled.meaning
    }

    /// The rules as they are written, with what they do.
    #[must_use]
    pub fn rules_at_work(&self) -> Rules<'_> {
        Rules { text: Text::Dump(self), meaning: self.meaning() }
    }

    /// The chains that are not the kernel's own, by the number of their id.
    #[must_use]
    pub fn chains(&self) -> &[(TableName, Arc<str>)] {
        &self.ruled.chains
    }

    /// The line that declares a chain; `None` where none does.
    #[must_use]
    pub fn declared(&self, table: TableName, chain: &Arc<str>) -> Option<Span> {
        self.declared.get(&(table, Arc::clone(chain))).copied()
    }

    /// The line that says the policy of a chain of the kernel.
    #[must_use]
    pub fn policy(&self, base: BaseChain) -> Option<Span> {
        let (table, name) = place(base);
        self.declared(table, &name.into())
    }

    /// Whether a chain of the kernel has rules.
    #[must_use]
    pub fn has_rules(&self, base: BaseChain) -> bool {
        let list = self.meaning().base(self.ruleset.family, base);
        list.is_some_and(|list| !list.entries.is_empty())
    }

    /// The line by which a chain of the kernel refuses all that its rules leave, as far as there is one:
    /// of a rule about everything, or that of its policy. `None` when it accepts the rest.
    #[must_use]
    pub fn refusal(&self, base: BaseChain) -> Option<Option<Span>> {
        let list = self.meaning().base(self.ruleset.family, base)?;
        let refuses = |entry: &&Entry| {
            matches!(entry.effect, Effect::Decide(Decision::Drop | Decision::Reject(_)))
        };
        let of_all = |entry: &&Entry| entry.set.is_everything() && entry.limits.is_empty();
        let rule = list.entries.iter().filter(refuses).find(of_all);
        let said = rule.or(list.default.as_ref().filter(refuses))?;
        Some(Text::Dump(self).span_of(said.reason))
    }

    /// All rules, with their table and the name of their chain, and the line of each.
    pub fn rules(&self) -> impl Iterator<Item = (TableName, &Arc<str>, Span, &Rule)> {
        self.ruleset.tables.iter().flat_map(|table| {
            table.chains.iter().flat_map(move |chain| {
                chain.rules.iter().filter_map(move |rule| match rule.origin {
                    ruleset::Origin::Read(line) => Some((table.name, &chain.name, line, rule)),
                    ruleset::Origin::Implicit(_)
                    | ruleset::Origin::Default(_)
                    | ruleset::Origin::Statement { .. } => None,
                })
            })
        })
    }
}

/// Rules as they are written, with what they do.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    pub text: Text<'a>,
    pub meaning: &'a Meaning,
}

/// What is analysed.
#[derive(Debug, Clone, Copy)]
pub enum Text<'a> {
    Policy(&'a Policy),
    Dump(&'a Dump),
}

impl<'a> Text<'a> {
    /// The families of which something is said.
    #[must_use]
    pub fn families(self) -> Families {
        match self {
            Text::Policy(_) => Families::BOTH,
            Text::Dump(dump) => Families::only(dump.ruleset.family),
        }
    }

    /// The uses of `def`s that an item came through, the innermost first. Dumps have none.
    pub(super) fn calls_to(self, origin: Origin) -> Vec<Span> {
        match self {
            Text::Policy(policy) => policy.calls_to(origin).collect(),
            Text::Dump(_) => Vec::new(),
        }
    }

    /// A finding about a statement; of one in a `def`, with the call that brought it.
    pub(super) fn about(
        self,
        lint: &'static Lint,
        origin: Origin,
        message: impl Into<String>,
    ) -> Finding {
        let finding = Finding::new(lint, origin.span, message);
        let calls = self.calls_to(origin);
        match calls.last() {
            Some(call) => finding.related(*call, "by this call").also_at(calls),
            None => finding,
        }
    }

    /// The name of a chain that is not the kernel's own.
    #[must_use]
    pub fn chain(self, id: ChainId) -> Option<&'a Arc<str>> {
        let at = usize::try_from(id.0).ok()?;
        match self {
            Text::Policy(policy) => policy.chains.get(at).map(|chain| &chain.name),
            Text::Dump(dump) => dump.chains().get(at).map(|(_, name)| name),
        }
    }

    /// The place of an entry, if it has one.
    #[must_use]
    pub fn span_of(self, reason: Reason) -> Option<Span> {
        match (reason, self) {
            (Reason::Written(origin), _) => Some(origin.span),
            (Reason::Default(base), Text::Dump(dump)) => dump.policy(base),
            (Reason::Default(base), Text::Policy(policy)) => default_of(policy, base),
            (Reason::Implicit(_) | Reason::Restored, _) => None,
        }
    }

    /// One of two texts, as what this is.
    pub(super) fn say<T>(self, policy: T, dump: T) -> T {
        match self {
            Text::Policy(_) => policy,
            Text::Dump(_) => dump,
        }
    }

    pub(super) fn policy(self) -> Option<&'a Policy> {
        match self {
            Text::Policy(policy) => Some(policy),
            Text::Dump(_) => None,
        }
    }
}

fn default_of(policy: &Policy, base: BaseChain) -> Option<Span> {
    match base {
        BaseChain::FilterInput => policy.defaults.input.span,
        BaseChain::FilterForward => policy.defaults.forward.span,
        BaseChain::FilterOutput => policy.defaults.output.span,
        BaseChain::NatPrerouting
        | BaseChain::NatInput
        | BaseChain::NatOutput
        | BaseChain::NatPostrouting
        | BaseChain::ManglePrerouting
        | BaseChain::MangleInput
        | BaseChain::MangleForward
        | BaseChain::MangleOutput
        | BaseChain::ManglePostrouting
        | BaseChain::RawPrerouting
        | BaseChain::RawOutput
        | BaseChain::SecurityInput
        | BaseChain::SecurityForward
        | BaseChain::SecurityOutput
        | BaseChain::DockerUser => None,
    }
}
