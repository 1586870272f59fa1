//! From a path to a policy, or a dump of rules, and its findings: the half that commands share.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Outcome;
use super::deployed::KnownSets;
use super::failure::{Failure, Stop};
use super::formats::Format;
use super::given::{Given, Kind, Root, unusable};
use super::levels::Levels;
use super::loader::DiskLoader;
use super::pipeline::{self, Read};
use super::terminal::Terminal;
use super::terms::Terms;
use super::within::Within;
use crate::analyze::Dump;
use crate::diagnostic::bound::bounded;
use crate::diagnostic::expectation::Expectations;
use crate::diagnostic::report::{Counts, Names, Report};
use crate::diagnostic::{Finding, Level, Lint, catalogue};
use crate::meaning::Meaning;
use crate::packet::shares::both;
use crate::resolve::policy::{Item, Promise};
use crate::resolve::{Policy, Resolved};
use crate::source::{File, FileId, MemoryLoader, Sources};

/// How a dump becomes what most commands take.
pub(super) const IMPORT: &str = "`palisade import` makes a policy of it";

/// How far a policy is looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// Whether it says something.
    Words,
    /// Also what its rules do to each other.
    Rules,
}

/// What a text turned out to be.
pub(super) enum Content {
    /// No text at all, or it was let go.
    Nothing,
    Policy(Box<Policy>),
    Dump(Box<Dump>),
}

/// A policy that is understood, before its rules are looked at.
pub(super) struct Understood<'p> {
    pub(super) policy: &'p Policy,
    pub(super) meaning: &'p Meaning,
    pub(super) sources: &'p Sources,
    /// In include order.
    pub(super) files: &'p [FileId],
    /// So far.
    pub(super) findings: &'p [Finding],
}

/// The same, owned.
struct Said {
    policy: Policy,
    findings: Vec<Finding>,
    expectations: Expectations,
    files: Vec<FileId>,
    /// Whether all of it is understood.
    is_whole: bool,
    /// Of one whose rules are to be looked into.
    meaning: Option<Meaning>,
}

/// What is done with such a policy while its rules are looked at.
pub(super) type Meanwhile<'b> = Box<dyn FnOnce(&Understood<'_>) + Send + 'b>;

/// A policy or a dump that was read as far as it could be.
pub(super) struct Checked {
    /// As summaries call it.
    pub(super) title: String,
    pub(super) sources: Sources,
    pub(super) names: Names,
    pub(super) findings: Vec<Finding>,
    /// Findings beyond those that are told, with the edits that mend them.
    pub(super) untold: Vec<Finding>,
    /// How many findings an `expect` accepted.
    pub(super) expected: usize,
    /// How the findings are judged: by the command line and by the file beside the policy.
    levels: Levels,
    /// Where its files may be, and what is written of it.
    pub(super) within: Within,
    depth: Depth,
    /// What includes are relative to.
    folder: PathBuf,
    path: PathBuf,
    /// In include order.
    pub(super) files: Vec<FileId>,
    /// Canonical paths of the root, unless it is standard input, and of all included files.
    pub(super) root: Option<PathBuf>,
    pub(super) included: Vec<PathBuf>,
    pub(super) content: Content,
    pub(super) is_dump: bool,
    /// How many rules are written, those of chains included.
    pub(super) rules: usize,
    /// What a policy says, if its rules were looked into.
    meaning: Option<Meaning>,
    /// Whether all of it is understood, so that something can be said about its rules.
    pub(super) is_whole: bool,
}

impl Checked {
    pub(super) fn report(&self) -> Report<'_> {
        Report {
            root: &self.title,
            sources: &self.sources,
            names: &self.names,
            findings: &self.findings,
            expected: self.expected,
        }
    }

    pub(super) fn counts(&self) -> Counts {
        self.report().counts()
    }

    /// How a run over this policy ends if nothing else happens.
    pub(super) fn outcome(&self) -> Outcome {
        let unreadable = &catalogue::UNREADABLE_FILE;
        if self.findings.iter().any(|finding| finding.lint == unreadable) {
            Outcome::Undone
        } else if self.counts().errors > 0 {
            Outcome::AtFault
        } else {
            Outcome::Clean
        }
    }

    /// Other findings about it at the levels asked for, without those that are not to be shown.
    pub(super) fn judged(&self, findings: Vec<Finding>) -> Vec<Finding> {
        self.levels.apply(findings)
    }

    /// Gives each finding the level asked for, and takes out what is not to be shown, nor told.
    pub(super) fn judge(&mut self) {
        let shown = self.levels.apply(std::mem::take(&mut self.findings));
        let (told, more) = bounded(shown);
        self.findings = told;
        self.untold.extend(more.into_iter().filter(|finding| finding.fix.is_some()));
    }

    /// Judges the findings and tells them to people. Nothing may follow when it is at fault, which is told
    /// in the format of the answer.
    pub(super) fn tell(&mut self, format: Format, terminal: &Terminal) -> Result<(), Stop> {
        self.pass(format, terminal)?;
        if !self.findings.is_empty() {
            terminal.tell_findings(&self.report());
            terminal.tell_summary(&self.title, self.counts());
        }
        Ok(())
    }

    /// The same for who has nothing to tell of what is not at fault.
    pub(super) fn pass(&mut self, format: Format, terminal: &Terminal) -> Result<(), Stop> {
        self.judge();
        match self.outcome() {
            Outcome::Clean => Ok(()),
            outcome @ (Outcome::AtFault | Outcome::Undone) => {
                Err(terminal.refuse(&self.report(), self.rules, format, outcome))
            }
        }
    }

    /// The policy, if it is one.
    pub(super) fn policy(&self) -> Option<&Policy> {
        match &self.content {
            Content::Policy(policy) => Some(policy),
            Content::Dump(_) | Content::Nothing => None,
        }
    }

    /// What the policy says; `None` if it is none.
    pub(super) fn meaning(&self) -> Option<Cow<'_, Meaning>> {
        let made = || self.policy().map(pipeline::meaning).map(Cow::Owned);
        self.meaning.as_ref().map(Cow::Borrowed).or_else(made)
    }

    /// The policy, if it is one, for whoever needs nothing else of it.
    pub(super) fn take_policy(&mut self) -> Option<Policy> {
        match std::mem::replace(&mut self.content, Content::Nothing) {
            Content::Policy(policy) => Some(*policy),
            Content::Dump(_) | Content::Nothing => None,
        }
    }

    /// Keeps what is told of it, and nothing else.
    pub(super) fn let_go(&mut self) {
        self.content = Content::Nothing;
        self.meaning = None;
    }

    /// What was resolved, with what it says if its rules are to be looked into and can be.
    fn said(&self, resolved: Resolved) -> Said {
        let Resolved { policy, mut findings, expectations, files } = resolved;
        if pipeline::is_whole(&findings) {
            findings.extend(pipeline::refused(&policy));
        }
        findings.extend(pipeline::expired(&policy, &expectations, self.levels.today));
        let is_whole = pipeline::is_whole(&findings);
        let meaning = (self.depth == Depth::Rules && is_whole).then(|| pipeline::meaning(&policy));
        Said { policy, findings, expectations, files, is_whole, meaning }
    }

    /// Takes in what a policy says, with what the later stages find, and settles what is expected.
    fn take(&mut self, said: Said, meanwhile: Option<Meanwhile<'_>>) {
        let depth = self.depth;
        let Said { policy, mut findings, expectations, files, is_whole, meaning } = said;
        let shows = |lint: &Lint| self.levels.shows(lint);
        // Who does not look at rules does not know what is missing.
        let is_looked_for = |lint: &Lint| depth == Depth::Rules && shows(lint);
        if let Some(meaning) = &meaning {
            let sources = &self.sources;
            let understood = Understood {
                policy: &policy,
                meaning,
                sources,
                files: &files,
                findings: &findings,
            };
            let look = || pipeline::analysed(&policy, meaning, sources, &expectations, &shows);
            let found = match meanwhile {
                Some(meanwhile) => both(|| meanwhile(&understood), look).1,
                None => look(),
            };
            findings.extend(found);
        }
        self.is_whole = is_whole;
        self.meaning = meaning;
        let settled = pipeline::settle(findings, &expectations, is_looked_for);
        self.findings = settled.findings;
        self.expected = settled.expected;
        self.files = files;
        self.rules = rules_of(&policy);
        self.content = Content::Policy(Box::new(policy));
    }

    /// Takes in a dump, with what is found in it.
    fn dump(&mut self, name: String, text: &Arc<str>, sets: &[Given]) -> Result<(), Failure> {
        let file = self.sources.add(name, Arc::clone(text));
        let in_folder = self.names != Names::default();
        let mut known = KnownSets::default();
        for (name, text) in sets.iter().filter_map(|given| given.named(in_folder)) {
            known.read(&name, text, &mut self.sources)?;
        }
        let read = pipeline::read_rules(file, text, &self.path, &known.sets);
        self.take_dump(file, read, known.findings);
        Ok(())
    }

    fn take_dump(&mut self, file: FileId, read: Read, of_sets: Vec<Finding>) {
        let shows = |lint: &Lint| self.levels.shows(lint);
        let dump = Dump::of(read.ruleset, read.declared);
        let mut findings = read.findings;
        findings.extend(of_sets);
        self.is_whole = pipeline::is_whole(&findings);
        if self.depth == Depth::Rules && self.is_whole {
            findings.extend(pipeline::analysed_dump(&dump, &self.sources, &shows));
        }
        self.findings = findings;
        self.files = vec![file];
        (self.is_dump, self.rules) = (true, dump.ruleset.rule_count());
        self.content = Content::Dump(Box::new(dump));
    }

    /// The same policy with other texts in the place of some of its files, if it is whole then and what it
    /// says is `right`: nothing is read again.
    pub(super) fn with_texts(
        &self,
        texts: &BTreeMap<FileId, Arc<str>>,
        right: impl FnOnce(&Meaning) -> bool,
    ) -> Option<Checked> {
        let mut checked = Checked {
            title: self.title.clone(),
            sources: Sources::new(),
            names: self.names.clone(),
            levels: self.levels.clone(),
            within: self.within.clone(),
            folder: self.folder.clone(),
            path: self.path.clone(),
            root: self.root.clone(),
            included: self.included.clone(),
            findings: Vec::new(),
            untold: Vec::new(),
            expected: 0,
            depth: self.depth,
            files: Vec::new(),
            content: Content::Nothing,
            is_dump: false,
            rules: 0,
            meaning: None,
            is_whole: false,
        };
        let text = |(id, file): (FileId, &File)| {
            (file.name().to_owned(), Arc::clone(texts.get(&id).unwrap_or(file.text())))
        };
        let mut own = self.sources.files().filter(|(_, file)| !file.is_built_in()).map(text);
        let (name, root) = own.next()?;
        let mut loader = MemoryLoader::new(own);
        let id = checked.sources.add(name, root);
        let resolved = pipeline::resolve(id, &mut checked.sources, &mut loader);
        let said = checked.said(resolved);
        if !said.meaning.as_ref().is_some_and(right) {
            return None;
        }
        checked.take(said, None);
        checked.judge();
        Some(checked)
    }

    /// Where a file of the policy is on disk; `None` for standard input and what is built in.
    pub(super) fn on_disk(&self, id: FileId) -> Option<PathBuf> {
        let file = self.sources.file(id);
        match self.files.first() {
            _ if file.is_built_in() => None,
            Some(root) if *root == id => self.root.is_some().then(|| self.path.clone()),
            Some(_) | None => Some(self.folder.join(file.name())),
        }
    }

    /// Every file on disk that the policy is made of.
    pub(super) fn inputs(&self) -> impl Iterator<Item = &Path> {
        self.root.iter().chain(&self.included).map(PathBuf::as_path)
    }
}

/// How many rules a policy has, those of chains included.
fn rules_of(policy: &Policy) -> usize {
    let in_chains: usize = policy.chains.iter().map(|chain| chain.rules.len()).sum();
    let written = policy.items.iter().map(|item| match item {
        Item::Rule(_) | Item::Nat(_) | Item::Alter(_) | Item::Raw(_) => 1,
    });
    in_chains + written.sum::<usize>()
}

/// How something is read: a policy or a dump, as its text tells.
///
/// What the system refuses for the root itself is a failure, as is a mistake in the file beside it; a
/// root that is no text is a finding.
pub(super) struct Reading<'r> {
    terms: &'r Terms,
    depth: Depth,
    sets: &'r [Given],
    /// What takes policies only, and what can be done with a dump instead.
    command: Option<(&'r str, &'r str)>,
    meanwhile: Option<Meanwhile<'r>>,
}

impl<'r> Reading<'r> {
    pub(super) fn to(depth: Depth, terms: &'r Terms) -> Self {
        Reading { terms, depth, sets: &[], command: None, meanwhile: None }
    }

    /// Of a dump it is known what is in the sets that others tell.
    pub(super) fn with_sets(self, sets: &'r [Given]) -> Self {
        Reading { sets, ..self }
    }

    /// For a command of this name, which takes no dump. One is refused before it is looked into: `instead`
    /// is what can be done with it.
    pub(super) fn for_policies(self, command: &'r str, instead: &'r str) -> Self {
        Reading { command: Some((command, instead)), ..self }
    }

    /// With something that is done while rules are looked at, if the policy is understood.
    pub(super) fn meanwhile(self, done: Meanwhile<'r>) -> Self {
        Reading { meanwhile: Some(done), ..self }
    }

    /// Reads what is at a path; `-` is standard input.
    pub(super) fn path(self, path: &Path) -> Result<Checked, Failure> {
        let given = Given::read(path, &self.terms.within);
        self.given(given)
    }

    /// Reads on, of a text that was read already.
    pub(super) fn given(self, given: Given) -> Result<Checked, Failure> {
        self.read(given, None).map(|(checked, _)| checked)
    }

    /// Asks a policy something: a statement about its names, which is then the last of its promises. The
    /// policy's own promises and rules are not judged.
    ///
    /// A mistake in the question is a failure; `what` it is called there.
    pub(super) fn asked(
        self,
        given: Given,
        (what, question): (&str, &str),
        format: Format,
        terminal: &Terminal,
    ) -> Result<(Checked, Option<Promise>), Stop> {
        let (mut checked, wrong) = self.read(given, Some((what, question)))?;
        checked.pass(format, terminal)?;
        if let Some(failure) = misunderstood(what, question, wrong, &checked.sources) {
            return Err(failure.into());
        }
        let promise = match &mut checked.content {
            Content::Policy(policy) => policy.promises.pop(),
            Content::Dump(_) | Content::Nothing => None,
        };
        Ok((checked, promise))
    }

    /// Reads a policy, with a question if there is one; what is wrong with that is apart.
    fn read(
        self,
        given: Given,
        question: Option<(&str, &str)>,
    ) -> Result<(Checked, Vec<Finding>), Failure> {
        let Reading { terms, depth, sets, command, meanwhile } = self;
        let kind = given.kind();
        let Given { path, text } = given;
        let root = Root::of(&path);
        if let (Kind::Rules, Some((command, instead))) = (kind, command) {
            let message =
                format!("`{command}` takes a policy, and {} is a dump of rules", root.title);
            return Err(Failure::new(message).help(instead));
        }
        let mut checked = Checked {
            title: root.title.clone(),
            sources: Sources::new(),
            names: Names::within(root.folder.to_string_lossy()),
            findings: Vec::new(),
            untold: Vec::new(),
            expected: 0,
            levels: terms.levels.in_folder(&root.folder, &terms.within)?,
            within: terms.within.clone(),
            depth,
            folder: root.folder.clone(),
            root: fs::canonicalize(&path).ok().filter(|_| !root.is_stdin),
            path,
            files: Vec::new(),
            included: Vec::new(),
            content: Content::Nothing,
            is_dump: false,
            rules: 0,
            meaning: None,
            is_whole: false,
        };
        let text = match text {
            Ok(text) => text,
            Err(error) => {
                checked.findings.push(unusable(&root.title, error)?);
                return Ok((checked, Vec::new()));
            }
        };
        match kind {
            Kind::Policy => {}
            Kind::Rules => {
                checked.dump(root.name, &text, sets)?;
                return Ok((checked, Vec::new()));
            }
            Kind::Sets => return Err(without_rules(&checked.path)),
        }
        let mut loader = DiskLoader::new(&root.folder, text.len(), &terms.within);
        let id = checked.sources.add(root.name.clone(), text);
        let question = question.map(|(what, text)| checked.sources.add(what, text));
        let mut resolved = match question {
            None => pipeline::resolve(id, &mut checked.sources, &mut loader),
            Some(question) => {
                pipeline::resolve_asking(id, question, &mut checked.sources, &mut loader)
            }
        };
        let is_asked = |finding: &Finding| {
            question.is_some_and(|file| finding.span.is_some_and(|span| span.file() == file))
        };
        let (wrong, findings) =
            std::mem::take(&mut resolved.findings).into_iter().partition(is_asked);
        resolved.findings = findings;
        checked.included = loader.read().to_vec();
        checked.take(checked.said(resolved), meanwhile);
        Ok((checked, wrong))
    }
}

/// What is wrong with a question, if something is.
pub(super) fn misunderstood(
    what: &str,
    question: &str,
    wrong: Vec<Finding>,
    sources: &Sources,
) -> Option<Failure> {
    let finding = wrong.into_iter().find(|finding| finding.level == Level::Error)?;
    let place = finding.span.filter(|span| span.start() < span.end());
    let at = place.map(|span| sources.text(span).trim().to_owned());
    let at = at.filter(|text| !text.is_empty() && question.contains(text.as_str()));
    let message = match at {
        Some(text) if !finding.message.contains(&text) => {
            format!("{what}, at `{text}`: {}", finding.message)
        }
        _ => format!("{what}: {}", finding.message),
    };
    Some(Failure { message, help: finding.help })
}

/// A dump of sets by itself says nothing of packets.
pub(super) fn without_rules(path: &Path) -> Failure {
    let title = Root::of(path).title;
    Failure::new(format!("{title} is a dump of sets, without a rule"))
        .help("give the dump of the rules that name them")
}
