//! Findings that a policy expects: `expect LINT "reason"`.
//!
//! In go all findings of a policy, from whatever stage, and its expectations; out come the findings
//! that are left. Levels are judged afterwards: what is expected is accepted at any level.

use super::catalogue::{Lint, UNFULFILLED_EXPECTATION};
use super::{Finding, has_errors};
use crate::source::Span;

/// One `expect`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    // INVARIANT: expectable.
    pub lint: &'static Lint,
    /// The clause itself.
    pub clause: Span,
    /// The statement or block that it is a clause of: what it accepts is in there.
    pub scope: Span,
    /// Whether it is a finding itself when it meets nothing.
    pub must_meet: bool,
}

/// The expectations of a policy, found by place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expectations {
    // INVARIANT: by start, the wider scope first. Scopes nest or are apart, as statements do.
    list: Vec<Expectation>,
    /// Of each the nearest one whose scope is around its own.
    around: Vec<Option<usize>>,
}

impl Expectations {
    #[must_use]
    pub fn new(mut list: Vec<Expectation>) -> Self {
        let order = |one: &Expectation| {
            let scope = one.scope;
            (scope.file(), scope.start(), std::cmp::Reverse(scope.end()))
        };
        list.sort_by_key(order);
        let mut around: Vec<Option<usize>> = Vec::with_capacity(list.len());
        for (index, one) in list.iter().enumerate() {
            let mut candidate = index.checked_sub(1);
            while let Some(at) = candidate
                && !contains(list[at].scope, one.scope)
            {
                candidate = around[at];
            }
            around.push(candidate);
        }
        Expectations { list, around }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// No longer asks those within `scope` to meet something: nothing there is looked at.
    pub fn excuse(&mut self, scope: Span) {
        let start = |one: &Expectation| (one.scope.file(), one.scope.start());
        let first = self.list.partition_point(|one| start(one) < (scope.file(), scope.start()));
        let inside = self.list[first..].iter_mut();
        for one in inside.take_while(|one| start(one) < (scope.file(), scope.end())) {
            one.must_meet = !contains(scope, one.scope);
        }
    }

    /// Those that accept findings of a lint at any of some places, by number, sorted.
    #[must_use]
    pub fn accepting(&self, lint: &Lint, places: impl IntoIterator<Item = Span>) -> Vec<usize> {
        let mut accepting = Vec::new();
        if self.is_empty() {
            return accepting;
        }
        for place in places {
            let before = self.list.partition_point(|one| {
                (one.scope.file(), one.scope.start()) <= (place.file(), place.start())
            });
            let mut candidate = before.checked_sub(1);
            while let Some(at) = candidate {
                let one = &self.list[at];
                if one.lint == lint && contains(one.scope, place) {
                    accepting.push(at);
                }
                candidate = self.around[at];
            }
        }
        accepting.sort_unstable();
        accepting.dedup();
        accepting
    }
}

fn contains(outer: Span, inner: Span) -> bool {
    outer.file() == inner.file() && outer.start() <= inner.start() && inner.end() <= outer.end()
}

/// What is left of the findings of a policy.
#[derive(Debug, PartialEq, Eq)]
pub struct Settled {
    pub findings: Vec<Finding>,
    /// How many were accepted.
    pub expected: usize,
}

/// Takes out what is expected and adds a finding for each expectation that met nothing.
///
/// That is judged only of lints that `is_shown` says are looked for, and only when no error is left: an
/// error keeps later stages from looking.
#[must_use]
pub fn settle(
    findings: Vec<Finding>,
    expectations: &Expectations,
    is_shown: impl Fn(&Lint) -> bool,
) -> Settled {
    if expectations.is_empty() {
        return Settled { findings, expected: 0 };
    }
    let mut met = vec![false; expectations.list.len()];
    let found = findings.len();
    let mut left = Vec::new();
    for finding in findings {
        let accepting = expectations.accepting(finding.lint, finding.places());
        if accepting.is_empty() {
            left.push(finding);
        }
        for at in accepting {
            met[at] = true;
        }
    }
    let expected = found - left.len();
    if !has_errors(&left) {
        let unmet = expectations.list.iter().zip(met).filter(|(_, met)| !met);
        let unmet = unmet.filter(|(one, _)| one.must_meet && is_shown(one.lint));
        left.extend(unmet.map(|(one, _)| unfulfilled(one)));
    }
    Settled { findings: left, expected }
}

fn unfulfilled(expectation: &Expectation) -> Finding {
    let message = format!("`{}` is expected, and nothing is found", expectation.lint.name);
    Finding::new(&UNFULFILLED_EXPECTATION, expectation.clause, message)
        .label("accepts nothing")
        .help("take it out: what it was for is mended, or is somewhere else")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Level;
    use crate::diagnostic::catalogue::{EXPIRED_RULE, HOST_BITS, SYNTAX_ERROR};
    use crate::source::{FileId, Sources};

    static CONFLICT: Lint = Lint {
        name: "conflict",
        level: Some(Level::Error),
        expectable: true,
        summary: "an error that can be expected",
        page: "",
    };

    fn file() -> FileId {
        Sources::new().add("a.fw", "")
    }

    fn at(start: usize, end: usize) -> Span {
        Span::new(file(), start..end)
    }

    /// An expectation whose clause is the last place of its scope.
    fn expect(lint: &'static Lint, start: usize, end: usize) -> Expectation {
        Expectation { lint, clause: at(end - 1, end), scope: at(start, end), must_meet: true }
    }

    fn settled(findings: &[Finding], expectations: &[Expectation]) -> (Vec<String>, usize) {
        let expectations = Expectations::new(expectations.to_vec());
        let settled = settle(findings.to_vec(), &expectations, |_| true);
        let name = |finding: &Finding| {
            format!("{} {}", finding.lint.name, finding.span.map_or(0, Span::start))
        };
        (settled.findings.iter().map(name).collect(), settled.expected)
    }

    #[test]
    fn what_is_in_the_scope_is_accepted_and_nothing_else() {
        let findings = [
            Finding::new(&HOST_BITS, at(12, 14), "in"),
            Finding::new(&HOST_BITS, at(32, 34), "in a later one"),
            Finding::new(&HOST_BITS, at(5, 12), "across the border"),
            Finding::new(&EXPIRED_RULE, at(12, 14), "of another lint"),
            Finding::without_place(&HOST_BITS, "nowhere"),
            Finding::new(&HOST_BITS, at(0, 3), "a call").also_at([at(15, 16)]),
        ];
        let expectations = [expect(&HOST_BITS, 30, 40), expect(&HOST_BITS, 10, 20)];
        let left = ["host-bits 5", "expired-rule 12", "host-bits 0"].map(str::to_owned);
        assert_eq!(settled(&findings, &expectations), (left.to_vec(), 3));
        let elsewhere = {
            let mut sources = Sources::new();
            sources.add("a.fw", "");
            Span::new(sources.add("b.fw", ""), 12..14)
        };
        let (left, expected) =
            settled(&[Finding::new(&HOST_BITS, elsewhere, "m")], &expectations[1..]);
        assert_eq!((left.len(), expected), (2, 0));
    }

    #[test]
    fn scopes_nest_and_each_is_met_by_what_is_inside() {
        let expectations = [
            expect(&HOST_BITS, 0, 100),
            expect(&EXPIRED_RULE, 10, 50),
            expect(&HOST_BITS, 20, 30),
            expect(&HOST_BITS, 60, 70),
        ];
        let findings = [Finding::new(&HOST_BITS, at(22, 24), "m")];
        let left = ["unfulfilled-expectation 49", "unfulfilled-expectation 69"];
        assert_eq!(settled(&findings, &expectations), (left.map(str::to_owned).to_vec(), 1));
        // Behind the inner scopes only the outer one holds.
        let findings = [Finding::new(&HOST_BITS, at(90, 91), "m")];
        assert_eq!(settled(&findings, &expectations[..1]), (vec![], 1));
    }

    #[test]
    fn an_error_of_the_analysis_is_accepted_and_another_one_keeps_quiet_what_is_unmet() {
        let conflict = Finding::new(&CONFLICT, at(1, 2), "m");
        let expectations = [expect(&CONFLICT, 0, 5), expect(&HOST_BITS, 10, 20)];
        let unmet = vec!["unfulfilled-expectation 19".to_owned()];
        assert_eq!(settled(std::slice::from_ref(&conflict), &expectations), (unmet, 1));
        let findings = [conflict, Finding::new(&SYNTAX_ERROR, at(50, 51), "m")];
        assert_eq!(settled(&findings, &expectations), (vec!["syntax-error 50".to_owned()], 1));
    }

    #[test]
    fn what_is_not_looked_for_is_not_missed() {
        let mut expectations = Expectations::new(vec![expect(&HOST_BITS, 0, 9)]);
        let hidden = settle(Vec::new(), &expectations, |lint| lint != &HOST_BITS);
        assert_eq!(hidden.findings, []);
        for elsewhere in [at(5, 20), at(0, 8), at(9, 20)] {
            expectations.excuse(elsewhere);
            assert_eq!(settle(Vec::new(), &expectations, |_| true).findings.len(), 1);
        }
        expectations.excuse(at(0, 20));
        assert_eq!(settle(Vec::new(), &expectations, |_| true).findings, []);
    }
}
