//! The same rulesets as a file for `nft -f`: one table a family, replaced as a whole.
//!
//! Whatever nft cannot say the same way is reported, with its rule; nothing is left out. What takes
//! several nft rules (an `or`, the opposite of something that nft never matches when it is absent)
//! gets a chain of its own, so that limits still count once.

mod alone;
mod condition;
mod names;
mod sets;
mod verdict;

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;
use std::sync::Arc;

use crate::net::Family;
use crate::ruleset::{
    Chain, ChainPolicy, DOCKER_USER, KernelSet, MatchKind, Origin, Rule, Ruleset, Table, TableName,
    Target,
};
use crate::source::Sources;

use super::iptables::Header;
use super::origin::origin_text;

use condition::Condition;
use names::{Names, Side};

/// A rule that nft cannot say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untranslatable {
    pub family: Family,
    pub table: TableName,
    pub chain: String,
    /// The rule's index in its chain, from 0.
    pub rule: usize,
    pub origin: Origin,
    /// What it is, as a lower-case clause.
    pub reason: String,
}

/// Both families in one file that can be loaded again and again, each time as one transaction.
///
/// # Errors
/// Every rule that has no translation.
pub fn nft(
    v4: &Ruleset,
    v6: &Ruleset,
    header: &Header,
    sources: &Sources,
) -> Result<String, Vec<Untranslatable>> {
    let mut out = header.lines("nft rules");
    if v4.preserve || v6.preserve {
        out.push_str(
            "# Rules of others in other tables stay. A packet must be accepted by them and by these.\n",
        );
    }
    if v4.sets.iter().chain(&v6.sets).any(|set| set.is_dynamic()) {
        out.push_str(sets::EMPTIED);
    }
    let mut problems = Vec::new();
    for ruleset in [v4, v6].map(alone::alone) {
        let mut writer = Writer::new(&ruleset, sources);
        for table in &ruleset.tables {
            writer.table(table);
        }
        writer.print(&mut out);
        problems.append(&mut writer.problems);
    }
    if problems.is_empty() { Ok(out) } else { Err(problems) }
}

struct Writer<'a> {
    sources: &'a Sources,
    family: Family,
    sets: &'a [Arc<KernelSet>],
    names: Names<'a>,
    /// The sets without a time of their own to which some rule adds for a time.
    timed: HashSet<&'a str>,
    /// Sets and limits by their names, with their declarations.
    objects: BTreeMap<String, String>,
    /// Chains in the order in which they are printed, with their lines.
    chains: Vec<(String, Vec<String>)>,
    problems: Vec<Untranslatable>,
}

/// A rule in pieces.
#[derive(Default)]
struct Pieces {
    /// Must hold, in this order.
    texts: Vec<String>,
    /// Must not hold.
    guards: Vec<String>,
    /// One of them must hold, when there are any.
    either: Vec<String>,
    comments: Vec<String>,
}

impl<'a> Writer<'a> {
    fn new(ruleset: &'a Ruleset, sources: &'a Sources) -> Self {
        Writer {
            sources,
            family: ruleset.family,
            sets: &ruleset.sets,
            names: Names::new(ruleset),
            timed: sets::timed(ruleset),
            objects: BTreeMap::new(),
            chains: Vec::new(),
            problems: Vec::new(),
        }
    }

    fn table(&mut self, table: &'a Table) {
        let helping = Helping::of(table);
        for chain in &table.chains {
            if &*chain.name == DOCKER_USER {
                self.problems.extend(docker_user(self.family, table.name, chain));
                continue;
            }
            let name = self.names.chain(table.name, &chain.name);
            let Some(policy) = chain.policy else {
                self.chain(table.name, chain, name, None, |_| true);
                continue;
            };
            let head = base_chain(&chain.name, place_of(table.name, &chain.name), policy);
            let late = |rule: &Rule| helping.leads(rule);
            self.chain(table.name, chain, name, Some(head), |rule| !late(rule));
            if chain.rules.iter().any(late) {
                let name = self.names.fresh(&format!("{}_{}_helpers", table.name, chain.name));
                let head = base_chain(&chain.name, ("filter", HELPERS), policy);
                self.chain(table.name, chain, name, Some(head), late);
            }
        }
    }

    /// Writes the rules of a chain that are `meant`.
    fn chain(
        &mut self,
        table: TableName,
        chain: &'a Chain,
        name: String,
        head: Option<String>,
        meant: impl Fn(&Rule) -> bool,
    ) {
        let mut lines: Vec<String> = head.into_iter().collect();
        let place = self.chains.len();
        self.chains.push((name, Vec::new()));
        let mut said = String::new();
        for (at, rule) in chain.rules.iter().enumerate().filter(|(_, rule)| meant(rule)) {
            let origin = origin_text(rule.origin, self.sources);
            if origin != said {
                lines.push(format!("# {origin}"));
                said = origin;
            }
            match self.rule(table, chain, rule) {
                Ok(line) => lines.push(line),
                Err(reason) => self.problems.push(Untranslatable {
                    family: self.family,
                    table,
                    chain: chain.name.to_string(),
                    rule: at,
                    origin: rule.origin,
                    reason,
                }),
            }
        }
        self.chains[place].1 = lines;
    }

    fn rule(&mut self, table: TableName, chain: &Chain, rule: &Rule) -> Result<String, String> {
        let pieces = self.pieces(rule)?;
        let side = self.names.side(table, &chain.name);
        let verdict = self.verdict(table, rule, side)?;
        let comment = verdict::comment(&pieces.comments);
        let body = join(pieces.texts.iter().chain([&verdict, &comment]));
        if pieces.guards.is_empty() && pieces.either.is_empty() {
            return Ok(body);
        }
        if verdict.starts_with("return") || verdict.starts_with("goto") {
            return Err(format!(
                "`{verdict}` of a rule that nft needs a chain of its own for would leave only that"
            ));
        }
        let own = self.names.fresh(&format!("{table}_{}_rule", chain.name));
        let mut lines: Vec<String> =
            pieces.guards.iter().map(|guard| format!("{guard} return")).collect();
        if pieces.either.is_empty() {
            lines.push(body);
        } else {
            let inner = self.names.fresh(&format!("{table}_{}_rule", chain.name));
            lines.extend(pieces.either.iter().map(|text| format!("{text} goto {inner}")));
            self.chains.push((inner, vec![body]));
        }
        self.chains.push((own.clone(), lines));
        Ok(format!("jump {own}"))
    }

    fn pieces(&mut self, rule: &Rule) -> Result<Pieces, String> {
        let mut pieces = Pieces::default();
        for found in &rule.matches {
            if let MatchKind::Comment(text) = &found.kind
                && !found.negated
            {
                pieces.comments.push(text.to_string());
                continue;
            }
            for condition in self.condition(found, rule)? {
                match condition {
                    Condition::Holds(text) => pieces.texts.push(text),
                    Condition::Fails(text) => pieces.guards.push(text),
                    Condition::Either(texts) if pieces.either.is_empty() => pieces.either = texts,
                    Condition::Either(_) => {
                        return Err("two conditions with an `or` in one rule".to_owned());
                    }
                }
            }
        }
        Ok(pieces)
    }

    fn print(&self, out: &mut String) {
        let table = match self.family {
            Family::V4 => "table ip palisade",
            Family::V6 => "table ip6 palisade",
        };
        // Created, so that it can be deleted whether it was there or not.
        let _ = writeln!(out, "{table}\ndelete {table}\n{table} {{");
        for set in self.sets {
            sets::print(out, set, &self.names.set(&set.name));
        }
        for (name, declaration) in &self.objects {
            let _ = writeln!(out, "\t{declaration}", declaration = declaration.replace('@', name));
        }
        for (name, lines) in &self.chains {
            let _ = writeln!(out, "\tchain {name} {{");
            for line in lines {
                let _ = writeln!(out, "\t\t{line}");
            }
            out.push_str("\t}\n");
        }
        out.push_str("}\n");
    }
}

/// No rule of ours can stand between those of another table.
fn docker_user(family: Family, table: TableName, chain: &Chain) -> Option<Untranslatable> {
    chain.rules.first().map(|rule| Untranslatable {
        family,
        table,
        chain: chain.name.to_string(),
        rule: 0,
        origin: rule.origin,
        reason: "`docker` is a part of Docker's own rules, which are those of iptables".to_owned(),
    })
}

fn join<'a>(parts: impl Iterator<Item = &'a String>) -> String {
    let parts: Vec<&str> = parts.map(String::as_str).filter(|part| !part.is_empty()).collect();
    parts.join(" ")
}

/// The kind and priority with which iptables has a chain.
fn place_of(table: TableName, chain: &str) -> (&'static str, i32) {
    match (table, chain) {
        (TableName::Filter, _) => ("filter", 0),
        (TableName::Nat, "PREROUTING" | "OUTPUT") => ("nat", -100),
        (TableName::Nat, _) => ("nat", 100),
        (TableName::Mangle, "OUTPUT") => ("route", -150),
        (TableName::Mangle, _) => ("filter", -150),
        (TableName::Raw, _) => ("filter", -300),
        (TableName::Security, _) => ("filter", 50),
    }
}

/// iptables says before conntrack who will get a helper. In nft there must be a connection to give it
/// to: behind conntrack (-200), and before anything is changed or translated.
const HELPERS: i32 = -175;

/// The first line of a base chain.
fn base_chain(chain: &str, (kind, priority): (&str, i32), policy: ChainPolicy) -> String {
    let hook = chain.to_ascii_lowercase();
    let policy = match policy {
        ChainPolicy::Accept => "accept",
        ChainPolicy::Drop => "drop",
    };
    format!("type {kind} hook {hook} priority {priority}; policy {policy};")
}

/// The chains of a table from which rules come to a helper.
struct Helping<'a>(HashSet<&'a str>);

impl<'a> Helping<'a> {
    fn of(table: &'a Table) -> Self {
        let mut helping = Helping(HashSet::new());
        // A chain may stand before those that it jumps to.
        loop {
            let known = helping.0.len();
            for chain in table.chains.iter().filter(|chain| chain.policy.is_none()) {
                if chain.rules.iter().any(|rule| helping.leads(rule)) {
                    helping.0.insert(&chain.name);
                }
            }
            if helping.0.len() == known {
                return helping;
            }
        }
    }

    fn leads(&self, rule: &Rule) -> bool {
        match &rule.target {
            Target::Helper(_) => true,
            Target::Jump(chain) | Target::Goto(chain) => self.0.contains(&**chain),
            Target::Accept
            | Target::Drop
            | Target::Return
            | Target::Reject(_)
            | Target::Log { .. }
            | Target::Masquerade
            | Target::Snat(..)
            | Target::Dnat { .. }
            | Target::Redirect(_)
            | Target::Netmap(_)
            | Target::SetMark(_)
            | Target::SetConnmark(_)
            | Target::RestoreMark(_)
            | Target::SaveMark(_)
            | Target::SetDscp(_)
            | Target::Tcpmss(_)
            | Target::Notrack
            | Target::AddSource { .. }
            | Target::Opaque { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests;
