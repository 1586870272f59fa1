//! One form for rulesets that say the same: what a rules file cannot tell apart is made alike.
//!
//! - Where a rule comes from is left out.
//! - A condition on everything is none, and a range of ports that begins or ends with all the ports is
//!   said without its `!`.
//! - Rates are as the kernel counts them.
//! - Words of a raw rule are read: they are matches too.

use std::collections::HashSet;
use std::sync::Arc;

use palisade::emit::rate::{Counter, counted};
use palisade::emit::rule_text;
use palisade::net::{Family, TcpFlags};
use palisade::read::read_with_sets;
use palisade::ruleset::{
    Chain, Conntrack, KernelSet, Match, MatchKind, Origin, Rule, Ruleset, Table, TableName, Target,
};
use palisade::source::Sources;

pub fn normal(ruleset: &Ruleset) -> Ruleset {
    let table = |table: &Table| {
        let names = table.chains.iter().filter(|chain| chain.policy.is_none());
        let names: Vec<Arc<str>> = names.map(|chain| Arc::clone(&chain.name)).collect();
        let rules = |chain: &Chain| -> Vec<Rule> {
            chain.rules.iter().flat_map(|rule| of_rule(rule, ruleset, table.name, &names)).collect()
        };
        let chains = table.chains.iter();
        let chains = chains.map(|chain| Chain { rules: rules(chain), ..chain.clone() }).collect();
        Table { name: table.name, chains }
    };
    let set = |set: &Arc<KernelSet>| {
        Arc::new(KernelSet { origin: Origin::Default(None), ..(**set).clone() })
    };
    Ruleset {
        family: ruleset.family,
        tables: ruleset.tables.iter().map(table).collect(),
        sets: ruleset.sets.iter().map(set).collect(),
        preserve: false,
    }
}

/// The rules that a rule is: words with a list of addresses are several.
fn of_rule(rule: &Rule, ruleset: &Ruleset, table: TableName, chains: &[Arc<str>]) -> Vec<Rule> {
    let is_words = |found: &Match| matches!(found.kind, MatchKind::Opaque(_));
    let words = matches!(&rule.target, Target::Opaque { text, .. } if !text.is_empty());
    let rules = if words || rule.matches.iter().any(is_words) {
        read_words(rule, ruleset, table, chains)
    } else {
        vec![rule.clone()]
    };
    rules.iter().map(|rule| one_rule(rule, ruleset.family)).collect()
}

fn one_rule(rule: &Rule, family: Family) -> Rule {
    let mut seen = HashSet::new();
    let matches = rule.matches.iter().filter_map(|found| one_match(found, family, &mut seen));
    let target = match &rule.target {
        Target::Log { prefix, level } => {
            let prefix = prefix.as_ref().map(|text| one_line(text)).filter(|text| !text.is_empty());
            Target::Log { prefix, level: *level }
        }
        target => target.clone(),
    };
    Rule { matches: matches.collect(), target, origin: Origin::Default(None) }
}

/// What a rule with words in it is read as.
fn read_words(rule: &Rule, ruleset: &Ruleset, table: TableName, chains: &[Arc<str>]) -> Vec<Rule> {
    let declared: Vec<String> = chains.iter().map(|chain| format!(":{chain} - [0:0]\n")).collect();
    let declared = declared.concat();
    let words = rule_text(rule, ruleset.family);
    // In a chain of nobody's hook all may stand that the table takes.
    let text = format!("*{table}\n{declared}:words - [0:0]\n-A words {words}\nCOMMIT\n");
    let file = Sources::new().add("rule", text.as_str());
    let read = read_with_sets(file, &text, Some(ruleset.family), &ruleset.sets);
    assert_eq!(read.findings, [], "{text}");
    read.ruleset.tables[0].chain("words").expect("the chain").rules.clone()
}

fn one_line(text: &str) -> Arc<str> {
    text.replace(['\n', '\r', '\0'], " ").into()
}

fn one_match(found: &Match, family: Family, seen: &mut HashSet<bool>) -> Option<Match> {
    let said = |negated, kind| Some(Match { negated, kind });
    match (&found.kind, found.negated) {
        (MatchKind::Source(prefix) | MatchKind::Destination(prefix), false)
            if prefix.length() == 0 =>
        {
            None
        }
        (MatchKind::SourcePort(low, high), negated) => {
            ports(*low, *high, negated, true, seen.insert(true))
        }
        (MatchKind::DestinationPort(low, high), negated) => {
            ports(*low, *high, negated, false, seen.insert(false))
        }
        (MatchKind::TcpFlags(flags), false) if flags.mask() == TcpFlags::NONE => {
            said(false, MatchKind::DestinationPort(0, u16::MAX))
        }
        (MatchKind::Conntrack(asked), false) if *asked == Conntrack::default() => None,
        (MatchKind::Comment(text), false) => said(false, MatchKind::Comment(one_line(text))),
        (MatchKind::Limit { rate, burst }, negated) => {
            let rate = counted(*rate, Counter::Limit);
            said(negated, MatchKind::Limit { rate, burst: *burst })
        }
        (MatchKind::Hashlimit(limit), negated) => {
            let mut limit = limit.clone();
            limit.rate = counted(limit.rate, Counter::Hashlimit);
            limit.source_mask = limit.source_mask.filter(|mask| *mask != family.bits());
            limit.keys.sort_unstable();
            said(negated, MatchKind::Hashlimit(limit))
        }
        _ => Some(found.clone()),
    }
}

/// A second match on the ports of one side is a multiport.
fn ports(low: u16, high: u16, negated: bool, source: bool, first: bool) -> Option<Match> {
    let list = |negated, list| {
        let kind =
            if source { MatchKind::SourcePorts(list) } else { MatchKind::DestinationPorts(list) };
        Some(Match { negated, kind })
    };
    let one = |negated, low, high| {
        let kind = if source {
            MatchKind::SourcePort(low, high)
        } else {
            MatchKind::DestinationPort(low, high)
        };
        Some(Match { negated, kind })
    };
    match (negated, low, high) {
        _ if !first => list(negated, vec![(low, high)]),
        (false, 0, u16::MAX) => one(false, 0, u16::MAX),
        (true, 0, u16::MAX) => list(true, vec![(low, high)]),
        (true, 0, high) if low < high => one(false, high + 1, u16::MAX),
        (true, low, u16::MAX) if low < u16::MAX => one(false, 0, low - 1),
        (negated, low, high) => one(negated, low, high),
    }
}
