//! How near names are to each other: whether a bare one is a slip for a zone or an interface.

use std::collections::{HashMap, HashSet};

/// The names that slips are measured by: zones, then interfaces, each in the order defined.
#[derive(Debug, Default)]
pub struct Spellings<'a> {
    groups: Vec<Group<'a>>,
}

/// The names that differ in digits only.
#[derive(Debug)]
struct Group<'a> {
    spelling: Spelling,
    is_zone: bool,
    /// At most [`MAX_ALIKE`].
    names: Vec<&'a str>,
}

/// Of so many names that differ in digits only the nearest is suggested.
const MAX_ALIKE: usize = 64;

impl<'a> Spellings<'a> {
    pub fn new(zones: &[&'a str], interfaces: &[&'a str]) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        let mut index: HashMap<(String, bool), usize> = HashMap::new();
        let of_itself: HashSet<&str> = interfaces.iter().copied().collect();
        // A zone that is called like its interface, by a number (`zone eth0 = eth0`), is known by that.
        let is_numbered = |name: &str| name.contains(|c: char| c.is_ascii_digit());
        let zones = zones.iter().filter(|name| !(is_numbered(name) && of_itself.contains(*name)));
        let zones = zones.map(|name| (*name, true));
        for (name, is_zone) in zones.chain(interfaces.iter().map(|name| (*name, false))) {
            let spelling = Spelling::of(name);
            let key = (spelling.letters.clone(), is_zone);
            let at = *index.entry(key).or_insert(groups.len());
            if at == groups.len() {
                groups.push(Group { spelling, is_zone, names: Vec::new() });
            }
            if groups[at].names.len() < MAX_ALIKE {
                groups[at].names.push(name);
            }
        }
        Spellings { groups }
    }

    /// The zone or interface that a word is probably a slip for: the nearest, of equally near ones
    /// the first.
    pub fn nearest(&self, word: &str) -> Option<&'a str> {
        self.nearest_of(word, |_| true)
    }

    /// The zone that a new interface's name is probably a slip for; one that is called like a zone
    /// but for a number (`lan1`) is none.
    pub fn nearest_zone(&self, word: &str) -> Option<&'a str> {
        let letters = Spelling::of(word).letters;
        let is_zone = |group: &Group| group.is_zone;
        let mut zones = self.groups.iter().filter(|group| is_zone(group));
        if zones.any(|group| group.spelling.letters == letters) {
            return None;
        }
        self.nearest_of(word, is_zone)
    }

    fn nearest_of(&self, word: &str, counts: impl Fn(&Group) -> bool) -> Option<&'a str> {
        // `wlan0` is what it says, and not a zone `wan` or an interface `lan0`.
        if is_of_kernel(word) {
            return None;
        }
        let spelling = Spelling::of(word);
        let groups = self.groups.iter().filter(|group| counts(group));
        let near = groups.filter_map(|group| {
            let distance = spelling.slip(&group.spelling)?;
            // Another number makes another interface; a zone is called as it is called.
            let another = distance == 0 && (!group.is_zone || spelling.is_vlan);
            (!another).then_some((distance, group))
        });
        let names = near.flat_map(|(distance, group)| {
            group.names.iter().map(move |name| (distance, strsim::osa_distance(word, name), *name))
        });
        // The first of the least.
        names.min_by_key(|(letters, all, _)| (*letters, *all)).map(|(.., name)| name)
    }
}

/// Whether an interface has such a name from the kernel, or by habit: `wlan0`, `enp3s0.20`, `wg1`.
pub fn is_of_kernel(word: &str) -> bool {
    const KINDS: [&str; 12] =
        ["eth", "lan", "wlan", "wg", "br", "bond", "tun", "tap", "ppp", "vlan", "veth", "wwan"];
    let numbered = word.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    // `enp3s0`, `wlx00c0ca8f3d12`: by the place in the machine or by the address.
    let is_placed = ["en", "wl", "ww"].iter().any(|kind| word.starts_with(kind))
        && word.contains(|c: char| c.is_ascii_digit());
    numbered.len() < word.len() && (is_placed || KINDS.contains(&numbered))
}

/// A name as slips are judged: numbers are not letters, so `eth1` is no slip for `eth0`; nor is a
/// VLAN's number, so `eth0.10` is none either.
#[derive(Debug)]
struct Spelling {
    letters: String,
    length: usize,
    is_vlan: bool,
    /// A bit for each letter that occurs (of others for a few together): names whose bits differ
    /// much cannot be near, which is quicker to see than how far apart they are.
    bits: u64,
}

impl Spelling {
    fn of(name: &str) -> Self {
        let is_number = |text: &str| text.chars().all(|c| c.is_ascii_digit());
        let link = name.rsplit_once('.').filter(|(_, number)| is_number(number));
        let stem = link.map_or(name, |(link, _)| link);
        let letters: String = stem.chars().filter(|c| !c.is_ascii_digit()).collect();
        let bits = letters.chars().fold(0, |bits, c| bits | 1 << (u32::from(c) % u64::BITS));
        Spelling { length: letters.chars().count(), letters, is_vlan: link.is_some(), bits }
    }

    /// How many letters away from `known` it is, when so few that it is a slip; 0 when they differ
    /// in numbers only.
    fn slip(&self, known: &Spelling) -> Option<usize> {
        // `lan` is no `wan`: short words of one length differ in their first letter by intent.
        let first = |spelling: &Spelling| spelling.letters.chars().next();
        let are_short = self.length == known.length && self.length <= 4;
        if are_short && first(self) != first(known) {
            return None;
        }
        let limit: u32 = match self.length.min(known.length) {
            0..=1 => return None,
            2..=4 => 1,
            _ => 2,
        };
        // An edit takes at most one letter away and brings at most one.
        let near = (self.bits & !known.bits).count_ones() <= limit
            && (known.bits & !self.bits).count_ones() <= limit
            && self.length.abs_diff(known.length) <= limit as usize;
        if !near {
            return None;
        }
        let distance = strsim::osa_distance(&self.letters, &known.letters);
        (distance <= limit as usize).then_some(distance)
    }
}

#[cfg(test)]
mod tests {
    use super::Spellings;

    fn nearest(word: &str, zones: &[&'static str], interfaces: &[&'static str]) -> &'static str {
        Spellings::new(zones, interfaces).nearest(word).unwrap_or("none")
    }

    #[test]
    fn letters_slip_and_numbers_do_not() {
        assert_eq!(nearest("wam", &["wan"], &["eth0"]), "wan");
        assert_eq!(nearest("ehternal", &["external"], &[]), "external");
        assert_eq!(nearest("eht1", &[], &["eth0", "eth1"]), "eth1");
        for other in ["eth1", "wg0", "eth0.100", "eth0.10", "eth1.10"] {
            assert_eq!(nearest(other, &["wan"], &["eth0"]), "none", "{other}");
            assert_eq!(nearest(other, &["eth0"], &["eth0"]), "none", "{other}");
        }
    }

    #[test]
    fn usual_names_of_interfaces_are_no_slips() {
        for other in ["wlan0", "lan0", "wlan0.20", "lan", "wlp2s0", "wwan0"] {
            assert_eq!(nearest(other, &["wan"], &["eth0"]), "none", "{other}");
        }
        assert_eq!(nearest("wg1", &["wg"], &[]), "none");
        assert_eq!(nearest("wlam", &["wlan"], &[]), "wlan");
    }

    #[test]
    fn the_nearest_wins_and_then_the_first() {
        assert_eq!(nearest("wan1", &["lan", "wan"], &["lan1"]), "wan");
        assert_eq!(nearest("wan.10", &["wan"], &[]), "none");
        assert_eq!(nearest("dnz", &["dmx", "dmz"], &[]), "dmz");
        assert_eq!(nearest("dmy", &["dmx", "dmz"], &[]), "dmx");
        assert_eq!(nearest("vpn", &["lan", "wan"], &["eth0"]), "none");
    }
}
