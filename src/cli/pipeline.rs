//! From a text to what the kernel loads: the stages as the commands call them.

use std::path::Path;
use std::sync::Arc;

use super::failure::Failure;
use super::formats::{Drawn, Emit, Shown};
use crate::analyze::{self, Dump, Text};
use crate::diagnostic::expectation::Expectations;
use crate::diagnostic::{Finding, Level, Lint, catalogue, json};
use crate::emit;
use crate::emit::graph::{Style, What};
use crate::lower::Lowered;
use crate::meaning::Meaning;
use crate::net::{Families, Family};
use crate::packet::Budget;
use crate::resolve::Policy;
use crate::ruleset::{KernelSet, Ruleset};
use crate::source::{FileId, Sources};

pub(super) use crate::analyze::difference::{Named, differences};
pub(super) use crate::analyze::equal::{Comparison, compare};
pub(super) use crate::analyze::expired;
pub(super) use crate::analyze::removal::{EditedText, Removal};
pub(super) use crate::analyze::ruled::leave_out_foreign;
pub(super) use crate::analyze::ruled::refused;
pub(super) use crate::analyze::ruled::ruled;
/// Everywhere with what the words of raw rules say, as far as they can be read.
pub(super) use crate::analyze::ruled::understood as meaning;
pub(super) use crate::diagnostic::expectation::settle;
pub(super) use crate::emit::Header;
pub(super) use crate::lower::lower;
pub(super) use crate::read::{Read, is_dump, is_ipset_dump, read_ipsets, read_with_sets};
pub(super) use crate::resolve::{ServiceInfo, resolve, resolve_asking, services};

/// Reads the rules of one family, where it is known what is in some sets. The family is the one that the
/// text speaks of, else the one that the name of the file ends in.
pub(super) fn read_rules(file: FileId, text: &str, path: &Path, sets: &[Arc<KernelSet>]) -> Read {
    let read = read_with_sets(file, text, None, sets);
    let ending = path.extension().and_then(|ending| ending.to_str());
    let named = match ending {
        Some("v4") => Some(Family::V4),
        Some("v6") => Some(Family::V6),
        _ => None,
    };
    match named.filter(|_| read.family_is_assumed) {
        Some(family) => read_with_sets(file, text, Some(family), sets),
        None => read,
    }
}

/// How rules differ from a meaning in some families; empty when they do not.
pub(super) fn compared(
    meaning: &Meaning,
    v4: Option<&Ruleset>,
    v6: Option<&Ruleset>,
    families: Families,
    named: Named<'_>,
) -> Vec<Finding> {
    differences(&comparison(meaning, v4, v6, families), named)
}

/// The same as what a comparison found.
pub(super) fn comparison(
    meaning: &Meaning,
    v4: Option<&Ruleset>,
    v6: Option<&Ruleset>,
    families: Families,
) -> Comparison {
    compare(meaning, &ruled(v4, v6).meaning, families, Budget::default())
}

/// Whether all of a policy is understood. The analysis is not asked about one that is not: what is
/// missing would make it say what is not so. (A rule that never matches is understood.)
pub(super) fn is_whole(found: &[Finding]) -> bool {
    !found
        .iter()
        .any(|finding| finding.level == Level::Error && finding.lint != &catalogue::NEVER_MATCHES)
}

/// What the analysis finds in a policy that is understood.
pub(super) fn analysed(
    policy: &Policy,
    meaning: &Meaning,
    sources: &Sources,
    expectations: &Expectations,
    shows: &dyn Fn(&Lint) -> bool,
) -> Vec<Finding> {
    analyze::findings(Text::Policy(policy), meaning, sources, expectations, shows)
}

/// What the analysis finds in a dump that is understood. It cannot say what it expects.
pub(super) fn analysed_dump(
    dump: &Dump,
    sources: &Sources,
    shows: &dyn Fn(&Lint) -> bool,
) -> Vec<Finding> {
    let expectations = Expectations::default();
    analyze::findings(Text::Dump(dump), dump.meaning(), sources, &expectations, shows)
}

/// One output as text.
pub(super) fn emit(
    what: Emit,
    lowered: &Lowered,
    header: &Header,
    sources: &Sources,
) -> Result<String, Failure> {
    let Lowered { v4, v6 } = lowered;
    Ok(match what {
        Emit::V4 => iptables(v4, header, sources)?,
        Emit::V6 => iptables(v6, header, sources)?,
        Emit::Ipsets => emit::ipsets(v4, v6, header, sources),
        Emit::Load => emit::load_script(v4, v6, header),
        Emit::Plan => emit::plan(v4, v6, sources),
        Emit::Json => json::pretty(&emit::plan_json(v4, v6, sources)),
        Emit::Nft => emit::nft(v4, v6, header, sources).map_err(|rules| untranslatable(&rules))?,
    })
}

/// The graph of a policy or a dump as text.
pub(super) fn graph(
    text: Text<'_>,
    meaning: &Meaning,
    name: &str,
    shown: Shown,
    drawn: Drawn,
    sources: &Sources,
) -> String {
    let relations = match shown {
        Shown::All | Shown::Rules => analyze::graph::relations(meaning),
        Shown::Chains => analyze::graph::Relations::none(),
    };
    let graph = analyze::graph::graph(text, meaning, &relations);
    let what = match shown {
        Shown::All => What::All,
        Shown::Rules => What::Rules,
        Shown::Chains => What::Chains,
    };
    let style = match drawn {
        Drawn::Dot => Style::Dot,
        Drawn::Mermaid => Style::Mermaid,
        Drawn::Svg => Style::Svg,
    };
    emit::graph::graph(&graph, name, what, style, sources)
}

/// A rules file, unless a rule of it has no words that the tools read: they would refuse the file.
fn iptables(ruleset: &Ruleset, header: &Header, sources: &Sources) -> Result<String, Failure> {
    let chains = ruleset.tables.iter().flat_map(|table| &table.chains);
    let reason = chains.flat_map(|chain| &chain.rules).find_map(emit::unwritable);
    match reason {
        None => Ok(emit::iptables(ruleset, header, sources)),
        Some(reason) => {
            Err(Failure::new(format!("iptables cannot say all of this policy: {reason}"))
                .help("this is a fault of palisade, not of the policy: please report it"))
        }
    }
}

fn untranslatable(rules: &[emit::Untranslatable]) -> Failure {
    let one = |rule: &emit::Untranslatable| {
        format!("{} {} {}: {}", rule.family, rule.table, rule.chain, rule.reason)
    };
    let all: Vec<String> = rules.iter().map(one).collect();
    Failure::new(format!("nft cannot say all of this policy: {}", all.join("; ")))
        .help("write rules.v4 and rules.v6 instead")
}
