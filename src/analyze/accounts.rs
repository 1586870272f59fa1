//! Users and groups: one side may tell by its name whom another tells by a number, and only the machine that
//! loads the rules knows who that is.

use std::collections::BTreeSet;

use crate::net::Account;
use crate::packet::{Field, PacketSet};

/// Users and groups, each with the field that asks for it.
type Accounts<'s> = BTreeSet<(Field, &'s Account)>;

/// Whether one side has a name that the other has not, and this one a number that the first has not: they may
/// be one account.
#[must_use]
pub fn may_be_one<'s>(
    a: impl IntoIterator<Item = &'s PacketSet>,
    b: impl IntoIterator<Item = &'s PacketSet>,
) -> bool {
    let (a, b) = (&PacketSet::accounts_of_all(a), &PacketSet::accounts_of_all(b));
    let has = |own: &Accounts<'_>, other: &Accounts<'_>, field, is_name| {
        let mut own = own.difference(other).filter(|(of, _)| *of == field);
        own.any(|(_, account)| matches!(account, Account::Name(_)) == is_name)
    };
    [Field::User, Field::Group].into_iter().any(|field| {
        has(a, b, field, true) && has(b, a, field, false)
            || has(b, a, field, true) && has(a, b, field, false)
    })
}
