//! A question in the language's words, about a policy or about the rules of a machine.
//!
//! A dump has no names of its own but those of interfaces: each is a zone where such a question is asked, so
//! that `192.0.2.1@eth0` is a host behind it, and a slip in a name is found.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use super::deployed::{Deployed, Purpose, tell};
use super::failure::{Failure, Stop};
use super::formats::Format;
use super::front::{Checked, Depth, Reading, misunderstood};
use super::given::{Given, Subject, stdin_once};
use super::pipeline;
use super::terminal::Terminal;
use super::terms::Terms;
use crate::analyze::{Dump, Rules, Text};
use crate::diagnostic::Finding;
use crate::diagnostic::report::Names;
use crate::meaning::Meaning;
use crate::net::{Families, Interface};
use crate::resolve::Policy;
use crate::resolve::policy::Promise;
use crate::ruleset::{MatchKind, Ruleset};
use crate::source::{MemoryLoader, Sources};
use crate::syntax;

/// A question that is understood, with those who answer it.
pub(super) struct Asked {
    pub(super) sources: Sources,
    pub(super) names: Names,
    /// In whose words it is asked, and whose names the answer may use.
    pub(super) policy: Policy,
    pub(super) promise: Promise,
    answering: Answering,
}

enum Answering {
    /// The policy itself.
    Policy(Meaning),
    /// A dump of each family, or of one.
    Dumps(Vec<Dump>),
}

impl Asked {
    /// The rules that answer, those of different families apart.
    pub(super) fn rules(&self) -> Vec<Rules<'_>> {
        match &self.answering {
            Answering::Policy(meaning) => {
                vec![Rules { text: Text::Policy(&self.policy), meaning }]
            }
            Answering::Dumps(dumps) => dumps.iter().map(Dump::rules_at_work).collect(),
        }
    }

    /// The families that the answer is about.
    pub(super) fn families(&self) -> Families {
        let of = |rules: &Rules<'_>| rules.text.families();
        self.rules().iter().map(of).fold(Families::NONE, |all, these| Families {
            v4: all.v4 || these.v4,
            v6: all.v6 || these.v6,
        })
    }
}

/// Asks what is at some paths. A mistake in the question is a failure, `what` it is called there.
pub(super) fn ask(
    paths: &[PathBuf],
    terms: &Terms,
    question: (&str, &str),
    format: Format,
    terminal: &Terminal,
) -> Result<Asked, Stop> {
    stdin_once(paths)?;
    match Subject::at(paths, &terms.within)? {
        Subject::Policy(given) => {
            let reading = Reading::to(Depth::Words, terms);
            let (mut checked, promise) = reading.asked(given, question, format, terminal)?;
            let (Some(promise), Some(policy)) = (promise, checked.take_policy()) else {
                return Err(unreadable(question.0).into());
            };
            let answering = Answering::Policy(pipeline::meaning(&policy));
            let Checked { sources, names, .. } = checked;
            Ok(Asked { sources, names, policy, promise, answering })
        }
        Subject::Dumps(dumps) => ask_dumps(dumps, terms, question, format, terminal),
    }
}

fn unreadable(what: &str) -> Failure {
    Failure::new(format!("{what} cannot be read"))
}

fn ask_dumps(
    dumps: Vec<Given>,
    terms: &Terms,
    (what, question): (&str, &str),
    format: Format,
    terminal: &Terminal,
) -> Result<Asked, Stop> {
    let (mut sources, mut findings) = (Sources::new(), Vec::new());
    let purpose = Purpose::Question(terms);
    let deployed = Deployed::read(dumps, false, purpose, &mut sources, &mut findings)?;
    deployed.pass(&sources, &findings, format, terminal)?;
    tell(&sources, &findings, terminal);
    let rulesets: Vec<&Ruleset> = deployed.v4.iter().chain(&deployed.v6).collect();
    let names = sources.add("the interfaces of the rules", zones(&rulesets));
    let file = sources.add(what, question);
    let mut loader = MemoryLoader::default();
    let resolved = pipeline::resolve_asking(names, file, &mut sources, &mut loader);
    let is_asked = |finding: &Finding| finding.span.is_some_and(|span| span.file() == file);
    let wrong = resolved.findings.into_iter().filter(is_asked).collect();
    if let Some(failure) = misunderstood(what, question, wrong, &sources) {
        return Err(failure.into());
    }
    let mut policy = resolved.policy;
    let promise = policy.promises.pop().ok_or_else(|| unreadable(what))?;
    let answering = Answering::Dumps(deployed.dumps());
    Ok(Asked { sources, names: Names::default(), policy, promise, answering })
}

/// A zone for each interface that rules name, where its name can be that of a zone.
fn zones(rulesets: &[&Ruleset]) -> String {
    let tables = rulesets.iter().flat_map(|ruleset| &ruleset.tables);
    let rules = tables.flat_map(|table| &table.chains).flat_map(|chain| &chain.rules);
    let named = rules.flat_map(|rule| &rule.matches).filter_map(|found| match &found.kind {
        MatchKind::In(interface) | MatchKind::Out(interface) => Some(interface),
        _ => None,
    });
    let is_zone = |interface: &&Interface| {
        !interface.is_wildcard()
            && **interface != Interface::loopback()
            && syntax::is_name(interface.stem())
    };
    let named: BTreeSet<&str> = named.filter(is_zone).map(Interface::stem).collect();
    named.into_iter().fold(String::new(), |mut text, name| {
        let _ = writeln!(text, "zone {name} = {name}");
        text
    })
}
