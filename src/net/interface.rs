//! Interface names and prefix patterns.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

/// Longest interface name the kernel has (`IFNAMSIZ` less the final zero).
pub const MAX_NAME: usize = 15;

/// An interface, or with a final `+` every interface whose name starts so.
// INVARIANT: 1 to 15 bytes without the `+` (14 with it), no blank, slash or control character.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interface {
    name: Arc<str>,
    wildcard: bool,
}

/// Why a text is not an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InterfaceError {
    Empty,
    /// More bytes than the kernel takes, and how many it takes.
    TooLong {
        max: usize,
    },
    /// A character that no interface name has.
    BadCharacter(char),
}

impl Interface {
    /// Reads `eth0` or `wg+`.
    ///
    /// # Errors
    /// When the kernel could have no interface of this name.
    pub fn new(text: &str) -> Result<Self, InterfaceError> {
        let (name, wildcard) = match text.strip_suffix('+') {
            Some(stem) => (stem, true),
            None => (text, false),
        };
        let max = if wildcard { MAX_NAME - 1 } else { MAX_NAME };
        // `+` alone would be "any interface": the way to say that is to say nothing.
        if name.is_empty() {
            return Err(InterfaceError::Empty);
        }
        // The kernel takes `:` in a rule, but names with it are aliases and never match.
        let bad =
            |c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | ':' | '+' | '"');
        if let Some(c) = name.chars().find(|c| bad(*c)) {
            return Err(InterfaceError::BadCharacter(c));
        }
        if name.len() > max {
            return Err(InterfaceError::TooLong { max });
        }
        Ok(Interface { name: name.into(), wildcard })
    }

    /// The loopback interface.
    #[must_use]
    pub fn loopback() -> Self {
        Interface { name: "lo".into(), wildcard: false }
    }

    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.wildcard
    }

    /// The name, or for a pattern what the names start with.
    #[must_use]
    pub fn stem(&self) -> &str {
        &self.name
    }

    /// Whether an interface of this name is meant.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        if self.wildcard { name.starts_with(&*self.name) } else { *name == *self.name }
    }

    /// Whether every name that `other` means is meant by `self` too.
    #[must_use]
    pub fn covers(&self, other: &Interface) -> bool {
        self.matches(&other.name) && (self.wildcard || !other.wildcard)
    }

    /// The names that both mean. Prefix patterns are nested or disjoint, so it is one of the two.
    #[must_use]
    pub fn intersection(&self, other: &Interface) -> Option<Interface> {
        if self.covers(other) {
            Some(other.clone())
        } else {
            other.covers(self).then(|| self.clone())
        }
    }
}

/// Each interface once, and none that a pattern of the list means already; the order is kept.
#[must_use]
pub fn widest<'a>(all: &[&'a Interface]) -> Vec<&'a Interface> {
    if all.len() <= 1 {
        return all.to_vec();
    }
    let patterns: HashSet<&str> =
        all.iter().filter(|one| one.wildcard).map(|one| one.stem()).collect();
    let mut seen = HashSet::new();
    let kept = all.iter().filter(|one| !is_covered(one, &patterns) && seen.insert(**one));
    kept.copied().collect()
}

/// Whether a pattern with one of these stems, other than `one` itself, means all that `one` means.
fn is_covered(one: &Interface, patterns: &HashSet<&str>) -> bool {
    let stem = one.stem();
    // Names are short, so this is quick however many patterns there are.
    let mut shorter = stem.char_indices().map(|(end, _)| &stem[..end]);
    shorter.any(|start| patterns.contains(start)) || (!one.wildcard && patterns.contains(stem))
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.wildcard { f.write_str("+") } else { Ok(()) }
    }
}

impl fmt::Display for InterfaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InterfaceError::Empty => f.write_str("the name is empty"),
            InterfaceError::TooLong { max } => {
                write!(f, "the kernel takes at most {max} bytes here")
            }
            InterfaceError::BadCharacter(c) => write!(f, "no interface has {c:?} in its name"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_limits_hold() {
        assert!(Interface::new("a23456789012345").is_ok());
        assert_eq!(Interface::new("a234567890123456"), Err(InterfaceError::TooLong { max: 15 }));
        assert!(Interface::new("a2345678901234+").is_ok());
        assert_eq!(Interface::new("a23456789012345+"), Err(InterfaceError::TooLong { max: 14 }));
        assert_eq!(Interface::new("+"), Err(InterfaceError::Empty));
        assert_eq!(Interface::new("eth0:1"), Err(InterfaceError::BadCharacter(':')));
    }

    #[test]
    fn patterns_are_nested_or_disjoint() {
        let interface = |text| Interface::new(text).expect(text);
        let (eth, eth0, wlan) = (interface("eth+"), interface("eth0"), interface("wlan+"));
        assert_eq!(eth.intersection(&eth0), Some(eth0.clone()));
        assert_eq!(eth0.intersection(&eth), Some(eth0.clone()));
        assert_eq!(eth.intersection(&wlan), None);
        assert!(eth.matches("eth") && eth.matches("eth0.10") && !eth.matches("et"));
        assert!(!eth0.covers(&eth) && eth.covers(&eth0));
    }
}
