//! `palisade verify`: is what is deployed what is written?

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::Outcome;
use super::check::FindingFormat;
use super::failure::Failure;
use super::front::{self, Checked, Depth};
use super::levels::LevelOptions;
use super::pipeline;
use super::terminal::Terminal;
use crate::diagnostic::{Finding, catalogue, has_errors};
use crate::net::{Families, Family};
use crate::ruleset::{KernelSet, Ruleset};

const EXAMPLES: &str = "\
A dump is what iptables-save or ip6tables-save prints, or a rules file; what `ipset save` prints tells
what is in sets. Rules in another order are equal if every packet meets the same.

Under `preserve` the chains of other programs are left out.

Exit status: 0 equal, 1 not equal or the policy is at fault, 2 the work could not be done.

Examples:
  iptables-save > now.v4; ip6tables-save > now.v6
  palisade verify web.fw now.v4 now.v6
  palisade verify web.fw /etc/iptables/rules.v4 --format json";

/// Compare a policy with the rules that are deployed
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Verify {
    /// The policy; `-` is standard input
    policy: PathBuf,

    /// Dumps of rules, one a family, and of sets
    #[arg(required = true, value_name = "DUMP")]
    dumps: Vec<PathBuf>,

    /// How differences are written
    #[arg(long, value_enum, default_value_t = FindingFormat::Human)]
    format: FindingFormat,

    #[command(flatten)]
    levels: LevelOptions,
}

impl Verify {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<Outcome, Failure> {
        let levels = self.levels.levels()?;
        let mut policy = front::check(&self.policy, &levels, Depth::Words)?;
        policy.needs_policy("verify")?;
        policy.judge();
        if has_errors(&policy.findings) {
            self.format.print(std::slice::from_ref(&policy), policy.outcome(), false, terminal)?;
            return Ok(policy.outcome());
        }
        policy.findings.clear();
        let mut deployed = Deployed::read(&self.dumps, &mut policy)?;
        if has_errors(&policy.findings) {
            self.format.print(std::slice::from_ref(&policy), Outcome::Undone, false, terminal)?;
            return Ok(Outcome::Undone);
        }
        deployed.leave_out_foreign(&mut policy);
        let families = deployed.families();
        if let Some(resolved) = policy.policy() {
            let meaning = pipeline::known_meaning(resolved);
            let (v4, v6) = (deployed.v4.as_ref(), deployed.v6.as_ref());
            let found = pipeline::compared(&meaning, v4, v6, families, POLICY_AND_RULES);
            policy.findings.extend(found);
        }
        let outcome = policy.outcome();
        self.format.print(std::slice::from_ref(&policy), outcome, false, terminal)?;
        if outcome == Outcome::Clean && self.format == FindingFormat::Human {
            terminal.print(&equal(&policy.title, families))?;
        }
        Ok(outcome)
    }
}

const POLICY_AND_RULES: pipeline::Named<'static> =
    pipeline::Named { left: "the policy", right: "the rules" };

/// The good news, and what they are not about.
fn equal(title: &str, families: Families) -> String {
    let all = |family: Family| families.contains(family);
    match (all(Family::V4), all(Family::V6)) {
        (true, false) => format!(
            "equal: every IPv4 packet meets what {title} says; \
             for IPv6 give what ip6tables-save prints too\n"
        ),
        (false, true) => format!(
            "equal: every IPv6 packet meets what {title} says; \
             for IPv4 give what iptables-save prints too\n"
        ),
        (true, true) | (false, false) => {
            format!("equal: every IPv4 and IPv6 packet meets what {title} says\n")
        }
    }
}

/// The rules of a machine, as dumps tell.
#[derive(Default)]
struct Deployed {
    v4: Option<Ruleset>,
    v6: Option<Ruleset>,
}

impl Deployed {
    /// Reads dumps. What is wrong with them is put among the findings of the policy, whose sources get
    /// their texts.
    fn read(paths: &[PathBuf], policy: &mut Checked) -> Result<Self, Failure> {
        let mut rules = Vec::new();
        let mut sets: Vec<Arc<KernelSet>> = Vec::new();
        for path in paths {
            let text = front::read(path)?;
            let file = policy.sources.add(name_of(path, policy), Arc::clone(&text));
            if pipeline::is_dump(&text) {
                rules.push((path, file, text));
            } else if pipeline::is_ipset_dump(&text) {
                let read = pipeline::read_ipsets(file, &text);
                sets.extend(read.sets);
                policy.findings.extend(read.findings);
            } else {
                let failure = Failure::new(format!("{} is no dump of rules", path.display()));
                return Err(
                    failure.help("give what iptables-save, ip6tables-save or `ipset save` prints")
                );
            }
        }
        let mut deployed = Deployed::default();
        for (path, file, text) in rules {
            let read = pipeline::read_with_sets(file, &text, None, &sets);
            policy.findings.extend(read.findings);
            let family = read.ruleset.family;
            let place = match family {
                Family::V4 => &mut deployed.v4,
                Family::V6 => &mut deployed.v6,
            };
            if place.replace(read.ruleset).is_some() {
                let failure =
                    Failure::new(format!("{} is a second dump of {family}", path.display()));
                return Err(failure.help("give one dump a family"));
            }
        }
        if deployed.families().is_empty() {
            return Err(Failure::new("there is no dump of rules")
                .help("give what iptables-save or ip6tables-save prints"));
        }
        Ok(deployed)
    }

    fn families(&self) -> Families {
        match (&self.v4, &self.v6) {
            (Some(_), Some(_)) => Families::BOTH,
            (Some(_), None) => Families::only(Family::V4),
            (None, Some(_)) => Families::only(Family::V6),
            (None, None) => Families::NONE,
        }
    }

    /// Under `preserve`, what others have is not compared.
    fn leave_out_foreign(&mut self, policy: &mut Checked) {
        let preserving = policy.policy().filter(|policy| policy.preserve.is_some());
        let Some(has_docker) = preserving.map(|policy| policy.docker.is_some()) else { return };
        for ruleset in [&mut self.v4, &mut self.v6].into_iter().flatten() {
            let foreign = pipeline::leave_out_foreign(ruleset, has_docker);
            if foreign.rules + foreign.chains > 0 {
                let message = format!(
                    "{} and {} of other programs are left out ({})",
                    counted(foreign.rules, "rule"),
                    counted(foreign.chains, "chain"),
                    ruleset.family
                );
                policy.findings.push(Finding::without_place(&catalogue::FOREIGN_RULES, message));
            }
        }
    }
}

fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

/// As the user wrote it, where that leads from the policy's folder too.
fn name_of(path: &Path, policy: &Checked) -> String {
    let written = path.to_string_lossy().into_owned();
    if policy.names == crate::diagnostic::report::Names::default() {
        return written;
    }
    std::path::absolute(path).map_or(written, |path| path.to_string_lossy().into_owned())
}
