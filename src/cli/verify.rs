//! `palisade verify`: is what is deployed what is written?

use std::path::PathBuf;

use clap::Args;

use super::Outcome;
use super::deployed::{Deployed, Purpose, give_the_other};
use super::failure::Stop;
use super::formats::FindingFormat;
use super::front::{Checked, Depth, Reading};
use super::given::{dumps, stdin_once};
use super::pipeline::{self, Named};
use super::terminal::Terminal;
use super::terms::TermOptions;
use crate::diagnostic::bound::bounded;
use crate::diagnostic::report::Names;
use crate::net::Families;

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

    /// Dumps of rules, one a family, and of sets, or a folder of them
    #[arg(required = true, value_name = "DUMP")]
    dumps: Vec<PathBuf>,

    /// How differences are written
    #[arg(long, value_enum, default_value_t = FindingFormat::Human)]
    format: FindingFormat,

    #[command(flatten)]
    terms: TermOptions,
}

impl Verify {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<Outcome, Stop> {
        let terms = self.terms.terms()?;
        stdin_once([&self.policy].into_iter().chain(&self.dumps))?;
        let reading = Reading::to(Depth::Words, &terms);
        let reading = reading.for_policies("verify", "`palisade diff` compares any two");
        let mut policy = reading.path(&self.policy)?;
        policy.judge();
        if policy.outcome() != Outcome::Clean {
            return self.tell(&policy, policy.outcome(), terminal);
        }
        policy.findings.clear();
        let in_folder = policy.names != Names::default();
        let Checked { sources, findings, .. } = &mut policy;
        let dumps = dumps(&self.dumps, &terms.within)?;
        let purpose = Purpose::Question(&terms);
        let mut deployed = Deployed::read(dumps, in_folder, purpose, sources, findings)?;
        if !deployed.is_whole {
            return self.tell(&policy, Outcome::Undone, terminal);
        }
        let left_out = deployed.leave_out_foreign(policy.policy());
        policy.findings.extend(policy.judged(left_out));
        let families = deployed.families();
        if let Some(resolved) = policy.policy() {
            let meaning = pipeline::meaning(resolved);
            let (v4, v6) = (deployed.v4.as_ref(), deployed.v6.as_ref());
            let found = pipeline::compared(&meaning, v4, v6, families, Named::POLICY_AND_RULES);
            policy.findings.extend(found);
        }
        (policy.findings, _) = bounded(std::mem::take(&mut policy.findings));
        let outcome = self.tell(&policy, policy.outcome(), terminal)?;
        if outcome == Outcome::Clean && self.format == FindingFormat::Human {
            terminal.print(&equal(&policy.title, families))?;
        }
        Ok(outcome)
    }

    fn tell(
        &self,
        policy: &Checked,
        outcome: Outcome,
        terminal: &Terminal,
    ) -> Result<Outcome, Stop> {
        self.format.print(std::slice::from_ref(policy), outcome, false, terminal)?;
        Ok(outcome)
    }
}

/// The good news, and what they are not about.
fn equal(title: &str, families: Families) -> String {
    let all: Vec<String> = families.each().map(|family| family.to_string()).collect();
    let more = give_the_other(families).map(|more| format!("; {more}")).unwrap_or_default();
    format!("equal: every {} packet meets what {title} says{more}\n", all.join(" and "))
}
