//! Sets of interfaces: name patterns, and whether "no interface" is among them.

use crate::net::Interface;

/// A set of interfaces. A packet without an interface (this machine's own has no incoming one) has
/// the value "none", which no pattern means.
// INVARIANT: patterns are sorted and none covers another, so that equal sets of patterns are equal
// values and any two patterns are disjoint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceSet {
    patterns: Vec<Interface>,
    none: bool,
}

impl InterfaceSet {
    /// The interfaces that any of the patterns means; "none" is not in it.
    #[must_use]
    pub fn of(patterns: &[Interface]) -> Self {
        Self::normal(patterns.to_vec(), false)
    }

    /// Only "no interface".
    #[must_use]
    pub fn none() -> Self {
        InterfaceSet { patterns: Vec::new(), none: true }
    }

    fn normal(mut patterns: Vec<Interface>, none: bool) -> Self {
        // Sorted by name, a pattern stands before the names that it covers, but `eth0` stands
        // before `eth0+`: so the wider of two comes first by stem, then wildcard before name.
        patterns.sort_unstable_by(|a, b| {
            a.stem().cmp(b.stem()).then(b.is_wildcard().cmp(&a.is_wildcard()))
        });
        // Everything that a pattern covers follows it at once, so the last kept one is enough.
        patterns.dedup_by(|next, kept| kept.covers(next));
        InterfaceSet { patterns, none }
    }

    #[must_use]
    pub fn patterns(&self) -> &[Interface] {
        &self.patterns
    }

    /// Whether "no interface" is in the set.
    #[must_use]
    pub fn has_none(&self) -> bool {
        self.none
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty() && !self.none
    }

    #[must_use]
    pub fn contains(&self, name: Option<&str>) -> bool {
        match name {
            Some(name) => self.patterns.iter().any(|pattern| pattern.matches(name)),
            None => self.none,
        }
    }

    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let pairs = self.patterns.iter().flat_map(|a| other.patterns.iter().map(move |b| (a, b)));
        let both = pairs.filter_map(|(a, b)| a.intersection(b)).collect();
        Self::normal(both, self.none && other.none)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(patterns: &[&str]) -> InterfaceSet {
        let interface = |text: &&str| Interface::new(text).expect(text);
        InterfaceSet::of(&patterns.iter().map(interface).collect::<Vec<_>>())
    }

    #[test]
    fn equal_sets_are_equal_values() {
        assert_eq!(set(&["eth0", "eth+", "eth0+", "br0"]), set(&["br0", "eth+"]));
        assert_eq!(set(&["eth0", "eth0+"]), set(&["eth0+"]));
        assert_ne!(set(&["eth0"]), set(&["eth0+"]));
    }

    #[test]
    fn none_is_a_value_of_its_own() {
        assert!(!set(&["eth+"]).contains(None));
        assert!(InterfaceSet::none().contains(None));
        assert!(!InterfaceSet::none().contains(Some("eth0")));
        assert!(InterfaceSet::none().intersection(&set(&["eth+"])).is_empty());
    }

    #[test]
    fn intersection_agrees_with_membership() {
        let sets =
            [set(&["eth+", "lo"]), set(&["eth0", "wg+"]), set(&["eth0.+"]), InterfaceSet::none()];
        let names = ["eth", "eth0", "eth0.1", "lo", "wg7", "x"].map(Some);
        for (a, b) in sets.iter().flat_map(|a| sets.iter().map(move |b| (a, b))) {
            for name in names.into_iter().chain([None]) {
                let both = a.contains(name) && b.contains(name);
                assert_eq!(a.intersection(b).contains(name), both, "{a:?} {b:?} {name:?}");
            }
        }
    }
}
