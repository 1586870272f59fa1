//! Tree → policy: includes, names, services and `def`s become sets; every item keeps its span.
//!
//! In: the root file and a loader for the files it includes. Out: a [`Policy`] and all findings. It
//! never fails: a statement at fault is reported and left out, and with a finding at level error
//! nothing may be written.

mod alter;
mod calls;
mod chains;
mod conditions;
mod context;
mod defaults;
mod direction;
mod docker;
mod ends;
mod entries;
mod expectations;
mod guarded;
mod helpers;
mod interfaces;
mod limits;
mod listing;
mod lists;
mod load;
mod messages;
mod names;
mod nat;
mod notrack;
mod order;
pub mod policy;
mod preserve;
mod promises;
mod raw;
mod remarks;
mod report;
mod rules;
mod services;
mod sets;
mod spelling;
pub mod stdlib;
mod uncalled;
mod unused;
mod values;
mod vocabulary;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

pub use helpers::group_addresses;
pub use listing::{ServiceInfo, helped_services, plain_services, services, services_not_for_all};
pub use notrack::answering_part;
pub use policy::Policy;
pub use preserve::is_of_known_program;

use crate::diagnostic::expectation::Expectations;
use crate::diagnostic::{Finding, Level, has_errors};
use crate::packet::Field;
use crate::source::{FileId, Loader, Sources, Span};
use crate::syntax::tree::{
    self, Block, Clause, ClauseKind, Direction, Statement, StatementKind, VerbKind,
};
use crate::syntax::{self, Question};
use calls::{Frame, outermost};
use context::{Context, ToIs};
use ends::{End, Zone};
use names::Names;
use notrack::Answers;
use policy::{
    Alteration, Call, CallId, ChainId, Docker, Hook, Item, Listed, Origin, Part, Promise, Raw,
    RawTable, Rule,
};
use services::Traffic;
use sets::Sets;
use spelling::Spellings;
use stdlib::Library;

/// Definitions rest on each other at most this deep, and calls nest so.
const MAX_DEPTH: usize = 64;

/// So often members of lists are looked for behind names that stand for lists, and held against those of
/// the block around. What a name of a `let` stands for is found once; what an argument does, for each use.
const MAX_FOLLOWED: usize = 5_000_000;

/// The members that one list may have with those of lists in it.
const MAX_MEMBERS: usize = 200_000;

/// What a policy turned out to be.
#[derive(Debug)]
pub struct Resolved {
    pub policy: Policy,
    /// All of them: what is expected is taken out when every stage has said its own.
    pub findings: Vec<Finding>,
    pub expectations: Expectations,
    /// The policy's own files in the order in which they were first named, the root first; those of
    /// sets among them.
    pub files: Vec<FileId>,
}

/// Resolves the policy whose root file is in `sources`; included files are added there.
pub fn resolve(root: FileId, sources: &mut Sources, loader: &mut dyn Loader) -> Resolved {
    resolve_with(root, None, sources, loader)
}

/// The same, with one more promise behind all others: a question in a file of its own, in which the
/// policy's names mean what they mean there.
pub fn resolve_asking(
    root: FileId,
    question: (FileId, Question),
    sources: &mut Sources,
    loader: &mut dyn Loader,
) -> Resolved {
    resolve_with(root, Some(question), sources, loader)
}

fn resolve_with(
    root: FileId,
    question: Option<(FileId, Question)>,
    sources: &mut Sources,
    loader: &mut dyn Loader,
) -> Resolved {
    let mut findings = Vec::new();
    let loaded = load::load(root, sources, loader, &mut findings);
    let library = Library::new(sources);
    let asked = question
        .map(|(file, question)| syntax::parse_question(file, sources.file(file).text(), question));
    let mut statements = loaded.statements();
    if let Some(asked) = &asked {
        findings.extend(asked.findings.iter().cloned());
        statements.extend(&asked.tree.statements);
    }
    let names = names::gather(&statements, &library, sources, &mut findings);
    let mut resolver = Resolver::new(sources, names, &loaded.set_files, findings);
    resolver.lacks_files = loaded.lacks_files;
    resolver.unread = loaded.unread.iter().map(|name| sources.text(name.0)).collect();
    let policy = resolver.policy(&statements);
    let expectations = std::mem::take(&mut resolver.expectations);
    Resolved { policy, findings: resolver.finish(), expectations, files: loaded.files.clone() }
}

/// The state of resolving one policy.
struct Resolver<'a> {
    sources: &'a Sources,
    names: Names<'a>,
    /// For the name of each set's file, the file.
    set_files: &'a HashMap<Span, FileId>,
    findings: Vec<Finding>,
    expectations: Expectations,
    /// What was reported, so that a `def` called twice does not say the same twice; once for each set
    /// of expectations that accept it.
    reported: HashSet<(&'static str, Option<Span>, String, Vec<usize>)>,
    /// What `syntax` refused already: nothing more is said about the same words.
    refused: HashSet<Span>,
    /// The names whose definitions `syntax` could not read: that they are unknown is not said.
    unread: HashSet<&'a str>,
    /// Whether files are missing in which any name may be defined.
    lacks_files: bool,
    /// How many of each level are kept, so that many warnings do not hide an error.
    kept: BTreeMap<Level, usize>,
    dropped_findings: usize,
    /// The highest level among what was dropped.
    dropped_level: Level,
    items: Vec<Item>,
    promises: Vec<Promise>,
    calls: Vec<Call>,
    /// What the parameters of each call stand for, by [`CallId`].
    frames: Vec<Frame<'a>>,
    /// The call whose body is being resolved.
    current: Option<CallId>,
    expanded: usize,
    followed: usize,
    /// Whether the block around has a head that could not be read: no direction is judged in it.
    headless: bool,
    /// Whether the block around was never closed, and so has swallowed what follows it.
    unclosed: bool,
    /// Whose body is being resolved, and the rules of it so far, when they are kept apart.
    body: Body,
    chain_rules: Vec<Rule>,
    docker: Option<Docker>,
    /// Raw rules of chains, in the order written.
    chain_raws: Vec<(ChainId, Raw)>,
    /// The sets that raw rules change.
    raw_fills: Vec<raw::Fill>,
    /// The table of each chain.
    chain_tables: Vec<RawTable>,
    limit_count: u32,
    lists: Vec<(Origin, Box<[Listed]>)>,
    /// Of the subjects in lists, the parts that several have.
    known_parts: HashSet<Arc<[Part]>>,
    /// The clauses of each rule of a chain, by their words.
    chain_clauses: HashMap<Origin, Vec<(&'static str, Span)>>,
    /// The helpers of each rule of a chain: who gets them depends on what reaches the chain.
    chain_helpers: HashMap<Origin, Vec<Alteration>>,
    /// What answers to packets that conntrack does not see.
    answers: Vec<Answers>,
    /// The first user and group that was named, and the first that was told by a number.
    accounts: HashMap<(Field, bool), Span>,
    known_interfaces: BTreeSet<&'a str>,
    /// The patterns of zones, such as `wlan+`.
    known_patterns: Vec<&'a str>,
    /// What a slip is measured by.
    spellings: Spellings<'a>,
    /// The words that were looked at for a slip.
    slips: HashMap<&'a str, Option<&'a str>>,
    zones: HashMap<usize, Option<Rc<Zone>>>,
    lets: HashMap<usize, Option<Rc<[End]>>>,
    sets: Sets,
    /// The zones that are being read.
    zone_path: Vec<usize>,
    let_path: Vec<(usize, Span)>,
    services: HashMap<(bool, usize), Option<Rc<[Traffic]>>>,
    service_path: Vec<((bool, usize), Span)>,
}

/// Whose statements are being resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    Policy,
    Chain,
    Docker,
}

impl<'a> Resolver<'a> {
    fn new(
        sources: &'a Sources,
        names: Names<'a>,
        set_files: &'a HashMap<Span, FileId>,
        findings: Vec<Finding>,
    ) -> Self {
        let refused = findings.iter().filter(|finding| finding.level == Level::Error);
        let refused = refused.filter_map(|finding| finding.span).collect();
        Resolver {
            sources,
            names,
            set_files,
            findings,
            expectations: Expectations::default(),
            reported: HashSet::new(),
            refused,
            unread: HashSet::new(),
            lacks_files: false,
            kept: BTreeMap::new(),
            dropped_findings: 0,
            dropped_level: Level::Note,
            items: Vec::new(),
            promises: Vec::new(),
            calls: Vec::new(),
            frames: Vec::new(),
            current: None,
            expanded: 0,
            followed: 0,
            headless: false,
            unclosed: false,
            body: Body::Policy,
            chain_rules: Vec::new(),
            docker: None,
            chain_raws: Vec::new(),
            raw_fills: Vec::new(),
            chain_tables: Vec::new(),
            limit_count: 0,
            lists: Vec::new(),
            known_parts: HashSet::new(),
            chain_clauses: HashMap::new(),
            chain_helpers: HashMap::new(),
            answers: Vec::new(),
            accounts: HashMap::new(),
            known_interfaces: BTreeSet::new(),
            known_patterns: Vec::new(),
            spellings: Spellings::default(),
            slips: HashMap::new(),
            zones: HashMap::new(),
            lets: HashMap::new(),
            sets: Sets::default(),
            zone_path: Vec::new(),
            let_path: Vec::new(),
            services: HashMap::new(),
            service_path: Vec::new(),
        }
    }

    fn policy(&mut self, statements: &[&'a Statement]) -> Policy {
        self.gather_expectations(statements);
        self.gather_known_interfaces();
        self.gather_sets();
        self.check_zones();
        self.gather_chain_tables(statements);
        let mut chains = self.chains();
        let top = Context::top();
        for statement in statements {
            self.statement(statement, &top, None);
        }
        let defaults = self.defaults(statements);
        let implicit = self.implicit(statements);
        let preserve = self.preserve(statements);
        for (id, raw) in std::mem::take(&mut self.chain_raws) {
            chains[id.0 as usize].raws.push(raw);
        }
        self.check_chains(&chains);
        self.check_definitions();
        let sets = self.finish_sets();
        let zones = self.known_zones();
        self.helpers_behind_netmaps();
        self.excuse_uncalled();
        self.sets_of_raws(&sets, &chains);
        self.check_raw_fills(&sets);
        // A definition may be used in what could not be read.
        if !has_errors(&self.findings) {
            self.check_unused();
        }
        let policy = Policy {
            defaults,
            implicit,
            sets,
            chains,
            items: std::mem::take(&mut self.items),
            // What is said of the whole policy still points at them.
            calls: self.calls.clone(),
            lists: std::mem::take(&mut self.lists),
            promises: std::mem::take(&mut self.promises),
            zones,
            vocabulary: self.vocabulary(),
            has_zones: self.names.has_zones(),
            preserve,
            docker: self.docker.take(),
        };
        self.check_order(&policy.items);
        self.check_preserved_marks(&policy);
        self.check_preserved_targets(&policy);
        self.mention_others(&policy);
        self.mention_forwarding(&policy);
        self.mention_unrelated(&policy);
        self.mention_untracked_answers(&policy);
        policy
    }

    fn statement(&mut self, statement: &'a Statement, outer: &Context<'a>, env: Option<CallId>) {
        let span = statement.span;
        match &statement.kind {
            StatementKind::Rule(rule) => self.rule(rule, span, outer, env),
            StatementKind::Block(block) => {
                let around = self.unclosed;
                self.unclosed |= !self.text(span).ends_with('}');
                self.block(block, span, outer, env);
                self.unclosed = around;
            }
            StatementKind::Call { name, arguments } => {
                self.call(*name, arguments, span, outer, env);
            }
            StatementKind::Assert(rule) => self.assert(rule, span),
            StatementKind::Protect { subjects, clauses } => self.protect(subjects, clauses, span),
            StatementKind::Test { title, packets } => self.test(*title, packets, span),
            StatementKind::Docker { bridges, body } => self.docker(bridges, body, span),
            StatementKind::Raw { family, table, chain, text } => {
                self.raw([*family, *table, *chain], *text, span, env);
            }
            // Read before, from all files; in a block they are refused by `inner`.
            StatementKind::Include(_)
            | StatementKind::Use(_)
            | StatementKind::Zone { .. }
            | StatementKind::Let { .. }
            | StatementKind::Set(_)
            | StatementKind::Service { .. }
            | StatementKind::Def(_)
            | StatementKind::Chain { .. }
            | StatementKind::Default(_)
            | StatementKind::Implicit(_)
            | StatementKind::Preserve(_)
            | StatementKind::Invalid => {}
        }
    }

    /// A statement inside a block, a `def` or a chain: rules, calls and blocks only.
    fn inner(&mut self, statement: &'a Statement, outer: &Context<'a>, env: Option<CallId>) {
        if let Some(call) = self.current
            && !self.expand(outermost(&self.calls, call))
        {
            return;
        }
        match misplaced(&statement.kind) {
            None => self.statement(statement, outer, env),
            // It has no clauses of its own in which that could stand.
            Some(_) if is_raw(statement) && self.only_expects(outer, env) => {
                self.statement(statement, outer, env);
            }
            // One that was never closed was reported by `syntax`: that is the mistake.
            Some(_) if self.unclosed => {}
            Some(what) => self.report(messages::misplaced_statement(statement.span, what)),
        }
    }

    /// Whether the blocks around say what is expected and nothing else.
    fn only_expects(&self, outer: &Context<'a>, env: Option<CallId>) -> bool {
        let is_expect = |(word, _): &(&str, Span)| *word == "expect";
        let says = !outer.present.is_empty() && outer.present.iter().all(is_expect);
        says && outer.direction.is_none() && env.is_none() && self.body == Body::Policy
    }

    /// Counts steps to the members of lists; whether they may be gone. All that may not is one mistake.
    fn follow(&mut self, at: Span, steps: usize) -> bool {
        let was_too_much = self.followed > MAX_FOLLOWED;
        self.followed = self.followed.saturating_add(steps);
        if self.followed > MAX_FOLLOWED && !was_too_much {
            self.report(messages::too_many_members(at));
        }
        self.followed <= MAX_FOLLOWED
    }

    fn rule(&mut self, rule: &'a tree::Rule, span: Span, outer: &Context<'a>, env: Option<CallId>) {
        match &rule.verb.kind {
            VerbKind::Allow
            | VerbKind::Drop
            | VerbKind::Reject
            | VerbKind::Log(_)
            | VerbKind::Return
            | VerbKind::Jump(_)
            | VerbKind::Goto(_)
            | VerbKind::Add { .. } => {
                let Some(rule) = self.filter_rule(rule, span, outer, env) else { return };
                match self.body {
                    Body::Policy => self.items.push(Item::Rule(rule)),
                    Body::Chain | Body::Docker => self.chain_rules.push(rule),
                }
            }
            VerbKind::Masquerade
            | VerbKind::Snat
            | VerbKind::Forward
            | VerbKind::Redirect
            | VerbKind::Netmap(_)
            | VerbKind::Nonat => {
                if self.body != Body::Policy {
                    let word = self.text(rule.verb.span);
                    self.report(if self.body == Body::Docker {
                        messages::verb_in_docker(rule.verb.span, word)
                    } else {
                        messages::nat_in_chain(rule.verb.span, word)
                    });
                    return;
                }
                let nat = self.nat_rule(rule, span, outer, env);
                self.items.extend(nat.map(Item::Nat));
            }
            VerbKind::Mark { .. } | VerbKind::Dscp(_) | VerbKind::Clamp(_) | VerbKind::Notrack => {
                if self.body != Body::Policy {
                    let word = alter::change_word(&rule.verb.kind);
                    self.report(messages::change_in_chain(rule.verb.span, word));
                    return;
                }
                let alteration = match rule.verb.kind {
                    VerbKind::Notrack => self.notrack(rule, span, outer, env),
                    _ => self.alteration(rule, span, outer, env),
                };
                self.items.extend(alteration.map(Item::Alter));
            }
        }
    }

    fn block(&mut self, block: &'a Block, span: Span, outer: &Context<'a>, env: Option<CallId>) {
        let mut context = Context { block: Some(span), ..outer.clone() };
        if let Some(direction) = block.direction {
            let hook = match direction {
                Direction::Input => Hook::Input,
                Direction::Forward => Hook::Forward,
                Direction::Output => Hook::Output,
            };
            if let Some((other, at)) = context.direction
                && other != hook
            {
                self.report(messages::two_directions(block.head, at, other));
                return;
            }
            context.direction = Some((hook, block.head));
        }
        let counted = |clause: &&Clause| matches!(clause.kind, ClauseKind::Connections { .. });
        if let Some(clause) = block.clauses.iter().find(counted) {
            self.report(messages::connections_of_block(clause.span));
            return;
        }
        let Some(context) = self.narrow(&context, &block.clauses, ToIs::Ends, env) else { return };
        let around = self.headless;
        self.headless |= block.direction.is_none() && block.clauses.is_empty();
        for statement in &block.body {
            self.inner(statement, &context, env);
        }
        self.headless = around;
    }

    /// A note that the rules alone do not make a router.
    fn mention_forwarding(&mut self, policy: &Policy) {
        let forwards = |item: &Item| match item {
            Item::Alter(_) | Item::Raw(_) => None,
            Item::Nat(nat) => match &nat.kind {
                policy::NatKind::Source { .. }
                | policy::NatKind::Forward(_)
                | policy::NatKind::Netmap { .. } => Some((nat.origin, false)),
                policy::NatKind::Redirect(_) => None,
            },
            Item::Rule(rule) => {
                let forward = policy::Scope::Hook(Hook::Forward);
                let does = rule.action == policy::Action::Allow
                    && rule.flows.iter().any(|flow| flow.scope == forward);
                let mut places = rule.flows.iter().flat_map(|flow| &flow.destination);
                let to_any = places.all(|place| *place == policy::Place::anywhere());
                does.then_some((rule.origin, to_any))
            }
        };
        let Some((origin, to_any)) = policy.items.iter().find_map(forwards) else { return };
        let call = origin.call.map(|call| outermost(&policy.calls, call));
        let finding = messages::forwarding_needed(call.unwrap_or(origin.span), to_any);
        self.findings.push(match call {
            Some(_) => finding.related(origin.span, "by this statement"),
            None => finding,
        });
    }
}

fn is_raw(statement: &Statement) -> bool {
    matches!(statement.kind, StatementKind::Raw { .. })
}

/// What a statement that may stand at the top level only is called.
fn misplaced(kind: &StatementKind) -> Option<&'static str> {
    match kind {
        StatementKind::Rule(_)
        | StatementKind::Block(_)
        | StatementKind::Call { .. }
        | StatementKind::Invalid => None,
        StatementKind::Include(_) => Some("`include`"),
        StatementKind::Use(_) => Some("`use`"),
        StatementKind::Zone { .. } => Some("`zone`"),
        StatementKind::Let { .. } => Some("`let`"),
        StatementKind::Set(_) => Some("`set`"),
        StatementKind::Service { .. } => Some("`service`"),
        StatementKind::Def(_) => Some("`def`"),
        StatementKind::Chain { .. } => Some("`chain`"),
        StatementKind::Default(_) => Some("`default`"),
        StatementKind::Implicit(_) => Some("`implicit`"),
        StatementKind::Assert(_) => Some("`assert`"),
        StatementKind::Protect { .. } => Some("`protect`"),
        StatementKind::Test { .. } => Some("`test`"),
        StatementKind::Preserve(_) => Some("`preserve`"),
        StatementKind::Docker { .. } => Some("`docker`"),
        StatementKind::Raw { .. } => Some("`raw`"),
    }
}

#[cfg(test)]
mod tests;
