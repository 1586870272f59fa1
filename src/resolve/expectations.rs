//! `expect LINT "reason"`: gathered from the tree before anything is resolved, so that it holds
//! whatever becomes of its statement.

use super::{Resolver, messages};
use crate::diagnostic::expectation::{Expectation, Expectations};
use crate::diagnostic::{Finding, catalogue};
use crate::source::Span;
use crate::syntax::tree::{Clause, ClauseKind, Name, Statement, StatementKind, Text};
use crate::syntax::unquote;

impl<'a> Resolver<'a> {
    /// Reads every `expect`; one that cannot be meant is reported.
    pub(super) fn gather_expectations(&mut self, statements: &[&'a Statement]) {
        let mut found = Vec::new();
        for statement in statements {
            self.expectations_of(statement, &mut found);
        }
        self.expectations = Expectations::new(found);
    }

    // Depth is bounded by the nesting that `syntax` reads.
    fn expectations_of(&mut self, statement: &'a Statement, found: &mut Vec<Expectation>) {
        let (clauses, body): (&[Clause], &[Statement]) = match &statement.kind {
            StatementKind::Assert(rule) => return self.refuse_expect(&rule.clauses, "assert"),
            StatementKind::Protect { clauses, .. } => {
                return self.refuse_expect(clauses, "protect");
            }
            StatementKind::Rule(rule) => (&rule.clauses, &[]),
            StatementKind::Block(block) => (&block.clauses, &block.body),
            StatementKind::Def(def) => (&[], &def.body),
            StatementKind::Chain { body, .. } | StatementKind::Docker { body, .. } => (&[], body),
            StatementKind::Include(_)
            | StatementKind::Use(_)
            | StatementKind::Zone { .. }
            | StatementKind::Let { .. }
            | StatementKind::Set(_)
            | StatementKind::Service { .. }
            | StatementKind::Default(_)
            | StatementKind::Implicit(_)
            | StatementKind::Call { .. }
            | StatementKind::Test { .. }
            | StatementKind::Preserve(_)
            | StatementKind::Raw { .. }
            | StatementKind::Invalid => (&[], &[]),
        };
        for clause in clauses {
            if let ClauseKind::Expect { lint, reason } = &clause.kind {
                let scope = statement.span;
                found.extend(self.expectation(*lint, *reason, clause.span, scope));
            }
        }
        for inner in body {
            self.expectations_of(inner, found);
        }
    }

    /// A promise is kept or broken; there is nothing to accept.
    fn refuse_expect(&mut self, clauses: &[Clause], word: &str) {
        for clause in clauses {
            if let ClauseKind::Expect { .. } = &clause.kind {
                self.report(messages::misplaced_clause(clause.span, "expect", word, clause.span));
            }
        }
    }

    fn expectation(
        &mut self,
        name: Name,
        reason: Text,
        clause: Span,
        scope: Span,
    ) -> Option<Expectation> {
        let word = self.text(name.0);
        let Some(lint) = catalogue::find(word) else {
            self.report(messages::unknown_lint(name.0, word));
            return None;
        };
        if !lint.expectable {
            self.report(messages::not_expectable(name.0, lint));
            return None;
        }
        if unquote(self.text(reason.0)).trim().is_empty() {
            self.report(messages::expectation_without_reason(reason.0));
        }
        Some(Expectation { lint, clause, scope, must_meet: true })
    }

    /// Nothing in the body of a `def` without a call is looked at but its literals.
    pub(super) fn excuse_uncalled(&mut self) {
        let uncalled = self.names.defs.entries.iter().filter(|entry| !entry.used.get());
        for statement in uncalled.flat_map(|entry| &entry.node.body) {
            self.expectations.excuse(statement.span);
        }
    }

    /// The expectations that accept a finding in the calls around, by number.
    pub(super) fn accepted_by(&self, finding: &Finding) -> Vec<usize> {
        if self.expectations.is_empty() {
            return Vec::new();
        }
        let calls = self.calls_around().map(|call| self.calls[call.0 as usize].span);
        self.expectations.accepting(finding.lint, finding.places().chain(calls))
    }
}
