//! Rules that are past their `until`: they still hold, and are told.

use std::collections::BTreeSet;

use jiff::civil::Date;

use crate::diagnostic::{Finding, catalogue};
use crate::resolve::Policy;
use crate::resolve::policy::{Item, Origin, Remarks};

/// A finding for each `until` whose day is over on `today`, in the order of the rules. A clause that
/// holds for many rules, of a block or a `def`, is told once.
#[must_use]
pub fn expired(policy: &Policy, today: Date) -> Vec<Finding> {
    let items = policy.items.iter().map(|item| match item {
        Item::Rule(rule) => (rule.origin, &rule.remarks),
        Item::Nat(nat) => (nat.origin, &nat.remarks),
        Item::Alter(alteration) => (alteration.origin, &alteration.remarks),
    });
    let in_chains = policy.chains.iter().flat_map(|chain| &chain.rules);
    let all = items.chain(in_chains.map(|rule| (rule.origin, &rule.remarks)));
    let mut told = BTreeSet::new();
    all.filter_map(|(origin, remarks)| expiry(policy, origin, remarks, today, &mut told)).collect()
}

fn expiry(
    policy: &Policy,
    origin: Origin,
    remarks: &Remarks,
    today: Date,
    told: &mut BTreeSet<crate::source::Span>,
) -> Option<Finding> {
    let until = remarks.until.filter(|until| until.date < today)?;
    if !told.insert(until.span) {
        return None;
    }
    let message = format!("the rule was to hold until {}, and still does", until.date);
    let finding = Finding::new(&catalogue::EXPIRED_RULE, until.span, message)
        .label(format!("today is {today}"))
        .help("delete the rule, or give it a later date");
    Some(match policy.outermost_call(origin) {
        Some(call) => finding.related(call, "by this call"),
        None => finding,
    })
}
