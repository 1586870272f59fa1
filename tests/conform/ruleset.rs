//! A ruleset under test: what it means, by all who say so, and what is loaded.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use palisade::analyze::ruled::{ruled, understood};
use palisade::diagnostic::has_errors;
use palisade::emit::{self, Header};
use palisade::lower::lower;
use palisade::meaning::{Meaning, meaning};
use palisade::net::Family;
use palisade::read::{read_ipsets, read_with_sets};
use palisade::resolve::policy::Set;
use palisade::resolve::resolve;
use palisade::ruleset::{MatchKind, Ruleset};
use palisade::source::{MemoryLoader, Sources};

use crate::generate::{ALWAYS, NEVER};
use crate::load::{Rules, Variant, nft, restore, restore_sets};
use crate::netns::Namespace;
use crate::settle::{Room, fills_sets, noted, noted_by_nft, settled, unknown_facts};

/// What brings rules into the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loader {
    Iptables(Variant),
    Native,
}

impl Loader {
    pub const ALL: [Self; 3] =
        [Self::Iptables(Variant::Legacy), Self::Iptables(Variant::Nft), Self::Native];
}

pub struct Tested {
    /// Where it is from: a file, or `seed 7`.
    pub name: String,
    pub text: String,
    pub seed: u64,
    pub sets: Vec<Set>,
    pub meaning: Meaning,
    /// Whether packets put their sources into sets.
    pub fills_sets: bool,
    /// Conditions of which nobody knows whether they hold.
    pub unknown: BTreeSet<Arc<str>>,
    /// Whether it has words of iptables that are read for more than they are meant as.
    pub is_in_words: bool,
    /// Whether it says nothing of some chains of the kernel, which others may have filled.
    pub is_partial: bool,
    /// The rules, as they are read from what is printed.
    pub read: [Ruleset; 2],
    /// What those rules mean.
    pub read_meaning: Meaning,
    pub rules: Rules,
    /// `None` when nft has no words for a part of it.
    pub native: Option<String>,
}

impl Tested {
    /// A policy; `None` when it is refused.
    pub fn policy(name: &str, text: &str, mut files: MemoryLoader, seed: u64) -> Option<Self> {
        let mut sources = Sources::new();
        let root = sources.add("policy.fw", text);
        let resolved = resolve(root, &mut sources, &mut files);
        if has_errors(&resolved.findings) {
            return None;
        }
        let lowered = lower(&resolved.policy, &sources);
        let header = Header::default();
        let rules = Rules {
            sets: emit::ipsets(&lowered.v4, &lowered.v6, &header, &sources),
            v4: emit::iptables(&lowered.v4, &header, &sources),
            v6: emit::iptables(&lowered.v6, &header, &sources),
        };
        // Where it has words of iptables, of which not all is meant, what is read of them counts.
        let plain = meaning(&resolved.policy);
        let is_in_words = !unknown_facts(&plain).is_empty();
        let meaning = if is_in_words { understood(&resolved.policy) } else { plain };
        let read = Family::BOTH.map(|family| read_back(&rules, family));
        Some(Self {
            name: name.to_owned(),
            text: text.to_owned(),
            seed,
            fills_sets: fills_sets(&meaning),
            is_in_words,
            is_partial: false,
            unknown: unknown_facts(&meaning),
            meaning,
            sets: resolved.policy.sets,
            read_meaning: ruled(Some(&read[0]), Some(&read[1])).meaning,
            read,
            native: emit::nft(&lowered.v4, &lowered.v6, &header, &sources).ok(),
            rules,
        })
    }

    /// Rules that somebody else wrote.
    pub fn dump(name: &str, rules: Rules, seed: u64) -> Self {
        let read = Family::BOTH.map(|family| read_back(&rules, family));
        let [v4, v6] = &read;
        let meaning = ruled(Some(v4), Some(v6)).meaning;
        Self {
            name: name.to_owned(),
            text: format!("{}{}", rules.v4, rules.v6),
            seed,
            sets: Vec::new(),
            fills_sets: fills_sets(&meaning),
            unknown: unknown_facts(&meaning),
            read_meaning: meaning.clone(),
            meaning,
            read,
            rules,
            is_in_words: false,
            is_partial: true,
            native: None,
        }
    }

    /// The same rules, held to the meaning of a policy that was made from them.
    /// Of a family that nobody wrote rules for, those of the policy are taken.
    pub fn meant_as(mut self, policy: Tested) -> Self {
        let is_in_words = true;
        if self.rules.v6.is_empty() {
            self.rules.v6.clone_from(&policy.rules.v6);
        }
        let Tested { meaning, sets, text, unknown, fills_sets, .. } = policy;
        Self { text, sets, meaning, fills_sets, unknown, is_in_words, ..self }
    }

    /// What limits say while it is tested: half of the rulesets have room everywhere, half nowhere.
    pub fn room(&self) -> Room {
        if self.seed.is_multiple_of(2) { Room::Everywhere } else { Room::Nowhere }
    }

    /// Whether there are rules for this loader, which are then loaded.
    pub fn load(&self, router: &Namespace, loader: Loader) -> bool {
        let result = match loader {
            Loader::Iptables(variant) => self.restore(router, variant),
            Loader::Native => match &self.native {
                Some(native) => nft(router, &noted_by_nft(native)),
                None => return false,
            },
        };
        result.unwrap_or_else(|error| panic!("{loader:?}, {}: {error}\n{}", self.name, self.text));
        true
    }

    fn restore(&self, router: &Namespace, variant: Variant) -> Result<(), String> {
        // What another ruleset's rules have added is not of this one.
        router.output("ipset", &["flush"], "")?;
        restore_sets(router, &self.rules.sets)?;
        for family in Family::BOTH {
            if self.is_partial {
                restore(router, variant, family, EMPTY)?;
            }
            let text = with_docker(&noted(&settled(self.rules.of(family), self.room())));
            restore(router, variant, family, &text)?;
        }
        Ok(())
    }

    pub fn read_of(&self, family: Family) -> &Ruleset {
        &self.read[usize::from(family == Family::V6)]
    }
}

/// No rule in any chain.
const EMPTY: &str = "\
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
COMMIT
*mangle
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
COMMIT
*raw
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
*security
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
";

/// The rules of a family as their text is read.
fn read_back(rules: &Rules, family: Family) -> Ruleset {
    let mut sources = Sources::new();
    let sets = read_ipsets(sources.add("ipsets", &*rules.sets), &rules.sets).sets;
    let text = rules.of(family);
    let read = read_with_sets(sources.add("rules", text), text, Some(family), &sets);
    assert!(!has_errors(&read.findings), "{:#?}\n{text}", read.findings);
    let mut ruleset = read.ruleset;
    let chains = ruleset.tables.iter_mut().flat_map(|table| &mut table.chains);
    let rules = chains.flat_map(|chain| &mut chain.rules);
    for one in rules.flat_map(|rule| &mut rule.matches) {
        // What always happens or never is no chance, but a condition like others.
        if let MatchKind::OpaqueHistory(text) = &one.kind
            && (**text == *ALWAYS || **text == *NEVER)
        {
            one.kind = MatchKind::Opaque(text.clone());
        }
    }
    ruleset
}

/// Docker makes its chain the first of FORWARD.
fn with_docker(text: &str) -> String {
    if !text.contains("\n:DOCKER-USER ") || text.contains("-j DOCKER-USER") {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut is_filter = false;
    for line in text.lines() {
        is_filter = if line.starts_with('*') { line == "*filter" } else { is_filter };
        let is_chain = line.starts_with(':');
        if is_filter && !is_chain && (line.starts_with("-A") || line == "COMMIT") {
            out += "-A FORWARD -j DOCKER-USER\n";
            is_filter = false;
        }
        out += line;
        out += "\n";
    }
    out
}

/// The interfaces that a text names where no policy would have others, in order.
pub fn folder(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
