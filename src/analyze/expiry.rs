//! Rules that are past their `until`: they still hold, and are told.

use std::collections::BTreeSet;

use jiff::civil::Date;

use crate::diagnostic::expectation::Expectations;
use crate::diagnostic::{Finding, catalogue};
use crate::resolve::Policy;
use crate::resolve::policy::{Item, Origin, Remarks};
use crate::source::Span;

/// A finding for each `until` whose day is over on `today`, in the order of the rules. A clause that
/// holds for many rules, of a block or a `def`, is told once; once more for calls where it is expected.
#[must_use]
pub fn expired(policy: &Policy, expectations: &Expectations, today: Date) -> Vec<Finding> {
    let items = policy.items.iter().filter_map(|item| match item {
        Item::Rule(rule) => Some((rule.origin, &rule.remarks)),
        Item::Nat(nat) => Some((nat.origin, &nat.remarks)),
        Item::Alter(alteration) => Some((alteration.origin, &alteration.remarks)),
        Item::Raw(_) => None,
    });
    let in_chains = policy.chains.iter().flat_map(|chain| &chain.rules);
    let in_docker = policy.docker.iter().flat_map(|docker| &docker.rules);
    let in_chains = in_chains.chain(in_docker);
    let all = items.chain(in_chains.map(|rule| (rule.origin, &rule.remarks)));
    let mut told = BTreeSet::new();
    let new = |finding: &Finding| {
        let accepting = expectations.accepting(finding.lint, finding.places());
        told.insert((finding.span, accepting))
    };
    all.filter_map(|(origin, remarks)| expiry(policy, origin, remarks, today)).filter(new).collect()
}

fn expiry(policy: &Policy, origin: Origin, remarks: &Remarks, today: Date) -> Option<Finding> {
    let until = remarks.until.filter(|until| until.date < today)?;
    let message = format!("the rule was to hold until {}, and still does", until.date);
    let calls: Vec<Span> = policy.calls_to(origin).collect();
    let finding = Finding::new(&catalogue::EXPIRED_RULE, until.span, message)
        .label(format!("today is {today}"))
        .help("delete the rule, or give it a later date");
    Some(match calls.last() {
        Some(call) => finding.related(*call, "by this call").also_at(calls),
        None => finding,
    })
}
