//! From a text to what the kernel loads: the stages as the commands call them.

use super::build::Emit;
use super::failure::Failure;
use super::graph::{Drawn, Shown};
use crate::analyze;
use crate::analyze::ruled::understood;
use crate::diagnostic::expectation::Expectations;
use crate::diagnostic::{Finding, Level, Lint, catalogue, json};
use crate::emit;
use crate::emit::graph::{Style, What};
use crate::lower::Lowered;
use crate::meaning::Meaning;
use crate::net::Families;
use crate::packet::Budget;
use crate::read;
use crate::resolve::Policy;
use crate::ruleset::Ruleset;
use crate::source::Sources;

pub(super) use crate::analyze::difference::{Named, differences};
pub(super) use crate::analyze::equal::compare;
pub(super) use crate::analyze::expired;
pub(super) use crate::analyze::removal::{EditedText, Removal};
pub(super) use crate::analyze::ruled::leave_out_foreign;
pub(super) use crate::analyze::ruled::ruled;
pub(super) use crate::diagnostic::expectation::settle;
pub(super) use crate::emit::Header;
pub(super) use crate::lower::lower;
pub(super) use crate::meaning::meaning;
pub(super) use crate::read::{is_dump, is_ipset_dump, read_ipsets, read_with_sets};
pub(super) use crate::resolve::{ServiceInfo, resolve, resolve_asking, services};

/// What a policy means, with the words of its raw rules as what they say.
pub(super) fn known_meaning(policy: &Policy) -> Meaning {
    understood(policy, meaning(policy), &|span, text, family, is_chain| {
        let words = read::read_rule(span, text, family, is_chain).ok()?;
        Some((words.matches, words.target))
    })
}

/// How rules differ from a meaning in some families; empty when they do not.
pub(super) fn compared(
    meaning: &Meaning,
    v4: Option<&Ruleset>,
    v6: Option<&Ruleset>,
    families: Families,
    named: Named<'_>,
) -> Vec<Finding> {
    let rules = ruled(v4, v6).meaning;
    let comparison = compare(meaning, &rules, families, Budget::default());
    differences(&comparison, named)
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
    sources: &Sources,
    expectations: &Expectations,
    shows: &dyn Fn(&Lint) -> bool,
) -> Vec<Finding> {
    analyze::findings(policy, &meaning(policy), sources, expectations, shows)
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

/// The graph of a policy as text.
pub(super) fn graph(
    policy: &Policy,
    name: &str,
    shown: Shown,
    drawn: Drawn,
    sources: &Sources,
) -> String {
    let meaning = meaning(policy);
    let relations = match shown {
        Shown::All | Shown::Rules => analyze::graph::relations(&meaning),
        Shown::Chains => analyze::graph::Relations::none(),
    };
    let graph = analyze::graph::graph(policy, &meaning, &relations);
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
