//! `preserve`: what other programs have in the kernel and keep, and that the policy leaves it alone.

use std::sync::Arc;

use super::policy::{AlterationKind, Item, Policy, Preserve, PromiseKind, RawTarget};
use super::{Resolver, messages};
use crate::ruleset::{MAX_CHAIN_NAME, OWN_PREFIX};
use crate::source::{Span, glob_matches};
use crate::syntax::tree::{Pattern, Statement, StatementKind};
use crate::syntax::unquote;

/// A program that has chains of its own.
struct Program {
    name: &'static str,
    chains: &'static [&'static str],
    /// The bits of packet marks that it uses.
    mark_bits: u32,
}

/// What each program puts into the kernel: Docker's `bridge` driver; kube-proxy and kubelet with the
/// marks that they set unless told otherwise (`masqueradeBit` 14, `dropBit` 15), and the network
/// plug-ins beside them; libvirt's networks; fail2ban's `iptables` actions.
const PROGRAMS: [Program; 4] = [
    Program { name: "docker", chains: &["DOCKER", "DOCKER-*"], mark_bits: 0 },
    Program {
        name: "kubernetes",
        chains: &["KUBE-*", "CNI-*", "cali-*", "CILIUM_*", "FLANNEL-*", "WEAVE-*"],
        mark_bits: 0xc000,
    },
    Program { name: "libvirt", chains: &["LIBVIRT_*"], mark_bits: 0 },
    Program { name: "fail2ban", chains: &["f2b-*", "fail2ban-*"], mark_bits: 0 },
];

/// Chains and mark bits.
type Belongings = (Vec<Arc<str>>, u32);

/// Whether a chain of this name is of Docker, Kubernetes, libvirt or fail2ban.
#[must_use]
pub fn is_of_known_program(chain: &str) -> bool {
    let patterns = PROGRAMS.iter().flat_map(|program| program.chains);
    patterns.into_iter().any(|pattern| glob_matches(pattern, chain))
}

impl Program {
    fn all(&self) -> Belongings {
        (self.chains.iter().map(|&chain| chain.into()).collect(), self.mark_bits)
    }
}

impl<'a> Resolver<'a> {
    /// What all statements of the policy preserve; `None` when none does.
    pub(super) fn preserve(&mut self, statements: &[&'a Statement]) -> Option<Preserve> {
        let mut preserve: Option<Preserve> = None;
        for statement in statements {
            let (patterns, docker) = match &statement.kind {
                StatementKind::Preserve(patterns) => (patterns.as_slice(), None),
                // Its rules are for whoever has Docker.
                StatementKind::Docker { .. } => (&[][..], Some(&PROGRAMS[0])),
                _ => continue,
            };
            let nothing = || Preserve { span: statement.span, chains: Vec::new(), marks: None };
            let preserve = preserve.get_or_insert_with(nothing);
            let implied = docker.map(|program| (statement.span, Some(program.all())));
            let named = patterns.iter().map(|pattern| self.preserved(*pattern));
            for (span, found) in named.chain(implied).collect::<Vec<_>>() {
                let (chains, mark_bits) = found.unwrap_or_default();
                for chain in chains {
                    self.check_preserved_chain(&chain, span);
                    if !preserve.chains.contains(&chain) {
                        preserve.chains.push(chain);
                    }
                }
                if mark_bits != 0 {
                    // No two programs here have marks.
                    preserve.marks.get_or_insert((mark_bits, span));
                }
            }
        }
        preserve
    }

    /// Marks of the policy have other bits.
    pub(super) fn check_preserved_marks(&mut self, policy: &Policy) {
        let marks = policy.preserve.as_ref().and_then(|preserve| preserve.marks);
        let Some((bits, preserved)) = marks else { return };
        for item in &policy.items {
            let Item::Alter(said) = item else { continue };
            let (AlterationKind::Mark(mark) | AlterationKind::StickyMark(mark)) = said.kind else {
                continue;
            };
            let both = mark.mask() & bits;
            if both != 0 {
                let finding = messages::preserved_mark(said.origin.span, both, preserved);
                self.report_of(said.origin, finding);
            }
        }
    }

    /// Raw rules lead to no chain of others: when the rules are loaded it may not be there.
    pub(super) fn check_preserved_targets(&mut self, policy: &Policy) {
        let Some(preserve) = &policy.preserve else { return };
        let items = policy.items.iter().filter_map(|item| match item {
            Item::Raw(raw) => Some(raw),
            Item::Rule(_) | Item::Nat(_) | Item::Alter(_) => None,
        });
        for raw in items.chain(policy.chains.iter().flat_map(|chain| &chain.raws)) {
            let RawTarget::Decides(text) = &raw.target else { continue };
            let Some(target) = text.split_whitespace().nth(1) else { continue };
            if preserve.chains.iter().any(|pattern| glob_matches(pattern, target)) {
                let finding = messages::chain_of_others(raw.origin.span, target, preserve.span);
                self.report_of(raw.origin, finding);
            }
        }
    }

    /// Promises know nothing of the rules of others.
    pub(super) fn mention_others(&mut self, policy: &Policy) {
        let Some(preserve) = &policy.preserve else { return };
        let is_open = |kind: &PromiseKind| match kind {
            // The block for Docker is asked whom it lets to a container.
            PromiseKind::Assert(_) => policy.docker.is_none(),
            PromiseKind::Protect(_) => true,
            PromiseKind::Test { .. } => false,
        };
        if let Some(promise) = policy.promises.iter().find(|promise| is_open(&promise.kind)) {
            self.report(messages::promise_beside_others(promise.span, preserve.span));
        }
    }

    /// The chains and mark bits of one word or pattern.
    fn preserved(&mut self, pattern: Pattern) -> (Span, Option<Belongings>) {
        match pattern {
            Pattern::Name(name) => {
                let word = self.text(name.0);
                let program = PROGRAMS.iter().find(|program| program.name == word);
                if program.is_none() {
                    let known = PROGRAMS.map(|program| program.name);
                    self.report(messages::unknown_program(name.0, word, &known));
                }
                (name.0, program.map(Program::all))
            }
            Pattern::Quoted(text) => {
                let pattern = unquote(self.text(text.0));
                let odd = |c: char| c.is_whitespace() || c.is_control();
                if pattern.is_empty() || pattern.len() > MAX_CHAIN_NAME || pattern.contains(odd) {
                    self.report(messages::no_chain_pattern(text.0));
                    return (text.0, None);
                }
                if may_begin_with(&pattern, OWN_PREFIX) {
                    self.report(messages::preserves_itself(text.0));
                    return (text.0, None);
                }
                (text.0, Some((vec![pattern.as_ref().into()], 0)))
            }
        }
    }

    /// The policy's own chains have other names.
    fn check_preserved_chain(&mut self, pattern: &str, preserved: Span) {
        let mut faults = Vec::new();
        for entry in &self.names.chains.entries {
            let word = self.text(entry.span);
            if glob_matches(pattern, word) {
                faults.push(messages::preserved_chain(entry.span, word, preserved));
            }
        }
        for finding in faults {
            self.report(finding);
        }
    }
}

/// Whether some name that fits the pattern begins so.
fn may_begin_with(pattern: &str, prefix: &str) -> bool {
    let letters = pattern.split(['*', '?']).next().unwrap_or_default();
    let open = letters.len() < pattern.len();
    letters.starts_with(prefix) || (open && prefix.starts_with(letters))
}
