//! What is written is what the kernel then has, line for line.

use crate::load::{Family, Rules, Variant, normalise, restore, save};
use crate::netns::Namespace;
use crate::{hand, need};

/// The rules load in both variants, read back as they were written, and loading them once more
/// changes nothing.
pub fn loads_as_written(rules: &Rules) {
    for variant in Variant::ALL {
        for family in Family::ALL {
            let namespace = Namespace::new();
            let written = normalise(rules.of(family));
            for time in ["first", "second"] {
                restore(&namespace, variant, family, rules.of(family))
                    .unwrap_or_else(|error| panic!("{time} load, {variant:?} {family:?}: {error}"));
                let saved = normalise(&save(&namespace, variant, family));
                let place = format!("{time} load, {variant:?} {family:?}");
                assert_eq!(saved, written, "{place}: saved (left) is not as written (right)");
            }
        }
    }
}

#[test]
fn rules_by_hand_load_as_written() {
    if need::met() {
        for rules in [hand::ssh_only(), hand::web(), hand::router(), hand::published()] {
            loads_as_written(&rules);
        }
    }
}

#[test]
fn rules_that_are_refused_are_reported() {
    if need::met() {
        let namespace = Namespace::new();
        for variant in Variant::ALL {
            for family in Family::ALL {
                let error = restore(&namespace, variant, family, "*filter\n-A INPUT -j NOWHERE\n");
                assert!(error.is_err(), "{variant:?} {family:?} took a jump to nowhere");
            }
        }
    }
}
