//! Sets of interfaces: name patterns, others that are left out, and whether "no interface" is among them.

use crate::net::Interface;

/// A set of interfaces. A packet without an interface (this machine's own has no incoming one) has
/// the value "none", which no pattern means.
// INVARIANT: both lists are sorted and no pattern of one covers another of it, so that any two
// patterns of a list are disjoint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceSet {
    /// The names that any of these means; `None` for all names.
    patterns: Option<Vec<Interface>>,
    /// But not these.
    except: Vec<Interface>,
    none: bool,
}

impl InterfaceSet {
    /// The interfaces that any of the patterns means; "none" is not in it.
    #[must_use]
    pub fn of(patterns: &[Interface]) -> Self {
        InterfaceSet { patterns: Some(widest(patterns.to_vec())), except: Vec::new(), none: false }
    }

    /// Only "no interface".
    #[must_use]
    pub fn none() -> Self {
        InterfaceSet { patterns: Some(Vec::new()), except: Vec::new(), none: true }
    }

    /// All that is not in this set, "none" included. A set that leaves out some of its patterns has
    /// no such set in these words: then `None`.
    #[must_use]
    pub fn complement(&self) -> Option<Self> {
        let none = !self.none;
        match (&self.patterns, self.except.is_empty()) {
            (Some(patterns), true) => {
                Some(InterfaceSet { patterns: None, except: patterns.clone(), none })
            }
            (None, _) => {
                let patterns = Some(self.except.clone());
                Some(InterfaceSet { patterns, except: Vec::new(), none })
            }
            (Some(_), false) => None,
        }
    }

    /// Every pattern that its description names.
    pub fn named(&self) -> impl Iterator<Item = &Interface> {
        self.patterns().chain(&self.except)
    }

    /// The patterns whose names are in the set, unless they are left out; none when all names are.
    pub fn patterns(&self) -> impl Iterator<Item = &Interface> {
        self.patterns.iter().flatten()
    }

    /// Whether all names are in the set, unless they are left out.
    #[must_use]
    pub fn has_all_names(&self) -> bool {
        self.patterns.is_none()
    }

    /// The patterns whose names are left out.
    pub fn except(&self) -> impl Iterator<Item = &Interface> {
        self.except.iter()
    }

    /// Whether "no interface" is in the set.
    #[must_use]
    pub fn has_none(&self) -> bool {
        self.none
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        let is_left_out = |pattern| self.except.iter().any(|out| out.covers(pattern));
        !self.none && self.patterns.as_ref().is_some_and(|all| all.iter().all(is_left_out))
    }

    #[must_use]
    pub fn contains(&self, name: Option<&str>) -> bool {
        let Some(name) = name else { return self.none };
        let means = |patterns: &[Interface]| patterns.iter().any(|pattern| pattern.matches(name));
        self.patterns.as_deref().is_none_or(means) && !means(&self.except)
    }

    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let patterns = match (&self.patterns, &other.patterns) {
            (None, all) | (all, None) => all.clone(),
            (Some(a), Some(b)) => {
                let pairs = a.iter().flat_map(|a| b.iter().map(move |b| (a, b)));
                Some(widest(pairs.filter_map(|(a, b)| a.intersection(b)).collect()))
            }
        };
        let except = widest(self.except.iter().chain(&other.except).cloned().collect());
        InterfaceSet { patterns, except, none: self.none && other.none }
    }
}

/// The patterns that none of the others covers, sorted.
fn widest(mut patterns: Vec<Interface>) -> Vec<Interface> {
    // Sorted by name, a pattern stands before the names that it covers, but `eth0` stands
    // before `eth0+`: so the wider of two comes first by stem, then wildcard before name.
    patterns.sort_unstable_by(|a, b| {
        a.stem().cmp(b.stem()).then(b.is_wildcard().cmp(&a.is_wildcard()))
    });
    // Everything that a pattern covers follows it at once, so the last kept one is enough.
    patterns.dedup_by(|next, kept| kept.covers(next));
    patterns
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
        let plain =
            [set(&["eth+", "lo"]), set(&["eth0", "wg+"]), set(&["eth0.+"]), InterfaceSet::none()];
        let others = plain.iter().filter_map(InterfaceSet::complement);
        let mut sets: Vec<InterfaceSet> = plain.iter().cloned().chain(others).collect();
        sets.push(sets[0].intersection(&sets[5]));
        let names = ["eth", "eth0", "eth0.1", "lo", "wg7", "x"].map(Some);
        for (a, b) in sets.iter().flat_map(|a| sets.iter().map(move |b| (a, b))) {
            for name in names.into_iter().chain([None]) {
                if let Some(others) = a.complement() {
                    assert_ne!(others.contains(name), a.contains(name), "{a:?} {name:?}");
                }
                let both = a.contains(name) && b.contains(name);
                assert_eq!(a.intersection(b).contains(name), both, "{a:?} {b:?} {name:?}");
            }
        }
    }
}
