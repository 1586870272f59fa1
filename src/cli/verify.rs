//! `palisade verify`: is what is deployed what is written?

use std::path::{Path, PathBuf};

use clap::Args;

use super::Outcome;
use super::check::FindingFormat;
use super::deployed::{Deployed, counted};
use super::failure::Failure;
use super::front::{self, Checked, Depth};
use super::levels::LevelOptions;
use super::pipeline;
use super::terminal::Terminal;
use crate::diagnostic::{Finding, catalogue, has_errors};
use crate::net::{Families, Family};

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
        policy.judge();
        if has_errors(&policy.findings) {
            self.format.print(std::slice::from_ref(&policy), policy.outcome(), false, terminal)?;
            return Ok(policy.outcome());
        }
        policy.findings.clear();
        let names: Vec<String> = self.dumps.iter().map(|path| name_of(path, &policy)).collect();
        let dumps = self.dumps.iter().map(PathBuf::as_path).zip(names);
        let mut deployed = Deployed::read(dumps, &mut policy.sources, &mut policy.findings)?;
        if has_errors(&policy.findings) {
            self.format.print(std::slice::from_ref(&policy), Outcome::Undone, false, terminal)?;
            return Ok(Outcome::Undone);
        }
        leave_out_foreign(&mut deployed, &mut policy);
        let families = deployed.families();
        if let Some(resolved) = &policy.policy {
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

/// Under `preserve`, what others have is not compared.
fn leave_out_foreign(deployed: &mut Deployed, policy: &mut Checked) {
    let Some(resolved) = policy.policy.as_ref().filter(|policy| policy.preserve.is_some()) else {
        return;
    };
    for ruleset in [&mut deployed.v4, &mut deployed.v6].into_iter().flatten() {
        let foreign = pipeline::leave_out_foreign(ruleset, resolved.docker.is_some());
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

/// As the user wrote it, where that leads from the policy's folder too.
fn name_of(path: &Path, policy: &Checked) -> String {
    let written = path.to_string_lossy().into_owned();
    if policy.names == crate::diagnostic::report::Names::default() {
        return written;
    }
    std::path::absolute(path).map_or(written, |path| path.to_string_lossy().into_owned())
}
