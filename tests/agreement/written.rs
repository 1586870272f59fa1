//! What is written for a policy, as the texts that it is, and read again.

use std::sync::Arc;

use palisade::analyze::ruled::understood;
use palisade::diagnostic::has_errors;
use palisade::emit::{self, Header};
use palisade::lower::lower;
use palisade::meaning::Meaning;
use palisade::net::Family;
use palisade::read::{read_ipsets, read_with_sets};
use palisade::resolve::resolve;
use palisade::ruleset::{KernelSet, Ruleset};
use palisade::source::{MemoryLoader, Sources};

pub struct Written {
    /// With what the words of raw rules say.
    pub meaning: Meaning,
    /// The file of sets.
    pub ipsets: String,
    v4: String,
    v6: String,
    sets: Vec<Arc<KernelSet>>,
}

impl Written {
    /// `None` when the policy is refused.
    pub fn of(text: &str, mut loader: MemoryLoader) -> Option<Self> {
        let mut sources = Sources::new();
        let root = sources.add("policy.fw", text);
        let resolved = resolve(root, &mut sources, &mut loader);
        if has_errors(&resolved.findings) {
            return None;
        }
        let policy = resolved.policy;
        let lowered = lower(&policy, &sources);
        let header = Header::default();
        let ipsets = emit::ipsets(&lowered.v4, &lowered.v6, &header, &sources);
        let read = read_ipsets(sources.add("ipsets", ipsets.as_str()), &ipsets);
        assert_eq!(read.findings, [], "{ipsets}");
        let meaning = understood(&policy);
        let [v4, v6] = [&lowered.v4, &lowered.v6].map(|of| emit::iptables(of, &header, &sources));
        Some(Written { meaning, ipsets, v4, v6, sets: read.sets })
    }

    pub fn text(&self, family: Family) -> &str {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    /// What the rules of a family say; `None` when the tools would refuse them.
    pub fn read(&self, family: Family, text: &str) -> Option<Ruleset> {
        let file = Sources::new().add("rules", text);
        let read = read_with_sets(file, text, Some(family), &self.sets);
        (!has_errors(&read.findings)).then_some(read.ruleset)
    }
}
